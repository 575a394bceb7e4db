// SPDX-License-Identifier: BSD-2-Clause
// viblk - the disks of a hypervisor: virtio block devices.
//
// One queue, up to 64 requests in it; data goes straight to or from the caller's memory. What all
// disks with many commands have in common is in block/queued_disk.h.
// Supports: legacy, transitional and modern devices; blocks of 512 ... 4096 bytes, read-only disks,
// flush, discard or else write zeroes, a size that changes (what is mounted keeps its own).
// Not: several queues, life time, secure erase, zones.  Spec: VIRTIO 1.2, 5.2; numbers are its.
// Tested on: QEMU 7.2 virtio-blk-pci; the fake device of tests/host/fakes/virtio.h.
#include <algorithm>
#include <bit>
#include "block/queued_disk.h"
#include "bus/virtio.h"

namespace {
using namespace hal;

namespace feature {  // 5.2.3
constexpr uint64_t size_max = 1 << 1, seg_max = 1 << 2, read_only = 1 << 5, blk_size = 1 << 6,
                   flush = 1 << 9, discard = 1 << 13, write_zeroes = 1 << 14,
                   all = size_max | seg_max | read_only | blk_size | flush | discard | write_zeroes;
}

namespace configuration {                          // 5.2.4
struct CapacityLow : Register<CapacityLow, 0> {};  // in sectors of 512 bytes, as all that follows
struct CapacityHigh : Register<CapacityHigh, 4> {};
struct SizeMax : Register<SizeMax, 8> {};
struct SegMax : Register<SegMax, 12> {};
struct BlkSize : Register<BlkSize, 20> {};
struct MaxDiscardSectors : Register<MaxDiscardSectors, 36> {};
struct MaxWriteZeroesSectors : Register<MaxWriteZeroesSectors, 48> {};
struct WriteZeroesMayUnmap : Register<WriteZeroesMayUnmap, 56, uint8_t> {};
}  // namespace configuration

struct Request {  // 5.2.6: the device reads this, then the data; and writes a status
    enum Type : uint32_t { in = 0, out = 1, flush = 4, discard = 11, write_zeroes = 13 };
    uint32_t type, reserved;
    uint64_t sector;
    struct Range {
        uint64_t sector;
        uint32_t sectors, flags;
        static constexpr uint32_t unmap = 1;  // of write zeroes alone
    } range;
    enum Status : uint8_t { ok = 0, io_error = 1, unsupported = 2, none = 0xff };
    uint8_t status, padding[7];
    static constexpr uint32_t header_bytes = 16;
};
static_assert(sizeof(Request) == 40 && sizeof(Request::Range) == 16);

constexpr unsigned sector_bytes = 512, request_queue = 0;
constexpr unsigned most_descriptors = 256;  // of our queue
constexpr unsigned most_pieces = 32;        // of a request, with its two ends
constexpr uint32_t most_bytes = 4 << 20;    // at once
constexpr uint32_t most_discarded_bytes = 1u << 30;

class Disk final : public CommandQueue, public QueuedDisk {
public:
    explicit Disk(Device& device)
        : CommandQueue(device.name()),
          QueuedDisk(*static_cast<CommandQueue*>(this)),
          device_(device),
          transport_(device)
    {
    }

    Result<void> open_device()
    {
        TRY(transport_.open());
        transport_.watch_configuration();
        requests_ = TRY(allocate_dma(most_commands * sizeof(Request), 16));
        TRY(start_device());
        TRY(read_geometry());
        open(std::min(most_commands, queue_.size() / 3), 1);
        return {};
    }
    bool is_legacy() const { return transport_.is_legacy(); }

private:
    using Operation = DiskCommand::Operation;

    Result<void> start_device()
    {
        features_ = TRY(transport_.start(feature::all | virtio::event_index));
        TRY(transport_.set_up(queue_, request_queue, most_descriptors));
        if (numbers_.size() < queue_.size()) numbers_ = TRY(Buffer::of(queue_.size()));
        transport_.run();
        return {};
    }

    // The device may change it between two reads, and is asked until it is the same twice.
    uint64_t capacity() const
    {
        const Registers& c = transport_.configuration();
        uint64_t sectors = 0, before = 1;
        for (unsigned tries = 0; tries < 10 && sectors != before; ++tries) {
            before = sectors;
            sectors = c.read<configuration::CapacityLow>() |
                      static_cast<uint64_t>(c.read<configuration::CapacityHigh>()) << 32;
        }
        return sectors;
    }

    Result<void> read_geometry()
    {
        const Registers& c = transport_.configuration();
        if (features_ & feature::blk_size) block_bytes = c.read<configuration::BlkSize>();
        if (!std::has_single_bit(block_bytes) || block_bytes < sector_bytes || block_bytes > 4096)
            return fail(Error::unsupported, "{}: blocks of {} bytes", device_.name(), block_bytes);
        blocks = capacity() / (block_bytes / sector_bytes);
        if (blocks == 0 || blocks > ~0ull / block_bytes)
            return fail(Error::corrupt, "{}: it has {} blocks", device_.name(), blocks);
        BlockDevice::read_only = features_ & feature::read_only;
        has_cache = features_ & feature::flush;
        model.append("virtio");
        uint32_t pieces = most_pieces - 2;
        piece_bytes_ = most_bytes;
        if (features_ & feature::seg_max)
            pieces = std::clamp(c.read<configuration::SegMax>(), 1u, pieces);
        if (features_ & feature::size_max)
            piece_bytes_ = std::min(piece_bytes_, c.read<configuration::SizeMax>());
        pieces = std::min(pieces, queue_.size() - 2);
        largest_transfer = static_cast<uint32_t>(
            std::min<uint64_t>(most_bytes, uint64_t{piece_bytes_} * pieces) / block_bytes);
        if (largest_transfer == 0)
            return fail(Error::unsupported, "{}: {} pieces of {} bytes", device_.name(), pieces,
                        piece_bytes_);
        uint32_t sectors = 0;
        if (features_ & feature::discard)
            sectors = c.read<configuration::MaxDiscardSectors>();
        else if (features_ & feature::write_zeroes)
            sectors = c.read<configuration::MaxWriteZeroesSectors>();
        largest_discard =
            std::min(sectors, most_discarded_bytes / sector_bytes) / (block_bytes / sector_bytes);
        return {};
    }

    Request& request_of(const DiskCommand& command) const
    {
        return reinterpret_cast<Request*>(requests_.data)[command.number];
    }

    // The number of pieces: what the device reads, the data, and the status.
    unsigned describe(const DiskCommand& command, virtio::Piece (&pieces)[most_pieces])
    {
        Request& request = request_of(command);
        uint64_t sector = command.first * (block_bytes / sector_bytes);
        uint32_t address = requests_.address + command.number * uint32_t{sizeof(Request)};
        bool unmaps = features_ & feature::discard, is_read = command.operation == Operation::read;
        constexpr Request::Type types[] = {Request::in, Request::out, Request::flush,
                                           Request::discard};
        request = {.type = types[static_cast<unsigned>(command.operation)],
                   .sector = is_read || command.operation == Operation::write ? sector : 0,
                   .status = Request::none};
        unsigned count = 0;
        pieces[count++] = {address, Request::header_bytes};
        if (command.operation == Operation::discard) {
            request.range = {sector, command.count * (block_bytes / sector_bytes), 0};
            if (!unmaps) {
                request.type = Request::write_zeroes;
                const Registers& c = transport_.configuration();
                if (c.read<configuration::WriteZeroesMayUnmap>())
                    request.range.flags = Request::Range::unmap;
            }
            pieces[count++] = {address + Request::header_bytes, sizeof(Request::Range)};
        }
        for (uint32_t done = 0; done < command.bytes; done += pieces[count++].bytes) {
            uint32_t bytes = std::min(command.bytes - done, piece_bytes_);
            pieces[count] = {command.address + done, bytes, is_read};
        }
        pieces[count++] = {address + uint32_t{offsetof(Request, status)}, 1, true};
        return count;
    }

    Result<void> start(DiskCommand& command) override
    {
        virtio::Piece pieces[most_pieces];
        unsigned count = describe(command, pieces);
        uint16_t chain = TRY(queue_.add({pieces, count}));
        numbers_.data()[chain] = std::byte{command.number};
        return {};
    }

    void ring() override { queue_.ring(); }

    void look() override
    {
        virtio::Used used;
        for (;;) {
            auto taken = queue_.take(used);
            if (!taken) return fault();
            if (!taken.value()) break;
            auto number = std::to_integer<unsigned>(numbers_.data()[used.chain]);
            if (DiskCommand* command = under_way(number)) end(*command, used.bytes);
        }
        if (transport_.configuration_changed()) resize();
    }

    void end(DiskCommand& command, uint32_t written)
    {
        auto status = *static_cast<volatile uint8_t*>(&request_of(command).status);
        uint32_t wanted = command.operation == Operation::read ? command.bytes + 1 : 1;
        if (status == Request::ok && written < wanted && !is_legacy())  // 2.7.8.2 excuses legacy
            return complete(command, Error::device, "too few bytes");
        switch (status) {
        case Request::ok: return complete(command, {});
        case Request::io_error: return complete(command, Error::device, "I/O error");
        case Request::unsupported: return complete(command, Error::unsupported);
        default: return complete(command, Error::device, "no status");
        }
    }

    // What caches and file systems know of it stays as it was; beyond its end there are errors.
    void resize()
    {
        uint64_t now = capacity() / (block_bytes / sector_bytes);
        if (now == blocks || now > ~0ull / block_bytes) return;
        log("{}: {} blocks, instead of {}", name.view(), now, blocks);
        blocks = now;
    }

    Result<void> check() override { return transport_.check(); }

    Result<void> restart() override
    {
        transport_.stop();
        return start_device();
    }

    Device& device_;
    virtio::Transport transport_;
    virtio::Queue queue_;
    DmaMemory requests_;
    uint64_t features_ = 0;
    uint32_t piece_bytes_ = 0;
    Buffer numbers_;  // of commands, by chain
};

Result<void> attach(Device& device)
{
    auto* disk = TRY(make<Disk>(device));
    auto opened = disk->open_device();
    if (!opened) {
        delete disk;
        return opened;
    }
    device.describe("virtio block device, {} interface", disk->is_legacy() ? "legacy" : "modern");
    Device* node = TRY(device.add_child("ld", ""));
    Text<96> text;
    text.print("{} MiB, {} blocks of {} bytes", disk->blocks * disk->block_bytes >> 20,
               disk->blocks, disk->block_bytes);
    node->describe("{}{}", text.view(), disk->read_only ? ", read-only" : "");
    publish_as(*disk, node->name());
    return {};
}

constexpr Match matches[] = {pci(virtio::vendor, 0x1001), pci(virtio::vendor, 0x1042)};

}  // namespace

extern const Driver viblk = {"viblk", matches, attach};
