/* SPDX-License-Identifier: BSD-2-Clause
 * Says "ready" and its arguments, then shows the code of every key, and obeys some of them:
 * o switches off, r reboots, x returns 42. */
#include "vesper.h"

static void write(struct vesper* vesper, const char* text)
{
    while (*text) vesper->emit(*text++);
}

static void write_hex(struct vesper* vesper, unsigned n)
{
    for (int shift = 28; shift >= 0; shift -= 4) vesper->emit("0123456789abcdef"[n >> shift & 15]);
}

int main(struct vesper* vesper)
{
    write(vesper, "ready [");
    write(vesper, vesper->args);
    write(vesper, "]\n");
    for (;;) {
        int key = vesper->key();
        write(vesper, "key ");
        write_hex(vesper, (unsigned)key);
        write(vesper, "\n");
        if (key == 'o') vesper->power->off();
        if (key == 'r') vesper->power->reboot();
        if (key == 'x') return 42;
    }
}
