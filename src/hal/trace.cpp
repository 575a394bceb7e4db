// SPDX-License-Identifier: BSD-2-Clause
// The records of hal/trace.h: a ring, and lines of text made of it when they are shown.
#include "hal/trace.h"
#include <algorithm>
#include "hal/driver.h"

namespace hal {

constinit bool tracing = false;
constinit bool in_interrupt = false;

namespace {

struct Record {
    uint64_t us;
    union {
        const RegisterInfo* info;
        const char* what;  // dma
    };
    Caller caller;
    uint32_t value;    // of the register, or the memory's address, or the line
    uint32_t more;     // further accesses just like this one, or bytes of memory
    uint32_t last_us;  // the last of them, counted from us
    uint8_t owner;
    Access access;
};
constexpr size_t large = 2048, small = 512;  // records; early there is little memory

struct Owner {
    Text<16> name;
    bool traced = false;
};

constinit Text<16> wanted[8];  // "" is free
constinit Owner owners[32];    // whose accesses were seen
constinit unsigned owner_count = 0;
constinit Record* ring = nullptr;
constinit size_t capacity = 0;
// Counted from the beginning; first <= shown <= next.
constinit uint32_t first_kept = 0, shown = 0, next = 0, lost = 0;
constinit bool recording = false, showing = false;
constinit const Device* held_back = nullptr;  // attaching, and perhaps somebody's parent

const Device* find(const Device& from, std::string_view name)
{
    if (name == from.name()) return &from;
    for (const Device* child = from.first_child(); child; child = child->next_sibling()) {
        if (const Device* found = find(*child, name)) return found;
    }
    return nullptr;
}
const Device* find(std::string_view name) { return find(Device::root(), name); }

bool is_wanted(std::string_view owner)
{
    for (const auto& name : wanted) {
        if (name.empty()) continue;
        if (name.view() == owner) return true;
        if (name.view() == "all" && find(owner)) return true;
        for (const Device* d = find(name); d; d = d->parent()) {
            if (owner == d->name()) return true;
        }
    }
    return false;
}

void decide_anew()
{
    for (unsigned i = 0; i < owner_count; ++i) owners[i].traced = is_wanted(owners[i].name);
}

Owner* find_owner(std::string_view name)
{
    for (unsigned i = 0; i < owner_count; ++i) {
        if (owners[i].name.view() == name) return &owners[i];
    }
    if (owner_count == std::size(owners)) return nullptr;
    Owner& owner = owners[owner_count++];
    owner.name.append(name);
    owner.traced = is_wanted(name);
    return &owner;
}

bool has_ring()
{
    for (size_t records : {large, small}) {
        if (ring) break;
        ring = new (std::nothrow) Record[records];
        capacity = records;
    }
    return ring;
}

bool folds(const Record& a, const Record& b)  // a poll that sees the same again
{
    return b.access == Access::read && a.access == b.access && a.owner == b.owner &&
           a.info == b.info && a.caller == b.caller && a.value == b.value;
}

void append(const Record& record)
{
    if (next != shown) {
        Record& last = ring[(next - 1) % capacity];
        if (folds(last, record)) {
            ++last.more;
            last.last_us = static_cast<uint32_t>(record.us - last.us);
            return;
        }
    }
    if (next - first_kept == capacity) {
        ++first_kept;
        if (shown < first_kept) {
            shown = first_kept;
            ++lost;
        }
    }
    ring[next++ % capacity] = record;
}

void record(const char* owner, Record made)
{
    {
        InterruptsOff interrupts;
        // now_us() may access a timer, and what shows the records other devices.
        if (recording || (showing && !in_interrupt)) return;
        recording = true;
        Owner* known = find_owner(owner);
        if (known && (known->traced || (held_back && known->name.view() == held_back->name())) &&
            has_ring()) {
            made.us = now_us();
            made.owner = static_cast<uint8_t>(known - owners);
            append(made);
        }
        recording = false;
    }
    if (next - shown > capacity / 4 * 3) show_records();
}

}  // namespace

uint32_t trace_mark() { return next; }

void trace_forget(uint32_t mark)
{
    if (static_cast<int32_t>(mark - shown) >= 0 && static_cast<int32_t>(next - mark) > 0)
        next = mark;
}

namespace {

// ---- as text

void print_values(Text<256>& line, std::span<const ValueInfo> values, uint32_t value, bool capitals)
{
    for (const ValueInfo& v : values) {
        if (v.value != value) continue;
        line.append(' ');
        for (const char* c = v.name; *c; ++c)
            line.append(*c == '_'                            ? ' '
                        : capitals && *c >= 'a' && *c <= 'z' ? static_cast<char>(*c - 32)
                                                             : *c);
        return;
    }
    if (!capitals) line.print(" {}", value);
}

uint32_t mask_of(const FieldInfo& field)
{
    return static_cast<uint32_t>((~0ull >> (64 - field.width)) << field.low);
}

// Whether narrower fields say what this one does.
bool is_summary(const FieldInfo& field, std::span<const FieldInfo> among)
{
    return std::ranges::any_of(among, [&](const FieldInfo& other) {
        return other.width < field.width && (mask_of(other) & ~mask_of(field)) == 0;
    });
}

void print_fields(Text<256>& line, const RegisterInfo& info, uint32_t value)
{
    uint32_t unnamed = value;
    for (const FieldInfo& field : info.fields) {
        if (is_summary(field, info.fields)) continue;
        uint32_t mask = mask_of(field), in = (value & mask) >> field.low;
        unnamed &= ~mask;
        if (in == 0 && field.values.empty()) continue;
        line.print(" {}", field.name);
        if (field.width == 1 && field.values.empty()) continue;
        line.append(':');
        print_values(line, field.values, in, false);
    }
    if (unnamed && unnamed != value) line.print(" +0x{x}", unnamed);
}

void print_register(Text<256>& line, const Record& r)
{
    const RegisterInfo& info = *r.info;
    bool read = r.access == Access::read || r.access == Access::read_many;
    line.print("{-5}  {}", read ? "read" : "write", info.name);
    if (r.access == Access::read_many || r.access == Access::write_many) {
        line.print(", {} times", r.value);
        return;
    }
    if (info.bytes == 1) line.print(" = 0x{02x}", r.value);
    if (info.bytes == 2) line.print(" = 0x{04x}", r.value);
    if (info.bytes > 2) line.print(" = 0x{08x}", r.value);
    Text<256> meaning;
    print_values(meaning, info.values, r.value, true);
    print_fields(meaning, info, r.value);
    if (!meaning.empty()) line.print(":{}", meaning.view());
    if (r.more) line.print(", {} times in {} us", r.more + 1, r.last_us);
}

Text<256> line_of(const Record& r)
{
    Text<256> line;
    line.print("{-6} {10} us  ", owners[r.owner].name.view(), r.us);
    if (r.access == Access::interrupt || r.access == Access::end) {
        line.print("{-20}  line {}{}", "(interrupt)", r.value,
                   r.access == Access::end ? " acknowledged" : "");
        return line;
    }
    line.print("{-20}  ", r.caller);
    if (r.access == Access::dma)
        line.print("dma    {} = 0x{08x}, {} bytes", r.what, r.value, r.more);
    else
        print_register(line, r);
    return line;
}

}  // namespace

// ---- what is recorded

void record_access(const char* owner, const RegisterInfo& info, Access access, uint32_t value,
                   Caller caller)
{
    record(owner, {.info = &info, .caller = caller, .value = value, .access = access});
}

void record_dma(const char* owner, const char* what, uint32_t address, uint32_t bytes,
                Caller caller)
{
    record(
        owner,
        {.what = what, .caller = caller, .value = address, .more = bytes, .access = Access::dma});
}

void record_interrupt(const char* owner, Access access, unsigned line)
{
    record(owner, {.value = line, .access = access});
}

// ---- whose records

void AttachTrace::begin(const Device& device)
{
    bool unknown = std::ranges::any_of(wanted, [](const auto& name) {
        return !name.empty() && name.view() != "all" && !find(name);
    });
    decide_anew();
    if (!unknown && &device != &Device::root()) return;
    device_ = &device;
    outer_ = std::exchange(held_back, &device);
}

void AttachTrace::end()
{
    held_back = outer_;
    decide_anew();
    Owner* owner = find_owner(device_->name());
    if (!owner || owner->traced) return show_records();
    InterruptsOff interrupts;
    for (uint32_t i = first_kept; i != next; ++i) {
        Record& record = ring[i % capacity];
        if (&owners[record.owner] == owner) record.access = Access::none;
    }
}

static Text<16>* find_wanted(std::string_view name)
{
    for (auto& w : wanted) {
        if (w.view() == name) return &w;
    }
    return nullptr;
}

static Result<void> want(std::string_view name)
{
    if (name.empty() || find_wanted(name)) return {};
    Text<16>* place = find_wanted("");
    if (!place) return Error::no_memory;
    place->append(name);
    tracing = true;
    return {};
}

void start_trace(std::string_view names)
{
    while (!names.empty()) {
        std::string_view name = names.substr(0, names.find(','));
        names.remove_prefix(std::min(names.size(), name.size() + 1));
        if (!want(name)) log("trace: {} is too much: at most {} names", name, std::size(wanted));
    }
}

Result<void> set_trace(std::string_view device, bool on)
{
    if (!config_has_trace) return Error::unsupported;
    bool all = device == "all";
    if (on) {
        bool machines_own = device == "pit" || device == "pic" || device == "pci";
        if (!all && !machines_own && !find(device)) return Error::not_found;
        if (!has_ring()) return Error::no_memory;
        TRY(want(device));
    } else {
        Text<16>* place = device.empty() ? nullptr : find_wanted(device);
        if (!place && !all) return Error::not_found;
        show_records();
        if (place) place->clear();
        if (all) std::ranges::for_each(wanted, [](auto& name) { name.clear(); });
    }
    decide_anew();
    tracing = !traced_name(0).empty();
    return {};
}

std::string_view traced_name(unsigned index)
{
    for (const auto& name : wanted) {
        if (!name.empty() && index-- == 0) return name;
    }
    return "";
}

bool is_traced(std::string_view owner) { return tracing && is_wanted(owner); }

// ---- what is shown

static bool copy_record(uint32_t at, Record& to)
{
    InterruptsOff interrupts;
    if (at - first_kept >= next - first_kept) return false;
    to = ring[at % capacity];
    return true;
}

void show_records()
{
    if (showing || in_interrupt || held_back || recording || trace_must_wait()) return;
    showing = true;
    Record record;
    while (shown != next) {
        if (uint32_t missing = std::exchange(lost, 0)) {
            Text<64> line;
            trace_line(line.print("trace: {} records were lost here", missing), "");
        }
        if (!copy_record(shown++, record) || record.access == Access::none) continue;
        trace_line(line_of(record), owners[record.owner].name);
    }
    showing = false;
}

void show_kept_records(bool (*line)(std::string_view text, void* context), void* context)
{
    bool before = std::exchange(showing, true);
    Record record;
    for (uint32_t at = first_kept; copy_record(at, record); ++at) {
        if (record.access != Access::none && !line(line_of(record), context)) break;
    }
    showing = before;
}

}  // namespace hal

// For the host tests.
void reset_trace()
{
    using namespace hal;
    for (auto& name : wanted) name.clear();
    for (auto& owner : owners) owner = {};
    owner_count = 0;
    ring = nullptr;  // the heap of the machine before has it
    first_kept = shown = next = lost = 0;
    tracing = in_interrupt = recording = showing = false;
    held_back = nullptr;
}
