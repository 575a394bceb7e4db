// SPDX-License-Identifier: BSD-2-Clause
#include "fs/name_index.h"
#include <algorithm>
#include <bit>
#include "lib/heap.h"

namespace fs {

bool NameIndex::make(size_t names)
{
    auto count = static_cast<uint32_t>(std::bit_ceil(names + names / 4 + 64));
    KernelMemory memory = kernel_memory();
    size_t bytes = count * sizeof(uint32_t);
    if (bytes > memory.total / 4 || bytes > memory.free / 2) return false;
    auto slots = new (std::nothrow) uint32_t[count];
    if (!slots) return false;
    delete[] std::exchange(slots_, slots);
    count_ = count;
    used_ = 0;
    std::fill_n(slots_, count_, empty);
    return true;
}

uint32_t NameIndex::find(uint32_t hash, uint32_t& cursor) const
{
    while (cursor < count_) {
        uint32_t slot = slots_[(hash + cursor++) & (count_ - 1)];
        if (slot == empty) break;
        if (slot != removed && ((slot ^ hash) & ~none) == 0) return slot & none;
    }
    return none;
}

bool NameIndex::add(uint32_t hash, uint32_t place)
{
    if (used_ >= count_ / 8 * 7 || place >= none) return false;
    uint32_t at = hash;
    while (slots_[at & (count_ - 1)] != empty) ++at;
    slots_[at & (count_ - 1)] = slot_for(hash, place);
    ++used_;
    return true;
}

void NameIndex::remove(uint32_t hash, uint32_t place)
{
    for (uint32_t n = 0; n < count_; ++n) {
        uint32_t& slot = slots_[(hash + n) & (count_ - 1)];
        if (slot == empty) return;
        if (slot != slot_for(hash, place)) continue;
        slot = removed;
        return;
    }
}

}  // namespace fs
