// SPDX-License-Identifier: BSD-2-Clause
// All that src/drivers/block/ide.cpp needs of a system that is not Vesper. This one is a program
// of Linux; the order is that of docs/carrying-a-driver-away.md.
#include <chrono>
#include <cstdio>
#include "hal/driver.h"

using namespace hal;

// ---- hal/time.h: a clock, and how to wait
std::uint64_t hal::now_us()
{
    auto now = std::chrono::steady_clock::now().time_since_epoch();
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(now).count());
}
void hal::pause() {}
void hal::sleep(Duration duration)
{
    for (auto end = now_us() + duration.us; now_us() < end;) pause();
}

// ---- hal/irq.h: no interrupts here, so the driver polls
InterruptsOff::InterruptsOff() : were_on_(false) {}
InterruptsOff::~InterruptsOff() = default;
void InterruptsOff::halt() { pause(); }
Result<void> hal::connect_interrupt(unsigned, InterruptHandler, void*, const char*)
{
    return Error::unsupported;
}

// ---- hal/dma.h: no DMA either
Result<DmaMemory> hal::allocate_dma(std::size_t, std::size_t, std::size_t, std::uint32_t)
{
    return Error::unsupported;
}
DmaRun hal::dma_run(const void*, std::size_t) { return {0, 0}; }

// ---- hal/pci.h: no PCI; the driver then finds the channel by its ISA ports
const bool config_has_pci = false;
extern const bool config_has_scsi;
const bool config_has_scsi = true;
extern const bool config_has_ata_queue;
const bool config_has_ata_queue = false;
unsigned hal::detect_pci_mechanism() { return 0; }
std::uint32_t PciFunction::read_config(unsigned, unsigned) const { return ~0u; }
void PciFunction::write_config(unsigned, unsigned, std::uint32_t) const {}

// ---- hal/log.h and hal/trace.h
void hal::log_line(std::string_view line)
{
    std::printf("%.*s\n", static_cast<int>(line.size()), line.data());
}
const bool config_has_trace = false;
bool hal::tracing = false;
void hal::record_access(const char*, const RegisterInfo&, Access, std::uint32_t, Caller) {}
void hal::record_dma(const char*, const char*, std::uint32_t, std::uint32_t, Caller) {}

// ---- hal/driver.h: as much of a device tree as one driver sees
static Device root_device;
Device& Device::root() { return root_device; }
Device Device::on_isa(const Match& match, std::string_view locator)
{
    Device device;
    device.match_ = match;
    device.locator_.append(locator);
    device.name_.append("ide0");
    return device;
}
Result<Device*> Device::add_child(std::string_view kind, std::string_view)
{
    Device* child = TRY(make<Device>());
    child->name_.print("{}0", kind);
    return child;
}
void Device::announce(std::string_view text) { log("{}: {}", name(), text); }
Result<Window> Device::bar(unsigned) { return Error::not_found; }

// ---- hal/classes.h: who takes what the driver has found
BlockDevice* found_disk = nullptr;
void publish_as(BlockDevice& device, std::string_view name)
{
    device.name.append(name);
    found_disk = &device;
}
