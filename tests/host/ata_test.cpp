// SPDX-License-Identifier: BSD-2-Clause
#include "block/ata.h"
#include <gmock/gmock.h>
#include "block/piix.h"
#include "fakes/machine.h"

namespace {
using testing::ElementsAre;

// Executes nothing, but keeps what it was asked for.
struct FakeTransport final : AtaTransport {
    bool map(const std::byte*, size_t bytes) override { return bytes <= dma_reach; }
    Result<void> execute(const AtaCommand& command) override
    {
        opcodes.push_back(command.opcode);
        commands.push_back(command);
        error = 0;
        if (command.opcode != failing || failures == 0) return {};
        --failures;
        if (status == 0) return failed(Error::timed_out, "no answer");
        return failed_with(status, error_bits);
    }
    Result<void> reset() override
    {
        if (reset_works) return {};
        return failed(Error::timed_out, "still busy");
    }

    size_t dma_reach = 1 << 20;
    uint8_t failing = 0, status = 0x51, error_bits = 0x04;
    int failures = 0;
    bool reset_works = true;
    std::vector<AtaCommand> commands;
    std::vector<unsigned> opcodes;
};

struct Ata : testing::Test {
    Ata()
    {
        transport.has_dma = true;
        identity.model = Text<48>("FAKE");
        identity.blocks = 1ull << 40;
        identity.lba = identity.lba48 = true;
        identity.dma_mode = 0x45;
        identity.flush_cache = true;
        identity.largest_multiple = 16;
    }
    AtaDisk& disk()
    {
        disk_.emplace(transport, 1, identity);
        disk_->name = Text<16>("wd7");
        return *disk_;
    }

    FakeMachine machine;
    FakeTransport transport;
    AtaIdentity identity;
    std::optional<AtaDisk> disk_;
    std::vector<std::byte> memory = std::vector<std::byte>(4 << 20);
};

TEST_F(Ata, GivesTheDeviceRegister)
{
    EXPECT_EQ((AtaCommand{.drive = 1, .lba = true, .address = 0x0a123456}.device()), 0xfa);
    EXPECT_EQ((AtaCommand{.lba = true, .extended = true, .address = 0x0a123456}.device()), 0xe0);
    EXPECT_EQ((AtaCommand{.address = 0x0f000001}.device()), 0xaf);
}

TEST_F(Ata, UsesTheLongerCommandOnlyWhereTheShorterCannot)
{
    auto& device = disk();
    ASSERT_TRUE(device.read((1 << 28) - 256, 256, memory.data()));
    ASSERT_TRUE(device.read((1 << 28) - 256, 257, memory.data()));
    ASSERT_TRUE(device.write((1ull << 40) - 1, 1, memory.data()));
    EXPECT_THAT(transport.opcodes, ElementsAre(0xc8, 0x25, 0x35));
    EXPECT_EQ(transport.commands[0].device(), 0xff);
    EXPECT_FALSE(transport.commands[0].extended);
    EXPECT_TRUE(transport.commands[1].extended && transport.commands[2].extended);
    EXPECT_EQ(transport.commands[2].address, (1ull << 40) - 1);
    EXPECT_TRUE(transport.commands[2].write && transport.commands[2].dma);
}

TEST_F(Ata, AsksForLessWhereDmaDoesNotReach)
{
    transport.dma_reach = 64 * 512;
    ASSERT_TRUE(disk().read(1000, 200, memory.data()));
    uint64_t next = 1000;
    for (auto& command : transport.commands) {
        EXPECT_EQ(command.opcode, 0xc8);
        EXPECT_EQ(command.address, next);
        EXPECT_EQ(command.data, memory.data() + (next - 1000) * 512);
        EXPECT_EQ(command.bytes, command.count * 512);
        EXPECT_LE(command.bytes, transport.dma_reach);
        next += command.count;
    }
    EXPECT_EQ(next, 1200u);
}

TEST_F(Ata, GoesByPioWhereDmaReachesNothing)
{
    transport.dma_reach = 0;
    ASSERT_TRUE(disk().write(1000, 200, memory.data()));
    ASSERT_TRUE(disk_->read(1000, 300, memory.data()));
    EXPECT_THAT(transport.opcodes, ElementsAre(0xc6, 0xc5, 0x29)) << "SET MULTIPLE MODE once";
    EXPECT_EQ(transport.commands[0].count, 16u);
    EXPECT_EQ(transport.commands[1].bytes_per_request, 16 * 512u);
    EXPECT_FALSE(transport.commands[1].dma);
}

TEST_F(Ata, DoesWithoutMultipleModeWhereTheDriveRefusesIt)
{
    transport.has_dma = false;
    transport.failing = 0xc6, transport.failures = 1;
    ASSERT_TRUE(disk().read(1, 2, memory.data()));
    ASSERT_TRUE(disk_->read(1, 2, memory.data()));
    EXPECT_THAT(transport.opcodes, ElementsAre(0xc6, 0x20, 0x20));
    EXPECT_EQ(transport.resets, 0u);
}

TEST_F(Ata, SetsTheDriveUpAgainAfterAReset)
{
    identity.lba = identity.lba48 = false;
    identity.dma_mode = 0;
    identity.heads = 4, identity.sectors_per_track = 17, identity.blocks = 41820;
    transport.failing = 0xc4, transport.failures = 1;
    ASSERT_TRUE(disk().read(17 * 6 + 3, 1, memory.data()));
    EXPECT_THAT(transport.opcodes, ElementsAre(0x91, 0xc6, 0xc4, 0x91, 0xc6, 0xc4));
    EXPECT_EQ(transport.commands[0].device(), 0xb3) << "the last head";
    EXPECT_EQ(transport.commands[0].count, 17u);
    EXPECT_EQ(transport.commands[2].device(), 0xb2);
    EXPECT_EQ(transport.commands[2].address & 0xffffff, 1u << 8 | 4) << "cylinder 1, sector 4";
    EXPECT_EQ(transport.resets, 1u);
    EXPECT_TRUE(machine.logged("wd7: read of block 105: ABRT (status 51, error 04)"));
}

TEST_F(Ata, BelievesNoModesThatCannotBe)
{
    auto& config = machine.pci(0, 1, 1);
    config[0] = 0x86, config[1] = 0x80, config[2] = 0xcb, config[3] = 0x24;
    uint32_t seed = 1;
    for (unsigned n = 0; n < 5000; ++n) {
        uint16_t words[256];
        for (auto& word : words) word = uint16_t((seed = seed * 1664525 + 1013904223) >> 16);
        unsigned channel = n & 1, drive = n >> 1 & 1;
        config[0x41] = config[0x43] = 0x80, config[0x54] = uint8_t(n);
        Piix piix({0, 1, 1}, channel);
        transport.commands.clear();
        ASSERT_TRUE(piix.choose(transport, drive, words));
        for (unsigned step = 0; step < 4; ++step) {
            uint8_t mode = piix.step_down(transport, drive);
            ASSERT_TRUE(mode || transport.commands.size() <= 8);
        }
        EXPECT_EQ(piix.step_down(transport, drive), 0);
        for (auto& command : transport.commands) {
            ASSERT_EQ(command.opcode, AtaCommand::set_features);
            ASSERT_EQ(command.features, 3);
            ASSERT_THAT(command.count, testing::AnyOf(0x0bu, 0x0cu, 0x21u, 0x22u, 0x40u, 0x41u,
                                                      0x42u, 0x43u, 0x44u, 0x45u));
        }
        ASSERT_EQ(config[0x41 + channel * 2] & 0x8c, 0x80) << "it decodes its ports";
        ASSERT_EQ(config[0x43 - channel * 2], 0x80) << "the other channel";
        ASSERT_EQ(config[0x48] & ~(3u << channel * 2), 0u);
        config[0x44] = config[0x48] = config[0x4a] = config[0x4b] = config[0x55] = 0;
        config[0x40] = config[0x42] = 0;
    }
}

TEST_F(Ata, NamesEveryErrorBit)
{
    transport.failing = 0xc8, transport.failures = 1;
    transport.status = 0x71, transport.error_bits = 0xff;
    ASSERT_TRUE(disk().read(1, 2, memory.data()));
    EXPECT_TRUE(
        machine.logged("wd7: read of blocks 1...2: device fault ICRC UNC MC IDNF MCR ABRT "
                       "NM AMNF (status 71, error ff)"));
}

TEST_F(Ata, GivesUpAfterTwoTimeOuts)
{
    transport.failing = 0xca, transport.failures = 1, transport.status = 0;
    transport.reset_works = false;
    EXPECT_EQ(disk().write(1, 1, memory.data()).error(), Error::timed_out);
    EXPECT_THAT(transport.opcodes, ElementsAre(0xca)) << "the reset was the second";
    EXPECT_EQ(disk_->flush().error(), Error::timed_out);
    EXPECT_TRUE(machine.logged("wd7: flush: still busy"));
    transport.reset_works = true;
    EXPECT_TRUE(disk_->flush());
    EXPECT_THAT(transport.opcodes, ElementsAre(0xca, 0xe7));
}

TEST_F(Ata, LeavesADriveThatDoesNotAnswerAloneForAWhile)
{
    transport.failing = 0x20, transport.failures = 2, transport.status = 0;
    transport.has_dma = false;
    identity.largest_multiple = 1;
    EXPECT_EQ(disk().read(1, 1, memory.data()).error(), Error::timed_out);
    size_t asked = transport.opcodes.size();
    EXPECT_EQ(disk_->read(2, 1, memory.data()).error(), Error::timed_out);
    EXPECT_EQ(transport.opcodes.size(), asked) << "it was not asked again";
    EXPECT_TRUE(machine.logged("wd7: does not answer, and is left alone for 30 seconds"));
    machine.now_us += 30'000'001;
    EXPECT_TRUE(disk_->read(2, 1, memory.data()));
}

}  // namespace
