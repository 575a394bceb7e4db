// SPDX-License-Identifier: BSD-2-Clause
// ext2: directories as lists of names. Their indexes are in htree.cpp.
//
// A sector is what the medium writes wholly or not at all, and a journal may be missing: so a new
// entry does not cross the border of one, and whatever changes a directory is a change in one
// sector; see insert_at().
#include "fs/ext2/ext2.h"

namespace ext {

static constexpr size_t sector_bytes = 512;
static constexpr uint32_t most_subdirectories = 64998;
static constexpr size_t tail_bytes = 12;
static constexpr uint8_t tail_type = 0xde;

// ---- reading

// "Inline Directories": two lists, the first behind a parent's number.
Result<Ext2Node::Piece> Ext2Node::inline_piece_at(uint64_t offset)
{
    std::span<std::byte> all = fs_.scratch().first(static_cast<size_t>(size));
    TRY(read_inline(0, all));
    if (offset < sizeof block_) return Piece{4, all.first(sizeof block_).subspan(4)};
    return Piece{sizeof block_, all.subspan(sizeof block_)};
}

// The block on the device.
Result<uint64_t> Ext2Node::block_at(uint64_t offset)
{
    uint64_t block = offset >> fs_.block_shift;
    TRY(map(block));
    if (run_.hole) return damaged("the directory has no block {}", block);
    return run_.physical + (block - run_.first);
}

Result<void> Ext2Node::check_sum(uint64_t physical, Content bytes)
{
    if (!fs_.has_checksums() || fs_.is_checked(physical)) return {};
    if (!sum_is_right(bytes)) {
        fs_.forget_scratch();
        return damaged("block {} of the directory does not match its checksum",
                       run_.first + (physical - run_.physical));
    }
    fs_.set_checked(physical);
    return {};
}

// A block of the directory, or inline data.
Result<Ext2Node::Piece> Ext2Node::piece_at(uint64_t offset)
{
    if (flags_ & inline_data_fl) return inline_piece_at(offset);
    uint64_t physical = TRY(block_at(offset));
    auto bytes = TRY(fs_.block(physical));
    TRY(check_sum(physical, bytes));
    return Piece{offset & ~uint64_t{fs_.block_bytes() - 1}, bytes, physical};
}

// The same, only to be looked at.
Result<Ext2Node::View> Ext2Node::view_at(uint64_t offset)
{
    if (flags_ & inline_data_fl) return View(TRY(inline_piece_at(offset)));
    uint64_t physical = TRY(block_at(offset));
    Content bytes = TRY(fs_.look(physical));
    TRY(check_sum(physical, bytes));
    return View{offset & ~uint64_t{fs_.block_bytes() - 1}, bytes, physical};
}

static size_t length_from_disk(uint32_t block_bytes, uint16_t length)
{
    // A length of 64 KiB does not fit 16 bits: the two bits that a multiple of 4 has to spare hold
    // it.
    if (block_bytes < 65536) return length;
    return length == 65535 || length == 0 ? 65536 : (length & ~3u) | (length & 3u) << 16;
}

struct Usual {  // an entry as most are; else its length is 0
    size_t length, name;
};

[[gnu::always_inline]] static inline Usual usual_at(const std::byte* at, const std::byte* end)
{
    auto left = static_cast<size_t>(end - at);
    if (left < DirEntry::min_rec_len) return {};
    uint32_t lengths = le32(at + offsetof(DirEntry, rec_len));
    size_t length = lengths & 0xffff, name = lengths >> 16 & 0xff;
    bool is_usual = length >= DirEntry::min_rec_len && length <= left && length % 4 == 0 &&
                    sizeof(DirEntry) + name <= length && (name || !le32(at));
    return {is_usual ? length : 0, name};
}

Result<Ext2Node::Record> Ext2Node::unusual_at(const std::byte* at, const std::byte* end,
                                              uint64_t offset) const
{
    auto left = static_cast<size_t>(end - at);
    if (left < DirEntry::min_rec_len) return damaged("no entry fits at {}", offset);
    DirEntry entry;
    memcpy(&entry, at, sizeof entry);
    size_t length = length_from_disk(fs_.block_bytes(), entry.rec_len);
    if (length < DirEntry::min_rec_len || length % 4 || length > left ||
        length < sizeof entry + entry.name_len)
        return damaged("the entry at {} has {} bytes, its name {}", offset, length, entry.name_len);
    if (entry.inode == 0) return Record{.length = length};
    bool has_type = fs_.incompat & filetype;
    if (entry.name_len == 0 || (!has_type && entry.file_type)) return bad_name(offset);
    std::string_view name(reinterpret_cast<const char*>(at) + sizeof entry, entry.name_len);
    return Record{entry.inode, has_type ? entry.file_type : uint8_t{0}, length, name};
}

// Of its name only that it lies in the piece is known.
[[gnu::always_inline]] inline Result<Ext2Node::Record> Ext2Node::outline_at(const std::byte* at,
                                                                            const std::byte* end,
                                                                            uint64_t offset) const
{
    Usual usual = usual_at(at, end);
    if (!usual.length || !(fs_.incompat & filetype)) return unusual_at(at, end, offset);
    uint32_t inode = le32(at);
    if (inode == 0) return Record{.length = usual.length};
    auto type = static_cast<uint8_t>(at[offsetof(DirEntry, file_type)]);
    auto name = reinterpret_cast<const char*>(at) + sizeof(DirEntry);
    return Record{inode, type, usual.length, {name, usual.name}};
}

// Four bytes at a time.
[[gnu::always_inline]] static inline bool is_possible(std::string_view name)
{
    auto has_zero = [](uint32_t bytes) { return (bytes - 0x01010101) & ~bytes & 0x80808080; };
    const char *at = name.data(), *end = at + name.size();
    uint32_t found = 0;
    for (; end - at >= 4; at += 4) found |= has_zero(le32(at)) | has_zero(le32(at) ^ 0x2f2f2f2f);
    for (; at < end; ++at) found |= *at == '/' || *at == 0;
    return !found;
}

Error Ext2Node::bad_name(uint64_t offset) const
{
    return damaged("the entry at {} has an impossible name", offset);
}

Result<Ext2Node::Record> Ext2Node::record_at(const View& view, size_t at) const
{
    const std::byte* start = view.bytes.data();
    Record record = TRY(outline_at(start + at, start + view.bytes.size(), view.start + at));
    return is_possible(record.name) ? Result<Record>(record) : bad_name(view.start + at);
}

static size_t sector_of(size_t n) { return n / sector_bytes; }

// ---- Entries that can be passed without a closer look. A block has hundreds of them.

// To the next entry that may have a name of so many bytes, which ends with `last`: names often
// begin alike.
[[gnu::noinline]] static const std::byte* pass_others(const std::byte* at, const std::byte* end,
                                                      size_t bytes, std::byte last,
                                                      const std::byte*& before)
{
    while (at < end) {
        Usual entry = usual_at(at, end);
        if (!entry.length) break;
        if (entry.name == bytes && at[sizeof(DirEntry) + bytes - 1] == last) break;
        before = at;
        at += entry.length;
    }
    return at;
}

// To the next entry that may have room for another of `need` bytes.
[[gnu::noinline]] static const std::byte* pass_full(const std::byte* at, const std::byte* end,
                                                    size_t need)
{
    while (at < end) {
        Usual entry = usual_at(at, end);
        if (!entry.length || !le32(at)) break;
        if (entry.length >= DirEntry::bytes_for(entry.name) + need) break;
        at += entry.length;
    }
    return at;
}

// Where a name is in one piece.
Result<bool> Ext2Node::find_in_block(uint64_t offset, std::string_view name, Slot& slot)
{
    View view = TRY(view_at(offset));
    slot = {.piece = view};
    const std::byte *start = view.bytes.data(), *end = start + view.bytes.size();
    const std::byte *at = start, *before = start;
    const bool has_types = fs_.incompat & filetype;
    for (;;) {
        if (has_types && !name.empty())
            at = pass_others(at, end, name.size(), static_cast<std::byte>(name.back()), before);
        if (at == end) return false;
        slot.at = static_cast<size_t>(at - start);
        Record record = TRY(outline_at(at, end, view.start + slot.at));
        if (record.inode && record.name == name) {
            auto last = static_cast<size_t>(before - start);
            slot.before = sector_of(last) == sector_of(slot.at) ? last : slot.at;
            slot.length = record.length;
            slot.inode = record.inode;
            slot.type = record.type;
            return true;
        }
        before = at;
        at += record.length;
    }
}

Result<bool> Ext2Node::look_linearly(std::string_view name, Slot& slot)
{
    for (uint64_t offset = 0; offset < size;) {
        if (TRY(find_in_block(offset, name, slot))) return true;
        offset = slot.piece.start + slot.piece.bytes.size();
    }
    return false;
}

Result<bool> Ext2Node::look_for(std::string_view name, Slot& slot)
{
    if (type != NodeType::directory) return Error::not_directory;
    if (name.size() > longest_name) return false;
    if (is_indexed()) {
        auto found = look_in_index(name, slot);
        if (found || found.error() != Error::unsupported) return found;
    }
    return look_linearly(name, slot);
}

Result<fs::Node*> Ext2Node::find(std::string_view name)
{
    Slot slot;
    if (!TRY(look_for(name, slot))) return nullptr;
    return TRY(fs_.node(slot.inode));
}

[[gnu::always_inline]] inline Result<void> Ext2Node::fill(DirectoryEntry& entry,
                                                          const Record& record)
{
    static constexpr NodeType types[] = {NodeType::other, NodeType::file,   NodeType::directory,
                                         NodeType::other, NodeType::other,  NodeType::other,
                                         NodeType::other, NodeType::symlink};
    entry.name.assign(record.name);
    entry.id = record.inode;
    entry.type = record.type == 0                 ? TRY(fs_.type_of(record.inode))
                 : record.type < std::size(types) ? types[record.type]
                                                  : NodeType::other;
    return {};
}

Result<void> Ext2Node::fill_entry(const View& view, size_t at, DirectoryEntry& entry)
{
    return fill(entry, TRY(record_at(view, at)));
}

bool Ext2Node::is_listed_by_hash() const
{
    return is_indexed() ||
           (size == fs_.block_bytes() && !(flags_ & inline_data_fl) && can_be_indexed());
}

// In the order of the list, or of hashes.
Result<bool> Ext2Node::next_entry(uint64_t& position, DirectoryEntry& entry)
{
    if (type != NodeType::directory) return Error::not_directory;
    Cursor& next = fs_.listed;
    bool is_known = next.node == this && next.position == position && next.changes == fs_.changes;
    if (!is_known && is_listed_by_hash()) return next_hashed(position, entry);
    if (!is_known || next.replaced != fs_.cache.replaced()) {
        if (!TRY(move_cursor(position, is_known))) return false;
    }
    for (;;) {
        if (next.at == next.end && !TRY(move_cursor(next.position, true))) return false;
        Record record = TRY(outline_at(next.at, next.end, next.position));
        if (!is_possible(record.name)) return bad_name(next.position);
        next.at += record.length;
        next.position += record.length;
        if (!record.inode || fs::is_dots(record.name)) continue;
        TRY(fill(entry, record));
        position = next.position;
        return true;
    }
}

// False: the directory ends before that. Where entries have come and gone meanwhile, a position
// that is not known may be within another by now: the block is gone through from its beginning.
Result<bool> Ext2Node::move_cursor(uint64_t position, bool is_known)
{
    if (position >= size) return false;
    fs_.listed.node = nullptr;
    View view = TRY(view_at(position));
    size_t at = is_known ? static_cast<size_t>(position - view.start) : 0;
    while (view.start + at < position) at += TRY(record_at(view, at)).length;
    const std::byte* start = view.bytes.data();
    fs_.listed = {this,        view.start + at,     start + at, start + view.bytes.size(),
                  fs_.changes, fs_.cache.replaced()};
    bool is_in_cache = fs_.block_bytes() <= BlockCache::line_bytes && !(flags_ & inline_data_fl);
    if (!is_in_cache) --fs_.listed.replaced;  // others use that memory
    return true;
}

// ---- checksums of blocks: "Directory tail", "Htree tail"

bool Ext2Node::sum_is_right(std::span<const std::byte> bytes) const
{
    size_t entries_at = index_entries_at(bytes);
    if (entries_at) return index_sum(bytes, entries_at) == le32(index_tail(bytes, entries_at) + 4);
    size_t at = bytes.size() - tail_bytes;
    return le32(&bytes[at]) == 0 && le16(&bytes[at + 4]) == tail_bytes &&
           bytes[at + 7] == std::byte{tail_type} &&
           crc32c(seed_, bytes.first(at)) == le32(&bytes[at + 8]);
}

void Ext2Node::seal(std::span<std::byte> bytes) const
{
    if (!fs_.has_checksums()) return;
    size_t entries_at = index_entries_at(bytes);
    std::byte* at = &bytes[bytes.size() - 4];
    if (entries_at) at = bytes.data() + (index_tail(bytes, entries_at) + 4 - bytes.data());
    store_le32(at, entries_at ? index_sum(bytes, entries_at)
                              : crc32c(seed_, bytes.first(bytes.size() - tail_bytes)));
}

// A part of a block that has been changed in `piece`, with the checksum.
Result<void> Ext2Node::put_piece(const Piece& piece, size_t at, size_t bytes)
{
    ++fs_.changes;
    uint64_t offset = fs_.offset_of(piece.physical);
    auto written = reseal(piece, at, bytes);
    fs_.set_checked(piece.physical);
    if (written) written = fs_.cache.write(offset + at, piece.bytes.subspan(at, bytes));
    if (written && fs_.has_checksums()) {
        size_t sum_at = index_entries_at(piece.bytes) ? 0 : piece.bytes.size() - tail_bytes;
        written = fs_.cache.write(offset + sum_at, piece.bytes.subspan(sum_at));
    }
    if (!written) fs_.forget_scratch();
    return written;
}

// The checksum of a block of which only this part is another than in the cache.
Result<void> Ext2Node::reseal(const Piece& piece, size_t at, size_t bytes) const
{
    std::byte change[sector_bytes];
    size_t end = piece.bytes.size() - tail_bytes;
    bool is_short = bytes <= sizeof change && at + bytes <= end;
    if (!is_short || !fs_.has_checksums() || index_entries_at(piece.bytes)) {
        seal(piece.bytes);
        return {};
    }
    TRY(fs_.cache.read(fs_.offset_of(piece.physical) + at, std::span(change).first(bytes)));
    for (size_t i = 0; i < bytes; ++i) change[i] ^= piece.bytes[at + i];
    std::byte* sum = &piece.bytes[piece.bytes.size() - 4];
    uint32_t changed = crc32c(0, std::span(change).first(bytes));
    store_le32(sum, le32(sum) ^ crc32c_move(changed, end - at - bytes));
    return {};
}

// ---- entries

uint8_t Ext2Node::file_type() const
{
    static constexpr uint8_t types[16] = {0, 5, 3, 0, 2, 0, 4, 0, 1, 0, 7, 0, 6};
    return fs_.incompat & filetype ? types[kind_] : uint8_t{0};
}

template <class Record> static void store_record(std::byte* at, size_t length, const Record& record)
{
    DirEntry entry = {record.inode, 0, static_cast<uint8_t>(record.name.size()), record.type};
    memcpy(at, &entry, sizeof entry);
    store_length(at, length);
    std::copy(record.name.begin(), record.name.end(), reinterpret_cast<char*>(at) + sizeof entry);
}

// No names yet: each sector begins with an entry.
void Ext2Node::format_block(std::span<std::byte> bytes) const
{
    memset(bytes.data(), 0, bytes.size());
    size_t end = room_in_block();
    for (size_t at = 0; at < end; at += sector_bytes)
        store_record(&bytes[at], std::min(sector_bytes, end - at), Record{});
    if (fs_.has_checksums()) store_record(&bytes[end], tail_bytes, Record{.type = tail_type});
}

// A new entry behind those of a formatted block, of which `used` bytes are used. False: no room.
bool Ext2Node::pack(std::span<std::byte> bytes, size_t& used, const Record& record) const
{
    size_t need = DirEntry::bytes_for(record.name.size()),
           left = sector_bytes - used % sector_bytes;
    if (need > left) used += left;
    size_t end = std::min(used / sector_bytes * sector_bytes + sector_bytes, room_in_block());
    if (used + need > end) return false;
    if (used % sector_bytes) {  // the last one ends where this begins
        size_t at = used / sector_bytes * sector_bytes;
        for (size_t next = at; next < used; next += le16(&bytes[at + 4])) {
            at = next;
            if (at + le16(&bytes[at + 4]) > used) break;
        }
        store_length(&bytes[at], used - at);
    }
    store_record(&bytes[used], end - used, record);
    used += need;
    return true;
}

// The entry at `at` in a piece has `length` bytes, of which `used` are needed. Puts a new one
// behind it, or in its place. False: there is no room.
Result<bool> Ext2Node::insert_at(const Piece& piece, size_t at, size_t used, size_t length,
                                 const Record& record)
{
    size_t need = DirEntry::bytes_for(record.name.size()), place = at + used, end = at + length;
    if (sector_of(place) != sector_of(place + need - 1))
        place = (sector_of(place) + 1) * sector_bytes;
    if (place + need > end || (place > at && place - at < DirEntry::min_rec_len)) return false;
    fs_.last_entry = fs_.offset_of(piece.physical) + at;
    if (sector_of(place) != sector_of(at)) {
        TRY(carve(piece, at, place, end, record));
        return true;
    }
    store_record(&piece.bytes[place], end - place, record);
    if (place > at) store_length(&piece.bytes[at], place - at);
    TRY(put_piece(piece, at, place + need - at));
    return true;
}

// In another sector: first what nobody sees yet, it and empty entries that each begin a sector
// behind it; then the entry before it becomes shorter.
Result<void> Ext2Node::carve(const Piece& piece, size_t at, size_t place, size_t end,
                             const Record& record)
{
    Record here = record;
    for (size_t from = place, to; from < end; from = to, here = {}) {
        to = std::min((sector_of(from) + 1) * sector_bytes, end);
        if (end - to < DirEntry::min_rec_len) to = end;
        store_record(&piece.bytes[from], to - from, here);
    }
    uint64_t offset = fs_.offset_of(piece.physical);
    TRY(put_piece(piece, place, end - place));
    for (size_t n = place; n < end; n += sector_bytes) TRY(fs_.before(offset + n, offset + at));
    store_length(&piece.bytes[at], place - at);
    return put_piece(piece, at, sizeof(DirEntry));
}

// `record` has what it is about, and nothing else.
Result<bool> Ext2Node::insert_in_block(uint64_t block, const Record& record, const Ext2Node& node)
{
    View view = TRY(view_at(fs_.offset_of(block)));
    size_t need = DirEntry::bytes_for(record.name.size()), end = room_in_block();
    const bool has_types = fs_.incompat & filetype;
    for (size_t at = 0; at < end;) {
        const std::byte* start = view.bytes.data();
        if (has_types) at = static_cast<size_t>(pass_full(start + at, start + end, need) - start);
        if (at >= end) break;
        Record here = TRY(outline_at(start + at, start + view.bytes.size(), view.start + at));
        size_t used = here.inode ? DirEntry::bytes_for(here.name.size()) : 0;
        if (here.length >= used + need && at + here.length <= end) {
            Piece piece = TRY(piece_at(view.start));
            uint64_t offset = fs_.offset_of(piece.physical);
            TRY(fs_.before(node.inode_at_, offset + at));
            TRY(fs_.removed.order_before(key_of(record.name), offset + at));
            if (TRY(insert_at(piece, at, used, here.length, record))) return true;
            view = piece;
        }
        at += here.length;
    }
    return false;
}

// A new block at the end, with this content.
// original: the block whose names these are; 0: there are none.
Result<uint64_t> Ext2Node::append_block(std::span<std::byte> content, uint64_t original)
{
    uint64_t block = size >> fs_.block_shift;
    uint64_t most = fs_.incompat & largedir ? max_file_blocks : (1ull << 31) >> fs_.block_shift;
    if (block >= most) return Error::no_space;
    seal(content);
    TRY(map(block));
    if (!run_.hole) return damaged("the directory has a block {} behind its end", block);
    fs_.original = original;
    auto filled = fill_hole(block, 1, content);
    fs_.original = 0;
    TRY(std::move(filled));
    fs_.set_checked(run_.physical);
    if (fs_.holder != inode_at_) TRY(fs_.before(fs_.holder, inode_at_));
    size += fs_.block_bytes();
    TRY(write_inode());
    return block;
}

Result<void> Ext2Node::insert(const Record& record, const Ext2Node& node)
{
    if (is_indexed()) {
        auto inserted = insert_in_index(record, node);
        if (inserted || inserted.error() != Error::unsupported) return inserted;
        TRY(drop_index());
    }
    uint64_t blocks = size >> fs_.block_shift;
    for (uint64_t block = std::min(room_hint_, blocks); block < blocks; ++block) {
        if (!TRY(insert_in_block(block, record, node))) continue;
        room_hint_ = block;
        return {};
    }
    if (blocks == 1 && can_be_indexed()) {
        TRY(make_index());
        return insert_in_index(record, node);
    }
    Buffer content = TRY(Buffer::of(fs_.block_bytes()));
    format_block(content.span());
    room_hint_ = TRY(append_block(content.span()));
    return TRY(insert_in_block(room_hint_, record, node)) ? Result<void>() : Error::no_space;
}

// An entry goes: the one before it becomes longer, or it is empty.
Result<void> Ext2Node::remove_slot(const Slot& slot, std::string_view name)
{
    Piece piece = TRY(piece_at(slot.piece.start));
    room_hint_ = std::min(room_hint_, piece.start >> fs_.block_shift);
    if (slot.before == slot.at) {
        store_le32(&piece.bytes[slot.at], 0);
        TRY(put_piece(piece, slot.at, 4));
    } else {
        Record before = TRY(record_at(piece, slot.before));
        store_length(&piece.bytes[slot.before], before.length + slot.length);
        TRY(put_piece(piece, slot.before, sizeof(DirEntry)));
    }
    if (fs_.journal) return {};
    return fs_.removed.add(key_of(name), fs_.offset_of(piece.physical) + slot.before);
}

// A name leads elsewhere.
Result<void> Ext2Node::point_slot(const Slot& slot, const Ext2Node& node, uint8_t type)
{
    Piece piece = TRY(piece_at(slot.piece.start));
    uint64_t offset = fs_.offset_of(piece.physical) + slot.at;
    TRY(fs_.before(node.inode_at_, offset));
    store_le32(&piece.bytes[slot.at], node.number());
    piece.bytes[slot.at + offsetof(DirEntry, file_type)] = std::byte{type};
    fs_.last_entry = offset;
    return put_piece(piece, slot.at, sizeof(DirEntry));
}

// ---- what is done with names

Result<void> Ext2Node::check_new_name(std::string_view name) const
{
    if (type != NodeType::directory) return Error::not_directory;
    if (links == 0) return Error::not_found;
    return name.size() > longest_name ? Error::too_large : Result<void>();
}

// "." and "..".
Result<void> Ext2Node::make_first_block(const Ext2Node& parent)
{
    Buffer content = TRY(Buffer::of(fs_.block_bytes()));
    format_block(content.span());
    size_t used = 0;
    uint8_t kind = file_type();
    pack(content.span(), used, {number(), kind, 0, "."});
    pack(content.span(), used, {parent.number(), kind, 0, ".."});
    TRY(append_block(content.span()));
    return {};
}

// Before a subdirectory's entry is there: its ".." is a link, too.
Result<void> Ext2Node::add_subdirectory()
{
    if (links >= most_subdirectories && !(fs_.ro_compat & dir_nlink)) return Error::too_large;
    if (links != 1) links = links >= most_subdirectories ? 1 : links + 1;
    return write_inode();
}

// After it is not any more.
Result<void> Ext2Node::drop_subdirectory()
{
    if (links <= 2) return {};
    --links;
    if (fs_.journal) return write_inode();
    ++waiting_links;
    fs_.free_later(*this);
    return {};
}

// Makes a name for a node that has just been made, or takes the node back.
Result<void> Ext2Node::enter(std::string_view name, Ext2Node& node)
{
    Result<void> entered;
    bool is_directory = node.type == NodeType::directory;
    if (is_directory) entered = node.make_first_block(*this);
    if (entered && is_directory) {
        entered = add_subdirectory();
        if (entered) entered = insert({node.number(), node.file_type(), 0, name}, node);
        if (!entered) (void)drop_subdirectory();
    } else if (entered) {
        entered = insert({node.number(), node.file_type(), 0, name}, node);
    }
    if (entered) return touch();
    take_back(node);
    return entered;
}

// What has been made is not to be.
void Ext2Node::take_back(Ext2Node& node)
{
    Budget budget;
    if (!node.is_fast_link()) fs_.given_back(node.cut(0, budget).error());
    node.links = node.waiting_links = 0;
    node.doomed = true;
    (void)node.write_inode();
    fs_.given_back(fs_.free_inode(node.number(), node.type == NodeType::directory).error());
    fs_.drop(node);
}

Result<fs::Node*> Ext2Node::create(std::string_view name, NodeType kind, uint16_t permissions)
{
    TRY(check_new_name(name));
    if (kind != NodeType::file && kind != NodeType::directory) return Error::unsupported;
    Change change(fs_);
    TRY(change.begin());
    Ext2Node* node = TRY(make_node(kind, permissions & 07777));
    TRY(enter(name, *node));
    return node;
}

Result<void> Ext2Node::make_link(std::string_view name, std::string_view target)
{
    TRY(check_new_name(name));
    if (target.size() >= std::min<size_t>(fs::max_path, fs_.block_bytes())) return Error::too_large;
    Change change(fs_);
    TRY(change.begin());
    Ext2Node* node = TRY(make_node(NodeType::symlink, 0777));
    Result<void> filled = node->set_target(target);
    if (filled) return enter(name, *node);
    take_back(*node);
    return filled;
}

// "Symbolic Links": up to 59 bytes in the inode, else in a block.
Result<void> Ext2Node::set_target(std::string_view target)
{
    size = target.size();
    if (size < sizeof block_) {
        memcpy(block_, target.data(), target.size());
        return write_inode();
    }
    if (fs_.incompat & extents) start_extents();
    Buffer content = TRY(Buffer::of(fs_.block_bytes()));
    memset(content.data(), 0, content.size());
    memcpy(content.data(), target.data(), target.size());
    TRY(map(0));
    TRY(fill_hole(0, 1, content.span()));
    return write_inode();
}

Result<void> Ext2Node::add_name(std::string_view name, fs::Node& file)
{
    TRY(check_new_name(name));
    auto& node = static_cast<Ext2Node&>(file);
    Change change(fs_);
    TRY(change.begin());
    TRY(node.add_link());
    auto inserted = insert({node.number(), node.file_type(), 0, name}, node);
    if (inserted) return touch();
    --node.links;
    (void)node.write_inode();
    return inserted;
}

// Where the power went while an index was changed, a name may be in two blocks. The first stays.
Result<void> Ext2Node::drop_copies(std::string_view name, uint32_t inode)
{
    bool is_first = true;
    Slot slot;
    for (uint64_t offset = 0; offset < size && !fs_.trusts_indexes();) {
        bool is_there = TRY(find_in_block(offset, name, slot)) && slot.inode == inode;
        offset = slot.piece.start + slot.piece.bytes.size();
        if (is_there && !std::exchange(is_first, false)) TRY(remove_slot(slot, name));
    }
    return {};
}

// It has a name less, or none.
Result<void> Ext2Node::lost_name(Ext2Node& node)
{
    if (node.type == NodeType::directory) TRY(drop_subdirectory());
    return node.drop_link();
}

Result<void> Ext2Node::remove(std::string_view name)
{
    Slot slot;
    if (!TRY(look_for(name, slot))) return Error::not_found;
    Ext2Node& node = *TRY(fs_.node(slot.inode));
    Change change(fs_);
    TRY(change.begin());
    TRY(drop_copies(name, slot.inode));
    TRY(remove_slot(slot, name));
    TRY(lost_name(node));
    return touch();
}

// The directory's ".." is another.
Result<void> Ext2Node::set_parent(const Ext2Node& parent)
{
    Slot slot;
    if (!TRY(find_in_block(0, "..", slot))) return damaged("the directory has no \"..\"");
    Piece piece = TRY(piece_at(0));
    store_le32(&piece.bytes[slot.at], parent.number());
    return put_piece(piece, slot.at, 4);
}

// The new one, which is in the directory `to`, comes to the medium first.
Result<void> Ext2Node::remove_old_name(std::string_view name, Ext2Node& node, Ext2Node& to,
                                       bool moves)
{
    uint64_t entry = fs_.last_entry;
    if (moves) TRY(node.set_parent(to));
    Slot slot;
    if (!TRY(look_for(name, slot))) return damaged("a name is lost");  // it may have moved
    uint64_t old_place = fs_.offset_of(slot.piece.physical) + slot.before;
    TRY(fs_.before(entry, old_place));
    TRY(fs_.before(to.inode_at_, old_place));  // the directory may be longer now
    return remove_slot(slot, name);
}

// First the new name, then the old one goes: in between there are two, which the inode counts.
Result<void> Ext2Node::rename(std::string_view name, fs::Node& to_node, std::string_view new_name)
{
    auto& to = static_cast<Ext2Node&>(to_node);
    Slot slot, there;
    TRY(to.check_new_name(new_name));
    if (!TRY(look_for(name, slot))) return Error::not_found;
    Ext2Node& node = *TRY(fs_.node(slot.inode));
    Ext2Node* replaced = nullptr;
    if (TRY(to.look_for(new_name, there))) replaced = TRY(fs_.node(there.inode));
    bool moves = node.type == NodeType::directory && &to != this;
    Change change(fs_);
    TRY(change.begin());
    if (!fs_.journal) {
        ++node.waiting_links;
        fs_.free_later(node);
    }
    TRY(node.write_inode());
    TRY(drop_copies(name, slot.inode));
    if (replaced) TRY(to.drop_copies(new_name, there.inode));
    if (moves) TRY(to.add_subdirectory());
    auto named = replaced ? to.point_slot(there, node, slot.type)
                          : to.insert({node.number(), slot.type, 0, new_name}, node);
    if (!named && moves) (void)to.drop_subdirectory();
    TRY(std::move(named));
    if (auto removed = remove_old_name(name, node, to, moves); !removed) {
        ++node.links;  // it has both names
        (void)node.write_inode();
        return removed;
    }
    if (moves) TRY(drop_subdirectory());
    if (replaced) TRY(to.lost_name(*replaced));
    if (&to != this) TRY(to.touch());
    return touch();
}

}  // namespace ext
