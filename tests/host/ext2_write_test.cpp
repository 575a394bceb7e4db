// SPDX-License-Identifier: BSD-2-Clause
// ext2, ext3 and ext4 as they are written: beside a model, looked at by e2fsck, with the power cut
// at any moment, and with writes that fail.
#include <random>
#include "ext2_disk.h"
#include "fakes/clock.h"
#include "fs/ext2/ext2.h"
#include "fs/open_file.h"
#include "power_steps.h"

namespace {

using namespace ext2_disk;

const char* const writable[] = {"ext2-1k.img",      "ext2-2k.img",  "ext2-4k.img", "ext2-64k.img",
                                "ext2-r0.img",      "ext3.img",     "ext4.img",    "ext4-gdt.img",
                                "ext4-sparse2.img", "ext4-meta.img"};

struct Ext2Writing : testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Images, Ext2Writing, testing::ValuesIn(writable), name_of);

// The superblock counts what the groups count: e2fsck says nothing if it does not.
void expect_counted(Disk& disk)
{
    std::istringstream said(run_checker(disk.disk.data, "dumpe2fs").output);
    uint64_t blocks = 0, inodes = 0, size = uint64_t{1024} << le32(&disk.disk.data[1024 + 24]);
    for (std::string line; std::getline(said, line);) {
        unsigned of_group = 0, inodes_of_group = 0;
        const char* format = "  %u free blocks, %u free inodes";
        if (sscanf(line.c_str(), format, &of_group, &inodes_of_group) != 2) continue;
        blocks += of_group;
        inodes += inodes_of_group;
    }
    EXPECT_EQ(disk.file_system().free_bytes().value(), blocks * size);
    EXPECT_EQ(le32(&disk.disk.data[1024 + 16]), inodes);
}

TEST_P(Ext2Writing, OneOfEverything)
{
    Disk disk(GetParam());
    ASSERT_EQ(disk.file_system().read_only, nullptr);
    std::string big = pattern(3'000'000, 1), link(200, 'l');
    put("/new", "Hello");
    put("/many/new", pattern(100'000, 2));
    put("/large", big);
    put("/sparse", "end", 2'000'000);
    ASSERT_TRUE(fs::create("/folder", NodeType::directory, 0700));
    ASSERT_TRUE(fs::create("/folder/folder", NodeType::directory, 0755));
    ASSERT_TRUE(fs::make_link("/folder/short", "../new"));
    ASSERT_TRUE(fs::make_link("/folder/long", link));
    ASSERT_TRUE(fs::add_name("/new", "/folder/again"));
    ASSERT_TRUE(fs::rename("/folder/folder", "/moved"));
    ASSERT_TRUE(fs::rename("/odd", "/many/odd"));
    ASSERT_TRUE(fs::rename("/block", "/medium"));
    ASSERT_TRUE(fs::remove("/kexec"));
    ASSERT_TRUE(node("/large").truncate(1'000'001));
    ASSERT_TRUE(node("/new").set_mode(0751));
    ASSERT_TRUE(node("/many/new").set_modified(5'000'000'000));
    ASSERT_TRUE(fs::sync());
    expect_sound(disk.disk.data);
    ASSERT_NO_FATAL_FAILURE(disk.mount_again());
    expect_counted(disk);
    EXPECT_EQ(fs_model::read_all(node("/new")), "Hello");
    EXPECT_EQ(node("/folder/again").links, 2u);
    EXPECT_EQ(node("/new").mode, 0751);
    EXPECT_TRUE(fs_model::read_all(node("/large")) == big.substr(0, 1'000'001));
    EXPECT_TRUE(fs_model::read_all(node("/sparse")) == std::string(2'000'000, 0) + "end");
    Text<fs::max_path> target;
    ASSERT_TRUE(node("/folder/long", false).read_link(target));
    EXPECT_EQ(target.view(), link);
    EXPECT_EQ(node("/folder").mode, 0700);
    EXPECT_EQ(node("/folder/short").size, 5u);
    EXPECT_EQ(node("/medium").size, 4096u);
    EXPECT_EQ(node("/many/odd").size, 5000u);
    EXPECT_EQ(fs::look_up("/kexec").error(), Error::not_found);
    if (le16(&disk.disk.data[1024 + 0x58]) > 128) {
        EXPECT_EQ(node("/many/new").modified_s, 5'000'000'000);
    }
}

struct Ext2Random : testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Images, Ext2Random, testing::ValuesIn(writable), name_of);

TEST_P(Ext2Random, LeavesWhatTheModelHas)
{
    Disk disk(GetParam());
    NoonClock clock(disk.machine);
    ASSERT_TRUE(fs::create("/top", NodeType::directory, 0755));
    fs_model::RandomOperations* running = nullptr;
    fs_model::Options options;
    options.prefix = options.link_prefix = "/top";
    options.compare_every = 10;
    options.pause_every = 150;
    options.tick = [&] { clock.pass(1); };
    options.largest_offset = 200'000;
    options.pause = [&] {
        running->close_files();
        ASSERT_TRUE(fs::sync());
        expect_sound(disk.disk.data);
        if (!testing::Test::HasFailure()) disk.mount_again();
    };
    fs_model::RandomOperations operations(7, options);
    running = &operations;
    operations.run(600);
}

// ---- What it costs

// Where an index's leaf is full of names, as where there are few.
TEST(Ext2Cost, OfAFileIsTheSameAmongMany)
{
    for (const char* image : {"ext2-4k.img", "ext4.img"}) {
        Disk disk(image);
        BlockCache& cache = *fs::root()->cache;
        ASSERT_TRUE(fs::create("/top", NodeType::directory, 0755));
        auto hits_for = [&](unsigned from, unsigned to) {
            uint64_t before = cache.counts().hits;
            for (unsigned n = from; n < to; ++n) {
                fs::OpenFile file;
                EXPECT_TRUE(file.open("/top/F" + std::to_string(1'000'000 + n),
                                      fs::open_write | fs::open_create));
                file.close();
            }
            return (cache.counts().hits - before) / (to - from);
        };
        uint64_t first = hits_for(0, 100);
        hits_for(100, 600);
        uint64_t later = hits_for(600, 700);
        EXPECT_LT(first, 60u) << image;
        EXPECT_LT(later, first * 2) << image;
        ASSERT_TRUE(fs::sync());
        expect_sound(disk.disk.data);
    }
}

// The checksums on the medium are what they would be if they were computed anew.
TEST(Ext2Cost, AChecksumIsChangedNotComputed)
{
    std::mt19937 random(3);
    for (size_t bytes : {1u, 12u, 64u, 100u, 4084u, 4096u, 8191u, 65536u}) {
        std::vector<std::byte> block(bytes), changed;
        for (std::byte& byte : block) byte = static_cast<std::byte>(random());
        uint32_t seed = static_cast<uint32_t>(random()), sum = ext::crc32c(seed, block);
        for (int i = 0; i < 50; ++i) {
            changed = block;
            size_t at = random() % bytes, count = random() % std::min<size_t>(bytes - at, 600) + 1;
            for (size_t n = at; n < at + count; ++n) {
                changed[n] = static_cast<std::byte>(random());
                block[n] ^= changed[n];
            }
            uint32_t change = ext::crc32c(0, std::span(block).subspan(at, count));
            sum ^= ext::crc32c_move(change, bytes - at - count);
            ASSERT_EQ(sum, ext::crc32c(seed, changed)) << bytes << " " << at << " " << count;
            block = changed;
        }
    }
    constexpr char digits[] = "123456789";  // the check value that all descriptions have
    EXPECT_EQ(~ext::crc32c(~0u, std::as_bytes(std::span(digits, 9))), 0xe3069283u);
}

// ---- The power goes

struct Mount {
    explicit Mount(PowerCutDisk& disk)
    {
        publish_as(disk, "wd0");
        volume = fs::mount(disk).value();
        fs::set_root(volume);
    }
    ~Mount()
    {
        fs::set_root(nullptr);
        EXPECT_TRUE(fs::unmount(*volume));
    }
    FakeMachine machine;
    fs::Volume* volume;
};

// Changes at random, and what there has to be after each sync.
class Workload {
public:
    struct State {
        size_t moment;
        std::map<std::string, std::string> files;  // by path
        std::set<std::string> touched;             // afterwards
    };
    Workload(PowerCutDisk& disk, unsigned seed) : disk_(disk), random_(seed) {}

    void run(unsigned rounds, unsigned steps, unsigned small_files)
    {
        for (int i = 0; i < 3; ++i)
            ASSERT_TRUE(fs::create("/d" + std::to_string(i), NodeType::directory, 0755));
        for (unsigned i = 0; i < small_files; ++i) {
            std::string path = some_path(small_files);
            ASSERT_NO_FATAL_FAILURE(put(path, files_[path] = "x"));
        }
        for (unsigned round = 0; round <= rounds; ++round) {
            if (done(fs::sync(), {})) states.push_back({disk_.now(), files_, {}});
            for (unsigned i = 0; i < steps && round < rounds; ++i) ASSERT_NO_FATAL_FAILURE(step());
        }
    }
    const std::map<std::string, std::string>& files() const { return files_; }
    std::vector<State> states{1};
    bool may_fail = false;
    unsigned failures = 0;

private:
    unsigned pick(unsigned count) { return random_() % count; }
    std::string some_path(unsigned numbers = 60)
    {
        std::string name =
            "/d" + std::to_string(pick(3)) + "/file " + std::to_string(pick(numbers));
        return name + std::string(pick(4) ? 0 : 40, 'x');
    }
    std::string touch(const std::string& path)
    {
        states.back().touched.insert(path);
        return path;
    }
    // Whether it has been done. If not, nobody knows what these files are from now on.
    template <class T> bool done(const Result<T>& result, std::initializer_list<std::string> paths)
    {
        if (result) return true;
        EXPECT_TRUE(may_fail && result.error() == Error::device) << error_text(result.error());
        ++failures;
        for (auto& path : paths) {
            unknown_.insert(path);
            files_.erase(path);
        }
        return false;
    }
    void write(const std::string& path)
    {
        std::string file = files_[touch(path)];
        size_t offset = pick(3) ? file.size() : pick(unsigned(file.size()) + 5000);
        std::string text = pattern(pick(pick(4) ? 3000 : 60'000), random_());
        auto found = fs::look_up(path);
        if (found.error() == Error::not_found) {
            if (!done(fs::create(path, NodeType::file, 0644), {path})) return;
            found = fs::look_up(path);
        }
        if (!done(found, {path})) return;
        auto written = found.value().node->write(offset, std::as_bytes(std::span(text)));
        if (!done(written, {path})) return;
        ASSERT_EQ(written.value(), text.size());
        if (text.empty()) return;
        file.resize(std::max(file.size(), offset + text.size()));
        files_[path] = file.replace(offset, text.size(), text);
    }
    void step()
    {
        std::string other = some_path();
        if (unknown_.contains(other)) return;
        if (files_.empty() || pick(3) == 0) return write(other);
        std::string path = std::next(files_.begin(), pick(unsigned(files_.size())))->first;
        switch (pick(7)) {
        case 0:
            if (done(fs::remove(touch(path)), {path})) files_.erase(path);
            break;
        case 1:
        case 2:
            if (path == other) break;
            if (!done(fs::rename(touch(path), touch(other)), {path, other})) break;
            files_[other] = files_[path];
            files_.erase(path);
            break;
        case 3:
            files_[touch(path)].resize(pick(20'000));
            if (auto found = fs::look_up(path); done(found, {path}))
                (void)done(found.value().node->truncate(files_[path].size()), {path});
            break;
        case 4: {  // a directory comes and goes
            std::string folder = "/d0/folder" + std::to_string(pick(4));
            if (fs::create(folder, NodeType::directory, 0755).error() == Error::exists)
                (void)done(fs::remove(folder), {});
            break;
        }
        case 5:
            if (fs::make_link("/d1/link" + std::to_string(pick(5)),
                              std::string(pick(200) + 1, 'l')))
                break;
            break;
        default: write(path);
        }
    }
    PowerCutDisk& disk_;
    std::mt19937 random_;
    std::map<std::string, std::string> files_;
    std::set<std::string> unknown_;
};

struct CutCase {
    const char* image;
    bool has_journal;
    size_t lines;  // of the cache; 0: as many as it likes
    unsigned small_files = 0;
};
struct Ext2PowerCut : testing::TestWithParam<CutCase> {};

void expect_state(const Workload::State& state, const std::string& what)
{
    for (auto& [path, content] : state.files) {
        if (state.touched.contains(path)) continue;
        auto found = fs::look_up(path);
        ASSERT_TRUE(found) << path << what;
        ASSERT_EQ(found.value().node->size, content.size()) << path << what;
        ASSERT_TRUE(fs_model::read_all(*found.value().node) == content) << path << what;
    }
}

// A name that was there twice, say, must not be left without its inode.
void remove_all(const std::string& path)
{
    std::set<std::string> names;
    fs::DirectoryEntry entry;
    for (uint64_t position = 0; node(path).next_entry(position, entry).value();)
        names.emplace(entry.name.view());
    for (auto& name : names) {
        if (node(path + "/" + name, false).type == NodeType::directory)
            remove_all(path + "/" + name);
        EXPECT_TRUE(fs::remove(path + "/" + name)) << path << "/" << name;
    }
}

TEST_P(Ext2PowerCut, LosesNothing)
{
    const CutCase& test = GetParam();
    PowerCutDisk disk(load_image(test.image));
    Workload workload(disk, 3);
    {
        Mount mount(disk);
        if (test.lines) mount.volume->cache->set_limit(test.lines);
        if (test.lines) mount.volume->file_system->nodes.set_limit(8);
        workload.run(8, 25, test.small_files);
    }
    disk.each_cut(cuts(25), 1, [&](const PowerCutDisk::Cut& cut) {
        auto state = workload.states.rbegin();
        while (state != workload.states.rend() && state->moment > cut.moment) ++state;
        auto expect_lost_space = [&](const std::vector<char>& left) {
            if (test.small_files)
                expect_mended(left);
            else
                expect_lost_space_at_most(run_checker(left, "e2fsck -fn").output);
        };
        if (test.has_journal)
            expect_orphans_at_most(run_checker(cut.image, "e2fsck -fp"));
        else
            expect_lost_space(cut.image);
        Disk after(cut.image);
        if (state != workload.states.rend()) expect_state(*state, " as it is");
        ASSERT_TRUE(fs::create("/new", NodeType::file, 0644));
        ASSERT_TRUE(fs::sync());
        if (test.has_journal) expect_sound(after.disk.data);
        if (state != workload.states.rend()) expect_state(*state, " later");
        if (test.has_journal || cut.reordered) return;
        remove_all("/");
        ASSERT_TRUE(fs::sync());
        expect_lost_space(after.disk.data);
    });
}

// The same wherever an order matters, and with each that there is.
TEST(Ext2Steps, WaitForWhatTheyNeed)
{
    for (bool moves_folders : {false, true}) {
        PowerCutDisk disk(load_image(moves_folders ? "cut-ext2-index.img" : "cut-ext2.img"));
        PowerSteps steps(disk);
        {
            Mount mount(disk);
            steps.run(moves_folders);
        }
        auto check = [&](const PowerCutDisk::Cut& cut) {
            if (moves_folders)
                expect_mended(cut.image);
            else
                expect_lost_space_at_most(run_checker(cut.image, "e2fsck -fn").output);
            Disk after(cut.image);
            steps.compare(cut.moment);
        };
        disk.each_flush(1, check, steps.from);
    }
}

// An entry that begins a sector goes, and another was put behind it: both sectors change, and one
// of them may be all that the medium gets.
TEST(Ext2Sectors, StandForThemselves)
{
    auto name = [](int n) { return "/d/file " + std::to_string(100 + n); };
    PowerCutDisk disk(load_image("cut-ext2.img"));
    constexpr int in_first = 30;
    size_t synced = 0;
    {
        Mount mount(disk);
        ASSERT_TRUE(fs::create("/d", NodeType::directory, 0755));
        for (int n = 0; n <= in_first; ++n) put(name(n), "");
        ASSERT_TRUE(fs::sync());
        synced = disk.now();
        put(name(in_first + 1), "");
        ASSERT_TRUE(fs::remove(name(in_first)));
    }
    ASSERT_GT(disk.now(), synced);
    disk.each_cut(
        10'000, 1,
        [&](const PowerCutDisk::Cut& cut) {
            Disk after(cut.image);
            fs::DirectoryEntry entry;
            int count = 0;
            for (uint64_t position = 0;; ++count) {
                auto more = node("/d").next_entry(position, entry);
                ASSERT_TRUE(more) << error_text(more.error());
                if (!more.value()) break;
            }
            EXPECT_GE(count, in_first);
        },
        synced);
}

INSTANTIATE_TEST_SUITE_P(
    Images, Ext2PowerCut,
    testing::Values(CutCase{"cut-ext2.img", false, 0}, CutCase{"cut-ext2-index.img", false, 0, 200},
                    CutCase{"cut-ext2.img", false, 12}, CutCase{"cut-ext2-4k.img", false, 0},
                    CutCase{"cut-ext3.img", true, 24}, CutCase{"cut-ext4.img", true, 0},
                    CutCase{"cut-ext4-4k.img", true, 24}, CutCase{"journal-v2.img", true, 24},
                    CutCase{"journal-v3.img", true, 0, 200}));

// ---- Writes fail

// One that fails, or some in a row; of the first some blocks may have come to the medium.
struct FailingWrites {
    size_t at, count, kept;
};

struct Ext2Faults : testing::TestWithParam<CutCase> {
    // How many writes and flushes there are; `fault` says when the first one failed.
    size_t work(PowerCutDisk& disk, Workload& workload, const FailingWrites& failing)
    {
        size_t writes = 0;
        disk.fault = [&](std::span<const std::byte> bytes) -> std::optional<uint32_t> {
            size_t number = writes++;
            if (number < failing.at || number >= failing.at + failing.count) return {};
            if (number == failing.at) moment = disk.now();
            return number == failing.at && !bytes.empty() ? failing.kept : 0;
        };
        Mount mount(disk);
        if (GetParam().lines) mount.volume->cache->set_limit(GetParam().lines);
        workload.may_fail = true;
        workload.run(3, 12, 0);
        disk.fault = nullptr;
        EXPECT_TRUE(fs::sync());
        workload.states.push_back({disk.now(), workload.files(), {}});
        expect_state(workload.states.back(), " while it was in use");
        return writes;
    }
    size_t moment = 0;
};

TEST_P(Ext2Faults, LoseNothingThatWasSynced)
{
    PowerCutDisk sound(load_image(GetParam().image));
    Workload all(sound, 5);
    size_t writes = work(sound, all, {~size_t{0}, 0, 0});
    ASSERT_EQ(all.failures, 0u);
    size_t runs = std::min(cuts(8), writes * 9);
    for (size_t i = 0; i < runs && !HasFailure(); ++i) {
        constexpr size_t counts[] = {1, 2, 15}, kept[] = {0, 1, 10'000};
        FailingWrites failing = {runs == writes * 9 ? i / 9 : i * writes / runs, counts[i % 3],
                                 kept[i / 3 % 3]};
        SCOPED_TRACE(testing::Message() << failing.count << " writes fail, from " << failing.at
                                        << " on; blocks written: " << failing.kept);
        PowerCutDisk disk(load_image(GetParam().image));
        Workload workload(disk, 5);
        ASSERT_NO_FATAL_FAILURE(work(disk, workload, failing));
        EXPECT_GT(workload.failures, 0u) << "nobody was told";
        auto check = [&](const PowerCutDisk::Cut& cut) {
            auto state = workload.states.rbegin();
            while (state != workload.states.rend() && state->moment > cut.moment) ++state;
            expect_orphans_at_most(run_checker(cut.image, "e2fsck -fp"));
            Disk after(cut.image);
            EXPECT_EQ(after.file_system().read_only, nullptr);
            if (state != workload.states.rend()) expect_state(*state, " after the cut");
            ASSERT_TRUE(fs::sync());
            expect_sound(after.disk.data);
        };
        disk.each_cut(3, unsigned(i), check, moment);
    }
}

bool is_journal_super(std::span<const std::byte> bytes)
{
    return bytes.size() >= 32 && be32(&bytes[0]) == 0xc03b3998 && be32(&bytes[4]) == 4;
}

// A transaction has been committed, but is in its place in part only; then the log goes round
// while its superblock cannot be written.
TEST_P(Ext2Faults, KeepTheLogThatTheMediumNames)
{
    PowerCutDisk disk(load_image(GetParam().image));
    auto folder = [](unsigned number) { return "/d" + std::to_string(number); };
    size_t moment = 0, last = 0;
    {
        Mount mount(disk);
        put("/file", "content");
        for (unsigned i = 0; i < 200; ++i)
            ASSERT_TRUE(fs::create(folder(i), NodeType::directory, 0755));
        bool committed = false;
        disk.fault = [&](std::span<const std::byte> bytes) -> std::optional<uint32_t> {
            if (is_journal_super(bytes)) committed = true;
            if (!committed || is_journal_super(bytes) || bytes.empty()) return {};
            return 8;
        };
        EXPECT_EQ(fs::sync().error(), Error::device);
        EXPECT_TRUE(committed);
        moment = disk.now();
        disk.fault = [](std::span<const std::byte> bytes) -> std::optional<uint32_t> {
            return is_journal_super(bytes) ? std::optional<uint32_t>(0) : std::nullopt;
        };
        for (unsigned round = 0; round < 6; ++round) {
            for (unsigned i = 0; i < 200; ++i)
                (void)fs::add_name("/file", folder(i) + "/" + std::to_string(round));
            EXPECT_EQ(fs::sync().error(), Error::device);
        }
        disk.fault = nullptr;
        last = disk.now();
        ASSERT_TRUE(fs::sync());
    }
    auto check = [&](const PowerCutDisk::Cut& cut) {
        expect_orphans_at_most(run_checker(cut.image, "e2fsck -fp"));
        Disk after(cut.image);
        EXPECT_EQ(after.file_system().read_only, nullptr);
        for (unsigned i = 0; i < 200; ++i) EXPECT_TRUE(fs::look_up(folder(i)));
        auto file = fs::look_up("/file");
        ASSERT_TRUE(file);
        EXPECT_EQ(fs_model::read_all(*file.value().node), "content");
        ASSERT_TRUE(fs::sync());
        expect_sound(after.disk.data);
    };
    disk.each_cut(12, 1, check, moment);
    disk.each_flush(1, check, moment);
    for (unsigned seed = 2; seed <= 5; ++seed) disk.each_flush(seed, check, last);
}

// What is logged because it is in one line with metadata may begin as the log's own blocks do.
TEST(Ext2Log, HoldsBlocksThatLookLikeItsOwn)
{
    for (const char* image : {"cut-ext3.img", "journal-v3.img"}) {
        PowerCutDisk disk(load_image(image));
        auto file = [](unsigned i) { return "/f" + std::to_string(i); };
        auto text = [](unsigned i) { return "\xc0\x3b\x39\x98" + pattern(1020, i); };
        size_t from = 0;
        {
            Mount mount(disk);
            for (unsigned round = 0; round < 80; ++round) {  // once around the log
                for (unsigned i = 0; i < 20; ++i) {
                    std::string path = "/t" + std::to_string(i);
                    ASSERT_TRUE(
                        round % 2
                            ? fs::remove(path)
                            : Result<void>(fs::create(path, NodeType::directory, 0755).error()));
                }
                ASSERT_TRUE(fs::sync());
            }
            for (unsigned i = 0; i < 8; ++i) {
                ASSERT_TRUE(fs::create("/d" + std::to_string(i), NodeType::directory, 0755));
                put(file(i), text(i));
            }
            from = disk.now();
            ASSERT_TRUE(fs::sync());
            put("/d0/x", text(100));
        }
        unsigned replayed = 0, seed = 1;
        auto check = [&](const PowerCutDisk::Cut& cut) {
            Disk after(cut.image);
            ASSERT_TRUE(fs::root());
            EXPECT_EQ(after.file_system().read_only, nullptr);
            replayed += after.machine.logged("transactions") && fs::look_up(file(0));
            for (unsigned i = 0; i < 8; ++i) {
                auto found = fs::look_up(file(i));
                if (!found) continue;
                EXPECT_TRUE(fs_model::read_all(*found.value().node) == text(i)) << i;
            }
            ASSERT_TRUE(fs::sync());
            if (seed == 1) expect_sound(after.disk.data);
        };
        for (; seed <= 6; ++seed) disk.each_flush(seed, check, from);
        EXPECT_GT(replayed, 2u) << image;
    }
}

// Of what commits a transaction the first sector may be all that came to the medium; what was there
// in the log before must not be taken for the rest.
TEST(Ext2Log, MayHoldAnythingBefore)
{
    std::vector<char> bytes = load_image("journal-v3.img");
    {
        Disk replays(bytes);
        bytes = replays.disk.data;
    }
    std::string said = run_checker(bytes, "debugfs -R 'blocks <8>'").output;
    std::istringstream numbers(said.substr(said.find('\n')));
    size_t block = 0, size = 1024, count = 0;
    for (; numbers >> block; ++count) {
        ASSERT_LT((block + 1) * size, bytes.size());
        if (count) memset(&bytes[block * size], 0xa5, size);
    }
    EXPECT_GT(count, 500u) << said;
    PowerCutDisk disk(bytes);
    size_t from = 0;
    {
        Mount mount(disk);
        put("/synced", "content");
        ASSERT_TRUE(fs::sync());
        from = disk.now();
        put("/later", "content");
    }
    auto check = [&](const PowerCutDisk::Cut& cut) {
        Disk after(cut.image);
        EXPECT_EQ(after.file_system().read_only, nullptr);
        ASSERT_TRUE(fs::look_up("/synced"));
        EXPECT_EQ(fs_model::read_all(node("/synced")), "content");
    };
    for (unsigned seed = 1; seed <= 30; ++seed) disk.each_flush(seed, check, from);
}

// What a removed file had may get other contents only when it is known on the medium that the file
// is no more.
TEST(Ext2Log, AFileIsThereUntilItsRemovalHasBeenCommitted)
{
    for (const char* image : {"large-ext3.img", "large-ext4.img"}) {
        PowerCutDisk disk(load_image(image));
        const std::string old = pattern(10'000'000, 1);
        size_t from = 0;
        {
            Mount mount(disk);
            put("/old", old);  // in both groups
            ASSERT_TRUE(fs::sync());
            from = disk.now();
            ASSERT_TRUE(fs::remove("/old"));
            put("/new", std::string(5'000'000, 'n'));
        }
        disk.each_cut(
            5, 1,
            [&](const PowerCutDisk::Cut& cut) {
                Disk after(cut.image);
                auto found = fs::look_up("/old");
                EXPECT_TRUE(!found || fs_model::read_all(*found.value().node) == old) << image;
            },
            from);
    }
}

INSTANTIATE_TEST_SUITE_P(Images, Ext2Faults,
                         testing::Values(CutCase{"cut-ext3.img", true, 0},
                                         CutCase{"cut-ext3.img", true, 24},
                                         CutCase{"cut-ext4.img", true, 0},
                                         CutCase{"cut-ext4-4k.img", true, 24}));

}  // namespace
