// SPDX-License-Identifier: BSD-2-Clause
// events - a command of the monitor: what keyboards, mice and the power button send, as it comes.
#include "arch/power.h"
#include "console/input.h"
#include "debug/tool.h"
#include "hal/time.h"

namespace {

using monitor::print;

void show(const input::KeyEvent& event)
{
    print("{10} {}: usage {02x} {}, modifiers {03x}, key {x}\n", event.time_us,
          event.device->name.view(), event.usage,
          event.repeated ? "repeated"
          : event.down   ? "down"
                         : "up",
          event.modifiers, static_cast<unsigned>(event.key));
}

void show(const input::PointerEvent& event)
{
    print("{10} {}: {} {}, {}, wheel {}, buttons {02x}, changed {02x}\n", event.time_us,
          event.device->name.view(), event.absolute ? "at" : "by", event.x, event.y, event.wheel,
          event.buttons, event.changed);
}

Result<void> events(monitor::Call& call)
{
    TRY(call.end());
    bool has_button{power::button_pressed()};
    input::clear();
    for (InputDevice* i = first_input_device(); i; i = i->next)
        print("{}: {}\n", i->name.view(), i->model);
    for (bool done = false; !done; hal::idle()) {
        for (input::KeyEvent event; input::next_key_event(event); show(event))
            done |= event.key == 'q';
        for (input::PointerEvent event; input::next_pointer_event(event);) show(event);
        if (has_button && power::button_pressed().value()) print("power button\n");
        while (console::poll_key() >= 0) {}
    }
    return {};
}

constexpr monitor::Command commands[] = {
    {"events", "", "show what keyboards, mice and the button send", events,
     "Until the key q goes down. From then on the power button does not switch off."},
};

}  // namespace

extern const debug::Tool events_tool = {.name = "events", .commands = commands};
