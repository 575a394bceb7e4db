// SPDX-License-Identifier: BSD-2-Clause
// Writing to FAT and exFAT: at random beside a model, to the end of the space, with a disk that
// fails, and with the power cut at any moment. Other people's checkers say whether it is right.
#include <gmock/gmock.h>
#include "fakes/clock.h"
#include "fat_complaints.h"
#include "fs_model.h"
#include "images.h"
#include "lib/bytes.h"
#include "power_steps.h"

namespace {

using fs::NodeType;

struct Image {
    const char* file;
    const char* checker;
    uint32_t block_bytes = 512;
};
constexpr Image images[] = {
    {"empty_exfat", "fsck.exfat -n"},
    {"empty_exfat_4k_clusters", "fsck.exfat -n", 4096},
    {"empty_exfat_32k_clusters", "fsck.exfat -n"},
    {"empty_fat12", "fsck.fat -n"},
    {"empty_fat16", "fsck.fat -n"},
    {"empty_fat32", "fsck.fat -n"},
    {"empty_fat16_4k_clusters", "fsck.fat -n", 4096},
    {"empty_fat12_4k_sectors", "fsck.fat -n", 2048},
    {"empty_fat32_4k_sectors", "fsck.fat -n"},
};

template <class Disk> struct Written : testing::TestWithParam<Image> {
    Written() : disk(load_image(std::string(GetParam().file) + ".img"), GetParam().block_bytes)
    {
        volume = fs::mount(disk).value();
        fs::set_root(volume);
    }
    ~Written() override { fs::close_all(); }
    void check()
    {
        auto checked = run_checker(disk.data, GetParam().checker);
        EXPECT_EQ(checked.status, 0) << checked.output;
    }
    void sync_and_check()
    {
        auto synced = fs::sync();
        ASSERT_TRUE(synced) << error_text(synced.error());
        check();
    }
    void remount()
    {
        fs::set_root(nullptr);
        ASSERT_TRUE(fs::unmount(*volume));
        volume = fs::mount(disk).value();
        fs::set_root(volume);
    }
    static Result<size_t> write(const std::string& path, uint64_t offset, std::string_view text)
    {
        auto found = fs::look_up(path);
        if (found.error() == Error::not_found) {
            auto made = fs::create(path, NodeType::file, 0644);
            if (!made) return made.error();
            return made.value()->write(offset, std::as_bytes(std::span(text)));
        }
        if (!found) return found.error();
        return found.value().node->write(offset, std::as_bytes(std::span(text)));
    }
    static std::string text(const std::string& path)
    {
        auto found = fs::look_up(path);
        EXPECT_TRUE(found) << path;
        return found ? fs_model::read_all(*found.value().node) : "";
    }
    uint64_t free() { return volume->file_system->free_bytes().value(); }
    FakeMachine machine;
    Disk disk;
    fs::Volume* volume;
};

struct ClusterFiles : Written<ImageDevice> {};
INSTANTIATE_TEST_SUITE_P(On, ClusterFiles, testing::ValuesIn(images),
                         [](auto& info) { return info.param.file; });

const std::vector<std::string> some_names = {
    "a", "B.TXT", "lower.txt", "Mixed Case.text", "ünïcode ☺ 😀", std::string(220, 'x') + "y"};

TEST_P(ClusterFiles, AreWhatTheModelHas)
{
    uint64_t before = free();
    fs_model::Options options = {.names = some_names,
                                 .symbolic_links = false,
                                 .hard_links = false,
                                 .may_fill = true,
                                 .compare_every = 20,
                                 .pause_every = 40};
    NoonClock clock(machine);
    options.tick = [&] { clock.pass(2); };  // FAT knows no shorter time,
    options.top_has_time = false;           // and has none of its root
    fs_model::RandomOperations* self = nullptr;
    unsigned pauses = 0;
    options.pause = [&] {
        if (++pauses % 3 == 0) self->close_files();
        ASSERT_TRUE(fs::sync());
        if (pauses % 3) return;
        check();
        uint64_t counted = free();
        remount();
        EXPECT_EQ(free(), counted);
    };
    fs_model::RandomOperations operations(7, options);
    self = &operations;
    operations.run(1000);
    operations.close_files();
    std::vector<std::string> names = fs_model::list(volume->file_system->root());
    std::function<void(const std::string&)> remove = [&](const std::string& path) {
        fs::Node& node = *fs::look_up(path).value().node;
        if (node.type == NodeType::directory) {
            for (auto& name : fs_model::list(node)) remove(path + "/" + name);
        }
        EXPECT_TRUE(fs::remove(path)) << path;
    };
    for (auto& name : names) remove("/" + name);
    sync_and_check();
    EXPECT_LE(free(), before);
    EXPECT_GE(free() + 256 * 1024, before) << "but for a root directory that has grown";
}

TEST_P(ClusterFiles, FillTheDiskAndNothingIsDamaged)
{
    ASSERT_TRUE(write("/kept", 0, std::string(5000, 'k')));
    std::string piece(100'000, 'p');
    uint64_t size = 0;
    Error error{};
    for (;; size = fs::look_up("/big").value().node->size) {
        auto written = write("/big", size, piece);
        error = written.error();
        if (!written) break;
    }
    EXPECT_EQ(error, Error::no_space);
    EXPECT_EQ(free(), 0u);
    EXPECT_EQ(write("/kept", 300'000'000, "x").error(), Error::no_space);
    EXPECT_EQ(fs::look_up("/kept").value().node->truncate(300'000'000).error(), Error::no_space);
    EXPECT_EQ(fs::create("/folder", NodeType::directory, 0755).error(), Error::no_space);
    sync_and_check();
    EXPECT_EQ(text("/kept"), std::string(5000, 'k'));
    EXPECT_EQ(text("/big"), std::string(size, 'p'));
    // What is given back can be had at once, though the medium still needs it.
    ASSERT_TRUE(fs::remove("/big"));
    EXPECT_GE(free(), size);
    EXPECT_EQ(write("/again", 0, piece).value(), piece.size());
    sync_and_check();
    EXPECT_EQ(text("/again"), piece);
}

TEST_P(ClusterFiles, GrowAndShrink)
{
    std::string text1(40'000, 'a');
    ASSERT_TRUE(write("/file", 0, text1));
    fs::Node& node = *fs::look_up("/file").value().node;
    ASSERT_TRUE(fs::sync());
    ASSERT_TRUE(node.truncate(100));
    ASSERT_TRUE(write("/file", 30'000, "end"));
    std::string expected = std::string(100, 'a') + std::string(29'900, 0) + "end";
    EXPECT_EQ(text("/file"), expected);
    sync_and_check();
    remount();
    EXPECT_EQ(text("/file"), expected);
    fs::Node& again = *fs::look_up("/file").value().node;
    ASSERT_TRUE(again.truncate(0));
    ASSERT_TRUE(again.truncate(70'000));
    EXPECT_EQ(text("/file"), std::string(70'000, 0));
    sync_and_check();
    if (volume->file_system->type[0] == 'f') {
        EXPECT_EQ(again.truncate(uint64_t{1} << 32).error(), Error::too_large);
        EXPECT_EQ(again.write(0xffffffff, std::as_bytes(std::span("x", 1))).error(),
                  Error::too_large);
    }
}

TEST_P(ClusterFiles, ManyInADirectory)
{
    ASSERT_TRUE(fs::create("/many", NodeType::directory, 0755));
    for (int i = 0; i < 600; ++i) {
        auto made = fs::create("/many/file with number " + std::to_string(i), NodeType::file, 0644);
        ASSERT_TRUE(made) << i << error_text(made.error());
    }
    sync_and_check();
    for (int i = 0; i < 600; i += 2)
        ASSERT_TRUE(fs::remove("/many/FILE with number " + std::to_string(i)));
    for (int i = 0; i < 300; ++i)
        ASSERT_TRUE(fs::create("/many/n" + std::to_string(i), NodeType::file, 0644));
    sync_and_check();
    remount();
    EXPECT_EQ(fs_model::list(*fs::look_up("/many").value().node).size(), 600u);
    EXPECT_EQ(fs::remove("/many").error(), Error::not_empty);
}

TEST_P(ClusterFiles, TheCaseOfANameCanBeChanged)
{
    ASSERT_TRUE(write("/Some Name", 0, "text"));
    ASSERT_TRUE(fs::rename("/some name", "/SOME name"));
    EXPECT_THAT(fs_model::list(volume->file_system->root()), testing::ElementsAre("SOME name"));
    EXPECT_EQ(text("/some NAME"), "text");
    sync_and_check();
}

TEST_P(ClusterFiles, OddNames)
{
    for (const char* name : {"a:b", "a*", "q?", "\"", "<", "a\\b", "|", "dot.", "space ", "\x01",
                             "\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x98"})
        EXPECT_EQ(fs::create("/" + std::string(name), NodeType::file, 0).error(), Error::invalid)
            << name;
    EXPECT_EQ(fs::create("/" + std::string(256, 'n'), NodeType::file, 0).error(), Error::too_large);
    for (const char* name : {".hidden", "..x", "a.b.c", "+,;=[]", "%$#@!(){}^~`'-_&", "CON", "a b",
                             "~1", "verylongname.extension", "x.y.z~1"})
        EXPECT_TRUE(fs::create("/" + std::string(name), NodeType::file, 0644)) << name;
    EXPECT_TRUE(fs::create("/" + std::string(255, 'n'), NodeType::file, 0644));
    EXPECT_EQ(fs::make_link("/link", "x").error(), Error::unsupported);
    EXPECT_EQ(fs::add_name("/CON", "/CON2").error(), Error::unsupported);
    sync_and_check();
}

TEST_P(ClusterFiles, CostNoMoreInTheMiddleOfALargeFile)
{
    // Two files in turns: both are in many pieces.
    std::string piece(volume->file_system->bytes / 8 / 60, 'x');
    for (int i = 0; i < 60; ++i) {
        ASSERT_TRUE(write("/one", size_t(i) * piece.size(), piece));
        ASSERT_TRUE(write("/two", size_t(i) * piece.size(), piece));
    }
    ASSERT_TRUE(fs::sync());
    remount();
    fs::Node& node = *fs::look_up("/one").value().node;
    std::vector<std::byte> byte(1);
    ASSERT_TRUE(node.read(node.size - 1, byte));
    volume->cache->set_limit(0);
    disk.blocks_read = 0;
    size_t reads = 200;
    for (size_t i = 0; i < reads; ++i) ASSERT_TRUE(node.read(i * 7919 * 31 % node.size, byte));
    EXPECT_LE(disk.blocks_read * disk.block_bytes, reads * 2 * 4096) << "the table is not read";
}

TEST_P(ClusterFiles, WriteErrorsReachTheCaller)
{
    ASSERT_TRUE(write("/file", 0, std::string(20'000, 'a')));
    ASSERT_TRUE(fs::sync());
    disk.broken = true;
    (void)write("/file", 10'000, std::string(50'000, 'b'));
    (void)fs::create("/other", NodeType::directory, 0755);
    EXPECT_EQ(fs::sync().error(), Error::device);
    disk.broken = false;
    sync_and_check();
    EXPECT_EQ(text("/file").substr(0, 10'000), std::string(10'000, 'a'));
}

struct LargeDirectories : testing::Test {
    // A sparse volume of this size by another tool.
    static ImageDevice make(size_t mebibytes, const std::string& command)
    {
        std::string file = testing::TempDir() + "vesper-large-" + std::to_string(getpid());
        std::string path = "PATH=$PATH:/usr/sbin:/sbin ";
        std::string size = "truncate -s " + std::to_string(mebibytes) + "M " + file + " && ";
        EXPECT_EQ(system((path + size + path + command + " " + file + " >/dev/null").c_str()), 0);
        std::ifstream in(file, std::ios::binary);
        std::vector<char> bytes(mebibytes << 20);
        in.read(bytes.data(), std::streamsize(bytes.size()));
        unlink(file.c_str());
        return ImageDevice(std::move(bytes));
    }
    // Says how many there was room for.
    static size_t fill(ImageDevice& disk, size_t most, const std::string& name)
    {
        fs::set_root(fs::mount(disk).value());
        EXPECT_TRUE(fs::create("/many", NodeType::directory, 0755));
        fs::Node& many = *fs::look_up("/many").value().node;
        for (size_t i = 0; i < most; ++i) {
            auto made = fs::create("/many/" + name + std::to_string(i), NodeType::file, 0644);
            if (made.error() == Error::no_space) most = i;
            EXPECT_TRUE(made || made.error() == Error::no_space) << error_text(made.error());
        }
        EXPECT_TRUE(fs::sync());
        size_t before = disk.blocks_read;
        for (size_t i = 0; i < most; i += most / 100)
            EXPECT_TRUE(many.find(name + std::to_string(i)).value());
        EXPECT_LT(disk.blocks_read - before, 100 * 2 * 64u) << "each with a look or two";
        EXPECT_EQ(fs_model::list(many).size(), most);
        return most;
    }
    FakeMachine machine;
};

TEST_F(LargeDirectories, HaveAHundredThousandEntriesOnExfat)
{
    FakeHeap::total = 64 << 20;
    ImageDevice disk = make(64, "mkfs.exfat -c 4K");
    EXPECT_EQ(fill(disk, 100'000, "file"), 100'000u);
    auto checked = run_checker(disk.data, "fsck.exfat -n");
    EXPECT_EQ(checked.status, 0) << checked.output;
    EXPECT_NE(checked.output.find("files 100000"), std::string::npos) << checked.output;
}

TEST_F(LargeDirectories, AreFullAfterSixtyFiveThousandSlotsOnFat)
{
    FakeHeap::total = 64 << 20;
    ImageDevice disk = make(40, "mkfs.fat -F 32 -s 1");
    size_t count = fill(disk, 40'000, "a longer name ");
    EXPECT_GT(count, 20'000u);
    EXPECT_LT(count, 65'536u / 3);
    auto checked = run_checker(disk.data, "fsck.fat -n");
    EXPECT_EQ(checked.status, 0) << checked.output;
}

TEST_F(LargeDirectories, MayBeFullUpToTheLastSlot)
{
    FakeHeap::total = 64 << 20;
    ImageDevice disk = make(40, "mkfs.fat -F 32 -s 1");
    EXPECT_EQ(fill(disk, 70'000, "f"), 65'534u);  // beside "." and ".."
    auto checked = run_checker(disk.data, "fsck.fat -n");
    EXPECT_EQ(checked.status, 0) << checked.output;
}

// ---- other people's tools

struct FatFiles : Written<ImageDevice> {};
INSTANTIATE_TEST_SUITE_P(On, FatFiles,
                         testing::Values(images[3], images[4], images[6], images[7],
                                         Image{"fat32", "fsck.fat -n"}),
                         [](auto& info) { return info.param.file; });

TEST_P(FatFiles, MtoolsReadsWhatWasWritten)
{
    ASSERT_TRUE(fs::create("/Folder with a name", NodeType::directory, 0755));
    ASSERT_TRUE(write("/Folder with a name/ä long ☺ name.text", 0, "Hello, mtools\n"));
    ASSERT_TRUE(write("/lower.txt", 3000, "x"));
    for (int i = 1; i < 8; ++i)
        ASSERT_TRUE(write("/many of them " + std::to_string(i), 0, std::to_string(i)));
    ASSERT_TRUE(fs::sync());
    auto mtools = [&](const std::string& command) {
        return run_checker(disk.data, "MTOOLS_SKIP_CHECK=1 TZ=UTC " + command).output;
    };
    std::string names = mtools("mdir -/ -b :: -i");
    for (const char* name :
         {"::/Folder with a name/ä long ☺ name.text\n", "::/lower.txt\n", "::/many of them 7\n"})
        EXPECT_NE(names.find(name), names.npos) << name << names;
    std::string shorts = mtools("mdir :: -i");
    EXPECT_NE(shorts.find("MANYOF~4"), shorts.npos) << shorts;
    EXPECT_NE(shorts.find("lower    txt      3001"), shorts.npos) << shorts;
}

// ---- what no checker looks at

TEST_P(FatFiles, LongNamesEndWithAZeroAndOnes)
{
    ASSERT_TRUE(write("/Ten Units!", 0, "x"));
    ASSERT_TRUE(write("/Thirteen Unit", 0, "x"));
    ASSERT_TRUE(fs::sync());
    auto units = [&](const char* path) {
        const char* entry = &disk.data[fs::look_up(path).value().node->id - 32];
        std::u16string all;
        for (size_t at : {1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30})
            all += char16_t(le16(entry + at));
        return all;
    };
    EXPECT_EQ(units("/Ten Units!"), std::u16string(u"Ten Units!\0\xffff\xffff", 13));
    EXPECT_EQ(units("/Thirteen Unit"), u"Thirteen Unit");
}

// In the boot sector, and in FAT16 and FAT32 also in the second entry of the table.
TEST_P(FatFiles, SayThatTheyAreNotSyncedYet)
{
    std::string_view type = volume->file_system->type;
    auto is_dirty = [&] {
        const char* table = &disk.data[le16(&disk.data[14]) * size_t{le16(&disk.data[11])}];
        bool dirty = disk.data[type == "fat32" ? 0x41 : 0x25] & 1;
        if (type == "fat16") EXPECT_EQ(le16(table + 2), dirty ? 0x7fff : 0xffff);
        if (type == "fat32") EXPECT_EQ(le32(table + 4), dirty ? 0x07ffffffu : 0x0fffffffu);
        return dirty;
    };
    EXPECT_FALSE(is_dirty());
    ASSERT_TRUE(write("/file", 0, "x"));
    EXPECT_TRUE(is_dirty());
    ASSERT_TRUE(fs::sync());
    EXPECT_FALSE(is_dirty());
    // It stays so if it was, until somebody has checked it.
    disk.data[type == "fat32" ? 0x41 : 0x25] |= 1;
    remount();
    ASSERT_TRUE(write("/file", 0, "y"));
    ASSERT_TRUE(fs::sync());
    EXPECT_TRUE(disk.data[type == "fat32" ? 0x41 : 0x25] & 1);
}

struct ExfatFiles : Written<ImageDevice> {};
INSTANTIATE_TEST_SUITE_P(On, ExfatFiles, testing::Values(images[0], images[1], images[2]),
                         [](auto& info) { return info.param.file; });

TEST_P(ExfatFiles, SayThatTheyAreNotSyncedYet)
{
    auto is_dirty = [&] { return (disk.data[106] & 2) != 0; };
    EXPECT_FALSE(is_dirty());
    ASSERT_TRUE(write("/file", 0, "x"));
    EXPECT_TRUE(is_dirty());
    ASSERT_TRUE(fs::sync());
    EXPECT_FALSE(is_dirty());
    // It stays so if it was, until somebody has checked it.
    disk.data[106] |= 2;
    remount();
    ASSERT_TRUE(write("/file", 0, "y"));
    ASSERT_TRUE(fs::sync());
    EXPECT_TRUE(is_dirty());
}

TEST_P(ExfatFiles, SayHowMuchIsUsedOnceThatIsKnown)
{
    uint64_t all = volume->file_system->bytes;
    ASSERT_TRUE(write("/file", 0, std::string(all / 2, 'x')));
    ASSERT_GT(free(), 0u);
    ASSERT_TRUE(write("/file", all / 4, "y"));
    ASSERT_TRUE(fs::sync());
    EXPECT_EQ(disk.data[112], char((all - free()) * 100 / all));
}

TEST_P(ExfatFiles, HaveHashesOfTheirNamesAndWholeSeconds)
{
    auto expect_hash = [&](const char* path, std::u16string_view upper) {
        uint16_t hash = 0;
        for (char16_t unit : upper) {
            for (int byte : {unit & 0xff, unit >> 8})
                hash = static_cast<uint16_t>((hash << 15 | hash >> 1) + byte);
        }
        EXPECT_EQ(le16(&disk.data[fs::look_up(path).value().node->id + 32 + 4]), hash) << path;
    };
    // The last two are the first ones behind a hole of the table.
    ASSERT_TRUE(write("/Mixed ä ß я ａ ⓐ", 0, "x"));
    ASSERT_TRUE(write("/other", 0, "x"));
    ASSERT_TRUE(fs::sync());
    expect_hash("/Mixed ä ß я ａ ⓐ", u"MIXED Ä ß Я Ａ Ⓐ");
    ASSERT_TRUE(fs::rename("/mixed Ä ß Я Ａ Ⓐ", "/new"));
    ASSERT_TRUE(fs::rename("/new", "/other"));
    ASSERT_TRUE(fs::look_up("/other").value().node->set_modified(1'000'000'001));
    sync_and_check();
    expect_hash("/other", u"OTHER");
    remount();
    EXPECT_EQ(fs::look_up("/other").value().node->modified_s, 1'000'000'001);
}

TEST_P(ExfatFiles, AreOnlyReadIfSomethingIsNotAsItShouldBe)
{
    auto why = [&] {
        remount();
        EXPECT_EQ(write("/file", 0, "x").error(), Error::read_only);
        return std::string(volume->file_system->read_only);
    };
    size_t sector = size_t{1} << disk.data[108], cluster = sector << disk.data[109];
    auto place_of = [&](uint32_t number) {
        return le32(&disk.data[88]) * sector + (number - 2) * cluster;
    };
    size_t entry = place_of(le32(&disk.data[96]));
    while (disk.data[entry] != char(0x82)) entry += 32;
    disk.data[place_of(le32(&disk.data[entry + 20])) + 200] ^= 1;
    EXPECT_EQ(why(), "its up-case table is damaged");
    disk.data[entry] = 2;
    EXPECT_EQ(why(), "it has no up-case table");
    if (le32(&disk.data[80]) + 2 * le32(&disk.data[84]) > le32(&disk.data[88])) return;
    disk.data[110] = 2;
    EXPECT_EQ(why(), "it has two allocation tables");
}

TEST_P(ExfatFiles, MayHaveMoreEntriesThanTheirNamesNeed)
{
    ASSERT_TRUE(write("/file", 0, "text"));
    ASSERT_TRUE(fs::sync());
    auto id = size_t(fs::look_up("/file").value().node->id);
    char* set = &disk.data[id];
    uint8_t most = id % 32768 + 256 * 32 <= size_t{512} << disk.data[109] ? 255 : 12;
    set[1] = char(most);
    for (size_t i = 3; i <= most; ++i) memcpy(set + i * 32, set + 64, 32);
    uint16_t sum = 0;
    for (size_t i = 0; i < (most + 1u) * 32; ++i) {
        if (i != 2 && i != 3) sum = uint16_t((sum << 15 | sum >> 1) + uint8_t(set[i]));
    }
    memcpy(set + 2, &sum, 2);
    remount();
    EXPECT_THAT(fs_model::list(volume->file_system->root()), testing::ElementsAre("file"));
    EXPECT_EQ(text("/file"), "text");
}

TEST_P(ExfatFiles, SayUpToWhereTheyHoldData)
{
    ASSERT_TRUE(write("/old", 0, std::string(volume->file_system->bytes - 300'000, 'x')));
    ASSERT_TRUE(fs::sync());
    ASSERT_TRUE(fs::remove("/old"));
    ASSERT_TRUE(fs::sync());
    ASSERT_TRUE(write("/file", 0, "new"));
    ASSERT_TRUE(fs::look_up("/file").value().node->truncate(400'000));
    sync_and_check();
    const char* stream = &disk.data[fs::look_up("/file").value().node->id + 32];
    EXPECT_EQ(le32(stream + 8), 3u);
    EXPECT_EQ(le32(stream + 24), 400'000u);
    remount();
    EXPECT_EQ(text("/file"), "new" + std::string(399'997, 0));
}

struct Fat32Files : Written<ImageDevice> {};
INSTANTIATE_TEST_SUITE_P(On, Fat32Files, testing::Values(Image{"fat32", "fsck.fat -n"}),
                         [](auto& info) { return info.param.file; });

TEST_P(Fat32Files, GoOnWhereFsinfoSays)
{
    constexpr size_t next_free = 512 + 492;
    uint32_t beyond = 66'000;  // what needs more than 16 bits
    memcpy(&disk.data[next_free], &beyond, 4);
    remount();
    ASSERT_TRUE(write("/new", 0, std::string(5000, 'n')));
    sync_and_check();
    const char* entry = &disk.data[fs::look_up("/new").value().node->id];
    uint32_t first = uint32_t{le16(entry + 20)} << 16 | le16(entry + 26);
    EXPECT_GE(first, beyond);
    EXPECT_LE(first, beyond + 8) << "the root may have grown before";
    EXPECT_EQ(le32(&disk.data[next_free]), first + 10);
    remount();
    EXPECT_EQ(text("/new"), std::string(5000, 'n'));
}

// Only cluster 2730 is free, whose entry begins in the last byte of a line.
TEST(Fat12Files, AnEntryInTwoLinesComesToBothTables)
{
    FakeMachine machine;
    ImageDevice disk = ImageDevice::load("fat12_floppy.img");
    size_t bytes = le16(&disk.data[22]) * size_t{512};
    char *first = &disk.data[512], *second = first + bytes;
    for (size_t cluster = 2; cluster < bytes * 2 / 3; ++cluster) {
        uint32_t shift = cluster % 2 * 4, old = le16(first + cluster * 3 / 2);
        uint32_t bad = cluster != 2730 && (old >> shift & 0xfff) == 0 ? 0xff7 : 0;
        for (char* table : {first, second}) store_le16(table + cluster * 3 / 2, old | bad << shift);
    }
    fs::Volume* volume = fs::mount(disk).value();
    fs::Node* node = volume->file_system->root().create("x", NodeType::file, 0644).value();
    ASSERT_TRUE(node->write(0, std::as_bytes(std::span("x"))));
    ASSERT_TRUE(fs::unmount(*volume));
    EXPECT_EQ(le16(first + 4095) & 0xfff, 0xfff);
    EXPECT_EQ(memcmp(first, second, bytes), 0);
}

// ---- the power is cut

struct ClusterCuts : Written<PowerCutDisk> {
    struct State {
        size_t moment, operation;
        std::map<std::string, std::string> files;
    };
    struct Operation {
        size_t moment;
        std::string path, other;
    };
    void begin(const std::string& path, const std::string& other = "")
    {
        operations.push_back({disk.now(), path, other});
    }
    void sync()
    {
        ASSERT_TRUE(fs::sync());
        states.push_back({disk.now(), operations.size(), files});
    }
    void put(const std::string& path, size_t offset, const std::string& data)
    {
        begin(path);
        ASSERT_EQ(write(path, offset, data).value(), data.size());
        std::string& file = files[path];
        file.resize(std::max(file.size(), offset + data.size()));
        file.replace(offset, data.size(), data);
    }
    void step(bool renames)
    {
        std::string path =
            "/d" + std::to_string(random() % 3) + "/some file " + std::to_string(random() % 12);
        bool known = files.contains(path);
        switch (random() % 9) {
        case 0:
            if (!known) return;
            begin(path);
            ASSERT_TRUE(fs::remove(path));
            files.erase(path);
            return;
        case 1: {
            if (!known) return;
            begin(path);
            size_t size = random() % 20'000;
            ASSERT_TRUE(fs::look_up(path).value().node->truncate(size));
            files[path].resize(size);
            return;
        }
        case 2: {
            std::string other =
                "/d" + std::to_string(random() % 3) + "/some file " + std::to_string(random() % 12);
            if (!known || !renames || other == path) return;
            begin(path, other);
            ASSERT_TRUE(fs::rename(path, other));
            files[other] = files[path];
            files.erase(path);
            return;
        }
        case 3: {
            std::string folder =
                "/d" + std::to_string(random() % 3) + "/f" + std::to_string(random() % 3);
            if (!fs::create(folder, NodeType::directory, 0755)) (void)fs::remove(folder);
            return;
        }
        default:
            put(path, known ? random() % (files[path].size() + 1) : 0,
                std::string(random() % 9'000, char('a' + random() % 26)));
        }
    }
    void run(bool renames)
    {
        for (int i = 0; i < 3; ++i)
            ASSERT_TRUE(fs::create("/d" + std::to_string(i), NodeType::directory, 0755));
        sync();
        for (int i = 0; i < 150 && !HasFailure(); ++i) {
            step(renames);
            if (random() % 12 == 0) sync();
        }
        sync();
        check();
    }
    void compare(const PowerCutDisk::Cut& cut)
    {
        const State* state = nullptr;
        for (auto& each : states)
            if (each.moment <= cut.moment) state = &each;
        if (!state) return;
        std::map<std::string, std::vector<const Operation*>> touched;
        for (size_t i = state->operation; i < operations.size(); ++i) {
            const Operation& operation = operations[i];
            if (operation.moment > cut.moment) break;
            touched[operation.path].push_back(&operation);
            touched[operation.other].push_back(&operation);
        }
        ImageDevice left(cut.image, GetParam().block_bytes);
        left.name = Text<16>("left");
        auto mounted = fs::mount(left);
        ASSERT_TRUE(mounted);
        auto has = [&](const std::string& path, const std::string& data) {
            auto found = fs::look_up("left:" + path);
            return found && fs_model::read_all(*found.value().node) == data;
        };
        for (auto& [path, data] : state->files) {
            auto& by = touched[path];
            EXPECT_TRUE(!by.empty() || has(path, data)) << path;
            if (by.size() != 1 || by[0]->path != path || by[0]->other.empty()) continue;
            auto& other = by[0]->other;  // it was renamed
            if (touched[other].size() != 1) continue;
            EXPECT_TRUE(has(path, data) || has(other, data)) << path << " to " << other;
        }
        ASSERT_TRUE(fs::unmount(*mounted.value()));
    }
    std::string complaints(const PowerCutDisk::Cut& cut, bool renames)
    {
        return fat_complaints(run_checker(cut.image, GetParam().checker), renames);
    }
    void cut_everywhere(bool renames, size_t usual)
    {
        if (!renames) volume->file_system->nodes.set_limit(8);
        run(renames);
        disk.each_cut(cuts(usual), 1, [&](const PowerCutDisk::Cut& cut) {
            ASSERT_EQ(complaints(cut, renames), "");
            compare(cut);
        });
    }
    std::mt19937 random{1};
    std::vector<State> states;
    std::vector<Operation> operations;
    std::map<std::string, std::string> files;
};

constexpr Image images_to_cut[] = {
    {"empty_exfat", "fsck.exfat -n"},
    {"empty_exfat_4k_clusters", "fsck.exfat -n", 4096},
    {"empty_fat12", "fsck.fat -n"},
    {"empty_fat32", "fsck.fat -n"},
    {"empty_fat12_4k_sectors", "fsck.fat -n", 4096},
};
INSTANTIATE_TEST_SUITE_P(On, ClusterCuts, testing::ValuesIn(images_to_cut),
                         [](auto& info) { return info.param.file; });

TEST_P(ClusterCuts, LoseOnlySpace) { cut_everywhere(false, 20); }
TEST_P(ClusterCuts, LoseNothingThatIsRenamed) { cut_everywhere(true, 20); }
TEST_P(ClusterCuts, StepsWaitForWhatTheyNeed)
{
    PowerSteps steps(disk);
    bool has_parent_links = std::string(GetParam().checker).starts_with("fsck.fat");
    steps.run(!has_parent_links);  // the second name of a folder that is moved has a wrong ".."
    fs::set_root(nullptr);
    ASSERT_TRUE(fs::unmount(*volume));
    auto check = [&](const PowerCutDisk::Cut& cut) {
        ASSERT_EQ(complaints(cut, true), "");
        ImageDevice left(cut.image, GetParam().block_bytes);
        left.name = Text<16>("left");
        fs::Volume* again = fs::mount(left).value();
        steps.compare(cut.moment, "left:");
        ASSERT_TRUE(fs::unmount(*again));
    };
    for (unsigned seed = 1; seed <= 2; ++seed) disk.each_flush(seed, check, steps.from);
}

// Each of their sets fills a chunk of the folder, and the first of them waits for another chunk.
TEST_P(ClusterCuts, LoseNothingThatIsMovedBehindManyNewNames)
{
    auto name = [](unsigned number) {
        return "/d0/" + std::string(150, 'n') + std::to_string(1000 + number);
    };
    auto make = [](const std::string& path) {
        return bool(fs::create(path, NodeType::file, 0644));
    };
    constexpr unsigned old = 580, together = 650;
    ASSERT_TRUE(fs::create("/d0", NodeType::directory, 0755));
    ASSERT_TRUE(make("/moves"));
    for (unsigned i = 0; i < old; ++i) ASSERT_TRUE(make(name(i))) << i;
    ASSERT_TRUE(fs::sync());
    size_t from = disk.now();
    ASSERT_TRUE(fs::remove(name(5)));
    ASSERT_TRUE(make(name(old)));  // takes its place
    ASSERT_TRUE(make(name(5)));
    for (unsigned i = old + 1; i < together; ++i) ASSERT_TRUE(make(name(i)));
    ASSERT_TRUE(fs::rename("/moves", name(together)));
    fs::set_root(nullptr);
    ASSERT_TRUE(fs::unmount(*volume));
    auto check = [&](const PowerCutDisk::Cut& cut) {
        ImageDevice left(cut.image, GetParam().block_bytes);
        left.name = Text<16>("left");
        fs::Volume* again = fs::mount(left).value();
        EXPECT_TRUE(fs::look_up("left:/moves") || fs::look_up("left:" + name(together)));
        ASSERT_TRUE(fs::unmount(*again));
    };
    for (unsigned seed = 1; seed <= 4; ++seed) disk.each_flush(seed, check, from);
}

}  // namespace
