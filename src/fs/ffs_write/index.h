// SPDX-License-Identifier: BSD-2-Clause
// Where the names of a large directory are, in which of its pieces, and where there is room.
#pragma once
#include <cstdint>
#include <string_view>
#include "fs/ffs/format.h"
#include "fs/name_index.h"

namespace ufs {

class Index {
public:
    // For so many names, in so many pieces. Null if there is no memory.
    static Index* make(size_t names, uint32_t pieces);
    ~Index();
    Index(const Index&) = delete;

    // As NameIndex has them; the place is a piece.
    uint32_t find(std::string_view name, uint32_t& cursor) const
    {
        return names_.find(hash_of(name), cursor);
    }
    // False: it is full, and has to be made anew.
    bool add(std::string_view name, uint32_t piece) { return names_.add(hash_of(name), piece); }
    void remove(std::string_view name, uint32_t piece) { names_.remove(hash_of(name), piece); }
    // The longest record for which there is room in a piece.
    bool set_room(uint32_t piece, size_t bytes);
    uint32_t piece_with_room(size_t bytes);

    static constexpr uint32_t none = fs::NameIndex::none;

private:
    Index() = default;
    static uint32_t hash_of(std::string_view name);

    static constexpr size_t unit = 8;  // of room
    fs::NameIndex names_;
    uint8_t* room_ = nullptr;  // of each piece, in units
    uint32_t pieces_ = 0, most_ = 0;
    // For each size: no piece before this one has so much.
    uint32_t hints_[directory_piece / unit + 1] = {};
};

}  // namespace ufs
