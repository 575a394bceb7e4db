// SPDX-License-Identifier: BSD-2-Clause
// What nobody else can know: from the CPU's generators, from a device, else from how long things
// take.
#pragma once
#include "lib/chacha.h"

namespace entropy {

// Mixes at least 256 bits into the generator; when it is called again, it need not be all new.
// Returns where they come from: "rdseed", "rdrand", a device's name, "jitter".
const char* gather(RandomGenerator& generator);

}  // namespace entropy
