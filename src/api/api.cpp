// SPDX-License-Identifier: BSD-2-Clause
#include "api/api.h"
#include <algorithm>

namespace api {

namespace {

constinit vesper given = {};  // a payload may write to it; the next one gets a new copy

using Ending = void (*)();
constinit Ending endings[16] = {};
constinit size_t ending_count = 0;

}  // namespace

constinit const BootInfo* boot_info = nullptr;

const vesper* prepare(uint32_t arena_start, uint32_t arena_end, const char* args)
{
    given = table;
    given.arena_start = reinterpret_cast<void*>(arena_start);
    given.arena_end = reinterpret_cast<void*>(arena_end);
    given.args = args;
    return &given;
}

void at_end(Ending function)
{
    auto end = endings + ending_count;
    if (std::find(endings, end, function) == end && ending_count < std::size(endings))
        endings[ending_count++] = function;
}

void clean_up()
{
    while (ending_count) endings[--ending_count]();
}

}  // namespace api
