/* SPDX-License-Identifier: BSD-2-Clause
 * Does to each volume but the root what can be done to one, for other people's tools to look at.
 * What fails is told, and in the end what the volume says of itself. */
#include "vesper.h"
#include "vesper_text.h"

enum { piece = 50000, pieces = 20, names = 600 };

static const uint64_t beyond = 5ull << 30;

static struct vesper* v;
static struct vesper_volume volume;
static uint8_t data[piece], back[piece];

static int check(const char* what, int result)
{
    if (result < 0)
        vesper_print(v, "FAIL %s %s: %s\n", volume.type, what, v->debug->error_text(result));
    return result;
}

/* The path on the volume; the last two can be used. */
static const char* on(const char* path)
{
    static char paths[2][80];
    static int turn;
    turn ^= 1;
    vesper_format(paths[turn], sizeof paths[turn], "%s:%s", volume.name, path);
    return paths[turn];
}

static void put(const char* path, uint32_t how, uint64_t position, const char* text)
{
    uint32_t bytes = 0;
    int file = check(path, v->file->open_as(on(path), VESPER_OPEN_WRITE | how));
    while (text[bytes]) ++bytes;
    if (position) check(path, v->file->seek(file, position));
    check(path, v->file->write(file, text, bytes));
    check(path, v->file->close(file));
}

/* Byte n of piece p is p + n * 7. */
static int make_pieces(const char* path)
{
    int file = check(path, v->file->open_as(on(path), VESPER_OPEN_READ | VESPER_OPEN_WRITE |
                                                          VESPER_OPEN_CREATE));
    for (int p = 0; p < pieces; ++p) {
        for (int n = 0; n < piece; ++n) data[n] = (uint8_t)(p + n * 7);
        check(path, v->file->write(file, data, piece) - piece);
    }
    return file;
}

/* A file that was cut; a hole, and what is behind it. */
static void make_large(void)
{
    int file = make_pieces("/d/large");
    check("cut", v->file->truncate(file, piece * pieces - 12345));
    check("seek", v->file->seek(file, 2 * piece * pieces));
    check("write", v->file->write(file, "the end", 7));
    check("close", v->file->close(file));
}

/* exFAT, which has no holes, would write all of it. */
static void make_huge(void)
{
    put("/d/huge", VESPER_OPEN_CREATE, 0, "begin");
    int file = v->file->open_as(on("/d/huge"), VESPER_OPEN_WRITE);
    int longer = check("huge", v->file->truncate(file, beyond));
    check("close", v->file->close(file));
    if (longer >= 0 && volume.type[0] == 'e' && volume.type[2] == 'f') return;
    if (longer >= 0) put("/d/huge", 0, beyond, "the end");
}

static void remove_open(void)
{
    int file = make_pieces("/d/open");
    check("remove", v->file->remove(on("/d/open")));
    check("seek", v->file->seek(file, piece * (pieces - 1)));
    check("read", v->file->read(file, back, piece) - piece);
    for (int n = 0; n < piece; ++n) {
        if (back[n] != data[n]) {
            check("removed", VESPER_CORRUPT);
            break;
        }
    }
    check("close", v->file->close(file));
}

static void make_names(void)
{
    char path[64];
    check("many", v->file->make_directory(on("/many")));
    for (int i = 0; i < names; ++i) {
        vesper_format(path, sizeof path, "/many/a file with the number %d", i);
        put(path, VESPER_OPEN_CREATE, 0, "");
    }
    for (int i = 0; i < names; i += 2) {
        vesper_format(path, sizeof path, "/many/a file with the number %d", i);
        check(path, v->file->remove(on(path)));
    }
}

static void use_volume(void)
{
    const struct vesper_file* file = v->file;
    check("make_directory", file->make_directory(on("/d")));
    check("make_directory", file->make_directory(on("/d/sub")));
    make_large();
    make_huge();
    remove_open();
    make_names();
    put("/d/grown", VESPER_OPEN_CREATE, 0, "0123456789");
    put("/d/grown", VESPER_OPEN_APPEND, 0, "abc");
    put("/d/grown", 0, 3, "XYZ");
    put("/d/Grün Ωmega", VESPER_OPEN_CREATE, 0, "named");
    put("/d/new", VESPER_OPEN_CREATE, 0, "new");
    put("/d/old", VESPER_OPEN_CREATE, 0, "old");
    check("rename", file->rename(on("/d/new"), on("/d/old")));
    check("link", file->link(on("/d/old"), on("/d/sub/second")));
    check("make_link", file->make_link(on("/leads"), "d/old"));
}

/* What takes no space, and is not synced by the payload. */
static void use_further(void)
{
    const struct vesper_file* file = v->file;
    check("rename", file->rename(on("/d/sub"), on("/moved")));
    check("set_mode", file->set_mode(on("/d/old"), 0440));
    check("set_modified", file->set_modified(on("/d/old"), 1000000000));
}

int main(struct vesper* vesper)
{
    struct vesper_block_info info;
    v = vesper;
    for (int device = 0; v->block->info(device, &info) >= 0; ++device) v->file->mount(device);
    for (uint32_t i = 0; v->file->volume(i, &volume) >= 0; ++i) {
        if (volume.is_root || volume.device < 0) continue;
        use_volume();
        check("sync", v->file->sync());
        check("volume", v->file->volume(i, &volume));
        vesper_print(v, "volume %s %llu %s\n", volume.type, volume.free_bytes, volume.label);
        use_further();
    }
    vesper_print(v, "DONE\n");
    return 0;
}
