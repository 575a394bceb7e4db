// SPDX-License-Identifier: BSD-2-Clause
#include "bus/acpi.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include "fakes/tables.h"

namespace {
using testing::ElementsAre;
using testing::IsEmpty;

constexpr uint32_t rsdp = 0xf5a10, rsdt = 0x50000, xsdt = 0x50100, fadt = 0x50200, dsdt = 0x51000,
                   ssdt1 = 0x60000, ssdt2 = 0x61000;
constexpr uint16_t sleep_enable = 1 << 13;

// A register that keeps what is written to it.
struct Register : FakeDevice {
    uint32_t value = 0;
    std::vector<std::string>* journal;
    const char* name;

    Register(std::vector<std::string>& journal, const char* name) : journal(&journal), name(name) {}
    uint32_t read(unsigned, unsigned) override { return value; }
    void write(unsigned offset, unsigned bytes, uint32_t written) override
    {
        value = written;
        char text[64];
        snprintf(text, sizeof text, "%s+%u %u: %x", name, offset, bytes, written);
        journal->push_back(text);
    }
};

class Acpi : public testing::Test {
protected:
    Acpi()
    {
        acpi::set_root(0);
        machine.memory(0, memory.bytes.size(), memory);
        machine.ports(0x604, 2, pm1a);
        machine.ports(0x704, 2, pm1b);
        machine.ports(0xb2, 1, smi);
        put_root(rsdp, rsdt, 0);
        memory.table(rsdt, "RSDT", words({0x70000, fadt}));
        memory.table(0x70000, "APIC", {});
        std::vector<uint8_t> body(244 - 36);
        memory.table(fadt, "FACP", body);
        set<uint32_t>(40, dsdt);
        set<uint32_t>(64, 0x604);
        memory.table(dsdt, "DSDT", soft_off({5, 6, 0, 0}));
        pm1a.value = 0x0001;
    }
    ~Acpi() override { EXPECT_EQ(memory.beyond, 0u); }

    void put_root(uint32_t at, uint32_t root32, uint64_t root64)
    {
        memcpy(&memory.bytes[at], "RSD PTR ", 8);
        memory.put<uint8_t>(at + 15, root64 ? 2 : 0);
        memory.put<uint32_t>(at + 16, root32);
        memory.put<uint32_t>(at + 20, root64 ? 36 : 0);
        memory.put<uint64_t>(at + 24, root64);
        memory.balance(at, 20, at + 8);
        memory.balance(at, 36, at + 32);
    }
    static std::vector<uint8_t> words(std::vector<uint32_t> list)
    {
        std::vector<uint8_t> bytes(list.size() * 4);
        memcpy(bytes.data(), list.data(), bytes.size());
        return bytes;
    }
    // Name (_S5_, Package () {...}) of one-byte elements, behind other AML.
    static std::vector<uint8_t> soft_off(std::vector<uint8_t> values)
    {
        std::vector<uint8_t> package = {0x12, 0, uint8_t(values.size())};
        for (uint8_t v : values) package.insert(package.end(), {0x0a, v});
        package[1] = uint8_t(package.size() - 1);
        return named(package);
    }
    static std::vector<uint8_t> named(std::vector<uint8_t> value)
    {
        std::vector<uint8_t> aml = {0x10, 0x20, '\\', '_', 'S', 'B', '_', 8, '_', 'S', '5', '_'};
        aml.insert(aml.end(), value.begin(), value.end());
        aml.insert(aml.end(), {0x5b, 0x80, 'D', 'B', 'G', '_'});
        return aml;
    }
    template <class T> void set(uint32_t offset, T value)  // a field of the FADT
    {
        memory.put<T>(fadt + offset, value);
        memory.seal(fadt);
    }
    void set_address(uint32_t offset, uint8_t space, uint64_t address)
    {
        set<uint8_t>(offset, space);
        set<uint64_t>(offset + 4, address);
    }
    // What power_off() wrote before it gave up waiting.
    std::vector<std::string> off()
    {
        journal.clear();
        pm1a.value = pm1b.value = 1;
        EXPECT_EQ(acpi::power_off().error(), Error::timed_out);
        return journal;
    }

    FakeMachine machine;
    FakeMemory memory{0x100000};
    std::vector<std::string> journal;
    Register pm1a{journal, "a"}, pm1b{journal, "b"}, smi{journal, "smi"};
};

TEST_F(Acpi, SwitchesOff)
{
    EXPECT_THAT(off(), ElementsAre("a+0 2: 1401", "a+0 2: 3401"));
    EXPECT_GE(machine.now_us, 2'000'000u);
    EXPECT_TRUE(machine.logged("acpi: the machine does not switch itself off"));
}

TEST_F(Acpi, SwitchesOffByBothControlBlocks)
{
    set<uint32_t>(68, 0x704);
    EXPECT_THAT(off(), ElementsAre("a+0 2: 1401", "b+0 2: 1801", "a+0 2: 3401", "b+0 2: 3801"));
}

TEST_F(Acpi, KeepsTheOtherBitsOfTheControlRegister)
{
    pm1a.value = 0x8e03;
    EXPECT_EQ(acpi::power_off().error(), Error::timed_out);
    EXPECT_EQ(pm1a.value, 0x8203u | 5 << 10 | sleep_enable);
}

TEST_F(Acpi, TakesTheHardwareOverFirst)
{
    set<uint32_t>(48, 0xb2);
    set<uint8_t>(52, 0xf1);
    pm1a.value = 0;
    machine.on_wait = [&] {
        if (smi.value == 0xf1 && machine.now_us >= 700) pm1a.value |= 1;
    };
    EXPECT_EQ(acpi::power_off().error(), Error::timed_out);
    EXPECT_THAT(journal, ElementsAre("smi+0 1: f1", "a+0 2: 1401", "a+0 2: 3401"));
    EXPECT_THAT(off(), ElementsAre("a+0 2: 1401", "a+0 2: 3401"));  // not when it has it already
}

TEST_F(Acpi, FirmwareThatKeepsTheHardwareTimesOut)
{
    set<uint32_t>(48, 0xb2);
    set<uint8_t>(52, 0xf1);
    pm1a.value = 0;
    EXPECT_EQ(acpi::power_off().error(), Error::timed_out);
    EXPECT_THAT(journal, ElementsAre("smi+0 1: f1"));
    EXPECT_TRUE(machine.logged("acpi: the firmware does not hand the hardware over"));
}

TEST_F(Acpi, ExtendedAddressesComeFirst)
{
    Register in_memory(journal, "m");
    machine.memory(0xfed80804, 2, in_memory);
    set_address(172, 0, 0xfed80804);
    set_address(184, 1, 0x704);
    in_memory.value = 1;
    EXPECT_THAT(off(), ElementsAre("m+0 2: 1401", "b+0 2: 1801", "m+0 2: 3401", "b+0 2: 3801"));
    // Those that cannot be used are left to the old field.
    for (uint64_t wrong : {uint64_t{0}, uint64_t{0x12345}, uint64_t{1} << 40}) {
        set_address(172, 1, wrong);
        EXPECT_EQ(off().front(), "a+0 2: 1401") << wrong;
    }
    set_address(172, 0, uint64_t{1} << 40);
    EXPECT_EQ(off().front(), "a+0 2: 1401");
    set_address(172, 0x7f, 0x604);
    EXPECT_EQ(off().front(), "a+0 2: 1401");
}

TEST_F(Acpi, OldShortTableIsEnough)
{
    memory.put<uint32_t>(fadt + 4, 116);  // ACPI 1.0
    set_address(172, 1, 0x704);           // what lies behind it is not its own
    memory.seal(fadt);
    EXPECT_EQ(off().front(), "a+0 2: 1401");
    EXPECT_EQ(acpi::reset().error(), Error::not_found);
}

TEST_F(Acpi, NoControlRegisterIsSaid)
{
    set<uint32_t>(64, 0);
    EXPECT_EQ(acpi::power_off().error(), Error::not_found);
    EXPECT_TRUE(machine.logged("acpi: the PM1a control register cannot be reached"));
}

// ---- the power button

struct AcpiButton : Acpi {
    // A PM1 event block: the status register, whose bits a 1 clears, and the enable register.
    struct Events : FakeDevice {
        uint16_t status = 0, enable = 0x0421;
        std::vector<uint16_t> cleared;
        uint32_t read(unsigned offset, unsigned bytes) override
        {
            EXPECT_EQ(bytes, 2u);
            return offset == 0 ? status : enable;
        }
        void write(unsigned offset, unsigned bytes, uint32_t value) override
        {
            EXPECT_EQ(bytes, 2u);
            if (offset == 2) {
                enable = uint16_t(value);
            } else {
                cleared.push_back(uint16_t(value));
                status &= uint16_t(~value);
            }
        }
    } events;
    Register general{journal, "gpe"};
    AcpiButton()
    {
        machine.ports(0x600, 4, events);
        machine.ports(0xafe0, 4, general);
        set<uint32_t>(56, 0x600);
        set<uint8_t>(88, 4);
        set<uint32_t>(80, 0xafe0);
        set<uint8_t>(92, 4);
        set<uint16_t>(46, 9);
    }
    bool pressed()
    {
        auto answer = acpi::button_pressed();
        EXPECT_TRUE(answer) << error_text(answer.error());
        return answer && answer.value();
    }
};

TEST_F(AcpiButton, TellsOfEachPressOnce)
{
    events.status = 0x0111;  // pressed before anybody asked
    EXPECT_FALSE(pressed());
    EXPECT_EQ(events.enable, 0x0100);  // and nothing else interrupts
    EXPECT_THAT(journal, ElementsAre("gpe+2 1: 0", "gpe+3 1: 0"));
    EXPECT_FALSE(pressed());
    events.status |= 0x0100;
    EXPECT_TRUE(pressed());
    EXPECT_FALSE(pressed());
    events.status |= 0x8000;  // another event
    EXPECT_FALSE(pressed());
    for (uint16_t cleared : events.cleared) EXPECT_EQ(cleared, 0x0100);
    EXPECT_EQ(events.status, 0x8011);
}

TEST_F(AcpiButton, RemembersAPressThatInterrupted)
{
    EXPECT_FALSE(pressed());
    EXPECT_TRUE(machine.connected(9));
    events.status = 0x0100;
    machine.interrupt(9);
    EXPECT_EQ(events.status, 0);  // or the line would stay up
    EXPECT_TRUE(pressed());
    EXPECT_FALSE(pressed());
    machine.interrupt(9);
    EXPECT_FALSE(pressed());
}

TEST_F(AcpiButton, TakesTheHardwareOverFirst)
{
    set<uint32_t>(48, 0xb2);
    set<uint8_t>(52, 0xf1);
    pm1a.value = 0;
    machine.on_wait = [&] {
        if (smi.value == 0xf1) pm1a.value |= 1;
    };
    EXPECT_FALSE(pressed());
    EXPECT_EQ(journal.front(), "smi+0 1: f1");
    EXPECT_EQ(events.enable, 0x0100);
}

TEST_F(AcpiButton, ThatIsNotFixedHardwareIsSaidOnce)
{
    set<uint32_t>(112, 1 << 4);
    EXPECT_EQ(acpi::button_pressed().error(), Error::unsupported);
    EXPECT_EQ(acpi::button_pressed().error(), Error::unsupported);
    EXPECT_THAT(machine.log, ElementsAre("acpi: the power button is not fixed hardware"));
    EXPECT_EQ(events.enable, 0x0421);
    acpi::set_root(0);
    set<uint32_t>(112, 1 << 20);
    EXPECT_EQ(acpi::button_pressed().error(), Error::unsupported);
}

TEST_F(AcpiButton, WithoutItsRegistersIsSaid)
{
    set<uint32_t>(56, 0);
    EXPECT_EQ(acpi::button_pressed().error(), Error::not_found);
    EXPECT_TRUE(machine.logged("acpi: the PM1a registers cannot be reached"));
    acpi::set_root(0);
    set<uint32_t>(56, 0x600);
    set<uint8_t>(88, 0);
    EXPECT_EQ(acpi::button_pressed().error(), Error::not_found);
    acpi::set_root(0);
    memory.bytes[rsdp] = 'X';
    EXPECT_EQ(acpi::button_pressed().error(), Error::not_found);
}

TEST_F(AcpiButton, ByExtendedAddresses)
{
    Events in_memory;
    machine.memory(0xfed80800, 4, in_memory);
    set_address(148, 0, 0xfed80800);
    EXPECT_FALSE(pressed());
    EXPECT_EQ(in_memory.enable, 0x0100);
    EXPECT_EQ(events.enable, 0x0421);
}

// ---- finding the tables

TEST_F(Acpi, NothingIsLookedAtUnasked)
{
    acpi::set_root(rsdp);
    EXPECT_THAT(machine.log, IsEmpty());
    EXPECT_THAT(journal, IsEmpty());
}

TEST_F(Acpi, RootPointerFromTheLoader)
{
    memory.bytes[rsdp] = 'X';
    put_root(0x30008, rsdt, 0);  // anywhere, and not on a multiple of 16
    acpi::set_root(0x30008);
    EXPECT_EQ(off().front(), "a+0 2: 1401");
    EXPECT_THAT(machine.log, ElementsAre("acpi: the machine does not switch itself off"));
}

TEST_F(Acpi, WrongRootPointerFromTheLoaderIsSearchedFor)
{
    for (uint64_t wrong : {uint64_t{0x30000}, uint64_t{0xfffffff0}, uint64_t{1} << 36}) {
        acpi::set_root(wrong);
        EXPECT_EQ(off().front(), "a+0 2: 1401");
    }
    EXPECT_TRUE(machine.logged("acpi: no root pointer at 0x30000, where the boot loader says"));
}

TEST_F(Acpi, RootPointerInTheExtendedBiosDataArea)
{
    memory.bytes[rsdp] = 'X';
    memory.put<uint16_t>(0x40e, 0x9fc0);
    put_root(0x9fc00 + 0x3d0, rsdt, 0);
    EXPECT_EQ(off().front(), "a+0 2: 1401");
}

TEST_F(Acpi, RootPointerWithAWrongChecksumIsNone)
{
    memory.bytes[rsdp + 9] ^= 1;
    EXPECT_EQ(acpi::power_off().error(), Error::not_found);
    EXPECT_EQ(acpi::reset().error(), Error::not_found);
    EXPECT_TRUE(machine.logged("acpi: this machine has no root pointer"));
}

TEST_F(Acpi, ExtendedRootTableComesFirst)
{
    memory.table(xsdt, "XSDT", words({0x70000, 0, fadt, 0}));
    put_root(rsdp, 0x12345678, xsdt);
    EXPECT_EQ(off().front(), "a+0 2: 1401");
    // Where it is damaged or out of reach, the other one will do.
    put_root(rsdp, rsdt, xsdt);
    memory.bytes[xsdt + 20] ^= 1;
    EXPECT_EQ(off().front(), "a+0 2: 1401");
    put_root(rsdp, rsdt, xsdt | uint64_t{1} << 32);
    EXPECT_EQ(off().front(), "a+0 2: 1401");
    put_root(rsdp, rsdt, 0x12345678);
    memory.bytes[rsdp + 33] ^= 1;  // the extended part's checksum
    EXPECT_EQ(off().front(), "a+0 2: 1401");
}

TEST_F(Acpi, DamagedTablesAreRefused)
{
    auto sound = memory.bytes;
    for (uint32_t at : {rsdt, fadt, dsdt}) {
        memory.bytes[at + 20] ^= 1;
        EXPECT_EQ(acpi::power_off().error(), Error::corrupt);
        memory.bytes = sound;
        for (uint32_t length : {0u, 35u, 0x7fffffffu, 0xffffffffu}) {
            memory.put<uint32_t>(at + 4, length);
            EXPECT_EQ(acpi::power_off().error(), Error::corrupt);
        }
        memory.bytes = sound;
    }
    EXPECT_TRUE(machine.logged("acpi: table at 0x50200: wrong checksum"));
    EXPECT_TRUE(machine.logged("acpi: table at 0x51000: its length is 35"));
    EXPECT_THAT(journal, IsEmpty());
}

TEST_F(Acpi, MissingTablesAreSaid)
{
    memory.table(rsdt, "RSDT", words({0x70000, 0, 0xffffffff}));
    EXPECT_EQ(acpi::power_off().error(), Error::not_found);
    EXPECT_TRUE(machine.logged("acpi: there is no fixed description table"));
    memory.table(rsdt, "JUNK", words({fadt}));
    EXPECT_EQ(acpi::power_off().error(), Error::corrupt);
    EXPECT_TRUE(machine.logged("acpi: the root pointer leads to no table of tables"));
    memory.table(rsdt, "RSDT", {});
    EXPECT_EQ(acpi::power_off().error(), Error::not_found);
}

// ---- \_S5

TEST_F(Acpi, SleepTypesInEachEncoding)
{
    const struct {
        std::vector<uint8_t> package;
        std::string a, b;
    } cases[] = {
        {{0x12, 6, 4, 0, 0, 0, 0}, "a+0 2: 1", "b+0 2: 1"},
        {{0x12, 4, 2, 1, 0}, "a+0 2: 401", "b+0 2: 1"},
        {{0x12, 7, 4, 0x0a, 7, 1, 0, 0}, "a+0 2: 1c01", "b+0 2: 401"},
        {{0x12, 9, 2, 0x0b, 5, 0, 0x0b, 6, 0}, "a+0 2: 1401", "b+0 2: 1801"},
        {{0x12, 13, 2, 0x0c, 5, 0, 0, 0, 0x0c, 6, 0, 0, 0}, "a+0 2: 1401", "b+0 2: 1801"},
        {{0x12, 0x47, 0x00, 2, 0x0a, 5, 1}, "a+0 2: 1401", "b+0 2: 401"},  // two bytes of length
        {{0x12, 5, 1, 0x0b, 5, 6}, "a+0 2: 1401", "b+0 2: 1801"},
    };
    set<uint32_t>(68, 0x704);
    for (auto& c : cases) {
        memory.table(dsdt, "DSDT", named(c.package));
        auto written = off();
        ASSERT_EQ(written.size(), 4u);
        EXPECT_EQ(written[0], c.a);
        EXPECT_EQ(written[1], c.b);
    }
}

TEST_F(Acpi, SleepTypesThatAreNoneAreRefused)
{
    const std::vector<uint8_t> cases[] = {
        {0x12, 6, 4, 0x0a, 8, 0, 0},          // more than three bits
        {0x12, 4, 2, 0xff, 0xff},             // all ones
        {0x12, 2, 0},                         // empty
        {0x12, 3, 2, 5, 0},                   // no such encoding
        {0x12, 9, 2, '_', 'S', '4', '_', 0},  // a name
        {0x12, 0x4f, 0xff, 2, 0, 0},          // longer than the table
        {0x12, 3, 2, 0x0a, 5, 0x0a, 5},       // its elements end behind it
        {0x12, 0xcf, 0xff, 0xff, 0xff, 2, 0},
    };
    for (auto& package : cases) {
        memory.table(dsdt, "DSDT", named(package));
        EXPECT_EQ(acpi::power_off().error(), Error::corrupt) << int(package[1]) << int(package[2]);
    }
    EXPECT_TRUE(machine.logged("acpi: \\_S5 at offset 44 of its table holds no sleep types"));
    EXPECT_THAT(journal, IsEmpty());
}

TEST_F(Acpi, NameAloneIsNoObject)
{
    // A reference to it, a string, a name without a package, at the very end, and the real one with
    // \.
    std::vector<uint8_t> aml = {'_', 'S', '5', '_',  0x70, '_', 'S', '5', '_', 0x60, 0x0d, '_',
                                'S', '5', '_', 0x12, 0,    8,   '_', 'S', '5', '_',  0x0a, 5};
    auto decoys = aml;
    aml.insert(aml.end(), {8, '\\', '_', 'S', '5', '_', 0x12, 4, 2, 1, 1});
    memory.table(dsdt, "DSDT", aml);
    EXPECT_EQ(off().front(), "a+0 2: 401");
    for (size_t cut = 1; cut <= 10; ++cut) {
        auto shorter = aml;
        shorter.resize(aml.size() - cut);
        memory.table(dsdt, "DSDT", shorter);
        EXPECT_FALSE(acpi::power_off());
        EXPECT_EQ(journal.size(), 2u);  // those of off() above
    }
    memory.table(dsdt, "DSDT", decoys);
    EXPECT_EQ(acpi::power_off().error(), Error::not_found);
    EXPECT_TRUE(machine.logged("acpi: the tables have no \\_S5"));
}

TEST_F(Acpi, SoftOffInASecondaryTable)
{
    memory.table(dsdt, "DSDT", {});
    memory.table(ssdt1, "SSDT", {});
    memory.table(ssdt2, "SSDT", soft_off({2, 2}));
    memory.table(rsdt, "RSDT", words({ssdt1, fadt, ssdt2}));
    EXPECT_EQ(off().front(), "a+0 2: 801");
    memory.bytes[ssdt1 + 20] ^= 1;  // a damaged one in between is passed over
    EXPECT_EQ(off().front(), "a+0 2: 801");
}

TEST_F(Acpi, ExtendedAddressOfTheDsdtComesFirst)
{
    memory.table(0x80000, "DSDT", soft_off({3, 3}));
    set<uint64_t>(140, 0x80000);
    EXPECT_EQ(off().front(), "a+0 2: c01");
    set<uint64_t>(140, uint64_t{1} << 32);
    EXPECT_EQ(acpi::power_off().error(), Error::unsupported);
    EXPECT_TRUE(machine.logged("acpi: a table at 0x100000000 is out of reach"));
}

// ---- reset

TEST_F(Acpi, ResetsByPort)
{
    Register port(journal, "cf9");
    machine.ports(0xcf9, 1, port);
    set_address(116, 1, 0xcf9);
    set<uint8_t>(128, 0x0f);
    EXPECT_EQ(acpi::reset().error(), Error::not_found);  // the flag is not set
    EXPECT_THAT(journal, IsEmpty());
    set<uint32_t>(112, 1 << 10);
    EXPECT_EQ(acpi::reset().error(), Error::timed_out);
    EXPECT_THAT(journal, ElementsAre("cf9+0 1: f"));
    EXPECT_TRUE(machine.logged("acpi: the reset register does not reset the machine"));
}

TEST_F(Acpi, ResetsByMemory)
{
    Register cell(journal, "memory");
    machine.memory(0xfed00010, 1, cell);
    set_address(116, 0, 0xfed00010);
    set<uint32_t>(112, 1 << 10);
    set<uint8_t>(128, 6);
    EXPECT_EQ(acpi::reset().error(), Error::timed_out);
    EXPECT_THAT(journal, ElementsAre("memory+0 1: 6"));
}

TEST_F(Acpi, ResetsByPciConfiguration)
{
    auto& config = machine.pci(0, 31, 2);
    set_address(116, 2, uint64_t{31} << 32 | 2 << 16 | 0x44);
    set<uint32_t>(112, 1 << 10);
    set<uint8_t>(128, 0x5a);
    EXPECT_EQ(acpi::reset().error(), Error::timed_out);
    EXPECT_EQ(config[0x44], 0x5a);
    EXPECT_EQ(config[0x45], 0);
    for (uint64_t wrong : {uint64_t{32} << 32, uint64_t{8} << 16, uint64_t{0x100}}) {
        set_address(116, 2, wrong);
        EXPECT_EQ(acpi::reset().error(), Error::corrupt);
    }
}

TEST_F(Acpi, ResetRegisterElsewhereIsSaid)
{
    set_address(116, 1, 0x10000);
    set<uint32_t>(112, 1 << 10);
    EXPECT_EQ(acpi::reset().error(), Error::unsupported);
    set_address(116, 3, 0x10);
    EXPECT_EQ(acpi::reset().error(), Error::unsupported);
    EXPECT_TRUE(machine.logged("acpi: reset register at 0x10 in space 3"));
}

}  // namespace
