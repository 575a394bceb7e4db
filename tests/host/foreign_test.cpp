// SPDX-License-Identifier: BSD-2-Clause
// Images that others test their own tools with, most of them broken: each is mounted, or it is said
// why not; all of it can be looked at and written to, in bounded time.
#include <gtest/gtest.h>
#include <fstream>
#include <set>
#include <sstream>
#include "fs/open_file.h"
#include "fs/volumes.h"
#include "images.h"

namespace {

using fs::NodeType;

struct Foreign {
    std::string file, type, label;  // as blkid has it; "?": it does not know, or was not asked
};

std::vector<Foreign> images_of(const std::string& origin)
{
    std::ifstream list(VESPER_IMAGES "/foreign/list");
    std::vector<Foreign> images;
    for (std::string line; std::getline(list, line);) {
        Foreign image;
        std::istringstream words(line);
        std::getline(words, image.file, ' ');
        std::getline(words, image.type, ' ');
        std::getline(words, image.label);
        if (image.file.starts_with(origin)) images.push_back(image);
    }
    return images;
}

struct ForeignVolume {
    explicit ForeignVolume(const Foreign& image) : disk(ImageDevice::load("foreign/" + image.file))
    {
        publish_as(disk, "wd0a");
        auto mounted = fs::mount(disk);
        error = mounted.error();
        if (!mounted) return;
        fs::set_root(mounted.value());
        system = mounted.value()->file_system;
    }
    ~ForeignVolume()
    {
        fs::close_all();
        fs::set_root(nullptr);
        while (fs::Volume* volume = fs::first_volume()) {
            if (!fs::unmount(*volume)) disk.goes = true;  // what cannot be written is given up
        }
    }

    // Everything that there is, as far as it can be reached.
    void look_at_all()
    {
        std::vector<fs::Node*> left = {&system->root()};
        std::set<fs::Node*> seen;
        std::vector<std::byte> some(100'000);
        while (!left.empty() && seen.size() < 10'000) {
            fs::Node* node = left.back();
            left.pop_back();
            if (!seen.insert(node).second) continue;
            Text<fs::max_path> target;
            if (node->type == NodeType::symlink) (void)node->read_link(target);
            if (node->type == NodeType::file) {
                (void)node->read(0, some);
                if (node->size > some.size()) (void)node->read(node->size - some.size(), some);
            }
            if (node->type == NodeType::directory) look_into(*node, left);
        }
        nodes = seen.size();
    }
    // Looks up the first entries, and then some: without an index each costs a whole reading.
    void look_into(fs::Node& directory, std::vector<fs::Node*>& found)
    {
        fs::DirectoryEntry entry;
        uint64_t position = 0;
        for (unsigned i = 0; i < 20'000; ++i) {
            auto more = directory.next_entry(position, entry);
            if (!more || !more.value()) return;
            if (i >= 200 && i % 256) continue;
            auto node = directory.find(entry.name);
            if (node && node.value()) found.push_back(node.value());
        }
    }
    void write_somewhat()
    {
        std::vector<std::byte> some(70'000, std::byte{'v'});
        for (const char* path : {"/vesper", "/lost+found/vesper"}) {
            auto made = fs::create(path, NodeType::file, 0644);
            if (!made) continue;
            (void)made.value()->write(1000, some);
            (void)fs::sync();
            (void)fs::remove(path);
        }
        (void)fs::create("/directory", NodeType::directory, 0755);
        (void)fs::sync();
    }

    FakeMachine machine;
    ImageDevice disk;
    Error error = {};
    fs::FileSystem* system = nullptr;
    size_t nodes = 0;
};

TEST(Foreign, ImagesOfE2fsprogsAreSurvived)
{
    auto images = images_of("e2fsprogs-");
    ASSERT_GT(images.size(), 200u);
    size_t mounted = 0, nodes = 0;
    for (const Foreign& image : images) {
        SCOPED_TRACE(image.file);
        ForeignVolume volume(image);
        if (!volume.system) {
            if (volume.error != Error::not_found) EXPECT_FALSE(volume.machine.log.empty());
            continue;
        }
        ++mounted;
        volume.look_at_all();
        nodes += volume.nodes;
        if (!volume.system->read_only) volume.write_somewhat();
        EXPECT_LT(volume.disk.blocks_read, 20 * volume.disk.blocks + 500'000);
    }
    EXPECT_GT(mounted, images.size() / 2);
    EXPECT_GT(nodes, 10 * mounted);
}

// The API has room for 31 bytes. FAT's are in a code page that blkid does not know: it has the
// bytes as they are.
void expect_label(std::string_view ours, std::string theirs)
{
    for (size_t at; (at = theirs.find("å")) != theirs.npos;) theirs.replace(at, 2, "σ");
    EXPECT_TRUE(theirs.starts_with(ours)) << ours << ", not " << theirs;
    EXPECT_GE(ours.size(), std::min<size_t>(theirs.size(), 31));
}

// What blkid recognises we do, and it has the label that blkid finds.
TEST(Foreign, ImagesOfUtilLinuxAreWhatBlkidSays)
{
    const std::map<std::string, std::string> ours = {
        {"vfat", "fat"}, {"exfat", "exfat"}, {"iso9660", "iso9660"}, {"udf", "udf"},
        {"ext2", "ext"}, {"ext3", "ext"},    {"ext4", "ext"},        {"ufs", "ffs"}};
    // Their superblocks are of larger volumes: blkid needs no more than these.
    const std::set<std::string> cut_short = {"util-linux-ufs.img", "util-linux-fat16_noheads.img"};
    // One for disks with blocks of 512 bytes, which this one is, and one for blocks of 4096 bytes.
    const std::string two_volumes = "util-linux-udf-hdd-mkudffs-1.3-7.img";
    size_t mounted = 0;
    auto images = images_of("util-linux-");
    ASSERT_GT(images.size(), 90u);
    for (const Foreign& image : images) {
        SCOPED_TRACE(image.file);
        ForeignVolume volume(image);
        auto known = ours.find(image.type);
        if (known == ours.end()) {
            EXPECT_TRUE(image.type == "?" || !volume.system) << image.type;
            continue;
        }
        if (cut_short.contains(image.file)) {
            EXPECT_TRUE(volume.machine.logged(" bytes"));
            continue;
        }
        if (!volume.system) {
            ADD_FAILURE() << error_text(volume.error);
            for (auto& line : volume.machine.log) printf("%s\n", line.c_str());
            continue;
        }
        if (image.file != two_volumes) expect_label(volume.system->label.view(), image.label);
        EXPECT_TRUE(std::string(volume.system->type).starts_with(known->second))
            << volume.system->type;
        volume.look_at_all();
        ++mounted;
    }
    EXPECT_GT(mounted, 40u);
}

}  // namespace
