// SPDX-License-Identifier: BSD-2-Clause
// Rest, off, and again.
#include "arch/power.h"
#include "api/call.h"
#include "hal/time.h"

int api_power_reboot() { power::reset(); }
int api_power_off() { return code(power::off()); }

int api_power_idle()
{
    hal::idle();
    return 0;
}

int api_power_button()
{
    auto pressed = power::button_pressed();
    return pressed ? pressed.value() : code(pressed);
}
