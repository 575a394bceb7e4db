// SPDX-License-Identifier: BSD-2-Clause
// ext2: the CRC-32C of Castagnoli, lowest bit first, without inversions.
//
// It is linear: what changes in a block changes its checksum by the checksum of the change alone,
// moved past what is behind that. So a block need not be gone through for a few bytes of it.
#include "fs/ext2/ext2.h"

namespace ext {

static constexpr uint32_t polynomial = 0x82f63b78;
static constexpr size_t stride = 64;  // bytes

// Too large to be carried in the kernel's image.
static constinit struct {
    uint32_t bytes[4][256];  // what a byte does to the remainder, with so many behind it
    uint32_t strides[65];    // x to the power of the bits of so many strides
} tables = {};

// The product of two polynomials; the highest bit is the power 0.
static uint32_t multiply(uint32_t a, uint32_t b)
{
    uint32_t product = 0;
    for (; a; a <<= 1) {
        product ^= b & -(a >> 31);
        b = b >> 1 ^ (polynomial & -(b & 1));
    }
    return product;
}

static void make_tables()
{
    for (uint32_t i = 0; i < 256; ++i) {
        uint32_t value = i;
        for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ (value & 1 ? polynomial : 0);
        tables.bytes[0][i] = value;
    }
    for (unsigned n = 1; n < 4; ++n) {
        for (uint32_t i = 0; i < 256; ++i) {
            uint32_t value = tables.bytes[n - 1][i];
            tables.bytes[n][i] = value >> 8 ^ tables.bytes[0][value & 255];
        }
    }
    uint32_t power = 1u << 30;  // x, squared until it is that of a stride
    for (size_t bits = 1; bits < stride * 8; bits *= 2) power = multiply(power, power);
    tables.strides[0] = 1u << 31;
    for (size_t n = 1; n < std::size(tables.strides); ++n)
        tables.strides[n] = multiply(tables.strides[n - 1], power);
}

uint32_t crc32c(uint32_t seed, Content bytes)
{
    if (!tables.strides[0]) make_tables();
    const std::byte *at = bytes.data(), *end = at + bytes.size();
    for (; end - at >= 4; at += 4) {
        seed ^= le32(at);
        seed = tables.bytes[3][seed & 255] ^ tables.bytes[2][seed >> 8 & 255] ^
               tables.bytes[1][seed >> 16 & 255] ^ tables.bytes[0][seed >> 24];
    }
    for (; at < end; ++at)
        seed = seed >> 8 ^ tables.bytes[0][(seed ^ static_cast<uint32_t>(*at)) & 255];
    return seed;
}

// What a checksum changes by, if `sum` is that of the change (the old bytes and the new ones,
// xor'ed, from 0 on), and there are so many bytes behind it.
uint32_t crc32c_move(uint32_t sum, size_t behind)
{
    static constexpr std::byte zeros[stride] = {};
    sum = crc32c(sum, std::span(zeros).first(behind % stride));
    constexpr size_t most = std::size(tables.strides) - 1;
    for (size_t strides = behind / stride, some; strides; strides -= some) {
        some = std::min(strides, most);
        sum = multiply(tables.strides[some], sum);
    }
    return sum;
}

// What four bytes have to be for the remainder to become `after` behind them and `behind`.
uint32_t crc32c_patch(uint32_t before, Content behind, uint32_t after)
{
    auto step_back = [&](std::byte byte) {
        for (int bit = 0; bit < 8; ++bit)
            after = after >> 31 ? (after ^ polynomial) << 1 | 1 : after << 1;
        after ^= static_cast<uint32_t>(byte);
    };
    for (size_t i = behind.size(); i-- > 0;) step_back(behind[i]);
    for (int i = 0; i < 4; ++i) step_back({});
    return before ^ after;
}

}  // namespace ext
