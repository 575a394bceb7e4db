// SPDX-License-Identifier: BSD-2-Clause
// regs, bt.
#include "debug/report.h"
#include "debug/stop.h"
#include "monitor/command.h"

namespace monitor {

namespace {

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
    auto value = parse_number(word.substr(std::min(equals + 1, word.size())), ~0u);
    for (const Register& r : registers) {
        if (r.name != word.substr(0, equals) || !value) continue;
        frame.*r.value = value.value();
        return {};
    }
    return call.fail(Error::invalid, "{} is not NAME=VALUE of a register, like eax=0x10", word);
}

Result<const TrapFrame*> frame_of(Call& call)
{
    if (const TrapFrame* frame = debug::frame_to_show()) return frame;
    return call.fail(Error::not_found, "nothing stands still, and nothing has faulted");
}

}  // namespace

Result<void> regs(Call& call)
{
    TrapFrame* frame = debug::stopped_frame();
    if (call.rest().empty()) {
        debug::report_registers(*TRY(frame_of(call)));
        return {};
    }
    if (!frame) return call.fail(Error::invalid, "nothing stands still that could be changed");
    while (!call.rest().empty()) TRY(change(call, *frame));
    return {};
}

Result<void> bt(Call& call)
{
    TRY(call.end());
    debug::report_backtrace(*TRY(frame_of(call)));
    return {};
}

}  // namespace monitor
