/* SPDX-License-Identifier: BSD-2-Clause
 * A timer's hook that faults, and devices that have to be given back when that has ended it: which
 * takes longer than to the timer's next tick. */
#include "vesper.h"
#include "vesper_text.h"

static int broken(void* context)
{
    (void)context;
    __builtin_trap();
}

int main(struct vesper* v)
{
    static const char* const names[] = {"pckbd0", "pms0", "mcclock0", "vga0"};
    int hook = v->interrupt->timer(1000000, 1000, broken, 0), claimed = 0;
    for (int i = 0; i < 4; ++i) claimed += v->device->claim(v->device->find(names[i])) >= 0;
    vesper_print(v, "hook %d, %d devices claimed\n", hook, claimed);
    for (;;) {}
}
