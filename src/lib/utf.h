// SPDX-License-Identifier: BSD-2-Clause
// Unicode: UTF-16 in either byte order, as disks have names, and UTF-8, as everything here does.
#pragma once
#include <span>
#include "lib/bytes.h"
#include "lib/format.h"

constexpr uint32_t replacement_character = 0xfffd;

// Nothing of it where it does not fit.
template <size_t N> void append_utf8(Text<N>& text, uint32_t c)
{
    size_t bytes = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    if (text.size() + bytes > text.capacity()) return;
    if (bytes == 1) {
        text.append(static_cast<char>(c));
        return;
    }
    text.append(static_cast<char>(0xf00 >> bytes | c >> (6 * (bytes - 1))));
    for (size_t i = bytes - 1; i-- > 0;)
        text.append(static_cast<char>(0x80 | (c >> (6 * i) & 0x3f)));
}

// The first character of UTF-16, which is taken off; half a pair is a replacement character. There
// are at least two bytes; a single one at the end of all is nobody's.
inline uint32_t take_utf16(std::span<const std::byte>& units, bool big_endian)
{
    auto take = [&] {
        uint16_t unit = big_endian ? be16(units.data()) : le16(units.data());
        units = units.subspan(2);
        return unit;
    };
    uint32_t first = take();
    if (first < 0xd800 || first >= 0xe000) return first;
    if (first >= 0xdc00 || units.size() < 2) return replacement_character;
    uint32_t second = big_endian ? be16(units.data()) : le16(units.data());
    if (second < 0xdc00 || second >= 0xe000) return replacement_character;
    take();
    return 0x10000 + ((first & 0x3ff) << 10) + (second & 0x3ff);
}
