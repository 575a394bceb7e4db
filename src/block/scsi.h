// SPDX-License-Identifier: BSD-2-Clause
// SCSI, whatever carries it: commands, what a unit says about one that failed, and disks and CD
// drives as block devices. A driver supplies a Transport for each logical unit:
//
//   struct Path final : scsi::Transport { ... };     // execute() one command, or several at once
//   TRY(scsi::attach(device, *TRY(make<Path>(...)), "target 1 lun 0"));
//
// Spec: SPC-4 (T10/1731-D), SBC-3 (T10/1799-D), MMC-6 (T10/1836-D), section numbers by these names.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include "hal/classes.h"
#include "hal/driver.h"

extern const bool config_has_scsi;  // of the configuration: false leaves out CD drives

namespace scsi {

enum Opcode : uint8_t {  // as far as they are used here
    test_unit_ready = 0x00,
    inquiry = 0x12,
    mode_sense_6 = 0x1a,
    start_stop_unit = 0x1b,
    read_capacity_10 = 0x25,
    read_10 = 0x28,
    write_10 = 0x2a,
    synchronize_cache_10 = 0x35,
    unmap = 0x42,
    read_toc = 0x43,
    read_16 = 0x88,
    write_16 = 0x8a,
    service_action_in_16 = 0x9e,
    report_luns = 0xa0,
};

enum Status : uint8_t {  // SAM-5, 5.3.1
    good = 0x00,
    check_condition = 0x02,
    busy = 0x08,
    reservation_conflict = 0x18,
    task_set_full = 0x28,
};

// The caller fills in the first part and keeps command and data until it is done.
struct Command {
    uint8_t cdb[16] = {};
    uint8_t cdb_bytes = 6;  // 6, 10, 12 or 16
    bool write = false;     // the data go to the unit
    bool whole = false;     // all of them have to be moved; else it may be less
    std::byte* data = nullptr;
    uint32_t bytes = 0;
    hal::Duration limit = {10'000'000};
    void* owner = nullptr;  // for the caller alone

    // What came of it, which the transport fills in. The result is the transport's own: if it is
    // good, the unit has ended the command with this status.
    bool done = false;
    Result<void> result;
    uint8_t status = good;
    uint8_t sense_bytes = 0;
    uint8_t sense[32] = {};
    uint32_t moved = 0;       // of the data
    std::string_view why;     // the result is not good, a literal; empty: Transport::why has it
    uint32_t why_number = 0;  // in it
    Command* next = nullptr;  // the transport's, until done

    // An operation code, and what follows it in the CDB.
    Command() = default;
    Command(Opcode opcode, uint8_t bytes_of_cdb) : cdb_bytes(bytes_of_cdb) { cdb[0] = opcode; }
    void put(unsigned at, uint64_t value, unsigned bytes_of_it);  // the highest byte first
    void prepare();  // to be executed, perhaps once more
    void ended(Result<void> how)
    {
        result = how;
        done = true;
    }
};

// The way to one logical unit.
class Transport {
public:
    // Has the unit execute the command, waits until it is done, and returns its result. After a
    // failure the data are the caller's again, and the next command finds the way to the unit in
    // order, if that can be. Errors: device (`why` says what), timed_out, gone, interrupted (it was
    // stopped for the sake of others).
    virtual Result<void> execute(Command& command) = 0;

    // Several commands at once, beside those that execute() waits for; used where depth > 1.
    // start() hands one over; advance() gives back one that is done, or null. Neither waits. The
    // commands' limits are kept. abandon() takes back all, which need not be done then.
    virtual void start(Command& command) { (void)command; }
    virtual Command* advance() { return nullptr; }
    virtual void abandon() {}

    // How much of this memory one command can move: `bytes` or less. 0: not even its beginning,
    // which is moved all the same, by copies, up to a block.
    virtual uint32_t reachable(const std::byte* data, uint32_t bytes)
    {
        (void)data;
        return std::min(bytes, largest_bytes);
    }

    uint32_t largest_bytes = 65536;  // that a command may move
    unsigned depth = 1;              // commands that the unit takes at once
    const char* manner = nullptr;    // how data are moved, to be shown: "DMA"
    const char* name = "";           // the unit's, once it has one
    Text<80> why;                    // the last command failed

protected:
    ~Transport() = default;

    template <class... Args> Error failed(Error code, Format text, const Args&... args)
    {
        why.clear();
        why.print(text, args...);
        return code;
    }
};

// What a unit says about a command (SPC-4, 4.5).
struct Sense {
    enum Key : uint8_t {
        no_sense,
        recovered_error,
        not_ready,
        medium_error,
        hardware_error,
        illegal_request,
        unit_attention,
        data_protect,
        blank_check,
        vendor_specific,
        copy_aborted,
        aborted_command,
        reserved,
        volume_overflow,
        miscompare,
        completed,
    };
    Key key = no_sense;
    uint8_t code = 0, qualifier = 0;  // ASC and ASCQ
    bool valid = false;               // there is any
    bool deferred = false;            // it is about an earlier command
    bool has_information = false;
    uint64_t information = 0;  // the block, where it is about one

    static Sense of(std::span<const uint8_t> bytes);
    Text<80> text() const;  // "medium error, read error (3/11/00)"
};

// A logical unit, and the patience that it takes.
class Unit {
public:
    explicit Unit(Transport& way) : transport(way) {}

    // Has a command executed until it ends well or for good: repeats it, a bounded number of times,
    // where the unit only had something to tell, is not ready yet, or failed otherwise. `why` says
    // what was wrong, and is for the caller to log. Errors: not_found (no medium, or not the one
    // that was there), device, timed_out, gone, read_only, unsupported, busy.
    Result<void> perform(Command& command);

    // What perform() does when a command has ended, for those who cannot wait.
    struct Patience {
        uint8_t failures = 0, attentions = 0;
        bool started = false;
        uint64_t ready_by_us = 0;
    };
    enum class Next : uint8_t { done, again, later, start, failed };
    struct Verdict {
        Next next;
        Error error = {};
    };
    Verdict judge(const Command& command, Patience& patience);
    static Command start_command(bool start, bool load_or_eject);
    static constexpr hal::Duration pause = {100'000};  // before `later`

    Result<void> inquire();
    Result<void> read_capacity();
    uint32_t last_session();  // of a CD: the block where that begins; 0 if it does not say
    // Vital product data (SPC-4, 7.8), valid until the next call.
    Result<std::span<const std::byte>> product_data(uint8_t page);
    bool is_write_protected();
    // The numbers of the target's units, which this is one of. Returns how many fit.
    Result<unsigned> list_units(std::span<uint16_t> numbers);

    Transport& transport;
    Text<96> why;
    Sense sense;

    // As inquire() and read_capacity() say.
    uint8_t type = 0x1f;  // SPC-4, table 139
    static constexpr uint8_t disk = 0x00, cd = 0x05, optical = 0x07;
    uint8_t version = 0;
    bool removable = false;
    Text<48> model;
    uint64_t blocks = 0;
    uint32_t block_bytes = 0;
    bool thin = false;  // UNMAP may be there

    // A removable medium has been changed: commands that move blocks fail until this is cleared.
    bool medium_changed = false;
    bool capacity_changed = false;

private:
    Verdict failed_once_more(Error error, Patience& patience);
    Verdict judge_sense(const Command& command, Patience& patience);
    Verdict judge_not_ready(Patience& patience) const;

    uint64_t left_alone_until_us_ = 0;
    alignas(4) std::byte scratch_[512] = {};
};

// Asks a unit what it is, makes its node behind `parent`, and publishes it: disks as sd0, CD and
// DVD drives as cd0. Others only get a node, as uk0, and the result is null.
// Errors: not_found (there is no such unit), and what it failed with, logged.
Result<BlockDevice*> attach(Device& parent, Transport& transport, std::string_view locator);

}  // namespace scsi
