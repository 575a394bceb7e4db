// SPDX-License-Identifier: BSD-2-Clause
// ext2: trees of extents, as ext4 has them. "Extent Tree": the root is in the inode, other nodes
// fill a block each.
#include "fs/ext2/ext2.h"

namespace ext {

static uint16_t most_entries(size_t bytes)
{
    return static_cast<uint16_t>(bytes / sizeof(Extent) - 1);
}

void Ext2Node::start_extents()
{
    flags_ |= extents_fl;
    ExtentHeader header = {ExtentHeader::right_magic, 0, most_entries(sizeof block_), 0, 0};
    memcpy(block_, &header, sizeof header);
}

// ---- finding

Result<void> Ext2Node::map_extents(uint64_t block)
{
    uint64_t node = 0;
    Run range = {.first = 0, .end = max_file_blocks};  // of the file: what this node is about
    auto header = TRY(extent_header(node));
    if (header.depth > ExtentHeader::max_depth) return damaged("extents {} deep", header.depth);
    for (unsigned depth = header.depth;; --depth) {
        if (header.depth != depth || (depth > 0 && header.entries == 0))
            return damaged("the extents in block {} are {} deep, not {}", node, header.depth,
                           depth);
        Extent found;
        if (TRY(find_extent(node, header.entries, block, range, found)) < 0) {
            run_ = {range.first, range.end, 0, true};
            return {};
        }
        if (depth == 0) return map_leaf(block, found, range.end);
        node = std::bit_cast<ExtentIndex>(found).leaf();
        if (!fs_.holds(node)) return damaged("extents in block {} of {}", node, fs_.blocks);
        header = TRY(extent_header(node));
    }
}

// A piece of a node of the tree. All entries begin with the same field, so Extent stands for both.
template <class T> Result<T> Ext2Node::extent_node_read(uint64_t node, size_t offset)
{
    if (node != 0) {
        TRY(need(fs_.offset_of(node) + offset));
        return fs_.cache.read_as<T>(fs_.offset_of(node) + offset);
    }
    T value;
    memcpy(&value, block_ + offset, sizeof value);
    return value;
}

Result<ExtentHeader> Ext2Node::extent_header(uint64_t node)
{
    auto header = TRY(extent_node_read<ExtentHeader>(node, 0));
    size_t room = most_entries(node ? fs_.block_bytes() : sizeof block_);
    if (header.magic != ExtentHeader::right_magic || header.max > room ||
        header.entries > header.max)
        return damaged("block {} holds no extents: magic {x}, {} of {} entries", node, header.magic,
                       header.entries, header.max);
    if (node == 0 || !fs_.has_checksums() || fs_.is_checked(node)) return header;
    size_t end = (header.max + size_t{1}) * sizeof(Extent);
    if (end + 4 > fs_.block_bytes()) return header;  // there is no room for one
    Content bytes = TRY(fs_.look(node));
    if (crc32c(seed_, bytes.first(end)) != le32(&bytes[end]))
        return damaged("the extents in block {} do not match their checksum", node);
    fs_.set_checked(node);
    return header;
}

Result<void> Ext2Node::seal_extents(uint64_t node)
{
    if (node == 0 || !fs_.has_checksums()) return {};
    auto header = TRY(extent_node_read<ExtentHeader>(node, 0));
    size_t end = (header.max + size_t{1}) * sizeof(Extent);
    if (end + 4 > fs_.block_bytes()) return {};
    fs_.forget_scratch();
    Content bytes = TRY(fs_.look(node));
    fs_.set_checked(node);
    uint32_t sum = crc32c(seed_, bytes.first(end));
    fs_.forget_scratch();
    return fs_.put(fs_.offset_of(node) + end, sum);
}

// Finds the last entry at or before a block; the range becomes that from it to the next entry.
// -1 if all entries are behind the block. Entries that it sees out of order are an error.
Result<int> Ext2Node::find_extent(uint64_t node, unsigned entries, uint64_t block, Run& range,
                                  Extent& found)
{
    int at = -1;
    const std::byte* bytes = node ? TRY(fs_.look(node)).data() : block_;
    for (unsigned low = 0, high = entries; low < high;) {
        unsigned middle = (low + high) / 2;
        auto entry = load_le<Extent>(bytes + (middle + 1) * sizeof(Extent));
        // Entries grow: there is room for those between this one and the ends of the range.
        if (entry.block < range.first + (at >= 0) + (middle - low) ||
            entry.block + uint64_t{high - middle} > range.end)
            return damaged("extent {} in block {} is out of order", middle, node);
        if (entry.block <= block) {
            at = static_cast<int>(middle);
            found = entry;
            range.first = entry.block;
            low = middle + 1;
        } else {
            range.end = entry.block;
            high = middle;
        }
    }
    return at;
}

Result<void> Ext2Node::map_leaf(uint64_t block, const Extent& extent, uint64_t end)
{
    uint32_t length = extent.length();
    if (length == 0 || extent.end() > end || !fs_.holds(extent.start(), length))
        return damaged("an extent of {} blocks at {}, in block {} of {}", length, extent.block,
                       extent.start(), fs_.blocks);
    if (block < extent.end())
        run_ = {extent.block, extent.end(), extent.start(), extent.unwritten(), extent.unwritten()};
    else
        run_ = {extent.end(), end, 0, true};
    return {};
}

// The nodes from the root to the leaf that has, or would have, a block.
Result<void> Ext2Node::extent_path(uint64_t block, ExtentPath& path)
{
    Run range = {.first = 0, .end = max_file_blocks};
    uint64_t node = 0;
    for (path.depth = 0;; ++path.depth) {
        ExtentNode& here = path.nodes[path.depth];
        here = {node, TRY(extent_header(node)), -1};
        unsigned expected = path.nodes[0].header.depth - path.depth;
        if (path.nodes[0].header.depth > ExtentHeader::max_depth || here.header.depth != expected ||
            (expected && here.header.entries == 0))
            return damaged("the extents in block {} are {} deep", node, here.header.depth);
        Extent found = {};
        Run around = range;
        here.at = TRY(find_extent(node, here.header.entries, block, range, found));
        if (expected == 0) return {};
        if (here.at < 0) {  // before all: it will be the first
            here.at = 0;
            found = TRY(entry_of(here, 0));
            range = around;
            if (here.header.entries > 1) range.end = TRY(entry_of(here, 1)).block;
        }
        node = std::bit_cast<ExtentIndex>(found).leaf();
        if (!fs_.holds(node)) return damaged("extents in block {} of {}", node, fs_.blocks);
    }
}

// ---- changing a node

Result<void> Ext2Node::put_in_node(uint64_t node, size_t offset, Content from)
{
    if (node) return fs_.cache.write(fs_.offset_of(node) + offset, from);
    memcpy(block_ + offset, from.data(), from.size());
    inode_changed_ = true;
    return {};
}

Result<Extent> Ext2Node::entry_of(const ExtentNode& node, int at)
{
    return extent_node_read<Extent>(node.block, static_cast<size_t>(at + 1) * sizeof(Extent));
}

Result<void> Ext2Node::put_entry(const ExtentNode& node, int at, const Extent& entry)
{
    TRY(put_in_node(node.block, static_cast<size_t>(at + 1) * sizeof entry,
                    std::as_bytes(std::span(&entry, 1))));
    return seal_extents(node.block);
}

Result<void> Ext2Node::put_header(const ExtentNode& node)
{
    return put_in_node(node.block, 0, std::as_bytes(std::span(&node.header, 1)));
}

// There is room for it.
Result<void> Ext2Node::insert_entry(ExtentNode& node, int at, const Extent& entry)
{
    for (int i = node.header.entries; i > at; --i) {
        auto moved = TRY(entry_of(node, i - 1));
        TRY(put_in_node(node.block, static_cast<size_t>(i + 1) * sizeof entry,
                        std::as_bytes(std::span(&moved, 1))));
    }
    ++node.header.entries;
    TRY(put_header(node));
    return put_entry(node, at, entry);
}

// The first entry of a leaf begins earlier now: so do the entries that lead to it.
Result<void> Ext2Node::lower_keys(ExtentPath& path, uint32_t key)
{
    for (unsigned level = path.depth; level-- > 0;) {
        ExtentNode& node = path.nodes[level];
        auto entry = TRY(entry_of(node, node.at));
        if (entry.block <= key) return {};
        entry.block = key;
        TRY(put_entry(node, node.at, entry));
        if (node.at > 0) return {};
    }
    return {};
}

// ---- inserting

static bool follows(const Extent& first, const Extent& second)
{
    uint32_t most = first.unwritten() ? Extent::max_len - 1 : Extent::max_len;
    return first.unwritten() == second.unwritten() && first.end() == second.block &&
           first.start() + first.length() == second.start() &&
           first.length() + second.length() <= most;
}

static Extent joined(const Extent& first, const Extent& second)
{
    return Extent::of(first.block, first.start(), first.length() + second.length(),
                      first.unwritten());
}

// Makes a neighbour longer, if that is all that is needed.
Result<bool> Ext2Node::merge_extent(ExtentPath& path, const Extent& extent)
{
    ExtentNode& leaf = path.leaf();
    if (leaf.at >= 0) {
        auto before = TRY(entry_of(leaf, leaf.at));
        if (follows(before, extent)) {
            TRY(put_entry(leaf, leaf.at, joined(before, extent)));
            return true;
        }
    }
    if (leaf.at + 1 >= leaf.header.entries) return false;
    auto after = TRY(entry_of(leaf, leaf.at + 1));
    if (!follows(extent, after)) return false;
    TRY(put_entry(leaf, leaf.at + 1, joined(extent, after)));
    if (leaf.at < 0) TRY(lower_keys(path, extent.block));
    return true;
}

Result<void> Ext2Node::insert_extent(const Extent& extent)
{
    for (unsigned tries = 0; tries < 2 * ExtentHeader::max_depth + 2; ++tries) {
        ExtentPath path;
        TRY(extent_path(extent.block, path));
        if (TRY(merge_extent(path, extent))) return {};
        ExtentNode& leaf = path.leaf();
        if (leaf.header.entries < leaf.header.max) {
            TRY(insert_entry(leaf, leaf.at + 1, extent));
            return leaf.at < 0 ? lower_keys(path, extent.block) : Result<void>();
        }
        TRY(make_extent_room(path, extent.start(), &extent));
    }
    return damaged("there is no room for an extent at {}", extent.block);
}

// The lowest node above the leaf that has room gets an entry more; without one the tree gets
// deeper. `extent` is what needs it, if it is about to be inserted.
Result<void> Ext2Node::make_extent_room(ExtentPath& path, uint64_t goal, const Extent* extent)
{
    unsigned level = path.depth;
    while (level > 0 && path.nodes[level - 1].header.entries >= path.nodes[level - 1].header.max)
        --level;
    if (level == 0) return deepen_extents(goal);
    return split_extents(path, level, goal, extent);
}

// What is in the inode goes to a block of its own.
Result<void> Ext2Node::deepen_extents(uint64_t goal)
{
    auto header = TRY(extent_header(0));
    if (header.depth >= ExtentHeader::max_depth) return damaged("extents {} deep", header.depth);
    if (header.entries == 0) return damaged("no room for extents");
    auto first = TRY(extent_node_read<Extent>(0, sizeof(Extent)));
    ExtentNode node = {TRY(new_extent_block(goal)), header};
    node.header.max = most_entries(fs_.block_bytes());
    TRY(put_header(node));
    TRY(put_in_node(node.block, sizeof header,
                    std::span(block_).subspan(sizeof header, header.entries * sizeof(Extent))));
    TRY(seal_extents(node.block));
    TRY(before_naming({node.block, 1}, {}, inode_at_));
    header.entries = 1;
    ++header.depth;
    TRY(put_header({0, header}));
    return put_entry(
        {0, header}, 0,
        std::bit_cast<Extent>(ExtentIndex{first.block, static_cast<uint32_t>(node.block),
                                          static_cast<uint16_t>(node.block >> 32), 0}));
}

Result<uint64_t> Ext2Node::new_extent_block(uint64_t goal)
{
    Blocks made = TRY(fs_.allocate(goal, 1));
    count_blocks(1);
    fs_.set_checked(made.start, false);
    TRY(fs_.zero(fs_.offset_of(made.start), fs_.block_bytes(), BlockCache::Kind::metadata));
    return made.start;
}

// The upper half goes to a node of its own; where a file grows at its end, only what is new.
Result<void> Ext2Node::split_extents(ExtentPath& path, unsigned level, uint64_t goal,
                                     const Extent* extent)
{
    ExtentNode& old = path.nodes[level];
    ExtentNode& parent = path.nodes[level - 1];
    bool at_end = extent && level == path.depth && old.at + 1 == old.header.entries;
    int from = at_end ? old.header.entries : old.header.entries / 2;
    int moved = old.header.entries - from;
    ExtentNode made = {TRY(new_extent_block(goal)), old.header};
    made.header.entries = static_cast<uint16_t>(moved);
    made.header.max = most_entries(fs_.block_bytes());
    uint32_t key = at_end ? extent->block : 0;
    TRY(put_header(made));
    for (int i = 0; i < moved; ++i) {
        auto entry = TRY(entry_of(old, from + i));
        if (i == 0) key = entry.block;
        TRY(put_in_node(made.block, static_cast<size_t>(i + 1) * sizeof entry,
                        std::as_bytes(std::span(&entry, 1))));
    }
    TRY(seal_extents(made.block));
    TRY(before_naming({made.block, 1}, {}, parent.block ? fs_.offset_of(parent.block) : inode_at_));
    TRY(insert_entry(
        parent, parent.at + 1,
        std::bit_cast<Extent>(ExtentIndex{key, static_cast<uint32_t>(made.block),
                                          static_cast<uint16_t>(made.block >> 32), 0})));
    if (moved == 0) return {};
    old.header.entries = static_cast<uint16_t>(from);
    TRY(put_header(old));
    return seal_extents(old.block);
}

Result<void> Ext2Node::fill_extents(uint64_t block, uint32_t wanted, uint64_t goal, Content content)
{
    wanted = std::min(wanted, Extent::max_len - 1);
    Blocks got = TRY(fs_.allocate(goal, wanted));
    count_blocks(got.count);
    ExtentPath path;
    TRY(extent_path(block, path));
    uint64_t leaf = path.leaf().block;
    TRY(before_naming(got, content, leaf ? fs_.offset_of(leaf) : inode_at_));
    auto inserted = insert_extent(Extent::of(block, got.start, got.count, false));
    if (!inserted) {
        count_blocks(-int64_t{got.count});
        fs_.given_back(fs_.free(got).error());
        return inserted;
    }
    run_ = {block, block + got.count, got.start};
    return {};
}

// A part of an extent that has never been written is going to be.
Result<void> Ext2Node::write_unwritten(uint64_t block, uint32_t count)
{
    ExtentPath path;
    for (unsigned tries = 0;; ++tries) {  // there may be two more afterwards
        TRY(extent_path(block, path));
        if (path.leaf().header.entries + 2 <= path.leaf().header.max) break;
        if (tries > 2 * ExtentHeader::max_depth) return damaged("no room for extents");
        TRY(make_extent_room(path, run_.physical, nullptr));
    }
    ExtentNode& leaf = path.leaf();
    if (leaf.at < 0) return damaged("there is no extent at {}", block);
    auto whole = TRY(entry_of(leaf, leaf.at));
    auto before = static_cast<uint32_t>(block - whole.block);
    count = std::min(count, whole.length() - before);
    uint32_t behind = whole.length() - before - count;
    uint64_t start = whole.start() + before;
    auto written = Extent::of(block, start, count, false);
    // What is left of the old one comes first, so that the new ones do not overlap it.
    if (before) {
        TRY(put_entry(leaf, leaf.at, Extent::of(whole.block, whole.start(), before, true)));
        TRY(insert_extent(written));
    } else {
        TRY(put_entry(leaf, leaf.at, written));
    }
    if (behind) TRY(insert_extent(Extent::of(block + count, start + count, behind, true)));
    run_ = {block, block + count, start};
    return {};
}

// ---- fewer

// An entry of a leaf goes, and with it what becomes empty.
Result<void> Ext2Node::remove_last(ExtentPath& path, Budget& budget)
{
    for (unsigned level = path.depth;; --level) {
        ExtentNode& node = path.nodes[level];
        --node.header.entries;
        if (node.header.entries || level == 0) {
            if (node.header.entries == 0) node.header.depth = 0;
            TRY(put_header(node));
            return seal_extents(node.block);
        }
        TRY(free_blocks(node.block, 1, budget));
    }
}

Result<uint64_t> Ext2Node::cut_extents(uint64_t from, Budget& budget)
{
    for (;;) {
        ExtentPath path;
        TRY(extent_path(max_file_blocks - 1, path));
        ExtentNode& leaf = path.leaf();
        if (leaf.at < 0) return from;
        auto last = TRY(entry_of(leaf, leaf.at));
        if (last.length() == 0 || !fs_.holds(last.start(), last.length()))
            return damaged("an extent of {} blocks at {}, in block {} of {}", last.length(),
                           last.block, last.start(), fs_.blocks);
        if (last.end() <= from) return from;
        if (budget.left == 0) return last.end();
        auto keep = static_cast<uint32_t>(from > last.block ? from - last.block : 0);
        TRY(free_blocks(last.start() + keep, last.length() - keep, budget));
        if (keep) {
            TRY(put_entry(leaf, leaf.at,
                          Extent::of(last.block, last.start(), keep, last.unwritten())));
            return from;
        }
        TRY(remove_last(path, budget));
    }
}

}  // namespace ext
