// SPDX-License-Identifier: BSD-2-Clause
// ffs_write - writing FFSv1 and FFSv2. It is probed before ffs, whose code reads, also what cannot
// be written; a configuration has both, or only ffs.
//
// Here: the superblock, new inodes, and giving back what nothing names any more. Supports: all that
// fs.h has, in volumes that were unmounted cleanly, or were written here or with soft updates when
// the power went. Read-only: volumes of 4.2BSD and those older than FFSv2; with snapshots, quotas
// in the file system, or a journal. Extended attributes stay as they are. FreeBSD's check-hashes
// are switched off, as an older FreeBSD does: what is written by sectors cannot keep them right.
// Tested on: images of makefs, against a model and a checker, with power cuts; GRUB reads them.
#include <cstring>
#include "fs/ffs_write/write.h"

namespace ufs {

// Where others write the mount point: who made the volume unclean.
static Text<64> mark_of(const SuperBlock& super)
{
    return Text<64>().print("vesper {}", super.magic == ufs1_magic ? super.old_time : super.time);
}

const char* WritableVolume::why_read_only(const SuperBlock& super)
{
    if (const char* why = cache.why_read_only()) return why;
    if (!ufs2 && (old_directories || !(super.old_flags & flags_updated)))
        return "its format is of the time before FFSv2";
    if (super.flags & (flag_unclean | flag_needs_fsck)) return "fsck_ffs has to mend it first";
    if (super.flags & (flag_soft_journal | flag_gjournal)) return "it has a journal";
    if (super.flags & flag_wapbl && super.journal_version)
        return "its log has to be replayed first";
    if (super.flags & flag_quota2 && super.quota_magic) return "it has quotas";
    if (super.snapinum[0]) return "it has snapshots";
    was_unclean_ = !(super.clean & 1);
    bool by_us = mark_of(super).view() == std::string_view(super.fsmnt, mark_of(super).size()) &&
                 super.fsmnt[mark_of(super).size()] == 0;
    if (was_unclean_ && !by_us && !(super.flags & flag_soft_updates))
        return "it was not unmounted cleanly";
    return groups.open(super);
}

Result<void> WritableVolume::open(const SuperBlock& super, uint64_t place)
{
    TRY(Volume::open(super, place));
    super_ = super;
    place_ = place;
    read_only = why_read_only(super);
    return {};
}

Result<uint64_t> WritableVolume::free_bytes()
{
    if (read_only) return free;
    uint64_t fragments_free = (groups.totals.free_blocks << (block_shift - fragment_shift)) +
                              groups.totals.free_fragments;
    return std::min(fragments_free, fragments) << fragment_shift;
}

Result<void> WritableVolume::write_super()
{
    const Totals& t = super_.cstotal = groups.totals;
    if (!ufs2) {
        super_.old_cstotal = {uint32_t(t.directories), uint32_t(t.free_blocks),
                              uint32_t(t.free_inodes), uint32_t(t.free_fragments)};
    }
    return cache.write(place_, std::as_bytes(std::span(&super_, 1)));
}

// The memory that writing needs, and right counts.
Result<void> WritableVolume::prepare()
{
    if (runs_memory_.size()) return {};
    TRY(groups.start());
    if (zeros_.size() == 0) zeros_ = TRY(Buffer::of(BlockCache::line_bytes));
    memset(zeros_.data(), 0, zeros_.size());
    if (scratch_.size() == 0) scratch_ = TRY(Buffer::of(BlockCache::line_bytes));
    if (was_unclean_) TRY(groups.recount());
    runs_memory_ = TRY(Buffer::of(most_runs * sizeof(Run)));
    return {};
}

Result<void> WritableVolume::begin()
{
    if (read_only) return Error::read_only;
    if (settling_count_ >= most_settling) TRY(apply());
    if (marked_) return {};
    TRY(prepare());
    if (super_.flags & flag_metackhash && super_.metackhash) {
        super_.flags &= ~flag_metackhash;
        super_.metackhash = 0;  // first of all: with clean, the hash of the superblock changes
        TRY(write_super());
        TRY(cache.sync());
    }
    if (!was_unclean_) {
        super_.time = fs::now_s();
        if (!ufs2) super_.old_time = static_cast<int32_t>(super_.time);
        TRY(write_super());
        // The time first: without the mark it says nothing. UFS1's is in one sector with the mark.
        if (ufs2) TRY(cache.order(place_ + offsetof(SuperBlock, time), place_));
        super_.clean = super_.fmod = 0;
        memset(super_.fsmnt, 0, sizeof super_.fsmnt);
        Text<64> mark = mark_of(super_);
        memcpy(super_.fsmnt, mark.c_str(), mark.size());
        TRY(write_super());
        TRY(cache.sync());
    }
    marked_ = changed_ = true;
    return {};
}

Result<void> WritableVolume::sync()
{
    if (!changed_) return cache.sync();
    TRY(apply());
    if (orphans_ || was_unclean_ || cache.has_failed()) return {};
    marked_ = false;
    super_.clean = 1;
    auto synced = write_super();
    if (synced) synced = cache.sync();
    if (synced) {
        changed_ = false;
    } else {
        super_.clean = 0;
        (void)write_super();
    }
    return synced;
}

// ---- what has been given back

Result<Run> WritableVolume::take_blocks(uint64_t near, uint64_t blocks)
{
    auto run = groups.take_blocks(near, blocks);
    if (run || run.error() != Error::no_space || !(run_count_ || settling_)) return run;
    TRY(apply());
    return groups.take_blocks(near, blocks);
}

Result<uint64_t> WritableVolume::take_fragments(uint64_t near, unsigned count)
{
    auto first = groups.take_fragments(near, count);
    if (first || first.error() != Error::no_space || !(run_count_ || settling_)) return first;
    TRY(apply());
    return groups.take_fragments(near, count);
}

Result<void> WritableVolume::give(Run run)
{
    if (run_count_) {
        Run& last = runs()[run_count_ - 1];
        if (last.first + last.count == run.first) {
            last.count += run.count;
            return {};
        }
    }
    if (run_count_ == most_runs) TRY(freeing_ ? free_runs() : apply());
    runs()[run_count_++] = run;
    return {};
}

void WritableVolume::settle_later(WritableInode& node)
{
    if (std::exchange(node.settling_, true)) return;
    node.next_settling_ = std::exchange(settling_, &node);
    ++settling_count_;
}

Result<void> WritableVolume::apply()
{
    bool pending = settling_ || run_count_;
    TRY(write_super());
    TRY(cache.sync());
    removed.clear();
    if (!pending) return {};
    freeing_ = true;
    auto result = settling_ ? settle() : Result<void>();
    if (result) result = free_runs();
    if (result) result = free_inodes();
    freeing_ = false;
    TRY(std::move(result));
    TRY(write_super());
    return cache.sync();
}

// What the inodes on the medium say becomes true: no name is there that has been removed.
Result<void> WritableVolume::settle()
{
    for (WritableInode* node = settling_; node; node = node->next_settling_) {
        node->stored_links_ = node->links;
        node->moved_ = false;
        if (node->dead_)
            TRY(erase(*node));
        else
            TRY(node->store());
    }
    return cache.sync();
}

// The inode on the medium; what it had is still known.
Result<void> WritableVolume::erase(WritableInode& node)
{
    uint64_t place = TRY(node.place());
    std::byte raw[sizeof(Ufs2Inode)] = {};
    size_t generation = ufs2 ? offsetof(Ufs2Inode, gen) : offsetof(Ufs1Inode, gen);
    uint32_t gen = TRY(cache.read_as<uint32_t>(place + generation));
    memcpy(raw + generation, &gen, sizeof gen);
    if (ufs2) {
        auto old = TRY(cache.read_as<Ufs2Inode>(place));
        for (unsigned i = 0; i < 2; ++i) {
            uint64_t offset = uint64_t{i} << block_shift;
            if (old.extsize <= offset || !old.extb[i]) continue;
            uint64_t length = std::min(old.extsize - offset, uint64_t{1} << block_shift);
            node.extra_[i] = {old.extb[i], (length + (1u << fragment_shift) - 1) >> fragment_shift};
        }
    }
    return cache.write(place, std::span(raw).first(inode_bytes()));
}

// Errors: the first; what it was about stays in use for ever.
Result<void> WritableVolume::free_runs()
{
    Result<void> result;
    while (run_count_) {
        auto given = groups.give(runs()[--run_count_]);
        if (result) result = given;
    }
    return result;
}

Result<void> WritableVolume::free_inodes()
{
    Result<void> result;
    while (WritableInode* node = settling_) {
        settling_ = node->next_settling_;
        --settling_count_;
        node->settling_ = false;
        if (!node->dead_) {
            node->orphan_ = node->links == 0;
            orphans_ += node->orphan_;
            continue;
        }
        auto given = node->give_everything();
        if (given) given = free_runs();
        if (given) given = groups.give_inode(node->number(), node->is_directory());
        if (result) result = given;
        nodes.remove(*node);
        delete node;
    }
    return result;
}

// ---- inodes

Result<Inode*> WritableVolume::make_inode(uint32_t number, const InodeFields& fields)
{
    Inode* node = TRY(make<WritableInode>(*this, number, fields));
    return node;
}

Result<WritableInode*> WritableVolume::make_new(fs::NodeType type, uint16_t permissions,
                                                const WritableInode& parent)
{
    bool is_directory = type == fs::NodeType::directory;
    uint32_t group = parent.number() / inodes_per_group;
    auto taken = groups.take_inode(group, is_directory);
    if (!taken && taken.error() == Error::no_space && settling_) {
        TRY(apply());
        taken = groups.take_inode(group, is_directory);
    }
    uint32_t number = TRY(std::move(taken));
    unsigned kind = is_directory ? 4 : type == fs::NodeType::symlink ? 10 : 8;
    bool is_known = nodes.find(number);  // from a name that leads there
    if (is_known || (!was_unclean_ && TRY(mode_of(number)) != 0)) {
        return hal::fail(Error::corrupt, "{}: ffs: inode {} is in use, but was marked as free",
                         device(), number);
    }
    InodeFields fields = {};
    fields.mode = static_cast<uint16_t>(kind << 12 | permissions);
    fields.links = is_directory ? 2 : 1;
    fields.mtime = fs::now_s();
    auto made = make<WritableInode>(*this, number, fields);
    if (made) {
        made.value()->fresh_ = true;
        nodes.add(*made.value());
    } else {
        TRY(groups.give_inode(number, is_directory));  // nothing has ever named it
    }
    return made;
}

// ---- indexes

void WritableVolume::note_index(WritableInode& owner)
{
    owner.next_indexed_ = std::exchange(indexed_, &owner);
}

bool WritableVolume::drop_some_index()
{
    if (!indexed_) return false;
    drop_index(*indexed_);
    return true;
}

void WritableVolume::drop_index(WritableInode& owner)
{
    if (!owner.index_) return;
    WritableInode** link = &indexed_;
    while (*link != &owner) link = &(*link)->next_indexed_;
    *link = owner.next_indexed_;
    delete std::exchange(owner.index_, nullptr);
}

static Result<fs::FileSystem*> mount_for_writing(BlockCache& cache)
{
    return mount(cache, [](BlockCache& c) -> Result<Volume*> {
        Volume* volume = TRY(make<WritableVolume>(c));
        return volume;
    });
}

}  // namespace ufs

namespace fs {
extern const FileSystemDriver ffs_write = {"ffs_write", ufs::mount_for_writing};
}
