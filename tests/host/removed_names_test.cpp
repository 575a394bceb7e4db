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
                         testing::Values("ffs2_empty_4096_4096.img", "cut-ext2.img",
                                         "empty_fat12.img", "empty_exfat.img"),
                         [](auto& info) {
                             std::string name = info.param;
                             std::replace(name.begin(), name.end(), '-', '_');
                             return name.substr(0, name.find('.'));
                         });

constexpr unsigned last = 120;

std::string name_of(unsigned number)  // all equally long: each fits where another was
{
    return "/d/" + std::string(57, char('a' + number % 26)) + std::to_string(100 + number);
}

void make(unsigned number) { ASSERT_TRUE(fs::create(name_of(number), NodeType::file, 0644)); }
void remove(unsigned number) { ASSERT_TRUE(fs::remove(name_of(number))); }
void rename(const std::string& from, unsigned to) { ASSERT_TRUE(fs::rename(from, name_of(to))); }

// Where a name was comes another, so that there, too, something else has to be written first.
constexpr void (*ways[])() = {
    [] {
        remove(0);
        make(last + 1);
        remove(last);
        make(0);
        make(last);
    },
    [] {
        remove(last);
        make(last + 1);
        remove(0);
        make(last);
        make(0);
    },
    [] {  // another is renamed to it,
        remove(0);
        make(last + 1);
        rename(name_of(last), 0);
    },
    [] {  // or comes from elsewhere
        remove(0);
        make(last + 1);
        rename("/x", 0);
    },
    [] {  // it has been renamed, or has gone elsewhere
        rename(name_of(0), last + 1);
        make(0);
    },
    [] {
        ASSERT_TRUE(fs::rename(name_of(0), "/y"));
        make(last + 1);
        make(0);
    },
    [] {  // FAT: its short name, which is "AAAAAA~1", is given again
        remove(0);
        make(last + 1);
        remove(last);
        make(26 * 5);
    },
};

void expect_each_once(const std::vector<char>& image)
{
    ImageDevice disk(image);
    fs::Volume* volume = fs::mount(disk).value();
    fs::set_root(volume);
    bool has_short_names = std::string_view(volume->file_system->type).starts_with("fat");
    fs::Node* directory = fs::look_up("/d").value().node;
    std::map<std::string, unsigned> names, short_names;
    fs::DirectoryEntry entry;
    uint64_t position = 0;
    while (directory->next_entry(position, entry).value()) {
        ++names[std::string(entry.name.view())];
        if (has_short_names) ++short_names[std::string(&disk.data.at(entry.id), 11)];
    }
    for (auto& [name, times] : names) EXPECT_EQ(times, 1u) << name;
    for (auto& [name, times] : short_names) EXPECT_EQ(times, 1u) << name;
    EXPECT_GE(names.size(), last - 1);  // all but those that come and go
    fs::set_root(nullptr);
    ASSERT_TRUE(fs::unmount(*volume));
}

TEST_P(GivenAgain, IsNeverThereTwice)
{
    for (auto& way : ways) {
        SCOPED_TRACE("way " + std::to_string(&way - ways));
        FakeMachine machine;
        PowerCutDisk disk(load_image(GetParam()));
        publish_as(disk, "wd0");
        fs::Volume* volume = fs::mount(disk).value();
        fs::set_root(volume);
        ASSERT_TRUE(fs::create("/d", NodeType::directory, 0755));
        ASSERT_TRUE(fs::create("/x", NodeType::file, 0644));
        for (unsigned i = 0; i <= last; ++i) make(i);
        ASSERT_TRUE(fs::sync());
        size_t from = disk.now();
        way();
        fs::set_root(nullptr);
        ASSERT_TRUE(fs::unmount(*volume));
        // Every second cut is reordered: each moment has its turn. FAT writes much less.
        unsigned seeds = GetParam() == std::string_view("empty_fat12.img") ? 4 : 2;
        if (&way == std::end(ways) - 1 && seeds == 2) continue;
        for (unsigned seed = 1; seed <= seeds; ++seed)
            disk.each_cut(
                100, seed, [](auto& cut) { expect_each_once(cut.image); }, from - seed % 2);
    }
}

}  // namespace
