// SPDX-License-Identifier: BSD-2-Clause
#include "bus/msi.h"

namespace msi {

namespace {

using hal::Message;
using hal::PciFunction;

constexpr uint8_t msi_capability = 0x05, msix_capability = 0x11;

// 6.8.1: Message Control is at 2, the address at 4; what follows depends on its width.
constexpr uint16_t msi_enable = 1, msi_messages_enabled = 7 << 4, msi_64_bit = 1 << 7;
// 6.8.2: and where the table is, at 4: BAR indicator and offset.
constexpr uint16_t msix_enable = 1 << 15, msix_function_mask = 1 << 14, msix_size = 0x7ff;

struct AddressLow : hal::Register<AddressLow, 0> {};
struct AddressHigh : hal::Register<AddressHigh, 4> {};
struct MessageData : hal::Register<MessageData, 8> {};
struct VectorControl : hal::Register<VectorControl, 12> {};
constexpr unsigned entry_bytes = 16;

void send_msi(const PciFunction& pci, unsigned at, const Message& message)
{
    auto control = pci.read<uint16_t>(at + 2);
    pci.write<uint32_t>(at + 4, message.address);
    if (control & msi_64_bit) pci.write<uint32_t>(at + 8, 0);
    pci.write<uint16_t>(at + (control & msi_64_bit ? 12 : 8), static_cast<uint16_t>(message.data));
    pci.write<uint16_t>(at + 2,
                        static_cast<uint16_t>((control & ~msi_messages_enabled) | msi_enable));
}

Result<void> send_msix(Device& device, unsigned at, unsigned index, const Message& message)
{
    const PciFunction& pci = device.pci();
    auto control = pci.read<uint16_t>(at + 2);
    auto table = pci.read<uint32_t>(at + 4);
    uint32_t offset = (table & ~7u) + index * entry_bytes;
    uint32_t room = TRY(device.measure_bar(table & 7)).bytes;
    if (offset > room || room - offset < entry_bytes) return Error::corrupt;
    hal::Window entry = TRY(device.bar(table & 7));
    entry.base += offset;
    hal::Registers registers(entry);
    registers.write<AddressLow>(message.address);
    registers.write<AddressHigh>(0);
    registers.write<MessageData>(message.data);
    registers.write<VectorControl>(0);  // not masked
    pci.write<uint16_t>(at + 2,
                        static_cast<uint16_t>((control & ~msix_function_mask) | msix_enable));
    return {};
}

}  // namespace

Result<void> connect(Device& device, unsigned index, hal::InterruptHandler handler, void* context)
{
    if (!device.is_pci()) return Error::unsupported;
    const PciFunction& pci = device.pci();
    unsigned msix = pci.capability(msix_capability), msi = pci.capability(msi_capability);
    unsigned most = msix ? (pci.read<uint16_t>(msix + 2) & msix_size) + 1 : msi ? 1 : 0;
    if (index >= most) return Error::unsupported;
    Message message = TRY(hal::connect_message(handler, context, device.name()));
    Result<void> sent = Error::unsupported;
    if (msix) sent = send_msix(device, msix, index, message);
    if (!sent && msi && index == 0) {
        send_msi(pci, msi, message);
        sent = {};
    }
    if (!sent) {
        hal::disconnect_message(handler, context);
        return sent;
    }
    pci.enable(PciFunction::interrupt_disable);
    return {};
}

Result<void> connect_best(Device& device, hal::InterruptHandler handler, void* context)
{
    if (connect(device, 0, handler, context)) return {};
    return device.on_interrupt(handler, context);
}

void disable(Device& device)
{
    if (!device.is_pci()) return;
    const PciFunction& pci = device.pci();
    if (unsigned at = pci.capability(msi_capability))
        pci.write<uint16_t>(at + 2,
                            static_cast<uint16_t>(pci.read<uint16_t>(at + 2) & ~msi_enable));
    if (unsigned at = pci.capability(msix_capability))
        pci.write<uint16_t>(at + 2,
                            static_cast<uint16_t>(pci.read<uint16_t>(at + 2) & ~msix_enable));
    pci.disable(PciFunction::interrupt_disable);
}

}  // namespace msi
