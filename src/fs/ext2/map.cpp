// SPDX-License-Identifier: BSD-2-Clause
// ext2: which block of the device is which of a file: pointers, and what maps have in common.
// Extents are in extents.cpp.
#include "fs/ext2/ext2.h"

namespace ext {

static constexpr size_t some_pointers = 256;

Result<void> Ext2Node::map(uint64_t block)
{
    if (run_.has(block)) return {};
    if (!ahead_.has(block)) return flags_ & extents_fl ? map_extents(block) : map_classic(block);
    run_ = ahead_;
    return {};
}

// A read ends at `offset`, and others may follow: finds their blocks as far as that needs
// no waiting. What of the map is not here comes along with the next one, as it is needed after it.
void Ext2Node::look_ahead(uint64_t offset, size_t bytes)
{
    soon_ = 0;
    uint64_t end = std::min(offset + 4 * uint64_t{bytes}, size);
    if (fs_.offset_of(run_.end) >= end || ahead_.has(run_.end) || guessed_ == run_.end) return;
    Run now = run_;
    looks_ahead_ = true;
    if (map(run_.end)) {
        ahead_ = run_;
        if (fs_.offset_of(run_.end) < size) (void)map(run_.end);
    }
    looks_ahead_ = false;
    if (fs_.offset_of(run_.end) > offset && pointers_follow()) {  // read_guess() has them
        soon_ = 0;
        guessed_ = run_.end;
    }
    run_ = now;
}

// What maps the blocks behind run_ is not here, but right behind it on the disk.
bool Ext2Node::pointers_follow()
{
    if (flags_ & extents_fl || fs_.block_bytes() != BlockCache::line_bytes) return false;
    if (run_.hole || run_.end < direct_blocks) return false;
    looks_ahead_ = true;
    auto pointers = pointers_from(run_.end);
    looks_ahead_ = false;
    uint64_t next = fs_.offset_of(run_.physical + (run_.end - run_.first));
    return pointers && pointers.value().at == next && !fs_.cache.is_here(next);
}

Result<void> Ext2Node::need(uint64_t place)
{
    if (!looks_ahead_ || fs_.cache.is_here(place)) return {};
    soon_ = place;
    return Error::busy;
}

Result<Blocks> Ext2Node::run_at(uint64_t block)
{
    TRY(map(block));
    if (run_.hole) return Blocks{};
    return Blocks{run_.physical + (block - run_.first),
                  static_cast<uint32_t>(std::min<uint64_t>(run_.end - block, UINT32_MAX))};
}

// "Direct/Indirect Block Addressing": trees of one, two and three levels behind 12 direct pointers.
Result<unsigned> Ext2Node::tree_of(uint64_t block, uint64_t& index) const
{
    unsigned level = 1;
    index = block - direct_blocks;
    while (index >> (pointer_bits() * level)) {
        index -= 1ull << (pointer_bits() * level);
        if (++level > 3) return damaged("block {} is more than can be addressed", block);
    }
    return level;
}

Result<void> Ext2Node::map_classic(uint64_t block)
{
    if (block < direct_blocks) {
        uint32_t direct[direct_blocks];
        memcpy(direct, block_, sizeof direct);
        return map_pointers(block, std::span(direct).subspan(static_cast<size_t>(block)));
    }
    Pointers pointers = TRY(pointers_from(block));
    if (pointers.at == 0) {
        run_ = {block, block + pointers.count, 0, true};
        return {};
    }
    TRY(need(pointers.at));
    size_t count = (BlockCache::line_bytes - pointers.at % BlockCache::line_bytes) / 4;
    if (!looks_ahead_) count = std::min(count, some_pointers);  // who waits needs no more
    count = static_cast<size_t>(std::min<uint64_t>(count, pointers.count));
    auto here = TRY(fs_.cache.look(pointers.at, count * 4));
    return map_pointers(block, {reinterpret_cast<const uint32_t*>(here.data()), count});
}

Result<Ext2Node::Pointers> Ext2Node::pointers_from(uint64_t block)
{
    unsigned bits = pointer_bits();
    uint64_t index;
    unsigned level = TRY(tree_of(block, index));
    uint32_t pointer = le32(block_ + (direct_blocks + level - 1) * 4);
    for (;; --level) {
        uint64_t below = (1ull << (bits * level)) - 1;  // the part of index that this tree resolves
        if (pointer == 0) return Pointers{0, below + 1 - (index & below)};
        if (!fs_.holds(pointer)) return damaged("indirect block {} of {}", pointer, fs_.blocks);
        uint64_t slot = (index & below) >> (bits * (level - 1));
        uint64_t at = fs_.offset_of(pointer) + slot * 4;
        if (level == 1) return Pointers{at, (1ull << bits) - slot};
        TRY(need(at));
        pointer = TRY(fs_.cache.read_as<uint32_t>(at));
    }
}

// As many of these pointers as name blocks in a row, or none.
Result<void> Ext2Node::map_pointers(uint64_t block, std::span<const uint32_t> pointers)
{
    uint32_t start = pointers[0], next = start, step = start ? 1 : 0;
    const uint32_t *at = pointers.data(), *end = at + pointers.size();
    for (; end - at >= 4; next += 4 * step, at += 4) {  // a long file has very many
        if (at[0] != next || at[1] != next + step || at[2] != next + 2 * step ||
            at[3] != next + 3 * step)
            break;
    }
    for (; at != end && *at == next; next += step) ++at;
    auto run = static_cast<size_t>(at - pointers.data());
    if (start && !fs_.holds(start, run))
        return damaged("block {} lies at {} ... {} of {}", block, start, start + run - 1,
                       fs_.blocks);
    run_ = {block, block + run, start, start == 0};
    return {};
}

// ---- new blocks

// Behind the block before; the first of a file goes where the last one of any went, if that is in
// the group of its inode.
Result<uint64_t> Ext2Node::goal_for(uint64_t block)
{
    if (block > 0) {
        Run hole = run_;
        TRY(map(block - 1));
        Run before = std::exchange(run_, hole);
        if (!before.hole) return before.physical + (block - before.first);
    }
    return fs_.goal_near(number());
}

Result<void> Ext2Node::fill_hole(uint64_t block, uint32_t wanted, Content content)
{
    uint64_t room = run_.end - block;
    ahead_ = {};
    guessed_ = 0;
    wanted = static_cast<uint32_t>(std::min<uint64_t>(wanted, room));
    if (run_.unwritten) return write_unwritten(block, wanted);
    uint64_t goal = TRY(goal_for(block));
    return flags_ & extents_fl ? fill_extents(block, wanted, goal, content)
                               : fill_classic(block, wanted, goal, content);
}

void Ext2Node::count_blocks(int64_t blocks)
{
    inode_changed_ = true;
    sectors_ += static_cast<uint64_t>(blocks * (fs_.block_bytes() / 512));
}

// What the medium has to have before it has what names these blocks, at `holder`.
Result<void> Ext2Node::before_naming(const Blocks& blocks, Content content, uint64_t holder)
{
    uint64_t bitmap = fs_.bitmap_offset_of(blocks.start);
    fs_.holder = holder;
    for (size_t from = 0; fs_.original && from < content.size(); from += BlockCache::line_bytes) {
        for (size_t to = 0; to < content.size(); to += BlockCache::line_bytes)
            TRY(fs_.cache.order_copy(fs_.original + from, fs_.offset_of(blocks.start) + to));
    }
    if (!content.empty()) {
        TRY(fs_.cache.write(fs_.offset_of(blocks.start), content));
        for (size_t at = 0; at < content.size(); at += BlockCache::line_bytes)
            TRY(fs_.before(fs_.offset_of(blocks.start) + at, holder));
    }
    return fs_.before(bitmap, holder);
}

// Of pointers: all 0.
Result<uint32_t> Ext2Node::new_pointers(uint64_t goal, uint64_t holder)
{
    Blocks made = TRY(fs_.allocate(goal, 1));
    if (made.start > UINT32_MAX) {
        TRY(fs_.free(made));
        return Error::no_space;
    }
    count_blocks(1);
    TRY(fs_.zero(fs_.offset_of(made.start), fs_.block_bytes(), BlockCache::Kind::metadata));
    for (size_t at = 0; at < fs_.block_bytes(); at += BlockCache::line_bytes)
        TRY(fs_.before(fs_.offset_of(made.start) + at, holder));
    TRY(before_naming(made, {}, holder));
    return static_cast<uint32_t>(made.start);
}

Result<void> Ext2Node::fill_classic(uint64_t block, uint32_t wanted, uint64_t goal, Content content)
{
    if (block < direct_blocks) {
        wanted = std::min(wanted, static_cast<uint32_t>(direct_blocks - block));
        Blocks got = TRY(name_blocks(block, wanted, goal, content, inode_at_));
        for (uint32_t i = 0; i < got.count; ++i)
            store_le32(block_ + (block + i) * 4, static_cast<uint32_t>(got.start + i));
        return {};
    }
    unsigned bits = pointer_bits();
    uint64_t index;
    unsigned level = TRY(tree_of(block, index));
    std::byte* in_inode = block_ + (direct_blocks + level - 1) * 4;
    uint32_t pointer = le32(in_inode);
    if (pointer == 0) {
        pointer = TRY(new_pointers(goal, inode_at_));
        goal = uint64_t{pointer} + 1;
        store_le32(in_inode, pointer);
    }
    size_t slot;
    for (;; --level) {
        if (!fs_.holds(pointer)) return damaged("indirect block {} of {}", pointer, fs_.blocks);
        uint64_t below = (1ull << (bits * level)) - 1;
        slot = static_cast<size_t>((index & below) >> (bits * (level - 1)));
        if (level == 1) break;
        uint64_t holder = fs_.offset_of(pointer) + slot * 4;
        pointer = TRY(fs_.cache.read_as<uint32_t>(holder));
        if (pointer) continue;
        pointer = TRY(new_pointers(goal, holder));
        goal = uint64_t{pointer} + 1;
        TRY(fs_.put(holder, pointer));
    }
    wanted = static_cast<uint32_t>(std::min<uint64_t>(wanted, (1ull << bits) - slot));
    uint64_t holder = fs_.offset_of(pointer) + slot * 4;
    return put_pointers(TRY(name_blocks(block, wanted, goal, content, holder)), holder);
}

// Allocates, for pointers that are put at `holder`; run_ is them.
Result<Blocks> Ext2Node::name_blocks(uint64_t block, uint32_t wanted, uint64_t goal,
                                     Content content, uint64_t holder)
{
    Blocks got = TRY(fs_.allocate(goal, wanted));
    if (got.start + got.count - 1 > UINT32_MAX) {
        TRY(fs_.free(got));
        return Error::no_space;
    }
    count_blocks(got.count);
    TRY(before_naming(got, content, holder));
    run_ = {block, block + got.count, got.start};
    return got;
}

Result<void> Ext2Node::put_pointers(Blocks blocks, uint64_t holder)
{
    std::byte some[256];
    for (uint32_t done = 0; done < blocks.count;) {
        size_t bytes = std::min<size_t>(sizeof some, (blocks.count - done) * size_t{4});
        if (done) TRY(fs_.before(fs_.bitmap_offset_of(blocks.start), holder));
        for (size_t at = 0; at < bytes; at += 4)
            store_le32(some + at, static_cast<uint32_t>(blocks.start + done + at / 4));
        TRY(fs_.cache.write(holder, std::span(some).first(bytes)));
        done += static_cast<uint32_t>(bytes / 4);
        holder += bytes;
    }
    return {};
}

// ---- fewer blocks

// Another group's bitmap costs more than another run in this one.
Result<void> Ext2Node::free_blocks(uint64_t start, uint32_t count, Budget& budget)
{
    uint64_t group = start / fs_.blocks_per_group;
    unsigned cost = std::exchange(budget.group, group) == group ? 1 : 8;
    budget.left -= std::min(budget.left, cost);
    count_blocks(-int64_t{count});
    return fs_.free({start, count});
}

Result<uint64_t> Ext2Node::cut(uint64_t from, Budget& budget)
{
    run_ = ahead_ = {};
    inode_changed_ = true;
    if (flags_ & extents_fl) return cut_extents(from, budget);
    uint64_t base = direct_blocks, bases[3], reached = from;
    for (unsigned level = 1; level <= 3; ++level) {
        bases[level - 1] = base;
        base += 1ull << (pointer_bits() * level);
    }
    for (unsigned level = 3; level >= 1; --level) {
        std::byte* at = block_ + (direct_blocks + level - 1) * 4;
        uint32_t pointer = le32(at);
        bool done = TRY(cut_tree(pointer, level, bases[level - 1], from, budget, reached));
        store_le32(at, pointer);
        if (!done) return reached;
    }
    for (uint64_t block = direct_blocks; block-- > from;) {
        uint32_t pointer = le32(block_ + block * 4);
        if (pointer == 0) continue;
        TRY(free_blocks(pointer, 1, budget));
        store_le32(block_ + block * 4, 0);
    }
    return from;
}

// What is below a pointer, from the end; the pointer becomes 0 if nothing is left. False: the
// budget did not last, and nothing is left from block `reached` on. It calls itself twice.
Result<bool> Ext2Node::cut_tree(uint32_t& pointer, unsigned level, uint64_t base, uint64_t from,
                                Budget& budget, uint64_t& reached)
{
    unsigned bits = pointer_bits();
    uint64_t step = 1ull << (bits * (level - 1)), end = base + (step << bits);
    if (pointer == 0 || from >= end) return true;
    if (!fs_.holds(pointer)) return damaged("indirect block {} of {}", pointer, fs_.blocks);
    if (level == 1) {
        reached = TRY(cut_leaf(pointer, base, from, budget));
        if (reached > std::max(from, base)) return false;
    }
    for (uint32_t slot = 1u << bits; level > 1 && slot-- > 0;) {
        uint64_t start = base + slot * step;
        if (start + step <= from) break;
        uint64_t at = fs_.offset_of(pointer) + slot * 4;
        auto child = TRY(fs_.cache.read_as<uint32_t>(at));
        if (child == 0) continue;
        uint32_t left = child;
        auto done = cut_tree(left, level - 1, start, from, budget, reached);
        if (done && left != child) TRY(fs_.put(at, left));
        if (!done || !done.value()) return done;
    }
    if (from > base) return true;
    TRY(free_blocks(pointer, 1, budget));
    pointer = 0;
    return true;
}

// A block of pointers to the file's own blocks. What is left of it.
Result<uint64_t> Ext2Node::cut_leaf(uint32_t block, uint64_t base, uint64_t from, Budget& budget)
{
    size_t first = from > base ? static_cast<size_t>(from - base) : 0;
    auto pointers = TRY(fs_.block(block));
    size_t slot = pointers.size() / 4;
    while (slot > first && budget.left) {
        uint32_t last = le32(&pointers[--slot * 4]), count = 1;
        if (last == 0) continue;
        while (slot > first && le32(&pointers[(slot - 1) * 4]) == last - count) {
            --slot;
            ++count;
        }
        TRY(free_blocks(last - count + 1, count, budget));
    }
    if (slot == 0) return base;  // it is freed itself
    fs_.forget_scratch();
    TRY(fs_.zero(fs_.offset_of(block) + slot * 4, fs_.block_bytes() - slot * 4,
                 BlockCache::Kind::metadata));
    return base + slot;
}

}  // namespace ext
