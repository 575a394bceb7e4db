/* SPDX-License-Identifier: BSD-2-Clause
 * The work of storage.h as a payload for Vesper. */
#include "storage.h"

static struct vesper* v;
static int disk;
static uint32_t sectors; /* of a block of 4 KiB */

static const char* word(const char* name)
{
    for (const char* at = v->args; *at; ++at) {
        const char* letter = name;
        static char value[16];
        uint32_t length = 0;
        while (*letter && *at == *letter) ++at, ++letter;
        if (!*letter && *at == '=') {
            while (*++at > ' ' && length < sizeof value - 1) value[length++] = *at;
            value[length] = 0;
            return value;
        }
        while (*at && *at != ' ') ++at;
        if (!*at) break;
    }
    return "";
}

static void open_disk(void)
{
    struct vesper_block_info info;
    disk = v->block->find(word("disk"));
    must(v->block->info(disk, &info) >= 0, "no such disk");
    sectors = block / info.block_bytes;
}

static void transfer(int writes, uint32_t first, uint32_t blocks, void* bytes)
{
    uint64_t sector = (uint64_t)first * sectors;
    int result = writes ? v->block->write(disk, sector, blocks * sectors, bytes)
                        : v->block->read(disk, sector, blocks * sectors, bytes);
    must(result >= 0, "a request failed");
}

static void transfer_many(int writes, const uint32_t* blocks, uint32_t count)
{
    static struct vesper_block_request requests[at_once];
    for (uint32_t i = 0; i < count + at_once; ++i) {
        uint32_t slot = i % at_once;
        struct vesper_block_request* request = &requests[slot];
        if (i >= at_once && i - at_once < count) {
            must(v->block->wait(request, 10000000) >= 0, "a request failed");
            must(*first_word(buffers[slot]) == mark(blocks[i - at_once]), "a block is another");
        }
        if (i >= count) continue;
        *first_word(buffers[slot]) = writes ? mark(blocks[i]) : 0;
        request->device = disk;
        request->operation = writes ? VESPER_WRITE : VESPER_READ;
        request->first = (uint64_t)blocks[i] * sectors;
        request->count = sectors;
        request->data = buffers[slot];
        must(v->block->submit(request) >= 0, "a request was refused");
    }
}

/* ---- files ---- */

/* On the disk's volume. Not kept. */
static const char* path(const char* name)
{
    static char text[64];
    static uint32_t prefix;
    if (!prefix) prefix = vesper_format(text, sizeof text, "%s:/", word("disk"));
    for (uint32_t i = 0; (text[prefix + i] = name[i]); ++i) continue;
    return text;
}

static void mount_volume(void)
{
    open_disk();
    int result = v->file->mount(disk);
    must(result >= 0 || result == VESPER_EXISTS, "it cannot be mounted");
}

static void unmount_volume(void)
{
    must(v->file->unmount(word("disk")) >= 0, "it cannot be unmounted");
}

static int can_write(void)
{
    struct vesper_volume volume;
    for (uint32_t i = 0; v->file->volume(i, &volume) >= 0; ++i) {
        if (volume.device == disk) return !volume.read_only;
    }
    return 0;
}

static int exists(const char* name)
{
    struct vesper_stat stat;
    return v->file->stat(path(name), &stat) >= 0;
}

static int open_file(const char* name) { return v->file->open(path(name)); }

static int make_file(const char* name)
{
    int file = v->file->open_as(path(name), VESPER_OPEN_WRITE | VESPER_OPEN_CREATE);
    must(file >= 0, "a file cannot be made");
    return file;
}

static void read_file(int file, void* into, uint32_t bytes)
{
    must(v->file->read(file, into, bytes) == (int)bytes, "a file cannot be read");
}

static void write_file(int file, const void* from, uint32_t bytes)
{
    must(v->file->write(file, from, bytes) == (int)bytes, "a file cannot be written");
}

static void close_file(int file) { v->file->close(file); }

static void make_folder(const char* name)
{
    must(v->file->make_directory(path(name)) >= 0, "a folder cannot be made");
}

static uint32_t list_folder(const char* name)
{
    static struct vesper_entry entry;
    uint32_t count = 0;
    int folder = v->file->open(path(name)), more;
    while ((more = v->file->list(folder, &entry)) > 0) ++count;
    must(more == 0, "a folder cannot be listed");
    v->file->close(folder);
    return count;
}

static void sync_volume(void) { must(v->file->sync() >= 0, "it cannot be synced"); }

int main(struct vesper* vesper)
{
    v = vesper;
    work();
    return 0;
}
