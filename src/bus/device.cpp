// SPDX-License-Identifier: BSD-2-Clause
// The device tree, and how a device finds its driver.
#include "bus/msi.h"
#include "config.h"
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
    device.match_ = from_loader();
    device.framebuffer_ = &framebuffer;
    return device;
}

Device Device::on_loader(const BootModule& module)
{
    Device device;
    device.match_ = from_loader();
    device.module_ = &module;
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

Result<void> attach_traced(const Driver& driver, Device& device)
{
    hal::AttachTrace trace(device);
    return driver.attach(device);
}

}  // namespace

static constinit Device* attaching_device = nullptr;
Device* Device::attaching() { return attaching_device; }

// Whether the driver has it; then, if it cannot be used, that has been shown.
bool Device::attach_by(const Driver& driver)
{
    driver_ = &driver;
    Device* outer = attaching_device;
    attaching_device = this;
    auto attached = attach_traced(driver, *this);
    attaching_device = outer;
    if (attached.error() == Error::not_found) {
        driver_ = nullptr;
        return false;
    }
    if (!announced_) announce("");
    if (!attached) hal::log("{}: not usable: {}", name(), error_text(attached.error()));
    return true;
}

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
            device.parent_ = &bus;
            device.set_name(driver->name);
            device.link(bus);  // now, so that what it adds gets names that are free
            if (device.attach_by(*driver)) return true;
            device.unlink();
            delete &device;
            break;  // the next driver may know it
        }
    }
    return false;
}

void Device::add_unconfigured(Device& bus, Device found, std::string_view description)
{
    auto made = make<Device>(found);
    if (!made) return hal::log("{} {}: {}", bus.name(), found.locator(), error_text(made.error()));
    Device& device = *made.value();
    device.parent_ = &bus;
    device.description_.append(description);
    device.name_.print("pcidev{}.{}.{}", device.pci().bus(), device.pci().device(),
                       device.pci().function());
    device.announced_ = true;
    device.link(bus);
}

// A child that was there before its controller was claimed is the same again.
Result<Device*> Device::add_child(std::string_view kind, std::string_view locator)
{
    for (Device* child = first_child_; child; child = child->next_sibling_) {
        if (!child->lost_ || child->locator() != locator ||
            !std::string_view(child->name()).starts_with(kind))
            continue;
        child->lost_ = child->announced_ = false;
        child->description_.clear();
        child->driver_ = driver_;
        return child;
    }
    Device* child = TRY(make<Device>());
    child->parent_ = this;
    child->locator_.append(locator);
    child->driver_ = driver_;
    child->set_name(kind);
    child->link(*this);
    return child;
}

void Device::lose_children()
{
    for (Device* child = first_child_; child; child = child->next_sibling_) {
        child->lost_ = true;
        child->driver_ = nullptr;
        child->lose_children();
    }
}

// No DMA, no messages; its line is as it was at first.
static void stop(Device& device)
{
    if (!device.is_pci()) return;
    device.pci().disable(hal::PciFunction::bus_master);
    msi::disable(device);
}

Result<void> Device::claim()
{
    if (claimed_) return Error::busy;
    if (!is_of_bus()) return Error::unsupported;
    constexpr unsigned header_type = 0x0e, bridge = 1;  // PCI 3.0, 6.2.1
    if (is_pci() && (pci_.read<uint8_t>(header_type) & 0x7f) == bridge) return Error::unsupported;
    hal::disconnect_interrupts(*this);
    stop(*this);
    if (is_pci()) pci_.enable(hal::PciFunction::interrupt_disable);
    withdraw(*this);
    lose_children();
    driver_ = nullptr;
    claimed_ = true;
    return {};
}

void Device::give_back()
{
    stop(*this);
    claimed_ = false;
    announced_ = false;
    Text<160> description(description_.view());
    description_.clear();
    if (attach_one_of(config_drivers)) return;
    description_ = description;
    announced_ = true;
}

bool Device::attach_one_of(std::span<const Driver* const> drivers)
{
    const PciIdentity identity(*this);
    for (const Driver* driver : drivers) {
        for (const Match& match : driver->matches) {
            if (!fits(match, *this, identity)) continue;
            if (attach_by(*driver)) return true;
            break;
        }
    }
    return false;
}

static constinit Device* first_found = nullptr;

Device* Device::by_number(int number)
{
    Device* device = number < 0 ? nullptr : first_found;
    while (device && number--) device = device->next_found_;
    return device;
}

// For the host tests, which plug many machines after one another.
void reset_devices()
{
    Device::root() = Device();
    first_found = nullptr;
}

int Device::number() const
{
    int number = 0;
    for (Device* device = first_found; device != this; device = device->next_found_) ++number;
    return number;
}

void Device::link(Device& parent)
{
    Device** last = &parent.first_child_;
    while (*last) last = &(*last)->next_sibling_;
    *last = this;
    last = &first_found;
    while (*last) last = &(*last)->next_found_;
    *last = this;
}

void Device::unlink()
{
    Device** here = &parent_->first_child_;
    while (*here != this) here = &(*here)->next_sibling_;
    *here = next_sibling_;
    here = &first_found;
    while (*here != this) here = &(*here)->next_found_;
    *here = next_found_;
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

// Its size: the bits that stick when ones are written, decoding off meanwhile (6.2.5.1).
static uint32_t bar_bytes(const hal::PciFunction& pci, unsigned offset, uint32_t flags)
{
    auto command = pci.read<uint16_t>(0x04), decoding = hal::PciFunction::io_space;
    decoding |= hal::PciFunction::memory_space;
    auto value = pci.read<uint32_t>(offset);
    pci.write<uint16_t>(0x04, static_cast<uint16_t>(command & ~decoding));
    pci.write<uint32_t>(offset, ~0u);
    uint32_t sticking = pci.read<uint32_t>(offset) & ~flags;
    pci.write<uint32_t>(offset, value);
    pci.write<uint16_t>(0x04, command);
    return ~sticking + 1;
}

Result<Device::Bar> Device::measure_bar(unsigned bar) const
{
    if (!is_pci() || bar > 5) return Error::not_found;
    unsigned offset = 0x10 + bar * 4;
    auto low = pci_.read<uint32_t>(offset);
    if (low == ~0u) return Error::gone;
    Bar found;
    found.ports = low & 1;
    if (found.ports) {
        found.start = low & ~3u;
        found.bytes = bar_bytes(pci_, offset, 3) & 0xffff;
    } else {
        found.start = low & ~0xfu;
        found.prefetchable = low & 8;
        bool is_64_bit = (low & 6) == 4;
        if (is_64_bit) found.start |= static_cast<uint64_t>(pci_.read<uint32_t>(offset + 4)) << 32;
        found.bytes = bar_bytes(pci_, offset, 0xf);
    }
    if (found.start == 0 || found.bytes == 0) return Error::not_found;
    return found;
}

Result<hal::Window> Device::bar(unsigned bar)
{
    if (!is_pci() || bar > 5) return Error::invalid;
    Bar found = TRY(measure_bar(bar));
    if (found.ports) {
        if (found.start >> 16) return Error::unsupported;  // a PC has 64 Ki ports
        pci_.enable(hal::PciFunction::io_space);
        return hal::port_window(static_cast<uint16_t>(found.start), 256, name());
    }
    if (found.start >> 32)
        return hal::fail(Error::unsupported, "{}: base address register {} is above 4 GiB: 0x{x}",
                         name(), bar, found.start);
    pci_.enable(hal::PciFunction::memory_space);
    return hal::memory_window(found.start, found.bytes, name());
}

unsigned hal::PciFunction::capability(uint8_t id, unsigned after) const
{
    constexpr uint16_t has_list = 0x10;  // in the Status register, PCI 3.0, 6.2.3
    if (!(read<uint16_t>(0x06) & has_list)) return 0;
    unsigned offset = read<uint8_t>(after ? after + 1 : 0x34) & ~3u;
    for (unsigned limit = (256 - 64) / 4; limit && offset >= 64; --limit) {  // 6.7
        auto entry = read<uint16_t>(offset);
        if (entry == 0xffff) return 0;
        if ((entry & 0xff) == id) return offset;
        offset = entry >> 8 & ~3u;
    }
    return 0;
}
