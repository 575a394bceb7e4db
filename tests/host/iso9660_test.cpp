// SPDX-License-Identifier: BSD-2-Clause
#include <gmock/gmock.h>
#include "lib/bytes.h"
#include "mounted.h"

namespace fs {
extern const FileSystemDriver iso9660;
}

namespace {
using testing::ElementsAre;
using testing::UnorderedElementsAre;

struct Iso : Mounted {
    explicit Iso(const std::string& file, uint32_t block_bytes = 512)
        : Mounted(fs::iso9660, "iso-" + file + ".iso", block_bytes)
    {
    }
    explicit Iso(ImageDevice image) : Mounted(fs::iso9660, std::move(image)) {}
};

constexpr size_t sector = 2048, descriptor = 16 * sector;
const std::string deep = "a/b/c/d/e/f/g/h/i/j/k/deepest";

struct Image {
    const char *name, *label;
};
class RockRidge : public testing::TestWithParam<Image> {};
INSTANTIATE_TEST_SUITE_P(Iso9660, RockRidge,
                         testing::Values(Image{"rr", "ROCK_RIDGE"}, Image{"xorriso", "XORRISO"},
                                         Image{"makefs", "MAKEFS"}));

TEST_P(RockRidge, HasAllFilesAndLinks)
{
    Iso volume(GetParam().name);
    EXPECT_STREQ(volume.system->type, "iso9660");
    EXPECT_EQ(volume.system->label.view(), GetParam().label);
    EXPECT_NE(volume.system->read_only, nullptr);
    volume.expect_tree(true, true);
    volume.expect_file(std::string(200, 'n') + ".text", 1000);
    volume.expect_pieces("medium");
    EXPECT_TRUE(volume.machine.log.empty()) << volume.all_log();
}

TEST_P(RockRidge, HasDirectoriesThatWereMovedUp)
{
    Iso volume(GetParam().name);
    volume.expect_file(deep, 3000);
    EXPECT_THAT(volume.list("a/b/c/d/e/f/g"), ElementsAre("h"));
    EXPECT_EQ(volume.node("a/b/c/d/e/f/g/h").type, fs::NodeType::directory);
    EXPECT_EQ(volume.node("a/b/c/d/e/f/g/h").mode & 0500, 0500);
}

TEST_P(RockRidge, KnowsModesAndTimes)
{
    Iso volume(GetParam().name);
    // genisoimage's -R makes them those that a CD should have.
    if (GetParam().label[0] != 'R') {
        EXPECT_EQ(volume.node("hello.txt").mode, 04711);
    }
    EXPECT_EQ(volume.node("hello.txt").modified_s, 1234567890);
    EXPECT_EQ(volume.node("link", false).type, fs::NodeType::symlink);
    EXPECT_EQ(volume.node("link", false).size, 9u);
    std::string many;
    for (int i = 0; i < 100; ++i) many += "./";
    EXPECT_EQ(volume.link("longlink"), many + "hello.txt");
}

TEST(Iso9660, HasLinksOfManyEntries)
{
    std::string many;
    for (int i = 0; i < 8; ++i) many += std::string(100, 'a') + "/";
    EXPECT_EQ(Iso("xorriso").link("verylonglink"), many + "../end");
}

TEST(Iso9660, ReadsOnLargerBlocks)
{
    for (uint32_t block_bytes : {2048, 4096}) Iso("rr", block_bytes).expect_tree(true, true);
}

TEST(Iso9660, ShowsPlainNamesInLowerCase)
{
    Iso volume("plain");
    EXPECT_EQ(volume.system->label.view(), "PLAIN");
    EXPECT_EQ(volume.content("hello.txt"), expected_content("hello.txt", 13));
    EXPECT_EQ(&volume.node("HELLO.TXT"), &volume.node("Hello.txt"));
    EXPECT_EQ(&volume.node("MANY/FILE123"), &volume.node("many/file123"));
    EXPECT_THAT(volume.list(""), testing::Contains("kexec"));
    EXPECT_EQ(volume.look_up("hello.txt;1").error(), Error::not_found);
    EXPECT_EQ(volume.node("kexec").mode, 0644);
}

TEST(Iso9660, HasJolietsNamesWhereThereIsNothingBetter)
{
    Iso volume("joliet");
    EXPECT_EQ(volume.system->label.view(), "Joliet volume");
    volume.expect_tree(false, false);
    for (std::string name : {"äöü.txt", "日本語.txt", "A file with a name of some length.text"})
        volume.expect_file(name, 2500);
    EXPECT_EQ(volume.look_up("ÄÖÜ.txt").error(), Error::not_found);
}

TEST(Iso9660, ReadsWhatLiesTogetherAtOnce)
{
    Iso volume("rr");
    fs::Node& file = volume.node("big");
    std::vector<std::byte> bytes(file.size);
    volume.disk.reads = 0;
    ASSERT_EQ(file.read(0, bytes).value(), file.size);
    EXPECT_LT(volume.disk.reads, 4u);
}

TEST(Iso9660, GoesThroughADirectoryInOrderOnce)
{
    Iso volume("rr");
    fs::Node& many = volume.node("many");
    volume.disk.reads = volume.disk.blocks_read = 0;
    volume.list("many");
    EXPECT_LT(volume.disk.blocks_read, 300u);
    EXPECT_EQ(many.find("file150").value()->size, 150u);
    EXPECT_EQ(many.find("file003").value()->size, 3u);  // before what was found last
}

// ---- sessions

TEST(Iso9660, FindsTheLastSession)
{
    Iso volume("sessions");
    EXPECT_EQ(volume.system->label.view(), "SESSION3");
    for (unsigned i : {1, 2, 3}) volume.expect_file("of session " + std::to_string(i), 1000 * i);
}

TEST(Iso9660, BelievesTheDriveAboutSessions)
{
    ImageDevice image = ImageDevice::load("iso-sessions.iso", 2048);
    uint64_t first_end = le32(&image.data[descriptor + 80]);
    image.session = first_end;
    Iso volume(std::move(image));
    EXPECT_EQ(volume.system->label.view(), "SESSION2");
    EXPECT_THAT(volume.list(""), UnorderedElementsAre("of session 1", "of session 2"));
    volume.disk.session = 1;  // where there is none: then it is looked for
    volume.disk.copies = nullptr;
    ASSERT_EQ(volume.mount(), Error{});
    EXPECT_EQ(volume.system->label.view(), "SESSION3");
}

// ---- files of several sections

// The record of a name in a directory, in an image.
char* record_of(std::vector<char>& data, const std::string& name)
{
    for (size_t at = 18 * sector; at + 33 + name.size() < data.size(); ++at) {
        if (memcmp(&data[at], name.data(), name.size()) == 0 &&
            size_t(uint8_t(data[at - 1])) == name.size())
            return &data[at - 33];
    }
    throw std::runtime_error("no record of " + name);
}

TEST(Iso9660, FilesHaveSeveralSections)
{
    ImageDevice image = ImageDevice::load("iso-small-plain.iso");
    record_of(image.data, "ONE.;1")[25] = char(0x80);  // has_more: what follows belongs to it
    Iso volume(std::move(image));
    EXPECT_EQ(volume.look_up("two").error(), Error::not_found);
    auto whole = expected_content("one", 4096), rest = expected_content("two", 3000);
    whole.insert(whole.end(), rest.begin(), rest.end());
    EXPECT_EQ(volume.node("one").size, 7096u);
    EXPECT_EQ(volume.content("one"), whole);
    volume.expect_pieces("one");
    EXPECT_EQ(volume.list("").size(), 3u);
}

// A disk whose blocks beyond an image say where they are.
class FarDisk final : public BlockDevice {
public:
    explicit FarDisk(std::vector<char> image) : image_(std::move(image))
    {
        block_bytes = 2048;
        blocks = 1ull << 32;
        name.append("cd0");
    }

private:
    Result<void> read_blocks(uint64_t first, uint32_t count, std::byte* into) override
    {
        for (uint64_t block = first; count; ++block, --count, into += 2048) {
            memset(into, 0, 2048);
            if (block < image_.size() / 2048)
                memcpy(into, &image_[block * 2048], 2048);
            else
                memcpy(into, &block, sizeof block);
        }
        return {};
    }
    Result<void> write_blocks(uint64_t, uint32_t, const std::byte*) override { abort(); }
    Result<void> flush_blocks() override { return {}; }
    std::vector<char> image_;
};

TEST(Iso9660, FilesAreLargerThan4GiB)
{
    FakeMachine machine;
    ImageDevice image = ImageDevice::load("iso-small-plain.iso");
    auto place = [](char* record, uint32_t block, uint32_t bytes) {
        memcpy(record + 2, &block, 4);
        memcpy(record + 10, &bytes, 4);
    };
    char* one = record_of(image.data, "ONE.;1");
    place(one, 0x1000000, 0xfffff800);
    one[25] = char(0x80);
    place(record_of(image.data, "TWO.;1"), 0xf0000000, 0x12345678);
    FarDisk disk(image.data);
    auto mounted = fs::iso9660.mount(*BlockCache::make_for(disk).value());
    ASSERT_TRUE(mounted);
    fs::Node& file = *fs::look_up(*mounted.value(), "one").value();
    EXPECT_EQ(file.size, 0xfffff800ull + 0x12345678);
    uint64_t words[2 * 2048 / 8];
    ASSERT_EQ(file.read(0xfffff000, std::as_writable_bytes(std::span(words))).value(), 4096u);
    EXPECT_EQ(words[0], 0x1000000u + 0x1ffffe);
    EXPECT_EQ(words[256], 0xf0000000u);
    ASSERT_EQ(
        file.read(0xfffff800ull + 0x12345000, std::as_writable_bytes(std::span(words))).value(),
        0x678u);
    EXPECT_EQ(words[0], 0xf0000000u + 0x2468a);
}

// ---- what is not as it should be

TEST(Iso9660, OtherDisksAreLeftAlone)
{
    for (size_t size : {0, 512, 32768, 40000, 100000}) {
        Iso volume{ImageDevice(std::vector<char>(size))};
        EXPECT_EQ(volume.system, nullptr);
        EXPECT_EQ(volume.mount(), Error::not_found) << size;
        EXPECT_TRUE(volume.machine.log.empty());
    }
}

TEST(Iso9660, DamagedVolumesAreReported)
{
    auto damaged = [](size_t at, std::initializer_list<uint8_t> bytes) {
        ImageDevice image = ImageDevice::load("iso-small-plain.iso");
        std::copy(bytes.begin(), bytes.end(), image.data.begin() + ptrdiff_t(at));
        return Iso(std::move(image)).machine.log;
    };
    EXPECT_THAT(damaged(descriptor + 128, {0, 3}), ElementsAre("wd0a: iso9660: blocks of 768 "
                                                               "bytes"));
    EXPECT_THAT(damaged(descriptor + 158, {0, 0, 1, 0}),
                ElementsAre(testing::HasSubstr("beyond the end of the device")));
    EXPECT_THAT(damaged(descriptor + 166, {0, 0, 0, 0}),
                ElementsAre("wd0a: iso9660: its root is empty"));
}

TEST(Iso9660, DamagedRecordsAreReported)
{
    ImageDevice image = ImageDevice::load("iso-small-plain.iso");
    record_of(image.data, "TWO.;1")[0] = 35;
    Iso volume(std::move(image));
    EXPECT_EQ(volume.look_up("two").error(), Error::corrupt);
    EXPECT_TRUE(volume.machine.logged("wd0a: iso9660: the directory record at "));
    EXPECT_TRUE(volume.look_up("one"));
    fs::DirectoryEntry entry;
    uint64_t position = 0;
    while (volume.system->root().next_entry(position, entry)) ASSERT_NE(entry.name.view(), "two");
}

TEST(Iso9660, FilesBeyondTheEndAreReported)
{
    ImageDevice image = ImageDevice::load("iso-small-plain.iso");
    record_of(image.data, "TWO.;1")[4] = 1;
    Iso volume(std::move(image));
    std::byte bytes[100];
    EXPECT_EQ(volume.node("two").read(0, bytes).error(), Error::corrupt);
    EXPECT_TRUE(volume.machine.logged("beyond the end of the device"));
}

TEST(Iso9660, ContinuationsThatLoopEnd)
{
    ImageDevice image = ImageDevice::load("iso-small.iso");
    char* record = record_of(image.data, "TWO.;1");
    size_t at = size_t(record - image.data.data()) + 34 + 6;
    uint32_t block = uint32_t(at / sector), offset = uint32_t(at % sector), length = 28;
    char* entry = record + 34 + 6;  // SUSP's begin there, and go on in themselves
    memcpy(entry, "CE\x1c\x01", 4);
    memcpy(entry + 4, &block, 4);
    memcpy(entry + 12, &offset, 4);
    memcpy(entry + 20, &length, 4);
    Iso volume(std::move(image));
    EXPECT_EQ(volume.list("").size(), 5u);
}

TEST(Iso9660, ReadErrorsReachTheCaller)
{
    Iso volume("small");
    fs::Node& two = volume.node("two");
    volume.disk.bad_blocks = {volume.disk.blocks - 1};
    for (uint64_t block = 0; block < volume.disk.blocks; ++block)
        volume.disk.bad_blocks.insert(block);
    std::byte bytes[3000];
    EXPECT_EQ(two.read(0, bytes).error(), Error::device);
}

TEST(Iso9660, CompressedFilesAreRefused)
{
    ImageDevice image = ImageDevice::load("iso-small.iso");
    char* record = record_of(image.data, "TWO.;1");
    char* end = record + uint8_t(record[0]);
    size_t tf = std::string_view(record, end).find("TF");
    ASSERT_NE(tf, std::string_view::npos);
    record[tf] = 'Z';
    Iso volume(std::move(image));
    std::byte bytes[10];
    EXPECT_EQ(volume.node("two").read(0, bytes).error(), Error::unsupported);
}

TEST(Iso9660, WithoutMemory)
{
    int missed = 0;
    for (int allocations = 0; allocations < 8; ++allocations) {
        Iso volume("small");
        volume.disk.copies = nullptr;
        auto& cache = *BlockCache::make_for(volume.disk).value();
        FakeHeap::fail_after = allocations;
        auto mounted = fs::iso9660.mount(cache);
        if (mounted) (void)fs::look_up(*mounted.value(), "two");
        FakeHeap::fail_after = -1;
        missed += mounted.error() == Error::no_memory;
    }
    EXPECT_GE(missed, 2) << "the cache alone does with less";
}

}  // namespace
