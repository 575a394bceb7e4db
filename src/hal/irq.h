// SPDX-License-Identifier: BSD-2-Clause
// Interrupt lines. A handler acknowledges its device and fills a ring; it never waits. A line may
// be shared: every handler on it is called, so each looks whether its device wants something.
#pragma once
#include "hal/result.h"
#include "hal/trace.h"

class Device;

namespace hal {

using InterruptHandler = void (*)(void* context);

// Calls handler(context) for each interrupt on a line (0...15 as the 8259s number them). `owner` is
// the device's name, for traces, and stays where it is.
// Errors: invalid (no such line), no_memory (too many handlers).
Result<void> connect_interrupt(unsigned line, InterruptHandler handler, void* context,
                               const char* owner = "");
void disconnect_interrupt(InterruptHandler handler, void* context);  // if it is connected
// Those that its driver connected in attach(), messages too.
void disconnect_interrupts(const Device& device);

// What a device writes to memory, and where, to raise an interrupt without a line.
struct Message {
    uint32_t address, data;
};
// Calls handler(context) for each such message. Errors: unsupported (no local APIC), no_memory (all
// 15 are in use).
Result<Message> connect_message(InterruptHandler handler, void* context, const char* owner = "");
void disconnect_message(InterruptHandler handler, void* context);  // if it is connected

}  // namespace hal
