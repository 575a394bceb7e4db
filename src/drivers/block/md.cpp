// SPDX-License-Identifier: BSD-2-Clause
// md - memory disks: each file that the boot loader loaded beside the kernel, as a disk.
//
// A module lies in RAM that is nobody else's (src/arch/machine.cpp sees to that). What is written
// to the disk is written there, and gone when the machine is. An image of a disk or a file system
// is used as on any other disk; an archive becomes a volume (src/fs/ramfs/archive.cpp). What is
// left of a module behind its last whole block of 512 bytes is not part of the disk.
// Tested on: QEMU's -initrd, GRUB's module and module2.
#include <cstring>
#include "hal/driver.h"

namespace {

class MemoryDisk final : public BlockDevice {
public:
    explicit MemoryDisk(const BootModule& module)
    {
        memory = {reinterpret_cast<std::byte*>(static_cast<uintptr_t>(module.start)),
                  static_cast<size_t>(module.bytes)};
        model.append(module.name);
        blocks = memory.size() / block_bytes;
    }

private:
    std::byte* at(uint64_t block) { return memory.data() + block * block_bytes; }
    Result<void> read_blocks(uint64_t first, uint32_t count, std::byte* into) override
    {
        memmove(into, at(first), size_t{count} * block_bytes);
        return {};
    }
    Result<void> write_blocks(uint64_t first, uint32_t count, const std::byte* from) override
    {
        memmove(at(first), from, size_t{count} * block_bytes);
        return {};
    }
    Result<void> flush_blocks() override { return {}; }
};

Result<void> attach(Device& device)
{
    if (!device.module()) return Error::not_found;
    auto& disk = *TRY(make<MemoryDisk>(*device.module()));
    publish(disk, "md");
    device.describe("<{}>, {} bytes", disk.model.view(), disk.memory.size());
    return {};
}

constexpr Match matches[] = {from_loader()};

}  // namespace

extern const Driver md = {"md", matches, attach};
