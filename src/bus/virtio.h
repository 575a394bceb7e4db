// SPDX-License-Identifier: BSD-2-Clause
// virtio - what drivers of virtio devices stand on: registers, features and queues, over PCI.
//
//   TRY(transport.open());                           // once: finds the registers, resets
//   uint64_t features = TRY(transport.start(mine));  // those that both have
//   TRY(transport.set_up(queue, 0));
//   transport.run();
//   uint32_t bytes = TRY(transport.perform(queue, pieces, 1_s));
//
// The modern interface is used if all of it can be reached, else the legacy one. Queues are split,
// in the layout that both take; completion is found in the used ring, and an interrupt, by MSI-X or
// the line, ends the rest between two looks. What the device writes there is checked before it is
// used.
// Supports: legacy, transitional, modern devices, event index.  Not: indirect descriptors, IOMMU.
// Spec: Virtual I/O Device (VIRTIO) 1.2, section numbers here.  Tested on: QEMU 7.2; a fake device.
#pragma once
#include "hal/driver.h"

namespace virtio {

constexpr uint16_t vendor = 0x1af4;         // 4.1.2
constexpr uint64_t version_1 = 1ull << 32;  // 6: what makes a device modern
// 6: for queues with many chains under way, which add(), ring() and take().
constexpr uint64_t event_index = 1ull << 29;
constexpr uint16_t largest_queue = 32768;  // 2.7

// Memory of a chain that the device reads or writes. It reads the first ones: 2.7.4.2.
struct Piece {
    uint32_t address;  // as the device sees it
    uint32_t bytes;
    bool device_writes = false;
};

// A chain that the device has finished.
struct Used {
    uint16_t chain = 0;  // as add() called it
    uint32_t bytes = 0;  // that it wrote, at most what it had been given for that
};

// A split virtqueue (2.7). Its memory stays with it when its device is started anew.
class Queue {
public:
    Queue() = default;
    Queue(const Queue&) = delete;
    Queue& operator=(const Queue&) = delete;
    ~Queue() { delete[] chains_; }

    // Offers the pieces to the device as one chain, which the result names until take() gives it
    // back: a number below size(). The memory is the device's until then, or until stop().
    // Errors: invalid (no pieces, or more than size()), busy (too few free descriptors).
    Result<uint16_t> add(std::span<const Piece> pieces);
    void notify() const;  // that there are new chains
    void ring();          // the same, unless the device looks by itself
    // Takes back a chain, if one has been finished; never waits. Errors: device (what the used ring
    // says cannot be; only stop() and a new start help).
    Result<bool> take(Used& used);

    // A length in the used ring is of all memory of its chain: QEMU's SCSI hosts count what they
    // have read too.
    bool counts_all = false;

    unsigned size() const { return size_; }  // descriptors
    unsigned free() const { return free_; }  // of these

private:
    friend class Transport;
    struct Descriptor;
    struct Available;
    struct Finished;
    // What the kernel keeps apart, where no device can write.
    struct Chain {
        uint16_t next = 0;      // descriptor of the chain, or free one
        uint16_t pieces = 0;    // of the chain that begins here; 0: none does
        uint32_t writable = 0;  // bytes of it
    };

    Result<void> lay_out(const char* owner, unsigned index, unsigned size);
    uint32_t available_at() const;  // offsets in memory_
    uint32_t used_at() const;
    volatile uint16_t& used_event() const;
    bool has_news(uint16_t& index);
    Error bad(std::string_view what, uint32_t value);

    hal::DmaMemory memory_;
    Chain* chains_ = nullptr;
    hal::Registers notify_;
    const char* owner_ = "";
    uint16_t index_ = 0, size_ = 0, allocated_ = 0;  // allocated_: descriptors
    uint16_t free_ = 0, first_free_ = 0, next_used_ = 0;
    uint16_t told_ = 0, interrupt_at_ = 0;
    bool broken_ = false, event_index_ = false;
};

class Transport {
public:
    explicit Transport(Device& device) : device_(device) {}
    Transport(const Transport&) = delete;
    Transport& operator=(const Transport&) = delete;
    ~Transport();  // the device is stopped

    // Finds the registers, resets the device and connects its message or line, if it has one. The
    // handler, if there is one, is called in the interrupt that says that queues have changed.
    // Errors: unsupported (no interface that can be reached), timed_out (it does not end its
    // reset), gone, no_memory.
    Result<void> open(hal::InterruptHandler handler = nullptr, void* context = nullptr);
    bool is_legacy() const { return legacy_; }
    // The device-specific configuration (4.1.4.6): valid after open(); reads all ones where there
    // is none.
    const hal::Registers& configuration() const { return configuration_; }
    // From open() on: whether it has changed since the last call, as an interrupt says.
    void watch_configuration();
    bool configuration_changed();

    // 3.1.1, steps 1 to 6: resets, and accepts those of the features that the device offers too;
    // version_1 is seen to. Returns the accepted ones. Errors: unsupported (it does not take
    // them), timed_out, gone.
    Result<uint64_t> start(uint64_t features);
    // Between start() and run(). `most`: descriptors, a power of two; a legacy device's queue is as
    // long as the device wants it. Errors: unsupported (it has no such queue), corrupt, gone,
    // no_memory.
    Result<void> set_up(Queue& queue, unsigned index, unsigned most = largest_queue);
    void run();  // step 8: from here on the device works
    // No memory is the device's any more: it is reset, and cut off from memory if need be.
    void stop();
    bool is_running() const { return running_; }

    // Adds a chain, and waits until the device has finished it; no other chain may be under way in
    // this queue. Returns how many bytes it wrote. Errors: timed_out, device, gone (it has been
    // stopped then), and those of add().
    Result<uint32_t> perform(Queue& queue, std::span<const Piece> pieces, hal::Duration limit);
    // What is wrong with a device that does not answer. Errors: gone, device (it wants a reset).
    Result<void> check() const;

private:
    struct Structure;
    Result<Structure> structure(uint8_t type, uint32_t least) const;
    Result<Structure> structure_at(unsigned capability, uint32_t least) const;
    Result<void> open_modern();
    Result<void> open_legacy();
    Result<void> reset() const;
    void add_status(uint8_t bits) const;
    uint64_t offered_features() const;
    Result<unsigned> queue_size(unsigned index, unsigned most) const;
    Result<void> tell_modern(Queue& queue) const;
    static void on_interrupt(void* transport);
    static void on_message(void* transport);
    static void on_configuration(void* transport);
    void connect();
    bool set_vector(bool of_queue, uint16_t vector) const;

    Device& device_;
    hal::Registers common_, status_, interrupt_status_, configuration_;
    hal::Window notify_;
    uint32_t notify_bytes_ = 0, notify_multiplier_ = 0;
    hal::InterruptHandler handler_ = nullptr;
    void* context_ = nullptr;
    bool legacy_ = false, running_ = false, opened_ = false, has_interrupt_ = false;
    bool has_messages_ = false, watches_ = false, event_index_ = false;
    volatile bool changed_ = false;
};

}  // namespace virtio
