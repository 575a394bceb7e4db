// SPDX-License-Identifier: BSD-2-Clause
#include "fs/ffs_write/index.h"
#include <algorithm>
#include <new>

namespace ufs {

uint32_t Index::hash_of(std::string_view name)  // FNV-1a, with its bits mixed for both uses
{
    uint32_t hash = 0x811c9dc5;
    for (char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 0x01000193;
    return (hash ^ hash >> 15) * 0x2c1b3c6d;
}

Index* Index::make(size_t names, uint32_t pieces)
{
    auto index = new (std::nothrow) Index;
    if (!index) return nullptr;
    index->most_ = pieces + pieces / 2 + 64;
    index->room_ = new (std::nothrow) uint8_t[index->most_];
    if (index->room_ && index->names_.make(names)) return index;
    delete index;
    return nullptr;
}

Index::~Index() { delete[] room_; }

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
