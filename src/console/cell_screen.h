// SPDX-License-Identifier: BSD-2-Clause
// A screen of character cells: all of a terminal but the drawing, which VGA text and frame buffers
// do. Cells are kept here and never read from the screen. What has changed is drawn once at the end
// of a call, so that a long text scrolls as fast as memory.
#pragma once
#include <cstdint>
#include <span>
#include "hal/classes.h"
#include "lib/heap.h"

class CellScreen : public TextOutput {
public:
    void write(std::string_view text) final;
    void put(char c) final;
    void put_cells(unsigned column, unsigned row, std::span<const uint16_t> cells) final;
    void move_cursor(unsigned column, unsigned row) final;
    Position cursor() const final { return {column_, row_}; }
    void show_cursor(bool shown) final;
    void set_attribute(uint8_t attribute) final { attribute_ = attribute; }
    void clear() final;
    void scroll(int lines) final;
    void set_scroll_region(unsigned top, unsigned bottom) final;

protected:
    using Cell = uint16_t;  // attribute << 8 | character, as in VGA text memory

    // Before anything else; nothing is drawn yet. Errors: no_memory.
    Result<void> make_cells(unsigned columns, unsigned rows);
    Cell cell(unsigned column, unsigned row) const { return row_cells(row)[column]; }

    // These cells, one after another in a row, are to be on the screen from now on.
    virtual void draw(unsigned column, unsigned row, std::span<const Cell> cells) = 0;
    virtual void draw_cell(unsigned place, const Cell* cell)  // counted in cells from the first
    {
        draw(place % columns, place / columns, {cell, 1});
    }
    // The end of each call: the cursor is here. row == rows: it is hidden.
    virtual void draw_cursor(unsigned column, unsigned row) = 0;
    ~CellScreen() = default;

private:
    Cell* row_cells(unsigned row) const;
    Cell blank() const { return static_cast<Cell>(attribute_ << 8 | ' '); }
    void put_printable(std::string_view text);
    void obey(char control);
    void new_line();
    void scroll_cells(int lines);
    void move_rows(int lines);
    void blank_rows(unsigned first, unsigned count);
    void changed(unsigned column, unsigned row, unsigned columns, unsigned rows);
    void show();

    Buffer cells_;
    unsigned top_ = 0;               // where in cells_ row 0 is: scrolling moves no memory
    unsigned column_ = 0, row_ = 0;  // the cursor. column_ == columns: the next character wraps
    bool cursor_shown_ = true;
    unsigned first_ = 0, last_ = 0;  // the rows that scroll
    uint8_t attribute_ = default_attribute;
    // What has changed and is not drawn yet: columns left_ ... right_ - 1 of rows up_ ... down_
    // - 1.
    unsigned left_ = 0, right_ = 0, up_ = 0, down_ = 0;
};
