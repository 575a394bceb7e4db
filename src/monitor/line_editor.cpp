// SPDX-License-Identifier: BSD-2-Clause
#include "monitor/line_editor.h"
#include <algorithm>
#include "console/console.h"
#include "vesper.h"

namespace monitor {

static constexpr int control(char letter) { return letter - '@'; }

std::string_view LineEditor::read(std::string_view prompt)
{
    console::write(prompt);
    begin();
    while (take(console::wait_key())) {}
    console::write("\n");
    remember();
    return {line_, length_};
}

void LineEditor::begin() { length_ = cursor_ = first_ = shown_ = column_ = age_ = 0; }

bool LineEditor::take(int key)
{
    switch (key) {
    case '\r': return false;
    case control('C'): length_ = 0; return false;
    case control('U'): replace(""); break;
    case '\b':
        if (cursor_ > 0) erase(cursor_ - 1);
        break;
    case VESPER_KEY_DELETE: erase(cursor_); break;
    case VESPER_KEY_LEFT: cursor_ -= cursor_ > 0; break;
    case VESPER_KEY_RIGHT: cursor_ += cursor_ < length_; break;
    case VESPER_KEY_HOME:
    case control('A'): cursor_ = 0; break;
    case VESPER_KEY_END:
    case control('E'): cursor_ = length_; break;
    case VESPER_KEY_UP: recall(age_ + 1); break;
    case VESPER_KEY_DOWN: recall(age_ - (age_ > 0)); break;
    default:
        if (key >= ' ' && key < 0x7f) insert(static_cast<char>(key));
    }
    draw(length_);
    return true;
}

void LineEditor::insert(char c)
{
    if (length_ == capacity - 1) return;
    std::copy_backward(line_ + cursor_, line_ + length_, line_ + length_ + 1);
    line_[cursor_++] = c;
    ++length_;
    draw(cursor_ - 1);
}

void LineEditor::erase(size_t at)
{
    if (at >= length_) return;
    std::copy(line_ + at + 1, line_ + length_, line_ + at);
    --length_;
    cursor_ = at;
    draw(at);
}

void LineEditor::replace(std::string_view text)
{
    length_ = cursor_ = text.copy(line_, capacity - 1);
    draw(0);
}

void LineEditor::recall(size_t age)
{
    if (age > std::min(count_, remembered)) return;
    age_ = age;
    replace(age ? before_[(count_ - age) % remembered].view() : "");
}

void LineEditor::remember()
{
    std::string_view line(line_, length_);
    if (line.empty() || (count_ && before_[(count_ - 1) % remembered].view() == line)) return;
    before_[count_++ % remembered] = Text<capacity>(line);
}

// The line has changed from here on.
void LineEditor::draw(size_t from)
{
    if (cursor_ < first_ || cursor_ > first_ + columns) {
        first_ = cursor_ - std::min(cursor_, columns / 2);
        from = first_;
    }
    from = std::clamp(from, first_, first_ + columns);
    size_t end = std::min(length_, first_ + columns);
    if (from < end || end - first_ < shown_) {
        from = std::min(from, end);
        move_to(from - first_);
        console::write({line_ + from, end - from});
        column_ = end - first_;
        for (; column_ < shown_; ++column_) console::write(" ");
        shown_ = end - first_;
    }
    move_to(cursor_ - first_);
}

void LineEditor::move_to(size_t column)
{
    for (; column_ > column; --column_) console::write("\b");
    if (column_ < column) console::write({line_ + first_ + column_, column - column_});
    column_ = column;
}

}  // namespace monitor
