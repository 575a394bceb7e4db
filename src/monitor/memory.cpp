// SPDX-License-Identifier: BSD-2-Clause
// mem, peek, poke.
#include <algorithm>
#include <cstring>
#include "arch/heap.h"
#include "arch/machine.h"
#include "arch/paging.h"
#include "monitor/command.h"

extern "C" uint8_t kernel_start[], kernel_end[];

namespace monitor {

namespace {

constexpr size_t row_bytes = 16;

const char* type_text(MemoryRange::Type type)
{
    switch (type) {
    case MemoryRange::Type::ram: return "RAM";
    case MemoryRange::Type::acpi: return "ACPI tables";
    case MemoryRange::Type::nvs: return "ACPI NVS";
    case MemoryRange::Type::unusable: return "unusable";
    case MemoryRange::Type::reserved: break;
    }
    return "reserved";
}

void print_range(uint64_t start, uint64_t end, std::string_view what)
{
    print("0x{08x} - 0x{08x} {10} KiB  {}\n", start, end - 1, (end - start) >> 10, what);
}

hal::Window memory_at(uint32_t address)
{
    hal::Window window;
    window.kind = hal::Window::Kind::memory;
    window.base = address;
    return window;
}

Result<void> check_mapped(const Call& call, uint32_t address, size_t bytes)
{
    if (paging::readable(address, bytes)) return {};
    return call.fail(Error::invalid, "nothing is mapped at 0x{08x}", address);
}

}  // namespace

Result<void> mem(Call& call)
{
    TRY(call.end());
    const BootInfo& info = call.info();
    print("Physical memory, as {} has it:\n", info.protocol);
    for (const MemoryRange& range : info.memory())
        print_range(range.start, range.end(), type_text(range.type));
    print("Addresses:\n");
    print_range(reinterpret_cast<uintptr_t>(kernel_start), reinterpret_cast<uintptr_t>(kernel_end),
                "kernel");
    auto [start, image_end, end] = payload_range;
    if (end) print_range(start, end, "the payload's");
    for (size_t i = 0; i < info.module_count; ++i) {
        const BootModule& module = info.modules[i];
        print("module {} at 0x{08x}, {} bytes\n", module.name.view(), module.start, module.bytes);
    }
    if (image_end > start) print("payload: {} bytes loaded\n", image_end - start);
    auto [total, used, most_used] = heap::usage();
    print("heap: {} of {} KiB in use, {} KiB at most so far\n", used >> 10, total >> 10,
          most_used >> 10);
    return {};
}

Result<void> peek(Call& call)
{
    unsigned width = call.width();
    uint32_t address = TRY(call.number("ADDRESS"));
    uint32_t count = TRY(call.number_or(64 / width, "COUNT"));
    TRY(call.end());
    uint64_t end = std::min(address + static_cast<uint64_t>(count) * width, 1ull << 32);
    for (uint64_t at = address; at < end; at += row_bytes) {
        uint8_t row[row_bytes] = {};
        auto start = static_cast<uint32_t>(at);
        auto bytes = static_cast<size_t>(std::min<uint64_t>(row_bytes, end - at));
        TRY(check_mapped(call, start, bytes));
        for (size_t i = 0; i + width <= bytes; i += width) {
            uint32_t value = load(memory_at(start + i), width);
            memcpy(row + i, &value, width);
        }
        print_row(start, {row, bytes}, width);
        if (call.stopped()) break;
    }
    return {};
}

Result<void> poke(Call& call)
{
    unsigned width = call.width();
    uint32_t address = TRY(call.number("ADDRESS"));
    do {
        uint32_t value = TRY(call.number("VALUE", ~0u >> (32 - width * 8)));
        TRY(check_mapped(call, address, width));
        store(memory_at(address), width, value);
        address += width;
    } while (!call.rest().empty());
    return {};
}

}  // namespace monitor
