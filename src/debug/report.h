// SPDX-License-Identifier: BSD-2-Clause
// What is said about a fault, on every console.
#pragma once

struct TrapFrame;

namespace debug {

// Logs the exception, its cause as far as it can be known, the registers and the callers.
void report(const TrapFrame& frame);

}  // namespace debug
