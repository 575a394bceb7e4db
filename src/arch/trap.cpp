// SPDX-License-Identifier: BSD-2-Clause
// Exceptions: what can be mended is, the rest stops execution; and the calls that may be given up.
#include "arch/trap.h"
#include "arch/cpu.h"
#include "arch/machine.h"
#include "arch/paging.h"
#include "debug/breakpoint.h"
#include "debug/stop.h"

constinit PayloadRange payload_range;
constinit PayloadHooks payload_hooks;

extern "C" {
struct Call {
    uint32_t stack = 0;
    Call* outer = nullptr;
    bool of_payload = false;
};
constinit Call* current_call = nullptr;
uint32_t call_on_stack(uint32_t stack_top, uint32_t (*function)(void*), void* argument,
                       uint32_t* result);
[[noreturn]] void leave_call();
extern uint8_t kernel_start[], kernel_text_end[];
}

namespace cpu {
void interrupted_task(TrapFrame& frame);
}

namespace {

constexpr unsigned debug_exception = 1, breakpoint = 3, double_fault = 8, page_fault = 14;

debug::Reason reason_of(const TrapFrame& frame)
{
    using debug::Reason;
    constexpr uint32_t trap_flag = 1 << 8;
    if (debug::debugging) debug::forget_hits();
    switch (frame.vector) {
    case debug_exception:
        if (debug::debugging && debug::take_hits()) return Reason::breakpoint;
        return frame.eflags & trap_flag ? Reason::step : Reason::breakpoint;
    case breakpoint: return Reason::breakpoint;
    case request_vector: return Reason::request;
    default: return Reason::fault;
    }
}

bool call(uint32_t stack_top, uint32_t (*function)(void*), void* argument, uint32_t& result)
{
    Call here;
    here.outer = current_call;
    here.of_payload = stack_top != 0;
    bool interrupts = cpu::interrupts_on();
    current_call = &here;
    bool returned = call_on_stack(stack_top, function, argument, &result);
    current_call = here.outer;
    if (here.of_payload && payload_hooks.end) {
        cpu::disable_interrupts();
        payload_hooks.end();
    }
    if (!debug::stopped_frame()) {
        machine::reclaim();
    } else if (!returned) {  // what stands still keeps its own tables and timer
        machine::reclaim_interrupts();
        if (interrupts) cpu::enable_interrupts();
    }
    return returned;
}

}  // namespace

namespace trap {

const void* present_call() { return current_call; }
bool payload_runs() { return current_call && current_call->of_payload; }
bool in_payload() { return payload_runs() && !api_depth && !interrupt_depth; }

bool in_kernel_code(uint32_t address)
{
    return address >= reinterpret_cast<uintptr_t>(kernel_start) &&
           address < reinterpret_cast<uintptr_t>(kernel_text_end);
}

void leave() { leave_call(); }

void leave_payload()
{
    while (!current_call->of_payload && current_call->outer) current_call = current_call->outer;
    leave_call();
}

}  // namespace trap

extern "C" void handle_exception(TrapFrame* frame)
{
    frame->cr2 = cpu::read_cr2();
    if (frame->vector == page_fault && !(frame->error_code & 1) && paging::fill(frame->cr2)) return;
    debug::stop(*frame, reason_of(*frame));
}

extern "C" void handle_double_fault()
{
    TrapFrame frame = {};
    cpu::interrupted_task(frame);
    cpu::load_own_tables();
    asm volatile("clts; pushfl; andl $0xffffbfff, (%%esp); popfl" ::: "memory");  // EFLAGS.NT
    frame.vector = double_fault;
    frame.cr2 = cpu::read_cr2();
    debug::give_up(frame);
}

bool call_protected(uint32_t (*function)(void*), void* argument, uint32_t& result)
{
    return call(0, function, argument, result);
}

bool call_payload(uint32_t entry, uint32_t stack_top, const void* argument, uint32_t& result)
{
    return call(stack_top, reinterpret_cast<uint32_t (*)(void*)>(entry),
                const_cast<void*>(argument), result);
}
