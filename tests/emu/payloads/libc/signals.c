/* SPDX-License-Identifier: BSD-2-Clause
 * Checks signals: raised, of faults, and Ctrl-C, for which it waits at a prompt and while it
 * counts. Then it does what its argument says. */
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

static jmp_buf back;
static volatile sig_atomic_t last, count;

static void jump_out(int number)
{
    last = number;
    longjmp(back, 1);
}

static void note(int number)
{
    last = number;
    ++count;
}

static void fault(int number, void (*cause)(void))
{
    last = 0;
    signal(number, jump_out);
    if (!setjmp(back)) {
        cause();
        CHECK(!"reached");
    }
    CHECK(last == number);
}

static volatile int zero;
static void divide(void) { zero = 100 / zero; }
static void write_null(void) { *(volatile int*)0 = 1; }
static void undefined(void) { __asm__ volatile("ud2"); }

/* The handler returns, with all of the registers and the FPU as they were. */
static void interrupted_count(void)
{
    double sum = 0;
    long turns = 0;
    signal(SIGINT, note);
    last = 0;
    printf("counting\n");
    while (!last) sum += 0.5, ++turns;
    CHECK(sum == turns * 0.5 && last == SIGINT);
}

int main(int argc, char** argv)
{
    char line[10];
    signal(SIGUSR1, note);
    CHECK(!raise(SIGUSR1) && last == SIGUSR1 && count == 1);
    signal(SIGUSR1, SIG_IGN);
    CHECK(!raise(SIGUSR1) && count == 1);
    fault(SIGFPE, divide);
    fault(SIGSEGV, write_null);
    fault(SIGSEGV, write_null);
    fault(SIGILL, undefined);
    signal(SIGINT, note);
    printf("prompt\n");
    last = 0;
    CHECK(!fgets(line, sizeof line, stdin) && last == SIGINT);
    clearerr(stdin);
    interrupted_count();
    printf("%d failed\n", failures);
    if (argc < 2 || failures) return 1;
    if (!strcmp(argv[1], "abort")) abort();
    if (!strcmp(argv[1], "fault")) write_null();
    if (!strcmp(argv[1], "exit")) exit(-5);
    printf("counting\n");
    for (;;) ++zero;
}
