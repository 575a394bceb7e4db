// SPDX-License-Identifier: BSD-2-Clause
// Cylinder groups: the bitmaps of fragments and inodes, and what is counted of them: in the group's
// header, in the summary of all groups, in the superblock. One group at a time is in memory; what
// was changed of it goes to the cache by sectors.
#include "fs/ffs_write/groups.h"
#include <algorithm>
#include <bit>
#include <cstring>

namespace ufs {

// The length of the run of ones that begins at a bit.
static unsigned run_at(unsigned bits, unsigned at)
{
    return static_cast<unsigned>(std::countr_one(bits >> at));
}

const char* Groups::open(const SuperBlock& super)
{
    sblkno_ = super.sblkno;
    cblkno_ = super.cblkno;
    dblkno_ = super.dblkno;
    group_bytes_ = super.cgsize;
    clusters_ = super.contigsumsize;
    uint64_t size = super.cssize;
    summary_.first = volume_.ufs2 ? super.csaddr : super.old_csaddr;
    if (volume_.ufs2 || (super.old_flags & flags_updated)) {
        totals = super.cstotal;
    } else {
        const Counts& old = super.old_cstotal;
        totals = {old.directories, old.free_blocks, old.free_inodes, old.free_fragments};
    }
    uint64_t table_end =
        volume_.inode_table +
        ((uint64_t{volume_.inodes_per_group} * volume_.inode_bytes()) >> volume_.fragment_shift);
    uint64_t header_end = cblkno_ + ((uint64_t{group_bytes_} - 1) >> volume_.fragment_shift);
    bool sound = group_bytes_ >= sizeof(GroupHeader) && group_bytes_ <= 1u << volume_.block_shift &&
                 clusters_ <= 1024 && sblkno_ <= cblkno_ && header_end < volume_.inode_table &&
                 table_end <= dblkno_ && dblkno_ < volume_.fragments_per_group &&
                 volume_.fragments_per_group % per_block() == 0 &&
                 size >= uint64_t{volume_.groups} * sizeof(Counts) &&
                 volume_.holds(summary_.first, 0, size) && summary_.first >= dblkno_;
    // Where the numbers of groups are, whatever else the summary's blocks may be used for.
    summary_.count = (size + (1u << volume_.fragment_shift) - 1) >> volume_.fragment_shift;
    return sound ? nullptr : "its superblock contradicts itself";
}

Result<void> Groups::start()
{
    if (memory_.size()) return {};
    memory_ = TRY(Buffer::of((group_bytes_ + sector - 1) / sector * sector));
    return {};
}

uint32_t Groups::length_of(uint32_t group) const
{
    uint64_t start = uint64_t{group} * volume_.fragments_per_group;
    return static_cast<uint32_t>(
        std::min<uint64_t>(volume_.fragments_per_group, volume_.fragments - start));
}

bool Groups::are_data(Run run) const
{
    if (run.count == 0 || !volume_.holds(run.first, 0, run.count << volume_.fragment_shift))
        return false;
    uint64_t summary_end = summary_.first + summary_.count;
    if (run.first < summary_end && run.first + run.count > summary_.first) return false;
    for (uint64_t at = run.first, end = run.first + run.count; at < end;) {
        auto group = static_cast<uint32_t>(at / volume_.fragments_per_group);
        uint64_t group_end = uint64_t{group} * volume_.fragments_per_group + length_of(group);
        uint64_t stop = std::min(end, group_end);
        uint64_t table = group ? volume_.group_start(group) + sblkno_ : 0;
        if (at < first_data(group) && stop > table) return false;
        at = stop;
    }
    return true;
}

// ---- the group in memory

bool Groups::is_sound(uint32_t group) const
{
    const GroupHeader& h = header();
    auto fits = [&](uint64_t at, uint64_t bytes) {
        return at >= sizeof h && at + bytes <= group_bytes_;
    };
    bool sound = h.magic == group_magic && h.cgx == group && h.ndblk == length_of(group) &&
                 fits(h.iusedoff, (volume_.inodes_per_group + 7) / 8) &&
                 fits(h.freeoff, (uint64_t{volume_.fragments_per_group} + 7) / 8) &&
                 h.initediblk <= volume_.inodes_per_group;
    if (sound && clusters_) {
        sound = fits(h.clustersumoff, (clusters_ + 1) * 4) && h.nclusterblks <= blocks() &&
                fits(h.clusteroff, (h.nclusterblks + 7) / 8);
    }
    return sound;
}

Result<void> Groups::load(uint32_t group)
{
    if (loaded_ == group) return {};
    loaded_ = none;
    memset(touched_, 0, sizeof touched_);
    TRY(volume_.cache.read(place_of(group), memory_.span().first(group_bytes_)));
    if (!is_sound(group)) {
        return hal::fail(Error::corrupt, "{}: ffs: the header of group {} contradicts itself",
                         volume_.device(), group);
    }
    loaded_ = group;
    taken_to_ = 0;
    return {};
}

void Groups::touch(size_t from, size_t bytes)
{
    for (size_t n = from / sector; n <= (from + bytes - 1) / sector; ++n)
        touched_[n / 32] |= 1u << n % 32;
}

// What has been changed, and the counts, to the cache.
Result<void> Groups::store()
{
    touch(0, sizeof(GroupHeader));
    for (size_t n = 0; n * sector < group_bytes_; ++n) {
        if (!(touched_[n / 32] >> n % 32 & 1)) continue;
        size_t at = n * sector, length = std::min<size_t>(sector, group_bytes_ - at);
        auto written =
            volume_.cache.write(place_of(loaded_) + at, memory_.span().subspan(at, length));
        if (!written) loaded_ = none;  // what is in the cache counts
        TRY(std::move(written));
    }
    memset(touched_, 0, sizeof touched_);
    uint64_t summary = (summary_.first << volume_.fragment_shift) + loaded_ * sizeof(Counts);
    return volume_.cache.write(summary, std::as_bytes(std::span(&header().cs, 1)));
}

Result<Counts> Groups::counts_of(uint32_t group)
{
    return volume_.cache.read_as<Counts>((summary_.first << volume_.fragment_shift) +
                                         group * sizeof(Counts));
}

unsigned Groups::block_bits(uint32_t block)
{
    uint32_t bit = block << frag_shift();
    return byte(header().freeoff + bit / 8) >> bit % 8 & whole();
}

// Sets which fragments of a block are free, in the bitmap and in all that is counted.
void Groups::set_block_bits(uint32_t block, unsigned bits)
{
    count_block(block, block_bits(block), ~0u);
    uint32_t bit = block << frag_shift();
    uint8_t& there = byte(header().freeoff + bit / 8);
    there = static_cast<uint8_t>((there & ~(whole() << bit % 8)) | bits << bit % 8);
    touch(header().freeoff + bit / 8, 1);
    if (bits == whole() && block >= taken_from_) taken_to_ = std::min(taken_to_, block);
    count_block(block, bits, 1);
}

// `sign` is 1, or -1 modulo 2^32.
void Groups::count_block(uint32_t block, unsigned bits, uint32_t sign)
{
    auto more = static_cast<uint64_t>(static_cast<int32_t>(sign));
    if (bits == whole()) {
        header().cs.free_blocks += sign;
        totals.free_blocks += more;
        count_cluster(block, sign);
        return;
    }
    for (unsigned at = 0; bits >> at;) {
        unsigned length = run_at(bits, at);
        at += length + 1;
        if (length == 0) continue;
        header().frsum[length] += sign;
        header().cs.free_fragments += length * sign;
        totals.free_fragments += length * more;
    }
}

// A block is free now, or is not any more: the runs of free blocks around it.
void Groups::count_cluster(uint32_t block, uint32_t sign)
{
    const GroupHeader& h = header();
    if (clusters_ == 0 || block >= h.nclusterblks) return;
    auto is_free = [&](uint32_t b) { return byte(h.clusteroff + b / 8) >> b % 8 & 1; };
    uint32_t ahead = 0, behind = 0;
    while (ahead < clusters_ && block + ahead + 1 < h.nclusterblks && is_free(block + ahead + 1))
        ++ahead;
    while (behind < clusters_ && behind < block && is_free(block - behind - 1)) ++behind;
    auto add = [&](uint32_t length, uint32_t change) {
        size_t at = h.clustersumoff + std::min(length, clusters_) * 4;
        uint32_t sum = le32(&byte(at)) + change;
        memcpy(&byte(at), &sum, sizeof sum);
        touch(at, sizeof sum);
    };
    add(ahead + behind + 1, sign);
    if (ahead) add(ahead, -sign);
    if (behind) add(behind, -sign);
    uint8_t& there = byte(h.clusteroff + block / 8);
    auto mask = static_cast<uint8_t>(1u << block % 8);
    there = static_cast<uint8_t>(sign == 1 ? there | mask : there & ~mask);
    touch(h.clusteroff + block / 8, 1);
}

Result<void> Groups::recount()
{
    totals = {};
    for (uint32_t group = 0; group < volume_.groups; ++group) {
        TRY(load(group));
        GroupHeader& h = header();
        h.cs.free_blocks = h.cs.free_fragments = h.cs.free_inodes = 0;
        memset(h.frsum, 0, sizeof h.frsum);
        if (clusters_) {
            memset(&byte(h.clustersumoff), 0, (clusters_ + 1) * 4);
            memset(&byte(h.clusteroff), 0, (h.nclusterblks + 7) / 8);
            touch(h.clustersumoff, (clusters_ + 1) * 4);
            touch(h.clusteroff, (h.nclusterblks + 7) / 8);
        }
        for (uint32_t block = 0; block < (h.ndblk + per_block() - 1) >> frag_shift(); ++block)
            count_block(block, block_bits(block), 1);
        for (uint32_t n = 0; n < volume_.inodes_per_group; ++n)
            h.cs.free_inodes += !(byte(h.iusedoff + n / 8) >> n % 8 & 1);
        totals.free_inodes += h.cs.free_inodes;
        totals.directories += h.cs.directories;
        TRY(store());
    }
    return {};
}

// ---- taking and giving

// The group `near`, or another one whose counts are as wanted. It is not searched for through the
// whole volume each time: where there was room, there is probably more.
template <class Has> Result<uint32_t> Groups::group_with(uint32_t near, Has has)
{
    for (uint32_t group : {near, hint_}) {
        if (has(TRY(counts_of(group)))) return group;
    }
    for (uint32_t n = 1; n < volume_.groups; ++n) {
        uint32_t group = (near + n) % volume_.groups;
        if (has(TRY(counts_of(group)))) return hint_ = group;
    }
    return Error::no_space;
}

// Free blocks in a row, of the group in memory, from `start` on: what begins there, or the first
// run that is long enough, or the longest. In blocks of the group; none: a count of 0.
Run Groups::find_run(uint32_t start, uint64_t wanted)
{
    const uint32_t count = blocks(), shift = frag_shift(), all = whole();
    const uint8_t* map = &byte(header().freeoff);
    auto is_free = [=](uint32_t block) {
        uint32_t bit = block << shift;
        return (map[bit / 8] >> bit % 8 & all) == all;
    };
    Run best;
    if (start >= count) start = 0;
    // Many files begin the search where the group begins: not through it again.
    bool is_known = start >= taken_from_ && start < taken_to_;
    uint32_t first = is_known ? taken_to_ : start;
    while (first < count && !is_free(first)) ++first;
    if (!is_known) taken_from_ = start;
    taken_to_ = first;
    for (uint32_t seen = first - start, block = first < count ? first : 0; seen < count;) {
        uint32_t length = 0;
        while (block + length < count && length < wanted && is_free(block + length)) ++length;
        if (length > best.count) best = {block, length};
        if (best.count && (best.count >= wanted || best.first == start)) break;
        seen += length + 1;
        block += length + 1;
        if (block >= count) block = 0;
    }
    return best;
}

Result<Run> Groups::take_blocks(uint64_t near, uint64_t blocks)
{
    if (near >= volume_.fragments) near = 0;
    auto home = static_cast<uint32_t>(near / volume_.fragments_per_group);
    uint32_t group = TRY(group_with(home, [](const Counts& c) { return c.free_blocks != 0; }));
    TRY(load(group));
    uint64_t base = uint64_t{group} * volume_.fragments_per_group;
    uint32_t start = group == home ? static_cast<uint32_t>((near - base) >> frag_shift())
                                   : header().rotor >> frag_shift();
    Run found = find_run(start, blocks);
    Run run = {base + (found.first << frag_shift()), found.count << frag_shift()};
    if (found.count == 0 || !are_data(run)) {
        return hal::fail(Error::corrupt, "{}: ffs: the bitmap of group {} is not right",
                         volume_.device(), group);
    }
    for (uint64_t n = 0; n < found.count; ++n)
        set_block_bits(static_cast<uint32_t>(found.first + n), 0);
    header().rotor = static_cast<uint32_t>(run.first - base);
    TRY(store());
    return run;
}

// A run of exactly this length that is less than a block, of the group in memory.
bool Groups::find_fragments(unsigned length, uint32_t& block, unsigned& within)
{
    uint32_t count = (header().ndblk + per_block() - 1) >> frag_shift();
    uint32_t start = std::min(header().frotor >> frag_shift(), count - 1);
    for (uint32_t n = 0; n < count; ++n) {
        block = (start + n) % count;
        unsigned bits = block_bits(block);
        if (bits == whole()) continue;
        for (within = 0; bits >> within;) {
            unsigned run = run_at(bits, within);
            if (run == length) return true;
            within += run + 1;
        }
    }
    return false;
}

Result<uint64_t> Groups::take_fragments(uint64_t near, unsigned count)
{
    if (near >= volume_.fragments) near = 0;
    auto home = static_cast<uint32_t>(near / volume_.fragments_per_group);
    for (bool whole_block : {false, true}) {
        auto has = [&](const Counts& c) { return whole_block ? c.free_blocks : c.free_fragments; };
        auto group = group_with(home, has);
        if (!whole_block && !group && group.error() == Error::no_space) continue;
        TRY(load(TRY(std::move(group))));
        uint64_t base = uint64_t{loaded_} * volume_.fragments_per_group;
        uint32_t block = 0;
        unsigned within = 0, length = count;
        bool found = false;
        for (; !whole_block && !found && length < per_block(); ++length)
            found = header().frsum[length] && find_fragments(length, block, within);
        if (whole_block) {
            Run run = find_run(loaded_ == home ? uint32_t((near - base) >> frag_shift()) : 0, 1);
            found = run.count;
            block = static_cast<uint32_t>(run.first);
        }
        uint64_t first = base + (uint64_t{block} << frag_shift()) + within;
        if (!found) continue;
        if (!are_data({first, count})) break;
        set_block_bits(block, block_bits(block) & ~(((1u << count) - 1) << within));
        header().frotor = static_cast<uint32_t>(first - base);
        TRY(store());
        return first;
    }
    return Error::no_space;
}

Result<bool> Groups::extend(uint64_t first, unsigned had, unsigned wanted)
{
    unsigned within = static_cast<unsigned>(first) & (per_block() - 1);
    if (within + wanted > per_block() || !are_data({first, wanted})) return false;
    TRY(load(static_cast<uint32_t>(first / volume_.fragments_per_group)));
    auto block = static_cast<uint32_t>(first % volume_.fragments_per_group) >> frag_shift();
    unsigned more = ((1u << (wanted - had)) - 1) << (within + had);
    unsigned bits = block_bits(block);
    if ((bits & more) != more) return false;
    set_block_bits(block, bits & ~more);
    TRY(store());
    return true;
}

Result<void> Groups::give(Run run)
{
    if (!are_data(run)) {
        return hal::fail(Error::corrupt, "{}: ffs: fragments {} + {} cannot be a file's",
                         volume_.device(), run.first, run.count);
    }
    for (uint64_t at = run.first, end = at + run.count; at < end;) {
        auto group = static_cast<uint32_t>(at / volume_.fragments_per_group);
        TRY(load(group));
        uint64_t base = uint64_t{group} * volume_.fragments_per_group;
        for (uint64_t group_end = std::min(end, base + header().ndblk); at < group_end;) {
            auto block = static_cast<uint32_t>(at - base) >> frag_shift();
            unsigned within = static_cast<unsigned>(at - base) & (per_block() - 1);
            auto count =
                static_cast<unsigned>(std::min<uint64_t>(per_block() - within, group_end - at));
            unsigned mask = ((1u << count) - 1) << within, bits = block_bits(block);
            if (bits & mask) {
                hal::log("{}: ffs: fragment {} had been marked as free", volume_.device(), at);
            }
            set_block_bits(block, bits | mask);
            at += count;
        }
        TRY(store());
    }
    return {};
}

// ---- inodes

// UFS2: inodes are written for the first time when they come near being used.
Result<void> Groups::prepare_inode(uint32_t index)
{
    GroupHeader& h = header();
    constexpr std::byte nothing[sizeof(Ufs2Inode)] = {};
    uint64_t table = (volume_.group_start(loaded_) + volume_.inode_table) << volume_.fragment_shift;
    while (volume_.ufs2 && h.initediblk <= index) {
        uint32_t in_block = (1u << volume_.block_shift) / sizeof(Ufs2Inode);
        uint32_t end = std::min(h.initediblk + in_block, volume_.inodes_per_group);
        uint64_t at = table + uint64_t{h.initediblk} * sizeof(Ufs2Inode);
        uint64_t stop = table + uint64_t{end} * sizeof(Ufs2Inode);
        for (uint64_t line = at; line < stop; line += BlockCache::line_bytes) {
            for (uint64_t n = 0; n < BlockCache::line_bytes && line + n < stop; n += sizeof nothing)
                TRY(volume_.cache.write(line + n, nothing));
            TRY(volume_.cache.order(line, place_of(loaded_)));
        }
        h.initediblk = end;
    }
    return {};
}

Result<uint32_t> Groups::take_inode(uint32_t group, bool is_directory)
{
    uint64_t average = totals.free_blocks / volume_.groups;
    auto roomy = [&](const Counts& c) { return c.free_inodes && c.free_blocks >= average; };
    auto found = is_directory ? group_with(group, roomy) : Result<uint32_t>(Error::no_space);
    if (!found && found.error() == Error::no_space)
        found = group_with(group, [](const Counts& c) { return c.free_inodes != 0; });
    TRY(load(TRY(std::move(found))));
    GroupHeader& h = header();
    uint32_t count = volume_.inodes_per_group, start = h.irotor < count ? h.irotor : 0;
    for (uint32_t n = 0; n < count; ++n) {
        uint32_t index = (start + n) % count, number = loaded_ * count + index;
        uint8_t& there = byte(h.iusedoff + index / 8);
        if ((there >> index % 8 & 1) || number <= root_inode) continue;
        TRY(prepare_inode(index));
        there |= 1u << index % 8;
        touch(h.iusedoff + index / 8, 1);
        h.irotor = index;
        --h.cs.free_inodes;
        --totals.free_inodes;
        h.cs.directories += is_directory;
        totals.directories += is_directory;
        TRY(store());
        return number;
    }
    return hal::fail(Error::corrupt, "{}: ffs: group {} has no free inode, but counts {}",
                     volume_.device(), loaded_, h.cs.free_inodes);
}

Result<void> Groups::give_inode(uint32_t number, bool is_directory)
{
    TRY(load(number / volume_.inodes_per_group));
    GroupHeader& h = header();
    uint32_t index = number % volume_.inodes_per_group;
    uint8_t& there = byte(h.iusedoff + index / 8);
    if (!(there >> index % 8 & 1)) return {};
    there = static_cast<uint8_t>(there & ~(1u << index % 8));
    touch(h.iusedoff + index / 8, 1);
    h.irotor = std::min(h.irotor, index);
    ++h.cs.free_inodes;
    ++totals.free_inodes;
    h.cs.directories -= is_directory;
    totals.directories -= is_directory;
    return store();
}

// ---- what has to be on the medium first

Result<void> Groups::before(Run run, uint64_t place)
{
    auto group = static_cast<uint32_t>(run.first / volume_.fragments_per_group);
    TRY(load(group));
    uint64_t base = uint64_t{group} * volume_.fragments_per_group;
    uint64_t map = place_of(group) + header().freeoff;
    uint64_t first = map + (run.first - base) / 8,
             last = map + (run.first + run.count - 1 - base) / 8;
    for (; first <= last; first = (first | (BlockCache::line_bytes - 1)) + 1)
        TRY(volume_.cache.order(first, place));
    return {};
}

Result<void> Groups::before_inode(uint32_t number, uint64_t place)
{
    TRY(load(number / volume_.inodes_per_group));
    uint64_t header_place = place_of(loaded_);
    TRY(volume_.cache.order(header_place, place));
    uint32_t index = number % volume_.inodes_per_group;
    return volume_.cache.order(header_place + header().iusedoff + index / 8, place);
}

}  // namespace ufs
