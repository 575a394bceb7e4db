// SPDX-License-Identifier: BSD-2-Clause
// ext2: the journal of ext3 and ext4, "Journal (jbd2)"; on the disk it is big-endian.
//
// What the cache writes at once is one transaction: descriptors with the blocks behind them, a
// flush, the block that commits it, a flush; then the cache writes to where the blocks belong, and
// the journal is empty again. One transaction has at most half of the log, and begins behind the
// last: so that one is whole until the next has been committed. Nothing needs to be revoked,
// since a block that has been freed is not used before that.
// Supports: replay with revoked blocks, checksums of versions 2 and 3, 64 bits. Not: journals on
// another device, fast commits, asynchronous ones without checksums.
#include "fs/ext2/journal.h"

namespace ext {

static constexpr uint32_t magic = 0xc03b3998;
static constexpr size_t header_bytes = 12, uuid_bytes = 16, super_bytes = 1024;
static constexpr uint8_t crc32c_type = 4;
static constexpr size_t log_bytes = 64 << 10;  // written at once

enum BlockType : uint32_t { descriptor = 1, commit = 2, super_v1 = 3, super_v2 = 4, revoke = 5 };
enum JournalIncompat : uint32_t {
    has_revoke = 1,
    wide = 2,
    async_commit = 4,
    csum_v2 = 8,
    csum_v3 = 16,
    fast_commit = 32,
};
enum TagFlags : uint32_t { escaped = 1, same_uuid = 2, last_tag = 8 };

// Offsets in the journal's superblock.
enum Field : size_t {
    f_type = 4,
    f_block_bytes = 12,
    f_blocks = 16,
    f_first = 20,
    f_sequence = 24,
    f_start = 28,
    f_errno = 32,
    f_incompat = 40,
    f_uuid = 48,
    f_checksum_type = 80,
    f_fast_blocks = 84,
    f_checksum = 252,
};

struct Journal::Tag {
    uint64_t block = 0;
    uint32_t flags = 0, checksum = 0;
};

// Blocks that were freed, with the last transaction that did so.
struct Journal::Revoked {
    struct Entry {
        uint64_t block;
        uint32_t sequence;
        bool used;
    };
    Buffer memory;
    size_t count = 0;

    size_t room() const { return memory.size() / sizeof(Entry); }
    Entry& slot(uint64_t block) const
    {
        auto entries = reinterpret_cast<Entry*>(memory.data());
        size_t at = static_cast<uint32_t>(block * 2654435761u) & (room() - 1);
        while (entries[at].used && entries[at].block != block) at = (at + 1) & (room() - 1);
        return entries[at];
    }
    Result<void> add(uint64_t block, uint32_t sequence)
    {
        if (count * 2 >= room()) {
            Revoked larger;
            larger.memory = TRY(Buffer::of(std::max<size_t>(256, room() * 2) * sizeof(Entry)));
            memset(larger.memory.data(), 0, larger.memory.size());
            auto entries = reinterpret_cast<Entry*>(memory.data());
            for (size_t i = 0; i < room(); ++i) {
                if (entries[i].used) larger.slot(entries[i].block) = entries[i];
            }
            std::swap(memory, larger.memory);
        }
        Entry& entry = slot(block);
        count += !entry.used;
        entry = {block, sequence, true};
        return {};
    }
    bool is_revoked(uint64_t block, uint32_t sequence) const
    {
        if (room() == 0) return false;
        const Entry& entry = slot(block);
        return entry.used && static_cast<int32_t>(entry.sequence - sequence) >= 0;
    }
};

// ---- its blocks

static uint32_t field(const Buffer& super, size_t at) { return be32(super.data() + at); }
static void set_field(Buffer& super, size_t at, uint32_t value)
{
    store_be32(super.data() + at, value);
}

// A run of the log on the device. It never reaches beyond the log's end.
Result<Blocks> Journal::run_at(uint32_t block)
{
    Blocks run = TRY(node_.run_at(block));
    if (run.count == 0) return fs_.damaged("the journal has no block {}", block);
    return run;
}

Result<void> Journal::transfer(bool writes, uint32_t block, std::byte* data, uint32_t count)
{
    BlockDevice& device = fs_.cache.device();
    unsigned per_block = fs_.block_bytes() / device.block_bytes;
    while (count) {
        Blocks run = TRY(run_at(block));
        uint32_t blocks = std::min(run.count, count);
        uint64_t first = run.start * per_block;
        TRY(writes ? device.write(first, blocks * per_block, data)
                   : device.read(first, blocks * per_block, data));
        data += size_t{blocks} << fs_.block_shift;
        block += blocks;
        count -= blocks;
    }
    return {};
}

// Around the log's end.
uint32_t Journal::behind(uint32_t block, uint32_t count) const
{
    return block + count < end_ ? block + count : first_ + (block + count - end_);
}

Result<void> Journal::read_log(uint32_t& block, std::span<std::byte> into)
{
    TRY(transfer(false, block, into.data(), 1));
    block = behind(block, 1);
    return {};
}

// ---- checksums

bool Journal::has_sums() const { return incompat_ & (csum_v2 | csum_v3); }

static uint32_t sum_without(uint32_t seed, std::span<const std::byte> bytes, size_t at)
{
    static constexpr std::byte zeros[4] = {};
    return crc32c(crc32c(crc32c(seed, bytes.first(at)), zeros), bytes.subspan(at + 4));
}

bool Journal::sum_is_right(std::span<const std::byte> block, size_t at) const
{
    return !has_sums() || be32(&block[at]) == sum_without(seed_, block, at);
}

void Journal::seal(std::span<std::byte> block, size_t at) const
{
    if (has_sums()) store_be32(&block[at], sum_without(seed_, block, at));
}

// That of its superblock does not begin with the UUID.
uint32_t Journal::super_sum() const
{
    return sum_without(~0u, super_.span().first(super_bytes), f_checksum);
}

uint32_t Journal::data_sum(uint32_t sequence, std::span<const std::byte> data) const
{
    std::byte number[4];
    store_be32(number, sequence);
    return crc32c(crc32c(seed_, number), data);
}

// ---- opening

const char* Journal::open()
{
    auto made = Buffer::of(std::max<size_t>(fs_.block_bytes(), super_bytes));
    if (!made) return "there is no memory for its journal";
    super_ = std::move(made).value();
    if (!transfer(false, 0, super_.data(), 1)) return "its journal cannot be read";
    uint32_t kind = field(super_, f_type);
    if (field(super_, 0) != magic || (kind != super_v1 && kind != super_v2) ||
        field(super_, f_block_bytes) != fs_.block_bytes())
        return "its journal is damaged";
    incompat_ = kind == super_v2 ? field(super_, f_incompat) : 0;
    constexpr uint32_t known = has_revoke | wide | async_commit | csum_v2 | csum_v3 | fast_commit;
    if (incompat_ & ~known || (incompat_ & async_commit && !has_sums()) ||
        (incompat_ & csum_v2 && incompat_ & csum_v3))
        return "its journal has features that this kernel does not know";
    seed_ = crc32c(~0u, super_.span().subspan(f_uuid, uuid_bytes));
    if (has_sums() && (super_.data()[f_checksum_type] != std::byte{crc32c_type} ||
                       field(super_, f_checksum) != super_sum()))
        return "its journal is damaged";
    first_ = field(super_, f_first);
    end_ = field(super_, f_blocks);
    sequence_ = field(super_, f_sequence);
    start_ = field(super_, f_start);
    if (incompat_ & fast_commit) {
        uint32_t fast = field(super_, f_fast_blocks);
        if (start_) return "its journal has fast commits";
        end_ -= std::min(end_, fast ? fast : 256);
    }
    uint64_t room = node_.size >> fs_.block_shift;
    if (first_ == 0 || end_ > room || first_ >= end_ || end_ - first_ < 64 ||
        (start_ && (start_ < first_ || start_ >= end_)))
        return "its journal is damaged";
    if (field(super_, f_errno)) return "it has errors that e2fsck has to mend";
    if (fs_.blocks >> 32 && !(incompat_ & wide)) return "its journal cannot name all blocks";
    next_ = first_;
    // A line may be one block that is to be logged, or several.
    size_t per_line = std::max<size_t>(1, BlockCache::line_bytes / fs_.block_bytes());
    most_lines = (end_ - first_) * 7 / 16 / per_line;
    on_medium_ = fs_.super;
    return nullptr;
}

Result<void> Journal::write_super(uint32_t start)
{
    set_field(super_, f_start, start);
    set_field(super_, f_sequence, sequence_);
    if (has_sums()) set_field(super_, f_checksum, super_sum());
    TRY(transfer(true, 0, super_.data(), 1));
    start_ = start;
    return {};
}

// ---- replay

size_t Journal::tag_bytes() const
{
    if (incompat_ & csum_v3) return 16;
    return 8 + (incompat_ & csum_v2 ? 2 : 0) + (incompat_ & wide ? 4 : 0);
}

// The tag at `at` in a descriptor, which goes behind it. False: there is none.
bool Journal::next_tag(std::span<const std::byte> block, size_t& at, Tag& tag) const
{
    size_t end = block.size() - (has_sums() ? 4 : 0);
    if (tag.flags & last_tag || at + tag_bytes() > end) return false;
    const std::byte* from = &block[at];
    tag.block = be32(from);
    if (incompat_ & csum_v3) {
        tag.flags = be32(from + 4);
        tag.checksum = be32(from + 12);
    } else {
        tag.checksum = be16(from + 4);
        tag.flags = be16(from + 6);
    }
    if (incompat_ & wide) tag.block |= uint64_t{be32(from + 8)} << 32;
    at += tag_bytes() + (tag.flags & same_uuid ? 0 : uuid_bytes);
    return true;
}

Result<void> Journal::note_revoked(std::span<const std::byte> block, uint32_t sequence,
                                   Revoked& revoked) const
{
    size_t step = incompat_ & wide ? 8 : 4;
    size_t end = std::min<size_t>(be32(&block[header_bytes]), block.size() - (has_sums() ? 4 : 0));
    for (size_t at = header_bytes + 4; at + step <= end; at += step)
        TRY(revoked.add(step == 8 ? be64(&block[at]) : be32(&block[at]), sequence));
    return {};
}

// A descriptor and the blocks behind it: looked at, or written to where they belong.
Result<void> Journal::replay_blocks(std::span<const std::byte> descriptor, uint32_t& at, Pass pass,
                                    uint32_t sequence, const Revoked& revoked)
{
    Tag tag;
    std::span data = fs_.scratch();
    for (size_t in_block = header_bytes; next_tag(descriptor, in_block, tag);) {
        if (pass == Pass::scan) {
            at = behind(at, 1);
            continue;
        }
        TRY(read_log(at, data));
        uint32_t sum = has_sums() ? data_sum(sequence, data) : 0;
        if (incompat_ & csum_v2) sum &= 0xffff;
        if (has_sums() && sum != tag.checksum)
            return fs_.damaged("in the journal, block {} does not match its checksum", tag.block);
        if (tag.block >= fs_.blocks) return fs_.damaged("the journal has a block {}", tag.block);
        if (pass != Pass::write || revoked.is_revoked(tag.block, sequence)) continue;
        if (tag.flags & escaped) store_be32(data.data(), magic);
        TRY(fs_.cache.write(fs_.offset_of(tag.block), data));
    }
    return {};
}

// A block of a transaction does not match its checksum: the power went while that was written,
// unless the transaction, or a later one, has been committed.
Result<void> Journal::check_end(uint32_t at, uint32_t sequence, std::span<std::byte> block)
{
    for (uint32_t left = end_ - first_; left; --left) {
        TRY(read_log(at, block));
        if (be32(&block[0]) == magic && be32(&block[4]) == commit &&
            be32(&block[8]) - sequence < end_ - first_)
            return fs_.damaged("in the journal, transaction {} does not match its checksum",
                               sequence);
    }
    return {};
}

// Through the log from its beginning to `end`, a sequence number, which scanning finds out.
Result<void> Journal::go_through(Pass pass, uint32_t& end, Revoked& revoked)
{
    Buffer block = TRY(Buffer::of(fs_.block_bytes()));
    uint32_t at = start_, sequence = sequence_;
    for (uint32_t count = 0; count < end_ - first_; ++count) {
        if (pass != Pass::scan && sequence == end) return {};
        if (pass == Pass::scan) end = sequence;
        TRY(read_log(at, block.span()));
        if (be32(block.data()) != magic || be32(block.data() + 8) != sequence) return {};
        size_t sum_at = block.size() - 4;
        switch (be32(block.data() + 4)) {
        case descriptor:
            if (!sum_is_right(block.span(), sum_at)) return check_end(at, sequence, block.span());
            TRY(replay_blocks(block.span(), at, pass, sequence, revoked));
            break;
        case commit:
            if (!sum_is_right(block.span(), header_bytes + 4))
                return fs_.damaged("in the journal, commit {} does not match its checksum",
                                   sequence);
            ++sequence;
            break;
        case revoke:
            if (!sum_is_right(block.span(), sum_at)) return check_end(at, sequence, block.span());
            if (pass == Pass::check) TRY(note_revoked(block.span(), sequence, revoked));
            break;
        default: return {};
        }
    }
    return {};
}

Result<void> Journal::replay()
{
    Revoked revoked;
    uint32_t end = sequence_;
    if (start_) {
        for (Pass pass : {Pass::scan, Pass::check, Pass::write})
            TRY(go_through(pass, end, revoked));
        hal::log("{}: {}: the journal has been replayed: {} transactions", fs_.name(), fs_.type,
                 end - sequence_);
        TRY(fs_.cache.sync());
        sequence_ = end + 1;
        TRY(write_super(0));
        TRY(fs_.cache.device().flush());
    }
    fs_.super = TRY(fs_.cache.read_as<Superblock>(Superblock::offset));
    fs_.super.feature_incompat &= ~uint32_t{recover};
    TRY(fs_.write_super());
    on_medium_ = fs_.super;
    return fs_.cache.sync();
}

// ---- a transaction

// The next block of the volume from this one on with something that is not on the medium.
uint64_t Journal::next_changed(BlockCache& cache, uint64_t from) const
{
    constexpr uint64_t line = BlockCache::line_bytes;
    uint64_t at = fs_.offset_of(from) / line * line;
    for (;;) {
        auto dirty = cache.next_dirty(at);
        if (dirty.data.empty()) return no_block;
        at = dirty.offset + line;
        if (fs_.block_bytes() >= line) {
            uint64_t block = dirty.offset >> fs_.block_shift;
            if (block >= from) return block;
            continue;
        }
        unsigned sectors = fs_.block_bytes() / cache.device().block_bytes;
        for (unsigned n = 0; n < line / fs_.block_bytes(); ++n) {
            uint64_t block = (dirty.offset >> fs_.block_shift) + n;
            if (block >= from && dirty.changed >> n * sectors & ((1u << sectors) - 1)) return block;
        }
    }
}

void Journal::put_tag(std::byte* to, uint64_t block, uint32_t flags, uint32_t sum) const
{
    store_be32(to, static_cast<uint32_t>(block));
    if (incompat_ & csum_v3) {
        store_be32(to + 4, flags);
        store_be32(to + 12, sum);
    } else {
        store_be32(to + 4, (incompat_ & csum_v2 ? sum << 16 : 0) | flags);
    }
    if (incompat_ & (wide | csum_v3)) store_be32(to + 8, static_cast<uint32_t>(block >> 32));
}

void Journal::start_block(std::span<std::byte> block, uint32_t kind) const
{
    memset(block.data(), 0, block.size());
    store_be32(&block[0], magic);
    store_be32(&block[4], kind);
    store_be32(&block[8], sequence_);
}

Result<void> Journal::write_log(uint32_t& at, uint32_t count)
{
    for (std::byte* from = log_.data(); count;) {
        uint32_t piece = std::min(count, end_ - at);
        TRY(transfer(true, at, from, piece));
        from += size_t{piece} << fs_.block_shift;
        at = behind(at, piece);
        count -= piece;
    }
    return {};
}

// One descriptor, and as many blocks as there is memory for. The next block that is to be written.
Result<uint64_t> Journal::write_part(BlockCache& cache, uint64_t block, uint32_t& at)
{
    size_t size = fs_.block_bytes();
    std::span head = log_.span().first(size);
    start_block(head, descriptor);
    size_t to = header_bytes, end = size - (has_sums() ? 4 : 0);
    uint32_t count = 0;
    while (block != no_block) {
        bool is_first = count == 0;
        std::span data = log_.span().subspan((count + 1) * size, size);
        TRY(cache.read(fs_.offset_of(block), data));
        uint32_t flags = is_first ? 0u : same_uuid;
        if (be32(data.data()) == magic) {
            flags |= escaped;
            store_be32(data.data(), 0);
        }
        uint64_t next = next_changed(cache, block + 1);
        size_t behind_this = to + tag_bytes() + (is_first ? uuid_bytes : 0);
        ++count;
        bool is_last =
            next == no_block || behind_this + tag_bytes() > end || (count + 2) * size > log_.size();
        if (is_last) flags |= last_tag;
        put_tag(&head[to], block, flags, has_sums() ? data_sum(sequence_, data) : 0);
        if (is_first) memcpy(&head[to + tag_bytes()], super_.data() + f_uuid, uuid_bytes);
        to = behind_this;
        block = next;
        if (is_last) break;
    }
    seal(head, size - 4);
    TRY(write_log(at, count + 1));
    return block;
}

Result<void> Journal::write_transaction(BlockCache& cache, uint32_t& at)
{
    size_t count = 0, most = (end_ - first_) / 2 - 8;
    for (uint64_t block = next_changed(cache, 0); block != no_block;
         block = next_changed(cache, block + 1))
        ++count;
    size_t in_part = log_.size() / fs_.block_bytes() - 1;
    size_t in_descriptor = (fs_.block_bytes() - header_bytes - uuid_bytes - 4) / tag_bytes();
    if (count + count / std::min(in_part, in_descriptor) + 2 > most) {
        fs_.set_read_only("its journal is too small");
        return Error::no_space;
    }
    uint64_t block = next_changed(cache, 0);
    while (block != no_block) block = TRY(write_part(cache, block, at));
    return {};
}

Result<void> Journal::before_writing(BlockCache& cache)
{
    BlockCache::Operation reading(cache);  // needs lines without writing any
    if (log_.size() == 0)
        log_ = TRY(Buffer::of(std::max<size_t>(log_bytes, size_t{fs_.block_bytes()} * 4)));
    if (commit_at_) TRY(commit_transaction());
    if (!is_marked_) TRY(write_fs_super(true));
    fs_.super.feature_incompat |= recover;
    TRY(fs_.write_super());
    uint32_t at = next_;
    TRY(write_transaction(cache, at));
    // All but the first sector of what commits it is there already: it comes whole or not at all.
    memset(log_.data(), 0, fs_.block_bytes());
    uint32_t commit_at = at;
    TRY(write_log(at, 1));
    TRY(fs_.cache.device().flush());
    commit_at_ = commit_at;
    return commit_transaction();
}

// What follows the blocks of a transaction. If that fails, nobody knows which transaction the
// medium begins with: neither is overwritten until this has been done again, and has succeeded.
Result<void> Journal::commit_transaction()
{
    std::span block = log_.span().first(fs_.block_bytes());
    start_block(block, commit);
    store_be32(&block[header_bytes + 4 + 32 + 4], static_cast<uint32_t>(fs::now_s()));
    seal(block, header_bytes + 4);
    uint32_t at = commit_at_;
    TRY(write_log(at, 1));
    if (start_) TRY(fs_.cache.device().flush());  // the one before may be needed until then
    TRY(write_super(next_));
    TRY(fs_.cache.device().flush());
    next_ = at;
    commit_at_ = 0;
    ++sequence_;
    return {};
}

Result<void> Journal::after_writing()
{
    on_medium_ = fs_.super;
    fs_.forget_busy();
    return write_super(0);
}

// The superblock of the volume, past the cache, as it is on the medium but for one bit.
Result<void> Journal::write_fs_super(bool needs_recovery)
{
    BlockDevice& device = fs_.cache.device();
    Superblock changed = on_medium_;
    changed.feature_incompat &= ~uint32_t{recover};
    if (needs_recovery) changed.feature_incompat |= recover;
    fs_.seal(changed);
    uint32_t blocks = std::max(2048u / device.block_bytes, 1u);
    Buffer bytes = TRY(Buffer::of(size_t{blocks} * device.block_bytes));
    TRY(device.read(0, blocks, bytes.data()));
    memcpy(bytes.data() + Superblock::offset, &changed, sizeof changed);
    uint32_t first = Superblock::offset / device.block_bytes;
    is_marked_ = false;  // if it fails, nobody knows
    TRY(device.write(first, blocks - first, bytes.data() + size_t{first} * device.block_bytes));
    on_medium_ = changed;
    is_marked_ = needs_recovery;
    return {};
}

Result<void> Journal::close()
{
    if (!(on_medium_.feature_incompat & recover)) return {};
    if (start_) TRY(write_super(0));
    TRY(fs_.cache.device().flush());  // else it would have something to replay, but not say so
    TRY(write_fs_super(false));
    fs_.super.feature_incompat &= ~uint32_t{recover};
    return fs_.cache.device().flush();
}

}  // namespace ext
