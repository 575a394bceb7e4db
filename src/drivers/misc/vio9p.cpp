// SPDX-License-Identifier: BSD-2-Clause
// vio9p - the way to a hypervisor's file server: virtio 9P transports.
//
// One message at a time; what is in it the file system knows (src/fs/p9fs/). File data goes
// straight from and to where the caller has it. A server that does not answer is cut off: its
// device is started anew for the next message, and has then forgotten all that it had been told.
// Supports: legacy, transitional and modern devices, with and without a mount tag.
// Spec: VIRTIO 1.2, 5.1 to 5.5 for what all have; the device itself: QEMU's hw/9pfs documentation.
// Tested on: QEMU 7.2 virtio-9p-pci; the fake device of tests/host/fakes/virtio.h.
#include "bus/virtio.h"

namespace {
using namespace hal;

constexpr uint64_t has_tag = 1 << 0;  // VIRTIO_9P_MOUNT_TAG
constexpr unsigned request_queue = 0, descriptors = 16, most_pieces = 8;
constexpr Duration answer_limit = 30_s;  // the host may be writing to a slow disk

// The configuration space: the length of the tag, and the tag without a final NUL.
struct TagLength : Register<TagLength, 0, uint16_t> {};
struct TagByte : Register<TagByte, 0, uint8_t> {};
constexpr unsigned tag_at = 2;

// A chain of descriptors, from memory as the kernel sees it.
class Chain {
public:
    // False if the device can't reach it.
    bool add(std::span<const std::byte> memory, bool device_writes)
    {
        while (!memory.empty()) {
            DmaRun run = dma_run(memory.data(), memory.size());
            if (run.bytes == 0 || count_ == most_pieces) return false;
            pieces_[count_++] = {run.address, static_cast<uint32_t>(run.bytes), device_writes};
            memory = memory.subspan(run.bytes);
        }
        return true;
    }
    std::span<const virtio::Piece> pieces() const { return {pieces_, count_}; }

private:
    virtio::Piece pieces_[most_pieces];
    size_t count_ = 0;
};

class Channel final : public MessageChannel {
public:
    explicit Channel(Device& device) : transport_(device) {}

    Result<void> open()
    {
        TRY(transport_.open());
        return start();
    }
    bool is_legacy() const { return transport_.is_legacy(); }

    Result<uint32_t> exchange(const Message& message) override
    {
        Chain chain;
        if (!chain.add(message.request, false) || !chain.add(message.from, false) ||
            !chain.add(message.reply, true) || !chain.add(message.into, true))
            return Error::unsupported;
        if (!transport_.is_running()) TRY(start());
        return transport_.perform(queue_, chain.pieces(), answer_limit);
    }

private:
    Result<void> start()
    {
        bool tagged = TRY(transport_.start(has_tag)) & has_tag;
        TRY(transport_.set_up(queue_, request_queue, descriptors));
        transport_.run();
        tag.clear();
        const Registers& configuration = transport_.configuration();
        unsigned length = tagged ? configuration.read<TagLength>() : 0;
        for (unsigned i = 0; i < length && i < tag.capacity(); ++i)
            tag.append(static_cast<char>(configuration.from(tag_at + i).read<TagByte>()));
        return {};
    }

    virtio::Transport transport_;
    virtio::Queue queue_;
};

Result<void> attach(Device& device)
{
    auto* channel = TRY(make<Channel>(device));
    auto opened = channel->open();
    if (!opened) {
        delete channel;
        return opened;
    }
    device.describe("virtio 9P file server \"{}\", {} interface", channel->tag.view(),
                    channel->is_legacy() ? "legacy" : "modern");
    publish(*channel, "vio9p");
    return {};
}

constexpr Match matches[] = {pci(virtio::vendor, 0x1009), pci(virtio::vendor, 0x1049)};

}  // namespace

extern const Driver vio9p = {"vio9p", matches, attach};
