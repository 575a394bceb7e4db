// SPDX-License-Identifier: BSD-2-Clause
// ext2: which blocks and inodes are taken, and when they are free again.
//
// The search begins at a goal, and goes on in the groups behind it: those that are known to be full
// are passed without a look. What has been freed may still be named by the medium; it is not taken
// before it is not.
#include "fs/ext2/ext2.h"

namespace ext {

static constexpr uint32_t good_run = 256;  // blocks: a shorter one is taken if there is no other

void Ext2::set_full(uint32_t group, unsigned kind, bool full)
{
    std::byte bit = std::byte{1} << (group % 4 * 2 + kind);
    std::byte& bits = full_.data()[group / 4];
    bits = full ? bits | bit : bits & ~bit;
}

void Ext2::write_free_blocks(uint64_t count)
{
    super.free_blocks_count_lo = static_cast<uint32_t>(count);
    if (incompat & is_64bit) super.free_blocks_count_hi = static_cast<uint32_t>(count >> 32);
}

// Bits of a bitmap on the medium, with its checksum.
Result<void> Ext2::change_bits(GroupDescriptor& descriptor, bool of_inodes, uint32_t first,
                               uint32_t count, bool value)
{
    uint64_t bitmap = offset_of(of_inodes ? descriptor.inode_bitmap() : descriptor.block_bitmap());
    uint32_t end = first + count, sum = 0;
    std::byte some[64], change[sizeof some];
    while (first < end) {
        size_t bytes = std::min<size_t>(sizeof some, (end - 1) / 8 - first / 8 + 1);
        uint64_t offset = bitmap + first / 8;
        TRY(cache.read(offset, std::span(some).first(bytes)));
        memcpy(change, some, bytes);
        uint32_t base = first / 8 * 8;
        for (; first < end && first - base < bytes * 8; ++first) {
            std::byte bit = std::byte{1} << first % 8;
            std::byte& byte = some[(first - base) / 8];
            byte = value ? byte | bit : byte & ~bit;
        }
        TRY(cache.write(offset, std::span(some).first(bytes)));
        for (size_t i = 0; i < bytes; ++i) change[i] ^= some[i];
        if (has_checksums()) sum = crc32c(sum, std::span(change).first(bytes));
    }
    if (!has_checksums() || count == 0) return {};
    uint32_t old =
        of_inodes
            ? descriptor.inode_bitmap_csum_lo | uint32_t{descriptor.inode_bitmap_csum_hi} << 16
            : descriptor.block_bitmap_csum_lo | uint32_t{descriptor.block_bitmap_csum_hi} << 16;
    sum = crc32c_move(sum, bitmap_bytes(of_inodes) - ((end - 1) / 8 + 1));
    put_bitmap_sum(descriptor, of_inodes, old ^ sum);
    return {};
}

// Of one group: the bitmap, and all counts.
Result<void> Ext2::mark_blocks(Blocks blocks, bool used)
{
    uint32_t group = group_of(blocks.start);
    auto descriptor = TRY(this->group(group));
    TRY(load_block_bitmap(group, descriptor));
    auto first = static_cast<uint32_t>(blocks.start - first_block_of(group));
    TRY(change_bits(descriptor, false, first, blocks.count, used));
    uint32_t free = descriptor.free_blocks();
    if (used) {
        for (uint32_t bit = 0; bit < blocks.count; ++bit) block_bitmap_.set(first + bit);
        free -= std::min(free, blocks.count);
        write_free_blocks(free_blocks() - std::min<uint64_t>(free_blocks(), blocks.count));
    } else {
        free = std::min(free + blocks.count, blocks_in(group));
        write_free_blocks(std::min(free_blocks() + blocks.count, this->blocks));
        set_full(group, 0, false);
    }
    descriptor.free_blocks_lo = static_cast<uint16_t>(free);
    if (desc_size >= sizeof descriptor)
        descriptor.free_blocks_hi = static_cast<uint16_t>(free >> 16);
    return put_group(group, descriptor);
}

// The first run of `least` blocks from a bit of a group's bitmap on, around its end, or the longest
// that there is.
Result<Blocks> Ext2::take(uint32_t group, GroupDescriptor& descriptor, uint32_t from,
                          uint32_t wanted, uint32_t least)
{
    TRY(load_block_bitmap(group, descriptor));
    const Bitmap& bitmap = block_bitmap_;
    uint32_t best = 0, best_count = 0;
    for (uint32_t pass = 0; pass < 2 && best_count < least; ++pass) {
        uint32_t end = pass == 0 ? bitmap.bits : std::min(from, bitmap.bits);
        for (uint32_t bit = pass == 0 ? from : 0; bit < end;) {
            uint32_t start = bitmap.next(bit, false, end);
            if (start == end) break;
            bit = bitmap.next(start, true, std::min(bitmap.bits - start, wanted) + start);
            uint32_t count = bit - start;
            if (count > best_count) {
                best = start;
                best_count = count;
            }
            if (best_count >= least || start == from) break;
        }
        if (best == from && best_count) break;  // goes on where the file ends
    }
    Blocks blocks = {first_block_of(group) + best, best_count};
    if (best_count == 0) return blocks;
    if (!holds(blocks.start, blocks.count))
        return damaged("group {} has block {} to give", group, best);
    TRY(mark_blocks(blocks, true));
    last_allocated_ = blocks.start + blocks.count;
    return blocks;
}

Result<Blocks> Ext2::allocate(uint64_t goal, uint32_t wanted)
{
    if (!holds(goal)) goal = first_data_block + 1;
    uint32_t first = group_of(goal), count = groups();
    uint32_t least = std::min(wanted, good_run);
    // First where there is enough, then whatever there is.
    for (uint32_t enough : {least, 1u}) {
        for (uint32_t i = 0; i < count && free_blocks(); ++i) {
            uint32_t number = (first + i) % count;
            if (is_full(number, 0)) continue;
            auto descriptor = group(number);
            if (descriptor.error() == Error::corrupt) set_full(number, 0, true);
            if (!descriptor) continue;
            if (descriptor.value().free_blocks() == 0) set_full(number, 0, true);
            if (descriptor.value().free_blocks() < enough) continue;
            auto from = i == 0 ? static_cast<uint32_t>(goal - first_block_of(number)) : 0;
            auto taken = take(number, descriptor.value(), from, wanted, least);
            if (taken && taken.value().count) return taken;
            if (!taken && taken.error() != Error::corrupt) return taken;
            set_full(number, 0, true);  // it has none, or cannot be trusted
        }
        if (enough == 1) break;
    }
    return Error::no_space;
}

uint64_t Ext2::bitmap_offset_of(uint64_t block) const
{
    auto bit = static_cast<uint32_t>(block - first_block_of(group_of(block)));
    return offset_of(block_bitmap_.block) + bit / 8;
}

uint64_t Ext2::inode_bitmap_offset_of(uint32_t inode) const
{
    return offset_of(inode_bitmap_.block) + (inode - 1) % inodes_per_group / 8;
}

// Where the last blocks of any file went, if that is in the group of an inode.
uint64_t Ext2::goal_near(uint32_t inode) const
{
    uint32_t group = (inode - 1) / inodes_per_group;
    bool is_there = holds(last_allocated_) && group_of(last_allocated_) == group;
    return is_there ? last_allocated_ : first_block_of(group);
}

// ---- freeing

// With a journal what has been freed in a transaction must not get new contents before that has
// been committed: in the bitmap that is searched it stays taken.
void Ext2::hide_busy()
{
    if (!journal) return;
    auto freed = reinterpret_cast<const Blocks*>(freed_.data());
    Bitmap& bitmap = block_bitmap_;
    for (const Blocks* run = freed; run < freed + freed_count_; ++run) {
        if (group_of(run->start) != bitmap.group) continue;
        auto first = static_cast<uint32_t>(run->start - first_block_of(bitmap.group));
        for (uint32_t bit = 0; bit < run->count; ++bit) bitmap.set(first + bit);
    }
}

void Ext2::forget_busy()
{
    freed_count_ = 0;
    waiting_blocks_ = 0;
    block_bitmap_.group = Bitmap::none;
    memset(full_.data(), 0, full_.size());
}

Result<void> Ext2::remember_freed(Blocks blocks)
{
    auto freed = reinterpret_cast<Blocks*>(freed_.data());
    size_t room = freed_.size() / sizeof(Blocks);
    if (freed_count_ &&
        freed[freed_count_ - 1].start + freed[freed_count_ - 1].count == blocks.start &&
        group_of(freed[freed_count_ - 1].start) == group_of(blocks.start)) {
        freed[freed_count_ - 1].count += blocks.count;
        return {};
    }
    if (freed_count_ == room) {
        Buffer larger = TRY(Buffer::of(std::max<size_t>(64, room * 2) * sizeof(Blocks)));
        if (room) memcpy(larger.data(), freed_.data(), freed_.size());
        freed_ = std::move(larger);
        freed = reinterpret_cast<Blocks*>(freed_.data());
    }
    freed[freed_count_++] = blocks;
    return {};
}

Result<void> Ext2::free(Blocks blocks)
{
    if (!holds(blocks.start, blocks.count))
        return damaged("block {} of {} is freed", blocks.start, this->blocks);
    cache.forget(offset_of(blocks.start), uint64_t{blocks.count} << block_shift);
    if (scratch_block_ >= blocks.start && scratch_block_ < blocks.start + blocks.count)
        scratch_block_ = 0;
    while (blocks.count) {  // a group at a time
        uint32_t group = group_of(blocks.start);
        uint64_t end = first_block_of(group) + blocks_in(group);
        Blocks piece = {blocks.start, static_cast<uint32_t>(
                                          std::min<uint64_t>(blocks.count, end - blocks.start))};
        TRY(remember_freed(piece));
        waiting_blocks_ += piece.count;
        if (journal) TRY(mark_blocks(piece, false));
        blocks.start += piece.count;
        blocks.count -= piece.count;
    }
    return {};
}

// Without a journal, when the medium no longer names them.
Result<void> Ext2::apply_frees()
{
    Result<void> result;
    auto freed = reinterpret_cast<const Blocks*>(freed_.data());
    for (size_t i = 0; i < freed_count_; ++i) {
        BlockCache::Operation operation(cache);
        TRY(operation.begin());
        auto marked = mark_blocks(freed[i], false);
        given_back(marked.error());
        if (!marked) result = marked;
    }
    forget_busy();
    return result;
}

// ---- inodes

static void set_free_inodes(const Ext2& of, GroupDescriptor& descriptor, uint32_t free)
{
    descriptor.free_inodes_lo = static_cast<uint16_t>(free);
    if (of.desc_size >= sizeof descriptor)
        descriptor.free_inodes_hi = static_cast<uint16_t>(free >> 16);
}

static void add_directories(const Ext2& of, GroupDescriptor& descriptor, int change)
{
    uint32_t directories = uint32_t{descriptor.used_dirs_hi} << 16 | descriptor.used_dirs_lo;
    directories += static_cast<uint32_t>(change);
    descriptor.used_dirs_lo = static_cast<uint16_t>(directories);
    if (of.desc_size >= sizeof descriptor)
        descriptor.used_dirs_hi = static_cast<uint16_t>(directories >> 16);
}

// In the group of `near`, an inode; a directory only where there is room for what will be in it.
Result<uint32_t> Ext2::allocate_inode(uint32_t near, bool directory)
{
    uint32_t first = (near - 1) / inodes_per_group, count = groups();
    uint32_t reserved = super.rev_level ? std::max(super.first_ino, 11u) - 1 : 10;
    for (bool picky : {directory, false}) {
        for (uint32_t i = 0; i < count && super.free_inodes_count; ++i) {
            uint32_t number = (first + i) % count;
            if (is_full(number, 1)) continue;
            auto read = group(number);
            if (read.error() == Error::corrupt) set_full(number, 1, true);
            if (!read) continue;
            GroupDescriptor& descriptor = read.value();
            if (picky && (descriptor.free_inodes() < inodes_per_group / 8 ||
                          descriptor.free_blocks() < blocks_per_group / 8))
                continue;
            auto loaded = load_inode_bitmap(number, descriptor);
            if (!loaded && loaded.error() != Error::corrupt) return loaded.error();
            uint32_t from = std::max(inode_bitmap_.taken_before, number == 0 ? reserved : 0);
            uint32_t bit = loaded ? inode_bitmap_.next(from, false, inode_bitmap_.bits) : 0;
            if (!loaded || bit >= inode_bitmap_.bits) {
                set_full(number, 1, true);
                continue;
            }
            TRY(change_bits(descriptor, true, bit, 1, true));
            inode_bitmap_.set(bit);
            inode_bitmap_.taken_before = bit + 1;
            set_free_inodes(*this, descriptor,
                            descriptor.free_inodes() - (descriptor.free_inodes() > 0));
            super.free_inodes_count -= super.free_inodes_count > 0;
            if (directory) add_directories(*this, descriptor, 1);
            uint32_t unused = std::min(descriptor.itable_unused(), inodes_per_group - bit - 1);
            descriptor.itable_unused_lo = static_cast<uint16_t>(unused);
            if (desc_size >= sizeof descriptor)
                descriptor.itable_unused_hi = static_cast<uint16_t>(unused >> 16);
            TRY(put_group(number, descriptor));
            return number * inodes_per_group + bit + 1;
        }
    }
    return Error::no_space;
}

Result<void> Ext2::free_inode(uint32_t number, bool directory)
{
    uint32_t group_number = (number - 1) / inodes_per_group, bit = (number - 1) % inodes_per_group;
    auto descriptor = TRY(group(group_number));
    TRY(load_inode_bitmap(group_number, descriptor));
    TRY(before(TRY(inode_offset(number)), inode_bitmap_offset_of(number)));
    TRY(change_bits(descriptor, true, bit, 1, false));
    inode_bitmap_.taken_before = std::min(inode_bitmap_.taken_before, bit);
    inode_bitmap_.data.data()[bit / 8] &= ~(std::byte{1} << bit % 8);
    set_free_inodes(*this, descriptor, std::min(descriptor.free_inodes() + 1, inodes_per_group));
    super.free_inodes_count = std::min(super.free_inodes_count + 1, inodes);
    set_full(group_number, 1, false);
    if (directory) add_directories(*this, descriptor, -1);
    return put_group(group_number, descriptor);
}

}  // namespace ext
