// SPDX-License-Identifier: BSD-2-Clause
#include "lib/chacha.h"
#include <algorithm>
#include <bit>
#include <cstring>

namespace {

constexpr uint32_t constants[4] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};

void quarter_round(uint32_t& a, uint32_t& b, uint32_t& c, uint32_t& d)  // 2.1
{
    a += b, d = std::rotl(d ^ a, 16);
    c += d, b = std::rotl(b ^ c, 12);
    a += b, d = std::rotl(d ^ a, 8);
    c += d, b = std::rotl(b ^ c, 7);
}

}  // namespace

void ChaCha::block(const uint32_t (&state)[words], uint32_t (&out)[words])
{
    std::copy(std::begin(state), std::end(state), out);
    for (int round = 0; round < 10; ++round) {
        for (int i = 0; i < 4; ++i) quarter_round(out[i], out[4 + i], out[8 + i], out[12 + i]);
        for (int i = 0; i < 4; ++i)
            quarter_round(out[i], out[4 + (i + 1) % 4], out[8 + (i + 2) % 4],
                          out[12 + (i + 3) % 4]);
    }
    for (size_t i = 0; i < words; ++i) out[i] += state[i];
}

void RandomGenerator::mix(uint32_t word)
{
    key_[next_word_] ^= word;
    next_word_ = (next_word_ + 1) % 8;
}

void RandomGenerator::fill(std::span<std::byte> into)
{
    uint32_t state[ChaCha::words] = {}, out[ChaCha::words];
    std::copy(std::begin(constants), std::end(constants), state);
    std::copy(std::begin(key_), std::end(key_), state + 4);
    ChaCha::block(state, out);
    std::copy(out, out + 8, key_);
    while (!into.empty()) {
        ++state[12];
        ChaCha::block(state, out);
        size_t part = std::min(into.size(), sizeof out);
        memcpy(into.data(), out, part);
        into = into.subspan(part);
    }
}
