// SPDX-License-Identifier: BSD-2-Clause
// The registers of an SD host controller (SD Host Controller Simplified Specification 3.00, "H"),
// and the commands of cards (SD Physical Layer Simplified Specification 3.01, "P"; JESD84-A441,
// "M").
#pragma once
#include <algorithm>
#include <bit>
#include "hal/dma.h"
#include "hal/reg.h"

namespace sdhc_registers {
using namespace hal;

// ---- H 2.2: registers

struct Blocks : Register<Blocks, 0x04> {
    struct Size : Field<Size, 0, 12> {};
    struct Count : Field<Count, 16, 16> {};
};
struct Argument : Register<Argument, 0x08> {};
struct Command : Register<Command, 0x0c> {  // with Transfer Mode
    struct DmaEnable : Field<DmaEnable, 0> {};
    struct BlockCountEnable : Field<BlockCountEnable, 1> {};
    struct AutoCmd12 : Field<AutoCmd12, 2> {};
    struct ToHost : Field<ToHost, 4> {};
    struct MultiBlock : Field<MultiBlock, 5> {};
    struct Reply : Field<Reply, 16, 5> {};  // type, and what is checked
    struct DataPresent : Field<DataPresent, 21> {};
    struct Index : Field<Index, 24, 6> {};
};
template <unsigned N> struct Response : Register<Response<N>, 0x10 + 4 * N> {
};
struct BufferDataPort : Register<BufferDataPort, 0x20> {};
struct PresentState : Register<PresentState, 0x24> {
    struct CommandInhibit : Field<CommandInhibit, 0> {};
    struct DatInhibit : Field<DatInhibit, 1> {};
    struct CardInserted : Field<CardInserted, 16> {};
    struct CardStable : Field<CardStable, 17> {};
    struct Writable : Field<Writable, 19> {};
    static constexpr uint32_t gone = ~0u;
};
struct HostControl : Register<HostControl, 0x28, uint8_t> {
    struct FourBits : Field<FourBits, 1> {};
    struct HighSpeed : Field<HighSpeed, 2> {};
    struct EightBits : Field<EightBits, 5> {};
    struct DmaSelect : Field<DmaSelect, 3, 2> {
        enum Value : uint8_t { sdma = 0, adma2 = 2 };
    };
};
struct SdPowerControl : Register<SdPowerControl, 0x29, uint8_t> {  // the hal has a PowerControl
    struct BusPower : Field<BusPower, 0> {};
    struct Voltage : Field<Voltage, 1, 3> {
        enum Value : uint8_t { v1_8 = 5, v3_0 = 6, v3_3 = 7 };
    };
};
struct ClockControl : Register<ClockControl, 0x2c, uint16_t> {
    struct InternalEnable : Field<InternalEnable, 0> {};
    struct Stable : Field<Stable, 1> {};
    struct ClockEnable : Field<ClockEnable, 2> {};
    struct DivisorHigh : Field<DivisorHigh, 6, 2> {};
    struct Divisor : Field<Divisor, 8, 8> {};  // of twice that

    static Bits<ClockControl> divisor(uint32_t base_mhz, uint32_t khz, bool is_long)
    {
        uint32_t half = (base_mhz * 1000 + 2 * khz - 1) / (2 * khz);
        half = is_long ? std::min(half, 1023u) : std::min(std::bit_ceil(half), 128u);
        if (base_mhz * 1000 <= khz) half = 0;
        return Divisor::of(static_cast<uint16_t>(half & 0xff)) |
               DivisorHigh::of(static_cast<uint16_t>(half >> 8));
    }
};
struct TimeoutControl : Register<TimeoutControl, 0x2e, uint8_t> {
    static constexpr uint8_t longest = 0xe;
};
struct SoftwareReset : Register<SoftwareReset, 0x2f, uint8_t> {
    struct All : Field<All, 0> {};
    struct Lines : Field<Lines, 1, 2> {};  // CMD and DAT
};
struct Status : Register<Status, 0x30> {  // Normal and Error Interrupt Status
    static constexpr uint32_t write_one_to_clear = ~0u;
    struct CommandComplete : Field<CommandComplete, 0> {};
    struct TransferComplete : Field<TransferComplete, 1> {};
    struct BufferWriteReady : Field<BufferWriteReady, 4> {};
    struct BufferReadReady : Field<BufferReadReady, 5> {};
    struct CardEvent : Field<CardEvent, 6, 2> {};  // it came, it went
    struct Error : Field<Error, 15> {};
    struct CommandTimeout : Field<CommandTimeout, 16> {};
    struct Errors : Field<Errors, 16, 16> {};
};
struct StatusEnable : Register<StatusEnable, 0x34> {};
struct SignalEnable : Register<SignalEnable, 0x38> {};
struct Capabilities : Register<Capabilities, 0x40> {
    struct BaseClock : Field<BaseClock, 8, 8> {};  // MHz
    struct EightBits : Field<EightBits, 18> {};
    struct Adma2 : Field<Adma2, 19> {};
    struct HighSpeed : Field<HighSpeed, 21> {};
    struct V3_3 : Field<V3_3, 24> {};
    struct V3_0 : Field<V3_0, 25> {};
    struct SlotType : Field<SlotType, 30, 2> {
        enum Value : uint8_t { shared = 2 };
    };

    static constexpr bool has_eight_bits(uint32_t value)
    {
        return EightBits::in(value) && SlotType::in(value) != SlotType::shared;
    }
};
struct AdmaAddress : Register<AdmaAddress, 0x58> {};
struct Version : Register<Version, 0xfe, uint16_t> {
    struct Specification : Field<Specification, 0, 8> {};  // 2: 3.00
};
constexpr unsigned slots_at = 0x40;  // H, appendix C.3: configuration space
constexpr uint32_t all_but_card_events = ~Status::CardEvent::mask;

struct Descriptor {  // H 1.13.3: of ADMA2
    uint16_t attributes, bytes;
    uint32_t address;
    static constexpr uint16_t valid = 1, end = 2, transfer = 0x20;
};
static_assert(sizeof(Descriptor) == 8);
constexpr uint32_t piece_bytes = 32 << 10, descriptors = 128;
constexpr uint32_t block_bytes_of_cards = 512, most_blocks = piece_bytes / 512 * descriptors;

// ---- P 4.7 and 4.9: commands, and their replies as Command::Reply has them

enum Reply : uint8_t { none = 0, r2 = 0x09, r3 = 0x02, r1 = 0x1a, r1b = 0x1b };
enum Index : uint8_t {
    go_idle = 0,
    mmc_op_cond = 1,
    all_send_cid = 2,
    relative_address = 3,
    switch_function = 6,
    select_card = 7,
    send_if_cond = 8,
    mmc_ext_csd = 8,
    send_csd = 9,
    stop_transmission = 12,
    set_block_length = 16,
    read_single = 17,
    read_multiple = 18,
    write_single = 24,
    write_multiple = 25,
    app_command = 55,
    app_bus_width = 6,
    app_op_cond = 41,
    app_scr = 51
};
constexpr uint32_t voltages = 0x00ff8000, high_capacity = 1u << 30, powered_up = 1u << 31;  // OCR
constexpr uint32_t card_errors = 0xfd390000, write_protect_violation = 1u << 26;  // P 4.10.1
constexpr uint32_t check_pattern = 0x1aa;
constexpr uint32_t to_high_speed = 0x80fffff1;                               // P 4.3.10
constexpr uint32_t mmc_high_speed = 0x03b90100, mmc_bus_width = 0x03b70000;  // M 7.6.1

}  // namespace sdhc_registers
