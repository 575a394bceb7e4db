// SPDX-License-Identifier: BSD-2-Clause
// Standards: ECMA-48 (5th edition, 1991); what terminals send for keys: xterm's ctlseqs,
// console_codes(4).
#include "console/terminal.h"
#include "console/input.h"
#include "hal/time.h"
#include "vesper.h"

namespace {

// Between the bytes of one sequence; a person is slower. 115200 baud need 0.1 ms, a network some,
// and a busy host 20 ms and more before a virtual machine goes on.
constexpr uint64_t gap_us = 50'000;
constexpr uint8_t escape = 27;

// A character of code page 437 in ASCII: shades, lines and blocks by what resembles them.
char ascii_for(char c)
{
    auto code = static_cast<uint8_t>(c);
    constexpr std::string_view from_b0 = ":%#|++++++|+++++++++-++++++++=+++++++++++++#####";
    if (code >= 0xb0 && code - 0xb0u < from_b0.size()) return from_b0[code - 0xb0];
    return code >= ' ' && code < 0x7f ? c : '?';
}

// "Select graphic rendition". ANSI numbers colours with red as bit 0, VGA with blue.
Text<32> colours(uint8_t attribute)
{
    constexpr uint8_t ansi[8] = {0, 4, 2, 6, 1, 5, 3, 7};
    unsigned front = ansi[attribute & 7] + (attribute & 8 ? 90u : 30u);
    unsigned back = ansi[attribute >> 4 & 7] + (attribute & 0x80 ? 100u : 40u);
    Text<32> text;
    // The terminal's own colours where ours are the usual ones: it may be black on white.
    if (attribute == TextOutput::default_attribute) return text.append("\033[0m");
    return text.print("\033[0;{};{}m", front, back);
}

}  // namespace

void Terminal::write(std::string_view text)
{
    for (char c : text) follow(c);
    while (!text.empty()) {
        size_t line = text.find('\n');
        send(text.substr(0, line));
        if (line == text.npos) return;
        send("\r\n");
        text.remove_prefix(line + 1);
    }
}

void Terminal::send_numbers(Format format, unsigned a, unsigned b)
{
    Text<32> text;
    send(text.print(format, a, b));
}

// As CellScreen does it, and terminals that wrap when the next character comes.
void Terminal::follow(char c)
{
    auto& [column, row] = cursor_;
    bool printable = static_cast<uint8_t>(c) >= ' ' && c != 0x7f;
    if (c == '\n' || (printable && column == columns)) {
        column = 0;
        if (row != last_ && row + 1 < rows) ++row;
    }
    if (printable)
        ++column;
    else if (c == '\r')
        column = 0;
    else if (c == '\b' && column > 0)
        --column;
    else if (c == '\t')
        column = (column | 7) + 1 < columns ? (column | 7) + 1 : columns - 1;
}

void Terminal::put_cells(unsigned column, unsigned row, std::span<const uint16_t> cells)
{
    if (column >= columns || row >= rows) return;
    if (cells.size() > columns - column) cells = cells.first(columns - column);
    // DECSC and DECRC keep the cursor and the colours.
    send_numbers("\0337\033[{};{}H", row + 1, column + 1);
    unsigned attribute = 256;  // none yet
    for (uint16_t cell : cells) {
        if (cell >> 8 != attribute) send(colours(static_cast<uint8_t>(attribute = cell >> 8)));
        char c = ascii_for(static_cast<char>(cell));
        send({&c, 1});
    }
    send("\0338");
}

void Terminal::move_cursor(unsigned column, unsigned row)
{
    cursor_ = {column, row};
    send_numbers("\033[{};{}H", row + 1, column + 1);
}

void Terminal::show_cursor(bool shown) { send(shown ? "\033[?25h" : "\033[?25l"); }

void Terminal::set_attribute(uint8_t attribute) { send(colours(attribute)); }

void Terminal::clear()
{
    cursor_ = {};
    send("\033[2J\033[H");
}

void Terminal::scroll(int lines)
{
    if (lines > 0) send_numbers("\033[{}S", static_cast<unsigned>(lines), 0);
    if (lines < 0) send_numbers("\033[{}T", 0u - static_cast<unsigned>(lines), 0);
}

// DECSTBM, which also moves the cursor. All rows: of a terminal that is larger, too.
void Terminal::set_scroll_region(unsigned top, unsigned bottom)
{
    last_ = bottom - 1;
    send("\0337");
    if (top > 0 || bottom < rows)
        send_numbers("\033[{};{}r", top + 1, bottom);
    else
        send("\033[r");
    send("\0338");
}

void TerminalKeys::received(uint8_t byte)
{
    idle();
    since_us_ = hal::now_us();
    if (byte == escape) {
        if (state_ == State::escape)
            alt_ = VESPER_KEY_ALT;
        else
            give_up();
        state_ = State::escape;
        return;
    }
    switch (state_) {
    case State::text:
        if (byte) press(byte);  // a NUL is a break on the line
        break;
    case State::escape:
        if (byte == '[' || byte == 'O') {
            state_ = byte == '[' ? State::bracket : State::letter_o;
            count_ = number_[0] = number_[1] = 0;
            strange_ = false;
            break;
        }
        state_ = State::text;
        press(byte | VESPER_KEY_ALT);
        break;
    case State::bracket: control_sequence(byte); break;
    case State::linux_function:  // ESC [ [ A ... E
        state_ = State::text;
        if (byte >= 'A' && byte <= 'E') press(VESPER_KEY_F1 + byte - 'A');
        break;
    case State::letter_o:
        state_ = State::text;
        // The keypad in application mode sends its characters as the letters above them.
        if (byte == 'M')
            press('\r');
        else if (byte >= 'j' && byte <= 'y')
            press(byte - 0x40);
        else
            lettered_key(byte);
        break;
    }
}

// ECMA-48, 5.4: parameters 0x30-0x3f, intermediates 0x20-0x2f, one final byte 0x40-0x7e.
void TerminalKeys::control_sequence(uint8_t byte)
{
    if (byte >= '0' && byte <= '9') {
        if (count_ == 0) count_ = 1;
        if (count_ > 2) return;
        unsigned& number = number_[count_ - 1];
        if (number < 1000) number = number * 10 + (byte - '0');
    } else if (byte == ';') {
        count_ += count_ == 0 ? 2 : 1;
        strange_ |= count_ > 2;
        if (count_ > 2) count_ = 3;
    } else if (byte == '[' && count_ == 0 && !strange_) {
        state_ = State::linux_function;
    } else if (byte >= 0x20 && byte < 0x40) {
        strange_ = true;
    } else {
        state_ = State::text;
        if (byte < 0x20 || byte > 0x7e) return press(byte);  // the sequence was cut off
        if (strange_) return;
        if (byte == '~')
            numbered_key(number_[0]);
        else if (number_[0] <= 1)
            lettered_key(byte);
    }
}

void TerminalKeys::numbered_key(unsigned number)
{
    constexpr uint16_t f = VESPER_KEY_F1;
    constexpr uint16_t codes[] = {
        0,
        VESPER_KEY_HOME,
        VESPER_KEY_INSERT,
        VESPER_KEY_DELETE,
        VESPER_KEY_END,
        VESPER_KEY_PAGE_UP,
        VESPER_KEY_PAGE_DOWN,
        VESPER_KEY_HOME,
        VESPER_KEY_END,
        0,
        0,
        f,
        f + 1,
        f + 2,
        f + 3,
        f + 4,
        0,
        f + 5,
        f + 6,
        f + 7,
        f + 8,
        f + 9,
        0,
        f + 10,
        f + 11,
        0,
        0,
        0,
        0,
        VESPER_KEY_MENU,
    };
    if (number < std::size(codes) && codes[number]) press(codes[number] | modifiers());
}

// The last byte of ESC [ ... or ESC O ...
void TerminalKeys::lettered_key(uint8_t letter)
{
    constexpr uint16_t from_a[] = {VESPER_KEY_UP,
                                   VESPER_KEY_DOWN,
                                   VESPER_KEY_RIGHT,
                                   VESPER_KEY_LEFT,
                                   VESPER_KEY_CENTER,
                                   VESPER_KEY_END,
                                   0,
                                   VESPER_KEY_HOME};
    if (letter >= 'A' && letter <= 'H' && from_a[letter - 'A'])
        press(from_a[letter - 'A'] | modifiers());
    else if (letter >= 'P' && letter <= 'S')
        press((VESPER_KEY_F1 + letter - 'P') | modifiers());
    else if (letter == 'Z')
        press('\t');  // Shift and Tab
}

// What began like a sequence has not become one: then those were the keys.
void TerminalKeys::idle()
{
    if (state_ != State::text && hal::now_us() - since_us_ > gap_us) give_up();
}

void TerminalKeys::give_up()
{
    State state = state_;
    state_ = State::text;
    if (state == State::escape) press(escape);
    if (state == State::bracket && count_ == 0 && !strange_) press('[' | VESPER_KEY_ALT);
    if (state == State::letter_o) press('O' | VESPER_KEY_ALT);
    alt_ = 0;
}

int TerminalKeys::modifiers() const
{
    unsigned bits = number_[1] ? number_[1] - 1 : 0;
    return (bits & 1 ? VESPER_KEY_SHIFT : 0) | (bits & 2 ? VESPER_KEY_ALT : 0) |
           (bits & 4 ? VESPER_KEY_CONTROL : 0);
}

void TerminalKeys::press(int code)
{
    int key = code & ~VESPER_KEY_ALT;
    if (key == '\n') code += '\r' - '\n';
    if (key == 0x7f) code += '\b' - 0x7f;
    code |= alt_;
    alt_ = 0;
    input::typed(input_, code);
}
