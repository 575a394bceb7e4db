// SPDX-License-Identifier: BSD-2-Clause
// Exceptions: what can be mended is, the rest is reported and ends what was called.
#include "arch/trap.h"
#include "arch/cpu.h"
#include "arch/machine.h"
#include "arch/paging.h"
#include "console/console.h"
#include "debug/report.h"
#include "hal/log.h"

TrapFrame last_fault;
constinit PayloadRange payload_range;

extern "C" {
struct Call {
    uint32_t stack = 0;
    Call* outer = nullptr;
};
constinit Call* current_call = nullptr;
uint32_t call_on_stack(uint32_t stack_top, uint32_t (*function)(void*), void* argument,
                       uint32_t* result);
[[noreturn]] void leave_call();
}

namespace cpu {
void interrupted_task(TrapFrame& frame);
}

namespace {

constexpr unsigned page_fault = 14, double_fault = 8;

void fault(const TrapFrame& frame)
{
    static constinit int depth = 0;
    if (++depth > 2) cpu::stop();  // the report itself faults
    last_fault = frame;
    console::begin_anew();
    debug::report(frame);
    depth = 0;
    if (current_call) leave_call();
    hal::log("Nothing can go on from here. Please restart the machine.");
    cpu::stop();
}

bool call(uint32_t stack_top, uint32_t (*function)(void*), void* argument, uint32_t& result)
{
    Call here;
    here.outer = current_call;
    current_call = &here;
    bool returned = call_on_stack(stack_top, function, argument, &result);
    current_call = here.outer;
    machine::reclaim();
    return returned;
}

}  // namespace

extern "C" void handle_exception(TrapFrame* frame)
{
    frame->cr2 = cpu::read_cr2();
    if (frame->vector == page_fault && !(frame->error_code & 1) && paging::fill(frame->cr2)) return;
    fault(*frame);
}

extern "C" void handle_double_fault()
{
    TrapFrame frame = {};
    cpu::interrupted_task(frame);
    cpu::load_own_tables();
    asm volatile("clts; pushfl; andl $0xffffbfff, (%%esp); popfl" ::: "memory");  // EFLAGS.NT
    frame.vector = double_fault;
    frame.cr2 = cpu::read_cr2();
    fault(frame);
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
