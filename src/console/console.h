// SPDX-License-Identifier: BSD-2-Clause
// The console: all text outputs and all key inputs of the machine as one.
#pragma once
#include <cstdint>
#include <span>
#include <string_view>
#include "hal/classes.h"
#include "hal/result.h"

namespace console {

// `console=com0,pckbd0,vga` (names as published, or without their number): only these are used from
// now on, also if they appear later. Where none of the outputs is named all are used, and likewise
// of the inputs: a wrong name leaves nobody without a console. "" and "all" mean all.
void choose(std::string_view names);
// The output and input of this name belong to somebody else, whatever is chosen. Before there are
// any.
void leave_alone(std::string_view name);

void write(std::string_view text);
// May be called while another call of the console is under way, from an interrupt: that one then
// writes it. A write() that comes in between is a fault report, and goes out at once.
void put_char(char c);

// The cells of the largest screen; 80 x 24 where there are only serial lines. All calls take
// positions on it; smaller outputs show what fits. Errors: invalid (beyond its cells).
struct Cells {
    unsigned columns, rows;
};
Cells cells();
unsigned size_changes();  // how many times cells() has changed: a screen may appear later
Result<void> put_cell(unsigned column, unsigned row, char c, uint8_t attribute);
// Cells of one row at once: attribute << 8 | character. The cursor stays.
Result<void> put_cells(unsigned column, unsigned row, std::span<const uint16_t> cells);
Result<void> fill(unsigned column, unsigned row, unsigned columns, unsigned rows, char c,
                  uint8_t attribute);
Result<void> move_cursor(unsigned column, unsigned row);
TextOutput::Position cursor();  // on the largest screen
void show_cursor(bool shown);
void set_attribute(uint8_t attribute);
void clear();
void scroll(int lines);  // the scrolling region
// Only rows top ... bottom - 1 scroll from now on, two at least; 0, 0: all.
Result<void> set_scroll_region(unsigned top, unsigned bottom);
// What is written next begins a line, in the usual colours, with the cursor shown and all rows
// scrolling, whatever a payload has left.
void begin_anew();

// A line about what the driver of a device does, on all outputs but that device, and not for the
// log. Only when no call of the console is under way.
void write_trace(std::string_view line, std::string_view device);
bool is_busy();

// The next key, in the codes of include/vesper.h; -1 if there is none. Looks at the hardware too,
// so that it works with interrupts off.
int poll_key();
// Rests until there is one; or -Error::interrupted, if the payload is to be told of a break.
int wait_key();

void poll_inputs();                     // all that are chosen, and pointers; interrupts are off
bool hears(const InputDevice& device);  // it is one that is chosen

// hal::log_line(), key_pressed() and break_pressed() of the kernel; host tests have their own.
void log(std::string_view line);
void take_key(const KeyInput& from, int code);
void take_break(const KeyInput& from);

// All that has been logged, oldest first, as far as it is kept (16 KiB).
struct LogText {
    std::string_view older, newer;
};
LogText log_text();

}  // namespace console
