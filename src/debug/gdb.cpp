// SPDX-License-Identifier: BSD-2-Clause
// gdb - a debugger at the other end of a serial line: `gdb=com1` on the command line.
//
// The payload waits at its first instruction for gdb, or for Escape at the console. From then on
// gdb sees every stop; it stops a running payload by Control-C, or by connecting to it. A fault
// that gdb passes on opens the monitor. When the payload returns, gdb is told so. Interrupts are
// off while gdb has the machine. Not: a payload with interrupts off, or with its own descriptor
// tables, cannot be stopped from outside; segment registers cannot be changed. Specification: see
// gdb_stub.h.  Tested with: gdb 13.1, QEMU's isa-serial.
#include <algorithm>
#include <cstring>
#include <utility>
#include "arch/cpu.h"
#include "arch/machine.h"
#include "arch/paging.h"
#include "arch/power.h"
#include "console/console.h"
#include "debug/breakpoint.h"
#include "debug/gdb_stub.h"
#include "debug/stop.h"
#include "hal/log.h"
#include "hal/time.h"
#include "lib/bytes.h"
#include "lib/heap.h"
#include "lib/ring.h"

namespace {

using debug::Access;
using debug::Reason;
using gdb::Point;
using gdb::Resume;
using gdb::Signal;
using gdb::Stop;

class SerialLine final : public gdb::Line {
public:
    explicit SerialLine(SerialPort& port) : port_(port) { port.on_arrival(arrived, this); }

    int receive(unsigned milliseconds) override;
    void send(std::string_view bytes) override { (void)port_.transmit(bytes); }

    SerialPort& port() { return port_; }
    bool has_early() const { return early_.size(); }
    bool escape_closes = false;  // the key at the console: until gdb is heard of

private:
    static void arrived(void* context);

    SerialPort& port_;
    static constexpr unsigned most_early = 1024;
    Ring<uint8_t, most_early> early_;  // what came while the payload ran
};

// While the payload runs gdb says nothing, but to stop it, or when it connects.
void SerialLine::arrived(void* context)
{
    constexpr uint8_t control_c = 3;
    auto& line = *static_cast<SerialLine*>(context);
    for (int c; line.early_.size() < most_early && (c = line.port_.receive()) >= 0;) {
        line.early_.push(static_cast<uint8_t>(c));
        if (c == control_c || c == '$') debug::request_break();
    }
}

int SerialLine::receive(unsigned milliseconds)
{
    constexpr int escape = 27;
    for (hal::Deadline deadline{{milliseconds * 1000ull}};;) {
        bool late = deadline.passed();
        uint8_t byte;
        int c = early_.pop(byte) ? byte : port_.receive();
        if (c == '$') escape_closes = false;
        if (c >= 0) return c;
        if (escape_closes && console::poll_key() == escape) return closed;
        if (late) return silence;
        hal::pause();
    }
}

class Machine final : public gdb::Target {
public:
    size_t read(uint32_t address, std::span<uint8_t> into) override;
    bool write(uint32_t address, std::span<const uint8_t> bytes) override;
    bool watch(Point kind, uint32_t address, unsigned bytes) override;
    void unwatch(Point kind, uint32_t address, unsigned bytes) override;
    void command(std::string_view line, Text<512>& said) override;

    // Which of ours the debug registers have stopped at.
    bool hit(Stop& stop) const;
    void unwatch_all();

private:
    int number_of(Point kind, uint32_t address, unsigned bytes) const;

    bool used_[debug::breakpoints] = {};
    Point kind_[debug::breakpoints] = {};
};

template <class T> volatile T& memory(uint32_t address)
{
    return *reinterpret_cast<volatile T*>(address);
}

// Byte by byte, but for what may be a device's register of this width.
template <class T> bool read_as(uint32_t address, std::span<uint8_t> into)
{
    if (into.size() != sizeof(T) || address % sizeof(T)) return false;
    T value = memory<T>(address);
    memcpy(into.data(), &value, sizeof value);
    return true;
}

template <class T> bool write_as(uint32_t address, std::span<const uint8_t> bytes)
{
    if (bytes.size() != sizeof(T) || address % sizeof(T)) return false;
    memory<T>(address) = load_le<T>(bytes.data());
    return true;
}

size_t Machine::read(uint32_t address, std::span<uint8_t> into)
{
    constexpr uint32_t page = 4096;
    size_t there = 0;
    while (there < into.size() && address + there >= address) {
        auto at = static_cast<uint32_t>(address + there);
        if (!paging::readable(at, 1)) break;
        there = std::min<size_t>(into.size(), there + page - at % page);
    }
    into = into.first(there);
    if (read_as<uint32_t>(address, into) || read_as<uint16_t>(address, into)) return there;
    for (size_t i = 0; i < there; ++i) into[i] = memory<uint8_t>(address + i);
    return there;
}

bool Machine::write(uint32_t address, std::span<const uint8_t> bytes)
{
    if (!paging::writable(address, bytes.size())) return false;
    if (write_as<uint32_t>(address, bytes) || write_as<uint16_t>(address, bytes)) return true;
    for (size_t i = 0; i < bytes.size(); ++i) memory<uint8_t>(address + i) = bytes[i];
    return true;
}

int Machine::number_of(Point kind, uint32_t address, unsigned bytes) const
{
    for (int i = 0; i < debug::breakpoints; ++i) {
        const debug::Breakpoint* there = debug::breakpoint(i);
        if (there && used_[i] && kind_[i] == kind && there->address == address &&
            there->bytes == bytes)
            return i;
    }
    return -1;
}

bool Machine::watch(Point kind, uint32_t address, unsigned bytes)
{
    if (number_of(kind, address, bytes) >= 0) return true;
    // There is no "read only": gdb leaves out what has changed the value.
    auto number = debug::set_breakpoint(address,
                                        kind == Point::execute ? Access::execute
                                        : kind == Point::write ? Access::write
                                                               : Access::access,
                                        bytes);
    if (!number) return false;
    used_[number.value()] = true;
    kind_[number.value()] = kind;
    return true;
}

void Machine::unwatch(Point kind, uint32_t address, unsigned bytes)
{
    int number = number_of(kind, address, bytes);
    if (number < 0) return;
    used_[number] = false;
    (void)debug::clear_breakpoint(number);  // it is there
}

void Machine::unwatch_all()
{
    for (int i = 0; i < debug::breakpoints; ++i) {
        if (std::exchange(used_[i], false)) (void)debug::clear_breakpoint(i);
    }
}

bool Machine::hit(Stop& stop) const
{
    int number = debug::hit_breakpoint();
    const debug::Breakpoint* there = debug::breakpoint(number);
    if (!there || !used_[number]) return false;
    stop = {Signal::trap, true, kind_[number], there->address};
    return true;
}

void Machine::command(std::string_view line, Text<512>& said)
{
    if (line == "reboot") power::reset();
    if (line == "off") {
        Error error = power::off().error();
        said.print("The machine cannot switch itself off: {}.\n", error_text(error));
        return;
    }
    said.append("monitor reboot - start the machine anew\nmonitor off - switch it off\n");
}

// ---- one session

class Session {
public:
    explicit Session(SerialPort& port) : line_(port), stub_(line_, machine_) {}

    void stop_at_entry();
    bool stopped(TrapFrame& frame, Reason reason);

private:
    bool is_entry(const TrapFrame& frame);
    Stop cause(TrapFrame& frame, Reason reason) const;
    bool serve(TrapFrame& frame, const Stop& stop);
    void go_on(TrapFrame& frame, Resume resume);

    SerialLine line_;
    Machine machine_;
    gdb::Stub stub_;
    int entry_breakpoint_ = -1;
    uint32_t return_address_ = 0;  // where the payload returns to
};

void Session::stop_at_entry()
{
    if (entry_breakpoint_ >= 0) return;
    auto number = debug::set_breakpoint(payload_range.start, Access::execute, 1);
    if (number) entry_breakpoint_ = number.value();
}

bool Session::is_entry(const TrapFrame& frame)
{
    int number = std::exchange(entry_breakpoint_, -1);
    if (number >= 0 && frame.eip == payload_range.start && debug::hit_breakpoint() == number) {
        (void)debug::clear_breakpoint(number);  // it is there
        return_address_ = le32(reinterpret_cast<const void*>(frame.esp));
        return true;
    }
    entry_breakpoint_ = number;
    return false;
}

Signal signal_of(const TrapFrame& frame)
{
    constexpr Signal signals[] = {
        Signal::arithmetic, Signal::trap,    Signal::interrupt, Signal::trap,
        Signal::segment,    Signal::segment, Signal::illegal,   Signal::arithmetic,
        Signal::segment,    Signal::segment, Signal::segment,   Signal::segment,
        Signal::segment,    Signal::segment, Signal::segment,   Signal::segment,
        Signal::arithmetic, Signal::bus,     Signal::bus,       Signal::arithmetic};
    return frame.vector < std::size(signals) ? signals[frame.vector] : Signal::segment;
}

// Afterwards eip is where the breakpoint is, if it is one of gdb's.
Stop Session::cause(TrapFrame& frame, Reason reason) const
{
    Stop stop;
    if (reason == Reason::fault) stop.signal = signal_of(frame);
    if (reason == Reason::request) stop.signal = Signal::interrupt;
    if (reason != Reason::breakpoint || machine_.hit(stop)) return stop;
    constexpr uint32_t int3 = 3;
    if (frame.vector == int3 && stub_.patches.at(frame.eip - 1)) {
        --frame.eip;
        stop = {Signal::trap, true, Point::software, 0};
    }
    return stop;
}

// The payload finds its FPU as it has left it.
class Fpu {
public:
    explicit Fpu(uint8_t (&image)[108]) : image_(image)
    {
        if (there_) cpu::save_fpu(image_);
    }
    ~Fpu()
    {
        if (there_) cpu::restore_fpu(image_);
    }
    Fpu(const Fpu&) = delete;
    Fpu& operator=(const Fpu&) = delete;

private:
    uint8_t (&image_)[108];
    bool there_ = cpu::fpu_is_on();
};

// In the order of gdb::Registers. Of the segment registers gdb gets but copies.
constexpr uint32_t TrapFrame::*core[] = {
    &TrapFrame::eax, &TrapFrame::ecx,    &TrapFrame::edx, &TrapFrame::ebx,
    &TrapFrame::esp, &TrapFrame::ebp,    &TrapFrame::esi, &TrapFrame::edi,
    &TrapFrame::eip, &TrapFrame::eflags, &TrapFrame::cs,  &TrapFrame::ss,
    &TrapFrame::ds,  &TrapFrame::es,     &TrapFrame::fs,  &TrapFrame::gs};

bool Session::serve(TrapFrame& frame, const Stop& stop)
{
    gdb::Registers registers;
    for (unsigned i = 0; i < std::size(core); ++i)
        registers.core[i] = frame.*core[i] & (i < gdb::Registers::cs ? ~0u : 0xffff);
    Resume resume;
    {
        // They may be on where the kernel stopped by itself: arrived() must not take bytes now.
        hal::InterruptsOff interrupts;
        Fpu fpu(registers.fpu);
        line_.escape_closes = !stub_.attached();
        resume = stub_.serve(stop, registers);
        constexpr uint32_t below = 16;  // where the frame is put that it goes on from
        while (!paging::writable(registers.core[gdb::Registers::esp] - below, below) &&
               resume != Resume::closed && resume != Resume::killed)
            resume = stub_.serve({Signal::segment}, registers);
    }
    for (unsigned i = 0; i < gdb::Registers::cs; ++i) frame.*core[i] = registers.core[i];
    go_on(frame, resume);
    return resume != Resume::closed && resume != Resume::pass_on;
}

void Session::go_on(TrapFrame& frame, Resume resume)
{
    constexpr uint32_t trap_flag = 1 << 8;
    frame.eflags &= ~trap_flag;
    if (resume == Resume::step) frame.eflags |= trap_flag;
    if (!stub_.attached()) machine_.unwatch_all();
    if (resume == Resume::pass_on) {
        stub_.ended(signal_of(frame));
        machine_.unwatch_all();
        stop_at_entry();
    }
    if (resume == Resume::killed) {
        stop_at_entry();
        if (debug::can_abandon()) debug::abandon();
    }
    if (stub_.attached() && return_address_) stub_.patches.add(return_address_);
    stub_.patches.write_all(machine_);
}

bool Session::stopped(TrapFrame& frame, Reason reason)
{
    stub_.patches.lift_all(machine_);
    Stop stop = cause(frame, reason);
    bool entry = is_entry(frame);
    if (stop.at_point && stop.point == Point::software && frame.eip == return_address_) {
        stub_.returned(static_cast<uint8_t>(frame.eax));
        machine_.unwatch_all();
        return_address_ = 0;
        stop_at_entry();
        return true;
    }
    bool connects = reason == Reason::request && line_.has_early();
    if (!stub_.attached() && !connects) {
        if (!entry && reason != Reason::fault) return false;
        console::begin_anew();
        hal::log("gdb: {} at 0x{08x}; waiting on {}, Escape goes on without it",
                 entry ? "the payload begins" : "a fault", frame.eip, line_.port().name.view());
    }
    bool dealt_with = serve(frame, stop);
    return dealt_with || entry;
}

constinit Session* session = nullptr;

void start(const BootInfo& info)
{
    if (info.gdb.empty()) return;
    SerialPort* port = first_serial_port();
    while (port && port->name.view() != info.gdb.view()) port = port->next;
    if (!port) return hal::log("gdb={}: there is no such serial port", info.gdb.view());
    auto made = make<Session>(*port);
    if (!made) return hal::log("gdb: {}", error_text(made.error()));
    session = made.value();
    session->stop_at_entry();
}

bool stopped(TrapFrame& frame, Reason reason) { return session && session->stopped(frame, reason); }

}  // namespace

extern const debug::Tool gdb_tool = {.name = "gdb", .start = start, .stopped = stopped};
