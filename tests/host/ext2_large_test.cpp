// SPDX-License-Identifier: BSD-2-Clause
// ext2, ext3 and ext4 at their limits: many names, long files, no space, disks that fail.
#include <random>
#include "ext2_disk.h"

namespace {

using namespace ext2_disk;

void check(Disk& disk)
{
    ASSERT_TRUE(fs::sync());
    expect_sound(disk.disk.data);
}

uint64_t free_bytes(Disk& disk) { return disk.file_system().free_bytes().value(); }

struct Ext2Large : testing::TestWithParam<const char*> {
    Disk disk{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Images, Ext2Large,
                         testing::Values("large-ext2.img", "large-ext3.img", "large-ext4.img"),
                         name_of);

TEST_P(Ext2Large, DirectoriesHaveManyNames)
{
    const unsigned count = getenv("VESPER_LONG") ? 100'000 : 10'000, per_file = 30'000;
    for (unsigned i = 0; i < count; i += per_file) put("/file" + std::to_string(i / per_file), "!");
    ASSERT_TRUE(fs::create("/d", NodeType::directory, 0755));
    auto name = [](unsigned i) { return "/d/the file number " + std::to_string(i * 7919); };
    for (unsigned i = 0; i < count; ++i)
        ASSERT_TRUE(fs::add_name("/file" + std::to_string(i / per_file), name(i))) << i;
    check(disk);
    auto index = run_checker(disk.disk.data, "debugfs -R 'htree_dump /d'").output;
    EXPECT_NE(index.find("Indirect levels: 1"), index.npos) << index.substr(0, 500);
    ASSERT_NO_FATAL_FAILURE(disk.mount_again());
    EXPECT_EQ(node("/file0").links, std::min(count, per_file) + 1);
    fs::DirectoryEntry entry;
    uint64_t position = 0;
    unsigned seen = 0;
    while (node("/d").next_entry(position, entry).value()) {
        ++seen;  // every third goes while one looks
        if (seen % 3) continue;
        ASSERT_TRUE(fs::remove("/d/" + std::string(entry.name.view())));
    }
    EXPECT_EQ(seen, count);
    check(disk);
    unsigned left = 0;
    for (unsigned i = 0; i < count; ++i) left += bool(fs::look_up(name(i)));
    EXPECT_EQ(left, count - count / 3);
    for (unsigned i = 0; i < count; i += 7) (void)fs::remove(name(i));
    for (unsigned i = 0; i < 1000; ++i)
        ASSERT_TRUE(fs::add_name("/file0", "/d/another " + std::to_string(i)));
    EXPECT_EQ(fs::add_name("/file0", "/d/another 7").error(), Error::exists);
    check(disk);
}

// Where a leaf is split between the two, the index says that it goes on in the next one.
TEST(Ext2Index, NamesOfOneHashMayBeInTwoLeaves)
{
    constexpr const char *one = "/x223945", *other = "/x245689";  // half MD4, without a seed
    std::vector<char> image = load_image("large-ext2.img");
    memset(&image[1024 + 0xec], 0, 16);
    Disk disk(image);
    put("/file", "");
    auto folder = [](unsigned n) { return "/d" + std::to_string(n); };
    for (unsigned n = 0; n < 60; ++n) {
        ASSERT_TRUE(fs::create(folder(n), NodeType::directory, 0755));
        for (const char* name : {one, other}) ASSERT_TRUE(fs::add_name("/file", folder(n) + name));
        for (unsigned i = 0; i < 70; ++i)
            ASSERT_TRUE(fs::add_name("/file", folder(n) + "/y" + std::to_string(n * 1000 + i)));
    }
    check(disk);
    ASSERT_NO_FATAL_FAILURE(disk.mount_again());
    for (unsigned n = 0; n < 60; ++n) {
        for (const char* name : {one, other}) EXPECT_TRUE(fs::look_up(folder(n) + name)) << n;
    }
}

TEST_P(Ext2Large, FilesAreSparseAndBeyond4GiB)
{
    uint64_t before = free_bytes(disk);
    put("/file", "");
    constexpr uint64_t n = 256;
    const uint64_t blocks[] = {0,
                               11,
                               12,
                               12 + n - 1,
                               12 + n,
                               12 + n + n * n - 1,
                               12 + n + n * n,
                               12 + n + n * n + 90 * n * n + 5};
    for (uint64_t block : blocks) put("/file", pattern(5000, unsigned(block)), block * 1024 + 100);
    EXPECT_GT(node("/file").size, uint64_t{1} << 32);
    check(disk);
    ASSERT_NO_FATAL_FAILURE(disk.mount_again());
    auto part = [](uint64_t offset, size_t size) {
        std::string text(size, '?');
        EXPECT_EQ(node("/file").read(offset, std::as_writable_bytes(std::span(text))).value(),
                  size);
        return text;
    };
    for (uint64_t block : {blocks[4], blocks[6], blocks[7]})
        EXPECT_EQ(part(block * 1024 + 1000, 4100), pattern(5000, unsigned(block)).substr(900));
    EXPECT_EQ(part((blocks[5] - 9) * 1024, 4096), std::string(4096, 0));
    // Shorter, step by step, with and without a hole at the end.
    for (uint64_t size :
         {blocks[7] * 1024, blocks[6] * 1024 + 1, blocks[5] * 1024 - 5, (blocks[4] + 1) * 1024,
          blocks[3] * 1024, blocks[2] * 1024 + 10, uint64_t{5100}}) {
        ASSERT_TRUE(node("/file").truncate(size));
        check(disk);
    }
    EXPECT_EQ(part(100, 5000), pattern(5000, 0));
    EXPECT_EQ(node("/file").truncate(~0ull >> 1).error(), Error::too_large);
    ASSERT_TRUE(node("/file").truncate(9'000'000'000));
    EXPECT_EQ(part(5100, 3000), std::string(3000, 0));
    check(disk);
    ASSERT_TRUE(fs::remove("/file"));
    check(disk);
    EXPECT_EQ(free_bytes(disk), before);
}

TEST_P(Ext2Large, EveryOperationLeavesItSound)
{
    ASSERT_TRUE(fs::create("/d", NodeType::directory, 0755));
    check(disk);
    const std::function<bool()> steps[] = {
        [] { return bool(fs::create("/d/a", NodeType::file, 0600)); },
        [] { return put("/d/a", pattern(40'000, 1)), true; },
        [] { return put("/d/a", pattern(3000, 2), 5000), true; },   // over what there is
        [] { return put("/d/a", pattern(300, 3), 40'000), true; },  // behind it
        [] { return put("/d/a", pattern(10, 4), 1'000'000), true; },
        [] { return bool(node("/d/a").truncate(12'345)); },
        [] { return bool(node("/d/a").truncate(3'000'000)); },
        [] { return bool(fs::add_name("/d/a", "/b")); },
        [] { return bool(fs::make_link("/short", "d/a")); },
        [] { return bool(fs::make_link("/d/long", std::string(300, 'x'))); },
        [] { return bool(fs::create("/d/e", NodeType::directory, 0700)); },
        [] { return bool(fs::rename("/d/e", "/e")); },  // another ".."
        [] { return bool(fs::rename("/b", "/e/c")); },
        [] { return put("/f", "old"), bool(fs::rename("/f", "/d/long")); },
        [] { return bool(node("/d/a").set_mode(0444)); },
        [] { return bool(node("/d/a").set_modified(5'000'000'000)); },
        [] { return bool(fs::remove("/short")); },
        [] { return bool(fs::remove("/d/a")); },
        [] { return bool(fs::remove("/e/c")); },
        [] { return bool(fs::remove("/e")); },
        [] { return fs::remove("/d").error() == Error::not_empty; },
        [] { return bool(fs::remove("/d/long")) && fs::remove("/d"); },
    };
    for (size_t i = 0; i < std::size(steps); ++i) {
        SCOPED_TRACE("step " + std::to_string(i));
        EXPECT_TRUE(steps[i]());
        ASSERT_NO_FATAL_FAILURE(check(disk));
    }
}

// ---- no space

TEST_P(Ext2Large, FillsTheDiskAndEmptiesIt)
{
    uint64_t before = free_bytes(disk);
    put("/big", "");
    fs::Node& big = node("/big");
    std::string piece = pattern(300'000, 5);
    EXPECT_EQ(fs_model::fill(big, piece), Error::no_space);
    EXPECT_LT(free_bytes(disk), 8192u);
    check(disk);
    uint64_t size = big.size;
    EXPECT_EQ(big.write(size + 5000, std::as_bytes(std::span(piece))).error(), Error::no_space);
    EXPECT_EQ(fs::create("/d", NodeType::directory, 0755).error(), Error::no_space);
    EXPECT_EQ(fs::make_link("/l", std::string(500, 'x')).error(), Error::no_space);
    check(disk);
    // What is given back can be used at once.
    ASSERT_TRUE(big.truncate(size - 30'000));
    put("/small", pattern(20'000, 6));
    ASSERT_TRUE(fs::remove("/big"));
    put("/again", pattern(size / 2, 7));
    check(disk);
    EXPECT_TRUE(fs_model::read_all(node("/again")) == pattern(size / 2, 7));
    ASSERT_TRUE(fs::remove("/again"));
    ASSERT_TRUE(fs::remove("/small"));
    check(disk);
    EXPECT_EQ(free_bytes(disk), before);
}

struct Ext2Few : testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Images, Ext2Few, testing::Values("few-ext2.img", "few-ext4.img"), name_of);

TEST_P(Ext2Few, InodesEnd)
{
    Disk disk(GetParam());
    unsigned count = 0;
    while (fs::create("/" + std::to_string(count), NodeType::file, 0644)) ++count;
    EXPECT_EQ(count, 64u - 11);
    EXPECT_EQ(fs::create("/x", NodeType::file, 0644).error(), Error::no_space);
    EXPECT_EQ(fs::create("/x", NodeType::directory, 0755).error(), Error::no_space);
    EXPECT_EQ(fs::make_link("/x", "y").error(), Error::no_space);
    check(disk);
    for (unsigned i = 0; i < count; ++i) {
        ASSERT_TRUE(fs::remove("/" + std::to_string(i)));
        put("/new" + std::to_string(i), pattern(2000, i));
    }
    check(disk);
    EXPECT_EQ(fs_model::read_all(node("/new7")), pattern(2000, 7));
}

// Not only when it has been synced: its group is not full any more.
TEST(Ext2Groups, AFreedInodeCanBeHadAgain)
{
    Disk disk("ext4-meta.img");
    unsigned count = 0;
    while (fs::create("/" + std::to_string(count), NodeType::file, 0644)) ++count;
    ASSERT_GT(count, 100u);
    for (unsigned i = 0; i < count; i += 10) {
        ASSERT_TRUE(fs::remove("/" + std::to_string(i)));
        EXPECT_TRUE(fs::create("/again" + std::to_string(i), NodeType::file, 0644)) << i;
    }
    check(disk);
}

// ---- faults

TEST_P(Ext2Large, WriteErrorsHarmNothingThatWasThere)
{
    put("/stays", pattern(50'000, 9));
    ASSERT_NO_FATAL_FAILURE(check(disk));
    std::mt19937 random(1);
    unsigned failed = 0;
    auto operation = [&](unsigned i) -> Error {
        std::string path = "/" + std::to_string(i % 7), other = "/" + std::to_string(i % 5);
        switch (random() % 6) {
        case 0: return fs::create(path, NodeType::directory, 0755).error();
        case 1: return fs::remove(path).error();
        case 2: return fs::rename(path, other).error();
        case 3: return fs::sync().error();
        default:
            (void)fs::create(path, NodeType::file, 0644);
            auto found = fs::look_up(path);
            if (!found) return found.error();
            std::string text = pattern(random() % 60'000, i);
            return found.value().node->write(0, std::as_bytes(std::span(text))).error();
        }
    };
    for (unsigned i = 0; i < 400; ++i) {
        disk.disk.broken = random() % 3 == 0;
        failed += operation(i) == Error::device;
    }
    EXPECT_GT(failed, 10u);
    disk.disk.broken = false;
    ASSERT_TRUE(fs::sync());
    if (disk.file_system().type == std::string_view("ext2"))
        expect_lost_space_at_most(run_checker(disk.disk.data, "e2fsck -fn").output);
    else
        expect_sound(disk.disk.data);
    EXPECT_EQ(fs_model::read_all(node("/stays")), pattern(50'000, 9));
}

}  // namespace
