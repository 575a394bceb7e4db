/* SPDX-License-Identifier: BSD-2-Clause
 * Writes files until the plug is pulled, and says which have been synced: round after round some
 * new ones, one that replaces another by rename, and one that is removed. */
#include "vesper.h"
#include "vesper_text.h"

enum { per_round = 4, most = 20000 };

static struct vesper* v;
static char path[32], other[32];
static uint8_t data[most];

/* What file number n holds; the test knows it, too. */
static uint32_t fill(uint32_t n)
{
    uint32_t bytes = n * 977 % most + 1;
    for (uint32_t i = 0; i < bytes; ++i) data[i] = (uint8_t)(n + i * 7 + i / 256);
    return bytes;
}

static int put(const char* name, uint32_t n)
{
    uint32_t bytes = fill(n);
    int file = v->file->open_as(name, VESPER_OPEN_WRITE | VESPER_OPEN_CREATE);
    if (file < 0) return file;
    int done = v->file->write(file, data, bytes);
    v->file->close(file);
    return done == (int)bytes ? 0 : VESPER_NO_SPACE;
}

static int make_round(uint32_t round)
{
    int error = 0;
    for (uint32_t i = 0; i < per_round && error >= 0; ++i) {
        vesper_format(path, sizeof path, "/d/file%u", round * per_round + i);
        error = put(path, round * per_round + i);
    }
    if (error >= 0) error = put("/d/new", round);
    if (error >= 0) error = v->file->rename("/d/new", "/d/latest");
    if (error >= 0 && round >= 8) {
        vesper_format(other, sizeof other, "/d/file%u", (round - 8) * per_round);
        error = v->file->remove(other);
    }
    return error < 0 ? error : v->file->sync();
}

int main(struct vesper* vesper)
{
    v = vesper;
    int error = v->file->make_directory("/d");
    for (uint32_t round = 0; error >= 0 && round < 60; ++round) {
        error = make_round(round);
        if (error >= 0) vesper_print(v, "synced %u\n", round);
    }
    vesper_print(v, "the end: %s\n", v->debug->error_text(error));
    return error;
}
