// SPDX-License-Identifier: BSD-2-Clause
// Names that have been removed, but may still be on the medium. Who gives one of them again, in
// another place of the directory, has to wait for that: else a power cut could leave it twice.
#pragma once
#include "block/cache.h"

namespace fs {

class RemovedNames {
public:
    explicit RemovedNames(BlockCache& cache) : cache_(cache) {}

    // What stands for a name in a directory: the same for the same name, seldom for others.
    static uint32_t key_of(uint64_t directory, std::string_view name);
    // What has just been written at `place` took the name away. Errors: the device's.
    Result<void> add(uint32_t key, uint64_t place);
    // What is about to be written at `place` has the name. Errors: the device's.
    Result<void> order_before(uint32_t key, uint64_t place);
    void clear() { count_ = 0; }  // all that was written is on the medium

private:
    struct Removed {
        uint64_t place;
        uint32_t key;
    };
    static constexpr size_t most = 512;
    BlockCache& cache_;
    Buffer memory_;  // of those
    size_t count_ = 0;
    Removed* names() { return reinterpret_cast<Removed*>(memory_.data()); }
};

}  // namespace fs
