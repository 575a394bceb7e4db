// SPDX-License-Identifier: BSD-2-Clause
// Files, to write; volumes.
#include <algorithm>
#include "api/call.h"
#include "fs/open_file.h"

int api_file_write(int file, const void* from, uint32_t bytes)
{
    fs::OpenFile* open = fs::open_file(static_cast<uint32_t>(file));
    if (!open) return VESPER_NOT_FOUND;
    auto written =
        open->write({static_cast<const std::byte*>(from), std::min(bytes, uint32_t{0x7fffffff})});
    return written ? static_cast<int>(written.value()) : code(written);
}

int api_file_truncate(int file, uint64_t bytes)
{
    fs::OpenFile* open = fs::open_file(static_cast<uint32_t>(file));
    return open ? code(open->truncate(bytes)) : VESPER_NOT_FOUND;
}

int api_file_make_directory(const char* path)
{
    return code(fs::create(path, fs::NodeType::directory, 0755));
}

int api_file_remove(const char* path) { return code(fs::remove(path)); }
int api_file_rename(const char* from, const char* to) { return code(fs::rename(from, to)); }
int api_file_link(const char* path, const char* name) { return code(fs::add_name(path, name)); }

int api_file_make_link(const char* path, const char* target)
{
    return code(fs::make_link(path, target));
}

int api_file_set_modified(const char* path, int64_t modified)
{
    auto place = fs::look_up(path);
    return place ? code(place.value().node->set_modified(modified)) : code(place);
}

int api_file_set_mode(const char* path, uint32_t mode)
{
    if (mode > 07777) return VESPER_INVALID;
    auto place = fs::look_up(path);
    return place ? code(place.value().node->set_mode(static_cast<uint16_t>(mode))) : code(place);
}

int api_file_mount(int number)
{
    BlockDevice* device = block_device(number);
    if (!device) return VESPER_NOT_FOUND;
    for (fs::Volume* volume = fs::first_volume(); volume; volume = volume->next) {
        if (volume->device == device) return VESPER_EXISTS;
    }
    return code(fs::mount(*device));
}

int api_file_unmount(const char* name)
{
    fs::Volume* volume = fs::find_mounted(name);
    return volume ? code(fs::unmount(*volume)) : VESPER_NOT_FOUND;
}

int api_file_volume(uint32_t index, vesper_volume* into)
{
    fs::Volume* volume = fs::first_volume();
    while (volume && index--) volume = volume->next;
    if (!volume) return VESPER_NOT_FOUND;
    fs::FileSystem& file_system = *volume->file_system;
    auto free = file_system.free_bytes();
    *into = {};
    into->bytes = file_system.bytes;
    into->free_bytes = free ? free.value() : 0;
    copy_text(into->name, volume->name);
    copy_text(into->type, file_system.type);
    copy_text(into->label, file_system.label);
    into->device = number_of(volume->device);
    into->read_only = file_system.read_only != nullptr;
    into->is_root = volume == fs::root();
    return code(free.error());
}

int api_file_sync() { return code(fs::sync()); }

int api_file_sync_file(int file)
{
    fs::OpenFile* open = fs::open_file(static_cast<uint32_t>(file));
    return open ? code(open->sync()) : VESPER_NOT_FOUND;
}

int api_file_set_cache(const char* name, uint32_t bytes)
{
    fs::Volume* volume = fs::find_mounted(name);
    if (!volume) return VESPER_NOT_FOUND;
    if (!volume->cache) return VESPER_UNSUPPORTED;
    volume->cache->set_limit(bytes / BlockCache::line_bytes);
    return 0;
}
