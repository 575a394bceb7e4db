// SPDX-License-Identifier: BSD-2-Clause
#include "block/ata_modes.h"
#include <algorithm>
#include <bit>

namespace {
constexpr unsigned first_ultra = 3;  // among the bits of `dma`

uint8_t highest(unsigned bits) { return static_cast<uint8_t>(std::bit_width(bits) - 1); }
bool has_dma(AtaModes::Words words) { return words[49] >> 8 & 1; }
bool has_ultra(AtaModes::Words words) { return words[53] & 4; }
}  // namespace

AtaModes AtaModes::of(Words words)
{
    AtaModes modes;
    const bool has_cycles = words[53] & 2;  // words 64...70 are valid
    modes.is_disk = !(words[0] & 0x8000);
    modes.has_iordy = words[49] >> 11 & 1;
    modes.pio = static_cast<uint8_t>(std::min(words[51] >> 8, 2));
    if (has_cycles) {
        // The faster ones are for those that can make the host wait.
        if (modes.has_iordy && words[64] & 3) modes.pio = words[64] & 2 ? 4 : 3;
        modes.pio_ns = words[modes.has_iordy ? 68 : 67];
        modes.multiword_ns = words[65];
    }
    if (!has_dma(words)) return modes;
    modes.dma = words[63] & multiword_modes;
    if (has_ultra(words)) modes.dma |= (words[88] & 0x7f) << first_ultra;
    return modes;
}

uint8_t AtaModes::best_dma() const
{
    if (dma == 0) return 0;
    unsigned best = highest(dma);
    return static_cast<uint8_t>(best < first_ultra ? multiword | best
                                                   : ultra | (best - first_ultra));
}

void AtaModes::select_in(std::span<uint16_t, 256> words) const
{
    words[63] &= 0xff;
    words[88] &= 0xff;
    uint8_t best = best_dma();
    if (best) words[best & ultra ? 88 : 63] |= 0x100 << (best & 7);
}

uint8_t AtaModes::selected_dma(Words words)
{
    if (!has_dma(words)) return 0;
    unsigned of_ultra = has_ultra(words) ? words[88] >> 8 & 0x7f : 0,
             of_multiword = words[63] >> 8 & multiword_modes;
    if (of_ultra) return ultra | highest(of_ultra);
    return of_multiword ? multiword | highest(of_multiword) : uint8_t{0};
}

Text<8> AtaModes::name(uint8_t mode)
{
    Text<8> text;
    const char* kind = mode & ultra ? "UDMA" : mode & multiword ? "MWDMA" : "PIO";
    text.append(kind);
    if (mode) text.print("{}", mode & 7u);
    return text;
}
