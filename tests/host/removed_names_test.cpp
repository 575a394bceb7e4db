// SPDX-License-Identifier: BSD-2-Clause
// A name that is removed and given again elsewhere in its directory: no power cut leaves it twice.
#include "fs/removed_names.h"
#include "fakes/machine.h"
#include "fs/volumes.h"
#include "power_cut.h"

namespace {

using fs::NodeType;
using fs::RemovedNames;

struct OnCache : testing::Test {
    OnCache() : disk(std::vector<char>(1 << 20)) {}
    ~OnCache() override { delete cache; }
    // Whether there was a flush between the two.
    bool comes_before(uint64_t first, uint64_t later)
    {
        bool before = true;
        disk.each_cut(1000, 1, [&](const PowerCutDisk::Cut& cut) {
            before &= !cut.image[later] || cut.image[first];
        });
        return before;
    }
    void put(uint64_t place)
    {
        std::byte one{1};
        ASSERT_TRUE(cache->write(place, std::span(&one, 1)));
    }
    // Whether what has these names comes after "name" is gone from directory 2.
    bool waits(std::initializer_list<uint32_t> keys)
    {
        put(40'000);
        EXPECT_TRUE(removed.add(RemovedNames::key_of(2, "name"), 40'000));
        for (uint32_t key : keys) EXPECT_TRUE(removed.order_before(key, 8'000));
        put(8'000);
        EXPECT_TRUE(cache->sync());
        return comes_before(40'000, 8'000);
    }
    FakeMachine machine;
    PowerCutDisk disk;
    BlockCache* cache = BlockCache::make_for(disk).value();
    RemovedNames removed{*cache};
};
using RemovedNamesTest = OnCache;

TEST_F(RemovedNamesTest, TheSameNameComesAfterwards)
{
    EXPECT_TRUE(waits({RemovedNames::key_of(2, "name")}));
}

TEST_F(RemovedNamesTest, OthersDoNotWait)
{
    EXPECT_FALSE(waits({RemovedNames::key_of(2, "another"), RemovedNames::key_of(3, "name")}));
}

TEST_F(RemovedNamesTest, MoreThanCanBeRememberedAreWritten)
{
    put(40'000);
    for (int i = 0; i < 512; ++i)
        ASSERT_TRUE(removed.add(RemovedNames::key_of(2, std::to_string(i)), 40'000));
    EXPECT_EQ(disk.flushes, 0u);
    ASSERT_TRUE(removed.add(RemovedNames::key_of(2, "name"), 40'000));
    EXPECT_EQ(disk.flushes, 1u);
    put(8'000);
    ASSERT_TRUE(cache->sync());
    EXPECT_TRUE(comes_before(40'000, 8'000));
}

// ---- file systems

struct GivenAgain : testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Images, GivenAgain,
                         testing::Values("ffs2_empty_4096_4096.img", "cut-ext2.img"),
                         [](auto& info) {
                             std::string name = info.param;
                             std::replace(name.begin(), name.end(), '-', '_');
                             return name.substr(0, name.find('.'));
                         });

std::string name_of(unsigned number)  // all equally long: each fits where another was
{
    return "/d/" + std::string(57, char('a' + number % 26)) + std::to_string(100 + number);
}

void expect_each_once(const std::vector<char>& image)
{
    ImageDevice disk(image);
    fs::Volume* volume = fs::mount(disk).value();
    fs::set_root(volume);
    fs::Node* directory = fs::look_up("/d").value().node;
    std::map<std::string, unsigned> names;
    fs::DirectoryEntry entry;
    uint64_t position = 0;
    while (directory->next_entry(position, entry).value()) ++names[std::string(entry.name.view())];
    for (auto& [name, times] : names) EXPECT_EQ(times, 1u) << name;
    EXPECT_GE(names.size(), 119u);  // all but those that come and go
    fs::set_root(nullptr);
    ASSERT_TRUE(fs::unmount(*volume));
}

TEST_P(GivenAgain, IsNeverThereTwice)
{
    constexpr unsigned last = 120;
    for (unsigned gone : {0u, last}) {
        FakeMachine machine;
        PowerCutDisk disk(load_image(GetParam()));
        publish_as(disk, "wd0");
        fs::Volume* volume = fs::mount(disk).value();
        fs::set_root(volume);
        ASSERT_TRUE(fs::create("/d", NodeType::directory, 0755));
        for (unsigned i = 0; i <= last; ++i)
            ASSERT_TRUE(fs::create(name_of(i), NodeType::file, 0644));
        ASSERT_TRUE(fs::sync());
        size_t from = disk.now();
        // Where it was comes another, so that there, too, something else has to be written first.
        ASSERT_TRUE(fs::remove(name_of(gone)));
        ASSERT_TRUE(fs::create(name_of(last + 1), NodeType::file, 0644));
        ASSERT_TRUE(fs::remove(name_of(last - gone)));
        for (unsigned i : {gone, last - gone})
            ASSERT_TRUE(fs::create(name_of(i), NodeType::file, 0644));
        fs::set_root(nullptr);
        ASSERT_TRUE(fs::unmount(*volume));
        for (unsigned seed = 1; seed <= 3; ++seed)
            disk.each_cut(
                100, seed, [](auto& cut) { expect_each_once(cut.image); }, from);
    }
}

}  // namespace
