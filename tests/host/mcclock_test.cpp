// SPDX-License-Identifier: BSD-2-Clause
#include <gtest/gtest.h>
#include "fakes/machine.h"

extern const Driver mcclock;

namespace {

struct Chip : FakeDevice {
    uint8_t index = 0;
    uint8_t memory[128] = {};
    unsigned reads = 0;
    bool nmi_was_masked = false;
    int update_after_reads = -1;  // the second changes while the time is being read

    Chip() { set({0x26, 0x11, 0x22, 0x18, 0x57, 0x29}, 0x02); }
    void set(std::array<uint8_t, 6> time, uint8_t mode)  // year, month, day, hour, minute, second
    {
        memory[9] = time[0], memory[8] = time[1], memory[7] = time[2];
        memory[4] = time[3], memory[2] = time[4], memory[0] = time[5];
        memory[10] = 0x26, memory[11] = mode, memory[13] = 0x80;
    }
    uint32_t read(unsigned offset, unsigned) override
    {
        if (offset != 1) return 0xff;
        ++reads;
        if (update_after_reads >= 0 && update_after_reads-- == 0) memory[0] = 0x30;
        return memory[index];
    }
    void write(unsigned offset, unsigned, uint32_t value) override
    {
        if (offset == 1) return store(uint8_t(value));
        nmi_was_masked |= value & 0x80;
        index = value & 0x7f;
    }
    // The time is taken only while SET holds the updates off; then the clock begins to go again.
    void store(uint8_t value)
    {
        EXPECT_TRUE(index == 11 || (memory[11] & 0x80)) << "register " << int(index);
        EXPECT_NE(index, 10);
        if (index != 11 && broken) return;
        memory[index] = value;
        stores.push_back(index);
    }
    bool broken = false;
    std::vector<uint8_t> stores;
};

class McClock : public testing::Test {
protected:
    McClock() { machine.ports(0x70, 2, chip); }
    Result<CalendarTime> now()
    {
        if (!first_calendar_clock()) {
            EXPECT_TRUE(machine.attach(mcclock));
        }
        return first_calendar_clock()->now();
    }
    std::string text()
    {
        auto time = now();
        if (!time) return error_text(time.error());
        auto& t = time.value();
        char buffer[64];
        snprintf(buffer, sizeof buffer, "%d-%02d-%02d %02d:%02d:%02d", t.year, t.month, t.day,
                 t.hour, t.minute, t.second);
        return buffer;
    }

    FakeMachine machine;
    Chip chip;
};

TEST_F(McClock, ReadsTheTime)
{
    EXPECT_EQ(text(), "2026-11-22 18:57:29");
    EXPECT_EQ(first_calendar_clock()->name.view(), "mcclock0");
    EXPECT_TRUE(machine.logged("mcclock0 at mainbus0 isa: MC146818A time-of-day clock"));
    EXPECT_FALSE(chip.nmi_was_masked);
}

TEST_F(McClock, KnowsAllFourFormats)
{
    chip.set({26, 11, 22, 18, 57, 29}, 0x06);
    EXPECT_EQ(text(), "2026-11-22 18:57:29");
    chip.set({26, 11, 22, 6 | 0x80, 57, 29}, 0x04);
    EXPECT_EQ(text(), "2026-11-22 18:57:29");
    chip.set({0x26, 0x11, 0x22, 0x06, 0x57, 0x29}, 0x00);
    EXPECT_EQ(text(), "2026-11-22 06:57:29");
    chip.set({0x26, 0x11, 0x22, 0x12, 0x57, 0x29}, 0x00);  // 12:57 a.m.
    EXPECT_EQ(text(), "2026-11-22 00:57:29");
    chip.set({0x26, 0x11, 0x22, 0x92, 0x57, 0x29}, 0x00);  // 12:57 p.m.
    EXPECT_EQ(text(), "2026-11-22 12:57:29");
}

TEST_F(McClock, PutsTheYearInItsCentury)
{
    chip.set({0x99, 0x12, 0x31, 0x23, 0x59, 0x59}, 0x02);
    EXPECT_EQ(text(), "1999-12-31 23:59:59");
    chip.set({0x70, 0x01, 0x01, 0x00, 0x00, 0x00}, 0x02);
    EXPECT_EQ(text(), "1970-01-01 00:00:00");
    chip.set({0x69, 0x01, 0x01, 0x00, 0x00, 0x00}, 0x02);
    EXPECT_EQ(text(), "2069-01-01 00:00:00");
    chip.set({0x00, 0x02, 0x29, 0x00, 0x00, 0x00}, 0x02);
    EXPECT_EQ(text(), "2000-02-29 00:00:00");
}

TEST_F(McClock, RefusesEachInvalidField)
{
    const struct {
        std::array<uint8_t, 6> time;
        uint8_t mode;
    } cases[] = {
        {{0x9a, 0x11, 0x22, 0x18, 0x57, 0x29}, 2}, {{0xa0, 0x11, 0x22, 0x18, 0x57, 0x29}, 2},
        {{0x26, 0x00, 0x22, 0x18, 0x57, 0x29}, 2}, {{0x26, 0x13, 0x22, 0x18, 0x57, 0x29}, 2},
        {{0x26, 0x11, 0x00, 0x18, 0x57, 0x29}, 2}, {{0x26, 0x11, 0x31, 0x18, 0x57, 0x29}, 2},
        {{0x26, 0x02, 0x29, 0x18, 0x57, 0x29}, 2}, {{0x26, 0x11, 0x22, 0x24, 0x57, 0x29}, 2},
        {{0x26, 0x11, 0x22, 0x00, 0x57, 0x29}, 0}, {{0x26, 0x11, 0x22, 0x13, 0x57, 0x29}, 0},
        {{0x26, 0x11, 0x22, 0x18, 0x60, 0x29}, 2}, {{0x26, 0x11, 0x22, 0x18, 0x57, 0x60}, 2},
        {{0x26, 0x11, 0x22, 0x18, 0x57, 0x1a}, 2}, {{100, 11, 22, 18, 57, 29}, 6},
        {{26, 11, 22, 18, 57, 29}, 6 | 0x80},  // SET: the clock stands still
    };
    for (auto& c : cases) {
        chip.set(c.time, c.mode);
        EXPECT_EQ(now().error(), Error::corrupt) << int(c.time[0]) << "-" << int(c.time[1]);
    }
    EXPECT_TRUE(machine.logged("mcclock0: not set: 26-13-22 18:57:29, mode 02"));
}

TEST_F(McClock, EmptyBatteryIsSaid)
{
    EXPECT_TRUE(now());
    chip.memory[13] = 0;
    EXPECT_EQ(now().error(), Error::corrupt);
    EXPECT_TRUE(machine.logged("mcclock0: the battery is empty"));
}

TEST_F(McClock, WaitsForAnUpdateToEnd)
{
    EXPECT_TRUE(now());
    chip.memory[10] |= 0x80;
    machine.on_wait = [&] {
        if (machine.now_us < 1500) return;
        chip.memory[10] &= 0x7f;
        chip.memory[0] = 0x30;
    };
    EXPECT_EQ(text(), "2026-11-22 18:57:30");
}

TEST_F(McClock, UpdateThatNeverEndsTimesOut)
{
    EXPECT_TRUE(now());
    chip.memory[10] |= 0x80;
    EXPECT_EQ(now().error(), Error::timed_out);
    EXPECT_LT(machine.now_us, 50'000u);
}

TEST_F(McClock, ReadsAgainWhenTheTimeChangedMeanwhile)
{
    EXPECT_TRUE(now());
    for (int reads = 0; reads < 40; ++reads) {
        chip.set({0x26, 0x11, 0x22, 0x18, 0x57, 0x29}, 0x02);
        chip.update_after_reads = reads;
        auto seen = text();
        EXPECT_TRUE(seen == "2026-11-22 18:57:30" || (seen == "2026-11-22 18:57:29" && reads > 8))
            << seen << " after " << reads;
    }
}

TEST_F(McClock, ClockThatNeverReadsTheSameTwiceTimesOut)
{
    EXPECT_TRUE(now());
    struct Noise : Chip {
        uint32_t read(unsigned offset, unsigned bytes) override
        {
            memory[0] = uint8_t((memory[0] + 1) % 10);
            return Chip::read(offset, bytes);
        }
    } noise;
    machine.port_ranges.clear();
    machine.ports(0x70, 2, noise);
    ASSERT_TRUE(machine.attach(mcclock));
    EXPECT_EQ(first_calendar_clock()->next->now().error(), Error::timed_out);
}

TEST_F(McClock, IsSetInItsOwnFormat)
{
    EXPECT_TRUE(now());
    const struct {
        uint8_t mode;
        std::array<uint8_t, 6> time;  // year, month, day, hour, minute, second
    } cases[] = {
        {0x02, {0x26, 0x12, 0x31, 0x23, 0x59, 0x08}},
        {0x06, {26, 12, 31, 23, 59, 8}},
        {0x04, {26, 12, 31, 11 | 0x80, 59, 8}},
        {0x51, {0x26, 0x12, 0x31, 0x91, 0x59, 0x08}},  // and what else the register holds
    };
    for (auto& c : cases) {
        chip.set({0, 0, 0, 0, 0, 0}, c.mode);
        ASSERT_TRUE(first_calendar_clock()->set({2026, 12, 31, 23, 59, 8})) << int(c.mode);
        EXPECT_EQ((std::array<uint8_t, 6>{chip.memory[9], chip.memory[8], chip.memory[7],
                                          chip.memory[4], chip.memory[2], chip.memory[0]}),
                  c.time);
        EXPECT_EQ(chip.memory[6], 5);  // a Thursday
        EXPECT_EQ(chip.memory[11], c.mode);
        EXPECT_EQ(text(), "2026-12-31 23:59:08");
    }
    EXPECT_FALSE(chip.nmi_was_masked);
}

TEST_F(McClock, IsSetToEveryHour)
{
    EXPECT_TRUE(now());
    for (uint8_t mode : {0x00, 0x02, 0x04, 0x06}) {
        for (uint8_t hour = 0; hour < 24; ++hour) {
            chip.memory[11] = mode;
            ASSERT_TRUE(first_calendar_clock()->set({1999, 1, 2, hour, 0, 0}));
            EXPECT_EQ(now().value().hour, hour);
            EXPECT_EQ(now().value().year, 1999u);
        }
    }
}

TEST_F(McClock, IsSetAlsoWhenItWasStopped)
{
    EXPECT_TRUE(now());
    chip.memory[11] = 0x82;
    EXPECT_TRUE(first_calendar_clock()->set({2026, 1, 1, 0, 0, 0}));
    EXPECT_EQ(chip.memory[11], 0x02);
}

TEST_F(McClock, RefusesTimesThatItCannotHold)
{
    EXPECT_TRUE(now());
    for (CalendarTime wrong :
         {CalendarTime{2070, 1, 1, 0, 0, 0}, CalendarTime{1969, 1, 1, 0, 0, 0},
          CalendarTime{2026, 2, 29, 0, 0, 0}, CalendarTime{2026, 1, 1, 24, 0, 0},
          CalendarTime{2026, 1, 1, 0, 60, 0}, CalendarTime{2026, 1, 1, 0, 0, 60},
          CalendarTime{2026, 0, 1, 0, 0, 0}, CalendarTime{2026, 13, 1, 0, 0, 0},
          CalendarTime{2026, 1, 0, 0, 0, 0}})
        EXPECT_EQ(first_calendar_clock()->set(wrong).error(), Error::invalid);
    EXPECT_TRUE(chip.stores.empty());
}

TEST_F(McClock, AClockThatDoesNotKeepItsTimeIsSaid)
{
    EXPECT_TRUE(now());
    chip.broken = true;
    EXPECT_EQ(first_calendar_clock()->set({2026, 1, 1, 0, 0, 0}).error(), Error::device);
    EXPECT_TRUE(machine.logged("mcclock0: it does not keep what it is set to"));
    EXPECT_EQ(chip.memory[11], 0x02);
}

TEST_F(McClock, NothingThereIsNoClockAndAttachNeverWaits)
{
    chip.memory[10] = 0xff;  // the update bit does not hold it up
    EXPECT_TRUE(machine.attach(mcclock));
    EXPECT_EQ(machine.now_us, 0u);
    machine.port_ranges.clear();
    EXPECT_EQ(machine.attach(mcclock).error(), Error::not_found);
    EXPECT_EQ(first_calendar_clock()->next, nullptr);
}

}  // namespace
