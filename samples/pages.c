/* SPDX-License-Identifier: BSD-2-Clause
 * pages - the map of memory, and memory for a device: where it is, and another window onto it.
 *
 *   ./vesper run samples/pages.c
 *   ./vesper run samples/pages.c --memory 1024
 *
 * It shows memory->map, usage, allocate, physical, address, map_physical and release. */
#include "vesper.h"
#include "vesper_text.h"

enum { isa_limit = 0xffffff, bytes = 16384, boundary = 65536 };

static uint32_t number(const volatile void* address) { return (uint32_t)(uintptr_t)address; }

static void show_map(const struct vesper* vesper)
{
    static const char* const types[] = {"?",           "RAM",         "reserved",
                                        "ACPI tables", "ACPI memory", "unusable"};
    struct vesper_range range;
    uint64_t ram = 0;
    for (uint32_t i = 0; vesper->memory->map(i, &range) >= 0; ++i) {
        vesper_print(vesper, "%012llx ... %012llx %s\n", range.start, range.start + range.bytes - 1,
                     types[range.type <= VESPER_UNUSABLE ? range.type : 0]);
        if (range.type == VESPER_RAM) ram += range.bytes;
    }
    vesper_print(vesper, "%llu KiB of RAM; this payload's: %08x ... %08x\n", ram >> 10,
                 number(vesper->arena_start), number(vesper->arena_end) - 1);
}

static void show_usage(const struct vesper* vesper)
{
    struct vesper_memory_usage usage;
    vesper->memory->usage(&usage);
    vesper_print(vesper, "the kernel has %u bytes and uses %u; %u KiB are left for windows\n",
                 usage.heap_bytes, usage.heap_used, usage.window_bytes >> 10);
}

/* Memory as an ISA device wants it: below 16 MiB, and not across a multiple of 64 KiB; if there is
 * none of that kind, as a PCI device can have it: anywhere. */
static int allocate(const struct vesper* vesper, void** memory)
{
    int error = vesper->memory->allocate(bytes, boundary, isa_limit, memory);
    vesper_print(vesper, "below 16 MiB: %s\n", vesper->debug->error_text(error));
    if (error != VESPER_NO_MEMORY) return error;
    error = vesper->memory->allocate(bytes, boundary, ~0u, memory);
    vesper_print(vesper, "anywhere: %s\n", vesper->debug->error_text(error));
    return error;
}

/* Looks at the same memory from three sides. */
static int look(const struct vesper* vesper, volatile uint32_t* memory)
{
    void *seen, *window;
    uint64_t physical;
    int error = vesper->memory->physical((const void*)memory, &physical);
    if (error >= 0) error = vesper->memory->address(physical, &seen);
    if (error >= 0) error = vesper->memory->map_physical(physical, bytes, VESPER_UNCACHED, &window);
    if (error < 0) return error;
    memory[1] = 0x12345678;
    vesper_print(vesper, "at %08x, for a device at %08llx, also at %08x and, uncached, at %08x\n",
                 number(memory), physical, number(seen), number(window));
    vesper_print(vesper, "they hold %08x %08x %08x\n", memory[1], ((volatile uint32_t*)seen)[1],
                 ((volatile uint32_t*)window)[1]);
    return 0;
}

int main(struct vesper* vesper)
{
    void* memory;
    show_map(vesper);
    show_usage(vesper);
    int error = allocate(vesper, &memory);
    if (error < 0) return error;
    show_usage(vesper);
    error = look(vesper, (volatile uint32_t*)memory);
    if (error < 0) vesper_print(vesper, "%s\n", vesper->debug->error_text(error));
    int released = vesper->memory->release(memory);
    show_usage(vesper);
    return error < 0 ? error : released;
}
