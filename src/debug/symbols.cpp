// SPDX-License-Identifier: BSD-2-Clause
// The names of functions and of memory, for reports: the kernel's lie behind it, where
// workbench/symbols.py has put them; the payload's come from a file beside it.
#include <cstring>
#include "arch/machine.h"
#include "arch/paging.h"
#include "debug/report.h"
#include "debug/tool.h"
#include "fs/volumes.h"
#include "lib/heap.h"

extern "C" const uint8_t kernel_start[], kernel_text_end[], kernel_end[], kernel_symbols[];

namespace debug {

namespace {

constexpr uint32_t largest_file = 1 << 20;

constinit std::byte* file_text = nullptr;
constinit size_t file_bytes = 0;

SymbolText name_at(uint32_t address)
{
    if (address >= payload_range.start && address < payload_range.end)
        return find_in_file({reinterpret_cast<const char*>(file_text), file_bytes}, address);
    return find_in_table({kernel_symbols, table_bytes(kernel_symbols)}, address);
}

void forget()
{
    delete[] file_text;
    file_text = nullptr;
    file_bytes = 0;
}

// `line` is that of an error in the text, else 0.
Result<void> take(Buffer text, unsigned& line)
{
    TRY(check_symbol_file({reinterpret_cast<const char*>(text.data()), text.size()}, line));
    file_bytes = text.size();
    file_text = text.release();
    return {};
}

Result<void> read_file(fs::Node& file, unsigned& line)
{
    if (file.type != fs::NodeType::file) return Error::is_directory;
    if (file.size > largest_file) return Error::too_large;
    auto bytes = static_cast<size_t>(file.size);
    Buffer text = TRY(Buffer::of(bytes));
    if (TRY(file.read(0, text.span())) != bytes) return Error::corrupt;
    return take(std::move(text), line);
}

Result<void> copy_text(std::string_view from, unsigned& line)
{
    if (from.size() > largest_file) return Error::too_large;
    Buffer text = TRY(Buffer::of(from.size()));
    memcpy(text.data(), from.data(), from.size());
    return take(std::move(text), line);
}

void say_failure(std::string_view name, Error error, unsigned line)
{
    if (line)
        hal::log("{}: ignored: line {} is no symbol, or out of order", name, line);
    else
        hal::log("{}: ignored: {}", name, error_text(error));
}

void load(std::string_view path)
{
    forget();
    Text<fs::max_name> name(path);
    name.append(".sym");
    auto found = fs::look_up(name);
    if (!found) return;  // few payloads have one
    unsigned line = 0;
    auto read = read_file(*found.value().node, line);
    if (!read) say_failure(name, read.error(), line);
}

void take(std::string_view text)
{
    forget();
    unsigned line = 0;
    auto copied = copy_text(text, line);
    if (!copied) say_failure("the payload's symbols", copied.error(), line);
}

Place place(uint32_t address)
{
    uint32_t physical;
    if (!paging::physical_of(address, physical)) return {"not mapped"};
    if (const char* device = paging::device_at(physical)) return {"device memory of ", device};
    if (!paging::is_ram(physical)) return {"neither RAM nor a driver's"};
    uint32_t high = physical < paging::high_map_bytes ? physical + paging::high_map : ~0u;
    auto in = [high](const uint8_t* from, const uint8_t* to) {
        return high >= reinterpret_cast<uintptr_t>(from) && high < reinterpret_cast<uintptr_t>(to);
    };
    if (in(kernel_start, kernel_text_end)) return {"the kernel's code"};
    if (in(kernel_start, kernel_end)) return {"the kernel's data"};
    if (high >= payload_range.end) return {"beyond arena_end"};
    if (high >= payload_range.image_end) return {"the payload's memory"};
    return {high >= payload_range.start ? "/kexec itself" : "RAM below the payload"};
}

constexpr Symbols functions = {name_at, place, load, take, forget};

void start(const BootInfo&) { symbols = &functions; }

}  // namespace

}  // namespace debug

extern const debug::Tool symbols_tool = {"symbols", debug::start};
