// SPDX-License-Identifier: BSD-2-Clause
// What is in files: blocks, fragments at the end of small ones, indirect blocks. A file never ends
// with a hole: fsck_ffs would cut that off.
#include <algorithm>
#include <cstring>
#include "fs/ffs_write/write.h"

namespace ufs {

WritableInode::WritableInode(WritableVolume& volume, uint32_t number, const InodeFields& fields)
    : Inode(volume, number, fields), stored_links_(links)
{
}

WritableInode::~WritableInode() { volume().drop_index(*this); }

void WritableInode::release()
{
    if (dead_) return;
    dead_ = true;
    if (std::exchange(orphan_, false)) volume().forget_orphan();
    volume().settle_later(*this);
}

unsigned WritableInode::type_number(uint16_t old_mode) const
{
    switch (type) {
    case fs::NodeType::directory: return 4;
    case fs::NodeType::file: return 8;
    case fs::NodeType::symlink: return 10;
    default: return old_mode >> 12;
    }
}

Result<void> WritableInode::store()
{
    if (dead_) return {};
    stored_ = false;
    uint64_t at = TRY(place());
    int64_t now = fs::now_s();
    auto put = [&](auto inode) {
        using Seconds = decltype(inode.mtime);
        if (fresh_) {
            uint32_t gen = inode.gen + 1;
            inode = {};
            inode.gen = gen;
            inode.atime = static_cast<Seconds>(now);
            if constexpr (sizeof inode == sizeof(Ufs2Inode)) inode.birthtime = now;
        }
        inode.mode = static_cast<uint16_t>(type_number(inode.mode) << 12 | mode);
        inode.nlink = static_cast<int16_t>(stored_links_);
        inode.size = size;
        inode.blocks = static_cast<decltype(inode.blocks)>(blocks_);
        if (inode.mtime != static_cast<Seconds>(modified_s)) inode.mtimensec = 0;
        inode.mtime = static_cast<Seconds>(modified_s);
        if (now) inode.ctime = static_cast<Seconds>(now);
        if (now) inode.ctimensec = 0;
        memcpy(inode.pointers, pointers_, sizeof inode.pointers);
        fresh_ = false;
        auto written = volume_.cache.write(at, std::as_bytes(std::span(&inode, 1)));
        stored_ = bool(written);
        return written;
    };
    if (volume_.ufs2) return put(TRY(volume_.cache.read_as<Ufs2Inode>(at)));
    return put(TRY(volume_.cache.read_as<Ufs1Inode>(at)));
}

Result<void> WritableInode::set_modified(int64_t seconds)
{
    TRY(volume().begin());
    modified_s = seconds;
    return store();
}

Result<void> WritableInode::set_mode(uint16_t permissions)
{
    TRY(volume().begin());
    mode = permissions & 07777;
    return store();
}

// ---- sizes

unsigned WritableInode::fragments_for(uint64_t bytes) const
{
    uint64_t mask = (uint64_t{1} << volume_.fragment_shift) - 1;
    uint64_t count = (std::min(bytes, block_bytes()) + mask) >> volume_.fragment_shift;
    return static_cast<unsigned>(count);
}

unsigned WritableInode::fragments_of(uint64_t block) const
{
    uint64_t start = block << volume_.block_shift;
    return block < direct_pointers && size > start ? fragments_for(size - start) : per_block();
}

uint64_t WritableInode::largest() const
{
    uint64_t blocks = direct_pointers;
    for (unsigned level = 1; level <= indirect_pointers; ++level)
        blocks += uint64_t{1} << (volume_.index_shift * level);
    return blocks << volume_.block_shift;
}

void WritableInode::set_pointer(unsigned index, uint64_t value)
{
    unsigned shift = volume_.pointer_shift();
    known_ = {};
    memcpy(pointers_ + (index << shift), &value, size_t{1} << shift);
}

// ---- blocks

// Where a block is best: behind the one before it; else in the group of the inode.
Result<uint64_t> WritableInode::near_for(uint64_t block)
{
    if (block) {
        Extent before = TRY(extent_from(block - 1, 1));
        if (before.first_fragment) return before.first_fragment + per_block();
    }
    return volume().groups.first_data(number() / volume_.inodes_per_group);
}

Result<void> WritableInode::write_zeros(uint64_t place, uint64_t bytes)
{
    while (bytes) {
        // By lines, so that each is written whole.
        uint64_t line = BlockCache::line_bytes - place % BlockCache::line_bytes;
        auto zeros = volume().zeros().first(static_cast<size_t>(std::min(bytes, line)));
        TRY(volume_.cache.write(place, zeros, kind()));
        place += zeros.size();
        bytes -= zeros.size();
    }
    return {};
}

Result<void> WritableInode::copy_fragments(uint64_t from, uint64_t to, unsigned count)
{
    for (uint64_t at = 0, end = uint64_t{count} << volume_.fragment_shift; at < end;) {
        auto piece = volume().scratch();
        piece = piece.first(static_cast<size_t>(std::min<uint64_t>(piece.size(), end - at)));
        TRY(volume_.cache.read((from << volume_.fragment_shift) + at, piece));
        TRY(volume_.cache.write((to << volume_.fragment_shift) + at, piece, kind()));
        at += piece.size();
    }
    return {};
}

// A block that has less than its fragments gets more, where it is or elsewhere.
Result<Run> WritableInode::more_fragments(unsigned block, unsigned had, unsigned wanted)
{
    uint64_t first = volume_.pointer(pointers_, block), at = TRY(place());
    Groups& groups = volume().groups;
    if (!groups.are_data({first, had})) {
        return hal::fail(Error::corrupt, "{}: ffs: inode {}: block {} at fragment {}", device(), id,
                         block, first);
    }
    Run old;
    if (!TRY(groups.extend(first, had, wanted))) {
        // Names that are there wait for their inodes: they would not in another place.
        if (is_directory()) TRY(volume_.cache.sync());
        old = {first, had};
        first = wanted < per_block() ? TRY(volume().take_fragments(first, wanted))
                                     : TRY(volume().take_blocks(first, 1)).first;
        if (auto copied = copy_fragments(old.first, first, had); !copied) {
            TRY(groups.give({first, wanted}));
            return copied.error();
        }
        set_pointer(block, first);
    }
    blocks_ += uint64_t{wanted - had} << volume_.fragment_shift >> 9;
    TRY(groups.before({first, wanted}, at));
    return old;
}

// On a volume where the power went there may be blocks behind the end of a file.
Result<void> WritableInode::check_end()
{
    if (!volume().was_unclean() || std::exchange(checked_, true)) return {};
    return shrink(size);
}

// The file is to have another end: the block that was the last gets the fragments it will need, and
// the file ends with it or there. What was behind the end becomes zeros.
Result<void> WritableInode::fit_last(uint64_t end, uint64_t zeros_until)
{
    if (size == 0 || end <= size) return {};
    uint64_t block = (size - 1) >> volume_.block_shift, start = block << volume_.block_shift;
    Extent extent = TRY(extent_from(block, 1));
    if (!extent.first_fragment) return {};
    Run old;
    unsigned had = fragments_of(block), wanted = fragments_for(end - start);
    if (block < direct_pointers && wanted > had)
        old = TRY(more_fragments(static_cast<unsigned>(block), had, wanted));
    uint64_t from = size;
    size = std::min(end, start + block_bytes());
    zeros_until = std::min(zeros_until, size);
    uint64_t first = TRY(extent_from(block, 1)).first_fragment << volume_.fragment_shift;
    if (zeros_until > from) TRY(write_zeros(first + (from - start), zeros_until - from));
    TRY(store());
    return old.count ? volume().give(old) : Result<void>();
}

// ---- pointers

// An indirect block, all holes, for a pointer at parent_place.
Result<uint64_t> WritableInode::make_table(uint64_t near, uint64_t parent_place)
{
    Run run = TRY(volume().take_blocks(near, 1));
    uint64_t place = run.first << volume_.fragment_shift;
    for (uint64_t at = 0; at < block_bytes(); at += BlockCache::line_bytes) {
        TRY(volume_.cache.write(place + at, volume().zeros()));
        TRY(volume_.cache.order(place + at, parent_place));
    }
    TRY(volume().groups.before(run, parent_place));
    blocks_ += block_bytes() >> 9;
    return run.first;
}

// Where the pointer to a block behind the direct ones is, on the volume.
Result<uint64_t> WritableInode::place_of_pointer(uint64_t block)
{
    unsigned level = 0;
    uint64_t rest = block - direct_pointers, near = TRY(near_for(block)) + per_block();
    for (; rest >> (volume_.index_shift * (level + 1)); ++level)
        rest -= uint64_t{1} << (volume_.index_shift * (level + 1));
    uint64_t table = volume_.pointer(pointers_, direct_pointers + level);
    if (!table) {
        table = TRY(make_table(near, TRY(place())));
        set_pointer(direct_pointers + level, table);
        TRY(store());
    }
    for (;; --level) {
        if (!volume().groups.are_data({table, per_block()})) {
            return hal::fail(Error::corrupt, "{}: ffs: inode {}: indirect block at fragment {}",
                             device(), id, table);
        }
        unsigned shift = volume_.index_shift * level;
        uint64_t at =
            (table << volume_.fragment_shift) + ((rest >> shift) << volume_.pointer_shift());
        if (level == 0) return at;
        std::byte entry[8] = {};
        auto bytes = std::span(entry).first(size_t{1} << volume_.pointer_shift());
        TRY(volume_.cache.read(at, bytes));
        table = volume_.pointer(entry, 0);
        if (!table) {
            table = TRY(make_table(near, at));
            memcpy(entry, &table, sizeof entry);
            TRY(volume_.cache.write(at, bytes));
        }
        rest &= (uint64_t{1} << shift) - 1;
    }
}

// Blocks from this one on, which are in one table, are there. The inode has to be stored.
Result<void> WritableInode::point_to(uint64_t block, Run run)
{
    uint64_t count = std::max<uint64_t>(run.count / per_block(), 1);
    Groups& groups = volume().groups;
    known_ = {};
    if (block < direct_pointers) {
        TRY(groups.before(run, TRY(place())));
        for (uint64_t n = 0; n < count; ++n)
            set_pointer(static_cast<unsigned>(block + n), run.first + n * per_block());
        return {};
    }
    uint64_t at = TRY(place_of_pointer(block));
    std::byte entries[512];
    unsigned shift = volume_.pointer_shift();
    for (uint64_t fragment = run.first; count;) {
        uint64_t here = std::min<uint64_t>(count, (sizeof entries - at % sizeof entries) >> shift);
        TRY(groups.before({fragment, here * per_block()}, at));
        for (uint64_t n = 0; n < here; ++n, fragment += per_block())
            memcpy(entries + (n << shift), &fragment, size_t{1} << shift);
        auto bytes = std::span(entries).first(static_cast<size_t>(here << shift));
        TRY(volume_.cache.write(at, bytes));
        if (is_directory()) TRY(volume_.cache.order(at, TRY(place())));
        at += bytes.size();
        count -= here;
    }
    return {};
}

// ---- writing

// Into blocks that are there.
Result<size_t> WritableInode::write_some(uint64_t offset, std::span<const std::byte> from,
                                         uint64_t end)
{
    uint64_t block = offset >> volume_.block_shift, within = offset & (block_bytes() - 1);
    uint64_t blocks = (within + from.size() + block_bytes() - 1) >> volume_.block_shift;
    Extent extent = TRY(extent_from(block, blocks));
    if (!extent.first_fragment) return write_new(offset, from, end, extent.blocks);
    auto piece = from.first(static_cast<size_t>(
        std::min<uint64_t>(from.size(), (extent.blocks << volume_.block_shift) - within)));
    uint64_t mask = (uint64_t{1} << volume_.fragment_shift) - 1;
    Run run = {extent.first_fragment, (within + piece.size() + mask) >> volume_.fragment_shift};
    if (!volume().groups.are_data(run)) {
        return hal::fail(Error::corrupt, "{}: ffs: inode {}: block {} at fragment {}", device(), id,
                         block, run.first);
    }
    TRY(volume_.cache.write((run.first << volume_.fragment_shift) + within, piece, kind()));
    size = std::max(size, offset + piece.size());
    return piece.size();
}

// Into new blocks; `holes` blocks are none. The file is to end at `end`, or later if it does.
Result<size_t> WritableInode::write_new(uint64_t offset, std::span<const std::byte> from,
                                        uint64_t end, uint64_t holes)
{
    uint64_t block = offset >> volume_.block_shift, within = offset & (block_bytes() - 1);
    uint64_t new_size = std::max(size, end), last = (new_size - 1) >> volume_.block_shift;
    uint64_t start = block << volume_.block_shift, near = TRY(near_for(block));
    bool is_part =
        block < direct_pointers && block == last && fragments_for(new_size - start) < per_block();
    Run run;
    if (is_part) {
        run.count = fragments_for(new_size - start);
        run.first = TRY(volume().take_fragments(near, static_cast<unsigned>(run.count)));
    } else {
        uint64_t wanted = (within + from.size() + block_bytes() - 1) >> volume_.block_shift;
        uint64_t in_table = uint64_t{1} << volume_.index_shift;
        if (block >= direct_pointers)
            wanted = std::min(wanted, in_table - ((block - direct_pointers) & (in_table - 1)));
        else if (last < direct_pointers && last > block)  // it may be a part
            wanted = std::min(wanted, last - block);
        run = TRY(volume().take_blocks(near, std::min(wanted, holes)));
    }
    uint64_t place = run.first << volume_.fragment_shift;
    uint64_t room = run.count << volume_.fragment_shift;
    auto piece = from.first(static_cast<size_t>(std::min<uint64_t>(from.size(), room - within)));
    auto result = after_ ? volume_.cache.order(after_, place + within) : Result<void>();
    if (result) result = write_zeros(place, within);
    if (result) result = volume_.cache.write(place + within, piece, kind());
    if (result) result = write_zeros(place + within + piece.size(), room - within - piece.size());
    if (result && is_directory()) result = volume_.cache.order(place + within, TRY(this->place()));
    if (result) result = point_to(block, run);
    if (!result) {
        (void)volume().groups.give(run);  // nothing has ever named it
        return result.error();
    }
    blocks_ += room >> 9;
    size = std::max(size, offset + piece.size());
    TRY(store());
    return piece.size();
}

Result<size_t> WritableInode::write_bytes(uint64_t offset, std::span<const std::byte> from)
{
    uint64_t old_size = size, end = offset + from.size();
    auto result = fit_last(end, offset);
    size_t done = 0;
    while (result && done < from.size()) {
        auto some = write_some(offset + done, from.subspan(done), end);
        result = some ? Result<void>() : some.error();
        if (some) done += some.value();
    }
    uint64_t should_be = std::max(old_size, done ? offset + done : 0);
    if (done) modified_s = fs::now_s();
    auto stored = size > should_be ? shrink(should_be) : store();
    if (!result && (done == 0 || result.error() != Error::no_space)) return result.error();
    TRY(std::move(stored));
    return done;
}

Result<size_t> WritableInode::write(uint64_t offset, std::span<const std::byte> from)
{
    TRY(volume().begin());
    if (is_directory()) return Error::is_directory;
    if (type != fs::NodeType::file) return Error::unsupported;
    if (offset > largest() || from.size() > largest() - offset) return Error::too_large;
    if (from.empty()) return size_t{0};
    TRY(check_end());
    return write_bytes(offset, from);
}

Result<void> WritableInode::truncate(uint64_t bytes)
{
    TRY(volume().begin());
    if (is_directory()) return Error::is_directory;
    if (type != fs::NodeType::file) return Error::unsupported;
    if (bytes > largest()) return Error::too_large;
    TRY(check_end());
    uint64_t old_size = size;
    auto result = fit_last(bytes, bytes);
    if (result) result = allocate_last(bytes);
    if (result) modified_s = fs::now_s();
    uint64_t should_be = result ? bytes : old_size;
    auto stored = size > should_be ? shrink(should_be) : store();
    return result ? stored : result;
}

// The block in which the file is to end.
Result<void> WritableInode::allocate_last(uint64_t bytes)
{
    if (bytes == 0) return {};
    Extent extent = TRY(extent_from((bytes - 1) >> volume_.block_shift, 1));
    if (!extent.first_fragment) TRY(write_new(bytes - 1, volume().zeros().first(1), bytes, 1));
    return {};
}

// ---- shorter

Result<void> WritableInode::give_counted(Run run)
{
    if (!volume().groups.are_data(run)) {
        hal::log("{}: ffs: inode {}: a block at fragment {}", device(), id, run.first);
        return {};
    }
    blocks_ -= std::min(blocks_, run.count << volume_.fragment_shift >> 9);
    return volume().give(run);
}

// Gives all blocks below a table but the first `keep`; the table, too, if that is 0. `budget` is
// for tables that lead to one another.
Result<void> WritableInode::cut_table(uint64_t table, unsigned level, uint64_t keep,
                                      uint64_t& budget)
{
    if (budget == 0 || !volume().groups.are_data({table, per_block()})) {
        return hal::fail(Error::corrupt, "{}: ffs: inode {}: indirect block at fragment {}",
                         device(), id, table);
    }
    --budget;
    std::byte entries[512];
    unsigned pointer_shift = volume_.pointer_shift(), shift = volume_.index_shift * level;
    uint64_t place = table << volume_.fragment_shift, count = uint64_t{1} << volume_.index_shift;
    uint64_t whole_from = (keep + (uint64_t{1} << shift) - 1) >> shift;  // these are given wholly
    for (uint64_t index = keep >> shift; index < count;) {
        uint64_t at = place + (index << pointer_shift);
        uint64_t here = (sizeof entries - at % sizeof entries) >> pointer_shift;
        auto bytes = std::span(entries).first(static_cast<size_t>(here << pointer_shift));
        TRY(volume_.cache.read(at, bytes));
        if (keep && index + here > whole_from) {
            uint64_t zeros_at = std::max(whole_from, index);
            auto zeros = volume().zeros().first((index + here - zeros_at) << pointer_shift);
            TRY(volume_.cache.write(place + (zeros_at << pointer_shift), zeros));
        }
        for (uint64_t n = 0; n < here; ++n, ++index) {
            uint64_t pointer = volume_.pointer(entries, n), start = index << shift;
            if (!pointer) continue;
            if (level == 0)
                TRY(give_counted({pointer, per_block()}));
            else
                TRY(cut_table(pointer, level - 1, keep > start ? keep - start : 0, budget));
        }
    }
    if (keep) return {};
    volume_.cache.forget(place, block_bytes());
    return give_counted({table, per_block()});
}

// To a size that is not larger. The inode lets go first.
Result<void> WritableInode::shrink(uint64_t bytes)
{
    uint64_t keep = (bytes + block_bytes() - 1) >> volume_.block_shift;
    known_ = {};
    Run direct[direct_pointers];
    for (unsigned i = 0; i < direct_pointers; ++i) {
        uint64_t first = volume_.pointer(pointers_, i), start = uint64_t{i} << volume_.block_shift;
        unsigned had = fragments_of(i), left = i < keep ? fragments_for(bytes - start) : 0;
        if (!first || left >= had) continue;
        direct[i] = {first + left, had - left};
        if (left == 0) set_pointer(i, 0);
    }
    uint64_t tables[indirect_pointers], kept[indirect_pointers], start = direct_pointers;
    for (unsigned level = 0; level < indirect_pointers; ++level) {
        tables[level] = volume_.pointer(pointers_, direct_pointers + level);
        kept[level] = keep > start ? keep - start : 0;
        if (kept[level] == 0) set_pointer(direct_pointers + level, 0);
        start += uint64_t{1} << (volume_.index_shift * (level + 1));
        if (keep >= start) tables[level] = 0;
    }
    uint64_t within = bytes & (block_bytes() - 1);
    if (within && bytes < size) {  // whoever makes it longer expects zeros
        Extent last = TRY(extent_from(keep - 1, 1));
        uint64_t end = keep > direct_pointers
                           ? block_bytes()
                           : uint64_t{fragments_for(within)} << volume_.fragment_shift;
        if (volume().groups.are_data({last.first_fragment, fragments_for(within)}))
            TRY(write_zeros((last.first_fragment << volume_.fragment_shift) + within,
                            end - within));
    }
    size = bytes;
    TRY(store());
    for (Run run : direct) {
        if (run.count) TRY(give_counted(run));
    }
    uint64_t budget = volume_.fragments / per_block() + 1;
    for (unsigned level = 0; level < indirect_pointers; ++level) {
        if (tables[level]) TRY(cut_table(tables[level], level, kept[level], budget));
    }
    return store();
}

// Of an inode that has been cleared on the medium.
Result<void> WritableInode::give_everything()
{
    for (Run run : extra_) {
        if (run.count) TRY(give_counted(run));
    }
    bool in_inode = type == fs::NodeType::symlink && is_short_link();
    return in_inode || type == fs::NodeType::other ? Result<void>() : shrink(0);
}

}  // namespace ufs
