// SPDX-License-Identifier: BSD-2-Clause
// partitions - the parts of a disk: the PC's partition table (MBR), GUID partition tables (GPT),
// BSD disklabels, and the boot images of CDs.
//
// wd0p1 ... wd0p4 are the primary partitions of the MBR, wd0p5 ... the logical ones in the extended
// partition, in the order of their chain; or wd0p1 ... wd0p128 those of a GPT, where there is one,
// by their place in it. wd0a, wd0b ... are those of a disklabel, which lies in a partition of
// NetBSD, OpenBSD or FreeBSD, or at the start of a disk that has no partitions. A disk has one
// label; where there are several, the first counts. All numbers are in blocks of the disk's own
// size.
//
// A CD with an ISO 9660 file system is a volume, whatever partitions it has; one on a disk with
// blocks of 512 bytes may be a hybrid with tables as on a disk. Else its boot images are cd0p1 ...
//
// A partition that ends beyond its disk is cut short and read-only: whoever made it may have seen a
// larger disk. One that begins there, or that overlaps another of the MBR, is reported and left
// out. Supports: MBR as by IBM and Microsoft, GPT as in UEFI 2.10, disklabels as in NetBSD's and
// OpenBSD's <sys/disklabel.h>. Not: labels in big-endian order. Tested on tables made by fdisk,
// sfdisk, sgdisk, xorriso and genisoimage.
#include "block/partitions.h"
#include <algorithm>
#include <array>
#include "block/el_torito.h"
#include "block/gpt.h"
#include "hal/log.h"
#include "lib/bytes.h"
#include "lib/heap.h"

namespace {

struct Extent {
    uint64_t first, blocks;
    uint64_t end() const { return first + blocks; }
    bool overlaps(const Extent& other) const { return first < other.end() && other.first < end(); }
    bool holds(const Extent& other) const { return other.first >= first && other.end() <= end(); }
};

// ---- what the tables look like

// An MBR's entry: flag, 3 bytes of CHS address, type, 3 more of CHS, first block, blocks.
struct MbrEntry {
    uint8_t flag, type;
    Extent where;
    bool empty() const { return type == 0 || where.blocks == 0; }
    bool extended() const { return type == 0x05 || type == 0x0f || type == 0x85; }
};
using MbrTable = std::array<MbrEntry, 4>;
constexpr size_t mbr_entries_at = 446, mbr_entry_bytes = 16, mbr_signature_at = 510;
constexpr uint8_t type_freebsd = 0xa5, type_openbsd = 0xa6, type_netbsd = 0xa9, type_gpt = 0xee;

constexpr uint32_t label_magic = 0x82564557;
constexpr size_t label_secsize_at = 40, label_openbsd_version_at = 114, label_magic2_at = 132,
                 label_npartitions_at = 138, label_partitions_at = 148, label_partition_bytes = 16;
constexpr size_t max_label_partitions = 22;  // MAXMAXPARTITIONS: what a sector has room for

constexpr unsigned max_logicals = 128;

struct TypeName {
    uint8_t type;
    const char* name;
};
constexpr TypeName mbr_types[] = {
    {0x01, "FAT12"},           {0x04, "FAT16"},
    {0x06, "FAT16"},           {0x07, "NTFS, exFAT"},
    {0x0b, "FAT32"},           {0x0c, "FAT32"},
    {0x0e, "FAT16"},           {0x82, "Linux swap"},
    {0x83, "Linux"},           {0x8e, "Linux LVM"},
    {type_freebsd, "FreeBSD"}, {type_openbsd, "OpenBSD"},
    {type_netbsd, "NetBSD"},   {0xef, "EFI"},
};
// p_fstype, as far as the three systems agree.
constexpr TypeName label_types[] = {
    {1, "swap"},     {7, "4.2BSD"},      {8, "MSDOS"}, {9, "4.4LFS"},
    {12, "ISO9660"}, {17, "Linux Ext2"}, {18, "NTFS"},
};

template <size_t N> const char* name_of(const TypeName (&names)[N], uint8_t type)
{
    for (const TypeName& known : names) {
        if (known.type == type) return known.name;
    }
    return nullptr;
}

bool is_bsd(uint8_t type)
{
    return type == type_netbsd || type == type_openbsd || type == type_freebsd;
}

// The first sector of a FAT, NTFS or exFAT volume has an MBR's signature too.
bool is_boot_sector(const std::byte* sector)
{
    if (memcmp(sector + 3, "NTFS    ", 8) == 0 || memcmp(sector + 3, "EXFAT   ", 8) == 0)
        return true;
    auto byte = [&](size_t at) { return static_cast<uint8_t>(sector[at]); };
    bool jumps = (byte(0) == 0xeb && byte(2) == 0x90) || byte(0) == 0xe9;
    unsigned sector_bytes = le16(sector + 11), fats = byte(16);
    return jumps && std::has_single_bit(sector_bytes) && sector_bytes >= 512 &&
           sector_bytes <= 4096 && std::has_single_bit(byte(13)) && le16(sector + 14) != 0 &&
           (fats == 1 || fats == 2) && byte(21) >= 0xf0;
}

// d_checksum makes all words of a label 0 when they are XORed.
bool adds_up(std::span<const std::byte> label)
{
    uint16_t sum = 0;
    for (size_t i = 0; i < label.size(); i += 2)
        sum = static_cast<uint16_t>(sum ^ le16(label.data() + i));
    return sum == 0;
}

// ---- a walk through the tables of one disk

class Scan {
public:
    Scan(BlockDevice& disk, Buffer sector) : disk_(disk), sector_(std::move(sector)) {}
    void run();

private:
    bool read(uint64_t block);
    bool take_table(MbrTable& table) const;
    bool is_flawless(const MbrTable& table) const;
    void find_primaries(const MbrTable& table);
    bool find_gpt(const MbrTable& table);
    bool is_iso9660();
    void find_on_cd();
    void find_logicals(const Extent& extended);
    bool visit(uint64_t block);
    Text<16> name_of_number(unsigned number) const
    {
        return Text<16>().print("{}p{}", disk_.name.view(), number);
    }
    bool claim(std::string_view name, const Extent& where);
    void add_mbr_partition(const MbrEntry& entry, unsigned number);
    bool find_label(uint64_t start, uint8_t system);
    bool check_label(std::span<const std::byte> label, uint64_t block) const;
    void add_label_partitions(std::span<const std::byte> label, uint64_t start, uint8_t system);
    void add(std::string_view name, std::string_view type, Extent where);

    BlockDevice& disk_;
    Buffer sector_;  // one block of the disk
    bool has_label_ = false;
    unsigned logicals_ = 0;
    // What partitions have claimed: the GPT's; or the MBR's primary ones, then, from
    // first_logical_, the logical ones.
    std::array<Extent, 4 + std::max(max_logicals, Gpt::max_partitions)> claimed_;
    size_t claimed_count_ = 0, first_logical_ = 0;
    std::array<uint64_t, max_logicals> visited_;  // blocks that hold a table of the extended chain
    size_t visited_count_ = 0;
};

bool Scan::read(uint64_t block)
{
    auto done = disk_.read(block, 1, sector_.data());
    if (!done) {
        hal::log("{}: cannot read sector {} for its partitions: {}", disk_.name.view(), block,
                 error_text(done.error()));
    }
    return static_cast<bool>(done);
}

// The four entries of the table in sector_, which will be used for other things.
bool Scan::take_table(MbrTable& table) const
{
    const std::byte* sector = sector_.data();
    if (le16(sector + mbr_signature_at) != 0xaa55) return false;
    for (size_t i = 0; i < table.size(); ++i) {
        const std::byte* entry = sector + mbr_entries_at + i * mbr_entry_bytes;
        table[i] = {static_cast<uint8_t>(entry[0]),
                    static_cast<uint8_t>(entry[4]),
                    {le32(entry + 8), le32(entry + 12)}};
    }
    return true;
}

bool Scan::is_flawless(const MbrTable& table) const
{
    for (size_t i = 0; i < table.size(); ++i) {
        const MbrEntry& entry = table[i];
        if (entry.type == 0) continue;
        if (entry.where.blocks == 0 || entry.where.first == 0) return false;
        if (entry.type != type_gpt && entry.where.end() > disk_.blocks) return false;
        for (size_t j = 0; j < i; ++j) {
            if (!table[j].empty() && entry.where.overlaps(table[j].where)) return false;
        }
    }
    return true;
}

void Scan::run()
{
    if (!read(0)) return;
    MbrTable table;
    bool is_table = take_table(table), any = false;
    for (const MbrEntry& entry : table) {
        is_table = is_table && (entry.flag == 0 || entry.flag == 0x80);
        any = any || (is_table && !entry.empty());
    }
    // Where there was a FAT volume before the table, its parameters may still stand in front of the
    // boot code. Then only a table without any fault is believed: the code and messages that a boot
    // sector has in its place do not make one.
    is_table = is_table && any && (!is_boot_sector(sector_.data()) || is_flawless(table));
    disk_.is_volume = config_has_el_torito && is_iso9660();
    // What a CD has of other tables counts in smaller blocks than its own.
    if (disk_.is_volume && disk_.block_bytes != 512) return find_on_cd();
    if (is_table) find_primaries(table);
    if (claimed_count_ == 0 && disk_.is_volume) return find_on_cd();
    if (claimed_count_ == 0 && !has_label_) find_label(0, type_netbsd);
}

// As far as its first descriptor tells, in sector 16.
bool Scan::is_iso9660()
{
    uint64_t block = 16 * 2048 / disk_.block_bytes;
    return block < disk_.blocks && disk_.read(block, 1, sector_.data()) &&
           memcmp(sector_.data() + 1, "CD001", 5) == 0;
}

void Scan::find_on_cd()
{
    if (!config_has_el_torito) return;
    std::array<BootImage, 8> images;
    size_t count = find_boot_images(disk_, images);
    for (size_t i = 0; i < count; ++i) {
        Extent where = {images[i].first / disk_.block_bytes, images[i].bytes / disk_.block_bytes};
        if (images[i].first % disk_.block_bytes || where.blocks == 0) continue;
        add(name_of_number(static_cast<unsigned>(i + 1)), images[i].type, where);
    }
}

// Whether there is one. The others of its MBR's partitions are some of it again, for systems that
// do not know of GPT.
bool Scan::find_gpt(const MbrTable& table)
{
    if (!config_has_gpt) return false;
    if (std::ranges::find(table, type_gpt, &MbrEntry::type) == table.end()) return false;
    auto gpt = Gpt::read(disk_);
    if (gpt.error() == Error::not_found)
        hal::log("{}: its MBR says that there is a GPT, and there is none", disk_.name.view());
    if (!gpt) return false;
    for (Gpt::Partition partition; gpt.value().next(partition);) {
        Text<16> name = name_of_number(partition.number);
        Extent where = {partition.first, partition.last - partition.first + 1};
        if (partition.last < partition.first || partition.last == UINT64_MAX) {
            hal::log("{}: sectors {} to {}: ignored", name.view(), partition.first, partition.last);
            continue;
        }
        if (!claim(name, where)) continue;
        if (partition.type == Gpt::openbsd) find_label(where.first, type_openbsd);
        if (partition.type == Gpt::freebsd) find_label(where.first, type_freebsd);
        add(name, partition.description, where);
    }
    return true;
}

void Scan::find_primaries(const MbrTable& table)
{
    if (find_gpt(table)) return;
    std::array<bool, 4> chains{};
    for (size_t i = 0; i < table.size(); ++i) {
        const MbrEntry& entry = table[i];
        unsigned number = static_cast<unsigned>(i + 1);
        if (entry.empty() || entry.type == type_gpt) continue;
        if (!entry.extended())
            add_mbr_partition(entry, number);
        else
            chains[i] = claim(name_of_number(number), entry.where);
    }
    first_logical_ = claimed_count_;
    for (size_t i = 0; i < table.size(); ++i) {
        if (chains[i]) find_logicals(table[i].where);
    }
}

// Each table of the chain holds a logical partition, which it places in relation to itself, and
// perhaps a link to the next table, in relation to the extended partition.
void Scan::find_logicals(const Extent& extended)
{
    uint64_t block = extended.first;
    while (visit(block)) {
        if (!read(block)) return;
        MbrTable table;
        if (!take_table(table)) {
            hal::log("{}: sector {} should hold a table of logical partitions, and does not",
                     disk_.name.view(), block);
            return;
        }
        uint64_t next = 0;
        for (MbrEntry& entry : table) {
            if (entry.empty()) continue;
            if (entry.extended()) {
                if (!next) next = extended.first + entry.where.first;
                continue;
            }
            if (logicals_ == max_logicals) break;
            unsigned number = 5 + logicals_++;
            entry.where.first += block;
            if (extended.holds(entry.where)) {
                add_mbr_partition(entry, number);
            } else {
                hal::log("{}p{}: sectors {} to {} are outside of the extended partition: ignored",
                         disk_.name.view(), number, entry.where.first, entry.where.end() - 1);
            }
        }
        if (!next) return;
        if (!extended.holds({next, 1})) {
            hal::log(
                "{}: logical partitions: the link to sector {} leads out of the extended partition",
                disk_.name.view(), next);
            return;
        }
        block = next;
    }
}

// Whether a table of logical partitions at this block may be looked at: each once, and not too
// many.
bool Scan::visit(uint64_t block)
{
    for (size_t i = 0; i < visited_count_; ++i) {
        if (visited_[i] == block) {
            hal::log("{}: logical partitions: the link to sector {} makes a loop",
                     disk_.name.view(), block);
            return false;
        }
    }
    if (visited_count_ == visited_.size()) {
        hal::log("{}: more than {} logical partitions: the others are ignored", disk_.name.view(),
                 max_logicals);
        return false;
    }
    visited_[visited_count_++] = block;
    return true;
}

// Whether an MBR partition may be where it says that it is. claimed_ has room for all there can be.
bool Scan::claim(std::string_view name, const Extent& where)
{
    // The file system of a CD is the disk's itself.
    constexpr uint64_t first_descriptor = 16 * 4;
    if (disk_.is_volume && where.holds({first_descriptor, 1})) return false;
    if (where.first == 0) {
        hal::log("{}: begins at sector 0, where the partition table is: ignored", name);
        return false;
    }
    for (size_t i = first_logical_; i < claimed_count_; ++i) {
        if (where.overlaps(claimed_[i])) {
            hal::log("{}: sectors {} to {} overlap another partition: ignored", name, where.first,
                     where.end() - 1);
            return false;
        }
    }
    claimed_[claimed_count_++] = where;
    return true;
}

// A label's partitions come before the one that holds it: the file system in wd0a is found as wd0a.
void Scan::add_mbr_partition(const MbrEntry& entry, unsigned number)
{
    Text<16> name = name_of_number(number);
    if (!claim(name, entry.where)) return;
    if (is_bsd(entry.type)) find_label(entry.where.first, entry.type);
    Text<48> type;
    type.print("type 0x{02x}", entry.type);
    if (const char* known = name_of(mbr_types, entry.type)) type.print(" ({})", known);
    add(name, type, entry.where);
}

// Looks for a label in the partition (or disk) that begins at `start`: in its second block, as on
// all PCs; in its second 512 bytes, for a label that was written to a larger block; in its first
// block behind the boot code's first instructions, as other ports have it.
bool Scan::find_label(uint64_t start, uint8_t system)
{
    constexpr struct {
        uint8_t block;
        uint16_t offset;
    } places[] = {{1, 0}, {0, 512}, {0, 64}};
    for (auto place : places) {
        uint64_t block = start + place.block;
        if (place.offset >= disk_.block_bytes || block >= disk_.blocks) continue;
        if (!read(block)) return false;
        auto label = std::span<const std::byte>(sector_.span()).subspan(place.offset);
        if (le32(label.data()) != label_magic || !check_label(label, block)) continue;
        if (has_label_) {
            hal::log("{}: the disklabel in sector {} is not the first one: ignored",
                     disk_.name.view(), block);
            return false;
        }
        has_label_ = true;
        add_label_partitions(label, start, system);
        return true;
    }
    return false;
}

bool Scan::check_label(std::span<const std::byte> label, uint64_t block) const
{
    uint16_t count = le16(label.data() + label_npartitions_at);
    size_t bytes = label_partitions_at + count * label_partition_bytes;
    uint32_t sector_bytes = le32(label.data() + label_secsize_at);
    Text<80> wrong;
    if (le32(label.data() + label_magic2_at) != label_magic)
        wrong.append("its second magic number is wrong");
    else if (count == 0 || count > max_label_partitions || bytes > label.size())
        wrong.print("it cannot have {} partitions", count);
    else if (!adds_up(label.first(bytes)))
        wrong.append("its checksum is wrong");
    else if (sector_bytes != disk_.block_bytes)
        wrong.print("it counts in sectors of {} bytes, the disk in {}", sector_bytes,
                    disk_.block_bytes);
    if (wrong.empty()) return true;
    hal::log("{}: disklabel in sector {}: {}: ignored", disk_.name.view(), block, wrong.view());
    return false;
}

// Offsets count from the start of the disk in NetBSD and OpenBSD. In FreeBSD they did too; where
// its raw partition "c", which is the MBR partition, says that it begins at 0, they count from
// there.
void Scan::add_label_partitions(std::span<const std::byte> label, uint64_t start, uint8_t system)
{
    const std::byte* partitions = label.data() + label_partitions_at;
    unsigned count = le16(label.data() + label_npartitions_at);
    bool relative = system == type_freebsd &&
                    (count < 3 || le32(partitions + 2 * label_partition_bytes + 4) == 0);
    // OpenBSD's version 1 keeps bits 32 ... 47 where the others keep the fragment size.
    bool wide = system == type_openbsd && le16(label.data() + label_openbsd_version_at) != 0;
    for (unsigned i = 0; i < count; ++i) {
        const std::byte* entry = partitions + i * label_partition_bytes;
        Extent where = {le32(entry + 4), le32(entry)};
        if (wide) {
            where.first |= static_cast<uint64_t>(le16(entry + 8)) << 32;
            where.blocks |= static_cast<uint64_t>(le16(entry + 10)) << 32;
        }
        if (relative) where.first += start;
        auto type = static_cast<uint8_t>(entry[12]);
        if (type == 0 || where.blocks == 0) continue;  // "c" and "d" are mostly of type 0, unused
        Text<16> name;
        name.print("{}{}", disk_.name.view(), static_cast<char>('a' + i));
        Text<48> text;
        if (const char* known = name_of(label_types, type))
            text.append(known);
        else
            text.print("type {}", type);
        add(name, text, where);
    }
}

void Scan::add(std::string_view name, std::string_view type, Extent where)
{
    if (where.first >= disk_.blocks) {
        hal::log("{}: begins at sector {}, but {} has only {}: ignored", name, where.first,
                 disk_.name.view(), disk_.blocks);
        return;
    }
    bool cut = where.end() > disk_.blocks;
    if (cut) {
        hal::log("{}: ends at sector {}, but {} has only {}: cut short and read-only", name,
                 where.end() - 1, disk_.name.view(), disk_.blocks);
        where.blocks = disk_.blocks - where.first;
    }
    auto made = make<Partition>(disk_, where.first, where.blocks);
    if (!made) return hal::log("{}: {}", name, error_text(made.error()));
    Partition& partition = *made.value();
    partition.model.append(type);
    partition.read_only |= cut;
    publish_as(partition, name);
    uint64_t bytes = where.blocks * disk_.block_bytes;
    bool small = bytes < 1 << 20;
    hal::log("{}: {}, {} {} at sector {}", name, type, bytes >> (small ? 10 : 20),
             small ? "KiB" : "MiB", where.first);
}

}  // namespace

void find_partitions(BlockDevice& disk)
{
    if (disk.blocks == 0) return;  // no medium
    auto sector = Buffer::of(disk.block_bytes);
    auto scan =
        sector ? make<Scan>(disk, std::move(sector).value()) : Result<Scan*>(sector.error());
    if (!scan) return hal::log("{}: no partitions: {}", disk.name.view(), error_text(scan.error()));
    scan.value()->run();
    delete scan.value();
}

void look_for_disks()
{
    BlockDevice* last = first_block_device();
    while (last && last->next) last = last->next;
    for (HotPlug* controller = first_hot_plug(); controller; controller = controller->next)
        controller->look();
    for (BlockDevice* disk = last ? last->next : first_block_device(); disk; disk = disk->next) {
        if (!disk->whole) find_partitions(*disk);
    }
}
