// SPDX-License-Identifier: BSD-2-Clause
// A fake IDE channel with two drives and its bus master, which fails in the ways that it is told
// to. It complains when the driver breaks the protocol: a command while BSY, data without DRQ.
#pragma once
#include <gtest/gtest.h>
#include <deque>
#include <map>
#include "fakes/machine.h"
#include "fakes/scsi.h"

struct FakeDrive {
    bool present = true, atapi = false;
    uint64_t sectors = 131072;
    uint32_t sector_bytes = 512;
    bool lba = true, lba48 = true, dma = true, flushes = true;
    unsigned cylinders = 130, heads = 16, per_track = 63, multiple_limit = 16;
    unsigned pio = 4;                     // the best; 3 and 4 with IORDY
    uint8_t multiword = 7, ultra = 0x3f;  // the modes that it has
    uint8_t mode = 0x45;                  // selected, as SET FEATURES numbers it; 0: none
    uint16_t pio_ns = 120, dma_ns = 120;  // the least cycles
    std::string model = "FAKE HARDDISK";
    std::map<unsigned, uint16_t> identify_words;  // what IDENTIFY says instead
    FakeScsiUnit unit = FakeScsiUnit::cd();       // what packets are for
    bool packet_interrupt = false;                // it asks for a packet with an interrupt
    unsigned packet_piece = 2048;                 // data of one DRQ, at most
    uint8_t packet_reason = 0;                    // what Interrupt Reason says beside the truth

    // ---- faults
    std::map<uint64_t, uint8_t> bad;  // by sector: ERR with this error byte
    int bad_for = -1;                 // so many commands fail, then no more; -1: always
    bool never_ready = false;         // BSY for ever once a command was given
    bool ignores_reset = false;       // and a reset does not end it
    bool dma_error = false;           // the bus master meets an abort
    bool dma_hangs = false;           // neither interrupt nor end
    bool short_transfer = false;      // ends after half the data
    bool stuck_data_request = false;  // DRQ stays after the last word
    bool device_fault = false;
    int gone_after = -1;                // all ones after so many commands
    uint8_t hangs_at = 0;               // BSY for ever after this opcode
    uint8_t refuses_modes_from = 0xff;  // of those that SET FEATURES may ask for
    uint8_t crc_errors_from = 0xff;     // in these modes of DMA
    bool forgets_modes = false;         // at a reset

    // ---- what the driver did
    std::vector<uint8_t> commands, modes_set;
    std::map<uint64_t, std::vector<uint8_t>> written;

    std::vector<uint8_t> sector(uint64_t lba) const
    {
        if (auto found = written.find(lba); found != written.end()) return found->second;
        std::vector<uint8_t> bytes(sector_bytes);
        for (size_t i = 0; i < bytes.size(); ++i)
            bytes[i] = uint8_t(lba * 7 + (lba >> 8) + i + i / 256);
        return bytes;
    }
    std::vector<uint16_t> identify() const
    {
        std::vector<uint16_t> w(256);
        w[0] = atapi ? 0x85c0 : 0x0040;
        w[1] = uint16_t(cylinders), w[3] = uint16_t(heads), w[6] = uint16_t(per_track);
        w[47] = uint16_t(0x8000 | multiple_limit);
        w[49] = uint16_t(lba << 9 | dma << 8 | (pio > 2) << 11);
        w[51] = uint16_t(std::min(pio, 2u) << 8);
        w[53] = 7;
        auto modes = [&](uint8_t kind, unsigned all) {
            return uint16_t(all | (mode & kind ? 0x100u << (mode & 7) : 0));
        };
        if (dma) w[63] = modes(0x20, multiword), w[88] = modes(0x40, ultra);
        w[64] = pio > 3 ? 3 : pio > 2 ? 1 : 0;
        w[65] = w[66] = dma_ns;
        w[67] = w[68] = pio_ns;
        std::string padded = model + std::string(40 - model.size(), ' ');
        for (unsigned i = 0; i < 20; ++i)
            w[27 + i] = uint16_t(uint8_t(padded[i * 2]) << 8 | uint8_t(padded[i * 2 + 1]));
        if (lba) put(w, 60, std::min<uint64_t>(sectors, 0xfffffff), 2);
        w[83] = uint16_t(0x4000 | (lba48 ? 1 << 10 | 1 << 13 : 0) | flushes << 12);
        if (lba48) put(w, 100, sectors, 4);
        if (sector_bytes != 512) w[106] = 0x5000, put(w, 117, sector_bytes / 2, 2);
        for (auto [word, value] : identify_words) w.at(word) = value;
        return w;
    }
    static void put(std::vector<uint16_t>& w, unsigned at, uint64_t value, unsigned words)
    {
        for (unsigned i = 0; i < words; ++i) w[at + i] = uint16_t(value >> i * 16);
    }
};

class FakeIde final : public FakeDevice {
    struct ControlBlock final : FakeDevice {
        FakeIde& owner;
        explicit ControlBlock(FakeIde& o) : owner(o) {}
        uint32_t read(unsigned, unsigned) override { return owner.read_control(); }
        void write(unsigned offset, unsigned, uint32_t value) override
        {
            EXPECT_EQ(offset, 2u);
            owner.write_control(value);
        }
    };

public:
    explicit FakeIde(FakeMachine& m, unsigned irq_line) : machine(m), line(irq_line) {}
    void plug_in(uint16_t command_port, uint16_t control_port)
    {
        machine.ports(command_port, 8, *this);
        machine.ports(control_port, 4, control);
    }
    // A step of the drives' work; called from FakeMachine::on_wait.
    void step()
    {
        FakeDrive& d = drives[selected];
        if (reset_pending && !(device_control & 4)) {
            reset_pending = d.ignores_reset;
            if (!reset_pending) status = 0x50;
        } else if (status & 0x80 && !reset_pending && !d.never_ready &&
                   !(d.hangs_at && opcode == d.hangs_at)) {
            work(d);
        }
    }

    FakeDrive drives[2];
    bool floating = false;          // no drive, nobody holds the bus down
    bool loses_interrupts = false;  // between the controller and the CPU
    bool engine_running() const { return engine_command & 1; }
    unsigned resets = 0, interrupts = 0, status_reads = 0;
    std::vector<std::pair<uint32_t, uint32_t>> runs;  // of the last DMA command: address, bytes

    uint32_t read_master(unsigned offset)
    {
        return offset == 0 ? engine_command : offset == 2 ? engine_status : 0;
    }
    void write_master(unsigned offset, uint32_t value)
    {
        if (offset == 2) engine_status &= uint8_t(~(value & 6));
        if (offset == 4) table = value;
        if (offset != 0) return;
        if (value & 1 && !engine_running()) engine_status |= 1;
        if (!(value & 1)) engine_status &= uint8_t(~1);
        engine_command = uint8_t(value);
    }
    uint32_t read(unsigned offset, unsigned bytes) override
    {
        FakeDrive& d = drives[selected];
        if (all_ones()) return ~0u;
        if (!drives[0].present && !drives[1].present) return 0;
        if (offset == 7) return ++status_reads, d.present ? status : 0;
        if (offset == 0) return bytes == 2 ? take_word(d) : ~0u;
        if (status & 0x80) return status;
        if (offset == 1) return error;
        if (offset == 6) return device;
        return file[offset][0];  // drive 0 answers for an absent drive 1
    }
    void write(unsigned offset, unsigned, uint32_t value) override
    {
        FakeDrive& d = drives[selected];
        if (all_ones() || (!drives[0].present && !drives[1].present)) return;
        if (offset == 0) return give_word(d, uint16_t(value));
        if (offset == 7) return command(d, uint8_t(value));
        if (status & 0x80) return;
        if (offset == 6)
            device = uint8_t(value), selected = value >> 4 & 1;
        else
            file[offset][1] = file[offset][0], file[offset][0] = uint8_t(value);
    }

private:
    bool all_ones() const
    {
        return floating || (drives[selected].present && drives[selected].gone_after == 0);
    }
    uint32_t read_control() { return all_ones() ? ~0u : drives[selected].present ? status : 0; }
    void write_control(uint32_t value)
    {
        if (value & 4 && !(device_control & 4)) {
            ++resets;
            EXPECT_FALSE(engine_running()) << "reset under a running engine";
            status = 0x80;
            reset_pending = true;
            selected = multiple[0] = multiple[1] = 0;
            buffer.clear();
            translated[0] = translated[1] = false;
            for (auto& d : drives) {
                if (d.forgets_modes) d.mode = 0;
            }
        }
        device_control = uint8_t(value);
    }
    void interrupt()
    {
        ++interrupts;
        engine_status |= 4;
        if (!loses_interrupts && !(device_control & 2)) machine.interrupt(line);
    }
    void end(uint8_t error_byte = 0)
    {
        error = error_byte;
        status = uint8_t(0x50 | (error_byte != 0));
        interrupt();
    }

    void command(FakeDrive& d, uint8_t code)
    {
        if (!d.present) return;
        EXPECT_EQ(status & 0x88, 0) << "command " << int(code) << " while BSY or DRQ";
        if (d.gone_after > 0) --d.gone_after;
        d.commands.push_back(code);
        opcode = code, error = 0, status = 0xd0;
        is_read = is_write = is_dma = false;
        block = 1;
        if (code == 0xa0) return begin_packet(d);
        bool ext = false;
        switch (code) {
        case 0x24:
        case 0x25:
        case 0x29: ext = true; [[fallthrough]];
        case 0x20:
        case 0xc8:
        case 0xc4: is_read = true; break;
        case 0x34:
        case 0x35:
        case 0x39: ext = true; [[fallthrough]];
        case 0x30:
        case 0xca:
        case 0xc5: is_write = true; break;
        }
        if (!is_read && !is_write) return;
        EXPECT_TRUE(!ext || d.lba48);
        is_dma = code == 0xc8 || code == 0xca || code == 0x25 || code == 0x35;
        if (code == 0xc4 || code == 0xc5 || code == 0x29 || code == 0x39)
            block = multiple[selected];
        EXPECT_NE(block, 0u) << "READ MULTIPLE before SET MULTIPLE MODE";
        left = file[2][0] | (ext ? file[2][1] << 8 : 0);
        if (left == 0) left = ext ? 65536 : 256;
        total = left;
        lba = file[3][0] | file[4][0] << 8 | uint64_t(file[5][0]) << 16;
        if (ext)
            lba |= uint64_t(file[3][1]) << 24 | uint64_t(file[4][1]) << 32 |
                   uint64_t(file[5][1]) << 40;
        else if (device & 0x40)
            lba |= uint64_t(device & 15) << 24;
        else
            lba = from_chs(d);
        buffer.clear();
        if (is_write && !is_dma) want_data();
    }

    // ---- PACKET: the drive asks for the packet, then for data or gives some, piece by piece.
    enum class Phase { asks, packet, runs, gives, done } phase = Phase::done;
    void begin_packet(FakeDrive& d)
    {
        EXPECT_TRUE(d.atapi);
        is_dma = file[1][0] & 1, is_write = false;
        EXPECT_TRUE(is_dma || (file[4][0] | file[5][0] << 8) > 1) << "no byte count limit";
        packet_limit = std::min<unsigned>(d.packet_piece, file[4][0] | file[5][0] << 8);
        phase = Phase::asks, cdb.clear(), out.clear();
    }
    void ask(FakeDrive& d, unsigned reason, unsigned bytes)
    {
        file[2][0] = uint8_t(reason ^ d.packet_reason);
        file[4][0] = uint8_t(bytes), file[5][0] = uint8_t(bytes >> 8);
        status = 0x58;
        if (reason != 1 || d.packet_interrupt) interrupt();
    }
    void do_packet(FakeDrive& d)
    {
        if (phase == Phase::asks) return phase = Phase::packet, ask(d, 1, 0);
        if (phase == Phase::gives) return give_piece(d);
        EXPECT_EQ(cdb.size(), 12u);
        is_write = FakeScsiUnit::takes_data(cdb[0]);
        size_t length = is_write ? be16(&cdb[7]) * d.unit.block_bytes : 0;
        if (is_dma && !engine_running()) return;
        if (is_dma && d.dma_hangs) return;
        if (is_dma && d.dma_error) return engine_status |= 2, void();
        if (is_dma && is_write && out.empty()) {
            run_engine(length, false);
            out.assign(buffer.begin(), buffer.end());
            buffer.clear();
        } else if (out.size() < length) {
            wanted = std::min<size_t>(packet_limit, length - out.size());
            return ask(d, 0, unsigned(wanted));
        }
        auto answer = d.unit.execute(cdb, out);
        if (answer.status) {
            phase = Phase::done;
            uint8_t key = answer.sense.empty() ? 0 : uint8_t(answer.sense[2] << 4);
            return end(uint8_t(key | 4));
        }
        size_t most = cdb[0] == 0x03 || cdb[0] == 0x1a ? cdb[4]
                      : cdb[0] == 0x12                 ? be16(&cdb[3])
                                                       : answer.data.size();
        answer.data.resize(std::min(answer.data.size(), most));
        if (d.short_transfer) answer.data.resize(answer.data.size() / 2);
        buffer.assign(answer.data.begin(), answer.data.end());
        if (is_dma && !is_write) {
            run_engine(buffer.size(), true);
            if (!d.short_transfer) engine_status &= uint8_t(~1);
        }
        if (is_dma) engine_status &= uint8_t(d.short_transfer ? ~0 : ~1);
        phase = Phase::gives;
        give_piece(d);
    }
    void give_piece(FakeDrive& d)
    {
        piece = std::min<size_t>(packet_limit, buffer.size());
        if (piece) return ask(d, 2, unsigned(piece));
        if (d.stuck_data_request) return ask(d, 2, 2);
        phase = Phase::done;
        file[2][0] = 3;
        end();
    }
    uint32_t take_packet_word()
    {
        EXPECT_TRUE(status & 8 && phase == Phase::gives) << "data read without DRQ";
        uint32_t word = 0;
        for (unsigned i = 0; i < 2 && !buffer.empty(); ++i, buffer.pop_front())
            word |= uint32_t{buffer.front()} << i * 8;
        piece -= std::min<size_t>(piece, 2);
        if (piece == 0) status = 0xd0;
        return word;
    }
    void give_packet_word(uint16_t word)
    {
        EXPECT_TRUE(status & 8) << "data written without DRQ";
        auto& into = phase == Phase::packet ? cdb : out;
        size_t before = into.size();
        into.push_back(uint8_t(word)), into.push_back(uint8_t(word >> 8));
        if (phase == Phase::packet && before < 10) return;
        if (phase == Phase::runs && (wanted -= std::min<size_t>(wanted, 2)) != 0) return;
        phase = Phase::runs;
        status = 0xd0;
    }
    uint64_t from_chs(FakeDrive& d)
    {
        EXPECT_TRUE(translated[selected]) << "CHS before INITIALIZE DEVICE PARAMETERS";
        EXPECT_LT(unsigned(device & 15), d.heads);
        EXPECT_GE(file[3][0], 1);
        uint64_t cylinder = file[4][0] | file[5][0] << 8;
        return (cylinder * d.heads + (device & 15)) * d.per_track + file[3][0] - 1;
    }
    void want_data()
    {
        wanted = std::min(left, block) * drives[selected].sector_bytes;
        status = 0x58;
    }
    uint8_t fault_at(FakeDrive& d, unsigned sectors)
    {
        auto found = d.bad.lower_bound(lba);
        if (found == d.bad.end() || found->first >= lba + sectors || d.bad_for == 0) return 0;
        if (d.bad_for > 0) --d.bad_for;
        return found->second;
    }

    void work(FakeDrive& d)
    {
        if (d.device_fault && opcode != 0xec) return status = 0x70, interrupt();
        if (opcode == 0xa0) return do_packet(d);
        if (is_dma) return do_dma(d);
        if (is_read) return next_read(d);
        if (is_write) return next_write(d);
        switch (opcode) {
        case 0xec:
            if (d.atapi) file[4][0] = 0x14, file[5][0] = 0xeb;
            return d.atapi ? end(4) : offer(d.identify(), d.short_transfer);
        case 0xa1: return d.atapi ? offer(d.identify(), false) : end(4);
        case 0xc6:
            if (file[2][0] > d.multiple_limit) return end(4);
            multiple[selected] = file[2][0];
            return end();
        case 0x91:
            translated[selected] = file[2][0] == d.per_track && (device & 15u) + 1 == d.heads;
            return end();
        case 0xe7:
        case 0xea: return end(d.flushes ? 0 : 4);
        case 0xef: return end(set_mode(d) ? 0 : 4);
        default: return end(4);
        }
    }
    bool set_mode(FakeDrive& d)
    {
        EXPECT_EQ(file[1][0], 3);
        uint8_t mode = file[2][0], number = mode & 7;
        if (mode >= d.refuses_modes_from) return false;
        d.modes_set.push_back(mode);
        switch (mode & 0xf8) {
        case 0x08: EXPECT_LE(number, d.pio); return true;
        case 0x20: EXPECT_TRUE(d.multiword >> number & 1); break;
        case 0x40: EXPECT_TRUE(d.ultra >> number & 1); break;
        default: ADD_FAILURE() << "mode " << int(mode);
        }
        d.mode = mode;
        return true;
    }
    void offer(const std::vector<uint16_t>& words, bool nothing)
    {
        if (nothing) return end();
        for (uint16_t word : words)
            buffer.push_back(uint8_t(word)), buffer.push_back(uint8_t(word >> 8));
        status = 0x58, left = 0;
        interrupt();
    }
    void next_read(FakeDrive& d)
    {
        unsigned now = std::min(left, block);
        if (uint8_t e = fault_at(d, now)) return end(e);
        EXPECT_LE(lba + now, d.sectors);
        if (d.short_transfer && left <= total / 2) return end();
        for (unsigned i = 0; i < now; ++i) {
            auto bytes = d.sector(lba++);
            buffer.insert(buffer.end(), bytes.begin(), bytes.end());
        }
        left -= now, status = 0x58;
        interrupt();
    }
    void next_write(FakeDrive& d)
    {
        unsigned now = unsigned(buffer.size() / d.sector_bytes);
        if (uint8_t e = fault_at(d, now)) return end(e);
        EXPECT_LE(lba + now, d.sectors);
        store(d);
        left -= now;
        if (left == 0 || (d.short_transfer && left <= total / 2)) return end();
        want_data();
        interrupt();
    }
    void store(FakeDrive& d)
    {
        for (; buffer.size() >= d.sector_bytes; ++lba) {
            d.written[lba].assign(buffer.begin(), buffer.begin() + d.sector_bytes);
            buffer.erase(buffer.begin(), buffer.begin() + d.sector_bytes);
        }
    }
    uint32_t take_word(FakeDrive& d)
    {
        if (opcode == 0xa0) return take_packet_word();
        EXPECT_TRUE(status & 8 && buffer.size() >= 2) << "data read without DRQ";
        if (buffer.size() < 2) return 0xdead;
        uint32_t word = buffer[0] | buffer[1] << 8;
        buffer.erase(buffer.begin(), buffer.begin() + 2);
        if (buffer.empty()) status = left ? 0xd0 : d.stuck_data_request ? 0x58 : 0x50;
        return word;
    }
    void give_word(FakeDrive&, uint16_t word)
    {
        if (opcode == 0xa0) return give_packet_word(word);
        EXPECT_TRUE(status & 8 && is_write) << "data written without DRQ";
        buffer.push_back(uint8_t(word)), buffer.push_back(uint8_t(word >> 8));
        if (buffer.size() == wanted) status = 0xd0;
    }
    // Moves the buffer's bytes to memory, or appends to it from there. Whether the table is at its
    // end.
    bool run_engine(size_t bytes, bool to_memory)
    {
        runs.clear();
        bool last = false;
        for (uint32_t at = table; bytes && !last; at += 8) {
            auto* entry = reinterpret_cast<uint32_t*>(machine.at(at, 8));
            EXPECT_TRUE(entry) << "the descriptor table runs on";
            if (!entry) return false;
            uint32_t address = entry[0], size = entry[1] & 0xffff ? entry[1] & 0xffff : 0x10000;
            last = entry[1] >> 31;
            runs.push_back({address, size});
            EXPECT_EQ(address & 1 || size & 1, 0);
            EXPECT_EQ(address >> 16, (address + size - 1) >> 16) << "a run crosses 64 KiB";
            size = uint32_t(std::min<size_t>(size, bytes));
            auto* memory = reinterpret_cast<uint8_t*>(machine.at(address, size));
            EXPECT_TRUE(memory) << "DMA to what is not memory";
            if (!memory) return false;
            if (!to_memory)
                buffer.insert(buffer.end(), memory, memory + size);
            else
                std::copy_n(buffer.begin(), size, memory),
                    buffer.erase(buffer.begin(), buffer.begin() + size);
            bytes -= size;
        }
        EXPECT_EQ(bytes, 0u) << "the descriptor table is too short";
        return last;
    }
    void do_dma(FakeDrive& d)
    {
        if (!engine_running() || d.dma_hangs) return;
        EXPECT_EQ(!(engine_command & 8), is_write) << "the bus master's direction";
        EXPECT_NE(d.mode, 0) << "DMA without a mode";
        if (d.dma_error) return engine_status |= 2, void();
        if (d.mode >= d.crc_errors_from) return end(0x84);
        if (uint8_t e = fault_at(d, left)) return end(e);
        EXPECT_LE(lba + left, d.sectors);
        size_t sectors = d.short_transfer ? left / 2 : left;
        for (size_t i = 0; is_read && i < sectors; ++i) {
            auto bytes = d.sector(lba + i);
            buffer.insert(buffer.end(), bytes.begin(), bytes.end());
        }
        bool last = run_engine(sectors * d.sector_bytes, is_read);
        if (is_write) store(d);
        if (last && !d.short_transfer) engine_status &= ~1;
        end();
    }

    FakeMachine& machine;
    unsigned line;
    ControlBlock control{*this};
    uint8_t file[8][2] = {};  // the command block's registers: what was written last, and before
    uint8_t device = 0xa0, status = 0x50, error = 0, device_control = 2, opcode = 0;
    unsigned selected = 0;
    bool reset_pending = false, is_read = false, is_write = false, is_dma = false;
    unsigned block = 1, left = 0, total = 0;
    unsigned multiple[2] = {};
    bool translated[2] = {};
    uint64_t lba = 0;
    size_t wanted = 0, piece = 0;
    unsigned packet_limit = 0;
    std::vector<uint8_t> cdb, out;
    std::deque<uint8_t> buffer;
    uint8_t engine_command = 0, engine_status = 0x60;
    uint32_t table = 0;
};

struct FakeBusMaster final : FakeDevice {  // the 16 ports of both channels
    FakeIde &primary, &secondary;
    FakeBusMaster(FakeIde& p, FakeIde& s) : primary(p), secondary(s) {}
    FakeIde& at(unsigned offset) { return offset & 8 ? secondary : primary; }
    uint32_t read(unsigned offset, unsigned) override { return at(offset).read_master(offset & 7); }
    void write(unsigned offset, unsigned, uint32_t value) override
    {
        at(offset).write_master(offset & 7, value);
    }
};
