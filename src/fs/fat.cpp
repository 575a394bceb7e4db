// SPDX-License-Identifier: BSD-2-Clause
// fat - FAT12, FAT16 and FAT32 with the long names of VFAT.
//
// Files, directories and the order of writing are those of clusters/. A node's id is the place of
// its directory entry on the volume, in bytes; the root's is 1. Names: case is kept but not
// distinguished (ASCII only), long and short names both find a file; short names are code page 437,
// with NT's lower-case bits. Times are on the medium in local time, and taken as UTC. Supports:
// sectors of 512 ... 4096 bytes on any block size, 1 or more FATs, FAT32's active FAT. A boot
// sector without 0x55AA (old floppies) will do if the FAT begins as it should. Not: OS/2 extended
// attributes. Spec: Microsoft FAT: General Overview of On-Disk Format 1.03 (2000), cited by its
// headings. Tested on: volumes of mkfs.fat and mtools, which fsck.fat and mtools find right
// afterwards.
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

struct [[gnu::packed]] ExtendedBoot {
    uint8_t DrvNum, Reserved1, BootSig;
    uint32_t VolID;
    uint8_t VolLab[11], FilSysType[8];
};

struct [[gnu::packed]] BootSector {  // "Boot Sector and BPB"
    uint8_t jmpBoot[3], OEMName[8];
    uint16_t BytsPerSec;
    uint8_t SecPerClus;
    uint16_t RsvdSecCnt;
    uint8_t NumFATs;
    uint16_t RootEntCnt, TotSec16;
    uint8_t Media;
    uint16_t FATSz16, SecPerTrk, NumHeads;
    uint32_t HiddSec, TotSec32;
    union {
        ExtendedBoot fat16;  // and FAT12
        struct [[gnu::packed]] {
            uint32_t FATSz32;
            uint16_t ExtFlags, FSVer;
            uint32_t RootClus;
            uint16_t FSInfo, BkBootSec;
            uint8_t Reserved[12];
            ExtendedBoot extended;
        } fat32;
        uint8_t code[474];
    };
    uint16_t signature;
};
static_assert(sizeof(BootSector) == 512);
constexpr uint16_t boot_signature = 0xaa55;

constexpr uint8_t long_name_attributes = 0x0f, long_name_mask = 0x3f;

struct [[gnu::packed]] ShortEntry {  // "FAT Directory Structure"
    uint8_t Name[11], Attr, NTRes, CrtTimeTenth;
    uint16_t CrtTime, CrtDate, LstAccDate, FstClusHI, WrtTime, WrtDate, FstClusLO;
    uint32_t FileSize;
};
static_assert(sizeof(ShortEntry) == 32);
constexpr uint8_t free_entry = 0xe5, stands_for_e5 = 0x05;
constexpr uint8_t lower_base = 0x08, lower_extension = 0x10;  // NTRes, as Windows NT uses it

struct [[gnu::packed]] LongEntry {  // "FAT Long Directory Entries"
    uint8_t Ord;
    uint16_t Name1[5];
    uint8_t Attr, Type, Chksum;
    uint16_t Name2[6], FstClusLO, Name3[2];
};
static_assert(sizeof(LongEntry) == 32);
constexpr uint8_t last_long_entry = 0x40;

// "Other Notes Relating to FAT Directories": the count of entries is a 16-bit number.
constexpr uint32_t max_directory_bytes = 65536 * sizeof(ShortEntry);

// ---- names

constexpr char16_t code_page_437[] =  // from 0x80
    u"ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»"
    u"░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀"
    u"αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0";
static_assert(std::size(code_page_437) == 128 + 1);

// A piece of a short name without the spaces that fill it. What no path can name becomes '_'.
template <size_t N> void append_short(Text<N>& text, std::span<const uint8_t> piece, bool lower)
{
    size_t length = piece.size();
    while (length && piece[length - 1] == ' ') --length;
    for (uint8_t byte : piece.first(length)) {
        uint32_t c = byte >= 0x80 ? code_page_437[byte - 0x80] : byte;
        bool has_lower =
            (c >= 'A' && c <= 'Z') || (c >= U'À' && c <= U'Þ') || (c >= U'Α' && c <= U'Ω');
        if (c < ' ' || c == '/') c = '_';
        append_utf8(text, lower && has_lower ? c + ('a' - 'A') : c);
    }
}

using ShortName = Text<40>;

ShortName short_name_of(const ShortEntry& entry)
{
    uint8_t name[11];
    memcpy(name, entry.Name, sizeof name);
    if (name[0] == stands_for_e5) name[0] = 0xe5;
    ShortName text;
    append_short(text, std::span(name).first(8), entry.NTRes & lower_base);
    size_t base = text.size();
    text.append('.');
    append_short(text, std::span(name).subspan(8), entry.NTRes & lower_extension);
    if (text.size() == base + 1) text.shorten(base);
    return text;
}

// "FAT Long Directory Entries", ChkSum()
uint8_t checksum_of(const ShortEntry& entry)
{
    uint8_t sum = 0;
    for (uint8_t c : entry.Name) sum = static_cast<uint8_t>(std::rotr(sum, 1) + c);
    return sum;
}

// The long entries before a short one, last piece first: collected, and believed if they are
// complete, in order and have the short name's checksum. All others are orphans of a system that
// knew no long names.
class LongName {
public:
    void reset() { next_ = none; }
    void take(const LongEntry& entry)
    {
        uint8_t order = entry.Ord & static_cast<uint8_t>(~last_long_entry);
        if (entry.Ord & last_long_entry) {
            pieces_ = next_ = order;
            checksum_ = entry.Chksum;
        }
        if (order == 0 || order > max_pieces || order != next_ || entry.Chksum != checksum_ ||
            entry.Type != 0) {
            return reset();
        }
        uint16_t* to = units_ + --next_ * units_per_entry;
        memcpy(to, entry.Name1, sizeof entry.Name1);
        memcpy(to + 5, entry.Name2, sizeof entry.Name2);
        memcpy(to + 11, entry.Name3, sizeof entry.Name3);
    }
    // False if there is none, or one that no path can name; then the short name is the name.
    bool get(const ShortEntry& entry, Text<max_name>& name) const
    {
        if (next_ != 0 || checksum_ != checksum_of(entry)) return false;
        auto end = units_ + pieces_ * units_per_entry;
        end = std::find(units_, end, 0);
        if (end == units_ || end - units_ > max_units) return false;
        name.clear();
        for (auto unit = units_; unit != end;) {
            uint32_t c = *unit++;
            if (c < ' ' || c == '/') return false;
            if (c >= 0xd800 && c < 0xe000) {
                if (c >= 0xdc00 || unit == end || *unit < 0xdc00 || *unit >= 0xe000) return false;
                c = 0x10000 + ((c - 0xd800) << 10) + (*unit++ - 0xdc00u);
            }
            append_utf8(name, c);
        }
        return !fs::is_dots(name);
    }
    uint8_t pieces() const { return pieces_; }

private:
    static constexpr uint8_t max_pieces = 20, units_per_entry = 13, max_units = 255, none = 0xff;
    uint16_t units_[max_pieces * units_per_entry];
    uint8_t pieces_ = 0, next_ = none, checksum_ = 0;
};

// ---- new names

bool fits_short(char c)
{
    constexpr std::string_view others = "$%'-_@~`!(){}^#&";
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || others.find(c) != others.npos;
}
char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; }

// A name, or what is behind its dot, if it fits as it is; `lower` is set if all letters are small.
bool take_short(std::string_view text, std::span<uint8_t> field, bool& lower)
{
    bool has_lower = false, has_upper = false;
    if (text.size() > field.size()) return false;
    for (size_t i = 0; i < text.size(); ++i) {
        has_lower |= text[i] >= 'a' && text[i] <= 'z';
        has_upper |= text[i] >= 'A' && text[i] <= 'Z';
        if (!fits_short(upper(text[i]))) return false;
        field[i] = static_cast<uint8_t>(upper(text[i]));
    }
    lower = has_lower;
    return !(has_lower && has_upper);
}

bool make_short(std::string_view name, ShortEntry& entry)
{
    memset(entry.Name, ' ', sizeof entry.Name);
    size_t dot = std::min(name.find('.'), name.size());
    auto base = name.substr(0, dot), extension = name.substr(std::min(dot + 1, name.size()));
    bool lower = false, lower_too = false;
    if (base.empty() || !take_short(base, std::span(entry.Name).first(8), lower) ||
        !take_short(extension, std::span(entry.Name).subspan(8), lower_too))
        return false;
    entry.NTRes =
        static_cast<uint8_t>((lower ? lower_base : 0) | (lower_too ? lower_extension : 0));
    return true;
}

// "Generating 8.3 names": what of a long name a short one can have, without the number.
void put_basis(std::string_view name, ShortEntry& entry)
{
    memset(entry.Name, ' ', sizeof entry.Name);
    size_t dot = name.rfind('.'), start = name.find_first_not_of(". ");
    if (dot == name.npos || dot <= start) dot = name.size();
    auto put = [&](std::string_view text, uint8_t* field, size_t room) {
        for (size_t n = 0; !text.empty() && n < room;) {
            uint32_t c = take_utf8(text);
            if (c == ' ' || c == '.') continue;
            char letter = c < 0x80 ? upper(static_cast<char>(c)) : '_';
            field[n++] = static_cast<uint8_t>(fits_short(letter) ? letter : '_');
        }
    };
    put(name.substr(start, dot - start), entry.Name, 6);
    put(name.substr(std::min(dot + 1, name.size())), entry.Name + 8, 3);
}

// The pieces of a long name, the last one first.
void put_long(std::span<const char16_t> units, uint8_t checksum, std::byte* to)
{
    size_t pieces = (units.size() + 12) / 13;
    for (size_t piece = pieces; piece; --piece, to += sizeof(LongEntry)) {
        uint16_t part[13];
        for (size_t i = 0; i < 13; ++i) {
            size_t at = (piece - 1) * 13 + i;
            part[i] = at < units.size() ? units[at] : at == units.size() ? 0 : 0xffff;
        }
        LongEntry entry = {};
        entry.Ord = static_cast<uint8_t>(piece | (piece == pieces ? last_long_entry : 0));
        entry.Attr = long_name_attributes;
        entry.Chksum = checksum;
        memcpy(entry.Name1, part, sizeof entry.Name1);
        memcpy(entry.Name2, part + 5, sizeof entry.Name2);
        memcpy(entry.Name3, part + 11, sizeof entry.Name3);
        memcpy(to, &entry, sizeof entry);
    }
}

// ---- the volume

struct Geometry : Shape {
    uint64_t root = 0;  // FAT12, FAT16
    uint32_t root_bytes = 0;
    uint32_t root_cluster = 0;  // FAT32
    uint64_t info = 0;          // FAT32: the FSInfo sector, if there is one
};

class FatVolume final : public ClusterVolume {
public:
    FatVolume(BlockCache& cache, const Geometry& geometry)
        : ClusterVolume(cache, geometry), geometry_(geometry)
    {
    }
    Result<void> start();

private:
    Result<bool> next_set(Slots& slots, EntrySet& set) override;
    Result<uint32_t> make_set(ClusterNode& directory, std::string_view name,
                              std::byte* set) override;
    void update_set(std::byte* set, uint32_t slots, const ClusterNode& node) override;
    void copy_body(const std::byte* from, uint32_t from_slots, std::byte* to,
                   uint32_t to_slots) override;
    Text<40> short_name_in(const std::byte* set, uint32_t slots) const override
    {
        return short_name_of(load_le<ShortEntry>(set + (slots - 1) * slot_bytes));
    }
    bool is_free(const std::byte* slot) const override
    {
        return slot[0] == std::byte{free_entry} || slot[0] == std::byte{0};
    }
    void erase(std::byte* slot) const override { slot[0] = std::byte{free_entry}; }
    uint32_t fold(uint32_t c) const override { return c >= 'a' && c <= 'z' ? c - 32 : c; }
    Result<void> begin_directory(ClusterNode& directory, ClusterNode& parent) override;
    Result<uint64_t> parent_link(ClusterNode& directory) override;
    Result<void> set_parent(uint64_t link, ClusterNode& parent) override;
    Result<Clusters> find_free(uint32_t from, uint32_t to, uint32_t wanted, bool any) override;
    Result<void> mark(Clusters run, bool used) override;
    Result<uint32_t> count_free() override;
    Result<void> set_dirty(bool dirty) override;
    Result<void> write_summary(uint32_t free, uint32_t next_free) override;

    bool fill(EntrySet& set, const ShortEntry& entry, const LongName& name) const;
    Result<void> choose_short(ClusterNode& directory, std::string_view name, ShortEntry& entry);
    Result<void> find_label();
    Result<bool> has_info();
    Result<bool> is_clean();
    uint32_t clean_bit() const { return 1u << (geometry_.entry_bits == 32 ? 27 : 15); }
    void put_cluster(ShortEntry& entry, uint32_t cluster) const
    {
        // FAT12 and FAT16: OS/2 keeps something else in the high half.
        if (geometry_.entry_bits == 32) entry.FstClusHI = static_cast<uint16_t>(cluster >> 16);
        entry.FstClusLO = static_cast<uint16_t>(cluster);
    }
    // What ".." says; the root is 0 there.
    static uint32_t parent_cluster(const ClusterNode& parent)
    {
        return parent.parent ? parent.first : 0;
    }

    const Geometry geometry_;
    bool was_dirty_ = false;  // before anything was written: it stays so, until it has been checked
};

Result<void> FatVolume::start()
{
    ClusterNode* root = TRY(make<ClusterNode>(*this));
    ClusterVolume::start(*root);
    root->first = geometry_.root_cluster;
    root->fixed = geometry_.root;
    root->fixed_bytes = geometry_.root_bytes;
    was_dirty_ = !TRY(is_clean());
    return find_label();
}

// The root directory's volume entry. What the boot sector says nobody keeps up to date.
Result<void> FatVolume::find_label()
{
    Slots slots(static_cast<ClusterNode&>(root()), 0);
    while (const std::byte* slot = TRY(slots.next())) {
        auto entry = load_le<ShortEntry>(slot);
        if (entry.Name[0] == 0) break;
        if (is_free(slot) || (entry.Attr & long_name_mask) == long_name_attributes ||
            !(entry.Attr & attribute::volume_id))
            continue;
        if (entry.Name[0] == stands_for_e5) entry.Name[0] = 0xe5;
        append_short(label, entry.Name, false);
        return {};
    }
    return {};
}

// ---- entry sets

Result<bool> FatVolume::next_set(Slots& slots, EntrySet& set)
{
    LongName long_name;
    while (const std::byte* slot = TRY(slots.next())) {
        auto entry = load_le<ShortEntry>(slot);
        if (entry.Name[0] == 0) {  // and so are all that follow
            slots.back();
            return false;
        }
        if (entry.Name[0] == free_entry) {
            long_name.reset();
        } else if ((entry.Attr & long_name_mask) == long_name_attributes) {
            long_name.take(load_le<LongEntry>(slot));
        } else {
            set.position = slots.position() - slot_bytes;
            set.offset = slots.offset();
            if (fill(set, entry, long_name)) return true;
            long_name.reset();
        }
    }
    return false;
}

bool FatVolume::fill(EntrySet& set, const ShortEntry& entry, const LongName& name) const
{
    set.short_name = short_name_of(entry);
    bool is_long = name.get(entry, set.name);
    if (!is_long) {
        set.name.assign(set.short_name);
    }
    std::string_view text = set.short_name;
    if (text.empty() || fs::is_dots(text) || entry.Attr & attribute::volume_id) return false;
    set.slots = 1 + (is_long ? name.pieces() : 0);
    set.position -= (set.slots - 1) * slot_bytes;
    set.attributes = entry.Attr;
    uint32_t high = geometry_.entry_bits == 32 ? entry.FstClusHI : 0;
    set.first = high << 16 | entry.FstClusLO;
    set.size = set.valid = set.is_directory() ? 0 : entry.FileSize;
    set.time = uint32_t{entry.WrtDate} << 16 | entry.WrtTime;
    return true;
}

// "~1" to "~4", and then with four digits that depend on the name, so that it does not take long to
// find one that is free.
Result<void> FatVolume::choose_short(ClusterNode& directory, std::string_view name,
                                     ShortEntry& entry)
{
    put_basis(name, entry);
    uint32_t hash = hash_of(name);
    size_t length = std::find(entry.Name, entry.Name + 6, ' ') - entry.Name;
    auto scratch = TRY(make<EntrySet>());
    Result<void> result = Error::exists;
    for (uint32_t n = 1; n < 65536 && result.error() == Error::exists; ++n) {
        size_t at = length;
        if (n > 4) {
            at = std::min<size_t>(length, 2);
            for (int shift = 12; shift >= 0; shift -= 4)
                entry.Name[at++] = "0123456789ABCDEF"[(hash + n) >> shift & 15];
        }
        entry.Name[at++] = '~';
        entry.Name[at++] = static_cast<uint8_t>('0' + (n > 4 ? 1 : n));
        auto found = directory.find_set(short_name_of(entry), *scratch);
        result = !found ? found.error() : found.value() ? Error::exists : Result<void>();
    }
    delete scratch;
    return result;
}

Result<uint32_t> FatVolume::make_set(ClusterNode& directory, std::string_view name, std::byte* set)
{
    char16_t units[max_units];
    size_t count = TRY(name_units(name, units));
    ShortEntry entry = {};
    uint32_t slots = 1;
    if (!make_short(name, entry)) {
        entry.NTRes = 0;
        TRY(choose_short(directory, name, entry));
        put_long(std::span(units).first(count), checksum_of(entry), set);
        slots += static_cast<uint32_t>((count + 12) / 13);
    }
    uint32_t now = dos_time(now_s());
    entry.CrtTime = static_cast<uint16_t>(now);
    entry.CrtDate = entry.LstAccDate = static_cast<uint16_t>(now >> 16);
    memcpy(set + (slots - 1) * slot_bytes, &entry, sizeof entry);
    return slots;
}

void FatVolume::update_set(std::byte* set, uint32_t slots, const ClusterNode& node)
{
    std::byte* at = set + (slots - 1) * slot_bytes;
    auto entry = load_le<ShortEntry>(at);
    bool is_directory = node.type == NodeType::directory;
    put_cluster(entry, is_directory || node.size ? node.first : 0);
    entry.FileSize = is_directory ? 0 : static_cast<uint32_t>(node.size);
    entry.Attr = static_cast<uint8_t>(node.attributes);
    uint32_t time = dos_time(node.modified_s);
    entry.WrtTime = static_cast<uint16_t>(time);
    entry.WrtDate = static_cast<uint16_t>(time >> 16);
    memcpy(at, &entry, sizeof entry);
}

void FatVolume::copy_body(const std::byte* from, uint32_t from_slots, std::byte* to,
                          uint32_t to_slots)
{
    auto body = load_le<ShortEntry>(from + (from_slots - 1) * slot_bytes);
    std::byte* at = to + (to_slots - 1) * slot_bytes;
    auto entry = load_le<ShortEntry>(at);
    memcpy(body.Name, entry.Name, sizeof body.Name);
    body.NTRes = entry.NTRes;
    memcpy(at, &body, sizeof body);
}

// Its first two entries.
Result<void> FatVolume::begin_directory(ClusterNode& directory, ClusterNode& parent)
{
    ShortEntry dots[2] = {};
    uint32_t clusters[] = {directory.first, parent_cluster(parent)};
    uint32_t now = dos_time(now_s());
    for (unsigned i = 0; i < 2; ++i) {
        memset(dots[i].Name, ' ', sizeof dots[i].Name);
        memset(dots[i].Name, '.', i + 1);
        dots[i].Attr = attribute::directory;
        put_cluster(dots[i], clusters[i]);
        dots[i].CrtTime = dots[i].WrtTime = static_cast<uint16_t>(now);
        dots[i].CrtDate = dots[i].WrtDate = dots[i].LstAccDate = static_cast<uint16_t>(now >> 16);
    }
    return cache().write(offset_of(directory.first), std::as_bytes(std::span(dots)));
}

Result<uint64_t> FatVolume::parent_link(ClusterNode& directory)
{
    uint64_t offset = TRY(directory.locate(slot_bytes));
    auto entry = TRY(cache().read_as<ShortEntry>(offset));
    return memcmp(entry.Name, "..         ", sizeof entry.Name) == 0 ? offset : 0;
}

Result<void> FatVolume::set_parent(uint64_t link, ClusterNode& parent)
{
    auto entry = TRY(cache().read_as<ShortEntry>(link));
    put_cluster(entry, parent_cluster(parent));
    return cache().write(link, std::as_bytes(std::span(&entry, 1)));
}

// ---- clusters

Result<Clusters> FatVolume::find_free(uint32_t from, uint32_t to, uint32_t wanted, bool any)
{
    auto usable = [&](uint32_t cluster) -> Result<bool> {
        if (!any && is_split(cluster)) return false;
        return TRY(entry(cluster)) == 0;
    };
    Clusters run;
    for (run.first = from; run.first < to; ++run.first) {
        if (TRY(usable(run.first))) break;
    }
    if (run.first >= to) return Clusters{};
    do {
        ++run.count;
    } while (run.count < wanted && is_cluster(run.first + run.count) &&
             TRY(usable(run.first + run.count)));
    return run;
}

Result<void> FatVolume::mark(Clusters run, bool used)
{
    if (used) return link_all(run);
    for (uint32_t i = 0; i < run.count; ++i) TRY(set_entry(run.first + i, 0));
    return {};
}

// "FAT32 FSInfo Sector Structure"
Result<bool> FatVolume::has_info()
{
    uint64_t info = geometry_.info;
    return info && TRY(cache().read_as<uint32_t>(info)) == 0x41615252 &&
           TRY(cache().read_as<uint32_t>(info + 484)) == 0x61417272 &&
           TRY(cache().read_as<uint32_t>(info + 508)) == 0xaa550000;
}

constexpr uint8_t boot_dirty = 1;  // in Reserved1, as Windows NT uses it
uint64_t boot_flags_at(bool fat32) { return fat32 ? 0x41 : 0x25; }

// "FAT Data Structure": ClnShutBitMask of FAT[1], which FAT12 has not.
Result<bool> FatVolume::is_clean()
{
    bool fat32 = geometry_.entry_bits == 32;
    if (TRY(cache().read_as<uint8_t>(boot_flags_at(fat32))) & boot_dirty) return false;
    return geometry_.entry_bits == 12 || TRY(entry(1)) & clean_bit();
}

Result<uint32_t> FatVolume::count_free()
{
    if (TRY(has_info()) && TRY(is_clean())) {
        uint32_t count = TRY(cache().read_as<uint32_t>(geometry_.info + 488));
        if (count <= geometry_.clusters) return count;
    }
    uint32_t count = 0;
    for (uint32_t i = 0; i < geometry_.clusters; ++i) count += TRY(entry(i + 2)) == 0;
    return count;
}

Result<void> FatVolume::set_dirty(bool dirty)
{
    if (dirty && TRY(has_info())) {  // before it is out of date
        if (free_ == unknown && !was_dirty_) free_ = TRY(count_free());
        rover_ = TRY(cache().read_as<uint32_t>(geometry_.info + 492));
    }
    if (was_dirty_) return {};
    uint64_t at = boot_flags_at(geometry_.entry_bits == 32);
    auto flags = TRY(cache().read_as<std::byte>(at)) & ~std::byte{boot_dirty};
    if (dirty) flags |= std::byte{boot_dirty};
    TRY(cache().write(at, std::span(&flags, 1)));
    if (geometry_.entry_bits == 12) return {};
    uint32_t old = TRY(entry(1));
    return set_entry(1, dirty ? old & ~clean_bit() : old | clean_bit());
}

Result<void> FatVolume::write_summary(uint32_t free, uint32_t next_free)
{
    if (!TRY(has_info())) return {};
    uint32_t counts[] = {free, next_free};
    return cache().write(geometry_.info + 488, std::as_bytes(std::span(counts)));
}

// ---- mounting

// What every FAT volume has and nothing else: partition tables, NTFS, exFAT and boot code of other
// file systems fail here.
bool looks_like_fat(const BootSector& boot)
{
    bool fat32 = boot.FATSz16 == 0;
    return (boot.jmpBoot[0] == 0xeb || boot.jmpBoot[0] == 0xe9) && boot.BytsPerSec >= 512 &&
           boot.BytsPerSec <= 4096 && std::has_single_bit(unsigned{boot.BytsPerSec}) &&
           std::has_single_bit(boot.SecPerClus) && boot.RsvdSecCnt != 0 && boot.NumFATs != 0 &&
           (boot.Media == 0xf0 || boot.Media >= 0xf8) && (boot.TotSec16 || boot.TotSec32) &&
           (fat32 ? boot.fat32.FATSz32 != 0 && boot.RootEntCnt == 0 : boot.RootEntCnt != 0);
}

// "FAT Data Structure": FAT[0] has the media byte and then ones.
Result<bool> has_fat(BlockCache& cache, const BootSector& boot)
{
    uint64_t fat = uint32_t{boot.RsvdSecCnt} * boot.BytsPerSec;
    if (fat + 4 > cache.bytes()) return false;
    return (TRY(cache.read_as<uint32_t>(fat)) & 0xffffff) == (0xffff00u | boot.Media);
}

// "FAT Type Determination": by the count of clusters. A volume whose boot sector has FAT32's form
// is FAT32 however small it is, as there is no other place for the size of its FAT.
Result<void> choose_type(std::string_view name, const BootSector& boot, Geometry& geometry)
{
    uint32_t limit = boot.FATSz16 == 0 ? 0x0ffffff6 : 65525;
    if (geometry.clusters == 0 || geometry.clusters >= limit) {
        return hal::fail(Error::corrupt, "{}: fat: there cannot be {} clusters", name,
                         geometry.clusters);
    }
    bool fat32 = boot.FATSz16 == 0, fat12 = geometry.clusters < 4085;
    geometry.type = fat32 ? "fat32" : fat12 ? "fat12" : "fat16";
    geometry.entry_bits = fat32 ? 32 : fat12 ? 12 : 16;
    geometry.entry_mask = fat32 ? 0x0fffffff : fat12 ? 0xfff : 0xffff;
    // Some formatters count more clusters than they made entries for.
    uint64_t entries = geometry.fat_bytes * 8 / geometry.entry_bits;
    geometry.clusters = static_cast<uint32_t>(std::min<uint64_t>(geometry.clusters, entries - 2));
    return {};
}

Result<void> use_fat32(std::string_view name, const BootSector& boot, Geometry& geometry)
{
    constexpr uint16_t not_mirrored = 0x80, active_mask = 0x0f;
    unsigned flags = boot.fat32.ExtFlags, version = boot.fat32.FSVer;
    if (version != 0) {
        return hal::fail(Error::unsupported, "{}: fat: FAT32 version {x}", name, version);
    }
    geometry.root_cluster = boot.fat32.RootClus;
    if (geometry.root_cluster < 2 || geometry.root_cluster - 2 >= geometry.clusters) {
        return hal::fail(Error::corrupt, "{}: fat: the root is cluster {} of {}", name,
                         geometry.root_cluster, geometry.clusters);
    }
    if (flags & not_mirrored) {
        if ((flags & active_mask) >= geometry.fat_copies) {
            return hal::fail(Error::corrupt, "{}: fat: FAT {} of {} is the active one", name,
                             flags & active_mask, geometry.fat_copies);
        }
        geometry.fat += (flags & active_mask) * geometry.fat_bytes;
        geometry.fat_copies = 1;
    }
    unsigned info = boot.fat32.FSInfo;
    if (info && info < boot.RsvdSecCnt) geometry.info = uint64_t{info} * boot.BytsPerSec;
    return {};
}

// "Boot Sector and BPB", "FAT Type Determination"
Result<Geometry> measure(BlockCache& cache, const BootSector& boot)
{
    std::string_view name = cache.device().name;
    Geometry geometry;
    uint32_t sector = boot.BytsPerSec;
    uint64_t fat_sectors = boot.FATSz16 ? boot.FATSz16 : boot.fat32.FATSz32;
    uint64_t sectors = boot.TotSec16 ? boot.TotSec16 : boot.TotSec32;
    uint64_t root = boot.RsvdSecCnt + boot.NumFATs * fat_sectors;
    geometry.root_bytes = boot.RootEntCnt * uint32_t{sizeof(ShortEntry)};
    uint64_t data = root + (geometry.root_bytes + sector - 1) / sector;
    if (sectors * sector > cache.bytes() || data > sectors) {
        return hal::fail(Error::corrupt, "{}: fat: {} sectors of {}, data from {}, on {} bytes",
                         name, sectors, sector, data, cache.bytes());
    }
    geometry.cluster_bytes = sector * boot.SecPerClus;
    geometry.clusters = static_cast<uint32_t>(sectors - data) / boot.SecPerClus;
    geometry.fat = uint32_t{boot.RsvdSecCnt} * sector;
    geometry.fat_bytes = fat_sectors * sector;
    geometry.fat_copies = boot.NumFATs;
    geometry.root = geometry.root_bytes ? root * sector : 0;
    geometry.data = data * sector;
    geometry.max_file_bytes = 0xffffffff;
    geometry.max_directory_bytes = max_directory_bytes;
    geometry.body_last = true;
    TRY(choose_type(name, boot, geometry));
    if (geometry.entry_bits == 32) TRY(use_fat32(name, boot, geometry));
    return geometry;
}

Result<FileSystem*> mount(BlockCache& cache)
{
    if (cache.bytes() < sizeof(BootSector)) return Error::not_found;
    BootSector boot = TRY(cache.read_as<BootSector>(0));
    if (!looks_like_fat(boot)) return Error::not_found;
    if (boot.signature != boot_signature && !TRY(has_fat(cache, boot))) return Error::not_found;
    Geometry geometry = TRY(measure(cache, boot));
    FatVolume* volume = TRY(make<FatVolume>(cache, geometry));
    auto started = volume->start();
    if (!started) {
        delete volume;
        return started.error();
    }
    return volume;
}

}  // namespace

namespace fs {
extern const FileSystemDriver fat = {"fat", ::mount};
}
