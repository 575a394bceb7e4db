// SPDX-License-Identifier: BSD-2-Clause
#include "block/ata.h"
#include <algorithm>
#include <cstring>
#include "block/ata_modes.h"
#include "hal/log.h"
#include "hal/pci.h"
#include "lib/bytes.h"

namespace {
using enum AtaCommand::Opcode;
constexpr uint8_t transfer_opcodes[2][2][4] = {
    // [write][EXT][protocol]; NCQ's are always of 48 bits
    {{read_sectors, read_multiple, read_dma},
     {read_sectors_ext, read_multiple_ext, read_dma_ext, read_fpdma_queued}},
    {{write_sectors, write_multiple, write_dma},
     {write_sectors_ext, write_multiple_ext, write_dma_ext, write_fpdma_queued}},
};
constexpr uint8_t device_fault = 0x20;  // of Status

constexpr hal::Duration flush_limit = {60'000'000};  // the standard gives none
}  // namespace

// Words 27...46: two characters a word, the first one in the upper half, padded with spaces.
Text<48> AtaIdentity::model_in(Words words)
{
    Text<48> text;
    size_t end = 0;
    for (unsigned i = 0; i < 40; ++i) {
        auto c = static_cast<char>(words[27 + i / 2] >> (i % 2 ? 0 : 8));
        if (c == 0) c = ' ';
        if (c == ' ' && text.empty()) continue;
        text.append(c >= ' ' && c <= '~' ? c : '?');
        if (c != ' ') end = text.size();
    }
    text.shorten(end);
    return text;
}

Result<AtaIdentity> AtaIdentity::from(Words words, std::string_view owner)
{
    auto has = [&](unsigned word, unsigned bit) {  // of words that say whether they are valid
        return (words[word] & 0xc000) == 0x4000 && words[word] >> bit & 1;
    };
    AtaIdentity disk;
    disk.model = model_in(words);
    uint64_t lba48_blocks = le64(&words[100]);
    uint32_t lba28_blocks = std::min(le32(&words[60]), 1u << 28);
    bool lba = words[49] >> 9 & 1;
    disk.lba48 = lba && has(83, 10) && lba48_blocks;
    disk.lba = disk.lba48 || (lba && lba28_blocks);
    disk.blocks = disk.lba48 ? lba48_blocks : disk.lba ? lba28_blocks : 0;
    if (!disk.lba && words[3] <= 16 && words[6] <= 255) {
        disk.heads = static_cast<uint8_t>(words[3]);
        disk.sectors_per_track = static_cast<uint8_t>(words[6]);
        disk.blocks = uint32_t{words[1]} * disk.heads * disk.sectors_per_track;
    }
    if (disk.blocks == 0 || disk.blocks > 1ull << 48)
        return hal::fail(Error::corrupt, "{}: <{}> says that it has {} sectors", owner,
                         disk.model.view(), disk.blocks);
    uint64_t sector_bytes = has(106, 12) ? le32(&words[117]) * 2ull : 512;
    if (sector_bytes != 512 && sector_bytes != 4096)
        return hal::fail(Error::unsupported, "{}: <{}> has sectors of {} bytes", owner,
                         disk.model.view(), sector_bytes);
    disk.block_bytes = static_cast<uint32_t>(sector_bytes);
    disk.largest_multiple = static_cast<uint8_t>(words[47]);
    disk.dma_mode = config_has_pci ? AtaModes::selected_dma(words) : 0;
    disk.flush_cache = has(83, 12);
    disk.flush_cache_ext = disk.lba48 && has(83, 13);
    bool ncq = config_has_ata_queue && disk.lba48 && words[76] != 0xffff &&
               words[76] >> 8 & 1;  // SATA 2.6, 13.2.1
    disk.queue_depth = ncq ? static_cast<uint8_t>((words[75] & 31) + 1) : 0;
    disk.trim = config_has_pci && disk.lba48 && words[169] & 1;  // ACS-2 (T13/2015-D), 7.10
    disk.removable = words[0] & 0x80;
    disk.rotational = words[217] != 1;  // reserved, thus 0, before ATA8-ACS
    return disk;
}

Result<void> AtaTransport::recover()
{
    if (!reset_due) return {};
    ++resets;
    auto done = reset();
    reset_due = !done;
    return done;
}

Error AtaTransport::failed_with(uint8_t status, uint8_t error_register)
{
    static constexpr const char* names[8] = {"AMNF", "NM", "ABRT", "MCR",
                                             "IDNF", "MC", "UNC",  "ICRC"};
    error = error_register;
    why.clear();
    if (status & device_fault) why.append("device fault ");
    for (int bit = 7; bit >= 0; --bit) {
        if (error >> bit & 1) why.print("{} ", names[bit]);
    }
    why.print("(status {02x}, error {02x})", status, error);
    return Error::device;
}

AtaDisk::AtaDisk(AtaTransport& transport, unsigned drive, const AtaIdentity& identity)
    : transport_(transport),
      drive_(static_cast<uint8_t>(drive)),
      id_(identity),
      dma_(transport.has_dma &&
           (id_.dma_mode || !transport.has_pio)),  // a serial link has no modes
      queued_(config_has_ata_queue && id_.queue_depth && transport.has_ncq)
{
    model = id_.model;
    blocks = id_.blocks;
    block_bytes = id_.block_bytes;
    largest_transfer = id_.lba48 ? 65536 : 256;
    removable = id_.removable;
    rotational = id_.rotational;
}

Text<64> AtaDisk::abilities() const
{
    Text<64> text;
    text.print("{} MiB, {} sectors", blocks * block_bytes >> 20, blocks);
    if (block_bytes != 512) text.print(" of {} bytes", block_bytes);
    if (!id_.lba) text.append(", CHS");
    if (queued_) return text.append(", NCQ");
    if (!config_has_pci || !dma_) return text.append(", PIO");
    if (!transport_.has_pio) return text.append(", DMA");
    return text.print(", {}", AtaModes::name(id_.dma_mode).view());
}

Result<void> AtaDisk::flush_blocks()
{
    if (!id_.flush_cache && !id_.flush_cache_ext) return {};
    drain();
    auto done = transport_.recover();
    if (done) {
        done = transport_.execute({.opcode = id_.flush_cache_ext ? flush_cache_ext : flush_cache,
                                   .drive = drive_,
                                   .limit = flush_limit});
    }
    if (done) return {};
    transport_.reset_due = true;
    return hal::fail(done.error(), "{}: flush: {}", name.view(), transport_.why.view());
}

// Ranges of up to 65535 blocks, 64 a command (ACS-2, 7.10.3).
Result<void> AtaDisk::discard_blocks(uint64_t first, uint32_t count)
{
    constexpr uint32_t most = 65535;
    constexpr uint8_t trim = 1;
    if (!config_has_pci) return Error::unsupported;  // it takes DMA
    drain();
    if (!id_.trim || !dma_ || !transport_.map(sector_, sizeof sector_)) return Error::unsupported;
    while (count) {
        memset(sector_, 0, sizeof sector_);
        for (unsigned at = 0; at < sizeof sector_ && count; at += 8) {
            uint32_t part = std::min(count, most);
            uint64_t range = first | uint64_t{part} << 48;
            memcpy(sector_ + at, &range, sizeof range);
            first += part;
            count -= part;
        }
        auto done = transport_.recover();
        if (done)
            done = transport_.execute({.opcode = data_set_management,
                                       .drive = drive_,
                                       .lba = true,
                                       .extended = true,
                                       .count = 1,
                                       .data = sector_,
                                       .bytes = sizeof sector_,
                                       .write = true,
                                       .dma = true,
                                       .limit = flush_limit,
                                       .features = trim});
        if (done) continue;
        transport_.reset_due = true;
        return hal::fail(done.error(), "{}: discard: {}", name.view(), transport_.why.view());
    }
    return {};
}

Result<void> AtaDisk::read_blocks(uint64_t first, uint32_t count, std::byte* into)
{
    return transfer({first, count, into, false});
}

Result<void> AtaDisk::write_blocks(uint64_t first, uint32_t count, const std::byte* from)
{
    return transfer({first, count, const_cast<std::byte*>(from), true});
}

Result<void> AtaDisk::transfer(Request request)
{
    drain();
    while (request.count) {
        Request part = request;
        part.count = std::min(request.count, largest_transfer);
        TRY(persist(part));
        request.failed_once = false;
        request.first += part.count;
        request.count -= part.count;
        request.data += size_t{part.count} * block_bytes;
    }
    return {};
}

// One command's worth; DMA may take fewer blocks. Up to three attempts, a reset between them,
// and only the first by DMA where there is PIO: if that succeeds where the medium was not at fault,
// DMA was, and is slower from then on.
Result<void> AtaDisk::persist(Request& request)
{
    if (hal::now_us() < left_alone_until_us_) return Error::timed_out;
    bool by_dma = config_has_pci && dma_ && reachable_by_dma(request), blame_dma = false;
    Result<void> result;
    unsigned time_outs = 0;
    for (unsigned attempts = request.failed_once; attempts < 3 && time_outs < 2; ++attempts) {
        result = attempt(request, by_dma && (attempts == 0 || !transport_.has_pio));
        if (result) break;
        transport_.reset_due = true;
        if (attempts == 0) {
            log_failure(request);
            blame_dma = by_dma && transport_.has_pio && !(transport_.error & says_block);
        }
        if (result.error() == Error::gone) break;
        time_outs += result.error() == Error::timed_out;
    }
    if (config_has_pci && result && blame_dma) {
        uint8_t slower = transport_.step_down(drive_);
        hal::log("{}: {} does not work, using {}", name.view(), AtaModes::name(id_.dma_mode).view(),
                 AtaModes::name(slower).view());
        id_.dma_mode = slower;
        dma_ = slower;
    }
    if (result.error() == Error::timed_out) {
        hal::log("{}: does not answer, and is left alone for 30 seconds", name.view());
        left_alone_until_us_ = hal::now_us() + 30'000'000;
    }
    return result;
}

void AtaDisk::log_failure(const Request& request) const
{
    const char* what = request.write ? "write" : "read";
    if (request.count == 1)
        hal::log("{}: {} of block {}: {}", name.view(), what, request.first, transport_.why.view());
    else
        hal::log("{}: {} of blocks {}...{}: {}", name.view(), what, request.first,
                 request.first + request.count - 1, transport_.why.view());
}

bool AtaDisk::reachable_by_dma(Request& request) const
{
    for (uint32_t count = request.count; count; count /= 2) {
        if (!transport_.map(request.data, size_t{count} * block_bytes)) continue;
        request.count = count;
        return true;
    }
    return false;
}

Result<void> AtaDisk::attempt(const Request& request, bool by_dma)
{
    TRY(transport_.recover());
    TRY(prepare(!by_dma));
    return transport_.execute(command_for(request, by_dma          ? dma
                                                   : multiple_ > 1 ? multiple
                                                                   : single));
}

AtaCommand AtaDisk::command_for(const Request& request, Protocol protocol) const
{
    bool is_queued = config_has_ata_queue && protocol == queued;
    bool extended = is_queued ||
                    (id_.lba48 && (request.count > 256 || request.first + request.count > 1 << 28));
    return {.opcode = transfer_opcodes[request.write][extended][protocol],
            .drive = drive_,
            .lba = id_.lba,
            .extended = extended,
            .queued = is_queued,
            .count = request.count,
            .address = address(request.first),
            .data = request.data,
            .bytes = size_t{request.count} * block_bytes,
            .bytes_per_request = size_t{multiple_} * block_bytes,
            .write = request.write,
            .dma = protocol >= dma,
            .limit = transfer_limit};
}

Result<void> AtaDisk::prepare(bool for_pio)
{
    if (prepared_at_ != transport_.resets) {
        prepared_at_ = transport_.resets;
        geometry_set_ = id_.lba;
        multiple_ = 0;
    }
    if (!geometry_set_) {
        TRY(transport_.execute({.opcode = initialize_device_parameters,
                                .drive = drive_,
                                .count = id_.sectors_per_track,
                                .address = uint64_t{id_.heads - 1u} << 24}));
        geometry_set_ = true;
    }
    if (for_pio && multiple_ == 0) {
        multiple_ = 1;
        if (id_.largest_multiple < 2) return {};
        if (transport_.execute(
                {.opcode = set_multiple_mode, .drive = drive_, .count = id_.largest_multiple}))
            multiple_ = id_.largest_multiple;
    }
    return {};
}

uint64_t AtaDisk::address(uint64_t block) const
{
    if (id_.lba) return block;
    auto lba = static_cast<uint32_t>(block);  // at most 65535 * 16 * 255
    uint32_t track = lba / id_.sectors_per_track;
    return (track % id_.heads) << 24 | track / id_.heads << 8 | (lba % id_.sectors_per_track + 1);
}
