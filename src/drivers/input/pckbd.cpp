// SPDX-License-Identifier: BSD-2-Clause
// pckbd - the PC's keyboard: i8042 controller with a PS/2 keyboard behind it.
//
// The controller's command byte is read and changed; nothing is reset, nothing waits for the
// keyboard: what it is told (enable, LEDs) is a queue that its acknowledgements move on. Supports:
// scan code set 1 (what the controller makes of set 2) and set 2, LEDs, lost and repeated bytes.
// Not: set 3, multimedia keys. The mouse port is switched off: pms switches it on, and its bytes
// are then left to that driver.
// Specification: IBM PS/2 Hardware Interface Technical Reference, Keyboard and Auxiliary Device
// Controller and Keyboards (101- and 102-Key); Intel 8242.  Tested on: QEMU.
#include "console/input.h"
#include "hal/driver.h"

namespace {
using namespace hal;

struct Data : Register<Data, 0, uint8_t> {
    enum Value : uint8_t {  // commands to the keyboard and its answers
        set_leds = 0xed,
        enable = 0xf4,
        acknowledge = 0xfa,
        resend = 0xfe
    };
};
struct Status : Register<Status, 4, uint8_t> {
    struct OutputFull : Field<OutputFull, 0> {};  // something can be read
    struct InputFull : Field<InputFull, 1> {};    // what was written has not been taken yet
    struct SystemFlag : Field<SystemFlag, 2> {};
    struct CommandWritten : Field<CommandWritten, 3> {};  // and not data, last
    struct InhibitSwitch : Field<InhibitSwitch, 4> {};    // 0: the keyboard is locked
    struct FromAuxiliary : Field<FromAuxiliary, 5> {};
    struct TimeOut : Field<TimeOut, 6> {};
    struct ParityError : Field<ParityError, 7> {};
    static constexpr uint8_t nothing = 0xff;
};
struct Command : Register<Command, 4, uint8_t> {
    enum Value : uint8_t {
        read_command_byte = 0x20,
        write_command_byte = 0x60,
        disable_keyboard = 0xad
    };
};
struct CommandByte {  // in the controller
    static constexpr uint8_t keyboard_interrupt = 1 << 0, auxiliary_interrupt = 1 << 1;
    static constexpr uint8_t disable_keyboard = 1 << 4, disable_auxiliary = 1 << 5;
    static constexpr uint8_t translate = 1 << 6;  // set 2 to set 1
};

// From here on a key has its number in set 1: as usages of HID Usage Tables 1.5, page 7.
constexpr uint8_t usages[] = {
    0x00, 0x29, 0x1e, 0x1f, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x2d, 0x2e, 0x2a,
    0x2b, 0x14, 0x1a, 0x08, 0x15, 0x17, 0x1c, 0x18, 0x0c, 0x12, 0x13, 0x2f, 0x30, 0x28, 0xe0,
    0x04, 0x16, 0x07, 0x09, 0x0a, 0x0b, 0x0d, 0x0e, 0x0f, 0x33, 0x34, 0x35, 0xe1, 0x31, 0x1d,
    0x1b, 0x06, 0x19, 0x05, 0x11, 0x10, 0x36, 0x37, 0x38, 0xe5, 0x55, 0xe2, 0x2c, 0x39, 0x3a,
    0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 0x40, 0x41, 0x42, 0x43, 0x53, 0x47, 0x5f, 0x60, 0x61, 0x56,
    0x5c, 0x5d, 0x5e, 0x57, 0x59, 0x5a, 0x5b, 0x62, 0x63, 0x46, 0x00, 0x64, 0x44, 0x45,
};
// Those after the prefix E0h; the shifts that surround some of them are none.
constexpr struct {
    uint8_t number, usage;
} extended[] = {
    {0x1c, 0x58}, {0x1d, 0xe4}, {0x35, 0x54}, {0x37, 0x46}, {0x38, 0xe6},
    {0x46, 0x48}, {0x47, 0x4a}, {0x48, 0x52}, {0x49, 0x4b}, {0x4b, 0x50},
    {0x4d, 0x4f}, {0x4f, 0x4d}, {0x50, 0x51}, {0x51, 0x4e}, {0x52, 0x49},
    {0x53, 0x4c}, {0x5b, 0xe3}, {0x5c, 0xe7}, {0x5d, 0x65}, {0x5e, 0x66},
};
constexpr uint8_t usage_of_pause = 0x48;

constexpr uint16_t mouse_port = 0x64;  // where its driver, pms, is in the device tree

uint8_t usage_of(unsigned number, bool prefixed)
{
    if (!prefixed) return number < sizeof usages ? usages[number] : 0;
    for (auto [with_prefix, usage] : extended) {
        if (with_prefix == number) return usage;
    }
    return 0;
}

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

class PcKeyboard final : public Keyboard {
public:
    explicit PcKeyboard(Device& device) : device_(device), regs_(device.ports())
    {
        model = "PS/2 keyboard";
    }
    Result<uint8_t> read_command_byte();
    Result<void> start(uint8_t command_byte);
    void poll() override;
    static void interrupt(void* context) { static_cast<PcKeyboard*>(context)->poll(); }

private:
    enum class Telling : uint8_t { nothing, to_enable, of_leds, the_leds };
    Result<void> command(uint8_t command);
    Result<void> wait_for_room(Caller caller = __builtin_FUNCTION())
    {
        return regs_.poll<Status::InputFull>(0, 50_ms, caller);  // the 8042 takes some microseconds
    }
    bool from_keyboard();
    bool mouse_has_driver() const;
    void received(uint8_t byte);
    void answered(uint8_t byte);
    void tell();
    uint8_t leds() const  // Scroll, Num and Caps Lock
    {
        unsigned locks = modifiers() / input::num_lock;
        return static_cast<uint8_t>((locks & 3) << 1 | locks >> 2);
    }

    Device& device_;
    Registers regs_;
    uint8_t set_ = 1;
    bool prefixed_ = false;  // after E0h
    bool released_ = false;  // set 2: after F0h
    unsigned pause_ = 0;     // so many numbers are missing after E1h

    Telling telling_ = Telling::to_enable;
    bool sent_ = false;  // what we are telling, and no answer has come yet
    unsigned tries_ = 0;
    uint64_t sent_us_ = 0;
    uint8_t leds_told_ = 0xff;
};

void PcKeyboard::received(uint8_t byte)
{
    if (byte == 0xff || byte == 0) {  // overrun: releases may be lost, none shall stay down
        release_all();
        prefixed_ = released_ = false;
        pause_ = 0;
        return;
    }
    if (byte == 0xe0) {
        prefixed_ = true;
        return;
    }
    if (byte == 0xe1) {
        pause_ = 2;
        return;
    }
    if (set_ == 2 && byte == 0xf0) {
        released_ = true;
        return;
    }
    unsigned number = byte & 0x7f;
    bool released = byte & 0x80;
    if (set_ == 2) {
        number = byte < sizeof set_1 ? set_1[byte] : 0;
        released = std::exchange(released_, false);
    }
    if (pause_) {  // E1 1D 45; the releases follow at once
        if (--pause_ == 0) key(usage_of_pause, !released);
        return;
    }
    uint8_t usage = usage_of(number, std::exchange(prefixed_, false));
    if (usage) key(usage, !released);
}

Result<void> PcKeyboard::command(uint8_t command)
{
    TRY(wait_for_room());
    regs_.write<Command>(command);
    return {};
}

// Whether there is a byte from the keyboard (or the controller); drops those of the mouse.
bool PcKeyboard::from_keyboard()
{
    uint8_t status = regs_.read<Status>();
    if (!Status::OutputFull::in(status) || status == Status::nothing) return false;
    if (!Status::FromAuxiliary::in(status)) return true;
    regs_.read<Data>();
    return false;
}

Result<uint8_t> PcKeyboard::read_command_byte()
{
    TRY(command(Command::disable_keyboard));  // or the next byte may be a key's
    for (unsigned limit = 32; limit && regs_.get<Status::OutputFull>(); --limit) regs_.read<Data>();
    TRY(command(Command::read_command_byte));
    TRY(poll_until([&] { return from_keyboard(); }, 50_ms));
    return regs_.read<Data>();
}

Result<void> PcKeyboard::start(uint8_t command_byte)
{
    set_ = command_byte & CommandByte::translate ? 1 : 2;
    command_byte |= CommandByte::keyboard_interrupt;
    command_byte &= static_cast<uint8_t>(~CommandByte::disable_keyboard);
    if (!mouse_has_driver()) {
        command_byte |= CommandByte::disable_auxiliary;
        command_byte &= static_cast<uint8_t>(~CommandByte::auxiliary_interrupt);
    }
    TRY(command(Command::write_command_byte));
    TRY(wait_for_room());
    regs_.write<Data>(command_byte);
    return {};
}

// Also the interrupt handler. The limit: a controller that is always full shall not hang us.
void PcKeyboard::poll()
{
    for (unsigned limit = 32; limit; --limit) {
        uint8_t status = regs_.read<Status>();
        if (!Status::OutputFull::in(status) || status == Status::nothing) break;
        if (Status::FromAuxiliary::in(status) && mouse_has_driver()) break;
        uint8_t byte = regs_.read<Data>();
        if (Status::FromAuxiliary::in(status)) continue;
        if (byte == Data::acknowledge || byte == Data::resend)
            answered(byte);
        else
            received(byte);
    }
    tell();
}

// The mouse's bytes are for its driver, if somebody is at the port of the controller's commands.
bool PcKeyboard::mouse_has_driver() const
{
    for (Device* i = device_.parent()->first_child(); i; i = i->next_sibling()) {
        if (i->match().port == mouse_port) return true;
    }
    return false;
}

void PcKeyboard::answered(uint8_t byte)
{
    if (!std::exchange(sent_, false)) return;
    if (byte == Data::resend) {
        if (++tries_ >= 3) telling_ = Telling::nothing;
        return;
    }
    tries_ = 0;
    telling_ = telling_ == Telling::of_leds ? Telling::the_leds : Telling::nothing;
}

// Sends what is next, if anything is and the controller takes it now.
void PcKeyboard::tell()
{
    if (sent_ && now_us() - sent_us_ > 500'000) {  // nobody there
        sent_ = false;
        telling_ = Telling::nothing;
    }
    if (telling_ == Telling::nothing && leds_told_ != leds()) {
        telling_ = Telling::of_leds;
        leds_told_ = leds();
        tries_ = 0;
    }
    if (telling_ == Telling::nothing || sent_ || regs_.get<Status::InputFull>()) return;
    uint8_t byte = leds_told_;
    if (telling_ == Telling::to_enable) byte = Data::enable;
    if (telling_ == Telling::of_leds) byte = Data::set_leds;
    regs_.write<Data>(byte);
    sent_ = true;
    sent_us_ = now_us();
}

Result<void> attach(Device& device)
{
    if (Registers(device.ports()).read<Status>() == Status::nothing) return Error::not_found;
    PcKeyboard& keyboard = *TRY(make<PcKeyboard>(device));
    auto command_byte = keyboard.read_command_byte();
    if (!command_byte) return fail(command_byte.error(), "{}: no answer", device.name());
    bool translated = command_byte.value() & CommandByte::translate;
    device.describe("PS/2 keyboard, scan code set {}", translated ? "1" : "2");
    publish(keyboard, "pckbd");
    if (!device.on_interrupt(PcKeyboard::interrupt, &keyboard))
        log("{}: no interrupt; polled", device.name());
    TRY(keyboard.start(command_byte.value()));
    keyboard.poll();
    return {};
}

constexpr Match matches[] = {isa(0x60, 5, 1)};

}  // namespace

extern const Driver pckbd = {"pckbd", matches, attach};
