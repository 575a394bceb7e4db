// SPDX-License-Identifier: BSD-2-Clause
// A small ISO 9660 volume (with Rock Ridge and Joliet, or with neither, by the first byte), with
// patches: 2 bytes where, 1 byte how many, the bytes. Then it is mounted and everything is read.
#include "fuzz/patched.h"

namespace fs {
extern const FileSystemDriver iso9660;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size)
{
    static Patched bases[] = {Patched("iso-small.iso", 32768),
                              Patched("iso-small-plain.iso", 32768)};
    if (size) bases[data[0] % 2].use(fs::iso9660, {data + 1, size - 1});
    return 0;
}
