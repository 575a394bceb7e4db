// SPDX-License-Identifier: BSD-2-Clause
#include "block/cache.h"
#include <gmock/gmock.h>
#include <map>
#include "fakes/heap.h"
#include "fakes/machine.h"
#include "power_cut.h"

namespace {

struct Cache : testing::Test {
    Cache() : disk(make_bytes()) { cache = BlockCache::make_for(disk, 4).value(); }
    static std::vector<char> make_bytes()
    {
        std::vector<char> bytes(40 * 1024 + 512);
        for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = char(i * 31 + i / 512);
        return bytes;
    }
    std::vector<std::byte> read(uint64_t offset, size_t size)
    {
        std::vector<std::byte> bytes(size);
        EXPECT_TRUE(cache->read(offset, bytes));
        return bytes;
    }
    void expect_same(uint64_t offset, const std::vector<std::byte>& bytes)
    {
        EXPECT_EQ(memcmp(bytes.data(), disk.data.data() + offset, bytes.size()), 0) << offset;
    }
    FakeMachine machine;
    ImageDevice disk;
    BlockCache* cache;
};

TEST_F(Cache, ReadsAnyPieceOfTheDevice)
{
    for (uint64_t offset : {0, 1, 511, 4095, 4096, 9000}) {
        for (size_t size : {1, 2, 512, 4096, 5000, 16384}) expect_same(offset, read(offset, size));
    }
    expect_same(40 * 1024 + 511, read(40 * 1024 + 511, 1));
}

TEST_F(Cache, AsksTheDeviceOnceForWhatItHolds)
{
    read(100, 4);
    read(200, 4);
    EXPECT_EQ(disk.reads, 1u);
}

TEST_F(Cache, ReadsWholeLinesInOneRequest)
{
    read(4096, 5 * 4096);
    EXPECT_EQ(disk.reads, 1u);
}

TEST_F(Cache, RefusesWhatIsBeyondTheEnd)
{
    std::byte b[2];
    EXPECT_EQ(cache->read(40 * 1024 + 511, b).error(), Error::invalid);
    EXPECT_EQ(cache->read(~0ull, b).error(), Error::invalid);
    EXPECT_EQ(cache->write(40 * 1024 + 511, b).error(), Error::invalid);
}

TEST_F(Cache, ShowsWhatItHolds)
{
    auto seen = cache->look(4096 + 512, 3584);
    ASSERT_TRUE(seen);
    expect_same(4096 + 512, {seen.value().begin(), seen.value().end()});
    EXPECT_EQ(cache->look(4095, 2).error(), Error::invalid) << "in two lines";
    EXPECT_EQ(cache->look(40 * 1024, 513).error(), Error::invalid) << "beyond the end";
    std::byte b[] = {std::byte{0x55}};
    ASSERT_TRUE(cache->write(4096 + 600, b));
    EXPECT_EQ(cache->look(4096 + 600, 1).value()[0], b[0]);
    disk.bad_blocks = {24, 25};
    EXPECT_EQ(cache->look(3 * 4096, 512).error(), Error::device);
    EXPECT_TRUE(cache->look(3 * 4096 + 1024, 512));
}

TEST_F(Cache, AMarkIsGoneWithWhatItWasOn)
{
    cache->mark(4096, true);
    EXPECT_FALSE(cache->is_marked(4096)) << "it is not here";
    read(4096, 1);
    cache->mark(4096 + 1024, true);
    EXPECT_TRUE(cache->is_marked(4096 + 1024));
    EXPECT_FALSE(cache->is_marked(4096));
    EXPECT_FALSE(cache->is_marked(4096 + 512));
    EXPECT_FALSE(cache->is_marked(4096 + 1536));
    cache->mark(4096 + 1024, false);
    EXPECT_FALSE(cache->is_marked(4096 + 1024));
    cache->mark(4096, true);
    std::byte b[512] = {};
    ASSERT_TRUE(cache->write(4096, b));
    EXPECT_TRUE(cache->is_marked(4096)) << "who writes here knows what";
    ASSERT_TRUE(cache->sync());
    EXPECT_TRUE(cache->is_marked(4096));
    ASSERT_TRUE(disk.write(8, 1, b));
    EXPECT_FALSE(cache->is_marked(4096)) << "somebody else wrote there";
    cache->mark(4096, true);
    for (uint64_t line = 2; line < 10; ++line) {
        read(line * 4096, 1);
        EXPECT_FALSE(cache->is_marked(line * 4096)) << line << ": it was on another";
    }
    read(4096, 1);
    EXPECT_FALSE(cache->is_marked(4096)) << "it was read anew";
}

TEST_F(Cache, WritesNothingBeforeSync)
{
    std::byte b[] = {std::byte{1}, std::byte{2}};
    ASSERT_TRUE(cache->write(4095, b));
    EXPECT_EQ(disk.writes, 0u);
    EXPECT_EQ(read(4095, 2), (std::vector<std::byte>{b[0], b[1]}));
    EXPECT_EQ(read(0, 8192)[4096], b[1]);
    ASSERT_TRUE(cache->sync());
    EXPECT_EQ(disk.data[4096], 2);
}

TEST_F(Cache, WritesBackUnderPressure)
{
    std::byte b[] = {std::byte{0x77}};
    ASSERT_TRUE(cache->write(5, b));
    for (uint64_t line = 1; line < 9; ++line) read(line * 4096 + 1, 1);
    EXPECT_EQ(disk.writes, 0u) << "reading needs no more than other lines";
    for (uint64_t line = 1; line < 5; ++line) ASSERT_TRUE(cache->write(line * 4096, b));
    EXPECT_EQ(disk.data[5], 0x77);
}

TEST_F(Cache, PassesErrorsOnAndForgetsTheLine)
{
    disk.bad_blocks = {8};
    std::byte b[1];
    EXPECT_EQ(cache->read(4096, b).error(), Error::device);
    disk.bad_blocks.clear();
    expect_same(4096, read(4096, 1));
}

TEST_F(Cache, RefusesReadOnlyDevices)
{
    disk.read_only = true;
    std::byte b[1] = {};
    EXPECT_EQ(cache->write(0, b).error(), Error::read_only);
}

TEST_F(Cache, ReadsAheadForWhoReadsOn)
{
    ImageDevice large(std::vector<char>(1 << 20));
    BlockCache* ahead = BlockCache::make_for(large, 64).value();
    std::byte b[100];
    for (uint64_t offset = 0; offset < 1 << 20; offset += sizeof b) {
        if (offset + sizeof b > 1 << 20) break;
        ASSERT_TRUE(ahead->read(offset, b));
    }
    EXPECT_LT(large.reads, 256u / 8);
    EXPECT_EQ(large.blocks_read, (1u << 20) / 512) << "nothing twice, nothing that is not there";
    large.reads = 0;
    for (uint64_t line : {200, 100, 50, 20, 5}) ASSERT_TRUE(ahead->read(line * 4096, b));
    EXPECT_LE(large.blocks_read - (1u << 20) / 512, 5 * 8u) << "one line for who jumps about";
}

// It stays at three lines. What is read ahead must not take the line that was asked for.
TEST_F(Cache, ReadsAheadWithLittleMemory)
{
    BlockCache* ahead = BlockCache::make_for(disk, 64).value();
    FakeHeap::used = FakeHeap::total - (1 << 20);
    std::vector<std::byte> b(100);
    for (uint64_t offset = 0; offset < 40 * 1024; offset += b.size()) {
        ASSERT_TRUE(ahead->read(offset, b));
        expect_same(offset, b);
    }
    EXPECT_EQ(ahead->lines(), 3u);
    EXPECT_LE(disk.reads, 10u);
}

TEST_F(Cache, ManyLargeOnesLeaveRoomForOthers)
{
    FakeHeap::total = FakeHeap::used + (16 << 20);
    std::vector<std::unique_ptr<ImageDevice>> disks;
    std::vector<BlockCache*> caches;
    for (unsigned i = 0; i < 8; ++i) {
        disks.push_back(std::make_unique<ImageDevice>(std::vector<char>(3 << 20)));
        caches.push_back(BlockCache::make_for(*disks.back()).value());
        std::byte b[100];
        for (uint64_t offset = 0; offset < 3 << 20; offset += 4096)
            ASSERT_TRUE(caches.back()->read(offset, b));
    }
    EXPECT_EQ(caches.front()->lines(), 512u);
    EXPECT_GE(caches.back()->lines(), 64u);
    EXPECT_GT(kernel_memory().free, kernel_memory().total / 8);
    for (BlockCache* each : caches) delete each;
}

TEST_F(Cache, LongReadsAreAsTheyWouldBeWritten)
{
    std::byte b[] = {std::byte{0xee}};
    ASSERT_TRUE(cache->write(4096 + 600, b));
    ASSERT_TRUE(cache->write(6 * 4096, b));
    auto all = read(0, 40 * 1024);
    EXPECT_EQ(all[4096 + 600], b[0]);
    EXPECT_EQ(all[6 * 4096], b[0]);
    EXPECT_EQ(disk.writes, 0u);
}

TEST_F(Cache, WritesOnlyTheBlocksThatChanged)
{
    std::byte b[] = {std::byte{1}};
    ASSERT_TRUE(cache->write(1024, b));
    ASSERT_TRUE(cache->write(3 * 512, b));
    disk.data[0] = 'x';  // as if somebody else had written it behind our back
    ASSERT_TRUE(cache->sync());
    EXPECT_EQ(disk.data[0], 'x');
    EXPECT_EQ(disk.data[1024], 1);
    EXPECT_EQ(disk.data[1536], 1);
    EXPECT_EQ(disk.writes, 1u) << "neighbours together";
}

TEST_F(Cache, ForgetsWhatHasBeenFreed)
{
    std::vector<std::byte> b(4096, std::byte{2});
    ASSERT_TRUE(cache->write(0, b));
    ASSERT_TRUE(cache->write(4096, b));
    cache->forget(512, 4096);
    ASSERT_TRUE(cache->sync());
    EXPECT_EQ(disk.data[0], 2);
    EXPECT_NE(disk.data[512], 2);
    EXPECT_NE(disk.data[4095], 2);
    EXPECT_NE(disk.data[4096], 2);
    EXPECT_EQ(disk.data[4096 + 512], 2);
}

TEST_F(Cache, CanBeMadeSmallerAndLarger)
{
    for (uint64_t line = 0; line < 4; ++line) read(line * 4096, 1);
    EXPECT_EQ(cache->lines(), 4u);
    std::byte b[] = {std::byte{1}};
    for (uint64_t line = 0; line < 3; ++line) ASSERT_TRUE(cache->write(line * 4096, b));
    cache->set_limit(0);
    EXPECT_EQ(cache->lines(), 3u) << "what is to be written stays";
    ASSERT_TRUE(cache->sync());
    cache->set_limit(8);
    for (uint64_t line = 0; line < 8; ++line) expect_same(line * 4096, read(line * 4096, 1));
    EXPECT_EQ(cache->lines(), 8u);
}

TEST_F(Cache, WritesBesideWhatCannotBeRead)
{
    disk.bad_blocks = {9};
    std::vector<std::byte> b(700, std::byte{1});
    EXPECT_EQ(cache->write(4096, b).error(), Error::device) << "the rest of a block is needed";
    expect_same(4096, read(4096, 512));
    ASSERT_TRUE(cache->write(4096 + 1030, std::span(b).first(1)));
    ASSERT_TRUE(cache->write(4096 + 512, std::span(b).first(512))) << "none of it is needed";
    auto expected = disk.data;
    expected[4096 + 1030] = 1;
    std::fill_n(expected.begin() + 4096 + 512, 512, 1);
    EXPECT_EQ(read(4096 + 512, 512), std::vector(512, std::byte{1}));
    ASSERT_TRUE(disk.read(12, 1, b.data()));  // by somebody else
    EXPECT_EQ(memcmp(b.data(), &disk.data[12 * 512], 512), 0) << "the line does not have it";
    ASSERT_TRUE(cache->sync());
    EXPECT_EQ(disk.data, expected);
}

TEST_F(Cache, KnowsWhatWasWrittenWhereItCannotRead)
{
    disk.bad_blocks = {9};
    read(4096, 512);
    std::byte b[4096];
    std::ranges::fill(b, std::byte{1});
    ASSERT_TRUE(disk.write(8, 8, b));  // by somebody else
    EXPECT_EQ(read(4096, 4096), std::vector(4096, std::byte{1}));
}

TEST_F(Cache, KnowsLongDataWhereItCannotRead)
{
    ImageDevice large(std::vector<char>(32 * 4096));
    large.bad_blocks = {9};
    auto cache = BlockCache::make_for(large).value();
    std::vector<std::byte> b(16 * 4096, std::byte{1});
    ASSERT_TRUE(cache->look(4096, 1));
    ASSERT_TRUE(cache->write(0, b, BlockCache::Kind::data));
    EXPECT_TRUE(cache->look(4096, 4096)) << "it was written";
    delete cache;
}

TEST_F(Cache, ReadsNothingTwiceInALineThatHadBadBlocks)
{
    disk.bad_blocks = {9};
    read(4096, 512);
    for (uint64_t line = 2; line < 6; ++line) read(line * 4096, 512);
    size_t reads = disk.reads;
    for (uint64_t line = 2; line < 6; ++line) read(line * 4096 + 512, 512);
    EXPECT_EQ(disk.reads, reads);
}

TEST_F(Cache, KeepsWhatItHasWhereOthersFailToWrite)
{
    std::byte b[512] = {std::byte{1}}, other[1024] = {};
    ASSERT_TRUE(cache->write(4096, b));
    disk.broken = true;
    EXPECT_FALSE(disk.write(8, 2, other));
    disk.broken = false;
    disk.data[4096 + 512] = 'x';  // as far as they came
    EXPECT_EQ(read(4096, 1)[0], b[0]);
    EXPECT_EQ(read(4096 + 512, 1)[0], std::byte{'x'});
}

// ---- several runs at once

// Works by itself, on the last request first; what it reads is as it was when that was submitted.
class SlowDisk final : public BlockDevice {
public:
    explicit SlowDisk(size_t bytes) : data(bytes)
    {
        for (size_t i = 0; i < bytes; ++i) data[i] = std::byte(i * 31 + i / 512);
        blocks = bytes / 512;
    }
    size_t in_flight() const { return work.size(); }

    std::vector<std::byte> data;
    std::map<uint64_t, Error> bad;  // blocks
    bool stalls = false, leaves = false;
    size_t reads = 0, most = 0;
    std::vector<bool> more;  // of the requests

private:
    struct Work {
        BlockRequest* request;
        std::vector<std::byte> bytes;
        uint64_t since_us;
    };
    Result<void> read_blocks(uint64_t first, uint32_t count, std::byte* into) override
    {
        ++reads;
        if (auto found = bad.lower_bound(first); found != bad.end() && found->first < first + count)
            return found->second;
        memcpy(into, &data[first * 512], count * 512);
        return {};
    }
    Result<void> write_blocks(uint64_t first, uint32_t count, const std::byte* from) override
    {
        memcpy(&data[first * 512], from, count * 512);
        return {};
    }
    Result<void> flush_blocks() override { return {}; }
    void begin(BlockRequest& r) override
    {
        ++reads;
        more.push_back(r.more);
        auto at = data.begin() + ptrdiff_t(r.position * 512);
        work.push_back({&r, {at, at + ptrdiff_t(r.count * 512)}, fake_machine->now_us});
        most = std::max(most, work.size());
    }
    void advance() override
    {
        if (work.empty()) return;
        Work last = std::move(work.back());
        auto found = bad.lower_bound(last.request->position);
        bool is_bad =
            found != bad.end() && found->first < last.request->position + last.request->count;
        if (stalls && fake_machine->now_us - last.since_us < 10'000'000) return;
        work.pop_back();
        if (leaves) return finish(*last.request, Error::gone);
        if (stalls) return finish(*last.request, Error::timed_out);
        if (is_bad) return finish(*last.request, found->second);
        memcpy(last.request->data, last.bytes.data(), last.bytes.size());
        finish(*last.request, {});
    }
    std::vector<Work> work;
};

struct Runs : testing::Test {
    Runs() : bytes(1 << 20) { cache = BlockCache::make_for(disk, 64).value(); }
    // `count` runs of 16 KiB, with as much between them.
    Result<void> read(unsigned count, uint64_t soon = 0)
    {
        BlockCache::Runs runs(*cache, bytes.size());
        for (unsigned n = 0; n < count; ++n)
            TRY(runs.read(n * 32768, std::span(bytes).subspan(n * 16384, 16384)));
        TRY(runs.begin_all(soon));
        return runs.finish();
    }
    void expect_run(unsigned n)
    {
        EXPECT_EQ(memcmp(&bytes[n * 16384], &disk.data[n * 32768], 16384), 0) << n;
    }
    FakeMachine machine;
    SlowDisk disk{2 << 20};
    BlockCache* cache;
    std::vector<std::byte> bytes;
};

TEST_F(Runs, AreUnderWayTogether)
{
    ASSERT_TRUE(read(3));
    EXPECT_EQ(disk.most, 3u);
    for (unsigned n = 0; n < 3; ++n) expect_run(n);
    ASSERT_TRUE(read(30));
    for (unsigned n = 0; n < 30; ++n) expect_run(n);
    EXPECT_LE(disk.most, 8u);
    EXPECT_EQ(disk.in_flight(), 0u);
}

TEST_F(Runs, AreTheDevicesAllAtOnce)
{
    ASSERT_TRUE(read(3));
    EXPECT_EQ(disk.more, (std::vector{true, true, false}));
    disk.more.clear();
    ASSERT_TRUE(read(2, 1 << 20));
    EXPECT_EQ(disk.more, (std::vector{true, true, false}));
    disk.more.clear();
    ASSERT_TRUE(read(2, 1 << 20));
    EXPECT_EQ(disk.more, (std::vector{true, false})) << "it is here";
    disk.more.clear();
    ASSERT_TRUE(read(2, disk.data.size()));
    EXPECT_EQ(disk.more, (std::vector{true, false})) << "there is no such place";
    disk.more.clear();
    ASSERT_TRUE(cache->read(0, std::span(bytes).first(65536)));
    EXPECT_EQ(disk.more, std::vector{false});
}

TEST_F(Runs, LeaveTimeToLookAhead)
{
    std::byte b[4];
    EXPECT_FALSE(cache->is_here(1 << 20));
    BlockCache::Runs runs(*cache, 65536);
    ASSERT_TRUE(runs.read(0, std::span(bytes).first(16384)));
    EXPECT_EQ(disk.in_flight(), 0u);
    EXPECT_TRUE(runs.begin_all(1 << 20).value());
    EXPECT_EQ(disk.in_flight(), 2u);
    BlockCache::Runs others(*cache, 65536);
    ASSERT_TRUE(others.read(32768, std::span(bytes).subspan(16384, 16384)));
    ASSERT_TRUE(others.read(65536, std::span(bytes).subspan(32768, 16384)));
    EXPECT_TRUE(others.begin_all(3 << 19).value()) << "there is one such line at a time";
    EXPECT_EQ(disk.in_flight(), 4u);
    ASSERT_TRUE(others.finish());
    ASSERT_TRUE(runs.finish());
    for (unsigned n = 0; n < 3; ++n) expect_run(n);
    EXPECT_TRUE(cache->is_here(1 << 20));
    disk.reads = 0;
    ASSERT_TRUE(cache->read((1 << 20) + 100, b));
    EXPECT_EQ(memcmp(b, &disk.data[(1 << 20) + 100], 4), 0);
    EXPECT_EQ(disk.reads, 0u);
    BlockCache::Runs none(*cache, 65536);
    EXPECT_FALSE(none.begin_all(1 << 19).value());
    BlockCache::Runs few(*cache, 100);
    ASSERT_TRUE(few.read(0, b));
    EXPECT_FALSE(few.begin_all(1 << 19).value()) << "it is short";
    disk.bad[64] = Error::device;
    EXPECT_EQ(cache->read(32768, b).error(), Error::device);
    ASSERT_TRUE(cache->read(32768 + 512, b));
    EXPECT_FALSE(cache->is_here(32768)) << "not this block";
    EXPECT_TRUE(cache->is_here(32768 + 512));
}

TEST_F(Runs, FourLinesComeAlongAtMost)
{
    auto begin_with = [&](uint64_t soon) {
        BlockCache::Runs runs(*cache, 16384);
        ASSERT_TRUE(runs.read(0, std::span(bytes).first(16384)));
        ASSERT_TRUE(runs.begin_all(soon));
        ASSERT_TRUE(runs.finish());
    };
    constexpr uint64_t middle = 1 << 20, line = BlockCache::line_bytes;
    const uint64_t end = disk.data.size();
    std::byte b[4];
    ASSERT_TRUE(cache->read(middle + 2 * line, b));
    begin_with(middle + 100);
    EXPECT_TRUE(cache->is_here(middle) && cache->is_here(middle + line));
    EXPECT_FALSE(cache->is_here(middle + 3 * line)) << "one in front of it was here";
    begin_with(middle + 3 * line);
    EXPECT_TRUE(cache->is_here(middle + 3 * line) && cache->is_here(middle + 6 * line));
    EXPECT_FALSE(cache->is_here(middle + 7 * line));
    begin_with(end - 2 * line);
    EXPECT_TRUE(cache->is_here(end - 1));
    disk.reads = 0;
    for (uint64_t at : {middle + line, middle + 4 * line, middle + 6 * line + 9, end - line - 4}) {
        ASSERT_TRUE(cache->read(at, b));
        EXPECT_EQ(memcmp(b, &disk.data[at], 4), 0) << at;
    }
    EXPECT_EQ(disk.reads, 0u);
}

TEST_F(Runs, WhatIsWrittenMeanwhileIsNotUndone)
{
    for (uint64_t at : {1 << 20, (1 << 20) + 40960}) {  // the first line that comes, the second
        uint64_t place = at + 7;
        BlockCache::Runs runs(*cache, 65536);
        ASSERT_TRUE(runs.read(0, std::span(bytes).first(16384)));
        EXPECT_TRUE(runs.begin_all(at == 1 << 20 ? at : at - BlockCache::line_bytes).value());
        std::byte one[] = {std::byte{0xee}}, b[1];
        ASSERT_TRUE(cache->write(place, one));
        ASSERT_TRUE(runs.finish());
        ASSERT_TRUE(cache->read(place, b));
        EXPECT_EQ(b[0], one[0]);
        one[0] = std::byte{0xdd};
        ASSERT_TRUE(cache->write(place, one));
        ASSERT_TRUE(cache->sync());
        EXPECT_EQ(disk.data[place], one[0]) << "it is there once";
    }
}

TEST_F(Runs, BecomeOneWhereTheyMeet)
{
    BlockCache::Runs runs(*cache, 65536);
    auto all = std::span(bytes).first(65536);
    for (size_t at = 0; at < 65536; at += 4096)
        ASSERT_TRUE(runs.read(8192 + at, all.subspan(at, 4096)));
    ASSERT_TRUE(runs.finish());
    EXPECT_EQ(memcmp(bytes.data(), &disk.data[8192], 65536), 0);
    EXPECT_EQ(disk.reads, 1u);
    BlockCache::Runs apart(*cache, 65536);  // in memory
    ASSERT_TRUE(apart.read(0, all.first(20480)));
    ASSERT_TRUE(apart.read(20480, all.subspan(24576, 20480)));
    ASSERT_TRUE(apart.finish());
    EXPECT_EQ(disk.reads, 3u);
    EXPECT_EQ(memcmp(&bytes[24576], &disk.data[20480], 20480), 0);
}

TEST_F(Runs, ReadAnyPieceOfTheDevice)
{
    for (uint64_t offset : {0, 1, 512, 4095, 9728, 65537}) {
        for (size_t size : {16384, 16385, 17000, 70000}) {
            ASSERT_TRUE(cache->read(offset, std::span(bytes).first(size)));
            EXPECT_EQ(memcmp(bytes.data(), &disk.data[offset], size), 0) << offset << ' ' << size;
        }
    }
    disk.reads = 0;
    ASSERT_TRUE(cache->read((1 << 20) + 512, std::span(bytes).first(70 * 512)));
    EXPECT_EQ(disk.reads, 1u) << "blocks are enough; it need not be lines";
}

TEST_F(Runs, AnErrorInTheMiddleIsTheErrorOfAll)
{
    disk.bad[64 + 5] = Error::device;  // of the second
    EXPECT_EQ(read(3).error(), Error::device);
    expect_run(0);
    expect_run(2);
    EXPECT_EQ(disk.in_flight(), 0u);
    disk.bad[5] = Error::not_found;  // the first one's counts, though it ends last
    EXPECT_EQ(read(20).error(), Error::not_found);
    disk.bad.clear();
    ASSERT_TRUE(read(3));
    expect_run(1);
}

TEST_F(Runs, KeepTheDevicesDeadline)
{
    disk.stalls = true;
    EXPECT_EQ(read(12).error(), Error::timed_out);
    EXPECT_EQ(disk.in_flight(), 0u);
    EXPECT_LT(machine.now_us, 30'000'000u) << "they wait together";
}

TEST_F(Runs, EndWhereTheDeviceIsGone)
{
    disk.leaves = true;
    EXPECT_EQ(read(12).error(), Error::gone);
    EXPECT_EQ(disk.in_flight(), 0u);
    EXPECT_EQ(read(1).error(), Error::gone) << "from then on";
}

TEST_F(Runs, LeaveNothingUnderWay)
{
    {
        BlockCache::Runs runs(*cache, 65536);
        ASSERT_TRUE(runs.read(0, std::span(bytes).first(16384)));
        ASSERT_TRUE(runs.read(32768, std::span(bytes).subspan(16384, 16384)));
        EXPECT_EQ(runs.read(disk.data.size() - 1, std::span(bytes).first(2)).error(),
                  Error::invalid);
        EXPECT_EQ(disk.in_flight(), 1u);
    }
    EXPECT_EQ(disk.in_flight(), 0u) << "whoever gave up, as for a damaged map";
}

// The oldest of three lines are written in the midst of it, since there is no memory for others.
TEST_F(Runs, AreAsTheyWouldBeWritten)
{
    FakeHeap::used = FakeHeap::total - (1 << 20);
    std::byte b[] = {std::byte{0xee}};
    for (uint64_t line : {0, 1, 9}) ASSERT_TRUE(cache->write(line * 4096 + 5, b));
    ASSERT_EQ(cache->lines(), 3u);
    BlockCache::Runs runs(*cache, 65536);
    ASSERT_TRUE(runs.read(32768, std::span(bytes).first(16384)));
    ASSERT_TRUE(runs.read(65536, std::span(bytes).subspan(16384, 16384)));
    EXPECT_EQ(disk.in_flight(), 1u);
    std::byte other[1];
    ASSERT_TRUE(cache->read(1 << 20, other));
    ASSERT_EQ(disk.data[9 * 4096 + 5], b[0]) << "this is about a line that was written";
    ASSERT_TRUE(runs.finish());
    EXPECT_EQ(bytes[4096 + 5], b[0]);
}

TEST_F(Runs, WithinOthers)
{
    BlockCache::Runs outer(*cache, 65536);
    ASSERT_TRUE(outer.read(0, std::span(bytes).first(16384)));
    ASSERT_TRUE(outer.read(65536, std::span(bytes).subspan(16384, 16384)));
    ASSERT_TRUE(cache->read(1 << 20, std::span(bytes).subspan(32768, 65536)));
    ASSERT_TRUE(outer.finish());
    EXPECT_EQ(memcmp(bytes.data(), disk.data.data(), 16384), 0);
    EXPECT_EQ(memcmp(&bytes[16384], &disk.data[65536], 16384), 0);
    EXPECT_EQ(memcmp(&bytes[32768], &disk.data[1 << 20], 65536), 0);
}

TEST_F(Runs, BringAlongWhatIsNeededSoon)
{
    std::byte b[4];
    ASSERT_TRUE(read(2, (1 << 20) + 8));
    EXPECT_EQ(disk.most, 3u);
    EXPECT_EQ(disk.reads, 3u);
    ASSERT_TRUE(cache->read((1 << 20) + 4092, b));
    EXPECT_EQ(memcmp(b, &disk.data[(1 << 20) + 4092], 4), 0);
    ASSERT_TRUE(read(2, 1 << 20));
    EXPECT_EQ(disk.reads, 5u) << "it is here";
    ASSERT_TRUE(read(2, disk.data.size() * 4));
    EXPECT_EQ(disk.reads, 7u) << "there is no such place";
    disk.bad[3000] = Error::device;
    ASSERT_TRUE(read(2, 3000 * 512)) << "nobody has asked for it";
    EXPECT_EQ(cache->read(3000 * 512, b).error(), Error::device);
    disk.bad[0] = Error::device;
    EXPECT_EQ(read(2, 3500 * 512).error(), Error::device);
}

TEST_F(Runs, DoNotReadWhatIsHere)
{
    std::byte b[1];
    for (uint64_t line = 0; line < 4; ++line) ASSERT_TRUE(cache->read(line * 4096, b));
    disk.reads = 0;
    ASSERT_TRUE(cache->read(0, std::span(bytes).first(16384)));
    EXPECT_EQ(disk.reads, 0u);
    EXPECT_EQ(memcmp(bytes.data(), disk.data.data(), 16384), 0);
}

TEST_F(Runs, DoWithoutMemory)
{
    FakeHeap::fail_after = 0;
    ASSERT_TRUE(read(12, 1 << 20));
    for (unsigned n = 0; n < 12; ++n) expect_run(n);
    FakeHeap::fail_after = -1;
}

// ---- in which order things come to the medium

struct Order : testing::Test {
    Order() : disk(std::vector<char>(576 << 10)) { cache = BlockCache::make_for(disk, 32).value(); }
    ~Order() override { delete cache; }
    void write(uint64_t offset, int value, BlockCache::Kind kind = BlockCache::Kind::metadata)
    {
        std::byte b[] = {std::byte(value)};
        ASSERT_TRUE(cache->write(offset, b, kind));
    }
    void write_after(uint64_t first, uint64_t later, int value)
    {
        ASSERT_TRUE(cache->order(first, later));
        write(later, value);
    }
    // In whatever a power cut leaves: rule() of the image.
    void expect_always(const std::function<bool(const std::vector<char>&)>& rule)
    {
        for (unsigned seed = 1; seed < 4; ++seed) {
            disk.each_cut(250, seed,
                          [&](const PowerCutDisk::Cut& cut) { EXPECT_TRUE(rule(cut.image)); });
        }
    }
    FakeMachine machine;
    PowerCutDisk disk;
    BlockCache* cache;
};

TEST_F(Order, DataComesBeforeMetadata)
{
    write(0, 1);
    write(8192, 1, BlockCache::Kind::data);
    ASSERT_TRUE(cache->sync());
    expect_always([](auto& image) { return !image[0] || image[8192]; });
    EXPECT_EQ(disk.flushes, 2u);
}

TEST_F(Order, LongDataComesBeforeMetadata)
{
    std::vector<std::byte> data(256 << 10, std::byte{1});
    ASSERT_TRUE(cache->write(256 << 10, data, BlockCache::Kind::data));
    EXPECT_GT(disk.now(), 0u) << "straight to the device";
    write(0, 1);
    ASSERT_TRUE(cache->sync());
    expect_always([](auto& image) {
        return !image[0] || std::count(image.begin() + (256 << 10), image.end(), 1) == 256 << 10;
    });
}

TEST_F(Order, AChainIsWrittenLinkByLink)
{
    write(40'000, 1);
    write_after(40'000, 20'000, 2);
    write_after(20'000, 0, 3);
    write(60'000, 4);
    ASSERT_TRUE(cache->sync());
    expect_always([](auto& i) { return (!i[0] || i[20'000]) && (!i[20'000] || i[40'000]); });
    EXPECT_EQ(disk.data[0], 3);
    EXPECT_EQ(disk.flushes, 3u);
}

TEST_F(Order, WhatWouldGoRoundIsWrittenAtOnce)
{
    write(0, 1);
    write_after(0, 8192, 1);
    write_after(8192, 16'384, 1);
    write_after(16'384, 0, 2);
    ASSERT_TRUE(cache->sync());
    expect_always([](auto& i) {
        return (!i[8192] || i[0]) && (!i[16'384] || i[8192]) && (i[0] != 2 || i[16'384]);
    });
    EXPECT_EQ(disk.data[0], 2);
}

TEST_F(Order, WhatWasForgottenIsNotWaitedFor)
{
    write(0, 1);
    write_after(0, 8192, 2);
    cache->forget(0, 4096);
    write_after(8192, 0, 3);  // not a circle
    EXPECT_EQ(disk.flushes, 0u);
    ASSERT_TRUE(cache->sync());
    expect_always([](auto& image) { return !image[0] || image[8192]; });
    EXPECT_EQ(disk.data[0], 3);
    size_t now = disk.now();
    write(0, 4);
    write_after(0, 8192, 4);
    cache->forget(0, 4096);
    write(0, 4);
    write_after(8192, 0, 5);
    EXPECT_EQ(disk.now(), now) << "nor is this";
}

TEST_F(Order, ACopyWaitsForWhatItsOriginalWaitsFor)
{
    write(16384, 1);
    write_after(16384, 8192, 1);
    ASSERT_TRUE(cache->order_copy(8192, 0));
    write(0, 1);
    EXPECT_EQ(disk.flushes, 0u);
    ASSERT_TRUE(cache->order_copy(8192, 16384));  // which would have to wait for itself
    EXPECT_GT(disk.flushes, 0u);
    ASSERT_TRUE(cache->order_copy(8192, 4096));  // it waits for nothing any more
    write(4096, 1);
    ASSERT_TRUE(cache->sync());
    expect_always([](auto& image) { return (!image[0] && !image[4096]) || image[16384]; });
}

TEST_F(Order, TakesNoMoreMemoryEachTime)
{
    size_t live = 0;
    for (int i = 0; i < 50; ++i) {
        write(0, i);
        for (int line = 1; line < 8; ++line) write_after(0, line * 4096, i);
        ASSERT_TRUE(cache->sync());
        if (i == 0) live = FakeHeap::live();
    }
    EXPECT_EQ(FakeHeap::live(), live);
}

TEST_F(Order, TheSameAgainTakesNoMoreMemory)
{
    write(0, 1);
    write_after(0, 4096, 1);
    size_t live = FakeHeap::live();
    for (int i = 0; i < 50; ++i) write_after(0, 4096, 1);
    EXPECT_EQ(FakeHeap::live(), live);
}

TEST_F(Order, HoldsWithoutMemory)
{
    for (int line = 0; line < 8; ++line) write(line * 4096, 1);
    ASSERT_TRUE(cache->sync());
    write(0, 2);
    FakeHeap::fail_after = 0;
    write_after(0, 4096, 2);
    EXPECT_EQ(FakeHeap::fail_after, -1);
    ASSERT_TRUE(cache->sync());
    expect_always([](auto& image) { return image[4096] != 2 || image[0] == 2; });
}

// What is collected before it goes to the device has its bound, and need not be collected.
TEST_F(Order, LongRunsAreWrittenInPieces)
{
    std::vector<std::byte> lines(40 * 4096, std::byte{1});
    for (int failing : {-1, 1}) {  // the second: once there is room to sort them
        delete cache;
        cache = BlockCache::make_for(disk, 64).value();
        BlockCache::Operation operation(*cache);
        ASSERT_TRUE(operation.begin());
        ASSERT_TRUE(cache->write(0, lines));
        FakeHeap::fail_after = failing;
        ASSERT_TRUE(cache->sync());
        EXPECT_EQ(FakeHeap::fail_after, -1);
        EXPECT_EQ(std::count(disk.data.begin(), disk.data.end(), 1), 40 * 4096);
        std::fill(disk.data.begin(), disk.data.end(), 0);
    }
}

// The line of what had to come first may be the one that was needed.
TEST_F(Order, HoldsWhereThereIsNoRoom)
{
    cache->set_limit(0);
    for (int value = 1; value <= 3; ++value) {
        for (int line = 0; line < 3; ++line) write(line * 4096, value);
        write_after((value - 1) * 4096, 8 * 4096, value);
        write_after(8 * 4096, 9 * 4096, value);
        ASSERT_TRUE(cache->sync());
    }
    expect_always([](auto& i) {
        int later = i[8 * 4096];
        return (!later || i[(later - 1) * 4096] >= later) && i[9 * 4096] <= later;
    });
}

TEST_F(Order, WhatWasForgottenMayBeGone)
{
    for (int line = 0; line < 8; ++line) write(line * 4096, 1);
    ASSERT_TRUE(cache->sync());
    write(0, 2);
    write_after(0, 8192, 2);
    cache->forget(0, 4096);
    for (int line = 3; line < 8; ++line) ASSERT_TRUE(cache->look(line * 4096, 1));
    cache->set_limit(0);
    ASSERT_TRUE(cache->sync());
    EXPECT_EQ(disk.data[0], 1);
    EXPECT_EQ(disk.data[8192], 2);
}

// The first thing that the copy has to wait for is in its own line: all is written, and there is
// nothing left to wait for, of lines that may be gone.
TEST_F(Order, ACopyWaitsForNothingThatHasBeenWritten)
{
    write(0, 1);
    for (int line = 1; line < 8; ++line) write_after(0, line * 4096, 1);
    ASSERT_TRUE(cache->sync());
    BlockCache::Operation operation(*cache);
    ASSERT_TRUE(operation.begin());
    for (int line = 20; line < 24; ++line) write(line * 4096, 1);
    cache->set_limit(0);
    write_after(21 * 4096, 20 * 4096, 1);
    write_after(22 * 4096, 20 * 4096, 1);
    ASSERT_TRUE(cache->order_copy(20 * 4096, 22 * 4096));
    write(22 * 4096, 2);
    ASSERT_TRUE(cache->sync());
    expect_always([](auto& i) { return i[22 * 4096] != 2 || i[21 * 4096]; });
}

TEST_F(Order, BlocksOfOneLineHaveAnOrderToo)
{
    write(1024, 1);
    write_after(1024, 2048, 1);
    write_after(2048, 2049, 1);  // one block: together
    ASSERT_TRUE(cache->sync());
    expect_always([](auto& i) { return (!i[2048] || i[1024]) && i[2048] == i[2049]; });
}

TEST_F(Order, WhatHasBeenWrittenButNotFlushedStillCounts)
{
    write(0, 1);
    for (int line = 1; line < 32; ++line) write(line * 4096, 1);  // more than it wants to hold
    EXPECT_GT(disk.now(), 0u);
    write_after(0, 40 * 4096, 1);
    ASSERT_TRUE(cache->sync());
    expect_always([](auto& i) { return !i[40 * 4096] || i[0]; });
}

TEST_F(Order, RandomOrdersHold)
{
    std::mt19937 random(7);
    struct Rule {
        size_t first, later;
        int value_first, value_later;
    };
    std::vector<Rule> rules;
    std::vector<int> value(60);  // of a byte in each of as many blocks of 20 lines
    auto at = [](size_t n) { return n / 3 * 4096 + n % 3 * 512; };
    for (int step = 1; step < 120; ++step) {
        size_t a = random() % value.size(), b = random() % value.size();
        value[a] = step;
        write(at(a), step);
        if (a == b) continue;
        ASSERT_TRUE(cache->order(at(a), at(b)));
        value[b] = step;
        write(at(b), step);
        rules.push_back({at(a), at(b), step, step});
        if (random() % 20 == 0) {
            ASSERT_TRUE(cache->sync());
        }
    }
    ASSERT_TRUE(cache->sync());
    expect_always([&](auto& image) {
        for (const Rule& rule : rules) {
            if (image[rule.later] >= rule.value_later && image[rule.first] < rule.value_first)
                return false;
        }
        return true;
    });
    for (size_t n = 0; n < value.size(); ++n) EXPECT_EQ(disk.data[at(n)], value[n]);
}

TEST_F(Order, NothingOfAnOperationIsWrittenBeforeItEnds)
{
    {
        BlockCache::Operation operation(*cache);
        ASSERT_TRUE(operation.begin());
        for (int line = 0; line < 60; ++line) write(line * 4096, 1);
        EXPECT_EQ(disk.now(), 0u);
    }
    BlockCache::Operation next(*cache);
    ASSERT_TRUE(next.begin());
    EXPECT_GT(disk.now(), 0u) << "it was too much";
}

// A journal of one slot: a copy of the lines, then how many there are.
struct OneSlot final : WriteAhead {
    explicit OneSlot(BlockDevice& disk) : disk(disk) { most_lines = 16; }
    Result<void> before_writing(BlockCache& cache) override
    {
        uint32_t count = 0;
        for (auto d = cache.next_dirty(0); !d.data.empty(); d = cache.next_dirty(d.offset + 4096)) {
            TRY(disk.write(1024 + count * 8, 8, d.data.data()));
            where.push_back(d.offset);
            ++count;
        }
        TRY(disk.flush());
        std::byte block[512] = {std::byte(count)};
        TRY(disk.write(1000, 1, block));
        return disk.flush();
    }
    Result<void> after_writing() override
    {
        ++commits;
        std::byte block[512] = {};
        return disk.write(1000, 1, block);
    }
    BlockDevice& disk;
    std::vector<uint64_t> where;
    int commits = 0;
};

TEST_F(Order, AJournalIsWrittenFirst)
{
    OneSlot journal(disk);
    cache->set_write_ahead(&journal);
    write(0, 1);
    write_after(0, 8192, 2);
    write_after(8192, 0, 3);
    write(4096, 4);
    write(100'000, 5, BlockCache::Kind::data);
    EXPECT_EQ(disk.now(), 0u);
    ASSERT_TRUE(cache->sync());
    EXPECT_THAT(journal.where, testing::ElementsAre(0, 4096, 8192));
    EXPECT_EQ(journal.commits, 1);
    expect_always([](auto& i) {
        bool journaled = i[512'000] == 3, whole = i[0] == 3 && i[8192] == 2 && i[4096] == 4;
        bool nothing = !i[0] && !i[8192] && !i[4096];
        return journaled || whole || nothing;
    });
    for (int line = 0; line < 20; ++line) write(line * 4096, 6);
    EXPECT_GE(journal.commits, 2) << "before it has more than the journal can take";
}

}  // namespace
