// SPDX-License-Identifier: BSD-2-Clause
// ext2: inodes and the nodes that stand for them.
#include "fs/ext2/journal.h"

namespace ext {

struct XattrEntry {  // "Extended Attributes"; the name follows
    uint8_t name_len;
    uint8_t name_index;
    uint16_t value_offs;
    uint32_t value_inum;
    uint32_t value_size;
    uint32_t hash;
};
static constexpr uint32_t xattr_magic = 0xea020000;
static constexpr uint8_t xattr_index_system = 7;
static constexpr uint32_t most_links = 32000;  // of any file, whatever the revision

NodeType type_of_mode(uint16_t mode)
{
    switch (mode >> 12) {
    case 4: return NodeType::directory;
    case 8: return NodeType::file;
    case 10: return NodeType::symlink;
    default: return NodeType::other;
    }
}

Error Ext2::report(const Ext2Node* node, std::string_view format,
                   std::span<const FormatArgument> arguments) const
{
    char what[160];
    format_to(what, format, arguments);
    if (!node) return hal::fail(Error::corrupt, "{}: {}: {}", name(), type, what);
    return hal::fail(Error::corrupt, "{}: {}: inode {}: {}", name(), type, node->id, what);
}

// Where on the device an inode is.
Result<uint64_t> Ext2::inode_offset(uint32_t number)
{
    if (number == 0 || number > inodes) return damaged("there is no inode {}", number);
    uint32_t in_group = (number - 1) / inodes_per_group, index = (number - 1) % inodes_per_group;
    auto descriptor = TRY(group(in_group));
    uint64_t table = descriptor.inode_table(), within = uint64_t{index} * inode_size;
    if (!holds(table, (within >> block_shift) + 1))
        return damaged("group {}: the inodes are in block {} of {}", in_group, table, blocks);
    return offset_of(table) + within;
}

Result<NodeType> Ext2::type_of(uint32_t number)
{
    uint64_t offset = TRY(inode_offset(number));
    return type_of_mode(TRY(cache.read_as<uint16_t>(offset)));
}

// ---- the table of nodes

fs::Node& Ext2::root() { return *root_; }

Ext2::~Ext2()
{
    nodes.clear();
    cache.set_write_ahead(nullptr);
    delete journal;
}

Result<Ext2Node*> Ext2::new_node(uint32_t number)
{
    Ext2Node* node = TRY(make<Ext2Node>(*this, number));
    nodes.add(*node);
    return node;
}

void Ext2::drop(Ext2Node& node)
{
    nodes.remove(node);
    delete &node;
}

Result<Ext2Node*> Ext2::node(uint32_t number)
{
    if (fs::CachedNode* node = nodes.find(number)) return static_cast<Ext2Node*>(node);
    uint64_t offset = TRY(inode_offset(number));
    Ext2Node* node = TRY(new_node(number));
    if (auto loaded = node->load(offset); !loaded) {
        drop(*node);
        return loaded.error();
    }
    return node;
}

// ---- from the medium, and to it

static size_t known_bytes(const Ext2& of) { return std::min<size_t>(of.inode_size, sizeof(Inode)); }

// The checksum of an inode, of which the rest is on the medium; `seed` is that of all that belongs
// to it.
static Result<uint32_t> inode_sum(Ext2& of, uint64_t offset, Inode inode, uint32_t seed)
{
    inode.checksum_lo = 0;
    if (of.inode_size > Inode::short_size && inode.extra_isize >= 4) inode.checksum_hi = 0;
    size_t at = known_bytes(of);
    uint32_t sum = crc32c(seed, std::as_bytes(std::span(&inode, 1)).first(at));
    std::byte some[128];
    for (; at < of.inode_size; at += sizeof some) {
        auto piece = std::span(some).first(std::min(of.inode_size - at, sizeof some));
        TRY(of.cache.read(offset + at, piece));
        sum = crc32c(sum, piece);
    }
    return sum;
}

Result<void> Ext2Node::load(uint64_t inode_offset)
{
    Inode inode = {};
    inode_at_ = inode_offset;
    TRY(fs_.cache.read(inode_offset,
                       std::as_writable_bytes(std::span(&inode, 1)).first(known_bytes(fs_))));
    if (fs_.has_checksums()) {
        seed_ = crc32c_of(crc32c_of(fs_.seed, number()), inode.generation);
        uint32_t sum = TRY(inode_sum(fs_, inode_offset, inode, seed_));
        uint32_t expected = inode.checksum_lo;
        if (fs_.inode_size > Inode::short_size && inode.has(offsetof(Inode, checksum_hi) + 2))
            expected |= uint32_t{inode.checksum_hi} << 16;
        else
            sum &= 0xffff;
        if (sum != expected) return damaged("it does not match its checksum");
    }
    kind_ = static_cast<uint8_t>(inode.mode >> 12);
    type = type_of_mode(inode.mode);
    mode = inode.mode & 07777;
    links = inode.links_count;
    size = inode.size_lo;
    if (type == NodeType::file || (fs_.incompat & largedir))
        size |= uint64_t{inode.size_high} << 32;
    flags_ = inode.flags;
    sectors_ = inode.blocks_lo;
    if (fs_.ro_compat & huge_file) sectors_ |= uint64_t{inode.blocks_high} << 32;
    if (flags_ & huge_file_fl) sectors_ <<= fs_.block_shift - 9;
    attributes_ = inode.file_acl_lo;
    if (fs_.incompat & is_64bit) attributes_ |= uint64_t{inode.file_acl_high} << 32;
    memcpy(block_, inode.block, sizeof block_);
    take_times(inode);
    TRY(check(inode));
    if ((flags_ & inline_data_fl) && size > sizeof block_)
        TRY(find_inline_tail(inode_offset, inode.extra_isize));
    return {};
}

// "Inode Timestamps": 34 bits where there is room.
void Ext2Node::take_times(const Inode& inode)
{
    modified_s = static_cast<int32_t>(inode.mtime);
    if (inode.has(offsetof(Inode, mtime_extra) + 4))
        modified_s += int64_t{inode.mtime_extra & 3} << 32;
}

Result<void> Ext2Node::check(const Inode& inode) const
{
    if (inode.mode >> 12 == 0) return damaged("a name leads to it, but it is not in use");
    if (flags_ & encrypt_fl)
        return hal::fail(Error::unsupported, "{}: {}: inode {} is encrypted", fs_.name(), fs_.type,
                         id);
    if (size > max_file_blocks << fs_.block_shift) return damaged("a size of {} bytes", size);
    if (type != NodeType::directory) return {};
    if (flags_ & inline_data_fl) {
        if (size < sizeof block_) return damaged("an inline directory of {} bytes", size);
    } else if (size % fs_.block_bytes() || size >> fs_.block_shift > fs_.blocks) {
        return damaged("a directory of {} bytes", size);
    }
    return {};
}

static void put_time(int64_t seconds, uint32_t& low, uint32_t* extra)
{
    if (!extra) seconds = std::clamp<int64_t>(seconds, INT32_MIN, INT32_MAX);
    low = static_cast<uint32_t>(seconds);
    if (extra) *extra = static_cast<uint32_t>((seconds - static_cast<int32_t>(seconds)) >> 32) & 3;
}

// What this node knows better than the medium.
void Ext2Node::change(Inode& inode) const
{
    bool has_extra = inode.has(offsetof(Inode, mtime_extra) + 4);
    inode.mode = static_cast<uint16_t>(kind_ << 12 | mode);
    // A directory of more subdirectories than can be counted has one link.
    uint32_t all_links = links + waiting_links;
    bool uncounted = type == NodeType::directory && (links == 1 || all_links > 65000);
    inode.links_count = static_cast<uint16_t>(uncounted ? 1 : all_links);
    inode.size_lo = static_cast<uint32_t>(size);
    if (type == NodeType::file || (fs_.incompat & largedir))
        inode.size_high = static_cast<uint32_t>(size >> 32);
    inode.flags = flags_;
    uint64_t count = flags_ & huge_file_fl ? sectors_ >> (fs_.block_shift - 9) : sectors_;
    inode.blocks_lo = static_cast<uint32_t>(count);
    if (fs_.ro_compat & huge_file) inode.blocks_high = static_cast<uint16_t>(count >> 32);
    inode.file_acl_lo = static_cast<uint32_t>(attributes_);
    if (fs_.incompat & is_64bit) inode.file_acl_high = static_cast<uint16_t>(attributes_ >> 32);
    memcpy(inode.block, block_, sizeof block_);
    put_time(modified_s, inode.mtime, has_extra ? &inode.mtime_extra : nullptr);
    put_time(fs::now_s(), inode.ctime, has_extra ? &inode.ctime_extra : nullptr);
}

Result<void> Ext2Node::write_inode()
{
    Inode inode = {};
    auto bytes = std::as_writable_bytes(std::span(&inode, 1)).first(known_bytes(fs_));
    inode_changed_ = true;
    TRY(fs_.cache.read(inode_at_, bytes));
    change(inode);
    inode.dtime = 0;
    if (is_orphan) inode.dtime = next_orphan ? next_orphan->number() : 0;
    // Without a clock: what cannot be taken for a number in the list of orphans.
    if (doomed)
        inode.dtime =
            std::max({static_cast<uint32_t>(fs::now_s()), fs_.super.wtime, fs_.inodes + 1});
    if (fs_.has_checksums()) {
        uint32_t sum = TRY(inode_sum(fs_, inode_at_, inode, seed_));
        inode.checksum_lo = static_cast<uint16_t>(sum);
        if (fs_.inode_size > Inode::short_size && inode.has(offsetof(Inode, checksum_hi) + 2))
            inode.checksum_hi = static_cast<uint16_t>(sum >> 16);
    }
    TRY(fs_.cache.write(inode_at_, bytes));
    inode_changed_ = false;
    return {};
}

// A new inode of a number that has just been allocated; nothing names it yet.
Result<Ext2Node*> Ext2Node::make_node(NodeType kind, uint16_t permissions)
{
    uint32_t taken = TRY(fs_.allocate_inode(number(), kind == NodeType::directory));
    uint64_t bitmap = fs_.inode_bitmap_offset_of(taken);
    auto made = fs_.new_node(taken);
    auto offset = fs_.inode_offset(taken);
    if (!made || !offset) {
        if (made) fs_.drop(*made.value());
        fs_.given_back(fs_.free_inode(taken, kind == NodeType::directory).error());
        return made ? offset.error() : made.error();
    }
    Ext2Node& node = *made.value();
    node.type = kind;
    node.kind_ = kind == NodeType::directory ? 4 : kind == NodeType::symlink ? 10 : 8;
    node.mode = permissions;
    node.links = kind == NodeType::directory ? 2 : 1;
    node.modified_s = fs::now_s();
    node.inode_at_ = offset.value();
    if (fs_.incompat & extents && kind != NodeType::symlink) node.start_extents();
    Result<void> written = fs_.before(bitmap, node.inode_at_);
    if (written) written = node.write_new();
    if (written) return &node;
    fs_.drop(node);
    fs_.given_back(fs_.free_inode(taken, kind == NodeType::directory).error());
    return written.error();
}

Result<void> Ext2Node::write_new()
{
    Inode inode = {};
    // The number of what had this inode before, plus one: so that handles of NFS are not the same.
    inode.generation =
        TRY(fs_.cache.read_as<uint32_t>(inode_at_ + offsetof(Inode, generation))) + 1;
    inode.atime = static_cast<uint32_t>(modified_s);
    if (fs_.inode_size > Inode::short_size) {
        uint16_t room = static_cast<uint16_t>(fs_.inode_size - Inode::short_size);
        inode.extra_isize = std::min<uint16_t>(sizeof(Inode) - Inode::short_size, room);
        put_time(modified_s, inode.atime, &inode.atime_extra);
        put_time(modified_s, inode.crtime, &inode.crtime_extra);
    }
    if (fs_.has_checksums()) seed_ = crc32c_of(crc32c_of(fs_.seed, number()), inode.generation);
    TRY(fs_.zero(inode_at_, fs_.inode_size, BlockCache::Kind::metadata));
    TRY(fs_.cache.write(inode_at_, std::as_bytes(std::span(&inode, 1)).first(known_bytes(fs_))));
    return write_inode();
}

Result<void> Ext2Node::touch()
{
    modified_s = fs::now_s();
    return write_inode();
}

Result<void> Ext2Node::set_modified(int64_t seconds)
{
    Change change(fs_);
    TRY(change.begin());
    modified_s = seconds;
    return write_inode();
}

Result<void> Ext2Node::set_mode(uint16_t permissions)
{
    Change change(fs_);
    TRY(change.begin());
    mode = permissions & 07777;
    return write_inode();
}

// ---- links, and the end

// Before another name is made.
Result<void> Ext2Node::add_link()
{
    if (links + waiting_links >= most_links && type != NodeType::directory) return Error::too_large;
    ++links;
    if (auto written = write_inode(); !written) {
        --links;
        return written;
    }
    return {};
}

// After a name is no more. Without a journal the medium may have it for
// some time: the link is counted until then.
Result<void> Ext2Node::drop_link()
{
    uint32_t lost = type == NodeType::directory ? links : links > 0;  // with that of its "."
    links -= lost;
    if (!fs_.journal) {
        waiting_links += lost;
        fs_.free_later(*this);
        return {};
    }
    if (links == 0) return fs_.add_orphan(*this);
    return write_inode();
}

void Ext2Node::release()
{
    if (!fs_.journal) {
        doomed = true;  // by the next sync()
        fs_.free_later(*this);
        return;
    }
    if (!destroy())
        hal::log("{}: {}: inode {} stays in the list of orphans", fs_.name(), fs_.type, id);
}

// What it had is freed, and so is the inode: nothing on the medium names it.
Result<void> Ext2Node::destroy()
{
    bool has_blocks = type != NodeType::symlink || !is_fast_link();
    if (has_blocks && type != NodeType::other) TRY(shrink(0));
    Change change(fs_);
    TRY(change.begin());
    if (attributes_) TRY(free_attributes());
    if (is_orphan) TRY(fs_.remove_orphan(*this));
    doomed = true;
    links = waiting_links = 0;
    TRY(write_inode());
    TRY(fs_.free_inode(number(), type == NodeType::directory));
    fs_.drop(*this);
    return {};
}

// "Extended Attributes": a block that several inodes may share.
Result<void> Ext2Node::free_attributes()
{
    uint64_t block = std::exchange(attributes_, 0);
    sectors_ -= std::min<uint64_t>(sectors_, fs_.block_bytes() / 512);
    if (!fs_.holds(block)) return damaged("its attributes are in block {}", block);
    struct Header {
        uint32_t magic, refcount, blocks, hash, checksum;
    };
    auto header = TRY(fs_.cache.read_as<Header>(fs_.offset_of(block)));
    if (header.magic != xattr_magic) return damaged("block {} holds no attributes", block);
    if (header.refcount <= 1) return fs_.free({block, 1});
    --header.refcount;
    if (fs_.has_checksums()) {
        header.checksum = 0;
        TRY(fs_.put(fs_.offset_of(block), header));
        fs_.forget_scratch();
        header.checksum = crc32c(crc32c_of(fs_.seed, block), TRY(fs_.block(block)));
    }
    fs_.forget_scratch();
    return fs_.put(fs_.offset_of(block), header);
}

// ---- Inline data: the first 60 bytes in the inode's block field, the rest in an attribute behind
// it

Result<void> Ext2Node::find_inline_tail(uint64_t inode_offset, uint32_t extra_isize)
{
    size_t wanted = static_cast<size_t>(std::min<uint64_t>(size - sizeof block_, fs_.inode_size));
    size_t header = Inode::short_size + extra_isize, first = header + 4;
    if (first > fs_.inode_size || wanted < size - sizeof block_ ||
        TRY(fs_.cache.read_as<uint32_t>(inode_offset + header)) != xattr_magic)
        return damaged("inline data of {} bytes, but no attributes", size);
    for (size_t at = first; at + sizeof(XattrEntry) + 4 <= fs_.inode_size;) {
        auto entry = TRY(fs_.cache.read_as<XattrEntry>(inode_offset + at));
        if (entry.name_len == 0 && entry.name_index == 0 && entry.value_offs == 0) break;
        auto name = TRY(fs_.cache.read_as<uint32_t>(inode_offset + at + sizeof entry));
        at += (sizeof entry + entry.name_len + 3) & ~size_t{3};
        if (entry.name_index != xattr_index_system || entry.name_len != 4 ||
            memcmp(&name, "data", 4) != 0)
            continue;
        if (entry.value_inum != 0 || entry.value_size < wanted ||
            entry.value_offs > fs_.inode_size - first ||
            entry.value_size > fs_.inode_size - first - entry.value_offs)
            return damaged("inline data of {} bytes at {}", entry.value_size, entry.value_offs);
        inline_tail_ = inode_offset + first + entry.value_offs;
        return {};
    }
    return damaged("inline data of {} bytes does not continue", size);
}

Result<void> Ext2Node::read_inline(uint64_t offset, std::span<std::byte> into)
{
    if (offset < sizeof block_) {
        size_t count = std::min(into.size(), sizeof block_ - static_cast<size_t>(offset));
        memcpy(into.data(), block_ + offset, count);
        into = into.subspan(count);
        offset += count;
    }
    if (into.empty()) return {};
    return fs_.cache.read(inline_tail_ + offset - sizeof block_, into);
}

}  // namespace ext
