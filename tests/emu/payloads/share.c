/* SPDX-License-Identifier: BSD-2-Clause
 * Works on the root, which somebody else looks at: a key says what to do, and each piece of work
 * ends with a line "done: KEY, N failures". */
#include "vesper.h"
#include "vesper_text.h"

static const struct vesper* v;
static const struct vesper_file* f;
static int failures;
static uint8_t data[1 << 20], back[1 << 20];

static int check(const char* what, int result)
{
    if (result < 0) {
        vesper_print(v, "%s: %s\n", what, v->debug->error_text(result));
        ++failures;
    }
    return result;
}

static void write_file(const char* path, uint32_t how, const char* text)
{
    int file = check(path, f->open_as(path, VESPER_OPEN_WRITE | how));
    uint32_t length = 0;
    while (text[length]) ++length;
    check(path, f->write(file, text, length));
    check(path, f->close(file));
}

static void small_work(void)
{
    check("mkdir", f->make_directory("/made"));
    write_file("/made/file", VESPER_OPEN_CREATE, "one\n");
    write_file("/made/file", VESPER_OPEN_APPEND, "two\n");
    write_file("/made/name \xc3\xa4\x80", VESPER_OPEN_CREATE, "bytes\n");
    write_file("/made/moves", VESPER_OPEN_CREATE, "moved\n");
    check("rename", f->rename("/made/moves", "/replaced"));
    check("remove", f->remove("/removed"));
    check("rmdir", f->remove("/empty"));
    check("link", f->link("/made/file", "/made/second"));
    check("make_link", f->make_link("/made/link", "file"));
    check("mode", f->set_mode("/made/second", 0640));
    check("time", f->set_modified("/made/second", 1000000000));
    int hole = check("hole", f->open_as("/made/hole",
                                        VESPER_OPEN_READ | VESPER_OPEN_WRITE | VESPER_OPEN_CREATE));
    check("seek", f->seek(hole, (uint64_t)5000 * 1000000));
    check("write", f->write(hole, "end", 3));
    check("seek", f->seek(hole, (uint64_t)5000 * 1000000 - 1));
    if (f->read(hole, back, 100) != 4 || back[0] != 0 || back[3] != 'd')
        check("4 GiB", VESPER_CORRUPT);
    check("close", f->close(hole));
    check("cut", hole = f->open_as("/cut", VESPER_OPEN_WRITE));
    check("truncate", f->truncate(hole, 3));
    check("close", f->close(hole));
    int open = check("open", f->open("/open"));
    check("remove open", f->remove("/open"));
    if (f->read(open, back, 100) != 4 || back[0] != 'o') check("removed", VESPER_CORRUPT);
    check("close", f->close(open));
    if (f->open("/made/none") != VESPER_NOT_FOUND) check("none", VESPER_INVALID);
    if (f->make_directory("/made") != VESPER_EXISTS) check("there", VESPER_INVALID);
    if (f->remove("/made") != VESPER_NOT_EMPTY) check("not empty", VESPER_INVALID);
    if (f->unmount("share") != VESPER_BUSY) check("called by its tag", VESPER_INVALID);
    if (f->set_cache("share", 0) != VESPER_UNSUPPORTED) check("by its tag", VESPER_INVALID);
}

static void fill(uint32_t megabyte)
{
    for (uint32_t i = 0; i < sizeof data; ++i) data[i] = (uint8_t)(i * 7 + (i >> 8) + megabyte);
}

static void big_work(void)
{
    int file =
        check("big", f->open_as("/big", VESPER_OPEN_READ | VESPER_OPEN_WRITE | VESPER_OPEN_CREATE));
    for (uint32_t megabyte = 0; megabyte < 24; ++megabyte) {
        fill(megabyte);
        check("write", f->write(file, data + 1, sizeof data - 1));
    }
    check("seek", f->seek(file, 0));
    for (uint32_t megabyte = 0; megabyte < 24; ++megabyte) {
        fill(megabyte);
        check("read", f->read(file, back + 1, sizeof back - 1));
        for (uint32_t i = 1; i < sizeof data; ++i) {
            if (data[i] == back[i]) continue;
            check("content", VESPER_CORRUPT);
            break;
        }
    }
    check("close", f->close(file));
}

static void many_work(void)
{
    char path[32];
    for (uint32_t i = 0; i < 10000; i += 10) {
        vesper_format(path, sizeof path, "/many/%u", i);
        check(path,
              f->close(check(path, f->open_as(path, VESPER_OPEN_WRITE | VESPER_OPEN_CREATE))));
    }
    static struct vesper_entry entry;
    uint32_t count = 0;
    int directory = check("open", f->open("/many"));
    while (check("list", f->list(directory, &entry)) > 0) ++count;
    check("close", f->close(directory));
    vesper_print(v, "%u entries\n", count);
    for (uint32_t i = 5; i < 10000; i += 10) {
        vesper_format(path, sizeof path, "/many/%u", i);
        check(path, f->remove(path));
    }
}

/* 100 folders inside one another, and a file in the last. */
static void deep_work(void)
{
    static char path[300];
    uint32_t length = 0;
    uint64_t begin = v->time->ticks();
    for (uint32_t depth = 0; depth < 100; ++depth) {
        path[length++] = '/';
        path[length++] = 'd';
        path[length] = 0;
        check(path, f->make_directory(path));
    }
    uint64_t made = v->time->ticks();
    vesper_format(path + length, 10, "/file");
    write_file(path, VESPER_OPEN_CREATE, "deep");
    int file = check("open", f->open(path));
    if (f->read(file, back, 100) != 4 || back[3] != 'p') check("deep", VESPER_CORRUPT);
    check("close", f->close(file));
    check("remove", f->remove(path));
    uint64_t worked = v->time->ticks();
    for (; length; length -= 2) {
        path[length] = 0;
        check(path, f->remove(path));
    }
    vesper_print(v, "%u ms to make, %u ms for a file, %u ms to remove\n",
                 (uint32_t)(made - begin) / 1000, (uint32_t)(worked - made) / 1000,
                 (uint32_t)(v->time->ticks() - worked) / 1000);
}

/* What is neither a file, a folder nor a link is listed, and cannot be read. */
static void odd_work(void)
{
    static struct vesper_entry entry;
    static char path[300];
    struct vesper_stat stat;
    int directory = check("open", f->open("/odd"));
    while (check("list", f->list(directory, &entry)) > 0) {
        vesper_format(path, sizeof path, "/odd/%s", entry.name);
        check(path, f->stat(path, &stat));
        vesper_print(v, "[%s] is %u, %u", entry.name, entry.type, stat.type);
        int file = f->open(path);
        if (file < 0) vesper_print(v, "; open: %s", v->debug->error_text(file));
        if (file >= 0 && stat.type != VESPER_DIRECTORY) {
            int length = f->read(file, back, 100);
            vesper_print(v, "; read: %s", length < 0 ? v->debug->error_text(length) : "ok");
        }
        if (file >= 0) check("close", f->close(file));
        file = stat.type == VESPER_DIRECTORY ? -1 : f->open_as(path, VESPER_OPEN_WRITE);
        if (file >= 0) {
            int length = f->write(file, "x", 1);
            vesper_print(v, "; write: %s", length < 0 ? v->debug->error_text(length) : "ok");
            check("close", f->close(file));
        }
        vesper_print(v, ";\n");
    }
    check("close", f->close(directory));
}

/* The host removes it while it is open, when the key has come. */
static void removed_work(void)
{
    int file = check("open", f->open_as("/goes", VESPER_OPEN_READ | VESPER_OPEN_WRITE));
    int unread = check("open", f->open("/unread"));
    check("write", f->write(file, "We", 2));
    vesper_print(v, "open\n");
    v->key();
    if (f->read(file, back, 100) != 2 || back[0] != 'e') check("read", VESPER_CORRUPT);
    check("write", f->write(file, "more", 4));
    check("sync", f->sync());
    check("close", f->close(file));
    vesper_print(v, "unread: %s\n", v->debug->error_text(f->read(unread, back, 100)));
    check("close", f->close(unread));
    vesper_print(v, "goes: %s\n", v->debug->error_text(f->open("/goes")));
}

static void show(void)
{
    struct vesper_stat stat;
    check("stat", f->stat("/edited", &stat));
    int file = check("open", f->open("/edited"));
    int length = check("read", f->read(file, back, 1000));
    check("close", f->close(file));
    vesper_print(v, "edited: %llu bytes, at %lld: [", stat.bytes, stat.modified);
    for (int i = 0; i < length; ++i) v->emit(back[i]);
    vesper_print(v, "]\n");
}

int main(struct vesper* vesper)
{
    v = vesper;
    f = vesper->file;
    vesper_print(v, "ready\n");
    for (int key = v->key(); key != 'q'; key = v->key()) {
        failures = 0;
        if (key == 's') small_work();
        if (key == 'b') big_work();
        if (key == 'm') many_work();
        if (key == 'e') show();
        if (key == 'd') deep_work();
        if (key == 'o') odd_work();
        if (key == 'r') removed_work();
        if (key == 'y') check("sync", f->sync());
        vesper_print(v, "done: %c, %d failures\n", key, failures);
    }
    return 0;
}
