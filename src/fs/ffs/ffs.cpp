// SPDX-License-Identifier: BSD-2-Clause
// ffs - the Berkeley Fast File System: FFSv1 (UFS1) and FFSv2 (UFS2), little-endian.
//
// Format: McKusick et al., A Fast File System for UNIX (1984), and format.h. A volume is cylinder
// groups of `fpg` fragments; inode n is in the table of group n / ipg. Files are blocks of 4 to
// 64 KiB, named by the number of their first fragment in 12 direct and 3 levels of indirect
// pointers, 0 for a hole; the end of a small file may be less than a block of fragments. Everything
// is found again from sizes that were checked once; the superblock's shifts, masks and tables are
// not used. Blocks that lie in a row are read in one request to the caller's memory.
// Supports: reading (writing: src/fs/ffs_write/); all block and fragment sizes, old (4.2BSD) and
// new directories, holes, short and long links. Not: big-endian volumes, Apple's 1 KiB directory
// pieces, extended attributes. Tested on: images by makefs of both versions and all block sizes,
// patched where it makes none.
#include "fs/ffs/ffs.h"
#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>
#include "config.h"

namespace ufs {

static constexpr uint64_t ufs1_place =
    8192;  // of a superblock that doesn't know where it should be

static constexpr bool is_power_of_two(uint32_t n) { return n && (n & (n - 1)) == 0; }

fs::NodeType type_of(unsigned type)
{
    switch (type) {
    case 4: return fs::NodeType::directory;
    case 8: return fs::NodeType::file;
    case 10: return fs::NodeType::symlink;
    default: return fs::NodeType::other;
    }
}

// ---- the volume

Result<void> Volume::check_sizes(const SuperBlock& super)
{
    uint32_t block = super.bsize, fragment = super.fsize;
    if (!is_power_of_two(block) || block < 4096 || block > 65536 || !is_power_of_two(fragment) ||
        fragment < 512 || fragment > block || block / fragment > 8) {
        return hal::fail(Error::corrupt, "{}: ffs: blocks of {} bytes, fragments of {}", device(),
                         block, fragment);
    }
    block_shift = static_cast<unsigned>(std::countr_zero(block));
    fragment_shift = static_cast<unsigned>(std::countr_zero(fragment));
    index_shift = block_shift - pointer_shift();

    groups = super.ncg;
    inodes_per_group = super.ipg;
    fragments_per_group = super.fpg;
    inode_table = super.iblkno;
    uint64_t table = uint64_t{super.ipg} * inode_bytes();
    if (groups == 0 || super.ipg == 0 || uint64_t{groups} * super.ipg > UINT32_MAX ||
        inode_table + ((table + fragment - 1) >> fragment_shift) > super.fpg) {
        return hal::fail(Error::corrupt,
                         "{}: ffs: {} groups of {} fragments, with {} inodes from fragment {}",
                         device(), groups, super.fpg, super.ipg, inode_table);
    }
    fragments = ufs2 ? super.size : super.old_size;
    if (fragments > uint64_t{groups} * super.fpg || fragments <= uint64_t{groups - 1} * super.fpg) {
        return hal::fail(Error::corrupt, "{}: ffs: {} fragments in {} groups of {}", device(),
                         fragments, groups, super.fpg);
    }
    if (fragments > cache.bytes() >> fragment_shift) {
        return hal::fail(Error::corrupt, "{}: ffs: {} fragments of {} bytes, but only {} bytes",
                         device(), fragments, fragment, cache.bytes());
    }
    return {};
}

Result<void> Volume::open(const SuperBlock& super, uint64_t)
{
    ufs2 = super.magic == ufs2_magic;
    type = ufs2 ? "ffs2" : "ffs1";
    TRY(check_sizes(super));
    if (!ufs2) {
        group_offset = super.old_cgoffset;
        group_mask = super.old_cgmask;
        old_directories = super.old_inodefmt < inodefmt_44;
    }
    short_link_limit = static_cast<size_t>(
        std::clamp<int32_t>(super.maxsymlinklen, 0, int32_t(all_pointers << pointer_shift())));
    if (ufs2 || (super.old_flags & flags_updated)) {
        for (size_t i = 0; i < sizeof super.volname && super.volname[i]; ++i)
            label.append(super.volname[i]);
    }
    bytes = fragments << fragment_shift;
    uint64_t free_blocks = ufs2 ? super.cstotal.free_blocks : super.old_cstotal.free_blocks;
    uint64_t free_fragments =
        ufs2 ? super.cstotal.free_fragments : super.old_cstotal.free_fragments;
    free = std::min(free_blocks, bytes >> block_shift) << block_shift;
    free += std::min(free_fragments, (bytes - free) >> fragment_shift) << fragment_shift;
    if (!(super.clean & 1))  // NetBSD has 2 while it is mounted
        hal::log("{}: ffs: not unmounted cleanly; it may be inconsistent", device());

    root_ = TRY(inode(root_inode));
    root_->opened();
    if (root_->type == fs::NodeType::directory) return {};
    return hal::fail(Error::corrupt, "{}: ffs: the root is not a directory", device());
}

Result<uint64_t> Volume::place_of_inode(uint32_t number) const
{
    uint32_t group = number / inodes_per_group, index = number % inodes_per_group;
    uint64_t within = uint64_t{index} * inode_bytes();
    uint64_t table = group_start(group) + inode_table;
    if (number < root_inode || group >= groups || !holds(table, within, sizeof(Ufs2Inode)))
        return hal::fail(Error::corrupt, "{}: ffs: there is no inode {}", device(), number);
    return (table << fragment_shift) + within;
}

Result<InodeFields> Volume::read_inode(uint32_t number)
{
    uint64_t place = TRY(place_of_inode(number));
    InodeFields fields = {};
    auto take = [&](const auto& inode) {
        fields.mode = inode.mode;
        fields.links = inode.nlink;
        fields.size = inode.size;
        fields.blocks = inode.blocks;
        fields.mtime = inode.mtime;
        memcpy(fields.pointers, inode.pointers, sizeof inode.pointers);
    };
    if (ufs2)
        take(TRY(cache.read_as<Ufs2Inode>(place)));
    else
        take(TRY(cache.read_as<Ufs1Inode>(place)));
    return fields;
}

Result<uint16_t> Volume::mode_of(uint32_t number)
{
    return cache.read_as<uint16_t>(TRY(place_of_inode(number)));
}

Result<void> Volume::check_inode(uint32_t number, const InodeFields& fields) const
{
    auto type = type_of(fields.mode >> 12);
    if (fields.mode >> 12 == 0)
        return hal::fail(Error::corrupt, "{}: ffs: inode {} is not in use", device(), number);
    uint64_t blocks = direct_pointers;  // the largest file
    for (unsigned level = 1; level <= indirect_pointers; ++level)
        blocks += uint64_t{1} << (index_shift * level);
    bool silly = fields.size > blocks << block_shift;
    // Directories have no holes: so a damaged one cannot keep a search busy for ever.
    if (type == fs::NodeType::directory)
        silly = fields.size > bytes || fields.size % directory_piece;
    if (silly && type != fs::NodeType::other) {
        return hal::fail(Error::corrupt, "{}: ffs: inode {}: a size of {} bytes", device(), number,
                         fields.size);
    }
    return {};
}

Result<Inode*> Volume::inode(uint32_t number)
{
    if (fs::CachedNode* node = nodes.find(number)) return static_cast<Inode*>(node);
    InodeFields fields = TRY(read_inode(number));
    TRY(check_inode(number, fields));
    Inode* node = TRY(make_inode(number, fields));
    nodes.add(*node);
    return node;
}

Result<Inode*> Volume::make_inode(uint32_t number, const InodeFields& fields)
{
    return make<Inode>(*this, number, fields);
}

// ---- files

Inode::Inode(Volume& volume, uint32_t number, const InodeFields& fields)
    : volume_(volume), blocks_(fields.blocks)
{
    type = type_of(fields.mode >> 12);
    id = number;
    size = fields.size;
    modified_s = fields.mtime;
    mode = fields.mode & 07777;
    links = fields.links > 0 ? static_cast<uint32_t>(fields.links) : 1;
    memcpy(pointers_, fields.pointers, sizeof pointers_);
    if (!config_can_write) return;
    known_ = {};
    looks_ahead_ = false;
    soon_ = 0;
}

const char* Inode::device() const { return volume_.cache.device().name.c_str(); }

Result<size_t> Inode::read(uint64_t offset, std::span<std::byte> into)
{
    if (type == fs::NodeType::directory) return Error::is_directory;
    if (type != fs::NodeType::file) return Error::unsupported;
    if (offset >= size) return size_t{0};
    into = into.first(static_cast<size_t>(std::min<uint64_t>(into.size(), size - offset)));
    TRY(read_bytes(offset, into));
    return into.size();
}

// All of `into` is inside the file.
Result<void> Inode::read_bytes(uint64_t offset, std::span<std::byte> into)
{
    const uint64_t block_bytes = uint64_t{1} << volume_.block_shift;
    const size_t wanted = into.size();
    BlockCache::Runs runs(volume_.cache, wanted);
    while (!into.empty()) {
        uint64_t block = offset >> volume_.block_shift, within = offset & (block_bytes - 1);
        uint64_t blocks = (within + into.size() + block_bytes - 1) >> volume_.block_shift;
        Extent extent = TRY(extent_from(block, blocks));
        auto piece = into.first(static_cast<size_t>(
            std::min<uint64_t>(into.size(), (extent.blocks << volume_.block_shift) - within)));
        if (extent.first_fragment == 0) {
            memset(piece.data(), 0, piece.size());
        } else if (volume_.holds(extent.first_fragment, within, piece.size())) {
            uint64_t place = (extent.first_fragment << volume_.fragment_shift) + within;
            TRY(runs.read(place, piece));
        } else {
            return hal::fail(Error::corrupt, "{}: ffs: inode {}: block {} at fragment {} of {}",
                             device(), id, block, extent.first_fragment, volume_.fragments);
        }
        offset += piece.size();
        into = into.subspan(piece.size());
    }
    if (TRY(runs.begin_all(config_can_write ? soon_ : 0))) look_ahead(offset, wanted);
    return runs.finish();
}

// A read ends at `offset`, and others may follow: finds their blocks as far as that needs no
// waiting. What of the map is not here comes along with the next one, as it is needed after it.
void Inode::look_ahead(uint64_t offset, uint64_t bytes)
{
    soon_ = 0;
    if (offset >= size) return;
    unsigned step = volume_.block_shift - volume_.fragment_shift;
    uint64_t block = offset >> volume_.block_shift;
    uint64_t end = ((std::min(offset + 4 * bytes, size) - 1) >> volume_.block_shift) + 1;
    Extent found = known_;
    if (block - known_from_ >= found.blocks) {
        found = {};
        known_from_ = block;
    }
    known_ = {};
    looks_ahead_ = true;
    for (uint64_t at; at = known_from_ + found.blocks, at < end;) {
        auto more = extent_from(at, ~uint64_t{0});
        if (!more) break;
        auto [first, blocks] = more.value();
        uint64_t next = found.first_fragment ? found.first_fragment + (found.blocks << step) : 0;
        if (found.blocks == 0) found.first_fragment = next = first;
        if (first != next) break;
        found.blocks += blocks;
    }
    looks_ahead_ = false;
    known_ = found;
}

Result<void> Inode::need_here(uint64_t place)
{
    if (volume_.cache.is_here(place)) return {};
    soon_ = place;
    return Error::busy;
}

// How many of these pointers, one at least, name what lies in a row.
template <class Pointer>
static uint32_t in_a_row(const std::byte* pointers, uint32_t count, uint32_t step)
{
    auto next = load_le<Pointer>(pointers);
    uint32_t found = 1;
    while (found < count && load_le<Pointer>(pointers += sizeof next) == (next += step)) ++found;
    return found;
}

// From this block of the file on, at most `limit` blocks that are one hole or lie in a row: some of
// them.
Result<Inode::Extent> Inode::extent_from(uint64_t block, uint64_t limit)
{
    if (config_can_write && block - known_from_ < known_.blocks) {
        uint64_t within = block - known_from_, first = known_.first_fragment;
        if (first) first += within << (volume_.block_shift - volume_.fragment_shift);
        return Extent{first, std::min(limit, known_.blocks - within)};
    }
    const unsigned shift = volume_.pointer_shift();
    const std::byte* pointers = pointers_;
    if (block < direct_pointers) {
        limit = std::min(limit, direct_pointers - block);
        pointers += block << shift;
    } else {
        uint64_t holes, place = TRY(place_of_leaf(block, holes));
        if (place == 0) return Extent{0, std::min(limit, holes)};
        constexpr size_t sector = 512;  // bytes, of which a device has all or none
        limit = std::min<uint64_t>(limit, (sector - place % sector) >> shift);
        TRY(need(place));
        size_t bytes = static_cast<size_t>(limit) << shift;
        pointers = TRY(volume_.cache.look(place, bytes)).data();
    }
    uint64_t first = volume_.pointer(pointers, 0);
    uint32_t step = first ? 1u << (volume_.block_shift - volume_.fragment_shift) : 0;
    auto count = static_cast<uint32_t>(limit);
    return Extent{first, volume_.ufs2 ? in_a_row<uint64_t>(pointers, count, step)
                                      : in_a_row<uint32_t>(pointers, count, step)};
}

// Goes down the tree to where on the device the pointer of a block is, one behind the direct ones.
// 0: there is none, so many blocks from this one on are a hole.
Result<uint64_t> Inode::place_of_leaf(uint64_t block, uint64_t& holes)
{
    unsigned level = 0;
    uint64_t rest = block - direct_pointers;
    uint64_t below = uint64_t{1} << volume_.index_shift;  // the table, in blocks of the file
    for (; rest >= below; ++level, below <<= volume_.index_shift) rest -= below;
    uint64_t table = volume_.pointer(pointers_, direct_pointers + level);
    for (;; --level) {
        unsigned shift = volume_.index_shift * level;
        holes = below - rest;
        if (table == 0) return uint64_t{0};
        if (!volume_.holds(table, 0, uint64_t{1} << volume_.block_shift)) {
            if (config_can_write && looks_ahead_) return Error::corrupt;
            return hal::fail(Error::corrupt,
                             "{}: ffs: inode {}: indirect block at fragment {} of {}", device(), id,
                             table, volume_.fragments);
        }
        uint64_t place =
            (table << volume_.fragment_shift) + ((rest >> shift) << volume_.pointer_shift());
        if (level == 0) return place;
        std::byte entry[8];
        TRY(need(place));
        TRY(volume_.cache.read(place, std::span(entry).first(1u << volume_.pointer_shift())));
        table = volume_.pointer(entry, 0);
        below >>= volume_.index_shift;
        rest &= below - 1;
    }
}

bool Inode::is_short_link() const
{
    // Before there was a limit in the superblock, a link without blocks was in the inode.
    return size < volume_.short_link_limit || (volume_.short_link_limit == 0 && blocks_ == 0);
}

Result<void> Inode::read_link(Text<fs::max_path>& target)
{
    if (type != fs::NodeType::symlink) return Error::invalid;
    if (size > target.capacity()) return Error::too_large;
    target.clear();
    std::byte piece[256];
    for (size_t at = 0; at < size;) {
        size_t length = std::min<size_t>(sizeof piece, static_cast<size_t>(size) - at);
        if (!is_short_link())
            TRY(read_bytes(at, std::span(piece).first(length)));
        else if (size <= all_pointers << volume_.pointer_shift())
            memcpy(piece, pointers_, length);
        else
            return hal::fail(Error::corrupt, "{}: ffs: inode {}: a link without blocks", device(),
                             id);
        target.append(std::string_view(reinterpret_cast<const char*>(piece), length));
        at += length;
    }
    return {};
}

// ---- directories

Error Inode::bad_record(size_t bytes, size_t name_bytes) const
{
    return hal::fail(Error::corrupt,
                     "{}: ffs: directory {}: a record of {} bytes with a name of {}", device(), id,
                     bytes, name_bytes);
}

// The record at an offset in a piece of a directory. It ends inside the piece.
Result<Record> Inode::record_at(const std::byte* piece, size_t at) const
{
    const std::byte* raw = piece + at;
    Record record{.inode = le32(raw), .bytes = le16(raw + 4)};
    size_t name_bytes = static_cast<size_t>(raw[7]);
    record.type = static_cast<uint8_t>(raw[6]);
    if (volume_.old_directories) {  // 4.2BSD: d_namlen has 16 bits, and there is no d_type
        name_bytes = le16(raw + 6);
        record.type = 0;
    }
    size_t left = directory_piece - at;  // at least 8: what is behind a record is a record
    if (record.bytes < 8 || record.bytes % 4 || (record.bytes != left && record.bytes > left - 8) ||
        (record.inode && (name_bytes == 0 || name_bytes > record.bytes - 8u)))
        return bad_record(record.bytes, name_bytes);
    record.name = {reinterpret_cast<const char*>(raw + 8), record.inode ? name_bytes : 0};
    return record;
}

Result<const std::byte*> Inode::piece_at(uint64_t start, std::byte* memory)
{
    TRY(read_bytes(start, std::span(memory, directory_piece)));
    return memory;
}

// The next one that is in use. `memory`, of directory_piece bytes, may be where its piece is. A
// call for each record would cost as much as the record: flatten.
[[gnu::flatten]] Result<bool> Inode::next_record(Cursor& next, Record& record, std::byte* memory)
{
    while (next.position < size) {
        uint32_t at = next.position % directory_piece;
        if (at == 0 || !next.piece) next.piece = TRY(piece_at(next.position - at, memory));
        record = TRY(record_at(next.piece, at));
        next.position += record.bytes;
        if (record.inode >= root_inode) return true;
    }
    return false;
}

Result<fs::Node*> Inode::find(std::string_view name)
{
    if (type != fs::NodeType::directory) return Error::not_directory;
    std::byte memory[directory_piece];
    Cursor next;
    Record record;
    while (TRY(next_record(next, record, memory))) {
        if (record.name == name) return TRY(volume_.inode(record.inode));
    }
    return nullptr;
}

// A record may have become a part of the one before it: its piece is gone through from the
// beginning, but where what was listed last goes on.
Result<bool> Inode::next_entry(uint64_t& position, fs::DirectoryEntry& entry)
{
    if (type != fs::NodeType::directory) return Error::not_directory;
    std::byte memory[directory_piece];
    Cursor& next = volume_.listed;
    bool is_known = std::exchange(next.directory, 0) == id && next.position == position;
    if (!is_known) next.position = position - position % directory_piece;
    if (!is_known || next.replaced != volume_.cache.replaced()) next.piece = nullptr;
    Record record;
    do {
        if (!TRY(next_record(next, record, memory))) return false;
    } while (next.position - record.bytes < position || fs::is_dots(record.name));
    next.directory = static_cast<uint32_t>(id);
    next.replaced = volume_.cache.replaced() - (next.piece == memory);
    position = next.position;
    entry.name.assign(record.name);
    entry.id = record.inode;
    entry.type = type_of(record.type ? record.type : TRY(volume_.mode_of(record.inode)) >> 12);
    return true;
}

// ---- mounting

// Whether a superblock is the one that counts. In a volume with blocks of 64 KiB the first group's
// copy is at 65536, where others have their first.
static bool is_primary(const SuperBlock& super, uint64_t place)
{
    bool says_where = super.magic == ufs2_magic || (super.old_flags & flags_updated);
    return place == (says_where ? super.sblockloc : ufs1_place);
}

Result<fs::FileSystem*> mount(BlockCache& cache, Result<Volume*> (*make_volume)(BlockCache& cache))
{
    const char* device = cache.device().name.c_str();
    for (uint64_t place : {65536, 8192, 0, 262144}) {
        SuperBlock super;
        if (cache.bytes() < place + sizeof super) continue;
        auto magic = cache.read_as<uint32_t>(place + offsetof(SuperBlock, magic));
        if (!magic) {  // perhaps it is something else, that has nothing here
            hal::log("{}: ffs: offset {}: {}", device, place, error_text(magic.error()));
            continue;
        }
        uint32_t swapped = __builtin_bswap32(magic.value());
        if (swapped == ufs1_magic || swapped == ufs2_magic)
            return hal::fail(Error::unsupported, "{}: ffs: a big-endian volume", device);
        if (magic.value() != ufs1_magic && magic.value() != ufs2_magic) continue;
        TRY(cache.read(place, std::as_writable_bytes(std::span(&super, 1))));
        if (!is_primary(super, place)) continue;
        Volume* volume = TRY(make_volume(cache));
        auto opened = volume->open(super, place);
        if (opened) return volume;
        delete volume;
        return opened.error();
    }
    return Error::not_found;
}

static Result<fs::FileSystem*> mount_for_reading(BlockCache& cache)
{
    return mount(cache, [](BlockCache& c) { return make<Volume>(c); });
}

}  // namespace ufs

namespace fs {
extern const FileSystemDriver ffs = {"ffs", ufs::mount_for_reading};
}
