// SPDX-License-Identifier: BSD-2-Clause
// fdc - the PC's floppy controller: NEC 765, Intel 82077AA and what is compatible with them.
//
// Nothing turns or moves until somebody reads: which drives there are is what the firmware has set
// in the CMOS. Data goes by channel 2 of the ISA bus's DMA controller, up to a cylinder at a time,
// straight where that reaches. A clock tick stops the motors some seconds after the last use.
// Supports: drives of 360 and 720 KB, 1.2, 1.44 and 2.88 MB, and disks of these formats; changed
// disks, write protection.  Not: formatting, a second controller, a changed disk in a drive of
// 360 KB, which does not tell.
// Spec: Intel 82077AA data sheet (order 290166), section numbers below.  Tested on: QEMU 7.2
// isa-fdc; the controller of tests/host/fakes/fdc.h.
#include <algorithm>
#include <cstring>
#include "bus/isa_dma.h"

namespace {
using namespace hal;

// ---- 2.1: registers

struct Dor : Register<Dor, 2, uint8_t> {
    struct DriveSelect : Field<DriveSelect, 0, 2> {};
    struct NotReset : Field<NotReset, 2> {};
    struct DmaGate : Field<DmaGate, 3> {};
    struct MotorEnable : Field<MotorEnable, 4, 4> {};
};
struct Msr : Register<Msr, 4, uint8_t> {
    struct DrivesBusy : Field<DrivesBusy, 0, 4> {};
    struct CommandBusy : Field<CommandBusy, 4> {};
    struct ToHost : Field<ToHost, 6> {};  // DIO
    struct Request : Field<Request, 7> {};
    static constexpr uint8_t gone = 0xff;
};
struct Fifo : Register<Fifo, 5, uint8_t> {};
struct Dir : Register<Dir, 7, uint8_t> {  // the other bits are the hard disk's
    struct DiskChange : Field<DiskChange, 7> {};
};
struct Ccr : Register<Ccr, 7, uint8_t> {
    enum Value : uint8_t { kbit_500 = 0, kbit_300 = 1, kbit_250 = 2, mbit_1 = 3 };
};

// ---- 5: commands, and 6: what they return

constexpr uint8_t specify = 0x03, sense_drive_status = 0x04, recalibrate = 0x07,
                  sense_interrupt_status = 0x08, seek = 0x0f, version = 0x10,
                  perpendicular_mode = 0x12, configure = 0x13;
constexpr uint8_t read_id = 0x4a, write_data = 0xc5, read_data = 0xc6;  // MFM; both sides (MT)
enum { st0, st1, st2, cylinder_is, head_is, sector_is, size_is, results };

constexpr uint8_t interrupt_code = 0xc0, seek_end = 0x20, equipment_check = 0x10;  // ST0
constexpr uint8_t not_writable = 0x02;                                             // ST1
constexpr uint8_t write_protected = 0x40;                                          // ST3
constexpr uint8_t enhanced = 0x90, invalid_command = 0x80;
constexpr uint8_t fifo_of_8 = 0x17;  // CONFIGURE: a FIFO, no polling of drives, threshold 8
constexpr uint8_t head_load_dma = 0x02, any_length = 0xff, bytes_512 = 2;

struct CmosIndex : Register<CmosIndex, 0, uint8_t> {
    enum Value : uint8_t { floppy_drives = 0x10 };
};
struct CmosData : Register<CmosData, 1, uint8_t> {};

struct Format {
    uint8_t rate, sectors, cylinders, gap;  // the gap's length: 5.1, GPL
};
// Those that a type of drive takes are together, the densest first.
constexpr Format formats[] = {{Ccr::mbit_1, 36, 80, 0x1b},  {Ccr::kbit_500, 18, 80, 0x1b},
                              {Ccr::kbit_250, 9, 80, 0x2a}, {Ccr::kbit_500, 15, 80, 0x1b},
                              {Ccr::kbit_300, 9, 40, 0x23}, {Ccr::kbit_250, 9, 40, 0x2a}};
constexpr struct DriveType {  // by the CMOS's number, from 1 on
    uint8_t first, count;     // of the formats
    const char* name;
} drive_types[] = {{5, 1, "360 KB, 5.25\""}, {3, 2, "1.2 MB, 5.25\""}, {2, 1, "720 KB, 3.5\""},
                   {1, 2, "1.44 MB, 3.5\""}, {0, 3, "2.88 MB, 3.5\""}, {0, 3, "2.88 MB, 3.5\""}};

constexpr unsigned drives = 2, heads = 2, sector_bytes = 512, buffer_sectors = 36;
constexpr uint8_t nowhere = 0xff;  // no cylinder, no rate
constexpr Duration byte_limit = 10_ms, turn_limit = 3_s, seek_limit = 3_s;
constexpr Duration settle_time = 15_ms, motor_time = 4_s;
constexpr unsigned most_tries = 4, most_late = 2;

class Controller {
public:
    explicit Controller(Device& device)
        : device(device), regs_(device.ports()), dma_(2, device.name())
    {
    }
    Device& device;
    Text<80> why;  // the last error
    uint8_t result[results] = {};
    bool is_enhanced = false;

    // Errors: not_found.
    Result<void> find()
    {
        if (regs_.read<Msr>() == Msr::gone) return Error::not_found;
        select(0);  // the firmware's motor stops too
        if (!command({version}, 1)) return Error::not_found;
        is_enhanced = result[0] == enhanced;
        if (!is_enhanced && result[0] != invalid_command) return Error::not_found;
        reset_due_ = true;
        TRY(connect_interrupt(0, on_tick, this));  // without a name: it is not to be traced
        if (!device.on_interrupt(on_interrupt, this))
            log("{}: no interrupt, polled", device.name());
        return {};
    }

    Result<void> select(uint8_t drive, Duration spin_up)
    {
        keep_motors();
        if (reset_due_) TRY(reset());
        unsigned motor = 1u << drive;
        bool turns = motors_ & motor;
        motors_ = motors_ | motor;
        select(drive);
        if (!turns) sleep(spin_up);
        return {};
    }

    bool disk_changed() const { return regs_.get<Dir::DiskChange>(); }  // in the selected drive

    Result<void> set_rate(uint8_t rate)
    {
        if (rate == rate_) return {};
        rate_ = nowhere;
        bool fastest = rate == Ccr::mbit_1;
        regs_.write<Ccr>(rate);
        // Steps of 3 ms where the drive turns the data that fast, and of 5 or 6 below (5.2).
        TRY(command({specify, static_cast<uint8_t>(fastest ? 0xaf : 0xdf), head_load_dma}, 0));
        if (is_enhanced)
            TRY(command({perpendicular_mode, static_cast<uint8_t>(fastest ? 3 : 0)}, 0));
        rate_ = rate;
        return {};
    }

    // `steps`: how many there will be at most; each lasts up to 6 ms.
    Result<void> move_head(std::initializer_list<uint8_t> bytes, uint8_t drive, uint8_t cylinder,
                           unsigned steps)
    {
        TRY(command(bytes, 0));
        // Until the interrupt, or if none comes, until it must be over: a 765 may not be asked
        // while it steps.
        uint64_t over_us = now_us() + steps * 6'000;
        Result<void> sensed;
        auto waited = wait_until(
            [&] {
                if (!interrupted_ && now_us() < over_us) return false;
                over_us = now_us() + 5'000;
                sensed = sense_interrupt();
                return !sensed || (result[st0] & seek_end && (result[st0] & 3) == drive);
            },
            seek_limit);
        TRY(sensed);
        reset_due_ |= !waited;
        if (!waited) return failed(Error::timed_out, "the head does not arrive");
        if (result[st0] & (interrupt_code | equipment_check) || result[1] != cylinder)
            return failed(Error::device, "seek to {} ends at {} (ST0 {02x})", cylinder, result[1],
                          result[st0]);
        sleep(settle_time);
        return {};
    }

    Result<void> command(std::initializer_list<uint8_t> bytes, unsigned results,
                         Duration limit = byte_limit)
    {
        keep_motors();
        interrupted_ = false;
        for (uint8_t byte : bytes) {
            TRY(next_byte(false, byte_limit));
            regs_.write<Fifo>(byte);
        }
        for (unsigned i = 0; i < results; ++i) {
            TRY(next_byte(true, i ? byte_limit : limit));
            result[i] = regs_.read<Fifo>();
        }
        return {};
    }

    // What the command says of data, to or from memory that is reached.
    Result<void> transfer(std::initializer_list<uint8_t> bytes, bool write, std::byte* data,
                          uint32_t length)
    {
        DmaRun run = dma_run(data, length);
        bool direct = IsaDma::reaches(run, length);
        if (!direct) {
            if (!buffer_.data)
                buffer_ = TRY(allocate_dma(buffer_sectors * sector_bytes, 16, IsaDma::boundary,
                                           IsaDma::highest));
            run.address = buffer_.address;
            bytes_bounced += length;
            if (write) memcpy(buffer_.data, data, length);
        }
        trace_dma(device.name(), "Data", run.address, length);
        dma_.start(run.address, length, !write);
        auto done = command(bytes, results, turn_limit);
        dma_.stop();
        if (reset_due_) hold();  // no memory is the controller's any more
        TRY(done);
        TRY(check());
        if (uint32_t left = dma_.left()) return failed(Error::device, "{} bytes are missing", left);
        if (!direct && !write) memcpy(data, buffer_.data, length);
        return {};
    }

    // Of a command with seven bytes of result (6).
    Result<void> check()
    {
        if (!(result[st0] & interrupt_code)) return {};
        uint8_t bits = result[st1];
        const char* text = bits & 0x20           ? "CRC error"
                           : bits & 0x05         ? "sector not found"
                           : bits & not_writable ? "write protected"
                           : bits & 0x10         ? "overrun"
                                                 : "it failed";
        return failed(bits & not_writable ? Error::read_only : Error::device,
                      "{} (ST0 {02x}, ST1 {02x}, ST2 {02x})", text, result[st0], result[st1],
                      result[st2]);
    }

    template <class... Args> Error failed(Error error, const char* format, const Args&... args)
    {
        why.clear();
        why.print(format, args...);
        return error;
    }

    unsigned resets = 0;  // after each the heads are anywhere

private:
    static void on_interrupt(void* self) { static_cast<Controller*>(self)->interrupted_ = true; }
    static void on_tick(void* object)
    {
        auto* self = static_cast<Controller*>(object);
        auto over = self->motors_ ? static_cast<uint32_t>(now_us()) - self->stop_at_us_ : ~0u;
        if (static_cast<int32_t>(over) < 0) return;
        self->motors_ = 0;
        self->select(self->drive_);
    }
    // No single command lasts that long.
    void keep_motors() { stop_at_us_ = static_cast<uint32_t>(now_us() + motor_time.us); }

    void select(uint8_t drive)
    {
        drive_ = drive;
        regs_.write(Dor::DriveSelect::of(drive) | Dor::NotReset::of(1) | Dor::DmaGate::of(1) |
                    Dor::MotorEnable::of(static_cast<uint8_t>(motors_)));
    }

    void hold() const { regs_.write(Dor::MotorEnable::of(static_cast<uint8_t>(motors_))); }
    Result<void> reset()  // 4.0: by DOR
    {
        dma_.stop();
        hold();
        sleep(5_us);
        interrupted_ = false;
        ++resets;
        rate_ = nowhere;
        select(drive_);
        (void)wait_until([&] { return interrupted_; }, 5_ms);
        for (unsigned i = 0; i < 4; ++i) {  // one for each drive, if it polls them
            TRY(sense_interrupt());
            if (result[st0] == invalid_command) break;
        }
        if (is_enhanced) TRY(command({configure, 0, fifo_of_8, 0}, 0));
        reset_due_ = false;
        return {};
    }

    Result<void> sense_interrupt()
    {
        TRY(command({sense_interrupt_status}, 1));
        if (result[st0] == invalid_command) return {};  // nothing has happened
        TRY(next_byte(true, byte_limit));
        result[1] = regs_.read<Fifo>();
        return {};
    }

    // Until it takes a byte, or has one.
    Result<void> next_byte(bool to_host, Duration limit, Caller caller = __builtin_FUNCTION())
    {
        uint8_t status = 0;
        auto ready = [&] {
            status = regs_.read<Msr>(caller);
            return Msr::Request::in(status);
        };
        auto waited =
            limit.us > byte_limit.us ? wait_until(ready, limit) : poll_until(ready, limit);
        if (waited && status == Msr::gone) return failed(Error::gone, "the controller has gone");
        if (waited && Msr::ToHost::in(status) == to_host) return {};
        reset_due_ = true;
        return failed(waited ? Error::device : Error::timed_out, "{} (MSR {02x})",
                      waited ? "out of step" : "no answer", status);
    }

    Registers regs_;
    IsaDma dma_;
    DmaMemory buffer_;
    uint8_t drive_ = 0, rate_ = nowhere;
    bool reset_due_ = false;
    volatile unsigned motors_ = 0;
    volatile bool interrupted_ = false;
    volatile uint32_t stop_at_us_ = 0;
};

class Drive final : public BlockDevice {
public:
    Drive(Controller& controller, uint8_t number, const DriveType& type)
        : controller_(controller), number_(number), type_(type)
    {
        model.print("{} drive", type.name);
        removable = rotational = true;
    }

    Result<void> look_for_medium() override
    {
        auto looked = look();
        if (looked || looked.error() == Error::not_found) return looked;
        return fail(looked.error(), "{}: {}", name.view(), controller_.why.view());
    }

private:
    Result<void> read_blocks(uint64_t first, uint32_t count, std::byte* into) override
    {
        return transfer(false, static_cast<uint32_t>(first), count, into);
    }
    Result<void> write_blocks(uint64_t first, uint32_t count, const std::byte* from) override
    {
        return transfer(true, static_cast<uint32_t>(first), count, const_cast<std::byte*>(from));
    }
    Result<void> flush_blocks() override { return {}; }  // nothing is kept back

    // Errors: not_found (no disk), unsupported, device, timed_out, gone; nothing is logged.
    Result<void> look()
    {
        bool large = type_.first >= 3;  // 5.25"
        TRY(controller_.select(number_, large ? 1_s : 500_ms));
        if (resets_ != controller_.resets) cylinder_ = nowhere;
        resets_ = controller_.resets;
        if (blocks && !controller_.disk_changed()) return {};
        if (blocks) ++medium;
        blocks = 0;
        TRY(controller_.set_rate(formats[type_.first].rate));
        TRY(go_to(0));
        // 2.1, DIR: a step with a disk in the drive ends it.
        if (controller_.disk_changed()) TRY(go_to(1));
        if (controller_.disk_changed()) return Error::not_found;
        TRY(go_to(2));
        TRY(find_format());
        TRY(controller_.command({sense_drive_status, number_}, 1));
        read_only = controller_.result[0] & write_protected;
        blocks = sectors_per_cylinder() * format_->cylinders;
        return {};
    }

    // The head is at cylinder 2: there a disk of 40 cylinders has its cylinder 1 if the drive has
    // 80.
    Result<void> find_format()
    {
        Result<void> found;
        for (unsigned i = 0; i < type_.count; ++i) {
            format_ = &formats[type_.first + i];
            TRY(controller_.set_rate(format_->rate));
            TRY(controller_.command({read_id, number_}, results, turn_limit));
            found = controller_.check();
            if (!found) continue;
            uint8_t is = controller_.result[cylinder_is], size = controller_.result[size_is];
            double_step_ = is == 1 && format_->cylinders == 40;
            if ((is == 2 || double_step_) && size == bytes_512) return {};
            return controller_.failed(Error::unsupported,
                                      "a disk of another format (cylinder {}, size {})", is, size);
        }
        return found;
    }

    Result<void> go_to(uint8_t cylinder)
    {
        if (cylinder_ == cylinder) return {};
        // 5.2: once more from beyond the 79th cylinder.
        for (unsigned tries = 2; cylinder_ == nowhere;) {
            auto moved = controller_.move_head({recalibrate, number_}, number_, 0, 80);
            if (moved)
                cylinder_ = 0;
            else if (--tries == 0 || moved.error() != Error::device)
                return moved;
        }
        if (cylinder_ == cylinder) return {};
        unsigned steps = cylinder > cylinder_ ? cylinder - cylinder_ : cylinder_ - cylinder;
        cylinder_ = nowhere;
        TRY(controller_.move_head({seek, number_, cylinder}, number_, cylinder, steps + 1));
        cylinder_ = cylinder;
        return {};
    }

    unsigned sectors_per_cylinder() const { return format_->sectors * heads; }

    // All but gone, no_memory and read_only may be otherwise another time.
    Result<void> transfer(bool write, uint32_t first, uint32_t count, std::byte* data)
    {
        if (count == 0) return {};
        const unsigned before = medium;
        unsigned tries = 0;
        uint32_t most = count;
        while (count) {
            auto looked = look();
            bool other = medium != before || looked.error() == Error::not_found;
            if (other && looked.error() != Error::gone)
                return fail(Error::not_found, "{}: the disk is not there any more", name.view());
            uint32_t part = sectors_per_cylinder() - first % sectors_per_cylinder();
            part = std::min({part, count, most, uint32_t{buffer_sectors}});
            auto done = looked ? attempt(write, first, part, data) : looked;
            if (done) {
                first += part;
                data += size_t{part} * sector_bytes;
                most = count -= part;
                tries = 0;
                continue;
            }
            bool late = done.error() == Error::timed_out, failed = done.error() == Error::device;
            if (failed && part > 1) {
                most = part / 2;  // which one is bad is looked for by halves
                continue;
            }
            if (++tries % 2 == 0) cylinder_ = nowhere;  // the head may be elsewhere
            if (tries < (failed ? most_tries : late ? most_late : 0)) continue;
            return give_up(write, first, done.error());
        }
        return {};
    }

    Result<void> attempt(bool write, uint32_t first, uint32_t count, std::byte* data)
    {
        Place at = place_of(first);
        TRY(controller_.set_rate(format_->rate));
        TRY(go_to(static_cast<uint8_t>(at.cylinder << double_step_)));
        return controller_.transfer(
            {write ? write_data : read_data, static_cast<uint8_t>(at.head << 2 | number_),
             at.cylinder, at.head, at.sector, bytes_512, format_->sectors, format_->gap,
             any_length},
            write, data, count * sector_bytes);
    }

    struct Place {
        uint8_t cylinder, head, sector;
    };
    Place place_of(unsigned block) const
    {
        unsigned track = block / format_->sectors, sector = block % format_->sectors + 1;
        return {uint8_t(track / heads), uint8_t(track % heads), uint8_t(sector)};
    }

    Error give_up(bool write, uint32_t block, Error error)
    {
        if (error == Error::no_memory) controller_.failed(error, "no memory below 16 MiB");
        if (error == Error::read_only) read_only = true;
        Place at = place_of(block);
        return fail(error, "{}: {} of block {} (track {}, head {}, sector {}): {}", name.view(),
                    write ? "write" : "read", block, at.cylinder, at.head, at.sector,
                    controller_.why.view());
    }

    Controller& controller_;
    const uint8_t number_;
    const DriveType& type_;
    const Format* format_ = formats;
    uint8_t cylinder_ = nowhere;  // where the head is; counted as the drive does
    bool double_step_ = false;
    unsigned resets_ = 0;
};

Result<void> attach(Device& device)
{
    Registers cmos(port_window(0x70, 2, device.name()));
    cmos.write<CmosIndex>(CmosIndex::floppy_drives);
    uint8_t types = cmos.read<CmosData>();
    if (types == 0 || types == 0xff) return Error::not_found;
    auto* controller = TRY(make<Controller>(device));
    auto found = controller->find();
    if (!found) {
        delete controller;
        return found;
    }
    device.describe("{}, DMA channel 2", controller->is_enhanced ? "82077AA" : "NEC 765");
    for (uint8_t number = 0; number < drives; ++number) {
        unsigned type = (number ? types : types >> 4) & 0xf;
        if (type == 0 || type > std::size(drive_types)) continue;
        Text<16> locator;
        locator.print("drive {}", number);
        Device* node = TRY(device.add_child("fd", locator));
        Drive* drive = TRY(make<Drive>(*controller, number, drive_types[type - 1]));
        node->describe("{}", drive->model.view());
        publish_as(*drive, node->name());
    }
    return {};
}

constexpr Match matches[] = {isa(0x3f0, 8, 6)};

}  // namespace

extern const Driver fdc = {"fdc", matches, attach};
