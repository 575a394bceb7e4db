// SPDX-License-Identifier: BSD-2-Clause
// Names by address, from the two forms in which they come; both are checked.
#pragma once
#include <cstdint>
#include <span>
#include "hal/result.h"
#include "lib/format.h"

namespace debug {

using SymbolText = Text<80>;

// The size of the table of the kernel's functions that begins here; 0 if there is none.
size_t table_bytes(const uint8_t* header);

// The table of the kernel's functions; workbench/symbols.py makes it, and describes it.
// "AtaDisk::read_blocks+0x1c"; empty if the address is in no function, or the table is damaged.
SymbolText find_in_table(std::span<const uint8_t> table, uint32_t address);

// What `nm -n` prints: lines "c0430000 T start" or "c0430000 start" in the order of addresses.
// Errors: corrupt (a line that is none of them, or out of order); then `line` is its number.
Result<void> check_symbol_file(std::string_view text, unsigned& line);
// The last symbol at or before the address; empty if there is none within 64 KiB. The text has
// been checked.
SymbolText find_in_file(std::string_view text, uint32_t address);

}  // namespace debug
