// SPDX-License-Identifier: BSD-2-Clause
#include "hal/classes.h"
int64_t CalendarTime::unix_seconds() const { return 0; }
