// SPDX-License-Identifier: BSD-2-Clause
// What a payload may come as, besides the raw binary that lies at KEXECADDR as it is. A format is
// one .cpp here and one constant; `format NAME` in a configuration links it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include "hal/result.h"

namespace kexec {

// A payload before it is loaded: a file, or what has come over a line.
class Image {
public:
    // All of `into`, or an error, which has been logged. offset + into.size() <= bytes.
    virtual Result<void> read(uint32_t offset, std::span<std::byte> into) = 0;

    std::string_view name;  // for messages
    uint32_t bytes = 0;

protected:
    ~Image() = default;
};

// Where a payload is to be: these bytes are at this address.
struct Memory {
    std::span<std::byte> bytes;
    uint32_t address;

    uint64_t end() const { return address + uint64_t{bytes.size()}; }
};

struct Placed {
    uint32_t entry = 0;  // the address that is called
    uint32_t end = 0;    // of what is in memory: arena_start
};

struct Format {
    const char* name;
    bool (*recognises)(std::span<const std::byte, 4> first);
    // Puts it into memory, ready to be called. Errors: corrupt, unsupported, too_large, and the
    // image's; why has been logged.
    Result<Placed> (*place)(Image& image, const Memory& memory);
};

}  // namespace kexec
