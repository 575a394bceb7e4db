// SPDX-License-Identifier: BSD-2-Clause
#include "arch/heap.h"
#include <algorithm>
#include <cstring>
#include <new>
#include "arch/paging.h"
#include "hal/dma.h"
#include "hal/log.h"
#include "lib/heap.h"

namespace heap {

namespace {

struct Piece {  // a free piece; they are in order of their addresses
    size_t bytes;
    Piece* next;
};
struct Header {    // in front of what has been handed out
    size_t bytes;  // of the whole piece, from `start` on
    uint32_t start;
};
static_assert(sizeof(Header) == 8 && sizeof(Piece) == 8);

constinit Piece* first_free = nullptr;
constinit Usage counters = {};
alignas(4096) constinit uint8_t early_memory[48 << 10];
constinit bool started = false;

struct Range {
    uint32_t start, bytes;
};
constinit Range ranges[32] = {};  // as note() was told
constinit size_t range_count = 0;

// What ISA's DMA reaches is left to those who need that, as long as there is other memory.
constexpr uint32_t scarce = 16 << 20;

uint32_t physical(uint32_t address)
{
    return address < paging::high_map ? address : address - paging::high_map;
}

void insert(uint32_t start, size_t bytes)
{
    Piece** link = &first_free;
    while (*link && address_of(*link) < start) link = &(*link)->next;
    auto piece = reinterpret_cast<Piece*>(start);
    *piece = {bytes, *link};
    if (piece->next && start + bytes == address_of(piece->next)) {
        piece->bytes += piece->next->bytes;
        piece->next = piece->next->next;
    }
    *link = piece;
    if (link == &first_free) return;
    auto before = reinterpret_cast<Piece*>(address_of(link) - offsetof(Piece, next));
    if (address_of(before) + before->bytes == start) {
        before->bytes += piece->bytes;
        before->next = piece->next;
    }
}

}  // namespace

void add(uint32_t start, size_t bytes)
{
    uint32_t first = (start + 7) & ~7u;
    bytes = (bytes - (first - start)) & ~7u;
    note(physical(first), bytes);
    counters.total += bytes;
    insert(first, bytes);
}

void note(uint32_t start, size_t bytes)
{
    if (range_count < std::size(ranges)) ranges[range_count++] = {start, bytes};
}

bool contains(uint32_t physical)
{
    return std::any_of(ranges, ranges + range_count, [=](const Range& range) {
        return physical >= range.start && physical - range.start < range.bytes;
    });
}

// The first free piece from `lowest` to `highest` that has room.
static void* take(size_t bytes, size_t alignment, uint32_t lowest, uint32_t highest)
{
    for (Piece** link = &first_free; *link; link = &(*link)->next) {
        Piece* piece = *link;
        uint32_t start = address_of(piece);
        uint32_t data = (start + sizeof(Header) + alignment - 1) & ~(alignment - 1);
        size_t needed = data - start + bytes;
        uint32_t last = physical(data) + bytes - 1;
        if (needed > piece->bytes || physical(start) < lowest || last > highest) continue;
        Piece* next = piece->next;
        size_t left = piece->bytes - needed;
        if (left >= 32) {
            auto rest = reinterpret_cast<Piece*>(start + needed);
            *rest = {left, next};
            *link = rest;
        } else {
            needed += left;
            *link = next;
        }
        *reinterpret_cast<Header*>(data - sizeof(Header)) = {needed, start};
        counters.used += needed;
        counters.most_used = std::max(counters.most_used, counters.used);
        return reinterpret_cast<void*>(data);
    }
    return nullptr;
}

void* allocate(size_t bytes, size_t alignment, uint32_t highest)
{
    if (!started) {
        started = true;
        add(address_of(early_memory), sizeof early_memory);
    }
    if (bytes > 0x40000000) return nullptr;
    bytes = (bytes + 7) & ~7u;
    void* memory = take(bytes, alignment, scarce, highest);
    return memory ? memory : take(bytes, alignment, 0, highest);
}

void release(void* memory)
{
    if (!memory) return;
    Header header = *reinterpret_cast<Header*>(address_of(memory) - sizeof(Header));
    counters.used -= header.bytes;
    insert(header.start, header.bytes);
}

Usage usage() { return counters; }

}  // namespace heap

KernelMemory kernel_memory()
{
    return {heap::counters.total, heap::counters.total - heap::counters.used};
}

void* operator new(size_t bytes, const std::nothrow_t&) noexcept { return heap::allocate(bytes); }
void* operator new[](size_t bytes, const std::nothrow_t&) noexcept { return heap::allocate(bytes); }
void operator delete(void* p) noexcept { heap::release(p); }
void operator delete[](void* p) noexcept { heap::release(p); }
void operator delete(void* p, size_t) noexcept { heap::release(p); }
void operator delete[](void* p, size_t) noexcept { heap::release(p); }

namespace hal {

Result<DmaMemory> allocate_dma(size_t bytes, size_t alignment, size_t boundary, uint32_t highest)
{
    // Aligned to a power of two that it fits into, it crosses no boundary of at least that size.
    size_t needed = std::max<size_t>(alignment, 8);
    while (boundary && needed < bytes) needed *= 2;
    if (boundary && needed > boundary) return Error::invalid;
    void* data = heap::allocate(bytes, needed, highest);
    uint32_t address = 0;
    if (!data || !paging::physical_of(address_of(data), address)) return Error::no_memory;
    memset(data, 0, bytes);
    return DmaMemory{static_cast<std::byte*>(data), address, bytes};
}

// Physical memory is contiguous within each of the two views of it; windows show device memory.
DmaRun dma_run(const void* data, size_t limit)
{
    auto address = address_of(data);
    if (address < paging::high_map)
        return {address, std::min<size_t>(limit, paging::high_map - address)};
    if (address < paging::windows)
        return {address - paging::high_map, std::min<size_t>(limit, paging::windows - address)};
    return {0, 0};
}

}  // namespace hal
