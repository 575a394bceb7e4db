// SPDX-License-Identifier: BSD-2-Clause
// What a file system may leave out, and walking along paths.
#include <algorithm>
#include <optional>
#include "fs/fs.h"

namespace fs {

Result<size_t> Node::write(uint64_t, std::span<const std::byte>) { return Error::read_only; }
Result<void> Node::truncate(uint64_t) { return Error::read_only; }
Result<Node*> Node::create(std::string_view, NodeType, uint16_t) { return Error::read_only; }
Result<void> Node::make_link(std::string_view, std::string_view) { return Error::read_only; }
Result<void> Node::add_name(std::string_view, Node&) { return Error::unsupported; }
Result<void> Node::remove(std::string_view) { return Error::read_only; }
Result<void> Node::rename(std::string_view, Node&, std::string_view) { return Error::read_only; }
Result<void> Node::set_modified(int64_t) { return Error::read_only; }
Result<void> Node::set_mode(uint16_t) { return Error::read_only; }

namespace {

// Takes the first name off a path, and the slashes around it.
std::string_view take_name(std::string_view& path)
{
    while (path.starts_with('/')) path.remove_prefix(1);
    std::string_view name = path.substr(0, path.find('/'));
    path.remove_prefix(name.size());
    return name;
}

// Along a path, with the directories from the root to where it is, so that ".." needs no help from
// the file system. It and the texts of links are large, and a stack may be small: there is one, and
// the texts are in the heap.
class Walk {
public:
    // `permissions`: of a file that is made if only the last name is missing; nothing: none is.
    Walk(Node& root, std::string_view path, bool follow, std::optional<uint16_t> permissions)
        : rest_(path), follow_(follow), permissions_(permissions)
    {
        nodes_[0] = &root;
    }
    ~Walk() { delete[] texts_; }
    Walk(const Walk&) = delete;

    Result<Node*> run();
    bool passes(const Node* node) const
    {
        return std::find(nodes_, nodes_ + depth_ + 1, node) != nodes_ + depth_ + 1;
    }

private:
    Node& here() const { return *nodes_[depth_]; }
    Result<void> step(std::string_view name);
    Result<void> go_by(Node& link);
    Result<Node*> make_missing(std::string_view name);

    static constexpr size_t max_depth = 256;
    Node* nodes_[max_depth];
    size_t depth_ = 0, links_ = 0;
    std::string_view rest_;  // of the path: empty, or from a slash on
    bool follow_;
    std::optional<uint16_t> permissions_;
    Text<max_path>* texts_ = nullptr;  // two, once there is a link: rest_ is in the first
};

Result<Node*> Walk::run()
{
    if (rest_.size() >= max_path) return Error::too_large;
    bool wants_directory = rest_.ends_with('/');
    for (std::string_view name = take_name(rest_); !name.empty(); name = take_name(rest_)) {
        size_t links = links_;
        TRY(step(name));
        if (links != links_) wants_directory = rest_.ends_with('/');
    }
    if (wants_directory && here().type != NodeType::directory) return Error::not_directory;
    return &here();
}

Result<void> Walk::step(std::string_view name)
{
    if (here().type != NodeType::directory) return Error::not_directory;
    if (name == ".") return {};
    if (name == "..") {
        depth_ -= depth_ > 0;
        return {};
    }
    Node* node = TRY(here().find(name));
    if (!node) node = TRY(make_missing(name));
    if (node->type == NodeType::symlink && (follow_ || !rest_.empty())) return go_by(*node);
    if (depth_ + 1 == max_depth) return Error::too_large;
    nodes_[++depth_] = node;
    return {};
}

Result<Node*> Walk::make_missing(std::string_view name)
{
    if (!permissions_ || rest_.find_first_not_of('/') != rest_.npos) return Error::not_found;
    if (!rest_.empty()) return Error::not_directory;
    if (name.find('\0') != name.npos) return Error::invalid;
    return here().create(name, NodeType::file, *permissions_);
}

// The path goes on where the link leads, and then with what is left.
Result<void> Walk::go_by(Node& link)
{
    if (++links_ > max_link_depth) return Error::too_large;
    if (!texts_) texts_ = new (std::nothrow) Text<max_path>[2];
    if (!texts_) return Error::no_memory;
    Text<max_path>& target = texts_[1];
    target.clear();
    TRY(link.read_link(target));
    if (target.empty()) return Error::not_found;
    if (target.view().starts_with('/')) depth_ = 0;
    if (target.size() + rest_.size() > target.capacity()) return Error::too_large;
    target.append(rest_);
    texts_[0] = target;
    rest_ = texts_[0];
    return {};
}

Result<Node*> run(FileSystem& file_system, std::string_view path, bool follow,
                  const Node* not_within, std::optional<uint16_t> permissions)
{
    alignas(Walk) static std::byte memory[sizeof(Walk)];
    auto walk = new (memory) Walk(file_system.root(), path, follow, permissions);
    auto found = walk->run();
    if (found && walk->passes(not_within)) found = Error::invalid;
    walk->~Walk();
    return found;
}

}  // namespace

Result<Node*> look_up(FileSystem& file_system, std::string_view path, bool follow,
                      const Node* not_within)
{
    return run(file_system, path, follow, not_within, std::nullopt);
}

Result<Node*> look_up_or_create(FileSystem& file_system, std::string_view path,
                                uint16_t permissions)
{
    return run(file_system, path, true, nullptr, permissions);
}

static constinit int64_t clock_offset_s = INT64_MIN;  // from the time since boot

int64_t now_s()
{
    auto uptime = static_cast<int64_t>(hal::now_us() / 1'000'000);
    if (clock_offset_s == INT64_MIN) {
        CalendarClock* clock = first_calendar_clock();
        auto now = clock ? clock->now() : Result<CalendarTime>(Error::not_found);
        if (!now) return 0;
        clock_offset_s = now.value().unix_seconds() - uptime;
    }
    return clock_offset_s + uptime;
}

void clock_was_set() { clock_offset_s = INT64_MIN; }

}  // namespace fs
