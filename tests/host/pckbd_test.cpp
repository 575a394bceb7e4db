// SPDX-License-Identifier: BSD-2-Clause
#include <gtest/gtest.h>
#include <random>
#include "fakes/i8042.h"
#include "vesper.h"

extern const Driver pckbd;

namespace {

using Keys = std::vector<int>;

struct Pckbd : testing::Test {
    FakeMachine machine;
    FakeController controller;
    void plug() { machine.ports(0x60, 5, controller); }
    void attach(uint8_t command_byte = 0x65)
    {
        controller.command_byte = command_byte;
        plug();
        ASSERT_TRUE(machine.attach(pckbd));
        ASSERT_NE(first_input_device(), nullptr);
        EXPECT_EQ(first_input_device()->name.view(), "pckbd0");
        for (int i = 0; i < 4; ++i)
            first_input_device()->poll();  // the keyboard's acknowledgements
    }
    Keys keys(std::initializer_list<int> bytes)
    {
        machine.keys.clear();
        for (int byte : bytes) {
            controller.output.push_back({uint8_t(byte), false});
            machine.interrupt(1);
        }
        return machine.keys;
    }
};

TEST_F(Pckbd, SetsTheControllerUpWithoutAReset)
{
    controller.output = {{0x1e, false}, {0x9e, false}};  // typed at the loader
    attach();
    EXPECT_EQ(controller.command_byte, 0x65);  // keyboard and interrupt on, mouse off, translating
    EXPECT_EQ(controller.told, (std::vector<uint8_t>{0xf4, 0xed, 0x00}));
    EXPECT_EQ(machine.keys, Keys{});
    EXPECT_LT(machine.now_us, 100u);
    EXPECT_TRUE(machine.logged("pckbd0 at mainbus0 isa: PS/2 keyboard, scan code set 1"));
}

TEST_F(Pckbd, SwitchesTheMousePortOff)
{
    attach(0x47);
    EXPECT_EQ(controller.command_byte, 0x65);
}

TEST_F(Pckbd, IsNotFoundWithoutController)
{
    controller.present = false;
    plug();
    EXPECT_FALSE(machine.attach(pckbd));
    EXPECT_EQ(machine.now_us, 0u);
    EXPECT_TRUE(machine.log.empty());
}

TEST_F(Pckbd, GivesUpOnAControllerThatNeverAnswers)
{
    controller.answers = false;
    plug();
    EXPECT_TRUE(machine.attach(pckbd));
    EXPECT_TRUE(machine.logged("pckbd0: not usable"));
    EXPECT_EQ(first_input_device(), nullptr);
    EXPECT_LT(machine.now_us, 200'000u);
}

TEST_F(Pckbd, GivesUpOnAControllerThatIsAlwaysBusy)
{
    controller.full = true;
    plug();
    EXPECT_TRUE(machine.attach(pckbd));
    EXPECT_TRUE(machine.logged("pckbd0: not usable"));
    EXPECT_LT(machine.now_us, 200'000u);
}

TEST_F(Pckbd, WorksWithoutAnswersOfTheKeyboard)
{
    controller.keyboard_answers = false;
    attach();
    EXPECT_EQ(keys({0x1e, 0x9e}), Keys{'a'});
    machine.now_us += 600'000;
    first_input_device()->poll();
    EXPECT_EQ(keys({0x30}), Keys{'b'});
    machine.now_us += 600'000;
    for (int i = 0; i < 100; ++i) first_input_device()->poll();
    EXPECT_LE(controller.told.size(), 3u);  // it is not asked for ever
}

TEST_F(Pckbd, StopsRepeatingWhatTheKeyboardRefuses)
{
    controller.resends = true;
    attach();
    for (int i = 0; i < 100; ++i) first_input_device()->poll();
    EXPECT_LE(controller.told.size(), 6u);
    EXPECT_EQ(keys({0x1e}), Keys{'a'});
}

TEST_F(Pckbd, TypesAllPrintableCharacters)
{
    attach();
    std::string plain, shifted;
    for (int code = 1; code < 0x3a; ++code) {
        if (code == 0x1d || code == 0x2a || code == 0x36 || code == 0x38) continue;
        for (int key : keys({code, code | 0x80})) plain += char(key);
        for (int key : keys({0x2a, code, code | 0x80, 0xaa})) shifted += char(key);
    }
    EXPECT_EQ(plain, "\0331234567890-=\b\tqwertyuiop[]\rasdfghjkl;'`\\zxcvbnm,./* ");
    EXPECT_EQ(shifted, "\033!@#$%^&*()_+\b\tQWERTYUIOP{}\rASDFGHJKL:\"~|ZXCVBNM<>?* ");
    EXPECT_EQ(keys({0x56}), Keys{'\\'});
}

TEST_F(Pckbd, AppliesModifiers)
{
    attach();
    EXPECT_EQ(keys({0x1d, 0x2e, 0x9d}), Keys{3});               // Control C
    EXPECT_EQ(keys({0xe0, 0x1d, 0x1a, 0xe0, 0x9d}), Keys{27});  // Control [
    EXPECT_EQ(keys({0x1d, 0x02, 0x9d}), Keys{'1'});
    EXPECT_EQ(keys({0x38, 0x2d, 0xb8}), Keys{'x' | VESPER_KEY_ALT});
    EXPECT_EQ(keys({0xe0, 0x38, 0x2d, 0xe0, 0xb8}), Keys{'x' | VESPER_KEY_ALT});
    EXPECT_EQ(keys({0x2a, 0xe0, 0x48, 0xaa}), Keys{VESPER_KEY_UP | VESPER_KEY_SHIFT});
    EXPECT_EQ(keys({0x1d, 0x38, 0xe0, 0x53, 0x9d, 0xb8}),
              Keys{VESPER_KEY_DELETE | VESPER_KEY_CONTROL | VESPER_KEY_ALT});
    EXPECT_EQ(keys({0x2a, 0x36, 0xaa, 0x1e, 0xb6, 0x1e}), (Keys{'A', 'a'}));  // both shifts
}

TEST_F(Pckbd, TellsControlAltEscape)
{
    attach();
    EXPECT_EQ(keys({0x1d, 0x01, 0x81, 0x38, 0x9d, 0x01, 0x81, 0xb8}),
              (Keys{27, 27 | VESPER_KEY_ALT}));
    EXPECT_EQ(machine.breaks, 0);
    EXPECT_EQ(keys({0x1d, 0x38, 0x01, 0x81, 0xb8, 0x9d}), Keys{});
    EXPECT_EQ(machine.breaks, 1);
    EXPECT_EQ(keys({0x1e}), Keys{'a'});
}

TEST_F(Pckbd, LocksAndShowsIt)
{
    attach();
    EXPECT_EQ(keys({0x3a, 0x3a, 0x3a, 0xba, 0x1e, 0x02, 0x2a, 0x1e, 0xaa}), (Keys{'A', '1', 'a'}));
    for (int i = 0; i < 4; ++i) machine.interrupt(1);
    ASSERT_GE(controller.told.size(), 2u);
    EXPECT_EQ(controller.told[controller.told.size() - 2], 0xed);
    EXPECT_EQ(controller.told.back(), 0x04);
    EXPECT_EQ(keys({0x3a, 0xba, 0x1e}), Keys{'a'});
    for (int i = 0; i < 4; ++i) machine.interrupt(1);
    EXPECT_EQ(controller.told.back(), 0x00);
}

TEST_F(Pckbd, HasAKeypadWithAndWithoutNumLock)
{
    attach();
    EXPECT_EQ(keys({0x47, 0x4c, 0x53, 0x4a, 0x4e, 0xe0, 0x35, 0xe0, 0x1c}),
              (Keys{VESPER_KEY_HOME, VESPER_KEY_CENTER, VESPER_KEY_DELETE, '-', '+', '/', 13}));
    EXPECT_EQ(keys({0x45, 0xc5, 0x47, 0x4c, 0x53, 0x4a}), (Keys{'7', '5', '.', '-'}));
    EXPECT_EQ(keys({0x2a, 0x47, 0xaa}), Keys{VESPER_KEY_HOME | VESPER_KEY_SHIFT});
}

TEST_F(Pckbd, HasTheKeysWithPrefixes)
{
    attach();
    EXPECT_EQ(keys({0xe0, 0x48, 0xe0, 0xc8, 0xe0, 0x50, 0xe0, 0x4b, 0xe0, 0x4d}),
              (Keys{VESPER_KEY_UP, VESPER_KEY_DOWN, VESPER_KEY_LEFT, VESPER_KEY_RIGHT}));
    EXPECT_EQ(keys({0xe0, 0x47, 0xe0, 0x4f, 0xe0, 0x49, 0xe0, 0x51, 0xe0, 0x52, 0xe0, 0x53}),
              (Keys{VESPER_KEY_HOME, VESPER_KEY_END, VESPER_KEY_PAGE_UP, VESPER_KEY_PAGE_DOWN,
                    VESPER_KEY_INSERT, VESPER_KEY_DELETE}));
    // With Num Lock on, keyboards put shifts around them.
    EXPECT_EQ(keys({0xe0, 0x2a, 0xe0, 0x48, 0xe0, 0xc8, 0xe0, 0xaa, 0x1e}),
              (Keys{VESPER_KEY_UP, 'a'}));
    EXPECT_EQ(keys({0xe0, 0x2a, 0xe0, 0x37, 0xe0, 0xb7, 0xe0, 0xaa}), Keys{VESPER_KEY_PRINT});
    EXPECT_EQ(keys({0x38, 0x54, 0xd4, 0xb8}), Keys{VESPER_KEY_PRINT | VESPER_KEY_ALT});
    EXPECT_EQ(keys({0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5, 0x1e}), (Keys{VESPER_KEY_PAUSE, 'a'}));
    EXPECT_EQ(keys({0x1d, 0xe0, 0x46, 0xe0, 0xc6, 0x9d}),
              Keys{VESPER_KEY_PAUSE | VESPER_KEY_CONTROL});
    EXPECT_EQ(keys({0x3b, 0x44, 0x57, 0x58, 0xe0, 0x5d}),
              (Keys{VESPER_KEY_F1, VESPER_KEY_F1 + 9, VESPER_KEY_F1 + 10, VESPER_KEY_F12,
                    VESPER_KEY_MENU}));
}

TEST_F(Pckbd, UnderstandsSet2WhereNothingTranslates)
{
    attach(0x05);
    EXPECT_EQ(controller.command_byte & 0x40, 0);
    EXPECT_TRUE(machine.logged("scan code set 2"));
    EXPECT_EQ(keys({0x1c, 0xf0, 0x1c, 0x12, 0x1c, 0xf0, 0x1c, 0xf0, 0x12, 0x1c}),
              (Keys{'a', 'A', 'a'}));
    EXPECT_EQ(keys({0xe0, 0x75, 0xe0, 0xf0, 0x75, 0xe0, 0x5a}), (Keys{VESPER_KEY_UP, 13}));
    EXPECT_EQ(keys({0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77, 0x5a}),
              (Keys{VESPER_KEY_PAUSE, 13}));
    EXPECT_EQ(keys({0x05, 0x83, 0x07, 0x66, 0x76}),
              (Keys{VESPER_KEY_F1, VESPER_KEY_F1 + 6, VESPER_KEY_F12, 8, 27}));
    EXPECT_EQ(keys({0x16, 0x1e, 0x26, 0x4a, 0x5d, 0x29}), (Keys{'1', '2', '3', '/', '\\', ' '}));
}

TEST_F(Pckbd, ReleasesAllAfterAnOverrun)
{
    attach();
    EXPECT_EQ(keys({0x2a, 0x1d, 0xff, 0x1e}), Keys{'a'});
    EXPECT_EQ(keys({0x2a, 0xe0, 0x00, 0x1e}), Keys{'a'});
}

TEST_F(Pckbd, DropsWhatTheMouseSends)
{
    attach();
    machine.keys.clear();
    controller.output = {{0x1e, true}, {0x30, false}, {0x2e, true}};
    machine.interrupt(1);
    EXPECT_EQ(machine.keys, Keys{'b'});
    EXPECT_TRUE(controller.output.empty());
}

TEST_F(Pckbd, GivesTheSameByPolling)
{
    machine.interrupts_work = false;
    attach();
    controller.output = {{0x23, false}, {0xa3, false}, {0x17, false}};
    first_input_device()->poll();
    EXPECT_EQ(machine.keys, (Keys{'h', 'i'}));
}

TEST_F(Pckbd, SurvivesGarbageAndRemoval)
{
    for (uint8_t command_byte : {0x65, 0x05}) {
        attach(command_byte);
        std::minstd_rand random(1);
        for (int i = 0; i < 100'000; ++i) keys({int(random() >> 8 & 0xff)});
        for (int key : keys({0xff, 0x1e})) EXPECT_GT(key, 0);
    }
    controller.gone = true;
    machine.keys.clear();
    machine.interrupt(1);
    EXPECT_EQ(machine.keys, Keys{});
}

}  // namespace
