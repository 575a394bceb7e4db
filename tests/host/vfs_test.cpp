// SPDX-License-Identifier: BSD-2-Clause
// Following paths (src/fs/vfs.cpp), on a file system of a few lines.
#include <deque>
#include <map>
#include "fakes/machine.h"
#include "fs/volumes.h"
#include "images.h"

namespace {

using fs::NodeType;

struct MemoryNode final : fs::Node {
    std::map<std::string, MemoryNode*, std::less<>> entries;
    std::string target;
    Error broken{};

    Result<size_t> read(uint64_t, std::span<std::byte>) override { return size_t(0); }
    Result<fs::Node*> find(std::string_view name) override
    {
        EXPECT_EQ(type, NodeType::directory);
        EXPECT_TRUE(!name.empty() && name != "." && name != ".." && name.find('/') == name.npos)
            << name;
        if (broken != Error{}) return broken;
        auto found = entries.find(name);
        return found == entries.end() ? static_cast<fs::Node*>(nullptr) : found->second;
    }
    Result<bool> next_entry(uint64_t&, fs::DirectoryEntry&) override { return false; }
    Result<void> read_link(Text<fs::max_path>& into) override
    {
        EXPECT_EQ(type, NodeType::symlink);
        if (broken != Error{}) return broken;
        if (target.size() > into.capacity()) return Error::too_large;
        into.append(target);
        return {};
    }
};

struct MemoryFileSystem final : fs::FileSystem {
    MemoryFileSystem() { top = &add(NodeType::directory); }
    fs::Node& root() override { return *top; }
    Result<void> sync() override { return {}; }
    Result<uint64_t> free_bytes() override { return uint64_t(0); }
    MemoryNode& add(NodeType type)
    {
        nodes.emplace_back().type = type;
        return nodes.back();
    }
    std::deque<MemoryNode> nodes;
    MemoryNode* top;
};

struct LookUp : testing::Test {
    LookUp()
    {
        file = &put(top(), "file", NodeType::file);
        dir = &put(top(), "dir", NodeType::directory);
        sub = &put(*dir, "sub", NodeType::directory);
        deep = &put(*sub, "deep", NodeType::file);
        link(top(), "link", "file");
        link(top(), "dirlink", "dir/sub");
        link(*sub, "up", "../../file");
        link(*sub, "absolute", "/dir");
        link(top(), "slashed", "dir/");
        link(top(), "fileslash", "file/");
    }
    MemoryNode& top() { return *volume.top; }
    MemoryNode& put(MemoryNode& parent, const std::string& name, NodeType type)
    {
        return *(parent.entries[name] = &volume.add(type));
    }
    MemoryNode& link(MemoryNode& parent, const std::string& name, const std::string& target)
    {
        MemoryNode& made = put(parent, name, NodeType::symlink);
        made.target = target;
        return made;
    }
    fs::Node* find(std::string_view path, bool follow = true)
    {
        auto found = fs::look_up(volume, path, follow);
        EXPECT_TRUE(found) << path << ": " << error_text(found.error());
        return found ? found.value() : nullptr;
    }
    Error error(std::string_view path, bool follow = true)
    {
        auto found = fs::look_up(volume, path, follow);
        EXPECT_FALSE(found) << path;
        return found.error();
    }
    FakeMachine machine;
    MemoryFileSystem volume;
    MemoryNode *file, *dir, *sub, *deep;
};

TEST_F(LookUp, Names)
{
    EXPECT_EQ(find("/file"), file);
    EXPECT_EQ(find("file"), file);
    EXPECT_EQ(find("/dir/sub/deep"), deep);
    EXPECT_EQ(find("//dir///sub//deep"), deep);
    EXPECT_EQ(find("/"), &top());
    EXPECT_EQ(find(""), &top());
    EXPECT_EQ(error("/File"), Error::not_found);
    EXPECT_EQ(error("/dir/nothing"), Error::not_found);
    EXPECT_EQ(error("/nothing/deep"), Error::not_found);
}

TEST_F(LookUp, Dots)
{
    EXPECT_EQ(find("."), &top());
    EXPECT_EQ(find("/./dir/./sub/."), sub);
    EXPECT_EQ(find("dir/sub/.."), dir);
    EXPECT_EQ(find("dir/sub/../../file"), file);
    EXPECT_EQ(find("../../.."), &top());
    EXPECT_EQ(find("/../dir/../../dir/sub/deep"), deep);
    EXPECT_EQ(error("dir/..."), Error::not_found);
}

TEST_F(LookUp, TrailingSlashesMeanADirectory)
{
    EXPECT_EQ(find("/dir/"), dir);
    EXPECT_EQ(find("dir/sub///"), sub);
    EXPECT_EQ(error("/file/"), Error::not_directory);
    EXPECT_EQ(error("dir/sub/deep//"), Error::not_directory);
    EXPECT_EQ(error("link/"), Error::not_directory);
    EXPECT_EQ(error("fileslash"), Error::not_directory);
    EXPECT_EQ(find("slashed"), dir);
    EXPECT_EQ(find("slashed/sub"), sub);
}

TEST_F(LookUp, FilesAreNoDirectories)
{
    EXPECT_EQ(error("file/deep"), Error::not_directory);
    EXPECT_EQ(error("file/."), Error::not_directory);
    EXPECT_EQ(error("file/.."), Error::not_directory);
    EXPECT_EQ(error("link/deep"), Error::not_directory);
}

TEST_F(LookUp, RelativeLinks)
{
    EXPECT_EQ(find("link"), file);
    EXPECT_EQ(find("dirlink"), sub);
    EXPECT_EQ(find("dirlink/deep"), deep);
    EXPECT_EQ(find("dirlink/.."), dir);  // where it leads, not where it stands
    EXPECT_EQ(find("dir/sub/up"), file);
    EXPECT_EQ(find("dirlink/up"), file);
    link(*dir, "dot", ".");
    EXPECT_EQ(find("dir/dot/dot/sub"), sub);
    link(*dir, "outside", "../../../../file");
    EXPECT_EQ(find("dir/outside"), file);
}

TEST_F(LookUp, AbsoluteLinks)
{
    EXPECT_EQ(find("dir/sub/absolute"), dir);
    EXPECT_EQ(find("dir/sub/absolute/sub/absolute/sub/deep"), deep);
    EXPECT_EQ(find("dir/sub/absolute/.."), &top());
    link(*sub, "root", "/");
    EXPECT_EQ(find("dir/sub/root"), &top());
    EXPECT_EQ(find("dir/sub/root/file"), file);
}

TEST_F(LookUp, TheLastLinkOnlyIfAsked)
{
    EXPECT_EQ(find("link", false), top().entries["link"]);
    EXPECT_EQ(find("dirlink/up", false), sub->entries["up"]);
    EXPECT_EQ(find("dirlink/", false), sub);  // as if "/." followed
    EXPECT_EQ(find("dirlink/.", false), sub);
    link(top(), "chain", "link");
    EXPECT_EQ(find("chain", false), top().entries["chain"]);
    link(top(), "chaindir", "dirlink/absolute");
    EXPECT_EQ(find("chaindir/sub", false), sub);
}

TEST_F(LookUp, LinksThatLeadNowhere)
{
    link(top(), "dangling", "nothing/here");
    link(top(), "empty", "");
    EXPECT_EQ(error("dangling"), Error::not_found);
    EXPECT_EQ(error("empty"), Error::not_found);
    EXPECT_EQ(find("dangling", false), top().entries["dangling"]);
}

TEST_F(LookUp, LinksAreCounted)
{
    link(top(), "loop", "loop");
    link(top(), "ping", "pong/x");
    link(top(), "pong", "ping/y");
    EXPECT_EQ(error("loop"), Error::too_large);
    EXPECT_EQ(error("ping"), Error::too_large);
    link(top(), "l0", "file");
    for (size_t i = 1; i <= fs::max_link_depth; ++i)
        link(top(), "l" + std::to_string(i), "l" + std::to_string(i - 1));
    EXPECT_EQ(find("l" + std::to_string(fs::max_link_depth - 1)), file);
    EXPECT_EQ(error("l" + std::to_string(fs::max_link_depth)), Error::too_large);
}

TEST_F(LookUp, LongPaths)
{
    std::string path;
    while (path.size() + 2 + 4 <= fs::max_path - 1) path += "./";
    EXPECT_EQ(find(path + "file"), file);
    while (path.size() + 4 < fs::max_path - 1) path += "/";
    EXPECT_EQ(find(path + "file"), file);  // as long as can be
    EXPECT_EQ(error(path + "/file"), Error::too_large);

    // A link's text and what is behind it must fit too.
    std::string dots;
    while (dots.size() < 3000) dots += "./";
    link(top(), "long", dots + "dir");
    EXPECT_EQ(find("long/sub/deep"), deep);
    EXPECT_EQ(error("long/" + dots.substr(0, 2000)), Error::too_large);
    link(top(), "full", dots + std::string(fs::max_path - 1 - dots.size() - 3, '/') + "dir");
    EXPECT_EQ(find("full"), dir);
    EXPECT_EQ(error("full/sub"), Error::too_large);
}

TEST_F(LookUp, DeepPaths)
{
    MemoryNode* here = &top();
    for (int i = 0; i < 300; ++i) here = &put(*here, "d", NodeType::directory);
    auto path = [](int depth) {
        std::string text;
        while (depth--) text += "/d";
        return text;
    };
    EXPECT_NE(find(path(255)), nullptr);
    EXPECT_EQ(error(path(256)), Error::too_large);
    std::string back_and_forth;
    for (int i = 0; i < 500; ++i) back_and_forth += "/d/..";
    EXPECT_EQ(find(back_and_forth), &top());
}

TEST_F(LookUp, ErrorsOfTheFileSystem)
{
    sub->broken = Error::corrupt;
    EXPECT_EQ(error("dir/sub/deep"), Error::corrupt);
    EXPECT_EQ(find("dir/sub"), sub);
    top().entries["link"]->broken = Error::device;
    EXPECT_EQ(error("link"), Error::device);
    EXPECT_NE(find("link", false), nullptr);
}

TEST(Mount, OfWhatNobodyKnowsLeavesNothingBehind)
{
    FakeMachine machine;
    ImageDevice blank(std::vector<char>(1 << 20));
    size_t before = FakeHeap::live();
    EXPECT_EQ(fs::mount(blank).error(), Error::not_found);
    EXPECT_EQ(FakeHeap::live(), before);
}

TEST(Mount, WithoutMemory)
{
    FakeMachine machine;
    ImageDevice blank(std::vector<char>(1 << 20));
    for (int allocations = 0; allocations < 3; ++allocations) {
        size_t before = FakeHeap::live();
        FakeHeap::fail_after = allocations;
        EXPECT_EQ(fs::mount(blank).error(), Error::no_memory);
        FakeHeap::fail_after = -1;
        EXPECT_EQ(FakeHeap::live(), before);
    }
}

}  // namespace
