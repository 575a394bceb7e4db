// SPDX-License-Identifier: BSD-2-Clause
#include "hal/classes.h"

int64_t CalendarTime::unix_seconds() const
{
    // Years that begin in March have their leap day at the end, and months of a fixed pattern
    // before it.
    unsigned years = year - (month <= 2);
    unsigned months = (month + 9u) % 12;
    unsigned days =
        years * 365 + years / 4 - years / 100 + years / 400 + (months * 153 + 2) / 5 + day;
    constexpr int epoch = 719469;  // 1970-01-01, counted in the same way
    return (static_cast<int>(days) - epoch) * int64_t{86400} + hour * 3600 + minute * 60 + second;
}
