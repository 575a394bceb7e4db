// SPDX-License-Identifier: BSD-2-Clause
// What the handlers of calls stand on. Each file of calls/ has one table of include/vesper.h, in
// its order; a configuration names those it wants: `api NAME`.
#pragma once
#include <cstring>
#include <string_view>
#include "api/api.h"
#include "api_calls.h"
#include "hal/classes.h"
#include "hal/result.h"

inline int code(Error error) { return -static_cast<int>(error); }
inline int code(const Result<void>& result) { return code(result.error()); }
template <class T> int code(const Result<T>& result) { return code(result.error()); }

BlockDevice* block_device(int number);     // null if there is none
int number_of(const BlockDevice* device);  // -1 if it is null

// Into a field of a struct, NUL behind it, cut if it is too long.
template <size_t N> void copy_text(char (&to)[N], std::string_view from)
{
    size_t length = from.size() < N ? from.size() : N - 1;
    memcpy(to, from.data(), length);
    memset(to + length, 0, N - length);
}

inline vesper_date to_api(const CalendarTime& t)
{
    return {t.year, t.month, t.day, t.hour, t.minute, t.second, t.unix_seconds()};
}
