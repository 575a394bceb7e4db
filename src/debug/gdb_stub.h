// SPDX-License-Identifier: BSD-2-Clause
// The remote side of gdb: its protocol, over any line, about any stopped i386.
//
// Specification: "Debugging with GDB", appendix E (Remote Serial Protocol) of gdb 13, and its
// org.gnu.gdb.i386.core feature.  A stop is served until gdb lets the machine go on: then the
// software breakpoints are written, and at the next stop they are lifted again, so that neither
// gdb nor this code ever sees one.
// Supports: registers with x87, memory, software and hardware breakpoints, watchpoints, steps,
// monitor commands, no-ack mode. One thread.  Not: SSE registers, non-stop mode, tracepoints.
// Tested with: gdb 13.1.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include "lib/format.h"

namespace gdb {

// What gdb is at the other end of.
class Line {
public:
    static constexpr int silence = -1, closed = -2;
    // The next byte; `silence` after so long without one; `closed` if nobody is expected any more.
    virtual int receive(unsigned milliseconds) = 0;
    virtual void send(std::string_view bytes) = 0;

protected:
    ~Line() = default;
};

struct Registers {
    // In gdb's order.
    enum Core { eax, ecx, edx, ebx, esp, ebp, esi, edi, eip, eflags, cs, ss, ds, es, fs, gs };
    static constexpr unsigned core_count = 16, count = 32;
    uint32_t core[core_count] = {};
    uint8_t fpu[108] = {};  // as FNSAVE stores it (SDM 1, figure 8-9)
};

// gdb's numbers of signals (include/gdb/signals.def).
enum class Signal : uint8_t {
    none = 0,
    interrupt = 2,
    illegal = 4,
    trap = 5,
    arithmetic = 8,
    bus = 10,
    segment = 11,
};

// The letters of the packets Z0 ... Z4.
enum class Point : uint8_t { software, execute, write, read, access };

struct Stop {
    Signal signal = Signal::trap;
    bool at_point = false;  // it is a breakpoint or watchpoint of gdb's, and which
    Point point = {};
    uint32_t address = 0;  // watched
};

// What is debugged, apart from its registers.
class Target {
public:
    // How many bytes, from the first on, could be read. 1, 2 and 4 bytes are one access where the
    // address is aligned: it may be a device's register.
    virtual size_t read(uint32_t address, std::span<uint8_t> into) = 0;
    // All of them, likewise, or none: false.
    virtual bool write(uint32_t address, std::span<const uint8_t> bytes) = 0;
    // A hardware breakpoint, or a watchpoint: `bytes` is 1, 2 or 4, and the address a multiple of
    // it. False: there are no more of them.
    virtual bool watch(Point kind, uint32_t address, unsigned bytes) = 0;
    virtual void unwatch(Point kind, uint32_t address, unsigned bytes) = 0;
    // gdb's `monitor LINE`: what there is to say about it.
    virtual void command(std::string_view line, Text<512>& said) = 0;

protected:
    ~Target() = default;
};

// Software breakpoints: int3 over the first byte of an instruction.
class Patches {
public:
    bool has_room() const { return count_ < most; }
    void add(uint32_t address);
    void remove(uint32_t address);
    bool at(uint32_t address) const;
    void clear() { count_ = 0; }

    void write_all(Target& target);  // before the machine goes on
    void lift_all(Target& target);   // when it has stopped

private:
    struct Patch {
        uint32_t address;
        uint8_t original;
        bool written;
    };
    static constexpr size_t most = 64;
    Patch patches_[most] = {};
    size_t count_ = 0;
};

// What gdb wants to happen next.
enum class Resume : uint8_t {
    go,
    step,
    pass_on,   // the fault shall do what it does without gdb
    detached,  // gdb has left, and the machine goes on
    killed,    // gdb has left, and the payload shall end
    closed,    // the line was closed; gdb is attached as before
};

class Stub {
public:
    static constexpr size_t packet_bytes = 2048;

    Stub(Line& line, Target& target) : line_(line), target_(target) {}

    // Tells gdb of a stop, if it waits for one, and does what it asks until it lets the machine go
    // on.
    Resume serve(const Stop& stop, Registers& registers);
    // The payload has returned, or has ended by a signal: gdb takes its leave.
    void returned(uint8_t status) { left_by('W', status); }
    void ended(Signal signal) { left_by('X', static_cast<uint8_t>(signal)); }

    bool attached() const { return attached_; }
    Patches patches;

private:
    class Reader;
    enum class Packet : uint8_t { good, bad, too_long };

    bool receive_packet();
    Packet read_body();
    void acknowledge(Packet packet);
    void send_reply();
    void left_by(char letter, uint8_t code);
    void leave();

    void put(char c);
    void put(std::string_view text);
    void put_hex(std::span<const uint8_t> bytes);
    void put_error(unsigned number);
    void put_stop();

    struct Place {
        uint8_t* data;
        unsigned bytes, sent;  // where it is, and as gdb sees it
    };
    Place register_place(unsigned number);
    void put_register(unsigned number);
    bool set_register(unsigned number, Reader& value);
    void set_registers(Reader& values);

    // False: the machine goes on, as resume_ says.
    bool handle();
    bool handle_session(std::string_view packet);
    bool resume(char letter, Reader& rest);
    void read_memory(Reader& rest);
    void write_memory(Reader& rest, bool binary);
    void change_point(Reader& rest, bool add);
    void set_patch(uint32_t address);
    void set_watch(Point kind, uint32_t address, uint32_t bytes);
    void clear_watch(Point kind, uint32_t address, uint32_t bytes);
    void query(std::string_view packet);
    void transfer(std::string_view packet);
    void monitor_command(Reader& hex);

    Line& line_;
    Target& target_;
    Registers* registers_ = nullptr;
    Stop stop_;
    Resume resume_ = {};
    bool attached_ = false, owes_stop_ = false, acks_ = true, dollar_seen_ = false;
    size_t in_size_ = 0, out_size_ = 0;
    uint8_t in_[packet_bytes];
    char out_[packet_bytes + 4];  // with $, # and the checksum
};

}  // namespace gdb
