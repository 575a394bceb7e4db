// SPDX-License-Identifier: BSD-2-Clause
// The fake back end of the hal: see machine.h.
#include "fakes/machine.h"
#include <cstring>

FakeMachine* fake_machine = nullptr;
void reset_devices();   // bus/device.cpp
void reset_registry();  // bus/registry.cpp
namespace fs {
void reset_volumes();  // fs/volumes.cpp
}
void reset_console();  // console/console.cpp
void reset_input();    // console/input.cpp
void reset_trace();    // hal/trace.cpp

FakeMachine::FakeMachine()
{
    fake_machine = this;
    reset_registry();
    fs::reset_volumes();
    reset_console();
    reset_input();
    reset_trace();
    reset_devices();  // the nodes of the machine before are freed
}
FakeMachine::~FakeMachine()
{
    reset_registry();
    fs::reset_volumes();
    reset_devices();
    fake_machine = nullptr;
}

void FakeMachine::ports(uint16_t base, uint16_t count, FakeDevice& device)
{
    port_ranges.push_back({base, count, &device});
}

void FakeMachine::memory(uint64_t base, uint64_t bytes, FakeDevice& device)
{
    memory_ranges.push_back({base, bytes, &device});
}

constexpr uint32_t message_address = 0xfee00000, first_message = 48;

static uint32_t key_of(uint8_t bus, uint8_t device, uint8_t function)
{
    return static_cast<uint32_t>(bus << 16 | device << 8 | function);
}

std::vector<uint8_t>& FakeMachine::pci(uint8_t bus, uint8_t device, uint8_t function)
{
    auto& config = functions[key_of(bus, device, function)];
    config.resize(256);
    return config;
}

Result<void> FakeMachine::attach(const Driver& driver)
{
    const Driver* drivers[] = {&driver};
    bool taken = false;
    if (framebuffer)
        taken |= Device::offer(Device::root(), Device::on_loader(*framebuffer), drivers);
    for (auto& [where, config] : functions) {
        hal::PciFunction function(uint8_t(where >> 16), uint8_t(where >> 8), uint8_t(where));
        taken |=
            Device::offer(Device::root(), Device::on_pci(function, config[0x3c], "pci"), drivers);
    }
    for (const Match& match : driver.matches) {
        if (match.bus == Match::Bus::isa)
            taken |= Device::offer(Device::root(), Device::on_isa(match, "isa"), drivers);
    }
    return taken ? Result<void>{} : Result<void>(Error::not_found);
}

void FakeMachine::interrupt(unsigned line)
{
    auto [first, last] = handlers.equal_range(line);
    hal::in_interrupt = true;
    for (auto i = first; i != last; ++i) {
        hal::trace_interrupt(i->second.owner, hal::Access::interrupt, line);
        i->second.call(i->second.context);
        hal::trace_interrupt(i->second.owner, hal::Access::end, line);
    }
    hal::in_interrupt = false;
}

bool FakeMachine::message(uint32_t address, uint32_t data)
{
    auto found = messages.find(data);
    if (address != message_address || found == messages.end()) return false;
    hal::in_interrupt = true;
    found->second.call(found->second.context);
    hal::in_interrupt = false;
    return true;
}

bool FakeMachine::logged(const std::string& part) const
{
    for (auto& line : log) {
        if (line.find(part) != std::string::npos) return true;
    }
    return false;
}

std::byte* FakeMachine::at(uint32_t address, size_t bytes)
{
    for (auto& m : mappings) {
        if (address >= m.address && address - m.address + bytes <= m.bytes)
            return m.data + (address - m.address);
    }
    return nullptr;  // the driver gave its device an address that is not memory
}

namespace hal {

static Window window_in(const std::vector<FakeMachine::Range>& ranges, uint64_t base,
                        const char* owner)
{
    for (auto& range : ranges) {
        if (base >= range.base && base < range.base + range.bytes)
            return {range.device, static_cast<unsigned>(base - range.base), owner};
    }
    return {nullptr, 0, owner};
}
Window port_window(std::uint16_t base, std::uint16_t, const char* owner)
{
    return window_in(fake_machine->port_ranges, base, owner);
}
Result<Window> memory_window(std::uint64_t physical, std::size_t, const char* owner, Caching)
{
    return window_in(fake_machine->memory_ranges, physical, owner);
}

std::uint64_t now_us() { return fake_machine ? fake_machine->now_us : 0; }
static void pass(uint64_t us)
{
    fake_machine->now_us += us;
    if (fake_machine->on_wait) fake_machine->on_wait();
}
void pause() { pass(10); }
bool had_turn(Turn&) { return false; }
void sleep(Duration duration) { pass(duration.us); }
InterruptsOff::InterruptsOff() : were_on_(!fake_machine || fake_machine->interrupts_work) {}
InterruptsOff::~InterruptsOff() = default;
void InterruptsOff::halt() { pass(100); }

Result<void> connect_interrupt(unsigned line, InterruptHandler handler, void* context,
                               const char* owner)
{
    if (line > 15) return Error::invalid;
    if (fake_machine->interrupts_work)
        fake_machine->handlers.insert({line, {handler, context, owner, Device::attaching()}});
    return {};
}

void disconnect_interrupt(InterruptHandler handler, void* context)
{
    std::erase_if(fake_machine->handlers, [&](const auto& entry) {
        return entry.second.call == handler && entry.second.context == context;
    });
}
void disconnect_interrupts(const Device& device)
{
    auto is_its = [&](const auto& entry) { return entry.second.device == &device; };
    std::erase_if(fake_machine->handlers, is_its);
    std::erase_if(fake_machine->messages, is_its);
}

Result<Message> connect_message(InterruptHandler handler, void* context, const char* owner)
{
    FakeMachine& m = *fake_machine;
    if (!m.has_messages) return Error::unsupported;
    for (uint32_t data = first_message; data < first_message + uint32_t(m.most_messages); ++data) {
        if (m.messages.contains(data)) continue;
        m.messages[data] = {handler, context, owner, Device::attaching()};
        return Message{message_address, data};
    }
    return Error::no_memory;
}
void disconnect_message(InterruptHandler handler, void* context)
{
    std::erase_if(fake_machine->messages, [&](const auto& entry) {
        return entry.second.call == handler && entry.second.context == context;
    });
}

Result<DmaMemory> allocate_dma(std::size_t bytes, std::size_t alignment, std::size_t boundary,
                               std::uint32_t highest)
{
    FakeMachine& m = *fake_machine;
    uint32_t address = (m.next_address + uint32_t(alignment) - 1) & ~(uint32_t(alignment) - 1);
    if (boundary && address / boundary != (address + bytes - 1) / boundary)
        address = uint32_t((address + boundary - 1) / boundary * boundary);
    if (address + bytes - 1 > highest) return Error::no_memory;
    m.next_address = address + uint32_t(bytes) + 64;
    m.dma_memory.push_back(std::make_unique<std::byte[]>(bytes));
    std::byte* data = m.dma_memory.back().get();
    m.mappings.push_back({address, data, bytes});
    return DmaMemory{data, address, bytes};
}

DmaRun dma_run(const void* data, std::size_t limit)
{
    FakeMachine& m = *fake_machine;
    limit = std::min(limit, m.largest_run);
    if (limit == 0) return {0, 0};
    // Keep the alignment of the host's pointer, so that drivers see odd addresses when tests use
    // them.
    uint32_t address = ((m.next_address + 0xffff) & ~0xffffu) + uint32_t(uintptr_t(data) & 0xffff);
    m.next_address = address + uint32_t(limit) + 64;
    m.mappings.push_back(
        {address, const_cast<std::byte*>(static_cast<const std::byte*>(data)), limit});
    return {address, limit};
}

void log_line(std::string_view line)
{
    if (fake_machine) fake_machine->log.emplace_back(line);
}

void trace_line(std::string_view line, std::string_view)
{
    if (!fake_machine) return;
    fake_machine->trace.emplace_back(line);
    if (fake_machine->on_trace) fake_machine->on_trace(fake_machine->trace.back());
}
bool trace_must_wait() { return fake_machine && fake_machine->trace_waits; }

uint32_t PciFunction::read_config(unsigned offset, unsigned bytes) const
{
    auto found = fake_machine->functions.find(key_of(bus_, device_, function_));
    uint32_t value = ~0u;
    if (found != fake_machine->functions.end()) memcpy(&value, &found->second.at(offset), bytes);
    return value;
}
void PciFunction::write_config(unsigned offset, unsigned bytes, uint32_t value) const
{
    auto found = fake_machine->functions.find(key_of(bus_, device_, function_));
    if (found == fake_machine->functions.end()) return;
    uint8_t* at = &found->second.at(offset);
    auto bar = fake_machine->bar_bytes.find(at);
    if (bar != fake_machine->bar_bytes.end()) {
        uint8_t flags = *at & (*at & 1 ? 3 : 15);
        value = (value & ~(bar->second - 1)) | flags;
    }
    memcpy(at, &value, bytes);
}
unsigned detect_pci_mechanism() { return fake_machine->functions.empty() ? 0 : 1; }

}  // namespace hal

void key_pressed(const KeyInput&, int code) { fake_machine->keys.push_back(code); }
void break_pressed(const KeyInput&) { ++fake_machine->breaks; }

namespace debug {
void request_break() { ++fake_machine->breaks; }
void stop_point() {}
bool (*on_break_key)(int code) = nullptr;
bool payload_break_is_wanted() { return false; }
}  // namespace debug
