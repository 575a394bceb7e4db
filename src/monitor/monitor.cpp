// SPDX-License-Identifier: BSD-2-Clause
#include "monitor/monitor.h"
#include "console/console.h"

namespace monitor {

void run(const BootInfo&)
{
    console::write("monitor> ");
    for (;;) console::put_char(static_cast<char>(console::wait_key()));
}

}  // namespace monitor
