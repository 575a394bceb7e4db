/* SPDX-License-Identifier: BSD-2-Clause
 * For Debian's C++ headers: there are no threads. */
#include <bits/gthr-single.h>
