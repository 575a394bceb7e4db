// SPDX-License-Identifier: BSD-2-Clause
// Volumes that are full, or nearly: what fails for want of space changes nothing. And the mark on
// the medium that says "not unmounted": it stays there for as long as anything waits to be written.
#include "ext2_disk.h"
#include "fakes/clock.h"
#include "fat_complaints.h"
#include "ffs_checker.h"
#include "fs/open_file.h"
#include "fs_model.h"
#include "lib/bytes.h"
#include "made_volume.h"
#include "power_cut.h"

namespace {

using namespace ext2_disk;
using fs::NodeType;

// Whether the medium says that somebody has the volume mounted.
bool is_marked(const std::vector<char>& image)
{
    std::string kind = testing::WithParamInterface<MadeVolume>::GetParam().name;
    auto byte = [&](size_t at) { return static_cast<uint8_t>(image[at]); };
    if (kind == "ext4") return true;  // it has a journal instead
    if (kind == "ext2") return !(byte(1024 + 58) & 1);
    if (kind == "exfat") return byte(106) & 2;
    if (kind.starts_with("ffs")) return !byte(8192 + 209);
    if (kind == "fat12") return byte(37) & 1;
    size_t table = le16(&image[14]) * 512u, copy = table + le32(&image[36]) * 512u;
    return byte(65) & 1 || !(byte(table + 7) & 8) || !(byte(copy + 7) & 8);
}

uint64_t free() { return fs::root()->file_system->free_bytes().value(); }

// Leaves about so much.
void fill(uint64_t bytes)
{
    fs::Node& filler = *fs::look_up("/filler").value().node;
    std::string piece(4096, 'f');
    while (free() > bytes) {
        auto written = filler.write(filler.size, std::as_bytes(std::span(piece)));
        if (!written || written.value() < piece.size()) break;
    }
    uint64_t missing = bytes - std::min(bytes, free());
    if (missing) ASSERT_TRUE(filler.truncate(filler.size - std::min(filler.size, missing)));
}

struct FullVolume : testing::TestWithParam<MadeVolume> {
    FullVolume() : disk(GetParam().make())
    {
        publish_as(disk, "wd0");
        mount();
    }
    ~FullVolume() override
    {
        fs::close_all();
        unmount();
    }
    void mount()
    {
        fs::set_root(fs::mount(disk).value());
        if (mounts++ % 2) fs::root()->cache->set_limit(24);
    }
    void unmount()
    {
        fs::Volume* volume = fs::root();
        fs::set_root(nullptr);
        ASSERT_TRUE(fs::unmount(*volume));
        auto checked = run_checker(disk.data, GetParam().checker);
        EXPECT_EQ(checked.status, 0) << checked.output;
    }
    void expect_mark() const
    {
        if (fs::root()->cache->unsynced_bytes()) EXPECT_TRUE(is_marked(disk.data));
    }
    FakeMachine machine;
    ImageDevice disk;
    unsigned mounts = 0;
};

TEST_P(FullVolume, HasWhatTheModelHas)
{
    NoonClock clock(machine);
    unsigned steps = 0, refused = 0, seeds = getenv("VESPER_LONG") ? 40 : 2;
    fs_model::RandomOperations* running = nullptr;
    fs_model::Options options;
    options.prefix = options.link_prefix = "/top";
    options.names = {"a", "b", std::string(200, 'c'), std::string(80, 'd'), "e"};
    options.symbolic_links = options.hard_links = GetParam().has_links;
    options.may_fill = true;
    options.largest_offset = 30'000;
    options.largest_write = 3000;
    options.compare_every = 5;
    options.tick = [&] {
        clock.pass(2);
        fill(++steps % 4 ? 0 : 6000);
        expect_mark();
    };
    options.pause_every = 50;
    options.pause = [&] {
        running->close_files();
        ASSERT_TRUE(fs::sync());
        uint64_t before = free();
        unmount();
        mount();
        EXPECT_EQ(free(), before);
    };
    std::vector<char> empty = disk.data;
    for (unsigned seed = 1; seed <= seeds && !HasFailure(); ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        unmount();
        disk.data = empty;
        mount();
        ASSERT_TRUE(fs::create("/filler", NodeType::file, 0644));
        ASSERT_TRUE(fs::create("/top", NodeType::directory, 0755));
        fs_model::RandomOperations operations(seed, options);
        running = &operations;
        operations.run(700);
        refused += operations.refused();
    }
    EXPECT_GT(refused, 5 * seeds);
}

TEST_P(FullVolume, IsMarkedWhileAnythingIsNotSynced)
{
    // Of FAT and exFAT so many wait for a sync at most, and one more.
    constexpr unsigned count = 257;
    auto name = [](unsigned i) { return "/d/" + std::to_string(i); };
    ASSERT_TRUE(fs::create("/d", NodeType::directory, 0755));
    for (unsigned i = 0; i < count; ++i) {
        auto made = fs::create(name(i), NodeType::file, 0644);
        ASSERT_TRUE(made) << i << error_text(made.error());
        ASSERT_TRUE(made.value()->write(0, std::as_bytes(std::span("text"))));
        expect_mark();
    }
    ASSERT_TRUE(fs::sync());
    for (unsigned i = 0; i < count; ++i) {
        ASSERT_TRUE(fs::remove(name(i)));
        expect_mark();
    }
}

TEST_P(FullVolume, IsMarkedWhileAFileWithoutANameIsOpen)
{
    ASSERT_TRUE(fs::create("/file", NodeType::file, 0644));
    auto handle = fs::open("/file", fs::open_read | fs::open_write);
    ASSERT_TRUE(handle);
    fs::OpenFile& file = *fs::open_file(handle.value());
    ASSERT_TRUE(file.write(std::as_bytes(std::span("text"))));
    ASSERT_TRUE(fs::remove("/file"));
    for (int i = 0; i < 2; ++i) {
        ASSERT_TRUE(fs::sync());
        EXPECT_TRUE(is_marked(disk.data));
    }
    std::byte text[5];
    file.seek(0);
    EXPECT_EQ(file.read(text).value(), 5u);
    file.close();
}

// ---- the power is cut

struct FullCuts : testing::TestWithParam<MadeVolume> {
    struct State {
        struct Entry {
            std::string path;
            fs_model::ObjectPointer object;
            std::string data;  // as it was synced
        };
        size_t moment;
        std::vector<Entry> entries;                 // folders before what is in them
        std::set<const fs_model::Object*> touched;  // since then
    };
    static void list(const fs_model::Object& folder, const std::string& path, State& state)
    {
        for (auto& [name, object] : folder.entries) {
            state.entries.push_back({path + "/" + name, object, object->data});
            list(*object, path + "/" + name, state);
        }
    }
    void run(unsigned seed, unsigned steps)
    {
        fs_model::Options options;
        options.prefix = options.link_prefix = "/top";
        options.names = {"a", "b", std::string(200, 'c'), std::string(80, 'd'), "e"};
        options.symbolic_links = false;  // what is touched by way of one has another path
        options.hard_links = GetParam().has_links;
        options.may_fill = true;
        options.largest_offset = 30'000;
        options.largest_write = 3000;
        options.compare_every = 50;
        unsigned done = 0;
        options.tick = [&] { fill(++done % 4 ? 0 : 6000); };
        options.touched = [&](const fs_model::Object& object) {
            states.back().touched.insert(&object);
        };
        options.pause_every = 8;
        fs_model::RandomOperations* running = nullptr;
        options.pause = [&] {
            ASSERT_TRUE(fs::sync());
            states.push_back({disk.now(), {}, {}});
            list(running->top(), "", states.back());
        };
        fs_model::RandomOperations operations(seed, options);
        running = &operations;
        operations.run(steps);
    }
    // What was synced by then, and has not been touched since.
    void compare(size_t moment)
    {
        auto state = states.rbegin();
        while (state->moment > moment) ++state;
        std::string touched = "-";
        for (auto& [path, object, data] : state->entries) {
            if (path.starts_with(touched + "/")) continue;
            if (state->touched.contains(object.get())) {
                touched = path;
                continue;
            }
            auto found = fs::look_up("left:/top" + path);
            ASSERT_TRUE(found) << path << ": " << error_text(found.error());
            ASSERT_EQ(found.value().node->type, object->type) << path;
            if (object->type == NodeType::file)
                ASSERT_TRUE(fs_model::read_all(*found.value().node) == data) << path;
        }
    }
    void check(const std::vector<char>& image)
    {
        std::string kind = GetParam().name;
        if (kind.starts_with("ffs")) return ffs_checker->add(image);  // it knows the mark itself
        if (!is_marked(image)) {
            auto checked = run_checker(image, GetParam().checker);
            EXPECT_EQ(checked.status, 0) << checked.output;
            return;
        }
        if (kind == "ext2")
            return expect_lost_space_at_most(run_checker(image, "e2fsck -fn").output);
        if (kind == "ext4") return expect_orphans_at_most(run_checker(image, "e2fsck -fp"));
        EXPECT_EQ(fat_complaints(run_checker(image, GetParam().checker), true), "");
    }
    FakeMachine machine;
    std::optional<FfsChecker> ffs_checker;
    PowerCutDisk disk{GetParam().make().data};
    std::vector<State> states;
};

TEST_P(FullCuts, LoseNothingThatWasSynced)
{
    publish_as(disk, "wd0");
    fs::Volume* volume = fs::mount(disk).value();
    fs::set_root(volume);
    NoonClock clock(machine);
    ASSERT_TRUE(fs::create("/filler", NodeType::file, 0644));
    ASSERT_TRUE(fs::create("/top", NodeType::directory, 0755));
    fill(50'000);
    ASSERT_TRUE(fs::sync());
    states.push_back({disk.now(), {}, {}});
    run(2, 200);
    fs::set_root(nullptr);
    ASSERT_TRUE(fs::unmount(*volume));
    if (GetParam().name[1] == 'f') ffs_checker.emplace(true);
    size_t from = states.front().moment;
    disk.each_cut(
        cuts(40), 1,
        [&](const PowerCutDisk::Cut& cut) {
            check(cut.image);
            ImageDevice left(cut.image);
            left.name = Text<16>("left");
            fs::Volume* again = fs::mount(left).value();
            compare(cut.moment);
            ASSERT_TRUE(fs::unmount(*again));
        },
        from);
}

const MadeVolume volumes[] = {
    MadeVolume{"ext2", 4, "mke2fs -q -F -t ext2 -b 1024 -N 300 $0", "e2fsck -fn"},
    MadeVolume{"ext4", 8, "mke2fs -q -F -t ext4 -b 1024 -N 300 -J size=1 $0", "e2fsck -fn"},
    MadeVolume{"ffs1", 4,
               "mkdir $0.d && makefs -t ffs -f 300 -s 4m -o "
               "version=1,bsize=8192,fsize=1024 $0 $0.d; rmdir $0.d",
               "/usr/bin/python3 -B " VESPER_TESTS "/ffs_check.py"},
    MadeVolume{"ffs2", 4,
               "mkdir $0.d && makefs -t ffs -f 300 -s 4m -o "
               "version=2,bsize=4096,fsize=512 $0 $0.d; rmdir $0.d",
               "/usr/bin/python3 -B " VESPER_TESTS "/ffs_check.py"},
    MadeVolume{"fat12", 4, "mkfs.fat -F 12 -s 4 $0", "fsck.fat -n", false},
    MadeVolume{"fat32", 4, "mkfs.fat -F 32 -s 1 $0", "fsck.fat -n", false},
    MadeVolume{"exfat", 4, "mkfs.exfat -c 4K $0", "fsck.exfat -n", false}};
constexpr auto name_of = [](auto& info) { return info.param.name; };
INSTANTIATE_TEST_SUITE_P(On, FullVolume, testing::ValuesIn(volumes), name_of);
INSTANTIATE_TEST_SUITE_P(On, FullCuts, testing::ValuesIn(volumes), name_of);

}  // namespace
