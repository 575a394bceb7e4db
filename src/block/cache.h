// SPDX-License-Identifier: BSD-2-Clause
// A block device as a file system sees it: bytes, with a cache for what is small or looked at
// often.
//
// Long reads and long writes of data go straight between the device and the caller; the rest goes
// through lines of 4 KiB. What is written stays in them until sync(), or until the cache is full.
// Then data goes first, and metadata in the order that order() asked for, with flushes between, so
// that whatever a power cut leaves on the medium is consistent; a block of the device is what is
// written wholly or not at all. A file system with a journal of its own is a WriteAhead instead.
// A block that cannot be read does not keep the others of its line from being used. What anybody
// else reads from or writes to the same part of the disk, by way of whatever BlockDevice, agrees
// with what is here.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include "hal/classes.h"
#include "lib/by_age.h"
#include "lib/heap.h"

extern const bool config_can_write;  // config.h
class BlockCache;

// A journal: told before metadata is written in place, and when that is done.
class WriteAhead {
public:
    // Data has been written and flushed. Metadata is what cache.next_dirty() gives; it goes to its
    // place when this has returned without an error.
    virtual Result<void> before_writing(BlockCache& cache) = 0;
    virtual Result<void> after_writing() = 0;  // all of it is on the medium

    size_t most_lines = 0;  // that one commit can hold; the cache writes before it has more

protected:
    ~WriteAhead() = default;
};

class BlockCache final : BlockCopies {
public:
    static constexpr size_t line_bytes = 4096;
    enum class Kind : uint8_t { metadata, data };

    // `lines` at most, allocated when they are needed; 0: a share of the kernel's memory.
    // Errors: no_memory, unsupported (blocks larger than a line).
    static Result<BlockCache*> make_for(BlockDevice& device, size_t lines = 0);
    ~BlockCache();  // what has not been synced is lost
    BlockCache(const BlockCache&) = delete;

    // Any offset, any length. Errors: invalid (beyond the end of the device), and the device's.
    Result<void> read(uint64_t offset, std::span<std::byte> into);
    class Runs;
    // Whether this byte can be read without waiting for the device.
    bool is_here(uint64_t offset);
    // What is there, until anything else is done here; all of it is in one line.
    Result<std::span<const std::byte>> look(uint64_t offset, size_t bytes);
    // How often a line has been given to another part of the device: where what look() gave is, it
    // stays while this is the same.
    uint32_t replaced() const { return replaced_; }
    // `kind` is of all that is in the touched lines: a file system keeps data and metadata in
    // different ones as far as it can. A line that has had metadata counts as such until written.
    Result<void> write(uint64_t offset, std::span<const std::byte> from,
                       Kind kind = Kind::metadata);
    // Right before a write at `later`: it must not be on the medium before what has been written at
    // `first` until now is. If it is the other way round for what they already hold, or both are in
    // one line but not in one block, all that there is is written now. Data need not be named as
    // `first`: it always goes before metadata.
    Result<void> order(uint64_t first, uint64_t later);
    // Right before a write at `copy` of what is in the block at `original`: it waits for all that
    // that waits for.
    Result<void> order_copy(uint64_t original, uint64_t copy);
    // What is there is of no use any more: blocks that have been freed. Not written if it was not.
    void forget(uint64_t offset, uint64_t bytes);
    // All that was written is on the medium.
    Result<void> sync();
    // A write has failed at some time, or a read of what is not long data, and with it perhaps an
    // operation half-way: what it had done is consistent, but may be lost space. So a file system
    // does not mark its volume as clean any more.
    bool has_failed() const { return has_failed_; }
    // What is not on the medium, in whole lines.
    uint64_t unsynced_bytes() const { return uint64_t{dirty_count_} * line_bytes; }

    // While one lives, what is written belongs together: metadata is not written because the cache
    // is full, but only when it ends. One operation of a file system, a few dozen lines at most;
    // they may be nested.
    class Operation {
    public:
        explicit Operation(BlockCache& cache) : cache_(cache) { ++cache.held_; }
        ~Operation() { --cache_.held_; }
        Operation(const Operation&) = delete;
        // Before the first write: makes room. Errors: the device's, of writing what there is.
        Result<void> begin() { return cache_.held_ == 1 ? cache_.make_room() : Result<void>(); }

    private:
        BlockCache& cache_;
    };

    void set_write_ahead(WriteAhead* journal) { journal_ = journal; }
    // Lines of metadata that are not on the medium as they are here, in rising order: the first one
    // from `offset` on; data is empty after the last. Bit n of `changed`: the n-th block of it.
    struct Dirty {
        uint64_t offset;
        std::span<const std::byte> data;
        uint8_t changed;
    };
    Dirty next_dirty(uint64_t offset);

    // Another limit for the number of lines; 0: as few as there can be. Lines that are needed to
    // hold what has not been written stay until it is.
    void set_limit(size_t lines);
    size_t lines() const { return line_count_; }
    struct Counts {
        uint64_t hits = 0, misses = 0, read_ahead = 0, written = 0, flushes = 0;  // lines
    };
    const Counts& counts() const { return counts_; }

    // A packed on-disk structure at an offset.
    template <class T> Result<T> read_as(uint64_t offset)
    {
        T value;
        TRY(read(offset, std::as_writable_bytes(std::span(&value, 1))));
        return value;
    }

    BlockDevice& device() { return device_; }
    const char* why_read_only() const;  // null: it can be written
    bool is_shared = false;             // another volume writes the same blocks: this one must not
    uint64_t bytes() const { return bytes_; }
    // What it holds is not what is in the drive now, and stays away from that.
    bool is_of_another_medium() const;
    // A mark on a block of at least 512 bytes, or the first 512 of it, for as long as it is here.
    bool is_marked(uint64_t offset);
    void mark(uint64_t offset, bool is_marked);

private:
    struct Line;
    struct Edge;
    static constexpr uint64_t no_line = ~0ull;

    BlockCache(BlockDevice& device, size_t limit);
    template <class T, class... Args> friend Result<T*> make(Args&&... args);

    // Lines: found by number, and in the order in which they were used.
    Line*& bucket(uint64_t number);
    Line* find(uint64_t number);
    void insert(Line& line, uint64_t number);
    void remove(Line& line);
    void release(Line& line);
    bool grow();
    Line* spare();
    Result<Line*> victim();

    uint64_t block_of(uint64_t offset) const { return offset >> block_shift_; }  // the device's
    bool has(uint64_t offset, uint64_t bytes) const
    {
        return offset <= bytes_ && bytes <= bytes_ - offset;
    }
    Result<Line*> fetch(uint64_t number, bool whole = false);
    Result<void> fill(Line& line, uint64_t number);
    uint32_t blocks_of(uint64_t number, size_t lines) const;
    size_t missing_from(uint64_t number, size_t wanted);
    size_t ahead(uint64_t number);
    bool read_ahead(Line& line, uint64_t number, size_t lines);
    void keep(uint64_t number, size_t lines, const std::byte* from, const Line* but);
    Result<void> read_lines(uint64_t offset, std::span<std::byte> into);
    Result<void> complete(Line& line, size_t within, size_t bytes);
    Result<void> load(uint64_t number, size_t lines, std::byte* into);
    // The blocks of a line that these bytes touch, or fill, as bits.
    uint8_t touched(size_t within, size_t bytes) const;
    uint8_t filled(size_t within, size_t bytes) const;
    size_t length_of(uint64_t number) const;  // the device's last line may be short
    void agree(bool written, uint64_t first, uint32_t count, std::byte* data) override;
    void agree(Line& line, bool written, uint64_t first, uint32_t count, std::byte* data);

    void clean(Line& line);
    void soil(Line& line, uint8_t blocks, Kind kind);
    Result<void> write_line(uint64_t number, size_t within, std::span<const std::byte> from,
                            Kind kind);
    Result<void> write_straight(uint64_t number, size_t lines, const std::byte* from);
    Result<void> to_device(uint64_t first, uint32_t count, const std::byte* from);

    void drop_edges(Line& line);
    void forget_edges_to(const Line& gone);
    static bool holds(const Edge& edge);
    static bool waits(const Line& line);
    bool needs_flush(const Line& line) const;
    bool comes_before(Line& first, Line& later);
    Result<void> order_line(Line& from, uint64_t later);

    Result<void> make_room();
    std::byte* get_staging();
    bool can_take_along(uint64_t offset);
    template <class Wanted> Result<void> collect(Wanted wanted);
    Result<void> write_chosen();
    Result<void> flush();
    Result<void> write_back();
    Result<void> write_in_order();
    Result<void> write_with_journal();

    BlockDevice& device_;
    uint64_t bytes_;
    unsigned block_shift_;
    unsigned medium_;
    size_t limit_, line_count_ = 0, dirty_count_ = 0, dirty_metadata_ = 0;
    ByAge<Line> lines_;
    Line** table_ = nullptr;   // by number
    Line** chosen_ = nullptr;  // those that are to be written next, sorted
    size_t buckets_ = 0, chosen_room_ = 0, chosen_count_ = 0;
    // Where lines that are neighbours on the device meet; and one that comes along.
    Buffer staging_;
    WriteAhead* journal_ = nullptr;
    Runs* runs_ = nullptr;  // that have something under way: the last of them
    unsigned held_ = 0;
    uint32_t epoch_ = 1;  // how often the device has been flushed
    uint32_t mark_ = 0;   // of the last search
    uint32_t replaced_ = 0;
    bool unflushed_ = false;  // something has been written since
    bool has_failed_ = false;
    bool own_ = false;  // what the device is told just now comes from here
    uint64_t next_miss_ = no_line;
    size_t run_ = 0;  // lines to read ahead
    Counts counts_;
    Edge* spare_edges_ = nullptr;
};

// One read of a file: the runs of blocks that it consists of, under way at the same time. Runs that
// meet become one. Long reads go straight to the caller's memory, in blocks of the device; short
// ones, and the ends that are no whole blocks, through lines.
class BlockCache::Runs {
public:
    // `bytes`: how long all of it is, about.
    Runs(BlockCache& cache, size_t bytes) : cache_(cache), straight_(bytes >= least_bytes) {}
    ~Runs()  // the memory is the caller's again
    {
        if (config_can_write && begun_ != ended_) end_all();
    }
    Runs(const Runs&) = delete;

    // The memory is filled when finish() has returned. Errors: those of BlockCache::read(); what
    // began before goes on.
    Result<void> read(uint64_t offset, std::span<std::byte> into);
    // The line at this place comes along, in between what has been and what will be read here; it
    // is in the cache after finish() if it could be read. False: it does not.
    Result<bool> take_along(uint64_t offset);
    // All of them are under way. True: until finish() there is time to look ahead. `soon`: what
    // the next read of the file will ask for before anything else, such as the place of its blocks:
    // it comes along if it is not here; 0: nothing.
    Result<bool> begin_all(uint64_t soon = 0)
    {
        return config_can_write && straight_ ? begin_last(soon) : Result<bool>(false);
    }
    // Of several errors that of the first run.
    Result<void> finish() { return config_can_write && straight_ ? finish_long() : Result<void>(); }

    bool are_straight() const { return config_can_write && straight_; }

private:
    friend class BlockCache;
    static constexpr size_t least_bytes = 4 * line_bytes;
    static constexpr unsigned most = 8;

    Result<bool> begin_last(uint64_t soon);
    Result<void> finish_long();
    Result<void> begin_rest(bool more);
    Result<void> begin(uint64_t offset, std::span<std::byte> into, bool more);
    bool begin_lines(uint64_t number, size_t wanted, bool more);
    void end_first();
    void end_lines();
    void end_all();
    void wait_for(BlockRequest& request);

    BlockCache& cache_;
    bool straight_;
    uint64_t offset_ = 0;
    std::span<std::byte> rest_;  // of what lies at offset_, and has not begun
    unsigned begun_ = 0, ended_ = 0;
    Result<void> result_;
    Runs* outer_ = nullptr;    // others of the cache
    uint64_t line_ = no_line;  // the first of those that come along
    size_t line_count_ = 0;
    union {  // not made: short reads have none
        BlockRequest requests_[most];
    };
    union {
        BlockRequest line_request_;
    };
};
