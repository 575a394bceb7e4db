// SPDX-License-Identifier: BSD-2-Clause
// ext2: what is in files and symbolic links.
#include "fs/ext2/ext2.h"

namespace ext {

static constexpr uint32_t most_at_once = 4096;  // blocks that one step allocates

Result<void> Ext2::zero(uint64_t offset, uint64_t bytes, BlockCache::Kind kind)
{
    static constinit std::byte zeros[BlockCache::line_bytes] = {};  // which take no room so
    while (bytes) {
        uint64_t line = BlockCache::line_bytes - offset % BlockCache::line_bytes;
        auto piece = static_cast<size_t>(std::min(bytes, line));
        TRY(cache.write(offset, std::span(zeros).first(piece), kind));
        offset += piece;
        bytes -= piece;
    }
    return {};
}

Result<size_t> Ext2Node::read(uint64_t offset, std::span<std::byte> into)
{
    if (type == NodeType::directory) return Error::is_directory;
    if (type != NodeType::file) return Error::invalid;
    return read_data(offset, into);
}

Result<size_t> Ext2Node::read_data(uint64_t offset, std::span<std::byte> into)
{
    if (offset >= size) return 0;
    into = into.first(static_cast<size_t>(std::min<uint64_t>(into.size(), size - offset)));
    size_t wanted = into.size();
    if (flags_ & inline_data_fl) {
        TRY(read_inline(offset, into));
        return wanted;
    }
    TRY(read_runs(offset, into, true));
    return wanted;
}

// All of `into` is inside the file. may_guess: where a block of pointers is not here, and lies
// behind the block before those that it maps, these follow it: nearly always.
Result<void> Ext2Node::read_runs(uint64_t offset, std::span<std::byte> into, bool may_guess)
{
    BlockCache::Runs runs(fs_.cache, into.size());
    uint64_t at = offset;
    uint32_t guess = 0;
    for (auto rest = into; !rest.empty();) {
        if (may_guess && runs.are_straight()) guess = TRY(read_guess(runs, at, rest));
        if (guess) break;
        TRY(map(at >> fs_.block_shift));
        uint64_t within = at - fs_.offset_of(run_.first);
        uint64_t left = fs_.offset_of(run_.end - run_.first) - within;
        auto piece = rest.first(static_cast<size_t>(std::min<uint64_t>(rest.size(), left)));
        if (run_.hole)
            memset(piece.data(), 0, piece.size());
        else
            TRY(runs.read(fs_.offset_of(run_.physical) + within, piece));
        at += piece.size();
        rest = rest.subspan(piece.size());
    }
    if (TRY(runs.begin_all(soon_)) && !guess) look_ahead(at, into.size());
    auto read = runs.finish();
    if (!guess) return read;
    if (read && is_mapped_to(guess, at, offset + into.size() - at)) return {};
    return read_runs(offset, into, false);
}

// What maps the rest comes along with it, and with what has been mapped: one piece of the disk.
// Whether that was right shows afterwards. Returns the first block of the rest; 0: no guess.
Result<uint32_t> Ext2Node::read_guess(BlockCache::Runs& runs, uint64_t offset,
                                      std::span<std::byte> into)
{
    if (offset >> fs_.block_shift != run_.end || ahead_.has(run_.end) || !pointers_follow())
        return 0u;
    uint64_t start = run_.physical + (run_.end - run_.first) + 1;
    uint64_t blocks = (into.size() + fs_.block_bytes() - 1) >> fs_.block_shift;
    if (blocks > 1ull << pointer_bits() || !fs_.holds(start, blocks)) return 0u;
    if (!TRY(runs.take_along(fs_.offset_of(start - 1)))) return 0u;
    TRY(runs.read(fs_.offset_of(start), into));  // what came before ended with a block
    return static_cast<uint32_t>(start);
}

// Whether the blocks from `offset` on are those from `start` on; without waiting for the map.
bool Ext2Node::is_mapped_to(uint32_t start, uint64_t offset, uint64_t bytes)
{
    uint64_t block = offset >> fs_.block_shift;
    looks_ahead_ = true;
    auto mapped = map(block);
    looks_ahead_ = false;
    return mapped && !run_.hole && run_.physical + (block - run_.first) == start &&
           fs_.offset_of(run_.end) >= offset + bytes;
}

// "Symbolic Links": short ones are in the inode.
bool Ext2Node::is_fast_link() const
{
    return type == NodeType::symlink && size < sizeof block_ &&
           !(flags_ & (extents_fl | inline_data_fl));
}

Result<void> Ext2Node::read_link(Text<fs::max_path>& target)
{
    if (type != NodeType::symlink) return Error::invalid;
    target.clear();
    if (size > target.capacity()) return Error::too_large;
    if (is_fast_link()) {
        target.append({reinterpret_cast<const char*>(block_), static_cast<size_t>(size)});
        return {};
    }
    char piece[256];
    while (target.size() < size) {
        size_t count = TRY(read_data(target.size(), std::as_writable_bytes(std::span(piece))));
        target.append({piece, count});
    }
    return {};
}

// ---- writing

// What the map can address, and the inode can count.
uint64_t Ext2Node::largest() const
{
    if (flags_ & extents_fl) return fs_.offset_of(max_file_blocks - 1);
    unsigned bits = pointer_bits();
    uint64_t mapped = direct_blocks + (1ull << bits) + (1ull << 2 * bits) + (1ull << 3 * bits);
    // Sectors are counted in 32 bits, those of the map among them, unless there is huge_file.
    uint64_t counted = fs_.ro_compat & huge_file ? ~0ull : ((1ull << 32) - (1 << 24)) * 512;
    uint64_t written = fs_.super.rev_level ? ~0ull : INT32_MAX;
    return std::min({fs_.offset_of(std::min(mapped, max_file_blocks - 1)), counted, written});
}

Result<size_t> Ext2Node::write(uint64_t offset, std::span<const std::byte> from)
{
    if (type == NodeType::directory) return Error::is_directory;
    if (type != NodeType::file) return Error::invalid;
    if (offset > largest() || from.size() > largest() - offset) return Error::too_large;
    size_t done = 0;
    bool made_room = false;
    while (done < from.size()) {
        auto step = write_step(offset + done, from.subspan(done));
        if (step.error() == Error::no_space && !made_room && fs_.has_waiting()) {
            TRY(fs_.sync());
            made_room = true;
        } else if (step.error() == Error::no_space && done) {
            break;
        } else {
            done += TRY(std::move(step));
        }
    }
    return done;
}

// As far as one run of blocks goes.
Result<size_t> Ext2Node::write_step(uint64_t offset, std::span<const std::byte> from)
{
    Change change(fs_);
    TRY(change.begin());
    uint64_t end = offset + from.size();
    if (end > INT32_MAX) TRY(fs_.need_feature(large_file));
    if (offset > size) TRY(zero_tail());
    uint64_t old_size = size;
    int64_t old_time = std::exchange(modified_s, fs::now_s());
    auto written = write_run(offset, from);
    if (!written) modified_s = old_time;
    if (written) size = std::max(size, offset + written.value());
    if (inode_changed_ || size != old_size || modified_s != old_time) TRY(write_inode());
    return written;
}

Result<size_t> Ext2Node::write_run(uint64_t offset, std::span<const std::byte> from)
{
    uint64_t block = offset >> fs_.block_shift;
    size_t in_block = static_cast<size_t>(offset & (fs_.block_bytes() - 1));
    TRY(map(block));
    bool is_new = run_.hole;
    if (is_new) {
        uint64_t wanted = (in_block + from.size() + fs_.block_bytes() - 1) >> fs_.block_shift;
        TRY(fill_hole(block, static_cast<uint32_t>(std::min<uint64_t>(wanted, most_at_once))));
    }
    uint64_t room = fs_.offset_of(run_.end - block) - in_block;
    from = from.first(static_cast<size_t>(std::min<uint64_t>(from.size(), room)));
    uint64_t at = fs_.offset_of(run_.physical + (block - run_.first)) + in_block;
    Result<void> written;
    if (is_new) {  // what is before and behind, in its blocks
        size_t behind = static_cast<size_t>(-(in_block + from.size()) & (fs_.block_bytes() - 1));
        written = fs_.zero(at - in_block, in_block, BlockCache::Kind::data);
        if (written) written = fs_.zero(at + from.size(), behind, BlockCache::Kind::data);
    }
    if (written) written = fs_.cache.write(at, from, BlockCache::Kind::data);
    if (written) return from.size();
    Budget budget;  // no blocks behind its end
    if (block >= (size + fs_.block_bytes() - 1) >> fs_.block_shift)
        fs_.given_back(cut(block, budget).error());
    return written.error();
}

// Makes the rest of the last block zeros.
Result<void> Ext2Node::zero_tail()
{
    size_t within = static_cast<size_t>(size & (fs_.block_bytes() - 1));
    if (within == 0) return {};
    uint64_t block = size >> fs_.block_shift;
    TRY(map(block));
    if (run_.hole) return {};
    return fs_.zero(fs_.offset_of(run_.physical + (block - run_.first)) + within,
                    fs_.block_bytes() - within, BlockCache::Kind::data);
}

Result<void> Ext2Node::truncate(uint64_t bytes)
{
    if (type == NodeType::directory) return Error::is_directory;
    if (type != NodeType::file) return Error::invalid;
    if (bytes > largest()) return Error::too_large;
    if (bytes < size) return shrink(bytes);
    Change change(fs_);
    TRY(change.begin());
    if (bytes > INT32_MAX) TRY(fs_.need_feature(large_file));
    if (bytes > size) TRY(zero_tail());
    size = bytes;
    return touch();
}

// From the end, in steps that a journal can hold, each of which leaves a sound file.
Result<void> Ext2Node::shrink(uint64_t bytes)
{
    uint64_t keep = (bytes + fs_.block_bytes() - 1) >> fs_.block_shift;
    for (uint64_t reached = ~0ull; reached > keep;) {
        Change change(fs_);
        TRY(change.begin());
        Budget budget;
        auto cut_off = cut(keep, budget);
        if (cut_off) {
            reached = cut_off.value();
            size = reached <= keep ? bytes : std::min(size, fs_.offset_of(reached));
        }
        if (reached <= keep && type == NodeType::file) TRY(zero_tail());
        TRY(touch());
        if (!cut_off) return cut_off.error();
    }
    return {};
}

}  // namespace ext
