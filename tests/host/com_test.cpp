// SPDX-License-Identifier: BSD-2-Clause
#include <gmock/gmock.h>
#include <algorithm>
#include <deque>
#include "fakes/machine.h"
#include "vesper.h"

extern const Driver com;
extern const Driver e9;

namespace {

using testing::Contains, testing::EndsWith;

struct FakeUart : FakeDevice {  // PC16550D as far as the driver can tell
    bool present = true, stuck = false, fifos = true, always_receiving = false;
    std::deque<uint8_t> from_line;
    std::string to_line;
    uint8_t line_control = 0, scratch = 0, fifo_control = 0, interrupts = 0, errors = 0;
    unsigned status_reads = 0, in_fifo = 0, lost = 0;

    uint32_t read(unsigned offset, unsigned bytes) override
    {
        EXPECT_EQ(bytes, 1u);
        if (!present) return 0xff;
        switch (offset) {
        case 0: return receive();
        case 1: return interrupts;
        case 2: return fifos && (fifo_control & 1) ? 0xc1 : 0x01;
        case 5:
            ++status_reads;
            if (!stuck) in_fifo = 0;
            return (stuck ? 0 : 0x60) | (!from_line.empty() || always_receiving) | errors;
        case 7: return scratch;
        default: return 0;
        }
    }
    void write(unsigned offset, unsigned, uint32_t value) override
    {
        if (offset == 1 && !(line_control & 0x80)) interrupts = uint8_t(value);
        if (offset == 2) fifo_control = uint8_t(value);
        if (offset == 3) line_control = uint8_t(value);
        if (offset == 7) scratch = uint8_t(value);
        if (offset != 0 || line_control & 0x80) return;
        if (++in_fifo > (fifos ? 16u : 1u))
            ++lost;
        else
            to_line.push_back(char(value));
    }
    uint8_t receive()
    {
        if (from_line.empty()) return 'g';
        uint8_t byte = from_line.front();
        from_line.pop_front();
        return byte;
    }
    void arrive(std::string_view text)
    {
        from_line.insert(from_line.end(), text.begin(), text.end());
    }
};

struct Com : testing::Test {
    FakeMachine machine;
    FakeUart chip;
    TextOutput* output = nullptr;
    void attach()
    {
        machine.ports(0x3f8, 8, chip);
        ASSERT_TRUE(machine.attach(com));
        output = first_text_output();
        ASSERT_TRUE(output && first_input_device());
        EXPECT_EQ(output->name.view(), "com0");
        EXPECT_EQ(first_input_device()->name.view(), "com0");
    }
    // The keys that a text gives, all of it at once and then nothing for a while.
    std::vector<int> keys(std::string_view text)
    {
        machine.keys.clear();
        chip.arrive(text);
        first_input_device()->poll();
        machine.now_us += 60'000;
        first_input_device()->poll();
        return machine.keys;
    }
};
using Keys = std::vector<int>;

TEST_F(Com, SendsWhatItIsGiven)
{
    attach();
    output->write("one\ntwo\n\nend");
    EXPECT_EQ(chip.to_line, "one\r\ntwo\r\n\r\nend");
    EXPECT_EQ(chip.line_control, 3);
    EXPECT_EQ(chip.fifo_control, 0x87);
}

TEST_F(Com, IsALineOfBytesForWhoeverTakesIt)
{
    attach();
    SerialPort* port = first_serial_port();
    ASSERT_TRUE(port);
    EXPECT_EQ(port->name.view(), "com0");
    EXPECT_EQ(port->receive(), -1);
    chip.arrive("\n\x80");
    EXPECT_EQ(port->receive(), '\n');
    EXPECT_EQ(port->receive(), 0x80);
    EXPECT_EQ(port->receive(), -1);
    EXPECT_TRUE(port->transmit("a\nb"));
    EXPECT_EQ(chip.to_line, "a\nb");
    chip.stuck = true;
    EXPECT_EQ(port->transmit(std::string(20, 'x')).error(), Error::timed_out);
}

TEST_F(Com, AnInterruptIsForWhoeverTakesTheLine)
{
    attach();
    std::string arrived;
    first_serial_port()->on_arrival(
        [](void* to) {
            int c = first_serial_port()->receive();
            static_cast<std::string*>(to)->push_back(char(c));
        },
        &arrived);
    chip.arrive("$");
    machine.interrupt(4);
    EXPECT_EQ(arrived, "$");
    EXPECT_TRUE(machine.keys.empty());
}

TEST_F(Com, AsksForTheStatusOnceForAFifo)
{
    attach();
    chip.status_reads = 0;
    for (int i = 0; i < 16; ++i) output->write("0123456789");
    EXPECT_EQ(chip.to_line.size(), 160u);
    EXPECT_EQ(chip.status_reads, 10u);
    EXPECT_EQ(chip.lost, 0u);
}

TEST_F(Com, GivesAChipWithoutFifosOneByteAtATime)
{
    chip.fifos = false;
    attach();
    output->write("abc");
    EXPECT_EQ(chip.to_line, "abc");
    EXPECT_EQ(chip.lost, 0u);
    EXPECT_EQ(chip.fifo_control, 0);
    EXPECT_TRUE(machine.logged("16450"));
}

TEST_F(Com, PaysForAStuckTransmitterOnce)
{
    attach();
    chip.stuck = true;
    output->write(std::string(100, 'x'));
    uint64_t once = machine.now_us;
    EXPECT_LE(once, 251'000u);
    for (int i = 0; i < 100; ++i) output->write("y");
    EXPECT_EQ(machine.now_us, once);
    EXPECT_TRUE(machine.logged("com0: the transmitter is stuck"));
    chip.stuck = false;
    chip.to_line.clear();
    output->write("alive");
    EXPECT_EQ(chip.to_line, "alive");
}

TEST_F(Com, IsNotFoundWhereNothingAnswers)
{
    chip.present = false;
    machine.ports(0x3f8, 8, chip);
    EXPECT_FALSE(machine.attach(com));
    EXPECT_EQ(machine.now_us, 0u);
    EXPECT_TRUE(machine.log.empty());
}

TEST_F(Com, IsNotFoundWhereTheBusOnlyRemembers)
{
    struct : FakeDevice {
        uint32_t last = 0;
        uint32_t read(unsigned, unsigned) override { return last; }
        void write(unsigned, unsigned, uint32_t value) override { last = value; }
    } bus;
    machine.ports(0x3f8, 8, bus);
    EXPECT_FALSE(machine.attach(com));
}

TEST_F(Com, SurvivesAChipThatGoesAway)
{
    attach();
    chip.present = false;
    output->write("nobody hears this, and it takes no time\n");
    EXPECT_EQ(keys("abc"), Keys{});
    EXPECT_LT(machine.now_us, 100'000u);
}

TEST_F(Com, DoesNotHangOnAChipThatAlwaysReceives)
{
    attach();
    chip.always_receiving = true;
    machine.interrupt(4);
    EXPECT_EQ(machine.keys.size(), 64u);
}

TEST_F(Com, DropsBytesWithLineErrors)
{
    attach();
    chip.errors = 0x18;  // framing error and break
    EXPECT_EQ(keys("xx"), Keys{});
    chip.errors = 0;
    EXPECT_EQ(keys("y"), Keys{'y'});
}

TEST_F(Com, TellsABreakOfTheLine)
{
    attach();
    chip.errors = 0x08;  // a framing error
    EXPECT_EQ(keys("x"), Keys{});
    EXPECT_EQ(machine.breaks, 0);
    chip.errors = 0x18;
    chip.from_line.push_back(0);
    machine.interrupt(4);
    EXPECT_EQ(machine.breaks, 1);
    EXPECT_EQ(machine.keys, Keys{});
}

TEST_F(Com, TakesKeysByInterrupt)
{
    attach();
    EXPECT_EQ(chip.interrupts, 5);  // also for a break
    for (int i = 0; i < 100; ++i) chip.from_line.push_back(uint8_t('0' + i % 10));
    machine.interrupt(4);
    machine.interrupt(4);
    ASSERT_EQ(machine.keys.size(), 100u);
    for (int i = 0; i < 100; ++i) EXPECT_EQ(machine.keys[size_t(i)], '0' + i % 10);
}

TEST_F(Com, WorksOnPci)
{
    auto& config = machine.pci(0, 3, 0);
    config[0] = 0x36, config[1] = 0x1b, config[2] = 2;
    config[0x09] = 2, config[0x0a] = 0, config[0x0b] = 7;
    config[0x10] = 0x01, config[0x11] = 0xc0;
    config[0x3c] = 11;
    machine.ports(0xc000, 8, chip);
    ASSERT_TRUE(machine.attach(com));
    chip.arrive("k");
    machine.interrupt(11);
    EXPECT_EQ(machine.keys, Keys{'k'});
}

TEST_F(Com, TranslatesControlCharacters)
{
    attach();
    EXPECT_EQ(keys("a\r\n\x7f\b\t\x03"), (Keys{'a', 13, 13, 8, 8, 9, 3}));
    EXPECT_EQ(keys(std::string_view("\0", 1)), Keys{});
}

TEST_F(Com, TranslatesEscapeSequences)
{
    attach();
    EXPECT_EQ(keys("\033[A\033[B\033OC\033OD"),
              (Keys{VESPER_KEY_UP, VESPER_KEY_DOWN, VESPER_KEY_RIGHT, VESPER_KEY_LEFT}));
    EXPECT_EQ(
        keys("\033[H\033[F\033[1~\033[4~\033OH"),
        (Keys{VESPER_KEY_HOME, VESPER_KEY_END, VESPER_KEY_HOME, VESPER_KEY_END, VESPER_KEY_HOME}));
    EXPECT_EQ(
        keys("\033[2~\033[3~\033[5~\033[6~"),
        (Keys{VESPER_KEY_INSERT, VESPER_KEY_DELETE, VESPER_KEY_PAGE_UP, VESPER_KEY_PAGE_DOWN}));
    EXPECT_EQ(keys("\033OP\033[15~\033[21~\033[24~\033[[A\033[[E"),
              (Keys{VESPER_KEY_F1, VESPER_KEY_F1 + 4, VESPER_KEY_F1 + 9, VESPER_KEY_F12,
                    VESPER_KEY_F1, VESPER_KEY_F1 + 4}));
    EXPECT_EQ(keys("\033[1;5A\033[3;2~\033[1;3Q\033[1;8D"),
              (Keys{VESPER_KEY_UP | VESPER_KEY_CONTROL, VESPER_KEY_DELETE | VESPER_KEY_SHIFT,
                    (VESPER_KEY_F1 + 1) | VESPER_KEY_ALT,
                    VESPER_KEY_LEFT | VESPER_KEY_SHIFT | VESPER_KEY_ALT | VESPER_KEY_CONTROL}));
    EXPECT_EQ(keys("\033OM\033Ok\033[Z"), (Keys{13, '+', '\t'}));
}

TEST_F(Com, TellsAltAndEscapeByTheTimeBetween)
{
    attach();
    EXPECT_EQ(keys("\033x"), Keys{'x' | VESPER_KEY_ALT});
    EXPECT_EQ(keys("\033\r"), Keys{13 | VESPER_KEY_ALT});
    EXPECT_EQ(keys("\033"), Keys{27});
    EXPECT_EQ(keys("\033\033[A"), Keys{VESPER_KEY_UP | VESPER_KEY_ALT});
    // Escape, and much later a letter, while nobody polls.
    machine.keys.clear();
    chip.arrive("\033");
    machine.interrupt(4);
    EXPECT_EQ(machine.keys, Keys{});
    machine.now_us += 500'000;
    chip.arrive("x");
    machine.interrupt(4);
    EXPECT_EQ(machine.keys, (Keys{27, 'x'}));
}

TEST_F(Com, SurvivesCutAndStrangeSequences)
{
    attach();
    EXPECT_EQ(keys("\033["), Keys{'[' | VESPER_KEY_ALT});
    EXPECT_EQ(keys("\033O"), Keys{'O' | VESPER_KEY_ALT});
    EXPECT_EQ(keys("\033[1;"), Keys{});
    EXPECT_EQ(keys("x"), Keys{'x'});
    EXPECT_EQ(keys("\033[\033[A"), (Keys{'[' | VESPER_KEY_ALT, VESPER_KEY_UP}));
    EXPECT_EQ(keys("\033[24;80R\033[?1;2c\033[1;2;3A\033[99999999999999~\033[12"), Keys{});
    EXPECT_EQ(keys("\033[1\rz"), (Keys{13, 'z'}));
    for (int i = 0; i < 256; ++i) keys(std::string("\033[") + char(i));
    EXPECT_EQ(keys("x"), Keys{'x'});
}

TEST_F(Com, ShowsCellsByEscapeSequences)
{
    attach();
    output->put_cell(9, 4, 'X', 0x1e);
    EXPECT_EQ(chip.to_line, "\0337\033[5;10H\033[0;93;44mX\0338");
    chip.to_line.clear();
    output->put_cell(0, 0, char(0xc4), 0x07);
    EXPECT_EQ(chip.to_line, "\0337\033[1;1H\033[0m-\0338");
    chip.to_line.clear();
    output->move_cursor(79, 23);
    output->set_attribute(0x4f);
    output->clear();
    output->scroll(3);
    output->scroll(-2);
    output->scroll(0);
    EXPECT_EQ(chip.to_line, "\033[24;80H\033[0;97;41m\033[2J\033[H\033[3S\033[2T");
}

TEST_F(Com, ShowsRowsRegionsAndTheCursorByEscapeSequences)
{
    attach();
    const uint16_t cells[] = {0x0700 | 'a', 0x0700 | 'b', 0x1e00 | 'c'};
    output->put_cells(0, 1, cells);
    EXPECT_EQ(chip.to_line, "\0337\033[2;1H\033[0mab\033[0;93;44mc\0338");
    chip.to_line.clear();
    output->put_cells(78, 0, cells);  // what is beyond the row's end is left out
    output->put_cells(0, 24, cells);
    EXPECT_EQ(chip.to_line, "\0337\033[1;79H\033[0mab\0338");
    chip.to_line.clear();
    output->show_cursor(false);
    output->show_cursor(true);
    output->set_scroll_region(2, 10);
    output->set_scroll_region(0, 24);
    EXPECT_EQ(chip.to_line, "\033[?25l\033[?25h\0337\033[3;10r\0338\0337\033[r\0338");
}

TEST_F(Com, KnowsWhereTheTerminalsCursorIs)
{
    attach();
    auto at = [&](unsigned column, unsigned row) {
        EXPECT_EQ(output->cursor().column, column);
        EXPECT_EQ(output->cursor().row, row);
    };
    output->write("ab\n\tc\b");
    at(8, 1);
    output->write(std::string(80, 'x'));
    at(8, 2);
    output->write("\r" + std::string(80, 'x'));
    at(80, 2);  // it wraps when the next character comes
    output->write("y");
    at(1, 3);
    output->put_cell(70, 20, 'X', 7);
    at(1, 3);
    output->move_cursor(3, 23);
    output->write("\n\n");
    at(0, 23);
    output->set_scroll_region(0, 10);
    output->move_cursor(3, 9);
    output->write("\n\n");
    at(0, 9);
    output->clear();
    at(0, 0);
}

TEST_F(Com, TracesInTheDataSheetsWords)
{
    hal::start_trace("com0");
    machine.ports(0x3f8, 8, chip);
    ASSERT_TRUE(machine.attach(com));
    hal::show_trace();
    auto line = [&](size_t i) { return machine.trace.at(i).substr(22); };
    EXPECT_EQ(line(0), "start                 write  InterruptEnable = 0x00");
    EXPECT_EQ(line(1), "start                 write  Scratch = 0x55");
    EXPECT_THAT(machine.trace,
                Contains(EndsWith("write  LineControl = 0x03: WordLength: eight bits")));
    EXPECT_THAT(machine.trace,
                Contains(EndsWith("write  InterruptEnable = 0x05: LineStatus Received")));
    EXPECT_THAT(machine.trace, Contains(EndsWith("0xc1: Fifos: working +0x1")));
}

// ---- port E9h

struct FakeE9 : FakeDevice {
    uint8_t answer = 0xe9;
    std::string text;
    uint32_t read(unsigned, unsigned) override { return answer; }
    void write(unsigned, unsigned, uint32_t value) override { text.push_back(char(value)); }
};

TEST(E9, WritesWhereAnEmulatorListens)
{
    FakeMachine machine;
    FakeE9 port;
    machine.ports(0xe9, 1, port);
    ASSERT_TRUE(machine.attach(e9));
    first_text_output()->write("one\ntwo");
    EXPECT_EQ(port.text, "one\ntwo");
    EXPECT_EQ(first_text_output()->columns, 0u);
}

TEST(E9, IsNotFoundOnARealMachine)
{
    FakeMachine machine;
    FakeE9 port;
    port.answer = 0xff;
    machine.ports(0xe9, 1, port);
    EXPECT_FALSE(machine.attach(e9));
    EXPECT_EQ(port.text, "");
}

}  // namespace
