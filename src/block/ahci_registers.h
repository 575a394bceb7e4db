// SPDX-License-Identifier: BSD-2-Clause
// The registers of an AHCI controller and what it reads from memory, by the names of Serial ATA
// AHCI 1.3.1, whose section numbers are here, and of Serial ATA 2.6 ("SATA").
#pragma once
#include <cstring>
#include "block/ata.h"
#include "hal/dma.h"
#include "hal/reg.h"
#include "lib/bytes.h"

namespace ahci_registers {

using hal::Register;

namespace hba {  // 3.1
struct Cap : Register<Cap, 0x00> {
    struct Ports : Field<Ports, 0, 5> {};                // less 1
    struct CommandSlots : Field<CommandSlots, 8, 5> {};  // less 1
    struct StaggeredSpinUp : Field<StaggeredSpinUp, 27> {};
    struct Ncq : Field<Ncq, 30> {};
    struct Addresses64 : Field<Addresses64, 31> {};
};
struct Ghc : Register<Ghc, 0x04> {
    struct HbaReset : Field<HbaReset, 0> {};
    struct InterruptEnable : Field<InterruptEnable, 1> {};
    struct AhciEnable : Field<AhciEnable, 31> {};
};
struct Is : Register<Is, 0x08> {  // a bit for each port, write-1-to-clear
    static constexpr uint32_t write_one_to_clear = ~0u;
};
struct Pi : Register<Pi, 0x0c> {};  // a bit for each port that there is
struct Vs : Register<Vs, 0x10> {
    struct Major : Field<Major, 16, 16> {};
    struct Minor : Field<Minor, 8, 8> {};
};
struct Cap2 : Register<Cap2, 0x24> {
    struct HandOff : Field<HandOff, 0> {};
};
struct Bohc : Register<Bohc, 0x28> {
    static constexpr uint32_t write_one_to_clear = 0x08;
    struct BiosOwned : Field<BiosOwned, 0> {};
    struct OsOwned : Field<OsOwned, 1> {};
    struct OwnershipChange : Field<OwnershipChange, 3> {};
    struct BiosBusy : Field<BiosBusy, 4> {};
};
}  // namespace hba

namespace port {  // 3.3
struct Clb : Register<Clb, 0x00> {};
struct ClbUpper : Register<ClbUpper, 0x04> {};
struct Fb : Register<Fb, 0x08> {};
struct FbUpper : Register<FbUpper, 0x0c> {};
struct Is : Register<Is, 0x10> {
    static constexpr uint32_t write_one_to_clear = ~0u;
    struct DeviceToHost : Field<DeviceToHost, 0> {};
    struct PioSetup : Field<PioSetup, 1> {};
    struct SetDeviceBits : Field<SetDeviceBits, 3> {};
    struct ConnectChange : Field<ConnectChange, 6> {};     // as long as Serr::Exchanged is 1
    struct PhyReadyChange : Field<PhyReadyChange, 22> {};  // as long as Serr::PhyReadyChange is 1
    struct Overflow : Field<Overflow, 24> {};
    struct InterfaceNonFatal : Field<InterfaceNonFatal, 26> {};
    struct InterfaceFatal : Field<InterfaceFatal, 27> {};
    struct HostBusData : Field<HostBusData, 28> {};
    struct HostBusFatal : Field<HostBusFatal, 29> {};
    struct TaskFileError : Field<TaskFileError, 30> {};
    static constexpr uint32_t changes = ConnectChange::mask | PhyReadyChange::mask;
    static constexpr uint32_t errors = Overflow::mask | InterfaceFatal::mask | HostBusData::mask |
                                       HostBusFatal::mask | TaskFileError::mask;
    static constexpr uint32_t fatal = InterfaceFatal::mask | HostBusFatal::mask;
    static constexpr uint32_t ends = DeviceToHost::mask | PioSetup::mask | SetDeviceBits::mask;
};
struct Ie : Register<Ie, 0x14> {
    using FieldsOf = Is;
};
struct Cmd : Register<Cmd, 0x18> {
    struct Start : Field<Start, 0> {};
    struct SpinUp : Field<SpinUp, 1> {};
    struct PowerOn : Field<PowerOn, 2> {};
    struct FisReceive : Field<FisReceive, 4> {};
    struct CurrentSlot : Field<CurrentSlot, 8, 5> {};
    struct FisReceiveRunning : Field<FisReceiveRunning, 14> {};
    struct ListRunning : Field<ListRunning, 15> {};
    struct Atapi : Field<Atapi, 24> {};
    struct Communication : Field<Communication, 28, 4> {
        enum Value : uint8_t { active = 1 };
    };
};
struct Tfd : Register<Tfd, 0x20> {
    struct StatusError : Field<StatusError, 0> {};
    struct DataRequest : Field<DataRequest, 3> {};
    struct DeviceFault : Field<DeviceFault, 5> {};
    struct Ready : Field<Ready, 6> {};
    struct Busy : Field<Busy, 7> {};
    struct Error : Field<Error, 8, 8> {};
    static bool is_busy(uint32_t value) { return Busy::in(value) || DataRequest::in(value); }
};
struct Sig : Register<Sig, 0x24> {
    static constexpr uint32_t packet_device = 0xeb140101, disk = 0x00000101;
};
struct Ssts : Register<Ssts, 0x28> {
    struct Detection : Field<Detection, 0, 4> {
        enum Value : uint8_t { nothing = 0, no_link = 1, established = 3, offline = 4 };
    };
    struct Speed : Field<Speed, 4, 4> {};
    struct Power : Field<Power, 8, 4> {};
};
struct Sctl : Register<Sctl, 0x2c> {
    struct Detection : Field<Detection, 0, 4> {
        enum Value : uint8_t { nothing = 0, initialize = 1, disable = 4 };
    };
    struct Speed : Field<Speed, 4, 4> {};
    struct Power : Field<Power, 8, 4> {  // states that the link may not enter
        enum Value : uint8_t { no_partial = 1, no_slumber = 2, neither = 3 };
    };
};
struct Serr : Register<Serr, 0x30> {
    static constexpr uint32_t write_one_to_clear = ~0u;
    struct PhyReadyChange : Field<PhyReadyChange, 16> {};
    struct Exchanged : Field<Exchanged, 26> {};
    static constexpr uint32_t changes = PhyReadyChange::mask | Exchanged::mask;
};
struct Sact : Register<Sact, 0x34> {};
struct Ci : Register<Ci, 0x38> {};
}  // namespace port

// What the controller reads from memory, as if it were registers: so traces show it. 4.2.2: the
// list has a header for each slot, which says where its table is.
namespace header {
struct Flags : Register<Flags, 0> {
    struct FisWords : Field<FisWords, 0, 5> {};
    struct Packet : Field<Packet, 5> {};
    struct Write : Field<Write, 6> {};
    struct Descriptors : Field<Descriptors, 16, 16> {};
};
constexpr unsigned bytes_done_at = 4, table_at = 8, bytes = 32;
}  // namespace header
namespace fis {  // of the type Register, host to device (SATA, 10.3.4): a table begins with it
struct Type : Register<Type, 0, uint8_t> {
    enum Value : uint8_t { register_host_to_device = 0x27 };
};
struct Flags : Register<Flags, 1, uint8_t> {
    struct Command : Field<Command, 7> {};
};
struct Command : Register<Command, 2, uint8_t> {
    using Value = AtaCommand::Opcode;
};
struct Features : Register<Features, 3, uint8_t> {};
struct LbaLow : Register<LbaLow, 4> {  // 24 bits of it, and the Device register
    struct Lba : Field<Lba, 0, 24> {};
    struct Device : Field<Device, 24, 8> {};
};
struct LbaHigh : Register<LbaHigh, 8> {
    struct Lba : Field<Lba, 0, 24> {};
    struct FeaturesHigh : Field<FeaturesHigh, 24, 8> {};
};
struct Count : Register<Count, 12> {};
constexpr unsigned words = 5;
}  // namespace fis
struct Descriptor {  // 4.2.3.3
    uint32_t address, address_upper, reserved, bytes_less_1;
    static constexpr size_t most_bytes = 4 << 20;
};
static_assert(sizeof(Descriptor) == 16);
constexpr unsigned descriptors_at = 0x80, descriptors = 8, packet_at = 0x40;
constexpr unsigned table_bytes = descriptors_at + descriptors * sizeof(Descriptor);

// A port's memory: the list, what the device sends, a sector for the driver's use, the tables.
class PortMemory {
public:
    static constexpr unsigned most_slots = 32;

    Result<void> allocate(unsigned slots)
    {
        memory_ = TRY(hal::allocate_dma(tables_at + slots * table_bytes, 1024));
        for (unsigned slot = 0; slot < slots; ++slot) {
            uint32_t address = memory_.address + tables_at + slot * table_bytes;
            memcpy(header(slot) + header::table_at, &address, sizeof address);
        }
        return {};
    }
    uint32_t list() const { return memory_.address; }
    uint32_t received() const { return memory_.address + received_at; }
    std::byte* sector() const { return memory_.data + sector_at; }
    std::byte* header(unsigned slot) const { return memory_.data + slot * header::bytes; }
    std::byte* table(unsigned slot) const { return memory_.data + tables_at + slot * table_bytes; }
    Descriptor* descriptors(unsigned slot) const
    {
        return reinterpret_cast<Descriptor*>(table(slot) + descriptors_at);
    }
    uint32_t bytes_done(unsigned slot) const  // 5.4.1; not where it is queued
    {
        return le32(header(slot) + header::bytes_done_at);
    }
    // The first block that could not be transferred, of the last Register FIS (SATA, 10.3.5), where
    // the device says UNC or IDNF.
    uint64_t failed_block() const
    {
        const std::byte* fis = memory_.data + received_at + 0x40;
        return (le32(fis + 4) & 0xffffff) | uint64_t{le32(fis + 8) & 0xffffff} << 24;
    }

private:
    static constexpr unsigned received_at = 1024, sector_at = 1536, tables_at = 2048;
    hal::DmaMemory memory_;
};

}  // namespace ahci_registers
