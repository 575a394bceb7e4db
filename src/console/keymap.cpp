// SPDX-License-Identifier: BSD-2-Clause
#include "console/keymap.h"
#include <iterator>
#include <string_view>
#include "console/input.h"
#include "vesper.h"

namespace keymap {

namespace {

// From the key 1 on to the slash: without Shift, and with it.
constexpr std::string_view plain = "1234567890\r\033\b\t -=[]\\\\;'`,./";
constexpr std::string_view shifted = "!@#$%^&*()\r\033\b\t _+{}||:\"~<>?";

// From the slash of the keypad on, and from its 1 on without Num Lock.
constexpr std::string_view keypad = "/*-+\r1234567890.";
constexpr uint8_t keypad_1 = 0x59;
constexpr uint16_t keypad_codes[] = {
    VESPER_KEY_END,     VESPER_KEY_DOWN,   VESPER_KEY_PAGE_DOWN, VESPER_KEY_LEFT,
    VESPER_KEY_CENTER,  VESPER_KEY_RIGHT,  VESPER_KEY_HOME,      VESPER_KEY_UP,
    VESPER_KEY_PAGE_UP, VESPER_KEY_INSERT, VESPER_KEY_DELETE,
};

// From Print Screen on.
constexpr uint16_t named[] = {
    VESPER_KEY_PRINT,     0,
    VESPER_KEY_PAUSE,     VESPER_KEY_INSERT,
    VESPER_KEY_HOME,      VESPER_KEY_PAGE_UP,
    VESPER_KEY_DELETE,    VESPER_KEY_END,
    VESPER_KEY_PAGE_DOWN, VESPER_KEY_RIGHT,
    VESPER_KEY_LEFT,      VESPER_KEY_DOWN,
    VESPER_KEY_UP,
};

int character(char c, char with_shift, uint16_t modifiers)
{
    bool letter = c >= 'a' && c <= 'z';
    bool shift = modifiers & input::shift;
    if (shift != (letter && modifiers & input::caps_lock)) c = with_shift;
    // Control with a letter, and as terminals have it with [ \ ] ^ _.
    if (modifiers & input::control && (letter || (c >= '[' && c <= '_'))) c &= 0x1f;
    return c;
}

int bare_code_of(uint8_t usage, uint16_t modifiers)
{
    if (usage == non_us_backslash) usage = backslash;
    if (usage >= a && usage < key_1) {
        auto c = static_cast<char>('a' + usage - a);
        return character(c, static_cast<char>(c ^ 0x20), modifiers);
    }
    if (usage >= key_1 && usage < caps_lock)
        return character(plain[usage - key_1], shifted[usage - key_1], modifiers);
    if (usage >= f1 && usage < print_screen) return VESPER_KEY_F1 + usage - f1;
    if (usage >= print_screen && usage < num_lock) return named[usage - print_screen];
    if (usage >= keypad_slash && usage < non_us_backslash) {
        bool digits = ((modifiers & input::num_lock) != 0) != ((modifiers & input::shift) != 0);
        if (usage < keypad_1 || digits) return keypad[usage - keypad_slash];
        return keypad_codes[usage - keypad_1];
    }
    return usage == application ? VESPER_KEY_MENU : 0;
}

Chord with(uint16_t modifiers, Chord chord)
{
    chord.modifiers |= modifiers;
    return chord;
}

Chord chord_of_character(char c)
{
    if (c >= 'a' && c <= 'z') return {static_cast<uint8_t>(a + c - 'a'), 0};
    if (c >= 'A' && c <= 'Z') return with(input::left_shift, chord_of_character(c | 0x20));
    auto at = plain.find(c);
    if (at != plain.npos) return {static_cast<uint8_t>(key_1 + at), 0};
    at = shifted.find(c);
    if (at != shifted.npos) return {static_cast<uint8_t>(key_1 + at), input::left_shift};
    if (c < 1 || c >= ' ') return {};
    return with(input::left_control,
                chord_of_character(static_cast<char>(c | (c < 27 ? 0x60 : 0x40))));
}

uint8_t key_of_name(int code)
{
    if (code >= VESPER_KEY_F1 && code <= VESPER_KEY_F12)
        return static_cast<uint8_t>(f1 + code - VESPER_KEY_F1);
    for (unsigned i = 0; i < std::size(named); ++i) {
        if (named[i] == code) return static_cast<uint8_t>(print_screen + i);
    }
    if (code == VESPER_KEY_CENTER) return keypad_5;
    return code == VESPER_KEY_MENU ? application : 0;
}

}  // namespace

int code_of(uint8_t usage, uint16_t modifiers)
{
    int code = bare_code_of(usage, modifiers);
    if (code == 0) return 0;
    if (code >= 256) {
        if (modifiers & input::shift) code |= VESPER_KEY_SHIFT;
        if (modifiers & input::control) code |= VESPER_KEY_CONTROL;
    }
    if (modifiers & input::alt) code |= VESPER_KEY_ALT;
    return code;
}

Chord chord_of(int code)
{
    constexpr int all = VESPER_KEY_ALT | VESPER_KEY_SHIFT | VESPER_KEY_CONTROL;
    int bare = code & ~all;
    Chord chord = {};
    if (bare >= 256)
        chord.usage = key_of_name(bare);
    else if (bare < 128)
        chord = chord_of_character(static_cast<char>(bare));
    if (chord.usage == 0) return {};
    if (code & VESPER_KEY_ALT) chord.modifiers |= input::left_alt;
    if (code & VESPER_KEY_SHIFT) chord.modifiers |= input::left_shift;
    if (code & VESPER_KEY_CONTROL) chord.modifiers |= input::left_control;
    return chord;
}

}  // namespace keymap
