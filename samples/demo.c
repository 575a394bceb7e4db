/* SPDX-License-Identifier: BSD-2-Clause
 * demo - what `./vesper run` shows without a payload: a tour of the machine, four pages long.
 *
 * F1 ... F4 or 1 ... 4 choose a page, q or Escape returns to the monitor, o switches the machine
 * off. With args=once it draws every page and switches off: for tests, and where nobody types.
 *
 * It is laid out for 80 x 24 cells, which every screen and serial terminal has. Text goes out by
 * write(); put(), a cell at a time, serves for what is not ASCII. */
#include "vesper.h"
#include "vesper_text.h"

enum { columns = 80, first_row = 3, key_row = 21 };

enum color { /* background << 4 | foreground */
             body = 0x17,
             dim = 0x19,
             label = 0x1b,
             value = 0x1f,
             title = 0x1e,
             bar = 0x70,
             tab = 0x30,
             chosen_tab = 0x1f,
             usual = 0x07
};

static const struct vesper* kernel;

/* ---- text ---- */

/* Where print() goes on, and in which colours. */
static void at(uint32_t column, uint32_t row, uint32_t attribute)
{
    kernel->console->move(column, row);
    kernel->console->color(attribute);
}
#define print(...) vesper_print(kernel, __VA_ARGS__)

/* A row of one colour, as wide as the widest screen. */
static void draw_bar(uint32_t row, uint32_t attribute)
{
    uint32_t width, height;
    kernel->console->cells(&width, &height);
    at(0, row, attribute);
    print("%80s", "");
    for (uint32_t column = columns; column < width; ++column)
        kernel->console->put(column, row, ' ', attribute);
}

static void draw_label(uint32_t row, const char* text)
{
    at(4, row, label);
    print("%-14s", text);
    kernel->console->color(value);
}

static const char* size_text(uint64_t bytes)
{
    static char text[24];
    static const char* const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    uint32_t unit = 0;
    for (; bytes >= 10240 && unit < 4; ++unit) bytes /= 1024;
    vesper_format(text, sizeof text, "%llu %s", (unsigned long long)bytes, units[unit]);
    return text;
}

/* ---- page 1: the machine ---- */

static void draw_name(uint32_t row)
{
    /* Six letters of five by five points, a row of all of them after the other, V on the left. */
    static const uint8_t letters[5][6] = {{021, 037, 017, 036, 037, 036},
                                          {021, 020, 020, 021, 020, 021},
                                          {012, 036, 016, 036, 036, 036},
                                          {012, 020, 001, 020, 020, 022},
                                          {004, 037, 036, 020, 037, 021}};
    static const uint8_t shades[5] = {0xf0, 0xb0, 0xb0, 0x30, 0x30};
    for (uint32_t y = 0; y < 5; ++y) {
        for (uint32_t i = 0; i < 30; ++i) {
            if (letters[y][i / 5] >> (4 - i % 5) & 1) {
                at(4 + i / 5 * 12 + i % 5 * 2, row + y, shades[y]);
                print("  ");
            }
        }
    }
}

static uint64_t ram_bytes(void)
{
    struct vesper_range range;
    uint64_t bytes = 0;
    for (uint32_t i = 0; kernel->memory->map(i, &range) >= 0; ++i)
        bytes += range.type == VESPER_RAM ? range.bytes : 0;
    return bytes;
}

static int has_display(void)
{
    struct vesper_display_info info;
    return kernel->display->info(0, &info) >= 0;
}

static int has_net(void)
{
    struct vesper_net_info info;
    return kernel->net->info(0, &info) >= 0;
}

static int has_audio(void)
{
    struct vesper_audio_info info;
    return kernel->audio->info(0, &info) >= 0;
}

static void draw_services(uint32_t row)
{
    const struct {
        const char* name;
        int there;
    } services[] = {{"console", 1},
                    {"input", 1},
                    {"block", 1},
                    {"file", 1},
                    {"display", has_display()},
                    {"net", has_net()},
                    {"time", 1},
                    {"memory", 1},
                    {"device", 1},
                    {"interrupt", 1},
                    {"audio", has_audio()},
                    {"random", 1},
                    {"power", 1},
                    {"debug", 1}};
    for (int there = 1; there >= 0; --there) {
        uint32_t names = 0;
        draw_label(row++, there ? "Services" : "No device");
        for (uint32_t i = 0; i < sizeof services / sizeof *services; ++i) {
            if (services[i].there != there) continue;
            if (names++ == 8) at(18, row++, value);
            kernel->console->color(there ? value : dim);
            print("%s ", services[i].name);
        }
    }
}

static void draw_machine(void)
{
    uint32_t width, height, row = first_row + 7;
    uint32_t start = (uint32_t)(uintptr_t)kernel->arena_start;
    uint32_t end = (uint32_t)(uintptr_t)kernel->arena_end;

    draw_name(first_row);
    at(4, row - 1, body);
    print("An i386 kernel without a userland: this program has the machine to itself.");

    draw_label(++row, "Kernel");
    print("version %u.%u, struct vesper of %u bytes at 0x%08x", kernel->version >> 16,
          kernel->version & 0xffff, kernel->size, (uint32_t)(uintptr_t)kernel);
    draw_label(++row, "Memory");
    print("%s of RAM; ", size_text(ram_bytes()));
    print("ours: %s from 0x%08x on", size_text(end - start), start);
    draw_label(++row, "Program");
    print("%u bytes at 0x%08x", start - VESPER_KEXECADDR, VESPER_KEXECADDR);
    draw_label(++row, "Arguments");
    print("%.60s", kernel->args[0] ? kernel->args : "none; try --append args=hello");
    draw_label(++row, "Screen");
    kernel->console->cells(&width, &height);
    print("%u x %u cells", width, height);
    draw_services(++row);
}

/* ---- page 2: memory ---- */

static void draw_memory(void)
{
    static const char* const names[] = {"?", "RAM", "reserved", "ACPI tables", "ACPI NVS", "bad"};
    static const uint8_t colors[] = {0x40, 0x20, 0x60, 0x30, 0x50, 0x40}; /* of the bar */
    enum { bar_cells = 72 };
    struct vesper_range range;
    uint64_t ram_end = 1;
    uint32_t row = first_row;

    at(4, row, label);
    print("%-24s %16s  %s", "Physical addresses", "Size", "What is there");
    for (uint32_t i = 0; kernel->memory->map(i, &range) >= 0; ++i) {
        uint32_t type = range.type <= VESPER_UNUSABLE ? range.type : 0;
        if (type == VESPER_RAM) ram_end = range.start + range.bytes;
        if (++row > first_row + 12) continue;
        at(4, row, type == VESPER_RAM ? value : body);
        print("%09llx ... %09llx %16s  ", (unsigned long long)range.start,
              (unsigned long long)(range.start + range.bytes - 1), size_text(range.bytes));
        kernel->console->color(colors[type] | 0x0f);
        print(" %s ", names[type]);
    }

    at(4, key_row - 4, label);
    print("From 0 to the end of RAM");
    for (uint32_t cell = 0; cell < bar_cells; ++cell) {
        uint64_t address = ram_end * cell / bar_cells;
        uint32_t color = 0x00;
        for (uint32_t i = 0; kernel->memory->map(i, &range) >= 0; ++i) {
            if (address - range.start < range.bytes) color = colors[range.type % 6];
        }
        at(4 + cell, key_row - 3, color);
        print(" ");
    }
}

/* ---- page 3: disks and the root ---- */

static uint32_t draw_disks(uint32_t row, uint32_t most)
{
    uint32_t count = (uint32_t)kernel->block->count();
    at(4, row, label);
    print("%-10s %12s %8s  %s", "Disk", "Size", "Block", "What it is");
    if (!count) {
        at(4, ++row, dim);
        print("none");
    }
    for (uint32_t device = 0; device < count && device < most; ++device) {
        struct vesper_block_info info;
        if (kernel->block->info((int)device, &info) < 0) continue;
        uint32_t color = info.disk < 0 ? value : body;
        at(info.disk < 0 ? 4 : 6, ++row, color);
        print("%s", info.name);
        at(14, row, color);
        print("%12s %8u  %.40s", size_text(info.blocks * info.block_bytes), info.block_bytes,
              info.model);
    }
    return row;
}

/* The names in the root directory, in two columns. */
static void draw_root(uint32_t row)
{
    static struct vesper_entry entry; /* large */
    struct vesper_stat stat;
    uint32_t rows = key_row - 2 - row, count = 0;
    int directory = kernel->file->open("/");

    at(4, row, label);
    print("The root directory");
    if (directory < 0) {
        print(": %s", kernel->debug->error_text(directory));
        return;
    }
    for (; kernel->file->list(directory, &entry) > 0; ++count) {
        if (count >= 2 * rows) continue;
        at(4 + count / rows * 37, row + 1 + count % rows,
           entry.type == VESPER_FILE ? value : title);
        print("%.23s%s", entry.name, entry.type == VESPER_DIRECTORY ? "/" : "");
        if (entry.type != VESPER_FILE || kernel->file->stat(entry.name, &stat) < 0) continue;
        at(4 + count / rows * 37 + 24, row + 1 + count % rows, body);
        print("%10s", size_text(stat.bytes));
    }
    kernel->file->close(directory);
    at(24, row, body);
    print(count == 1 ? "%u entry" : "%u entries", count);
}

static void draw_storage(void) { draw_root(draw_disks(first_row, 8) + 2); }

/* ---- page 4: colours and characters ---- */

static void draw_colors(void)
{
    at(4, first_row, label);
    print("%-51s %s", "Background and foreground", "Code page 437");
    for (uint32_t attribute = 0; attribute < 256; ++attribute) {
        if (attribute % 16 == 0) at(4, first_row + 1 + attribute / 16, attribute);
        kernel->console->color(attribute);
        print("%02x ", attribute);
    }
    for (int c = 1; c < 256; ++c) {
        uint32_t column = 56 + (uint32_t)c % 16, row = first_row + 1 + (uint32_t)c / 16;
        kernel->console->put(column, row, c, value);
    }
}

/* ---- keys ---- */

static void name_key(int key, char* name, uint32_t size)
{
    static const char* const named[] = {"Up",    "Down",    "Left",      "Right",  "Home",
                                        "End",   "Page Up", "Page Down", "Insert", "Delete",
                                        "Pause", "Print",   "Menu",      "Center"};
    int plain = key & 0xfff;
    uint32_t length =
        vesper_format(name, size, "%s%s%s", key & VESPER_KEY_CONTROL ? "Ctrl-" : "",
                      key & VESPER_KEY_ALT ? "Alt-" : "", key & VESPER_KEY_SHIFT ? "Shift-" : "");
    name += length, size -= length;
    if (plain >= VESPER_KEY_F1 && plain <= VESPER_KEY_F12)
        vesper_format(name, size, "F%d", plain - VESPER_KEY_F1 + 1);
    else if (plain >= VESPER_KEY_UP && plain <= VESPER_KEY_CENTER)
        vesper_format(name, size, "%s", named[plain - VESPER_KEY_UP]);
    else if (plain > ' ' && plain < 0x7f)
        vesper_format(name, size, "%c", plain);
    else if (plain == '\t' || plain == '\b' || plain == '\r' || plain == 27 || plain == ' ')
        vesper_format(name, size, "%s",
                      plain == '\t'   ? "Tab"
                      : plain == '\b' ? "Backspace"
                      : plain == '\r' ? "Enter"
                      : plain == 27   ? "Escape"
                                      : "Space");
    else if (plain >= 1 && plain <= 26)
        vesper_format(name, size, "Ctrl-%c", 'A' + plain - 1);
    else
        vesper_format(name, size, "?");
}

/* Shows a key, and those before it, the newest first. */
static void show_key(int key)
{
    static char before[64];
    char name[32], names[64];

    at(4, key_row, label);
    print("%-14s", "Type a key");
    if (key < 0) return;
    name_key(key, name, sizeof name);
    kernel->console->color(title);
    print("%-20s", name);
    kernel->console->color(value);
    print("code %5d = 0x%04x", key, key);
    draw_label(key_row + 1, "Before it");
    kernel->console->color(body);
    print("%-61s", before);
    vesper_format(names, sizeof names, "%s %s", name, before);
    vesper_format(before, 61, "%s", names);
    at(18, key_row, value);
}

/* ---- the screen ---- */

static const struct {
    const char* name;
    void (*draw)(void);
} pages[] = {{"Machine", draw_machine},
             {"Memory", draw_memory},
             {"Disks", draw_storage},
             {"Colours", draw_colors}};
enum { page_count = sizeof pages / sizeof *pages };

static void draw_time(void)
{
    struct vesper_date date;
    uint32_t uptime = (uint32_t)(kernel->time->ticks() / 1000000);
    int error = kernel->time->date(&date);
    at(47, 0, bar);
    if (error < 0)
        print("%19s", "");
    else
        print("%04u-%02u-%02u %02u:%02u:%02u", date.year, date.month, date.day, date.hour,
              date.minute, date.second);
    print("   up %u:%02u:%02u", uptime / 3600, uptime / 60 % 60, uptime % 60);
    at(18, key_row, value);
}

static void draw_page(uint32_t page)
{
    uint32_t width, height;
    kernel->console->cells(&width, &height);
    kernel->console->color(body);
    kernel->console->clear();
    draw_bar(0, bar);
    at(1, 0, bar);
    print("Vesper: a demonstration");
    draw_bar(1, tab);
    for (uint32_t i = 0; i < page_count; ++i) {
        at(1 + i * 14, 1, i == page ? chosen_tab : tab);
        print(" F%u %s ", i + 1, pages[i].name);
    }
    pages[page].draw();
    draw_bar(height - 1, bar); /* of the largest screen; on a smaller one the last row is nearest */
    at(1, height - 1, bar);
    print("1-4, F1-F4, arrows: pages    q, Escape: to the monitor    o: power off");
    show_key(-1);
    draw_time();
}

/* The page that a key leads to; `page` if it leads nowhere. */
static uint32_t page_after(int key, uint32_t page)
{
    if (key >= '1' && key < '1' + page_count) return (uint32_t)(key - '1');
    if (key >= VESPER_KEY_F1 && key - VESPER_KEY_F1 < page_count)
        return (uint32_t)(key - VESPER_KEY_F1);
    if (key == VESPER_KEY_RIGHT || key == '\t') return (page + 1) % page_count;
    if (key == VESPER_KEY_LEFT) return (page + page_count - 1) % page_count;
    return page;
}

static int leave(int power_off)
{
    kernel->console->color(usual);
    kernel->console->clear();
    if (!power_off) return 0;
    int error = kernel->power->off(); /* returns only if it failed */
    print("power off: %s\n", kernel->debug->error_text(error));
    return error;
}

static int is_once(const char* args)
{
    return args[0] == 'o' && args[1] == 'n' && args[2] == 'c' && args[3] == 'e' && !args[4];
}

int main(struct vesper* vesper)
{
    uint32_t page = 0;
    uint64_t second = 0;

    kernel = vesper;
    if (is_once(vesper->args)) {
        for (page = 0; page < page_count; ++page) draw_page(page);
        return leave(1);
    }
    draw_page(page);
    for (;;) {
        int key = vesper->keyq();
        if (key == 'q' || key == 27) return leave(0);
        if (key == 'o') return leave(1);
        uint32_t next = page_after(key, page);
        if (next != page) draw_page(page = next);
        if (key >= 0) show_key(key);
        if (vesper->time->ticks() / 1000000 != second) {
            second = vesper->time->ticks() / 1000000;
            draw_time();
        }
        if (key < 0) __asm__ volatile("hlt"); /* until an interrupt: a key's, or the clock's */
    }
}
