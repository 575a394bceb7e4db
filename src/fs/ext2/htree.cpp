// SPDX-License-Identifier: BSD-2-Clause
// ext2: indexes of directories: "Hash Tree Directories". Names are in leaves, which are blocks as
// in a directory without one; the index says which leaf has the names of which hashes.
//
// Error::unsupported from here means that there is no index that makes sense: the directory is then
// searched as a list.
#include "fs/ext2/ext2.h"

namespace ext {

static constexpr size_t root_entries_at = 32, node_entries_at = 8;
static constexpr size_t root_info_at = 24;  // reserved, version, length of this, levels, flags
static constexpr size_t index_entry_bytes = 8;

static constexpr uint8_t last_version = 5;  // legacy, half MD4 and TEA, signed; the same unsigned

// ---- the index

bool Ext2Node::can_be_indexed() const
{
    return fs_.compat & dir_index && fs_.trusts_indexes() && !(flags_ & index_fl) &&
           fs_.super.def_hash_version <= last_version;
}

// 0: not a block of an index.
size_t Ext2Node::index_entries_at(std::span<const std::byte> bytes) const
{
    if (!(flags_ & index_fl)) return 0;
    auto length = [&](size_t at) {
        uint16_t stored = le16(&bytes[at + 4]);
        return stored == 65535 ? size_t{65536} : stored;
    };
    if (le32(bytes.data()) == 0)
        return length(0) == bytes.size() && bytes[6] == std::byte{0} ? node_entries_at : 0;
    bool is_root = length(0) == 12 && bytes[6] == std::byte{1} && bytes[8] == std::byte{'.'} &&
                   length(12) == bytes.size() - 12;
    return is_root ? root_entries_at : 0;
}

size_t Ext2Node::index_limit(size_t entries_at) const
{
    size_t tail = fs_.has_checksums() ? 8 : 0;
    return (fs_.block_bytes() - entries_at - tail) / index_entry_bytes;
}

// The checksum is behind the last entry that fits; it is of those that are there.
const std::byte* Ext2Node::index_tail(std::span<const std::byte> bytes, size_t entries_at) const
{
    return &bytes[entries_at + index_limit(entries_at) * index_entry_bytes];
}

uint32_t Ext2Node::index_sum(std::span<const std::byte> bytes, size_t entries_at) const
{
    size_t count = std::min<size_t>(le16(&bytes[entries_at + 2]), index_limit(entries_at));
    uint32_t sum = crc32c(seed_, bytes.first(entries_at + count * index_entry_bytes));
    uint32_t tail[2] = {le32(index_tail(bytes, entries_at)), 0};
    return crc32c_of(sum, tail);
}

Result<Ext2Node::IndexEntry> Ext2Node::index_entry(const IndexNode& node, unsigned at)
{
    auto entry = TRY(fs_.cache.read_as<IndexEntry>(fs_.offset_of(node.physical) + node.entries_at +
                                                   at * index_entry_bytes));
    if (at == 0) entry.hash = 0;  // that is where the counts are
    entry.block &= 0x0fffffff;
    return entry;
}

// Its counts, and the last entry that is not behind a hash.
Result<void> Ext2Node::index_node(IndexNode& node, uint32_t hash)
{
    View piece = TRY(view_at(fs_.offset_of(node.block)));
    node.physical = piece.physical;
    node.entries_at = index_entries_at(piece.bytes);
    if (node.entries_at != (node.block ? node_entries_at : root_entries_at))
        return Error::unsupported;
    node.limit = le16(&piece.bytes[node.entries_at]);
    node.count = le16(&piece.bytes[node.entries_at + 2]);
    if (node.limit != index_limit(node.entries_at) || node.count == 0 || node.count > node.limit)
        return Error::unsupported;
    const std::byte* entries = &piece.bytes[node.entries_at];
    unsigned low = 1, high = node.count;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (le32(entries + middle * index_entry_bytes) <= hash)
            low = middle + 1;
        else
            high = middle;
    }
    node.at = low - 1;
    return {};
}

Result<void> Ext2Node::index_path(uint32_t hash, IndexPath& path)
{
    path.nodes[0].block = 0;
    TRY(index_node(path.nodes[0], hash));
    uint8_t levels =
        TRY(fs_.cache.read_as<uint8_t>(fs_.offset_of(path.nodes[0].physical) + root_info_at + 6));
    if (levels >= most_index_levels()) return Error::unsupported;
    for (path.depth = 0; path.depth < levels; ++path.depth) {
        auto entry = TRY(index_entry(path.last(), path.last().at));
        if (entry.block == 0 || fs_.offset_of(entry.block) >= size) return Error::unsupported;
        path.nodes[path.depth + 1].block = entry.block;
        TRY(index_node(path.nodes[path.depth + 1], hash));
    }
    return {};
}

unsigned Ext2Node::most_index_levels() const { return fs_.incompat & largedir ? 3 : 2; }

// The kind of hash that this index has.
Result<uint8_t> Ext2Node::index_version()
{
    View piece = TRY(view_at(0));
    auto version = static_cast<uint8_t>(piece.bytes[root_info_at + 4]);
    if (index_entries_at(piece.bytes) != root_entries_at || version > last_version ||
        piece.bytes[root_info_at + 5] != std::byte{8} ||
        piece.bytes[root_info_at + 7] != std::byte{0})
        return Error::unsupported;
    return version;
}

Result<uint32_t> Ext2Node::leaf_of(const IndexPath& path)
{
    const IndexNode& node = path.nodes[path.depth];
    auto entry = TRY(index_entry(node, node.at));
    if (entry.block == 0 || fs_.offset_of(entry.block) >= size) return Error::unsupported;
    return entry.block;
}

// Goes to the next leaf. False: that was the last. `hash`: where it begins; it is odd if the leaf
// before has the same hash, too.
Result<bool> Ext2Node::next_leaf(IndexPath& path, uint32_t& hash)
{
    unsigned level = path.depth;
    while (path.nodes[level].at + 1 >= path.nodes[level].count) {
        if (level-- == 0) return false;
    }
    ++path.nodes[level].at;
    hash = TRY(index_entry(path.nodes[level], path.nodes[level].at)).hash;
    for (; level < path.depth; ++level) {
        path.nodes[level + 1].block =
            TRY(index_entry(path.nodes[level], path.nodes[level].at)).block;
        if (fs_.offset_of(path.nodes[level + 1].block) >= size) return Error::unsupported;
        TRY(index_node(path.nodes[level + 1], 0));
        path.nodes[level + 1].at = 0;
    }
    return true;
}

Result<bool> Ext2Node::look_in_index(std::string_view name, Slot& slot)
{
    if (fs::is_dots(name)) return Error::unsupported;
    IndexPath path;
    uint32_t hash = hash_of(name, TRY(index_version())), next;
    TRY(index_path(hash, path));
    do {
        if (TRY(find_in_block(fs_.offset_of(TRY(leaf_of(path))), name, slot))) return true;
        if (!TRY(next_leaf(path, next))) return false;
    } while (next == (hash | 1));
    return false;
}

// ---- new names

Result<void> Ext2Node::insert_in_index(const Record& record, const Ext2Node& node)
{
    uint32_t hash = hash_of(record.name, TRY(index_version()));
    for (int tries = 0; tries < 12; ++tries) {
        IndexPath path;
        TRY(index_path(hash, path));
        if (TRY(insert_in_block(TRY(leaf_of(path)), record, node))) return {};
        if (TRY(make_index_room(path))) TRY(split_leaf(path));
    }
    return Error::no_space;
}

// True if there is room for another leaf already; else the tree is another afterwards.
Result<bool> Ext2Node::make_index_room(IndexPath& path)
{
    unsigned level = path.depth;
    if (path.last().count < path.last().limit) return true;
    while (level > 0 && path.nodes[level - 1].count >= path.nodes[level - 1].limit) --level;
    Buffer content = TRY(Buffer::of(fs_.block_bytes()));
    memset(content.data(), 0, content.size());
    store_le16(&content.data()[4], content.size() == 65536 ? 65535u : content.size());
    if (level == 0) {
        TRY(grow_index(path, content.span()));
        return false;
    }
    IndexNode& old = path.nodes[level];
    unsigned half = old.count / 2;
    uint32_t hash = TRY(index_entry(old, half)).hash;
    TRY(move_index(old, half, content.span()));
    uint64_t block = TRY(append_block(content.span()));
    TRY(insert_index(path.nodes[level - 1], hash, block));
    TRY(cut_index(old, half));
    return false;
}

// The entries from `from` on, in a block that is to be a node.
Result<void> Ext2Node::move_index(const IndexNode& old, unsigned from, std::span<std::byte> content)
{
    size_t bytes = (old.count - from) * index_entry_bytes;
    TRY(fs_.cache.read(fs_.offset_of(old.physical) + old.entries_at + from * index_entry_bytes,
                       content.subspan(node_entries_at, bytes)));
    store_le16(&content[node_entries_at], index_limit(node_entries_at));
    store_le16(&content[node_entries_at + 2], old.count - from);
    return {};
}

Result<void> Ext2Node::cut_index(const IndexNode& node, unsigned count)
{
    Piece piece = TRY(piece_at(fs_.offset_of(node.block)));
    store_le16(&piece.bytes[node.entries_at + 2], count);
    return put_piece(piece, node.entries_at, 4);
}

// Everything that the root has goes one level down.
Result<void> Ext2Node::grow_index(const IndexPath& path, std::span<std::byte> content)
{
    if (path.depth + 1 >= most_index_levels()) return Error::no_space;
    TRY(move_index(path.nodes[0], 0, content));
    uint64_t block = TRY(append_block(content));
    Piece piece = TRY(piece_at(0));
    TRY(fs_.before(inode_at_, fs_.offset_of(piece.physical)));
    piece.bytes[root_info_at + 6] = static_cast<std::byte>(path.depth + 1);
    store_le16(&piece.bytes[root_entries_at + 2], 1);
    store_le32(&piece.bytes[root_entries_at + 4], static_cast<uint32_t>(block));
    return put_piece(piece, root_info_at, 16);
}

// An entry behind the one that was followed; there is room.
Result<void> Ext2Node::insert_index(const IndexNode& node, uint32_t hash, uint64_t block)
{
    Piece piece = TRY(piece_at(fs_.offset_of(node.block)));
    TRY(fs_.before(inode_at_, fs_.offset_of(piece.physical) + node.entries_at));
    std::byte* at = &piece.bytes[node.entries_at + (node.at + 1) * index_entry_bytes];
    size_t behind = (node.count - node.at - 1) * index_entry_bytes;
    memmove(at + index_entry_bytes, at, behind);
    store_le32(at, hash);
    store_le32(at + 4, static_cast<uint32_t>(block));
    store_le16(&piece.bytes[node.entries_at + 2], node.count + 1);
    return put_piece(piece, node.entries_at, (node.count + 1) * index_entry_bytes);
}

// What is in a leaf, in the order of its hashes.
Result<size_t> Ext2Node::sort_leaf(const Piece& piece, uint8_t version, std::span<LeafEntry> into)
{
    size_t count = 0;
    for (size_t at = 0; at < room_in_block();) {
        Record record = TRY(record_at(piece, at));
        if (record.inode && !fs::is_dots(record.name))
            into[count++] = {hash_of(record.name, version), static_cast<uint32_t>(at)};
        at += record.length;
    }
    std::sort(into.data(), into.data() + count, [](const LeafEntry& a, const LeafEntry& b) {
        return a.hash != b.hash ? a.hash < b.hash : a.at < b.at;
    });
    return count;
}

// The upper half of the hashes goes to a new leaf.
Result<void> Ext2Node::split_leaf(IndexPath& path)
{
    uint64_t leaf = TRY(leaf_of(path));
    uint8_t version = TRY(index_version());
    Buffer content = TRY(Buffer::of(fs_.block_bytes()));
    Buffer memory = TRY(Buffer::of(fs_.block_bytes() / DirEntry::min_rec_len * sizeof(LeafEntry)));
    std::span entries(reinterpret_cast<LeafEntry*>(memory.data()),
                      memory.size() / sizeof(LeafEntry));
    Piece piece = TRY(piece_at(fs_.offset_of(leaf)));
    size_t count = TRY(sort_leaf(piece, version, entries));
    if (count < 2) return Error::no_space;
    size_t half = count / 2, used = 0;
    format_block(content.span());
    entries = entries.subspan(half, count - half);
    for (const LeafEntry& entry : entries) {
        Record record = TRY(record_at(piece, entry.at));
        if (!pack(content.span(), used, record)) return Error::no_space;
    }
    bool is_continued =
        reinterpret_cast<LeafEntry*>(memory.data())[half - 1].hash == entries[0].hash;
    uint64_t block = TRY(append_block(content.span(), fs_.offset_of(piece.physical)));
    TRY(insert_index(path.last(), entries[0].hash | is_continued, block));
    piece = TRY(piece_at(fs_.offset_of(leaf)));
    for (size_t n = 0; n < piece.bytes.size(); n += BlockCache::line_bytes)
        TRY(fs_.before(fs_.offset_of(path.last().physical) + path.last().entries_at,
                       fs_.offset_of(piece.physical) + n));
    return thin_leaf(leaf, entries);
}

// The entries that have gone elsewhere become empty: whatever becomes of the block's sectors, no
// other is lost.
Result<void> Ext2Node::thin_leaf(uint64_t leaf, std::span<LeafEntry> moved)
{
    std::sort(moved.begin(), moved.end(),
              [](const LeafEntry& a, const LeafEntry& b) { return a.at < b.at; });
    Piece piece = TRY(piece_at(fs_.offset_of(leaf)));
    size_t before = 0;
    for (size_t at = 0; at < room_in_block();) {
        Record record = TRY(record_at(piece, at));
        if (!moved.empty() && moved[0].at == at) {
            moved = moved.subspan(1);
            store_le32(&piece.bytes[at], 0);
            record.inode = 0;
        }
        if (record.inode == 0 && at != before && at / 512 == before / 512) {
            Record first = TRY(record_at(piece, before));
            store_length(&piece.bytes[before], first.length + record.length);
        } else {
            before = at;
        }
        at += record.length;
    }
    return put_piece(piece, 0, piece.bytes.size());
}

// A directory of one block gets an index: its names go to a second one.
Result<void> Ext2Node::make_index()
{
    Buffer content = TRY(Buffer::of(fs_.block_bytes()));
    format_block(content.span());
    Piece piece = TRY(piece_at(0));
    uint32_t parent = 0;
    size_t used = 0;
    for (size_t at = 0; at < room_in_block();) {
        Record record = TRY(record_at(piece, at));
        at += record.length;
        if (record.name == "..") parent = record.inode;
        if (record.inode == 0 || fs::is_dots(record.name)) continue;
        if (!pack(content.span(), used, record)) return Error::no_space;
    }
    if (parent == 0) return damaged("the directory has no \"..\"");
    uint64_t block = TRY(append_block(content.span(), fs_.offset_of(piece.physical)));
    flags_ |= index_fl;
    TRY(write_inode());
    piece = TRY(piece_at(0));
    TRY(fs_.before(inode_at_, fs_.offset_of(piece.physical)));
    auto& bytes = piece.bytes;
    // The first sector is enough: ".." reaches over all others.
    memset(bytes.data(), 0, 512);
    uint8_t kind = file_type();
    size_t behind = bytes.size() - 12;
    const DirEntry self = {number(), 12, 1, kind},
                   up = {parent, static_cast<uint16_t>(behind), 2, kind};
    memcpy(&bytes[0], &self, sizeof self);
    memcpy(&bytes[8], ".", 1);
    memcpy(&bytes[12], &up, sizeof up);
    memcpy(&bytes[20], "..", 2);
    bytes[root_info_at + 4] = std::byte{fs_.super.def_hash_version};
    bytes[root_info_at + 5] = std::byte{8};
    store_le16(&bytes[root_entries_at], index_limit(root_entries_at));
    store_le16(&bytes[root_entries_at + 2], 1);
    store_le32(&bytes[root_entries_at + 4], static_cast<uint32_t>(block));
    if (fs_.has_checksums()) store_le32(&bytes[bytes.size() - 8], 0);
    return put_piece(piece, 0, 512);
}

// The index makes no sense: the directory is a list from now on.
Result<void> Ext2Node::drop_index()
{
    hal::log("{}: {}: inode {}: the index of the directory is given up", fs_.name(), fs_.type, id);
    flags_ &= ~uint32_t{index_fl};
    return write_inode();
}

// ---- listing in the order of hashes, so that a split neither hides entries nor shows them twice

// Where a name is in that order; never 0.
static uint64_t position_of(uint32_t hash, std::string_view name)
{
    uint32_t sum = crc32c(~0u, std::as_bytes(std::span(name.data(), name.size())));
    return uint64_t{hash} << 32 | uint64_t{sum} << 1 | 1;
}

bool Listing::add(const Listed& entry)
{
    size_t room = memory.size() / sizeof entry;
    if (count == room) {
        auto larger = Buffer::of(std::max<size_t>(256, room * 2) * sizeof entry);
        if (!larger) return false;
        if (count) memcpy(larger.value().data(), memory.data(), memory.size());
        memory = std::move(larger).value();
    }
    entries()[count++] = entry;
    return true;
}

Result<void> Ext2Node::list_leaf(uint64_t block, uint8_t version, Listing& listing)
{
    View piece = TRY(view_at(fs_.offset_of(block)));
    for (size_t at = 0; at < room_in_block();) {
        Record record = TRY(record_at(piece, at));
        size_t here = std::exchange(at, at + record.length);
        if (!record.inode || fs::is_dots(record.name)) continue;
        if (!listing.add({position_of(hash_of(record.name, version), record.name),
                          static_cast<uint32_t>(block), static_cast<uint32_t>(here)}))
            return Error::no_memory;
    }
    return {};
}

// The entries of the leaf where a position is, and of those behind that begin with the same hash.
Result<void> Ext2Node::list_from(uint64_t position, Listing& listing)
{
    listing.count = 0;
    listing.node = nullptr;
    listing.from = position;
    listing.end = ~0ull;
    if (!(flags_ & index_fl)) {
        TRY(list_leaf(0, fs_.super.def_hash_version, listing));
    } else {
        uint8_t version = TRY(index_version());
        IndexPath path;
        uint32_t next = 0;
        TRY(index_path(static_cast<uint32_t>(position >> 32) & ~1u, path));
        for (uint64_t leaves = 0;; ++leaves) {
            TRY(list_leaf(TRY(leaf_of(path)), version, listing));
            if (!TRY(next_leaf(path, next))) break;
            if (!(next & 1) || leaves > size >> fs_.block_shift) {
                listing.end = uint64_t{next & ~1u} << 32;
                break;
            }
        }
    }
    std::sort(listing.entries(), listing.entries() + listing.count,
              [](const Listed& a, const Listed& b) { return a.position < b.position; });
    listing.node = this;
    listing.changes = fs_.changes;
    return {};
}

Result<bool> Ext2Node::next_hashed(uint64_t& position, DirectoryEntry& entry)
{
    Listing& listing = fs_.listing;
    for (;;) {
        bool is_known = listing.node == this && listing.changes == fs_.changes &&
                        position >= listing.from && position < listing.end;
        if (!is_known) {
            auto listed = list_from(position, listing);
            if (listed.error() == Error::unsupported && position == 0) {
                flags_ &= ~uint32_t{index_fl};  // here only; the medium keeps it
                return next_entry(position, entry);
            }
            TRY(std::move(listed));
        }
        Listed* end = listing.entries() + listing.count;
        Listed* found =
            std::upper_bound(listing.entries(), end, position,
                             [](uint64_t at, const Listed& e) { return at < e.position; });
        if (found != end) {
            View piece = TRY(view_at(fs_.offset_of(found->block)));
            TRY(fill_entry(piece, found->at, entry));
            position = found->position;
            return true;
        }
        if (listing.end == ~0ull) return false;
        position = listing.end;
    }
}

}  // namespace ext
