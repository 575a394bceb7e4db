/* SPDX-License-Identifier: BSD-2-Clause
 * Does to the root what can be done to a file system, for other people's tools to look at. */
#include "vesper.h"
#include "vesper_text.h"

enum { piece = 50000, pieces = 20, names = 600 };

static struct vesper* v;
static uint8_t data[piece];

static void check(const char* what, int result)
{
    if (result < 0) vesper_print(v, "FAIL %s: %s\n", what, v->debug->error_text(result));
}

static int make(const char* path)
{
    return v->file->open_as(path, VESPER_OPEN_WRITE | VESPER_OPEN_CREATE);
}

static void put(const char* path, const char* text, uint32_t bytes)
{
    int file = make(path);
    check(path, v->file->write(file, text, bytes));
    check(path, v->file->close(file));
}

/* Byte n of piece p is p + n * 7; a hole, and what is behind it. */
static void make_large(void)
{
    int file = make("/d/large");
    for (int p = 0; p < pieces; ++p) {
        for (int n = 0; n < piece; ++n) data[n] = (uint8_t)(p + n * 7);
        check("write", v->file->write(file, data, piece) - piece);
    }
    check("truncate", v->file->truncate(file, piece * pieces - 12345));
    check("seek", v->file->seek(file, 2 * piece * pieces));
    check("write", v->file->write(file, "the end", 7));
    check("close", v->file->close(file));
}

static void make_names(void)
{
    char path[64];
    check("many", v->file->make_directory("/many"));
    for (int i = 0; i < names; ++i) {
        vesper_format(path, sizeof path, "/many/a file with the number %d", i);
        check(path, v->file->close(make(path)));
    }
    for (int i = 0; i < names; i += 2) {
        vesper_format(path, sizeof path, "/many/a file with the number %d", i);
        check(path, v->file->remove(path));
    }
}

int main(struct vesper* vesper)
{
    const struct vesper_file* file = vesper->file;
    v = vesper;
    check("make_directory", file->make_directory("/d"));
    check("make_directory", file->make_directory("/d/sub"));
    make_large();
    make_names();
    put("/d/new", "new", 3);
    put("/d/old", "old", 3);
    check("rename", file->rename("/d/new", "/d/old"));
    check("rename", file->rename("/d/sub", "/moved"));
    check("link", file->link("/d/old", "/moved/second"));
    check("make_link", file->make_link("/leads", "d/old"));
    check("set_mode", file->set_mode("/d/old", 0640));
    check("set_modified", file->set_modified("/d/old", 1000000000));
    check("remove", file->remove("/gone"));
    vesper_print(v, "DONE\n");
    return 0;
}
