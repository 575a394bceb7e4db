// SPDX-License-Identifier: BSD-2-Clause
// Memory that a device reads and writes by itself. PCs keep it coherent with the caches.
#pragma once
#include <cstddef>
#include <cstdint>
#include "hal/result.h"

namespace hal {

struct DmaMemory {
    std::byte* data = nullptr;  // physically contiguous, zeroed
    std::uint32_t address = 0;  // as the device sees it
    std::size_t bytes = 0;
};

// Never freed: a driver allocates its rings and tables once. `alignment` is a power of two; the
// memory does not cross a multiple of `boundary` unless that is 0, nor has it a byte beyond
// `highest`. Errors: no_memory.
Result<DmaMemory> allocate_dma(std::size_t bytes, std::size_t alignment, std::size_t boundary = 0,
                               std::uint32_t highest = ~0u);

// How many bytes from `data` on, up to `limit`, are physically contiguous, and where the device
// finds them. bytes is 0 if the device cannot reach them: then the caller copies through its own
// memory.
struct DmaRun {
    std::uint32_t address;
    std::size_t bytes;
};
DmaRun dma_run(const void* data, std::size_t limit);

// What drivers have copied through memory of their own because their device cannot reach the
// caller's; for the statistics.
inline constinit std::uint64_t bytes_bounced = 0;

}  // namespace hal
