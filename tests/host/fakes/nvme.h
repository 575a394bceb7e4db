// SPDX-License-Identifier: BSD-2-Clause
// A fake NVM Express controller, which fails in the ways that it is told to. It complains when the
// driver breaks the protocol of NVM Express 1.4: wrong PRPs, doorbells, queues, commands too large.
#pragma once
#include <gtest/gtest.h>
#include <algorithm>
#include <deque>
#include <map>
#include "fakes/machine.h"
#include "lib/bytes.h"

struct FakeNamespace {
    uint64_t blocks = 131072;
    unsigned shift = 9;
    uint16_t metadata = 0;
    bool read_only = false;
    std::map<uint64_t, uint16_t> bad;  // by block: the status of what touches it
    int bad_for = -1;                  // so many commands fail, then no more; -1: always

    std::map<uint64_t, std::vector<uint8_t>> written;
    std::vector<uint8_t> block(uint64_t lba) const
    {
        if (auto found = written.find(lba); found != written.end()) return found->second;
        std::vector<uint8_t> bytes(size_t(1) << shift, uint8_t(lba * 7 + 1));
        memcpy(&bytes[0], &lba, 8), memcpy(&bytes[bytes.size() - 8], &lba, 8);
        return bytes;
    }
};

class FakeNvme final : public FakeDevice {
public:
    static constexpr uint64_t memory = 0xfd000000;
    static constexpr unsigned bytes = 0x8000, table_at = 0x7000;
    enum Kind { line_only, msi, msix };

    explicit FakeNvme(FakeMachine& m) : machine(m)
    {
        machine.on_wait = [this] { step(); };
    }

    // ---- what it is
    std::map<uint32_t, FakeNamespace> namespaces{{1, {}}};
    std::string model = "FAKE NVME";
    unsigned mdts = 5, most_entries = 2048, stride = 0, timeout = 4, line = 11;
    uint32_t version = 0x10400, cap_high = 1 << 5;
    uint16_t oncs = 1 << 2 | 1 << 3;
    bool has_cache = true;

    // ---- faults
    bool never_ready = false, never_stops = false, fatal = false, gone = false;
    bool fatal_stays = false;      // also when it is reset
    bool reads_zeros = false;      // when gone: nothing answers, and that is read
    bool never_answers = false;    // I/O commands
    std::map<uint8_t, int> admin;  // by opcode: its status; -1: no answer
    int silent = 0;                // so many I/O commands are never answered
    int bad_id = -1;               // of the next completion
    bool loses_interrupts = false, reverse = false;
    unsigned holds = 0;  // leaves so many I/O commands undone
    bool list_disordered = false;

    // ---- what the driver did
    std::vector<uint8_t> opcodes;  // of I/O commands
    std::vector<std::pair<uint64_t, uint32_t>> discarded;
    unsigned resets = 0, interrupts = 0, largest = 0, most_under_way = 0;
    unsigned told = 0;  // how often there are new I/O commands
    unsigned has() const { return unsigned(under_way.size()); }
    bool enabled() const { return cc & 1; }

    void plug_in(Kind kind = line_only)
    {
        config = &machine.pci(0, 4, 0);
        std::fill(config->begin(), config->end(), uint8_t{0});
        put(0x00, 0x00101b36), put(0x08, 0x01080202);
        put(0x10, uint32_t(memory) | 4);
        machine.bar_bytes[&(*config)[0x10]] = bytes;
        machine.memory(memory, bytes, *this);
        (*config)[0x3c] = uint8_t(line), (*config)[0x3d] = line ? 1 : 0;
        if (kind == line_only) return;
        (*config)[0x06] = 0x10, (*config)[0x34] = 0x40;
        put(0x40, kind == msi ? 0x00800005 : 0x00010011);
        if (kind == msix) put(0x44, table_at);
    }
    void put(unsigned offset, uint32_t value) { memcpy(&config->at(offset), &value, 4); }
    bool masters_bus() const { return (*config)[4] & 4; }

    void step()
    {
        if (gone || !enabled() || fatal) return;
        ready = !never_ready;
        if (!ready) return;
        while (pairs[0].head != pairs[0].tail) serve_admin();
        serve_io();
    }

    uint32_t read(unsigned offset, unsigned width) override
    {
        if (gone) return reads_zeros ? 0 : ~0u;
        EXPECT_EQ(width, 4u);
        switch (offset) {
        case 0x00: return (most_entries - 1) | 1 << 16 | timeout << 24;
        case 0x04: return cap_high | stride;
        case 0x08: return version;
        case 0x14: return cc;
        case 0x1c: return (never_stops || (enabled() && ready)) | fatal << 1;
        }
        ADD_FAILURE() << "read of register " << std::hex << offset;
        return 0;
    }
    void write(unsigned offset, unsigned width, uint32_t value) override
    {
        EXPECT_EQ(width, 4u);
        if (gone) return;
        if (offset >= table_at) {
            memcpy(&table[offset - table_at], &value, 4);
        } else if (offset >= 0x1000) {
            ring((offset - 0x1000) >> (2 + stride), value);
        } else if (offset == 0x0c || offset == 0x10) {
            masked = offset == 0x0c;
            raise_line();
        } else if (offset == 0x14) {
            set_cc(value);
        } else {
            EXPECT_TRUE(offset >= 0x24 && offset <= 0x34) << offset;
            EXPECT_FALSE(enabled());
            setup[(offset - 0x24) / 4] = value;
        }
    }

private:
    struct Pair {
        bool exists = false, heard = false;
        uint32_t submissions = 0, completions = 0;
        unsigned entries = 0, head = 0, tail = 0;  // of the submissions
        unsigned at = 0, seen = 0, phase = 1;      // of the completions
    };

    void set_cc(uint32_t value)
    {
        if (enabled() && !(value & 1)) {
            ++resets;
            ready = masked = false;
            fatal = fatal && fatal_stays;
            pairs[0] = pairs[1] = {};
            under_way.clear();
        }
        if (value & 1 && !enabled()) {
            EXPECT_EQ(value, 0x00460001u);
            EXPECT_TRUE(masters_bus());
            EXPECT_EQ(setup[2] | setup[4], 0u) << "the upper halves";
            pairs[0] = {true, true, setup[1], setup[3], (setup[0] & 0xfff) + 1};
        }
        cc = value;
    }

    void ring(unsigned bell, uint32_t value)
    {
        ASSERT_LT(bell, 4u);
        Pair& pair = pairs[bell / 2];
        ASSERT_TRUE(pair.exists && ready) << "doorbell " << bell;
        ASSERT_LT(value, pair.entries);
        if (bell & 1) {
            pair.seen = value;
        } else {
            EXPECT_NE(value, pair.tail) << "nothing is new";
            pair.tail = value;
            told += bell == 2;
        }
    }

    template <class T> T* at(uint64_t address, size_t size)
    {
        EXPECT_TRUE(masters_bus()) << "DMA without bus mastering";
        auto* data = machine.at(uint32_t(address), size);
        if (!data) ADD_FAILURE() << "DMA to what is not memory: " << std::hex << address;
        return reinterpret_cast<T*>(data);
    }

    const uint8_t* take(Pair& pair)
    {
        auto* entry = at<uint8_t>(pair.submissions + pair.head * 64u, 64);
        pair.head = (pair.head + 1) % pair.entries;
        return entry;
    }

    void answer(unsigned number, const uint8_t* command, unsigned status)
    {
        Pair& pair = pairs[number];
        auto* entry = at<uint8_t>(pair.completions + pair.at * 16u, 16);
        if (!entry) return;
        unsigned next = (pair.at + 1) % pair.entries;
        EXPECT_NE(next, pair.seen) << "the completion queue is full";
        uint16_t id =
            bad_id >= 0 && number ? uint16_t(std::exchange(bad_id, -1)) : le16(command + 2);
        uint16_t end[] = {uint16_t(pair.head), uint16_t(number), id,
                          uint16_t(status << 1 | pair.phase)};
        memcpy(entry + 8, end, 8);
        pair.at = next;
        if (next == 0) pair.phase ^= 1;
        if (pair.heard) raise();
    }

    // ---- interrupts
    void raise()
    {
        if (loses_interrupts) return;
        auto c = [&](unsigned at) { return le32(&config->at(at)); };
        if (c(0x40) >> 31 && (c(0x40) & 0xff) == 0x11) {
            EXPECT_EQ(le32(&table[4]) | (le32(&table[12]) & 1), 0u);
            interrupts += machine.message(le32(&table[0]), le32(&table[8]));
        } else if (c(0x40) >> 16 & 1 && (c(0x40) & 0xff) == 0x05) {
            interrupts += machine.message(c(0x44), c(0x4c) & 0xffff);
        } else {
            raise_line();
        }
    }
    // Its level: as long as completions have not been given back.
    void raise_line()
    {
        bool wants = false;
        for (Pair& pair : pairs) wants |= pair.exists && pair.heard && pair.seen != pair.at;
        if (!wants || masked || loses_interrupts || !line) return;
        ++interrupts;
        machine.interrupt(line);
    }

    // ---- admin commands
    void serve_admin()
    {
        const uint8_t* command = take(pairs[0]);
        if (!command) return;
        uint8_t opcode = command[0];
        if (auto told = admin.find(opcode); told != admin.end()) {
            if (told->second >= 0) answer(0, command, unsigned(told->second));
            return;
        }
        answer(0, command, admin_status(opcode, command));
    }
    unsigned admin_status(uint8_t opcode, const uint8_t* command)
    {
        uint32_t dword10 = le32(command + 40), dword11 = le32(command + 44);
        unsigned entries = (dword10 >> 16) + 1;
        switch (opcode) {
        case 0x09: return dword10 == 7 ? 0 : 2;
        case 0x05:
            EXPECT_TRUE(entries <= most_entries && entries >= 2 && (dword10 & 0xffff) == 1);
            EXPECT_TRUE(dword11 & 1 && dword11 >> 16 == 0);
            pairs[1] = {false, bool(dword11 & 2), 0, le32(command + 24), entries};
            return 0;
        case 0x01:
            EXPECT_EQ(entries, pairs[1].entries);
            EXPECT_EQ(dword11, 0x10001u);
            pairs[1].submissions = le32(command + 24);
            pairs[1].exists = true;
            return 0;
        case 0x06:
            return identify(dword10, le32(command + 4), at<uint8_t>(le32(command + 24), 4096));
        }
        ADD_FAILURE() << "admin command " << int(opcode);
        return 1;
    }
    unsigned identify(uint32_t structure, uint32_t nsid, uint8_t* into)
    {
        if (!into) return 4;
        memset(into, 0, 4096);
        auto put16 = [&](unsigned at, uint16_t value) { memcpy(into + at, &value, 2); };
        if (structure == 1) {
            memset(into + 4, ' ', 60);
            memcpy(into + 24, model.data(), model.size());
            into[77] = uint8_t(mdts);
            uint32_t most = namespaces.empty() ? 0 : namespaces.rbegin()->first;
            memcpy(into + 516, &most, 4);
            put16(520, oncs), into[525] = has_cache;
        } else if (structure == 2) {
            EXPECT_GE(version, 0x10100u);
            unsigned i = 0;
            for (auto& [id, n] : namespaces) memcpy(into + i++ * 4, &id, 4);
            if (list_disordered) memcpy(into + i * 4, into, 4);
        } else if (structure == 0) {
            auto found = namespaces.find(nsid);
            if (found == namespaces.end()) return 0;  // inactive: zeros
            const FakeNamespace& n = found->second;
            memcpy(into, &n.blocks, 8);
            into[25] = 3, into[26] = 2, into[99] = n.read_only;
            put16(128 + 8, n.metadata), into[128 + 10] = uint8_t(n.shift);
        } else {
            return 2;
        }
        return 0;
    }

    // ---- I/O commands
    void serve_io()
    {
        if (!pairs[1].exists) return;
        while (pairs[1].head != pairs[1].tail) {
            if (const uint8_t* command = take(pairs[1])) {
                under_way.emplace_back(command, command + 64);
                EXPECT_EQ(command[1], 0);
            }
        }
        most_under_way = std::max(most_under_way, unsigned(under_way.size()));
        if (reverse) std::reverse(under_way.begin(), under_way.end());
        while (!never_answers && under_way.size() > holds) {
            auto command = under_way.front();
            under_way.pop_front();
            opcodes.push_back(command[0]);
            if (silent > 0 && silent--) continue;
            answer(1, command.data(), io_status(command.data()));
        }
    }
    unsigned io_status(const uint8_t* command)
    {
        auto found = namespaces.find(le32(command + 4));
        if (found == namespaces.end()) return 0x0b;
        FakeNamespace& n = found->second;
        uint64_t first = le64(command + 40);
        uint32_t count = (le32(command + 48) & 0xffff) + 1;
        switch (command[0]) {
        case 0x00: return 0;
        case 0x08:
            EXPECT_TRUE(oncs & 8);
            for (uint32_t i = 0; i < count; ++i)
                n.written[first + i] = std::vector<uint8_t>(size_t(1) << n.shift);
            return discarded.emplace_back(first, count), 0;
        case 0x09: return deallocate(command);
        case 0x01:
        case 0x02: return transfer(n, command, first, count);
        }
        return 1;
    }
    unsigned deallocate(const uint8_t* command)
    {
        EXPECT_TRUE(oncs & 4);
        EXPECT_EQ(le32(command + 40), 0u);
        EXPECT_EQ(le32(command + 44), 4u);
        auto* range = at<uint8_t>(le32(command + 24), 16);
        if (!range) return 4;
        discarded.emplace_back(le64(range + 8), le32(range + 4));
        return 0;
    }
    unsigned transfer(FakeNamespace& n, const uint8_t* command, uint64_t first, uint32_t count)
    {
        if (first + count > n.blocks) return 0x80;
        for (auto [block, status] : n.bad) {
            if (block < first || block >= first + count || n.bad_for == 0) continue;
            if (n.bad_for > 0) --n.bad_for;
            return status;
        }
        size_t size = size_t(count) << n.shift;
        largest = std::max(largest, unsigned(size));
        if (mdts) {
            EXPECT_LE(size, size_t(4096) << mdts);
        }
        auto pages = prps(command, size);
        std::vector<uint8_t> data;
        if (command[0] == 0x02) {
            for (uint32_t i = 0; i < count; ++i) {
                auto one = n.block(first + i);
                data.insert(data.end(), one.begin(), one.end());
            }
            size_t done = 0;
            for (auto [to, length] : pages) memcpy(to, &data[done], length), done += length;
            return 0;
        }
        for (auto [from, length] : pages) data.insert(data.end(), from, from + length);
        for (uint32_t i = 0; i < count; ++i) {
            auto* from = &data[size_t(i) << n.shift];
            n.written[first + i].assign(from, from + (size_t(1) << n.shift));
        }
        return 0;
    }
    // 4.3
    std::vector<std::pair<uint8_t*, size_t>> prps(const uint8_t* command, size_t size)
    {
        std::vector<std::pair<uint8_t*, size_t>> pages;
        uint64_t next = le64(command + 24), second = le64(command + 32);
        EXPECT_EQ(next & 3, 0u);
        size_t in_page = std::min<size_t>(4096 - (next & 4095), size), left = size;
        pages.emplace_back(at<uint8_t>(next, in_page), in_page);
        left -= in_page;
        EXPECT_EQ(second & 7, 0u);
        if (left == 0) return pages;
        const uint8_t* list = nullptr;
        if (left > 4096) {
            size_t entries = (left + 4095) / 4096;
            EXPECT_LE((second & 4095) + entries * 8, 4096u) << "the list leaves its page";
            list = at<uint8_t>(second, entries * 8);
        }
        for (unsigned i = 0; left; ++i) {
            next = list ? le64(list + i * 8u) : second;
            EXPECT_EQ(next & 4095, 0u);
            in_page = std::min<size_t>(4096, left);
            pages.emplace_back(at<uint8_t>(next, in_page), in_page);
            left -= in_page;
        }
        return pages;
    }

    FakeMachine& machine;
    std::vector<uint8_t>* config = nullptr;
    uint8_t table[32] = {};
    uint32_t cc = 0, setup[5] = {};
    bool ready = false, masked = false;
    Pair pairs[2];
    std::deque<std::vector<uint8_t>> under_way;
};
