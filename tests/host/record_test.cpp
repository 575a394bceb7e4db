// SPDX-License-Identifier: BSD-2-Clause
#include "debug/record.h"
#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace {

using debug::Record;
using Kind = Record::Kind;

std::string lines(int from, int to)
{
    std::string text;
    for (int i = from; i <= to; ++i) text += "line " + std::to_string(i) + "\n";
    return text;
}

struct Page {
    std::vector<char> memory = std::vector<char>(4096, '\xff');

    std::string write(Kind kind, const std::string& older, const std::string& newer)
    {
        debug::write_record(memory, kind, older, newer);
        auto record = debug::read_record(memory);
        if (!record) return "nothing";
        EXPECT_EQ(record.value().kind, kind);
        return std::string(record.value().text);
    }
};

TEST(Record, AReportAndWhatWasBeforeIt)
{
    Page page;
    std::string report = "*** page fault\n  eax 0\n  *** no report\n";
    EXPECT_EQ(page.write(Kind::fault, lines(1, 20), lines(21, 40) + report),
              lines(33, 40) + report);
    EXPECT_EQ(page.write(Kind::fault, lines(1, 20), report), lines(13, 20) + report);
    EXPECT_EQ(page.write(Kind::fault, "", report), report);
    EXPECT_EQ(page.write(Kind::fault, "", "a\n" + report + "b\n" + report),
              "a\n" + report + "b\n" + report);
}

TEST(Record, TheLastLines)
{
    Page page;
    EXPECT_EQ(page.write(Kind::running, "", lines(1, 40)), lines(29, 40));
    EXPECT_EQ(page.write(Kind::running, lines(1, 38), lines(39, 40)), lines(29, 40));
    EXPECT_EQ(page.write(Kind::running, "", lines(1, 3)), lines(1, 3));
    EXPECT_EQ(page.write(Kind::running, "", ""), "");
}

TEST(Record, WhatDoesNotFitIsLeftOutByLines)
{
    Page page;
    std::string row = std::string(99, 'x') + "\n", report = "\n*** fault\n";
    for (int i = 0; i < 39; ++i) report += row;
    std::string kept = page.write(Kind::fault, "", row + row + row + report);
    EXPECT_EQ(kept, row + report);
    std::string much;
    for (int i = 0; i < 100; ++i) much += row;
    kept = page.write(Kind::fault, much, "*** fault\n" + much);
    EXPECT_EQ(kept.size() % 100, 0u);
    EXPECT_LT(kept.size(), 4096u);
}

TEST(Record, ClearedOrNeverThere)
{
    Page page;
    EXPECT_EQ(debug::read_record(page.memory).error(), Error::not_found);
    page.write(Kind::running, "", lines(1, 3));
    debug::clear_record(page.memory);
    EXPECT_EQ(debug::read_record(page.memory).error(), Error::not_found);
    EXPECT_EQ(debug::read_record({}).error(), Error::not_found);
    debug::clear_record({});
    debug::write_record({}, Kind::fault, "", "x");
}

TEST(Record, ADamagedOneIsNone)
{
    Page page;
    std::string text = page.write(Kind::fault, "", lines(1, 5));
    for (size_t i = 0; i < 16 + text.size(); ++i) {
        auto wrecked = page.memory;
        wrecked[i] = char(wrecked[i] ^ 0x10);
        EXPECT_FALSE(debug::read_record(wrecked)) << "byte " << i;
    }
    for (size_t size = 0; size < text.size(); ++size)
        EXPECT_FALSE(debug::read_record(std::span(page.memory).first(size)));
}

}  // namespace
