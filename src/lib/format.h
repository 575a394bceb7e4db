// SPDX-License-Identifier: BSD-2-Clause
// Text formatting without a heap.  {} any value · {x} hexadecimal · {8} right-aligned in 8 columns
// ·
// {-8} left-aligned · {08x} zero-padded · {{ a brace.  What does not fit the buffer is cut off.
#pragma once
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>

class FormatArgument {
public:
    constexpr FormatArgument(std::string_view text)
        : kind_(Kind::text), text_{text.data(), text.size()}
    {
    }
    constexpr FormatArgument(const char* text)
        : FormatArgument(std::string_view(text ? text : "(null)"))
    {
    }
    constexpr FormatArgument(char c) : kind_(Kind::character), number_(static_cast<uint8_t>(c)) {}
    constexpr FormatArgument(bool b) : FormatArgument(b ? "true" : "false") {}
    FormatArgument(const void* p) : kind_(Kind::number), number_(reinterpret_cast<uintptr_t>(p)) {}
    template <std::unsigned_integral T>
    constexpr FormatArgument(T n) : kind_(Kind::number), number_(n)
    {
    }
    template <std::signed_integral T>
    constexpr FormatArgument(T n)
        : kind_(n < 0 ? Kind::negative : Kind::number),
          number_(n < 0 ? 0 - static_cast<uint64_t>(n) : static_cast<uint64_t>(n))
    {
    }

private:
    friend class Formatter;
    // Small: the kernel makes many of them.
    enum class Kind : uint32_t { text, character, number, negative } kind_;
    struct Characters {
        const char* data;
        size_t size;
    };
    union {
        uint64_t number_;
        Characters text_;
    };
};

// A format: a literal's length is known to the caller.
struct Format : std::string_view {
    [[gnu::always_inline]] constexpr Format(const char* text)
        : std::string_view(text, __builtin_strlen(text))
    {
    }
    Format(std::string_view text) : std::string_view(text) {}
};

// Writes to buffer, always leaves a final NUL, returns the length without it.
size_t format_to(std::span<char> buffer, std::string_view format,
                 std::span<const FormatArgument> arguments);

// Appends to a text of so many letters, as far as there is room for it and a NUL: how many it has.
size_t append_to(std::span<char> text, size_t length, std::string_view more);

// A string of at most N - 1 characters, kept in place.
template <size_t N> class Text {
public:
    Text() = default;
    Text(std::string_view text) { append(text); }

    template <class... Args> Text& print(Format format, const Args&... args)
    {
        std::initializer_list<FormatArgument> list = {args...};
        length_ += format_to({data_ + length_, N - length_}, format, {list.begin(), list.size()});
        return *this;
    }
    Text& assign(std::string_view text)
    {
        length_ = append_to(data_, 0, text);
        return *this;
    }
    Text& append(std::string_view text)
    {
        length_ = append_to(data_, length_, text);
        return *this;
    }
    Text& append(char c)
    {
        if (length_ + 1 < N) {
            data_[length_++] = c;
            data_[length_] = 0;
        }
        return *this;
    }
    void clear() { data_[length_ = 0] = 0; }
    void shorten(size_t length) { data_[length_ = length < length_ ? length : length_] = 0; }

    size_t size() const { return length_; }
    bool empty() const { return length_ == 0; }
    static constexpr size_t capacity() { return N - 1; }
    const char* c_str() const { return data_; }
    operator std::string_view() const { return {data_, length_}; }
    std::string_view view() const { return {data_, length_}; }

private:
    char data_[N] = {};
    size_t length_ = 0;
};
