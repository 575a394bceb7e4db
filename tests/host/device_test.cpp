// SPDX-License-Identifier: BSD-2-Clause
// The device tree, and how a device finds its driver (src/bus/device.cpp).
#include <gmock/gmock.h>
#include "fakes/machine.h"
#include "lib/bytes.h"

namespace {

using testing::ElementsAre;

std::vector<std::string> calls;  // "driver of which attach() was called"
Result<void> (*on_attach)(Device&) = nullptr;

template <char Name> Result<void> attach_as(Device& device)
{
    calls.push_back(std::string(1, Name) + " " + device.name());
    return on_attach ? on_attach(device) : Result<void>{};
}
Result<void> nothing_there(Device& device)
{
    calls.push_back(std::string("nothing ") + device.name());
    return Error::not_found;
}

struct DeviceTree : testing::Test {
    DeviceTree()
    {
        Device::root() = Device();
        calls.clear();
        on_attach = nullptr;
    }
    ~DeviceTree() { Device::root() = Device(); }

    // A PCI function, 00:device.0.
    hal::PciFunction plug(uint8_t device, uint16_t vendor, uint16_t product,
                          uint32_t class_code = 0)
    {
        config = &machine.pci(0, device, 0);
        set(0, vendor | uint32_t(product) << 16);
        set(8, class_code << 8);
        return {0, device, 0};
    }
    void set(unsigned offset, uint32_t value) { memcpy(&config->at(offset), &value, 4); }
    uint32_t get(unsigned offset) const { return le32(&config->at(offset)); }
    bool offer(const hal::PciFunction& function, std::initializer_list<const Driver*> drivers)
    {
        Device found = Device::on_pci(function, 11, "dev 3 function 0");
        return Device::offer(Device::root(), found, std::span(drivers.begin(), drivers.size()));
    }
    bool offer(const Match& match, std::initializer_list<const Driver*> drivers)
    {
        Device found = Device::on_isa(match, "port 0x1f0");
        return Device::offer(Device::root(), found, std::span(drivers.begin(), drivers.size()));
    }
    static std::vector<std::string> names(const Device& parent)
    {
        std::vector<std::string> all;
        for (Device* child = parent.first_child(); child; child = child->next_sibling())
            all.push_back(child->name());
        return all;
    }

    FakeMachine machine;
    std::vector<uint8_t>* config = nullptr;
};

constexpr Match on_ports[] = {isa(0x1f0, 8, 14), isa(0x170, 8, 15)};
constexpr Match by_id[] = {pci(0x8086, 0x7010)};
constexpr Match by_vendor[] = {pci(0x8086, 0)};
constexpr Match by_class[] = {pci_class(1, 1)};
constexpr Match by_interface[] = {pci_class(1, 1, 0x80)};

// ---- which driver gets a device

TEST_F(DeviceTree, OffersInTheGivenOrder)
{
    const Driver a = {"a", by_class, attach_as<'a'>}, b = {"b", by_id, attach_as<'b'>};
    EXPECT_TRUE(offer(plug(3, 0x8086, 0x7010, 0x010180), {&a, &b}));
    EXPECT_TRUE(offer(plug(4, 0x8086, 0x7010, 0x010180), {&b, &a}));
    EXPECT_THAT(calls, ElementsAre("a a0", "b b0"));
}

TEST_F(DeviceTree, PassesOverDriversThatFindNothing)
{
    constexpr Match twice[] = {pci(0x8086, 0), pci(0x8086, 0x7010)};
    const Driver no = {"no", twice, nothing_there}, yes = {"yes", by_id, attach_as<'y'>};
    EXPECT_TRUE(offer(plug(3, 0x8086, 0x7010), {&no, &yes}));
    EXPECT_THAT(calls,
                ElementsAre("nothing no0", "y yes0"));  // asked once, though it matches twice
    EXPECT_THAT(names(Device::root()), ElementsAre("yes0"));
    EXPECT_THAT(machine.log, ElementsAre("yes0 at mainbus0 dev 3 function 0"));
    calls.clear();
    EXPECT_FALSE(offer(plug(4, 0x8086, 0x7010), {&no}));
    EXPECT_FALSE(offer(plug(5, 0x8086, 0x7010), {}));
    EXPECT_THAT(calls, ElementsAre("nothing no0"));
    EXPECT_EQ(machine.log.size(), 1u);
}

TEST_F(DeviceTree, ForgetsADeviceThatWasDescribedAndThenNotFound)
{
    on_attach = [](Device& device) -> Result<void> {
        device.describe("is it there?");
        return Error::not_found;
    };
    const Driver a = {"a", by_id, attach_as<'a'>}, b = {"b", by_id, attach_as<'b'>};
    EXPECT_FALSE(offer(plug(3, 0x8086, 0x7010), {&a}));
    EXPECT_EQ(Device::root().first_child(), nullptr);
    on_attach = nullptr;
    EXPECT_TRUE(offer(plug(3, 0x8086, 0x7010), {&b}));
    EXPECT_THAT(names(Device::root()), ElementsAre("b0"));
}

TEST_F(DeviceTree, MatchesPciByIdAndByClass)
{
    const Driver id = {"id", by_id, attach_as<'i'>}, vendor = {"vendor", by_vendor, attach_as<'v'>},
                 cls = {"class", by_class, attach_as<'c'>},
                 interface = {"interface", by_interface, attach_as<'p'>},
                 isa_one = {"isa", on_ports, attach_as<'x'>};
    struct {
        uint16_t vendor, product;
        uint32_t class_code;
        const char* taken_by;
    } const cases[] = {
        {0x8086, 0x7010, 0x010180, "id0"},        {0x8086, 0x7011, 0x010180, "vendor0"},
        {0x1106, 0x7010, 0x010180, "interface0"}, {0x1106, 0x7010, 0x01018a, "class0"},
        {0x1106, 0x7010, 0x010280, nullptr},      {0x1106, 0x7010, 0x020180, nullptr},
    };
    for (auto& c : cases) {
        Device::root() = Device();
        bool taken = offer(plug(3, c.vendor, c.product, c.class_code),
                           {&isa_one, &id, &vendor, &interface, &cls});
        EXPECT_EQ(taken, c.taken_by != nullptr);
        if (taken) {
            EXPECT_THAT(names(Device::root()), ElementsAre(c.taken_by));
        }
    }
}

TEST_F(DeviceTree, MatchesIsaByPort)
{
    const Driver pci_one = {"pci", by_class, attach_as<'p'>},
                 ide = {"ide", on_ports, attach_as<'i'>};
    on_attach = [](Device& device) -> Result<void> {
        device.describe("irq {}", device.irq());
        return {};
    };
    EXPECT_TRUE(offer(on_ports[1], {&pci_one, &ide}));
    EXPECT_FALSE(offer(isa(0x3f8, 8, 4), {&pci_one, &ide}));
    EXPECT_THAT(machine.log, ElementsAre("ide0 at mainbus0 port 0x1f0: irq 15"));
    EXPECT_FALSE(Device::root().first_child()->is_pci());
    EXPECT_EQ(Device::root().first_child()->bar(0).error(), Error::invalid);
}

TEST_F(DeviceTree, KeepsADeviceThatCannotBeUsed)
{
    on_attach = [](Device&) -> Result<void> { return Error::timed_out; };
    const Driver a = {"a", by_id, attach_as<'a'>}, b = {"b", by_id, attach_as<'b'>};
    EXPECT_TRUE(offer(plug(3, 0x8086, 0x7010), {&a, &b}));
    EXPECT_THAT(calls, ElementsAre("a a0"));
    EXPECT_THAT(machine.log, ElementsAre("a0 at mainbus0 dev 3 function 0",
                                         "a0: not usable: the device did not answer in time"));
    EXPECT_THAT(names(Device::root()), ElementsAre("a0"));
}

TEST_F(DeviceTree, WithoutMemory)
{
    const Driver a = {"a", by_id, attach_as<'a'>};
    auto function = plug(3, 0x8086, 0x7010);
    FakeHeap::fail_after = 0;
    EXPECT_TRUE(offer(function, {&a}));
    EXPECT_THAT(machine.log, ElementsAre("a at mainbus0 dev 3 function 0: out of memory"));
    EXPECT_THAT(calls, ElementsAre());
    Device device;
    FakeHeap::fail_after = 0;
    EXPECT_EQ(device.add_child("ata", "channel 0").error(), Error::no_memory);
    EXPECT_EQ(device.first_child(), nullptr);
}

// ---- names and children

TEST_F(DeviceTree, NumbersTheUnitsOfEachKind)
{
    const Driver ide = {"ide", by_vendor, attach_as<'i'>}, i = {"i", by_class, attach_as<'j'>};
    for (uint8_t n = 0; n < 11; ++n) offer(plug(n, 0x8086, n), {&ide});
    offer(plug(20, 0x1106, 1, 0x010100), {&i});  // "ide0" is no unit of the kind "i"
    auto all = names(Device::root());
    ASSERT_EQ(all.size(), 12u);
    EXPECT_EQ(all[0], "ide0");
    EXPECT_EQ(all[1], "ide1");
    EXPECT_EQ(all[10], "ide10");
    EXPECT_EQ(all[11], "i0");
}

TEST_F(DeviceTree, NumbersChildrenAcrossTheTree)
{
    on_attach = [](Device& device) -> Result<void> {
        device.describe("two channels");
        for (auto where : {"channel 0", "channel 1"}) {
            Device* channel = TRY(device.add_child("ata", where));
            channel->describe("<{}>", channel->parent()->name());
        }
        return {};
    };
    const Driver ide = {"ide", by_vendor, attach_as<'i'>};
    offer(plug(3, 0x8086, 1), {&ide});
    offer(plug(4, 0x8086, 1), {&ide});
    EXPECT_THAT(machine.log,
                ElementsAre("ide0 at mainbus0 dev 3 function 0: two channels",
                            "ata0 at ide0 channel 0: <ide0>", "ata1 at ide0 channel 1: <ide0>",
                            "ide1 at mainbus0 dev 3 function 0: two channels",
                            "ata2 at ide1 channel 0: <ide1>", "ata3 at ide1 channel 1: <ide1>"));
    Device* second = Device::root().first_child()->next_sibling();
    EXPECT_THAT(names(*second), ElementsAre("ata2", "ata3"));
    EXPECT_EQ(second->first_child()->parent(), second);
    EXPECT_EQ(second->first_child()->driver(), &ide);
    EXPECT_EQ(second->next_sibling(), nullptr);
}

TEST_F(DeviceTree, NumbersChildrenOfADeviceThatHasNotBeenDescribedYet)
{
    on_attach = [](Device& device) -> Result<void> {
        TRY(device.add_child("ata", "channel 0"));
        TRY(device.add_child("ata", "channel 1"));
        device.describe("both are there");
        return {};
    };
    const Driver ide = {"ide", by_vendor, attach_as<'i'>};
    offer(plug(3, 0x8086, 1), {&ide});
    offer(plug(4, 0x8086, 1), {&ide});
    EXPECT_THAT(names(*Device::root().first_child()), ElementsAre("ata0", "ata1"));
    EXPECT_THAT(names(*Device::root().first_child()->next_sibling()), ElementsAre("ata2", "ata3"));
}

TEST_F(DeviceTree, IsDescribedOnce)
{
    on_attach = [](Device& device) -> Result<void> {
        device.describe("first");
        device.describe("second");
        return {};
    };
    const Driver a = {"a", by_id, attach_as<'a'>};
    offer(plug(3, 0x8086, 0x7010), {&a});
    EXPECT_THAT(machine.log, ElementsAre("a0 at mainbus0 dev 3 function 0: first"));
    EXPECT_EQ(Device::root().first_child()->description(), "first");
}

TEST_F(DeviceTree, InterruptsGoToTheDevicesLine)
{
    static int count;
    count = 0;
    auto handler = [](void*) { ++count; };
    Device device = Device::on_pci(plug(3, 0x8086, 1), 11, "");
    EXPECT_TRUE(device.on_interrupt(handler, nullptr));
    machine.interrupt(11);
    EXPECT_EQ(count, 1);
    // No line: above all not the timer's.
    Device without = Device::on_pci(plug(3, 0x8086, 1), 0, "");
    EXPECT_EQ(without.on_interrupt(handler, nullptr).error(), Error::invalid);
    Device unconnected = Device::on_pci(plug(3, 0x8086, 1), 0xff, "");
    EXPECT_EQ(unconnected.on_interrupt(handler, nullptr).error(), Error::invalid);
    EXPECT_FALSE(machine.connected(0));
}

// ---- claims

TEST_F(DeviceTree, AClaimedDeviceIsQuietAndComesBackSo)
{
    using Pci = hal::PciFunction;
    constexpr uint32_t has_capabilities = 0x10 << 16, msi_at_40 = 0x40, msi_on = 0x10005;
    const Driver a = {"a", by_id, attach_as<'a'>};
    auto function = plug(3, 0x8086, 0x7010);
    set(0x04, Pci::memory_space | Pci::bus_master | has_capabilities);
    set(0x34, msi_at_40);
    set(0x40, msi_on);
    offer(function, {&a});
    Device& device = *Device::root().first_child();

    EXPECT_TRUE(device.claim());
    EXPECT_TRUE(device.is_claimed());
    EXPECT_EQ(device.driver(), nullptr);
    EXPECT_EQ(get(0x04) & 0xffff, Pci::memory_space | Pci::interrupt_disable);
    EXPECT_EQ(get(0x40), 5u);
    EXPECT_EQ(device.claim().error(), Error::busy);

    function.enable(Pci::bus_master);  // as a payload does, which then ends
    set(0x40, msi_on);
    device.give_back();
    EXPECT_FALSE(device.is_claimed());
    EXPECT_EQ(get(0x04) & 0xffff, Pci::memory_space);
    EXPECT_EQ(get(0x40), 5u);
}

TEST_F(DeviceTree, ABridgeCannotBeClaimed)
{
    const Driver a = {"a", by_id, attach_as<'a'>};
    auto function = plug(3, 0x8086, 0x7010);
    set(0x0c, 1 << 16);
    offer(function, {&a});
    EXPECT_EQ(Device::root().first_child()->claim().error(), Error::unsupported);
    EXPECT_EQ(Device::root().claim().error(), Error::unsupported);
}

// ---- base address registers

struct Bars : DeviceTree {
    // What answers in memory or at ports: with where it was asked.
    struct Where : FakeDevice {
        uint32_t read(unsigned offset, unsigned) override { return offset + 0x1000; }
        void write(unsigned, unsigned, uint32_t) override {}
    };
    Device device() { return Device::on_pci(plug(3, 0x8086, 1), 0, ""); }
    uint16_t command() const { return le16(&config->at(4)); }
    Where where;
};

TEST_F(Bars, OfPorts)
{
    Device ports = device();
    machine.ports(0xc000, 0x100, where);
    set(0x20, 0xc041);
    auto window = ports.bar(4);
    ASSERT_TRUE(window);
    EXPECT_EQ(window.value().load<uint32_t>(2), 0x1042u);
    EXPECT_EQ(command(), hal::PciFunction::io_space);
    EXPECT_EQ(get(0x20), 0xc041u);
}

TEST_F(Bars, OfMemory)
{
    Device memory = device();
    machine.memory(0xfebf0000, 0x1000, where);
    set(0x04, hal::PciFunction::bus_master);
    set(0x10, 0xfebf0008);  // prefetchable
    auto window = memory.bar(0);
    ASSERT_TRUE(window);
    EXPECT_EQ(window.value().load<uint32_t>(4), 0x1004u);
    EXPECT_EQ(command(), hal::PciFunction::memory_space | hal::PciFunction::bus_master);
    EXPECT_EQ(get(0x10), 0xfebf0008u);
}

TEST_F(Bars, Of64Bits)
{
    Device memory = device();
    machine.memory(0xfebf0000, 0x1000, where);
    set(0x18, 0xfebf0004);
    auto window = memory.bar(2);
    ASSERT_TRUE(window);
    EXPECT_EQ(window.value().load<uint32_t>(8), 0x1008u);
    set(0x1c, 8);  // 32 GiB
    EXPECT_EQ(memory.bar(2).error(), Error::unsupported);
    set(0x18, 0x0000000c);  // and the low half is 0
    EXPECT_EQ(memory.bar(2).error(), Error::unsupported);
    EXPECT_EQ(get(0x18), 0x0000000cu);
}

TEST_F(Bars, ThatAreNotAssigned)
{
    Device memory = device();
    for (uint32_t low : {0u, 1u, 4u, 8u}) {
        set(0x10, low);
        EXPECT_EQ(memory.bar(0).error(), Error::not_found) << low;
    }
    EXPECT_EQ(command(), 0);
    EXPECT_EQ(memory.bar(6).error(), Error::invalid);
}

TEST_F(Bars, OfPortsThatAPcDoesNotHave)
{
    Device ports = device();
    set(0x10, 0x1c001);
    EXPECT_EQ(ports.bar(0).error(), Error::unsupported);
    EXPECT_EQ(command(), 0);
}

TEST_F(Bars, OfADeviceThatIsGone)
{
    Device gone = Device::on_pci({0, 9, 0}, 0, "");
    EXPECT_EQ(gone.bar(0).error(), Error::gone);
}

}  // namespace
