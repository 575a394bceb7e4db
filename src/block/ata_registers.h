// SPDX-License-Identifier: BSD-2-Clause
// The registers of an ATA channel, by the names of ATA/ATAPI-7 (T13/1532D) volume 1.
#pragma once
#include "block/ata.h"
#include "hal/reg.h"

namespace ata {

using hal::Register;

namespace command_block {
struct Data : Register<Data, 0, uint16_t> {};
struct Error : Register<Error, 1, uint8_t> {
    struct Abort : Field<Abort, 2> {};
    struct IdNotFound : Field<IdNotFound, 4> {};
    struct UncorrectableError : Field<UncorrectableError, 6> {};
    struct InterfaceCrc : Field<InterfaceCrc, 7> {};
};
struct Features : Register<Features, 1, uint8_t> {};
struct SectorCount : Register<SectorCount, 2, uint8_t> {};
struct InterruptReason : Register<InterruptReason, 2, uint8_t> {  // of PACKET
    struct CommandPacket : Field<CommandPacket, 0> {};
    struct ToHost : Field<ToHost, 1> {};
};
struct LbaLow : Register<LbaLow, 3, uint8_t> {};  // CHS: sector number
struct LbaMid : Register<LbaMid, 4, uint8_t> {};  // CHS: cylinder low
struct LbaHigh : Register<LbaHigh, 5, uint8_t> {};
struct Device : Register<Device, 6, uint8_t> {
    struct Head : Field<Head, 0, 4> {};  // LBA28: the address from bit 24 on
    struct Drive : Field<Drive, 4> {};
    struct Obsolete5 : Field<Obsolete5, 5> {};  // 1, as 7 is, for old drives
    struct Lba : Field<Lba, 6> {};
    struct Obsolete7 : Field<Obsolete7, 7> {};
};
struct Status : Register<Status, 7, uint8_t> {  // reading it ends the interrupt
    struct Error : Field<Error, 0> {};
    struct DataRequest : Field<DataRequest, 3> {};
    struct SeekComplete : Field<SeekComplete, 4> {};
    struct DeviceFault : Field<DeviceFault, 5> {};
    struct Ready : Field<Ready, 6> {};
    struct Busy : Field<Busy, 7> {};
};
struct Command : Register<Command, 7, uint8_t> {
    using Value = AtaCommand::Opcode;
};
}  // namespace command_block

namespace control_block {  // from 3f4h or a base address register on
struct AlternateStatus : Register<AlternateStatus, 2, uint8_t> {  // Status, without its effect
    using FieldsOf = command_block::Status;
};
struct DeviceControl : Register<DeviceControl, 2, uint8_t> {
    struct NoInterrupt : Field<NoInterrupt, 1> {};
    struct SoftReset : Field<SoftReset, 2> {};
    struct Obsolete3 : Field<Obsolete3, 3> {};  // 1 for ATA-1 drives with more than 8 heads
};
}  // namespace control_block

namespace bus_master {  // of IDE: Programming Interface for Bus Master IDE Controller 1.0, 2.0
struct Command : Register<Command, 0, uint8_t> {
    struct Start : Field<Start, 0> {};
    struct ToMemory : Field<ToMemory, 3> {};
};
struct Status : Register<Status, 2, uint8_t> {
    static constexpr uint8_t write_one_to_clear = 0x06;
    struct Active : Field<Active, 0> {};
    struct Error : Field<Error, 1> {};
    struct Interrupt : Field<Interrupt, 2> {};
    struct Latched : Field<Latched, 1, 2> {};  // the two above
    struct Dma0 : Field<Dma0, 5> {};           // the firmware has set up a mode for drive 0
    struct Dma1 : Field<Dma1, 6> {};
};
struct DescriptorTable : Register<DescriptorTable, 4, uint32_t> {};
struct Descriptor {  // a run of memory that does not cross a multiple of 64 KiB
    uint32_t address;
    uint16_t bytes;  // 0 is 64 KiB
    uint16_t flags;
    static constexpr uint16_t end_of_table = 0x8000;
};
static_assert(sizeof(Descriptor) == 8);
constexpr unsigned descriptors = 128;
}  // namespace bus_master

}  // namespace ata
