// SPDX-License-Identifier: BSD-2-Clause
// Disks and partitions.
#include "api/call.h"
#include "hal/classes.h"

namespace {

BlockDevice* block_device(int index)
{
    if (index < 0) return nullptr;
    BlockDevice* device = first_block_device();
    while (device && index--) device = device->next;
    return device;
}

int index_of(const BlockDevice* wanted)
{
    int index = 0;
    for (BlockDevice* device = first_block_device(); device; device = device->next, ++index) {
        if (device == wanted) return index;
    }
    return -1;
}

}  // namespace

int api_block_count()
{
    int count = 0;
    for (BlockDevice* device = first_block_device(); device; device = device->next) ++count;
    return count;
}

int api_block_info(int index, vesper_block_info* info)
{
    BlockDevice* device = block_device(index);
    if (!device) return VESPER_NOT_FOUND;
    info->blocks = device->blocks;
    info->first_block = device->first_block;
    info->block_bytes = device->block_bytes;
    info->disk = device->whole ? index_of(device->whole) : -1;
    info->read_only = device->read_only;
    copy_text(info->name, device->name);
    copy_text(info->model, device->model);
    return 0;
}

int api_block_find(const char* name)
{
    BlockDevice* device = find_block_device(name);
    return device ? index_of(device) : VESPER_NOT_FOUND;
}

int api_block_read(int index, uint64_t first, uint32_t count, void* into)
{
    BlockDevice* device = block_device(index);
    if (!device) return VESPER_NOT_FOUND;
    return code(device->read(first, count, static_cast<std::byte*>(into)));
}
