// SPDX-License-Identifier: BSD-2-Clause
// The host's stand-in for src/hal/window.h: a fake device behind every window.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include "hal/result.h"

struct FakeDevice {
    virtual ~FakeDevice() = default;
    // offset is counted from the address at which the device was plugged in.
    virtual uint32_t read(unsigned offset, unsigned bytes) = 0;
    virtual void write(unsigned offset, unsigned bytes, uint32_t value) = 0;
};

namespace hal {

struct Window {
    FakeDevice* device = nullptr;  // null: nothing answers, reads give all ones
    unsigned base = 0;             // of the window, from where the device was plugged in
    const char* owner = "";

    template <class T> T load(unsigned offset) const
    {
        return static_cast<T>(device ? device->read(base + offset, sizeof(T)) : ~0u);
    }
    template <class T> void store(unsigned offset, T value) const
    {
        if (device) device->write(base + offset, sizeof(T), value);
    }
    template <class T> void load_many(unsigned offset, T* into, std::size_t count) const
    {
        for (std::size_t i = 0; i < count; ++i) into[i] = load<T>(offset);
    }
    template <class T> void store_many(unsigned offset, const T* from, std::size_t count) const
    {
        for (std::size_t i = 0; i < count; ++i) store<T>(offset, from[i]);
    }
    void copy_to(unsigned offset, const void* from, std::size_t count) const
    {
        for (unsigned i = 0; i < count; ++i) {
            uint32_t value;
            memcpy(&value, static_cast<const char*>(from) + i * 4, 4);
            store<uint32_t>(offset + i * 4, value);
        }
    }
};

Window port_window(std::uint16_t base, std::uint16_t count, const char* owner);
enum class Caching : std::uint8_t { uncached, cached, write_combining };
Result<Window> memory_window(std::uint64_t physical, std::size_t bytes, const char* owner,
                             Caching caching = Caching::uncached);

}  // namespace hal
