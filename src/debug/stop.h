// SPDX-License-Identifier: BSD-2-Clause
// Execution stands still: tools and the monitor see it, change it, and let it go on.
//
// A stop happens on the stack of exceptions; what was interrupted stays as it was, all of it in the
// TrapFrame. What goes on does so with every register of the frame, changed or not. A fault inside
// the kernel is reported, and what was called is given up: it cannot go on.
#pragma once
#include "arch/trap.h"
#include "debug/request.h"
#include "debug/tool.h"

namespace debug {

// Asks the tools, reports, opens the monitor; returns when execution shall go on with the frame.
// Does not return from a fault inside the kernel.
void stop(TrapFrame& frame, Reason reason);
// The end of a fault that nothing can go on from: after the report what was called is left.
[[noreturn]] void give_up(const TrapFrame& frame);

// The frame of what stands still, to be read and changed; null while nothing does.
TrapFrame* stopped_frame();
// The same; else that of the last fault; null if there was none.
const TrapFrame* frame_to_show();

// For the end of an interrupt: whether what was interrupted, at eip, shall stop now.
bool break_is_due(uint32_t eip);

// ---- what the monitor's commands do; all but enter() only while something stands still.
void go();                  // the monitor is left after this command
void step(uint32_t count);  // go, and stop after so many of the payload's instructions
// The payload, or whatever else stands still, is given up: to the outermost prompt.
[[noreturn]] void abandon();
bool can_abandon();
bool going();  // for the monitor: go() or step() was called

// For the API: the monitor opens as soon as the present call returns to the payload.
inline void enter() { request_break(); }

}  // namespace debug
