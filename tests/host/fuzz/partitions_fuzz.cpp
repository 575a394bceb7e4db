// SPDX-License-Identifier: BSD-2-Clause
// find_partitions() on a disk that is blank but for what the input puts there:
//   byte: 0 512-byte blocks, 1 4096-byte blocks · 8 bytes: blocks of the disk
//   then records: 4 bytes: block · 2 bytes: offset in it · 2 bytes: length · the bytes
// A label and a GPT get the checksums that fit; reads beyond the end and of block 0xdead fail.
#include <map>
#include <vector>
#include "block/partitions.h"
#include "fakes/machine.h"
#include "lib/bytes.h"
#include "lib/crc32.h"

namespace {

class SparseDisk final : public BlockDevice {
public:
    Result<void> flush_blocks() override { return {}; }
    std::map<uint64_t, std::vector<uint8_t>> sectors;
    size_t reads = 0;

private:
    Result<void> read_blocks(uint64_t first, uint32_t count, std::byte* into) override
    {
        if (first + count > blocks) abort();  // BlockDevice has checked
        ++reads;
        if (first == 0xdead) return Error::device;
        for (; count; --count, ++first, into += block_bytes) {
            auto found = sectors.find(first);
            if (found == sectors.end())
                memset(into, 0, block_bytes);
            else
                memcpy(into, found->second.data(), block_bytes);
        }
        return {};
    }
    Result<void> write_blocks(uint64_t, uint32_t, const std::byte*) override { abort(); }
};

void fix_checksum(std::vector<uint8_t>& sector, size_t at)
{
    if (at + 148 > sector.size() || le32(&sector[at]) != 0x82564557) return;
    size_t end = at + 148 + le16(&sector[at + 138]) * 16;
    if (end > sector.size()) return;
    uint16_t sum = 0;
    for (size_t i = at; i < end; i += 2) sum ^= i == at + 136 ? 0 : le16(&sector[i]);
    memcpy(&sector[at + 136], &sum, 2);
}

void fix_gpt(SparseDisk& disk, std::vector<uint8_t>& header)
{
    if (header.size() < 92 || memcmp(header.data(), "EFI PART", 8) != 0) return;
    uint64_t table = le64(&header[72]), bytes = uint64_t{le32(&header[80])} * le32(&header[84]);
    if (bytes > 1 << 16) return;
    std::vector<std::byte> entries(bytes + disk.block_bytes);
    for (size_t at = 0; at < bytes; at += disk.block_bytes, ++table) {
        auto found = disk.sectors.find(table);
        if (found != disk.sectors.end()) memcpy(&entries[at], &found->second[0], disk.block_bytes);
    }
    uint32_t crc = crc32(std::span(entries).first(bytes)), none = 0;
    memcpy(&header[88], &crc, 4);
    memcpy(&header[16], &none, 4);
    size_t length = std::min<size_t>(le32(&header[12]), header.size());
    crc = crc32(std::as_bytes(std::span(header).first(length)));
    memcpy(&header[16], &crc, 4);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size)
{
    if (size < 9) return 0;
    FakeMachine machine;
    SparseDisk disk;
    disk.block_bytes = data[0] & 1 ? 4096 : 512;
    disk.blocks = le64(data + 1) & 0xffffffffffff;
    for (data += 9, size -= 9; size >= 8;) {
        auto& sector = disk.sectors[le32(data)];
        sector.resize(disk.block_bytes);
        size_t at = le16(data + 4) % disk.block_bytes, length = le16(data + 6);
        data += 8, size -= 8;
        length = std::min({length, size, disk.block_bytes - at});
        memcpy(&sector[at], data, length);
        data += length, size -= length;
    }
    for (auto& [block, sector] : disk.sectors) {
        for (size_t at : {0, 512, 64}) fix_checksum(sector, at);
        fix_gpt(disk, sector);
    }
    publish(disk, "wd");
    find_partitions(disk);

    // Whatever there was: few reads, and partitions that lie in the disk and can be read to their
    // end.
    if (disk.reads > 1000 || machine.log.size() > 1000) abort();
    for (BlockDevice* partition = disk.next; partition; partition = partition->next) {
        if (partition->whole != &disk || partition->blocks == 0) abort();
        if (partition->first_block >= disk.blocks) abort();
        if (partition->blocks > disk.blocks - partition->first_block) abort();
        std::byte block[4096];
        (void)partition->read(partition->blocks - 1, 1, block);
        if (partition->read(partition->blocks, 1, block).error() != Error::invalid) abort();
    }
    return 0;
}
