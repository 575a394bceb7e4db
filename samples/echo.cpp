// SPDX-License-Identifier: BSD-2-Clause
// echo - prints X, waits for a key, prints it, and returns its code to the monitor.
//
//   ./vesper run samples/echo.cpp
#include "vesper.hpp"

int main(struct vesper* v)
{
    vsp::api = v;
    vsp::write("X");
    auto key = vsp::key();
    if (!key) {
        vsp::write(key.error().text());
        return key.error().code;
    }
    v->emit(*key);  // of a key's code it looks at the low 8 bits
    return *key;
}
