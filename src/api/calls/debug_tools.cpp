// SPDX-License-Identifier: BSD-2-Clause
// To look at what runs, and to stop it.
#include <algorithm>
#include "api/call.h"
#include "arch/heap.h"
#include "arch/machine.h"
#include "arch/paging.h"
#include "console/input.h"
#include "debug/breakpoint.h"
#include "debug/report.h"
#include "debug/stop.h"
#include "fs/volumes.h"
#include "hal/dma.h"
#include "hal/trace.h"

namespace {

constinit uint32_t set_breakpoints = 0;  // by the payload: a bit for each

void remove_breakpoints()
{
    for (int i = 0; i < debug::breakpoints; ++i) {
        if (set_breakpoints >> i & 1) (void)debug::clear_breakpoint(i);  // the operator may have
    }
    set_breakpoints = 0;
}

void stop_tracing() { (void)hal::set_trace("all", false); }

// What is counted elsewhere, under names of this file.
struct Source {
    const char* name;
    uint64_t (*value)();
};
uint64_t of_caches(uint64_t BlockCache::Counts::*count)
{
    uint64_t sum = 0;
    for (fs::Volume* volume = fs::first_volume(); volume; volume = volume->next)
        sum += volume->cache ? volume->cache->counts().*count : 0;
    return sum;
}

constexpr Source sources[] = {
    {"spurious interrupts", [] { return uint64_t{pic::spurious_interrupts()}; }},
    {"key events lost", [] { return uint64_t{input::lost().keys}; }},
    {"pointer events lost", [] { return uint64_t{input::lost().pointers}; }},
    {"kernel memory, bytes used", [] { return uint64_t{heap::usage().used}; }},
    {"kernel memory, bytes at most", [] { return uint64_t{heap::usage().most_used}; }},
    {"bytes bounced", [] { return hal::bytes_bounced; }},
    {"cache hits", [] { return of_caches(&BlockCache::Counts::hits); }},
    {"cache misses", [] { return of_caches(&BlockCache::Counts::misses); }},
    {"cache lines read ahead", [] { return of_caches(&BlockCache::Counts::read_ahead); }},
    {"cache lines written", [] { return of_caches(&BlockCache::Counts::written); }},
};
constexpr uint32_t lines = 16;

}  // namespace

int api_debug_enter()
{
    debug::enter();
    return 0;
}

int api_debug_dump(const void* address, uint32_t bytes)
{
    constexpr uint32_t most = 65536;
    if (bytes > most) return VESPER_INVALID;
    auto from = static_cast<const uint8_t*>(address);
    while (bytes) {
        uint32_t row = std::min<uint32_t>(bytes, 16);
        auto at = address_of(from);
        if (!paging::readable(at, row)) return VESPER_NOT_FOUND;
        monitor::print_row(at, {from, row}, 1);
        from += row;
        bytes -= row;
    }
    return 0;
}

// The handler's frame is the first, the gate's the second: that returns into the payload.
int api_debug_backtrace(uint32_t* into, uint32_t most)
{
    struct Frame {
        const Frame* caller;
        uint32_t returns_to;
    };
    auto frame = static_cast<const Frame*>(__builtin_frame_address(0))->caller;
    uint32_t count = 0;
    while (count < most && address_of(frame) &&
           paging::readable(address_of(frame), sizeof *frame) && frame->returns_to) {
        into[count++] = frame->returns_to;
        // From the second on, callers are higher on the same stack.
        if (count > 1 && address_of(frame->caller) <= address_of(frame)) break;
        frame = frame->caller;
    }
    return static_cast<int>(count);
}

int api_debug_symbol(uint32_t address, char* into, uint32_t bytes)
{
    debug::SymbolText name = debug::symbol_at(address);
    if (name.empty()) return VESPER_NOT_FOUND;
    if (bytes == 0) return VESPER_INVALID;
    uint32_t length = std::min<uint32_t>(static_cast<uint32_t>(name.size()), bytes - 1);
    memcpy(into, name.c_str(), length);
    into[length] = 0;
    return static_cast<int>(length);
}

int api_debug_trace(const char* device, uint32_t on)
{
    if (on) api::at_end(stop_tracing);
    return code(hal::set_trace(device, on));
}

int api_debug_break_at(const void* address, uint32_t access, uint32_t bytes)
{
    if (access > VESPER_ACCESSED || access == 2) return VESPER_INVALID;
    auto at = address_of(address);
    auto set = debug::set_breakpoint(at, static_cast<debug::Access>(access), bytes);
    if (!set) return code(set);
    set_breakpoints |= 1u << set.value();
    api::at_end(remove_breakpoints);
    return set.value();
}

int api_debug_remove_break(int breakpoint)
{
    auto number = static_cast<uint32_t>(breakpoint);
    if (number >= debug::breakpoints || !(set_breakpoints >> number & 1)) return VESPER_NOT_FOUND;
    set_breakpoints &= ~(1u << number);
    return code(debug::clear_breakpoint(breakpoint));
}

int api_debug_counter(uint32_t index, vesper_counter* counter)
{
    if (index >= lines + std::size(sources)) return VESPER_NOT_FOUND;
    if (index < lines) {
        Text<32> name;
        name.print("interrupts of line {}", index);
        copy_text(counter->name, name);
        counter->value = pic::state_of(index).interrupts;
        return 0;
    }
    const Source& source = sources[index - lines];
    copy_text(counter->name, source.name);
    counter->value = source.value();
    return 0;
}
