// SPDX-License-Identifier: BSD-2-Clause
#include "fs/p9fs/session.h"
#include <algorithm>

namespace p9 {

namespace {

constexpr size_t error_bytes = 11;    // Rlerror; an Rread or Rreaddir has its data behind as many
constexpr size_t most_overhead = 24;  // beside the data of Tread and Twrite
constexpr uint32_t message_bytes = (1 << 20) + most_overhead;
constexpr size_t request_bytes = 16384;  // without data: most_names names, each below max_name
constexpr size_t reply_bytes = 8192;     // without data: the target of a link
constexpr size_t least_message = 4096;
constexpr std::string_view version = "9P2000.L";

namespace type_bits {  // of a mode
constexpr uint32_t all = 0170000, directory = 0040000, file = 0100000, symlink = 0120000;
}
namespace valid {  // of Tgetattr
constexpr uint64_t basic = 0x7ff, mode = 1, links = 2, time = 0x40, size = 0x200;
constexpr uint64_t needed = mode | links | time | size;
}  // namespace valid

Error error_of(uint32_t number)  // Linux's
{
    switch (number) {
    case 1:
    case 13:
    case 30: return Error::read_only;  // EPERM, EACCES, EROFS
    case 2:
    case 116: return Error::not_found;  // ENOENT, ESTALE
    case 12:
    case 23:
    case 24: return Error::no_memory;  // ENOMEM, ENFILE, EMFILE
    case 16:
    case 26: return Error::busy;  // EBUSY, ETXTBSY
    case 17: return Error::exists;
    case 20: return Error::not_directory;
    case 21: return Error::is_directory;
    case 22: return Error::invalid;
    case 27:
    case 31:
    case 36:
    case 40:
    case 75: return Error::too_large;  // EFBIG, EMLINK, ENAMETOOLONG, ELOOP, EOVERFLOW
    case 28:
    case 122: return Error::no_space;  // ENOSPC, EDQUOT
    case 38:
    case 95: return Error::unsupported;  // ENOSYS, EOPNOTSUPP
    case 39: return Error::not_empty;
    default: return Error::device;
    }
}

}  // namespace

fs::NodeType Attributes::type() const
{
    switch (mode & type_bits::all) {
    case type_bits::directory: return fs::NodeType::directory;
    case type_bits::file: return fs::NodeType::file;
    case type_bits::symlink: return fs::NodeType::symlink;
    }
    return fs::NodeType::other;
}

Result<void> Session::begin()
{
    request_ = TRY(Buffer::of(request_bytes));
    reply_ = TRY(Buffer::of(reply_bytes));
    auto answer = TRY(call(request(Tversion).put(message_bytes).text(version)));
    auto most = answer.get<uint32_t>();
    std::string_view its_version = answer.text();
    if (!answer.is_whole() || most > message_bytes) return bad("version");
    if (its_version != version || most < least_message)
        return hal::fail(Error::unsupported, "{}: the server does not speak {}, or in {} bytes",
                         name(), version, most);
    data_bytes_ = most - most_overhead;
    return tell(request(Tattach).put(root_fid).put(nobody).text("").text("").put(nobody),
                qid_bytes);
}

Error Session::bad(std::string_view what)
{
    broken_ = true;
    return hal::fail(Error::corrupt,
                     "{}: not used any more: the server's answer makes no sense: {}", name(), what);
}

Result<Reader> Session::call(Request& request, std::span<const std::byte> from, size_t fixed,
                             std::span<std::byte> into)
{
    if (broken_) return Error::gone;
    auto head = reply_.span().first(into.empty() ? reply_bytes : head_bytes + fixed);
    auto got = channel_.exchange({request.finish(from.size()), from, head, into});
    if (got.error() == Error::unsupported) return Error::unsupported;
    if (!got) {
        broken_ = true;
        return hal::fail(got.error(), "{}: not used any more: {}", name(), error_text(got.error()));
    }
    Reader answer(reply_.data(), std::min<size_t>(got.value(), head.size()));
    auto bytes = answer.get<uint32_t>();
    auto type = answer.get<uint8_t>();
    auto its_tag = answer.get<uint16_t>();
    if (bytes < head_bytes || bytes > got.value() || got.value() > head.size() + into.size())
        return bad("length");
    if (its_tag != request.tag()) return bad("tag");
    if (type == Rlerror) {
        auto number = answer.get<uint32_t>();
        if (bytes != error_bytes || number == 0) return bad("error");
        if (error_of(number) == Error::device)
            hal::log("{}: request {} fails with error {}", name(),
                     static_cast<unsigned>(request.type()), number);
        return error_of(number);
    }
    if (type != request.type() + 1) return bad("type");
    if (bytes < head_bytes + fixed) return bad("length");
    return Reader(reply_.data() + head_bytes, std::min<size_t>(bytes, head.size()) - head_bytes);
}

Result<void> Session::tell(Request& request, size_t bytes)
{
    auto answer = TRY(call(request));
    return answer.left() == bytes ? Result<void>() : bad("length");
}

// The server has forgotten it even if it says that it could not.
void Session::clunk(uint32_t fid) { (void)tell(request(Tclunk).put(fid)); }

Result<uint64_t> Session::walk(Request& request, uint16_t names)
{
    auto answer = TRY(call(request));
    auto reached = answer.get<uint16_t>();
    if (reached > names || answer.left() != reached * qid_bytes) return bad("walk");
    if (reached < names) return Error::not_found;
    uint64_t id = 0;
    while (answer.left()) id = get_id(answer);
    return id;
}

Result<Attributes> Session::attributes(uint32_t fid)
{
    auto answer = TRY(call(request(Tgetattr).put(fid).put(valid::basic)));
    Attributes found;
    auto known = answer.get<uint64_t>();
    found.id = get_id(answer);
    found.mode = answer.get<uint32_t>();
    answer.skip(8);  // the owners
    found.links = answer.get<uint64_t>();
    answer.skip(8);
    found.size = answer.get<uint64_t>();
    answer.skip(8 + 8 + 16);  // block size, blocks; access time
    found.modified_s = answer.get<uint64_t>();
    answer.skip(8 + 16 + 16 + 8 + 8);  // nanoseconds; change, birth; generation, version
    if (!answer.is_whole() || (known & valid::needed) != valid::needed ||
        found.size > fs::max_file_bytes)
        return bad("attributes");
    return found;
}

Result<void> Session::open(uint32_t fid, uint32_t flags)
{
    return tell(request(Tlopen).put(fid).put(flags), qid_bytes + unit_bytes);
}

Result<void> Session::sync(uint32_t fid)
{
    constexpr uint32_t with_attributes = 0;
    return tell(request(Tfsync).put(fid).put(with_attributes));
}

Result<size_t> Session::get_data(MessageType type, uint32_t fid, uint64_t offset,
                                 std::span<std::byte> into)
{
    Request asked = request(type).put(fid).put(offset).put(static_cast<uint32_t>(into.size()));
    auto answer = TRY(call(asked, {}, error_bytes - head_bytes, into));
    size_t count = answer.get<uint32_t>();
    if (count > into.size() || load_le<uint32_t>(reply_.data()) != error_bytes + count)
        return bad("count");
    return count;
}

Result<size_t> Session::put_data(uint32_t fid, uint64_t offset, std::span<const std::byte> from)
{
    Request asked = request(Twrite).put(fid).put(offset).put(static_cast<uint32_t>(from.size()));
    auto answer = TRY(call(asked, from));
    size_t count = answer.get<uint32_t>();
    if (!answer.is_whole() || count > from.size()) return bad("count");
    return count ? Result<size_t>(count) : Error::device;
}

// Memory that the device cannot reach is copied.
Result<size_t> Session::read(uint32_t fid, uint64_t offset, std::span<std::byte> into)
{
    into = into.first(std::min(into.size(), data_bytes_));
    auto count = get_data(Tread, fid, offset, into);
    if (count || count.error() != Error::unsupported) return count;
    if (!copy_.size()) copy_ = TRY(Buffer::of(least_message));
    size_t done =
        TRY(get_data(Tread, fid, offset,
                     copy_.span().first(std::min(into.size(), least_message - most_overhead))));
    memcpy(into.data(), copy_.data(), done);
    return done;
}

Result<size_t> Session::write(uint32_t fid, uint64_t offset, std::span<const std::byte> from)
{
    from = from.first(std::min(from.size(), data_bytes_));
    auto count = put_data(fid, offset, from);
    if (count || count.error() != Error::unsupported) return count;
    if (!copy_.size()) copy_ = TRY(Buffer::of(least_message));
    from = from.first(std::min(from.size(), least_message - most_overhead));
    memcpy(copy_.data(), from.data(), from.size());
    return put_data(fid, offset, copy_.span().first(from.size()));
}

Result<size_t> Session::list(uint32_t fid, uint64_t position, std::span<std::byte> into)
{
    return get_data(Treaddir, fid, position, into.first(std::min(into.size(), data_bytes_)));
}

}  // namespace p9
