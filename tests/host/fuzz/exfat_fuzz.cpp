// SPDX-License-Identifier: BSD-2-Clause
// A small exFAT volume, filled by ourselves, with patches: 2 bytes where, 1 byte how many, the
// bytes. All entry sets get right checksums, or hardly any would be looked at. Then it is mounted,
// everything is read, and something is changed.
#include <bit>
#include "fuzz/changes.h"

namespace fs {
extern const FileSystemDriver exfat;
}

namespace {

struct Base {
    Base() : disk("empty_exfat.img")
    {
        FakeMachine machine;
        BlockCache* cache = BlockCache::make_for(disk).value();
        fs::FileSystem* system = fs::exfat.mount(*cache).value();
        change(*system);
        (void)system->root().create("directory", fs::NodeType::directory, 0755);
        change(*system);
        delete system;
        disk.keep_all();
    }
    size_t bytes(size_t field) const { return le32(disk.data.data() + field) * size_t{512}; }
    // The boot sector, the table, and the first clusters.
    size_t place(unsigned where) const
    {
        size_t within = where & 0x3fff;
        return where < 0x2000   ? within % 512
               : where < 0x4000 ? bytes(80) + within % 0x2000
                                : bytes(88) + (where - 0x4000);
    }
    void mend()
    {
        size_t end = std::min(bytes(88) + 0xc000, disk.data.size());
        for (size_t at = bytes(88); at + 32 <= end; at += 32) {
            if (disk.data[at] != char(0x85)) continue;
            uint16_t sum = 0;
            size_t length = (static_cast<uint8_t>(disk.data[at + 1]) + size_t{1}) * 32;
            for (size_t i = 0; i < length && at + i < disk.data.size(); ++i) {
                if (i == 2 || i == 3) continue;
                sum = static_cast<uint16_t>(std::rotr(sum, 1) +
                                            static_cast<uint8_t>(disk.data[at + i]));
            }
            disk.put(at + 2, static_cast<char>(sum));
            disk.put(at + 3, static_cast<char>(sum >> 8));
        }
    }
    ForgetfulDisk disk;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size)
{
    static Base base;
    base.disk.patch({data, size}, [](unsigned where) { return base.place(where); });
    base.mend();
    use(fs::exfat, base.disk);
    return 0;
}
