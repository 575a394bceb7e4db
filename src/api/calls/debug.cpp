// SPDX-License-Identifier: BSD-2-Clause
// To see what happens.
#include "api/call.h"
#include "hal/log.h"

const char* api_debug_error_text(int error)
{
    return error >= 0 ? error_text(Error{}) : error_text(static_cast<Error>(-error));
}

int api_debug_log(const char* text)
{
    hal::log_line(text);
    return 0;
}
