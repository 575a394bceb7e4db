// SPDX-License-Identifier: BSD-2-Clause
// The US keyboard: from USB's usage numbers (HID Usage Tables 1.5, page 7) to the codes of
// include/vesper.h, and back.
#pragma once
#include <cstdint>

namespace keymap {

enum Usage : uint8_t {
    a = 0x04,
    key_1 = 0x1e,
    enter = 0x28,
    escape = 0x29,
    backslash = 0x31,
    caps_lock = 0x39,
    f1 = 0x3a,
    print_screen = 0x46,
    scroll_lock = 0x47,
    pause = 0x48,
    num_lock = 0x53,
    keypad_slash = 0x54,
    keypad_5 = 0x5d,
    non_us_backslash = 0x64,
    application = 0x65,
    left_control = 0xe0,
    right_gui = 0xe7,
};

// What key() gives when this key goes down with these modifiers (input::Modifier); 0: nothing.
int code_of(uint8_t usage, uint16_t modifiers);

// The key, and the modifiers to hold, that give this code; usage 0 if no key does.
struct Chord {
    uint8_t usage;
    uint16_t modifiers;
};
Chord chord_of(int code);

}  // namespace keymap
