// SPDX-License-Identifier: BSD-2-Clause
// Functions of the payload's that the kernel calls: for interrupts, at a time, when its code stops.
#include <algorithm>
#include "api/call.h"
#include "arch/machine.h"
#include "arch/trap.h"
#include "bus/msi.h"
#include "debug/request.h"
#include "hal/driver.h"
#include "hal/time.h"

namespace {

constexpr uint64_t finest_us = 1000;

struct Hook {
    enum class Kind : uint8_t { none, line, message, timer, exception, on_break } kind;
    vesper_hook function;
    vesper_frame_hook frame_function;
    void* context;
    uint32_t vector;             // of an exception
    uint64_t due_us, period_us;  // of a timer
    Device* device;              // of a message or line, if it is one device's
};
constinit Hook hooks[64] = {};

// No other call may be made meanwhile, but for those that say so.
int call_hook(const Hook& hook)
{
    ++api_depth;
    int answer = hook.function(hook.context);
    --api_depth;
    return answer;
}

void on_interrupt(void* context) { call_hook(*static_cast<Hook*>(context)); }

void on_tick(void*)
{
    uint64_t now = hal::now_us();
    for (Hook& hook : hooks) {
        if (hook.kind != Hook::Kind::timer || hook.due_us > now) continue;
        if (hook.period_us)  // those that were missed are not made up for
            hook.due_us += (now - hook.due_us) / hook.period_us * hook.period_us + hook.period_us;
        Hook due = hook;
        if (!hook.period_us) hook = {};
        call_hook(due);
    }
}

bool any(Hook::Kind kind)
{
    return std::any_of(std::begin(hooks), std::end(hooks),
                       [&](const Hook& hook) { return hook.kind == kind; });
}

// A claimed device that nobody listens to sends nothing.
void make_quiet(Device& device)
{
    bool used = std::any_of(std::begin(hooks), std::end(hooks),
                            [&](const Hook& hook) { return hook.device == &device; });
    if (used || !device.is_claimed() || !device.is_pci()) return;
    msi::disable(device);
    device.pci().enable(hal::PciFunction::interrupt_disable);
}

void end(Hook& hook)
{
    hal::InterruptsOff interrupts;
    Hook ended = hook;
    hook = {};
    if (ended.kind == Hook::Kind::line) hal::disconnect_interrupt(on_interrupt, &hook);
    if (ended.kind == Hook::Kind::message) hal::disconnect_message(on_interrupt, &hook);
    if (ended.device) make_quiet(*ended.device);
    if (ended.kind == Hook::Kind::on_break && !any(Hook::Kind::on_break))
        debug::on_break_key = nullptr;
    if (ended.kind == Hook::Kind::timer && !any(Hook::Kind::timer)) {
        hal::disconnect_interrupt(on_tick, nullptr);
        clock::tick_every_ms(false);
    }
}

vesper_frame to_api(const TrapFrame& f)
{
    return {.edi = f.edi,
            .esi = f.esi,
            .ebp = f.ebp,
            .esp = f.esp,
            .ebx = f.ebx,
            .edx = f.edx,
            .ecx = f.ecx,
            .eax = f.eax,
            .eip = f.eip,
            .eflags = f.eflags,
            .cs = f.cs & 0xffff,
            .ds = f.ds & 0xffff,
            .es = f.es & 0xffff,
            .fs = f.fs & 0xffff,
            .gs = f.gs & 0xffff,
            .ss = f.ss & 0xffff,
            .vector = f.vector,
            .error_code = f.error_code,
            .address = f.cr2};
}

void from_api(TrapFrame& f, const vesper_frame& frame)
{
    f.edi = frame.edi, f.esi = frame.esi, f.ebp = frame.ebp, f.esp = frame.esp;
    f.ebx = frame.ebx, f.edx = frame.edx, f.ecx = frame.ecx, f.eax = frame.eax;
    f.eip = frame.eip, f.eflags = frame.eflags;
}

bool ask_hooks(TrapFrame& trap, Hook::Kind kind)
{
    for (const Hook& hook : hooks) {
        bool fits =
            hook.kind == kind && (kind == Hook::Kind::on_break ||
                                  hook.vector == VESPER_ANY_VECTOR || hook.vector == trap.vector);
        if (!fits) continue;
        vesper_frame frame = to_api(trap);
        if (kind == Hook::Kind::on_break) frame.vector = VESPER_BREAK;
        ++api_depth;
        int answer = hook.frame_function(&frame, hook.context);
        --api_depth;
        if (!answer) continue;
        from_api(trap, frame);
        return true;
    }
    return false;
}

bool ask_for_exception(TrapFrame& frame) { return ask_hooks(frame, Hook::Kind::exception); }
bool ask_for_break(TrapFrame& frame) { return ask_hooks(frame, Hook::Kind::on_break); }
bool on_break_key(int) { return debug::request_payload_break(); }

void end_all()
{
    for (Hook& hook : hooks) {
        if (hook.kind != Hook::Kind::none) end(hook);
    }
    payload_hooks = {};
}

// A free place, for a hook that is complete but for what it is connected to.
Hook* place(const Hook& hook)
{
    hal::InterruptsOff interrupts;
    for (Hook& free : hooks) {
        if (free.kind != Hook::Kind::none) continue;
        free = hook;
        payload_hooks.end = end_all;
        return &free;
    }
    return nullptr;
}

int handle_of(const Hook* hook) { return static_cast<int>(hook - hooks); }

int connected(Hook* hook, Result<void> result)
{
    if (result) return handle_of(hook);
    *hook = {};
    return code(result);
}

}  // namespace

int api_interrupt_line(uint32_t line, vesper_hook function, void* context)
{
    Hook* hook = place({.kind = Hook::Kind::line, .function = function, .context = context});
    if (!hook) return VESPER_NO_MEMORY;
    return connected(hook, hal::connect_interrupt(line, on_interrupt, hook));
}

int api_interrupt_device(int number, uint32_t index, vesper_hook function, void* context)
{
    Device* device = Device::by_number(number);
    if (!device || !device->is_claimed()) return VESPER_INVALID;
    Hook* hook = place(
        {.kind = Hook::Kind::message, .function = function, .context = context, .device = device});
    if (!hook) return VESPER_NO_MEMORY;
    auto result = msi::connect(*device, index, on_interrupt, hook);
    if (result.error() != Error::unsupported || index || !device->irq())
        return connected(hook, result);
    hook->kind = Hook::Kind::line;
    int handle = connected(hook, hal::connect_interrupt(device->irq(), on_interrupt, hook));
    if (handle >= 0) msi::disable(*device);  // which lets the line through
    return handle;
}

int api_interrupt_timer(uint64_t first, uint64_t period, vesper_hook function, void* context)
{
    if (period && period < finest_us) return VESPER_INVALID;
    bool is_first = !any(Hook::Kind::timer);
    Hook* hook = place({.kind = Hook::Kind::timer,
                        .function = function,
                        .context = context,
                        .due_us = hal::now_us() + duration_us(first),
                        .period_us = duration_us(period)});
    if (!hook) return VESPER_NO_MEMORY;
    if (!is_first) return handle_of(hook);
    clock::tick_every_ms(true);
    return connected(hook, hal::connect_interrupt(0, on_tick, nullptr));
}

int api_interrupt_exception(uint32_t vector, vesper_frame_hook function, void* context)
{
    if (vector > 31 && vector != VESPER_ANY_VECTOR) return VESPER_INVALID;
    Hook* hook = place({.kind = Hook::Kind::exception,
                        .frame_function = function,
                        .context = context,
                        .vector = vector});
    if (!hook) return VESPER_NO_MEMORY;
    payload_hooks.exception = ask_for_exception;
    return handle_of(hook);
}

int api_interrupt_on_break(vesper_frame_hook function, void* context)
{
    Hook* hook =
        place({.kind = Hook::Kind::on_break, .frame_function = function, .context = context});
    if (!hook) return VESPER_NO_MEMORY;
    payload_hooks.on_break = ask_for_break;
    debug::on_break_key = on_break_key;
    return handle_of(hook);
}

int api_interrupt_unhook(int hook)
{
    auto index = static_cast<uint32_t>(hook);
    if (index >= std::size(hooks) || hooks[index].kind == Hook::Kind::none) return VESPER_NOT_FOUND;
    end(hooks[index]);
    return 0;
}
