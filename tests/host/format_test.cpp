// SPDX-License-Identifier: BSD-2-Clause
#include "lib/format.h"
#include <gtest/gtest.h>

namespace {

template <class... Args> std::string formatted(std::string_view format, const Args&... args)
{
    Text<64> text;
    text.print(format, args...);
    return std::string(text.view());
}

TEST(Format, WritesNumbersTextAndCharacters)
{
    EXPECT_EQ(formatted("{} {} {} {}", 42, -7, "text", 'c'), "42 -7 text c");
    EXPECT_EQ(formatted("{x} {08x}", 0xbeefu, 0x1234u), "beef 00001234");
    EXPECT_EQ(formatted("[{5}] [{-5}]", 42, "ab"), "[   42] [ab   ]");
    EXPECT_EQ(formatted("{}", UINT64_MAX), "18446744073709551615");
    EXPECT_EQ(formatted("{}", INT64_MIN), "-9223372036854775808");
    EXPECT_EQ(formatted("{{}"), "{}");
}

TEST(Format, CutsOffWhatDoesNotFit)
{
    Text<8> text;
    text.print("{} {}", "abcd", "efghij");
    EXPECT_EQ(text.view(), "abcd ef");
    EXPECT_EQ(std::string(text.c_str()), "abcd ef");
}

TEST(Format, SurvivesMoreBracesThanArguments) { EXPECT_EQ(formatted("{} {} {", 1), "1  "); }

}  // namespace
