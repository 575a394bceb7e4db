// SPDX-License-Identifier: BSD-2-Clause
// ext2 - the file systems ext2, ext3 and ext4 of Linux, reading.
//
// Nothing but nodes is kept in memory: group descriptors, inodes, block maps and extents are looked
// at through the cache. A node remembers the run of blocks that was mapped last, so that a file in
// one piece costs one mapping and one request to the device. Directories are searched linearly: an
// index (htree) lies in blocks that look unused to that.
// Supports: revisions 0 and 1, blocks of 1 ... 64 KiB, block maps and extents, holes, 64-bit,
// flex_bg, meta_bg, bigalloc, inline data; names of a casefold directory as they were written.
// Not: writing; a journal that needs replay; encrypted files; backup superblocks. Checksums are
// not looked at: all that is used is checked for sense instead.
// Spec: Linux, Documentation/filesystems/ext4; its sections are named below.
// Tested on: images of mke2fs, debugfs and e2fsck 1.47.
#include <algorithm>
#include <cstring>
#include "fs/fs.h"
#include "lib/bytes.h"

namespace {
using fs::DirectoryEntry, fs::NodeType;

// ---- What is on the disk, all of it little-endian

struct Superblock {  // "The Super Block"
    static constexpr uint64_t offset = 1024;
    static constexpr uint16_t right_magic = 0xef53;

    uint32_t inodes_count;
    uint32_t blocks_count_lo;
    uint32_t r_blocks_count_lo;
    uint32_t free_blocks_count_lo;
    uint32_t free_inodes_count;
    uint32_t first_data_block;
    uint32_t log_block_size;
    uint32_t log_cluster_size;
    uint32_t blocks_per_group;
    uint32_t clusters_per_group;
    uint32_t inodes_per_group;
    uint8_t times_and_counts[12];
    uint16_t magic;
    uint8_t state_and_checks[18];
    uint32_t rev_level;
    uint32_t def_resuid_gid;
    uint32_t first_ino;  // from here on only in revision 1
    uint16_t inode_size;
    uint16_t block_group_nr;
    uint32_t feature_compat;
    uint32_t feature_incompat;
    uint32_t feature_ro_compat;
    uint8_t uuid[16];
    char volume_name[16];
    uint8_t last_mounted_and_journal[118];
    uint16_t desc_size;
    uint32_t default_mount_opts;
    uint32_t first_meta_bg;
    uint8_t mkfs_time_and_journal_blocks[72];
    uint32_t blocks_count_hi;
    uint32_t r_blocks_count_hi;
    uint32_t free_blocks_count_hi;
    uint8_t errors_and_quota[240];
    uint32_t backup_bgs[2];
};
static_assert(sizeof(Superblock) == 0x254);

enum Compat : uint32_t { has_journal = 0x4, sparse_super2 = 0x200 };
enum Incompat : uint32_t {
    filetype = 0x2,
    recover = 0x4,
    meta_bg = 0x10,
    extents = 0x40,
    is_64bit = 0x80,
    mmp = 0x100,
    flex_bg = 0x200,
    ea_inode = 0x400,
    csum_seed = 0x2000,
    largedir = 0x4000,
    inline_data = 0x8000,
    encrypt = 0x10000,
    casefold = 0x20000,
};
enum RoCompat : uint32_t {
    sparse_super = 0x1,
    large_file = 0x2,
    btree_dir = 0x4,
    bigalloc = 0x200,
};

constexpr uint32_t known_incompat = filetype | recover | meta_bg | extents | is_64bit | mmp |
                                    flex_bg | ea_inode | csum_seed | largedir | inline_data |
                                    encrypt | casefold;
constexpr uint32_t ext3_incompat = filetype | recover | meta_bg;
constexpr uint32_t ext3_ro_compat = sparse_super | large_file | btree_dir;

struct GroupDescriptor {  // "Block Group Descriptors"
    static constexpr uint32_t short_size = 32;

    uint32_t block_bitmap_lo;
    uint32_t inode_bitmap_lo;
    uint32_t inode_table_lo;
    uint8_t counts_flags_and_checksums[20];
    uint32_t block_bitmap_hi;  // from here on only with is_64bit
    uint32_t inode_bitmap_hi;
    uint32_t inode_table_hi;
};

struct Inode {  // "Index Nodes"
    static constexpr uint32_t short_size = 128;
    static constexpr uint32_t root = 2;

    uint16_t mode;
    uint16_t uid;
    uint32_t size_lo;
    uint32_t atime;
    uint32_t ctime;
    uint32_t mtime;
    uint32_t dtime;
    uint16_t gid;
    uint16_t links_count;
    uint32_t blocks_lo;
    uint32_t flags;
    uint32_t osd1;
    std::byte block[60];
    uint32_t generation;
    uint32_t file_acl_lo;
    uint32_t size_high;
    uint32_t obso_faddr;
    uint8_t osd2[12];
    uint16_t extra_isize;  // from here on only in large inodes
    uint16_t checksum_hi;
    uint32_t ctime_extra;
    uint32_t mtime_extra;
};
static_assert(sizeof(Inode) == 0x8c);

enum InodeFlags : uint32_t {
    encrypt_fl = 0x800,
    extents_fl = 0x80000,
    inline_data_fl = 0x10000000,
};

constexpr size_t direct_blocks = 12;

struct ExtentHeader {  // "Extent Tree"
    static constexpr uint16_t right_magic = 0xf30a;
    static constexpr unsigned max_depth = 5;

    uint16_t magic;
    uint16_t entries;
    uint16_t max;
    uint16_t depth;
    uint32_t generation;
};
struct Extent {                                 // of a leaf
    static constexpr unsigned max_len = 32768;  // a larger len, less this, is uninitialised

    uint32_t block;
    uint16_t len;
    uint16_t start_hi;
    uint32_t start_lo;
};
struct ExtentIndex {  // of a node above the leaves
    uint32_t block;
    uint32_t leaf_lo;
    uint16_t leaf_hi;
    uint16_t unused;
};
static_assert(sizeof(Extent) == sizeof(ExtentHeader) && sizeof(Extent) == sizeof(ExtentIndex));
constexpr uint64_t max_file_blocks = 1ull << 32;

struct DirEntry {  // "Linear (Classic) Directories"; the name follows
    static constexpr size_t min_rec_len = 12;

    uint32_t inode;
    uint16_t rec_len;
    uint8_t name_len;
    uint8_t file_type;  // without `filetype`: the high byte of name_len, always 0
};

struct XattrEntry {  // "Extended Attributes"; the name follows
    uint8_t name_len;
    uint8_t name_index;
    uint16_t value_offs;
    uint32_t value_inum;
    uint32_t value_size;
    uint32_t hash;
};
constexpr uint32_t xattr_magic = 0xea020000;
constexpr uint8_t xattr_index_system = 7;

NodeType type_of_mode(uint16_t mode)
{
    switch (mode >> 12) {
    case 4: return NodeType::directory;
    case 8: return NodeType::file;
    case 10: return NodeType::symlink;
    default: return NodeType::other;
    }
}

// ---- The volume

class Ext2Node;

struct Geometry {
    unsigned block_shift = 0;
    uint64_t blocks = 0;
    uint32_t first_data_block = 0;
    uint32_t blocks_per_group = 0;
    uint32_t inodes = 0;
    uint32_t inodes_per_group = 0;
    uint32_t inode_size = Inode::short_size;
    uint32_t desc_size = GroupDescriptor::short_size;
    uint32_t compat = 0, incompat = 0, ro_compat = 0;
    uint32_t first_meta_bg = 0;
    uint32_t backup_bgs[2] = {};

    uint32_t block_bytes() const { return 1u << block_shift; }
    uint64_t groups() const
    {
        return (blocks - first_data_block + blocks_per_group - 1) / blocks_per_group;
    }
    // May blocks `first` ... first + count - 1 belong to a file, a directory or a table?
    bool holds(uint64_t first, uint64_t count = 1) const
    {
        return first > first_data_block && first < blocks && count <= blocks - first;
    }
};

class Ext2 final : public fs::FileSystem, public Geometry {
public:
    Ext2(BlockCache& volume, const Geometry& geometry, Buffer scratch)
        : Geometry(geometry), volume(volume), scratch_(std::move(scratch))
    {
    }
    ~Ext2() override;
    fs::Node& root() override;
    Result<void> sync() override { return volume.sync(); }
    Result<uint64_t> free_bytes() override { return free; }

    Result<void> load_root();
    // The one node of this inode.
    Result<Ext2Node*> node(uint32_t number);
    Result<NodeType> type_of(uint32_t number);
    // A block's contents, until the next call.
    Result<std::span<const std::byte>> directory_block(uint64_t block);
    std::span<std::byte> scratch()
    {
        scratch_block_ = 0;
        return scratch_.span();
    }

    BlockCache& volume;
    uint64_t free = 0;  // bytes

private:
    uint64_t descriptor_block(uint32_t group) const;
    Result<uint64_t> inode_offset(uint32_t number);

    Buffer scratch_;  // one block
    uint64_t scratch_block_ = 0;
    Ext2Node* root_ = nullptr;
    Ext2Node* nodes_[64] = {};  // by inode number, chained
};

bool is_power_of(uint32_t n, uint32_t base)
{
    while (n % base == 0) n /= base;
    return n == 1;
}

// "Sparse super" and "sparse_super2": which groups begin with a copy of the superblock.
bool has_superblock(const Geometry& of, uint32_t group)
{
    if (group == 0) return true;
    if (of.compat & sparse_super2) return group == of.backup_bgs[0] || group == of.backup_bgs[1];
    if (!(of.ro_compat & sparse_super) || group == 1) return true;
    return is_power_of(group, 3) || is_power_of(group, 5) || is_power_of(group, 7);
}

// "Meta Block Groups": from first_meta_bg on, a block of descriptors lies in the first of the
// groups that it describes; before that all of them follow the superblock.
uint64_t Ext2::descriptor_block(uint32_t group) const
{
    uint32_t per_block = block_bytes() / desc_size;
    uint32_t meta_group = group / per_block;
    uint64_t superblock = Superblock::offset >> block_shift;
    if (!(incompat & meta_bg) || meta_group < first_meta_bg || meta_group == 0)
        return superblock + 1 + meta_group;
    uint32_t first_group = meta_group * per_block;
    return first_data_block + uint64_t{first_group} * blocks_per_group +
           has_superblock(*this, first_group);
}

// Where on the device an inode is.
Result<uint64_t> Ext2::inode_offset(uint32_t number)
{
    auto name = volume.device().name.view();
    if (number == 0 || number > inodes)
        return hal::fail(Error::corrupt, "{}: {}: there is no inode {}", name, type, number);
    uint32_t group = (number - 1) / inodes_per_group, index = (number - 1) % inodes_per_group;
    uint64_t block = descriptor_block(group);
    if (!holds(block))
        return hal::fail(Error::corrupt,
                         "{}: {}: the descriptor of group {} would be in block {} of {}", name,
                         type, group, block, blocks);
    GroupDescriptor descriptor = {};
    size_t size = std::min<size_t>(desc_size, sizeof descriptor);
    TRY(volume.read((block << block_shift) + group % (block_bytes() / desc_size) * desc_size,
                    std::as_writable_bytes(std::span(&descriptor, 1)).first(size)));
    uint64_t table = uint64_t{descriptor.inode_table_hi} << 32 | descriptor.inode_table_lo;
    uint64_t within = uint64_t{index} * inode_size;
    if (!holds(table, (within >> block_shift) + 1))
        return hal::fail(Error::corrupt, "{}: {}: group {}: the inodes are in block {} of {}", name,
                         type, group, table, blocks);
    return (table << block_shift) + within;
}

Result<NodeType> Ext2::type_of(uint32_t number)
{
    uint64_t offset = TRY(inode_offset(number));
    return type_of_mode(TRY(volume.read_as<uint16_t>(offset)));
}

Result<std::span<const std::byte>> Ext2::directory_block(uint64_t block)
{
    if (scratch_block_ != block) {
        scratch_block_ = 0;
        TRY(volume.read(block << block_shift, scratch_.span()));
        scratch_block_ = block;
    }
    return std::span<const std::byte>(scratch_.span());
}

// ---- Nodes

class Ext2Node final : public fs::Node {
public:
    Ext2Node(Ext2& ext2, uint32_t number) : fs_(ext2) { id = number; }
    Result<void> load(uint64_t inode_offset);

    Result<size_t> read(uint64_t offset, std::span<std::byte> into) override;
    Result<fs::Node*> find(std::string_view name) override;
    Result<bool> next_entry(uint64_t& position, DirectoryEntry& entry) override;
    Result<void> read_link(Text<fs::max_path>& target) override;

    Ext2Node* next = nullptr;  // of those with the same hash

private:
    struct Run {  // blocks of the file that lie one behind the other on the disk, or nowhere
        uint64_t first = 0, end = 0;
        uint64_t physical = 0;
        bool hole = false;
    };
    struct Piece {  // of a directory: whole records
        uint64_t start = 0;
        std::span<const std::byte> bytes;
    };
    struct Record {
        uint32_t inode = 0;
        uint8_t type = 0;
        size_t length = 0;
        std::string_view name;
    };

    // Logs what is wrong with this inode.
    template <class... Args> Error damaged(std::string_view format, const Args&... args) const
    {
        FormatArgument arguments[] = {args..., ""};
        return report(format, std::span<const FormatArgument>(arguments, sizeof...(args)));
    }
    Error report(std::string_view format, std::span<const FormatArgument> arguments) const;

    Result<void> check(const Inode& inode) const;
    Result<void> find_inline_tail(uint64_t inode_offset, uint32_t extra_isize);
    Result<size_t> read_data(uint64_t offset, std::span<std::byte> into);
    Result<void> read_inline(uint64_t offset, std::span<std::byte> into);

    Result<void> map(uint64_t block);
    Result<void> map_classic(uint64_t block);
    Result<void> map_pointers(uint64_t block, const std::byte* pointers, size_t count);
    Result<void> map_extents(uint64_t block);
    Result<void> map_leaf(uint64_t block, const Extent& extent, uint64_t end);
    Result<ExtentHeader> extent_header(uint64_t node);
    Result<bool> find_extent(uint64_t node, unsigned entries, uint64_t block, Run& range,
                             Extent& found);
    template <class T> Result<T> extent_node_read(uint64_t node, size_t offset);

    Result<Piece> piece_at(uint64_t offset);
    Result<Record> record_at(const Piece& piece, uint64_t offset) const;

    Ext2& fs_;
    uint32_t flags_ = 0;
    uint64_t inline_tail_ = 0;  // where on the device inline data continues
    std::byte block_[60] = {};  // pointers, the root of the extents, or data
    Run run_;                   // what was mapped last
};

Error Ext2Node::report(std::string_view format, std::span<const FormatArgument> arguments) const
{
    char what[160];
    format_to(what, format, arguments);
    return hal::fail(Error::corrupt, "{}: {}: inode {}: {}", fs_.volume.device().name.view(),
                     fs_.type, id, what);
}

Ext2::~Ext2()
{
    for (Ext2Node* node : nodes_) {
        while (node) delete std::exchange(node, node->next);
    }
}

fs::Node& Ext2::root() { return *root_; }

Result<Ext2Node*> Ext2::node(uint32_t number)
{
    Ext2Node*& chain = nodes_[number % std::size(nodes_)];
    for (Ext2Node* node = chain; node; node = node->next) {
        if (node->id == number) return node;
    }
    uint64_t offset = TRY(inode_offset(number));
    Ext2Node* node = TRY(make<Ext2Node>(*this, number));
    if (auto loaded = node->load(offset); !loaded) {
        delete node;
        return loaded.error();
    }
    node->next = chain;
    chain = node;
    return node;
}

Result<void> Ext2::load_root()
{
    root_ = TRY(node(Inode::root));
    if (root_->type == NodeType::directory) return {};
    return hal::fail(Error::corrupt, "{}: {}: the root is not a directory",
                     volume.device().name.view(), type);
}

Result<void> Ext2Node::load(uint64_t inode_offset)
{
    Inode inode = {};
    size_t bytes = std::min<size_t>(fs_.inode_size, sizeof inode);
    TRY(fs_.volume.read(inode_offset, std::as_writable_bytes(std::span(&inode, 1)).first(bytes)));
    type = type_of_mode(inode.mode);
    mode = inode.mode & 07777;
    size = inode.size_lo;
    if (type == NodeType::file || (fs_.incompat & largedir))
        size |= uint64_t{inode.size_high} << 32;
    modified_s = static_cast<int32_t>(inode.mtime);
    if (inode.extra_isize >= offsetof(Inode, mtime_extra) + 4 - Inode::short_size)
        modified_s += int64_t{inode.mtime_extra & 3} << 32;  // "Inode Timestamps"
    flags_ = inode.flags;
    memcpy(block_, inode.block, sizeof block_);
    TRY(check(inode));
    if ((flags_ & inline_data_fl) && size > sizeof block_)
        TRY(find_inline_tail(inode_offset, inode.extra_isize));
    return {};
}

Result<void> Ext2Node::check(const Inode& inode) const
{
    if (inode.mode >> 12 == 0) return damaged("a name leads to it, but it is not in use");
    if (flags_ & encrypt_fl)
        return hal::fail(Error::unsupported, "{}: {}: inode {} is encrypted",
                         fs_.volume.device().name.view(), fs_.type, id);
    if (size > max_file_blocks << fs_.block_shift) return damaged("a size of {} bytes", size);
    if (type != NodeType::directory) return {};
    if (flags_ & inline_data_fl) {
        if (size < sizeof block_) return damaged("an inline directory of {} bytes", size);
    } else if (size % fs_.block_bytes() || size >> fs_.block_shift > fs_.blocks) {
        return damaged("a directory of {} bytes", size);
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
    while (!into.empty()) {
        TRY(map(offset >> fs_.block_shift));
        uint64_t within = offset - (run_.first << fs_.block_shift);
        uint64_t left = ((run_.end - run_.first) << fs_.block_shift) - within;
        auto piece = into.first(static_cast<size_t>(std::min<uint64_t>(into.size(), left)));
        if (run_.hole)
            memset(piece.data(), 0, piece.size());
        else
            TRY(fs_.volume.read((run_.physical << fs_.block_shift) + within, piece));
        offset += piece.size();
        into = into.subspan(piece.size());
    }
    return wanted;
}

Result<void> Ext2Node::read_link(Text<fs::max_path>& target)
{
    if (type != NodeType::symlink) return Error::invalid;
    target.clear();
    if (size > target.capacity()) return Error::too_large;
    if (size < sizeof block_ && !(flags_ & extents_fl)) {  // "Symbolic Links"
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

// ---- Inline data: the first 60 bytes in the inode's block field, the rest in an attribute behind
// it

Result<void> Ext2Node::find_inline_tail(uint64_t inode_offset, uint32_t extra_isize)
{
    size_t wanted = static_cast<size_t>(std::min<uint64_t>(size - sizeof block_, fs_.inode_size));
    size_t header = Inode::short_size + extra_isize, first = header + 4;
    if (first > fs_.inode_size || wanted < size - sizeof block_ ||
        TRY(fs_.volume.read_as<uint32_t>(inode_offset + header)) != xattr_magic)
        return damaged("inline data of {} bytes, but no attributes", size);
    for (size_t at = first; at + sizeof(XattrEntry) + 4 <= fs_.inode_size;) {
        auto entry = TRY(fs_.volume.read_as<XattrEntry>(inode_offset + at));
        if (entry.name_len == 0 && entry.name_index == 0 && entry.value_offs == 0) break;
        auto name = TRY(fs_.volume.read_as<uint32_t>(inode_offset + at + sizeof entry));
        at += (sizeof entry + entry.name_len + 3) & ~size_t{3};
        if (entry.name_index != xattr_index_system || entry.name_len != 4 ||
            memcmp(&name, "data", 4) != 0)
            continue;
        if (entry.value_inum != 0 || entry.value_size < wanted ||
            entry.value_offs > fs_.inode_size - first ||
            entry.value_size > fs_.inode_size - first - entry.value_offs)
            return damaged("inline data of {} bytes at {}", entry.value_size, entry.value_offs);
        inline_tail_ = inode_offset + first + entry.value_offs;
        return {};
    }
    return damaged("inline data of {} bytes does not continue", size);
}

Result<void> Ext2Node::read_inline(uint64_t offset, std::span<std::byte> into)
{
    if (offset < sizeof block_) {
        size_t count = std::min(into.size(), sizeof block_ - static_cast<size_t>(offset));
        memcpy(into.data(), block_ + offset, count);
        into = into.subspan(count);
        offset += count;
    }
    if (into.empty()) return {};
    return fs_.volume.read(inline_tail_ + offset - sizeof block_, into);
}

// ---- Mapping: run_ becomes one that holds the block of the file

Result<void> Ext2Node::map(uint64_t block)
{
    if (block >= run_.first && block < run_.end) return {};
    return flags_ & extents_fl ? map_extents(block) : map_classic(block);
}

// "Direct/Indirect Block Addressing": trees of one, two and three levels behind 12 direct pointers.
Result<void> Ext2Node::map_classic(uint64_t block)
{
    if (block < direct_blocks)
        return map_pointers(block, block_ + block * 4, direct_blocks - static_cast<size_t>(block));
    unsigned bits = fs_.block_shift - 2;  // of an index into a block of pointers
    unsigned level = 1;
    uint64_t index = block - direct_blocks;
    while (index >> (bits * level)) {
        index -= 1ull << (bits * level);
        if (++level > 3) return damaged("block {} is more than can be addressed", block);
    }
    uint32_t pointer = le32(block_ + (direct_blocks + level - 1) * 4);
    for (;; --level) {
        uint64_t below = (1ull << (bits * level)) - 1;  // the part of index that this tree resolves
        if (pointer == 0) {
            uint64_t first = block - (index & below);
            run_ = {first, first + below + 1, 0, true};
            return {};
        }
        if (!fs_.holds(pointer)) return damaged("indirect block {} of {}", pointer, fs_.blocks);
        uint64_t pointers = uint64_t{pointer} << fs_.block_shift;
        size_t slot = static_cast<size_t>((index & below) >> (bits * (level - 1)));
        if (level == 1) {
            std::byte some[1024];
            size_t count = std::min<size_t>(sizeof some / 4, (size_t{1} << bits) - slot);
            TRY(fs_.volume.read(pointers + slot * 4, std::span(some).first(count * 4)));
            return map_pointers(block, some, count);
        }
        pointer = TRY(fs_.volume.read_as<uint32_t>(pointers + slot * 4));
    }
}

// As many of these pointers as name blocks in a row, or none.
Result<void> Ext2Node::map_pointers(uint64_t block, const std::byte* pointers, size_t count)
{
    uint32_t start = le32(pointers);
    uint32_t step = start ? 1 : 0;
    size_t run = 1;
    while (run < count && le32(pointers + run * 4) == start + run * step) ++run;
    if (start && !fs_.holds(start, run))
        return damaged("block {} lies at {} ... {} of {}", block, start, start + run - 1,
                       fs_.blocks);
    run_ = {block, block + run, start, start == 0};
    return {};
}

// "Extent Tree": the root is in the inode, other nodes fill a block each.
Result<void> Ext2Node::map_extents(uint64_t block)
{
    uint64_t node = 0;                                 // 0: in the inode
    Run range = {.first = 0, .end = max_file_blocks};  // of the file: what this node is about
    auto header = TRY(extent_header(node));
    if (header.depth > ExtentHeader::max_depth) return damaged("extents {} deep", header.depth);
    for (unsigned depth = header.depth;; --depth) {
        if (header.depth != depth || (depth > 0 && header.entries == 0))
            return damaged("the extents in block {} are {} deep, not {}", node, header.depth,
                           depth);
        Extent found;
        if (!TRY(find_extent(node, header.entries, block, range, found))) {
            run_ = {range.first, range.end, 0, true};
            return {};
        }
        if (depth == 0) return map_leaf(block, found, range.end);
        auto index = std::bit_cast<ExtentIndex>(found);
        node = uint64_t{index.leaf_hi} << 32 | index.leaf_lo;
        if (!fs_.holds(node)) return damaged("extents in block {} of {}", node, fs_.blocks);
        header = TRY(extent_header(node));
    }
}

// A piece of a node of the tree. All entries begin with the same field, so Extent stands for both.
template <class T> Result<T> Ext2Node::extent_node_read(uint64_t node, size_t offset)
{
    if (node != 0) return fs_.volume.read_as<T>((node << fs_.block_shift) + offset);
    T value;
    memcpy(&value, block_ + offset, sizeof value);
    return value;
}

Result<ExtentHeader> Ext2Node::extent_header(uint64_t node)
{
    auto header = TRY(extent_node_read<ExtentHeader>(node, 0));
    size_t room = (node ? fs_.block_bytes() : sizeof block_) / sizeof(Extent) - 1;
    if (header.magic != ExtentHeader::right_magic || header.max > room ||
        header.entries > header.max)
        return damaged("block {} holds no extents: magic {x}, {} of {} entries", node, header.magic,
                       header.entries, header.max);
    return header;
}

// Finds the last entry at or before a block; the range becomes that from it to the next entry.
// False if all entries are behind the block. Entries that it sees out of order are an error.
Result<bool> Ext2Node::find_extent(uint64_t node, unsigned entries, uint64_t block, Run& range,
                                   Extent& found)
{
    bool any = false;
    for (unsigned low = 0, high = entries; low < high;) {
        unsigned middle = (low + high) / 2;
        auto entry = TRY(extent_node_read<Extent>(node, (middle + 1) * sizeof(Extent)));
        // Entries grow: there is room for those between this one and the ends of the range.
        if (entry.block < range.first + any + (middle - low) ||
            entry.block + uint64_t{high - middle} > range.end)
            return damaged("extent {} in block {} is out of order", middle, node);
        if (entry.block <= block) {
            any = true;
            found = entry;
            range.first = entry.block;
            low = middle + 1;
        } else {
            range.end = entry.block;
            high = middle;
        }
    }
    return any;
}

Result<void> Ext2Node::map_leaf(uint64_t block, const Extent& extent, uint64_t end)
{
    bool uninitialised = extent.len > Extent::max_len;
    uint32_t length = uninitialised ? extent.len - Extent::max_len : extent.len;
    uint64_t start = uint64_t{extent.start_hi} << 32 | extent.start_lo;
    uint64_t extent_end = uint64_t{extent.block} + length;
    if (length == 0 || extent_end > end || !fs_.holds(start, length))
        return damaged("an extent of {} blocks at {}, in block {} of {}", length, extent.block,
                       start, fs_.blocks);
    if (block < extent_end)
        run_ = {extent.block, extent_end, start, uninitialised};
    else
        run_ = {extent_end, end, 0, true};
    return {};
}

// ---- Directories

Result<Ext2Node::Piece> Ext2Node::piece_at(uint64_t offset)
{
    if (flags_ &
        inline_data_fl) {  // "Inline Directories": two lists, the first behind a parent's number
        std::span<std::byte> all = fs_.scratch().first(static_cast<size_t>(size));
        TRY(read_inline(0, all));
        if (offset < sizeof block_) return Piece{4, all.first(sizeof block_).subspan(4)};
        return Piece{sizeof block_, all.subspan(sizeof block_)};
    }
    uint64_t block = offset >> fs_.block_shift;
    TRY(map(block));
    if (run_.hole) return damaged("the directory has no block {}", block);
    auto bytes = TRY(fs_.directory_block(run_.physical + (block - run_.first)));
    return Piece{block << fs_.block_shift, bytes};
}

Result<Ext2Node::Record> Ext2Node::record_at(const Piece& piece, uint64_t offset) const
{
    auto bytes = piece.bytes.subspan(static_cast<size_t>(offset - piece.start));
    if (bytes.size() < DirEntry::min_rec_len) return damaged("no entry fits at {}", offset);
    DirEntry entry;
    memcpy(&entry, bytes.data(), sizeof entry);
    // A length of 64 KiB does not fit 16 bits: the two bits that a multiple of 4 has to spare hold
    // it.
    size_t length = entry.rec_len;
    if (fs_.block_bytes() == 65536)
        length = length == 65535 || length == 0 ? 65536 : (length & ~3u) | (length & 3) << 16;
    bool has_type = fs_.incompat & filetype;
    if (length < DirEntry::min_rec_len || length % 4 || length > bytes.size() ||
        length < sizeof entry + entry.name_len)
        return damaged("the entry at {} has {} bytes, its name {}", offset, length, entry.name_len);
    if (entry.inode == 0) return Record{.length = length};
    std::string_view name(reinterpret_cast<const char*>(bytes.data()) + sizeof entry,
                          entry.name_len);
    bool bad_name =
        std::any_of(name.begin(), name.end(), [](char c) { return c == '/' || c == 0; });
    if (name.empty() || bad_name || (!has_type && entry.file_type))
        return damaged("the entry at {} has an impossible name", offset);
    return Record{entry.inode, has_type ? entry.file_type : uint8_t{0}, length, name};
}

Result<fs::Node*> Ext2Node::find(std::string_view name)
{
    if (type != NodeType::directory) return Error::not_directory;
    for (uint64_t offset = 0; offset < size;) {
        Piece piece = TRY(piece_at(offset));
        uint64_t end = piece.start + piece.bytes.size();
        for (offset = piece.start; offset < end;) {
            Record record = TRY(record_at(piece, offset));
            if (record.inode && record.name == name) return TRY(fs_.node(record.inode));
            offset += record.length;
        }
    }
    return nullptr;
}

Result<bool> Ext2Node::next_entry(uint64_t& position, DirectoryEntry& entry)
{
    if (type != NodeType::directory) return Error::not_directory;
    while (position < size) {
        Piece piece = TRY(piece_at(position));
        uint64_t offset = std::max(position, piece.start);
        Record record = TRY(record_at(piece, offset));
        if (record.inode && record.name != "." && record.name != "..") {
            entry.name.clear();
            entry.name.append(record.name);
            entry.id = record.inode;
            switch (record.type) {
            case 0: entry.type = TRY(fs_.type_of(record.inode)); break;
            case 1: entry.type = NodeType::file; break;
            case 2: entry.type = NodeType::directory; break;
            case 7: entry.type = NodeType::symlink; break;
            default: entry.type = NodeType::other;
            }
        }
        position = offset + record.length;
        if (record.inode && record.name != "." && record.name != "..") return true;
    }
    return false;
}

// ---- Mounting

template <class... Args>
Error bad_superblock(std::string_view device, const char* field, Args... values)
{
    Text<64> text;
    (text.print(" {}", values), ...);
    return hal::fail(Error::corrupt, "{}: ext2: the superblock is damaged: {} is{}", device, field,
                     text.view());
}

Result<void> check_features(std::string_view device, const Superblock& super)
{
    if (super.rev_level > 1)
        return hal::fail(Error::unsupported, "{}: ext2: revision {}", device, super.rev_level);
    if (super.rev_level == 0) return {};
    if (uint32_t unknown = super.feature_incompat & ~known_incompat)
        return hal::fail(Error::unsupported, "{}: ext2: unknown features: incompat {x}", device,
                         unknown);
    if (super.feature_incompat & recover)
        return hal::fail(Error::unsupported,
                         "{}: ext2: the journal needs replay: run e2fsck or mount it once on Linux",
                         device);
    return {};
}

// What only revision 1 has.
Result<void> read_extension(std::string_view device, const Superblock& super, Geometry& geometry)
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

Result<Geometry> read_geometry(BlockCache& volume, const Superblock& super)
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
    if (geometry.inodes < Inode::root ||
        geometry.inodes > geometry.groups() * geometry.inodes_per_group)
        return bad_superblock(device, "inodes_count", geometry.inodes);
    return geometry;
}

const char* type_name(const Geometry& geometry)
{
    if ((geometry.incompat & ~ext3_incompat) || (geometry.ro_compat & ~ext3_ro_compat))
        return "ext4";
    return geometry.compat & has_journal ? "ext3" : "ext2";
}

Result<fs::FileSystem*> mount(BlockCache& volume)
{
    if (volume.bytes() < Superblock::offset + 1024) return Error::not_found;
    auto super = TRY(volume.read_as<Superblock>(Superblock::offset));
    if (super.magic != Superblock::right_magic) return Error::not_found;
    TRY(check_features(volume.device().name.view(), super));
    Geometry geometry = TRY(read_geometry(volume, super));

    Buffer scratch = TRY(Buffer::of(geometry.block_bytes()));
    Ext2* ext2 = TRY(make<Ext2>(volume, geometry, std::move(scratch)));
    ext2->type = type_name(geometry);
    ext2->bytes = geometry.blocks << geometry.block_shift;
    uint64_t free_blocks = super.free_blocks_count_lo;
    if (geometry.incompat & is_64bit) free_blocks |= uint64_t{super.free_blocks_count_hi} << 32;
    ext2->free = std::min(free_blocks, geometry.blocks) << geometry.block_shift;
    if (super.rev_level > 0) {
        for (char c : super.volume_name) {
            if (c == 0) break;
            ext2->label.append(c);
        }
    }
    if (auto loaded = ext2->load_root(); !loaded) {
        delete ext2;
        return loaded.error();
    }
    return ext2;
}

}  // namespace

namespace fs {
extern const FileSystemDriver ext2 = {"ext2", ::mount};
}
