// SPDX-License-Identifier: BSD-2-Clause
// A gdb that says what a script says, and a machine for it to look at.
#pragma once
#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>
#include "debug/gdb_stub.h"

struct FakeLine final : gdb::Line {
    std::deque<int> arriving;  // bytes, and `silence`; then it is closed
    std::string sent;

    int receive(unsigned) override
    {
        if (arriving.empty()) return closed;
        int c = arriving.front();
        arriving.pop_front();
        return c;
    }
    void send(std::string_view bytes) override { sent += bytes; }

    void say(std::string_view bytes)
    {
        for (char c : bytes) arriving.push_back(static_cast<uint8_t>(c));
    }
};

struct FakeTarget final : gdb::Target {
    static constexpr uint32_t start = 0x1000, bytes = 0x1000, read_only = 0x1f00;
    std::vector<uint8_t> memory = std::vector<uint8_t>(bytes);
    std::set<std::tuple<gdb::Point, uint32_t, unsigned>> watched;
    std::vector<unsigned> widths;  // of the writes
    std::string commanded;

    size_t read(uint32_t address, std::span<uint8_t> into) override
    {
        if (address < start || address >= start + bytes) return 0;
        size_t count = std::min<size_t>(into.size(), start + bytes - address);
        memcpy(into.data(), &memory[address - start], count);
        return count;
    }
    bool write(uint32_t address, std::span<const uint8_t> from) override
    {
        if (address < start || from.size() > bytes || address + from.size() > read_only)
            return false;
        memcpy(&memory[address - start], from.data(), from.size());
        widths.push_back(static_cast<unsigned>(from.size()));
        return true;
    }
    bool watch(gdb::Point kind, uint32_t address, unsigned size) override
    {
        if (address % size || (size & (size - 1)) || size > 4) abort();
        if (watched.size() == 4 && !watched.contains({kind, address, size})) return false;
        watched.insert({kind, address, size});
        return true;
    }
    void unwatch(gdb::Point kind, uint32_t address, unsigned size) override
    {
        watched.erase({kind, address, size});
    }
    void command(std::string_view line, Text<512>& said) override
    {
        commanded = line;
        if (line != "quiet") said.print("{} is what it is\n", line);
    }
};

inline std::string packet(std::string_view body)
{
    uint8_t sum = 0;
    for (char c : body) sum = static_cast<uint8_t>(sum + c);
    Text<8> tail;
    tail.print("#{02x}", sum);
    return "$" + std::string(body) + std::string(tail.view());
}
