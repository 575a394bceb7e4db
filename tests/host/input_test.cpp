// SPDX-License-Identifier: BSD-2-Clause
#include "console/input.h"
#include <gtest/gtest.h>
#include <set>
#include "console/console.h"
#include "console/keymap.h"
#include "console/terminal.h"
#include "fakes/machine.h"
#include "vesper.h"

void reset_console();

namespace {

using namespace input;

struct FakeKeyboard final : Keyboard {
    std::vector<std::pair<uint8_t, bool>> waiting;
    void poll() override
    {
        for (auto [usage, down] : std::exchange(waiting, {})) key(usage, down);
    }
    using Keyboard::key;
    using Keyboard::release_all;
};

struct FakePointer final : PointerInput {
    void poll() override {}
    using PointerInput::moved_by;
    using PointerInput::moved_to;
};

struct FakeLine final : Terminal {
    void poll() override {}
    void send(std::string_view) override {}
    void type(std::string_view text)
    {
        for (char c : text) keys.received(uint8_t(c));
    }
};

struct Input : testing::Test {
    Input()
    {
        reset_console();
        publish(keyboard, "ukbd");
        publish(pointer, "ums");
        publish(static_cast<KeyInput&>(line), "com");
    }
    ~Input() override { reset_console(); }
    static std::vector<KeyEvent> keys()
    {
        std::vector<KeyEvent> all;
        for (KeyEvent event; next_key_event(event);) all.push_back(event);
        return all;
    }
    FakeMachine machine;
    FakeKeyboard keyboard;
    FakePointer pointer;
    FakeLine line;
};

constexpr uint8_t a = 4, left_shift_key = 0xe1, left_control_key = 0xe0, right_alt_key = 0xe6;

TEST_F(Input, TellsOfPressesAndReleasesInOrder)
{
    machine.now_us = 1000;
    keyboard.key(left_shift_key, true);
    machine.now_us = 2000;
    keyboard.key(a, true);
    machine.now_us = 3000;
    keyboard.key(left_shift_key, false);
    machine.now_us = 4000;
    keyboard.key(a, false);
    auto all = keys();
    ASSERT_EQ(all.size(), 4u);
    const struct {
        uint8_t usage;
        bool down;
        uint16_t modifiers;
        int key;
    } expected[] = {
        {left_shift_key, true, left_shift, 0},
        {a, true, left_shift, 'A'},
        {left_shift_key, false, 0, 0},
        {a, false, 0, 0},
    };
    for (size_t i = 0; i < 4; ++i) {
        EXPECT_EQ(all[i].time_us, 1000 * (i + 1));
        EXPECT_EQ(all[i].usage, expected[i].usage);
        EXPECT_EQ(all[i].down, expected[i].down);
        EXPECT_EQ(all[i].modifiers, expected[i].modifiers);
        EXPECT_EQ(all[i].key, expected[i].key);
        EXPECT_EQ(all[i].device, &keyboard);
        EXPECT_FALSE(all[i].repeated);
    }
    EXPECT_EQ(machine.keys, std::vector<int>{'A'});
}

TEST_F(Input, MarksRepeats)
{
    for (int i = 0; i < 3; ++i) keyboard.key(a, true);
    keyboard.key(a, false);
    keyboard.key(a, false);  // not held: nothing
    auto all = keys();
    ASSERT_EQ(all.size(), 4u);
    EXPECT_FALSE(all[0].repeated);
    EXPECT_TRUE(all[1].repeated && all[1].down);
    EXPECT_TRUE(all[2].repeated);
    EXPECT_FALSE(all[3].repeated || all[3].down);
    EXPECT_EQ(machine.keys, (std::vector<int>{'a', 'a', 'a'}));
}

TEST_F(Input, KnowsWhatIsHeldNow)
{
    keyboard.waiting = {{a, true}, {right_alt_key, true}};
    EXPECT_TRUE(is_held(a));
    EXPECT_TRUE(is_held(right_alt_key));
    EXPECT_FALSE(is_held(5));
    EXPECT_EQ(modifiers(), right_alt);
    input::clear();
    EXPECT_TRUE(is_held(a));
    keyboard.release_all();
    EXPECT_FALSE(is_held(a));
    EXPECT_EQ(modifiers(), 0);
    auto all = keys();
    ASSERT_EQ(all.size(), 2u);
    EXPECT_FALSE(all[0].down || all[1].down);
}

TEST_F(Input, LocksAreModifiersToo)
{
    for (uint8_t lock : {0x53, 0x39, 0x47}) {
        keyboard.key(lock, true);
        keyboard.key(lock, true);  // repeated: it does not turn back
        keyboard.key(lock, false);
    }
    EXPECT_EQ(modifiers(), num_lock | caps_lock | scroll_lock);
    keyboard.key(0x39, true);
    EXPECT_EQ(modifiers(), num_lock | scroll_lock);
}

TEST_F(Input, KeepsTheNewestEventsAndCountsTheRest)
{
    for (int i = 0; i < 150; ++i) {
        machine.now_us = unsigned(i);
        keyboard.key(a, true);
        keyboard.key(a, false);
    }
    for (int i = 0; i < 300; ++i) pointer.moved_by(i + 1, 0, 0, 0);
    EXPECT_EQ(lost().keys, 44u);
    EXPECT_EQ(lost().pointers, 44u);
    auto all = keys();
    ASSERT_EQ(all.size(), 256u);
    EXPECT_EQ(all.front().time_us, 22u);
    EXPECT_EQ(all.back().time_us, 149u);
    EXPECT_FALSE(all.back().down);
    PointerEvent event;
    ASSERT_TRUE(next_pointer_event(event));
    EXPECT_EQ(event.x, 45);
    input::clear();
    EXPECT_FALSE(next_pointer_event(event));
    EXPECT_EQ(lost().keys, 44u);
    EXPECT_EQ(machine.keys.size(), 150u);  // the other queue has its own
}

TEST_F(Input, ASerialLineTypesKeys)
{
    line.type("aA!\r\x03\x1b[1;5D");
    const struct {
        uint8_t usage;
        uint16_t modifiers;
        int key;
    } expected[] = {
        {a, 0, 'a'},
        {a, left_shift, 'A'},
        {0x1e, left_shift, '!'},
        {0x28, 0, 13},
        {6, left_control, 3},
        {0x50, left_control, VESPER_KEY_LEFT | VESPER_KEY_CONTROL},
    };
    auto all = keys();
    ASSERT_EQ(all.size(), std::size(expected) * 2);
    std::vector<int> codes;
    for (size_t i = 0; i < std::size(expected); ++i) {
        auto &down = all[i * 2], &up = all[i * 2 + 1];
        EXPECT_TRUE(down.down && !up.down);
        EXPECT_EQ(down.usage, expected[i].usage);
        EXPECT_EQ(down.modifiers, expected[i].modifiers);
        EXPECT_EQ(down.key, expected[i].key);
        EXPECT_EQ(down.device, static_cast<KeyInput*>(&line));
        EXPECT_EQ(up.usage, expected[i].usage);
        EXPECT_EQ(up.key, 0);
        codes.push_back(expected[i].key);
    }
    EXPECT_EQ(machine.keys, codes);
    EXPECT_FALSE(is_held(a));
}

TEST_F(Input, CharactersWithoutAKeyComeAllTheSame)
{
    line.type("\xc3\xbc");
    auto all = keys();
    ASSERT_EQ(all.size(), 4u);
    EXPECT_EQ(all[0].usage, 0);
    EXPECT_EQ(all[0].key, 0xc3);
    EXPECT_EQ(all[2].key, 0xbc);
}

TEST_F(Input, HearsOnlyWhoIsChosenButPointersAlways)
{
    console::choose("com0");
    keyboard.key(a, true);
    line.type("b");
    pointer.moved_by(1, 0, 0, 0);
    auto all = keys();
    ASSERT_EQ(all.size(), 2u);
    EXPECT_EQ(all[0].usage, 5);
    EXPECT_FALSE(is_held(a));
    PointerEvent event;
    EXPECT_TRUE(next_pointer_event(event));
    console::choose("ums0");  // names no keys: all are heard
    line.type("b");
    EXPECT_EQ(keys().size(), 2u);
}

TEST_F(Input, ControlAltEscapeIsNoKey)
{
    keyboard.key(left_control_key, true);
    keyboard.key(right_alt_key, true);
    keyboard.key(0x29, true);
    keyboard.key(0x29, false);
    EXPECT_EQ(machine.breaks, 1);
    EXPECT_TRUE(machine.keys.empty());
    EXPECT_EQ(keys().size(), 2u);
}

TEST_F(Input, PointersTellWhatIsNew)
{
    pointer.moved_by(0, 0, 0, 0);
    pointer.moved_by(-3, 4, -1, 2);
    pointer.moved_by(0, 0, 0, 2);
    pointer.moved_to(65535, 0, 0, 1);
    pointer.moved_to(65535, 0, 0, 1);
    pointer.moved_to(0, 7, 0, 1);
    std::vector<PointerEvent> all;
    for (PointerEvent event; next_pointer_event(event);) all.push_back(event);
    ASSERT_EQ(all.size(), 3u);
    EXPECT_EQ(all[0].x, -3);
    EXPECT_EQ(all[0].y, 4);
    EXPECT_EQ(all[0].wheel, -1);
    EXPECT_EQ(all[0].changed, 2u);
    EXPECT_FALSE(all[0].absolute);
    EXPECT_EQ(all[1].x, 65535);
    EXPECT_EQ(all[1].buttons, 1u);
    EXPECT_EQ(all[1].changed, 3u);
    EXPECT_TRUE(all[1].absolute);
    EXPECT_EQ(all[2].y, 7);
    EXPECT_EQ(all[2].changed, 0u);
}

// Every code that a key gives is found again, by a key that gives it.
TEST(Keymap, GoesBothWays)
{
    std::set<int> codes;
    for (unsigned usage = 0; usage < 256; ++usage) {
        for (uint16_t held : {0, 1, 2, 4, 3, 5, 6, 7, 0x100}) {
            int code = keymap::code_of(uint8_t(usage), held);
            if (code) codes.insert(code);
        }
    }
    EXPECT_GT(codes.size(), 400u);
    for (int code : codes) {
        auto chord = keymap::chord_of(code);
        ASSERT_NE(chord.usage, 0) << code;
        if ((code & ~VESPER_KEY_ALT) == (VESPER_KEY_CENTER | VESPER_KEY_SHIFT)) continue;
        EXPECT_EQ(keymap::code_of(chord.usage, chord.modifiers), code) << int(chord.usage);
    }
    for (int c = 1; c < 127; ++c) EXPECT_EQ(codes.count(c), 1u) << c;
    for (int code : {0, 127, 128, 255, 0x110, 0x1ff, 0x10000, -1})
        EXPECT_EQ(keymap::chord_of(code).usage, 0) << code;
}

}  // namespace
