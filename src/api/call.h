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

// What a payload knows by its place in a list of the registry.
template <class T> T* numbered(T* first, int number)  // null if there is none
{
    if (number < 0) return nullptr;
    while (first && number--) first = first->next;
    return first;
}
template <class T> int number_among(T* first, const T* wanted)  // -1 if it is not there
{
    for (int number = 0; first; first = first->next, ++number) {
        if (first == wanted) return number;
    }
    return -1;
}
inline BlockDevice* block_device(int number) { return numbered(first_block_device(), number); }
inline int number_of(const BlockDevice* device)
{
    return number_among(first_block_device(), device);
}

// A payload may say "for ever": what it says is cut so that no sum with the time runs over.
inline uint64_t duration_us(uint64_t us)
{
    constexpr uint64_t longest = 1ull << 62;
    return us < longest ? us : longest;
}

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
