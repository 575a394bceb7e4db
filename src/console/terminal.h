// SPDX-License-Identifier: BSD-2-Clause
// A terminal at the other end of a line: cells, colours and the cursor by ECMA-48 ("ANSI") escape
// sequences, and keys from those that xterm and the Linux console send. A driver of a line supplies
// send(), and hands over the bytes that arrive.
#pragma once
#include <cstdint>
#include "hal/classes.h"

// The keys of one terminal. Whether a lone Escape is the key or begins a sequence shows only with
// time: whoever waits for a key calls idle() now and then.
class TerminalKeys {
public:
    explicit TerminalKeys(const KeyInput& input) : input_(input) {}
    void received(uint8_t byte);  // one byte of input; may be called from an interrupt handler
    void idle();                  // nothing more has arrived until now

private:
    enum class State : uint8_t { text, escape, bracket, linux_function, letter_o };
    void control_sequence(uint8_t byte);
    void numbered_key(unsigned number);
    void lettered_key(uint8_t letter);
    void give_up();
    void press(int code);
    int modifiers() const;

    const KeyInput& input_;
    State state_ = State::text;
    int alt_ = 0;         // VESPER_KEY_ALT after ESC ESC
    unsigned count_ = 0;  // numbers in the sequence so far
    unsigned number_[2] = {};
    bool strange_ = false;   // the sequence has something in it that no key has
    uint64_t since_us_ = 0;  // when the sequence's last byte came
};

class Terminal : public TextOutput, public KeyInput {
public:
    Terminal() : keys(*this)
    {
        columns = 80, rows = 24;
        model = "serial line";
    }
    void write(std::string_view text) final;
    void put_cells(unsigned column, unsigned row, std::span<const uint16_t> cells) final;
    void move_cursor(unsigned column, unsigned row) final;
    Position cursor() const final { return cursor_; }
    void show_cursor(bool shown) final;
    void set_attribute(uint8_t attribute) final;
    void clear() final;
    void scroll(int lines) final;
    void set_scroll_region(unsigned top, unsigned bottom) final;

protected:
    virtual void send(std::string_view bytes) = 0;
    ~Terminal() = default;

    TerminalKeys keys;

private:
    void follow(char c);
    void send_numbers(Format format, unsigned a, unsigned b);

    // Where the cursor of a terminal of this size is: it is not asked.
    Position cursor_ = {};
    unsigned last_ = 23;  // of the rows that scroll
};
