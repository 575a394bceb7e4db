// SPDX-License-Identifier: BSD-2-Clause
// Volumes that are not among the images, because there is nothing on them: made when they are used.
#pragma once
#include <unistd.h>
#include <fstream>
#include "fs/volumes.h"
#include "fs_model.h"
#include "images.h"
#include "lib/bytes.h"

struct MadeVolume {
    const char* name;
    unsigned mib;
    const char* maker;  // puts it into the file $0
    const char* checker;
    bool has_links = true;

    ImageDevice make() const
    {
        std::vector<char> bytes(mib << 20);
        std::string file = testing::TempDir() + "vesper-made-" + std::to_string(getpid());
        std::ofstream(file, std::ios::binary).write(bytes.data(), std::streamsize(bytes.size()));
        std::string command = "sh -c '" + std::string(maker) + "' " + file + " >/dev/null 2>&1";
        EXPECT_EQ(system(command.c_str()), 0) << command;
        std::ifstream in(file, std::ios::binary);
        in.read(bytes.data(), std::streamsize(bytes.size()));
        unlink(file.c_str());
        return ImageDevice(std::move(bytes));
    }
    // Whether the medium says that somebody has the volume mounted.
    bool is_marked(const std::vector<char>& image) const
    {
        std::string_view kind = name;
        auto byte = [&](size_t at) { return static_cast<uint8_t>(image[at]); };
        if (kind == "ext4") return true;  // it has a journal instead
        if (kind == "ext2") return !(byte(1024 + 58) & 1);
        if (kind == "exfat") return byte(106) & 2;
        if (kind.starts_with("ffs")) return !byte(8192 + 209);
        if (kind == "fat12") return byte(37) & 1;
        size_t table = le16(&image[14]) * 512u, copy = table + le32(&image[36]) * 512u;
        return byte(65) & 1 || !(byte(table + 7) & 8) || !(byte(copy + 7) & 8);
    }
    // Of operations in its folder /top: small ones, and names that need several sectors of FAT.
    fs_model::Options operations() const
    {
        return {.prefix = "/top",
                .link_prefix = "/top",
                .names = {"a", "b", std::string(200, 'c'), std::string(80, 'd'), "e"},
                .symbolic_links = has_links,
                .hard_links = has_links,
                .largest_offset = 30'000,
                .largest_write = 3000};
    }
};

// Of each file system that can be written; with room for 250 files.
inline const MadeVolume small_volumes[] = {
    MadeVolume{"ext2", 4, "mke2fs -q -F -t ext2 -b 1024 -N 300 $0", "e2fsck -fn"},
    MadeVolume{"ext4", 8, "mke2fs -q -F -t ext4 -b 1024 -N 300 -J size=1 $0", "e2fsck -fn"},
    MadeVolume{"ffs1", 4,
               "mkdir $0.d && makefs -t ffs -f 300 -s 4m -o "
               "version=1,bsize=8192,fsize=1024 $0 $0.d; rmdir $0.d",
               "/usr/bin/python3 -B " VESPER_TESTS "/ffs_check.py"},
    MadeVolume{"ffs2", 4,
               "mkdir $0.d && makefs -t ffs -f 300 -s 4m -o "
               "version=2,bsize=4096,fsize=512 $0 $0.d; rmdir $0.d",
               "/usr/bin/python3 -B " VESPER_TESTS "/ffs_check.py"},
    MadeVolume{"fat12", 4, "mkfs.fat -F 12 -s 4 $0", "fsck.fat -n", false},
    MadeVolume{"fat32", 4, "mkfs.fat -F 32 -s 1 $0", "fsck.fat -n", false},
    MadeVolume{"exfat", 4, "mkfs.exfat -c 4K $0", "fsck.exfat -n", false}};

// Bytes, of the root.
inline uint64_t free_space() { return fs::root()->file_system->free_bytes().value(); }

// A file of the root takes all space but about so much.
inline void fill(uint64_t bytes)
{
    fs::Node& filler = *fs::look_up("/filler").value().node;
    std::string piece(4096, 'f');
    while (free_space() > bytes) {
        auto written = filler.write(filler.size, std::as_bytes(std::span(piece)));
        if (!written || written.value() < piece.size()) break;
    }
    uint64_t missing = bytes - std::min(bytes, free_space());
    if (missing) ASSERT_TRUE(filler.truncate(filler.size - std::min(filler.size, missing)));
}
