// SPDX-License-Identifier: BSD-2-Clause
// Switching off is the firmware's business. Starting anew goes by whatever works: ACPI's reset
// register, the keyboard controller's reset line, the chip set's reset control register (Intel
// ICH, 13.7.5), and at last an exception that the CPU cannot handle.
#include "arch/power.h"
#include "arch/cpu.h"
#include "debug/report.h"
#include "fs/volumes.h"
#include "hal/classes.h"
#include "hal/reg.h"
#include "hal/trace.h"

namespace {

using namespace hal;

struct KeyboardCommand : Register<KeyboardCommand, 4, uint8_t> {
    static constexpr uint8_t pulse_reset = 0xfe;
};
struct ResetControl : Register<ResetControl, 0, uint8_t> {
    static constexpr uint8_t prepare_hard = 0x02, hard = 0x06;
};

}  // namespace

static void sync()
{
    if (auto synced = fs::sync(); !synced) log("sync: {}", error_text(synced.error()));
}

Result<void> power::off()
{
    sync();
    hal::show_trace();
    Error error = Error::not_found;
    debug::payload_runs(false);
    for (PowerControl* control = first_power_control(); control; control = control->next)
        error = control->off().error();
    return error;
}

Result<bool> power::button_pressed()
{
    Error error = Error::not_found;
    for (PowerControl* control = first_power_control(); control; control = control->next) {
        auto pressed = control->button_pressed();
        if (pressed) return pressed;
        error = pressed.error();
    }
    return error;
}

void power::reset()
{
    sync();
    hal::show_trace();
    cpu::disable_interrupts();
    debug::payload_runs(false);
    for (PowerControl* control = first_power_control(); control; control = control->next)
        (void)control->reset();  // has failed if it comes back
    Registers(port_window(0x60, 5, "reset")).write<KeyboardCommand>(KeyboardCommand::pulse_reset);
    sleep(100_ms);
    Registers control(port_window(0xcf9, 1, "reset"));
    control.write<ResetControl>(ResetControl::prepare_hard);
    control.write<ResetControl>(ResetControl::hard);
    sleep(100_ms);
    struct [[gnu::packed]] {
        uint16_t limit = 0;
        uint32_t base = 0;
    } no_idt;
    asm volatile("lidt %0; int3" ::"m"(no_idt));
    cpu::stop();
}
