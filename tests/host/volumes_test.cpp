// SPDX-License-Identifier: BSD-2-Clause
// Volumes, paths that name them, and open files.
#include <gmock/gmock.h>
#include "block/partitions.h"
#include "fakes/machine.h"
#include "fs/open_file.h"
#include "images.h"

namespace {

using namespace std::literals;
using fs::NodeType;

constexpr std::byte data_to_write[100] = {};

struct Volumes : testing::Test {
    Volumes() : ffs(ImageDevice::load("ffs2_8192.img")), fat(ImageDevice::load("fat16.img"))
    {
        publish_as(ffs, "wd0a");
        publish_as(fat, "wd1");
    }
    ~Volumes() override { fs::close_all(); }
    static Error error(std::string_view path) { return fs::look_up(path).error(); }
    FakeMachine machine;
    ImageDevice ffs, fat;
};

TEST_F(Volumes, AreNamedByPathsAndMountedByThem)
{
    EXPECT_EQ(error("/odd"), Error::not_found) << "no root";
    EXPECT_FALSE(fs::first_volume());
    auto odd = fs::look_up("wd0a:/odd");
    ASSERT_TRUE(odd);
    EXPECT_EQ(odd.value().volume->name.view(), "wd0a");
    EXPECT_STREQ(odd.value().volume->file_system->type, "ffs2");
    EXPECT_EQ(fs::look_up("wd0a:odd").value().node, odd.value().node);
    EXPECT_TRUE(fs::look_up("wd0a:"));
    EXPECT_TRUE(fs::look_up("wd1:/"));
    EXPECT_TRUE(fs::look_up("ram:/"));
    EXPECT_EQ(error("wd2:/"), Error::not_found);
    EXPECT_EQ(error(":/"), Error::not_found);
    fs::set_root(odd.value().volume);
    EXPECT_EQ(fs::look_up("/odd").value().node, odd.value().node);
    EXPECT_EQ(fs::look_up("odd").value().node, odd.value().node);
    EXPECT_EQ(error("/wd0a:/odd"), Error::not_found) << "a name like any other";
    EXPECT_EQ(error("/wd1:"), Error::not_found);
    std::vector<std::string> names;
    for (fs::Volume* v = fs::first_volume(); v; v = v->next) names.emplace_back(v->name.view());
    EXPECT_THAT(names, testing::ElementsAre("wd0a", "wd1", "ram"));
}

TEST_F(Volumes, AreMountedOnceAndUnmounted)
{
    size_t before = FakeHeap::live();
    fs::Volume* volume = fs::mount(ffs).value();
    EXPECT_EQ(fs::mount(ffs).value(), volume);
    EXPECT_EQ(fs::volume("wd0a").value(), volume);
    auto file = fs::open("wd0a:/odd", fs::open_read);
    ASSERT_TRUE(file);
    EXPECT_EQ(fs::unmount(*volume).error(), Error::busy);
    fs::open_file(file.value())->close();
    fs::set_root(volume);
    EXPECT_EQ(fs::unmount(*volume).error(), Error::busy);
    fs::set_root(nullptr);
    EXPECT_TRUE(fs::unmount(*volume));
    EXPECT_FALSE(fs::first_volume());
    EXPECT_EQ(FakeHeap::live(), before);
    EXPECT_FALSE(ffs.copies);
    EXPECT_TRUE(fs::look_up("wd0a:/odd")) << "mounted again";
}

TEST_F(Volumes, EveryFileSystemGivesItsMemoryBack)
{
    for (const char* image :
         {"ffs1_tiny.img", "fat16.img", "fat32.img", "ext2-1k.img", "ext4.img"}) {
        ImageDevice disk = ImageDevice::load(image);
        size_t before = FakeHeap::live();
        auto volume = fs::mount(disk);
        ASSERT_TRUE(volume) << image;
        fs::Node& root = volume.value()->file_system->root();
        fs::DirectoryEntry entry;
        for (uint64_t position = 0; root.next_entry(position, entry).value();)
            EXPECT_TRUE(root.find(entry.name).value());
        EXPECT_GT(FakeHeap::live(), before);
        EXPECT_TRUE(fs::unmount(*volume.value()));
        EXPECT_EQ(FakeHeap::live(), before) << image;
    }
}

TEST_F(Volumes, OnReadOnlyDisksCannotBeWritten)
{
    ffs.read_only = true;
    fs::set_root(fs::mount(ffs).value());
    EXPECT_TRUE(fs::root()->file_system->read_only);
    EXPECT_EQ(fs::create("/new", NodeType::file, 0644).error(), Error::read_only);
    EXPECT_EQ(fs::make_link("/new", "x").error(), Error::read_only);
    EXPECT_EQ(fs::remove("/odd").error(), Error::read_only);
    EXPECT_EQ(fs::rename("/odd", "/new").error(), Error::read_only);
    EXPECT_EQ(fs::add_name("/odd", "/new").error(), Error::read_only);
    EXPECT_EQ(fs::open("/odd", fs::open_write).error(), Error::read_only);
    EXPECT_EQ(fs::open("/new", fs::open_write | fs::open_create).error(), Error::read_only);
    fs::Node& odd = *fs::look_up("/odd").value().node;
    EXPECT_EQ(odd.write(0, {}).error(), Error::read_only);
    EXPECT_EQ(odd.truncate(0).error(), Error::read_only);
    EXPECT_EQ(odd.set_mode(0).error(), Error::read_only);
    EXPECT_EQ(odd.set_modified(0).error(), Error::read_only);
    EXPECT_EQ(ffs.writes, 0u);
}

TEST_F(Volumes, NothingGoesFromOneToAnother)
{
    ASSERT_TRUE(fs::create("ram:/file", NodeType::file, 0644));
    ASSERT_TRUE(fs::make_link("ram:/link", "wd0a:/odd"));
    EXPECT_EQ(error("ram:/link"), Error::not_found) << "links stay on their volume";
    EXPECT_EQ(fs::rename("ram:/file", "wd0a:/file").error(), Error::unsupported);
    EXPECT_EQ(fs::add_name("wd0a:/odd", "ram:/odd").error(), Error::unsupported);
}

TEST_F(Volumes, ThatAreGone)
{
    fs::Volume* volume = fs::mount(ffs).value();
    ffs.gone = true;
    EXPECT_EQ(fs::create("wd0a:/x", NodeType::file, 0).error(), Error::gone);
    EXPECT_EQ(fs::mount(ffs).error(), Error::gone);
    std::byte data[4096] = {};
    EXPECT_EQ(volume->cache->read(100'000, data).error(), Error::gone);
    EXPECT_TRUE(fs::unmount(*volume)) << "nothing was to be written";
    EXPECT_FALSE(fs::first_volume());
}

TEST_F(Volumes, OfAnotherMediumAreForgotten)
{
    fat.removable = true;
    auto directory = fs::open("wd1:/", fs::open_read);
    ASSERT_TRUE(directory);
    BlockCache& cache = *fs::volume("wd1").value()->cache;
    std::byte bytes[512] = {};
    EXPECT_TRUE(cache.write(1 << 20, bytes));
    ++fat.medium;
    EXPECT_EQ(cache.sync().error(), Error::gone) << "it must not reach the new one";
    EXPECT_EQ(cache.read(2 << 20, bytes).error(), Error::gone);
    EXPECT_EQ(error("wd1:/"), Error::gone);
    fs::open_file(directory.value())->close();
    EXPECT_FALSE(machine.logged("forgotten"));
    EXPECT_TRUE(fs::look_up("wd1:/")) << "mounted anew";
    EXPECT_TRUE(
        machine.logged("wd1: forgotten, and 4 KiB lost that had not been synced: another "
                       "medium is in the drive"));
    EXPECT_TRUE(fs::volume("wd1").value()->cache->read(2 << 20, bytes));
    machine.log.clear();
    ++fat.medium;
    EXPECT_TRUE(fs::look_up("wd1:/"));
    EXPECT_FALSE(machine.logged("forgotten")) << "nothing is lost";
}

TEST_F(Volumes, WhateverIsChangedIsKnownToBeLost)
{
    using Change = std::function<Result<void>(fs::Node&)>;
    const Change changes[] = {
        [](fs::Node& file) { return file.truncate(1); },
        [](fs::Node& file) { return file.write(0, {data_to_write}).error(); },
        [](fs::Node& file) { return file.set_modified(1'000'000'000); },
    };
    for (const char* image : {"ffs2_8192.img", "fat16.img", "ext2-1k.img", "ext4.img"}) {
        for (const Change& change : changes) {
            if (image == "fat16.img"s && &change == &changes[2]) continue;  // only the node has it
            ImageDevice disk = ImageDevice::load(image);
            disk.removable = true;
            auto* volume = fs::mount(disk).value();
            fs::set_root(volume);
            ASSERT_TRUE(fs::create("/file", NodeType::file, 0644));
            ASSERT_TRUE(fs::sync());
            ASSERT_TRUE(change(*fs::look_up("/file").value().node)) << image;
            fs::set_root(nullptr);
            ++disk.medium;
            machine.log.clear();
            EXPECT_NE(fs::mount(disk).value(), nullptr);
            EXPECT_TRUE(machine.logged("KiB lost that had not been synced")) << image;
            EXPECT_TRUE(fs::unmount(*fs::first_volume()));
        }
    }
}

TEST_F(Volumes, WhatWasNotSyncedIsLostWithTheDevice)
{
    fs::Volume* volume = fs::mount(ffs).value();
    std::byte data[100] = {};
    ASSERT_TRUE(volume->cache->write(1'000'000, data));
    ffs.gone = true;
    EXPECT_EQ(fs::sync().error(), Error::gone);
    EXPECT_EQ(fs::unmount(*volume).error(), Error::gone);
    EXPECT_FALSE(fs::first_volume());
    EXPECT_TRUE(
        machine.logged("wd0a: forgotten, and 4 KiB lost that had not been synced: the "
                       "device is gone"));
}

TEST_F(Volumes, SyncWritesAllOfThem)
{
    fs::Volume* first = fs::mount(ffs).value();
    fs::Volume* second = fs::mount(fat).value();
    std::byte data[100] = {};
    ASSERT_TRUE(first->cache->write(1'000'000, data));
    ASSERT_TRUE(second->cache->write(1'000'000, data));
    EXPECT_EQ(ffs.writes + fat.writes, 0u);
    ffs.broken = true;
    EXPECT_EQ(fs::sync().error(), Error::device);
    EXPECT_EQ(fat.writes, 1u) << "an error does not keep the others from it";
    EXPECT_EQ(fs::unmount(*first).error(), Error::device);
    EXPECT_EQ(fs::first_volume(), first);
    ffs.broken = false;
    EXPECT_TRUE(fs::unmount(*first));
    EXPECT_EQ(ffs.writes, 1u);
}

TEST_F(Volumes, ThatWouldWriteTheSameBlocksAreNotMountedTogether)
{
    uint64_t end = fat.blocks;
    fat.data.insert(fat.data.end(), ffs.data.begin(), ffs.data.end());
    fat.blocks += ffs.blocks;
    Partition part(fat, end, ffs.blocks);
    publish_as(part, "wd1p1");
    ASSERT_TRUE(fs::create("wd1p1:/new", NodeType::file, 0644));
    EXPECT_EQ(error("wd1:/"), Error::busy);
    EXPECT_TRUE(machine.logged("wd1: not mounted: wd1p1 has the same blocks"));
    EXPECT_TRUE(fs::unmount(*fs::first_volume()));
    ASSERT_TRUE(fs::create("wd1:/new", NodeType::file, 0644));
    EXPECT_EQ(error("wd1p1:/new"), Error::busy);
    EXPECT_TRUE(fs::unmount(*fs::first_volume()));
    EXPECT_TRUE(fs::look_up("wd1p1:/new"));
    EXPECT_TRUE(fs::unmount(*fs::first_volume()));

    Partition beside(fat, 0, end);
    publish_as(beside, "wd1p2");
    EXPECT_TRUE(fs::look_up("wd1p1:/new"));
    EXPECT_TRUE(fs::look_up("wd1p2:/new")) << "neighbours do not meet";
    while (fs::Volume* volume = fs::first_volume()) EXPECT_TRUE(fs::unmount(*volume));
    fat.read_only = part.read_only = true;
    EXPECT_TRUE(fs::look_up("wd1:/new"));
    EXPECT_TRUE(fs::look_up("wd1p1:/new")) << "nobody writes";
}

TEST_F(Volumes, AJournalIsNotReplayedBesideAnotherWriter)
{
    ImageDevice journal = ImageDevice::load("journal-ext3.img");
    uint64_t end = fat.blocks;
    fat.data.insert(fat.data.end(), journal.data.begin(), journal.data.end());
    fat.blocks += journal.blocks;
    Partition part(fat, end, journal.blocks);
    publish_as(part, "wd1p1");
    fs::Volume* whole = fs::mount(fat).value();
    EXPECT_EQ(fs::mount(part).error(), Error::busy);
    EXPECT_EQ(fat.writes, 0u);
    EXPECT_TRUE(fs::unmount(*whole));
    EXPECT_TRUE(fs::mount(part));
    EXPECT_GT(fat.writes, 0u);
}

// ---- open files

struct OpenFiles : Volumes {
    static std::string read(fs::OpenFile& file, size_t bytes)
    {
        std::string text(bytes, '?');
        auto count = file.read(std::as_writable_bytes(std::span(text)));
        EXPECT_TRUE(count);
        text.resize(count ? count.value() : 0);
        return text;
    }
    static Result<size_t> write(fs::OpenFile& file, std::string_view text)
    {
        return file.write(std::as_bytes(std::span(text)));
    }
    static constexpr uint32_t all = fs::open_read | fs::open_write;
};

TEST_F(OpenFiles, HaveAPosition)
{
    fs::OpenFile file;
    EXPECT_EQ(file.open("ram:/x", all).error(), Error::not_found);
    ASSERT_TRUE(file.open("ram:/x", all | fs::open_create, 0600));
    EXPECT_EQ(file.node().mode, 0600);
    EXPECT_EQ(file.open("ram:/x", all).error(), Error::busy);
    EXPECT_EQ(write(file, "Hello").value(), 5u);
    EXPECT_EQ(file.position(), 5u);
    EXPECT_EQ(read(file, 5), "");
    file.seek(1);
    EXPECT_EQ(read(file, 3), "ell");
    file.seek(7);
    EXPECT_EQ(read(file, 3), "");
    EXPECT_EQ(write(file, "far").value(), 3u);
    file.seek(0);
    EXPECT_EQ(read(file, 99), std::string("Hello\0\0far", 10));
    EXPECT_TRUE(file.truncate(2));
    EXPECT_TRUE(file.sync());
    file.seek(0);
    EXPECT_EQ(read(file, 99), "He");
    file.seek(~0ull);
    EXPECT_EQ(read(file, 99), "");
    EXPECT_EQ(write(file, "x").error(), Error::too_large);
    EXPECT_EQ(file.truncate(~0ull).error(), Error::too_large);
    file.close();
    file.close();
    EXPECT_FALSE(file.is_open());
}

TEST_F(OpenFiles, DoWhatTheyWereOpenedFor)
{
    fs::OpenFile file, other;
    for (uint32_t flags :
         {0u, uint32_t(fs::open_create), fs::open_read | fs::open_truncate,
          fs::open_read | fs::open_append, all | fs::open_exclusive, all | 64u, ~0u})
        EXPECT_EQ(file.open("ram:/x", flags).error(), Error::invalid) << flags;
    ASSERT_TRUE(file.open("ram:/x", fs::open_write | fs::open_create | fs::open_exclusive));
    std::byte none[1];
    EXPECT_EQ(file.read(none).error(), Error::invalid);
    EXPECT_TRUE(write(file, "12345"));
    EXPECT_EQ(other.open("ram:/x", all | fs::open_create | fs::open_exclusive).error(),
              Error::exists);
    ASSERT_TRUE(other.open("ram:/x", fs::open_read));
    EXPECT_EQ(write(other, "x").error(), Error::invalid);
    EXPECT_EQ(other.truncate(0).error(), Error::invalid);
    EXPECT_EQ(read(other, 9), "12345");
    other.close();
    ASSERT_TRUE(other.open("ram:/x", all | fs::open_append));
    EXPECT_TRUE(write(other, "6"));
    EXPECT_TRUE(write(file, "7"));  // where it is: over the 6
    other.seek(0);
    EXPECT_TRUE(write(other, "8"));
    other.seek(0);
    EXPECT_EQ(read(other, 9), "1234578");
    other.close();
    ASSERT_TRUE(other.open("ram:/x", all | fs::open_truncate));
    EXPECT_EQ(file.node().size, 0u);
    other.close();
    file.close();
}

TEST_F(OpenFiles, AreMadeWhereThereIsNothing)
{
    fs::OpenFile file;
    constexpr uint32_t makes = all | fs::open_create;
    ASSERT_TRUE(fs::create("ram:/d", NodeType::directory, 0755));
    ASSERT_TRUE(fs::make_link("ram:/nowhere", "/d/none"));
    ASSERT_TRUE(fs::make_link("ram:/there", "/d/x"));
    EXPECT_EQ(file.open("ram:/none/x", makes).error(), Error::not_found);
    EXPECT_EQ(file.open("ram:/d/x/", makes).error(), Error::not_directory);
    EXPECT_EQ(file.open("ram:/d/none/x", makes).error(), Error::not_found);
    EXPECT_EQ(file.open(std::string_view("ram:/d/x\0y", 10), makes).error(), Error::invalid);
    EXPECT_EQ(file.open("ram:/", makes).error(), Error::is_directory);
    EXPECT_EQ(file.open("ram:/d", makes).error(), Error::is_directory);
    EXPECT_EQ(file.open("ram:/d", makes | fs::open_exclusive).error(), Error::exists);
    EXPECT_EQ(fs::look_up("ram:/d/x").error(), Error::not_found);
    ASSERT_TRUE(file.open("ram:/d/../d/x", makes));
    EXPECT_EQ(&file.node(), fs::look_up("ram:/d/x").value().node);
    EXPECT_TRUE(write(file, "12"));
    file.close();
    ASSERT_TRUE(file.open("ram:/there", makes));
    EXPECT_EQ(read(file, 9), "12");
    file.close();
}

TEST_F(OpenFiles, AreMadeWhereALinkLeads)
{
    ImageDevice ext2 = ImageDevice::load("ext2-1k.img");
    publish_as(ext2, "wd2");
    constexpr uint32_t makes = all | fs::open_create;
    for (std::string volume : {"ram:", "wd0a:", "wd2:"}) {
        SCOPED_TRACE(volume);
        fs::OpenFile file;
        ASSERT_TRUE(fs::create(volume + "/d", NodeType::directory, 0755));
        for (auto [name, target] : {std::pair{"/first", "d/second"},
                                    {"/d/second", "../d/new"},
                                    {"/from the root", "/d/other"},
                                    {"/folder", "d/none/"},
                                    {"/below", "none/x"},
                                    {"/circle", "circle"},
                                    {"/d/up", "../d"}})
            ASSERT_TRUE(fs::make_link(volume + name, target)) << name;
        EXPECT_EQ(file.open(volume + "/first", makes | fs::open_exclusive).error(), Error::exists);
        EXPECT_EQ(file.open(volume + "/first/", makes).error(), Error::not_directory);
        EXPECT_EQ(file.open(volume + "/folder", makes).error(), Error::not_directory);
        EXPECT_EQ(file.open(volume + "/below", makes).error(), Error::not_found);
        EXPECT_EQ(file.open(volume + "/circle", makes).error(), Error::too_large);
        EXPECT_EQ(file.open(volume + "/d/up", makes).error(), Error::is_directory);
        EXPECT_EQ(error(volume + "/first"), Error::not_found) << "nothing has been made";
        for (auto [path, made] : {std::pair{"/first", "/d/new"}, {"/from the root", "/d/other"}}) {
            ASSERT_TRUE(file.open(volume + path, makes, 0600)) << path;
            EXPECT_TRUE(write(file, "text"));
            EXPECT_EQ(file.node().mode, 0600);
            EXPECT_EQ(&file.node(), fs::look_up(volume + made, false).value().node);
            file.close();
            ASSERT_TRUE(file.open(volume + path, makes)) << "now it is there";
            EXPECT_EQ(read(file, 9), "text");
            file.close();
        }
        EXPECT_EQ(fs::look_up(volume + "/first", false).value().node->type, NodeType::symlink);
    }
}

TEST_F(OpenFiles, InADamagedFolderAreComplainedOfOnce)
{
    const char first[] = {2, 0, 0, 0, 12, 0, 4, 1, '.', 0, 0, 0};  // of the root
    auto at = std::search(ffs.data.begin(), ffs.data.end(), std::begin(first), std::end(first));
    ASSERT_NE(at, ffs.data.end());
    at[4] = 3;  // its length
    for (uint32_t exclusive : {0u, uint32_t(fs::open_exclusive)}) {
        ASSERT_TRUE(fs::look_up("wd0a:/"));
        machine.log.clear();
        fs::OpenFile file;
        EXPECT_EQ(file.open("wd0a:/new", all | fs::open_create | exclusive).error(),
                  Error::corrupt);
        EXPECT_EQ(machine.log.size(), 1u);
    }
}

TEST_F(OpenFiles, AreDirectoriesToo)
{
    fs::OpenFile file;
    ASSERT_TRUE(fs::create("ram:/d", NodeType::directory, 0755));
    ASSERT_TRUE(fs::create("ram:/d/x", NodeType::file, 0644));
    EXPECT_EQ(file.open("ram:/d", all).error(), Error::is_directory);
    ASSERT_TRUE(file.open("ram:/d", fs::open_read));
    std::byte none[1];
    EXPECT_EQ(file.read(none).error(), Error::is_directory);
    EXPECT_EQ(file.write(none).error(), Error::is_directory);
    fs::DirectoryEntry entry;
    for (int round = 0; round < 2; ++round) {
        EXPECT_TRUE(file.next_entry(entry).value());
        EXPECT_EQ(entry.name.view(), "x");
        EXPECT_FALSE(file.next_entry(entry).value());
        file.seek(0);
    }
    file.close();
    ASSERT_TRUE(file.open("ram:/d/x", fs::open_read));
    EXPECT_EQ(file.next_entry(entry).error(), Error::not_directory);
    file.close();
}

TEST_F(OpenFiles, OfAPayloadAreATable)
{
    ASSERT_TRUE(fs::create("ram:/x", NodeType::file, 0644));
    for (uint32_t i = 0; i < fs::max_open_files; ++i)
        EXPECT_EQ(fs::open("ram:/x", fs::open_read).value(), i);
    EXPECT_EQ(fs::open("ram:/x", fs::open_read).error(), Error::no_memory);
    fs::open_file(7)->close();
    EXPECT_FALSE(fs::open_file(7));
    EXPECT_FALSE(fs::open_file(fs::max_open_files));
    EXPECT_FALSE(fs::open_file(~0u));
    EXPECT_EQ(fs::open("ram:/x", fs::open_read).value(), 7u);
    fs::close_all();
    EXPECT_FALSE(fs::open_file(0));
    EXPECT_EQ(fs::first_volume()->handles, 0u);
    EXPECT_FALSE(fs::look_up("ram:/x").value().node->is_open());
}

}  // namespace
