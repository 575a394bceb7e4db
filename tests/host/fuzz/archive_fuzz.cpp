// SPDX-License-Identifier: BSD-2-Clause
// The input as an archive in memory: mounted, everything is read, and then written.
// The headers of tar get the checksum that fits.
#include <algorithm>
#include <cstdio>
#include "fs/ramfs/ramfs.h"
#include "fuzz/walk.h"
#include "images.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size)
{
    FakeMachine machine;
    std::vector<std::byte> archive(size);
    std::copy_n(reinterpret_cast<const std::byte*>(data), size, archive.data());
    bool is_tar = size > 512 && data[257] == 'u';
    for (size_t at = 0; is_tar && at + 512 <= size; at += 512) {
        unsigned sum = 8 * ' ';
        for (size_t i = 0; i < 512; ++i)
            sum += i - 148 < 8 ? 0 : static_cast<unsigned>(archive[at + i]);
        char digits[8];
        snprintf(digits, sizeof digits, "%06o", sum);
        // Content is none of a header's business.
        if (archive[at + 257] == std::byte{'u'}) memcpy(&archive[at + 148], digits, 7);
    }
    auto before = archive;
    ImageDevice disk({});
    disk.memory = archive;
    BlockCache* cache = BlockCache::make_for(disk).value();
    auto mounted = ramfs::mount_archive(*cache);
    if (!mounted) return 0;
    walk(*mounted.value(), 100);
    fs::DirectoryEntry entry;
    uint64_t position = 0;
    fs::Node& root = mounted.value()->root();
    while (root.next_entry(position, entry).value()) {
        fs::Node& node = *root.find(entry.name).value();
        if (node.type == fs::NodeType::directory) continue;
        (void)node.write(node.size / 2, std::as_bytes(std::span("written", 7)));
        (void)node.truncate(node.size / 3);
        (void)node.truncate(node.size + 100);
        read_pieces(node);
    }
    if (archive != before) abort();  // what it was lent is only read
    delete mounted.value();
    return 0;
}
