// SPDX-License-Identifier: BSD-2-Clause
#include "block/ata.h"
#include <algorithm>
#include "hal/log.h"
#include "lib/bytes.h"

// Words 27...46: two characters a word, the first one in the upper half, padded with spaces.
Text<48> AtaIdentity::model_in(Words words)
{
    Text<48> text;
    size_t end = 0;
    for (unsigned i = 0; i < 40; ++i) {
        auto c = static_cast<char>(words[27 + i / 2] >> (i % 2 ? 0 : 8));
        if (c == 0) c = ' ';
        if (c == ' ' && text.empty()) continue;
        text.append(c >= ' ' && c <= '~' ? c : '?');
        if (c != ' ') end = text.size();
    }
    text.shorten(end);
    return text;
}

Result<AtaIdentity> AtaIdentity::from(Words words, std::string_view owner)
{
    auto has = [&](unsigned word, unsigned bit) {  // of words that say whether they are valid
        return (words[word] & 0xc000) == 0x4000 && words[word] >> bit & 1;
    };
    AtaIdentity disk;
    disk.model = model_in(words);
    uint64_t lba48_blocks = le64(&words[100]);
    uint32_t lba28_blocks = std::min(le32(&words[60]), 1u << 28);
    bool lba = words[49] >> 9 & 1;
    disk.lba48 = lba && has(83, 10) && lba48_blocks;
    disk.lba = disk.lba48 || (lba && lba28_blocks);
    disk.blocks = disk.lba48 ? lba48_blocks : disk.lba ? lba28_blocks : 0;
    if (!disk.lba && words[3] <= 16 && words[6] <= 255) {
        disk.heads = static_cast<uint8_t>(words[3]);
        disk.sectors_per_track = static_cast<uint8_t>(words[6]);
        disk.blocks = uint32_t{words[1]} * disk.heads * disk.sectors_per_track;
    }
    if (disk.blocks == 0 || disk.blocks > 1ull << 48)
        return hal::fail(Error::corrupt, "{}: <{}> says that it has {} sectors", owner,
                         disk.model.view(), disk.blocks);
    uint64_t sector_bytes = has(106, 12) ? le32(&words[117]) * 2ull : 512;
    if (sector_bytes != 512 && sector_bytes != 4096)
        return hal::fail(Error::unsupported, "{}: <{}> has sectors of {} bytes", owner,
                         disk.model.view(), sector_bytes);
    disk.block_bytes = static_cast<uint32_t>(sector_bytes);
    disk.largest_multiple = static_cast<uint8_t>(words[47]);
    disk.dma_selected =
        words[49] >> 8 & 1 && (words[63] & 0x0700 || (words[53] & 4 && words[88] & 0x7f00));
    disk.flush_cache = has(83, 12);
    disk.flush_cache_ext = disk.lba48 && has(83, 13);
    return disk;
}
