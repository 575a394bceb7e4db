// SPDX-License-Identifier: BSD-2-Clause
// ls, cat, load, run, go.
#include "api/kexec.h"
#include "debug/stop.h"
#include "fs/volumes.h"
#include "monitor/command.h"

namespace monitor {

namespace {

Result<fs::Node*> look_up(const Call& call, std::string_view path)
{
    auto place = fs::look_up(path);
    if (place) return place.value().node;
    if (!fs::root() && path.find(':') == path.npos)
        return call.fail(Error::not_found, "there is no root file system");
    return call.fail(place.error(), "{}: {}", path, error_text(place.error()));
}

void print_entry(const fs::Node& node, std::string_view name)
{
    using fs::NodeType;
    if (node.type == NodeType::file)
        print("{10}  ", node.size);
    else
        print("{10}  ", node.type == NodeType::directory ? "folder"
                        : node.type == NodeType::symlink ? "link"
                                                         : "special");
    print_text(name);
    print("\n");
}

Result<void> list(Call& call, fs::Node& folder, std::string_view path)
{
    fs::DirectoryEntry entry;
    for (uint64_t position = 0;;) {
        fs::give_up_nodes();
        auto more = folder.next_entry(position, entry);
        if (!more) return call.fail(more.error(), "{}: {}", path, error_text(more.error()));
        if (!more.value()) return {};
        auto node = folder.find(entry.name);
        if (!node)
            call.fail(node.error(), "{}: {}", entry.name.view(), error_text(node.error()));
        else if (node.value())
            print_entry(*node.value(), entry.name);
        if (call.stopped()) return {};
    }
}

}  // namespace

Result<void> ls(Call& call)
{
    std::string_view path = call.word();
    TRY(call.end());
    if (path.empty()) path = "/";
    fs::Node* node = TRY(look_up(call, path));
    if (node->type == fs::NodeType::directory) {
        node->opened();
        auto listed = list(call, *node, path);
        node->closed();
        return listed;
    }
    print_entry(*node, path);
    return {};
}

Result<void> cat(Call& call)
{
    std::string_view path = call.word();
    if (path.empty()) return call.fail(Error::invalid, "PATH is missing");
    TRY(call.end());
    fs::Node* node = TRY(look_up(call, path));
    if (node->type != fs::NodeType::file)
        return call.fail(Error::is_directory, "{}: not a plain file", path);
    char row[80] = {'\n'};
    size_t count = 1;
    for (uint64_t offset = 0; offset < node->size && !call.stopped(); offset += count) {
        auto read = node->read(offset, std::as_writable_bytes(std::span(row)));
        if (!read) return call.fail(read.error(), "{}: {}", path, error_text(read.error()));
        if (read.value() == 0) break;
        count = read.value();
        print_text({row, count});
    }
    if (row[count - 1] != '\n') print("\n");
    return {};
}

static constinit bool loaded = false;      // and not called since
static constinit Text<1024> payload_args;  // the payload keeps a pointer to it

void begin_load(const Call& call, std::string_view args)
{
    kexec::forget();
    loaded = false;
    payload_args.clear();
    payload_args.append(args.empty() ? call.info().args.view() : args);
}

static Result<void> load_from(Call& call, std::string_view path)
{
    begin_load(call, call.rest());
    if (!fs::root()) TRY(kexec::mount_root(call.info()));
    return kexec::load(path);
}

void call_loaded()
{
    loaded = false;
    kexec::run(payload_args.c_str());
}

Result<void> run(Call& call)
{
    std::string_view path = call.word();
    TRY(load_from(call, path.empty() ? call.info().kexec.view() : path));
    call_loaded();
    return {};
}

Result<void> load(Call& call)
{
    std::string_view path = call.word();
    if (path.empty()) return call.fail(Error::invalid, "PATH is missing");
    TRY(load_from(call, path));
    loaded = true;
    print("It is in memory; go calls it.\n");
    return {};
}

Result<void> go(Call& call)
{
    TRY(call.end());
    if (debug::stopped_frame())
        debug::go();
    else if (loaded)
        call_loaded();
    else if (debug::frame_to_show())
        return call.fail(Error::invalid,
                         "nothing stands still; a fault in the kernel ends the payload");
    else
        return call.fail(Error::invalid, "nothing stands still");
    return {};
}

}  // namespace monitor
