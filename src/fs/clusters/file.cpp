// SPDX-License-Identifier: BSD-2-Clause
// Chains of clusters, and what is in files.
#include <algorithm>
#include "fs/clusters/clusters.h"
#include "lib/heap.h"

namespace fs {

// ---- the chain

// Which adjacent clusters there are, once it is known that the chain is not empty.
Result<Clusters> ClusterNode::run_at(uint32_t index, uint32_t wanted)
{
    if (adjacent) {
        if (index >= known_) return Clusters{};
        if (!volume_.is_cluster(first) || known_ > volume_.shape.clusters - (first - 2))
            return volume_.corrupt("{} clusters from {} on", known_, first);
        return Clusters{first + index, std::min(wanted, known_ - index)};
    }
    if (known_ == 0) TRY(begin_chain());
    while (known_ <= index && !ended_) TRY(step());
    if (known_ <= index) return Clusters{};
    for (;;) {
        const Run& run = run_of(index);
        uint32_t within = index - run.index;
        if (within >= run.count) return Clusters{TRY(walk_to(run, index)), 1};
        uint32_t count = run.count - within;
        if (count >= wanted || run.index + run.count != known_ || ended_)
            return Clusters{run.first + within, std::min(count, wanted)};
        TRY(step());
    }
}

Result<void> ClusterNode::begin_chain()
{
    if (first == 0 && size == 0 && type != NodeType::directory) {
        ended_ = true;
        return {};
    }
    if (!volume_.is_cluster(first))
        return volume_.corrupt("a file or directory begins at cluster {}", first);
    known_ = 1;
    tail_ = loop_mark_ = first;
    ended_ = false;
    add_run(first, 1);
    return {};
}

Result<uint32_t> ClusterNode::next_of(uint32_t cluster)
{
    return cluster == link_from_ && link_to_ ? link_to_ : volume_.next_cluster(cluster);
}

// At least one cluster further. Finds loops as Brent does: the cluster at which it was when their
// number last doubled comes again.
Result<void> ClusterNode::step()
{
    uint32_t cluster = TRY(next_of(tail_));
    if (cluster == 0) {
        ended_ = true;
        return {};
    }
    uint32_t count = 1 + TRY(volume_.adjacent_after(cluster));
    if (loop_mark_ - cluster < count)
        return volume_.corrupt("the chain of cluster {} is a loop", first);
    uint32_t index = known_;
    known_ += count;
    add_run(cluster, count);
    tail_ = cluster + count - 1;
    if ((index ^ (known_ - 1)) > index || (index & (index - 1)) == 0) loop_mark_ = tail_;
    return {};
}

// These clusters were added to the known ones.
void ClusterNode::add_run(uint32_t cluster, uint32_t count)
{
    uint32_t index = known_ - count;
    if (run_count_) {
        Run& last = runs_[run_count_ - 1];
        if (last.index + last.count == index && last.first + last.count == cluster) {
            last.count += count;
            return;
        }
    }
    if (run_count_ == run_room_) {
        Run* more = run_room_ < most_runs ? new (std::nothrow) Run[run_room_ * 4] : nullptr;
        if (more) {
            std::copy(runs_, runs_ + run_count_, more);
            if (runs_ != few_runs_) delete[] runs_;
            runs_ = more;
            run_room_ *= 4;
        } else {  // every other one will do
            for (uint32_t i = 2; i < run_count_; i += 2) runs_[i / 2] = runs_[i];
            run_count_ = (run_count_ + 1) / 2;
        }
    }
    runs_[run_count_++] = {index, cluster, count};
}

// The last known run that begins at or before this index.
const ClusterNode::Run& ClusterNode::run_of(uint32_t index) const
{
    return *(std::upper_bound(runs_, runs_ + run_count_, index,
                              [](uint32_t i, const Run& run) { return i < run.index; }) -
             1);
}

// To a cluster between known runs.
Result<uint32_t> ClusterNode::walk_to(const Run& run, uint32_t index)
{
    uint32_t at = run.index + run.count - 1, cluster = run.first + run.count - 1;
    if (walked_cluster_ && walked_index_ > at && walked_index_ <= index) {
        at = walked_index_;
        cluster = walked_cluster_;
    }
    for (; at < index; ++at) {
        cluster = TRY(next_of(cluster));
        if (cluster == 0) return volume_.corrupt("the chain of cluster {} has changed", first);
    }
    walked_index_ = index;
    walked_cluster_ = cluster;
    return cluster;
}

void ClusterNode::forget_chain()
{
    known_ = run_count_ = walked_cluster_ = link_from_ = link_to_ = 0;
    ended_ = fresh_tail_ = false;
}

Result<uint32_t> ClusterNode::chain_length()
{
    if (adjacent) return known_;
    if (known_ == 0) TRY(begin_chain());
    while (!ended_) TRY(step());
    return known_;
}

// Adds clusters at the end, up to which it is known.
Result<void> ClusterNode::append(Clusters run)
{
    if (known_ == 0) {
        first = run.first;
        adjacent = volume_.shape.extended && parent;  // a root has no entry set to say so
        loop_mark_ = first;
        if (!adjacent && volume_.shape.extended) TRY(volume_.link_all(run));
    } else if (adjacent && run.first == first + known_) {
        // as it is
    } else {
        if (adjacent) TRY(make_chain());
        if (volume_.shape.extended) TRY(volume_.link_all(run));
        if (fresh_tail_) {
            TRY(volume_.link(tail_, run.first));
        } else {
            link_from_ = tail_;
            link_to_ = run.first;
        }
    }
    fresh_tail_ = true;
    known_ += run.count;
    tail_ = run.first + run.count - 1;
    ended_ = true;
    add_run(run.first, run.count);
    return {};
}

// The table says so, too. The medium does not care before the entry set says that it should.
Result<void> ClusterNode::make_chain()
{
    TRY(volume_.link_all({first, known_}));
    adjacent = false;
    run_count_ = 0;
    tail_ = first + known_ - 1;
    loop_mark_ = first;
    fresh_tail_ = true;
    add_run(first, known_);
    return {};
}

// Makes the chain long enough; says how many bytes it has room for. They are fewer only if there
// was no space.
Result<uint64_t> ClusterNode::reserve(uint64_t bytes)
{
    uint32_t needed = volume_.clusters_for(bytes);
    uint32_t have = needed;
    if (needed && !TRY(run_at(needed - 1, 1)).count) have = TRY(chain_length());
    Result<void> result;
    growing = true;
    while (have < needed && result) {
        auto run = volume_.allocate(known_ ? tail_ + 1 : 0, needed - have);
        result = run.error() == Error{} ? append(run.value()) : run.error();
        if (run && result) have += run.value().count;
    }
    growing = false;
    if (!result && result.error() != Error::no_space) {
        give_up_growing();
        return result.error();
    }
    return uint64_t{have} * volume_.shape.cluster_bytes;
}

// It has more clusters than it needs.
void ClusterNode::give_up_growing()
{
    auto extra = surplus();
    if (extra && extra.value() == 0) return;
    if (size == 0) return drop_clusters();
    wants_trim = true;
    volume_.list_changed(*this);
}

// None of them is needed any more.
void ClusterNode::drop_clusters()
{
    Clusters chain = {first, adjacent ? known_ : 0}, rest = {link_to_, 0};
    bool adjacent_before = adjacent;
    for (uint32_t i = 0; i < run_count_ && type == NodeType::file; ++i) {
        if (!volume_.is_cluster(runs_[i].first)) break;
        volume_.cache().forget(volume_.offset_of(runs_[i].first),
                               uint64_t{runs_[i].count} * volume_.shape.cluster_bytes);
    }
    forget_chain();
    first = 0;
    adjacent = false;
    if (adjacent_before && chain.count == 0) return;
    volume_.give_back(chain);
    volume_.give_back(rest);
}

// How many clusters it would give back.
Result<uint32_t> ClusterNode::surplus()
{
    uint32_t have = TRY(chain_length()), needed = volume_.clusters_for(size);
    return have > needed ? have - needed : 0;
}

Result<bool> ClusterNode::trim()
{
    wants_trim = false;
    uint32_t needed = volume_.clusters_for(size);
    auto extra = surplus();  // if the chain is damaged, it stays as it is
    if (needed == 0 || !extra || extra.value() == 0) return false;
    if (adjacent) {
        volume_.give_back({first + needed, known_ - needed});
        known_ = needed;
        tail_ = first + needed - 1;
        run_count_ = 0;
        add_run(first, needed);
        return false;
    }
    Clusters last = TRY(run_at(needed - 1, 1));
    uint32_t next = TRY(next_of(last.first));
    TRY(volume_.link(last.first, 0));
    volume_.give_back({next, 0});
    forget_chain();
    return true;
}

// What leads to its clusters, and then its entry set.
Result<void> ClusterNode::write_back()
{
    uint32_t link_from = link_from_;
    bool linked = link_to_;
    if (linked) {
        TRY(volume_.link(link_from_, link_to_));
        TRY(volume_.write_tables());
    }
    link_from_ = link_to_ = 0;
    fresh_tail_ = false;
    if (!parent) return {};
    std::byte set[max_set_slots * slot_bytes];
    auto all = std::span(set).first(slots * slot_bytes);
    TRY(parent->read_slots(position, all));
    volume_.update_set(set, slots, *this);
    uint32_t body = volume_.shape.body_last ? (slots - 1) * slot_bytes : 0;
    if (linked) {
        uint64_t place = TRY(parent->locate(position + body)),
                 link = volume_.entry_offset(link_from);
        TRY(volume_.cache().order(link, place));
        if (volume_.is_split(link_from)) TRY(volume_.cache().order(link + 1, place));
    }
    return parent->write_slots(position + body,
                               all.subspan(body, volume_.shape.body_slots * slot_bytes),
                               volume_.shape.body_last);
}

// ---- what is in it

// How much of what is wanted lies in one piece from here on.
Result<ClusterNode::Piece> ClusterNode::piece(uint64_t offset, uint64_t wanted)
{
    uint32_t cluster_bytes = volume_.shape.cluster_bytes;
    auto within = static_cast<uint32_t>(offset & (cluster_bytes - 1));
    wanted = std::min<uint64_t>(wanted, 1u << 30);
    uint64_t index = volume_.index_of(offset);
    Clusters run;
    if (index < volume_.shape.clusters)
        run = TRY(run_at(static_cast<uint32_t>(index), volume_.clusters_for(within + wanted)));
    if (run.count == 0) return volume_.corrupt("file {} ends before its size", id);
    uint64_t bytes = std::min(uint64_t{run.count} * cluster_bytes - within, wanted);
    return Piece{volume_.offset_of(run.first) + within, static_cast<uint32_t>(bytes)};
}

// A read ends at `offset`, and others may follow: goes along the chain for them as far as that
// needs no waiting. What of the table is not here comes along with the next one.
void ClusterNode::look_ahead(uint64_t offset, size_t bytes)
{
    uint64_t end = std::min(offset + 4 * uint64_t{bytes}, valid);
    uint32_t wanted = volume_.clusters_for(end);
    volume_.table().begin_ahead();
    while (known_ < wanted && !adjacent && !ended_ && step()) continue;
    soon_ = volume_.table().end_ahead();
}

Result<size_t> ClusterNode::read(uint64_t offset, std::span<std::byte> into)
{
    if (type == NodeType::directory) return Error::is_directory;
    if (offset >= size) return size_t{0};
    into = into.first(static_cast<size_t>(std::min<uint64_t>(into.size(), size - offset)));
    uint64_t place = offset;
    auto rest = into;
    BlockCache::Runs runs(volume_.cache(), into.size());
    while (!rest.empty() && place < valid) {
        Piece next = TRY(piece(place, std::min<uint64_t>(rest.size(), valid - place)));
        TRY(runs.read(next.offset, rest.first(next.bytes)));
        place += next.bytes;
        rest = rest.subspan(next.bytes);
    }
    if (TRY(runs.begin_all(soon_))) look_ahead(place, into.size());
    TRY(runs.finish());
    std::fill(rest.begin(), rest.end(), std::byte{0});
    // A chain may be longer than the file; but if it never ends, it is a loop and what was read is
    // wrong.
    if (offset + into.size() == size && !end_checked_) {
        TRY(chain_length());
        end_checked_ = true;
    }
    return into.size();
}

Result<void> ClusterNode::write_data(uint64_t offset, std::span<const std::byte> from)
{
    while (!from.empty()) {
        Piece next = TRY(piece(offset, from.size()));
        TRY(volume_.cache().write(next.offset, from.first(next.bytes), BlockCache::Kind::data));
        offset += next.bytes;
        from = from.subspan(next.bytes);
    }
    return {};
}

// Zeros from where it has data up to here.
Result<void> ClusterNode::write_gap(uint64_t end)
{
    for (uint64_t at = valid; at < end;) {
        Piece next = TRY(piece(at, end - at));
        TRY(volume_.write_zeros(next.offset, next.bytes, BlockCache::Kind::data));
        at += next.bytes;
    }
    return {};
}

Result<void> ClusterNode::begin()
{
    if (slots > max_set_slots) return Error::unsupported;
    return volume_.begin_change();
}

void ClusterNode::touch()
{
    modified_s = now_s();
    if (type == NodeType::file) attributes |= attribute::archive;
    volume_.list_changed(*this);
}

Result<size_t> ClusterNode::write(uint64_t offset, std::span<const std::byte> from)
{
    if (type == NodeType::directory) return Error::is_directory;
    uint64_t most = volume_.shape.max_file_bytes;
    if (offset > most || from.size() > most - offset) return Error::too_large;
    if (volume_.read_only) return Error::read_only;
    if (from.empty()) return size_t{0};
    TRY(begin());
    uint64_t room = offset + from.size();
    if (room > size) room = TRY(reserve(room));
    if (room <= offset) {
        give_up_growing();
        return Error::no_space;
    }
    from = from.first(static_cast<size_t>(std::min<uint64_t>(from.size(), room - offset)));
    auto written = offset > valid ? write_gap(offset) : Result<void>();
    if (written) written = write_data(offset, from);
    if (!written) {
        give_up_growing();
        return written.error();
    }
    valid = std::max(valid, offset + from.size());
    size = std::max(size, valid);
    touch();
    return from.size();
}

Result<void> ClusterNode::truncate(uint64_t bytes)
{
    if (type == NodeType::directory) return Error::is_directory;
    if (bytes > volume_.shape.max_file_bytes) return Error::too_large;
    TRY(begin());
    if (bytes > size) {
        auto result = TRY(reserve(bytes)) < bytes ? Error::no_space : Result<void>();
        if (result && !volume_.shape.extended) result = write_gap(bytes);
        if (!result) {
            give_up_growing();
            return result;
        }
    }
    wants_trim |= bytes < size;
    size = bytes;
    valid = volume_.shape.extended ? std::min(valid, bytes) : bytes;
    touch();
    if (bytes == 0) drop_clusters();
    return {};
}

Result<void> ClusterNode::set_modified(int64_t seconds)
{
    TRY(begin());
    modified_s = seconds;
    volume_.list_changed(*this);
    return {};
}

void ClusterNode::set_permissions(uint16_t permissions)
{
    attributes &= static_cast<uint16_t>(~attribute::read_only);
    if (!(permissions & 0222)) attributes |= attribute::read_only;
    bool writable = !(attributes & attribute::read_only);
    mode = type == NodeType::directory ? (writable ? 0755 : 0555) : (writable ? 0644 : 0444);
}

Result<void> ClusterNode::set_mode(uint16_t permissions)
{
    TRY(begin());
    set_permissions(permissions);
    volume_.list_changed(*this);
    return {};
}

// ---- from its birth to its end

void ClusterNode::take(const EntrySet& set)
{
    id = set.offset;
    type = set.is_directory() ? NodeType::directory : NodeType::file;
    first = set.first;
    adjacent = set.adjacent;
    size = set.size;
    valid = set.valid;
    attributes = set.attributes;
    modified_s = seconds_of_dos_time(set.time, set.hundredths, set.utc_offset);
    position = set.position;
    slots = set.slots;
    set_permissions(attributes & attribute::read_only ? 0444 : 0644);
    if (!adjacent) return;
    // One too many, so that it is found to be wrong when it is used.
    uint64_t most = uint64_t{volume_.shape.clusters} * volume_.shape.cluster_bytes;
    known_ = size > most ? volume_.shape.clusters + 1 : volume_.clusters_for(size);
    tail_ = first + known_ - 1;
    ended_ = true;
    if (known_) add_run(first, known_);
}

void ClusterNode::release()
{
    --volume_.nameless_;
    drop_clusters();
    given_up();
    if (children) return;  // a damaged volume: they need it until it is unmounted
    volume_.nodes.remove(*this);
    delete this;
}

void ClusterNode::given_up()
{
    if (parent) --parent->children;
    parent = nullptr;
}

}  // namespace fs
