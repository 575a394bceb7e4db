/* SPDX-License-Identifier: BSD-2-Clause
 * events - keys going down and up, and what a mouse does, as they come; Escape ends it.
 *
 *   ./vesper run samples/events.c
 *   ./vesper run samples/events.c --display gtk
 *
 * A serial terminal tells only of characters: each is a press and a release at once. The second
 * line has a keyboard and a mouse. It shows input->info, key_event, pointer_event, held, modifiers,
 * clear and lost, and power->idle. */
#include "vesper.h"
#include "vesper_text.h"

enum { escape = 0x29 }; /* HID Usage Tables, page 7 */

static uint32_t milliseconds(uint64_t time) { return (uint32_t)(time / 1000); }

static void list_devices(const struct vesper* vesper)
{
    static const char* const kinds[] = {"?", "keyboard", "pointer", "terminal"};
    struct vesper_input_info info;
    for (int device = 0; vesper->input->info(device, &info) >= 0; ++device)
        vesper_print(vesper, "%d: %s, %s: %s\n", device, info.name, kinds[info.kind & 3],
                     info.model);
}

static void show_key(const struct vesper* vesper, const struct vesper_key_event* event)
{
    static const char* const verbs[] = {"up", "down", "repeated"};
    vesper_print(vesper, "%6u ms, device %d: key 0x%02x %s, modifiers 0x%03x, code 0x%x; held:",
                 milliseconds(event->time), event->device, event->usage, verbs[event->down % 3],
                 event->modifiers, (uint32_t)event->key);
    for (uint32_t usage = 0; usage <= 255; ++usage) {
        if (vesper->input->held(usage) > 0) vesper_print(vesper, " 0x%02x", usage);
    }
    vesper->emit('\n');
}

static void show_pointer(const struct vesper* vesper, const struct vesper_pointer_event* event)
{
    vesper_print(vesper, "%6u ms, device %d: %s %d, %d, wheel %d, buttons 0x%02x, changed 0x%02x\n",
                 milliseconds(event->time), event->device, event->absolute ? "at" : "by", event->x,
                 event->y, event->wheel, event->buttons, event->changed);
}

int main(struct vesper* vesper)
{
    struct vesper_key_event key = {};
    struct vesper_pointer_event pointer;

    list_devices(vesper);
    vesper->input->clear();
    vesper_print(vesper, "Press keys, move the mouse; Escape ends it.\n");
    while (key.usage != escape || key.down) { /* until it has been released */
        if (vesper->input->key_event(&key) > 0)
            show_key(vesper, &key);
        else if (vesper->input->pointer_event(&pointer) > 0)
            show_pointer(vesper, &pointer);
        else
            vesper->power->idle();
    }
    vesper_print(vesper, "modifiers now 0x%03x; %d events were lost\n",
                 (uint32_t)vesper->input->modifiers(), vesper->input->lost());
    vesper->input->clear(); /* the monitor shall not get what was typed here */
    return 0;
}
