// SPDX-License-Identifier: BSD-2-Clause
// Mounting, and walking along paths.
#include <algorithm>
#include <cstring>
#include "config.h"
#include "fs/fs.h"

namespace fs {

Result<size_t> Node::write(uint64_t, std::span<const std::byte>) { return Error::read_only; }
Result<void> Node::truncate(uint64_t) { return Error::read_only; }
Result<Node*> Node::create(std::string_view, NodeType) { return Error::read_only; }
Result<void> Node::remove(std::string_view) { return Error::read_only; }

Result<FileSystem*> mount(BlockDevice& device)
{
    BlockCache* cache = TRY(BlockCache::make_for(device));
    for (const FileSystemDriver* driver : config_file_systems) {
        auto mounted = driver->mount(*cache);
        if (mounted) return mounted;
        if (mounted.error() != Error::not_found) {
            delete cache;
            return mounted;
        }
    }
    delete cache;
    return Error::not_found;
}

namespace {

// The directories from the root to where a walk is, so that ".." needs no help from the file
// system.
class Walk {
public:
    explicit Walk(Node& root) { nodes_[0] = &root; }
    Node& here() const { return *nodes_[depth_]; }
    Result<void> down(Node& node)
    {
        if (depth_ + 1 == max_depth) return Error::too_large;
        nodes_[++depth_] = &node;
        return {};
    }
    void up() { depth_ -= depth_ > 0; }
    void to_root() { depth_ = 0; }

private:
    static constexpr size_t max_depth = 256;
    Node* nodes_[max_depth];
    size_t depth_ = 0;
};

// Takes the first name off a path, and the slashes around it.
std::string_view take_name(std::string_view& path)
{
    while (path.starts_with('/')) path.remove_prefix(1);
    std::string_view name = path.substr(0, path.find('/'));
    path.remove_prefix(name.size());
    return name;
}

// A path after a link has been met: where the link leads, then what is left; that is empty or
// begins with a slash.
Result<void> insert_link(Text<max_path>& path, Text<max_path>& target, std::string_view rest)
{
    if (target.size() + rest.size() > path.capacity()) return Error::too_large;
    path = target.append(rest);
    return {};
}

}  // namespace

Result<Node*> look_up(FileSystem& file_system, std::string_view path, bool follow)
{
    Text<max_path> text, target;
    if (path.size() > text.capacity()) return Error::too_large;
    text.append(path);
    Walk walk(file_system.root());
    size_t links = 0;
    std::string_view rest = text;
    for (std::string_view name = take_name(rest); !name.empty(); name = take_name(rest)) {
        if (walk.here().type != NodeType::directory) return Error::not_directory;
        if (name == ".") continue;
        if (name == "..") {
            walk.up();
            continue;
        }
        Node* node = TRY(walk.here().find(name));
        if (!node) return Error::not_found;
        if (node->type != NodeType::symlink || (rest.empty() && !follow)) {
            TRY(walk.down(*node));
            continue;
        }
        if (++links > max_link_depth) return Error::too_large;
        target.clear();
        TRY(node->read_link(target));
        if (target.empty()) return Error::not_found;
        if (target.view().starts_with('/')) walk.to_root();
        TRY(insert_link(text, target, rest));
        rest = text;
    }
    bool wants_directory = text.view().ends_with('/');
    if (wants_directory && walk.here().type != NodeType::directory) return Error::not_directory;
    return &walk.here();
}

}  // namespace fs
