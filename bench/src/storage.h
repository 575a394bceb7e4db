/* SPDX-License-Identifier: BSD-2-Clause
 * The work that is measured of disks and file systems: the same source for Vesper
 * (storage_vesper.c) and for Linux (storage_linux.c), which define what is declared here first.
 *
 * The command line's words say what to do; each row is two markers (marker.inc) and then a line
 * "@row NAME" on the serial port. "@done" ends it, "@failed WHAT" too.
 *   work=disk mib=N count=N      `count` requests of 4 KiB at random in the first `mib`, then `mib`
 *                                in a row
 *   work=files mib=N count=N size=N
 *                                a file of `mib`, `count` small files in a folder; the disk has
 *                                `size` MiB
 *   work=folder count=N          what a folder of 100, 1,000 ... `count` files costs
 *   work=volume                  what the first file costs
 * A disk's blocks of 4 KiB begin with their mark(); so does each MiB of a file. */
#include "vesper.h"
#include "vesper_text.h"

enum { mib = 1 << 20, block = 4096, at_once = 32, most_requests = 4096, few = 100, rounds = 10 };

static const char* word(const char* name); /* the value of NAME=VALUE; "" without */

static void open_disk(void);
static void transfer(int writes, uint32_t first, uint32_t blocks, void* data);
/* A block each, `at_once` under way; reads are checked. */
static void transfer_many(int writes, const uint32_t* blocks, uint32_t count);

static void mount_volume(void);
static void unmount_volume(void);
static int can_write(void);
static int exists(const char* name);
static int open_file(const char* name); /* < 0: it is not there */
static int make_file(const char* name);
static void read_file(int file, void* into, uint32_t bytes);
static void write_file(int file, const void* from, uint32_t bytes);
static void close_file(int file);
static void make_folder(const char* name);
static uint32_t list_folder(const char* name); /* how many entries */
static void sync_volume(void);

static uint8_t data[mib] __attribute__((aligned(4096)));
static uint8_t buffers[at_once][block] __attribute__((aligned(4096)));
static uint32_t chosen[most_requests];

/* ---- what it says ---- */

static inline void marker(void)
{
    __asm__ volatile(".byte 0x0f, 0x1f, 0x80, 0x01, 'M', 'B', 'K'" : : : "memory");
}

static void say(const char* text)
{
    for (; *text; ++text) {
        uint8_t status;
        do __asm__ volatile("inb %w1, %b0" : "=a"(status) : "d"(0x3fd));
        while (!(status & 0x20));
        __asm__ volatile("outb %b0, %w1" : : "a"(*text), "d"(0x3f8));
    }
}

static void finish(const char* how)
{
    say(how);
    say("\n");
    for (;;) __asm__ volatile("pause");
}

static void must(int good, const char* what)
{
    if (good) return;
    say("@failed ");
    finish(what);
}

static void row(const char* name)
{
    marker();
    say("@row ");
    say(name);
    say("\n");
}

static uint32_t number(const char* name)
{
    const char* digits = word(name);
    return vesper_number_(&digits);
}

static int is(const char* text, const char* other)
{
    while (*text && *text == *other) ++text, ++other;
    return *text == *other;
}

static uint32_t mark(uint32_t number) { return (number + 1) * 2654435761u; }
static uint32_t* first_word(void* of) { return of; }

static uint32_t random(void)
{
    static uint32_t seed = 12345;
    seed = seed * 1664525 + 1013904223;
    return seed >> 8;
}

/* ---- disks ---- */

static void one_by_one(int writes, uint32_t count)
{
    for (uint32_t i = 0; i < count; ++i) {
        *first_word(data) = writes ? mark(chosen[i]) : 0;
        transfer(writes, chosen[i], 1, data);
        must(*first_word(data) == mark(chosen[i]), "a block is another");
    }
}

static void in_a_row(int writes, uint32_t length)
{
    for (uint32_t i = 0; i < length; ++i) {
        *first_word(data) = writes ? mark(i * (mib / block)) : 0;
        transfer(writes, i * (mib / block), mib / block, data);
        must(*first_word(data) == mark(i * (mib / block)), "a MiB is another");
    }
}

static void measure_disk(void)
{
    uint32_t length = number("mib"), count = number("count");
    must(count <= most_requests, "too many requests");
    for (uint32_t i = 0; i < count; ++i) chosen[i] = random() % (length * (mib / block));
    open_disk();
    marker(), one_by_one(0, count), row("read-1");
    marker(), one_by_one(1, count), row("write-1");
    marker(), transfer_many(0, chosen, count), row("read-32");
    marker(), transfer_many(1, chosen, count), row("write-32");
    marker(), in_a_row(0, length), row("read");
    marker(), in_a_row(1, length), row("write"); /* last: it leaves no other marks */
}

/* ---- file systems ---- */

/* Short enough to be one entry of 32 bytes on FAT. */
static const char* file_name(uint32_t number)
{
    static char name[] = "made/F0000000";
    for (int at = 12; at > 5; --at, number /= 10) name[at] = (char)('0' + number % 10);
    return name;
}

static void write_big(uint32_t length)
{
    int file = make_file("new");
    for (uint32_t i = 0; i < length; ++i) {
        *first_word(data) = mark(i);
        write_file(file, data, mib);
    }
    sync_volume();
    close_file(file);
}

static void read_raw(uint32_t first, uint32_t length)
{
    for (uint32_t i = 0; i < length; ++i) transfer(0, first + i * (mib / block), mib / block, data);
}

static void read_big(int file, uint32_t length)
{
    for (uint32_t i = 0; i < length; ++i) {
        read_file(file, data, mib);
        must(*first_word(data) == mark(i), "a file is another");
    }
    close_file(file);
}

/* Another system wrote it; some have no tool for that. */
static int open_big(void)
{
    int file = open_file("big");
    return file < 0 ? open_file("new") : file;
}

/* The disk's block from which on a file in one piece would have the same MiB in its middle as "big"
 * has: what the host's cache holds there is as fast as the file itself. */
static uint32_t place_of_big(uint32_t length)
{
    uint8_t middle[64];
    uint32_t disk = number("size");
    mount_volume();
    int file = open_big();
    for (uint32_t i = 0; i <= length / 2; ++i) read_file(file, data, mib);
    for (uint32_t i = 0; i < sizeof middle; ++i) middle[i] = data[i];
    close_file(file);
    unmount_volume();
    for (uint32_t i = length / 2; i < disk - length / 2; ++i) {
        transfer(0, i * (mib / block), mib / block, data);
        for (uint32_t at = 0; at < mib; at += 512) {
            uint32_t same = 0;
            while (same < sizeof middle && data[at + same] == middle[same]) ++same;
            if (same == sizeof middle) return (i - length / 2) * (mib / block) + at / block;
        }
    }
    must(0, "the file is not where the raw device can be read instead");
    return 0;
}

static void make_small(uint32_t number, uint32_t bytes)
{
    int file = make_file(file_name(number));
    if (bytes) write_file(file, data, bytes);
    close_file(file);
}

static void make_many(uint32_t count)
{
    make_folder("made");
    for (uint32_t i = 0; i < count; ++i) make_small(i, 1024);
    sync_volume();
}

static void measure_files(void)
{
    uint32_t length = number("mib"), count = number("count");
    mount_volume();
    if (can_write()) {
        marker(), write_big(length), row("write");
        marker(), make_many(count), row("make");
    }
    unmount_volume();
    open_disk();
    uint32_t place = place_of_big(length);
    for (uint32_t i = 0; i < rounds; ++i) { /* in turns, so that both find the host as it is */
        marker(), read_raw(place, length), row("raw");
        mount_volume();
        int file = open_big();
        marker(), read_big(file, length), row("read");
        if (i < rounds - 1) unmount_volume();
    }
    const char* folder = exists("many") ? "many" : "made";
    marker();
    must(list_folder(folder) == count, "the folder has another number of files");
    row("list");
    unmount_volume();
}

static void look_up(uint32_t count, uint32_t from)
{
    for (uint32_t i = 0; i < few; ++i) {
        uint32_t number = random() % count + from;
        must(exists(file_name(number)) == !from, "a file is there, or is not");
    }
}

static void measure_folder(void)
{
    uint32_t made = 0, most = number("count");
    mount_volume();
    if (!can_write()) return;
    make_folder("made");
    for (uint32_t count = few; count <= most; count *= 10) {
        for (; made < count - few; ++made) make_small(made, 0);
        marker();
        for (; made < count; ++made) make_small(made, 0);
        row("make");
        marker(), look_up(count, 0), row("find");
        marker(), look_up(count, count), row("miss");
        sync_volume();
        unmount_volume();
        mount_volume();
        marker();
        must(exists(file_name(count / 2)), "a file is not there");
        row("first");
    }
}

static void measure_volume(void)
{
    marker(), mount_volume(), row("mount");
    if (!can_write()) return;
    make_folder("made");
    marker();
    make_small(0, mib);
    row("make");
    marker(), sync_volume(), row("sync");
    marker();
    must(exists(file_name(0)), "a file is not there");
    row("find");
    unmount_volume();
}

static void work(void)
{
    static const struct {
        const char* name;
        void (*measure)(void);
    } works[] = {{"disk", measure_disk},
                 {"files", measure_files},
                 {"folder", measure_folder},
                 {"volume", measure_volume}};
    for (uint32_t i = 0; i < sizeof works / sizeof *works; ++i) {
        if (is(word("work"), works[i].name)) works[i].measure(), finish("@done");
    }
    must(0, "there is no such work");
}
