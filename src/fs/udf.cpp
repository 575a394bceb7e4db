// SPDX-License-Identifier: BSD-2-Clause
// udf - the file system of DVDs and Blu-ray discs, UDF 1.02 ... 2.60.
//
// A volume is one or more partitions, in whose blocks everything is addressed; those of a sparable
// partition may have been replaced, those of a virtual one are looked up in a table (VAT), and
// those of a metadata partition are a file's. A node remembers the extent that was found last, and
// a directory where the last search ended. A node's id is the address of its ICB. What has a tag is
// checked by checksum, CRC and address. A disc that has an ISO 9660 volume, too, and whose UDF
// cannot be used, is left to that.
// Supports: reading; blocks of 512 ... 4096 bytes, short, long and embedded allocation descriptors,
// file entries of both kinds. Not: strategy 4096, named streams, several volumes, ECMA-167's
// extended allocation descriptors (which UDF forbids).
// Spec: ECMA-167 3rd edition, by its part/section; OSTA UDF 2.60, as "UDF". Tested on: images of
// genisoimage, and of mkudffs with files put in by tests/host/images/udf.py.
#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include "fs/fs.h"
#include "lib/bytes.h"
#include "lib/heap.h"
#include "lib/utf.h"

namespace {
using fs::DirectoryEntry, fs::NodeType;
using Bytes = std::span<const std::byte>;

// ---- what lies on the disk

struct Tag {  // 3/7.2, 4/7.2
    enum Identifier : uint16_t {
        any = 0,
        anchor = 2,
        volume_pointer = 3,
        partition = 5,
        logical_volume = 6,
        terminator = 8,
        file_set = 256,
        file_identifier = 257,
        allocation_extent = 258,
        file_entry = 261,
        extended_file_entry = 266,
    };
    static constexpr size_t bytes = 16;
};

// The CRC of tags (7.2.6): x^16 + x^12 + x^5 + 1, highest bit first.
uint16_t crc16(Bytes bytes)
{
    static constexpr auto table = [] {
        std::array<uint16_t, 16> made{};
        for (unsigned i = 0; i < made.size(); ++i) {
            unsigned value = i << 12;
            for (int bit = 0; bit < 4; ++bit) value = value << 1 ^ (value & 0x8000 ? 0x1021 : 0);
            made[i] = static_cast<uint16_t>(value);
        }
        return made;
    }();
    unsigned crc = 0;
    for (std::byte byte : bytes) {
        crc ^= static_cast<unsigned>(byte) << 8;
        for (int half = 0; half < 2; ++half) crc = (crc << 4 ^ table[crc >> 12 & 15]) & 0xffff;
    }
    return static_cast<uint16_t>(crc);
}

// Whether a descriptor is what its tag says, as far as it is there, and is meant for this address.
bool is_sound(Bytes descriptor, uint32_t address)
{
    if (descriptor.size() < Tag::bytes) return false;
    unsigned sum = 0;
    for (size_t i = 0; i < Tag::bytes; ++i) sum += i == 4 ? 0 : static_cast<uint8_t>(descriptor[i]);
    size_t crc_bytes = le16(&descriptor[10]);
    return (sum & 0xff) == static_cast<uint8_t>(descriptor[4]) &&
           le32(&descriptor[12]) == address && crc_bytes <= descriptor.size() - Tag::bytes &&
           crc16(descriptor.subspan(Tag::bytes, crc_bytes)) == le16(&descriptor[8]);
}

// UDF 2.1.1, "OSTA CS0 Charspec": the first byte says how wide the characters are.
template <size_t N> void append_name(Bytes name, Text<N>& text)
{
    if (name.empty()) return;
    auto kind = static_cast<uint8_t>(name[0]);
    name = name.subspan(1);
    bool wide = kind == 16 || kind == 255;
    while (name.size() > wide) {
        uint32_t c;
        if (wide) {
            c = take_utf16(name, true);
        } else {
            c = static_cast<uint8_t>(name[0]);
            name = name.subspan(1);
        }
        append_utf8(text, c == 0 || c == '/' ? '_' : c);
    }
}

// UDF 2.1.3: a name in a field of fixed size, whose last byte is the length.
template <size_t N> void append_field(Bytes field, Text<N>& text)
{
    size_t length = static_cast<uint8_t>(field.back());
    append_name(field.first(std::min(length, field.size() - 1)), text);
}

// 1/7.3
int64_t seconds_of(Bytes time)
{
    constexpr int unknown_zone = -2047;
    int zone = static_cast<int16_t>(le16(&time[0]) << 4) >> 4;
    auto byte = [&](size_t at) { return static_cast<uint8_t>(time[at]); };
    CalendarTime calendar = {le16(&time[2]), byte(4), byte(5), byte(6), byte(7), byte(8)};
    if (!calendar.valid()) return 0;
    return calendar.unix_seconds() - (zone == unknown_zone ? 0 : zone * 60);
}

// 4/14.9.5: five bits for others, the group and the owner: execute, write and read are the lowest.
uint16_t mode_of(uint32_t permissions)
{
    unsigned mode = 0;
    for (unsigned who = 0; who < 3; ++who) {
        unsigned bits = permissions >> 5 * who;
        mode |= (bits & 7) << 3 * who;
    }
    return static_cast<uint16_t>(mode);
}

// A block of a partition, by the partition map's number.
struct Address {
    uint32_t block = 0;
    uint16_t partition = 0;
};

struct Place {  // on the volume, in bytes
    uint64_t start = 0, bytes = 0;
};

class UdfNode;

struct Partition {
    enum class Kind : uint8_t { physical, sparable, virtual_blocks, metadata };
    Kind kind = Kind::physical;
    uint16_t number = 0;             // as its descriptor has it
    uint32_t first = 0, blocks = 0;  // on the volume; virtual and metadata: of what they lie on
    uint32_t packet_blocks = 0;      // sparable
    Buffer replaced;                 // sparable: pairs of a packet and where it is
    UdfNode* file = nullptr;         // virtual: the VAT; metadata: what holds the blocks
    uint32_t entries_at = 0;         // virtual: in the VAT
    uint16_t below = 0;              // virtual and metadata: the partition that they lie on
};

class Udf final : public fs::FileSystem {
public:
    Udf(BlockCache& cache, uint32_t block_bytes) : block_bytes(block_bytes), cache_(cache) {}
    fs::Node& root() override;
    Result<void> sync() override { return {}; }
    Result<uint64_t> free_bytes() override { return uint64_t{0}; }
    Result<void> start(Bytes anchor);

    Result<UdfNode*> node(Address address);
    // Where a block is, and how much of what follows lies behind it.
    Result<Place> find(Address address);
    Result<void> read(uint64_t offset, std::span<std::byte> into, BlockCache::Runs* runs = nullptr);
    BlockCache& cache() { return cache_; }
    // A block that begins with a sound tag; until the next call.
    Result<Bytes> descriptor(Address address);
    std::span<std::byte> identifier() { return identifier_.span(); }
    std::string_view device() const { return cache_.device().name; }
    template <class... Args> Error corrupt(std::string_view format, const Args&... args)
    {
        Text<120> what;
        what.print(format, args...);
        return hal::fail(Error::corrupt, "{}: udf: {}", device(), what.view());
    }

    const uint32_t block_bytes;

private:
    static constexpr size_t most_partitions = 4;
    struct Sequence {  // what a volume descriptor sequence has
        Buffer logical_volume;
        std::array<Partition, most_partitions> partitions;
        size_t count = 0;
    };
    Result<Place> find_in_file(Partition& in, uint32_t block);
    Result<void> read_sequence(Bytes extent, Sequence& sequence);
    Result<bool> take_descriptor(uint32_t block, Sequence& sequence, Place& next);
    static void take_partition(Bytes descriptor, Sequence& sequence);
    Result<void> take_maps(const Sequence& sequence);
    Result<void> add_map(Bytes map, const Sequence& sequence);
    Result<bool> take_sparing_table(uint32_t block, uint32_t bytes, Partition& partition);
    Result<void> start_sparable(Bytes map, Partition& partition);
    Result<void> start_virtual(Partition& partition);
    Result<bool> take_vat(Partition& partition, UdfNode& file);
    Result<void> start_metadata(Bytes map, Partition& partition);
    Result<void> find_root(Bytes logical_volume);

    BlockCache& cache_;
    std::array<Partition, most_partitions> partitions_;
    size_t partition_count_ = 0;
    Buffer scratch_, identifier_;  // a block each
    unsigned nesting_ = 0;
    UdfNode* root_ = nullptr;
};

class UdfNode final : public fs::CachedNode {
public:
    UdfNode(Udf& udf, Address address) : udf_(udf), address_(address)
    {
        id = uint64_t{address.partition} << 32 | address.block;
    }
    Result<void> load();

    Result<size_t> read(uint64_t offset, std::span<std::byte> into) override;
    Result<fs::Node*> find(std::string_view name) override;
    Result<bool> next_entry(uint64_t& position, DirectoryEntry& entry) override;
    Result<void> read_link(Text<fs::max_path>& target) override;
    // Where the byte at offset is; start is 0 where there is nothing but zeros.
    Result<Place> map(uint64_t offset);
    Result<void> read_whole(uint64_t offset, std::span<std::byte> into);
    uint8_t file_type() const { return file_type_; }

private:
    enum Form : uint8_t { short_form = 0, long_form = 1, embedded = 3 };  // 4/14.6.8
    // An extent of the file, and where the allocation descriptor behind it is.
    struct Cursor {
        uint64_t offset = 0;  // in the file
        uint64_t bytes = 0;
        Address address = {};
        bool recorded = false;
        Place descriptors = {};  // that are left
        unsigned areas = 0;
    };
    struct Identifier {
        Address icb;
        bool is_directory = false;
        Bytes name;
    };
    Result<void> take(Bytes entry, const Place& place);
    Result<bool> step();
    Result<void> go_on_at(Address address);
    Result<bool> next_identifier(uint64_t& position, Identifier& found);
    Result<fs::Node*> search(std::string_view name, uint64_t& position, uint64_t end);

    Udf& udf_;
    Address address_;
    Form form_ = short_form;
    uint8_t file_type_ = 0;
    Place descriptors_;  // or the content, if that is embedded
    Cursor cursor_;
    uint64_t last_found_ = 0;  // directories: behind it
};

fs::Node& Udf::root() { return *root_; }

Result<void> Udf::read(uint64_t offset, std::span<std::byte> into, BlockCache::Runs* runs)
{
    auto done = runs ? runs->read(offset, into) : cache_.read(offset, into);
    if (done.error() == Error::invalid)
        return corrupt("bytes {} to {} are beyond the end of the device", offset,
                       offset + into.size() - 1);
    return done;
}

// ---- partitions

// A block of a partition that is virtual (UDF 2.2.11) or of metadata (2.2.13).
Result<Place> Udf::find_in_file(Partition& in, uint32_t block)
{
    if (in.kind == Partition::Kind::metadata) {
        Place place = TRY(in.file->map(uint64_t{block} * block_bytes));
        if (place.start == 0) return corrupt("metadata block {} is in a hole", block);
        return place;
    }
    uint32_t real;
    TRY(in.file->read_whole(in.entries_at + uint64_t{block} * sizeof real,
                            std::as_writable_bytes(std::span(&real, 1))));
    Place place = TRY(find({real, in.below}));
    return Place{place.start, block_bytes};
}

Result<Place> Udf::find(Address address)
{
    if (address.partition >= partition_count_)
        return corrupt("there is no partition {}", address.partition);
    Partition& in = partitions_[address.partition];
    auto here = [&](uint32_t block, uint64_t blocks) {
        return Place{uint64_t{block} * block_bytes, blocks * block_bytes};
    };
    if (in.file) {
        // What these lie in lies in a partition of another kind, if nothing is damaged.
        if (nesting_ == 2) return corrupt("partition {} lies in itself", address.partition);
        ++nesting_;
        auto place = find_in_file(in, address.block);
        --nesting_;
        return place;
    }
    if (address.block >= in.blocks)
        return corrupt("block {} of the {} of partition {}", address.block, in.blocks,
                       address.partition);
    if (in.kind == Partition::Kind::physical)
        return here(in.first + address.block, in.blocks - address.block);
    uint32_t within = address.block % in.packet_blocks, packet = address.block - within;
    uint32_t left = in.packet_blocks - within;
    for (size_t at = 0; at + 8 <= in.replaced.size(); at += 8) {  // UDF 2.2.12
        const std::byte* pair = in.replaced.data() + at;
        if (le32(pair) == packet) return here(le32(pair + 4) + within, left);
    }
    return here(in.first + address.block, std::min(left, in.blocks - address.block));
}

Result<Bytes> Udf::descriptor(Address address)
{
    Place place = TRY(find(address));
    TRY(read(place.start, scratch_.span()));
    if (!is_sound(scratch_.span(), address.block))
        return corrupt("block {} of partition {} holds no sound descriptor", address.block,
                       address.partition);
    return Bytes(scratch_.span());
}

Result<UdfNode*> Udf::node(Address address)
{
    uint64_t id = uint64_t{address.partition} << 32 | address.block;
    if (fs::CachedNode* node = nodes.find(id)) return static_cast<UdfNode*>(node);
    UdfNode* node = TRY(make<UdfNode>(*this, address));
    if (auto loaded = node->load(); !loaded) {
        delete node;
        return loaded.error();
    }
    nodes.add(*node);
    return node;
}

// ---- nodes

Result<void> UdfNode::load()
{
    Place place = TRY(udf_.find(address_));
    Bytes entry = TRY(udf_.descriptor(address_));
    uint16_t kind = le16(&entry[0]);
    if (kind != Tag::file_entry && kind != Tag::extended_file_entry)
        return udf_.corrupt("block {} of partition {} is no file entry", address_.block,
                            address_.partition);
    return take(entry, place);
}

NodeType type_of(uint8_t file_type)  // 4/14.6.6, UDF 2.3.5.2
{
    constexpr uint8_t real_time = 249;
    switch (file_type) {
    case 4: return NodeType::directory;
    case 0:
    case 5:
    case real_time: return NodeType::file;
    case 12: return NodeType::symlink;
    default: return NodeType::other;
    }
}

// 4/14.9, 4/14.17: of the two kinds, the later fields of the second are 40 bytes further on.
Result<void> UdfNode::take(Bytes entry, const Place& place)
{
    constexpr uint16_t set_user = 0x40, set_group = 0x80, sticky = 0x100;  // 4/14.6.8
    bool extended = le16(&entry[0]) == Tag::extended_file_entry;
    size_t shift = extended ? 40 : 0, fixed = 176 + shift;
    uint64_t attributes = le32(&entry[fixed - 8]), bytes = le32(&entry[fixed - 4]);
    uint16_t flags = le16(&entry[34]);
    file_type_ = static_cast<uint8_t>(entry[27]);
    type = type_of(file_type_);
    auto form = flags & 7;
    if (form != short_form && form != long_form && form != embedded)
        return hal::fail(Error::unsupported, "{}: udf: allocation descriptors of kind {}",
                         udf_.device(), form);
    constexpr uint16_t plain_strategy = 4;
    if (le16(&entry[20]) != plain_strategy)
        return hal::fail(Error::unsupported, "{}: udf: strategy {}", udf_.device(),
                         le16(&entry[20]));
    form_ = static_cast<Form>(form);
    size = le64(&entry[56]);
    if (fixed + attributes + bytes > entry.size() || (form_ == embedded && size > bytes) ||
        size > fs::max_file_bytes)
        return udf_.corrupt("the file entry in block {} of partition {} has impossible lengths",
                            address_.block, address_.partition);
    descriptors_ = {place.start + fixed + attributes, bytes};
    cursor_ = {.descriptors = descriptors_};
    links = std::max<uint32_t>(le16(&entry[48]), 1);
    mode = mode_of(le32(&entry[44]));
    if (flags & set_user) mode |= 04000;
    if (flags & set_group) mode |= 02000;
    if (flags & sticky) mode |= 01000;
    modified_s = seconds_of(entry.subspan(extended ? 92 : 84, 12));
    return {};
}

// 4/14.14.1: an extent of type 3 holds further descriptors (4/14.5).
Result<void> UdfNode::go_on_at(Address address)
{
    constexpr unsigned most_areas = 4096;
    constexpr size_t head_bytes = 24;
    if (++cursor_.areas > most_areas)
        return udf_.corrupt("the file in block {} of partition {} has no end", address_.block,
                            address_.partition);
    Bytes area = TRY(udf_.descriptor(address));
    uint32_t bytes = le32(&area[20]);
    if (le16(&area[0]) != Tag::allocation_extent || bytes > area.size() - head_bytes)
        return udf_.corrupt("block {} of partition {} holds no allocation descriptors",
                            address.block, address.partition);
    Place place = TRY(udf_.find(address));
    cursor_.descriptors = {place.start + head_bytes, bytes};
    return {};
}

// The next extent of the file. False: there is none.
Result<bool> UdfNode::step()
{
    constexpr uint32_t length_mask = 0x3fffffff;
    enum : uint32_t { recorded = 0, goes_on = 3 };
    size_t bytes = form_ == short_form ? 8 : 16;
    for (;;) {
        if (cursor_.descriptors.bytes < bytes) return false;
        std::byte descriptor[16];
        TRY(udf_.read(cursor_.descriptors.start, std::span(descriptor).first(bytes)));
        cursor_.descriptors.start += bytes;
        cursor_.descriptors.bytes -= bytes;
        uint32_t length = le32(descriptor), kind = length >> 30;
        length &= length_mask;
        if (length == 0) return false;
        Address address = {le32(descriptor + 4),
                           form_ == short_form ? address_.partition : le16(descriptor + 8)};
        if (kind == goes_on) {
            TRY(go_on_at(address));
            continue;
        }
        cursor_.offset += cursor_.bytes;
        cursor_.bytes = length;
        cursor_.address = address;
        cursor_.recorded = kind == recorded;
        return true;
    }
}

Result<Place> UdfNode::map(uint64_t offset)
{
    if (form_ == embedded) {
        if (offset >= descriptors_.bytes) return Place{};
        return Place{descriptors_.start + offset, descriptors_.bytes - offset};
    }
    if (offset < cursor_.offset) cursor_ = {.descriptors = descriptors_};
    while (offset >= cursor_.offset + cursor_.bytes) {
        if (!TRY(step())) {
            cursor_ = {.descriptors = descriptors_};
            return Place{0, UINT64_MAX};  // 4/14.14.1: what has no extent is zeros
        }
    }
    uint64_t within = offset - cursor_.offset, left = cursor_.bytes - within;
    if (!cursor_.recorded) return Place{0, left};
    uint64_t block = cursor_.address.block + within / udf_.block_bytes;
    if (block > UINT32_MAX) return udf_.corrupt("an extent reaches block {}", block);
    Address address = {static_cast<uint32_t>(block), cursor_.address.partition};
    Place place = TRY(udf_.find(address));
    uint64_t inside = within % udf_.block_bytes;
    return Place{place.start + inside, std::min(left, place.bytes - inside)};
}

Result<size_t> UdfNode::read(uint64_t offset, std::span<std::byte> into)
{
    if (type == NodeType::directory) return Error::is_directory;
    if (type != NodeType::file) return Error::invalid;
    if (offset >= size) return size_t{0};
    auto wanted = static_cast<size_t>(std::min<uint64_t>(into.size(), size - offset));
    TRY(read_whole(offset, into.first(wanted)));
    return wanted;
}

Result<void> UdfNode::read_whole(uint64_t offset, std::span<std::byte> into)
{
    if (offset > size || into.size() > size - offset)
        return udf_.corrupt("the file in block {} of partition {} ends before byte {}",
                            address_.block, address_.partition, offset + into.size());
    BlockCache::Runs runs(udf_.cache(), into.size());
    while (!into.empty()) {
        Place place = TRY(map(offset));
        auto piece = static_cast<size_t>(std::min<uint64_t>(into.size(), place.bytes));
        if (piece == 0) return Error::corrupt;
        if (place.start)
            TRY(udf_.read(place.start, into.first(piece), &runs));
        else
            memset(into.data(), 0, piece);
        offset += piece;
        into = into.subspan(piece);
    }
    return runs.finish();
}

// 4/14.4: the next name that is in use. It stays until the next call.
Result<bool> UdfNode::next_identifier(uint64_t& position, Identifier& found)
{
    constexpr size_t head_bytes = 38;
    enum : uint8_t { directory = 2, deleted = 4, parent = 8 };
    while (position < size) {
        std::byte* at = udf_.identifier().data();
        size_t most = udf_.identifier().size();
        auto damaged = [&] {
            return udf_.corrupt("the directory in block {} of partition {} is damaged at byte {}",
                                address_.block, address_.partition, position);
        };
        if (size - position < head_bytes) return damaged();
        TRY(read_whole(position, {at, head_bytes}));
        size_t name_bytes = static_cast<uint8_t>(at[19]), use_bytes = le16(at + 36);
        size_t bytes = (head_bytes + name_bytes + use_bytes + 3) & ~size_t{3};
        if (le16(at) != Tag::file_identifier || bytes > most || bytes > size - position)
            return damaged();
        TRY(read_whole(position, {at, bytes}));
        if (!is_sound({at, bytes}, le32(at + 12))) return damaged();
        position += bytes;
        auto flags = static_cast<uint8_t>(at[18]);
        if (flags & (deleted | parent)) continue;
        found.icb = {le32(at + 24), le16(at + 28)};
        found.is_directory = flags & directory;
        found.name = {at + head_bytes + use_bytes, name_bytes};
        return true;
    }
    return false;
}

// From a position to this end.
Result<fs::Node*> UdfNode::search(std::string_view name, uint64_t& position, uint64_t end)
{
    Identifier found;
    Text<fs::max_name> text;
    while (position < end && TRY(next_identifier(position, found))) {
        text.clear();
        append_name(found.name, text);
        if (text.view() == name) return TRY(udf_.node(found.icb));
    }
    return nullptr;
}

Result<fs::Node*> UdfNode::find(std::string_view name)
{
    if (type != NodeType::directory) return Error::not_directory;
    uint64_t position = last_found_;
    fs::Node* found = TRY(search(name, position, size));
    if (!found && last_found_) {
        position = 0;
        found = TRY(search(name, position, last_found_));
    }
    if (found) last_found_ = position;
    return found;
}

Result<bool> UdfNode::next_entry(uint64_t& position, DirectoryEntry& entry)
{
    if (type != NodeType::directory) return Error::not_directory;
    Identifier found;
    if (!TRY(next_identifier(position, found))) return false;
    entry.name.clear();
    append_name(found.name, entry.name);
    entry.id = uint64_t{found.icb.partition} << 32 | found.icb.block;
    entry.type = NodeType::directory;
    if (!found.is_directory) {  // only its ICB says what else it is
        auto node = udf_.node(found.icb);
        entry.type = node ? node.value()->type : NodeType::other;
    }
    return true;
}

// 4/14.16: components, each with its kind, length, version and name.
Result<void> UdfNode::read_link(Text<fs::max_path>& target)
{
    enum : uint8_t { top = 1, from_root = 2, parent = 3, current = 4, name = 5 };
    if (type != NodeType::symlink) return Error::invalid;
    bool slash = false;
    for (uint64_t at = 0; at < size;) {
        std::byte component[4 + 255];
        TRY(read_whole(at, std::span(component).first(4)));
        size_t bytes = static_cast<uint8_t>(component[1]);
        TRY(read_whole(at + 4, std::span(component).subspan(4, bytes)));
        at += 4 + bytes;
        auto kind = static_cast<uint8_t>(component[0]);
        if (slash) target.append('/');
        slash = kind != top && kind != from_root;
        switch (kind) {
        case top:
        case from_root: target.append('/'); break;
        case parent: target.append(".."); break;
        case current: target.append('.'); break;
        case name: append_name({component + 4, bytes}, target); break;
        default:
            return udf_.corrupt("the link in block {} of partition {} is damaged", address_.block,
                                address_.partition);
        }
    }
    return target.size() == target.capacity() ? Error::too_large : Result<void>();
}

// ---- mounting

constexpr uint64_t recognition_start = 32768, recognition_step = 2048;

// 2/8.3: which standards a volume follows, by descriptors behind one another. With blocks of 4096
// bytes there is one in each.
struct Recognised {
    bool udf = false, iso9660 = false;
};
Result<Recognised> recognise(BlockCache& cache, uint64_t session)
{
    constexpr unsigned most = 64;
    constexpr std::string_view known = "BEA01 TEA01 NSR02 NSR03 CD001 BOOT2 CDW02";
    Recognised found;
    for (unsigned i = 0, others = 0; i < most && others < 2; ++i) {
        uint64_t at = session + recognition_start + i * recognition_step;
        if (at + recognition_step > cache.bytes()) break;
        struct Descriptor {
            char type, identifier[5];
        };
        auto descriptor = TRY(cache.read_as<Descriptor>(at));
        std::string_view identifier(descriptor.identifier, sizeof descriptor.identifier);
        found.udf |= identifier == "NSR02" || identifier == "NSR03";
        found.iso9660 |= identifier == "CD001";
        others = known.find(identifier) == known.npos ? others + 1 : 0;
    }
    return found;
}

// 3/8.4.2: at two of these places at least; UDF 2.2.3. The size of a block is what fits.
Result<Buffer> find_anchor(BlockCache& cache, uint64_t session, uint32_t& block_bytes)
{
    Buffer anchor = TRY(Buffer::of(512));
    for (uint32_t bytes : {2048u, 512u, 4096u, 1024u}) {
        uint64_t first = session / bytes, last = cache.bytes() / bytes - 1;
        for (uint64_t block : {first + 256, last, last - 256, first + 512}) {
            if (block > last || block > UINT32_MAX) continue;
            auto read = cache.read(block * bytes, anchor.span());
            if (!read && read.error() != Error::device) return read.error();
            if (!read || le16(anchor.data()) != Tag::anchor ||
                !is_sound(anchor.span(), static_cast<uint32_t>(block)))
                continue;
            block_bytes = bytes;
            return anchor;
        }
    }
    return Error::not_found;
}

void Udf::take_partition(Bytes descriptor, Sequence& sequence)
{
    constexpr size_t number_at = 22, contents_at = 25, start_at = 188, length_at = 192;
    if (memcmp(&descriptor[contents_at], "+NSR0", 5) != 0) return;
    uint16_t number = le16(&descriptor[number_at]);
    size_t i = 0;
    while (i < sequence.count && sequence.partitions[i].number != number) ++i;
    if (i == most_partitions) return;
    sequence.count = std::max(sequence.count, i + 1);
    sequence.partitions[i].number = number;
    sequence.partitions[i].first = le32(&descriptor[start_at]);
    sequence.partitions[i].blocks = le32(&descriptor[length_at]);
}

// One descriptor of a sequence. False: it was the last; `next`: where it goes on instead.
Result<bool> Udf::take_descriptor(uint32_t block, Sequence& sequence, Place& next)
{
    TRY(read(uint64_t{block} * block_bytes, scratch_.span()));
    Bytes descriptor = scratch_.span();
    if (!is_sound(descriptor, block)) return false;  // 3/8.4.1: it ends with what is no descriptor
    switch (le16(&descriptor[0])) {
    case Tag::partition: take_partition(descriptor, sequence); return true;
    case Tag::logical_volume: {
        const std::byte* old = sequence.logical_volume.data();
        if (old && le32(old + Tag::bytes) > le32(&descriptor[Tag::bytes])) return true;
        sequence.logical_volume = TRY(Buffer::of(block_bytes));
        memcpy(sequence.logical_volume.data(), descriptor.data(), block_bytes);
        return true;
    }
    case Tag::volume_pointer: next = {le32(&descriptor[24]), le32(&descriptor[20])}; return true;
    case Tag::terminator: return false;
    default: return true;
    }
}

// 3/8.4.2; extent: its bytes, and its first block.
Result<void> Udf::read_sequence(Bytes extent, Sequence& sequence)
{
    constexpr unsigned most = 512;  // descriptors
    sequence = {};
    Place place = {le32(&extent[4]), le32(&extent[0])};
    for (unsigned i = 0; i < most && place.bytes >= block_bytes; ++i) {
        Place next;
        if (!TRY(take_descriptor(static_cast<uint32_t>(place.start), sequence, next))) break;
        place = next.bytes ? next : Place{place.start + 1, place.bytes - block_bytes};
    }
    if (sequence.count == 0 || sequence.logical_volume.size() == 0)
        return corrupt("the volume descriptors from block {} on are not complete",
                       le32(&extent[4]));
    return {};
}

constexpr size_t type1_map_bytes = 6, type2_map_bytes = 64;

// 3/10.7, UDF 2.2.8 to 2.2.10
Result<void> Udf::add_map(Bytes map, const Sequence& sequence)
{
    bool plain = map.size() == type1_map_bytes;
    uint16_t number = le16(&map[plain ? 4 : 38]);
    const Partition* described = sequence.partitions.data();
    const Partition* end = described + sequence.count;
    while (described != end && described->number != number) ++described;
    if (described == end) return corrupt("partition {} is described nowhere", number);
    Partition& partition = partitions_[partition_count_];
    partition.number = number;
    partition.first = described->first;
    partition.blocks = described->blocks;
    if (plain) {
        ++partition_count_;
        return {};
    }
    std::string_view kind(reinterpret_cast<const char*>(&map[5]), 23);
    if (kind.starts_with("*UDF Sparable Partition")) {
        TRY(start_sparable(map, partition));
        ++partition_count_;
        return {};
    }
    for (partition.below = 0; partitions_[partition.below].number != number; ++partition.below) {}
    if (partition.below >= partition_count_)
        return corrupt("partition {} lies on one that is not there", partition_count_);
    ++partition_count_;
    if (kind.starts_with("*UDF Virtual Partition")) return start_virtual(partition);
    if (kind.starts_with("*UDF Metadata Partition")) return start_metadata(map, partition);
    return hal::fail(Error::unsupported, "{}: udf: a partition of an unknown kind", device());
}

// Whether a sparing table can be used (UDF 2.2.12).
Result<bool> Udf::take_sparing_table(uint32_t block, uint32_t bytes, Partition& partition)
{
    constexpr size_t head_bytes = 56;
    Buffer table = TRY(Buffer::of(std::max<size_t>(bytes, head_bytes)));
    if (!cache_.read(uint64_t{block} * block_bytes, table.span()) ||
        !is_sound(table.span(), block) || memcmp(table.data() + 17, "*UDF Sparing Table", 18) != 0)
        return false;
    size_t used = size_t{le16(table.data() + 48)} * 8;
    if (used > table.size() - head_bytes) return false;
    partition.replaced = TRY(Buffer::of(used));
    memcpy(partition.replaced.data(), table.data() + head_bytes, used);
    return true;
}

// UDF 2.2.9: any of up to four tables will do.
Result<void> Udf::start_sparable(Bytes map, Partition& partition)
{
    constexpr uint32_t most_bytes = 1 << 20;
    partition.packet_blocks = le16(&map[40]);
    unsigned tables = std::min<unsigned>(static_cast<uint8_t>(map[42]), 4);
    uint32_t bytes = le32(&map[44]);
    if (partition.packet_blocks == 0 || bytes > most_bytes)
        return corrupt("the sparing table has {} bytes, a packet {} blocks", bytes,
                       partition.packet_blocks);
    partition.kind = Partition::Kind::sparable;
    for (unsigned i = 0; i < tables; ++i) {
        if (TRY(take_sparing_table(le32(&map[48 + i * 4]), bytes, partition))) return {};
    }
    return corrupt("none of {} sparing tables can be used", tables);
}

// UDF 2.2.11: the VAT's ICB is the last block that was written; some drives add a few.
Result<void> Udf::start_virtual(Partition& partition)
{
    constexpr unsigned most_behind = 32;
    const Partition& below = partitions_[partition.below];
    uint64_t last = cache_.bytes() / block_bytes - 1;
    for (unsigned i = 0; i < most_behind && last - i > below.first; ++i) {
        auto block = static_cast<uint32_t>(last - i - below.first);
        if (block >= below.blocks) continue;
        TRY(read((last - i) * block_bytes, scratch_.span()));
        uint16_t kind = le16(scratch_.data());
        if ((kind != Tag::file_entry && kind != Tag::extended_file_entry) ||
            !is_sound(scratch_.span(), block))
            continue;
        UdfNode* file = TRY(node({block, partition.below}));
        if (TRY(take_vat(partition, *file))) return {};
    }
    return corrupt("no virtual allocation table at the end of the device");
}

// Of UDF 2.00 on it has a type of its own and a head; before that, an identifier at its end.
Result<bool> Udf::take_vat(Partition& partition, UdfNode& file)
{
    constexpr uint8_t vat_type = 248;
    constexpr size_t tail_bytes = 36;
    std::byte bytes[tail_bytes];
    if (file.file_type() == vat_type) {
        TRY(file.read_whole(0, std::span(bytes).first(2)));
        partition.entries_at = le16(bytes);
    } else {
        if (file.file_type() != 0 || file.size < tail_bytes) return false;
        TRY(file.read_whole(file.size - tail_bytes, bytes));
        if (memcmp(bytes + 1, "*UDF Virtual Alloc Tbl", 22) != 0) return false;
        partition.entries_at = 0;
    }
    partition.file = &file;
    file.opened();
    partition.kind = Partition::Kind::virtual_blocks;
    return true;
}

// UDF 2.2.13: a file that holds the blocks, and its mirror.
Result<void> Udf::start_metadata(Bytes map, Partition& partition)
{
    constexpr uint8_t main_type = 250, mirror_type = 251;
    for (size_t at : {40, 44}) {
        auto file = node({le32(&map[at]), partition.below});
        if (!file ||
            (file.value()->file_type() != main_type && file.value()->file_type() != mirror_type))
            continue;
        partition.file = file.value();
        partition.file->opened();
        partition.kind = Partition::Kind::metadata;
        return {};
    }
    return corrupt("neither the metadata file nor its mirror can be used");
}

Result<void> Udf::take_maps(const Sequence& sequence)
{
    constexpr size_t table_bytes_at = 264, count_at = 268, table_at = 440;
    Bytes volume = sequence.logical_volume.span();
    uint32_t bytes = le32(&volume[table_bytes_at]), count = le32(&volume[count_at]);
    if (count == 0 || count > most_partitions || bytes > volume.size() - table_at)
        return corrupt("{} partition maps in {} bytes", count, bytes);
    Bytes maps = volume.subspan(table_at, bytes);
    for (uint32_t i = 0; i < count; ++i) {
        size_t length = maps.size() < 2 ? 0 : static_cast<uint8_t>(maps[1]);
        size_t kind = length ? static_cast<uint8_t>(maps[0]) : 0;
        if (length > maps.size() || length != (kind == 1   ? type1_map_bytes
                                               : kind == 2 ? type2_map_bytes
                                                           : ~size_t{0}))
            return corrupt("partition map {} is damaged", i);
        TRY(add_map(maps.first(length), sequence));
        maps = maps.subspan(length);
    }
    return {};
}

// 4/14.1: of the file sets, the one that the logical volume names.
Result<void> Udf::find_root(Bytes logical_volume)
{
    constexpr size_t contents_at = 248, root_at = 400;
    const std::byte* contents = &logical_volume[contents_at];
    Bytes set = TRY(descriptor({le32(contents + 4), le16(contents + 8)}));
    if (le16(&set[0]) != Tag::file_set) return corrupt("there is no file set");
    Address root = {le32(&set[root_at + 4]), le16(&set[root_at + 8])};
    root_ = TRY(node(root));
    root_->opened();
    if (root_->type != NodeType::directory) return corrupt("the root is no directory");
    return {};
}

Result<void> Udf::start(Bytes anchor)
{
    constexpr size_t main_at = 16, reserve_at = 24, label_at = 84, label_bytes = 128,
                     block_bytes_at = 212;
    scratch_ = TRY(Buffer::of(block_bytes));
    identifier_ = TRY(Buffer::of(block_bytes));
    Sequence sequence;
    if (!read_sequence(anchor.subspan(main_at, 8), sequence))
        TRY(read_sequence(anchor.subspan(reserve_at, 8), sequence));
    Bytes volume = sequence.logical_volume.span();
    if (le32(&volume[block_bytes_at]) != block_bytes)
        return corrupt("blocks of {} bytes, but the anchor is where those of {} are",
                       le32(&volume[block_bytes_at]), block_bytes);
    TRY(take_maps(sequence));
    TRY(find_root(volume));
    append_field(volume.subspan(label_at, label_bytes), label);
    type = "udf";
    bytes = uint64_t{partitions_[0].blocks} * block_bytes;
    return {};
}

Result<fs::FileSystem*> start(BlockCache& cache, uint64_t session)
{
    uint32_t block_bytes = 0;
    auto anchor = find_anchor(cache, session, block_bytes);
    if (anchor.error() == Error::not_found)
        return hal::fail(Error::corrupt, "{}: udf: there is no anchor", cache.device().name.view());
    if (!anchor) return anchor.error();
    Udf* udf = TRY(make<Udf>(cache, block_bytes));
    if (auto started = udf->start(anchor.value().span()); !started) {
        delete udf;
        return started.error();
    }
    return udf;
}

Result<fs::FileSystem*> mount(BlockCache& cache)
{
    BlockDevice& device = cache.device();
    uint64_t session = device.last_session() * device.block_bytes;
    Recognised found = TRY(recognise(cache, session));
    if (!found.udf) return Error::not_found;
    auto started = start(cache, session);
    if (started || !found.iso9660 || started.error() == Error::gone) return started;
    hal::log("{}: udf: {}: its ISO 9660 is used", device.name.view(), error_text(started.error()));
    return Error::not_found;
}

}  // namespace

namespace fs {
extern const FileSystemDriver udf = {"udf", ::mount};
}
