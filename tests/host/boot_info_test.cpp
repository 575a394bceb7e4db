// SPDX-License-Identifier: BSD-2-Clause
// What QEMU, GRUB and NetBSD's loader hand over, and what nobody should.
#include "boot/boot_info.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include "fakes/loader_memory.h"

void PrintTo(const MemoryRange& range, std::ostream* out)
{
    *out << std::hex << range.start << "..." << range.end() << " type " << uint32_t(range.type);
}

namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Type = MemoryRange::Type;

MATCHER_P3(Range, start, end, type, "")
{
    return arg.start == uint64_t(start) && arg.end() == uint64_t(end) && arg.type == type;
}

// Bytes being put together.
struct Record : std::string {
    Record& u8(auto... n) { return numbers<1>({uint64_t(n)...}); }
    Record& u16(auto... n) { return numbers<2>({uint64_t(n)...}); }
    Record& u32(auto... n) { return numbers<4>({uint64_t(n)...}); }
    Record& u64(auto... n) { return numbers<8>({uint64_t(n)...}); }
    Record& text(std::string_view s, size_t bytes)
    {
        append(s).append(bytes - s.size(), '\0');
        return *this;
    }
    Record& add(const std::string& other)
    {
        append(other);
        return *this;
    }

private:
    template <size_t bytes> Record& numbers(std::initializer_list<uint64_t> list)
    {
        for (uint64_t n : list) append(reinterpret_cast<const char*>(&n), bytes);
        return *this;
    }
};

// Each protocol's information, put into memory as its loaders do.
struct BootInfoTest : testing::Test {
    FakeLoaderMemory memory;

    BootInfo read(BootMagic magic, uint64_t address)
    {
        BootInfo info;
        read_boot_info(info, magic, uint32_t(address), memory);
        return info;
    }
    uint32_t put(const std::string& bytes) { return memory.put(bytes); }
    uint32_t put_text(const std::string& text) { return put(text + '\0'); }
};

// ---- Multiboot

struct Multiboot1 : BootInfoTest {
    uint32_t flags = 0, lower = 0, upper = 0, command_line = 0, modules = 0, module_count = 0,
             map = 0, map_bytes = 0, loader = 0;
    Record framebuffer;

    std::string information() const
    {
        Record mbi;
        mbi.u32(flags, lower, upper, 0x8000ffff, command_line);
        mbi.u32(module_count, modules).text("", 16).u32(map_bytes, map);
        mbi.u32(0, 0, 0, loader, 0).text("", 16);
        mbi.add(framebuffer);
        mbi.resize(116);
        return mbi;
    }
    BootInfo read() { return BootInfoTest::read(BootMagic::multiboot1, put(information())); }
    BootInfo read_line(const std::string& line)
    {
        flags |= 4;
        command_line = put_text(line);
        return read();
    }
    void set_map(std::initializer_list<MemoryRange> ranges, uint32_t size = 20)
    {
        Record entries;
        for (const MemoryRange& r : ranges)
            entries.u32(size).u64(r.start, r.bytes).u32(uint32_t(r.type)).text("", size - 20);
        flags |= 64;
        map = put(entries);
        map_bytes = uint32_t(entries.size());
    }
    void set_framebuffer(unsigned type)
    {
        flags |= 1 << 12;
        framebuffer.u64(0xe0000000).u32(4096, 1024, 768).u8(32, type);
        framebuffer.u8(16, 8, 8, 8, 0, 8);
    }
    auto ranges_of(std::initializer_list<MemoryRange> ranges)
    {
        set_map(ranges);
        BootInfo info = read();
        auto map = info.memory();
        return std::vector(map.begin(), map.end());
    }
};

TEST_F(Multiboot1, AsQemuGivesIt)
{
    set_map({{0, 0x9fc00, Type::ram},
             {0x9fc00, 0x400, Type::reserved},
             {0xf0000, 0x10000, Type::reserved},
             {0x100000, 0x7ee0000, Type::ram},
             {0x7fe0000, 0x20000, Type::reserved},
             {0xfffc0000, 0x40000, Type::reserved}});
    flags |= 1 | 4 | 8 | 512;
    lower = 639;
    upper = 0x1fb80;
    loader = put_text("qemu");
    command_line = put_text("build/GENERIC/vesper root=wd0a args=one two");
    module_count = 1;
    uint32_t content = put("MODULE");
    modules = put(Record().u32(content, content + 6, put_text("a.img x"), 0));
    BootInfo info = read();
    EXPECT_STREQ(info.protocol, "Multiboot");
    EXPECT_EQ(info.loader.view(), "qemu");
    EXPECT_EQ(info.root.view(), "wd0a");
    EXPECT_EQ(info.kexec.view(), "/kexec");
    EXPECT_EQ(info.console.view(), "");
    EXPECT_EQ(info.args.view(), "one two");
    EXPECT_EQ(info.unknown_words.view(), "");
    EXPECT_THAT(
        info.memory(),
        ElementsAre(Range(0, 0x9fc00, Type::ram), Range(0x9fc00, 0xa0000, Type::reserved),
                    Range(0xf0000, 0x100000, Type::reserved), Range(0x100000, 0x7fe0000, Type::ram),
                    Range(0x7fe0000, 0x8000000, Type::reserved),
                    Range(0xfffc0000, 0x100000000, Type::reserved)));
    ASSERT_EQ(info.module_count, 1u);
    EXPECT_EQ(info.modules[0].start, content);
    EXPECT_EQ(info.modules[0].bytes, 6u);
    EXPECT_EQ(info.modules[0].name.view(), "a.img x");
    EXPECT_FALSE(info.has_framebuffer);
    EXPECT_FALSE(info.has_acpi_root);
    EXPECT_EQ(info.problems.view(), "");
}

TEST_F(Multiboot1, AsGrubGivesIt)
{
    set_map({{0, 0x9fc00, Type::ram}, {0x100000, 0x1000000, Type::ram}}, 24);
    flags |= 512;
    loader = put_text("GRUB 2.06-13+deb12u1");
    set_framebuffer(1);
    BootInfo info = read_line("root=sd0e kexec=/boot/forth console=com0,vga gdb=com1");
    EXPECT_EQ(info.loader.view(), "GRUB 2.06-13+deb12u1");
    EXPECT_EQ(info.root.view(), "sd0e");
    EXPECT_EQ(info.kexec.view(), "/boot/forth");
    EXPECT_EQ(info.console.view(), "com0,vga");
    EXPECT_EQ(info.gdb.view(), "com1");
    EXPECT_THAT(info.memory(),
                ElementsAre(Range(0, 0x9fc00, Type::ram), Range(0x100000, 0x1100000, Type::ram)));
    ASSERT_TRUE(info.has_framebuffer);
    EXPECT_EQ(info.framebuffer.address, 0xe0000000u);
    EXPECT_EQ(info.framebuffer.pitch, 4096u);
    EXPECT_EQ(info.framebuffer.width, 1024u);
    EXPECT_EQ(info.framebuffer.height, 768u);
    EXPECT_EQ(info.framebuffer.bits_per_pixel, 32u);
    EXPECT_EQ(info.framebuffer.red.position, 16u);
    EXPECT_EQ(info.framebuffer.red.bits, 8u);
    EXPECT_EQ(info.framebuffer.green.position, 8u);
    EXPECT_EQ(info.framebuffer.blue.position, 0u);
    EXPECT_EQ(info.framebuffer.blue.bits, 8u);
    EXPECT_EQ(info.problems.view(), "");
}

TEST_F(Multiboot1, TextAndPaletteAreNoFrameBuffers)
{
    for (unsigned type : {0, 2, 255}) {
        framebuffer.clear();
        set_framebuffer(type);
        EXPECT_FALSE(read().has_framebuffer) << type;
    }
}

TEST_F(Multiboot1, OldLoadersGiveOnlyTwoSizes)
{
    flags = 1;
    lower = 640;
    upper = 15 << 10;
    BootInfo info = read();
    EXPECT_THAT(info.memory(),
                ElementsAre(Range(0, 0xa0000, Type::ram), Range(0x100000, 0x1000000, Type::ram)));
    EXPECT_EQ(info.problems.view(), "");
    flags |= 64;  // and an empty map changes nothing
    EXPECT_EQ(read().range_count, 2u);
}

TEST_F(Multiboot1, WithoutAnyMapEightMegabytesAreAssumed)
{
    BootInfo info = read();
    EXPECT_THAT(info.memory(),
                ElementsAre(Range(0, 0x9f000, Type::ram), Range(0x100000, 0x800000, Type::ram)));
    EXPECT_EQ(info.ram_end(0x100000), 0x800000u);
    EXPECT_EQ(info.ram_end(0xa0000), 0xa0000u);
    EXPECT_THAT(std::string(info.problems), HasSubstr("8 MiB are assumed"));
}

TEST_F(Multiboot1, RangesAreSortedAndJoined)
{
    EXPECT_THAT(ranges_of({{0x300000, 0x100000, Type::ram},
                           {0x100000, 0x100000, Type::ram},
                           {0x200000, 0x100000, Type::ram},
                           {0x500000, 0, Type::ram}}),
                ElementsAre(Range(0x100000, 0x400000, Type::ram)));
}

TEST_F(Multiboot1, TheWorstTypeWinsWhereRangesOverlap)
{
    EXPECT_THAT(
        ranges_of({{0, 0x1000, Type::ram}, {0x800, 0x400, Type::reserved}, {0, 0x100, Type::nvs}}),
        ElementsAre(Range(0, 0x100, Type::nvs), Range(0x100, 0x800, Type::ram),
                    Range(0x800, 0xc00, Type::reserved), Range(0xc00, 0x1000, Type::ram)));
    EXPECT_THAT(ranges_of({{0x1000, 0x1000, Type::reserved}, {0, 0x3000, Type::reserved}}),
                ElementsAre(Range(0, 0x3000, Type::reserved)));
    EXPECT_THAT(ranges_of({{0, 0x2000, Type::unusable}, {0, 0x2000, Type::ram}}),
                ElementsAre(Range(0, 0x2000, Type::unusable)));
}

TEST_F(Multiboot1, UnknownTypesAreReserved)
{
    EXPECT_THAT(
        ranges_of(
            {{0, 0x1000, Type(0)}, {0x2000, 0x1000, Type(7)}, {0x4000, 0x1000, Type(0xffffffff)}}),
        ElementsAre(Range(0, 0x1000, Type::reserved), Range(0x2000, 0x3000, Type::reserved),
                    Range(0x4000, 0x5000, Type::reserved)));
}

TEST_F(Multiboot1, RangesUpToTheEndOfAddresses)
{
    constexpr uint64_t last = UINT64_MAX;
    EXPECT_THAT(
        ranges_of({{last - 0xfff, 0xfff, Type::reserved}, {0, last, Type::ram}}),
        ElementsAre(Range(0, last - 0xfff, Type::ram), Range(last - 0xfff, last, Type::reserved)));
    set_map({{last - 0xfff, 0x2000, Type::ram}, {0x100000, 0x100000, Type::ram}});
    BootInfo info = read();
    EXPECT_THAT(info.memory(), ElementsAre(Range(0x100000, 0x200000, Type::ram)));
    EXPECT_THAT(std::string(info.problems), HasSubstr("wraps around"));
}

TEST_F(Multiboot1, TooManyRanges)
{
    flags = 64;
    Record entries;
    for (uint64_t i = 0; i < 200; ++i) entries.u32(20).u64(i * 0x2000, 0x1000).u32(1);
    map = put(entries);
    map_bytes = uint32_t(entries.size());
    BootInfo info = read();
    EXPECT_EQ(info.range_count, BootInfo::max_ranges);
    EXPECT_EQ(info.ranges[127].start, 127 * 0x2000u);
    EXPECT_THAT(std::string(info.problems), HasSubstr("more than 128 memory ranges"));
}

TEST_F(Multiboot1, RangesThatFallApartIntoTooMany)
{
    flags = 64;
    Record entries;
    entries.u32(20).u64(0, 0x1000000).u32(1);
    for (uint64_t i = 0; i < 100; ++i) entries.u32(20).u64(0x1000 + i * 0x2000, 0x1000).u32(2);
    map = put(entries);
    map_bytes = uint32_t(entries.size());
    BootInfo info = read();
    EXPECT_EQ(info.range_count, BootInfo::max_ranges);
    EXPECT_THAT(std::string(info.problems), HasSubstr("too many ranges"));
}

TEST_F(Multiboot1, DamagedMaps)
{
    set_map({{0x100000, 0x100000, Type::ram}, {0x400000, 0x100000, Type::ram}});
    uint32_t good = map;
    for (uint32_t size : {0u, 19u, 0xfffffffcu, 0xffffffffu, 45u}) {
        memory.change(good, Record().u32(size));
        BootInfo info = read();
        EXPECT_THAT(std::string(info.problems), HasSubstr("memory map entry of")) << size;
    }
    memory.change(good, Record().u32(20));
    for (uint32_t bytes : {0xffffffffu, 1000u}) {  // more than there is
        map_bytes = bytes;
        EXPECT_THAT(std::string(read().problems), HasSubstr("memory map is at")) << bytes;
    }
    map_bytes = 47;  // the second is cut off
    EXPECT_THAT(read().memory(), ElementsAre(Range(0x100000, 0x200000, Type::ram)));
}

TEST_F(Multiboot1, DamagedModules)
{
    flags = 8;
    uint32_t content = put("MODULE");
    modules = put(Record()
                      .u32(content + 6, content, 0, 0)    // ends before it begins
                      .u32(content, content + 7, 0, 0)    // reaches too far
                      .u32(0xdead0000, 0xdead0001, 0, 0)  // nowhere
                      .u32(content, content + 3, 0, 0, content, content + 3, 0xdead0000, 0));
    module_count = 5;
    BootInfo info = read();
    ASSERT_EQ(info.module_count, 2u);
    EXPECT_EQ(info.modules[0].bytes, 3u);
    EXPECT_EQ(info.modules[0].name.view(), "");
    EXPECT_THAT(std::string(info.problems), HasSubstr("module of 0x7 bytes"));
    EXPECT_THAT(std::string(info.problems), HasSubstr("module name is at 0xdead0000"));
    module_count = 0xffffffff;
    EXPECT_THAT(std::string(read().problems), HasSubstr("module list is at"));
    modules = 0;
    EXPECT_EQ(read().module_count, 0u);
}

TEST_F(Multiboot1, TooManyModules)
{
    flags = 8;
    uint32_t content = put("MODULE");
    Record entries;
    for (int i = 0; i < 20; ++i) entries.u32(content, content + 6, 0, 0);
    modules = put(entries);
    module_count = 20;
    BootInfo info = read();
    EXPECT_EQ(info.module_count, BootInfo::max_modules);
    EXPECT_THAT(std::string(info.problems), HasSubstr("more than 16 modules"));
}

TEST_F(Multiboot1, WildPointers)
{
    flags = 0xffffffff;
    for (uint32_t wild : {0u, 1u, 0xdead0000u, 0xffffffffu}) {
        command_line = modules = map = loader = wild;
        module_count = map_bytes = 0xffffffff;
        BootInfo info = read();
        EXPECT_EQ(info.command_line.view(), "");
        EXPECT_EQ(info.module_count, 0u);
        EXPECT_THAT(std::string(info.problems), HasSubstr("where there is no memory")) << wild;
    }
    for (uint32_t wild : {0u, 0xdead0000u, 0xffffffffu}) {
        BootInfo info = BootInfoTest::read(BootMagic::multiboot1, wild);
        EXPECT_EQ(info.range_count, 2u);  // the assumed ones
        EXPECT_EQ(info.kexec.view(), "/kexec");
    }
}

// ---- the command line

TEST_F(Multiboot1, TheKernelsNameIsNoArgument)
{
    EXPECT_EQ(read_line("/boot/vesper root=wd0a").args.view(), "");
    EXPECT_EQ(read_line("(hd0,1)/vesper").args.view(), "");
    EXPECT_EQ(read_line("root=wd0a a/b").args.view(), "a/b");
    EXPECT_EQ(read_line("kexec=/forth a/b").kexec.view(), "/forth");
    flags |= 512;
    loader = put_text("qemu");  // always names it
    EXPECT_EQ(read_line("vesper root=wd0a").args.view(), "");
    EXPECT_EQ(read_line("a=b/vesper root=wd0a").root.view(), "wd0a");
    EXPECT_EQ(read_line("args=a root=wd0a").root.view(), "wd0a");
}

TEST_F(Multiboot1, WhatFollowsArgsIsThePayloads)
{
    EXPECT_EQ(read_line("args=").args.view(), "");
    EXPECT_EQ(read_line("args=one  two ").args.view(), "one  two ");
    BootInfo info = read_line("  root=wd0a   args= root=wd1a args=x");
    EXPECT_EQ(info.args.view(), " root=wd1a args=x");
    EXPECT_EQ(info.root.view(), "wd0a");
}

TEST_F(Multiboot1, UnknownWordsArePassedOn)
{
    BootInfo info = read_line("quiet root=wd0a -v splash=wd0 args=the rest");
    EXPECT_EQ(info.unknown_words.view(), "quiet -v splash=wd0");
    EXPECT_EQ(info.args.view(), "quiet -v splash=wd0 the rest");
}

TEST_F(Multiboot1, TheLastOfTwoCounts)
{
    BootInfo info = read_line("root=wd0a root= kexec=/a kexec=/b console=com0 console=vga");
    EXPECT_EQ(info.root.view(), "");
    EXPECT_EQ(info.kexec.view(), "/b");
    EXPECT_EQ(info.console.view(), "vga");
    EXPECT_EQ(read_line("kexec=").kexec.view(), "/kexec");
}

TEST_F(Multiboot1, OverlongTextsAreCutAndReported)
{
    BootInfo info = read_line("args=" + std::string(5000, 'x'));
    EXPECT_EQ(info.args.view(), std::string(1018, 'x'));
    EXPECT_THAT(std::string(info.problems), HasSubstr("command line is cut after 1023"));
    info = read_line("root=" + std::string(32, 'w') + " kexec=/x");
    EXPECT_EQ(info.root.view(), std::string(31, 'w'));
    EXPECT_EQ(info.kexec.view(), "/x");
    EXPECT_THAT(std::string(info.problems), HasSubstr("root= is cut after 31"));
    EXPECT_THAT(std::string(read_line("args=" + std::string(1018, 'x')).problems),
                testing::Not(HasSubstr("cut")));
    EXPECT_EQ(read_line(std::string(1023, ' ')).args.view(), "");
}

TEST_F(Multiboot1, TextThatRunsOutOfMemory)
{
    flags = 4;
    command_line = put("root=wd0");
    BootInfo info = read();
    EXPECT_EQ(info.root.view(), "wd0");
    EXPECT_THAT(std::string(info.problems), HasSubstr("command line is at"));
}

// ---- Multiboot 2

struct Multiboot2 : BootInfoTest {
    Record tags;

    void add(uint32_t type, const std::string& content)
    {
        tags.u32(type, content.size() + 8).add(content);
        tags.resize((tags.size() + 7) & ~size_t{7});
    }
    void add_map(std::initializer_list<MemoryRange> ranges, uint32_t step = 24)
    {
        Record map;
        map.u32(step, 0);
        for (const MemoryRange& r : ranges)
            map.u64(r.start, r.bytes).u32(uint32_t(r.type)).text("", step - 20);
        add(6, map);
    }
    void add_framebuffer(unsigned type)
    {
        Record fb;
        fb.u64(0x1'c0000000).u32(5120, 1280, 800).u8(32, type).u16(0);
        if (type == 1) fb.u8(16, 8, 8, 8, 0, 8);
        if (type == 0) fb.u32(2).u8(0, 0, 0, 255, 255, 255);
        add(8, fb);
    }
    std::string information() const
    {
        return Record().u32(tags.size() + 16, 0).add(tags).u32(0, 8);
    }
    BootInfo read() { return BootInfoTest::read(BootMagic::multiboot2, put(information())); }
};

Record rsdp(unsigned revision)
{
    Record r;
    r.text("RSD PTR ", 8).u8(0).text("BOCHS ", 6).u8(revision).u32(0x7fe1000 + revision);
    if (revision >= 2) r.u32(36).u64(0x7fe2000).u32(0);
    return r;
}

TEST_F(Multiboot2, AsGrubGivesItOnBios)
{
    add(1, std::string("root=wd0a args=x y") + '\0');
    add(2, std::string("GRUB 2.06") + '\0');
    add(10, Record().text("", 20));  // APM
    uint32_t content = put("MODULE");
    add(3, Record().u32(content, content + 6).add("m.img a").u8(0));
    add_map({{0x100000, 0x700000, Type::ram}, {0, 0x9fc00, Type::ram}});
    add(9, Record().u32(0, 40, 0));
    add(4, Record().u32(639, 7168));
    add_framebuffer(2);
    add(14, rsdp(0));
    BootInfo info = read();
    EXPECT_STREQ(info.protocol, "Multiboot 2");
    EXPECT_EQ(info.loader.view(), "GRUB 2.06");
    EXPECT_EQ(info.root.view(), "wd0a");
    EXPECT_EQ(info.args.view(), "x y");
    EXPECT_THAT(info.memory(),
                ElementsAre(Range(0, 0x9fc00, Type::ram), Range(0x100000, 0x800000, Type::ram)));
    ASSERT_EQ(info.module_count, 1u);
    EXPECT_EQ(info.modules[0].start, content);
    EXPECT_EQ(info.modules[0].bytes, 6u);
    EXPECT_EQ(info.modules[0].name.view(), "m.img a");
    EXPECT_FALSE(info.has_framebuffer);
    ASSERT_TRUE(info.has_acpi_root);
    EXPECT_EQ(memcmp(info.acpi_root, rsdp(0).data(), 20), 0);
    EXPECT_EQ(info.problems.view(), "");
}

TEST_F(Multiboot2, AsGrubGivesItOnUefi)
{
    add(1, std::string(1, '\0'));
    add(21, Record().u32(0x100000));      // where it has been loaded
    add(12, Record().u64(0x7f9ec018));    // the EFI system table
    add(17, Record().u32(48, 1).u64(7));  // EFI's own map
    add_map({{0, 0xa0000, Type::ram},
             {0x100000, 0x7d00000, Type::ram},
             {0x7e00000, 0x100000, Type::acpi},
             {0x7f00000, 0x100000, Type::nvs}},
            40);
    add_framebuffer(1);
    add(14, rsdp(0));
    add(15, rsdp(2));
    BootInfo info = read();
    EXPECT_EQ(info.range_count, 4u);
    ASSERT_TRUE(info.has_framebuffer);
    EXPECT_EQ(info.framebuffer.address, 0x1'c0000000u);
    EXPECT_EQ(info.framebuffer.pitch, 5120u);
    EXPECT_EQ(info.framebuffer.width, 1280u);
    EXPECT_EQ(info.framebuffer.height, 800u);
    EXPECT_EQ(info.framebuffer.red.position, 16u);
    EXPECT_EQ(info.framebuffer.blue.bits, 8u);
    EXPECT_EQ(std::string(reinterpret_cast<char*>(info.acpi_root), 36), rsdp(2));
    EXPECT_EQ(info.problems.view(), "");
}

TEST_F(Multiboot2, TheNewRsdpIsBetterInEitherOrder)
{
    add(15, rsdp(2));
    add(14, rsdp(0));
    EXPECT_EQ(read().acpi_root[15], 2u);
    tags.clear();
    add(14, rsdp(0).substr(0, 19));  // too short
    BootInfo info = read();
    EXPECT_FALSE(info.has_acpi_root);
    EXPECT_THAT(std::string(info.problems), HasSubstr("tag 14 of 27 bytes"));
}

TEST_F(Multiboot2, WithoutAMapTheTwoSizesCount)
{
    add(4, Record().u32(640, 15 << 10));
    EXPECT_THAT(read().memory(),
                ElementsAre(Range(0, 0xa0000, Type::ram), Range(0x100000, 0x1000000, Type::ram)));
}

TEST_F(Multiboot2, TextsEndWithTheirTags)
{
    add(1, "root=wd0");
    add(2, "GRUBGRUB");
    uint32_t content = put("MODULE");
    add(3, Record().u32(content, content + 6).add("12345678"));
    BootInfo info = read();
    EXPECT_EQ(info.root.view(), "wd0");
    EXPECT_EQ(info.loader.view(), "GRUBGRUB");
    EXPECT_EQ(info.modules[0].name.view(), "12345678");
}

TEST_F(Multiboot2, DamagedTags)
{
    auto problems = [&](uint32_t type, uint32_t bytes, const std::string& content = "") {
        tags.clear();
        tags.u32(type, bytes).add(content);
        return std::string(read().problems);
    };
    for (uint32_t bytes : {0u, 7u, 0x7fffffffu, 0xfffffff9u, 0xffffffffu})
        EXPECT_THAT(problems(1, bytes), HasSubstr("tag 1 of")) << bytes;
    for (uint32_t type : {3, 4, 6, 8, 14, 15})
        EXPECT_THAT(problems(type, 8), HasSubstr("of 8 bytes")) << type;
    for (uint64_t step : {0u, 1u, 23u})
        EXPECT_THAT(problems(6, 40, Record().u32(step).text("", 28)), HasSubstr("entries of"));
    EXPECT_THAT(problems(6, 40, Record().u32(0xffffffff).text("", 28)), HasSubstr("no memory map"));
}

TEST_F(Multiboot2, DamagedSizes)
{
    for (uint32_t total : {0u, 15u, (1u << 20) + 1, 0xffffffffu}) {
        uint32_t at = put(Record().u32(total, 0, 0, 8));
        BootInfo info = BootInfoTest::read(BootMagic::multiboot2, at);
        EXPECT_THAT(std::string(info.problems), HasSubstr("information of")) << total;
    }
    uint32_t at = put(Record().u32(17, 0, 0, 8));  // more than there is
    EXPECT_THAT(std::string(BootInfoTest::read(BootMagic::multiboot2, at).problems),
                HasSubstr("information is at"));
    at = put(Record().u32(24, 0, 21, 12, 1, 0));  // without an end
    EXPECT_THAT(std::string(BootInfoTest::read(BootMagic::multiboot2, at).problems),
                HasSubstr("has no end"));
}

// ---- PVH

struct Pvh : BootInfoTest {
    uint32_t magic = 0x336ec578, version = 1, module_count = 0, map_count = 0;
    uint64_t modules = 0, command_line = 0, rsdp = 0, map = 0;

    std::string information() const
    {
        Record info;
        info.u32(magic, version, 0, module_count).u64(modules, command_line);
        info.u64(rsdp, map).u32(map_count, 0);
        return info;
    }
    BootInfo read() { return BootInfoTest::read(BootMagic::pvh, put(information())); }
};

TEST_F(Pvh, AsQemuGivesIt)
{
    command_line = put_text("root=ld0a");
    rsdp = 0xf59b0;
    map = put(Record()
                  .u64(0, 0x9fc00)
                  .u32(1, 0)
                  .u64(0x9fc00, 0x400)
                  .u32(2, 0)
                  .u64(0x100000, 0x7ee0000)
                  .u32(1, 0));
    map_count = 3;
    uint32_t content = put("MODULE");
    modules = put(Record().u64(content, 6, put_text("disk"), 0));
    module_count = 1;
    BootInfo info = read();
    EXPECT_STREQ(info.protocol, "PVH");
    EXPECT_EQ(info.root.view(), "ld0a");
    EXPECT_EQ(info.acpi_root_address, 0xf59b0u);
    EXPECT_THAT(info.memory(),
                ElementsAre(Range(0, 0x9fc00, Type::ram), Range(0x9fc00, 0xa0000, Type::reserved),
                            Range(0x100000, 0x7fe0000, Type::ram)));
    ASSERT_EQ(info.module_count, 1u);
    EXPECT_EQ(info.modules[0].start, content);
    EXPECT_EQ(info.modules[0].bytes, 6u);
    EXPECT_EQ(info.modules[0].name.view(), "disk");
    EXPECT_EQ(info.problems.view(), "");
}

TEST_F(Pvh, VersionZeroEndsBeforeTheMap)
{
    version = 0;
    BootInfo info = BootInfoTest::read(BootMagic::pvh, put(information().substr(0, 40)));
    EXPECT_THAT(std::string(info.problems), HasSubstr("no memory map"));
    version = 1;
    info = BootInfoTest::read(BootMagic::pvh, put(information().substr(0, 55)));
    EXPECT_THAT(std::string(info.problems), HasSubstr("start information is at"));
}

TEST_F(Pvh, Damaged)
{
    map_count = module_count = 0xffffffff;
    for (uint64_t wild : {0ull, 1ull, 0xdead0000ull, 0xffffffffffffffffull}) {
        map = modules = command_line = wild;
        BootInfo info = read();
        EXPECT_EQ(info.module_count, 0u);
        EXPECT_THAT(std::string(info.problems), HasSubstr("memory map is at"));
    }
    map = map_count = 0;
    uint32_t content = put("MODULE");
    module_count = 2;
    // A length whose low half would fit, and one that wraps around.
    modules = put(Record().u64(content, 0x1'00000006, 0, 0, content, 0xffffffffffffffff, 0, 0));
    EXPECT_EQ(read().module_count, 0u);
    magic = 1;
    EXPECT_THAT(std::string(read().problems), HasSubstr("magic 0x1"));
}

// ---- NetBSD

struct NetBsd : BootInfoTest {
    std::vector<uint32_t> records;
    uint32_t lower = 639, upper = 0x1fb80;

    void add(uint32_t type, const std::string& content)
    {
        records.push_back(put(Record().u32(content.size() + 8, type).add(content)));
    }
    BootInfo read_at(uint32_t bootinfo)
    {
        uint32_t arguments = put(Record().u32(0, 0, bootinfo, 0x300000, upper, lower));
        return BootInfoTest::read(BootMagic::netbsd, arguments);
    }
    BootInfo read()
    {
        Record bootinfo;
        bootinfo.u32(records.size());
        for (uint32_t record : records) bootinfo.u32(record);
        return read_at(put(bootinfo));
    }
    void add_console(const char* name, uint32_t port)
    {
        add(6, Record().text(name, 16).u32(port, 9600));
    }
};

TEST_F(NetBsd, AsItsLoaderGivesIt)
{
    add_console("pc", 0);
    add(1, Record().text("wd0a", 16));
    add(0, Record().text("netbsd", 80));
    add(3, Record().text("", 32));
    uint32_t content = put("MODULE");
    add(11, Record().u32(1, 0x400000).text("/modules/a.kmod", 80).u32(1, 6, content));
    add(9, Record().u32(2).u64(0x100000, 0x7ee0000).u32(1).u64(0, 0x9fc00).u32(1));
    add(8, Record().u32(1, 0x200000, 0x300000));
    add(12,
        Record().u64(0xfd000000).u32(0, 800, 600).u16(1600).u8(16, 5, 6, 5, 11, 5, 0).text("", 19));
    BootInfo info = read();
    EXPECT_STREQ(info.protocol, "NetBSD");
    EXPECT_EQ(info.loader.view(), "netbsd");
    EXPECT_EQ(info.root.view(), "wd0a");
    EXPECT_EQ(info.console.view(), "");
    EXPECT_THAT(info.memory(),
                ElementsAre(Range(0, 0x9fc00, Type::ram), Range(0x100000, 0x7fe0000, Type::ram)));
    ASSERT_EQ(info.module_count, 1u);
    EXPECT_EQ(info.modules[0].start, content);
    EXPECT_EQ(info.modules[0].bytes, 6u);
    EXPECT_EQ(info.modules[0].name.view(), "/modules/a.kmod");
    ASSERT_TRUE(info.has_framebuffer);
    EXPECT_EQ(info.framebuffer.address, 0xfd000000u);
    EXPECT_EQ(info.framebuffer.pitch, 1600u);
    EXPECT_EQ(info.framebuffer.width, 800u);
    EXPECT_EQ(info.framebuffer.height, 600u);
    EXPECT_EQ(info.framebuffer.bits_per_pixel, 16u);
    EXPECT_EQ(info.framebuffer.red.position, 11u);
    EXPECT_EQ(info.framebuffer.red.bits, 5u);
    EXPECT_EQ(info.framebuffer.green.position, 5u);
    EXPECT_EQ(info.framebuffer.green.bits, 6u);
    EXPECT_EQ(info.framebuffer.blue.position, 0u);
    EXPECT_EQ(info.framebuffer.blue.bits, 5u);
    EXPECT_EQ(info.problems.view(), "");
}

TEST_F(NetBsd, AsGrubsKnetbsdGivesIt)
{
    add(0, std::string("/vesper") + '\0');  // as long as it is
    add(11, Record().u32(0, 0x400000));
    add(14, Record().u32(0x7f9ec018));
    BootInfo info = read();
    EXPECT_EQ(info.loader.view(), "/vesper");
    EXPECT_EQ(info.module_count, 0u);
    EXPECT_THAT(info.memory(),
                ElementsAre(Range(0, 0x9fc00, Type::ram), Range(0x100000, 0x7fe0000, Type::ram)));
    EXPECT_EQ(info.problems.view(), "");
}

TEST_F(NetBsd, ASerialConsole)
{
    const std::pair<uint32_t, const char*> ports[] = {{0x3f8, "com0"}, {0x2f8, "com1"},
                                                      {0x3e8, "com2"}, {0x2e8, "com3"},
                                                      {0, "com"},      {0x1234, "com"}};
    for (auto [port, name] : ports) {
        records.clear();
        add_console("com", port);
        EXPECT_EQ(read().console.view(), name);
    }
    records.clear();
    add(6, "com");
    EXPECT_EQ(read().console.view(), "com");
}

TEST_F(NetBsd, NoBootinfo)
{
    BootInfo info = read_at(0);
    EXPECT_EQ(info.range_count, 2u);
    EXPECT_EQ(info.problems.view(), "");
    for (uint32_t wild : {1u, 0xdead0000u, 0xffffffffu})
        EXPECT_THAT(std::string(read_at(wild).problems), HasSubstr("bootinfo is at"));
}

TEST_F(NetBsd, Damaged)
{
    for (uint32_t count : {65u, 0x80000000u, 0xffffffffu})
        EXPECT_THAT(std::string(read_at(put(Record().u32(count, 0))).problems),
                    HasSubstr("bootinfo of"));
    EXPECT_THAT(std::string(read_at(put(Record().u32(2, 0))).problems),
                HasSubstr("bootinfo is at"));  // shorter than it says
    records = {0, 1, 0xdead0000, 0xffffffff};
    EXPECT_THAT(std::string(read().problems), HasSubstr("bootinfo record is at 0xdead0000"));
    for (uint32_t bytes : {0u, 7u, (1u << 20) + 1, 0xffffffffu}) {
        records = {put(Record().u32(bytes, 9))};
        EXPECT_THAT(std::string(read().problems), HasSubstr("bootinfo record 9 of")) << bytes;
    }
    records = {put(Record().u32(9, 0))};  // more than there is
    EXPECT_THAT(std::string(read().problems), HasSubstr("bootinfo record is at"));
    records.clear();
    add(9, Record().u32(0xffffffff).text("", 20));
    EXPECT_THAT(std::string(read().problems), HasSubstr("memory map of 4294967295 ranges"));
    records.clear();
    add(11, Record().u32(2, 0).text("", 92));
    EXPECT_THAT(std::string(read().problems), HasSubstr("2 modules in 108 bytes"));
    records.clear();
    add(11, Record().u32(1, 0).text("x", 84).u32(0xffffffff, 0xffffff00));
    EXPECT_THAT(std::string(read().problems), HasSubstr("module of 0xffffffff bytes"));
}

// ---- everything cut off at every byte: what is left is used, nothing else is read (ASan)

template <class Fixture> struct Truncated : Fixture {
    void cut(BootMagic magic, const std::string& information)
    {
        for (size_t bytes = 0; bytes < information.size(); ++bytes) {
            uint32_t address = this->put(information.substr(0, bytes));
            BootInfo info = BootInfoTest::read(magic, address);
            EXPECT_THAT(std::string(info.problems), HasSubstr("no memory")) << bytes;
            EXPECT_GE(info.range_count, 1u);
        }
    }
};

using TruncatedMultiboot1 = Truncated<Multiboot1>;
TEST_F(TruncatedMultiboot1, AtEachByte)
{
    set_map({{0, 0x9fc00, Type::ram}});
    set_framebuffer(1);
    cut(BootMagic::multiboot1, information());
}

using TruncatedMultiboot2 = Truncated<Multiboot2>;
TEST_F(TruncatedMultiboot2, AtEachByte)
{
    add(1, std::string("root=wd0a") + '\0');
    add_map({{0, 0x9fc00, Type::ram}});
    add_framebuffer(1);
    add(14, rsdp(0));
    cut(BootMagic::multiboot2, information());
    // The same, with a size that says so.
    std::string whole = information();
    for (uint32_t bytes = 16; bytes < whole.size(); ++bytes) {
        std::string part = Record().u32(bytes).add(whole.substr(4, bytes - 4));
        BootInfo info = BootInfoTest::read(BootMagic::multiboot2, put(part));
        EXPECT_THAT(info.problems.view(), testing::Not(IsEmpty())) << bytes;
    }
}

using TruncatedPvh = Truncated<Pvh>;
TEST_F(TruncatedPvh, AtEachByte) { cut(BootMagic::pvh, information()); }

using TruncatedNetBsd = Truncated<NetBsd>;
TEST_F(TruncatedNetBsd, AtEachByte)
{
    cut(BootMagic::netbsd, Record().u32(0, 0, 0, 0, 1024, 639));
    // And each record, with the length of what is left.
    const std::pair<uint32_t, std::string> whole[] = {
        {0, Record().text("netbsd", 80)},
        {1, Record().text("wd0a", 16)},
        {6, Record().text("com", 16).u32(0x3f8, 9600)},
        {9, Record().u32(1).u64(0x100000, 0x100000).u32(1)},
        {11, Record().u32(1, 0).text("/a.kmod", 80).u32(1, 1, 0xdead0000)},
        {12, Record().u64(0xfd000000).u32(0, 800, 600).u16(1600).u8(16).text("", 25)}};
    for (const auto& [type, content] : whole) {
        for (size_t bytes = 0; bytes < content.size(); ++bytes) {
            records.clear();
            add(type, content.substr(0, bytes));
            BootInfo info = read();
            if (type == 12) {
                EXPECT_EQ(info.has_framebuffer, bytes >= 29) << bytes;
            }
            if (type == 9 || type == 11) {
                EXPECT_FALSE(info.problems.empty()) << bytes;
            }
            if (type == 1) {
                EXPECT_EQ(info.root.view(), std::string("wd0a").substr(0, bytes));
            }
        }
    }
}

}  // namespace
