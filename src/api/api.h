// SPDX-License-Identifier: BSD-2-Clause
// The struct that a payload gets. Its calls enter by gate.S and end in the api_... functions of
// this folder.
#pragma once
#include <cstdint>
#include "boot/boot_info.h"
#include "vesper.h"

namespace api {

void set_boot_info(const BootInfo& info);  // for memory->map and ->module

const vesper* prepare(uint32_t arena_start, uint32_t arena_end, const char* args);
void clean_up();  // closes what the payload has left open

}  // namespace api
