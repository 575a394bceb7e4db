// SPDX-License-Identifier: BSD-2-Clause
// The ChaCha20 block function (RFC 8439, 2.3), and a generator of random bytes made of it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

struct ChaCha {
    static constexpr size_t words = 16;
    // state: 4 constants, 8 words of key, a counter, 3 words of nonce.
    static void block(const uint32_t (&state)[words], uint32_t (&out)[words]);
};

// Nothing can be told of earlier bytes from the state: each use replaces the key by the first bytes
// that it made.
class RandomGenerator {
public:
    void mix(uint32_t word);  // adds what somebody else cannot know to the key
    void fill(std::span<std::byte> into);

private:
    uint32_t key_[8] = {};
    uint32_t next_word_ = 0;
};
