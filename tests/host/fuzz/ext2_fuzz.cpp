// SPDX-License-Identifier: BSD-2-Clause
// Damaged ext2, ext3 and ext4 volumes. The input: a byte that chooses the sound image, then patches
// of it, each an offset (3 bytes), a length (1 byte, its low 4 bits) and so many bytes. It is
// mounted, its journal replayed, everything is read, and something is changed.
#include "fuzz/changes.h"
#include "lib/bytes.h"

namespace fs {
extern const FileSystemDriver ext2;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size)
{
    static ForgetfulDisk bases[] = {ForgetfulDisk("ext2-fuzz.img"), ForgetfulDisk("ext4-fuzz.img"),
                                    ForgetfulDisk("ext4-fuzz-write.img"),
                                    ForgetfulDisk("journal-ext3.img")};
    if (size == 0) return 0;
    ForgetfulDisk& disk = bases[*data++ % std::size(bases)];
    for (--size; size > 4;) {
        size_t offset = (le32(data) & 0xffffff) % disk.data.size();
        size_t count = std::min({size_t{data[3]} & 15, size - 4, disk.data.size() - offset});
        for (size_t i = 0; i < count; ++i) disk.put(offset + i, static_cast<char>(data[4 + i]));
        data += 4 + count;
        size -= 4 + count;
    }
    {
        FakeMachine machine;
        auto cache = BlockCache::make_for(disk);
        auto mounted = fs::ext2.mount(*cache.value());
        if (mounted) {
            walk(*mounted.value(), 40);
            change(*mounted.value());
            walk(*mounted.value(), 40);
            delete mounted.value();
        }
    }
    disk.undo();
    return 0;
}
