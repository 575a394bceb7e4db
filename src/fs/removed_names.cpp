// SPDX-License-Identifier: BSD-2-Clause
#include "fs/removed_names.h"

namespace fs {

uint32_t RemovedNames::key_of(uint64_t directory, std::string_view name)  // FNV-1a
{
    uint32_t hash = 0x811c9dc5 ^ static_cast<uint32_t>(directory);
    for (char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 0x01000193;
    return hash;
}

Result<void> RemovedNames::add(uint32_t key, uint64_t place)
{
    if (memory_.size() == 0) {
        if (auto made = Buffer::of(most * sizeof(Removed))) memory_ = std::move(made).value();
    }
    if (memory_.size() == 0 || count_ == most) {
        count_ = 0;
        return cache_.sync();
    }
    names()[count_++] = {place, key};
    return {};
}

Result<void> RemovedNames::order_before(uint32_t key, uint64_t place)
{
    for (size_t i = 0; i < count_; ++i) {
        if (names()[i].key == key) TRY(cache_.order(names()[i].place, place));
    }
    return {};
}

}  // namespace fs
