// SPDX-License-Identifier: BSD-2-Clause
// Directories: where the entry sets are, and how they come and go.
#include <algorithm>
#include <utility>
#include "fs/clusters/clusters.h"
#include "lib/heap.h"

namespace fs {

// ---- finding names

ClusterNode::~ClusterNode()
{
    if (volume_.last_chunk.directory == this) volume_.last_chunk = {};
    delete index_;
    if (runs_ != few_runs_) delete[] runs_;
}

Slots::Slots(ClusterNode& directory, uint64_t position)
    : directory_(directory),
      position_(static_cast<uint32_t>(
                    std::min<uint64_t>(position, directory.volume().shape.max_directory_bytes)) &
                ~(slot_bytes - 1)),
      chunk_(directory.volume().last_chunk)
{
}

Result<const std::byte*> Slots::next()
{
    ClusterVolume& volume = directory_.volume();
    uint32_t within = position_ % chunk_bytes, start = position_ - within;
    if (chunk_.directory != &directory_ || chunk_.position != start ||
        chunk_.replaced != volume.cache().replaced()) {
        uint64_t offset = TRY(directory_.locate(start));
        if (offset == 0) return static_cast<const std::byte*>(nullptr);
        uint32_t most = volume.shape.max_directory_bytes / slot_bytes;
        if (position_ / slot_bytes >= most)
            return volume.corrupt("directory {}: more than {} entries", directory_.id, most);
        auto data = TRY(volume.cache().look(offset, chunk_bytes)).data();
        chunk_ = {&directory_, start, volume.cache().replaced(), offset, data};
        volume.last_chunk = chunk_;
    }
    if (directory_.fixed && position_ >= directory_.fixed_bytes)
        return static_cast<const std::byte*>(nullptr);
    position_ += slot_bytes;
    return chunk_.data + within;
}

Result<uint64_t> ClusterNode::locate(uint32_t place)
{
    if (fixed) return place < fixed_bytes ? fixed + place : 0;
    if (volume_.shape.extended && parent && place >= size) return uint64_t{0};
    uint32_t cluster_bytes = volume_.shape.cluster_bytes;
    Clusters run = TRY(run_at(place / cluster_bytes, 1));
    if (run.count == 0) return uint64_t{0};
    return volume_.offset_of(run.first) + place % cluster_bytes;
}

Result<void> ClusterNode::check_directory() const
{
    if (type != NodeType::directory) return Error::not_directory;
    return links ? Result<void>() : Error::not_found;
}

void ClusterNode::index(const EntrySet& set, bool add)
{
    if (!index_) return;
    for (std::string_view name : {set.name.view(), set.short_name.view()}) {
        if (name.empty()) continue;
        uint32_t hash = volume_.hash_of(name), slot = set.position / slot_bytes;
        if (!add) {
            index_->remove(hash, slot);
            --names_;
        } else if (index_->add(hash, slot)) {
            ++names_;
        } else {
            return drop_index();
        }
    }
}

void ClusterNode::drop_index() { delete std::exchange(index_, nullptr); }

// There is room for at most so many.
uint32_t ClusterNode::most_names()
{
    uint64_t bytes = fixed_bytes;
    auto length = fixed ? Result<uint32_t>(0u) : chain_length();
    if (length) bytes += uint64_t{length.value()} * volume_.shape.cluster_bytes;
    bytes = std::min<uint64_t>(bytes, volume_.shape.max_directory_bytes);
    return static_cast<uint32_t>(bytes) / slot_bytes / (volume_.shape.extended ? 3 : 1);
}

// There is none without memory, or if something in the directory cannot be read. It has room for
// the names that there were last, or else for all that there can be.
Result<void> ClusterNode::build_index()
{
    for (uint32_t room = std::max(names_, 32u);; room = std::max(room * 2, most_names())) {
        names_ = 0;
        index_ = new (std::nothrow) NameIndex;
        no_index_ = !index_ || !index_->make(room);
        if (no_index_) drop_index();
        if (no_index_) return {};
        Slots slots_of(*this, 0);
        EntrySet set;
        while (index_) {
            auto more = volume_.next_set(slots_of, set);
            if (more && !more.value()) return {};
            if (more) index(set, true);
            no_index_ = !more;
            if (!no_index_) continue;
            drop_index();
            return more.error();
        }
    }
}

Result<bool> ClusterNode::find_set(std::string_view name, EntrySet& set)
{
    TRY(check_directory());
    auto is_it = [&] {
        return volume_.same_name(set.name, name) || volume_.same_name(set.short_name, name);
    };
    if (!index_ && !no_index_) (void)build_index();
    if (!index_) {
        Slots slots_of(*this, 0);
        while (TRY(volume_.next_set(slots_of, set))) {
            if (is_it()) return true;
        }
        return false;
    }
    uint32_t hash = volume_.hash_of(name), probe = 0;
    for (;;) {
        uint32_t slot = index_->find(hash, probe);
        if (slot == NameIndex::none) return false;
        uint32_t place = slot * slot_bytes;
        Slots slots_of(*this, place);
        if (TRY(volume_.next_set(slots_of, set)) && set.position == place && is_it()) return true;
    }
}

Result<Node*> ClusterNode::find(std::string_view name)
{
    EntrySet set;
    if (!TRY(find_set(name, set))) return static_cast<Node*>(nullptr);
    return static_cast<Node*>(TRY(volume_.node_of(*this, set)));
}

Result<bool> ClusterNode::next_entry(uint64_t& place, DirectoryEntry& entry)
{
    if (type != NodeType::directory) return Error::not_directory;
    if (links == 0) return false;
    Slots slots_of(*this, place);
    EntrySet& set = volume_.listed;
    bool more = TRY(volume_.next_set(slots_of, set));
    place = slots_of.position();
    if (!more) return false;
    entry.name.assign(set.name);
    entry.type = set.is_directory() ? NodeType::directory : NodeType::file;
    entry.id = set.offset;
    return true;
}

// ---- finding room

// Where so many slots go that are to be in one chunk if they can, from this place on.
static uint32_t fitting(uint32_t place, uint32_t count)
{
    uint32_t within = place % chunk_bytes, bytes = count * slot_bytes;
    bool fits = bytes > chunk_bytes ? within == 0 : within + bytes <= chunk_bytes;
    return fits ? place : place - within + chunk_bytes;
}

uint32_t ClusterNode::take_gap(uint32_t count)
{
    for (Gap& gap : gaps_) {
        uint32_t place = fitting(gap.position, count), end = gap.position + gap.slots * slot_bytes;
        if (gap.slots && place + count * slot_bytes <= end) return place;
    }
    return nowhere;
}

void ClusterNode::add_gap(uint32_t place, uint32_t count)
{
    Gap* free = nullptr;
    for (Gap& gap : gaps_) {
        if (gap.slots && gap.position + gap.slots * slot_bytes == place) {
            gap.slots += count;
            return;
        }
        if (!gap.slots) free = &gap;
    }
    if (free) {
        *free = {place, count};
    } else {
        may_have_gaps_ = true;
        scanned_ = std::min(scanned_, place);
    }
}

// These slots are in use from now on.
void ClusterNode::fill_gaps(uint32_t place, uint32_t count)
{
    uint32_t end = place + count * slot_bytes;
    for (Gap& gap : gaps_) {
        uint32_t gap_end = gap.position + gap.slots * slot_bytes;
        if (!gap.slots || gap_end <= place || gap.position >= end) continue;
        if (gap.position < place) may_have_gaps_ = true;
        if (gap.position < place) scanned_ = std::min(scanned_, gap.position);
        gap = {end, gap_end > end ? (gap_end - end) / slot_bytes : 0};
    }
}

// The first free slots from where the last search ended, before the end, which it may find.
Result<uint32_t> ClusterNode::scan_for_room(uint32_t count)
{
    Slots slots_of(*this, scanned_);
    uint32_t start = 0, run = 0;
    for (;;) {
        const std::byte* slot = TRY(slots_of.next());
        if (!slot || slot[0] == std::byte{0}) {
            if (slot) slots_of.back();
            end_ = slots_of.position();
            break;
        }
        if (!volume_.is_free(slot)) {
            run = 0;
            continue;
        }
        uint32_t place = slots_of.position() - slot_bytes;
        if (run == 0 || fitting(start, count) != start) {
            start = place;
            run = 0;
        }
        if (++run < count || fitting(start, count) != start) continue;
        scanned_ = start + count * slot_bytes;
        return start;
    }
    may_have_gaps_ = false;
    scanned_ = 0;
    return nowhere;
}

// Where a new set goes at the end, if that is known, and there is room.
Result<uint32_t> ClusterNode::room_at_end(uint32_t count)
{
    if (end_ == nowhere) return nowhere;
    uint32_t place = fitting(end_, count), last = place + (count - 1) * slot_bytes;
    if (last >= volume_.shape.max_directory_bytes || !TRY(locate(last))) return nowhere;
    return place;
}

Result<uint32_t> ClusterNode::find_room(uint32_t count)
{
    uint32_t place = take_gap(count);
    if (place == nowhere && end_ == nowhere) place = TRY(scan_for_room(count));
    if (place == nowhere) place = TRY(room_at_end(count));
    if (place == nowhere && may_have_gaps_) place = TRY(scan_for_room(count));
    while (place == nowhere) {
        TRY(grow());  // by less than is wanted, perhaps
        place = TRY(room_at_end(count));
    }
    return place;
}

// By a quarter, so that it does not have to be done often: each time the new clusters, full of
// zeros, have to be on the medium before what leads to them.
Result<void> ClusterNode::grow()
{
    constexpr uint32_t least = 4096, most = 65536;
    if (fixed) return Error::no_space;
    uint32_t cluster_bytes = volume_.shape.cluster_bytes, have = TRY(chain_length());
    uint64_t bytes = uint64_t{have} * cluster_bytes, limit = volume_.shape.max_directory_bytes;
    if (bytes >= limit) return Error::no_space;
    auto wanted = static_cast<uint32_t>(
        std::min(std::clamp<uint64_t>(bytes / 4, least, most), limit - bytes));
    Clusters run = TRY(volume_.allocate(tail_ + 1, volume_.clusters_for(wanted)));
    uint64_t added = uint64_t{run.count} * cluster_bytes;
    auto result =
        volume_.write_zeros(volume_.offset_of(run.first), added, BlockCache::Kind::metadata);
    if (result) result = append(run);
    if (!result) {
        volume_.give_back({run.first, volume_.shape.extended ? run.count : 0});
        return result;
    }
    TRY(volume_.write_all());
    if (volume_.shape.extended && parent) valid = size = bytes + added;
    TRY(write_back());
    return volume_.write_all();
}

// ---- slots

Result<void> ClusterNode::read_slots(uint32_t place, std::span<std::byte> into)
{
    while (!into.empty()) {
        auto bytes = std::min<size_t>(into.size(), chunk_bytes - place % chunk_bytes);
        uint64_t offset = TRY(locate(place));
        if (!offset) return volume_.corrupt("directory {} ends before {}", id, place);
        TRY(volume_.cache().read(offset, into.first(bytes)));
        place += bytes;
        into = into.subspan(bytes);
    }
    return {};
}

// Chunk by chunk, the first one first or the last one first, and so on the medium.
Result<void> ClusterNode::write_slots(uint32_t place, std::span<const std::byte> from, bool forward)
{
    uint64_t before = 0;
    uint32_t end = place + static_cast<uint32_t>(from.size());
    while (place < end) {
        uint32_t chunk = (forward ? place : end - 1) / chunk_bytes * chunk_bytes;
        uint32_t begin = std::max(chunk, place), stop = std::min(chunk + chunk_bytes, end);
        uint64_t offset = TRY(locate(begin));
        if (!offset) return volume_.corrupt("directory {} ends before {}", id, begin);
        if (before) TRY(volume_.cache().order(before, offset));
        TRY(volume_.cache().write(offset, from.subspan(forward ? 0 : begin - place, stop - begin)));
        before = offset;
        if (forward) {
            place = stop;
            from = from.subspan(stop - begin);
        } else {
            end = begin;
        }
    }
    return {};
}

// What is there must be zeros, so that it stays behind the end.
Result<void> ClusterNode::check_behind(uint32_t place)
{
    if (place >= volume_.shape.max_directory_bytes) return {};
    uint64_t offset = TRY(locate(place));
    if (!offset || TRY(volume_.cache().read_as<uint8_t>(offset)) == 0) return {};
    uint32_t bytes = fixed ? std::min(chunk_bytes, fixed_bytes - place) : chunk_bytes;
    TRY(volume_.write_zeros(offset, bytes, BlockCache::Kind::metadata));
    return volume_.write_all();
}

// The rest of the chunk is full of zeros then, and the slots that had to be left out are free.
Result<void> ClusterNode::put_at_end(uint32_t place, std::span<const std::byte> set)
{
    if (old_end_at_ != volume_.times_written()) old_end_ = end_;
    old_end_at_ = volume_.times_written();
    uint32_t end = place + static_cast<uint32_t>(set.size());
    uint32_t rest = (chunk_bytes - end % chunk_bytes) % chunk_bytes;
    if (fixed) rest = std::min(rest, fixed_bytes - end);
    std::array<std::byte, max_set_slots* slot_bytes + chunk_bytes> buffer = {};
    if (place != end_) {
        auto skipped = std::span(buffer).first(place - end_);
        for (size_t i = 0; i < skipped.size(); i += slot_bytes) volume_.erase(&skipped[i]);
        TRY(write_slots(end_, skipped, true));
        std::fill(skipped.begin(), skipped.end(), std::byte{0});
        add_gap(end_, (place - end_) / slot_bytes);
    }
    if (rest == 0) TRY(check_behind(end));
    std::copy(set.begin(), set.end(), buffer.begin());
    TRY(write_slots(place, std::span(buffer).first(set.size() + rest), volume_.shape.body_last));
    end_ = end;
    return {};
}

Result<void> ClusterNode::put(uint32_t place, std::span<const std::byte> set)
{
    if (place >= end_) return put_at_end(place, set);
    TRY(write_slots(place, set, volume_.shape.body_last));
    fill_gaps(place, static_cast<uint32_t>(set.size()) / slot_bytes);
    return {};
}

// On the medium a directory ends before a chunk that is not there yet: what is behind that is not
// in it.
Result<void> ClusterNode::order_new_chunks(uint32_t place, uint64_t later)
{
    constexpr uint32_t most = 64 * chunk_bytes;
    if (old_end_at_ != volume_.times_written()) return {};
    uint32_t at = old_end_ / chunk_bytes * chunk_bytes, chunk = place / chunk_bytes * chunk_bytes;
    if (at + most < chunk) return volume_.write_all();
    for (; at < chunk; at += chunk_bytes) TRY(volume_.cache().order(TRY(locate(at)), later));
    return {};
}

// The body goes first.
Result<void> ClusterNode::erase(const EntrySet& set)
{
    std::byte all[max_set_slots * slot_bytes];
    auto used = std::span(all).first(set.slots * slot_bytes);
    TRY(read_slots(set.position, used));
    for (size_t i = 0; i < used.size(); i += slot_bytes) volume_.erase(&used[i]);
    TRY(write_slots(set.position, used, !volume_.shape.body_last));
    TRY(note_removed(set));
    index(set, false);
    add_gap(set.position, set.slots);
    touch();
    return {};
}

Result<void> ClusterNode::note_removed(const EntrySet& set)
{
    uint64_t body = TRY(body_of(set.position, set.slots));
    TRY(volume_.removed.add(key_of(set.name), body));
    return set.short_name.empty() ? Result<void>()
                                  : volume_.removed.add(key_of(set.short_name), body);
}

Result<void> ClusterNode::order_after_removed(std::string_view name, std::span<const std::byte> set,
                                              uint64_t body)
{
    TRY(volume_.removed.order_before(key_of(name), body));
    auto short_name =
        volume_.short_name_in(set.data(), static_cast<uint32_t>(set.size()) / slot_bytes);
    return short_name.empty() ? Result<void>()
                              : volume_.removed.order_before(key_of(short_name), body);
}

// Where on the volume the body of such a set is.
Result<uint64_t> ClusterNode::body_of(uint32_t place, uint32_t count)
{
    return locate(place + (volume_.shape.body_last ? (count - 1) * slot_bytes : 0));
}

// ---- what is done by name

// A node has its set here from now on.
Result<void> ClusterNode::settle(ClusterNode& node, uint32_t place)
{
    Slots slots_of(*this, place);
    EntrySet set;
    if (!TRY(volume_.next_set(slots_of, set)) || set.position != place)
        return volume_.corrupt("directory {}: no entry at {}", id, place);
    index(set, true);
    if (node.parent != this) {
        if (node.parent) --node.parent->children;
        ++children;
    }
    node.parent = this;
    node.position = place;
    node.slots = set.slots;
    node.id = set.offset;
    volume_.nodes.add(node);
    touch();
    return {};
}

Result<void> ClusterNode::make_first_cluster(ClusterNode& directory)
{
    uint32_t bytes = volume_.shape.cluster_bytes;
    Clusters run = TRY(volume_.allocate(0, 1));
    directory.parent = this;
    auto result = directory.append(run);
    directory.parent = nullptr;
    if (!result) return result;
    if (volume_.shape.extended) directory.valid = directory.size = bytes;
    TRY(volume_.write_zeros(volume_.offset_of(run.first), bytes, BlockCache::Kind::metadata));
    TRY(volume_.begin_directory(directory, *this));
    return volume_.write_tables();
}

// A directory's cluster, and that it is used, go before what leads to it.
Result<void> ClusterNode::order_first_cluster(const ClusterNode& directory, uint64_t body)
{
    uint64_t offset = volume_.offset_of(directory.first);
    for (uint32_t at = 0; at < volume_.shape.cluster_bytes; at += BlockCache::line_bytes)
        TRY(volume_.cache().order(offset + at, body));
    return volume_.cache().order(volume_.mark_offset(directory.first), body);
}

Result<void> ClusterNode::enter(ClusterNode& node, std::string_view name)
{
    std::byte all[max_set_slots * slot_bytes];
    uint32_t count = TRY(volume_.make_set(*this, name, all));
    uint32_t place = TRY(find_room(count));
    if (node.type == NodeType::directory) {
        TRY(make_first_cluster(node));
        TRY(order_first_cluster(node, TRY(body_of(place, count))));
    }
    volume_.update_set(all, count, node);
    auto set = std::span(all).first(count * slot_bytes);
    TRY(order_after_removed(name, set, TRY(body_of(place, count))));
    TRY(put(place, set));
    return settle(node, place);
}

Result<Node*> ClusterNode::create(std::string_view name, NodeType kind, uint16_t permissions)
{
    if (kind != NodeType::file && kind != NodeType::directory) return Error::unsupported;
    TRY(check_directory());
    TRY(begin());
    ClusterNode* node = TRY(make<ClusterNode>(volume_));
    node->type = kind;
    node->attributes = kind == NodeType::directory ? attribute::directory : attribute::archive;
    node->set_permissions(permissions);
    node->modified_s = now_s();
    node->set_known_empty();
    if (auto entered = enter(*node, name); !entered) {
        node->drop_clusters();
        delete node;
        return entered.error();
    }
    return static_cast<Node*>(node);
}

Result<void> ClusterNode::make_link(std::string_view, std::string_view)
{
    return Error::unsupported;
}

Result<void> ClusterNode::remove(std::string_view name)
{
    EntrySet set;
    if (!TRY(find_set(name, set))) return Error::not_found;
    if (set.slots > max_set_slots) return Error::unsupported;
    ClusterNode& node = *TRY(volume_.node_of(*this, set));
    TRY(begin());
    TRY(erase(set));
    volume_.lost_name(node);
    return {};
}

// If the old set and the new one can be in the same chunk, they are exchanged by one write.
Result<bool> ClusterNode::rename_in_chunk(ClusterNode& node, const EntrySet& old,
                                          std::string_view name, std::span<const std::byte> set)
{
    uint32_t begin = old.position / chunk_bytes * chunk_bytes, within = old.position - begin;
    uint32_t count = static_cast<uint32_t>(set.size()) / slot_bytes;
    if (within + old.slots * slot_bytes > chunk_bytes || set.size() > chunk_bytes) return false;
    if (fixed && begin + chunk_bytes > fixed_bytes) return false;
    std::array<std::byte, chunk_bytes> chunk;
    TRY(read_slots(begin, chunk));
    for (uint32_t i = 0; i < old.slots; ++i) volume_.erase(&chunk[within + i * slot_bytes]);
    uint32_t run = 0, at = 0;
    for (; at < chunk_bytes && run < count; at += slot_bytes) {
        if (chunk[at] == std::byte{0}) return false;  // the end
        run = volume_.is_free(&chunk[at]) ? run + 1 : 0;
    }
    if (run < count) return false;
    std::copy(set.begin(), set.end(), chunk.begin() + (at - set.size()));
    uint64_t offset = TRY(locate(begin));
    TRY(order_after_removed(name, set, offset));
    TRY(volume_.cache().write(offset, chunk));
    TRY(note_removed(old));
    index(old, false);
    may_have_gaps_ = true;
    scanned_ = std::min(scanned_, begin);
    uint32_t place = begin + at - static_cast<uint32_t>(set.size());
    fill_gaps(place, count);
    volume_.nodes.remove(node);
    TRY(settle(node, place));
    return true;
}

// The new set is there. The old one goes.
Result<void> ClusterNode::finish_rename(ClusterNode& node, const EntrySet& old, ClusterNode& to,
                                        uint32_t place, uint32_t count)
{
    uint64_t last = TRY(to.body_of(place, count)), old_body = TRY(body_of(old.position, old.slots));
    if (&to != this && node.type == NodeType::directory) {
        if (uint64_t parent_link = TRY(volume_.parent_link(node))) {
            TRY(volume_.cache().order(last, parent_link));
            TRY(volume_.set_parent(parent_link, to));
            last = parent_link;
        }
    }
    TRY(volume_.cache().order(last, old_body));
    TRY(to.order_new_chunks(place, old_body));
    TRY(erase(old));
    volume_.nodes.remove(node);
    return to.settle(node, place);
}

// What is there takes over the body. Errors leave both names.
Result<void> ClusterNode::replace(ClusterNode& node, const EntrySet& old, ClusterNode& to,
                                  const EntrySet& there)
{
    ClusterNode& victim = *TRY(volume_.node_of(to, there));
    std::byte from[max_set_slots * slot_bytes], set[max_set_slots * slot_bytes];
    TRY(read_slots(old.position, std::span(from).first(old.slots * slot_bytes)));
    auto all = std::span(set).first(there.slots * slot_bytes);
    TRY(to.read_slots(there.position, all));
    volume_.copy_body(from, old.slots, set, there.slots);
    BlockCache::Operation operation(volume_.cache());
    TRY(operation.begin());
    TRY(to.write_slots(there.position, all, volume_.shape.body_last));
    to.index(there, false);  // settle() adds it again
    volume_.lost_name(victim);
    return finish_rename(node, old, to, there.position, there.slots);
}

Result<void> ClusterNode::rename(std::string_view name, Node& to_node, std::string_view new_name)
{
    auto& to = static_cast<ClusterNode&>(to_node);
    EntrySet old, there;
    if (!TRY(find_set(name, old))) return Error::not_found;
    TRY(to.check_directory());
    ClusterNode& node = *TRY(volume_.node_of(*this, old));
    TRY(node.begin());
    TRY(to.begin());
    if (TRY(to.find_set(new_name, there)) && there.offset != old.offset) {
        if (there.slots > max_set_slots) return Error::unsupported;
        if (node.changed) TRY(volume_.sync());  // it is whole before it replaces another
        TRY(begin());
        return replace(node, old, to, there);
    }
    std::byte from[max_set_slots * slot_bytes], set[max_set_slots * slot_bytes];
    TRY(read_slots(old.position, std::span(from).first(old.slots * slot_bytes)));
    uint32_t count = TRY(volume_.make_set(to, new_name, set));
    volume_.copy_body(from, old.slots, set, count);
    auto all = std::span<const std::byte>(set).first(count * slot_bytes);
    if (&to == this && TRY(rename_in_chunk(node, old, new_name, all))) return {};
    uint32_t place = TRY(to.find_room(count));
    BlockCache::Operation operation(volume_.cache());
    TRY(operation.begin());
    TRY(to.order_after_removed(new_name, all, TRY(to.body_of(place, count))));
    TRY(to.put(place, all));
    return finish_rename(node, old, to, place, count);
}

}  // namespace fs
