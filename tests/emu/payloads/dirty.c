/* SPDX-License-Identifier: BSD-2-Clause
 * Writes files to the volumes ld0, ld1 and ld2, does not sync, and leaves some open. Then a key: r
 * starts the machine anew, o switches it off, s stops here. */
#include "vesper.h"
#include "vesper_text.h"

static uint8_t data[300000];

static void work(const struct vesper* v, const char* volume)
{
    char path[40];
    for (uint32_t i = 0; i < 20; ++i) {
        vesper_format(path, sizeof path, "%s:/file%u", volume, i);
        int file = v->file->open_as(path, VESPER_OPEN_WRITE | VESPER_OPEN_CREATE);
        int done = v->file->write(file, data, i ? 1000 * i : sizeof data);
        if (file < 0 || done < 0) vesper_print(v, "FAIL %s\n", path);
        if (i % 2) v->file->close(file);
    }
}

int main(struct vesper* v)
{
    for (uint32_t i = 0; i < sizeof data; ++i) data[i] = (uint8_t)(i * 7 + (i >> 8));
    work(v, "ld0");
    work(v, "ld1");
    work(v, "ld2");
    vesper_print(v, "dirty\n");
    int key = v->key();
    if (key == 'r') v->power->reboot();
    if (key == 'o') v->power->off();
    if (key == 's') __asm__ volatile("int3");
    return 0;
}
