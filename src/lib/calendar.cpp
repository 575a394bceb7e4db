// SPDX-License-Identifier: BSD-2-Clause
#include "hal/classes.h"

namespace {

// Years that begin in March have their leap day at the end, and months of a fixed pattern before
// it. Days are counted from March of the year 0.
constexpr unsigned epoch = 719468;  // 1970-01-01
constexpr unsigned days_of_400_years = 146097;
constexpr unsigned last_year = 5'881'580;  // days since 1970 fit 31 bits
constexpr int64_t day_s = 86400;

unsigned days_before(unsigned years) { return years * 365 + years / 4 - years / 100 + years / 400; }
unsigned days_before_month(unsigned months) { return (months * 153 + 2) / 5; }

bool is_leap(unsigned year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

unsigned days_in(unsigned month, unsigned year)
{
    if (month == 2) return is_leap(year) ? 29 : 28;
    return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

// Days since 1970-01-01.
int days_of(const CalendarTime& time)
{
    unsigned years = time.year - (time.month <= 2);
    unsigned months = (time.month + 9u) % 12;
    return static_cast<int>(days_before(years) + days_before_month(months) + time.day - 1 - epoch);
}

}  // namespace

bool CalendarTime::valid() const
{
    return year >= 1970 && year <= last_year && month >= 1 && month <= 12 && day >= 1 &&
           day <= days_in(month, year) && hour < 24 && minute < 60 && second < 60;
}

int64_t CalendarTime::unix_seconds() const
{
    return days_of(*this) * day_s + hour * 3600 + minute * 60 + second;
}

unsigned CalendarTime::weekday() const
{
    return (days_of(*this) % 7 + 11) % 7;  // the first was a Thursday
}

Result<CalendarTime> CalendarTime::of(int64_t seconds)
{
    if (seconds < 0 || seconds >= day_s << 31) return Error::invalid;
    auto day = static_cast<unsigned>(seconds / day_s) + epoch;
    auto second = static_cast<unsigned>(seconds % day_s);
    unsigned years = day / days_of_400_years * 400;
    day %= days_of_400_years;
    unsigned more = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    years += more;
    day -= days_before(more);
    unsigned months = (day * 5 + 2) / 153;
    return CalendarTime{.year = years + (months >= 10),
                        .month = static_cast<uint8_t>(months < 10 ? months + 3 : months - 9),
                        .day = static_cast<uint8_t>(day - days_before_month(months) + 1),
                        .hour = static_cast<uint8_t>(second / 3600),
                        .minute = static_cast<uint8_t>(second / 60 % 60),
                        .second = static_cast<uint8_t>(second % 60)};
}
