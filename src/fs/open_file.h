// SPDX-License-Identifier: BSD-2-Clause
// An open file or directory: what it is, where one is in it, and what one may do. And the table of
// those that the payload has.
#pragma once
#include "fs/volumes.h"

namespace fs {

enum Open : uint32_t {  // as in include/vesper.h
    open_read = 1,
    open_write = 2,
    open_create = 4,     // if it is not there, nor where a link leads
    open_exclusive = 8,  // with open_create: error exists if it is there, or a link is
    open_truncate = 16,  // to nothing; with open_write
    open_append = 32,    // each write goes to the end; with open_write
};

// Keeps the Node while it is open. Whoever opens it closes it: there is no destructor, since those
// of the payload live for ever.
class OpenFile {
public:
    constexpr OpenFile() = default;
    OpenFile(const OpenFile&) = delete;

    // Links are followed. Directories are opened for reading only. Errors: invalid (flags that
    // contradict), exists, is_directory, read_only, busy (it is open already), and look_up()'s.
    Result<void> open(std::string_view path, uint32_t flags, uint16_t permissions = 0644);
    void close();
    bool is_open() const { return place_.node; }
    const Place& place() const { return place_; }
    Node& node() const { return *place_.node; }

    // At the position, which moves on. Errors: is_directory, unsupported (a device or a pipe),
    // invalid (not opened for that), too_large, and the file system's.
    Result<size_t> read(std::span<std::byte> into);
    Result<size_t> write(std::span<const std::byte> from);
    // Directories: false at the end; seek(0) begins anew. Errors: not_directory, and the file
    // system's.
    Result<bool> next_entry(DirectoryEntry& entry);

    uint64_t position() const { return position_; }
    void seek(uint64_t position) { position_ = position; }  // beyond the end is allowed
    Result<void> truncate(uint64_t size);
    // What was written is on the medium.
    Result<void> sync();

private:
    Result<void> check(uint32_t access) const;

    Place place_;
    uint64_t position_ = 0;
    uint32_t flags_ = 0;
};

// The payload's. Errors of open(): no_memory (all are in use).
constexpr uint32_t max_open_files = 64;
Result<uint32_t> open(std::string_view path, uint32_t flags, uint16_t permissions = 0644);
OpenFile* open_file(uint32_t handle);  // null if it is not open
void close_all();

}  // namespace fs
