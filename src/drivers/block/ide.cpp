// SPDX-License-Identifier: BSD-2-Clause
// ide - ATA disks on IDE channels: PCI controllers of class 01/01, and the two ISA port ranges.
//
// One command at a time per channel. Bus-master DMA goes straight to or from the caller's buffer;
// what it cannot reach, and everything after it has failed once, goes by PIO, several sectors a
// block. The interrupt only ends the rest between looks at the registers: a lost one costs a tick.
// Supports: CHS, LBA28, LBA48, sectors of 512 and 4096 bytes, both channels and drives, legacy and
// native mode.  Not: ATAPI (named only), setting transfer modes (the firmware's stay), hot plug.
// Spec: ATA/ATAPI-7 (T13/1532D) volumes 1 and 2 ("V1", "V2"); PCI IDE Controller Specification
// 1.0; Programming Interface for Bus Master IDE Controller 1.0 ("BM").
// Tested on: QEMU 7.2 pc (PIIX3) and isapc; the fake channel of tests/host/fakes/ide.h.
#include <algorithm>
#include <cstring>
#include "block/ata.h"
#include "hal/driver.h"

extern const Driver ide;

namespace {
using namespace hal;

namespace command_block {  // V1, as are the control block and the commands
struct Data : Register<Data, 0, uint16_t> {};
struct Error : Register<Error, 1, uint8_t> {
    struct Abort : Field<2> {};
    struct IdNotFound : Field<4> {};
    struct Uncorrectable : Field<6> {};
};
struct SectorCount : Register<SectorCount, 2, uint8_t> {};
struct LbaLow : Register<LbaLow, 3, uint8_t> {};  // CHS: sector number
struct LbaMid : Register<LbaMid, 4, uint8_t> {};  // CHS: cylinder low
struct LbaHigh : Register<LbaHigh, 5, uint8_t> {};
struct Device : Register<Device, 6, uint8_t> {
    struct Head : Field<0, 4> {};  // or bits 27:24 of an LBA
    struct Drive : Field<4> {};
    struct Obsolete5 : Field<5> {};  // 1 for drives before ATA-3
    struct Lba : Field<6> {};
    struct Obsolete7 : Field<7> {};
};
struct Status : Register<Status, 7, uint8_t> {  // reading it ends the interrupt
    struct Error : Field<0> {};
    struct DataRequest : Field<3> {};
    struct DeviceFault : Field<5> {};
    struct Busy : Field<7> {};
};
struct Command : Register<Command, 7, uint8_t> {};
}  // namespace command_block

namespace control_block {  // from 3f4h or a base address register on
struct AlternateStatus : Register<AlternateStatus, 2, uint8_t> {};  // Status, without its effect
struct DeviceControl : Register<DeviceControl, 2, uint8_t> {
    struct SoftReset : Field<2> {};
    struct Obsolete3 : Field<3> {};  // 1 for ATA-1 drives with more than 8 heads
};
}  // namespace control_block

namespace bus_master {  // BM 2.0
struct Command : Register<Command, 0, uint8_t> {
    struct Start : Field<0> {};
    struct ToMemory : Field<3> {};
};
struct Status : Register<Status, 2, uint8_t> {
    static constexpr uint8_t write_one_to_clear = 0x06;
    struct Active : Field<0> {};
    struct Error : Field<1> {};
    struct Interrupt : Field<2> {};
    struct Latched : Field<1, 2> {};  // the two above
};
struct DescriptorTable : Register<DescriptorTable, 4, uint32_t> {};
struct Descriptor {  // a run of memory that does not cross a multiple of 64 KiB
    uint32_t address;
    uint16_t bytes;  // 0 is 64 KiB
    uint16_t flags;
    static constexpr uint16_t end_of_table = 0x8000;
};
static_assert(sizeof(Descriptor) == 8);
constexpr unsigned descriptors = 128;
}  // namespace bus_master

using command_block::Status;
enum Opcode : uint8_t {
    initialize_device_parameters = 0x91,
    identify_packet_device = 0xa1,
    set_multiple_mode = 0xc6,
    flush_cache = 0xe7,
    flush_cache_ext = 0xea,
    identify_device = 0xec,
};
enum Protocol : uint8_t { single, multiple, dma };
constexpr uint8_t transfer_opcodes[2][2][3] = {
    // [write][EXT][protocol]
    {{0x20, 0xc4, 0xc8}, {0x24, 0x29, 0x25}},
    {{0x30, 0xc5, 0xca}, {0x34, 0x39, 0x35}},
};

// V1 gives no limits; a disk that sleeps needs some seconds to spin up.
constexpr Duration transfer_limit = 10_s, flush_limit = 60_s, ready_limit = 5_s;
constexpr uint8_t all_ones = 0xff;  // BSY and DRQ and ERR: nothing drives the bus

constexpr Bits<command_block::Device> device_bits(unsigned drive)
{
    using Device = command_block::Device;
    return Device::Obsolete7::of(1) | Device::Obsolete5::of(1) |
           Device::Drive::of(static_cast<uint8_t>(drive));
}

void name_errors(uint8_t error, Text<80>& text)
{
    static constexpr const char* names[8] = {"AMNF", "NM", "ABRT", "MCR",
                                             "IDNF", "MC", "UNC",  "ICRC"};
    for (int bit = 7; bit >= 0; --bit) {
        if (error >> bit & 1) text.print("{} ", names[bit]);
    }
}

class Channel {
public:
    Channel(::Device& controller, unsigned number, Window command, Window control)
        : controller(controller), number(number), command_(command), control_(control)
    {
    }
    ::Device& controller;
    const unsigned number;

    static void on_interrupt(void* channel) { static_cast<Channel*>(channel)->interrupt(); }
    const Registers& registers() const { return command_; }
    bool can_dma() const { return table_.data; }
    unsigned resets() const { return resets_; }
    void reset_before_next_command() { failed_ = true; }
    Result<void> recover() { return failed_ ? reset() : Result<void>(); }
    std::string_view why() const { return why_; }      // the last command failed
    uint8_t error_register() const { return error_; }  // 0 unless the drive said ERR
    template <class... Args>
    Error failed(Error error, std::string_view text, const Args&... args)
    {
        why_.clear();
        why_.print(text, args...);
        return error;
    }

    // A node for a drive in the device tree; the first one makes the channel's.
    Result<::Device*> add_node(std::string_view kind, unsigned drive)
    {
        Text<16> locator;
        if (!node_) {
            node_ = TRY(controller.add_child("ata", locator.print("channel {}", number)));
            node_->describe("");
        }
        locator.clear();
        return node_->add_child(kind, locator.print("drive {}", drive));
    }

    Result<void> use_bus_master(Window window)
    {
        table_ =
            TRY(allocate_dma(bus_master::descriptors * sizeof(bus_master::Descriptor), 4, 65536));
        bus_master_ = Registers(window);
        return {};
    }

    // Bit 0: drive 0, bit 1: drive 1. Two registers keep what is written if the drive is there, or
    // the other one answers for it. A bus without drives floats, and a drive that still spins up
    // takes nothing before BSY is off.
    unsigned drives_there()
    {
        auto keeps_registers = [&] {
            command_.write<command_block::SectorCount>(0x55);
            command_.write<command_block::LbaLow>(0xaa);
            return command_.read<command_block::SectorCount>() == 0x55 &&
                   command_.read<command_block::LbaLow>() == 0xaa;
        };
        unsigned there = 0;
        for (unsigned drive : {0u, 1u}) {
            command_.write(device_bits(drive));
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

    // Errors: not_found (no drive), unsupported (a packet device, by its signature), as of pio().
    Result<void> identify(unsigned drive, Opcode opcode, std::span<uint16_t, 256> words)
    {
        control_.write(control_block::DeviceControl::Obsolete3::of(1));  // interrupts on
        TRY(select(device_bits(drive)));
        command(opcode);
        if (status() == 0) return Error::not_found;  // nobody took the command
        auto done = pio(std::as_writable_bytes(words), false, words.size_bytes(), ready_limit);
        if (!(error_ & command_block::Error::Abort::mask)) return done;
        bool is_packet_device = command_.read<command_block::LbaMid>() == 0x14 &&
                                command_.read<command_block::LbaHigh>() == 0xeb;
        return is_packet_device ? Error::unsupported : Error::not_found;
    }

    Result<void> select(Bits<command_block::Device> device)  // V2, 11.3: idle before and after
    {
        error_ = 0;
        for (bool selected : {false, true}) {
            auto now = TRY(not_busy(ready_limit));
            if (Status::DataRequest::in(now)) return check(Status::DataRequest::mask, false);
            if (selected) break;
            command_.write(device);
            settle();
        }
        return {};
    }

    void command(uint8_t opcode) const
    {
        command_.write<command_block::Command>(opcode);
        settle();
    }

    Result<void> end_of_command(Duration limit = ready_limit)
    {
        return check(TRY(not_busy(limit)), false);
    }

    // The data of a command that has been given (V2, 11.5 and 11.6): DRQ once for each block.
    Result<void> pio(std::span<std::byte> data, bool write, size_t block_bytes,
                     Duration limit = transfer_limit)
    {
        for (bool first = true; !data.empty(); first = false) {
            // There is no interrupt before the first block of a write.
            auto now = TRY(not_busy(limit, !(write && first)));
            TRY(check(now, true));
            auto block = data.first(std::min(block_bytes, data.size()));
            move(block, write);
            settle();
            data = data.subspan(block.size());
        }
        return end_of_command(limit);
    }

    // Fills the descriptor table. False: the engine cannot do it in one command.
    bool describe_memory(const std::byte* data, size_t bytes)
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
                *descriptor++ = {run.address, static_cast<uint16_t>(piece),
                                 end ? bus_master::Descriptor::end_of_table : uint16_t{0}};
                run.address += static_cast<uint32_t>(piece);
                run.bytes -= piece;
            }
        }
        return true;
    }

    // A command whose registers are set, with the memory in the table (BM 3.1; V2, 11.7).
    Result<void> dma(uint8_t opcode, bool write)
    {
        using DriveStatus = command_block::Status;
        auto direction = bus_master::Command::ToMemory::of(!write);
        bus_master_.write<bus_master::DescriptorTable>(table_.address);
        bus_master_.write(direction);
        bus_master_.acknowledge<bus_master::Status::Latched>();
        interrupted_ = false;
        command(opcode);
        bus_master_.write(direction | bus_master::Command::Start::of(1));

        uint8_t drive = 0, engine = 0;
        auto waited = wait_until(
            [&] {
                drive = status();
                engine = bus_master_.read<bus_master::Status>();
                if (drive == all_ones || bus_master::Status::Error::in(engine)) return true;
                bool interrupt = interrupted_ || bus_master::Status::Interrupt::in(engine);
                return interrupt && !DriveStatus::Busy::in(drive) &&
                       !DriveStatus::DataRequest::in(drive);
            },
            transfer_limit);
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
        return {};
    }

    Result<void> reset()  // V2, 11.2
    {
        using Control = control_block::DeviceControl;
        if (stuck_ && Status::Busy::in(status())) return failed(Error::timed_out, "still busy");
        ++resets_;
        control_.write(Control::SoftReset::of(1) | Control::Obsolete3::of(1));
        sleep(5_us);
        control_.write(Control::Obsolete3::of(1));
        sleep(2_ms);
        auto done = not_busy(ready_limit);
        stuck_ = done.error() == Error::timed_out;
        failed_ = !done;
        return done ? Result<void>() : done.error();
    }

private:
    uint8_t status() const { return control_.read<control_block::AlternateStatus>(); }
    void settle() const
    {
        for (int i = 0; i < 4; ++i) status();  // 400 ns: Status is valid only then
    }

    void interrupt()
    {
        if (can_dma()) {  // the line may be shared; BM 2.0: the bit latches the drive's interrupt
            if (!bus_master_.get<bus_master::Status::Interrupt>()) return;
            bus_master_.acknowledge<bus_master::Status::Interrupt>();
        }
        command_.read<Status>();
        interrupted_ = true;
    }

    Result<uint8_t> not_busy(Duration limit, bool rest = true)
    {
        uint8_t now = all_ones;
        auto done = [&] {
            now = status();
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
        error_ = 0;
        if (Status::Error::in(status) || Status::DeviceFault::in(status)) {
            if (Status::Error::in(status)) error_ = command_.read<command_block::Error>();
            why_.clear();
            if (Status::DeviceFault::in(status)) why_.append("device fault ");
            name_errors(error_, why_);
            why_.print("(status {02x}, error {02x})", status, error_);
            return Error::device;
        }
        if (Status::DataRequest::in(status) == wants_data) return {};
        return failed(
            Error::device,
            wants_data ? "it ended early (status {02x})" : "it wants more data (status {02x})",
            status);
    }

    void move(std::span<std::byte> block, bool write) const
    {
        uint16_t words[256];
        for (; !block.empty(); block = block.subspan(sizeof words)) {
            // The data port moves whole words; an odd address goes by way of the stack.
            bool odd = reinterpret_cast<uintptr_t>(block.data()) & 1;
            auto* data = odd ? words : reinterpret_cast<uint16_t*>(block.data());
            if (write) {
                if (odd) memcpy(words, block.data(), sizeof words);
                command_.write_many<command_block::Data>({data, 256});
            } else {
                command_.read_many<command_block::Data>({data, 256});
                if (odd) memcpy(block.data(), words, sizeof words);
            }
        }
    }

    Registers command_, control_, bus_master_;
    DmaMemory table_;
    volatile bool interrupted_ = false;  // since the DMA command was given
    bool failed_ = false;                // a reset is due
    bool stuck_ = false;                 // not even a reset helped
    unsigned resets_ = 0;
    uint8_t error_ = 0;
    Text<80> why_;
    ::Device* node_ = nullptr;
};

class Disk final : public BlockDevice {
public:
    Disk(Channel& channel, unsigned drive, const AtaIdentity& identity)
        : channel_(channel),
          drive_(drive),
          id_(identity),
          dma_(id_.dma_selected && channel.can_dma())
    {
        model = id_.model;
        blocks = id_.blocks;
        block_bytes = id_.block_bytes;
    }

    Text<64> abilities() const
    {
        Text<64> text;
        text.print("{} MiB, {} sectors", blocks * block_bytes >> 20, blocks);
        if (block_bytes != 512) text.print(" of {} bytes", block_bytes);
        if (!id_.lba) text.append(", CHS");
        return text.append(dma_ ? ", DMA" : ", PIO");
    }

    Result<void> flush() override
    {
        if (!id_.flush_cache && !id_.flush_cache_ext) return {};
        auto done = channel_.recover();
        if (done) done = channel_.select(device_bits(drive_));
        if (done) {
            channel_.command(id_.flush_cache_ext ? flush_cache_ext : flush_cache);
            done = channel_.end_of_command(flush_limit);
        }
        if (done) return {};
        channel_.reset_before_next_command();
        return fail(done.error(), "{}: flush: {}", name.view(), channel_.why());
    }

private:
    struct Request {
        uint64_t first;
        uint32_t count;
        std::byte* data;
        bool write;
    };
    Result<void> read_blocks(uint64_t first, uint32_t count, std::byte* into) override
    {
        return transfer({first, count, into, false});
    }
    Result<void> write_blocks(uint64_t first, uint32_t count, const std::byte* from) override
    {
        return transfer({first, count, const_cast<std::byte*>(from), true});
    }

    Result<void> transfer(Request request)
    {
        while (request.count) {
            Request part = request;
            part.count = std::min<uint32_t>(request.count, id_.lba48 ? 65536 : 256);
            TRY(persist(part));
            request.first += part.count;
            request.count -= part.count;
            request.data += size_t{part.count} * block_bytes;
        }
        return {};
    }

    // One command's worth; DMA may take fewer blocks. Up to three attempts, a reset between them,
    // and only the first by DMA: if PIO succeeds where the medium was not at fault, DMA was.
    Result<void> persist(Request& request)
    {
        using DiskError = command_block::Error;
        constexpr uint8_t medium = DiskError::Uncorrectable::mask | DiskError::IdNotFound::mask;
        bool by_dma = dma_ && reachable_by_dma(request), blame_dma = false;
        Result<void> result;
        unsigned time_outs = 0;
        for (unsigned attempts = 0; attempts < 3 && time_outs < 2; ++attempts) {
            result = attempt(request, by_dma && attempts == 0);
            if (result) break;
            channel_.reset_before_next_command();
            if (attempts == 0) {
                log_failure(request);
                blame_dma = by_dma && !(channel_.error_register() & medium);
            }
            if (result.error() == Error::gone) break;
            time_outs += result.error() == Error::timed_out;
        }
        if (result && blame_dma) {
            dma_ = false;
            log("{}: DMA does not work, using PIO", name.view());
        }
        return result;
    }

    void log_failure(const Request& request) const
    {
        Text<64> what(request.write ? "write" : "read");
        what.print(" of block{} {}", request.count > 1 ? "s" : "", request.first);
        if (request.count > 1) what.print("...{}", request.first + request.count - 1);
        log("{}: {}: {}", name.view(), what.view(), channel_.why());
    }

    bool reachable_by_dma(Request& request) const
    {
        for (uint32_t count = request.count; count; count /= 2) {
            if (!channel_.describe_memory(request.data, size_t{count} * block_bytes)) continue;
            request.count = count;
            return true;
        }
        return false;
    }

    Result<void> attempt(const Request& request, bool by_dma)
    {
        TRY(channel_.recover());
        TRY(prepare(!by_dma));
        bool extended =
            id_.lba48 && (request.count > 256 || request.first + request.count > 1 << 28);
        TRY(address(request, extended));
        Protocol protocol = by_dma ? dma : multiple_ > 1 ? multiple : single;
        uint8_t opcode = transfer_opcodes[request.write][extended][protocol];
        if (by_dma) return channel_.dma(opcode, request.write);
        channel_.command(opcode);
        return channel_.pio({request.data, size_t{request.count} * block_bytes}, request.write,
                            size_t{multiple_} * block_bytes);
    }

    Result<void> prepare(bool for_pio)
    {
        if (prepared_at_ != channel_.resets()) {
            prepared_at_ = channel_.resets();
            geometry_set_ = id_.lba;
            multiple_ = 0;
        }
        auto& regs = channel_.registers();
        auto device = device_bits(drive_);
        if (!geometry_set_) {
            auto last_head = static_cast<uint8_t>(id_.heads - 1);
            TRY(channel_.select(device | command_block::Device::Head::of(last_head)));
            regs.write<command_block::SectorCount>(id_.sectors_per_track);
            channel_.command(initialize_device_parameters);
            TRY(channel_.end_of_command());
            geometry_set_ = true;
        }
        if (for_pio && multiple_ == 0) {
            multiple_ = 1;
            if (id_.largest_multiple < 2) return {};
            TRY(channel_.select(device));
            regs.write<command_block::SectorCount>(id_.largest_multiple);
            channel_.command(set_multiple_mode);
            if (channel_.end_of_command()) multiple_ = id_.largest_multiple;
        }
        return {};
    }

    Result<void> address(const Request& request, bool extended)
    {
        using namespace command_block;
        auto& regs = channel_.registers();
        auto byte = [](uint64_t number, unsigned shift) {
            return static_cast<uint8_t>(number >> shift);
        };
        uint64_t place = request.first;  // bits 23:0 go to the three LBA registers, 27:24 to Device
        if (!id_.lba) {
            auto lba = static_cast<uint32_t>(place);  // at most 65535 * 16 * 255
            uint32_t track = lba / id_.sectors_per_track;
            place = (track % id_.heads) << 24 | track / id_.heads << 8 |
                    (lba % id_.sectors_per_track + 1);
        }
        auto head = extended ? uint8_t{0} : byte(place, 24);
        auto device = device_bits(drive_) | command_block::Device::Lba::of(id_.lba);
        TRY(channel_.select(device | command_block::Device::Head::of(head)));
        if (extended) {  // V1, 4.14: the upper halves first, through the same registers
            regs.write<SectorCount>(byte(request.count, 8));
            regs.write<LbaLow>(byte(place, 24));
            regs.write<LbaMid>(byte(place, 32));
            regs.write<LbaHigh>(byte(place, 40));
        }
        regs.write<SectorCount>(byte(request.count, 0));  // 0 is the largest count
        regs.write<LbaLow>(byte(place, 0));
        regs.write<LbaMid>(byte(place, 8));
        regs.write<LbaHigh>(byte(place, 16));
        return {};
    }

    Channel& channel_;
    unsigned drive_;
    AtaIdentity id_;
    bool dma_;
    // The drive forgets these at a reset.
    unsigned prepared_at_ = ~0u;
    bool geometry_set_ = false;
    uint8_t multiple_ = 0;  // sectors per DRQ; 0: not set yet
};

Result<void> add_drive(Channel& channel, unsigned drive)
{
    uint16_t words[256];
    auto identified = channel.identify(drive, identify_device, words);
    auto why = identified.error();
    if (!identified && why != Error::not_found && why != Error::unsupported) {
        TRY(channel.reset());
        identified = channel.identify(drive, identify_device, words);
    }
    if (identified.error() == Error::unsupported) {
        TRY(channel.identify(drive, identify_packet_device, words));
        ::Device* node = TRY(channel.add_node("atapi", drive));
        node->describe("<{}>, no driver", AtaIdentity::model_in(words).view());
        return {};
    }
    if (!identified) return identified;
    auto identity = AtaIdentity::from(words, channel.controller.name());
    if (!identity) return Error::not_found;  // and said so
    Disk* disk = TRY(make<Disk>(channel, drive, identity.value()));
    ::Device* node = TRY(channel.add_node("wd", drive));
    node->describe("<{}>, {}", disk->model.view(), disk->abilities().view());
    publish_as(*disk, node->name());
    return {};
}

// Errors: not_found (no drive), no_memory.
Result<void> attach_channel(Channel& channel, unsigned irq, const Window* bus_master)
{
    unsigned there = channel.drives_there();
    const char* controller = channel.controller.name();
    if (!channel.why().empty())
        log("{}: channel {}: {}", controller, channel.number, channel.why());
    if (there == 0) return Error::not_found;
    if (!channel.controller.is_pci()) channel.controller.describe("");
    if (bus_master) TRY(channel.use_bus_master(*bus_master));
    if (irq == 0 || !connect_interrupt(irq, Channel::on_interrupt, &channel))
        log("{}: channel {}: no interrupt, polled", controller, channel.number);
    for (unsigned drive : {0u, 1u}) {
        if (!(there >> drive & 1)) continue;
        auto added = add_drive(channel, drive);
        if (added || added.error() == Error::not_found) continue;
        log("{}: channel {} drive {}: {}", controller, channel.number, drive,
            channel.why().empty() ? error_text(added.error()) : channel.why());
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
