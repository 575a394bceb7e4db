// SPDX-License-Identifier: BSD-2-Clause
#include <gtest/gtest.h>
#include <array>
#include "fakes/machine.h"

extern const Driver vga;

namespace {

struct FakeVga {
    struct Crtc : FakeDevice {
        std::array<uint8_t, 256> registers = {};
        uint8_t index = 0;
        unsigned writes = 0;
        uint32_t read(unsigned, unsigned) override { return registers[index]; }
        void write(unsigned offset, unsigned, uint32_t value) override
        {
            ++writes;
            if (offset == 0)
                index = uint8_t(value);
            else
                registers[index] = uint8_t(value);
        }
    } crtc;
    struct Others : FakeDevice {  // from 3C0h
        uint8_t output = 0x67, graphics_mode = 0x0e, attribute_mode = 0x0c;
        uint8_t graphics_index = 0, attribute_index = 0;
        bool attribute_data = false;  // the flip-flop
        uint32_t read(unsigned offset, unsigned) override
        {
            if (offset == 0x0c) return output;
            if (offset == 0x0f && graphics_index == 6) return graphics_mode;
            if (offset == 0x01 && attribute_index == 0x30) return attribute_mode;
            if (offset == 0x1a) attribute_data = false;
            return 0;
        }
        void write(unsigned offset, unsigned, uint32_t value) override
        {
            if (offset == 0x0e) graphics_index = uint8_t(value);
            if (offset != 0) return;
            if (!attribute_data)
                attribute_index = uint8_t(value);
            else if (attribute_index == 0x30)
                attribute_mode = uint8_t(value);
            attribute_data = !attribute_data;
        }
    } others;
    struct Memory : FakeDevice {
        std::array<uint8_t, 4000> bytes = {};
        bool answers = true;
        unsigned reads = 0, writes = 0;
        uint32_t read(unsigned offset, unsigned width) override
        {
            ++reads;
            uint32_t value = 0;
            memcpy(&value, &bytes.at(offset), width);
            return answers ? value : ~0u;
        }
        void write(unsigned offset, unsigned width, uint32_t value) override
        {
            ++writes;
            ASSERT_LE(offset + width, bytes.size());
            memcpy(&bytes.at(offset), &value, width);
        }
    } memory;
    std::string row(unsigned row) const
    {
        std::string text;
        for (unsigned i = 0; i < 80; ++i) text.push_back(char(memory.bytes[row * 160 + i * 2]));
        return text.substr(0, text.find_last_not_of(' ') + 1);
    }
    unsigned cursor() const { return unsigned(crtc.registers[0x0e] << 8 | crtc.registers[0x0f]); }
};

struct Vga : testing::Test {
    FakeMachine machine;
    FakeVga adapter;
    TextOutput* screen = nullptr;
    Result<void> attach()
    {
        machine.ports(0x3d4, 2, adapter.crtc);
        machine.ports(0x3c0, 0x10, adapter.others);
        machine.ports(0x3d0, 0x10, adapter.others);
        machine.memory(0xb8000, 0x8000, adapter.memory);
        auto result = machine.attach(vga);
        screen = first_text_output();
        adapter.memory.reads = 0;
        return result;
    }
    void TearDown() override { EXPECT_EQ(adapter.memory.reads, 0u); }  // once attached
};

TEST_F(Vga, WritesText)
{
    ASSERT_TRUE(attach());
    EXPECT_EQ(screen->name.view(), "vga0");
    EXPECT_EQ(screen->columns, 80u);
    EXPECT_EQ(screen->rows, 25u);
    EXPECT_EQ(adapter.others.attribute_mode, 0x04);  // bright backgrounds, not blinking
    screen->write("one\ntwo");
    EXPECT_EQ(adapter.row(0), "one");
    EXPECT_EQ(adapter.row(1), "two");
    EXPECT_EQ(adapter.memory.bytes[1], 0x07);
    EXPECT_EQ(adapter.cursor(), 83u);
}

TEST_F(Vga, WritesOnlyWhatHasChanged)
{
    ASSERT_TRUE(attach());
    adapter.memory.writes = adapter.crtc.writes = 0;
    screen->write("abc");
    EXPECT_EQ(adapter.memory.writes, 2u);  // two cells at a time
    EXPECT_EQ(adapter.crtc.writes, 2u);    // the cursor once, its low half
    screen->put_cell(79, 24, 'Z', 0x1e);
    EXPECT_EQ(adapter.memory.writes, 3u);
    EXPECT_EQ(adapter.memory.bytes[3998], 'Z');
    EXPECT_EQ(adapter.memory.bytes[3999], 0x1e);
    screen->put_cell(1, 0, 'Y', 0x2e);
    EXPECT_EQ(adapter.row(0), "aYc");
}

TEST_F(Vga, ScrollsALongTextAtOnce)
{
    ASSERT_TRUE(attach());
    adapter.memory.writes = 0;
    std::string text;
    for (int i = 0; i < 100; ++i) text += "line " + std::to_string(i) + "\n";
    screen->write(text);
    EXPECT_EQ(adapter.row(0), "line 76");
    EXPECT_EQ(adapter.row(23), "line 99");
    EXPECT_EQ(adapter.row(24), "");
    EXPECT_EQ(adapter.memory.writes, 1000u);
    EXPECT_EQ(adapter.cursor(), 24u * 80);
}

TEST_F(Vga, ClearsWhatTheLoaderLeft)
{
    adapter.memory.bytes.fill('g');
    ASSERT_TRUE(attach());
    for (unsigned row = 0; row < 25; ++row) EXPECT_EQ(adapter.row(row), "");
}

TEST_F(Vga, IsNotFoundInAGraphicsMode)
{
    adapter.others.graphics_mode = 0x05;
    EXPECT_FALSE(attach());
    EXPECT_TRUE(machine.log.empty());
}
TEST_F(Vga, IsNotFoundWithAMonochromeAdapter)
{
    adapter.others.output = 0x66;
    EXPECT_FALSE(attach());
}
TEST_F(Vga, IsNotFoundWithoutAnAdapter)
{
    adapter.others.output = 0xff;
    EXPECT_FALSE(attach());
    EXPECT_EQ(adapter.memory.writes, 0u);
}
TEST_F(Vga, IsNotFoundWhereTheMemoryDoesNotAnswer)
{
    adapter.memory.answers = false;
    EXPECT_FALSE(attach());
}
TEST_F(Vga, NeedsMemory)
{
    FakeHeap::fail_after = 2;  // the device and the screen, not its cells
    EXPECT_TRUE(attach());     // taken, but not usable
    EXPECT_TRUE(machine.logged("not usable"));
    EXPECT_EQ(screen, nullptr);
}

}  // namespace
