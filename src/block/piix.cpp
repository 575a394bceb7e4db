// SPDX-License-Identifier: BSD-2-Clause
#include "block/piix.h"
#include <algorithm>
#include <bit>

namespace {
constexpr uint8_t set_transfer_mode = 0x03;  // of SET FEATURES
constexpr unsigned most_steps = 3;           // from UDMA5 to what a cable of 40 wires is for

// ---- configuration space
constexpr unsigned idetim = 0x40;  // of a channel; the next one's follows
constexpr unsigned separate_slave = 0x4000;
constexpr unsigned time = 1, iordy = 2, prefetch = 4, dma_only = 8;  // drive 0's; then drive 1's
constexpr unsigned sidetim = 0x44;     // four bits for drive 1 of each channel
constexpr unsigned udmactl = 0x48;     // a bit for each of the four drives
constexpr unsigned udmatim = 0x4a;     // four bits for each
constexpr unsigned ide_config = 0x54;  // ICH: four times a bit for each
constexpr unsigned clock_66 = 0, cable = 4, clock_100 = 12;

constexpr uint16_t multiword_2 = 4, multiword_1_2 = 6;  // as AtaModes::dma has them
constexpr uint16_t ultra_to(unsigned mode)
{
    return AtaModes::dma_up_to_ultra(mode) & ~AtaModes::multiword_modes;
}

constexpr unsigned round_up(unsigned value, unsigned unit) { return (value + unit - 1) / unit; }
}  // namespace

// Multiword 0 takes longer than the timings reach, and does not work on the ICH; the ICH6 and the
// ICH7 have no multiword 1.
const Piix::Chip Piix::chips[] = {
    {0x1230, multiword_1_2},                // PIIX
    {0x7010, multiword_1_2},                // PIIX3
    {0x7111, multiword_1_2 | ultra_to(2)},  // PIIX4
    {0x2421, multiword_1_2 | ultra_to(2)},  // ICH0
    {0x2411, multiword_1_2 | ultra_to(4)},  // ICH
    {0x244a, multiword_1_2 | ultra_to(5)},  // ICH2-M
    {0x244b, multiword_1_2 | ultra_to(5)},  // ICH2
    {0x248a, multiword_1_2 | ultra_to(5)},  // ICH3-M
    {0x248b, multiword_1_2 | ultra_to(5)},  // ICH3-S
    {0x24ca, multiword_1_2 | ultra_to(5)},  // ICH4-M
    {0x24cb, multiword_1_2 | ultra_to(5)},  // ICH4
    {0x24db, multiword_1_2 | ultra_to(5)},  // ICH5
    {0x266f, multiword_2 | ultra_to(5)},    // ICH6
    {0x27df, multiword_2 | ultra_to(5)},    // ICH7
};

Piix::Piix(const hal::PciFunction& pci, unsigned channel)
    : pci_(pci), channel_(static_cast<uint8_t>(channel))
{
    if (pci.vendor() != 0x8086) return;
    const auto* chip = std::ranges::find(chips, pci.product(), &Chip::product);
    if (chip != std::end(chips)) chip_ = chip;
}

template <class T> void Piix::modify(unsigned offset, unsigned mask, unsigned value) const
{
    pci_.write<T>(offset, static_cast<T>((pci_.read<T>(offset) & ~mask) | value));
}

Result<void> Piix::choose(AtaTransport& transport, unsigned drive, std::span<uint16_t, 256> words)
{
    if (!chip_) return {};
    AtaModes modes = AtaModes::of(words);
    modes.dma &= transport.has_dma ? dma_modes(drive, words) : 0;
    // A mode that these controllers do not have works nevertheless where they are emulated.
    if (modes.dma == 0 && AtaModes::selected_dma(words)) return {};
    TRY(set(transport, drive, modes));
    modes_[drive] = modes;
    set_ |= 1 << drive;
    modes.select_in(words);
    return {};
}

Result<void> Piix::restore(AtaTransport& transport, unsigned drive)
{
    due_ &= ~(1 << drive);
    auto done = set(transport, drive, modes_[drive]);
    return done.error() == Error::device ? Result<void>() : done;  // DMA shows whether it matters
}

uint8_t Piix::step_down(AtaTransport& transport, unsigned drive)
{
    if (!config_has_pci || !(set_ >> drive & 1) || steps_[drive] == most_steps) return 0;
    AtaModes& modes = modes_[drive];
    modes.dma -= std::bit_floor(modes.dma);
    ++steps_[drive];
    return set(transport, drive, modes) ? modes.best_dma() : uint8_t{0};
}

// The drive first: what it refuses is not set here either.
Result<void> Piix::set(AtaTransport& transport, unsigned drive, const AtaModes& modes)
{
    // The slower modes of PIO need not be told.
    unsigned pio = modes.pio > 2 ? AtaModes::pio_with_iordy | modes.pio : 0u;
    for (unsigned mode : {pio, unsigned{modes.best_dma()}}) {
        if (mode == 0) continue;
        TRY(transport.execute({.opcode = AtaCommand::set_features,
                               .drive = static_cast<uint8_t>(drive),
                               .count = mode,
                               .features = set_transfer_mode}));
    }
    set_timing(drive, modes);
    return {};
}

// A cable of 40 wires is for UDMA2 at most. The firmware has looked at it, and so has the drive
// (word 93).
uint16_t Piix::dma_modes(unsigned drive, AtaModes::Words words) const
{
    bool drive_sees_40 = (words[93] & 0xe000) == 0x4000;
    bool has_80 = chip_->is_ich() && !drive_sees_40 &&
                  pci_.read<uint16_t>(ide_config) >> (cable + channel_ * 2 + drive) & 1;
    return has_80 ? chip_->dma : chip_->dma & AtaModes::dma_up_to_ultra(2);
}

// A cycle of the data port, in clocks of the PCI bus.
struct Piix::Clocks {
    unsigned active, recovery;

    static Clocks of(unsigned pio_mode, unsigned least_ns)
    {
        constexpr unsigned most_recovery = 4, clock_ns = 30;
        constexpr uint16_t cycle_ns[] = {600, 383, 240, 180, 120};  // V2: t0
        constexpr uint8_t active_ns[] = {165, 125, 100, 80, 70};    // V2: t2
        unsigned cycle = round_up(std::max<unsigned>(cycle_ns[pio_mode], least_ns), clock_ns);
        unsigned active = round_up(active_ns[pio_mode], clock_ns);
        unsigned recovery = std::clamp(cycle - active, 1u, most_recovery);
        return {std::max(active, cycle - recovery), recovery};
    }
    // Else it is a compatible cycle, which takes 600 ns.
    bool can_be_set() const { return active <= 5; }
    unsigned sample_point() const { return 5 - active; }
    unsigned recovery_time() const { return 4 - recovery; }
    bool is_slower(const Clocks& other) const
    {
        return active > other.active || recovery > other.recovery;
    }
};

// Multiword DMA has the cycles of PIO, two modes further on. If PIO has to be slower than that, it
// is compatible.
void Piix::set_timing(unsigned drive, const AtaModes& modes) const
{
    uint8_t dma = modes.best_dma();
    Clocks pio = Clocks::of(modes.pio, modes.pio_ns), clocks = pio;
    if (dma & AtaModes::multiword) clocks = Clocks::of((dma & 7) + 2, modes.multiword_ns);
    unsigned flags = (modes.has_iordy ? iordy : 0) | (modes.is_disk ? prefetch : 0);
    if (clocks.can_be_set()) flags |= time | (pio.is_slower(clocks) ? dma_only : 0);
    set_clocks(drive, clocks, flags);
    if (chip_->has_ultra()) set_ultra(drive, dma);
}

void Piix::set_clocks(unsigned drive, Clocks clocks, unsigned flags) const
{
    constexpr unsigned bank = 0x3300;  // sample point at bit 12, recovery time at bit 8
    const unsigned at = idetim + 2 * channel_, slave_shift = 4 * channel_;
    unsigned timing = pci_.read<uint16_t>(at);
    if (chip_->has_slave_timing() && !(timing & separate_slave)) {
        unsigned shared = (timing >> 10 & 12) | (timing >> 8 & 3);
        modify<uint8_t>(sidetim, 15u << slave_shift, shared << slave_shift);
        timing |= separate_slave;
    }
    if (flags & time) {
        unsigned sample = clocks.sample_point(), recovery = clocks.recovery_time();
        if (drive && chip_->has_slave_timing()) {
            modify<uint8_t>(sidetim, 15u << slave_shift, (sample << 2 | recovery) << slave_shift);
        } else {
            // The PIIX has one bank for both drives: the slower one's.
            if (!chip_->has_slave_timing() && timing & time << 4 * (1 - drive)) {
                sample = std::min(sample, timing >> 12 & 3);
                recovery = std::min(recovery, timing >> 8 & 3);
            }
            timing = (timing & ~bank) | sample << 12 | recovery << 8;
        }
    }
    timing = (timing & ~(15u << 4 * drive)) | flags << 4 * drive;
    pci_.write<uint16_t>(at, static_cast<uint16_t>(timing));
}

// UDMATIM says how many clocks a word takes, 4 less that; IDE_CONFIG which clock: of the PCI bus,
// twice or four times that.
void Piix::set_ultra(unsigned drive, uint8_t mode) const
{
    constexpr uint8_t cycle_ns[] = {120, 80, 60, 45, 30, 20};
    const unsigned place = channel_ * 2 + drive, number = mode & 7;
    const bool is_ultra = mode & AtaModes::ultra;
    if (is_ultra) {
        unsigned doubled = number > 4 ? 2 : number > 2 ? 1 : 0;
        unsigned clocks = round_up(cycle_ns[number] * 10, 300 >> doubled);
        modify<uint16_t>(udmatim, 3u << place * 4, (4 - clocks) << place * 4);
        unsigned clock = (doubled == 1) << clock_66 | (doubled == 2) << clock_100;
        if (chip_->is_ich())
            modify<uint16_t>(ide_config, (1u << clock_66 | 1u << clock_100) << place,
                             clock << place);
    }
    modify<uint8_t>(udmactl, 1u << place, is_ultra << place);
}
