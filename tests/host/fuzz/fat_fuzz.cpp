// SPDX-License-Identifier: BSD-2-Clause
// A small FAT volume (12, 16 or 32 by the first byte), with patches: 2 bytes where, 1 byte how
// many, the bytes. Then it is mounted, everything is read, and something is changed.
#include "fuzz/changes.h"

namespace fs {
extern const FileSystemDriver fat;
}

namespace {

struct Base {
    explicit Base(const char* file) : disk(file)
    {
        const char* boot = disk.data.data();
        table = le16(boot + 14) * 512u;
        size_t sectors = le16(boot + 22) ? le16(boot + 22) : le32(boot + 36);
        root = table + static_cast<uint8_t>(boot[16]) * sectors * 512;
    }
    // The first kilobyte, the table, the root directory and what follows it: all can be reached.
    size_t place(unsigned where) const
    {
        size_t within = where & 0x3fff;
        size_t place = where < 0x4000   ? within % 1024
                       : where < 0x8000 ? table + within
                                        : root + within;
        return place % disk.data.size();
    }
    ForgetfulDisk disk;
    size_t table, root;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size)
{
    static Base bases[] = {Base("small_fat12.img"), Base("small_fat16.img"),
                           Base("small_fat32.img")};
    if (size == 0) return 0;
    Base& base = bases[data[0] % 3];
    base.disk.patch({data + 1, size - 1}, [&](unsigned where) { return base.place(where); });
    use(fs::fat, base.disk);
    return 0;
}
