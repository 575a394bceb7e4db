// SPDX-License-Identifier: BSD-2-Clause
#include "fakes/fdc.h"
#include <gmock/gmock.h>

extern const Driver fdc;

namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::Not;

const FakeFloppy kb720 = {.sectors = 9, .rate = 2},
                 kb360 = {.sectors = 9, .cylinders = 40, .rate = 1, .every_other_track = true},
                 mb2_88 = {.sectors = 36, .rate = 3}, mb1_2 = {.sectors = 15};

struct Fdc : testing::Test {
    Fdc() { fake.plug_in(); }
    ~Fdc() override
    {
        if (HasFailure()) {
            for (auto& line : machine.log) std::cout << "log: " << line << "\n";
        }
    }
    BlockDevice& attach(uint8_t types = 0x40, const char* name = "fd0")
    {
        fake.types = types;
        EXPECT_TRUE(machine.attach(fdc));
        auto* drive = find_block_device(name);
        if (!drive) abort();
        return *drive;
    }
    BlockDevice& with(const FakeFloppy& disk, uint8_t types = 0x40)
    {
        fake.insert(0, disk);
        BlockDevice& drive = attach(types);
        EXPECT_TRUE(drive.look_for_medium());
        return drive;
    }
    Result<void> read(BlockDevice& drive, uint32_t first, uint32_t count, unsigned number = 0)
    {
        std::vector<std::byte> memory(count * 512 + 64, std::byte{0xee});
        auto result = drive.read(first, count, memory.data() + 32);
        EXPECT_FALSE(fake.dma_is_on());
        for (size_t i = 0; i < 32; ++i) {
            EXPECT_EQ(memory[i], std::byte{0xee});
            EXPECT_EQ(memory[memory.size() - 1 - i], std::byte{0xee});
        }
        if (!result) return result;
        for (uint32_t i = 0; i < count; ++i) {
            auto want = fake.drives[number].disk->block(first + i);
            if (memcmp(memory.data() + 32 + i * 512, want.data(), 512) == 0) continue;
            ADD_FAILURE() << "block " << first + i << " is wrong";
            break;
        }
        return result;
    }
    Result<void> write(BlockDevice& drive, uint32_t first, uint32_t count)
    {
        std::vector<std::byte> memory(count * 512);
        for (size_t i = 0; i < memory.size(); ++i) memory[i] = std::byte(i * 13 + i / 700);
        auto result = drive.write(first, count, memory.data());
        EXPECT_FALSE(fake.dma_is_on());
        if (!result) return result;
        for (uint32_t i = 0; i < count; ++i) {
            auto have = fake.drives[0].disk->block(first + i);
            EXPECT_EQ(memcmp(memory.data() + i * 512, have.data(), 512), 0) << first + i;
        }
        return result;
    }
    unsigned count_of(uint8_t opcode) const
    {
        return unsigned(std::count(fake.opcodes.begin(), fake.opcodes.end(), opcode));
    }

    FakeMachine machine;
    FakeFdc fake{machine};
};

// ---- what is found

TEST_F(Fdc, NamesItsDrivesAndTouchesNothing)
{
    attach(0x42);
    EXPECT_THAT(machine.log, ElementsAre("fdc0 at mainbus0 isa: 82077AA, DMA channel 2",
                                         "fd0 at fdc0 drive 0: 1.44 MB, 3.5\" drive",
                                         "fd1 at fdc0 drive 1: 1.2 MB, 5.25\" drive"));
    EXPECT_FALSE(fake.motor(0) || fake.motor(1));
    EXPECT_THAT(fake.opcodes, ElementsAre(0x10)) << "VERSION alone";
    EXPECT_LE(machine.now_us, 100u);
    EXPECT_EQ(find_block_device("fd0")->blocks, 0u);
    EXPECT_TRUE(find_block_device("fd0")->removable);
}

TEST_F(Fdc, IsNotThereWithoutDrives)
{
    fake.types = 0;
    EXPECT_EQ(machine.attach(fdc).error(), Error::not_found);
    EXPECT_EQ(fake.accesses, 0u);
    EXPECT_TRUE(machine.log.empty());
}

TEST_F(Fdc, IsNotThereWhereNothingAnswers)
{
    fake.gone = true;
    EXPECT_EQ(machine.attach(fdc).error(), Error::not_found);
    EXPECT_EQ(fake.accesses, 1u);
    EXPECT_FALSE(machine.connected(6));
    EXPECT_FALSE(machine.connected(0));
}

TEST_F(Fdc, IsNotThereWhereItIsNeverReadyOrOdd)
{
    fake.ready = false;
    EXPECT_EQ(machine.attach(fdc).error(), Error::not_found);
    EXPECT_LE(machine.now_us, 20'000u);
    fake.ready = true, fake.version = 0x33;
    EXPECT_EQ(machine.attach(fdc).error(), Error::not_found);
    EXPECT_TRUE(machine.log.empty());
}

TEST_F(Fdc, LeavesOutDriveTypesThatItDoesNotKnow)
{
    attach(0xf3, "fd0");
    EXPECT_TRUE(machine.logged("fd0 at fdc0 drive 1: 720 KB"));
    EXPECT_EQ(find_block_device("fd1"), nullptr);
}

// ---- disks

struct Pair {
    uint8_t types;
    FakeFloppy disk;
    unsigned blocks;
};
class FdcFormats : public Fdc, public testing::WithParamInterface<Pair> {};

TEST_P(FdcFormats, AreReadAndWritten)
{
    auto& [types, disk, blocks] = GetParam();
    BlockDevice& drive = with(disk, types);
    EXPECT_EQ(drive.blocks, blocks);
    EXPECT_EQ(drive.block_bytes, 512u);
    EXPECT_FALSE(drive.read_only);
    EXPECT_TRUE(read(drive, 0, blocks));
    EXPECT_TRUE(read(drive, blocks - 1, 1));
    EXPECT_TRUE(read(drive, disk.sectors - 1, disk.sectors * 3));
    EXPECT_TRUE(write(drive, disk.sectors + 3, disk.sectors * 2));
    EXPECT_TRUE(drive.flush());
    EXPECT_TRUE(read(drive, 0, blocks));
    EXPECT_EQ(read(drive, blocks, 1).error(), Error::invalid);
    EXPECT_EQ(fake.recalibrations, 1u);
}

INSTANTIATE_TEST_SUITE_P(
    Drives, FdcFormats,
    testing::Values(Pair{0x10, {.sectors = 9, .cylinders = 40, .rate = 2}, 720},
                    Pair{0x20, mb1_2, 2400}, Pair{0x20, kb360, 720},
                    Pair{0x20, {.sectors = 9, .cylinders = 40, .rate = 1}, 720},
                    Pair{0x30, kb720, 1440}, Pair{0x40, FakeFloppy{}, 2880},
                    Pair{0x40, kb720, 1440}, Pair{0x50, mb2_88, 5760},
                    Pair{0x50, FakeFloppy{}, 2880}, Pair{0x60, kb720, 1440}));

TEST_F(Fdc, GoesAsFarAsACylinderAtATime)
{
    BlockDevice& drive = with(FakeFloppy{});
    EXPECT_TRUE(read(drive, 0, 36 * 4));
    EXPECT_EQ(count_of(0xc6), 4u);
    EXPECT_EQ(fake.largest, 36u * 512);
}

TEST_F(Fdc, Is765sToo)
{
    fake.enhanced = false;
    BlockDevice& drive = with(FakeFloppy{});
    EXPECT_TRUE(machine.logged("NEC 765"));
    EXPECT_TRUE(read(drive, 100, 500));
    EXPECT_THAT(fake.opcodes, Not(Contains(0x13)));
    EXPECT_THAT(fake.opcodes, Not(Contains(0x12)));
}

TEST_F(Fdc, NeedsNoInterrupts)
{
    machine.interrupts_work = false;
    BlockDevice& drive = with(FakeFloppy{});
    EXPECT_TRUE(read(drive, 100, 500));
    fake.enhanced = false;  // and a 765 is not asked while it steps
    EXPECT_TRUE(read(drive, 2000, 5));
    EXPECT_TRUE(read(drive, 100, 5));
}

TEST_F(Fdc, HasTwoDrives)
{
    fake.insert(1, kb720);
    BlockDevice &first = attach(0x44), &second = *find_block_device("fd1");
    for (unsigned i = 0; i < 3; ++i) {
        EXPECT_TRUE(read(first, i * 100, 60)) << i;
        EXPECT_TRUE(read(second, i * 90, 60, 1)) << i;
    }
    EXPECT_TRUE(fake.motor(0) && fake.motor(1));
}

TEST_F(Fdc, CopiesWhatTheDmaDoesNotReach)
{
    BlockDevice& drive = with(FakeFloppy{});
    uint64_t before = hal::bytes_bounced;
    alignas(4096) static std::byte page[4096];  // which does not cross 64 KiB
    EXPECT_TRUE(drive.read(0, 8, page));
    for (unsigned i = 0; i < 8; ++i)
        EXPECT_EQ(memcmp(page + i * 512, fake.drives[0].disk->block(i).data(), 512), 0) << i;
    EXPECT_EQ(hal::bytes_bounced, before);
    machine.next_address = 20 << 20;  // the buffer is not there yet, and too high
    EXPECT_EQ(read(drive, 0, 8).error(), Error::no_memory);
    EXPECT_TRUE(machine.logged("no memory below 16 MiB"));
    machine.next_address = 0x200000, machine.largest_run = 0;
    EXPECT_TRUE(read(drive, 0, 72));
    EXPECT_TRUE(write(drive, 5, 72));
    EXPECT_EQ(hal::bytes_bounced, before + 2 * 72 * 512);
    EXPECT_LT(fake.last_address, 16u << 20);
}

TEST_F(Fdc, RecalibratesAgainFromFarOut)
{
    fake.drives[0].beyond = 1;
    EXPECT_TRUE(read(with(FakeFloppy{}), 0, 8));
    EXPECT_EQ(fake.recalibrations, 2u);
}

// ---- the motor

TEST_F(Fdc, StopsTheMotorWhenNobodyReads)
{
    BlockDevice& drive = with(FakeFloppy{});
    EXPECT_TRUE(read(drive, 0, 8));
    EXPECT_TRUE(fake.motor(0));
    machine.interrupt(0);
    EXPECT_TRUE(fake.motor(0));
    machine.now_us += 5'000'000;
    machine.interrupt(0);
    EXPECT_FALSE(fake.motor(0));
    EXPECT_TRUE(fake.dor & 4) << "and it is not reset";
    EXPECT_TRUE(read(drive, 900, 8)) << "it spins up again";
    EXPECT_EQ(drive.medium, 0u);
}

TEST_F(Fdc, KeepsTheMotorWhileItWorks)
{
    BlockDevice& drive = with(FakeFloppy{});
    machine.on_wait = [this] { fake.step(), machine.interrupt(0); };
    EXPECT_TRUE(read(drive, 0, 2880));
    EXPECT_TRUE(fake.motor(0));
}

// ---- other disks, or none

TEST_F(Fdc, SaysThatThereIsNone)
{
    fake.drives[0].disk.reset();
    BlockDevice& drive = attach();
    EXPECT_EQ(drive.look_for_medium().error(), Error::not_found);
    std::vector<std::byte> memory(512);
    EXPECT_EQ(drive.read(0, 1, memory.data()).error(), Error::not_found);
    EXPECT_EQ(drive.blocks, 0u);
    fake.insert(0, kb720);
    EXPECT_TRUE(read(drive, 3, 4)) << "a disk in an empty drive is read at once";
    EXPECT_EQ(drive.blocks, 1440u);
}

TEST_F(Fdc, DoesNotTakeAnotherDiskForTheOldOne)
{
    BlockDevice& drive = with(FakeFloppy{});
    EXPECT_TRUE(read(drive, 0, 8));
    fake.insert(0, kb720);
    EXPECT_EQ(write(drive, 0, 8).error(), Error::not_found);
    EXPECT_TRUE(machine.logged("fd0: the disk is not there any more"));
    EXPECT_TRUE(fake.drives[0].disk->written.empty());
    EXPECT_EQ(drive.medium, 1u);
    EXPECT_EQ(drive.blocks, 1440u);
    EXPECT_TRUE(write(drive, 0, 8));
    fake.insert(0, {});
    EXPECT_EQ(read(drive, 0, 8).error(), Error::not_found);
    EXPECT_EQ(drive.medium, 2u);
    EXPECT_EQ(drive.blocks, 0u);
}

TEST_F(Fdc, SeesADiskTakenOutInTheMiddle)
{
    BlockDevice& drive = with(FakeFloppy{});
    unsigned reads = 0;
    machine.on_wait = [&] {
        fake.step();
        if (count_of(0xc6) == 3 && ++reads == 1) fake.insert(0, {});
    };
    EXPECT_EQ(read(drive, 0, 600).error(), Error::not_found);
    EXPECT_LE(machine.now_us, 20'000'000u);
}

TEST_F(Fdc, WriteProtection)
{
    FakeFloppy disk;
    disk.write_protected = true;
    BlockDevice& drive = with(disk);
    EXPECT_TRUE(drive.read_only);
    EXPECT_EQ(write(drive, 0, 1).error(), Error::read_only);
    EXPECT_TRUE(read(drive, 0, 1));
    fake.insert(0, FakeFloppy{});
    EXPECT_EQ(read(drive, 0, 1).error(), Error::not_found);
    EXPECT_FALSE(drive.read_only);
    fake.drives[0].disk->write_protected = true;  // as by a sensor that does not see well
    EXPECT_EQ(write(drive, 7, 1).error(), Error::read_only);
    EXPECT_TRUE(
        machine.logged("fd0: write of block 7 (track 0, head 0, sector 8): write protected "
                       "(ST0 40, ST1 02, ST2 00)"));
}

TEST_F(Fdc, RefusesFormatsThatItDoesNotKnow)
{
    FakeFloppy disk;
    disk.size = 3;
    fake.insert(0, disk);
    BlockDevice& drive = attach();
    EXPECT_EQ(drive.look_for_medium().error(), Error::unsupported);
    EXPECT_TRUE(machine.logged("fd0: a disk of another format (cylinder 2, size 3)"));
    disk.size = 2, disk.rate = 1;
    fake.insert(0, disk);
    EXPECT_EQ(drive.look_for_medium().error(), Error::device);
    EXPECT_TRUE(machine.logged("fd0: sector not found (ST0 40, ST1 01, ST2 00)"));
    EXPECT_EQ(drive.blocks, 0u);
}

// ---- faults

TEST_F(Fdc, NamesTheBadBlock)
{
    FakeFloppy disk;
    disk.bad[100] = -1;
    BlockDevice& drive = with(disk);
    EXPECT_EQ(read(drive, 80, 60).error(), Error::device);
    EXPECT_TRUE(
        machine.logged("fd0: read of block 100 (track 2, head 1, sector 11): CRC error "
                       "(ST0 44, ST1 20, ST2 20)"));
    EXPECT_LE(count_of(0xc6), 24u);
    EXPECT_EQ(write(drive, 100, 1).error(), Error::device);
    EXPECT_TRUE(read(drive, 101, 60));
}

TEST_F(Fdc, TriesAgain)
{
    FakeFloppy disk;
    disk.bad[50] = 2, disk.bad[70] = 3;
    BlockDevice& drive = with(disk);
    EXPECT_TRUE(read(drive, 36, 60));
    EXPECT_TRUE(write(drive, 36, 60));
}

TEST_F(Fdc, AShortTransferIsAnError)
{
    BlockDevice& drive = with(FakeFloppy{});
    fake.missing = 100;
    EXPECT_TRUE(read(drive, 4, 1)) << "tried again";
    EXPECT_EQ(count_of(0xc6), 2u);
}

TEST_F(Fdc, ALostCommandIsTriedAgainAfterAReset)
{
    BlockDevice& drive = with(FakeFloppy{});
    unsigned resets = fake.resets;
    fake.silent = 1;
    EXPECT_TRUE(read(drive, 40, 8));
    EXPECT_EQ(fake.resets, resets + 1);
    EXPECT_EQ(fake.recalibrations, 2u);
    fake.silent = 100;
    uint64_t before = machine.now_us;
    EXPECT_EQ(read(drive, 40, 8).error(), Error::timed_out);
    EXPECT_TRUE(machine.logged("fd0: read of block 40 (track 1, head 0, sector 5): no answer"));
    EXPECT_LE(machine.now_us - before, 10'000'000u);
    fake.silent = 0;
    EXPECT_TRUE(read(drive, 40, 8));
}

TEST_F(Fdc, AHeadThatArrivesElsewhereIsSentAgain)
{
    BlockDevice& drive = with(FakeFloppy{});
    fake.arrives_at = 33;
    EXPECT_TRUE(read(drive, 400, 8));
    fake.steps_forever = true;
    EXPECT_EQ(read(drive, 2000, 1).error(), Error::timed_out);
    EXPECT_TRUE(machine.logged("the head does not arrive"));
}

TEST_F(Fdc, OneOutOfStepIsReset)
{
    BlockDevice& drive = with(FakeFloppy{});
    fake.out_of_step = true;
    EXPECT_EQ(read(drive, 4, 1).error(), Error::device);
    EXPECT_TRUE(machine.logged("out of step (MSR c0)"));
    fake.out_of_step = false;
    EXPECT_TRUE(read(drive, 4, 1));
}

TEST_F(Fdc, OneThatVanishesIsGone)
{
    BlockDevice& drive = with(FakeFloppy{});
    fake.gone = true;
    EXPECT_EQ(read(drive, 4, 1).error(), Error::gone);
    EXPECT_TRUE(
        machine.logged("fd0: read of block 4 (track 0, head 0, sector 5): the controller "
                       "has gone"));
    EXPECT_TRUE(drive.is_gone());
}

TEST(FdcAlone, WithoutMemoryItIsLeftOut)
{
    bool is_there = false;
    for (int allocations = 0; allocations < 8; ++allocations) {
        FakeMachine machine;
        FakeFdc fake(machine);
        fake.plug_in();
        machine.heap.fail_after = allocations;
        (void)machine.attach(fdc);
        bool was_there = is_there;
        is_there = find_block_device("fd0");
        EXPECT_TRUE(is_there ? allocations > 0 : !was_there) << allocations;
    }
    EXPECT_TRUE(is_there);
}

}  // namespace
