// SPDX-License-Identifier: BSD-2-Clause
// What a file system is to the rest of the kernel, and the tree of mounted names above it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include "block/cache.h"
#include "hal/log.h"
#include "hal/result.h"
#include "lib/format.h"

namespace fs {

enum class NodeType : uint8_t { file, directory, symlink, other };

constexpr size_t max_name = 768;   // bytes of a name in UTF-8, with the final NUL: VFAT's 255 units
constexpr size_t max_path = 4096;  // bytes, with the final NUL
constexpr size_t max_link_depth = 16;

struct DirectoryEntry {
    Text<max_name> name;
    NodeType type = NodeType::other;
    uint64_t id = 0;  // the inode number, or what stands for one
};

// A file, directory or symbolic link. Nodes, once looked up, are never released, and there is one
// per object: two look-ups of one file give the same Node.
class Node {
public:
    NodeType type = NodeType::other;
    uint64_t id = 0;
    uint64_t size = 0;       // bytes; of a directory: what the file system says
    int64_t modified_s = 0;  // seconds since 1970-01-01 UTC
    uint16_t mode = 0;       // permissions as in Unix; 0755 / 0644 where the medium has none

    // Reads at most into.size() bytes at offset; fewer only at the end of the file, 0 beyond it.
    virtual Result<size_t> read(uint64_t offset, std::span<std::byte> into) = 0;

    // Directories: the entry of this name, null if there is none. "." and ".." are not asked for.
    virtual Result<Node*> find(std::string_view name) = 0;

    // Directories: the next entry. position is 0 at first and otherwise what the last call left.
    // False at the end. "." and ".." are left out.
    virtual Result<bool> next_entry(uint64_t& position, DirectoryEntry& entry) = 0;

    // Symbolic links: where it leads, as written. Errors: too_large.
    virtual Result<void> read_link(Text<max_path>& target) = 0;

    // Writing. The default says read_only.
    virtual Result<size_t> write(uint64_t offset, std::span<const std::byte> from);
    virtual Result<void> truncate(uint64_t size);
    virtual Result<Node*> create(std::string_view name, NodeType type);
    virtual Result<void> remove(std::string_view name);

protected:
    ~Node() = default;
};

class FileSystem {
public:
    virtual Node& root() = 0;
    virtual Result<void> sync() = 0;
    // What is free for data. It may have to be counted, which is why mount() doesn't know it.
    virtual Result<uint64_t> free_bytes() = 0;

    const char* type = "";  // "ffs2": set by mount()
    Text<32> label;         // the volume's, if it has one
    uint64_t bytes = 0;     // room for data, free or not

protected:
    ~FileSystem() = default;
};

// One constant per file-system driver, named in the configuration file.
struct FileSystemDriver {
    const char* name;
    // Errors: not_found: this is something else, stay silent. Any other: it is ours but cannot be
    // used; why has been logged, beginning with the device's name.
    Result<FileSystem*> (*mount)(BlockCache& volume);
};

// ---- the mounted tree (vfs.cpp)

// Tries every file system of the configuration. Errors: not_found (none knows it), and a driver's
// own.
Result<FileSystem*> mount(BlockDevice& device);

// Follows a path from a root: '/' separates; "." and ".." are understood; ".." of the root is the
// root; symbolic links are followed (absolute ones from the root), the last only if `follow`. A
// path that ends with a slash names a directory, or a link to one, which is then followed. Errors:
// not_found, not_directory, too_large (too many links, or too long), and the file system's.
Result<Node*> look_up(FileSystem& file_system, std::string_view path, bool follow = true);

}  // namespace fs
