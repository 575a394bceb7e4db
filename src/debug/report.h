// SPDX-License-Identifier: BSD-2-Clause
// What is said about a fault, on every console.
#pragma once
#include <string_view>

struct TrapFrame;

namespace debug {

// Logs the exception, its cause as far as it can be known, the registers and the callers.
void report(const TrapFrame& frame);

// Its parts. "*** step at 0xc0430010 ...", and the instruction that comes next.
void report_place(std::string_view what, const TrapFrame& frame);
void report_registers(const TrapFrame& frame);
void report_backtrace(const TrapFrame& frame);

}  // namespace debug
