// SPDX-License-Identifier: BSD-2-Clause
// Text out, keys in.
#include "console/console.h"
#include <algorithm>
#include "api/call.h"

void api_emit(int c) { console::put_char(static_cast<char>(c)); }
int api_key() { return console::wait_key(); }
int api_keyq() { return console::poll_key(); }

int api_console_write(const char* text, uint32_t length)
{
    constexpr uint32_t most = 65536;  // slow lines take seconds for it
    length = std::min(length, most);
    console::write({text, length});
    return static_cast<int>(length);
}

int api_console_cells(uint32_t* columns, uint32_t* rows)
{
    auto cells = console::cells();
    *columns = cells.columns;
    *rows = cells.rows;
    return 0;
}

int api_console_put(uint32_t column, uint32_t row, int c, uint32_t attribute)
{
    return code(
        console::put_cell(column, row, static_cast<char>(c), static_cast<uint8_t>(attribute)));
}

int api_console_move(uint32_t column, uint32_t row)
{
    return code(console::move_cursor(column, row));
}

int api_console_color(uint32_t attribute)
{
    console::set_attribute(static_cast<uint8_t>(attribute));
    return 0;
}

int api_console_clear()
{
    console::clear();
    return 0;
}

int api_console_scroll(int lines)
{
    console::scroll(lines);
    return 0;
}

int api_console_region(uint32_t top, uint32_t bottom)
{
    return code(console::set_scroll_region(top, bottom));
}

int api_console_cursor(uint32_t* column, uint32_t* row)
{
    auto cursor = console::cursor();
    *column = cursor.column;
    *row = cursor.row;
    return 0;
}

int api_console_show_cursor(uint32_t visible)
{
    console::show_cursor(visible);
    return 0;
}

int api_console_fill(uint32_t column, uint32_t row, uint32_t columns, uint32_t rows, int c,
                     uint32_t attribute)
{
    return code(console::fill(column, row, columns, rows, static_cast<char>(c),
                              static_cast<uint8_t>(attribute)));
}

int api_console_put_row(uint32_t column, uint32_t row, const uint16_t* cells, uint32_t count)
{
    return code(console::put_cells(column, row, {cells, count}));
}

int api_console_resizes() { return static_cast<int>(console::size_changes()); }
