// SPDX-License-Identifier: BSD-2-Clause
// The time since boot, and of day.
#include "hal/time.h"
#include "api/call.h"
#include "debug/request.h"

static constexpr uint64_t tick_us = 10'100;  // a halt lasts no longer

uint64_t api_time_ticks() { return hal::now_us(); }

int api_time_sleep(uint64_t us) { return api_time_sleep_until(hal::now_us() + duration_us(us)); }

int api_time_date(vesper_date* date)
{
    CalendarClock* clock = first_calendar_clock();
    if (!clock) return VESPER_NOT_FOUND;
    auto now = clock->now();
    if (now) *date = to_api(now.value());
    return code(now);
}

int api_time_sleep_until(uint64_t end)
{
    for (;;) {
        debug::stop_point();
        if (debug::payload_break_is_wanted()) return VESPER_INTERRUPTED;
        uint64_t now = hal::now_us();
        if (now >= end) return 0;
        if (end - now <= tick_us) {
            hal::sleep({end - now});
            return 0;
        }
        hal::idle();
    }
}

int api_time_clock(vesper_clock* clock)
{
    hal::ClockSource source = hal::clock_source();
    copy_text(clock->name, source.name);
    clock->hertz = source.hertz;
    return 0;
}
