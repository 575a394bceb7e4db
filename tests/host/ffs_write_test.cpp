// SPDX-License-Identifier: BSD-2-Clause
// Writing FFS: beside a model, on volumes of makefs with several sizes of blocks; what is on the
// disk is checked by tests/ffs_check.py, and read by GRUB; and with power cuts.
#include <gmock/gmock.h>
#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <random>
#include <sstream>
#include "fakes/clock.h"
#include "ffs_checker.h"
#include "fs/open_file.h"
#include "fs_model.h"
#include "images.h"
#include "lib/bytes.h"
#include "power_steps.h"

namespace {

using fs::NodeType;

std::string content(size_t bytes, unsigned seed)
{
    std::string text(bytes, 0);
    for (size_t i = 0; i < bytes; ++i) text[i] = char(i * 7 + (i >> 8) * 3 + (i >> 16) + seed);
    return text;
}

struct FfsVolume {
    explicit FfsVolume(const std::string& image) : disk(ImageDevice::load(image))
    {
        publish_as(disk, "wd0a");
        set_root();
    }
    ~FfsVolume() { unmount(); }
    void set_root() { fs::set_root(fs::mount(disk).value()); }
    void unmount()
    {
        fs::close_all();
        fs::set_root(nullptr);
        while (fs::Volume* volume = fs::first_volume()) {
            EXPECT_TRUE(fs::unmount(*volume));
            if (fs::first_volume() == volume) break;
        }
    }
    void remount()
    {
        unmount();
        set_root();
    }
    // Synced, and then as the checker wants it.
    void check(bool clean = true)
    {
        ASSERT_TRUE(fs::sync());
        EXPECT_EQ(disk.data[super() + 209], clean);
        checker.add(disk.data);
    }
    size_t super() const { return 8192; }
    uint32_t field(size_t at) const { return le32(&disk.data[super() + at]); }
    size_t block_bytes() const { return field(48); }
    size_t fragment_bytes() const { return field(52); }
    bool is_ufs2() const { return field(1372) == 0x19540119; }
    static uint64_t free_bytes() { return fs::root()->file_system->free_bytes().value(); }

    static fs::Node& node(std::string_view path, bool follow = true)
    {
        auto found = fs::look_up(path, follow);
        EXPECT_TRUE(found) << path << ": " << error_text(found.error());
        return *found.value().node;
    }
    static fs::Node& make(std::string_view path, std::string_view text = "")
    {
        auto made = fs::create(path, NodeType::file, 0644);
        EXPECT_TRUE(made) << path << ": " << error_text(made.error());
        write(*made.value(), 0, text);
        return *made.value();
    }
    static void write(fs::Node& node, uint64_t offset, std::string_view text)
    {
        auto written = node.write(offset, std::as_bytes(std::span(text)));
        ASSERT_TRUE(written) << error_text(written.error());
        ASSERT_EQ(written.value(), text.size());
    }
    static std::string text(std::string_view path) { return fs_model::read_all(node(path)); }
    static std::string part(std::string_view path, uint64_t offset, size_t bytes)
    {
        std::string all(bytes, '?');
        auto got = node(path).read(offset, std::as_writable_bytes(std::span(all)));
        EXPECT_TRUE(got);
        all.resize(got.value());
        return all;
    }

    FakeMachine machine;
    ImageDevice disk;
    FfsChecker checker;
};

const std::string sizes[] = {"4096_512",   "8192_1024",  "16384_2048",
                             "32768_4096", "65536_8192", "4096_4096"};

struct FfsWrite : testing::TestWithParam<std::string>, FfsVolume {
    FfsWrite() : FfsVolume(GetParam()) {}
};

std::vector<std::string> empty_images()
{
    std::vector<std::string> names;
    for (const char* version : {"ffs1", "ffs2"}) {
        for (auto& size : sizes) names.push_back(version + ("_empty_" + size) + ".img");
    }
    return names;
}
std::string name_of(const testing::TestParamInfo<std::string>& info)
{
    return info.param.substr(0, info.param.find('.'));
}
INSTANTIATE_TEST_SUITE_P(Images, FfsWrite, testing::ValuesIn(empty_images()), name_of);

TEST_P(FfsWrite, DoesWhatTheModelDoes)
{
    NoonClock clock(machine);
    fs_model::RandomOperations* running = nullptr;
    fs_model::RandomOperations operations(unsigned(block_bytes() + fragment_bytes() + is_ufs2()),
                                          {.largest_offset = 15 * block_bytes() / 2,
                                           .largest_write = 3 * block_bytes(),
                                           .compare_every = 20,
                                           .pause_every = 200,
                                           .pause =
                                               [&] {
                                                   running->close_files();
                                                   check();
                                                   remount();
                                               },
                                           .tick = [&] { clock.pass(1); }});
    running = &operations;
    operations.run(600);
    operations.close_files();
    check();
}

TEST_P(FfsWrite, GrowsFilesByFragments)
{
    std::string text;
    fs::Node& grown = make("/grown");
    fs::Node& other = make("/other");
    size_t step = fragment_bytes() * 3 / 4;
    for (unsigned i = 0; text.size() < 3 * block_bytes(); ++i) {
        std::string more = content(step, i);
        write(grown, text.size(), more);
        text += more;
        if (i % 3 == 0) write(other, i * step / 2, more);  // so that it has to move
        if (i % 8 == 0) check();
    }
    EXPECT_EQ(fs_model::read_all(grown), text);
    for (size_t size = text.size(); size > step; size -= step) {
        ASSERT_TRUE(grown.truncate(size));
        if (size % 5 == 0) check();
        EXPECT_EQ(fs_model::read_all(grown), text.substr(0, size));
    }
    ASSERT_TRUE(grown.truncate(3 * block_bytes()));
    check();
    remount();
    EXPECT_EQ(part("/grown", 2 * block_bytes(), 100), std::string(100, 0));
}

TEST_P(FfsWrite, IsReadByGrub)
{
    ASSERT_TRUE(fs::create("/d", NodeType::directory, 0755));
    std::map<std::string, std::string> files = {{"/empty", ""},
                                                {"/d/short", content(100, 1)},
                                                {"/d/blocks", content(5 * block_bytes() + 77, 2)},
                                                {"/long", content(20 * block_bytes(), 3)}};
    for (auto& [path, text] : files) make(path, text);
    check();
    std::string copy = testing::TempDir() + "vesper-grub-" + std::to_string(getpid());
    std::string image = copy + ".img";  // it wants a file that has a name
    std::ofstream(image, std::ios::binary)
        .write(disk.data.data(), std::streamsize(disk.data.size()));
    for (auto& [path, text] : files) {  // not links: it forgets their last byte
        std::string command = "grub-fstest " + image + " cp '(loop0)" + path + "' " + copy;
        EXPECT_EQ(system(command.c_str()), 0) << path;
        std::ifstream in(copy, std::ios::binary);
        EXPECT_TRUE(std::string(std::istreambuf_iterator<char>(in), {}) == text) << path;
        std::filesystem::remove(copy);
    }
    std::filesystem::remove(image);
}

TEST_P(FfsWrite, FillsTheDiskAndEmptiesIt)
{
    uint64_t before = free_bytes();
    fs::Node& big = make("/big");
    std::string piece = content(100'000, 5);
    EXPECT_EQ(fs_model::fill(big, piece), Error::no_space);
    EXPECT_LT(free_bytes(), block_bytes());
    check();
    uint64_t size = big.size;
    EXPECT_EQ(big.truncate(size + 10 * block_bytes()).error(), Error::no_space);
    EXPECT_EQ(big.size, size);
    // What is given back can be used at once.
    ASSERT_TRUE(big.truncate(size - 3 * block_bytes()));
    make("/small", content(block_bytes() / 2 + 1, 6));
    ASSERT_TRUE(fs::remove("/big"));
    make("/again", content(size / 2, 7));
    check();
    EXPECT_EQ(text("/again"), content(size / 2, 7));
    unsigned count = 0;
    for (;; ++count) {  // fragments, or inodes, are used up
        auto made = fs::create("/" + std::to_string(count), NodeType::file, 0644);
        if (!made) break;
        (void)made.value()->write(0, std::as_bytes(std::span(piece).first(fragment_bytes() - 1)));
    }
    EXPECT_GT(count, 50u);
    EXPECT_EQ(fs::create("/d", NodeType::directory, 0755).error(), Error::no_space);
    check();
    for (unsigned i = 0; i < count; ++i) ASSERT_TRUE(fs::remove("/" + std::to_string(i)));
    ASSERT_TRUE(fs::remove("/again"));
    ASSERT_TRUE(fs::remove("/small"));
    check();
    EXPECT_GE(free_bytes() + 2 * block_bytes(), before) << "the root has grown";
}

TEST_P(FfsWrite, KeepsOpenFilesThatHaveNoName)
{
    uint64_t before = free_bytes();
    make("/file", content(60'000, 1));
    uint32_t handle = fs::open("/file", fs::open_read | fs::open_write).value();
    ASSERT_TRUE(fs::remove("/file"));
    ASSERT_TRUE(fs::sync());
    EXPECT_EQ(disk.data[super() + 209], 0) << "there is an inode without a name";
    fs::Node& file = fs::open_file(handle)->node();
    write(file, 60'000, content(10'000, 2));
    EXPECT_EQ(fs_model::read_all(file), content(60'000, 1) + content(10'000, 2));
    make("/file", "another");
    fs::open_file(handle)->close();
    check();
    EXPECT_EQ(text("/file"), "another");
    ASSERT_TRUE(fs::remove("/file"));
    ASSERT_TRUE(fs::create("/d", NodeType::directory, 0755));
    handle = fs::open("/d", fs::open_read).value();
    ASSERT_TRUE(fs::remove("/d"));
    EXPECT_EQ(fs::open_file(handle)->node().create("x", NodeType::file, 0).error(),
              Error::not_found);
    fs::close_all();
    check();
    EXPECT_EQ(free_bytes(), before);
}

TEST_P(FfsWrite, HasTimesAndModes)
{
    NoonClock clock(machine);
    make("/file", "x");
    ASSERT_TRUE(fs::create("/d", NodeType::directory, 01750));
    ASSERT_TRUE(node("/d").set_mode(0700));
    ASSERT_TRUE(node("/d").set_modified(1'000'000'000));
    check();
    remount();
    EXPECT_EQ(node("/file").modified_s, clock.noon);
    EXPECT_EQ(node("/file").mode, 0644);
    EXPECT_EQ(node("/d").modified_s, 1'000'000'000);
    EXPECT_EQ(node("/d").mode, 0700);
    EXPECT_EQ(node("/d").links, 2u);
    EXPECT_EQ(node("/").links, 3u);
    EXPECT_EQ(node("/").modified_s, clock.noon);
}

// ---- large

struct FfsLarge : testing::TestWithParam<std::string>, FfsVolume {
    FfsLarge() : FfsVolume(GetParam()) {}
};
INSTANTIATE_TEST_SUITE_P(Images, FfsLarge,
                         testing::Values("ffs1_empty_4096_4096.img", "ffs2_empty_4096_4096.img"),
                         name_of);

TEST_P(FfsLarge, FilesAreSparseAndBeyond4GiB)
{
    uint64_t before = free_bytes();
    fs::Node& file = make("/file");
    uint64_t n = is_ufs2() ? 512 : 1024;
    const uint64_t blocks[] = {0,
                               11,
                               12,
                               12 + n - 1,
                               12 + n,
                               12 + n + n * n - 1,
                               12 + n + n * n,
                               12 + n + n * n + 3 * n * n + 5};
    for (uint64_t block : blocks) write(file, block * 4096 + 100, content(5000, unsigned(block)));
    EXPECT_GT(file.size, uint64_t{1} << (is_ufs2() ? 32 : 34));
    check();
    remount();
    for (uint64_t block : {blocks[0], blocks[4], blocks[7]})
        EXPECT_EQ(part("/file", block * 4096 + 100, 5000), content(5000, unsigned(block)));
    EXPECT_EQ(part("/file", (blocks[5] - 9) * 4096, 4096), std::string(4096, 0));
    // Shorter, step by step, with and without a hole at the end.
    for (uint64_t size :
         {blocks[7] * 4096, blocks[6] * 4096 + 1, blocks[5] * 4096 - 5, (blocks[4] + 1) * 4096,
          blocks[3] * 4096, blocks[2] * 4096 + 10, uint64_t{7000}}) {
        ASSERT_TRUE(node("/file").truncate(size));
        check();
    }
    EXPECT_EQ(part("/file", 100, 5000), content(5000, 0));
    EXPECT_EQ(node("/file").truncate(~0ull >> 1).error(), Error::too_large);
    ASSERT_TRUE(node("/file").truncate(9'000'000'000));
    EXPECT_EQ(part("/file", 5100, 3000), std::string(3000, 0));
    check();
    ASSERT_TRUE(fs::remove("/file"));
    check();
    EXPECT_EQ(free_bytes(), before);
}

// Also where the search has passed all that was taken.
TEST_P(FfsLarge, TheOnlyFreeBlockIsFound)
{
    for (unsigned i = 0; i < 20; ++i) make("/small" + std::to_string(i), content(4096, i));
    fs::Node& big = make("/big");
    EXPECT_EQ(fs_model::fill(big, content(100'000, 5)), Error::no_space);
    for (unsigned i : {10, 3, 15, 10}) {
        std::string path = "/small" + std::to_string(i);
        ASSERT_TRUE(fs::remove(path));
        ASSERT_TRUE(fs::sync());
        make(path, content(4096, i + 20));
    }
    check();
    EXPECT_EQ(text("/small10"), content(4096, 30));
}

TEST_P(FfsLarge, DirectoriesHaveManyNames)
{
    constexpr unsigned count = 10'000;
    make("/file");
    ASSERT_TRUE(fs::create("/d", NodeType::directory, 0755));
    auto name = [](unsigned i) { return "/d/the file number " + std::to_string(i * 7919); };
    for (unsigned i = 0; i < count; ++i) ASSERT_TRUE(fs::add_name("/file", name(i))) << i;
    EXPECT_EQ(fs::add_name("/file", "/d/x").error(), Error{});
    check();
    EXPECT_EQ(node("/file").links, count + 2);
    fs::DirectoryEntry entry;
    uint64_t position = 0;
    unsigned seen = 0;
    while (node("/d").next_entry(position, entry).value()) {
        ++seen;  // every third goes while one looks
        if (seen % 3) continue;
        ASSERT_TRUE(fs::remove("/d/" + std::string(entry.name.view())));
    }
    EXPECT_EQ(seen, count + 1);
    check();
    remount();
    unsigned left = 0;
    for (unsigned i = 0; i < count; ++i) left += bool(fs::look_up(name(i)));
    EXPECT_EQ(left, node("/file").links - 1 - bool(fs::look_up("/d/x")));
    size_t before = node("/d").size;
    for (unsigned i = 0; i < count / 4; ++i)
        ASSERT_TRUE(fs::add_name("/file", "/d/another " + std::to_string(i)));
    EXPECT_EQ(node("/d").size, before) << "there was room";
    EXPECT_EQ(fs::create("/d/" + std::string(256, 'x'), NodeType::file, 0).error(),
              Error::too_large);
    check();
}

TEST_P(FfsLarge, LinksAreLimited)
{
    make("/file");
    ASSERT_TRUE(fs::create("/d", NodeType::directory, 0755));
    unsigned made = 0;
    while (fs::add_name("/file", "/d/" + std::to_string(made))) ++made;
    EXPECT_EQ(made, 32766u);
    EXPECT_EQ(fs::add_name("/file", "/d/x").error(), Error::too_large);
    check();
}

// ---- faults

TEST_P(FfsLarge, WriteErrorsHarmNothingThatWasThere)
{
    make("/stays", content(50'000, 9));
    check();
    std::mt19937 random(1);
    auto operation = [&](unsigned i) {
        std::string path = "/" + std::to_string(i % 7), other = "/" + std::to_string(i % 5);
        switch (random() % 6) {
        case 0: (void)fs::create(path, NodeType::directory, 0755); break;
        case 1: (void)fs::remove(path); break;
        case 2: (void)fs::rename(path, other); break;
        case 3: (void)fs::sync(); break;
        default:
            (void)fs::create(path, NodeType::file, 0644);
            if (auto found = fs::look_up(path)) {
                std::string text = content(random() % 60'000, i);
                (void)found.value().node->write(0, std::as_bytes(std::span(text)));
            }
        }
    };
    for (unsigned i = 0; i < 300; ++i) {
        disk.broken = random() % 3 == 0;
        operation(i);
    }
    disk.broken = false;
    ASSERT_TRUE(fs::sync());
    FfsChecker mild(true);
    disk.data[super() + 209] = 0;  // space may have been lost
    mild.add(disk.data);
    EXPECT_EQ(text("/stays"), content(50'000, 9));
}

struct FfsPower : testing::TestWithParam<std::string> {
    // On the volume as the root, which is unmounted then.
    void use(const std::function<void(fs::Volume&)>& work)
    {
        publish_as(disk, "wd0a");
        fs::Volume* volume = fs::mount(disk).value();
        fs::set_root(volume);
        work(*volume);
        fs::set_root(nullptr);
        ASSERT_TRUE(fs::unmount(*volume));
    }
    FakeMachine machine;
    PowerCutDisk disk{load_image(GetParam())};
};
INSTANTIATE_TEST_SUITE_P(Images, FfsPower,
                         testing::Values("ffs1_empty_4096_512.img", "ffs2_empty_4096_512.img",
                                         "ffs1_empty_8192_1024.img", "ffs2_empty_4096_4096.img"),
                         name_of);

struct State {
    size_t moment;
    std::map<std::string, std::string> files;  // as they were synced
    std::set<std::string> touched = {};        // since then
};

// Many small things, synced now and then.
std::vector<State> work(const PowerCutDisk& disk, unsigned seed, unsigned steps)
{
    std::mt19937 random(seed);
    std::map<std::string, std::string> files;
    std::vector<State> states = {{disk.now(), {}}};
    for (const char* name : {"/p", "/q", "/p/r"})
        EXPECT_TRUE(fs::create(name, NodeType::directory, 0755));
    auto touch = [&](const std::string& path) { states.back().touched.insert(path); };
    auto some = [&] {
        const char* folders[] = {"/", "/p/", "/q/", "/p/r/"};
        return folders[random() % 4] + std::string(1 + random() % 2 * 60, char('a' + random() % 8));
    };
    for (unsigned i = 0; i < steps; ++i) {
        std::string path = some(), other = some();
        touch(path);
        switch (random() % 8) {
        case 0:
            if (fs::remove(path, NodeType::file)) files.erase(path);
            break;
        case 1:
        case 2:
            touch(other);
            if (path == other || !files.contains(path)) break;
            EXPECT_TRUE(fs::rename(path, other));
            files[other] = files[path];
            files.erase(path);
            break;
        case 3:
            if (!files.contains(path)) break;
            files[path].resize(random() % 9000);
            EXPECT_TRUE(FfsVolume::node(path).truncate(files[path].size()));
            break;
        case 4: {
            std::string moved = random() % 2 ? "/q/moved" : "/p/r/moved";
            (void)fs::create(moved, NodeType::directory, 0755);
            (void)fs::rename(moved, random() % 2 ? "/p/moved" : "/moved");
            (void)fs::remove("/p/moved");
            break;
        }
        default:
            size_t at = files.contains(path) ? random() % (files[path].size() + 1) : 0;
            std::string text = content(random() % 20'000, i);
            if (!files.contains(path)) (void)fs::create(path, NodeType::file, 0644);
            auto written = FfsVolume::node(path).write(at, std::as_bytes(std::span(text)));
            EXPECT_TRUE(written || written.error() == Error::no_space);
            if (!written) files[path];
            if (!written || text.empty()) break;
            text.resize(written.value());
            files[path].resize(std::max(files[path].size(), at + text.size()));
            files[path].replace(at, text.size(), text);
        }
        if (random() % 12) continue;
        EXPECT_TRUE(fs::sync());
        states.push_back({disk.now(), files});
    }
    return states;
}

TEST_P(FfsPower, MayGoAtAnyMoment)
{
    std::vector<State> states;
    use([&](fs::Volume& volume) {
        if (GetParam().find("4096_512") != GetParam().npos) volume.file_system->nodes.set_limit(8);
        states = work(disk, 1, cuts(200));
    });
    FfsChecker checker(true);
    unsigned cut_number = 0;
    disk.each_cut(cuts(100), 1, [&](const PowerCutDisk::Cut& cut) {
        checker.add(cut.image);
        ImageDevice after(cut.image);
        auto cache = BlockCache::make_for(after);
        fs::set_root(nullptr);
        fs::Volume* again = fs::mount(after).value();
        EXPECT_EQ(again->file_system->read_only, nullptr) << again->file_system->read_only;
        fs::set_root(again);
        auto state = std::find_if(states.rbegin(), states.rend(),
                                  [&](const State& s) { return s.moment <= cut.moment; });
        for (auto& [path, text] : state->files) {
            if (state->touched.contains(path)) continue;
            ASSERT_TRUE(fs::look_up(path)) << path;
            ASSERT_TRUE(FfsVolume::text(path) == text) << path;
        }
        if (++cut_number % 5 == 0) {  // and goes on
            auto more = fs::create("/after", NodeType::file, 0644);
            ASSERT_TRUE(more || more.error() == Error::no_space) << error_text(more.error());
            std::string text = content(30'000, 3);
            if (more) (void)more.value()->write(0, std::as_bytes(std::span(text)));
            (void)fs::remove("/p/a");
            ASSERT_TRUE(fs::sync());
            checker.add(after.data);
        }
        delete cache.value();
        fs::set_root(nullptr);
        ASSERT_TRUE(fs::unmount(*again));
    });
}

TEST_P(FfsPower, StepsWaitForWhatTheyNeed)
{
    PowerSteps steps(disk);
    use([&](fs::Volume&) { steps.run(); });
    FfsChecker checker(true);
    auto check = [&](const PowerCutDisk::Cut& cut) {
        checker.add(cut.image);
        ImageDevice after(cut.image);
        fs::Volume* again = fs::mount(after).value();
        EXPECT_EQ(again->file_system->read_only, nullptr);
        fs::set_root(again);
        steps.compare(cut.moment);
        fs::set_root(nullptr);
        ASSERT_TRUE(fs::unmount(*again));
    };
    for (unsigned seed = 1; seed <= 2; ++seed) disk.each_flush(seed, check, steps.from);
}

// On UFS2 the inodes of a group are made by and by: its header, which says how many there are, then
// waits for them, and a name must still wait for the header.
TEST_P(FfsPower, ANameWaitsForItsInodeToBeMarked)
{
    size_t from = 0;
    use([&](fs::Volume&) {
        for (int i = 0; i < 100; ++i) {
            if (i == 20) ASSERT_TRUE(fs::sync());
            if (i == 20) from = disk.now();
            ASSERT_TRUE(fs::create("/file " + std::to_string(i), NodeType::file, 0644));
        }
    });
    FfsChecker checker(true);
    auto check = [&](const PowerCutDisk::Cut& cut) { checker.add(cut.image); };
    for (unsigned seed = 1; seed <= 20; ++seed) disk.each_flush(seed, check, from);
}

// ---- what is only read

struct FfsKept : testing::TestWithParam<std::string> {
    struct Patch {
        size_t at;
        uint32_t value;
        const char* reason;  // null: it is written
    };
    FakeMachine machine;
};
INSTANTIATE_TEST_SUITE_P(Images, FfsKept,
                         testing::Values("ffs1_empty_8192_1024.img", "ffs2_empty_8192_1024.img"),
                         name_of);

TEST_P(FfsKept, IsWhatCannotBeWritten)
{
    std::vector<std::vector<FfsKept::Patch>> cases = {
        {{1312, 0x2, nullptr}},
        {{1312, 0x30, nullptr}},
        {{1312, 0x200, nullptr}, {1308, 7, nullptr}},
        {{1312, 0x1, "it first"}},
        {{1312, 0x4, "it first"}},
        {{1312, 0xa, "a journal"}},
        {{1312, 0x40, "a journal"}},
        {{1312, 0x100, nullptr}},
        {{1312, 0x100, ""}, {864, 1, "log has to be replayed"}},
        {{1312, 0x200, ""}, {904, 1, "quotas"}},
        {{1116, 77, "snapshots"}},
        {{208, 0x80000000, "not unmounted cleanly"}},
        {{208, 0x80000200, "not unmounted cleanly"}},
        {{160, 70'000, "contradicts itself"}},
    };
    for (auto& patches : cases) {
        ImageDevice disk = ImageDevice::load(GetParam());
        for (auto& patch : patches) memcpy(&disk.data[8192 + patch.at], &patch.value, 4);
        fs::Volume* volume = fs::mount(disk).value();
        const char* expected = patches.back().reason;
        const char* reason = volume->file_system->read_only;
        SCOPED_TRACE(std::to_string(patches[0].at) + " " + std::to_string(patches[0].value));
        if (expected) {
            ASSERT_TRUE(reason);
            EXPECT_THAT(reason, testing::HasSubstr(expected));
            EXPECT_EQ(volume->file_system->root().create("x", NodeType::file, 0).error(),
                      Error::read_only);
            EXPECT_TRUE(fs::unmount(*volume));
            EXPECT_EQ(disk.writes, 0u);
            continue;
        }
        EXPECT_EQ(reason, nullptr);
        EXPECT_TRUE(volume->file_system->root().create("x", NodeType::file, 0));
        EXPECT_TRUE(fs::unmount(*volume));
        FfsChecker().add(disk.data);
        uint32_t flags = le32(&disk.data[8192 + 1312]);
        EXPECT_EQ(flags, patches[0].value & ~(patches.size() == 2 ? 0x200u : 0u));
    }
}

TEST_P(FfsKept, AreTheContentsOfDamagedGroups)
{
    ImageDevice disk = ImageDevice::load(GetParam());
    uint32_t header = le32(&disk.data[8192 + 12]) * 1024;
    disk.data[header + 4] ^= 1;
    fs::Volume* volume = fs::mount(disk).value();
    EXPECT_EQ(volume->file_system->root().create("x", NodeType::file, 0).error(), Error::corrupt);
    EXPECT_TRUE(machine.logged("the header of group 0 contradicts itself"));
    EXPECT_TRUE(fs::unmount(*volume));
}

// ---- the checker itself

TEST(FfsChecker, FindsWhatIsWrong)
{
    FakeMachine machine;
    for (const char* image : {"ffs1_small.img", "ffs2_small.img"}) {
        std::vector<char> sound = load_image(image);
        std::string command = "/usr/bin/python3 -B " VESPER_TESTS "/ffs_check.py";
        EXPECT_EQ(run_checker(sound, command).output, "");
        bool ufs2 = le32(&sound[8192 + 1372]) == 0x19540119;
        auto field = [&](size_t at) { return size_t{le32(&sound[8192 + at])}; };
        size_t inode_bytes = ufs2 ? 256 : 128, root = field(16) * field(52) + 2 * inode_bytes;
        ImageDevice disk(sound);
        fs::Volume* volume = fs::mount(disk).value();
        auto found = fs::look_up(*volume->file_system, "d/b");
        size_t file = root + (found.value()->id - 2) * inode_bytes;
        ASSERT_TRUE(fs::unmount(*volume));
        size_t pointers = ufs2 ? 112 : 40, group = field(12) * field(52);
        size_t names = le32(&sound[root + pointers]) * field(52);
        struct Damage {
            size_t at;
            uint32_t value;
            const char* found;
        } damages[] = {{file + pointers, 0x7fffff, "out of range"},
                       {file + pointers, uint32_t(field(16)), "metadata"},
                       {file + pointers, le32(&sound[root + pointers]), "duplicate"},
                       {file + (ufs2 ? 24 : 104), 2, "sectors"},
                       {file + (ufs2 ? 16 : 8), 3'000'000, "the last block"},
                       {root, 0x000541ed, "links"},
                       {root, 0x000141ed, "links"},
                       {names + 4, 0x00000007, "record of"},
                       {names + 12, 77, "'..'"},
                       {names + 24, 400, "unused inode"},
                       {group + 28, 1, "counts"},
                       {group + 56, 7, "runs"},
                       {group + le32(&sound[group + 104]) + 8, 9, "clusters"},
                       {group + le32(&sound[group + 92]), 0, "is not marked"},
                       {group + le32(&sound[group + 96]) + 8, 0xff, "marked as free"},
                       {8192 + 1016, 3, "totals"},
                       {group + 4, 3, "no header"}};
        std::string files, folder = testing::TempDir() + "vesper-ffs-" + std::to_string(getpid());
        std::filesystem::create_directory(folder);
        for (size_t i = 0; i < std::size(damages); ++i) {
            std::vector<char> broken = sound;
            memcpy(&broken[damages[i].at], &damages[i].value, 4);
            std::string file = folder + "/" + std::to_string(i);
            std::ofstream(file, std::ios::binary)
                .write(broken.data(), std::streamsize(broken.size()));
            files += " " + file;
        }
        Checked checked = run_checker(sound, command + files);
        std::filesystem::remove_all(folder);
        EXPECT_EQ(checked.status, 1);
        for (size_t i = 0; i < std::size(damages); ++i) {
            std::string all, start = " " + std::to_string(i) + ": ";
            std::istringstream lines(checked.output);
            for (std::string line; std::getline(lines, line);)
                if (line.find(start) != line.npos) all += line + "\n";
            EXPECT_THAT(all, testing::HasSubstr(damages[i].found));
        }
    }
}

}  // namespace
