// SPDX-License-Identifier: BSD-2-Clause
// ext2, ext3 and ext4 on the images of images/ext.py, sound and damaged.
#include <map>
#include <random>
#include "fuzz/walk.h"
#include "images.h"
#include "lib/bytes.h"

namespace fs {
extern const FileSystemDriver ext2;
}

namespace {

struct Volume {
    explicit Volume(const std::string& image, uint32_t block_bytes = 512)
        : disk(ImageDevice::load(image, block_bytes))
    {
    }

    Result<fs::FileSystem*> mount()
    {
        cache = TRY(BlockCache::make_for(disk));
        return fs::ext2.mount(*cache);
    }
    fs::FileSystem& mounted()
    {
        if (!file_system) {
            auto result = mount();
            EXPECT_TRUE(result) << error_text(result.error())
                                << (machine.log.empty() ? "" : machine.log.back());
            if (!result) abort();
            file_system = result.value();
        }
        return *file_system;
    }
    fs::Node* node(std::string_view path, bool follow = true)
    {
        auto found = fs::look_up(mounted(), path, follow);
        EXPECT_TRUE(found) << path << ": " << error_text(found.error());
        if (!found) abort();
        return found.value();
    }
    std::vector<std::byte> read(std::string_view path)
    {
        fs::Node* file = node(path);
        std::vector<std::byte> bytes(file->size + 1);  // one more than there is
        auto count = file->read(0, bytes);
        EXPECT_TRUE(count) << path << ": " << error_text(count.error());
        bytes.resize(count ? count.value() : 0);
        return bytes;
    }
    std::map<std::string, fs::NodeType> list(std::string_view path)
    {
        std::map<std::string, fs::NodeType> names;
        fs::DirectoryEntry entry;
        uint64_t position = 0;
        for (;;) {
            auto more = node(path)->next_entry(position, entry);
            EXPECT_TRUE(more) << path;
            if (!more || !more.value()) return names;
            EXPECT_TRUE(names.emplace(entry.name.view(), entry.type).second) << entry.name.view();
            auto found = node(path)->find(entry.name);
            EXPECT_TRUE(found && found.value() && found.value()->id == entry.id &&
                        found.value()->type == entry.type)
                << entry.name.view();
        }
    }

    // The disk, by the layout of the small images: 1 KiB blocks, one group.
    template <class T> void put(size_t offset, T value)
    {
        memcpy(disk.data.data() + offset, &value, sizeof value);
    }
    uint32_t get(size_t offset) const { return le32(disk.data.data() + offset); }
    size_t inode_at(uint64_t number) const
    {
        return get(2048 + 8) * size_t{1024} + (number - 1) * le16(disk.data.data() + 1024 + 0x58);
    }
    size_t pointer_at(uint64_t inode, size_t index) const
    {
        return inode_at(inode) + 40 + 4 * index;
    }
    FakeMachine machine;
    ImageDevice disk;
    BlockCache* cache = nullptr;
    fs::FileSystem* file_system = nullptr;
};

uint64_t id_of(const char* image, const char* path)
{
    Volume sound(image);
    return sound.node(path, false)->id;
}

// ---- What mke2fs makes is read as it is

struct Image {
    const char* name;
    const char* type;
    bool big;
    uint64_t bytes;
};

struct Tree : testing::TestWithParam<Image> {};

const std::vector<std::pair<const char*, size_t>> files = {
    {"kexec", 32768},
    {"empty", 0},
    {"hello.txt", 13},
    {"block", 4096},
    {"odd", 5000},
    {"medium", 300'000},
    {"dir/sub/deep.txt", 100},
    {"A long name with spaces, and more than thirteen characters.text", 1000}};

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

TEST_P(Tree, EveryFileHasItsContent)
{
    Volume volume(GetParam().name);
    for (auto [path, size] : files)
        EXPECT_EQ(volume.read(path), expected_content(base_name(path), size)) << path;
    if (GetParam().big) {
        EXPECT_EQ(volume.read("big"), expected_content("big", 6'000'000));
    }
    for (size_t i = 0; i < 300; ++i) {
        char name[8];
        snprintf(name, sizeof name, "file%03zu", i);
        EXPECT_EQ(volume.read(std::string("many/") + name), expected_content(name, i)) << name;
    }
}

TEST_P(Tree, AnyPieceOfAFileCanBeRead)
{
    Volume volume(GetParam().name);
    std::mt19937 random(1);
    for (auto [name, size] : {std::pair("big", size_t{6'000'000}), {"medium", size_t{300'000}}}) {
        if (name == std::string("big") && !GetParam().big) continue;
        auto expected = expected_content(name, size);
        fs::Node* node = volume.node(name);
        for (int i = 0; i < 300; ++i) {
            size_t offset = random() % (size + 1000);
            size_t length = 1 + random() % (i % 3 ? 3000 : 200'000);
            std::vector<std::byte> bytes(length);
            auto count = node->read(offset, bytes);
            ASSERT_TRUE(count);
            ASSERT_EQ(count.value(), offset >= size ? 0 : std::min(length, size - offset));
            ASSERT_EQ(memcmp(bytes.data(), expected.data() + std::min(offset, size), count.value()),
                      0);
        }
        std::byte one;
        EXPECT_EQ(node->read(~0ull, {&one, 1}).value(), 0u);
    }
}

TEST_P(Tree, ListingsAreComplete)
{
    Volume volume(GetParam().name);
    using enum fs::NodeType;
    std::map<std::string, fs::NodeType> root = {
        {"kexec", file},
        {"empty", file},
        {"hello.txt", file},
        {"block", file},
        {"odd", file},
        {"medium", file},
        {"dir", directory},
        {"many", directory},
        {"lost+found", directory},
        {"A long name with spaces, and more than thirteen characters.text", file},
        {"link", symlink},
        {"absolute", symlink},
        {"loop", symlink},
        {"dangling", symlink},
        {"longlink", symlink}};
    if (GetParam().big) root["big"] = file;
    auto listed = volume.list("/");
    listed.erase("few");  // ext4-inline has more
    listed.erase("inlinelink");
    EXPECT_EQ(listed, root);
    EXPECT_EQ(volume.list("dir"),
              (std::map<std::string, fs::NodeType>{{"sub", directory}, {"up", symlink}}));
    EXPECT_EQ(volume.list("many").size(), 300u);
    EXPECT_EQ(volume.list("lost+found").size(), 0u);
}

TEST_P(Tree, LinksLeadWhereTheyShould)
{
    Volume volume(GetParam().name);
    fs::Node* hello = volume.node("hello.txt");
    for (const char* path :
         {"link", "dir/up", "longlink", "absolute/../../dir/up", "/dir/sub/../up"})
        EXPECT_EQ(volume.node(path), hello) << path;
    EXPECT_EQ(volume.node("absolute/deep.txt"), volume.node("dir/sub/deep.txt"));
    EXPECT_EQ(fs::look_up(volume.mounted(), "loop").error(), Error::too_large);
    EXPECT_EQ(fs::look_up(volume.mounted(), "dangling").error(), Error::not_found);
    EXPECT_EQ(fs::look_up(volume.mounted(), "kexec/x").error(), Error::not_directory);
    EXPECT_EQ(fs::look_up(volume.mounted(), "kexe").error(), Error::not_found);
    Text<fs::max_path> target;
    ASSERT_TRUE(volume.node("dangling", false)->read_link(target));
    EXPECT_EQ(target.view(), "nothing/here");
    ASSERT_TRUE(volume.node("longlink", false)->read_link(target));
    EXPECT_EQ(target.size(), 209u);
}

TEST_P(Tree, KnowsWhatItIs)
{
    Volume volume(GetParam().name);
    auto& file_system = volume.mounted();
    std::string name = GetParam().name;
    EXPECT_STREQ(file_system.type, GetParam().type);
    EXPECT_EQ(file_system.label.view(), name == "ext2-r0.img" ? "" : "vesper " + name.substr(0, 4));
    EXPECT_EQ(file_system.bytes, GetParam().bytes);
    EXPECT_GT(file_system.free_bytes().value(), GetParam().bytes / 10);
    EXPECT_LT(file_system.free_bytes().value(), GetParam().bytes - 500'000);
    fs::Node* hello = volume.node("hello.txt");
    EXPECT_EQ(hello->mode, 04711);
    EXPECT_EQ(hello->modified_s, 1234567890);
    EXPECT_EQ(hello->size, 13u);
    EXPECT_EQ(volume.node("/")->id, 2u);
    EXPECT_EQ(volume.disk.writes, 0u);
}

TEST_P(Tree, BootingTakesFewRequests)
{
    Volume volume(GetParam().name);
    EXPECT_EQ(volume.read("kexec"), expected_content("kexec", 32768));
    EXPECT_LE(volume.disk.reads, 14u);
}

INSTANTIATE_TEST_SUITE_P(Ext2, Tree,
                         testing::Values(Image{"ext2-1k.img", "ext2", true, 12 << 20},
                                         Image{"ext2-2k.img", "ext2", true, 12 << 20},
                                         Image{"ext2-4k.img", "ext2", true, 12 << 20},
                                         Image{"ext2-64k.img", "ext2", false, 32 << 20},
                                         Image{"ext2-r0.img", "ext2", false, 4 << 20},
                                         Image{"ext3.img", "ext3", true, 24 << 20},
                                         Image{"ext4.img", "ext4", true, 24 << 20},
                                         Image{"ext4-gdt.img", "ext4", true, 12 << 20},
                                         Image{"ext4-bigalloc.img", "ext4", false, 32 << 20},
                                         Image{"ext4-sparse2.img", "ext4", false, 8 << 20},
                                         Image{"ext4-meta.img", "ext4", false, 24 << 20},
                                         Image{"ext4-inline.img", "ext4", false, 8 << 20}),
                         [](const auto& info) {
                             std::string name = info.param.name;
                             name.resize(name.find('.'));
                             std::replace(name.begin(), name.end(), '-', '_');
                             return name;
                         });

using Pieces = std::vector<std::pair<uint64_t, size_t>>;  // offset, size: data; the rest is holes

void expect_sparse(Volume& volume, const std::string& path, uint64_t size, const Pieces& pieces)
{
    fs::Node* node = volume.node(path);
    ASSERT_EQ(node->size, size);
    constexpr size_t step = 1 << 16;  // the period of the content
    auto pattern = expected_content(path, step);
    std::vector<std::byte> expected(step), bytes(step);
    for (uint64_t start = 0; start < size; start += step) {
        std::fill(expected.begin(), expected.end(), std::byte{0});
        uint64_t end = std::min(start + step, size);
        for (auto [offset, count] : pieces) {
            for (uint64_t i = std::max(start, offset); i < std::min(end, offset + count); ++i)
                expected[i - start] = pattern[i - start];
        }
        std::fill(bytes.begin(), bytes.end(), std::byte{0x55});
        auto count = node->read(start, bytes);
        ASSERT_TRUE(count) << start;
        ASSERT_EQ(count.value(), end - start);
        ASSERT_EQ(memcmp(bytes.data(), expected.data(), count.value()), 0) << start;
    }
}

const Pieces sparse_pieces = {{0, 2048},           {5000, 3000},       {100'000, 5000},
                              {1'000'000, 70'000}, {67'380'000, 4000}, {70'000'000, 50'001}};

TEST(Ext2, HolesInBlockMapsAreZeros)
{
    Volume volume("ext2-sparse.img");
    expect_sparse(volume, "sparse", 71'000'000, sparse_pieces);
    expect_sparse(volume, "hole", 3'000'000, {});
}

TEST(Ext2, HolesBetweenExtentsAndUnwrittenExtentsAreZeros)
{
    Volume volume("ext4-sparse.img");
    expect_sparse(volume, "sparse", 71'000'000, sparse_pieces);
    expect_sparse(volume, "hole", 3'000'000, {});
}

TEST(Ext2, ADeepTreeOfExtentsIsFollowed)
{
    Volume volume("ext4-sparse.img");
    Pieces pieces;
    for (uint64_t n = 0; n < 1000; ++n) pieces.push_back({n * 2048, 1024});
    expect_sparse(volume, "fragments", 999 * 2048 + 1024, pieces);
    EXPECT_GT(volume.node("fragments")->modified_s, int64_t{1} << 32);
}

TEST(Ext2, IndexedDirectoriesAreListedOnce)
{
    for (const char* image : {"ext3-index.img", "ext4-index.img"}) {
        Volume volume(image);
        auto listed = volume.list("index");
        EXPECT_EQ(listed.size(), 2000u);
        EXPECT_TRUE(listed.contains("some file with number 0"));
        EXPECT_TRUE(listed.contains("some file with number 1999"));
        EXPECT_EQ(volume.node("index")->find("some file with number 2000").value(), nullptr);
    }
}

TEST(Ext2, InlineDirectoriesContinueInAnAttribute)
{
    Volume volume("ext4-inline.img");
    using enum fs::NodeType;
    EXPECT_EQ(volume.list("few"),
              (std::map<std::string, fs::NodeType>{{"first", file}, {"continued", file}}));
    EXPECT_EQ(volume.node("few/continued"), volume.node("hello.txt"));
    EXPECT_EQ(volume.node("inlinelink"), volume.node("hello.txt"));
}

TEST(Ext2, AFileHasOneNode)
{
    Volume volume("ext4.img");
    EXPECT_EQ(volume.node("many/file007"), volume.node("/dir/../many/file007"));
    EXPECT_NE(volume.node("many/file007"), volume.node("many/file008"));
}

TEST(Ext2, RefusesWhatANodeIsNot)
{
    Volume volume("ext2-1k.img");
    std::byte byte;
    fs::DirectoryEntry entry;
    uint64_t position = 0;
    Text<fs::max_path> target;
    EXPECT_EQ(volume.node("dir")->read(0, {&byte, 1}).error(), Error::is_directory);
    EXPECT_EQ(volume.node("link", false)->read(0, {&byte, 1}).error(), Error::invalid);
    EXPECT_EQ(volume.node("kexec")->find("x").error(), Error::not_directory);
    EXPECT_EQ(volume.node("kexec")->next_entry(position, entry).error(), Error::not_directory);
    EXPECT_EQ(volume.node("kexec")->read_link(target).error(), Error::invalid);
    EXPECT_EQ(volume.node("dir")->write(0, {&byte, 1}).error(), Error::is_directory);
    EXPECT_EQ(volume.node("dir")->truncate(0).error(), Error::is_directory);
    EXPECT_EQ(volume.node("link", false)->write(0, {&byte, 1}).error(), Error::invalid);
    EXPECT_EQ(volume.node("kexec")->create("x", fs::NodeType::file, 0).error(),
              Error::not_directory);
}

// ---- Volumes that cannot be used

struct Patch {
    size_t offset;  // in the superblock
    uint32_t value;
    unsigned bytes;
    Error error;
    const char* message;
};

void expect_refused(const char* image, const Patch& patch)
{
    Volume volume(image);
    memcpy(volume.disk.data.data() + 1024 + patch.offset, &patch.value, patch.bytes);
    auto result = volume.mount();
    ASSERT_FALSE(result) << patch.message;
    EXPECT_EQ(result.error(), patch.error) << patch.message;
    EXPECT_TRUE(volume.machine.logged(std::string("wd0a: ext2: ") + patch.message))
        << patch.message << " / " << (volume.machine.log.empty() ? "" : volume.machine.log.back());
}

TEST(Ext2, DamagedSuperblocksAreRefused)
{
    using enum Error;
    for (const char* image : {"ext2-fuzz.img", "ext4-fuzz.img"}) {
        for (const Patch& patch : std::initializer_list<Patch>{
                 {0x00, 0, 4, corrupt, "the superblock is damaged: inodes_count is 0"},
                 {0x00, 1, 4, corrupt, "the superblock is damaged: inodes_count is 1"},
                 {0x00, ~0u, 4, corrupt, "the superblock is damaged: inodes_count is 4294967295"},
                 {0x04, 0, 4, corrupt, "the superblock is damaged: blocks_count is 0"},
                 {0x04, 1, 4, corrupt, "the superblock is damaged: blocks_count is 1"},
                 {0x04, 193, 4, corrupt,
                  "193 blocks of 1024 bytes, but the device has 196608 bytes"},
                 {0x04, ~0u, 4, corrupt, "4294967295 blocks of 1024 bytes, but"},
                 {0x14, 2, 4, corrupt, "the superblock is damaged: first_data_block is 2"},
                 {0x14, ~0u, 4, corrupt, "the superblock is damaged: first_data_block is"},
                 {0x18, 7, 4, corrupt, "the superblock is damaged: log_block_size is 7"},
                 {0x18, ~0u, 4, corrupt, "the superblock is damaged: log_block_size is"},
                 {0x18, 1, 4, corrupt, "the superblock is damaged: first_data_block is 1"},
                 {0x20, 0, 4, corrupt, "the superblock is damaged: blocks_per_group is 0"},
                 {0x20, 8193, 4, corrupt, "the superblock is damaged: blocks_per_group is 8193"},
                 {0x28, 0, 4, corrupt, "the superblock is damaged: inodes_per_group is 0"},
                 {0x28, 8193, 4, corrupt, "the superblock is damaged: inodes_per_group is 8193"},
                 {0x28, 1, 4, corrupt, "the superblock is damaged: inodes_count is"},
                 {0x4c, 2, 4, unsupported, "revision 2"},
                 {0x58, 0, 2, corrupt, "the superblock is damaged: inode_size is 0"},
                 {0x58, 64, 2, corrupt, "the superblock is damaged: inode_size is 64"},
                 {0x58, 192, 2, corrupt, "the superblock is damaged: inode_size is 192"},
                 {0x58, 2048, 2, corrupt, "the superblock is damaged: inode_size is 2048"},
             })
            expect_refused(image, patch);
    }
    expect_refused("ext4-fuzz.img",
                   {0xfe, 32, 2, corrupt, "the superblock is damaged: desc_size is 32"});
    expect_refused("ext4-fuzz.img",
                   {0xfe, 0, 2, corrupt, "the superblock is damaged: desc_size is 0"});
    expect_refused("ext4-fuzz.img",
                   {0xfe, 96, 2, corrupt, "the superblock is damaged: desc_size is 96"});
    expect_refused("ext4-fuzz.img",
                   {0xfe, 2048, 2, corrupt, "the superblock is damaged: desc_size is"});
    expect_refused("ext4-fuzz.img", {0x150, 1, 4, corrupt, "4294967488 blocks of 1024 bytes, but"});
}

TEST(Ext2, UnknownFeaturesAreNamed)
{
    expect_refused("ext2-fuzz.img", {0x60, 0x40000002, 4, Error::unsupported,
                                     "unknown features: incompat 40000000"});
    expect_refused("ext4-fuzz.img",
                   {0x60, 0x1008 | 0x42, 4, Error::unsupported, "unknown features: incompat 1008"});
}

// What only reading can ignore, or what is not written here.
TEST(Ext2, WhatCannotBeWrittenIsReadOnly)
{
    struct Case {
        const char* image;
        size_t at;  // in the superblock
        uint32_t bits;
        const char* reason;
    };
    for (const Case& c : std::initializer_list<Case>{
             {"ext2-1k.img", 0x64, 0x40000000, "it has features that only reading can ignore"},
             {"ext2-1k.img", 0x64, 0x100, "it has features that only reading can ignore"},
             {"ext2-1k.img", 0x64, 0x10000, "a file lists what is to be freed (orphan_present)"},
             {"ext2-1k.img", 0x60, 0x100, "another machine may have it mounted, too (mmp)"},
             {"ext2-1k.img", 0x60, 0x400,
              "extended attributes have inodes of their own there (ea_inode)"},
             {"ext2-1k.img", 0x60, 0x10000, "there may be encrypted files (encrypt)"},
             {"ext2-1k.img", 0x60, 0x20000,
              "there may be directories without upper and lower case (casefold)"},
             {"ext4-inline.img", 0x60, 0, "there are files within inodes (inline_data)"},
             {"ext4-bigalloc.img", 0x60, 0, "it is allocated in clusters (bigalloc)"},
             {"ext2-1k.img", 0x38, 2 << 16, "it has errors that e2fsck has to mend"},
             {"ext3.img", 0xe4, 1, "its journal is on another device"},
             {"ext3.img", 0xe0, 999999, "its journal is damaged"}}) {
        Volume volume(c.image);
        volume.put(1024 + c.at, c.at == 0xe0 ? c.bits : volume.get(1024 + c.at) | c.bits);
        EXPECT_STREQ(volume.mounted().read_only, c.reason);
        EXPECT_TRUE(volume.machine.logged(std::string(": read-only: ") + c.reason)) << c.reason;
        EXPECT_EQ(volume.read("odd"), expected_content("odd", 5000));
        std::byte byte{};
        EXPECT_EQ(volume.node("kexec")->write(0, {&byte, 1}).error(), Error::read_only);
        EXPECT_EQ(volume.node("kexec")->truncate(0).error(), Error::read_only);
        EXPECT_EQ(volume.node("/")->create("x", fs::NodeType::file, 0).error(), Error::read_only);
        EXPECT_EQ(volume.node("/")->make_link("x", "y").error(), Error::read_only);
        EXPECT_EQ(volume.node("/")->add_name("x", *volume.node("odd")).error(), Error::read_only);
        EXPECT_EQ(volume.node("/")->remove("odd").error(), Error::read_only);
        EXPECT_EQ(volume.node("/")->rename("odd", *volume.node("/"), "x").error(),
                  Error::read_only);
        EXPECT_TRUE(volume.mounted().sync());
        EXPECT_EQ(volume.disk.writes, 0u) << c.reason;
    }
}

TEST(Ext2, DisksThatCannotBeWritten)
{
    {
        Volume volume("ext4.img");
        volume.disk.read_only = true;
        EXPECT_STREQ(volume.mounted().read_only, "its disk is read-only");
    }
    Volume volume("ext2-1k.img", 2048);
    EXPECT_STREQ(volume.mounted().read_only, "its blocks are smaller than the disk's");
}

TEST(Ext2, OtherThingsAreNotItsBusiness)
{
    Volume volume("ext2-fuzz.img");
    volume.put<uint16_t>(1024 + 0x38, 0xef54);
    EXPECT_EQ(volume.mount().error(), Error::not_found);
    volume.disk = ImageDevice(std::vector<char>(1536));
    EXPECT_EQ(volume.mount().error(), Error::not_found);
    EXPECT_TRUE(volume.machine.log.empty());
}

TEST(Ext2, TruncatedVolumesAreRefused)
{
    Volume volume("ext4.img");
    volume.disk.data.resize(5 << 20);
    volume.disk.blocks = (5 << 20) / 512;
    EXPECT_EQ(volume.mount().error(), Error::corrupt);
    EXPECT_TRUE(volume.machine.logged("but the device has 5242880 bytes"));
}

TEST(Ext2, WildGroupDescriptorsAreRefused)
{
    for (uint32_t block : {0u, 1u, 190u, 192u, 500u, ~0u}) {
        Volume volume("ext2-fuzz.img");
        volume.put(2048 + 8, block);
        EXPECT_EQ(volume.mount().error(), Error::corrupt) << block;
    }
    Volume volume("ext4-fuzz.img");
    volume.put(2048 + 0x28, 1);  // inode_table_hi
    EXPECT_EQ(volume.mount().error(), Error::corrupt);
    EXPECT_TRUE(volume.machine.logged("wd0a: ext4: group 0: the inodes are in block 42949"));
}

// ---- Damage in files and directories. Each says what is wrong, and nothing else stops working.

template <class T>
void expect_damage(const char* image, const char* path, size_t in_inode, T value,
                   const char* message, Error error = Error::corrupt)
{
    uint64_t id = id_of(image, path);
    Volume volume(image);
    volume.put(volume.inode_at(id) + in_inode, value);
    auto found = fs::look_up(volume.mounted(), path, false);
    std::vector<std::byte> bytes(200);
    Text<fs::max_path> target;
    if (!found) {
        EXPECT_EQ(found.error(), error) << message;
    } else if (found.value()->type == fs::NodeType::directory) {
        EXPECT_EQ(found.value()->find("x").error(), error) << message;
    } else if (found.value()->type == fs::NodeType::symlink) {
        EXPECT_EQ(found.value()->read_link(target).error(), error) << message;
    } else {
        bytes.resize(std::min<uint64_t>(found.value()->size, 100'000));
        EXPECT_EQ(found.value()->read(0, bytes).error(), error) << message;
    }
    std::string expected = "inode " + std::to_string(id) + ": " + message;
    EXPECT_TRUE(!*message || volume.machine.logged(expected))
        << expected << " / " << (volume.machine.log.empty() ? "" : volume.machine.log.back());
    EXPECT_EQ(volume.node("/")->id, 2u);
}

TEST(Ext2, WildBlockNumbersAreRefused)
{
    constexpr size_t pointers = 40;
    for (uint32_t block : {1u, 192u, 1000u, ~0u}) {
        expect_damage("ext2-fuzz.img", "file", pointers, block, "block 0 lies at");
        expect_damage("ext2-fuzz.img", "file", pointers + 11 * 4, block, "block 11 lies at");
        expect_damage("ext2-fuzz.img", "file", pointers + 12 * 4, block, "indirect block");
        expect_damage("ext2-fuzz.img", "dir", pointers, block, "block 0 lies at");
        expect_damage("ext2-fuzz.img", "longlink", pointers, block, "block 0 lies at");
    }
    Volume volume("ext2-fuzz.img");
    uint64_t far = volume.node("far")->id;
    std::byte bytes[1024];
    for (auto [index, offset] : {std::pair(13, 400'000), {14, 68'000'000}}) {
        size_t second = volume.get(volume.pointer_at(far, index)) * size_t{1024};
        auto damaged = volume.disk.data;
        for (size_t i = 0; i < 1024; i += 4) volume.put(second + i, 0xfffffff0u);
        EXPECT_EQ(fs::ext2.mount(*BlockCache::make_for(volume.disk).value())
                      .value()
                      ->root()
                      .find("far")
                      .value()
                      ->read(offset, bytes)
                      .error(),
                  Error::corrupt);
        volume.disk.data = damaged;
    }
    EXPECT_TRUE(volume.machine.logged("indirect block 4294967280 of 192"));
}

TEST(Ext2, DamagedInodesAreRefused)
{
    for (const char* image : {"ext2-fuzz.img", "ext4-fuzz.img"}) {
        expect_damage<uint16_t>(image, "file", 0, 0, "a name leads to it, but it is not in use");
        expect_damage<uint32_t>(image, "file", 0x6c, ~0u, "a size of 18446744069414614320 bytes");
        expect_damage<uint32_t>(image, "file", 0x20, 0x800, "", Error::unsupported);  // encrypted
        expect_damage<uint32_t>(image, "longlink", 4, 4096, "", Error::too_large);
    }
    expect_damage<uint32_t>("ext2-fuzz.img", "dir", 4, 1000, "a directory of 1000 bytes");
    expect_damage<uint32_t>("ext2-fuzz.img", "dir", 4, 193 * 1024, "a directory of 197632 bytes");
    expect_damage<uint32_t>("ext2-fuzz.img", "dir", 4, 2048, "the directory has no block 1");
    expect_damage<uint32_t>("ext4-fuzz.img", "dir", 4, 59, "an inline directory of 59 bytes");
    expect_damage<uint32_t>("ext4-fuzz.img", "dir", 4, 1024, "inline data of 1024 bytes");
}

TEST(Ext2, ARootThatIsAFileIsRefused)
{
    Volume volume("ext2-fuzz.img");
    volume.put<uint16_t>(volume.inode_at(2), 0x81a4);
    EXPECT_EQ(volume.mount().error(), Error::corrupt);
    EXPECT_TRUE(volume.machine.logged("the root is not a directory"));
}

TEST(Ext2, DamagedInlineDataIsRefused)
{
    const char* image = "ext4-fuzz.img";
    const char* path = "dir/sub/medium";  // 120 bytes, 60 of them behind the inode
    expect_damage<uint16_t>(image, path, 0x80, 0xfff0,
                            "inline data of 120 bytes, but no attributes");
    expect_damage<uint16_t>(image, path, 0x80, 24, "inline data of 120 bytes, but no attributes");
    constexpr size_t extra =
        0x80 + 32;  // where the attributes begin: behind what extra_isize counts
    expect_damage<uint32_t>(image, path, extra, 0, "inline data of 120 bytes, but no attributes");
    expect_damage<uint32_t>(image, path, extra + 4, 0x00340701,
                            "inline data of 120 bytes does not");
    expect_damage<uint16_t>(image, path, extra + 4, 0x0104, "inline data of 120 bytes does not");
    expect_damage<uint16_t>(image, path, extra + 6, 250, "inline data of 60 bytes at 250");
    expect_damage<uint16_t>(image, path, extra + 6, 65535, "inline data of 60 bytes at 65535");
    expect_damage<uint32_t>(image, path, extra + 8, 12, "inline data of 60 bytes at");
    expect_damage<uint32_t>(image, path, extra + 12, 59, "inline data of 59 bytes at");
    expect_damage<uint32_t>(image, path, extra + 12, ~0u, "inline data of 4294967295 bytes at");
}

TEST(Ext2, DamagedExtentsAreRefused)
{
    const char* image = "ext4-fuzz.img";
    constexpr size_t header = 40, entry = 52;
    for (const char* path : {"file", "fragments"}) {
        expect_damage<uint16_t>(image, path, header, 0xf30b,
                                "block 0 holds no extents: magic f30b");
        expect_damage<uint16_t>(image, path, header + 2, 5, "block 0 holds no extents");
        expect_damage<uint16_t>(image, path, header + 4, 5, "block 0 holds no extents");
        expect_damage<uint16_t>(image, path, header + 6, 6, "extents 6 deep");
    }
    expect_damage<uint16_t>(image, "file", header + 6, 1, "");  // data taken for a node
    expect_damage<uint16_t>(image, "file", entry + 4, 0, "an extent of 0 blocks at 0");
    expect_damage<uint16_t>(image, "file", entry + 4, 500, "an extent of 500 blocks at 0");
    expect_damage<uint16_t>(image, "file", entry + 6, 1,
                            "an extent of 30 blocks at 0, in block 42949");
    expect_damage<uint32_t>(image, "file", entry + 8, 0, "an extent of 30 blocks at 0, in block 0");
    expect_damage<uint32_t>(image, "file", entry + 8, 170,
                            "an extent of 30 blocks at 0, in block 170");
    expect_damage<uint32_t>(image, "file", entry + 8, ~0u,
                            "an extent of 30 blocks at 0, in block 4294");
    expect_damage<uint16_t>(image, "fragments", header + 2, 0, "the extents in block 0 are 1 deep");
    expect_damage<uint16_t>(image, "fragments", header + 6, 2, "the extents in block");
    expect_damage<uint16_t>(image, "fragments", header + 6, 0, "");
    expect_damage<uint32_t>(image, "fragments", entry + 4, 0, "extents in block 0 of 192");
    expect_damage<uint32_t>(image, "fragments", entry + 4, 192, "extents in block 192 of 192");
    expect_damage<uint32_t>(image, "fragments", entry + 4, 1u, "extents in block 1 of 192");
    expect_damage<uint16_t>(image, "fragments", entry + 8, 1, "extents in block 42949");
}

TEST(Ext2, DisorderAmongExtentsIsRefused)
{
    for (auto [slot, first] : {std::pair(9, 900u), {9, 0u}, {12, 1u}, {17, 0u}, {1, 0u}, {0, 3u}}) {
        Volume volume("ext4-fuzz.img");
        size_t leaf = volume.get(volume.pointer_at(volume.node("fragments")->id, 4)) * size_t{1024};
        ASSERT_EQ(volume.get(leaf) & 0xffff, 0xf30au);
        volume.put(leaf + 12 * (slot + 1), first);
        auto& file = *fs::ext2.mount(*BlockCache::make_for(volume.disk).value())
                          .value()
                          ->root()
                          .find("fragments")
                          .value();
        bool refused = false;
        std::byte byte;
        for (uint64_t offset = 0; offset < file.size; offset += 1024)
            refused |= file.read(offset, {&byte, 1}).error() == Error::corrupt;
        EXPECT_TRUE(refused) << slot;
    }
}

TEST(Ext2, DamagedDirectoriesAreRefused)
{
    struct Case {
        size_t at;  // in the first entry, "."
        uint32_t value;
        unsigned bytes;
        const char* message;
    };
    for (const char* image : {"ext2-fuzz.img", "ext4-fuzz.img"}) {
        for (Case c :
             std::initializer_list<Case>{{4, 0, 2, "the entry at 0 has 0 bytes"},
                                         {4, 8, 2, "the entry at 0 has 8 bytes"},
                                         {4, 14, 2, "the entry at 0 has 14 bytes"},
                                         {4, 1028, 2, "the entry at 0 has 1028 bytes"},
                                         {4, 65535, 2, "the entry at 0 has 65535 bytes"},
                                         {4, 1016, 2, "no entry fits at 1016"},
                                         {6, 5, 1, "the entry at 0 has 12 bytes, its name 5"},
                                         {6, 0, 1, "the entry at 0 has an impossible name"},
                                         {8, '/', 1, "the entry at 0 has an impossible name"},
                                         {8, 0, 1, "the entry at 0 has an impossible name"}}) {
            Volume volume(image);
            bool extents = volume.get(volume.inode_at(2) + 0x20) & 0x80000;
            size_t block = volume.get(volume.pointer_at(2, extents ? 5 : 0)) * size_t{1024};
            ASSERT_EQ(volume.get(block), 2u);
            std::byte sector[512];  // by the disk: the cache may have read ahead
            memcpy(sector, volume.disk.data.data() + block, sizeof sector);
            memcpy(sector + c.at, &c.value, c.bytes);
            ASSERT_TRUE(volume.disk.write(block / 512, 1, sector));
            auto& root = volume.mounted().root();
            fs::DirectoryEntry entry;
            uint64_t position = 0;
            Result<bool> more = true;
            while ((more = root.next_entry(position, entry)) && more.value()) {}
            EXPECT_EQ(more.error(), Error::corrupt) << c.message;
            EXPECT_TRUE(volume.machine.logged(std::string("inode 2: ") + c.message)) << c.message;
            // A letter of another's name hides nobody.
            auto expected = c.at == 8 ? Error{} : Error::corrupt;
            EXPECT_EQ(root.find("file").error(), expected) << c.message;
        }
    }
}

TEST(Ext2, NamesOfInodesThatDoNotExistAreRefused)
{
    Volume volume("ext2-fuzz.img");
    size_t block = volume.get(volume.pointer_at(2, 0)) * size_t{1024};
    volume.put(block + 24, 33u);  // lost+found, behind "." and ".."
    EXPECT_EQ(volume.mounted().root().find("lost+found").error(), Error::corrupt);
    EXPECT_TRUE(volume.machine.logged("wd0a: ext2: there is no inode 33"));
    EXPECT_EQ(volume.read("file"), expected_content("file", 30'000));
}

// ---- Devices and memory that fail

TEST(Ext2, AnyBadSectorIsSurvived)
{
    for (const char* image : {"ext2-fuzz.img", "ext4-fuzz.img"}) {
        for (uint64_t sector = 0; sector < 192 * 2; ++sector) {
            Volume volume(image);
            volume.disk.bad_blocks = {sector};
            auto mounted = fs::ext2.mount(*BlockCache::make_for(volume.disk).value());
            if (!mounted) {
                EXPECT_EQ(mounted.error(), Error::device) << sector;
                EXPECT_LT(sector, 60u);
                continue;
            }
            walk(*mounted.value(), 100);
        }
    }
}

TEST(Ext2, ErrorsOfTheDeviceArePassedOn)
{
    Volume volume("ext4.img");
    fs::Node* file = volume.node("medium");
    for (uint64_t sector = 1000; sector < volume.disk.blocks; ++sector)
        volume.disk.bad_blocks.insert(sector);
    std::vector<std::byte> bytes(300'000);
    EXPECT_EQ(file->read(0, bytes).error(), Error::device);
    volume.disk.bad_blocks.clear();
    EXPECT_EQ(volume.read("medium"), expected_content("medium", 300'000));
}

TEST(Ext2, RunsOutOfMemoryAtEachStep)
{
    int failures = 0, missed = 0;
    for (bool enough = false; !enough; ++failures) {
        Volume volume("ext4-fuzz.img");
        auto boot = [&]() -> Result<void> {
            auto file_system = TRY(volume.mount());
            auto node = TRY(fs::look_up(*file_system, "link"));
            std::byte bytes[50];
            return TRY(node->read(0, bytes)) == 50 ? Result<void>{} : Error::corrupt;
        };
        FakeHeap::fail_after = failures;
        auto result = boot();
        enough = FakeHeap::fail_after >= 0;
        // The cache does with fewer lines than it asks for.
        EXPECT_TRUE(result || (!enough && result.error() == Error::no_memory)) << failures;
        missed += !result;
    }
    EXPECT_GE(missed, 8) << "the volume: 2, the walk: 2, nodes: the root, link, dir, small";
}

}  // namespace
