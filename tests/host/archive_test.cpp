// SPDX-License-Identifier: BSD-2-Clause
// Boot modules: as disks (md), and as archives that are volumes in RAM.
#include <gmock/gmock.h>
#include "fs/volumes.h"
#include "mounted.h"

extern const Driver md;

namespace {
using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

// A module in memory, and the disk md0 that it is.
struct Module {
    explicit Module(const std::string& file) : Module(ImageDevice::load(file).data, file) {}
    explicit Module(std::vector<char> content, const std::string& name = "module")
        : bytes(std::move(content))
    {
        module.start = reinterpret_cast<uintptr_t>(bytes.data());
        module.bytes = bytes.size();
        module.name.append(name);
        const Driver* driver = &md;
        taken = Device::offer(Device::root(), Device::on_loader(module), {&driver, 1});
    }
    ~Module() { fs::set_root(nullptr); }
    Error mount()
    {
        auto mounted = fs::volume("md0");
        if (mounted) fs::set_root(mounted.value());
        return mounted.error();
    }
    static fs::Node& node(std::string_view path, bool follow = true)
    {
        auto found = fs::look_up(path, follow);
        if (!found) throw std::runtime_error("no " + std::string(path));
        return *found.value().node;
    }
    static std::vector<std::byte> content(std::string_view path)
    {
        fs::Node& file = node(path);
        std::vector<std::byte> all(file.size + 10);
        all.resize(file.read(0, all).value());
        return all;
    }
    static std::string text(std::string_view path)
    {
        auto all = content(path);
        return {reinterpret_cast<const char*>(all.data()), all.size()};
    }
    static std::string link(std::string_view path)
    {
        Text<fs::max_path> target;
        EXPECT_TRUE(node(path, false).read_link(target));
        return std::string(target.view());
    }
    static std::vector<std::string> list(std::string_view path)
    {
        std::vector<std::string> names;
        fs::DirectoryEntry entry;
        for (uint64_t at = 0; node(path).next_entry(at, entry).value();)
            names.emplace_back(entry.name.view());
        return names;
    }
    static void write(fs::Node& file, uint64_t at, std::string_view text)
    {
        ASSERT_EQ(file.write(at, std::as_bytes(std::span(text))).value(), text.size());
    }
    FakeMachine machine;
    std::vector<char> bytes;
    BootModule module;
    bool taken = false;
};

TEST(Md, IsADiskOfAModule)
{
    Module module("part-mbr.img");
    ASSERT_TRUE(module.taken);
    BlockDevice& disk = *find_block_device("md0");
    EXPECT_EQ(disk.model.view(), "part-mbr.img");
    EXPECT_EQ(disk.blocks, 16384u);
    EXPECT_TRUE(module.machine.logged("md0 at mainbus0: <part-mbr.img>, 8388608 bytes"));
    std::vector<std::byte> block(512, std::byte{7});
    ASSERT_TRUE(disk.write(5, 1, block.data()));
    EXPECT_EQ(module.bytes[5 * 512 + 511], 7);
    block[0] = {};
    ASSERT_TRUE(disk.read(5, 1, block.data()));
    EXPECT_EQ(block[0], std::byte{7});
    EXPECT_TRUE(disk.flush());
    EXPECT_EQ(disk.read(16384, 1, block.data()).error(), Error::invalid);
    EXPECT_EQ(module.mount(), Error::not_found);
}

TEST(Md, HoldsAnyFileSystem)
{
    Module module("iso-small.iso");
    ASSERT_EQ(module.mount(), Error{});
    EXPECT_EQ(module.content("two"), expected_content("two", 3000));
}

TEST(Md, MayBeSmallerThanABlock)
{
    Module module(std::vector<char>(100, 'x'));
    EXPECT_EQ(find_block_device("md0")->blocks, 0u);
    EXPECT_EQ(module.mount(), Error::not_found);
}

class Archives : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Archive, Archives,
                         testing::Values("ustar.tar", "gnu.tar", "pax.tar", "newc.cpio", "crc.cpio",
                                         "odc.cpio"));

TEST_P(Archives, HaveAllFilesAndLinks)
{
    std::string name = GetParam();
    Module module("archive-" + name);
    ASSERT_EQ(module.mount(), Error{}) << module.machine.log.back();
    EXPECT_EQ(fs::root()->file_system->type, name.substr(name.find('.') + 1));
    EXPECT_EQ(fs::root()->file_system->read_only, nullptr);
    std::map<std::string, size_t> files = {
        {"kexec", 32768},
        {"empty", 0},
        {"hello.txt", 13},
        {"block", 4096},
        {"odd", 5000},
        {"medium", 300'000},
        {"dir/sub/deep.txt", 100},
        {"many/file123", 123},
        {"A long name with spaces, and more than thirteen characters.text", 1000}};
    for (auto& [path, size] : files) {
        auto last = path.substr(path.rfind('/') + 1);
        EXPECT_EQ(module.content(path), expected_content(last, size)) << path;
    }
    EXPECT_EQ(module.list("many").size(), 300u);
    EXPECT_EQ(module.link("dir/up"), "../hello.txt");
    if (name != "ustar.tar") {
        bool cpio = name.ends_with("cpio");  // it shortens a link that begins with "./"
        EXPECT_EQ(module.link("longlink").size(), cpio ? 9u : 209u);
    }
    EXPECT_EQ(&module.node("medium"), &module.node("second name"));
    EXPECT_EQ(module.node("medium").links, 2u);
    EXPECT_EQ(module.node("hello.txt").mode, 04711);
    EXPECT_EQ(module.node("hello.txt").modified_s, 1234567890);
    EXPECT_TRUE(module.machine.logged("fifo: left out"));
}

TEST_P(Archives, AreNotCopied)
{
    Module module(std::string("archive-") + GetParam());
    size_t before = FakeHeap::used;
    ASSERT_EQ(module.mount(), Error{});
    // 330 names, and the volume's cache of 256 KiB.
    EXPECT_LT(FakeHeap::used - before, 400'000u);
}

TEST(Archive, HasLongNames)
{
    std::string long_name = "long long long long long long long long long long long long ";
    for (int i = 0; i < 20; ++i) long_name += i ? "name " : "/name ";
    std::string longer;
    for (int i = 0; i < 5; ++i) longer += std::string(60, 'd') + "/";
    longer += std::string(120, 'l');
    auto last = long_name.substr(long_name.rfind('/') + 1);
    for (std::string kind : {"ustar", "gnu", "pax"}) {
        Module module("archive-" + kind + ".tar");
        ASSERT_EQ(module.mount(), Error{});
        EXPECT_EQ(module.content(long_name), expected_content(last, 500)) << kind;
        if (kind == "ustar") continue;
        EXPECT_EQ(module.content(longer), expected_content(std::string(120, 'l'), 400)) << kind;
        EXPECT_EQ(module.link("to a longer one"), longer);
    }
}

TEST(Archive, OfAnOldTar)
{
    Module module("archive-v7.tar");
    ASSERT_EQ(module.mount(), Error{});
    EXPECT_EQ(module.content("file"), expected_content("file", 600));
    EXPECT_EQ(&module.node("link"), &module.node("file"));
    EXPECT_EQ(module.node("d").type, fs::NodeType::directory);
}

TEST(Archive, IsWrittenInMemory)
{
    Module module("archive-ustar.tar");
    ASSERT_EQ(module.mount(), Error{});
    auto before = module.bytes;
    fs::Node& file = module.node("medium");
    auto expected = expected_content("medium", 300'000);
    auto change = [&](size_t at, std::string text) {
        module.write(file, at, text);
        if (expected.size() < at + text.size()) expected.resize(at + text.size());
        memcpy(&expected[at], text.data(), text.size());
        EXPECT_EQ(module.content("medium"), expected) << at;
    };
    change(5000, "one");
    change(4094, std::string(9000, 'x'));
    change(299'999, "beyond the end");
    change(400'000, "far beyond the end");
    ASSERT_TRUE(file.truncate(100'001));
    ASSERT_TRUE(file.truncate(200'000));
    expected.resize(100'001);
    expected.resize(200'000);
    EXPECT_EQ(module.content("medium"), expected);
    change(100'100, "in what was cut off");
    EXPECT_TRUE(fs::remove("/block"));
    EXPECT_TRUE(fs::rename("/odd", "/even"));
    EXPECT_EQ(module.content("even"), expected_content("odd", 5000));
    auto made = fs::create("/new", fs::NodeType::file, 0644);
    ASSERT_TRUE(made);
    module.write(*made.value(), 0, "text");
    EXPECT_EQ(module.text("/new"), "text");
    EXPECT_EQ(module.bytes, before);
}

TEST(Archive, EndsWithItsVolume)
{
    Module module("archive-small.tar");
    size_t before = FakeHeap::live();
    ASSERT_TRUE(fs::volume("md0"));
    ASSERT_TRUE(fs::unmount(*fs::volume("md0").value()));
    EXPECT_EQ(FakeHeap::live(), before);
}

// ---- what is not as it should be

TEST(Archive, PackedOnesAreRefused)
{
    Module module("archive-packed.tar");
    EXPECT_EQ(module.mount(), Error::unsupported);
    EXPECT_THAT(module.machine.log,
                testing::Contains("md0: packed by gzip: unpack it before it is loaded"));
}

TEST(Archive, SparseFilesAreLeftOut)
{
    for (auto file : {"archive-sparse.tar", "archive-sparse-pax.tar"}) {
        Module module(file);
        ASSERT_EQ(module.mount(), Error{}) << file;
        EXPECT_TRUE(module.machine.logged("left out: a sparse file"));
        EXPECT_EQ(module.content("z"), expected_content("z", 5)) << file;  // behind it
        EXPECT_EQ(module.content("file"), expected_content("file", 600)) << file;
    }
}

TEST(Archive, CutShort)
{
    for (auto file : {"archive-small-newc.cpio", "archive-small-odc.cpio"}) {
        auto cut = ImageDevice::load(file).data;
        cut.resize(500);
        Module module(cut);
        EXPECT_EQ(module.mount(), Error::corrupt) << file;
    }
    auto whole = ImageDevice::load("archive-ustar.tar").data;
    size_t header = std::string_view(whole.data(), whole.size()).find("./medium");
    for (size_t end : {header + 100, header + 511, header + 512, header + 100'000}) {
        Module module(std::vector<char>(whole.begin(), whole.begin() + ptrdiff_t(end)));
        EXPECT_EQ(module.mount(), Error::corrupt) << end;
        EXPECT_TRUE(module.machine.logged("the archive is cut short"));
    }
}

TEST(Archive, DamagedHeadersAreReported)
{
    auto bytes = ImageDevice::load("archive-ustar.tar").data;
    bytes[std::string_view(bytes.data(), bytes.size()).find("./block") + 3] = 'X';
    Module tar(bytes);
    EXPECT_EQ(tar.mount(), Error::corrupt);
    EXPECT_TRUE(tar.machine.logged("the header is damaged"));
}

// A tar archive of one's own.
struct TarMaker {
    TarMaker& add(const std::string& name, char type, const std::string& content = "",
                  const std::string& target = "")
    {
        std::string header(512, '\0');
        auto put = [&](size_t at, const std::string& text) {
            header.replace(at, text.size(), text);
        };
        put(0, name);
        put(100, "0000644");
        char size[13];
        snprintf(size, sizeof size, "%011zo", type == '1' || type == '2' ? 0 : content.size());
        put(124, size);
        put(136, "00000000001");
        put(148, "        ");
        header[156] = type;
        put(157, target);
        put(257, std::string("ustar\00000", 8));
        unsigned sum = 0;
        for (char c : header) sum += uint8_t(c);
        char text[8];
        snprintf(text, sizeof text, "%06o", sum);
        put(148, text);
        bytes += header + content + std::string((512 - content.size() % 512) % 512, '\0');
        return *this;
    }
    std::vector<char> done() const { return {bytes.begin(), bytes.end()}; }
    std::string bytes;
};

TEST(Archive, NamesThatLeadOutAreLeftOut)
{
    TarMaker tar;
    tar.add("/absolute", '0', "1").add("../up", '0', "2").add("a/../b", '0', "3");
    tar.add("link", '2', "", "/elsewhere").add("link/through", '0', "4").add("./x//y", '0', "5");
    tar.add("x/y/z", '0', "6").add("other", '1', "", "nothing").add("dir/", '0').add("dev", '3');
    Module module(tar.done());
    ASSERT_EQ(module.mount(), Error{});
    EXPECT_THAT(module.list("/"), UnorderedElementsAre("absolute", "link", "x", "dir"));
    EXPECT_EQ(module.text("x/y"), "5");
    EXPECT_EQ(module.node("dir").type, fs::NodeType::directory);
    EXPECT_TRUE(module.machine.logged("md0: tar: ../up: left out"));
    EXPECT_TRUE(module.machine.logged("md0: tar: 6 names were left out in all"));
}

TEST(Archive, WhatComesLastCounts)
{
    TarMaker tar;
    tar.add("file", '0', "old").add("second", '1', "", "file").add("file", '0', "new");
    tar.add("dir", '5').add("dir/x", '0', "x").add("dir", '5').add("link", '2', "", "a");
    tar.add("link", '2', "", "b").add("second", '1', "", "second").add("dir", '0', "no");
    Module module(tar.done());
    ASSERT_EQ(module.mount(), Error{});
    EXPECT_EQ(module.text("file"), "new");
    EXPECT_EQ(module.text("second"), "old");
    EXPECT_EQ(module.text("dir/x"), "x");
    EXPECT_EQ(module.link("link"), "b");
}

TEST(Archive, DamagedPaxHeadersAreReported)
{
    for (std::string record : {"5 x=y", "3 a\n", "999 path=x\n", "path=x\n", "0 path=x\n",
                               "99999999999999999999 path=x\n"}) {
        Module module(TarMaker().add("x", 'x', record).add("file", '0', "1").done());
        EXPECT_EQ(module.mount(), record == "5 x=y" ? Error{} : Error::corrupt) << record;
    }
    Module module(TarMaker()
                      .add("x", 'x', "12 path=abc\n20 mtime=1234567.89\n12 linkpath\n10 size=2\n")
                      .add("file", '0', "123")
                      .done());
    ASSERT_EQ(module.mount(), Error{});
    EXPECT_EQ(module.text("abc"), "12");
    EXPECT_EQ(module.node("abc").modified_s, 1234567);
}

TEST(Archive, SeveralCpioArchivesMayFollowOneAnother)
{
    auto first = ImageDevice::load("archive-small-newc.cpio").data;
    auto all = ImageDevice::load("archive-newc.cpio").data;
    all.insert(all.end(), first.begin(), first.end());
    Module module(all);
    ASSERT_EQ(module.mount(), Error{});
    EXPECT_EQ(module.content("file"), expected_content("file", 600));
    EXPECT_EQ(&module.node("link"), &module.node("file"));
    EXPECT_EQ(module.content("kexec"), expected_content("kexec", 32768));
}

TEST(Archive, WithoutMemory)
{
    int missed = 0;
    for (int allocations = 0; allocations < 40; ++allocations) {
        Module module("archive-small-newc.cpio");
        size_t before = FakeHeap::live();
        FakeHeap::fail_after = allocations;
        auto mounted = fs::volume("md0");
        FakeHeap::fail_after = -1;
        if (mounted) {
            ASSERT_TRUE(fs::unmount(*mounted.value()));
        }
        missed += !mounted;
        EXPECT_EQ(FakeHeap::live(), before) << allocations;
    }
    EXPECT_GT(missed, 5) << "the cache alone does with less";
}

}  // namespace
