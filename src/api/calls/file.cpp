// SPDX-License-Identifier: BSD-2-Clause
// Files, to read.
#include <algorithm>
#include "api/arguments.h"
#include "api/call.h"
#include "fs/open_file.h"
#include "lib/heap.h"

namespace {

static_assert(VESPER_OPEN_READ == int{fs::open_read} && VESPER_OPEN_WRITE == int{fs::open_write} &&
              VESPER_OPEN_CREATE == int{fs::open_create} &&
              VESPER_OPEN_EXCLUSIVE == int{fs::open_exclusive} &&
              VESPER_OPEN_TRUNCATE == int{fs::open_truncate} &&
              VESPER_OPEN_APPEND == int{fs::open_append});

constexpr uint32_t most_at_once = 0x7fffffff;  // the result is an int

fs::OpenFile* file_of(int file) { return fs::open_file(static_cast<uint32_t>(file)); }

void describe(const fs::Node& node, vesper_stat& stat)
{
    stat = {.bytes = node.size,
            .modified = node.modified_s,
            .id = node.id,
            .type = static_cast<uint32_t>(node.type),
            .mode = node.mode};
}

int stat_path(const char* path, vesper_stat* stat, bool follow)
{
    auto place = fs::look_up(path, follow);
    if (!place) return code(place);
    describe(*place.value().node, *stat);
    return 0;
}

}  // namespace

int api_file_open(const char* path) { return api_file_open_as(path, VESPER_OPEN_READ); }

int api_file_close(int file)
{
    fs::OpenFile* open = file_of(file);
    if (!open) return VESPER_NOT_FOUND;
    open->close();
    return 0;
}

int api_file_read(int file, void* into, uint32_t bytes)
{
    fs::OpenFile* open = file_of(file);
    if (!open) return VESPER_NOT_FOUND;
    uint64_t size = open->node().size, at = open->position();
    if (!api::may_write(into, std::min<uint64_t>(bytes, size > at ? size - at : 0)))
        return VESPER_INVALID;
    auto read = open->read({static_cast<std::byte*>(into), std::min(bytes, most_at_once)});
    return read ? static_cast<int>(read.value()) : code(read);
}

int api_file_seek(int file, uint64_t position)
{
    fs::OpenFile* open = file_of(file);
    if (!open) return VESPER_NOT_FOUND;
    open->seek(position);
    return 0;
}

int api_file_length(int file, uint64_t* bytes)
{
    fs::OpenFile* open = file_of(file);
    if (!open) return VESPER_NOT_FOUND;
    *bytes = open->node().size;
    return 0;
}

int api_file_list(int directory, vesper_entry* entry)
{
    static_assert(sizeof entry->name >= fs::max_name);
    static constinit fs::DirectoryEntry found;
    fs::OpenFile* open = file_of(directory);
    if (!open) return VESPER_NOT_FOUND;
    auto next = open->next_entry(found);
    if (!next) return code(next);
    if (!next.value()) return 0;
    entry->id = found.id;
    entry->type = static_cast<uint32_t>(found.type);
    memcpy(entry->name, found.name.c_str(), found.name.size() + 1);
    return 1;
}

int api_file_stat(const char* path, vesper_stat* stat) { return stat_path(path, stat, true); }

int api_file_open_as(const char* path, uint32_t how)
{
    auto opened = fs::open(path, how, 0644);
    api::at_end(fs::close_all);
    return opened ? static_cast<int>(opened.value()) : code(opened);
}

int api_file_position(int file, uint64_t* position)
{
    fs::OpenFile* open = file_of(file);
    if (!open) return VESPER_NOT_FOUND;
    *position = open->position();
    return 0;
}

int api_file_stat_file(int file, vesper_stat* stat)
{
    fs::OpenFile* open = file_of(file);
    if (!open) return VESPER_NOT_FOUND;
    describe(open->node(), *stat);
    return 0;
}

int api_file_stat_link(const char* path, vesper_stat* stat) { return stat_path(path, stat, false); }

int api_file_read_link(const char* path, char* into, uint32_t bytes)
{
    auto place = fs::look_up(path, false);
    if (!place) return code(place);
    if (place.value().node->type != fs::NodeType::symlink) return VESPER_INVALID;
    auto target = make<Text<fs::max_path>>();
    if (!target) return code(target);
    Text<fs::max_path>& text = *target.value();
    auto read = place.value().node->read_link(text);
    int result = !read ? code(read) : text.size() < bytes ? int(text.size()) : VESPER_TOO_LARGE;
    if (result >= 0) memcpy(into, text.c_str(), text.size() + 1);
    delete &text;
    return result;
}
