// SPDX-License-Identifier: BSD-2-Clause
// ext2, ext3 and ext4 as they are written: beside a model, looked at by e2fsck, and with the power
// cut at any moment.
#include <random>
#include "ext2_disk.h"

namespace {

using namespace ext2_disk;

const char* const writable[] = {"ext2-1k.img",      "ext2-2k.img",  "ext2-4k.img", "ext2-64k.img",
                                "ext2-r0.img",      "ext3.img",     "ext4.img",    "ext4-gdt.img",
                                "ext4-sparse2.img", "ext4-meta.img"};

struct Ext2Writing : testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Images, Ext2Writing, testing::ValuesIn(writable), name_of);

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
    ASSERT_TRUE(fs::create("/top", NodeType::directory, 0755));
    fs_model::RandomOperations* running = nullptr;
    fs_model::Options options;
    options.prefix = options.link_prefix = "/top";
    options.compare_every = 10;
    options.pause_every = 150;
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

// ---- The power goes

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
        for (unsigned round = 0; round < rounds; ++round) {
            ASSERT_TRUE(fs::sync());
            states.push_back({disk_.now(), files_, {}});
            for (unsigned i = 0; i < steps; ++i) ASSERT_NO_FATAL_FAILURE(step());
        }
        ASSERT_TRUE(fs::sync());
        states.push_back({disk_.now(), files_, {}});
    }
    std::vector<State> states;

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
    void write(const std::string& path)
    {
        std::string& file = files_[touch(path)];
        size_t offset = pick(3) ? file.size() : pick(unsigned(file.size()) + 5000);
        std::string text = pattern(pick(pick(4) ? 3000 : 60'000), random_());
        ASSERT_NO_FATAL_FAILURE(put(path, text, offset));
        if (text.empty()) return;
        file.resize(std::max(file.size(), offset + text.size()));
        file.replace(offset, text.size(), text);
    }
    void step()
    {
        if (files_.empty() || pick(3) == 0) return write(some_path());
        std::string path = std::next(files_.begin(), pick(unsigned(files_.size())))->first;
        std::string other = some_path();
        switch (pick(7)) {
        case 0:
            ASSERT_TRUE(fs::remove(touch(path)));
            files_.erase(path);
            break;
        case 1:
        case 2:
            if (path == other) break;
            ASSERT_TRUE(fs::rename(touch(path), touch(other)));
            files_[other] = files_[path];
            files_.erase(path);
            break;
        case 3:
            files_[touch(path)].resize(pick(20'000));
            ASSERT_TRUE(node(path).truncate(files_[path].size()));
            break;
        case 4: {  // a directory comes and goes
            std::string folder = "/d0/folder" + std::to_string(pick(4));
            if (fs::create(folder, NodeType::directory, 0755)) break;
            ASSERT_TRUE(fs::remove(folder));
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
        FakeMachine machine;
        publish_as(disk, "wd0");
        fs::Volume* volume = fs::mount(disk).value();
        if (test.lines) volume->cache->set_limit(test.lines);
        fs::set_root(volume);
        workload.run(8, 25, test.small_files);
        fs::set_root(nullptr);
        ASSERT_TRUE(fs::unmount(*volume));
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

INSTANTIATE_TEST_SUITE_P(
    Images, Ext2PowerCut,
    testing::Values(CutCase{"cut-ext2.img", false, 0}, CutCase{"cut-ext2-index.img", false, 0, 200},
                    CutCase{"cut-ext2.img", false, 12}, CutCase{"cut-ext2-4k.img", false, 0},
                    CutCase{"cut-ext3.img", true, 24}, CutCase{"cut-ext4.img", true, 0},
                    CutCase{"cut-ext4-4k.img", true, 24}, CutCase{"journal-v2.img", true, 24},
                    CutCase{"journal-v3.img", true, 0, 200}));

}  // namespace
