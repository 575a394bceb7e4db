// SPDX-License-Identifier: BSD-2-Clause
// PCI configuration space through I/O ports: mechanism 1 (PCI 3.0, 3.2.2.3.2) and mechanism 2 of
// the chip sets before 1994 (PCI 2.1, 3.7.4.2; sixteen devices, all of it gone since PCI 2.2).
#pragma once
#include "hal/pci.h"
#include "hal/reg.h"

namespace hal {

class PciPorts {
public:
    // Finds out which mechanism answers, if any. A machine without PCI decodes none of the ports.
    void detect()
    {
        window_ = port_window(0xcf8, 8, "pci");
        regs_ = Registers(window_);
        mechanism_ = has_mechanism_1() ? 1 : has_mechanism_2() ? 2 : 0;
        if (mechanism_ && !something_answers()) mechanism_ = 0;
    }
    unsigned mechanism() const { return mechanism_; }

    uint32_t read(const PciFunction& where, unsigned offset, unsigned bytes) const
    {
        uint32_t value = ~0u;
        access(where, offset, [&](const Window& data, unsigned at) {
            if (bytes == 4)
                value = data.load<uint32_t>(at);
            else if (bytes == 2)
                value = data.load<uint16_t>(at);
            else
                value = data.load<uint8_t>(at);
        });
        return value;
    }
    void write(const PciFunction& where, unsigned offset, unsigned bytes, uint32_t value) const
    {
        access(where, offset, [&](const Window& data, unsigned at) {
            if (bytes == 4)
                data.store<uint32_t>(at, value);
            else if (bytes == 2)
                data.store<uint16_t>(at, static_cast<uint16_t>(value));
            else
                data.store<uint8_t>(at, static_cast<uint8_t>(value));
        });
    }

private:
    struct ConfigAddress : Register<ConfigAddress, 0> {
        struct Offset : Field<Offset, 0, 8> {};
        struct Function : Field<Function, 8, 3> {};
        struct Device : Field<Device, 11, 5> {};
        struct Bus : Field<Bus, 16, 8> {};
        struct Enable : Field<Enable, 31> {};
    };
    static constexpr unsigned config_data = 4;
    // Mechanism 2. While the key is not 0, ports C000h...CFFFh are configuration space.
    struct SpaceEnable : Register<SpaceEnable, 0, uint8_t> {
        struct Function : Field<Function, 1, 3> {};
        struct Key : Field<Key, 4, 4> {};
    };
    struct Forward : Register<Forward, 2, uint8_t> {};                  // the bus
    struct MechanismSelect : Register<MechanismSelect, 3, uint8_t> {};  // 82434NX: 0 is mechanism 2

    template <class Access>
    void access(const PciFunction& where, unsigned offset, Access access) const
    {
        if (offset > 0xff) return;
        if (mechanism_ == 1) {
            regs_.write(ConfigAddress::Enable::of(1) | ConfigAddress::Bus::of(where.bus()) |
                        ConfigAddress::Device::of(where.device()) |
                        ConfigAddress::Function::of(where.function()) |
                        ConfigAddress::Offset::of(offset & ~3u));
            access(window_, config_data + (offset & 3));
        } else if (mechanism_ == 2 && where.device() < 16) {
            regs_.write<Forward>(where.bus());
            regs_.write(SpaceEnable::Key::of(0xf) | SpaceEnable::Function::of(where.function()));
            access(port_window(static_cast<uint16_t>(0xc000 | where.device() << 8), 256, "pci"),
                   offset);
            regs_.write<SpaceEnable>(0);
        }
    }
    bool has_mechanism_1() const
    {
        auto before = regs_.read<ConfigAddress>();
        regs_.write(ConfigAddress::Enable::of(1));
        bool kept = regs_.read<ConfigAddress>() == ConfigAddress::Enable::mask;
        regs_.write<ConfigAddress>(before);
        return kept;
    }
    bool has_mechanism_2() const
    {
        regs_.write<MechanismSelect>(0);
        regs_.write<SpaceEnable>(0);
        regs_.write<Forward>(0);
        return regs_.read<SpaceEnable>() == 0 && regs_.read<Forward>() == 0;
    }
    // The registers may be another chip's: a PCI bus has at least a host bridge.
    bool something_answers() const
    {
        for (uint8_t device = 0; device < 32; ++device) {
            auto vendor = read(PciFunction(0, device, 0), 0, 2);
            if (vendor != 0 && vendor < 0xffff) return true;
        }
        return false;
    }

    Window window_;
    Registers regs_;
    unsigned mechanism_ = 0;
};

}  // namespace hal
