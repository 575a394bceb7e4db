// SPDX-License-Identifier: BSD-2-Clause
// The block cache: lines of 4 KiB, the least recently used one is replaced.
#include "block/cache.h"
#include <algorithm>
#include <cstring>

BlockCache::BlockCache(BlockDevice& device)
    : device_(device), bytes_(device.blocks * device.block_bytes)
{
    next = device.disk().copies;
    device.disk().copies = this;
}

BlockCache::~BlockCache()
{
    BlockCopies** link = &device_.disk().copies;
    while (*link != this) link = &(*link)->next;
    *link = next;
    delete[] lines_;
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

// In runs of what is there.
Result<void> BlockCache::write_back(Line& line)
{
    uint64_t first = line.number * line_bytes / device_.block_bytes;
    size_t count = length_of(line.number) / device_.block_bytes;
    for (size_t from = 0, to = 0; from < count; from = to + 1) {
        for (to = from; to < count && !(line.missing >> to & 1);) ++to;
        if (to == from) continue;
        TRY(device_.write(first + from, static_cast<uint32_t>(to - from),
                          line.data + from * device_.block_bytes));
    }
    line.dirty = false;
    return {};
}

Result<BlockCache::Line*> BlockCache::fetch(uint64_t number, bool whole)
{
    if (Line* line = find(number)) return line;
    Line* oldest = &lines_[0];
    for (size_t i = 1; i < line_count_ && oldest->number != no_line; ++i) {
        if (lines_[i].number == no_line || lines_[i].last_used < oldest->last_used)
            oldest = &lines_[i];
    }
    if (oldest->dirty) TRY(write_back(*oldest));
    oldest->number = no_line;  // until it holds what it says
    oldest->missing = 0;
    if (!whole) {
        auto loaded = load(number, 1, oldest->data);
        if (loaded.error() == Error::device)
            oldest->missing = touched(0, length_of(number));  // perhaps only one of them
        else if (!loaded)
            return loaded.error();
    }
    oldest->number = number;
    oldest->last_used = ++clock_;
    return oldest;
}

// Blocks that could not be read with their line are read once more, by themselves, when they are
// needed.
Result<void> BlockCache::complete(Line& line, size_t within, size_t bytes)
{
    uint8_t wanted = line.missing & touched(within, bytes);
    for (unsigned i = 0; wanted >> i; ++i) {
        if (!(wanted >> i & 1)) continue;
        TRY(device_.read(line.number * line_bytes / device_.block_bytes + i, 1,
                         line.data + size_t{i} * device_.block_bytes));
        line.missing &= static_cast<uint8_t>(~(1 << i));
    }
    return {};
}

uint8_t BlockCache::touched(size_t within, size_t bytes) const
{
    if (bytes == 0) return 0;
    size_t first = within / device_.block_bytes, last = (within + bytes - 1) / device_.block_bytes;
    return static_cast<uint8_t>((2u << last) - (1u << first));
}

uint8_t BlockCache::filled(size_t within, size_t bytes) const
{
    size_t first = (within + device_.block_bytes - 1) / device_.block_bytes;
    size_t end = (within + bytes) / device_.block_bytes;
    return end > first ? static_cast<uint8_t>((1u << end) - (1u << first)) : uint8_t{0};
}

void BlockCache::agree(bool written, uint64_t first, uint32_t count, std::byte* data)
{
    size_t block_bytes = device_.block_bytes;
    uint64_t start = device_.whole ? device_.first_block : 0;
    for (size_t i = 0; i < line_count_; ++i) {
        Line& line = lines_[i];
        if (line.number == no_line || !(written || line.dirty)) continue;
        uint64_t index = start + line.number * (line_bytes / block_bytes) - first;  // in `data`
        std::byte* copy = line.data;
        std::byte* end = copy + length_of(line.number);
        for (uint8_t bit = 1; copy < end; copy += block_bytes, ++index, bit <<= 1) {
            if (index >= count) continue;
            std::byte* block = data + static_cast<size_t>(index) * block_bytes;
            if (!written) {
                if (!(line.missing & bit)) memcpy(block, copy, block_bytes);
            } else if (data) {
                memmove(copy, block, block_bytes);  // perhaps onto itself
                line.missing &= static_cast<uint8_t>(~bit);
            } else if (!line.dirty) {
                line.number = no_line;
                break;
            }
        }
    }
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
            TRY(complete(*line, within, piece));
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
        uint64_t number = offset / line_bytes;
        bool whole = piece == length_of(number);
        Line* line = TRY(fetch(number, whole));
        uint8_t replaced = line->missing & filled(within, piece);
        line->missing &= static_cast<uint8_t>(~replaced);
        // The blocks at the two ends keep a part.
        if (auto read = complete(*line, within, piece); !read) {
            line->missing |= replaced;
            return read;
        }
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
