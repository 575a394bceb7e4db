// SPDX-License-Identifier: BSD-2-Clause
// acpi - power-off, reset and power button, as the ACPI tables describe them (ACPI 6.4, section
// numbers below).
//
// The tables are found from the root pointer, and checked: lengths, checksums. \_S5, which holds
// the numbers that mean "off" to the chip set, is an AML object; it is searched as the bytes that a
// compiler makes of it, so that no interpreter is needed. _PTS and device power states, which are
// AML methods, are not run: it is as if the power button were held. Once asked for, the power
// button interrupts (SCI), and is polled. Supports: fixed hardware, registers in I/O ports and
// memory, reset also in PCI configuration space. Not: hardware-reduced ACPI, a power button that is
// an AML device, tables above 4 GiB.  Tested on: QEMU pc, q35.
#include "bus/acpi.h"
#include "boot/boot_info.h"
#include "config.h"
#include "hal/irq.h"
#include "hal/log.h"
#include "hal/pci.h"
#include "hal/reg.h"

namespace {
using namespace hal;

constinit uint64_t given_root = 0;

// ---- tables: 5.2.6

constexpr unsigned header_bytes = 36;
constexpr uint32_t max_table_bytes = 4u << 20;
constexpr unsigned max_tables = 256;

constexpr uint32_t signature(const char (&text)[5])
{
    uint32_t value = 0;
    for (unsigned i = 4; i-- > 0;) value = value << 8 | static_cast<uint8_t>(text[i]);
    return value;
}

Result<Window> physical(uint64_t address, uint32_t bytes)
{
    if (address == 0 || address > ~0u - bytes) return Error::unsupported;
    return memory_window(address, bytes, "acpi", Caching::cached);
}

uint8_t sum(const Window& window, unsigned from, uint32_t bytes)
{
    uint8_t total = 0;
    for (uint32_t i = 0; i < bytes; ++i)
        total = static_cast<uint8_t>(total + window.load<uint8_t>(from + i));
    return total;
}

class Table {
public:
    static Result<Table> open(uint64_t address)
    {
        auto found = physical(address, header_bytes);
        if (!found) return fail(found.error(), "acpi: a table at 0x{x} is out of reach", address);
        const Window& header = found.value();
        auto length = header.load<uint32_t>(4);
        if (length < header_bytes || length > max_table_bytes)
            return fail(Error::corrupt, "acpi: table at 0x{x}: its length is {}", address, length);
        Table table;
        table.window_ = TRY(physical(address, length));
        table.length_ = length;
        if (sum(table.window_, 0, length) != 0)
            return fail(Error::corrupt, "acpi: table at 0x{x}: wrong checksum", address);
        return table;
    }
    uint32_t length() const { return length_; }

    // What lies beyond the end is 0: a field that this version of the table does not have.
    template <class T> T at(uint32_t offset) const
    {
        if (offset > length_ || length_ - offset < sizeof(T)) return 0;
        if constexpr (sizeof(T) == 8)
            return at<uint32_t>(offset) | static_cast<uint64_t>(at<uint32_t>(offset + 4)) << 32;
        else
            return window_.load<T>(offset);
    }

private:
    Window window_;
    uint32_t length_ = 0;
};

// ---- the root pointer: 5.2.5

bool is_root_pointer(const Window& window, unsigned at)
{
    return window.load<uint32_t>(at) == signature("RSD ") &&
           window.load<uint32_t>(at + 4) == signature("PTR ") && sum(window, at, 20) == 0;
}

Result<Window> search(uint32_t first, uint32_t bytes)
{
    Window window = TRY(physical(first, bytes));
    for (uint32_t at = 0; at + header_bytes <= bytes; at += 16) {
        if (is_root_pointer(window, at)) return physical(first + at, header_bytes);
    }
    return Error::not_found;
}

Result<Window> root_pointer()
{
    if (given_root) {
        auto window = physical(given_root, header_bytes);
        if (window && is_root_pointer(window.value(), 0)) return window;
        log("acpi: no root pointer at 0x{x}, where the boot loader says", given_root);
    }
    Window segment = TRY(physical(0x40e, 2));  // of the extended BIOS data area
    uint32_t area = segment.load<uint16_t>(0) * 16u;
    if (area >= 0x400 && area < 0xa0000) {
        auto found = search(area, 0x400);
        if (found) return found;
    }
    auto found = search(0xe0000, 0x20000);
    if (!found) log("acpi: this machine has no root pointer");
    return found;
}

// The table of tables: with addresses of 64 bits, 5.2.8, if it is there and sound; else of
// 32, 5.2.7.
struct Root {
    Table table;
    unsigned address_bytes = 4;

    static Result<Root> open()
    {
        Window pointer = TRY(root_pointer());
        bool extended = pointer.load<uint8_t>(15) >= 2 && sum(pointer, 0, header_bytes) == 0;
        uint32_t low = extended ? pointer.load<uint32_t>(24) : 0;
        uint32_t high = extended ? pointer.load<uint32_t>(28) : 0;
        if (low && !high) {
            auto table = Table::open(low);
            if (table && table.value().at<uint32_t>(0) == signature("XSDT"))
                return Root{table.value(), 8};
        }
        Table table = TRY(Table::open(pointer.load<uint32_t>(16)));
        if (table.at<uint32_t>(0) == signature("RSDT")) return Root{table, 4};
        return fail(Error::corrupt, "acpi: the root pointer leads to no table of tables");
    }
    // The table number `index` of those with this name.
    Result<Table> find(uint32_t name, unsigned index) const
    {
        uint32_t offset = header_bytes;
        for (unsigned n = 0; n < max_tables && offset < table.length(); ++n) {
            uint64_t address =
                address_bytes == 8 ? table.at<uint64_t>(offset) : table.at<uint32_t>(offset);
            offset += address_bytes;
            auto header = physical(address, header_bytes);
            if (!header || header.value().load<uint32_t>(0) != name || index-- > 0) continue;
            return Table::open(address);
        }
        return Error::not_found;
    }
};

Result<Table> fixed_description(const Root& root)  // FADT, 5.2.9
{
    auto found = root.find(signature("FACP"), 0);
    if (found.error() == Error::not_found) log("acpi: there is no fixed description table");
    return found;
}

// ---- registers

// Generic Address Structure, 5.2.3.2.
struct Address {
    enum : uint8_t { memory = 0, io = 1, pci_configuration = 2 };
    uint8_t space = io;
    uint64_t address = 0;

    static Address in(const Table& table, uint32_t offset)
    {
        return {table.at<uint8_t>(offset), table.at<uint64_t>(offset + 4)};
    }
    Result<Window> window(unsigned bytes) const
    {
        if (address == 0) return Error::not_found;
        if (space == io && address <= 0xffff)
            return port_window(static_cast<uint16_t>(address), static_cast<uint16_t>(bytes),
                               "acpi");
        if (space == memory && address <= ~0u - bytes) return memory_window(address, bytes, "acpi");
        return Error::unsupported;
    }
};

struct Pm1Control : Register<Pm1Control, 0, uint16_t> {  // 4.8.3.2.1
    struct SciEnable : Field<SciEnable, 0> {};
    struct SleepType : Field<SleepType, 10, 3> {};
    struct SleepEnable : Field<SleepEnable, 13> {};
};

struct Pm1Status : Register<Pm1Status, 0, uint16_t> {  // 4.8.3.1.1
    static constexpr uint16_t write_one_to_clear = 0xffff;
    struct PowerButton : Field<PowerButton, 8> {};
};
struct Pm1Enable : Register<Pm1Enable, 0, uint16_t> {  // 4.8.3.1.2
    struct PowerButton : Field<PowerButton, 8> {};
};
struct GeneralEnable : Register<GeneralEnable, 0, uint8_t> {};  // 4.8.4.1.2

// The extended field, if it holds an address that can be used, else the one of 32 bits: 5.2.9. A
// block's second half, of the same size, holds what enables the bits of the first.
Result<Registers> fixed_registers(const Table& fadt, uint32_t extended, uint32_t plain,
                                  unsigned offset = 0)
{
    Address address = Address::in(fadt, extended);
    if (address.address) address.address += offset;
    auto window = address.window(2);
    auto port = fadt.at<uint32_t>(plain);
    if (!window) window = Address{Address::io, port ? port + offset : 0}.window(2);
    if (!window) return window.error();
    return Registers(window.value());
}

// Takes the hardware over from the firmware's system management code: 4.8.2.5.
Result<void> enter_acpi_mode(const Table& fadt, const Registers& pm1a)
{
    auto smi_command = fadt.at<uint32_t>(48);
    auto acpi_enable = fadt.at<uint8_t>(52);
    if (pm1a.get<Pm1Control::SciEnable>() || smi_command == 0 || acpi_enable == 0) return {};
    auto command = TRY((Address{Address::io, smi_command}.window(1)));
    command.store<uint8_t>(0, acpi_enable);
    auto enabled = pm1a.poll<Pm1Control::SciEnable>(1, 3_s);
    if (!enabled) log("acpi: the firmware does not hand the hardware over");
    return enabled;
}

// ---- \_S5: 7.4.2.6

struct SleepTypes {
    uint8_t a, b;  // for PM1a_CNT and PM1b_CNT
};

// Reads AML from a table: a position that stays within it.
class Aml {
public:
    Aml(const Table& table, uint32_t position) : table_(table), position_(position) {}

    uint8_t byte() { return table_.at<uint8_t>(position_++); }
    // PkgLength, 20.2.4: how far the package reaches, counted from here.
    uint32_t package_length()
    {
        uint8_t lead = byte();
        if (lead >> 6 == 0) return lead;
        uint32_t length = lead & 0xf;
        for (unsigned i = 0; i < lead >> 6; ++i)
            length |= static_cast<uint32_t>(byte()) << (4 + 8 * i);
        return length;
    }
    Result<uint32_t> integer()  // 20.2.3
    {
        enum : uint8_t { zero = 0, one = 1, byte_prefix = 10, word_prefix = 11, dword_prefix = 12 };
        switch (byte()) {
        case zero: return uint32_t{0};
        case one: return uint32_t{1};
        case byte_prefix: return little_endian(1);
        case word_prefix: return little_endian(2);
        case dword_prefix: return little_endian(4);
        }
        return Error::corrupt;
    }
    uint32_t position() const { return position_; }

private:
    uint32_t little_endian(unsigned bytes)
    {
        uint32_t value = 0;
        for (unsigned i = 0; i < bytes; ++i) value |= static_cast<uint32_t>(byte()) << (8 * i);
        return value;
    }

    const Table& table_;
    uint32_t position_;
};

// The package that follows the name: PackageOp PkgLength NumElements, and the two numbers.
Result<SleepTypes> sleep_types(const Table& table, uint32_t offset)
{
    Aml aml(table, offset + 1);
    uint64_t end = uint64_t{aml.position()} + aml.package_length();
    uint8_t elements = aml.byte();
    if (end > table.length() || elements < 1) return Error::corrupt;
    uint32_t a = TRY(aml.integer());
    // One number for both is how ACPI 1.0 was read by some.
    uint32_t b = elements == 1 ? a >> 8 : TRY(aml.integer());
    if (elements == 1) a &= 0xff;
    if (aml.position() > end || a > 7 || b > 7) return Error::corrupt;
    return SleepTypes{static_cast<uint8_t>(a), static_cast<uint8_t>(b)};
}

Result<SleepTypes> find_soft_off(const Table& table)
{
    constexpr uint8_t name_op = 0x08, root_char = '\\',
                      package_op = 0x12;  // 20.2.5.1, 20.2.2, 20.2.5.4
    for (uint32_t at = header_bytes + 1; at + 5 < table.length(); ++at) {
        if (table.at<uint8_t>(at) != '_' || table.at<uint32_t>(at) != signature("_S5_")) continue;
        uint32_t before = table.at<uint8_t>(at - 1) == root_char ? at - 2 : at - 1;
        if (before < header_bytes || table.at<uint8_t>(before) != name_op) continue;
        if (table.at<uint8_t>(at + 4) != package_op) continue;
        auto found = sleep_types(table, at + 4);
        if (!found) log("acpi: \\_S5 at offset {} of its table holds no sleep types", at);
        return found;
    }
    return Error::not_found;
}

Result<SleepTypes> soft_off(const Root& root, const Table& fadt)
{
    auto extended = fadt.at<uint64_t>(140);
    Table dsdt = TRY(Table::open(extended ? extended : fadt.at<uint32_t>(40)));
    auto found = find_soft_off(dsdt);
    for (unsigned n = 0; n < max_tables && found.error() == Error::not_found; ++n) {
        auto table = root.find(signature("SSDT"), n);
        if (table.error() == Error::not_found) break;
        if (table) found = find_soft_off(table.value());
    }
    if (found.error() == Error::not_found) log("acpi: the tables have no \\_S5");
    return found;
}

}  // namespace

// 16.1: what an operating system does, less the methods.
Result<void> acpi::power_off()
{
    Root root = TRY(Root::open());
    Table fadt = TRY(fixed_description(root));
    SleepTypes types = TRY(soft_off(root, fadt));
    auto pm1a = fixed_registers(fadt, 172, 64);
    if (!pm1a) return fail(pm1a.error(), "acpi: the PM1a control register cannot be reached");
    auto pm1b = fixed_registers(fadt, 184, 68);  // most chip sets have none
    TRY(enter_acpi_mode(fadt, pm1a.value()));
    using Pm1 = Pm1Control;
    pm1a.value().modify(Pm1::SleepType::of(types.a));
    if (pm1b) pm1b.value().modify(Pm1::SleepType::of(types.b));
    pm1a.value().modify(Pm1::SleepType::of(types.a) | Pm1::SleepEnable::of(1));
    if (pm1b) pm1b.value().modify(Pm1::SleepType::of(types.b) | Pm1::SleepEnable::of(1));
    sleep(2_s);
    return fail(Error::timed_out, "acpi: the machine does not switch itself off");
}

// 4.8.3.6.
Result<void> acpi::reset()
{
    constexpr uint32_t reset_register_supported = 1u << 10;  // FADT, Flags
    Root root = TRY(Root::open());
    Table fadt = TRY(fixed_description(root));
    if (!(fadt.at<uint32_t>(112) & reset_register_supported) || fadt.length() < 129)
        return fail(Error::not_found, "acpi: there is no reset register");
    Address where = Address::in(fadt, 116);
    auto value = fadt.at<uint8_t>(128);
    if (where.space == Address::pci_configuration) {
        if (where.address >> 32 > 31 || (where.address >> 16 & 0xffff) > 7 ||
            (where.address & 0xffff) > 255)
            return fail(Error::corrupt, "acpi: reset register at PCI 0x{x}", where.address);
        PciFunction function(0, static_cast<uint8_t>(where.address >> 32),
                             static_cast<uint8_t>(where.address >> 16));
        function.write<uint8_t>(where.address & 0xff, value);
    } else {
        auto window = where.window(1);
        if (!window)
            return fail(window.error(), "acpi: reset register at 0x{x} in space {}", where.address,
                        where.space);
        window.value().store<uint8_t>(0, value);
    }
    sleep(100_ms);
    return fail(Error::timed_out, "acpi: the reset register does not reset the machine");
}

// ---- the power button: 4.8.2.2.1

namespace {

struct Button {
    Registers status;
    bool pressed = false;
    Error error = Error::busy;  // not looked for yet

    void look()
    {
        if (!status.get<Pm1Status::PowerButton>()) return;
        status.acknowledge<Pm1Status::PowerButton>();
        pressed = true;
    }
};
constinit Button button;

Result<void> enable_button()
{
    constexpr uint32_t no_fixed_button = 1u << 4, hardware_reduced = 1u << 20;  // FADT, Flags
    Root root = TRY(Root::open());
    Table fadt = TRY(fixed_description(root));
    if (fadt.at<uint32_t>(112) & (no_fixed_button | hardware_reduced))
        return fail(Error::unsupported, "acpi: the power button is not fixed hardware");
    unsigned half = fadt.at<uint8_t>(88) / 2;  // of the PM1 event block
    auto status = fixed_registers(fadt, 148, 56);
    auto enable = fixed_registers(fadt, 148, 56, half);
    auto control = fixed_registers(fadt, 172, 64);
    if (!status || !enable || !control || half < 2)
        return fail(Error::not_found, "acpi: the PM1a registers cannot be reached");
    TRY(enter_acpi_mode(fadt, control.value()));
    button.status = status.value();
    // Other events are not handled here: they shall not interrupt.
    auto events = fixed_registers(fadt, 220, 80);
    for (unsigned i = 0, bytes = fadt.at<uint8_t>(92) / 2; events && i < bytes; ++i) {
        auto general = fixed_registers(fadt, 220, 80, bytes + i);
        if (general) general.value().write<GeneralEnable>(0);
    }
    auto line = fadt.at<uint16_t>(46);
    auto handler = [](void* context) { static_cast<Button*>(context)->look(); };
    (void)connect_interrupt(line, handler, &button);               // it is also polled
    button.status.write<Pm1Status>(Pm1Status::PowerButton::mask);  // pressed long ago
    enable.value().write(Pm1Enable::PowerButton::of(1));
    return {};
}

}  // namespace

Result<bool> acpi::button_pressed()
{
    if (button.error == Error::busy) button.error = enable_button().error();
    if (button.error != Error{}) return button.error;
    InterruptsOff interrupts;
    button.look();
    return std::exchange(button.pressed, false);
}

void acpi::set_root(uint64_t rsdp)
{
    given_root = rsdp;
    button = {};
}

namespace {

class Control final : public PowerControl {
public:
    Result<void> off() override { return acpi::power_off(); }
    Result<void> reset() override { return acpi::reset(); }
    Result<bool> button_pressed() override { return acpi::button_pressed(); }
};
constinit Control control;

// The tables are looked at when somebody asks: reading them takes longer than the rest of a boot.
void scan(Device&, std::span<const Driver* const>)
{
    acpi::set_root(loader_acpi_root);
    publish(control, "acpi");
}

}  // namespace

extern const BusDriver acpi_bus = {"acpi", scan};
