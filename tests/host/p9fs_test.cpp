// SPDX-License-Identifier: BSD-2-Clause
// A volume on a file server: what is done there, and what becomes of a server that fails or lies.
#include <gmock/gmock.h>
#include "fakes/file_server.h"
#include "fakes/machine.h"
#include "fs/open_file.h"
#include "fs_model.h"

namespace {

using fs::NodeType;
using testing::ElementsAre, testing::UnorderedElementsAre;

struct P9Test : testing::Test {
    P9Test()
    {
        publish(server, "vio9p");
        server.tag = std::string_view("share");
    }
    ~P9Test() override
    {
        fs::close_all();
        fs::set_root(nullptr);
        if (fs::Volume* volume = fs::first_volume()) {
            auto unmounted = fs::unmount(*volume);
            EXPECT_TRUE(unmounted || unmounted.error() == Error::gone);
            EXPECT_TRUE(!unmounted || server.fid_count() == 0) << server.fid_count();
        }
        EXPECT_EQ(FakeHeap::live(), 0u);
        if (!HasFailure()) return;
        for (auto& line : machine.log) std::cout << "log: " << line << "\n";
    }
    void mount()
    {
        auto volume = fs::volume("share");
        ASSERT_TRUE(volume) << error_text(volume.error());
        fs::set_root(volume.value());
    }
    static fs::Node& node(std::string_view path, bool follow = true)
    {
        auto found = fs::look_up(path, follow);
        EXPECT_TRUE(found) << path << ": " << error_text(found.error());
        if (!found) abort();
        return *found.value().node;
    }
    static Result<size_t> write(fs::Node& node, uint64_t offset, std::string_view text)
    {
        return node.write(offset, std::as_bytes(std::span(text)));
    }
    static void make(std::string_view path, std::string_view text = "")
    {
        auto made = fs::create(path, NodeType::file, 0644);
        ASSERT_TRUE(made) << path << ": " << error_text(made.error());
        EXPECT_EQ(write(*made.value(), 0, text).value(), text.size());
    }
    static std::string text(std::string_view path) { return fs_model::read_all(node(path)); }
    // On the server, by nobody's path through the kernel.
    FakeFileServer::Pointer put(const std::string& name, const std::string& data)
    {
        auto file = server.make(0100644);
        file->data = data;
        server.enter(*server.top, name, file);
        return file;
    }
    FakeMachine machine;
    FakeFileServer server;
};

TEST_F(P9Test, IsCalledByItsUnitAndByItsTag)
{
    put("hello", "text");
    fs::Volume* volume = fs::volume("vio9p0").value();
    EXPECT_EQ(fs::volume("share").value(), volume);
    EXPECT_EQ(fs::volume("other").error(), Error::not_found);
    EXPECT_EQ(fs::volume("").error(), Error::not_found);
    EXPECT_EQ(volume->name.view(), "vio9p0");
    EXPECT_EQ(volume->channel, &server);
    EXPECT_STREQ(volume->file_system->type, "9p");
    EXPECT_EQ(volume->file_system->label.view(), "share");
    EXPECT_EQ(volume->file_system->bytes, 4096'000u);
    EXPECT_EQ(volume->file_system->free_bytes().value(), 2048'000u);
    EXPECT_EQ(volume->file_system->read_only, nullptr);
    EXPECT_EQ(text("share:/hello"), "text");
    EXPECT_EQ(text("vio9p0:hello"), "text");
    server.blocks = server.free_blocks = ~0ull;
    EXPECT_EQ(volume->file_system->free_bytes().value(), ~0ull);
}

TEST_F(P9Test, FilesAreWrittenAndRead)
{
    mount();
    make("/file", "Hello");
    EXPECT_EQ(server.top->entries.at("file")->data, "Hello");
    EXPECT_EQ(server.top->entries.at("file")->mode, 0100644u);
    fs::Node& file = node("/file");
    EXPECT_EQ(file.mode, 0644);
    EXPECT_EQ(write(file, 3, "p!").value(), 2u);
    EXPECT_EQ(text("/file"), "Help!");
    std::byte none[1];
    EXPECT_EQ(file.read(5, none).value(), 0u);
    EXPECT_EQ(file.read(~0ull, none).value(), 0u);
    EXPECT_EQ(write(file, 1 << 20, "end").value(), 3u);
    EXPECT_EQ(file.size, (1u << 20) + 3);
    EXPECT_EQ(text("/file"), "Help!" + std::string((1 << 20) - 5, 0) + "end");
    EXPECT_EQ(write(file, ~0ull, "x").error(), Error::too_large);
    EXPECT_EQ(write(file, fs::max_file_bytes, "x").error(), Error::too_large);
    EXPECT_EQ(file.truncate(~0ull).error(), Error::too_large);
    EXPECT_EQ(file.truncate(1ull << 40).error(), Error::too_large);  // the server says so
    EXPECT_EQ(node("/").read(0, none).error(), Error::is_directory);
    EXPECT_EQ(node("/").write(0, none).error(), Error::is_directory);
    EXPECT_EQ(node("/").truncate(0).error(), Error::is_directory);
    EXPECT_EQ(fs::create("/file", NodeType::file, 0644).error(), Error::exists);
    EXPECT_EQ(fs::create("/file/x", NodeType::file, 0644).error(), Error::not_directory);
    EXPECT_EQ(fs::create("/none/x", NodeType::file, 0644).error(), Error::not_found);
    for (size_t length : {256, 800, 4000})
        EXPECT_EQ(fs::create("/" + std::string(length, 'n'), NodeType::file, 0644).error(),
                  Error::too_large);
    make("/\xff\x80 \n\\", "names are bytes");
    EXPECT_EQ(server.top->entries.count("\xff\x80 \n\\"), 1u);
}

TEST_F(P9Test, MuchGoesInMessagesAsLargeAsTheServerTakes)
{
    for (uint32_t most : {4096u, 65536u + 24, ~0u}) {
        server.most_message = most;
        mount();
        std::string data(3'000'000, 0);
        for (size_t i = 0; i < data.size(); ++i) data[i] = char(i * 7 + (i >> 8));
        server.counts.clear();
        make("/file", data);
        size_t piece = std::min<size_t>(most - 24, 1 << 20);
        EXPECT_EQ(server.counts[118], (data.size() + piece - 1) / piece);
        EXPECT_EQ(text("/file"), data);
        EXPECT_EQ(server.counts[116], (data.size() + piece - 1) / piece);
        server.unreachable = true;  // all of it is copied
        EXPECT_EQ(text("/file"), data);
        EXPECT_EQ(write(node("/file"), 1, data).value(), data.size());
        EXPECT_EQ(text("/file"), data[0] + data);
        server.unreachable = false;
        fs::set_root(nullptr);
        ASSERT_TRUE(fs::remove("share:/file"));
        ASSERT_TRUE(fs::unmount(*fs::first_volume()));
    }
}

TEST_F(P9Test, WhatOthersChangeIsSeen)
{
    auto file = put("file", "one");
    mount();
    EXPECT_EQ(text("/file"), "one");
    file->data = "and two", file->modified_s = 5, file->mode = 0100600;
    EXPECT_EQ(text("/file"), "and two");
    EXPECT_EQ(node("/file").modified_s, 5);
    EXPECT_EQ(node("/file").mode, 0600);
    fs::Node* old = &node("/file");
    put("file", "another file");  // as editors save
    EXPECT_EQ(text("/file"), "another file");
    EXPECT_NE(&node("/file"), old);
    server.leave(*server.top, "file");
    EXPECT_EQ(fs::look_up("/file").error(), Error::not_found);
    server.top->entries["file"] = file;  // and again, in another place
    EXPECT_EQ(&node("/file"), old);
    EXPECT_EQ(fs_model::read_all(*old), "and two");
}

TEST_F(P9Test, ADirectoryThatHasBeenMovedByOthersIsNotMistaken)
{
    mount();
    ASSERT_TRUE(fs::create("/d", NodeType::directory, 0755));
    make("/d/file", "in d");
    ASSERT_TRUE(fs::create("/e", NodeType::directory, 0755));
    make("/e/file", "in e");
    fs::Node &d = node("/d"), &file = node("/d/file");
    ASSERT_TRUE(fs::sync());  // nothing is open
    std::swap(server.top->entries["d"], server.top->entries["e"]);
    EXPECT_EQ(file.set_mode(0400).error(), Error::not_found);
    std::byte piece[10];
    EXPECT_EQ(file.read(0, piece).error(), Error::not_found);
    EXPECT_EQ(d.create("x", NodeType::file, 0644).error(), Error::not_found);
    EXPECT_EQ(d.find("file").value(), nullptr);
    EXPECT_EQ(text("/e/file"), "in d");
    EXPECT_EQ(&node("/e/file"), &file);
    EXPECT_TRUE(file.set_mode(0400));
}

TEST_F(P9Test, ANumberThatIsAnotherObjectsNow)
{
    auto file = put("file", "text");
    mount();
    fs::Node* old = &node("/file");
    uint32_t handle = fs::open("/file", fs::open_read).value();
    server.leave(*server.top, "file");
    auto directory = server.make(0040755);
    directory->id = file->id;
    server.enter(*server.top, "file", directory);
    EXPECT_EQ(node("/file").type, NodeType::directory);
    EXPECT_NE(&node("/file"), old);
    make("/file/x");
    EXPECT_THAT(fs_model::list(node("/")), ElementsAre("file"));
    std::byte piece[10];
    EXPECT_FALSE(fs::open_file(handle)->read(piece));  // it had not been read: it is not open there
}

TEST_F(P9Test, DirectoriesAreListed)
{
    constexpr int count = 300;
    mount();
    for (int i = 0; i < count; ++i) put("entry " + std::to_string(i), "");
    for (size_t most : {1, 7, 1000}) {
        server.most_entries = most;
        auto names = fs_model::list(node("/"));
        ASSERT_EQ(names.size(), size_t(count));
        for (int i = 0; i < count; ++i) EXPECT_EQ(names[size_t(i)], "entry " + std::to_string(i));
    }
    fs::DirectoryEntry entry;
    std::set<std::string> seen;
    fs::Node& root = node("/");
    for (uint64_t position = 0; root.next_entry(position, entry).value();) {
        std::string name(entry.name.view());
        EXPECT_TRUE(seen.insert(name).second) << name;
        int number = std::stoi(name.substr(6));
        std::string next = "/entry " + std::to_string(number + 1);
        EXPECT_TRUE(number % 3 != 0 || fs::remove("/" + name));
        EXPECT_TRUE(number % 3 != 1 || number == count - 1 || fs::remove(next));
    }
    for (int i = 0; i < count; ++i)
        EXPECT_EQ(seen.contains("entry " + std::to_string(i)), i % 3 != 2) << i;
    uint64_t ahead = 0, behind = 0;
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(root.next_entry(ahead, entry).value());
    for (int i = 0; i < 20; ++i) {
        ASSERT_TRUE(root.next_entry(behind, entry).value());
        EXPECT_EQ(entry.name.view(), "entry " + std::to_string(i * 3 + 1));
        ASSERT_TRUE(root.next_entry(ahead, entry).value());
        EXPECT_EQ(entry.name.view(), "entry " + std::to_string((i + 20) * 3 + 1));
    }
}

TEST_F(P9Test, EntriesHaveTypes)
{
    put("file", "");
    server.enter(*server.top, "directory", server.make(0040755));
    server.enter(*server.top, "link", server.make(0120777));
    server.enter(*server.top, "pipe", server.make(0010644));
    mount();
    for (bool says : {true, false}) {
        if (!says) server.kind_of = [](const FakeFileServer::Object&) { return uint8_t(0); };
        fs::DirectoryEntry entry;
        std::map<std::string, NodeType> types;
        for (uint64_t position = 0; node("/").next_entry(position, entry).value();)
            types[std::string(entry.name.view())] = entry.type;
        EXPECT_EQ(types, (std::map<std::string, NodeType>{{"file", NodeType::file},
                                                          {"directory", NodeType::directory},
                                                          {"link", NodeType::symlink},
                                                          {"pipe", NodeType::other}}));
    }
    std::byte piece[10];
    EXPECT_EQ(node("/pipe").read(0, piece).error(), Error::unsupported);
    EXPECT_EQ(node("/pipe").write(0, piece).error(), Error::unsupported);
}

TEST_F(P9Test, DeepDirectories)
{
    mount();
    std::string path, name(200, 'n');
    for (int depth = 0; depth < 18; ++depth) {
        path += "/" + name;
        ASSERT_TRUE(fs::create(path, NodeType::directory, 0755)) << depth;
    }
    std::string shallow;
    for (int depth = 0; depth < 100; ++depth) {
        shallow += "/d";
        ASSERT_TRUE(fs::create(shallow, NodeType::directory, 0755)) << depth;
    }
    for (auto& deep : {path, shallow}) {
        make(deep + "/file", "deep");
        EXPECT_TRUE(fs::rename(deep + "/file", deep + "/renamed"));
        EXPECT_EQ(text(deep + "/renamed"), "deep");
        EXPECT_EQ(fs::look_up(deep + "/file").error(), Error::not_found);
        EXPECT_TRUE(fs::remove(deep + "/renamed"));
    }
    EXPECT_LT(server.fid_count(), 10u);
}

// The messages of one operation, in folders that are so deep.
TEST_F(P9Test, EachNameOfAPathIsOneStep)
{
    mount();
    std::string folder;
    for (unsigned depth = 1; depth <= 100; ++depth) {
        folder += "/d";
        auto asks = [&](unsigned most, auto work) {
            unsigned before = server.messages;
            ASSERT_TRUE(work()) << depth;
            EXPECT_LE(server.messages - before, most) << depth;
        };
        const unsigned along = 2 * depth, anew = (depth + 15) / 16;
        asks(along + 3, [&] { return fs::create(folder, NodeType::directory, 0755); });
        asks(along + 6, [&] { return fs::create(folder + "/x", NodeType::file, 0644); });
        asks(along + 3, [&] { return fs::look_up(folder + "/x"); });
        asks(along + 3, [&] { return fs::make_link(folder + "/link", "x"); });
        asks(along + 8 + 2 * anew, [&] { return fs::remove(folder + "/link"); });
        asks(2 * along + 11 + 2 * anew, [&] { return fs::rename(folder + "/x", folder + "/y"); });
    }
}

TEST_F(P9Test, WhatIsDoneByHandleDoesNotTrustThePathBeforeIt)
{
    server.kind_of = [](const FakeFileServer::Object&) { return uint8_t(0); };
    mount();
    ASSERT_TRUE(fs::create("/d", NodeType::directory, 0755));
    ASSERT_TRUE(fs::create("/e", NodeType::directory, 0755));
    make("/d/file");
    ASSERT_TRUE(fs::create("/e/file", NodeType::directory, 0755));
    uint32_t handle = fs::open("/d", fs::open_read).value();
    fs::OpenFile& directory = *fs::open_file(handle);
    fs::DirectoryEntry entry;
    ASSERT_TRUE(directory.next_entry(entry).value());
    EXPECT_EQ(entry.type, NodeType::file);
    EXPECT_EQ(fs::look_up("/d/none").error(), Error::not_found);  // a fid leads to /d now
    server.leave(*server.top, "d");
    directory.seek(0);
    ASSERT_TRUE(directory.next_entry(entry).value());
    EXPECT_EQ(entry.type, NodeType::other) << "it has no name any more";
}

TEST_F(P9Test, Links)
{
    mount();
    ASSERT_TRUE(fs::create("/d", NodeType::directory, 0755));
    make("/d/file", "text");
    EXPECT_TRUE(fs::make_link("/link", "d/file"));
    EXPECT_EQ(text("/link"), "text");
    EXPECT_EQ(node("/link", false).type, NodeType::symlink);
    EXPECT_TRUE(fs::make_link("/long", std::string(4095, 'x')));
    Text<fs::max_path> target;
    EXPECT_TRUE(node("/long", false).read_link(target));
    EXPECT_EQ(target.view(), std::string(4095, 'x'));
    server.top->entries.at("long")->data += "x";
    target.clear();
    EXPECT_EQ(node("/long", false).read_link(target).error(), Error::too_large);
    EXPECT_EQ(node("/d/file").read_link(target).error(), Error::invalid);
    EXPECT_TRUE(fs::make_link("/nowhere", "d/new"));
    constexpr uint32_t makes = fs::open_write | fs::open_create;
    EXPECT_EQ(fs::open("/nowhere", makes | fs::open_exclusive).error(), Error::exists);
    EXPECT_TRUE(fs::open("/nowhere", makes));
    EXPECT_EQ(server.top->entries.at("d")->entries.count("new"), 1u);
    EXPECT_TRUE(fs::add_name("/d/file", "/second"));
    EXPECT_EQ(&node("/second"), &node("/d/file"));
    EXPECT_EQ(node("/second").links, 2u);
    EXPECT_TRUE(fs::remove("/second"));
    EXPECT_EQ(node("/d/file").links, 1u);
}

TEST_F(P9Test, OpenFilesOutliveTheirNames)
{
    mount();
    make("/file", std::string(50'000, 'x'));
    uint32_t handle = fs::open("/file", fs::open_read | fs::open_write).value();
    ASSERT_TRUE(fs::sync());
    EXPECT_TRUE(fs::remove("/file"));
    make("/file", "another");
    fs::OpenFile& file = *fs::open_file(handle);
    std::vector<std::byte> bytes(60'000);
    EXPECT_EQ(file.read(bytes).value(), 50'000u);
    EXPECT_EQ(file.write(bytes).value(), 60'000u);
    EXPECT_TRUE(file.truncate(7));
    EXPECT_TRUE(file.sync());
    EXPECT_TRUE(fs::sync());
    EXPECT_EQ(file.node().size, 7u);
    EXPECT_EQ(text("/file"), "another");
    size_t fids = server.fid_count();
    file.close();
    EXPECT_EQ(server.fid_count(), fids - 1);

    make("/replaced", "old");
    handle = fs::open("/replaced", fs::open_read).value();
    make("/new", "new");
    EXPECT_TRUE(fs::rename("/new", "/replaced"));
    EXPECT_EQ(fs_model::read_all(fs::open_file(handle)->node()), "old");
    EXPECT_EQ(text("/replaced"), "new");

    ASSERT_TRUE(fs::create("/d", NodeType::directory, 0755));
    uint32_t directory = fs::open("/d", fs::open_read).value();
    EXPECT_TRUE(fs::remove("/d"));
    fs::DirectoryEntry entry;
    EXPECT_FALSE(fs::open_file(directory)->next_entry(entry).value());
    EXPECT_EQ(fs::open_file(directory)->node().create("x", NodeType::file, 0).error(),
              Error::not_found);
    EXPECT_EQ(fs::open_file(directory)->node().find("x").value(), nullptr);
}

TEST_F(P9Test, FidsAreFew)
{
    mount();
    std::vector<uint32_t> handles;
    for (int i = 0; i < 2000; ++i) {
        std::string name = "/" + std::to_string(i);
        make(name, "text of " + name);
        if (i < 60) handles.push_back(fs::open(name, fs::open_read).value());
    }
    for (int i = 0; i < 60; i += 2) EXPECT_TRUE(fs::remove("/" + std::to_string(i)));
    for (int i = 60; i < 2000; ++i)
        ASSERT_EQ(text("/" + std::to_string(i)), "text of /" + std::to_string(i));
    for (int i = 0; i < 60; ++i)
        EXPECT_EQ(fs_model::read_all(fs::open_file(handles[size_t(i)])->node()),
                  "text of /" + std::to_string(i));
    EXPECT_LE(server.most_fids, 84u);
    EXPECT_TRUE(fs::sync());
    EXPECT_LE(server.fid_count(), 61u);
}

TEST_F(P9Test, SyncIsOneRequestForWhatWasWritten)
{
    mount();
    make("/a", "a"), make("/b", "b");
    EXPECT_TRUE(fs::sync());
    EXPECT_EQ(server.counts[50], 3u);  // and their directory
    EXPECT_TRUE(fs::sync());
    EXPECT_EQ(server.counts[50], 3u);
    uint32_t handle = fs::open("/a", fs::open_write).value();
    EXPECT_TRUE(fs::open_file(handle)->write(std::as_bytes(std::span("x"))));
    EXPECT_TRUE(fs::open_file(handle)->sync());
    EXPECT_EQ(server.counts[50], 4u);
    EXPECT_TRUE(fs::remove("/b"));
    server.when = 50, server.error = 5;
    EXPECT_EQ(fs::sync().error(), Error::device);
    server.error = 0;
    fs::close_all();
    EXPECT_TRUE(fs::sync());
    EXPECT_EQ(server.counts[50], 6u);
    EXPECT_TRUE(node("/a").set_mode(0));
    server.when = 12, server.error = 13;
    EXPECT_EQ(fs::sync().error(), Error::unsupported);  // it may not be opened
    EXPECT_TRUE(fs::sync());
}

TEST_F(P9Test, ModesAndTimes)
{
    mount();
    make("/file");
    EXPECT_TRUE(node("/file").set_mode(0400));
    EXPECT_EQ(server.top->entries.at("file")->mode, 0100400u);
    EXPECT_TRUE(node("/file").set_modified(-5));
    EXPECT_EQ(node("/file").modified_s, -5);
    EXPECT_TRUE(fs::sync());
    EXPECT_EQ(text("/file"), "");
    EXPECT_EQ(write(node("/file"), 0, "x").error(), Error::read_only);
    EXPECT_TRUE(node("/file").set_mode(0600));
    EXPECT_TRUE(write(node("/file"), 0, "x"));
    EXPECT_EQ(text("/file"), "x");
}

TEST_F(P9Test, AFullServer)
{
    mount();
    make("/file");
    server.space = 5000;
    EXPECT_EQ(write(node("/file"), 0, std::string(9000, 'x')).value(), 5000u);
    EXPECT_EQ(write(node("/file"), 5000, "x").error(), Error::no_space);
    EXPECT_EQ(node("/file").truncate(6000).error(), Error::no_space);
    EXPECT_EQ(node("/file").size, 5000u);
}

TEST_F(P9Test, AServerThatSharesForReadingOnly)
{
    put("file", "text");
    server.read_only = true;
    mount();
    EXPECT_EQ(text("/file"), "text");
    EXPECT_EQ(fs::open("/file", fs::open_write).error(), Error::read_only);
    EXPECT_EQ(fs::create("/new", NodeType::file, 0644).error(), Error::read_only);
    EXPECT_EQ(fs::remove("/file").error(), Error::read_only);
}

TEST_F(P9Test, ShortReadsAndWritesGoOn)
{
    mount();
    server.most_data = 10;
    make("/file", std::string(101, 'x'));
    EXPECT_EQ(text("/file"), std::string(101, 'x'));
}

TEST_F(P9Test, ErrorsHaveNames)
{
    put("file", "text");
    mount();
    std::map<uint32_t, Error> errors = {
        {1, Error::unsupported},  {13, Error::unsupported}, {2, Error::not_found},
        {5, Error::device},       {12, Error::no_memory},   {24, Error::no_memory},
        {16, Error::busy},        {22, Error::invalid},     {40, Error::too_large},
        {95, Error::unsupported}, {9999, Error::device},    {~0u, Error::device}};
    std::byte piece[10];
    fs::Node& file = node("/file");
    for (auto [number, error] : errors) {
        server.when = 12, server.error = number;
        EXPECT_EQ(file.read(0, piece).error(), error) << number;
    }
    EXPECT_TRUE(machine.logged("vio9p0: request 12 fails with error 9999"));
    server.error = 0;
    EXPECT_EQ(file.read(0, piece).value(), 4u);
    for (auto [number, error] : std::map<uint32_t, Error>{{30, Error::read_only},
                                                          {28, Error::no_space},
                                                          {122, Error::no_space},
                                                          {27, Error::too_large}}) {
        server.when = 118, server.error = number;
        EXPECT_EQ(write(file, 0, "x").error(), error) << number;
    }
    server.error = 0;
    EXPECT_EQ(server.fid_count(), 3u);  // the root, what was looked up, and the file
}

// Each request of a round of work fails once: the error arrives, nothing is left over.
TEST_F(P9Test, AnyRequestMayFail)
{
    mount();
    make("/file", "text");
    auto work = [&] {
        (void)fs::create("/new", NodeType::file, 0644);
        (void)fs::create("/dir", NodeType::directory, 0755);
        (void)fs::make_link("/link", "file");
        (void)fs::add_name("/file", "/dir/second");
        (void)fs::rename("/new", "/dir/moved");
        (void)fs::look_up("/link");
        if (auto found = fs::look_up("/file")) {
            std::byte piece[10];
            (void)found.value().node->read(0, piece);
            (void)found.value().node->write(4, piece);
            (void)found.value().node->truncate(4);
        }
        fs::DirectoryEntry entry;
        uint64_t position = 0;
        for (auto next = Result<bool>(true); next && next.value();)
            next = node("/").next_entry(position, entry);
        (void)fs::sync();
        for (const char* path : {"/dir/second", "/dir/moved", "/dir", "/link", "/new"})
            (void)fs::remove(path);
        return !HasFailure();
    };
    unsigned before = server.messages;
    ASSERT_TRUE(work());
    EXPECT_THAT(fs_model::list(node("/")), ElementsAre("file"));
    EXPECT_LT(server.messages - before, 300u);
    for (unsigned i = 1; i <= 300; ++i) {
        server.fail_at = i;
        (void)work();
        server.fail_at = 0;
        ASSERT_TRUE(work()) << i;
    }
}

// What no server may say ends the session at once, and for good.
TEST_F(P9Test, AnswersThatMakeNoSense)
{
    struct Case {
        const char* name;
        std::function<void(FakeFileServer&)> set;
        Error error = Error::corrupt;
    };
    const Case cases[] = {
        {"tag", [](auto& s) { s.wrong_tag = 1; }},
        {"type", [](auto& s) { s.wrong_type = 2; }},
        {"size", [](auto& s) { s.wrong_size = 1; }},
        {"small size", [](auto& s) { s.wrong_size = -5; }},
        {"huge size", [](auto& s) { s.wrong_size = 0x7fffff00; }},
        {"short", [](auto& s) { s.cut = 1; }},
        {"very short", [](auto& s) { s.cut = 1000; }},
        {"long", [](auto& s) { s.add = 1; }},
        {"an error without a number",
         [](auto& s) {
             s.change = [](auto& answer) {
                 answer.assign({11, 0, 0, 0, 7, answer[5], answer[6], 0, 0, 0, 0});
             };
         }},
        {"a short error",
         [](auto& s) {
             s.change = [](auto& answer) {
                 answer.assign({9, 0, 0, 0, 7, answer[5], answer[6], 5, 0});
             };
         }},
        {"silence", [](auto& s) { s.silent = true; }, Error::timed_out},
        {"gone", [](auto& s) { s.gone = true; }, Error::gone},
    };
    static std::byte bytes[9];
    const std::pair<uint8_t, std::function<Error()>> works[] = {
        {8, [] { return fs::root()->file_system->free_bytes().error(); }},
        {12, [] { return fs::open_file(0)->read(bytes).error(); }},
        {14, [] { return fs::create("/new", NodeType::file, 0).error(); }},
        {16, [] { return fs::make_link("/new", "x").error(); }},
        {22, [] { return fs::look_up("/link").error(); }},
        {24, [] { return fs::look_up("/file").error(); }},
        {26, [] { return fs::open_file(0)->truncate(0).error(); }},
        {50, [] { return fs::sync().error(); }},
        {70, [] { return fs::add_name("/file", "/new").error(); }},
        {72, [] { return fs::create("/new", NodeType::directory, 0).error(); }},
        {74, [] { return fs::rename("/file", "/new").error(); }},
        {76, [] { return fs::remove("/file").error(); }},
        {110, [] { return fs::look_up("/file").error(); }},
        {116, [] { return fs::open_file(0)->read(bytes).error(); }},
        {118, [] { return fs::open_file(0)->write(bytes).error(); }},
    };
    for (auto& [type, work] : works) {
        for (auto& fault : cases) {
            SCOPED_TRACE(std::string(fault.name) + " " + std::to_string(type));
            server.top->entries.clear(), server.top->order.clear();
            server.enter(*server.top, "link", server.make(0120777));
            server.top->entries["link"]->data = "file";
            mount();
            make("/file", "text");
            if (type == 12) (void)fs::sync();  // which closes it there
            ASSERT_EQ(fs::open("/file", fs::open_read | fs::open_write).value(), 0u);
            server.when = type;
            fault.set(server);
            EXPECT_EQ(error_text(work()), error_text(fault.error));
            server.when = 0xff, server.gone = false;
            unsigned messages = server.messages;
            EXPECT_EQ(fs::look_up("/file").error(), Error::gone);
            EXPECT_EQ(fs::sync().error(), Error::gone);
            EXPECT_EQ(server.messages, messages) << "it is still asked";
            fs::close_all();
            fs::Volume* volume = fs::root();
            fs::set_root(nullptr);
            EXPECT_EQ(fs::unmount(*volume).error(), Error::gone);
            EXPECT_EQ(fs::first_volume(), nullptr);
            server.wrong_tag = server.wrong_type = server.wrong_size = server.cut = server.add = 0;
            server.silent = server.gone = false, server.change = nullptr;
        }
    }
}

TEST_F(P9Test, CountsThatAreTooLarge)
{
    for (uint8_t type : {110, 116, 118, 40, 22}) {
        for (int by : {1, 3, 0x7fffffff, -0x7fffffff}) {
            SCOPED_TRACE(std::to_string(type) + " " + std::to_string(by));
            put("file", std::string(100, 'x'));
            server.enter(*server.top, "link", server.make(0120777));
            server.top->entries["link"]->data = "file";
            mount();
            fs::Node &file = node("/file"), &root = node("/"), &link = node("/link", false);
            server.when = type, server.wrong_count = by;
            std::byte piece[50];
            fs::DirectoryEntry entry;
            uint64_t position = 0;
            Text<fs::max_path> target;
            Error error = type == 116   ? file.read(0, piece).error()
                          : type == 118 ? file.write(0, piece).error()
                          : type == 40  ? root.next_entry(position, entry).error()
                          : type == 22  ? link.read_link(target).error()
                                        : fs::look_up("/file").error();
            EXPECT_EQ(error_text(error), error_text(Error::corrupt));
            server.wrong_count = 0;
            fs::set_root(nullptr);
            EXPECT_EQ(fs::unmount(*fs::first_volume()).error(), Error::gone);
        }
    }
}

TEST_F(P9Test, DirectoriesThatMakeNoSense)
{
    auto entry_of = [](uint64_t cookie, std::string name, int length = -1) {
        std::vector<uint8_t> bytes(24);
        memcpy(&bytes[13], &cookie, 8);
        auto size = uint16_t(length < 0 ? int(name.size()) : length);
        bytes[21] = 8;
        memcpy(&bytes[22], &size, 2);
        bytes.insert(bytes.end(), name.begin(), name.end());
        return bytes;
    };
    const std::vector<uint8_t> entries[] = {entry_of(0, "file"),
                                            entry_of(5, ""),
                                            entry_of(5, "a/b"),
                                            entry_of(5, {"a\0b", 3}),
                                            entry_of(5, "short", 6),
                                            entry_of(5, "short", 0xffff),
                                            entry_of(5, std::string(768, 'x')),
                                            std::vector<uint8_t>(23),
                                            std::vector<uint8_t>(1)};
    for (auto& bytes : entries) {
        mount();
        server.when = 40;
        server.change = [&](std::vector<uint8_t>& answer) {
            answer.resize(11 + bytes.size());
            auto size = uint32_t(answer.size()), count = uint32_t(bytes.size());
            memcpy(&answer[0], &size, 4), memcpy(&answer[7], &count, 4);
            memcpy(&answer[11], bytes.data(), bytes.size());
        };
        fs::DirectoryEntry entry;
        uint64_t position = 0;
        EXPECT_EQ(node("/").next_entry(position, entry).error(), Error::corrupt);
        server.change = nullptr;
        fs::set_root(nullptr);
        EXPECT_EQ(fs::unmount(*fs::first_volume()).error(), Error::gone);
    }
    mount();  // nothing but dots, for ever
    uint64_t cookie = 100;
    server.change = [&](std::vector<uint8_t>& answer) {
        auto bytes = entry_of(++cookie, "..");
        answer.resize(11), answer.insert(answer.end(), bytes.begin(), bytes.end());
        auto size = uint32_t(answer.size()), count = uint32_t(bytes.size());
        memcpy(&answer[0], &size, 4), memcpy(&answer[7], &count, 4);
    };
    fs::DirectoryEntry entry;
    uint64_t position = 0;
    EXPECT_EQ(node("/").next_entry(position, entry).error(), Error::corrupt);
}

TEST_F(P9Test, ADirectoryWithinItself)
{
    auto a = server.make(0040755), b = server.make(0040755);
    server.enter(*server.top, "a", a);
    server.enter(*a, "b", b);
    server.enter(*b, "a", a);
    mount();
    EXPECT_EQ(fs::look_up("/a/b/a/b").error(), Error::corrupt);
    a->entries.clear(), b->entries.clear();
    fs::set_root(nullptr);
    EXPECT_EQ(fs::unmount(*fs::first_volume()).error(), Error::gone);
    server.enter(*server.top, "top", server.top);
    mount();
    EXPECT_EQ(fs::look_up("/top/top").error(), Error::corrupt);
    server.top->entries.clear();
}

TEST_F(P9Test, ServersOfAnotherKind)
{
    server.most_message = 4095;
    EXPECT_EQ(fs::volume("share").error(), Error::unsupported);
    server.most_message = 1 << 20;
    server.when = 100;
    server.change = [](std::vector<uint8_t>& answer) { answer.back() = 'u'; };  // 9P2000.u
    EXPECT_EQ(fs::volume("share").error(), Error::unsupported);
    server.change = [](std::vector<uint8_t>& answer) { answer[9] = 0xff; };  // more than was asked
    EXPECT_EQ(fs::volume("share").error(), Error::corrupt);
    server.change = nullptr;
    server.top->mode = 0100644;
    EXPECT_EQ(fs::volume("share").error(), Error::not_directory);
    EXPECT_EQ(fs::first_volume(), nullptr);
    server.top->mode = 0040755;
    mount();
}

TEST_F(P9Test, WithoutMemoryNothingIsLost)
{
    for (int allocations = 0;; ++allocations) {
        ASSERT_LT(allocations, 30);
        FakeHeap::fail_after = allocations;
        auto volume = fs::volume("share");
        FakeHeap::fail_after = -1;
        if (volume) break;
        EXPECT_EQ(volume.error(), Error::no_memory);
        EXPECT_EQ(FakeHeap::live(), 0u);
    }
    mount();
    ASSERT_TRUE(fs::create("/d", NodeType::directory, 0755));
    make("/d/file", "text");
    const std::function<Error()> operations[] = {
        [] { return fs::create("/new", NodeType::file, 0644).error(); },
        [] { return fs::create("/new2", NodeType::directory, 0755).error(); },
        [] { return fs::make_link("/new3", "target").error(); },
        [] { return fs::add_name("/d/file", "/new4").error(); },
        [] { return fs::rename("/d/file", "/d/file with a longer name").error(); },
        [] { return fs::look_up("/d/file with a longer name").error(); },
    };
    for (auto& operation : operations) {
        for (int allocations = 0;; ++allocations) {
            ASSERT_LT(allocations, 20);
            FakeHeap::fail_after = allocations;
            Error error = operation();
            FakeHeap::fail_after = -1;
            if (error == Error{} || error == Error::exists || error == Error::not_found) break;
            EXPECT_EQ(error, Error::no_memory);
        }
    }
    EXPECT_EQ(text("/d/file with a longer name"), "text");
}

class P9Random : public P9Test, public testing::WithParamInterface<unsigned> {};
INSTANTIATE_TEST_SUITE_P(Seeds, P9Random, testing::Range(1u, 7u));

TEST_P(P9Random, LeavesWhatTheModelHas)
{
    server.most_entries = GetParam() % 2 ? 2 : 1000;
    if (GetParam() % 3 == 0)
        server.kind_of = [](const FakeFileServer::Object&) { return uint8_t(0); };
    unsigned pauses = 0;
    fs_model::RandomOperations operations(
        GetParam(), {.prefix = "share:", .compare_every = 10, .pause_every = 333, .pause = [&] {
                         if (++pauses % 2) return void(fs::sync().value());
                         operations.close_files();
                         EXPECT_TRUE(fs::unmount(*fs::first_volume()));
                         EXPECT_EQ(server.fid_count(), 0u);
                     }});
    operations.run(2000);
}

}  // namespace
