// SPDX-License-Identifier: BSD-2-Clause
#include "block/scsi.h"
#include <gmock/gmock.h>
#include "block/partitions.h"
#include "fakes/machine.h"
#include "fakes/scsi.h"

namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::Not;
using testing::Pair;

// Carries commands to a fake unit: at once, or one at each look.
struct FakePath final : scsi::Transport {
    explicit FakePath(FakeScsiUnit& u) : unit(u) { largest_bytes = 256 * 1024; }

    Result<void> execute(scsi::Command& command) override
    {
        ++commands;
        if (hangs) {
            fake_machine->now_us += command.limit.us;
            return failed(Error::timed_out, "no answer");
        }
        if (gone) return failed(Error::gone, "it has gone");
        if (broken) return --broken, failed(Error::device, "the cable is bad");
        carry(command);
        return {};
    }
    void start(scsi::Command& command) override
    {
        EXPECT_FALSE(command.done);
        EXPECT_LT(queue.size(), depth);
        queue.push_back(&command);
        most_at_once = std::max(most_at_once, queue.size());
    }
    scsi::Command* advance() override
    {
        if (queue.empty() || hangs) return nullptr;
        auto* command = backwards ? queue.back() : queue.front();
        backwards ? queue.pop_back() : queue.pop_front();
        ++commands;
        if (gone) {
            command->ended(failed(Error::gone, "it has gone"));
        } else if (broken) {
            --broken, command->ended(failed(Error::device, "the cable is bad"));
        } else {
            carry(*command);
            command->ended({});
        }
        return command;
    }
    void abandon() override { queue.clear(); }
    uint32_t reachable(const std::byte*, uint32_t bytes) override
    {
        EXPECT_LE(bytes, largest_bytes);
        return std::min(bytes, can_reach);
    }
    void carry(scsi::Command& command)
    {
        EXPECT_TRUE(command.cdb_bytes == 6 || command.cdb_bytes == 10 || command.cdb_bytes == 12 ||
                    command.cdb_bytes == 16);
        auto* bytes = reinterpret_cast<uint8_t*>(command.data);
        EXPECT_EQ(command.write, FakeScsiUnit::takes_data(command.cdb[0]));
        std::vector<uint8_t> out;
        if (command.write) out.assign(bytes, bytes + command.bytes);
        auto answer = unit.execute({command.cdb, command.cdb + command.cdb_bytes}, out);
        command.status = answer.status;
        command.sense_bytes = uint8_t(std::min(answer.sense.size(), sizeof command.sense));
        std::copy_n(answer.sense.begin(), command.sense_bytes, command.sense);
        command.moved =
            uint32_t(command.write ? command.bytes - size_t(unit.gives_less)
                                   : std::min<size_t>(answer.data.size(), command.bytes));
        if (!command.write) std::copy_n(answer.data.begin(), command.moved, bytes);
    }

    FakeScsiUnit& unit;
    bool hangs = false, gone = false, backwards = false;
    int broken = 0;
    uint32_t can_reach = ~0u;
    unsigned commands = 0;
    std::deque<scsi::Command*> queue;
    size_t most_at_once = 0;
};

struct Scsi : testing::Test {
    ~Scsi() override
    {
        if (HasFailure()) {
            for (auto& line : machine.log) std::cout << "log: " << line << "\n";
        }
    }
    BlockDevice& attach()
    {
        auto attached = scsi::attach(Device::root(), path, "target 0 lun 0");
        EXPECT_TRUE(attached);
        if (!attached || !attached.value()) {
            for (auto& line : machine.log) std::cout << "log: " << line << "\n";
            abort();
        }
        unit.commands.clear();
        start_us = machine.now_us;
        return *attached.value();
    }
    BlockDevice& attach_cd()
    {
        unit = FakeScsiUnit::cd();
        return attach();
    }
    Result<void> read(BlockDevice& device, uint64_t first, uint32_t count)
    {
        size_t bytes = size_t{count} * device.block_bytes;
        std::vector<std::byte> memory(bytes + 2, std::byte{0xee});
        auto result = device.read(first, count, memory.data() + 1);
        EXPECT_EQ(memory.front(), std::byte{0xee});
        EXPECT_EQ(memory.back(), std::byte{0xee});
        for (uint32_t i = 0; result && i < count; ++i)
            EXPECT_EQ(memcmp(memory.data() + 1 + i * device.block_bytes,
                             unit.block(first + i).data(), device.block_bytes),
                      0)
                << first + i;
        return result;
    }
    Result<void> write(BlockDevice& device, uint64_t first, uint32_t count)
    {
        std::vector<std::byte> memory(size_t{count} * device.block_bytes);
        for (size_t i = 0; i < memory.size(); ++i) memory[i] = std::byte(i * 13 + i / 700);
        auto result = device.write(first, count, memory.data());
        for (uint32_t i = 0; result && i < count; ++i)
            EXPECT_EQ(memcmp(memory.data() + i * device.block_bytes, unit.block(first + i).data(),
                             device.block_bytes),
                      0)
                << first + i;
        return result;
    }
    uint64_t took_us() const { return machine.now_us - start_us; }

    FakeMachine machine;
    FakeScsiUnit unit;
    FakePath path{unit};
    uint64_t start_us = 0;
};

// ---- what it is

TEST_F(Scsi, NamesADisk)
{
    auto& disk = attach();
    EXPECT_THAT(machine.log,
                ElementsAre("sd0 at mainbus0 target 0 lun 0: <FAKE SCSI DISK>, 64 MiB, 131072 "
                            "sectors"));
    EXPECT_EQ(disk.name.view(), "sd0");
    EXPECT_FALSE(disk.read_only || disk.removable);
    EXPECT_TRUE(disk.rotational);
    EXPECT_EQ(find_block_device("sd0"), &disk);
}

TEST_F(Scsi, NamesACd)
{
    path.manner = "DMA";
    auto& drive = attach_cd();
    EXPECT_TRUE(
        machine.logged("cd0 at mainbus0 target 0 lun 0: <FAKE CD-ROM>, CD/DVD, 0 MiB, 300 "
                       "blocks of 2048 bytes, DMA"));
    EXPECT_TRUE(drive.read_only && drive.removable);
    EXPECT_EQ(drive.block_bytes, 2048u);
    EXPECT_EQ(write(drive, 0, 1).error(), Error::read_only);
}

TEST_F(Scsi, SaysTheVendorOnce)
{
    unit.vendor = "QEMU", unit.product = "QEMU DVD-ROM";
    EXPECT_EQ(attach().model.view(), "QEMU DVD-ROM");
}

TEST_F(Scsi, KnowsWhatADiskCanDo)
{
    unit.solid_state = unit.write_protected = true;
    unit.block_bytes = 4096;
    auto& disk = attach();
    EXPECT_TRUE(machine.logged("512 MiB, 131072 blocks of 4096 bytes, write protected"));
    EXPECT_FALSE(disk.rotational);
    EXPECT_EQ(write(disk, 0, 1).error(), Error::read_only);
}

TEST_F(Scsi, LeavesOtherTypesAlone)
{
    unit.type = 1;
    auto attached = scsi::attach(Device::root(), path, "target 3");
    ASSERT_TRUE(attached);
    EXPECT_EQ(attached.value(), nullptr);
    EXPECT_TRUE(machine.logged("uk0 at mainbus0 target 3: <FAKE SCSI DISK>, SCSI device type 1"));
}

TEST_F(Scsi, IsSilentAboutAUnitThatIsNotThere)
{
    unit.type = 0x7f;
    EXPECT_EQ(scsi::attach(Device::root(), path, "lun 1").error(), Error::not_found);
    EXPECT_TRUE(machine.log.empty());
    path.hangs = true;
    EXPECT_EQ(scsi::attach(Device::root(), path, "lun 1").error(), Error::timed_out);
    EXPECT_TRUE(machine.logged("mainbus0 lun 1: no answer"));
}

TEST_F(Scsi, RefusesAnswersThatCannotBe)
{
    auto refused = [&](Error error) {
        EXPECT_EQ(scsi::attach(Device::root(), path, "lun 0").error(), error);
        EXPECT_EQ(first_block_device(), nullptr);
    };
    for (uint32_t bytes : {0u, 1u, 256u, 520u, 8192u, 0xffffffffu}) {
        unit.block_bytes = bytes;
        refused(Error::unsupported);
    }
    EXPECT_TRUE(machine.logged("131072 blocks of 520 bytes"));
    unit.block_bytes = 512;
    unit.blocks = 1ull << 60;
    refused(Error::corrupt);
    unit.blocks = 100;
    unit.version = 2;
    unit.answers[0x25] = {0, 0, 1};
    refused(Error::corrupt);
    unit.answers[0x12] = {0, 0};
    refused(Error::corrupt);
    unit.answers[0x12] = {};
    refused(Error::corrupt);
}

TEST_F(Scsi, KnowsDisksBeyondTwoTebibytes)
{
    unit.blocks = 1ull << 33;
    auto& disk = attach();
    EXPECT_EQ(disk.blocks, 1ull << 33);
    EXPECT_TRUE(read(disk, (1ull << 33) - 3, 3));
    EXPECT_TRUE(read(disk, (1ull << 32) - 2, 4));  // across the end of what READ (10) reaches
    EXPECT_TRUE(write(disk, (1ull << 32) - 1, 2));
    EXPECT_THAT(unit.commands, ElementsAre(0x88, 0x88, 0x8a));
    EXPECT_TRUE(read(disk, (1ull << 32) - 3, 2));
    EXPECT_EQ(unit.commands.back(), 0x28);
    EXPECT_EQ(read(disk, (1ull << 33) - 1, 2).error(), Error::invalid);
}

TEST_F(Scsi, ListsItsNeighbours)
{
    scsi::Unit* lun0 = make<scsi::Unit>(path).value();
    uint16_t numbers[4];
    unit.luns = {0,    0, 0, 40, 0, 0,    0, 0,                 // 5 units
                 0,    0, 0, 0,  0, 0,    0, 0, 0, 3, 0,        // LUN 0, LUN 3
                 0,    0, 0, 0,  0, 0x41, 2, 0, 0, 0, 0, 0, 0,  // 258, flat
                 0xc1, 1, 0, 0,  0, 0,    0, 0, 0, 9, 0, 0, 0, 0, 0, 0};
    unit.luns.resize(48);
    auto count = lun0->list_units(numbers);
    ASSERT_TRUE(count);
    EXPECT_EQ(count.value(), 4u);
    EXPECT_THAT(numbers, ElementsAre(0, 3, 258, 9));
    unit.luns[3] = 0xff;  // more than there are
    unit.luns.resize(24);
    ASSERT_EQ(lun0->list_units(numbers).value(), 2u);
    unit.luns.resize(7);
    EXPECT_EQ(lun0->list_units(numbers).error(), Error::corrupt);
}

// ---- transfers

TEST_F(Scsi, SplitsByTheTransportsLimits)
{
    auto& disk = attach();
    EXPECT_TRUE(read(disk, 5, 1300));
    EXPECT_THAT(unit.transfers, ElementsAre(Pair(5, 512), Pair(517, 512), Pair(1029, 276)));
    EXPECT_TRUE(write(disk, 70, 513));
    EXPECT_EQ(unit.transfers.back(), std::pair(582ul, 1u));
    path.can_reach = 1000;  // of any memory
    EXPECT_TRUE(read(disk, 0, 3));
    EXPECT_EQ(unit.transfers.size(), 8u);
    path.can_reach = 0;
    EXPECT_TRUE(write(disk, 0, 3));
    EXPECT_EQ(unit.transfers.size(), 11u);
    EXPECT_TRUE(read(disk, 131072, 0));
    EXPECT_TRUE(read(disk, 0, 0));
}

TEST_F(Scsi, UsesTheLongCommandsForLongTransfers)
{
    path.largest_bytes = 64 << 20;
    auto& disk = attach();
    EXPECT_TRUE(read(disk, 0, 65536));
    EXPECT_EQ(unit.commands.back(), 0x88);
}

TEST_F(Scsi, FlushesAndDiscards)
{
    unit.thin = true;
    auto& disk = attach();
    EXPECT_TRUE(disk.flush());
    EXPECT_EQ(unit.flushes, 1u);
    EXPECT_TRUE(disk.discard(10, 2500));
    EXPECT_THAT(unit.unmapped, ElementsAre(Pair(10, 1000), Pair(1010, 1000), Pair(2010, 500)));
    EXPECT_TRUE(disk.discard(10, 0));
}

TEST_F(Scsi, DoesNotInsistOnWhatAUnitLacks)
{
    unit.fails[0x35] = {5, 0x20};
    auto& disk = attach();
    EXPECT_TRUE(disk.flush());
    EXPECT_TRUE(disk.flush());
    EXPECT_EQ(std::count(unit.commands.begin(), unit.commands.end(), 0x35), 1);
    EXPECT_EQ(disk.discard(0, 8).error(), Error::unsupported);  // not thin
    EXPECT_THAT(unit.commands, Not(Contains(0x42)));
    EXPECT_EQ(machine.log.size(), 1u);
}

// ---- errors

TEST_F(Scsi, SaysWhichBlockAndWhatTheUnitSaid)
{
    for (bool descriptors : {false, true}) {
        unit.descriptor_format = descriptors;
        unit.bad[77] = {3, 0x11};
        auto& disk = attach();
        EXPECT_EQ(read(disk, 70, 20).error(), Error::device);
        Text<80> line;
        line.print("{}: read of block 77: medium error, read error (3/11/00)", disk.name.view());
        EXPECT_TRUE(machine.logged(line.c_str()));
        EXPECT_TRUE(read(disk, 70, 7));
        EXPECT_TRUE(read(disk, 78, 20));
    }
    unit.says_where = false;
    auto& disk = attach();
    EXPECT_EQ(read(disk, 70, 20).error(), Error::device);
    EXPECT_TRUE(machine.logged("sd2: read of blocks 70...89: medium error, read error (3/11/00)"));
}

TEST_F(Scsi, TriesThreeTimes)
{
    auto& disk = attach();
    unit.bad[8] = {3, 0x0c, 2};
    unit.bad_for = 2;
    EXPECT_TRUE(write(disk, 8, 1));
    EXPECT_EQ(unit.transfers.size(), 3u);
    unit.bad_for = 3;
    EXPECT_EQ(write(disk, 8, 1).error(), Error::device);
    EXPECT_EQ(unit.transfers.size(), 6u);
    unit.bad.clear();
    unit.aborts = 2;
    EXPECT_TRUE(read(disk, 8, 1));
    path.broken = 2;
    EXPECT_TRUE(read(disk, 8, 1));
    path.broken = 3;
    EXPECT_EQ(read(disk, 8, 1).error(), Error::device);
    EXPECT_TRUE(machine.logged("sd0: read of block 8: the cable is bad"));
}

TEST_F(Scsi, ShortTransfersAreErrors)
{
    auto& disk = attach();
    unit.gives_less = 512;
    EXPECT_EQ(read(disk, 8, 4).error(), Error::device);
    EXPECT_EQ(write(disk, 8, 4).error(), Error::device);
    EXPECT_TRUE(machine.logged("sd0: read of blocks 8...11: 1536 of 2048 bytes moved"));
}

TEST_F(Scsi, TakesTheAttentionsThatWait)
{
    unit.attentions = {{6, 0x29}, {6, 0x2a, 1}, {6, 0x3f, 0xe}};
    auto& disk = attach();
    unit.attentions = {{6, 0x29}, {6, 0x2a, 1}};
    EXPECT_TRUE(read(disk, 8, 1));
    EXPECT_EQ(machine.log.size(), 1u);
    for (unsigned i = 0; i < 50; ++i) unit.attentions.push_back({6, 0x29});
    EXPECT_EQ(read(disk, 8, 1).error(), Error::device);
}

TEST_F(Scsi, WaitsForAUnitThatIsBecomingReady)
{
    unit.becomes_ready = 30;
    auto& disk = attach();
    EXPECT_GE(machine.now_us, 3'000'000u);
    unit.busy = 5;
    EXPECT_TRUE(read(disk, 8, 1));
    EXPECT_GE(took_us(), 500'000u);
    unit.becomes_ready = -1;
    EXPECT_EQ(read(disk, 8, 1).error(), Error::timed_out);
    EXPECT_LT(took_us(), 25'000'000u);
    unit.becomes_ready = 0;
    unit.busy = 1000;
    EXPECT_EQ(read(disk, 8, 1).error(), Error::timed_out);
    EXPECT_LT(took_us(), 50'000'000u);
}

TEST_F(Scsi, StartsAUnitThatIsStopped)
{
    unit.stopped = true;
    auto& disk = attach();
    unit.stopped = true;
    EXPECT_TRUE(read(disk, 8, 1));
    EXPECT_THAT(unit.commands, ElementsAre(0x28, 0x1b, 0x28));
    unit.fails[0x28] = {2, 4, 2};  // it does not help
    EXPECT_EQ(read(disk, 8, 1).error(), Error::device);
}

TEST_F(Scsi, LeavesAUnitAloneThatDoesNotAnswer)
{
    auto& disk = attach();
    path.hangs = true;
    EXPECT_EQ(read(disk, 8, 1).error(), Error::timed_out);
    EXPECT_LE(took_us(), 61'000'000u);
    unsigned before = path.commands;
    EXPECT_EQ(read(disk, 8, 1).error(), Error::timed_out);
    EXPECT_EQ(path.commands, before);
    path.hangs = false;
    machine.now_us += 30'000'000;
    EXPECT_TRUE(read(disk, 8, 1));
}

TEST_F(Scsi, KnowsErrorsByTheirSense)
{
    auto& disk = attach();
    struct {
        FakeScsiUnit::Code code;
        Error error;
    } cases[] = {{{7, 0x27}, Error::read_only},   {{5, 0x20}, Error::unsupported},
                 {{5, 0x24}, Error::unsupported}, {{5, 0x25}, Error::gone},
                 {{5, 0x21}, Error::device},      {{4, 0x44}, Error::device},
                 {{8, 0}, Error::device},         {{2, 4, 3}, Error::device},
                 {{13, 0}, Error::device},        {{2, 0x3a}, Error::not_found}};
    for (auto& known : cases) {
        unit.fails[0x28] = known.code;
        disk.gone = false;
        EXPECT_EQ(read(disk, 8, 1).error(), known.error) << int(known.code.key);
    }
    unit.fails[0x28] = {1, 0x17};  // recovered: the data are there, here only few
    disk.gone = false;
    std::byte block[512];
    EXPECT_TRUE(disk.read(8, 1, block));
    unit.fails[0x28] = {9, 0x80};
    unit.silent = true;
    EXPECT_EQ(read(disk, 8, 1).error(), Error::device);
    EXPECT_TRUE(machine.logged("it failed without saying why"));
}

TEST_F(Scsi, AUnitThatHasGoneIsGone)
{
    auto& disk = attach();
    path.gone = true;
    EXPECT_EQ(read(disk, 8, 1).error(), Error::gone);
    unsigned before = path.commands;
    EXPECT_EQ(read(disk, 8, 1).error(), Error::gone);
    EXPECT_EQ(disk.flush().error(), Error::gone);
    EXPECT_EQ(path.commands, before);
}

// ---- media

TEST_F(Scsi, ACdMayBeInsertedLater)
{
    unit = FakeScsiUnit::cd();
    unit.has_medium = false;
    auto& drive = attach();
    EXPECT_TRUE(machine.logged("cd0 at mainbus0 target 0 lun 0: <FAKE CD-ROM>, CD/DVD, no medium"));
    EXPECT_EQ(drive.blocks, 0u);
    EXPECT_EQ(read(drive, 0, 1).error(), Error::not_found);
    EXPECT_EQ(drive.look_for_medium().error(), Error::not_found);
    unit.insert(500);
    unit.becomes_ready = 20;
    EXPECT_TRUE(read(drive, 0, 1));
    EXPECT_EQ(drive.blocks, 500u);
    EXPECT_EQ(read(drive, 500, 1).error(), Error::invalid);
    EXPECT_EQ(machine.log.size(), 1u);
}

TEST_F(Scsi, AChangedCdFailsTheReadThatMeetsIt)
{
    auto& drive = attach_cd();
    EXPECT_TRUE(read(drive, 0, 300));
    unsigned medium = drive.medium;
    unit.insert(200);
    EXPECT_EQ(read(drive, 16, 1).error(), Error::not_found);
    EXPECT_TRUE(machine.logged(
        "cd0: read of block 16: unit attention, the medium has been changed (6/28/00)"));
    EXPECT_EQ(drive.blocks, 200u);
    EXPECT_NE(drive.medium, medium);
    EXPECT_TRUE(read(drive, 16, 1));
    EXPECT_EQ(read(drive, 200, 1).error(), Error::invalid);
    medium = drive.medium;
    unit.insert(400);
    EXPECT_TRUE(drive.look_for_medium());  // who looks is told by the size, and may read
    EXPECT_EQ(drive.blocks, 400u);
    EXPECT_NE(drive.medium, medium);
    EXPECT_TRUE(read(drive, 399, 1));
    unit.insert(600);
    EXPECT_TRUE(read(drive, 599, 1));  // beyond the old end: it looked
}

TEST_F(Scsi, SaysWhereTheLastSessionOfACdBegins)
{
    auto& drive = attach_cd();
    EXPECT_EQ(drive.last_session(), 0u);
    unit.session = 176;
    unit.insert(300);
    ASSERT_TRUE(drive.look_for_medium());
    EXPECT_EQ(drive.last_session(), 176u);
    unit.session = 300;  // not on the medium
    unit.insert(300);
    ASSERT_TRUE(drive.look_for_medium());
    EXPECT_EQ(drive.last_session(), 0u);
    for (uint8_t bytes : {0, 4, 11}) {
        unit.answers[0x43] = std::vector<uint8_t>(bytes, 1);
        unit.insert(300);
        ASSERT_TRUE(drive.look_for_medium());
        EXPECT_EQ(drive.last_session(), 0u);
    }
    unit.fails[0x43] = {5, 0x20};
    unit.insert(300);
    ASSERT_TRUE(drive.look_for_medium());
    EXPECT_EQ(drive.last_session(), 0u);
}

TEST_F(Scsi, AnEjectedCdIsMissed)
{
    auto& drive = attach_cd();
    unit.open_tray();
    EXPECT_EQ(read(drive, 16, 1).error(), Error::not_found);
    EXPECT_TRUE(machine.logged("cd0: read of block 16: not ready, no medium (2/3a/01)"));
    EXPECT_EQ(drive.blocks, 0u);
    for (unsigned i = 0; i < 5; ++i) EXPECT_EQ(read(drive, 16, 1).error(), Error::not_found);
    EXPECT_EQ(machine.log.size(), 2u);
    EXPECT_LT(took_us(), 100'000u);
    unit.insert(300);
    EXPECT_TRUE(read(drive, 16, 1));
}

TEST_F(Scsi, EjectsAndLoads)
{
    auto& drive = attach_cd();
    EXPECT_TRUE(drive.eject());
    EXPECT_FALSE(unit.has_medium);
    EXPECT_EQ(drive.blocks, 0u);
    EXPECT_EQ(read(drive, 0, 1).error(), Error::not_found);
    EXPECT_TRUE(drive.load());
    EXPECT_EQ(drive.blocks, 300u);
    EXPECT_TRUE(read(drive, 0, 1));
    unit.locked = true;
    EXPECT_EQ(drive.eject().error(), Error::device);
    EXPECT_TRUE(machine.logged("cd0: illegal request, the medium is held (5/53/02)"));
    EXPECT_TRUE(read(drive, 0, 1));
}

TEST_F(Scsi, PartitionsGoWithTheirMedium)
{
    unit.removable = true;
    unit.written[0] = std::vector<uint8_t>(512);
    auto& mbr = unit.written[0];
    mbr[510] = 0x55, mbr[511] = 0xaa;
    mbr[446 + 4] = 0x0c, mbr[446 + 8] = 8, mbr[446 + 12] = 100;
    auto& disk = attach();
    find_partitions(disk);
    auto* partition = find_block_device("sd0p1");
    ASSERT_TRUE(partition);
    EXPECT_EQ(partition->blocks, 100u);
    std::byte block[512];
    EXPECT_TRUE(partition->read(0, 1, block));
    unit.insert(1000);
    EXPECT_EQ(partition->read(0, 1, block).error(), Error::not_found);
    EXPECT_EQ(partition->read(0, 1, block).error(), Error::gone);
    EXPECT_TRUE(disk.read(0, 1, block));
}

TEST_F(Scsi, AFixedDiskMayGrow)
{
    auto& disk = attach();
    unit.blocks = 200'000;
    unit.attentions = {{6, 0x2a, 9}};
    EXPECT_TRUE(read(disk, 0, 1));
    EXPECT_TRUE(disk.look_for_medium());
    EXPECT_EQ(disk.blocks, 200'000u);
    EXPECT_TRUE(read(disk, 199'999, 1));
    EXPECT_FALSE(disk.eject());
}

// ---- several requests at once

struct ScsiQueue : Scsi {
    ScsiQueue() { path.depth = 8; }
    struct Job {
        BlockRequest request;
        std::vector<std::byte> memory;
    };
    BlockRequest& submit(BlockDevice& disk, uint64_t first, uint32_t count,
                         BlockRequest::Operation operation = BlockRequest::Operation::read)
    {
        auto& job = jobs.emplace_back();
        job.memory.resize(size_t{count} * disk.block_bytes);
        for (size_t i = 0; i < job.memory.size(); ++i) job.memory[i] = std::byte(first + i * 3);
        job.request = {
            .operation = operation, .first = first, .count = count, .data = job.memory.data()};
        disk.submit(job.request);
        return job.request;
    }
    void poll_all(BlockDevice& disk)
    {
        for (unsigned i = 0; i < 1000; ++i) {
            disk.poll();
            machine.now_us += 1000;
        }
    }
    bool is_right(const BlockRequest& request, uint32_t block_bytes = 512)
    {
        for (uint32_t i = 0; i < request.count; ++i) {
            if (memcmp(request.data + i * block_bytes, unit.block(request.first + i).data(),
                       block_bytes))
                return false;
        }
        return true;
    }
    std::deque<Job> jobs;
};

TEST_F(ScsiQueue, KeepsManyInFlight)
{
    for (bool backwards : {false, true}) {
        path.backwards = backwards;
        path.most_at_once = 0;
        auto& disk = attach();
        jobs.clear();
        for (unsigned i = 0; i < 20; ++i) submit(disk, i * 1000, 1 + i * 50);
        submit(disk, 5, 0, BlockRequest::Operation::flush);
        EXPECT_FALSE(jobs.back().request.done);
        poll_all(disk);
        for (auto& job : jobs) {
            EXPECT_TRUE(job.request.done && job.request.result);
            EXPECT_TRUE(is_right(job.request));
        }
        EXPECT_EQ(path.most_at_once, 8u);
    }
    EXPECT_EQ(unit.flushes, 2u);
}

TEST_F(ScsiQueue, WritesReadsAndWaitsBesideEachOther)
{
    auto& disk = attach();
    auto& first = submit(disk, 100, 700, BlockRequest::Operation::write);
    auto& second = submit(disk, 4000, 700, BlockRequest::Operation::write);
    EXPECT_TRUE(read(disk, 7000, 3));  // by itself
    EXPECT_TRUE(disk.wait(second, {1'000'000}));
    EXPECT_TRUE(disk.wait(first, {1'000'000}));
    EXPECT_TRUE(is_right(first) && is_right(second));
    EXPECT_EQ(unit.written.size(), 1400u);
}

TEST_F(ScsiQueue, TriesAgainWithoutWaiting)
{
    auto& disk = attach();
    unit.attentions = {{6, 0x29}, {6, 0x29}};
    unit.busy = 2;
    unit.aborts = 1;
    unit.bad[300] = {3, 0x11};
    for (unsigned i = 0; i < 5; ++i) submit(disk, i * 100, 10);
    unit.stopped = true;
    poll_all(disk);
    for (auto& job : jobs) {
        ASSERT_TRUE(job.request.done);
        EXPECT_EQ(bool(job.request.result), job.request.first != 300);
        EXPECT_EQ(is_right(job.request), job.request.first != 300);
    }
    EXPECT_TRUE(machine.logged("sd0: read of block 300: medium error, read error (3/11/00)"));
}

TEST_F(ScsiQueue, DiscardsToo)
{
    unit.thin = true;
    auto& disk = attach();
    submit(disk, 10, 2500, BlockRequest::Operation::discard);
    poll_all(disk);
    EXPECT_EQ(unit.unmapped.size(), 3u);
    EXPECT_TRUE(jobs.back().request.done && jobs.back().request.result);
}

TEST_F(ScsiQueue, RefusesWhatTheUnitLacks)
{
    auto& disk = attach();
    submit(disk, 10, 2500, BlockRequest::Operation::discard);
    unit.fails[0x35] = {5, 0x20};
    submit(disk, 0, 0, BlockRequest::Operation::flush);
    submit(disk, 7, 0);
    poll_all(disk);
    EXPECT_EQ(jobs[0].request.result.error(), Error::unsupported);
    EXPECT_TRUE(jobs[1].request.done && jobs[1].request.result);
    EXPECT_TRUE(jobs[2].request.done && jobs[2].request.result);
    EXPECT_TRUE(unit.unmapped.empty() && unit.transfers.empty());
}

TEST_F(ScsiQueue, CancelEndsAll)
{
    auto& disk = attach();
    path.hangs = true;
    for (unsigned i = 0; i < 12; ++i) submit(disk, i * 100, 10);
    disk.cancel();
    for (auto& job : jobs) EXPECT_EQ(job.request.result.error(), Error::timed_out);
    EXPECT_TRUE(path.queue.empty());
    path.hangs = false;
    EXPECT_TRUE(read(disk, 0, 1));
}

TEST_F(ScsiQueue, AUnitThatVanishesFailsItsRequests)
{
    auto& disk = attach();
    for (unsigned i = 0; i < 12; ++i) submit(disk, i * 100, 10);
    path.gone = true;
    poll_all(disk);
    for (auto& job : jobs) EXPECT_EQ(job.request.result.error(), Error::gone);
    EXPECT_TRUE(disk.is_gone());
    auto& late = submit(disk, 0, 1);
    EXPECT_TRUE(late.done);
    EXPECT_EQ(late.result.error(), Error::gone);
}

TEST_F(ScsiQueue, RemovableMediaAreReadOneByOne)
{
    auto& drive = attach_cd();
    auto& request = submit(drive, 10, 100);
    EXPECT_FALSE(request.done);
    drive.poll();
    EXPECT_TRUE(request.done && request.result);
    EXPECT_TRUE(is_right(request, 2048));
    EXPECT_EQ(path.most_at_once, 0u);
}

}  // namespace
