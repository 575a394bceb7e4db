// SPDX-License-Identifier: BSD-2-Clause
// What all block devices do (src/block/device.cpp): requests, bounds, devices that go; and that
// caches and raw access see the same.
#include <deque>
#include <random>
#include "block/cache.h"
#include "block/partitions.h"
#include "fakes/machine.h"
#include "images.h"

namespace {

using Operation = BlockRequest::Operation;

// A device that keeps what it is given until release(), as one that works by itself.
class SlowDevice final : public BlockDevice {
public:
    SlowDevice() { blocks = 100; }
    std::deque<BlockRequest*> in_flight;
    int finish_now = 0;

private:
    Result<void> read_blocks(uint64_t, uint32_t, std::byte*) override { return Error::device; }
    Result<void> write_blocks(uint64_t, uint32_t, const std::byte*) override
    {
        return Error::device;
    }
    Result<void> flush_blocks() override { return {}; }
    void begin(BlockRequest& request) override { in_flight.push_back(&request); }
    void advance() override
    {
        for (; finish_now && !in_flight.empty(); --finish_now) {
            BlockRequest& last = *in_flight.back();  // not in order
            in_flight.pop_back();
            finish(last, {});
        }
    }
    void abandon() override
    {
        for (BlockRequest* request : in_flight) finish(*request, Error::timed_out);
        in_flight.clear();
    }
};

struct Block : testing::Test {
    Block() : disk(std::vector<char>(100 * 512))
    {
        for (size_t i = 0; i < disk.data.size(); ++i) disk.data[i] = char(i * 31 + i / 512);
    }
    std::byte* at(uint64_t block) { return reinterpret_cast<std::byte*>(&disk.data[block * 512]); }
    FakeMachine machine;
    ImageDevice disk;
    std::byte data[4096] = {};
};

TEST_F(Block, RequestsAreDoneInPollOneAtATime)
{
    BlockRequest requests[3];
    std::byte into[3][512];
    for (unsigned i = 0; i < 3; ++i) {
        requests[i] = {.first = i * 10, .count = 1, .data = into[i]};
        disk.submit(requests[i]);
        EXPECT_FALSE(requests[i].done);
    }
    EXPECT_EQ(disk.reads, 0u);
    disk.poll();
    EXPECT_TRUE(requests[0].done && !requests[1].done);
    EXPECT_TRUE(disk.wait(requests[2], {1'000'000}));
    EXPECT_TRUE(requests[1].done && requests[2].done) << "in their order";
    disk.poll();
    EXPECT_EQ(disk.reads, 3u);
    for (unsigned i = 0; i < 3; ++i) EXPECT_EQ(memcmp(into[i], at(i * 10), 512), 0);
}

TEST_F(Block, RequestsOfAllKinds)
{
    memset(data, 5, sizeof data);
    BlockRequest write = {.operation = Operation::write, .first = 3, .count = 8, .data = data};
    disk.submit(write);
    EXPECT_TRUE(disk.wait(write, {1'000'000}));
    EXPECT_EQ(memcmp(at(3), data, 4096), 0);
    BlockRequest flush = {.operation = Operation::flush};
    disk.submit(flush);
    EXPECT_TRUE(disk.wait(flush, {1'000'000}));
    BlockRequest discard = {.operation = Operation::discard, .first = 0, .count = 1};
    disk.submit(discard);
    EXPECT_EQ(disk.wait(discard, {1'000'000}).error(), Error::unsupported);
    EXPECT_EQ(disk.discard(0, 1).error(), Error::unsupported);
    BlockRequest none = {.operation = static_cast<Operation>(9)};
    disk.submit(none);
    EXPECT_TRUE(none.done);
    EXPECT_EQ(none.result.error(), Error::invalid);
}

TEST_F(Block, APartitionCannotBeLeft)
{
    Partition part(disk, 90, 8);
    struct {
        uint64_t first;
        uint32_t count;
    } outside[] = {{8, 1}, {7, 2}, {0, 9}, {0, ~0u}, {~0ull, 1}, {~0ull - 89, 1}, {9, 0}};
    for (auto [first, count] : outside) {
        for (Operation operation : {Operation::read, Operation::write, Operation::discard}) {
            BlockRequest request = {
                .operation = operation, .first = first, .count = count, .data = data};
            part.submit(request);
            EXPECT_TRUE(request.done);
            EXPECT_EQ(request.result.error(), Error::invalid) << first << " " << count;
        }
        EXPECT_EQ(part.read(first, count, data).error(), Error::invalid);
        EXPECT_EQ(part.write(first, count, data).error(), Error::invalid);
        EXPECT_EQ(part.discard(first, count).error(), Error::invalid);
    }
    EXPECT_EQ(disk.reads + disk.writes, 0u);
    Partition beyond(disk, 98, 8);  // a table that lies
    EXPECT_EQ(beyond.read(0, 4, data).error(), Error::invalid);
    BlockRequest request = {.first = 0, .count = 4, .data = data};
    beyond.submit(request);
    EXPECT_EQ(request.result.error(), Error::invalid);

    BlockRequest last = {.first = 7, .count = 1, .data = data};
    part.submit(last);
    EXPECT_TRUE(part.wait(last, {1'000'000}));
    EXPECT_EQ(memcmp(data, at(97), 512), 0);
}

TEST_F(Block, ReadOnlyDevices)
{
    disk.read_only = true;
    Partition part(disk, 0, 8);
    for (BlockDevice* device : {static_cast<BlockDevice*>(&disk), static_cast<BlockDevice*>(&part)})
        for (Operation operation : {Operation::write, Operation::discard}) {
            BlockRequest request = {.operation = operation, .first = 0, .count = 1, .data = data};
            device->submit(request);
            EXPECT_EQ(request.result.error(), Error::read_only);
        }
    EXPECT_EQ(part.write(0, 1, data).error(), Error::read_only);
    EXPECT_TRUE(part.read(0, 1, data));
}

TEST_F(Block, ADeviceThatWentFailsEverything)
{
    Partition part(disk, 10, 8);
    BlockRequest waiting = {.first = 0, .count = 1, .data = data};
    part.submit(waiting);
    disk.goes = true;
    EXPECT_EQ(disk.read(0, 1, data).error(), Error::gone);
    disk.goes = false;
    EXPECT_TRUE(disk.gone);
    EXPECT_TRUE(part.is_gone());
    EXPECT_EQ(part.wait(waiting, {1'000'000}).error(), Error::gone);
    for (BlockDevice* device :
         {static_cast<BlockDevice*>(&disk), static_cast<BlockDevice*>(&part)}) {
        EXPECT_EQ(device->read(0, 1, data).error(), Error::gone);
        EXPECT_EQ(device->write(0, 1, data).error(), Error::gone);
        EXPECT_EQ(device->flush().error(), Error::gone);
        EXPECT_EQ(device->discard(0, 1).error(), Error::gone);
        BlockRequest request = {.first = 0, .count = 1, .data = data};
        device->submit(request);
        EXPECT_TRUE(request.done);
        EXPECT_EQ(request.result.error(), Error::gone);
    }
}

TEST_F(Block, CancelledRequestsAreDone)
{
    Partition part(disk, 10, 8);
    BlockRequest one = {.operation = Operation::write, .first = 0, .count = 1, .data = data};
    BlockRequest two = one;
    disk.submit(one);
    part.submit(two);
    part.cancel();
    EXPECT_TRUE(one.done && two.done);
    EXPECT_EQ(one.result.error(), Error::timed_out);
    EXPECT_EQ(disk.writes, 0u);
    disk.poll();
    EXPECT_EQ(disk.writes, 0u);
}

TEST_F(Block, ADriverMayHaveManyInFlight)
{
    SlowDevice slow;
    Partition part(slow, 50, 50);
    BlockRequest requests[3];
    for (unsigned i = 0; i < 3; ++i) {
        requests[i] = {.first = i, .count = 1, .data = data};
        part.submit(requests[i]);
    }
    EXPECT_EQ(slow.in_flight.size(), 3u);
    EXPECT_EQ(slow.in_flight[2]->position, 52u);
    EXPECT_EQ(part.wait(requests[2], {1000}).error(), Error::timed_out);
    EXPECT_FALSE(requests[2].done) << "still the device's";
    machine.on_wait = [&] { slow.finish_now = 1; };
    EXPECT_TRUE(part.wait(requests[2], {1'000'000}));
    EXPECT_FALSE(requests[0].done);
    machine.on_wait = nullptr;
    slow.finish_now = 0;
    slow.cancel();
    EXPECT_TRUE(requests[0].done && requests[1].done);
    EXPECT_EQ(requests[0].result.error(), Error::timed_out);
}

// ---- caches

TEST_F(Block, RawWritesAreSeenByCaches)
{
    Partition part(disk, 10, 64);
    BlockCache* of_part = BlockCache::make_for(part, 4).value();
    BlockCache* of_disk = BlockCache::make_for(disk, 4).value();
    std::byte seen[512];
    ASSERT_TRUE(of_part->read(512 * 9, std::span(seen, 4)));  // block 19 of the disk
    ASSERT_TRUE(of_disk->read(512 * 19, std::span(seen, 4)));
    memset(data, 9, sizeof data);
    EXPECT_TRUE(disk.write(19, 1, data));
    EXPECT_TRUE(of_part->read(512 * 9, seen));
    EXPECT_EQ(memcmp(seen, data, 512), 0);
    EXPECT_TRUE(of_disk->read(512 * 19, seen));
    EXPECT_EQ(memcmp(seen, data, 512), 0);
    memset(data, 8, sizeof data);
    BlockRequest request = {.operation = Operation::write, .first = 8, .count = 4, .data = data};
    part.submit(request);
    EXPECT_TRUE(part.wait(request, {1'000'000}));
    EXPECT_TRUE(of_part->read(512 * 9, seen));
    EXPECT_EQ(memcmp(seen, data, 512), 0);
    delete of_part;
    delete of_disk;
    EXPECT_FALSE(disk.copies);
    EXPECT_TRUE(disk.write(19, 1, data));
}

TEST_F(Block, RawReadsSeeWhatCachesHaveNotWrittenYet)
{
    Partition part(disk, 10, 64);
    BlockCache* cache = BlockCache::make_for(part, 4).value();
    memset(data, 7, sizeof data);
    ASSERT_TRUE(cache->write(512 * 9 + 100, std::span(data, 50)));
    std::vector<char> before = disk.data;
    std::byte seen[4 * 512];
    EXPECT_TRUE(disk.read(18, 4, seen));
    EXPECT_TRUE(before == disk.data) << "and nothing is written for that";
    EXPECT_EQ(memcmp(seen, at(18), 612), 0);
    EXPECT_EQ(memcmp(seen + 612, data, 50), 0);
    EXPECT_EQ(memcmp(seen + 662, at(19) + 150, sizeof seen - 662), 0);
    BlockRequest request = {.first = 9, .count = 1, .data = seen};
    part.submit(request);
    EXPECT_TRUE(part.wait(request, {1'000'000}));
    EXPECT_EQ(memcmp(seen + 100, data, 50), 0);
    // What is written raw afterwards is newer; the rest of the line still gets written.
    memset(data, 6, sizeof data);
    EXPECT_TRUE(cache->write(512 * 10, std::span(data, 50)));
    EXPECT_TRUE(disk.write(19, 1, data));
    EXPECT_TRUE(cache->sync());
    EXPECT_EQ(memcmp(at(19), data, 512), 0);
    EXPECT_EQ(memcmp(at(20), data, 50), 0);
}

TEST_F(Block, AFailedRawWriteLeavesNothingToBelieve)
{
    BlockCache* cache = BlockCache::make_for(disk, 4).value();
    std::byte seen[512];
    ASSERT_TRUE(cache->read(0, seen));
    disk.broken = true;
    EXPECT_EQ(disk.write(0, 1, data).error(), Error::device);
    disk.broken = false;
    disk.data[0] ^= 1;  // half of it was written
    ASSERT_TRUE(cache->read(0, seen));
    EXPECT_EQ(memcmp(seen, at(0), 512), 0);
}

// Caches of two parts of a disk, and raw access to both and to the disk, agree at any time.
TEST_F(Block, AllWaysToADiskAgree)
{
    Partition one(disk, 3, 40), two(disk, 43, 55);
    BlockDevice* devices[] = {&disk, &one, &two};
    BlockCache* caches[3];
    for (int i = 0; i < 3; ++i) caches[i] = BlockCache::make_for(*devices[i], 3).value();
    std::vector<char> expected = disk.data;
    std::mt19937 random(4);
    auto pick = [&](uint64_t count) { return random() % count; };
    for (int i = 0; i < 20'000; ++i) {
        size_t which = pick(3);
        BlockDevice& device = *devices[which];
        size_t start = device.whole ? device.first_block * 512 : 0;
        bool raw = which == 0 || pick(2), writes = pick(2);
        size_t unit = raw ? 512 : 1;
        size_t first = pick(device.blocks * 512 / unit);
        size_t count = 1 + pick(std::min<size_t>(device.blocks * 512 / unit - first, 9000 / unit));
        std::vector<std::byte> bytes(count * unit);
        if (pick(40) == 0) {
            EXPECT_TRUE(caches[which]->sync());
        }
        if (writes) {
            for (std::byte& b : bytes) b = std::byte(random());
            memcpy(&expected[start + first * unit], bytes.data(), bytes.size());
            ASSERT_TRUE(raw ? device.write(first, uint32_t(count), bytes.data())
                            : caches[which]->write(first, bytes));
        } else {
            ASSERT_TRUE(raw ? device.read(first, uint32_t(count), bytes.data())
                            : caches[which]->read(first, bytes));
            ASSERT_EQ(memcmp(&expected[start + first * unit], bytes.data(), bytes.size()), 0) << i;
        }
    }
    for (BlockCache* cache : caches) EXPECT_TRUE(cache->sync());
    EXPECT_TRUE(disk.data == expected);
}

// ---- sectors that cannot be read

TEST_F(Block, OneBadSectorDoesNotHideItsNeighbours)
{
    BlockCache* cache = BlockCache::make_for(disk, 4).value();
    disk.bad_blocks = {3, 98};
    std::byte seen[512];
    for (uint64_t block = 0; block < 8; ++block) {
        EXPECT_EQ(cache->read(block * 512, seen).error(), block == 3 ? Error::device : Error{});
        EXPECT_TRUE(block == 3 || memcmp(seen, at(block), 512) == 0);
    }
    EXPECT_TRUE(cache->read(99 * 512, seen)) << "in the short line at the end, too";
    EXPECT_EQ(cache->read(98 * 512 + 500, seen).error(), Error::device);
    size_t reads = disk.reads;
    EXPECT_TRUE(cache->read(4 * 512, seen));
    EXPECT_EQ(disk.reads, reads) << "it is in the cache";
    disk.bad_blocks.clear();
    EXPECT_TRUE(cache->read(3 * 512 + 1, std::span(seen, 9))) << "it is tried again";
    EXPECT_EQ(memcmp(seen, at(3) + 1, 9), 0);
}

TEST_F(Block, ABadSectorCanBeWritten)
{
    BlockCache* cache = BlockCache::make_for(disk, 4).value();
    disk.bad_blocks = {3, 5};
    std::vector<char> before = disk.data;
    memset(data, 1, sizeof data);
    EXPECT_EQ(cache->write(3 * 512 + 1, std::span(data, 10)).error(), Error::device);
    EXPECT_EQ(cache->write(3 * 512, std::span(data, 2 * 512 + 10)).error(), Error::device)
        << "the end of block 5 has to be kept";
    std::byte seen[512];
    EXPECT_EQ(cache->read(3 * 512, seen).error(), Error::device) << "nothing has been written";
    EXPECT_TRUE(cache->write(3 * 512, std::span(data, 512)));
    EXPECT_TRUE(cache->read(3 * 512, seen));
    EXPECT_TRUE(cache->sync());
    memcpy(&before[3 * 512], data, 512);
    EXPECT_TRUE(disk.data == before) << "block 5, which is not known, is left as it is";
    disk.bad_blocks = {9};
    EXPECT_TRUE(cache->write(4096, std::span(data, 4096))) << "a whole line need not be read";
}

TEST_F(Block, OnlyBadSectorsAreReadOneByOne)
{
    BlockCache* cache = BlockCache::make_for(disk, 4).value();
    disk.goes = true;
    std::byte seen[512];
    EXPECT_EQ(cache->read(0, seen).error(), Error::gone);
    EXPECT_EQ(disk.reads, 1u);
}

}  // namespace
