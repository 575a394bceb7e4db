// SPDX-License-Identifier: BSD-2-Clause
// A channel of the first 8237A, by which devices of the ISA bus move bytes to and from memory. The
// driver takes the memory from the device before it is used for anything else: stop().
// Spec: Intel 8237A data sheet (order 231466), "Register description" and "Software commands".
#pragma once
#include "hal/driver.h"

class IsaDma {
public:
    static constexpr uint32_t highest = (16 << 20) - 1, boundary = 64 << 10;  // for allocate_dma

    IsaDma(uint8_t channel, const char* owner)  // 0 ... 3
        : channel_(channel)
    {
        static constexpr uint8_t pages[] = {0x87, 0x83, 0x81, 0x82};
        regs_ = hal::Registers(hal::port_window(0, 16, owner));
        auto own = static_cast<uint16_t>(channel * 2);
        own_ = hal::Registers(hal::port_window(own, 2, owner));
        page_ = hal::Registers(hal::port_window(pages[channel], 1, owner));
    }

    // Whether one transfer can be of all that.
    static bool reaches(const hal::DmaRun& run, uint32_t bytes)
    {
        return bytes && run.bytes >= bytes && run.address <= highest - bytes + 1 &&
               run.address / boundary == (run.address + bytes - 1) / boundary;
    }

    // One transfer, of at most 64 KiB.
    void start(uint32_t address, uint32_t bytes, bool to_memory) const
    {
        stop();
        regs_.write(Mode::Channel::of(channel_) | Mode::Kind::of(Mode::Kind::single) |
                    Mode::Transfer::of(to_memory ? Mode::Transfer::to_memory
                                                 : Mode::Transfer::from_memory));
        write_word<Address>(address);
        write_word<Count>(bytes - 1);
        page_.write<Page>(static_cast<uint8_t>(address >> 16));
        regs_.write(Mask::Channel::of(channel_));
    }
    void stop() const { regs_.write(Mask::Channel::of(channel_) | Mask::Off::of(1)); }
    uint32_t left() const  // bytes that have not gone
    {
        regs_.write<LowByteNext>(0);
        uint32_t low = own_.read<Count>(), high = own_.read<Count>();
        return ((high << 8 | low) + 1) & 0xffff;
    }

private:
    struct Address : hal::Register<Address, 0, uint8_t> {};
    struct Count : hal::Register<Count, 1, uint8_t> {};  // less one
    struct Page : hal::Register<Page, 0, uint8_t> {};
    struct Mask : hal::Register<Mask, 10, uint8_t> {
        struct Channel : Field<Channel, 0, 2> {};
        struct Off : Field<Off, 2> {};
    };
    struct Mode : hal::Register<Mode, 11, uint8_t> {
        struct Channel : Field<Channel, 0, 2> {};
        struct Transfer : Field<Transfer, 2, 2> {
            enum Value : uint8_t { to_memory = 1, from_memory = 2 };
        };
        struct Kind : Field<Kind, 6, 2> {
            enum Value : uint8_t { single = 1 };
        };
    };
    struct LowByteNext : hal::Register<LowByteNext, 12, uint8_t> {};

    template <class R> void write_word(uint32_t value) const
    {
        regs_.write<LowByteNext>(0);
        own_.write<R>(static_cast<uint8_t>(value));
        own_.write<R>(static_cast<uint8_t>(value >> 8));
    }

    uint8_t channel_;
    hal::Registers regs_, own_, page_;
};
