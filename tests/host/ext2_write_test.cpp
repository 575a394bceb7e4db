// SPDX-License-Identifier: BSD-2-Clause
// ext2, ext3 and ext4 as they are written: beside a model, looked at by e2fsck, and with the power
// cut at any moment.
#include <map>
#include <random>
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
    explicit Disk(const std::string& image) : disk(ImageDevice::load(image)) { publish_as(disk, "wd0"); start(); }
    explicit Disk(std::vector<char> image) : disk(std::move(image)) { publish_as(disk, "wd0"); start(); }
    void start()
    {
        auto mounted = fs::mount(disk);
        EXPECT_TRUE(mounted) << error_text(mounted.error());
        fs::set_root(mounted ? mounted.value() : nullptr);
    }
    ~Disk()
    {
        for (size_t i = 0; testing::Test::HasFailure() && i < machine.log.size(); ++i)
            ADD_FAILURE() << machine.log[i];
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

const char* const writable[] = {"ext2-1k.img", "ext2-2k.img",  "ext2-4k.img",      "ext2-64k.img",
                                "ext2-r0.img", "ext3.img",     "ext4.img",         "ext4-gdt.img",
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

}  // namespace
