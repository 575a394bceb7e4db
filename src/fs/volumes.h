// SPDX-License-Identifier: BSD-2-Clause
// The mounted volumes, and everything that is done by path. "wd0p1:/folder/file" is on the volume
// wd0p1, "ram:/x" in RAM, "vio9p0:/x" on a file server, which its tag names too ("share:/x"), and
// "/x" on the root. What comes before the first ':' is a volume if there is no '/' in it. Symbolic
// links stay on their volume.
//
// Volumes are mounted when they are used for the first time. Nothing is written to a disk before
// sync(), unless the cache is full.
#pragma once
#include "fs/fs.h"

namespace fs {

struct Volume {
    Text<16> name;            // "wd0p1", "ram"
    FileSystem* file_system;  // never null
    BlockDevice* device;      // null if it is on none
    BlockCache* cache;        // of the device
    MessageChannel* channel;  // to a file server; null if it is on none
    uint32_t handles = 0;     // open files
    Volume* next = nullptr;
};

Volume* first_volume();
Volume* root();  // null until set_root()
void set_root(Volume* volume);

// Tries every file system of the configuration; a volume that is mounted already is given again.
// Errors: not_found (no file system knows it), busy (two would write the same blocks), no_memory,
// unsupported, gone, and a driver's own, which it has logged.
Result<Volume*> mount(BlockDevice& device);
Result<Volume*> mount(MessageChannel& channel);  // what a file server shares
// The volume of this name, mounted if it was not. Errors: not_found (no disk, partition or file
// server has that name), and mount()'s.
Result<Volume*> volume(std::string_view name);
// The volume of this name, or of a file server's tag, that is mounted; null if there is none.
Volume* find_mounted(std::string_view name);
// Syncs, and forgets the volume. Errors: busy (files are open; the root), and sync()'s: then it
// stays mounted, but for gone: the device went, and with it what had not been synced.
Result<void> unmount(Volume& volume);

// All that was written to any volume is on its medium. The first error; the others are tried, too.
Result<void> sync();

// ---- by path. Errors of all: not_found (also: there is no root), not_directory, too_large,
// no_memory, read_only, and those of the volume's file system and disk.

// Nodes that are not open are good until the next operation by path, which calls this first: those
// that take too much memory are given up. Who finds many in a row calls it, too.
void give_up_nodes();

// Where a path leads.
struct Place {
    Volume* volume = nullptr;
    Node* node = nullptr;
};
Result<Place> look_up(std::string_view path, bool follow = true);

// Where a new name goes: all of the path but the last name, and that. Errors: invalid (it ends with
// "." or "..", or is a root).
struct Parent {
    Volume* volume = nullptr;
    Node* directory = nullptr;
    std::string_view name;  // a part of the path
    bool slash = false;     // behind it: it has to be a directory
};
Result<Parent> parent_of(std::string_view path);

// What is there, links followed; else a file, made where the path or its last link leads.
Result<Place> look_up_or_create(std::string_view path, uint16_t permissions);
// Errors: exists.
Result<Place> make_new(std::string_view path, NodeType type, uint16_t permissions);
inline Result<Node*> create(std::string_view path, NodeType type, uint16_t permissions)
{
    return TRY(make_new(path, type, permissions)).node;
}
Result<void> make_link(std::string_view path, std::string_view target);  // symbolic
// A second name for a file. Errors: exists, is_directory, unsupported (on another volume, or the
// file system has none).
Result<void> add_name(std::string_view path, std::string_view new_path);
// A file, a link (not where it leads), or an empty directory. A file that is open stays until it is
// closed. Errors: not_empty, is_directory / not_directory (if `only` is another type).
Result<void> remove(std::string_view path, NodeType only = NodeType::other);
// As rename() of POSIX: what has the new name is replaced. Errors: is_directory (a directory would
// be replaced by a file), not_directory (the other way round), not_empty, invalid (a directory into
// itself), unsupported (onto another volume: copy it).
Result<void> rename(std::string_view path, std::string_view new_path);

}  // namespace fs
