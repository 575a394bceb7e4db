// SPDX-License-Identifier: BSD-2-Clause
// Files and volumes.
#include <algorithm>
#include "api/call.h"
#include "api/kexec.h"

namespace {

constexpr uint32_t max_handles = 32;
struct Handle {
    fs::Node* node = nullptr;
    uint64_t position = 0;
};
constinit Handle handles[max_handles];

Handle* handle_of(int file)
{
    auto index = static_cast<uint32_t>(file);
    return index < max_handles && handles[index].node ? &handles[index] : nullptr;
}

Result<fs::Node*> look_up(const char* path)
{
    if (!kexec::root()) return Error::not_found;
    return fs::look_up(*kexec::root(), path);
}

void close_all()
{
    for (Handle& handle : handles) handle = {};
}

}  // namespace

int api_file_open(const char* path)
{
    api::at_end(close_all);
    auto node = look_up(path);
    if (!node) return code(node.error());
    for (uint32_t i = 0; i < max_handles; ++i) {
        if (handles[i].node) continue;
        handles[i] = {node.value(), 0};
        return static_cast<int>(i);
    }
    return VESPER_NO_MEMORY;
}

int api_file_close(int file)
{
    Handle* handle = handle_of(file);
    if (!handle) return VESPER_NOT_FOUND;
    *handle = {};
    return 0;
}

int api_file_read(int file, void* into, uint32_t bytes)
{
    Handle* handle = handle_of(file);
    if (!handle) return VESPER_NOT_FOUND;
    if (handle->node->type == fs::NodeType::directory) return VESPER_IS_DIRECTORY;
    if (handle->position >= handle->node->size) return 0;
    bytes = std::min<uint32_t>(bytes, 0x7fffffff);
    auto read = handle->node->read(handle->position, {static_cast<std::byte*>(into), bytes});
    if (!read) return code(read.error());
    handle->position += read.value();
    return static_cast<int>(read.value());
}

int api_file_seek(int file, uint64_t position)
{
    Handle* handle = handle_of(file);
    if (!handle) return VESPER_NOT_FOUND;
    handle->position = position;
    return 0;
}

int api_file_length(int file, uint64_t* bytes)
{
    Handle* handle = handle_of(file);
    if (!handle) return VESPER_NOT_FOUND;
    *bytes = handle->node->size;
    return 0;
}

int api_file_list(int directory, vesper_entry* entry)
{
    static constinit fs::DirectoryEntry found;
    Handle* handle = handle_of(directory);
    if (!handle) return VESPER_NOT_FOUND;
    if (handle->node->type != fs::NodeType::directory) return VESPER_NOT_DIRECTORY;
    auto next = handle->node->next_entry(handle->position, found);
    if (!next) return code(next.error());
    if (!next.value()) return 0;
    entry->id = found.id;
    entry->type = static_cast<uint32_t>(found.type);
    copy_text(entry->name, found.name);
    return 1;
}

int api_file_stat(const char* path, vesper_stat* stat)
{
    auto node = look_up(path);
    if (!node) return code(node.error());
    stat->bytes = node.value()->size;
    stat->modified = node.value()->modified_s;
    stat->id = node.value()->id;
    stat->type = static_cast<uint32_t>(node.value()->type);
    stat->mode = node.value()->mode;
    return 0;
}
