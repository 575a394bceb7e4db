/* SPDX-License-Identifier: BSD-2-Clause
 * Reads "big" of each volume but the root twice, a MiB at a time from an odd place and from the
 * beginning, and says what the sum of all its bytes is, as gzip has it (CRC-32). */
#include "vesper.h"
#include "vesper_text.h"

enum { piece = 1 << 20 };

static struct vesper* v;
static uint8_t data[piece];
static uint32_t table[256];

static void make_table(void)
{
    for (uint32_t n = 0; n < 256; ++n) {
        uint32_t value = n;
        for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ (value & 1 ? 0xedb88320u : 0);
        table[n] = value;
    }
}

static void sum(const struct vesper_volume* volume, uint64_t from)
{
    char path[40];
    uint32_t crc = ~0u;
    int count;
    vesper_format(path, sizeof path, "%s:/big", volume->name);
    int file = v->file->open(path);
    v->file->seek(file, from);
    while ((count = v->file->read(file, data, piece)) > 0) {
        for (int n = 0; n < count; ++n) crc = crc >> 8 ^ table[(crc ^ data[n]) & 255];
    }
    v->file->close(file);
    vesper_print(v, "%s from %u: %x, %d\n", volume->type, (uint32_t)from, ~crc, count);
}

int main(struct vesper* vesper)
{
    struct vesper_volume volume;
    struct vesper_block_info info;
    v = vesper;
    make_table();
    for (int i = 0; v->block->info(i, &info) >= 0; ++i) v->file->mount(i);
    for (uint32_t i = 1; v->file->volume(i, &volume) >= 0; ++i) {
        sum(&volume, 12345);
        sum(&volume, 0);
    }
    return 0;
}
