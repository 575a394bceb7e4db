/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A Forth program as a payload: pForth that includes the text which is linked to it, without a word
 * of its own, and ends. Other files come from the root. */
#include <stdio.h>
#include <string.h>

#include "pforth.h"

extern char program_text[], program_end[];
static const char program[] = "(program)";

FILE* __real_fopen(const char* name, const char* how);

FILE* __wrap_fopen(const char* name, const char* how)
{
    if (strcmp(name, program)) return __real_fopen(name, how);
    return fmemopen(program_text, (size_t)(program_end - program_text), "r");
}

int main(void)
{
    pfSetQuiet(1);
    return (int)pfDoForth(NULL, program, 0);
}
