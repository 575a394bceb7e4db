// SPDX-License-Identifier: BSD-2-Clause
// push - a payload comes over the serial line, and is called: `./vesper push`.
//
// The command `reload` listens on every serial port that nobody else has taken; the one on which a
// transfer begins has it. What comes lies at the end of the payload's memory until all of it has
// been checked; nothing is loaded meanwhile, and after a transfer that failed. See transfer.h.
// Tested on: QEMU isa-serial.
#include "api/kexec.h"
#include "console/console.h"
#include "debug/report.h"
#include "debug/tool.h"
#include "debug/transfer.h"
#include "hal/classes.h"
#include "lib/ring.h"

namespace {

using debug::Transfer;

constinit Ring<uint8_t, 4096> arrived;  // what interrupts have found
constinit SerialPort* chosen = nullptr;
constinit bool looking = false;       // otherwise it is an interrupt that finds something
constinit bool by_interrupt = false;  // something has been found by one

// The interrupt handler's, and with interrupts off everybody's.
void take_arrivals(void* context)
{
    auto* port = static_cast<SerialPort*>(context);
    for (int byte; (byte = port->receive()) >= 0;) {
        if (!chosen && (byte == Transfer::flag || byte == Transfer::cancel)) chosen = port;
        if (chosen != port) continue;
        arrived.push(static_cast<uint8_t>(byte));
        if (!looking) by_interrupt = true;
    }
}

class SerialLines final : public debug::TransferLine {
public:
    SerialLines();
    ~SerialLines();
    SerialLines(const SerialLines&) = delete;

    bool empty() const { return count_ == 0; }
    int receive() override;
    void send(std::string_view bytes) override;
    void rest() override;

private:
    static constexpr unsigned most = 8;
    SerialPort* ports_[most] = {};
    unsigned count_ = 0, looks_ = 0;
};

SerialLines::SerialLines()
{
    hal::InterruptsOff interrupts;
    chosen = nullptr;
    by_interrupt = false;
    arrived.clear();
    for (SerialPort* port = first_serial_port(); port && count_ < most; port = port->next) {
        if (port->is_taken()) continue;
        port->on_arrival(take_arrivals, port);
        ports_[count_++] = port;
    }
}

SerialLines::~SerialLines()
{
    hal::InterruptsOff interrupts;
    for (unsigned i = 0; i < count_; ++i) ports_[i]->on_arrival(nullptr, nullptr);
}

int SerialLines::receive()
{
    uint8_t byte;
    if (arrived.pop(byte)) return byte;
    looking = true;
    {
        hal::InterruptsOff interrupts;
        for (unsigned i = 0; i < count_; ++i) take_arrivals(ports_[i]);
    }
    constexpr int escape_key = 27;
    bool look = by_interrupt || ++looks_ % 64 == 0;  // a keyboard controller is slow
    int key = look ? console::poll_key() : -1;
    looking = false;
    if (key == escape_key || key == Transfer::cancel) return Transfer::cancel;
    return arrived.pop(byte) ? byte : -1;
}

// Whoever reads a port of QEMU's in a loop keeps from it what is to come, on a busy host nearly
// all of it.
void SerialLines::rest()
{
    if (by_interrupt) return hal::idle();
    constexpr hal::Duration less_than_a_byte = {40};  // a port without FIFOs holds one for 87 us
    for (hal::Deadline end{less_than_a_byte}; !end.passed();) hal::pause();
}

void SerialLines::send(std::string_view bytes)
{
    for (unsigned i = 0; i < count_; ++i) {
        if (!chosen || chosen == ports_[i]) (void)ports_[i]->transmit(bytes);
    }
}

Result<void> receive(monitor::Call& call)
{
    SerialLines lines;
    if (lines.empty()) return call.fail(Error::not_found, "there is no serial port for it");
    monitor::print("Waiting for ./vesper push; Control-C ends that.\n");
    Transfer transfer(lines, kexec::payload_memory());
    if (auto received = transfer.receive(); !received)
        return call.fail(received.error(), "{}; no payload is loaded", transfer.why());
    auto symbols = transfer.symbols();
    auto loaded = kexec::load(transfer.payload());
    if (!loaded) {
        transfer.refuse("the machine cannot load it, and says why");
        return loaded;
    }
    if (!symbols.empty()) debug::take_payload_symbols(symbols);
    transfer.accept();
    return {};
}

Result<void> reload(monitor::Call& call)
{
    monitor::begin_load(call, call.rest());
    TRY(receive(call));
    monitor::call_loaded();
    return {};
}

constexpr monitor::Command commands[] = {
    {"reload", "[ARGS...]", "take a payload from the serial line, and call it", reload,
     "./vesper push is the other side, and types this. Without ARGS: args= of the boot.", false,
     true},
};

}  // namespace

extern const debug::Tool push_tool = {.name = "push", .commands = commands};
