// SPDX-License-Identifier: BSD-2-Clause
// From power-on to /kexec: the whole story of a boot.
#include "api/api.h"
#include "api/kexec.h"
#include "arch/cpu.h"
#include "arch/machine.h"
#include "arch/paging.h"
#include "block/partitions.h"
#include "boot/boot_info.h"
#include "config.h"
#include "console/console.h"
#include "hal/log.h"
#include "monitor/monitor.h"

static constinit BootInfo boot_info;

// The loader's memory is where the identity map shows it.
class PhysicalMemory final : public LoaderMemory {
    const std::byte* at(uint64_t physical, size_t bytes) const override
    {
        if (physical > paging::high_map || bytes > paging::high_map - physical) return nullptr;
        return reinterpret_cast<const std::byte*>(static_cast<uintptr_t>(physical));
    }
};

static void read_boot_info(uint32_t magic, uint32_t address)
{
    read_boot_info(boot_info, static_cast<BootMagic>(magic), address, PhysicalMemory{});
    if (boot_info.has_acpi_root)
        boot_info.acpi_root_address =
            reinterpret_cast<uintptr_t>(boot_info.acpi_root) - paging::high_map;
    loader_acpi_root = boot_info.acpi_root_address;
    api::boot_info = &boot_info;
    monitor::set_boot_info(boot_info);
}

static void attach_early_devices()
{
    console::choose(boot_info.console);
    console::leave_alone(boot_info.gdb);
    hal::AttachTrace until_all_are_there(Device::root());
    const Driver* early[16];
    size_t count = 0;
    for (const Driver* driver : config_drivers) {
        if (driver->early && count < std::size(early)) early[count++] = driver;
    }
    std::span<const Driver* const> drivers(early, count);
    if (boot_info.has_framebuffer)
        Device::offer(Device::root(), Device::on_loader(boot_info.framebuffer), drivers);
    for (const BusDriver* bus : config_buses) {
        if (bus->early) bus->scan(Device::root(), drivers);
    }
}

static void say_hello()
{
    hal::log("Vesper ({}), started by {} {}", config_name, boot_info.protocol,
             boot_info.loader.view());
    for (std::string_view rest = boot_info.problems; !rest.empty();) {
        std::string_view line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(rest.size(), line.size() + 1));
        hal::log("boot: {}", line);
    }
    if (!boot_info.unknown_words.empty())
        hal::log("boot: not known here, passed on to the payload: {}",
                 boot_info.unknown_words.view());
}

static void attach_devices()
{
    for (size_t i = 0; i < boot_info.module_count; ++i) {
        if (boot_info.modules[i].bytes)
            Device::offer(Device::root(), Device::on_loader(boot_info.modules[i]), config_drivers);
    }
    for (const BusDriver* bus : config_buses) bus->scan(Device::root(), config_drivers);
    for (BlockDevice* disk = first_block_device(); disk; disk = disk->next) {
        if (!disk->whole) find_partitions(*disk);
    }
    for (const debug::Tool* tool : config_tools) {
        if (tool->start) tool->start(boot_info);
    }
}

// `magic` and `address` are what the boot protocol defines; entry.S has turned paging on.
extern "C" [[noreturn]] void kernel_main(uint32_t magic, uint32_t address, uint32_t has_large_pages)
{
    cpu::init(has_large_pages);
    read_boot_info(magic, address);
    if (config_has_trace) hal::start_trace(boot_info.trace);
    attach_early_devices();
    say_hello();
    if (machine::init(boot_info)) {
        attach_devices();
        if (kexec::mount_root(boot_info) && kexec::load(boot_info.kexec))
            kexec::run(boot_info.args.c_str());
    }
    monitor::run();
}
