// SPDX-License-Identifier: BSD-2-Clause
// The CPU's local interrupt controller, for messages of PCI devices only: lines stay with the
// 8259s, which it passes on. It is switched on when the first message is asked for. Intel SDM
// volume 3, 11.4 (registers) and 11.11 (messages).
#include "arch/cpu.h"
#include "arch/machine.h"
#include "hal/driver.h"
#include "hal/irq.h"
#include "hal/reg.h"

namespace {

using namespace hal;

struct Id : Register<Id, 0x020> {};
struct EndOfInterrupt : Register<EndOfInterrupt, 0x0b0> {};
struct SpuriousVector : Register<SpuriousVector, 0x0f0> {
    static constexpr uint32_t enable = 1 << 8;
};
struct Lint0 : Register<Lint0, 0x350> {
    static constexpr uint32_t external = 7 << 8;
};
struct Lint1 : Register<Lint1, 0x360> {
    static constexpr uint32_t nmi = 4 << 8;
};

constexpr uint32_t base_msr = 0x1b, global_enable = 1 << 11;
constexpr unsigned first_vector = 48, messages = 15, spurious_vector = 63;
constexpr uint32_t message_address = 0xfee00000;

struct Connection {
    InterruptHandler handler;
    void* context;
    const Device* device = nullptr;  // null: the kernel's own, or a payload's
    const char* owner = "";
};
constinit Connection connections[messages] = {};
constinit Registers local;
constinit bool enabled = false;

// First the lines: enabled without them it would keep the 8259s' interrupts to itself.
void switch_on()
{
    local.write<Lint0>(Lint0::external);
    local.write<Lint1>(Lint1::nmi);
    local.write<SpuriousVector>(SpuriousVector::enable | spurious_vector);
}

Result<void> enable()
{
    if (enabled) return {};
    if (!cpu::features.apic || !cpu::features.msr) return Error::unsupported;
    uint64_t base = cpu::read_msr(base_msr);
    if (!(base & global_enable)) return Error::unsupported;
    local = Registers(TRY(memory_window(base & ~0xfffull, 4096, "apic")));
    switch_on();
    enabled = true;
    return {};
}

}  // namespace

namespace apic {

void serve(unsigned vector)
{
    if (vector == spurious_vector) return;  // nothing is in service: 11.9
    Connection& connection = connections[vector - first_vector];
    trace_interrupt(connection.owner, Access::interrupt, vector);
    if (connection.handler) connection.handler(connection.context);
    local.write<EndOfInterrupt>(0);
    trace_interrupt(connection.owner, Access::end, vector);
}

void disconnect(const Device& device)
{
    for (Connection& connection : connections) {
        if (connection.device == &device) connection = {};
    }
}

void restart()
{
    if (!enabled) return;
    switch_on();
    // What was in service when a handler was left behind.
    for (unsigned i = 0; i < messages; ++i) local.write<EndOfInterrupt>(0);
}

}  // namespace apic

namespace hal {

Result<Message> connect_message(InterruptHandler handler, void* context, const char* owner)
{
    TRY(enable());
    for (unsigned i = 0; i < messages; ++i) {
        if (connections[i].handler) continue;
        connections[i] = {handler, context, Device::attaching(), owner};
        return Message{message_address | (local.read<Id>() >> 24) << 12, first_vector + i};
    }
    return Error::no_memory;
}

void disconnect_message(InterruptHandler handler, void* context)
{
    for (Connection& connection : connections) {
        if (connection.handler == handler && connection.context == context) connection = {};
    }
}

}  // namespace hal
