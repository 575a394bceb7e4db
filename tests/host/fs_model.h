// SPDX-License-Identifier: BSD-2-Clause
// Random operations by path on a volume, beside a model of what they should have done. Any file
// system that can be written:
//
//   TEST_P(FatRandom, LeavesWhatTheModelHas)
//   {
//       fs_model::RandomOperations operations(
//           GetParam(), {.prefix = "wd0:", .hard_links = false, .pause_every = 100,
//                        .pause = [&] { operations.close_files(); remount(); run_checker(); }});
//       operations.run(2500);
//   }
#pragma once
#include <gtest/gtest.h>
#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>
#include "fs/open_file.h"

namespace fs_model {

using fs::NodeType;

struct Options {
    std::string prefix = {};       // of each path, without its slash: "wd0p1:"; "": the root
    std::string link_prefix = {};  // what links begin with, where the prefix is a directory
    std::vector<std::string> names = {"a", "b", "c", "d"};
    bool symbolic_links = true, hard_links = true;
    bool may_fill = false;  // no_space, and a write that ends early, are no failures
    bool may_fail = false;  // device, no_memory: such an operation is the last, and has touched
                            // what it was about
    size_t largest_offset = 20'000, largest_write = 10'000;
    unsigned compare_every = 1;        // steps; 0: not even at the end
    unsigned pause_every = 0;          // steps; 0: never
    std::function<void()> pause = {};  // to sync, to mount anew, to run a checker
    std::function<void()> tick = {};   // moves the clock before each step; without, no times are
                                       // compared
    bool top_has_time = true;
    std::function<void(const struct Object&)> touched = {};  // what has been changed, lost a name,
                                                             // or has another
};

struct Object {
    explicit Object(NodeType is, std::string holds = {})
        : type(is), data(std::move(holds)), modified(fs::now_s())
    {
    }
    NodeType type;
    std::string data;      // of a link: where it leads
    int64_t modified = 0;  // seconds, as in fs::Node
    std::map<std::string, std::shared_ptr<Object>> entries;
};
using ObjectPointer = std::shared_ptr<Object>;

// Appends the piece until an error ends that; less than all of it is no_space.
inline Error fill(fs::Node& file, std::string_view piece)
{
    for (;;) {
        auto written = file.write(file.size, std::as_bytes(std::span(piece)));
        if (!written) return written.error();
        if (written.value() < piece.size()) return Error::no_space;
    }
}

inline std::string read_all(fs::Node& node)
{
    std::string all(size_t(node.size), '?');
    auto read = node.read(0, std::as_writable_bytes(std::span(all)));
    EXPECT_TRUE(read) << error_text(read.error());
    all.resize(read ? std::min(read.value(), all.size()) : 0);
    return all;
}

inline std::vector<std::string> list(fs::Node& directory)
{
    std::vector<std::string> names;
    fs::DirectoryEntry entry;
    for (uint64_t position = 0;;) {
        auto next = directory.next_entry(position, entry);
        EXPECT_TRUE(next) << error_text(next.error());
        if (!next || !next.value()) return names;
        names.emplace_back(entry.name.view());
    }
}

class RandomOperations {
public:
    // The volume is empty.
    RandomOperations(unsigned seed, Options options) : options_(std::move(options)), random_(seed)
    {
    }
    ~RandomOperations() { close_files(); }
    RandomOperations(const RandomOperations&) = delete;

    void run(unsigned steps)
    {
        if (auto top = fs::look_up(options_.prefix + "/"))
            top_->modified = top.value().node->modified_s;
        for (unsigned i = 0; i < steps && !failed_ && !testing::Test::HasFailure(); ++i) {
            SCOPED_TRACE("step " + std::to_string(i));
            if (i % 50 == 0) keep_nodes(std::array{0, 1000, 5}[i / 50 % 3]);
            if (options_.tick) options_.tick();
            step();
            if (options_.pause_every && i % options_.pause_every == options_.pause_every - 1)
                options_.pause();
            if (options_.compare_every && i % options_.compare_every == 0) compare();
        }
        if (options_.compare_every) compare();
    }
    // The volume has what the model has.
    void compare()
    {
        names_of_.clear();
        count_names(*top_);
        auto found = fs::look_up(options_.prefix + "/");
        ASSERT_TRUE(found) << error_text(found.error());
        compare(*found.value().node, *top_, "");
        for (auto& [handle, file] : files_)
            EXPECT_TRUE(read_all(fs::open_file(handle)->node()) == file->data) << "an open file";
    }
    const Object& top() const { return *top_; }
    bool has_failed() const { return failed_; }
    // How many failed for want of space.
    unsigned refused() const { return refused_; }
    // Those that it has opened. Before a volume is unmounted.
    void close_files()
    {
        for (auto& [handle, file] : files_) fs::open_file(handle)->close();
        files_.clear();
    }

private:
    // 0: what can be given up is, before each operation.
    void keep_nodes(int most)
    {
        if (auto top = fs::look_up(options_.prefix + "/"))
            top.value().volume->file_system->nodes.set_limit(size_t(most));
    }
    unsigned pick(size_t count) { return unsigned(random_() % count); }
    std::string some_path()
    {
        std::string path;
        for (unsigned depth = 1 + pick(4); depth--;)
            path += "/" + options_.names[pick(options_.names.size())];
        return path;
    }

    // ---- what the kernel should say, and the model then has

    struct Where {
        ObjectPointer directory;
        std::vector<ObjectPointer> way;  // from the top to the directory
        std::string name;
        ObjectPointer object;  // null: nothing has the name
    };
    Error resolve(const std::string& path, ObjectPointer& found, std::vector<ObjectPointer>& way)
    {
        way = {top_};
        std::string rest = path;
        for (unsigned links = 0; !rest.empty();) {
            size_t begin = rest.find_first_not_of('/');
            if (begin == rest.npos) break;
            size_t end = std::min(rest.find('/', begin), rest.size());
            std::string name = rest.substr(begin, end - begin);
            rest = rest.substr(end);
            if (way.back()->type != NodeType::directory) return Error::not_directory;
            auto entry = way.back()->entries.find(name);
            if (entry == way.back()->entries.end()) return Error::not_found;
            if (entry->second->type == NodeType::symlink) {
                if (++links > fs::max_link_depth) return Error::too_large;
                way = {top_};  // all links are absolute
                rest = entry->second->data + rest;
                continue;
            }
            way.push_back(entry->second);
        }
        found = way.back();
        return {};
    }
    Error parent(const std::string& path, Where& where)
    {
        size_t slash = path.rfind('/');
        where.name = path.substr(slash + 1);
        Error error = resolve(path.substr(0, slash), where.directory, where.way);
        if (error == Error{} && where.directory->type != NodeType::directory)
            error = Error::not_directory;
        if (error != Error{}) {
            where.way.clear();
            return error;
        }
        auto entry = where.directory->entries.find(where.name);
        where.object = entry == where.directory->entries.end() ? nullptr : entry->second;
        return {};
    }
    Error make(const std::string& path, ObjectPointer made)
    {
        Where where;
        if (Error error = parent(path, where); error != Error{}) return error;
        if (where.object) return Error::exists;
        where.directory->entries[where.name] = std::move(made);
        where.directory->modified = fs::now_s();
        return {};
    }
    Error remove(const std::string& path)
    {
        Where where;
        if (Error error = parent(path, where); error != Error{}) return error;
        if (!where.object) return Error::not_found;
        if (!where.object->entries.empty()) return Error::not_empty;
        touch(*where.object);
        where.directory->entries.erase(where.name);
        where.directory->modified = fs::now_s();
        return {};
    }
    Error add_name(const std::string& path, const std::string& to)
    {
        Where from;
        if (Error error = parent(path, from); error != Error{}) return error;
        if (!from.object) return Error::not_found;
        if (from.object->type == NodeType::directory) return Error::is_directory;
        return make(to, from.object);
    }
    Error rename(const std::string& path, const std::string& new_path)
    {
        Where from, to;
        if (Error error = parent(path, from); error != Error{}) return error;
        if (!from.object) return Error::not_found;
        bool directory = from.object->type == NodeType::directory;
        Error error = parent(new_path, to);
        if (directory && std::count(to.way.begin(), to.way.end(), from.object))
            return Error::invalid;
        if (error != Error{}) return error;
        if (to.object == from.object) return {};
        if (to.object && directory && to.object->type != NodeType::directory)
            return Error::not_directory;
        if (to.object && !directory && to.object->type == NodeType::directory)
            return Error::is_directory;
        if (to.object && !to.object->entries.empty()) return Error::not_empty;
        touch(*from.object);
        if (to.object) touch(*to.object);
        to.directory->entries[to.name] = from.object;
        from.directory->entries.erase(from.name);
        from.directory->modified = to.directory->modified = fs::now_s();
        return {};
    }

    // ---- the same on the volume

    void touch(const Object& object)
    {
        if (options_.touched) options_.touched(object);
    }
    bool failed(Error got)
    {
        failed_ |= options_.may_fail && (got == Error::device || got == Error::no_memory);
        return failed_;
    }
    // False: it was full, which is no failure, and nothing has changed.
    bool was_done(Error got)
    {
        bool is_full = options_.may_fill && got == Error::no_space;
        refused_ += is_full;
        return !is_full;
    }
    void check(Error got, const std::function<Error()>& model, const std::string& what)
    {
        if (failed(got)) {
            model();  // so that it is told of what was touched
            return;
        }
        if (!was_done(got)) return;
        EXPECT_EQ(got, model()) << what << ": " << error_text(got);
    }
    void change(fs::Node& node, Object& file)
    {
        size_t offset = pick(options_.largest_offset);
        if (pick(3) == 0) {
            Error error = node.truncate(offset).error();
            if (failed(error) || !was_done(error)) return touch(file);  // longer for a moment
            EXPECT_EQ(error, Error{}) << "truncate to " << offset << ": " << error_text(error);
            file.data.resize(offset);
            file.modified = fs::now_s();
            touch(file);
            return;
        }
        std::string text(pick(options_.largest_write), 0);
        auto seed = unsigned(random_());
        for (size_t i = 0; i < text.size(); ++i) text[i] = char(seed + i * 7 + (i >> 8));
        auto written = node.write(offset, std::as_bytes(std::span(text)));
        if (failed(written.error()) || !was_done(written.error())) return touch(file);
        ASSERT_TRUE(written) << error_text(written.error());
        ASSERT_LE(written.value(), text.size());
        ASSERT_TRUE(options_.may_fill || written.value() == text.size()) << written.value();
        text.resize(written.value());
        if (text.empty()) return;
        file.data.resize(std::max(file.data.size(), offset + text.size()));
        file.data.replace(offset, text.size(), text);
        file.modified = fs::now_s();
        touch(file);
    }
    void read_part(fs::Node& node, const Object& file)
    {
        size_t offset = pick(options_.largest_offset);
        std::string part(pick(options_.largest_write), '?');
        auto read = node.read(offset, std::as_writable_bytes(std::span(part)));
        if (failed(read.error())) return;
        ASSERT_TRUE(read) << error_text(read.error());
        size_t left = file.data.size() - std::min(file.data.size(), offset);
        ASSERT_EQ(read.value(), std::min(part.size(), left)) << "at " << offset;
        EXPECT_TRUE(file.data.compare(std::min(offset, file.data.size()), read.value(), part, 0,
                                      read.value()) == 0)
            << read.value() << " bytes at " << offset;
    }
    void use_file(const std::string& path)
    {
        ObjectPointer file;
        std::vector<ObjectPointer> way;
        Error expected = resolve(path, file, way);
        auto found = fs::look_up(options_.prefix + path);
        if (failed(found.error())) return;
        ASSERT_EQ(found.error(), expected) << path << ": " << error_text(found.error());
        if (expected != Error{} || file->type != NodeType::file) return;
        if (pick(3) == 0) return read_part(*found.value().node, *file);
        change(*found.value().node, *file);
        if (pick(8) || files_.size() == 4) return;
        auto handle = fs::open(options_.prefix + path, fs::open_read | fs::open_write);
        ASSERT_TRUE(handle) << error_text(handle.error());
        files_[handle.value()] = file;
    }
    void use_open_file()
    {
        if (files_.empty()) return;
        auto chosen = std::next(files_.begin(), pick(files_.size()));
        fs::OpenFile& file = *fs::open_file(chosen->first);
        if (pick(3)) return change(file.node(), *chosen->second);
        file.close();
        files_.erase(chosen);
    }
    void step()
    {
        std::string path = some_path(), other = some_path();
        std::string at = options_.prefix + path, to = options_.prefix + other;
        switch (pick(12)) {
        case 0:
        case 1:
            check(
                fs::create(at, NodeType::file, 0644).error(),
                [&] { return make(path, std::make_shared<Object>(NodeType::file)); },
                "create " + path);
            break;
        case 2:
        case 3:
            check(
                fs::create(at, NodeType::directory, 0755).error(),
                [&] { return make(path, std::make_shared<Object>(NodeType::directory)); },
                "make directory " + path);
            break;
        case 4:
            if (!options_.symbolic_links) return use_file(path);
            check(
                fs::make_link(at, options_.link_prefix + other).error(),
                [&] { return make(path, std::make_shared<Object>(NodeType::symlink, other)); },
                "link " + path + " to " + other);
            break;
        case 5:
            if (!options_.hard_links) return use_file(path);
            check(
                fs::add_name(at, to).error(), [&] { return add_name(path, other); },
                "name " + path + " also " + other);
            break;
        case 6:
            check(
                fs::remove(at).error(), [&] { return remove(path); }, "remove " + path);
            break;
        case 7:
            check(
                fs::rename(at, to).error(), [&] { return rename(path, other); },
                "rename " + path + " to " + other);
            break;
        case 8: return use_open_file();
        default: use_file(path);
        }
    }

    // ---- comparing

    void count_names(const Object& directory)
    {
        for (auto& [name, child] : directory.entries) {
            ++names_of_[child.get()];
            count_names(*child);
        }
    }
    void compare(fs::Node& node, const Object& object, const std::string& path)
    {
        ASSERT_EQ(node.type, object.type) << path;
        if (options_.tick && (options_.top_has_time || &object != top_.get())) {
            ASSERT_EQ(node.modified_s, object.modified) << path;
        }
        if (object.type == NodeType::directory) return compare_entries(node, object, path);
        EXPECT_EQ(node.links, names_of_[&object]) << path;
        if (object.type == NodeType::file) {
            ASSERT_EQ(node.size, object.data.size()) << path;
            ASSERT_TRUE(read_all(node) == object.data) << path;
        } else {
            Text<fs::max_path> target;
            ASSERT_TRUE(node.read_link(target)) << path;
            ASSERT_EQ(target.view(), options_.link_prefix + object.data) << path;
        }
    }
    void compare_entries(fs::Node& node, const Object& object, const std::string& path)
    {
        auto names = list(node);
        std::sort(names.begin(), names.end());
        ASSERT_EQ(names.size(), object.entries.size()) << path;
        size_t i = 0;
        for (auto& [name, child] : object.entries) {
            ASSERT_EQ(names[i++], name) << path;
            auto found = node.find(name);
            ASSERT_TRUE(found) << path << "/" << name << ": " << error_text(found.error());
            ASSERT_NE(found.value(), nullptr) << path << "/" << name;
            compare(*found.value(), *child, path + "/" + name);
        }
    }

    Options options_;
    std::mt19937 random_;
    unsigned refused_ = 0;
    bool failed_ = false;
    ObjectPointer top_ = std::make_shared<Object>(NodeType::directory);
    std::map<uint32_t, ObjectPointer> files_;  // by handle
    std::map<const Object*, unsigned> names_of_;
};

}  // namespace fs_model
