// SPDX-License-Identifier: BSD-2-Clause
// A piece of memory that outlives a restart: what it says, and whether it is to be believed.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include "hal/result.h"

namespace debug {

struct Record {
    enum class Kind : uint32_t {
        running = 1,  // the payload was; whoever reads this after a restart knows how that ended
        fault,        // the text ends with the report of one
    };
    Kind kind;
    std::string_view text;  // whole lines, in the memory of the record
};

// Keeps the end of the log, whose two parts follow one another: of a fault its report and the 8
// lines before it, otherwise the last 12 lines; less if the memory is too small.
void write_record(std::span<char> memory, Record::Kind kind, std::string_view older,
                  std::string_view newer);

// Errors: not_found (there is none, or it is damaged).
Result<Record> read_record(std::span<const char> memory);

void clear_record(std::span<char> memory);

}  // namespace debug
