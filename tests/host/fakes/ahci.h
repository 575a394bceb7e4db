// SPDX-License-Identifier: BSD-2-Clause
// A fake AHCI controller with drives at its ports, which fails in the ways that it is told to. It
// complains when the driver breaks the rules: commands without a running engine, queued ones beside
// others, addresses that are no memory.
#pragma once
#include "fakes/ide.h"
#include "lib/bytes.h"

struct FakeSataDrive : FakeDrive {
    FakeSataDrive() { identify_words = {{75, 31}, {76, 1 << 8}, {169, 1}}; }

    void depth_of_queue(unsigned depth)
    {
        identify_words = {{75, uint16_t(depth - 1)}, {76, uint16_t(depth ? 1 << 8 : 0)}};
    }

    // ---- faults, besides FakeDrive's
    bool never_ends = false;       // a command
    bool never_links = false;      // after a reset of the link
    bool interface_error = false;  // at the next transfer
    bool queue_error = false;      // at the next command that is queued, and no log says why
    bool overflows = false;        // it sends more than there is memory for
    int never_ready_for = 0;       // steps, after a reset

    uint8_t last_error = 0;
    uint64_t failed_block = 0;
    std::vector<std::pair<uint64_t, uint64_t>> trimmed;
};

class FakeAhci final : public FakeDevice {
public:
    struct Port {
        uint32_t regs[32] = {};  // by offset / 4
        FakeSataDrive* drive = nullptr;
        bool halted = false;  // by an error, until the engine is stopped
        unsigned failed_tag = 0, resets = 0, not_ready = 0;
        uint32_t& at(unsigned offset) { return regs[offset / 4]; }
        bool runs() { return at(cmd) & 1; }
    };
    enum : unsigned { clb, fb = 8, is = 0x10, ie = 0x14, cmd = 0x18, tfd = 0x20, sig = 0x24 };
    enum : unsigned { ssts = 0x28, sctl = 0x2c, serr = 0x30, sact = 0x34, ci = 0x38 };

    explicit FakeAhci(FakeMachine& m) : machine(m)
    {
        auto& config = machine.pci(0, 31, 2);
        config[0] = 0x86, config[1] = 0x80, config[2] = 0x22, config[3] = 0x29;
        config[9] = 1, config[10] = 6, config[11] = 1, config[0x3c] = 11;
        config[0x26] = 0xb0, config[0x27] = 0xfe;
        machine.bar_bytes[&config[0x24]] = 0x1000;
        machine.memory(0xfeb00000, 0x1000, *this);
        machine.on_wait = [this] { step(); };
        for (Port& p : ports) p.at(cmd) = 2;
    }
    void plug(unsigned number, FakeSataDrive& drive, bool hot = false)
    {
        ports[number].drive = &drive;
        link(ports[number], hot);
    }
    void unplug(unsigned number)
    {
        Port& p = ports[number];
        p.drive = nullptr;
        p.at(ssts) = 0;
        change(p, 1 << 16, 1 << 22);
    }

    Port ports[6];
    unsigned slots = 32, hba_resets = 0;
    bool has_ncq = true, staggered = false, firmware_owns = false, reset_hangs = false;
    bool loses_interrupts = false, engine_sticks = false;
    bool gone = false;
    uint32_t gone_value = ~0u;  // what is read then
    std::function<void()> on_access;

    uint32_t read(unsigned offset, unsigned bytes) override
    {
        EXPECT_EQ(bytes, 4u);
        if (on_access) on_access();
        if (gone) return gone_value;
        if (offset >= 0x100) return ports[(offset - 0x100) / 0x80].at(offset & 0x7f);
        switch (offset) {
        case 0x00: return 5 | (slots - 1) << 8 | staggered << 27 | has_ncq << 30 | 1u << 31;
        case 0x04: return ghc;
        case 0x08: return pending();
        case 0x0c: return 0x3f;
        case 0x10: return 0x10301;
        case 0x24: return 1;
        case 0x28: return bohc | firmware_owns;
        default: return 0;
        }
    }
    void write(unsigned offset, unsigned bytes, uint32_t value) override
    {
        EXPECT_EQ(bytes, 4u);
        if (on_access) on_access();
        if (gone) return;
        if (offset >= 0x100)
            return write_port(ports[(offset - 0x100) / 0x80], offset & 0x7f, value);
        if (offset == 0x28 && value & 2) firmware_owns = false;
        if (offset == 0x28) bohc = value & 2;
        if (offset != 0x04) return;
        EXPECT_TRUE(value & 1u << 31) << "AE";
        ghc = value;
        if (!(value & 1) || reset_hangs) return;
        ++hba_resets;
        ghc = 1u << 31;
        for (Port& p : ports) {
            std::fill(p.regs, std::end(p.regs), 0);
            p.at(cmd) = staggered ? 0 : 2;
            p.halted = false;
            link(p, false);
        }
    }
    void step()
    {
        for (Port& p : ports) {
            if (p.not_ready && --p.not_ready == 0) p.at(tfd) = 0x50;
            uint32_t wanted = p.at(ci) | p.at(sact);
            if (!gone && p.drive && p.runs() && wanted && !p.halted && !p.drive->never_ends)
                run(p, unsigned(__builtin_ctz(wanted)));
        }
    }

private:
    uint32_t pending()
    {
        uint32_t all = 0;
        for (unsigned i = 0; i < 6; ++i) all |= ((ports[i].at(is) & ports[i].at(ie)) != 0) << i;
        return all;
    }
    void tell(Port& p, uint32_t bits)
    {
        p.at(is) |= bits;
        if (pending() && ghc & 2 && !loses_interrupts) machine.interrupt(11);
    }
    void change(Port& p, uint32_t error_bits, uint32_t bits)
    {
        p.at(serr) |= error_bits;
        tell(p, bits);
    }
    void link(Port& p, bool hot)
    {
        if (!p.drive || (!hot && staggered && !(p.at(cmd) & 2))) return;
        if (p.drive->never_links) return;
        p.at(ssts) = 0x123;
        p.at(sig) = p.drive->atapi ? 0xeb140101 : 0x101;
        p.not_ready = unsigned(p.drive->never_ready_for);
        p.at(tfd) = p.not_ready ? 0x80 : 0x50;
        change(p, 1 << 26, 1 << 6);
    }
    void write_port(Port& p, unsigned offset, uint32_t value)
    {
        switch (offset) {
        case is: {
            uint32_t kept = (p.at(serr) >> 26 & 1) << 6 | (p.at(serr) >> 16 & 1) << 22;
            p.at(is) = (p.at(is) & ~value) | kept;
            return;
        }
        case serr: p.at(serr) &= ~value; return;
        case ci:
        case sact:
            EXPECT_TRUE(p.runs()) << "a command without an engine";
            EXPECT_TRUE(offset == ci || !(p.at(ci) & ~p.at(sact))) << "queued beside others";
            EXPECT_TRUE(offset == sact || value & p.at(sact) || !p.at(sact)) << "beside queued";
            p.at(offset) |= value;
            return;
        case clb:
        case fb: EXPECT_FALSE(p.runs()); break;
        case sctl:
            EXPECT_FALSE(p.runs()) << "COMRESET under a running engine";
            if ((value & 15) == 1) p.at(ssts) = 0, ++p.resets;
            if ((p.at(sctl) & 15) == 1 && (value & 15) == 0) p.halted = false, link(p, false);
            break;
        case cmd: return write_command(p, value);
        }
        p.at(offset) = value;
    }
    void write_command(Port& p, uint32_t value)
    {
        bool spins_up = value & 2 && !(p.at(cmd) & 2);
        if (!(value & 1) && !engine_sticks) p.at(ci) = p.at(sact) = 0, p.halted = false;
        p.at(cmd) = (value & ~0xc000u) | (value & 16) << 10 | (value & 1) << 15;
        if (engine_sticks) p.at(cmd) |= 1 << 15;
        if (spins_up) link(p, false);
    }

    // ---- commands
    std::byte* memory(uint32_t address, size_t bytes)
    {
        std::byte* at = machine.at(address, bytes);
        EXPECT_TRUE(at) << "not memory: " << address << ", " << bytes;
        return at;
    }
    static uint32_t word(const std::byte* from)
    {
        uint32_t value;
        memcpy(&value, from, 4);
        return value;
    }
    static void put_block(std::byte* fis, uint64_t block)
    {
        for (unsigned i = 0; i < 6; ++i) fis[4 + i + i / 3] = std::byte(block >> i * 8);
    }
    void fail(Port& p, unsigned slot, uint8_t error, uint32_t bits = 1 << 30)
    {
        p.halted = true;
        p.failed_tag = slot;
        p.at(tfd) = 0x41u | uint32_t(error) << 8;
        p.at(cmd) = (p.at(cmd) & ~0x1f00u) | slot << 8;
        tell(p, bits);
    }
    // Moves as much of the data as the table has room for.
    size_t move(std::byte* header, std::byte* table, std::vector<uint8_t>& data, bool write)
    {
        size_t done = 0;
        EXPECT_EQ(word(header) >> 6 & 1, uint32_t(write));
        for (unsigned i = 0; i < word(header) >> 16 && done < data.size(); ++i) {
            std::byte* entry = table + 0x80 + i * 16;
            EXPECT_EQ(word(entry) & 1, 0u);
            EXPECT_EQ(word(entry + 12) & 1, 1u);
            size_t bytes = std::min<size_t>((word(entry + 12) & 0x3fffff) + 1, data.size() - done);
            if (std::byte* at = memory(word(entry), bytes)) {
                if (write)
                    memcpy(data.data() + done, at, bytes);
                else
                    memcpy(at, data.data() + done, bytes);
            }
            done += bytes;
        }
        auto moved = uint32_t(done);
        memcpy(header + 4, &moved, 4);
        return done;
    }
    void end(Port& p, unsigned slot, uint32_t bits)
    {
        p.at(ci) &= ~(1u << slot);
        p.at(sact) &= ~(1u << slot);
        tell(p, bits);
    }

    void run(Port& p, unsigned slot)
    {
        FakeSataDrive& d = *p.drive;
        std::byte* header = memory(p.at(clb) + slot * 32, 32);
        std::byte* table = memory(word(header + 8), 0x80 + (word(header) >> 16) * 16);
        if (!header || !table) return;
        EXPECT_EQ(word(table) & 0x80ff, 0x8027u);
        EXPECT_EQ(word(header) & 31, 5u);
        auto code = uint8_t(table[2]);
        d.commands.push_back(code);
        uint64_t lba = word(table + 4) & 0xffffff;
        lba |= uint64_t(word(table + 8) & 0xffffff) << 24;
        bool queued = (code & 0xfe) == 0x60, write = code == 0x61 || code == 0x35 || code == 0xca;
        bool transfers = queued || write || code == 0xc8 || code == 0x25;
        uint32_t count = word(table + 12) & 0xffff;
        if (queued) count = uint8_t(table[3]) | uint32_t(table[11]) << 8;
        if (code == 0xc8 || code == 0xca) lba |= uint64_t(table[7] & std::byte{15}) << 24;
        if (count == 0) count = code == 0xc8 || code == 0xca ? 256 : 65536;
        if (transfers) return transfer(p, slot, header, table, lba, count, write, queued);
        std::vector<uint8_t> data;
        if (code == 0xec || code == 0xa1) {
            if (d.atapi != (code == 0xa1) || d.bad_for == 0) return fail(p, slot, 4);
            for (uint16_t w : d.identify()) data.push_back(uint8_t(w)), data.push_back(w >> 8);
        } else if (code == 0x2f) {
            if (d.queue_error) return d.queue_error = false, fail(p, slot, 4);
            data.resize(512);
            data[0] = uint8_t(p.failed_tag), data[2] = 0x41, data[3] = d.last_error;
            put_block(reinterpret_cast<std::byte*>(data.data()), d.failed_block);
        } else if (code == 0x06) {
            EXPECT_EQ(uint8_t(table[3]), 1);
            data.resize(512);
            move(header, table, data, true);
            for (size_t i = 0; i < 512; i += 8) {
                uint64_t range = le64(&data[i]);
                if (range) d.trimmed.push_back({range << 16 >> 16, range >> 48});
            }
            return end(p, slot, 1);
        } else if (code != 0xea && code != 0xe7) {
            return fail(p, slot, 4);
        } else if (!d.flushes) {
            return fail(p, slot, 4);
        }
        move(header, table, data, false);
        end(p, slot, data.empty() ? 1 : 2);
    }
    void transfer(Port& p, unsigned slot, std::byte* header, std::byte* table, uint64_t lba,
                  uint32_t count, bool write, bool queued)
    {
        FakeSataDrive& d = *p.drive;
        EXPECT_LE(lba + count, d.sectors);
        if (std::exchange(d.interface_error, false)) return fail(p, slot, 0, 1 << 27);
        if (queued && d.queue_error) return fail(p, slot, 0x84);
        auto bad = d.bad.lower_bound(lba);
        if (bad != d.bad.end() && bad->first < lba + count && d.bad_for != 0) {
            if (d.bad_for > 0) --d.bad_for;
            d.failed_block = bad->first;
            if (std::byte* fis = memory(p.at(fb) + 0x40, 20)) put_block(fis, bad->first);
            return fail(p, slot, d.last_error = bad->second);
        }
        std::vector<uint8_t> data(size_t(count) * d.sector_bytes);
        for (uint32_t i = 0; i < count && !write; ++i) {
            auto bytes = d.sector(lba + i);
            std::copy(bytes.begin(), bytes.end(), data.begin() + i * bytes.size());
        }
        if (d.short_transfer) data.resize(data.size() / 2);
        size_t moved = move(header, table, data, write);
        if (moved < data.size() || std::exchange(d.overflows, false)) tell(p, 1 << 24);
        for (uint32_t i = 0; i < count && write; ++i) {
            auto from = data.begin() + i * d.sector_bytes;
            d.written[lba + i].assign(from, from + d.sector_bytes);
        }
        end(p, slot, queued ? 8 : 1);
    }

    FakeMachine& machine;
    uint32_t ghc = 0, bohc = 0;
};
