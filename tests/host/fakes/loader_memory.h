// SPDX-License-Identifier: BSD-2-Clause
// Memory with what a loader has put there and nothing else: each piece is allocated for itself, so
// that AddressSanitizer sees whoever reads beyond its end.
#pragma once
#include <cstring>
#include <map>
#include <string>
#include <vector>
#include "boot/boot_info.h"

class FakeLoaderMemory final : public LoaderMemory {
public:
    uint32_t put(const std::string& bytes)
    {
        uint32_t address = next_;
        put(address, bytes);
        next_ += (static_cast<uint32_t>(bytes.size()) + 0x10f) & ~0xfu;
        return address;
    }
    void put(uint32_t address, const std::string& bytes)
    {
        auto data = reinterpret_cast<const std::byte*>(bytes.data());
        pieces_[address] = {data, data + bytes.size()};
        pieces_[address].shrink_to_fit();
    }
    void change(uint32_t address, const std::string& bytes)
    {
        memcpy(pieces_.at(address).data(), bytes.data(), bytes.size());
    }
    const std::byte* at(uint64_t physical, size_t bytes) const override
    {
        auto after = pieces_.upper_bound(physical);
        if (after == pieces_.begin()) return nullptr;
        const auto& [start, piece] = *std::prev(after);
        uint64_t offset = physical - start;
        if (offset > piece.size() || bytes > piece.size() - offset) return nullptr;
        return piece.data() + offset;
    }

private:
    std::map<uint64_t, std::vector<std::byte>> pieces_;
    uint32_t next_ = 0x10000;
};
