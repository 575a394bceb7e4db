// SPDX-License-Identifier: BSD-2-Clause
#include <gtest/gtest.h>
#include <optional>
#include "fakes/machine.h"
#include "lib/font8x16.h"

extern const Driver genfb;

namespace {

struct Picture : FakeDevice {
    std::vector<uint8_t> bytes;
    uint64_t writes = 0;
    uint32_t read(unsigned, unsigned) override
    {
        ADD_FAILURE() << "a frame buffer is not read";
        return 0;
    }
    void write(unsigned offset, unsigned width, uint32_t value) override
    {
        ++writes;
        ASSERT_LE(offset + width, bytes.size());
        memcpy(&bytes[offset], &value, width);
    }
};

constexpr uint64_t address = 0xfd000000;
constexpr Framebuffer rgb_32 = {.address = address,
                                .pitch = 640 * 4,
                                .width = 640,
                                .height = 480,
                                .bits_per_pixel = 32,
                                .red = {16, 8},
                                .green = {8, 8},
                                .blue = {0, 8}};

struct Genfb : testing::Test {
    std::optional<FakeMachine> one{std::in_place};  // emplace() makes a new one
    FakeMachine& machine = *one;
    Picture picture;
    Framebuffer fb;
    TextOutput* screen = nullptr;

    Result<void> attach(const Framebuffer& from)
    {
        fb = from;
        machine.framebuffer = &fb;
        picture.bytes.assign(size_t{fb.pitch} * fb.height, 0xee);  // the loader's picture
        machine.memory(fb.address, picture.bytes.size(), picture);
        auto result = machine.attach(genfb);
        screen = first_text_output();
        return result;
    }
    void refuses(const Framebuffer& from, const char* why)
    {
        EXPECT_TRUE(attach(from));  // taken, but
        EXPECT_TRUE(machine.logged("not usable"));
        EXPECT_TRUE(machine.logged(why)) << machine.log.back();
        EXPECT_EQ(screen, nullptr);
        EXPECT_EQ(picture.writes, 0u);
    }
    uint32_t pixel(unsigned x, unsigned y) const
    {
        unsigned bytes = (fb.bits_per_pixel + 7u) / 8;
        uint32_t value = 0;
        memcpy(&value, &picture.bytes[y * fb.pitch + x * bytes], bytes);
        return value;
    }
    // Whether a cell shows exactly this character in these two pixel values.
    bool shows(unsigned column, unsigned row, char c, uint32_t front, uint32_t back,
               unsigned scale = 1)
    {
        for (unsigned y = 0; y < 16 * scale; ++y) {
            for (unsigned x = 0; x < 8 * scale; ++x) {
                bool on = font8x16(c)[y / scale] & 0x80 >> x / scale;
                if (pixel((column * 8) * scale + x, row * 16 * scale + y) != (on ? front : back))
                    return false;
            }
        }
        return true;
    }
};

TEST_F(Genfb, DrawsText)
{
    ASSERT_TRUE(attach(rgb_32));
    EXPECT_EQ(screen->name.view(), "genfb0");
    EXPECT_EQ(screen->columns, 80u);
    EXPECT_EQ(screen->rows, 30u);
    screen->write("A\nb");
    EXPECT_TRUE(shows(0, 0, 'A', 0xaaaaaa, 0));
    EXPECT_TRUE(shows(0, 1, 'b', 0xaaaaaa, 0));
    screen->put_cell(79, 29, '@', 0x1e);
    EXPECT_TRUE(shows(79, 29, '@', 0xffff55, 0x0000aa));
    EXPECT_TRUE(shows(40, 15, ' ', 0xaaaaaa, 0));  // where the loader's picture was
}

TEST_F(Genfb, KnowsAllFormats)
{
    struct {
        uint8_t bits;
        Framebuffer::Channel red, green, blue;
        uint32_t brown, bright_blue;  // 6 and 9
    } formats[] = {
        {15, {10, 5}, {5, 5}, {0, 5}, 21 << 10 | 10 << 5, 10 << 10 | 10 << 5 | 31},
        {16, {11, 5}, {5, 6}, {0, 5}, 21 << 11 | 21 << 5, 10 << 11 | 21 << 5 | 31},
        {24, {16, 8}, {8, 8}, {0, 8}, 0xaa5500, 0x5555ff},
        {24, {0, 8}, {8, 8}, {16, 8}, 0x0055aa, 0xff5555},
        {32, {16, 8}, {8, 8}, {0, 8}, 0xaa5500, 0x5555ff},
        {32, {24, 8}, {16, 8}, {8, 8}, 0xaa550000, 0x5555ff00},
        {32,
         {20, 10},
         {10, 10},
         {0, 10},
         0x2a8u << 20 | 0x154 << 10,
         0x154u << 20 | 0x154 << 10 | 0x3fc},
    };
    for (auto& format : formats) {
        one.emplace();
        ASSERT_TRUE(attach(
            {address, 1000u * 4, 1000, 100, format.bits, format.red, format.green, format.blue}));
        screen->put_cell(3, 2, 'R', 0x96);
        EXPECT_TRUE(shows(3, 2, 'R', format.brown, format.bright_blue)) << int(format.bits);
    }
}

TEST_F(Genfb, LeavesTheRestOfALongLineAlone)
{
    Framebuffer odd = rgb_32;
    odd.width = 643, odd.height = 487, odd.pitch = 4096;
    ASSERT_TRUE(attach(odd));
    screen->write(std::string(80 * 31, 'x'));
    EXPECT_EQ(screen->columns, 80u);
    EXPECT_EQ(screen->rows, 30u);
    for (unsigned y = 0; y < odd.height; ++y) {
        EXPECT_EQ(pixel(642, y), 0u);  // beside the last column
        for (unsigned i = 643 * 4; i < odd.pitch; ++i)
            ASSERT_EQ(picture.bytes[y * odd.pitch + i], 0xee);
    }
    EXPECT_EQ(pixel(0, 486), 0u);  // below the last row
}

TEST_F(Genfb, DrawsTwiceAsLargeOnALargeScreen)
{
    Framebuffer large = rgb_32;
    large.width = 2560, large.height = 160, large.pitch = 2560 * 4;
    ASSERT_TRUE(attach(large));
    EXPECT_EQ(screen->columns, 160u);
    EXPECT_EQ(screen->rows, 5u);
    screen->put_cell(159, 4, 'G', 0x0f);
    EXPECT_TRUE(shows(159, 4, 'G', 0xffffff, 0, 2));
}

TEST_F(Genfb, DrawsOnlyWhatChanges)
{
    ASSERT_TRUE(attach(rgb_32));
    std::string lines;
    for (int i = 0; i < 30; ++i) lines += "the same line\n";
    screen->write(lines);
    picture.writes = 0;
    screen->write("the same line\n");
    EXPECT_EQ(picture.writes, 0u);  // scrolled, and looks the same
    screen->write("the SAME line\n");
    EXPECT_EQ(picture.writes, 4u * 16 * 8);  // four letters of 128 pixels
    EXPECT_TRUE(shows(4, 28, 'S', 0xaaaaaa, 0));
    EXPECT_TRUE(shows(4, 27, 's', 0xaaaaaa, 0));
    EXPECT_TRUE(shows(0, 0, 't', 0xaaaaaa, 0));
}

TEST_F(Genfb, ShowsTheCursor)
{
    ASSERT_TRUE(attach(rgb_32));
    EXPECT_EQ(pixel(0, 15), 0xaaaaaau);
    screen->write("A");
    EXPECT_TRUE(shows(0, 0, 'A', 0xaaaaaa, 0));
    EXPECT_EQ(pixel(8, 15), 0xaaaaaau);
    screen->put_cell(1, 0, 'B', 0x0c);  // under it
    EXPECT_EQ(pixel(8, 15), 0xff5555u);
    screen->move_cursor(0, 0);
    EXPECT_TRUE(shows(1, 0, 'B', 0xff5555, 0));
    EXPECT_EQ(pixel(0, 14), 0xaaaaaau);
}

TEST_F(Genfb, RefusesAShortLine)
{
    Framebuffer bad = rgb_32;
    bad.pitch = 640 * 4 - 1;
    refuses(bad, "2559 bytes a line of 640 pixels");
}
TEST_F(Genfb, RefusesAPalette)
{
    Framebuffer bad = rgb_32;
    bad.bits_per_pixel = 8;
    refuses(bad, "8 bits a pixel");
}
TEST_F(Genfb, RefusesSizesThatCannotBe)
{
    Framebuffer bad = rgb_32;
    bad.width = 0;
    refuses(bad, "0 x 480 pixels");
}
TEST_F(Genfb, RefusesAHugeScreen)
{
    Framebuffer bad = rgb_32;
    bad.height = 0xffffffff;
    fb = bad;
    machine.framebuffer = &fb;
    EXPECT_TRUE(machine.attach(genfb));
    EXPECT_TRUE(machine.logged("640 x 4294967295 pixels"));
    EXPECT_EQ(first_text_output(), nullptr);
}
TEST_F(Genfb, RefusesChannelsBeyondThePixel)
{
    Framebuffer bad = rgb_32;
    bad.red = {28, 8};
    refuses(bad, "have no place");
}
TEST_F(Genfb, RefusesMissingChannels)
{
    Framebuffer bad = rgb_32;
    bad.green = {};
    refuses(bad, "have no place");
}
TEST_F(Genfb, RefusesAnAddressThatWraps)
{
    Framebuffer bad = rgb_32;
    bad.address = ~uint64_t{0} - 1000;
    refuses(bad, "1228800 bytes at fffffffffffffc17");
}
TEST_F(Genfb, NeedsMemory)
{
    for (int n = 1; n < 5; ++n) {  // the screen, a line, the cells, what is shown
        one.emplace();
        FakeHeap::fail_after = n;
        EXPECT_TRUE(attach(rgb_32));
        EXPECT_TRUE(machine.logged("not usable")) << n;
        EXPECT_EQ(screen, nullptr);
    }
}

TEST(Font, HasAGlyphForEachCharacter)
{
    auto ink = [](char c) {
        unsigned pixels = 0;
        for (uint8_t row : font8x16(c)) pixels += unsigned(__builtin_popcount(row));
        return pixels;
    };
    EXPECT_EQ(ink(' ') + ink('\0') + ink('\xff'), 0u);
    for (int a = 0x21; a < 0xe0; ++a) {
        if (a >= 0x80 && a < 0xb0) {
            EXPECT_EQ(font8x16(char(a)), font8x16('\x7f'));
            continue;
        }
        EXPECT_GE(ink(char(a)), 3u) << a;
        if (a < 0x7f) {
            for (uint8_t row : font8x16(char(a)))
                EXPECT_EQ(row & 1, 0) << a;  // letters do not touch
        }
        for (int b = 0x20; b < a; ++b) {
            if (b >= 0x80 && b < 0xb0) continue;
            EXPECT_NE(font8x16(char(a)), font8x16(char(b))) << a << " " << b;
        }
    }
}

TEST(Font, JoinsLines)
{
    for (uint8_t c : {0xb3, 0xb4, 0xc3, 0xc5}) {  // those with an upright from top to bottom
        for (uint8_t row : font8x16(char(c))) EXPECT_TRUE(row & 0x10);
    }
    EXPECT_EQ(font8x16(char(0xc4))[7], 0xff);
    EXPECT_EQ(font8x16(char(0xcd))[6] & font8x16(char(0xcd))[8], 0xff);
    EXPECT_EQ(font8x16(char(0xcd))[7], 0);
    for (uint8_t row : font8x16(char(0xdb))) EXPECT_EQ(row, 0xff);
}

}  // namespace
