// SPDX-License-Identifier: BSD-2-Clause
// The protocol of gdb's remote side, without a gdb: tests/emu/test_gdb.py has the real one.
#include "fakes/gdb.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace gdb;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

namespace {

struct Gdb : testing::Test {
    FakeLine line;
    FakeTarget target;
    Stub stub{line, target};
    Registers registers;

    // Sends packets in no-ack mode, and returns what was answered to the last one.
    std::string ask(std::string_view body)
    {
        if (!quiet) {
            line.say(packet("QStartNoAckMode") + "+");
            quiet = true;
        }
        line.say(packet(body));
        line.sent.clear();
        resume = stub.serve(stop, registers);
        return last_reply();
    }
    std::string last_reply() const
    {
        size_t begin = line.sent.rfind('$'), end = line.sent.rfind('#');
        if (begin == line.sent.npos || end == line.sent.npos || begin > end) return "(none)";
        std::string body = line.sent.substr(begin + 1, end - begin - 1);
        EXPECT_EQ(line.sent.substr(begin), packet(body));
        return body;
    }
    // All that is answered to these bytes, in ack mode.
    std::string raw(std::string_view bytes)
    {
        line.say(bytes);
        line.sent.clear();
        resume = stub.serve(stop, registers);
        return line.sent;
    }

    Stop stop;
    Resume resume = Resume::closed;
    bool quiet = false;
};

// ---- packets

TEST_F(Gdb, EveryPacketIsAcknowledgedUntilItNeedNotBe)
{
    EXPECT_EQ(raw(packet("qC") + "+"), "+" + packet("QC1"));
    EXPECT_EQ(raw(packet("QStartNoAckMode") + "+"), "+" + packet("OK"));
    EXPECT_EQ(raw(packet("qC")), packet("QC1"));
}

TEST_F(Gdb, AWrongChecksumIsAskedForAgain)
{
    EXPECT_EQ(raw("$qC#00" + packet("qC") + "+"), "-+" + packet("QC1"));
    EXPECT_EQ(raw("$qC#zz" + packet("qC") + "+"), "-+" + packet("QC1"));
}

TEST_F(Gdb, AReplyIsSentAgainButNotForEver)
{
    std::string reply = packet("QC1");
    EXPECT_EQ(raw(packet("qC") + "--+"), "+" + reply + reply + reply);
    line.say(packet("qC"));
    for (int i = 0; i < 20; ++i) line.arriving.push_back(Line::silence);
    EXPECT_EQ(raw(packet("qfThreadInfo") + "+"),
              "+" + reply + reply + reply + reply + "+" + packet("m1"));
}

TEST_F(Gdb, ALostAcknowledgementIsMadeUpForByTheNextPacket)
{
    EXPECT_EQ(raw(packet("qC") + packet("qC") + "+"), "+" + packet("QC1") + "+" + packet("QC1"));
}

TEST_F(Gdb, APacketThatIsCutOffIsDroppedInTime)
{
    line.say("$m1000,");
    line.arriving.push_back(Line::silence);
    EXPECT_EQ(raw(packet("qC") + "+"), "-+" + packet("QC1"));
    EXPECT_EQ(raw("$m1000,4" + packet("qC") + "+"), "+" + packet("QC1"));
}

TEST_F(Gdb, GarbageIsPassedOver)
{
    EXPECT_EQ(raw("\x03\xff+-\n#00 hello" + packet("qC") + "+"), "+" + packet("QC1"));
}

TEST_F(Gdb, APacketThatIsTooLongIsRefusedWhole)
{
    std::string longest(Stub::packet_bytes, 'q');
    EXPECT_EQ(ask(longest), "");
    EXPECT_EQ(ask(longest + "q"), "E22");
    EXPECT_THAT(ask("qSupported:swbreak+"), HasSubstr("PacketSize=800;"));
}

TEST_F(Gdb, ABabblingLineIsNoReasonToLeave)
{
    line.say("$");
    line.say(std::string(200'000, 'x'));
    EXPECT_THAT(raw(packet("qC") + "+"), StartsWith("-+"));
}

TEST_F(Gdb, AGdbThatConnectsAnewGetsAcknowledgements)
{
    EXPECT_EQ(ask("qC"), "QC1");
    EXPECT_THAT(raw("+" + packet("qSupported:xmlRegisters=i386") + "+"), StartsWith("+$Packet"));
}

TEST_F(Gdb, WhatIsNotKnownGetsAnEmptyReply)
{
    for (auto body :
         {"", "vMustReplyEmpty", "qTStatus", "vCont", "vCont;", "vCont;:s;c", "R00", "!",
          "Z9,1000,1", "b", "qXfer:memory-map:read::0,100", "vFile:open:00,0,0", "bc", "\x80"})
        EXPECT_EQ(ask(body), "") << body;
    EXPECT_EQ(resume, Resume::closed);
}

// ---- registers

TEST_F(Gdb, RegistersAreReadAndWrittenInGdbsOrder)
{
    registers.core[Registers::eax] = 0x11223344;
    registers.core[Registers::gs] = 0x10;
    registers.fpu[0] = 0x7f, registers.fpu[1] = 0x03;    // control
    registers.fpu[18] = 0x55, registers.fpu[19] = 0x01;  // opcode
    registers.fpu[28 + 70] = 0xab;                       // st7
    std::string all = ask("g");
    ASSERT_EQ(all.size(), 2u * (16 * 4 + 8 * 10 + 8 * 4));
    EXPECT_EQ(all.substr(0, 8), "44332211");
    EXPECT_EQ(all.substr(15 * 8, 8), "10000000");
    EXPECT_EQ(all.substr(128 + 7 * 20, 2), "ab");
    EXPECT_EQ(all.substr(128 + 160, 8), "7f030000");
    EXPECT_EQ(all.substr(128 + 160 + 7 * 8), "55010000");

    all.replace(0, 8, "efbeadde");
    EXPECT_EQ(ask("G" + all), "OK");
    EXPECT_EQ(registers.core[Registers::eax], 0xdeadbeef);
    EXPECT_EQ(registers.core[Registers::gs], 0x10u);
    EXPECT_EQ(ask("g"), all);
    EXPECT_EQ(ask("Gabc"), "E22");
}

TEST_F(Gdb, OneRegisterIsReadAndWritten)
{
    EXPECT_EQ(ask("P8=78563412"), "OK");
    EXPECT_EQ(registers.core[Registers::eip], 0x12345678u);
    EXPECT_EQ(ask("p8"), "78563412");
    EXPECT_EQ(ask("P17=0102030405060708090a"), "OK");
    EXPECT_EQ(registers.fpu[28 + 79], 0x0a);
    EXPECT_EQ(ask("p17"), "0102030405060708090a");
    for (auto body : {"p20", "P20=00000000", "P8=", "P8", "P8=12", "p", "pffffffff"})
        EXPECT_EQ(ask(body), "E22") << body;
}

TEST_F(Gdb, TheDescriptionComesInPieces)
{
    std::string all;
    for (size_t at = 0;; at += 100) {
        Text<64> question;
        std::string part = ask(question.print("qXfer:features:read:target.xml:{x},64", at).view());
        all += part.substr(1);
        if (part[0] == 'l') break;
        ASSERT_EQ(part.size(), 101u);
    }
    EXPECT_THAT(all, StartsWith("<?xml"));
    EXPECT_THAT(all, testing::EndsWith("</target>"));
    EXPECT_THAT(all, HasSubstr("org.gnu.gdb.i386.core"));
    EXPECT_THAT(all, testing::Not(testing::AnyOf(HasSubstr("#"), HasSubstr("$"), HasSubstr("}"))));
    EXPECT_EQ(ask("qXfer:features:read:target.xml:ffffffff,10"), "l");
    EXPECT_EQ(ask("qXfer:features:read:other.xml:0,10"), "E00");
    EXPECT_EQ(ask("qXfer:features:read:target.xml:0"), "E00");
}

// ---- memory

TEST_F(Gdb, MemoryIsReadAsFarAsThereIsSome)
{
    target.memory[0] = 0x12, target.memory[0xfff] = 0x34;
    EXPECT_EQ(ask("m1000,2"), "1200");
    EXPECT_EQ(ask("m1fff,10"), "34");
    EXPECT_EQ(ask("m2000,1"), "E14");
    EXPECT_EQ(ask("mffffffff,ffffffff"), "E14");
    EXPECT_EQ(ask("m1000,0"), "");
    EXPECT_EQ(ask("m1000,ffffffff").size(), Stub::packet_bytes);
    for (auto body : {"m", "m1000", "m1000,", "mx,1", "m123456789,1"})
        EXPECT_EQ(ask(body), "E22") << body;
}

TEST_F(Gdb, MemoryIsWrittenAsOneOrNotAtAll)
{
    EXPECT_EQ(ask("M1000,4:01020304"), "OK");
    EXPECT_THAT(target.widths, ElementsAre(4));
    EXPECT_EQ(ask("m1000,4"), "01020304");
    EXPECT_EQ(ask("M1eff,2:ffff"), "E14");
    EXPECT_EQ(target.memory[0xeff], 0);
    for (auto body : {"M1000,4:0102", "M1000,4", "M1000,ffffffff:00", "M1000,1:zz"})
        EXPECT_EQ(ask(body), "E22") << body;
}

TEST_F(Gdb, BinaryDataMayHaveTheProtocolsOwnCharacters)
{
    EXPECT_EQ(ask(std::string("X1000,5:}\x03}\x04}\x5d", 14) + std::string("\0\xff", 2)), "OK");
    EXPECT_EQ(ask("m1000,5"), "23247d00ff");
    EXPECT_EQ(ask("X1000,0:"), "OK");
    EXPECT_EQ(ask("X2000,1:a"), "E14");
    EXPECT_EQ(ask("X1000,2:a"), "E22");
    EXPECT_EQ(ask("X1000,1:}"), "E22");
}

// ---- breakpoints and watchpoints

TEST_F(Gdb, ASoftwareBreakpointIsThereOnlyWhileTheMachineRuns)
{
    target.memory[0] = 0x90;
    EXPECT_EQ(ask("Z0,1000,1"), "OK");
    EXPECT_EQ(ask("Z0,1000,1"), "OK");
    EXPECT_EQ(ask("m1000,1"), "90");
    stub.patches.write_all(target);
    EXPECT_EQ(target.memory[0], 0xcc);
    stub.patches.lift_all(target);
    EXPECT_EQ(target.memory[0], 0x90);
    EXPECT_EQ(ask("z0,1000,1"), "OK");
    stub.patches.write_all(target);
    EXPECT_EQ(target.memory[0], 0x90);
}

TEST_F(Gdb, ABreakpointThatWasOverwrittenIsNotLifted)
{
    EXPECT_EQ(ask("Z0,1000,1"), "OK");
    stub.patches.write_all(target);
    target.memory[0] = 0x55;  // a new payload was loaded
    stub.patches.lift_all(target);
    EXPECT_EQ(target.memory[0], 0x55);
    stub.patches.write_all(target);
    stub.patches.lift_all(target);
    EXPECT_EQ(target.memory[0], 0x55);
}

TEST_F(Gdb, ABreakpointNeedsMemoryThatCanBeWritten)
{
    EXPECT_EQ(ask("Z0,2000,1"), "E14");
    EXPECT_EQ(ask("Z0,1f00,1"), "E14");
    for (uint32_t i = 0; i < 64; ++i) {
        Text<32> body;
        EXPECT_EQ(ask(body.print("Z0,{x},1", 0x1000 + i).view()), "OK");
    }
    EXPECT_EQ(ask("Z0,1100,1"), "E28");
    EXPECT_EQ(ask("Z0"), "E22");
}

TEST_F(Gdb, WatchpointsAreCutIntoAlignedParts)
{
    EXPECT_EQ(ask("Z2,1003,7"), "OK");
    EXPECT_THAT(target.watched, ElementsAre(std::tuple(Point::write, 0x1003, 1u),
                                            std::tuple(Point::write, 0x1004, 4u),
                                            std::tuple(Point::write, 0x1008, 2u)));
    EXPECT_EQ(ask("Z4,1000,8"), "E28");
    EXPECT_EQ(target.watched.size(), 3u);
    EXPECT_EQ(ask("Z1,1234,4"), "OK");
    EXPECT_TRUE(target.watched.contains({Point::execute, 0x1234, 1}));
    EXPECT_EQ(ask("z1,1234,4"), "OK");
    EXPECT_EQ(ask("z2,1003,7"), "OK");
    EXPECT_THAT(target.watched, IsEmpty());
    EXPECT_EQ(ask("Z2,1000,ffffffff"), "E28");
    EXPECT_EQ(ask("Z3,1000,0"), "E22");
    EXPECT_EQ(ask("Z3,fffffffe,4"), "OK");  // around the end of memory: a byte is a byte
}

// ---- stops

TEST_F(Gdb, GdbHearsOfAStopThatItWaitsFor)
{
    ask("qC");
    EXPECT_EQ(ask("c"), "(none)");
    EXPECT_EQ(resume, Resume::go);
    stop = {Signal::trap, true, Point::write, 0x1234};
    registers.core[Registers::eip] = 0xc0430010;
    EXPECT_EQ(raw(""), packet("T05thread:1;watch:1234;08:100043c0;04:00000000;05:00000000;"));
    EXPECT_EQ(raw(""), "");  // once
    EXPECT_EQ(ask("?"), "T05thread:1;watch:1234;08:100043c0;04:00000000;05:00000000;");
    stop = {Signal::trap, true, Point::software, 0};
    EXPECT_THAT(ask("?"), StartsWith("T05thread:1;swbreak:;08:"));
    stop = {Signal::interrupt};
    EXPECT_THAT(ask("?"), StartsWith("T02thread:1;08:"));
}

TEST_F(Gdb, TheMachineGoesOnAsGdbSays)
{
    EXPECT_EQ(ask("vCont?"), "vCont;c;C;s;S");
    for (auto [body, how] : {std::pair("c", Resume::go),
                             {"s", Resume::step},
                             {"vCont;s:1;c", Resume::step},
                             {"vCont;c:1", Resume::go},
                             {"vCont;C0b;c", Resume::go},
                             {"S05", Resume::step},
                             {"C02", Resume::go}}) {
        registers.core[Registers::eip] = 7;
        ask(body);
        EXPECT_EQ(resume, how) << body;
        EXPECT_EQ(registers.core[Registers::eip], 7u) << body;
    }
    ask("c1234");
    EXPECT_EQ(registers.core[Registers::eip], 0x1234u);
    ask("C05;5678");
    EXPECT_EQ(registers.core[Registers::eip], 0x5678u);
    raw("");
    EXPECT_EQ(ask("C"), "E22");
}

TEST_F(Gdb, AFaultIsTriedAgainOrPassedOn)
{
    stop = {Signal::segment};
    ask("c");
    EXPECT_EQ(resume, Resume::go);
    ask("vCont;C0b:1");
    EXPECT_EQ(resume, Resume::pass_on);
    line.sent.clear();
    stub.ended(Signal::segment);
    EXPECT_EQ(line.sent, packet("X0b"));
    EXPECT_FALSE(stub.attached());
    stub.ended(Signal::segment);
    EXPECT_EQ(line.sent, packet("X0b"));
}

TEST_F(Gdb, GdbHearsThatThePayloadHasReturned)
{
    ask("Z0,1000,1");
    ask("c");
    line.sent.clear();
    stub.returned(7);
    EXPECT_EQ(line.sent, packet("W07"));
    EXPECT_FALSE(stub.patches.at(0x1000));
}

TEST_F(Gdb, GdbLeaves)
{
    EXPECT_EQ(ask("Z0,1000,1"), "OK");
    EXPECT_TRUE(stub.attached());
    EXPECT_EQ(ask("D"), "OK");
    EXPECT_EQ(resume, Resume::detached);
    EXPECT_FALSE(stub.attached());
    EXPECT_FALSE(stub.patches.at(0x1000));
    EXPECT_EQ(raw(packet("k")), "+");
    EXPECT_EQ(resume, Resume::killed);
    EXPECT_EQ(raw(packet("vKill;1") + "+"), "+" + packet("OK"));
    EXPECT_EQ(resume, Resume::killed);
}

TEST_F(Gdb, MonitorCommandsAreAnswered)
{
    EXPECT_EQ(ask("qRcmd,72656473"),
              "726564732069732077686174206974206973"
              "0a");
    EXPECT_EQ(target.commanded, "reds");
    EXPECT_EQ(ask("qRcmd,7175696574"), "OK");
}

}  // namespace
