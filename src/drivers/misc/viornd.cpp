// SPDX-License-Identifier: BSD-2-Clause
// viornd - the random numbers that a hypervisor gives: virtio entropy devices.
//
// One request at a time, into memory of its own; the device may fill only a part of it. One that
// does not answer is started anew at the next read, and given up after some failures in a row.
// Supports: legacy, transitional and modern devices.  Spec: VIRTIO 1.2, 5.4.
// Tested on: QEMU 7.2 virtio-rng-pci; the fake device of tests/host/fakes/virtio.h.
#include <algorithm>
#include <cstring>
#include "bus/virtio.h"

namespace {
using namespace hal;

constexpr uint32_t most_bytes = 256;  // of a request
constexpr unsigned request_queue = 0, descriptors = 8, most_failures = 3;
constexpr Duration read_limit = 1_s;

class Source final : public RandomSource {
public:
    explicit Source(Device& device) : device_(device), transport_(device) {}

    Result<void> open()
    {
        memory_ = TRY(allocate_dma(most_bytes, 16));
        TRY(transport_.open());
        return start();
    }
    bool is_legacy() const { return transport_.is_legacy(); }

    Result<void> read(std::span<std::byte> into) override
    {
        if (failures_ >= most_failures) return why_;
        auto done = fill(into);
        why_ = done.error();
        failures_ = done ? 0 : failures_ + 1;
        if (failures_ == most_failures) log("{}: not used any more", device_.name());
        return done;
    }

private:
    Result<void> start()
    {
        TRY(transport_.start(0));  // the device type has no features
        TRY(transport_.set_up(queue_, request_queue, descriptors));
        transport_.run();
        return {};
    }

    Result<void> fill(std::span<std::byte> into)
    {
        if (!transport_.is_running()) TRY(start());
        uint64_t end_us = now_us() + read_limit.us;
        while (!into.empty()) {
            uint64_t now = now_us();
            virtio::Piece piece = {memory_.address,
                                   static_cast<uint32_t>(std::min<size_t>(into.size(), most_bytes)),
                                   true};
            Duration rest = {end_us > now ? end_us - now : 0};
            uint32_t bytes = TRY(transport_.perform(queue_, {&piece, 1}, rest));
            if (bytes == 0) {  // 5.4.6.2: one at least
                transport_.stop();
                return hal::fail(Error::device, "{}: an answer without bytes", device_.name());
            }
            memcpy(into.data(), memory_.data, bytes);
            into = into.subspan(bytes);
        }
        return {};
    }

    Device& device_;
    virtio::Transport transport_;
    virtio::Queue queue_;
    DmaMemory memory_;
    unsigned failures_ = 0;  // in a row
    Error why_ = {};
};

Result<void> attach(Device& device)
{
    auto* source = TRY(make<Source>(device));
    auto opened = source->open();
    if (!opened) {
        delete source;
        return opened;
    }
    device.describe("virtio entropy source, {} interface",
                    source->is_legacy() ? "legacy" : "modern");
    publish(*source, "viornd");
    return {};
}

constexpr Match matches[] = {pci(virtio::vendor, 0x1005), pci(virtio::vendor, 0x1044)};

}  // namespace

extern const Driver viornd = {"viornd", matches, attach};
