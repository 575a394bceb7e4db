// SPDX-License-Identifier: BSD-2-Clause
#pragma once
#include "hal/result.h"

namespace power {

// Syncs all volumes and switches the machine off. Returns only on failure. Errors: not_found
// (nothing here can do it), and those of PowerControl::off().
Result<void> off();

[[noreturn]] void reset();  // syncs, and starts anew by every means there is

}  // namespace power
