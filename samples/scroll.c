/* SPDX-License-Identifier: BSD-2-Clause
 * scroll - memory, 16 bytes a row; Up, Down, Page Up, Page Down and Home move in it, q ends it.
 *
 *   ./vesper run samples/scroll.c
 *   ./vesper run samples/scroll.c --display gtk
 *
 * Two bars stay where they are and the rows between them scroll, so that for a step only one row is
 * drawn. It shows console->cells, resizes, region, scroll, fill, put_row, move, cursor, show_cursor
 * and color. */
#include "vesper.h"
#include "vesper_text.h"

enum { usual = 0x07, bar = 0x70, address_color = 0x0b, row_bytes = 16 };

static struct vesper* kernel;
static uint32_t columns, rows;
static uint32_t first = VESPER_KEXECADDR; /* the address in row 1 */

/* Fills a row of the screen with a colour and puts text there. */
static void draw_bar(uint32_t row, const char* text)
{
    uint16_t cells[80];
    uint32_t count = 0;
    kernel->console->fill(0, row, columns, 1, ' ', bar);
    for (; text[count] && count < columns && count < 80; ++count)
        cells[count] = (uint16_t)((uint8_t)text[count] | bar << 8);
    kernel->console->put_row(0, row, cells, count);
}

static void draw_row(uint32_t row)
{
    const uint8_t* bytes = (const uint8_t*)(uintptr_t)(first + (row - 1) * row_bytes);
    kernel->console->move(0, row);
    kernel->console->color(address_color);
    vesper_print(kernel, "%08x ", (uint32_t)(uintptr_t)bytes);
    kernel->console->color(usual);
    for (uint32_t i = 0; i < row_bytes; ++i) vesper_print(kernel, " %02x", bytes[i]);
    vesper_print(kernel, "  ");
    for (uint32_t i = 0; i < row_bytes; ++i)
        kernel->emit(bytes[i] >= ' ' && bytes[i] < 0x7f ? bytes[i] : '.');
}

static void draw_all(void)
{
    kernel->console->cells(&columns, &rows);
    kernel->console->color(usual);
    kernel->console->clear();
    draw_bar(0, " Memory of the payload");
    draw_bar(rows - 1, " Up, Down, Page Up, Page Down, Home: move    q: ends");
    kernel->console->region(1, rows - 1);
    for (uint32_t row = 1; row < rows - 1; ++row) draw_row(row);
}

/* Moves by so many rows: what stays on the screen is scrolled, and the rest drawn. */
static void go(int32_t lines)
{
    uint32_t shown = rows - 2, moved = (uint32_t)(lines < 0 ? -lines : lines);
    if (lines < 0 && first - VESPER_KEXECADDR < moved * row_bytes) return;
    first += (uint32_t)(lines * row_bytes);
    kernel->console->scroll(lines);
    for (uint32_t i = 0; i < moved; ++i) draw_row(lines < 0 ? 1 + i : 1 + shown - moved + i);
}

int main(struct vesper* vesper)
{
    uint32_t column, row;
    int key = 0, resizes = vesper->console->resizes();

    kernel = vesper;
    vesper->console->show_cursor(0);
    draw_all();
    while (key != 'q' && key != VESPER_INTERRUPTED) {
        key = vesper->key();
        if (key == VESPER_KEY_UP) go(-1);
        if (key == VESPER_KEY_DOWN) go(1);
        if (key == VESPER_KEY_PAGE_UP) go(2 - (int32_t)rows);
        if (key == VESPER_KEY_PAGE_DOWN) go((int32_t)rows - 2);
        if (key == VESPER_KEY_HOME) first = VESPER_KEXECADDR;
        if (key == VESPER_KEY_HOME || vesper->console->resizes() != resizes) draw_all();
        resizes = vesper->console->resizes();
    }
    vesper->console->cursor(&column, &row);
    vesper->console->region(0, 0);
    vesper->console->color(usual);
    vesper->console->clear();
    vesper->console->show_cursor(1);
    vesper_print(vesper, "the cursor was at %u, %u of %u x %u\n", column, row, columns, rows);
    return 0;
}
