// SPDX-License-Identifier: BSD-2-Clause
#include "debug/report.h"
#include "arch/machine.h"
#include "arch/paging.h"
#include "arch/trap.h"
#include "debug/disassemble.h"
#include "hal/log.h"
#include "lib/bytes.h"

extern "C" uint8_t kernel_start[], kernel_text_end[], payload_stack_guard[], boot_stack_guard[];

namespace {

constexpr const char* names[] = {"divide error",
                                 "debug exception",
                                 "non-maskable interrupt",
                                 "breakpoint",
                                 "overflow",
                                 "bound range exceeded",
                                 "invalid opcode",
                                 "no coprocessor",
                                 "double fault",
                                 "coprocessor overrun",
                                 "invalid task state",
                                 "segment not present",
                                 "stack fault",
                                 "general protection fault",
                                 "page fault",
                                 "exception 15",
                                 "floating-point error",
                                 "alignment check",
                                 "machine check",
                                 "SIMD floating-point error"};
constexpr unsigned page_fault = 14, double_fault = 8;

uint32_t word_at(uint32_t address) { return le32(reinterpret_cast<const void*>(address)); }

bool in_guard(uint32_t address, const uint8_t* guard)
{
    return address - address_of(guard) < 4096 ||
           address - (address_of(guard) - paging::high_map) < 4096;
}

bool in_payload(uint32_t address)
{
    return address >= payload_range.start && address < payload_range.image_end;
}

bool in_kernel(uint32_t address)
{
    return address >= address_of(kernel_start) && address < address_of(kernel_text_end);
}

void report_code(uint32_t address)
{
    Text<96> text;
    for (uint32_t i = 0; i < 16 && paging::readable(address + i, 1); ++i)
        text.print(" {02x}", *reinterpret_cast<const uint8_t*>(address + i));
    if (text.empty()) text.append(" cannot be read");
    hal::log("  code:{}", text.view());
}

// Whether a call ends just before this address, which a return address would point to.
bool follows_call(uint32_t address)
{
    // A call that ends the image returns to just behind it.
    if (!in_payload(address - 1) && !in_kernel(address - 1)) return false;
    auto code = reinterpret_cast<const uint8_t*>(address);
    if (paging::readable(address - 5, 5) && code[-5] == 0xe8) return true;
    for (int bytes = 2; bytes <= 7; ++bytes) {  // ff /2, with up to 5 bytes behind the ModRM byte
        if (paging::readable(address - 7, 7) && code[-bytes] == 0xff &&
            (code[1 - bytes] & 0x38) == 0x10)
            return true;
    }
    return false;
}

// What ebp points to in a function that has set it up.
bool is_frame(uint32_t ebp) { return paging::readable(ebp, 8) && follows_call(word_at(ebp + 4)); }

using Say = void (*)(std::string_view line);

void say_place(Say say, std::string_view format, uint32_t address)
{
    say(Text<192>().print(format, debug::place_of(address).view()));
}

// Of the words on the stack from esp on, those that look like return addresses.
void say_likely_callers(uint32_t esp, unsigned words, Say say)
{
    int found = 0;
    for (uint32_t a = esp; words-- && found < 8 && paging::readable(a, 4); a += 4) {
        uint32_t word = word_at(a);
        if (!follows_call(word)) continue;
        say_place(say, "    perhaps {}, found on the stack", word);
        ++found;
    }
}

void report_instruction(uint32_t address)
{
    if (!debug::instruction_at) return;
    debug::Instruction instruction = debug::instruction_at(address);
    if (instruction.length) hal::log("  instruction: {}", instruction.text.view());
}

void report_stack(uint32_t esp)
{
    Text<96> text;
    for (uint32_t i = 0; i < 8 && paging::readable(esp + i * 4, 4); ++i)
        text.print(" {08x}", word_at(esp + i * 4));
    if (text.empty()) text.append(" cannot be read");
    hal::log("  stack:{}", text.view());
}

// What the exception's number does not tell.
void report_cause(const TrapFrame& f)
{
    if (f.vector == page_fault) {
        auto [what, whose] = debug::explain(f.cr2);
        hal::log("  a {} of address 0x{08x}: {}{}{}",
                 f.error_code & 2 ? "write"
                 : f.cr2 == f.eip ? "jump"
                                  : "read",
                 f.cr2, f.error_code & 1 ? "read-only, " : "", what, whose);
    }
    bool jumped = f.vector == page_fault && f.cr2 == f.eip;
    if (!jumped && !in_payload(f.eip) && !in_kernel(f.eip)) {
        auto [what, whose] = debug::explain(f.eip);
        hal::log("  execution is in what is no code: {}{}{}", what, whose,
                 f.eip < 4096 ? ": somebody called or jumped through a null pointer" : "");
    }
    if (f.vector == double_fault &&
        (in_guard(f.esp - 4, payload_stack_guard) || !paging::readable(f.esp - 4, 4)))
        hal::log("  the stack has run out: esp 0x{08x} is {}", f.esp,
                 debug::explain(f.esp - 4).what);
}

}  // namespace

namespace debug {

void report_place(std::string_view what, const TrapFrame& f)
{
    hal::log("*** {} at {}", what, place_of(f.eip).view());
    report_code(f.eip);
    report_instruction(f.eip);
}

void report_registers(const TrapFrame& f)
{
    hal::log("  eax {08x}  ebx {08x}  ecx {08x}  edx {08x}", f.eax, f.ebx, f.ecx, f.edx);
    hal::log("  esi {08x}  edi {08x}  ebp {08x}  esp {08x}", f.esi, f.edi, f.ebp, f.esp);
    hal::log("  eip {08x}  eflags {08x}  cs {04x}  ds {04x}  es {04x}  ss {04x}  cr2 {08x}", f.eip,
             f.eflags, f.cs & 0xffff, f.ds & 0xffff, f.es & 0xffff, f.ss & 0xffff, f.cr2);
}

void report_backtrace(const TrapFrame& f)
{
    hal::log("  called from:");
    backtrace(f, hal::log_line);
}

void report(const TrapFrame& f)
{
    const char* name = f.vector < std::size(names) ? names[f.vector] : "reserved exception";
    hal::log("*** {} (exception {}, error code 0x{x}) at {}", name, f.vector, f.error_code,
             place_of(f.eip).view());
    report_cause(f);
    report_registers(f);
    report_code(f.eip);
    report_instruction(f.eip);
    report_stack(f.esp);
    report_backtrace(f);
    if (recorder) recorder->reported();
}

Text<160> place_of(uint32_t address)
{
    uint32_t start = payload_range.start;
    std::string_view format = "0x{08x}";
    if (in_payload(address)) {
        format = "0x{08x} (/kexec + 0x{x}{}{})";
    } else if (in_kernel(address)) {
        format = "0x{08x} (kernel + 0x{x}{}{})";
        start = address_of(kernel_start);
    } else if (address >= start && address < payload_range.end) {
        format = "0x{08x} (the payload's memory)";
    }
    SymbolText symbol = symbol_at(address);
    return Text<160>().print(format, address, address - start, symbol.empty() ? "" : ": ",
                             symbol.view());
}

Place explain(uint32_t address)
{
    if (address < 4096) return {"the null page"};
    if (in_guard(address, payload_stack_guard)) return {"below the payload's stack"};
    if (in_guard(address, boot_stack_guard)) return {"below the kernel's stack"};
    if (paging::readable(address, 1)) return symbols ? symbols->place(address) : Place{"mapped"};
    if (address >= paging::windows && address < paging::high_devices)
        return {"no map_physical() window"};
    return {"not mapped"};
}

void backtrace(const TrapFrame& frame, Say say)
{
    constexpr std::string_view line = "    {}";
    say_place(say, line, frame.eip);
    uint32_t ebp = frame.ebp;
    bool has_frames = ebp > frame.esp && is_frame(ebp);
    // What is executed may have no frame of its own, or not yet.
    say_likely_callers(frame.esp, has_frames ? 1 : 128, say);
    for (int depth = 0; has_frames && depth < 16; ++depth) {
        say_place(say, line, word_at(ebp + 4));
        uint32_t next = word_at(ebp);
        has_frames = next > ebp && is_frame(next);
        ebp = next;
    }
}

SymbolText symbol_at(uint32_t address) { return symbols ? symbols->at(address) : SymbolText(); }

void load_payload_symbols(std::string_view path)
{
    if (symbols) symbols->load(path);
}

void take_payload_symbols(std::string_view text)
{
    if (symbols) symbols->take(text);
}

void forget_payload_symbols()
{
    if (symbols) symbols->forget();
}

void payload_runs(bool runs)
{
    if (recorder) recorder->payload_runs(runs);
}

constinit const Symbols* symbols = nullptr;
constinit const Recorder* recorder = nullptr;
constinit InstructionAt instruction_at = nullptr;

}  // namespace debug
