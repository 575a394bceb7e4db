// SPDX-License-Identifier: BSD-2-Clause
// Volumes of clusters: names and times, the allocation table, nodes, and syncing.
#include <algorithm>
#include <bit>
#include "fs/clusters/clusters.h"
#include "lib/bytes.h"
#include "lib/heap.h"

namespace fs {

// ---- names and times

uint32_t take_utf8(std::string_view& text)
{
    constexpr uint32_t malformed = 0x110000;
    auto head = static_cast<uint8_t>(text[0]);
    text.remove_prefix(1);
    if (head < 0x80) return head;
    size_t more = head >= 0xf0 ? 3 : head >= 0xe0 ? 2 : 1;
    if (head < 0xc2 || head > 0xf4 || text.size() < more) return malformed + head;
    uint32_t c = head & (0x3f >> more);
    for (size_t i = 0; i < more; ++i) {
        if ((text[i] & 0xc0) != 0x80) return malformed + head;
        c = c << 6 | (text[i] & 0x3f);
    }
    constexpr uint32_t smallest[] = {0, 0x80, 0x800, 0x10000};
    if (c < smallest[more] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) return malformed + head;
    text.remove_prefix(more);
    return c;
}

Result<size_t> name_units(std::string_view name, char16_t (&units)[max_units])
{
    if (name.ends_with('.') || name.ends_with(' ')) return Error::invalid;
    constexpr std::string_view special = "\"*/:<>?\\|";
    size_t count = 0;
    while (!name.empty()) {
        uint32_t c = take_utf8(name);
        bool forbidden = c < ' ' || c > 0x10ffff ||
                         (c < 0x80 && special.find(static_cast<char>(c)) != special.npos);
        if (forbidden) return Error::invalid;
        size_t needed = c < 0x10000 ? 1 : 2;
        if (count + needed > max_units) return Error::too_large;
        if (needed == 2) units[count++] = static_cast<char16_t>(0xd7c0 + (c >> 10));
        units[count++] = static_cast<char16_t>(needed == 1 ? c : 0xdc00 | (c & 0x3ff));
    }
    return count;
}

int64_t seconds_of_dos_time(uint32_t time, uint8_t hundredths, uint8_t utc_offset)
{
    CalendarTime calendar = {1980 + (time >> 25),
                             static_cast<uint8_t>(time >> 21 & 15),
                             static_cast<uint8_t>(time >> 16 & 31),
                             static_cast<uint8_t>(time >> 11 & 31),
                             static_cast<uint8_t>(time >> 5 & 63),
                             static_cast<uint8_t>((time & 31) * 2 + hundredths / 100 % 2)};
    if (!calendar.valid()) return 0;
    int quarters = utc_offset & 0x40 ? (utc_offset & 0x7f) - 0x80 : utc_offset & 0x7f;
    return calendar.unix_seconds() - (utc_offset & 0x80 ? quarters * 900 : 0);
}

uint32_t dos_time(int64_t seconds)
{
    constexpr uint32_t first = 1 << 21 | 1 << 16, last = ~0u << 25 | 12 << 21 | 31 << 16 | 0xbf7d;
    auto calendar = CalendarTime::of(seconds);
    if (!calendar || calendar.value().year < 1980) return first;
    const CalendarTime& time = calendar.value();
    if (time.year > 1980 + 127) return last;
    return (time.year - 1980) << 25 | uint32_t{time.month} << 21 | uint32_t{time.day} << 16 |
           uint32_t{time.hour} << 11 | uint32_t{time.minute} << 5 | uint32_t{time.second} / 2;
}

// ---- pieces of tables

void Window::place(uint64_t start, uint64_t bytes, unsigned overlap, unsigned copies)
{
    start_ = start;
    bytes_ = bytes;
    overlap_ = overlap;
    copies_ = copies;
}

Result<std::byte*> Window::at(uint64_t offset)
{
    uint64_t piece = offset & ~uint64_t{chunk_bytes - 1};
    if (piece != piece_) {
        if (has_to_wait(piece, chunk_bytes + overlap_)) return Error::busy;
        TRY(write());
        TRY(load(piece));
    }
    return data_.data() + (offset - piece);
}

Result<std::span<const std::byte>> Window::look(uint64_t offset)
{
    size_t bytes = chunk_bytes - offset % chunk_bytes;
    uint64_t place = start_ + offset, end = (place | (BlockCache::line_bytes - 1)) + 1;
    if (has_to_wait(offset, bytes)) return Error::busy;
    TRY(write());
    auto found = cache_.look(place, bytes);
    if (!found) return std::span<const std::byte>(TRY(at(offset)), bytes);  // a copy has it
    end = std::min(end, start_ + bytes_);
    while (place + bytes < end && cache_.is_here(place + bytes)) bytes += chunk_bytes;
    return std::span(found.value().data(), bytes);
}

bool Window::has_to_wait(uint64_t offset, size_t bytes)
{
    if (!looks_ahead_) return false;
    uint64_t first = start_ + offset, last = first + bytes - 1;
    for (uint64_t place : {first, std::min(last, start_ + bytes_ - 1)}) {
        if (cache_.is_here(place)) continue;
        soon_ = place;
        return true;
    }
    return false;
}

uint64_t Window::end_ahead()
{
    looks_ahead_ = false;
    return std::exchange(soon_, 0);
}

// If a table cannot be read, its copy will do.
Result<void> Window::load(uint64_t piece)
{
    piece_ = ~0ull;  // until it holds what it says
    auto into = std::span(data_).first(
        static_cast<size_t>(std::min<uint64_t>(chunk_bytes + overlap_, bytes_ - piece)));
    Result<void> result;
    for (unsigned copy = 0; copy < copies_; ++copy) {
        result = cache_.read(start_ + copy * bytes_ + piece, into);
        if (result) break;
    }
    if (result) piece_ = piece;
    return result;
}

void Window::changed(uint64_t offset, size_t bytes)
{
    auto from = static_cast<size_t>(offset - piece_);
    changed_from_ = changed_to_ ? std::min(changed_from_, from) : from;
    changed_to_ = std::max(changed_to_, from + bytes);
}

Result<void> Window::write()
{
    if (changed_to_ == 0) return {};
    auto bytes = std::span(data_).subspan(changed_from_, changed_to_ - changed_from_);
    TRY(cache_.write(start_ + piece_ + changed_from_, bytes));
    changed_to_ = 0;
    return {};
}

// ---- the allocation table

Result<uint32_t> ClusterVolume::entry(uint32_t cluster)
{
    const std::byte* at = TRY(table_.at(uint64_t{cluster} * shape.entry_bits / 8));
    if (shape.entry_bits == 32) return le32(at) & shape.entry_mask;
    if (shape.entry_bits == 16) return uint32_t{le16(at)};
    return uint32_t{le16(at)} >> (cluster & 1 ? 4 : 0) & shape.entry_mask;
}

// As many of them as lie in one line of the cache, in a loop: a long file has very many.
Result<uint32_t> ClusterVolume::adjacent_after(uint32_t cluster)
{
    if (shape.entry_bits == 12) return uint32_t{0};
    uint32_t bytes = shape.entry_bits / 8;
    auto entries = TRY(table_.look(uint64_t{cluster} * bytes));
    auto left =
        std::min(static_cast<uint32_t>(entries.size()) / bytes, shape.clusters + 1 - cluster);
    const std::byte* at = entries.data();
    uint32_t next = cluster + 1, end = next + left, mask = shape.entry_mask;
    if (bytes == 4) {
        for (; end - next >= 4; next += 4, at += 16) {
            if (((le32(at) ^ next) | (le32(at + 4) ^ (next + 1)) | (le32(at + 8) ^ (next + 2)) |
                 (le32(at + 12) ^ (next + 3))) &
                mask)
                break;
        }
        for (; next != end && (le32(at) & mask) == next; ++next) at += 4;
    } else {
        for (; next != end && le16(at) == next; ++next) at += 2;
    }
    return next - cluster - 1;
}

Result<void> ClusterVolume::set_entry(uint32_t cluster, uint32_t value)
{
    uint64_t offset = uint64_t{cluster} * shape.entry_bits / 8;
    std::byte* at = TRY(table_.at(offset));
    size_t bytes = shape.entry_bits == 32 ? 4 : 2;
    uint32_t mask = shape.entry_mask, old = bytes == 4 ? le32(at) : le16(at);
    if (shape.entry_bits == 12 && cluster & 1) {
        mask <<= 4;
        value <<= 4;
    }
    value = (old & ~mask) | (value & mask);
    if (value == old) return {};
    memcpy(at, &value, bytes);
    table_.changed(offset, bytes);
    if (shape.fat_copies == 1) return {};
    for (uint64_t piece :
         {offset / BlockCache::line_bytes, (offset + bytes - 1) / BlockCache::line_bytes})
        changed_pieces_.data()[piece / 8] |= std::byte{1} << (piece % 8);
    return {};
}

uint64_t ClusterVolume::entry_offset(uint32_t cluster) const
{
    return table_.offset_of(uint64_t{cluster} * shape.entry_bits / 8);
}

Result<uint32_t> ClusterVolume::next_cluster(uint32_t cluster)
{
    uint32_t next = TRY(entry(cluster)), bad = shape.entry_mask - 8;
    if (is_cluster(next)) return next;
    if (next > bad) return uint32_t{0};
    return corrupt("cluster {} leads to {x}, which is {}", cluster, next,
                   next == 0     ? "free"
                   : next == bad ? "marked bad"
                                 : "none of the volume's");
}

// Half of an entry in two sectors may be on the medium, and not the other. What says that the chain
// ends is in the second one: before there is a new link, and when there is none any more.
Result<void> ClusterVolume::link(uint32_t cluster, uint32_t next)
{
    uint32_t value = next ? next : shape.entry_mask;
    uint32_t old = is_split(cluster) ? TRY(entry(cluster)) : 0;
    if (old && old != value) {
        uint32_t low = cluster & 1 ? 0xf : 0xff;
        TRY(set_entry(cluster, (shape.entry_mask & ~low) | ((next ? value : old) & low)));
        TRY(write_all());
    }
    return set_entry(cluster, value);
}

Result<void> ClusterVolume::link_all(Clusters run)
{
    for (uint32_t i = 1; i <= run.count; ++i)
        TRY(link(run.first + i - 1, i < run.count ? run.first + i : 0));
    return {};
}

// From `goal` on, or else from where the last ones were; in groups, as some of them may be known to
// be full.
Result<Clusters> ClusterVolume::search(uint32_t goal, uint32_t wanted, bool any)
{
    if (is_cluster(goal)) {
        Clusters run = TRY(find_free(goal, goal + 1, wanted, any));
        if (run.count) return run;
    }
    uint32_t end = shape.clusters + 2, from = is_cluster(rover_) ? rover_ : 2;
    std::byte* full = full_groups_.data();
    for (auto [begin, stop] : {Clusters{from, end}, Clusters{2, from}}) {
        for (uint32_t c = begin, next = 0; c < stop; c = next) {
            uint32_t group = (c - 2) / group_clusters;
            uint32_t group_end = std::min(2 + (group + 1) * group_clusters, end);
            next = std::min(group_end, stop);
            if ((full[group / 8] >> (group % 8) & std::byte{1}) != std::byte{0}) continue;
            Clusters run = TRY(find_free(c, next, wanted, any));
            if (run.count) return run;
            if (any && c == 2 + group * group_clusters && next == group_end)
                full[group / 8] |= std::byte{1} << (group % 8);
        }
    }
    return Clusters{};
}

Result<Clusters> ClusterVolume::allocate(uint32_t goal, uint32_t wanted)
{
    auto look = [&]() -> Result<Clusters> {
        Clusters run = TRY(search(goal, wanted, shape.entry_bits != 12));
        if (run.count || shape.entry_bits != 12) return run;
        return search(goal, wanted, true);
    };
    Clusters run = TRY(look());
    if (run.count == 0) {
        if (!has_surplus()) return Error::no_space;
        TRY(sync());
        TRY(begin_change());
        run = TRY(look());
    }
    if (run.count == 0) return Error::no_space;
    TRY(mark(run, true));
    marked_ = true;
    rover_ = run.first + run.count;
    free_ = free_ == unknown || free_ < run.count ? unknown : free_ - run.count;
    return run;
}

void ClusterVolume::give_back(Clusters chain)
{
    if (!is_cluster(chain.first)) return;
    if (pending_count_ == std::size(pending_) && sync())
        (void)begin_change();                           // an error comes again
    if (pending_count_ == std::size(pending_)) return;  // they are lost, until a checker finds them
    pending_[pending_count_++] = chain;
}

Result<void> ClusterVolume::give(Clusters run)
{
    TRY(mark(run, false));
    if (free_ != unknown) free_ += run.count;
    uint32_t last = (run.first + run.count - 3) / group_clusters;
    for (uint32_t group = (run.first - 2) / group_clusters; group <= last; ++group)
        full_groups_.data()[group / 8] &= ~(std::byte{1} << (group % 8));
    cache_.forget(offset_of(run.first), uint64_t{run.count} * shape.cluster_bytes);
    return {};
}

// A loop ends where it comes to what is free by then.
Result<void> ClusterVolume::give_chain(Clusters chain)
{
    if (chain.count) {
        uint32_t most = shape.clusters - (chain.first - 2);
        return give({chain.first, std::min(chain.count, most)});
    }
    for (uint32_t cluster = chain.first; cluster;) {
        Clusters run = {cluster, 0};
        do {
            cluster = TRY(next_cluster(cluster));
            ++run.count;
        } while (cluster == run.first + run.count);
        TRY(give(run));
    }
    return {};
}

Result<void> ClusterVolume::give_all()
{
    Result<void> result;
    for (size_t i = 0; i < pending_count_; ++i) {
        auto given = give_chain(pending_[i]);
        if (!given && given.error() != Error::corrupt) result = given;
    }
    pending_count_ = 0;
    return result;
}

// ---- nodes

ClusterVolume::ClusterVolume(BlockCache& cache, const Shape& shape)
    : shape(shape),
      removed(cache),
      cache_(cache),
      cluster_shift_(static_cast<unsigned>(std::countr_zero(shape.cluster_bytes))),
      table_(cache)
{
    table_.place(shape.fat, shape.fat_bytes, shape.entry_bits == 12 ? 1 : 0, shape.fat_copies);
    type = shape.type;
    bytes = uint64_t{shape.clusters} * shape.cluster_bytes;
    read_only = cache.why_read_only();
}

ClusterVolume::~ClusterVolume()
{
    nodes.clear();  // which know it
    delete root_;
}

void ClusterVolume::start(ClusterNode& root)
{
    root_ = &root;
    root.type = NodeType::directory;
    root.id = 1;
    root.mode = 0755;
}

Node& ClusterVolume::root() { return *root_; }

Result<ClusterNode*> ClusterVolume::node_of(ClusterNode& directory, const EntrySet& set)
{
    if (CachedNode* node = nodes.find(set.offset)) return static_cast<ClusterNode*>(node);
    ClusterNode* node = TRY(make<ClusterNode>(*this));
    node->take(set);
    node->parent = &directory;
    ++directory.children;
    nodes.add(*node);
    return node;
}

// Its set is gone, or another's: what comes to its place will have its id.
void ClusterVolume::lost_name(ClusterNode& node)
{
    unlist(node);
    nodes.remove(node);
    node.links = 0;
    ++nameless_;
    node.id |= 1;
    nodes.add(node);
}

void ClusterVolume::list_changed(ClusterNode& node)
{
    if (node.changed || node.links == 0 || !node.parent) return;
    node.changed = true;
    node.previous_changed = nullptr;
    node.next_changed = changed_nodes_;
    if (changed_nodes_) changed_nodes_->previous_changed = &node;
    changed_nodes_ = &node;
}

void ClusterVolume::unlist(ClusterNode& node)
{
    if (!node.changed) return;
    node.changed = false;
    (node.previous_changed ? node.previous_changed->next_changed : changed_nodes_) =
        node.next_changed;
    if (node.next_changed) node.next_changed->previous_changed = node.previous_changed;
}

uint32_t ClusterVolume::hash_of(std::string_view name) const
{
    uint32_t hash = 0x811c9dc5;  // FNV-1a
    while (!name.empty()) hash = (hash ^ fold(take_utf8(name))) * 0x01000193;
    return hash;
}

bool ClusterVolume::same_name(std::string_view a, std::string_view b) const
{
    while (!a.empty() && !b.empty()) {
        if (fold(take_utf8(a)) != fold(take_utf8(b))) return false;
    }
    return a.empty() && b.empty();
}

// ---- changes, and syncing

Error ClusterVolume::log_corrupt(std::string_view what) const
{
    if (table_.looks_ahead()) return Error::corrupt;  // whoever needs it will say so
    std::string_view kind = shape.extended ? "exfat" : "fat";
    return hal::fail(Error::corrupt, "{}: {}: {}", cache_.device().name.view(), kind, what);
}

Result<void> ClusterVolume::prepare_tables()
{
    constexpr size_t zero_bytes = 16384;
    auto zeroed = [](Buffer& buffer, size_t bytes) -> Result<void> {
        if (buffer.size()) return {};
        buffer = TRY(Buffer::of(bytes));
        memset(buffer.data(), 0, bytes);
        return {};
    };
    TRY(zeroed(zeros_, zero_bytes));
    TRY(zeroed(full_groups_, shape.clusters / group_clusters / 8 + 1));
    if (shape.fat_copies == 1) return {};
    auto pieces = static_cast<size_t>(shape.fat_bytes / BlockCache::line_bytes);
    return zeroed(changed_pieces_, pieces / 8 + 1);
}

Result<void> ClusterVolume::begin_change()
{
    if (read_only) return Error::read_only;
    if (changed_) return {};
    TRY(prepare_tables());
    TRY(set_dirty(true));
    auto written = write_all();
    changed_ = bool(written);
    if (!written && set_dirty(false)) (void)write_tables();
    return written;
}

Result<void> ClusterVolume::write_all()
{
    TRY(write_tables());
    TRY(cache_.sync());
    ++times_written_;
    removed.clear();
    return {};
}

Result<void> ClusterVolume::write_zeros(uint64_t offset, uint64_t bytes, BlockCache::Kind kind)
{
    while (bytes) {
        auto piece = static_cast<size_t>(std::min<uint64_t>(bytes, zeros_.size()));
        TRY(cache_.write(offset, zeros_.span().first(piece), kind));
        offset += piece;
        bytes -= piece;
    }
    return {};
}

Result<void> ClusterVolume::write_changed_sets()
{
    for (ClusterNode* node = changed_nodes_; node;) {
        ClusterNode* next = node->next_changed;
        if (!node->growing) {
            TRY(node->write_back());
            if (!node->wants_trim) unlist(*node);
        }
        node = next;
    }
    return {};
}

// Something can be given back.
bool ClusterVolume::has_surplus() const
{
    auto node = changed_nodes_;
    while (node && (!node->wants_trim || node->growing)) node = node->next_changed;
    return node || pending_count_;
}

// As many as can be noted; the new ends are on the medium before anybody else can have what was
// behind them.
Result<void> ClusterVolume::trim_all()
{
    bool cut = false;
    for (ClusterNode* node = changed_nodes_; node && pending_count_ < std::size(pending_);) {
        ClusterNode* next = node->next_changed;
        if (node->wants_trim && !node->growing) {
            cut |= TRY(node->trim());
            unlist(*node);
        }
        node = next;
    }
    return cut ? write_all() : Result<void>();
}

// What has changed in the allocation table goes to its copies.
Result<void> ClusterVolume::write_copies()
{
    TRY(write_tables());
    for (size_t i = 0; i < changed_pieces_.size() * 8; ++i) {
        std::byte& bits = changed_pieces_.data()[i / 8];
        if (bits == std::byte{0}) i |= 7;
        if ((bits >> (i % 8) & std::byte{1}) == std::byte{0}) continue;
        std::array<std::byte, chunk_bytes> chunk;
        uint64_t end = std::min<uint64_t>((i + 1) * BlockCache::line_bytes, shape.fat_bytes);
        for (uint64_t at = i * BlockCache::line_bytes; at < end; at += chunk_bytes) {
            TRY(cache_.read(shape.fat + at, chunk));
            for (unsigned copy = 1; copy < shape.fat_copies; ++copy)
                TRY(cache_.write(shape.fat + copy * shape.fat_bytes + at, chunk));
        }
        bits &= ~(std::byte{1} << (i % 8));
    }
    return {};
}

Result<void> ClusterVolume::write_counts()
{
    TRY(write_summary(free_, rover_));
    TRY(write_copies());
    return write_all();
}

Result<void> ClusterVolume::sync()
{
    if (!changed_) return cache_.sync();
    if (marked_) TRY(write_all());
    marked_ = false;
    TRY(write_changed_sets());
    TRY(write_counts());
    while (has_surplus()) {
        TRY(trim_all());
        TRY(give_all());
        TRY(write_counts());
    }
    if (changed_nodes_ || nameless_ || cache_.has_failed()) return {};
    auto cleaned = set_dirty(false);
    if (cleaned) cleaned = write_copies();
    if (cleaned) cleaned = write_all();
    changed_ = !cleaned;
    if (changed_) (void)set_dirty(true);
    return cleaned;
}

// What the next sync() gives back is free.
Result<uint64_t> ClusterVolume::free_bytes()
{
    if (free_ == unknown) free_ = TRY(count_free());
    uint32_t count = free_;
    for (size_t i = 0; i < pending_count_; ++i) {
        count += pending_[i].count;
        uint32_t cluster = pending_[i].count ? 0 : pending_[i].first;
        for (; cluster && count < shape.clusters; ++count) {
            auto next = next_cluster(cluster);
            cluster = next ? next.value() : 0;
        }
    }
    for (auto node = changed_nodes_; node; node = node->next_changed) {
        auto surplus = node->wants_trim ? node->surplus() : Result<uint32_t>(0u);
        if (surplus) count += surplus.value();
    }
    return uint64_t{std::min(count, shape.clusters)} * shape.cluster_bytes;
}

}  // namespace fs
