// SPDX-License-Identifier: BSD-2-Clause
// Tracing of drivers: each access to a traced device's registers, the memory that it is given and
// its interrupts are recorded, in the data sheet's words. Registers, Device and the interrupt
// controller call what is here; a driver only has to name the memory that its device is given.
//
// The records are kept in a ring, and are shown when nothing is under way that this could disturb:
// after console output, when somebody looks for a key, or when the ring is getting full. None is
// shown out of order; what was overwritten before that is counted and said.
#pragma once
#include <cstdint>
#include <span>
#include <string_view>
#include "hal/result.h"

extern const bool config_has_trace;  // `tool trace` in the configuration; without it this is empty

class Device;

namespace hal {

struct ValueInfo {
    std::uint32_t value;
    const char* name;
};
struct FieldInfo {
    const char* name;
    std::uint8_t low, width;
    std::span<const ValueInfo> values;
};
struct RegisterInfo {
    const char* name;
    std::uint8_t bytes;
    std::span<const ValueInfo> values;
    std::span<const FieldInfo> fields;  // the highest first
};
enum class Access : std::uint8_t { read, write, read_many, write_many, dma, interrupt, end, none };

// A driver's function, as __builtin_FUNCTION() names it: the default of the calls that take one.
using Caller = const char*;

extern bool tracing;       // some device is traced
extern bool in_interrupt;  // kept only if config_has_trace

// `owner` is a Window's; value is the register's, or for ..._many the number of accesses.
void record_access(const char* owner, const RegisterInfo& info, Access access, std::uint32_t value,
                   Caller caller);
void record_dma(const char* owner, const char* what, std::uint32_t address, std::uint32_t bytes,
                Caller caller);
void record_interrupt(const char* owner, Access access, unsigned line);

// What the driver of `owner` tells its device about memory: `what` is the data sheet's word.
[[gnu::always_inline]] inline void trace_dma(const char* owner, const char* what,
                                             std::uint32_t address, std::uint32_t bytes,
                                             Caller caller = __builtin_FUNCTION())
{
    if (config_has_trace && tracing) [[unlikely]]
        record_dma(owner, what, address, bytes, caller);
}
[[gnu::always_inline]] inline void trace_interrupt(const char* owner, Access access, unsigned line)
{
    if (config_has_trace && tracing) [[unlikely]]
        record_interrupt(owner, access, line);
}

// While a device is being attached. A name like wd0 may be that of a device behind it, which nobody
// knows yet: its records are kept back until attach() is through, and dropped if it is not. Of the
// root device: nothing is shown before all consoles are there.
class AttachTrace {
public:
    explicit AttachTrace(const Device& device)
    {
        if (config_has_trace && tracing) begin(device);
    }
    ~AttachTrace()
    {
        if (config_has_trace && device_) end();
    }
    AttachTrace(const AttachTrace&) = delete;

private:
    void begin(const Device& device);
    void end();
    const Device *device_ = nullptr, *outer_ = nullptr;
};

// `trace=wd0,com0`, before there are any devices. "all" is every device of the tree; pic, pit and
// pci are the machine's own.
void start_trace(std::string_view names);
// The same for a device that is there; also one behind the device whose registers are accessed:
// wd0 is ide0, and so on. Off takes back what was switched on, by the same name; "all": everything.
// Errors: not_found (no such device; it was not on), no_memory, unsupported (no `tool trace`).
Result<void> set_trace(std::string_view device, bool on);
// Those that are on, in order; "" behind the last.
std::string_view traced_name(unsigned index);
// Whether the registers that belong to `owner` are traced.
bool is_traced(std::string_view owner);

// A look that found nothing is not worth a record: trace_forget() takes back what was recorded
// since trace_mark(), if it has not been shown. With interrupts off.
std::uint32_t trace_mark();
void trace_forget(std::uint32_t mark);

// Shows what has not been shown, by trace_line(), unless it has to wait.
void show_records();
[[gnu::always_inline]] inline void show_trace()
{
    if (config_has_trace && tracing) [[unlikely]]
        show_records();
}
// All records that are kept, shown before or not; false from `line` ends it.
void show_kept_records(bool (*line)(std::string_view text, void* context), void* context);

// Supplied by the console: a line for all outputs but the one that it is about, if it is about one,
// and whether that would come in between something else there.
void trace_line(std::string_view line, std::string_view about);
bool trace_must_wait();

}  // namespace hal
