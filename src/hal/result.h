// SPDX-License-Identifier: BSD-2-Clause
// Errors as values. A function that can fail returns Result<T>; TRY passes a failure on to the
// caller. The numbers are part of the API: a call of include/vesper.h returns them negated.
#pragma once
#include <utility>

enum class Error : unsigned char {
    not_found = 1,  // no such device, file, entry or handle
    timed_out,      // a device did not answer before its deadline
    device,         // a device reported an error
    gone,           // a device has been removed
    corrupt,        // data from outside contradicts itself or its format
    unsupported,    // well-formed, but nothing here can do it
    invalid,        // an argument is out of range
    no_space,       // the medium is full
    no_memory,
    busy,
    read_only,
    exists,
    too_large,
    not_directory,
    is_directory,
    not_empty,
    interrupted,  // a break came while it waited
};

// A short English sentence part ("no such file or device"), never null.
const char* error_text(Error error);

template <class T> class [[nodiscard]] Result {
public:
    Result(T value) : value_(std::move(value)) {}
    Result(Error error) : error_(error) {}
    explicit operator bool() const { return error_ == Error{}; }
    Error error() const { return error_; }
    T& value() & { return value_; }
    T&& value() && { return std::move(value_); }

private:
    T value_{};
    Error error_{};
};

template <> class [[nodiscard]] Result<void> {
public:
    Result() = default;
    Result(Error error) : error_(error) {}
    explicit operator bool() const { return error_ == Error{}; }
    Error error() const { return error_; }
    void value() const {}

private:
    Error error_{};
};

#define TRY(expression)                       \
    ({                                        \
        auto result_ = (expression);          \
        if (!result_) return result_.error(); \
        std::move(result_).value();           \
    })
