// SPDX-License-Identifier: BSD-2-Clause
// Where the names of a large directory are, and where there is room in it: so that it need not be
// read through. It forgets nothing, but says "perhaps": who asks looks into the piece.
#pragma once
#include <cstdint>
#include <new>
#include <span>
#include <string_view>
#include "fs/ffs/format.h"

namespace ufs {

class Index {
public:
    // Room for so many names, in so many pieces. Null if there is no memory.
    static Index* make(size_t names, uint32_t pieces);
    static size_t bytes_for(size_t names, uint32_t pieces);
    ~Index();
    Index(const Index&) = delete;

    // The next piece that may have the name; none: ~0. `cursor` is 0 at first.
    uint32_t find(std::string_view name, uint32_t& cursor) const;
    // False: it is full, and has to be made anew.
    bool add(std::string_view name, uint32_t piece);
    void remove(std::string_view name, uint32_t piece);
    // The longest record for which there is room in a piece.
    bool set_room(uint32_t piece, size_t bytes);
    uint32_t piece_with_room(size_t bytes);  // none: ~0

    static constexpr uint32_t none = ~0u;
    static constexpr uint32_t most_pieces = (1u << 20) - 1;

private:
    Index() = default;
    static uint32_t hash_of(std::string_view name);
    static uint32_t slot_for(uint32_t hash, uint32_t piece)
    {
        return (hash & ~most_pieces) | piece;
    }
    static size_t slots_for(size_t names);
    static uint32_t pieces_for(uint32_t pieces) { return pieces + pieces / 2 + 64; }

    static constexpr uint32_t empty = most_pieces, removed = (1u << 20) | most_pieces;
    static constexpr size_t unit = 8;  // of room
    uint32_t* slots_ = nullptr;        // 12 bits of the hash, 20 of the piece's number
    uint8_t* room_ = nullptr;          // of each piece, in units
    size_t slot_count_ = 0, used_ = 0;
    uint32_t pieces_ = 0, most_ = 0;
    // For each size: no piece before this one has so much.
    uint32_t hints_[directory_piece / unit + 1] = {};
};

}  // namespace ufs
