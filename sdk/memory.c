/* SPDX-License-Identifier: BSD-2-Clause
 * The functions that compilers call on their own, and std::string_view. */
#include <stddef.h>

void* memcpy(void* to, const void* from, size_t bytes)
{
    void* next = to;
    __asm__ volatile("rep movsb" : "+D"(next), "+S"(from), "+c"(bytes) : : "memory");
    return to;
}

void* memmove(void* to, const void* from, size_t bytes)
{
    if (to <= from) return memcpy(to, from, bytes);
    char* next = (char*)to + bytes - 1;
    const char* last = (const char*)from + bytes - 1;
    __asm__ volatile("std\n\trep movsb\n\tcld" : "+D"(next), "+S"(last), "+c"(bytes) : : "memory");
    return to;
}

void* memset(void* to, int value, size_t bytes)
{
    void* next = to;
    __asm__ volatile("rep stosb" : "+D"(next), "+c"(bytes) : "a"(value) : "memory");
    return to;
}

int memcmp(const void* one, const void* other, size_t bytes)
{
    const unsigned char *a = one, *b = other;
    for (; bytes; ++a, ++b, --bytes) {
        if (*a != *b) return *a - *b;
    }
    return 0;
}

int bcmp(const void* one, const void* other, size_t bytes) { return memcmp(one, other, bytes); }

size_t strlen(const char* text)
{
    size_t length = 0;
    while (text[length]) ++length;
    return length;
}
