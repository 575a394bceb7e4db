// SPDX-License-Identifier: BSD-2-Clause
// The devices that drivers have published, in the order in which they were found.
#include "hal/classes.h"

namespace {

template <class T> struct List {
    T* first = nullptr;

    void add(T& item, std::string_view kind, bool numbered = true)
    {
        unsigned unit = 0;
        T** last = &first;
        for (; *last; last = &(*last)->next) unit += is_kind((*last)->name, kind);
        item.name.clear();
        item.name.append(kind);
        if (numbered) item.name.print("{}", unit);
        item.next = nullptr;
        *last = &item;
    }
    // "wd1" is of the kind "wd"; its partition "wd1a" is not a unit of its own.
    static bool is_kind(std::string_view name, std::string_view kind)
    {
        if (name.substr(0, kind.size()) != kind || name.size() == kind.size()) return false;
        for (char c : name.substr(kind.size())) {
            if (c < '0' || c > '9') return false;
        }
        return true;
    }
};

constinit List<BlockDevice> block_devices;
constinit List<TextOutput> text_outputs;
constinit List<KeyInput> key_inputs;
constinit List<CalendarClock> calendar_clocks;
constinit List<PowerControl> power_controls;
constinit List<RandomSource> random_sources;

}  // namespace

void publish(BlockDevice& device, std::string_view kind) { block_devices.add(device, kind); }
void publish_as(BlockDevice& device, std::string_view name)
{
    block_devices.add(device, name, false);
}
void publish(TextOutput& output, std::string_view kind) { text_outputs.add(output, kind); }
void publish(KeyInput& input, std::string_view kind) { key_inputs.add(input, kind); }
void publish(CalendarClock& clock, std::string_view kind) { calendar_clocks.add(clock, kind); }
void publish(PowerControl& control, std::string_view kind) { power_controls.add(control, kind); }
void publish(RandomSource& source, std::string_view kind) { random_sources.add(source, kind); }
BlockDevice* first_block_device() { return block_devices.first; }
TextOutput* first_text_output() { return text_outputs.first; }
KeyInput* first_key_input() { return key_inputs.first; }
CalendarClock* first_calendar_clock() { return calendar_clocks.first; }
PowerControl* first_power_control() { return power_controls.first; }
RandomSource* first_random_source() { return random_sources.first; }

BlockDevice* find_block_device(std::string_view name)
{
    for (BlockDevice* device = block_devices.first; device; device = device->next) {
        if (device->name.view() == name) return device;
    }
    return nullptr;
}

// What has no cells ignores what is done to them.
void TextOutput::put_cell(unsigned, unsigned, char, uint8_t) {}
void TextOutput::move_cursor(unsigned, unsigned) {}
void TextOutput::set_attribute(uint8_t) {}
void TextOutput::clear() {}
void TextOutput::scroll(int) {}

// For the host tests, which plug many machines after one another.
void reset_registry()
{
    block_devices.first = nullptr;
    text_outputs.first = nullptr;
    key_inputs.first = nullptr;
    calendar_clocks.first = nullptr;
    power_controls.first = nullptr;
    random_sources.first = nullptr;
}
