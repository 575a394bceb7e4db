/* SPDX-License-Identifier: BSD-2-Clause
 * Takes all hooks that there are, of every kind, and returns without giving any back: how many. */
#include "vesper.h"
#include "vesper_text.h"

static volatile uint32_t calls;

static int hook(void* context)
{
    (void)context;
    calls = calls + 1;
    return 0;
}

static int frame_hook(struct vesper_frame* frame, void* context)
{
    (void)frame, (void)context;
    calls = calls + 1;
    return 0;
}

int main(struct vesper* vesper)
{
    const struct vesper_interrupt* interrupt = vesper->interrupt;
    int count = 0, last = 0;
    for (;; ++count) {
        if (count % 4 == 0) last = interrupt->timer(0, 1000, hook, 0);
        if (count % 4 == 1) last = interrupt->line((uint32_t)count % 16, hook, 0);
        if (count % 4 == 2) last = interrupt->exception(VESPER_ANY_VECTOR, frame_hook, 0);
        if (count % 4 == 3) last = interrupt->on_break(frame_hook, 0);
        if (last < 0) break;
    }
    vesper->time->sleep(50000);
    vesper_print(vesper, "%d hooks, then: %s; %s; calls at %08x\n", count,
                 vesper->debug->error_text(last), calls > 10 ? "called" : "not called",
                 (uint32_t)(uintptr_t)&calls);
    return count;
}
