// SPDX-License-Identifier: BSD-2-Clause
// What a file system is to the rest of the kernel, and the tree of mounted names above it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include "block/cache.h"
#include "fs/nodes.h"
#include "hal/log.h"
#include "hal/result.h"
#include "lib/format.h"

namespace fs {

enum class NodeType : uint8_t { file, directory, symlink, other };

constexpr size_t max_name = 768;   // bytes of a name in UTF-8, with the final NUL: VFAT's 255 units
constexpr size_t max_path = 4096;  // bytes, with the final NUL
constexpr size_t max_link_depth = 16;
constexpr uint64_t max_file_bytes = INT64_MAX;

inline bool is_dots(std::string_view name)  // "." or ".."
{
    return !name.empty() && name.size() <= 2 && name.front() == '.' && name.back() == '.';
}

struct DirectoryEntry {
    Text<max_name> name;
    NodeType type = NodeType::other;
    uint64_t id = 0;  // the inode number, or what stands for one
};

// A file, directory or symbolic link. There is one Node per object: two look-ups of one file give
// the same. A Node lives until the next operation by path (volumes.h): then it may be given up, or
// have been removed. Who has it opened() keeps it, and what is in it, until closed().
class Node {
public:
    NodeType type = NodeType::other;
    uint16_t mode = 0;   // permissions as in Unix; 0755 / 0644 where the medium has none
    uint32_t links = 1;  // names that lead to it; 0: it has been removed
    uint64_t id = 0;
    uint64_t size = 0;       // bytes; of a directory: what the file system says
    int64_t modified_s = 0;  // seconds since 1970-01-01 UTC

    // Reads at most into.size() bytes at offset; fewer only at the end of the file, 0 beyond it.
    virtual Result<size_t> read(uint64_t offset, std::span<std::byte> into) = 0;

    // Directories: the entry of this name, null if there is none. "." and ".." are not asked for.
    virtual Result<Node*> find(std::string_view name) = 0;

    // Directories: the next entry. position is 0 at first and otherwise what the last call left.
    // False at the end. "." and ".." are left out. What is removed or created meanwhile does not
    // hide others, nor show them twice.
    virtual Result<bool> next_entry(uint64_t& position, DirectoryEntry& entry) = 0;

    // Symbolic links: where it leads, as written. Errors: too_large.
    virtual Result<void> read_link(Text<max_path>& target) = 0;

    // ---- Writing. The defaults say read_only. All set modified_s as they change something.

    // Files. Bytes between the old end and offset become zeros. Fewer than from.size() only where
    // space ended. Errors: no_space (not a single byte), too_large (no such file system's file).
    virtual Result<size_t> write(uint64_t offset, std::span<const std::byte> from);
    // Files: longer by zeros, or shorter. Errors: no_space, too_large.
    virtual Result<void> truncate(uint64_t size);

    // Directories. The functions of volumes.h call these, and have seen to it that the name is not
    // empty, ".", "..", without '/' and NUL, and, where something is made, that nothing has it.
    // Errors: no_space, no_memory, too_large or invalid (a name that cannot be written there),
    // unsupported (what that file system does not have).
    virtual Result<Node*> create(std::string_view name, NodeType type, uint16_t permissions);
    virtual Result<void> make_link(std::string_view name, std::string_view target);  // symbolic
    virtual Result<void> add_name(std::string_view name, Node& file);                // a hard link
    // The name is there; if it is a directory's, that is empty. The object has a link less.
    virtual Result<void> remove(std::string_view name);
    // `name` is there. What has new_name in directory `to` of the same volume, if anything, is
    // replaced as if removed at the same moment: a file by a file, an empty directory by a
    // directory. `to` is not within what is renamed.
    virtual Result<void> rename(std::string_view name, Node& to, std::string_view new_name);

    virtual Result<void> set_modified(int64_t seconds);
    virtual Result<void> set_mode(uint16_t permissions);
    // ---- Who uses it
    bool is_open() const { return handles_ != 0; }
    void opened() { ++handles_; }
    void closed()
    {
        --handles_;
        release_if_unused();
    }
    // After a name has been removed. The Node may be gone when it returns.
    void release_if_unused()
    {
        if (links == 0 && handles_ == 0) release();
    }

protected:
    ~Node() = default;
    // Neither a name nor a handle leads to it any more: its space is free, and it may be deleted.
    virtual void release() {}

private:
    uint32_t handles_ = 0;
};

// One that can be made again from what is on the medium.
class CachedNode : public Node {
public:
    virtual ~CachedNode() = default;
    // It cannot yet: something is still to be written, or points to it.
    virtual bool is_needed() const { return false; }
    virtual void given_up() {}  // it will be deleted now

    CachedNode *newer = nullptr, *older = nullptr;  // in Nodes, by when they were used

private:
    friend class Nodes;
    CachedNode* next_ = nullptr;
};

class FileSystem {
public:
    FileSystem() = default;
    FileSystem(const FileSystem&) = delete;
    virtual ~FileSystem() = default;  // frees all nodes; writes nothing

    virtual Node& root() = 0;
    // All that was written is on the medium.
    virtual Result<void> sync() = 0;
    // All of one file is: its data, its size, its names.
    virtual Result<void> sync_file(Node&) { return sync(); }
    // What is free for data. It may have to be counted, which is why mount() doesn't know it.
    virtual Result<uint64_t> free_bytes() = 0;

    const char* type = "";  // "ffs2": set by mount()
    Text<32> label;         // the volume's, if it has one
    uint64_t bytes = 0;     // room for data, free or not
    // Why nothing can be written, as the end of a sentence; null where it can.
    const char* read_only = "this kernel only reads that file system";
    Nodes nodes;  // those that can be given up; the root is not one of them, or needed
};

// One constant per file-system driver, named in the configuration file.
struct FileSystemDriver {
    const char* name;
    // Errors: not_found: this is something else, stay silent. Any other: it is ours but cannot be
    // used; why has been logged, beginning with the device's name. Null: it needs no disk.
    Result<FileSystem*> (*mount)(BlockCache& device);
    // Without a disk: makes the volume of this name when it is used for the first time.
    const char* volume = nullptr;
    Result<FileSystem*> (*make)() = nullptr;
    // On a file server, whatever it shares. Errors: those of the way there, and mount()'s.
    Result<FileSystem*> (*connect)(MessageChannel& channel) = nullptr;
};

// ---- following paths (vfs.cpp); volumes.h has the same for paths that begin with a volume

// Follows a path from a root: '/' separates; "." and ".." are understood; ".." of the root is the
// root; symbolic links are followed (absolute ones from the root), the last only if `follow`. A
// path that ends with a slash names a directory, or a link to one, which is then followed. Errors:
// not_found, not_directory, too_large (too many links, or too long), no_memory, and the file
// system's. `not_within`: error invalid if the path leads through this node, or to it.
Result<Node*> look_up(FileSystem& file_system, std::string_view path, bool follow = true,
                      const Node* not_within = nullptr);
// The same; where nothing has the last name, of the path or of a link that it ends with, a file is
// made. Errors: those of Node::create(), too.
Result<Node*> look_up_or_create(FileSystem& file_system, std::string_view path,
                                uint16_t permissions);

// Seconds since 1970-01-01 UTC, for what is written now; 0 without a clock. The calendar clock is
// read once, and then only counted on: clock_was_set() has it read again.
int64_t now_s();
void clock_was_set();

}  // namespace fs
