// SPDX-License-Identifier: BSD-2-Clause
// A fake SD host controller with one slot, and cards of all kinds, which fail in the ways that they
// are told to. It complains when the driver breaks the protocol of the SD Host Controller
// Specification 3.00: commands while the lines are in use, wrong descriptors, a clock too fast.
#pragma once
#include <gtest/gtest.h>
#include <map>
#include <optional>
#include "fakes/machine.h"
#include "lib/bytes.h"

struct FakeCard {
    enum Kind { sd1, sdsc, sdhc, mmc, emmc } kind = sdhc;
    uint32_t blocks = 65536;
    bool read_only = false, high_speed = true;
    std::map<uint32_t, int> bad;  // by block: so many times more; -1: always
    std::map<uint32_t, std::vector<uint8_t>> written;

    bool is_mmc() const { return kind >= mmc; }
    bool by_block() const { return kind == sdhc || kind == emmc; }
    std::vector<uint8_t> block(uint32_t number) const
    {
        if (auto found = written.find(number); found != written.end()) return found->second;
        std::vector<uint8_t> bytes(512, uint8_t(number * 7 + 1));
        memcpy(bytes.data(), &number, 4);
        return bytes;
    }
};

class FakeSdhc final : public FakeDevice {
public:
    explicit FakeSdhc(FakeMachine& m) : machine(m) {}
    void plug_in(uint8_t slots = 0)
    {
        auto& config = machine.pci(0, 4, 0);
        config[0] = 0x36, config[1] = 0x1b, config[2] = 7, config[10] = 5, config[11] = 8;
        config[0x13] = 0xfd, config[0x3c] = 11, config[0x40] = slots;
        machine.bar_bytes[&config[0x10]] = 256;
        machine.memory(0xfd000000, 256, *this);
    }
    std::optional<FakeCard> card = FakeCard{};
    void insert(std::optional<FakeCard> other)
    {
        if (other && status & 1 << 7 && waits_for_acknowledgement) {
            next = std::move(other);
            return;
        }
        card = std::move(other);
        raise(card ? 1 << 6 : 1 << 7);
        lines = 1, fast = false;
    }

    // ---- what it is, and faults
    uint32_t capabilities = 1 << 19 | 1 << 21 | 1 << 24 | 50 << 8;
    uint8_t version = 2;
    bool gone = false, never_ready = false, never_stable = false, never_resets = false;
    bool switch_locked = false;
    bool waits_for_acknowledgement = false;  // QEMU: of a removal, before the next card is there
    unsigned connected_lines = 8;            // data by more of them is garbled
    bool garbles_silently = false;           // the controller sees no wrong CRC
    int silent = 0;                          // so many data commands are never answered
    int busy = 0;              // so many reads of the state say that DAT is in use; -1: for ever
    uint32_t card_status = 0;  // of the next data command
    bool loses_interrupts = false, late = false;  // late: data comes a while after the command

    // ---- what the driver did
    std::vector<unsigned> commands;
    unsigned line_resets = 0, resets = 0, khz = 0, dma_commands = 0, largest = 0;
    unsigned lines = 1;  // the card's side
    bool fast = false;
    uint8_t host_control = 0, power = 0;

    uint32_t read(unsigned offset, unsigned bytes) override
    {
        if (gone) return ~0u;
        if (late && due_us && machine.now_us >= due_us) due_us = 0, raise(due);
        switch (offset) {
        case 0x10:
        case 0x14:
        case 0x18:
        case 0x1c: return response[(offset - 0x10) / 4];
        case 0x20: return take_word();
        case 0x24: return state();
        case 0x28: return host_control;
        case 0x29: return power;
        case 0x2c: return clock | (clock & 1 && !never_stable) << 1;
        case 0x2f: return reset_bits;
        case 0x30: return status | (status >> 16 ? 1 << 15 : 0);
        case 0x38: return signals;
        case 0x40: return capabilities;
        case 0xfe: return version;
        }
        ADD_FAILURE() << "read of " << bytes << " bytes at " << std::hex << offset;
        return 0;
    }
    void write(unsigned offset, unsigned bytes, uint32_t value) override
    {
        if (gone) return;
        switch (offset) {
        case 0x04: block_size = value & 0xfff, block_count = value >> 16; return;
        case 0x08: argument = value; return;
        case 0x0c: EXPECT_EQ(bytes, 4u); return execute(value);
        case 0x20: return put_word(value);
        case 0x28: host_control = uint8_t(value); return;
        case 0x29: power = uint8_t(value); return;
        case 0x2c: return set_clock(value);
        case 0x2e: EXPECT_LE(value, 0xeu); return;
        case 0x2f: return reset(value);
        case 0x30:
            status &= ~value;
            if (next && !(status & 1 << 7)) insert(std::exchange(next, std::nullopt));
            return;
        case 0x34: enabled = value; return;
        case 0x38: signals = value; return deliver();
        case 0x58: adma = value; return;
        }
        ADD_FAILURE() << "write of " << bytes << " bytes at " << std::hex << offset;
    }

private:
    uint32_t state()
    {
        uint32_t bits = 1 << 17 | !switch_locked << 19;
        if (busy > 0) --busy;
        if (busy || data_under_way) bits |= 2;
        return bits | (card ? 1 << 16 : 0);
    }
    void set_clock(uint32_t value)
    {
        clock = uint16_t(value);
        unsigned n = (clock >> 8) | (clock >> 6 & 3) << 8, base = capabilities >> 8 & 0xff;
        if (version < 2) {
            EXPECT_LE(n, 128u);
            EXPECT_EQ(n & (n - 1), 0u);
        }
        khz = clock & 4 ? base * 1000 / (n ? 2 * n : 1) : 0;
        EXPECT_LE(khz, fast ? 52'000u : 26'000u);
    }
    void reset(uint32_t value)
    {
        if (value & 1) {
            ++resets, host_control = power = 0, clock = 0, status = enabled = signals = 0;
            prepared = selected = false, lines = 1, fast = false;
        } else {
            EXPECT_EQ(value, 6u);
            ++line_resets;
        }
        data_under_way = false, fifo.clear(), due_us = 0;
        reset_bits = never_resets ? uint8_t(value) : 0;
    }
    void raise(uint32_t bits)
    {
        status |= bits & enabled;
        deliver();
    }
    void deliver()
    {
        if ((status & signals) && !loses_interrupts) machine.interrupt(11);
    }
    void later_or_now(uint32_t bits)
    {
        if (!late) return raise(bits);
        due = bits, due_us = machine.now_us + 3'000;
    }

    void execute(uint32_t value)
    {
        unsigned index = value >> 24, reply = value >> 16 & 0x1f;
        EXPECT_EQ(state() & 3, 0u) << "CMD" << index << " while the lines are in use";
        EXPECT_TRUE(power & 1 && khz) << "CMD" << index << " without power or clock";
        bool app = std::exchange(is_app, false) && index != 55;
        commands.push_back(app ? 100 + index : index);
        memset(response, 0, sizeof response);
        if (!card || !answer(app, index, value)) return raise(1 << 16);  // no answer
        if (value >> 21 & 1) return;                                     // data
        raise(1);
        if (reply == 0x1b) later_or_now(2);
    }
    bool answer(bool app, unsigned index, uint32_t mode)
    {
        if (app) return !card->is_mmc() && answer_app(index, mode);
        switch (index) {
        case 0:
            EXPECT_LE(khz, 400u);
            prepared = selected = false;
            return true;
        case 1:
            if (!card->is_mmc()) return false;
            response[0] = 0xff8000 | card->by_block() << 30 | uint32_t(!never_ready) << 31;
            return true;
        case 2: name(); return true;
        case 3: response[0] = card->is_mmc() ? 0 : 0x12340000; return prepared = true;
        case 6: return switch_function(mode);
        case 7:
            EXPECT_TRUE(prepared);
            EXPECT_EQ(argument >> 16, rca());
            return selected = true;
        case 8:
            if (mode >> 21 & 1) return card->is_mmc() && small_data(ext_csd());
            response[0] = argument;
            return card->kind == FakeCard::sdsc || card->kind == FakeCard::sdhc;
        case 9: csd(); return true;
        case 12: data_under_way = false; return true;
        case 16: EXPECT_EQ(argument, 512u); return true;
        case 17:
        case 18:
        case 24:
        case 25: return transfer(index, mode);
        case 55: is_app = !card->is_mmc(); return is_app;
        }
        ADD_FAILURE() << "CMD" << index;
        return false;
    }
    bool answer_app(unsigned index, uint32_t mode)
    {
        (void)mode;
        switch (index) {
        case 6: EXPECT_EQ(argument, 2u); return lines = 4, true;
        case 41:
            EXPECT_TRUE(argument & 0xff8000);
            response[0] = 0xff8000 | card->by_block() << 30 | uint32_t(!never_ready) << 31;
            EXPECT_TRUE(!card->by_block() || argument >> 30 & 1);
            return true;
        case 51:
            return small_data({uint8_t(card->kind == FakeCard::sd1 ? 0 : 2), 5, 0, 0, 0, 0, 0, 0});
        }
        ADD_FAILURE() << "ACMD" << index;
        return false;
    }
    unsigned host_lines() const { return host_control & 0x20 ? 8 : host_control & 2 ? 4 : 1; }
    uint32_t rca() const { return card->is_mmc() ? 1 : 0x1234; }
    void put(unsigned high, unsigned low, uint32_t value)
    {
        for (unsigned bit = low; bit <= high; ++bit, value >>= 1)
            response[(bit - 8) / 32] |= (value & 1) << (bit - 8) % 32;
    }
    void name()
    {
        const char* text = card->is_mmc() ? "FAKE\1M" : "FAKE ";
        for (unsigned i = 0; text[i]; ++i) put(103 - 8 * i, 96 - 8 * i, uint8_t(text[i]));
    }
    void csd()
    {
        if (card->kind == FakeCard::sdhc) {
            put(127, 126, 1), put(69, 48, card->blocks / 1024 - 1), put(83, 80, 9);
        } else if (card->kind == FakeCard::emmc) {
            put(127, 126, 3), put(73, 62, 0xfff), put(49, 47, 7), put(83, 80, 9);
        } else {
            put(83, 80, 10), put(49, 47, 5), put(73, 62, card->blocks / 256 - 1);  // 2^(5+2+10-9)
        }
        put(125, 122, card->is_mmc() ? 4 : 0);
        put(12, 12, card->read_only);
    }
    std::vector<uint8_t> ext_csd() const
    {
        std::vector<uint8_t> bytes(512);
        memcpy(&bytes[212], &card->blocks, 4);
        bytes[196] = card->high_speed ? 3 : 1;
        return bytes;
    }
    bool switch_function(uint32_t mode)
    {
        if (!card->is_mmc()) {
            EXPECT_EQ(argument, 0x80fffff1u);
            std::vector<uint8_t> bytes(64);
            bytes[16] = fast = card->high_speed;
            return (mode >> 21 & 1) && small_data(bytes);
        }
        if (argument == 0x03b90100)
            fast = true;
        else if ((argument & ~0x0300u) == 0x03b70000)
            lines = (argument >> 8 & 3) == 2 ? 8 : argument >> 8 & 1 ? 4 : 1;
        else
            ADD_FAILURE() << "CMD6 " << argument;
        return true;
    }
    bool small_data(std::vector<uint8_t> bytes)
    {
        EXPECT_EQ(block_size, bytes.size());
        EXPECT_EQ(block_count, 1u);
        EXPECT_EQ(host_lines(), lines);
        if (lines > connected_lines) {
            for (auto& byte : bytes) byte |= 0xf0;
            if (!garbles_silently) return data_under_way = true, raise(1 | 1 << 21), true;
        }
        fifo.assign(bytes.begin(), bytes.end());
        at = 0, reading = true, data_under_way = true;
        raise(1 | 1 << 5);
        return true;
    }

    // ---- data of blocks
    bool transfer(unsigned index, uint32_t mode)
    {
        bool several = index == 18 || index == 25, to_card = index >= 24;
        EXPECT_TRUE(selected);
        EXPECT_EQ(mode & 0x3f & ~1u, (to_card ? 0u : 0x10u) | (several ? 0x26u : 0u));
        EXPECT_EQ(block_size, 512u);
        EXPECT_EQ(several, block_count > 1);
        EXPECT_EQ(host_lines(), lines);
        EXPECT_LE(lines, connected_lines);
        EXPECT_EQ(bool(host_control & 4), fast);
        EXPECT_TRUE(card->by_block() || argument % 512 == 0);
        first = card->by_block() ? argument : argument / 512;
        largest = std::max(largest, block_count);
        response[0] = std::exchange(card_status, 0u) | 0x900;
        data_under_way = true;
        if (silent && silent--) return raise(1), true;
        if (first + block_count > card->blocks) response[0] |= 1u << 31;
        if (mode & 1) return by_dma(to_card), true;
        fifo.clear(), at = 0, reading = !to_card;
        raise(1);
        next_block();
        return true;
    }
    bool is_bad(uint32_t block)
    {
        auto bad = card->bad.find(block);
        if (bad == card->bad.end() || bad->second == 0) return false;
        if (bad->second > 0) --bad->second;
        return true;
    }
    void by_dma(bool to_card)
    {
        ++dma_commands;
        EXPECT_TRUE(capabilities >> 19 & 1);
        EXPECT_EQ(host_control >> 3 & 3, 2);
        uint32_t left = block_count * 512, block = first;
        std::vector<std::pair<std::byte*, size_t>> pieces;
        for (uint32_t entry = adma;; entry += 8) {
            auto* d = reinterpret_cast<uint8_t*>(machine.at(entry, 8));
            if (!d) return ADD_FAILURE() << "no descriptor", void();
            uint32_t bytes = le16(reinterpret_cast<std::byte*>(d) + 2),
                     address = le32(reinterpret_cast<std::byte*>(d) + 4);
            EXPECT_EQ(d[0] & 0x3d, 0x21);
            EXPECT_EQ(address % 4, 0u);
            EXPECT_TRUE(bytes && bytes <= left);
            auto* memory = machine.at(address, bytes);
            if (!memory) return ADD_FAILURE() << "DMA to nowhere", void();
            for (uint32_t i = 0; i < bytes; i += 512) pieces.emplace_back(memory + i, 512);
            left -= bytes;
            if (d[0] & 2) break;
        }
        EXPECT_EQ(left, 0u);
        for (auto [memory, size] : pieces) {
            if (is_bad(block)) return raise(1 | 1 << 21);
            auto* bytes = reinterpret_cast<uint8_t*>(memory);
            if (to_card)
                card->written[block].assign(bytes, bytes + size);
            else
                memcpy(memory, card->block(block).data(), size);
            ++block;
        }
        data_under_way = false;
        raise(1);
        later_or_now(2);
    }
    void next_block()
    {
        if (block_count == 0) return data_under_way = false, later_or_now(2);
        if (is_bad(first)) return raise(1 << 21);
        at = 0;
        if (reading)
            fifo = card->block(first);
        else
            fifo.assign(512, 0);
        --block_count;
        later_or_now(reading ? 1 << 5 : 1 << 4);
    }
    uint32_t take_word()
    {
        EXPECT_TRUE(reading && at + 4 <= fifo.size());
        uint32_t word = 0;
        memcpy(&word, &fifo[at], 4), at += 4;
        if (at < fifo.size()) return word;
        if (fifo.size() != 512 || commands.back() == 8)
            data_under_way = false, raise(2);
        else
            ++first, next_block();
        return word;
    }
    void put_word(uint32_t word)
    {
        EXPECT_TRUE(!reading && at + 4 <= fifo.size());
        memcpy(&fifo[at], &word, 4), at += 4;
        if (at == fifo.size()) card->written[first++] = fifo, next_block();
    }

    FakeMachine& machine;
    std::optional<FakeCard> next;
    uint32_t response[4] = {}, argument = 0, status = 0, enabled = 0, signals = 0, adma = 0;
    uint32_t block_size = 0, block_count = 0, first = 0, due = 0;
    uint16_t clock = 0;
    uint8_t reset_bits = 0;
    bool is_app = false, prepared = false, selected = false, data_under_way = false,
         reading = false;
    std::vector<uint8_t> fifo;
    size_t at = 0;
    uint64_t due_us = 0;
};
