// SPDX-License-Identifier: BSD-2-Clause
// The cylinder groups of an FFS volume: what is free, and what is counted of it.
#pragma once
#include "fs/ffs/ffs.h"

namespace ufs {

struct Run {  // of fragments
    uint64_t first = 0, count = 0;
};

class Groups {
public:
    explicit Groups(Volume& volume) : volume_(volume) {}
    // Null, or why nothing can be written there.
    const char* open(const SuperBlock& super);
    Result<void> start();  // the memory that it needs
    // All counts anew, from the bitmaps.
    Result<void> recount();

    // Errors of all that take: no_space, corrupt, and the device's.
    // Whole blocks in a row, as many as there are up to `blocks`; at `near` if that is free.
    Result<Run> take_blocks(uint64_t near, uint64_t blocks);
    // Less than a block.
    Result<uint64_t> take_fragments(uint64_t near, unsigned count);
    // Whether the fragments behind these could be taken, too.
    Result<bool> extend(uint64_t first, unsigned had, unsigned wanted);
    Result<void> give(Run run);
    // In this group if there is one left; a directory in one that has room.
    Result<uint32_t> take_inode(uint32_t group, bool is_directory);
    Result<void> give_inode(uint32_t number, bool is_directory);

    // What marks these as in use is on the medium before what is written at `place` then.
    Result<void> before(Run run, uint64_t place);
    Result<void> before_inode(uint32_t number, uint64_t place);
    // Whether files may have these: they are on the volume, and not its own.
    bool are_data(Run run) const;
    uint64_t first_data(uint32_t group) const { return volume_.group_start(group) + dblkno_; }

    Totals totals = {};

private:
    Result<void> load(uint32_t group);
    bool is_sound(uint32_t group) const;
    Result<void> store();
    void touch(size_t from, size_t bytes);
    Result<Counts> counts_of(uint32_t group);
    uint64_t place_of(uint32_t group) const
    {
        return (volume_.group_start(group) + cblkno_) << volume_.fragment_shift;
    }
    GroupHeader& header() { return *reinterpret_cast<GroupHeader*>(memory_.data()); }
    const GroupHeader& header() const
    {
        return *reinterpret_cast<const GroupHeader*>(memory_.data());
    }
    uint8_t& byte(size_t at) { return reinterpret_cast<uint8_t*>(memory_.data())[at]; }
    uint32_t length_of(uint32_t group) const;  // fragments
    uint32_t blocks() const { return header().ndblk >> frag_shift(); }
    unsigned frag_shift() const { return volume_.block_shift - volume_.fragment_shift; }
    unsigned per_block() const { return 1u << frag_shift(); }
    unsigned whole() const { return (1u << per_block()) - 1; }

    unsigned block_bits(uint32_t block);
    void set_block_bits(uint32_t block, unsigned bits);
    void count_block(uint32_t block, unsigned bits, uint32_t sign);
    void count_cluster(uint32_t block, uint32_t sign);
    Run find_run(uint32_t start, uint64_t wanted);
    bool find_fragments(unsigned length, uint32_t& block, unsigned& within);
    Result<void> prepare_inode(uint32_t index);
    template <class Has> Result<uint32_t> group_with(uint32_t near, Has has);

    static constexpr uint32_t none = ~0u;
    static constexpr size_t sector = 512;
    Volume& volume_;
    Buffer memory_;  // of the group that was used last
    uint32_t loaded_ = none;
    uint32_t touched_[4] = {};                // a bit for each of its sectors
    uint32_t taken_from_ = 0, taken_to_ = 0;  // of it: no block between these is free as a whole
    uint32_t hint_ = 0;                       // a group that had room
    uint32_t sblkno_ = 0, cblkno_ = 0, dblkno_ = 0;
    uint32_t group_bytes_ = 0, clusters_ = 0;
    Run summary_;  // where the counts of all groups are
};

}  // namespace ufs
