// SPDX-License-Identifier: BSD-2-Clause
// Many files where the kernel has little memory: nodes that nobody uses are given up.
#include "fs/open_file.h"
#include "fs_model.h"
#include "made_volume.h"
#include "power_cut.h"

namespace {

using fs::NodeType;

struct ManyFiles : testing::TestWithParam<MadeVolume> {
    ManyFiles() : disk(GetParam().make())
    {
        publish_as(disk, "wd0");
        mount();
    }
    ~ManyFiles() override
    {
        fs::close_all();
        unmount();
    }
    void mount()
    {
        fs::Volume* volume = fs::mount(disk).value();
        volume->cache->set_limit(32);
        fs::set_root(volume);
        FakeHeap::total = FakeHeap::used + (size_t{512} << 10);
    }
    void unmount()
    {
        FakeHeap::total = size_t{1} << 30;
        fs::Volume* volume = fs::root();
        fs::set_root(nullptr);
        ASSERT_TRUE(fs::unmount(*volume));
        auto checked = run_checker(disk.data, GetParam().checker);
        EXPECT_EQ(checked.status, 0) << checked.output;
    }
    static std::string name(unsigned number) { return "/many/F" + std::to_string(number); }
    static size_t listed() { return fs_model::list(*fs::look_up("/many").value().node).size(); }
    static std::string text(unsigned number)
    {
        return number % 3 ? "" : "file " + std::to_string(number);
    }
    static void make(unsigned number)
    {
        auto made = fs::create(name(number), NodeType::file, 0644);
        ASSERT_TRUE(made) << number << ": " << error_text(made.error());
        std::string content = text(number);
        if (content.empty()) return;
        ASSERT_TRUE(made.value()->write(0, std::as_bytes(std::span(content))));
    }
    FakeMachine machine;
    ImageDevice disk;
};

TEST_P(ManyFiles, AreMadeFoundAndRemovedInLittleMemory)
{
    constexpr unsigned count = 2000;
    ASSERT_TRUE(fs::create("/many", NodeType::directory, 0755));
    ASSERT_NO_FATAL_FAILURE(make(0));
    auto kept = fs::open(name(0), fs::open_read);
    ASSERT_TRUE(kept);
    const fs::Node* node = &fs::open_file(kept.value())->node();
    for (unsigned i = 1; i < count; ++i) ASSERT_NO_FATAL_FAILURE(make(i));
    EXPECT_EQ(listed(), count);
    EXPECT_EQ(fs::look_up(name(0)).value().node, node) << "it is open";
    for (bool again : {false, true}) {
        for (unsigned i = 0; i < count; ++i) {
            auto found = fs::look_up(name(i));
            ASSERT_TRUE(found) << i << ": " << error_text(found.error());
            ASSERT_EQ(fs_model::read_all(*found.value().node), text(i)) << i;
        }
        fs::close_all();
        if (again) break;
        ASSERT_NO_FATAL_FAILURE(unmount());
        mount();
    }
    for (unsigned i = 0; i < count; ++i) {
        auto removed = fs::remove(name(i));
        ASSERT_TRUE(removed) << i << ": " << error_text(removed.error());
    }
    EXPECT_EQ(listed(), 0u);
}

INSTANTIATE_TEST_SUITE_P(
    On, ManyFiles,
    testing::Values(
        MadeVolume{"ext2", 24, "mke2fs -q -F -t ext2 -N 3000 $0", "e2fsck -fn"},
        MadeVolume{"ext4", 24, "mke2fs -q -F -t ext4 -N 3000 $0", "e2fsck -fn"},
        MadeVolume{
            "ffs2", 24,
            "mkdir $0.d && makefs -t ffs -s 24m -o version=2,density=4096 $0 $0.d; rmdir $0.d",
            "/usr/bin/python3 -B " VESPER_TESTS "/ffs_check.py"},
        MadeVolume{"fat32", 24, "mkfs.fat -F 32 -s 1 $0", "fsck.fat -n"},
        MadeVolume{"exfat", 24, "mkfs.exfat -c 4K $0", "fsck.exfat -n"}),
    [](auto& info) { return info.param.name; });

}  // namespace
