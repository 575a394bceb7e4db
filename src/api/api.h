// SPDX-License-Identifier: BSD-2-Clause
// The struct that a payload gets. Its calls enter by gate.S and end in the api_... functions of
// calls/.
#pragma once
#include <cstdint>
#include "boot/boot_info.h"
#include "vesper.h"

namespace api {

extern const vesper table;  // all but what prepare() fills in; made from include/vesper.h

// What memory->map and ->module tell of.
extern const BootInfo* boot_info;

const vesper* prepare(uint32_t arena_start, uint32_t arena_end, const char* args);

// Has this done when the payload has ended, if it is not to be done already.
void at_end(void (*function)());
void clean_up();

}  // namespace api
