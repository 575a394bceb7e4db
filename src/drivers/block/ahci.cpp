// SPDX-License-Identifier: BSD-2-Clause
// ahci - SATA controllers with the AHCI register interface: disks and CD/DVD drives at their ports.
//
// Up to 32 commands at a time per port, by NCQ where disk and controller have it; block/ata.cpp
// decides which. DMA goes straight to or from the caller's buffer, or by way of the port's own
// where it cannot. The interrupt only ends the rest between looks: a lost one costs a tick.
// Supports: ATA disks up to 2^48 sectors of 512 or 4096 bytes, ATAPI, staggered spin-up, hot plug.
// Not: port multipliers, enclosures, power management.
// Spec: Serial ATA AHCI 1.3.1, whose section numbers are below; Serial ATA 2.6 ("SATA").
// Tested on: QEMU 7.2 ich9-ahci; the fake controller of tests/host/fakes/ahci.h.
#include <algorithm>
#include <cstring>
#include "block/ahci_registers.h"
#include "block/atapi.h"
#include "bus/msi.h"
#include "lib/bytes.h"

namespace {
using namespace hal;
using namespace ahci_registers;

constexpr unsigned most_ports = 32, bounce_bytes = 128 * 1024;
constexpr Duration link_limit = 100_ms;  // SATA gives a device 10 ms to answer; some take longer
constexpr Duration ready_limit = 10_s;   // it spins up
constexpr Duration stop_limit = 500_ms;  // 10.3.2
constexpr uint32_t all_ones = ~0u;

struct Hba {  // what ports have to know of their controller
    ::Device& device;
    unsigned slots = 1;
    bool has_ncq = false;
};

class Port final : public AtaTransport {
public:
    Port(Hba& hba, unsigned number, Window window) : hba_(hba), number_(number), regs_(window)
    {
        has_dma = true, has_pio = false;  // what goes by PIO on the link is DMA all the same
    }

    // Nothing has answered in all the time that the firmware took.
    bool is_empty() const
    {
        return regs_.get<port::Cmd::SpinUp>() && regs_.get<port::Sctl::Detection>() == 0 &&
               regs_.get<port::Ssts::Detection>() == port::Ssts::Detection::nothing;
    }
    void expect_link_by(uint64_t us) { link_by_us_ = us; }

    // Gives up the device if something has changed at the plug, and attaches what is there now.
    void look_at_plug()
    {
        bool changed = events() & port::Is::changes || (device_ && !is_linked());
        if (is_looked_at_ && !changed) return;
        if (device_) lose_device();
        link_reset_due_ = is_looked_at_;  // the controller has had a reset at first
        is_looked_at_ = true;
        auto attached = connect();
        if (attached) attached = attach();
        if (device_) device_->owner = &hba_.device;  // also if it comes later
        if (attached || attached.error() == Error::not_found) return;
        log("{}: port {}: {}", hba_.device.name(), number_,
            why.empty() ? error_text(attached.error()) : why.c_str());
    }

    // For the interrupt handler, and for who cannot wait for it.
    void take_events()
    {
        auto now = regs_.read<port::Is>();
        if (now == 0 || now == all_ones) return;  // nothing, or it has gone
        if (now & port::Is::changes) regs_.write<port::Serr>(port::Serr::changes);
        regs_.write<port::Is>(now);
        events_ = events_ | (now & (port::Is::changes | port::Is::errors));
    }

    bool map(const std::byte* data, size_t bytes) override
    {
        return bytes <= bounce_bytes || describe(nullptr, data, bytes);
    }

    bool start(unsigned slot, const AtaCommand& command) override
    {
        unsigned pieces = describe(memory_.descriptors(slot), command.data, command.bytes);
        if (pieces) issue(slot, command, pieces);
        return pieces;
    }

    Result<void> execute(const AtaCommand& command) override
    {
        why.clear();
        unsigned pieces = describe(memory_.descriptors(0), command.data, command.bytes);
        bool bounced = command.bytes && !pieces;
        if (bounced) pieces = TRY(bounce(command));
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
            stop();
            return failed(Error::timed_out, "no answer (task file {04x}, SError {08x})",
                          task_file & 0xffff, serr);
        }
        moved = memory_.bytes_done(0);
        if (looked && bounced && !command.write) memcpy(command.data, bounce_.data, command.bytes);
        return looked;
    }

    Result<void> look(uint32_t& running) override
    {
        uint32_t seen = events();
        auto busy = regs_.read<port::Ci>();
        if (by_queue_) busy |= regs_.read<port::Sact>();
        if (!is_linked() || seen & port::Is::changes) {
            halt();
            return failed(Error::gone, "the device has gone");
        }
        uint32_t ended = port::Is::Overflow::in(seen) ? 0 : running & ~busy;
        for (; ended; ended &= ended - 1) {
            auto slot = static_cast<unsigned>(__builtin_ctz(ended));
            uint32_t bytes = memory_.bytes_done(slot);
            if (expected_[slot] && bytes != expected_[slot]) {
                halt();
                failed_slot = static_cast<int>(slot);
                return failed(Error::device, "it ended after {} bytes", bytes);
            }
            running &= ~(1u << slot);
        }
        return seen & port::Is::errors ? stopped_by(seen & port::Is::errors) : Result<void>();
    }

    void stop() override
    {
        link_reset_due_ = true;  // the device has not ended what it was told
        halt();
    }

private:
    // No memory is used from here on.
    void halt()
    {
        reset_due = true;
        if (regs_.read<port::Cmd>() == all_ones) return;  // the controller has gone
        regs_.modify(port::Cmd::Start::of(0));
        if (regs_.poll<port::Cmd::ListRunning>(0, stop_limit)) return;
        log("{}: port {} does not stop: no more bus mastering", hba_.device.name(), number_);
        hba_.device.pci().disable(PciFunction::bus_master);
    }

    // ---- commands

    // How many descriptors this memory needs; 0 if it cannot be reached, or not by one command.
    unsigned describe(Descriptor* into, const std::byte* data, size_t bytes) const
    {
        unsigned count = 0;
        while (bytes) {
            auto run = dma_run(data, std::min(bytes, Descriptor::most_bytes));
            bool odd = (run.address | run.bytes) & 1;  // 4.2.3.3: words only
            if (run.bytes == 0 || run.bytes > bytes || odd || count == descriptors) return 0;
            auto run_bytes = static_cast<uint32_t>(run.bytes);
            if (into) {
                into[count] = {run.address, 0, 0, run_bytes - 1};
                trace_dma(hba_.device.name(), "Descriptor", run.address, run_bytes);
            }
            ++count;
            data += run.bytes;
            bytes -= run.bytes;
        }
        return count;
    }

    // The command moves memory of the port's own instead. Returns the number of descriptors.
    Result<unsigned> bounce(const AtaCommand& command)
    {
        if (command.bytes > bounce_bytes) return failed(Error::invalid, "more than it can copy");
        if (!bounce_.data) bounce_ = TRY(allocate_dma(bounce_bytes, 2));
        bytes_bounced += command.bytes;
        if (command.write) memcpy(bounce_.data, command.data, command.bytes);
        return describe(memory_.descriptors(0), bounce_.data, (command.bytes + 1) & ~size_t{1});
    }

    // What the controller is to find in memory, shown in traces as registers are.
    template <class R> void put(std::byte* at, typename R::Raw value, Caller caller) const
    {
        memcpy(at + R::offset, &value, sizeof value);
        if (config_has_trace && tracing) [[unlikely]]
            record_access(hba_.device.name(), register_info<R>, Access::write, value, caller);
    }

    // 5.5.1; the table has its descriptors.
    void issue(unsigned slot, const AtaCommand& command, unsigned pieces)
    {
        Caller here = __func__;
        std::byte *fis = memory_.table(slot), *header = memory_.header(slot);
        uint32_t count = command.count, features = command.features, device = command.device();
        if (command.queued) {  // SATA, 13.6.4.1
            features = count;
            count = slot << 3;
            device = 0x40;
        }
        uint32_t low = command.address & 0xffffff, high = command.address >> 24 & 0xffffff;
        put<fis::Type>(fis, fis::Type::register_host_to_device, here);
        put<fis::Flags>(fis, fis::Flags::Command::mask, here);
        put<fis::Command>(fis, command.opcode, here);
        put<fis::Features>(fis, static_cast<uint8_t>(features), here);
        put<fis::LbaLow>(fis, low | device << 24, here);
        put<fis::LbaHigh>(fis, (command.extended ? high : 0) | (features >> 8) << 24, here);
        put<fis::Count>(fis, count & (command.extended ? 0xffff : 0xff), here);
        bool packet = !command.cdb.empty();
        if (packet) memcpy(fis + packet_at, command.cdb.data(), command.cdb.size());
        auto flags = header::Flags::FisWords::of(fis::words) | header::Flags::Packet::of(packet) |
                     header::Flags::Write::of(command.write) |
                     header::Flags::Descriptors::of(pieces);
        put<header::Flags>(header, flags.value, here);
        memset(header + header::bytes_done_at, 0, 4);
        bool known = !command.write && !command.queued && !packet;
        expected_[slot] = known ? static_cast<uint32_t>(command.bytes) : 0;
        by_queue_ = command.queued;
        error = 0;
        if (command.queued) regs_.write<port::Sact>(1u << slot);
        regs_.write<port::Ci>(1u << slot);
    }

    // ---- state and errors

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
    void forget_events()
    {
        regs_.write<port::Serr>(all_ones);
        regs_.write<port::Is>(all_ones);
        events_ = 0;
    }

    // 6.2.2.1, but for the restart, which is reset()'s.
    Result<void> stopped_by(uint32_t errors)
    {
        auto task_file = regs_.read<port::Tfd>(), serr = regs_.read<port::Serr>();
        failed_slot = static_cast<int>(regs_.get<port::Cmd::CurrentSlot>());  // not if queued
        halt();
        if (port::Is::TaskFileError::in(errors))
            failed_with(static_cast<uint8_t>(task_file), port::Tfd::Error::in(task_file));
        else
            failed(Error::device, "interface error ({08x})", errors);
        if (!by_queue_ && error & AtaDisk::says_block)
            why.print(", block {}", memory_.failed_block());
        if (serr) why.print(", SError {08x}", serr);
        link_reset_due_ |= (errors & port::Is::fatal) != 0;
        return Error::device;
    }

    // Starts it anew; 10.4.2 if the device has to be reset too.
    Result<void> reset() override
    {
        if (!is_linked() || events() & port::Is::changes)
            return failed(Error::gone, "the device has gone");
        halt();
        if (link_reset_due_ || port::Tfd::is_busy(regs_.read<port::Tfd>())) TRY(reset_link());
        TRY(wait_for_device());
        forget_events();
        regs_.modify(port::Cmd::Start::of(1));
        return {};
    }

    Result<void> reset_link()
    {
        using port::Sctl;
        log("{}: port {}: the link is reset", hba_.device.name(), number_);
        auto awake = Sctl::Power::of(Sctl::Power::neither);
        regs_.write(awake | Sctl::Detection::of(Sctl::Detection::initialize));
        sleep(1_ms);
        regs_.write(awake | Sctl::Detection::of(Sctl::Detection::nothing));
        if (!wait_until([&] { return is_linked("reset_link"); }, 1_s))
            return failed(Error::gone, "nothing answers a reset");
        link_reset_due_ = false;
        return {};
    }

    Result<void> wait_for_device()
    {
        Caller here = __func__;
        bool linked = false;
        uint32_t task_file = 0;
        auto waited = wait_until(
            [&] {
                linked = is_linked(here);
                task_file = regs_.read<port::Tfd>(here);
                return !linked || !port::Tfd::is_busy(task_file);
            },
            ready_limit);
        if (!linked) return failed(Error::gone, "the device has gone");
        if (waited) return {};
        link_reset_due_ = true;
        return failed(Error::timed_out, "not ready (task file {04x})", task_file & 0xffff);
    }

    // ---- what is at the plug

    void lose_device()
    {
        log("{}: it has been removed", device_->name.view());
        device_->gone = true;
        device_->cancel();
        device_ = nullptr;
    }

    // 10.1.2. Errors: not_found (nothing is there), and those of recover().
    Result<void> connect()
    {
        using port::Cmd;
        why.clear();
        bool spins = regs_.get<Cmd::SpinUp>();
        regs_.modify(Cmd::SpinUp::of(1) | Cmd::PowerOn::of(1) |
                     Cmd::Communication::of(Cmd::Communication::active));
        uint64_t now = now_us(), by = spins && link_by_us_ ? link_by_us_ : now + link_limit.us;
        link_by_us_ = 0;
        (void)wait_until([&] { return is_linked("connect"); }, {by > now ? by - now : 0});
        forget_events();
        regs_.write<port::Ie>(port::Is::ends | port::Is::changes | port::Is::errors);
        if (!is_linked()) return Error::not_found;
        if (!slots) TRY(memory_.allocate(hba_.slots));
        slots = hba_.slots;
        has_ncq = hba_.has_ncq;
        halt();
        regs_.modify(Cmd::FisReceive::of(0));
        TRY(regs_.poll<Cmd::FisReceiveRunning>(0, stop_limit));
        regs_.write<port::Clb>(memory_.list());
        regs_.write<port::ClbUpper>(0);
        regs_.write<port::Fb>(memory_.received());
        regs_.write<port::FbUpper>(0);
        regs_.modify(Cmd::FisReceive::of(1));
        return recover();
    }

    Result<void> identify(uint8_t opcode)
    {
        AtaCommand command = {.opcode = opcode, .data = memory_.sector(), .bytes = 512};
        if (auto done = execute(command)) return done;
        reset_due = true;
        TRY(recover());
        return execute(command);
    }

    Result<void> attach()
    {
        auto signature = regs_.read<port::Sig>();
        bool packet = signature == port::Sig::packet_device;
        if (!packet && signature != port::Sig::disk)
            return failed(Error::unsupported, "a device of the signature {08x}", signature);
        TRY(identify(packet ? AtaCommand::identify_packet_device : AtaCommand::identify_device));
        uint16_t words[256];
        memcpy(words, memory_.sector(), sizeof words);
        Text<16> locator;
        locator.print("port {}", number_);
        if (packet) {
            auto unit = AtapiUnit::attach(hba_.device, locator, *this, 0, words);
            device_ = unit.value();
            return unit ? Result<void>() : Error::not_found;  // and said so
        }
        auto identity = AtaIdentity::from(words, hba_.device.name());
        if (!identity) return Error::not_found;
        ::Device* node = TRY(hba_.device.add_child("wd", locator));
        auto* disk = TRY(make<AtaDisk>(*this, 0, identity.value()));
        node->describe("<{}>, {}", disk->model.view(), disk->abilities().view());
        publish_as(*disk, node->name());
        device_ = disk;
        return {};
    }

    Hba& hba_;
    const unsigned number_;
    Registers regs_;
    PortMemory memory_;
    DmaMemory bounce_;
    BlockDevice* device_ = nullptr;
    volatile uint32_t events_ = 0;                    // errors and changes that Is has told
    uint32_t expected_[PortMemory::most_slots] = {};  // bytes; 0: it is not known, or not told
    bool by_queue_ = false;                           // what runs
    bool link_reset_due_ = false;
    bool is_looked_at_ = false;  // what is at the plug is known, and used if it can be
    uint64_t link_by_us_ = 0;    // 0: link_limit from then on
};

class Controller final : public HotPlug {
public:
    Controller(::Device& device, Window window) : hba_{device}, regs_(window), window_(window) {}

    Result<void> open()
    {
        regs_.modify(hba::Ghc::AhciEnable::of(1));
        take_over();
        TRY(add_ports(TRY(hba_.device.measure_bar(5)).bytes));
        TRY(reset());
        hba_.device.pci().enable(PciFunction::bus_master);
        bool connected = bool(msi::connect_best(hba_.device, on_interrupt, this));
        if (!connected) log("{}: no interrupt, polled", hba_.device.name());
        regs_.modify(hba::Ghc::InterruptEnable::of(connected));
        look();
        publish(*this);
        return {};
    }

    void look() override
    {
        for (Port* each : ports_) {
            if (each) each->look_at_plug();
        }
    }

private:
    static void on_interrupt(void* controller)
    {
        static_cast<Controller*>(controller)->interrupt();
    }
    void interrupt()
    {
        auto pending = regs_.read<hba::Is>();
        for (uint32_t rest = pending; rest; rest &= rest - 1) {
            if (Port* each = ports_[__builtin_ctz(rest)]) each->take_events();
        }
        if (pending) regs_.write<hba::Is>(pending);
    }

    void take_over() const  // 10.6.3
    {
        using hba::Bohc;
        if (regs_.read<hba::Vs>() < 0x10200 || !regs_.get<hba::Cap2::HandOff>()) return;
        regs_.modify(Bohc::OsOwned::of(1));
        if (regs_.poll<Bohc::BiosOwned>(0, 25_ms)) return;
        if (regs_.get<Bohc::BiosBusy>() && regs_.poll<Bohc::BiosOwned>(0, 2_s)) return;
        log("{}: the firmware does not give it up", hba_.device.name());
    }

    Result<void> add_ports(uint32_t bytes)
    {
        auto implemented = regs_.read<hba::Pi>();
        for (unsigned number = 0; number < most_ports; ++number) {
            Window window = window_;
            unsigned at = 0x100 + number * 0x80;
            if (!(implemented >> number & 1) || at + 0x80 > bytes) continue;
            window.base += at;
            ports_[number] = TRY(make<Port>(hba_, number, window));
        }
        return {};
    }

    Result<void> reset()  // 10.4.3
    {
        uint32_t empty = 0, count = 0;
        for (unsigned i = 0; i < most_ports; ++i)
            empty |= (ports_[i] && ports_[i]->is_empty()) << i;
        regs_.modify(hba::Ghc::HbaReset::of(1));
        if (!regs_.poll<hba::Ghc::HbaReset>(0, 1_s))
            return fail(Error::timed_out, "{}: its reset does not end", hba_.device.name());
        regs_.modify(hba::Ghc::AhciEnable::of(1));
        uint64_t by = now_us() + link_limit.us;
        for (unsigned i = 0; i < most_ports; ++i) {
            if (!ports_[i]) continue;
            ports_[i]->expect_link_by(empty >> i & 1 ? 1 : by);
            ++count;
        }
        auto cap = regs_.read<hba::Cap>(), version = regs_.read<hba::Vs>();
        hba_.slots = hba::Cap::CommandSlots::in(cap) + 1;
        hba_.has_ncq = hba::Cap::Ncq::in(cap);
        hba_.device.describe("{04x}:{04x}, AHCI {}.{x}, {} ports, {} commands at once{}",
                             hba_.device.pci().vendor(), hba_.device.pci().product(),
                             hba::Vs::Major::in(version), hba::Vs::Minor::in(version), count,
                             hba_.slots, hba_.has_ncq ? ", NCQ" : "");
        return {};
    }

    Hba hba_;
    Registers regs_;
    Window window_;
    Port* ports_[most_ports] = {};
};

Result<void> attach(::Device& device)
{
    Window window = TRY(device.bar(5));
    return TRY(make<Controller>(device, window))->open();
}

constexpr Match matches[] = {pci_class(1, 6, 1)};

}  // namespace

extern const Driver ahci = {"ahci", matches, attach};
