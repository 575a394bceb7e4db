// SPDX-License-Identifier: BSD-2-Clause
#include "hal/log.h"

void hal::log_arguments(std::string_view format, std::span<const FormatArgument> arguments)
{
    char line[256];
    log_line({line, format_to(line, format, arguments)});
}
