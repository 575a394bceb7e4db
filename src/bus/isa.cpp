// SPDX-License-Identifier: BSD-2-Clause
// isa - the ISA bus, which cannot be asked what is on it: each driver looks for its devices at the
// ports that its matches name.
#include "config.h"

namespace {

bool taken(const Device& device, uint16_t port)
{
    const Match& match = device.match();
    if (match.bus == Match::Bus::isa && match.port == port) return true;
    for (Device* child = device.first_child(); child; child = child->next_sibling()) {
        if (taken(*child, port)) return true;
    }
    return false;
}

// The bus is scanned twice: for the consoles before anything else, and for the rest.
Result<Device*> bus_below(Device& root)
{
    for (Device* child = root.first_child(); child; child = child->next_sibling()) {
        if (std::string_view(child->name()) == "isa0") return child;
    }
    Device* bus = TRY(root.add_child("isa", ""));
    bus->describe("");
    return bus;
}

void scan(Device& root, std::span<const Driver* const> drivers)
{
    auto bus = bus_below(root);
    if (!bus) return hal::log("isa: {}", error_text(bus.error()));
    for (const Driver* const& driver : drivers) {
        for (const Match& match : driver->matches) {
            if (match.bus != Match::Bus::isa || taken(root, match.port)) continue;
            Text<48> locator;
            locator.print("port 0x{x}", match.port);
            if (match.irq) locator.print(" irq {}", match.irq);
            Device::offer(*bus.value(), Device::on_isa(match, locator), {&driver, 1});
        }
    }
}

}  // namespace

extern const BusDriver isa_bus = {"isa", scan, true};
