// SPDX-License-Identifier: BSD-2-Clause
// What archive.cpp needs of the volumes in RAM.
#pragma once
#include "fs/fs.h"

namespace ramfs {

// An empty volume.
Result<fs::FileSystem*> make_empty();

// A file that such a volume just made has this content. It stays where it is and is only read:
// blocks that are written become the volume's own.
void lend(fs::Node& file, std::span<const std::byte> content);

// FileSystemDriver's mount: a tar or cpio archive that lies in memory, as a volume of its own.
Result<fs::FileSystem*> mount_archive(BlockCache& cache);

}  // namespace ramfs
