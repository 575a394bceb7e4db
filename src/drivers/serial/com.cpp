// SPDX-License-Identifier: BSD-2-Clause
// com - 16550-compatible serial ports, with a terminal at the other end.
//
// Output is polled against a deadline, once per fill of the transmit FIFO; a transmitter that does
// not go on costs it once: text is then dropped until it has. Input comes by interrupt or poll.
// Supports: 16450, 16550, 16550A with its FIFOs, 115200 baud 8N1; on ISA and PCI (one port a card).
// Not: 8250 (no Scratch register), flow control, modem lines.
// Data sheet: National PC16550D (1995), section 8.  Tested on: QEMU isa-serial, pci-serial.
#include "console/terminal.h"
#include "hal/driver.h"

namespace {
using namespace hal;

struct Data : Register<Data, 0, uint8_t> {};              // RBR when read, THR when written
struct DivisorLow : Register<DivisorLow, 0, uint8_t> {};  // the same address while DLAB is set
struct DivisorHigh : Register<DivisorHigh, 1, uint8_t> {};
struct InterruptEnable : Register<InterruptEnable, 1, uint8_t> {
    struct Received : Field<Received, 0> {};
    struct LineStatus : Field<LineStatus, 2> {};
};
struct InterruptIdentification : Register<InterruptIdentification, 2, uint8_t> {
    struct Fifos : Field<Fifos, 6, 2> {
        enum Value : uint8_t { working = 3 };  // 2: the first 16550, whose FIFOs lose data
    };
};
struct FifoControl : Register<FifoControl, 2, uint8_t> {
    struct Enable : Field<Enable, 0> {};
    struct ClearReceive : Field<ClearReceive, 1> {};
    struct ClearTransmit : Field<ClearTransmit, 2> {};
    struct Trigger : Field<Trigger, 6, 2> {
        enum Value : uint8_t { eight_bytes = 2 };
    };
};
struct LineControl : Register<LineControl, 3, uint8_t> {
    struct WordLength : Field<WordLength, 0, 2> {
        enum Value : uint8_t { eight_bits = 3 };
    };
    struct DivisorLatch : Field<DivisorLatch, 7> {};
};
struct ModemControl : Register<ModemControl, 4, uint8_t> {
    struct DataTerminalReady : Field<DataTerminalReady, 0> {};
    struct RequestToSend : Field<RequestToSend, 1> {};
    struct Ready : Field<Ready, 0, 2> {};             // both
    struct InterruptOut : Field<InterruptOut, 3> {};  // OUT2 gates the interrupt line on a PC
};
struct LineStatus : Register<LineStatus, 5, uint8_t> {
    struct Received : Field<Received, 0> {};
    struct Overrun : Field<Overrun, 1> {};
    struct Bad : Field<Bad, 2, 3> {};  // the three below
    struct ParityError : Field<ParityError, 2> {};
    struct FramingError : Field<FramingError, 3> {};
    struct Break : Field<Break, 4> {};
    struct TransmitEmpty : Field<TransmitEmpty, 5> {};  // FIFO mode: all of the FIFO
    struct TransmitterIdle : Field<TransmitterIdle, 6> {};
    static constexpr uint8_t gone = 0xff;
};
struct Scratch : Register<Scratch, 7, uint8_t> {};

class Com final : public Terminal, public SerialPort {
public:
    explicit Com(Window window) : regs_(window) {}

    Result<void> start();
    void enable_interrupt()
    {
        regs_.write(InterruptEnable::Received::of(1) | InterruptEnable::LineStatus::of(1));
    }
    bool has_fifos() const { return fifo_bytes_ > 1; }

    void poll() override;
    static void interrupt(void* context) { static_cast<Com*>(context)->poll(); }
    int receive() override;
    Result<void> transmit(std::string_view bytes) override;

private:
    void send(std::string_view bytes) override { (void)transmit(bytes); }
    bool make_room();

    Registers regs_;
    unsigned fifo_bytes_ = 1;
    unsigned room_ = 0;   // so many bytes are sure to fit the transmit FIFO
    bool stuck_ = false;  // it did not take what it was given
};

Result<void> Com::start()
{
    regs_.write<InterruptEnable>(0);
    for (uint8_t pattern : {0x55, 0xaa}) {
        regs_.write<Scratch>(pattern);
        // The other register is read so that a bus that only remembers is found out.
        if (regs_.read<InterruptEnable>() != 0) return Error::not_found;
        if (regs_.read<Scratch>() != pattern) return Error::not_found;
    }
    using Length = LineControl::WordLength;
    regs_.write(LineControl::DivisorLatch::of(1));
    regs_.write<DivisorLow>(1);  // 115200 = 1.8432 MHz / 16
    regs_.write<DivisorHigh>(0);
    regs_.write(Length::of(Length::eight_bits));

    using Trigger = FifoControl::Trigger;
    regs_.write(FifoControl::Enable::of(1) | FifoControl::ClearReceive::of(1) |
                FifoControl::ClearTransmit::of(1) | Trigger::of(Trigger::eight_bytes));
    using Fifos = InterruptIdentification::Fifos;
    if (regs_.get<Fifos>() == Fifos::working)
        fifo_bytes_ = 16;
    else
        regs_.write<FifoControl>(0);
    regs_.write(ModemControl::Ready::of(3) | ModemControl::InterruptOut::of(1));
    return {};
}

// Also the interrupt handler. The limit: a chip that always has something shall not hang us.
void Com::poll()
{
    if (tell_arrival()) return;
    for (unsigned limit = 64; limit; --limit) {
        uint8_t status = regs_.read<LineStatus>();
        if (!LineStatus::Received::in(status) || status == LineStatus::gone) break;
        uint8_t byte = regs_.read<Data>();
        if (LineStatus::Break::in(status)) break_pressed(*this);
        if (!LineStatus::Bad::in(status)) keys.received(byte);
    }
    keys.idle();
}

int Com::receive()
{
    for (unsigned limit = 64; limit; --limit) {
        uint8_t status = regs_.read<LineStatus>();
        if (!LineStatus::Received::in(status) || status == LineStatus::gone) break;
        uint8_t byte = regs_.read<Data>();
        if (!LineStatus::Bad::in(status)) return byte;
    }
    return -1;
}

Result<void> Com::transmit(std::string_view bytes)
{
    for (char c : bytes) {
        if (room_ == 0 && !make_room()) return Error::timed_out;
        --room_;
        regs_.write<Data>(static_cast<uint8_t>(c));
    }
    return {};
}

bool Com::make_room()
{
    Caller here = __func__;
    auto empty = [&] { return regs_.get<LineStatus::TransmitEmpty>(here) == 1; };
    // 16 bytes take 1.4 ms; the rest is for an emulator whose reader sleeps.
    if (!empty() && (stuck_ || !poll_until(empty, 250_ms))) {
        if (!std::exchange(stuck_, true))
            log("{}: the transmitter is stuck; what it does not take is lost",
                TextOutput::name.view());
        return false;
    }
    stuck_ = false;
    room_ = fifo_bytes_;
    return true;
}

Result<void> attach(Device& device)
{
    Window window = device.is_pci() ? TRY(device.bar(0)) : device.ports();
    Com probe(window);
    TRY(probe.start());
    Com& port = *TRY(make<Com>(window));
    TRY(port.start());
    if (device.irq() && device.on_interrupt(Com::interrupt, &port)) port.enable_interrupt();
    publish(static_cast<TextOutput&>(port), "com");
    publish(static_cast<KeyInput&>(port), "com");
    publish(static_cast<SerialPort&>(port), "com");
    device.describe("{}, 115200 baud",
                    port.has_fifos() ? "16550A, 16-byte FIFOs" : "16450, no FIFOs");
    return {};
}

constexpr Match matches[] = {
    isa(0x3f8, 8, 4), isa(0x2f8, 8, 3),    isa(0x3e8, 8, 4),
    isa(0x2e8, 8, 3), pci(0x1b36, 0x0002), pci_class(7, 0, 2),
};

}  // namespace

extern const Driver com = {"com", matches, attach, true};
