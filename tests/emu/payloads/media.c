/* SPDX-License-Identifier: BSD-2-Clause
 * Looks at disks whose media or themselves come and go, whenever it is told to by a key:
 * l lists the disks that there are, i says how large the one of its argument is, r reads all of it
 * and says what came of it, with a sum of the bytes; h does so over and over until a read fails,
 * x returns. */
#include "vesper.h"
#include "vesper_text.h"

enum { piece = 32 };

static uint8_t data[piece * 4096];

static void list(struct vesper* v)
{
    struct vesper_block_info info;
    int count = v->block->count();
    for (int i = 0; i < count; ++i) {
        if (v->block->info(i, &info) < 0 || v->block->flags(i) & VESPER_BLOCK_GONE) continue;
        vesper_print(v, "disk %s: %llu blocks of %u bytes\n", info.name, info.blocks,
                     info.block_bytes);
    }
    vesper_print(v, "listed\n");
}

/* FNV-1a, of 32 bits at a time. */
static int sum(struct vesper* v, int disk, uint32_t* result)
{
    struct vesper_block_info info;
    uint64_t block = 0;
    *result = 2166136261u;
    do {
        int error = v->block->info(disk, &info);
        uint32_t count = piece;
        if (info.blocks > block && info.blocks - block < count)
            count = (uint32_t)(info.blocks - block);
        if (error >= 0) error = v->block->read(disk, block, count, data);
        if (error < 0) return error;
        if (v->block->info(disk, &info) < 0) return VESPER_NOT_FOUND;
        for (uint32_t i = 0; i < count * info.block_bytes; i += 4)
            *result = (*result ^ *(uint32_t*)(data + i)) * 16777619u;
        block += count;
    } while (block < info.blocks);
    return 0;
}

int main(struct vesper* v)
{
    struct vesper_block_info info;
    uint32_t hash = 0;
    int disk = v->block->find(v->args), error = 0;
    vesper_print(v, "ready\n");
    for (;;) {
        int key = v->key();
        if (key == 'l') list(v);
        if (key == 'i') {
            if (v->block->info(disk, &info) < 0) return VESPER_NOT_FOUND;
            vesper_print(v, "%s: %llu blocks of %u bytes\n", info.name, info.blocks,
                         info.block_bytes);
        }
        if (key == 'r' || key == 'h') {
            do error = sum(v, disk, &hash);
            while (key == 'h' && error >= 0);
            vesper_print(v, "sum %08x, %s\n", hash, v->debug->error_text(error));
        }
        if (key == 'x') return 0;
    }
}
