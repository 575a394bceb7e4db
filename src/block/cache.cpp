// SPDX-License-Identifier: BSD-2-Clause
// The block cache: lines of 4 KiB, the least recently used one is replaced.
#include "block/cache.h"
#include <algorithm>
#include <cstring>

BlockCache::BlockCache(BlockDevice& device)
    : device_(device), bytes_(device.blocks * device.block_bytes)
{
}

Result<BlockCache*> BlockCache::make_for(BlockDevice& device, size_t lines)
{
    if (device.block_bytes == 0 || line_bytes % device.block_bytes) return Error::unsupported;
    auto cache = new (std::nothrow) BlockCache(device);
    if (!cache) return Error::no_memory;
    cache->line_count_ = lines;
    auto storage = Buffer::of(lines * line_bytes);
    cache->lines_ = new (std::nothrow) Line[lines];
    if (!storage || !cache->lines_) {
        delete cache;
        return Error::no_memory;
    }
    cache->storage_ = std::move(storage).value();
    for (size_t i = 0; i < lines; ++i)
        cache->lines_[i].data = cache->storage_.data() + i * line_bytes;
    return cache;
}

size_t BlockCache::length_of(uint64_t number) const
{
    return static_cast<size_t>(std::min<uint64_t>(line_bytes, bytes_ - number * line_bytes));
}

BlockCache::Line* BlockCache::find(uint64_t number)
{
    for (size_t i = 0; i < line_count_; ++i) {
        if (lines_[i].number == number) {
            lines_[i].last_used = ++clock_;
            return &lines_[i];
        }
    }
    return nullptr;
}

// Whole lines from the device; the last may be the short one at its end.
Result<void> BlockCache::load(uint64_t number, size_t lines, std::byte* into)
{
    uint64_t first = number * line_bytes / device_.block_bytes;
    size_t bytes = (lines - 1) * line_bytes + length_of(number + lines - 1);
    return device_.read(first, static_cast<uint32_t>(bytes / device_.block_bytes), into);
}

Result<void> BlockCache::write_back(Line& line)
{
    uint64_t first = line.number * line_bytes / device_.block_bytes;
    TRY(device_.write(first, static_cast<uint32_t>(length_of(line.number) / device_.block_bytes),
                      line.data));
    line.dirty = false;
    return {};
}

Result<BlockCache::Line*> BlockCache::fetch(uint64_t number)
{
    if (Line* line = find(number)) return line;
    Line* oldest = &lines_[0];
    for (size_t i = 1; i < line_count_ && oldest->number != no_line; ++i) {
        if (lines_[i].number == no_line || lines_[i].last_used < oldest->last_used)
            oldest = &lines_[i];
    }
    if (oldest->dirty) TRY(write_back(*oldest));
    oldest->number = no_line;  // until it holds what it says
    TRY(load(number, 1, oldest->data));
    oldest->number = number;
    oldest->last_used = ++clock_;
    return oldest;
}

Result<void> BlockCache::read(uint64_t offset, std::span<std::byte> into)
{
    if (offset > bytes_ || into.size() > bytes_ - offset) return Error::invalid;
    while (!into.empty()) {
        uint64_t number = offset / line_bytes;
        size_t within = offset % line_bytes;
        size_t piece;
        // Whole lines that nobody has changed: straight to the caller, as many as there are.
        size_t whole = 0;
        if (within == 0) {
            while ((whole + 1) * line_bytes <= into.size() && !find(number + whole)) ++whole;
        }
        if (whole) {
            TRY(load(number, whole, into.data()));
            piece = whole * line_bytes;
        } else {
            Line* line = TRY(fetch(number));
            piece = std::min(into.size(), line_bytes - within);
            memcpy(into.data(), line->data + within, piece);
        }
        offset += piece;
        into = into.subspan(piece);
    }
    return {};
}

Result<void> BlockCache::write(uint64_t offset, std::span<const std::byte> from)
{
    if (offset > bytes_ || from.size() > bytes_ - offset) return Error::invalid;
    if (device_.read_only) return Error::read_only;
    while (!from.empty()) {
        size_t within = offset % line_bytes;
        size_t piece = std::min(from.size(), line_bytes - within);
        Line* line = TRY(fetch(offset / line_bytes));
        memcpy(line->data + within, from.data(), piece);
        line->dirty = true;
        offset += piece;
        from = from.subspan(piece);
    }
    return {};
}

Result<void> BlockCache::sync()
{
    bool wrote = false;
    for (size_t i = 0; i < line_count_; ++i) {
        if (!lines_[i].dirty) continue;
        TRY(write_back(lines_[i]));
        wrote = true;
    }
    return wrote ? device_.flush() : Result<void>{};
}
