// SPDX-License-Identifier: BSD-2-Clause
// An ATAPI drive, whatever it is connected by: SCSI commands as packets over an AtaTransport.
// Spec: ATA/ATAPI-7 (T13/1532D) volume 1, 6.24 (PACKET); words of IDENTIFY PACKET DEVICE.
#pragma once
#include "block/ata.h"
#include "block/scsi.h"

class AtapiUnit final : public scsi::Transport {
public:
    using Words = AtaIdentity::Words;

    AtapiUnit(AtaTransport& transport, unsigned drive, Words words);
    Result<void> execute(scsi::Command& command) override;

    // Makes the unit of a drive that has said this, and attaches it. Errors: no_memory, and those
    // of scsi::attach().
    static Result<BlockDevice*> attach(Device& parent, std::string_view locator,
                                       AtaTransport& transport, unsigned drive, Words words);

private:
    Result<void> send(scsi::Command& command, bool by_dma);
    Result<void> sense(scsi::Command& command);
    void set_dma(bool on, uint8_t mode);

    AtaTransport& transport_;
    uint8_t drive_, packet_bytes_ = 12;
    bool dma_ = false, needs_direction_ = false;
    bool dma_doubtful_ = false;  // the last command failed, and went by DMA
    Text<8> mode_name_;
    alignas(4) std::byte sense_[18] = {};
};
