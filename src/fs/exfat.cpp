// SPDX-License-Identifier: BSD-2-Clause
// exfat - the file system of large memory cards.
//
// Files, directories and the order of writing are those of clusters/. A node's id is the place of
// its file entry on the volume, in bytes; the root's is 1. Names: case is kept but not
// distinguished, by the volume's up-case table. Times are UTC. New files have adjacent clusters and
// no chain as long as that goes. Not written: volumes with two allocation tables (TexFAT), or with
// an allocation bitmap in pieces. Entry sets of others that cross a sector are not moved: such a
// one may be torn by a power cut. Spec: Microsoft exFAT file system specification (2019), cited by
// its sections. Tested on: volumes of mkfs.exfat, which fsck.exfat finds right afterwards.
#include <algorithm>
#include <bit>
#include <cstring>
#include "fs/clusters/clusters.h"
#include "lib/bytes.h"
#include "lib/heap.h"
#include "lib/utf.h"

namespace {
using namespace fs;

// ---- what lies on the disk

struct [[gnu::packed]] BootSector {  // 3.1
    uint8_t JumpBoot[3], FileSystemName[8], MustBeZero[53];
    uint64_t PartitionOffset, VolumeLength;
    uint32_t FatOffset, FatLength, ClusterHeapOffset, ClusterCount, FirstClusterOfRootDirectory;
    uint32_t VolumeSerialNumber;
    uint16_t FileSystemRevision, VolumeFlags;
    uint8_t BytesPerSectorShift, SectorsPerClusterShift, NumberOfFats, DriveSelect, PercentInUse;
    uint8_t Reserved[7], BootCode[390];
    uint16_t BootSignature;
};
static_assert(sizeof(BootSector) == 512);
constexpr uint16_t active_fat = 1, volume_dirty = 2;  // VolumeFlags

// EntryType: 6.2.1
constexpr uint8_t in_use = 0x80;
constexpr uint8_t bitmap_type = 0x81, up_case_type = 0x82, label_type = 0x83, file_type = 0x85,
                  stream_type = 0xc0, name_type = 0xc1, unused_file_type = 0x05;

struct [[gnu::packed]] TableEntry {  // 7.1, 7.2: the allocation bitmap, the up-case table
    uint8_t EntryType, Flags, Reserved[2];
    uint32_t TableChecksum;
    uint8_t Reserved2[12];
    uint32_t FirstCluster;
    uint64_t DataLength;
};
static_assert(sizeof(TableEntry) == slot_bytes);

struct [[gnu::packed]] LabelEntry {  // 7.3
    uint8_t EntryType, CharacterCount;
    uint16_t VolumeLabel[11];
    uint8_t Reserved[8];
};
static_assert(sizeof(LabelEntry) == slot_bytes);

struct [[gnu::packed]] FileEntry {  // 7.4
    uint8_t EntryType, SecondaryCount;
    uint16_t SetChecksum, FileAttributes, Reserved1;
    uint32_t CreateTimestamp, LastModifiedTimestamp, LastAccessedTimestamp;
    uint8_t Create10msIncrement, LastModified10msIncrement;
    uint8_t CreateUtcOffset, LastModifiedUtcOffset, LastAccessedUtcOffset, Reserved2[7];
};
static_assert(sizeof(FileEntry) == slot_bytes);

struct [[gnu::packed]] StreamEntry {  // 7.6
    uint8_t EntryType, GeneralSecondaryFlags, Reserved1, NameLength;
    uint16_t NameHash, Reserved2;
    uint64_t ValidDataLength;
    uint32_t Reserved3, FirstCluster;
    uint64_t DataLength;
};
static_assert(sizeof(StreamEntry) == slot_bytes);
constexpr uint8_t allocation_possible = 1, no_fat_chain = 2;  // GeneralSecondaryFlags

constexpr uint32_t units_per_entry = 15;  // 7.7
constexpr uint8_t utc = 0x80;             // 7.4.10: the offset is known, and 0
constexpr uint32_t max_directory_bytes = 256 << 20;

// 6.3.3, and the same for names
uint16_t add_checksum(uint16_t sum, uint8_t byte)
{
    return static_cast<uint16_t>(std::rotr(sum, 1) + byte);
}

uint16_t set_checksum(std::span<const std::byte> set)
{
    uint16_t sum = 0;
    for (size_t i = 0; i < set.size(); ++i) {
        if (i != 2 && i != 3) sum = add_checksum(sum, static_cast<uint8_t>(set[i]));
    }
    return sum;
}

// ---- the volume

class ExfatVolume final : public ClusterVolume {
public:
    ExfatVolume(BlockCache& cache, const Shape& shape, uint32_t root_cluster)
        : ClusterVolume(cache, shape), bitmap_(cache), root_cluster_(root_cluster)
    {
    }
    Result<void> start(const BootSector& boot);
    Result<void> write_tables() override
    {
        TRY(bitmap_.write());
        return ClusterVolume::write_tables();
    }

private:
    Result<bool> next_set(Slots& slots, EntrySet& set) override;
    Result<uint32_t> make_set(ClusterNode& directory, std::string_view name,
                              std::byte* set) override;
    void update_set(std::byte* set, uint32_t slots, const ClusterNode& node) override;
    void copy_body(const std::byte* from, uint32_t from_slots, std::byte* to,
                   uint32_t to_slots) override;
    bool is_free(const std::byte* slot) const override
    {
        return (slot[0] & std::byte{in_use}) == std::byte{0};
    }
    void erase(std::byte* slot) const override  // not 0: that is the end
    {
        slot[0] =
            slot[0] == std::byte{0} ? std::byte{unused_file_type} : slot[0] & ~std::byte{in_use};
    }
    uint32_t fold(uint32_t character) const override;
    uint64_t mark_offset(uint32_t cluster) const override
    {
        return bitmap_.offset_of((cluster - 2) / 8);
    }
    Result<Clusters> find_free(uint32_t from, uint32_t to, uint32_t wanted, bool any) override;
    Result<void> mark(Clusters run, bool used) override;
    Result<uint32_t> count_free() override;
    Result<void> set_dirty(bool dirty) override;
    Result<void> write_summary(uint32_t free, uint32_t next_free) override;

    Result<bool> read_set(Slots& slots, EntrySet& set, const FileEntry& file);
    Result<void> use_tables();
    Result<void> use_bitmap(const TableEntry& entry);
    Result<void> use_up_case(const TableEntry& entry);
    uint32_t look_up_case(uint32_t unit) const;
    Result<uint8_t> bits(uint32_t index)
    {
        return static_cast<uint8_t>(*TRY(bitmap_.at(index / 8)));
    }

    Window bitmap_;
    const uint32_t root_cluster_;
    Buffer up_case_;  // as it is on the volume: 7.2.5
    uint8_t ascii_[128];
    bool was_dirty_ = false;  // before anything was written: it stays so, until it has been checked
};

Result<void> ExfatVolume::start(const BootSector& boot)
{
    ClusterNode* root = TRY(make<ClusterNode>(*this));
    ClusterVolume::start(*root);
    root->first = root_cluster_;
    was_dirty_ = boot.VolumeFlags & volume_dirty;
    for (unsigned c = 0; c < sizeof ascii_; ++c)
        ascii_[c] = static_cast<uint8_t>(c >= 'a' && c <= 'z' ? c - 32 : c);
    if (!read_only && boot.NumberOfFats != 1) read_only = "it has two allocation tables";
    return use_tables();
}

// 7: what the root directory says of the volume
Result<void> ExfatVolume::use_tables()
{
    Slots slots(static_cast<ClusterNode&>(root()), 0);
    bool has_bitmap = false, has_up_case = false;
    while (const std::byte* slot = TRY(slots.next())) {
        auto type = static_cast<uint8_t>(slot[0]);
        if (type == 0) break;
        if (type == bitmap_type && !has_bitmap) {
            has_bitmap = true;
            TRY(use_bitmap(load_le<TableEntry>(slot)));
        } else if (type == up_case_type && !has_up_case) {
            has_up_case = true;
            TRY(use_up_case(load_le<TableEntry>(slot)));
        } else if (type == label_type) {
            auto units = std::span(slot + offsetof(LabelEntry, VolumeLabel),
                                   std::min<size_t>(static_cast<size_t>(slot[1]), 11) * 2);
            label.clear();
            while (units.size() >= 2) append_utf8(label, take_utf16(units, false));
        }
    }
    if (!has_bitmap) return corrupt("there is no allocation bitmap");
    if (!has_up_case && !read_only) read_only = "it has no up-case table";
    return {};
}

Result<void> ExfatVolume::use_bitmap(const TableEntry& entry)
{
    uint32_t bytes = (shape.clusters + 7) / 8, count = clusters_for(bytes);
    uint32_t first = entry.FirstCluster;
    if (entry.DataLength < bytes || !is_cluster(first) || count > shape.clusters - (first - 2))
        return corrupt("an allocation bitmap of {} bytes at cluster {}", entry.DataLength, first);
    for (uint32_t i = 1; i < count; ++i) {
        if (TRY(next_cluster(first + i - 1)) == first + i) continue;
        if (!read_only) read_only = "its allocation bitmap is in pieces";
    }
    bitmap_.place(offset_of(first), bytes);
    return {};
}

Result<void> ExfatVolume::use_up_case(const TableEntry& entry)
{
    constexpr uint64_t most = 0x10000 * 2;
    uint32_t count = clusters_for(std::min(entry.DataLength, most)), first = entry.FirstCluster;
    bool fits =
        entry.DataLength <= most && is_cluster(first) && count <= shape.clusters - (first - 2);
    uint32_t sum = 0;
    if (fits) {
        up_case_ = TRY(Buffer::of(static_cast<size_t>(entry.DataLength)));
        TRY(cache().read(offset_of(first), up_case_.span()));
        for (std::byte byte : up_case_.span()) sum = std::rotr(sum, 1) + static_cast<uint8_t>(byte);
    }
    if (!fits || sum != entry.TableChecksum) {
        up_case_ = Buffer();
        if (!read_only) read_only = "its up-case table is damaged";
        return {};
    }
    for (unsigned c = 0; c < sizeof ascii_; ++c) {
        uint32_t folded = look_up_case(c);
        ascii_[c] = static_cast<uint8_t>(folded < 128 ? folded : c);
    }
    return {};
}

// 7.2.5.1: after 0xffff, how many stand for themselves
uint32_t ExfatVolume::look_up_case(uint32_t unit) const
{
    const std::byte* table = up_case_.data();
    uint32_t at = 0;
    for (size_t i = 0; i + 1 < up_case_.size(); i += 2) {
        uint16_t value = le16(table + i);
        if (value == 0xffff && i + 3 < up_case_.size()) {
            i += 2;
            at += le16(table + i);
            if (unit < at) return unit;
        } else if (at++ == unit) {
            return value;
        }
    }
    return unit;
}

uint32_t ExfatVolume::fold(uint32_t c) const
{
    if (c < sizeof ascii_) return ascii_[c];
    return c < 0x10000 ? look_up_case(c) : c;
}

// ---- entry sets

// What follows a file entry. False if it is no set.
Result<bool> ExfatVolume::read_set(Slots& slots, EntrySet& set, const FileEntry& file)
{
    auto checksum = set_checksum(std::as_bytes(std::span(&file, 1)));
    StreamEntry stream = {};
    uint16_t units[max_units + units_per_entry];
    uint32_t count = 0;
    for (uint32_t i = 1; i <= file.SecondaryCount; ++i) {
        const std::byte* slot = TRY(slots.next());
        if (!slot || is_free(slot)) return false;
        for (size_t n = 0; n < slot_bytes; ++n)
            checksum = add_checksum(checksum, static_cast<uint8_t>(slot[n]));
        auto type = static_cast<uint8_t>(slot[0]);
        if ((type == stream_type) != (i == 1)) return false;
        if (type == stream_type) stream = load_le<StreamEntry>(slot);
        if (type != name_type || count >= stream.NameLength) continue;
        memcpy(units + count, slot + 2, units_per_entry * 2);
        count += units_per_entry;
    }
    if (checksum != file.SetChecksum || count < stream.NameLength || stream.NameLength == 0)
        return false;
    set.slots = file.SecondaryCount + 1u;
    set.name.clear();
    auto name = std::as_bytes(std::span(units)).first(stream.NameLength * 2u);
    while (!name.empty()) {
        uint32_t c = take_utf16(name, false);
        append_utf8(set.name, c < ' ' || c == '/' ? '_' : c);  // which no path can name
    }
    set.attributes = file.FileAttributes;
    set.first = stream.FirstCluster;
    set.adjacent = stream.GeneralSecondaryFlags & no_fat_chain || !is_cluster(stream.FirstCluster);
    set.size = stream.DataLength;
    set.valid = set.is_directory() ? set.size : std::min(stream.ValidDataLength, set.size);
    set.time = file.LastModifiedTimestamp;
    set.hundredths = file.LastModified10msIncrement;
    set.utc_offset = file.LastModifiedUtcOffset;
    return !fs::is_dots(set.name);
}

Result<bool> ExfatVolume::next_set(Slots& slots, EntrySet& set)
{
    set.short_name.clear();
    while (const std::byte* slot = TRY(slots.next())) {
        if (slot[0] == std::byte{0}) {  // 6.2.1: and so are all that follow
            slots.back();
            return false;
        }
        if (slot[0] != std::byte{file_type}) continue;
        set.position = slots.position() - slot_bytes;
        set.offset = slots.offset();
        auto file = load_le<FileEntry>(slot);
        if (TRY(read_set(slots, set, file))) return true;
        slots.seek(set.position + slot_bytes);
    }
    return false;
}

Result<uint32_t> ExfatVolume::make_set(ClusterNode&, std::string_view name, std::byte* set)
{
    char16_t units[max_units];
    size_t count = TRY(name_units(name, units));
    size_t names = (count + units_per_entry - 1) / units_per_entry;
    FileEntry file = {};
    file.EntryType = file_type;
    file.SecondaryCount = static_cast<uint8_t>(1 + names);
    file.CreateTimestamp = dos_time(now_s());
    file.CreateUtcOffset = utc;
    StreamEntry stream = {};
    stream.EntryType = stream_type;
    stream.NameLength = static_cast<uint8_t>(count);
    for (size_t i = 0; i < count; ++i) {
        uint32_t unit = fold(units[i]);
        stream.NameHash = add_checksum(stream.NameHash, static_cast<uint8_t>(unit));
        stream.NameHash = add_checksum(stream.NameHash, static_cast<uint8_t>(unit >> 8));
    }
    memcpy(set, &file, sizeof file);
    memcpy(set + slot_bytes, &stream, sizeof stream);
    for (size_t i = 0; i < names; ++i) {
        std::byte* slot = set + (2 + i) * slot_bytes;
        memset(slot, 0, slot_bytes);
        slot[0] = std::byte{name_type};
        size_t from = i * units_per_entry;
        memcpy(slot + 2, units + from, std::min<size_t>(count - from, units_per_entry) * 2);
    }
    return static_cast<uint32_t>(2 + names);
}

void ExfatVolume::update_set(std::byte* set, uint32_t slots, const ClusterNode& node)
{
    auto file = load_le<FileEntry>(set);
    auto stream = load_le<StreamEntry>(set + slot_bytes);
    file.FileAttributes = node.attributes;
    file.LastModifiedTimestamp = file.LastAccessedTimestamp = dos_time(node.modified_s);
    file.LastModified10msIncrement = node.modified_s & 1 ? 100 : 0;
    file.LastModifiedUtcOffset = file.LastAccessedUtcOffset = utc;
    bool has_clusters = node.size != 0;
    stream.GeneralSecondaryFlags = static_cast<uint8_t>(
        allocation_possible | (has_clusters && node.adjacent ? no_fat_chain : 0));
    stream.FirstCluster = has_clusters ? node.first : 0;
    stream.DataLength = node.size;
    stream.ValidDataLength = node.valid;
    memcpy(set + slot_bytes, &stream, sizeof stream);
    memcpy(set, &file, sizeof file);
    file.SetChecksum = set_checksum({set, slots * slot_bytes});
    memcpy(set, &file, sizeof file);
}

void ExfatVolume::copy_body(const std::byte* from, uint32_t, std::byte* to, uint32_t to_slots)
{
    auto file = load_le<FileEntry>(from), named = load_le<FileEntry>(to);
    auto stream = load_le<StreamEntry>(from + slot_bytes),
         named_stream = load_le<StreamEntry>(to + slot_bytes);
    file.SecondaryCount = named.SecondaryCount;
    stream.NameLength = named_stream.NameLength;
    stream.NameHash = named_stream.NameHash;
    memcpy(to, &file, sizeof file);
    memcpy(to + slot_bytes, &stream, sizeof stream);
    file.SetChecksum = set_checksum({to, to_slots * slot_bytes});
    memcpy(to, &file, sizeof file);
}

// ---- clusters: 7.1.5, a bit for each from 2 on

Result<Clusters> ExfatVolume::find_free(uint32_t from, uint32_t to, uint32_t wanted, bool)
{
    uint32_t index = from - 2, end = to - 2;
    while (index < end) {
        uint8_t byte = TRY(bits(index));
        if (byte == 0xff)
            index = (index | 7) + 1;
        else if (byte >> (index % 8) & 1)
            ++index;
        else
            break;
    }
    if (index >= end) return Clusters{};
    Clusters run = {index + 2, 0};
    do {
        ++run.count;
        ++index;
    } while (run.count < wanted && index < shape.clusters &&
             !(TRY(bits(index)) >> (index % 8) & 1));
    return run;
}

Result<void> ExfatVolume::mark(Clusters run, bool used)
{
    for (uint32_t index = run.first - 2, end = index + run.count; index < end; ++index) {
        std::byte* at = TRY(bitmap_.at(index / 8));
        auto bit = std::byte{1} << (index % 8);
        *at = used ? *at | bit : *at & ~bit;
        bitmap_.changed(index / 8, 1);
    }
    return {};
}

Result<uint32_t> ExfatVolume::count_free()
{
    uint32_t count = 0;
    for (uint32_t index = 0; index < shape.clusters; index += 8) {
        uint32_t rest = shape.clusters - index;
        uint8_t used = TRY(bits(index));
        if (rest < 8) used |= static_cast<uint8_t>(0xff << rest);
        count += 8 - static_cast<uint32_t>(std::popcount(used));
    }
    return count;
}

// 3.1.13.2
Result<void> ExfatVolume::set_dirty(bool dirty)
{
    if (was_dirty_) return {};
    constexpr size_t at = offsetof(BootSector, VolumeFlags);
    auto flags = TRY(cache().read_as<uint16_t>(at));
    flags = static_cast<uint16_t>(dirty ? flags | volume_dirty : flags & ~volume_dirty);
    return cache().write(at, std::as_bytes(std::span(&flags, 1)));
}

// 3.1.18
Result<void> ExfatVolume::write_summary(uint32_t free, uint32_t)
{
    constexpr size_t at = offsetof(BootSector, PercentInUse);
    uint64_t used = shape.clusters - std::min(free, shape.clusters);
    auto percent = static_cast<uint8_t>(free == unknown ? 0xff : used * 100 / shape.clusters);
    if (TRY(cache().read_as<uint8_t>(at)) == percent) return {};
    return cache().write(at, std::as_bytes(std::span(&percent, 1)));
}

// ---- mounting

// 3.1, with the ranges that it gives
Result<Shape> measure(BlockCache& cache, const BootSector& boot)
{
    unsigned sector_shift = boot.BytesPerSectorShift, cluster_shift = boot.SectorsPerClusterShift;
    if (sector_shift < 9 || sector_shift > 12 || cluster_shift > 25 - sector_shift) {
        return hal::fail(Error::corrupt, "{}: exfat: sectors of 2^{} bytes, clusters of 2^{}",
                         cache.device().name.view(), sector_shift, cluster_shift);
    }
    Shape shape;
    uint64_t sectors = cache.bytes() >> sector_shift;
    uint64_t fat_sectors = uint64_t{boot.FatLength} * boot.NumberOfFats;
    uint64_t heap_sectors = uint64_t{boot.ClusterCount} << cluster_shift;
    uint64_t entries = (uint64_t{boot.FatLength} << sector_shift) / 4;
    if (boot.NumberOfFats < 1 || boot.NumberOfFats > 2 || boot.VolumeLength > sectors ||
        boot.FatOffset == 0 || boot.FatOffset + fat_sectors > boot.ClusterHeapOffset ||
        boot.ClusterHeapOffset + heap_sectors > boot.VolumeLength || boot.ClusterCount == 0 ||
        entries < uint64_t{boot.ClusterCount} + 2 || boot.ClusterCount > 0xfffffff5) {
        return hal::fail(Error::corrupt, "{}: exfat: {} clusters from sector {} on, of {}",
                         cache.device().name.view(), boot.ClusterCount, boot.ClusterHeapOffset,
                         sectors);
    }
    uint32_t root = boot.FirstClusterOfRootDirectory;
    if (root < 2 || root - 2 >= boot.ClusterCount) {
        return hal::fail(Error::corrupt, "{}: exfat: the root is cluster {} of {}",
                         cache.device().name.view(), root, boot.ClusterCount);
    }
    shape.type = "exfat";
    shape.entry_bits = 32;
    shape.entry_mask = 0xffffffff;
    shape.cluster_bytes = 1u << (sector_shift + cluster_shift);
    shape.clusters = boot.ClusterCount;
    shape.fat_bytes = uint64_t{boot.FatLength} << sector_shift;
    shape.fat = uint64_t{boot.FatOffset} << sector_shift;
    if (boot.NumberOfFats == 2 && boot.VolumeFlags & active_fat) shape.fat += shape.fat_bytes;
    shape.fat_copies = 1;
    shape.data = uint64_t{boot.ClusterHeapOffset} << sector_shift;
    shape.max_file_bytes = max_file_bytes;
    shape.max_directory_bytes = max_directory_bytes;
    shape.extended = true;
    shape.body_slots = 2;
    return shape;
}

Result<FileSystem*> mount(BlockCache& cache)
{
    if (cache.bytes() < sizeof(BootSector)) return Error::not_found;
    auto boot = TRY(cache.read_as<BootSector>(0));
    if (memcmp(boot.FileSystemName, "EXFAT   ", sizeof boot.FileSystemName) != 0 ||
        boot.BootSignature != 0xaa55)
        return Error::not_found;
    if (boot.FileSystemRevision >> 8 != 1) {
        return hal::fail(Error::unsupported, "{}: exfat: version {x}", cache.device().name.view(),
                         uint32_t{boot.FileSystemRevision});
    }
    Shape shape = TRY(measure(cache, boot));
    uint32_t root = boot.FirstClusterOfRootDirectory;
    ExfatVolume* volume = TRY(make<ExfatVolume>(cache, shape, root));
    if (auto started = volume->start(boot); !started) {
        delete volume;
        return started.error();
    }
    return volume;
}

}  // namespace

namespace fs {
extern const FileSystemDriver exfat = {"exfat", ::mount};
}
