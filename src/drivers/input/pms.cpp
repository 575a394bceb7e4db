// SPDX-License-Identifier: BSD-2-Clause
// pms - a mouse at the PC's second PS/2 port: the auxiliary port of the i8042.
//
// The controller is shared with pckbd: each driver takes the bytes that are its own (Status says
// whose the next is) and leaves the others'. What the mouse is told is a list of bytes, each sent
// when the one before has been acknowledged; only poll() sends, the interrupt handler takes bytes.
// The list makes a wheel and further buttons known, if the mouse has them, and is told again when
// one is plugged in (it says AA 00) or when what comes makes no sense. Supports: 3 buttons, wheel
// (IntelliMouse), 5 buttons (IntelliMouse Explorer), hot plug. Not: touch pads but as mice.
// Specification: IBM PS/2 Hardware Interface Technical Reference, Keyboard and Auxiliary Device
// Controller, and Mouse; Microsoft, Wheel Mouse (PS/2).  Tested on: QEMU.
#include "console/input.h"
#include "hal/driver.h"

namespace {
using namespace hal;

constexpr uint16_t controller = 0x60, controller_ports = 5;

struct Data : Register<Data, 0, uint8_t> {};
struct Status : Register<Status, 4, uint8_t> {
    struct OutputFull : Field<OutputFull, 0> {};  // something can be read
    struct InputFull : Field<InputFull, 1> {};    // what was written has not been taken yet
    struct FromAuxiliary : Field<FromAuxiliary, 5> {};
    static constexpr uint8_t nothing = 0xff;
};
struct Command : Register<Command, 4, uint8_t> {
    enum : uint8_t {
        read_command_byte = 0x20,
        write_command_byte = 0x60,
        disable_auxiliary = 0xa7,
        enable_auxiliary = 0xa8,
        disable_keyboard = 0xad,
        enable_keyboard = 0xae,
        write_to_auxiliary = 0xd4
    };
};
struct CommandByte {  // in the controller
    static constexpr uint8_t auxiliary_interrupt = 1 << 1;
    static constexpr uint8_t disable_keyboard = 1 << 4, disable_auxiliary = 1 << 5;
};

// Commands to the mouse, and what it says.
constexpr uint8_t set_resolution = 0xe8, get_id = 0xf2, set_rate = 0xf3, enable = 0xf4,
                  set_defaults = 0xf6;
constexpr uint8_t acknowledge = 0xfa, resend = 0xfe, error = 0xfc;
constexpr uint8_t self_test_passed = 0xaa, id_after_test = 0x00;
constexpr uint8_t id_plain = 0, id_wheel = 3, id_explorer = 4;

// The rates 200, 100, 80 switch a wheel on, then 200, 200, 80 further buttons; the ID tells. Then
// 100 packets a second, 8 counts a millimetre.
constexpr uint8_t to_tell[] = {set_defaults, set_rate, 200, set_rate,       100, set_rate, 80,
                               get_id,       set_rate, 200, set_rate,       200, set_rate, 80,
                               get_id,       set_rate, 100, set_resolution, 3,   enable};

constexpr uint64_t answer_us = 500'000;  // or nobody is there
constexpr uint64_t gap_us = 200'000;     // no packet is so slow

struct FirstByte {
    static constexpr uint8_t buttons = 7, always_1 = 1 << 3;
    static constexpr uint8_t x_negative = 1 << 4, y_negative = 1 << 5;
    static constexpr uint8_t x_overflow = 1 << 6, y_overflow = 1 << 7;
};

// Packets of bytes, and what they mean.
struct Packet {
    uint8_t bytes[4];
    uint8_t count = 0;

    static int distance(uint8_t low, bool negative, bool overflow)
    {
        if (overflow) return negative ? -256 : 255;
        return negative ? low - 256 : low;
    }
    int x() const
    {
        return distance(bytes[1], bytes[0] & FirstByte::x_negative,
                        bytes[0] & FirstByte::x_overflow);
    }
    int y() const  // the mouse counts upwards
    {
        return -distance(bytes[2], bytes[0] & FirstByte::y_negative,
                         bytes[0] & FirstByte::y_overflow);
    }
    int wheel(uint8_t id) const  // and towards the user
    {
        if (id == id_plain) return 0;
        if (id == id_wheel) return -static_cast<int8_t>(bytes[3]);
        int low = bytes[3] & 15;
        return low < 8 ? -low : 16 - low;
    }
    uint32_t buttons(uint8_t id) const
    {
        uint32_t further = id == id_explorer ? bytes[3] >> 4 & 3u : 0;
        return (bytes[0] & FirstByte::buttons) | further << 3;
    }
};

class Mouse final : public PointerInput {
public:
    explicit Mouse(Window window) : regs_(window) { model = no_mouse; }
    // Errors: not_found (no such port), timed_out, busy (somebody types without end).
    Result<void> start(bool has_keyboard);
    void begin();
    void poll() override;
    static void interrupt(void* context) { static_cast<Mouse*>(context)->take(); }
    bool settled() const { return state_ != State::telling; }
    bool answers() const { return told_ > 0; }

private:
    enum class State : uint8_t { absent, telling, working };
    static constexpr std::string_view no_mouse = "no mouse";
    Result<void> command(uint8_t command) const;
    Result<uint8_t> read_command_byte() const;
    Result<void> look_for_port() const;
    Result<void> switch_on(bool has_keyboard) const;
    void take();
    void answered(uint8_t byte);
    void acknowledged();
    void heard(uint8_t byte);
    void tell();
    void give_up();

    Registers regs_;
    State state_ = State::absent;
    uint8_t id_ = id_plain;

    uint8_t told_ = 0;  // so many of to_tell are acknowledged
    uint8_t tries_ = 0;
    bool sent_ = false;     // the next one, and no answer has come yet
    bool id_next_ = false;  // the answer's second byte
    uint64_t sent_us_ = 0;

    Packet packet_;
    uint64_t last_us_ = 0;  // when its last byte came
    uint8_t strange_ = 0;   // bytes since the last packet that begin none
};

Result<void> Mouse::command(uint8_t command) const
{
    TRY(regs_.poll<Status::InputFull>(0, 50_ms));
    regs_.write<Command>(command);
    return {};
}

Result<uint8_t> Mouse::read_command_byte() const
{
    TRY(command(Command::read_command_byte));
    TRY(regs_.poll<Status::OutputFull>(1, 50_ms));
    return regs_.read<Data>();
}

// A controller that has the port shows in its command byte what was done to it.
Result<void> Mouse::look_for_port() const
{
    TRY(command(Command::disable_auxiliary));
    if (!(TRY(read_command_byte()) & CommandByte::disable_auxiliary)) return Error::not_found;
    TRY(command(Command::enable_auxiliary));
    if (TRY(read_command_byte()) & CommandByte::disable_auxiliary) return Error::not_found;
    return {};
}

Result<void> Mouse::switch_on(bool has_keyboard) const
{
    TRY(look_for_port());
    uint8_t value = TRY(read_command_byte());
    value |= CommandByte::auxiliary_interrupt;
    if (has_keyboard) value &= static_cast<uint8_t>(~CommandByte::disable_keyboard);
    TRY(command(Command::write_command_byte));
    TRY(regs_.poll<Status::InputFull>(0, 50_ms));
    regs_.write<Data>(value);
    return {};
}

// The controller's answers look like keys: none may come meanwhile, and none shall be lost.
Result<void> Mouse::start(bool has_keyboard)
{
    auto empty = [&] { return regs_.get<Status::OutputFull>() == 0; };
    for (unsigned tries = 4; tries; --tries) {
        bool taken{wait_until(empty, 20_ms)};  // by the keyboard's interrupt handler
        InterruptsOff interrupts;
        TRY(command(Command::disable_keyboard));
        TRY(regs_.poll<Status::InputFull>(0, 50_ms));
        if (!taken) regs_.read<Data>();
        auto result = empty() ? switch_on(has_keyboard) : Result<void>(Error::busy);
        if (result) return {};
        if (has_keyboard) TRY(command(Command::enable_keyboard));
        if (result.error() != Error::busy) return result;
    }
    return Error::busy;
}

// ---- telling

void Mouse::begin()
{
    give_up();
    state_ = State::telling;
    id_ = id_plain;
    told_ = tries_ = strange_ = packet_.count = 0;
    sent_ = id_next_ = false;
}

void Mouse::give_up()
{
    state_ = State::absent;
    model = no_mouse;
    moved_by(0, 0, 0, 0);  // what was held is released
}

void Mouse::answered(uint8_t byte)
{
    if (id_next_) {
        id_ = byte == id_wheel || byte == id_explorer ? byte : id_plain;
        id_next_ = false;
        acknowledged();
    } else if (byte == self_test_passed) {
        begin();  // it has just been plugged in
    } else if (sent_ && byte == acknowledge) {
        id_next_ = to_tell[told_] == get_id;
        if (!id_next_) acknowledged();
    } else if (sent_ && (byte == resend || byte == error)) {
        sent_ = false;
        if (++tries_ == 3) give_up();
    }
}

void Mouse::acknowledged()
{
    sent_ = false;
    tries_ = 0;
    if (++told_ < sizeof to_tell) return;
    state_ = State::working;
    model = id_ == id_explorer ? "PS/2 mouse, 5 buttons, wheel"
            : id_ == id_wheel  ? "PS/2 mouse, 3 buttons, wheel"
                               : "PS/2 mouse, 3 buttons";
}

void Mouse::tell()
{
    if (state_ != State::telling) return;
    if (sent_) {
        if (now_us() - sent_us_ > answer_us) give_up();
        return;
    }
    if (regs_.get<Status::InputFull>()) return;
    regs_.write<Command>(Command::write_to_auxiliary);
    if (!regs_.poll<Status::InputFull>(0, 10_ms)) return give_up();  // it takes microseconds
    regs_.write<Data>(to_tell[told_]);
    sent_ = true;
    sent_us_ = now_us();
}

// ---- hearing

void Mouse::poll()
{
    take();
    tell();
}

// The limit: a controller that is always full shall not hang us.
void Mouse::take()
{
    for (unsigned limit = 32; limit; --limit) {
        uint8_t status = regs_.read<Status>();
        if (!Status::OutputFull::in(status) || status == Status::nothing) break;
        if (!Status::FromAuxiliary::in(status)) break;
        uint8_t byte = regs_.read<Data>();
        if (state_ == State::telling)
            answered(byte);
        else
            heard(byte);
    }
}

void Mouse::heard(uint8_t byte)
{
    uint64_t now = now_us();
    if (now - last_us_ > gap_us) packet_.count = 0;
    last_us_ = now;
    if (packet_.count == 1 && packet_.bytes[0] == self_test_passed && byte == id_after_test)
        return begin();
    if (packet_.count == 0 && !(byte & FirstByte::always_1)) {
        if (++strange_ == 8 && state_ == State::working) begin();
        return;
    }
    packet_.bytes[packet_.count++] = byte;
    if (packet_.count < (id_ == id_plain ? 3 : 4)) return;
    packet_.count = strange_ = 0;
    if (state_ == State::working)
        moved_by(packet_.x(), packet_.y(), packet_.wheel(id_), packet_.buttons(id_));
}

Result<void> attach(Device& device)
{
    bool has_keyboard = false;
    for (Device* i = device.parent()->first_child(); i; i = i->next_sibling())
        has_keyboard |= i->match().port == controller;
    Window window = port_window(controller, controller_ports, device.name());
    if (Registers(window).read<Status>() == Status::nothing) return Error::not_found;
    auto started = Mouse(window).start(has_keyboard);
    if (started.error() == Error::not_found) return started;
    if (!started) return fail(started.error(), "{}: no answer", device.name());
    Mouse& mouse = *TRY(make<Mouse>(window));
    publish(mouse, "pms");
    if (!device.on_interrupt(Mouse::interrupt, &mouse))
        log("{}: no interrupt; polled", device.name());
    mouse.begin();
    // One that is there answers within 20 ms; what is plugged in later is found by poll().
    Deadline first_answer{25_ms};
    (void)poll_until(
        [&] {
            InterruptsOff interrupts;
            mouse.poll();
            return mouse.settled() || (first_answer.passed() && !mouse.answers());
        },
        200_ms);
    device.describe("{}", mouse.model);
    return {};
}

constexpr Match matches[] = {isa(0x64, 1, 12)};  // where commands go to; data is pckbd's

}  // namespace

extern const Driver pms = {"pms", matches, attach};
