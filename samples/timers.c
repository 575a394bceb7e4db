/* SPDX-License-Identifier: BSD-2-Clause
 * timers - functions that the kernel calls: at a time, for a fault, and for Ctrl-C, which ends it.
 *
 *   ./vesper run samples/timers.c
 *
 * It shows interrupt->timer, exception, on_break and unhook, and power->idle. */
#include "vesper.h"
#include "vesper_text.h"

enum { page_fault = 14 };

struct timer {
    volatile uint32_t count;
    volatile uint64_t last; /* when it was called, as ticks() counts */
    const struct vesper* vesper;
};

/* Hooks: no call but emit, keyq and ticks may be made in them. */
static int on_time(void* context)
{
    struct timer* timer = (struct timer*)context;
    timer->count = timer->count + 1;
    timer->last = timer->vesper->time->ticks();
    return 1;
}

static struct vesper_frame fault; /* as it was */

/* Goes on behind the instruction, whose end is known: it is `context`. */
static int on_fault(struct vesper_frame* frame, void* context)
{
    fault = *frame;
    frame->eip = (uint32_t)(uintptr_t)context;
    return 1;
}

static int on_break(struct vesper_frame* frame, void* context)
{
    (void)frame;
    *(volatile uint32_t*)context = 1;
    return 1; /* it goes on; 0 would open the monitor */
}

/* Writes to page 0, which nobody may. */
__attribute__((noinline)) static void write_to_null(void)
{
    __asm__ volatile("movl $0, 0x10\n.globl behind_the_write\nbehind_the_write:" ::: "memory");
}
extern char behind_the_write[];

static int show_fault(const struct vesper* vesper)
{
    int hook = vesper->interrupt->exception(page_fault, on_fault, behind_the_write);
    if (hook < 0) return hook;
    write_to_null();
    vesper_print(vesper, "exception %u at %08x: address %x, error %x; skipped\n", fault.vector,
                 fault.eip, fault.address, fault.error_code);
    return vesper->interrupt->unhook(hook);
}

static uint32_t milliseconds(uint64_t us) { return (uint32_t)(us / 1000); }

int main(struct vesper* vesper)
{
    static struct timer periodic, once;
    static volatile uint32_t broken;
    uint32_t shown = 0;
    uint64_t begin = vesper->time->ticks();

    int result = show_fault(vesper);
    if (result < 0) return result;
    periodic.vesper = once.vesper = vesper;
    int hook = vesper->interrupt->timer(100000, 100000, on_time, &periodic);
    if (hook < 0) return hook;
    result = vesper->interrupt->timer(250000, 0, on_time, &once);
    if (result >= 0) result = vesper->interrupt->on_break(on_break, (void*)&broken);
    vesper_print(vesper, "Ctrl-C ends it.\n");
    while (!broken && result >= 0) {
        vesper->power->idle();
        if (periodic.count == shown) continue;
        shown = periodic.count;
        vesper_print(vesper, "%u times, %u ms; the other: %u, %u ms\n", shown,
                     milliseconds(periodic.last - begin), once.count,
                     once.count ? milliseconds(once.last - begin) : 0);
    }
    vesper->interrupt->unhook(hook); /* the others end with the payload */
    vesper_print(vesper, "a break, after %u calls\n", periodic.count);
    return result < 0 ? result : 0;
}
