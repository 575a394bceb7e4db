// SPDX-License-Identifier: BSD-2-Clause
// The CRC-32 of Ethernet, zip and GPT: polynomial 0x04c11db7, lowest bit first, inverted.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

// Of the bytes; or of what `before` is the CRC-32 of, and the bytes after that.
uint32_t crc32(std::span<const std::byte> bytes, uint32_t before = 0);
