// SPDX-License-Identifier: BSD-2-Clause
#include "fakes/ahci.h"
#include <gmock/gmock.h>
#include "block/partitions.h"

extern const Driver ahci;

namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

struct Ahci : testing::Test {
    Ahci() { drive.model = "FAKE SATA DISK"; }
    ~Ahci() override
    {
        if (HasFailure()) {
            for (auto& line : machine.log) std::cout << "log: " << line << "\n";
        }
    }
    BlockDevice& attach(unsigned port = 0)
    {
        hba.plug(port, drive);
        EXPECT_TRUE(machine.attach(ahci));
        start_us = machine.now_us;
        return *wd("wd0");
    }
    BlockDevice* wd(const char* name)
    {
        auto* device = find_block_device(name);
        if (device) return device;
        for (auto& line : machine.log) ADD_FAILURE() << line;
        abort();
    }
    // Reads to an address of the given alignment; nothing around it may be written.
    Result<void> read(BlockDevice& device, uint64_t first, uint32_t count, size_t alignment = 0)
    {
        size_t bytes = size_t(count) * device.block_bytes, start = 32 + alignment;
        std::vector<std::byte> memory(bytes + 128, std::byte{0xee});
        auto result = device.read(first, count, memory.data() + start);
        for (size_t i = 0; i < start; ++i) EXPECT_EQ(memory[i], std::byte{0xee});
        for (size_t i = start + bytes; i < memory.size(); ++i)
            EXPECT_EQ(memory[i], std::byte{0xee});
        if (result) expect_right(memory.data() + start, first, count);
        return result;
    }
    void expect_right(const std::byte* data, uint64_t first, uint32_t count)
    {
        for (uint32_t i = 0; i < count; ++i) {
            auto want = drive.sector(first + i);
            if (memcmp(data + i * want.size(), want.data(), want.size()) == 0) continue;
            ADD_FAILURE() << "sector " << first + i << " is wrong";
            break;
        }
    }
    Result<void> write(BlockDevice& device, uint64_t first, uint32_t count, size_t alignment = 0)
    {
        std::vector<std::byte> memory(size_t(count) * device.block_bytes + 64);
        for (size_t i = 0; i < memory.size(); ++i) memory[i] = std::byte(i * 13 + i / 700);
        auto result = device.write(first, count, memory.data() + alignment);
        if (result) expect_right(memory.data() + alignment, first, count);
        return result;
    }
    // Requests for `count` blocks each, all submitted at once.
    void submit(BlockDevice& device, unsigned number, uint32_t count)
    {
        for (unsigned i = 0; i < number; ++i) {
            memory.emplace_back(size_t(count) * device.block_bytes);
            requests.push_back({.first = i * 100, .count = count, .data = memory.back().data()});
        }
        for (auto& request : requests) device.submit(request);
    }
    unsigned wait_for_all(BlockDevice& device)
    {
        unsigned good = 0;
        for (auto& request : requests) {
            auto result = device.wait(request, {100'000'000});
            EXPECT_TRUE(request.done);
            good += bool(result);
            if (result) expect_right(request.data, request.first, request.count);
        }
        return good;
    }
    long used(uint8_t code) const { return std::ranges::count(drive.commands, code); }
    uint64_t took_us() const { return machine.now_us - start_us; }

    FakeMachine machine;
    FakeAhci hba{machine};
    FakeSataDrive drive;
    std::deque<std::vector<std::byte>> memory;
    std::deque<BlockRequest> requests;
    uint64_t start_us = 0;
};

// ---- what is found

TEST_F(Ahci, NamesWhatItFinds)
{
    FakeSataDrive second, cd;
    second.sectors = 1ull << 33;
    second.depth_of_queue(0);
    hba.plug(3, second);
    attach(1);
    EXPECT_THAT(machine.log,
                ElementsAre("ahci0 at mainbus0 pci: 8086:2922, AHCI 1.3, 6 ports, 32 commands at "
                            "once, NCQ",
                            "wd0 at ahci0 port 1: <FAKE SATA DISK>, 64 MiB, 131072 sectors, NCQ",
                            "wd1 at ahci0 port 3: <FAKE HARDDISK>, 4194304 MiB, 8589934592 "
                            "sectors, DMA"));
    EXPECT_EQ(hba.hba_resets, 1u);
    EXPECT_LE(machine.now_us, 2000u) << "no waiting for ports that were empty before";
    EXPECT_EQ(machine.pci(0, 31, 2)[4] & 6, 6) << "memory and bus master";
}

TEST_F(Ahci, TakesTheControllerFromTheFirmware)
{
    hba.firmware_owns = true;
    attach();
    EXPECT_FALSE(hba.firmware_owns);
    EXPECT_FALSE(machine.logged("firmware"));
}

TEST_F(Ahci, SpinsUpOneAfterAnother)
{
    hba.staggered = true;
    FakeSataDrive second;
    drive.never_ready_for = second.never_ready_for = 5000;
    hba.plug(1, second);
    EXPECT_TRUE(read(attach(), 5, 1));
    EXPECT_TRUE(wd("wd1"));
}

TEST_F(Ahci, LeavesADriveThatIsNeverReady)
{
    drive.never_ready_for = 10'000'000;
    hba.plug(0, drive);
    EXPECT_TRUE(machine.attach(ahci));
    EXPECT_EQ(first_block_device(), nullptr);
    EXPECT_TRUE(machine.logged("ahci0: port 0: not ready (task file 0080)"));
    EXPECT_LE(machine.now_us, 21'000'000u);
}

TEST_F(Ahci, SaysThatAResetDoesNotEnd)
{
    hba.reset_hangs = true;
    hba.plug(0, drive);
    (void)machine.attach(ahci);
    EXPECT_TRUE(machine.logged("ahci0: its reset does not end"));
    EXPECT_EQ(first_block_device(), nullptr);
}

TEST_F(Ahci, SaysSoWithoutMemory)
{
    hba.plug(0, drive);
    for (int n = 0; n < 9; ++n) {
        FakeHeap::fail_after = n;
        (void)machine.attach(ahci);
        FakeHeap::fail_after = -1;
        EXPECT_TRUE(machine.logged("out of memory")) << n;
        machine.log.clear();
    }
}

// ---- reading and writing

TEST_F(Ahci, ReadsAndWrites)
{
    auto& device = attach();
    for (uint32_t count : {1u, 2u, 7u, 255u, 256u, 257u, 600u}) {
        EXPECT_TRUE(read(device, count * 3, count));
        EXPECT_TRUE(write(device, count * 3, count, 2));
    }
    EXPECT_TRUE(read(device, 131071, 1));
    EXPECT_TRUE(device.flush());
    EXPECT_EQ(drive.commands.back(), 0xea);
    EXPECT_EQ(hal::bytes_bounced, 0u);
}

TEST_F(Ahci, CopiesWhatItCannotReach)
{
    auto& device = attach();
    EXPECT_TRUE(read(device, 7, 300, 1));
    EXPECT_TRUE(write(device, 7, 300, 1));
    EXPECT_EQ(std::exchange(hal::bytes_bounced, 0), 2 * 300 * 512u);
}

TEST_F(Ahci, ReadsMoreThanOneCommandCan)
{
    drive.sector_bytes = 4096;
    auto& device = attach();
    EXPECT_TRUE(read(device, 5, 8192 + 3));
    EXPECT_GE(used(0x25), 2) << "descriptors of 4 MiB";
}

TEST_F(Ahci, ReadsBeyondTwoTebibytes)
{
    drive.sectors = 1ull << 40;
    auto& device = attach();
    for (uint64_t first : {(1ull << 28) - 1, (1ull << 32) + 7, (1ull << 40) - 9}) {
        EXPECT_TRUE(read(device, first, 9));
        EXPECT_TRUE(write(device, first, 9));
    }
}

TEST_F(Ahci, HasManyRequestsUnderWay)
{
    for (bool ncq : {true, false}) {
        hba.has_ncq = ncq;
        drive.commands.clear();
        requests.clear();
        if (ncq) hba.plug(0, drive);
        machine.handlers.clear();
        ASSERT_TRUE(machine.attach(ahci));
        auto& device = *wd(ncq ? "wd0" : "wd1");
        submit(device, 50, 9);
        EXPECT_EQ(__builtin_popcount(hba.ports[0].at(FakeAhci::ci)), 32);
        EXPECT_EQ(__builtin_popcount(hba.ports[0].at(FakeAhci::sact)), ncq ? 32 : 0);
        EXPECT_EQ(wait_for_all(device), 50u);
        EXPECT_EQ(used(0x60), ncq ? 50 : 0);
    }
}

TEST_F(Ahci, FlushesWhatWasDoneBefore)
{
    auto& device = attach();
    submit(device, 3, 8);
    BlockRequest flush = {.operation = BlockRequest::Operation::flush}, after = requests[0];
    device.submit(flush);
    device.submit(after);
    EXPECT_TRUE(device.wait(after, {1'000'000}));
    EXPECT_TRUE(flush.done && flush.result);
    EXPECT_EQ(wait_for_all(device), 3u);
    EXPECT_THAT(drive.commands, ElementsAre(0xec, 0x60, 0x60, 0x60, 0xea, 0x60));
}

TEST_F(Ahci, MixesBothWaysOfAsking)
{
    auto& device = attach();
    submit(device, 20, 8);
    EXPECT_TRUE(read(device, 5, 20)) << "when the others are done";
    EXPECT_TRUE(requests[19].done);
    EXPECT_EQ(wait_for_all(device), 20u);
    requests.clear();
    submit(device, 1, 0);
    memory.clear();
    EXPECT_TRUE(device.wait(requests[0], {1000})) << "of nothing";
    requests[0] = {.first = 5, .count = 7, .data = memory.emplace_back(7 * 512 + 1).data() + 1};
    device.submit(requests[0]);
    EXPECT_EQ(wait_for_all(device), 1u) << "at an odd address";
}

TEST_F(Ahci, Discards)
{
    using Range = std::pair<uint64_t, uint64_t>;
    drive.sectors = 1ull << 40;
    auto& device = attach();
    EXPECT_TRUE(device.discard(1ull << 39, 65536));
    EXPECT_THAT(drive.trimmed,
                ElementsAre(Range{1ull << 39, 65535}, Range{(1ull << 39) + 65535, 1}));
    drive.trimmed.clear();
    EXPECT_TRUE(device.discard(0, 65535 * 65));
    EXPECT_EQ(drive.trimmed.size(), 65u);
    EXPECT_EQ(used(0x06), 3);
}

// ---- faults

TEST_F(Ahci, NamesTheErrorAndTriesThreeTimes)
{
    drive.bad[77] = 0x40;
    auto& device = attach();
    EXPECT_EQ(read(device, 70, 20).error(), Error::device);
    EXPECT_TRUE(machine.logged("wd0: read of blocks 70...89: UNC (status 41, error 40), block 77"));
    EXPECT_EQ(used(0x25) + used(0xc8), 3);
    EXPECT_TRUE(read(device, 78, 20));
    EXPECT_EQ(write(device, 77, 1).error(), Error::device);
    EXPECT_TRUE(machine.logged("wd0: write of block 77: UNC"));
    EXPECT_EQ(hba.ports[0].resets, 0u) << "the engine alone";
    EXPECT_LE(took_us(), 100'000u);
}

TEST_F(Ahci, SaysWhichOfManyFailed)
{
    for (bool ncq : {true, false}) {
        if (!ncq) drive.depth_of_queue(0);
        hba.plug(0, drive);
        machine.handlers.clear();
        ASSERT_TRUE(machine.attach(ahci));
        auto& device = *wd(ncq ? "wd0" : "wd1");
        drive.bad[703] = 0x40;
        requests.clear();
        submit(device, 12, 8);
        EXPECT_EQ(wait_for_all(device), 11u);
        EXPECT_EQ(requests[7].result.error(), Error::device);
        Text<80> line;
        line.print("{}: read of blocks 700...707: UNC (status 41, error 40), block 703",
                   device.name.view());
        EXPECT_EQ(std::ranges::count(machine.log, line.c_str()), 1);
        EXPECT_EQ(used(0x2f), 1);
    }
    EXPECT_FALSE(machine.logged("NCQ does not work"));
}

TEST_F(Ahci, RecoversFromAPassingError)
{
    auto& device = attach();
    drive.bad[77] = 0x10, drive.bad_for = 1;
    EXPECT_TRUE(read(device, 70, 20));
    drive.interface_error = true;
    EXPECT_TRUE(read(device, 70, 20));
    EXPECT_TRUE(machine.logged("wd0: read of blocks 70...89: interface error (08000000)"));
    EXPECT_EQ(hba.ports[0].resets, 1u);
    drive.overflows = true;
    EXPECT_TRUE(read(device, 70, 20));
}

TEST_F(Ahci, DoesWithoutNcqThatFails)
{
    auto& device = attach();
    for (int i = 0; i < 3; ++i) {
        drive.queue_error = true;
        requests.clear();
        submit(device, 12, 8);
        EXPECT_EQ(wait_for_all(device), 12u);
    }
    EXPECT_TRUE(machine.logged("wd0: 12 requests stopped: ICRC ABRT (status 41, error 84)"));
    EXPECT_TRUE(machine.logged("wd0: NCQ does not work, not used any more"));
    drive.commands.clear();
    requests.clear();
    submit(device, 12, 8);
    EXPECT_EQ(wait_for_all(device), 12u);
    EXPECT_EQ(used(0x60), 0);
}

TEST_F(Ahci, RefusesAShortTransfer)
{
    drive.short_transfer = true;
    auto& device = attach();
    EXPECT_EQ(read(device, 0, 40).error(), Error::device);
    EXPECT_TRUE(machine.logged("wd0: read of blocks 0...39: it ended after 10240 bytes"));
}

TEST_F(Ahci, WorksWhenInterruptsAreLost)
{
    hba.loses_interrupts = true;
    auto& device = attach();
    EXPECT_TRUE(read(device, 0, 600));
    submit(device, 40, 8);
    EXPECT_EQ(wait_for_all(device), 40u);
}

TEST_F(Ahci, TimesOut)
{
    auto& device = attach();
    drive.never_ends = true;
    EXPECT_EQ(read(device, 5, 1).error(), Error::timed_out);
    EXPECT_LE(took_us(), 21'000'000u);
    EXPECT_TRUE(machine.logged("ahci0: port 0: the link is reset")) << "and may take its time";
    EXPECT_TRUE(
        machine.logged("wd0: read of block 5: no answer (task file 0050, SError 00000000)"));
    EXPECT_FALSE(hba.ports[0].runs()) << "stopped, before the buffer is used for something else";
    drive.never_ends = false;
    machine.now_us += 30'000'000;  // it is left alone meanwhile
    EXPECT_TRUE(read(device, 5, 1)) << "after a reset of the link";
    EXPECT_EQ(hba.ports[0].resets, 2u);
}

TEST_F(Ahci, TimesOutWithManyUnderWay)
{
    auto& device = attach();
    drive.never_ends = true;
    submit(device, 5, 8);
    EXPECT_EQ(wait_for_all(device), 0u);
    EXPECT_TRUE(machine.logged("wd0: 5 requests stopped: no answer"));
    EXPECT_LE(took_us(), 31'000'000u);
    drive.never_ends = false;
    machine.now_us += 30'000'000;
    EXPECT_TRUE(read(device, 5, 1));
}

TEST_F(Ahci, CancelsWhatIsUnderWay)
{
    auto& device = attach();
    submit(device, 40, 8);
    device.cancel();
    for (auto& request : requests) {
        EXPECT_TRUE(request.done);
        EXPECT_EQ(request.result.error(), Error::timed_out);
    }
    EXPECT_FALSE(hba.ports[0].runs());
    EXPECT_TRUE(read(device, 5, 1));
}

TEST_F(Ahci, GivesUpADriveWhoseLinkStaysDown)
{
    auto& device = attach();
    submit(device, 5, 8);
    drive.never_ends = drive.never_links = true;
    EXPECT_EQ(wait_for_all(device), 0u);
    for (auto& request : requests) EXPECT_EQ(request.result.error(), Error::gone);
    EXPECT_LE(took_us(), 12'000'000u) << "no answer, and a second for the link";
}

TEST_F(Ahci, SwitchesBusMasteringOffWhenAnEngineDoesNotStop)
{
    auto& device = attach();
    drive.never_ends = hba.engine_sticks = true;
    EXPECT_EQ(read(device, 5, 1).error(), Error::timed_out);
    EXPECT_TRUE(machine.logged("ahci0: port 0 does not stop: no more bus mastering"));
    EXPECT_LE(took_us(), 23'000'000u) << "half a second for each of its stops";
    EXPECT_EQ(machine.pci(0, 31, 2)[4] & 4, 0);
}

// ---- what comes and goes

TEST_F(Ahci, LosesADiskThatIsUnplugged)
{
    auto& device = attach();
    submit(device, 40, 8);
    hba.unplug(0);
    EXPECT_EQ(wait_for_all(device), 0u);
    for (auto& request : requests) EXPECT_EQ(request.result.error(), Error::gone);
    EXPECT_TRUE(device.gone);
    EXPECT_EQ(read(device, 5, 1).error(), Error::gone);
    look_for_disks();
    EXPECT_TRUE(machine.logged("wd0: it has been removed"));
    EXPECT_LE(took_us(), 200'000u);
    look_for_disks();
    EXPECT_EQ(std::ranges::count(machine.log, "wd0: it has been removed"), 1);
}

TEST_F(Ahci, NoticesALossWithoutARequest)
{
    auto& device = attach();
    look_for_disks();
    EXPECT_FALSE(device.gone);
    hba.loses_interrupts = true;
    hba.unplug(0);
    look_for_disks();
    EXPECT_TRUE(device.gone);
}

TEST_F(Ahci, FindsADiskThatIsPluggedIn)
{
    auto& device = attach();
    FakeSataDrive second;
    second.sectors = 4096;
    hba.plug(2, second, true);
    look_for_disks();
    auto& other = *wd("wd1");
    EXPECT_TRUE(machine.logged("wd1 at ahci0 port 2: <FAKE HARDDISK>, 2 MiB, 4096 sectors, NCQ"));
    EXPECT_EQ(other.owner, device.owner);
    EXPECT_TRUE(read(other, 5, 20));
    EXPECT_TRUE(read(device, 5, 20));
}

TEST_F(Ahci, ADiskInAnothersPlaceIsAnother)
{
    auto& device = attach();
    FakeSataDrive second;
    hba.unplug(0);
    hba.plug(0, second, true);
    EXPECT_EQ(read(device, 5, 20).error(), Error::gone);
    EXPECT_TRUE(second.commands.empty());
    look_for_disks();
    EXPECT_TRUE(read(*wd("wd1"), 5, 20));
    EXPECT_EQ(read(device, 5, 20).error(), Error::gone);
}

TEST_F(Ahci, NoticesThatTheControllerHasGone)
{
    for (uint32_t value : {~0u, 0u}) {
        hba.gone = false;
        hba.plug(0, drive);
        machine.handlers.clear();
        ASSERT_TRUE(machine.attach(ahci));
        auto& device = *wd(value ? "wd0" : "wd1");
        hba.gone_value = value;
        requests.clear();
        submit(device, 3, 8);
        hba.gone = true;
        EXPECT_EQ(wait_for_all(device), 0u);
        EXPECT_EQ(device.read(5, 1, memory.back().data()).error(), Error::gone);
        EXPECT_LE(took_us(), 1'000'000u);
    }
}

TEST_F(Ahci, LeavesAClaimedControllerAlone)
{
    auto& device = attach();
    submit(device, 40, 8);
    Device* node = Device::by_number(0);
    ASSERT_TRUE(node->claim());
    EXPECT_EQ(machine.pci(0, 31, 2)[4] & 4, 0) << "no more DMA";
    hba.on_access = [] { ADD_FAILURE() << "its registers are somebody else's"; };
    EXPECT_EQ(wait_for_all(device), 0u);
    EXPECT_EQ(requests[39].result.error(), Error::gone);
    look_for_disks();
    EXPECT_EQ(read(device, 5, 20).error(), Error::gone);
}

TEST_F(Ahci, TracesInTheDataSheetsWords)
{
    hal::start_trace("wd0");
    auto& device = attach();
    hal::show_trace();
    EXPECT_THAT(machine.trace, Contains(HasSubstr("fis::Command = 0xec: IDENTIFY DEVICE")));
    machine.trace.clear();
    EXPECT_TRUE(read(device, 0x12345, 2));
    hal::show_trace();
    for (const char* part :
         {"issue                 write  fis::Command = 0xc8: READ DMA",
          "write  fis::LbaLow = 0xe0012345", "write  fis::Count = 0x00000002",
          "write  header::Flags = 0x00010005: Descriptors: 1 FisWords: 5",
          "write  port::Ci = 0x00000001", "read   port::Ssts", "dma    Descriptor = 0x"})
        EXPECT_THAT(machine.trace, Contains(HasSubstr(part)));
}

}  // namespace
