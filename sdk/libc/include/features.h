/* SPDX-License-Identifier: BSD-2-Clause
 * Debian's C++ headers are made for its own C library, and ask it for its version; newlib is none.
 */
#ifndef VESPER_FEATURES_H
#define VESPER_FEATURES_H

#include <sys/features.h>

#define __GLIBC_PREREQ(major, minor) 0

#endif
