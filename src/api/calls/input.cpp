// SPDX-License-Identifier: BSD-2-Clause
// Keys going down and up, mice.
#include "console/input.h"
#include "api/call.h"
#include "console/console.h"

namespace {

int number_of(const InputDevice* device) { return number_among(first_input_device(), device); }

uint32_t kind_of(const InputDevice& device)
{
    switch (device.kind) {
    case InputDevice::Kind::keyboard: return VESPER_KEYBOARD;
    case InputDevice::Kind::pointer: return VESPER_POINTER;
    case InputDevice::Kind::line: break;
    }
    return VESPER_TERMINAL;
}

}  // namespace

int api_input_info(int number, vesper_input_info* info)
{
    InputDevice* device = numbered(first_input_device(), number);
    if (!device) return VESPER_NOT_FOUND;
    info->kind = kind_of(*device);
    copy_text(info->name, device->name);
    copy_text(info->model, device->model);
    return 0;
}

int api_input_key_event(vesper_key_event* event)
{
    input::KeyEvent next;
    if (!input::next_key_event(next)) return 0;
    *event = {.time = next.time_us,
              .usage = next.usage,
              .modifiers = next.modifiers,
              .down = next.down + next.repeated,
              .key = next.key,
              .device = number_of(next.device)};
    return 1;
}

int api_input_pointer_event(vesper_pointer_event* event)
{
    input::PointerEvent next;
    if (!input::next_pointer_event(next)) return 0;
    *event = {.time = next.time_us,
              .x = next.x,
              .y = next.y,
              .wheel = next.wheel,
              .buttons = next.buttons,
              .changed = next.changed,
              .absolute = next.absolute,
              .device = number_of(next.device)};
    return 1;
}

int api_input_held(uint32_t usage)
{
    return usage > 255 ? int{VESPER_INVALID} : input::is_held(static_cast<uint8_t>(usage));
}

int api_input_modifiers() { return input::modifiers(); }

int api_input_clear()
{
    input::clear();
    for (int key = 0; key >= 0;) key = console::poll_key();
    return 0;
}

int api_input_lost()
{
    input::Lost lost = input::lost();
    return static_cast<int>(lost.keys + lost.pointers);
}
