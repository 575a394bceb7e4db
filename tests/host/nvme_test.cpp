// SPDX-License-Identifier: BSD-2-Clause
// src/drivers/block/nvme.cpp, and with it src/block/queued_disk.cpp.
#include "fakes/nvme.h"
#include <gmock/gmock.h>

extern const Driver nvme;

namespace {

using testing::ElementsAre;
using Kind = FakeNvme::Kind;
using Operation = BlockRequest::Operation;

struct Nvme : testing::Test {
    ~Nvme() override
    {
        if (HasFailure()) {
            for (auto& line : machine.log) std::cout << "log: " << line << "\n";
        }
    }
    BlockDevice& attach(Kind kind = FakeNvme::msix)
    {
        machine.has_messages = true;
        device.plug_in(kind);
        EXPECT_TRUE(machine.attach(nvme));
        auto* disk = first_block_device();
        while (disk && disk->withdrawn) disk = disk->next;
        if (!disk) {
            for (auto& line : machine.log) ADD_FAILURE() << line;
            abort();
        }
        start_us = machine.now_us;
        return *disk;
    }
    // It is not usable, for this reason.
    void fails(const std::string& why)
    {
        device.plug_in();
        EXPECT_TRUE(machine.attach(nvme));
        EXPECT_EQ(first_block_device(), nullptr);
        EXPECT_TRUE(machine.logged(why)) << why;
        EXPECT_FALSE(machine.connected(device.line));
    }
    uint64_t took_us() const { return machine.now_us - start_us; }

    bool holds(const std::byte* data, uint64_t first, uint32_t count, uint32_t nsid = 1) const
    {
        for (uint32_t i = 0; i < count; ++i) {
            auto want = device.namespaces.at(nsid).block(first + i);
            if (memcmp(data + i * want.size(), want.data(), want.size()) != 0) return false;
        }
        return true;
    }
    // To an address of this alignment; checks that nothing around it was written.
    Result<void> read(BlockDevice& disk, uint64_t first, uint32_t count, size_t alignment = 0,
                      uint32_t nsid = 1)
    {
        size_t bytes = size_t(count) * disk.block_bytes;
        std::vector<std::byte> memory(bytes + 3 * 4096, std::byte{0xee});
        size_t start = 4096 - (uintptr_t(memory.data()) & 4095) + alignment;
        auto result = disk.read(first, count, &memory[start]);
        for (size_t i = 0; i < memory.size(); ++i) {
            if (i == start) i += bytes;
            if (memory[i] == std::byte{0xee}) continue;
            ADD_FAILURE() << "written at " << ssize_t(i - start);
            break;
        }
        if (result) {
            EXPECT_TRUE(holds(&memory[start], first, count, nsid)) << first << " " << count;
        }
        return result;
    }
    Result<void> write(BlockDevice& disk, uint64_t first, uint32_t count, size_t alignment = 0)
    {
        std::vector<std::byte> memory(size_t(count) * disk.block_bytes + 64);
        for (size_t i = 0; i < memory.size(); ++i) memory[i] = std::byte(i * 13 + i / 700);
        auto result = disk.write(first, count, &memory[alignment]);
        if (result) {
            EXPECT_TRUE(holds(&memory[alignment], first, count));
        }
        return result;
    }
    FakeNamespace& space(uint32_t nsid = 1) { return device.namespaces[nsid]; }

    // Requests of a block each, submitted.
    struct Batch {
        Batch(BlockDevice& to, unsigned count) : disk(to), data(count * 512), requests(count)
        {
            for (unsigned i = 0; i < count; ++i) {
                requests[i] = {.first = i * 3 + 1, .count = 1, .data = &data[i * 512]};
                disk.submit(requests[i]);
            }
        }
        unsigned done() const
        {
            return unsigned(std::count_if(requests.begin(), requests.end(),
                                          [](const BlockRequest& r) { return r.done; }));
        }
        // All end so, and so many have been transferred.
        void expect(Error error, unsigned transferred)
        {
            for (auto& request : requests)
                EXPECT_EQ(disk.wait(request, {1'000'000}).error(), error);
            unsigned equal = 0;
            for (auto& request : requests) {
                uint64_t first = 0;
                memcpy(&first, request.data + 504, 8);
                equal += first == request.first;
            }
            EXPECT_EQ(equal, transferred);
        }
        BlockDevice& disk;
        std::vector<std::byte> data;
        std::vector<BlockRequest> requests;
    };

    FakeMachine machine;
    FakeNvme device{machine};
    uint64_t start_us = 0;
};

// ---- what is found

TEST_F(Nvme, NamesWhatItFinds)
{
    device.namespaces[3] = {.blocks = 1ull << 33, .shift = 12, .read_only = true};
    device.namespaces[7] = {.blocks = 100, .shift = 9, .metadata = 8};
    device.namespaces[8] = {.blocks = 100, .shift = 16};
    device.namespaces[9] = {.blocks = 1ull << 60, .shift = 9};
    attach();
    EXPECT_THAT(
        machine.log,
        ElementsAre("nvme0 at mainbus0 pci: NVM Express 1.4, <FAKE NVME>, 63 commands at once",
                    "ld0 at nvme0 nsid 1: 64 MiB, 131072 blocks of 512 bytes",
                    "ld1 at nvme0 nsid 3: 33554432 MiB, 8589934592 blocks of 4096 bytes, read-only",
                    "ld2 at nvme0 nsid 7: 100 blocks of 2^9 bytes and 8 of metadata: unsupported",
                    "ld3 at nvme0 nsid 8: 100 blocks of 2^16 bytes and 0 of metadata: unsupported",
                    "ld4 at nvme0 nsid 9: 1152921504606846976 blocks of 2^9 bytes and 0 of "
                    "metadata: unsupported"));
    EXPECT_EQ(find_block_device("ld0")->model.view(), "FAKE NVME");
    EXPECT_FALSE(find_block_device("ld2"));
    BlockDevice& large = *find_block_device("ld1");
    EXPECT_TRUE(read(large, (1ull << 33) - 3, 3, 0, 3));
    EXPECT_EQ(large.write(0, 1, nullptr).error(), Error::read_only);
    EXPECT_LE(machine.now_us, 5000u);
}

TEST_F(Nvme, OldControllersAreAskedForEachNamespace)
{
    device.version = 0x10000;
    device.namespaces[4] = {.blocks = 10};
    attach();
    EXPECT_TRUE(find_block_device("ld1"));
    EXPECT_FALSE(find_block_device("ld2"));
    EXPECT_TRUE(machine.logged("ld1 at nvme0 nsid 4:"));
}

TEST_F(Nvme, ListsOfNamespacesThatLieEnd)
{
    device.list_disordered = true;
    attach();
    EXPECT_FALSE(find_block_device("ld1"));
}

TEST_F(Nvme, AControllerWithoutNamespacesHasNoDisk)
{
    device.namespaces.clear();
    device.plug_in();
    EXPECT_TRUE(machine.attach(nvme));
    EXPECT_FALSE(first_block_device());
    EXPECT_EQ(machine.log.size(), 1u);
}

// ---- data

TEST_F(Nvme, ReadsAndWritesAtAnyAlignment)
{
    for (unsigned mdts : {5, 0, 1}) {
        device.mdts = mdts;
        device.largest = 0;
        BlockDevice& disk = attach();
        for (size_t alignment : {0, 4, 512, 2048, 4092, 1, 2, 511, 4095}) {
            for (uint32_t count : {1, 8, 9, 16, 17, alignment < 2 ? 2100 : 40})
                EXPECT_TRUE(read(disk, count * 3, count, alignment)) << alignment << " " << count;
        }
        for (size_t alignment : {0, 4, 1, 3}) {
            for (uint32_t count : {1, 9, 300}) EXPECT_TRUE(write(disk, 500, count, alignment));
        }
        EXPECT_EQ(device.largest, mdts ? 4096u << mdts : 1u << 20);
        withdraw(*disk.owner);
    }
}

TEST_F(Nvme, LargeRequestsAreDivided)
{
    BlockDevice& disk = attach();
    EXPECT_TRUE(read(disk, 5, 32768));  // 16 MiB
    EXPECT_EQ(device.opcodes.size(), 128u);
    EXPECT_GE(device.most_under_way, 60u);
    device.opcodes.clear();
    EXPECT_TRUE(read(disk, 0, 0));
    EXPECT_EQ(device.opcodes.size(), 0u);
    EXPECT_EQ(disk.read(131071, 2, nullptr).error(), Error::invalid);
}

TEST_F(Nvme, MemoryInPiecesOrOutOfReach)
{
    BlockDevice& disk = attach();
    machine.largest_run = 1536;
    EXPECT_TRUE(read(disk, 100, 50));
    EXPECT_TRUE(write(disk, 100, 50));
    machine.largest_run = 511;  // not even one block
    EXPECT_TRUE(read(disk, 100, 50));
    EXPECT_TRUE(write(disk, 100, 300));
    machine.largest_run = 0;
    EXPECT_TRUE(read(disk, 100, 50));
    EXPECT_TRUE(write(disk, 200, 300));
}

TEST_F(Nvme, WorksByEveryKindOfInterrupt)
{
    for (Kind kind : {FakeNvme::msix, FakeNvme::msi, FakeNvme::line_only}) {
        device.interrupts = 0;
        BlockDevice& disk = attach(kind);
        EXPECT_EQ(machine.messages.size(), kind == FakeNvme::line_only ? 0u : 1u);
        EXPECT_EQ(machine.connected(device.line), kind == FakeNvme::line_only);
        EXPECT_TRUE(read(disk, 77, 4000));
        EXPECT_TRUE(read(disk, 77, 1));
        EXPECT_GT(device.interrupts, 2u);
        EXPECT_FALSE(machine.logged("polled"));
        machine.interrupt(device.line);  // another device's on the same line
        EXPECT_TRUE(read(disk, 78, 1));
        ASSERT_TRUE(const_cast<Device*>(disk.owner)->claim());
    }
}

TEST_F(Nvme, WorksWithoutInterrupts)
{
    device.line = 0;
    BlockDevice& disk = attach(FakeNvme::line_only);
    EXPECT_TRUE(machine.logged("nvme0: no interrupt, polled"));
    EXPECT_TRUE(read(disk, 77, 4000));
    EXPECT_EQ(device.interrupts, 0u);
}

TEST_F(Nvme, LostInterruptsCostATick)
{
    device.loses_interrupts = true;
    BlockDevice& disk = attach();
    EXPECT_TRUE(read(disk, 77, 1));
    EXPECT_LT(took_us(), 20'000u);
}

TEST_F(Nvme, TheSmallestQueueWorks)
{
    device.most_entries = 2;
    device.stride = 3;
    BlockDevice& disk = attach();
    EXPECT_TRUE(read(disk, 0, 5000));
    EXPECT_TRUE(write(disk, 0, 5000, 1));
    EXPECT_EQ(device.most_under_way, 1u);
}

// ---- many at once

TEST_F(Nvme, ManyRequestsInFlight)
{
    BlockDevice& disk = attach();
    std::vector<std::byte> data(200 * 4096);
    std::vector<BlockRequest> requests(200);
    for (bool reverse : {false, true}) {
        device.reverse = reverse;
        for (unsigned i = 0; i < 200; ++i) {
            requests[i] = {.first = i * 611 % 100'000, .count = 8, .data = &data[i * 4096]};
            disk.submit(requests[i]);
            EXPECT_FALSE(requests[i].done);
        }
        device.holds = 40;
        disk.poll();
        device.step();
        disk.poll();
        auto is_done = [](const BlockRequest& r) { return r.done; };
        EXPECT_EQ(std::count_if(requests.begin(), requests.end(), is_done), 63 - 40);
        EXPECT_EQ(disk.wait(requests[199], {2000}).error(), reverse ? Error{} : Error::timed_out);
        device.holds = 0;
        for (auto& request : requests) {
            EXPECT_TRUE(disk.wait(request, {100'000}));
            EXPECT_TRUE(holds(request.data, request.first, 8));
        }
        EXPECT_EQ(device.most_under_way, 63u);
    }
}

TEST_F(Nvme, ABusyDeviceIsToldOfManyAtOnce)
{
    for (Kind kind : {FakeNvme::msix, FakeNvme::msi, FakeNvme::line_only}) {
        BlockDevice& disk = attach(kind);
        Batch batch(disk, 32);
        EXPECT_EQ(device.told, 1u);  // it was idle
        device.step();               // its interrupt tells the rest
        EXPECT_EQ(device.told, 2u);
        device.step();
        EXPECT_EQ(device.opcodes.size(), 32u);
        Batch after(disk, 3);
        // Nobody has looked, and the line does not rise again before that.
        EXPECT_EQ(device.told, kind == FakeNvme::line_only ? 5u : 3u);
        device.step();
        device.step();
        EXPECT_EQ(device.opcodes.size(), 35u);
        EXPECT_EQ(batch.done() + after.done(), 0u);
        disk.poll();
        EXPECT_EQ(batch.done() + after.done(), 35u);
        device.told = 0;
        Batch last(disk, 10);
        EXPECT_EQ(device.told, 1u);
        disk.poll();  // whoever looks tells too
        EXPECT_EQ(device.told, 2u);
        last.expect(Error{}, 10);
        device.told = 0;
        device.opcodes.clear();
        ASSERT_TRUE(const_cast<Device*>(disk.owner)->claim());
    }
}

TEST_F(Nvme, WithoutInterruptsItIsToldOfEach)
{
    BlockDevice& disk = attach();
    machine.interrupts_work = false;
    Batch batch(disk, 9);
    EXPECT_EQ(device.told, 9u);
    batch.expect(Error{}, 9);
    machine.interrupts_work = true;
    device.line = 0;
    ASSERT_TRUE(const_cast<Device*>(disk.owner)->claim());
    BlockDevice& polled = attach(FakeNvme::line_only);
    Batch other(polled, 9);
    EXPECT_EQ(device.told, 18u);
    other.expect(Error{}, 9);
}

TEST_F(Nvme, AnIdleDeviceIsToldThoughAnInterruptWasLost)
{
    BlockDevice& disk = attach();
    device.loses_interrupts = true;
    for (unsigned told : {1u, 2u, 3u}) {
        Batch batch(disk, 1);
        EXPECT_EQ(device.told, told);
        batch.expect(Error{}, 1);
    }
}

// What it has not been told of is not late, ends with cancel(), and is lost with the device.
TEST_F(Nvme, WhatItHasNotBeenToldOfEndsToo)
{
    BlockDevice& disk = attach();
    device.loses_interrupts = true;
    Batch late(disk, 9);
    machine.now_us += 100'000'000;
    late.expect(Error{}, 9);
    EXPECT_EQ(device.resets, 0u);

    device.never_answers = true;
    Batch stuck(disk, 9);
    disk.cancel();
    EXPECT_EQ(stuck.done(), 9u);
    EXPECT_EQ(device.resets, 1u);
    device.never_answers = false;

    Batch again(disk, 9);
    device.fatal = true;
    machine.now_us += 1'000'000;
    again.expect(Error{}, 9);
    EXPECT_EQ(device.resets, 2u);

    Batch claimed(disk, 9);
    unsigned told = device.told;
    ASSERT_TRUE(const_cast<Device*>(disk.owner)->claim());
    claimed.expect(Error::gone, 0);
    EXPECT_EQ(device.told, told);
}

TEST_F(Nvme, NamespacesShareTheQueue)
{
    device.namespaces[2] = {.shift = 12};
    BlockDevice& one = attach();
    BlockDevice& two = *find_block_device("ld1");
    std::vector<std::byte> data(512 + 4096);
    BlockRequest first = {.first = 9, .count = 1, .data = &data[0]};
    BlockRequest second = {.first = 8, .count = 1, .data = &data[512]};
    one.submit(first);
    two.submit(second);
    EXPECT_TRUE(two.wait(second, {100'000}));
    EXPECT_TRUE(one.wait(first, {100'000}));
    EXPECT_TRUE(holds(&data[0], 9, 1, 1));
    EXPECT_TRUE(holds(&data[512], 8, 1, 2));
}

TEST_F(Nvme, FlushGoesToTheDeviceIfItHasACache)
{
    for (bool has_cache : {true, false}) {
        device.has_cache = has_cache;
        device.opcodes.clear();
        BlockDevice& disk = attach();
        EXPECT_TRUE(disk.flush());
        BlockRequest request = {.operation = Operation::flush};
        disk.submit(request);
        EXPECT_TRUE(disk.wait(request, {100'000}));
        EXPECT_EQ(device.opcodes, std::vector<uint8_t>(has_cache ? 2 : 0, 0x00));
        withdraw(*disk.owner);
    }
}

TEST_F(Nvme, DiscardsByWhatTheDeviceHas)
{
    space().blocks = 1ull << 34;
    BlockDevice& disk = attach();
    EXPECT_TRUE(disk.discard(5, (1 << 23) + 7));
    EXPECT_THAT(device.discarded,
                ElementsAre(std::pair(5ull, 1u << 23), std::pair(5ull + (1 << 23), 7u)));
    EXPECT_EQ(device.opcodes, (std::vector<uint8_t>{9, 9}));
    withdraw(*disk.owner);

    device.oncs = 8;
    device.discarded.clear();
    BlockDevice& zeroed = attach();
    EXPECT_TRUE(zeroed.discard(5, 65536 + 7));
    EXPECT_THAT(device.discarded, ElementsAre(std::pair(5ull, 65536u), std::pair(65541ull, 7u)));
    withdraw(*zeroed.owner);

    device.oncs = 0;
    EXPECT_EQ(attach().discard(5, 7).error(), Error::unsupported);
}

// ---- faults

TEST_F(Nvme, AnErrorNamesItsBlock)
{
    BlockDevice& disk = attach();
    space().bad[1234] = 0x281;
    EXPECT_EQ(read(disk, 1000, 1000).error(), Error::device);
    EXPECT_TRUE(machine.logged("ld0: read of block 1234: unrecovered read error (status 2/81)"));
    EXPECT_EQ(machine.log.size(), 3u);
    EXPECT_LT(device.opcodes.size(), 40u);
    EXPECT_TRUE(read(disk, 1000, 234));
    EXPECT_TRUE(read(disk, 1235, 800));
    EXPECT_EQ(read(disk, 1234, 1, 1).error(), Error::device);
    space().bad[50] = 0x7ff;
    EXPECT_EQ(write(disk, 48, 8, 1).error(), Error::device);
    EXPECT_TRUE(machine.logged("ld0: write of block 50: (status 7/ff)"));
}

TEST_F(Nvme, AnErrorThatDoesNotComeAgainIsLogged)
{
    BlockDevice& disk = attach();
    space().bad[1234] = 0x281;
    for (int times : {1, 3, 9}) {
        space().bad_for = times;
        EXPECT_EQ(read(disk, 1230, 16).error(), times == 9 ? Error::device : Error{}) << times;
    }
    EXPECT_TRUE(machine.logged("ld0: block 1245: an error that did not come again"));
}

TEST_F(Nvme, ADeviceThatDoesNotAnswerIsStartedAnew)
{
    BlockDevice& disk = attach();
    device.never_answers = true;
    EXPECT_EQ(read(disk, 0, 1).error(), Error::timed_out);
    EXPECT_GE(took_us(), 10'000'000u);
    EXPECT_LT(took_us(), 10'500'000u);
    EXPECT_EQ(device.resets, 1u);
    EXPECT_TRUE(machine.logged("ld0: read of block 0: no answer"));
    device.never_answers = false;
    EXPECT_TRUE(read(disk, 0, 100));
}

TEST_F(Nvme, OthersGoOnWhenOneIsNotAnswered)
{
    BlockDevice& disk = attach();
    std::vector<std::byte> data(50 * 512);
    std::vector<BlockRequest> requests(50);
    device.silent = 1;
    device.holds = 20;
    for (unsigned i = 0; i < 50; ++i) {
        requests[i] = {.first = i * 11, .count = 1, .data = &data[i * 512]};
        disk.submit(requests[i]);
    }
    EXPECT_EQ(disk.wait(requests[0], {9'000'000}).error(), Error::timed_out);
    EXPECT_FALSE(requests[0].done);
    device.holds = 0;
    EXPECT_EQ(disk.wait(requests[0], {9'000'000}).error(), Error::timed_out);
    EXPECT_TRUE(requests[0].done);
    for (unsigned i = 1; i < 50; ++i) {
        EXPECT_TRUE(disk.wait(requests[i], {1'000'000}));
        EXPECT_TRUE(holds(requests[i].data, i * 11, 1));
    }
}

TEST_F(Nvme, AFatalStatusIsSeenAndTriedAgain)
{
    BlockDevice& disk = attach();
    std::byte data[512];
    BlockRequest request = {.first = 1, .count = 1, .data = data};
    device.holds = 1;
    disk.submit(request);
    device.step();
    device.fatal = true;
    EXPECT_EQ(disk.wait(request, {90'000}).error(), Error::timed_out);
    device.holds = 0;
    EXPECT_TRUE(disk.wait(request, {1'000'000}));
    EXPECT_TRUE(holds(data, 1, 1));
    EXPECT_EQ(device.resets, 1u);
    EXPECT_TRUE(machine.logged("nvme0: fatal status (CSTS 00000003)"));
}

TEST_F(Nvme, AFatalStatusThatStaysEnds)
{
    BlockDevice& disk = attach();
    device.fatal = device.fatal_stays = true;
    EXPECT_EQ(read(disk, 0, 1).error(), Error::device);
    EXPECT_TRUE(machine.logged("nvme0: not used any more"));
    EXPECT_FALSE(device.masters_bus());
    EXPECT_LT(took_us(), 3'000'000u);
    unsigned resets = device.resets;
    EXPECT_EQ(read(disk, 0, 1).error(), Error::device);
    EXPECT_EQ(device.resets, resets);
}

TEST_F(Nvme, OneThatCannotBeStoppedIsCutOff)
{
    BlockDevice& disk = attach();
    device.never_answers = device.never_stops = true;
    EXPECT_EQ(read(disk, 0, 1).error(), Error::timed_out);
    EXPECT_FALSE(device.masters_bus());
    EXPECT_TRUE(machine.logged("nvme0: it does not stop (CSTS 00000001)"));
    EXPECT_EQ(read(disk, 0, 1).error(), Error::timed_out);
    EXPECT_LT(took_us(), 13'000'000u);
}

TEST_F(Nvme, ADeviceThatHasGoneIsSaidToBeSoon)
{
    for (bool zeros : {false, true}) {
        device.gone = false;
        BlockDevice& disk = attach();
        device.gone = true;
        device.reads_zeros = zeros;
        if (zeros) device.put(0, ~0u);
        std::byte data[1024];
        BlockRequest requests[2];
        for (auto& request : requests) {
            request = {.first = 1, .count = 1, .data = data};
            disk.submit(request);
        }
        EXPECT_EQ(disk.read(0, 1, data).error(), Error::gone);
        EXPECT_EQ(requests[0].result.error(), Error::gone);
        EXPECT_EQ(requests[1].result.error(), Error::gone);
        EXPECT_LT(took_us(), 150'000u);
        EXPECT_TRUE(disk.is_gone());
        EXPECT_EQ(disk.flush().error(), Error::gone);
        EXPECT_TRUE(machine.logged("nvme0: it is gone"));
        withdraw(*disk.owner);
    }
}

TEST_F(Nvme, CompletionsThatCannotBeAreNotTaken)
{
    BlockDevice& disk = attach();
    for (int id : {1, 62, 63, 64, 0xffff}) {
        device.bad_id = id;
        EXPECT_TRUE(read(disk, 3, 1)) << id;
    }
    EXPECT_EQ(device.resets, 5u);
    EXPECT_TRUE(machine.logged("nvme0: a completion for command 65535, which there is not"));
}

TEST_F(Nvme, CancelledRequestsLeaveTheirMemoryAlone)
{
    BlockDevice& disk = attach();
    std::vector<std::byte> data(100 * 512);
    std::vector<BlockRequest> requests(100);
    device.holds = 30;
    for (unsigned i = 0; i < 100; ++i) {
        requests[i] = {.first = i, .count = 1, .data = &data[i * 512]};
        disk.submit(requests[i]);
    }
    disk.cancel();
    EXPECT_EQ(device.resets, 1u);
    EXPECT_LT(took_us(), 1'100'000u);
    unsigned done = 0;
    for (auto& request : requests) {
        EXPECT_TRUE(request.done);
        done += bool(request.result);
        if (!request.result) {
            EXPECT_EQ(request.result.error(), Error::timed_out);
        }
    }
    EXPECT_EQ(done, 63u - 30);
    device.holds = 0;
    device.step();
    EXPECT_TRUE(read(disk, 0, 1));
    disk.cancel();
    EXPECT_EQ(device.resets, 1u);
}

TEST_F(Nvme, AClaimedDeviceIsNotTouched)
{
    BlockDevice& disk = attach();
    std::byte data[512];
    BlockRequest request = {.first = 1, .count = 1, .data = data};
    device.never_answers = true;
    disk.submit(request);
    ASSERT_TRUE(const_cast<Device*>(disk.owner)->claim());
    EXPECT_TRUE(machine.messages.empty());
    EXPECT_FALSE(device.masters_bus());
    EXPECT_EQ(disk.wait(request, {60'000'000}).error(), Error::gone);
    EXPECT_EQ(disk.read(0, 1, data).error(), Error::gone);
    EXPECT_EQ(device.resets, 0u);
    disk.cancel();
    EXPECT_EQ(device.resets, 0u);
}

TEST_F(Nvme, IsNotUsableWhenItDoesNotStart)
{
    device.never_ready = true;
    fails("nvme0: it does not start (CSTS 00000000)");
    EXPECT_GE(machine.now_us, 2'000'000u);
    EXPECT_LT(machine.now_us, 4'200'000u);
    EXPECT_FALSE(device.enabled());
}

TEST_F(Nvme, IsNotUsableWhenItFails)
{
    device.never_stops = true;
    fails("it does not stop (CSTS 00000001)");
    device.never_stops = false;
    device.fatal = true;
    fails("it does not start (CSTS 0000000");
    device.fatal = false;
    device.gone = true;
    fails("it is gone");
    device.gone = false;
    device.cap_high = 0;
    fails("capabilities 00000000 040107ff");
    device.cap_high = 1 << 5 | 1 << 16;
    fails("capabilities 00010020");
    device.cap_high = 1 << 5;
    for (uint8_t opcode : {0x01, 0x05, 0x06, 0x09}) {
        device.admin = {{opcode, 6}};
        fails("admin command 0" + std::to_string(opcode) + ": internal error (status 0/06)");
        device.admin = {{opcode, -1}};
        fails("no answer to admin command 0" + std::to_string(opcode) + " (CSTS 00000001)");
        EXPECT_FALSE(device.enabled());
    }
}

TEST_F(Nvme, MemoryAbove4GiBIsReported)
{
    device.plug_in();
    device.put(0x14, 8);
    EXPECT_TRUE(machine.attach(nvme));
    EXPECT_TRUE(machine.logged("nvme0: base address register 0 is above 4 GiB: 0x8fd000000"));
}

TEST_F(Nvme, NeedsMemory)
{
    device.plug_in();
    unsigned failures = 0;
    for (; !first_block_device() && failures < 10; ++failures) {
        FakeHeap::fail_after = int(failures);
        EXPECT_TRUE(machine.attach(nvme));
        FakeHeap::fail_after = -1;
    }
    EXPECT_GE(failures, 3u);
    ASSERT_TRUE(first_block_device());
    EXPECT_TRUE(read(*first_block_device(), 0, 16));
}

}  // namespace
