// SPDX-License-Identifier: BSD-2-Clause
// Our own font, 8 x 16: ASCII, and code page 437's lines, shades and blocks (B0h ... DFh).
#pragma once
#include <array>
#include <cstdint>

using Glyph = std::array<uint8_t, 16>;  // rows from above; bit 7 is the leftmost pixel

// A box for what the font has not, as for 7Fh; nothing for 00h and FFh.
const Glyph& font8x16(char c);
