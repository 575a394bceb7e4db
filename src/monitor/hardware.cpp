// SPDX-License-Identifier: BSD-2-Clause
// devices, in, out, pci.
#include <cstring>
#include "block/partitions.h"
#include "fs/volumes.h"
#include "hal/driver.h"
#include "monitor/command.h"

namespace monitor {

namespace {

// The device after this one, parents before their children; null after the last.
const Device* next_device(const Device* device, unsigned& depth)
{
    if (device->first_child()) {
        ++depth;
        return device->first_child();
    }
    for (; device; device = device->parent(), --depth) {
        if (device->next_sibling()) return device->next_sibling();
    }
    return nullptr;
}

void print_device(const Device& device, unsigned depth)
{
    for (unsigned i = 0; i < depth; ++i) print("  ");
    print("{}", device.name());
    if (!device.locator().empty()) print(" at {}", device.locator());
    if (!device.description().empty()) print(": {}", device.description());
    print("\n");
}

void print_block_device(const BlockDevice& device)
{
    uint64_t kib = device.blocks * device.block_bytes >> 10;
    print("{-8} {8} {}  {} blocks of {}", device.name.view(), kib < 10240 ? kib : kib >> 10,
          kib < 10240 ? "KiB" : "MiB", device.blocks, device.block_bytes);
    if (device.whole) print(" from {} of {}", device.first_block, device.whole->name.view());
    print(": {}{}{}\n", device.model.view(), device.read_only ? ", read-only" : "",
          fs::root() && &device == fs::root()->device ? ", the root" : "");
}

const Device* device_of(const hal::PciFunction& pci)
{
    unsigned depth = 0;
    for (const Device* d = &Device::root(); d; d = next_device(d, depth)) {
        const hal::PciFunction& own = d->pci();
        if (d->is_pci() && own.bus() == pci.bus() && own.device() == pci.device() &&
            own.function() == pci.function())
            return d;
    }
    return nullptr;
}

bool is_there(const hal::PciFunction& pci) { return pci.vendor() != 0xffff && pci.vendor() != 0; }

void print_function(const hal::PciFunction& pci)
{
    Text<16> place;
    place.print("{}:{}.{}", pci.bus(), pci.device(), pci.function());
    print("{-8} {04x}:{04x}  class {02x}.{02x}.{02x}  revision {02x}", place.view(), pci.vendor(),
          pci.product(), pci.base_class(), pci.sub_class(), pci.interface(), pci.revision());
    if (const Device* device = device_of(pci)) print("  {}", device->name());
    print("\n");
}

bool list_bus(Call& call, uint8_t bus)
{
    constexpr uint8_t multi_function = 0x80;  // in the Header Type register, PCI 3.0, 6.2.1
    for (uint8_t device = 0; device < 32; ++device) {
        if (!is_there({bus, device, 0})) continue;
        bool several = hal::PciFunction(bus, device, 0).read<uint8_t>(0x0e) & multi_function;
        for (uint8_t function = 0; function < (several ? 8 : 1); ++function) {
            hal::PciFunction pci(bus, device, function);
            if (is_there(pci)) print_function(pci);
            if (call.stopped()) return false;
        }
    }
    return true;
}

// "0:1.1", as the list has them.
Result<hal::PciFunction> parse_function(const Call& call, std::string_view text)
{
    size_t colon = text.find(':'), dot = text.find('.');
    if (colon < dot && dot != text.npos) {
        auto bus = parse_number(text.substr(0, colon), 255);
        auto device = parse_number(text.substr(colon + 1, dot - colon - 1), 31);
        auto function = parse_number(text.substr(dot + 1), 7);
        if (bus && device && function)
            return hal::PciFunction(static_cast<uint8_t>(bus.value()),
                                    static_cast<uint8_t>(device.value()),
                                    static_cast<uint8_t>(function.value()));
    }
    return call.fail(Error::invalid, "{} is not BUS:DEVICE.FUNCTION, like 0:1.1", text);
}

void dump_function(const hal::PciFunction& pci)
{
    uint8_t row[16];
    for (unsigned offset = 0; offset < 256; offset += sizeof row) {
        for (unsigned i = 0; i < sizeof row; i += 4) {
            auto value = pci.read<uint32_t>(offset + i);
            memcpy(row + i, &value, sizeof value);
        }
        print_row(offset, row, 1);
    }
}

Result<hal::Window> port(Call& call)
{
    auto number = static_cast<uint16_t>(TRY(call.number("PORT", 0xffff)));
    return hal::port_window(number, static_cast<uint16_t>(call.width()), "monitor");
}

}  // namespace

Result<void> devices(Call& call)
{
    TRY(call.end());
    look_for_disks();
    unsigned depth = 0;
    for (const Device* device = &Device::root(); device; device = next_device(device, depth)) {
        print_device(*device, depth);
        if (call.stopped()) return {};
    }
    for (BlockDevice* device = first_block_device(); device; device = device->next) {
        print_block_device(*device);
        if (call.stopped()) return {};
    }
    return {};
}

Result<void> in(Call& call)
{
    hal::Window window = TRY(port(call));
    TRY(call.end());
    Text<16> text;
    uint32_t value = load(window, call.width());
    if (call.width() == 4)
        text.print("0x{08x}", value);
    else if (call.width() == 2)
        text.print("0x{04x}", value);
    else
        text.print("0x{02x}", value);
    print("{}\n", text.view());
    return {};
}

Result<void> out(Call& call)
{
    hal::Window window = TRY(port(call));
    uint32_t value = TRY(call.number("VALUE", ~0u >> (32 - call.width() * 8)));
    TRY(call.end());
    store(window, call.width(), value);
    return {};
}

Result<void> pci(Call& call)
{
    if (!hal::pci_mechanism()) return call.fail(Error::not_found, "this machine has no PCI");
    std::string_view place = call.word();
    TRY(call.end());
    if (place.empty()) {
        for (unsigned bus = 0; bus < 256 && list_bus(call, static_cast<uint8_t>(bus));) ++bus;
        return {};
    }
    hal::PciFunction function = TRY(parse_function(call, place));
    if (!is_there(function)) return call.fail(Error::not_found, "{}: nothing is there", place);
    dump_function(function);
    return {};
}

}  // namespace monitor
