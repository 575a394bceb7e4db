// SPDX-License-Identifier: BSD-2-Clause
// The devices that drivers have published, in the order in which they were found.
#include "hal/classes.h"
#include "hal/driver.h"

namespace {

template <class T> struct List {
    T* first = nullptr;

    void add(T& item, std::string_view kind)
    {
        unsigned unit = 0;
        while (has(kind, unit)) ++unit;
        item.name.clear();
        item.name.print("{}{}", kind, unit);
        append(item);
    }
    void append(T& item)
    {
        T** last = &first;
        while (*last) last = &(*last)->next;
        item.next = nullptr;
        item.owner = Device::attaching();
        *last = &item;
    }
    void remove_of(const Device& owner)
    {
        for (T** link = &first; *link;) {
            if ((*link)->owner == &owner)
                *link = (*link)->next;
            else
                link = &(*link)->next;
        }
    }
    bool has(std::string_view kind, unsigned unit) const
    {
        Text<16> name;
        name.print("{}{}", kind, unit);
        for (T* item = first; item; item = item->next) {
            if (item->name.view() == name.view()) return true;
        }
        return false;
    }
};

constinit List<BlockDevice> block_devices;
constinit List<HotPlug> hot_plugs;
constinit List<TextOutput> text_outputs;
constinit List<InputDevice> input_devices;
constinit List<SerialPort> serial_ports;
constinit List<CalendarClock> calendar_clocks;
constinit List<PowerControl> power_controls;
constinit List<RandomSource> random_sources;
constinit List<MessageChannel> message_channels;

// "wd1" is of the kind "wd"; its partition "wd1a" is not.
bool is_kind(std::string_view name, std::string_view kind)
{
    return name.starts_with(kind) && name.size() > kind.size() &&
           name.find_first_not_of("0123456789", kind.size()) == name.npos;
}

// A disk that comes back after its controller was claimed has its number and its name again.
bool take_place(BlockDevice& device, auto is_same)
{
    for (BlockDevice** link = &block_devices.first; *link; link = &(*link)->next) {
        BlockDevice& old = **link;
        if (!old.withdrawn || old.owner != Device::attaching() || !is_same(old)) continue;
        device.owner = old.owner;
        device.name = old.name;
        device.next = old.next;
        *link = &device;
        return true;
    }
    return false;
}

}  // namespace

void publish(BlockDevice& device, std::string_view kind)
{
    if (!take_place(device, [&](BlockDevice& old) { return is_kind(old.name, kind); }))
        block_devices.add(device, kind);
}
void publish_as(BlockDevice& device, std::string_view name)
{
    if (take_place(device, [&](BlockDevice& old) { return old.name.view() == name; })) return;
    device.name.clear();
    device.name.append(name);
    block_devices.append(device);
}
void publish(HotPlug& controller) { hot_plugs.append(controller); }
void publish(TextOutput& output, std::string_view kind) { text_outputs.add(output, kind); }
void publish(InputDevice& input, std::string_view kind) { input_devices.add(input, kind); }
void publish(SerialPort& port, std::string_view kind) { serial_ports.add(port, kind); }
void publish(CalendarClock& clock, std::string_view kind) { calendar_clocks.add(clock, kind); }
void publish(PowerControl& control, std::string_view kind) { power_controls.add(control, kind); }
void publish(RandomSource& source, std::string_view kind) { random_sources.add(source, kind); }
void publish(MessageChannel& channel, std::string_view kind)
{
    message_channels.add(channel, kind);
}
BlockDevice* first_block_device() { return block_devices.first; }
HotPlug* first_hot_plug() { return hot_plugs.first; }
TextOutput* first_text_output() { return text_outputs.first; }
InputDevice* first_input_device() { return input_devices.first; }
SerialPort* first_serial_port() { return serial_ports.first; }
CalendarClock* first_calendar_clock() { return calendar_clocks.first; }
PowerControl* first_power_control() { return power_controls.first; }
RandomSource* first_random_source() { return random_sources.first; }
MessageChannel* first_message_channel() { return message_channels.first; }

void withdraw(const Device& owner)
{
    for (BlockDevice* device = block_devices.first; device; device = device->next) {
        if ((device->whole ? device->whole : device)->owner == &owner) device->withdrawn = true;
    }
    hot_plugs.remove_of(owner);
    text_outputs.remove_of(owner);
    input_devices.remove_of(owner);
    serial_ports.remove_of(owner);
    calendar_clocks.remove_of(owner);
    power_controls.remove_of(owner);
    random_sources.remove_of(owner);
    message_channels.remove_of(owner);
}

BlockDevice* find_block_device(std::string_view name)
{
    for (BlockDevice* device = block_devices.first; device; device = device->next) {
        if (device->name.view() == name) return device;
    }
    return nullptr;
}

// What has no cells ignores what is done to them.
void TextOutput::put_cells(unsigned, unsigned, std::span<const uint16_t>) {}
void TextOutput::move_cursor(unsigned, unsigned) {}
TextOutput::Position TextOutput::cursor() const { return {}; }
void TextOutput::show_cursor(bool) {}
void TextOutput::set_attribute(uint8_t) {}
void TextOutput::clear() {}
void TextOutput::scroll(int) {}
void TextOutput::set_scroll_region(unsigned, unsigned) {}

// For the host tests, which plug many machines after one another.
void reset_registry()
{
    block_devices.first = nullptr;
    hot_plugs.first = nullptr;
    text_outputs.first = nullptr;
    input_devices.first = nullptr;
    serial_ports.first = nullptr;
    calendar_clocks.first = nullptr;
    power_controls.first = nullptr;
    random_sources.first = nullptr;
    message_channels.first = nullptr;
}
