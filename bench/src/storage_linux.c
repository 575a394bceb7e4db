/* SPDX-License-Identifier: BSD-2-Clause
 * The work of storage.h as Linux's /init: static, without a C library. What the kernel does not
 * know of its command line is init's environment; the modules to load are in /modules, in order. */
#include "storage.h"

enum {
    sys_read = 3,
    sys_write = 4,
    sys_open = 5,
    sys_close = 6,
    sys_mount = 21,
    sys_mkdir = 39,
    sys_umount = 52,
    sys_stat64 = 195,
    sys_getdents64 = 220,
    sys_iopl = 110,
    sys_nanosleep = 162,
    sys_pread64 = 180,
    sys_pwrite64 = 181,
    sys_io_setup = 245,
    sys_io_getevents = 247,
    sys_io_submit = 248,
    sys_statfs = 99,
    sys_syncfs = 344,
    sys_finit_module = 350
};
enum {
    read_only = 0,
    write_only = 1,
    read_write = 2,
    create = 0100,
    direct = 040000,
    large = 0100000,
    mount_read_only = 1
};

static char** environment;
static int disk;

static int call(int number, ...)
{
    va_list list;
    int result, a, b, c, d, e;
    va_start(list, number);
    a = va_arg(list, int), b = va_arg(list, int), c = va_arg(list, int);
    d = va_arg(list, int), e = va_arg(list, int);
    va_end(list);
    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
                     : "memory");
    return result;
}

static const char* word(const char* name)
{
    for (char** at = environment; *at; ++at) {
        const char *letter = name, *text = *at;
        while (*letter && *text == *letter) ++text, ++letter;
        if (!*letter && *text == '=') return text + 1;
    }
    return "";
}

/* Drivers find disks when they have time. */
static void open_disk(void)
{
    uint32_t pause[] = {0, 20000000};
    for (int tries = 0; tries < 1500; ++tries) {
        disk = call(sys_open, word("disk"), read_write | direct | large, 0, 0, 0);
        if (disk >= 0) return;
        call(sys_nanosleep, pause, 0, 0, 0, 0);
    }
    must(0, "no such disk");
}

static void transfer(int writes, uint32_t first, uint32_t blocks, void* bytes)
{
    int length = (int)(blocks * block);
    must(call(writes ? sys_pwrite64 : sys_pread64, disk, bytes, length, first << 12, first >> 20) ==
             length,
         "a request failed");
}

/* linux/aio_abi.h */
struct aio_request {
    uint32_t slot, unused, key, flags;
    uint16_t operation, priority;
    uint32_t file;
    uint64_t address, length, offset, reserved;
    uint32_t result_flags, result_file;
};
struct aio_event {
    uint64_t slot, request;
    int64_t result, more;
};

/* As many as have ended are started anew in one call. */
static void transfer_many(int writes, const uint32_t* blocks, uint32_t count)
{
    static struct aio_request requests[at_once], *starting[at_once];
    static struct aio_event events[at_once];
    static uint32_t under_way[at_once];
    uint32_t context = 0, begun = 0, ended = 0, ready = 0;
    must(call(sys_io_setup, at_once, &context, 0, 0, 0) == 0, "no asynchronous requests");
    for (; ready < at_once; ++ready) events[ready].slot = ready;
    while (ended < count) {
        uint32_t n = 0;
        for (uint32_t i = 0; i < ready && begun < count; ++i, ++begun) {
            uint32_t slot = (uint32_t)events[i].slot;
            under_way[slot] = blocks[begun];
            *first_word(buffers[slot]) = writes ? mark(blocks[begun]) : 0;
            requests[slot] = (struct aio_request){.slot = slot,
                                                  .operation = (uint16_t)writes,
                                                  .file = (uint32_t)disk,
                                                  .address = (uintptr_t)buffers[slot],
                                                  .length = block,
                                                  .offset = (uint64_t)blocks[begun] * block};
            starting[n++] = &requests[slot];
        }
        if (n) must(call(sys_io_submit, context, n, starting, 0, 0) == (int)n, "refused");
        int got = call(sys_io_getevents, context, 1, at_once, events, 0);
        must(got > 0, "no request ended");
        ready = (uint32_t)got;
        for (uint32_t i = 0; i < ready; ++i, ++ended) {
            uint32_t slot = (uint32_t)events[i].slot;
            must(events[i].result == block, "a request failed");
            must(*first_word(buffers[slot]) == mark(under_way[slot]), "a block is another");
        }
    }
}

/* ---- files ---- */

static const char* path(const char* name)
{
    static char text[64] = "/mnt/";
    for (uint32_t i = 0; (text[5 + i] = name[i]); ++i) continue;
    return text;
}

static int writable;

static void mount_volume(void)
{
    if (!disk) open_disk(), call(sys_close, disk, 0, 0, 0, 0);
    const char *type = word("type"), *how = word("how");
    writable = call(sys_mount, word("disk"), "/mnt", type, 0, how) >= 0;
    must(writable || call(sys_mount, word("disk"), "/mnt", type, mount_read_only, how) >= 0,
         "it cannot be mounted");
}

static void unmount_volume(void)
{
    must(call(sys_umount, "/mnt", 0, 0, 0, 0) >= 0, "it cannot be unmounted");
}

static int can_write(void) { return writable; }

static int exists(const char* name)
{
    static uint8_t status[128];
    return call(sys_stat64, path(name), status, 0, 0, 0) >= 0;
}

static int open_file(const char* name)
{
    return call(sys_open, path(name), read_only | large, 0, 0, 0);
}

static int make_file(const char* name)
{
    int file = call(sys_open, path(name), write_only | create | large, 0644, 0, 0);
    must(file >= 0, "a file cannot be made");
    return file;
}

static void read_file(int file, void* into, uint32_t bytes)
{
    must(call(sys_read, file, into, bytes, 0, 0) == (int)bytes, "a file cannot be read");
}

static void write_file(int file, const void* from, uint32_t bytes)
{
    must(call(sys_write, file, from, bytes, 0, 0) == (int)bytes, "a file cannot be written");
}

static void close_file(int file) { call(sys_close, file, 0, 0, 0, 0); }

static void make_folder(const char* name)
{
    must(call(sys_mkdir, path(name), 0755, 0, 0, 0) >= 0, "a folder cannot be made");
}

static uint32_t list_folder(const char* name)
{
    uint32_t count = 0;
    int folder = open_file(name), bytes;
    while ((bytes = call(sys_getdents64, folder, data, 32768, 0, 0)) > 0) {
        for (int at = 0; at < bytes; at += *(uint16_t*)&data[at + 16]) {
            const char* entry = (const char*)&data[at + 19];
            count += !is(entry, ".") && !is(entry, "..");
        }
    }
    must(bytes == 0, "a folder cannot be listed");
    close_file(folder);
    return count;
}

static void sync_volume(void)
{
    int folder = open_file("");
    must(call(sys_syncfs, folder, 0, 0, 0, 0) >= 0, "it cannot be synced");
    close_file(folder);
}

/* ---- /init ---- */

static void load_modules(void)
{
    static char names[4096];
    int list = open_file("../modules"),
        length = call(sys_read, list, names, sizeof names - 1, 0, 0);
    for (char *name = names, *end = names; end < names + length; ++end) {
        if (*end != '\n') continue;
        *end = 0;
        int module = call(sys_open, name, read_only, 0, 0, 0);
        int result = call(sys_finit_module, module, "", 0, 0, 0);
        must(result == 0 || result == -17, name); /* EEXIST: it is there */
        close_file(module);
        name = end + 1;
    }
}

__attribute__((used)) static void begin(char** stack)
{
    environment = stack + 1 + (uintptr_t)stack[0] + 1;
    call(sys_iopl, 3, 0, 0, 0, 0);
    call(sys_mount, "dev", "/dev", "devtmpfs", 0, 0);
    load_modules();
    work();
}

__asm__(
    ".globl _start\n_start: mov %esp, %eax\nand $-16, %esp\nsub $12, %esp\npush %eax\n"
    "call begin\n");

/* What the compiler may call. */
void* memcpy(void* to, const void* from, __SIZE_TYPE__ bytes)
{
    uint8_t* byte = to;
    for (const uint8_t* source = from; bytes--;) *byte++ = *source++;
    return to;
}

void* memset(void* to, int value, __SIZE_TYPE__ bytes)
{
    for (uint8_t* byte = to; bytes--;) *byte++ = (uint8_t)value;
    return to;
}
