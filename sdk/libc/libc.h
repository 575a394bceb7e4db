/* SPDX-License-Identifier: BSD-2-Clause
 * What the parts of the glue have in common. The names that newlib calls have an underscore; the
 * POSIX names without one are weak, so that a program may have functions so called. */
#ifndef LIBC_H
#define LIBC_H

#include <errno.h>
#include <stddef.h>
#include <sys/types.h>

#include "vesper.h"

extern struct vesper* vesper;

/* The weak second name of a function. */
#define LIBC_ALIAS(name, other) extern __typeof__(other) name __attribute__((weak, alias(#other)));

#define LIBC_MAX_PATH 1024

/* Sets errno from an error of the kernel, and returns -1. */
int libc_fail(int error);
/* Writes the absolute path of `path` to `to`; 0, or -1 with errno. */
int libc_path(char to[LIBC_MAX_PATH], const char* path);
/* Reads what is typed, line by line; writes text to the console. */
ssize_t libc_read_console(void* to, size_t bytes);
ssize_t libc_write_console(const void* from, size_t bytes);
/* Makes argv and the environment of vesper->args. Returns argc. */
int libc_arguments(char*** argv);
/* The clock's time at boot, and the hooks for faults. */
void libc_start_time(void);
void libc_start_signals(void);
/* Takes back what the payload had of the kernel. */
void libc_end_signals(void);
/* The end of the heap, where the stack begins. */
char* libc_heap_end(void);
void libc_leave(int result) __attribute__((noreturn));

#endif
