// SPDX-License-Identifier: BSD-2-Clause
// A small UDF volume, of the kind that the first byte says, with patches: 2 bytes where (in fours),
// 1 byte how many, the bytes. All checksums of tags are made right, then it is mounted and
// everything is read.
#include "fuzz/patched.h"

namespace fs {
extern const FileSystemDriver udf;
}

namespace {

uint16_t crc16(const char* data, size_t bytes)
{
    unsigned crc = 0;
    for (size_t i = 0; i < bytes; ++i) {
        crc ^= static_cast<uint8_t>(data[i]) << 8;
        for (int bit = 0; bit < 8; ++bit) crc = crc << 1 ^ (crc & 0x8000 ? 0x1021 : 0);
    }
    return static_cast<uint16_t>(crc);
}

// A block or a file identifier that has been changed, and looks like one that begins with a tag.
void mend(std::vector<char>& data, size_t at)
{
    if (at + 512 > data.size()) return;
    uint16_t kind = le16(&data[at]);
    if (kind == 0 || kind > 266) return;
    size_t bytes = std::min<size_t>(le16(&data[at + 10]), 512 - 16);
    uint16_t crc = crc16(&data[at + 16], bytes);
    memcpy(&data[at + 8], &crc, 2);
    uint8_t sum = 0;
    for (size_t i = 0; i < 16; ++i) sum += i == 4 ? 0 : static_cast<uint8_t>(data[at + i]);
    data[at + 4] = static_cast<char>(sum);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size)
{
    static Patched bases[] = {Patched("udf-small.img", 32768, 4),
                              Patched("udf-small-vat.img", 32768, 4),
                              Patched("udf-small-metadata.img", 32768, 4)};
    if (size) bases[data[0] % 3].use(fs::udf, {data + 1, size - 1}, mend);
    return 0;
}
