// SPDX-License-Identifier: BSD-2-Clause
// What an ATA disk says about itself, whatever it is connected by.
// Spec: ATA/ATAPI-7 (T13/1532D) volume 1, IDENTIFY DEVICE; numbers are those of its words.
#pragma once
#include <cstdint>
#include <span>
#include "hal/result.h"
#include "lib/format.h"

struct AtaIdentity {
    using Words = std::span<const uint16_t, 256>;

    Text<48> model;
    uint64_t blocks = 0;
    uint32_t block_bytes = 512;
    bool lba = false, lba48 = false;
    uint8_t heads = 0, sectors_per_track = 0;  // valid if not lba
    uint8_t largest_multiple = 0;              // sectors a block of READ MULTIPLE, 0 if it has none
    bool dma_selected = false;                 // the firmware has set up a DMA mode
    bool flush_cache = false, flush_cache_ext = false;

    // Errors, logged with `owner`: corrupt (an impossible size), unsupported (so are its sectors).
    static Result<AtaIdentity> from(Words words, std::string_view owner);
    static Text<48> model_in(Words words);  // also of IDENTIFY PACKET DEVICE
};
