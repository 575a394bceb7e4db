// SPDX-License-Identifier: BSD-2-Clause
#include "lib/format.h"
#include <algorithm>
#include <cstring>

class Formatter {
public:
    explicit Formatter(std::span<char> buffer) : buffer_(buffer) {}

    size_t run(std::string_view format, std::span<const FormatArgument> arguments)
    {
        if (buffer_.empty()) return 0;
        size_t next = 0;
        for (size_t i = 0; i < format.size(); ++i) {
            if (format[i] != '{' || (i + 1 < format.size() && format[i + 1] == '{')) {
                put(format[i]);
                if (format[i] == '{') ++i;
                continue;
            }
            Spec spec;
            for (++i; i < format.size() && format[i] != '}'; ++i) {
                char c = format[i];
                if (c == '-') spec.left = true;
                if (c == '0' && spec.width == 0) spec.fill = '0';
                if (c >= '0' && c <= '9')
                    spec.width = spec.width * 10 + static_cast<unsigned>(c - '0');
                if (c == 'x') spec.base = 16;
            }
            if (next < arguments.size()) put(arguments[next++], spec);
        }
        buffer_[length_] = 0;
        return length_;
    }

private:
    struct Spec {
        unsigned width = 0, base = 10;
        char fill = ' ';
        bool left = false;
    };

    void put(char c)
    {
        if (length_ + 1 < buffer_.size()) buffer_[length_++] = c;
    }
    void put(std::string_view text)
    {
        size_t count = std::min(text.size(), buffer_.size() - 1 - length_);
        memcpy(buffer_.data() + length_, text.data(), count);
        length_ += count;
    }
    void put(const FormatArgument& argument, Spec spec)
    {
        char digits[24];
        std::string_view text;
        switch (argument.kind_) {
        case FormatArgument::Kind::text: text = {argument.text_.data, argument.text_.size}; break;
        case FormatArgument::Kind::character:
            digits[0] = static_cast<char>(argument.number_);
            text = {digits, 1};
            break;
        default: text = number(argument, spec.base, digits);
        }
        size_t padding = spec.width > text.size() ? spec.width - text.size() : 0;
        for (size_t i = 0; !spec.left && i < padding; ++i) put(spec.fill);
        put(text);
        for (size_t i = 0; spec.left && i < padding; ++i) put(' ');
    }
    static std::string_view number(const FormatArgument& argument, unsigned base,
                                   char (&digits)[24])
    {
        char* first = digits + sizeof digits;
        uint64_t n = argument.number_;
        for (; n > 0xffffffff; n /= base) *--first = "0123456789abcdef"[n % base];
        auto small = static_cast<uint32_t>(n);
        do *--first = "0123456789abcdef"[small % base];
        while (small /= base);
        if (argument.kind_ == FormatArgument::Kind::negative) *--first = '-';
        return {first, static_cast<size_t>(digits + sizeof digits - first)};
    }

    std::span<char> buffer_;
    size_t length_ = 0;
};

size_t format_to(std::span<char> buffer, std::string_view format,
                 std::span<const FormatArgument> arguments)
{
    return Formatter(buffer).run(format, arguments);
}

size_t append_to(std::span<char> text, size_t length, std::string_view more)
{
    size_t count = std::min(more.size(), text.size() - 1 - length);
    memcpy(&text[length], more.data(), count);
    text[length += count] = 0;
    return length;
}
