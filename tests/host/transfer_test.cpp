// SPDX-License-Identifier: BSD-2-Clause
#include "debug/transfer.h"
#include <gtest/gtest.h>
#include <deque>
#include "fakes/machine.h"
#include "lib/bytes.h"
#include "lib/crc32.h"

namespace {

using debug::Transfer;
using Bytes = std::string;

Bytes number(uint32_t value) { return Bytes(reinterpret_cast<const char*>(&value), 4); }
uint32_t crc_of(const Bytes& data) { return crc32(std::as_bytes(std::span(data))); }

Bytes frame(uint32_t offset, const Bytes& data)
{
    Bytes plain = number(offset) + data, out = "~";
    plain += number(crc_of(plain));
    for (char c : plain) {
        if (strchr("\x03\x11\x13\x7d\x7e\xff", c) && c) {
            out += '\x7d';
            c ^= 0x20;
        }
        out += c;
    }
    return out + "~";
}

// A sender that does what it is asked for, a frame at a time, on a line with faults.
struct Line final : debug::TransferLine {
    Bytes payload, symbols, said;
    uint32_t announced = 0, checksum = 0;
    std::deque<uint8_t> under_way;
    std::function<bool(unsigned number, Bytes& frame)> fault;  // changes it; false: it is lost
    std::function<bool(const Bytes& reply)> deaf;              // the sender does not hear this
    unsigned frames = 0;
    bool silent = false;

    explicit Line(Bytes data, Bytes names = "") : payload(data), symbols(names)
    {
        announced = uint32_t(data.size());
        checksum = crc_of(data + names);
    }
    int receive() override
    {
        if (under_way.empty()) return -1;
        uint8_t byte = under_way.front();
        under_way.pop_front();
        return byte;
    }
    void send(std::string_view bytes) override
    {
        said += bytes;
        Bytes reply(bytes);
        if (silent || (deaf && deaf(reply))) return;
        EXPECT_EQ(reply[0], '\1');
        uint32_t offset = uint32_t(strtoul(&reply[2], nullptr, 16));
        if (reply[1] == 'R') offset = ~0u;
        if (reply[1] == 'D') put("\3");
        if (reply[1] == 'E' || reply[1] == 'D') return;
        Bytes data = payload + symbols;
        Bytes next = offset == ~0u
                         ? frame(~0u, number(announced) + number(uint32_t(symbols.size())) +
                                          number(checksum))
                         : frame(offset, data.substr(offset, 1024));
        if (!fault || fault(frames, next)) put(next);
        ++frames;
    }
    void rest() override { hal::pause(); }
    void put(const Bytes& bytes) { under_way.insert(under_way.end(), bytes.begin(), bytes.end()); }
};

struct TransferTest : testing::Test {
    FakeMachine machine;
    std::vector<std::byte> memory = std::vector<std::byte>(100'000);

    // Every byte value, also those that are escaped.
    static Bytes sample(size_t bytes)
    {
        Bytes data;
        for (size_t i = 0; i < bytes; ++i) data += char(i * 7 + i / 256);
        return data;
    }
    Result<void> run(Line& line)
    {
        transfer.emplace(line, memory);
        return transfer->receive();
    }
    Bytes received() const
    {
        auto data = transfer->payload();
        return Bytes(reinterpret_cast<const char*>(data.data()), data.size());
    }
    void expect_whole(Line& line)
    {
        ASSERT_TRUE(run(line)) << transfer->why();
        EXPECT_EQ(received(), line.payload);
        EXPECT_EQ(transfer->symbols(), line.symbols);
    }
    void expect_failure(Line& line, Error error, const char* why)
    {
        auto result = run(line);
        EXPECT_EQ(result.error(), error);
        EXPECT_NE(transfer->why().find(why), std::string_view::npos) << transfer->why();
        EXPECT_NE(line.said.find(Bytes("\1E") + Bytes(transfer->why()) + "\n"), Bytes::npos);
        EXPECT_TRUE(line.under_way.empty());  // nothing is left to be taken for typed
    }
    std::optional<Transfer> transfer;
};

TEST_F(TransferTest, CrcIsThatOfEverybody)
{
    EXPECT_EQ(crc_of("123456789"), 0xcbf43926u);
    auto bytes = std::as_bytes(std::span("123456789", 9));
    EXPECT_EQ(crc32(bytes.subspan(4), crc32(bytes.first(4))), 0xcbf43926u);
}

TEST_F(TransferTest, PayloadAndSymbolsArrive)
{
    for (size_t bytes : {1, 1023, 1024, 1025, 50'000}) {
        Line line(sample(bytes), bytes == 1025 ? "c0430000 T start\n" : "");
        expect_whole(line);
    }
    Line line(sample(4000));
    expect_whole(line);
    transfer->accept();
    EXPECT_TRUE(line.said.ends_with("\1D\n"));
    EXPECT_TRUE(line.under_way.empty());
}

// The machine asked again, and then all of it came: the sender does what it was asked for.
TEST_F(TransferTest, WhatComesTwiceIsNotTyped)
{
    Line line(sample(3000));
    expect_whole(line);
    line.put(frame(0, line.payload.substr(0, 1024)) + frame(1024, line.payload.substr(1024, 1024)));
    transfer->accept();
    EXPECT_TRUE(line.under_way.empty());
}

TEST_F(TransferTest, ASenderThatGoesAfterTheLastByte)
{
    Line line(sample(3000));
    expect_whole(line);
    line.silent = true;
    uint64_t from = machine.now_us;
    transfer->accept();
    EXPECT_LT(machine.now_us - from, 6'000'000u);
}

TEST_F(TransferTest, AllOfTheMemoryCanBeUsed)
{
    Line line(sample(memory.size()));
    expect_whole(line);
    Line more(sample(memory.size() + 1));
    expect_failure(more, Error::too_large, "100001 bytes do not fit");
    Line symbols(sample(memory.size()), "x");
    expect_failure(symbols, Error::too_large, "do not fit");
    Line empty("");
    expect_failure(empty, Error::invalid, "empty");
}

TEST_F(TransferTest, WhatIsDamagedOrLostComesAgain)
{
    for (unsigned bad : {0u, 1u, 3u, 5u}) {
        Line flipped(sample(5000));
        flipped.fault = [=](unsigned n, Bytes& f) { return n == bad ? f[9] ^= 4, true : true; };
        expect_whole(flipped);
        Line cut(sample(5000));
        cut.fault = [=](unsigned n, Bytes& f) {
            if (n == bad) f.resize(f.size() / 2);
            return true;
        };
        expect_whole(cut);
        Line lost(sample(5000));
        lost.fault = [=](unsigned n, Bytes&) { return n != bad; };
        expect_whole(lost);
    }
}

TEST_F(TransferTest, AnAnswerMayBeLost)
{
    Line line(sample(5000));
    unsigned replies = 0;
    line.deaf = [&](const Bytes&) { return ++replies % 3 == 0; };
    expect_whole(line);
    EXPECT_GT(replies, 6u);
}

TEST_F(TransferTest, ASenderMayRunAheadAndRepeat)
{
    Line line(sample(3000));
    line.fault = [&](unsigned n, Bytes& f) {
        if (n == 1) f = f + frame(2048, line.payload.substr(2048)) + f;
        return true;
    };
    expect_whole(line);
}

// workbench/push.py's sender: eight frames under way, on a line on which those take two seconds.
TEST_F(TransferTest, ASlowLineIsNotFilledWithRepetitions)
{
    constexpr uint64_t us_per_byte = 250;
    constexpr size_t block = 1024, blocks = 40, window = 8;
    struct Slow final : debug::TransferLine {
        const FakeMachine& machine;
        Bytes data, under_way;
        size_t at = 0, sent = 0, wanted = 0;
        unsigned frames = 0, damaged;
        uint64_t next_us;
        Slow(const FakeMachine& m, Bytes d, unsigned bad)
            : machine(m), data(d), damaged(bad), next_us(m.now_us)
        {
        }
        int receive() override
        {
            if (at == under_way.size()) next_us = machine.now_us + us_per_byte;
            if (machine.now_us < next_us) return -1;
            next_us += us_per_byte;
            return uint8_t(under_way[at++]);
        }
        void send(std::string_view reply) override
        {
            auto offset = uint32_t(strtoul(&reply[2], nullptr, 16));
            if (reply[1] == 'R' || offset == ~0u) {
                under_way +=
                    frame(~0u, number(uint32_t(data.size())) + number(0) + number(crc_of(data)));
                offset = 0;
            }
            if (reply[1] == 'N') sent = wanted = offset;
            if (reply[1] == 'A') wanted = std::max<size_t>(wanted, offset);
            for (; sent < std::min(data.size(), wanted + window * block); sent += block, ++frames) {
                under_way += frame(uint32_t(sent), data.substr(sent, block));
                if (frames == damaged) under_way[under_way.size() - block / 2] ^= 4;
            }
        }
        void rest() override { hal::pause(); }
    };
    for (unsigned damaged : {~0u, 0u, 20u, unsigned(blocks - 1)}) {
        Slow line(machine, sample(blocks * block), damaged);
        Transfer slow(line, memory);
        ASSERT_TRUE(slow.receive()) << slow.why();
        EXPECT_LE(line.frames, damaged == ~0u ? blocks : blocks + window) << damaged;
    }
}

TEST_F(TransferTest, AWholeThatIsNotWhatWasAnnounced)
{
    Line wrong(sample(3000));
    wrong.checksum ^= 1;
    expect_failure(wrong, Error::corrupt, "CRC of the whole");
    Line longer(sample(3000));
    longer.announced = 1500;
    expect_failure(longer, Error::corrupt, "more has come");
}

TEST_F(TransferTest, ASenderThatStops)
{
    for (unsigned after : {0u, 1u, 3u}) {
        Line line(sample(5000));
        line.fault = [=](unsigned n, Bytes&) { return n < after; };
        uint64_t from = machine.now_us;
        expect_failure(line, Error::timed_out, "nothing more");
        EXPECT_LT(machine.now_us - from, 20'000'000u);
    }
    Line line(sample(5000));
    line.fault = [](unsigned n, Bytes& f) { return n == 2 ? f = "~\x03", true : true; };
    uint64_t from = machine.now_us;
    expect_failure(line, Error::interrupted, "given up");
    EXPECT_LT(machine.now_us - from, 1'000'000u);
}

// Whatever floods the line: it ends, and with time that passes only as bytes come.
TEST_F(TransferTest, NonsenseWithoutEnd)
{
    struct Flood final : debug::TransferLine {
        FakeMachine& machine;
        Bytes what;
        uint64_t count = 0, most;
        Flood(FakeMachine& m, Bytes w, uint64_t n) : machine(m), what(w), most(n) {}
        int receive() override
        {
            machine.now_us += 87;
            return count < most ? uint8_t(what[count++ % what.size()]) : -1;
        }
        void send(std::string_view) override {}
        void rest() override { hal::pause(); }
    };
    for (Bytes what : {Bytes("~"), Bytes("}"), Bytes("x"), Bytes("~x"), frame(0, "early"),
                       frame(~0u, "short"), Bytes("\xff~}~")}) {
        Flood flood(machine, what, 400'000);
        Transfer given(flood, memory);
        EXPECT_EQ(given.receive().error(), Error::timed_out);
    }
}

}  // namespace
