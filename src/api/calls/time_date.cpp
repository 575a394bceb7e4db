// SPDX-License-Identifier: BSD-2-Clause
// Dates: set, and converted.
#include "api/call.h"
#include "fs/fs.h"

namespace {

// Errors: invalid.
Result<CalendarTime> from_api(const vesper_date& date)
{
    if (date.month > 12 || date.day > 31 || date.hour > 23 || date.minute > 59 || date.second > 59)
        return Error::invalid;
    CalendarTime time = {date.year,
                         static_cast<uint8_t>(date.month),
                         static_cast<uint8_t>(date.day),
                         static_cast<uint8_t>(date.hour),
                         static_cast<uint8_t>(date.minute),
                         static_cast<uint8_t>(date.second)};
    if (!time.valid()) return Error::invalid;
    return time;
}

}  // namespace

int api_time_set_date(const vesper_date* date)
{
    auto time = from_api(*date);
    if (!time) return code(time);
    CalendarClock* clock = first_calendar_clock();
    if (!clock) return VESPER_NOT_FOUND;
    auto set = clock->set(time.value());
    fs::clock_was_set();
    return code(set);
}

int api_time_to_date(int64_t unix_seconds, vesper_date* date)
{
    auto time = CalendarTime::of(unix_seconds);
    if (time) *date = to_api(time.value());
    return code(time);
}

int api_time_from_date(vesper_date* date)
{
    auto time = from_api(*date);
    if (time) date->unix_seconds = time.value().unix_seconds();
    return code(time);
}
