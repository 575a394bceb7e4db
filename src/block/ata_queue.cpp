// SPDX-License-Identifier: BSD-2-Clause
// An ATA disk with several requests under way at once, where its transport has slots for them.
//
// Each has a slot, and one command at a time there. When one fails all have been stopped: then they
// are done one after another, each with its retries, by what a single request is done by. So are
// flushes, and what DMA cannot reach; nothing new is started before that.
#include <algorithm>
#include <cstring>
#include "block/ata.h"
#include "hal/log.h"
#include "lib/bytes.h"

using enum AtaCommand::Opcode;

void AtaDisk::enqueue(BlockRequest& request)
{
    (waiting_ ? last_waiting_->next : waiting_) = &request;
    last_waiting_ = &request;
    start_waiting();
}

void AtaDisk::advance_queue()
{
    if (!is_gone()) collect();
    if (is_gone()) return abandon_queue();
    uint32_t alone = in_use_ & ~running_;
    if (alone && !running_) do_alone(static_cast<unsigned>(__builtin_ctz(alone)));
    start_waiting();
}

void AtaDisk::abandon_queue()
{
    if (running_ && !withdrawn) {  // else it is stopped already, and somebody else's
        transport_.stop();
        transport_.reset_due = true;
    }
    running_ = 0;
    const Error why = is_gone() ? Error::gone : Error::timed_out;
    for (; in_use_; in_use_ &= in_use_ - 1) finish(*slots_[__builtin_ctz(in_use_)].request, why);
    while (BlockRequest* request = waiting_) {
        waiting_ = request->next;
        finish(*request, why);
    }
}

void AtaDisk::start_waiting()
{
    unsigned depth =
        queued_ ? std::min<unsigned>(transport_.slots, id_.queue_depth) : transport_.slots;
    uint32_t all = ~0u >> (32 - depth);
    while (waiting_ && in_use_ == running_ && in_use_ != all) {
        auto slot = static_cast<unsigned>(__builtin_ctz(~in_use_));
        slots_[slot] = {.request = waiting_};
        in_use_ |= 1u << slot;
        waiting_ = waiting_->next;
        start(slot);
    }
}

AtaDisk::Request AtaDisk::rest_of(const Slot& slot) const
{
    const BlockRequest& request = *slot.request;
    return {request.position + slot.done, request.count - slot.done,
            request.data + size_t{slot.done} * block_bytes,
            request.operation == BlockRequest::Operation::write, slot.failed_once};
}

// The slot's next command, if it is one that can run beside others.
void AtaDisk::start(unsigned number)
{
    Slot& slot = slots_[number];
    Request part = rest_of(slot);
    part.count = slot.count = std::min(part.count, largest_transfer);
    bool transfers = slot.request->operation <= BlockRequest::Operation::write && part.count;
    if (!transfers || !dma_ || transport_.reset_due) return;
    if (transport_.start(number, command_for(part, queued_ ? queued : dma)))
        running_ |= 1u << number;
}

// Takes in what has ended.
void AtaDisk::collect()
{
    if (!running_) return;
    uint32_t were_running = running_;
    auto looked = transport_.look(running_);
    uint32_t ended = were_running & ~running_;
    if (looked && ended == 0) {
        uint64_t now = hal::now_us();
        if (quiet_since_us_ == 0) quiet_since_us_ = now;
        if (now - quiet_since_us_ < transfer_limit.us) return;
        transport_.stop();
        transport_.failed_slot = -1;
        transport_.why.clear();
        transport_.why.append("no answer");
        looked = Error::timed_out;
    }
    quiet_since_us_ = 0;
    if (!looked) stopped(looked.error());
    for (; ended; ended &= ended - 1) {
        auto number = static_cast<unsigned>(__builtin_ctz(ended));
        Slot& slot = slots_[number];
        slot.done += slot.count;
        if (slot.done < slot.request->count) {
            start(number);
        } else {
            in_use_ &= ~(1u << number);
            finish(*slot.request, {});
        }
    }
}

// SATA 2.6, 13.7: after an error of NCQ the disk takes nothing else before READ LOG EXT; that says
// which command it was.
void AtaDisk::read_queue_log()
{
    auto said = transport_.why;
    uint8_t error = transport_.error;
    transport_.failed_slot = -1;
    bool read = transport_.recover() && transport_.execute({.opcode = read_log_ext,
                                                            .drive = drive_,
                                                            .extended = true,
                                                            .count = 1,
                                                            .address = 0x10,
                                                            .data = sector_,
                                                            .bytes = sizeof sector_});
    transport_.reset_due = !read;
    transport_.why = said;
    transport_.error = error;
    transport_.failed_slot = -1;
    auto byte = [&](unsigned at) { return static_cast<uint8_t>(sector_[at]); };
    if (!read || byte(0) & 0x80) return;  // it was none that is queued
    transport_.failed_slot = byte(0) & 31;
    transport_.failed_with(byte(2), byte(3));
    if (transport_.error & says_block)
        transport_.why.print(", block {}", (le32(sector_ + 4) & 0xffffff) |
                                               uint64_t{le32(sector_ + 8) & 0xffffff} << 24);
}

void AtaDisk::stopped(Error error)
{
    transport_.reset_due = true;
    if (queued_ && error == Error::device) read_queue_log();
    int failed = transport_.failed_slot;
    if (failed >= 0 && failed < 32 && running_ >> failed & 1) {
        Request part = rest_of(slots_[failed]);
        part.count = slots_[failed].count;
        log_failure(part);
        slots_[failed].failed_once = true;
    } else {
        hal::log("{}: {} requests stopped: {}", name.view(), __builtin_popcount(running_),
                 transport_.why.view());
    }
    running_ = 0;
    if (error == Error::gone) gone = true;
    if (!queued_ || gone || transport_.error & says_block) return;
    if (++queue_failures_ < 3) return;
    queued_ = false;
    hal::log("{}: NCQ does not work, not used any more", name.view());
}

void AtaDisk::do_alone(unsigned number)
{
    Slot slot = slots_[number];
    BlockRequest& request = *slot.request;
    in_use_ &= ~(1u << number);
    switch (request.operation) {
    case BlockRequest::Operation::flush: return finish(request, flush_blocks());
    case BlockRequest::Operation::discard:
        return finish(request, discard_blocks(request.position, request.count));
    default: finish(request, transfer(rest_of(slot)));
    }
}

// Until nothing runs: a command that is not queued goes alone. What makes no progress is stopped.
void AtaDisk::drain_queue()
{
    while (running_) {
        (void)hal::wait_until(
            [&] {
                collect();
                return running_ == 0;
            },
            transfer_limit);
    }
}
