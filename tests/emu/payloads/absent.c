/* SPDX-License-Identifier: BSD-2-Clause
 * Calls every call of the tables without devices: how many there are, and how many NOT_FOUND. */
#include "vesper.h"
#include "vesper_text.h"

/* The arguments of the longest call; others find what they take at their place. */
typedef int (*call)(uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t);

static void ask(const struct vesper* vesper, const char* name, const void* table)
{
    uint32_t count = *(const uint32_t*)table / 4 - 1, absent = 0;
    const call* calls = (const call*)table + 1;
    for (uint32_t i = 0; i < count; ++i) absent += calls[i](0, 0, 0, 0, 0, 0) == VESPER_NOT_FOUND;
    vesper_print(vesper, "%s: %u calls, %u not found\n", name, count, absent);
}

int main(struct vesper* vesper)
{
    ask(vesper, "display", vesper->display);
    ask(vesper, "net", vesper->net);
    ask(vesper, "audio", vesper->audio);
    return 0;
}
