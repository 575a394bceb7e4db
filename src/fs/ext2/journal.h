// SPDX-License-Identifier: BSD-2-Clause
// The journal of ext3 and ext4.
#pragma once
#include "fs/ext2/ext2.h"

namespace ext {

class Journal final : public WriteAhead {
public:
    Journal(Ext2& ext2, Ext2Node& node) : fs_(ext2), node_(node) {}
    ~Journal() = default;
    // Null: it can be written. Else why it, and so the volume, cannot.
    const char* open();
    // What it holds is written to where it belongs.
    Result<void> replay();
    Result<void> before_writing(BlockCache& cache) override;
    Result<void> after_writing() override;
    // The volume looks as if unmounted.
    Result<void> close();
    bool is_dirty() const { return start_ != 0; }

private:
    struct Tag;
    struct Revoked;
    enum class Pass { scan, check, write };
    static constexpr uint64_t no_block = ~0ull;

    Result<Blocks> run_at(uint32_t block);
    Result<void> transfer(bool writes, uint32_t block, std::byte* data, uint32_t count);
    uint32_t behind(uint32_t block, uint32_t count) const;
    Result<void> read_log(uint32_t& block, std::span<std::byte> into);
    Result<void> write_log(uint32_t& at, uint32_t count);
    Result<void> write_super(uint32_t start);
    Result<void> write_fs_super(bool needs_recovery);
    bool has_sums() const;
    bool sum_is_right(std::span<const std::byte> block, size_t at) const;
    void seal(std::span<std::byte> block, size_t at) const;
    uint32_t super_sum() const;
    uint32_t data_sum(uint32_t sequence, std::span<const std::byte> data) const;
    size_t tag_bytes() const;
    bool next_tag(std::span<const std::byte> block, size_t& at, Tag& tag) const;
    Result<void> note_revoked(std::span<const std::byte> block, uint32_t sequence,
                              Revoked& revoked) const;
    Result<void> replay_blocks(std::span<const std::byte> descriptor, uint32_t& at, Pass pass,
                               uint32_t sequence, const Revoked& revoked);
    Result<void> check_end(uint32_t at, uint32_t sequence, std::span<std::byte> block);
    Result<void> go_through(Pass pass, uint32_t& end, Revoked& revoked);
    uint64_t next_changed(BlockCache& cache, uint64_t from) const;
    void put_tag(std::byte* to, uint64_t block, uint32_t flags, uint32_t sum) const;
    void start_block(std::span<std::byte> block, uint32_t kind) const;
    Result<uint64_t> write_part(BlockCache& cache, uint64_t block, uint32_t& at);
    Result<void> write_transaction(BlockCache& cache, uint32_t& at);
    Result<void> commit_transaction();

    Ext2& fs_;
    Ext2Node& node_;
    Buffer super_;                   // its superblock, as it is on the medium
    Buffer log_;                     // blocks on their way
    Superblock on_medium_ = {};      // the volume's
    bool is_marked_ = false;         // as being in need of recovery, for certain
    uint32_t first_ = 0, end_ = 0;   // of the blocks of the log
    uint32_t start_ = 0, next_ = 0;  // 0: empty; where the next transaction goes
    uint32_t commit_at_ = 0;         // that has been written but for this block; 0: there is none
    uint32_t sequence_ = 0;
    uint32_t seed_ = 0;
    uint32_t incompat_ = 0;
};

}  // namespace ext
