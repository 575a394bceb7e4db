// SPDX-License-Identifier: BSD-2-Clause
// A session with a file server in 9P2000.L: requests, and answers that have been checked. One
// message at a time.
// Spec: "9P2000.L Protocol" of the diod project, on 9P2000 (Plan 9's manual, section 5); Linux's
// numbers for errors, flags and modes.
#pragma once
#include <cstring>
#include "fs/fs.h"
#include "lib/bytes.h"

namespace p9 {

enum MessageType : uint8_t {
    Rlerror = 7,  // instead of any answer; else an answer has the number after its request's
    Tstatfs = 8,
    Tlopen = 12,
    Tlcreate = 14,
    Tsymlink = 16,
    Treadlink = 22,
    Tgetattr = 24,
    Tsetattr = 26,
    Treaddir = 40,
    Tfsync = 50,
    Tlink = 70,
    Tmkdir = 72,
    Trenameat = 74,
    Tunlinkat = 76,
    Tversion = 100,
    Tattach = 104,
    Twalk = 110,
    Tread = 116,
    Twrite = 118,
    Tclunk = 120,
};

constexpr size_t head_bytes = 7;  // size[4] type[1] tag[2], of every message
constexpr size_t qid_bytes = 13;  // what an object is called: type[1] version[4] path[8]
constexpr size_t unit_bytes = 4;  // how much the server likes to read and write at once
constexpr uint16_t no_tag = 0xffff;
constexpr uint32_t nobody = ~0u;   // no fid; no user or group: files are the server's own
constexpr size_t most_names = 16;  // of one Twalk
constexpr uint32_t root_fid = 0;

namespace flag {  // of Tlopen, Tlcreate, Tunlinkat
constexpr uint32_t read_write = 2, create = 0100, exclusive = 0200, directory = 0200000,
                   remove_directory = 0x200;
}
namespace attribute {  // of Tsetattr
constexpr uint32_t mode = 1, size = 8, time = 0x20, given = 0x100;
}
namespace dirent {
constexpr uint8_t unknown = 0, directory = 4, file = 8, symlink = 10;
}

// ---- messages

// The caller sees to it that all fits.
class Request {
public:
    Request(std::byte* buffer, MessageType type) : data_(buffer), type_(type) {}
    template <class T> Request& put(T value)
    {
        memcpy(data_ + size_, &value, sizeof value);
        size_ += sizeof value;
        return *this;
    }
    Request& text(std::string_view text)
    {
        put(static_cast<uint16_t>(text.size()));
        memcpy(data_ + size_, text.data(), text.size());
        size_ += text.size();
        return *this;
    }
    MessageType type() const { return type_; }
    uint16_t tag() const { return type_ == Tversion ? no_tag : 0; }
    // `more`: bytes that follow.
    std::span<const std::byte> finish(size_t more)
    {
        auto bytes = static_cast<uint32_t>(size_ + more);
        uint16_t its_tag = tag();
        memcpy(data_, &bytes, 4);
        memcpy(data_ + 4, &type_, 1);
        memcpy(data_ + 5, &its_tag, 2);
        return {data_, size_};
    }

private:
    std::byte* data_;
    size_t size_ = head_bytes;
    MessageType type_;
};

// Reads from an answer; zeros beyond its end, which is_whole() then tells.
class Reader {
public:
    Reader() = default;
    Reader(const std::byte* data, size_t bytes) : data_(data), left_(bytes) {}
    template <class T> T get()
    {
        auto* from = take(sizeof(T));
        return from ? load_le<T>(from) : T{};
    }
    std::string_view text()
    {
        size_t length = get<uint16_t>();
        auto* from = take(length);
        return from ? std::string_view(reinterpret_cast<const char*>(from), length)
                    : std::string_view();
    }
    void skip(size_t bytes) { take(bytes); }
    bool is_whole() const { return !short_ && left_ == 0; }
    bool is_short() const { return short_; }
    size_t left() const { return left_; }

private:
    const std::byte* take(size_t bytes)
    {
        if (bytes > left_) {
            short_ = true;
            left_ = 0;
            return nullptr;
        }
        left_ -= bytes;
        return std::exchange(data_, data_ + bytes);
    }
    const std::byte* data_ = nullptr;
    size_t left_ = 0;
    bool short_ = false;
};

// Of a qid, type[1] version[4] path[8], what says which object it is.
inline uint64_t get_id(Reader& from)
{
    from.skip(1 + 4);
    return from.get<uint64_t>();
}

struct Attributes {
    uint64_t id, size, links, modified_s;
    uint32_t mode;

    fs::NodeType type() const;
};

class Session {
public:
    explicit Session(MessageChannel& channel) : channel_(channel) {}
    // Errors: unsupported (another protocol), and those of call().
    Result<void> begin();
    std::string_view name() const { return channel_.name; }
    bool is_broken() const { return broken_; }

    Request request(MessageType type) { return {request_.data(), type}; }
    // Sends it, with `from` behind it. What the answer has after its head; of an answer with data
    // its first `fixed` bytes, and the rest is in `into`. Errors: what the server says, corrupt
    // (the answer makes no sense), the channel's, gone (after one of those two).
    Result<Reader> call(Request& request, std::span<const std::byte> from = {}, size_t fixed = 0,
                        std::span<std::byte> into = {});
    // The same, where the answer is of this size, and says nothing of interest.
    Result<void> tell(Request& request, size_t bytes = 0);
    // The server makes no sense.
    Error bad(std::string_view what);

    // ---- single messages
    void clunk(uint32_t fid);
    // A Twalk along so many names: the number of what the last one is; 0 without names. Errors:
    // not_found (one of them is not there; no fid has moved).
    Result<uint64_t> walk(Request& request, uint16_t names);
    Result<Attributes> attributes(uint32_t fid);
    Result<void> open(uint32_t fid, uint32_t flags);
    Result<void> sync(uint32_t fid);
    // At most so much as one message carries; 0 at the end of the file.
    Result<size_t> read(uint32_t fid, uint64_t offset, std::span<std::byte> into);
    Result<size_t> write(uint32_t fid, uint64_t offset, std::span<const std::byte> from);
    Result<size_t> list(uint32_t fid, uint64_t position, std::span<std::byte> into);

private:
    Result<size_t> get_data(MessageType type, uint32_t fid, uint64_t offset,
                            std::span<std::byte> into);
    Result<size_t> put_data(uint32_t fid, uint64_t offset, std::span<const std::byte> from);

    MessageChannel& channel_;
    Buffer request_, reply_, copy_;
    size_t data_bytes_ = 0;  // of a message at most
    bool broken_ = false;
};

}  // namespace p9
