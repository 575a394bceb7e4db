// SPDX-License-Identifier: BSD-2-Clause
// A volume and its inodes, as far as reading goes; src/fs/ffs_write/ has classes below these.
#pragma once
#include "fs/ffs/format.h"
#include "fs/fs.h"
#include "lib/bytes.h"

namespace ufs {

struct Record {  // of a directory
    uint32_t inode = 0;
    uint8_t type = 0;  // 0: the inode knows
    uint16_t bytes = 0;
    std::string_view name;
};

// Where the next record of a directory is.
struct Cursor {
    uint32_t directory = 0, replaced = 0;  // the piece is good while the cache has replaced no more
    const std::byte* piece = nullptr;      // null: it is to be looked at again
    uint64_t position = 0;
};

// What an inode says, whichever version it is.
struct InodeFields {
    uint16_t mode;
    int16_t links;
    uint64_t size, blocks;
    int64_t mtime;
    std::byte pointers[all_pointers * 8];
};

// The type in the upper four bits of an inode's mode; a directory entry's d_type is the same.
fs::NodeType type_of(unsigned type);

class Volume;

class Inode : public fs::CachedNode {
public:
    Inode(Volume& volume, uint32_t number, const InodeFields& fields);
    Result<size_t> read(uint64_t offset, std::span<std::byte> into) override;
    Result<fs::Node*> find(std::string_view name) override;
    Result<bool> next_entry(uint64_t& position, fs::DirectoryEntry& entry) override;
    Result<void> read_link(Text<fs::max_path>& target) override;

protected:
    struct Extent {               // blocks that lie in a row on the volume
        uint64_t first_fragment;  // 0: a hole
        uint64_t blocks;
    };
    Result<uint64_t> place_of_leaf(uint64_t block, uint64_t& holes);
    Result<Extent> extent_from(uint64_t block, uint64_t limit);
    void look_ahead(uint64_t offset, uint64_t bytes);
    // While it looks ahead, nothing is waited for and nothing reported: busy, if that is not here.
    Result<void> need(uint64_t place)
    {
        return config_can_write && looks_ahead_ ? need_here(place) : Result<void>();
    }
    Result<void> need_here(uint64_t place);
    Result<void> read_bytes(uint64_t offset, std::span<std::byte> into);
    // A piece of a directory, which may be in `memory`, until anything else is done.
    virtual Result<const std::byte*> piece_at(uint64_t start, std::byte* memory);
    [[gnu::noinline]] Error bad_record(size_t bytes, size_t name_bytes) const;
    Result<Record> record_at(const std::byte* piece, size_t at) const;
    bool is_short_link() const;
    const char* device() const;

    Volume& volume_;
    uint64_t blocks_;  // in use, in 512 bytes; of old ones in whatever unit
    std::byte pointers_[all_pointers * 8];
    // What was looked for ahead: blocks from known_from_ on. A small kernel does without.
    Extent known_;
    uint64_t known_from_;

private:
    bool looks_ahead_;
    uint64_t soon_;  // what was not here when it did so, or 0
    Result<bool> next_record(Cursor& next, Record& record, std::byte* memory);
};

class Volume : public fs::FileSystem {
public:
    explicit Volume(BlockCache& cache) : cache(cache) {}
    ~Volume() override { nodes.clear(); }
    // The superblock has been found there.
    virtual Result<void> open(const SuperBlock& super, uint64_t place);
    fs::Node& root() override { return *root_; }
    Result<void> sync() override { return cache.sync(); }
    Result<uint64_t> free_bytes() override { return free; }

    Result<Inode*> inode(uint32_t number);
    Result<uint16_t> mode_of(uint32_t number);
    Result<uint64_t> place_of_inode(uint32_t number) const;
    uint64_t group_start(uint32_t group) const
    {
        return uint64_t{group} * fragments_per_group +
               uint64_t{group_offset} * (group & ~group_mask);
    }
    uint64_t pointer(const std::byte* pointers, uint64_t index) const
    {
        return ufs2 ? le64(pointers + index * 8) : le32(pointers + index * 4);
    }
    // Whether so many bytes from `within` fragment `first` on are inside the volume.
    bool holds(uint64_t first, uint64_t within, uint64_t length) const
    {
        return first < fragments && within <= bytes && length <= bytes - within &&
               (first << fragment_shift) <= bytes - within - length;
    }
    const char* device() const { return cache.device().name.c_str(); }
    size_t inode_bytes() const { return ufs2 ? sizeof(Ufs2Inode) : sizeof(Ufs1Inode); }

    BlockCache& cache;
    bool ufs2 = false, old_directories = false;
    unsigned block_shift = 0, fragment_shift = 0;
    unsigned index_shift = 0;  // log2 of the pointers in an indirect block
    uint64_t fragments = 0;
    uint64_t free = 0;            // bytes
    size_t short_link_limit = 0;  // links shorter than this are in the inode
    uint32_t groups = 0, inodes_per_group = 0, fragments_per_group = 0;
    uint32_t inode_table = 0, group_offset = 0, group_mask = 0;

    Cursor listed;                                           // no record has been erased since
    unsigned pointer_shift() const { return ufs2 ? 3 : 2; }  // log2 of its bytes

protected:
    virtual Result<Inode*> make_inode(uint32_t number, const InodeFields& fields);

private:
    Result<void> check_sizes(const SuperBlock& super);
    Result<InodeFields> read_inode(uint32_t number);
    Result<void> check_inode(uint32_t number, const InodeFields& fields) const;

    Inode* root_ = nullptr;
};

// `make_volume` makes what is then opened. Errors: not_found, or what has been logged.
Result<fs::FileSystem*> mount(BlockCache& cache, Result<Volume*> (*make_volume)(BlockCache& cache));

}  // namespace ufs
