// SPDX-License-Identifier: BSD-2-Clause
//
// vesper.hpp - what C++ adds to vesper.h: results that cannot be overlooked, handles that close
// themselves, spans. C++20, freestanding, without exceptions, RTTI and allocation.
//
//     int main(struct vesper* v)
//     {
//         vsp::api = v;
//         auto file = vsp::File::open("/notes.txt");
//         if (!file) return file.error().code;
//         ...
//
// Everything that is not here is called as in C: vsp::api->time->ticks().
#ifndef VESPER_HPP
#define VESPER_HPP

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include "vesper.h"

namespace vsp {

// What main() was given; main() sets it first.
inline const ::vesper* api;

// One of enum vesper_error.
struct Error {
    int code;
    std::string_view text() const { return api->debug->error_text(code); }
    bool operator==(const Error&) const = default;
};

// A value, or why there is none.
template <typename T> class [[nodiscard]] Result {
public:
    Result(T value) : value_(std::move(value)) {}
    Result(Error error) : error_(error.code) {}

    explicit operator bool() const { return error_ == 0; }
    Error error() const { return {error_}; }  // code 0: none
    T& operator*() { return value_; }
    T* operator->() { return &value_; }
    T value_or(T other) && { return error_ ? std::move(other) : std::move(value_); }

private:
    T value_{};
    int error_ = 0;
};

// A call that returns nothing but that it succeeded has a Result of its number, 0.
using Done = Result<std::uint32_t>;

// What a call returned, as a Result.
inline Done check(int result)
{
    if (result < 0) return Error{result};
    return static_cast<std::uint32_t>(result);
}

// The result that a call has stored in `value`, if it returned no error.
template <typename T> Result<T> check(int result, T value)
{
    if (result < 0) return Error{result};
    return value;
}

inline void write(std::string_view text) { api->console->write(text.data(), text.size()); }
inline Done key() { return check(api->key()); }

// Calls function(number, info) for all that an `info` call numbers:
//     vsp::each(vsp::api->block->info, [](int disk, const vesper_block_info& info) { ... });
template <typename Number, typename Info, typename Function>
void each(int (*call)(Number, Info*), Function&& function)
{
    Info info;
    for (Number number = 0; call(number, &info) >= 0; ++number) function(number, info);
}

// A number that the kernel gave out, and gets back by GiveBack()(number).
template <typename GiveBack> class Handle {
public:
    Handle() = default;
    explicit Handle(int number) : number_(number) {}
    Handle(Handle&& other) noexcept : number_(other.release()) {}
    Handle& operator=(Handle&& other) noexcept
    {
        std::swap(number_, other.number_);
        return *this;
    }
    ~Handle()
    {
        if (number_ >= 0) GiveBack()(number_);
    }

    int number() const { return number_; }
    int release() { return std::exchange(number_, -1); }  // it is the caller's from now on

protected:
    // What a call returned: an error, or a handle.
    template <typename Kind> static Result<Kind> made(int result)
    {
        if (result < 0) return Error{result};
        return Kind(result);
    }

private:
    int number_ = -1;
};

struct CloseFile {
    void operator()(int file) const { api->file->close(file); }
};

class File : public Handle<CloseFile> {
public:
    using Handle::Handle;

    // `how`: enum vesper_open, or'ed.
    static Result<File> open(const char* path, std::uint32_t how = VESPER_OPEN_READ)
    {
        return made<File>(api->file->open_as(path, how));
    }

    // Reads into an array or span of bytes. Returns the part of it that was filled: less than all
    // of it, or nothing, at the end of the file.
    template <typename Range> auto read(Range&& range)
    {
        std::span into(range);
        using Byte = typename decltype(into)::element_type;
        static_assert(sizeof(Byte) == 1);
        int result = api->file->read(number(), into.data(), into.size());
        return check(result, std::span<Byte>(into.data(), result < 0 ? 0 : result));
    }
    Done write(std::span<const std::byte> bytes)
    {
        return check(api->file->write(number(), bytes.data(), bytes.size()));
    }
    Done write(std::string_view text) { return write(std::as_bytes(std::span(text))); }

    Done seek(std::uint64_t position) { return check(api->file->seek(number(), position)); }
    Done truncate(std::uint64_t bytes) { return check(api->file->truncate(number(), bytes)); }
    Result<std::uint64_t> position() const { return asked(api->file->position); }
    Result<std::uint64_t> length() const { return asked(api->file->length); }
    Result<vesper_stat> stat() const
    {
        vesper_stat stat;
        int result = api->file->stat_file(number(), &stat);
        return check(result, stat);
    }

    // Calls function(entry) for each entry of a directory.
    template <typename Function> Done each_entry(Function&& function)
    {
        vesper_entry entry;
        int result;
        while ((result = api->file->list(number(), &entry)) > 0) function(entry);
        return check(result);
    }

private:
    Result<std::uint64_t> asked(int (*call)(int, std::uint64_t*)) const
    {
        std::uint64_t value = 0;
        int result = call(number(), &value);
        return check(result, value);
    }
};

struct EndHook {
    void operator()(int hook) const { api->interrupt->unhook(hook); }
};

// A function that the kernel calls, with interrupts off. It has to outlive its hook: a lambda is
// given a name before. Its result is that of vesper_hook or vesper_frame_hook.
class Hook : public Handle<EndHook> {
public:
    using Handle::Handle;

    template <typename Function> static Result<Hook> line(std::uint32_t line, Function& function)
    {
        return made<Hook>(api->interrupt->line(line, called<Function>, &function));
    }
    template <typename Function>
    static Result<Hook> message(int device, std::uint32_t index, Function& function)
    {
        return made<Hook>(api->interrupt->device(device, index, called<Function>, &function));
    }
    template <typename Function>
    static Result<Hook> timer(std::uint64_t first_us, std::uint64_t period_us, Function& function)
    {
        return made<Hook>(api->interrupt->timer(first_us, period_us, called<Function>, &function));
    }
    template <typename Function>
    static Result<Hook> exception(std::uint32_t vector, Function& function)
    {
        return made<Hook>(api->interrupt->exception(vector, framed<Function>, &function));
    }
    template <typename Function> static Result<Hook> on_break(Function& function)
    {
        return made<Hook>(api->interrupt->on_break(framed<Function>, &function));
    }

private:
    template <typename Function> static int called(void* function)
    {
        return (*static_cast<Function*>(function))();
    }
    template <typename Function> static int framed(vesper_frame* frame, void* function)
    {
        return (*static_cast<Function*>(function))(*frame);
    }
};

struct GiveBackDevice {
    void operator()(int device) const { api->device->release(device); }
};

// A device without its driver.
class Claim : public Handle<GiveBackDevice> {
public:
    using Handle::Handle;

    static Result<Claim> of(int device)
    {
        int result = api->device->claim(device);
        return made<Claim>(result < 0 ? result : device);
    }
    Result<vesper_resource> resource(std::uint32_t index) const
    {
        vesper_resource resource;
        int result = api->device->resource(number(), index, &resource);
        return check(result, resource);
    }
};

struct RemoveBreakpoint {
    void operator()(int breakpoint) const { api->debug->remove_break(breakpoint); }
};

class Breakpoint : public Handle<RemoveBreakpoint> {
public:
    using Handle::Handle;

    static Result<Breakpoint> at(const void* address, vesper_access access = VESPER_EXECUTE,
                                 std::uint32_t bytes = 1)
    {
        return made<Breakpoint>(api->debug->break_at(address, access, bytes));
    }
};

// Memory that a device can read and write, all zeros at first.
class DmaMemory {
public:
    DmaMemory() = default;
    DmaMemory(DmaMemory&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
    DmaMemory& operator=(DmaMemory&& other) noexcept
    {
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    ~DmaMemory()
    {
        if (bytes_.data()) api->memory->release(bytes_.data());
    }

    static Result<DmaMemory> of(std::uint32_t bytes, std::uint32_t alignment = 0,
                                std::uint32_t highest = 0xffffffff)
    {
        DmaMemory memory;
        void* address = nullptr;
        int result = api->memory->allocate(bytes, alignment, highest, &address);
        if (result < 0) return Error{result};
        memory.bytes_ = {static_cast<std::byte*>(address), bytes};
        return memory;
    }

    std::span<std::byte> bytes() const { return bytes_; }
    Result<std::uint64_t> physical() const
    {
        std::uint64_t physical = 0;
        int result = api->memory->physical(bytes_.data(), &physical);
        return check(result, physical);
    }

private:
    std::span<std::byte> bytes_;
};

}  // namespace vsp

#endif
