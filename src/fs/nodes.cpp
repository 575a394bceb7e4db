// SPDX-License-Identifier: BSD-2-Clause
#include "fs/nodes.h"
#include <algorithm>
#include "fs/fs.h"
#include "lib/heap.h"

namespace fs {

namespace {

constexpr size_t share = 16;        // of the kernel's memory, for the nodes of one volume
constexpr size_t small_share = 64;  // that many volumes can have
constexpr size_t usual_bytes = 256, fewest = 32;

}  // namespace

Nodes::~Nodes()
{
    clear();
    if (table_ != few_) delete[] table_;
}

void Nodes::clear()
{
    while (CachedNode* node = oldest()) {
        remove(*node);
        delete node;
    }
}

CachedNode*& Nodes::bucket(uint64_t id) const
{
    uint32_t mixed = static_cast<uint32_t>(id ^ id >> 32) * 0x9e3779b1;
    return table_[mixed >> 8 & (buckets_ - 1)];
}

CachedNode* Nodes::find(uint64_t id)
{
    CachedNode* node = bucket(id);
    while (node && node->id != id) node = node->next_;
    if (node) used_.use(*node);
    return node;
}

void Nodes::put(CachedNode& node)
{
    CachedNode*& first = bucket(node.id);
    node.next_ = first;
    first = &node;
}

void Nodes::add(CachedNode& node)
{
    if (++count_ > buckets_) grow();
    put(node);
    used_.add(node);
}

void Nodes::remove(CachedNode& node)
{
    CachedNode** link = &bucket(node.id);
    while (*link != &node) link = &(*link)->next_;
    *link = node.next_;
    --count_;
    used_.remove(node);
}

// Where there is no memory for that, chains become longer.
void Nodes::grow()
{
    size_t count = buckets_ * 4;
    auto larger = new (std::nothrow) CachedNode* [count] {};
    if (!larger) return;
    if (table_ != few_) delete[] table_;
    table_ = larger;
    buckets_ = count;
    for (CachedNode* node = oldest(); node; node = node->newer) put(*node);
}

size_t Nodes::most() const
{
    if (limit_ != no_limit) return limit_;
    KernelMemory memory = kernel_memory();
    bool is_short = memory.free < memory.total / 4;
    return std::max(memory.total / (is_short ? small_share : share) / usual_bytes, fewest);
}

bool Nodes::give_up()
{
    size_t limit = most();
    CachedNode* next = oldest();
    for (size_t left = count_; left && count_ > limit; --left) {
        CachedNode& node = *next;
        next = node.newer;  // only this one goes away
        if (node.is_open() || node.is_needed()) {
            used_.use(node);  // and not looked at again soon
        } else {
            node.given_up();
            remove(node);
            delete &node;
        }
    }
    return count_ <= limit;
}

}  // namespace fs
