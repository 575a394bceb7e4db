// SPDX-License-Identifier: BSD-2-Clause
// The kernel's own memory: first fit over a list of free pieces, joined again when they are freed.
// It begins with some memory of the image, so that it works before the memory map has been read.
#pragma once
#include <cstddef>
#include <cstdint>

namespace heap {

// Null if there is no room. alignment: a power of two. No byte lies above the physical address
// `highest`: some devices reach only 16 MiB.
void* allocate(size_t bytes, size_t alignment = 8, uint32_t highest = ~0u);
void release(void* memory);  // what allocate() gave; null is fine

void add(uint32_t start, size_t bytes);  // more memory, at its address
// Memory is the kernel's: what is added, and what else lies around it, like the boot's symbols.
void note(uint32_t physical, size_t bytes);
bool contains(uint32_t physical);

struct Usage {
    size_t total, used, most_used;
};
Usage usage();

}  // namespace heap
