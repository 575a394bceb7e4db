// SPDX-License-Identifier: BSD-2-Clause
// What a driver is, and what it stands on, in one include.
//
//   constexpr Match matches[] = {isa(0x3f8, 8, 4), isa(0x2f8, 8, 3), pci_class(7, 0)};
//   Result<void> attach(Device& device) { ... }
//   extern const Driver com = {"com", matches, attach};
//
// A bus walks over its devices and offers each to the drivers in the order of the configuration
// file; the first whose match fits and whose attach() does not say not_found has it.
#pragma once
#include <span>
#include "hal/classes.h"
#include "hal/dma.h"
#include "hal/irq.h"
#include "hal/log.h"
#include "hal/pci.h"
#include "hal/reg.h"
#include "hal/trace.h"
#include "lib/heap.h"

struct Match {
    enum class Bus : uint8_t { pci, isa, loader } bus;
    uint16_t vendor = 0, product = 0;       // PCI: 0 matches any
    uint8_t base_class = 0, sub_class = 0;  // PCI: looked at where vendor is 0
    int16_t interface = -1;                 // PCI: programming interface; -1 matches any
    uint16_t port = 0, ports = 0;           // ISA
    uint8_t irq = 0;                        // ISA
};
constexpr Match isa(uint16_t port, uint16_t ports, uint8_t irq)
{
    return {.bus = Match::Bus::isa, .port = port, .ports = ports, .irq = irq};
}
constexpr Match pci(uint16_t vendor, uint16_t product)
{
    return {.bus = Match::Bus::pci, .vendor = vendor, .product = product};
}
constexpr Match pci_class(uint8_t base, uint8_t sub, int16_t interface = -1)
{
    return {.bus = Match::Bus::pci, .base_class = base, .sub_class = sub, .interface = interface};
}

// What the boot loader handed over: the frame buffer, and each module.
constexpr Match from_loader() { return {.bus = Match::Bus::loader}; }

class Device;

struct Driver {
    const char* name;  // also of its units: "ide" -> ide0
    std::span<const Match> matches;
    // not_found: nothing there, stay silent. Any other error is shown; the driver has logged why.
    Result<void> (*attach)(Device& device);
    // Attached before anything else is done, so that whatever happens can be seen.
    bool early = false;
};

// A node of the device tree: a device that a bus found, or one that a driver found behind its own.
// Nodes are never freed.
class Device {
public:
    // ---- what a driver asks
    const char* name() const { return name_.c_str(); }  // "ide0"
    Device* parent() const { return parent_; }

    // ISA: the ports that the driver's match named.
    hal::Window ports() const { return hal::port_window(match_.port, match_.ports, name()); }
    // PCI: configuration space, and a window over base address register `bar` (0...5), decoding
    // switched on. Errors: not_found (not implemented or not assigned), unsupported (above 4 GiB,
    // or ports above 64 Ki), gone.
    const hal::PciFunction& pci() const { return pci_; }
    Result<hal::Window> bar(unsigned bar);
    struct Bar {
        uint64_t start = 0;
        uint32_t bytes = 0;
        bool ports = false, prefetchable = false;
    };
    Result<Bar> measure_bar(unsigned bar) const;  // errors: not_found, gone
    [[gnu::always_inline]] bool is_pci() const { return config_has_pci && pci_.present(); }
    // The frame buffer, or the module, if this is what the loader handed over; else null.
    const Framebuffer* framebuffer() const { return framebuffer_; }
    const BootModule* module() const { return module_; }

    unsigned irq() const { return irq_; }  // the line, 0 if none
    // Errors: invalid (it has no line), and connect_interrupt()'s.
    Result<void> on_interrupt(hal::InterruptHandler handler, void* context)
    {
        if (irq_ == 0) return Error::invalid;  // line 0 is the timer's
        return hal::connect_interrupt(irq_, handler, context, name());
    }

    // ---- what a driver tells
    // The rest of this device's line: "ide0 at pci0 dev 1 function 1: <description>". Once, before
    // any line of what is behind it.
    template <class... Args> void describe(Format format, const Args&... args)
    {
        Text<160> text;
        text.print(format, args...);
        announce(text);
    }
    // A device behind this one: add_child("ata", "channel 0") is ata0 at ide0 channel 0. Fails only
    // for want of memory. The child's line is printed when it is described.
    Result<Device*> add_child(std::string_view kind, std::string_view locator);

    // ---- what a bus and the API use
    static Device& root();  // "mainbus0"
    Device* first_child() const { return first_child_; }
    Device* next_sibling() const { return next_sibling_; }
    const Driver* driver() const { return driver_; }
    const Match& match() const { return match_; }
    std::string_view locator() const { return locator_; }
    // All nodes, in the order in which they were found: the numbers of the API.
    static Device* by_number(int number);  // null: no more
    int number() const;

    // Takes it from its driver and makes it quiet: no DMA, no interrupts. What the driver has
    // published goes: block devices stay listed, and fail with gone. Errors: busy (claimed
    // already), unsupported (not a device of its own on a bus, or a bridge).
    Result<void> claim();
    void give_back();  // drivers are offered it anew
    bool is_claimed() const { return claimed_; }
    // The device whose driver is looking at it just now: what is published, and connected, is its.
    static Device* attaching();
    std::string_view description() const { return description_; }

    // Offers a device to the drivers. found says what it is on its bus. Returns whether one took
    // it.
    static bool offer(Device& bus, const Device& found, std::span<const Driver* const> drivers);
    // A device that no driver has taken: it can be seen, and claimed.
    static void add_unconfigured(Device& bus, Device found, std::string_view description);
    static Device on_isa(const Match& match, std::string_view locator);
    static Device on_loader(const Framebuffer& framebuffer);
    static Device on_loader(const BootModule& module);
    static Device on_pci(const hal::PciFunction& function, unsigned irq, std::string_view locator);
    Device() = default;

private:
    bool attach_one_of(std::span<const Driver* const> drivers);
    bool attach_by(const Driver& driver);
    bool is_of_bus() const { return is_pci() || match_.port; }
    void lose_children();
    void announce(std::string_view description);
    void set_name(std::string_view kind);
    void link(Device& parent);
    void unlink();

    Text<16> name_;
    Text<48> locator_;  // "dev 1 function 1", "port 0x3f8 irq 4"
    Text<160> description_;
    Device *parent_ = nullptr, *first_child_ = nullptr, *next_sibling_ = nullptr;
    Device* next_found_ = nullptr;
    const Driver* driver_ = nullptr;
    Match match_ = {};
    hal::PciFunction pci_;
    const Framebuffer* framebuffer_ = nullptr;
    const BootModule* module_ = nullptr;
    uint8_t irq_ = 0;
    bool announced_ = false, claimed_ = false;
    bool lost_ = false;  // its controller was claimed; it may come back
};
