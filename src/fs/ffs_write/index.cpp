// SPDX-License-Identifier: BSD-2-Clause
#include "fs/ffs_write/index.h"
#include <algorithm>
#include <bit>

namespace ufs {

uint32_t Index::hash_of(std::string_view name)  // FNV-1a, with its bits mixed for both uses
{
    uint32_t hash = 0x811c9dc5;
    for (char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 0x01000193;
    return (hash ^ hash >> 15) * 0x2c1b3c6d;
}

size_t Index::slots_for(size_t names) { return std::bit_ceil(names + names / 2 + 64); }

size_t Index::bytes_for(size_t names, uint32_t pieces)
{
    return sizeof(Index) + slots_for(names) * sizeof(uint32_t) + pieces_for(pieces);
}

Index* Index::make(size_t names, uint32_t pieces)
{
    auto index = new (std::nothrow) Index;
    if (!index) return nullptr;
    index->slot_count_ = slots_for(names);
    index->most_ = pieces_for(pieces);
    index->slots_ = new (std::nothrow) uint32_t[index->slot_count_];
    index->room_ = new (std::nothrow) uint8_t[index->most_];
    if (index->slots_ && index->room_) {
        std::fill_n(index->slots_, index->slot_count_, empty);
        return index;
    }
    delete index;
    return nullptr;
}

Index::~Index()
{
    delete[] slots_;
    delete[] room_;
}

uint32_t Index::find(std::string_view name, uint32_t& cursor) const
{
    uint32_t hash = hash_of(name);
    while (cursor < slot_count_) {
        uint32_t slot = slots_[(hash + cursor++) & (slot_count_ - 1)];
        if (slot == empty) break;
        if (slot != removed && ((slot ^ hash) & ~most_pieces) == 0) return slot & most_pieces;
    }
    return none;
}

bool Index::add(std::string_view name, uint32_t piece)
{
    if (used_ >= slot_count_ / 8 * 7 || piece >= most_pieces) return false;
    uint32_t hash = hash_of(name), at = hash;
    while (slots_[at & (slot_count_ - 1)] != empty) ++at;
    slots_[at & (slot_count_ - 1)] = slot_for(hash, piece);
    ++used_;
    return true;
}

void Index::remove(std::string_view name, uint32_t piece)
{
    uint32_t hash = hash_of(name);
    for (size_t n = 0; n < slot_count_; ++n) {
        uint32_t& slot = slots_[(hash + n) & (slot_count_ - 1)];
        if (slot == empty) return;
        if (slot != slot_for(hash, piece)) continue;
        slot = removed;
        return;
    }
}

bool Index::set_room(uint32_t piece, size_t bytes)
{
    if (piece >= most_) return false;
    if (piece >= pieces_) std::fill(room_ + pieces_, room_ + piece + 1, uint8_t{0});
    pieces_ = std::max(pieces_, piece + 1);
    room_[piece] = static_cast<uint8_t>(bytes / unit);
    for (size_t size = 0; size <= bytes / unit; ++size)
        hints_[size] = std::min(hints_[size], piece);
    return true;
}

uint32_t Index::piece_with_room(size_t bytes)
{
    size_t size = (bytes + unit - 1) / unit;
    uint32_t& hint = hints_[size];
    while (hint < pieces_ && room_[hint] < size) ++hint;
    return hint < pieces_ ? hint : none;
}

}  // namespace ufs
