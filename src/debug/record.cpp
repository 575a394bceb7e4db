// SPDX-License-Identifier: BSD-2-Clause
#include "debug/record.h"
#include <algorithm>
#include <cstring>

namespace debug {

namespace {

struct Header {
    uint32_t magic;
    Record::Kind kind;
    uint32_t bytes;  // of the text behind the header
    uint32_t sum;    // of all that follows, and of kind and bytes
};
constexpr uint32_t good_magic = 0x63655256;  // "VRec"

uint32_t sum_of(const Header& header, std::string_view text)
{
    uint32_t sum = static_cast<uint32_t>(header.kind) * 31 + header.bytes;
    for (char c : text) sum = sum * 31 + static_cast<uint8_t>(c);
    return sum;
}

// Where the n lines before `at` begin.
size_t lines_before(std::string_view text, size_t at, unsigned n)
{
    while (at > 0 && n--) {
        size_t end = at < 2 ? text.npos : text.rfind('\n', at - 2);
        at = end == text.npos ? 0 : end + 1;
    }
    return at;
}

}  // namespace

void write_record(std::span<char> memory, Record::Kind kind, std::string_view older,
                  std::string_view newer)
{
    if (memory.size() < sizeof(Header)) return;
    std::span<char> room = memory.subspan(sizeof(Header));
    size_t from_newer = std::min(newer.size(), room.size());
    size_t from_older = std::min(older.size(), room.size() - from_newer);
    memcpy(room.data(), older.end() - from_older, from_older);
    memcpy(room.data() + from_older, newer.end() - from_newer, from_newer);
    std::string_view text(room.data(), from_older + from_newer);

    size_t start = lines_before(text, text.size(), 12);
    if (kind == Record::Kind::fault) {
        size_t report = text.rfind("\n*** ");
        if (report != text.npos) start = lines_before(text, report + 1, 8);
    }
    if (start == 0 && from_newer + from_older < newer.size() + older.size())
        start = std::min(text.find('\n') + 1, text.size());  // the first line is cut off
    text.remove_prefix(start);
    memmove(room.data(), text.data(), text.size());

    Header header = {good_magic, kind, static_cast<uint32_t>(text.size()), 0};
    header.sum = sum_of(header, {room.data(), text.size()});
    memcpy(memory.data(), &header, sizeof header);
}

Result<Record> read_record(std::span<const char> memory)
{
    Header header;
    if (memory.size() < sizeof header) return Error::not_found;
    memcpy(&header, memory.data(), sizeof header);
    if (header.magic != good_magic || header.bytes > memory.size() - sizeof header)
        return Error::not_found;
    if (header.kind != Record::Kind::running && header.kind != Record::Kind::fault)
        return Error::not_found;
    std::string_view text(memory.data() + sizeof header, header.bytes);
    if (header.sum != sum_of(header, text)) return Error::not_found;
    return Record{header.kind, text};
}

void clear_record(std::span<char> memory)
{
    std::fill_n(memory.begin(), std::min(memory.size(), sizeof(Header)), '\0');
}

}  // namespace debug
