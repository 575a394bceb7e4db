// SPDX-License-Identifier: BSD-2-Clause
// The calls of include/vesper.h, in its order.
#include "api/api.h"
#include <algorithm>
#include <cstring>
#include "api/kexec.h"
#include "arch/cpu.h"
#include "arch/paging.h"
#include "arch/power.h"
#include "console/console.h"
#include "hal/log.h"
#include "hal/time.h"

namespace {

constexpr uint32_t max_handles = 32;
struct Handle {
    fs::Node* node = nullptr;
    uint64_t position = 0;
};
constinit Handle handles[max_handles];
constinit const BootInfo* boot_info = nullptr;

int code(Error error) { return -static_cast<int>(error); }
int code(const Result<void>& result) { return code(result.error()); }

Handle* handle_of(int file)
{
    auto index = static_cast<uint32_t>(file);
    return index < max_handles && handles[index].node ? &handles[index] : nullptr;
}

BlockDevice* block_device(int index)
{
    if (index < 0) return nullptr;
    BlockDevice* device = first_block_device();
    while (device && index--) device = device->next;
    return device;
}

int index_of(const BlockDevice* wanted)
{
    int index = 0;
    for (BlockDevice* device = first_block_device(); device; device = device->next, ++index) {
        if (device == wanted) return index;
    }
    return -1;
}

Result<fs::Node*> look_up(const char* path)
{
    if (!kexec::root()) return Error::not_found;
    return fs::look_up(*kexec::root(), path);
}

template <size_t N> void copy_text(char (&to)[N], std::string_view from)
{
    size_t length = std::min(N - 1, from.size());
    memcpy(to, from.data(), length);
    memset(to + length, 0, N - length);
}

}  // namespace

extern "C" {

// ---- the three of the seed

void api_emit(int c) { console::put_char(static_cast<char>(c)); }
int api_key() { return console::wait_key(); }
int api_keyq() { return console::poll_key(); }

// ---- console

int api_console_write(const char* text, uint32_t length)
{
    console::write({text, length});
    return static_cast<int>(length);
}

int api_console_cells(uint32_t* columns, uint32_t* rows)
{
    auto cells = console::cells();
    *columns = cells.columns;
    *rows = cells.rows;
    return 0;
}

int api_console_put(uint32_t column, uint32_t row, int c, uint32_t attribute)
{
    return code(
        console::put_cell(column, row, static_cast<char>(c), static_cast<uint8_t>(attribute)));
}

int api_console_move(uint32_t column, uint32_t row)
{
    return code(console::move_cursor(column, row));
}

int api_console_color(uint32_t attribute)
{
    console::set_attribute(static_cast<uint8_t>(attribute));
    return 0;
}

int api_console_clear()
{
    console::clear();
    return 0;
}

int api_console_scroll(int lines)
{
    console::scroll(lines);
    return 0;
}

// ---- block

int api_block_count()
{
    int count = 0;
    for (BlockDevice* device = first_block_device(); device; device = device->next) ++count;
    return count;
}

int api_block_info(int index, vesper_block_info* info)
{
    BlockDevice* device = block_device(index);
    if (!device) return VESPER_NOT_FOUND;
    info->blocks = device->blocks;
    info->first_block = device->first_block;
    info->block_bytes = device->block_bytes;
    info->disk = device->whole ? index_of(device->whole) : -1;
    info->read_only = device->read_only;
    copy_text(info->name, device->name);
    copy_text(info->model, device->model);
    return 0;
}

int api_block_find(const char* name)
{
    BlockDevice* device = find_block_device(name);
    return device ? index_of(device) : VESPER_NOT_FOUND;
}

int api_block_read(int index, uint64_t first, uint32_t count, void* into)
{
    BlockDevice* device = block_device(index);
    if (!device) return VESPER_NOT_FOUND;
    return code(device->read(first, count, static_cast<std::byte*>(into)));
}

// ---- file

int api_file_open(const char* path)
{
    auto node = look_up(path);
    if (!node) return code(node.error());
    for (uint32_t i = 0; i < max_handles; ++i) {
        if (handles[i].node) continue;
        handles[i] = {node.value(), 0};
        return static_cast<int>(i);
    }
    return VESPER_NO_MEMORY;
}

int api_file_close(int file)
{
    Handle* handle = handle_of(file);
    if (!handle) return VESPER_NOT_FOUND;
    *handle = {};
    return 0;
}

int api_file_read(int file, void* into, uint32_t bytes)
{
    Handle* handle = handle_of(file);
    if (!handle) return VESPER_NOT_FOUND;
    if (handle->node->type == fs::NodeType::directory) return VESPER_IS_DIRECTORY;
    if (handle->position >= handle->node->size) return 0;
    bytes = std::min<uint32_t>(bytes, 0x7fffffff);
    auto read = handle->node->read(handle->position, {static_cast<std::byte*>(into), bytes});
    if (!read) return code(read.error());
    handle->position += read.value();
    return static_cast<int>(read.value());
}

int api_file_seek(int file, uint64_t position)
{
    Handle* handle = handle_of(file);
    if (!handle) return VESPER_NOT_FOUND;
    handle->position = position;
    return 0;
}

int api_file_length(int file, uint64_t* bytes)
{
    Handle* handle = handle_of(file);
    if (!handle) return VESPER_NOT_FOUND;
    *bytes = handle->node->size;
    return 0;
}

int api_file_list(int directory, vesper_entry* entry)
{
    static constinit fs::DirectoryEntry found;
    Handle* handle = handle_of(directory);
    if (!handle) return VESPER_NOT_FOUND;
    if (handle->node->type != fs::NodeType::directory) return VESPER_NOT_DIRECTORY;
    auto next = handle->node->next_entry(handle->position, found);
    if (!next) return code(next.error());
    if (!next.value()) return 0;
    entry->id = found.id;
    entry->type = static_cast<uint32_t>(found.type);
    copy_text(entry->name, found.name);
    return 1;
}

int api_file_stat(const char* path, vesper_stat* stat)
{
    auto node = look_up(path);
    if (!node) return code(node.error());
    stat->bytes = node.value()->size;
    stat->modified = node.value()->modified_s;
    stat->id = node.value()->id;
    stat->type = static_cast<uint32_t>(node.value()->type);
    stat->mode = node.value()->mode;
    return 0;
}

// ---- time

uint64_t api_time_ticks() { return hal::now_us(); }

int api_time_sleep(uint64_t us)
{
    hal::sleep({us});
    return 0;
}

int api_time_date(vesper_date* date)
{
    CalendarClock* clock = first_calendar_clock();
    if (!clock) return VESPER_NOT_FOUND;
    auto now = clock->now();
    if (!now) return code(now.error());
    const CalendarTime& t = now.value();
    *date = {t.year, t.month, t.day, t.hour, t.minute, t.second, t.unix_seconds()};
    return 0;
}

// ---- memory

int api_memory_map(uint32_t index, vesper_range* range)
{
    if (index >= boot_info->range_count) return VESPER_NOT_FOUND;
    const MemoryRange& r = boot_info->ranges[index];
    *range = {r.start, r.bytes, static_cast<uint32_t>(r.type), 0};
    return 0;
}

int api_memory_map_physical(uint64_t physical, uint32_t bytes, uint32_t caching, void** address)
{
    if (caching > VESPER_WRITE_COMBINING) return VESPER_INVALID;
    auto mapped = paging::map(physical, bytes, static_cast<hal::Caching>(caching));
    if (mapped) *address = mapped.value();
    return code(mapped.error());
}

int api_memory_module(uint32_t index, void** start, uint32_t* bytes, const char** name)
{
    if (index >= boot_info->module_count) return VESPER_NOT_FOUND;
    const BootModule& module = boot_info->modules[index];
    *start = reinterpret_cast<void*>(static_cast<uintptr_t>(module.start));
    *bytes = static_cast<uint32_t>(module.bytes);
    *name = module.name.c_str();
    return 0;
}

// ---- power

int api_power_reboot() { power::reset(); }
int api_power_off() { return code(power::off()); }

// ---- debug

const char* api_debug_error_text(int error)
{
    return error >= 0 ? error_text(Error{}) : error_text(static_cast<Error>(-error));
}

int api_debug_log(const char* text)
{
    hal::log_line(text);
    return 0;
}

// The gates have their handlers' types.
decltype(api_emit) gate_emit;
decltype(api_key) gate_key;
decltype(api_keyq) gate_keyq;
decltype(api_console_write) gate_console_write;
decltype(api_console_cells) gate_console_cells;
decltype(api_console_put) gate_console_put;
decltype(api_console_move) gate_console_move;
decltype(api_console_color) gate_console_color;
decltype(api_console_clear) gate_console_clear;
decltype(api_console_scroll) gate_console_scroll;
decltype(api_block_count) gate_block_count;
decltype(api_block_info) gate_block_info;
decltype(api_block_find) gate_block_find;
decltype(api_block_read) gate_block_read;
decltype(api_file_open) gate_file_open;
decltype(api_file_close) gate_file_close;
decltype(api_file_read) gate_file_read;
decltype(api_file_seek) gate_file_seek;
decltype(api_file_length) gate_file_length;
decltype(api_file_list) gate_file_list;
decltype(api_file_stat) gate_file_stat;
decltype(api_time_ticks) gate_time_ticks;
decltype(api_time_sleep) gate_time_sleep;
decltype(api_time_date) gate_time_date;
decltype(api_memory_map) gate_memory_map;
decltype(api_memory_map_physical) gate_memory_map_physical;
decltype(api_memory_module) gate_memory_module;
decltype(api_power_reboot) gate_power_reboot;
decltype(api_power_off) gate_power_off;
decltype(api_debug_error_text) gate_debug_error_text;
decltype(api_debug_log) gate_debug_log;

}  // extern "C"

namespace api {

namespace {

constexpr vesper_console console_table = {
    .size = sizeof(vesper_console),
    .write = gate_console_write,
    .cells = gate_console_cells,
    .put = gate_console_put,
    .move = gate_console_move,
    .color = gate_console_color,
    .clear = gate_console_clear,
    .scroll = gate_console_scroll,
};
constexpr vesper_block block_table = {
    .size = sizeof(vesper_block),
    .count = gate_block_count,
    .info = gate_block_info,
    .find = gate_block_find,
    .read = gate_block_read,
};
constexpr vesper_file file_table = {
    .size = sizeof(vesper_file),
    .open = gate_file_open,
    .close = gate_file_close,
    .read = gate_file_read,
    .seek = gate_file_seek,
    .length = gate_file_length,
    .list = gate_file_list,
    .stat = gate_file_stat,
};
constexpr vesper_time time_table = {
    .size = sizeof(vesper_time),
    .ticks = gate_time_ticks,
    .sleep = gate_time_sleep,
    .date = gate_time_date,
};
constexpr vesper_memory memory_table = {
    .size = sizeof(vesper_memory),
    .map = gate_memory_map,
    .map_physical = gate_memory_map_physical,
    .module = gate_memory_module,
};
constexpr vesper_power power_table = {
    .size = sizeof(vesper_power),
    .reboot = gate_power_reboot,
    .off = gate_power_off,
};
constexpr vesper_debug debug_table = {
    .size = sizeof(vesper_debug),
    .error_text = gate_debug_error_text,
    .log = gate_debug_log,
};
constexpr vesper_service no_service = {sizeof(vesper_service)};

// A payload may write to it; the next one gets a new copy.
constexpr vesper table = {
    .emit = gate_emit,
    .key = gate_key,
    .keyq = gate_keyq,
    .magic = {'V', 'S', 'P', 'R'},
    .version = VESPER_VERSION,
    .size = sizeof(vesper),
    .arena_start = nullptr,
    .arena_end = nullptr,
    .args = nullptr,
    .console = &console_table,
    .input = &no_service,
    .block = &block_table,
    .file = &file_table,
    .display = &no_service,
    .net = &no_service,
    .time = &time_table,
    .memory = &memory_table,
    .device = &no_service,
    .interrupt = &no_service,
    .audio = &no_service,
    .random = &no_service,
    .power = &power_table,
    .debug = &debug_table,
};
constinit vesper given = {};

}  // namespace

void set_boot_info(const BootInfo& info) { boot_info = &info; }

const vesper* prepare(uint32_t arena_start, uint32_t arena_end, const char* args)
{
    given = table;
    given.arena_start = reinterpret_cast<void*>(arena_start);
    given.arena_end = reinterpret_cast<void*>(arena_end);
    given.args = args;
    return &given;
}

void clean_up()
{
    for (Handle& handle : handles) handle = {};
}

}  // namespace api
