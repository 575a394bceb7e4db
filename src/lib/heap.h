// SPDX-License-Identifier: BSD-2-Clause
// Kernel memory: plain new (std::nothrow) and delete, and the two forms that nearly all code wants.
#pragma once
#include <cstddef>
#include <new>
#include <span>
#include <utility>
#include "hal/result.h"

struct KernelMemory {
    size_t total, free;  // bytes
};
KernelMemory kernel_memory();

// A new T, never freed unless the caller deletes it. Errors: no_memory.
template <class T, class... Args> Result<T*> make(Args&&... args)
{
    T* object = new (std::nothrow) T(std::forward<Args>(args)...);
    if (!object) return Error::no_memory;
    return object;
}

// Bytes that are freed with their owner.
class Buffer {
public:
    static Result<Buffer> of(size_t bytes)
    {
        Buffer buffer;
        buffer.data_ = new (std::nothrow) std::byte[bytes];
        if (!buffer.data_) return Error::no_memory;
        buffer.size_ = bytes;
        return buffer;
    }
    Buffer() = default;
    Buffer(Buffer&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0))
    {
    }
    Buffer& operator=(Buffer&& other) noexcept
    {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        return *this;
    }
    // clang-tidy does not follow TRY, which moves what it gives.
    ~Buffer() { delete[] data_; }  // NOLINT(clang-analyzer-core.CallAndMessage)

    std::byte* release()  // whose owner is the caller from now on, to delete[] it
    {
        size_ = 0;
        return std::exchange(data_, nullptr);
    }
    std::byte* data() const { return data_; }
    size_t size() const { return size_; }
    std::span<std::byte> span() const { return {data_, size_}; }

private:
    std::byte* data_ = nullptr;
    size_t size_ = 0;
};
