// SPDX-License-Identifier: BSD-2-Clause
// src/drivers/block/ide.cpp, unchanged, in a program of its own: it finds a disk and reads it.
// Behind the ports is the least that looks like an ATA disk; on a PC they would be the real ones.
#include <cstdio>
#include <cstring>
#include "hal/driver.h"

extern const Driver ide;
extern BlockDevice* found_disk;  // supply.cpp

namespace {

constexpr unsigned sectors = 64;

struct Disk {  // drive 0 of the channel at 1F0h, PIO only
    uint8_t registers[8] = {};
    uint16_t data[256] = {};
    unsigned next = 256, left = 0;  // of data; sectors still to come
    uint32_t lba = 0;

    uint8_t status() const { return registers[6] & 0x10 ? 0 : next < 256 ? 0x58 : 0x50; }
    void load()
    {
        for (unsigned i = 0; i < 256; ++i) data[i] = static_cast<uint16_t>(lba * 1000 + i);
        ++lba;
        --left;
        next = 0;
    }
    void execute(uint8_t command)
    {
        if (registers[6] & 0x10) return;  // there is no drive 1
        if (command == 0xec) {            // IDENTIFY DEVICE
            memset(data, 0, sizeof data);
            data[49] = 1 << 9;  // LBA
            data[60] = sectors;
            for (unsigned i = 27; i < 47; ++i) data[i] = 'm' << 8 | 'e';
            next = 0;
        } else if (command == 0x20) {  // READ SECTORS
            lba = registers[3] | registers[4] << 8u | registers[5] << 16u;
            left = registers[2] ? registers[2] : 256;
            load();
        }
    }
    uint16_t take()
    {
        uint16_t word = data[next++ % 256];
        if (next == 256 && left) load();
        return word;
    }
} disk;

bool reads_what_is_there(BlockDevice& device)
{
    std::byte bytes[3 * 512];
    if (!device.read(5, 3, bytes)) return false;
    for (unsigned i = 0; i < 3 * 256; ++i) {
        uint16_t word;
        memcpy(&word, bytes + i * 2, 2);
        if (word != (5 + i / 256) * 1000 + i % 256) return false;
    }
    return device.read(sectors, 1, bytes).error() == Error::invalid;
}

}  // namespace

uint32_t port_in(uint16_t port, unsigned)
{
    if (port == 0x3f6 || port == 0x1f7) return disk.status();
    if (port == 0x1f0) return disk.take();
    return port > 0x1f0 && port < 0x1f7 ? disk.registers[port - 0x1f0] : ~0u;
}

void port_out(uint16_t port, unsigned, uint32_t value)
{
    if (port == 0x1f7) disk.execute(static_cast<uint8_t>(value));
    if (port > 0x1f0 && port < 0x1f7) disk.registers[port - 0x1f0] = static_cast<uint8_t>(value);
}

int main()
{
    Device channel = Device::on_isa(isa(0x1f0, 8, 0), "port 0x1f0");
    bool good = ide.attach(channel) && found_disk && found_disk->blocks == sectors &&
                reads_what_is_there(*found_disk);
    std::printf("%s\n", good ? "the disk has been read" : "the disk has NOT been read");
    return good ? 0 : 1;
}
