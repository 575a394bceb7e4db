// SPDX-License-Identifier: BSD-2-Clause
// What happens when execution stops: a fault, a breakpoint, a step, or somebody who asks for it.
#pragma once
#include <cstdint>
#include <span>
#include "monitor/command.h"

struct TrapFrame;

namespace debug {

enum class Reason : uint8_t { fault, breakpoint, step, request };

// A part that a configuration may have or leave out: `tool NAME` links src/debug/NAME.cpp and its
// constant NAME_tool.
struct Tool {
    const char* name;
    void (*start)(const BootInfo& info) = nullptr;  // once, when all devices are attached
    std::span<const monitor::Command> commands = {};
    // Execution has stopped. True: it has been dealt with, and goes on with the frame as it now is.
    // Asked in the order of the configuration, before the report and the monitor.
    bool (*stopped)(TrapFrame& frame, Reason reason) = nullptr;
};

}  // namespace debug
