// SPDX-License-Identifier: BSD-2-Clause
// What is said about a fault, on every console.
#pragma once
#include <cstdint>
#include <string_view>
#include "debug/symbol_table.h"
#include "lib/format.h"

struct TrapFrame;

namespace debug {

// Logs the exception, its cause as far as it can be known, the registers, the instruction and the
// callers.
void report(const TrapFrame& frame);

// Its parts. "*** step at 0xc0430010 ...", and the instruction that comes next.
void report_place(std::string_view what, const TrapFrame& frame);
void report_registers(const TrapFrame& frame);
void report_backtrace(const TrapFrame& frame);

// "0xc0430010 (/kexec + 0x10: draw+0x4)", with what is known of it.
Text<160> place_of(uint32_t address);

// What an address belongs to: "the null page", "not mapped"; "device memory of " and "vga0".
struct Place {
    const char* what;
    const char* whose = "";
};
Place explain(uint32_t address);

// One line for what is executed, and for each caller: as the frame pointers have it, or else as
// the stack looks.
void backtrace(const TrapFrame& frame, void (*say)(std::string_view line));

// "AtaDisk::read_blocks+0x1c"; empty if there is no name for it.
SymbolText symbol_at(uint32_t address);

// Takes the names in PATH.sym for those of the payload's functions, if there is such a file.
void load_payload_symbols(std::string_view path);
// Takes the names in the text of such a file, which is copied.
void take_payload_symbols(std::string_view text);
// The payload is another now: those names are forgotten.
void forget_payload_symbols();

// The payload is called (true), or has ended or is about to restart the machine on purpose (false).
void payload_runs(bool runs);

// What other parts of the kernel add to this; null where they are not linked.
struct Symbols {
    SymbolText (*at)(uint32_t address);
    Place (*place)(uint32_t address);  // which can be read
    void (*load)(std::string_view path);
    void (*take)(std::string_view text);
    void (*forget)();
};
struct Recorder {
    void (*reported)();
    void (*payload_runs)(bool runs);
};
extern constinit const Symbols* symbols;
extern constinit const Recorder* recorder;

}  // namespace debug
