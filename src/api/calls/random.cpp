// SPDX-License-Identifier: BSD-2-Clause
// Random bytes.
#include <algorithm>
#include "api/call.h"
#include "arch/entropy.h"

static constinit RandomGenerator generator;

int api_random_fill(void* into, uint32_t bytes)
{
    constexpr uint32_t most = 1 << 20;
    bytes = std::min(bytes, most);
    entropy::gather(generator);
    generator.fill({static_cast<std::byte*>(into), bytes});
    return static_cast<int>(bytes);
}

const char* api_random_source() { return entropy::gather(generator); }
