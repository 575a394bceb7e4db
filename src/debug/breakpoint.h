// SPDX-License-Identifier: BSD-2-Clause
// Breakpoints and watchpoints of the CPU's four debug registers. Intel SDM volume 3B, 17.2.
#pragma once
#include <cstdint>
#include "arch/trap.h"
#include "hal/result.h"

namespace debug {

constexpr int breakpoints = 4;
enum class Access : uint8_t { execute = 0, write = 1, access = 3 };  // as in DR7: R/W0...3

struct Breakpoint {
    uint32_t address;  // linear: the same memory at another address is not watched
    Access access;
    uint8_t bytes;  // 0: not in use
};

// Stops before an instruction, or after an access. `bytes` is 1, 2 or 4, and the address a multiple
// of it; 1 for execute. Returns its number (0...3).
// Errors: invalid (address or bytes), busy (all four are in use).
Result<int> set_breakpoint(uint32_t address, Access access, unsigned bytes);
// Errors: not_found (there is none of that number).
Result<void> clear_breakpoint(int number);
const Breakpoint* breakpoint(int number);  // null if there is none

// Which one stopped execution last; -1: none did, it was an `int3`, a step, a fault.
int hit_breakpoint();

// Reports which one, if one did.
bool report_hit(const TrapFrame& frame);

// A breakpoint or a step has been asked for: before that the registers are not touched. A kernel
// in which nobody asks does not have the code: the linker sees that this stays false.
extern bool debugging;

// ---- for debug::stop()
// Takes over what the CPU says of a debug exception (DR6). True: it was one of ours.
bool take_hits();
void forget_hits();
void disarm_breakpoints();  // while the kernel itself works on a stop
// On again, without stopping at once at what goes on.
void arm_breakpoints(TrapFrame& frame);
void arm_breakpoints();

}  // namespace debug
