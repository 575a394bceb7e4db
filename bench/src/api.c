/* SPDX-License-Identifier: BSD-2-Clause
 * Counts the instructions of calls. Under QEMU's -icount shift=0 each takes a nanosecond, and so
 * does a tick of the time stamp counter. Of many rounds the least: interrupts fall into some. */
#include "vesper.h"
#include "vesper_text.h"

enum { rounds = 200 };

static struct vesper* v;
static int disk, file;
static uint8_t buffer[4096], other[4096];
static char line[80];

static uint64_t tsc(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

/* On the serial port: the console is somebody else's. */
static void say(const char* text)
{
    for (; *text; ++text) {
        uint8_t status;
        do __asm__ volatile("inb %w1, %b0" : "=a"(status) : "d"(0x3fd));
        while (!(status & 0x20));
        __asm__ volatile("outb %b0, %w1" : : "a"(*text), "d"(0x3f8));
    }
}

static void nothing(void) {}
static void hide_cursor(void) { v->console->move(0, 0), v->console->show_cursor(0); }
static void show_cursor(void) { v->console->move(0, 0), v->console->show_cursor(1); }
static void keyq(void) { v->keyq(); }
static void ticks(void) { v->time->ticks(); }
static void emit(void) { v->emit('x'); }
static void write(void) { v->console->write(line, sizeof line); }
static void block_read(void) { v->block->read(disk, 0, 1, buffer); }
static void read_512(void) { v->file->read(file, buffer, 512); }
static void read_4k(void) { v->file->read(file, buffer, sizeof buffer); }
static void seek(void) { v->file->seek(file, 0); }
static void open_close(void) { v->file->close(v->file->open("/data")); }
static void fill(void) { v->random->fill(buffer, 16); }
static void copy_4k(void)
{
    void *to = buffer, *from = other;
    uint32_t count = sizeof buffer / 4;
    __asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
}

/* What begins each round is not counted. */
static uint32_t least(void (*before)(void), void (*what)(void))
{
    uint32_t best = ~0u;
    for (int i = 0; i < rounds; ++i) {
        before();
        uint64_t start = tsc();
        what();
        uint64_t end = tsc();
        if (end - start < best) best = (uint32_t)(end - start);
    }
    return best;
}

static const struct {
    const char* name;
    void (*before)(void);
    void (*what)(void);
} rows[] = {
    {"keyq", nothing, keyq},        {"ticks", nothing, ticks},
    {"emit", hide_cursor, emit},    {"emit-cursor", show_cursor, emit},
    {"write", nothing, write},      {"fill", nothing, fill},
    {"open", nothing, open_close},  {"read-512", seek, read_512},
    {"read-4096", seek, read_4k},   {"copy-4096", nothing, copy_4k},
    {"block", nothing, block_read},
};

int main(struct vesper* vesper)
{
    uint32_t empty, results[sizeof rows / sizeof *rows];
    v = vesper;
    disk = v->block->find("wd0");
    file = v->file->open("/data");
    __builtin_memset(line, 'x', sizeof line);
    v->time->sleep(200000); /* then the time stamp counter is the clock */
    empty = least(nothing, nothing);
    for (uint32_t i = 0; i < sizeof rows / sizeof *rows; ++i)
        results[i] = least(rows[i].before, rows[i].what) - empty;
    for (uint32_t i = 0; i < sizeof rows / sizeof *rows; ++i) {
        char text[64];
        vesper_format(text, sizeof text, "%s %u\n", rows[i].name, results[i]);
        say(text);
    }
    say("counted\n");
    return 0;
}
