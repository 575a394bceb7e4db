// SPDX-License-Identifier: BSD-2-Clause
// e9 - the debug console of emulators: what is written to port E9h appears on the host.
//
// Output only, no cells.
// Documentation: Bochs, bochsrc "port_e9_hack"; QEMU, -device isa-debugcon.  Tested on: QEMU.
#include "hal/driver.h"

namespace {
using namespace hal;

struct Data : Register<Data, 0, uint8_t> {
    static constexpr uint8_t there = 0xe9;
};

class E9 final : public TextOutput {
public:
    explicit E9(Window window) : regs_(window) {}
    void write(std::string_view text) override
    {
        regs_.write_many<Data>({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
    }

private:
    Registers regs_;
};

Result<void> attach(Device& device)
{
    if (Registers(device.ports()).read<Data>() != Data::there) return Error::not_found;
    publish(*TRY(make<E9>(device.ports())), "e9");
    device.describe("debug console");
    return {};
}

constexpr Match matches[] = {isa(0xe9, 1, 0)};

}  // namespace

extern const Driver e9 = {"e9", matches, attach, true};
