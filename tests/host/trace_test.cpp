// SPDX-License-Identifier: BSD-2-Clause
// What a trace says about registers, whose it records, and what happens when there is too much
// (src/hal/describe.h, src/hal/trace.cpp).
#include <gmock/gmock.h>
#include "fakes/machine.h"

namespace {

using namespace hal;
using testing::ElementsAre, testing::EndsWith, testing::HasSubstr, testing::IsEmpty, testing::Each,
    testing::SizeIs, testing::StartsWith;

namespace chip {
struct Status : Register<Status, 0, uint8_t> {
    struct Error : Field<Error, 0> {};
    struct Speed : Field<Speed, 1, 2> {
        enum Value : uint8_t { slow = 1, very_fast = 3 };
    };
    struct Level : Field<Level, 3, 3> {};
    struct Busy : Field<Busy, 7> {};
    struct Broken : Field<Broken, 0, 8> {};  // all of them
};
struct Mirror : Register<Mirror, 1, uint8_t> {
    using FieldsOf = Status;
};
struct Command : Register<Command, 2, uint16_t> {
    enum class Value : uint16_t { go_home = 0x10, reset2 = 0xff };
};
}  // namespace chip
struct Wide : Register<Wide, 4> {
    struct Top : Field<Top, 31> {};
    struct Middle : Field<Middle, 8, 16> {};
};

struct FakeChip : FakeDevice {
    uint32_t value = 0;
    uint32_t read(unsigned, unsigned) override { return value; }
    void write(unsigned, unsigned, uint32_t) override {}
};

struct Trace : testing::Test {
    FakeMachine machine;
    FakeChip fake;
    Registers regs{Window{&fake, 0, "chip0"}};

    // Without the time: "chip0 poke read Status = 0x00".
    std::vector<std::string> lines()
    {
        show_trace();
        std::vector<std::string> all;
        for (auto& line : machine.trace) {
            std::string text;
            for (char c : line.starts_with("trace:") ? line : line.substr(0, 6) + line.substr(22)) {
                if (c != ' ' || (!text.empty() && text.back() != ' ')) text += c;
            }
            all.push_back(text);
        }
        machine.trace.clear();
        return all;
    }
    std::string status(uint8_t value)
    {
        regs.write<chip::Status>(value, "f");
        return lines().at(0).substr(14);
    }
};

TEST_F(Trace, NamesFieldsAndValues)
{
    start_trace("chip0");
    EXPECT_EQ(status(0x00), "chip::Status = 0x00: Speed: 0");
    EXPECT_EQ(status(0x81), "chip::Status = 0x81: Busy Speed: 0 Error");
    EXPECT_EQ(status(0x2e), "chip::Status = 0x2e: Level: 5 Speed: very fast");
    EXPECT_EQ(status(0x42), "chip::Status = 0x42: Speed: slow +0x40");
    regs.write<chip::Command>(0x10);
    regs.write<chip::Command>(0xff);
    regs.write<chip::Command>(0x11);
    regs.write<Wide>(0x80aabb00);
    fake.value = 0x80;
    regs.read<chip::Mirror>();
    EXPECT_THAT(lines(),
                ElementsAre(EndsWith("TestBody write chip::Command = 0x0010: GO HOME"),
                            EndsWith("= 0x00ff: RESET2"), EndsWith("chip::Command = 0x0011"),
                            EndsWith("write Wide = 0x80aabb00: Top Middle: 43707"),
                            EndsWith("read chip::Mirror = 0x80: Busy Speed: 0")));
}

TEST_F(Trace, ModifyingIsAReadAndAWrite)
{
    start_trace("chip0");
    fake.value = 0x01;
    regs.modify(chip::Status::Busy::of(1));
    EXPECT_THAT(lines(),
                ElementsAre("chip0 TestBody read chip::Status = 0x01: Speed: 0 Error",
                            "chip0 TestBody write chip::Status = 0x81: Busy Speed: 0 Error"));
}

TEST_F(Trace, FoldsAPoll)
{
    start_trace("chip0");
    fake.value = 0x80;
    machine.on_wait = [&] { fake.value = machine.now_us >= 400 ? 0 : 0x80; };
    EXPECT_TRUE(regs.poll<chip::Status::Busy>(0, 1_ms));
    EXPECT_THAT(lines(), ElementsAre(EndsWith("= 0x80: Busy Speed: 0, 40 times in 390 us"),
                                     EndsWith("= 0x00: Speed: 0")));
}

TEST_F(Trace, WritesAreNotFolded)
{
    start_trace("chip0");
    regs.write<Wide>(0);
    regs.write<Wide>(0);
    EXPECT_THAT(lines(), SizeIs(2));
}

TEST_F(Trace, NobodyElseIsRecorded)
{
    Registers other{Window{&fake, 0, "other0"}};
    other.read<Wide>();
    start_trace("chip0");
    other.read<Wide>();
    EXPECT_THAT(lines(), IsEmpty());
}

TEST_F(Trace, SaysWhatWasLostAndKeepsTheOrder)
{
    start_trace("chip0");
    machine.trace_waits = true;
    for (unsigned i = 0; i < 5000; ++i) regs.write<Wide>(i);
    machine.trace_waits = false;
    auto all = lines();
    ASSERT_THAT(all, SizeIs(2049));
    EXPECT_EQ(all[0], "trace: 2952 records were lost here");
    EXPECT_THAT(all[1], HasSubstr("Wide = 0x00000b88"));
    EXPECT_THAT(all[2048], HasSubstr("Wide = 0x00001387"));
    for (size_t i = 2; i < all.size(); ++i) EXPECT_LT(all[i - 1], all[i]);
}

TEST_F(Trace, IsShownBeforeTheRingIsFull)
{
    start_trace("chip0");
    for (unsigned i = 0; i < 5000; ++i) regs.write<Wide>(i);
    auto all = lines();
    ASSERT_THAT(all, SizeIs(5000));
    EXPECT_THAT(all, Each(StartsWith("chip0 ")));
}

TEST_F(Trace, WithLittleMemoryItKeepsLess)
{
    start_trace("chip0");
    FakeHeap::fail_after = 0;
    regs.write<Wide>(1);
    FakeHeap::fail_after = -1;
    EXPECT_THAT(lines(), SizeIs(1));
}

TEST_F(Trace, InAnInterruptNothingIsShown)
{
    start_trace("chip0");
    ASSERT_TRUE(connect_interrupt(
        5,
        [](void* self) {
            static_cast<Trace*>(self)->regs.write<Wide>(1);
            EXPECT_THAT(static_cast<Trace*>(self)->lines(), IsEmpty());
        },
        this, "chip0"));
    machine.interrupt(5);
    EXPECT_THAT(lines(), ElementsAre("chip0 (interrupt) line 5", HasSubstr("Wide"),
                                     "chip0 (interrupt) line 5 acknowledged"));
}

// A console whose own registers are traced is written to while the trace is shown.
struct Talker : TextOutput {
    explicit Talker(Registers& regs) : regs(regs) {}
    void write(std::string_view text) override
    {
        for (char c : text) regs.write<Wide>(static_cast<uint8_t>(c));
    }
    Registers& regs;
};

TEST_F(Trace, DoesNotTraceItsOwnOutput)
{
    static Talker* talker;
    Talker console(regs);
    talker = &console;
    start_trace("chip0");
    talker->write("ab");
    machine.on_trace = [](const std::string& line) { talker->write(line); };
    EXPECT_THAT(lines(), ElementsAre(HasSubstr("= 0x00000061"), HasSubstr("= 0x00000062")));
    EXPECT_THAT(lines(), IsEmpty());
}

// ---- by the name of what is behind the device

struct Behind {
    bool found = true;
};
Behind behind;

Result<void> attach_behind(Device& device)
{
    Registers regs(device.ports());
    regs.write<Wide>(7);
    if (!behind.found) return Error::not_found;
    TRY(device.add_child("disk", ""));
    regs.write<Wide>(8);
    return {};
}
constexpr Match matches[] = {isa(0x100, 8, 0), isa(0x200, 8, 0)};
constexpr Driver ctl = {"ctl", matches, attach_behind};

TEST_F(Trace, ADeviceBehindAControllerIsKnownByItsName)
{
    behind.found = true;
    start_trace("disk1");
    EXPECT_TRUE(machine.attach(ctl));
    EXPECT_THAT(lines(), ElementsAre("ctl1 attach_behind write Wide = 0x00000007",
                                     "ctl1 attach_behind write Wide = 0x00000008"));
}

TEST_F(Trace, WhatTurnsOutToBeNothingIsForgotten)
{
    behind.found = false;
    start_trace("disk0");
    EXPECT_FALSE(machine.attach(ctl));
    EXPECT_THAT(lines(), IsEmpty());
}

TEST_F(Trace, IsSwitchedByName)
{
    behind.found = true;
    EXPECT_TRUE(machine.attach(ctl));
    Registers first{Window{&fake, 0, "ctl0"}};
    EXPECT_EQ(set_trace("disk7", true).error(), Error::not_found);
    EXPECT_FALSE(tracing);
    EXPECT_TRUE(set_trace("disk0", true));
    EXPECT_EQ(traced_name(0), "disk0");
    EXPECT_TRUE(is_traced("ctl0"));
    EXPECT_FALSE(is_traced("ctl1"));
    first.write<Wide>(1);
    EXPECT_EQ(set_trace("ctl0", false).error(), Error::not_found);
    EXPECT_TRUE(set_trace("disk0", false));
    first.write<Wide>(2);
    EXPECT_FALSE(tracing);
    EXPECT_THAT(lines(), ElementsAre("ctl0 TestBody write Wide = 0x00000001"));
    EXPECT_TRUE(set_trace("all", true));
    EXPECT_TRUE(is_traced("ctl1"));
    EXPECT_TRUE(set_trace("all", false));
    EXPECT_EQ(traced_name(0), "");
}

TEST_F(Trace, MemoryOfADeviceIsNamed)
{
    start_trace("chip0");
    trace_dma("chip0", "Descriptor", 0x1000, 512);
    EXPECT_THAT(lines(), ElementsAre("chip0 TestBody dma Descriptor = 0x00001000, 512 bytes"));
}

}  // namespace
