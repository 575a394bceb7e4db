// SPDX-License-Identifier: BSD-2-Clause
// vga - VGA text mode, 80 x 25, as the BIOS or the loader left it.
//
// Cells are kept in RAM and copied to the adapter, changed rows only; nothing is read back. The
// start address is not used for scrolling: the screen is always at B8000h, where a payload expects
// it. Supports: colour text mode 3. Not: graphics (not_found: genfb may know it), monochrome, other
// sizes. Specification: IBM PS/2 Hardware Interface Technical Reference, Video Subsystem (1992);
// port addresses as for colour.  Tested on: QEMU.
#include "console/cell_screen.h"
#include "hal/driver.h"

namespace {
using namespace hal;

constexpr unsigned text_columns = 80, text_rows = 25;

// CRT controller, 3D4h
struct CrtcIndex : Register<CrtcIndex, 0, uint8_t> {
    enum Value : uint8_t {
        cursor_start = 0x0a,
        cursor_end = 0x0b,
        start_address_high = 0x0c,
        start_address_low = 0x0d,
        cursor_high = 0x0e,
        cursor_low = 0x0f
    };
};
struct CrtcData : Register<CrtcData, 1, uint8_t> {};

// Where the others are, from 3C0h
struct AttributeIndex : Register<AttributeIndex, 0x00, uint8_t> {
    struct Index : Field<Index, 0, 5> {
        enum Value : uint8_t { mode_control = 0x10 };
    };
    struct PaletteToScreen : Field<PaletteToScreen, 5> {};
};
struct AttributeWrite : Register<AttributeWrite, 0x00, uint8_t> {};
struct AttributeRead : Register<AttributeRead, 0x01, uint8_t> {};
struct ModeControl {  // in the attribute controller
    static constexpr uint8_t enable_blink = 1 << 3;
};
struct MiscellaneousOutput : Register<MiscellaneousOutput, 0x0c, uint8_t> {
    struct Colour : Field<Colour, 0> {};  // I/O Address Select: 3Dx, not 3Bx
    static constexpr uint8_t nothing = 0xff;
};
struct GraphicsIndex : Register<GraphicsIndex, 0x0e, uint8_t> {
    enum Value : uint8_t { miscellaneous = 6 };
};
struct GraphicsData : Register<GraphicsData, 0x0f, uint8_t> {
    struct Graphics : Field<Graphics, 0> {};  // index 6: Miscellaneous
    struct MemoryMap : Field<MemoryMap, 2, 2> {
        enum Value : uint8_t { b8000 = 3 };
    };
};
struct InputStatus1 : Register<InputStatus1, 0x1a, uint8_t> {
};  // a read resets the flip-flop of 3C0h

class Vga final : public CellScreen {
public:
    Vga(Window crtc, Window others, Window memory) : crtc_(crtc), others_(others), memory_(memory)
    {
    }
    Result<void> start();

private:
    void draw(unsigned column, unsigned row, std::span<const Cell> cells) override;
    void draw_cell(unsigned place, const Cell* cell) override
    {
        memory_.store<Cell>(place * sizeof(Cell), *cell);
    }
    void draw_cursor(unsigned column, unsigned row) override;
    void set_crtc(uint8_t index, unsigned value) const
    {
        crtc_.write<CrtcIndex>(index);
        crtc_.write<CrtcData>(static_cast<uint8_t>(value));
    }

    Registers crtc_, others_;
    Window memory_;
    unsigned cursor_ = ~0u;
};

Result<void> look_for_text_mode(const Registers& others, const Window& memory)
{
    uint8_t output = others.read<MiscellaneousOutput>();
    if (output == MiscellaneousOutput::nothing || !MiscellaneousOutput::Colour::in(output))
        return Error::not_found;
    using MemoryMap = GraphicsData::MemoryMap;
    others.write<GraphicsIndex>(GraphicsIndex::miscellaneous);
    uint8_t mode = others.read<GraphicsData>();
    if (GraphicsData::Graphics::in(mode) || MemoryMap::in(mode) != MemoryMap::b8000)
        return Error::not_found;
    for (uint16_t pattern : {0x0720, 0x7000}) {
        memory.store<uint16_t>(0, pattern);
        memory.store<uint16_t>(2, static_cast<uint16_t>(~pattern));  // what the bus remembers
        if (memory.load<uint16_t>(0) != pattern) return Error::not_found;
    }
    return {};
}

Result<void> Vga::start()
{
    TRY(make_cells(text_columns, text_rows));
    // Bright backgrounds in place of blinking.
    others_.read<InputStatus1>();
    auto mode_control = AttributeIndex::Index::of(AttributeIndex::Index::mode_control) |
                        AttributeIndex::PaletteToScreen::of(1);
    others_.write(mode_control);
    uint8_t mode = others_.read<AttributeRead>();
    others_.write<AttributeWrite>(static_cast<uint8_t>(mode & ~ModeControl::enable_blink));
    others_.read<InputStatus1>();
    set_crtc(CrtcIndex::start_address_high, 0);
    set_crtc(CrtcIndex::start_address_low, 0);
    set_crtc(CrtcIndex::cursor_start, 14);  // the last two of 16 lines; also switches it on
    set_crtc(CrtcIndex::cursor_end, 15);
    clear();
    return {};
}

void Vga::draw(unsigned column, unsigned row, std::span<const Cell> cells)
{
    // Whole pairs of cells: a row has an even number of them, and begins at an even one.
    unsigned before = column & 1;
    unsigned pairs = (static_cast<unsigned>(cells.size()) + before + 1) / 2;
    memory_.copy_to((row * text_columns + column - before) * sizeof(Cell), cells.data() - before,
                    pairs);
}

void Vga::draw_cursor(unsigned column, unsigned row)
{
    unsigned place = row * text_columns + column;  // hidden: behind the last cell
    if (place >> 8 != cursor_ >> 8) set_crtc(CrtcIndex::cursor_high, place >> 8);
    if (place != cursor_) set_crtc(CrtcIndex::cursor_low, place);
    cursor_ = place;
}

Result<void> attach(Device& device)
{
    Window others = port_window(0x3c0, 0x1b, device.name());
    Window memory = TRY(memory_window(0xb8000, text_columns * text_rows * 2, device.name()));
    TRY(look_for_text_mode(Registers(others), memory));
    Vga& screen = *TRY(make<Vga>(device.ports(), others, memory));
    TRY(screen.start());
    publish(screen, "vga");
    device.describe("text mode, {} x {}", text_columns, text_rows);
    return {};
}

constexpr Match matches[] = {isa(0x3d4, 2, 0)};

}  // namespace

extern const Driver vga = {"vga", matches, attach, true};
