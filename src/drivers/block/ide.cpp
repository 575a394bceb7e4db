// SPDX-License-Identifier: BSD-2-Clause
// ide - disks and CD/DVD drives on IDE channels: PCI controllers of class 01/01, ISA port ranges.
//
// One command at a time per channel; block/ata.cpp and block/scsi.cpp decide which. Bus-master DMA
// goes straight to or from the caller's buffer; what that cannot reach goes by PIO. The interrupt
// only ends the rest between looks at the registers: a lost one costs a tick.
// Supports: CHS, LBA28, LBA48, sectors of 512 and 4096 bytes, ATAPI, both channels and drives,
// legacy and native mode; transfer modes by block/piix.cpp, elsewhere the firmware's stay.
// Not: hot plug.
// Spec: ATA/ATAPI-7 (T13/1532D) volumes 1 and 2 ("V1", "V2"); PCI IDE Controller Specification
// 1.0; Programming Interface for Bus Master IDE Controller 1.0 ("BM").
// Tested on: QEMU 7.2 pc (PIIX3) and isapc; the fake channel of tests/host/fakes/ide.h.
#include <algorithm>
#include <cstring>
#include "block/ata_registers.h"
#include "block/atapi.h"
#include "block/piix.h"
#include "hal/driver.h"

extern const Driver ide;

namespace {
using namespace hal;
using namespace ata;

using command_block::Status;
constexpr Duration ready_limit = 5_s;  // V1 gives none; a disk spins up in some seconds
constexpr uint8_t all_ones = 0xff;     // BSY and DRQ and ERR: nothing drives the bus

class Channel final : public AtaTransport {
public:
    Channel(::Device& controller, unsigned number, Window command, Window control)
        : controller(controller), number(number), command_(command), control_(control)
    {
        if (controller.is_pci()) modes_ = Piix(controller.pci(), number);
    }
    ::Device& controller;
    const unsigned number;

    static void on_interrupt(void* channel) { static_cast<Channel*>(channel)->interrupt(); }

    // The channel's node in the device tree, for what is found on it.
    Result<::Device*> node()
    {
        if (node_) return node_;
        Text<16> locator;
        node_ = TRY(controller.add_child("ata", locator.print("channel {}", number)));
        node_->describe("");
        return node_;
    }

    Result<void> use_bus_master(Window window)
    {
        table_ =
            TRY(allocate_dma(bus_master::descriptors * sizeof(bus_master::Descriptor), 4, 65536));
        bus_master_ = Registers(window);
        has_dma = true;
        return {};
    }

    // Bit 0: drive 0, bit 1: drive 1. Two registers keep what is written if the drive is there, or
    // the other one answers for it. A bus without drives floats, and a drive that still spins up
    // takes nothing before BSY is off.
    unsigned drives_there()
    {
        Caller here = __func__;
        auto keeps_registers = [&] {
            command_.write<command_block::SectorCount>(0x55, here);
            command_.write<command_block::LbaLow>(0xaa, here);
            return command_.read<command_block::SectorCount>(here) == 0x55 &&
                   command_.read<command_block::LbaLow>(here) == 0xaa;
        };
        unsigned there = 0;
        for (uint8_t drive : {0, 1}) {
            command_.write<command_block::Device>(AtaCommand{.drive = drive}.device());
            settle();
            bool keeps = keeps_registers();
            uint8_t now = status();
            if (!keeps && now != all_ones && Status::Busy::in(now)) {
                if (!not_busy(ready_limit)) return there;
                keeps = keeps_registers();
            }
            if (keeps) there |= 1 << drive;
        }
        return there;
    }

    // Errors: not_found (no drive), unsupported (a packet device, by its signature), as of
    // execute().
    Result<void> identify(unsigned drive, uint8_t opcode, std::span<uint16_t, 256> words)
    {
        control_.write(control_block::DeviceControl::Obsolete3::of(1));  // interrupts on
        auto data = std::as_writable_bytes(words);
        auto done = execute({.opcode = opcode,
                             .drive = static_cast<uint8_t>(drive),
                             .data = data.data(),
                             .bytes = data.size(),
                             .bytes_per_request = data.size()});
        if (done) return done;
        if (error & command_block::Error::Abort::mask) {
            bool is_packet_device = command_.read<command_block::LbaMid>() == 0x14 &&
                                    command_.read<command_block::LbaHigh>() == 0xeb;
            return is_packet_device ? Error::unsupported : Error::not_found;
        }
        return status() == 0 ? Error::not_found : done;  // 0: nobody took the command
    }

    void choose_modes(unsigned drive, std::span<uint16_t, 256> words)
    {
        if (!config_has_pci) return;
        auto chosen = modes_.choose(*this, drive, words);
        if (chosen) return;
        log("{}: channel {} drive {}: SET FEATURES: {}", controller.name(), number, drive,
            why.view());
        reset_due = chosen.error() != Error::device;
        (void)recover();
    }
    uint8_t step_down(unsigned drive) override { return modes_.step_down(*this, drive); }

    Result<void> execute(const AtaCommand& command) override
    {
        if (modes_.is_due(command.drive)) TRY(modes_.restore(*this, command.drive));
        TRY(select(command.device()));
        if (command.extended)  // V1, 4.14: the upper halves first, through the same registers
            set_registers(command.count >> 8, static_cast<uint32_t>(command.address >> 24));
        set_registers(command.count, static_cast<uint32_t>(command.address));
        if (command.features || !command.cdb.empty())
            command_.write<command_block::Features>(command.features);
        if (config_has_pci && command.dma) return dma(command);
        TRY(give(command));
        return !config_has_scsi || command.cdb.empty() ? pio(command) : packet_data(command);
    }

    // Fills the descriptor table.
    bool map(const std::byte* data, size_t bytes) override
    {
        auto* descriptor = reinterpret_cast<bus_master::Descriptor*>(table_.data);
        auto* last = descriptor + bus_master::descriptors;
        while (bytes) {
            auto run = dma_run(data, bytes);
            if (run.bytes == 0 || run.bytes > bytes || (run.address | run.bytes) & 1) return false;
            data += run.bytes;
            bytes -= run.bytes;
            while (run.bytes) {
                size_t piece = std::min<size_t>(run.bytes, 0x10000 - (run.address & 0xffff));
                if (descriptor == last) return false;
                bool end = bytes == 0 && piece == run.bytes;
                trace_dma(controller.name(), "Descriptor", run.address,
                          static_cast<uint32_t>(piece));
                *descriptor++ = {run.address, static_cast<uint16_t>(piece),
                                 end ? bus_master::Descriptor::end_of_table : uint16_t{0}};
                run.address += static_cast<uint32_t>(piece);
                run.bytes -= piece;
            }
        }
        return true;
    }

private:
    // In a trace these are what their callers do.
    uint8_t status(Caller caller = __builtin_FUNCTION()) const
    {
        return control_.read<control_block::AlternateStatus>(caller);
    }
    void settle(Caller caller = __builtin_FUNCTION()) const
    {
        for (int i = 0; i < 4; ++i) status(caller);  // 400 ns: Status is valid only then
    }

    void interrupt()
    {
        if (has_dma) {  // the line may be shared; BM 2.0: the bit latches the drive's interrupt
            if (!bus_master_.get<bus_master::Status::Interrupt>()) return;
            bus_master_.acknowledge<bus_master::Status::Interrupt>();
        }
        command_.read<Status>();
        interrupted_ = true;
    }

    Result<void> reset() override  // V2, 11.2
    {
        using Control = control_block::DeviceControl;
        if (stuck_ && Status::Busy::in(status())) return failed(Error::timed_out, "still busy");
        if (Status::Busy::in(status()))
            log("{}: channel {}: busy, and is reset", controller.name(), number);
        control_.write(Control::SoftReset::of(1) | Control::Obsolete3::of(1));
        sleep(5_us);
        control_.write(Control::Obsolete3::of(1));
        sleep(2_ms);
        modes_.has_been_reset();
        auto done = not_busy(ready_limit);
        stuck_ = done.error() == Error::timed_out;
        return done ? Result<void>() : done.error();
    }

    Result<void> select(uint8_t device)  // V2, 11.3: idle before and after
    {
        error = 0;
        why.clear();
        for (bool selected : {false, true}) {
            auto now = TRY(not_busy(ready_limit));
            if (Status::DataRequest::in(now)) return check(Status::DataRequest::mask, false);
            if (selected) break;
            command_.write<command_block::Device>(device);
            settle();
        }
        return {};
    }

    void set_registers(uint32_t count, uint32_t address) const
    {
        command_.write<command_block::SectorCount>(static_cast<uint8_t>(count));
        command_.write<command_block::LbaLow>(static_cast<uint8_t>(address));
        command_.write<command_block::LbaMid>(static_cast<uint8_t>(address >> 8));
        command_.write<command_block::LbaHigh>(static_cast<uint8_t>(address >> 16));
    }

    Result<void> give(const AtaCommand& command)
    {
        forget_interrupt();
        command_.write<command_block::Command>(command.opcode);
        settle();
        if (!config_has_scsi || command.cdb.empty()) return {};
        // V2, 11.8 and 11.9: the drive wants the packet, and may say so with an interrupt.
        TRY(check(TRY(not_busy(ready_limit, false)), true));
        command_.read<Status>();
        forget_interrupt();
        uint16_t words[8];
        memcpy(words, command.cdb.data(), command.cdb.size());
        command_.write_many<command_block::Data>({words, command.cdb.size() / 2});
        settle();
        return {};
    }

    void forget_interrupt(Caller caller = __builtin_FUNCTION())
    {
        if (has_dma) bus_master_.acknowledge<bus_master::Status::Latched>(caller);
        interrupted_ = false;
    }

    // The data of a command that has been given (V2, 11.5 and 11.6): DRQ once for each block.
    Result<void> pio(const AtaCommand& command)
    {
        std::span data(command.data, command.bytes);
        for (bool first = true; !data.empty(); first = false) {
            // There is no interrupt before the first block of a write.
            auto now = TRY(not_busy(command.limit, !(command.write && first)));
            TRY(check(now, true));
            auto block = data.first(std::min(command.bytes_per_request, data.size()));
            move(block, command.write);
            settle();
            data = data.subspan(block.size());
        }
        return check(TRY(not_busy(command.limit)), false);
    }

    // The data of a packet (V2, 11.8): at each DRQ the drive says how much, and which way.
    Result<void> packet_data(const AtaCommand& command)
    {
        using Reason = command_block::InterruptReason;
        std::span data(command.data, command.bytes);
        for (uint8_t now;;) {
            now = TRY(not_busy(command.limit));
            if (Status::Error::in(now) || !Status::DataRequest::in(now)) return check(now, false);
            auto reason = command_.read<Reason>();
            size_t bytes = command_.read<command_block::LbaMid>() |
                           command_.read<command_block::LbaHigh>() << 8;
            if (Reason::CommandPacket::in(reason) || Reason::ToHost::in(reason) == command.write ||
                bytes == 0 || data.empty())
                return failed(Error::device, "{} more bytes (reason {02x})", bytes, reason);
            auto part = data.first(std::min(bytes, data.size()));
            move(part, command.write);
            std::byte excess[2] = {};
            for (size_t i = (part.size() + 1) & ~1u; i < bytes; i += 2) move(excess, command.write);
            settle();
            data = data.subspan(part.size());
            moved += part.size();
        }
    }

    // A command whose registers are set, with the memory in the table (BM 3.1; V2, 11.7 and 11.9).
    Result<void> dma(const AtaCommand& command)
    {
        using DriveStatus = command_block::Status;
        auto direction = bus_master::Command::ToMemory::of(!command.write);
        bus_master_.write<bus_master::DescriptorTable>(table_.address);
        bus_master_.write(direction);
        TRY(give(command));
        bus_master_.write(direction | bus_master::Command::Start::of(1));

        Caller here = __func__;
        uint8_t drive = 0, engine = 0;
        auto waited = wait_until(
            [&] {
                drive = status(here);
                engine = bus_master_.read<bus_master::Status>(here);
                if (drive == all_ones || bus_master::Status::Error::in(engine)) return true;
                bool interrupt = interrupted_ || bus_master::Status::Interrupt::in(engine);
                return interrupt && !DriveStatus::Busy::in(drive) &&
                       !DriveStatus::DataRequest::in(drive);
            },
            command.limit);
        bus_master_.write(direction);  // stopped: from here on the buffer is the caller's again
        if (drive == all_ones) return failed(Error::gone, "the drive has gone");
        if (!waited)
            return failed(Error::timed_out, "DMA does not end (status {02x}, {02x})", drive,
                          engine);
        command_.read<command_block::Status>();
        bus_master_.acknowledge<bus_master::Status::Latched>();
        if (!DriveStatus::Busy::in(drive)) TRY(check(drive, DriveStatus::DataRequest::in(drive)));
        if (bus_master::Status::Error::in(engine) || bus_master::Status::Active::in(engine))
            return failed(Error::device, "DMA failed (bus master status {02x})", engine);
        moved = command.bytes;
        return {};
    }

    Result<uint8_t> not_busy(Duration limit, bool rest = true, Caller caller = __builtin_FUNCTION())
    {
        uint8_t now = all_ones;
        auto done = [&] {
            now = status(caller);
            return now == all_ones || !Status::Busy::in(now);
        };
        auto waited = rest ? wait_until(done, limit) : poll_until(done, limit);
        if (now == all_ones) return failed(Error::gone, "the drive has gone");
        if (!waited) return failed(Error::timed_out, "no answer (status {02x})", now);
        return now;
    }

    // What the drive says once BSY is off.
    Result<void> check(uint8_t status, bool wants_data)
    {
        bool reported = Status::Error::in(status);
        if (reported || Status::DeviceFault::in(status))
            return failed_with(status,
                               reported ? command_.read<command_block::Error>() : uint8_t{0});
        if (Status::DataRequest::in(status) == wants_data) return {};
        return failed(
            Error::device,
            wants_data ? "it ended early (status {02x})" : "it wants more data (status {02x})",
            status);
    }

    void move(std::span<std::byte> block, bool write) const
    {
        uint16_t words[256];
        while (!block.empty()) {
            // The data port moves whole words; what is odd goes by way of the stack.
            size_t bytes = std::min(block.size(), sizeof words);
            bool odd = (reinterpret_cast<uintptr_t>(block.data()) | bytes) & 1;
            auto* data = odd ? words : reinterpret_cast<uint16_t*>(block.data());
            std::span all(data, (bytes + 1) / 2);
            if (write) {
                if (odd) memcpy(words, block.data(), bytes);
                command_.write_many<command_block::Data>(all);
            } else {
                command_.read_many<command_block::Data>(all);
                if (odd) memcpy(block.data(), words, bytes);
            }
            block = block.subspan(bytes);
        }
    }

    Registers command_, control_, bus_master_;
    DmaMemory table_;
    volatile bool interrupted_ = false;  // since the DMA command was given
    bool stuck_ = false;                 // not even a reset helped
    ::Device* node_ = nullptr;
    Piix modes_;
};

Result<void> add_drive(Channel& channel, unsigned drive)
{
    uint16_t words[256];
    auto identified = channel.identify(drive, AtaCommand::identify_device, words);
    auto why = identified.error();
    if (!identified && why != Error::not_found && why != Error::unsupported) {
        channel.reset_due = true;
        TRY(channel.recover());
        identified = channel.identify(drive, AtaCommand::identify_device, words);
    }
    Text<16> locator;
    locator.print("drive {}", drive);
    if (config_has_scsi && identified.error() == Error::unsupported) {
        TRY(channel.identify(drive, AtaCommand::identify_packet_device, words));
        channel.choose_modes(drive, words);
        auto unit = AtapiUnit::attach(*TRY(channel.node()), locator, channel, drive, words);
        return unit ? Result<void>() : Error::not_found;  // and said so
    }
    if (!identified) return identified;
    channel.choose_modes(drive, words);
    auto identity = AtaIdentity::from(words, channel.controller.name());
    if (!identity) return Error::not_found;
    ::Device* node = TRY(TRY(channel.node())->add_child("wd", locator));
    AtaDisk* disk = TRY(make<AtaDisk>(channel, drive, identity.value()));
    node->describe("<{}>, {}", disk->model.view(), disk->abilities().view());
    publish_as(*disk, node->name());
    return {};
}

// Errors: not_found (no drive), no_memory.
Result<void> attach_channel(Channel& channel, unsigned irq, const Window* bus_master)
{
    unsigned there = channel.drives_there();
    const char* controller = channel.controller.name();
    if (!channel.why.empty())
        log("{}: channel {}: {}", controller, channel.number, channel.why.view());
    if (there == 0) return Error::not_found;
    if (!channel.controller.is_pci()) channel.controller.describe("");
    if (bus_master) TRY(channel.use_bus_master(*bus_master));
    if (irq == 0 || !connect_interrupt(irq, Channel::on_interrupt, &channel, controller))
        log("{}: channel {}: no interrupt, polled", controller, channel.number);
    for (unsigned drive : {0u, 1u}) {
        if (!(there >> drive & 1)) continue;
        auto added = add_drive(channel, drive);
        if (added || added.error() == Error::not_found) continue;
        log("{}: channel {} drive {}: {}", controller, channel.number, drive,
            channel.why.empty() ? error_text(added.error()) : channel.why.c_str());
        if (added.error() == Error::timed_out) break;
    }
    return {};
}

constexpr uint16_t legacy_ports[] = {0x1f0, 0x170};
constexpr uint8_t legacy_irqs[] = {14, 15};
constexpr uint8_t native_mode[] = {0x01, 0x04};  // in the programming interface, by channel
constexpr uint8_t can_master = 0x80;

// The control block is at +206h, counted from +204h as in native mode.
Window legacy_control(uint16_t port, const char* owner)
{
    return port_window(static_cast<uint16_t>(port + 0x204), 4, owner);
}

Result<void> attach_pci(::Device& device)
{
    const PciFunction& pci = device.pci();
    uint8_t interface = pci.interface();
    pci.enable(PciFunction::io_space);
    auto engine = interface & can_master ? device.bar(4) : Result<Window>(Error::not_found);
    if (engine) pci.enable(PciFunction::bus_master);
    device.describe("{04x}:{04x}, IDE{}", pci.vendor(), pci.product(),
                    engine ? ", bus master" : "");
    for (unsigned number : {0u, 1u}) {
        bool native = interface & native_mode[number];
        auto command =
            native ? device.bar(number * 2) : port_window(legacy_ports[number], 8, device.name());
        auto control = native ? device.bar(number * 2 + 1)
                              : legacy_control(legacy_ports[number], device.name());
        if (!command || !control) continue;  // the firmware has switched the channel off
        auto* channel = TRY(make<Channel>(device, number, command.value(), control.value()));
        Window bus_master = engine.value();
        bus_master.base += number * 8;
        auto attached = attach_channel(*channel, native ? device.irq() : legacy_irqs[number],
                                       engine ? &bus_master : nullptr);
        if (attached.error() == Error::not_found)
            delete channel;
        else if (!attached)
            return attached;
    }
    return {};
}

// Whether a PCI controller, found before, is what answers at a legacy channel.
bool taken_by_pci(const ::Device& node, unsigned number)
{
    if (node.is_pci() && node.driver() == &ide && !(node.pci().interface() & native_mode[number]))
        return true;
    for (::Device* child = node.first_child(); child; child = child->next_sibling()) {
        if (taken_by_pci(*child, number)) return true;
    }
    return false;
}

Result<void> attach(::Device& device)
{
    if (device.is_pci()) return attach_pci(device);
    unsigned number = device.match().port == legacy_ports[1];
    if (taken_by_pci(::Device::root(), number)) return Error::not_found;
    auto* channel = TRY(make<Channel>(device, 0, device.ports(),
                                      legacy_control(device.match().port, device.name())));
    auto attached = attach_channel(*channel, device.irq(), nullptr);
    if (attached.error() == Error::not_found) delete channel;
    return attached;
}

constexpr Match matches[] = {pci_class(1, 1), isa(legacy_ports[0], 8, legacy_irqs[0]),
                             isa(legacy_ports[1], 8, legacy_irqs[1])};
}  // namespace

extern const Driver ide = {"ide", matches, attach};
