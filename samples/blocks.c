/* SPDX-License-Identifier: BSD-2-Clause
 * blocks - writes a pattern to the beginning of a disk, reads it again, and counts what differs.
 * WHAT WAS ON THE DISK IS LOST. It works only on one that is named and not mounted.
 *
 *   truncate -s 4M second.img
 *   ./vesper run samples/blocks.c --append args=wd1 -- -drive file=second.img,format=raw,index=1
 *
 * Four requests are under way at once while the payload goes on. It shows block->find, info, flags,
 * submit, poll, wait, flush and discard. */
#include "vesper.h"
#include "vesper_text.h"

enum { requests = 4, blocks = 8, most_bytes = 4096 };

static uint8_t data[requests][blocks * most_bytes];
static struct vesper_block_request under_way[requests];

/* Byte `i` of what is written at `part`. */
static uint8_t pattern(uint32_t part, uint32_t i) { return (uint8_t)(i * 7 + (i >> 8) + part); }

/* Starts a request for each part, works while they are under way, and waits for the last of them.
 * Returns 0 or an error. */
static int transfer(const struct vesper* vesper, int device, uint32_t operation)
{
    uint32_t turns = 0;
    int result = 0;
    for (uint32_t part = 0; part < requests; ++part) {
        struct vesper_block_request* request = &under_way[part];
        request->device = device;
        request->operation = operation;
        request->first = part * blocks;
        request->count = blocks;
        request->data = data[part];
        int error = vesper->block->submit(request);
        if (error < 0) return error; /* it was refused, and nothing was started */
    }
    while (vesper->block->poll() > requests / 2) ++turns; /* here is time for something else */
    for (uint32_t part = 0; part < requests; ++part) {
        int error = vesper->block->wait(&under_way[part], 10000000);
        if (error < 0) result = error;
    }
    vesper_print(vesper, "%s %u times %u blocks: %s\n",
                 operation == VESPER_WRITE ? "wrote" : "read", requests, blocks,
                 vesper->debug->error_text(result));
    return result;
}

static int test(const struct vesper* vesper, int device, uint32_t bytes)
{
    uint32_t different = 0;
    for (uint32_t part = 0; part < requests; ++part) {
        for (uint32_t i = 0; i < bytes; ++i) data[part][i] = pattern(part, i);
    }
    int error = transfer(vesper, device, VESPER_WRITE);
    if (error >= 0) error = vesper->block->flush(device); /* now they are on the medium */
    for (uint32_t part = 0; part < requests; ++part) {
        for (uint32_t i = 0; i < bytes; ++i) data[part][i] = 0;
    }
    if (error >= 0) error = transfer(vesper, device, VESPER_READ);
    if (error < 0) return error;
    for (uint32_t part = 0; part < requests; ++part) {
        for (uint32_t i = 0; i < bytes; ++i) different += data[part][i] != pattern(part, i);
    }
    vesper_print(vesper, "%u bytes differ\n", different);
    error = vesper->block->discard(device, 0, requests * blocks); /* nobody needs them any more */
    vesper_print(vesper, "discard: %s\n", vesper->debug->error_text(error));
    return different ? VESPER_CORRUPT : 0;
}

int main(struct vesper* vesper)
{
    struct vesper_block_info info;
    int device = vesper->block->find(vesper->args);
    int result = device < 0 ? device : vesper->block->info(device, &info);
    if (result >= 0 && vesper->block->flags(device) & (VESPER_BLOCK_MOUNTED | VESPER_BLOCK_ROOT))
        result = VESPER_BUSY;
    if (result >= 0) {
        vesper_print(vesper, "%s: %s, %llu blocks of %u bytes\n", info.name, info.model,
                     info.blocks, info.block_bytes);
        result = test(vesper, device, blocks * info.block_bytes);
    }
    if (result < 0)
        vesper_print(vesper, "disk \"%s\": %s\n", vesper->args, vesper->debug->error_text(result));
    return result;
}
