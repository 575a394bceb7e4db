// SPDX-License-Identifier: BSD-2-Clause
// The journals of ext3 and ext4 that debugfs has written: replayed, and damaged.
#include "ext2_disk.h"

namespace {

using namespace ext2_disk;

// What ext.py's make_journals() has them contain, in blocks of the log: descriptor, block and
// commit of 2500, 2501 and 2502, revoke and commit, twice 2503, and a descriptor without a commit.
constexpr size_t first_block = 2, first_commit = 3, second_descriptor = 4, revoke = 10,
                 last_descriptor = 18;
constexpr const char* const checksummed[] = {"journal-v2.img", "journal-v3.img", "journal-4k.img"};

struct Image {
    explicit Image(const std::string& file)
        : bytes(load_image(file)), size(size_t{1024} << le32(&bytes[1024 + 24]))
    {
        const char head[] = {'\xc0', '\x3b', '\x39', '\x98', 0, 0, 0, 1, 0, 0, 0, 1};
        for (size_t at = size; at < bytes.size() && !journal; at += size) {
            if (memcmp(&bytes[at], head, sizeof head) == 0) journal = at - size;
        }
        EXPECT_NE(journal, 0u) << file;
    }
    char& in_log(size_t block, size_t at) { return bytes[journal + block * size + at]; }
    std::vector<char> bytes;
    size_t size, journal = 0;
};

void expect_replayed(const std::vector<char>& image, size_t size)
{
    auto block = [&](size_t number) {
        return std::string(image.begin() + std::ptrdiff_t(number * size),
                           image.begin() + std::ptrdiff_t((number + 1) * size));
    };
    EXPECT_TRUE(block(2500) == std::string(size, 'A'));
    EXPECT_TRUE(block(2501) == "\xc0\x3b\x39\x98" + std::string(size - 4, 'B'));
    EXPECT_TRUE(block(2502) == std::string(size, 0)) << "it was revoked";
    EXPECT_TRUE(block(2503) == std::string(size, 'A')) << "the later one counts";
    EXPECT_TRUE(block(2504) == std::string(size, 0)) << "it was not committed";
}

// It is not used, nor written; the log says why.
void expect_refused(std::vector<char> image, std::string_view why, const std::string& detail)
{
    Disk disk(image);
    const char* reason = disk.file_system().read_only;
    ASSERT_NE(reason, nullptr);
    EXPECT_EQ(reason, why);
    EXPECT_EQ(fs::create("/new", NodeType::file, 0644).error(), Error::read_only);
    std::string log;
    for (auto& line : disk.machine.log) log += line + "\n";
    EXPECT_NE(log.find(detail), log.npos) << log;
    EXPECT_TRUE(disk.disk.data == image) << "something was written";
}

struct Ext2Journal : testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Images, Ext2Journal,
                         testing::Values("journal-ext3.img", "journal-v2.img", "journal-v3.img",
                                         "journal-4k.img"),
                         name_of);

TEST_P(Ext2Journal, IsReplayedAsE2fsckWould)
{
    Image image(GetParam());
    Disk disk(image.bytes);
    ASSERT_EQ(disk.file_system().read_only, nullptr);
    expect_replayed(disk.disk.data, image.size);
    expect_sound(disk.disk.data);
    put("/new", pattern(100'000, 3));
    ASSERT_NO_FATAL_FAILURE(disk.mount_again());
    EXPECT_TRUE(fs_model::read_all(node("/new")) == pattern(100'000, 3));
    expect_sound(disk.disk.data);
    expect_replayed(disk.disk.data, image.size);
}

TEST_P(Ext2Journal, IsReplayedAgainAfterAPowerCut)
{
    Image image(GetParam());
    PowerCutDisk disk(image.bytes);
    {
        FakeMachine machine;
        publish_as(disk, "wd0");
        fs::Volume* volume = fs::mount(disk).value();
        ASSERT_TRUE(fs::unmount(*volume));
    }
    disk.each_cut(12, 2, [&](const PowerCutDisk::Cut& cut) {
        Disk after(cut.image);
        EXPECT_EQ(after.file_system().read_only, nullptr);
        expect_replayed(after.disk.data, image.size);
        if (cut.reordered) expect_sound(after.disk.data);
    });
}

TEST_P(Ext2Journal, ThatCannotBeReplayedIsKept)
{
    Image image(GetParam());
    Disk disk(image.bytes);
    disk.disk.data = image.bytes;
    disk.disk.broken = true;
    fs::set_root(nullptr);
    ASSERT_TRUE(fs::unmount(*fs::first_volume()));
    disk.start();
    EXPECT_STREQ(disk.file_system().read_only, "its journal cannot be replayed");
    EXPECT_TRUE(disk.disk.data == image.bytes);
    disk.disk.broken = false;
    fs::set_root(nullptr);
    (void)fs::unmount(*fs::first_volume());
    disk.start();
    EXPECT_EQ(disk.file_system().read_only, nullptr);
    expect_replayed(disk.disk.data, image.size);
}

TEST(Ext2Journals, WithWrongChecksumsAreRefused)
{
    for (const char* file : checksummed) {
        SCOPED_TRACE(file);
        struct {
            size_t block, at;
            const char* detail;
        } const damages[] = {
            {first_block, 700, "block 2500 does not match its checksum"},
            {first_commit, 50, "commit 1 does not match its checksum"},
            {second_descriptor, 13, "transaction 2 does not match its checksum"},
            {revoke, 18, "transaction 4 does not match its checksum"},
        };
        for (auto& damage : damages) {
            Image image(file);
            image.in_log(damage.block, damage.at) ^= 4;
            expect_refused(image.bytes, "its journal cannot be replayed", damage.detail);
        }
        Image image(file);
        image.in_log(0, 60) ^= 1;
        expect_refused(image.bytes, "its journal is damaged", "its journal is damaged");
    }
}

TEST(Ext2Journals, MayEndInTheMiddleOfADescriptor)
{
    for (const char* file : checksummed) {
        Image image(file);
        image.in_log(last_descriptor, 600) ^= 1;
        Disk disk(image.bytes);
        EXPECT_EQ(disk.file_system().read_only, nullptr);
        expect_replayed(disk.disk.data, image.size);
        expect_sound(disk.disk.data);
    }
}

TEST(Ext2Journals, WithWildBlocksAreRefused)
{
    Image image("journal-ext3.img");
    for (size_t i = 0; i < 4; ++i) image.in_log(second_descriptor, 12 + i) = '\x7f';
    expect_refused(image.bytes, "its journal cannot be replayed", "the journal has a block");
}

TEST(Ext2Journals, WithUnknownFeaturesAreRefused)
{
    Image image("journal-ext3.img");
    image.in_log(0, 40) = 1;  // the highest byte of `incompat`
    expect_refused(image.bytes, "its journal has features that this kernel does not know",
                   "its journal has features");
    image = Image("journal-ext3.img");
    image.in_log(0, 35) = 5;  // an error that the journal's last user has left
    expect_refused(image.bytes, "it has errors that e2fsck has to mend", "has errors");
    image = Image("journal-ext3.img");
    image.in_log(0, 20) = 0x10;  // its log begins beyond its end
    expect_refused(image.bytes, "its journal is damaged", "is damaged");
}

}  // namespace
