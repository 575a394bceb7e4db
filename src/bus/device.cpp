// SPDX-License-Identifier: BSD-2-Clause
// The device tree, and how a device finds its driver.
#include "hal/driver.h"

Device& Device::root()
{
    static constinit Device mainbus;
    if (mainbus.name_.empty()) mainbus.name_.append("mainbus0");
    return mainbus;
}

Device Device::on_isa(const Match& match, std::string_view locator)
{
    Device device;
    device.match_ = match;
    device.irq_ = match.irq;
    device.locator_.append(locator);
    return device;
}

Device Device::on_pci(const hal::PciFunction& function, unsigned irq, std::string_view locator)
{
    Device device;
    device.pci_ = function;
    device.irq_ = static_cast<uint8_t>(irq);
    device.locator_.append(locator);
    return device;
}

Device Device::on_loader(const Framebuffer& framebuffer)
{
    Device device;
    device.match_ = loader_framebuffer();
    device.framebuffer_ = &framebuffer;
    return device;
}

static bool fits(const Match& match, const Device& found)
{
    if (!found.is_pci())
        return match.bus == found.match().bus && match.port == found.match().port;
    if (match.bus != Match::Bus::pci) return false;
    const hal::PciFunction& pci = found.pci();
    if (match.vendor)
        return match.vendor == pci.vendor() && (!match.product || match.product == pci.product());
    return match.base_class == pci.base_class() && match.sub_class == pci.sub_class() &&
           (match.interface < 0 || match.interface == pci.interface());
}

bool Device::offer(Device& bus, const Device& found, std::span<const Driver* const> drivers)
{
    for (const Driver* driver : drivers) {
        for (const Match& match : driver->matches) {
            if (!fits(match, found)) continue;
            auto made = make<Device>(found);
            if (!made) {
                hal::log("{} at {} {}: {}", driver->name, bus.name(), found.locator(),
                         error_text(made.error()));
                return true;
            }
            Device& device = *made.value();
            device.driver_ = driver;
            device.parent_ = &bus;
            device.set_name(driver->name);
            auto attached = driver->attach(device);
            if (attached.error() == Error::not_found) {
                delete &device;
                break;  // the next driver may know it
            }
            if (!device.announced_) device.announce("");
            if (!attached) hal::log("{}: not usable: {}", device.name(), error_text(attached.error()));
            return true;
        }
    }
    return false;
}

Result<Device*> Device::add_child(std::string_view kind, std::string_view locator)
{
    Device* child = TRY(make<Device>());
    child->parent_ = this;
    child->locator_.append(locator);
    child->driver_ = driver_;
    child->set_name(kind);
    child->link(*this);
    return child;
}

void Device::link(Device& parent)
{
    Device** last = &parent.first_child_;
    while (*last && *last != this) last = &(*last)->next_sibling_;
    *last = this;
}

static unsigned count_named(const Device& device, std::string_view kind)
{
    unsigned count = 0;
    std::string_view name = device.name();
    if (name.size() > kind.size() && name.substr(0, kind.size()) == kind) {
        char after = name[kind.size()];
        count += after >= '0' && after <= '9';
    }
    for (Device* child = device.first_child(); child; child = child->next_sibling())
        count += count_named(*child, kind);
    return count;
}

void Device::set_name(std::string_view kind)
{
    name_.clear();
    name_.print("{}{}", kind, count_named(root(), kind));
}

void Device::announce(std::string_view description)
{
    if (announced_) return;
    announced_ = true;
    link(*parent_);
    description_.append(description);
    Text<256> line;
    line.print("{} at {}", name_.view(), parent_->name());
    if (!locator_.empty()) line.print(" {}", locator_.view());
    if (!description_.empty()) line.print(": {}", description_.view());
    hal::log_line(line);
}

Result<hal::Window> Device::bar(unsigned bar)
{
    if (!is_pci() || bar > 5) return Error::invalid;
    unsigned offset = 0x10 + bar * 4;  // PCI 3.0, 6.2.5.1
    auto low = pci_.read<uint32_t>(offset);
    if (low & 1) {
        auto base = static_cast<uint16_t>(low & ~3u);
        if (base == 0) return Error::not_found;
        pci_.enable(hal::PciFunction::io_space);
        return hal::port_window(base, 256, name());
    }
    uint64_t base = low & ~0xfu;
    bool is_64_bit = (low & 6) == 4;
    if (is_64_bit) base |= static_cast<uint64_t>(pci_.read<uint32_t>(offset + 4)) << 32;
    if (base == 0) return Error::not_found;
    if (base >> 32) return Error::unsupported;
    // Its size: the bits that stick when ones are written, decoding off meanwhile (6.2.5.1).
    auto command = pci_.read<uint16_t>(0x04);
    pci_.write<uint16_t>(0x04, static_cast<uint16_t>(command & ~hal::PciFunction::memory_space));
    pci_.write<uint32_t>(offset, ~0u);
    uint32_t bytes = ~(pci_.read<uint32_t>(offset) & ~0xfu) + 1;
    pci_.write<uint32_t>(offset, low);
    pci_.write<uint16_t>(0x04, command);
    if (bytes == 0) return Error::not_found;
    pci_.enable(hal::PciFunction::memory_space);
    return hal::memory_window(base, bytes, name());
}
