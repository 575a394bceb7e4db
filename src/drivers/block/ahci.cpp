// SPDX-License-Identifier: BSD-2-Clause
// ahci - SATA controllers with the AHCI register interface, and the disks at their ports.
//
// Up to 32 commands at a time per port, by NCQ where disk and controller have it; block/ata.cpp
// decides which. DMA goes straight to or from the caller's buffer; memory that it cannot reach is
// copied through 64 KiB of the port's own. The interrupt only ends the rest between looks at the
// registers: a lost one costs a tick.
// Supports: ATA disks up to 2^48 sectors of 512 or 4096 bytes, staggered spin-up, hot plug.
// Not: port multipliers, enclosures, power management.
// Spec: Serial ATA AHCI 1.3.1, whose section numbers are below; Serial ATA 2.6 ("SATA").
// Tested on: QEMU 7.2 ich9-ahci; the fake controller of tests/host/fakes/ahci.h.
#include <algorithm>
#include <cstring>
#include "block/ata.h"
#include "bus/msi.h"
#include "hal/driver.h"
#include "lib/bytes.h"

namespace {
using namespace hal;

namespace hba {  // 3.1
struct Cap : Register<Cap, 0x00> {
    struct Ports : Field<Ports, 0, 5> {};                // less 1
    struct CommandSlots : Field<CommandSlots, 8, 5> {};  // less 1
    struct StaggeredSpinUp : Field<StaggeredSpinUp, 27> {};
    struct Ncq : Field<Ncq, 30> {};
    struct Addresses64 : Field<Addresses64, 31> {};
};
struct Ghc : Register<Ghc, 0x04> {
    struct HbaReset : Field<HbaReset, 0> {};
    struct InterruptEnable : Field<InterruptEnable, 1> {};
    struct AhciEnable : Field<AhciEnable, 31> {};
};
struct Is : Register<Is, 0x08> {  // a bit for each port, write-1-to-clear
    static constexpr uint32_t write_one_to_clear = ~0u;
};
struct Pi : Register<Pi, 0x0c> {};  // a bit for each port that there is
struct Vs : Register<Vs, 0x10> {
    struct Major : Field<Major, 16, 16> {};
    struct Minor : Field<Minor, 8, 8> {};
};
struct Cap2 : Register<Cap2, 0x24> {
    struct HandOff : Field<HandOff, 0> {};
};
struct Bohc : Register<Bohc, 0x28> {
    static constexpr uint32_t write_one_to_clear = 0x08;
    struct BiosOwned : Field<BiosOwned, 0> {};
    struct OsOwned : Field<OsOwned, 1> {};
    struct OwnershipChange : Field<OwnershipChange, 3> {};
    struct BiosBusy : Field<BiosBusy, 4> {};
};
}  // namespace hba

namespace port {  // 3.3
struct Clb : Register<Clb, 0x00> {};
struct ClbUpper : Register<ClbUpper, 0x04> {};
struct Fb : Register<Fb, 0x08> {};
struct FbUpper : Register<FbUpper, 0x0c> {};
struct Is : Register<Is, 0x10> {
    static constexpr uint32_t write_one_to_clear = ~0u;
    struct DeviceToHost : Field<DeviceToHost, 0> {};
    struct PioSetup : Field<PioSetup, 1> {};
    struct SetDeviceBits : Field<SetDeviceBits, 3> {};
    struct ConnectChange : Field<ConnectChange, 6> {};     // as long as Serr::Exchanged is 1
    struct PhyReadyChange : Field<PhyReadyChange, 22> {};  // as long as Serr::PhyReadyChange is 1
    struct Overflow : Field<Overflow, 24> {};
    struct InterfaceNonFatal : Field<InterfaceNonFatal, 26> {};
    struct InterfaceFatal : Field<InterfaceFatal, 27> {};
    struct HostBusData : Field<HostBusData, 28> {};
    struct HostBusFatal : Field<HostBusFatal, 29> {};
    struct TaskFileError : Field<TaskFileError, 30> {};
    static constexpr uint32_t changes = ConnectChange::mask | PhyReadyChange::mask;
    static constexpr uint32_t errors = Overflow::mask | InterfaceFatal::mask | HostBusData::mask |
                                       HostBusFatal::mask | TaskFileError::mask;
    static constexpr uint32_t ends = DeviceToHost::mask | PioSetup::mask | SetDeviceBits::mask;
};
struct Ie : Register<Ie, 0x14> {
    using FieldsOf = Is;
};
struct Cmd : Register<Cmd, 0x18> {
    struct Start : Field<Start, 0> {};
    struct SpinUp : Field<SpinUp, 1> {};
    struct PowerOn : Field<PowerOn, 2> {};
    struct FisReceive : Field<FisReceive, 4> {};
    struct CurrentSlot : Field<CurrentSlot, 8, 5> {};
    struct FisReceiveRunning : Field<FisReceiveRunning, 14> {};
    struct ListRunning : Field<ListRunning, 15> {};
    struct Atapi : Field<Atapi, 24> {};
    struct Communication : Field<Communication, 28, 4> {
        enum Value : uint8_t { active = 1 };
    };
};
struct Tfd : Register<Tfd, 0x20> {
    struct StatusError : Field<StatusError, 0> {};
    struct DataRequest : Field<DataRequest, 3> {};
    struct DeviceFault : Field<DeviceFault, 5> {};
    struct Ready : Field<Ready, 6> {};
    struct Busy : Field<Busy, 7> {};
    struct Error : Field<Error, 8, 8> {};
};
struct Sig : Register<Sig, 0x24> {
    static constexpr uint32_t packet_device = 0xeb140101, disk = 0x00000101;
};
struct Ssts : Register<Ssts, 0x28> {
    struct Detection : Field<Detection, 0, 4> {
        enum Value : uint8_t { nothing = 0, no_link = 1, established = 3, offline = 4 };
    };
    struct Speed : Field<Speed, 4, 4> {};
    struct Power : Field<Power, 8, 4> {};
};
struct Sctl : Register<Sctl, 0x2c> {
    struct Detection : Field<Detection, 0, 4> {
        enum Value : uint8_t { nothing = 0, initialize = 1, disable = 4 };
    };
    struct Speed : Field<Speed, 4, 4> {};
    struct Power : Field<Power, 8, 4> {  // states that the link may not enter
        enum Value : uint8_t { no_partial = 1, no_slumber = 2, neither = 3 };
    };
};
struct Serr : Register<Serr, 0x30> {
    static constexpr uint32_t write_one_to_clear = ~0u;
    struct PhyReadyChange : Field<PhyReadyChange, 16> {};
    struct Exchanged : Field<Exchanged, 26> {};
    static constexpr uint32_t changes = PhyReadyChange::mask | Exchanged::mask;
};
struct Sact : Register<Sact, 0x34> {};
struct Ci : Register<Ci, 0x38> {};
}  // namespace port

// What the controller reads from memory, as if it were registers: so traces show it. 4.2.2: the
// list has a header for each slot, which says where its table is.
namespace header {
struct Flags : Register<Flags, 0> {
    struct FisWords : Field<FisWords, 0, 5> {};
    struct Packet : Field<Packet, 5> {};
    struct Write : Field<Write, 6> {};
    struct Descriptors : Field<Descriptors, 16, 16> {};
};
constexpr unsigned bytes_done_at = 4, table_at = 8, bytes = 32;
}  // namespace header
namespace fis {  // of the type Register, host to device (SATA, 10.3.4): a table begins with it
struct Type : Register<Type, 0, uint8_t> {
    enum Value : uint8_t { register_host_to_device = 0x27 };
};
struct Flags : Register<Flags, 1, uint8_t> {
    struct Command : Field<Command, 7> {};
};
struct Command : Register<Command, 2, uint8_t> {
    using Value = AtaCommand::Opcode;
};
struct Features : Register<Features, 3, uint8_t> {};
struct LbaLow : Register<LbaLow, 4> {  // 24 bits of it, and the Device register
    struct Lba : Field<Lba, 0, 24> {};
    struct Device : Field<Device, 24, 8> {};
};
struct LbaHigh : Register<LbaHigh, 8> {
    struct Lba : Field<Lba, 0, 24> {};
    struct FeaturesHigh : Field<FeaturesHigh, 24, 8> {};
};
struct Count : Register<Count, 12> {};
constexpr unsigned words = 5;
}  // namespace fis
struct Descriptor {  // 4.2.3.3
    uint32_t address, address_upper, reserved, bytes_less_1;
    static constexpr size_t most_bytes = 4 << 20;
};
static_assert(sizeof(Descriptor) == 16);
constexpr unsigned descriptors_at = 0x80, descriptors = 8, packet_at = 0x40;
constexpr unsigned table_bytes = descriptors_at + descriptors * sizeof(Descriptor);

// A port's memory: list, what the device sends, a sector for its own use, then the tables.
constexpr unsigned received_at = 1024, sector_at = received_at + 512, tables_at = sector_at + 512;
constexpr unsigned most_slots = 32, bounce_bytes = 65536;

constexpr Duration link_limit =
    100_ms;                             // SATA gives a device 10 ms to answer, but some take longer
constexpr Duration ready_limit = 10_s;  // it spins up
constexpr Duration stop_limit = 500_ms;  // 10.3.2
constexpr uint32_t all_ones = ~0u;

class Controller;

class Port final : public AtaTransport {
public:
    Port(Controller& controller, unsigned number, Window window)
        : number(number), controller_(controller), regs_(window)
    {
        has_dma = true;
        has_pio = false;
    }
    const unsigned number;

    // Gives up the disk if something has changed at the plug, and attaches what is there now.
    void look_at_plug();
    // Whether nothing has answered in all the time that the firmware took.
    bool is_empty() const
    {
        return regs_.get<port::Cmd::SpinUp>() && regs_.get<port::Sctl::Detection>() == 0 &&
               regs_.get<port::Ssts::Detection>() == port::Ssts::Detection::nothing;
    }
    void expect_link_by(uint64_t us) { link_by_us_ = us; }
    void take_events();  // for the interrupt handler, and for who cannot wait for it

    bool map(const std::byte* data, size_t bytes) override
    {
        return bytes <= bounce_bytes || describe(nullptr, data, bytes);
    }
    Result<void> execute(const AtaCommand& command) override;
    bool start(unsigned slot, const AtaCommand& command) override;
    Result<void> look(uint32_t& running) override;
    void stop() override;

private:
    Result<void> reset() override;
    Result<void> reset_link();
    Result<void> wait_for_device();
    Result<void> prepare_memory();
    Result<void> connect();
    Result<void> identify(uint8_t opcode);
    Result<void> attach();
    Result<void> attach_disk(std::span<const uint16_t, 256> words);
    Result<void> stopped_by(uint32_t errors);
    void read_queue_log();
    Result<void> bounce(size_t bytes);
    void lose_disk();

    unsigned describe(Descriptor* into, const std::byte* data, size_t bytes) const;
    void issue(unsigned slot, const AtaCommand& command, unsigned pieces);
    uint32_t events()
    {
        InterruptsOff interrupts;
        take_events();
        return events_;
    }
    bool is_linked(Caller caller = __builtin_FUNCTION()) const
    {
        return regs_.get<port::Ssts::Detection>(caller) == port::Ssts::Detection::established;
    }
    bool is_busy(Caller caller = __builtin_FUNCTION()) const
    {
        auto now = regs_.read<port::Tfd>(caller);
        return port::Tfd::Busy::in(now) || port::Tfd::DataRequest::in(now);
    }
    std::byte* header(unsigned slot) const { return memory_.data + slot * header::bytes; }
    std::byte* table(unsigned slot) const { return memory_.data + tables_at + slot * table_bytes; }
    template <class R> void put(std::byte* at, typename R::Raw value, Caller caller) const;

    Controller& controller_;
    Registers regs_;
    DmaMemory memory_, bounce_;
    BlockDevice* disk_ = nullptr;
    volatile uint32_t events_ = 0;        // what Is has said, errors and changes
    uint32_t expected_[most_slots] = {};  // bytes, of reads that are not queued
    bool by_queue_ = false;               // what runs
    bool link_reset_due_ = false;
    bool is_looked_at_ = false;  // what is at the plug is known, and used if it can be
    uint64_t link_by_us_ = 0;    // 0: it is given link_limit
};

class Controller final : public HotPlug {
public:
    Controller(::Device& node, Window window) : device(node), regs_(window), window_(window) {}
    ::Device& device;
    unsigned slots = 1;
    bool has_ncq = false;

    Result<void> open();
    void look() override
    {
        for (Port* port : ports_) {
            if (port) port->look_at_plug();
        }
    }
    static void on_interrupt(void* controller)
    {
        static_cast<Controller*>(controller)->interrupt();
    }

private:
    void take_over() const;
    Result<void> reset();
    Result<void> add_ports(uint32_t bytes);
    void interrupt();

    Registers regs_;
    Window window_;
    Port* ports_[32] = {};
};

// ---- commands

template <class R> void Port::put(std::byte* at, typename R::Raw value, Caller caller) const
{
    memcpy(at + R::offset, &value, sizeof value);
    if (config_has_trace && tracing) [[unlikely]]
        record_access(controller_.device.name(), register_info<R>, Access::write, value, caller);
}

// How many descriptors this memory needs; 0 if it cannot be reached, or not by one command.
unsigned Port::describe(Descriptor* into, const std::byte* data, size_t bytes) const
{
    unsigned count = 0;
    while (bytes) {
        auto run = dma_run(data, std::min(bytes, Descriptor::most_bytes));
        bool odd = (run.address | run.bytes) & 1;  // 4.2.3.3: words only
        if (run.bytes == 0 || run.bytes > bytes || odd || count == descriptors) return 0;
        if (into) {
            into[count] = {run.address, 0, 0, static_cast<uint32_t>(run.bytes - 1)};
            trace_dma(controller_.device.name(), "Descriptor", run.address,
                      static_cast<uint32_t>(run.bytes));
        }
        ++count;
        data += run.bytes;
        bytes -= run.bytes;
    }
    return count;
}

// 5.5.1: its table has the descriptors already.
void Port::issue(unsigned slot, const AtaCommand& command, unsigned pieces)
{
    Caller here = __func__;
    std::byte* table = this->table(slot);
    uint32_t count = command.count, features = 0;
    uint32_t device = command.device();
    if (command.queued) {  // SATA, 13.6.4.1
        features = count;
        count = slot << 3;
        device = 0x40;
    }
    auto high = static_cast<uint32_t>(command.address >> 24);
    put<fis::Type>(table, fis::Type::register_host_to_device, here);
    put<fis::Flags>(table, fis::Flags::Command::mask, here);
    put<fis::Command>(table, command.opcode, here);
    put<fis::Features>(table, static_cast<uint8_t>(features), here);
    put<fis::LbaLow>(table, (command.address & 0xffffff) | device << 24, here);
    put<fis::LbaHigh>(table, (command.extended ? high & 0xffffff : 0) | (features >> 8) << 24,
                      here);
    put<fis::Count>(table, count & (command.extended ? 0xffff : 0xff), here);
    auto flags = header::Flags::FisWords::of(fis::words) | header::Flags::Write::of(command.write) |
                 header::Flags::Descriptors::of(pieces);
    put<header::Flags>(header(slot), flags.value, here);
    memset(header(slot) + header::bytes_done_at, 0, 4);
    expected_[slot] = command.write || command.queued ? 0 : static_cast<uint32_t>(command.bytes);
    by_queue_ = command.queued;
    if (command.queued) regs_.write<port::Sact>(1u << slot);
    regs_.write<port::Ci>(1u << slot);
}

bool Port::start(unsigned slot, const AtaCommand& command)
{
    auto* into = reinterpret_cast<Descriptor*>(table(slot) + descriptors_at);
    unsigned pieces = describe(into, command.data, command.bytes);
    if (pieces) issue(slot, command, pieces);
    return pieces;
}

Result<void> Port::bounce(size_t bytes)
{
    if (bytes > bounce_bytes) return failed(Error::invalid, "more than it can copy");
    if (!bounce_.data) bounce_ = TRY(allocate_dma(bounce_bytes, 2));
    bytes_bounced += bytes;
    return {};
}

Result<void> Port::execute(const AtaCommand& command)
{
    why.clear();
    error = 0;
    auto* into = reinterpret_cast<Descriptor*>(table(0) + descriptors_at);
    unsigned pieces = describe(into, command.data, command.bytes);
    bool bounced = command.bytes && !pieces;
    if (bounced) {
        TRY(bounce(command.bytes));
        if (command.write) memcpy(bounce_.data, command.data, command.bytes);
        pieces = describe(into, bounce_.data, (command.bytes + 1) & ~size_t{1});
    }
    issue(0, command, pieces);
    uint32_t running = 1;
    Result<void> looked;
    auto waited = wait_until(
        [&] {
            looked = look(running);
            return !looked || running == 0;
        },
        command.limit);
    if (!waited) {
        auto task_file = regs_.read<port::Tfd>(), serr = regs_.read<port::Serr>();
        stop();  // from here on the buffer is the caller's again
        link_reset_due_ = true;
        return failed(Error::timed_out, "no answer (task file {04x}, SError {08x})",
                      task_file & 0xffff, serr);
    }
    if (looked && bounced && !command.write) memcpy(command.data, bounce_.data, command.bytes);
    return looked;
}

Result<void> Port::look(uint32_t& running)
{
    uint32_t seen = events();
    auto busy = regs_.read<port::Ci>();
    if (by_queue_) busy |= regs_.read<port::Sact>();
    if (!is_linked() || seen & port::Is::changes) {
        stop();
        return failed(Error::gone, "the device has gone");
    }
    uint32_t ended = port::Is::Overflow::in(seen) ? 0 : running & ~busy;
    for (; ended; ended &= ended - 1) {
        auto slot = static_cast<unsigned>(__builtin_ctz(ended));
        uint32_t done = le32(header(slot) + header::bytes_done_at);  // 5.4.1
        if (expected_[slot] && done != expected_[slot]) {
            stop();
            failed_slot = static_cast<int>(slot);
            return failed(Error::device, "{} bytes came, not {}", done, expected_[slot]);
        }
        running &= ~(1u << slot);
    }
    return seen & port::Is::errors ? stopped_by(seen & port::Is::errors) : Result<void>();
}

// ---- errors

void Port::stop()
{
    if (regs_.read<port::Cmd>() == all_ones) return;  // the controller has gone
    regs_.modify(port::Cmd::Start::of(0));
    if (regs_.poll<port::Cmd::ListRunning>(0, stop_limit)) return;
    log("{}: port {}: it does not stop: bus mastering is switched off", controller_.device.name(),
        number);
    controller_.device.pci().disable(PciFunction::bus_master);
}

// 6.2.2.1, but for the restart, which is reset()'s.
Result<void> Port::stopped_by(uint32_t errors)
{
    auto task_file = regs_.read<port::Tfd>(), serr = regs_.read<port::Serr>();
    failed_slot = by_queue_ ? -1 : static_cast<int>(regs_.get<port::Cmd::CurrentSlot>());
    stop();
    if (port::Is::TaskFileError::in(errors))
        failed_with(static_cast<uint8_t>(task_file), port::Tfd::Error::in(task_file));
    else
        (void)failed(Error::device, "interface error ({08x})", errors);
    if (serr) why.print(", SError {08x}", serr);
    if (errors & (port::Is::InterfaceFatal::mask | port::Is::HostBusFatal::mask))
        link_reset_due_ = true;
    if (by_queue_) read_queue_log();
    return Error::device;
}

// 6.2.2.2: the device takes nothing else before; its log of errors says which command it was.
void Port::read_queue_log()
{
    auto said = why;
    uint8_t said_error = error;
    std::byte* log = memory_.data + sector_at;
    bool read = reset() && execute({.opcode = AtaCommand::read_log_ext,
                                    .extended = true,
                                    .count = 1,
                                    .address = 0x10,
                                    .data = log,
                                    .bytes = 512,
                                    .limit = 1_s});
    if (!read) link_reset_due_ = true;  // does the same
    why = said;
    error = said_error;
    auto entry = static_cast<uint8_t>(log[0]);
    bool is_queued = read && !(entry & 0x80);
    failed_slot = is_queued ? entry & 31 : -1;
    if (is_queued) failed_with(static_cast<uint8_t>(log[2]), static_cast<uint8_t>(log[3]));
}

// Starts it anew: 10.4.2 if the device has to be reset too.
Result<void> Port::reset()
{
    if (events() & port::Is::changes) return failed(Error::gone, "the device has gone");
    stop();
    if (link_reset_due_ || is_busy()) TRY(reset_link());
    TRY(wait_for_device());
    regs_.write<port::Serr>(all_ones);
    regs_.write<port::Is>(all_ones);
    events_ = 0;
    by_queue_ = false;
    regs_.modify(port::Cmd::Start::of(1));
    return {};
}

Result<void> Port::reset_link()
{
    auto never_sleeps = port::Sctl::Power::of(port::Sctl::Power::neither);
    regs_.write(never_sleeps | port::Sctl::Detection::of(port::Sctl::Detection::initialize));
    sleep(1_ms);
    regs_.write(never_sleeps | port::Sctl::Detection::of(port::Sctl::Detection::nothing));
    if (!wait_until([&] { return is_linked("reset_link"); }, 1_s))
        return failed(Error::gone, "nothing answers a reset");
    link_reset_due_ = false;
    return {};
}

Result<void> Port::wait_for_device()
{
    Caller here = __func__;
    bool linked = false;
    auto waited = wait_until(
        [&] {
            linked = is_linked(here);
            return !linked || !is_busy(here);
        },
        ready_limit);
    if (!linked) return failed(Error::gone, "the device has gone");
    if (waited) return {};
    link_reset_due_ = true;
    return failed(Error::timed_out, "not ready (task file {04x})",
                  regs_.read<port::Tfd>() & 0xffff);
}

// ---- what is at the plug

void Port::take_events()
{
    auto now = regs_.read<port::Is>();
    if (now == 0 || now == all_ones) return;
    if (now & port::Is::changes) regs_.write<port::Serr>(port::Serr::changes);
    regs_.write<port::Is>(now);
    events_ = events_ | (now & (port::Is::changes | port::Is::errors));
}

void Port::lose_disk()
{
    log("{}: it has been removed", disk_->name.view());
    disk_->gone = true;
    disk_->cancel();
    disk_ = nullptr;
}

void Port::look_at_plug()
{
    bool same = is_looked_at_ && !(events() & port::Is::changes) && (!disk_ || is_linked());
    if (same) return;
    if (disk_) lose_disk();
    bool first_time = !is_looked_at_;
    is_looked_at_ = true;
    link_reset_due_ = !first_time;
    auto attached = connect();
    if (attached) attached = attach();
    if (attached || attached.error() == Error::not_found) return;
    log("{}: port {}: {}", controller_.device.name(), number,
        why.empty() ? error_text(attached.error()) : why.c_str());
}

// Until the port can execute commands (10.1.2). Errors: not_found (nothing is there), and others.
Result<void> Port::connect()
{
    why.clear();
    bool spins = regs_.get<port::Cmd::SpinUp>();
    regs_.modify(port::Cmd::SpinUp::of(1) | port::Cmd::PowerOn::of(1) |
                 port::Cmd::Communication::of(port::Cmd::Communication::active));
    uint64_t now = now_us(), by = spins && link_by_us_ ? link_by_us_ : now + link_limit.us;
    link_by_us_ = 0;
    (void)wait_until([&] { return is_linked("connect"); }, {by > now ? by - now : 0});
    regs_.write<port::Serr>(all_ones);
    regs_.write<port::Is>(all_ones);
    events_ = 0;
    regs_.write<port::Ie>(port::Is::ends | port::Is::changes | port::Is::errors);
    if (!is_linked()) return Error::not_found;
    TRY(prepare_memory());
    return reset();
}

Result<void> Port::prepare_memory()
{
    if (!memory_.data) {
        memory_ = TRY(allocate_dma(tables_at + controller_.slots * table_bytes, 1024));
        for (unsigned slot = 0; slot < controller_.slots; ++slot) {
            uint32_t address = memory_.address + tables_at + slot * table_bytes;
            memcpy(header(slot) + header::table_at, &address, sizeof address);
        }
        slots = controller_.slots;
        has_ncq = controller_.has_ncq;
    }
    stop();
    regs_.modify(port::Cmd::FisReceive::of(0));
    TRY(regs_.poll<port::Cmd::FisReceiveRunning>(0, stop_limit));
    regs_.write<port::Clb>(memory_.address);
    regs_.write<port::ClbUpper>(0);
    regs_.write<port::Fb>(memory_.address + received_at);
    regs_.write<port::FbUpper>(0);
    regs_.modify(port::Cmd::FisReceive::of(1));
    return {};
}

Result<void> Port::identify(uint8_t opcode)
{
    AtaCommand command = {.opcode = opcode, .data = memory_.data + sector_at, .bytes = 512};
    auto done = execute(command);
    if (done) return done;
    reset_due = true;
    TRY(recover());
    return execute(command);
}

Result<void> Port::attach()
{
    auto signature = regs_.read<port::Sig>();
    bool packet = signature == port::Sig::packet_device;
    if (!packet && signature != port::Sig::disk)
        return failed(Error::unsupported, "a device of the signature {08x}", signature);
    TRY(identify(packet ? AtaCommand::identify_packet_device : AtaCommand::identify_device));
    uint16_t words[256];
    memcpy(words, memory_.data + sector_at, sizeof words);
    return attach_disk(words);
}

Result<void> Port::attach_disk(std::span<const uint16_t, 256> words)
{
    auto identity = AtaIdentity::from(words, controller_.device.name());
    if (!identity) return Error::not_found;  // and said so
    identity.value().dma_selected = true;    // the link knows no modes
    Text<16> locator;
    ::Device* node = TRY(controller_.device.add_child("wd", locator.print("port {}", number)));
    auto* disk = TRY(make<AtaDisk>(*this, 0, identity.value()));
    node->describe("<{}>, {}", disk->model.view(), disk->abilities().view());
    publish_as(*disk, node->name());
    disk->owner = &controller_.device;
    disk_ = disk;
    return {};
}

// ---- the controller

void Controller::take_over() const  // 10.6.3
{
    if (regs_.read<hba::Vs>() < 0x10200 || !regs_.get<hba::Cap2::HandOff>()) return;
    regs_.modify(hba::Bohc::OsOwned::of(1));
    if (regs_.poll<hba::Bohc::BiosOwned>(0, 25_ms)) return;
    if (regs_.get<hba::Bohc::BiosBusy>() && regs_.poll<hba::Bohc::BiosOwned>(0, 2_s)) return;
    log("{}: the firmware does not give it up", device.name());
}

Result<void> Controller::reset()  // 10.4.3
{
    regs_.modify(hba::Ghc::HbaReset::of(1));
    if (!regs_.poll<hba::Ghc::HbaReset>(0, 1_s))
        return fail(Error::timed_out, "{}: it does not come out of its reset", device.name());
    regs_.modify(hba::Ghc::AhciEnable::of(1));
    return {};
}

Result<void> Controller::add_ports(uint32_t bytes)
{
    auto implemented = regs_.read<hba::Pi>();
    for (unsigned number = 0; number < 32; ++number) {
        unsigned at = 0x100 + number * 0x80;
        if (!(implemented >> number & 1) || at + 0x80 > bytes) continue;
        Window window = window_;
        window.base += at;
        ports_[number] = TRY(make<Port>(*this, number, window));
    }
    return {};
}

Result<void> Controller::open()
{
    auto registers = TRY(device.measure_bar(5));
    regs_.modify(hba::Ghc::AhciEnable::of(1));
    take_over();
    TRY(add_ports(registers.bytes));
    uint32_t empty = 0, count = 0;
    for (unsigned i = 0; i < 32; ++i) {
        if (!ports_[i]) continue;
        ++count;
        empty |= ports_[i]->is_empty() << i;
    }
    TRY(reset());
    auto cap = regs_.read<hba::Cap>(), version = regs_.read<hba::Vs>();
    slots = hba::Cap::CommandSlots::in(cap) + 1;
    has_ncq = hba::Cap::Ncq::in(cap);
    device.describe("{04x}:{04x}, AHCI {}.{x}, {} ports, {} commands at once{}",
                    device.pci().vendor(), device.pci().product(), hba::Vs::Major::in(version),
                    hba::Vs::Minor::in(version), count, slots, has_ncq ? ", NCQ" : "");
    uint64_t now = now_us();
    for (unsigned i = 0; i < 32; ++i) {
        if (ports_[i]) ports_[i]->expect_link_by(empty >> i & 1 ? now : now + link_limit.us);
    }
    device.pci().enable(PciFunction::bus_master);
    if (msi::connect_best(device, on_interrupt, this))
        regs_.modify(hba::Ghc::InterruptEnable::of(1));
    else
        log("{}: no interrupt, polled", device.name());
    look();
    publish(*this);
    return {};
}

void Controller::interrupt()
{
    auto pending = regs_.read<hba::Is>();
    for (uint32_t rest = pending; rest; rest &= rest - 1) {
        Port* port = ports_[__builtin_ctz(rest)];
        if (port) port->take_events();
    }
    if (pending) regs_.write<hba::Is>(pending);
}

Result<void> attach(::Device& device)
{
    Window window = TRY(device.bar(5));
    auto* controller = TRY(make<Controller>(device, window));
    return controller->open();
}

constexpr Match matches[] = {pci_class(1, 6, 1)};

}  // namespace

extern const Driver ahci = {"ahci", matches, attach};
