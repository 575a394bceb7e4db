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

// A vector that the CPU does not have: somebody has asked for a stop.
constexpr unsigned request_vector = 256;

// Calls function(argument) on the present stack. Returns its value in `result`, or false if it
// faulted: then the fault has been reported. May nest.
bool call_protected(uint32_t (*function)(void*), void* argument, uint32_t& result);

// Calls a payload: entry(argument) on the stack that ends at stack_top. As call_protected().
bool call_payload(uint32_t entry, uint32_t stack_top, const void* argument, uint32_t& result);

// What a payload has asked to be told of, before anybody else: each returns whether execution goes
// on with the frame as it now is.
struct PayloadHooks {
    bool (*exception)(TrapFrame& frame) = nullptr;  // of its own code
    bool (*on_break)(TrapFrame& frame) = nullptr;   // after debug::request_payload_break()
    // The payload is over: none of its code is called any more. Interrupts are still off.
    void (*end)() = nullptr;
};
extern PayloadHooks payload_hooks;

namespace trap {

// The calls under way, innermost first; null: none. Which one is of use to compare.
const void* present_call();
bool payload_runs();  // the innermost call is a payload's
bool in_payload();    // and neither the API's code nor an interrupt handler runs for it
bool in_kernel_code(uint32_t address);

// Ends the innermost call: it returns false. There must be one.
[[noreturn]] void leave();
// Ends all calls inside the payload's, and that; without a payload all calls.
[[noreturn]] void leave_payload();

}  // namespace trap

extern "C" {
extern uint32_t api_depth;              // calls of the API under way
extern uint32_t interrupt_depth;        // interrupt handlers under way
extern volatile uint32_t break_wanted;  // debug::request_break() has asked for a stop
void break_here();                      // a request's exception, as of the caller
}
