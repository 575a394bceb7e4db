// SPDX-License-Identifier: BSD-2-Clause
#include "debug/disassemble.h"
#include <gtest/gtest.h>
#include <fstream>
#include <sstream>
#include <vector>

namespace {

using debug::disassemble;
using debug::Instruction;

struct Line {
    uint32_t address;
    std::vector<uint8_t> bytes;
    std::string text;
};

// tests/host/images/code.py has asked objdump.
std::vector<Line> objdump_lines()
{
    std::vector<Line> lines;
    std::ifstream in(std::string(VESPER_IMAGES) + "/code.txt");
    for (std::string row; std::getline(in, row);) {
        std::istringstream words(row);
        std::string address, bytes, text;
        words >> address >> bytes;
        std::getline(words >> std::ws, text);
        Line line{uint32_t(std::stoul(address, nullptr, 16)), {}, text};
        for (size_t i = 0; i < bytes.size(); i += 2)
            line.bytes.push_back(uint8_t(std::stoul(bytes.substr(i, 2), nullptr, 16)));
        lines.push_back(line);
    }
    return lines;
}

TEST(Disassemble, TheKernelAndTheSamplesAsObjdumpDoes)
{
    std::vector<Line> lines = objdump_lines();
    ASSERT_GT(lines.size(), 20000u);
    size_t same = 0;
    for (const Line& line : lines) {
        Instruction found = disassemble(line.address, line.bytes);
        EXPECT_EQ(found.length, line.bytes.size())
            << std::hex << line.address << ": " << line.text << " is " << found.text.c_str();
        if (line.text == found.text.view())
            ++same;
        else
            std::printf("%x: %s is %s\n", line.address, line.text.c_str(), found.text.c_str());
    }
    EXPECT_GE(double(same) / double(lines.size()), 0.999);
}

std::string text_of(std::vector<uint8_t> bytes, uint32_t address = 0x1000)
{
    Instruction found = disassemble(address, bytes);
    EXPECT_EQ(found.length, found.text.view() == "(bad)" ? 1 : bytes.size());
    return found.text.c_str();
}

// What compilers do not make of C.
TEST(Disassemble, OperandsOfEveryKind)
{
    EXPECT_EQ(text_of({0x64, 0xa1, 0, 0, 0, 0}), "mov eax,fs:0x0");
    EXPECT_EQ(text_of({0x66, 0x83, 0xc0, 0xff}), "add ax,0xffff");
    EXPECT_EQ(text_of({0x67, 0x8b, 0x40, 0x80}), "mov eax,DWORD PTR [bx+si-0x80]");
    EXPECT_EQ(text_of({0x8d, 0xb4, 0x26, 0, 0, 0, 0}), "lea esi,[esi+eiz*1+0x0]");
    EXPECT_EQ(text_of({0x8b, 0x04, 0x8d, 0, 0x10, 0, 0}), "mov eax,DWORD PTR [ecx*4+0x1000]");
    EXPECT_EQ(text_of({0xf3, 0xa5}), "rep movs DWORD PTR es:[edi],DWORD PTR ds:[esi]");
    EXPECT_EQ(text_of({0xf2, 0xae}), "repnz scas al,BYTE PTR es:[edi]");
    EXPECT_EQ(text_of({0xf0, 0x0f, 0xc7, 0x0e}), "lock cmpxchg8b QWORD PTR [esi]");
    EXPECT_EQ(text_of({0xea, 0x78, 0x56, 0x34, 0x12, 8, 0}), "jmp 0x8:0x12345678");
    EXPECT_EQ(text_of({0xeb, 0xfe}), "jmp 0x1000");
    EXPECT_EQ(text_of({0x0f, 0x22, 0xd8}), "mov cr3,eax");
    EXPECT_EQ(text_of({0xd8, 0x45, 0xf8}), "fadd DWORD PTR [ebp-0x8]");
    EXPECT_EQ(text_of({0xde, 0xc1}), "faddp st(1),st");
    EXPECT_EQ(text_of({0xf3, 0x0f, 0x58, 0x08}), "addss xmm1,DWORD PTR [eax]");
    EXPECT_EQ(text_of({0xf3, 0x90}), "pause");
}

TEST(Disassemble, WhatIsNoInstructionIsBad)
{
    EXPECT_EQ(text_of({0xff, 0xff}), "(bad)");
    EXPECT_EQ(text_of({0x8d, 0xc0}), "(bad)");        // lea of a register
    EXPECT_EQ(text_of({0xc7, 0x05, 0, 0}), "(bad)");  // cut off
    EXPECT_EQ(text_of(std::vector<uint8_t>(20, 0x66)), "(bad)");
    EXPECT_EQ(disassemble(0, {}).length, 0u);
}

}  // namespace
