// SPDX-License-Identifier: BSD-2-Clause
// A mounted image for the host tests, and tree.py's files on it.
#pragma once
#include <map>
#include <random>
#include <string>
#include "images.h"

struct Mounted {
    Mounted(const fs::FileSystemDriver& driver, ImageDevice device)
        : driver(driver), disk(std::move(device))
    {
        mount();
    }
    Mounted(const fs::FileSystemDriver& driver, const std::string& file, uint32_t block_bytes = 512)
        : Mounted(driver, ImageDevice::load(file, block_bytes))
    {
        EXPECT_NE(system, nullptr) << file << ": " << all_log();
    }
    Error mount()
    {
        auto mounted = driver.mount(*BlockCache::make_for(disk).value());
        system = mounted ? mounted.value() : nullptr;
        return mounted.error();
    }
    Result<fs::Node*> look_up(std::string_view path, bool follow = true)
    {
        return fs::look_up(*system, path, follow);
    }
    fs::Node& node(std::string_view path, bool follow = true)
    {
        auto found = look_up(path, follow);
        if (!found) throw std::runtime_error("no " + std::string(path) + "\n" + all_log());
        return *found.value();
    }
    std::vector<std::byte> content(std::string_view path)
    {
        fs::Node& file = node(path);
        std::vector<std::byte> bytes(file.size + 10);
        auto got = file.read(0, bytes);
        EXPECT_TRUE(got) << path;
        bytes.resize(got.value());
        return bytes;
    }
    std::string link(std::string_view path)
    {
        Text<fs::max_path> target;
        EXPECT_TRUE(node(path, false).read_link(target)) << path;
        return std::string(target.view());
    }
    std::vector<std::string> list(std::string_view path)
    {
        std::vector<std::string> names;
        fs::DirectoryEntry entry;
        uint64_t position = 0;
        while (node(path).next_entry(position, entry).value()) {
            names.emplace_back(entry.name.view());
            fs::Node* found = node(path).find(entry.name).value();
            EXPECT_EQ(found->type, entry.type) << entry.name.view();
            EXPECT_EQ(found->id, entry.id) << entry.name.view();
        }
        return names;
    }
    std::string all_log() const
    {
        std::string all;
        for (auto& line : machine.log) all += line + "\n";
        return all;
    }

    // tree.py's files, with their content, and its links.
    void expect_tree(bool big, bool links)
    {
        std::map<std::string, size_t> files = {
            {"kexec", 32768},
            {"empty", 0},
            {"hello.txt", 13},
            {"block", 4096},
            {"odd", 5000},
            {"medium", 300'000},
            {"big", 6'000'000},
            {"dir/sub/deep.txt", 100},
            {"A long name with spaces, and more than thirteen characters.text", 1000}};
        if (!big) files.erase("big");
        for (unsigned i = 0; i < 300; ++i) {
            std::string number = std::to_string(1000 + i).substr(1);
            files["many/file" + number] = i;
        }
        for (auto& [path, size] : files) expect_file(path, size);
        EXPECT_EQ(list("many").size(), 300u);
        EXPECT_EQ(list("dir").size(), links ? 2u : 1u);
        EXPECT_EQ(look_up("nothing").error(), Error::not_found);
        EXPECT_EQ(look_up("hello.txt/x").error(), Error::not_directory);
        if (!links) return;
        EXPECT_EQ(link("link"), "hello.txt");
        EXPECT_EQ(link("dir/up"), "../hello.txt");
        EXPECT_EQ(link("absolute"), "/dir/sub");
        EXPECT_EQ(&node("dir/up"), &node("hello.txt"));
        EXPECT_EQ(&node("absolute/deep.txt"), &node("dir/sub/deep.txt"));
        EXPECT_EQ(look_up("dangling").error(), Error::not_found);
        EXPECT_EQ(look_up("loop").error(), Error::too_large);
    }
    void expect_file(const std::string& path, size_t size)
    {
        ASSERT_TRUE(look_up(path)) << path << "\n" << all_log();
        fs::Node& file = node(path);
        EXPECT_EQ(file.type, fs::NodeType::file);
        ASSERT_EQ(file.size, size) << path;
        std::string name = path.substr(path.rfind('/') + 1);
        EXPECT_EQ(content(path), expected_content(name, size)) << path;
    }
    void expect_pieces(std::string_view path)
    {
        fs::Node& file = node(path);
        auto whole = content(path);
        std::mt19937 random(1);
        for (int i = 0; i < 300; ++i) {
            size_t offset = random() % (whole.size() + 100);
            size_t length = 1 + random() % (i % 2 ? 300 : 30000);
            std::vector<std::byte> bytes(length);
            size_t got = file.read(offset, bytes).value();
            ASSERT_EQ(got, offset < whole.size() ? std::min(length, whole.size() - offset) : 0);
            ASSERT_EQ(memcmp(bytes.data(), whole.data() + offset, got), 0) << offset;
        }
    }

    FakeMachine machine;
    const fs::FileSystemDriver& driver;
    ImageDevice disk;
    fs::FileSystem* system = nullptr;
};
