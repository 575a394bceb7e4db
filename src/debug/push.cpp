// SPDX-License-Identifier: BSD-2-Clause
// push - a payload comes over the serial line, and is called: `./vesper push`.
//
// The command `reload` listens on every serial port that nobody else has taken; the one on which a
// transfer begins has it. What comes lies at the end of the payload's memory until all of it has
// been checked; nothing is loaded meanwhile, and after a transfer that failed. See transfer.h.
// Tested on: QEMU isa-serial.
#include "api/kexec.h"
#include "console/console.h"
#include "debug/report.h"
#include "debug/tool.h"
#include "debug/transfer.h"
#include "hal/classes.h"
#include "lib/ring.h"

namespace {

using debug::Transfer;

constinit Ring<uint8_t, 4096> arrived;  // what interrupts have found
constinit SerialPort* chosen = nullptr;

// The interrupt handler's, and with interrupts off everybody's.
void take_arrivals(void* context)
{
    auto* port = static_cast<SerialPort*>(context);
    for (int byte; (byte = port->receive()) >= 0;) {
        if (!chosen && (byte == Transfer::flag || byte == Transfer::cancel)) chosen = port;
        if (chosen == port) arrived.push(static_cast<uint8_t>(byte));
    }
}

class SerialLines final : public debug::TransferLine {
public:
    SerialLines();
    ~SerialLines();
    SerialLines(const SerialLines&) = delete;

    bool empty() const { return count_ == 0; }
    int receive() override;
    void send(std::string_view bytes) override;

private:
    static constexpr unsigned most = 8;
    SerialPort* ports_[most] = {};
    unsigned count_ = 0, looks_ = 0;
};

SerialLines::SerialLines()
{
    hal::InterruptsOff interrupts;
    chosen = nullptr;
    arrived.clear();
    for (SerialPort* port = first_serial_port(); port && count_ < most; port = port->next) {
        if (port->is_taken()) continue;
        port->on_arrival(take_arrivals, port);
        ports_[count_++] = port;
    }
}

SerialLines::~SerialLines()
{
    hal::InterruptsOff interrupts;
    for (unsigned i = 0; i < count_; ++i) ports_[i]->on_arrival(nullptr, nullptr);
}

int SerialLines::receive()
{
    uint8_t byte;
    if (arrived.pop(byte)) return byte;
    {
        hal::InterruptsOff interrupts;
        for (unsigned i = 0; i < count_; ++i) take_arrivals(ports_[i]);
    }
    if (arrived.pop(byte)) return byte;
    if (++looks_ % 64) return -1;  // a keyboard controller is slow
    constexpr int escape_key = 27;
    int key = console::poll_key();
    return key == escape_key || key == Transfer::cancel ? Transfer::cancel : -1;
}

void SerialLines::send(std::string_view bytes)
{
    for (unsigned i = 0; i < count_; ++i) {
        if (!chosen || chosen == ports_[i]) (void)ports_[i]->transmit(bytes);
    }
}

Result<void> receive(monitor::Call& call)
{
    SerialLines lines;
    if (lines.empty()) return call.fail(Error::not_found, "there is no serial port for it");
    monitor::print("Waiting for ./vesper push; Control-C ends that.\n");
    Transfer transfer(lines, kexec::payload_memory());
    if (auto received = transfer.receive(); !received)
        return call.fail(received.error(), "{}; no payload is loaded", transfer.why());
    auto symbols = transfer.symbols();
    auto loaded = kexec::load(transfer.payload());
    if (!loaded) {
        transfer.refuse("the machine cannot load it, and says why");
        return loaded;
    }
    if (!symbols.empty()) debug::take_payload_symbols(symbols);
    transfer.accept();
    return {};
}

Result<void> reload(monitor::Call& call)
{
    monitor::begin_load(call, call.rest());
    TRY(receive(call));
    monitor::call_loaded();
    return {};
}

constexpr monitor::Command commands[] = {
    {"reload", "[ARGS...]", "take a payload from the serial line, and call it", reload,
     "./vesper push is the other side, and types this. Without ARGS: args= of the boot.", false,
     true},
};

}  // namespace

extern const debug::Tool push_tool = {.name = "push", .commands = commands};
