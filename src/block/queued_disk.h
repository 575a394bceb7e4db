// SPDX-License-Identifier: BSD-2-Clause
// Disks whose controller works on many commands at once. What their drivers have in common is here:
// requests wait until there is room, are divided into commands, copied where the device cannot
// reach the memory, looked at again where they failed, and given up when they last too long.
//
//   class Controller final : public CommandQueue { start, ring, look, check, restart };
//   class Disk final : public QueuedDisk {};       // sets blocks, block_bytes, largest_transfer
//
// A command's memory is one run, since all memory is seen as it lies. An error of a command of many
// blocks is looked for by halves, so that the block is known and what is before it has been
// transferred. Nothing else is under way then: a device that merges commands fails all of them for
// a block of one. When a command is late the device is started anew; the others that were under way
// are given to it again, a few times.
//
// Telling the device of a command may cost more than all else. When it has others to do it is told
// of many at once: by whoever looks next, or by the interrupt when one of those has ended.
#pragma once
#include "hal/classes.h"
#include "hal/dma.h"

class QueuedDisk;

// What the device does at once.
struct DiskCommand {
    using Operation = BlockRequest::Operation;
    enum class State : uint8_t { free, waiting, under_way };

    uint8_t number = 0;  // below the queue's depth
    Operation operation = Operation::read;
    QueuedDisk* disk = nullptr;
    uint64_t first = 0;  // block
    uint32_t count = 0;  // blocks; a driver's start() may lower it
    uint32_t bytes = 0;  // count as bytes; 0 without data
    uint32_t address = 0;

    // The queue's.
    State state = State::free;
    bool bounced = false, searching = false;
    uint8_t tries = 0;
    uint32_t left = 0;  // blocks from `first` on, of which `count` are being tried
    BlockRequest* request = nullptr;
    std::byte* data = nullptr;
    uint64_t end_us = 0;
    DiskCommand* next = nullptr;
};

// The commands of a controller, for one disk or several.
class CommandQueue {
public:
    static constexpr unsigned most_commands = 64;

    void add(QueuedDisk& disk, BlockRequest& request);
    void advance(const QueuedDisk& disk);
    void abandon(QueuedDisk& disk);

protected:
    explicit CommandQueue(const char* owner) : owner_(owner) {}
    ~CommandQueue() = default;

    // ---- what a driver supplies
    // Prepares a command; ring() follows. Errors: busy (when another one has ended), and any other
    // ends it.
    virtual Result<void> start(DiskCommand& command) = 0;
    virtual void ring() = 0;  // the device shall look what has been started; interrupts are off
    virtual void look() = 0;  // calls complete() for what has come to an end; never waits
    // Now and then while something is under way. Errors: gone, device (a restart may help).
    virtual Result<void> check() = 0;
    // Stops the device: no memory is its any more. Then starts it again. Errors: it is given up.
    virtual Result<void> restart() = 0;
    // Whether each command that the device has been told of ends with an interrupt, whose handler
    // calls heard().
    virtual bool will_interrupt() const { return false; }

    // ---- what it calls
    // So many commands at once, of memory whose address is a multiple of `alignment`.
    void open(unsigned depth, uint32_t alignment);
    void heard();
    // Null: no such command is under way, whatever the device says.
    DiskCommand* under_way(unsigned number);
    // `said`: what the device has to say to an error; it is logged here, with the block.
    void complete(DiskCommand& command, Result<void> result, std::string_view said = {});
    void lose(Error error);           // all that is there and that will come fails
    void fault() { faulty_ = true; }  // what the device says cannot be: it is started anew

private:
    void pump(bool more = false);
    void tell();
    DiskCommand& divide(BlockRequest& request);
    bool launch(DiskCommand& command);
    Result<void> place(DiskCommand& command);
    Result<void> bounce(DiskCommand& command);
    void stop(DiskCommand& command);
    void wait_again(DiskCommand& command);
    bool go_on(DiskCommand& command, Result<void> result);
    void close(DiskCommand& command, Result<void> result);
    void refuse(BlockRequest& request, Error error);
    void settle(BlockRequest& request);
    void look_after();
    void recover(const QueuedDisk* abandoned);
    bool has_under_way(const QueuedDisk& disk) const;

    const char* owner_;
    DiskCommand commands_[most_commands];
    DiskCommand *free_ = nullptr, *waiting_ = nullptr, *bouncing_ = nullptr;
    BlockRequest *parked_ = nullptr, **parked_end_ = &parked_;  // not all in commands yet
    unsigned depth_ = 0, under_way_ = 0;
    uint32_t alignment_ = 1;
    uint64_t check_us_ = 0;
    hal::DmaMemory bounce_memory_;
    Error lost_ = {};
    bool faulty_ = false, searching_ = false;  // searching_: one is under way, alone
    volatile bool untold_ = false;   // something has been started, and the device does not know
    volatile bool listens_ = false;  // an interrupt is to come
};

class QueuedDisk : public BlockDevice {
public:
    explicit QueuedDisk(CommandQueue& queue) : queue_(queue) {}

    bool has_cache = false;        // else a flush has nothing to do
    uint32_t largest_discard = 0;  // blocks at once; 0: it cannot

protected:
    ~QueuedDisk() = default;

private:
    friend class CommandQueue;
    Result<void> perform_now(BlockRequest::Operation operation, uint64_t first, uint32_t count,
                             std::byte* data);
    Result<void> read_blocks(uint64_t first, uint32_t count, std::byte* into) override;
    Result<void> write_blocks(uint64_t first, uint32_t count, const std::byte* from) override;
    Result<void> flush_blocks() override;
    Result<void> discard_blocks(uint64_t first, uint32_t count) override;
    void begin(BlockRequest& request) override { queue_.add(*this, request); }
    void advance() override { queue_.advance(*this); }
    void abandon() override { queue_.abandon(*this); }
    void done(BlockRequest& request);

    CommandQueue& queue_;
    const BlockRequest* now_ = nullptr;  // of a call that waits for it
};
