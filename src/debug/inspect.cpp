// SPDX-License-Identifier: BSD-2-Clause
// `tool inspect`: the commands that look at the hardware and at memory.
#include "debug/tool.h"

namespace {

using namespace monitor;

constexpr std::string_view of_width = "With .w it is 2 bytes, with .l 4; without, 1.";

constexpr Command commands[] = {
    {"devices", "", "devices, disks and partitions", devices,
     "Each is below what it is attached to; dmesg and pci also have those without a driver."},
    {"mem", "", "what memory there is, and whose", mem,
     "The payload's is contiguous; its physical address is 0xc0000000 less."},
    {"peek", "ADDRESS [COUNT]", "memory, as numbers and as text", peek, of_width, true},
    {"poke", "ADDRESS VALUE...", "change memory", poke, of_width, true},
    {"in", "PORT", "read an I/O port", in, of_width, true},
    {"out", "PORT VALUE", "write an I/O port", out, of_width, true},
    {"pci", "[BUS:DEVICE.FUNCTION]", "the PCI functions, or the registers of one", pci,
     "The registers are the 256 bytes of configuration space."},
};

}  // namespace

extern const debug::Tool inspect_tool;
const debug::Tool inspect_tool = {.name = "inspect", .commands = commands};
