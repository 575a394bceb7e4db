// SPDX-License-Identifier: BSD-2-Clause
// Volumes that are full, or nearly: what fails for want of space changes nothing. And the mark on
// the medium that says "not unmounted": it stays there for as long as anything waits to be written.
#include "fakes/clock.h"
#include "fs/open_file.h"
#include "fs_model.h"
#include "made_volume.h"
#include "power_cut.h"

namespace {

using fs::NodeType;

struct FullVolume : testing::TestWithParam<MadeVolume> {
    FullVolume() : disk(GetParam().make())
    {
        publish_as(disk, "wd0");
        mount();
    }
    ~FullVolume() override
    {
        fs::close_all();
        unmount();
    }
    void mount()
    {
        fs::set_root(fs::mount(disk).value());
        if (mounts++ % 2) fs::root()->cache->set_limit(24);
    }
    void unmount()
    {
        fs::Volume* volume = fs::root();
        fs::set_root(nullptr);
        ASSERT_TRUE(fs::unmount(*volume));
        auto checked = run_checker(disk.data, GetParam().checker);
        EXPECT_EQ(checked.status, 0) << checked.output;
    }
    void expect_mark() const
    {
        if (fs::root()->cache->unsynced_bytes()) EXPECT_TRUE(GetParam().is_marked(disk.data));
    }
    FakeMachine machine;
    ImageDevice disk;
    unsigned mounts = 0;
};

TEST_P(FullVolume, HasWhatTheModelHas)
{
    NoonClock clock(machine);
    unsigned steps = 0, refused = 0, seeds = getenv("VESPER_LONG") ? 40 : 2;
    fs_model::RandomOperations* running = nullptr;
    fs_model::Options options = GetParam().operations();
    options.may_fill = true;
    options.compare_every = 5;
    options.tick = [&] {
        clock.pass(2);
        fill(++steps % 4 ? 0 : 6000);
        expect_mark();
    };
    options.pause_every = 50;
    options.pause = [&] {
        running->close_files();
        ASSERT_TRUE(fs::sync());
        uint64_t before = free_space();
        unmount();
        mount();
        EXPECT_EQ(free_space(), before);
    };
    std::vector<char> empty = disk.data;
    for (unsigned seed = 1; seed <= seeds && !HasFailure(); ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        unmount();
        disk.data = empty;
        mount();
        ASSERT_TRUE(fs::create("/filler", NodeType::file, 0644));
        ASSERT_TRUE(fs::create("/top", NodeType::directory, 0755));
        fs_model::RandomOperations operations(seed, options);
        running = &operations;
        operations.run(700);
        refused += operations.refused();
    }
    EXPECT_GT(refused, 5 * seeds);
}

TEST_P(FullVolume, SingleFreeBlocksWillDo)
{
    auto name = [](unsigned i) { return "/" + std::to_string(i); };
    ASSERT_TRUE(fs::create("/filler", NodeType::file, 0644));
    ASSERT_TRUE(fs::create("/d", NodeType::directory, 0755));
    for (unsigned i = 0; i < 100; ++i) {
        auto made = fs::create(name(i), NodeType::file, 0644);
        ASSERT_TRUE(made) << error_text(made.error());
        ASSERT_TRUE(made.value()->write(0, std::as_bytes(std::span("text"))));
    }
    fill(0);
    for (unsigned i = 0; i < 100; i += 2) ASSERT_TRUE(fs::remove(name(i)));
    ASSERT_TRUE(fs::sync());
    for (char c : {'a', 'b', 'c', 'd'}) {
        auto made = fs::create("/d/" + std::string(200, c), NodeType::file, 0644);
        EXPECT_TRUE(made) << error_text(made.error());
    }
}

TEST_P(FullVolume, IsMarkedWhileAnythingIsNotSynced)
{
    // Of FAT and exFAT so many wait for a sync at most, and one more.
    constexpr unsigned count = 257;
    auto name = [](unsigned i) { return "/d/" + std::to_string(i); };
    ASSERT_TRUE(fs::create("/d", NodeType::directory, 0755));
    for (unsigned i = 0; i < count; ++i) {
        auto made = fs::create(name(i), NodeType::file, 0644);
        ASSERT_TRUE(made) << i << error_text(made.error());
        ASSERT_TRUE(made.value()->write(0, std::as_bytes(std::span("text"))));
        expect_mark();
    }
    ASSERT_TRUE(fs::sync());
    for (unsigned i = 0; i < count; ++i) {
        ASSERT_TRUE(fs::remove(name(i)));
        expect_mark();
    }
}

TEST_P(FullVolume, IsMarkedWhileAFileWithoutANameIsOpen)
{
    ASSERT_TRUE(fs::create("/file", NodeType::file, 0644));
    auto handle = fs::open("/file", fs::open_read | fs::open_write);
    ASSERT_TRUE(handle);
    fs::OpenFile& file = *fs::open_file(handle.value());
    ASSERT_TRUE(file.write(std::as_bytes(std::span("text"))));
    ASSERT_TRUE(fs::remove("/file"));
    for (int i = 0; i < 2; ++i) {
        ASSERT_TRUE(fs::sync());
        EXPECT_TRUE(GetParam().is_marked(disk.data));
    }
    std::byte text[5];
    file.seek(0);
    EXPECT_EQ(file.read(text).value(), 5u);
    file.close();
}

INSTANTIATE_TEST_SUITE_P(On, FullVolume, testing::ValuesIn(small_volumes),
                         [](auto& info) { return info.param.name; });

}  // namespace
