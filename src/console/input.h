// SPDX-License-Identifier: BSD-2-Clause
// Keys going down and up, and pointers moving, as events: a queue of each kind beside that of
// console::poll_key(), which goes on as it is. Keys have the usage numbers of USB (HID Usage
// Tables 1.5, page 7), whatever keyboard they are on. The queues keep the newest 256 events; older
// ones that nobody read are dropped and counted.
#pragma once
#include <cstdint>
#include "hal/classes.h"

class PointerInput;

extern const bool config_has_events;  // of the configuration: false leaves out all but plain keys

namespace input {

// The lower byte is that of a USB keyboard's report; the locks follow as its lights do.
enum Modifier : uint16_t {
    left_control = 1 << 0,
    left_shift = 1 << 1,
    left_alt = 1 << 2,
    left_gui = 1 << 3,
    right_control = 1 << 4,
    right_shift = 1 << 5,
    right_alt = 1 << 6,
    right_gui = 1 << 7,
    num_lock = 1 << 8,
    caps_lock = 1 << 9,
    scroll_lock = 1 << 10,
    control = left_control | right_control,
    shift = left_shift | right_shift,
    alt = left_alt | right_alt,
};

struct KeyEvent {
    uint64_t time_us;        // of hal::now_us(), when the kernel saw it
    const KeyInput* device;  // that it came from
    int key;             // what console::poll_key() gives for it, 0 if nothing: so at each release
    uint16_t modifiers;  // held, and locked, once this event has happened
    uint8_t usage;       // 0: a character of a serial line that no key has
    bool down;
    bool repeated;  // it was down already: a keyboard repeats what is held
};

struct PointerEvent {
    uint64_t time_us;
    const PointerInput* device;
    // Relative: how far it went, right and down positive. Absolute: where it is, 0 ... 65535 from
    // the left and the top of the screen.
    int x, y;
    int wheel;         // steps, away from the user positive
    uint32_t buttons;  // held now: bit 0 left, 1 right, 2 middle, 3 back, 4 forward
    uint32_t changed;  // of those, pressed or released by this event
    bool absolute;
};

// The oldest event that nobody has read; false if there is none. Looks at the hardware too.
bool next_key_event(KeyEvent& event);
bool next_pointer_event(PointerEvent& event);

// On any keyboard, now. What comes by a serial line is never held. Both look at the hardware too.
bool is_held(uint8_t usage);
uint16_t modifiers();

void clear();  // forgets the events that nobody has read, but not which keys are held
struct Lost {
    unsigned keys, pointers;
};
Lost lost();  // events that were dropped since boot

// ---- for those who bring keys

// A key of a terminal, by its code: it goes down and up.
void typed(const KeyInput& from, int code);

// Every key of every keyboard and terminal comes through here: into the queue of events, and to
// key_pressed() if it means something.
void take(const KeyEvent& event);
void take(const PointerEvent& event);

}  // namespace input

// What keyboards have in common. A driver says which key went down or up; repeats may be told as
// further downs.
class Keyboard : public KeyInput {
public:
    Keyboard() { kind = Kind::keyboard; }
    bool is_held(uint8_t usage) const { return held_[usage / 32] >> usage % 32 & 1; }
    uint16_t modifiers() const { return modifiers_; }

protected:
    void key(uint8_t usage, bool down);
    void release_all();  // nothing is known of the keys any more: unplugged, or bytes were lost
    ~Keyboard() = default;

private:
    uint32_t held_[256 / 32] = {};
    uint16_t modifiers_ = 0;
};

// What mice, tablets and touch screens have in common. Each call is an event, if anything is new.
class PointerInput : public InputDevice {
public:
    PointerInput() { kind = Kind::pointer; }

protected:
    void moved_by(int x, int y, int wheel, uint32_t buttons);
    void moved_to(int x, int y, int wheel, uint32_t buttons);  // 0 ... 65535
    ~PointerInput() = default;

private:
    int x_ = -1, y_ = -1;  // of an absolute one
    uint32_t buttons_ = 0;
};
