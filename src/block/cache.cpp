// SPDX-License-Identifier: BSD-2-Clause
// The block cache: lines of 4 KiB in a hash table; the least recently used one that is not to be
// written gives way.
#include "block/cache.h"
#include <algorithm>
#include <bit>
#include <cstring>
#include "config.h"

// An edge leads from a line to one that has to be on the medium before it.
struct BlockCache::Edge {
    Line* first;
    uint32_t generation;  // of `first`: if it is another by now, that has been written
    Edge* next;
};

struct BlockCache::Line {
    std::byte* data;
    uint64_t number = no_line;  // of the line on the device: offset / line_bytes
    Line *newer = nullptr, *older = nullptr, *next_in_bucket = nullptr, *next_to_visit = nullptr;
    Edge* before = nullptr;
    uint32_t generation = 0;     // how often it has become clean
    uint32_t written_epoch = 0;  // when it was written last
    uint32_t mark = 0;
    uint8_t dirty = 0;    // a bit for each block that is to be written
    uint8_t missing = 0;  // or that could not be read
    Kind kind = Kind::data;
    uint8_t marks = 0;  // a bit for 512 bytes
};

namespace {

constexpr size_t straight_write = 16;  // lines from which on none is copied
constexpr size_t staging_lines = 16;   // what goes to the device at once
constexpr size_t soon_lines = 4;       // what comes along with a long read
constexpr size_t least_lines = 3, fewest = 32, most = 4096;
constexpr hal::Duration request_limit = {60'000'000};
constexpr size_t share = 8;         // of the kernel's memory, for one volume's lines
constexpr size_t small_share = 64;  // that many volumes can have

size_t default_limit()
{
    return std::clamp(kernel_memory().total / share / BlockCache::line_bytes, fewest, most);
}

}  // namespace

BlockCache::BlockCache(BlockDevice& device, size_t limit)
    : device_(device),
      bytes_(device.blocks * device.block_bytes),
      block_shift_(static_cast<unsigned>(std::countr_zero(device.block_bytes))),
      medium_(device.disk().medium),
      limit_(limit)
{
    next = device.disk().copies;
    device.disk().copies = this;
}

BlockCache::~BlockCache()
{
    BlockCopies** link = &device_.disk().copies;
    while (*link != this) link = &(*link)->next;
    *link = next;
    for (Line *line = lines_.newest(), *older; line; line = older) {
        older = line->older;
        release(*line);
    }
    while (config_can_write && spare_edges_) delete std::exchange(spare_edges_, spare_edges_->next);
    delete[] table_;
    delete[] chosen_;
}

Result<BlockCache*> BlockCache::make_for(BlockDevice& device, size_t lines)
{
    if (device.block_bytes == 0 || line_bytes % device.block_bytes) return Error::unsupported;
    size_t limit = std::max(lines ? lines : default_limit(), least_lines);
    auto cache = TRY(make<BlockCache>(device, limit));
    while (cache->buckets_ < limit) cache->buckets_ = std::max<size_t>(16, cache->buckets_ * 2);
    cache->table_ = new (std::nothrow) Line* [cache->buckets_] {};
    if (!cache->table_ || !cache->grow()) {
        delete cache;
        return Error::no_memory;
    }
    return cache;
}

bool BlockCache::is_of_another_medium() const
{
    return config_can_write && device_.disk().medium != medium_;  // a small kernel does without
}

size_t BlockCache::length_of(uint64_t number) const
{
    return static_cast<size_t>(std::min<uint64_t>(line_bytes, bytes_ - number * line_bytes));
}

// ---- which lines there are

BlockCache::Line*& BlockCache::bucket(uint64_t number)
{
    return table_[static_cast<uint32_t>(number) & (buckets_ - 1)];
}

BlockCache::Line* BlockCache::find(uint64_t number)
{
    Line* line = bucket(number);
    while (line && line->number != number) line = line->next_in_bucket;
    return line;
}

void BlockCache::insert(Line& line, uint64_t number)
{
    line.number = number;
    line.next_in_bucket = bucket(number);
    bucket(number) = &line;
}

void BlockCache::remove(Line& line)
{
    if (line.number == no_line) return;
    Line** link = &bucket(line.number);
    while (*link != &line) link = &(*link)->next_in_bucket;
    *link = line.next_in_bucket;
    ++replaced_;
    line.number = no_line;
    line.missing = 0;
    if (config_can_write) line.marks = 0;
    clean(line);
}

void BlockCache::release(Line& line)
{
    if (config_can_write) drop_edges(line);
    line.~Line();
    delete[] reinterpret_cast<std::byte*>(&line);
}

static uint8_t mark_of(uint64_t offset)
{
    return static_cast<uint8_t>(1u << offset % BlockCache::line_bytes / 512);
}

bool BlockCache::is_marked(uint64_t offset)
{
    Line* line = find(offset / line_bytes);
    return line && line->marks & mark_of(offset);
}

void BlockCache::mark(uint64_t offset, bool is_marked)
{
    Line* line = find(offset / line_bytes);
    if (!line) return;
    uint8_t bit = mark_of(offset);
    line->marks = static_cast<uint8_t>(is_marked ? line->marks | bit : line->marks & ~bit);
}

bool BlockCache::grow()
{
    auto memory = new (std::nothrow) std::byte[sizeof(Line) + line_bytes];
    if (!memory) return false;
    lines_.add(*new (memory) Line{.data = memory + sizeof(Line)});
    ++line_count_;
    return true;
}

// An empty line, without writing anything: a new one, or the oldest clean one. Null: there is none.
BlockCache::Line* BlockCache::spare()
{
    KernelMemory memory = kernel_memory();
    // Many large caches leave the few lines of a small one.
    bool is_small = line_count_ * line_bytes < memory.total / small_share;
    bool has_room = line_count_ < limit_ && memory.free > memory.total / (is_small ? 8 : 4);
    if ((line_count_ < least_lines || has_room) && grow()) return lines_.newest();
    for (size_t dirty = dirty_count_ + 1; dirty; --dirty) {
        Line* line = lines_.oldest();
        lines_.use(*line);  // a dirty one is not looked at again soon
        if (line->dirty) continue;
        remove(*line);
        return line;
    }
    return nullptr;
}

Result<BlockCache::Line*> BlockCache::victim()
{
    if (Line* line = spare()) return line;
    if (!config_can_write) return Error::no_memory;
    if (held_ && grow()) return lines_.newest();
    if (held_ && journal_) return Error::no_memory;
    TRY(write_back());
    Line* line = spare();
    return line ? Result<Line*>(line) : Error::no_memory;
}

void BlockCache::set_limit(size_t lines)
{
    limit_ = std::max(lines, least_lines);
    for (Line* line = lines_.oldest(); line && line_count_ > limit_;) {
        Line* newer = line->newer;
        if (!line->dirty) {
            remove(*line);
            forget_edges_to(*line);
            lines_.remove(*line);
            release(*line);
            --line_count_;
        }
        line = newer;
    }
}

// ---- reading

// Whole lines from the device; the last may be the short one at its end.
Result<void> BlockCache::load(uint64_t number, size_t lines, std::byte* into)
{
    if (is_of_another_medium()) return Error::gone;
    return device_.read(block_of(number * line_bytes), blocks_of(number, lines), into);
}

uint32_t BlockCache::blocks_of(uint64_t number, size_t lines) const
{
    size_t bytes = (lines - 1) * line_bytes + length_of(number + lines - 1);
    return static_cast<uint32_t>(bytes >> block_shift_);
}

// How many lines from this one on, which is not here, are not; `wanted` at most.
size_t BlockCache::missing_from(uint64_t number, size_t wanted)
{
    uint64_t left = (bytes_ + line_bytes - 1) / line_bytes - number;
    size_t lines = 1, end = static_cast<size_t>(std::min<uint64_t>(wanted, left));
    while (lines < end && !find(number + lines)) ++lines;
    return lines;
}

// How many lines to read from this one on, which is not there: more, the longer somebody has been
// reading one after the other.
size_t BlockCache::ahead(uint64_t number)
{
    run_ = number == next_miss_ ? std::min({run_ * 2, staging_lines, limit_ / 4}) : 1;
    size_t lines = missing_from(number, run_);
    next_miss_ = number + lines;
    return lines;
}

// Reads several lines, of which the first is for `line`. False: that did not work.
bool BlockCache::read_ahead(Line& line, uint64_t number, size_t lines)
{
    std::byte* staging = get_staging();
    if (!staging || !load(number, lines, staging)) return false;
    keep(number + 1, lines - 1, staging + line_bytes, &line);
    memcpy(line.data, staging, line_bytes);
    insert(line, number);
    lines_.use(line);
    return true;
}

// Lines that nobody has asked for yet, as far as there are some for them, but this one.
void BlockCache::keep(uint64_t number, size_t lines, const std::byte* from, const Line* but)
{
    for (size_t i = 0; i < lines; ++i) {
        Line* line = spare();
        if (!line || line == but) break;
        memcpy(line->data, from + i * line_bytes, length_of(number + i));
        insert(*line, number + i);
        ++counts_.read_ahead;
    }
}

Result<void> BlockCache::fill(Line& line, uint64_t number)
{
    size_t lines = config_can_write ? ahead(number) : 1;  // a small kernel does without
    if (lines > 1 && read_ahead(line, number, lines)) return {};
    auto loaded = load(number, 1, line.data);
    if (loaded.error() == Error::device)
        line.missing = touched(0, length_of(number));  // perhaps only one of them
    else if (!loaded)
        return loaded;
    insert(line, number);
    return {};
}

// `whole`: it is about to be overwritten.
Result<BlockCache::Line*> BlockCache::fetch(uint64_t number, bool whole)
{
    Line* line = find(number);
    if (line) {
        ++counts_.hits;
        lines_.use(*line);
        return line;
    }
    ++counts_.misses;
    line = TRY(victim());
    if (whole)
        insert(*line, number);
    else
        TRY(fill(*line, number));
    return line;
}

// Blocks that could not be read with their line are read once more, by themselves, when they are
// needed.
Result<void> BlockCache::complete(Line& line, size_t within, size_t bytes)
{
    if (config_can_write && !line.missing) return {};
    uint8_t wanted = line.missing & touched(within, bytes);
    for (unsigned i = 0; wanted >> i; ++i) {
        if (!(wanted >> i & 1)) continue;
        auto read = device_.read(block_of(line.number * line_bytes) + i, 1,
                                 line.data + size_t{i} * device_.block_bytes);
        has_failed_ |= !read;
        TRY(std::move(read));
        line.missing &= static_cast<uint8_t>(~(1 << i));
    }
    return {};
}

uint8_t BlockCache::touched(size_t within, size_t bytes) const
{
    if (bytes == 0) return 0;
    size_t first = within >> block_shift_, last = (within + bytes - 1) >> block_shift_;
    return static_cast<uint8_t>((2u << last) - (1u << first));
}

uint8_t BlockCache::filled(size_t within, size_t bytes) const
{
    size_t first = (within + device_.block_bytes - 1) >> block_shift_;
    size_t end = (within + bytes) >> block_shift_;
    return end > first ? static_cast<uint8_t>((1u << end) - (1u << first)) : uint8_t{0};
}

Result<void> BlockCache::read(uint64_t offset, std::span<std::byte> into)
{
    if (!config_can_write) return read_lines(offset, into);
    Runs runs(*this, into.size());
    TRY(runs.read(offset, into));
    return runs.finish();
}

Result<void> BlockCache::read_lines(uint64_t offset, std::span<std::byte> into)
{
    if (!has(offset, into.size())) return Error::invalid;
    while (!into.empty()) {
        size_t within = offset % line_bytes, piece = std::min(into.size(), line_bytes - within);
        size_t whole = config_can_write || within ? 0 : into.size() / line_bytes;
        if (whole > 1) {  // a small kernel has no Runs, which take as long a way
            TRY(load(offset / line_bytes, whole, into.data()));
            offset += whole * line_bytes;
            into = into.subspan(whole * line_bytes);
            continue;
        }
        Line* line = TRY(fetch(offset / line_bytes));
        TRY(complete(*line, within, piece));
        memcpy(into.data(), line->data + within, piece);
        offset += piece;
        into = into.subspan(piece);
    }
    return {};
}

bool BlockCache::is_here(uint64_t offset)
{
    Line* line = find(offset / line_bytes);
    return line && !(line->missing & touched(offset % line_bytes, 1));
}

Result<std::span<const std::byte>> BlockCache::look(uint64_t offset, size_t bytes)
{
    size_t within = offset % line_bytes;
    if (!has(offset, bytes) || bytes > line_bytes - within) return Error::invalid;
    Line* line = TRY(fetch(offset / line_bytes));
    TRY(complete(*line, within, bytes));
    return std::span<const std::byte>(line->data + within, bytes);
}

// ---- reading, several runs at once

Result<void> BlockCache::Runs::read(uint64_t offset, std::span<std::byte> into)
{
    if (!config_can_write || !straight_) return cache_.read_lines(offset, into);
    if (!cache_.has(offset, into.size())) return Error::invalid;
    bool goes_on = offset == offset_ + rest_.size() && into.data() == rest_.data() + rest_.size();
    if (goes_on) {
        rest_ = {rest_.data(), rest_.size() + into.size()};
        return {};
    }
    TRY(begin_rest(true));
    offset_ = offset;
    rest_ = into;
    return {};
}

Result<void> BlockCache::Runs::begin_rest(bool more)
{
    const uint32_t block_bytes = cache_.device_.block_bytes;
    while (!rest_.empty()) {
        size_t piece = std::min<size_t>(rest_.size(), line_bytes - offset_ % line_bytes);
        if (offset_ & (block_bytes - 1) || rest_.size() < block_bytes ||
            cache_.find(offset_ / line_bytes)) {
            TRY(cache_.read_lines(offset_, rest_.first(piece)));
        } else {
            piece = rest_.size() & ~size_t{block_bytes - 1};
            TRY(begin(offset_, rest_.first(piece), more));
        }
        offset_ += piece;
        rest_ = rest_.subspan(piece);
    }
    return {};
}

// What is newer in the cache, agree() adds at its end: until then nothing is written.
Result<void> BlockCache::Runs::begin(uint64_t offset, std::span<std::byte> into, bool more)
{
    if (cache_.is_of_another_medium()) return Error::gone;
    if (begun_ - ended_ == most) end_first();
    if (begun_ == ended_) outer_ = std::exchange(cache_.runs_, this);
    auto* request = new (&requests_[begun_++ % most])
        BlockRequest{.first = cache_.block_of(offset),
                     .count = static_cast<uint32_t>(into.size() >> cache_.block_shift_),
                     .data = into.data(),
                     .more = more};
    cache_.device_.submit(*request);
    return {};
}

// Devices keep their deadlines: it ends.
void BlockCache::Runs::wait_for(BlockRequest& request)
{
    while (!request.done) (void)cache_.device_.wait(request, request_limit);
}

void BlockCache::Runs::end_first()
{
    BlockRequest& request = requests_[ended_++ % most];
    wait_for(request);
    if (result_) result_ = request.result;
}

void BlockCache::Runs::end_all()
{
    if (begun_ == ended_) return;
    while (begun_ != ended_) end_first();
    if (line_ != no_line) end_lines();
    cache_.runs_ = outer_;
}

Result<bool> BlockCache::Runs::take_along(uint64_t offset)
{
    if (!cache_.can_take_along(offset)) return false;
    TRY(begin_rest(true));
    return begun_ != ended_ && begin_lines(offset / line_bytes, 1, true);
}

Result<bool> BlockCache::Runs::begin_last(uint64_t soon)
{
    bool wants_line = soon && cache_.can_take_along(soon);
    TRY(begin_rest(wants_line));
    if (begun_ == ended_) return false;
    if (wants_line) begin_lines(soon / line_bytes, soon_lines, false);
    return true;
}

Result<void> BlockCache::Runs::finish_long()
{
    TRY(begin_rest(false));
    end_all();
    return result_;
}

// As many as there are before one that is here, `wanted` at most. They are nothing that must be
// there.
bool BlockCache::Runs::begin_lines(uint64_t number, size_t wanted, bool more)
{
    std::byte* staging = cache_.get_staging();
    if (!staging) return false;
    line_ = number;
    line_count_ = cache_.missing_from(number, wanted);
    new (&line_request_) BlockRequest{.first = cache_.block_of(number * line_bytes),
                                      .count = cache_.blocks_of(number, line_count_),
                                      .data = staging + staging_lines * line_bytes,
                                      .more = more};
    cache_.device_.submit(line_request_);
    return true;
}

void BlockCache::Runs::end_lines()
{
    wait_for(line_request_);
    uint64_t number = std::exchange(line_, no_line);
    for (size_t i = 0; line_request_.result && i < line_count_; ++i) {
        if (!cache_.find(number + i))
            cache_.keep(number + i, 1, line_request_.data + i * line_bytes, nullptr);
    }
}

// It is not here, and there is room for one.
bool BlockCache::can_take_along(uint64_t offset)
{
    for (Runs* runs = runs_; runs; runs = runs->outer_) {
        if (runs->line_ != no_line) return false;
    }
    return has(offset, 1) && !find(offset / line_bytes);
}

// ---- what others do with the same blocks

const char* BlockCache::why_read_only() const
{
    if (device_.read_only || device_.disk().read_only) return "its disk is read-only";
    return is_shared ? "another volume has the same blocks" : nullptr;
}

void BlockCache::agree(Line& line, bool written, uint64_t first, uint32_t count, std::byte* data)
{
    size_t block_bytes = device_.block_bytes;
    uint64_t start = device_.whole ? device_.first_block : 0;
    uint64_t index = start + line.number * (line_bytes / block_bytes) - first;  // in `data`
    std::byte* copy = line.data;
    std::byte* end = copy + length_of(line.number);
    for (uint8_t bit = 1; copy < end; copy += block_bytes, ++index, bit <<= 1) {
        if (index >= count) continue;
        if (!data) {  // nobody knows what is there
            if (!(line.dirty & bit)) line.missing |= bit;
            continue;
        }
        std::byte* block = data + static_cast<size_t>(index) * block_bytes;
        if (config_can_write && !written) {
            if (line.dirty & bit) memcpy(block, copy, block_bytes);
        } else {
            memcpy(copy, block, block_bytes);
            line.missing &= static_cast<uint8_t>(~bit);
            if (config_can_write) line.marks = 0;
        }
    }
}

void BlockCache::agree(bool written, uint64_t first, uint32_t count, std::byte* data)
{
    if (own_ || is_of_another_medium()) return;
    if (!written && !(config_can_write && dirty_count_)) return;
    uint64_t start = device_.whole ? device_.first_block : 0;
    uint64_t end = first + count;
    if (end <= start) return;
    size_t per_line = line_bytes / device_.block_bytes;
    uint64_t from = first > start ? (first - start) / per_line : 0;
    uint64_t to = (end - start + per_line - 1) / per_line;
    if (to - from < line_count_) {
        for (; from < to; ++from) {
            if (Line* line = find(from)) agree(*line, written, first, count, data);
        }
        return;
    }
    for (Line* line = lines_.newest(); line; line = line->older) {
        if (line->number >= from && line->number < to) agree(*line, written, first, count, data);
    }
}

// ---- writing

void BlockCache::clean(Line& line)
{
    if (!config_can_write) return;  // it is
    drop_edges(line);
    if (!line.dirty) return;
    line.dirty = 0;
    ++line.generation;
    --dirty_count_;
    dirty_metadata_ -= line.kind == Kind::metadata;
}

void BlockCache::soil(Line& line, uint8_t blocks, Kind kind)
{
    if (!line.dirty) {
        ++dirty_count_;
        line.kind = Kind::data;
    }
    line.dirty |= blocks;
    if (kind == Kind::metadata && line.kind == Kind::data) {
        line.kind = kind;
        ++dirty_metadata_;
    }
}

Result<void> BlockCache::write(uint64_t offset, std::span<const std::byte> from, Kind kind)
{
    if (!has(offset, from.size())) return Error::invalid;
    if (why_read_only()) return Error::read_only;
    while (!from.empty()) {
        uint64_t number = offset / line_bytes;
        size_t within = offset % line_bytes, whole = within ? 0 : from.size() / line_bytes;
        size_t piece = std::min(from.size(), line_bytes - within);
        if (kind == Kind::data && whole >= straight_write) {
            TRY(write_straight(number, whole, from.data()));
            piece = whole * line_bytes;
        } else {
            TRY(write_line(number, within, from.first(piece), kind));
        }
        offset += piece;
        from = from.subspan(piece);
    }
    return {};
}

Result<void> BlockCache::write_line(uint64_t number, size_t within, std::span<const std::byte> from,
                                    Kind kind)
{
    if (!held_) TRY(make_room());
    Line* line = TRY(fetch(number, from.size() == length_of(number)));
    uint8_t replaced = line->missing & filled(within, from.size());
    line->missing &= static_cast<uint8_t>(~replaced);
    // The blocks at the two ends keep a part.
    if (auto read = complete(*line, within, from.size()); !read) {
        line->missing |= replaced;
        return read;
    }
    memcpy(line->data + within, from.data(), from.size());
    soil(*line, touched(within, from.size()), kind);
    return {};
}

// Long data: the lines that are here get it too.
Result<void> BlockCache::write_straight(uint64_t number, size_t lines, const std::byte* from)
{
    size_t per_line = line_bytes / device_.block_bytes;
    TRY(to_device(number * per_line, static_cast<uint32_t>(lines * per_line), from));
    counts_.written += lines;
    for (size_t i = 0; i < lines; ++i) {
        Line* line = find(number + i);
        if (!line) continue;
        memcpy(line->data, from + i * line_bytes, line_bytes);
        line->missing = 0;
        clean(*line);
    }
    return {};
}

Result<void> BlockCache::to_device(uint64_t first, uint32_t count, const std::byte* from)
{
    if (is_of_another_medium()) return Error::gone;
    while (runs_) runs_->end_all();  // they would miss what is not newer here afterwards
    own_ = true;
    auto written = device_.write(first, count, from);
    own_ = false;
    unflushed_ = true;  // in part, perhaps
    has_failed_ |= !written;
    return written;
}

void BlockCache::forget(uint64_t offset, uint64_t bytes)
{
    if (bytes == 0 || offset >= bytes_) return;
    bytes = std::min(bytes, bytes_ - offset);
    uint64_t from = offset / line_bytes, to = (offset + bytes - 1) / line_bytes;
    auto drop = [&](Line& line) {
        uint64_t start = line.number * line_bytes;
        size_t begin = start < offset ? static_cast<size_t>(offset - start) : 0;
        auto end = static_cast<size_t>(std::min<uint64_t>(line_bytes, offset + bytes - start));
        auto left = static_cast<uint8_t>(line.dirty & ~filled(begin, end - begin));
        if (left)
            line.dirty = left;
        else
            clean(line);
    };
    if (to - from < line_count_) {
        for (; from <= to; ++from) {
            if (Line* line = find(from); line && line->dirty) drop(*line);
        }
        return;
    }
    for (Line* line = lines_.newest(); line; line = line->older) {
        if (line->dirty && line->number >= from && line->number <= to) drop(*line);
    }
}

// ---- in which order

void BlockCache::drop_edges(Line& line)
{
    while (Edge* edge = line.before) {
        line.before = edge->next;
        edge->next = std::exchange(spare_edges_, edge);
    }
}

// The line will be no more.
void BlockCache::forget_edges_to(const Line& gone)
{
    for (Line* line = lines_.newest(); line; line = line->older) {
        for (Edge** link = &line->before; *link;) {
            Edge* edge = *link;
            if (edge->first == &gone) {
                *link = edge->next;
                delete edge;
            } else {
                link = &edge->next;
            }
        }
    }
}

bool BlockCache::holds(const Edge& edge) { return edge.first->generation == edge.generation; }

// Whether `first` has to be written before `later` for what they hold already.
bool BlockCache::comes_before(Line& first, Line& later)
{
    ++mark_;
    Line* stack = &later;
    later.next_to_visit = nullptr;
    later.mark = mark_;
    while (stack) {
        Line* line = stack;
        stack = line->next_to_visit;
        for (Edge* edge = line->before; edge; edge = edge->next) {
            if (!holds(*edge) || edge->first->mark == mark_) continue;
            if (edge->first == &first) return true;
            edge->first->mark = mark_;
            edge->first->next_to_visit = stack;
            stack = edge->first;
        }
    }
    return false;
}

Result<void> BlockCache::order(uint64_t first, uint64_t later)
{
    if (journal_ || block_of(first) == block_of(later)) return {};
    Line* from = find(first / line_bytes);
    return from && from->dirty ? order_line(*from, later) : Result<void>();
}

Result<void> BlockCache::order_copy(uint64_t original, uint64_t copy)
{
    Line* line = find(original / line_bytes);
    if (journal_ || !line || !line->dirty) return {};
    for (Edge *edge = line->before, *next; edge && line->dirty; edge = next) {
        next = edge->next;
        if (holds(*edge)) TRY(order_line(*edge->first, copy));
    }
    return {};
}

Result<void> BlockCache::order_line(Line& from, uint64_t later)
{
    Line* to = find(later / line_bytes);
    if (to == &from || (to && to->dirty && comes_before(*to, from))) return write_back();
    to = TRY(fetch(later / line_bytes));
    if (!from.dirty) return {};  // there was no room: it has been written
    for (Edge* edge = to->before; edge; edge = edge->next) {
        if (edge->first == &from && holds(*edge)) return {};
    }
    Edge* edge = spare_edges_;
    if (edge)
        spare_edges_ = edge->next;
    else if (!(edge = new (std::nothrow) Edge))
        return write_back();
    *edge = {&from, from.generation, to->before};
    to->before = edge;
    return {};
}

bool BlockCache::waits(const Line& line)
{
    for (Edge* edge = line.before; edge; edge = edge->next) {
        if (holds(*edge)) return true;
    }
    return false;
}

bool BlockCache::needs_flush(const Line& line) const
{
    for (Edge* edge = line.before; edge; edge = edge->next) {
        if (edge->first->written_epoch == epoch_) return true;
    }
    return false;
}

// ---- writing back

Result<void> BlockCache::make_room()
{
    size_t limit = std::max<size_t>(limit_ * 3 / 4, 1);
    bool journal_full = journal_ && dirty_metadata_ >= journal_->most_lines * 3 / 4;
    return dirty_count_ > limit || journal_full ? write_back() : Result<void>();
}

std::byte* BlockCache::get_staging()
{
    if (staging_.size() == 0) {
        if (auto made = Buffer::of((staging_lines + soon_lines) * line_bytes))
            staging_ = std::move(made).value();
    }
    return staging_.data();
}

// Puts the lines that are to be written into chosen_, in their order on the device.
template <class Wanted> Result<void> BlockCache::collect(Wanted wanted)
{
    if (chosen_room_ < dirty_count_) {
        delete[] chosen_;
        chosen_room_ = std::max(dirty_count_, line_count_);
        chosen_ = new (std::nothrow) Line*[chosen_room_];
        if (!chosen_) chosen_room_ = 0;
        if (!chosen_) return Error::no_memory;
    }
    chosen_count_ = 0;
    for (Line* line = lines_.newest(); line; line = line->older) {
        if (line->dirty && wanted(*line)) chosen_[chosen_count_++] = line;
    }
    std::sort(chosen_, chosen_ + chosen_count_,
              [](const Line* a, const Line* b) { return a->number < b->number; });
    return {};
}

// What is in chosen_; neighbours in one request.
Result<void> BlockCache::write_chosen()
{
    std::byte* staging = get_staging();
    size_t per_line = line_bytes / device_.block_bytes;
    uint64_t first = 0;
    uint32_t count = 0;
    const std::byte* from = nullptr;  // where they are: in one line, or collected
    size_t written = 0;               // lines of chosen_
    auto end_run = [&](size_t lines) -> Result<void> {
        if (count) TRY(to_device(first, count, from));
        count = 0;
        for (; written < lines; ++written) {
            chosen_[written]->written_epoch = epoch_;
            clean(*chosen_[written]);
            ++counts_.written;
        }
        return {};
    };
    for (size_t i = 0; i < chosen_count_; ++i) {
        Line& line = *chosen_[i];
        for (size_t begin = 0, end = 0; begin < per_line; begin = end + 1) {
            for (end = begin; end < per_line && line.dirty >> end & 1;) ++end;
            if (end == begin) continue;
            uint64_t block = line.number * per_line + begin;
            size_t have = count * size_t{device_.block_bytes};
            size_t bytes = (end - begin) * device_.block_bytes;
            if (count == 0 || !staging || block != first + count ||
                have + bytes > staging_lines * line_bytes) {
                TRY(end_run(i));
                first = block;
                from = line.data + begin * device_.block_bytes;
                have = 0;
            } else if (count && from != staging) {
                memcpy(staging, from, have);
                from = staging;
            }
            if (have) memcpy(staging + have, line.data + begin * device_.block_bytes, bytes);
            count += static_cast<uint32_t>(end - begin);
        }
    }
    return end_run(chosen_count_);
}

Result<void> BlockCache::flush()
{
    auto flushed = device_.flush();
    has_failed_ |= !flushed;
    TRY(std::move(flushed));
    ++epoch_;
    ++counts_.flushes;
    unflushed_ = false;
    return {};
}

// Data first, so that no metadata names blocks that do not hold it yet. Metadata comes after all
// that was written before: an order needs to hold only among what is written here.
Result<void> BlockCache::write_back()
{
    if (dirty_count_ > dirty_metadata_) {
        TRY(collect([](const Line& line) { return line.kind == Kind::data; }));
        TRY(write_chosen());
    }
    if (dirty_metadata_ == 0) return {};
    if (unflushed_) TRY(flush());
    return journal_ ? write_with_journal() : write_in_order();
}

Result<void> BlockCache::write_in_order()
{
    while (dirty_metadata_) {
        TRY(collect([](const Line& line) { return !waits(line); }));
        if (chosen_count_ == 0) TRY(collect([](const Line&) { return true; }));
        bool after_flush = false;
        for (size_t i = 0; i < chosen_count_; ++i) after_flush |= needs_flush(*chosen_[i]);
        if (after_flush && unflushed_) TRY(flush());
        TRY(write_chosen());
    }
    return {};
}

Result<void> BlockCache::write_with_journal()
{
    TRY(journal_->before_writing(*this));
    TRY(collect([](const Line&) { return true; }));
    TRY(write_chosen());
    TRY(flush());
    return journal_->after_writing();
}

BlockCache::Dirty BlockCache::next_dirty(uint64_t offset)
{
    if (offset == 0 && !collect([](const Line& line) { return line.kind == Kind::metadata; }))
        return {};
    Line** end = chosen_ + chosen_count_;
    Line** line = std::lower_bound(chosen_, end, offset, [](const Line* a, uint64_t at) {
        return a->number * line_bytes < at;
    });
    if (line == end) return {};
    return {
        (*line)->number * line_bytes, {(*line)->data, length_of((*line)->number)}, (*line)->dirty};
}

Result<void> BlockCache::sync()
{
    if (!config_can_write) return {};
    TRY(write_back());
    return unflushed_ ? flush() : Result<void>();
}
