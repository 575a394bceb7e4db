// SPDX-License-Identifier: BSD-2-Clause
#include "debug/stop.h"
#include "arch/cpu.h"
#include "arch/paging.h"
#include "config.h"
#include "console/console.h"
#include "debug/breakpoint.h"
#include "debug/report.h"
#include "hal/log.h"
#include "monitor/monitor.h"

extern "C" {
// a_step_out: only at the end of a call. a_hook: of the payload's, for breaks.
enum Wanted : uint32_t { nothing, a_stop, a_step_out, a_hook };
constinit volatile uint32_t break_wanted = nothing;  // gate.S looks at it
}

namespace debug {

bool (*on_break_key)(int code) = nullptr;
constinit bool payload_starts = false;

namespace {

constexpr uint32_t trap_flag = 1 << 8, interrupt_flag = 1 << 9;

constinit TrapFrame* present = nullptr;     // of what stands still
constinit const void* call_then = nullptr;  // the innermost call when it stopped
constinit bool go_on = false;
constinit uint32_t steps = 0;  // still to be made before it stops again
constinit uint32_t stepped_from = 0;
constinit TrapFrame last_fault = {};

void report_stop(const TrapFrame& frame, Reason reason)
{
    console::begin_anew();
    if (reason == Reason::fault) return report(frame);
    if (debugging && report_hit(frame)) return;
    report_place(reason == Reason::step      ? "step"
                 : reason == Reason::request ? "stopped"
                                             : "breakpoint",
                 frame);
}

bool ask_tools(TrapFrame& frame, Reason reason)
{
    for (const Tool* tool : config_tools) {
        if (tool->stopped && tool->stopped(frame, reason)) return true;
    }
    return false;
}

void begin_step(TrapFrame& frame)
{
    stepped_from = frame.eip;
    frame.eflags |= trap_flag;
}

// A `pushf` has also pushed that it was stepped.
void hide_step(const TrapFrame& frame)
{
    constexpr uint8_t pushf = 0x9c;
    if (!paging::readable(stepped_from, 1) || !paging::readable(frame.esp, 4)) return;
    if (*reinterpret_cast<const uint8_t*>(stepped_from) == pushf)
        *reinterpret_cast<uint32_t*>(frame.esp) &= ~trap_flag;
}

// Whether a stop is but a part of step(N): then it goes on without a word.
bool steps_on(TrapFrame& frame, Reason& reason)
{
    if (reason == Reason::request && break_wanted == a_step_out) reason = Reason::step;
    if (reason != Reason::step || !steps) {
        steps = 0;
        return false;
    }
    hide_step(frame);
    if (trap::in_kernel_code(frame.eip)) return true;
    if (--steps == 0) return false;
    begin_step(frame);
    return true;
}

bool can_return_to(const TrapFrame& frame)
{
    if (paging::readable(frame.esp - 16, 16)) return true;
    hal::log("It cannot go on: esp is 0x{08x}, and no memory is there.", frame.esp);
    return false;
}

void stand_still(TrapFrame& frame, Reason reason)
{
    report_stop(frame, reason);
    // With interrupts off the monitor polls. They are the payload's to decide on: what it has done
    // to the interrupt controller nobody knows.
    if (frame.eflags & interrupt_flag && cpu::own_tables()) cpu::enable_interrupts();
    do {
        go_on = false;
        monitor::stand_still();
    } while (!can_return_to(frame));
    cpu::disable_interrupts();
}

}  // namespace

void stop(TrapFrame& frame, Reason reason)
{
    if (reason == Reason::request && break_wanted == a_hook) {
        break_wanted = nothing;
        if (payload_hooks.on_break) payload_hooks.on_break(frame);
        return;
    }
    bool is_payloads = reason == Reason::fault && trap::in_payload() && !present;
    if (is_payloads && payload_hooks.exception && payload_hooks.exception(frame)) return;
    if (present && reason != Reason::fault) return;  // the monitor itself, in the code of drivers
    frame.eflags &= ~trap_flag;
    bool stays = debugging && steps_on(frame, reason);
    // A call of the API is one step: it ends with the call.
    break_wanted = stays && trap::in_kernel_code(frame.eip) ? a_step_out : nothing;
    if (!stays) {
        if (present) give_up(frame);  // a fault of the monitor's command, or of a tool's
        bool of_kernel = reason == Reason::fault && !trap::in_payload();
        if (reason == Reason::fault) last_fault = frame;
        present = &frame;
        call_then = trap::present_call();
        if (debugging) disarm_breakpoints();
        if (!ask_tools(frame, reason)) {
            if (of_kernel) give_up(frame);
            stand_still(frame, reason);
        }
        present = nullptr;
    }
    if (debugging) arm_breakpoints(frame);
}

void give_up(const TrapFrame& frame)
{
    static constinit int depth = 0;
    if (++depth > 2) cpu::stop();  // the report itself faults
    last_fault = frame;
    console::begin_anew();
    report(frame);
    depth = 0;
    if (!trap::present_call()) {
        hal::log("Nothing can go on from here. Please restart the machine.");
        cpu::stop();
    }
    if (trap::present_call() == call_then) {  // not a command's own fault
        present = nullptr;
        if (debugging) arm_breakpoints();
    }
    trap::leave();
}

TrapFrame* stopped_frame() { return present; }

const TrapFrame* frame_to_show()
{
    if (present) return present;
    return last_fault.eip || last_fault.esp ? &last_fault : nullptr;
}

bool break_is_due(uint32_t eip)
{
    return (break_wanted == a_stop || break_wanted == a_hook) && trap::in_payload() &&
           !trap::in_kernel_code(eip);
}

void request_break()
{
    if ((payload_starts || trap::payload_runs()) && !present) break_wanted = a_stop;
}

bool request_payload_break()
{
    if (!trap::payload_runs() || present) return false;
    if (break_wanted == nothing) break_wanted = a_hook;
    return true;
}

bool payload_break_is_wanted() { return break_wanted == a_hook; }

void stop_point()
{
    if (break_wanted == a_stop && trap::payload_runs() && !present && !interrupt_depth)
        break_here();
}

void go() { go_on = true; }
bool going() { return go_on; }

void step(uint32_t count)
{
    steps = count;
    debugging = true;
    begin_step(*present);
    go_on = true;
}

bool can_abandon() { return present && call_then; }

void abandon()
{
    present = nullptr;
    if (debugging) {
        steps = 0;
        arm_breakpoints();
    }
    trap::leave_payload();
}

}  // namespace debug
