// SPDX-License-Identifier: BSD-2-Clause
// An ELF file that is loaded into 64 KiB of memory.
#include "fakes/elf.h"
#include "fakes/machine.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size)
{
    FakeMachine machine;
    ElfFile file;
    file.data.resize(size);
    if (size) memcpy(file.data.data(), data, size);
    file.bytes = uint32_t(size);
    std::vector<std::byte> memory(65536);
    auto placed = elf_format.place(file, {memory, 0xc0430000});
    if (!placed) return machine.log.empty() ? abort(), 0 : 0;
    if (placed.value().end > 0xc0440000 || placed.value().entry >= placed.value().end ||
        placed.value().entry < 0xc0430000)
        abort();
    return 0;
}
