// SPDX-License-Identifier: BSD-2-Clause
// What drivers say, what they are seen doing, and the keys that they bring, go to the console.
#include "hal/log.h"
#include "console/console.h"
#include "hal/trace.h"

void hal::log_line(std::string_view line) { console::log(line); }
void hal::trace_line(std::string_view line, std::string_view about)
{
    console::write_trace(line, about);
}
bool hal::trace_must_wait() { return console::is_busy(); }

void key_pressed(const KeyInput& from, int code) { console::take_key(from, code); }
void break_pressed(const KeyInput& from) { console::take_break(from); }
