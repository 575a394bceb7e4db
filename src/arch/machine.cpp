// SPDX-License-Identifier: BSD-2-Clause
#include "arch/machine.h"
#include <algorithm>
#include "arch/cpu.h"
#include "arch/heap.h"
#include "arch/paging.h"
#include "arch/trap.h"
#include "debug/symbol_table.h"
#include "hal/log.h"
#include "hal/pci.h"
#include "vesper.h"

extern "C" uint8_t kernel_end[], kernel_symbols[];

namespace machine {

namespace {

constexpr uint32_t kexec_physical = VESPER_KEXECADDR - paging::high_map;
constexpr uint64_t identity_limit = paging::high_map;  // RAM above is not reached
constinit uint32_t end_of_arena = VESPER_KEXECADDR;

// What modules and heap leave the payload at least.
constexpr uint64_t least_arena = 65536;

bool overlaps(const BootModule& module, uint64_t start, uint64_t end)
{
    return module.bytes && module.start < end && module.start + module.bytes > start;
}

// The highest place that ends here or below, and where no module lies; 0: there is none.
uint64_t room_below(uint64_t end, uint64_t bytes, const BootInfo& info)
{
    for (size_t i = 0; i < info.module_count && end >= bytes;) {
        const BootModule& module = info.modules[i++];
        if (!overlaps(module, end - bytes, end)) continue;
        end = module.start & ~0xfffull;
        i = 0;
    }
    return end < bytes ? 0 : end - bytes;
}

// The kernel's heap is at the top of the highest RAM that has room for it: 1/16 of RAM, 1...64 MiB.
// One of 4 MiB or more begins at a whole MiB: where RAM is 256 MiB, SeaBIOS has run code right
// below, and QEMU takes half a microsecond for each store to a page from which code ran.
Result<uint32_t> place_heap(const BootInfo& info, uint64_t& bytes)
{
    uint64_t ram = 0;
    for (const MemoryRange& range : info.memory()) {
        if (range.type == MemoryRange::Type::ram && range.start < identity_limit)
            ram += std::min(range.end(), identity_limit) - range.start;
    }
    // Without 4 MiB pages the heap must be mapped before it can give memory for page tables.
    uint64_t most = cpu::features.pse ? 64 << 20 : 8 << 20;
    bytes = std::clamp<uint64_t>(ram / 16, 1 << 20, most) & ~0xfffull;
    uint64_t best = 0;
    for (const MemoryRange& range : info.memory()) {
        if (range.type != MemoryRange::Type::ram) continue;
        uint64_t end = std::min(range.end(), identity_limit) & ~0xfffull;
        uint64_t start = room_below(end, bytes, info);
        if (start >= std::max<uint64_t>(range.start, kexec_physical + least_arena))
            best = std::max(best, start);
    }
    if (!best) return Error::no_memory;
    constexpr uint64_t mib = 1 << 20;
    if (bytes >= 4 * mib) {
        uint64_t spared = -best % mib;
        best += spared;
        bytes -= spared;
    }
    return static_cast<uint32_t>(best);
}

// Modules that lie where the payload will be go to the end of that, which is then the payload's
// end: where that is. The highest goes first, so that none lands on another.
uint64_t move_modules(BootInfo& info, uint64_t arena_end)
{
    for (;;) {
        BootModule* highest = nullptr;
        for (size_t i = 0; i < info.module_count; ++i) {
            BootModule& module = info.modules[i];
            if (overlaps(module, kexec_physical, arena_end) &&
                (!highest || module.start > highest->start))
                highest = &module;
        }
        if (!highest) return arena_end;
        BootModule& module = *highest;
        uint64_t to = module.start;  // where it stays if it goes on behind the arena
        if (to + module.bytes <= arena_end)
            to = std::max(to, (arena_end - module.bytes) & ~0xfffull);
        if (to < kexec_physical + least_arena) {
            hal::log("module {}: no room for its {} bytes: lost", module.name.view(), module.bytes);
            module.bytes = 0;
            continue;
        }
        __builtin_memmove(reinterpret_cast<void*>(static_cast<uintptr_t>(to)),
                          reinterpret_cast<const void*>(static_cast<uintptr_t>(module.start)),
                          static_cast<size_t>(module.bytes));
        module.start = to;
        arena_end = module.start & ~0xfffull;
    }
}

// This memory shrinks from below to leave alone what a loader has put there.
uint64_t keep_modules(const BootInfo& info, uint64_t start, uint64_t end)
{
    for (size_t i = 0; i < info.module_count; ++i) {
        const BootModule& module = info.modules[i];
        if (overlaps(module, start, end))
            start = std::min(end, (module.start + module.bytes + 4095) & ~4095ull);
    }
    return start;
}

// Between kernel and payload: what devices of the ISA bus can reach. Behind the kernel are its
// symbols, and before the payload the page of src/debug/crash_record.cpp.
void add_low_memory(const BootInfo& info)
{
    auto image_end = address_of(kernel_end);
    image_end += debug::table_bytes(kernel_symbols);
    constexpr uint32_t end = kexec_physical - 4096;
    uint64_t start = keep_modules(info, image_end - paging::high_map, end);
    if (start < end) heap::add(static_cast<uint32_t>(start), static_cast<size_t>(end - start));
}

}  // namespace

Result<void> init(BootInfo& info)
{
    uint64_t heap_bytes;
    auto heap_start = place_heap(info, heap_bytes);
    if (!heap_start)
        return hal::fail(Error::no_memory,
                         info.module_count ? "the loader's modules leave the kernel no memory"
                                           : "too little memory: at least 8 MiB of RAM are needed");
    uint32_t heap_at = heap_start.value();
    uint64_t arena = std::min<uint64_t>(info.ram_end(kexec_physical), paging::high_map_bytes);
    if (heap_at > kexec_physical) arena = std::min<uint64_t>(arena, heap_at);
    if (!paging::fill_all(heap_at, static_cast<size_t>(heap_bytes)))
        return hal::fail(Error::no_memory, "too little memory for the page tables");
    heap::note(static_cast<uint32_t>(heap_at), static_cast<size_t>(heap_bytes));
    heap::add(heap_at, static_cast<size_t>(heap_bytes));
    paging::init(info);
    arena = move_modules(info, arena & ~0xfffull);
    add_low_memory(info);  // some of which a module may have left
    end_of_arena = static_cast<uint32_t>(arena) + paging::high_map;
    payload_range = {VESPER_KEXECADDR, VESPER_KEXECADDR, end_of_arena};
    pic::init();
    clock::init();
    cpu::enable_interrupts();
    return {};
}

void reclaim_interrupts()
{
    interrupt_depth = 0;
    pic::remask();
    if (config_has_pci) apic::restart();
}

void reclaim()
{
    cpu::disable_interrupts();
    api_depth = 0;
    break_wanted = 0;
    if (!cpu::own_tables()) cpu::load_own_tables();
    asm volatile("clts");
    reclaim_interrupts();
    clock::restart();
    cpu::enable_interrupts();
}

uint32_t arena_end() { return end_of_arena; }

}  // namespace machine
