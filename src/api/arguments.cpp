// SPDX-License-Identifier: BSD-2-Clause
// Looks at the pointers among a call's arguments. workbench/gates.py says which word is what.
#include "api/arguments.h"
#include "arch/heap.h"
#include "arch/machine.h"
#include "arch/paging.h"

extern "C" {
extern uint8_t kernel_start[], payload_stack_guard[], payload_stack_top[];
bool arguments_are_valid(const uint32_t* argument, const uint8_t* kind);
}

namespace {

enum Kind : uint8_t {
    end,
    word,
    text,                   // ends with a NUL, within most_text
    hook,                   // a function of the payload's, in RAM
    result,                 // followed by how many words are written
    given,                  // followed by how many are read
    buffer,                 // followed by the size of an element; the next argument says how many
    source,                 // likewise, read
    source_counted_before,  // the argument before says how many
};
constexpr uint32_t page_bytes = 4096, most_text = 4096;

bool lies_in(uint32_t start, uint64_t bytes, uint32_t first, uint32_t behind)
{
    return start >= first && start < behind && bytes <= behind - start;
}

bool is_payloads(uint32_t start, uint64_t bytes)
{
    return lies_in(start, bytes, payload_range.start, payload_range.end) ||
           lies_in(start, bytes, address_of(payload_stack_guard) + page_bytes,
                   address_of(payload_stack_top));
}

bool is_kernels(uint32_t physical)
{
    uint32_t address = physical + paging::high_map;
    if (is_payloads(address, 1)) return false;
    return lies_in(address, 1, address_of(kernel_start), payload_range.start) ||
           heap::contains(physical);
}

[[gnu::noinline]] bool can_be_written(uint32_t start, uint64_t bytes)
{
    if (is_payloads(start, bytes) || bytes == 0) return true;
    if (start + bytes > 1ull << 32) return false;
    if (api::was_given && api::was_given(start, static_cast<uint32_t>(bytes))) return true;
    for (uint64_t page = start & ~(page_bytes - 1); page < start + bytes; page += page_bytes) {
        auto address = static_cast<uint32_t>(page);
        uint32_t physical = 0;
        if (!paging::writable(address, 1) || !paging::physical_of(address, physical) ||
            is_kernels(physical))
            return false;
    }
    return true;
}

[[gnu::noinline]] bool can_be_read(uint32_t start, uint64_t bytes)
{
    return is_payloads(start, bytes) || bytes == 0 ||
           (start + bytes <= 1ull << 32 && paging::readable(start, static_cast<size_t>(bytes)));
}

bool is_code(uint32_t address)
{
    uint32_t physical = 0;
    return can_be_written(address, 1) && paging::physical_of(address, physical) &&
           paging::is_ram(physical);
}

bool is_text(uint32_t start)
{
    for (uint32_t address = start; address - start < most_text; ++address) {
        bool new_page = address == start || address % page_bytes == 0;
        if (new_page && !paging::readable(address, 1)) return false;
        if (!*reinterpret_cast<const char*>(address)) return true;
    }
    return false;
}

}  // namespace

namespace api {

constinit Question was_given = nullptr;

bool may_write(const void* start, uint64_t bytes)
{
    return can_be_written(address_of(start), bytes);
}

bool may_read(const void* start, uint64_t bytes) { return can_be_read(address_of(start), bytes); }

}  // namespace api

bool arguments_are_valid(const uint32_t* argument, const uint8_t* kind)
{
    for (;; ++argument) {
        uint32_t at = *argument, count = sizeof(uint32_t);
        bool is_written = false;
        switch (*kind++) {
        case word: continue;
        case text:
            if (!is_text(at)) return false;
            continue;
        case hook:
            if (!is_code(at)) return false;
            continue;
        case result: is_written = true; break;
        case given: break;
        case buffer: is_written = true; [[fallthrough]];
        case source: count = argument[1]; break;
        case source_counted_before: count = argument[-1]; break;
        default: return true;
        }
        uint64_t bytes = uint64_t{count} * *kind++;
        if (lies_in(at, bytes, payload_range.start, payload_range.end)) continue;  // nearly all
        if (!(is_written ? can_be_written(at, bytes) : can_be_read(at, bytes))) return false;
    }
}
