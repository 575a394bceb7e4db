// SPDX-License-Identifier: BSD-2-Clause
#pragma once
#include "fs/fs.h"
#include "machine.h"

// A clock on the wall, for as long as it lives. It was noon when the machine was started.
class NoonClock final : public CalendarClock {
public:
    explicit NoonClock(FakeMachine& machine) : machine_(machine)
    {
        publish(*this, "clock");
        fs::clock_was_set();
    }
    ~NoonClock() { fs::clock_was_set(); }
    NoonClock(const NoonClock&) = delete;
    void pass(unsigned seconds) { machine_.now_us += uint64_t{seconds} * 1'000'000; }

    static constexpr int64_t noon = 1'795'780'800;  // 2026-11-27 12:00:00, in seconds

private:
    Result<CalendarTime> now() override
    {
        return CalendarTime::of(noon + int64_t(machine_.now_us / 1'000'000));
    }
    Result<void> set(const CalendarTime&) override { return Error::unsupported; }

    FakeMachine& machine_;
};
