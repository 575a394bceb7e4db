// SPDX-License-Identifier: BSD-2-Clause
// Two 8259A interrupt controllers, and the handlers of their lines. Intel 8259A data sheet (order
// 231468).
#include "arch/machine.h"
#include "arch/trap.h"
#include "debug/stop.h"
#include "hal/driver.h"
#include "hal/irq.h"
#include "hal/reg.h"

namespace {

using namespace hal;

struct Command : Register<Command, 0, uint8_t> {
    enum Value : uint8_t {
        icw1 = 0x11,  // edge triggered, cascade, ICW4 follows
        end_of_interrupt = 0x20,
        read_in_service = 0x0b,
    };
};
struct Data : Register<Data, 1, uint8_t> {
    static constexpr uint8_t icw4 = 0x01;  // 8086 mode
};

constexpr unsigned cascade = 2, lines = 16;
constinit uint16_t enabled = 0;

Registers chip(unsigned number) { return Registers(port_window(number ? 0xa0 : 0x20, 2, "pic")); }

void write_masks()
{
    chip(0).write<Data>(static_cast<uint8_t>(~enabled));
    chip(1).write<Data>(static_cast<uint8_t>(~enabled >> 8));
}

struct Connection {
    InterruptHandler handler;
    void* context;
    const Device* device;  // null: the kernel's own, or a payload's
    const char* owner;
    uint8_t line;
};
constinit Connection connections[48] = {};
constinit unsigned connection_count = 0;
constinit uint32_t counts[lines] = {}, spurious = 0;

// A line that nobody serves is masked: a device that raises it would be heard for ever.
void mask_unserved()
{
    for (unsigned line = 0; line < lines; ++line) {
        if (line != cascade && pic::state_of(line).handlers == 0)
            enabled = static_cast<uint16_t>(enabled & ~(1u << line));
    }
    write_masks();
}

// Lines 7 and 15 are also raised when a request went away: then nothing is in service (data sheet,
// "IR7").
bool is_spurious(unsigned line)
{
    if (line % 8 != 7) return false;
    chip(line / 8).write<Command>(Command::read_in_service);
    if (chip(line / 8).read<Command>() & 0x80) return false;
    if (line == 15) chip(0).write<Command>(Command::end_of_interrupt);
    return true;
}

}  // namespace

namespace pic {

void init()
{
    for (unsigned i = 0; i < 2; ++i) {
        chip(i).write<Command>(Command::icw1);
        chip(i).write<Data>(static_cast<uint8_t>(32 + i * 8));
        chip(i).write<Data>(i ? cascade : 1 << cascade);
        chip(i).write<Data>(Data::icw4);
    }
    write_masks();
}

void unmask(unsigned line)
{
    enabled = static_cast<uint16_t>(enabled | 1u << line | 1u << cascade);
    write_masks();
}

void remask() { init(); }

LineState state_of(unsigned line)
{
    unsigned handlers = 0;
    for (unsigned i = 0; i < connection_count; ++i) {
        handlers += connections[i].handler && connections[i].line == line;
    }
    return {counts[line], handlers};
}

uint32_t spurious_interrupts() { return spurious; }

}  // namespace pic

namespace hal {

Result<void> connect_interrupt(unsigned line, InterruptHandler handler, void* context,
                               const char* owner)
{
    if (line >= lines || line == cascade) return Error::invalid;
    InterruptsOff interrupts;  // a place half filled in would be one of line 0
    unsigned free = 0;
    while (free < connection_count && connections[free].handler) ++free;
    if (free == std::size(connections)) return Error::no_memory;
    connections[free] = {handler, context, Device::attaching(), owner, static_cast<uint8_t>(line)};
    if (free == connection_count) ++connection_count;
    pic::unmask(line);
    return {};
}

void disconnect_interrupt(InterruptHandler handler, void* context)
{
    InterruptsOff interrupts;
    for (Connection& connection : connections) {
        if (connection.handler == handler && connection.context == context) connection = {};
    }
    mask_unserved();
}

void disconnect_interrupts(const Device& device)
{
    InterruptsOff interrupts;
    for (Connection& connection : connections) {
        if (connection.device == &device) connection = {};
    }
    if (config_has_pci) apic::disconnect(device);
    mask_unserved();
}

}  // namespace hal

[[gnu::noinline, gnu::cold]] static void trace_all(hal::Access what, unsigned line)
{
    for (unsigned i = 0; i < connection_count; ++i) {
        const Connection& c = connections[i];
        if (c.handler && c.line == line) hal::trace_interrupt(c.owner, what, line);
    }
}

extern "C" {
constinit uint32_t interrupt_depth = 0;

// interrupted: eax, eip, cs, eflags on the stack of what was interrupted. Returns whether it shall
// stop when this interrupt is over.
uint32_t handle_interrupt(unsigned line, const uint32_t* interrupted);
}

static void serve(unsigned line)
{
    if (config_has_pci && line >= lines) return apic::serve(line + 32);
    if (is_spurious(line)) {
        ++spurious;
        return;
    }
    ++counts[line];
    if (config_has_trace && hal::tracing) trace_all(hal::Access::interrupt, line);
    for (unsigned i = 0; i < connection_count; ++i) {
        auto [handler, context, device, owner, on_line] = connections[i];
        if (handler && on_line == line) handler(context);
    }
    if (line >= 8) chip(1).write<Command>(Command::end_of_interrupt);
    chip(0).write<Command>(Command::end_of_interrupt);
    if (config_has_trace && hal::tracing) trace_all(hal::Access::end, line);
}

uint32_t handle_interrupt(unsigned line, const uint32_t* interrupted)
{
    ++interrupt_depth;
    if (config_has_trace) hal::in_interrupt = true;
    serve(line);
    if (config_has_trace) hal::in_interrupt = interrupt_depth > 1;
    --interrupt_depth;
    return debug::break_is_due(interrupted[1]);
}
