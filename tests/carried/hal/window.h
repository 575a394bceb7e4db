// SPDX-License-Identifier: BSD-2-Clause
// hal/window.h for another system: how registers are reached there. A device with registers in
// memory (`Kind::memory` in src/hal/window.h) would need its loads and stores here too.
#pragma once
#include <cstddef>
#include <cstdint>
#include "hal/result.h"

std::uint32_t port_in(std::uint16_t port, unsigned bytes);
void port_out(std::uint16_t port, unsigned bytes, std::uint32_t value);

namespace hal {

struct Window {
    std::uint16_t base = 0;
    const char* owner = "";

    template <class T> T load(unsigned offset) const
    {
        return static_cast<T>(port_in(static_cast<std::uint16_t>(base + offset), sizeof(T)));
    }
    template <class T> void store(unsigned offset, T value) const
    {
        port_out(static_cast<std::uint16_t>(base + offset), sizeof(T), value);
    }
    template <class T> void load_many(unsigned offset, T* into, std::size_t count) const
    {
        while (count--) *into++ = load<T>(offset);
    }
    template <class T> void store_many(unsigned offset, const T* from, std::size_t count) const
    {
        while (count--) store<T>(offset, *from++);
    }
};

inline Window port_window(std::uint16_t base, std::uint16_t, const char* owner)
{
    return {base, owner};
}

}  // namespace hal
