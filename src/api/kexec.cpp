// SPDX-License-Identifier: BSD-2-Clause
#include "api/kexec.h"
#include <array>
#include <cstring>
#include "api/api.h"
#include "arch/machine.h"
#include "arch/paging.h"
#include "arch/trap.h"
#include "config.h"
#include "console/console.h"
#include "debug/report.h"
#include "debug/request.h"
#include "fs/volumes.h"
#include "hal/log.h"

extern "C" uint8_t payload_stack_top[];

namespace kexec {

namespace {

constinit uint32_t loaded_bytes = 0;  // 0: no payload is loaded
constinit uint32_t entry = 0;

void use_root(fs::Volume& volume)
{
    fs::set_root(&volume);
    hal::log("root on {}: {}", volume.name.view(), volume.file_system->type);
}

bool has_partitions(const BlockDevice& disk)
{
    for (BlockDevice* d = first_block_device(); d; d = d->next) {
        if (d->whole == &disk) return true;
    }
    return false;
}

Result<void> mount_named(std::string_view name)
{
    auto mounted = fs::volume(name);
    if (mounted) {
        use_root(*mounted.value());
        return {};
    }
    if (mounted.error() != Error::not_found)
        return hal::fail(mounted.error(), "root={}: {}", name, error_text(mounted.error()));
    if (find_block_device(name))
        return hal::fail(Error::not_found, "root={}: no file system that this kernel knows", name);
    Text<160> there;
    for (BlockDevice* d = first_block_device(); d; d = d->next) there.append(' ').append(d->name);
    for (MessageChannel* c = first_message_channel(); c; c = c->next)
        there.append(' ').append(c->name);
    return hal::fail(Error::not_found, "root={}: there is no such disk or partition; there are:{}",
                     name, there.empty() ? std::string_view(" none") : there.view());
}

// Without a payload the first file system is the root all the same: the operator may look around.
// The others are mounted again when they are used.
class RootSearch {
public:
    explicit RootSearch(std::string_view path) : path_(path) {}

    // True if the volume has the payload, and is the root.
    bool ends_at(std::string_view name, Result<fs::Volume*> mounted)
    {
        if (!mounted) {
            if (mounted.error() != Error::not_found)
                hal::log("{}: {}", name, error_text(mounted.error()));
            return false;
        }
        fs::Volume& volume = *mounted.value();
        auto file = fs::look_up(*volume.file_system, path_);
        if (file && file.value()->type == fs::NodeType::file) {
            if (first_) (void)fs::unmount(*first_);
            use_root(volume);
            return true;
        }
        if (!file && file.error() != Error::not_found)
            hal::log("{}: {}: {}", name, path_, error_text(file.error()));
        if (volumes_++ == 0)
            first_ = &volume;
        else
            (void)fs::unmount(volume);  // nothing has been written
        return false;
    }
    Result<void> give_up()
    {
        if (!first_block_device() && !first_)
            return hal::fail(Error::not_found, "no root: no disk was found");
        if (!first_)
            return hal::fail(Error::not_found,
                             "no root: no disk has a file system that this kernel can read");
        hal::log("{} is on none of the {} file systems", path_, volumes_);
        use_root(*first_);
        return Error::not_found;
    }

private:
    std::string_view path_;
    unsigned volumes_ = 0;
    fs::Volume* first_ = nullptr;
};

Result<void> find_root(std::string_view path)
{
    RootSearch search(path);
    for (BlockDevice* device = first_block_device(); device; device = device->next) {
        if (has_partitions(*device) && !device->is_volume) continue;
        if (search.ends_at(device->name, fs::mount(*device))) return {};
    }
    for (MessageChannel* channel = first_message_channel(); channel; channel = channel->next) {
        if (search.ends_at(channel->name, fs::mount(*channel))) return {};
    }
    return search.give_up();
}

class FileImage final : public Image {
public:
    explicit FileImage(fs::Node& file, std::string_view path) : file_(file)
    {
        name = path;
        bytes = static_cast<uint32_t>(file.size);
    }
    Result<void> read(uint32_t offset, std::span<std::byte> into) override
    {
        auto read = file_.read(offset, into);
        if (!read) return hal::fail(read.error(), "{}: {}", name, error_text(read.error()));
        if (read.value() != into.size())
            return hal::fail(Error::corrupt, "{}: only {} of {} bytes could be read", name,
                             offset + read.value(), bytes);
        return {};
    }

private:
    fs::Node& file_;
};

class ImageInMemory final : public Image {
public:
    explicit ImageInMemory(std::span<const std::byte> image) : image_(image)
    {
        name = "the payload";
        bytes = static_cast<uint32_t>(image.size());
    }
    Result<void> read(uint32_t offset, std::span<std::byte> into) override
    {
        memmove(into.data(), &image_[offset], into.size());
        return {};
    }

private:
    std::span<const std::byte> image_;
};

Result<Placed> place_raw(Image& image, const Memory& memory)
{
    TRY(image.read(0, memory.bytes.first(image.bytes)));
    return Placed{memory.address, memory.address + image.bytes};
}

// limit: where a format's work has to end.
Result<void> place(Image& image, uint32_t limit)
{
    Memory memory = {payload_memory(), payload_range.start};
    if (image.bytes > memory.bytes.size())
        return hal::fail(Error::too_large,
                         "{}: {} bytes do not fit into the payload's {} bytes of memory",
                         image.name, image.bytes, memory.bytes.size());
    auto place = place_raw;
    std::array<std::byte, 4> first;
    if (!config_formats.empty() && image.bytes >= first.size()) {
        TRY(image.read(0, first));
        for (const Format* format : config_formats) {
            if (!format->recognises(first)) continue;
            place = format->place;
            memory.bytes = memory.bytes.first(limit - memory.address);
        }
    }
    Placed placed = TRY(place(image, memory));
    loaded_bytes = placed.end - payload_range.start;
    entry = placed.entry;
    payload_range.image_end = placed.end;
    return {};
}

}  // namespace

Result<void> mount_root(const BootInfo& info)
{
    return info.root.empty() ? find_root(info.kexec) : mount_named(info.root);
}

void forget()
{
    loaded_bytes = 0;
    debug::forget_payload_symbols();
}

std::span<std::byte> payload_memory()
{
    return {reinterpret_cast<std::byte*>(payload_range.start),
            machine::arena_end() - payload_range.start};
}

Result<void> load(std::span<const std::byte> image)
{
    forget();
    ImageInMemory from(image);
    return place(from, address_of(image.data()));
}

Result<void> load(std::string_view path)
{
    forget();
    auto found = fs::look_up(path);
    if (!found)
        return hal::fail(found.error(), "{} on {}: {}", path,
                         fs::root() ? fs::root()->name.view() : "no root",
                         error_text(found.error()));
    fs::Node& file = *found.value().node;
    if (file.type != fs::NodeType::file)
        return hal::fail(Error::is_directory, "{}: not a plain file", path);
    if (file.size == 0) return hal::fail(Error::invalid, "{}: the file is empty", path);
    if (file.size > ~0u) return hal::fail(Error::too_large, "{}: too large", path);
    FileImage image(file, path);
    TRY(place(image, machine::arena_end()));
    debug::load_payload_symbols(path);
    return {};
}

void run(const char* args)
{
    if (!loaded_bytes) return hal::log("kexec: no payload is loaded");
    debug::payload_starts = true;
    hal::log("kexec: {} bytes at 0x{x}", loaded_bytes, payload_range.start);
    uint32_t result = 0;
    auto stack_top = address_of(payload_stack_top);
    const vesper* api = api::prepare(payload_range.image_end, payload_range.end, args);
    debug::payload_runs(true);
    bool returned = call_payload(entry, stack_top, api, result);
    debug::payload_starts = false;
    debug::payload_runs(false);
    api::clean_up();
    console::begin_anew();
    // After a fault what is in memory may be anything: the operator decides.
    if (auto synced = returned ? fs::sync() : Result<void>(); !synced)
        hal::log("sync: {}", error_text(synced.error()));
    if (returned)
        hal::log("kexec: the payload returned {} (0x{x})", static_cast<int32_t>(result), result);
    else
        hal::log("kexec: the payload has been ended");
}

}  // namespace kexec
