// SPDX-License-Identifier: BSD-2-Clause
#include "block/gpt.h"
#include <algorithm>
#include "hal/log.h"
#include "lib/bytes.h"
#include "lib/crc32.h"
#include "lib/utf.h"

namespace {

// 5.3.2, "GPT Header": offsets
constexpr size_t header_bytes_at = 12, header_crc_at = 16, my_block_at = 24, alternate_at = 32,
                 table_at = 72, entries_at = 80, entry_bytes_at = 84, table_crc_at = 88,
                 least_header_bytes = 92;
// 5.3.3, "GPT Partition Entry Array"
constexpr size_t first_at = 32, last_at = 40, name_at = 56, least_entry_bytes = 128;
constexpr uint32_t most_table_bytes = 1 << 20;

struct TypeName {
    uint32_t type;  // TimeLow of the GUID: no two of these agree there
    const char* name;
};
constexpr TypeName types[] = {
    {0xc12a7328, "EFI"},          {0xebd0a0a2, "Microsoft data"}, {0x21686148, "BIOS boot"},
    {0x0fc63daf, "Linux"},        {0x0657fd6d, "Linux swap"},     {0x49f48d5a, "NetBSD FFS"},
    {0x49f48d32, "NetBSD swap"},  {Gpt::freebsd, "FreeBSD"},      {0x516e7cb6, "FreeBSD UFS"},
    {0x516e7cb5, "FreeBSD swap"}, {Gpt::openbsd, "OpenBSD"},
};

bool is_unused(const std::byte* entry) { return le64(entry) == 0 && le64(entry + 8) == 0; }

Error wrong(const BlockDevice& disk, uint64_t block, std::string_view what)
{
    return hal::fail(Error::corrupt, "{}: GPT in sector {}: {}", disk.name.view(), block, what);
}

void describe(const std::byte* entry, Text<48>& text)
{
    const TypeName* known = std::ranges::find(types, le32(entry), &TypeName::type);
    if (known != std::end(types))
        text.append(known->name);
    else
        text.print("type {08x}-{04x}-{04x}", le32(entry), le16(entry + 4), le16(entry + 6));
    std::span<const std::byte> name(entry + name_at, least_entry_bytes - name_at);
    if (le16(name.data()) == 0) return;
    text.append(" \"");
    while (!name.empty()) {
        uint32_t c = take_utf16(name, false);
        if (c == 0) break;
        append_utf8(text, c < ' ' || c == 0x7f ? '?' : c);
    }
    text.append('"');
}

}  // namespace

Result<Gpt::Header> Gpt::read_header(BlockDevice& disk, uint64_t block)
{
    if (block == 0 || block >= disk.blocks) return Error::not_found;
    Buffer sector = TRY(Buffer::of(disk.block_bytes));
    if (auto read = disk.read(block, 1, sector.data()); !read)
        return hal::fail(read.error(), "{}: cannot read sector {} for its GPT: {}",
                         disk.name.view(), block, error_text(read.error()));
    std::byte* at = sector.data();
    if (memcmp(at, "EFI PART", 8) != 0) return Error::not_found;
    uint32_t bytes = le32(at + header_bytes_at), crc = le32(at + header_crc_at);
    if (bytes < least_header_bytes || bytes > sector.size())
        return wrong(disk, block, "an impossible length");
    memset(at + header_crc_at, 0, sizeof crc);
    if (crc32(sector.span().first(bytes)) != crc) return wrong(disk, block, "its CRC is wrong");
    if (le64(at + my_block_at) != block) return wrong(disk, block, "it is another sector's");
    Header header = {le64(at + alternate_at), le64(at + table_at), le32(at + entries_at),
                     le32(at + entry_bytes_at), le32(at + table_crc_at)};
    uint64_t table_bytes = uint64_t{header.entries} * header.entry_bytes;
    uint64_t table_blocks = (table_bytes + disk.block_bytes - 1) / disk.block_bytes;
    if (header.entry_bytes < least_entry_bytes || header.entry_bytes % 8 || table_bytes == 0 ||
        table_bytes > most_table_bytes)
        return wrong(disk, block, "an impossible table");
    if (header.table >= disk.blocks || table_blocks > disk.blocks - header.table)
        return wrong(disk, block, "its table is beyond the end of the disk");
    return header;
}

Result<Gpt> Gpt::read_copy(BlockDevice& disk, uint64_t block, uint64_t& alternate)
{
    Header header = TRY(read_header(disk, block));
    alternate = header.alternate;
    uint32_t bytes = header.entries * header.entry_bytes;
    uint32_t blocks = (bytes + disk.block_bytes - 1) / disk.block_bytes;
    Gpt gpt;
    gpt.table_ = TRY(Buffer::of(size_t{blocks} * disk.block_bytes));
    if (auto read = disk.read(header.table, blocks, gpt.table_.data()); !read)
        return hal::fail(read.error(), "{}: cannot read the table of the GPT in sector {}: {}",
                         disk.name.view(), block, error_text(read.error()));
    if (crc32(gpt.table_.span().first(bytes)) != header.table_crc)
        return wrong(disk, block, "its table's CRC is wrong");
    gpt.entries_ = header.entries;
    gpt.entry_bytes_ = header.entry_bytes;
    return gpt;
}

// The copy is in the last block; on a disk that has grown, or been copied to a larger one, it is
// where the first one says. Where both are sound the first counts (5.3.2).
Result<Gpt> Gpt::read(BlockDevice& disk)
{
    uint64_t copy = disk.blocks - 1, alternate = copy, ignored;
    auto first = read_copy(disk, 1, alternate);
    auto second = read_copy(disk, copy, ignored);
    if (!second && alternate != copy) second = read_copy(disk, copy = alternate, ignored);
    if (first) {
        if (!second) hal::log("{}: GPT: the copy at the end cannot be used", disk.name.view());
        return first;
    }
    if (second) {
        hal::log("{}: GPT: the first one cannot be used; the copy in sector {} is",
                 disk.name.view(), copy);
        return second;
    }
    if (first.error() != Error::not_found) return first.error();
    return second.error();
}

bool Gpt::next(Partition& partition)
{
    while (at_ < entries_ && at_ < max_partitions) {
        const std::byte* entry = table_.data() + size_t{at_++} * entry_bytes_;
        if (is_unused(entry)) continue;
        partition = {at_, le64(entry + first_at), le64(entry + last_at), le32(entry), {}};
        describe(entry, partition.description);
        return true;
    }
    return false;
}
