// SPDX-License-Identifier: BSD-2-Clause
// Where the names of a large directory are, so that it need not be read through: 4 bytes for each
// name. It forgets nothing, but says "perhaps": who asks looks at the place.
#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>

namespace fs {

class NameIndex {
public:
    static constexpr uint32_t none = (1u << 23) - 1;  // places are less

    NameIndex() = default;
    ~NameIndex() { delete[] slots_; }
    NameIndex(const NameIndex&) = delete;

    // For so many names, and some more. False: there is no memory, or too little for that.
    bool make(size_t names);
    // The next place that may have the name; none: there are no more. `cursor` is 0 at first.
    uint32_t find(uint32_t hash, uint32_t& cursor) const;
    // False: it is full, and has to be made anew.
    bool add(uint32_t hash, uint32_t place);
    void remove(uint32_t hash, uint32_t place);

private:
    static uint32_t slot_for(uint32_t hash, uint32_t place) { return (hash & ~none) | place; }

    static constexpr uint32_t empty = none, removed = (1u << 23) | none;
    uint32_t* slots_ = nullptr;  // 9 bits of the hash, 23 of the place: open addressing
    uint32_t count_ = 0, used_ = 0;
};

}  // namespace fs
