// SPDX-License-Identifier: BSD-2-Clause
// Damaged ext2 and ext4 volumes. The input: a byte that chooses the sound image, then patches of
// it, each an offset (3 bytes), a length (1 byte, its low 4 bits) and so many bytes.
#include "fuzz/walk.h"
#include "images.h"
#include "lib/bytes.h"

namespace fs {
extern const FileSystemDriver ext2;
}

namespace {

std::vector<char> load(const char* name)
{
    std::ifstream in(std::string(VESPER_IMAGES) + "/" + name, std::ios::binary);
    std::vector<char> bytes{std::istreambuf_iterator<char>(in), {}};
    if (bytes.empty()) abort();  // the image was not made
    return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size)
{
    static const std::vector<char> bases[] = {load("ext2-fuzz.img"), load("ext4-fuzz.img")};
    if (size == 0) return 0;
    FakeMachine machine;
    ImageDevice disk(bases[*data++ & 1]);
    for (--size; size > 4;) {
        size_t offset = (le32(data) & 0xffffff) % disk.data.size();
        size_t count = std::min({size_t{data[3]} & 15, size - 4, disk.data.size() - offset});
        memcpy(disk.data.data() + offset, data + 4, count);
        data += 4 + count;
        size -= 4 + count;
    }
    auto cache = BlockCache::make_for(disk);
    auto mounted = fs::ext2.mount(*cache.value());
    if (mounted) walk(*mounted.value(), 40);
    return 0;
}
