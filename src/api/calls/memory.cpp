// SPDX-License-Identifier: BSD-2-Clause
// Memory: what there is.
#include "api/call.h"
#include "arch/paging.h"

int api_memory_map(uint32_t index, vesper_range* range)
{
    if (index >= api::boot_info->range_count) return VESPER_NOT_FOUND;
    const MemoryRange& r = api::boot_info->ranges[index];
    *range = {r.start, r.bytes, static_cast<uint32_t>(r.type), 0};
    return 0;
}

int api_memory_map_physical(uint64_t physical, uint32_t bytes, uint32_t caching, void** address)
{
    if (caching > VESPER_WRITE_COMBINING) return VESPER_INVALID;
    auto mapped = paging::map(physical, bytes, static_cast<hal::Caching>(caching));
    if (mapped) *address = mapped.value();
    return code(mapped.error());
}

int api_memory_module(uint32_t index, void** start, uint32_t* bytes, const char** name)
{
    if (index >= api::boot_info->module_count) return VESPER_NOT_FOUND;
    const BootModule& module = api::boot_info->modules[index];
    *start = reinterpret_cast<void*>(static_cast<uintptr_t>(module.start));
    *bytes = static_cast<uint32_t>(module.bytes);
    *name = module.name.c_str();
    return 0;
}
