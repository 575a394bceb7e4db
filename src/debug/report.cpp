// SPDX-License-Identifier: BSD-2-Clause
#include "debug/report.h"
#include "arch/machine.h"
#include "arch/paging.h"
#include "arch/trap.h"
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

uint32_t address_of(const void* p) { return static_cast<uint32_t>(reinterpret_cast<uintptr_t>(p)); }

Text<64> place_of(uint32_t address)
{
    Text<64> text;
    if (address >= payload_range.start && address < payload_range.image_end)
        text.print("0x{08x} (/kexec + 0x{x})", address, address - payload_range.start);
    else if (address >= payload_range.start && address < payload_range.end)
        text.print("0x{08x} (the payload's memory)", address);
    else if (address >= address_of(kernel_start) && address < address_of(kernel_text_end))
        text.print("0x{08x} (kernel)", address);
    else
        text.print("0x{08x}", address);
    return text;
}

bool in_guard(uint32_t address, const uint8_t* guard)
{
    return address - address_of(guard) < 4096 ||
           address - (address_of(guard) - paging::high_map) < 4096;
}

const char* explain(uint32_t address)
{
    if (address < 4096) return "the null page";
    if (in_guard(address, payload_stack_guard)) return "below the payload's stack";
    if (in_guard(address, boot_stack_guard)) return "below the kernel's stack";
    if (address >= paging::windows && address < paging::high_devices)
        return "no map_physical() window";
    return "not mapped";
}

void report_code(uint32_t address)
{
    Text<96> text;
    for (uint32_t i = 0; i < 16 && paging::readable(address + i, 1); ++i)
        text.print(" {02x}", *reinterpret_cast<const uint8_t*>(address + i));
    if (text.empty()) text.append(" cannot be read");
    hal::log("  code:{}", text.view());
}

// Without frame pointers: what lies on the stack and points into the payload's image.
void report_likely_callers(uint32_t esp)
{
    int found = 0;
    for (uint32_t a = esp; a < esp + 256 && found < 4 && paging::readable(a, 4); a += 4) {
        uint32_t word = le32(reinterpret_cast<const void*>(a));
        // A call that ends the image returns to just behind it.
        if (word < payload_range.start || word > payload_range.image_end) continue;
        hal::log("    perhaps {}, found on the stack", place_of(word).view());
        ++found;
    }
}

// Return addresses, as far as the frame pointers lead to higher and higher readable stack.
void report_backtrace(uint32_t eip, uint32_t ebp, uint32_t esp)
{
    hal::log("  called from:");
    hal::log("    {}", place_of(eip).view());
    if (ebp <= esp || !paging::readable(ebp, 8)) return report_likely_callers(esp);
    for (int depth = 0; depth < 16 && ebp && paging::readable(ebp, 8); ++depth) {
        auto frame = reinterpret_cast<const void*>(ebp);
        uint32_t next = le32(frame), address = le32(reinterpret_cast<const void*>(ebp + 4));
        if (address == 0) return;
        hal::log("    {}", place_of(address).view());
        if (next <= ebp) return;
        ebp = next;
    }
}

void report_stack(uint32_t esp)
{
    Text<96> text;
    for (uint32_t i = 0; i < 8 && paging::readable(esp + i * 4, 4); ++i)
        text.print(" {08x}", le32(reinterpret_cast<const void*>(esp + i * 4)));
    if (text.empty()) text.append(" cannot be read");
    hal::log("  stack:{}", text.view());
}

}  // namespace

namespace debug {

void report_place(std::string_view what, const TrapFrame& f)
{
    hal::log("*** {} at {}", what, place_of(f.eip).view());
    report_code(f.eip);
}

void report_registers(const TrapFrame& f)
{
    hal::log("  eax {08x}  ebx {08x}  ecx {08x}  edx {08x}", f.eax, f.ebx, f.ecx, f.edx);
    hal::log("  esi {08x}  edi {08x}  ebp {08x}  esp {08x}", f.esi, f.edi, f.ebp, f.esp);
    hal::log("  eip {08x}  eflags {08x}  cs {04x}  ds {04x}  es {04x}  ss {04x}  cr2 {08x}", f.eip,
             f.eflags, f.cs & 0xffff, f.ds & 0xffff, f.es & 0xffff, f.ss & 0xffff, f.cr2);
}

void report_backtrace(const TrapFrame& f) { ::report_backtrace(f.eip, f.ebp, f.esp); }

void report(const TrapFrame& f)
{
    const char* name = f.vector < std::size(names) ? names[f.vector] : "reserved exception";
    hal::log("*** {} (exception {}, error code 0x{x}) at {}", name, f.vector, f.error_code,
             place_of(f.eip).view());
    if (f.vector == page_fault)
        hal::log("  a {} of address 0x{08x}: {}",
                 f.error_code & 2 ? "write"
                 : f.cr2 == f.eip ? "jump"
                                  : "read",
                 f.cr2, f.error_code & 1 ? "read-only" : explain(f.cr2));
    if (f.eip < 4096)
        hal::log(
            "  execution is in the null page: somebody called or jumped through a null pointer");
    if (f.vector == double_fault &&
        (in_guard(f.esp - 4, payload_stack_guard) || !paging::readable(f.esp - 4, 4)))
        hal::log("  the stack has run out: esp 0x{08x} is {}", f.esp, explain(f.esp - 4));
    report_registers(f);
    report_code(f.eip);
    report_stack(f.esp);
    report_backtrace(f);
}

}  // namespace debug
