// SPDX-License-Identifier: BSD-2-Clause
#pragma once
#include "hal/classes.h"

// A part of a disk, as block/partitions.cpp makes them.
class Part final : public BlockDevice {
public:
    Part(BlockDevice& disk, uint64_t first, uint64_t count)
    {
        whole = &disk;
        first_block = first;
        blocks = count;
        block_bytes = disk.block_bytes;
        name.append("wd0b");
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
};
