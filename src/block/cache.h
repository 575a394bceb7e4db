// SPDX-License-Identifier: BSD-2-Clause
// A block device as a file system sees it: bytes, with a cache for what is small or looked at
// often.
//
// Reads of whole cache lines go straight from the device to the caller; pieces go through the
// cache. Writes stay in the cache until sync(), or until it is full of them. A block that cannot be
// read does not keep the others of its line from being used. What anybody else reads from or writes
// to the same part of the disk, by way of whatever BlockDevice, agrees with what is here.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include "hal/classes.h"
#include "lib/heap.h"

class BlockCache final : BlockCopies {
public:
    static constexpr size_t line_bytes = 4096;

    // Errors: no_memory, unsupported (blocks larger than a line).
    static Result<BlockCache*> make_for(BlockDevice& device, size_t lines = 64);
    ~BlockCache();  // what has not been synced is lost
    BlockCache(const BlockCache&) = delete;

    // Any offset, any length. Errors: invalid (beyond the end of the device), and the device's.
    Result<void> read(uint64_t offset, std::span<std::byte> into);
    Result<void> write(uint64_t offset, std::span<const std::byte> from);
    // All that was written is on the medium.
    Result<void> sync();

    // A packed on-disk structure at an offset.
    template <class T> Result<T> read_as(uint64_t offset)
    {
        T value;
        TRY(read(offset, std::as_writable_bytes(std::span(&value, 1))));
        return value;
    }

    BlockDevice& device() { return device_; }
    uint64_t bytes() const { return bytes_; }

private:
    struct Line {
        uint64_t number = no_line;  // of the line on the device: offset / line_bytes
        uint32_t last_used = 0;
        bool dirty = false;
        uint8_t missing = 0;  // a bit for each block that could not be read
        std::byte* data = nullptr;
    };
    static constexpr uint64_t no_line = ~0ull;

    explicit BlockCache(BlockDevice& device);
    Line* find(uint64_t number);
    // `whole`: it is about to be overwritten.
    Result<Line*> fetch(uint64_t number, bool whole = false);
    Result<void> complete(Line& line, size_t within, size_t bytes);
    Result<void> write_back(Line& line);
    Result<void> load(uint64_t number, size_t lines, std::byte* into);
    // The blocks of a line that these bytes touch, or fill, as bits.
    uint8_t touched(size_t within, size_t bytes) const;
    uint8_t filled(size_t within, size_t bytes) const;
    void agree(bool written, uint64_t first, uint32_t count, std::byte* data) override;
    size_t length_of(uint64_t number) const;  // the device's last line may be short

    BlockDevice& device_;
    uint64_t bytes_;
    Buffer storage_;
    Line* lines_ = nullptr;
    size_t line_count_ = 0;
    uint32_t clock_ = 0;
};
