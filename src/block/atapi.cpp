// SPDX-License-Identifier: BSD-2-Clause
#include "block/atapi.h"
#include <algorithm>
#include <cstring>
#include "block/ata_modes.h"
#include "hal/log.h"
#include "lib/heap.h"

namespace {
constexpr uint8_t request_sense = 0x03;
constexpr uint8_t feature_dma = 0x01, feature_to_host = 0x04;
}  // namespace

AtapiUnit::AtapiUnit(AtaTransport& transport, unsigned drive, Words words)
    : transport_(transport), drive_(static_cast<uint8_t>(drive))
{
    packet_bytes_ = (words[0] & 3) == 1 ? 16 : 12;
    // Word 62 is about drives behind a bridge to SATA: bit 15, they want to know the direction.
    bool bridged = words[62] & 0x8000;
    needs_direction_ = bridged;
    uint8_t mode = AtaModes::selected_dma(words);
    set_dma(transport.has_dma && (mode || bridged), mode);
    largest_bytes = 128 * 1024;
}

void AtapiUnit::set_dma(bool on, uint8_t mode)
{
    dma_ = on;
    mode_name_ = AtaModes::name(on ? mode : 0);
    manner = on && (mode == 0 || !transport_.has_pio) ? "DMA" : mode_name_.c_str();
}

Result<BlockDevice*> AtapiUnit::attach(Device& parent, std::string_view locator,
                                       AtaTransport& transport, unsigned drive, Words words)
{
    auto* unit = TRY(make<AtapiUnit>(transport, drive, words));
    auto attached = scsi::attach(parent, *unit, locator);
    if (!attached || !attached.value()) delete unit;
    return attached;
}

// Only what moves blocks goes by DMA: of other data the drive may have less than was asked for.
// If PIO succeeds where DMA failed, and the drive did not say why, DMA was to blame.
Result<void> AtapiUnit::execute(scsi::Command& command)
{
    bool can = dma_ && command.whole, doubtful = can && std::exchange(dma_doubtful_, false);
    bool by_dma = can && !doubtful && transport_.map(command.data, command.bytes);
    auto done = send(command, by_dma);
    command.done = true;
    bool said_why = done.error() == Error::device && transport_.error;
    if (doubtful && (done || said_why)) {
        uint8_t slower = transport_.step_down(drive_);
        hal::log("{}: {} does not work, using {}", name, manner, AtaModes::name(slower).view());
        set_dma(slower, slower);
    }
    if (done) return {};
    if (said_why) return sense(command);
    dma_doubtful_ = by_dma;
    transport_.reset_due = true;
    why = transport_.why;
    return done;
}

Result<void> AtapiUnit::send(scsi::Command& command, bool by_dma)
{
    uint8_t packet[16] = {};
    std::copy_n(command.cdb, command.cdb_bytes, packet);
    if (command.cdb_bytes > packet_bytes_) return failed(Error::unsupported, "a long command");
    // V1, 6.24: how much data one DRQ may announce; an even number, and not FFFFh.
    constexpr uint32_t most_at_once = 0xfffe;
    unsigned features = by_dma ? feature_dma : 0;
    if (by_dma && needs_direction_ && !command.write) features |= feature_to_host;
    TRY(transport_.recover());
    transport_.moved = 0;
    TRY(transport_.execute({.opcode = AtaCommand::packet,
                            .drive = drive_,
                            .address = uint64_t{by_dma ? 0 : most_at_once} << 8,
                            .data = command.data,
                            .bytes = command.bytes,
                            .write = command.write,
                            .dma = by_dma,
                            .limit = command.limit,
                            .cdb = {packet, packet_bytes_},
                            .features = static_cast<uint8_t>(features)}));
    command.moved = static_cast<uint32_t>(transport_.moved);
    return {};
}

// The drive has ended a command with an error, and knows more about it.
Result<void> AtapiUnit::sense(scsi::Command& command)
{
    scsi::Command request;
    request.cdb[0] = request_sense;
    request.cdb[4] = sizeof sense_;
    request.data = sense_;
    request.bytes = sizeof sense_;
    command.status = scsi::check_condition;
    if (send(request, false)) {
        command.sense_bytes = static_cast<uint8_t>(std::min<size_t>(request.moved, sizeof sense_));
        memcpy(command.sense, sense_, command.sense_bytes);
        return {};
    }
    transport_.reset_due = true;
    why = transport_.why;
    return Error::device;
}
