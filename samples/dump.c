/* SPDX-License-Identifier: BSD-2-Clause
 * dump - the disks and partitions, and the blocks of one in hexadecimal; a key shows more, q ends.
 *
 *   ./vesper run samples/dump.c
 *   ./vesper run samples/dump.c --append 'args=wd0p1 16'
 *
 * It shows block->count, info, find and read, and how to take words from args. */
#include "vesper.h"
#include "vesper_text.h"

enum { row_bytes = 16, page_bytes = 256, largest_block = 4096 };

/* Copies the next word of *text, and moves *text behind it. Returns 0 if there is none. */
static int next_word(const char** text, char* word, uint32_t size)
{
    uint32_t length = 0;
    while (**text == ' ') ++*text;
    for (; **text && **text != ' '; ++*text) {
        if (length + 1 < size) word[length++] = **text;
    }
    word[length] = 0;
    return length != 0;
}

static int is_number(const char* word, uint64_t* number)
{
    for (*number = 0; *word >= '0' && *word <= '9'; ++word) *number = *number * 10 + (*word - '0');
    return *word == 0;
}

static void list_devices(const struct vesper* vesper)
{
    int count = vesper->block->count();
    for (int device = 0; device < count; ++device) {
        struct vesper_block_info info;
        if (vesper->block->info(device, &info) < 0) continue;
        vesper_print(vesper, "%s%-8s %10llu blocks of %u  %s\n", info.disk < 0 ? "" : "  ",
                     info.name, (unsigned long long)info.blocks, info.block_bytes, info.model);
    }
}

static void dump_rows(const struct vesper* vesper, const uint8_t* bytes, uint32_t offset)
{
    for (uint32_t end = offset + page_bytes; offset < end; offset += row_bytes) {
        vesper_print(vesper, "%04x ", offset);
        for (uint32_t i = 0; i < row_bytes; ++i)
            vesper_print(vesper, i == row_bytes / 2 ? "  %02x" : " %02x", bytes[offset + i]);
        vesper_print(vesper, "  ");
        for (uint32_t i = 0; i < row_bytes; ++i) {
            uint8_t c = bytes[offset + i];
            vesper->emit(c >= ' ' && c < 0x7f ? c : '.');
        }
        vesper->emit('\n');
    }
}

/* Shows one block, a page at a time. Returns the last key, or an error. */
static int dump(const struct vesper* vesper, int device, const struct vesper_block_info* info,
                uint64_t block)
{
    static uint8_t bytes[largest_block];
    int key = 0, error = vesper->block->read(device, block, 1, bytes);
    if (error < 0) {
        vesper_print(vesper, "%s block %llu: %s\n", info->name, (unsigned long long)block,
                     vesper->debug->error_text(error));
        return error;
    }
    for (uint32_t offset = 0; offset < info->block_bytes && key != 'q'; offset += page_bytes) {
        vesper_print(vesper, "%s block %llu\n", info->name, (unsigned long long)block);
        dump_rows(vesper, bytes, offset);
        key = vesper->key();
    }
    return key;
}

int main(struct vesper* vesper)
{
    const char* args = vesper->args;
    struct vesper_block_info info;
    char word[32] = "";
    uint64_t block = 0;
    int device = 0, result;

    list_devices(vesper);
    if (next_word(&args, word, sizeof word)) device = vesper->block->find(word);
    result = device < 0 ? device : vesper->block->info(device, &info);
    if (result < 0) {
        vesper_print(vesper, "%s: %s\n", word[0] ? word : "disk",
                     vesper->debug->error_text(result));
        return result;
    }
    if (next_word(&args, word, sizeof word) && !is_number(word, &block)) {
        vesper_print(vesper, "%s: not the number of a block\n", word);
        return VESPER_INVALID;
    }
    do result = dump(vesper, device, &info, block++);
    while (result >= 0 && result != 'q');
    return result < 0 ? result : 0;
}
