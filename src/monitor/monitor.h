// SPDX-License-Identifier: BSD-2-Clause
// The operator's prompt: what a machine shows that has nothing to run, or whose payload has ended.
#pragma once
#include "boot/boot_info.h"

namespace monitor {

[[noreturn]] void run(const BootInfo& info);

}  // namespace monitor
