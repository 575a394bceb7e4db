// SPDX-License-Identifier: BSD-2-Clause
// Both forms of symbols from any bytes: a table of the kernel's, and a file beside a payload.
#include <cstdlib>
#include <vector>
#include "debug/symbol_table.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size)
{
    std::vector<uint8_t> table(data, data + size);  // its end is the end of its memory
    for (size_t i = 0; i < 4 && i < size; ++i) table[i] = uint8_t("VSYM"[i]);
    for (uint32_t address : {0u, 0x1000u, 0xc0100000u, ~0u})
        (void)debug::find_in_table(table, address);

    std::vector<char> copy(data, data + size);
    std::string_view text(copy.data(), copy.size());
    unsigned line = 0;
    if (!debug::check_symbol_file(text, line)) return 0;
    for (uint32_t address : {0u, 0x1000u, 0xc0430000u, ~0u}) {
        debug::SymbolText found = debug::find_in_file(text, address);
        for (char c : found.view()) {
            if (c <= ' ' || c > '~') abort();
        }
    }
    return 0;
}
