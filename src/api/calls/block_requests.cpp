// SPDX-License-Identifier: BSD-2-Clause
// Requests to disks that are under way while the payload goes on; and what moves media.
#include <algorithm>
#include "api/arguments.h"
#include "api/call.h"

namespace {

// A request of the payload's while the kernel works on it.
struct UnderWay {
    BlockRequest request;
    BlockDevice* device = nullptr;
    vesper_block_request* payload = nullptr;  // null: the place is free
};
constinit UnderWay under_way[64] = {};

// Tells the payload, if the request is done.
void settle(UnderWay& place)
{
    if (!place.payload || !place.request.done) return;
    place.payload->result = code(place.request.result);
    place.payload = nullptr;
}

void cancel_all()
{
    for (UnderWay& place : under_way) {
        if (place.payload) place.device->cancel();
        place.payload = nullptr;
    }
}

bool has_memory(const vesper_block_request& request, const BlockDevice& device)
{
    uint64_t bytes = uint64_t{request.count} * device.block_bytes;
    if (request.operation == VESPER_READ) return api::may_write(request.data, bytes);
    return request.operation != VESPER_WRITE || api::may_read(request.data, bytes);
}

// The request says where it is, if that can be believed.
UnderWay* place_of(const vesper_block_request* payload)
{
    auto offset =
        reinterpret_cast<uintptr_t>(payload->link) - reinterpret_cast<uintptr_t>(under_way);
    bool is_one = offset < sizeof under_way && offset % sizeof(UnderWay) == 0;
    UnderWay* place = &under_way[is_one ? offset / sizeof(UnderWay) : 0];
    return place->payload == payload ? place : nullptr;
}

// Behind the last one that was taken: those are the likeliest to have come to an end.
UnderWay* free_place()
{
    static constinit unsigned last = 0;
    for (unsigned i = 0; i < std::size(under_way); ++i) {
        last = (last + 1) % std::size(under_way);
        if (!under_way[last].payload) return &under_way[last];
    }
    return nullptr;
}

}  // namespace

int api_block_submit(vesper_block_request* payload)
{
    if (payload->operation > VESPER_DISCARD || place_of(payload)) return VESPER_INVALID;
    BlockDevice* device = block_device(payload->device);
    if (!device) return VESPER_NOT_FOUND;
    if (!has_memory(*payload, *device)) return VESPER_INVALID;
    UnderWay* place = free_place();
    if (!place) return VESPER_NO_MEMORY;
    payload->link = place;
    place->request = {.operation = static_cast<BlockRequest::Operation>(payload->operation),
                      .first = payload->first,
                      .count = payload->count,
                      .data = static_cast<std::byte*>(payload->data)};
    place->device = device;
    place->payload = payload;
    payload->result = VESPER_BUSY;
    api::at_end(cancel_all);
    device->submit(place->request);
    settle(*place);
    return 0;
}

int api_block_poll()
{
    int pending = 0;
    BlockDevice* polled = nullptr;  // once for many of its requests
    for (const UnderWay& place : under_way) {
        if (!place.payload || place.request.done || &place.device->disk() == polled) continue;
        polled = &place.device->disk();
        polled->poll();
    }
    for (UnderWay& place : under_way) {
        settle(place);
        pending += place.payload != nullptr;
    }
    return pending;
}

int api_block_wait(vesper_block_request* payload, uint64_t us)
{
    UnderWay* place = place_of(payload);
    if (!place) return payload->result == VESPER_BUSY ? VESPER_INVALID : payload->result;
    (void)place->device->wait(place->request, {duration_us(us)});
    if (!place->request.done) return VESPER_TIMED_OUT;
    settle(*place);
    return payload->result;
}

int api_block_eject(int number)
{
    BlockDevice* device = block_device(number);
    return device ? code(device->disk().eject()) : VESPER_NOT_FOUND;
}

int api_block_load(int number)
{
    BlockDevice* device = block_device(number);
    if (!device) return VESPER_NOT_FOUND;
    auto loaded = device->disk().load();
    return code(loaded ? device->disk().look_for_medium() : loaded);
}
