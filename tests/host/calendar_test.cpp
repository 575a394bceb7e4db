// SPDX-License-Identifier: BSD-2-Clause
#include <gtest/gtest.h>
#include <ctime>
#include <random>
#include "hal/classes.h"

namespace {

TEST(Calendar, CountsSecondsSinceTheEpoch)
{
    EXPECT_EQ((CalendarTime{1970, 1, 1, 0, 0, 0}.unix_seconds()), 0);
    EXPECT_EQ((CalendarTime{2000, 2, 29, 12, 0, 1}.unix_seconds()), 951825601);
    EXPECT_EQ((CalendarTime{2038, 1, 19, 3, 14, 8}.unix_seconds()), 2147483648);
    EXPECT_EQ((CalendarTime{1969, 12, 31, 23, 59, 59}.unix_seconds()), -1);
}

CalendarTime by_libc(int64_t seconds)
{
    tm parts;
    gmtime_r(&seconds, &parts);
    return {uint32_t(parts.tm_year + 1900), uint8_t(parts.tm_mon + 1), uint8_t(parts.tm_mday),
            uint8_t(parts.tm_hour),         uint8_t(parts.tm_min),     uint8_t(parts.tm_sec)};
}

void expect_as_libc(int64_t seconds)
{
    auto time = CalendarTime::of(seconds);
    ASSERT_TRUE(time) << seconds;
    auto& t = time.value();
    auto expected = by_libc(seconds);
    ASSERT_EQ(t.year, expected.year) << seconds;
    ASSERT_EQ(t.month, expected.month) << seconds;
    ASSERT_EQ(t.day, expected.day) << seconds;
    ASSERT_EQ(t.hour, expected.hour) << seconds;
    ASSERT_EQ(t.minute, expected.minute) << seconds;
    ASSERT_EQ(t.second, expected.second) << seconds;
    ASSERT_EQ(t.unix_seconds(), seconds);
    tm parts;
    gmtime_r(&seconds, &parts);
    ASSERT_EQ(t.weekday(), unsigned(parts.tm_wday)) << seconds;
    ASSERT_TRUE(t.valid());
}

constexpr int64_t end = int64_t{86400} << 31;

TEST(Calendar, AgreesWithTheHostAtAnyTime)
{
    std::mt19937_64 random(1);
    for (int i = 0; i < 200'000; ++i) expect_as_libc(int64_t(random() % end));
    for (int i = 0; i < 200'000; ++i) expect_as_libc(int64_t(random() % 253402300800));  // to 9999
    for (int64_t year : {1970, 1972, 2000, 2038, 2099, 2100, 2400, 5881580}) {
        int64_t first = CalendarTime{uint32_t(year), 1, 1, 0, 0, 0}.unix_seconds();
        for (int day = 0; day < 366 && first + day * 86400 < end; ++day) {
            expect_as_libc(first + day * 86400);
            expect_as_libc(first + day * 86400 + 86399);
        }
    }
}

TEST(Calendar, HasLimits)
{
    expect_as_libc(0);
    expect_as_libc(end - 1);
    for (int64_t wrong : {int64_t{-1}, end, INT64_MIN, INT64_MAX})
        EXPECT_EQ(CalendarTime::of(wrong).error(), Error::invalid);
}

TEST(Calendar, KnowsWhichDaysExist)
{
    EXPECT_TRUE((CalendarTime{2024, 2, 29, 23, 59, 59}.valid()));
    EXPECT_TRUE((CalendarTime{2000, 2, 29, 0, 0, 0}.valid()));
    EXPECT_FALSE((CalendarTime{2026, 2, 29, 0, 0, 0}.valid()));
    EXPECT_FALSE((CalendarTime{2100, 2, 29, 0, 0, 0}.valid()));
    EXPECT_FALSE((CalendarTime{2026, 4, 31, 0, 0, 0}.valid()));
    EXPECT_FALSE((CalendarTime{2026, 0, 1, 0, 0, 0}.valid()));
    EXPECT_FALSE((CalendarTime{2026, 13, 1, 0, 0, 0}.valid()));
    EXPECT_FALSE((CalendarTime{2026, 1, 0, 0, 0, 0}.valid()));
    EXPECT_FALSE((CalendarTime{2026, 1, 1, 24, 0, 0}.valid()));
    EXPECT_FALSE((CalendarTime{1969, 12, 31, 0, 0, 0}.valid()));
    EXPECT_FALSE((CalendarTime{~0u, 1, 1, 0, 0, 0}.valid()));
}

TEST(Calendar, AgreesWithTheHostOnEachDay)
{
    for (int64_t day = 0; day < 365 * 200; ++day) {
        time_t seconds = day * 86400 + 86399;
        tm parts;
        gmtime_r(&seconds, &parts);
        CalendarTime time{uint16_t(parts.tm_year + 1900),
                          uint8_t(parts.tm_mon + 1),
                          uint8_t(parts.tm_mday),
                          23,
                          59,
                          59};
        ASSERT_EQ(time.unix_seconds(), seconds);
    }
}

}  // namespace
