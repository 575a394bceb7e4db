// SPDX-License-Identifier: BSD-2-Clause
// What has to come to the medium in some order, one thing at a time, on any file system; and what
// there has to be wherever the power went. A file that is moved always has one of its two names.
//
//   PowerSteps steps(disk);
//   steps.run();
//   ... unmount; then for each cut of the disk from steps.from on: check it, mount it ...
//   steps.compare(cut.moment);
#pragma once
#include <map>
#include <set>
#include <string>
#include <vector>
#include "fs/volumes.h"
#include "fs_model.h"
#include "power_cut.h"

class PowerSteps {
public:
    explicit PowerSteps(const PowerCutDisk& disk) : disk_(disk) {}

    // The root is the disk, which is empty. A folder has two names while it is moved.
    void run(bool moves_folders = true)
    {
        for (const char* path : {"/a", "/b", "/a/sub"}) make_folder(path);
        for (unsigned i = 0; i < 12; ++i) put(name("/a/", i), i);
        put("/a/sub/inner", 20);
        sync();
        from = disk_.now();
        move(name("/a/", 0), name("/b/", 0));
        sync();
        put("/new", 21);
        move("/new", name("/a/", 1));
        sync();
        // Another takes its place, so that it comes elsewhere.
        remove(name("/a/", 2));
        put(name("/a/", 50), 22);
        put(name("/a/", 2), 23);
        sync();
        if (moves_folders) move("/a/sub", "/b/sub");
        sync();
        put("/large", 24, 600'000);
        sync();
        for (unsigned i = 100; i < 180; ++i) put(name("/a/", i), i, 0);
        sync();
        for (unsigned i = 100; i < 180; i += 2) move(name("/a/", i), name("/b/", i));
        if (moves_folders) move("/b/sub", "/a/sub");
        sync();
        make_folder("/a/sub/second");
        move("/a/sub/inner", "/a/sub/second/inner");
        remove("/large");
        put("/small", 25, 40'000);
        sync();
    }
    // What was synced by then.
    void compare(size_t moment, const std::string& prefix = "") const
    {
        auto state = states_.rbegin();
        while (state != states_.rend() && state->moment > moment) ++state;
        ASSERT_NE(state, states_.rend());
        auto has = [&](const std::string& path, const std::string& content) {
            auto found = fs::look_up(prefix + path);
            return found && fs_model::read_all(*found.value().node) == content;
        };
        for (auto& [path, content] : state->files) {
            if (state->changed.contains(path)) continue;
            auto to = state->moved.find(path);
            EXPECT_TRUE(has(path, content) ||
                        (to != state->moved.end() && has(to->second, content)))
                << path;
        }
    }
    size_t from = 0;

private:
    struct State {
        size_t moment;
        std::map<std::string, std::string> files, moved = {};  // since then: to another name
        std::set<std::string> changed = {};                    // or are not what they were
    };
    static std::string name(const std::string& folder, unsigned number)
    {
        return folder + "file with a longer name " + std::to_string(1000 + number);
    }
    void sync()
    {
        ASSERT_TRUE(fs::sync());
        states_.push_back({disk_.now(), files_});
    }
    void change(const std::string& path)
    {
        if (!states_.empty()) states_.back().changed.insert(path);
    }
    static void make_folder(const std::string& path)
    {
        ASSERT_TRUE(fs::create(path, fs::NodeType::directory, 0755)) << path;
    }
    void put(const std::string& path, unsigned seed, size_t bytes = 1500)
    {
        change(path);
        std::string text(bytes, 0);
        for (size_t i = 0; i < bytes; ++i) text[i] = char(seed + i * 7 + (i >> 8));
        auto made = fs::create(path, fs::NodeType::file, 0644);
        ASSERT_TRUE(made) << path << ": " << error_text(made.error());
        auto written = made.value()->write(0, std::as_bytes(std::span(text)));
        ASSERT_TRUE(written) << path << ": " << error_text(written.error());
        files_[path] = text;
    }
    void remove(const std::string& path)
    {
        change(path);
        ASSERT_TRUE(fs::remove(path)) << path;
        files_.erase(path);
    }
    // A file, or a folder with what is in it.
    void move(const std::string& path, const std::string& to)
    {
        ASSERT_TRUE(fs::rename(path, to)) << path;
        for (auto& [old, text] : std::map(files_)) {
            if (old != path && !old.starts_with(path + "/")) continue;
            std::string now = to + old.substr(path.size());
            if (files_.contains(now)) change(now);
            if (!states_.empty()) states_.back().moved[old] = now;
            files_.erase(old);
            files_[now] = text;
        }
    }

    const PowerCutDisk& disk_;
    std::vector<State> states_;
    std::map<std::string, std::string> files_;
};
