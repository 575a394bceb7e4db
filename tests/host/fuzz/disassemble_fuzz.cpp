// SPDX-License-Identifier: BSD-2-Clause
// disassemble() on any bytes, all of them one instruction after another.
#include <algorithm>
#include <cstdlib>
#include <vector>
#include "debug/disassemble.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size)
{
    for (size_t at = 0; at < size;) {
        // A copy of its own, so that a look beyond what there is shows.
        std::vector<uint8_t> bytes(data + at, data + size);
        bytes.shrink_to_fit();
        debug::Instruction found = debug::disassemble(0x1000, bytes);
        if (found.length < 1 || found.length > std::min<size_t>(bytes.size(), 15)) abort();
        if (found.text.empty() || found.text.size() == found.text.capacity()) abort();
        for (char c : found.text.view()) {
            if (c < ' ' || c > '~') abort();
        }
        if (bytes.size() > 15) {  // what follows does not matter
            bytes.resize(15);
            debug::Instruction again = debug::disassemble(0x1000, bytes);
            if (again.length != found.length || again.text.view() != found.text.view()) abort();
        }
        at += found.length;
    }
    return 0;
}
