// SPDX-License-Identifier: BSD-2-Clause
// FFS against images of both versions and all block sizes, and against damaged ones.
#include <map>
#include <random>
#include "fs/volumes.h"
#include "images.h"
#include "lib/bytes.h"

namespace fs {
extern const FileSystemDriver ffs;
}

namespace {

using Bytes = std::vector<std::byte>;

constexpr size_t superblock = 8192;  // makefs puts it there

struct Machine {
    FakeMachine machine;
};

// An image, mounted, and where things are in it.
struct Mounted {
    explicit Mounted(const std::string& file) : disk(ImageDevice::load(file))
    {
        fake_machine->log.clear();
    }
    Error mount()
    {
        cache = BlockCache::make_for(disk).value();
        auto result = fs::ffs.mount(*cache);
        volume = result ? result.value() : nullptr;
        return result.error();
    }
    fs::Node* node(std::string_view path)
    {
        auto found = fs::look_up(*volume, path);
        EXPECT_TRUE(found) << path << ": " << error_text(found.error());
        return found ? found.value() : nullptr;
    }
    Error read_error(std::string_view path, uint64_t offset = 0, size_t size = 1)
    {
        Bytes bytes(size);
        return node(path)->read(offset, bytes).error();
    }
    Bytes read(std::string_view path, uint64_t offset = 0, size_t size = 8'000'000)
    {
        Bytes bytes(std::min<uint64_t>(size, node(path)->size + 1));
        auto result = node(path)->read(offset, bytes);
        EXPECT_TRUE(result) << path << " at " << offset << ": " << error_text(result.error());
        bytes.resize(result ? result.value() : 0);
        return bytes;
    }
    Result<std::map<std::string, fs::DirectoryEntry>> list(std::string_view path)
    {
        std::map<std::string, fs::DirectoryEntry> entries;
        fs::DirectoryEntry entry;
        uint64_t position = 0;
        while (TRY(node(path)->next_entry(position, entry))) {
            bool is_new = entries.emplace(entry.name.view(), entry).second;
            EXPECT_TRUE(is_new) << entry.name.c_str() << " twice";
        }
        return entries;
    }
    // ---- for damage
    bool ufs2() const { return le32(disk.data.data() + superblock + 1372) == 0x19540119; }
    template <class T> T& at(size_t offset) { return *reinterpret_cast<T*>(&disk.data.at(offset)); }
    uint32_t field(size_t offset) { return at<uint32_t>(superblock + offset); }
    size_t inode_place(uint64_t number)
    {
        uint64_t ipg = field(184);
        return (number / ipg * field(188) + field(16)) * field(52) +
               number % ipg * (ufs2() ? 256 : 128);
    }
    size_t size_place(uint64_t number) { return inode_place(number) + (ufs2() ? 16 : 8); }
    size_t pointer_place(uint64_t number, unsigned index)
    {
        return inode_place(number) + (ufs2() ? 112 + index * 8 : 40 + index * 4);
    }
    size_t block_place(uint64_t number, unsigned index = 0)
    {
        return size_t{at<uint32_t>(pointer_place(number, index))} * field(52);
    }
    // Where the record of a name is, in the first block of a directory.
    size_t record_place(uint64_t directory, std::string_view name)
    {
        size_t start = block_place(directory);
        for (size_t offset = 0; offset < 4096; offset += at<uint16_t>(start + offset + 4)) {
            if (std::string_view(&disk.data[start + offset + 8],
                                 uint8_t(disk.data[start + offset + 7])) == name)
                return start + offset;
        }
        ADD_FAILURE() << name;
        return 0;
    }

    ImageDevice disk;
    BlockCache* cache = nullptr;
    fs::FileSystem* volume = nullptr;
};

const std::map<std::string, size_t> files = {  // tree.py
    {"kexec", 32768},
    {"empty", 0},
    {"hello.txt", 13},
    {"block", 4096},
    {"odd", 5000},
    {"medium", 300'000},
    {"dir/sub/deep.txt", 100},
    {"A long name with spaces, and more than thirteen characters.text", 1000}};
constexpr size_t big_size = 6'000'000;

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

struct Ffs : testing::TestWithParam<std::string>, Machine, Mounted {
    Ffs() : Mounted(GetParam())
    {
        EXPECT_EQ(mount(), Error{}) << GetParam();
        has_big = disk.data.size() > 9'000'000;
    }
    bool has_big;
};

INSTANTIATE_TEST_SUITE_P(
    Images, Ffs,
    testing::Values("ffs1_4096.img", "ffs1_8192.img", "ffs1_16384.img", "ffs1_32768.img",
                    "ffs1_65536.img", "ffs2_4096.img", "ffs2_8192.img", "ffs2_16384.img",
                    "ffs2_32768.img", "ffs2_65536.img", "ffs1_4096_4096.img", "ffs1_8192_4096.img",
                    "ffs1_16384_4096.img", "ffs2_4096_4096.img", "ffs2_8192_4096.img",
                    "ffs2_16384_4096.img", "ffs1_sparse.img", "ffs2_sparse.img", "ffs1_old.img"),
    [](const auto& info) { return info.param.substr(0, info.param.find('.')); });

TEST_P(Ffs, SaysWhatItIs)
{
    EXPECT_STREQ(volume->type, GetParam().substr(0, 4).c_str());
    EXPECT_EQ(volume->label.view(), "");
    EXPECT_EQ(volume->bytes, disk.data.size());
    EXPECT_GT(volume->free_bytes().value(), 0u);
    // What makefs's counts say is less than what it wrote leaves.
    EXPECT_LT(volume->free_bytes().value(), disk.data.size() - (has_big ? big_size : 0) - 400'000);
    EXPECT_EQ(&volume->root(), node("/"));
    EXPECT_EQ(volume->root().id, 2u);
    EXPECT_TRUE(volume->sync());
    EXPECT_TRUE(machine.log.empty()) << machine.log.front();
}

TEST_P(Ffs, ReadsEveryFile)
{
    auto all_files = files;
    if (has_big) all_files["big"] = big_size;
    for (unsigned i = 0; i < 300; ++i) {
        char name[32];
        snprintf(name, sizeof name, "many/file%03u", i);
        all_files[name] = i;
    }
    for (auto& [path, size] : all_files) {
        EXPECT_EQ(node(path)->type, fs::NodeType::file) << path;
        EXPECT_EQ(node(path)->size, size) << path;
        EXPECT_EQ(node(path)->mode, 0644) << path;
        EXPECT_GT(node(path)->modified_s, 1'600'000'000) << path;
        EXPECT_TRUE(read(path) == expected_content(base_name(path), size)) << path;
    }
    EXPECT_EQ(node("/dir")->mode, 0755);
}

TEST_P(Ffs, ReadsAnyPiece)
{
    std::minstd_rand random(1);
    std::string path = has_big ? "big" : "medium";
    size_t size = has_big ? big_size : 300'000;
    Bytes content = expected_content(path, size);
    for (unsigned i = 0; i < 300; ++i) {
        size_t offset = random() % size, length = random() % (i % 2 ? 200'000 : 3000);
        Bytes piece = read(path, offset, length);
        length = std::min(length, size - offset);
        ASSERT_EQ(piece.size(), length) << offset;
        ASSERT_EQ(memcmp(piece.data(), content.data() + offset, length), 0)
            << offset << " " << length;
    }
    EXPECT_EQ(read(path, size).size(), 0u);
    EXPECT_EQ(read(path, ~0ull).size(), 0u);
    EXPECT_EQ(read(path, size - 1).size(), 1u);
}

TEST_P(Ffs, ListsEveryNameOnce)
{
    auto many = list("many").value();
    EXPECT_EQ(many.size(), 300u);
    for (auto& [name, entry] : many) {
        EXPECT_EQ(entry.type, fs::NodeType::file);
        EXPECT_EQ(entry.id, node("many/" + name)->id);
    }
    auto root = list("/").value();
    EXPECT_EQ(root["dir"].type, fs::NodeType::directory);
    EXPECT_EQ(root["link"].type, fs::NodeType::symlink);
    EXPECT_FALSE(root.contains(".") || root.contains(".."));
    EXPECT_EQ(root.size(), 15u);  // with "big" or "sparse"
    EXPECT_EQ(list("dir/sub").value().size(), 1u);
}

TEST_P(Ffs, FollowsLinks)
{
    EXPECT_EQ(node("link"), node("hello.txt"));
    EXPECT_EQ(node("dir/up"), node("hello.txt"));
    EXPECT_EQ(node("absolute/deep.txt"), node("dir/sub/deep.txt"));
    EXPECT_EQ(node("longlink"), node("hello.txt"));
    EXPECT_EQ(fs::look_up(*volume, "loop").error(), Error::too_large);
    EXPECT_EQ(fs::look_up(*volume, "dangling").error(), Error::not_found);
    fs::Node* link = fs::look_up(*volume, "longlink", false).value();
    Text<fs::max_path> target;
    ASSERT_TRUE(link->read_link(target));
    EXPECT_EQ(target.size(), 209u);
    EXPECT_TRUE(target.view().ends_with("././hello.txt"));
    EXPECT_EQ(node("hello.txt")->read_link(target).error(), Error::invalid);
}

TEST_P(Ffs, KnowsWhatIsNotThere)
{
    for (auto path :
         {"nothing", "hello.tx", "hello.txt2", "HELLO.TXT", "dir/nothing", "many/file300"})
        EXPECT_EQ(fs::look_up(*volume, path).error(), Error::not_found) << path;
    EXPECT_EQ(fs::look_up(*volume, "hello.txt/x").error(), Error::not_directory);
    EXPECT_EQ(node("hello.txt")->find("x").error(), Error::not_directory);
    EXPECT_EQ(volume->root().find(std::string(300, 'x')).value(), nullptr);
    EXPECT_EQ(read_error("dir"), Error::is_directory);
    fs::DirectoryEntry entry;
    uint64_t position = 0;
    EXPECT_EQ(node("hello.txt")->next_entry(position, entry).error(), Error::not_directory);
    position = ~0ull;
    EXPECT_FALSE(volume->root().next_entry(position, entry).value());
    std::byte byte[1] = {};
    EXPECT_EQ(node("hello.txt")->write(0, byte).error(), Error::read_only);
}

TEST_P(Ffs, HasOneNodePerFile)
{
    EXPECT_EQ(node("kexec"), node("/dir/../kexec"));
    EXPECT_NE(node("kexec"), node("block"));
    EXPECT_EQ(node("dir")->id, volume->root().find("dir").value()->id);
}

// ---- efficiency

struct FfsBigBlocks : testing::TestWithParam<std::string>, Machine, Mounted {
    FfsBigBlocks() : Mounted(GetParam()) { EXPECT_EQ(mount(), Error{}); }
};
INSTANTIATE_TEST_SUITE_P(Images, FfsBigBlocks, testing::Values("ffs1_16384.img", "ffs2_16384.img"));

TEST_P(FfsBigBlocks, ReadsThePayloadInOneRequest)
{
    EXPECT_LE(disk.reads, 4u);  // two places of a superblock, a piece of it, the root's inode
    fs::Node* kexec = node("kexec");
    EXPECT_LE(disk.reads, 6u);  // the root directory, perhaps another piece of the inodes
    size_t before = disk.reads;
    Bytes content(32768);
    EXPECT_TRUE(kexec->read(0, content));
    EXPECT_EQ(disk.reads, before + 1);
}

TEST_P(FfsBigBlocks, ReadsRowsOfBlocksAtOnce)
{
    fs::Node* big = node("big");
    size_t before = disk.reads;
    Bytes content(big_size);
    EXPECT_TRUE(big->read(0, content));
    EXPECT_LE(disk.reads - before, big_size / 65536);
}

// ---- holes and every level of indirect blocks

struct FfsSparse : testing::TestWithParam<std::string>, Machine, Mounted {
    FfsSparse() : Mounted(GetParam())
    {
        EXPECT_EQ(mount(), Error{});
        uint64_t n = ufs2() ? 512 : 1024;
        blocks = {1,
                  12 + 5,
                  12 + n - 1,
                  12 + n + 3 * n + 7,
                  12 + n + n * n,
                  12 + n + n * n + 2 * n * n + 4 * n + 9};
    }
    // What is in a piece of the file, a block at a time.
    Bytes expected(uint64_t offset, size_t length)
    {
        Bytes bytes(length);
        for (uint64_t block : blocks) {
            Bytes content = expected_content("sparse" + std::to_string(block), 4096);
            for (size_t i = 0; i < 4096; ++i) {
                uint64_t at = block * 4096 + i;
                if (at >= offset && at - offset < length) bytes[at - offset] = content[i];
            }
        }
        return bytes;
    }
    std::vector<uint64_t> blocks;
};
INSTANTIATE_TEST_SUITE_P(Images, FfsSparse, testing::Values("ffs1_sparse.img", "ffs2_sparse.img"));

TEST_P(FfsSparse, ReadsAllLevels)
{
    EXPECT_EQ(node("sparse")->size, blocks.back() * 4096 + 1234);
    EXPECT_GT(node("sparse")->size, ufs2() ? 1ull << 31 : 1ull << 32);
    for (uint64_t block : blocks) {
        uint64_t from = block * 4096 - std::min<uint64_t>(block * 4096, 10'001);
        size_t length = std::min<uint64_t>(30'000, node("sparse")->size - from);
        EXPECT_TRUE(read("sparse", from, 30'000) == expected(from, length)) << block;
        EXPECT_TRUE(read("sparse", block * 4096 + 100, 50) == expected(block * 4096 + 100, 50));
    }
}

TEST_P(FfsSparse, ReadsLongHoles)
{
    for (size_t i = 0; i + 1 < blocks.size(); ++i) {
        uint64_t middle = (blocks[i] + blocks[i + 1]) / 2 * 4096 + 77;
        if (blocks[i] + 1 == blocks[i + 1]) continue;
        EXPECT_TRUE(read("sparse", middle, 100'000) == expected(middle, 100'000)) << i;
    }
    size_t before = disk.reads;
    read("sparse", (blocks[4] + 5) * 4096, 8'000'000);
    EXPECT_LE(disk.reads - before, 40u);  // a hole is not looked at block by block
}

TEST_P(FfsSparse, SeesWildIndirectBlocks)
{
    uint64_t inode = node("sparse")->id;
    for (unsigned level : {0u, 1u, 2u}) {
        Mounted damaged(GetParam());
        damaged.at<uint32_t>(damaged.pointer_place(inode, 12 + level)) = 0x7fffffff;
        ASSERT_EQ(damaged.mount(), Error{});
        uint64_t block = blocks[level == 0 ? 1 : level == 1 ? 3 : 5];
        EXPECT_EQ(damaged.read_error("sparse", block * 4096), Error::corrupt);
        EXPECT_TRUE(machine.logged("wd0a: ffs: inode " + std::to_string(inode)));
        EXPECT_EQ(damaged.read_error("sparse", 4096), Error{});
    }
    // The same in each table on the way to the last block.
    size_t table = block_place(inode, 14);
    for (unsigned index : {2u, 4u, 9u}) {
        Mounted damaged(GetParam());
        memset(&damaged.disk.data[table], 0x7e, 4096);
        ASSERT_EQ(damaged.mount(), Error{});
        EXPECT_EQ(damaged.read_error("sparse", blocks[5] * 4096), Error::corrupt) << index;
        table = size_t{at<uint32_t>(table + index * (ufs2() ? 8 : 4))} * field(52);
    }
}

// ---- where the superblock is, and what is not a volume

struct FfsPlaces : testing::TestWithParam<std::string>, Machine, Mounted {
    FfsPlaces() : Mounted(GetParam()) {}
};
INSTANTIATE_TEST_SUITE_P(Images, FfsPlaces, testing::Values("ffs1_places.img", "ffs2_places.img"));

TEST_P(FfsPlaces, FindsTheSuperblockAtEachPlace)
{
    for (size_t place : {0, 65536, 262144}) {
        Mounted moved(GetParam());
        memcpy(&moved.disk.data[place], &moved.disk.data[superblock], 1376);
        memset(&moved.disk.data[superblock], 0, 1376);
        moved.at<uint64_t>(place + 1000) = place;
        ASSERT_EQ(moved.mount(), Error{}) << place;
        EXPECT_TRUE(moved.read("d/b") == expected_content("b", 9000));
        EXPECT_EQ(moved.node("long"), moved.node("a"));
    }
}

TEST_P(FfsPlaces, DoesNotTakeACopyForTheSuperblock)
{
    memcpy(&disk.data[65536 + 680], "copy", 4);
    memcpy(&disk.data[superblock + 680], "primary", 7);
    ASSERT_EQ(mount(), Error{});
    EXPECT_EQ(volume->label.view(), "primary");
    memset(&disk.data[superblock], 0, 1376);
    EXPECT_EQ(mount(), Error::not_found);
}

TEST(FfsMount, TakesOnlyThePrimaryOfAnOldVolume)
{
    FakeMachine machine;
    Mounted old("ffs1_places.img");
    for (size_t place : {8192, 65536}) {
        old.at<uint8_t>(place + 211) = 0;
        old.at<uint64_t>(place + 1000) = 0;
    }
    old.at<uint32_t>(65536 + 44) = 77;  // the copy would be refused
    EXPECT_EQ(old.mount(), Error{});
    EXPECT_EQ(old.volume->label.view(), "");
    memset(&old.disk.data[superblock], 0, 1376);
    EXPECT_EQ(old.mount(), Error::not_found);
}

TEST(FfsMount, IsSilentOnOtherVolumes)
{
    FakeMachine machine;
    for (size_t size : {0, 512, 8192, 9216, 65536, 300'000, 1'000'000}) {
        Mounted other("ffs2_tiny.img");
        other.disk = ImageDevice(std::vector<char>(size, 'U'));
        EXPECT_EQ(other.mount(), Error::not_found);
        EXPECT_TRUE(machine.log.empty());
        EXPECT_LE(other.disk.reads, 4u);
        EXPECT_LE(other.disk.blocks_read, 32u);
    }
}

TEST(FfsMount, RefusesBigEndianVolumes)
{
    FakeMachine machine;
    for (auto image : {"ffs1_tiny.img", "ffs2_tiny.img"}) {
        Mounted other(image);
        std::reverse(&other.disk.data[superblock + 1372], &other.disk.data[superblock + 1376]);
        EXPECT_EQ(other.mount(), Error::unsupported);
        EXPECT_TRUE(machine.logged("wd0a: ffs: a big-endian volume"));
    }
}

TEST(FfsMount, ReadsLabelAndState)
{
    FakeMachine machine;
    Mounted volume("ffs2_tiny.img");
    memset(&volume.disk.data[superblock + 680], 'L', 32);  // without a final NUL
    volume.at<uint8_t>(superblock + 209) = 0;
    ASSERT_EQ(volume.mount(), Error{});
    EXPECT_EQ(volume.volume->label.view(), std::string(31, 'L'));
    EXPECT_TRUE(machine.logged("wd0a: ffs: not unmounted cleanly; it may be inconsistent"));
}

TEST(FfsMount, MountsByTheConfiguration)
{
    FakeMachine machine;
    ImageDevice disk = ImageDevice::load("ffs2_8192.img");
    auto volume = fs::mount(disk);
    ASSERT_TRUE(volume);
    EXPECT_STREQ(volume.value()->file_system->type, "ffs2");
}

TEST(FfsMount, WorksWithLargeSectors)
{
    FakeMachine machine;
    ImageDevice disk = ImageDevice::load("ffs2_4096.img", 4096);
    auto volume = fs::mount(disk);
    ASSERT_TRUE(volume);
    fs::Node* odd = fs::look_up(*volume.value()->file_system, "odd").value();
    Bytes bytes(5000);
    EXPECT_EQ(odd->read(0, bytes).value(), 5000u);
    EXPECT_TRUE(bytes == expected_content("odd", 5000));
}

// ---- damage

struct FfsDamaged : testing::TestWithParam<std::string>, Machine, Mounted {
    FfsDamaged() : Mounted(GetParam()) {}
    // Mounts the undamaged volume, to look where things are.
    uint64_t inode_of(std::string_view path)
    {
        Mounted intact(GetParam());
        EXPECT_EQ(intact.mount(), Error{});
        return fs::look_up(*intact.volume, path, false).value()->id;
    }
};
INSTANTIATE_TEST_SUITE_P(Images, FfsDamaged, testing::Values("ffs1_tiny.img", "ffs2_tiny.img"));

TEST_P(FfsDamaged, RefusesSillySuperblocks)
{
    const uint32_t silly[] = {0,     1,      3,          511,        1000,      4095,
                              12288, 131072, 0x7fffffff, 0x80000000, 0xffffffff};
    struct Field {
        size_t offset;
        bool any;  // of the values may be right, or not matter
    };
    const Field fields[] = {{16, true},   {24, true},   {28, true},   {36, ufs2()}, {44, true},
                            {48, false},  {52, false},  {184, true},  {188, true},  {196, true},
                            {204, true},  {1016, true}, {1020, true}, {1032, true}, {1036, true},
                            {1080, true}, {1084, true}, {1320, true}, {1324, true}};
    for (auto& [offset, any] : fields) {
        for (uint32_t value : silly) {
            Mounted damaged(GetParam());
            damaged.at<uint32_t>(superblock + offset) = value;
            Error error = damaged.mount();
            if (!any || error != Error{}) {
                EXPECT_EQ(error, Error::corrupt) << offset << " " << value;
                EXPECT_TRUE(machine.logged("wd0a: ffs: ")) << offset << " " << value;
                continue;
            }
            EXPECT_LE(damaged.volume->free_bytes().value(), damaged.volume->bytes);
            EXPECT_LE(damaged.volume->bytes, damaged.disk.data.size());
            (void)damaged.list("/");
        }
    }
    // These must be found, by what they contradict. (The only group may be longer than the volume.)
    for (size_t offset : {44, 184, 188, ufs2() ? 1080 : 36}) {
        for (uint32_t value : {0u, 0x7fffffffu, 0xffffffffu}) {
            if (offset == 188 && value) continue;
            Mounted damaged(GetParam());
            damaged.at<uint32_t>(superblock + offset) = value;
            EXPECT_EQ(damaged.mount(), Error::corrupt) << offset << " " << value;
        }
    }
}

TEST_P(FfsDamaged, RefusesTruncatedVolumes)
{
    for (size_t size : {163840 - 512, 100'000, 20'000}) {
        Mounted cut(GetParam());
        cut.disk.data.resize(size / 512 * 512);
        cut.disk.blocks = size / 512;
        EXPECT_EQ(cut.mount(), Error::corrupt) << size;
    }
    disk.blocks = 12;  // the superblock is missing
    EXPECT_EQ(mount(), Error::not_found);
}

TEST_P(FfsDamaged, SeesBrokenRecords)
{
    struct Damage {
        uint16_t bytes;
        uint8_t name_bytes;
    };
    for (Damage damage : {Damage{0, 1},
                          {4, 1},
                          {7, 1},
                          {13, 1},
                          {65532, 1},
                          {1024, 1},
                          {512, 1},
                          {12, 200},
                          {12, 5},
                          {12, 0}}) {
        Mounted damaged(GetParam());
        size_t place = damaged.record_place(2, "a");
        damaged.at<uint16_t>(place + 4) = damage.bytes;
        damaged.at<uint8_t>(place + 7) = damage.name_bytes;
        ASSERT_EQ(damaged.mount(), Error{});
        EXPECT_EQ(damaged.list("/").error(), Error::corrupt) << damage.bytes;
        EXPECT_EQ(fs::look_up(*damaged.volume, "zzz").error(), Error::corrupt) << damage.bytes;
        EXPECT_TRUE(machine.logged("wd0a: ffs: directory 2: a record of"));
    }
}

TEST_P(FfsDamaged, SeesRecordsThatLeaveNoRoomForAnother)
{
    size_t place = record_place(2, "a");
    at<uint16_t>(place + 4) = uint16_t(508 - (place - block_place(2)));
    ASSERT_EQ(mount(), Error{});
    EXPECT_EQ(list("/").error(), Error::corrupt);
}

TEST_P(FfsDamaged, PassesOverWhatIsNotInUse)
{
    for (uint32_t inode : {0u, 1u}) {  // removed, whiteout
        Mounted changed(GetParam());
        changed.at<uint32_t>(changed.record_place(2, "a")) = inode;
        ASSERT_EQ(changed.mount(), Error{});
        EXPECT_EQ(fs::look_up(*changed.volume, "a").error(), Error::not_found);
        EXPECT_FALSE(changed.list("/").value().contains("a"));
        EXPECT_TRUE(changed.list("/").value().contains("d"));
    }
}

TEST_P(FfsDamaged, SeesWildInodeNumbers)
{
    uint32_t last = field(44) * field(184);
    for (uint32_t inode : {last, last - 1, 0x7fffffffu, 0xffffffffu}) {  // the last is not in use
        Mounted damaged(GetParam());
        size_t place = damaged.record_place(2, "a");
        damaged.at<uint32_t>(place) = inode;
        damaged.at<uint8_t>(place + 6) = 0;  // DT_UNKNOWN: the list must look
        ASSERT_EQ(damaged.mount(), Error{});
        EXPECT_EQ(fs::look_up(*damaged.volume, "a").error(), Error::corrupt) << inode;
        EXPECT_TRUE(machine.logged("inode " + std::to_string(inode))) << inode;
        EXPECT_EQ(damaged.list("/").error(), inode == last - 1 ? Error{} : Error::corrupt);
    }
}

TEST_P(FfsDamaged, AsksTheInodeWhereTheRecordHasNoType)
{
    for (auto name : {"a", "d", "short"}) at<uint8_t>(record_place(2, name) + 6) = 0;
    ASSERT_EQ(mount(), Error{});
    auto root = list("/").value();
    EXPECT_EQ(root["a"].type, fs::NodeType::file);
    EXPECT_EQ(root["d"].type, fs::NodeType::directory);
    EXPECT_EQ(root["short"].type, fs::NodeType::symlink);
}

TEST_P(FfsDamaged, SeesWildBlockPointers)
{
    uint64_t inode = inode_of("d/b"), directory = inode_of("d");
    for (uint32_t pointer : {field(ufs2() ? 1080 : 36), 0x7fffffffu, 0xffffffffu}) {
        Mounted damaged(GetParam());
        damaged.at<uint32_t>(damaged.pointer_place(inode, 1)) = pointer;
        damaged.at<uint32_t>(damaged.pointer_place(directory, 0)) = pointer;
        ASSERT_EQ(damaged.mount(), Error{});
        EXPECT_EQ(damaged.list("d").error(), Error::corrupt);
        damaged.at<uint32_t>(damaged.pointer_place(directory, 0)) =
            at<uint32_t>(pointer_place(directory, 0));
        ASSERT_EQ(damaged.mount(), Error{});
        EXPECT_EQ(damaged.read_error("d/b", 0, 4096), Error{});
        EXPECT_EQ(damaged.read_error("d/b", 0, 9000), Error::corrupt);
        EXPECT_TRUE(machine.logged("wd0a: ffs: inode " + std::to_string(inode) + ": block 1"));
    }
    if (!ufs2()) return;
    at<uint64_t>(pointer_place(inode, 1)) = 0xffffffff'fffffff0;
    ASSERT_EQ(mount(), Error{});
    EXPECT_EQ(read_error("d/b", 0, 9000), Error::corrupt);
}

TEST_P(FfsDamaged, SeesABlockThatReachesBeyondTheEnd)
{
    uint64_t inode = inode_of("d/b");
    at<uint32_t>(pointer_place(inode, 0)) = field(ufs2() ? 1080 : 36) - 4;
    ASSERT_EQ(mount(), Error{});
    EXPECT_EQ(read_error("d/b", 0, 2048), Error{});
    EXPECT_EQ(read_error("d/b", 0, 2049), Error::corrupt);
}

TEST_P(FfsDamaged, SeesSillySizes)
{
    uint64_t file = inode_of("a"), directory = inode_of("d");
    for (uint64_t size : {1ull << 63, ~0ull, 1ull << 50}) {
        Mounted damaged(GetParam());
        damaged.at<uint64_t>(damaged.size_place(file)) = size;
        ASSERT_EQ(damaged.mount(), Error{});
        EXPECT_EQ(fs::look_up(*damaged.volume, "a").error(), Error::corrupt);
        EXPECT_TRUE(machine.logged("inode " + std::to_string(file) + ": a size of"));
    }
    for (uint64_t size : {1ull << 40, 513ull, 1ull << 20}) {
        Mounted damaged(GetParam());
        damaged.at<uint64_t>(damaged.size_place(directory)) = size;
        ASSERT_EQ(damaged.mount(), Error{});
        EXPECT_EQ(fs::look_up(*damaged.volume, "d/b").error(), Error::corrupt) << size;
    }
    // A directory with a hole.
    at<uint64_t>(size_place(directory)) = 65536;
    ASSERT_EQ(mount(), Error{});
    EXPECT_EQ(list("d").error(), Error::corrupt);
}

TEST_P(FfsDamaged, SeesSillyLinks)
{
    uint64_t link = inode_of("long");
    Text<fs::max_path> target;
    at<uint64_t>(size_place(link)) = 4096;
    ASSERT_EQ(mount(), Error{});
    EXPECT_EQ(fs::look_up(*volume, "long", false).value()->read_link(target).error(),
              Error::too_large);
    at<uint64_t>(size_place(link)) = 0;
    ASSERT_EQ(mount(), Error{});
    EXPECT_EQ(fs::look_up(*volume, "long").error(), Error::not_found);
    // As if it were in the inode, where it does not fit.
    at<uint64_t>(size_place(link)) = 141;
    at<uint32_t>(superblock + 1320) = 0;
    at<uint64_t>(inode_place(link) + (ufs2() ? 24 : 104)) = 0;
    ASSERT_EQ(mount(), Error{});
    EXPECT_EQ(fs::look_up(*volume, "long").error(), Error::corrupt);
}

TEST_P(FfsDamaged, RefusesARootThatIsNone)
{
    at<uint16_t>(inode_place(2)) = 0100644;
    EXPECT_EQ(mount(), Error::corrupt);
    at<uint16_t>(inode_place(2)) = 0;
    EXPECT_EQ(mount(), Error::corrupt);
    EXPECT_TRUE(machine.logged("wd0a: ffs: inode 2 is not in use"));
}

TEST_P(FfsDamaged, KnowsNodesThatAreNeitherFileNorDirectory)
{
    at<uint16_t>(inode_place(inode_of("a"))) = 0020600;  // a character device
    ASSERT_EQ(mount(), Error{});
    EXPECT_EQ(node("a")->type, fs::NodeType::other);
    EXPECT_EQ(read_error("a"), Error::unsupported);
}

TEST_P(FfsDamaged, PassesDeviceErrorsOn)
{
    size_t root = block_place(2) / 512, file = block_place(inode_of("d/b"), 1) / 512;
    disk.bad_blocks = {file};
    ASSERT_EQ(mount(), Error{});
    EXPECT_EQ(read_error("d/b", 0, 9000), Error::device);
    EXPECT_EQ(read_error("d/b", 0, 4096), Error{});
    disk.bad_blocks = {root};
    ASSERT_EQ(mount(), Error{});
    EXPECT_EQ(fs::look_up(*volume, "a").error(), Error::device);
    disk.bad_blocks = {inode_place(2) / 512};
    EXPECT_EQ(mount(), Error::device);
    disk.bad_blocks = {superblock / 512};
    EXPECT_EQ(mount(), Error::device);
    disk.bad_blocks = {(superblock + 1372) / 512};  // its magic number: it may be something else
    EXPECT_EQ(mount(), Error::not_found);
    EXPECT_TRUE(machine.logged("wd0a: ffs: offset 8192: "));
    disk.bad_blocks = {65536 / 512};  // nothing that matters
    EXPECT_EQ(mount(), Error{});
}

TEST_P(FfsDamaged, SurvivesWithoutMemory)
{
    int missed = 0;
    for (int allocations = 0; allocations < 20; ++allocations) {
        cache = BlockCache::make_for(disk).value();
        FakeHeap::fail_after = allocations;
        auto mounted = fs::ffs.mount(*cache);
        Error error = mounted.error();
        if (mounted) error = fs::look_up(*mounted.value(), "d/b").error();
        bool enough = FakeHeap::fail_after >= 0;
        FakeHeap::fail_after = -1;
        // The cache does with fewer lines than it asks for.
        EXPECT_TRUE(error == Error{} || (!enough && error == Error::no_memory)) << allocations;
        missed += error != Error{};
    }
    EXPECT_GE(missed, 4) << "the volume, the root, d and b";
}

}  // namespace
