// SPDX-License-Identifier: BSD-2-Clause
// What drivers say, and the keys that they bring, go to the console.
#include "hal/log.h"
#include "console/console.h"

void hal::log_line(std::string_view line) { console::log(line); }

void key_pressed(const KeyInput& from, int code) { console::take_key(from, code); }
void break_pressed(const KeyInput& from) { console::take_break(from); }
