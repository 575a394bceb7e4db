// SPDX-License-Identifier: BSD-2-Clause
// Numbers in bytes from outside, at any alignment. The caller has checked that the bytes are there.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

template <class T> [[gnu::always_inline]] inline T load_le(const void* from)
{
    static_assert(std::endian::native == std::endian::little);
    T value;
    __builtin_memcpy(&value, from, sizeof value);  // which is no call, as memcpy() would be
    return value;
}
inline uint16_t le16(const void* from) { return load_le<uint16_t>(from); }
inline uint32_t le32(const void* from) { return load_le<uint32_t>(from); }
inline uint64_t le64(const void* from) { return load_le<uint64_t>(from); }

inline uint16_t be16(const void* from) { return __builtin_bswap16(le16(from)); }
inline uint32_t be32(const void* from) { return __builtin_bswap32(le32(from)); }
inline uint64_t be64(const void* from) { return __builtin_bswap64(le64(from)); }

// The same, the other way round.
inline void store_le16(void* to, uint16_t value) { memcpy(to, &value, sizeof value); }
inline void store_le32(void* to, uint32_t value) { memcpy(to, &value, sizeof value); }
inline void store_be32(void* to, uint32_t value) { store_le32(to, __builtin_bswap32(value)); }
