/* SPDX-License-Identifier: BSD-2-Clause
 * Sets the clock to the last second before a leap day and shows what it says from then on. */
#include "vesper.h"
#include "vesper_text.h"

static int set(const struct vesper* vesper, uint32_t year, uint32_t month, uint32_t day,
               uint32_t hour)
{
    struct vesper_date date = {year, month, day, hour, 59, 59, 0};
    return vesper->time->set_date(&date);
}

int main(struct vesper* vesper)
{
    struct vesper_date date;
    uint32_t shown = 60;
    vesper_print(vesper, "not there: %d %d %d %d\n", set(vesper, 2031, 2, 29, 1),
                 set(vesper, 2031, 13, 1, 1), set(vesper, 2031, 1, 1, 24),
                 set(vesper, 2031, 1, 256 + 1, 1));
    int error = set(vesper, 2032, 2, 28, 23);
    vesper_print(vesper, "set: %s\n", vesper->debug->error_text(error));
    while (vesper->keyq() < 0) {
        error = vesper->time->date(&date);
        if (error < 0) return error;
        if (date.second == shown) continue;
        shown = date.second;
        vesper_print(vesper, "%04u-%02u-%02u %02u:%02u:%02u, %lld\n", date.year, date.month,
                     date.day, date.hour, date.minute, date.second, date.unix_seconds);
    }
    return 0;
}
