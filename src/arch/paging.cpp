// SPDX-License-Identifier: BSD-2-Clause
// Page tables, Intel SDM volume 3, 4.3: 4 MiB pages where the CPU has them (entry.S has filled the
// directory), else tables of 4 KiB pages, filled at boot for RAM and on first touch for everything
// else.
#include "arch/paging.h"
#include <algorithm>
#include "arch/cpu.h"
#include "arch/heap.h"
#include "hal/log.h"

extern "C" uint32_t page_directory[1024];
extern "C" uint8_t boot_stack_guard[], payload_stack_guard[];

namespace paging {

namespace {

enum Flags : uint32_t {
    present = 1,
    can_write = 2,
    write_through = 8,  // with the PAT below: write-combining
    cache_disable = 16,
    large = 0x80,
};
constexpr uint32_t page_bytes = 4096, large_bytes = 4 << 20, entries = 1024;
constexpr uint32_t address_mask = 0xfffff000;
constexpr uint32_t pat_msr = 0x277;
// PAT entries 0...3 (SDM 3, 11.12): write-back, write-combining, uncached, uncached.
constexpr uint32_t pat_low = 0x00000106;

alignas(page_bytes) constinit uint32_t low_table[entries];  // the first 4 MiB, twice
constinit uint32_t next_window = windows;

uint32_t* table_of(uint32_t directory_entry)
{
    return reinterpret_cast<uint32_t*>(directory_entry & address_mask);  // the identity map
}

bool is_window(uint32_t address) { return address >= windows && address < high_devices; }

// What the map says about an address: physical as it is, but for the second view of RAM.
uint32_t mapped_to(uint32_t address)
{
    return address >= high_map && address < windows ? address - high_map : address;
}

const BootInfo* info_of_ram = nullptr;

bool holds_ram(const MemoryRange& range)
{
    return range.type == MemoryRange::Type::ram || range.type == MemoryRange::Type::acpi;
}

bool has_ram(uint32_t start, uint64_t bytes)
{
    if (!info_of_ram) return true;
    for (const MemoryRange& range : info_of_ram->memory()) {
        if (holds_ram(range) && range.start < start + bytes && start < range.end()) return true;
    }
    return false;
}

// The windows of drivers, for whoever has to explain an address.
struct DeviceMemory {
    uint32_t start, last;
    Text<16> owner;  // a copy: a device that is no device after all does not stay
};
constinit DeviceMemory device_memory[32] = {};
constinit size_t device_memory_count = 0;

uint32_t caching_flags(hal::Caching caching)
{
    switch (caching) {
    case hal::Caching::cached: return 0;
    case hal::Caching::write_combining:
        return cpu::features.pat && cpu::features.msr ? write_through
                                                      : write_through | cache_disable;
    case hal::Caching::uncached: break;
    }
    return write_through | cache_disable;
}

uint32_t flags_for(uint32_t physical, uint64_t bytes)
{
    bool ram = physical < high_map && has_ram(physical, bytes);
    return present | can_write | (ram ? 0 : caching_flags(hal::Caching::uncached));
}

// One table of 4 KiB pages for 4 MiB of the map. RAM's tables serve both views of it.
bool fill_directory_entry(unsigned index)
{
    uint32_t physical = mapped_to(index * large_bytes);
    auto table = static_cast<uint32_t*>(heap::allocate(page_bytes, page_bytes));
    if (!table) return false;
    uint32_t flags = flags_for(physical, large_bytes);
    for (uint32_t i = 0; i < entries; ++i) table[i] = (physical + i * page_bytes) | flags;
    uint32_t table_at = 0;
    if (!physical_of(address_of(table), table_at)) return false;
    page_directory[index] = table_at | present | can_write;
    unsigned twin = physical / large_bytes;
    if (physical < high_map_bytes) {
        page_directory[twin] = page_directory[index];
        page_directory[twin + high_map / large_bytes] = page_directory[index];
    }
    return true;
}

// Everything is uncached but the 4 MiB that hold some RAM.
void map_large_pages(const BootInfo& info)
{
    constexpr uint32_t base = present | can_write | large;
    for (unsigned i = 0; i < entries; ++i) {
        uint32_t address = i * large_bytes;
        if (!is_window(address))
            page_directory[i] = mapped_to(address) | base | caching_flags(hal::Caching::uncached);
    }
    for (const MemoryRange& range : info.memory()) {
        if (!holds_ram(range)) continue;
        uint64_t end = std::min<uint64_t>(range.end(), high_map);
        for (uint64_t a = range.start / large_bytes * large_bytes; a < end; a += large_bytes) {
            auto address = static_cast<uint32_t>(a);
            page_directory[address / large_bytes] = address | base;
            if (address < high_map_bytes)
                page_directory[(address + high_map) / large_bytes] = address | base;
        }
    }
}

void protect_low_memory()
{
    for (uint32_t i = 0; i < entries; ++i) {
        bool video = i >= 0xa0 && i < 0xc0;
        low_table[i] = i * page_bytes | present | can_write |
                       (video ? caching_flags(hal::Caching::uncached) : 0);
    }
    low_table[0] = present;  // the BIOS data can be read; a write through a null pointer is a fault
    for (const uint8_t* guard : {boot_stack_guard, payload_stack_guard}) {
        uint32_t page = address_of(guard) - high_map;
        low_table[page / page_bytes] = 0;
    }
    uint32_t table = address_of(low_table) - high_map;
    page_directory[0] = page_directory[high_map / large_bytes] = table | present | can_write;
}

}  // namespace

void init(const BootInfo& info)
{
    info_of_ram = &info;
    if (cpu::features.pat && cpu::features.msr) {
        uint64_t high_half = cpu::read_msr(pat_msr) >> 32 << 32;
        cpu::write_msr(pat_msr, high_half | pat_low);
    }
    if (cpu::features.pse) {
        map_large_pages(info);
    } else {
        // A payload may put its stack anywhere in its arena, and a stack cannot be filled on first
        // touch.
        uint64_t top = std::min<uint64_t>(info.ram_end(0x100000), high_map_bytes);
        for (unsigned i = 4; i * static_cast<uint64_t>(large_bytes) < top; ++i) {
            if (!fill_directory_entry(i)) break;
        }
    }
    protect_low_memory();
    cpu::flush_tlb();
}

Result<void*> map(uint64_t physical, size_t bytes, hal::Caching caching)
{
    if (bytes == 0) return Error::invalid;
    if (physical + bytes > 1ull << 32 || physical + bytes < physical) return Error::unsupported;
    auto first = static_cast<uint32_t>(physical);
    bool seen = first + (bytes - 1) < high_map || first >= high_devices;
    bool cached = first < high_map && has_ram(first & ~(large_bytes - 1), large_bytes);
    bool fits = caching == hal::Caching::write_combining
                    ? false
                    : (caching == hal::Caching::cached) == cached;
    if (first + (bytes - 1) < 1 << 20 && caching != hal::Caching::write_combining) fits = true;
    if (seen && fits) return reinterpret_cast<void*>(first);

    uint32_t start = next_window;
    uint64_t whole = uint64_t{first % page_bytes} + bytes + page_bytes - 1;
    auto pages = static_cast<uint32_t>(whole / page_bytes);
    if (pages > (high_devices - start) / page_bytes) return Error::no_memory;
    for (uint32_t i = 0; i < pages; ++i) {
        uint32_t address = start + i * page_bytes;
        uint32_t& entry = page_directory[address / large_bytes];
        if (!(entry & present)) {
            void* table = heap::allocate(page_bytes, page_bytes);
            uint32_t table_at = 0;
            if (!table || !physical_of(address_of(table), table_at)) return Error::no_memory;
            std::fill_n(static_cast<uint32_t*>(table), entries, 0);
            entry = table_at | present | can_write;
        }
        table_of(entry)[address / page_bytes % entries] =
            ((first & address_mask) + i * page_bytes) | present | can_write |
            caching_flags(caching);
    }
    next_window = start + pages * page_bytes;
    return reinterpret_cast<void*>(start + first % page_bytes);
}

uint32_t window_bytes_left() { return high_devices - next_window; }

Result<void> fill_all(uint32_t start, size_t bytes)
{
    for (uint64_t a = start / large_bytes * large_bytes; a < start + static_cast<uint64_t>(bytes);
         a += large_bytes) {
        auto address = static_cast<uint32_t>(a);
        if (!(page_directory[address / large_bytes] & present) && !fill(address))
            return Error::no_memory;
    }
    return {};
}

bool fill(uint32_t address)
{
    unsigned index = address / large_bytes;
    if (cpu::features.pse || is_window(address) || page_directory[index] & present) return false;
    return fill_directory_entry(index);
}

bool readable(uint32_t address, size_t bytes)
{
    for (uint64_t a = address & address_mask; a < static_cast<uint64_t>(address) + bytes;
         a += page_bytes) {
        if (a >> 32) return false;
        uint32_t physical, page = static_cast<uint32_t>(a);
        if (!physical_of(page, physical) && !fill(page)) return false;
    }
    return true;
}

bool writable(uint32_t address, size_t bytes)
{
    if (!readable(address, bytes)) return false;
    for (uint64_t a = address & address_mask; a < static_cast<uint64_t>(address) + bytes;
         a += page_bytes) {
        auto page = static_cast<uint32_t>(a);
        uint32_t entry = page_directory[page / large_bytes];
        if (!(entry & large)) entry &= table_of(entry)[page / page_bytes % entries];
        if (!(entry & can_write)) return false;
    }
    return true;
}

bool physical_of(uint32_t address, uint32_t& physical)
{
    uint32_t entry = page_directory[address / large_bytes];
    if (!(entry & present)) return false;
    if (entry & large) {
        physical = (entry & ~(large_bytes - 1)) + address % large_bytes;
        return true;
    }
    uint32_t page = table_of(entry)[address / page_bytes % entries];
    if (!(page & present)) return false;
    physical = (page & address_mask) + address % page_bytes;
    return true;
}

bool is_ram(uint32_t physical) { return has_ram(physical, 1); }

const char* device_at(uint32_t physical)
{
    for (size_t i = device_memory_count; i-- > 0;) {
        const DeviceMemory& memory = device_memory[i];
        if (physical >= memory.start && physical <= memory.last) return memory.owner.c_str();
    }
    return nullptr;
}

static void note_owner(uint32_t start, size_t bytes, const char* owner)
{
    if (device_memory_count == std::size(device_memory)) return;
    DeviceMemory& memory = device_memory[device_memory_count++];
    memory.start = start;
    memory.last = start + (bytes - 1);
    memory.owner.append(owner);
}

}  // namespace paging

namespace hal {

Result<Window> memory_window(uint64_t physical, size_t bytes, const char* owner, Caching caching)
{
    void* base = TRY(paging::map(physical, bytes, caching));
    paging::note_owner(static_cast<uint32_t>(physical), bytes, owner);
    Window window;
    window.kind = Window::Kind::memory;
    window.base = reinterpret_cast<uintptr_t>(base);
    window.owner = owner;
    return window;
}

}  // namespace hal
