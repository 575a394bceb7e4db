// SPDX-License-Identifier: BSD-2-Clause
// The tree of devices, and the hardware itself.
#include "api/call.h"
#include "block/partitions.h"
#include "fs/volumes.h"
#include "hal/driver.h"

namespace {

bool is_width(uint32_t bytes) { return bytes == 1 || bytes == 2 || bytes == 4; }

// A mounted disk is not taken away.
bool holds_volume(const Device& device)
{
    for (fs::Volume* volume = fs::first_volume(); volume; volume = volume->next) {
        const BlockDevice* disk = volume->device;
        if (disk && (disk->whole ? disk->whole : disk)->owner == &device) return true;
        if (volume->channel && volume->channel->owner == &device) return true;
    }
    return false;
}

void give_back(Device& device)
{
    device.give_back();
    for (BlockDevice* disk = first_block_device(); disk; disk = disk->next) {
        if (!disk->whole && !disk->is_gone() && disk->owner == &device) find_partitions(*disk);
    }
}

void give_all_back()
{
    for (int number = 0; Device* device = Device::by_number(number); ++number) {
        if (device->is_claimed()) give_back(*device);
    }
}

hal::Window port_at(uint32_t port)
{
    return hal::port_window(static_cast<uint16_t>(port), 4, "api");
}

}  // namespace

int api_device_info(int number, vesper_device_info* info)
{
    Device* device = Device::by_number(number);
    if (!device) return VESPER_NOT_FOUND;
    *info = {};
    copy_text(info->name, device->name());
    if (device->driver()) copy_text(info->driver, device->driver()->name);
    copy_text(info->locator, device->locator());
    copy_text(info->description, device->description());
    info->parent = device->parent() == &Device::root() ? -1 : device->parent()->number();
    info->claimed = device->is_claimed();
    info->irq = device->irq();
    if (device->match().port) info->bus = VESPER_BUS_ISA;
    if (!device->is_pci()) return 0;
    const hal::PciFunction& pci = device->pci();
    info->bus = VESPER_BUS_PCI;
    info->pci_address = static_cast<uint32_t>(pci.bus()) << 16 |
                        static_cast<uint32_t>(pci.device()) << 8 | pci.function();
    info->vendor = pci.vendor();
    info->product = pci.product();
    info->class_code = pci.read<uint32_t>(0x08) >> 8;
    return 0;
}

int api_device_find(const char* name)
{
    for (int number = 0; Device* device = Device::by_number(number); ++number) {
        if (std::string_view(device->name()) == name) return number;
    }
    return VESPER_NOT_FOUND;
}

int api_device_find_pci(int after, uint32_t vendor, uint32_t product)
{
    constexpr uint32_t any = 0xffff;
    if (after < -1) return VESPER_INVALID;
    for (int number = after + 1; Device* device = Device::by_number(number); ++number) {
        if (!device->is_pci()) continue;
        if ((vendor == any || vendor == device->pci().vendor()) &&
            (product == any || product == device->pci().product()))
            return number;
    }
    return VESPER_NOT_FOUND;
}

int api_device_resource(int number, uint32_t index, vesper_resource* resource)
{
    Device* device = Device::by_number(number);
    if (!device) return VESPER_NOT_FOUND;
    *resource = {};
    if (const Match& match = device->match(); match.port && index == 0) {
        *resource = {match.port, match.ports, VESPER_PORTS, 0};
        return 0;
    }
    auto bar = device->measure_bar(index);
    if (!bar) return code(bar);
    const Device::Bar& b = bar.value();
    constexpr uint32_t ports = VESPER_PORTS, memory = VESPER_DEVICE_MEMORY;
    *resource = {b.start, b.bytes, b.ports ? ports : memory, b.prefetchable};
    return 0;
}

int api_device_read_config(int number, uint32_t offset, uint32_t bytes, uint32_t* value)
{
    Device* device = Device::by_number(number);
    if (!device || !device->is_pci()) return VESPER_NOT_FOUND;
    if (!is_width(bytes) || offset % bytes || offset > 256 - bytes) return VESPER_INVALID;
    const hal::PciFunction& pci = device->pci();
    *value = bytes == 1   ? pci.read<uint8_t>(offset)
             : bytes == 2 ? pci.read<uint16_t>(offset)
                          : pci.read<uint32_t>(offset);
    return 0;
}

int api_device_write_config(int number, uint32_t offset, uint32_t bytes, uint32_t value)
{
    Device* device = Device::by_number(number);
    if (!device || !device->is_pci()) return VESPER_NOT_FOUND;
    if (!is_width(bytes) || offset % bytes || offset > 256 - bytes) return VESPER_INVALID;
    if (device->driver()) return VESPER_BUSY;
    const hal::PciFunction& pci = device->pci();
    if (bytes == 1)
        pci.write<uint8_t>(offset, static_cast<uint8_t>(value));
    else if (bytes == 2)
        pci.write<uint16_t>(offset, static_cast<uint16_t>(value));
    else
        pci.write<uint32_t>(offset, value);
    return 0;
}

int api_device_read_port(uint32_t port, uint32_t bytes, uint32_t* value)
{
    if (!is_width(bytes) || port > 0x10000 - bytes) return VESPER_INVALID;
    hal::Window window = port_at(port);
    *value = bytes == 1   ? window.load<uint8_t>(0)
             : bytes == 2 ? window.load<uint16_t>(0)
                          : window.load<uint32_t>(0);
    return 0;
}

int api_device_write_port(uint32_t port, uint32_t bytes, uint32_t value)
{
    if (!is_width(bytes) || port > 0x10000 - bytes) return VESPER_INVALID;
    hal::Window window = port_at(port);
    if (bytes == 1)
        window.store<uint8_t>(0, static_cast<uint8_t>(value));
    else if (bytes == 2)
        window.store<uint16_t>(0, static_cast<uint16_t>(value));
    else
        window.store<uint32_t>(0, value);
    return 0;
}

int api_device_claim(int number)
{
    Device* device = Device::by_number(number);
    if (!device) return VESPER_NOT_FOUND;
    if (holds_volume(*device)) return VESPER_BUSY;
    api::at_end(give_all_back);
    return code(device->claim());
}

int api_device_release(int number)
{
    Device* device = Device::by_number(number);
    if (!device) return VESPER_NOT_FOUND;
    if (!device->is_claimed()) return VESPER_INVALID;
    give_back(*device);
    return 0;
}
