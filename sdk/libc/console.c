/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Standard input and output: lines from the keyboard, text on the console.
 *
 * A line is edited with Backspace, Control-U (all of it away) and Control-W (a word); Up and Down
 * bring back the last lines. Enter ends it. Control-D ends a line without a newline, and on an
 * empty one it is the end of the file. Control-C raises SIGINT. */
#include <signal.h>
#include <string.h>

#include "libc.h"

#define CONTROL(letter) ((letter)-64)
#define LINE 1024
#define HISTORY 32
#define HISTORY_LINE 256

static char line[LINE];
static size_t length, taken; /* of `line`: what it has, what has been read of it */
static char history[HISTORY][HISTORY_LINE];
static unsigned lines_kept; /* since the start; the last HISTORY of them are there */

ssize_t libc_write_console(const void* from, size_t bytes)
{
    int written = vesper->console->write(from, bytes);
    return written < 0 ? libc_fail(written) : (ssize_t)bytes;
}

static void erase(size_t characters)
{
    for (; characters && length; --characters, --length) libc_write_console("\b \b", 3);
}

static void erase_word(void)
{
    while (length && line[length - 1] == ' ') erase(1);
    while (length && line[length - 1] != ' ') erase(1);
}

static void add(char c)
{
    if (length >= LINE - 1) return;
    line[length++] = c;
    libc_write_console(c == '\t' ? " " : &c, 1);
}

static void keep_line(void)
{
    if (!length || length >= HISTORY_LINE) return;
    char* kept = history[lines_kept % HISTORY];
    if (lines_kept) {
        const char* last = history[(lines_kept - 1) % HISTORY];
        if (strlen(last) == length && !memcmp(last, line, length)) return;
    }
    memcpy(kept, line, length);
    kept[length] = 0;
    ++lines_kept;
}

/* Shows the line that was typed `back` lines ago, or an empty one. */
static void bring_back(unsigned back)
{
    erase(length);
    if (!back) return;
    for (const char* c = history[(lines_kept - back) % HISTORY]; *c; ++c) add(*c);
}

/* What a key that is not just added to the line does; true if it is ready. */
static int edit(int key, unsigned* back)
{
    unsigned most = lines_kept < HISTORY ? lines_kept : HISTORY;
    switch (key) {
    case '\r':
    case '\n':
        keep_line();
        line[length++] = '\n';
        libc_write_console("\n", 1);
        return 1;
    case CONTROL('D'): return 1;
    case '\b':
    case 127: erase(1); break;
    case CONTROL('U'): erase(length); break;
    case CONTROL('W'): erase_word(); break;
    case VESPER_KEY_UP:
        if (*back < most) bring_back(++*back);
        break;
    case VESPER_KEY_DOWN:
        if (*back) bring_back(--*back);
        break;
    }
    return 0;
}

/* False with EINTR if it has been interrupted, and the program goes on. */
static int read_line(void)
{
    unsigned back = 0;
    length = taken = 0;
    for (;;) {
        int key = vesper->key();
        if (key == VESPER_INTERRUPTED || key == CONTROL('C')) {
            libc_write_console("^C\n", 3);
            length = 0;
            if (key == CONTROL('C')) raise(SIGINT); /* else it has been raised already */
            errno = EINTR;
            return 0;
        }
        if (key == '\t' || (key >= ' ' && key < 127)) {
            add((char)key);
        } else if (edit(key, &back)) {
            return 1;
        }
    }
}

ssize_t libc_read_console(void* to, size_t bytes)
{
    if (taken == length && !read_line()) return -1;
    if (bytes > length - taken) bytes = length - taken;
    memcpy(to, line + taken, bytes);
    taken += bytes;
    return (ssize_t)bytes;
}
