// SPDX-License-Identifier: BSD-2-Clause
// Interrupts that a PCI device raises by writing a message (PCI Local Bus Specification 3.0, 6.8).
#pragma once
#include "hal/driver.h"

namespace msi {

// Has handler(context) called for message `index` of a device: MSI-X, else MSI, whose message 0
// alone is used. Errors: unsupported (neither, or too few messages, or no local APIC), no_memory.
Result<void> connect(Device& device, unsigned index, hal::InterruptHandler handler, void* context);
// For a driver's interrupt: message 0 where the device and the machine have messages, else its
// line. Errors: those of Device::on_interrupt(): then the driver polls.
Result<void> connect_best(Device& device, hal::InterruptHandler handler, void* context);
// The device sends messages no longer; its line works again.
void disable(Device& device);

}  // namespace msi
