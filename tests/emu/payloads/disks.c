/* SPDX-License-Identifier: BSD-2-Clause
 * What a disk can be asked, checked against a pattern: each 8 bytes of sector n (512 bytes) are n.
 * Arguments: NAME WHAT, of
 *   check   reads everywhere and in every size, alone and 32 at once; writes sectors 4096 ... 8191
 *           as their complement; flush, discard of sectors 8192 ... 12287
 *   read    reads the first MiB, and says what came of it
 *   fill    writes the first MiB, and says what came of it
 *   storm   reads at random, 32 at once, until an error; e: ejects slot 5 as an ACPI system does;
 *           q: the same between two reads */
#include "vesper.h"
#include "vesper_text.h"

enum { at_once = 32, bytes = 4096, large = 1 << 20 };

static const struct vesper* v;
static int disk;
static uint32_t scale; /* sectors a block */
static struct vesper_block_info info;
static uint64_t buffers[at_once][bytes / 8], big[large / 8 + 1];
static struct vesper_block_request requests[at_once];
static uint32_t seed = 1;

static uint32_t random(uint32_t below)
{
    seed = seed * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)seed * below >> 32);
}

static void say(const char* what, int result)
{
    vesper_print(v, "%s %s: %s\n", info.name, what, v->debug->error_text(result));
}

/* Whether `count` sectors from `first` on are as they should be. */
static int is_right(const void* data, uint64_t first, uint32_t count, uint64_t flip)
{
    for (uint32_t i = 0; i < count * 64; ++i) {
        uint64_t value;
        __builtin_memcpy(&value, (const char*)data + i * 8, 8);
        if (value != ((first + i / 64) ^ flip)) return 0;
    }
    return 1;
}

static int read(uint64_t block, uint32_t blocks, uint32_t offset, uint64_t flip)
{
    uint8_t* into = (uint8_t*)big + offset;
    __builtin_memset(into, 0xee, blocks * info.block_bytes);
    int result = v->block->read(disk, block, blocks, into);
    if (result >= 0 && !is_right(into, block * scale, blocks * scale, flip))
        result = VESPER_CORRUPT;
    return result;
}

static int read_everywhere(void)
{
    static const uint32_t offsets[] = {0, 4, 1};
    uint32_t most = large / info.block_bytes;
    int result = read(info.blocks - 1, 1, 0, 0);
    for (uint32_t i = 0; i < 3 && result >= 0; ++i) {
        for (uint32_t blocks = 1; blocks <= most && result >= 0; blocks = blocks * 3 + 1)
            result = read(random(64), blocks, offsets[i], 0);
    }
    return result < 0 ? result : read(0, most, 0, 0);
}

static void submit(struct vesper_block_request* r, uint64_t first, uint32_t operation)
{
    r->device = disk;
    r->operation = operation;
    r->first = first;
    r->count = bytes / info.block_bytes;
    uint64_t* data = r->data;
    for (uint32_t k = 0; operation == VESPER_WRITE && k < bytes / 8; ++k)
        data[k] = ~(first * scale + k / 64);
    int refused = v->block->submit(r);
    if (refused < 0) r->result = refused;
}

static void eject(void)
{
    __asm__ volatile("outl %0, %w1" : : "a"(0), "Nd"(0xae10));
    __asm__ volatile("outl %0, %w1" : : "a"(1 << 5), "Nd"(0xae08));
}

/* So many requests of 4 KiB to `sectors` from `begin` on, 32 of them at once: one after another if
 * they are writes. 0 requests: until an error comes. */
static int many(uint32_t operation, uint32_t count, uint32_t begin, uint32_t sectors)
{
    uint32_t next = 0, used[at_once] = {0}, active, pieces = sectors / (bytes / 512);
    int result = 0, key = 0;
    do {
        active = 0;
        for (uint32_t i = 0; i < at_once; ++i) {
            struct vesper_block_request* r = &requests[i];
            if (used[i] && r->result != VESPER_BUSY) {
                used[i] = 0;
                if (r->result < 0)
                    result = r->result;
                else if (operation == VESPER_READ &&
                         !is_right(r->data, r->first * scale, bytes / 512, 0))
                    result = VESPER_CORRUPT;
            }
            if (!used[i] && result == 0 && (count == 0 || next < count) && key != 'q') {
                uint32_t piece = operation == VESPER_READ ? random(pieces) : next % pieces;
                r->data = buffers[i];
                submit(r, (begin + piece * (bytes / 512)) / scale, operation);
                used[i] = 1;
                ++next;
            }
            active += used[i];
        }
        v->block->poll();
        if (key != 'q') key = count == 0 ? v->keyq() : 0;
        if (key == 'e' || (key == 'q' && !active)) {
            eject();
            key = 0;
            active = 1;
        }
    } while (active);
    return result;
}

static int check(void)
{
    int result = read_everywhere();
    say("reads", result);
    say("32 reads at once", many(VESPER_READ, 256, 0, 16384));
    result = many(VESPER_WRITE, 512, 4096, 4096);
    for (uint32_t at = 4096; at < 8192 && result >= 0; at += 512)
        result = read(at / scale, 512 / scale, at & 512 ? 1 : 0, ~0ull);
    say("32 writes at once", result);
    say("flush", v->block->flush(disk));
    say("discard", v->block->discard(disk, 8192 / scale, 4096 / scale));
    return result;
}

int main(struct vesper* vesper)
{
    char name[16];
    uint32_t length = 0;
    v = vesper;
    while (v->args[length] && v->args[length] != ' ') ++length;
    vesper_format(name, length + 1 < sizeof name ? length + 1 : sizeof name, "%s", v->args);
    disk = v->block->find(name);
    if (disk < 0 || v->block->info(disk, &info) < 0) return VESPER_NOT_FOUND;
    scale = info.block_bytes / 512;
    vesper_print(v, "%s: %llu blocks of %u bytes\n", info.name, info.blocks, info.block_bytes);
    switch (v->args[length + 1]) {
    case 'c': check(); break;
    case 'r': say("read", v->block->read(disk, 0, large / info.block_bytes, big)); break;
    case 'f': say("fill", v->block->write(disk, 0, large / info.block_bytes, big)); break;
    case 's': say("storm", many(VESPER_READ, 0, 0, 16384)); break;
    }
    vesper_print(v, "done\n");
    return 0;
}
