// SPDX-License-Identifier: BSD-2-Clause
// ext2: which volumes it knows, and when what is written.
#include "fs/ext2/journal.h"

namespace ext {

constexpr uint32_t known_incompat = filetype | recover | meta_bg | extents | is_64bit | mmp |
                                    flex_bg | ea_inode | csum_seed | largedir | inline_data |
                                    encrypt | casefold;
constexpr uint32_t known_ro_compat = sparse_super | large_file | btree_dir | huge_file | gdt_csum |
                                     dir_nlink | extra_isize | metadata_csum;
constexpr uint32_t ext3_incompat = filetype | recover | meta_bg;
constexpr uint32_t ext3_ro_compat = sparse_super | large_file | btree_dir;
constexpr uint64_t low_blocks = 64;  // with fewer free ones what waits to be freed is
constexpr size_t most_freed = 4096;

template <class... Args>
Error bad_superblock(std::string_view device, const char* field, Args... values)
{
    Text<64> text;
    (text.print(" {}", values), ...);
    return hal::fail(Error::corrupt, "{}: ext2: the superblock is damaged: {} is{}", device, field,
                     text.view());
}

static uint32_t superblock_sum(const Superblock& super)
{
    return crc32c(~0u, std::as_bytes(std::span(&super, 1)).first(offsetof(Superblock, checksum)));
}

static Result<void> check_features(std::string_view device, const Superblock& super)
{
    if (super.rev_level > 1)
        return hal::fail(Error::unsupported, "{}: ext2: revision {}", device, super.rev_level);
    if (super.rev_level == 0) return {};
    if (uint32_t unknown = super.feature_incompat & ~known_incompat)
        return hal::fail(Error::unsupported, "{}: ext2: unknown features: incompat {x}", device,
                         unknown);
    if (super.feature_ro_compat & metadata_csum) {
        if (super.checksum_type != 1)
            return hal::fail(Error::unsupported, "{}: ext2: checksums of type {}", device,
                             super.checksum_type);
        if (super.checksum != superblock_sum(super))
            return hal::fail(Error::corrupt, "{}: ext2: the superblock does not match its checksum",
                             device);
    }
    return {};
}

// What only revision 1 has.
static Result<void> read_extension(std::string_view device, const Superblock& super,
                                   Geometry& geometry)
{
    if (super.rev_level == 0) return {};
    geometry.compat = super.feature_compat;
    geometry.incompat = super.feature_incompat;
    geometry.ro_compat = super.feature_ro_compat;
    geometry.inode_size = super.inode_size;
    if (!std::has_single_bit(geometry.inode_size) || geometry.inode_size < Inode::short_size ||
        geometry.inode_size > geometry.block_bytes())
        return bad_superblock(device, "inode_size", geometry.inode_size);
    if (geometry.incompat & meta_bg) geometry.first_meta_bg = super.first_meta_bg;
    memcpy(geometry.backup_bgs, super.backup_bgs, sizeof geometry.backup_bgs);
    if (!(geometry.incompat & is_64bit)) return {};
    geometry.blocks |= uint64_t{super.blocks_count_hi} << 32;
    geometry.desc_size = super.desc_size;
    if (!std::has_single_bit(geometry.desc_size) || geometry.desc_size < 64 ||
        geometry.desc_size > geometry.block_bytes())
        return bad_superblock(device, "desc_size", geometry.desc_size);
    return {};
}

static Result<Geometry> read_geometry(BlockCache& volume, const Superblock& super)
{
    auto device = volume.device().name.view();
    Geometry geometry;
    if (super.log_block_size > 6)
        return bad_superblock(device, "log_block_size", super.log_block_size);
    geometry.block_shift = 10 + super.log_block_size;
    geometry.blocks = super.blocks_count_lo;
    TRY(read_extension(device, super, geometry));
    geometry.first_data_block = super.first_data_block;
    geometry.blocks_per_group = super.blocks_per_group;
    geometry.inodes = super.inodes_count;
    geometry.inodes_per_group = super.inodes_per_group;

    uint32_t bitmap_bits = geometry.block_bytes() * 8;
    bool has_clusters = geometry.ro_compat & bigalloc;
    if (super.first_data_block > (geometry.block_shift == 10 ? 1 : 0))
        return bad_superblock(device, "first_data_block", super.first_data_block);
    if (geometry.blocks_per_group == 0 ||
        (!has_clusters && geometry.blocks_per_group > bitmap_bits))
        return bad_superblock(device, "blocks_per_group", geometry.blocks_per_group);
    if (geometry.inodes_per_group == 0 || geometry.inodes_per_group > bitmap_bits)
        return bad_superblock(device, "inodes_per_group", geometry.inodes_per_group);
    if (geometry.blocks <= geometry.first_data_block)
        return bad_superblock(device, "blocks_count", geometry.blocks);
    if (geometry.blocks > volume.bytes() >> geometry.block_shift)
        return hal::fail(Error::corrupt,
                         "{}: ext2: {} blocks of {} bytes, but the device has {} bytes", device,
                         geometry.blocks, geometry.block_bytes(), volume.bytes());
    uint64_t groups =
        (geometry.blocks - geometry.first_data_block + geometry.blocks_per_group - 1) /
        geometry.blocks_per_group;
    if (geometry.inodes < Inode::root || groups > UINT32_MAX ||
        geometry.inodes > groups * geometry.inodes_per_group)
        return bad_superblock(device, "inodes_count", geometry.inodes);
    return geometry;
}

static const char* type_name(const Geometry& geometry)
{
    if ((geometry.incompat & ~ext3_incompat) || (geometry.ro_compat & ~ext3_ro_compat))
        return "ext4";
    return geometry.compat & has_journal ? "ext3" : "ext2";
}

// Why nothing can be written; null if all of it can.
static const char* why_read_only(const Ext2& fs)
{
    struct Reason {
        uint32_t feature;
        const char* text;
    };
    static constexpr Reason by_incompat[] = {
        {mmp, "another machine may have it mounted, too (mmp)"},
        {ea_inode, "extended attributes have inodes of their own there (ea_inode)"},
        {inline_data, "there are files within inodes (inline_data)"},
        {encrypt, "there may be encrypted files (encrypt)"},
        {casefold, "there may be directories without upper and lower case (casefold)"},
    };
    if (const char* why = fs.cache.why_read_only()) return why;
    if (fs.block_bytes() < fs.cache.device().block_bytes)
        return "its blocks are smaller than the disk's";
    for (const Reason& reason : by_incompat) {
        if (fs.incompat & reason.feature) return reason.text;
    }
    if (fs.ro_compat & bigalloc) return "it is allocated in clusters (bigalloc)";
    if (fs.ro_compat & orphan_present) return "a file lists what is to be freed (orphan_present)";
    if (fs.ro_compat & ~known_ro_compat) return "it has features that only reading can ignore";
    if (fs.desc_size > sizeof(GroupDescriptor)) return "its group descriptors are too long";
    if (fs.blocks_per_group % 8 || fs.inodes_per_group % 8) return "its groups end within a byte";
    if (fs.super.state & Superblock::has_errors) return "it has errors that e2fsck has to mend";
    return nullptr;
}

void Ext2::set_read_only(const char* why)
{
    if (read_only == why) return;
    read_only = why;
    hal::log("{}: {}: read-only: {}", name(), type, why);
}

static const char* open_journal(Ext2& fs)
{
    if (fs.super.journal_dev || fs.super.journal_inum == 0)
        return "its journal is on another device";
    auto node = fs.node(fs.super.journal_inum);
    if (!node || node.value()->type != NodeType::file) return "its journal is damaged";
    auto made = make<Journal>(fs, *node.value());
    if (!made) return "there is no memory for its journal";
    node.value()->opened();
    fs.journal = made.value();
    const char* why = fs.journal->open();
    if (!why && fs.incompat & recover && !fs.journal->replay())
        why = "its journal cannot be replayed";
    else if (!why && fs.journal->is_dirty() && !(fs.incompat & recover))
        why = "its journal is full, but says that it is not";
    if (!why) return nullptr;
    delete std::exchange(fs.journal, nullptr);
    return why;
}

Result<void> Ext2::start()
{
    type = type_name(*this);
    bytes = blocks << block_shift;
    super_sum_ = crc32c(~0u, std::as_bytes(std::span(&super, 1)).first(512));
    seed = incompat & csum_seed ? super.checksum_seed : crc32c(~0u, super.uuid);
    if (super.rev_level > 0) {
        for (char c : super.volume_name) {
            if (c == 0) break;
            label.append(c);
        }
    }
    scratch_ = TRY(Buffer::of(block_bytes()));
    read_only = nullptr;
    const char* why = why_read_only(*this);
    if (incompat & recover && why) hal::log("{}: {}: the journal is not replayed", name(), type);
    if (!why && compat & has_journal) why = open_journal(*this);
    if (why) set_read_only(why);
    incompat = super.feature_incompat & ~uint32_t{recover};
    if (super.rev_level == 0) incompat = 0;
    if (journal) cache.set_write_ahead(journal);
    if (!journal && !(super.state & Superblock::valid)) {
        hal::log("{}: {}: not unmounted cleanly: e2fsck would look for lost space", name(), type);
        is_unclean_ = true;
    }
    root_ = TRY(node(Inode::root));
    root_->opened();
    if (root_->type != NodeType::directory) return damaged("the root is not a directory");
    if (!read_only && super.last_orphan && !clean_orphans())
        set_read_only("its list of orphans is damaged");
    return {};
}

// ---- what is written when

// Memory for changes, and a mark on a volume without a journal that there are some.
Result<void> Ext2::start_writing()
{
    if (trusted_.size() == 0) {
        size_t flags = groups() / 4 + 1;
        Buffer full = TRY(Buffer::of(flags)), trusted = TRY(Buffer::of(flags));
        block_bitmap_.data = TRY(Buffer::of(block_bytes()));
        inode_bitmap_.data = TRY(Buffer::of(block_bytes()));
        memset(full.data(), 0, flags);
        memset(trusted.data(), 0, flags);
        full_ = std::move(full);
        trusted_ = std::move(trusted);
    }
    if (!journal && super.state & Superblock::valid) {
        super.state &= static_cast<uint16_t>(~Superblock::valid);
        TRY(write_super());
        TRY(cache.sync());
    }
    in_use_ = true;
    return {};
}

// All that changes is in the first sector, but the checksum is in the second: so that the two
// cannot come to the medium one without the other, a field that nobody uses keeps the checksum as
// it was.
void Ext2::seal(Superblock& changed) const
{
    if (!has_checksums()) return;
    auto bytes = std::as_bytes(std::span(&changed, 1)).first(512);
    constexpr size_t at = offsetof(Superblock, algorithm_usage_bitmap);
    changed.algorithm_usage_bitmap =
        crc32c_patch(crc32c(~0u, bytes.first(at)), bytes.subspan(at + 4), super_sum_);
}

Result<void> Ext2::write_super()
{
    if (int64_t now = fs::now_s()) super.wtime = static_cast<uint32_t>(now);
    seal(super);
    counts_written_ = free_blocks() + super.free_inodes_count;
    return put(Superblock::offset, super);
}

Result<void> Ext2::prepare()
{
    if (read_only) return Error::read_only;
    if (is_syncing_) return {};
    bool is_low = free_blocks() < waiting_blocks_ * (journal ? 1 : 0) + low_blocks ||
                  super.free_inodes_count < 2;
    if (in_use_ && has_waiting() && (is_low || freed_count_ > most_freed)) TRY(sync());
    return in_use_ ? Result<void>() : start_writing();  // a sync marks the volume as clean
}

Result<void> Ext2::need_feature(uint32_t feature)
{
    if (ro_compat & feature) return {};
    if (super.rev_level == 0) return Error::too_large;
    super.feature_ro_compat |= feature;
    ro_compat |= feature;
    return write_super();
}

Result<void> Ext2::sync()
{
    if (!in_use_ || is_syncing_) return cache.sync();
    is_syncing_ = true;
    auto synced = sync_all();
    is_syncing_ = false;
    return synced;
}

// Without a journal in steps: when no name on the medium leads to a removed inode any more, that is
// freed; and when no inode there names them, blocks are.
Result<void> Ext2::sync_all()
{
    if (counts_written_ != free_blocks() + super.free_inodes_count) TRY(write_super());
    TRY(cache.sync());
    removed.clear();
    if (journal) {
        TRY(journal->close());
        return {};
    }
    if (waiting_nodes_) {
        settle_nodes();
        TRY(cache.sync());
    }
    if (freed_count_) {
        TRY(apply_frees());
        TRY(cache.sync());
    }
    if (waiting_nodes_) return {};  // of open files, which have no names on the medium
    if (!is_unclean_ && !has_lost_space_ && !cache.has_failed()) super.state |= Superblock::valid;
    TRY(write_super());
    in_use_ = false;
    return cache.sync();
}

void Ext2::free_later(Ext2Node& node)
{
    if (std::exchange(node.is_waiting, true)) return;
    node.next_waiting = waiting_nodes_;
    waiting_nodes_ = &node;
}

void Ext2::settle_nodes()
{
    Ext2Node* node = std::exchange(waiting_nodes_, nullptr);
    while (node) {
        Ext2Node& here = *std::exchange(node, node->next_waiting);
        here.is_waiting = false;
        if (here.links == 0 && !here.doomed) {  // it is open: it keeps its links until it is closed
            free_later(here);
            continue;
        }
        here.waiting_links = 0;
        bool is_doomed = here.doomed;
        if (is_doomed ? here.destroy() : here.write_inode()) continue;
        has_lost_space_ = true;
        hal::log("{}: {}: inode {} is lost space now", name(), type, here.id);
        if (is_doomed) drop(here);
    }
}

// ---- orphans

Result<void> Ext2::add_orphan(Ext2Node& node)
{
    node.is_orphan = true;
    node.next_orphan = orphans_;
    node.previous_orphan = nullptr;
    if (orphans_) orphans_->previous_orphan = &node;
    orphans_ = &node;
    super.last_orphan = node.number();
    TRY(node.write_inode());
    return write_super();
}

Result<void> Ext2::remove_orphan(Ext2Node& node)
{
    Ext2Node* previous = node.previous_orphan;
    (previous ? previous->next_orphan : orphans_) = node.next_orphan;
    if (node.next_orphan) node.next_orphan->previous_orphan = previous;
    node.is_orphan = false;
    if (previous) return previous->write_inode();
    super.last_orphan = node.next_orphan ? node.next_orphan->number() : 0;
    return write_super();
}

// What was removed, or became shorter, when the power went.
Result<void> Ext2::clean_orphans()
{
    uint32_t number = std::exchange(super.last_orphan, 0);
    uint32_t count = 0;
    for (; number; ++count) {
        if (count > inodes || number < super.first_ino)
            return damaged("inode {} is no orphan", number);
        uint64_t offset = TRY(inode_offset(number));
        auto following = TRY(cache.read_as<uint32_t>(offset + offsetof(Inode, dtime)));
        Ext2Node& orphan = *TRY(node(number));
        if (orphan.is_open()) return damaged("inode {} is an orphan twice", number);
        if (orphan.links)
            TRY(orphan.shrink(orphan.size));
        else
            TRY(orphan.destroy());
        number = following;
    }
    hal::log("{}: {}: {} removed files have been freed", name(), type, count);
    TRY(prepare());
    return write_super();
}

}  // namespace ext

static Result<fs::FileSystem*> mount_ext2(BlockCache& volume)
{
    using namespace ext;
    if (volume.bytes() < Superblock::offset + sizeof(Superblock)) return Error::not_found;
    auto magic = TRY(volume.read_as<uint16_t>(Superblock::offset + offsetof(Superblock, magic)));
    if (magic != Superblock::right_magic) return Error::not_found;
    Buffer memory = TRY(Buffer::of(sizeof(Superblock)));  // too large for a stack
    TRY(volume.read(Superblock::offset, memory.span()));
    auto& super = *reinterpret_cast<Superblock*>(memory.data());
    TRY(check_features(volume.device().name.view(), super));
    Geometry geometry = TRY(read_geometry(volume, super));
    Ext2* ext2 = TRY(make<Ext2>(volume, geometry, super));
    if (auto started = ext2->start(); !started) {
        delete ext2;
        return started.error();
    }
    return ext2;
}

namespace fs {
extern const FileSystemDriver ext2 = {"ext2", mount_ext2};
}
