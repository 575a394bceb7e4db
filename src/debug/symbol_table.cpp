// SPDX-License-Identifier: BSD-2-Clause
#include "debug/symbol_table.h"
#include "lib/bytes.h"

namespace debug {

namespace {

constexpr size_t piece_count = 128;

// The rest of a table. What is beyond its end reads as 0.
class Table {
public:
    explicit Table(std::span<const uint8_t> bytes) : bytes_(bytes) {}

    uint8_t next()
    {
        if (bytes_.empty()) return 0;
        uint8_t first = bytes_[0];
        bytes_ = bytes_.subspan(1);
        return first;
    }
    uint32_t number()
    {
        uint32_t value = 0;
        for (unsigned shift = 0; shift < 32; shift += 7) {
            uint8_t byte = next();
            value |= (byte & 127u) << shift;
            if (byte < 128) break;
        }
        return value;
    }
    std::span<const uint8_t> text()
    {
        size_t length = next();
        std::span<const uint8_t> text =
            bytes_.first(length < bytes_.size() ? length : bytes_.size());
        bytes_ = bytes_.subspan(text.size());
        return text;
    }
    bool empty() const { return bytes_.empty(); }

private:
    std::span<const uint8_t> bytes_;
};

void append(SymbolText& to, std::span<const uint8_t> text)
{
    for (uint8_t c : text) to.append(static_cast<char>(c));
}

SymbolText decode(Table pieces, std::span<const uint8_t> coded)
{
    SymbolText name;
    for (uint8_t c : coded) {
        if (c < 128) {
            name.append(static_cast<char>(c));
            continue;
        }
        Table piece = pieces;
        for (unsigned skipped = 128; skipped < c; ++skipped) (void)piece.text();
        append(name, piece.text());
    }
    return name;
}

SymbolText with_offset(SymbolText name, uint32_t offset)
{
    name.shorten(SymbolText::capacity() - 11);
    return name.print("+0x{x}", offset);
}

// One line of a symbol file.
struct Line {
    uint32_t address = 0;
    char letter = 0;  // nm's, for what kind it is
    std::string_view name;
};

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r'; }

std::string_view word(std::string_view& rest)
{
    while (!rest.empty() && is_space(rest[0])) rest.remove_prefix(1);
    size_t end = 0;
    while (end < rest.size() && !is_space(rest[end])) ++end;
    std::string_view word = rest.substr(0, end);
    rest.remove_prefix(end);
    return word;
}

// False: it is no such line.
bool parse(std::string_view text, Line& line)
{
    std::string_view number = word(text);
    if (number.starts_with("0x")) number.remove_prefix(2);
    if (number.empty() || number.size() > 8) return false;
    line.address = 0;
    for (char c : number) {
        char low = static_cast<char>(c | 0x20);
        bool is_digit = c >= '0' && c <= '9';
        if (!is_digit && (low < 'a' || low > 'f')) return false;
        line.address =
            line.address << 4 | static_cast<uint32_t>(is_digit ? c - '0' : low - 'a' + 10);
    }
    line.name = word(text);
    line.letter = 0;
    std::string_view rest = text;
    if (line.name.size() == 1 && !word(rest).empty()) {
        line.letter = line.name[0];
        line.name = word(text);
    }
    for (char c : line.name) {
        if (c <= ' ' || c > '~') return false;
    }
    return !line.name.empty();  // what follows are arguments
}

std::string_view next_line(std::string_view& text)
{
    size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
    return line;
}

bool is_blank(std::string_view line) { return word(line).empty(); }

}  // namespace

size_t table_bytes(const uint8_t* header)
{
    constexpr uint32_t magic = 'V' | 'S' << 8 | 'Y' << 16 | 'M' << 24, most = 256 << 10;
    uint32_t bytes = le32(header + 4);
    return le32(header) == magic && bytes <= most ? bytes : 0;
}

SymbolText find_in_table(std::span<const uint8_t> table, uint32_t address)
{
    constexpr size_t header_bytes = 20;
    if (table.size() < header_bytes) return {};
    size_t bytes = table_bytes(table.data());
    uint32_t start = le32(&table[8]), end = le32(&table[12]);
    if (bytes < header_bytes || bytes > table.size() || address < start || address >= end)
        return {};
    Table rest(table.first(bytes).subspan(header_bytes)), pieces = rest;
    for (size_t i = 0; i < piece_count; ++i) (void)rest.text();
    std::span<const uint8_t> name;
    uint32_t at = start, found = start;
    for (uint32_t left = le32(&table[16]); left && !rest.empty(); --left) {
        at += rest.number();
        if (at > address) break;
        found = at;
        name = rest.text();
    }
    return name.empty() ? SymbolText() : with_offset(decode(pieces, name), address - found);
}

Result<void> check_symbol_file(std::string_view text, unsigned& line)
{
    uint32_t before = 0;
    for (line = 1; !text.empty(); ++line) {
        std::string_view row = next_line(text);
        Line parsed;
        if (is_blank(row)) continue;
        if (!parse(row, parsed) || parsed.address < before) return Error::corrupt;
        before = parsed.address;
    }
    return {};
}

SymbolText find_in_file(std::string_view text, uint32_t address)
{
    constexpr uint32_t reach = 64 << 10;
    Line best, line;
    while (!text.empty()) {
        if (!parse(next_line(text), line) || line.letter == 'a' || line.letter == 'A') continue;
        if (line.address > address) break;
        best = line;
    }
    if (best.name.empty() || address - best.address >= reach) return {};
    return with_offset(SymbolText(best.name), address - best.address);
}

}  // namespace debug
