// SPDX-License-Identifier: BSD-2-Clause
// What went wrong survives a restart: the report of a fault, or the last lines of the log if the
// machine restarted under the payload, in a page of RAM that is nobody's: between the kernel, which
// ends below 4 MiB, and the payload. It is there after a reset by SeaBIOS under QEMU, with the
// kernel loaded by QEMU and by GRUB. A BIOS that clears or tests all memory takes it away.
#include "arch/machine.h"
#include "arch/paging.h"
#include "debug/record.h"
#include "debug/report.h"
#include "debug/tool.h"
#include "vesper.h"

namespace debug {

namespace {

constexpr uint32_t page_bytes = 4096;
constexpr uint32_t page = VESPER_KEXECADDR - paging::high_map - page_bytes;

constinit Text<page_bytes> last_report;
constinit Record::Kind last_kind = {};

std::span<char> memory() { return {reinterpret_cast<char*>(page), page_bytes}; }

// A loader may have put a module there, and it need not be RAM.
bool is_free(const BootInfo& info)
{
    for (size_t i = 0; i < info.module_count; ++i) {
        const BootModule& module = info.modules[i];
        if (module.start < page + page_bytes && module.start + module.bytes > page) return false;
    }
    return info.ram_end(page) >= page + page_bytes;
}

void show()
{
    monitor::print("{}\n", last_kind == Record::Kind::fault
                               ? "The report of the last run, before the restart:"
                               : "The machine restarted while the payload ran, without a report. "
                                 "What was said last:");
    for (std::string_view rest = last_report; !rest.empty();) {
        std::string_view line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(rest.size(), line.size() + 1));
        monitor::print("| ");
        monitor::print_text(line);
        monitor::print("\n");
    }
}

Result<void> crash(monitor::Call& call)
{
    TRY(call.end());
    if (last_report.empty())
        return call.fail(Error::not_found, "nothing is known of a fault before this start");
    show();
    return {};
}

void write(Record::Kind kind)
{
    auto [older, newer] = console::log_text();
    write_record(memory(), kind, older, newer);
}

void reported() { write(Record::Kind::fault); }

void runs(bool yes)
{
    if (yes) return write(Record::Kind::running);
    auto record = read_record(memory());
    if (record && record.value().kind == Record::Kind::running) clear_record(memory());
}

constexpr Recorder functions = {reported, runs};

void start(const BootInfo& info)
{
    if (!is_free(info)) return;
    recorder = &functions;
    auto record = read_record(memory());
    if (!record) return;
    last_kind = record.value().kind;
    last_report.append(record.value().text);
    clear_record(memory());
    console::begin_anew();
    show();  // not into the log: the next record shall not repeat it
}

constexpr monitor::Command commands[] = {
    {"crash", "", "what went wrong before the machine restarted", crash,
     "The fault's report, if it is still in memory: it is after a reset, not after switching off."},
};

}  // namespace

}  // namespace debug

extern const debug::Tool crash_record_tool = {"crash_record", debug::start, debug::commands};
