// SPDX-License-Identifier: BSD-2-Clause
#include "fakes/ide.h"
#include <gmock/gmock.h>
#include "block/ata.h"

extern const Driver ide;

namespace {

using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

struct Ide : testing::Test {
    Ide()
    {
        primary.drives[1].present = false;
        secondary.drives[0].present = secondary.drives[1].present = false;
        machine.on_wait = [this] { primary.step(), secondary.step(); };
    }
    ~Ide() override
    {
        if (HasFailure()) {
            for (auto& line : machine.log) std::cout << "log: " << line << "\n";
        }
    }
    std::vector<uint8_t>& pci_function(uint8_t interface)
    {
        auto& config = machine.pci(0, 1, 1);
        config[0] = 0x86, config[1] = 0x80, config[2] = 0x10, config[3] = 0x70;
        config[9] = interface, config[10] = 1, config[11] = 1;
        config[0x20] = 0x01, config[0x21] = 0xc0;  // BAR4: the bus master at c000h
        return config;
    }
    void plug_pci(uint8_t interface = 0x80)
    {
        pci_function(interface);
        plug_isa();
        machine.ports(0xc000, 16, master);
    }
    void plug_isa()
    {
        primary.plug_in(0x1f0, 0x3f4);
        secondary.plug_in(0x170, 0x374);
    }
    BlockDevice& attach()
    {
        EXPECT_TRUE(machine.attach(ide));
        auto* device = first_block_device();
        if (!device) {
            for (auto& line : machine.log) ADD_FAILURE() << line;
            abort();
        }
        while (device->next) device = device->next;  // the last one found
        start_us = machine.now_us;
        return *device;
    }
    BlockDevice& attach_dma() { return plug_pci(), attach(); }
    BlockDevice& attach_pio() { return plug_isa(), attach(); }
    uint64_t took_us() const { return machine.now_us - start_us; }

    // Reads to an address of the given alignment; also checks that nothing around it was written.
    Result<void> read(BlockDevice& device, uint64_t first, uint32_t count, size_t alignment = 0)
    {
        size_t bytes = size_t(count) * device.block_bytes;
        std::vector<std::byte> memory(bytes + 0x10000 + 64, std::byte{0xee});
        size_t start = 32 + alignment % 32;
        auto result = device.read(first, count, memory.data() + start);
        EXPECT_FALSE(primary.engine_running());
        for (size_t i = 0; i < start; ++i) EXPECT_EQ(memory[i], std::byte{0xee});
        for (size_t i = start + bytes; i < memory.size(); ++i)
            EXPECT_EQ(memory[i], std::byte{0xee});
        if (!result) return result;
        for (uint32_t i = 0; i < count; ++i) {
            auto want = drive->sector(first + i);
            if (memcmp(memory.data() + start + i * want.size(), want.data(), want.size()) == 0)
                continue;
            ADD_FAILURE() << "sector " << first + i << " is wrong";
            break;
        }
        return result;
    }
    Result<void> write(BlockDevice& device, uint64_t first, uint32_t count, size_t alignment = 0)
    {
        std::vector<std::byte> memory(size_t(count) * device.block_bytes + 64);
        for (size_t i = 0; i < memory.size(); ++i) memory[i] = std::byte(i * 13 + i / 700);
        auto* from = memory.data() + alignment;
        auto result = device.write(first, count, from);
        if (!result) return result;
        for (uint32_t i = 0; i < count; ++i) {
            auto have = drive->sector(first + i);
            EXPECT_EQ(memcmp(from + i * have.size(), have.data(), have.size()), 0) << first + i;
        }
        return result;
    }
    bool used(uint8_t opcode) const
    {
        return std::count(drive->commands.begin(), drive->commands.end(), opcode) != 0;
    }

    FakeMachine machine;
    FakeIde primary{machine, 14}, secondary{machine, 15};
    FakeBusMaster master{primary, secondary};
    FakeDrive* drive = &primary.drives[0];
    uint64_t start_us = 0;
};

// ---- what is found

TEST_F(Ide, NamesWhatItFindsOnPci)
{
    secondary.drives[0] = {.atapi = true, .model = "FAKE DVD-ROM"};
    attach_dma();
    EXPECT_THAT(
        machine.log,
        ElementsAre("ide0 at mainbus0 pci: 8086:7010, IDE, bus master", "ata0 at ide0 channel 0",
                    "wd0 at ata0 drive 0: <FAKE HARDDISK>, 64 MiB, 131072 sectors, MWDMA2",
                    "ata1 at ide0 channel 1",
                    "cd0 at ata1 drive 0: <FAKE CD-ROM>, CD/DVD, 0 MiB, 300 blocks of 2048 bytes, "
                    "MWDMA2"));
    EXPECT_EQ(primary.resets + secondary.resets, 0u);
    EXPECT_LE(machine.now_us, 2000u);
    EXPECT_EQ(find_block_device("wd0")->blocks, 131072u);
    EXPECT_EQ(find_block_device("wd0")->model.view(), "FAKE HARDDISK");
    EXPECT_EQ(machine.pci(0, 1, 1)[4] & 5, 5) << "I/O and bus master enabled";
}

TEST_F(Ide, NamesWhatItFindsOnIsa)
{
    attach_pio();
    EXPECT_THAT(machine.log,
                ElementsAre("ide0 at mainbus0 isa", "ata0 at ide0 channel 0",
                            "wd0 at ata0 drive 0: <FAKE HARDDISK>, 64 MiB, 131072 sectors, PIO"));
}

TEST_F(Ide, FindsFourDrives)
{
    for (FakeIde* channel : {&primary, &secondary}) {
        for (auto& d : channel->drives) d.present = true;
    }
    secondary.drives[1].sectors = 4096;
    attach_dma();
    for (const char* name : {"wd0", "wd1", "wd2", "wd3"})
        ASSERT_TRUE(find_block_device(name)) << name;
    EXPECT_TRUE(
        machine.logged("wd3 at ata1 drive 1: <FAKE HARDDISK>, 2 MiB, 4096 sectors, MWDMA2"));
    drive = &secondary.drives[1];
    EXPECT_TRUE(read(*find_block_device("wd3"), 4000, 96));
    EXPECT_TRUE(write(*find_block_device("wd3"), 1, 9));
    EXPECT_TRUE(primary.drives[0].written.empty() && secondary.drives[0].written.empty());
}

TEST_F(Ide, FindsADriveOneWithoutADriveZero)
{
    primary.drives[0].present = false;
    primary.drives[1].present = true;
    drive = &primary.drives[1];
    EXPECT_TRUE(read(attach_dma(), 3, 5));
    EXPECT_TRUE(machine.logged("wd0 at ata0 drive 1"));
}

TEST_F(Ide, LeavesLegacyPortsToPci)
{
    primary.drives[0].sectors = 2048;
    attach_dma();
    EXPECT_EQ(find_block_device("wd1"), nullptr);
    EXPECT_FALSE(machine.logged("isa"));
}

TEST_F(Ide, UsesNativeModeWhereTheInterfaceSaysSo)
{
    auto& config = pci_function(0x85);
    auto set = [&](unsigned bar, unsigned port) {
        config[0x10 + bar * 4] = uint8_t(port | 1), config[0x11 + bar * 4] = uint8_t(port >> 8);
    };
    set(0, 0xd000), set(1, 0xd010), set(2, 0xd020), set(3, 0xd030);
    config[0x3c] = 11;
    FakeIde first{machine, 11}, second{machine, 11};
    FakeBusMaster both{first, second};
    first.plug_in(0xd000, 0xd010), second.plug_in(0xd020, 0xd030);
    machine.ports(0xc000, 16, both);
    first.drives[1].present = second.drives[0].present = false;
    machine.on_wait = [&] { first.step(), second.step(); };
    primary.plug_in(0x1f0, 0x3f4);  // an ISA channel beside it
    EXPECT_TRUE(machine.attach(ide));
    drive = &second.drives[1];
    ASSERT_TRUE(find_block_device("wd1"));
    EXPECT_TRUE(read(*find_block_device("wd1"), 1, 300));
    EXPECT_EQ(machine.handlers.count(11), 2u);
    EXPECT_TRUE(machine.logged("wd1 at ata1 drive 1"));
    EXPECT_TRUE(machine.logged("ide1 at mainbus0 isa"));
}

TEST_F(Ide, UsesTheSecondChannelWhereTheFirstIsOff)
{
    pci_function(0x81);  // the first is in native mode, but without addresses
    secondary.plug_in(0x170, 0x374);
    machine.ports(0xc000, 16, master);
    std::swap(primary.drives[0].present, secondary.drives[0].present);
    drive = &secondary.drives[0];
    EXPECT_TRUE(read(attach(), 5, 20));
    EXPECT_EQ(drive->commands.back(), 0xc8);
    EXPECT_TRUE(machine.logged("ata0 at ide0 channel 1"));
}

TEST_F(Ide, IgnoresInterruptsOfOthersOnItsLine)
{
    attach_dma();
    unsigned reads = primary.status_reads;
    machine.interrupt(14);
    EXPECT_EQ(primary.status_reads, reads);
}

TEST_F(Ide, FindsNothingAtOnceWhereNothingIs)
{
    primary.floating = secondary.floating = true;
    plug_isa();
    EXPECT_EQ(machine.attach(ide).error(), Error::not_found);
    primary.floating = secondary.floating = false;
    primary.drives[0].present = false;
    EXPECT_EQ(machine.attach(ide).error(), Error::not_found);
    EXPECT_LE(machine.now_us, 100u);
    EXPECT_TRUE(machine.log.empty());
}

TEST_F(Ide, GivesUpOnADriveThatIsAlwaysBusy)
{
    drive->never_ready = drive->ignores_reset = true;
    plug_pci();
    EXPECT_TRUE(machine.attach(ide));
    EXPECT_EQ(first_block_device(), nullptr);
    EXPECT_TRUE(machine.logged("ide0: channel 0 drive 0: no answer (status 80)"));
    EXPECT_LE(machine.now_us, 11'000'000u);
}

// ---- what IDENTIFY says

TEST_F(Ide, CleansTheModel)
{
    drive->model = "  A\tB\x81 C  ";
    EXPECT_EQ(attach_dma().model.view(), "A?B? C");
}

TEST_F(Ide, RefusesSizesThatCannotBe)
{
    drive->sectors = (1ull << 48) + 1;
    plug_pci();
    EXPECT_TRUE(machine.attach(ide));
    EXPECT_TRUE(machine.logged("ide0: <FAKE HARDDISK> says that it has 281474976710657 sectors"));
    EXPECT_EQ(first_block_device(), nullptr);
}

TEST_F(Ide, RefusesADriveWithoutSectors)
{
    drive->lba = drive->lba48 = false;
    drive->heads = 200;
    plug_pci();
    EXPECT_TRUE(machine.attach(ide));
    EXPECT_TRUE(machine.logged("ide0: <FAKE HARDDISK> says that it has 0 sectors"));
}

TEST_F(Ide, RefusesSectorsOfOddSizes)
{
    drive->sector_bytes = 520;
    plug_pci();
    EXPECT_TRUE(machine.attach(ide));
    EXPECT_TRUE(machine.logged("ide0: <FAKE HARDDISK> has sectors of 520 bytes"));
    EXPECT_EQ(first_block_device(), nullptr);
}

TEST_F(Ide, BelievesNothingThatCannotBe)
{
    uint32_t seed = 1;
    unsigned good = 0;
    for (int n = 0; n < 20000; ++n) {
        uint16_t words[256];
        for (auto& word : words) word = uint16_t((seed = seed * 1664525 + 1013904223) >> 16);
        if (n % 2) words[103] = 0, words[106] = 0;
        if (n % 3 == 0) words[49] = 0, words[3] &= 31, words[6] &= 511;
        auto id = AtaIdentity::from(words, "ide0");
        if (!id) continue;
        ++good;
        auto& disk = id.value();
        ASSERT_TRUE(disk.blocks > 0 && disk.blocks <= 1ull << 48);
        ASSERT_TRUE(disk.block_bytes == 512 || disk.block_bytes == 4096);
        ASSERT_TRUE(disk.lba48 || disk.blocks <= 1ull << 28);
        ASSERT_TRUE(disk.lba || (disk.heads && disk.heads <= 16 && disk.sectors_per_track));
        for (char c : disk.model.view()) ASSERT_TRUE(c >= ' ' && c <= '~');
    }
    EXPECT_GT(good, 5000u);
}

TEST_F(Ide, ReadsSectorsOf4096Bytes)
{
    drive->sector_bytes = 4096;
    auto& device = attach_dma();
    EXPECT_EQ(device.block_bytes, 4096u);
    EXPECT_TRUE(machine.logged("512 MiB, 131072 sectors of 4096 bytes"));
    EXPECT_TRUE(read(device, 5, 20));
    EXPECT_TRUE(read(device, 5, 20, 1));
    EXPECT_TRUE(write(device, 7, 20));
    EXPECT_TRUE(write(device, 7, 20, 1));
}

// ---- reading and writing

constexpr uint32_t counts[] = {1, 2, 7, 16, 17, 127, 128, 129, 255, 256, 257, 600};

TEST_F(Ide, ReadsByDma)
{
    auto& device = attach_dma();
    for (uint32_t count : counts) {
        for (size_t alignment : {0, 2, 30}) EXPECT_TRUE(read(device, count * 3, count, alignment));
    }
    EXPECT_FALSE(used(0x20) || used(0xc4));
    EXPECT_TRUE(read(device, 131071, 1));
    EXPECT_EQ(read(device, 131071, 2).error(), Error::invalid);
    EXPECT_EQ(primary.resets, 0u);
}

TEST_F(Ide, ReadsByPio)
{
    auto& device = attach_pio();
    for (uint32_t count : counts) {
        for (size_t alignment : {0, 1, 2}) EXPECT_TRUE(read(device, count * 3, count, alignment));
    }
    EXPECT_TRUE(used(0xc4)) << "READ MULTIPLE";
    EXPECT_FALSE(used(0x20));
}

TEST_F(Ide, ReadsByPioASectorABlock)
{
    drive->multiple_limit = 0;
    auto& device = attach_pio();
    for (uint32_t count : counts) EXPECT_TRUE(read(device, count, count));
    EXPECT_TRUE(used(0x20) && used(0x24));
}

TEST_F(Ide, Writes)
{
    for (bool dma : {true, false}) {
        if (!dma) drive->dma = false;
        auto& device = dma ? attach_dma() : attach();
        for (uint32_t count : counts) EXPECT_TRUE(write(device, count * 3, count, count % 3));
        EXPECT_TRUE(device.flush());
        EXPECT_EQ(drive->commands.back(), 0xea);
    }
}

TEST_F(Ide, ReadsOddAddressesByPioOnly)
{
    auto& device = attach_dma();
    EXPECT_TRUE(read(device, 9, 3, 1));
    EXPECT_TRUE(used(0xc4));
    EXPECT_TRUE(read(device, 9, 3));
    EXPECT_EQ(drive->commands.back(), 0xc8);
}

TEST_F(Ide, SplitsMemoryAt64KiB)
{
    auto& device = attach_dma();
    std::vector<std::byte> memory(512 * 512);
    ASSERT_TRUE(device.read(0, 400, memory.data() + 2));
    ASSERT_GE(primary.runs.size(), 4u);
    EXPECT_EQ((primary.runs[0].first + primary.runs[0].second) & 0xffff, 0u);
}

TEST_F(Ide, ReadsMoreThan65536SectorsAtOnce)
{
    auto& device = attach_dma();
    EXPECT_TRUE(read(device, 5, 65536 + 300));
    EXPECT_TRUE(used(0x25));
    drive->dma = false;
    FakeDrive& second = primary.drives[1] = *drive;
    drive = &second;
    drive->commands.clear();
    ASSERT_TRUE(machine.attach(ide));
    auto* pio = find_block_device("wd2");
    ASSERT_TRUE(pio);
    EXPECT_TRUE(read(*pio, 5, 300));
    EXPECT_TRUE(used(0x29));
}

TEST_F(Ide, AddressesWith48Bits)
{
    drive->sectors = 1ull << 40;
    auto& device = attach_dma();
    EXPECT_EQ(device.blocks, 1ull << 40);
    for (uint64_t first : {(1ull << 28) - 1, 1ull << 28, (1ull << 32) + 7, (1ull << 40) - 9}) {
        EXPECT_TRUE(read(device, first, 9)) << first;
        EXPECT_TRUE(read(device, first, 9, 1)) << first;
        EXPECT_TRUE(write(device, first, 9)) << first;
    }
    EXPECT_FALSE(used(0xc8));
    EXPECT_TRUE(read(device, (1 << 28) - 9, 9));
    EXPECT_TRUE(used(0xc8)) << "the shorter command where it does";
}

TEST_F(Ide, AddressesWith28Bits)
{
    drive->lba48 = false;
    drive->sectors = 1 << 28;
    auto& device = attach_dma();
    EXPECT_EQ(device.blocks, (1ull << 28) - 1);
    EXPECT_TRUE(read(device, (1 << 28) - 1000, 999));
    EXPECT_TRUE(device.flush());
    EXPECT_EQ(drive->commands.back(), 0xe7);
}

TEST_F(Ide, AddressesByCylinderHeadAndSector)
{
    drive->lba = drive->lba48 = drive->flushes = false;
    drive->cylinders = 615, drive->heads = 4, drive->per_track = 17;
    drive->sectors = 615 * 4 * 17;
    auto& device = attach_pio();
    EXPECT_TRUE(machine.logged("20 MiB, 41820 sectors, CHS, PIO"));
    for (uint64_t first : {0, 16, 17, 67, 68, 41819 - 599}) EXPECT_TRUE(read(device, first, 600));
    EXPECT_TRUE(write(device, 60, 20));
    drive->bad[100] = 0x40, drive->bad_for = 1;
    EXPECT_TRUE(read(device, 100, 1)) << "after a reset the geometry is set again";
    EXPECT_TRUE(device.flush()) << "nothing to do";
}

// ---- faults

TEST_F(Ide, NamesTheErrorAndTriesThreeTimes)
{
    drive->bad[77] = 0x40;
    auto& device = attach_dma();
    EXPECT_EQ(read(device, 70, 20).error(), Error::device);
    EXPECT_TRUE(machine.logged("wd0: read of blocks 70...89: UNC (status 51, error 40)"));
    EXPECT_EQ(primary.resets, 2u);
    EXPECT_TRUE(read(device, 78, 20));
    EXPECT_EQ(drive->commands.back(), 0xc8) << "the medium is to blame, not DMA";
    EXPECT_EQ(write(device, 77, 1).error(), Error::device);
    EXPECT_TRUE(machine.logged("wd0: write of block 77: UNC"));
    EXPECT_LE(took_us(), 100'000u);
}

TEST_F(Ide, RecoversFromAPassingError)
{
    for (bool dma : {true, false}) {
        drive->dma = dma;
        auto& device = dma ? attach_dma() : attach();
        drive->bad[77] = 0x10, drive->bad_for = 2;
        EXPECT_TRUE(read(device, 70, 20));
        EXPECT_TRUE(machine.logged("IDNF (status 51, error 10)"));
        EXPECT_FALSE(machine.logged("does not work"));
    }
}

TEST_F(Ide, ReportsADeviceFault)
{
    auto& device = attach_pio();
    drive->device_fault = true;
    EXPECT_EQ(read(device, 70, 20).error(), Error::device);
    EXPECT_TRUE(machine.logged("wd0: read of blocks 70...89: device fault (status 70, error 00)"));
}

TEST_F(Ide, FallsBackToPioWhenTheBusMasterFails)
{
    drive->multiword = 4;
    auto& device = attach_dma();
    drive->dma_error = true;
    EXPECT_TRUE(read(device, 70, 20));
    EXPECT_TRUE(write(device, 70, 20));
    EXPECT_TRUE(machine.logged("wd0: read of blocks 70...89: DMA failed (bus master status 63)"));
    EXPECT_EQ(
        std::count(machine.log.begin(), machine.log.end(), "wd0: MWDMA2 does not work, using PIO"),
        1);
    EXPECT_EQ(primary.resets, 1u);
    EXPECT_LE(took_us(), 100'000u);
}

TEST_F(Ide, FallsBackToPioWhenDmaHangs)
{
    drive->multiword = 4;
    auto& device = attach_dma();
    drive->dma_hangs = true;
    EXPECT_TRUE(write(device, 70, 20));
    EXPECT_TRUE(machine.logged("wd0: write of blocks 70...89: DMA does not end (status d0, 61)"));
    EXPECT_LE(took_us(), 10'100'000u);
    EXPECT_TRUE(read(device, 70, 20));
    EXPECT_LE(took_us(), 10'200'000u) << "the second request does not try DMA";
}

TEST_F(Ide, FallsBackToPioOnCrcErrors)
{
    drive->multiword = 4;
    auto& device = attach_dma();
    drive->bad[75] = 0x84, drive->bad_for = 1;
    EXPECT_TRUE(read(device, 70, 20));
    EXPECT_TRUE(machine.logged("ICRC ABRT (status 51, error 84)"));
    EXPECT_TRUE(machine.logged("wd0: MWDMA2 does not work, using PIO"));
}

TEST_F(Ide, RefusesAShortTransfer)
{
    for (bool dma : {true, false}) {
        drive->dma = dma;
        drive->short_transfer = false;
        auto& device = dma ? attach_dma() : attach();
        drive->short_transfer = true;
        EXPECT_EQ(read(device, 0, 40).error(), Error::device);
        EXPECT_EQ(write(device, 0, 40).error(), Error::device);
    }
    EXPECT_TRUE(machine.logged("read of blocks 0...39: DMA failed (bus master status 61)"));
}

TEST_F(Ide, SaysThatATransferEndedEarly)
{
    auto& device = attach_pio();
    drive->short_transfer = true;
    EXPECT_EQ(read(device, 0, 40).error(), Error::device);
    EXPECT_TRUE(machine.logged("wd0: read of blocks 0...39: it ended early (status 50)"));
}

TEST_F(Ide, TakesNoMoreDataThanItAskedFor)
{
    auto& device = attach_pio();
    drive->stuck_data_request = true;
    EXPECT_EQ(read(device, 0, 40).error(), Error::device);
    EXPECT_TRUE(machine.logged("wd0: read of blocks 0...39: it wants more data (status 58)"));
    drive->stuck_data_request = false;
    EXPECT_TRUE(read(device, 0, 40)) << "after a reset";
}

TEST_F(Ide, WorksWhenInterruptsAreLost)
{
    primary.loses_interrupts = true;
    auto& device = attach_dma();
    EXPECT_TRUE(read(device, 0, 600));
    EXPECT_TRUE(read(device, 0, 600, 1));
    EXPECT_TRUE(write(device, 0, 600));
    EXPECT_EQ(primary.resets, 0u);
    EXPECT_FALSE(machine.logged("does not work"));
}

TEST_F(Ide, WorksWithoutAnInterruptLine)
{
    machine.interrupts_work = false;
    auto& device = attach_dma();
    EXPECT_TRUE(read(device, 0, 600));
    EXPECT_TRUE(write(device, 0, 600, 1));
}

TEST_F(Ide, TimesOutAndTriesOnce)
{
    for (bool dma : {true, false}) {
        drive->dma = dma;
        auto& device = dma ? attach_dma() : attach();
        drive->never_ready = true;
        EXPECT_EQ(read(device, 5, 1).error(), Error::timed_out);
        EXPECT_LE(took_us(), 20'100'000u);
        drive->never_ready = false;
        machine.now_us += 30'000'000;  // it is left alone meanwhile
        EXPECT_TRUE(read(device, 5, 1)) << "it has come back";
    }
}

TEST_F(Ide, GivesUpADriveThatNoResetHelps)
{
    auto& device = attach_dma();
    drive->never_ready = drive->ignores_reset = true;
    EXPECT_EQ(read(device, 5, 1).error(), Error::timed_out);
    EXPECT_LE(took_us(), 15'100'000u);
    EXPECT_EQ(read(device, 6, 1).error(), Error::timed_out);
    EXPECT_EQ(device.flush().error(), Error::timed_out);
    EXPECT_LE(took_us(), 15'100'000u) << "no more waiting for it";
}

TEST_F(Ide, NoticesThatTheDriveHasGone)
{
    for (int after : {0, 1}) {
        for (bool dma : {true, false}) {
            drive->dma = dma;
            drive->gone_after = -1;
            auto& device = dma && !after ? attach_dma() : attach();
            drive->gone_after = after;
            EXPECT_EQ(read(device, 5, 1).error(), Error::gone);
            EXPECT_EQ(write(device, 5, 1).error(), Error::gone);
            EXPECT_EQ(device.flush().error(), Error::gone);
            EXPECT_LE(took_us(), 100'000u);
        }
    }
    EXPECT_TRUE(machine.logged("wd0: read of block 5: the drive has gone"));
}

TEST_F(Ide, ReportsAFailedFlush)
{
    auto& device = attach_dma();
    drive->flushes = false;
    EXPECT_EQ(device.flush().error(), Error::device);
    EXPECT_TRUE(machine.logged("wd0: flush: ABRT (status 51, error 04)"));
    EXPECT_TRUE(read(device, 1, 1));
}

TEST_F(Ide, ResetsADriveThatDoesNotIdentifyItself)
{
    drive->short_transfer = true;
    plug_pci();
    EXPECT_TRUE(machine.attach(ide));
    EXPECT_EQ(primary.resets, 1u);
    EXPECT_TRUE(machine.logged("ide0: channel 0 drive 0: it ended early (status 50)"));
}

TEST_F(Ide, SaysSoWithoutMemory)
{
    plug_pci();
    for (int n = 0; n < 6; ++n) {
        FakeHeap::fail_after = n;
        (void)machine.attach(ide);
        FakeHeap::fail_after = -1;
        EXPECT_TRUE(machine.logged("out of memory")) << n;
        machine.log.clear();
    }
}

TEST_F(Ide, TracesInTheDataSheetsWords)
{
    hal::start_trace("wd0");
    auto& device = attach_dma();
    hal::show_trace();
    EXPECT_THAT(machine.trace, Contains(HasSubstr("Command = 0xec: IDENTIFY DEVICE")));
    machine.trace.clear();
    EXPECT_TRUE(read(device, 0x123456, 2).error() == Error::invalid);
    EXPECT_TRUE(machine.trace.empty());
    EXPECT_TRUE(read(device, 0x12345, 2));
    hal::show_trace();
    for (const char* part :
         {"write  command_block::Device = 0xe0: Obsolete7 Lba Obsolete5",
          "write  command_block::SectorCount = 0x02", "write  command_block::LbaMid = 0x23",
          "write  command_block::Command = 0xc8: READ DMA",
          "write  bus_master::Command = 0x09: ToMemory Start",
          "read   control_block::AlternateStatus = 0xd0: Busy Ready SeekComplete",
          "dma    Descriptor = 0x"})
        EXPECT_THAT(machine.trace, Contains(HasSubstr(part)));
    EXPECT_THAT(machine.trace, Not(Contains(HasSubstr("DeviceControl"))));
    EXPECT_THAT(machine.trace, Each(StartsWith("ide0 ")));
}

// ---- transfer modes: what is set, against the data sheets

struct IdeModes : Ide {
    // A controller whose channels decode their ports, and nothing else.
    std::vector<uint8_t>& plug_controller(uint16_t product, uint16_t io_config = 0xf0)
    {
        plug_pci();
        auto& config = machine.pci(0, 1, 1);
        config[2] = uint8_t(product), config[3] = uint8_t(product >> 8);
        config[0x41] = config[0x43] = 0x80;
        config[0x54] = uint8_t(io_config), config[0x55] = uint8_t(io_config >> 8);
        return config;
    }
    struct Timing {
        unsigned idetim[2], sidetim, udmactl, udmatim, ide_config;
        bool operator==(const Timing&) const = default;
    };
    Timing timing()
    {
        auto& c = machine.pci(0, 1, 1);
        auto word = [&](unsigned at) { return unsigned(c[at] | c[at + 1] << 8); };
        return {{word(0x40), word(0x42)}, c[0x44], c[0x48], word(0x4a), word(0x54)};
    }
};

struct ModeCase {
    const char* name;
    uint16_t product;
    unsigned pio;
    uint8_t multiword, ultra;
    std::vector<uint8_t> set;  // by SET FEATURES
    unsigned idetim, udmactl = 0, udmatim = 0, ide_config = 0xf0;
    unsigned before = 0xf0;
    uint16_t pio_ns = 120, dma_ns = 120;
    uint16_t word93 = 0;
};
void PrintTo(const ModeCase& c, std::ostream* out) { *out << c.name; }

// IDETIM: 8000h decodes the ports, 4000h separate timing of drive 1. Sample point: 0...3 are 5...2
// clocks of 30 ns, at bit 12; recovery time: 0...3 are 4...1, at bit 8. Bit 0 fast, 1 IORDY,
// 2 prefetch, 3 fast for DMA only. UDMATIM: 0...2 are 4...2 clocks of 30, 15 or 7.5 ns.
const ModeCase mode_cases[] = {
    {"Piix", 0x1230, 4, 7, 0, {0x0c, 0x22}, 0xa307},
    {"Piix3Pio4", 0x7010, 4, 7, 0x3f, {0x0c, 0x22}, 0xe307},
    // PIO3 takes 3 + 3 clocks, multiword 2 takes 3 + 1.
    {"Piix3Pio3", 0x7010, 3, 7, 0, {0x0b, 0x22}, 0xe30f},
    {"Piix3Multiword1", 0x7010, 2, 3, 0, {0x21}, 0xe10d},
    {"Piix3Pio2", 0x7010, 2, 0, 0, {}, 0xd005},
    {"Piix3Pio1", 0x7010, 1, 0, 0, {}, 0xc004},
    {"Piix3Pio0", 0x7010, 0, 0, 0, {}, 0xc004},
    {"Piix3Multiword0", 0x7010, 4, 1, 0, {0x0c}, 0xe307},
    {"Piix3SlowPio", 0x7010, 4, 7, 0, {0x0c, 0x22}, 0xe30f, 0, 0, 0xf0, 0xf0, 150},
    {"Piix3SlowDma", 0x7010, 4, 7, 0, {0x0c, 0x22}, 0xe207, 0, 0, 0xf0, 0xf0, 120, 150},
    {"Piix3Longest", 0x7010, 4, 0, 0, {0x0c}, 0xc007, 0, 0, 0xf0, 0xf0, 270},
    {"Piix3TooLong", 0x7010, 4, 0, 0, {0x0c}, 0xc006, 0, 0, 0xf0, 0xf0, 271},
    {"Piix3NeverEnding", 0x7010, 4, 7, 0, {0x0c, 0x22}, 0xc006, 0, 0, 0xf0, 0xf0, 0xffff, 0xffff},
    {"Piix4Ultra2", 0x7111, 4, 7, 0x3f, {0x0c, 0x42}, 0xe307, 1, 2},
    {"Piix4Ultra1", 0x7111, 4, 7, 0x03, {0x0c, 0x41}, 0xe307, 1, 1},
    {"Piix4Ultra0", 0x7111, 3, 7, 0x01, {0x0b, 0x40}, 0xe107, 1, 0},
    {"Piix4Multiword", 0x7111, 4, 7, 0, {0x0c, 0x22}, 0xe307, 0, 0},
    {"Ich0", 0x2421, 4, 7, 0x3f, {0x0c, 0x42}, 0xe307, 1, 2},
    {"IchUltra4", 0x2411, 4, 7, 0x3f, {0x0c, 0x44}, 0xe307, 1, 2, 0xf1},
    {"IchUltra3", 0x2411, 4, 7, 0x0f, {0x0c, 0x43}, 0xe307, 1, 1, 0xf1},
    {"Ich2Ultra5", 0x244b, 4, 7, 0x7f, {0x0c, 0x45}, 0xe307, 1, 1, 0x10f0},
    {"Ich4Ultra2", 0x24cb, 4, 7, 0x07, {0x0c, 0x42}, 0xe307, 1, 2, 0xf0, 0x10f1},
    {"Ich4Keeps", 0x24cb, 4, 7, 0x3f, {0x0c, 0x45}, 0xe307, 1, 1, 0xf6fe, 0xe6ff},
    {"Ich4Wires40", 0x24cb, 4, 7, 0x3f, {0x0c, 0x42}, 0xe307, 1, 2, 0xe0, 0xe0},
    {"Ich5DriveSees40",
     0x24db,
     4,
     7,
     0x3f,
     {0x0c, 0x42},
     0xe307,
     1,
     2,
     0xf0,
     0xf0,
     120,
     120,
     0x4001},
    {"Ich5DriveSees80",
     0x24db,
     4,
     7,
     0x3f,
     {0x0c, 0x45},
     0xe307,
     1,
     1,
     0x10f0,
     0xf0,
     120,
     120,
     0x6001},
    {"Ich7", 0x27df, 4, 7, 0x3f, {0x0c, 0x45}, 0xe307, 1, 1, 0x10f0},
    {"Ich6HasNoMultiword1", 0x266f, 4, 3, 0, {0x0c}, 0xe307},
};

class IdeModeCases : public IdeModes, public testing::WithParamInterface<ModeCase> {};
INSTANTIATE_TEST_SUITE_P(Controllers, IdeModeCases, testing::ValuesIn(mode_cases),
                         [](auto& info) { return info.param.name; });

TEST_P(IdeModeCases, AreSetAsTheDataSheetHasThem)
{
    const ModeCase& c = GetParam();
    drive->pio = c.pio, drive->multiword = c.multiword, drive->ultra = c.ultra;
    drive->pio_ns = c.pio_ns, drive->dma_ns = c.dma_ns;
    drive->mode = 0, drive->dma = c.multiword || c.ultra;
    drive->identify_words[93] = c.word93;
    plug_controller(c.product, uint16_t(c.before));
    auto& device = attach();
    EXPECT_EQ(drive->modes_set, c.set);
    EXPECT_EQ(timing(), (Timing{{c.idetim, 0x8000}, 0, c.udmactl, c.udmatim, c.ide_config}))
        << std::hex << timing().idetim[0] << " " << timing().udmatim << " " << timing().ide_config;
    EXPECT_TRUE(read(device, 5, 20));
    bool dma = !c.set.empty() && c.set.back() >= 0x20;
    EXPECT_EQ(used(0xc8), dma);
    uint8_t mode = dma ? c.set.back() : 0;
    std::string name = mode >= 0x40 ? "UDMA" : mode ? "MWDMA" : "PIO";
    if (mode) name += char('0' + (mode & 7));
    EXPECT_TRUE(machine.logged("131072 sectors, " + name));
    EXPECT_LE(machine.now_us, 1000u);
}

TEST_F(IdeModes, EachDriveHasItsOwn)
{
    plug_controller(0x24cb);
    primary.drives[1] = {.dma = false, .pio = 2, .mode = 0};
    secondary.drives[0] = {.atapi = true, .ultra = 7, .mode = 0};
    secondary.drives[1] = {.ultra = 0x1f, .mode = 0};
    attach();
    // Drive 1 of the first channel: 4 + 4 clocks; that of the second: 3 + 1. No prefetch for CDs.
    EXPECT_EQ(timing(), (Timing{{0xe357, 0xe373}, 0xb4, 0x0d, 0x2201, 0x10f8}))
        << std::hex << timing().idetim[0] << " " << timing().idetim[1] << " " << timing().sidetim
        << " " << timing().udmatim << " " << timing().ide_config;
    for (const char* line : {"wd0 at ata0 drive 0: <FAKE HARDDISK>, 64 MiB, 131072 sectors, UDMA5",
                             "wd1 at ata0 drive 1: <FAKE HARDDISK>, 64 MiB, 131072 sectors, PIO",
                             "300 blocks of 2048 bytes, UDMA2",
                             "wd2 at ata1 drive 1: <FAKE HARDDISK>, 64 MiB, 131072 sectors, UDMA4"})
        EXPECT_TRUE(machine.logged(line)) << line;
}

TEST_F(IdeModes, ThePiixHasOneTimingForBothDrives)
{
    for (bool slow_first : {true, false}) {
        plug_controller(0x1230);
        primary.drives[slow_first] = {};
        primary.drives[!slow_first] = {.dma = false, .pio = 2, .mode = 0};
        attach();
        EXPECT_EQ(timing().idetim[0], slow_first ? 0x9075u : 0x9057u) << "4 + 4 clocks";
        EXPECT_EQ(timing().sidetim, 0u);
        machine.functions.clear();
    }
}

TEST_F(IdeModes, WhatADriveRefusesStays)
{
    auto& config = plug_controller(0x7111);
    primary.drives[1] = {.refuses_modes_from = 0x40};
    config[0x40] = 0x50, config[0x41] = 0x91;  // fast for drive 1: 4 + 3 clocks
    config[0x48] = 2, config[0x4b] = 0x10;
    auto& device = attach();
    EXPECT_TRUE(
        machine.logged("ide0: channel 0 drive 1: SET FEATURES: ABRT (status 51, error 04)"));
    EXPECT_TRUE(
        machine.logged("wd1 at ata0 drive 1: <FAKE HARDDISK>, 64 MiB, 131072 sectors, "
                       "UDMA5"));
    EXPECT_EQ(timing(), (Timing{{0xe357, 0x8000}, 0x05, 0x03, 0x1002, 0xf0}))
        << "drive 1 has the timing that both had";
    drive = &primary.drives[1];
    EXPECT_TRUE(read(device, 5, 20));
    EXPECT_TRUE(used(0xc8));
    EXPECT_EQ(primary.resets, 0u);
}

TEST_F(IdeModes, AModeThatNobodyElseHasStays)
{
    drive->multiword = 0;
    plug_controller(0x7010);
    auto& device = attach();
    EXPECT_EQ(timing(), (Timing{{0x8000, 0x8000}, 0, 0, 0, 0xf0}));
    EXPECT_FALSE(used(0xef));
    EXPECT_TRUE(machine.logged("sectors, UDMA5"));
    EXPECT_TRUE(read(device, 5, 20));
    EXPECT_TRUE(used(0xc8));
}

TEST_F(IdeModes, AnotherControllerIsLeftAsTheFirmwareSetIt)
{
    for (auto [vendor, product] : {std::pair{0x1106, 0x0571}, {0x8086, 0x24d1}, {0x1106, 0x7111}}) {
        for (uint8_t mode : {0x42, 0x21, 0}) {
            auto& config = plug_controller(uint16_t(product));
            config[0] = uint8_t(vendor), config[1] = uint8_t(vendor >> 8);
            for (unsigned at = 0x40; at < 256; ++at) config[at] = uint8_t(at * 37);
            auto before = config;
            drive->mode = mode, drive->commands.clear();
            auto& device = attach();
            EXPECT_TRUE(read(device, 5, 20));
            EXPECT_EQ(used(0xc8), mode != 0);
            EXPECT_FALSE(used(0xef));
            before[4] = config[4];  // the Command register
            EXPECT_EQ(config, before);
            machine.functions.clear();
        }
    }
    EXPECT_TRUE(machine.logged("131072 sectors, UDMA2"));
    EXPECT_TRUE(machine.logged("131072 sectors, MWDMA1"));
    EXPECT_TRUE(machine.logged("131072 sectors, PIO"));
}

TEST_F(IdeModes, WithoutABusMasterThereIsOnlyPio)
{
    plug_controller(0x7111)[9] = 0;
    drive->mode = 0;
    EXPECT_TRUE(read(attach(), 5, 20));
    EXPECT_THAT(drive->modes_set, ElementsAre(0x0c));
    EXPECT_EQ(timing(), (Timing{{0xe307, 0x8000}, 0, 0, 0, 0xf0}));
}

TEST_F(IdeModes, CrcErrorsMakeItSlower)
{
    plug_controller(0x24cb);
    auto& device = attach();
    drive->crc_errors_from = 0x44;
    for (unsigned i = 0; i < 4; ++i) {
        EXPECT_TRUE(read(device, 70, 20));
        EXPECT_TRUE(write(device, 70, 20));
    }
    EXPECT_TRUE(machine.logged("wd0: UDMA5 does not work, using UDMA4"));
    EXPECT_TRUE(machine.logged("wd0: UDMA4 does not work, using UDMA3"));
    EXPECT_FALSE(machine.logged("UDMA3 does not work"));
    EXPECT_EQ(drive->mode, 0x43);
    EXPECT_EQ(drive->commands.back(), 0xca);
    EXPECT_EQ(timing(), (Timing{{0xe307, 0x8000}, 0, 1, 1, 0xf1})) << "3 clocks of 15 ns";
    EXPECT_EQ(primary.resets, 2u);
    EXPECT_LE(took_us(), 100'000u);
}

TEST_F(IdeModes, AfterSomeStepsThereIsNoMoreDma)
{
    plug_controller(0x24cb);
    auto& device = attach();
    drive->crc_errors_from = 0;
    for (unsigned i = 0; i < 10; ++i) EXPECT_TRUE(read(device, 70, 20));
    EXPECT_TRUE(machine.logged("wd0: UDMA3 does not work, using UDMA2"));
    EXPECT_TRUE(machine.logged("wd0: UDMA2 does not work, using PIO"));
    EXPECT_EQ(std::count(drive->commands.begin(), drive->commands.end(), 0xc8), 4);
    EXPECT_EQ(primary.resets, 4u);
    EXPECT_LE(took_us(), 100'000u);
}

TEST_F(IdeModes, SoDoTimeOuts)
{
    plug_controller(0x7010);
    auto& device = attach();
    drive->dma_hangs = true;
    EXPECT_TRUE(read(device, 70, 20));
    EXPECT_TRUE(machine.logged("wd0: MWDMA2 does not work, using MWDMA1"));
    EXPECT_EQ(timing().idetim[0], 0xe107u) << "3 + 3 clocks, for PIO too";
    for (unsigned i = 0; i < 10; ++i) EXPECT_TRUE(read(device, 70, 20));
    EXPECT_EQ(timing().idetim[0], 0xe307u) << "PIO4 again";
    EXPECT_TRUE(machine.logged("wd0: MWDMA1 does not work, using PIO"));
    EXPECT_LE(took_us(), 20'200'000u);
}

TEST_F(IdeModes, ASlowerModeThatIsRefusedIsNone)
{
    plug_controller(0x24cb);
    auto& device = attach();
    drive->crc_errors_from = 0x45, drive->refuses_modes_from = 0x40;
    for (unsigned i = 0; i < 3; ++i) EXPECT_TRUE(read(device, 70, 20));
    EXPECT_TRUE(machine.logged("wd0: UDMA5 does not work, using PIO"));
    EXPECT_EQ(timing().udmatim, 1u);
}

TEST_F(IdeModes, AreSetAgainAfterAReset)
{
    plug_controller(0x24cb);
    primary.drives[1] = {.ultra = 0x0f};
    auto& second = attach();
    auto& first = *find_block_device("wd0");
    for (auto& d : primary.drives) d.forgets_modes = true, d.modes_set.clear();
    drive->bad[77] = 0x40, drive->bad_for = 1;
    EXPECT_TRUE(read(first, 70, 20));
    EXPECT_EQ(primary.resets, 1u);
    EXPECT_TRUE(read(first, 70, 20));
    EXPECT_THAT(drive->modes_set, ElementsAre(0x0c, 0x45));
    drive = &primary.drives[1];
    EXPECT_TRUE(drive->modes_set.empty()) << "it is not asked for anything";
    EXPECT_TRUE(read(second, 70, 20));
    EXPECT_THAT(drive->modes_set, ElementsAre(0x0c, 0x43));
    EXPECT_TRUE(used(0xc8));
    EXPECT_FALSE(machine.logged("does not work"));
}

TEST_F(IdeModes, ADriveThatHangsWhenItIsAskedToIsReset)
{
    plug_controller(0x24cb);
    drive->hangs_at = 0xef;
    auto& device = attach();
    EXPECT_TRUE(machine.logged("ide0: channel 0 drive 0: SET FEATURES: no answer (status d0)"));
    EXPECT_LE(machine.now_us, 5'100'000u);
    EXPECT_EQ(timing(), (Timing{{0x8000, 0x8000}, 0, 0, 0, 0xf0}));
    EXPECT_TRUE(read(device, 70, 20));
    EXPECT_TRUE(used(0xc8)) << "the firmware's mode";
    EXPECT_EQ(primary.resets, 1u);
    EXPECT_TRUE(machine.logged("ide0: channel 0: busy, and is reset"));
}

TEST_F(IdeModes, OneThatHangsAfterAResetIsNotAsked)
{
    plug_controller(0x24cb);
    auto& device = attach();
    drive->bad[77] = 0x40, drive->bad_for = 1, drive->hangs_at = 0xef;
    EXPECT_EQ(read(device, 70, 20).error(), Error::timed_out);
    EXPECT_LE(took_us(), 20'100'000u);
    drive->hangs_at = 0;
    machine.now_us += 30'000'000;
    EXPECT_TRUE(read(device, 70, 20));
}

// ---- ATAPI

struct IdeCd : Ide {
    IdeCd()
    {
        primary.drives[1] = {.atapi = true};
        drive = &primary.drives[1];
    }
    Result<void> read_cd(BlockDevice& device, uint64_t first, uint32_t count, size_t alignment = 0)
    {
        size_t bytes = size_t{count} * device.block_bytes;
        std::vector<std::byte> memory(bytes + 64, std::byte{0xee});
        auto* into = memory.data() + 16 + alignment;
        auto result = device.read(first, count, into);
        EXPECT_FALSE(primary.engine_running());
        EXPECT_EQ(into[-1], std::byte{0xee});
        EXPECT_EQ(into[bytes], std::byte{0xee});
        for (uint32_t i = 0; result && i < count; ++i)
            EXPECT_EQ(memcmp(into + size_t{i} * device.block_bytes,
                             drive->unit.block(first + i).data(), device.block_bytes),
                      0)
                << first + i;
        return result;
    }
    unsigned commands(uint8_t opcode) const
    {
        return unsigned(
            std::count(drive->unit.commands.begin(), drive->unit.commands.end(), opcode));
    }
};

TEST_F(IdeCd, ReadsByDmaAndByPio)
{
    for (bool dma : {true, false}) {
        dma ? plug_pci() : plug_isa();
        auto& cd = attach();
        EXPECT_EQ(cd.block_bytes, 2048u);
        EXPECT_TRUE(read_cd(cd, 0, 1));
        EXPECT_TRUE(read_cd(cd, 16, 100));
        EXPECT_EQ(!primary.runs.empty(), dma);
        primary.runs.clear();
        EXPECT_TRUE(read_cd(cd, 299, 1, 1));
        EXPECT_TRUE(primary.runs.empty()) << "an odd address";
        EXPECT_TRUE(read_cd(cd, 290, 10, 3));
        EXPECT_EQ(read_cd(cd, 299, 2).error(), Error::invalid);
        EXPECT_EQ(cd.write(0, 1, nullptr).error(), Error::read_only);
        EXPECT_LE(took_us(), 1'000'000u);
        machine.functions.clear();
    }
    EXPECT_TRUE(
        machine.logged("cd0 at ata0 drive 1: <FAKE CD-ROM>, CD/DVD, 0 MiB, 300 blocks of "
                       "2048 bytes, MWDMA2"));
    EXPECT_TRUE(machine.logged("blocks of 2048 bytes, PIO"));
    EXPECT_EQ(primary.resets, 0u);
}

TEST_F(IdeCd, TakesPiecesOfAnySize)
{
    auto& cd = attach_pio();
    for (unsigned piece : {2u, 254u, 512u, 2046u, 6000u, 65534u}) {
        drive->packet_piece = piece;
        EXPECT_TRUE(read_cd(cd, 3, 9));
        EXPECT_TRUE(read_cd(cd, 3, 9, 1));
    }
    drive->packet_interrupt = true;
    EXPECT_TRUE(read_cd(cd, 3, 9));
}

TEST_F(IdeCd, APacketMayBeAskedForWithAnInterrupt)
{
    drive->packet_interrupt = true;
    auto& cd = attach_dma();
    for (unsigned i = 0; i < 20; ++i) EXPECT_TRUE(read_cd(cd, i, 30));
    EXPECT_LE(took_us(), 100'000u);
}

TEST_F(IdeCd, SaysWhatTheDriveSaid)
{
    auto& cd = attach_dma();
    drive->unit.bad[20] = {3, 0x11, 5};
    EXPECT_EQ(read_cd(cd, 10, 20).error(), Error::device);
    EXPECT_TRUE(machine.logged("cd0: read of blocks 10...29: medium error, read error (3/11/05)"));
    EXPECT_EQ(commands(0x28), 3u);
    EXPECT_EQ(primary.resets, 0u);
    EXPECT_TRUE(read_cd(cd, 21, 20));
    EXPECT_FALSE(primary.runs.empty()) << "DMA is not to blame";
}

TEST_F(IdeCd, FollowsTheMedium)
{
    drive->unit.has_medium = false;
    auto& cd = attach_dma();
    EXPECT_TRUE(machine.logged("cd0 at ata0 drive 1: <FAKE CD-ROM>, CD/DVD, no medium, MWDMA2"));
    EXPECT_EQ(read_cd(cd, 0, 1).error(), Error::not_found);
    drive->unit.insert(400);
    drive->unit.becomes_ready = 15;
    EXPECT_TRUE(read_cd(cd, 390, 10));
    drive->unit.insert(100);
    EXPECT_EQ(read_cd(cd, 10, 1).error(), Error::not_found);
    EXPECT_EQ(cd.blocks, 100u);
    EXPECT_TRUE(read_cd(cd, 10, 1));
    EXPECT_TRUE(cd.eject());
    EXPECT_EQ(read_cd(cd, 10, 1).error(), Error::not_found);
    EXPECT_EQ(primary.resets, 0u);
}

TEST_F(IdeCd, UsesPioWhereDmaDoesNotWork)
{
    drive->multiword = 4;
    for (bool hangs : {false, true}) {
        drive->dma_hangs = hangs, drive->dma_error = !hangs;
        auto& cd = attach_dma();
        EXPECT_TRUE(read_cd(cd, 10, 20));
        EXPECT_GE(primary.resets, 1u);
        EXPECT_TRUE(read_cd(cd, 10, 20));
        EXPECT_LE(took_us(), 32'000'000u);
        machine.functions.clear();
    }
    EXPECT_TRUE(machine.logged("cd0: MWDMA2 does not work, using PIO"));
}

TEST_F(IdeCd, IsSlowerWhereDmaFails)
{
    auto& cd = attach_dma();
    for (unsigned i = 0; i < 4; ++i) {
        drive->dma_error = i == 1;
        EXPECT_TRUE(read_cd(cd, 10, 20));
    }
    EXPECT_TRUE(machine.logged("cd0: MWDMA2 does not work, using MWDMA1"));
    EXPECT_EQ(drive->mode, 0x21);
    EXPECT_TRUE(std::ranges::count(drive->modes_set, 0x21) >= 1);
    EXPECT_FALSE(primary.runs.empty());
    EXPECT_FALSE(machine.logged("using PIO"));
}

TEST_F(IdeCd, MistakesOfTheDriveAreErrors)
{
    auto& pio = attach_pio();
    drive->short_transfer = true;
    EXPECT_EQ(read_cd(pio, 10, 2).error(), Error::device);
    EXPECT_TRUE(machine.logged("cd0: read of blocks 10...11: 2048 of 4096 bytes moved"));
    drive->short_transfer = false;
    drive->stuck_data_request = true;
    EXPECT_EQ(read_cd(pio, 10, 2).error(), Error::device);
    EXPECT_TRUE(machine.logged("cd0: read of blocks 10...11: 2 more bytes (reason 02)"));
    drive->stuck_data_request = false;
    for (uint8_t wrong : {1, 2, 3}) {
        drive->packet_reason = wrong;
        EXPECT_EQ(read_cd(pio, 10, 2).error(), Error::device);
    }
    drive->packet_reason = 0;
    drive->packet_piece = 0;
    EXPECT_EQ(read_cd(pio, 10, 2).error(), Error::device);
    drive->packet_piece = 2048;
    EXPECT_TRUE(read_cd(pio, 10, 2));
}

TEST_F(IdeCd, ADriveThatHangsCostsItsDeadline)
{
    auto& cd = attach_dma();
    drive->never_ready = true;
    EXPECT_EQ(read_cd(cd, 10, 2).error(), Error::timed_out);
    EXPECT_LE(took_us(), 70'000'000u);
    uint64_t before = machine.now_us;
    EXPECT_EQ(read_cd(cd, 10, 2).error(), Error::timed_out);
    EXPECT_EQ(machine.now_us, before);
    drive->never_ready = false;
    machine.now_us += 30'000'000;
    EXPECT_TRUE(read_cd(cd, 10, 2));
}

TEST_F(IdeCd, ADriveThatHasGoneIsGone)
{
    auto& cd = attach_dma();
    drive->gone_after = 0;
    EXPECT_EQ(read_cd(cd, 10, 2).error(), Error::gone);
    EXPECT_EQ(read_cd(cd, 10, 2).error(), Error::gone);
    EXPECT_LE(took_us(), 1000u);
}

TEST_F(IdeCd, SharesItsChannelWithADisk)
{
    primary.drives[0].lba = primary.drives[0].lba48 = false;  // needs to be told its geometry
    primary.drives[0].sectors = 130 * 16 * 63;
    auto& cd = attach_dma();
    auto* disk = find_block_device("wd0");
    ASSERT_TRUE(disk);
    for (unsigned i = 0; i < 4; ++i) {
        drive->dma_error = i == 1;
        EXPECT_TRUE(read_cd(cd, 10 + i, 20));
        drive = &primary.drives[0];
        EXPECT_TRUE(read(*disk, 1000 + i, 20));
        drive = &primary.drives[1];
    }
    EXPECT_GE(primary.resets, 1u);
}

TEST_F(IdeCd, ADriveMayGetABetterMedium)
{
    drive->unit.fails[0x25] = {5, 0x64};
    auto& cd = attach_dma();
    EXPECT_TRUE(machine.logged("cd0: illegal request, no data track (5/64/00)"));
    EXPECT_EQ(read_cd(cd, 0, 1).error(), Error::device);
    drive->unit.fails.clear();
    EXPECT_TRUE(read_cd(cd, 0, 1));
}

TEST_F(IdeCd, ADriveThatDoesNotSayWhatItIsIsLeftOut)
{
    drive->unit.answers[0x12] = {5, 0x80};
    plug_pci();
    EXPECT_TRUE(machine.attach(ide));
    EXPECT_TRUE(find_block_device("wd0"));
    EXPECT_EQ(find_block_device("cd0"), nullptr);
    EXPECT_TRUE(machine.logged("ata0 drive 1: an INQUIRY of 2 bytes"));
}

}  // namespace
