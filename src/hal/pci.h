// SPDX-License-Identifier: BSD-2-Clause
// PCI configuration space (PCI Local Bus Specification 3.0, chapter 6), by mechanism 1 or 2.
#pragma once
#include <concepts>
#include <cstdint>
#include "hal/result.h"

extern const bool config_has_pci;  // of the configuration: false leaves out all that is PCI's

namespace hal {

class PciFunction {
public:
    constexpr PciFunction() = default;
    constexpr PciFunction(uint8_t bus, uint8_t device, uint8_t function)
        : bus_(bus), device_(device), function_(function), present_(true)
    {
    }
    // `offset` is a multiple of the width. All ones where nothing answers.
    template <std::unsigned_integral T> T read(unsigned offset) const
    {
        return static_cast<T>(read_config(offset, sizeof(T)));
    }
    template <std::unsigned_integral T> void write(unsigned offset, T value) const
    {
        write_config(offset, sizeof(T), value);
    }
    uint8_t bus() const { return bus_; }
    uint8_t device() const { return device_; }
    uint8_t function() const { return function_; }
    bool present() const { return present_; }  // false: this is not a PCI device

    // ---- the common header, section 6.1
    uint16_t vendor() const { return read<uint16_t>(0x00); }
    uint16_t product() const { return read<uint16_t>(0x02); }
    uint8_t revision() const { return read<uint8_t>(0x08); }
    uint8_t interface() const { return read<uint8_t>(0x09); }
    uint8_t sub_class() const { return read<uint8_t>(0x0a); }
    uint8_t base_class() const { return read<uint8_t>(0x0b); }

    // The Command register's bits (6.2.2).
    static constexpr uint16_t io_space = 1, memory_space = 2, bus_master = 4;
    static constexpr uint16_t interrupt_disable = 1 << 10;  // of its line
    void disable(uint16_t command_bits) const
    {
        auto command = read<uint16_t>(0x04);
        write<uint16_t>(0x04, static_cast<uint16_t>(command & ~command_bits));
    }
    void enable(uint16_t command_bits) const
    {
        write<uint16_t>(0x04, static_cast<uint16_t>(read<uint16_t>(0x04) | command_bits));
    }
    // Offset of a capability (6.7), 0 if the function has none of this id: the first one, or the
    // first behind the one at `after`. A list that goes round never ends for who asks so.
    unsigned capability(uint8_t id, unsigned after = 0) const;

private:
    uint32_t read_config(unsigned offset, unsigned bytes) const;
    void write_config(unsigned offset, unsigned bytes, uint32_t value) const;

    uint8_t bus_ = 0, device_ = 0, function_ = 0;
    bool present_ = false;
};

// Which of the two mechanisms the chip set has; 0 if the machine has no PCI.
unsigned detect_pci_mechanism();
[[gnu::always_inline]] inline unsigned pci_mechanism()
{
    return config_has_pci ? detect_pci_mechanism() : 0;
}

}  // namespace hal
