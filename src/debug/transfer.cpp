// SPDX-License-Identifier: BSD-2-Clause
#include "debug/transfer.h"
#include "lib/bytes.h"
#include "lib/crc32.h"

namespace debug {

using namespace hal;

namespace {

constexpr Duration ask_after = 500_ms;
constexpr Duration quiet = 300_ms, longest_rest = 5_s;

}  // namespace

Result<void> Transfer::receive()
{
    Text<32> ready;
    line_.send(ready.print("\001R1 {x}\n", memory_.size()));
    Deadline give_up{first_patience}, ask{ask_after};
    unsigned bytes = 0;
    bool heard = false;  // since the last look that found nothing
    while (!complete() && error_ == Error{}) {
        int byte = line_.receive();
        Frame frame = byte < 0 ? Frame::none : next_byte(static_cast<uint8_t>(byte));
        if (frame == Frame::taken) {
            give_up = Deadline{patience};
            asked_again_ = false;
            if (!complete()) say('A');
        } else if (frame == Frame::bad) {
            ask_again();
        }
        constexpr unsigned looks_every = 256;  // bytes: nonsense without end shall end too
        if (byte >= 0) heard = true;
        if (byte >= 0 && ++bytes % looks_every) continue;
        if (frame != Frame::taken && give_up.passed())
            fail(Error::timed_out, "nothing more has come");
        if (byte >= 0) continue;
        if (std::exchange(heard, false)) ask = Deadline{ask_after};
        if (ask.passed()) {
            ask = Deadline{ask_after};
            asked_again_ = false;
            ask_again();
        }
        line_.rest();
    }
    return finish();
}

Result<void> Transfer::finish()
{
    if (error_ == Error{} && crc32(data_) != checksum_)
        fail(Error::corrupt, "the CRC of the whole is wrong");
    if (error_ == Error{}) return {};
    refuse(why_);
    return error_;
}

Transfer::Frame Transfer::next_byte(uint8_t byte)
{
    if (byte == flag) return end_frame();
    if (byte == cancel && length_ == 0 && !escaped_) {
        fail(Error::interrupted, "the sender has given up");
        return Frame::none;
    }
    if (byte == escape) {
        escaped_ = true;
        return Frame::none;
    }
    if (escaped_) byte ^= 0x20;
    escaped_ = false;
    if (length_ == sizeof frame_) {
        length_ = 0;
        too_long_ = true;
        return Frame::bad;
    }
    frame_[length_++] = std::byte{byte};
    return Frame::none;
}

Transfer::Frame Transfer::end_frame()
{
    std::span<const std::byte> frame(frame_, length_);
    length_ = 0;
    bool cut_off = std::exchange(escaped_, false) || std::exchange(too_long_, false);
    if (frame.empty() && !cut_off) return Frame::none;  // a flag ends one frame and begins another
    constexpr size_t around = 8;
    if (cut_off || frame.size() < around) return Frame::bad;
    auto checked = frame.first(frame.size() - 4);
    if (crc32(checked) != le32(frame.last(4).data())) return Frame::bad;
    uint32_t offset = le32(frame.data());
    auto body = checked.subspan(4);
    if (offset == header && !has_header_) return take_header(body);
    if (!has_header_ || offset > wanted_) return Frame::bad;
    if (offset < wanted_) return Frame::none;  // once more: it had been asked for
    return take_data(offset, body);
}

Transfer::Frame Transfer::take_header(std::span<const std::byte> body)
{
    if (body.size() != 12) return Frame::bad;
    uint32_t bytes = le32(&body[0]), symbols = le32(&body[4]);
    if (bytes == 0) {
        fail(Error::invalid, "the payload is empty");
        return Frame::none;
    }
    if (bytes > memory_.size() || symbols > memory_.size() - bytes) {
        why_.print("{} bytes do not fit into the payload's {} bytes of memory", bytes,
                   memory_.size());
        error_ = Error::too_large;
        return Frame::none;
    }
    checksum_ = le32(&body[8]);
    payload_bytes_ = bytes;
    constexpr size_t alignment = 16;
    data_ = memory_.subspan((memory_.size() - bytes - symbols) / alignment * alignment)
                .first(bytes + symbols);
    has_header_ = true;
    wanted_ = 0;
    return Frame::taken;
}

Transfer::Frame Transfer::take_data(uint32_t offset, std::span<const std::byte> body)
{
    if (body.empty() || body.size() > data_.size() - offset) {
        fail(Error::corrupt, "more has come than was announced");
        return Frame::none;
    }
    memcpy(&data_[offset], body.data(), body.size());
    wanted_ += static_cast<uint32_t>(body.size());
    return Frame::taken;
}

void Transfer::say(char what)
{
    Text<32> text;
    line_.send(text.append('\001').append(what).print("{x}\n", wanted_));
}

// Once for each gap: what was under way is thrown away without a word. And again when the line is
// silent: while something comes the answer may be behind it, and to ask would only make that
// longer.
void Transfer::ask_again()
{
    if (error_ == Error{} && !std::exchange(asked_again_, true)) say('N');
}

void Transfer::fail(Error error, std::string_view why)
{
    error_ = error;
    why_.clear();
    why_.append(why);
}

void Transfer::accept()
{
    line_.send("\001D\n");
    for (Deadline end{patience}; !end.passed();) {
        int byte = line_.receive();
        if (byte == cancel) return;
        if (byte < 0) line_.rest();
    }
}

void Transfer::refuse(std::string_view why)
{
    Text<128> text("\001E");
    line_.send(text.append(why).append('\n'));
    swallow();
}

// What is still under way must not be taken for what somebody types.
void Transfer::swallow()
{
    Deadline end{longest_rest}, silence{quiet};
    while (!silence.passed() && !end.passed()) {
        if (line_.receive() >= 0)
            silence = Deadline{quiet};
        else
            line_.rest();
    }
}

}  // namespace debug
