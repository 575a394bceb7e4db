// SPDX-License-Identifier: BSD-2-Clause
// vioscsi - SCSI disks and CD drives of a hypervisor: virtio SCSI hosts.
//
// Commands of all units share one request queue, up to 32 at once; data go straight to or from the
// caller's buffer, and by a copy where the device cannot reach that. A command that does not end
// in time has the device stopped, which ends all of them; the next one starts it anew. Events tell
// of units that come and go: what has gone fails at once, what has come is attached by look().
// Supports: legacy, transitional and modern devices, all targets and their LUNs, hot plug.
// Not: several request queues.  Spec: Virtual I/O Device (VIRTIO) 1.2, 5.6.
// Tested on: QEMU 7.2 virtio-scsi-pci; the fake device of tests/host/fakes/virtio.h.
#include <algorithm>
#include <cstring>
#include "block/scsi.h"
#include "bus/virtio.h"

namespace {
using namespace hal;
using scsi::Command;

namespace configuration {  // 5.6.4
struct MaxSectors : Register<MaxSectors, 0x08> {};
struct CmdPerLun : Register<CmdPerLun, 0x0c> {};
struct MaxTarget : Register<MaxTarget, 0x1e, uint16_t> {};
}  // namespace configuration

enum Queues : unsigned { control_queue, event_queue, request_queue };
constexpr uint64_t feature_hotplug = 1 << 1;  // 5.6.3

struct [[gnu::packed]] Request {  // 5.6.6.1: what the device reads, with a CDB of the usual size
    uint8_t lun[8];
    uint64_t id;
    uint8_t task_attribute, priority, crn;
    uint8_t cdb[32];
};
struct [[gnu::packed]] Response {  // and writes
    uint32_t sense_bytes, residual;
    uint16_t status_qualifier;
    uint8_t status, response;
    uint8_t sense[96];
};
enum ResponseCode : uint8_t { ok, overrun, aborted, bad_target, was_reset, is_busy };
struct [[gnu::packed]] Event {  // 5.6.6.3
    uint32_t event;
    uint8_t lun[8];
    uint32_t reason;
};
static_assert(sizeof(Request) == 51 && sizeof(Response) == 108 && sizeof(Event) == 16);
constexpr uint32_t events_missed = 1u << 31, transport_reset = 1;
enum Reason : uint32_t { reset_hard, rescan, removed };

struct Exchange {  // of the memory that the device is given
    Request request;
    alignas(4) Response response;
};
constexpr unsigned most_commands = 32, event_buffers = 8, pieces = 3;
constexpr uint32_t most_bytes = 16 << 20, bounce_bytes = 4096;  // bounced: the largest block
constexpr unsigned most_targets = 256, most_units = 64;
constexpr Duration look_every = 100_ms;  // at the clock and at the device's status
constexpr Duration queue_limit = 30_s;   // until a command gets its turn

class Controller;

// The way to one unit.
class Path final : public scsi::Transport {
public:
    Path(Controller& controller, unsigned target_number, unsigned unit_number)
        : target(target_number), lun(unit_number), controller_(controller)
    {
    }
    Result<void> execute(Command& command) override;
    void start(Command& command) override;
    Command* advance() override;
    void abandon() override;
    uint32_t reachable(const std::byte* data, uint32_t bytes) override
    {
        return static_cast<uint32_t>(dma_run(data, bytes).bytes);
    }
    // The controller's: a command is over.
    void end(Command& command, Error how = {}, std::string_view why_not = {}, uint32_t number = 0)
    {
        command.why = why_not;
        command.why_number = number;
        command.ended(how);
        if (command.owner) ended_.add(command);
    }

    struct List {
        Command *first = nullptr, *last = nullptr;
        void add(Command& command)
        {
            (first ? last->next : first) = &command;
            last = &command;
            command.next = nullptr;
        }
        Command* take() { return first ? std::exchange(first, first->next) : nullptr; }
    };
    unsigned target, lun;
    bool removed = false;
    BlockDevice* disk = nullptr;
    List waiting;  // for their turn
    Path* next = nullptr;

private:
    Controller& controller_;
    List ended_;
};

struct Probe {  // what asks a target for its units
    Probe(Controller& controller, unsigned target) : path(controller, target, 0) {}
    Path path;
    scsi::Unit unit{path};
};

struct Slot {  // a command that the device has
    Command* command;
    Path* path;
    uint16_t chain;
    bool bounced;
    uint64_t end_us;
};

class Controller final : public HotPlug {
public:
    explicit Controller(Device& node) : device(node), transport_(node) {}
    Device& device;

    Result<void> open()
    {
        memory_ = TRY(allocate_dma(most_commands * sizeof(Exchange) + event_buffers * sizeof(Event),
                                   alignof(uint64_t)));
        bounce_ = TRY(allocate_dma(bounce_bytes, bounce_bytes));
        requests_.counts_all = true;
        TRY(transport_.open());
        TRY(start());
        const Registers& about = transport_.configuration();
        slots_at_once_ = std::min<unsigned>(most_commands, requests_.size() / pieces);
        if (slots_at_once_ == 0) return Error::unsupported;
        free_ = ~0u >> (32 - slots_at_once_);
        depth_ = std::clamp(about.read<configuration::CmdPerLun>(), 1u, slots_at_once_);
        uint64_t bytes = uint64_t{about.read<configuration::MaxSectors>()} * 512;
        largest_bytes_ = static_cast<uint32_t>(std::clamp<uint64_t>(bytes, 4096, most_bytes));
        targets_ = std::min(about.read<configuration::MaxTarget>() + 1u, most_targets);
        device.describe("virtio SCSI host, {} interface, {} commands at once",
                        transport_.is_legacy() ? "legacy" : "modern", slots_at_once_);
        scan();
        return {};
    }

    // Attaches what has come.
    void look() override
    {
        if (!keep_running()) return;
        collect();
        if (rescan_due_) scan();
    }

    void give(Path& path, Command& command)
    {
        path.waiting.add(command);
        start_waiting();
    }

    // Takes in what the device has done; never waits, unless it has to be started anew.
    void collect()
    {
        virtio::Used used;
        while (transport_.is_running()) {
            auto taken = requests_.take(used);
            if (!taken) stop("the request queue is damaged");
            if (!taken || !taken.value()) break;
            for (uint32_t busy = busy_slots(); busy; busy &= busy - 1) {
                auto slot = static_cast<unsigned>(__builtin_ctz(busy));
                if (slots_[slot].chain == used.chain) end(slot);
            }
        }
        take_events();
        look_at_time();
        start_waiting();
    }

    // The unit's commands are nobody's any more, nor is their memory.
    void take_back(Path& path)
    {
        path.waiting.first = nullptr;
        for (uint32_t busy = busy_slots(); busy; busy &= busy - 1) {
            if (slots_[__builtin_ctz(busy)].path != &path) continue;
            return stop("stopped, with commands that were given up");
        }
    }

private:
    uint32_t busy_slots() const { return ~free_ & (~0u >> (32 - slots_at_once_)); }
    Exchange& exchange(unsigned slot) const
    {
        return reinterpret_cast<Exchange*>(memory_.data)[slot];
    }
    Event& event(unsigned buffer) const
    {
        return reinterpret_cast<Event*>(memory_.data + most_commands * sizeof(Exchange))[buffer];
    }
    virtio::Piece piece(const void* memory, size_t bytes, bool device_writes) const
    {
        auto offset = static_cast<const std::byte*>(memory) - memory_.data;
        return {memory_.address + static_cast<uint32_t>(offset), static_cast<uint32_t>(bytes),
                device_writes};
    }

    Result<void> start()
    {
        TRY(transport_.start(feature_hotplug | virtio::event_index));
        TRY(transport_.set_up(control_, control_queue, event_buffers));
        TRY(transport_.set_up(events_, event_queue, event_buffers));
        TRY(transport_.set_up(requests_, request_queue, most_commands * pieces * 4 / 3));
        transport_.run();
        for (unsigned buffer = 0; buffer < std::min(event_buffers, events_.size()); ++buffer)
            offer(buffer);
        events_.ring();
        return {};
    }

    Result<void> keep_running()  // tries only now and then
    {
        if (gone_ || transport_.is_running()) return gone_ ? Error::gone : Result<void>();
        if (started_ || now_us() >= start_again_us_) {
            started_ = start();
            rescan_due_ = true;  // what happened meanwhile was not told
            start_again_us_ = now_us() + look_every.us;
        }
        return started_;
    }

    void start_waiting()
    {
        for (Path* path = paths_; path; path = path->next) start_waiting(*path);
        if (probe_) start_waiting(probe_->path);
    }

    void start_waiting(Path& path)
    {
        while (Command* command = path.waiting.first) {
            if (!free_ && transport_.is_running()) return;
            auto started = try_to_start(path, *command);
            if (started.error() == Error::busy) return;
            path.waiting.take();
            if (!started) path.end(*command, started.error(), error_text(started.error()));
        }
    }

    // Errors: busy (later), and what stands in the way.
    Result<void> try_to_start(Path& path, Command& command)
    {
        TRY(keep_running());
        auto number = static_cast<unsigned>(__builtin_ctz(free_));
        Slot& slot = slots_[number];
        auto run = dma_run(command.data, command.bytes);
        slot = {.command = &command, .path = &path, .bounced = run.bytes < command.bytes};
        if (slot.bounced) {
            if (bounce_taken_) return Error::busy;
            if (command.bytes > bounce_bytes) return Error::unsupported;
            if (command.write) memcpy(bounce_.data, command.data, command.bytes);
            bytes_bounced += command.bytes;
            run.address = bounce_.address;
        }
        Exchange& memory = exchange(number);
        memset(&memory, 0xff, sizeof memory);  // so a response that is none is seen
        memset(&memory.request, 0, sizeof memory.request);
        const uint8_t lun[] = {1, static_cast<uint8_t>(path.target),
                               static_cast<uint8_t>(path.lun >> 8 | 0x40),
                               static_cast<uint8_t>(path.lun)};
        memcpy(memory.request.lun, lun, sizeof lun);
        memcpy(memory.request.cdb, command.cdb, sizeof command.cdb);
        virtio::Piece chain[pieces] = {piece(&memory.request, sizeof(Request), false)};
        unsigned count = 1;
        virtio::Piece data = {run.address, command.bytes, !command.write};
        if (command.bytes && command.write) chain[count++] = data;
        chain[count++] = piece(&memory.response, sizeof(Response), true);
        if (command.bytes && !command.write) chain[count++] = data;
        slot.chain = TRY(requests_.add({chain, count}));
        slot.end_us = now_us() + command.limit.us;
        bounce_taken_ |= slot.bounced;
        free_ &= ~(1u << number);
        requests_.ring();
        return {};
    }

    void end(unsigned number)
    {
        Slot& slot = slots_[number];
        Command& command = *slot.command;
        const Response& said = exchange(number).response;
        free_ |= 1u << number;
        if (slot.bounced) {
            bounce_taken_ = false;
            if (!command.write) memcpy(command.data, bounce_.data, command.bytes);
        }
        if (said.response == was_reset || said.response == is_busy) {
            command.status = scsi::busy;
            return slot.path->end(command);
        }
        if (said.response == aborted)  // with others, when the unit goes
            return slot.path->end(command, Error::interrupted, "it was cancelled");
        if (said.response == bad_target)
            return slot.path->end(command, Error::gone, "there is no such target");
        if (said.response > overrun)
            return slot.path->end(command, Error::device, "response {02x}", said.response);
        if (said.residual > command.bytes)
            return slot.path->end(command, Error::device, "{} bytes missing", said.residual);
        command.moved = command.bytes - said.residual;
        command.status = said.status;
        uint32_t sense = said.sense_bytes;
        command.sense_bytes = sense < sizeof command.sense ? static_cast<uint8_t>(sense)
                                                           : uint8_t{sizeof command.sense};
        memcpy(command.sense, said.sense, command.sense_bytes);
        slot.path->end(command);
    }

    void look_at_time()
    {
        uint64_t now = now_us();
        if (now < look_at_us_ || !transport_.is_running()) return;
        look_at_us_ = now + look_every.us;
        if (auto state = transport_.check(); !state) {
            gone_ = state.error() == Error::gone;
            return gone_ ? stop("it is gone", Error::gone) : stop("it needs a reset");
        }
        for (uint32_t busy = busy_slots(); busy; busy &= busy - 1) {
            if (now >= slots_[__builtin_ctz(busy)].end_us)
                return stop("stopped, because a command does not end");
        }
    }

    // Ends all commands: with timed_out those whose time is over.
    void stop(std::string_view why, Error error = Error::interrupted)
    {
        log("{}: {}", device.name(), why);
        transport_.stop();
        bounce_taken_ = false;
        const uint64_t now = now_us();
        for (uint32_t busy = busy_slots(); busy; busy &= busy - 1) {
            Slot& slot = slots_[__builtin_ctz(busy)];
            bool late = now >= slot.end_us;
            slot.path->end(*slot.command, late ? Error::timed_out : error,
                           late ? "no answer" : why);
        }
        free_ = ~0u >> (32 - slots_at_once_);
    }

    // ---- units that come and go

    void offer(unsigned buffer)
    {
        virtio::Piece memory = piece(&event(buffer), sizeof(Event), true);
        if (auto chain = events_.add({&memory, 1})) event_chains_[buffer] = chain.value();
    }

    void take_events()
    {
        virtio::Used used;
        while (transport_.is_running()) {
            auto taken = events_.take(used);
            if (!taken) stop("the event queue is damaged");
            if (!taken || !taken.value()) return;
            auto* chain = std::find(event_chains_, event_chains_ + event_buffers, used.chain);
            auto buffer = static_cast<unsigned>(chain - event_chains_);
            if (buffer == event_buffers) continue;
            if (used.bytes >= sizeof(Event)) happened(event(buffer));
            offer(buffer);
            events_.ring();
        }
    }

    void happened(const Event& event)
    {
        bool is_reset = (event.event & ~events_missed) == transport_reset;
        rescan_due_ |= event.event & events_missed || (is_reset && event.reason == rescan);
        if (!is_reset || event.reason != removed) return;
        Path* path = path_to(event.lun[1], (event.lun[2] << 8 | event.lun[3]) & 0x3fff);
        if (!path) return;
        path->removed = true;
        if (path->disk) path->disk->gone = true;
        log("{}: it has been removed", path->name);
    }

    Path* path_to(unsigned target, unsigned lun) const
    {
        for (Path* path = paths_; path; path = path->next) {
            bool is_there = !path->removed && !(path->disk && path->disk->is_gone());
            if (is_there && path->target == target && path->lun == lun) return path;
        }
        return nullptr;
    }

    void scan()
    {
        rescan_due_ = false;
        for (unsigned target = 0; target < targets_ && !gone_; ++target) {
            auto done = scan_target(target);
            if (!done) return log("{}: no scan: {}", device.name(), error_text(done.error()));
        }
    }

    // All units of a target answer for which there are.
    Result<void> scan_target(unsigned target)
    {
        probe_ = TRY(make<Probe>(*this, target));
        uint16_t numbers[most_units] = {};
        auto count = probe_->unit.list_units(numbers);
        delete std::exchange(probe_, nullptr);
        if (count.error() == Error::gone) return {};
        if (count.error() == Error::unsupported) return add_unit(target, 0);  // it knows only one
        if (!count) return count.error();
        for (unsigned i = 0; i < count.value(); ++i) TRY(add_unit(target, numbers[i]));
        return {};
    }

    Result<void> add_unit(unsigned target, unsigned lun)
    {
        if (path_to(target, lun)) return {};
        auto* path = TRY(make<Path>(*this, target, lun));
        path->depth = depth_;
        path->largest_bytes = largest_bytes_;
        path->next = std::exchange(paths_, path);
        Text<24> locator;
        auto attached = scsi::attach(device, *path, locator.print("target {} lun {}", target, lun));
        if (!attached) {
            paths_ = path->next;
            delete path;
            return attached.error() == Error::no_memory ? attached.error() : Result<void>();
        }
        path->disk = attached.value();
        if (path->disk) path->disk->owner = &device;  // also of one that comes later
        return {};
    }

    virtio::Transport transport_;
    virtio::Queue control_, events_, requests_;
    DmaMemory memory_, bounce_;  // memory_: the exchanges, then the events
    Slot slots_[most_commands] = {};
    unsigned slots_at_once_ = most_commands, depth_ = 1, targets_ = 1;
    uint32_t free_ = ~0u, largest_bytes_ = 0;  // free_: slots, a bit for each
    uint16_t event_chains_[event_buffers] = {};
    uint64_t look_at_us_ = 0, start_again_us_ = 0;
    Result<void> started_;
    Path* paths_ = nullptr;
    Probe* probe_ = nullptr;
    bool bounce_taken_ = false, rescan_due_ = false, gone_ = false;
};

Result<void> Path::execute(Command& command)
{
    command.owner = nullptr;  // it is not for advance()
    controller_.give(*this, command);
    auto waited = wait_until(
        [&] {
            if (!command.done) controller_.collect();  // which also keeps its limit
            return command.done;
        },
        {command.limit.us + queue_limit.us});
    if (waited) return command.result;
    Path::List rest;
    while (Command* each = waiting.take()) {
        if (each != &command) rest.add(*each);
    }
    waiting = rest;
    return failed(Error::timed_out, "it did not get its turn");
}

void Path::start(Command& command) { controller_.give(*this, command); }

Command* Path::advance()
{
    if (!ended_.first) controller_.collect();
    return ended_.take();
}

void Path::abandon()
{
    controller_.take_back(*this);
    ended_.first = nullptr;
}

Result<void> attach(Device& device)
{
    auto* controller = TRY(make<Controller>(device));
    auto opened = controller->open();
    if (opened)
        publish(*controller);
    else
        delete controller;
    return opened;
}

constexpr Match matches[] = {pci(virtio::vendor, 0x1004), pci(virtio::vendor, 0x1048)};

}  // namespace

extern const Driver vioscsi = {"vioscsi", matches, attach};
