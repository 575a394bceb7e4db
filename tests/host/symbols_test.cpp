// SPDX-License-Identifier: BSD-2-Clause
#include <gtest/gtest.h>
#include <fstream>
#include <string>
#include <vector>
#include "debug/symbol_table.h"

namespace {

using debug::check_symbol_file;
using debug::find_in_file;
using debug::find_in_table;

std::vector<uint8_t> table_of(std::initializer_list<std::pair<uint32_t, std::string>> functions,
                              uint32_t end)
{
    std::vector<uint8_t> out = {'V', 'S', 'Y', 'M'};
    auto put = [&out](uint32_t n) {
        for (int i = 0; i < 4; ++i) out.push_back(uint8_t(n >> i * 8));
    };
    put(0);
    put(functions.begin()->first);
    put(end);
    put(uint32_t(functions.size()));
    for (int i = 0; i < 128; ++i) {
        std::string piece = i == 1 ? "Disk::" : "";
        out.push_back(uint8_t(piece.size()));
        out.insert(out.end(), piece.begin(), piece.end());
    }
    uint32_t before = functions.begin()->first;
    for (auto& [address, name] : functions) {
        for (uint32_t n = address - before;; n >>= 7) {
            out.push_back(uint8_t(n < 128 ? n : n | 128));
            if (n < 128) break;
        }
        out.push_back(uint8_t(name.size()));
        out.insert(out.end(), name.begin(), name.end());
        before = address;
    }
    for (int i = 0; i < 4; ++i) out[4 + size_t(i)] = uint8_t(out.size() >> i * 8);
    return out;
}

TEST(Symbols, OfTheKernelsTable)
{
    auto table = table_of({{0x1000, "first"}, {0x1400, "Ata\x81read"}, {0x21400, "last"}}, 0x21410);
    EXPECT_EQ(find_in_table(table, 0x1000).view(), "first+0x0");
    EXPECT_EQ(find_in_table(table, 0x13ff).view(), "first+0x3ff");
    EXPECT_EQ(find_in_table(table, 0x1400).view(), "AtaDisk::read+0x0");
    EXPECT_EQ(find_in_table(table, 0x2140f).view(), "last+0xf");
    EXPECT_EQ(find_in_table(table, 0xfff).view(), "");
    EXPECT_EQ(find_in_table(table, 0x21410).view(), "");
}

TEST(Symbols, ATableThatIsCutOffOrMissing)
{
    auto table = table_of({{0x1000, "first"}, {0x1400, "Ata\x81read"}}, 0x2000);
    for (size_t size = 0; size < table.size(); ++size)
        EXPECT_EQ(
            find_in_table(std::vector(table.begin(), table.begin() + long(size)), 0x1400).view(),
            "");
    for (size_t i = 0; i < table.size(); ++i) {  // and none of its bytes is trusted
        auto wrecked = table;
        wrecked[i] = uint8_t(~wrecked[i]);
        (void)find_in_table(wrecked, 0x1400);
    }
    EXPECT_EQ(find_in_table(std::vector<uint8_t>(table.size()), 0x1400).view(), "");
}

constexpr std::string_view nm_text =
    "c0430000 T start\n"
    "c0430010 t Class::method\n"
    "\n"
    "0xC0430020 plain\r\n"
    "c0430030 T with(int, char)\n"
    "c0430038 a constant\n"
    "c0430040 B T\n";

TEST(Symbols, OfAFile)
{
    unsigned line = 0;
    ASSERT_TRUE(check_symbol_file(nm_text, line));
    EXPECT_EQ(find_in_file(nm_text, 0xc042ffff).view(), "");
    EXPECT_EQ(find_in_file(nm_text, 0xc0430004).view(), "start+0x4");
    EXPECT_EQ(find_in_file(nm_text, 0xc043001f).view(), "Class::method+0xf");
    EXPECT_EQ(find_in_file(nm_text, 0xc0430020).view(), "plain+0x0");
    EXPECT_EQ(find_in_file(nm_text, 0xc043003a).view(), "with(int,+0xa");
    EXPECT_EQ(find_in_file(nm_text, 0xc0430041).view(), "T+0x1");
    EXPECT_EQ(find_in_file(nm_text, 0xc0440040).view(), "");
}

TEST(Symbols, AFileThatIsNone)
{
    unsigned line = 0;
    for (std::string_view bad :
         {"c0430000 T start\nnonsense\n", "c0430000 a\nc042ffff b\n",
          "c0430000 T start\n123456789 x\n", "1 a\nc0430000\n", "1 a\n2 b\x1b[2J\n"}) {
        EXPECT_EQ(check_symbol_file(bad, line).error(), Error::corrupt) << bad;
        EXPECT_EQ(line, 2u);
    }
    EXPECT_TRUE(check_symbol_file("", line));
}

TEST(Symbols, AVeryLongNameKeepsItsOffset)
{
    std::string text = "1000 " + std::string(500, 'x') + "\n";
    auto found = find_in_file(text, 0x1234);
    EXPECT_TRUE(found.view().ends_with("x+0x234")) << found.c_str();
}

}  // namespace
