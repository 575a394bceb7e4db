// SPDX-License-Identifier: BSD-2-Clause
// What ACPI tables are needed for: switching the machine off, starting it anew, and its power
// button. Nothing is looked at before one of these is called.
#pragma once
#include <cstdint>
#include "hal/result.h"

namespace acpi {

// Where the loader says that the root pointer is. Its copy must outlive the call. 0, or an address
// where there is none: it is searched where a BIOS puts it.
void set_root(uint64_t rsdp);

// Both return only on failure, with a line in the log. Errors: not_found (no ACPI, or not this of
// it), corrupt, unsupported, timed_out (done, but the machine went on).
Result<void> power_off();
Result<void> reset();

// Whether the power button was pressed since the last call. The first call takes the hardware over
// from the firmware; its errors are those of power_off() and come again from all further calls.
Result<bool> button_pressed();

}  // namespace acpi
