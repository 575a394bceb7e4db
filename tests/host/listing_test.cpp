// SPDX-License-Identifier: BSD-2-Clause
// Folders that are listed while something else is going on, on all file systems that can be
// written.
#include <algorithm>
#include <random>
#include <set>
#include "fs/volumes.h"
#include "fs_model.h"
#include "images.h"

namespace {

using fs::NodeType;

constexpr unsigned count = 60;

const std::string long_name = "a name for which there is no room yet, so that the folder grows ";
std::string name_of(unsigned i) { return "entry number " + std::to_string(1000 + i); }

struct Listing : testing::TestWithParam<const char*> {
    Listing() : disk(ImageDevice::load(GetParam()))
    {
        publish_as(disk, "wd0");
        mount();
        EXPECT_TRUE(fs::create("/d", NodeType::directory, 0755));
        for (unsigned i = 0; i < count; ++i) make("/d/" + name_of(i), "");
        make("/data", std::string(40'000, 'x'));
        unmount();
        mount();
        folder = fs::look_up("/d").value().node;
        folder->opened();
    }
    ~Listing() override
    {
        if (folder) folder->closed();
        unmount();
    }
    void mount()
    {
        auto mounted = fs::mount(disk);
        EXPECT_TRUE(mounted);
        fs::set_root(mounted ? mounted.value() : nullptr);
    }
    static void unmount()
    {
        fs::set_root(nullptr);
        while (fs::first_volume() && fs::unmount(*fs::first_volume())) {}
    }
    static void make(const std::string& path, const std::string& text)
    {
        auto made = fs::create(path, NodeType::file, 0644);
        ASSERT_TRUE(made) << path << ": " << error_text(made.error());
        auto bytes = std::as_bytes(std::span(text));
        EXPECT_EQ(made.value()->write(0, bytes).value(), text.size());
    }
    // At most so many more.
    Error list(size_t most, std::vector<std::string>& names)
    {
        fs::DirectoryEntry entry;
        for (; most; --most) {
            auto more = folder->next_entry(position, entry);
            if (!more || !more.value()) return more.error();
            names.emplace_back(entry.name.view());
        }
        return {};
    }
    std::vector<std::string> list_all()
    {
        std::vector<std::string> names;
        position = 0;
        EXPECT_EQ(list(~size_t{0}, names), Error{});
        position = 0;
        return names;
    }

    FakeMachine machine;
    ImageDevice disk;
    fs::Node* folder = nullptr;
    uint64_t position = 0;
    std::mt19937 random{1};
};

auto title = [](const auto& info) {
    std::string name = info.param;
    name.resize(name.find('.'));
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
};

INSTANTIATE_TEST_SUITE_P(Formats, Listing,
                         testing::Values("cut-ext2.img", "ext2-r0.img", "cut-ext4.img",
                                         "ffs1_empty_4096_512.img", "ffs2_empty_8192_1024.img",
                                         "empty_fat16.img", "empty_fat32.img", "empty_exfat.img"),
                         title);

TEST_P(Listing, KnowsWhatComesAndGoes)
{
    std::set<std::string> there, gone, seen;
    for (unsigned i = 0; i < count; ++i) there.insert(name_of(i));
    std::vector<std::string> one;
    for (unsigned i = 0; one.clear(), list(1, one) == Error{} && !one.empty(); ++i) {
        const std::string& name = one[0];
        EXPECT_TRUE(seen.insert(name).second) << name << " is there twice";
        EXPECT_FALSE(gone.contains(name)) << name;
        auto found = fs::look_up("/d/" + name);
        ASSERT_TRUE(found) << name;
        std::string other = name_of(random() % count);
        if (i % 3 == 0 && !gone.contains(other)) {
            ASSERT_TRUE(fs::remove("/d/" + other)) << other;
            gone.insert(other);
        }
        std::string number = std::to_string(i);
        if (i < 20) make("/d/" + long_name + number, "");
        if (i < 20) make("/data" + number, std::string(512, 'x'));
        if (i % 5 == 0) ASSERT_TRUE(fs::sync());
    }
    for (const std::string& name : there)
        EXPECT_TRUE(seen.contains(name) || gone.contains(name)) << name << " is hidden";
}

TEST_P(Listing, GoesOnWhenTheCacheNeedsItsLines)
{
    auto expected = list_all();
    ASSERT_EQ(expected.size(), count);
    fs::root()->cache->set_limit(1);
    std::vector<std::string> names;
    std::byte bytes[100];
    fs::Node& data = *fs::look_up("/data").value().node;  // now: no other folder is looked at later
    data.opened();
    for (unsigned i = 0; i <= count; ++i) {
        ASSERT_EQ(list(1, names), Error{});
        for (unsigned n = random() % 10; n; --n)
            ASSERT_TRUE(data.read(random() % (data.size - sizeof bytes), bytes));
    }
    data.closed();
    EXPECT_EQ(names, expected);
}

// What was the folder's is a file's now.
TEST_P(Listing, GoesOnWhenTheFolderHasMoved)
{
    std::vector<std::string> names;
    ASSERT_EQ(list(55, names), Error{});
    for (unsigned i = 0; i < 20; ++i) {
        make("/d/" + long_name + std::to_string(i), "");
        make("/data" + std::to_string(i), std::string(512, 'x'));
        ASSERT_TRUE(fs::sync());
    }
    fs::Node& file = *fs::look_up("/data").value().node;
    const std::string some(1024, 'x');
    auto bytes = std::as_bytes(std::span(some));
    for (unsigned i = 0; i < 3000 && file.write(file.size, bytes); ++i) {}
    EXPECT_EQ(list(~size_t{0}, names), Error{});
    std::set<std::string> seen(names.begin(), names.end());
    EXPECT_EQ(seen.size(), names.size());
    for (unsigned i = 0; i < count; ++i) EXPECT_TRUE(seen.contains(name_of(i))) << name_of(i);
}

// Those whose folders are lists of records.
struct DamagedListing : Listing {};
INSTANTIATE_TEST_SUITE_P(Formats, DamagedListing,
                         testing::Values("cut-ext2.img", "ext2-r0.img", "ffs1_empty_4096_512.img",
                                         "ffs2_empty_8192_1024.img"),
                         title);

TEST_P(DamagedListing, EndsAtTheDamage)
{
    auto expected = list_all();
    for (size_t victim : {50, 40, 21, 20}) {
        std::vector<std::string> names;
        position = 0;
        EXPECT_EQ(list(20, names), Error{});
        const std::string& name = expected[victim];
        for (auto from = disk.data.begin();;) {  // all copies of it
            from = std::search(from, disk.data.end(), name.begin(), name.end());
            if (from == disk.data.end()) break;
            auto at = static_cast<size_t>(from++ - disk.data.begin()) - 4;  // its record's length
            std::byte sector[512];
            memcpy(sector, disk.data.data() + at / 512 * 512, sizeof sector);
            memset(sector + at % 512, 0, 2);
            ASSERT_TRUE(disk.write(at / 512, 1, sector));
        }
        for (int again = 0; again < 3; ++again)
            EXPECT_EQ(list(count, names), Error::corrupt) << victim;
        EXPECT_EQ(names, std::vector(expected.begin(), expected.begin() + long(victim)));
    }
}

}  // namespace
