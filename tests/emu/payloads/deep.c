// SPDX-License-Identifier: BSD-2-Clause
// A fault three calls deep, in functions whose names the report should have.
#include "vesper.h"

static volatile int depth;

__attribute__((noinline)) static int divide(int by) { return 1000 / by; }

__attribute__((noinline)) static int middle(int by)
{
    int result = divide(by) + 1;
    depth = 2;
    return result;
}

__attribute__((noinline)) static int outer(int by)
{
    int result = middle(by) + 1;
    depth = 1;
    return result;
}

int main(struct vesper* api)
{
    (void)api;
    return outer(depth) + 1;
}
