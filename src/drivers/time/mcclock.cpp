// SPDX-License-Identifier: BSD-2-Clause
// mcclock - the battery-backed clock of the PC, a Motorola MC146818A or what a chip set has in its
// place.
//
// The time is read between two updates, twice, until both readings agree: an interrupt may come
// between. It is set in the format that the clock is in, with updates held off, and read back; the
// second goes on where it was. Years 70...99 are taken as 19xx, 00...69 as 20xx. Bit 7 of the index
// port masks the NMI on a PC: it stays 0. Supports: BCD and binary, 12 and 24 hours.  Not: alarm,
// periodic interrupt, a century register. Data sheet: Motorola MC146818A (1984).  Tested on: QEMU.
#include "hal/driver.h"

namespace {
using namespace hal;

enum Address : uint8_t {  // figure 8, address map
    seconds = 0,
    minutes = 2,
    hours = 4,
    day_of_week = 6,  // 1: Sunday
    date_of_month = 7,
    month = 8,
    year = 9,
    register_a = 10,
    register_b = 11,
    register_d = 13
};
struct Index : Register<Index, 0, uint8_t> {
    using Value = Address;
};
struct Data : Register<Data, 1, uint8_t> {};

constexpr uint8_t update_in_progress = 0x80;                             // register A
constexpr uint8_t hold = 0x80, data_mode_binary = 4, mode_24_hours = 2;  // register B; hold: SET
constexpr uint8_t valid_ram_and_time = 0x80, always_0 = 0x40;            // register D

class McClock final : public CalendarClock {
public:
    explicit McClock(Window window) : regs_(window) {}

    bool present() const { return !(read(register_d) & always_0); }

    Result<CalendarTime> now() override
    {
        if (!(read(register_d) & valid_ram_and_time))
            return fail(Error::corrupt, "{}: the battery is empty", name.view());
        Caller here = __func__;
        for (unsigned attempt = 0; attempt < 4; ++attempt) {
            // An update takes 2 ms; none begins in the 244 us after the bit was seen clear.
            TRY(poll_until([&] { return !(read(register_a, here) & update_in_progress); }, 20_ms));
            Reading first = read_all(), second = read_all();
            if (first == second) return decoded(first);
        }
        return Error::timed_out;
    }

    Result<void> set(const CalendarTime& time) override
    {
        if (!time.valid() || time.year >= 2070) return Error::invalid;
        uint8_t mode = read(register_b);
        write(register_b, static_cast<uint8_t>(mode | hold));
        write(seconds, encoded(time.second, mode));
        write(minutes, encoded(time.minute, mode));
        write(hours, encoded_hour(time.hour, mode));
        write(day_of_week, static_cast<uint8_t>(time.weekday() + 1));
        write(date_of_month, encoded(time.day, mode));
        write(month, encoded(time.month, mode));
        write(year, encoded(time.year % 100, mode));
        write(register_b, static_cast<uint8_t>(mode & ~hold));
        CalendarTime found = TRY(now());
        int64_t passed = found.unix_seconds() - time.unix_seconds();
        if (passed >= 0 && passed <= 2) return {};
        return fail(Error::device, "{}: it does not keep what it is set to", name.view());
    }

private:
    struct Reading {
        uint8_t second, minute, hour, day, month, year, mode;
        bool operator==(const Reading&) const = default;
    };

    uint8_t read(Address address, Caller caller = __builtin_FUNCTION()) const
    {
        regs_.write<Index>(address, caller);
        return regs_.read<Data>(caller);
    }
    void write(uint8_t index, uint8_t value) const
    {
        regs_.write<Index>(index);
        regs_.write<Data>(value);
    }
    static uint8_t encoded(unsigned number, uint8_t mode)
    {
        bool binary = mode & data_mode_binary;
        return static_cast<uint8_t>(binary ? number : number / 10 << 4 | number % 10);
    }
    static uint8_t encoded_hour(unsigned hour, uint8_t mode)
    {
        if (mode & mode_24_hours) return encoded(hour, mode);
        return static_cast<uint8_t>(encoded((hour + 11) % 12 + 1, mode) | (hour >= 12 ? 0x80 : 0));
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
        CalendarTime time = {.year = year + (year < 70 ? 2000u : 1900u),
                             .month = number(r.month, r.mode),
                             .day = number(r.day, r.mode),
                             .hour = hour_of(r.hour, r.mode),
                             .minute = number(r.minute, r.mode),
                             .second = number(r.second, r.mode)};
        bool valid = !(r.mode & hold) && year < 100 && time.valid();
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
