/* SPDX-License-Identifier: BSD-2-Clause
 * Calls that no sample has: dates, deadlines, ports, links, discard. Then it opens the monitor. */
#include "vesper.h"
#include "vesper_text.h"

static struct vesper* v;

static void check(const char* what, int good)
{
    vesper_print(v, "%s %s\n", good ? "PASS" : "FAIL", what);
}

static int same(const char* one, const char* other)
{
    while (*one && *one == *other) ++one, ++other;
    return *one == *other;
}

static void check_time(void)
{
    const struct vesper_time* time = v->time;
    struct vesper_date date = {0, 0, 0, 0, 0, 0, 0};
    struct vesper_clock clock;
    int good = time->to_date(951782399, &date) == 0; /* one second before 2000-02-29 */
    check("to_date", good && date.year == 2000 && date.month == 2 && date.day == 28 &&
                         date.hour == 23 && date.minute == 59 && date.second == 59);
    date.unix_seconds = 0;
    check("from_date", time->from_date(&date) == 0 && date.unix_seconds == 951782399);
    date.day = 30;
    check("no such date",
          time->from_date(&date) == VESPER_INVALID && time->to_date(-1, &date) == VESPER_INVALID);
    uint64_t end = time->ticks() + 30000;
    check("sleep_until", time->sleep_until(end) == 0 && time->ticks() >= end &&
                             time->ticks() < end + 5000000 && time->sleep_until(0) == 0);
    good = time->clock(&clock) == 0;
    check("clock", good && ((same(clock.name, "pit") && clock.hertz == 1193182) ||
                            (same(clock.name, "tsc") && clock.hertz > 2000000)));
}

static void check_ports(void)
{
    const struct vesper_device* device = v->device;
    uint32_t mask = 0, again = 0;
    int good = device->read_port(0xa1, 1, &mask) == 0; /* of the second 8259 */
    good &= device->write_port(0xa1, 1, mask | 0x80) == 0;
    good &= device->read_port(0xa1, 1, &again) == 0 && again == (mask | 0x80);
    good &= device->write_port(0xa1, 1, mask) == 0 && device->read_port(0xa1, 1, &again) == 0;
    check("ports", good && again == mask);
    check("no such ports", device->read_port(0xffff, 2, &mask) == VESPER_INVALID &&
                               device->write_port(0x80, 3, 0) == VESPER_INVALID &&
                               device->write_port(0x10000, 1, 0) == VESPER_INVALID);
}

static void check_files(void)
{
    const struct vesper_file* file = v->file;
    struct vesper_stat stat;
    char text[16];
    uint64_t position = 0;
    int new = VESPER_OPEN_READ | VESPER_OPEN_WRITE | VESPER_OPEN_CREATE | VESPER_OPEN_EXCLUSIVE;
    int f = file->open_as("ram:/file", (uint32_t) new);
    int good = file->write(f, "0123456789", 10) == 10 && file->position(f, &position) == 0;
    check("position", good && position == 10);
    good = file->truncate(f, 4) == 0 && file->stat_file(f, &stat) == 0 && stat.bytes == 4;
    good &= file->truncate(f, 6) == 0 && file->seek(f, 0) == 0 && file->read(f, text, 16) == 6;
    check("truncate", good && text[3] == '3' && text[4] == 0 && text[5] == 0);
    check("exclusive", file->open_as("ram:/file", (uint32_t) new) == VESPER_EXISTS);
    good = file->link("ram:/file", "ram:/second") == 0 && file->remove("ram:/file") == 0;
    check("link", good && file->stat("ram:/second", &stat) == 0 && stat.bytes == 6);
    good = file->make_link("ram:/leads", "second") == 0 &&
           file->stat_link("ram:/leads", &stat) == 0 && stat.type == VESPER_LINK;
    good &= file->stat("ram:/leads", &stat) == 0 && stat.type == VESPER_FILE;
    check("make_link", good && file->read_link("ram:/leads", text, 7) == 6 && same(text, "second"));
    check("read_link", file->read_link("ram:/leads", text, 6) == VESPER_TOO_LARGE &&
                           file->read_link("ram:/second", text, 16) == VESPER_INVALID);
    good = file->set_mode("ram:/second", 0600) == 0 && file->stat("ram:/second", &stat) == 0;
    check("set_mode", good && (stat.mode & 07777) == 0600);
    check("volumes", file->rename("ram:/second", "/second") == VESPER_UNSUPPORTED);
    file->close(f);
    f = file->open_as("/new", (uint32_t) new);
    check("a disk's files", f >= 0 && file->write(f, "12345", 5) == 5 && file->sync_file(f) == 0 &&
                                file->close(f) == 0 && file->remove("/new") == 0);
    check("set_cache", file->set_cache("ram", 0) == VESPER_UNSUPPORTED &&
                           file->set_cache("none", 0) == VESPER_NOT_FOUND &&
                           file->set_cache("wd0p1", 65536) == 0);
}

int main(struct vesper* vesper)
{
    v = vesper;
    check_time();
    check_ports();
    check_files();
    check("discard", v->block->discard(0, ~0ull, 1) == VESPER_INVALID);
    check("trays",
          v->block->eject(0) == VESPER_UNSUPPORTED && v->block->load(1000) == VESPER_NOT_FOUND);
    vesper_print(v, "DONE\n");
    int entered = v->debug->enter();
    vesper_print(v, "went on with %d\n", entered);
    return 7;
}
