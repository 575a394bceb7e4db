// SPDX-License-Identifier: BSD-2-Clause
// The operator's prompt: what a machine shows that has nothing to run, or whose payload has ended.
#pragma once
#include "boot/boot_info.h"

namespace monitor {

void set_boot_info(const BootInfo& info);  // before all others

[[noreturn]] void run();

// The same prompt while execution stands still: returns when debug::go() has been called.
void stand_still();

}  // namespace monitor
