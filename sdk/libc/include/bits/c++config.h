/* SPDX-License-Identifier: BSD-2-Clause
 * For Debian's C++ headers: what it has is what they were made for, less Linux and threads. */
#include_next <bits/c++config.h>
#undef _GLIBCXX_HAS_GTHREADS
#undef _GLIBCXX_HAVE_LINUX_FUTEX
/* newlib has no long double forms of C99's functions: those are in <math.h>, not in std. */
#undef _GLIBCXX_USE_C99_MATH_TR1
