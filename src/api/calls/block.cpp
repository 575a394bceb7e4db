// SPDX-License-Identifier: BSD-2-Clause
// Disks and partitions.
#include "api/arguments.h"
#include "api/call.h"
#include "block/partitions.h"
#include "fs/volumes.h"

int api_block_count()
{
    look_for_disks();
    int count = 0;
    for (BlockDevice* device = first_block_device(); device; device = device->next) ++count;
    return count;
}

int api_block_info(int number, vesper_block_info* info)
{
    BlockDevice* device = block_device(number);
    if (!device) return VESPER_NOT_FOUND;
    if (device->removable && !device->is_gone()) (void)device->look_for_medium();
    info->blocks = device->blocks;
    info->first_block = device->first_block;
    info->block_bytes = device->block_bytes;
    info->disk = device->whole ? number_of(device->whole) : -1;
    info->read_only = device->read_only;
    copy_text(info->name, device->name);
    copy_text(info->model, device->model);
    return 0;
}

int api_block_find(const char* name)
{
    look_for_disks();
    BlockDevice* device = find_block_device(name);
    return device ? number_of(device) : VESPER_NOT_FOUND;
}

int api_block_read(int number, uint64_t first, uint32_t count, void* into)
{
    BlockDevice* device = block_device(number);
    if (!device) return VESPER_NOT_FOUND;
    if (!api::may_write(into, uint64_t{count} * device->block_bytes)) return VESPER_INVALID;
    return code(device->read(first, count, static_cast<std::byte*>(into)));
}

int api_block_write(int number, uint64_t first, uint32_t count, const void* from)
{
    BlockDevice* device = block_device(number);
    if (!device) return VESPER_NOT_FOUND;
    if (!api::may_read(from, uint64_t{count} * device->block_bytes)) return VESPER_INVALID;
    return code(device->write(first, count, static_cast<const std::byte*>(from)));
}

int api_block_flush(int number)
{
    BlockDevice* device = block_device(number);
    return device ? code(device->flush()) : VESPER_NOT_FOUND;
}

int api_block_discard(int number, uint64_t first, uint32_t count)
{
    BlockDevice* device = block_device(number);
    return device ? code(device->discard(first, count)) : VESPER_NOT_FOUND;
}

int api_block_flags(int number)
{
    look_for_disks();
    BlockDevice* device = block_device(number);
    if (!device) return VESPER_NOT_FOUND;
    int flags = (device->read_only ? VESPER_BLOCK_READ_ONLY : 0) |
                (device->removable ? VESPER_BLOCK_REMOVABLE : 0) |
                (device->is_gone() ? VESPER_BLOCK_GONE : 0);
    for (fs::Volume* volume = fs::first_volume(); volume; volume = volume->next) {
        if (volume->device != device) continue;
        flags |= VESPER_BLOCK_MOUNTED | (volume == fs::root() ? VESPER_BLOCK_ROOT : 0);
    }
    return flags;
}
