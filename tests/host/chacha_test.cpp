// SPDX-License-Identifier: BSD-2-Clause
// The generator of random bytes, on the test vector of RFC 8439, 2.3.2.
#include "lib/chacha.h"
#include <gmock/gmock.h>
#include <map>
#include <vector>

TEST(ChaCha, makes_the_block_of_the_specification)
{
    const uint32_t state[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574,
                                0x03020100, 0x07060504, 0x0b0a0908, 0x0f0e0d0c,
                                0x13121110, 0x17161514, 0x1b1a1918, 0x1f1e1d1c,
                                0x00000001, 0x09000000, 0x4a000000, 0x00000000};
    uint32_t out[16];
    ChaCha::block(state, out);
    EXPECT_THAT(out, testing::ElementsAre(0xe4e7f110, 0x15593bd1, 0x1fdd0f50, 0xc47120a3,
                                          0xc7f4d1c7, 0x0368c033, 0x9aaa2204, 0x4e6cd4c3,
                                          0x466482d2, 0x09aa9f07, 0x05d7c214, 0xa2028bd9,
                                          0xd19c12b5, 0xb94e16de, 0xe883d0cb, 0x4e3c50a2));
}

TEST(ChaCha, two_fills_are_never_the_same_and_other_seeds_give_others)
{
    RandomGenerator one, other;
    other.mix(1);
    std::vector<std::byte> a(100), b(100), c(100);
    one.fill(a);
    one.fill(b);
    other.fill(c);
    EXPECT_NE(a, b);
    EXPECT_NE(a, c);
}

TEST(ChaCha, every_byte_comes_about_equally_often)
{
    RandomGenerator generator;
    std::vector<std::byte> bytes(256 * 1000);
    generator.fill(bytes);
    std::map<std::byte, int> count;
    for (std::byte b : bytes) ++count[b];
    EXPECT_EQ(count.size(), 256u);
    for (auto [byte, n] : count) {
        EXPECT_GT(n, 850);  // 1000, with a standard deviation of 32
        EXPECT_LT(n, 1150);
    }
}
