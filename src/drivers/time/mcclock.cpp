// SPDX-License-Identifier: BSD-2-Clause
// mcclock - the battery-backed clock of the PC, a Motorola MC146818A or what a chip set has in its
// place.
//
// The time is read between two updates, twice, until both readings agree: an interrupt may come
// between. Years 70...99 are taken as 19xx, 00...69 as 20xx. Bit 7 of the index port masks the NMI
// on a PC: it stays 0. Supports: BCD and binary, 12 and 24 hours.  Not: alarm, periodic interrupt,
// setting the time. Data sheet: Motorola MC146818A (1984).  Tested on: QEMU.
#include "hal/driver.h"

namespace {
using namespace hal;

struct Index : Register<Index, 0, uint8_t> {};
struct Data : Register<Data, 1, uint8_t> {};

enum : uint8_t {  // figure 8, address map
    seconds = 0,
    minutes = 2,
    hours = 4,
    date_of_month = 7,
    month = 8,
    year = 9,
    register_a = 10,
    register_b = 11,
    register_d = 13
};
constexpr uint8_t update_in_progress = 0x80;                            // register A
constexpr uint8_t set = 0x80, data_mode_binary = 4, mode_24_hours = 2;  // register B
constexpr uint8_t valid_ram_and_time = 0x80, always_0 = 0x40;           // register D

constexpr uint8_t days_in(unsigned month, unsigned year)
{
    if (month == 2) return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28;
    return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

class McClock final : public CalendarClock {
public:
    explicit McClock(Window window) : regs_(window) {}

    bool present() const { return !(read(register_d) & always_0); }

    Result<CalendarTime> now() override
    {
        if (!(read(register_d) & valid_ram_and_time))
            return fail(Error::corrupt, "{}: the battery is empty", name.view());
        for (unsigned attempt = 0; attempt < 4; ++attempt) {
            // An update takes 2 ms; none begins in the 244 us after the bit was seen clear.
            TRY(poll_until([&] { return !(read(register_a) & update_in_progress); }, 20_ms));
            Reading first = read_all(), second = read_all();
            if (first == second) return decoded(first);
        }
        return Error::timed_out;
    }

private:
    struct Reading {
        uint8_t second, minute, hour, day, month, year, mode;
        bool operator==(const Reading&) const = default;
    };

    uint8_t read(uint8_t index) const
    {
        regs_.write<Index>(index);
        return regs_.read<Data>();
    }
    Reading read_all() const
    {
        return {read(seconds), read(minutes), read(hours),     read(date_of_month),
                read(month),   read(year),    read(register_b)};
    }
    // The number in a register; 255, which no field allows, if it is none.
    static uint8_t number(uint8_t value, uint8_t mode)
    {
        if (mode & data_mode_binary) return value;
        if (value > 0x99 || (value & 0xf) > 9) return 255;
        return static_cast<uint8_t>((value >> 4) * 10 + (value & 0xf));
    }
    static uint8_t hour_of(uint8_t value, uint8_t mode)
    {
        if (mode & mode_24_hours) return number(value, mode);
        uint8_t hour = number(value & 0x7f, mode);  // bit 7: p.m.
        if (hour < 1 || hour > 12) return 255;
        return static_cast<uint8_t>(hour % 12 + (value & 0x80 ? 12 : 0));
    }
    Result<CalendarTime> decoded(const Reading& r) const
    {
        uint8_t year = number(r.year, r.mode);
        CalendarTime time = {.year = static_cast<uint16_t>(year + (year < 70 ? 2000 : 1900)),
                             .month = number(r.month, r.mode),
                             .day = number(r.day, r.mode),
                             .hour = hour_of(r.hour, r.mode),
                             .minute = number(r.minute, r.mode),
                             .second = number(r.second, r.mode)};
        bool valid = !(r.mode & set) && year < 100 && time.month >= 1 && time.month <= 12 &&
                     time.day >= 1 && time.day <= days_in(time.month, time.year) &&
                     time.hour < 24 && time.minute < 60 && time.second < 60;
        if (valid) return time;
        return fail(Error::corrupt, "{}: not set: {02x}-{02x}-{02x} {02x}:{02x}:{02x}, mode {02x}",
                    name.view(), r.year, r.month, r.day, r.hour, r.minute, r.second, r.mode);
    }

    Registers regs_;
};

Result<void> attach(Device& device)
{
    McClock probe(device.ports());
    if (!probe.present()) return Error::not_found;
    auto* clock = TRY(make<McClock>(probe));
    device.describe("MC146818A time-of-day clock");
    publish(*clock, "mcclock");
    return {};
}

constexpr Match matches[] = {isa(0x70, 2, 8)};
}  // namespace

extern const Driver mcclock = {"mcclock", matches, attach};
