// SPDX-License-Identifier: BSD-2-Clause
// The console: what is written goes to every text output, keys come from every input, the log is
// kept.
#include "console/console.h"
#include <algorithm>
#include <cstring>
#include "debug/request.h"
#include "hal/log.h"
#include "hal/time.h"
#include "hal/trace.h"
#include "lib/ring.h"
#include "vesper.h"

namespace console {

namespace {

constexpr size_t log_bytes = 16384;
constinit char log_ring[log_bytes] = {};
constinit size_t log_next = 0;  // where the next character goes
constinit bool log_wrapped = false;

constinit Ring<int, 256> keys;
constinit unsigned lost_keys_told = 0;
constinit hal::Turn key_turn;

constinit Text<64> chosen_names;
constinit Text<16> name_left_alone;

// What write() and set_attribute() have left.
constinit bool line_is_open = false;
constinit uint8_t present_attribute = TextOutput::default_attribute;
constinit bool screen_is_set_up = false;  // scrolling region or cursor

constinit Cells counted_cells = {};
constinit unsigned counted_changes = 0;

constinit volatile bool busy = false;      // a call is under way, and
constinit Ring<char, 256> meanwhile = {};  // what put_char() was given since

bool is_chosen(std::string_view name)
{
    for (std::string_view rest = chosen_names; !rest.empty();) {
        std::string_view word = rest.substr(0, rest.find(','));
        rest.remove_prefix(std::min(rest.size(), word.size() + 1));
        if (word.empty() || !name.starts_with(word)) continue;
        std::string_view number = name.substr(word.size());
        if (number.find_first_not_of("0123456789") == number.npos) return true;
    }
    return false;
}

// `console=` says nothing of pointers.
bool can_be_chosen(const InputDevice& input) { return input.kind != InputDevice::Kind::pointer; }
bool can_be_chosen(const TextOutput&) { return true; }

template <class T> void apply_choice(T* first)
{
    bool any = false;
    auto is_free = [](T& i) { return i.name.view() != name_left_alone.view(); };
    for (T* i = first; i; i = i->next)
        any |= can_be_chosen(*i) && is_chosen(i->name) && is_free(*i);
    for (T* i = first; i; i = i->next)
        i->enabled = (!any || !can_be_chosen(*i) || is_chosen(i->name)) && is_free(*i);
}

// A screen that is found late shows what has been said so far.
void replay_log(TextOutput& output)
{
    auto [older, newer] = log_text();
    output.write(older);
    output.write(newer);
}

template <class T> bool any_new(T* first)
{
    for (T* i = first; i; i = i->next) {
        if (!i->seen) return true;
    }
    return false;
}

void look_for_new_outputs()
{
    if (!any_new(first_text_output())) return;
    apply_choice(first_text_output());
    busy = true;
    for (TextOutput* output = first_text_output(); output; output = output->next) {
        if (!output->seen && output->enabled) replay_log(*output);
        output->seen = true;
    }
    busy = false;
}

void look_for_new_inputs()
{
    if (!any_new(first_input_device())) return;
    apply_choice(first_input_device());
    for (InputDevice* input = first_input_device(); input; input = input->next) input->seen = true;
}

// One action on all outputs, and then what an interrupt wanted to write meanwhile. In one function
// for all actions: there are many.
void on_all(void (*action)(TextOutput&, const void*), const void* context);

void on_all(const auto& action)
{
    using Action = std::remove_cvref_t<decltype(action)>;
    on_all([](TextOutput& output,
              const void* context) { (*static_cast<const Action*>(context))(output); },
           &action);
}

const TextOutput* largest_output()
{
    const TextOutput* largest = nullptr;
    unsigned most = 0;
    for (const TextOutput* i = first_text_output(); i; i = i->next) {
        if (!i->enabled || i->columns * i->rows <= most) continue;
        largest = i;
        most = i->columns * i->rows;
    }
    return largest;
}

bool is_on_screen(unsigned column, unsigned row, size_t columns, unsigned rows)
{
    Cells all = cells();
    return column < all.columns && row < all.rows && columns <= all.columns - column &&
           rows <= all.rows - row;
}

void on_all(void (*action)(TextOutput&, const void*), const void* context)
{
    look_for_new_outputs();
    busy = true;
    for (TextOutput* i = first_text_output(); i; i = i->next) {
        if (i->enabled) action(*i, context);
    }
    do {
        busy = true;
        for (char c; meanwhile.pop(c);) {
            for (TextOutput* i = first_text_output(); i; i = i->next) {
                if (i->enabled) i->write({&c, 1});
            }
        }
        busy = false;
    } while (meanwhile.size());
}

void append_to_log(std::string_view text)
{
    while (!text.empty()) {
        size_t part = std::min(text.size(), log_bytes - log_next);
        memcpy(log_ring + log_next, text.data(), part);
        text.remove_prefix(part);
        log_next += part;
        if (log_next == log_bytes) {
            log_next = 0;
            log_wrapped = true;
        }
    }
}

void tell_lost_keys()
{
    unsigned lost = keys.dropped - lost_keys_told;
    if (!lost) return;
    lost_keys_told += lost;
    hal::log("console: {} keys were lost: nobody read them", lost);
}

}  // namespace

void choose(std::string_view names)
{
    chosen_names.clear();
    chosen_names.append(names);
    apply_choice(first_text_output());
    apply_choice(first_input_device());
}

void leave_alone(std::string_view name) { name_left_alone = name; }

void write(std::string_view text)
{
    if (text.empty()) return;
    line_is_open = text.back() != '\n';
    on_all([&](TextOutput& output) { output.write(text); });
    hal::show_trace();
}

void put_char(char c)
{
    if (busy) return meanwhile.push(c);
    line_is_open = c != '\n';
    busy = true;
    for (TextOutput* i = first_text_output(); i; i = i->next) {  // the log has seen all of them
        if (i->enabled) i->put(c);
    }
    busy = false;
    if (meanwhile.size()) on_all([](TextOutput&) {});
    hal::show_trace();
}

Cells cells()
{
    const TextOutput* output = largest_output();
    return output ? Cells{output->columns, output->rows} : Cells{80, 24};
}

unsigned size_changes()
{
    Cells now = cells();
    if (now.columns != counted_cells.columns || now.rows != counted_cells.rows) ++counted_changes;
    counted_cells = now;
    return counted_changes;
}

Result<void> put_cell(unsigned column, unsigned row, char c, uint8_t attribute)
{
    return fill(column, row, 1, 1, c, attribute);
}

Result<void> put_cells(unsigned column, unsigned row, std::span<const uint16_t> cells)
{
    if (!is_on_screen(column, row, cells.size(), 1)) return Error::invalid;
    on_all([&](TextOutput& output) { output.put_cells(column, row, cells); });
    return {};
}

Result<void> fill(unsigned column, unsigned row, unsigned columns, unsigned rows, char c,
                  uint8_t attribute)
{
    if (!is_on_screen(column, row, columns, rows)) return Error::invalid;
    uint16_t part[128];
    std::ranges::fill(part, static_cast<uint16_t>(attribute << 8 | static_cast<uint8_t>(c)));
    on_all([&](TextOutput& output) {
        for (unsigned y = row; y < row + rows; ++y) {
            for (unsigned done = 0; done < columns; done += std::size(part)) {
                size_t width = std::min<size_t>(columns - done, std::size(part));
                output.put_cells(column + done, y, {part, width});
            }
        }
    });
    return {};
}

Result<void> move_cursor(unsigned column, unsigned row)
{
    if (!is_on_screen(column, row, 1, 1)) return Error::invalid;
    on_all([&](TextOutput& output) {  // a smaller screen: as near as it gets
        if (output.columns && output.rows)
            output.move_cursor(std::min(column, output.columns - 1),
                               std::min(row, output.rows - 1));
    });
    return {};
}

TextOutput::Position cursor()
{
    const TextOutput* output = largest_output();
    return output ? output->cursor() : TextOutput::Position{};
}

void show_cursor(bool shown)
{
    screen_is_set_up = true;
    on_all([&](TextOutput& output) { output.show_cursor(shown); });
}

Result<void> set_scroll_region(unsigned top, unsigned bottom)
{
    unsigned rows = cells().rows;
    if (bottom == 0) bottom = rows;
    if (bottom > rows || bottom < 2 || top > bottom - 2) return Error::invalid;
    screen_is_set_up = true;
    on_all([=](TextOutput& output) {
        if (output.rows < 2) return;
        // The last row is the last one of every screen.
        unsigned end = bottom == rows ? output.rows : std::min(bottom, output.rows);
        output.set_scroll_region(top + 2 <= end ? top : 0, end);
    });
    return {};
}

void set_attribute(uint8_t attribute)
{
    present_attribute = attribute;
    on_all([&](TextOutput& output) { output.set_attribute(attribute); });
}

void clear()
{
    on_all([](TextOutput& output) { output.clear(); });
}

void scroll(int lines)
{
    on_all([&](TextOutput& output) { output.scroll(lines); });
}

void begin_anew()
{
    if (present_attribute != TextOutput::default_attribute)
        set_attribute(TextOutput::default_attribute);
    if (screen_is_set_up) {
        show_cursor(true);
        (void)set_scroll_region(0, 0);
        screen_is_set_up = false;
    }
    if (line_is_open) write("\n");
}

void poll_inputs()
{
    look_for_new_inputs();
    for (InputDevice* input = first_input_device(); input; input = input->next) {
        if (input->enabled) input->poll();
    }
}

bool hears(const InputDevice& device)
{
    look_for_new_inputs();  // it may interrupt before anyone has asked for a key
    return device.enabled;
}

// An input's poll() and its interrupt handler do the same work: not both at once.
[[gnu::noinline]] static int look_for_key()
{
    hal::show_trace();
    int code = -1;
    {
        hal::InterruptsOff interrupts;
        if (keys.pop(code)) return code;
        uint32_t mark = hal::trace_mark();
        poll_inputs();
        if (!keys.pop(code)) {
            code = -1;
            hal::trace_forget(mark);
        }
    }
    tell_lost_keys();
    return code;
}

int poll_key() { return keys.size() == 0 && hal::had_turn(key_turn) ? -1 : look_for_key(); }

int wait_key()
{
    for (;;) {
        debug::stop_point();
        hal::InterruptsOff interrupts;
        if (int code = poll_key(); code >= 0) return code;
        if (debug::payload_break_is_wanted()) return -static_cast<int>(Error::interrupted);
        interrupts.halt();
    }
}

void log(std::string_view line)
{
    look_for_new_outputs();  // they shall not see the line twice
    append_to_log(line);
    append_to_log("\n");
    if (line_is_open) write("\n");
    on_all([&](TextOutput& output) {
        output.write(line);
        output.write("\n");
    });
    hal::show_trace();
}

void write_trace(std::string_view line, std::string_view device)
{
    on_all([&](TextOutput& output) {
        if (output.name.view() == device) return;
        if (line_is_open) output.write("\n");
        output.write(line);
        output.write("\n");
    });
    line_is_open = false;
}

bool is_busy() { return busy; }

void take_key(const KeyInput& from, int code)
{
    if (!hears(from)) return;
    constexpr int control_c = 3, control_break = VESPER_KEY_PAUSE | VESPER_KEY_CONTROL;
    bool is_break = code == control_c || code == control_break;
    if (is_break && debug::on_break_key && debug::on_break_key(code)) return;
    keys.push(code);
}

void take_break(const KeyInput& from)
{
    if (hears(from)) debug::request_break();
}

LogText log_text()
{
    std::string_view newer(log_ring, log_next);
    if (!log_wrapped) return {"", newer};
    std::string_view older(log_ring + log_next, log_bytes - log_next);
    auto cut = older.find('\n');  // the line that is partly overwritten
    if (cut != older.npos) older.remove_prefix(cut + 1);
    return {older, newer};
}

}  // namespace console

// For the host tests.
void reset_console()
{
    using namespace console;
    log_next = 0;
    log_wrapped = false;
    line_is_open = false;
    present_attribute = TextOutput::default_attribute;
    keys.clear();
    keys.dropped = lost_keys_told = 0;
    chosen_names.clear();
    screen_is_set_up = false;
    counted_cells = {};
    counted_changes = 0;
    name_left_alone.clear();
}
