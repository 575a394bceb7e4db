// SPDX-License-Identifier: BSD-2-Clause
// Descriptor tables and the features of the CPU. Intel SDM volume 3, chapters 2, 3, 6 and 8.
#include "arch/cpu.h"
#include <cstring>
#include "arch/paging.h"
#include "arch/trap.h"

namespace cpu {

Features features;

namespace {

struct [[gnu::packed]] TablePointer {
    uint16_t limit;
    uint32_t base;
};
struct Gate {  // SDM 3, 6.11
    uint16_t offset_low, selector;
    uint8_t zero, type;
    uint16_t offset_high;
};
struct TaskState {  // SDM 3, 8.2.1
    uint32_t link, esp0, ss0, esp1, ss1, esp2, ss2, cr3, eip, eflags;
    uint32_t eax, ecx, edx, ebx, esp, ebp, esi, edi;
    uint32_t es, cs, ss, ds, fs, gs, ldt;
    uint16_t trap, io_map;
};
static_assert(sizeof(Gate) == 8 && sizeof(TaskState) == 104);

constexpr uint16_t code_selector = 8, data_selector = 16, main_task = 24, fault_task = 32;
constexpr uint8_t interrupt_gate = 0x8e, task_gate = 0x85;

constinit Gate idt[64] = {};
constinit TaskState main_state = {}, fault_state = {};
alignas(16) constinit uint8_t fault_task_stack[8192] = {};

}  // namespace

extern "C" {
extern const uint32_t own_idt;  // for gate.S
extern uint64_t gdt[5];
extern const TablePointer gdt_pointer;
extern const uint32_t trap_entries[64];
extern uint8_t page_directory[];
void double_fault_entry();
alignas(8) uint64_t gdt[5] = {0, 0x00cf9a000000ffff, 0x00cf92000000ffff};
// Written out: a call would be a constructor, which nobody runs.
const uint32_t own_idt = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(idt));
const TablePointer gdt_pointer = {sizeof gdt - 1,
                                  static_cast<uint32_t>(reinterpret_cast<uintptr_t>(gdt))};
}

static uint64_t task_descriptor(const TaskState& state)
{
    uint64_t base = address_of(&state);
    return (sizeof state - 1) | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24) << 56;
}

static void load_tables()
{
    TablePointer idt_pointer = {sizeof idt - 1, own_idt};
    asm volatile("lgdt %0; lidt %1" ::"m"(gdt_pointer), "m"(idt_pointer) : "memory");
}

bool own_tables()
{
    TablePointer current;
    asm volatile("sidt %0" : "=m"(current));
    if (current.base != address_of(idt)) return false;
    asm volatile("sgdt %0" : "=m"(current));
    return current.base == address_of(gdt);
}

void load_own_tables()
{
    load_tables();
    asm volatile(
        "ljmp %0, $1f; 1: movl %1, %%ds; movl %1, %%es; movl %1, %%fs; movl %1, %%gs; movl %1, "
        "%%ss" ::"i"(code_selector),
        "r"(static_cast<uint32_t>(data_selector))
        : "memory");
    // Neither is busy: a double fault's task is left without a return, and must not stay so.
    gdt[main_task / 8] = task_descriptor(main_state);
    gdt[fault_task / 8] = task_descriptor(fault_state);
    asm volatile("ltr %w0" ::"r"(main_task) : "memory");
}

static bool can_change_flag(uint32_t flag)
{
    uint32_t before, after;
    asm volatile("pushfl; popl %0; movl %0, %1; xorl %2, %1; pushl %1; popfl; pushfl; popl %1"
                 : "=&r"(before), "=&r"(after)
                 : "r"(flag));
    return (before ^ after) & flag;
}

static void identify(bool has_large_pages)
{
    features.pse = has_large_pages;
    if (!can_change_flag(1 << 21)) {  // EFLAGS.ID: no CPUID
        memcpy(features.vendor, "i486", 5);
        return;
    }
    uint32_t highest, b, c, d;
    asm volatile("cpuid" : "=a"(highest), "=b"(b), "=c"(c), "=d"(d) : "a"(0));
    memcpy(features.vendor, &b, 4);
    memcpy(features.vendor + 4, &d, 4);
    memcpy(features.vendor + 8, &c, 4);
    if (highest < 1) return;
    asm volatile("cpuid" : "=a"(features.signature), "=b"(b), "=c"(c), "=d"(d) : "a"(1));
    features.tsc = d & 1 << 4;
    features.msr = d & 1 << 5;
    features.apic = d & 1 << 9;
    features.pat = d & 1 << 16;
    features.fxsr = d & 1 << 24;
    features.sse = d & 1 << 25;
    features.rdrand = c & 1 << 30;
    if (highest < 7) return;
    uint32_t a;
    asm volatile("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(7), "c"(0));
    features.rdseed = b & 1 << 18;
}

// The payload finds the FPU and SSE ready; the kernel uses neither.
static void init_fpu()
{
    if (features.fxsr && features.sse) {
        uint32_t cr4, mxcsr = 0x1f80;
        asm volatile("movl %%cr4, %0; orl $0x600, %0; movl %0, %%cr4"
                     : "=r"(cr4));  // OSFXSR, OSXMMEXCPT
        asm volatile("ldmxcsr %0" ::"m"(mxcsr));
    }
    asm volatile("fninit");
}

static void init_double_fault_task()
{
    asm volatile("movl %%cr3, %0" : "=r"(fault_state.cr3));
    fault_state.eip = address_of(reinterpret_cast<const void*>(&double_fault_entry));
    fault_state.eflags = 2;
    fault_state.esp = address_of(fault_task_stack + sizeof fault_task_stack);
    fault_state.cs = code_selector;
    fault_state.ds = fault_state.es = fault_state.fs = fault_state.gs = fault_state.ss =
        data_selector;
    fault_state.io_map = main_state.io_map = sizeof(TaskState);
    idt[8] = {0, fault_task, 0, task_gate, 0};
}

// What the CPU was doing when a double fault switched away from it.
void interrupted_task(TrapFrame& frame)
{
    const TaskState& t = main_state;
    frame.eax = t.eax, frame.ecx = t.ecx, frame.edx = t.edx, frame.ebx = t.ebx;
    frame.esp = t.esp, frame.ebp = t.ebp, frame.esi = t.esi, frame.edi = t.edi;
    frame.eip = t.eip, frame.cs = t.cs, frame.eflags = t.eflags;
    frame.ds = t.ds, frame.es = t.es, frame.fs = t.fs, frame.gs = t.gs, frame.ss = t.ss;
}

void init(bool has_large_pages)
{
    identify(has_large_pages);
    for (unsigned i = 0; i < 64; ++i) {
        uint32_t entry = trap_entries[i];
        idt[i] = {static_cast<uint16_t>(entry), code_selector, 0, interrupt_gate,
                  static_cast<uint16_t>(entry >> 16)};
    }
    init_double_fault_task();
    load_own_tables();
    init_fpu();
}

void stop()
{
    for (;;) asm volatile("cli; hlt");
}

}  // namespace cpu
