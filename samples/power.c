/* SPDX-License-Identifier: BSD-2-Clause
 * power - rests until the power button is pressed, then switches the machine off; q ends it.
 *
 *   ./vesper run samples/power.c
 *
 * In QEMU the button is `system_powerdown` of its monitor: in `--display gtk`, View, compatmonitor.
 * Off or q do what they say, r restarts the machine. It shows power->idle, button, off and reboot.
 */
#include "vesper.h"
#include "vesper_text.h"

static uint64_t rested; /* us, in all */

/* Rests for at most so many microseconds, or until there is a key or the button. Returns the key,
 * 'o' for the button, or -1. */
static int rest(const struct vesper* vesper, uint64_t us)
{
    uint64_t begin = vesper->time->ticks(), now = begin;
    int key;
    do {
        vesper->power->idle(); /* the CPU sleeps: an interrupt wakes it */
        rested += vesper->time->ticks() - now;
        now = vesper->time->ticks();
        if (vesper->power->button() > 0) {
            vesper_print(vesper, "the power button\n");
            return 'o';
        }
        key = vesper->keyq();
    } while (key < 0 && now - begin < us);
    return key;
}

int main(struct vesper* vesper)
{
    uint64_t begin = vesper->time->ticks();
    int key, error = vesper->power->button();

    if (error < 0) vesper_print(vesper, "no power button: %s\n", vesper->debug->error_text(error));
    vesper_print(vesper, "o: off, r: restart, q: end\n");
    while ((key = rest(vesper, 1000000)) != 'q') {
        uint64_t all = vesper->time->ticks() - begin;
        vesper_print(vesper, "rested %u of %u ms\n", (uint32_t)(rested / 1000),
                     (uint32_t)(all / 1000));
        error = 0;
        if (key == 'o') error = vesper->power->off(); /* returns only if it failed */
        if (key == 'r') error = vesper->power->reboot();
        if (error < 0) vesper_print(vesper, "%s\n", vesper->debug->error_text(error));
    }
    return 0;
}
