// SPDX-License-Identifier: BSD-2-Clause
// The transfer modes of an ATA drive on a parallel bus: which it has, and which one is selected.
// Spec: ATA/ATAPI-7 (T13/1532D) volume 1; numbers are those of the words of IDENTIFY DEVICE and
// IDENTIFY PACKET DEVICE.
#pragma once
#include "block/ata.h"

struct AtaModes {
    using Words = AtaIdentity::Words;

    // As SET FEATURES numbers them: a kind, and the mode's number in the lowest bits. 0: none.
    static constexpr uint8_t pio_with_iordy = 0x08, multiword = 0x20, ultra = 0x40;

    uint8_t pio = 0;   // the best
    uint16_t dma = 0;  // a bit for each, from the slowest on: multiword 0...2, Ultra 0...6
    static constexpr uint16_t multiword_modes = 7;
    uint16_t pio_ns = 0, multiword_ns = 0;  // what a cycle takes at least; 0: as the mode has it
    bool has_iordy = false, is_disk = false;

    static AtaModes of(Words words);
    uint8_t best_dma() const;
    void select_in(std::span<uint16_t, 256> words) const;  // as if the drive said it

    static constexpr uint16_t dma_up_to_ultra(unsigned mode)
    {
        return static_cast<uint16_t>((1u << (mode + 4)) - 1);
    }
    static uint8_t selected_dma(Words words);
    static Text<8> name(uint8_t mode);  // "UDMA5"
};
