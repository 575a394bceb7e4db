// SPDX-License-Identifier: BSD-2-Clause
// A payload that comes over a serial line, from workbench/push.py.
//
// To the machine: frames between flags (7E), in which a byte that means something to a line (03 11
// 13 7D 7E FF) is 7D and that byte ^ 20, as in RFC 1662. A frame is its offset (32 bits), its data,
// and the CRC-32 of both; numbers are little-endian. The first, at FFFFFFFF, is the header: the
// payload's bytes, those of its symbols, the CRC-32 of both together, which come in the next ones,
// in order. 03 between frames gives up.
// From the machine: lines that begin with 01, so that they cannot be mistaken for what else it
// says: R1 ROOM: ready, protocol 1; A OFFSET: wanted next; N OFFSET: something is missing, all from
// there on is wanted again; D: done; E WHY: given up. Numbers are hexadecimal. Only the machine
// asks again when nothing comes. What it asked for may come twice, and late: the sender answers D
// with 03, and what comes before that is nobody's.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include "hal/result.h"
#include "hal/time.h"
#include "lib/format.h"

namespace debug {

class TransferLine {
public:
    virtual int receive() = 0;  // a byte, or -1. Never waits
    virtual void send(std::string_view bytes) = 0;
    virtual void rest() = 0;  // a while in which nothing that comes is lost

protected:
    ~TransferLine() = default;
};

class Transfer {
public:
    static constexpr uint8_t flag = 0x7e, escape = 0x7d, cancel = 0x03;
    static constexpr uint32_t block_bytes = 1024;           // of data in a frame, at most
    static constexpr hal::Duration patience = {5'000'000};  // without anything new
    static constexpr hal::Duration first_patience = {15'000'000};

    // What comes is put at the end of the memory, which has less than 4 GiB.
    Transfer(TransferLine& line, std::span<std::byte> memory) : line_(line), memory_(memory) {}

    // Waits for all of it. On an error the other side knows, why() says it too, and what it had
    // still sent has been swallowed. Errors: timed_out, too_large, invalid (nothing is to come),
    // corrupt, interrupted (given up by the sender).
    Result<void> receive();
    std::span<std::byte> payload() const { return data_.first(payload_bytes_); }
    std::string_view symbols() const
    {
        auto text = data_.subspan(payload_bytes_);
        return {reinterpret_cast<const char*>(text.data()), text.size()};
    }

    void accept();  // tells the sender that it has been taken, and hears its last word; or
    void refuse(std::string_view why);
    std::string_view why() const { return why_; }

private:
    enum class Frame : uint8_t { none, taken, bad };
    Frame next_byte(uint8_t byte);
    Frame end_frame();
    Frame take_header(std::span<const std::byte> body);
    Frame take_data(uint32_t offset, std::span<const std::byte> body);
    bool complete() const { return has_header_ && wanted_ == data_.size(); }
    void say(char what);
    void ask_again();
    void fail(Error error, std::string_view why);
    Result<void> finish();
    void swallow();

    static constexpr uint32_t header = ~0u;

    TransferLine& line_;
    std::span<std::byte> memory_;
    std::span<std::byte> data_;  // payload and symbols, at the memory's end
    uint32_t payload_bytes_ = 0, checksum_ = 0;
    uint32_t wanted_ = header;  // the next frame's offset
    bool has_header_ = false;
    bool asked_again_ = false;  // and what was asked for has not come yet

    std::byte frame_[4 + block_bytes + 4] = {};
    size_t length_ = 0;
    bool escaped_ = false, too_long_ = false;

    Error error_ = {};  // it is given up
    Text<96> why_;
};

}  // namespace debug
