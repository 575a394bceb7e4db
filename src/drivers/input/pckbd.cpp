// SPDX-License-Identifier: BSD-2-Clause
// pckbd - the PC's keyboard: i8042 controller with a PS/2 keyboard behind it.
//
// The controller's command byte is read and changed; nothing is reset, nothing waits for the
// keyboard: what it is told (enable, LEDs) is a queue that its acknowledgements move on. Supports:
// scan code set 1 (what the controller makes of set 2) and set 2, US layout, LEDs, lost and
// repeated bytes. Not: the mouse port (switched off), set 3, other layouts.
// Specification: IBM PS/2 Hardware Interface Technical Reference, Keyboard and Auxiliary Device
// Controller and Keyboards (101- and 102-Key); Intel 8242.  Tested on: QEMU.
#include "hal/driver.h"
#include "vesper.h"

namespace {
using namespace hal;

struct Data : Register<Data, 0, uint8_t> {};
struct Status : Register<Status, 4, uint8_t> {
    struct OutputFull : Field<0> {};  // something can be read
    struct InputFull : Field<1> {};   // what was written has not been taken yet
    struct FromAuxiliary : Field<5> {};
    static constexpr uint8_t nothing = 0xff;
};
struct Command : Register<Command, 4, uint8_t> {
    enum : uint8_t { read_command_byte = 0x20, write_command_byte = 0x60, disable_keyboard = 0xad };
};
struct CommandByte {  // in the controller
    static constexpr uint8_t keyboard_interrupt = 1 << 0, auxiliary_interrupt = 1 << 1;
    static constexpr uint8_t disable_keyboard = 1 << 4, disable_auxiliary = 1 << 5;
    static constexpr uint8_t translate = 1 << 6;  // set 2 to set 1
};
namespace keyboard {  // commands to it and its answers
constexpr uint8_t set_leds = 0xed, enable = 0xf4;
constexpr uint8_t acknowledge = 0xfa, resend = 0xfe;
constexpr uint8_t num_led = 1 << 1, caps_led = 1 << 2;
}  // namespace keyboard

// From here on a key has its number in set 1, and numbers after the prefix E0h have this bit.
constexpr unsigned extended = 0x80;
namespace scan {
constexpr unsigned escape = 0x01, control = 0x1d, left_shift = 0x2a, right_shift = 0x36,
                   print = 0x37, alt = 0x38, caps_lock = 0x3a, f1 = 0x3b, f10 = 0x44,
                   num_lock = 0x45, scroll_lock = 0x46, keypad = 0x47, keypad_end = 0x53,
                   system_request = 0x54, key_102 = 0x56, f11 = 0x57, f12 = 0x58, menu = 0x5d;
}

constexpr std::string_view plain{
    "\0\0331234567890-=\b\tqwertyuiop[]\r\0asdfghjkl;'`\0\\zxcvbnm,./\0*\0 ", 0x3a};
constexpr std::string_view shifted{
    "\0\033!@#$%^&*()_+\b\tQWERTYUIOP{}\r\0ASDFGHJKL:\"~\0|ZXCVBNM<>?\0*\0 ", 0x3a};

// The keypad from 47h on: with Num Lock, and without. The arrows between have the same order after
// E0h.
constexpr std::string_view keypad_digits = "789-456+1230.";
constexpr uint16_t keypad_codes[] = {
    VESPER_KEY_HOME,   VESPER_KEY_UP,     VESPER_KEY_PAGE_UP,   '-',
    VESPER_KEY_LEFT,   VESPER_KEY_CENTER, VESPER_KEY_RIGHT,     '+',
    VESPER_KEY_END,    VESPER_KEY_DOWN,   VESPER_KEY_PAGE_DOWN, VESPER_KEY_INSERT,
    VESPER_KEY_DELETE,
};

// Set 2 to set 1, as the controller translates it.
constexpr uint8_t set_1[0x85] = {
    0xff, 0x43, 0x41, 0x3f, 0x3d, 0x3b, 0x3c, 0x58, 0x64, 0x44, 0x42, 0x40, 0x3e, 0x0f, 0x29,
    0x59, 0x65, 0x38, 0x2a, 0x70, 0x1d, 0x10, 0x02, 0x5a, 0x66, 0x71, 0x2c, 0x1f, 0x1e, 0x11,
    0x03, 0x5b, 0x67, 0x2e, 0x2d, 0x20, 0x12, 0x05, 0x04, 0x5c, 0x68, 0x39, 0x2f, 0x21, 0x14,
    0x13, 0x06, 0x5d, 0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5e, 0x6a, 0x72, 0x32, 0x24,
    0x16, 0x08, 0x09, 0x5f, 0x6b, 0x33, 0x25, 0x17, 0x18, 0x0b, 0x0a, 0x60, 0x6c, 0x34, 0x35,
    0x26, 0x27, 0x19, 0x0c, 0x61, 0x6d, 0x73, 0x28, 0x74, 0x1a, 0x0d, 0x62, 0x6e, 0x3a, 0x36,
    0x1c, 0x1b, 0x75, 0x2b, 0x63, 0x76, 0x55, 0x56, 0x77, 0x78, 0x79, 0x7a, 0x0e, 0x7b, 0x7c,
    0x4f, 0x7d, 0x4b, 0x47, 0x7e, 0x7f, 0x6f, 0x52, 0x53, 0x50, 0x4c, 0x4d, 0x48, 0x01, 0x45,
    0x57, 0x4e, 0x51, 0x4a, 0x37, 0x49, 0x46, 0x54, 0,    0,    0,    0x41, 0x54,
};

// What keys mean: bytes of scan codes in, codes of include/vesper.h out.
class Decoder {
public:
    explicit Decoder(const KeyInput& input) : input_(input) {}
    void received(uint8_t byte);
    uint8_t leds() const
    {
        return static_cast<uint8_t>((num_lock_ ? keyboard::num_led : 0) |
                                    (caps_lock_ ? keyboard::caps_led : 0));
    }
    uint8_t set = 1;

private:
    enum Held : uint8_t {
        left_shift = 1,
        right_shift = 2,
        shift = 3,
        left_control = 4,
        right_control = 8,
        control = 12,
        left_alt = 16,
        right_alt = 32,
        alt = 48,
        caps_lock = 64,
        num_lock = 128,
    };
    void key(unsigned number, bool released);
    static uint8_t held_by(unsigned number);
    int code_of(unsigned number) const;
    int keypad_code(unsigned index) const;
    int character(unsigned number) const;
    void press(int code);

    const KeyInput& input_;
    unsigned prefix_ = 0;    // extended after E0h
    unsigned pause_ = 0;     // so many numbers are missing after E1h
    bool released_ = false;  // set 2: after F0h
    uint8_t held_ = 0;
    bool caps_lock_ = false, num_lock_ = false;
};

void Decoder::received(uint8_t byte)
{
    if (byte == 0xff || byte == 0) {  // overrun: releases may be lost, none shall stay down
        held_ = 0;
        prefix_ = pause_ = 0;
        released_ = false;
        return;
    }
    if (byte == 0xe0) {
        prefix_ = extended;
        return;
    }
    if (byte == 0xe1) {
        pause_ = 2;
        return;
    }
    if (set == 2 && byte == 0xf0) {
        released_ = true;
        return;
    }
    unsigned number = byte & 0x7f;
    bool released = byte & 0x80;
    if (set == 2) {
        number = byte < sizeof set_1 ? set_1[byte] : 0;
        released = std::exchange(released_, false);
    }
    if (pause_) {  // E1 1D 45; the releases follow at once
        if (--pause_ == 0 && !released) press(VESPER_KEY_PAUSE);
        return;
    }
    key(number | std::exchange(prefix_, 0), released);
}

uint8_t Decoder::held_by(unsigned number)
{
    switch (number) {
    case scan::left_shift: return left_shift;
    case scan::right_shift: return right_shift;
    case scan::control: return left_control;
    case scan::control | extended: return right_control;
    case scan::alt: return left_alt;
    case scan::alt | extended: return right_alt;
    case scan::caps_lock: return caps_lock;
    case scan::num_lock: return num_lock;
    default: return 0;
    }
}

void Decoder::key(unsigned number, bool released)
{
    if (uint8_t bit = held_by(number)) {
        bool repeated = held_ & bit;
        held_ = static_cast<uint8_t>(released ? held_ & ~bit : held_ | bit);
        if (released || repeated) return;
        if (bit == caps_lock) caps_lock_ = !caps_lock_;
        if (bit == num_lock) num_lock_ = !num_lock_;
        return;
    }
    if (released) return;
    if (number == scan::escape && held_ & control && held_ & alt) return break_pressed(input_);
    if (int code = code_of(number)) press(code);
}

// 0 if the key has no meaning.
int Decoder::code_of(unsigned number) const
{
    using namespace scan;
    if (number & extended) {
        unsigned base = number & ~extended;
        if (base >= keypad && base <= keypad_end) {
            int code = keypad_codes[base - keypad];
            return code >= 256 && code != VESPER_KEY_CENTER ? code : 0;
        }
        switch (base) {
        case 0x1c: return '\r';
        case 0x35: return '/';
        case print: return VESPER_KEY_PRINT;
        case scroll_lock: return VESPER_KEY_PAUSE;  // with Control
        case menu: return VESPER_KEY_MENU;
        default: return 0;  // also the shifts that surround some keys
        }
    }
    if (number >= f1 && number <= f10) return static_cast<int>(VESPER_KEY_F1 + number - f1);
    if (number == f11 || number == f12) return static_cast<int>(VESPER_KEY_F12 + number - f12);
    if (number >= keypad && number <= keypad_end) return keypad_code(number - keypad);
    if (number == system_request) return VESPER_KEY_PRINT;  // with Alt
    return character(number == key_102 ? 0x2b : number);
}

int Decoder::keypad_code(unsigned index) const
{
    bool digits = num_lock_ != ((held_ & shift) != 0);
    return digits ? keypad_digits[index] : keypad_codes[index];
}

int Decoder::character(unsigned number) const
{
    if (number >= plain.size()) return 0;
    char c = plain[number];
    bool letter = c >= 'a' && c <= 'z';
    if (((held_ & shift) != 0) != (letter && caps_lock_)) c = shifted[number];
    // Control with a letter, and as terminals have it with [ \ ] ^ _.
    if (held_ & control && (letter || (c >= '[' && c <= '_'))) c &= 0x1f;
    return c;
}

void Decoder::press(int code)
{
    if (code >= 256) {
        if (held_ & shift) code |= VESPER_KEY_SHIFT;
        if (held_ & control) code |= VESPER_KEY_CONTROL;
    }
    if (held_ & alt) code |= VESPER_KEY_ALT;
    key_pressed(input_, code);
}

class Keyboard final : public KeyInput {
public:
    explicit Keyboard(Window window) : regs_(window), decoder_(*this) {}
    Result<uint8_t> read_command_byte();
    Result<void> start(uint8_t command_byte);
    void poll() override;
    static void interrupt(void* context) { static_cast<Keyboard*>(context)->poll(); }

private:
    enum class Telling : uint8_t { nothing, to_enable, of_leds, the_leds };
    Result<void> command(uint8_t command);
    Result<void> wait_for_room()
    {
        return regs_.poll<Status::InputFull>(0, 50_ms);  // the 8042 takes some microseconds
    }
    bool from_keyboard();
    void answered(uint8_t byte);
    void tell();

    Registers regs_;
    Decoder decoder_;
    Telling telling_ = Telling::to_enable;
    bool sent_ = false;  // what we are telling, and no answer has come yet
    unsigned tries_ = 0;
    uint64_t sent_us_ = 0;
    uint8_t leds_told_ = 0xff;
};

Result<void> Keyboard::command(uint8_t command)
{
    TRY(wait_for_room());
    regs_.write<Command>(command);
    return {};
}

// Whether there is a byte from the keyboard (or the controller); drops those of the mouse.
bool Keyboard::from_keyboard()
{
    uint8_t status = regs_.read<Status>();
    if (!Status::OutputFull::in(status) || status == Status::nothing) return false;
    if (!Status::FromAuxiliary::in(status)) return true;
    regs_.read<Data>();
    return false;
}

Result<uint8_t> Keyboard::read_command_byte()
{
    TRY(command(Command::disable_keyboard));  // or the next byte may be a key's
    for (unsigned limit = 32; limit && regs_.get<Status::OutputFull>(); --limit) regs_.read<Data>();
    TRY(command(Command::read_command_byte));
    TRY(poll_until([&] { return from_keyboard(); }, 50_ms));
    return regs_.read<Data>();
}

Result<void> Keyboard::start(uint8_t command_byte)
{
    decoder_.set = command_byte & CommandByte::translate ? 1 : 2;
    command_byte |= CommandByte::keyboard_interrupt | CommandByte::disable_auxiliary;
    command_byte &=
        static_cast<uint8_t>(~(CommandByte::auxiliary_interrupt | CommandByte::disable_keyboard));
    TRY(command(Command::write_command_byte));
    TRY(wait_for_room());
    regs_.write<Data>(command_byte);
    return {};
}

// Also the interrupt handler. The limit: a controller that is always full shall not hang us.
void Keyboard::poll()
{
    for (unsigned limit = 32; limit; --limit) {
        uint8_t status = regs_.read<Status>();
        if (!Status::OutputFull::in(status) || status == Status::nothing) break;
        uint8_t byte = regs_.read<Data>();
        if (Status::FromAuxiliary::in(status)) continue;
        if (byte == keyboard::acknowledge || byte == keyboard::resend)
            answered(byte);
        else
            decoder_.received(byte);
    }
    tell();
}

void Keyboard::answered(uint8_t byte)
{
    if (!std::exchange(sent_, false)) return;
    if (byte == keyboard::resend) {
        if (++tries_ >= 3) telling_ = Telling::nothing;
        return;
    }
    tries_ = 0;
    telling_ = telling_ == Telling::of_leds ? Telling::the_leds : Telling::nothing;
}

// Sends what is next, if anything is and the controller takes it now.
void Keyboard::tell()
{
    if (sent_ && now_us() - sent_us_ > 500'000) {  // nobody there
        sent_ = false;
        telling_ = Telling::nothing;
    }
    if (telling_ == Telling::nothing && leds_told_ != decoder_.leds()) {
        telling_ = Telling::of_leds;
        leds_told_ = decoder_.leds();
        tries_ = 0;
    }
    if (telling_ == Telling::nothing || sent_ || regs_.get<Status::InputFull>()) return;
    regs_.write<Data>(telling_ == Telling::to_enable ? keyboard::enable
                      : telling_ == Telling::of_leds ? keyboard::set_leds
                                                     : leds_told_);
    sent_ = true;
    sent_us_ = now_us();
}

Result<void> attach(Device& device)
{
    if (Registers(device.ports()).read<Status>() == Status::nothing) return Error::not_found;
    Keyboard& keyboard = *TRY(make<Keyboard>(device.ports()));
    auto command_byte = keyboard.read_command_byte();
    if (!command_byte) return fail(command_byte.error(), "{}: no answer", device.name());
    bool translated = command_byte.value() & CommandByte::translate;
    device.describe("PS/2 keyboard, scan code set {}", translated ? "1" : "2");
    publish(keyboard, "pckbd");
    if (!device.on_interrupt(Keyboard::interrupt, &keyboard))
        log("{}: no interrupt; polled", device.name());
    TRY(keyboard.start(command_byte.value()));
    keyboard.poll();
    return {};
}

constexpr Match matches[] = {isa(0x60, 5, 1)};

}  // namespace

extern const Driver pckbd = {"pckbd", matches, attach};
