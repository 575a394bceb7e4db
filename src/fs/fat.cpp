// SPDX-License-Identifier: BSD-2-Clause
// fat - FAT12, FAT16 and FAT32 with the long names of VFAT.
//
// A file is a chain of clusters in the allocation table; a node remembers where in its chain the
// last read ended. A node's id is the place of its directory entry on the volume, in bytes; the
// root's is 1. Names: case is kept but not distinguished (ASCII only), long and short names both
// find a file; short names are code page 437, with NT's lower-case bits. Times are on the medium in
// local time, and taken as UTC. Supports: reading; sectors of 512 ... 4096 bytes on any block size,
// 1 or more FATs, FAT32's active FAT. A boot sector without 0x55AA (old floppies) will do if the
// FAT begins as it should. Not: writing, OS/2 extended attributes, exFAT. Spec: Microsoft FAT:
// General Overview of On-Disk Format 1.03 (2000), cited by its headings. Tested on: volumes of
// mkfs.fat and mtools.
#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include "fs/fs.h"
#include "lib/bytes.h"
#include "lib/heap.h"

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
constexpr uint8_t extended_boot_signature = 0x29;  // VolID ... FilSysType are there

namespace attribute {  // "FAT Directory Structure"
constexpr uint8_t read_only = 0x01, volume_id = 0x08, directory = 0x10, long_name = 0x0f;
constexpr uint8_t long_name_mask = 0x3f;
}  // namespace attribute

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
constexpr size_t chunk_bytes =
    512;  // the smallest sector: nothing that is read in one ends within it

// ---- names

constexpr char16_t code_page_437[] =  // from 0x80
    u"ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»"
    u"░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀"
    u"αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0";
static_assert(std::size(code_page_437) == 128 + 1);

template <size_t N> void append_utf8(Text<N>& text, uint32_t c)
{
    size_t bytes = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    if (text.size() + bytes > text.capacity()) return;
    if (bytes == 1) {
        text.append(static_cast<char>(c));
        return;
    }
    text.append(static_cast<char>(0xf00 >> bytes | c >> (6 * (bytes - 1))));
    for (size_t i = bytes - 1; i-- > 0;)
        text.append(static_cast<char>(0x80 | (c >> (6 * i) & 0x3f)));
}

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
        return name.view() != "." && name.view() != "..";
    }

private:
    static constexpr uint8_t max_pieces = 20, units_per_entry = 13, max_units = 255, none = 0xff;
    uint16_t units_[max_pieces * units_per_entry];
    uint8_t pieces_ = 0, next_ = none, checksum_ = 0;
};

bool same_name(std::string_view a, std::string_view b)
{
    auto fold = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [fold](char x, char y) { return fold(x) == fold(y); });
}

// "FAT Directory Structure", "Date and Time Formats"; 0 where there is no date.
int64_t seconds_since_1970(uint16_t date, uint16_t time)
{
    constexpr uint16_t days_before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    unsigned year = 1980u + (date >> 9), month = date >> 5 & 15, day = date & 31;
    if (month < 1 || month > 12 || day < 1) return 0;
    unsigned days = (year - 1970) * 365 + (year - 1969) / 4 - (year > 2100);
    days += days_before[month - 1] + (month > 2 && year % 4 == 0 && year != 2100) + day - 1;
    unsigned seconds = (time >> 11) * 3600u + (time >> 5 & 63) * 60u + (time & 31) * 2u;
    return int64_t{days} * 86400 + seconds;
}

// ---- the volume

struct Geometry {
    const char* type = "";
    unsigned entry_bits = 0;  // of the allocation table
    uint32_t cluster_bytes = 0;
    uint32_t clusters = 0;  // they are numbered from 2
    uint64_t fat = 0;       // where on the volume, in bytes
    uint64_t fat_bytes = 0;
    unsigned fat_copies = 0;  // the same thing, one after the other
    uint64_t root = 0;        // FAT12, FAT16
    uint32_t root_bytes = 0;
    uint32_t root_cluster = 0;  // FAT32
    uint64_t data = 0;          // cluster 2
    uint64_t info = 0;          // FAT32: the FSInfo sector, if there is one
};

class FatNode;
struct Found;

class Volume final : public FileSystem {
public:
    Volume(BlockCache& cache, const Geometry& geometry) : geometry(geometry), cache_(cache) {}
    ~Volume() override;
    Result<void> start(const ExtendedBoot& boot);

    Node& root() override;
    Result<void> sync() override { return cache_.sync(); }
    Result<uint64_t> free_bytes() override;

    bool is_cluster(uint32_t n) const { return n >= 2 && n - 2 < geometry.clusters; }
    uint64_t offset_of(uint32_t cluster) const
    {
        return geometry.data + uint64_t{cluster - 2} * geometry.cluster_bytes;
    }
    // The cluster after this one in its chain, 0 at the chain's end.
    Result<uint32_t> next_cluster(uint32_t cluster);
    Result<void> read(uint64_t offset, std::span<std::byte> into)
    {
        return cache_.read(offset, into);
    }
    Result<FatNode*> node_of(const Found& found);

    template <class... Args> Error corrupt(std::string_view format, const Args&... args) const
    {
        Text<128> what;
        what.print(format, args...);
        return hal::fail(Error::corrupt, "{}: fat: {}", cache_.device().name.view(), what.view());
    }

    const Geometry geometry;

private:
    Result<uint32_t> fat_entry(uint32_t cluster);
    Result<void> load_window(uint64_t start);
    Result<uint32_t> known_free();
    Result<void> find_label(const ExtendedBoot& boot);

    BlockCache& cache_;
    FatNode* root_ = nullptr;
    FatNode* buckets_[64] = {};                      // nodes that have been looked up, by id
    std::array<std::byte, chunk_bytes + 1> window_;  // of the FAT; FAT12's entries straddle sectors
    uint64_t window_start_ = ~0ull;
};

// The clusters of a file or directory, one after the other.
class Chain {
public:
    Chain(Volume& volume, uint32_t first) : volume_(volume), first_(first) {}
    uint32_t cluster() const { return cluster_; }

    // False if the chain ends before this index; then it stays at its last cluster.
    Result<bool> seek(uint32_t index)
    {
        if (cluster_ == 0 || index < index_) {
            if (!volume_.is_cluster(first_)) {
                return volume_.corrupt("a file or directory begins at cluster {}", first_);
            }
            cluster_ = mark_ = first_;
            index_ = 0;
        }
        while (index_ < index) {
            if (!TRY(step())) return false;
        }
        return true;
    }
    // False at the end. Finds loops as Brent does: the cluster at the last power of two comes
    // again.
    Result<bool> step()
    {
        uint32_t next = TRY(volume_.next_cluster(cluster_));
        if (next == 0) return false;
        if (next == mark_) return volume_.corrupt("the chain of cluster {} is a loop", first_);
        cluster_ = next;
        if (std::has_single_bit(++index_)) mark_ = cluster_;
        return true;
    }

private:
    Volume& volume_;
    uint32_t first_, cluster_ = 0, index_ = 0, mark_ = 0;
};

// ---- files and directories

class FatNode final : public Node {
public:
    FatNode(Volume& volume, uint32_t first_cluster) : volume_(volume), chain_(volume, first_cluster)
    {
    }
    Result<size_t> read(uint64_t offset, std::span<std::byte> into) override;
    Result<Node*> find(std::string_view name) override;
    Result<bool> next_entry(uint64_t& position, DirectoryEntry& entry) override;
    Result<void> read_link(Text<max_path>&) override { return Error::invalid; }

    // Where on the volume a place in this directory is; 0 beyond its end.
    Result<uint64_t> locate(uint32_t position);
    Volume& volume() { return volume_; }

    FatNode* next = nullptr;  // in its bucket

private:
    Result<uint32_t> run(uint32_t within, uint32_t wanted);
    Result<void> check_end();

    Volume& volume_;
    Chain chain_;
    bool end_checked_ = false;
};

// An entry of a directory, with its names.
struct Found {
    ShortEntry entry;
    uint64_t offset;  // on the volume
    Text<max_name> name;
    ShortName short_name;
    bool is_directory() const { return entry.Attr & attribute::directory; }
};

// Walks over the entries of a directory.
class Scan {
public:
    Scan(FatNode& directory, uint64_t position)
        : directory_(directory),
          position_(static_cast<uint32_t>(std::min<uint64_t>(position, max_directory_bytes)) &
                    ~uint32_t{sizeof(ShortEntry) - 1})
    {
    }
    uint32_t position() const { return position_; }

    // The next file or directory, but "." and ".."; false at the end.
    Result<bool> next(Found& found) { return next_with(found, 0); }
    Result<bool> next_label(Found& found) { return next_with(found, attribute::volume_id); }

private:
    Result<bool> next_with(Found& found, uint8_t volume_id)
    {
        while (TRY(fetch(found))) {
            const ShortEntry& entry = found.entry;
            if (entry.Name[0] == 0) return false;  // and so are all that follow
            position_ += sizeof entry;
            if (entry.Name[0] == free_entry) {
                long_.reset();
            } else if ((entry.Attr & attribute::long_name_mask) == attribute::long_name) {
                long_.take(std::bit_cast<LongEntry>(entry));
            } else {
                bool complete = take_names(found);
                if (complete && (entry.Attr & attribute::volume_id) == volume_id) return true;
            }
        }
        return false;
    }

    bool take_names(Found& found)
    {
        found.short_name = short_name_of(found.entry);
        if (!long_.get(found.entry, found.name)) {
            found.name.clear();
            found.name.append(found.short_name);
        }
        long_.reset();
        return !found.short_name.empty() && found.short_name.view() != "." &&
               found.short_name.view() != "..";
    }

    // The entry at position_; false where the directory ends.
    Result<bool> fetch(Found& found)
    {
        uint32_t within = position_ % chunk_bytes;
        if (!loaded_ || within == 0) {
            chunk_offset_ = TRY(directory_.locate(position_ - within));
            if (chunk_offset_ == 0) return false;
            if (position_ >= max_directory_bytes) {
                return directory_.volume().corrupt("directory {}: more than 65536 entries",
                                                   directory_.id);
            }
            TRY(directory_.volume().read(chunk_offset_, chunk_));
            loaded_ = true;
        }
        memcpy(&found.entry, chunk_.data() + within, sizeof found.entry);
        found.offset = chunk_offset_ + within;
        return true;
    }

    FatNode& directory_;
    uint32_t position_;
    bool loaded_ = false;
    uint64_t chunk_offset_ = 0;
    std::array<std::byte, chunk_bytes> chunk_;
    LongName long_;
};

Result<uint64_t> FatNode::locate(uint32_t position)
{
    const Geometry& geometry = volume_.geometry;
    if (this == &volume_.root() && geometry.root_bytes) {
        return position < geometry.root_bytes ? geometry.root + position : 0;
    }
    if (!TRY(chain_.seek(position / geometry.cluster_bytes))) return uint64_t{0};
    return volume_.offset_of(chain_.cluster()) + position % geometry.cluster_bytes;
}

Result<Node*> FatNode::find(std::string_view name)
{
    if (type != NodeType::directory) return Error::not_directory;
    Scan scan(*this, 0);
    Found found;
    while (TRY(scan.next(found))) {
        if (same_name(found.name, name) || same_name(found.short_name, name)) {
            return static_cast<Node*>(TRY(volume_.node_of(found)));
        }
    }
    return static_cast<Node*>(nullptr);
}

Result<bool> FatNode::next_entry(uint64_t& position, DirectoryEntry& entry)
{
    if (type != NodeType::directory) return Error::not_directory;
    Scan scan(*this, position);
    Found found;
    bool more = TRY(scan.next(found));
    position = scan.position();
    if (!more) return false;
    entry.name = found.name;
    entry.type = found.is_directory() ? NodeType::directory : NodeType::file;
    entry.id = found.offset;
    return true;
}

// How much of what is wanted lies in one piece from here on. Leaves the chain where the next piece
// begins, or in the last cluster of what is wanted.
Result<uint32_t> FatNode::run(uint32_t within, uint32_t wanted)
{
    uint32_t cluster_bytes = volume_.geometry.cluster_bytes;
    uint64_t length = cluster_bytes - within;
    while (length < wanted) {
        uint32_t previous = chain_.cluster();
        if (!TRY(chain_.step())) return volume_.corrupt("file {} ends before its size", id);
        if (chain_.cluster() != previous + 1) break;
        length += cluster_bytes;
    }
    return static_cast<uint32_t>(std::min<uint64_t>(length, wanted));
}

// A chain may be longer than the file; but if it never ends, it is a loop and what was read is
// wrong.
Result<void> FatNode::check_end()
{
    while (TRY(chain_.step())) {}
    end_checked_ = true;
    return {};
}

Result<size_t> FatNode::read(uint64_t offset, std::span<std::byte> into)
{
    if (type == NodeType::directory) return Error::is_directory;
    if (offset >= size) return size_t{0};
    into = into.first(static_cast<size_t>(std::min<uint64_t>(into.size(), size - offset)));
    auto place = static_cast<uint32_t>(offset);  // as a size has 32 bits
    uint32_t cluster_bytes = volume_.geometry.cluster_bytes;
    if (!TRY(chain_.seek(place / cluster_bytes))) {
        return volume_.corrupt("file {} ends before its size", id);
    }
    for (auto rest = into; !rest.empty();) {
        uint32_t within = place % cluster_bytes;
        uint64_t from = volume_.offset_of(chain_.cluster()) + within;
        uint32_t bytes = TRY(run(within, static_cast<uint32_t>(rest.size())));
        TRY(volume_.read(from, rest.first(bytes)));
        place += bytes;
        rest = rest.subspan(bytes);
    }
    if (offset + into.size() == size && !end_checked_) TRY(check_end());
    return into.size();
}

// ---- the volume, again

Volume::~Volume()
{
    for (FatNode* node : buckets_) {
        while (node) delete std::exchange(node, node->next);
    }
    delete root_;
}

Node& Volume::root() { return *root_; }

Result<void> Volume::start(const ExtendedBoot& boot)
{
    root_ = TRY(make<FatNode>(*this, geometry.root_cluster));
    root_->type = NodeType::directory;
    root_->id = 1;
    root_->mode = 0755;
    type = geometry.type;
    bytes = uint64_t{geometry.clusters} * geometry.cluster_bytes;
    return find_label(boot);
}

// The root directory's volume entry; if there is none, what the boot sector says.
Result<void> Volume::find_label(const ExtendedBoot& boot)
{
    Scan scan(*root_, 0);
    Found found;
    if (TRY(scan.next_label(found))) {
        append_short(label, found.entry.Name, false);
    } else if (boot.BootSig == extended_boot_signature &&
               memcmp(boot.VolLab, "NO NAME    ", 11) != 0) {
        append_short(label, boot.VolLab, false);
    }
    return {};
}

Result<FatNode*> Volume::node_of(const Found& found)
{
    FatNode*& bucket = buckets_[found.offset / sizeof(ShortEntry) % std::size(buckets_)];
    for (FatNode* node = bucket; node; node = node->next) {
        if (node->id == found.offset) return node;
    }
    const ShortEntry& entry = found.entry;
    // FAT12 and FAT16: OS/2 keeps something else in the high half.
    uint32_t high = geometry.entry_bits == 32 ? entry.FstClusHI : 0;
    FatNode* node = TRY(make<FatNode>(*this, high << 16 | entry.FstClusLO));
    bool writable = !(entry.Attr & attribute::read_only);
    node->id = found.offset;
    node->type = found.is_directory() ? NodeType::directory : NodeType::file;
    node->size = found.is_directory() ? 0 : entry.FileSize;
    node->mode = found.is_directory() ? (writable ? 0755 : 0555) : (writable ? 0644 : 0444);
    node->modified_s = seconds_since_1970(entry.WrtDate, entry.WrtTime);
    node->next = bucket;
    bucket = node;
    return node;
}

// If a FAT cannot be read, its copy will do.
Result<void> Volume::load_window(uint64_t start)
{
    window_start_ = ~0ull;  // until it holds what it says
    size_t wanted = geometry.entry_bits == 12 ? chunk_bytes + 1 : chunk_bytes;
    auto into = std::span(window_).first(std::min<uint64_t>(wanted, geometry.fat_bytes - start));
    Result<void> result;
    for (unsigned copy = 0; copy < geometry.fat_copies; ++copy) {
        result = read(geometry.fat + copy * geometry.fat_bytes + start, into);
        if (result) break;
    }
    if (result) window_start_ = start;
    return result;
}

// "FAT Data Structure"; the cluster is one, or 0 or 1
Result<uint32_t> Volume::fat_entry(uint32_t cluster)
{
    uint64_t offset = uint64_t{cluster} * geometry.entry_bits / 8;
    uint64_t start = offset & ~uint64_t{chunk_bytes - 1};
    if (start != window_start_) TRY(load_window(start));
    const std::byte* at = window_.data() + (offset - start);
    if (geometry.entry_bits == 32) return le32(at) & 0x0fffffff;
    if (geometry.entry_bits == 16) return uint32_t{le16(at)};
    return uint32_t{le16(at)} >> (cluster & 1 ? 4 : 0) & 0xfff;
}

Result<uint32_t> Volume::next_cluster(uint32_t cluster)
{
    uint32_t next = TRY(fat_entry(cluster));
    if (is_cluster(next)) return next;
    uint32_t highest = geometry.entry_bits == 32 ? 0x0fffffff : (1u << geometry.entry_bits) - 1;
    if (next > highest - 8) return uint32_t{0};
    return corrupt("cluster {} leads to {x}, which is {}", cluster, next,
                   next == 0             ? "free"
                   : next == highest - 8 ? "marked bad"
                                         : "none of the volume's");
}

// "FAT32 FSInfo Sector Structure": ~0 if it doesn't say, or can't be trusted.
Result<uint32_t> Volume::known_free()
{
    constexpr uint32_t clean = 0x08000000;  // "FAT Data Structure": ClnShutBitMask of FAT[1]
    if (!geometry.info || !(TRY(fat_entry(1)) & clean)) return ~0u;
    bool signatures = TRY(cache_.read_as<uint32_t>(geometry.info)) == 0x41615252 &&
                      TRY(cache_.read_as<uint32_t>(geometry.info + 484)) == 0x61417272 &&
                      TRY(cache_.read_as<uint32_t>(geometry.info + 508)) == 0xaa550000;
    uint32_t count = TRY(cache_.read_as<uint32_t>(geometry.info + 488));
    return signatures && count <= geometry.clusters ? count : ~0u;
}

Result<uint64_t> Volume::free_bytes()
{
    uint32_t count = TRY(known_free());
    if (count == ~0u) {
        count = 0;
        for (uint32_t i = 0; i < geometry.clusters; ++i) count += TRY(fat_entry(i + 2)) == 0;
    }
    return uint64_t{count} * geometry.cluster_bytes;
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
    geometry.root = root * sector;
    geometry.data = data * sector;
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
    Volume* volume = TRY(make<Volume>(cache, geometry));
    auto started = volume->start(geometry.entry_bits == 32 ? boot.fat32.extended : boot.fat16);
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
