// SPDX-License-Identifier: BSD-2-Clause
// keys - names each key that is typed, and at the end, Escape, all of them: C++ with the C library.
//
//   ./vesper run samples/keys.cpp
//
// The headers of the standard library that are only templates can be used; what they need comes
// from the C library. `vesper`, the kernel's struct, is there beside it.
#include <cstdio>
#include <string>
#include <vector>

#include "vesper.h"

extern "C" vesper* vesper;

static std::string name_of(int key)
{
    if (key > 32 && key < 127) return std::string(1, static_cast<char>(key));
    if (key > 0 && key < 27) return std::string("Control-") + static_cast<char>('@' + key);
    char number[16];
    std::snprintf(number, sizeof number, "0x%x", key);
    return number;
}

int main()
{
    constexpr int escape = 27;
    std::vector<std::string> names;

    std::puts("X");
    for (int key; (key = vesper->key()) != escape;) {
        names.push_back(name_of(key));
        std::puts(names.back().c_str());
    }
    for (const std::string& name : names) std::printf("%s ", name.c_str());
    std::puts("were typed.");
}
