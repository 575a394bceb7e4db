// SPDX-License-Identifier: BSD-2-Clause
#include "block/queued_disk.h"
#include <algorithm>
#include <cstring>
#include "hal/log.h"

namespace {

using namespace hal;
using Operation = BlockRequest::Operation;
using State = DiskCommand::State;

// The standards give none; a disk may have to spin up, or to write all of its cache.
constexpr Duration transfer_limit = 10_s, flush_limit = 60_s;
constexpr Duration check_interval = 100_ms, cancel_limit = 1_s;
constexpr unsigned most_tries = 3;
constexpr uint32_t most_bytes = 16 << 20, bounce_bytes = 64 << 10;

bool has_data(Operation operation)
{
    return operation == Operation::read || operation == Operation::write;
}

void log_failure(const DiskCommand& command, std::string_view said)
{
    constexpr std::string_view names[] = {"read", "write", "flush", "discard"};
    Text<48> blocks;
    if (command.count) blocks.print(" of block {}", command.first);
    if (command.count > 1) blocks.print(" ... {}", command.first + command.count - 1);
    log("{}: {}{}: {}", command.disk->name.view(), names[static_cast<unsigned>(command.operation)],
        blocks.view(), said);
}

}  // namespace

void CommandQueue::open(unsigned depth, uint32_t alignment)
{
    depth_ = std::min(depth, most_commands);
    alignment_ = alignment;
    for (unsigned i = depth_; i-- > 0;) {
        commands_[i].number = static_cast<uint8_t>(i);
        commands_[i].next = free_;
        free_ = &commands_[i];
    }
}

// ---- requests become commands

void CommandQueue::add(QueuedDisk& disk, BlockRequest& request)
{
    request.device = &disk;
    request.started = request.under_way = 0;
    request.next = nullptr;
    bool is_flush = request.operation == Operation::flush;
    if (is_flush) request.count = 0;
    if (lost_ != Error{}) {
        refuse(request, lost_);
    } else if (request.operation == Operation::discard && disk.largest_discard == 0) {
        refuse(request, Error::unsupported);
    } else if (is_flush ? disk.has_cache : request.count != 0) {
        *parked_end_ = &request;
        parked_end_ = &request.next;
        return pump(request.more);
    }
    settle(request);
}

void CommandQueue::pump(bool more)
{
    if (under_way_ == 0) listens_ = false;
    while ((waiting_ || (parked_ && free_)) && !searching_) {
        DiskCommand* command = waiting_;
        if (command && command->searching && under_way_) break;  // it goes alone
        if (command)
            waiting_ = command->next;
        else
            command = &divide(*parked_);
        if (!launch(*command)) break;
    }
    InterruptsOff interrupts;
    if (!more && (!listens_ || !interrupts.were_on())) tell();
}

void CommandQueue::tell()
{
    InterruptsOff interrupts;
    if (!untold_) return;
    untold_ = false;
    ring();
    listens_ = will_interrupt();
}

void CommandQueue::heard()
{
    listens_ = false;
    tell();
}

// The next command of the request that is the first in line.
DiskCommand& CommandQueue::divide(BlockRequest& request)
{
    DiskCommand& command = *free_;
    free_ = command.next;
    auto& disk = static_cast<QueuedDisk&>(*request.device);
    uint32_t most = most_bytes / disk.block_bytes;
    if (disk.largest_transfer) most = std::min(most, disk.largest_transfer);
    if (request.operation == Operation::discard) most = disk.largest_discard;
    command.operation = request.operation;
    command.disk = &disk;
    command.request = &request;
    command.first = request.position + request.started;
    command.count = command.left = std::min(request.count - request.started, most);
    command.data = nullptr;
    if (has_data(command.operation))
        command.data = request.data + size_t{request.started} * disk.block_bytes;
    command.searching = false;
    command.tries = 0;
    request.started += command.count;
    ++request.under_way;
    if (request.started == request.count) {
        parked_ = request.next;
        if (!parked_) parked_end_ = &parked_;
    }
    return command;
}

// False: it has to wait until another one has ended.
bool CommandQueue::launch(DiskCommand& command)
{
    command.bytes = 0;
    command.bounced = false;
    Result<void> started;
    if (has_data(command.operation)) started = place(command);
    if (started) started = start(command);
    if (!started) {
        if (bouncing_ == &command) bouncing_ = nullptr;
        if (started.error() == Error::busy && under_way_) {
            wait_again(command);
            return false;
        }
        auto why = started.error() == Error::busy ? Error::device : started.error();
        log_failure(command, error_text(why));
        close(command, why);
        return true;
    }
    command.end_us = 0;
    command.state = State::under_way;
    ++under_way_;
    untold_ = true;
    searching_ = command.searching;
    return true;
}

Result<void> CommandQueue::place(DiskCommand& command)
{
    uint32_t block_bytes = command.disk->block_bytes;
    size_t bytes = size_t{command.count} * block_bytes;
    DmaRun run = dma_run(command.data, bytes);
    if (run.bytes < block_bytes || run.address & (alignment_ - 1)) {
        TRY(bounce(command));
    } else {
        if (run.bytes < bytes) command.count = static_cast<uint32_t>(run.bytes / block_bytes);
        command.address = run.address;
    }
    command.bytes = command.count * block_bytes;
    return {};
}

// The queue's own memory instead of the caller's, for one command at a time.
Result<void> CommandQueue::bounce(DiskCommand& command)
{
    if (!bounce_memory_.data) bounce_memory_ = TRY(allocate_dma(bounce_bytes, 4096));
    if (bouncing_) return Error::busy;
    bouncing_ = &command;
    command.bounced = true;
    command.count = std::min(command.count, bounce_bytes / command.disk->block_bytes);
    command.address = bounce_memory_.address;
    size_t bytes = size_t{command.count} * command.disk->block_bytes;
    if (command.operation == Operation::write) memcpy(bounce_memory_.data, command.data, bytes);
    bytes_bounced += bytes;
    return {};
}

// ---- commands come to an end

DiskCommand* CommandQueue::under_way(unsigned number)
{
    bool is = number < depth_ && commands_[number].state == State::under_way;
    return is ? &commands_[number] : nullptr;
}

// Its memory is not the device's any more.
void CommandQueue::stop(DiskCommand& command)
{
    command.state = State::waiting;
    --under_way_;
    if (command.searching) searching_ = false;
    if (bouncing_ == &command) bouncing_ = nullptr;
}

void CommandQueue::wait_again(DiskCommand& command)
{
    command.state = State::waiting;
    command.next = waiting_;
    waiting_ = &command;
}

void CommandQueue::complete(DiskCommand& command, Result<void> result, std::string_view said)
{
    stop(command);
    if (result && command.bounced && command.operation == Operation::read)
        memcpy(command.data, bounce_memory_.data, command.bytes);
    if (go_on(command, result)) return wait_again(command);
    if (!result) log_failure(command, said.empty() ? error_text(result.error()) : said);
    close(command, result);
}

// Whether there is more of it to do, and what.
bool CommandQueue::go_on(DiskCommand& command, Result<void> result)
{
    if (result) {
        command.first += command.count;
        command.data += command.bytes;
        command.left -= command.count;
        if (!command.searching || command.left < command.count) command.count = command.left;
        if (command.searching && command.left == 0)
            log("{}: block {}: an error that did not come again", command.disk->name.view(),
                command.first - 1);
        return command.left;
    }
    bool is_block = command.bytes <= command.disk->block_bytes;
    if (result.error() != Error::device || !command.bytes) return false;
    if (is_block && command.searching) return false;
    command.searching = true;
    if (!is_block) command.count /= 2;
    return true;
}

void CommandQueue::close(DiskCommand& command, Result<void> result)
{
    BlockRequest& request = *command.request;
    command.state = State::free;
    command.next = free_;
    free_ = &command;
    --request.under_way;
    if (!result) refuse(request, result.error());
    settle(request);
}

// No more commands are made of it.
void CommandQueue::refuse(BlockRequest& request, Error error)
{
    if (request.result) request.result = error;
    request.started = request.count;
    BlockRequest** link = &parked_;
    while (*link && *link != &request) link = &(*link)->next;
    if (!*link) return;
    *link = request.next;
    if (!*link) parked_end_ = link;
}

void CommandQueue::settle(BlockRequest& request)
{
    if (request.under_way || request.started < request.count) return;
    static_cast<QueuedDisk&>(*request.device).done(request);
}

// ---- what does not come to an end

void CommandQueue::advance(const QueuedDisk& disk)
{
    if (disk.withdrawn) return lose(Error::gone);  // the device is somebody else's
    if (under_way_) look();
    if (waiting_ || parked_) pump();
    if (untold_) tell();
    if (under_way_) look_after();
}

void CommandQueue::look_after()
{
    uint64_t now = now_us();
    if (!faulty_ && now < check_us_) return;
    check_us_ = now + check_interval.us;
    Result<void> state = faulty_ ? Result<void>(Error::device) : check();
    if (state.error() == Error::gone) {
        log("{}: it is gone", owner_);
        return lose(Error::gone);
    }
    bool late = false;
    for (DiskCommand& c : commands_) {
        if (c.state != State::under_way) continue;
        if (c.end_us == 0)
            c.end_us = now + (has_data(c.operation) ? transfer_limit : flush_limit).us;
        late |= c.end_us <= now;
    }
    if (late || !state) recover(nullptr);
}

// Those that are late, or whose disk is abandoned, have failed; the others are given to the device
// again.
void CommandQueue::recover(const QueuedDisk* abandoned)
{
    untold_ = false;
    faulty_ = false;
    uint64_t now = now_us();
    log("{}: it is started anew", owner_);
    auto restarted = restart();
    if (!restarted) {
        log("{}: not used any more", owner_);
        return lose(restarted.error());
    }
    for (DiskCommand& command : commands_) {
        if (command.state != State::under_way) continue;
        stop(command);
        bool late = command.end_us && command.end_us <= now, given_up = command.disk == abandoned;
        if (!late && !given_up && ++command.tries < most_tries) {
            wait_again(command);
            continue;
        }
        if (!given_up) log_failure(command, late ? "no answer" : "given up");
        close(command, late || given_up ? Error::timed_out : Error::device);
    }
    pump();
}

void CommandQueue::lose(Error error)
{
    lost_ = error;
    untold_ = false;
    waiting_ = nullptr;
    for (DiskCommand& command : commands_) {
        if (command.state == State::free) continue;
        if (command.state == State::under_way) stop(command);
        close(command, error);
    }
    while (BlockRequest* request = parked_) {
        refuse(*request, error);
        settle(*request);
    }
}

bool CommandQueue::has_under_way(const QueuedDisk& disk) const
{
    return std::any_of(std::begin(commands_), std::end(commands_), [&](const DiskCommand& c) {
        return c.state != State::free && c.disk == &disk;
    });
}

// What the device has been given may still come to an end by itself.
void CommandQueue::abandon(QueuedDisk& disk)
{
    for (BlockRequest *request = parked_, *next; request; request = next) {
        next = request->next;
        if (request->device != &disk) continue;
        refuse(*request, Error::timed_out);
        settle(*request);
    }
    auto ended = wait_until(
        [&] {
            advance(disk);
            return !has_under_way(disk);
        },
        cancel_limit);
    if (!ended) recover(&disk);
}

// ---- the disk

// A call that waits has its copies looked after by BlockDevice.
void QueuedDisk::done(BlockRequest& request)
{
    if (&request == now_)
        request.done = true;
    else
        finish(request, request.result);
}

Result<void> QueuedDisk::perform_now(Operation operation, uint64_t first, uint32_t count,
                                     std::byte* data)
{
    BlockRequest request = {.operation = operation, .first = first, .count = count, .data = data};
    request.position = first;
    now_ = &request;
    queue_.add(*this, request);
    // Each command has its deadline, and only so many tries: this ends.
    while (!request.done) {
        (void)wait_until(
            [&] {
                if (!request.done) queue_.advance(*this);
                return request.done;
            },
            flush_limit);
    }
    now_ = nullptr;
    return request.result;
}

Result<void> QueuedDisk::read_blocks(uint64_t first, uint32_t count, std::byte* into)
{
    return perform_now(Operation::read, first, count, into);
}

Result<void> QueuedDisk::write_blocks(uint64_t first, uint32_t count, const std::byte* from)
{
    return perform_now(Operation::write, first, count, const_cast<std::byte*>(from));
}

Result<void> QueuedDisk::flush_blocks() { return perform_now(Operation::flush, 0, 0, nullptr); }

Result<void> QueuedDisk::discard_blocks(uint64_t first, uint32_t count)
{
    return perform_now(Operation::discard, first, count, nullptr);
}
