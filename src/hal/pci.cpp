// SPDX-License-Identifier: BSD-2-Clause
// The machine's PCI configuration space.
#include "hal/pci_ports.h"

namespace hal {

static constinit PciPorts ports;
static constinit bool detected = false;

unsigned detect_pci_mechanism()
{
    if (!detected) ports.detect();
    detected = true;
    return ports.mechanism();
}

uint32_t PciFunction::read_config(unsigned offset, unsigned bytes) const
{
    return pci_mechanism() ? ports.read(*this, offset, bytes) : ~0u;
}

void PciFunction::write_config(unsigned offset, unsigned bytes, uint32_t value) const
{
    if (pci_mechanism()) ports.write(*this, offset, bytes, value);
}

}  // namespace hal
