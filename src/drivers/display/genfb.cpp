// SPDX-License-Identifier: BSD-2-Clause
// genfb - a text console on the linear frame buffer that the boot loader handed over.
//
// The frame buffer is only written, whole lines of a glyph at a time, and only where a cell differs
// from what is on the screen; so scrolling costs what has changed.
// Supports: 15, 16, 24 and 32 bits a pixel, any order and width of the channels; 8 x 16 font, twice
// as large where the screen is at least 2560 wide. Not: palettes, changing the mode. Tested on:
// fake frame buffers of all depths.
#include <cstring>
#include "console/cell_screen.h"
#include "hal/driver.h"
#include "lib/font8x16.h"

namespace {
using namespace hal;

constexpr unsigned glyph_width = 8, glyph_height = 16;
constexpr unsigned widest = 8192, highest = 8192, longest_line = 65536;
constexpr unsigned large_from = 2560;

unsigned bytes_of(const Framebuffer& fb) { return (fb.bits_per_pixel + 7u) / 8; }

// The part of an 8-bit intensity that a channel shows, where it belongs.
uint32_t in_channel(uint32_t intensity, Framebuffer::Channel channel)
{
    uint32_t value =
        channel.bits <= 8 ? intensity >> (8 - channel.bits) : intensity << (channel.bits - 8);
    return value << channel.position;
}

// VGA's colours: bits 0 ... 2 are blue, green and red, bit 3 is bright; dark yellow is brown.
uint32_t pixel_of(const Framebuffer& fb, unsigned colour)
{
    unsigned low = colour & 8 ? 0x55 : 0;
    unsigned red = low + (colour & 4 ? 0xaa : 0);
    unsigned green = low + (colour & 2 ? 0xaa : 0);
    unsigned blue = low + (colour & 1 ? 0xaa : 0);
    if (colour == 6) green = 0x55;
    return in_channel(red, fb.red) | in_channel(green, fb.green) | in_channel(blue, fb.blue);
}

class GenericFramebuffer final : public CellScreen {
public:
    GenericFramebuffer(const Framebuffer& fb, Window window)
        : fb_(fb), window_(window), bytes_(bytes_of(fb)), scale_(fb.width >= large_from ? 2 : 1)
    {
        for (unsigned i = 0; i < 16; ++i) pixels_[i] = pixel_of(fb, i);
    }
    Result<void> start();

private:
    void draw(unsigned column, unsigned row, std::span<const Cell> cells) override;
    void draw_cursor(unsigned column, unsigned row) override;
    void paint(unsigned column, unsigned row, Cell cell) const;
    void make_line(std::byte* line, uint8_t glyph_row, Cell cell) const;

    const Framebuffer fb_;
    Window window_;
    unsigned bytes_, scale_;
    uint32_t pixels_[16];
    Buffer shown_;  // a Cell for each on the screen
    unsigned cursor_column_ = 0, cursor_row_ = 0;
};

Result<void> GenericFramebuffer::start()
{
    // What the loader has drawn goes away, also beside the last column and below the last row.
    auto line = TRY(Buffer::of(fb_.width * bytes_));
    memset(line.data(), 0, line.size());
    for (unsigned y = 0; y < fb_.height; ++y)
        window_.copy_to(y * fb_.pitch, line.data(), line.size() / 4);

    TRY(make_cells(fb_.width / (glyph_width * scale_), fb_.height / (glyph_height * scale_)));
    shown_ = TRY(Buffer::of(columns * rows * sizeof(Cell)));
    auto* shown = reinterpret_cast<Cell*>(shown_.data());
    for (unsigned i = 0; i < columns * rows; ++i)
        shown[i] = cell(0, 0);  // all are blank, and black
    paint(0, 0, cell(0, 0));    // the cursor
    return {};
}

void GenericFramebuffer::draw(unsigned column, unsigned row, std::span<const Cell> cells)
{
    auto* shown = reinterpret_cast<Cell*>(shown_.data()) + row * columns + column;
    for (Cell cell : cells) {
        if (*shown != cell) {
            *shown = cell;
            paint(column, row, cell);
        }
        ++shown;
        ++column;
    }
}

void GenericFramebuffer::draw_cursor(unsigned column, unsigned row)
{
    if (column == cursor_column_ && row == cursor_row_) return;
    unsigned old_column = std::exchange(cursor_column_, column);
    unsigned old_row = std::exchange(cursor_row_, row);
    if (old_row < rows) paint(old_column, old_row, cell(old_column, old_row));
    if (row < rows) paint(column, row, cell(column, row));
}

void GenericFramebuffer::paint(unsigned column, unsigned row, Cell cell) const
{
    alignas(4) std::byte line[glyph_width * 2 * 4 + 4];
    const Glyph& glyph = font8x16(static_cast<char>(cell));
    bool cursor = column == cursor_column_ && row == cursor_row_;
    unsigned words = glyph_width * scale_ * bytes_ / 4;
    unsigned place =
        row * glyph_height * scale_ * fb_.pitch + column * glyph_width * scale_ * bytes_;
    int made = -1;  // many rows of a glyph are like the one above
    for (unsigned y = 0; y < glyph_height; ++y) {
        uint8_t bits = cursor && y >= glyph_height - 2 ? 0xff : glyph[y];
        if (bits != made) make_line(line, bits, cell);
        made = bits;
        for (unsigned i = 0; i < scale_; ++i, place += fb_.pitch)
            window_.copy_to(place, line, words);
    }
}

void GenericFramebuffer::make_line(std::byte* line, uint8_t glyph_row, Cell cell) const
{
    uint32_t front = pixels_[cell >> 8 & 15], back = pixels_[cell >> 12];
    for (unsigned mask = 0x80; mask; mask >>= 1) {
        uint32_t pixel = glyph_row & mask ? front : back;
        // What is too much is overwritten by the next pixel.
        for (unsigned i = 0; i < scale_; ++i, line += bytes_) memcpy(line, &pixel, sizeof pixel);
    }
}

bool is_sound(Framebuffer::Channel channel, const Framebuffer& fb)
{
    return channel.bits >= 1 && channel.bits <= 16 &&
           channel.position + channel.bits <= bytes_of(fb) * 8;
}

Result<void> check(const Framebuffer& fb, const char* name)
{
    unsigned bits = fb.bits_per_pixel;
    if (bits != 15 && bits != 16 && bits != 24 && bits != 32)
        return fail(Error::unsupported, "{}: {} bits a pixel", name, bits);
    if (!is_sound(fb.red, fb) || !is_sound(fb.green, fb) || !is_sound(fb.blue, fb))
        return fail(Error::unsupported, "{}: its colours have no place in {} bits", name, bits);
    if (fb.width < glyph_width * 20 || fb.width > widest || fb.height < glyph_height * 5 ||
        fb.height > highest)
        return fail(Error::invalid, "{}: {} x {} pixels", name, fb.width, fb.height);
    if (fb.pitch < fb.width * bytes_of(fb) || fb.pitch > longest_line)
        return fail(Error::invalid, "{}: {} bytes a line of {} pixels", name, fb.pitch, fb.width);
    uint64_t bytes = uint64_t{fb.pitch} * fb.height;
    if (fb.address == 0 || fb.address + bytes < fb.address)
        return fail(Error::invalid, "{}: {} bytes at {x}", name, bytes, fb.address);
    return {};
}

Result<void> attach(Device& device)
{
    if (!device.framebuffer()) return Error::not_found;
    const Framebuffer& fb = *device.framebuffer();
    TRY(check(fb, device.name()));
    auto window =
        memory_window(fb.address, fb.pitch * fb.height, device.name(), Caching::write_combining);
    if (!window)
        return fail(window.error(), "{}: memory at {x} is out of reach", device.name(), fb.address);
    auto& screen = *TRY(make<GenericFramebuffer>(fb, window.value()));
    TRY(screen.start());
    publish(screen, "genfb");
    device.describe("{} x {}, {} bits a pixel, {} x {} characters", fb.width, fb.height,
                    fb.bits_per_pixel, screen.columns, screen.rows);
    return {};
}

constexpr Match matches[] = {from_loader()};

}  // namespace

extern const Driver genfb = {"genfb", matches, attach, true};
