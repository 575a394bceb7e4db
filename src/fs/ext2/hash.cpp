// SPDX-License-Identifier: BSD-2-Clause
// ext2: the hashes of names in indexes: "Hash Tree Directories".
#include "fs/ext2/ext2.h"

namespace ext {

static uint32_t rotate(uint32_t value, int by) { return std::rotl(value, by); }

// Half of MD4: three rounds of eight steps, on eight words.
static void half_md4(uint32_t (&state)[4], const uint32_t (&in)[8])
{
    static constexpr uint8_t order[3][8] = {
        {0, 1, 2, 3, 4, 5, 6, 7}, {1, 3, 5, 7, 0, 2, 4, 6}, {3, 7, 2, 6, 1, 5, 0, 4}};
    static constexpr uint8_t shifts[3][4] = {{3, 7, 11, 19}, {3, 5, 9, 13}, {3, 9, 11, 15}};
    static constexpr uint32_t constants[3] = {0, 0x5a827999, 0x6ed9eba1};
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    for (unsigned round = 0; round < 3; ++round) {
        for (unsigned step = 0; step < 8; ++step) {
            uint32_t mixed = round == 0   ? d ^ (b & (c ^ d))
                             : round == 1 ? (b & c) + ((b ^ c) & d)
                                          : b ^ c ^ d;
            mixed = rotate(a + mixed + in[order[round][step]] + constants[round],
                           shifts[round][step & 3]);
            a = d, d = c, c = b, b = mixed;  // the next one that changes is the first
        }
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
}

// The Tiny Encryption Algorithm, sixteen rounds.
static void tea(uint32_t (&state)[4], const uint32_t (&in)[8])
{
    uint32_t a = state[0], b = state[1], sum = 0;
    for (int round = 0; round < 16; ++round) {
        sum += 0x9e3779b9;
        a += ((b << 4) + in[0]) ^ (b + sum) ^ ((b >> 5) + in[1]);
        b += ((a << 4) + in[2]) ^ (a + sum) ^ ((a >> 5) + in[3]);
    }
    state[0] += a;
    state[1] += b;
}

// Characters are signed where the machine that made the volume had them so.
static uint32_t character(char c, bool is_signed)
{
    return is_signed ? static_cast<uint32_t>(static_cast<signed char>(c))
                     : static_cast<uint32_t>(static_cast<unsigned char>(c));
}

static uint32_t legacy_hash(std::string_view name, bool is_signed)
{
    uint32_t hash = 0x12a3fe2d, before = 0x37abe8f9;
    for (char c : name) {
        uint32_t next = before + (hash ^ (character(c, is_signed) * 7152373));
        if (next & 0x80000000) next -= 0x7fffffff;
        before = hash;
        hash = next;
    }
    return hash << 1;
}

// Some of a name as words, filled up with its length.
static void words_of(std::string_view name, uint32_t* words, unsigned count, bool is_signed)
{
    auto length = static_cast<uint32_t>(name.size());
    uint32_t pad = length | length << 8;
    pad |= pad << 16;
    name = name.substr(0, count * 4);
    for (unsigned i = 0; i < count; ++i) {
        uint32_t word = pad;
        for (size_t n = i * 4; n < name.size() && n < i * 4 + 4; ++n)
            word = character(name[n], is_signed) + (word << 8);
        words[i] = word;
    }
}

uint32_t Ext2Node::hash_of(std::string_view name, uint8_t version) const
{
    if (version <= 2 && fs_.super.flags & Superblock::unsigned_hash) version += 3;
    bool is_signed = version < 3;
    version %= 3;
    uint32_t hash;
    if (version == 0) {
        hash = legacy_hash(name, is_signed);
    } else {
        uint32_t state[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
        const uint32_t* seeds = fs_.super.hash_seed;
        if (seeds[0] | seeds[1] | seeds[2] | seeds[3]) memcpy(state, seeds, sizeof state);
        size_t step = version == 1 ? 32 : 16;
        for (size_t at = 0; at < name.size(); at += step) {
            uint32_t in[8];
            words_of(name.substr(at), in, static_cast<unsigned>(step / 4), is_signed);
            version == 1 ? half_md4(state, in) : tea(state, in);
        }
        hash = version == 1 ? state[1] : state[0];
    }
    hash &= ~1u;
    return hash == 0xfffffffe ? 0xfffffffc : hash;  // that is the end
}

}  // namespace ext
