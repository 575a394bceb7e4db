/* SPDX-License-Identifier: BSD-2-Clause
 * For test_gdb.py, which names its lines by what is on them. What it does: its first argument. */
#include "vesper.h"

static volatile int counter, go_on, *volatile pointer;
static volatile double number = 1.5;
static struct vesper* api;

int tally(int n);
int tally(int n)
{
    counter += n; /* LINE tally */
    return counter;
}

static void say(const char* text)
{
    for (; *text; ++text) api->emit(*text);
}

static int count(void)
{
    int sum = 0;
    for (int i = 1; i <= 3; ++i) sum += tally(i); /* LINE sum */
    say("counted\n");                             /* LINE say */
    return sum;
}

static int spin(void)
{
    say("spinning\n");
    while (!go_on) ++counter; /* LINE spin */
    say("stopped spinning\n");
    return 5;
}

static int fault(void)
{
    *pointer = 1; /* LINE fault */
    say("mended\n");
    return 6;
}

int main(struct vesper* vesper)
{
    api = vesper;
    number += 1;
    switch (vesper->args[0]) {
    case 's': return spin();
    case 'f': return fault();
    case 'k': return vesper->key() + 1;
    }
    return count();
}
