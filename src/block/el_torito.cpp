// SPDX-License-Identifier: BSD-2-Clause
#include "block/el_torito.h"
#include "hal/log.h"
#include "lib/bytes.h"
#include "lib/heap.h"

namespace {

constexpr size_t sector_bytes = 2048, virtual_sector_bytes = 512;  // 1.5
constexpr uint64_t boot_record = 17;
constexpr size_t entry_bytes = 32;
constexpr uint8_t bootable = 0x88, more_headers = 0x90, last_header = 0x91;  // 2.2, 2.3
constexpr uint8_t platform_efi = 0xef;
constexpr unsigned floppy_sectors[] = {0, 2400, 2880, 5760};
enum Media : uint8_t { no_emulation = 0, largest_floppy = 3, hard_disk = 4 };

// A sector of 2048 bytes, whatever the disk's blocks are.
class Sector {
public:
    static Result<Sector> of(BlockDevice& disk)
    {
        Sector sector;
        sector.buffer_ = TRY(Buffer::of(std::max<size_t>(sector_bytes, disk.block_bytes)));
        return sector;
    }
    // Null where it cannot be read.
    const std::byte* read(BlockDevice& disk, uint64_t number)
    {
        uint64_t at = number * sector_bytes;
        auto count = static_cast<uint32_t>(buffer_.size() / disk.block_bytes);
        if (!disk.read(at / disk.block_bytes, count, buffer_.data())) return nullptr;
        return buffer_.data() + at % buffer_.size();
    }

private:
    Buffer buffer_;
};

class Catalog {
public:
    Catalog(BlockDevice& disk, Sector& sector, std::span<BootImage> images)
        : disk_(disk), sector_(sector), images_(images)
    {
    }
    size_t read(uint64_t number);

private:
    void add(const std::byte* entry, uint8_t platform);
    void add_hard_disk(uint64_t first);

    BlockDevice& disk_;
    Sector& sector_;
    std::span<BootImage> images_;
    size_t count_ = 0;
};

// 2.1, "Validation Entry"
bool is_valid(const std::byte* entry)
{
    uint16_t sum = 0;
    for (size_t i = 0; i < entry_bytes; i += 2) sum = static_cast<uint16_t>(sum + le16(entry + i));
    return entry[0] == std::byte{1} && le16(entry + 30) == 0xaa55 && sum == 0;
}

size_t Catalog::read(uint64_t number)
{
    const std::byte* found = sector_.read(disk_, number);
    if (!found || !is_valid(found)) {
        hal::log("{}: its boot catalog, in sector {}, is damaged", disk_.name.view(), number);
        return 0;
    }
    std::byte catalog[sector_bytes];  // a hard disk's image needs the sector
    memcpy(catalog, found, sizeof catalog);
    auto platform = static_cast<uint8_t>(catalog[1]);
    add(catalog + entry_bytes, platform);
    for (size_t at = 2 * entry_bytes; at < sector_bytes; at += entry_bytes) {
        auto kind = static_cast<uint8_t>(catalog[at]);
        if (kind == more_headers || kind == last_header)
            platform = static_cast<uint8_t>(catalog[at + 1]);
        else
            add(catalog + at, platform);
    }
    return count_;
}

// 2.2, 2.4, "Section Entry"
void Catalog::add(const std::byte* entry, uint8_t platform)
{
    if (static_cast<uint8_t>(entry[0]) != bootable || count_ == images_.size()) return;
    auto media = static_cast<uint8_t>(entry[1]) & 0x0f;
    uint64_t first = uint64_t{le32(entry + 8)} * sector_bytes;
    uint64_t sectors = le16(entry + 6);
    if (media == hard_disk) return add_hard_disk(first);
    if (media > hard_disk || (media == no_emulation && platform != platform_efi)) return;
    if (media != no_emulation) sectors = floppy_sectors[media];
    uint64_t end = disk_.blocks * disk_.block_bytes;
    if (first >= end) return;
    // UEFI 2.10, 13.3.2.1: with a count of 0 or 1 it goes on to the end of the CD.
    uint64_t bytes = sectors > 1 ? sectors * virtual_sector_bytes : end - first;
    images_[count_++] = {first, bytes, media == no_emulation ? "El Torito EFI" : "floppy image"};
}

// It begins with an MBR, whose first entry is the image's only partition.
void Catalog::add_hard_disk(uint64_t first)
{
    const std::byte* mbr = sector_.read(disk_, first / sector_bytes);
    if (!mbr || le16(mbr + 510) != 0xaa55 || mbr[446 + 4] == std::byte{0}) return;
    images_[count_++] = {first + uint64_t{le32(mbr + 446 + 8)} * virtual_sector_bytes,
                         uint64_t{le32(mbr + 446 + 12)} * virtual_sector_bytes, "hard disk image"};
}

}  // namespace

size_t find_boot_images(BlockDevice& disk, std::span<BootImage> images)
{
    auto sector = Sector::of(disk);
    if (!sector) return 0;
    const std::byte* record = sector.value().read(disk, boot_record);
    if (!record || record[0] != std::byte{0} ||
        memcmp(record + 1, "CD001\1EL TORITO SPECIFICATION", 29) != 0)
        return 0;
    uint32_t catalog = le32(record + 0x47);
    return Catalog(disk, sector.value(), images).read(catalog);
}
