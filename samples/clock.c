/* SPDX-License-Identifier: BSD-2-Clause
 * clock - the time of day in large digits, drawn anew each second; a key ends it.
 *
 *   ./vesper run samples/clock.c
 *
 * It shows time->date and time->ticks, and how to put characters into the cells of the screen. */
#include "vesper.h"
#include "vesper_text.h"

enum {
    /* attribute = background << 4 | foreground */
    lit = 0xe0,
    dark = 0x07,
    /* The clock's place, and the cells of a digit. */
    left = 4,
    top = 2,
    width = 8,
    height = 5
};

/* Three bits by five rows for each of 0...9 and ':', an octal digit a row. */
static const uint16_t shapes[] = {075557, 026227, 071747, 071717, 055711, 074717,
                                  074757, 071111, 075757, 075717, 002020};

static void draw_character(const struct vesper* vesper, uint32_t place, char c)
{
    uint32_t shape = shapes[c - '0']; /* in ASCII ':' comes after '9' */
    for (uint32_t i = 0; i < 15; ++i) {
        uint32_t column = left + place * width + i % 3 * 2, row = top + i / 3;
        uint32_t attribute = shape >> (14 - i) & 1 ? lit : dark;
        vesper->console->put(column, row, ' ', attribute);
        vesper->console->put(column + 1, row, ' ', attribute);
    }
}

/* Only what differs from what is on the screen: a serial line is slow. */
static void draw(const struct vesper* vesper, const struct vesper_date* date, uint32_t uptime)
{
    static char shown[9], time[9];
    vesper_format(time, sizeof time, "%02u:%02u:%02u", date->hour, date->minute, date->second);
    for (uint32_t place = 0; time[place]; ++place) {
        if (time[place] != shown[place]) draw_character(vesper, place, time[place]);
        shown[place] = time[place];
    }
    vesper->console->move(left, top + height + 1);
    vesper_print(vesper, "%04u-%02u-%02u   up for %u:%02u:%02u", date->year, date->month, date->day,
                 uptime / 3600, uptime / 60 % 60, uptime % 60);
}

int main(struct vesper* vesper)
{
    uint32_t shown = ~0u;

    vesper->console->color(dark);
    vesper->console->clear();
    vesper->console->move(left, top + height + 3);
    vesper_print(vesper, "Any key ends the clock.");
    while (vesper->keyq() < 0) {
        uint32_t uptime = (uint32_t)(vesper->time->ticks() / 1000000);
        if (uptime != shown) {
            struct vesper_date date;
            int error = vesper->time->date(&date);
            if (error < 0) {
                vesper_print(vesper, "\nno time of day: %s\n", vesper->debug->error_text(error));
                return error;
            }
            draw(vesper, &date, uptime);
            shown = uptime;
        }
        __asm__ volatile("hlt"); /* until an interrupt: a key's, or the clock's, 100 a second */
    }
    vesper->console->move(0, top + height + 4);
    return 0;
}
