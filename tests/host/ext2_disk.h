// SPDX-License-Identifier: BSD-2-Clause
// What the tests of written ext2, ext3 and ext4 volumes have in common.
#pragma once
#include <map>
#include <sstream>
#include "fs/volumes.h"
#include "fs_model.h"
#include "images.h"
#include "lib/bytes.h"
#include "power_cut.h"

namespace fs {
extern const FileSystemDriver ext2;
}

namespace ext2_disk {

using fs::NodeType;

// What e2fsck finds, without changing anything.
inline void expect_sound(const std::vector<char>& image, const std::string& command = "e2fsck -fn")
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

inline fs::Node& node(const std::string& path, bool follow = true)
{
    auto found = fs::look_up(path, follow);
    EXPECT_TRUE(found) << path << ": " << error_text(found.error());
    return *found.value().node;
}

inline void put(const std::string& path, std::string_view text, uint64_t offset = 0)
{
    if (!fs::look_up(path)) {
        auto made = fs::create(path, NodeType::file, 0644);
        ASSERT_TRUE(made) << path << ": " << error_text(made.error());
    }
    auto written = node(path).write(offset, std::as_bytes(std::span(text)));
    ASSERT_TRUE(written) << path << ": " << error_text(written.error());
    ASSERT_EQ(written.value(), text.size());
}

inline std::string pattern(size_t size, unsigned seed)
{
    std::string text(size, 0);
    for (size_t i = 0; i < size; ++i) text[i] = char(seed + i * 7 + (i >> 8));
    return text;
}

inline std::string name_of(const testing::TestParamInfo<const char*>& info)
{
    std::string name = info.param;
    name.resize(name.find('.'));
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
}

// What e2fsck says of a volume without a journal: only that space is lost, or counted wrong. It
// counts the ".." of directories that no name leads to.
inline void expect_lost_space_at_most(const std::string& output)
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
             {"Entry '..' in ...", "should be <The NULL inode>", "differences", "count wrong",
              "nattached", "ref count", "i_blocks is", "i_size is", "dtime", "nconnected"})
            harmless |= (line + before).find(known) != std::string::npos;
        EXPECT_TRUE(harmless) << line << "\n" << output;
        // What is in use counts as such; and what the map has behind the end is only more.
        bool is_bitmap = before.find("differences") != before.npos;
        EXPECT_TRUE(!is_bitmap || before.find(" +") == before.npos) << output;
        if (size_t at = line.find("i_size is "); at != line.npos) {
            unsigned long long size = 0, mapped = 0;
            sscanf(line.c_str() + at, "i_size is %llu, should be %llu", &size, &mapped);
            EXPECT_LT(size, mapped) << output;
        }
        before.clear();
    }
}

// Where directories have indexes, names may also be there twice, in the old leaf and in the new
// one: e2fsck makes one of them, and the index anew. Of a name that was removed and made again
// meanwhile it keeps both files.
inline void expect_mended(const std::vector<char>& image)
{
    auto checked = run_checker(image, "sh -c 'e2fsck -fy $0; e2fsck -fn $0'");
    EXPECT_EQ(checked.status, 0) << checked.output;
}

// And with one, when that has been replayed: only that removed files are freed that were open, or
// being freed. `e2fsck -p` says what it mends.
inline void expect_orphans_at_most(const Checked& checked)
{
    EXPECT_LE(checked.status, 1) << checked.output;
    std::istringstream lines(checked.output);
    for (std::string line; std::getline(lines, line);) {
        bool good = false;
        for (const char* known : {": recovering journal", ": Clearing orphaned inode",
                                  ": Truncating orphaned inode", " files (", "orphaned inodes"})
            good |= line.find(known) != line.npos;
        EXPECT_TRUE(good) << line << "\n" << checked.output;
    }
}

}  // namespace ext2_disk
