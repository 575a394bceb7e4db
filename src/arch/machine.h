// SPDX-License-Identifier: BSD-2-Clause
// The PC around the processor.
#pragma once
#include <cstdint>
#include "boot/boot_info.h"

namespace machine {

// Paging, kernel memory, interrupt controller, clock; interrupts are on afterwards.
// Errors: no_memory (there is no room for kernel and payload).
// Boot modules that are in the way are moved.
Result<void> init(BootInfo& info);

// Takes the machine back after a payload: its own tables, interrupt controller and clock may be
// gone.
void reclaim();
// The interrupt controllers only, after a handler that was left behind.
void reclaim_interrupts();

// The payload's memory: from KEXECADDR to this address, contiguous in physical memory.
uint32_t arena_end();

}  // namespace machine

// Where the payload is, for reports.
struct PayloadRange {
    uint32_t start = 0, image_end = 0, end = 0;
};
extern PayloadRange payload_range;

namespace pic {
void init();  // the two 8259s: lines 0...15 at vectors 32...47, all masked
void unmask(unsigned line);
void remask();  // after somebody else has used them: init(), and the lines in use again
struct LineState {
    uint32_t interrupts;  // so many there were
    unsigned handlers;
};
LineState state_of(unsigned line);  // 0...15
uint32_t spurious_interrupts();     // on lines 7 and 15
}  // namespace pic

class Device;
namespace apic {
void serve(unsigned vector);  // 48...63: a message has come
void restart();               // after somebody else has used it
void disconnect(const Device& device);
}  // namespace apic

namespace clock {
void init();
void restart();               // after somebody else has used the timer
void tick_every_ms(bool on);  // instead of every 10
}  // namespace clock
