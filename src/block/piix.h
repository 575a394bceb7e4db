// SPDX-License-Identifier: BSD-2-Clause
// The transfer modes of the drives on one channel of Intel's parallel ATA controllers, from the
// PIIX to the ICH7: chosen, set in the drives and in the controller's timing registers, made slower
// where they fail. On any other controller nothing is touched: what the firmware has set stays.
// Spec: Intel 290550 (PIIX, PIIX3), 290562 (PIIX4), 290655 (ICH), 290744 (ICH4), 307013 (ICH7).
#pragma once
#include "block/ata_modes.h"
#include "hal/pci.h"

class Piix {
public:
    Piix() = default;  // of another controller
    Piix(const hal::PciFunction& pci, unsigned channel);

    // The best modes that the drive, its cable and the controller have; `words` say so then. After
    // an error the firmware's are there.
    Result<void> choose(AtaTransport& transport, unsigned drive, std::span<uint16_t, 256> words);
    // A reset may make the drives forget their modes: each gets them again before its next command.
    void has_been_reset() { due_ = set_; }
    [[gnu::always_inline]] bool is_due(unsigned drive) const
    {
        return config_has_pci && due_ >> drive & 1;
    }
    Result<void> restore(AtaTransport& transport, unsigned drive);
    // DMA has failed: the next slower mode, and which one that is. 0: no more.
    uint8_t step_down(AtaTransport& transport, unsigned drive);

private:
    struct Chip {
        uint16_t product;
        uint16_t dma;  // modes, as AtaModes has them
        bool is_ich() const { return product >> 12 == 2; }
        bool has_slave_timing() const { return product != 0x1230; }
        bool has_ultra() const { return dma & ~AtaModes::multiword_modes; }
    };
    static const Chip chips[];
    struct Clocks;

    Result<void> set(AtaTransport& transport, unsigned drive, const AtaModes& modes);
    uint16_t dma_modes(unsigned drive, AtaModes::Words words) const;
    void set_timing(unsigned drive, const AtaModes& modes) const;
    void set_clocks(unsigned drive, Clocks clocks, unsigned flags) const;
    void set_ultra(unsigned drive, uint8_t mode) const;
    template <class T> void modify(unsigned offset, unsigned mask, unsigned value) const;

    hal::PciFunction pci_;
    const Chip* chip_ = nullptr;
    uint8_t channel_ = 0;
    uint8_t set_ = 0, due_ = 0;  // a bit for each drive
    uint8_t steps_[2] = {};      // down, so far
    AtaModes modes_[2];
};
