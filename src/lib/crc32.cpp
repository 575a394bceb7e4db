// SPDX-License-Identifier: BSD-2-Clause
#include "lib/crc32.h"
#include <array>

// What four bits do to the remainder.
static constexpr auto table = [] {
    std::array<uint32_t, 16> made{};
    for (uint32_t i = 0; i < made.size(); ++i) {
        uint32_t value = i;
        for (int bit = 0; bit < 4; ++bit) value = value >> 1 ^ (value & 1 ? 0xedb88320 : 0);
        made[i] = value;
    }
    return made;
}();

uint32_t crc32(std::span<const std::byte> bytes, uint32_t before)
{
    uint32_t crc = ~before;
    for (std::byte byte : bytes) {
        crc ^= static_cast<uint32_t>(byte);
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}
