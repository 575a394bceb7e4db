// SPDX-License-Identifier: BSD-2-Clause
// Intel SDM volume 1, 7.3.17: RDRAND and RDSEED. Both may have nothing for a while.
#include "arch/entropy.h"
#include "arch/cpu.h"
#include "hal/classes.h"
#include "hal/time.h"

namespace entropy {

namespace {

constexpr unsigned words = 8;

bool rdseed(uint32_t& value)
{
    bool valid;
    asm volatile("rdseed %0" : "=r"(value), "=@ccc"(valid));
    return valid;
}

bool rdrand(uint32_t& value)
{
    bool valid;
    asm volatile("rdrand %0" : "=r"(value), "=@ccc"(valid));
    return valid;
}

bool from_cpu(RandomGenerator& generator, bool (*instruction)(uint32_t&))
{
    for (unsigned i = 0; i < words; ++i) {
        uint32_t value = 0;
        bool valid = false;
        for (unsigned attempt = 0; attempt < 100 && !valid; ++attempt) valid = instruction(value);
        if (!valid) return false;
        generator.mix(value);
    }
    return true;
}

const char* from_device(RandomGenerator& generator)
{
    for (RandomSource* source = first_random_source(); source; source = source->next) {
        uint32_t values[words] = {};
        if (!source->read(std::as_writable_bytes(std::span(values)))) continue;
        for (uint32_t value : values) generator.mix(value);
        return source->name.c_str();
    }
    return nullptr;
}

// The time that clock readings take: they go over the bus, and interrupts and caches come between.
void from_jitter(RandomGenerator& generator)
{
    static constinit bool begun = false;
    unsigned samples = begun ? 64 : 2048;
    begun = true;
    uint32_t last = 0, sum = 0;
    for (unsigned i = 0; i < samples; ++i) {
        uint32_t now = cpu::features.tsc ? static_cast<uint32_t>(cpu::read_tsc()) : 0;
        uint32_t us = static_cast<uint32_t>(hal::now_us());
        sum = (sum << 5 | sum >> 27) ^ (now - last) ^ us;
        last = now;
        generator.mix(sum);
        hal::pause();
    }
}

}  // namespace

const char* gather(RandomGenerator& generator)
{
    if (cpu::features.rdseed && from_cpu(generator, rdseed)) return "rdseed";
    if (cpu::features.rdrand && from_cpu(generator, rdrand)) return "rdrand";
    if (const char* device = from_device(generator)) return device;
    from_jitter(generator);
    return "jitter";
}

}  // namespace entropy
