// SPDX-License-Identifier: BSD-2-Clause
// The volume in RAM, and through it all operations by path: by themselves, and many at random
// beside a model of what they should have done.
#include <gmock/gmock.h>
#include <algorithm>
#include <functional>
#include <random>
#include <set>
#include "fakes/clock.h"
#include "fakes/machine.h"
#include "fs/open_file.h"
#include "fs_model.h"
#include "images.h"

namespace {

using fs::NodeType;
using Bytes = std::vector<std::byte>;

struct RamTest : testing::Test {
    RamTest() { fs::set_root(fs::volume("ram").value()); }
    ~RamTest() override
    {
        fs::close_all();
        fs::set_root(nullptr);
        size_t with_volume = FakeHeap::live();
        EXPECT_TRUE(fs::unmount(*fs::first_volume()));
        EXPECT_EQ(FakeHeap::live(), 0u) << with_volume << " before";
    }
    static fs::Volume& volume() { return *fs::first_volume(); }
    static fs::Node& node(std::string_view path, bool follow = true)
    {
        auto found = fs::look_up(path, follow);
        EXPECT_TRUE(found) << path << ": " << error_text(found.error());
        return *found.value().node;
    }
    static Error error(std::string_view path, bool follow = true)
    {
        return fs::look_up(path, follow).error();
    }
    static void make(std::string_view path, std::string_view text = "")
    {
        auto made = fs::create(path, NodeType::file, 0644);
        ASSERT_TRUE(made) << path << ": " << error_text(made.error());
        EXPECT_EQ(made.value()->write(0, std::as_bytes(std::span(text))).value(), text.size());
    }
    static void make_directory(std::string_view path)
    {
        auto made = fs::create(path, NodeType::directory, 0755);
        ASSERT_TRUE(made) << path << ": " << error_text(made.error());
    }
    static std::string text(fs::Node& node)
    {
        std::string all(size_t(node.size), '?');
        EXPECT_EQ(node.read(0, std::as_writable_bytes(std::span(all))).value(), all.size());
        return all;
    }
    static std::string text(std::string_view path) { return text(node(path)); }
    static std::vector<std::string> list(fs::Node& directory)
    {
        std::vector<std::string> names;
        fs::DirectoryEntry entry;
        for (uint64_t position = 0; directory.next_entry(position, entry).value();)
            names.emplace_back(entry.name.view());
        return names;
    }
    FakeMachine machine;
};

TEST_F(RamTest, FilesAreWrittenAndRead)
{
    make("/file", "Hello");
    fs::Node& file = node("/file");
    EXPECT_EQ(file.type, NodeType::file);
    EXPECT_EQ(file.mode, 0644);
    EXPECT_EQ(file.size, 5u);
    EXPECT_EQ(text("ram:/file"), "Hello");
    EXPECT_EQ(text("ram:file"), "Hello");
    EXPECT_EQ(file.write(3, std::as_bytes(std::span("p!", 2))).value(), 2u);
    EXPECT_EQ(text("/file"), "Help!");
    std::byte none[1];
    EXPECT_EQ(file.read(5, none).value(), 0u);
    EXPECT_EQ(file.read(~0ull, none).value(), 0u);
    EXPECT_EQ(fs::create("/file", NodeType::file, 0644).error(), Error::exists);
    EXPECT_EQ(fs::create("/file", NodeType::directory, 0644).error(), Error::exists);
    EXPECT_EQ(fs::create("/none/file", NodeType::file, 0644).error(), Error::not_found);
    EXPECT_EQ(fs::create("/file/file", NodeType::file, 0644).error(), Error::not_directory);
    EXPECT_EQ(fs::create("/new/", NodeType::file, 0644).error(), Error::not_directory);
    for (const char* path : {"/", "", "/.", "/..", "/file/..", "ram:", "ram:/"})
        EXPECT_EQ(fs::create(path, NodeType::file, 0644).error(), Error::invalid) << path;
    EXPECT_EQ(fs::create(std::string_view("/a\0b", 4), NodeType::file, 0644).error(),
              Error::invalid);
    EXPECT_EQ(fs::create("/" + std::string(256, 'n'), NodeType::file, 0644).error(),
              Error::too_large);
    make("/" + std::string(255, 'n'), "long");
    EXPECT_EQ(text("/" + std::string(255, 'n')), "long");
}

TEST_F(RamTest, FilesHaveHoles)
{
    make("/sparse");
    fs::Node& file = node("/sparse");
    uint64_t before = volume().file_system->free_bytes().value();
    constexpr uint64_t far = uint64_t{1} << 60;
    EXPECT_EQ(file.write(far, std::as_bytes(std::span("end", 3))).value(), 3u);
    EXPECT_EQ(file.size, far + 3);
    EXPECT_LT(before - volume().file_system->free_bytes().value(), 100'000u);
    Bytes piece(8192, std::byte{1});
    EXPECT_EQ(file.read(far - 8190, piece).value(), 8192u);
    EXPECT_EQ(std::count(piece.begin(), piece.end(), std::byte{0}), 8190);
    EXPECT_EQ(memcmp(&piece[8190], "en", 2), 0);
    EXPECT_TRUE(file.truncate(1 << 20));
    EXPECT_EQ(file.write(5000, std::as_bytes(std::span("x", 1))).value(), 1u);
    EXPECT_TRUE(file.truncate(5001));
    EXPECT_TRUE(file.truncate(9000));
    EXPECT_EQ(text(file), std::string(5000, 0) + "x" + std::string(3999, 0));
    EXPECT_TRUE(file.truncate(0));
    EXPECT_EQ(before - volume().file_system->free_bytes().value(), 0u);
    EXPECT_EQ(file.truncate(uint64_t{1} << 63).error(), Error::too_large);
    EXPECT_EQ(file.write(~0ull, std::as_bytes(std::span("x", 1))).error(), Error::too_large);
    EXPECT_EQ(file.write(fs::max_file_bytes, std::as_bytes(std::span("x", 1))).error(),
              Error::too_large);
}

TEST_F(RamTest, DirectoriesHoldNames)
{
    make_directory("/d");
    make_directory("/d/e/");
    make("/d/e/f", "deep");
    EXPECT_EQ(text("/d/e/../e/f"), "deep");
    EXPECT_THAT(list(node("/")), testing::ElementsAre("d"));
    EXPECT_EQ(fs::remove("/d").error(), Error::not_empty);
    EXPECT_EQ(fs::remove("/d/e", NodeType::file).error(), Error::is_directory);
    EXPECT_EQ(fs::remove("/d/e/f", NodeType::directory).error(), Error::not_directory);
    EXPECT_EQ(fs::remove("/d/e/f/").error(), Error::not_directory);
    EXPECT_EQ(fs::remove("/").error(), Error::invalid);
    EXPECT_EQ(fs::remove("/none").error(), Error::not_found);
    EXPECT_TRUE(fs::remove("/d/e/f"));
    EXPECT_TRUE(fs::remove("/d/e/"));
    EXPECT_TRUE(fs::remove("/d"));
    EXPECT_THAT(list(node("/")), testing::IsEmpty());
    EXPECT_EQ(node("/").read(0, {}).error(), Error::is_directory);
    EXPECT_EQ(node("/").write(0, {}).error(), Error::is_directory);
    EXPECT_EQ(node("/").truncate(0).error(), Error::is_directory);
}

TEST_F(RamTest, ListingMeanwhileRemovedAndCreated)
{
    for (int i = 0; i < 300; ++i) make("/" + std::to_string(i));
    fs::Node& root = node("/");
    fs::DirectoryEntry entry;
    std::set<std::string> seen;
    int made = 0;
    for (uint64_t position = 0; root.next_entry(position, entry).value();) {
        std::string name(entry.name.view());
        EXPECT_TRUE(seen.insert(name).second) << name;
        int number = std::stoi(name);
        if (number % 3 == 0) (void)fs::remove("/" + name);                        // this one
        if (number % 3 == 1) (void)fs::remove("/" + std::to_string(number + 1));  // the next
        if (made < 5) make("/" + std::to_string(1000 + made++));
    }
    for (int i = 0; i < 300; ++i) EXPECT_EQ(seen.contains(std::to_string(i)), i % 3 != 2) << i;
    EXPECT_EQ(list(root).size(), 100u + 2);  // of the new ones 1000 and 1003
}

TEST_F(RamTest, TwoWhoListAtOnce)
{
    for (int i = 0; i < 50; ++i) make("/" + std::to_string(i));
    fs::Node& root = node("/");
    fs::DirectoryEntry entry;
    uint64_t ahead = 0, behind = 0;
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(root.next_entry(ahead, entry).value());
    for (int i = 0; i < 50; ++i) {
        ASSERT_TRUE(root.next_entry(behind, entry).value());
        EXPECT_EQ(entry.name.view(), std::to_string(i));
        if (i >= 30) continue;
        ASSERT_TRUE(root.next_entry(ahead, entry).value());
        EXPECT_EQ(entry.name.view(), std::to_string(i + 20));
    }
    EXPECT_FALSE(root.next_entry(ahead, entry).value());
    EXPECT_FALSE(root.next_entry(behind, entry).value());
}

TEST_F(RamTest, ManyEntries)
{
    constexpr unsigned count = 100'000;
    make_directory("/d");
    fs::Node& directory = node("/d");
    for (unsigned i = 0; i < count; ++i)
        ASSERT_TRUE(directory.create("entry " + std::to_string(i), NodeType::file, 0644));
    EXPECT_EQ(list(directory).size(), count);
    for (unsigned i = 0; i < count; ++i)
        ASSERT_TRUE(directory.find("entry " + std::to_string(i)).value()) << i;
    EXPECT_FALSE(directory.find("entry").value());
    std::vector<unsigned> order(count);
    for (unsigned i = 0; i < count; ++i) order[i] = i;
    std::shuffle(order.begin(), order.end(), std::mt19937(1));
    for (unsigned i : order) ASSERT_TRUE(fs::remove("/d/entry " + std::to_string(i)));
    EXPECT_TRUE(list(directory).empty());
}

TEST_F(RamTest, SymbolicLinks)
{
    make_directory("/d");
    make("/d/file", "text");
    EXPECT_TRUE(fs::make_link("/link", "d/file"));
    EXPECT_TRUE(fs::make_link("/d/up", "../link"));
    EXPECT_TRUE(fs::make_link("/dangling", "nothing"));
    EXPECT_EQ(text("/d/up"), "text");
    EXPECT_EQ(node("/link", false).type, NodeType::symlink);
    Text<fs::max_path> target;
    EXPECT_TRUE(node("/link", false).read_link(target));
    EXPECT_EQ(target.view(), "d/file");
    EXPECT_EQ(error("/dangling"), Error::not_found);
    EXPECT_EQ(fs::make_link("/link", "x").error(), Error::exists);
    EXPECT_EQ(fs::make_link("/empty", "").error(), Error::invalid);
    EXPECT_EQ(fs::make_link("/nul", std::string_view("a\0b", 3)).error(), Error::invalid);
    EXPECT_EQ(fs::make_link("/long", std::string(4096, 'x')).error(), Error::too_large);
    EXPECT_TRUE(fs::make_link("/long", std::string(4095, 'x')));
    EXPECT_TRUE(fs::remove("/link"));  // not the file
    EXPECT_EQ(text("/d/file"), "text");
    EXPECT_EQ(error("/d/up"), Error::not_found);
}

TEST_F(RamTest, HardLinks)
{
    make("/one", "text");
    make_directory("/d");
    EXPECT_TRUE(fs::add_name("/one", "/d/two"));
    EXPECT_EQ(&node("/one"), &node("/d/two"));
    EXPECT_EQ(node("/one").links, 2u);
    EXPECT_EQ(fs::add_name("/one", "/d/two").error(), Error::exists);
    EXPECT_EQ(fs::add_name("/d", "/e").error(), Error::is_directory);
    EXPECT_EQ(fs::add_name("/none", "/e").error(), Error::not_found);
    EXPECT_TRUE(fs::rename("/one", "/d/two"));  // the same file: nothing is done
    EXPECT_EQ(node("/one").links, 2u);
    EXPECT_TRUE(fs::remove("/one"));
    EXPECT_EQ(text("/d/two"), "text");
    EXPECT_EQ(node("/d/two").links, 1u);
}

TEST_F(RamTest, RenameAsInPosix)
{
    make("/a", "A");
    make("/b", "B");
    make_directory("/d");
    make_directory("/e");
    make_directory("/e/full");
    fs::Node* a = &node("/a");
    EXPECT_TRUE(fs::rename("/a", "/b"));
    EXPECT_EQ(&node("/b"), a);
    EXPECT_EQ(text("/b"), "A");
    EXPECT_EQ(error("/a"), Error::not_found);
    EXPECT_EQ(fs::rename("/b", "/d").error(), Error::is_directory);
    EXPECT_EQ(fs::rename("/d", "/b").error(), Error::not_directory);
    EXPECT_EQ(fs::rename("/d", "/e").error(), Error::not_empty);
    EXPECT_TRUE(fs::rename("/e", "/d"));  // over an empty one
    EXPECT_EQ(error("/e"), Error::not_found);
    EXPECT_EQ(node("/d/full").type, NodeType::directory);
    for (const char* path : {"/d/x", "/d/full/x", "/d/full/../x", "/d/full/../full/x"})
        EXPECT_EQ(fs::rename("/d", path).error(), Error::invalid) << path;
    EXPECT_TRUE(fs::make_link("/link", "d/full"));
    EXPECT_EQ(fs::rename("/d", "/link/x").error(), Error::invalid);
    EXPECT_EQ(fs::rename("/d/full", "/d").error(), Error::not_empty);
    EXPECT_TRUE(fs::rename("/link", "/d/moved"));  // the link itself
    EXPECT_EQ(node("/d/moved", false).type, NodeType::symlink);
    EXPECT_EQ(fs::rename("/none", "/x").error(), Error::not_found);
    EXPECT_EQ(fs::rename("/b", "/x/").error(), Error::not_directory);
    EXPECT_EQ(fs::rename("/", "/x").error(), Error::invalid);
    EXPECT_TRUE(fs::rename("/d/", "/renamed/"));
    EXPECT_TRUE(fs::rename("/renamed", "/renamed"));
    EXPECT_THAT(list(node("/")), testing::UnorderedElementsAre("b", "renamed"));
}

TEST_F(RamTest, OpenFilesOutliveTheirNames)
{
    uint64_t before = volume().file_system->free_bytes().value();
    make("/file", std::string(50'000, 'x'));
    uint32_t handle = fs::open("/file", fs::open_read | fs::open_write).value();
    fs::OpenFile& file = *fs::open_file(handle);
    EXPECT_TRUE(fs::remove("/file"));
    EXPECT_EQ(error("/file"), Error::not_found);
    make("/file", "another");
    Bytes bytes(60'000);
    EXPECT_EQ(file.read(bytes).value(), 50'000u);
    EXPECT_EQ(file.write(bytes).value(), 60'000u);
    EXPECT_EQ(file.node().size, 110'000u);
    EXPECT_EQ(fs::unmount(volume()).error(), Error::busy);
    file.close();
    EXPECT_FALSE(fs::open_file(handle));
    EXPECT_TRUE(fs::remove("/file"));
    EXPECT_NEAR(double(volume().file_system->free_bytes().value()), double(before), 20'000);

    make("/replaced", "old");
    handle = fs::open("/replaced", fs::open_read).value();
    make("/new", "new");
    EXPECT_TRUE(fs::rename("/new", "/replaced"));
    EXPECT_EQ(text(fs::open_file(handle)->node()), "old");
    EXPECT_EQ(text("/replaced"), "new");

    make_directory("/d");
    uint32_t directory = fs::open("/d", fs::open_read).value();
    EXPECT_TRUE(fs::remove("/d"));
    fs::DirectoryEntry entry;
    EXPECT_FALSE(fs::open_file(directory)->next_entry(entry).value());
    EXPECT_EQ(fs::open_file(directory)->node().create("x", NodeType::file, 0).error(),
              Error::not_found);
}

TEST_F(RamTest, ModesAndTimes)
{
    make("/file");
    EXPECT_TRUE(node("/file").set_mode(0400));
    EXPECT_TRUE(node("/file").set_modified(-5));
    EXPECT_EQ(node("/file").mode, 0400);
    EXPECT_EQ(node("/file").modified_s, -5);

    NoonClock clock(machine);
    EXPECT_TRUE(node("/file").truncate(1));
    EXPECT_EQ(node("/file").modified_s, clock.noon);
    clock.pass(3);
    make("/later");
    EXPECT_EQ(node("/later").modified_s, clock.noon + 3);
    EXPECT_EQ(node("/").modified_s, clock.noon + 3);
}

TEST_F(RamTest, EndsBeforeTheHeapDoes)
{
    FakeHeap::total = FakeHeap::used + (12 << 20);
    size_t reserve = FakeHeap::total / 4;
    uint64_t free = volume().file_system->free_bytes().value();
    EXPECT_EQ(free, FakeHeap::total - FakeHeap::used - reserve);
    EXPECT_EQ(volume().file_system->bytes, free);
    make("/file");
    Bytes piece(1'000'000, std::byte{7});
    uint64_t written = 0;
    Result<size_t> last(size_t{0});
    while (last = node("/file").write(written, piece), last) {
        written += last.value();
        if (last.value() < piece.size()) break;
    }
    EXPECT_GT(written, free * 95 / 100);
    EXPECT_EQ(node("/file").size, written);
    EXPECT_EQ(node("/file").write(written + 9999, piece).error(), Error::no_space);
    EXPECT_EQ(node("/file").size, written);
    EXPECT_EQ(volume().file_system->free_bytes().value() / 4096, 0u);
    EXPECT_GE(FakeHeap::total - FakeHeap::used, reserve);
    EXPECT_EQ(fs::make_link("/more", "x").error(), Error::no_space) << "its text is data";
    EXPECT_TRUE(fs::rename("/file", "/renamed"));
    EXPECT_TRUE(fs::rename("/renamed", "/file"));
    int names = 0;
    Error full{};
    for (; full == Error{} && names < 1'000'000; ++names)
        full = fs::create("/" + std::to_string(names), NodeType::file, 0644).error();
    EXPECT_EQ(full, Error::no_space);
    EXPECT_GE(FakeHeap::total - FakeHeap::used, reserve / 2);
    EXPECT_LE(FakeHeap::total - FakeHeap::used, reserve / 2 + 20'000);
    EXPECT_EQ(fs::create("/more", NodeType::directory, 0644).error(), Error::no_space);
    for (int i = 0; i + 1 < names; ++i) ASSERT_TRUE(fs::remove("/" + std::to_string(i)));
    EXPECT_THAT(list(node("/")), testing::ElementsAre("file"));
    EXPECT_TRUE(node("/file").truncate(0));
    make("/more", "again");
    EXPECT_EQ(text("/more"), "again");
}

TEST_F(RamTest, WithoutMemoryNothingChanges)
{
    make_directory("/d");
    make("/d/file", "text");
    make("/other", "other");
    auto names = [] { return list(node("/")).size() + list(node("/d")).size(); };
    size_t before = names();
    const std::function<Error()> operations[] = {
        [] { return fs::create("/new", NodeType::file, 0644).error(); },
        [] { return fs::create("/new", NodeType::directory, 0755).error(); },
        [] { return fs::make_link("/new", "target").error(); },
        [] { return fs::add_name("/other", "/new").error(); },
        [] { return fs::rename("/d/file", "/" + std::string(200, 'n')).error(); },
    };
    for (auto& operation : operations) {
        for (int allocations = 0;; ++allocations) {
            ASSERT_LT(allocations, 20);
            FakeHeap::fail_after = allocations;
            Error error = operation();
            FakeHeap::fail_after = -1;
            if (error == Error{}) break;
            EXPECT_TRUE(error == Error::no_memory || error == Error::no_space);
            EXPECT_EQ(names(), before);
            EXPECT_EQ(text("/d/file"), "text");
            EXPECT_EQ(node("/other").links, 1u);
        }
        (void)fs::rename("/" + std::string(200, 'n'), "/d/file");
        (void)fs::remove("/new");
        EXPECT_EQ(names(), before);
    }
}

class RamRandom : public RamTest, public testing::WithParamInterface<unsigned> {};
INSTANTIATE_TEST_SUITE_P(Seeds, RamRandom, testing::Range(1u, 9u));

TEST_P(RamRandom, LeavesWhatTheModelHas)
{
    NoonClock clock(machine);
    fs_model::RandomOperations(GetParam(), {.tick = [&] { clock.pass(1); }}).run(2500);
}

}  // namespace
