// SPDX-License-Identifier: BSD-2-Clause
#pragma once
#include "hal/result.h"

namespace power {

// Syncs all volumes and switches the machine off. Returns only on failure. Errors: not_found
// (nothing here can do it), and those of PowerControl::off().
Result<void> off();

// Whether the power button was pressed since the last call. From the first call on the button is
// the payload's; before, the firmware switches off. Errors: those of off().
Result<bool> button_pressed();

// Syncs, and starts anew by every means there is: ACPI's reset register, the i8042, the chip set's,
// a triple fault.
[[noreturn]] void reset();

}  // namespace power
