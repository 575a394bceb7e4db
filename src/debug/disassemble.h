// SPDX-License-Identifier: BSD-2-Clause
// One instruction of an i386 in Intel's syntax, as objdump -M intel writes it.
#pragma once
#include <cstdint>
#include <span>
#include "lib/format.h"

namespace debug {

struct Instruction {
    unsigned length = 0;  // bytes, 1...15
    Text<96> text;        // "mov eax,DWORD PTR [ebx+0x18]", or "(bad)"
};

// What the bytes from `address` on mean; no more than 15 are looked at. Where they are no
// instruction, or end in the middle of one, it is "(bad)" of 1 byte; of none, of 0 bytes.
Instruction disassemble(uint32_t address, std::span<const uint8_t> bytes);

// "mov eax,DWORD PTR [ebx+0x18]" of what is at `address`, through the part of the kernel that can
// say it; null where that is not linked.
using InstructionAt = Instruction (*)(uint32_t address);
extern constinit InstructionAt instruction_at;

}  // namespace debug
