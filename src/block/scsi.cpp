// SPDX-License-Identifier: BSD-2-Clause
// One logical unit: its commands, and what is made of its answers.
#include "block/scsi.h"
#include "hal/log.h"
#include "lib/bytes.h"

namespace scsi {

namespace {

// The standards give no limits; a CD drive takes its time over a disc that is new to it.
constexpr hal::Duration ready_limit = {20'000'000}, left_alone = {30'000'000};
constexpr unsigned most_failures = 3, most_attentions = 8;

constexpr const char* key_names[] = {
    "no sense",          "recovered error", "not ready",      "medium error",
    "hardware error",    "illegal request", "unit attention", "write protected",
    "blank medium",      "vendor's error",  "copy aborted",   "command aborted",
    "unknown sense key", "volume overflow", "miscompare",     "completed",
};

namespace code {  // SPC-4, table F.2
constexpr uint8_t not_ready = 0x04, no_unit = 0x25, unknown_command = 0x20, invalid_field = 0x24,
                  invalid_parameter = 0x26, protect = 0x27, medium_changed = 0x28,
                  parameters_changed = 0x2a, no_medium = 0x3a;
constexpr uint8_t becoming_ready = 0x01, not_started = 0x02, capacity_changed = 0x09;
struct Name {
    uint8_t code;
    const char* name;
};
constexpr Name names[] = {
    {0x03, "write fault"},          {0x0c, "write error"},
    {0x11, "read error"},           {unknown_command, "unknown command"},
    {0x21, "address out of range"}, {invalid_field, "invalid field"},
    {no_unit, "no such unit"},      {invalid_parameter, "invalid parameter"},
    {protect, "write protected"},   {medium_changed, "the medium has been changed"},
    {0x29, "it was reset"},         {parameters_changed, "parameters changed"},
    {0x30, "incompatible medium"},  {0x31, "medium not formatted"},
    {no_medium, "no medium"},       {0x3f, "something about it changed"},
    {0x53, "the medium is held"},   {0x64, "no data track"},
    {0x6f, "copy protected"},
};
}  // namespace code

// Fields of fixed and descriptor format sense data (SPC-4, 4.5.2 and 4.5.3).
constexpr uint8_t fixed_format = 0x70, descriptor_format = 0x72;

Text<48> trimmed(std::span<const std::byte> characters)
{
    Text<48> text;
    size_t end = 0;
    for (std::byte byte : characters) {
        auto c = static_cast<char>(byte);
        if (c == 0) c = ' ';
        if (c == ' ' && text.empty()) continue;
        text.append(c >= ' ' && c <= '~' ? c : '?');
        if (c != ' ') end = text.size();
    }
    text.shorten(end);
    return text;
}

}  // namespace

void Command::prepare()
{
    done = false;
    sense_bytes = 0;
    status = good;
    moved = 0;
    why = {};
}

void Command::put(unsigned at, uint64_t value, unsigned bytes_of_it)
{
    for (unsigned i = bytes_of_it; i-- > 0; value >>= 8) cdb[at + i] = static_cast<uint8_t>(value);
}

Sense Sense::of(std::span<const uint8_t> bytes)
{
    Sense sense;
    if (bytes.size() < 8) return sense;
    uint8_t format = bytes[0] & 0x7e;
    sense.deferred = bytes[0] & 1;
    if (format == fixed_format) {
        sense.key = static_cast<Key>(bytes[2] & 15);
        sense.has_information = bytes[0] & 0x80;
        sense.information = be32(&bytes[3]);
        if (bytes.size() >= 14) sense.code = bytes[12], sense.qualifier = bytes[13];
    } else if (format == descriptor_format) {
        sense.key = static_cast<Key>(bytes[1] & 15);
        sense.code = bytes[2], sense.qualifier = bytes[3];
        bool is_information = bytes.size() >= 20 && bytes[8] == 0 && bytes[10] & 0x80;
        sense.has_information = is_information;
        if (is_information) sense.information = be64(&bytes[12]);
    } else {
        return {};
    }
    sense.valid = true;
    return sense;
}

Text<80> Sense::text() const
{
    Text<80> text;
    if (!valid) return text.append("it failed without saying why");
    if (deferred) text.append("of a command before: ");
    text.append(key_names[key]);
    for (const auto& known : code::names) {
        if (known.code == code) text.print(", {}", known.name);
    }
    return text.print(" ({x}/{02x}/{02x})", unsigned{key}, code, qualifier);
}

// ---- patience

Unit::Verdict Unit::failed_once_more(Error error, Patience& patience)
{
    // A time-out may have cost half a minute.
    patience.failures = static_cast<uint8_t>(patience.failures + 1 +
                                             (error == Error::timed_out && patience.failures == 0));
    if (error == Error::gone || patience.failures >= most_failures) {
        if (error == Error::timed_out) {
            hal::log("{}: does not answer, and is left alone for 30 seconds", transport.name);
            left_alone_until_us_ = hal::now_us() + left_alone.us;
        }
        return {Next::failed, error};
    }
    hal::log("{}: {}; once more", transport.name, why.view());
    return {Next::again};
}

Unit::Verdict Unit::judge(const Command& command, Patience& patience)
{
    if (patience.ready_by_us == 0) patience.ready_by_us = hal::now_us() + ready_limit.us;
    why.clear();
    sense = {};
    if (!command.result) {
        if (command.why.empty())
            why.append(transport.why.empty() ? error_text(command.result.error())
                                             : transport.why.view());
        else
            why.print(command.why, command.why_number);
        if (command.result.error() != Error::interrupted)
            return failed_once_more(command.result.error(), patience);
        if (++patience.attentions < most_attentions) return {Next::again};
        return {Next::failed, Error::device};
    }
    switch (command.status) {
    case good:
        if (!command.whole || command.moved == command.bytes) return {Next::done};
        why.print("{} of {} bytes moved", command.moved, command.bytes);
        return failed_once_more(Error::device, patience);
    case check_condition: return judge_sense(command, patience);
    case busy:
    case task_set_full:
        why.append("it is busy");
        if (hal::now_us() < patience.ready_by_us) return {Next::later};
        return {Next::failed, Error::timed_out};
    default:
        why.print("status {02x}", command.status);
        return {Next::failed, command.status == reservation_conflict ? Error::busy : Error::device};
    }
}

Unit::Verdict Unit::judge_sense(const Command& command, Patience& patience)
{
    sense = Sense::of({command.sense, std::min<size_t>(command.sense_bytes, sizeof command.sense)});
    why.append(sense.text());
    switch (sense.valid ? sense.key : Sense::aborted_command) {
    case Sense::no_sense:
    case Sense::recovered_error:
        if (sense.deferred) return {Next::again};
        return {Next::done};
    case Sense::not_ready: return judge_not_ready(patience);
    case Sense::unit_attention:
        if (sense.code == code::parameters_changed && sense.qualifier == code::capacity_changed)
            capacity_changed = true;
        if (sense.code == code::medium_changed && removable) {
            medium_changed = true;
            if (command.whole) return {Next::failed, Error::not_found};
        }
        if (++patience.attentions < most_attentions) return {Next::again};
        return {Next::failed, Error::device};
    case Sense::illegal_request:
        if (sense.code == code::no_unit) return {Next::failed, Error::gone};
        return {Next::failed, sense.code == code::unknown_command ||
                                      sense.code == code::invalid_field ||
                                      sense.code == code::invalid_parameter
                                  ? Error::unsupported
                                  : Error::device};
    case Sense::data_protect: return {Next::failed, Error::read_only};
    case Sense::blank_check: return {Next::failed, Error::device};
    default: return failed_once_more(Error::device, patience);
    }
}

Unit::Verdict Unit::judge_not_ready(Patience& patience) const
{
    if (sense.code == code::no_medium) return {Next::failed, Error::not_found};
    if (sense.code != code::not_ready) return {Next::failed, Error::device};
    if (sense.qualifier == code::not_started) {
        if (std::exchange(patience.started, true)) return {Next::failed, Error::device};
        return {Next::start};
    }
    // 04/00: it does not say why; old CD drives do that while they look at a disc.
    if (sense.qualifier > code::becoming_ready) return {Next::failed, Error::device};
    if (hal::now_us() < patience.ready_by_us) return {Next::later};
    return {Next::failed, Error::timed_out};
}

Command Unit::start_command(bool start, bool load_or_eject)  // SBC-3, 5.25; MMC-6, 6.42
{
    Command command(start_stop_unit, 6);
    command.cdb[4] = static_cast<uint8_t>(load_or_eject << 1 | start);
    command.limit = {30'000'000};
    return command;
}

Result<void> Unit::perform(Command& command)
{
    if (hal::now_us() < left_alone_until_us_) {
        why.clear();
        why.append("it did not answer before");
        return Error::timed_out;
    }
    for (Patience patience;;) {
        command.prepare();
        command.result = transport.execute(command);
        auto verdict = judge(command, patience);
        switch (verdict.next) {
        case Next::done: return {};
        case Next::failed: return verdict.error;
        case Next::later: hal::sleep(pause); break;
        case Next::start: {
            Command start = start_command(true, false);
            if (!transport.execute(start)) return Error::device;
            break;
        }
        case Next::again: break;
        }
    }
}

// ---- what it is

Result<void> Unit::inquire()  // SPC-4, 6.6
{
    constexpr uint8_t bytes = 36;  // what all units have
    Command command(inquiry, 6);
    command.put(3, bytes, 2);
    command.data = scratch_;
    command.bytes = bytes;
    TRY(perform(command));
    if (command.moved < 5) {
        why.print("an INQUIRY of {} bytes", command.moved);
        return Error::corrupt;
    }
    std::fill(scratch_ + std::min<uint32_t>(command.moved, bytes), scratch_ + bytes, std::byte{0});
    auto byte = [&](size_t at) { return static_cast<uint8_t>(scratch_[at]); };
    if (byte(0) >> 5) return Error::not_found;  // the peripheral qualifier: nothing is there
    type = byte(0) & 0x1f;
    removable = byte(1) & 0x80;
    version = byte(2);
    Text<48> vendor = trimmed({scratch_ + 8, 8});
    model = trimmed({scratch_ + 16, 16});
    if (!vendor.empty() && !model.view().starts_with(vendor)) {
        Text<48> both = vendor;
        model = both.print(" {}", model.view());
    }
    return {};
}

uint32_t Unit::last_session()  // MMC-6, 6.25: format 1, the first track of that session
{
    constexpr uint8_t of_sessions = 1, answer_bytes = 12;
    Command command(read_toc, 10);
    command.cdb[2] = of_sessions;
    command.put(7, answer_bytes, 2);
    command.data = scratch_;
    command.bytes = answer_bytes;
    if (!perform(command) || command.moved < answer_bytes) return 0;
    uint32_t first = be32(scratch_ + 8);
    return first < blocks ? first : 0;
}

Result<void> Unit::read_capacity()  // SBC-3, 5.16 and 5.17
{
    Command command(read_capacity_10, 10);
    command.data = scratch_;
    command.bytes = 8;
    TRY(perform(command));
    if (command.moved < 8) {
        why.print("a capacity of {} bytes", command.moved);
        return Error::corrupt;
    }
    blocks = uint64_t{be32(scratch_)} + 1;
    block_bytes = be32(scratch_ + 4);
    thin = false;
    constexpr uint8_t spc_3 = 5;
    if (blocks <= 0xffff'ffff && (type == cd || version < spc_3)) return {};
    Command more(service_action_in_16, 16);
    more.cdb[1] = 0x10;
    more.put(10, 32, 4);
    more.data = scratch_;
    more.bytes = 32;
    auto done = perform(more);
    if (done && more.moved >= 15) {
        blocks = be64(scratch_) + 1;
        block_bytes = be32(scratch_ + 8);
        thin = static_cast<uint8_t>(scratch_[14]) & 0x80;
        if (blocks == 0) blocks = ~0ull;
        return {};
    }
    if (done) done = Error::corrupt;
    return blocks > 0xffff'ffff ? done : Result<void>();
}

Result<std::span<const std::byte>> Unit::product_data(uint8_t page)
{
    constexpr uint8_t most = 255;
    Command command(inquiry, 6);
    command.cdb[1] = 1;
    command.cdb[2] = page;
    command.put(3, most, 2);
    command.data = scratch_;
    command.bytes = most;
    TRY(perform(command));
    if (command.moved < 4 || static_cast<uint8_t>(scratch_[1]) != page) return Error::corrupt;
    size_t bytes = std::min<size_t>(command.moved, be16(scratch_ + 2) + 4u);
    return std::span<const std::byte>(scratch_, bytes);
}

bool Unit::is_write_protected()  // SBC-3, 6.4.1: a bit of the mode parameter header
{
    Command command(mode_sense_6, 6);
    command.cdb[1] = 8;     // no block descriptors
    command.cdb[2] = 0x3f;  // all pages: what all units take
    command.cdb[4] = 4;
    command.data = scratch_;
    command.bytes = 4;
    return perform(command) && command.moved >= 3 && static_cast<uint8_t>(scratch_[2]) & 0x80;
}

Result<unsigned> Unit::list_units(std::span<uint16_t> numbers)  // SPC-4, 6.33
{
    Command command(report_luns, 12);
    command.put(6, sizeof scratch_, 4);
    command.data = scratch_;
    command.bytes = sizeof scratch_;
    TRY(perform(command));
    if (command.moved < 8) return Error::corrupt;
    uint32_t end = std::min<uint32_t>(be32(scratch_), command.moved - 8);
    unsigned count = 0;
    for (uint32_t at = 8; at + 8 <= end + 8 && count < numbers.size(); at += 8) {
        // SAM-5, 4.7: peripheral device addressing on bus 0, or flat space addressing.
        auto first = be16(scratch_ + at);
        if (first >> 14 == 1 || first < 0x100) numbers[count++] = first & 0x3fff;
    }
    return count;
}

}  // namespace scsi
