// SPDX-License-Identifier: BSD-2-Clause
// The disassembler for reports and the monitor: disas.
#include "debug/disassemble.h"
#include "arch/paging.h"
#include "arch/trap.h"
#include "debug/report.h"
#include "debug/stop.h"
#include "debug/tool.h"

namespace debug {

namespace {

// The bytes at an address, as far as they can be read.
std::span<const uint8_t> bytes_at(uint32_t address)
{
    size_t count = 0;
    while (count < 15 && address + count >= address && paging::readable(address + count, 1))
        ++count;
    return {reinterpret_cast<const uint8_t*>(address), count};
}

Instruction disassemble_at(uint32_t address) { return disassemble(address, bytes_at(address)); }

void print_instruction(uint32_t address, const Instruction& instruction)
{
    Text<48> bytes;
    for (uint8_t byte : bytes_at(address).first(instruction.length)) bytes.print("{02x} ", byte);
    monitor::print("{08x}  {-24} {}\n", address, bytes.view(), instruction.text.view());
}

Result<void> disas(monitor::Call& call)
{
    const TrapFrame* frame = frame_to_show();
    uint32_t address = TRY(call.number_or(frame ? frame->eip : 0, "ADDRESS"));
    uint32_t count = TRY(call.number_or(10, "COUNT"));
    TRY(call.end());
    for (bool is_first = true; count--; is_first = false) {
        Instruction instruction = disassemble_at(address);
        if (instruction.length == 0)
            return call.fail(Error::invalid, "nothing is mapped at 0x{08x}", address);
        SymbolText symbol = symbol_at(address);
        if (!symbol.empty() && (is_first || symbol.view().ends_with("+0x0")))
            monitor::print("{}:\n", symbol.view());
        print_instruction(address, instruction);
        address += instruction.length;
        if (call.stopped()) break;
    }
    return {};
}

constexpr monitor::Command commands[] = {
    {"disas", "[ADDRESS [COUNT]]", "memory, as instructions", disas,
     "Without ADDRESS: from where it stands still, or the last fault was. Without COUNT: 10 of "
     "them."},
};

void start(const BootInfo&) { instruction_at = disassemble_at; }

}  // namespace

}  // namespace debug

extern const debug::Tool disassemble_tool = {"disassemble", debug::start, debug::commands};
