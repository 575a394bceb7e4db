// SPDX-License-Identifier: BSD-2-Clause
// What the boot loader tells, whichever protocol it speaks, in one form. All of it is copied: the
// loader's memory may be overwritten afterwards.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include "hal/classes.h"
#include "lib/format.h"

struct MemoryRange {
    enum class Type : uint32_t { ram = 1, reserved = 2, acpi = 3, nvs = 4, unusable = 5 };
    uint64_t start = 0, bytes = 0;
    Type type = {};
    uint64_t end() const { return start + bytes; }
};

struct BootInfo {
    const char* protocol = nullptr;  // "Multiboot 2"
    Text<64> loader;                 // the loader's name, if it says
    Text<1024> command_line;

    // In order of addresses, without overlaps: reserved wins over RAM.
    static constexpr size_t max_ranges = 128;
    MemoryRange ranges[max_ranges] = {};
    size_t range_count = 0;

    static constexpr size_t max_modules = 16;
    BootModule modules[max_modules];
    size_t module_count = 0;

    Framebuffer framebuffer;
    bool has_framebuffer = false;
    uint8_t acpi_root[36] = {};  // a copy of the RSDP
    bool has_acpi_root = false;
    uint64_t acpi_root_address = 0;  // of the RSDP itself, where the loader says that

    // From the command line, or from what NetBSD's protocol has for it.
    Text<32> root;            // root=wd0a
    Text<256> kexec;          // kexec=/path, "/kexec" without it
    Text<64> console;         // console=com0
    Text<64> trace;           // trace=wd0,com0; only with `tool trace`
    Text<16> gdb;             // gdb=com1: the line to a debugger
    Text<1024> args;          // words that the kernel does not know, then what follows args=
    Text<256> unknown_words;  // these words, to be reported

    Text<512> problems;  // what was wrong with the loader's information, one line each

    std::span<const MemoryRange> memory() const { return {ranges, range_count}; }
    // The end of the RAM that is contiguous from `start` on; start itself if it is not RAM.
    uint64_t ram_end(uint64_t start) const;
};

// BootInfo's acpi_root_address, for whoever looks at the tables; 0 if the loader does not say.
extern uint64_t loader_acpi_root;

// The loader's memory. at() gives null where there cannot be any: then the information is damaged.
class LoaderMemory {
public:
    virtual const std::byte* at(uint64_t physical, size_t bytes) const = 0;

protected:
    ~LoaderMemory() = default;
};

// The value of eax at entry that says what `address` means.
enum class BootMagic : uint32_t {
    multiboot1 = 0x2BADB002,
    multiboot2 = 0x36D76289,
    pvh = 0x336ec578,
    netbsd = 0,
};

// Never fails: what is missing or damaged is left out and named in `problems`.
void read_boot_info(BootInfo& info, BootMagic magic, uint32_t address, const LoaderMemory& memory);
