// SPDX-License-Identifier: BSD-2-Clause
// ext2: group descriptors and bitmaps, and their checksums.
#include "fs/ext2/ext2.h"

namespace ext {

// The CRC-16 of ANSI, lowest bit first, that group descriptors had before metadata_csum.
static uint16_t crc16(uint16_t seed, Content bytes)
{
    uint32_t crc = seed;
    for (std::byte byte : bytes) {
        crc ^= static_cast<uint32_t>(byte);
        for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xa001 : 0);
    }
    return static_cast<uint16_t>(crc);
}

static bool is_power_of(uint32_t n, uint32_t base)
{
    while (n % base == 0) n /= base;
    return n == 1;
}

// "Sparse super" and "sparse_super2": which groups begin with a copy of the superblock.
bool Ext2::has_superblock(uint32_t group) const
{
    if (group == 0) return true;
    if (compat & sparse_super2) return group == backup_bgs[0] || group == backup_bgs[1];
    if (!(ro_compat & sparse_super) || group == 1) return true;
    return is_power_of(group, 3) || is_power_of(group, 5) || is_power_of(group, 7);
}

// "Meta Block Groups": from first_meta_bg on, a block of descriptors lies in the first of the
// groups that it describes; before that all of them follow the superblock.
uint64_t Ext2::descriptor_offset(uint32_t group) const
{
    uint32_t per_block = block_bytes() / desc_size;
    uint32_t meta_group = group / per_block;
    uint64_t block = (Superblock::offset >> block_shift) + 1 + meta_group;
    if (incompat & meta_bg && meta_group >= first_meta_bg && meta_group != 0) {
        uint32_t first_group = meta_group * per_block;
        block = first_block_of(first_group) + has_superblock(first_group);
    }
    return offset_of(block) + uint64_t{group % per_block} * desc_size;
}

static uint16_t descriptor_sum(const Ext2& of, uint32_t number, const GroupDescriptor& descriptor)
{
    GroupDescriptor copy = descriptor;
    copy.checksum = 0;
    auto bytes =
        std::as_bytes(std::span(&copy, 1)).first(std::min<size_t>(of.desc_size, sizeof copy));
    if (of.has_checksums()) return static_cast<uint16_t>(crc32c(crc32c_of(of.seed, number), bytes));
    uint16_t sum = crc16(crc16(0xffff, of.super.uuid), std::as_bytes(std::span(&number, 1)));
    constexpr size_t at = offsetof(GroupDescriptor, checksum);
    sum = crc16(sum, bytes.first(at));
    return crc16(sum, bytes.subspan(at + sizeof copy.checksum));
}

Result<GroupDescriptor> Ext2::group(uint32_t number)
{
    uint64_t offset = descriptor_offset(number);
    if (!holds(offset >> block_shift))
        return damaged("the descriptor of group {} would be in block {} of {}", number,
                       offset >> block_shift, blocks);
    GroupDescriptor descriptor = {};
    size_t size = std::min<size_t>(desc_size, sizeof descriptor);
    TRY(cache.read(offset, std::as_writable_bytes(std::span(&descriptor, 1)).first(size)));
    if (has_group_checksums() && descriptor.checksum != descriptor_sum(*this, number, descriptor))
        return damaged("the descriptor of group {} does not match its checksum", number);
    return descriptor;
}

Result<void> Ext2::put_group(uint32_t number, GroupDescriptor& descriptor)
{
    if (has_group_checksums()) descriptor.checksum = descriptor_sum(*this, number, descriptor);
    return cache.write(
        descriptor_offset(number),
        std::as_bytes(std::span(&descriptor, 1)).first(std::min<size_t>(desc_size, 64)));
}

// ---- Bitmaps

uint32_t Bitmap::next(uint32_t from, bool value, uint32_t end) const
{
    uint32_t skipped = value ? 0 : ~0u;  // a word without what is looked for
    uint32_t wanted = ~0u << from % 32;
    for (from = from / 32 * 32; from < end; from += 32, wanted = ~0u) {
        uint32_t word = (le32(data.data() + from / 8) ^ skipped) & wanted;
        if (word) return std::min(end, from + static_cast<uint32_t>(std::countr_zero(word)));
    }
    return end;
}

static uint32_t bitmap_sum(const Ext2& of, const Bitmap& bitmap, uint32_t bits)
{
    return crc32c(of.seed, bitmap.data.span().first(bits / 8));
}

// "Block and Inode Bitmaps": what is in a group that has BLOCK_UNINIT is known without one.
void Ext2::make_block_bitmap(uint32_t group, const GroupDescriptor& descriptor)
{
    Bitmap& bitmap = block_bitmap_;
    memset(bitmap.data.data(), 0, bitmap.data.size());
    uint64_t first = first_block_of(group);
    auto use = [&](uint64_t block, uint64_t count) {
        for (; count; --count, ++block) {
            if (block >= first && block - first < bitmap.bits)
                bitmap.set(static_cast<uint32_t>(block - first));
        }
    };
    uint32_t per_block = block_bytes() / desc_size;
    bool in_meta_group = incompat & meta_bg && group / per_block >= first_meta_bg;
    uint32_t in_first = group % per_block;
    if (has_superblock(group)) use(first, 1);
    if (in_meta_group) {
        if (in_first == 0 || in_first == 1 || in_first == per_block - 1)
            use(first + has_superblock(group), 1);
    } else if (has_superblock(group)) {
        uint32_t tables =
            incompat & meta_bg ? first_meta_bg : (groups() + per_block - 1) / per_block;
        use(first + 1, tables + uint64_t{super.reserved_gdt_blocks});
    }
    use(descriptor.block_bitmap(), 1);
    use(descriptor.inode_bitmap(), 1);
    use(descriptor.inode_table(),
        (uint64_t{inodes_per_group} * inode_size + block_bytes() - 1) >> block_shift);
    for (uint32_t bit = bitmap.bits; bit < block_bytes() * 8; ++bit) bitmap.set(bit);
}

// What bitmap to allocate from: of one group at a time.
Result<void> Ext2::load_block_bitmap(uint32_t group, GroupDescriptor& descriptor)
{
    Bitmap& bitmap = block_bitmap_;
    if (bitmap.group == group) return {};
    bitmap.group = Bitmap::none;
    bitmap.bits = blocks_in(group);
    bitmap.block = descriptor.block_bitmap();
    if (!holds(bitmap.block))
        return damaged("the bitmap of group {} is in block {}", group, bitmap.block);
    if (descriptor.flags & GroupDescriptor::block_uninit && has_group_checksums()) {
        make_block_bitmap(group, descriptor);
        TRY(cache.write(offset_of(bitmap.block), bitmap.data.span()));
        descriptor.flags &= static_cast<uint16_t>(~GroupDescriptor::block_uninit);
        TRY(seal_bitmap(descriptor, false));
        TRY(put_group(group, descriptor));
    } else {
        TRY(cache.read(offset_of(bitmap.block), bitmap.data.span()));
    }
    std::byte& trusted = trusted_.data()[group / 4];
    std::byte bit = std::byte{1} << group % 4 * 2;
    if (has_checksums() && (trusted & bit) == std::byte{0}) {
        uint32_t sum = bitmap_sum(*this, bitmap, blocks_per_group);
        uint32_t expected =
            uint32_t{descriptor.block_bitmap_csum_hi} << 16 | descriptor.block_bitmap_csum_lo;
        if (desc_size < sizeof descriptor) sum &= 0xffff;
        if (sum != expected)
            return damaged("the bitmap of blocks of group {} does not match its checksum", group);
    }
    trusted |= bit;
    bitmap.group = group;
    hide_busy();
    return {};
}

Result<void> Ext2::load_inode_bitmap(uint32_t group, GroupDescriptor& descriptor)
{
    Bitmap& bitmap = inode_bitmap_;
    if (bitmap.group == group) return {};
    bitmap.group = Bitmap::none;
    bitmap.bits = std::min(inodes_per_group, inodes - group * inodes_per_group);
    bitmap.taken_before = 0;
    bitmap.block = descriptor.inode_bitmap();
    if (!holds(bitmap.block))
        return damaged("the inodes' bitmap of group {} is in block {}", group, bitmap.block);
    if (descriptor.flags & GroupDescriptor::inode_uninit && has_group_checksums()) {
        memset(bitmap.data.data(), 0, bitmap.data.size());
        for (uint32_t bit = inodes_per_group; bit < block_bytes() * 8; ++bit) bitmap.set(bit);
        TRY(cache.write(offset_of(bitmap.block), bitmap.data.span()));
        descriptor.flags &= static_cast<uint16_t>(~GroupDescriptor::inode_uninit);
        TRY(seal_bitmap(descriptor, true));
        TRY(put_group(group, descriptor));
    } else {
        TRY(cache.read(offset_of(bitmap.block), bitmap.data.span()));
    }
    std::byte& trusted = trusted_.data()[group / 4];
    std::byte bit = std::byte{2} << group % 4 * 2;
    if (has_checksums() && (trusted & bit) == std::byte{0}) {
        uint32_t sum = bitmap_sum(*this, bitmap, inodes_per_group);
        uint32_t expected =
            uint32_t{descriptor.inode_bitmap_csum_hi} << 16 | descriptor.inode_bitmap_csum_lo;
        if (desc_size < sizeof descriptor) sum &= 0xffff;
        if (sum != expected)
            return damaged("the bitmap of inodes of group {} does not match its checksum", group);
    }
    trusted |= bit;
    bitmap.group = group;
    return {};
}

// The checksum of a bitmap as it is on the medium, to its descriptor.
Result<void> Ext2::seal_bitmap(GroupDescriptor& descriptor, bool of_inodes)
{
    if (!has_checksums()) return {};
    uint64_t offset = offset_of(of_inodes ? descriptor.inode_bitmap() : descriptor.block_bitmap());
    size_t bytes = bitmap_bytes(of_inodes);
    uint32_t sum = seed;
    std::byte some[512];
    for (size_t at = 0; at < bytes; at += sizeof some) {
        auto piece = std::span(some).first(std::min(bytes - at, sizeof some));
        TRY(cache.read(offset + at, piece));
        sum = crc32c(sum, piece);
    }
    put_bitmap_sum(descriptor, of_inodes, sum);
    return {};
}

void Ext2::put_bitmap_sum(GroupDescriptor& descriptor, bool of_inodes, uint32_t sum) const
{
    auto low = static_cast<uint16_t>(sum), high = static_cast<uint16_t>(sum >> 16);
    if (desc_size < sizeof descriptor) high = 0;
    (of_inodes ? descriptor.inode_bitmap_csum_lo : descriptor.block_bitmap_csum_lo) = low;
    (of_inodes ? descriptor.inode_bitmap_csum_hi : descriptor.block_bitmap_csum_hi) = high;
}

// ---- Blocks of metadata

Result<std::span<std::byte>> Ext2::block(uint64_t number)
{
    if (scratch_block_ != number) {
        scratch_block_ = 0;
        TRY(cache.read(offset_of(number), scratch_.span()));
        scratch_block_ = number;
    }
    return scratch_.span();
}

}  // namespace ext
