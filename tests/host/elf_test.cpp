// SPDX-License-Identifier: BSD-2-Clause
#include "fakes/elf.h"
#include <gtest/gtest.h>
#include <fstream>
#include "fakes/machine.h"
#include "lib/bytes.h"

namespace {

struct Elf : testing::Test {
    FakeMachine machine;
    std::vector<std::byte> memory = std::vector<std::byte>(1 << 20, std::byte{0xaa});
    ElfFile file;

    static std::vector<char> made(const char* kind)
    {
        std::ifstream in(std::string(VESPER_IMAGES "/") + kind + ".elf", std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    void read(const char* kind)
    {
        auto data = made(kind);
        ASSERT_FALSE(data.empty());
        auto bytes = std::as_bytes(std::span(data));
        file.data.assign(bytes.begin(), bytes.end());
    }
    Result<kexec::Placed> place()
    {
        file.bytes = uint32_t(file.data.size());
        return elf_format.place(file, {memory, 0xc0430000});
    }
    template <class T> void set(size_t at, T value)
    {
        memcpy(&file.data[at], &value, sizeof value);
    }
    uint32_t get(size_t at) const { return le32(&file.data[at]); }
    uint32_t header(unsigned i) const { return get(28) + i * 32; }
    unsigned first_loaded() const
    {
        unsigned i = 0;
        while (get(header(i)) != 1) ++i;
        return header(i);
    }
    void expect(Error error, const char* why)
    {
        auto before = memory;
        auto placed = place();
        EXPECT_EQ(placed.error(), error);
        EXPECT_TRUE(machine.logged(why)) << (machine.log.empty() ? "" : machine.log.back());
        EXPECT_EQ(memory, before);  // nothing was written
    }
    // The program, by what it consists of: 0x1234, 4,000 zeros, and a pointer to "two".
    void expect_program(const kexec::Placed& placed, uint32_t lowest)
    {
        EXPECT_GE(placed.entry, lowest);
        EXPECT_LT(placed.entry, placed.end);
        uint32_t used = placed.end - 0xc0430000;
        unsigned pointers = 0, most_zeros = 0, zeros = 0;
        for (uint32_t i = 0; i + 4 <= used; i += 4) {
            uint32_t value = le32(&memory[i]), to = value - 0xc0430000;
            if (to < used - 4 && memcmp(&memory[to], "two", 4) == 0) ++pointers;
            zeros = value ? 0 : zeros + 1;
            most_zeros = std::max(most_zeros, zeros);
        }
        EXPECT_GE(pointers, 1u);
        EXPECT_GE(most_zeros, 1000u);
        EXPECT_EQ(memory[used], std::byte{0xaa});
    }
};

TEST_F(Elf, AnExecutableGoesWhereItWasLinkedFor)
{
    read("exec");
    ASSERT_TRUE(elf_format.recognises(std::span<const std::byte, 4>(file.data.data(), 4)));
    auto placed = place();
    ASSERT_TRUE(placed);
    EXPECT_EQ(placed.value().entry, get(24));
    expect_program(placed.value(), 0xc0430000);
}

TEST_F(Elf, AlsoFurtherUp)
{
    read("high");
    auto placed = place();
    ASSERT_TRUE(placed);
    EXPECT_EQ(memory[0], std::byte{0xaa});
    EXPECT_GT(placed.value().entry, 0xc0440000);
}

TEST_F(Elf, APositionIndependentOneIsRelocated)
{
    read("pie");
    auto placed = place();
    ASSERT_TRUE(placed) << (machine.log.empty() ? "" : machine.log.back());
    EXPECT_EQ(placed.value().entry, get(24) + 0xc0430000);
    expect_program(placed.value(), 0xc0430000);
}

TEST_F(Elf, WhatCannotBeLoaded)
{
    read("low");
    expect(Error::unsupported, "linked for 0x08048000");
    read("object");
    expect(Error::unsupported, "has to be linked");
    read("exec");
    set<uint16_t>(18, 62);
    expect(Error::unsupported, "not for the i386");
    read("exec");
    memory.resize(4096);
    expect(Error::too_large, "do not fit");
}

TEST_F(Elf, DamagedHeaders)
{
    auto damaged = [&](auto change, Error error, const char* why) {
        SCOPED_TRACE(why);
        read("exec");
        change();
        expect(error, why);
    };
    auto set_in_segment = [&](unsigned field, uint32_t value) {
        set(first_loaded() + field, value);
    };
    damaged([&] { file.data.resize(40); }, Error::corrupt, "its header is not in the file");
    damaged([&] { set<uint32_t>(28, ~0u - 8); }, Error::corrupt, "cut off");
    damaged([&] { set<uint16_t>(44, 65535); }, Error::corrupt, "65535 program headers");
    damaged([&] { set<uint16_t>(42, 31); }, Error::corrupt, "of 31 bytes");
    damaged([&] { set<uint32_t>(24, 0xc042ffff); }, Error::corrupt, "entry 0xc042ffff");
    damaged([&] { set_in_segment(4, ~0u); }, Error::corrupt, "is not in the file");
    damaged([&] { set_in_segment(16, ~0u); }, Error::corrupt, "is not in the file");
    damaged([&] { set_in_segment(20, ~0u); }, Error::too_large, "do not fit");
    damaged([&] { set_in_segment(8, 0xfffffff0); }, Error::unsupported, "linked for 0xfffffff0");
    damaged([&] { set_in_segment(8, 0xc0432000); }, Error::corrupt, "overlaps");
    damaged([&] { set_in_segment(0, 3); }, Error::unsupported, "dynamically");
}

TEST_F(Elf, AFileThatCannotBeRead)
{
    read("exec");
    for (unsigned fails_at = 0; fails_at < 8; ++fails_at) {
        file.reads_left = int(fails_at);
        auto placed = place();
        EXPECT_EQ(placed.error(), Error::device) << fails_at;
    }
}

}  // namespace
