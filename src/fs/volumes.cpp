// SPDX-License-Identifier: BSD-2-Clause
// The table of volumes, and the operations by path: what all file systems would have to check.
#include "fs/volumes.h"
#include <algorithm>
#include "config.h"

namespace fs {

namespace {

constinit Volume* volumes = nullptr;
constinit Volume* root_volume = nullptr;

// What it had not written is gone with the medium, or the device.
void forget(Volume& volume)
{
    uint64_t lost = volume.cache ? volume.cache->unsynced_bytes() : 0;
    if (lost) {
        bool is_gone = volume.device->is_gone();
        hal::log("{}: forgotten, and {} KiB lost that had not been synced: {}", volume.name.view(),
                 lost / 1024, is_gone ? "the device is gone" : "another medium is in the drive");
    }
    Volume** link = &volumes;
    while (*link != &volume) link = &(*link)->next;
    *link = volume.next;
    delete volume.file_system;
    delete volume.cache;
    delete &volume;
}

// Takes the file system, and the cache.
Result<Volume*> add(std::string_view name, Result<FileSystem*> made, BlockDevice* device,
                    BlockCache* cache, MessageChannel* channel = nullptr)
{
    auto volume = made ? make<Volume>() : Result<Volume*>(made.error());
    if (!volume) {
        if (made) delete made.value();
        delete cache;
        return volume.error();
    }
    *volume.value() = {name, made.value(), device, cache, channel};
    Volume** last = &volumes;
    while (*last) last = &(*last)->next;
    *last = volume.value();
    return volume;
}

Volume* find_volume(std::string_view name)
{
    Volume* volume = volumes;
    while (volume && volume->name.view() != name) volume = volume->next;
    return volume;
}

// Null: not mounted. What was on a medium that is no longer there is forgotten; gone while files of
// it are open.
Result<Volume*> mounted(std::string_view name)
{
    Volume* volume = find_volume(name);
    if (!config_can_write || !volume || !volume->device || !volume->device->removable)
        return volume;  // a small kernel does without
    (void)volume->device->disk().look_for_medium();
    if (!volume->cache->is_of_another_medium()) return volume;
    if (volume->handles || volume == root_volume) return Error::gone;
    forget(*volume);
    return nullptr;
}

Result<FileSystem*> recognise(BlockCache& cache)
{
    for (const FileSystemDriver* driver : config_file_systems) {
        if (!driver->mount) continue;
        auto mounted = driver->mount(cache);
        if (mounted || mounted.error() != Error::not_found) return mounted;
    }
    return Error::not_found;
}

// A volume that can write blocks of this device, under another name: of a whole disk and a
// partition of it, for one. Null: there is none.
const Volume* writer_of(BlockDevice& device)
{
    auto begin = [](const BlockDevice& of) { return of.whole ? of.first_block : 0; };
    for (const Volume* volume = volumes; volume; volume = volume->next) {
        BlockDevice* other = volume->device;
        if (!other || &other->disk() != &device.disk() || volume->file_system->read_only) continue;
        if (begin(*other) < begin(device) + device.blocks &&
            begin(device) < begin(*other) + other->blocks)
            return volume;
    }
    return nullptr;
}

// Takes the volume's name off a path, where an operation begins.
Result<Volume*> volume_of(std::string_view& path)
{
    give_up_nodes();
    size_t end = path.find_first_of(":/");
    if (end == path.npos || path[end] == '/')
        return root_volume ? Result<Volume*>(root_volume) : Error::not_found;
    std::string_view name = path.substr(0, end);
    path.remove_prefix(end + 1);
    return volume(name);
}

Result<void> check_writable(const Volume& volume)
{
    if (volume.device && volume.device->is_gone()) return Error::gone;
    return volume.file_system->read_only ? Error::read_only : Result<void>();
}

// Where something new is to be: nothing has the name.
Result<Parent> free_name(std::string_view path)
{
    Parent parent = TRY(parent_of(path));
    TRY(check_writable(*parent.volume));
    if (TRY(parent.directory->find(parent.name))) return Error::exists;
    return parent;
}

// Keeps a node while another path is followed.
class Kept {
public:
    Kept(Volume& volume, Node& node) : volume_(volume), node_(node)
    {
        ++volume_.handles;
        node_.opened();
    }
    ~Kept()
    {
        --volume_.handles;
        node_.closed();
    }
    Kept(const Kept&) = delete;

private:
    Volume& volume_;
    Node& node_;
};

// What has a name now.
Result<Node*> named(const Parent& parent)
{
    Node* node = TRY(parent.directory->find(parent.name));
    if (!node) return Error::not_found;
    if (parent.slash && node->type != NodeType::directory) return Error::not_directory;
    return node;
}

Result<void> check_empty(Node& directory)
{
    auto entry = TRY(make<DirectoryEntry>());
    uint64_t position = 0;
    auto found = directory.next_entry(position, *entry);
    delete entry;
    if (!found) return found.error();
    return found.value() ? Error::not_empty : Result<void>();
}

}  // namespace

Volume* first_volume() { return volumes; }
Volume* root() { return root_volume; }
void set_root(Volume* volume) { root_volume = volume; }

Result<Volume*> mount(BlockDevice& device)
{
    if (device.is_gone()) return Error::gone;
    if (Volume* known = TRY(mounted(device.name))) return known;
    if (config_can_write && device.removable) TRY(device.disk().look_for_medium());
    BlockCache* cache = TRY(BlockCache::make_for(device));
    // Two file systems would change the same blocks, each by what it remembers of them.
    const Volume* other = config_can_write ? writer_of(device) : nullptr;
    cache->is_shared = other;
    auto made = recognise(*cache);
    if (other && made && made.value()->read_only == cache->why_read_only()) {
        delete made.value();
        made = hal::fail(Error::busy, "{}: not mounted: {} has the same blocks", device.name.view(),
                         other->name.view());
    }
    return add(device.name, made, &device, cache);
}

Result<Volume*> mount(MessageChannel& channel)
{
    if (Volume* known = find_volume(channel.name)) return known;
    for (const FileSystemDriver* driver : config_file_systems) {
        if (!driver->connect) continue;
        auto connected = driver->connect(channel);
        if (connected || connected.error() != Error::not_found)
            return add(channel.name, connected, nullptr, nullptr, &channel);
    }
    return Error::not_found;
}

Result<Volume*> volume(std::string_view name)
{
    if (Volume* known = TRY(mounted(name))) return known;
    for (const FileSystemDriver* driver : config_file_systems) {
        if (driver->make && name == driver->volume)
            return add(name, driver->make(), nullptr, nullptr);
    }
    if (BlockDevice* device = find_block_device(name)) return mount(*device);
    for (MessageChannel* channel = first_message_channel(); channel; channel = channel->next) {
        if (name == channel->name.view() || name == channel->tag.view()) return mount(*channel);
    }
    return Error::not_found;
}

Volume* find_mounted(std::string_view name)
{
    Volume* volume = find_volume(name);
    if (volume) return volume;
    volume = volumes;
    while (volume && !(volume->channel && volume->channel->tag.view() == name))
        volume = volume->next;
    return volume;
}

Result<void> unmount(Volume& volume)
{
    if (volume.handles || &volume == root_volume) return Error::busy;
    auto synced = volume.file_system->sync();
    if (synced || synced.error() == Error::gone) forget(volume);
    return synced;
}

Result<void> sync()
{
    Result<void> result;
    for (Volume* volume = volumes; volume; volume = volume->next) {
        auto synced = volume->file_system->sync();
        if (result) result = synced;
    }
    return result;
}

// What cannot be given up as it is is written, if there is too much of that.
void give_up_nodes()
{
    for (Volume* volume = volumes; volume; volume = volume->next) {
        FileSystem& file_system = *volume->file_system;
        if (!file_system.nodes.give_up() && file_system.sync()) (void)file_system.nodes.give_up();
    }
}

Result<Place> look_up(std::string_view path, bool follow)
{
    Volume* volume = TRY(volume_of(path));
    return Place{volume, TRY(look_up(*volume->file_system, path, follow))};
}

Result<Place> look_up_or_create(std::string_view path, uint16_t permissions)
{
    Volume* volume = TRY(volume_of(path));
    TRY(check_writable(*volume));
    return Place{volume, TRY(look_up_or_create(*volume->file_system, path, permissions & 07777))};
}

static Result<Parent> parent_of(std::string_view path, const Node* not_within)
{
    Parent parent;
    parent.volume = TRY(volume_of(path));
    if (path.size() >= max_path) return Error::too_large;
    for (; path.ends_with('/'); path.remove_suffix(1)) parent.slash = true;
    size_t slash = path.rfind('/') + 1;  // 0 if there is none
    parent.name = path.substr(slash);
    if (parent.name.empty() || is_dots(parent.name) || parent.name.find('\0') != parent.name.npos)
        return Error::invalid;
    parent.directory =
        TRY(look_up(*parent.volume->file_system, path.substr(0, slash), true, not_within));
    if (parent.directory->type != NodeType::directory) return Error::not_directory;
    return parent;
}

Result<Parent> parent_of(std::string_view path) { return parent_of(path, nullptr); }

Result<Place> make_new(std::string_view path, NodeType type, uint16_t permissions)
{
    Parent parent = TRY(free_name(path));
    if (parent.slash && type != NodeType::directory) return Error::not_directory;
    return Place{parent.volume,
                 TRY(parent.directory->create(parent.name, type, permissions & 07777))};
}

Result<void> make_link(std::string_view path, std::string_view target)
{
    if (target.empty() || target.find('\0') != target.npos) return Error::invalid;
    if (target.size() >= max_path) return Error::too_large;
    Parent parent = TRY(free_name(path));
    if (parent.slash) return Error::not_directory;
    return parent.directory->make_link(parent.name, target);
}

Result<void> add_name(std::string_view path, std::string_view new_path)
{
    Parent from = TRY(parent_of(path));
    Node* node = TRY(named(from));
    if (node->type == NodeType::directory) return Error::is_directory;
    Kept kept(*from.volume, *node);
    Parent to = TRY(free_name(new_path));
    if (to.slash) return Error::not_directory;
    if (to.volume != from.volume) return Error::unsupported;
    return to.directory->add_name(to.name, *node);
}

Result<void> remove(std::string_view path, NodeType only)
{
    Parent parent = TRY(parent_of(path));
    TRY(check_writable(*parent.volume));
    Node* node = TRY(named(parent));
    bool is_directory = node->type == NodeType::directory;
    if (only == NodeType::directory && !is_directory) return Error::not_directory;
    if (only == NodeType::file && is_directory) return Error::is_directory;
    if (is_directory) TRY(check_empty(*node));
    TRY(parent.directory->remove(parent.name));
    node->release_if_unused();
    return {};
}

Result<void> rename(std::string_view path, std::string_view new_path)
{
    Parent from = TRY(parent_of(path));
    TRY(check_writable(*from.volume));
    Node* node = TRY(named(from));
    Kept kept(*from.volume, *node), directory(*from.volume, *from.directory);
    bool is_directory = node->type == NodeType::directory;
    Parent to = TRY(parent_of(new_path, is_directory ? node : nullptr));
    if (to.volume != from.volume) return Error::unsupported;
    if (to.slash && !is_directory) return Error::not_directory;
    Node* replaced = TRY(to.directory->find(to.name));
    if (replaced == node) {
        // Another name of it; or the same one, in other letters as far as the file system cares.
        if (node->links > 1 || from.name == to.name) return {};
        replaced = nullptr;
    }
    if (replaced) {
        bool would_replace_directory = replaced->type == NodeType::directory;
        if (is_directory && !would_replace_directory) return Error::not_directory;
        if (!is_directory && would_replace_directory) return Error::is_directory;
        if (is_directory) TRY(check_empty(*replaced));
    }
    TRY(from.directory->rename(from.name, *to.directory, to.name));
    if (replaced) replaced->release_if_unused();
    return {};
}

// For the host tests, which plug many machines after one another.
void reset_volumes() { volumes = root_volume = nullptr; }

}  // namespace fs
