// SPDX-License-Identifier: BSD-2-Clause
// Memory full of ACPI tables: the root pointer first, then at fixed places RSDT, FADT and DSDT,
// whose checksums are made right so that what is in them is looked at.
#include <cstdlib>
#include "bus/acpi.h"
#include "fakes/tables.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size)
{
    constexpr uint32_t base = 0x10000;
    if (size < 0x200 || size > 0x10000) return 0;
    FakeMachine machine;
    FakeMemory memory(size);
    memcpy(memory.bytes.data(), data, size);
    memory.balance(0, 20, 8);
    memory.balance(0, 36, 32);
    for (uint32_t at : {0x40u, 0x80u, 0x180u}) {
        uint32_t length;
        memcpy(&length, &memory.bytes[at + 4], 4);
        if (length < 36) continue;
        // One that reaches beyond the memory costs time and shows nothing.
        if (length > size - at) memory.put(at + 4, uint32_t(size - at));
        memory.seal(at);
    }
    machine.memory(base, size, memory);
    acpi::set_root(base);
    if (acpi::power_off() || acpi::reset()) abort();                // both return only on failure,
    if (machine.log.empty() || machine.log.size() > 2000) abort();  // say why,
    if (machine.now_us > 10'000'000) abort();                       // and come back
    return 0;
}
