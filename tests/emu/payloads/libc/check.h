/* SPDX-License-Identifier: BSD-2-Clause
 * What the checks of the C library have in common: what fails is printed, with its line. */
#include <stdio.h>

static int failures;

#define CHECK(condition)                                                     \
    do {                                                                     \
        if (!(condition)) {                                                  \
            printf("FAILED at %s:%d: %s\n", __FILE__, __LINE__, #condition); \
            ++failures;                                                      \
        }                                                                    \
    } while (0)
