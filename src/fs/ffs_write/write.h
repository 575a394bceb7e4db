// SPDX-License-Identifier: BSD-2-Clause
// A volume that can be written, and its inodes.
//
// What is on the medium is right at any moment, but for space that is lost and links too many:
// - what marks a block or an inode as used goes first, then the inode, then the name;
// - a name goes before its inode, before any count gets less, and before it comes elsewhere;
// - blocks and inodes are free again once nothing on the medium names them: apply() syncs, then
//   lowers counts and clears inodes, syncs, and only then changes the bitmaps.
// From the first change until all of that is done the superblock says that the volume is in use.
#pragma once
#include "fs/ffs_write/groups.h"
#include "fs/ffs_write/index.h"
#include "fs/removed_names.h"

namespace ufs {

class WritableInode;

class WritableVolume final : public Volume {
public:
    explicit WritableVolume(BlockCache& cache) : Volume(cache), groups(*this), removed(cache) {}
    ~WritableVolume() override { nodes.clear(); }  // which know that it is one
    Result<void> open(const SuperBlock& super, uint64_t place) override;
    Result<void> sync() override;
    Result<uint64_t> free_bytes() override;

    // Before anything is changed. Errors: read_only, no_memory, the device's.
    Result<void> begin();
    // As Groups has them; but what has been given back is made free first, if that is needed.
    Result<Run> take_blocks(uint64_t near, uint64_t blocks);
    Result<uint64_t> take_fragments(uint64_t near, unsigned count);
    // An inode that has no name yet; store() will write it for the first time.
    Result<WritableInode*> make_new(fs::NodeType type, uint16_t permissions,
                                    const WritableInode& parent);
    // Free once no inode on the medium names it: the inode has been written without it.
    Result<void> give(Run run);
    // When all names are on the medium, its count of links is lowered, or it is cleared.
    void settle_later(WritableInode& node);
    void forget_orphan() { --orphans_; }
    bool was_unclean() const { return was_unclean_; }
    std::span<const std::byte> zeros() const { return zeros_.span(); }
    std::span<std::byte> scratch() const { return scratch_.span(); }

    // Indexes of directories: there are as many as there is memory for.
    void note_index(WritableInode& owner);
    void drop_index(WritableInode& owner);
    bool drop_some_index();  // false: there is none

    Groups groups;
    fs::RemovedNames removed;

private:
    Result<Inode*> make_inode(uint32_t number, const InodeFields& fields) override;
    const char* why_read_only(const SuperBlock& super);
    Result<void> write_super();
    Result<void> prepare();
    Result<void> apply();
    Result<void> settle();
    Result<void> erase(WritableInode& node);
    Result<void> free_runs();
    Result<void> free_inodes();

    static constexpr size_t most_runs = 1024, most_settling = 1024;
    SuperBlock super_ = {};
    uint64_t place_ = 0;
    bool marked_ = false;   // the superblock on the medium says that it is not clean
    bool changed_ = false;  // since it last said that it is
    bool was_unclean_ = false, freeing_ = false;
    uint32_t orphans_ = 0;  // open files that have no name
    Buffer zeros_, scratch_, runs_memory_;
    size_t run_count_ = 0;
    WritableInode* settling_ = nullptr;
    size_t settling_count_ = 0;
    WritableInode* indexed_ = nullptr;
    Run* runs() { return reinterpret_cast<Run*>(runs_memory_.data()); }
};

class WritableInode final : public Inode {
public:
    WritableInode(WritableVolume& volume, uint32_t number, const InodeFields& fields);
    ~WritableInode() override;
    bool is_needed() const override { return !stored_ || settling_ || moved_ || dead_ || orphan_; }
    Result<fs::Node*> find(std::string_view name) override;
    Result<size_t> write(uint64_t offset, std::span<const std::byte> from) override;
    Result<void> truncate(uint64_t bytes) override;
    Result<fs::Node*> create(std::string_view name, fs::NodeType kind,
                             uint16_t permissions) override;
    Result<void> make_link(std::string_view name, std::string_view target) override;
    Result<void> add_name(std::string_view name, fs::Node& file) override;
    Result<void> remove(std::string_view name) override;
    Result<void> rename(std::string_view name, fs::Node& to, std::string_view new_name) override;
    Result<void> set_modified(int64_t seconds) override;
    Result<void> set_mode(uint16_t permissions) override;

private:
    friend class WritableVolume;
    using Kind = BlockCache::Kind;
    void release() override;
    Result<void> store();  // the inode, to the cache
    Result<uint64_t> place() const { return volume_.place_of_inode(number()); }
    uint32_t number() const { return static_cast<uint32_t>(id); }
    WritableVolume& volume() const { return static_cast<WritableVolume&>(volume_); }
    bool is_directory() const { return type == fs::NodeType::directory; }
    unsigned type_number(uint16_t old_mode) const;  // for the upper bits of the mode
    Kind kind() const { return is_directory() ? Kind::metadata : Kind::data; }

    // ---- contents (file.cpp)
    uint64_t block_bytes() const { return uint64_t{1} << volume_.block_shift; }
    unsigned per_block() const { return 1u << (volume_.block_shift - volume_.fragment_shift); }
    unsigned fragments_for(uint64_t bytes) const;  // at most a block's
    unsigned fragments_of(uint64_t block) const;   // that the last block of the file has, or any
    uint64_t largest() const;
    void set_pointer(unsigned index, uint64_t value);
    Result<uint64_t> near_for(uint64_t block);
    Result<void> write_zeros(uint64_t place, uint64_t bytes);
    Result<void> check_end();
    Result<void> fit_last(uint64_t end, uint64_t zeros_until);
    // What is to be given when the inode has been stored.
    Result<Run> more_fragments(unsigned block, unsigned had, unsigned wanted);
    Result<void> copy_fragments(uint64_t from, uint64_t to, unsigned count);
    Result<size_t> write_some(uint64_t offset, std::span<const std::byte> from, uint64_t end);
    Result<size_t> write_new(uint64_t offset, std::span<const std::byte> from, uint64_t end,
                             uint64_t holes);
    Result<size_t> write_bytes(uint64_t offset, std::span<const std::byte> from);
    Result<void> point_to(uint64_t block, Run run);
    Result<uint64_t> place_of_pointer(uint64_t block);
    Result<uint64_t> make_table(uint64_t near, uint64_t parent_place);
    Result<void> allocate_last(uint64_t bytes);
    Result<void> shrink(uint64_t bytes);
    Result<void> cut_table(uint64_t table, unsigned level, uint64_t keep, uint64_t& budget);
    Result<void> give_counted(Run run);
    Result<void> give_everything();

    // ---- names (directory.cpp)
    Result<const std::byte*> piece_at(uint64_t start, std::byte* memory) override;
    struct Place {           // of a record
        uint64_t piece = 0;  // its offset in the directory
        size_t at = 0;
        Record record;
    };
    Result<bool> look_in(uint64_t piece, std::string_view name, Place& found);
    Result<bool> find_place(std::string_view name, Place& found);
    Result<uint64_t> place_of_piece(uint64_t piece);
    Result<uint64_t> piece_for(size_t bytes);
    Result<uint64_t> add_piece();
    Result<size_t> room_in(const std::byte* piece, size_t wanted, size_t& at) const;
    Result<uint64_t> enter(std::string_view name, WritableInode& node);
    Result<uint64_t> point_name(const Place& found, WritableInode& node);
    Result<void> order_before_name(WritableInode& node, uint64_t place);
    void count_room(uint64_t start, const std::byte* piece);
    Result<void> erase_name(const Place& found, std::string_view name);
    Result<void> check_new(std::string_view name) const;
    Result<void> make_dots(const WritableInode& parent);
    Result<void> set_parent(const WritableInode& parent, uint64_t named_at, uint64_t& dots_at);
    Result<void> finish_move();
    Result<void> more_links();  // before there is another name
    void fewer_links();
    Index* index();
    bool fill_index(uint32_t pieces);

    // What the inode on the medium says, or will once it is there: not less than there are names.
    uint32_t stored_links_;
    uint64_t after_ = 0;  // a new block is on the medium after what is there; 0: anything
    bool fresh_ = false;  // it has never been stored
    bool stored_ = true;  // since it changed
    bool moved_ = false;  // to another directory, and the old name may be on the medium
    bool settling_ = false, dead_ = false, orphan_ = false, checked_ = false;
    WritableInode* next_settling_ = nullptr;
    Run extra_[2];  // of extended attributes, once it is dead
    Index* index_ = nullptr;
    WritableInode* next_indexed_ = nullptr;
};

}  // namespace ufs
