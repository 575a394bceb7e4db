// SPDX-License-Identifier: BSD-2-Clause
#include "block/partitions.h"
#include <gmock/gmock.h>
#include <optional>
#include "fakes/machine.h"
#include "images.h"
#include "lib/bytes.h"
#include "lib/crc32.h"

namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct Partitions : testing::Test {
    std::vector<std::string> scan(ImageDevice image)
    {
        disk.emplace(std::move(image));
        return scan();
    }
    // The names of what has been found.
    std::vector<std::string> scan()
    {
        publish(*disk, "wd");
        find_partitions(*disk);
        std::vector<std::string> names;
        for (BlockDevice* d = first_block_device()->next; d; d = d->next)
            names.push_back(name_of(*d));
        return names;
    }
    static std::string name_of(BlockDevice& device) { return std::string(device.name.view()); }
    static BlockDevice& get(const std::string& name)
    {
        BlockDevice* found = find_block_device(name);
        if (!found) throw std::runtime_error("no " + name);
        return *found;
    }
    static std::string model(const std::string& name)
    {
        return std::string(get(name).model.view());
    }
    static std::string first_words(BlockDevice& device)
    {
        std::vector<std::byte> block(device.block_bytes);
        EXPECT_TRUE(device.read(0, 1, block.data()));
        return reinterpret_cast<const char*>(block.data());
    }
    void expect_place(const std::string& name, uint64_t first, uint64_t blocks)
    {
        BlockDevice& device = get(name);
        EXPECT_EQ(device.first_block, first) << name;
        EXPECT_EQ(device.blocks, blocks) << name;
        EXPECT_EQ(device.whole, &*disk) << name;
        EXPECT_EQ(device.block_bytes, disk->block_bytes) << name;
        EXPECT_EQ(first_words(device), "vesper " + name.substr(3)) << name;
    }

    // ---- disks made by hand
    static constexpr size_t disk_blocks = 16384;
    void blank(size_t blocks = disk_blocks) { disk.emplace(std::vector<char>(blocks * 512)); }
    void put32(size_t at, uint32_t value) { memcpy(&disk->data.at(at), &value, 4); }
    void entry(uint64_t table, unsigned index, uint8_t type, uint32_t first, uint32_t blocks)
    {
        size_t at = table * 512 + 446 + index * 16;
        disk->data.at(at + 4) = char(type);
        put32(at + 8, first);
        put32(at + 12, blocks);
        disk->data[table * 512 + 510] = 0x55;
        disk->data[table * 512 + 511] = char(0xaa);
    }
    void entry(unsigned index, uint8_t type, uint32_t first, uint32_t blocks)
    {
        entry(0, index, type, first, blocks);
    }
    // A change in the label, which stands in this block, with a checksum that fits.
    void change_label(uint64_t block, size_t at, uint32_t value, unsigned bytes)
    {
        char* label = &disk->data.at(block * 512);
        memcpy(label + at, &value, bytes);
        fix_checksum(label, *reinterpret_cast<uint16_t*>(label + 138));
    }
    static void fix_checksum(char* label, unsigned partitions)
    {
        uint16_t sum = 0;
        memcpy(label + 136, &sum, 2);
        for (size_t i = 0; i < 148 + partitions * 16; i += 2) sum ^= le16(label + i);
        memcpy(label + 136, &sum, 2);
    }

    std::optional<FakeMachine> machine{std::in_place};
    std::optional<ImageDevice> disk;
};

// ---- tables that other people's tools made

TEST_F(Partitions, PrimaryAndLogicalOnes)
{
    ASSERT_THAT(scan(ImageDevice::load("part-mbr.img")),
                ElementsAre("wd0p1", "wd0p2", "wd0p3", "wd0p5", "wd0p6", "wd0p7"));
    expect_place("wd0p1", 2048, 2048);
    expect_place("wd0p2", 4096, 1024);
    expect_place("wd0p3", 5120, 1000);
    expect_place("wd0p5", 6208, 1000);
    expect_place("wd0p6", 8192, 2048);
    expect_place("wd0p7", 10304, 6080);
    EXPECT_EQ(model("wd0p2"), "type 0x0c (FAT32)");
    EXPECT_EQ(model("wd0p3"), "type 0x39");
    EXPECT_THAT(machine->log, testing::Contains("wd0p1: type 0x83 (Linux), 1 MiB at sector 2048"));
    EXPECT_THAT(machine->log, testing::Contains("wd0p3: type 0x39, 500 KiB at sector 5120"));
    EXPECT_EQ(machine->log.size(), 6u);
}

TEST_F(Partitions, BlocksOf4096Bytes)
{
    ASSERT_THAT(scan(ImageDevice::load("part-mbr4096.img", 4096)),
                ElementsAre("wd0p1", "wd0a", "wd0b", "wd0p2"));
    expect_place("wd0p1", 256, 512);
    expect_place("wd0a", 1024, 256);
    expect_place("wd0b", 1280, 256);
    EXPECT_EQ(get("wd0p2").blocks, 512u);
}

TEST_F(Partitions, DisklabelInAnMbrPartition)
{
    ASSERT_THAT(scan(ImageDevice::load("part-netbsd.img")),
                ElementsAre("wd0p1", "wd0a", "wd0b", "wd0e", "wd0p", "wd0p2"));
    expect_place("wd0a", 2048, 8192);
    expect_place("wd0b", 10240, 2048);
    expect_place("wd0e", 63, 1985);
    expect_place("wd0p", 12288, 4096);
    EXPECT_EQ(get("wd0p2").first_block, 2048u);
    EXPECT_EQ(get("wd0p2").blocks, 14336u);
    EXPECT_EQ(model("wd0a"), "4.2BSD");
    EXPECT_EQ(model("wd0b"), "swap");
    EXPECT_EQ(model("wd0p"), "Linux Ext2");
    EXPECT_EQ(model("wd0p2"), "type 0xa9 (NetBSD)");
    EXPECT_THAT(machine->log, testing::Contains("wd0a: 4.2BSD, 4 MiB at sector 2048"));
}

TEST_F(Partitions, DisklabelByFdisk)
{
    ASSERT_THAT(scan(ImageDevice::load("part-fdisk.img")), ElementsAre("wd0a", "wd0b", "wd0p1"));
    expect_place("wd0a", 2048, 6144);
    expect_place("wd0b", 8192, 8192);
}

TEST_F(Partitions, DisklabelAlone)
{
    ASSERT_THAT(scan(ImageDevice::load("part-label.img")), ElementsAre("wd0a", "wd0b", "wd0e"));
    expect_place("wd0a", 0, 8192);
    expect_place("wd0b", 8192, 4096);
    EXPECT_EQ(model("wd0e"), "type 99");
}

TEST_F(Partitions, DisklabelInALogicalPartition)
{
    ASSERT_THAT(scan(ImageDevice::load("part-logical.img")), ElementsAre("wd0a", "wd0p5"));
    expect_place("wd0a", 4096, 8192);
}

TEST_F(Partitions, FreeBsdOffsetsOfBothKinds)
{
    for (auto file : {"part-freebsd.img", "part-freebsd-absolute.img"}) {
        machine.emplace();
        ASSERT_THAT(scan(ImageDevice::load(file)), ElementsAre("wd0a", "wd0b", "wd0p1")) << file;
        expect_place("wd0a", 4096 + 16, 4000);
        expect_place("wd0b", 4096 + 4016, 4000);
    }
}

TEST_F(Partitions, NoneOnAVolumeWithoutATable)
{
    for (auto file : {"part-fat12.img", "part-fat16.img", "part-fat32.img"}) {
        machine.emplace();
        EXPECT_THAT(scan(ImageDevice::load(file)), IsEmpty()) << file;
        EXPECT_THAT(machine->log, IsEmpty());
    }
}

TEST_F(Partitions, SomeThoughAFatVolumeWasThereBefore)
{
    ASSERT_THAT(scan(ImageDevice::load("part-fat-then-mbr.img")), ElementsAre("wd0p1"));
    expect_place("wd0p1", 2048, 2048);
}

TEST_F(Partitions, OfAGpt)
{
    ASSERT_THAT(scan(ImageDevice::load("part-gpt.img")),
                ElementsAre("wd0p1", "wd0p3", "wd0p4", "wd0p128"));
    expect_place("wd0p1", 2048, 2048);
    expect_place("wd0p3", 4096, 4096);
    expect_place("wd0p4", 8192, 809);
    expect_place("wd0p128", 10000, 6001);
    EXPECT_EQ(model("wd0p1"), "EFI \"boot ☺\"");
    EXPECT_EQ(model("wd0p3"), "NetBSD FFS");
    EXPECT_EQ(model("wd0p4"), "Linux");
    EXPECT_EQ(model("wd0p128"), "type 12345678-9abc-def0");
    EXPECT_EQ(machine->log.size(), 4u);
    EXPECT_TRUE(machine->logged("wd0p1: EFI \"boot ☺\", 1 MiB at sector 2048"));
}

TEST_F(Partitions, OfAGptWithBlocksOf4096Bytes)
{
    ASSERT_THAT(scan(ImageDevice::load("part-gpt4096.img", 4096)), ElementsAre("wd0p1", "wd0p2"));
    expect_place("wd0p1", 256, 256);
    expect_place("wd0p2", 512, 512);
    EXPECT_EQ(machine->log.size(), 2u);
}

TEST_F(Partitions, OfAGptThatHoldsADisklabel)
{
    ASSERT_THAT(scan(ImageDevice::load("part-gpt-openbsd.img")), ElementsAre("wd0a", "wd0p1"));
    expect_place("wd0a", 4096, 8192);
    EXPECT_EQ(model("wd0p1"), "OpenBSD");
}

// A file as a disk, which need not fit into memory.
class FileDisk final : public BlockDevice {
public:
    explicit FileDisk(const std::string& file)
        : in_(std::string(VESPER_IMAGES) + "/" + file, std::ios::binary)
    {
        blocks = uint64_t(in_.seekg(0, std::ios::end).tellg()) / 512;
    }

private:
    Result<void> read_blocks(uint64_t first, uint32_t count, std::byte* into) override
    {
        in_.seekg(std::streamoff(first) * 512);
        in_.read(reinterpret_cast<char*>(into), std::streamsize(count) * 512);
        return in_.good() ? Result<void>() : Error::device;
    }
    Result<void> write_blocks(uint64_t, uint32_t, const std::byte*) override { abort(); }
    Result<void> flush_blocks() override { return {}; }
    std::ifstream in_;
};

TEST_F(Partitions, OfADiskOf3TiB)
{
    FileDisk large("part-gpt3t.img");
    EXPECT_EQ(large.blocks, 3ull << 31);
    publish(large, "wd");
    find_partitions(large);
    BlockDevice& second = get("wd0p2");
    EXPECT_EQ(second.first_block, 5999998976u);
    EXPECT_EQ(second.blocks, 2098176u);
    EXPECT_EQ(first_words(second), "vesper p2");
    EXPECT_EQ(first_words(get("wd0p1")), "vesper p1");
    EXPECT_EQ(machine->log.size(), 2u);
}

TEST_F(Partitions, NoneOnBlankAndOnEmptyDisks)
{
    for (size_t blocks : {disk_blocks, size_t(0), size_t(1)}) {
        machine.emplace();
        blank(blocks);
        EXPECT_THAT(scan(), IsEmpty());
        EXPECT_THAT(machine->log, IsEmpty());
    }
}

// ---- what a partition does

TEST_F(Partitions, KeepToTheirPlace)
{
    scan(ImageDevice::load("part-mbr.img"));
    BlockDevice& p1 = get("wd0p1");
    std::vector<std::byte> block(2 * 512, std::byte{0x5a});
    ASSERT_TRUE(p1.write(2047, 1, block.data()));
    EXPECT_EQ(disk->data[4095 * 512], 0x5a);
    EXPECT_EQ(disk->writes, 1u);
    EXPECT_EQ(p1.write(2048, 1, block.data()).error(), Error::invalid);
    EXPECT_EQ(p1.write(2047, 2, block.data()).error(), Error::invalid);
    EXPECT_EQ(p1.read(~0ull, 1, block.data()).error(), Error::invalid);
    EXPECT_EQ(disk->writes, 1u);
    disk->bad_blocks = {2050};
    EXPECT_EQ(p1.read(2, 1, block.data()).error(), Error::device);
    EXPECT_TRUE(p1.flush());
}

TEST_F(Partitions, AreReadOnlyOnAReadOnlyDisk)
{
    ImageDevice image = ImageDevice::load("part-netbsd.img");
    image.read_only = true;
    scan(std::move(image));
    std::byte block[512] = {};
    EXPECT_TRUE(get("wd0a").read_only);
    EXPECT_EQ(get("wd0p1").write(0, 1, block).error(), Error::read_only);
}

// ---- MBRs that are not as they should be

TEST_F(Partitions, BootFlagsOtherThan0And80AreNoTable)
{
    blank();
    entry(0, 0x83, 63, 1000);
    disk->data[446 + 16] = 1;
    EXPECT_THAT(scan(), IsEmpty());
}

TEST_F(Partitions, BeyondTheEndOfTheDisk)
{
    blank();
    entry(0, 0x83, 16000, 1000);
    entry(1, 0x83, 20000, 1);
    entry(2, 0x83, 0xffffffff, 0xffffffff);
    entry(3, 0x83, 0, 100);
    EXPECT_THAT(scan(), ElementsAre("wd0p1"));
    EXPECT_EQ(get("wd0p1").blocks, 384u);
    EXPECT_TRUE(get("wd0p1").read_only);
    EXPECT_TRUE(machine->logged("wd0p1: ends at sector 16999, but wd0 has only 16384: cut short"));
    EXPECT_TRUE(machine->logged("wd0p2: begins at sector 20000"));
    EXPECT_TRUE(machine->logged("wd0p3: begins at sector 4294967295"));
    EXPECT_TRUE(machine->logged("wd0p4: begins at sector 0"));
}

TEST_F(Partitions, ThatOverlapAnotherAreLeftOut)
{
    blank();
    entry(0, 0x83, 1000, 1000);
    entry(1, 0x83, 1999, 10);
    entry(2, 0x05, 500, 501);
    entry(3, 0x83, 2000, 10);
    EXPECT_THAT(scan(), ElementsAre("wd0p1", "wd0p4"));
    EXPECT_TRUE(machine->logged("wd0p2: sectors 1999 to 2008 overlap"));
    EXPECT_TRUE(machine->logged("wd0p3: sectors 500 to 1000 overlap"));
}

TEST_F(Partitions, ABootSectorsCodeIsNoTable)
{
    auto looks_like = [&](std::initializer_list<std::pair<size_t, std::string>> parts) {
        for (auto& [at, text] : parts) memcpy(&disk->data[at], text.data(), text.size());
    };
    using namespace std::string_literals;
    for (auto& text : {"\xeb\x52\x90NTFS    \0\2"s,
                       "\xeb\x76\x90"
                       "EXFAT   "s,
                       "\xeb\x3c\x90mkdosfs\0\0\2\4\1\0\2\0\2\0\0\xf8"s}) {
        machine.emplace();
        blank();
        entry(0, 0x83, 2048, 1000);
        entry(1, 0x6f, 20000, 7);  // a table with a fault: letters of a message, perhaps
        looks_like({{0, text}});
        EXPECT_THAT(scan(), IsEmpty()) << text;
        EXPECT_THAT(machine->log, IsEmpty());
    }
    machine.emplace();
    blank();
    entry(0, 0x83, 2048, 1000);
    looks_like({{0, "\xeb\x3c\x90grub\0\0\0\0\0\2"s}});  // a boot loader: jumps, but no parameters
    entry(1, 0x6f, 20000, 7);
    EXPECT_THAT(scan(), ElementsAre("wd0p1"));
}

TEST_F(Partitions, BesideAGptEntryWithoutAGptAreFound)
{
    blank();
    entry(0, 0xee, 1, 0xffffffff);
    entry(1, 0x83, 2048, 1000);
    EXPECT_THAT(scan(), ElementsAre("wd0p2"));
    EXPECT_TRUE(machine->logged("its MBR says that there is a GPT, and there is none"));
}

// ---- GPTs that are not as they should be

struct Gpts : Partitions {
    Gpts() { disk.emplace(ImageDevice::load("part-gpt.img")); }
    static constexpr size_t last = (disk_blocks - 1) * 512;
    // A change in a header, whose CRC then is right again, and that of the table.
    void change(size_t header, size_t at, uint64_t value, size_t bytes)
    {
        memcpy(&disk->data[header + at], &value, bytes);
        fix(header);
    }
    void fix(size_t header)
    {
        char* data = &disk->data[header];
        size_t table = size_t(le64(data + 72)) * 512, bytes = le32(data + 80) * le32(data + 84);
        if (bytes < 100'000 && le64(data + 72) < 10'000) put32(header + 88, crc(table, bytes));
        put32(header + 16, 0);
        put32(header + 16, crc(header, 92));
    }
    uint32_t crc(size_t at, size_t bytes)
    {
        return crc32(std::as_bytes(std::span(disk->data).subspan(at, bytes)));
    }
    static auto all() { return ElementsAre("wd0p1", "wd0p3", "wd0p4", "wd0p128"); }
};

TEST_F(Gpts, TheCopyIsUsedWhereTheFirstIsDamaged)
{
    for (size_t at : {512, 512 + 16, 512 + 60, 512 + 91, 1024 + 5, 1024 + 16000}) {
        machine.emplace();
        disk.emplace(ImageDevice::load("part-gpt.img"));
        disk->data[at] ^= 4;
        EXPECT_THAT(scan(), all()) << at;
        EXPECT_TRUE(machine->logged("GPT: the first one cannot be used; the copy in sector 16383"));
    }
}

TEST_F(Gpts, TheCopyIsUsedWhereTheFirstCannotBeRead)
{
    disk->bad_blocks = {1};
    EXPECT_THAT(scan(), all());
    EXPECT_TRUE(machine->logged("cannot read sector 1 for its GPT"));
}

TEST_F(Gpts, ADamagedCopyIsReported)
{
    disk->data[last + 20] ^= 1;
    EXPECT_THAT(scan(), all());
    EXPECT_TRUE(machine->logged("wd0: GPT in sector 16383: its CRC is wrong"));
    EXPECT_TRUE(machine->logged("wd0: GPT: the copy at the end cannot be used"));
}

TEST_F(Gpts, BothDamagedAreNone)
{
    disk->data[512 + 20] ^= 1;
    disk->data[last + 20] ^= 1;
    EXPECT_THAT(scan(), IsEmpty());
}

TEST_F(Gpts, OnADiskThatHasGrown)
{
    disk->data.resize(disk->data.size() + 512000);
    disk->blocks += 1000;
    EXPECT_THAT(scan(), all());
    EXPECT_EQ(machine->log.size(), 4u);
    machine.emplace();
    disk->data[1024] ^= 1;  // the first table
    EXPECT_THAT(scan(), all());
    EXPECT_TRUE(machine->logged("the copy in sector 16383 is"));
}

TEST_F(Gpts, ImpossibleHeadersAreNotBelieved)
{
    struct {
        size_t at;
        uint64_t value;
        size_t bytes;
        const char* says;
    } const cases[] = {
        {12, 91, 4, "an impossible length"},
        {12, 513, 4, "an impossible length"},
        {24, 2, 8, "it is another sector's"},
        {72, ~0ull, 8, "its table is beyond the end of the disk"},
        {72, 16383, 8, "its table is beyond the end of the disk"},
        {80, 0, 4, "an impossible table"},
        {80, ~0u, 4, "an impossible table"},
        {84, 64, 4, "an impossible table"},
        {84, 132, 4, "an impossible table"},
    };
    for (auto& damage : cases) {
        machine.emplace();
        disk.emplace(ImageDevice::load("part-gpt.img"));
        change(512, damage.at, damage.value, damage.bytes);
        EXPECT_THAT(scan(), all()) << damage.says;
        EXPECT_TRUE(machine->logged("wd0: GPT in sector 1: " + std::string(damage.says)));
    }
}

TEST_F(Gpts, ImpossiblePartitionsAreLeftOut)
{
    uint64_t places[][2] = {{0, 100}, {3000, 2999}, {3000, ~0ull}, {9001, 9100}, {16300, 20000}};
    for (size_t i = 0; i < 5; ++i) {
        char* entry = &disk->data[1024 + 128 * (10 + i)];
        entry[0] = 1;
        memcpy(entry + 32, places[i], 16);
    }
    fix(512);
    EXPECT_THAT(scan(), ElementsAre("wd0p1", "wd0p3", "wd0p4", "wd0p14", "wd0p15", "wd0p128"));
    EXPECT_TRUE(machine->logged("wd0p11: begins at sector 0"));
    EXPECT_TRUE(machine->logged("wd0p12: sectors 3000 to 2999: ignored"));
    EXPECT_TRUE(machine->logged("wd0p13: sectors 3000 to 18446744073709551615: ignored"));
    EXPECT_TRUE(machine->logged("wd0p15: ends at sector 20000"));
}

// ---- CDs

TEST_F(Partitions, BootImagesOfACd)
{
    for (uint32_t block_bytes : {512u, 2048u}) {
        machine.emplace();
        ASSERT_THAT(scan(ImageDevice::load("iso-torito.iso", block_bytes)),
                    ElementsAre("wd0p1", "wd0p2"));
        EXPECT_TRUE(disk->is_volume);
        EXPECT_EQ(model("wd0p1"), "floppy image");
        EXPECT_EQ(model("wd0p2"), "El Torito EFI");
        EXPECT_EQ(get("wd0p1").blocks, 1440u * 1024 / block_bytes);
        std::vector<char> sector(2048);
        ASSERT_TRUE(
            get("wd0p2").read(0, 2048 / block_bytes, reinterpret_cast<std::byte*>(sector.data())));
        EXPECT_EQ(memcmp(&sector[54], "FAT12", 5), 0);
    }
}

TEST_F(Partitions, DamagedBootCatalogsAreReported)
{
    ImageDevice image = ImageDevice::load("iso-torito.iso");
    uint32_t catalog = le32(&image.data[17 * 2048 + 0x47]);
    image.data[catalog * 2048 + 28] ^= 1;
    EXPECT_THAT(scan(std::move(image)), IsEmpty());
    EXPECT_TRUE(machine->logged("its boot catalog, in sector"));
    EXPECT_TRUE(disk->is_volume);
}

TEST_F(Partitions, OfAHardDisksImageOnACd)
{
    ImageDevice image = ImageDevice::load("iso-torito.iso");
    char* entry = &image.data[le32(&image.data[17 * 2048 + 0x47]) * 2048 + 32];
    size_t start = le32(entry + 8) * 2048;
    entry[1] = 4;
    image.data[start + 446 + 4] = 6;
    uint32_t place[] = {63, 1000};
    memcpy(&image.data[start + 446 + 8], place, 8);
    ASSERT_THAT(scan(std::move(image)), ElementsAre("wd0p1", "wd0p2"));
    EXPECT_EQ(get("wd0p1").first_block, start / 512 + 63);
    EXPECT_EQ(get("wd0p1").blocks, 1000u);
}

// On a stick its tables count; on a CD, with larger blocks, they would be wrong.
TEST_F(Partitions, OfAHybridImage)
{
    ASSERT_THAT(scan(ImageDevice::load("iso-hybrid.iso")), ElementsAre("wd0p2", "wd0p3"));
    EXPECT_TRUE(disk->is_volume);
    EXPECT_EQ(model("wd0p2"), "EFI \"Appended2\"");
    machine.emplace();
    EXPECT_THAT(scan(ImageDevice::load("iso-hybrid.iso", 2048)), IsEmpty());
    EXPECT_TRUE(disk->is_volume);
}

// ---- chains

TEST_F(Partitions, ChainsThatLoopEnd)
{
    blank();
    entry(0, 0x05, 1000, 10000);
    entry(1000, 0, 0x83, 10, 100);
    entry(1000, 1, 0x05, 500, 500);
    entry(1500, 0, 0x83, 10, 100);
    entry(1500, 1, 0x05, 0, 500);
    EXPECT_THAT(scan(), ElementsAre("wd0p5", "wd0p6"));
    EXPECT_EQ(get("wd0p6").first_block, 1510u);
    EXPECT_TRUE(machine->logged("the link to sector 1000 makes a loop"));
}

TEST_F(Partitions, ChainsIntoTheVoidEnd)
{
    blank();
    entry(0, 0x0f, 1000, 1000);
    entry(1, 0x85, 2000, 100000);
    entry(2, 0x05, 0xfffffff0, 0xffffffff);
    entry(1000, 0, 0x83, 10, 100);
    entry(1000, 1, 0x0f, 1000, 10);  // out of the extended partition
    entry(2000, 0, 0x83, 10, 100);
    entry(2000, 1, 0x0f, 50000, 10);  // out of the disk
    EXPECT_THAT(scan(), ElementsAre("wd0p5", "wd0p6"));
    EXPECT_TRUE(machine->logged("the link to sector 2000 leads out"));
    EXPECT_TRUE(machine->logged("cannot read sector 52000"));
    EXPECT_TRUE(machine->logged("cannot read sector 4294967280"));
}

TEST_F(Partitions, ChainsToWhatIsNoTableEnd)
{
    blank();
    entry(0, 0x05, 1000, 1000);
    EXPECT_THAT(scan(), IsEmpty());
    EXPECT_TRUE(machine->logged("sector 1000 should hold a table of logical partitions"));
}

TEST_F(Partitions, LogicalOnesStayInTheExtendedOne)
{
    blank();
    entry(0, 0x05, 1000, 1000);
    entry(1000, 0, 0x83, 990, 20);
    entry(1000, 1, 0x05, 100, 50);
    entry(1100, 0, 0x83, 10, 20);
    entry(1100, 1, 0x05, 200, 50);
    entry(1200, 0, 0x83, 0xffffff80, 20);  // 70 blocks before itself, as some would count
    entry(1200, 1, 0x05, 5, 50);
    entry(1005, 0, 0x83, 100, 20);  // 1105 ... 1124
    EXPECT_THAT(scan(), ElementsAre("wd0p6"));
    EXPECT_TRUE(machine->logged("wd0p5: sectors 1990 to 2009 are outside"));
    EXPECT_TRUE(machine->logged("wd0p7: sectors "));
    EXPECT_TRUE(machine->logged("wd0p8: sectors 1105 to 1124 overlap"));
}

TEST_F(Partitions, AnEmptyLogicalOneTakesNoNumber)
{
    blank();
    entry(0, 0x05, 1000, 1000);
    entry(1000, 1, 0x05, 100, 50);
    entry(1100, 0, 0x83, 10, 20);
    EXPECT_THAT(scan(), ElementsAre("wd0p5"));
    EXPECT_EQ(get("wd0p5").first_block, 1110u);
}

TEST_F(Partitions, ChainsAreBounded)
{
    blank();
    entry(0, 0x05, 1000, 15000);
    for (unsigned i = 0; i < 1000; ++i) {
        entry(1000 + i * 4, 0, 0x83, 1, 2);
        entry(1000 + i * 4, 1, 0x05, (i + 1) * 4, 4);
    }
    auto names = scan();
    EXPECT_EQ(names.size(), 128u);
    EXPECT_EQ(names.back(), "wd0p132");
    EXPECT_TRUE(machine->logged("more than 128 logical partitions"));
}

// ---- labels that are not as they should be

TEST_F(Partitions, DamagedLabelsAreReported)
{
    struct {
        size_t at;
        char value;
        bool fix;
        const char* says;
    } const cases[] = {
        {20, 1, false, "its checksum is wrong"},
        {148 + 5, 1, false, "its checksum is wrong"},
        {133, 0, true, "its second magic number is wrong"},
        {139, char(0xea), true, "it cannot have 59909 partitions"},  // 5 there are, and 0xea00
        {138, 23, true, "it cannot have 23 partitions"},
        {138, 0, true, "it cannot have 0 partitions"},
        {41, 4, true, "it counts in sectors of 1024 bytes, the disk in 512"},
    };
    for (auto& damage : cases) {
        machine.emplace();
        disk.emplace(ImageDevice::load("part-label.img"));
        disk->data[512 + damage.at] = damage.value;
        if (damage.fix) fix_checksum(&disk->data[512], 5);
        EXPECT_THAT(scan(), IsEmpty()) << damage.says;
        EXPECT_TRUE(machine->logged("wd0: disklabel in sector 1: " + std::string(damage.says)));
    }
}

TEST_F(Partitions, SixtyThousandPartitionsAreNotBelieved)
{
    disk.emplace(ImageDevice::load("part-label.img"));
    uint16_t many = 60000;
    memcpy(&disk->data[512 + 138], &many, 2);
    EXPECT_THAT(scan(), IsEmpty());
    EXPECT_TRUE(machine->logged("it cannot have 60000 partitions"));
}

TEST_F(Partitions, OfALabelBeyondTheEndOfTheDisk)
{
    disk.emplace(ImageDevice::load("part-label.img"));
    change_label(1, 148 + 4, 16384, 4);         // a begins there
    change_label(1, 148 + 16, 0xffffffff, 4);   // b ends there
    change_label(1, 148 + 4 * 16 + 4, ~0u, 4);  // e wraps around
    EXPECT_THAT(scan(), ElementsAre("wd0b"));
    EXPECT_EQ(get("wd0b").blocks, 8192u);
    EXPECT_TRUE(get("wd0b").read_only);
    EXPECT_TRUE(machine->logged("wd0a: begins at sector 16384, but wd0 has only 16384: ignored"));
    EXPECT_TRUE(machine->logged("wd0b: ends at sector 4294975486"));
    EXPECT_TRUE(machine->logged("wd0e: begins at sector 4294967295"));
}

TEST_F(Partitions, LabelBehindTheBootCodesFirstInstructions)
{
    ImageDevice other = ImageDevice::load("part-label.img");
    blank();
    memcpy(&disk->data[64], &other.data[512], 148 + 5 * 16);
    EXPECT_THAT(scan(), ElementsAre("wd0a", "wd0b", "wd0e"));
}

TEST_F(Partitions, LabelThatDoesNotFitItsSector)
{
    ImageDevice other = ImageDevice::load("part-label.img");
    blank();
    memcpy(&disk->data[64], &other.data[512], 148 + 5 * 16);
    disk->data[64 + 138] = 20;
    EXPECT_THAT(scan(), IsEmpty());
    EXPECT_TRUE(machine->logged("it cannot have 20 partitions"));
}

TEST_F(Partitions, OpenBsdLabelsCountIn48Bits)
{
    disk.emplace(ImageDevice::load("part-netbsd.img"));
    disk->data[446 + 16 + 4] = char(0xa6);
    change_label(2049, 114, 1, 2);  // d_version
    for (unsigned i = 0; i < 16; ++i) change_label(2049, 148 + i * 16 + 8, 0, 4);
    change_label(2049, 148 + 16 + 8, 1, 2);       // b begins 2^32 sectors later
    change_label(2049, 148 + 4 * 16 + 10, 1, 2);  // e is 2^32 sectors longer
    EXPECT_THAT(scan(), ElementsAre("wd0p1", "wd0a", "wd0e", "wd0p", "wd0p2"));
    EXPECT_TRUE(machine->logged("wd0b: begins at sector 4294977536"));
    EXPECT_TRUE(machine->logged("wd0e: ends at sector 4294969343"));
    EXPECT_EQ(get("wd0e").blocks, 16384u - 63);
}

TEST_F(Partitions, ASecondLabelIsReported)
{
    disk.emplace(ImageDevice::load("part-netbsd.img"));
    disk->data[446 + 4] = char(0xa5);
    memcpy(&disk->data[64 * 512], &disk->data[2049 * 512], 512);
    EXPECT_THAT(scan(), ElementsAre("wd0a", "wd0b", "wd0e", "wd0p", "wd0p1", "wd0p2"));
    EXPECT_TRUE(machine->logged("the disklabel in sector 2049 is not the first one: ignored"));
}

TEST_F(Partitions, DedicatedDiskWithAnMbrThatCoversItself)
{
    disk.emplace(ImageDevice::load("part-label.img"));
    entry(3, 0xa5, 0, 50000);
    EXPECT_THAT(scan(), ElementsAre("wd0a", "wd0b", "wd0e"));
}

// ---- faults

TEST_F(Partitions, ReadErrors)
{
    disk.emplace(ImageDevice::load("part-netbsd.img"));
    disk->bad_blocks = {0};
    EXPECT_THAT(scan(), IsEmpty());
    EXPECT_THAT(machine->log, ElementsAre("wd0: cannot read sector 0 for its partitions: "
                                          "the device reported an error"));
}

TEST_F(Partitions, ReadErrorsInALabelCostOnlyTheLabel)
{
    disk.emplace(ImageDevice::load("part-netbsd.img"));
    disk->bad_blocks = {2049};
    EXPECT_THAT(scan(), ElementsAre("wd0p1", "wd0p2"));
    EXPECT_TRUE(machine->logged("cannot read sector 2049"));
}

TEST_F(Partitions, ReadErrorsInAChainEndIt)
{
    disk.emplace(ImageDevice::load("part-mbr.img"));
    disk->bad_blocks = {6144};
    EXPECT_THAT(scan(), ElementsAre("wd0p1", "wd0p2", "wd0p3"));
    EXPECT_TRUE(machine->logged("cannot read sector 6144"));
}

TEST_F(Partitions, WithoutMemory)
{
    for (int allocations = 0; allocations < 4; ++allocations) {
        machine.emplace();
        disk.emplace(ImageDevice::load("part-mbr.img"));
        FakeHeap::fail_after = allocations;
        auto names = scan();
        FakeHeap::fail_after = -1;
        EXPECT_EQ(names.size(), allocations < 2 ? 0u : 5u) << allocations;
        EXPECT_TRUE(machine->logged("out of memory"));
    }
}

}  // namespace
