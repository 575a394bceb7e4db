// SPDX-License-Identifier: BSD-2-Clause
// What all block devices have in common: what may be asked of them, requests that wait for their
// turn, and that the copies in caches and the disk are the same.
#include "hal/classes.h"

using Operation = BlockRequest::Operation;

Result<void> BlockDevice::discard_blocks(uint64_t, uint32_t) { return Error::unsupported; }

Result<void> BlockDevice::check(Operation operation, uint64_t first, uint32_t count)
{
    if (is_gone()) return Error::gone;
    if (operation == Operation::flush) return {};
    if (!has(first, count) && removable && !whole) TRY(look_for_medium());
    if (operation > Operation::discard || !has(first, count)) return Error::invalid;
    if (read_only && operation != Operation::read) return Error::read_only;
    return {};
}

Result<void> BlockDevice::perform(Operation operation, uint64_t first, uint32_t count,
                                  std::byte* data)
{
    Result<void> result = check(operation, first, count);
    if (!result) return result;
    switch (operation) {
    case Operation::read: result = read_blocks(first, count, data); break;
    case Operation::write: result = write_blocks(first, count, data); break;
    case Operation::flush: result = flush_blocks(); break;
    case Operation::discard: result = discard_blocks(first, count); break;
    }
    return ended(operation, first, count, data, result);
}

// Of a partition there are no copies: it has passed the work on to its disk, which came here too.
Result<void> BlockDevice::ended(Operation operation, uint64_t first, uint32_t count,
                                std::byte* data, Result<void> result)
{
    if (result.error() == Error::gone) gone = true;
    bool reads = operation == Operation::read;
    if (operation == Operation::flush || (reads && !result)) return result;
    std::byte* holds = operation == Operation::discard || !result ? nullptr : data;
    for (BlockCopies* c = copies; c; c = c->next) c->agree(!reads, first, count, holds);
    return result;
}

Result<void> BlockDevice::read(uint64_t first, uint32_t count, std::byte* into)
{
    return perform(Operation::read, first, count, into);
}

Result<void> BlockDevice::write(uint64_t first, uint32_t count, const std::byte* from)
{
    return perform(Operation::write, first, count, const_cast<std::byte*>(from));
}

Result<void> BlockDevice::flush() { return perform(Operation::flush, 0, 0, nullptr); }

Result<void> BlockDevice::discard(uint64_t first, uint32_t count)
{
    return perform(Operation::discard, first, count, nullptr);
}

void BlockDevice::submit(BlockRequest& request)
{
    request.done = false;
    request.next = nullptr;
    request.position = request.first + (whole ? first_block : 0);
    request.result = check(request.operation, request.first, request.count);
    if (request.result && whole)
        request.result = whole->check(request.operation, request.position, request.count);
    if (request.result)
        disk().begin(request);
    else
        request.done = true;
}

void BlockDevice::finish(BlockRequest& request, Result<void> result)
{
    request.result =
        ended(request.operation, request.position, request.count, request.data, result);
    request.done = true;
}

void BlockDevice::poll()
{
    if (!disk().perform_next()) disk().advance();
}

void BlockDevice::cancel()
{
    BlockDevice& device = disk();
    while (BlockRequest* request = device.queue_) {
        device.queue_ = request->next;
        device.finish(*request, Error::timed_out);
    }
    device.abandon();
}

Result<void> BlockDevice::wait(BlockRequest& request, hal::Duration limit)
{
    if (!request.done && disk().perform_next()) {
        for (hal::Deadline deadline{limit}; !request.done && !deadline.passed();) {
            if (!disk().perform_next()) break;
        }
    }
    TRY(hal::wait_until(
        [&] {
            if (!request.done) disk().advance();
            return request.done;
        },
        limit));
    return request.result;
}

bool BlockDevice::perform_next()
{
    BlockRequest* request = queue_;
    if (!request) return false;
    queue_ = request->next;
    request->result = perform(request->operation, request->position, request->count, request->data);
    request->done = true;
    return true;
}

void BlockDevice::begin(BlockRequest& request)
{
    BlockRequest** last = &queue_;
    while (*last) last = &(*last)->next;
    *last = &request;
}

void BlockDevice::advance() {}
void BlockDevice::abandon() {}
