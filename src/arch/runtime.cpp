// SPDX-License-Identifier: BSD-2-Clause
// What the compiler and the headers of its library call. The string instructions are as fast as
// anything without SSE, and the smallest.
#include <cstddef>
#include <cstdint>
#include <new>
#include "arch/cpu.h"
#include "hal/log.h"

namespace std {

const nothrow_t nothrow{};

// string_view::substr() behind its end: a mistake of ours.
void __throw_out_of_range_fmt(const char* where, ...)
{
    hal::log("internal error: {}", where);
    asm volatile("ud2");
    cpu::stop();
}

}  // namespace std

// "used": the compiler calls these by itself too, with arguments on the stack, when link-time
// optimisation has already decided which functions take theirs in registers.
extern "C" {

[[gnu::used]] void* memcpy(void* to, const void* from, size_t bytes)
{
    void* d = to;
    size_t words = bytes / 4, rest = bytes % 4;
    asm volatile("rep movsl; movl %3, %%ecx; rep movsb"
                 : "+&D"(d), "+&S"(from), "+&c"(words)
                 : "r"(rest)
                 : "memory");
    return to;
}

[[gnu::used]] void* memmove(void* to, const void* from, size_t bytes)
{
    auto d = static_cast<uint8_t*>(to);
    auto s = static_cast<const uint8_t*>(from);
    if (d <= s || d >= s + bytes) {
        size_t words = bytes / 4, rest = bytes % 4;
        void* forward = to;
        asm volatile("rep movsl; movl %3, %%ecx; rep movsb"
                     : "+&D"(forward), "+&S"(from), "+&c"(words)
                     : "r"(rest)
                     : "memory");
        return to;
    }
    d += bytes - 1;
    s += bytes - 1;
    asm volatile("std; rep movsb; cld" : "+D"(d), "+S"(s), "+c"(bytes)::"memory");
    return to;
}

[[gnu::used]] void* memset(void* to, int value, size_t bytes)
{
    void* d = to;
    uint32_t pattern = static_cast<uint8_t>(value) * 0x01010101u;
    size_t words = bytes / 4, rest = bytes % 4;
    asm volatile("rep stosl; movl %2, %%ecx; rep stosb"
                 : "+&D"(d), "+&c"(words)
                 : "r"(rest), "a"(pattern)
                 : "memory");
    return to;
}

[[gnu::used]] int memcmp(const void* a, const void* b, size_t bytes)
{
    auto x = static_cast<const uint8_t*>(a), y = static_cast<const uint8_t*>(b);
    for (size_t i = 0; i < bytes; ++i) {
        if (x[i] != y[i]) return x[i] - y[i];
    }
    return 0;
}

void* memchr(const void* from, int value, size_t bytes)
{
    auto p = static_cast<const uint8_t*>(from);
    for (size_t i = 0; i < bytes; ++i) {
        if (p[i] == static_cast<uint8_t>(value)) return const_cast<uint8_t*>(p + i);
    }
    return nullptr;
}

void __cxa_pure_virtual()
{
    asm volatile("ud2");
    cpu::stop();
}

[[gnu::used]] size_t strlen(const char* text)
{
    size_t length = 0;
    while (text[length]) ++length;
    return length;
}

}  // extern "C"
