// SPDX-License-Identifier: BSD-2-Clause
#include <gtest/gtest.h>
#include <ctime>
#include "hal/classes.h"

namespace {

TEST(Calendar, CountsSecondsSinceTheEpoch)
{
    EXPECT_EQ((CalendarTime{1970, 1, 1, 0, 0, 0}.unix_seconds()), 0);
    EXPECT_EQ((CalendarTime{2000, 2, 29, 12, 0, 1}.unix_seconds()), 951825601);
    EXPECT_EQ((CalendarTime{2038, 1, 19, 3, 14, 8}.unix_seconds()), 2147483648);
    EXPECT_EQ((CalendarTime{1969, 12, 31, 23, 59, 59}.unix_seconds()), -1);
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
