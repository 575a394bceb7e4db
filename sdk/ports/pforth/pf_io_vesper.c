/* SPDX-License-Identifier: BSD-2-Clause
 *
 * pForth's terminal and the one file operation that C has no name for, on Vesper.
 *
 * Keys come one by one, unechoed. The arrows come as a terminal sends them, which is what pForth's
 * HISTORY expects. */
#include <unistd.h>

#include "pf_all.h"
#include "vesper.h"

extern struct vesper* vesper;
const char* const vesper_program = "pforth";

static char waiting[4]; /* taken from the keyboard, and not read yet, the last one first */
static int count;

static void accept_key(int key)
{
    static const char arrows[] = "ABDC"; /* VESPER_KEY_UP, _DOWN, _LEFT, _RIGHT */
    if (key >= VESPER_KEY_UP && key <= VESPER_KEY_RIGHT) {
        waiting[count++] = arrows[key - VESPER_KEY_UP];
        waiting[count++] = '[';
        waiting[count++] = 27;
    } else if (key >= 0 && key < 256) {
        waiting[count++] = (char)key;
    }
}

int sdTerminalIn(void)
{
    while (!count) accept_key(vesper->key());
    return waiting[--count];
}

int sdQueryTerminal(void)
{
    if (!count) accept_key(vesper->keyq());
    return count ? FTRUE : FFALSE;
}

int sdTerminalOut(char c)
{
    vesper->emit(c);
    return c;
}

int sdTerminalEcho(char c) { return sdTerminalOut(c); }

int sdTerminalFlush(void) { return 0; }

void sdTerminalInit(void) { setvbuf(stdout, NULL, _IONBF, 0); }

void sdTerminalTerm(void) {}

cell_t sdSleepMillis(cell_t ms)
{
    return ms > 0 && vesper->time->sleep((uint64_t)ms * 1000) < 0 ? -1 : 0;
}

ThrowCode sdResizeFile(FileStream* file, uint64_t bytes)
{
    if (fflush(file) || bytes > 0x7fffffff || ftruncate(fileno(file), (off_t)bytes))
        return THROW_RESIZE_FILE;
    return fseek(file, (long)bytes, SEEK_SET) ? THROW_RESIZE_FILE : 0;
}
