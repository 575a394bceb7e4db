// SPDX-License-Identifier: BSD-2-Clause
// What is on a volume of ext2, ext3 or ext4, all of it little-endian, with the names of Linux's
// Documentation/filesystems/ext4, whose sections are in quotation marks.
#pragma once
#include <cstddef>
#include <cstdint>
#include "lib/bytes.h"

namespace ext {

struct Superblock {  // "The Super Block"
    static constexpr uint64_t offset = 1024;
    static constexpr uint16_t right_magic = 0xef53;
    enum State : uint16_t { valid = 1, has_errors = 2 };
    enum Flags : uint32_t { unsigned_hash = 2 };

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
    uint32_t mtime;
    uint32_t wtime;
    uint16_t mnt_count;
    uint16_t max_mnt_count;
    uint16_t magic;
    uint16_t state;
    uint8_t errors_and_checks[16];
    uint32_t rev_level;
    uint32_t def_resuid_gid;
    uint32_t first_ino;  // from here on only in revision 1
    uint16_t inode_size;
    uint16_t block_group_nr;
    uint32_t feature_compat;
    uint32_t feature_incompat;
    uint32_t feature_ro_compat;
    std::byte uuid[16];
    char volume_name[16];
    uint8_t last_mounted[64];
    uint32_t algorithm_usage_bitmap;  // of nobody
    uint8_t preallocation[2];
    uint16_t reserved_gdt_blocks;
    uint8_t journal_uuid[16];
    uint32_t journal_inum;
    uint32_t journal_dev;
    uint32_t last_orphan;
    uint32_t hash_seed[4];
    uint8_t def_hash_version;
    uint8_t jnl_backup_type;
    uint16_t desc_size;
    uint32_t default_mount_opts;
    uint32_t first_meta_bg;
    uint8_t mkfs_time_and_journal_blocks[72];
    uint32_t blocks_count_hi;
    uint32_t r_blocks_count_hi;
    uint32_t free_blocks_count_hi;
    uint16_t min_extra_isize;
    uint16_t want_extra_isize;
    uint32_t flags;
    uint8_t raid_and_mmp[17];
    uint8_t checksum_type;
    uint8_t writes_and_errors[214];
    uint32_t backup_bgs[2];
    uint8_t encryption[28];
    uint32_t checksum_seed;
    uint8_t reserved[392];
    uint32_t checksum;
};
static_assert(sizeof(Superblock) == 1024 && offsetof(Superblock, hash_seed) == 0xec);
static_assert(offsetof(Superblock, backup_bgs) == 0x24c && offsetof(Superblock, flags) == 0x160);
static_assert(offsetof(Superblock, checksum_type) == 0x175 &&
              offsetof(Superblock, checksum_seed) == 0x270);

enum Compat : uint32_t { has_journal = 0x4, dir_index = 0x20, sparse_super2 = 0x200 };
enum Incompat : uint32_t {
    filetype = 0x2,
    recover = 0x4,
    journal_device = 0x8,
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
    huge_file = 0x8,
    gdt_csum = 0x10,
    dir_nlink = 0x20,
    extra_isize = 0x40,
    bigalloc = 0x200,
    metadata_csum = 0x400,
    orphan_present = 0x10000,
};

struct GroupDescriptor {  // "Block Group Descriptors"
    static constexpr uint32_t short_size = 32;
    enum Flags : uint16_t { inode_uninit = 1, block_uninit = 2 };

    uint32_t block_bitmap_lo;
    uint32_t inode_bitmap_lo;
    uint32_t inode_table_lo;
    uint16_t free_blocks_lo;
    uint16_t free_inodes_lo;
    uint16_t used_dirs_lo;
    uint16_t flags;
    uint32_t exclude_bitmap_lo;
    uint16_t block_bitmap_csum_lo;
    uint16_t inode_bitmap_csum_lo;
    uint16_t itable_unused_lo;
    uint16_t checksum;
    uint32_t block_bitmap_hi;  // from here on only with is_64bit
    uint32_t inode_bitmap_hi;
    uint32_t inode_table_hi;
    uint16_t free_blocks_hi;
    uint16_t free_inodes_hi;
    uint16_t used_dirs_hi;
    uint16_t itable_unused_hi;
    uint32_t exclude_bitmap_hi;
    uint16_t block_bitmap_csum_hi;
    uint16_t inode_bitmap_csum_hi;
    uint32_t reserved;

    uint64_t block_bitmap() const { return uint64_t{block_bitmap_hi} << 32 | block_bitmap_lo; }
    uint64_t inode_bitmap() const { return uint64_t{inode_bitmap_hi} << 32 | inode_bitmap_lo; }
    uint64_t inode_table() const { return uint64_t{inode_table_hi} << 32 | inode_table_lo; }
    uint32_t free_blocks() const { return uint32_t{free_blocks_hi} << 16 | free_blocks_lo; }
    uint32_t free_inodes() const { return uint32_t{free_inodes_hi} << 16 | free_inodes_lo; }
    uint32_t itable_unused() const { return uint32_t{itable_unused_hi} << 16 | itable_unused_lo; }
};
static_assert(sizeof(GroupDescriptor) == 64);

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
    uint32_t version;
    std::byte block[60];
    uint32_t generation;
    uint32_t file_acl_lo;
    uint32_t size_high;
    uint32_t obso_faddr;
    uint16_t blocks_high;
    uint16_t file_acl_high;
    uint16_t uid_high;
    uint16_t gid_high;
    uint16_t checksum_lo;
    uint16_t reserved;
    uint16_t extra_isize;  // from here on only in large inodes
    uint16_t checksum_hi;
    uint32_t ctime_extra;
    uint32_t mtime_extra;
    uint32_t atime_extra;
    uint32_t crtime;
    uint32_t crtime_extra;
    uint32_t version_hi;
    uint32_t projid;

    // Whether the extra fields up to this end are there.
    bool has(size_t end) const { return extra_isize + short_size >= end; }
};
static_assert(sizeof(Inode) == 0xa0 && offsetof(Inode, checksum_lo) == 0x7c);

enum InodeFlags : uint32_t {
    immutable_fl = 0x10,
    append_fl = 0x20,
    encrypt_fl = 0x800,
    index_fl = 0x1000,
    huge_file_fl = 0x40000,
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

    bool unwritten() const { return len > max_len; }
    uint32_t length() const { return unwritten() ? len - max_len : len; }
    uint64_t start() const { return uint64_t{start_hi} << 32 | start_lo; }
    uint64_t end() const { return uint64_t{block} + length(); }
    static Extent of(uint64_t block, uint64_t start, uint32_t length, bool unwritten)
    {
        return {static_cast<uint32_t>(block),
                static_cast<uint16_t>(unwritten ? length + max_len : length),
                static_cast<uint16_t>(start >> 32), static_cast<uint32_t>(start)};
    }
};
struct ExtentIndex {  // of a node above the leaves
    uint32_t block;
    uint32_t leaf_lo;
    uint16_t leaf_hi;
    uint16_t unused;

    uint64_t leaf() const { return uint64_t{leaf_hi} << 32 | leaf_lo; }
};
static_assert(sizeof(Extent) == sizeof(ExtentHeader) && sizeof(Extent) == sizeof(ExtentIndex));
constexpr uint64_t max_file_blocks = 1ull << 32;

struct DirEntry {  // "Linear (Classic) Directories"; the name follows
    static constexpr size_t min_rec_len = 12;

    uint32_t inode;
    uint16_t rec_len;
    uint8_t name_len;
    uint8_t file_type;  // without `filetype`: the high byte of name_len, always 0

    static constexpr size_t bytes_for(size_t name) { return (sizeof(DirEntry) + name + 3) & ~3ul; }
};
static_assert(sizeof(DirEntry) == 8);
constexpr size_t longest_name = 255;

// The length of a directory's record, at its beginning.
inline void store_length(std::byte* record, size_t length)
{
    store_le16(record + offsetof(DirEntry, rec_len),
               length == 65536 ? uint16_t{65535} : static_cast<uint16_t>(length));
}

}  // namespace ext
