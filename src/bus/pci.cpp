// SPDX-License-Identifier: BSD-2-Clause
// pci - finds the devices on the PCI buses (PCI Local Bus Specification 3.0, 6.1 and appendix D;
// PCI-to-PCI Bridge Architecture 1.2, 3.2.5).
//
// Bus 0 is scanned first, then, in the order of their numbers, those that bridges lead to. A bus
// has a higher number than the one its bridge is on, and belongs to the first bridge that names it:
// so no bus is scanned twice, whatever the bridges say. Bridges are taken as firmware has set them
// up. Supports: conventional PCI and PCI Express, 256 buses.  Not: several host bridges, hot plug.
#include <algorithm>
#include "config.h"

namespace {
using hal::PciFunction;

struct ClassName {
    uint8_t base, sub;
    const char* name;
};
constexpr uint8_t any = 0xff;
constexpr ClassName class_names[] = {
    {0x00, 0x01, "VGA"},
    {0x01, 0x00, "SCSI controller"},
    {0x01, 0x01, "IDE controller"},
    {0x01, 0x02, "floppy controller"},
    {0x01, 0x04, "RAID controller"},
    {0x01, 0x05, "ATA controller"},
    {0x01, 0x06, "SATA controller"},
    {0x01, 0x07, "SAS controller"},
    {0x01, 0x08, "NVM controller"},
    {0x01, any, "mass storage"},
    {0x02, 0x00, "Ethernet"},
    {0x02, any, "network"},
    {0x03, 0x00, "VGA"},
    {0x03, any, "display"},
    {0x04, 0x01, "audio"},
    {0x04, 0x03, "HD audio"},
    {0x04, any, "multimedia"},
    {0x05, any, "memory"},
    {0x06, 0x00, "host bridge"},
    {0x06, 0x01, "ISA bridge"},
    {0x06, 0x02, "EISA bridge"},
    {0x06, 0x04, "PCI bridge"},
    {0x06, 0x07, "CardBus bridge"},
    {0x06, any, "bridge"},
    {0x07, 0x00, "serial port"},
    {0x07, 0x01, "parallel port"},
    {0x07, any, "communications"},
    {0x08, 0x05, "SD host controller"},
    {0x08, any, "system peripheral"},
    {0x09, any, "input"},
    {0x0a, any, "docking station"},
    {0x0b, any, "processor"},
    {0x0c, 0x00, "FireWire"},
    {0x0c, 0x03, "USB"},
    {0x0c, 0x05, "SMBus"},
    {0x0c, any, "serial bus"},
    {0x0d, any, "wireless"},
    {0x10, any, "encryption"},
    {0x11, any, "signal processing"},
};

const char* class_name(uint8_t base, uint8_t sub)
{
    for (const ClassName& c : class_names) {
        if (c.base == base && (c.sub == sub || c.sub == any)) return c.name;
    }
    return "unknown class";
}

// The bridge that leads to each bus.
constinit Device* bridge_to[256];

Result<void> attach_bridge(Device& device)
{
    const PciFunction& pci = device.pci();
    auto secondary = pci.read<uint8_t>(0x19);
    if (secondary <= pci.bus()) {
        device.describe("PCI bridge, leads nowhere: firmware has given it bus {}", secondary);
    } else if (bridge_to[secondary]) {
        device.describe("PCI bridge to bus {}, which is behind {}", secondary,
                        bridge_to[secondary]->name());
    } else {
        bridge_to[secondary] = &device;
        device.describe("PCI bridge to bus {}", secondary);
    }
    return {};
}

constexpr Match bridge_matches[] = {pci_class(6, 4)};
constexpr Driver ppb = {"ppb", bridge_matches, attach_bridge};
constexpr const Driver* bridge_drivers[] = {&ppb};

void scan_function(Device& bus, const PciFunction& pci, uint32_t id, unsigned header,
                   std::span<const Driver* const> drivers)
{
    Text<48> locator;
    locator.print("dev {} function {}", pci.device(), pci.function());
    auto line = pci.read<uint16_t>(0x3c);  // Interrupt Line, and Pin: 0 where there is none
    unsigned irq = line >> 8 && (line & 0xff) < 16 ? line & 0xff : 0;
    Device found = Device::on_pci(pci, irq, locator);
    if (Device::offer(bus, found, drivers)) return;
    if ((header & 0x7f) == 1 && Device::offer(bus, found, bridge_drivers)) return;
    auto kind = pci.read<uint32_t>(0x08);
    Text<160> what;
    what.print("vendor {04x} product {04x} ({}, revision 0x{02x})", id & 0xffff, id >> 16,
               class_name(static_cast<uint8_t>(kind >> 24), static_cast<uint8_t>(kind >> 16)),
               kind & 0xff);
    hal::log("{} at {} {} not configured", what.view(), bus.name(), locator.view());
    Device::add_unconfigured(bus, found, what);
}

void scan_bus(Device& bus, uint8_t number, std::span<const Driver* const> drivers)
{
    for (uint8_t device = 0; device < 32; ++device) {
        uint8_t functions = 1;
        for (uint8_t function = 0; function < functions; ++function) {
            PciFunction pci(number, device, function);
            auto id = pci.read<uint32_t>(0x00);
            if ((id & 0xffff) == 0xffff || (id & 0xffff) == 0) continue;
            unsigned header = pci.read<uint8_t>(0x0e);
            if (function == 0 && header & 0x80) functions = 8;
            scan_function(bus, pci, id, header, drivers);
        }
    }
}

void scan(Device& root, std::span<const Driver* const> drivers)
{
    unsigned mechanism = hal::pci_mechanism();
    if (mechanism == 0) return;
    std::fill(std::begin(bridge_to), std::end(bridge_to), nullptr);
    for (unsigned number = 0; number < 256; ++number) {
        if (number && !bridge_to[number]) continue;
        auto bus = (number ? *bridge_to[number] : root).add_child("pci", "");
        if (!bus) return hal::log("pci: bus {}: {}", number, error_text(bus.error()));
        if (number)
            bus.value()->describe("");
        else
            bus.value()->describe("mechanism {}", mechanism);
        scan_bus(*bus.value(), static_cast<uint8_t>(number), drivers);
    }
}

}  // namespace

extern const BusDriver pci_bus = {"pci", scan};
