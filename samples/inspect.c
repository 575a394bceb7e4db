/* SPDX-License-Identifier: BSD-2-Clause
 * inspect - what runs, and what it does: a payload that looks at itself.
 *
 *   ./vesper run samples/inspect.c
 *   ./vesper run samples/inspect.c --append args=fd0
 *
 * The watchpoint opens the monitor, where `regs` and `bt` tell more and `go` goes on. It shows
 * debug->log, backtrace, symbol, dump, counter, trace, break_at and remove_break. */
#include "vesper.h"
#include "vesper_text.h"

static volatile uint32_t watched;

/* Not inlined, so that each has a frame of its own. */
__attribute__((noinline)) static int show_backtrace(const struct vesper* vesper)
{
    uint32_t addresses[16];
    char name[64];
    int count = vesper->debug->backtrace(addresses, 16);
    for (int i = 0; i < count; ++i) {
        int length = vesper->debug->symbol(addresses[i], name, sizeof name);
        vesper_print(vesper, "called from %08x %s\n", addresses[i], length < 0 ? "" : name);
    }
    return count;
}

__attribute__((noinline)) static int outer(const struct vesper* vesper)
{
    int count = show_backtrace(vesper);
    return count < 0 ? count : 0; /* something to do behind the call */
}

/* Those that are not 0. */
static void show_counters(const struct vesper* vesper)
{
    struct vesper_counter counter;
    for (uint32_t i = 0; vesper->debug->counter(i, &counter) >= 0; ++i) {
        if (counter.value) vesper_print(vesper, "%s: %llu\n", counter.name, counter.value);
    }
}

/* What a disk's driver does for one block: of the disk that is named, or of the first one. */
static int show_trace(const struct vesper* vesper, const char* name)
{
    static uint8_t block[4096];
    struct vesper_block_info disk;
    int device = name[0] ? vesper->block->find(name) : 0;
    int result = device < 0 ? device : vesper->block->info(device, &disk);
    if (result == VESPER_NOT_FOUND && !name[0]) return 0; /* there is none */
    if (result >= 0) result = vesper->debug->trace(disk.name, 1);
    if (result < 0) return result;
    result = vesper->block->read(device, 0, 1, block);
    vesper->debug->trace(disk.name, 0);
    vesper->debug->dump(block + 0x1f0, 16); /* a partition table's end: 55 aa */
    return result;
}

/* Has the monitor open when a variable is changed. */
static int watch(const struct vesper* vesper)
{
    int breakpoint = vesper->debug->break_at((const void*)&watched, VESPER_WRITTEN, sizeof watched);
    if (breakpoint < 0) return breakpoint;
    watched = 42;
    vesper_print(vesper, "it went on, with %u\n", watched);
    return vesper->debug->remove_break(breakpoint);
}

int main(struct vesper* vesper)
{
    vesper->debug->log("inspect: begins");
    int result = outer(vesper);
    show_counters(vesper);
    if (result >= 0) result = show_trace(vesper, vesper->args);
    if (result >= 0) result = watch(vesper);
    vesper_print(vesper, "inspect: %s\n", vesper->debug->error_text(result));
    return result;
}
