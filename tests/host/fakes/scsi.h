// SPDX-License-Identifier: BSD-2-Clause
// A fake SCSI unit, a disk or a CD drive, which fails in the ways that it is told to. It knows
// nothing of what carries its commands: that is the fake transport's, or a fake controller's.
#pragma once
#include <gtest/gtest.h>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>
#include "lib/bytes.h"

struct FakeScsiUnit {
    using Bytes = std::vector<uint8_t>;
    struct Code {
        uint8_t key, asc, ascq = 0;
    };

    // ---- what it is
    uint8_t type = 0, version = 5;
    bool removable = false;
    std::string vendor = "FAKE", product = "SCSI DISK";
    uint64_t blocks = 131072;
    uint32_t block_bytes = 512;
    uint8_t seed = 0;  // of what is on the medium
    bool write_protected = false, thin = false, solid_state = false;
    uint32_t most_unmapped = 1000;
    Bytes luns = {0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};

    static FakeScsiUnit cd()
    {
        FakeScsiUnit unit;
        unit.type = 5, unit.removable = true, unit.product = "CD-ROM";
        unit.blocks = 300, unit.block_bytes = 2048, unit.version = 0;
        return unit;
    }

    uint32_t session = 0;  // of a CD: where the last one begins

    // ---- faults
    bool has_medium = true, locked = false, stopped = false, descriptor_format = false;
    int becomes_ready = 0;          // so many commands meet a drive that is becoming ready; -1: all
    int busy = 0, aborts = 0;       // so many commands end with that
    std::deque<Code> attentions;    // each is told to one command
    std::map<uint64_t, Code> bad;   // by block
    int bad_for = -1;               // so many commands, then no more; -1: always
    bool says_where = true;         // in the information field
    bool silent = false;            // fails without sense data
    int gives_less = 0;             // bytes that transfers lack
    std::map<uint8_t, Code> fails;  // by operation code
    std::map<uint8_t, Bytes> answers;         // by operation code: instead of its own
    std::function<void(uint8_t)> on_command;  // before each

    // ---- what the driver did
    std::vector<uint8_t> commands;
    std::map<uint64_t, Bytes> written;
    std::vector<std::pair<uint64_t, uint32_t>> unmapped, transfers;
    unsigned flushes = 0;

    struct Answer {
        uint8_t status = 0;
        Bytes sense, data;
    };
    Bytes block(uint64_t number) const
    {
        if (auto found = written.find(number); found != written.end()) return found->second;
        Bytes bytes(block_bytes);
        for (size_t i = 0; i < bytes.size(); ++i)
            bytes[i] = uint8_t(seed + number * 11 + (number >> 8) + i + i / 256);
        return bytes;
    }
    // Somebody takes the medium out, or puts another one in.
    void open_tray() { has_medium = false, written.clear(); }
    void insert(uint64_t new_blocks)
    {
        has_medium = true, blocks = new_blocks, seed = uint8_t(seed + 77);
        attentions.push_back({6, 0x28});
    }
    // Whether a command's data go to the unit.
    static bool takes_data(uint8_t opcode)
    {
        return opcode == 0x2a || opcode == 0x8a || opcode == 0x42;
    }

    Answer execute(const Bytes& cdb, const Bytes& out)
    {
        uint8_t opcode = cdb[0];
        if (on_command) on_command(opcode);
        commands.push_back(opcode);
        if (opcode == 0x03) return {0, {}, sense_of(std::exchange(last, {}))};
        if (opcode == 0x12) return inquire(cdb);
        if (busy) return --busy, Answer{8, {}, {}};
        if (!attentions.empty()) {
            Code code = attentions.front();
            attentions.pop_front();
            return failed(code);
        }
        if (aborts) return --aborts, failed({0xb, 0});
        if (auto found = fails.find(opcode); found != fails.end()) return failed(found->second);
        if (auto found = answers.find(opcode); found != answers.end())
            return {0, {}, found->second};
        if (opcode == 0xa0) return {0, {}, luns};
        if (opcode == 0x1b) return start_or_stop(cdb[4]);
        if (!has_medium) return failed({2, 0x3a, 1});
        if (becomes_ready) {
            if (becomes_ready > 0) --becomes_ready;
            return failed({2, 4, 1});
        }
        if (stopped) return failed({2, 4, 2});
        return with_medium(cdb, out);
    }

private:
    Code last = {};  // for REQUEST SENSE

    static void put(Bytes& bytes, size_t at, uint64_t value, unsigned count)
    {
        for (unsigned i = count; i-- > 0; value >>= 8) bytes.at(at + i) = uint8_t(value);
    }
    Bytes sense_of(Code code, uint64_t where = 0, bool is_known = false) const
    {
        if (descriptor_format) {
            Bytes sense(20);
            sense[0] = 0x72, sense[1] = code.key, sense[2] = code.asc, sense[3] = code.ascq;
            sense[7] = 12, sense[9] = 10, sense[10] = is_known ? 0x80 : 0;
            put(sense, 12, where, 8);
            return sense;
        }
        Bytes sense(18);
        sense[0] = is_known ? 0xf0 : 0x70, sense[2] = code.key, sense[7] = 10;
        sense[12] = code.asc, sense[13] = code.ascq;
        put(sense, 3, where, 4);
        return sense;
    }
    Answer failed(Code code, uint64_t where = 0, bool is_known = false)
    {
        last = code;
        return {2, silent ? Bytes{} : sense_of(code, where, is_known), {}};
    }
    Answer inquire(const Bytes& cdb)
    {
        if (auto found = answers.find(0x12); found != answers.end() && !(cdb[1] & 1))
            return {0, {}, found->second};
        if (cdb[1] & 1) return product_data(cdb[2]);
        EXPECT_LE(be16(&cdb[3]), 255) << "old units take only one byte of this length";
        Bytes data(36, ' ');
        data[0] = type, data[1] = removable ? 0x80 : 0, data[2] = version, data[3] = 2;
        data[4] = 31, data[5] = data[6] = data[7] = 0;
        std::copy(vendor.begin(), vendor.end(), data.begin() + 8);
        std::copy(product.begin(), product.end(), data.begin() + 16);
        return {0, {}, data};
    }
    Answer product_data(uint8_t page)
    {
        EXPECT_GE(version, 5) << "a page that such a unit has never heard of";
        Bytes data(64);
        data[1] = page, data[3] = 60;
        if (page == 0xb0) put(data, 20, most_unmapped, 4), put(data, 24, most_unmapped ? 1 : 0, 4);
        if (page == 0xb1) data[5] = solid_state;
        return {0, {}, data};
    }
    Answer start_or_stop(uint8_t what)
    {
        if (what & 2 && locked) return failed({5, 0x53, 2});
        if (what == 2) has_medium = false;
        if (what & 1) stopped = false;
        if (what == 3) insert(blocks);
        return {};
    }
    Answer with_medium(const Bytes& cdb, const Bytes& out)
    {
        Bytes data(32);
        switch (cdb[0]) {
        case 0x00: return {};
        case 0x1a: return {0, {}, {3, 0, uint8_t(write_protected ? 0x80 : 0), 0}};
        case 0x25:
            put(data, 0, std::min<uint64_t>(blocks - 1, 0xffff'ffff), 4);
            put(data, 4, block_bytes, 4);
            data.resize(8);
            return {0, {}, data};
        case 0x9e:
            EXPECT_EQ(cdb[1], 0x10);
            put(data, 0, blocks - 1, 8), put(data, 8, block_bytes, 4);
            data[14] = thin ? 0x80 : 0;
            return {0, {}, data};
        case 0x28:
        case 0x2a: return transfer(cdb[0] == 0x2a, be32(&cdb[2]), be16(&cdb[7]), out);
        case 0x88:
        case 0x8a: return transfer(cdb[0] == 0x8a, be64(&cdb[2]), be32(&cdb[10]), out);
        case 0x35: return ++flushes, Answer{};
        case 0x42: return discard(out);
        case 0x43:
            if (type != 5) break;
            EXPECT_EQ(cdb[2], 1);
            put(data, 0, 10, 2), put(data, 8, session, 4);
            data[2] = 1, data[3] = session ? 2 : 1;
            data.resize(12);
            return {0, {}, data};
        }
        return failed({5, 0x20});
    }
    Answer transfer(bool write, uint64_t first, uint32_t count, const Bytes& out)
    {
        transfers.push_back({first, count});
        if (first + count > blocks) return failed({5, 0x21});
        if (write && write_protected) return failed({7, 0x27});
        auto found = bad.lower_bound(first);
        if (found != bad.end() && found->first < first + count && bad_for) {
            if (bad_for > 0) --bad_for;
            return failed(found->second, found->first, says_where);
        }
        Answer answer;
        for (uint32_t i = 0; i < count; ++i) {
            if (write) {
                EXPECT_GE(out.size(), (i + 1) * size_t{block_bytes});
                written[first + i].assign(out.begin() + i * block_bytes,
                                          out.begin() + (i + 1) * block_bytes);
                continue;
            }
            auto bytes = block(first + i);
            answer.data.insert(answer.data.end(), bytes.begin(), bytes.end());
        }
        if (!write) answer.data.resize(answer.data.size() - size_t(gives_less));
        return answer;
    }
    Answer discard(const Bytes& out)
    {
        EXPECT_EQ(out.size(), 24u);
        EXPECT_EQ(be16(&out[0]), 22);
        EXPECT_EQ(be16(&out[2]), 16);
        EXPECT_LE(be32(&out[16]), most_unmapped);
        unmapped.push_back({be64(&out[8]), be32(&out[16])});
        return {};
    }
};
