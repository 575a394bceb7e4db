// SPDX-License-Identifier: BSD-2-Clause
#include <gmock/gmock.h>
#include "lib/bytes.h"
#include "mounted.h"

namespace fs {
extern const FileSystemDriver udf;
extern const FileSystemDriver iso9660;
}  // namespace fs

namespace {
using testing::Contains;
using testing::HasSubstr;

struct Udf : Mounted {
    explicit Udf(const std::string& file, uint32_t block_bytes = 512)
        : Mounted(fs::udf, "udf-" + file, block_bytes)
    {
    }
    explicit Udf(ImageDevice image) : Mounted(fs::udf, std::move(image)) {}
};

class UdfImages : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Udf, UdfImages,
                         testing::Values("512.img", "2048.img", "4096.img", "sparable.img",
                                         "vat.img", "vat150.img", "metadata.img"));

TEST_P(UdfImages, HaveAllFilesAndLinks)
{
    Udf volume(GetParam());
    EXPECT_STREQ(volume.system->type, "udf");
    EXPECT_EQ(volume.system->label.view(), "Vesper ☺");
    volume.expect_tree(false, true);
    volume.expect_pieces("medium");
    volume.expect_pieces("sparse");
    EXPECT_TRUE(volume.machine.log.empty()) << volume.all_log();
}

TEST_P(UdfImages, HaveNamesInUnicode)
{
    Udf volume(GetParam());
    for (auto [name, seed] :
         {std::pair{"latin äöü", "latin"}, {"日本語 ☺", "wide"}, {"smile 😀", "smile"}})
        EXPECT_EQ(volume.content(name), expected_content(seed, 3000)) << name;
    EXPECT_THAT(volume.list(""), testing::Not(Contains("deleted")));
}

TEST_P(UdfImages, KnowModesTimesAndLinks)
{
    Udf volume(GetParam());
    EXPECT_EQ(volume.node("hello.txt").mode, 04711);
    EXPECT_EQ(volume.node("hello.txt").modified_s, 1234567890);  // 0:31:30 in a zone
    EXPECT_EQ(volume.node("block").links, 2u);
    EXPECT_EQ(&volume.node("block"), &volume.node("second name of block"));
    EXPECT_EQ(volume.node("dir").mode, 0755);
}

TEST_P(UdfImages, HaveHoles)
{
    Udf volume(GetParam());
    auto expected = expected_content("sparse", 4096);
    expected.resize(304'096);
    auto end = expected_content("end", 5000);
    expected.insert(expected.end(), end.begin(), end.end());
    EXPECT_EQ(volume.content("sparse"), expected);
}

TEST(Udf, ReadsOnOtherBlocks)
{
    Udf("2048.img", 2048).expect_tree(false, true);
    Udf("512.img", 4096).expect_tree(false, true);
}

TEST(Udf, OfABridgeDiscIsPreferred)
{
    Udf volume("bridge.iso");
    EXPECT_EQ(volume.system->label.view(), "BRIDGE");
    volume.expect_tree(false, false);
    EXPECT_TRUE(volume.machine.log.empty()) << volume.all_log();
}

TEST(Udf, ThatIsDamagedLeavesABridgeDiscToIso9660)
{
    ImageDevice image = ImageDevice::load("udf-bridge.iso");
    memset(&image.data[256 * 2048], 0, 2048);
    memset(&image.data[image.data.size() - 160 * 2048], 0, 160 * 2048);
    Udf volume(std::move(image));
    EXPECT_EQ(volume.mount(), Error::not_found);
    EXPECT_TRUE(volume.machine.logged("its ISO 9660 is used"));
    EXPECT_TRUE(fs::iso9660.mount(*BlockCache::make_for(volume.disk).value()));
}

TEST(Udf, OtherDisksAreLeftAlone)
{
    for (auto file : {"iso-rr.iso", "part-mbr.img"}) {
        Udf volume(ImageDevice::load(file));
        EXPECT_EQ(volume.mount(), Error::not_found) << file;
        EXPECT_TRUE(volume.machine.log.empty());
    }
    for (size_t size : {0, 512, 40000}) {
        Udf volume{ImageDevice(std::vector<char>(size))};
        EXPECT_EQ(volume.mount(), Error::not_found) << size;
    }
}

TEST(Udf, TheReserveSequenceIsUsed)
{
    ImageDevice image = ImageDevice::load("udf-512.img");
    uint32_t sequence = le32(&image.data[256 * 512 + 20]);
    memset(&image.data[sequence * 512], 0, 16 * 512);
    Udf volume(std::move(image));
    volume.expect_tree(false, true);
    EXPECT_TRUE(volume.machine.logged("are not complete"));
}

TEST(Udf, AnyAnchorWillDo)
{
    ImageDevice image = ImageDevice::load("udf-512.img");
    image.data[256 * 512 + 30] ^= 1;  // its CRC is wrong now
    image.data[256 * 512 + 17] ^= 1;
    Udf volume(std::move(image));
    volume.expect_tree(false, true);
}

TEST(Udf, WhatIsChangedIsNoticed)
{
    // A file entry: a flipped bit anywhere in its tag, or in what the CRC covers.
    size_t at = [] {
        Udf sound("small.img");
        auto& data = sound.disk.data;
        uint64_t block = sound.node("a").id;
        for (size_t at = 257 * 512; at < data.size(); at += 512) {
            if (le16(&data[at]) == 266 && le32(&data[at + 12]) == block) return at;
        }
        throw std::runtime_error("no file entry");
    }();
    for (size_t byte : {5u, 9u, 14u, 27u, 60u, 180u, 220u}) {
        ImageDevice image = ImageDevice::load("udf-small.img");
        image.data[at + byte] ^= 0x10;
        Udf volume(std::move(image));
        ASSERT_NE(volume.system, nullptr);
        EXPECT_EQ(volume.look_up("a").error(), Error::corrupt) << byte;
        EXPECT_TRUE(volume.machine.logged("holds no sound descriptor"));
        EXPECT_TRUE(volume.look_up("d/b"));
    }
}

TEST(Udf, DamagedDirectoriesAreReported)
{
    ImageDevice image = ImageDevice::load("udf-small.img");
    std::string name = "\x08medium";
    auto found = std::search(image.data.begin(), image.data.end(), name.begin(), name.end());
    ASSERT_NE(found, image.data.end());
    found[2] = 'X';
    Udf volume(std::move(image));
    EXPECT_EQ(volume.look_up("medium").error(), Error::corrupt);
    EXPECT_TRUE(volume.machine.logged("is damaged at byte"));
}

TEST(Udf, ReadErrorsReachTheCaller)
{
    Udf volume("small.img");
    fs::Node& file = volume.node("medium");
    for (uint64_t block = 0; block < volume.disk.blocks; ++block)
        volume.disk.bad_blocks.insert(block);
    std::vector<std::byte> bytes(9000);
    EXPECT_EQ(file.read(0, bytes).error(), Error::device);
    volume.disk.copies = nullptr;
    EXPECT_EQ(volume.mount(), Error::device);
}

TEST(Udf, WithoutMemory)
{
    for (int allocations = 0; allocations < 10; ++allocations) {
        Udf volume("small.img");
        volume.disk.copies = nullptr;
        auto& cache = *BlockCache::make_for(volume.disk).value();
        FakeHeap::fail_after = allocations;
        auto mounted = fs::udf.mount(cache);
        FakeHeap::fail_after = -1;
        EXPECT_TRUE(mounted || mounted.error() == Error::no_memory) << allocations;
    }
}

}  // namespace
