// SPDX-License-Identifier: BSD-2-Clause
// Memory with ACPI tables in it.
#pragma once
#include <cstring>
#include <string_view>
#include <vector>
#include "fakes/machine.h"

struct FakeMemory : FakeDevice {
    std::vector<uint8_t> bytes;
    unsigned beyond = 0;  // reads behind the end

    explicit FakeMemory(size_t size) : bytes(size) {}
    uint32_t read(unsigned offset, unsigned width) override
    {
        uint32_t value = ~0u;
        if (offset > bytes.size() || bytes.size() - offset < width)
            ++beyond;
        else
            memcpy(&value, &bytes[offset], width);
        return value;
    }
    void write(unsigned, unsigned, uint32_t) override {}

    template <class T> void put(uint32_t at, T value)
    {
        memcpy(&bytes.at(at), &value, sizeof value);
    }
    // Makes the sum of the bytes 0 by the one at `where`.
    void balance(uint32_t from, uint32_t length, uint32_t where)
    {
        bytes.at(where) = 0;
        uint8_t sum = 0;
        for (uint32_t i = 0; i < length; ++i) sum = uint8_t(sum + bytes.at(from + i));
        bytes.at(where) = uint8_t(-sum);
    }
    // A table: its header, and what follows.
    void table(uint32_t at, std::string_view name, const std::vector<uint8_t>& body)
    {
        memset(&bytes.at(at), 0, 36);
        memcpy(&bytes.at(at), name.data(), 4);
        put(at + 4, uint32_t(36 + body.size()));
        if (!body.empty()) memcpy(&bytes.at(at + 36), body.data(), body.size());
        seal(at);
    }
    void seal(uint32_t at)
    {
        uint32_t length;
        memcpy(&length, &bytes.at(at + 4), 4);
        balance(at, length, at + 9);
    }
};
