// SPDX-License-Identifier: BSD-2-Clause
// What a payload's pointers may lead to: its own memory, what allocate() gave it, low memory and
// devices. Not: the kernel's memory, and where nothing is.
#pragma once
#include <cstdint>

namespace api {

bool may_write(const void* start, uint64_t bytes);  // no bytes: at any address
bool may_read(const void* start, uint64_t bytes);   // the kernel's memory, too

// Whether all of this was given to the payload out of the kernel's memory; null: nothing was.
using Question = bool (*)(uint32_t start, uint32_t bytes);
extern Question was_given;

}  // namespace api
