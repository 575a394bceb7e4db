// SPDX-License-Identifier: BSD-2-Clause
// The PC's keyboard controller with both ports, a keyboard and a mouse, as far as drivers can tell.
#pragma once
#include <gtest/gtest.h>
#include <deque>
#include <vector>
#include "fakes/machine.h"

struct FakeController : FakeDevice {
    bool present = true, answers = true, full = false, keyboard_answers = true, resends = false;
    bool gone = false;
    uint8_t command_byte = 0x65;  // translating, interrupts on, the mouse port off
    uint8_t command = 0;
    struct Byte {
        uint8_t value;
        bool from_mouse;
    };
    std::deque<Byte> output;
    std::vector<uint8_t> told;  // what the keyboard was told

    struct Mouse {
        bool plugged = true, answers = true;
        unsigned refuses = 0;  // so many bytes, with "resend"
        uint8_t best_id = 4;   // what it can be: 0, 3, 4
        uint8_t id = 0;
        bool reports = false;
        unsigned rate = 100;
        std::vector<uint8_t> rates, told;
        uint8_t command = 0;
    } mouse;
    bool has_mouse_port = true;

    uint32_t read(unsigned offset, unsigned) override
    {
        if (!present || gone) return 0xff;
        if (offset == 4) {
            uint8_t status = uint8_t(0x14 | (full ? 2 : 0));
            if (!output.empty()) status |= output.front().from_mouse ? 0x21 : 0x01;
            return status;
        }
        if (output.empty()) return 0;
        uint8_t value = output.front().value;
        output.pop_front();
        return value;
    }
    void write(unsigned offset, unsigned, uint32_t value) override
    {
        auto byte = uint8_t(value);
        EXPECT_FALSE(full) << "written to while it was busy";
        if (offset == 4)
            obey(byte);
        else if (command == 0x60)
            command_byte = byte;
        else if (command == 0xd4)
            tell_mouse(byte);
        else {
            told.push_back(byte);
            if (keyboard_answers) output.push_back({uint8_t(resends ? 0xfe : 0xfa), false});
        }
        if (offset == 0) command = 0;
    }
    void obey(uint8_t byte)
    {
        command = byte;
        if (byte == 0xad) command_byte |= 0x10;
        if (byte == 0xae) command_byte &= 0xef;
        if (byte == 0xa7 && has_mouse_port) command_byte |= 0x20;
        if (byte == 0xa8 && has_mouse_port) command_byte &= 0xdf;
        if (byte == 0x20 && answers) output.push_back({command_byte, false});
    }
    void tell_mouse(uint8_t byte)
    {
        if (!mouse.plugged || !mouse.answers) return;
        if (mouse.refuses) {
            --mouse.refuses;
            return from_mouse({0xfe});
        }
        mouse.told.push_back(byte);
        from_mouse({0xfa});
        if (mouse.command == 0xf3) {
            mouse.rate = byte;
            mouse.rates.push_back(byte);
            auto ends_with = [&](std::vector<uint8_t> knock) {
                return mouse.rates.size() >= 3 &&
                       std::equal(knock.begin(), knock.end(), mouse.rates.end() - 3);
            };
            if (ends_with({200, 100, 80}) && mouse.best_id >= 3) mouse.id = 3;
            if (ends_with({200, 200, 80}) && mouse.best_id >= 4) mouse.id = 4;
        } else if (byte == 0xf2) {
            from_mouse({mouse.id});
        } else if (byte == 0xf4 && mouse.command != 0xe8) {
            mouse.reports = true;
        } else if (byte == 0xf6) {
            mouse.reports = false;
        }
        mouse.command = mouse.command ? 0 : byte == 0xf3 || byte == 0xe8 ? byte : 0;
    }
    void from_mouse(std::initializer_list<int> bytes)
    {
        if (command_byte & 0x20) return;  // the port is off
        for (int byte : bytes) output.push_back({uint8_t(byte), true});
    }
    void from_keyboard(std::initializer_list<int> bytes)
    {
        for (int byte : bytes) output.push_back({uint8_t(byte), false});
    }
    // Raises interrupts as long as there is something.
    void deliver(FakeMachine& machine)
    {
        for (int limit = 1000; limit && !output.empty(); --limit)
            machine.interrupt(output.front().from_mouse ? 12 : 1);
        EXPECT_TRUE(output.empty());
    }
    // A mouse is plugged in: its self-test has passed.
    void plug_mouse()
    {
        uint8_t best = mouse.best_id;
        mouse = {};
        mouse.best_id = best;
        from_mouse({0xaa, 0x00});
    }
};
