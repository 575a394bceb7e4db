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

namespace {

// What PCI matches look at, read once for all of them: Vendor and Device ID, and Class Code.
struct PciIdentity {
    uint32_t id = 0, kind = 0;

    explicit PciIdentity(const Device& found)
    {
        if (!found.is_pci()) return;
        id = found.pci().read<uint32_t>(0x00);
        kind = found.pci().read<uint32_t>(0x08);
    }
    bool fits(const Match& match) const
    {
        if (match.vendor)
            return match.vendor == (id & 0xffff) && (!match.product || match.product == id >> 16);
        return match.base_class == kind >> 24 && match.sub_class == (kind >> 16 & 0xff) &&
               (match.interface < 0 || match.interface == static_cast<int>(kind >> 8 & 0xff));
    }
};

bool fits(const Match& match, const Device& found, const PciIdentity& identity)
{
    if (found.is_pci()) return match.bus == Match::Bus::pci && identity.fits(match);
    return match.bus == found.match().bus && match.port == found.match().port;
}

}  // namespace

bool Device::offer(Device& bus, const Device& found, std::span<const Driver* const> drivers)
{
    const PciIdentity identity(found);
    for (const Driver* driver : drivers) {
        for (const Match& match : driver->matches) {
            if (!fits(match, found, identity)) continue;
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
            device.link(bus);  // now, so that what it adds gets names that are free
            auto attached = driver->attach(device);
            if (attached.error() == Error::not_found) {
                device.unlink();
                delete &device;
                break;  // the next driver may know it
            }
            if (!device.announced_) device.announce("");
            if (!attached)
                hal::log("{}: not usable: {}", device.name(), error_text(attached.error()));
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
    while (*last) last = &(*last)->next_sibling_;
    *last = this;
}

void Device::unlink()
{
    Device** here = &parent_->first_child_;
    while (*here != this) here = &(*here)->next_sibling_;
    *here = next_sibling_;
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
    if (low == ~0u) return Error::gone;
    if (low & 1) {
        if (low >> 16) return Error::unsupported;  // a PC has 64 Ki ports
        auto base = static_cast<uint16_t>(low & ~3u);
        if (base == 0) return Error::not_found;
        pci_.enable(hal::PciFunction::io_space);
        return hal::port_window(base, 256, name());
    }
    uint64_t base = low & ~0xfu;
    bool is_64_bit = (low & 6) == 4;
    if (is_64_bit) base |= static_cast<uint64_t>(pci_.read<uint32_t>(offset + 4)) << 32;
    if (base == 0) return Error::not_found;
    if (base >> 32)
        return hal::fail(Error::unsupported, "{}: base address register {} is above 4 GiB: 0x{x}",
                         name(), bar, base);
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

unsigned hal::PciFunction::capability(uint8_t id) const
{
    constexpr uint16_t has_list = 0x10;  // in the Status register, PCI 3.0, 6.2.3
    if (!(read<uint16_t>(0x06) & has_list)) return 0;
    unsigned offset = read<uint8_t>(0x34) & ~3u;
    for (unsigned limit = (256 - 64) / 4; limit && offset >= 64; --limit) {  // 6.7
        auto entry = read<uint16_t>(offset);
        if (entry == 0xffff) return 0;
        if ((entry & 0xff) == id) return offset;
        offset = entry >> 8 & ~3u;
    }
    return 0;
}
