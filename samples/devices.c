/* SPDX-License-Identifier: BSD-2-Clause
 * devices - the tree of devices, with their ports and memory; and a driver for one of them.
 *
 *   ./vesper run samples/devices.c
 *   ./vesper run samples/devices.c --append args=edu -- -device edu
 *
 * QEMU's device "edu" computes factorials; docs/specs/edu.rst of QEMU describes it. It is claimed,
 * driven by its registers and its interrupt, and given back. It shows device->info, find_pci,
 * resource, read_config, write_config, claim and release, memory->map_physical and
 * interrupt->device. */
#include "vesper.h"
#include "vesper_text.h"

static void show_resources(const struct vesper* vesper, int device)
{
    struct vesper_resource resource;
    for (uint32_t i = 0; i < 6; ++i) {
        if (vesper->device->resource(device, i, &resource) < 0) continue;
        vesper_print(vesper, "    %s 0x%llx ... 0x%llx%s\n",
                     resource.kind == VESPER_PORTS ? "ports" : "memory", resource.start,
                     resource.start + resource.bytes - 1,
                     resource.prefetchable ? ", prefetchable" : "");
    }
}

static void show_devices(const struct vesper* vesper)
{
    struct vesper_device_info info, parent;
    uint32_t revision;
    for (int device = 0; vesper->device->info(device, &info) >= 0; ++device) {
        if (info.parent < 0 || vesper->device->info(info.parent, &parent) < 0)
            vesper_format(parent.name, sizeof parent.name, "mainbus0");
        vesper_print(vesper, "%s at %s%s%s: ", info.name, parent.name, info.locator[0] ? " " : "",
                     info.locator);
        if (info.bus == VESPER_BUS_PCI && vesper->device->read_config(device, 8, 1, &revision) >= 0)
            vesper_print(vesper, "%04x:%04x class %06x revision %u, ", info.vendor, info.product,
                         info.class_code, revision);
        if (info.irq) vesper_print(vesper, "irq %u, ", info.irq);
        vesper_print(vesper, "%s%s\n", info.driver[0] ? "driver " : "no driver", info.driver);
        show_resources(vesper, device);
    }
}

/* ---- a driver ---- */

enum { identification = 0x00, factorial = 0x08, status = 0x20, raised = 0x24, acknowledge = 0x64 };
enum { status_busy = 0x01, status_interrupts = 0x80 };  /* at the end of a computation */
enum { command = 4, memory_space = 2, bus_master = 4 }; /* PCI 3.0, 6.2.2 */

struct edu {
    volatile uint32_t* registers;
    volatile uint32_t interrupts;
};

static uint32_t get(const struct edu* edu, uint32_t offset) { return edu->registers[offset / 4]; }
static void set(const struct edu* edu, uint32_t offset, uint32_t value)
{
    edu->registers[offset / 4] = value;
}

/* A hook: no call but emit, keyq and ticks may be made here. */
static int on_interrupt(void* context)
{
    struct edu* edu = (struct edu*)context;
    uint32_t why = get(edu, raised);
    if (!why) return 0; /* another device has the same line */
    set(edu, acknowledge, why);
    edu->interrupts = edu->interrupts + 1;
    return 1;
}

static int compute(const struct vesper* vesper, struct edu* edu, uint32_t number)
{
    uint64_t limit = vesper->time->ticks() + 5000000;
    uint32_t before = edu->interrupts;
    set(edu, status, status_interrupts);
    set(edu, factorial, number);
    while (edu->interrupts == before || get(edu, status) & status_busy) {
        if (vesper->time->ticks() > limit) return VESPER_TIMED_OUT;
        vesper->power->idle();
    }
    vesper_print(vesper, "%u! = %u, %u interrupts\n", number, get(edu, factorial), edu->interrupts);
    return 0;
}

/* A device that is claimed answers and sends messages when that has been switched on. */
static int drive(const struct vesper* vesper, int device)
{
    static struct edu edu;
    struct vesper_resource memory;
    uint32_t value;
    void* window;
    int result = vesper->device->resource(device, 0, &memory);
    if (result >= 0) result = vesper->device->read_config(device, command, 2, &value);
    if (result >= 0)
        result =
            vesper->device->write_config(device, command, 2, value | memory_space | bus_master);
    if (result >= 0)
        result = vesper->memory->map_physical(memory.start, (uint32_t)memory.bytes, VESPER_UNCACHED,
                                              &window);
    if (result < 0) return result;
    edu.registers = (volatile uint32_t*)window;
    vesper_print(vesper, "edu: identification %08x\n", get(&edu, identification));
    int hook = vesper->interrupt->device(device, 0, on_interrupt, &edu);
    if (hook < 0) return hook;
    for (uint32_t number = 3; number <= 12 && result >= 0; number += 3)
        result = compute(vesper, &edu, number);
    vesper->interrupt->unhook(hook);
    return result;
}

int main(struct vesper* vesper)
{
    if (!vesper->args[0]) {
        show_devices(vesper);
        return 0;
    }
    int device = vesper->device->find_pci(-1, 0x1234, 0x11e8);
    int result = device < 0 ? device : vesper->device->claim(device);
    if (result >= 0) {
        result = drive(vesper, device);
        vesper->device->release(device);
    }
    vesper_print(vesper, "edu: %s\n", vesper->debug->error_text(result));
    return result;
}
