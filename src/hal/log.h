// SPDX-License-Identifier: BSD-2-Clause
// What the kernel says: each call is one line, kept for `dmesg` and shown on every console.
#pragma once
#include "hal/result.h"
#include "lib/format.h"

namespace hal {

void log_line(std::string_view line);  // without the newline
void log_arguments(std::string_view format, std::span<const FormatArgument> arguments);

template <class... Args> void log(Format format, const Args&... args)
{
    std::initializer_list<FormatArgument> list = {args...};
    log_arguments(format, {list.begin(), list.size()});
}

// Logs why, and passes the error on: return fail(Error::corrupt, "{}: inode {}: ...", name, n);
template <class... Args> Error fail(Error error, Format format, const Args&... args)
{
    log(format, args...);
    return error;
}

}  // namespace hal
