// SPDX-License-Identifier: BSD-2-Clause
// The address space of docs/memory-map.md. It works from the first instruction on; init() completes
// it.
#pragma once
#include <cstddef>
#include <cstdint>
#include "boot/boot_info.h"
#include "hal/window.h"

inline uint32_t address_of(const void* p)
{
    return static_cast<uint32_t>(reinterpret_cast<uintptr_t>(p));
}

namespace paging {

constexpr uint32_t high_map = 0xC0000000;       // the first 512 MiB of RAM again
constexpr uint32_t windows = 0xE0000000;        // map()
constexpr uint32_t high_devices = 0xF0000000;   // physical as it is
constexpr uint32_t high_map_bytes = 512 << 20;  // from high_map on

// Page 0 becomes read-only, the guard pages of the stacks go, what is not RAM becomes uncached.
void init(const BootInfo& info);

// Makes physical memory visible, where it is already or through a window; never undone.
// Errors: unsupported (beyond 4 GiB), invalid (no bytes), no_memory.
Result<void*> map(uint64_t physical, size_t bytes, hal::Caching caching);

uint32_t window_bytes_left();  // for map()

// Fills in the map for addresses that must never fault: the kernel's heap. Errors: no_memory.
Result<void> fill_all(uint32_t start, size_t bytes);

// Called for a page fault: true if the page belongs to the map and has now been filled in.
bool fill(uint32_t address);

// Whether these bytes can be read without a fault.
bool readable(uint32_t address, size_t bytes);

// Whether they can be written, too.
bool writable(uint32_t address, size_t bytes);

// Where an address of ours is in physical memory. False: nowhere.
bool physical_of(uint32_t address, uint32_t& physical);

// Whether the loader says so.
bool is_ram(uint32_t physical);

// The device whose driver has a window over this physical address ("vga0"), or null.
const char* device_at(uint32_t physical);

}  // namespace paging
