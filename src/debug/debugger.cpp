// SPDX-License-Identifier: BSD-2-Clause
// debugger - what the monitor's operator does with something that stands still: regs, bt, step,
// break, irq.
#include "arch/machine.h"
#include "config.h"
#include "debug/breakpoint.h"
#include "debug/report.h"
#include "debug/stop.h"

namespace {

using monitor::Call;
using monitor::print;

// ---- regs, bt

struct Register {
    std::string_view name;
    uint32_t TrapFrame::*value;
};
constexpr Register registers[] = {
    {"eax", &TrapFrame::eax},       {"ebx", &TrapFrame::ebx}, {"ecx", &TrapFrame::ecx},
    {"edx", &TrapFrame::edx},       {"esi", &TrapFrame::esi}, {"edi", &TrapFrame::edi},
    {"ebp", &TrapFrame::ebp},       {"esp", &TrapFrame::esp}, {"eip", &TrapFrame::eip},
    {"eflags", &TrapFrame::eflags},
};

Result<void> change(Call& call, TrapFrame& frame)
{
    std::string_view word = call.word();
    auto equals = std::min(word.find('='), word.size());
    auto value = monitor::parse_number(word.substr(std::min(equals + 1, word.size())), ~0u);
    for (const Register& r : registers) {
        if (r.name != word.substr(0, equals) || !value) continue;
        frame.*r.value = value.value();
        return {};
    }
    return call.fail(Error::invalid, "{} is not NAME=VALUE of a register, like eax=0x10", word);
}

Result<const TrapFrame*> frame_to_show(Call& call)
{
    if (const TrapFrame* frame = debug::frame_to_show()) return frame;
    return call.fail(Error::not_found, "nothing stands still, and nothing has faulted");
}

Result<TrapFrame*> stopped_frame(Call& call)
{
    if (TrapFrame* frame = debug::stopped_frame()) return frame;
    return call.fail(Error::invalid, "nothing stands still");
}

Result<void> regs(Call& call)
{
    if (call.rest().empty()) {
        debug::report_registers(*TRY(frame_to_show(call)));
        return {};
    }
    TrapFrame& frame = *TRY(stopped_frame(call));
    while (!call.rest().empty()) TRY(change(call, frame));
    return {};
}

Result<void> bt(Call& call)
{
    TRY(call.end());
    if (!debug::stopped_frame() && debug::frame_to_show())
        return call.fail(Error::not_found, "its stack is no more; dmesg has the report of it");
    debug::report_backtrace(*TRY(stopped_frame(call)));
    return {};
}

// ---- step, break

Result<void> step(Call& call)
{
    uint32_t count = TRY(call.number_or(1, "N"));
    TRY(call.end());
    TRY(stopped_frame(call));
    if (count) debug::step(count);
    return {};
}

void print_breakpoint(int number)
{
    const debug::Breakpoint* b = debug::breakpoint(number);
    if (!b) return;
    if (b->access == debug::Access::execute)
        print("{}: 0x{08x} x\n", number, b->address);
    else
        print("{}: 0x{08x} {} {}\n", number, b->address,
              b->access == debug::Access::write ? "w" : "rw", b->bytes);
}

Result<void> clear(Call& call)
{
    uint32_t number = TRY(call.number("NUMBER"));
    TRY(call.end());
    if (!debug::clear_breakpoint(static_cast<int>(number)))
        return call.fail(Error::not_found, "there is no breakpoint {}", number);
    return {};
}

Result<void> set(Call& call)
{
    using debug::Access;
    uint32_t address = TRY(call.number("ADDRESS"));
    std::string_view how = call.word();
    Access access = how == "w" ? Access::write : how == "rw" ? Access::access : Access::execute;
    if (access == Access::execute && how != "" && how != "x")
        return call.fail(Error::invalid, "{} is none of x, w and rw", how);
    uint32_t bytes = access == Access::execute ? 1 : 4;
    if (access != Access::execute) bytes = TRY(call.number_or(bytes, "BYTES"));
    TRY(call.end());
    auto number = debug::set_breakpoint(address, access, bytes);
    if (number.error() == Error::busy)
        return call.fail(number.error(), "the CPU has {}, and all are in use", debug::breakpoints);
    if (!number)
        return call.fail(number.error(), "BYTES is 1, 2 or 4, and ADDRESS a multiple of it");
    print_breakpoint(number.value());
    return {};
}

Result<void> break_command(Call& call)
{
    Call words = call;
    std::string_view first = words.word();
    if (first == "clear") {
        call.word();
        return clear(call);
    }
    if (!first.empty()) return set(call);
    for (int i = 0; i < debug::breakpoints; ++i) print_breakpoint(i);
    return {};
}

// ---- irq

void print_devices(const Device& device, unsigned line)
{
    if (device.irq() == line) print(" {}", device.name());
    for (const Device* child = device.first_child(); child; child = child->next_sibling())
        print_devices(*child, line);
}

Result<void> irq(Call& call)
{
    TRY(call.end());
    for (unsigned line = 0; line < 16; ++line) {
        auto [interrupts, handlers] = pic::state_of(line);
        if (!handlers && !interrupts) continue;
        print("{2} {10} ", line, interrupts);
        if (line == 0)
            print(" the clock");
        else
            print_devices(Device::root(), line);
        print("\n");
    }
    print("{} were spurious\n", pic::spurious_interrupts());
    return {};
}

constexpr monitor::Command commands[] = {
    {"regs", "[NAME=VALUE...]", "the registers of what stands still", regs,
     "Or of the last fault. With NAME=VALUE they are changed: regs eax=5 eip=0xc0430010"},
    {"bt", "", "the calls that led there", bt, "There: where something stands still."},
    {"step", "[N]", "execute one instruction, or N", step,
     "A call of the API is one. What stands still then does so again."},
    {"break", "[ADDRESS [x|w|rw [BYTES]]]", "stop there; or list where", break_command,
     "x: before the instruction is executed; w, rw: after 1, 2 or 4 BYTES (4) were written, or "
     "accessed.\nbreak clear NUMBER: no more. The CPU has four of them."},
    {"irq", "", "interrupts: lines, how many, whose", irq, "Lines that nobody uses are not shown."},
};

}  // namespace

extern const debug::Tool debugger_tool;
const debug::Tool debugger_tool = {.name = "debugger", .commands = commands};
