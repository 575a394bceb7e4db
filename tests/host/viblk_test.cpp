// SPDX-License-Identifier: BSD-2-Clause
// src/drivers/block/viblk.cpp, and what src/bus/virtio.cpp has for many chains at once.
#include <gmock/gmock.h>
#include <set>
#include "fakes/virtio.h"

extern const Driver viblk;

namespace {

using testing::ElementsAre;
using Operation = BlockRequest::Operation;

enum : uint64_t {
    size_max = 1 << 1,
    seg_max = 1 << 2,
    read_only = 1 << 5,
    blk_size = 1 << 6,
    flush = 1 << 9,
    can_discard = 1 << 13,
    write_zeroes = 1 << 14,
    event_index = 1 << 29,
    version_1 = 1ull << 32,
};

struct Kind {
    FakeVirtio::Interfaces interfaces;
    unsigned messages;
    uint64_t features;
};

struct Viblk : testing::TestWithParam<Kind> {
    Viblk()
    {
        device.features = version_1 | flush | GetParam().features;
        device.queues[0].most = device.queues[0].size = 128;
        device.configuration.assign(60, 0);
        set_sectors(100'000);
        device.serve = [this](auto& parts) { return serve(parts); };
    }
    ~Viblk() override
    {
        if (HasFailure()) {
            for (auto& line : machine.log) std::cout << "log: " << line << "\n";
        }
    }
    void set_sectors(uint64_t sectors) { memcpy(&device.configuration[0], &sectors, 8); }
    void configure(unsigned offset, uint32_t value)
    {
        memcpy(&device.configuration[offset], &value, 4);
    }
    void plug_in()
    {
        device.plug_in(GetParam().interfaces);
        machine.has_messages = GetParam().messages;
        if (GetParam().messages) device.add_messages(GetParam().messages);
    }
    BlockDevice& attach()
    {
        plug_in();
        EXPECT_TRUE(machine.attach(viblk));
        auto* disk = first_block_device();
        if (!disk) {
            for (auto& line : machine.log) ADD_FAILURE() << line;
            abort();
        }
        while (disk->next) disk = disk->next;
        start_us = machine.now_us;
        return *disk;
    }
    void fails(const std::string& why)
    {
        plug_in();
        EXPECT_TRUE(machine.attach(viblk));
        EXPECT_EQ(first_block_device(), nullptr);
        EXPECT_TRUE(machine.logged(why)) << why;
        EXPECT_TRUE(machine.handlers.empty() && machine.messages.empty());
    }
    uint64_t took_us() const { return machine.now_us - start_us; }

    // ---- 5.2.6
    std::vector<uint8_t> sector(uint64_t number) const
    {
        if (auto found = written.find(number); found != written.end()) return found->second;
        std::vector<uint8_t> bytes(512, uint8_t(number * 7 + 1));
        memcpy(&bytes[0], &number, 8), memcpy(&bytes[504], &number, 8);
        return bytes;
    }
    uint32_t serve(std::vector<FakeVirtio::Part>& parts)
    {
        EXPECT_GE(parts.size(), 2u);
        EXPECT_EQ(parts[0].bytes, 16u);
        EXPECT_EQ(parts.back().bytes, 1u);
        EXPECT_TRUE(parts.back().writable);
        uint32_t type = le32(parts[0].data), size = 0;
        uint64_t first = le64(parts[0].data + 8);
        types.push_back(type);
        most_parts = std::max(most_parts, parts.size());
        for (size_t i = 1; i + 1 < parts.size(); ++i) {
            EXPECT_EQ(parts[i].writable, type == 0);
            largest_part = std::max(largest_part, parts[i].bytes);
            size += parts[i].bytes;
        }
        if (status_instead >= 0) {
            *parts.back().data = uint8_t(status_instead);
            return 1;
        }
        if (type == 11 || type == 13) {
            EXPECT_EQ(size, 16u);
            auto* range = parts[1].data;
            ranges.emplace_back(le64(range), le32(range + 8), le32(range + 12));
        }
        bool bad = merges && device.found > 1;
        for (size_t i = 1; type <= 1 && i + 1 < parts.size(); ++i) {
            EXPECT_EQ(parts[i].bytes % 512, 0u);
            for (uint32_t at = 0; at < parts[i].bytes && !bad; at += 512, ++first) {
                bad = bad_sectors.contains(first);
                if (type == 1) written[first].assign(parts[i].data + at, parts[i].data + at + 512);
                if (type == 0) memcpy(parts[i].data + at, sector(first).data(), 512);
            }
        }
        *parts.back().data = bad;
        return type == 0 ? size + 1 : 1;
    }

    bool holds(const std::byte* data, uint64_t first, uint32_t sectors) const
    {
        for (uint32_t i = 0; i < sectors; ++i) {
            if (memcmp(data + i * 512, sector(first + i).data(), 512) != 0) return false;
        }
        return true;
    }
    Result<void> read(BlockDevice& disk, uint64_t first, uint32_t count, size_t alignment = 0)
    {
        uint32_t scale = disk.block_bytes / 512;
        size_t bytes = size_t(count) * disk.block_bytes;
        std::vector<std::byte> memory(bytes + 64, std::byte{0xee});
        auto result = disk.read(first, count, &memory[16 + alignment]);
        for (size_t i = 0; i < memory.size(); ++i) {
            if (i == 16 + alignment) i += bytes;
            EXPECT_EQ(memory[i], std::byte{0xee});
        }
        if (result) {
            EXPECT_TRUE(holds(&memory[16 + alignment], first * scale, count * scale)) << first;
        }
        return result;
    }
    Result<void> write(BlockDevice& disk, uint64_t first, uint32_t count, size_t alignment = 0)
    {
        std::vector<std::byte> memory(size_t(count) * disk.block_bytes + 64);
        for (size_t i = 0; i < memory.size(); ++i) memory[i] = std::byte(i * 13 + i / 700);
        auto result = disk.write(first, count, &memory[alignment]);
        uint32_t scale = disk.block_bytes / 512;
        if (result) {
            EXPECT_TRUE(holds(&memory[alignment], first * scale, count * scale));
        }
        return result;
    }

    FakeMachine machine;
    FakeVirtio device{machine, 2};
    std::map<uint64_t, std::vector<uint8_t>> written;
    std::set<uint64_t> bad_sectors;
    bool merges = false;  // what it finds at once is one to it, and fails as one
    int status_instead = -1;
    std::vector<uint32_t> types;
    std::vector<std::tuple<uint64_t, uint32_t, uint32_t>> ranges;
    size_t most_parts = 0;
    uint32_t largest_part = 0;
    uint64_t start_us = 0;
};

INSTANTIATE_TEST_SUITE_P(Kinds, Viblk,
                         testing::Values(Kind{{.legacy = true}, 0, 0}, Kind{{.legacy = true}, 2, 0},
                                         Kind{{.modern = true}, 0, event_index},
                                         Kind{{.modern = true}, 1, 0},
                                         Kind{{.legacy = true, .modern = true}, 3, event_index}),
                         [](const auto& info) {
                             const Kind& kind = info.param;
                             return std::string(kind.interfaces.modern ? "Modern" : "Legacy") +
                                    (kind.messages ? "Messages" + std::to_string(kind.messages)
                                                   : "Line") +
                                    (kind.features ? "Events" : "");
                         });

TEST_P(Viblk, IsPublished)
{
    BlockDevice& disk = attach();
    EXPECT_THAT(machine.log,
                ElementsAre(std::string("viblk0 at mainbus0 pci: virtio block device, ") +
                                (GetParam().interfaces.modern ? "modern" : "legacy") + " interface",
                            "ld0 at viblk0: 48 MiB, 100000 blocks of 512 bytes"));
    EXPECT_EQ(disk.name.view(), "ld0");
    EXPECT_EQ(machine.messages.size(), std::min(GetParam().messages, 2u));
    EXPECT_EQ(machine.handlers.size(), GetParam().messages ? 0u : 1u);
}

TEST_P(Viblk, ReadsAndWritesAtAnyAlignment)
{
    BlockDevice& disk = attach();
    for (size_t alignment : {0, 1, 2, 4, 7}) {
        for (uint32_t count : {1, 8, 9, 500}) {
            EXPECT_TRUE(read(disk, count * 3, count, alignment));
            EXPECT_TRUE(write(disk, count * 5, count, alignment));
        }
    }
    EXPECT_EQ(most_parts, 3u);
    EXPECT_GT(device.interrupts, 0u);
    EXPECT_TRUE(read(disk, 5, 20'000));
    machine.largest_run = 0;
    EXPECT_TRUE(read(disk, 5, 1000));
    EXPECT_TRUE(write(disk, 5, 1000));
}

TEST_P(Viblk, LargeBlocksAndSizes)
{
    device.features |= blk_size | read_only;
    configure(20, 4096);
    set_sectors(1ull << 40);
    BlockDevice& disk = attach();
    EXPECT_EQ(disk.block_bytes, 4096u);
    EXPECT_EQ(disk.blocks, 1ull << 37);
    EXPECT_TRUE(machine.logged("blocks of 4096 bytes, read-only"));
    EXPECT_TRUE(read(disk, (1ull << 37) - 9, 9));
    EXPECT_EQ(write(disk, 0, 1).error(), Error::read_only);
}

TEST_P(Viblk, LimitsOfSegmentsAreKept)
{
    device.features |= seg_max | size_max;
    configure(8, 1536), configure(12, 4);
    BlockDevice& disk = attach();
    EXPECT_TRUE(read(disk, 3, 100));
    EXPECT_TRUE(write(disk, 3, 100));
    EXPECT_EQ(most_parts, 6u);
    EXPECT_EQ(largest_part, 1536u);
}

TEST_P(Viblk, SizesThatCannotBeAreRefused)
{
    device.features |= blk_size | seg_max | size_max;
    configure(8, 65536), configure(12, 126);
    for (uint32_t bytes : {0, 256, 513, 8192}) {
        configure(20, bytes);
        fails("blocks of " + std::to_string(bytes) + " bytes");
    }
    configure(20, 512);
    set_sectors(0);
    fails("it has 0 blocks");
    set_sectors(~0ull);
    fails("it has 18446744073709551615 blocks");
    set_sectors(100);
    configure(8, 0);
    fails("pieces of 0 bytes");
}

TEST_P(Viblk, ManyRequestsInFlight)
{
    BlockDevice& disk = attach();
    std::vector<std::byte> data(200 * 512);
    std::vector<BlockRequest> requests(200);
    for (unsigned round = 0; round < 3; ++round) {
        unsigned chains = device.chains, told = device.notifications;
        for (unsigned i = 0; i < 200; ++i) {
            requests[i] = {.first = i * 311, .count = 1, .data = &data[i * 512]};
            disk.submit(requests[i]);
        }
        // 42 chains of three fit; the device, which sleeps, need only be woken once.
        EXPECT_EQ(device.notifications - told, device.accepted & event_index ? 1u : 42u);
        device.holds = 10;
        device.step();
        EXPECT_EQ(device.chains - chains, 32u);
        disk.poll();
        device.holds = 0;
        for (auto& request : requests) {
            EXPECT_TRUE(disk.wait(request, {100'000}));
            EXPECT_TRUE(holds(request.data, request.first, 1));
        }
    }
}

TEST_P(Viblk, IsToldOnceOfRequestsThatFollowOneAnother)
{
    BlockDevice& disk = attach();
    std::vector<std::byte> data(3 * 512);
    std::vector<BlockRequest> requests(3);
    auto submit = [&](bool last_too) {
        unsigned told = device.notifications;
        for (unsigned i = 0; i < 3; ++i) {
            requests[i] = {.first = i * 311, .count = 1, .data = &data[i * 512]};
            requests[i].more = i < 2 || last_too;
            disk.submit(requests[i]);
        }
        return device.notifications - told;
    };
    EXPECT_EQ(submit(false), 1u);
    for (auto& request : requests) EXPECT_TRUE(disk.wait(request, {100'000}));
    EXPECT_EQ(submit(true), 0u) << "another one is to follow";
    for (auto& request : requests) {
        EXPECT_TRUE(disk.wait(request, {100'000})) << "whoever waits tells it";
        EXPECT_TRUE(holds(request.data, request.first, 1));
    }
}

TEST_P(Viblk, FlushAndDiscard)
{
    device.features |= can_discard | write_zeroes;
    configure(36, 1000), configure(48, 77);
    BlockDevice& disk = attach();
    EXPECT_TRUE(disk.flush());
    EXPECT_TRUE(disk.discard(7, 1500));
    EXPECT_EQ(types, (std::vector<uint32_t>{4, 11, 11}));
    EXPECT_THAT(ranges, ElementsAre(std::tuple(7, 1000, 0), std::tuple(1007, 500, 0)));
}

TEST_P(Viblk, WhatCannotDiscardWritesZeroes)
{
    device.features = (device.features & ~flush) | write_zeroes;
    configure(48, 77), configure(56, 1);
    BlockDevice& disk = attach();
    EXPECT_TRUE(disk.flush());
    EXPECT_TRUE(disk.discard(7, 80));
    EXPECT_EQ(types, (std::vector<uint32_t>{13, 13}));
    EXPECT_THAT(ranges, ElementsAre(std::tuple(7, 77, 1), std::tuple(84, 3, 1)));
    device.features &= ~write_zeroes;
    EXPECT_EQ(attach().discard(7, 80).error(), Error::unsupported);
}

TEST_P(Viblk, AnErrorNamesItsBlock)
{
    BlockDevice& disk = attach();
    bad_sectors = {555};
    EXPECT_EQ(read(disk, 500, 100).error(), Error::device);
    EXPECT_TRUE(machine.logged("ld0: read of block 555: I/O error"));
    EXPECT_EQ(write(disk, 555, 1).error(), Error::device);
    EXPECT_TRUE(machine.logged("ld0: write of block 555: I/O error"));
    for (int status : {2, 3, 0xff}) {
        status_instead = status;
        EXPECT_EQ(read(disk, 1, 1).error(), status == 2 ? Error::unsupported : Error::device);
    }
    EXPECT_TRUE(machine.logged("ld0: read of block 1: no status"));
    status_instead = 0;  // and no data
    EXPECT_EQ(bool(disk.read(1, 1, std::vector<std::byte>(512).data())),
              !GetParam().interfaces.modern);
}

TEST_P(Viblk, ABadBlockDoesNotFailWhatIsMergedWithIt)
{
    BlockDevice& disk = attach();
    bad_sectors = {66}, merges = true;
    std::vector<std::byte> data(20 * 1024);
    std::vector<BlockRequest> requests(20);
    for (unsigned i = 0; i < 20; ++i) {
        requests[i] = {.first = 60 + i * 2, .count = 1 + i % 2, .data = &data[i * 1024]};
        disk.submit(requests[i]);
    }
    for (auto& request : requests) {
        bool is_bad = request.first == 66;
        EXPECT_EQ(disk.wait(request, {1'000'000}).error(), is_bad ? Error::device : Error{});
        EXPECT_TRUE(is_bad || holds(request.data, request.first, request.count));
    }
    EXPECT_TRUE(machine.logged("ld0: read of block 66: I/O error"));
    EXPECT_TRUE(machine.logged("ld0: block 60: an error that did not come again"));
}

TEST_P(Viblk, ADeviceThatDoesNotAnswerIsStartedAnew)
{
    BlockDevice& disk = attach();
    device.never_answers = true;
    EXPECT_EQ(read(disk, 0, 1).error(), Error::timed_out);
    EXPECT_GE(took_us(), 10'000'000u);
    EXPECT_LT(took_us(), 10'500'000u);
    EXPECT_TRUE(machine.logged("ld0: read of block 0: no answer"));
    device.never_answers = false;
    EXPECT_TRUE(read(disk, 0, 100));
    device.loses_interrupts = true;
    EXPECT_TRUE(read(disk, 0, 100));
}

TEST_P(Viblk, AUsedRingThatCannotBeMeansARestart)
{
    BlockDevice& disk = attach();
    for (int id : {1, 127, 128, 0x7fffffff}) {
        device.bad_id = id;
        EXPECT_EQ(read(disk, 3, 1).error(), Error::device);
        device.bad_id = -1;
        EXPECT_TRUE(read(disk, 3, 1)) << id;
    }
    EXPECT_TRUE(machine.logged("ld0: read of block 3: given up"));
}

TEST_P(Viblk, ADeviceThatWantsAResetGetsOne)
{
    BlockDevice& disk = attach();
    device.needs_reset = true;
    unsigned resets = device.resets;
    machine.on_wait = [&] {
        if (device.resets != resets) device.needs_reset = false;
        device.step();
    };
    EXPECT_TRUE(read(disk, 3, 1));
    EXPECT_LT(took_us(), 200'000u);
}

TEST_P(Viblk, ADeviceThatHasGoneIsSaidToBeSoon)
{
    BlockDevice& disk = attach();
    device.gone = true;
    std::byte data[512];
    BlockRequest request = {.first = 1, .count = 1, .data = data};
    disk.submit(request);
    EXPECT_EQ(disk.read(0, 1, data).error(), Error::gone);
    EXPECT_EQ(request.result.error(), Error::gone);
    EXPECT_LT(took_us(), 150'000u);
    EXPECT_TRUE(disk.is_gone());
}

TEST_P(Viblk, AnotherSizeIsSeen)
{
    BlockDevice& disk = attach();
    if (GetParam().messages == 1) return;  // none is left for that
    set_sectors(200'000);
    device.change_configuration();
    EXPECT_TRUE(read(disk, 0, 1));
    EXPECT_TRUE(machine.logged("ld0: 200000 blocks, instead of 100000"));
    EXPECT_TRUE(read(disk, 150'000, 1));
    set_sectors(50);
    device.change_configuration();
    EXPECT_TRUE(read(disk, 0, 1));
    EXPECT_EQ(read(disk, 51, 1).error(), Error::invalid);
}

TEST_P(Viblk, AMessageThatTheDeviceDoesNotTakeMeansPolling)
{
    device.takes_vectors = false;
    BlockDevice& disk = attach();
    EXPECT_TRUE(read(disk, 0, 100));
    EXPECT_LT(took_us(), 20'000u);
    EXPECT_EQ(device.interrupts == 0, GetParam().messages != 0);
}

TEST_P(Viblk, AClaimedDeviceIsNotTouched)
{
    BlockDevice& disk = attach();
    std::byte data[512];
    BlockRequest request = {.first = 1, .count = 1, .data = data};
    device.never_answers = true;
    disk.submit(request);
    unsigned reads = device.status_reads;
    ASSERT_TRUE(const_cast<Device*>(disk.owner)->claim());
    EXPECT_TRUE(machine.messages.empty() && machine.handlers.empty());
    EXPECT_EQ(disk.wait(request, {60'000'000}).error(), Error::gone);
    EXPECT_EQ(device.status_reads, reads);
}

TEST_P(Viblk, NeedsMemory)
{
    plug_in();
    unsigned failures = 0;
    for (; !first_block_device() && failures < 10; ++failures) {
        FakeHeap::fail_after = int(failures);
        EXPECT_TRUE(machine.attach(viblk));
        FakeHeap::fail_after = -1;
    }
    EXPECT_GE(failures, 3u);
    ASSERT_TRUE(first_block_device());
    EXPECT_TRUE(read(*first_block_device(), 0, 16));
}

}  // namespace
