// SPDX-License-Identifier: BSD-2-Clause
// An ELF file in memory, as the loader reads it.
#pragma once
#include <cstdlib>
#include <cstring>
#include <vector>
#include "format/format.h"

extern const kexec::Format elf_format;

struct ElfFile final : kexec::Image {
    std::vector<std::byte> data;
    int reads_left = -1;  // then they fail; -1: never

    ElfFile() { name = "/kexec"; }
    Result<void> read(uint32_t offset, std::span<std::byte> into) override
    {
        if (reads_left == 0) return Error::device;
        if (reads_left > 0) --reads_left;
        if (offset > data.size() || into.size() > data.size() - offset) abort();
        if (!into.empty()) memcpy(into.data(), data.data() + offset, into.size());
        return {};
    }
};
