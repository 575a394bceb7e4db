// SPDX-License-Identifier: BSD-2-Clause
#include <gmock/gmock.h>
#include <random>
#include <sstream>
#include "fuzz/walk.h"
#include "images.h"
#include "lib/bytes.h"

namespace fs {
extern const FileSystemDriver fat;
}

namespace {
using testing::UnorderedElementsAre;

struct Mounted {
    explicit Mounted(ImageDevice device) : disk(std::move(device)) { mount(); }
    explicit Mounted(const std::string& file, uint32_t block_bytes = 512)
        : Mounted(ImageDevice::load(file + ".img", block_bytes))
    {
        EXPECT_NE(system, nullptr) << file;
    }
    Error mount()
    {
        auto mounted = fs::fat.mount(*BlockCache::make_for(disk).value());
        system = mounted ? mounted.value() : nullptr;
        return mounted.error();
    }
    Result<fs::Node*> look_up(std::string_view path) { return fs::look_up(*system, path); }
    fs::Node& node(std::string_view path)
    {
        auto found = look_up(path);
        if (!found) throw std::runtime_error("no " + std::string(path));
        return *found.value();
    }
    std::vector<std::byte> content(std::string_view path)
    {
        fs::Node& file = node(path);
        std::vector<std::byte> bytes(file.size + 10);
        auto got = file.read(0, bytes);
        EXPECT_TRUE(got) << path;
        bytes.resize(got.value());
        return bytes;
    }
    Error read_error(std::string_view path)
    {
        fs::Node& file = node(path);
        std::vector<std::byte> bytes(file.size);
        return file.read(0, bytes).error();
    }
    Result<std::vector<std::string>> list(std::string_view path)
    {
        std::vector<std::string> names;
        fs::DirectoryEntry entry;
        uint64_t position = 0;
        while (TRY(node(path).next_entry(position, entry))) names.emplace_back(entry.name.view());
        return names;
    }
    FakeMachine machine;
    ImageDevice disk;
    fs::FileSystem* system = nullptr;
};

std::vector<std::string> lines_of(const std::string& file)
{
    std::ifstream in(std::string(VESPER_IMAGES) + "/" + file);
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    EXPECT_FALSE(lines.empty()) << file;
    return lines;
}

void collect(Mounted& volume, const std::string& folder, std::vector<std::string>& paths)
{
    auto names = volume.list(folder).value();
    for (auto& name : names) {
        paths.push_back(folder + "/" + name);
        if (volume.node(paths.back()).type == fs::NodeType::directory) {
            collect(volume, folder + "/" + name, paths);
        }
    }
}

struct Image {
    const char *name, *type, *label;
    uint32_t block_bytes = 512;
    bool is_tree = true;
};
constexpr Image images[] = {
    {"fat12_floppy", "fat12", ""},
    {"fat12", "fat12", "TWELVE"},
    {"fat16", "fat16", "SIXTEEN"},
    {"fat16", "fat16", "SIXTEEN", 4096},
    {"fat16_2k_clusters", "fat16", "", 2048},
    {"fat32", "fat32", "THIRTY TWO"},
    {"fat12_4k_sectors", "fat12", ""},
    {"fat12_8k_clusters", "fat12", "", 1024},
    {"fat_fragmented", "fat12", "", 512, false},
    {"fat_names", "fat12", "NAMES", 512, false},
};
class Images : public testing::TestWithParam<Image> {};
INSTANTIATE_TEST_SUITE_P(Fat, Images, testing::ValuesIn(images));

TEST_P(Images, HasTypeLabelAndRoom)
{
    Mounted volume(GetParam().name, GetParam().block_bytes);
    EXPECT_STREQ(volume.system->type, GetParam().type);
    EXPECT_EQ(volume.system->label.view(), GetParam().label);
    auto free = std::stoull(lines_of(std::string(GetParam().name) + ".free").at(0));
    EXPECT_EQ(volume.system->free_bytes().value(), free);
    EXPECT_GT(volume.system->bytes, free);
    EXPECT_LT(volume.system->bytes, volume.disk.data.size());
    EXPECT_TRUE(volume.machine.log.empty());
}

TEST_P(Images, ListsWhatMtoolsLists)
{
    Mounted volume(GetParam().name, GetParam().block_bytes);
    std::vector<std::string> paths;
    collect(volume, "", paths);
    std::sort(paths.begin(), paths.end());
    EXPECT_EQ(paths, lines_of(std::string(GetParam().name) + ".list"));
}

TEST_P(Images, HasTheContentOfEveryFile)
{
    Mounted volume(GetParam().name, GetParam().block_bytes);
    EXPECT_EQ(bool(volume.look_up("medium")), GetParam().is_tree);
    for (auto& path : lines_of(std::string(GetParam().name) + ".list")) {
        fs::Node& node = volume.node(path);
        if (node.type == fs::NodeType::directory) continue;
        std::string name = path.substr(path.rfind('/') + 1);
        if (name.starts_with("smile")) name = "smile ☺☻.txt";
        if (path.starts_with("/long/")) name = "n";
        EXPECT_EQ(volume.content(path), expected_content(name, node.size)) << path;
    }
}

TEST_P(Images, ReadsAtAnyOffset)
{
    if (!GetParam().is_tree) return;
    Mounted volume(GetParam().name, GetParam().block_bytes);
    fs::Node& file = volume.node("medium");
    auto expected = expected_content("medium", file.size);
    std::mt19937 random(1);
    for (int i = 0; i < 500; ++i) {
        size_t offset = random() % (file.size + 100), length = 1 + random() % (i % 2 ? 300 : 30000);
        std::vector<std::byte> bytes(length);
        size_t got = file.read(offset, bytes).value();
        ASSERT_EQ(got, offset < file.size ? std::min(length, file.size - offset) : 0);
        ASSERT_EQ(memcmp(bytes.data(), expected.data() + offset, got), 0) << offset;
    }
}

TEST(Fat, ReadsFilesInPieces)
{
    Mounted volume("fat_fragmented");
    for (auto [name, size] : {std::pair{"scattered", 80'000}, {"partly", 60'001}}) {
        auto expected = expected_content(name, size_t(size));
        EXPECT_EQ(volume.content(name), expected);
        fs::Node& file = volume.node(name);
        for (uint64_t offset = file.size; offset >= 777; offset -= 777) {  // backwards
            std::byte bytes[1000];
            size_t got = file.read(offset, bytes).value();
            ASSERT_EQ(memcmp(bytes, expected.data() + offset, got), 0) << offset;
        }
    }
}

TEST(Fat, ReadsWhatLiesTogetherAtOnce)
{
    Mounted volume("fat16");
    fs::Node& file = volume.node("big");
    std::vector<std::byte> bytes(file.size);
    volume.disk.reads = 0;
    ASSERT_EQ(file.read(0, bytes).value(), file.size);
    EXPECT_LT(volume.disk.reads, 10u);  // 12 KiB of the FAT, the data, its unaligned ends
}

TEST(Fat, RemembersWhereTheLastReadEnded)
{
    Mounted volume("fat_fragmented");  // 160 clusters
    fs::Node& file = volume.node("scattered");
    std::byte bytes[100];
    size_t before = volume.disk.reads;
    for (uint64_t offset = 0; offset < file.size; offset += 100) {
        ASSERT_EQ(file.read(offset, bytes).value(), 100u);
    }
    EXPECT_LT(volume.disk.reads - before, 60u);  // each 4 KiB of 160 KB once, and the FAT
}

TEST(Fat, FindsNamesInAnyCaseAndByTheirShortName)
{
    Mounted volume("fat_names");
    for (auto [path, other] : {std::pair{"lower.txt", "LOWER.TXT"},
                               {"UPPER.TXT", "upper.txt"},
                               {"Mixed Case.Txt", "mIXED cASE.tXT"},
                               {"Mixed Case.Txt", "mixedc~1.txt"},
                               {"smile 😀.txt", "SMILE 😀.TXT"},
                               {"smile 😀.txt", "SMILE_~1.TXT"},
                               {"日本語.txt", "日本語.TXT"},
                               {"ä.txt", "ä.TXT"},
                               {"long", "LONG/../Long"}}) {
        EXPECT_EQ(&volume.node(path), &volume.node(other)) << path;
    }
    for (auto path :
         {"Ä.txt", "lower.tx", "lower.txtt", "a name that will be deleted.txt", "x", "no_ext."})
        EXPECT_EQ(volume.look_up(path).error(), Error::not_found) << path;
    EXPECT_EQ(volume.look_up("lower.txt/x").error(), Error::not_directory);
    EXPECT_EQ(
        volume.node("long").find("0999 IS THE NUMBER OF this file with a long name.text").value(),
        &volume.node("long/0999 is the number of this file with a long name.text"));
}

TEST(Fat, KnowsTimesAndPermissions)
{
    Mounted volume("fat_names");
    EXPECT_EQ(volume.node("lower.txt").modified_s, 1078058096);  // 2004-02-29 12:34:56
    EXPECT_EQ(volume.node("lower.txt").mode, 0644);
    EXPECT_EQ(volume.node("UPPER.TXT").mode, 0444);
    EXPECT_EQ(volume.node("long").mode, 0755);
    EXPECT_EQ(volume.node("/").id, 1u);
    std::byte b[1] = {};
    EXPECT_EQ(volume.node("long").read(0, b).error(), Error::is_directory);
    uint64_t position = 0;
    fs::DirectoryEntry entry;
    EXPECT_EQ(volume.node("lower.txt").next_entry(position, entry).error(), Error::not_directory);
    EXPECT_EQ(volume.node("lower.txt").find("x").error(), Error::not_directory);
}

// ---- volumes that are changed by hand

struct Small : Mounted {
    explicit Small(unsigned bits) : Mounted("small_fat" + std::to_string(bits)), bits(bits)
    {
        table = le16(boot() + 14) * 512u;
        copies = static_cast<uint8_t>(boot()[16]);
        sectors = le16(boot() + 22) ? le16(boot() + 22) : le32(boot() + 36);
        root = table + copies * sectors * 512;
        data = root + le16(boot() + 17) * 32u;
        clusters = static_cast<unsigned>(
            ((le16(boot() + 19) ? le16(boot() + 19) : le32(boot() + 32)) - data / 512) /
            static_cast<uint8_t>(boot()[13]));
    }
    char* boot() { return disk.data.data(); }
    template <class T> void put(size_t offset, T value)
    {
        memcpy(boot() + offset, &value, sizeof value);
        mount();  // again, as the old one has read some of it
    }
    void set_fat(unsigned cluster, unsigned value)
    {
        for (size_t copy = 0; copy < copies; ++copy) {
            size_t at = table + copy * sectors * 512 + cluster * bits / 8;
            if (bits == 32) put(at, uint32_t(value));
            if (bits == 16) put(at, uint16_t(value));
            if (bits != 12) continue;
            unsigned old = le16(boot() + at);
            put(at, uint16_t(cluster & 1 ? (old & 0xf) | value << 4 : (old & 0xf000) | value));
        }
    }
    unsigned get_fat(unsigned cluster)
    {
        size_t at = table + cluster * bits / 8;
        if (bits == 32) return le32(boot() + at);
        return bits == 16 ? le16(boot() + at)
                          : (le16(boot() + at) >> (cluster & 1 ? 4 : 0)) & 0xfff;
    }
    size_t entry(std::string_view name)  // the 11 bytes of a short name
    {
        auto at = std::string_view(boot() + root, 65536).find(name);
        EXPECT_NE(at, std::string_view::npos) << name;
        return root + at;
    }
    unsigned first(std::string_view name) { return le16(boot() + entry(name) + 26); }
    unsigned bits;
    size_t table, copies, sectors, root, data;
    unsigned clusters;
};
constexpr unsigned last_of(unsigned bits) { return bits == 32 ? 0x0fffffff : (1u << bits) - 1; }

class Damaged : public testing::TestWithParam<unsigned> {};
INSTANTIATE_TEST_SUITE_P(Fat, Damaged, testing::Values(12u, 16u, 32u));

TEST_P(Damaged, IsFineBefore)
{
    Small volume(GetParam());
    EXPECT_EQ(volume.system->type, "fat" + std::to_string(GetParam()));
    EXPECT_EQ(volume.content("KEXEC"), expected_content("kexec", 3000));
    EXPECT_EQ(volume.content("in pieces"), expected_content("in pieces", 5000));
    EXPECT_EQ(volume.content("directory/sub/deep.txt"), expected_content("deep.txt", 100));
    EXPECT_EQ(volume.list("directory").value().size(), 21u);
}

TEST_P(Damaged, ChainsThatLeadNowhereAreCorrupt)
{
    unsigned last = last_of(GetParam());
    unsigned clusters = Small(GetParam()).clusters;
    for (auto [value, says] : {std::pair{0u, "free"},
                               {1u, "none"},
                               {last - 8, "bad"},
                               {last - 9, "none"},
                               {clusters + 2, "none"},
                               {last, "before its size"}}) {
        Small volume(GetParam());
        volume.set_fat(volume.first("KEXEC   ") + 2, value);
        EXPECT_EQ(volume.read_error("kexec"), Error::corrupt) << value;
        EXPECT_TRUE(volume.machine.logged("wd0a: fat: ")) << value;
        EXPECT_TRUE(volume.machine.logged(says)) << value;
        std::byte bytes[1024];
        EXPECT_EQ(volume.node("kexec").read(0, bytes).value(), 1024u);  // what is before it
    }
}

TEST_P(Damaged, LoopsAreCorrupt)
{
    for (unsigned from : {0u, 1u, 4u, 5u}) {
        for (unsigned to = 0; to <= from; ++to) {
            Small volume(GetParam());
            unsigned first = volume.first("KEXEC   ");
            ASSERT_EQ(volume.get_fat(first + 4), first + 5);
            volume.set_fat(first + from, first + to);
            EXPECT_EQ(volume.read_error("kexec"), Error::corrupt) << from << " to " << to;
            EXPECT_TRUE(volume.machine.logged("loop"));
        }
    }
}

TEST_P(Damaged, AChainMayBeLongerThanTheFile)
{
    Small volume(GetParam());
    volume.put(volume.entry("KEXEC   ") + 28, uint32_t{600});
    EXPECT_EQ(volume.content("kexec"), expected_content("kexec", 600));
    volume.put(volume.entry("KEXEC   ") + 28, uint32_t{0});
}

TEST_P(Damaged, SizesAndFirstClustersAreChecked)
{
    for (uint32_t size : {3585u, 100'000u, 0xffffffffu}) {
        Small volume(GetParam());
        volume.put(volume.entry("KEXEC   ") + 28, size);
        std::byte bytes[600];
        EXPECT_EQ(volume.node("kexec").read(size - 600, bytes).error(), Error::corrupt) << size;
        EXPECT_EQ(volume.node("kexec").read(0, bytes).value(), 600u);
    }
    for (unsigned first : {0u, 1u, 0xffffu}) {
        Small volume(GetParam());
        for (auto name : {"KEXEC   ", "DIRECT"}) {
            volume.put(volume.entry(name) + 26, uint16_t(first));
            if (first > 1) volume.put(volume.entry(name) + 20, uint16_t{0x0fff});
        }
        EXPECT_EQ(volume.read_error("kexec"), Error::corrupt) << first;
        EXPECT_EQ(volume.list("directory").error(), Error::corrupt) << first;
        EXPECT_TRUE(volume.look_up("second"));
    }
}

TEST_P(Damaged, DirectoriesMayPointToThemselves)
{
    Small volume(GetParam());
    unsigned parent = volume.first("DIRECT");
    volume.put(volume.entry("SUB        ") + 26, uint16_t(parent));
    EXPECT_EQ(&volume.node("directory/sub"), &volume.node("directory/sub/sub/sub"));
    walk(*volume.system, 100);
}

TEST_P(Damaged, LoopsOfDirectoriesAreCorrupt)
{
    Small volume(GetParam());
    unsigned first = volume.first("DIRECT");
    unsigned second = volume.get_fat(first);
    ASSERT_LT(second, volume.clusters);
    volume.set_fat(second, first);
    EXPECT_EQ(volume.list("directory").error(), Error::corrupt);
    EXPECT_EQ(volume.look_up("directory/nothing").error(), Error::corrupt);
}

TEST_P(Damaged, DeviceErrorsArePassedOn)
{
    Small volume(GetParam());
    for (uint64_t block = 0; block < 240; ++block) {
        volume.disk.bad_blocks = {block};
        Error error = volume.mount();
        if (volume.system) {
            walk(*volume.system, 100);
        } else {
            EXPECT_EQ(error, Error::device) << block;
        }
    }
    size_t at = volume.data + (volume.first("KEXEC   ") - 2) * 512;
    volume.disk.bad_blocks = {at / 512 + 2};
    // The cache reads 4 KiB around a piece: this may make the root directory unreadable, too.
    if (volume.mount() == Error{} && volume.look_up("kexec")) {
        EXPECT_EQ(volume.read_error("kexec"), Error::device);
    }
}

TEST_P(Damaged, MemoryMayRunOut)
{
    Small volume(GetParam());
    for (int n = 0;; ++n) {
        BlockCache* cache = BlockCache::make_for(volume.disk).value();
        FakeHeap::fail_after = n;
        auto mounted = fs::fat.mount(*cache);
        if (mounted) {
            auto found = fs::look_up(*mounted.value(), "directory/sub/deep.txt");
            bool untouched = FakeHeap::fail_after >= 0;
            FakeHeap::fail_after = -1;
            if (found && untouched) {
                EXPECT_GT(n, 12);  // what the cache takes, and the index of each directory
                break;
            }
            // Without an index it finds it, too.
            EXPECT_TRUE(found || found.error() == Error::no_memory) << n;
            EXPECT_TRUE(fs::look_up(*mounted.value(), "directory/sub/deep.txt"));
        } else {
            EXPECT_EQ(mounted.error(), Error::no_memory) << n;
            ASSERT_LT(n, 12);
        }
    }
}

// ---- FAT32 only

TEST(Fat32, UsesTheActiveFat)
{
    Mounted volume("fat32");
    char* boot = volume.disk.data.data();
    size_t bytes = le32(boot + 36) * 512u, first = le16(boot + 14) * 512u;
    memset(boot + first, 0, bytes);
    boot[40] = char(0x81);
    ASSERT_EQ(volume.mount(), Error{});
    EXPECT_EQ(volume.content("medium"), expected_content("medium", 300'000));
    boot[40] = char(0x82);
    EXPECT_EQ(volume.mount(), Error::corrupt);
    EXPECT_TRUE(volume.machine.logged("FAT 2 of 2"));
}

TEST(Fat32, CountsWhatIsFreeIfFsinfoCannotBeBelieved)
{
    Mounted volume("fat32");
    uint64_t free = volume.system->free_bytes().value();
    char* boot = volume.disk.data.data();
    auto set = [&](size_t at, uint32_t value) { memcpy(boot + at, &value, 4); };
    set(512 + 488, 1000);
    ASSERT_EQ(volume.mount(), Error{});
    EXPECT_EQ(volume.system->free_bytes().value(), 512'000u);  // it is believed
    for (auto [at, value] : {std::pair{512 + 488, ~0u},
                             {512 + 488, 80'000u},
                             {512, 0u},
                             {512 + 484, 0u},
                             {512 + 508, 0u},
                             {48, 0u},
                             {le16(boot + 14) * 512 + 4, 0x07ffffffu}}) {
        uint32_t old = le32(boot + at);
        set(size_t(at), value);
        ASSERT_EQ(volume.mount(), Error{});
        EXPECT_EQ(volume.system->free_bytes().value(), free) << at;
        if (value != ~0u && value != 80'000u)
            set(size_t(at), old);
        else
            set(512 + 488, 1000);
    }
}

TEST(Fat32, RefusesUnknownVersionsAndSillyRoots)
{
    for (auto [at, value, error] : {std::tuple{42, 1u, Error::unsupported},
                                    {44, 0u, Error::corrupt},
                                    {44, 1u, Error::corrupt},
                                    {44, 0x0fffffffu, Error::corrupt}}) {
        Small volume(32);
        volume.put(size_t(at), uint16_t(value));
        if (at == 44) volume.put(44, value);
        EXPECT_EQ(volume.mount(), error) << at << " " << value;
        EXPECT_FALSE(volume.machine.log.empty());
    }
}

TEST(Fat16, ReadsTheSecondFatWhereTheFirstIsUnreadable)
{
    Mounted volume("fat16");
    for (uint64_t block = 8; block < 40; ++block) volume.disk.bad_blocks.insert(block);
    ASSERT_EQ(volume.mount(), Error{});
    EXPECT_EQ(volume.content("big"), expected_content("big", 6'000'000));
}

// ---- names

struct Names : testing::Test {
    Names() : volume(12), at(volume.entry("SECOND  ")) {}
    void name(std::string_view eleven) { memcpy(volume.boot() + at, eleven.data(), 11); }
    bool listed(const std::string& name)
    {
        EXPECT_EQ(volume.mount(), Error{});
        auto names = volume.list("/").value();
        return std::count(names.begin(), names.end(), name) == 1 && volume.look_up(name);
    }
    size_t long_entry()  // the one next to the short entry of "a file with a long name ä.txt"
    {
        return volume.entry("AFILEW~1TXT") - 32;
    }
    static constexpr auto long_name = "a file with a long name ä.txt";
    Small volume;
    size_t at;
};

TEST_F(Names, LowerCaseBits)
{
    for (auto [bits, expected] : {std::pair{0, "AB.C"}, {8, "ab.C"}, {16, "AB.c"}, {24, "ab.c"}}) {
        name("AB      C  ");
        volume.boot()[at + 12] = char(bits);
        EXPECT_TRUE(listed(expected)) << expected;
    }
}

TEST_F(Names, CodePage437)
{
    std::string text = lines_of("cp437.txt").at(0);
    size_t next = 0;
    for (int c = 0x80; c < 0x100; ++c) {
        name(std::string("X") + char(c) + "         ");
        volume.boot()[at + 12] = 0;
        size_t bytes = text[next] & 0x20 ? 3 : 2;
        EXPECT_TRUE(listed("X" + text.substr(next, bytes))) << c;
        next += bytes;
    }
    EXPECT_EQ(next, text.size());
}

TEST_F(Names, OddOnes)
{
    volume.boot()[at + 12] = 0;
    name(
        "\x05"
        "A         ");
    EXPECT_TRUE(listed("σA"));
    name("A/B\x01    X Y");
    EXPECT_TRUE(listed("A_B_.X Y"));
    size_t count = volume.list("/").value().size();
    for (auto hidden : {"           ", ".          ", "..         ", "\xe5SECOND    "}) {
        name(hidden);
        volume.mount();
        EXPECT_EQ(volume.list("/").value().size(), count - 1);
    }
    name("SECOND     ");
    volume.boot()[at] = 0;  // the end
    volume.mount();
    EXPECT_LT(volume.list("/").value().size(), count - 1);
}

TEST_F(Names, LongNamesAreBelievedIfTheyFit)
{
    EXPECT_TRUE(listed(long_name));
    std::vector<char> before = volume.disk.data;
    // Order, type, checksum, and units that no name has: '/', a lone surrogate, 0 at once.
    for (auto [offset, value] : {std::pair{0, 2},
                                 {0, 0x15},
                                 {12, 1},
                                 {13, 0x55},
                                 {1, '/'},
                                 {2, 0xd8},
                                 {2, 0xdc},
                                 {1, 0},
                                 {1, 31}}) {
        volume.disk.data = before;
        volume.boot()[long_entry() + size_t(offset)] = char(value);
        EXPECT_TRUE(listed("AFILEW~1.TXT")) << offset << " " << value;
        EXPECT_FALSE(listed(long_name));
    }
    volume.disk.data = before;
    volume.boot()[long_entry() - 32] = char(0xe5);  // an orphan
    EXPECT_TRUE(listed("AFILEW~1.TXT"));
    volume.disk.data = before;
    volume.boot()[volume.entry("AFILEW~1TXT")] = 'B';  // renamed by an old system
    EXPECT_TRUE(listed("BFILEW~1.TXT"));
}

TEST_F(Names, TheLabelIsInTheRootDirectory)
{
    EXPECT_EQ(volume.system->label.view(), "SMALL");
    size_t label = volume.entry("SMALL      ");
    memcpy(volume.boot() + label, "OTHER \x84    ", 11);
    volume.mount();
    EXPECT_EQ(volume.system->label.view(), "OTHER ä");
    volume.boot()[label] = char(0xe5);
    volume.mount();
    EXPECT_EQ(volume.system->label.view(), "");
}

// ---- what is FAT, and which

// An empty volume: 1 reserved sector, 1 FAT, and 16 entries in the root of FAT12 and FAT16.
ImageDevice make_empty(unsigned clusters, bool fat32)
{
    unsigned fat_sectors = (clusters + 2) * 4 / 512 + 1;
    unsigned sectors = 1 + fat_sectors + !fat32 + clusters;
    ImageDevice disk(std::vector<char>(size_t(sectors) * 512));
    char* boot = disk.data.data();
    auto put = [boot](size_t at, uint32_t value, size_t bytes) {
        memcpy(boot + at, &value, bytes);
    };
    put(0, 0x903ceb, 3);
    put(11, 512, 2);
    put(13, 1, 1);
    put(14, 1, 2);
    put(16, 1, 1);
    put(17, fat32 ? 0 : 16, 2);
    put(sectors < 65536 && !fat32 ? 19 : 32, sectors, sectors < 65536 && !fat32 ? 2 : 4);
    put(21, 0xf8, 1);
    put(fat32 ? 36 : 22, fat_sectors, fat32 ? 4 : 2);
    if (fat32) put(44, 2, 4);
    put(510, 0xaa55, 2);
    put(512, !fat32 && clusters < 4085 ? 0xfffff8 : 0xfffffff8, 4);
    if (fat32) put(512 + 8, 0x0fffffff, 4);
    return disk;
}

TEST(FatType, IsChosenByTheCountOfClusters)
{
    for (auto [clusters, fat32, type] : {std::tuple{1u, false, "fat12"},
                                         {4084u, false, "fat12"},
                                         {4085u, false, "fat16"},
                                         {65524u, false, "fat16"},
                                         {65525u, true, "fat32"},
                                         {100u, true, "fat32"}}) {
        Mounted volume(make_empty(clusters, fat32));
        ASSERT_TRUE(volume.system) << clusters;
        EXPECT_STREQ(volume.system->type, type) << clusters;
        EXPECT_EQ(volume.system->bytes, clusters * 512u);
        EXPECT_EQ(volume.system->free_bytes().value(), (clusters - fat32) * 512u);
        EXPECT_TRUE(volume.list("/").value().empty());
    }
    Mounted volume(make_empty(65525, false));
    EXPECT_EQ(volume.mount(), Error::corrupt);
    EXPECT_TRUE(volume.machine.logged("65525 clusters"));
}

TEST(FatType, MayHaveAFatThatIsTooSmall)
{
    ImageDevice disk = make_empty(1000, false);
    disk.data[22] = 1;  // 341 entries
    Mounted volume(std::move(disk));
    ASSERT_TRUE(volume.system);
    EXPECT_EQ(volume.system->bytes, 339 * 512u);
    EXPECT_TRUE(volume.system->free_bytes());
}

TEST(NotFat, BootSectorsWithSillyFields)
{
    struct {
        size_t at, bytes;
        uint32_t value;
    } changes[] = {{0, 1, 0x33}, {11, 2, 0}, {11, 2, 256},  {11, 2, 513}, {11, 2, 8192},
                   {13, 1, 0},   {13, 1, 3}, {14, 2, 0},    {16, 1, 0},   {17, 2, 0},
                   {19, 2, 0},   {21, 1, 0}, {21, 1, 0xf1}, {22, 2, 0}};
    for (auto& change : changes) {
        ImageDevice disk = make_empty(100, false);
        memcpy(disk.data.data() + change.at, &change.value, change.bytes);
        Mounted volume(std::move(disk));
        EXPECT_EQ(volume.mount(), Error::not_found) << change.at << " " << change.value;
        EXPECT_TRUE(volume.machine.log.empty());
    }
}

TEST(NotFat, SizesBeyondTheDeviceAreCorrupt)
{
    struct {
        size_t at, bytes;
        uint32_t value;
    } changes[] = {{19, 2, 104},    {19, 2, 0xffff}, {22, 2, 200},  {22, 2, 0xffff}, {14, 2, 103},
                   {14, 2, 0xffff}, {17, 2, 0xffff}, {16, 1, 0xff}, {11, 2, 4096},   {13, 1, 128}};
    for (auto& change : changes) {
        ImageDevice disk = make_empty(100, false);
        memcpy(disk.data.data() + change.at, &change.value, change.bytes);
        Mounted volume(std::move(disk));
        EXPECT_EQ(volume.mount(), Error::corrupt) << change.at << " " << change.value;
        EXPECT_TRUE(volume.machine.logged("wd0a: fat: ")) << change.at;
    }
}

TEST(NotFat, OldFloppiesMayLackTheSignature)
{
    Mounted volume("fat12_floppy");
    memset(volume.disk.data.data() + 510, 0, 2);
    EXPECT_EQ(volume.mount(), Error{});
    volume.disk.data[513] = 0;  // but then the FAT must begin as it should
    EXPECT_EQ(volume.mount(), Error::not_found);
}

// The first sector of other things. Returns what mounting says, and checks that it is said
// silently.
Error mount_sector(std::string_view head, std::vector<std::pair<size_t, std::string>> pieces = {})
{
    std::vector<char> bytes(100'000);
    memcpy(bytes.data(), head.data(), head.size());
    for (auto& [at, text] : pieces) memcpy(bytes.data() + at, text.data(), text.size());
    bytes[510] = 0x55, bytes[511] = char(0xaa);
    Mounted volume{ImageDevice(std::move(bytes))};
    Error error = volume.mount();
    EXPECT_TRUE(volume.machine.log.empty());
    return error;
}

TEST(NotFat, OtherThings)
{
    using namespace std::string_literals;
    EXPECT_EQ(mount_sector(""), Error::not_found);
    // An MBR with GRUB, which leaves the parameter block empty; and one that begins with code.
    EXPECT_EQ(mount_sector("\xeb\x63\x90", {{446, "\x80\0\1\0\x0c\xfe\xff\xff\0\x08\0\0"s}}),
              Error::not_found);
    EXPECT_EQ(mount_sector("\x33\xc0\x8e\xd0\xbc\0\x7c\xfb"s), Error::not_found);
    // NTFS: no reserved sectors, no FATs.  exFAT: all zeros where the parameter block would be.
    EXPECT_EQ(mount_sector("\xeb\x52\x90NTFS    \0\2\x08\0\0\0\0\0\0\0\xf8\0\0\x3f\0\xff\0"s),
              Error::not_found);
    EXPECT_EQ(mount_sector("\xeb\x76\x90"
                           "EXFAT   "s),
              Error::not_found);
    // ext2 with extlinux, FFS with BSD's boot1: a parameter block with sectors of 512 bytes and no
    // FATs.
    EXPECT_EQ(mount_sector("\xeb\x58\x90SYSLINUX"s, {{1080, "\x53\xef"}}), Error::not_found);
    EXPECT_EQ(mount_sector("\xeb\x3c\x90"
                           "BSD  4.4\0\2\0\0\0\0\0\0\0\0\0\0\0\x12\0\2\0"s),
              Error::not_found);
    std::mt19937 random(2);
    for (int i = 0; i < 2000; ++i) {
        std::string sector(510, 0);
        for (char& c : sector) c = char(random());
        sector[0] = char(0xeb);
        EXPECT_EQ(mount_sector(sector), Error::not_found);
    }
}

TEST(NotFat, DevicesThatAreTooSmall)
{
    Mounted volume(ImageDevice(std::vector<char>{}));
    EXPECT_EQ(volume.mount(), Error::not_found);
}

}  // namespace
