// SPDX-License-Identifier: BSD-2-Clause
// The time since boot, and of day.
#include "hal/time.h"
#include "api/call.h"
#include "hal/classes.h"

uint64_t api_time_ticks() { return hal::now_us(); }

int api_time_sleep(uint64_t us)
{
    hal::sleep({us});
    return 0;
}

int api_time_date(vesper_date* date)
{
    CalendarClock* clock = first_calendar_clock();
    if (!clock) return VESPER_NOT_FOUND;
    auto now = clock->now();
    if (!now) return code(now.error());
    const CalendarTime& t = now.value();
    *date = {t.year, t.month, t.day, t.hour, t.minute, t.second, t.unix_seconds()};
    return 0;
}
