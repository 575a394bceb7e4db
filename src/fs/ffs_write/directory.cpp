// SPDX-License-Identifier: BSD-2-Clause
// Names. A directory is pieces of 512 bytes, each of which is written at once; records never move
// while they are there, so that whoever lists a directory finds each once.
#include <algorithm>
#include <cstring>
#include "fs/ffs_write/write.h"

namespace ufs {

static constexpr size_t longest_name = 255, head_bytes = 8;
static constexpr uint64_t index_from = 16 * directory_piece;  // larger directories have an index
static constexpr uint32_t most_links = 32767;

static size_t bytes_for(size_t name_bytes) { return head_bytes + ((name_bytes + 4) & ~size_t{3}); }

static void put_record(std::byte* at, uint32_t inode, size_t bytes, unsigned type,
                       std::string_view name)
{
    memcpy(at, &inode, sizeof inode);
    memcpy(at + 4, &bytes, 2);
    at[6] = static_cast<std::byte>(type);
    at[7] = static_cast<std::byte>(name.size());
    memset(at + head_bytes, 0, bytes_for(name.size()) - head_bytes);
    memcpy(at + head_bytes, name.data(), name.size());
}

// ---- finding

// Where it is in the cache.
Result<const std::byte*> WritableInode::piece_at(uint64_t start, std::byte* memory)
{
    uint64_t within = start & (block_bytes() - 1);
    uint64_t first = TRY(extent_from(start >> volume_.block_shift, 1)).first_fragment;
    if (!first || !volume_.holds(first, within, directory_piece))
        return Inode::piece_at(start, memory);
    uint64_t place = (first << volume_.fragment_shift) + within;
    return TRY(volume_.cache.look(place, directory_piece)).data();
}

Result<bool> WritableInode::look_in(uint64_t piece, std::string_view name, Place& found)
{
    std::byte memory[directory_piece];
    const std::byte* bytes = TRY(piece_at(piece, memory));
    for (size_t at = 0; at < directory_piece;) {
        Record record = TRY(record_at(bytes, at));
        if (record.inode >= root_inode && record.name == name) {
            record.name = {};
            found = {piece, at, record};
            return true;
        }
        at += record.bytes;
    }
    return false;
}

Result<bool> WritableInode::find_place(std::string_view name, Place& found)
{
    if (!is_directory()) return Error::not_directory;
    if (Index* names = index()) {
        uint32_t cursor = 0;
        for (uint32_t n; (n = names->find(name, cursor)) != Index::none;) {
            if (TRY(look_in(uint64_t{n} * directory_piece, name, found))) return true;
        }
        return false;
    }
    for (uint64_t piece = 0; piece < size; piece += directory_piece) {
        if (TRY(look_in(piece, name, found))) return true;
    }
    return false;
}

Result<fs::Node*> WritableInode::find(std::string_view name)
{
    Place found;
    if (!TRY(find_place(name, found))) return nullptr;
    return TRY(volume_.inode(found.record.inode));
}

// Null: it is small, or there is no memory for one, or it is damaged.
Index* WritableInode::index()
{
    if (index_ || size < index_from || size / directory_piece >= Index::none) return index_;
    auto pieces = static_cast<uint32_t>(size / directory_piece);
    for (size_t names = static_cast<size_t>(size) / 20; !index_; names *= 2) {
        while (!(index_ = Index::make(names, pieces))) {
            if (!volume().drop_some_index()) return nullptr;
        }
        volume().note_index(*this);
        if (fill_index(pieces)) continue;
        volume().drop_index(*this);
        break;
    }
    return index_;
}

// False: it is damaged. If it is too small it is dropped.
bool WritableInode::fill_index(uint32_t pieces)
{
    for (uint32_t n = 0; n < pieces; ++n) {
        std::byte memory[directory_piece];
        auto piece = piece_at(uint64_t{n} * directory_piece, memory);
        if (!piece) return false;
        for (size_t at = 0; at < directory_piece;) {
            auto record = record_at(piece.value(), at);
            if (!record) return false;
            at += record.value().bytes;
            if (record.value().inode < root_inode || index_->add(record.value().name, n)) continue;
            volume().drop_index(*this);
            return true;
        }
        count_room(uint64_t{n} * directory_piece, piece.value());
        if (!index_) return false;
    }
    return true;
}

// ---- room for names

// The longest record for which there is room, and where the first of `wanted` bytes can be.
Result<size_t> WritableInode::room_in(const std::byte* piece, size_t wanted, size_t& at) const
{
    size_t most = 0;
    for (size_t here = 0; here < directory_piece;) {
        Record record = TRY(record_at(piece, here));
        size_t used = record.inode ? bytes_for(record.name.size()) : 0;
        size_t room = record.bytes > used ? record.bytes - used : 0;
        if (most < wanted && room >= wanted) at = here;
        most = std::max(most, room);
        here += record.bytes;
    }
    return most;
}

void WritableInode::count_room(uint64_t start, const std::byte* piece)
{
    size_t at = 0;
    auto room = room_in(piece, 0, at);
    auto n = static_cast<uint32_t>(start / directory_piece);
    if (!room || !index_->set_room(n, room.value())) volume().drop_index(*this);
}

Result<uint64_t> WritableInode::place_of_piece(uint64_t piece)
{
    uint64_t within = piece & (block_bytes() - 1);
    uint64_t first = TRY(extent_from(piece >> volume_.block_shift, 1)).first_fragment;
    if (!volume().groups.are_data({first, fragments_for(within + directory_piece)}))
        return hal::fail(Error::corrupt, "{}: ffs: directory {}: a block at fragment {}", device(),
                         id, first);
    return (first << volume_.fragment_shift) + within;
}

// A piece with so much room.
Result<uint64_t> WritableInode::piece_for(size_t bytes)
{
    if (Index* names = index()) {
        uint32_t n = names->piece_with_room(bytes);
        return n == Index::none ? add_piece() : uint64_t{n} * directory_piece;
    }
    std::byte piece[directory_piece];
    for (uint64_t start = 0; start < size; start += directory_piece) {
        size_t at = 0;
        if (TRY(room_in(TRY(piece_at(start, piece)), bytes, at)) >= bytes) return start;
    }
    return add_piece();
}

// An empty piece behind the others. The inode, which is longer then, comes after it.
Result<uint64_t> WritableInode::add_piece()
{
    uint64_t start = size, within = start & (block_bytes() - 1);
    std::byte piece[directory_piece] = {};
    put_record(piece, 0, directory_piece, 0, "");
    if (within == 0) {
        TRY(write_new(start, piece, start + directory_piece, 1));
    } else {
        auto block = static_cast<unsigned>(start >> volume_.block_shift);
        Run old;
        unsigned had = fragments_of(block), wanted = fragments_for(within + directory_piece);
        volume_.listed = {};  // what is there may move
        if (block < direct_pointers && wanted > had) old = TRY(more_fragments(block, had, wanted));
        uint64_t at = TRY(place_of_piece(start));
        TRY(volume_.cache.write(at, piece));
        size += directory_piece;
        uint64_t own = TRY(place());
        TRY(volume_.cache.order(at, own));
        if (old.count)  // all of it, in its new place
            for (uint64_t line = at - within; line < at; line += BlockCache::line_bytes)
                TRY(volume_.cache.order(line, own));
        TRY(store());
        if (old.count) TRY(volume().give(old));
    }
    if (index_) count_room(start, piece);
    return start;
}

// ---- changing names

Result<void> WritableInode::check_new(std::string_view name) const
{
    if (!is_directory()) return Error::not_directory;
    if (links == 0) return Error::not_found;
    return name.size() > longest_name ? Error::too_large : Result<void>();
}

// What has to be there before a name of a node.
Result<void> WritableInode::order_before_name(WritableInode& node, uint64_t at)
{
    TRY(volume().groups.before_inode(node.number(), at));
    TRY(volume_.cache.order(TRY(node.place()), at));
    if (node.is_directory()) TRY(volume_.cache.order(TRY(place()), at));  // its count of links
    return {};
}

// Gives the place on the volume where the name is now.
Result<uint64_t> WritableInode::enter(std::string_view name, WritableInode& node)
{
    size_t wanted = bytes_for(name.size()), at = 0;
    uint64_t start = TRY(piece_for(wanted));
    std::byte piece[directory_piece];
    TRY(read_bytes(start, piece));
    if (TRY(room_in(piece, wanted, at)) < wanted) return Error::corrupt;  // and has been logged
    Record record = TRY(record_at(piece, at));
    size_t used = record.inode ? bytes_for(record.name.size()) : 0;
    if (used) memcpy(piece + at + 4, &used, 2);
    unsigned type = node.type_number(TRY(volume_.mode_of(node.number())));
    put_record(piece + at + used, node.number(), record.bytes - used, type, name);
    uint64_t place = TRY(place_of_piece(start));
    TRY(order_before_name(node, place));
    TRY(volume().removed.order_before(fs::RemovedNames::key_of(id, name), place));
    TRY(volume_.cache.write(place, piece));
    if (index_ && !index_->add(name, static_cast<uint32_t>(start / directory_piece)))
        volume().drop_index(*this);
    if (index_) count_room(start, piece);
    modified_s = fs::now_s();
    TRY(store());
    return place;
}

// A name leads to another node from now on.
Result<uint64_t> WritableInode::point_name(const Place& found, WritableInode& node)
{
    std::byte piece[directory_piece];
    TRY(read_bytes(found.piece, piece));
    uint32_t inode = node.number();
    memcpy(piece + found.at, &inode, sizeof inode);
    unsigned type = node.type_number(TRY(volume_.mode_of(inode)));
    piece[found.at + 6] = static_cast<std::byte>(type);
    uint64_t place = TRY(place_of_piece(found.piece));
    TRY(order_before_name(node, place));
    TRY(volume_.cache.write(place, piece));
    modified_s = fs::now_s();
    TRY(store());
    return place;
}

Result<void> WritableInode::erase_name(const Place& found, std::string_view name)
{
    std::byte piece[directory_piece];
    volume_.listed = {};
    TRY(read_bytes(found.piece, piece));
    size_t previous = 0;
    for (size_t at = 0; at < found.at; at += le16(piece + at + 4)) previous = at;
    if (found.at == 0) {
        memset(piece, 0, 4);
    } else {
        uint16_t bytes =
            static_cast<uint16_t>(le16(piece + previous + 4) + le16(piece + found.at + 4));
        memcpy(piece + previous + 4, &bytes, sizeof bytes);
    }
    uint64_t place = TRY(place_of_piece(found.piece));
    TRY(volume_.cache.write(place, piece));
    TRY(volume().removed.add(fs::RemovedNames::key_of(id, name), place));
    if (index_) {
        index_->remove(name, static_cast<uint32_t>(found.piece / directory_piece));
        count_room(found.piece, piece);
    }
    modified_s = fs::now_s();
    return store();
}

Result<void> WritableInode::more_links()
{
    if (stored_links_ >= most_links) return Error::too_large;
    ++stored_links_;
    ++links;
    return store();
}

// The inode says so when the name that is gone is gone on the medium.
void WritableInode::fewer_links()
{
    if (links) --links;
    volume().settle_later(*this);
}

// A directory that goes from its new place must not be found in the old one again, where ".." would
// be another.
Result<void> WritableInode::finish_move()
{
    return std::exchange(moved_, false) ? volume_.cache.sync() : Result<void>();
}

// ---- operations

Result<void> WritableInode::make_dots(const WritableInode& parent)
{
    std::byte piece[directory_piece] = {};
    put_record(piece, number(), bytes_for(1), 4, ".");
    put_record(piece + bytes_for(1), parent.number(), directory_piece - bytes_for(1), 4, "..");
    after_ = TRY(parent.place());
    auto written = write_new(0, piece, directory_piece, 1);
    after_ = 0;
    return written ? Result<void>() : written.error();
}

Result<fs::Node*> WritableInode::create(std::string_view name, fs::NodeType kind,
                                        uint16_t permissions)
{
    TRY(volume().begin());
    TRY(check_new(name));
    bool makes_directory = kind == fs::NodeType::directory;
    if (!makes_directory && kind != fs::NodeType::file) return Error::unsupported;
    TRY(check_end());
    if (makes_directory && stored_links_ >= most_links) return Error::too_large;
    BlockCache::Operation operation(volume_.cache);
    TRY(operation.begin());
    WritableInode* node = TRY(volume().make_new(kind, permissions, *this));
    auto result = makes_directory ? more_links() : node->store();
    bool has_more = result && makes_directory;
    if (has_more) result = node->make_dots(*this);
    if (result) {
        auto entered = enter(name, *node);
        if (!entered) result = entered.error();
    }
    if (has_more && !result) fewer_links();
    if (result) return node;
    node->links = 0;
    node->release();
    return result.error();
}

Result<void> WritableInode::make_link(std::string_view name, std::string_view target)
{
    TRY(volume().begin());
    TRY(check_new(name));
    TRY(check_end());
    if (target.size() >= fs::max_path) return Error::too_large;
    BlockCache::Operation operation(volume_.cache);
    TRY(operation.begin());
    WritableInode* link = TRY(volume().make_new(fs::NodeType::symlink, 0777, *this));
    Result<void> result;
    if (target.size() < volume_.short_link_limit) {
        memcpy(link->pointers_, target.data(), target.size());
        link->size = target.size();
        result = link->store();
    } else {
        auto written = link->write_bytes(0, std::as_bytes(std::span(target)));
        if (!written) result = written.error();
        if (written && written.value() < target.size()) result = Error::no_space;
    }
    if (result) {
        auto entered = enter(name, *link);
        if (entered) return {};
        result = entered.error();
    }
    link->links = 0;
    link->release();
    return result;
}

Result<void> WritableInode::add_name(std::string_view name, fs::Node& file)
{
    TRY(volume().begin());
    TRY(check_new(name));
    TRY(check_end());
    BlockCache::Operation operation(volume_.cache);
    TRY(operation.begin());
    auto& node = static_cast<WritableInode&>(file);
    TRY(node.more_links());
    auto entered = enter(name, node);
    if (entered) return {};
    node.fewer_links();
    return entered.error();
}

Result<void> WritableInode::remove(std::string_view name)
{
    TRY(volume().begin());
    Place found;
    if (!TRY(find_place(name, found))) return Error::not_found;
    auto& node = static_cast<WritableInode&>(*TRY(volume_.inode(found.record.inode)));
    if (&node == this) return Error::corrupt;
    TRY(node.finish_move());
    BlockCache::Operation operation(volume_.cache);
    TRY(operation.begin());
    TRY(erase_name(found, name));
    if (node.is_directory()) {
        node.links = 0;
        fewer_links();
        volume().settle_later(node);
    } else {
        node.fewer_links();
    }
    return {};
}

// The ".." of a directory, which has a name at `named_at` now. Gives where that is.
Result<void> WritableInode::set_parent(const WritableInode& parent, uint64_t named_at,
                                       uint64_t& dots_at)
{
    Place dots;
    if (!TRY(find_place("..", dots))) {
        return hal::fail(Error::corrupt, "{}: ffs: directory {} has no \"..\"", device(), id);
    }
    std::byte piece[directory_piece];
    TRY(read_bytes(dots.piece, piece));
    uint32_t inode = parent.number();
    memcpy(piece + dots.at, &inode, sizeof inode);
    dots_at = TRY(place_of_piece(dots.piece));
    TRY(volume_.cache.order(named_at, dots_at));
    return volume_.cache.write(dots_at, piece);
}

Result<void> WritableInode::rename(std::string_view name, fs::Node& to, std::string_view new_name)
{
    TRY(volume().begin());
    auto& target = static_cast<WritableInode&>(to);
    TRY(target.check_new(new_name));
    TRY(target.check_end());
    Place from, there;
    if (!TRY(find_place(name, from))) return Error::not_found;
    auto& node = static_cast<WritableInode&>(*TRY(volume_.inode(from.record.inode)));
    bool replaces = TRY(target.find_place(new_name, there));
    auto old =
        replaces ? static_cast<WritableInode*>(TRY(volume_.inode(there.record.inode))) : nullptr;
    if (old == &node) return {};
    bool moves = node.is_directory() && &target != this;
    // A name that was to come, and the new one, would be in any order: and "..", which is one.
    if (moves) TRY(volume_.cache.sync());
    if (old) TRY(old->finish_move());
    BlockCache::Operation operation(volume_.cache);
    TRY(operation.begin());
    if (moves) TRY(target.more_links());
    auto more = node.more_links();  // for a moment it has two names
    auto entered = !more      ? Result<uint64_t>(more.error())
                   : replaces ? target.point_name(there, node)
                              : target.enter(new_name, node);
    if (more && !entered) node.fewer_links();
    if (moves && !entered) target.fewer_links();
    uint64_t before = TRY(std::move(entered));
    if (moves) TRY(node.set_parent(target, before, before));
    node.moved_ |= moves;
    uint64_t old_place = TRY(place_of_piece(from.piece));
    TRY(volume_.cache.order(before, old_place));
    TRY(volume_.cache.order(TRY(target.place()), old_place));  // which may be longer now
    TRY(erase_name(from, name));
    node.fewer_links();
    if (moves) fewer_links();
    if (!old) return {};
    if (old->is_directory()) {
        old->links = 0;
        target.fewer_links();
        volume().settle_later(*old);
    } else {
        old->fewer_links();
    }
    return {};
}

}  // namespace ufs
