/* SPDX-License-Identifier: BSD-2-Clause
 * Says "ready" and its arguments, then shows the code of every key, and obeys some of them:
 * o switches off, r reboots, x returns 42, c computes for four seconds and does not look at keys,
 * i switches interrupts off for good, l writes 100 lines, m says how much memory there is. */
#include "vesper.h"

static void write(struct vesper* vesper, const char* text)
{
    while (*text) vesper->emit(*text++);
}

static void write_hex(struct vesper* vesper, unsigned n)
{
    for (int shift = 28; shift >= 0; shift -= 4) vesper->emit("0123456789abcdef"[n >> shift & 15]);
}

static void compute(struct vesper* vesper)
{
    uint64_t end = vesper->time->ticks() + 4000000;
    write(vesper, "computing\n");
    while (vesper->time->ticks() < end) {
        for (volatile int i = 0; i < 100000; ++i) {}
    }
    write(vesper, "computed\n");
}

static void write_lines(struct vesper* vesper)
{
    for (unsigned i = 0; i < 100; ++i) {
        write(vesper, "line ");
        write_hex(vesper, i);
        write(vesper, "\n");
    }
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
        if (key == 'c') compute(vesper);
        if (key == 'i') __asm__ volatile("cli");
        if (key == 'l') write_lines(vesper);
        if (key == 'm') {
            write(vesper, "arena ");
            write_hex(vesper, (unsigned)vesper->arena_end - (unsigned)vesper->arena_start);
            write(vesper, "\n");
        }
    }
}
