// SPDX-License-Identifier: BSD-2-Clause
#include "hal/log.h"
#include "hal/reg.h"

namespace hal {

void trace(const Window& window, std::string_view verb, std::string_view register_name,
           std::uint64_t value)
{
    log("{}: {} {} 0x{x}", window.owner, verb, register_name, value);
}

}  // namespace hal
