// SPDX-License-Identifier: BSD-2-Clause
#include "fs/open_file.h"
#include <algorithm>

namespace fs {

namespace {

constinit OpenFile open_files[max_open_files];

bool contradict(uint32_t flags)
{
    bool reads = flags & open_read, writes = flags & open_write;
    return !(reads || writes) || flags >= open_append * 2 ||
           (!writes && flags & (open_create | open_truncate | open_append)) ||
           (flags & open_exclusive && !(flags & open_create));
}

Result<Place> find(std::string_view path, uint32_t flags, uint16_t permissions)
{
    if (flags & open_exclusive) return make_new(path, NodeType::file, permissions);
    return flags & open_create ? look_up_or_create(path, permissions) : look_up(path);
}

}  // namespace

Result<void> OpenFile::open(std::string_view path, uint32_t flags, uint16_t permissions)
{
    if (is_open()) return Error::busy;
    if (contradict(flags)) return Error::invalid;
    const Place place = TRY(find(path, flags, permissions));
    if (flags & open_write) {
        if (place.node->type == NodeType::directory) return Error::is_directory;
        if (place.volume->file_system->read_only) return Error::read_only;
    }
    if (flags & open_truncate && place.node->size) TRY(place.node->truncate(0));
    place_ = place;
    position_ = 0;
    flags_ = flags;
    place_.node->opened();
    ++place_.volume->handles;
    return {};
}

void OpenFile::close()
{
    if (!is_open()) return;
    place_.node->closed();
    --place_.volume->handles;
    place_ = {};
}

Result<void> OpenFile::check(uint32_t access) const
{
    if (node().type == NodeType::directory) return Error::is_directory;
    if (node().type == NodeType::other) return Error::unsupported;
    return flags_ & access ? Result<void>() : Error::invalid;
}

Result<size_t> OpenFile::read(std::span<std::byte> into)
{
    TRY(check(open_read));
    if (position_ >= node().size) return size_t{0};
    size_t count = TRY(node().read(position_, into));
    position_ += count;
    return count;
}

Result<size_t> OpenFile::write(std::span<const std::byte> from)
{
    TRY(check(open_write));
    if (flags_ & open_append) position_ = node().size;
    if (from.empty()) return size_t{0};
    if (position_ > max_file_bytes || from.size() > max_file_bytes - position_)
        return Error::too_large;
    size_t count = TRY(node().write(position_, from));
    position_ += count;
    return count;
}

Result<bool> OpenFile::next_entry(DirectoryEntry& entry)
{
    if (node().type != NodeType::directory) return Error::not_directory;
    return node().next_entry(position_, entry);
}

Result<void> OpenFile::truncate(uint64_t size)
{
    TRY(check(open_write));
    if (size > max_file_bytes) return Error::too_large;
    return node().truncate(size);
}

Result<void> OpenFile::sync() { return place_.volume->file_system->sync_file(node()); }

Result<uint32_t> open(std::string_view path, uint32_t flags, uint16_t permissions)
{
    for (uint32_t i = 0; i < max_open_files; ++i) {
        if (open_files[i].is_open()) continue;
        TRY(open_files[i].open(path, flags, permissions));
        return i;
    }
    return Error::no_memory;
}

OpenFile* open_file(uint32_t handle)
{
    return handle < max_open_files && open_files[handle].is_open() ? &open_files[handle] : nullptr;
}

void close_all()
{
    for (OpenFile& file : open_files) file.close();
}

}  // namespace fs
