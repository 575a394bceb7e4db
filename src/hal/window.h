// SPDX-License-Identifier: BSD-2-Clause
// A window of device registers: I/O ports or device memory.
// The host tests have a header of the same name in which a fake device stands behind the window.
#pragma once
#include <cstddef>
#include <cstdint>
#include "hal/result.h"

namespace hal {

struct Window {
    enum class Kind : std::uint8_t { ports, memory } kind = Kind::ports;
    std::uintptr_t base = 0;
    const char* owner = "";  // "ide0": for traces

    template <class T> T load(unsigned offset) const
    {
        T value;
        if (kind == Kind::memory) {
            value = *reinterpret_cast<const volatile T*>(base + offset);
            asm volatile("" ::: "memory");  // what the device has written is looked at after this
            return value;
        }
        asm volatile("in %w1, %0" : "=a"(value) : "Nd"(port(offset)) : "memory");
        return value;
    }
    template <class T> void store(unsigned offset, T value) const
    {
        asm volatile("" ::: "memory");  // what the device is to read is there before this
        if (kind == Kind::memory)
            *reinterpret_cast<volatile T*>(base + offset) = value;
        else
            asm volatile("out %0, %w1" ::"a"(value), "Nd"(port(offset)) : "memory");
    }
    // `count` accesses of T to the same register: a FIFO or data port.
    template <class T> void load_many(unsigned offset, T* into, std::size_t count) const
    {
        if (kind == Kind::memory) {
            while (count--) *into++ = load<T>(offset);
        } else if constexpr (sizeof(T) == 4) {
            asm volatile("rep insl" : "+D"(into), "+c"(count) : "d"(port(offset)) : "memory");
        } else if constexpr (sizeof(T) == 2) {
            asm volatile("rep insw" : "+D"(into), "+c"(count) : "d"(port(offset)) : "memory");
        } else {
            asm volatile("rep insb" : "+D"(into), "+c"(count) : "d"(port(offset)) : "memory");
        }
    }
    template <class T> void store_many(unsigned offset, const T* from, std::size_t count) const
    {
        if (kind == Kind::memory) {
            while (count--) store<T>(offset, *from++);
        } else if constexpr (sizeof(T) == 4) {
            asm volatile("rep outsl" : "+S"(from), "+c"(count) : "d"(port(offset)) : "memory");
        } else if constexpr (sizeof(T) == 2) {
            asm volatile("rep outsw" : "+S"(from), "+c"(count) : "d"(port(offset)) : "memory");
        } else {
            asm volatile("rep outsb" : "+S"(from), "+c"(count) : "d"(port(offset)) : "memory");
        }
    }
    // `count` times 32 bits to locations one after another: only memory has those.
    void copy_to(unsigned offset, const void* from, std::size_t count) const
    {
        auto to = reinterpret_cast<void*>(base + offset);
        asm volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
    }

private:
    std::uint16_t port(unsigned offset) const { return static_cast<std::uint16_t>(base + offset); }
};

// A window over I/O ports. Never fails: on a PC every port can be accessed.
Window port_window(std::uint16_t base, std::uint16_t count, const char* owner);

// A window over device memory at a physical address.
// Errors: unsupported (the address is beyond what 32 bits reach), no_memory.
enum class Caching : std::uint8_t { uncached, cached, write_combining };
Result<Window> memory_window(std::uint64_t physical, std::size_t bytes, const char* owner,
                             Caching caching = Caching::uncached);

}  // namespace hal
