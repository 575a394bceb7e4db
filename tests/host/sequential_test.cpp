// SPDX-License-Identifier: BSD-2-Clause
// Files that are read from the beginning to the end, on all file systems that keep maps of blocks:
// what the disk is asked for and when, and what a damaged map or a bad block does to it.
#include <bit>
#include <map>
#include "images.h"
#include "lib/bytes.h"

namespace fs {
extern const FileSystemDriver exfat, ext2, fat, ffs;
}

namespace {

constexpr size_t piece = 65536, file_bytes = 6'000'000;
constexpr size_t pieces = (file_bytes + piece - 1) / piece;

struct Format {
    const char* image;
    const fs::FileSystemDriver& driver;
    // Damages the map of the file's blocks; where in the file that is.
    size_t (*damage)(ImageDevice& disk, uint64_t id);
    const char* says;
    // exFAT: in what pieces the file is written; and whether they need a map.
    size_t fragment = 0;
    bool has_map = true;
};

template <class T> void put(ImageDevice& disk, size_t offset, T value)
{
    memcpy(&disk.data.at(offset), &value, sizeof value);
}

uint32_t get(ImageDevice& disk, size_t offset) { return le32(&disk.data.at(offset)); }

// The second block of pointers behind the doubly indirect one, with blocks of 1 KiB.
size_t damage_ext2(ImageDevice& disk, uint64_t id)
{
    size_t inode = get(disk, 2048 + 8) * size_t{1024} + (id - 1) * 128;
    put(disk, get(disk, inode + 40 + 13 * 4) * size_t{1024} + 4, 0xfffffff0u);
    return (12 + 256 + 256) * 1024;
}

// The first indirect block.
size_t damage_ffs(ImageDevice& disk, uint64_t id)
{
    auto field = [&](size_t offset) { return size_t{get(disk, 8192 + offset)}; };
    bool ufs2 = field(1372) == 0x19540119;
    size_t inode = (id / field(184) * field(188) + field(16)) * field(52) +
                   id % field(184) * (ufs2 ? 256 : 128);
    put(disk, inode + (ufs2 ? 112 + 12 * 8 : 40 + 12 * 4), 0x7fffffffu);
    return 12 * field(48);
}

// A cluster that the table says is bad.
size_t damage_fat(ImageDevice& disk, uint64_t id)
{
    auto cluster_bytes = static_cast<uint8_t>(disk.data[13]) * size_t{512};
    size_t table = le16(&disk.data[14]) * size_t{512}, index = 3'000'000 / cluster_bytes;
    bool is_fat32 = le16(&disk.data[22]) == 0;
    size_t cluster = le16(&disk.data.at(id + 26)) + index - 1;
    if (is_fat32)
        put(disk, table + cluster * 4, 0x0ffffff7u);
    else
        put(disk, table + cluster * 2, uint16_t{0xfff7});
    return index * cluster_bytes;
}

// A cluster that the table says is bad.
size_t damage_exfat(ImageDevice& disk, uint64_t id)
{
    EXPECT_FALSE(disk.data.at(id + 33) & 2) << "it has a chain";
    size_t cluster_bytes = size_t{1} << (disk.data[108] + disk.data[109]);
    size_t table = get(disk, 80) << disk.data[108], index = 3'000'000 / cluster_bytes;
    uint32_t cluster = get(disk, id + 32 + 20);
    for (size_t i = 1; i < index; ++i) cluster = get(disk, table + cluster * size_t{4});
    put(disk, table + cluster * size_t{4}, 0xfffffff7u);
    return index * cluster_bytes;
}

// Clusters behind the volume's last one.
size_t damage_adjacent(ImageDevice& disk, uint64_t id)
{
    EXPECT_TRUE(disk.data.at(id + 33) & 2) << "it has no chain";
    put(disk, id + 32 + 20, get(disk, 92));
    uint16_t sum = 0;
    for (size_t i = 0; i < (disk.data.at(id + 1) + 1u) * 32; ++i) {
        auto byte = static_cast<uint8_t>(disk.data.at(id + i));
        if (i != 2 && i != 3) sum = static_cast<uint16_t>(std::rotr(sum, 1) + byte);
    }
    put(disk, id + 2, sum);
    return 0;
}

// The file in pieces of this size, with one of another file behind each.
void write_big(ImageDevice& disk, const Format& format, std::span<const std::byte> content)
{
    auto cache = BlockCache::make_for(disk).value();
    fs::FileSystem* volume = format.driver.mount(*cache).value();
    fs::Node* big = volume->root().create("big", fs::NodeType::file, 0644).value();
    fs::Node* other = volume->root().create("other", fs::NodeType::file, 0644).value();
    for (size_t at = 0; at < content.size(); at += format.fragment) {
        auto part = content.subspan(at, std::min(format.fragment, content.size() - at));
        ASSERT_EQ(big->write(at, part).value(), part.size());
        ASSERT_TRUE(other->write(other->size, content.first(512)));
    }
    ASSERT_TRUE(volume->sync());
}

struct Sequential : testing::TestWithParam<Format> {
    Sequential()
        : disk(ImageDevice::load(GetParam().image)), expected(expected_content("big", file_bytes))
    {
        if (GetParam().fragment) write_big(disk, GetParam(), expected);
        mount();
    }
    void mount()
    {
        cache = BlockCache::make_for(disk).value();
        auto mounted = GetParam().driver.mount(*cache);
        ASSERT_TRUE(mounted);
        file = fs::look_up(*mounted.value(), "big").value();
        ASSERT_EQ(file->size, file_bytes);
    }
    Error read(size_t number)
    {
        bytes.assign(piece, std::byte{0xee});
        auto got = file->read(number * piece, bytes);
        if (!got) return got.error();
        EXPECT_EQ(got.value(), std::min(piece, file_bytes - number * piece));
        EXPECT_EQ(memcmp(bytes.data(), &expected[number * piece], got.value()), 0) << number;
        return {};
    }
    uint64_t lookups() const { return cache->counts().hits + cache->counts().misses; }
    bool is_ours(const BlockRequest& request) const
    {
        return request.data >= bytes.data() && request.data < bytes.data() + bytes.size();
    }

    FakeMachine machine;
    ImageDevice disk;
    BlockCache* cache = nullptr;
    fs::Node* file = nullptr;
    std::vector<std::byte> expected, bytes;
};

INSTANTIATE_TEST_SUITE_P(
    Formats, Sequential,
    testing::Values(Format{"ext2-1k.img", fs::ext2, damage_ext2, "indirect block 4294967280"},
                    Format{"ffs1_16384.img", fs::ffs, damage_ffs, "indirect block at fragment"},
                    Format{"ffs2_4096.img", fs::ffs, damage_ffs, "indirect block at fragment"},
                    Format{"fat16.img", fs::fat, damage_fat, "marked bad"},
                    Format{"fat32.img", fs::fat, damage_fat, "marked bad"},
                    Format{"empty_exfat_large.img", fs::exfat, damage_exfat, "marked bad",
                           400 * 512},
                    Format{"empty_exfat_large.img", fs::exfat, damage_adjacent, "clusters from",
                           file_bytes, false}),
    [](const auto& info) {
        std::string name = info.param.image;
        name.resize(name.find('.'));
        std::replace(name.begin(), name.end(), '-', '_');
        return name + (info.param.has_map ? "" : "_adjacent");
    });

TEST_P(Sequential, TheDiskIsAskedAtOnce)
{
    size_t late = 0, requests = 0;
    for (size_t number = 0; number < pieces; ++number) {
        uint64_t before = lookups();
        bool is_first = true;
        disk.on_submit = [&](const BlockRequest&) {
            if (std::exchange(is_first, false) && lookups() != before) ++late;
            ++requests;
        };
        disk.reads = 0;
        ASSERT_EQ(read(number), Error{});
        EXPECT_LE(disk.reads, GetParam().has_map ? 4u : 2u)
            << number << ": its runs, and what is needed for the next";
    }
    EXPECT_LT(late, pieces / 8)
        << "the blocks were looked for while the piece before was under way";
    EXPECT_LT(requests, pieces + file_bytes / (256 * 1024) * 2 + 10);
}

TEST_P(Sequential, DamageIsReportedOnceAndWhereItIs)
{
    size_t where = GetParam().damage(disk, file->id);
    mount();
    machine.log.clear();
    for (size_t number = 0; (number + 1) * piece <= where; ++number) {
        ASSERT_EQ(read(number), Error{}) << number;
        ASSERT_TRUE(machine.log.empty()) << number << ": " << machine.log.back();
    }
    EXPECT_EQ(read(where / piece), Error::corrupt);
    ASSERT_EQ(machine.log.size(), 1u);
    EXPECT_TRUE(machine.logged(GetParam().says)) << machine.log.back();
}

TEST_P(Sequential, ABadBlockFailsOnlyItsPiece)
{
    BlockRequest last;
    disk.on_submit = [&](const BlockRequest& request) {
        if (request.count > 16 && is_ours(request)) last = request;
    };
    for (size_t number = 0; number <= 20; ++number) ASSERT_EQ(read(number), Error{});
    disk.bad_blocks = {last.first + last.count / 2};
    disk.on_submit = nullptr;
    mount();
    for (size_t number = 0; number < pieces; ++number)
        EXPECT_EQ(read(number), number == 20 ? Error::device : Error{}) << number;
}

// What comes along is asked for again by whoever cannot do without it.
TEST_P(Sequential, AMapThatCannotBeReadIsMissedWhereItIsNeeded)
{
    std::map<uint64_t, size_t> along;  // the first line, and with which piece it came
    size_t number = 0;
    disk.on_submit = [&](const BlockRequest& request) {
        if (!is_ours(request) && number > 0 && number + 1 < pieces)
            along.emplace(request.first, number);
    };
    for (; number < pieces; ++number) ASSERT_EQ(read(number), Error{});
    disk.on_submit = nullptr;
    for (auto [block, came_with] : along) {
        for (uint64_t i = 0; i < 8; ++i) disk.bad_blocks.insert(block + i);
        mount();
        for (number = 0; number <= came_with; ++number) EXPECT_EQ(read(number), Error{}) << number;
        bool is_fat = &GetParam().driver == &fs::fat;  // which has a copy
        size_t failed = 0;
        for (; number < pieces; ++number) failed += read(number) != Error{};
        EXPECT_EQ(failed > 0, !is_fat) << block;
        disk.bad_blocks.clear();
        EXPECT_EQ(read(pieces - 1), Error{});
    }
    EXPECT_EQ(along.empty(), !GetParam().has_map);
}

// Blocks of 4 KiB: the first 12, the block of pointers and what that maps lie one behind the other.
struct Ext2Guess : testing::Test {
    static constexpr size_t block = 4096, bytes = 65536;

    Ext2Guess() : disk(ImageDevice::load("ext2-4k.img"))
    {
        cache = BlockCache::make_for(disk).value();
        file = fs::look_up(*fs::ext2.mount(*cache).value(), "big").value();
        size_t inode_bytes = le16(&disk.data[1024 + 88]);
        size_t inode = get(disk, block + 8) * block + (file->id - 1) * inode_bytes;
        pointers = get(disk, inode + 40 + 12 * 4) * block;
        first = get(disk, inode + 40) * block;
        EXPECT_EQ(pointers, first + 12 * block);
        EXPECT_EQ(get(disk, pointers), pointers / block + 1);
        disk.on_submit = [this](const BlockRequest& request) { asked.push_back(request); };
    }
    void make_bad(size_t offset)
    {
        for (size_t i = 0; i < block; i += 512) disk.bad_blocks.insert((offset + i) / 512);
    }
    Error read()
    {
        std::vector<std::byte> found(bytes);
        auto got = file->read(0, found);
        if (!got) return got.error();
        EXPECT_EQ(got.value(), bytes);
        for (size_t at = 0; at < bytes; at += block) {
            size_t place =
                at < 12 * block ? first + at : get(disk, pointers + (at / block - 12) * 4) * block;
            EXPECT_EQ(memcmp(&found[at], &disk.data.at(place), block), 0) << at;
        }
        return {};
    }

    FakeMachine machine;
    ImageDevice disk;
    BlockCache* cache = nullptr;
    fs::Node* file = nullptr;
    size_t pointers = 0, first = 0;
    std::vector<BlockRequest> asked;
};

TEST_F(Ext2Guess, APieceOfTheDiskIsOnePiece)
{
    disk.reads = 0;
    ASSERT_EQ(read(), Error{});
    EXPECT_EQ(disk.reads, 3u);
    ASSERT_EQ(asked.size(), 3u);
    uint64_t next = first / 512;
    for (const BlockRequest& request : asked) {
        EXPECT_EQ(request.first, next);
        next += request.count;
    }
    EXPECT_TRUE(asked[0].more && asked[1].more && !asked[2].more);
    disk.reads = 0;
    ASSERT_EQ(read(), Error{});
    EXPECT_EQ(disk.reads, 2u) << "the pointers are here";
}

TEST_F(Ext2Guess, AnotherOrder)
{
    uint32_t one = get(disk, pointers + 4), two = get(disk, pointers + 8);
    put(disk, pointers + 4, two);
    put(disk, pointers + 8, one);
    ASSERT_EQ(read(), Error{});
    EXPECT_EQ(asked[2].count, (bytes - 12 * block) / 512) << "it has guessed";
}

TEST_F(Ext2Guess, AWrongGuessMayBeBad)
{
    uint32_t elsewhere = get(disk, pointers + 100 * 4);
    make_bad(get(disk, pointers + 4) * block);
    put(disk, pointers + 4, elsewhere);
    ASSERT_EQ(read(), Error{});
    EXPECT_EQ(asked[2].count, (bytes - 12 * block) / 512) << "it has guessed";
}

TEST_F(Ext2Guess, PointersThatAreBadOrNonsense)
{
    make_bad(pointers);
    EXPECT_EQ(read(), Error::device);
    disk.bad_blocks.clear();
    put(disk, pointers + 4, 0xfffffff0u);
    EXPECT_EQ(read(), Error::corrupt);
    EXPECT_TRUE(machine.logged("block 13 lies at 4294967280"));
}

}  // namespace
