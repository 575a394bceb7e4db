/* SPDX-License-Identifier: BSD-2-Clause
 *
 * From the kernel's call to main(), and back.
 *
 * The arena is all of the program's: the heap grows from the end of .bss up, and the stack has the
 * last of it. The stack is a MiB, or an eighth of the arena if that is less; a program may say
 * otherwise: const unsigned vesper_stack_bytes = 8 << 20;
 *
 * The FPU rounds to 53 bits, as it does in BSD on the i386: then a double is a double, and newlib's
 * conversions are exact. A long double has no more precision, though more range. */
#include <stdlib.h>
#include <unistd.h>

#include "libc.h"

typedef void function(void);
extern function *constructors_start[], *constructors_end[];
extern function *destructors_start[], *destructors_end[];
extern int main(int argc, char** argv, char** environment);

extern const unsigned vesper_stack_bytes __attribute__((weak));
void* __dso_handle = NULL;

static char *heap_break, *heap_end;

char* libc_heap_end(void) { return heap_end; }

/* Called on the kernel's stack. */
char* libc_stack_top(void)
{
    size_t arena = (size_t)((char*)vesper->arena_end - (char*)vesper->arena_start);
    size_t stack = &vesper_stack_bytes ? vesper_stack_bytes : 1 << 20;
    size_t most = &vesper_stack_bytes ? arena / 2 : arena / 8;
    if (stack > most) stack = most;
    heap_break = vesper->arena_start;
    heap_end = (char*)vesper->arena_end - stack;
    return (char*)((size_t)vesper->arena_end & ~(size_t)15);
}

void* _sbrk(ptrdiff_t bytes)
{
    char* before = heap_break;
    if (bytes > heap_end - heap_break || -bytes > heap_break - (char*)vesper->arena_start) {
        errno = ENOMEM;
        return (void*)-1;
    }
    heap_break += bytes;
    return before;
}
LIBC_ALIAS(sbrk, _sbrk)

static void run_destructors(void)
{
    for (function** next = destructors_end; next > destructors_start;) (*--next)();
}

void libc_start(void)
{
    static const unsigned short control = 0x027f; /* 53 bits, to nearest, no exceptions */
    char** argv;
    int argc;
    __asm__ volatile("fninit\n\tfldcw %0" : : "m"(control));
    libc_start_time();
    libc_start_signals();
    argc = libc_arguments(&argv);
    atexit(run_destructors);
    for (function** next = constructors_start; next < constructors_end; ++next) (*next)();
    exit(main(argc, argv, environ));
}

void _exit(int result)
{
    libc_end_signals();
    libc_leave(result);
}

int _getpid(void) { return 1; }
LIBC_ALIAS(getpid, _getpid)

int _execve(const char* path, char* const* argv, char* const* environment)
{
    (void)path, (void)argv, (void)environment;
    errno = ENOSYS;
    return -1;
}

int _fork(void)
{
    errno = ENOSYS;
    return -1;
}

int _wait(int* status)
{
    (void)status;
    errno = ECHILD;
    return -1;
}

int libc_fail(int error)
{
    switch (error) {
    case VESPER_NOT_FOUND: errno = ENOENT; break;
    case VESPER_TIMED_OUT: errno = ETIMEDOUT; break;
    case VESPER_GONE: errno = ENXIO; break;
    case VESPER_UNSUPPORTED: errno = ENOTSUP; break;
    case VESPER_INVALID: errno = EINVAL; break;
    case VESPER_NO_SPACE: errno = ENOSPC; break;
    case VESPER_NO_MEMORY: errno = ENOMEM; break;
    case VESPER_BUSY: errno = EBUSY; break;
    case VESPER_READ_ONLY: errno = EROFS; break;
    case VESPER_EXISTS: errno = EEXIST; break;
    case VESPER_TOO_LARGE: errno = EFBIG; break;
    case VESPER_NOT_DIRECTORY: errno = ENOTDIR; break;
    case VESPER_IS_DIRECTORY: errno = EISDIR; break;
    case VESPER_INTERRUPTED: errno = EINTR; break;
    case VESPER_NOT_EMPTY: errno = ENOTEMPTY; break;
    default: errno = EIO; break; /* DEVICE, CORRUPT */
    }
    return -1;
}
