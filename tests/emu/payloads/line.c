/* SPDX-License-Identifier: BSD-2-Clause
 * Claims a network card (8086:100e, which has no messages) and has it raise its line: "PASS what"
 * or "FAIL what". The card is left with its interrupt raised, and not given back. */
#include "vesper.h"
#include "vesper_text.h"

enum { cause_read = 0xc0, cause_set = 0xc8, mask_set = 0xd0, mask_clear = 0xd8, link_change = 4 };
enum { command = 4, memory_space = 2, interrupt_disable = 0x400 };

static struct vesper* v;
static volatile uint8_t* registers;
static volatile uint32_t interrupts;

static volatile uint32_t* at(uint32_t offset)
{
    return (volatile uint32_t*)(uintptr_t)(registers + offset);
}

static int on_interrupt(void* context)
{
    (void)context;
    if (!*at(cause_read)) return 0; /* reading clears it */
    interrupts = interrupts + 1;
    return 1;
}

static void check(const char* what, int is_so)
{
    vesper_print(v, "%s %s\n", is_so ? "PASS" : "FAIL", what);
}

/* Has the card interrupt: how often it came. */
static uint32_t raise(void)
{
    uint32_t before = interrupts;
    *at(cause_set) = link_change;
    v->time->sleep(20000);
    return interrupts - before;
}

int main(struct vesper* vesper)
{
    struct vesper_resource memory;
    uint32_t value = 0;
    void* window = 0;
    v = vesper;
    int card = v->device->find_pci(-1, 0x8086, 0x100e);
    check("not claimed, no hook", v->interrupt->device(card, 0, on_interrupt, 0) == VESPER_INVALID);
    check("claim", v->device->claim(card) == 0 && v->device->resource(card, 0, &memory) == 0);
    v->device->read_config(card, command, 2, &value);
    check("its line is off", value & interrupt_disable);
    v->device->write_config(card, command, 2, value | memory_space);
    v->memory->map_physical(memory.start, (uint32_t)memory.bytes, VESPER_UNCACHED, &window);
    registers = (volatile uint8_t*)window;
    *at(mask_clear) = ~0u;
    *at(mask_set) = link_change;
    check("nothing comes", raise() == 0 && *at(cause_read) & link_change);
    check("no second message",
          v->interrupt->device(card, 1, on_interrupt, 0) == VESPER_UNSUPPORTED);
    int hook = v->interrupt->device(card, 0, on_interrupt, 0);
    check("hook", hook >= 0);
    check("each comes", raise() == 1 && raise() == 1 && raise() == 1);
    check("unhook", v->interrupt->unhook(hook) == 0 && raise() == 0);
    v->device->read_config(card, command, 2, &value);
    check("its line is off again", value & interrupt_disable);
    check("hook again", v->interrupt->device(card, 0, on_interrupt, 0) == hook &&
                            raise() == 1); /* what was raised meanwhile, and this, at once */
    v->interrupt->unhook(hook);
    *at(cause_set) = link_change;
    vesper_print(v, "DONE\n");
    return 0;
}
