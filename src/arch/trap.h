// SPDX-License-Identifier: BSD-2-Clause
// Exceptions and interrupts, and how the kernel survives a fault in what it calls.
#pragma once
#include <cstdint>

struct TrapFrame {
    uint32_t gs, fs, es, ds;
    uint32_t edi, esi, ebp, ebx, edx, ecx, eax;
    uint32_t vector, error_code;
    uint32_t eip, cs, eflags;
    uint32_t esp, ss;  // of what was interrupted
    uint32_t cr2;
};

// The last fault's frame, for the monitor.
extern TrapFrame last_fault;

// Calls function(argument) on the present stack. Returns its value in `result`, or false if it
// faulted: then the fault has been reported and its frame is in last_fault. May nest.
bool call_protected(uint32_t (*function)(void*), void* argument, uint32_t& result);

// Calls a payload: entry(argument) on the stack that ends at stack_top. As call_protected().
bool call_payload(uint32_t entry, uint32_t stack_top, const void* argument, uint32_t& result);
