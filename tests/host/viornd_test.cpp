// SPDX-License-Identifier: BSD-2-Clause
#include <gmock/gmock.h>
#include "fakes/virtio.h"

extern const Driver viornd;

namespace {

using testing::ElementsAre;

struct Viornd : testing::TestWithParam<FakeVirtio::Interfaces> {
    Viornd()
    {
        device.serve = [this](std::vector<FakeVirtio::Part>& parts) {
            EXPECT_EQ(parts.size(), 1u);
            uint32_t bytes = std::min(parts[0].bytes, most);
            EXPECT_TRUE(parts[0].writable);
            for (uint32_t i = 0; i < bytes; ++i) parts[0].data[i] = uint8_t(++given * 7);
            return bytes;
        };
    }
    ~Viornd() override
    {
        if (HasFailure()) {
            for (auto& line : machine.log) std::cout << "log: " << line << "\n";
        }
    }
    RandomSource& attach()
    {
        device.plug_in(GetParam());
        EXPECT_TRUE(machine.attach(viornd));
        start_us = machine.now_us;
        if (!first_random_source()) abort();
        return *first_random_source();
    }
    // Fills so many bytes, and checks that all came from the device, in order.
    Result<void> read(RandomSource& source, size_t bytes)
    {
        std::vector<std::byte> into(bytes + 2, std::byte{0xee});
        uint32_t before = given;
        auto done = source.read(std::span(into).subspan(1, bytes));
        EXPECT_EQ(into.front(), std::byte{0xee});
        EXPECT_EQ(into.back(), std::byte{0xee});
        for (size_t i = 0; done && i < bytes; ++i) {
            if (into[1 + i] == std::byte(uint8_t((before + 1 + i) * 7))) continue;
            ADD_FAILURE() << "byte " << i << " is wrong";
            break;
        }
        return done;
    }
    uint64_t took_us() const { return machine.now_us - start_us; }

    FakeMachine machine;
    FakeVirtio device{machine, 4};
    uint32_t most = 256, given = 0;
    uint64_t start_us = 0;
};

INSTANTIATE_TEST_SUITE_P(Interfaces, Viornd, FakeVirtio::all_interfaces(), FakeVirtio::name_of);

TEST_P(Viornd, IsPublished)
{
    auto& source = attach();
    EXPECT_EQ(source.name.view(), "viornd0");
    EXPECT_THAT(machine.log, ElementsAre(std::string("viornd0 at mainbus0 pci: virtio entropy "
                                                     "source, ") +
                                         (GetParam().modern ? "modern" : "legacy") + " interface"));
    EXPECT_EQ(device.used_modern, GetParam().modern);
    EXPECT_LE(machine.now_us, 1000u);
}

TEST_P(Viornd, FillsAnySize)
{
    auto& source = attach();
    for (size_t bytes : {0, 1, 2, 16, 255, 256, 257, 5000})
        EXPECT_TRUE(read(source, bytes)) << bytes;
    EXPECT_GT(device.interrupts, 0u);
}

TEST_P(Viornd, AsksAgainWhereTheDeviceGaveLess)
{
    auto& source = attach();
    most = 3;
    EXPECT_TRUE(read(source, 100));
    EXPECT_EQ(device.chains, 34u);
}

TEST_P(Viornd, GoesOnWhenTheIndicesWrap)
{
    auto& source = attach();
    for (unsigned i = 0; i < 66000; ++i) {
        if (read(source, 1)) continue;
        FAIL() << "read " << i;
    }
    EXPECT_EQ(device.chains, 66000u);
    EXPECT_EQ(device.resets, 2u);
}

TEST_P(Viornd, WorksWithoutALineAndWithLostInterrupts)
{
    device.line = 0;
    auto& source = attach();
    EXPECT_TRUE(machine.logged("viornd0: no interrupt, polled"));
    EXPECT_TRUE(read(source, 1000));
    EXPECT_EQ(device.interrupts, 0u);  // and it was asked not to raise any
}

TEST_P(Viornd, LostInterruptsCostATick)
{
    device.loses_interrupts = true;
    auto& source = attach();
    EXPECT_TRUE(read(source, 1000));
    EXPECT_LT(took_us(), 100'000u);
}

TEST_P(Viornd, ADeviceThatNeverAnswersCostsItsDeadline)
{
    auto& source = attach();
    device.never_answers = true;
    EXPECT_EQ(read(source, 16).error(), Error::timed_out);
    EXPECT_GE(took_us(), 1'000'000u);
    EXPECT_LT(took_us(), 1'010'000u);
    EXPECT_FALSE(device.masters_bus());  // before its memory is used again
    EXPECT_EQ(device.status, 0);
    device.never_answers = false;
    EXPECT_TRUE(read(source, 16));
}

TEST_P(Viornd, IsGivenUpAfterThreeFailuresInARow)
{
    auto& source = attach();
    device.never_answers = true;
    for (unsigned i = 0; i < 5; ++i) EXPECT_EQ(read(source, 16).error(), Error::timed_out);
    EXPECT_LT(took_us(), 3'100'000u);
    EXPECT_TRUE(machine.logged("viornd0: not used any more"));
}

TEST_P(Viornd, ASlowDeviceEndsAtTheDeadlineToo)
{
    auto& source = attach();
    most = 1;
    EXPECT_EQ(read(source, 100'000).error(), Error::timed_out);
    EXPECT_LT(took_us(), 1'010'000u);
}

TEST_P(Viornd, AnswersWithoutBytesAreAnError)
{
    auto& source = attach();
    most = 0;
    EXPECT_EQ(read(source, 16).error(), Error::device);
    most = 16;
    EXPECT_TRUE(read(source, 16));
}

TEST_P(Viornd, AUsedRingThatCannotBeIsAnError)
{
    auto& source = attach();
    for (int id : {1, 7, 8, 0x10000, 0x7fffffff}) {
        device.bad_id = id;
        EXPECT_EQ(read(source, 16).error(), Error::device) << id;
        EXPECT_FALSE(device.masters_bus());
        device.bad_id = -1;
        EXPECT_TRUE(read(source, 16));
    }
    for (int length : {1, 0x10000, -17}) {
        device.extra_length = length;
        EXPECT_EQ(read(source, 16).error(), Error::device) << length;
        device.extra_length = 0;
        EXPECT_TRUE(read(source, 16));
    }
    for (int jump : {1, 7, 0x8000, -2}) {
        device.index_jump = jump;
        EXPECT_EQ(read(source, 16).error(), Error::device) << jump;
        device.index_jump = 0;
        EXPECT_TRUE(read(source, 16));
    }
    EXPECT_TRUE(machine.logged("viornd0: queue 0: the used ring has descriptor 8"));
    EXPECT_TRUE(machine.logged("viornd0: queue 0: the used ring has length 17"));
}

TEST_P(Viornd, ADeviceThatWantsAResetGetsOne)
{
    auto& source = attach();
    device.needs_reset = true;
    EXPECT_EQ(read(source, 16).error(), Error::device);
    EXPECT_LT(took_us(), 100'000u);
    device.needs_reset = false;
    EXPECT_TRUE(read(source, 16));
}

TEST_P(Viornd, ADeviceThatHasGoneIsSaidToAtOnce)
{
    auto& source = attach();
    EXPECT_TRUE(read(source, 16));
    device.gone = true;
    EXPECT_EQ(read(source, 16).error(), Error::gone);
    EXPECT_EQ(read(source, 16).error(), Error::gone);
    EXPECT_LT(took_us(), 10'000u);
}

TEST_P(Viornd, IsNotUsableWhenItsResetDoesNotEnd)
{
    device.status = 7;  // as firmware has left it
    device.reset_hangs = true;
    device.plug_in(GetParam());
    EXPECT_TRUE(machine.attach(viornd));
    EXPECT_EQ(first_random_source(), nullptr);
    EXPECT_TRUE(machine.logged("viornd0: reset does not end (status 07)"));
    EXPECT_GE(machine.now_us, 1'000'000u);
    EXPECT_LT(machine.now_us, 1'010'000u);
    EXPECT_FALSE(machine.connected(device.line));
}

TEST_P(Viornd, IsNotUsableWhenItIsGone)
{
    device.gone = true;
    device.plug_in(GetParam());
    EXPECT_TRUE(machine.attach(viornd));
    EXPECT_EQ(first_random_source(), nullptr);
    EXPECT_LT(machine.now_us, 1000u);
}

TEST_P(Viornd, IsNotUsableWithoutItsQueue)
{
    for (uint16_t size : {0, 3, 0xfffe}) {
        device.queues[0].most = device.queues[0].size = size;
        device.plug_in(GetParam());
        EXPECT_TRUE(machine.attach(viornd));
        EXPECT_EQ(first_random_source(), nullptr);
        EXPECT_FALSE(machine.connected(device.line));
        EXPECT_FALSE(device.masters_bus());
    }
    EXPECT_TRUE(machine.logged("there is no queue 0"));
    EXPECT_TRUE(machine.logged("queue 0 has 3 descriptors"));
}

TEST_P(Viornd, NeedsMemory)
{
    device.plug_in(GetParam());
    unsigned failures = 0;
    for (; !first_random_source() && failures < 10; ++failures) {
        FakeHeap::fail_after = int(failures);
        EXPECT_TRUE(machine.attach(viornd));
        FakeHeap::fail_after = -1;
        EXPECT_EQ(machine.handlers.size(), first_random_source() ? 1u : 0u);
    }
    EXPECT_GE(failures, 3u);
    ASSERT_TRUE(first_random_source());
    EXPECT_TRUE(read(*first_random_source(), 16));
}

}  // namespace
