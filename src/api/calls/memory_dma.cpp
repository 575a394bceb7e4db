// SPDX-License-Identifier: BSD-2-Clause
// Memory that devices can reach.
#include <algorithm>
#include "api/arguments.h"
#include "api/call.h"
#include "arch/heap.h"
#include "arch/paging.h"

namespace {

// What allocate() has given.
constinit void* given[128] = {};
constinit uint32_t given_bytes[std::size(given)] = {};

bool was_given(uint32_t start, uint32_t bytes)
{
    for (size_t i = 0; i < std::size(given); ++i) {
        uint32_t offset = start - address_of(given[i]);
        if (given[i] && offset < given_bytes[i] && bytes <= given_bytes[i] - offset) return true;
    }
    return false;
}

void release_all()
{
    for (void*& memory : given) {
        heap::release(memory);
        memory = nullptr;
    }
}

void** find_given(const void* memory)
{
    auto found = std::find(std::begin(given), std::end(given), memory);
    return found == std::end(given) ? nullptr : found;
}

}  // namespace

int api_memory_allocate(uint32_t bytes, uint32_t alignment, uint32_t highest, void** address)
{
    if (alignment == 0) alignment = 16;
    if (bytes == 0 || (alignment & (alignment - 1)) || alignment > 1 << 20) return VESPER_INVALID;
    void** place = find_given(nullptr);
    if (!place) return VESPER_NO_MEMORY;
    void* memory = heap::allocate(bytes, std::max<uint32_t>(alignment, 16), highest);
    if (!memory) return VESPER_NO_MEMORY;
    memset(memory, 0, bytes);
    api::at_end(release_all);
    *place = memory;
    given_bytes[place - given] = bytes;
    api::was_given = was_given;
    *address = memory;
    return 0;
}

int api_memory_release(void* address)
{
    void** place = address ? find_given(address) : nullptr;
    if (!place) return VESPER_INVALID;
    heap::release(address);
    *place = nullptr;
    return 0;
}

int api_memory_physical(const void* address, uint64_t* physical)
{
    uint32_t at = 0;
    auto virtual_address = address_of(address);
    if (!paging::readable(virtual_address, 1) || !paging::physical_of(virtual_address, at))
        return VESPER_NOT_FOUND;
    *physical = at;
    return 0;
}

int api_memory_address(uint64_t physical, void** address)
{
    auto seen = static_cast<uint32_t>(physical);
    if (physical >> 32 || (seen >= paging::high_map && seen < paging::high_devices))
        return VESPER_NOT_FOUND;
    *address = reinterpret_cast<void*>(seen);
    return 0;
}

int api_memory_usage(vesper_memory_usage* usage)
{
    heap::Usage heap = heap::usage();
    *usage = {heap.total, heap.used, heap.most_used, paging::window_bytes_left()};
    return 0;
}
