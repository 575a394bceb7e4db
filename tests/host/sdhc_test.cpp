// SPDX-License-Identifier: BSD-2-Clause
#include "fakes/sdhc.h"
#include <gmock/gmock.h>
#include "block/partitions.h"

extern const Driver sdhc;

namespace {

struct Sdhc : testing::Test {
    Sdhc() { fake.plug_in(); }
    ~Sdhc() override
    {
        if (HasFailure()) {
            for (auto& line : machine.log) std::cout << "log: " << line << "\n";
        }
    }
    BlockDevice& attach()
    {
        EXPECT_TRUE(machine.attach(sdhc));
        auto* disk = find_block_device("ld0");
        if (!disk) {
            for (auto& line : machine.log) ADD_FAILURE() << line;
            abort();
        }
        return *disk;
    }
    BlockDevice& with(const FakeCard& card)
    {
        fake.card = card;
        return attach();
    }
    Result<void> read(BlockDevice& disk, uint32_t first, uint32_t count, size_t offset = 0)
    {
        std::vector<std::byte> memory(count * 512 + 64, std::byte{0xee});
        auto* into = memory.data() + 32 + offset;
        auto result = disk.read(first, count, into);
        for (size_t i = 0; i < 24; ++i) {
            EXPECT_EQ(into[-1 - int(i)], std::byte{0xee});
            EXPECT_EQ(into[count * 512 + i], std::byte{0xee});
        }
        if (!result) return result;
        for (uint32_t i = 0; i < count; ++i) {
            if (memcmp(into + i * 512, fake.card->block(first + i).data(), 512) == 0) continue;
            ADD_FAILURE() << "block " << first + i << " is wrong";
            break;
        }
        return result;
    }
    Result<void> write(BlockDevice& disk, uint32_t first, uint32_t count, size_t offset = 0)
    {
        std::vector<std::byte> memory(count * 512 + 8);
        for (size_t i = 0; i < memory.size(); ++i) memory[i] = std::byte(i * 13 + i / 700);
        auto result = disk.write(first, count, memory.data() + offset);
        if (!result) return result;
        for (uint32_t i = 0; i < count; ++i) {
            EXPECT_EQ(
                memcmp(memory.data() + offset + i * 512, fake.card->block(first + i).data(), 512),
                0);
        }
        return result;
    }

    FakeMachine machine;
    FakeSdhc fake{machine};
};

class SdhcCards : public Sdhc,
                  public testing::WithParamInterface<std::tuple<FakeCard::Kind, bool>> {};

TEST_P(SdhcCards, AreReadAndWritten)
{
    auto [kind, has_dma] = GetParam();
    if (!has_dma) fake.capabilities &= ~(1u << 19);
    BlockDevice& disk = with(FakeCard{.kind = kind});
    EXPECT_EQ(disk.blocks, 65536u);
    EXPECT_FALSE(disk.read_only);
    EXPECT_TRUE(read(disk, 0, 1));
    EXPECT_TRUE(read(disk, 65535, 1));
    EXPECT_TRUE(read(disk, 1000, 300));
    EXPECT_TRUE(read(disk, 1000, 30, 1)) << "not where DMA reaches";
    EXPECT_TRUE(write(disk, 77, 1));
    EXPECT_TRUE(write(disk, 5000, 200));
    EXPECT_TRUE(write(disk, 5000, 20, 1));
    EXPECT_TRUE(disk.flush());
    EXPECT_EQ(read(disk, 65536, 1).error(), Error::invalid);
    EXPECT_EQ(fake.lines, 4u);
    EXPECT_EQ(fake.fast, kind != FakeCard::sd1);
    EXPECT_EQ(fake.khz, fake.fast ? 50'000u : 25'000u);
    EXPECT_EQ(fake.dma_commands != 0, has_dma);
}

INSTANTIATE_TEST_SUITE_P(Kinds, SdhcCards,
                         testing::Combine(testing::Values(FakeCard::sd1, FakeCard::sdsc,
                                                          FakeCard::sdhc, FakeCard::mmc,
                                                          FakeCard::emmc),
                                          testing::Bool()));

TEST_F(Sdhc, SaysWhatItFinds)
{
    attach();
    EXPECT_THAT(machine.log,
                testing::ElementsAre("sdhc0 at mainbus0 pci: SD host controller, slots: 1",
                                     "ld0 at sdhc0 slot 0: <FAKE>, SD, 32 MiB, 65536 sectors"));
    EXPECT_EQ(find_block_device("ld0")->model.view(), "FAKE");
}

TEST_F(Sdhc, GoesByDmaInLargeParts)
{
    BlockDevice& disk = with(FakeCard{});
    EXPECT_TRUE(read(disk, 0, 10000));
    EXPECT_EQ(fake.dma_commands, 2u);
    EXPECT_EQ(fake.largest, 8192u);
    machine.largest_run = 700;
    EXPECT_TRUE(read(disk, 0, 3));
}

TEST_F(Sdhc, DividesTheClockAsItsVersionDoes)
{
    fake.version = 1;
    fake.capabilities = (fake.capabilities & ~0xff00u) | 52 << 8;
    EXPECT_TRUE(read(attach(), 5, 9));
    EXPECT_EQ(fake.khz, 26'000u);
}

TEST_F(Sdhc, WithoutHighSpeed)
{
    EXPECT_TRUE(read(with(FakeCard{.high_speed = false}), 5, 9));
    EXPECT_EQ(fake.khz, 25'000u);
}

// ---- the width of the bus

constexpr uint32_t eight_bits = 1u << 18, embedded_slot = 1u << 30, shared_slot = 2u << 30;

TEST_F(Sdhc, MmcGoesByEightBitsWhereTheControllerCan)
{
    fake.capabilities |= eight_bits | embedded_slot;
    BlockDevice& disk = with(FakeCard{.kind = FakeCard::emmc});
    EXPECT_TRUE(read(disk, 5, 300));
    EXPECT_TRUE(write(disk, 5, 30, 1));
    EXPECT_EQ(fake.lines, 8u);
    EXPECT_EQ(fake.khz, 50'000u);
    EXPECT_EQ(fake.line_resets, 2u) << "of identifying it: nothing had to be tried again";
}

TEST_F(Sdhc, ASharedSlotHasFourBits)
{
    fake.capabilities |= eight_bits | shared_slot;
    EXPECT_TRUE(read(with(FakeCard{.kind = FakeCard::emmc}), 5, 300));
    EXPECT_EQ(fake.lines, 4u);
}

TEST_F(Sdhc, SdGoesByFour)
{
    fake.capabilities |= eight_bits;
    EXPECT_TRUE(read(attach(), 5, 300));
    EXPECT_EQ(fake.lines, 4u);
}

TEST_F(Sdhc, LinesThatAreNotConnectedAreNotUsed)
{
    fake.capabilities |= eight_bits;
    unsigned number = 0;
    for (bool silently : {false, true}) {
        for (unsigned lines : {8, 4, 1}) {
            fake.garbles_silently = silently, fake.connected_lines = lines;
            fake.insert({}), look_for_disks();
            fake.insert(FakeCard{.kind = FakeCard::emmc});
            if (number == 0) {
                EXPECT_TRUE(machine.attach(sdhc));
            }
            look_for_disks();
            auto* disk = find_block_device("ld" + std::to_string(number++));
            ASSERT_TRUE(disk);
            EXPECT_EQ(disk->blocks, 65536u);
            EXPECT_EQ(fake.lines, lines);
            EXPECT_TRUE(read(*disk, 5, 300));
            EXPECT_TRUE(write(*disk, 5, 30));
        }
    }
    EXPECT_LE(machine.now_us, 2'000'000u);
}

TEST_F(Sdhc, WaitsByInterruptsOrWithout)
{
    fake.late = true;
    BlockDevice& disk = attach();
    EXPECT_TRUE(read(disk, 5, 40));
    EXPECT_TRUE(write(disk, 5, 40));
    fake.loses_interrupts = true;
    EXPECT_TRUE(read(disk, 5, 4, 1));
    EXPECT_TRUE(write(disk, 5, 4, 1));
}

TEST_F(Sdhc, WriteProtection)
{
    EXPECT_EQ(write(with(FakeCard{.read_only = true}), 5, 1).error(), Error::read_only);
    EXPECT_TRUE(machine.logged("65536 sectors, write protected"));
    fake.switch_locked = true;
    fake.insert({}), look_for_disks();
    fake.insert(FakeCard{}), look_for_disks();
    EXPECT_EQ(write(*find_block_device("ld1"), 5, 1).error(), Error::read_only);
    fake.switch_locked = false;
    fake.insert({}), look_for_disks();
    fake.insert(FakeCard{}), look_for_disks();
    fake.card_status = 1u << 26;
    EXPECT_EQ(write(*find_block_device("ld2"), 5, 1).error(), Error::read_only);
    EXPECT_TRUE(machine.logged("ld2: write of block 5: CMD24: card status 04000900"));
}

// ---- cards come and go

TEST_F(Sdhc, ACardThatComesIsANewDisk)
{
    fake.card.reset();
    EXPECT_TRUE(machine.attach(sdhc));
    EXPECT_EQ(first_block_device(), nullptr);
    look_for_disks();
    EXPECT_EQ(first_block_device(), nullptr);
    fake.insert(FakeCard{});
    look_for_disks();
    ASSERT_TRUE(find_block_device("ld0"));
    EXPECT_TRUE(read(*find_block_device("ld0"), 5, 9));
    EXPECT_EQ(fake.commands.size(), [&] {
        look_for_disks();
        return fake.commands.size();
    }());
}

TEST_F(Sdhc, OneThatIsTakenOutIsGoneAlsoIfItComesBack)
{
    BlockDevice& disk = attach();
    fake.insert({});
    fake.insert(FakeCard{});
    std::vector<std::byte> memory(512);
    EXPECT_EQ(disk.read(0, 1, memory.data()).error(), Error::gone);
    EXPECT_TRUE(disk.is_gone());
    look_for_disks();
    ASSERT_TRUE(find_block_device("ld1"));
    EXPECT_TRUE(read(*find_block_device("ld1"), 5, 9));
    EXPECT_EQ(disk.read(0, 1, memory.data()).error(), Error::gone);
    fake.insert({});
    look_for_disks();
    EXPECT_TRUE(machine.logged("ld1: it has been taken out"));
    EXPECT_FALSE(fake.power & 1);
}

TEST_F(Sdhc, TheNextCardIsSeenWhereARemovalHasToBeAcknowledged)
{
    fake.waits_for_acknowledgement = true;
    attach();
    fake.insert({}), look_for_disks();
    fake.insert(FakeCard{}), look_for_disks();
    ASSERT_TRUE(find_block_device("ld1"));
    EXPECT_TRUE(read(*find_block_device("ld1"), 5, 9));
}

TEST_F(Sdhc, ACardThatCannotBeUsedIsNamedOnce)
{
    fake.never_ready = true;
    EXPECT_TRUE(machine.attach(sdhc));
    EXPECT_TRUE(machine.logged("sdhc0: slot 0: its card does not get ready"));
    EXPECT_LE(machine.now_us, 3'000'000u);
    size_t lines = machine.log.size();
    look_for_disks();
    EXPECT_EQ(machine.log.size(), lines);
    fake.never_ready = false;
    fake.insert(FakeCard{.kind = FakeCard::emmc, .blocks = 0});
    look_for_disks();
    EXPECT_TRUE(machine.logged("the card has no size"));
    EXPECT_EQ(first_block_device(), nullptr);
}

// ---- faults

TEST_F(Sdhc, ABadBlockIsNamed)
{
    for (size_t offset : {0, 1}) {
        FakeCard card;
        card.bad[123] = -1;
        fake.insert({}), look_for_disks();
        BlockDevice& disk =
            offset ? (fake.insert(card), look_for_disks(), *find_block_device("ld1")) : with(card);
        EXPECT_EQ(read(disk, 100, 200, offset).error(), Error::device);
        EXPECT_TRUE(machine.logged(std::string(disk.name.view()) +
                                   ": read of block 123: CMD17: it failed (status 00208"));
        EXPECT_EQ(write(disk, 100, 200, offset).error(), Error::device);
        EXPECT_TRUE(read(disk, 124, 200, offset));
    }
}

TEST_F(Sdhc, ErrorsThatDoNotComeAgain)
{
    FakeCard card;
    card.bad[123] = 2, card.bad[130] = 1;
    BlockDevice& disk = with(card);
    EXPECT_TRUE(read(disk, 100, 200));
    fake.card_status = 1 << 19;
    EXPECT_TRUE(write(disk, 100, 2));
    EXPECT_GE(fake.line_resets, 3u);
}

TEST_F(Sdhc, LostCommandsAndBusyCards)
{
    BlockDevice& disk = attach();
    fake.silent = 1;
    EXPECT_TRUE(read(disk, 7, 3));
    fake.silent = 100;
    uint64_t before = machine.now_us;
    EXPECT_EQ(read(disk, 7, 3).error(), Error::timed_out);
    EXPECT_TRUE(machine.logged("ld0: read of block 7: CMD18: no answer"));
    EXPECT_LE(machine.now_us - before, 20'000'000u);
    fake.silent = 0;
    EXPECT_TRUE(read(disk, 7, 3));
    fake.busy = 100;
    EXPECT_TRUE(write(disk, 7, 3));
    fake.busy = -1;
    EXPECT_EQ(write(disk, 7, 3).error(), Error::timed_out);
    EXPECT_TRUE(machine.logged("ld0: write of block 7: CMD25: busy"));
}

TEST_F(Sdhc, ControllersThatDoNotWork)
{
    fake.gone = true;
    EXPECT_FALSE(machine.attach(sdhc) && first_block_device());
    EXPECT_TRUE(machine.logged("sdhc0: slot 0: it is gone"));
}

TEST_F(Sdhc, ControllersThatDoNotStart)
{
    fake.never_stable = true;
    EXPECT_TRUE(machine.attach(sdhc));
    EXPECT_TRUE(machine.logged("its clock is not stable"));
    fake.never_stable = false, fake.never_resets = true;
    fake.insert({}), look_for_disks();
    fake.insert(FakeCard{}), look_for_disks();
    EXPECT_TRUE(machine.logged("it cannot be reset"));
    EXPECT_EQ(first_block_device(), nullptr);
}

TEST_F(Sdhc, OneThatVanishesIsGone)
{
    BlockDevice& disk = attach();
    fake.gone = true;
    EXPECT_EQ(read(disk, 7, 3).error(), Error::gone);
    EXPECT_TRUE(disk.is_gone());
    look_for_disks();
}

TEST(SdhcAlone, WithoutMemoryItIsLeftOut)
{
    bool is_there = false;
    for (int allocations = 0; allocations < 10; ++allocations) {
        FakeMachine machine;
        FakeSdhc fake(machine);
        fake.plug_in();
        machine.heap.fail_after = allocations;
        (void)machine.attach(sdhc);
        bool was_there = is_there;
        is_there = find_block_device("ld0");
        EXPECT_TRUE(is_there ? allocations > 0 : !was_there) << allocations;
    }
    EXPECT_TRUE(is_there);
}

}  // namespace
