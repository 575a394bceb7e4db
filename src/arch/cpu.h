// SPDX-License-Identifier: BSD-2-Clause
// The processor: what it can do, and its privileged instructions.
#pragma once
#include <cstdint>

namespace cpu {

struct Features {
    bool tsc, msr, pse, apic, pat, fxsr, sse, rdrand, rdseed;
    char vendor[13];
    uint32_t signature;  // CPUID.1:EAX, 0 on a CPU without CPUID
};
extern Features features;

// Descriptor tables, caches, FPU and SSE. Exceptions are reported from here on.
void init(bool has_large_pages);

// The tables that init() loaded are the ones in use: false once a payload has loaded its own.
bool own_tables();
void load_own_tables();

inline bool interrupts_on()
{
    uint32_t flags;
    asm volatile("pushfl; popl %0" : "=r"(flags));
    return flags & 0x200;
}
inline void disable_interrupts() { asm volatile("cli" ::: "memory"); }
inline void enable_interrupts() { asm volatile("sti" ::: "memory"); }

inline uint64_t read_tsc()
{
    uint64_t value;
    asm volatile("rdtsc" : "=A"(value));
    return value;
}
inline uint32_t read_cr2()
{
    uint32_t value;
    asm volatile("movl %%cr2, %0" : "=r"(value));
    return value;
}
inline uint32_t read_dr6()
{
    uint32_t value;
    asm volatile("movl %%dr6, %0" : "=r"(value));
    return value;
}
template <int number> void write_dr(uint32_t value)  // 0...3, 6, 7: SDM 3B, 17.2
{
    asm volatile("movl %0, %%dr%c1" ::"r"(value), "i"(number));
}
// FNSAVE's image of 108 bytes; the FPU is as after FNINIT then.
inline void save_fpu(uint8_t (&image)[108]) { asm volatile("fnsave %0" : "=m"(image)); }
inline void restore_fpu(const uint8_t (&image)[108]) { asm volatile("frstor %0" ::"m"(image)); }
inline bool fpu_is_on()  // and may be used without an exception: CR0.EM and TS
{
    uint32_t cr0;
    asm volatile("movl %%cr0, %0" : "=r"(cr0));
    return !(cr0 & 0xc);
}
inline void flush_tlb()
{
    uint32_t value;
    asm volatile("movl %%cr3, %0; movl %0, %%cr3" : "=r"(value)::"memory");
}
inline void write_msr(uint32_t index, uint64_t value)
{
    asm volatile("wrmsr" ::"c"(index), "A"(value));
}
inline uint64_t read_msr(uint32_t index)
{
    uint64_t value;
    asm volatile("rdmsr" : "=A"(value) : "c"(index));
    return value;
}

[[noreturn]] void stop();  // halts for ever

}  // namespace cpu
