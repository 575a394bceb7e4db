// SPDX-License-Identifier: BSD-2-Clause
// src/bus/virtio.cpp: what no driver of its own shows.
#include "bus/virtio.h"
#include <gmock/gmock.h>
#include "fakes/virtio.h"

namespace {

using hal::operator""_ms;
using testing::ElementsAre;

Device* found = nullptr;
Result<void> note(Device& device)
{
    found = &device;
    return {};
}
constexpr Match any_virtio[] = {pci(virtio::vendor, 0)};
const Driver test_driver = {"test", any_virtio, note};

struct Virtio : testing::Test {
    Virtio()
    {
        memory = hal::allocate_dma(4096, 16).value();
        device.serve = [this](std::vector<FakeVirtio::Part>& parts) {
            uint32_t written = 0;
            seen.clear();
            for (auto& part : parts) {
                seen.push_back((part.writable ? "w" : "r") + std::to_string(part.bytes));
                if (part.writable) memset(part.data, 'w', part.bytes), written += part.bytes;
            }
            return written;
        };
    }
    ~Virtio() override
    {
        transport.reset();
        if (HasFailure()) {
            for (auto& line : machine.log) std::cout << "log: " << line << "\n";
        }
    }
    virtio::Transport& make_transport(FakeVirtio::Interfaces have)
    {
        device.plug_in(have);
        EXPECT_TRUE(machine.attach(test_driver));
        transport = std::make_unique<virtio::Transport>(*found);
        return *transport;
    }
    Result<void> open(FakeVirtio::Interfaces have = {.legacy = true, .modern = true})
    {
        return make_transport(have).open([](void* self) { ++static_cast<Virtio*>(self)->handled; },
                                         this);
    }
    void start(unsigned most = 8)
    {
        ASSERT_TRUE(open());
        ASSERT_TRUE(transport->start(0));
        ASSERT_TRUE(transport->set_up(queue, 0, most));
        transport->run();
    }
    // Reads `reads` pieces and writes `writes` others, of 16 bytes.
    std::vector<virtio::Piece> pieces(unsigned reads, unsigned writes) const
    {
        std::vector<virtio::Piece> all;
        for (unsigned i = 0; i < reads + writes; ++i)
            all.push_back({memory.address + i * 16, 16, i >= reads});
        return all;
    }

    FakeMachine machine;
    FakeVirtio device{machine, 2};  // a disk
    hal::DmaMemory memory;
    std::unique_ptr<virtio::Transport> transport;
    virtio::Queue queue;
    std::vector<std::string> seen;
    int handled = 0;
};

// ---- which interface

TEST_F(Virtio, MemoryAbove4GiBLeavesTheLegacyInterface)
{
    device.modern_at = 0x8'0000'0000;
    ASSERT_TRUE(open());
    EXPECT_TRUE(transport->is_legacy());
    EXPECT_FALSE(device.used_modern);
    EXPECT_THAT(machine.log,
                ElementsAre("test0 at mainbus0 pci",
                            "test0: base address register 4 is above 4 GiB: 0x800000000"));
}

TEST_F(Virtio, MemoryAbove4GiBAloneIsUnsupported)
{
    device.modern_at = 0x8'0000'0000;
    EXPECT_EQ(open({.modern = true}).error(), Error::unsupported);
    EXPECT_TRUE(machine.logged("test0: no virtio interface that can be reached"));
    EXPECT_FALSE(device.used_modern);
}

TEST_F(Virtio, CapabilitiesThatCannotBeArePassedOver)
{
    struct {
        const char* what;
        unsigned offset;
        uint32_t value;
    } const wrong[] = {
        {"the common structure: no such register", 0x58, 6},
        {"the common structure: reserved register", 0x58, 0xff},
        {"the common structure: a register without memory", 0x58, 1},
        {"the common structure: beyond the register's end", 0x5c, 0x4000},
        {"the common structure: its end is", 0x5c, 0x3fcc},
        {"the common structure: the sum overflows", 0x5c, 0xfffffff0},
        {"the common structure: too short", 0x60, 0x37},
        {"the common structure: nothing", 0x60, 0},
        {"the interrupt's: not there", 0x68, 0x07107c09},
        {"notification's: the list goes round", 0x90, 0x09144009},
        {"notification's: without its multiplier", 0x90, 0x02100009},
        {"the list leads away", 0x40, 0x0510fc09},
    };
    for (auto& w : wrong) {
        make_transport({.legacy = true, .modern = true});
        device.put(w.offset, w.value);
        EXPECT_TRUE(transport->open()) << w.what;
        EXPECT_TRUE(transport->is_legacy()) << w.what;
        transport.reset();
        make_transport({.modern = true});
        device.put(w.offset, w.value);
        EXPECT_EQ(transport->open().error(), Error::unsupported) << w.what;
        transport.reset();
        EXPECT_FALSE(device.used_modern) << w.what;
    }
}

TEST_F(Virtio, TheFirstOfTwoStructuresThatCanBeUsedIsTaken)
{
    make_transport({.modern = true});
    device.put(0x40, 0x01105409);  // a common structure in a register that is not there
    device.put(0x44, 3), device.put(0x48, 0), device.put(0x4c, 0x38);
    EXPECT_TRUE(transport->open());
    EXPECT_FALSE(transport->is_legacy());
}

TEST_F(Virtio, ItsConfigurationIsRead)
{
    struct First : hal::Register<First, 0> {};
    struct Third : hal::Register<Third, 2, uint16_t> {};
    for (bool modern : {false, true}) {
        ASSERT_TRUE(open({.legacy = true, .modern = modern}));
        EXPECT_EQ(transport->configuration().read<First>(), 0x04030201u);
        EXPECT_EQ(transport->configuration().read<Third>(), 0x0403u);
    }
}

// ---- features

TEST_F(Virtio, FeaturesAreThoseThatBothHave)
{
    device.features = 1ull << 32 | 1ull << 40 | 1 << 9 | 1 << 5;
    for (bool modern : {true, false}) {
        ASSERT_TRUE(open({.legacy = true, .modern = modern}));
        auto accepted = transport->start(1ull << 40 | 1 << 9 | 1 << 6);
        ASSERT_TRUE(accepted);
        EXPECT_EQ(accepted.value(), modern ? 1ull << 32 | 1ull << 40 | 1 << 9 : 1ull << 9);
        EXPECT_EQ(device.accepted, accepted.value());
        EXPECT_EQ(device.status, modern ? 11 : 3);
        transport.reset();
        EXPECT_EQ(device.status, 0);
    }
}

TEST_F(Virtio, RefusedFeaturesAreUnsupported)
{
    ASSERT_TRUE(open());
    device.refuses_features = true;
    EXPECT_EQ(transport->start(0).error(), Error::unsupported);
    EXPECT_EQ(device.status & 0x80, 0x80);
    EXPECT_TRUE(machine.logged("test0: the device does not accept features 0x100000000"));
}

TEST_F(Virtio, AModernInterfaceWithoutItsFeatureIsUnsupported)
{
    device.features = 0;
    ASSERT_TRUE(open());
    EXPECT_EQ(transport->start(0).error(), Error::unsupported);
}

// ---- queues

TEST_F(Virtio, ChainsOfManyPieces)
{
    start();
    for (unsigned round = 0; round < 100; ++round) {
        unsigned reads = round % 4, writes = 1 + round % 5;
        memset(memory.data, 'r', memory.bytes);
        auto bytes = transport->perform(queue, pieces(reads, writes), 100_ms);
        ASSERT_TRUE(bytes);
        EXPECT_EQ(bytes.value(), writes * 16);
        std::vector<std::string> want(reads, "r16");
        want.resize(reads + writes, "w16");
        EXPECT_EQ(seen, want);
        EXPECT_EQ(memory.data[reads * 16], std::byte{'w'});
        EXPECT_EQ(memory.data[(reads + writes) * 16], std::byte{'r'});
        EXPECT_EQ(queue.free(), 8u);
    }
    EXPECT_EQ(handled, 100);
    EXPECT_EQ(transport->perform(queue, {}, 100_ms).error(), Error::invalid);
    EXPECT_EQ(transport->perform(queue, pieces(0, 9), 100_ms).error(), Error::invalid);
    EXPECT_TRUE(transport->is_running());
}

TEST_F(Virtio, SeveralChainsAtOnce)
{
    start();
    virtio::Used used;
    for (unsigned round = 0; round < 50; ++round) {
        uint16_t chains[3];
        for (unsigned i = 0; i < 3; ++i) chains[i] = queue.add(pieces(1, i)).value();
        EXPECT_EQ(queue.free(), 2u);
        EXPECT_EQ(queue.add(pieces(2, 1)).error(), Error::busy);
        EXPECT_FALSE(queue.take(used).value());  // it has not been told
        queue.notify();
        device.step();
        for (unsigned i = 0; i < 3; ++i) {
            ASSERT_TRUE(queue.take(used).value());
            EXPECT_EQ(used.chain, chains[i]);
            EXPECT_EQ(used.bytes, i * 16);
        }
        EXPECT_FALSE(queue.take(used).value());
        EXPECT_EQ(queue.free(), 8u);
    }
}

TEST_F(Virtio, AChainThatWasGivenBackTwiceIsAnError)
{
    start();
    virtio::Used used;
    for (unsigned i = 0; i < 3; ++i) ASSERT_TRUE(queue.add(pieces(0, 1)));
    device.bad_id = 0;
    queue.notify();
    device.step();
    EXPECT_TRUE(queue.take(used).value());
    EXPECT_EQ(queue.take(used).error(), Error::device);
    EXPECT_EQ(queue.take(used).error(), Error::device);  // and stays one
    EXPECT_TRUE(machine.logged("test0: queue 0: the used ring has descriptor 0"));
}

TEST_F(Virtio, AModernQueueIsAsLongAsTheDriverWants)
{
    device.queues[0].most = device.queues[0].size = 256;
    start(16);
    EXPECT_EQ(queue.size(), 16u);
    EXPECT_EQ(device.queues[0].size, 16);
    EXPECT_TRUE(transport->perform(queue, pieces(1, 15), 100_ms));
    // A shorter one, and a longer one, in another life.
    for (unsigned size : {4, 256}) {
        ASSERT_TRUE(transport->start(0));
        ASSERT_TRUE(transport->set_up(queue, 0, size));
        transport->run();
        EXPECT_EQ(queue.size(), size);
        EXPECT_TRUE(transport->perform(queue, pieces(1, 3), 100_ms));
    }
}

TEST_F(Virtio, EachQueueIsNotifiedInItsPlace)
{
    device.queues.resize(3);
    virtio::Queue third;
    ASSERT_TRUE(open());
    ASSERT_TRUE(transport->start(0));
    ASSERT_TRUE(transport->set_up(queue, 0));
    ASSERT_TRUE(transport->set_up(third, 2));
    EXPECT_EQ(transport->set_up(third, 3).error(), Error::unsupported);
    transport->run();
    EXPECT_TRUE(transport->perform(queue, pieces(0, 1), 100_ms));
    EXPECT_TRUE(transport->perform(third, pieces(0, 1), 100_ms));
}

TEST_F(Virtio, ANotificationBeyondItsStructureIsCorrupt)
{
    make_transport({.modern = true});
    device.queues.resize(3);
    device.put(0xa0, 0x80000000);
    ASSERT_TRUE(transport->open());
    ASSERT_TRUE(transport->start(0));
    EXPECT_TRUE(transport->set_up(queue, 0));
    virtio::Queue third;
    EXPECT_EQ(transport->set_up(third, 2).error(), Error::corrupt);
}

TEST_F(Virtio, NothingIsDoneWhileItIsStopped)
{
    start();
    transport->stop();
    EXPECT_EQ(transport->perform(queue, pieces(0, 1), 100_ms).error(), Error::device);
    EXPECT_EQ(device.chains, 0u);
    EXPECT_FALSE(device.masters_bus());
}

TEST_F(Virtio, AnInterruptOfAnotherDeviceOnTheLineIsNotTaken)
{
    start();
    machine.interrupt(device.line);
    EXPECT_EQ(handled, 0);
    device.gone = true;  // all ones; whoever has the line is not told
    transport->stop();
    machine.interrupt(device.line);
    EXPECT_EQ(handled, 0);
}

}  // namespace
