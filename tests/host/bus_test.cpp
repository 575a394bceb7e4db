// SPDX-License-Identifier: BSD-2-Clause
// Autoconfiguration: what the buses find, how they name it, who gets it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include "config.h"
#include "fakes/machine.h"
#include "hal/pci_ports.h"

extern const BusDriver pci_bus, isa_bus;

namespace {
using testing::ElementsAre;
using testing::IsEmpty;

// Configuration as it is on the host (nothing is linked), with drivers of the test's own.
class Bus : public testing::Test {
protected:
    ~Bus() override { config_drivers = {}; }

    std::vector<uint8_t>& function(uint8_t bus, uint8_t device, uint8_t function, uint32_t id,
                                   uint32_t class_and_revision)
    {
        auto& config = machine.pci(bus, device, function);
        memcpy(&config[0], &id, 4);
        memcpy(&config[8], &class_and_revision, 4);
        return config;
    }
    void bridge(uint8_t bus, uint8_t device, uint8_t secondary)
    {
        auto& config = function(bus, device, 0, 0x244e8086, 0x06040000);
        config[0x0e] = 1;
        config[0x19] = secondary;
    }
    void drivers(std::span<const Driver* const> list) { config_drivers = list; }

    FakeMachine machine;
};

TEST_F(Bus, MachineWithoutPciHasNoPciBus)
{
    pci_bus.scan(Device::root(), config_drivers);
    EXPECT_THAT(machine.log, IsEmpty());
    EXPECT_EQ(Device::root().first_child(), nullptr);
}

TEST_F(Bus, NamesWhatHasNoDriver)
{
    function(0, 0, 0, 0x12378086, 0x06000002);
    function(0, 1, 0, 0x70008086, 0x06010000)[0x0e] = 0x80;
    function(0, 1, 1, 0x70108086, 0x01018000);
    function(0, 1, 3, 0x71138086, 0x06800003);
    function(0, 2, 0, 0x11111234, 0x03000002);
    function(0, 3, 0, 0xbeef1af4, 0x42424201);
    pci_bus.scan(Device::root(), config_drivers);
    EXPECT_THAT(
        machine.log,
        ElementsAre(
            "pci0 at mainbus0: mechanism 1",
            "vendor 8086 product 1237 (host bridge, revision 0x02) at pci0 dev 0 function 0 not "
            "configured",
            "vendor 8086 product 7000 (ISA bridge, revision 0x00) at pci0 dev 1 function 0 not "
            "configured",
            "vendor 8086 product 7010 (IDE controller, revision 0x00) at pci0 dev 1 function 1 not "
            "configured",
            "vendor 8086 product 7113 (bridge, revision 0x03) at pci0 dev 1 function 3 not "
            "configured",
            "vendor 1234 product 1111 (VGA, revision 0x02) at pci0 dev 2 function 0 not configured",
            "vendor 1af4 product beef (unknown class, revision 0x01) at pci0 dev 3 function 0 not "
            "configured"));
}

TEST_F(Bus, LooksAtOtherFunctionsOnlyIfTheFirstSaysThereAreSome)
{
    function(0, 4, 0, 0x100e8086, 0x02000003);
    function(0, 4, 1, 0x100e8086, 0x02000003);  // decodes only part of the address
    function(0, 5, 1, 0x24cd8086, 0x0c032000)[0x0e] = 0x80;
    pci_bus.scan(Device::root(), config_drivers);
    EXPECT_EQ(machine.log.size(), 2u);
    EXPECT_TRUE(machine.logged("(Ethernet, revision 0x03) at pci0 dev 4 function 0"));
}

TEST_F(Bus, FollowsBridges)
{
    function(0, 0, 0, 0x12378086, 0x06000002);
    bridge(0, 30, 1);
    bridge(0, 31, 3);
    bridge(1, 2, 2);
    function(2, 0, 0, 0x10d38086, 0x02000000);
    function(3, 5, 0, 0x00101000, 0x01000000);
    pci_bus.scan(Device::root(), config_drivers);
    machine.log.erase(machine.log.begin() + 1);
    EXPECT_THAT(
        machine.log,
        ElementsAre(
            "pci0 at mainbus0: mechanism 1", "ppb0 at pci0 dev 30 function 0: PCI bridge to bus 1",
            "ppb1 at pci0 dev 31 function 0: PCI bridge to bus 3", "pci1 at ppb0",
            "ppb2 at pci1 dev 2 function 0: PCI bridge to bus 2", "pci2 at ppb2",
            "vendor 8086 product 10d3 (Ethernet, revision 0x00) at pci2 dev 0 function 0 not "
            "configured",
            "pci3 at ppb1",
            "vendor 1000 product 0010 (SCSI controller, revision 0x00) at pci3 dev 5 function 0 "
            "not configured"));
    const Device* pci0 = Device::root().first_child();
    EXPECT_STREQ(pci0->first_child()->name(), "pcidev0.0.0");
    const Device* bridge = pci0->first_child()->next_sibling();
    EXPECT_STREQ(bridge->name(), "ppb0");
    EXPECT_STREQ(bridge->first_child()->first_child()->name(), "ppb2");
}

TEST_F(Bus, ScansNoBusTwiceWhateverBridgesSay)
{
    bridge(0, 1, 0);  // not set up
    bridge(0, 2, 2);
    bridge(0, 3, 2);    // a bus that has a bridge already
    bridge(2, 0, 2);    // its own bus
    bridge(2, 1, 0);    // back to where we came from
    bridge(2, 2, 255);  // the last there is
    bridge(255, 0, 2);
    pci_bus.scan(Device::root(), config_drivers);
    EXPECT_THAT(
        machine.log,
        ElementsAre(
            "pci0 at mainbus0: mechanism 1",
            "ppb0 at pci0 dev 1 function 0: PCI bridge, leads nowhere: firmware has given it bus 0",
            "ppb1 at pci0 dev 2 function 0: PCI bridge to bus 2",
            "ppb2 at pci0 dev 3 function 0: PCI bridge to bus 2, which is behind ppb1",
            "pci1 at ppb1",
            "ppb3 at pci1 dev 0 function 0: PCI bridge, leads nowhere: firmware has given it bus 2",
            "ppb4 at pci1 dev 1 function 0: PCI bridge, leads nowhere: firmware has given it bus 0",
            "ppb5 at pci1 dev 2 function 0: PCI bridge to bus 255", "pci2 at ppb5",
            "ppb6 at pci2 dev 0 function 0: PCI bridge, leads nowhere: firmware has given it bus "
            "2"));
}

TEST_F(Bus, BridgeOnlyByNameIsNotFollowed)
{
    function(0, 1, 0, 0x244e8086, 0x06040000)[0x19] = 1;  // class of a bridge, header of a device
    function(1, 0, 0, 0x10d38086, 0x02000000);
    pci_bus.scan(Device::root(), config_drivers);
    EXPECT_EQ(machine.log.size(), 2u);
    EXPECT_TRUE(
        machine.logged("(PCI bridge, revision 0x00) at pci0 dev 1 function 0 not configured"));
}

// ---- drivers

unsigned irq_seen;
Result<void> attach_and_note(Device& device)
{
    irq_seen = device.irq();
    device.describe("here");
    return {};
}
Result<void> attach_nothing(Device&) { return Error::not_found; }
Result<void> attach_broken(Device& device)
{
    return hal::fail(Error::timed_out, "{}: status 0xff", device.name());
}

constexpr Match ide_matches[] = {pci_class(1, 1)};
constexpr Driver ide = {"ide", ide_matches, attach_and_note};
constexpr Match exact_matches[] = {pci(0x8086, 0x7010)};
constexpr Driver absent = {"absent", exact_matches, attach_nothing};
constexpr Driver broken = {"broken", exact_matches, attach_broken};
constexpr Match interface_matches[] = {pci_class(1, 1, 0x8a)};
constexpr Driver compatible = {"compat", interface_matches, attach_and_note};

TEST_F(Bus, FirstDriverThatFindsSomethingHasTheDevice)
{
    auto& config = function(0, 1, 0, 0x70108086, 0x01018000);
    config[0x3c] = 11;
    config[0x3d] = 1;
    const Driver* list[] = {&absent, &compatible, &ide, &broken};
    drivers(list);
    pci_bus.scan(Device::root(), config_drivers);
    EXPECT_THAT(machine.log, ElementsAre("pci0 at mainbus0: mechanism 1",
                                         "ide0 at pci0 dev 1 function 0: here"));
    EXPECT_EQ(irq_seen, 11u);
}

TEST_F(Bus, DeviceThatDoesNotWorkIsNamed)
{
    function(0, 1, 0, 0x70108086, 0x01018000);
    const Driver* list[] = {&broken};
    drivers(list);
    pci_bus.scan(Device::root(), config_drivers);
    EXPECT_THAT(machine.log, ElementsAre("pci0 at mainbus0: mechanism 1", "broken0: status 0xff",
                                         "broken0 at pci0 dev 1 function 0",
                                         "broken0: not usable: the device did not answer in time"));
}

TEST_F(Bus, InterruptLineIsOneOfTheMachines)
{
    auto& config = function(0, 1, 0, 0x70108086, 0x01018000);
    const Driver* list[] = {&ide};
    drivers(list);
    struct {
        uint8_t line, pin;
        unsigned irq;
    } cases[] = {{15, 1, 15}, {16, 1, 0}, {255, 1, 0}, {0, 1, 0}, {10, 0, 0}, {10, 4, 10}};
    for (auto& c : cases) {
        config[0x3c] = c.line;
        config[0x3d] = c.pin;
        pci_bus.scan(Device::root(), config_drivers);
        EXPECT_EQ(irq_seen, c.irq) << unsigned(c.line);
    }
}

TEST_F(Bus, OutOfMemoryIsSaidNotSuffered)
{
    function(0, 1, 0, 0x70108086, 0x01018000);
    FakeHeap::fail_after = 0;
    pci_bus.scan(Device::root(), config_drivers);
    EXPECT_THAT(machine.log, ElementsAre("pci: bus 0: out of memory"));
    FakeHeap::fail_after = 0;
    isa_bus.scan(Device::root(), config_drivers);
    EXPECT_TRUE(machine.logged("isa: out of memory"));
}

constexpr Match com_matches[] = {isa(0x3f8, 8, 4), isa(0x2f8, 8, 3), isa(0x3e8, 8, 0)};
std::vector<uint16_t> probed;
Result<void> attach_com(Device& device)
{
    probed.push_back(device.match().port);
    if (device.match().port == 0x2f8) return Error::not_found;
    device.describe("16550A");
    return {};
}
constexpr Driver com = {"com", com_matches, attach_com};
constexpr Driver other_com = {"othercom", com_matches, attach_com};

TEST_F(Bus, IsaDriversLookWhereTheirMatchesSay)
{
    probed.clear();
    const Driver* list[] = {&ide, &com};
    drivers(list);
    isa_bus.scan(Device::root(), config_drivers);
    EXPECT_THAT(probed, ElementsAre(0x3f8, 0x2f8, 0x3e8));
    EXPECT_THAT(machine.log,
                ElementsAre("isa0 at mainbus0", "com0 at isa0 port 0x3f8 irq 4: 16550A",
                            "com1 at isa0 port 0x3e8: 16550A"));
}

TEST_F(Bus, IsaPortsThatHaveADriverAreLeftAlone)
{
    probed.clear();
    const Driver* early[] = {&com};
    Device::offer(Device::root(), Device::on_isa(com_matches[0], "port 0x3f8"), early);
    const Driver* list[] = {&com, &other_com};
    drivers(list);
    isa_bus.scan(Device::root(), config_drivers);
    // 2f8 is looked at by both, as nothing was found there.
    EXPECT_THAT(probed, ElementsAre(0x3f8, 0x2f8, 0x3e8, 0x2f8));
    EXPECT_THAT(machine.log, ElementsAre("com0 at mainbus0 port 0x3f8: 16550A", "isa0 at mainbus0",
                                         "com1 at isa0 port 0x3e8: 16550A"));
}

// ---- base address registers and capabilities

TEST_F(Bus, BaseAddressAboveFourGigabytesIsSaid)
{
    auto& config = function(0, 1, 0, 0x70108086, 0x01080200);
    config[0x10] = 4;  // 64 bits wide
    config[0x15] = 0x38;
    Device found = Device::on_pci(hal::PciFunction(0, 1, 0), 0, "");
    EXPECT_EQ(found.bar(0).error(), Error::unsupported);
    EXPECT_TRUE(machine.logged("base address register 0 is above 4 GiB: 0x380000000000"));
}

TEST_F(Bus, CapabilityListIsWalkedWithinBounds)
{
    auto& config = function(0, 1, 0, 0x10001af4, 0x01000000);
    hal::PciFunction pci(0, 1, 0);
    config[0x34] = 0x40;
    config[0x40] = 0x11, config[0x41] = 0x60;
    config[0x60] = 0x09, config[0x61] = 0x50;
    config[0x50] = 0x10, config[0x51] = 0x40;  // a loop
    EXPECT_EQ(pci.capability(0x11), 0u);       // Status does not say that there is a list
    config[0x06] = 0x10;
    EXPECT_EQ(pci.capability(0x11), 0x40u);
    EXPECT_EQ(pci.capability(0x10), 0x50u);
    EXPECT_EQ(pci.capability(0x05), 0u);
    config[0x51] = 0x3f;  // into the header
    EXPECT_EQ(pci.capability(0x05), 0u);
    EXPECT_EQ(hal::PciFunction(0, 2, 0).capability(0x11), 0u);
}

// ---- the two mechanisms

// A chip set with one device, 0:3.1, and, for mechanism 1, its twin on bus 5.
struct ChipSet : FakeDevice {
    unsigned mechanism;
    uint32_t address = 0;
    uint8_t enable = 0, forward = 0;
    std::array<uint8_t, 256> config = {};
    unsigned strays = 0;  // accesses outside of the mechanism

    explicit ChipSet(unsigned mechanism) : mechanism(mechanism)
    {
        config[0] = 0x86, config[1] = 0x80, config[2] = 0xa3, config[3] = 0x04;
    }
    uint8_t* at(unsigned offset)
    {
        if (mechanism == 1)
            return address >> 31 && (address >> 8 & 0xffff) == (5 << 8 | 3 << 3 | 1)
                       ? &config[(address & 0xfc) + offset - 4]
                       : nullptr;
        bool here = enable == (0xf0 | 1 << 1) && forward == 5;
        return here && offset >> 8 == 3 ? &config[offset & 0xff] : nullptr;
    }
    bool host_bridge()
    {
        return mechanism == 1 ? (address & 0x00ffff00) == 0 : enable == 0xf0 && forward == 0;
    }
    uint32_t read(unsigned offset, unsigned bytes) override
    {
        uint32_t value = ~0u;
        if (mechanism == 1 && offset == 0 && bytes == 4) return address;
        if (mechanism == 2 && offset == 0 && bytes == 1) return enable;
        if (mechanism == 2 && offset == 2 && bytes == 1) return forward;
        if (host_bridge() && offset == (mechanism == 1 ? 4 : 0)) return 0x122d8086;
        if (uint8_t* data = at(offset)) memcpy(&value, data, bytes);
        return value;
    }
    void write(unsigned offset, unsigned bytes, uint32_t value) override
    {
        if (mechanism == 1 && offset == 0 && bytes == 4)
            address = value;
        else if (mechanism == 2 && offset == 0 && bytes == 1)
            enable = uint8_t(value);
        else if (mechanism == 2 && offset == 2 && bytes == 1)
            forward = uint8_t(value);
        else if (uint8_t* data = at(offset))
            memcpy(data, &value, bytes);
        else if (offset >= 4)
            ++strays;
    }
};
// Mechanism 2's space lies at ports of its own.
struct Space : FakeDevice {
    ChipSet& chip;
    explicit Space(ChipSet& chip) : chip(chip) {}
    uint32_t read(unsigned offset, unsigned bytes) override
    {
        if (!(chip.enable >> 4)) return ~0u;
        if (chip.host_bridge() && offset < 0x100) return offset == 0 ? 0x122d8086 : 0;
        uint32_t value = ~0u;
        if (uint8_t* data = chip.at(offset)) memcpy(&value, data, bytes);
        return value;
    }
    void write(unsigned offset, unsigned bytes, uint32_t value) override
    {
        if (uint8_t* data = chip.at(offset)) memcpy(data, &value, bytes);
    }
};

void expect_access_of_each_width(const hal::PciPorts& ports, ChipSet& chip)
{
    hal::PciFunction there(5, 3, 1);
    EXPECT_EQ(ports.read(there, 0, 4), 0x04a38086u);
    EXPECT_EQ(ports.read(there, 2, 2), 0x04a3u);
    EXPECT_EQ(ports.read(there, 3, 1), 0x04u);
    ports.write(there, 0x40, 4, 0x12345678);
    ports.write(there, 0x42, 2, 0xabcd);
    ports.write(there, 0x41, 1, 0xef);
    EXPECT_EQ(ports.read(there, 0x40, 4), 0xabcdef78u);
    EXPECT_EQ(ports.read(there, 0x100, 4), ~0u);
    EXPECT_EQ(ports.read(hal::PciFunction(4, 3, 1), 0, 4), ~0u);
    EXPECT_EQ(ports.read(hal::PciFunction(5, 19, 1), 0, 4), ~0u);
    EXPECT_EQ(ports.read(hal::PciFunction(5, 3, 0), 0, 4), ~0u);
    EXPECT_EQ(chip.strays, 0u);
}

TEST_F(Bus, PciMechanism1)
{
    ChipSet chip(1);
    chip.address = 0x1234;
    machine.ports(0xcf8, 8, chip);
    hal::PciPorts ports;
    ports.detect();
    EXPECT_EQ(ports.mechanism(), 1u);
    expect_access_of_each_width(ports, chip);
}

TEST_F(Bus, PciMechanism2)
{
    ChipSet chip(2);
    Space space(chip);
    machine.ports(0xcf8, 8, chip);
    machine.ports(0xc000, 0x1000, space);
    hal::PciPorts ports;
    ports.detect();
    EXPECT_EQ(ports.mechanism(), 2u);
    expect_access_of_each_width(ports, chip);
    EXPECT_EQ(chip.enable, 0);  // ports C000h are free for others again
}

TEST_F(Bus, MachineWithoutPciHasNoMechanism)
{
    hal::PciPorts ports;
    ports.detect();  // nothing decodes these ports
    EXPECT_EQ(ports.mechanism(), 0u);

    struct Latch : FakeDevice {  // some other card's registers
        uint8_t bytes[8] = {};
        uint32_t read(unsigned offset, unsigned width) override
        {
            uint32_t value = 0;
            memcpy(&value, bytes + offset, width);
            return value;
        }
        void write(unsigned offset, unsigned width, uint32_t value) override
        {
            memcpy(bytes + offset, &value, width);
        }
    } latch;
    machine.ports(0xcf8, 8, latch);
    ports.detect();
    EXPECT_EQ(ports.mechanism(), 0u);
}

}  // namespace
