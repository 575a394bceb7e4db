/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Signals: faults of the program itself, Ctrl-C, and what it raises.
 *
 * newlib keeps the table of handlers. For a fault, or Ctrl-C, that has a handler, the hook lets the
 * kernel go on not where the program was stopped but in libc_deliver, which calls the handler on
 * the program's own stack; so the handler may do anything, longjmp() too. If it returns, the
 * program goes on where it was: after a fault, with the same instruction again. As in System V, the
 * handler is forgotten before it is called. A fault without a handler is the kernel's to report. */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "libc.h"

static int fault_hook = -1, break_hook = -1;

/* Pushed by redirect(): where to go on, and the signal. */
void libc_deliver(void);
__asm__(
    ".text\n"
    "libc_deliver:\n\t"
    "pushfl\n\t"
    "pushal\n\t"
    "movl 36(%esp), %eax\n\t" /* the signal */
    "subl $108, %esp\n\t"
    "fnsave (%esp)\n\t"
    "cld\n\t"
    "pushl $0x027f\n\t" /* as in start.c */
    "fldcw (%esp)\n\t"
    "movl %eax, (%esp)\n\t"
    "call raise\n\t"
    "addl $4, %esp\n\t"
    "frstor (%esp)\n\t"
    "addl $108, %esp\n\t"
    "popal\n\t"
    "popfl\n\t"
    "leal 4(%esp), %esp\n\t"
    "ret\n");

static int signal_of(uint32_t vector)
{
    switch (vector) {
    case 0:  /* division */
    case 4:  /* overflow */
    case 16: /* the FPU's exceptions, */
    case 19: /* and those of SSE */ return SIGFPE;
    case 6: return SIGILL;
    case 5:  /* bounds */
    case 11: /* segments */
    case 12:
    case 13:
    case 14: return SIGSEGV;
    case 17: return SIGBUS; /* alignment */
    case VESPER_BREAK: return SIGINT;
    default: return 0; /* a debugger's, or not the program's */
    }
}

static _sig_func_ptr handler_of(int signal)
{
    return _REENT->_sig_func ? _REENT->_sig_func[signal] : SIG_DFL;
}

static void redirect(struct vesper_frame* frame, int signal)
{
    uint32_t* stack = (uint32_t*)frame->esp;
    *--stack = frame->eip;
    *--stack = (uint32_t)signal;
    frame->esp = (uint32_t)stack;
    frame->eip = (uint32_t)libc_deliver;
}

/* Whether there is room on the stack for libc_deliver and a handler. */
static int has_stack(const struct vesper_frame* frame)
{
    return frame->esp > (uint32_t)libc_heap_end() + 4096 &&
           frame->esp <= (uint32_t)vesper->arena_end;
}

static int on_fault(struct vesper_frame* frame, void* context)
{
    int signal = signal_of(frame->vector);
    (void)context;
    if (!signal || handler_of(signal) == SIG_DFL || handler_of(signal) == SIG_IGN) return 0;
    if (!has_stack(frame)) return 0;
    redirect(frame, signal);
    return 1;
}

static int on_break(struct vesper_frame* frame, void* context)
{
    (void)context;
    if (handler_of(SIGINT) != SIG_IGN && has_stack(frame)) redirect(frame, SIGINT);
    return 1;
}

void libc_start_signals(void)
{
    fault_hook = vesper->interrupt->exception(VESPER_ANY_VECTOR, on_fault, NULL);
    break_hook = vesper->interrupt->on_break(on_break, NULL);
}

void libc_end_signals(void)
{
    if (fault_hook >= 0) vesper->interrupt->unhook(fault_hook);
    if (break_hook >= 0) vesper->interrupt->unhook(break_hook);
}

/* A signal without a handler ends the program; as in a shell, the result is 128 and the signal. */
int _kill(int process, int signal)
{
    if (process != getpid()) {
        errno = ESRCH;
        return -1;
    }
    if (signal == 0 || signal == SIGCHLD) return 0;
    _exit(128 + signal);
}
int kill(int process, int signal)
{
    return process == getpid() ? raise(signal) : _kill(process, signal);
}
