// SPDX-License-Identifier: BSD-2-Clause
// read_boot_info() on memory that is all input:
//   byte: the protocol, 0...3 · the rest: memory from 0x1000 on, where the information begins
#include "boot/boot_info.h"
#include "fakes/loader_memory.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size)
{
    if (size < 1) return 0;
    constexpr BootMagic magics[] = {BootMagic::multiboot1, BootMagic::multiboot2, BootMagic::pvh,
                                    BootMagic::netbsd};
    constexpr uint32_t base = 0x1000;
    FakeLoaderMemory memory;
    memory.put(base, {reinterpret_cast<const char*>(data) + 1, size - 1});
    BootInfo info;
    read_boot_info(info, magics[data[0] & 3], base, memory);

    // Whatever it was: ranges in order, apart, of known kinds; modules in memory; a path to load.
    uint64_t end = 0;
    if (info.range_count > BootInfo::max_ranges) abort();
    for (const MemoryRange& range : info.memory()) {
        if (range.start < end || range.bytes == 0 || range.end() < range.start) abort();
        if (range.type < MemoryRange::Type::ram || range.type > MemoryRange::Type::unusable)
            abort();
        end = range.end();
    }
    if (info.module_count > BootInfo::max_modules) abort();
    for (size_t i = 0; i < info.module_count; ++i) {
        const BootModule& module = info.modules[i];
        if (module.start < base || module.start + module.bytes > base + size - 1) abort();
    }
    if (info.kexec.empty()) abort();
    for (std::string_view text : {info.args.view(), info.problems.view(), info.root.view()}) {
        if (text.find('\0') != text.npos) abort();
    }
    return 0;
}
