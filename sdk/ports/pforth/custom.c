/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The two words that sdk/vesper.fs stands on. The pForth that makes the dictionary has them too: it
 * runs elsewhere, and never executes them. */
#include "pf_all.h"

extern struct vesper* vesper;

static cell_t vesper_address(void) { return (cell_t)vesper; }

/* Calls function with n words, and stores eax and edx at `result`. */
static void vesper_ccall(cell_t words, cell_t n, cell_t function, cell_t result)
{
    cell_t low, high;
    __asm__ volatile(
        "movl %%esp, %%esi\n"
        "1: subl $1, %%ecx\n\t"
        "js 2f\n\t"
        "pushl (%%ebx, %%ecx, 4)\n\t"
        "jmp 1b\n"
        "2: call *%%edi\n\t"
        "movl %%esi, %%esp"
        : "=a"(low), "=d"(high), "+c"(n)
        : "b"(words), "D"(function)
        : "esi", "memory", "cc");
    ((cell_t*)result)[0] = low;
    ((cell_t*)result)[1] = high;
}

CFunc0 CustomFunctionTable[] = {(CFunc0)vesper_address, (CFunc0)vesper_ccall};

Err CompileCustomFunctions(void)
{
    Err error = CreateGlueToC("VESPER", 0, C_RETURNS_VALUE, 0);
    return error < 0 ? error : CreateGlueToC("VESPER-CCALL", 1, C_RETURNS_VOID, 4);
}
