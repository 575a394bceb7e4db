// SPDX-License-Identifier: BSD-2-Clause
// Damaged FFS volumes. The input is a version (one byte: odd for FFSv1) and patches of a small
// image: offset (three bytes, little-endian), length less one (one byte, of which four bits),
// bytes.
#include "fuzz/walk.h"
#include "images.h"

namespace fs {
extern const FileSystemDriver ffs;
}

namespace {

void patch(std::vector<char>& image, std::span<const uint8_t> input)
{
    while (input.size() > 4) {
        size_t offset = (input[0] | input[1] << 8 | input[2] << 16) % image.size();
        size_t length =
            std::min<size_t>({input[3] % 16u + 1, input.size() - 4, image.size() - offset});
        memcpy(image.data() + offset, input.data() + 4, length);
        input = input.subspan(4 + length);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size)
{
    static const std::vector<char> images[] = {ImageDevice::load("ffs2_tiny.img").data,
                                               ImageDevice::load("ffs1_tiny.img").data};
    if (size == 0) return 0;
    FakeMachine machine;
    ImageDevice disk(images[data[0] % 2]);
    patch(disk.data, {data + 1, size - 1});
    auto cache = BlockCache::make_for(disk, 16);
    auto mounted = fs::ffs.mount(*cache.value());
    if (mounted) walk(*mounted.value(), 40);
    return 0;
}
