// SPDX-License-Identifier: BSD-2-Clause
// Changes mounted file systems that cannot be trusted, on a disk that forgets it all afterwards.
#pragma once
#include <map>
#include "fuzz/walk.h"
#include "images.h"
#include "lib/bytes.h"

// What is written to it, it knows only until undo().
class ForgetfulDisk final : public BlockDevice {
public:
    explicit ForgetfulDisk(const std::string& file) : data(ImageDevice::load(file).data)
    {
        blocks = data.size() / block_bytes;
        name.append("wd0a");
    }
    void undo()
    {
        for (auto& [block, bytes] : before_)
            std::copy(bytes.begin(), bytes.end(), data.begin() + std::ptrdiff_t(block) * 512);
        before_.clear();
        copies = nullptr;  // a cache has gone with the machine's memory
    }
    void keep_all()  // what has been written so far
    {
        before_.clear();
        copies = nullptr;
    }
    void put(size_t at, char byte)
    {
        if (at >= data.size()) return;
        keep(at / 512);
        data[at] = byte;
    }
    // 2 bytes where, as place(where) has it, 1 byte how many, the bytes; and so on.
    template <class Place> void patch(std::span<const uint8_t> patches, Place place)
    {
        for (size_t i = 0; i + 3 < patches.size();) {
            size_t at = place(le16(&patches[i])), count = patches[i + 2];
            for (i += 3; count-- && i < patches.size(); ++i, ++at)
                put(at, static_cast<char>(patches[i]));
        }
    }

    std::vector<char> data;

private:
    void keep(uint64_t block)
    {
        if (before_.contains(block)) return;
        auto from = data.begin() + std::ptrdiff_t(block) * 512;
        before_[block].assign(from, from + 512);
    }
    Result<void> read_blocks(uint64_t first, uint32_t count, std::byte* into) override
    {
        memcpy(into, data.data() + first * 512, size_t(count) * 512);
        return {};
    }
    Result<void> write_blocks(uint64_t first, uint32_t count, const std::byte* from) override
    {
        for (uint32_t i = 0; i < count; ++i) keep(first + i);
        memcpy(data.data() + first * 512, from, size_t(count) * 512);
        return {};
    }
    Result<void> flush_blocks() override { return {}; }

    std::map<uint64_t, std::vector<char>> before_;
};

// In the root and in the first directory of it: makes, writes, cuts, renames and removes.
inline void change(fs::FileSystem& file_system)
{
    if (file_system.read_only) return;
    std::vector<std::byte> much(9000, std::byte{0x55});
    std::vector<fs::Node*> directories = {&file_system.root()};
    std::vector<std::string> names;
    fs::DirectoryEntry entry;
    uint64_t position = 0;
    for (int i = 0; i < 30; ++i) {
        auto more = directories[0]->next_entry(position, entry);
        if (!more || !more.value()) break;
        names.emplace_back(entry.name.view());
        auto found = directories[0]->find(entry.name);
        if (!found || !found.value()) continue;
        if (found.value()->type == fs::NodeType::directory && directories.size() < 2)
            directories.push_back(found.value());
        (void)found.value()->write(found.value()->size, much);
        (void)found.value()->truncate(found.value()->size / 3);
        (void)found.value()->write(700, much);
    }
    for (fs::Node* directory : directories) {
        for (auto name : {"a new file with a long name", "NEW.TXT", "folder"}) {
            auto there = directory->find(name);
            if (!there || there.value()) continue;
            auto type = name[0] == 'f' ? fs::NodeType::directory : fs::NodeType::file;
            auto made = directory->create(name, type, 0644);
            if (made && type == fs::NodeType::file) (void)made.value()->write(2000, much);
        }
        (void)file_system.sync();
        (void)directory->rename("NEW.TXT", file_system.root(), "renamed, and longer");
    }
    for (size_t i = 0; i < names.size(); i += 2) {
        auto found = directories[0]->find(names[i]);
        if (!found || !found.value() || found.value()->type != fs::NodeType::file) continue;
        fs::Node* node = found.value();
        if (!directories[0]->remove(names[i])) continue;
        node->release_if_unused();
    }
    (void)file_system.sync();
    (void)file_system.free_bytes();
}

// Mounts the disk, reads everything, changes something, reads again; then the disk forgets it.
inline void use(const fs::FileSystemDriver& driver, ForgetfulDisk& disk)
{
    {
        FakeMachine machine;
        BlockCache* cache = BlockCache::make_for(disk).value();
        auto mounted = driver.mount(*cache);
        if (mounted) {
            walk(*mounted.value(), 100);
            change(*mounted.value());
            walk(*mounted.value(), 100);
            delete mounted.value();
        } else if (mounted.error() == Error::not_found && !machine.log.empty()) {
            abort();  // what is not its own it says nothing of
        }
    }
    disk.undo();
}
