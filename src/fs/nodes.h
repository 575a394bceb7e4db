// SPDX-License-Identifier: BSD-2-Clause
// The nodes of a volume that are in memory: by id, and in the order in which they were used.
//
// They are a cache: what they know is on the medium, or in the block cache. When they take more
// than their share of the kernel's memory, those that were used the longest time ago are given up,
// but for those that somebody has open, or that know more than the medium does.
#pragma once
#include <cstddef>
#include <cstdint>
#include "lib/by_age.h"

namespace fs {

class CachedNode;

class Nodes {
public:
    Nodes() = default;
    Nodes(const Nodes&) = delete;
    ~Nodes();

    CachedNode* find(uint64_t id);  // null if it is not there
    void add(CachedNode& node);     // whose owner this is from now on
    void remove(CachedNode& node);  // does not delete it
    void clear();                   // deletes all of them
    CachedNode* oldest() const { return used_.oldest(); }

    // Between two operations, when nobody has a pointer to a node that is not open. False: there
    // are still too many, which have to be written first.
    bool give_up();
    void set_limit(size_t most) { limit_ = most; }  // instead of a share of the memory

private:
    static constexpr size_t no_limit = ~size_t{0}, first_buckets = 16;

    size_t most() const;
    CachedNode*& bucket(uint64_t id) const;
    void put(CachedNode& node);
    void grow();

    CachedNode* few_[first_buckets] = {};
    CachedNode** table_ = few_;  // a power of two of chains
    size_t buckets_ = first_buckets, count_ = 0, limit_ = no_limit;
    ByAge<CachedNode> used_;
};

}  // namespace fs
