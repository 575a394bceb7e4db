// SPDX-License-Identifier: BSD-2-Clause
// A fake floppy controller with two drives, channel 2 of the DMA controller that it needs, and the
// CMOS. It complains when the driver breaks the protocol of the 82077AA's data sheet: bytes out of
// turn, a motor that has not spun up, a 765 that is asked while it steps, DMA beyond its bounds.
#pragma once
#include <gtest/gtest.h>
#include <deque>
#include <map>
#include <optional>
#include "fakes/machine.h"

struct FakeFloppy {
    unsigned sectors = 18, cylinders = 80, rate = 0;
    bool write_protected = false;
    bool every_other_track = false;  // of 40 cylinders, in a drive of 80
    uint8_t size = 2;                // 128 << size bytes
    std::map<unsigned, int> bad;     // by block: so many times more; -1: always
    std::map<unsigned, std::vector<uint8_t>> written;

    unsigned blocks() const { return sectors * cylinders * 2; }
    std::vector<uint8_t> block(unsigned number) const
    {
        if (auto found = written.find(number); found != written.end()) return found->second;
        std::vector<uint8_t> bytes(512, uint8_t(number * 7 + 1));
        memcpy(bytes.data(), &number, 4);
        return bytes;
    }
};

class FakeFdc final : public FakeDevice {
public:
    explicit FakeFdc(FakeMachine& m) : machine(m)
    {
        machine.on_wait = [this] { step(); };
    }
    void plug_in()
    {
        machine.ports(0x3f0, 8, *this);
        machine.ports(0, 16, dma);
        machine.ports(0x81, 1, page);
        machine.ports(0x70, 2, cmos);
    }
    struct Drive {
        std::optional<FakeFloppy> disk = FakeFloppy{};
        bool changed = true;
        unsigned cylinder = 7;
        uint64_t spun_up_us = UINT64_MAX;
        unsigned beyond = 0;  // cylinders further out than 79: one recalibration is not enough
    } drives[2];
    void insert(unsigned drive, std::optional<FakeFloppy> disk)
    {
        drives[drive].disk = std::move(disk);
        drives[drive].changed = true;
    }

    // ---- what it is, and faults
    uint8_t types = 0x40;  // CMOS
    bool enhanced = true, ready = true, gone = false, steps_forever = false;
    int silent = 0;  // so many data commands are never answered
    bool out_of_step = false;
    unsigned missing = 0;       // bytes of the next transfer
    uint8_t arrives_at = 0xff;  // where the next seek ends, if not where it should
    uint8_t version = 0x90;

    // ---- what the driver did
    std::vector<uint8_t> opcodes;
    unsigned resets = 0, recalibrations = 0, accesses = 0;
    uint8_t dor = 0;
    bool motor(unsigned drive) const { return dor >> (4 + drive) & 1; }
    bool dma_is_on() const { return !dma.masked; }
    unsigned largest = 0;
    uint32_t last_address = 0;

    uint32_t read(unsigned offset, unsigned bytes) override
    {
        EXPECT_EQ(bytes, 1u);
        ++accesses;
        if (gone) return 0xff;
        switch (offset) {
        case 2: return dor;
        case 4: return status();
        case 5: return take_result();
        case 7: return 0x7fu | unsigned(motor(selected()) && drives[selected()].changed) << 7;
        }
        ADD_FAILURE() << "read of register " << offset;
        return 0xff;
    }
    void write(unsigned offset, unsigned bytes, uint32_t value) override
    {
        EXPECT_EQ(bytes, 1u);
        ++accesses;
        if (gone) return;
        switch (offset) {
        case 2: return set_dor(uint8_t(value));
        case 5: return take_byte(uint8_t(value));
        case 7: rate = value & 3; return;
        }
        ADD_FAILURE() << "write to register " << offset;
    }
    // What has taken its time has happened.
    void step()
    {
        if (due_us > machine.now_us || !due) return;
        auto happens = std::move(due);
        due = nullptr;
        happens();
    }

private:
    unsigned selected() const { return dor & 1; }
    uint8_t status() const
    {
        if (!(dor & 4) || !ready) return 0;
        uint8_t busy = stepping ? 1 << selected() : 0;
        if (out_of_step) return 0xc0;
        if (!results.empty()) return 0xd0 | busy;
        if (executing) return 0x10;
        return uint8_t(0x80 | busy | (command.empty() ? 0 : 0x10));
    }
    void set_dor(uint8_t value)
    {
        for (unsigned i : {0u, 1u}) {
            if (!(value >> (4 + i) & 1))
                drives[i].spun_up_us = UINT64_MAX;
            else if (!motor(i))
                drives[i].spun_up_us = machine.now_us + 300'000;
        }
        bool released = !(dor & 4) && (value & 4);
        dor = value;
        if (!(dor & 4)) {
            results.clear(), command.clear();
            executing = stepping = false, configured = false, rate_set = false;
            due = nullptr;
        }
        if (!released) return;
        ++resets;
        later(1'000, [this] { pending = 4, interrupt(); });
    }
    void later(uint64_t us, std::function<void()> what)
    {
        due_us = machine.now_us + us;
        due = std::move(what);
    }
    void interrupt()
    {
        if (dor & 8) machine.interrupt(6);
    }
    uint8_t take_result()
    {
        if (results.empty()) return ADD_FAILURE() << "no result to read", 0xff;
        uint8_t value = results.front();
        results.pop_front();
        return value;
    }
    unsigned length() const  // of the command whose first byte is there
    {
        switch (command[0] & 0x1f) {
        case 0x03:
        case 0x0f: return 3;
        case 0x04:
        case 0x07:
        case 0x0a: return 2;
        case 0x05:
        case 0x06: return 9;
        case 0x12: return enhanced ? 2 : 1;
        case 0x13: return enhanced ? 4 : 1;
        }
        return 1;
    }
    void take_byte(uint8_t value)
    {
        EXPECT_EQ(status() & 0xc0, 0x80) << "a byte out of turn";
        command.push_back(value);
        if (command.size() < length()) return;
        auto all = std::move(command);
        command.clear();
        opcodes.push_back(all[0]);
        perform(all);
    }
    void perform(const std::vector<uint8_t>& c)
    {
        uint8_t opcode = c[0] & 0x1f;
        EXPECT_TRUE(opcode == 8 || !stepping) << "while it steps";
        switch (opcode) {
        case 0x03: return void(rate_set = true);
        case 0x04: return sense_drive(c[1]);
        case 0x07: return recalibrate();
        case 0x08: return sense_interrupt();
        case 0x0f: return seek(c[2]);
        case 0x0a: return read_id();
        case 0x05:
        case 0x06: return transfer(c);
        case 0x10: return results.push_back(enhanced ? version : 0x80);
        case 0x12:
            if (enhanced) return;
            break;
        case 0x13:
            if (enhanced) return void(configured = true);
            break;
        }
        results = {0x80};
    }
    Drive& drive_in_use(unsigned number)
    {
        EXPECT_EQ(number & 3, selected());
        Drive& drive = drives[number & 1];
        EXPECT_GE(machine.now_us, drive.spun_up_us) << "the motor does not turn yet";
        return drive;
    }
    void sense_drive(uint8_t which)
    {
        Drive& drive = drive_in_use(which);
        bool protect = drive.disk && drive.disk->write_protected;
        results = {uint8_t(0x28 | which | protect << 6 | (drive.cylinder == 0) << 4)};
    }
    void move_to(unsigned cylinder, uint8_t st0)
    {
        Drive& drive = drives[selected()];
        unsigned steps =
            cylinder > drive.cylinder ? cylinder - drive.cylinder : drive.cylinder - cylinder;
        stepping = true;
        if (steps_forever) return;
        later(1'000 + steps * 3'000, [this, &drive, cylinder, steps, st0] {
            if (drive.disk && steps) drive.changed = false;
            drive.cylinder = cylinder;
            seek_result = {uint8_t(0x20 | st0 | selected()), uint8_t(cylinder)};
            interrupt();
        });
    }
    void recalibrate()
    {
        ++recalibrations;
        Drive& drive = drives[selected()];
        if (drive.beyond) return drive.beyond = 0, drive.cylinder = 79, move_to(2, 0x70);
        move_to(0, 0);
    }
    void seek(uint8_t cylinder)
    {
        unsigned to = arrives_at == 0xff ? cylinder : arrives_at;
        arrives_at = 0xff;
        move_to(to, 0);
    }
    void sense_interrupt()
    {
        if (!seek_result.empty()) {
            results = {seek_result[0], seek_result[1]};
            seek_result.clear();
            stepping = false;
        } else if (pending) {
            results = {uint8_t(0xc0 | (4 - pending--)), 0};
        } else {
            EXPECT_FALSE(stepping && due && !steps_forever && !enhanced) << "asked while it steps";
            results = {0x80};
        }
    }
    void finish(std::vector<uint8_t> bytes)
    {
        executing = true;
        if (silent && silent--) return;
        later(20'000, [this, bytes] {
            executing = false;
            results.assign(bytes.begin(), bytes.end());
            interrupt();
        });
    }
    // The cylinder that is below the head, as the disk counts; -1: none.
    int cylinder_of(const Drive& drive) const
    {
        if (!drive.disk->every_other_track) return int(drive.cylinder);
        return drive.cylinder & 1 ? -1 : int(drive.cylinder / 2);
    }
    void read_id()
    {
        Drive& drive = drive_in_use(selected());
        EXPECT_TRUE(rate_set) << "no SPECIFY";
        if (!drive.disk) return void(executing = true);  // no index: never
        int cylinder = cylinder_of(drive);
        if (drive.disk->rate != rate || cylinder < 0) return finish({0x40, 0x01, 0, 0, 0, 0, 0});
        finish({0, 0, 0, uint8_t(cylinder), 0, 1, drive.disk->size});
    }
    void transfer(const std::vector<uint8_t>& c)
    {
        Drive& drive = drive_in_use(c[1]);
        if (!drive.disk) return void(executing = true);
        FakeFloppy& disk = *drive.disk;
        bool to_disk = (c[0] & 0x1f) == 5;
        unsigned head = c[1] >> 2 & 1, sector = c[4], cylinder = unsigned(cylinder_of(drive));
        EXPECT_EQ(c[0] & 0xc0, 0xc0);
        EXPECT_EQ(c[3], head);
        EXPECT_EQ(c[5], 2);
        EXPECT_EQ(c[6], disk.sectors);
        EXPECT_EQ(c[8], 0xff);
        EXPECT_EQ(rate, disk.rate);
        auto end = [&](uint8_t st0, uint8_t st1, uint8_t st2) {
            finish({uint8_t(st0 | head << 2 | selected()), st1, st2, uint8_t(cylinder),
                    uint8_t(head), uint8_t(sector), 2});
        };
        if (cylinder != c[2]) return end(0x40, 0x04, 0x10);
        if (to_disk && disk.write_protected) return end(0x40, 0x02, 0);
        uint32_t bytes = dma.begin(to_disk, page.value);
        largest = std::max(largest, bytes), last_address = dma.address;
        EXPECT_EQ(bytes % 512, 0u);
        std::byte* memory = machine.at(dma.address, bytes);
        if (!memory) return ADD_FAILURE() << "DMA to nowhere", void();
        for (uint32_t done = 0; done < bytes; done += 512) {
            if (sector > disk.sectors) {
                if (head) return end(0x40, 0x80, 0);
                head = 1, sector = 1;
            }
            unsigned block = (cylinder * 2 + head) * disk.sectors + sector - 1;
            if (auto bad = disk.bad.find(block); bad != disk.bad.end() && bad->second) {
                if (bad->second > 0) --bad->second;
                return end(0x40, 0x20, 0x20);
            }
            if (silent == 0 && missing) return dma.left = missing, missing = 0, end(0, 0, 0);
            if (silent == 0) move(disk, block, memory + done, to_disk);
            ++sector;
        }
        dma.left = 0;
        end(0, 0, 0);
    }
    static void move(FakeFloppy& disk, unsigned block, std::byte* memory, bool to_disk)
    {
        auto* bytes = reinterpret_cast<uint8_t*>(memory);
        if (to_disk)
            disk.written[block].assign(bytes, bytes + 512);
        else
            memcpy(memory, disk.block(block).data(), 512);
    }

    struct Dma final : FakeDevice {
        uint32_t address = 0, count = 0, left = 0;
        uint8_t mode = 0;
        bool masked = true, high = false;
        uint32_t begin(bool to_disk, uint8_t page)
        {
            EXPECT_FALSE(masked);
            EXPECT_EQ(mode, to_disk ? 0x4a : 0x46);
            address = page << 16 | (address & 0xffff);
            EXPECT_LE((address & 0xffff) + count, 0xffffu) << "beyond 64 KiB";
            left = count + 1;
            return count + 1;
        }
        uint32_t read(unsigned offset, unsigned) override
        {
            EXPECT_EQ(offset, 5u);
            high = !high;
            return high ? uint8_t(left - 1) : uint8_t((left - 1) >> 8);
        }
        void write(unsigned offset, unsigned, uint32_t value) override
        {
            auto put = [&](uint32_t& word) {
                word = high ? (word & 0xff) | value << 8 : value;
                high = !high;
            };
            switch (offset) {
            case 4: EXPECT_TRUE(masked); return put(address);
            case 5: EXPECT_TRUE(masked); return put(count);
            case 10:
                EXPECT_EQ(value & 3, 2u);
                masked = value & 4;
                return;
            case 11: mode = uint8_t(value); return;
            case 12: high = false; return;
            }
            ADD_FAILURE() << "write to DMA register " << offset;
        }
    } dma;
    struct PageRegister final : FakeDevice {
        uint8_t value = 0;
        uint32_t read(unsigned, unsigned) override { return value; }
        void write(unsigned, unsigned, uint32_t v) override { value = uint8_t(v); }
    } page;
    struct Cmos final : FakeDevice {
        explicit Cmos(FakeFdc& f) : fdc(f) {}
        FakeFdc& fdc;
        uint8_t index = 0;
        uint32_t read(unsigned, unsigned) override { return index == 0x10 ? fdc.types : 0; }
        void write(unsigned offset, unsigned, uint32_t v) override
        {
            EXPECT_EQ(offset, 0u);
            index = uint8_t(v);
        }
    } cmos{*this};

    FakeMachine& machine;
    std::vector<uint8_t> command, seek_result;
    std::deque<uint8_t> results;
    bool executing = false, stepping = false, configured = false, rate_set = false;
    unsigned pending = 0, rate = 0;
    uint64_t due_us = 0;
    std::function<void()> due;
};
