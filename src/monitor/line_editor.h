// SPDX-License-Identifier: BSD-2-Clause
// A line that somebody types, on all consoles at once: they need to know no more than \b.
//
// Backspace and Delete, Left, Right, Home and End (also Control-A and Control-E), Control-U for an
// empty line, Control-C to give it up, Up and Down for the lines before. A line longer than a row
// of the screen is shown in part.
#pragma once
#include <array>
#include <string_view>
#include "lib/format.h"

namespace monitor {

class LineEditor {
public:
    // What has been typed, up to Enter; valid until the next call.
    std::string_view read(std::string_view prompt);
    // An empty line again: where a read() was interrupted by another one.
    void begin();

private:
    static constexpr size_t capacity = 256, columns = 70, remembered = 8;

    bool take(int key);  // false: that was Enter, or an end like it
    void insert(char c);
    void erase(size_t at);
    void replace(std::string_view text);
    void recall(size_t age);  // of a line before, in lines; 0 is an empty one
    void remember();

    void draw(size_t from);
    void move_to(size_t column);

    char line_[capacity] = {};
    size_t length_ = 0, cursor_ = 0;
    size_t first_ = 0;   // the first character on the screen, and
    size_t shown_ = 0;   // how many are there
    size_t column_ = 0;  // where the screen's cursor is, behind the prompt
    std::array<Text<capacity>, remembered> before_;
    size_t count_ = 0;  // of all lines that have been remembered
    size_t age_ = 0;    // of the line that is shown
};

}  // namespace monitor
