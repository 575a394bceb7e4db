// SPDX-License-Identifier: BSD-2-Clause
// ext2, ext3 and ext4 as they are written: beside a model, looked at by e2fsck, and with the power
// cut at any moment.
#include <map>
#include <random>
#include <sstream>
#include "fs/volumes.h"
#include "fs_model.h"
#include "images.h"
#include "lib/bytes.h"
#include "power_cut.h"

namespace fs {
extern const FileSystemDriver ext2;
}

namespace {

using fs::NodeType;

// What e2fsck finds, without changing anything.
void expect_sound(const std::vector<char>& image, const std::string& command = "e2fsck -fn")
{
    auto checked = run_checker(image, command);
    EXPECT_EQ(checked.status, 0) << checked.output;
}

struct Disk {
    explicit Disk(const std::string& image) : disk(ImageDevice::load(image))
    {
        publish_as(disk, "wd0");
        start();
    }
    explicit Disk(std::vector<char> image) : disk(std::move(image))
    {
        publish_as(disk, "wd0");
        start();
    }
    void start()
    {
        auto mounted = fs::mount(disk);
        EXPECT_TRUE(mounted) << error_text(mounted.error());
        fs::set_root(mounted ? mounted.value() : nullptr);
    }
    ~Disk()
    {
        for (size_t i = 0; testing::Test::HasFailure() && i < machine.log.size(); ++i)
            fprintf(stderr, "%s\n", machine.log[i].c_str());
        fs::close_all();
        fs::set_root(nullptr);
        while (fs::first_volume() && fs::unmount(*fs::first_volume())) {}
    }
    void mount_again()
    {
        fs::set_root(nullptr);
        auto unmounted = fs::unmount(*fs::first_volume());
        ASSERT_TRUE(unmounted) << error_text(unmounted.error());
        start();
    }
    fs::FileSystem& file_system() { return *fs::root()->file_system; }
    FakeMachine machine;
    ImageDevice disk;
};

fs::Node& node(const std::string& path, bool follow = true)
{
    auto found = fs::look_up(path, follow);
    EXPECT_TRUE(found) << path << ": " << error_text(found.error());
    return *found.value().node;
}

void put(const std::string& path, std::string_view text, uint64_t offset = 0)
{
    if (!fs::look_up(path)) {
        auto made = fs::create(path, NodeType::file, 0644);
        ASSERT_TRUE(made) << path << ": " << error_text(made.error());
    }
    auto written = node(path).write(offset, std::as_bytes(std::span(text)));
    ASSERT_TRUE(written) << path << ": " << error_text(written.error());
    ASSERT_EQ(written.value(), text.size());
}

std::string pattern(size_t size, unsigned seed)
{
    std::string text(size, 0);
    for (size_t i = 0; i < size; ++i) text[i] = char(seed + i * 7 + (i >> 8));
    return text;
}

const char* const writable[] = {"ext2-1k.img",      "ext2-2k.img",  "ext2-4k.img", "ext2-64k.img",
                                "ext2-r0.img",      "ext3.img",     "ext4.img",    "ext4-gdt.img",
                                "ext4-sparse2.img", "ext4-meta.img"};

std::string name_of(const testing::TestParamInfo<const char*>& info)
{
    std::string name = info.param;
    name.resize(name.find('.'));
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
}

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

    void run(unsigned rounds, unsigned steps)
    {
        for (int i = 0; i < 3; ++i)
            ASSERT_TRUE(fs::create("/d" + std::to_string(i), NodeType::directory, 0755));
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
    std::string some_path()
    {
        std::string name = "/d" + std::to_string(pick(3)) + "/file " + std::to_string(pick(60));
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

// What e2fsck says of a volume without a journal: only that space is lost, or counted wrong. It
// counts the ".." of directories that no name leads to.
void expect_lost_space_at_most(const std::string& output)
{
    std::istringstream lines(output);
    std::string before;
    std::map<unsigned, unsigned> lost_children;
    for (std::string line; std::getline(lines, line);) {
        unsigned is = 0, should = 0, lost = 0, number = 0;
        if (size_t at = line.find(") is "); line.starts_with("'..' in ... (") && at != line.npos)
            sscanf(line.c_str() + line.rfind('(', line.rfind(", should")), "(%u)", &lost);
        if (lost) ++lost_children[lost];
        size_t refs = line.find("ref count is ");
        if (refs != line.npos &&
            sscanf(line.c_str() + refs, "ref count is %u, should be %u", &is, &should) == 2) {
            sscanf(line.c_str(), "Inode %u", &number);
            EXPECT_GE(is + lost_children[number], should) << output;
        }
        if (line.find("? no") == line.npos) {
            before = line;
            continue;
        }
        std::string what = line.substr(0, line.find("  ")) + before;
        bool harmless = false;
        for (const char* known :
             {"should be <The NULL inode>", "differences", "count wrong", "nattached", "ref count",
              "i_blocks is", "i_size is", "dtime", "nconnected", "Padding"})
            harmless |= (line + before).find(known) != std::string::npos;
        EXPECT_TRUE(harmless) << line << "\n" << output;
        before.clear();
    }
}

struct CutCase {
    const char* image;
    bool has_journal;
    size_t lines;  // of the cache; 0: as many as it likes
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

TEST_P(Ext2PowerCut, LosesNothing)
{
    auto [image, has_journal, limit] = GetParam();
    PowerCutDisk disk(load_image(image));
    Workload workload(disk, 3);
    {
        FakeMachine machine;
        publish_as(disk, "wd0");
        fs::Volume* volume = fs::mount(disk).value();
        if (limit) volume->cache->set_limit(limit);
        fs::set_root(volume);
        workload.run(8, 25);
        fs::set_root(nullptr);
        ASSERT_TRUE(fs::unmount(*volume));
    }
    disk.each_cut(cuts(80), 1, [&](const PowerCutDisk::Cut& cut) {
        auto state = workload.states.rbegin();
        while (state != workload.states.rend() && state->moment > cut.moment) ++state;
        if (!has_journal) expect_lost_space_at_most(run_checker(cut.image, "e2fsck -fn").output);
        if (has_journal && cut.moment % 2)
            expect_sound(cut.image, "sh -c 'e2fsck -p $0; [ $? -le 1 ] && e2fsck -fn $0'");
        Disk after(cut.image);
        if (state != workload.states.rend()) expect_state(*state, " as it is");
        ASSERT_TRUE(fs::create("/new", NodeType::file, 0644));
        ASSERT_TRUE(fs::sync());
        if (has_journal) expect_sound(after.disk.data);
        if (state != workload.states.rend()) expect_state(*state, " later");
    });
}

INSTANTIATE_TEST_SUITE_P(
    Images, Ext2PowerCut,
    testing::Values(CutCase{"cut-ext2.img", false, 0}, CutCase{"cut-ext2.img", false, 12},
                    CutCase{"cut-ext2-4k.img", false, 0}, CutCase{"cut-ext3.img", true, 0},
                    CutCase{"cut-ext3.img", true, 24}, CutCase{"cut-ext4.img", true, 0},
                    CutCase{"cut-ext4-4k.img", true, 24}));

}  // namespace
