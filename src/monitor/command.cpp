// SPDX-License-Identifier: BSD-2-Clause
#include "monitor/command.h"
#include <algorithm>

namespace monitor {

void print_arguments(std::string_view format, std::span<const FormatArgument> arguments)
{
    char text[256];
    console::write({text, format_to(text, format, arguments)});
}

Call::Call(const BootInfo& info, std::string_view line) : info_(info), line_(line), rest_(line)
{
    std::string_view first = word();
    name_ = first.substr(0, first.find('.'));
    if (name_.size() < first.size()) suffix_ = first.substr(name_.size() + 1);
}

std::string_view Call::word()
{
    rest_ = rest();
    bool quoted = rest_.starts_with('"');
    if (quoted) rest_.remove_prefix(1);
    std::string_view word = rest_.substr(0, rest_.find(quoted ? '"' : ' '));
    rest_.remove_prefix(std::min(rest_.size(), word.size() + quoted));
    return word;
}

std::string_view Call::rest()
{
    return rest_.substr(std::min(rest_.size(), rest_.find_first_not_of(' ')));
}

Result<uint32_t> parse_number(std::string_view text, uint32_t largest)
{
    unsigned base = text.starts_with("0x") ? 16 : 10;
    if (base == 16) text.remove_prefix(2);
    if (text.empty()) return Error::invalid;
    uint64_t value = 0;
    for (char c : text) {
        unsigned digit = c >= '0' && c <= '9'                     ? c - '0'
                         : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                                  : base;
        if (digit >= base) return Error::invalid;
        value = value * base + digit;
        if (value > largest) return Error::too_large;
    }
    return static_cast<uint32_t>(value);
}

Result<uint32_t> Call::number(const char* what, uint32_t largest)
{
    std::string_view text = word();
    if (text.empty()) return fail(Error::invalid, "{} is missing", what);
    auto number = parse_number(text, largest);
    if (number.error() == Error::invalid)
        return fail(Error::invalid, "{} is not a number: {} ought to be one", text, what);
    if (!number)
        return fail(Error::invalid, "{} is too large: {} is at most 0x{x}", text, what, largest);
    return number;
}

Result<uint32_t> Call::number_or(uint32_t otherwise, const char* what)
{
    if (rest().empty()) return otherwise;
    return number(what);
}

Result<void> Call::end()
{
    if (rest().empty()) return {};
    return fail(Error::invalid, "\"{}\" is more than it takes", rest());
}

Error Call::fail_with(Error error, std::string_view format,
                      std::span<const FormatArgument> arguments) const
{
    print("{}: ", name_);
    print_arguments(format, arguments);
    console::write("\n");
    return error;
}

bool Call::stopped() { return ++rows_ >= console::cells().rows && console::poll_key() >= 0; }

uint32_t load(const hal::Window& window, unsigned width)
{
    if (width == 4) return window.load<uint32_t>(0);
    if (width == 2) return window.load<uint16_t>(0);
    return window.load<uint8_t>(0);
}

void store(const hal::Window& window, unsigned width, uint32_t value)
{
    if (width == 4)
        window.store<uint32_t>(0, value);
    else if (width == 2)
        window.store<uint16_t>(0, static_cast<uint16_t>(value));
    else
        window.store<uint8_t>(0, static_cast<uint8_t>(value));
}

static char visible(char c) { return c >= ' ' && c < 0x7f ? c : '.'; }

void print_row(uint32_t address, std::span<const uint8_t> bytes, unsigned width)
{
    constexpr size_t row = 16;
    Text<96> text;
    text.print("{08x} ", address);
    for (size_t i = 0; i < row; ++i) {
        // The lowest byte of a number comes last.
        size_t at = i - i % width + width - 1 - i % width;
        if (i % width == 0) text.append(i == row / 2 ? "  " : " ");
        if (at < bytes.size())
            text.print("{02x}", bytes[at]);
        else
            text.append("  ");
    }
    text.append("  ");
    for (uint8_t byte : bytes) text.append(visible(static_cast<char>(byte)));
    console::write(text.append('\n'));
}

void print_text(std::string_view text)
{
    Text<128> part;
    for (char c : text) {
        part.append(c == '\n' || c == '\t' ? c : visible(c));
        if (part.size() < part.capacity()) continue;
        console::write(part);
        part.clear();
    }
    console::write(part);
}

}  // namespace monitor
