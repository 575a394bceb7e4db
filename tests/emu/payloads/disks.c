/* SPDX-License-Identifier: BSD-2-Clause
 * What a disk can be asked, checked against a pattern: each 8 bytes of sector n (512 bytes) are n,
 * for the first 8 MiB or as large as it is. Arguments: NAME WHAT, as often as one likes, of
 *   check   reads everywhere and in every size, alone and 32 at once, with interrupts and without;
 *           writes the second quarter of the pattern as its complement; flush, discard of the
 *           third quarter
 *   huge    writes 16 MiB behind the first 16 MiB, and reads both, in one call each
 *   bad     reads and writes where sector 777 cannot be read, and sector 1555 not be written
 *   read    reads the first MiB, and says what came of it
 *   fill    writes the first MiB, and says what came of it
 *   exhaust fills the volume of this name with files, removes every other one, and reads the others
 *   late    starts a read that nobody waits for until `wait`, which is for all of them
 *   storm   reads at random, 32 at once, until an error; e: ejects slot 5 as an ACPI system does;
 *           q: the same between two reads
 *   key     waits for one */
#include "vesper.h"
#include "vesper_text.h"

enum { at_once = 32, bytes = 4096, large = 1 << 20, largest = 16 << 20, pattern = 16384 };

static const struct vesper* v;
static int disk;
static uint32_t scale;   /* sectors a block */
static uint32_t sectors; /* with the pattern */
static struct vesper_block_info info;
static uint64_t buffers[at_once][bytes / 8];
static uint8_t* big; /* largest, and one byte more */
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
    uint8_t* into = big + offset;
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
    if (most > info.blocks / 2) most = (uint32_t)info.blocks / 2;
    int result = read(info.blocks - 1, 1, 0, 0);
    for (uint32_t i = 0; i < 3 && result >= 0; ++i) {
        for (uint32_t blocks = 1; blocks <= most && result >= 0; blocks = blocks * 3 + 1)
            result = read(random(64), blocks, offsets[i], 0);
    }
    return result < 0 ? result : read(0, most, 0, 0);
}

/* In one call each. */
static int move_largest(void)
{
    uint32_t count = largest / info.block_bytes;
    uint64_t first = largest / 512, *words = (uint64_t*)big;
    for (uint32_t i = 0; i < largest / 8; ++i) words[i] = first + i / 64;
    int result = v->block->write(disk, count, count, big);
    if (result >= 0) result = read(count, count, 1, 0);
    if (result >= 0) result = v->block->read(disk, 0, count, big);
    if (result >= 0 && !is_right(big, 0, pattern / 4, 0)) result = VESPER_CORRUPT;
    return result;
}

static void submit(struct vesper_block_request* r, uint64_t first, uint32_t operation)
{
    r->device = disk;
    r->operation = operation;
    r->first = first;
    r->count = bytes / info.block_bytes;
    uint64_t* data = (uint64_t*)r->data;
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

/* So many requests of 4 KiB to `count` sectors from `begin` on, 32 of them at once: one after
 * another if they are writes. 0 requests: until an error comes. */
static int many(uint32_t operation, uint32_t wanted, uint32_t begin, uint32_t count)
{
    uint32_t next = 0, used[at_once] = {0}, active, pieces = count / (bytes / 512);
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
            if (!used[i] && result == 0 && (wanted == 0 || next < wanted) && key != 'q') {
                uint32_t piece = operation == VESPER_READ ? random(pieces) : next % pieces;
                r->data = buffers[i];
                submit(r, (begin + piece * (bytes / 512)) / scale, operation);
                used[i] = 1;
                ++next;
            }
            active += used[i];
        }
        v->block->poll();
        if (key != 'q') key = wanted == 0 ? v->keyq() : 0;
        if (key == 'e' || (key == 'q' && !active)) {
            eject();
            key = 0;
            active = 1;
        }
    } while (active);
    return result;
}

static void check(void)
{
    uint32_t quarter = sectors / 4, step = 128;
    int result = read_everywhere();
    say("reads", result);
    say("32 reads at once", many(VESPER_READ, sectors / 64, 0, sectors));
    __asm__ volatile("cli");
    say("32 reads at once by polling", many(VESPER_READ, at_once, 0, sectors));
    result = many(VESPER_WRITE, quarter / 8, quarter, quarter);
    __asm__ volatile("sti");
    for (uint32_t at = quarter; at + step <= 2 * quarter && result >= 0; at += step)
        result = read(at / scale, step / scale, at & step ? 1 : 0, ~0ull);
    say("32 writes at once", result);
    say("flush", v->block->flush(disk));
    say("discard", v->block->discard(disk, 2 * quarter / scale, quarter / scale));
}

/* Of 128 requests for 4 KiB each those fail that have the bad sector. */
static void count_failures(uint32_t operation)
{
    uint32_t failed = 0, wrong = 0;
    for (uint32_t part = 0; part < 256; part += at_once) {
        for (uint32_t i = 0; i < at_once; ++i) {
            requests[i].data = buffers[i];
            submit(&requests[i], (part + i) * (bytes / 512) / scale, operation);
        }
        for (uint32_t i = 0; i < at_once; ++i) {
            int result = v->block->wait(&requests[i], 60000000);
            uint32_t bad = operation == VESPER_READ ? 777 : 1555;
            if (result < 0) ++failed;
            if ((result == VESPER_DEVICE) != (part + i == bad / (bytes / 512))) ++wrong;
        }
    }
    vesper_print(v, "%s %u of 256 %s failed, %u are wrong\n", info.name, failed,
                 operation == VESPER_READ ? "reads" : "writes", wrong);
}

static void be_bad(void)
{
    int result = read(776 / scale - 1, 1, 0, 0);
    if (result >= 0) result = read(784 / scale, 1, 0, 0);
    say("beside the bad one", result);
    say("bad read", v->block->read(disk, 0, large / info.block_bytes, big));
    count_failures(VESPER_READ);
    say("bad write", v->block->write(disk, 0, 2048 / scale, big));
    count_failures(VESPER_WRITE);
}

/* ---- a volume that is full */

enum { piece = 60000 };

static const char* path_of(uint32_t number)
{
    static char path[48];
    vesper_format(path, sizeof path, "%s:/full/%u", info.name, number);
    return path;
}

static void make_piece(uint32_t number)
{
    for (uint32_t i = 0; i < piece; ++i) big[i] = (uint8_t)(i * 7 + (i >> 8) + number);
}

/* Files from `number` on, `step` apart, until one does not fit; that one is removed. */
static int make_files(uint32_t* number, uint32_t step)
{
    int done = piece;
    for (; done == piece; *number += step) {
        int file = v->file->open_as(path_of(*number), VESPER_OPEN_WRITE | VESPER_OPEN_CREATE);
        if (file < 0) return file;
        make_piece(*number);
        done = v->file->write(file, big, piece);
        if (done >= 0 && done != piece) done = v->file->write(file, big + done, piece - done);
        v->file->close(file);
    }
    *number -= step;
    if (v->file->remove(path_of(*number)) < 0) return VESPER_CORRUPT;
    return done;
}

static int read_files(uint32_t from, uint32_t to, uint32_t step)
{
    for (; from < to; from += step) {
        int file = v->file->open(path_of(from));
        if (file < 0) return file;
        int done = v->file->read(file, big + piece, piece);
        v->file->close(file);
        make_piece(from);
        if (done < 0) return done;
        if (done != piece || __builtin_memcmp(big, big + piece, piece)) return VESPER_CORRUPT;
    }
    return 0;
}

static void fill_up(const char* name)
{
    char path[32];
    uint32_t count = 0, again = 0;
    vesper_format(info.name, sizeof info.name, "%s", name);
    vesper_format(path, sizeof path, "%s:/full", name);
    int result = v->file->make_directory(path);
    if (result >= 0) result = make_files(&count, 1);
    say("full", result);
    say("sync", v->file->sync());
    for (uint32_t i = 0; i < count; i += 2) v->file->remove(path_of(i));
    say("full again", make_files(&again, 2));
    result = v->file->sync();
    v->file->set_cache(name, 0);
    if (result >= 0) result = read_files(0, again, 2);
    if (result >= 0) result = read_files(1, count, 2);
    say(count > 5 && again + 4 > count ? "files" : "too few files", result);
}

/* ---- disks that do not answer */

static uint32_t late;

static void wait_for_all(void)
{
    for (uint32_t i = 0; i < late; ++i) {
        int result = v->block->wait(&requests[i], 200000000);
        v->block->info(requests[i].device, &info);
        say("late", result);
    }
    late = 0;
}

static void obey(const char* name, int what)
{
    if (what == 'e') return fill_up(name);
    disk = v->block->find(name);
    if (disk < 0 || v->block->info(disk, &info) < 0) {
        vesper_print(v, "%s: not found\n", name);
        return;
    }
    scale = info.block_bytes / 512;
    sectors = info.blocks * scale < pattern ? (uint32_t)info.blocks * scale : pattern;
    vesper_print(v, "%s: %llu blocks of %u bytes\n", info.name, info.blocks, info.block_bytes);
    switch (what) {
    case 'c': check(); break;
    case 'b': be_bad(); break;
    case 'r': say("read", v->block->read(disk, 0, large / info.block_bytes, big)); break;
    case 'h': say("16 MiB", move_largest()); break;
    case 'f': say("fill", v->block->write(disk, 0, large / info.block_bytes, big)); break;
    case 's': say("storm", many(VESPER_READ, 0, 0, sectors / 4)); break;
    case 'l':
        requests[late].data = buffers[late];
        submit(&requests[late], random(1000), VESPER_READ);
        ++late;
        break;
    case 'w': wait_for_all(); break;
    case 'k': v->key(); break;
    }
}

/* The next word of args. */
static const char* next(const char* args, char* word)
{
    for (; *args && *args != ' '; ++args) *word++ = *args;
    *word = 0;
    return args + (*args != 0);
}

int main(struct vesper* vesper)
{
    char name[16], what[16];
    v = vesper;
    big = (uint8_t*)(((uintptr_t)vesper->arena_start + 4095) & ~(uintptr_t)4095);
    if ((uint8_t*)vesper->arena_end - big <= largest) return VESPER_NO_MEMORY;
    for (const char* args = vesper->args; *args;) {
        args = next(next(args, name), what);
        obey(name, what[0]);
    }
    vesper_print(v, "done\n");
    return 0;
}
