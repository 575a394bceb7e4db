// SPDX-License-Identifier: BSD-2-Clause
// Disks and CD drives behind a SCSI transport, as block devices.
//
// One command after another where the medium can be removed; else as many at once as the transport
// takes. A medium that is not the one that was there fails the transfer that notices, and has the
// size looked at anew.
#include "block/scsi.h"
#include "hal/log.h"
#include "lib/bytes.h"

namespace scsi {

namespace {

using Operation = BlockRequest::Operation;

constexpr hal::Duration transfer_limit = {30'000'000}, flush_limit = {60'000'000};
constexpr uint8_t block_limits_page = 0xb0, characteristics_page = 0xb1;  // SBC-3, 6.5
constexpr uint8_t spc_3 = 5;  // from this version on units know these pages
constexpr unsigned most_at_once = 32;

// What is being done, a command at a time.
struct Work {
    Operation operation = Operation::read;
    uint64_t first = 0;
    uint32_t left = 0;
    std::byte* data = nullptr;
    uint32_t part = 0;  // blocks of the command
    Command command;
    alignas(4) std::byte parameters[24] = {};  // UNMAP's

    BlockRequest* request = nullptr;  // whose it is; null: the place is free
    Unit::Patience patience;
    uint64_t again_at_us = 0;  // not 0: the command is to be given then
    Work* next_free = nullptr;
};

class Disk final : public BlockDevice {
public:
    explicit Disk(Transport& transport) : unit(transport) {}
    ~Disk() { delete[] places_; }
    Unit unit;

    Result<void> open(const char* called);
    Result<void> look_for_medium() override;
    Result<void> eject() override { return move_medium(false); }
    Result<void> load() override { return move_medium(true); }
    uint64_t last_session() override { return unit.type == Unit::cd ? unit.last_session() : 0; }
    Text<96> abilities() const;

private:
    Result<void> read_blocks(uint64_t first, uint32_t count, std::byte* into) override
    {
        return transfer(Operation::read, first, count, into);
    }
    Result<void> write_blocks(uint64_t first, uint32_t count, const std::byte* from) override
    {
        return transfer(Operation::write, first, count, const_cast<std::byte*>(from));
    }
    Result<void> flush_blocks() override { return transfer(Operation::flush, 0, 0, nullptr); }
    Result<void> discard_blocks(uint64_t first, uint32_t count) override
    {
        return transfer(Operation::discard, first, count, nullptr);
    }
    void begin(BlockRequest& request) override;
    void advance() override;
    void abandon() override;

    Result<void> look();
    Result<void> measure();
    void measure_abilities();
    void no_medium();
    Result<void> move_medium(bool in);
    Result<void> transfer(Operation operation, uint64_t first, uint32_t count, std::byte* data);
    bool is_done_at_once(Operation operation, uint32_t count, Result<void>& result) const;
    void prepare(Work& work);
    void prepare_transfer(Work& work);
    void prepare_discard(Work& work);
    static bool proceed(Work& work);
    Result<void> failed(const Work& work, Error error);
    void begin_waiting();
    void give(Work& work);
    void give_late_ones();
    void release(Work& work);
    void settle(Work& work);

    Work now_;                // what somebody waits for
    Work* places_ = nullptr;  // what is under way beside that
    Work* free_ = nullptr;    // of these
    unsigned place_count_ = 0;
    unsigned later_ = 0;  // of these wait until they are given
    BlockRequest *waiting_ = nullptr, *last_waiting_ = nullptr;  // for a place
    uint32_t most_unmapped_ = 0;                                 // blocks; 0: there is no UNMAP
    bool flushes_ = true;
};

// ---- the unit and its medium

Result<void> Disk::open(const char* called)
{
    unit.transport.name = called;
    model = unit.model;
    removable = unit.removable;
    read_only = unit.type == Unit::cd;
    block_bytes = unit.type == Unit::cd ? 2048 : 512;
    rotational = true;
    auto looked = look_for_medium();
    if (!looked && !removable) return looked;  // else it may get a better medium
    if (!removable && unit.transport.depth > 1) {
        unsigned count = std::min(unit.transport.depth, most_at_once);
        places_ = new (std::nothrow) Work[count];
        if (!places_) return Error::no_memory;
        place_count_ = count;
        for (unsigned i = 0; i < count; ++i) release(places_[i]);
    }
    return {};
}

Result<void> Disk::look_for_medium()
{
    if (!removable && blocks && !unit.capacity_changed) return {};
    auto looked = look();
    if (looked || looked.error() == Error::not_found) return looked;
    return hal::fail(looked.error(), "{}: {}", unit.transport.name, unit.why.view());
}

// Attentions that wait, as after power-on, are taken before anything is relied on.
Result<void> Disk::look()
{
    Command command(test_unit_ready, 6);
    auto ready = unit.perform(command);
    if (ready.error() == Error::not_found) no_medium();
    if (!ready) return ready;
    if (blocks && !unit.medium_changed && !unit.capacity_changed) return {};
    if (blocks && unit.medium_changed) ++medium;
    return measure();
}

void Disk::no_medium()
{
    if (blocks) ++medium;
    blocks = 0;
    unit.medium_changed = false;
}

Result<void> Disk::measure()
{
    unit.medium_changed = unit.capacity_changed = false;
    auto read = unit.read_capacity();
    if (read.error() == Error::not_found) no_medium();
    TRY(read);
    uint32_t bytes = unit.block_bytes;
    bool is_size = std::has_single_bit(bytes) && bytes >= 512 && bytes <= 4096;
    if (!is_size || unit.blocks > 1ull << 52) {
        blocks = 0;
        unit.why.clear();
        unit.why.print("{} blocks of {} bytes", unit.blocks, bytes);
        return is_size ? Error::corrupt : Error::unsupported;
    }
    blocks = unit.blocks;
    block_bytes = bytes;
    if (unit.type == Unit::cd) return {};
    read_only = unit.is_write_protected();
    measure_abilities();
    return {};
}

// SBC-3, 6.5.3 and 6.5.2. Units of before these pages may take it amiss to be asked.
void Disk::measure_abilities()
{
    if (unit.version < spc_3) return;
    most_unmapped_ = 0;
    if (auto data = unit.product_data(block_limits_page); data && data.value().size() >= 28) {
        uint32_t most = be32(&data.value()[20]), descriptors = be32(&data.value()[24]);
        if (unit.thin && descriptors) most_unmapped_ = most;
    }
    if (auto data = unit.product_data(characteristics_page); data && data.value().size() >= 6) {
        constexpr uint16_t does_not_turn = 1;
        rotational = be16(&data.value()[4]) != does_not_turn;
    }
}

Result<void> Disk::move_medium(bool in)
{
    if (!removable) return Error::unsupported;
    Command command = Unit::start_command(in, true);
    auto done = unit.perform(command);
    if (!done) return hal::fail(done.error(), "{}: {}", name.view(), unit.why.view());
    if (in) return look_for_medium();
    no_medium();
    return {};
}

Text<96> Disk::abilities() const
{
    Text<96> text;
    if (unit.type == Unit::cd) text.append("CD/DVD, ");
    if (!blocks)
        text.append("no medium");
    else
        text.print("{} MiB, {} {}", blocks * block_bytes >> 20, blocks,
                   block_bytes == 512 ? "sectors" : "blocks");
    if (blocks && block_bytes != 512) text.print(" of {} bytes", block_bytes);
    if (read_only && unit.type != Unit::cd) text.append(", write protected");
    if (unit.transport.manner) text.print(", {}", unit.transport.manner);
    return text;
}

// ---- commands of work

void Disk::prepare(Work& work)
{
    work.command = {};
    work.patience = {};
    work.part = 0;
    switch (work.operation) {
    case Operation::read:
    case Operation::write: prepare_transfer(work); break;
    case Operation::discard: prepare_discard(work); break;
    case Operation::flush:
        work.command = Command(synchronize_cache_10, 10);
        work.command.limit = flush_limit;
        break;
    }
}

void Disk::prepare_transfer(Work& work)
{
    uint64_t bytes =
        std::min<uint64_t>(uint64_t{work.left} * block_bytes, unit.transport.largest_bytes);
    bytes = unit.transport.reachable(work.data, static_cast<uint32_t>(bytes));
    work.part = std::max(static_cast<uint32_t>(bytes) / block_bytes, 1u);
    bool write = work.operation == Operation::write;
    bool far = work.first + work.part > 0xffff'ffff || work.part > 0xffff;
    Command& command = work.command;
    if (far) {  // SBC-3, 5.11 and 5.32
        command = Command(write ? write_16 : read_16, 16);
        command.put(2, work.first, 8);
        command.put(10, work.part, 4);
    } else {
        command = Command(write ? write_10 : read_10, 10);
        command.put(2, work.first, 4);
        command.put(7, work.part, 2);
    }
    command.write = write;
    command.whole = true;
    command.data = work.data;
    command.bytes = work.part * block_bytes;
    command.limit = transfer_limit;
}

void Disk::prepare_discard(Work& work)  // SBC-3, 5.28: one descriptor
{
    work.part = std::min(work.left, most_unmapped_);
    std::fill(work.parameters, work.parameters + sizeof work.parameters, std::byte{0});
    auto put = [&](unsigned at, uint64_t value, unsigned bytes) {
        for (unsigned i = bytes; i-- > 0; value >>= 8)
            work.parameters[at + i] = static_cast<std::byte>(value);
    };
    put(0, sizeof work.parameters - 2, 2);
    put(2, sizeof work.parameters - 8, 2);
    put(8, work.first, 8);
    put(16, work.part, 4);
    work.command = Command(unmap, 10);
    work.command.put(7, sizeof work.parameters, 2);
    work.command.write = true;
    work.command.data = work.parameters;
    work.command.bytes = sizeof work.parameters;
    work.command.limit = flush_limit;
}

// The command is done. Whether there is more to do.
bool Disk::proceed(Work& work)
{
    work.first += work.part;
    work.left -= work.part;
    if (work.data) work.data += work.command.bytes;
    return work.left;
}

// Says what failed, and what is known now.
Result<void> Disk::failed(const Work& work, Error error)
{
    if (error == Error::gone && gone) return error;  // that has been said
    static constexpr const char* names[] = {"read", "write", "flush", "discard"};
    const char* what = names[static_cast<unsigned>(work.operation)];
    if (work.operation == Operation::flush && error == Error::unsupported) {
        flushes_ = false;  // it has no cache
        return {};
    }
    uint64_t last = work.first + std::max(work.part, 1u) - 1;
    uint64_t at = unit.sense.information;
    bool says_where = unit.sense.has_information && at >= work.first && at <= last;
    if (work.operation == Operation::flush)
        hal::log("{}: {}: {}", name.view(), what, unit.why.view());
    else if (says_where || last == work.first)
        hal::log("{}: {} of block {}: {}", name.view(), what, says_where ? at : last,
                 unit.why.view());
    else
        hal::log("{}: {} of blocks {}...{}: {}", name.view(), what, work.first, last,
                 unit.why.view());
    if (error == Error::not_found && removable) {
        if (!unit.medium_changed)
            no_medium();
        else
            (void)look_for_medium();
    }
    return error;
}

bool Disk::is_done_at_once(Operation operation, uint32_t count, Result<void>& result) const
{
    if (operation == Operation::flush) return !flushes_ || unit.type == Unit::cd;
    if (operation == Operation::discard && !most_unmapped_) result = Error::unsupported;
    return count == 0 || !result;
}

Result<void> Disk::transfer(Operation operation, uint64_t first, uint32_t count, std::byte* data)
{
    Result<void> result;
    if (is_done_at_once(operation, count, result)) return result;
    now_.operation = operation;
    now_.first = first;
    now_.left = count;
    now_.data = data;
    do {
        prepare(now_);
        auto done = unit.perform(now_.command);
        if (!done) return failed(now_, done.error());
    } while (proceed(now_));
    return {};
}

// ---- several requests at once

void Disk::begin(BlockRequest& request)
{
    if (!places_) return BlockDevice::begin(request);
    Result<void> result;
    if (is_done_at_once(request.operation, request.count, result)) return finish(request, result);
    (waiting_ ? last_waiting_->next : waiting_) = &request;
    last_waiting_ = &request;
    begin_waiting();
}

void Disk::begin_waiting()
{
    while (waiting_ && free_) {
        Work& work = *free_;
        free_ = work.next_free;
        work.request = waiting_;
        waiting_ = waiting_->next;
        work.operation = work.request->operation;
        work.first = work.request->position;
        bool moves = work.operation == Operation::read || work.operation == Operation::write;
        work.left = work.operation == Operation::flush ? 0 : work.request->count;
        work.data = moves ? work.request->data : nullptr;
        prepare(work);
        give(work);
    }
}

void Disk::give(Work& work)
{
    work.command.prepare();
    work.command.owner = &work;
    unit.transport.start(work.command);
}

void Disk::give_late_ones()
{
    uint64_t now = hal::now_us();
    for (Work* work = places_; work < places_ + place_count_; ++work) {
        if (!work->again_at_us || now < work->again_at_us) continue;
        work->again_at_us = 0;
        --later_;
        give(*work);
    }
}

void Disk::release(Work& work)
{
    work.request = nullptr;
    work.again_at_us = 0;
    work.next_free = free_;
    free_ = &work;
}

void Disk::advance()
{
    if (!places_) return;
    if (is_gone()) return abandon();
    while (Command* command = unit.transport.advance()) settle(*static_cast<Work*>(command->owner));
    if (later_) give_late_ones();
    begin_waiting();
}

// A command that is done: again, the next one, or the end of the request.
void Disk::settle(Work& work)
{
    auto verdict = unit.judge(work.command, work.patience);
    Result<void> result;
    switch (verdict.next) {
    case Unit::Next::again: return give(work);
    case Unit::Next::later:
        work.again_at_us = hal::now_us() + Unit::pause.us;
        ++later_;
        return;
    case Unit::Next::start:
        work.command = Unit::start_command(true, false);
        work.part = 0;
        return give(work);
    case Unit::Next::done:
        if (proceed(work)) {
            prepare(work);
            return give(work);
        }
        break;
    case Unit::Next::failed: result = failed(work, verdict.error); break;
    }
    BlockRequest& request = *work.request;
    release(work);
    finish(request, result);
}

void Disk::abandon()
{
    if (!places_) return;
    if (!withdrawn) unit.transport.abandon();  // else the device is somebody else's
    const Error why = is_gone() ? Error::gone : Error::timed_out;
    later_ = 0;
    for (Work* work = places_; work < places_ + place_count_; ++work) {
        BlockRequest* request = work->request;
        if (!request) continue;
        release(*work);
        finish(*request, why);
    }
    while (BlockRequest* request = waiting_) {
        waiting_ = request->next;
        finish(*request, why);
    }
}

}  // namespace

Result<BlockDevice*> attach(Device& parent, Transport& transport, std::string_view locator)
{
    auto* disk = TRY(make<Disk>(transport));
    Text<64> place;
    place.print("{} {}", parent.name(), locator);
    transport.name = place.c_str();
    auto inquired = disk->unit.inquire();
    transport.name = "";
    if (!inquired) {
        if (inquired.error() != Error::not_found && inquired.error() != Error::gone)
            hal::log("{}: {}", place.view(), disk->unit.why.view());
        delete disk;
        return inquired.error();
    }
    uint8_t type = disk->unit.type;
    bool is_disk = type == Unit::disk || type == Unit::optical, is_cd = type == Unit::cd;
    Device* node = TRY(parent.add_child(is_disk ? "sd" : is_cd ? "cd" : "uk", locator));
    if (!is_disk && !is_cd) {
        node->describe("<{}>, SCSI device type {}, no driver", disk->unit.model.view(), type);
        delete disk;
        return nullptr;
    }
    auto opened = disk->open(node->name());
    if (!opened) {
        node->describe("<{}>, not usable", disk->unit.model.view());
        delete disk;
        return opened.error();
    }
    node->describe("<{}>, {}", disk->model.view(), disk->abilities().view());
    publish_as(*disk, node->name());
    return disk;
}

}  // namespace scsi
