// SPDX-License-Identifier: BSD-2-Clause
#include "console/cell_screen.h"
#include <algorithm>
#include <cstring>

Result<void> CellScreen::make_cells(unsigned columns_wanted, unsigned rows_wanted)
{
    cells_ = TRY(Buffer::of(columns_wanted * rows_wanted * sizeof(Cell)));
    columns = columns_wanted;
    rows = rows_wanted;
    last_ = rows - 1;
    blank_rows(0, rows);
    return {};
}

static bool is_printable(char c)
{
    auto code = static_cast<uint8_t>(c);
    return code >= ' ' && code != 0x7f;
}

CellScreen::Cell* CellScreen::row_cells(unsigned row) const
{
    row += top_;
    if (row >= rows) row -= rows;
    return reinterpret_cast<Cell*>(cells_.data()) + row * columns;
}

void CellScreen::write(std::string_view text)
{
    while (!text.empty()) {
        size_t printable = 0;
        while (printable < text.size() && is_printable(text[printable])) ++printable;
        if (printable)
            put_printable(text.substr(0, printable));
        else
            obey(text.front());
        text.remove_prefix(std::max<size_t>(printable, 1));
    }
    show();
}

// The usual character, by the shortest way.
void CellScreen::put(char c)
{
    if (!is_printable(c) || column_ >= columns) {
        char text = c;  // c itself stays in a register
        return write({&text, 1});
    }
    unsigned row = row_ + top_, place = row_ * columns + column_;
    if (row >= rows) row -= rows;
    Cell* cell = reinterpret_cast<Cell*>(cells_.data()) + row * columns + column_;
    *cell = static_cast<Cell>(attribute_ << 8 | static_cast<uint8_t>(c));
    ++column_;
    draw_cell(place, cell);
    if (cursor_shown_) draw_cursor(std::min(column_, columns - 1), row_);
}

// A line's share at a time.
void CellScreen::put_printable(std::string_view text)
{
    while (!text.empty()) {
        if (column_ == columns) new_line();
        unsigned count = static_cast<unsigned>(std::min<size_t>(text.size(), columns - column_));
        Cell* cells = row_cells(row_) + column_;
        for (unsigned i = 0; i < count; ++i)
            cells[i] = static_cast<Cell>(attribute_ << 8 | static_cast<uint8_t>(text[i]));
        changed(column_, row_, count, 1);
        column_ += count;
        text.remove_prefix(count);
    }
}

void CellScreen::obey(char c)
{
    if (c == '\n') {
        new_line();
    } else if (c == '\r') {
        column_ = 0;
    } else if (c == '\b') {
        if (column_ > 0) --column_;
    } else if (c == '\t') {
        column_ = std::min((column_ | 7) + 1, columns - 1);
    }
}

void CellScreen::new_line()
{
    column_ = 0;
    if (row_ == last_)
        scroll_cells(1);
    else if (row_ + 1 < rows)
        ++row_;
}

void CellScreen::scroll_cells(int lines)
{
    unsigned height = last_ + 1 - first_;
    int limit = static_cast<int>(height);
    lines = std::clamp(lines, -limit, limit);
    if (lines == 0) return;
    if (height == rows)
        top_ = (top_ + rows + static_cast<unsigned>(lines)) % rows;
    else
        move_rows(lines);
    if (lines > 0)
        blank_rows(last_ + 1 - static_cast<unsigned>(lines), static_cast<unsigned>(lines));
    else
        blank_rows(first_, static_cast<unsigned>(-lines));
    changed(0, first_, columns, height);
}

// Of the scrolling region, which is not all: up if positive.
void CellScreen::move_rows(int lines)
{
    unsigned distance = static_cast<unsigned>(lines > 0 ? lines : -lines);
    unsigned count = last_ + 1 - first_ - distance;
    for (unsigned i = 0; i < count; ++i) {
        unsigned low = lines > 0 ? first_ + i : last_ - distance - i;
        Cell *upper = row_cells(low), *lower = row_cells(low + distance);
        memcpy(lines > 0 ? upper : lower, lines > 0 ? lower : upper, columns * sizeof(Cell));
    }
}

void CellScreen::set_scroll_region(unsigned top, unsigned bottom)
{
    if (bottom > rows || bottom < 2 || top > bottom - 2) return;
    first_ = top;
    last_ = bottom - 1;
}

void CellScreen::blank_rows(unsigned first, unsigned count)
{
    for (unsigned row = first; row < first + count; ++row)
        std::fill_n(row_cells(row), columns, blank());
}

void CellScreen::put_cells(unsigned column, unsigned row, std::span<const uint16_t> cells)
{
    if (column >= columns || row >= rows) return;
    auto count = static_cast<unsigned>(std::min<size_t>(cells.size(), columns - column));
    memcpy(row_cells(row) + column, cells.data(), count * sizeof(Cell));
    changed(column, row, count, 1);
    show();
}

void CellScreen::move_cursor(unsigned column, unsigned row)
{
    if (column >= columns || row >= rows) return;
    column_ = column;
    row_ = row;
    show();
}

void CellScreen::show_cursor(bool shown)
{
    cursor_shown_ = shown;
    show();
}

void CellScreen::clear()
{
    blank_rows(0, rows);
    changed(0, 0, columns, rows);
    column_ = row_ = 0;
    show();
}

void CellScreen::scroll(int lines)
{
    scroll_cells(lines);
    show();
}

void CellScreen::changed(unsigned column, unsigned row, unsigned width, unsigned height)
{
    if (up_ == down_) {
        left_ = column, right_ = column + width;
        up_ = row, down_ = row + height;
    } else {
        left_ = std::min(left_, column), right_ = std::max(right_, column + width);
        up_ = std::min(up_, row), down_ = std::max(down_, row + height);
    }
}

void CellScreen::show()
{
    for (unsigned row = up_; row < down_; ++row)
        draw(left_, row, {row_cells(row) + left_, right_ - left_});
    up_ = down_ = 0;
    draw_cursor(std::min(column_, columns - 1), cursor_shown_ ? row_ : rows);
}
