// SPDX-License-Identifier: BSD-2-Clause
// iso9660 - the file system of CDs, with Rock Ridge and Joliet.
//
// Rock Ridge gives names, modes, links and times where it is there; else Joliet gives names; else
// they are ISO 9660's own, in lower case and without the version, and found in any case. A file is
// one or more sections; a directory is searched from where the last search ended, so that whoever
// goes through it finds each name at once. A node's id is the byte on the volume where its
// directory record is; of a directory, where its own first record is. The last session counts.
// Supports: reading; blocks of 512 ... 2048 bytes on any device, files of several sections,
// relocated directories. Not: interleaved, sparse and compressed (zisofs) files, several volumes.
// Spec: ECMA-119 (ISO 9660), cited by its sections; SUSP 1.12 and RRIP 1.12 by their entries'
// names; Joliet Specification (Microsoft, 1995). Tested on: images of xorriso, genisoimage, makefs.
#include <algorithm>
#include <cstring>
#include "fs/fs.h"
#include "lib/bytes.h"
#include "lib/utf.h"

namespace {
using fs::DirectoryEntry, fs::NodeType;

constexpr uint64_t sector_bytes = 2048;  // 6.1.2, whatever the logical block is

// ---- what lies on the disk; of numbers in both orders the little-endian one is used

struct [[gnu::packed]] DirectoryRecord {  // 9.1; the name follows, then what SUSP says
    uint8_t length;
    uint8_t attribute_blocks;  // before the data
    uint32_t extent, extent_be;
    uint32_t bytes, bytes_be;
    uint8_t recorded[7];
    uint8_t flags;
    uint8_t unit_blocks, gap_blocks;
    uint16_t volume, volume_be;
    uint8_t name_length;
};
static_assert(sizeof(DirectoryRecord) == 33);
enum RecordFlags : uint8_t { is_directory = 2, is_associated = 4, has_more = 0x80 };  // 9.1.6

struct [[gnu::packed]] VolumeDescriptor {  // 8.4, 8.5
    static constexpr uint8_t primary = 1, supplementary = 2, terminator = 255;
    static constexpr unsigned most = 64;
    static constexpr uint64_t first_sector = 16;

    uint8_t type;
    char identifier[5];
    uint8_t version, flags;
    char system[32];
    std::byte volume[32];
    uint8_t unused[8];
    uint32_t blocks, blocks_be;
    char escapes[32];
    uint16_t set[4];
    uint16_t block_bytes, block_bytes_be;
    uint32_t path_tables[6];
    DirectoryRecord root;
    uint8_t root_name;

    bool is_joliet() const  // Joliet, "Escape Sequence": UCS-2 of level 1, 2 or 3
    {
        char level = escapes[2];
        return type == supplementary && escapes[0] == '%' && escapes[1] == '/' &&
               (level == '@' || level == 'C' || level == 'E');
    }
};
static_assert(sizeof(VolumeDescriptor) == 190);

constexpr uint16_t signature(const char (&name)[3])
{
    return static_cast<uint16_t>(name[0] | name[1] << 8);
}

// 9.1.5: seven numbers, the last one the distance from UTC in quarters of an hour.
int64_t short_time(const uint8_t (&time)[7])
{
    CalendarTime calendar = {1900u + time[0], time[1], time[2], time[3], time[4], time[5]};
    if (!calendar.valid()) return 0;
    return calendar.unix_seconds() - static_cast<int8_t>(time[6]) * 900;
}

// 8.4.26.1: sixteen digits, then that distance.
int64_t long_time(const std::byte* digits)
{
    auto number = [&](size_t at, size_t count) {
        unsigned value = 0;
        for (; count--; ++at) value = value * 10 + (static_cast<uint8_t>(digits[at]) - '0') % 10u;
        return value;
    };
    auto two = [&](size_t at) { return static_cast<uint8_t>(number(at, 2)); };
    CalendarTime calendar = {number(0, 4), two(4), two(6), two(8), two(10), two(12)};
    if (!calendar.valid()) return 0;
    return calendar.unix_seconds() - static_cast<int8_t>(digits[16]) * 900;
}

struct Extent {  // in bytes of the volume
    uint64_t start = 0, bytes = 0;
};

// One name of a directory, and what is known of what has it.
struct Object {
    Text<fs::max_name> name;
    NodeType type = NodeType::file;
    bool hidden = false;
    bool readable = true;  // else its content is in a form that is not known here
    uint16_t mode = 0;
    uint32_t links = 1;
    int64_t modified_s = 0;
    uint64_t place = 0;     // of the first record, on the volume
    uint64_t position = 0;  // in the directory
    unsigned extents = 0;
    Extent first;
    uint64_t size = 0;

    uint64_t id() const { return type == NodeType::directory ? first.start : place; }
};

// ---- SUSP: entries behind the name of a directory record, and in areas elsewhere

class SystemUse {
public:
    SystemUse(BlockCache& cache, uint32_t block_bytes, uint64_t at, uint64_t bytes)
        : cache_(cache), block_bytes_(block_bytes), at_(at), left_(bytes)
    {
    }
    // The next entry. False at the end.
    Result<bool> next();
    uint16_t kind() const { return le16(entry_); }
    std::span<const std::byte> data() const
    {
        return std::span(entry_).subspan(head_bytes, length() - head_bytes);
    }

private:
    static constexpr size_t head_bytes = 4;
    static constexpr unsigned most_areas = 64;
    size_t length() const { return static_cast<uint8_t>(entry_[2]); }
    bool go_on();

    BlockCache& cache_;
    uint32_t block_bytes_;
    uint64_t at_, left_;
    Extent more_;  // from "CE"
    unsigned areas_ = 0;
    std::byte entry_[256] = {};
};

// To the area that a "CE" has named.
bool SystemUse::go_on()
{
    if (more_.bytes == 0 || ++areas_ > most_areas) return false;
    at_ = more_.start;
    left_ = more_.bytes;
    more_ = {};
    return true;
}

Result<bool> SystemUse::next()
{
    for (;;) {
        if (left_ < head_bytes) {
            if (!go_on()) return false;
            continue;
        }
        TRY(cache_.read(at_, std::span(entry_).first(head_bytes)));
        if (length() < head_bytes || length() > left_) {  // the padding of an area
            left_ = 0;
            continue;
        }
        TRY(cache_.read(at_ + head_bytes,
                        std::span(entry_).subspan(head_bytes, length() - head_bytes)));
        at_ += length();
        left_ -= length();
        if (kind() == signature("ST")) left_ = 0;
        if (kind() != signature("CE")) return true;
        if (data().size() >= 24) {
            more_ = {uint64_t{le32(&data()[0])} * block_bytes_ + le32(&data()[8]),
                     le32(&data()[16])};
        }
    }
}

// ---- the volume

class IsoNode;

class Iso final : public fs::FileSystem {
public:
    enum class Names : uint8_t { plain, joliet, rock_ridge };

    explicit Iso(BlockCache& cache) : cache_(cache) {}
    fs::Node& root() override;
    Result<void> sync() override { return {}; }
    Result<uint64_t> free_bytes() override { return uint64_t{0}; }
    Result<void> start(const VolumeDescriptor& primary, const VolumeDescriptor* joliet);
    void read_label(const VolumeDescriptor& primary, const VolumeDescriptor& used);

    // The first name of a directory from a position on, which goes on behind it. False: no more.
    Result<bool> next(const Extent& directory, uint64_t& position, Object& object);
    Result<IsoNode*> node(const Extent& directory, const Object& object);
    // Where the record's data is.
    Extent extent_of(const DirectoryRecord& record) const
    {
        return {(uint64_t{record.extent} + record.attribute_blocks) * block_bytes_, record.bytes};
    }
    Result<bool> read_record(const Extent& directory, uint64_t& position, DirectoryRecord& record);
    // Where the link leads whose record is there; its length.
    Result<size_t> read_link(uint64_t place, Text<fs::max_path>* target);
    Result<void> read(uint64_t offset, std::span<std::byte> into, BlockCache::Runs* runs = nullptr);
    BlockCache& cache() { return cache_; }
    bool same(std::string_view name, std::string_view wanted) const;
    Object& scratch() { return scratch_; }
    template <class... Args> Error corrupt(std::string_view format, const Args&... args)
    {
        Text<120> what;
        what.print(format, args...);
        return hal::fail(Error::corrupt, "{}: iso9660: {}", cache_.device().name.view(),
                         what.view());
    }

private:
    Result<bool> find_rock_ridge(const DirectoryRecord& root);
    SystemUse system_use(uint64_t place, const DirectoryRecord& record);
    Result<void> describe(uint64_t place, const DirectoryRecord& record, Object& object);
    Result<void> take_name(uint64_t place, const DirectoryRecord& record, Object& object);
    Result<void> take_rock_ridge(uint64_t place, const DirectoryRecord& record, Object& object);
    Result<void> take_moved(uint32_t block, Object& object);
    Result<void> take_other_extents(const Extent& directory, uint64_t& position, Object& object);

    BlockCache& cache_;
    uint32_t block_bytes_ = 0;
    Names names_ = Names::plain;
    size_t skipped_ = 0;  // "SP": bytes of each record before SUSP's
    Object scratch_;
    IsoNode* root_ = nullptr;
};

class IsoNode final : public fs::CachedNode {
public:
    explicit IsoNode(Iso& iso, const Object& object)
        : first_(object.first), place_(object.place), readable_(object.readable), iso_(iso)
    {
        type = object.type;
        mode = object.mode;
        links = object.links;
        id = object.id();
        size = object.size;
        modified_s = object.modified_s;
    }
    ~IsoNode() override { delete[] extents_; }
    IsoNode(const IsoNode&) = delete;
    Result<void> take_extents(const Extent& directory, const Object& object);

    Result<size_t> read(uint64_t offset, std::span<std::byte> into) override;
    Result<fs::Node*> find(std::string_view name) override;
    Result<bool> next_entry(uint64_t& position, DirectoryEntry& entry) override;
    Result<void> read_link(Text<fs::max_path>& target) override;

private:
    Result<fs::Node*> search(std::string_view name, uint64_t& position, uint64_t end);

    Extent first_;
    Extent* extents_ = nullptr;  // if there are several
    uint64_t place_;
    uint64_t last_found_ = 0;  // directories: behind it
    bool readable_;
    Iso& iso_;
};

fs::Node& Iso::root() { return *root_; }

Result<void> Iso::read(uint64_t offset, std::span<std::byte> into, BlockCache::Runs* runs)
{
    auto done = runs ? runs->read(offset, into) : cache_.read(offset, into);
    if (done.error() == Error::invalid)
        return corrupt("bytes {} to {} are beyond the end of the device", offset,
                       offset + into.size() - 1);
    return done;
}

bool Iso::same(std::string_view name, std::string_view wanted) const
{
    if (names_ != Names::plain) return name == wanted;
    auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    return std::ranges::equal(name, wanted, {}, lower, lower);
}

// 6.8.1.1: no record crosses the end of a sector; zeros fill that.
Result<bool> Iso::read_record(const Extent& directory, uint64_t& position, DirectoryRecord& record)
{
    for (; position < directory.bytes; position += sector_bytes - position % sector_bytes) {
        uint64_t left =
            std::min(directory.bytes - position, sector_bytes - position % sector_bytes);
        if (left < sizeof record) continue;
        TRY(read(directory.start + position, std::as_writable_bytes(std::span(&record, 1))));
        if (record.length == 0) continue;
        if (record.length < sizeof record + record.name_length || record.length > left)
            return corrupt("the directory record at {} has {} bytes, its name {}",
                           directory.start + position, record.length, record.name_length);
        return true;
    }
    return false;
}

Result<bool> Iso::next(const Extent& directory, uint64_t& position, Object& object)
{
    DirectoryRecord record;
    while (TRY(read_record(directory, position, record))) {
        uint64_t place = directory.start + position;
        object = {};
        object.position = position;
        position += record.length;
        TRY(describe(place, record, object));
        if (record.flags & has_more) TRY(take_other_extents(directory, position, object));
        if (!object.hidden) return true;
    }
    return false;
}

// 6.5.1: a record for each section of a file, one behind the other.
Result<void> Iso::take_other_extents(const Extent& directory, uint64_t& position, Object& object)
{
    DirectoryRecord record;
    do {
        if (!TRY(read_record(directory, position, record)))
            return corrupt("the last section of the file at {} is missing", object.place);
        position += record.length;
        object.size += record.bytes;
        ++object.extents;
    } while (record.flags & has_more);
    return {};
}

Result<void> Iso::describe(uint64_t place, const DirectoryRecord& record, Object& object)
{
    object.place = place;
    object.first = extent_of(record);
    object.size = record.bytes;
    object.extents = 1;
    object.type = record.flags & is_directory ? NodeType::directory : NodeType::file;
    object.mode = record.flags & is_directory ? 0755 : 0644;
    object.modified_s = short_time(record.recorded);
    object.readable = record.unit_blocks == 0 && record.gap_blocks == 0;
    TRY(take_name(place, record, object));
    if (names_ == Names::rock_ridge) TRY(take_rock_ridge(place, record, object));
    std::string_view name = object.name;
    object.hidden |= (record.flags & is_associated) || name.empty() || fs::is_dots(name);
    return {};
}

// 7.5, 7.6; the two names that are one byte 0 or 1 are the directory itself and its parent.
Result<void> Iso::take_name(uint64_t place, const DirectoryRecord& record, Object& object)
{
    std::byte bytes[256];
    std::span<const std::byte> name(bytes, record.name_length);
    TRY(read(place + sizeof record, std::span(bytes).first(name.size())));
    object.hidden = name.size() == 1 && bytes[0] <= std::byte{1};
    if (object.hidden) return {};
    while (name.size() > (names_ == Names::joliet)) {
        uint32_t c;
        if (names_ == Names::joliet) {
            c = take_utf16(name, true);
        } else {
            c = static_cast<uint8_t>(name[0]);
            name = name.subspan(1);
        }
        if (c >= 'A' && c <= 'Z' && names_ != Names::joliet) c += 'a' - 'A';
        append_utf8(object.name, c == 0 || c == '/' ? '_' : c);
    }
    std::string_view text = object.name;
    size_t version = text.rfind(';');
    if (version != text.npos && text.find_first_not_of("0123456789", version + 1) == text.npos)
        object.name.shorten(version);
    if (names_ != Names::joliet && object.name.view().ends_with('.'))
        object.name.shorten(object.name.size() - 1);
    return {};
}

SystemUse Iso::system_use(uint64_t place, const DirectoryRecord& record)
{
    size_t at = (sizeof record + record.name_length + 1) & ~size_t{1};
    at += skipped_;
    return {cache_, block_bytes_, place + at, at < record.length ? record.length - at : 0};
}

// "TF": which times there are, in this order: creation, modification, ...
int64_t modification_time(std::span<const std::byte> data, int64_t otherwise)
{
    constexpr uint8_t creation = 1, modification = 2, long_form = 0x80;
    auto flags = data.empty() ? uint8_t{0} : static_cast<uint8_t>(data[0]);
    size_t bytes = flags & long_form ? 17 : 7;
    size_t at = 1 + (flags & creation ? bytes : 0);
    if (!(flags & modification) || data.size() < at + bytes) return otherwise;
    if (flags & long_form) return long_time(&data[at]);
    uint8_t time[7];
    memcpy(time, &data[at], sizeof time);
    return short_time(time);
}

NodeType type_of_mode(uint32_t mode)
{
    switch (mode >> 12 & 15) {
    case 0:
    case 8: return NodeType::file;
    case 10: return NodeType::symlink;
    default: return NodeType::other;
    }
}

Result<void> Iso::take_rock_ridge(uint64_t place, const DirectoryRecord& record, Object& object)
{
    SystemUse entries = system_use(place, record);
    bool named = false;
    uint32_t moved_to = 0;
    while (TRY(entries.next())) {
        auto data = entries.data();
        switch (entries.kind()) {
        case signature("PX"):
            if (data.size() < 16) break;
            object.mode = static_cast<uint16_t>(le32(&data[0]) & 07777);
            object.links = std::max<uint32_t>(le32(&data[8]), 1);
            if (object.type != NodeType::directory) object.type = type_of_mode(le32(&data[0]));
            break;
        case signature("NM"):
            if (!std::exchange(named, true) && !object.hidden) object.name.clear();
            for (size_t i = 1; i < data.size() && !object.hidden; ++i) {
                char c = static_cast<char>(data[i]);
                object.name.append(c == 0 || c == '/' ? '_' : c);
            }
            break;
        case signature("TF"): object.modified_s = modification_time(data, object.modified_s); break;
        case signature("CL"):
            if (data.size() >= 4) moved_to = le32(&data[0]);
            break;
        case signature("RE"): object.hidden = true; break;
        case signature("SF"):
        case signature("ZF"): object.readable = false; break;
        default: break;
        }
    }
    if (moved_to) return take_moved(moved_to, object);
    return {};
}

// "CL": a directory that lies too deep is elsewhere; its own first record says how it is there.
Result<void> Iso::take_moved(uint32_t block, Object& object)
{
    Extent where = {uint64_t{block} * block_bytes_, sector_bytes};
    DirectoryRecord record;
    uint64_t position = 0;
    if (!TRY(read_record(where, position, record)) || !(record.flags & is_directory) ||
        extent_of(record).start != where.start)
        return corrupt("there is no directory at {}, where one was moved", where.start);
    object.type = NodeType::directory;
    object.first = extent_of(record);
    object.size = record.bytes;
    SystemUse entries = system_use(where.start, record);
    while (TRY(entries.next())) {
        if (entries.kind() == signature("PX") && entries.data().size() >= 16) {
            object.mode = static_cast<uint16_t>(le32(&entries.data()[0]) & 07777);
            object.links = std::max<uint32_t>(le32(&entries.data()[8]), 1);
        }
    }
    return {};
}

// "SL": components, each with flags, length and text.
Result<size_t> Iso::read_link(uint64_t place, Text<fs::max_path>* target)
{
    enum : uint8_t { goes_on = 1, current = 2, parent = 4, from_root = 8 };
    size_t length = 0;
    bool slash = false;
    auto add = [&](std::string_view text) {
        length += text.size();
        if (target) target->append(text);
    };
    DirectoryRecord record;
    TRY(read(place, std::as_writable_bytes(std::span(&record, 1))));
    SystemUse entries = system_use(place, record);
    while (TRY(entries.next())) {
        if (entries.kind() != signature("SL") || entries.data().empty()) continue;
        for (auto data = entries.data().subspan(1); data.size() >= 2;) {
            auto flags = static_cast<uint8_t>(data[0]);
            size_t bytes = static_cast<uint8_t>(data[1]);
            if (bytes > data.size() - 2) return corrupt("the link at {} is damaged", place);
            if (slash) add("/");
            if (flags & current) add(".");
            if (flags & parent) add("..");
            if (flags & from_root) add("/");
            add({reinterpret_cast<const char*>(&data[2]), bytes});
            slash = !(flags & (goes_on | from_root));
            data = data.subspan(2 + bytes);
        }
        if (length >= fs::max_path) return Error::too_large;
    }
    return length;
}

// "SP" is the first entry of the root's own first record. Other users of SUSP have it too.
Result<bool> Iso::find_rock_ridge(const DirectoryRecord& root)
{
    DirectoryRecord record;
    uint64_t position = 0;
    Extent extent = extent_of(root);
    if (!TRY(read_record(extent, position, record))) return false;
    SystemUse entries = system_use(extent.start + position, record);
    constexpr uint16_t check = 0xefbe;
    if (!TRY(entries.next()) || entries.kind() != signature("SP") || entries.data().size() < 3 ||
        le16(&entries.data()[0]) != check)
        return false;
    skipped_ = static_cast<uint8_t>(entries.data()[2]);
    while (TRY(entries.next())) {
        if (entries.kind() == signature("PX") || entries.kind() == signature("RR")) return true;
    }
    return false;
}

// Joliet has room for 16 characters; what more there is only the primary descriptor has.
void Iso::read_label(const VolumeDescriptor& primary, const VolumeDescriptor& used)
{
    std::span<const std::byte> plain(primary.volume);
    if (names_ == Names::joliet) {
        uint32_t c = 0;
        for (std::span<const std::byte> wide(used.volume); !wide.empty();) {
            c = take_utf16(wide, true);
            if (c == 0) break;
            append_utf8(label, c);
        }
        bool is_full = c != 0 && c != ' ';
        plain = is_full ? plain.subspan(sizeof used.volume / 2) : std::span<const std::byte>();
    }
    for (std::byte c : plain) {
        if (c == std::byte{}) break;
        append_utf8(label, static_cast<uint8_t>(c));
    }
    while (label.view().ends_with(' ')) label.shorten(label.size() - 1);
}

Result<void> Iso::start(const VolumeDescriptor& primary, const VolumeDescriptor* joliet)
{
    block_bytes_ = primary.block_bytes;
    const VolumeDescriptor* used = &primary;
    if (TRY(find_rock_ridge(primary.root))) {
        names_ = Names::rock_ridge;
    } else if (joliet && joliet->block_bytes == block_bytes_) {
        names_ = Names::joliet;
        used = joliet;
    }
    DirectoryRecord record;
    Extent extent = extent_of(used->root);
    uint64_t position = 0;
    if (!TRY(read_record(extent, position, record))) return corrupt("its root is empty");
    Object& object = scratch_;
    TRY(describe(extent.start + position, record, object));
    object.type = NodeType::directory;
    object.first = extent;
    object.size = extent.bytes;
    root_ = TRY(node(extent, object));
    root_->opened();

    read_label(primary, *used);
    type = "iso9660";
    bytes = uint64_t{primary.blocks} * block_bytes_;
    return {};
}

Result<IsoNode*> Iso::node(const Extent& directory, const Object& object)
{
    if (fs::CachedNode* node = nodes.find(object.id())) return static_cast<IsoNode*>(node);
    IsoNode* node = TRY(make<IsoNode>(*this, object));
    if (auto taken = node->take_extents(directory, object); !taken) {
        delete node;
        return taken.error();
    }
    nodes.add(*node);
    return node;
}

// ---- nodes

Result<void> IsoNode::take_extents(const Extent& directory, const Object& object)
{
    if (type == NodeType::symlink) size = TRY(iso_.read_link(place_, nullptr));
    if (object.extents < 2) return {};
    extents_ = new (std::nothrow) Extent[object.extents];
    if (!extents_) return Error::no_memory;
    uint64_t position = object.position;
    for (unsigned i = 0; i < object.extents; ++i) {
        DirectoryRecord record;
        if (!TRY(iso_.read_record(directory, position, record))) return Error::corrupt;
        extents_[i] = iso_.extent_of(record);
        position += record.length;
    }
    return {};
}

Result<size_t> IsoNode::read(uint64_t offset, std::span<std::byte> into)
{
    if (type == NodeType::directory) return Error::is_directory;
    if (type != NodeType::file) return Error::invalid;
    if (!readable_) return Error::unsupported;
    if (offset >= size) return size_t{0};
    auto wanted = static_cast<size_t>(std::min<uint64_t>(into.size(), size - offset));
    const Extent* extent = extents_ ? extents_ : &first_;
    BlockCache::Runs runs(iso_.cache(), wanted);
    for (size_t done = 0; done < wanted; ++extent) {
        if (offset >= extent->bytes) {
            offset -= extent->bytes;
            continue;
        }
        auto piece = static_cast<size_t>(std::min<uint64_t>(wanted - done, extent->bytes - offset));
        TRY(iso_.read(extent->start + offset, into.subspan(done, piece), &runs));
        done += piece;
        offset = 0;
    }
    TRY(runs.finish());
    return wanted;
}

// From a position to this end, or (0) the directory's.
Result<fs::Node*> IsoNode::search(std::string_view name, uint64_t& position, uint64_t end)
{
    Object& object = iso_.scratch();
    while (position < end && TRY(iso_.next(first_, position, object))) {
        if (iso_.same(object.name, name)) return TRY(iso_.node(first_, object));
    }
    return nullptr;
}

Result<fs::Node*> IsoNode::find(std::string_view name)
{
    if (type != NodeType::directory) return Error::not_directory;
    uint64_t position = last_found_;
    fs::Node* found = TRY(search(name, position, first_.bytes));
    if (!found && last_found_) {
        position = 0;
        found = TRY(search(name, position, last_found_));
    }
    if (found) last_found_ = position;
    return found;
}

Result<bool> IsoNode::next_entry(uint64_t& position, DirectoryEntry& entry)
{
    if (type != NodeType::directory) return Error::not_directory;
    Object& object = iso_.scratch();
    if (!TRY(iso_.next(first_, position, object))) return false;
    entry.name = object.name;
    entry.type = object.type;
    entry.id = object.id();
    return true;
}

Result<void> IsoNode::read_link(Text<fs::max_path>& target)
{
    if (type != NodeType::symlink) return Error::invalid;
    TRY(iso_.read_link(place_, &target));
    return {};
}

// ---- mounting

struct Session {
    VolumeDescriptor primary, joliet;
    bool has_primary = false, has_joliet = false;
};

// The descriptors of the session that begins at this sector.
Result<void> read_session(BlockCache& cache, uint64_t start, Session& session)
{
    session = {};
    for (unsigned i = 0; i < VolumeDescriptor::most; ++i) {
        uint64_t at = (start + VolumeDescriptor::first_sector + i) * sector_bytes;
        if (at + sector_bytes > cache.bytes()) break;
        auto descriptor = TRY(cache.read_as<VolumeDescriptor>(at));
        if (memcmp(descriptor.identifier, "CD001", sizeof descriptor.identifier) != 0 ||
            descriptor.type == VolumeDescriptor::terminator)
            break;
        if (descriptor.type == VolumeDescriptor::primary && !session.has_primary) {
            session.primary = descriptor;
            session.has_primary = true;
        } else if (descriptor.is_joliet()) {
            session.joliet = descriptor;
            session.has_joliet = true;
        }
    }
    return {};
}

// Where a session's volume ends the next may begin: at once, or where a recorder goes on writing.
// Only a CD's driver knows better.
bool find_next_session(BlockCache& cache, uint64_t& start, Session& session)
{
    uint64_t blocks = session.primary.blocks;
    uint64_t end = start + blocks * session.primary.block_bytes / sector_bytes;
    for (uint64_t multiple : {1, 16, 32}) {
        uint64_t next = (end + multiple - 1) / multiple * multiple;
        Session found;
        // Behind the last track there may be what no drive can read.
        if (!read_session(cache, next, found) || !found.has_primary || next <= start) continue;
        session = found;
        start = next;
        return true;
    }
    return false;
}

Result<void> find_last_session(BlockCache& cache, Session& session)
{
    constexpr unsigned most_sessions = 100;  // a CD has no more tracks
    if (uint64_t first = cache.device().last_session()) {
        uint64_t start = first * cache.device().block_bytes / sector_bytes;
        if (read_session(cache, start, session) && session.has_primary) return {};
    }
    TRY(read_session(cache, 0, session));
    uint64_t start = 0;
    for (unsigned i = 1; session.has_primary && i < most_sessions; ++i) {
        if (!find_next_session(cache, start, session)) break;
    }
    return {};
}

Result<fs::FileSystem*> mount(BlockCache& cache)
{
    Session session;
    TRY(find_last_session(cache, session));
    if (!session.has_primary) return Error::not_found;
    unsigned block_bytes = session.primary.block_bytes;
    if (block_bytes != 512 && block_bytes != 1024 && block_bytes != 2048)
        return hal::fail(Error::corrupt, "{}: iso9660: blocks of {} bytes",
                         cache.device().name.view(), block_bytes);
    Iso* iso = TRY(make<Iso>(cache));
    auto started = iso->start(session.primary, session.has_joliet ? &session.joliet : nullptr);
    if (!started) {
        delete iso;
        return started.error();
    }
    return iso;
}

}  // namespace

namespace fs {
extern const FileSystemDriver iso9660 = {"iso9660", ::mount};
}
