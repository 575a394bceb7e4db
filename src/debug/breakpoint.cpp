// SPDX-License-Identifier: BSD-2-Clause
#include "debug/breakpoint.h"
#include "arch/cpu.h"
#include "debug/report.h"
#include "debug/stop.h"

namespace debug {

constinit bool debugging = false;

namespace {

constinit Breakpoint table[breakpoints] = {};
constinit int last_hit = -1;

uint32_t control()
{
    uint32_t dr7 = 0x400;  // a bit that is always set
    for (int i = 0; i < breakpoints; ++i) {
        const auto& [address, access, bytes] = table[i];
        if (!bytes) continue;
        dr7 |= 2u << (i * 2);  // Gi
        dr7 |= (static_cast<unsigned>(access) | (bytes - 1u) << 2) << (16 + i * 4);
    }
    return dr7;
}

}  // namespace

Result<int> set_breakpoint(uint32_t address, Access access, unsigned bytes)
{
    if ((bytes != 1 && bytes != 2 && bytes != 4) || address % bytes) return Error::invalid;
    if (access == Access::execute && bytes != 1) return Error::invalid;
    for (int i = 0; i < breakpoints; ++i) {
        if (table[i].bytes) continue;
        table[i] = {address, access, static_cast<uint8_t>(bytes)};
        debugging = true;
        if (!stopped_frame()) arm_breakpoints();
        return i;
    }
    return Error::busy;
}

Result<void> clear_breakpoint(int number)
{
    if (!breakpoint(number)) return Error::not_found;
    table[number] = {};
    if (!stopped_frame()) arm_breakpoints();
    return {};
}

const Breakpoint* breakpoint(int number)
{
    return number >= 0 && number < breakpoints && table[number].bytes ? &table[number] : nullptr;
}

int hit_breakpoint() { return last_hit; }
void forget_hits() { last_hit = -1; }

bool report_hit(const TrapFrame& frame)
{
    const Breakpoint* b = breakpoint(last_hit);
    if (!b) return false;
    Text<64> what;
    what.print("breakpoint {}", last_hit);
    if (b->access != Access::execute)
        what.print(" (0x{08x} was {})", b->address,
                   b->access == Access::write ? "written" : "accessed");
    report_place(what, frame);
    return true;
}

bool take_hits()
{
    uint32_t dr6 = cpu::read_dr6();
    cpu::write_dr<6>(0xffff0ff0);
    for (int i = 0; i < breakpoints && last_hit < 0; ++i) {
        if (dr6 & 1u << i && table[i].bytes) last_hit = i;
    }
    return last_hit >= 0;
}

void disarm_breakpoints() { cpu::write_dr<7>(0x400); }

void arm_breakpoints()
{
    cpu::write_dr<0>(table[0].address);
    cpu::write_dr<1>(table[1].address);
    cpu::write_dr<2>(table[2].address);
    cpu::write_dr<3>(table[3].address);
    cpu::write_dr<7>(control());
}

void arm_breakpoints(TrapFrame& frame)
{
    constexpr uint32_t resume = 1 << 16;  // EFLAGS.RF, 17.3.1.1: for one instruction
    for (const Breakpoint& b : table) {
        if (b.bytes && b.access == Access::execute && b.address == frame.eip)
            frame.eflags |= resume;
    }
    arm_breakpoints();
}

}  // namespace debug
