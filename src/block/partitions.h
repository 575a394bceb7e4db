// SPDX-License-Identifier: BSD-2-Clause
#pragma once
#include "hal/classes.h"

// A part of a disk.
class Partition final : public BlockDevice {
public:
    Partition(BlockDevice& disk, uint64_t first, uint64_t count)
    {
        blocks = count;
        block_bytes = disk.block_bytes;
        read_only = disk.read_only;
        whole = &disk;
        medium = disk.medium;
        first_block = first;
        largest_transfer = disk.largest_transfer;
        removable = disk.removable;
        rotational = disk.rotational;
    }

private:
    Result<void> read_blocks(uint64_t first, uint32_t count, std::byte* into) override
    {
        return whole->read(first_block + first, count, into);
    }
    Result<void> write_blocks(uint64_t first, uint32_t count, const std::byte* from) override
    {
        return whole->write(first_block + first, count, from);
    }
    Result<void> flush_blocks() override { return whole->flush(); }
    Result<void> discard_blocks(uint64_t first, uint32_t count) override
    {
        return whole->discard(first_block + first, count);
    }
};

// Reads the disk's partition tables and publishes a BlockDevice for each partition: wd0a, wd0p1.
// A disk without any is a volume itself: nothing is published. What is damaged is logged and left
// out.
void find_partitions(BlockDevice& disk);

// Disks that have come are published, with their partitions; those that have gone are gone. What it
// finds is at the end of the list. Not for interrupt handlers.
void look_for_disks();
