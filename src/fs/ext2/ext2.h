// SPDX-License-Identifier: BSD-2-Clause
// The file systems ext2, ext3 and ext4 of Linux: what the files of this folder share.
//
// Nothing but nodes is kept in memory: group descriptors, bitmaps, inodes, block maps and extents
// are looked at through the cache. On a volume without a journal the cache is told what has to be
// on the medium before what, and what is freed is free when nothing on the medium names it any
// more (see Ext2::sync); with one, all changes between two commits are one transaction.
// Supports: revisions 0 and 1, blocks of 1 ... 64 KiB, block maps and extents, holes, indexes of
// directories (htree), 64-bit, flex_bg, meta_bg, uninit_bg, sparse_super2, metadata checksums,
// the journal of ext3 and ext4. Reads only: volumes with other features, as why_read_only() says.
// Not: encrypted files; backup superblocks; journals on another device.
// Spec: Linux, Documentation/filesystems/ext4; its sections are named in the files.
// Tested on: images of mke2fs, debugfs and e2fsck 1.47, which also checks what is written.
#pragma once
#include <algorithm>
#include <bit>
#include <cstring>
#include "fs/ext2/format.h"
#include "fs/fs.h"
#include "fs/removed_names.h"
#include "lib/bytes.h"

namespace ext {
using fs::DirectoryEntry, fs::NodeType;

NodeType type_of_mode(uint16_t mode);

// The CRC-32C of Castagnoli as ext4 uses it: without inversions, from a seed on.
using Content = std::span<const std::byte>;
uint32_t crc32c(uint32_t seed, Content bytes);
uint32_t crc32c_patch(uint32_t before, Content behind, uint32_t after);
uint32_t crc32c_move(uint32_t sum, size_t behind);
template <class T> uint32_t crc32c_of(uint32_t seed, const T& value)
{
    return crc32c(seed, std::as_bytes(std::span(&value, 1)));
}

// ---- The volume

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
    uint64_t offset_of(uint64_t block) const { return block << block_shift; }
    uint32_t groups() const
    {
        return static_cast<uint32_t>((blocks - first_data_block + blocks_per_group - 1) /
                                     blocks_per_group);
    }
    uint64_t first_block_of(uint32_t group) const
    {
        return first_data_block + uint64_t{group} * blocks_per_group;
    }
    uint32_t blocks_in(uint32_t group) const
    {
        return static_cast<uint32_t>(
            std::min<uint64_t>(blocks_per_group, blocks - first_block_of(group)));
    }
    uint32_t group_of(uint64_t block) const
    {
        return static_cast<uint32_t>((block - first_data_block) / blocks_per_group);
    }
    // May blocks `first` ... first + count - 1 belong to a file, a directory or a table?
    bool holds(uint64_t first, uint64_t count = 1) const
    {
        return first > first_data_block && first < blocks && count <= blocks - first;
    }
    bool has_checksums() const { return ro_compat & metadata_csum; }
    bool has_group_checksums() const { return ro_compat & (metadata_csum | gdt_csum); }
};

struct Blocks {  // in a row
    uint64_t start = 0;
    uint32_t count = 0;
};

class Ext2Node;
class Journal;

// Where the next entry of a directory is.
struct Cursor {
    const Ext2Node* node = nullptr;
    uint64_t position = 0;
    const std::byte *at = nullptr, *end = nullptr;  // of its block
    uint32_t changes = 0, replaced = 0;  // those are good while the cache has replaced no more
};

// A part of a directory in the order of its hashes.
struct Listed {
    uint64_t position;
    uint32_t block, at;
};
struct Listing {
    const Ext2Node* node = nullptr;
    uint32_t changes = 0;
    uint64_t from = 0, end = 0;
    size_t count = 0;
    Buffer memory;

    Listed* entries() const { return reinterpret_cast<Listed*>(memory.data()); }
    bool add(const Listed& entry);  // false: no memory
};

// A bitmap of one group: what may be taken has 0.
struct Bitmap {
    static constexpr uint32_t none = ~0u;

    uint32_t group = none;
    uint32_t bits = 0;
    uint64_t block = 0;
    uint32_t taken_before = 0;  // all bits before this one, as far as anybody may take them
    Buffer data;

    bool test(uint32_t bit) const
    {
        return (data.data()[bit / 8] >> bit % 8 & std::byte{1}) != std::byte{0};
    }
    void set(uint32_t bit) { data.data()[bit / 8] |= std::byte{1} << bit % 8; }
    // The first bit from `from` on, and before `end`, that is `value`; `end` if there is none.
    uint32_t next(uint32_t from, bool value, uint32_t end) const;
};

class Ext2 final : public fs::FileSystem, public Geometry {
public:
    Ext2(BlockCache& cache, const Geometry& geometry, const Superblock& super)
        : Geometry(geometry), cache(cache), removed(cache), super(super)
    {
    }
    ~Ext2() override;
    Result<void> start();
    fs::Node& root() override;
    Result<void> sync() override;
    Result<uint64_t> free_bytes() override
    {
        return offset_of(free_blocks() + (journal ? 0 : waiting_blocks_));
    }

    std::string_view name() const { return cache.device().name.view(); }
    // Logs what is wrong with the volume.
    template <class... Args> Error damaged(Format format, const Args&... args) const
    {
        std::initializer_list<FormatArgument> list = {args...};
        return report({}, format, {list.begin(), list.size()});
    }
    Error report(const Ext2Node* node, std::string_view format,
                 std::span<const FormatArgument> arguments) const;
    void set_read_only(const char* why);

    // ---- nodes (inode.cpp)
    Result<Ext2Node*> node(uint32_t number);  // the one of this inode
    Result<Ext2Node*> new_node(uint32_t number);
    void drop(Ext2Node& node);  // it is no more
    Result<NodeType> type_of(uint32_t number);
    Result<uint64_t> inode_offset(uint32_t number);  // on the device

    // ---- the superblock and what is written when (mount.cpp)
    Result<void> write_super();
    // Before each operation that changes something.
    Result<void> prepare();
    bool has_waiting() const { return freed_count_ || waiting_nodes_; }
    // What is at `first` has to be on the medium before what is about to be written at `later`.
    Result<void> before(uint64_t first, uint64_t later) { return cache.order(first, later); }
    template <class T> Result<void> put(uint64_t offset, const T& value)
    {
        return cache.write(offset, std::as_bytes(std::span(&value, 1)));
    }
    Result<void> zero(uint64_t offset, uint64_t bytes, BlockCache::Kind kind);
    uint64_t free_blocks() const
    {
        return uint64_t{incompat & is_64bit ? super.free_blocks_count_hi : 0} << 32 |
               super.free_blocks_count_lo;
    }
    Result<void> need_feature(uint32_t ro_feature);
    // Inodes without a name that are still to be freed: a list that begins in the superblock.
    Result<void> add_orphan(Ext2Node& node);
    Result<void> remove_orphan(Ext2Node& node);
    void free_later(Ext2Node& node);  // without a journal: see sync()

    // ---- groups and their checksums (groups.cpp)
    Result<GroupDescriptor> group(uint32_t number);
    Result<void> put_group(uint32_t number, GroupDescriptor& descriptor);
    uint64_t descriptor_offset(uint32_t group) const;
    bool has_superblock(uint32_t group) const;
    Result<void> load_block_bitmap(uint32_t group, GroupDescriptor& descriptor);
    Result<void> load_inode_bitmap(uint32_t group, GroupDescriptor& descriptor);
    // Whether the checksum of a block of extents or of a directory has been looked at.
    bool is_checked(uint64_t block) { return cache.is_marked(offset_of(block)); }
    void set_checked(uint64_t block, bool checked = true) { cache.mark(offset_of(block), checked); }

    // ---- allocation (allocate.cpp)
    // At most `wanted` in a row, at `goal` or near it. Errors: no_space.
    Result<Blocks> allocate(uint64_t goal, uint32_t wanted);
    Result<void> free(Blocks blocks);
    uint64_t goal_near(uint32_t inode) const;
    Result<uint32_t> allocate_inode(uint32_t near, bool directory);
    Result<void> free_inode(uint32_t number, bool directory);
    // On the device; of what has been allocated last.
    uint64_t bitmap_offset_of(uint64_t block) const;
    uint64_t inode_bitmap_offset_of(uint32_t inode) const;
    void forget_busy();

    // A block's contents, until the next call; what they are is the caller's to know.
    Result<std::span<std::byte>> block(uint64_t number);
    // The same, to look at, until anything else is done.
    Result<Content> look(uint64_t number)
    {
        if (block_bytes() <= BlockCache::line_bytes)
            return cache.look(offset_of(number), block_bytes());
        return Content(TRY(block(number)));
    }
    std::span<std::byte> scratch()
    {
        scratch_block_ = 0;
        return scratch_.span();
    }
    void forget_scratch() { scratch_block_ = 0; }

    BlockCache& cache;
    fs::RemovedNames removed;
    Superblock super;
    uint32_t seed = 0;  // of all checksums
    void seal(Superblock& changed) const;
    Journal* journal = nullptr;
    bool trusts_indexes() const { return !is_unclean_; }
    // Of what gives something back: where that fails, there is lost space.
    void given_back(Error error) { has_lost_space_ |= error != Error{}; }
    uint32_t changes = 0;                 // of directories, counted
    uint64_t last_entry = 0, holder = 0;  // where on the device the last one was put, or pointer
    uint64_t original = 0;                // of what is put into a new block; 0: it is new, too
    Listing listing;
    Cursor listed;

private:
    Result<void> start_writing();
    Result<void> sync_all();
    Result<void> apply_frees();
    void settle_nodes();
    Result<void> clean_orphans();
    Result<Blocks> take(uint32_t group, GroupDescriptor& descriptor, uint32_t from, uint32_t wanted,
                        uint32_t least);
    Result<void> mark_blocks(Blocks blocks, bool used);
    Result<void> remember_freed(Blocks blocks);
    void hide_busy();
    bool is_full(uint32_t group, unsigned kind) const
    {
        return (full_.data()[group / 4] >> (group % 4 * 2 + kind) & std::byte{1}) != std::byte{0};
    }
    void set_full(uint32_t group, unsigned kind, bool full);
    Result<void> change_bits(GroupDescriptor& descriptor, bool of_inodes, uint32_t first,
                             uint32_t count, bool value);
    Result<void> seal_bitmap(GroupDescriptor& descriptor, bool of_inodes);
    void put_bitmap_sum(GroupDescriptor& descriptor, bool of_inodes, uint32_t sum) const;
    size_t bitmap_bytes(bool of_inodes) const
    {
        return (of_inodes ? inodes_per_group : blocks_per_group) / 8;
    }
    void make_block_bitmap(uint32_t group, const GroupDescriptor& descriptor);
    void write_free_blocks(uint64_t count);

    Buffer scratch_;  // one block
    uint64_t scratch_block_ = 0;
    Ext2Node* root_ = nullptr;
    Bitmap block_bitmap_, inode_bitmap_;
    Buffer full_;     // two bits for each group: no free blocks, no free inodes
    Buffer trusted_;  // and: the checksum of its bitmap has been looked at
    // Freed, but not to be taken before the medium knows: without a journal their bits are still
    // set, with one they are busy until the commit.
    Buffer freed_;
    size_t freed_count_ = 0;
    uint64_t waiting_blocks_ = 0;
    Ext2Node* waiting_nodes_ = nullptr;
    Ext2Node* orphans_ = nullptr;
    uint64_t last_allocated_ = 0;
    uint64_t counts_written_ = 0;
    uint32_t super_sum_ = 0;   // of the superblock's first sector
    bool in_use_ = false;      // something has been changed since the last sync()
    bool is_unclean_ = false;  // and was so when it was mounted
    bool is_syncing_ = false;
    bool has_lost_space_ = false;
};

// ---- Nodes

struct Budget {  // of what one step may free
    unsigned left = 64;
    uint64_t group = ~0ull;
};

class Ext2Node final : public fs::CachedNode {
public:
    Ext2Node(Ext2& ext2, uint32_t number) : fs_(ext2) { id = number; }
    ~Ext2Node() override
    {
        if (fs_.listing.node == this) fs_.listing.node = nullptr;
        if (fs_.listed.node == this) fs_.listed.node = nullptr;
    }
    bool is_needed() const override { return inode_changed_ || is_waiting || is_orphan || doomed; }
    Result<void> load(uint64_t inode_offset);

    Result<size_t> read(uint64_t offset, std::span<std::byte> into) override;
    Result<fs::Node*> find(std::string_view name) override;
    Result<bool> next_entry(uint64_t& position, DirectoryEntry& entry) override;
    Result<void> read_link(Text<fs::max_path>& target) override;
    Result<size_t> write(uint64_t offset, std::span<const std::byte> from) override;
    Result<void> truncate(uint64_t bytes) override;
    Result<fs::Node*> create(std::string_view name, NodeType type, uint16_t permissions) override;
    Result<void> make_link(std::string_view name, std::string_view target) override;
    Result<void> add_name(std::string_view name, fs::Node& file) override;
    Result<void> remove(std::string_view name) override;
    Result<void> rename(std::string_view name, fs::Node& to, std::string_view new_name) override;
    Result<void> set_modified(int64_t seconds) override;
    Result<void> set_mode(uint16_t permissions) override;

    // The run of blocks on the device that holds a block of the file, or nothing.
    Result<Blocks> run_at(uint64_t block);
    Result<void> write_inode();
    // Frees all that it has, in steps, and then the inode.
    Result<void> destroy();
    Result<void> shrink(uint64_t bytes);
    uint32_t number() const { return static_cast<uint32_t>(id); }

    Ext2Node *next_orphan = nullptr, *previous_orphan = nullptr;
    Ext2Node* next_waiting = nullptr;
    uint32_t waiting_links = 0;  // removed, but the inode has to count them still
    bool is_waiting = false, is_orphan = false;
    bool doomed = false;  // it is, or is about to be, free

private:
    friend class Ext2;
    struct Run {  // blocks of the file that lie one behind the other on the disk, or nowhere
        uint64_t first = 0, end = 0;
        uint64_t physical = 0;
        bool hole = false;
        bool unwritten = false;  // a hole with blocks of its own
        bool has(uint64_t block) const { return block >= first && block < end; }
    };
    struct Record {
        uint32_t inode = 0;
        uint8_t type = 0;
        size_t length = 0;
        std::string_view name;
    };
    struct View {  // of a part of a directory: whole records; until anything else is done
        uint64_t start = 0;
        Content bytes;
        uint64_t physical = 0;  // block
    };
    struct Piece {  // that can be changed
        uint64_t start = 0;
        std::span<std::byte> bytes;
        uint64_t physical = 0;
        operator View() const { return {start, bytes, physical}; }
    };
    struct Slot {  // where an entry is
        View piece;
        // In the piece. Of the entry before it in the same sector, or the same: a power cut leaves
        // of two sectors perhaps one.
        size_t at = 0, before = 0;
        size_t length = 0;
        uint32_t inode = 0;
        uint8_t type = 0;
    };

    // Logs what is wrong with this inode.
    template <class... Args> Error damaged(Format format, const Args&... args) const
    {
        if (looks_ahead_) return Error::corrupt;
        std::initializer_list<FormatArgument> list = {args...};
        return fs_.report(this, format, {list.begin(), list.size()});
    }

    // inode.cpp
    Result<void> check(const Inode& inode) const;
    void take_times(const Inode& inode);
    void change(Inode& inode) const;
    Result<void> find_inline_tail(uint64_t inode_offset, uint32_t extra_isize);
    Result<void> read_inline(uint64_t offset, std::span<std::byte> into);
    Result<Ext2Node*> make_node(NodeType type, uint16_t permissions);
    Result<void> write_new();
    Result<void> free_attributes();
    void release() override;
    Result<void> touch();
    Result<void> drop_link();
    Result<void> add_link();

    // file.cpp
    Result<size_t> read_data(uint64_t offset, std::span<std::byte> into);
    Result<void> read_runs(uint64_t offset, std::span<std::byte> into, bool may_guess);
    Result<uint32_t> read_guess(BlockCache::Runs& runs, uint64_t offset, std::span<std::byte> into);
    bool pointers_follow();
    bool is_mapped_to(uint32_t start, uint64_t offset, uint64_t bytes);
    Result<size_t> write_step(uint64_t offset, std::span<const std::byte> from);
    Result<size_t> write_run(uint64_t offset, std::span<const std::byte> from);
    Result<void> zero_tail();
    uint64_t largest() const;
    bool is_fast_link() const;

    // map.cpp, extents.cpp: run_ becomes one that holds the block of the file
    Result<void> map(uint64_t block);
    void look_ahead(uint64_t offset, size_t bytes);
    // While it looks ahead, nothing is waited for and nothing reported: busy, if that is not here.
    Result<void> need(uint64_t place);
    Result<void> map_classic(uint64_t block);
    Result<void> map_pointers(uint64_t block, std::span<const uint32_t> pointers);
    struct Pointers {
        uint64_t at;     // on the device, in one block of pointers; 0: there are none, for a hole
        uint64_t count;  // of blocks of the file
    };
    Result<Pointers> pointers_from(uint64_t block);  // one behind the direct ones
    Result<unsigned> tree_of(uint64_t block, uint64_t& index) const;
    // The hole at a block gets at most so many blocks of the device; run_ becomes what it got.
    // `content` of metadata is on the medium before anything names it.
    Result<void> fill_hole(uint64_t block, uint32_t wanted, Content content = {});
    Result<uint64_t> goal_for(uint64_t block);
    Result<void> fill_classic(uint64_t block, uint32_t wanted, uint64_t goal, Content content);
    Result<void> before_naming(const Blocks& blocks, Content content, uint64_t holder);
    Result<uint32_t> new_pointers(uint64_t goal, uint64_t holder);
    Result<Blocks> name_blocks(uint64_t block, uint32_t wanted, uint64_t goal, Content content,
                               uint64_t holder);
    Result<void> put_pointers(Blocks blocks, uint64_t holder);
    void count_blocks(int64_t blocks);
    Result<void> free_blocks(uint64_t start, uint32_t count, Budget& budget);
    // Frees what is at `from` and behind it, from the end, as far as the budget allows. Nothing is
    // left from the result on.
    Result<uint64_t> cut(uint64_t from, Budget& budget);
    Result<bool> cut_tree(uint32_t& pointer, unsigned level, uint64_t base, uint64_t from,
                          Budget& budget, uint64_t& reached);
    Result<uint64_t> cut_leaf(uint32_t block, uint64_t base, uint64_t from, Budget& budget);
    unsigned pointer_bits() const { return fs_.block_shift - 2; }

    struct ExtentNode {      // on the way from the root to a leaf
        uint64_t block = 0;  // 0: in the inode
        ExtentHeader header = {};
        int at = -1;  // the entry that was followed; -1: all are behind
    };
    struct ExtentPath {
        ExtentNode nodes[ExtentHeader::max_depth + 1];
        unsigned depth = 0;
        ExtentNode& leaf() { return nodes[depth]; }
    };
    void start_extents();
    Result<void> map_extents(uint64_t block);
    Result<void> map_leaf(uint64_t block, const Extent& extent, uint64_t end);
    Result<void> fill_extents(uint64_t block, uint32_t wanted, uint64_t goal, Content content);
    Result<ExtentHeader> extent_header(uint64_t node);
    Result<int> find_extent(uint64_t node, unsigned entries, uint64_t block, Run& range,
                            Extent& found);
    template <class T> Result<T> extent_node_read(uint64_t node, size_t offset);
    Result<void> extent_path(uint64_t block, ExtentPath& path);
    Result<Extent> entry_of(const ExtentNode& node, int at);
    Result<void> insert_extent(const Extent& extent);
    Result<bool> merge_extent(ExtentPath& path, const Extent& extent);
    Result<void> put_in_node(uint64_t node, size_t offset, Content from);
    Result<void> put_entry(const ExtentNode& node, int at, const Extent& entry);
    Result<void> put_header(const ExtentNode& node);
    Result<void> seal_extents(uint64_t node);
    Result<void> insert_entry(ExtentNode& node, int at, const Extent& entry);
    Result<void> lower_keys(ExtentPath& path, uint32_t key);
    Result<void> make_extent_room(ExtentPath& path, uint64_t goal, const Extent* extent);
    Result<void> deepen_extents(uint64_t goal);
    Result<void> split_extents(ExtentPath& path, unsigned level, uint64_t goal,
                               const Extent* extent);
    Result<uint64_t> new_extent_block(uint64_t goal);
    Result<void> write_unwritten(uint64_t block, uint32_t count);
    Result<void> remove_last(ExtentPath& path, Budget& budget);
    Result<uint64_t> cut_extents(uint64_t from, Budget& budget);

    // directory.cpp
    Result<Piece> inline_piece_at(uint64_t offset);
    Result<uint64_t> block_at(uint64_t offset);
    Result<void> check_sum(uint64_t physical, Content bytes);
    Result<Piece> piece_at(uint64_t offset);
    Result<View> view_at(uint64_t offset);
    Result<Record> unusual_at(const std::byte* at, const std::byte* end, uint64_t offset) const;
    inline Result<Record> outline_at(const std::byte* at, const std::byte* end,
                                     uint64_t offset) const;
    Result<Record> record_at(const View& view, size_t at) const;
    [[gnu::noinline]] Error bad_name(uint64_t offset) const;
    uint32_t key_of(std::string_view name) const { return fs::RemovedNames::key_of(id, name); }
    Result<bool> find_in_block(uint64_t offset, std::string_view name, Slot& slot);
    Result<bool> look_for(std::string_view name, Slot& slot);
    Result<bool> look_linearly(std::string_view name, Slot& slot);
    Result<bool> move_cursor(uint64_t position, bool is_known);
    inline Result<void> fill(DirectoryEntry& entry, const Record& record);
    Result<void> fill_entry(const View& view, size_t at, DirectoryEntry& entry);
    bool sum_is_right(std::span<const std::byte> bytes) const;
    void seal(std::span<std::byte> bytes) const;
    Result<void> put_piece(const Piece& piece, size_t at, size_t bytes);
    Result<void> reseal(const Piece& piece, size_t at, size_t bytes) const;
    uint8_t file_type() const;
    void format_block(std::span<std::byte> bytes) const;
    bool pack(std::span<std::byte> bytes, size_t& used, const Record& record) const;
    size_t room_in_block() const { return fs_.block_bytes() - (fs_.has_checksums() ? 12 : 0); }
    Result<void> insert(const Record& record, const Ext2Node& node);
    Result<bool> insert_in_block(uint64_t block, const Record& record, const Ext2Node& node);
    Result<bool> insert_at(const Piece& piece, size_t at, size_t used, size_t length,
                           const Record& record);
    Result<void> carve(const Piece& piece, size_t at, size_t place, size_t end,
                       const Record& record);
    Result<uint64_t> append_block(std::span<std::byte> content, uint64_t original = 0);
    Result<void> remove_slot(const Slot& slot, std::string_view name);
    Result<void> point_slot(const Slot& slot, const Ext2Node& node, uint8_t type);
    Result<void> check_new_name(std::string_view name) const;
    Result<void> make_first_block(const Ext2Node& parent);
    Result<void> add_subdirectory();
    Result<void> drop_subdirectory();
    Result<void> enter(std::string_view name, Ext2Node& node);
    void take_back(Ext2Node& node);
    Result<void> set_target(std::string_view target);
    Result<void> drop_copies(std::string_view name, uint32_t inode);
    Result<void> lost_name(Ext2Node& node);
    Result<void> set_parent(const Ext2Node& parent);
    Result<void> remove_old_name(std::string_view name, Ext2Node& node, Ext2Node& to, bool moves);

    // htree.cpp
    struct IndexEntry {
        uint32_t hash;
        uint32_t block;
    };
    struct IndexNode {
        uint64_t block = 0, physical = 0;  // of the directory, and of the device
        size_t entries_at = 0;             // bytes from the block's beginning
        unsigned limit = 0, count = 0, at = 0;
    };
    struct IndexPath {
        IndexNode nodes[3];
        unsigned depth = 0;  // of the last
        IndexNode& last() { return nodes[depth]; }
    };
    struct LeafEntry {
        uint32_t hash, at;
    };
    bool is_indexed() const
    {
        return flags_ & index_fl && fs_.compat & dir_index && fs_.trusts_indexes() &&
               !(flags_ & inline_data_fl);
    }
    bool can_be_indexed() const;
    uint32_t hash_of(std::string_view name, uint8_t version) const;
    size_t index_entries_at(std::span<const std::byte> bytes) const;
    size_t index_limit(size_t entries_at) const;
    const std::byte* index_tail(std::span<const std::byte> bytes, size_t entries_at) const;
    uint32_t index_sum(std::span<const std::byte> bytes, size_t entries_at) const;
    unsigned most_index_levels() const;
    Result<uint8_t> index_version();
    Result<IndexEntry> index_entry(const IndexNode& node, unsigned at);
    Result<void> index_node(IndexNode& node, uint32_t hash);
    Result<void> index_path(uint32_t hash, IndexPath& path);
    Result<uint32_t> leaf_of(const IndexPath& path);
    Result<bool> next_leaf(IndexPath& path, uint32_t& hash);
    Result<bool> look_in_index(std::string_view name, Slot& slot);
    Result<void> insert_in_index(const Record& record, const Ext2Node& node);
    Result<bool> make_index_room(IndexPath& path);
    Result<void> move_index(const IndexNode& old, unsigned from, std::span<std::byte> content);
    Result<void> cut_index(const IndexNode& node, unsigned count);
    Result<void> grow_index(const IndexPath& path, std::span<std::byte> content);
    Result<void> insert_index(const IndexNode& node, uint32_t hash, uint64_t block);
    Result<size_t> sort_leaf(const Piece& piece, uint8_t version, std::span<LeafEntry> into);
    Result<void> split_leaf(IndexPath& path);
    Result<void> thin_leaf(uint64_t leaf, std::span<LeafEntry> moved);
    Result<void> make_index();
    Result<void> drop_index();
    bool is_listed_by_hash() const;
    Result<bool> next_hashed(uint64_t& position, DirectoryEntry& entry);
    Result<void> list_from(uint64_t position, Listing& listing);
    Result<void> list_leaf(uint64_t block, uint8_t version, Listing& listing);

    Ext2& fs_;
    uint64_t inode_at_ = 0;  // on the device
    uint32_t flags_ = 0;
    uint32_t seed_ = 0;           // of its checksums
    uint64_t sectors_ = 0;        // of 512 bytes that it has, with those of its map
    uint64_t attributes_ = 0;     // the block of extended attributes
    uint64_t inline_tail_ = 0;    // where on the device inline data continues
    std::byte block_[60] = {};    // pointers, the root of the extents, or data
    Run run_;                     // what was mapped last
    Run ahead_;                   // what follows
    uint64_t soon_ = 0;           // what was not here when it looked ahead, or 0
    uint64_t guessed_ = 0;        // the end of a run behind which read_guess() has what follows
    bool looks_ahead_ = false;    // just now
    uint64_t room_hint_ = 0;      // directories: no room before this block
    uint8_t kind_ = 0;            // as in the inode's mode
    bool inode_changed_ = false;  // and not written
};

class Change : BlockCache::Operation {
public:
    explicit Change(Ext2& ext2) : Operation(ext2.cache), ext2_(ext2) {}
    Result<void> begin()
    {
        TRY(ext2_.prepare());
        return Operation::begin();
    }

private:
    Ext2& ext2_;
};

}  // namespace ext
