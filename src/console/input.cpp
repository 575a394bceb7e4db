// SPDX-License-Identifier: BSD-2-Clause
#include "console/input.h"
#include "console/console.h"
#include "console/keymap.h"
#include "hal/time.h"
#include "lib/ring.h"

namespace input {

namespace {

// What interrupt handlers fill and calls empty with interrupts off: so the oldest may give way.
template <class Event> struct Queue {
    Ring<Event, 256> events;
    unsigned lost = 0;

    void push(const Event& event)
    {
        if (Event oldest; events.size() == 256 && events.pop(oldest)) ++lost;
        events.push(event);
    }
    bool next(Event& event)
    {
        hal::InterruptsOff interrupts;
        if (events.pop(event)) return true;
        console::poll_inputs();
        return events.pop(event);
    }
};
constinit Queue<KeyEvent> key_events;
constinit Queue<PointerEvent> pointer_events;

void for_each_keyboard(auto action)
{
    hal::InterruptsOff interrupts;
    console::poll_inputs();
    for (InputDevice* i = first_input_device(); i; i = i->next) {
        if (i->kind == InputDevice::Kind::keyboard && i->enabled)
            action(*static_cast<Keyboard*>(i));
    }
}

}  // namespace

bool next_key_event(KeyEvent& event) { return key_events.next(event); }
bool next_pointer_event(PointerEvent& event) { return pointer_events.next(event); }

bool is_held(uint8_t usage)
{
    bool held = false;
    for_each_keyboard([&](const Keyboard& keyboard) { held |= keyboard.is_held(usage); });
    return held;
}

uint16_t modifiers()
{
    uint16_t all = 0;
    for_each_keyboard([&](const Keyboard& keyboard) { all |= keyboard.modifiers(); });
    return all;
}

void clear()
{
    hal::InterruptsOff interrupts;
    key_events.events.clear();
    pointer_events.events.clear();
}

Lost lost() { return {key_events.lost, pointer_events.lost}; }

void typed(const KeyInput& from, int code)
{
    if (!config_has_events) return key_pressed(from, code);
    auto chord = keymap::chord_of(code);
    KeyEvent event = {hal::now_us(), &from, code, chord.modifiers, chord.usage, true, false};
    take(event);
    event.key = 0;
    event.down = false;
    take(event);
}

void take(const KeyEvent& event)
{
    if (config_has_events && console::hears(*event.device)) key_events.push(event);
    if (event.key) key_pressed(*event.device, event.key);
}

void take(const PointerEvent& event) { pointer_events.push(event); }

}  // namespace input

// For the host tests.
void reset_input()
{
    input::clear();
    input::key_events.lost = input::pointer_events.lost = 0;
}

void Keyboard::key(uint8_t usage, bool down)
{
    if (down && usage == keymap::escape && modifiers_ & input::control && modifiers_ & input::alt)
        return break_pressed(*this);
    uint32_t bit = 1u << usage % 32;
    bool held = held_[usage / 32] & bit;
    if (!down && !held) return;  // it went down before anybody looked
    held_[usage / 32] = down ? held_[usage / 32] | bit : held_[usage / 32] & ~bit;
    unsigned modifier = 0, lock = 0;
    if (usage >= keymap::left_control && usage <= keymap::right_gui)
        modifier = 1u << (usage - keymap::left_control);
    else if (down && !held)
        lock = usage == keymap::num_lock      ? input::num_lock
               : usage == keymap::caps_lock   ? input::caps_lock
               : usage == keymap::scroll_lock ? input::scroll_lock
                                              : 0;
    modifiers_ =
        static_cast<uint16_t>((down ? modifiers_ | modifier : modifiers_ & ~modifier) ^ lock);
    int code = down ? keymap::code_of(usage, modifiers_) : 0;
    input::take({hal::now_us(), this, code, modifiers_, usage, down, held && down});
}

void Keyboard::release_all()
{
    for (unsigned usage = 0; usage < 256; ++usage) {
        if (is_held(static_cast<uint8_t>(usage))) key(static_cast<uint8_t>(usage), false);
    }
}

void PointerInput::moved_by(int x, int y, int wheel, uint32_t buttons)
{
    uint32_t changed = buttons ^ buttons_;
    buttons_ = buttons;
    if (x || y || wheel || changed)
        input::take({hal::now_us(), this, x, y, wheel, buttons, changed, false});
}

void PointerInput::moved_to(int x, int y, int wheel, uint32_t buttons)
{
    uint32_t changed = buttons ^ buttons_;
    if (x == x_ && y == y_ && !wheel && !changed) return;
    x_ = x, y_ = y;
    buttons_ = buttons;
    input::take({hal::now_us(), this, x, y, wheel, buttons, changed, true});
}
