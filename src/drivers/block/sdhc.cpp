// SPDX-License-Identifier: BSD-2-Clause
// sdhc - SD and MMC cards in slots of SD host controllers, on PCI.
//
// One command at a time. Data goes by ADMA2 straight to or from the caller's memory, by PIO where
// the controller lacks that or the address is not a multiple of 4. A card that is put in is a new
// disk; one that is taken out is gone, also if it is the same that comes back.
// Supports: SDSC, SDHC, SDXC, MMC and eMMC; all slots, 4-bit bus, 8-bit for MMC, high speed, Auto
// CMD12, write protection.  Not: SDMA, UHS, erase, boot partitions, SDIO, power management.
// Spec: SD Host Controller Simplified Specification 3.00 ("H"); SD Physical Layer Simplified
// Specification 3.01 ("P"); JESD84-A441 ("M").
// Tested on: QEMU 7.2 sdhci-pci with sd-card; the controller of tests/host/fakes/sdhc.h.
#include <algorithm>
#include <cstring>
#include "block/sdhc_registers.h"
#include "hal/driver.h"
#include "lib/bytes.h"

namespace {
using namespace hal;
using namespace sdhc_registers;

constexpr Duration command_limit = 100_ms, power_limit = 2_s, data_limit = 5_s,
                   reset_limit = 100_ms;
constexpr unsigned most_tries = 3;
constexpr uint32_t identify_khz = 400, default_khz = 25'000, high_speed_khz = 50'000;

struct Data {
    std::byte* memory;
    uint32_t block_bytes, blocks;
    bool write = false, by_dma = false;
};

class Slot;

class Card final : public BlockDevice {
public:
    explicit Card(Slot& slot) : slot_(slot) { removable = true; }

private:
    Result<void> read_blocks(uint64_t first, uint32_t count, std::byte* into) override;
    Result<void> write_blocks(uint64_t first, uint32_t count, const std::byte* from) override;
    Result<void> flush_blocks() override { return {}; }  // a write ends when the card has it
    Slot& slot_;
};

class Slot final : public HotPlug {
public:
    Slot(Device& device, Window window, unsigned number)
        : device_(device), regs_(window), number_(number)
    {
    }

    Result<void> open()
    {
        if (regs_.read<PresentState>() == PresentState::gone)
            return fail(Error::gone, "{}: slot {}: it is gone", device_.name(), number_);
        capabilities_ = regs_.read<Capabilities>();
        has_long_divisor_ = regs_.get<Version::Specification>() >= 2;
        if (Capabilities::Adma2::in(capabilities_))
            table_ = TRY(allocate_dma(descriptors * sizeof(Descriptor), 8));
        regs_.write<SignalEnable>(0);
        regs_.write<StatusEnable>(~0u);  // that a card comes is seen without power too
        if (!device_.on_interrupt(on_interrupt, this))
            log("{}: slot {}: no interrupt, polled", device_.name(), number_);
        publish(*this);
        look();
        return {};
    }

    void look() override
    {
        if (card_ && !is_there()) {
            log("{}: it has been taken out", card_->name.view());
            card_->gone = true;
            card_ = nullptr;
            power_off();
        }
        if (card_ || (looked_ && !regs_.get<Status::CardEvent>())) return;
        looked_ = true;
        why_.clear();
        regs_.write<Status>(Status::CardEvent::mask);  // QEMU shows the next card only then
        auto added = inserted() ? add_card() : Result<void>();
        if (added) return;
        log("{}: slot {}: {}", device_.name(), number_,
            why_.empty() ? error_text(added.error()) : why_.c_str());
        power_off();
    }

    // P 7: by as few commands as there can be; an error of many blocks is looked for by halves.
    Result<void> transfer(Card& card, bool write, uint64_t first, uint32_t count, std::byte* data)
    {
        uint32_t most = most_blocks;
        for (unsigned tries = 0; count;) {
            if (&card != card_ || !is_there()) return Error::gone;
            Data part = piece(data, std::min(count, most), write);
            auto done = move(static_cast<uint32_t>(first), part);
            if (done) {
                first += part.blocks;
                count -= part.blocks;
                data += size_t{part.blocks} * block_bytes_of_cards;
                most = most_blocks, tries = 0;
                continue;
            }
            recover();
            if (!is_there()) return Error::gone;
            if (done.error() == Error::device && part.blocks > 1)
                most = part.blocks / 2;
            else if (done.error() == Error::read_only || ++tries == most_tries)
                return fail(done.error(), "{}: {} of block {}: {}", card.name.view(),
                            write ? "write" : "read", first, why_.view());
        }
        return {};
    }

private:
    static void on_interrupt(void* object)
    {
        auto* slot = static_cast<Slot*>(object);
        uint32_t enabled = slot->signals_, pending = slot->regs_.read<Status>();
        if (!(pending & enabled)) return;
        slot->signals_ = 0;  // what there is stays until somebody looks
        slot->regs_.write<SignalEnable>(0);
    }

    template <class... Args> Error failed(Error error, const char* format, const Args&... args)
    {
        why_.clear();
        why_.print(format, args...);
        return error;
    }

    bool inserted() const
    {
        uint32_t state = regs_.read<PresentState>();
        return state != PresentState::gone && PresentState::CardInserted::in(state);
    }
    bool is_there() const { return inserted() && !regs_.get<Status::CardEvent>(); }  // still

    // ---- one command

    Result<void> execute(Index index, Reply reply, uint32_t argument, const Data* data = nullptr)
    {
        bool uses_dat = data || reply == r1b;
        uint32_t state = 0;
        auto idle = [&] {
            state = regs_.read<PresentState>();
            return !PresentState::CommandInhibit::in(state) &&
                   !(uses_dat && PresentState::DatInhibit::in(state));
        };
        if (!wait_until(idle, data_limit))
            return failed(Error::timed_out, "CMD{}: busy (state {08x})", uint8_t{index}, state);
        regs_.write<Status>(all_but_card_events);
        auto command = Command::Index::of(index) | Command::Reply::of(reply);
        if (data) command = command | prepare(*data);
        regs_.write<Argument>(argument);
        regs_.write(command);
        TRY(wait<Status::CommandComplete>(index, command_limit));
        response_ = regs_.read<Response<0>>();
        if (data && !data->by_dma) TRY(pio(index, *data));
        if (uses_dat) TRY(wait<Status::TransferComplete>(index, data_limit));
        bool checked = reply == r1 || reply == r1b;
        checked = checked && index != relative_address && index != send_if_cond;
        if (!checked || !(response_ & card_errors)) return {};
        return failed(response_ & write_protect_violation ? Error::read_only : Error::device,
                      "CMD{}: card status {08x}", uint8_t{index}, response_);
    }

    Bits<Command> prepare(const Data& data)
    {
        regs_.write(Blocks::Size::of(data.block_bytes) | Blocks::Count::of(data.blocks));
        if (data.by_dma) {
            auto* descriptor = reinterpret_cast<Descriptor*>(table_.data);
            uint32_t address = address_, left = data.blocks * data.block_bytes;
            trace_dma(device_.name(), "Data", address, left);
            for (; left; ++descriptor) {
                uint32_t bytes = std::min(left, piece_bytes);
                left -= bytes;
                uint16_t end = left ? 0 : Descriptor::end;
                *descriptor = {
                    static_cast<uint16_t>(Descriptor::valid | Descriptor::transfer | end),
                    static_cast<uint16_t>(bytes), address};
                address += bytes;
            }
            regs_.write<AdmaAddress>(table_.address);
        }
        bool several = data.blocks > 1;
        return Command::DmaEnable::of(data.by_dma) | Command::BlockCountEnable::of(several) |
               Command::AutoCmd12::of(several) | Command::ToHost::of(!data.write) |
               Command::MultiBlock::of(several) | Command::DataPresent::of(1);
    }

    template <class Field> Result<void> wait(Index index, Duration limit)
    {
        uint32_t status = 0;
        auto done = [&] {
            status = regs_.read<Status>();
            return status & (Field::mask | Status::Error::mask);
        };
        Result<void> waited = done() ? Result<void>() : Error::timed_out;
        if (!waited) {
            signals_ = Field::mask | Status::Errors::mask;
            regs_.write<SignalEnable>(signals_);
            waited = wait_until(done, limit);
            signals_ = 0;
            regs_.write<SignalEnable>(0);
        }
        if (status == ~0u) return failed(Error::gone, "it is gone");
        bool no_answer = Status::CommandTimeout::in(status);
        if (!waited || no_answer)
            return failed(Error::timed_out, "CMD{}: no answer (status {08x})", uint8_t{index},
                          status);
        if (Status::Error::in(status))
            return failed(Error::device, "CMD{}: it failed (status {08x})", uint8_t{index}, status);
        regs_.write<Status>(Field::mask);
        return {};
    }

    Result<void> pio(Index index, const Data& data)
    {
        uint32_t words[block_bytes_of_cards / 4];
        std::span some(words, data.block_bytes / 4);
        for (uint32_t i = 0; i < data.blocks; ++i) {
            std::byte* block = data.memory + size_t{i} * data.block_bytes;
            if (data.write) {
                TRY(wait<Status::BufferWriteReady>(index, data_limit));
                memcpy(words, block, data.block_bytes);
                regs_.write_many<BufferDataPort>(some);
            } else {
                TRY(wait<Status::BufferReadReady>(index, data_limit));
                regs_.read_many<BufferDataPort>(some);
                memcpy(block, words, data.block_bytes);
            }
        }
        return {};
    }

    // H 3.10: after an error nothing is under way, and no memory is the controller's.
    void reset_lines()
    {
        regs_.write(SoftwareReset::Lines::of(3));
        if (regs_.poll<SoftwareReset::Lines>(0, reset_limit)) return;
        regs_.write(SoftwareReset::All::of(1));  // the card is lost by that, but not the memory
        (void)regs_.poll<SoftwareReset::All>(0, reset_limit);
    }
    void recover()
    {
        Text<96> why = why_;
        reset_lines();
        if (inserted() && !execute(stop_transmission, r1b, 0)) reset_lines();
        why_ = why;
    }

    Result<void> execute_app(Index index, Reply reply, uint32_t argument,
                             const Data* data = nullptr)
    {
        TRY(execute(app_command, r1, address_of_card_ << 16));
        return execute(index, reply, argument, data);
    }

    // ---- data

    // As much as goes in one command.
    Data piece(std::byte* data, uint32_t blocks, bool write)
    {
        if (table_.data) {
            DmaRun run = dma_run(data, size_t{blocks} * block_bytes_of_cards);
            address_ = run.address;
            auto reached = static_cast<uint32_t>(run.bytes / block_bytes_of_cards);
            if (reached && run.address % 4 == 0)
                return {data, block_bytes_of_cards, std::min(blocks, reached), write, true};
        }
        return {data, block_bytes_of_cards, blocks, write, false};
    }

    Result<void> move(uint32_t first, const Data& data)
    {
        uint32_t address = by_block_ ? first : first * block_bytes_of_cards;
        auto [one, several] = data.write ? std::pair(write_single, write_multiple)
                                         : std::pair(read_single, read_multiple);
        return execute(data.blocks > 1 ? several : one, r1, address, &data);
    }

    // ---- a card

    Result<void> set_clock(uint32_t khz)
    {
        uint32_t base = Capabilities::BaseClock::in(capabilities_);
        if (!has_long_divisor_) base &= 0x3f;
        if (base == 0) return failed(Error::unsupported, "its clock is not known");
        regs_.write<ClockControl>(0);
        auto divisor = ClockControl::divisor(base, khz, has_long_divisor_) |
                       ClockControl::InternalEnable::of(1);
        regs_.write(divisor);
        if (!regs_.poll<ClockControl::Stable>(1, 150_ms))
            return failed(Error::timed_out, "its clock is not stable");
        regs_.write(divisor | ClockControl::ClockEnable::of(1));
        return {};
    }

    void power_off() const
    {
        regs_.write<ClockControl>(0);
        regs_.write<SdPowerControl>(0);
    }

    Result<void> power_on()  // H 3.2, 3.3
    {
        regs_.write(SoftwareReset::All::of(1));
        if (!regs_.poll<SoftwareReset::All>(0, reset_limit))
            return failed(Error::timed_out, "it cannot be reset");
        (void)regs_.poll<PresentState::CardStable>(1, power_limit);
        regs_.write<Status>(~0u);
        regs_.write<StatusEnable>(~0u);
        regs_.write<TimeoutControl>(TimeoutControl::longest);
        using Voltage = SdPowerControl::Voltage;
        auto lower = Capabilities::V3_0::in(capabilities_) ? Voltage::v3_0 : Voltage::v1_8;
        auto voltage = Capabilities::V3_3::in(capabilities_) ? Voltage::v3_3 : lower;
        regs_.write(Voltage::of(voltage) | SdPowerControl::BusPower::of(1));
        if (table_.data) regs_.write(HostControl::DmaSelect::of(HostControl::DmaSelect::adma2));
        TRY(set_clock(identify_khz));
        sleep(1_ms);  // P 6.4.1: 74 clocks
        return {};
    }

    Result<void> add_card()
    {
        TRY(power_on());
        auto* card = TRY(make<Card>(*this));
        auto identified = identify(*card);
        if (!identified) {
            delete card;
            return identified;
        }
        Text<16> locator;
        locator.print("slot {}", number_);
        Device* node = TRY(device_.add_child("ld", locator));
        node->describe("<{}>, {}, {} MiB, {} sectors{}", card->model.view(), is_mmc_ ? "MMC" : "SD",
                       card->blocks >> 11, card->blocks,
                       card->read_only ? ", write protected" : "");
        publish_as(*card, node->name());
        card->owner = &device_;  // also of one that comes later
        card_ = card;
        return {};
    }

    // P 4.2.3 and M 7.4.2
    Result<void> identify(Card& card)
    {
        address_of_card_ = 0;
        TRY(execute(go_idle, none, 0));
        bool is_2_00 = bool(execute(send_if_cond, r1, check_pattern)) && response_ == check_pattern;
        if (!is_2_00) reset_lines();
        is_mmc_ = !execute(app_command, r1, 0);
        if (is_mmc_) {
            reset_lines();
            TRY(execute(go_idle, none, 0));
        }
        uint32_t conditions = voltages | (is_2_00 || is_mmc_ ? high_capacity : 0);
        Result<void> asked;
        auto ready = [&] {
            asked = is_mmc_ ? execute(mmc_op_cond, r3, conditions)
                            : execute_app(app_op_cond, r3, conditions);
            if (asked && !(response_ & powered_up)) sleep(1_ms);
            return !asked || response_ & powered_up;
        };
        auto waited = poll_until(ready, power_limit);
        TRY(asked);
        if (!waited) return failed(Error::timed_out, "its card does not get ready");
        by_block_ = response_ & high_capacity;
        TRY(execute(all_send_cid, r2, 0));
        take_name(card);
        TRY(execute(relative_address, r1, is_mmc_ ? 1 << 16 : 0));
        address_of_card_ = is_mmc_ ? 1 : response_ >> 16;
        TRY(execute(send_csd, r2, address_of_card_ << 16));
        bool has_ext_csd = measure(card);
        TRY(execute(select_card, r1b, address_of_card_ << 16));
        if (!by_block_) TRY(execute(set_block_length, r1, block_bytes_of_cards));
        TRY(set_clock(default_khz));
        TRY(is_mmc_ ? has_ext_csd ? set_up_mmc(card) : Result<void>() : set_up_sd());
        if (card.blocks == 0) return failed(Error::unsupported, "the card has no size");
        card.read_only |= !regs_.get<PresentState::Writable>();
        return {};
    }

    // Of CID or CSD, as the specifications number them; the CRC is not there. At most 32.
    uint32_t field(unsigned high, unsigned low) const
    {
        uint32_t words[] = {regs_.read<Response<0>>(), regs_.read<Response<1>>(),
                            regs_.read<Response<2>>(), regs_.read<Response<3>>()};
        uint32_t value = 0;
        for (unsigned bit = high; bit + 1 > low; --bit)
            value = value << 1 | (words[(bit - 8) / 32] >> (bit - 8) % 32 & 1);
        return value;
    }

    void take_name(Card& card) const  // P 5.2, M 8.2
    {
        for (unsigned i = 0, length = is_mmc_ ? 6 : 5; i < length; ++i) {
            auto c = static_cast<char>(field(103 - 8 * i, 96 - 8 * i));
            card.model.append(c >= ' ' && c <= '~' ? c : '?');
        }
        while (card.model.view().ends_with(' ')) card.model.shorten(card.model.size() - 1);
    }

    // By the CSD (P 5.3, M 8.3). Whether it has an EXT_CSD.
    bool measure(Card& card) const
    {
        unsigned structure = field(127, 126);
        if (!is_mmc_ && structure == 1) {
            card.blocks = (uint64_t{field(69, 48)} + 1) << 10;
        } else {
            unsigned shift = field(49, 47) + 2 + field(83, 80);
            card.blocks = (uint64_t{field(73, 62)} + 1) << shift >> 9;
        }
        card.read_only = field(13, 12);
        return is_mmc_ && field(125, 122) >= 4;  // SPEC_VERS
    }

    // What the controller and the card can; neither is changed where it fails.
    Result<void> set_up_sd()
    {
        Data scr = {info_, 8, 1}, functions = {info_, 64, 1};
        TRY(execute_app(app_scr, r1, 0, &scr));
        unsigned version = byte(0) & 0xf, widths = byte(1) & 0xf;  // P 5.6
        if (widths & 4) {
            TRY(execute_app(app_bus_width, r1, 2));
            regs_.modify(HostControl::FourBits::of(1));
        }
        if (version == 0 || !Capabilities::HighSpeed::in(capabilities_)) return {};
        TRY(execute(switch_function, r1, to_high_speed, &functions));
        return (byte(16) & 0xf) == 1 ? speed_up() : Result<void>();
    }

    Result<void> set_up_mmc(Card& card)  // M 8.4
    {
        Data ext_csd = {info_, sizeof info_, 1};
        TRY(execute(mmc_ext_csd, r1, 0, &ext_csd));
        uint32_t blocks = le32(info_ + 212);
        if (by_block_) card.blocks = blocks;
        if (byte(196) & 2 && Capabilities::HighSpeed::in(capabilities_)) {
            TRY(execute(switch_function, r1b, mmc_high_speed));
            TRY(speed_up());
        }
        // How much of the bus is connected shows when the card is read by it.
        for (unsigned width = Capabilities::has_eight_bits(capabilities_) ? 2 : 1;; --width) {
            TRY(execute(switch_function, r1b, mmc_bus_width | width << 8));
            regs_.modify(HostControl::FourBits::of(width == 1) |
                         HostControl::EightBits::of(width == 2));
            if (width == 0) return {};
            if (execute(mmc_ext_csd, r1, 0, &ext_csd) && le32(info_ + 212) == blocks) return {};
            recover();
        }
    }

    Result<void> speed_up()
    {
        regs_.modify(HostControl::HighSpeed::of(1));
        return set_clock(high_speed_khz);
    }
    uint8_t byte(unsigned at) const { return std::to_integer<uint8_t>(info_[at]); }

    Device& device_;
    Registers regs_;
    const unsigned number_;
    DmaMemory table_;
    uint32_t capabilities_ = 0, response_ = 0, address_ = 0, address_of_card_ = 0;
    bool has_long_divisor_ = false, is_mmc_ = false, by_block_ = false, looked_ = false;
    volatile uint32_t signals_ = 0;
    Card* card_ = nullptr;
    Text<96> why_;
    alignas(4) std::byte info_[512] = {};
};

Result<void> Card::read_blocks(uint64_t first, uint32_t count, std::byte* into)
{
    return slot_.transfer(*this, false, first, count, into);
}
Result<void> Card::write_blocks(uint64_t first, uint32_t count, const std::byte* from)
{
    return slot_.transfer(*this, true, first, count, const_cast<std::byte*>(from));
}

Result<void> attach(Device& device)
{
    auto slots = device.pci().read<uint8_t>(slots_at);
    unsigned first = slots & 7, count = (slots >> 4 & 7) + 1;
    device.pci().enable(PciFunction::memory_space | PciFunction::bus_master);
    for (unsigned number = 0; number < count && first + number < 6; ++number) {
        auto* slot = TRY(make<Slot>(device, TRY(device.bar(first + number)), number));
        if (number == 0) device.describe("SD host controller, slots: {}", count);
        TRY(slot->open());
    }
    return {};
}

constexpr Match matches[] = {pci_class(8, 5)};

}  // namespace

extern const Driver sdhc = {"sdhc", matches, attach};
