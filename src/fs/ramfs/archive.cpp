// SPDX-License-Identifier: BSD-2-Clause
// Archives that the boot loader has loaded, as volumes in RAM: read, and written as any other.
//
// The names are unpacked into a ramfs; what is in the files stays where it is. A name that comes
// twice has what came last, as if it had been unpacked. Supports: tar (ustar, GNU's long names,
// pax), cpio (newc, its form with checksums, which are not looked at, and odc). Not: compressed
// archives, sparse files, devices. Spec: POSIX.1-2017, pax, "ustar Interchange Format" and "cpio
// Interchange Format"; GNU tar manual, "Basic Tar Format"; cpio(5) of libarchive.
// Tested on: archives of GNU tar 1.34 and cpio 2.13.
#include <algorithm>
#include <cstring>
#include "fs/ramfs/ramfs.h"
#include "lib/bytes.h"
#include "lib/heap.h"

namespace {

using fs::Node, fs::NodeType;
using Bytes = std::span<const std::byte>;

std::string_view text_of(Bytes bytes)
{
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
// Up to the first NUL.
std::string_view string_of(Bytes bytes)
{
    std::string_view text = text_of(bytes);
    return text.substr(0, text.find('\0'));
}

// Digits, after spaces, up to what is none.
uint64_t number_of(std::string_view text, unsigned base)
{
    uint64_t value = 0;
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    for (char c : text) {
        unsigned digit = c >= '0' && c <= '9'   ? static_cast<unsigned>(c - '0')
                         : c >= 'a' && c <= 'f' ? static_cast<unsigned>(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? static_cast<unsigned>(c - 'A' + 10)
                                                : base;
        if (digit >= base) break;
        value = value * base + digit;
    }
    return value;
}

// ---- what an archive says becomes names of a volume

struct Entry {
    std::string_view name;
    NodeType type = NodeType::file;
    uint16_t mode = 0;
    int64_t modified_s = 0;
    Bytes content;
    std::string_view target;  // of a symbolic link
    Node* same_as = nullptr;  // it is another name of this file
};

class Volume {
public:
    Volume(fs::FileSystem& files, std::string_view owner) : files_(files), owner_(owner) {}
    // What cannot be made is left out: then null. Errors: no_space.
    Result<Node*> add(const Entry& entry);
    Result<Node*> look_up(std::string_view path) { return fs::look_up(files_, path, false); }
    void leave_out(std::string_view name, std::string_view why);
    void report() const;
    Error fail(Error error, size_t at, std::string_view what) const
    {
        return hal::fail(error, "{}: {}: at byte {}: {}", owner_, files_.type, at, what);
    }

private:
    Result<Node*> directory_of(std::string_view path, std::string_view& name);
    Result<Node*> make_in(Node& directory, std::string_view name, const Entry& entry);
    Result<void> make_room(Node& directory, std::string_view name);

    fs::FileSystem& files_;
    std::string_view owner_;
    unsigned left_out_ = 0;
};

void Volume::leave_out(std::string_view name, std::string_view why)
{
    if (left_out_++ == 0) hal::log("{}: {}: {}: left out: {}", owner_, files_.type, name, why);
}

void Volume::report() const
{
    if (left_out_ > 1)
        hal::log("{}: {}: {} names were left out in all", owner_, files_.type, left_out_);
}

// The directory where a path leads, which is made, and the last name; empty: it is the root.
// Links are not followed: an archive cannot write through them.
Result<Node*> Volume::directory_of(std::string_view path, std::string_view& name)
{
    Node* here = &files_.root();
    name = {};
    while (!path.empty()) {
        size_t end = std::min(path.find('/'), path.size());
        std::string_view part = path.substr(0, end);
        path.remove_prefix(std::min(end + 1, path.size()));
        if (part.empty() || part == ".") continue;
        if (part == ".." || part.find('\0') != part.npos) return Error::invalid;
        if (!name.empty()) {
            Node* next = TRY(here->find(name));
            if (!next) next = TRY(here->create(name, NodeType::directory, 0755));
            if (next->type != NodeType::directory) return Error::not_directory;
            here = next;
        }
        name = part;
    }
    return here;
}

// What has the name goes, unless it is a directory.
Result<void> Volume::make_room(Node& directory, std::string_view name)
{
    Node* old = TRY(directory.find(name));
    if (!old) return {};
    if (old->type == NodeType::directory) return Error::is_directory;
    TRY(directory.remove(name));
    old->release_if_unused();
    return {};
}

Result<Node*> Volume::make_in(Node& directory, std::string_view name, const Entry& entry)
{
    if (entry.type == NodeType::directory) {
        Node* old = TRY(directory.find(name));
        if (!old) return directory.create(name, NodeType::directory, entry.mode);
        if (old->type != NodeType::directory) return Error::not_directory;
        old->mode = entry.mode;
        return old;
    }
    if (Node* file = entry.same_as) {
        file->opened();  // it may be what has the name
        Result<void> done = make_room(directory, name);
        if (done) done = directory.add_name(name, *file);
        file->closed();
        if (!done) return done.error();
        return file;
    }
    TRY(make_room(directory, name));
    if (entry.type == NodeType::symlink) {
        if (entry.target.empty()) return Error::invalid;
        TRY(directory.make_link(name, entry.target));
        return directory.find(name);
    }
    Node* file = TRY(directory.create(name, NodeType::file, entry.mode));
    ramfs::lend(*file, entry.content);
    return file;
}

Result<Node*> Volume::add(const Entry& entry)
{
    std::string_view name;
    auto directory = directory_of(entry.name, name);
    Result<Node*> made = directory;
    if (directory && !name.empty())
        made = make_in(*directory.value(), name, entry);
    else if (directory)
        directory.value()->mode = entry.mode;
    if (made.error() == Error::no_space || made.error() == Error::no_memory)
        return hal::fail(Error::no_space, "{}: {}: {}: no room for the names of all files", owner_,
                         files_.type, entry.name);
    if (!made) {
        leave_out(entry.name, error_text(made.error()));
        return nullptr;
    }
    if (made.value()) made.value()->modified_s = entry.modified_s;
    return made;
}

// ---- tar

constexpr size_t tar_block = 512;

struct TarHeader {
    std::byte name[100], mode[8], uid[8], gid[8], size[12], mtime[12], chksum[8];
    char typeflag;
    std::byte linkname[100], magic[6], version[2], uname[32], gname[32], devmajor[8], devminor[8];
    std::byte prefix[155], unused[12];

    bool has_prefix() const { return memcmp(magic, "ustar\0", sizeof magic) == 0; }
};
static_assert(sizeof(TarHeader) == tar_block);

// Octal digits; or, with the highest bit set, a binary number (GNU).
uint64_t tar_number(Bytes field)
{
    if (!(static_cast<uint8_t>(field[0]) & 0x80)) return number_of(string_of(field), 8);
    uint64_t value = static_cast<uint8_t>(field[0]) & 0x7f;
    for (std::byte byte : field.subspan(1)) value = value << 8 | static_cast<uint8_t>(byte);
    return value;
}

// The sum of all bytes, with spaces in place of the sum itself.
bool is_tar(Bytes block)
{
    if (block.size() < tar_block) return false;
    auto& header = *reinterpret_cast<const TarHeader*>(block.data());
    uint64_t sum = sizeof header.chksum * ' ';
    for (size_t i = 0; i < tar_block; ++i) {
        bool in_sum = i - offsetof(TarHeader, chksum) < sizeof header.chksum;
        if (!in_sum) sum += static_cast<uint8_t>(block[i]);
    }
    return header.name[0] != std::byte{} && tar_number(header.chksum) == sum;
}

class Tar {
public:
    Tar(Bytes archive, Volume& volume) : archive_(archive), volume_(volume) {}
    Result<void> unpack();

private:
    // What entries before it have to say of the next one.
    struct Extended {
        std::string_view name, target;
        uint64_t size = 0;
        int64_t modified_s = 0;
        bool has_size = false, has_time = false, sparse = false;
    };
    Result<void> unpack(const TarHeader& header);
    Result<void> take(const TarHeader& header, Bytes content);
    Result<void> add(const TarHeader& header, Bytes content);
    Result<void> take_pax(Bytes records);
    void take_record(std::string_view key, std::string_view value);
    void skip_sparse_map(const TarHeader& header);

    Bytes archive_;
    Volume& volume_;
    size_t at_ = 0;
    Extended extended_;
    Text<fs::max_path> path_;
};

Result<void> Tar::unpack()
{
    auto is_zero = [](std::byte byte) { return byte == std::byte{}; };
    while (at_ < archive_.size()) {
        Bytes block = archive_.subspan(at_, std::min(tar_block, archive_.size() - at_));
        if (std::ranges::all_of(block, is_zero)) return {};
        if (block.size() < tar_block)
            return volume_.fail(Error::corrupt, at_, "the archive is cut short");
        if (!is_tar(block)) return volume_.fail(Error::corrupt, at_, "the header is damaged");
        at_ += tar_block;
        TRY(unpack(*reinterpret_cast<const TarHeader*>(block.data())));
    }
    return {};
}

Result<void> Tar::unpack(const TarHeader& header)
{
    if (header.typeflag == 'S') skip_sparse_map(header);
    bool of_file = header.typeflag != 'x' && header.typeflag != 'g' && header.typeflag != 'L' &&
                   header.typeflag != 'K';
    uint64_t bytes = of_file && extended_.has_size ? extended_.size : tar_number(header.size);
    // Links and directories have none, whatever they say.
    if (header.typeflag >= '1' && header.typeflag <= '6') bytes = 0;
    if (bytes > archive_.size() - at_)
        return volume_.fail(Error::corrupt, at_, "the archive is cut short");
    TRY(take(header, archive_.subspan(at_, static_cast<size_t>(bytes))));
    if (of_file) extended_ = {};
    auto padded = static_cast<size_t>((bytes + tar_block - 1) / tar_block * tar_block);
    at_ += std::min(padded, archive_.size() - at_);
    return {};
}

// GNU's sparse files: blocks of the map follow the header as long as each says so.
void Tar::skip_sparse_map(const TarHeader& header)
{
    constexpr size_t more_in_header = 482, more_in_block = 504;
    bool more = reinterpret_cast<const std::byte*>(&header)[more_in_header] != std::byte{};
    for (; more && archive_.size() - at_ >= tar_block; at_ += tar_block)
        more = archive_[at_ + more_in_block] != std::byte{};
}

Result<void> Tar::take(const TarHeader& header, Bytes content)
{
    switch (header.typeflag) {
    case 'x': return take_pax(content);
    case 'L': extended_.name = string_of(content); return {};
    case 'K': extended_.target = string_of(content); return {};
    case 'g':             // for all that follow: comments, mostly
    case 'V': return {};  // GNU: the volume's label
    default: return add(header, content);
    }
}

Result<void> Tar::add(const TarHeader& header, Bytes content)
{
    Entry entry = {.name = {},
                   .mode = static_cast<uint16_t>(tar_number(header.mode) & 07777),
                   .modified_s = static_cast<int64_t>(tar_number(header.mtime)),
                   .content = content,
                   .target = string_of(header.linkname)};
    path_.clear();
    if (header.has_prefix() && header.prefix[0] != std::byte{})
        path_.append(string_of(header.prefix)).append('/');
    path_.append(string_of(header.name));
    entry.name = extended_.name.empty() ? path_.view() : extended_.name;
    if (!extended_.target.empty()) entry.target = extended_.target;
    if (extended_.has_time) entry.modified_s = extended_.modified_s;
    switch (header.typeflag) {
    case '1': {
        auto file = volume_.look_up(entry.target);
        if (!file || file.value()->type == NodeType::directory) {
            volume_.leave_out(entry.name, "another name of a file that is not there");
            return {};
        }
        entry.same_as = file.value();
        break;
    }
    case '2': entry.type = NodeType::symlink; break;
    case '5': entry.type = NodeType::directory; break;
    case '3':
    case '4':
    case '6': volume_.leave_out(entry.name, "a device or a FIFO"); return {};
    case 'S': extended_.sparse = true; break;
    case 'D':
    case 'M': volume_.leave_out(entry.name, "of an archive in several parts"); return {};
    default: break;
    }
    // Old archives have no type for directories.
    if (entry.name.ends_with('/') && entry.type == NodeType::file && !entry.same_as)
        entry.type = NodeType::directory;
    if (extended_.sparse) {
        volume_.leave_out(entry.name, "a sparse file");
        return {};
    }
    TRY(volume_.add(entry));
    return {};
}

// "pax Extended Header": lines "LENGTH KEY=VALUE".
Result<void> Tar::take_pax(Bytes records)
{
    std::string_view rest = string_of(records);
    while (!rest.empty()) {
        auto length = number_of(rest, 10);
        size_t space = rest.find(' ');
        if (space == rest.npos || length < space + 3 || length > rest.size())
            return volume_.fail(Error::corrupt, at_, "the extended header is damaged");
        std::string_view record = rest.substr(space + 1, static_cast<size_t>(length) - space - 2);
        size_t equals = record.find('=');
        if (equals != record.npos) take_record(record.substr(0, equals), record.substr(equals + 1));
        rest.remove_prefix(static_cast<size_t>(length));
    }
    return {};
}

void Tar::take_record(std::string_view key, std::string_view value)
{
    if (key == "path") {
        extended_.name = value;
    } else if (key == "linkpath") {
        extended_.target = value;
    } else if (key == "size") {
        extended_.size = number_of(value, 10);
        extended_.has_size = true;
    } else if (key == "mtime") {  // with a fraction
        bool before_1970 = value.starts_with('-');
        extended_.modified_s =
            before_1970 ? 0 : static_cast<int64_t>(number_of(value, 10) & INT64_MAX);
        extended_.has_time = true;
    } else if (key.starts_with("GNU.sparse.")) {
        extended_.sparse = true;
    }
}

// ---- cpio

struct CpioHeader {
    uint64_t device = 0, inode = 0;
    uint32_t mode = 0, links = 0;
    int64_t modified_s = 0;
    uint64_t name_bytes = 0, file_bytes = 0;
    size_t bytes = 0;    // of itself
    size_t padding = 1;  // name and data end at multiples of this
};

bool is_cpio(Bytes at)
{
    std::string_view text = text_of(at);
    return text.starts_with("070701") || text.starts_with("070702") || text.starts_with("070707");
}

class Cpio {
public:
    Cpio(Bytes archive, Volume& volume) : archive_(archive), volume_(volume) {}
    ~Cpio();
    Cpio(const Cpio&) = delete;
    Result<void> unpack();

private:
    // A file that has several names: the others bring only theirs, and one of them the content.
    struct Linked {
        uint64_t device, inode;
        Node* node;
        Linked* next;
    };
    static bool read(Bytes at, CpioHeader& header);
    bool take(size_t& at, uint64_t bytes, size_t padding, Bytes& taken) const;
    Result<void> add(const CpioHeader& header, std::string_view name, Bytes content);
    Result<void> add_file(const CpioHeader& header, Entry& entry);

    Bytes archive_;
    Volume& volume_;
    Linked* linked_[64] = {};
    Text<fs::max_path> path_;
};

Cpio::~Cpio()
{
    for (Linked* linked : linked_) {
        while (linked) {
            linked->node->closed();
            delete std::exchange(linked, linked->next);
        }
    }
}

bool Cpio::read(Bytes at, CpioHeader& header)
{
    if (!is_cpio(at)) return false;
    bool old = text_of(at).starts_with("070707");
    header.bytes = old ? 76 : 110;
    header.padding = old ? 1 : 4;
    if (at.size() < header.bytes) return false;
    size_t from = 6;
    auto field = [&](size_t digits) {
        uint64_t value = number_of(text_of(at.subspan(from, digits)), old ? 8 : 16);
        from += digits;
        return value;
    };
    if (old) header.device = field(6);
    header.inode = field(old ? 6 : 8);
    header.mode = static_cast<uint32_t>(field(old ? 6 : 8));
    from += old ? 12 : 16;  // owner
    header.links = static_cast<uint32_t>(field(old ? 6 : 8));
    if (old) from += 6;
    header.modified_s = static_cast<int64_t>(field(old ? 11 : 8));
    if (!old) {
        header.file_bytes = field(8);
        header.device = field(8) << 32;
        header.device |= field(8);
        from += 16;
    }
    header.name_bytes = field(old ? 6 : 8);
    if (old) header.file_bytes = field(11);
    return true;
}

// The next bytes, which end with padding. False: there are not so many.
bool Cpio::take(size_t& at, uint64_t bytes, size_t padding, Bytes& taken) const
{
    if (bytes > archive_.size() - at) return false;
    taken = archive_.subspan(at, static_cast<size_t>(bytes));
    at += taken.size();
    at = std::min((at + padding - 1) & ~(padding - 1), archive_.size());
    return true;
}

// Archives may follow one another, with zeros between them.
Result<void> Cpio::unpack()
{
    for (size_t at = 0; at < archive_.size();) {
        CpioHeader header;
        size_t start = at;
        if (archive_[at] == std::byte{}) {
            ++at;
            continue;
        }
        if (!read(archive_.subspan(at), header))
            return volume_.fail(Error::corrupt, at, "there is no header");
        at += header.bytes;
        Bytes name, content;
        if (!take(at, header.name_bytes, header.padding, name) ||
            !take(at, header.file_bytes, header.padding, content))
            return volume_.fail(Error::corrupt, start, "the archive is cut short");
        if (string_of(name) == "TRAILER!!!") continue;
        TRY(add(header, string_of(name), content));
    }
    return {};
}

Result<void> Cpio::add(const CpioHeader& header, std::string_view name, Bytes content)
{
    Entry entry = {.name = name,
                   .mode = static_cast<uint16_t>(header.mode & 07777),
                   .modified_s = header.modified_s,
                   .content = content,
                   .target = text_of(content)};
    switch (header.mode >> 12) {
    case 4: entry.type = NodeType::directory; break;
    case 8: return add_file(header, entry);
    case 10: entry.type = NodeType::symlink; break;
    default: volume_.leave_out(name, "a device, a FIFO or a socket"); return {};
    }
    TRY(volume_.add(entry));
    return {};
}

Result<void> Cpio::add_file(const CpioHeader& header, Entry& entry)
{
    Linked*& bucket = linked_[header.inode % std::size(linked_)];
    Linked* linked = header.links > 1 ? bucket : nullptr;
    while (linked && (linked->inode != header.inode || linked->device != header.device))
        linked = linked->next;
    if (linked) {
        entry.same_as = linked->node;
        if (!entry.content.empty()) ramfs::lend(*linked->node, entry.content);
    }
    Node* file = TRY(volume_.add(entry));
    if (!file || linked || header.links < 2) return {};
    linked = TRY(make<Linked>());
    *linked = {header.device, header.inode, file, bucket};
    bucket = linked;
    file->opened();
    return {};
}

// ---- mounting

struct Packer {
    std::string_view magic;
    const char* name;
};
constexpr Packer packers[] = {
    {"\x1f\x8b", "gzip"},          {"BZh", "bzip2"},
    {"\xfd\x37zXZ", "xz"},         {"\x28\xb5\x2f\xfd", "zstd"},
    {"\x04\x22\x4d\x18", "lz4"},   {"\x02\x21\x4c\x18", "lz4"},
    {{"\x5d\0\0\x80", 4}, "lzma"}, {"\x89LZO", "lzop"},
};

template <class Format> Result<void> unpack(Bytes archive, Volume& volume)
{
    Format* format = TRY(make<Format>(archive, volume));
    auto done = format->unpack();
    delete format;
    return done;
}

}  // namespace

Result<fs::FileSystem*> ramfs::mount_archive(BlockCache& cache)
{
    Bytes archive = cache.device().memory;
    std::string_view name = cache.device().name;
    for (const Packer& packer : packers) {
        if (!text_of(archive).starts_with(packer.magic)) continue;
        return hal::fail(Error::unsupported, "{}: packed by {}: unpack it before it is loaded",
                         name, packer.name);
    }
    bool tar = is_tar(archive);
    if (!tar && !is_cpio(archive)) return Error::not_found;
    fs::FileSystem* files = TRY(make_empty());
    files->type = tar ? "tar" : "cpio";
    Volume volume(*files, name);
    auto done = tar ? unpack<Tar>(archive, volume) : unpack<Cpio>(archive, volume);
    if (!done) {
        delete files;
        return done.error();
    }
    volume.report();
    return files;
}
