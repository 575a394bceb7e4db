// SPDX-License-Identifier: BSD-2-Clause
#include "console/console.h"
#include <gtest/gtest.h>
#include "console/cell_screen.h"
#include "fakes/machine.h"
#include "vesper.h"

void reset_console();

namespace {

struct Recorder : TextOutput {
    std::string text;
    std::function<void()> on_write;
    void write(std::string_view part) override
    {
        text += part;
        if (on_write) on_write();
    }
};

struct Keyboard : KeyInput {
    std::vector<int> waiting;
    unsigned polls = 0;
    void poll() override
    {
        ++polls;
        for (int code : std::exchange(waiting, {})) console::take_key(*this, code);
    }
};

class Console : public testing::Test {
protected:
    Console() { reset_console(); }
    ~Console() { reset_console(); }
    FakeMachine machine;
    Recorder screen, line;
    Keyboard keyboard, terminal;
};

std::string log_text()
{
    auto [older, newer] = console::log_text();
    return std::string(older) + std::string(newer);
}

TEST_F(Console, WritesToAllOutputs)
{
    publish(screen, "vga");
    publish(line, "com");
    console::write("hello");
    console::put_char('!');
    EXPECT_EQ(screen.text, "hello!");
    EXPECT_EQ(line.text, "hello!");
}

TEST_F(Console, ShowsTheLogOnAScreenThatAppearsLater)
{
    publish(line, "com");
    console::log("first");
    publish(screen, "genfb");
    console::log("second");
    EXPECT_EQ(screen.text, "first\nsecond\n");
    EXPECT_EQ(line.text, "first\nsecond\n");
}

TEST_F(Console, KeepsTheNewestWholeLinesOfTheLog)
{
    std::string last;
    for (int i = 0; i < 3000; ++i) console::log(last = "line " + std::to_string(i));
    std::string text = log_text();
    EXPECT_LE(text.size(), 16384u);
    EXPECT_GT(text.size(), 16000u);
    EXPECT_EQ(text.substr(0, 5), "line ");
    EXPECT_TRUE(text.ends_with("\n" + last + "\n"));
    console::log(std::string(40000, 'x'));
    EXPECT_EQ(log_text().size(), 16384u);
}

TEST_F(Console, UsesOnlyWhatIsChosenAlsoIfItAppearsLater)
{
    publish(line, "com");
    console::choose("vga0,pckbd");
    console::write("1");  // nothing that is named is there yet
    publish(screen, "vga");
    publish(keyboard, "pckbd");
    publish(terminal, "com");
    console::write("2");
    EXPECT_EQ(line.text, "1");
    EXPECT_EQ(screen.text, "2");
    keyboard.waiting = {'k'};
    terminal.waiting = {'t'};
    EXPECT_EQ(console::poll_key(), 'k');
    EXPECT_EQ(console::poll_key(), -1);
    EXPECT_EQ(terminal.polls, 0u);
    console::choose("all");
    console::write("3");
    EXPECT_EQ(line.text, "13");
    EXPECT_EQ(console::poll_key(), 't');
}

TEST_F(Console, HearsNobodyElseAlsoBeforeTheFirstKeyIsAskedFor)
{
    console::choose("com0");
    publish(terminal, "com");
    publish(keyboard, "pckbd");
    console::take_key(keyboard, 'k');  // as its interrupt handler does
    console::take_key(terminal, 't');
    EXPECT_EQ(console::poll_key(), 't');
    EXPECT_EQ(console::poll_key(), -1);
}

TEST_F(Console, IgnoresAChoiceThatNamesNothing)
{
    publish(screen, "vga");
    publish(line, "com");
    console::choose("vga1,co,,x");
    console::write("seen");
    EXPECT_EQ(screen.text, "seen");
    EXPECT_EQ(line.text, "seen");
}

TEST_F(Console, KeepsTheKeysThatComeWhileNobodyReads)
{
    publish(screen, "vga");
    publish(keyboard, "pckbd");
    for (int i = 0; i < 260; ++i) console::take_key(keyboard, 1000 + i);
    EXPECT_EQ(console::poll_key(), 1000);
    for (int i = 1; i < 256; ++i) EXPECT_EQ(console::poll_key(), 1000 + i);
    EXPECT_EQ(console::poll_key(), -1);
    EXPECT_TRUE(machine.logged("4 keys were lost"));
    EXPECT_EQ(machine.log.size(), 1u);
}

TEST_F(Console, WaitsForAKey)
{
    publish(keyboard, "pckbd");
    machine.on_wait = [&] {
        if (machine.now_us > 5000) console::take_key(keyboard, 'x');
    };
    EXPECT_EQ(console::wait_key(), 'x');
    EXPECT_LT(machine.now_us, 5200u);
}

TEST_F(Console, FinishesACallBeforeItWritesWhatAnInterruptEmits)
{
    publish(screen, "vga");
    publish(line, "com");
    screen.on_write = [&, once = true]() mutable {
        if (std::exchange(once, false)) console::put_char('i');
    };
    console::write("text");
    EXPECT_EQ(screen.text, "texti");
    EXPECT_EQ(line.text, "texti");
    // A fault report does not wait for a call that will never end.
    screen.on_write = [&, once = true]() mutable {
        if (std::exchange(once, false)) console::write("fault");
    };
    console::write("-");
    EXPECT_EQ(screen.text, "texti-fault");
}

TEST_F(Console, ReportsTheLargestScreen)
{
    EXPECT_EQ(console::cells().columns, 80u);
    EXPECT_EQ(console::cells().rows, 24u);
    screen.columns = 160, screen.rows = 50;
    line.columns = 80, line.rows = 24;
    publish(line, "com");
    publish(screen, "genfb");
    EXPECT_EQ(console::cells().columns, 160u);
    EXPECT_EQ(console::cells().rows, 50u);
    EXPECT_TRUE(console::put_cell(159, 49, 'x', 7));
    EXPECT_EQ(console::put_cell(160, 0, 'x', 7).error(), Error::invalid);
    EXPECT_EQ(console::put_cell(0, 50, 'x', 7).error(), Error::invalid);
    EXPECT_TRUE(console::move_cursor(159, 49));
    EXPECT_EQ(console::move_cursor(0, 50).error(), Error::invalid);
}

// ---- the terminal that all screens are

struct Paper final : CellScreen {
    std::vector<std::string> drawn;
    unsigned cursor_column = 0, cursor_row = 0;
    unsigned cells_drawn = 0;
    uint8_t attribute_at_0 = 0;
    Paper(unsigned columns, unsigned rows)
    {
        EXPECT_TRUE(make_cells(columns, rows));
        drawn.assign(rows, std::string(columns, ' '));
    }
    void draw(unsigned column, unsigned row, std::span<const Cell> cells) override
    {
        for (Cell cell : cells) {
            if (column == 0 && row == 0) attribute_at_0 = uint8_t(cell >> 8);
            drawn.at(row).at(column++) = char(cell);
            ++cells_drawn;
        }
    }
    void draw_cursor(unsigned column, unsigned row) override
    {
        EXPECT_LT(column, columns);
        EXPECT_LT(row, rows);
        cursor_column = column, cursor_row = row;
    }
};

using Lines = std::vector<std::string>;

struct CellScreenTest : testing::Test {
    FakeMachine machine;
    Paper paper{4, 3};
};

TEST_F(CellScreenTest, WrapsOnlyWhenTheNextCharacterComes)
{
    paper.write("abcd");
    EXPECT_EQ(paper.drawn, (Lines{"abcd", "    ", "    "}));
    EXPECT_EQ(paper.cursor_row, 0u);
    EXPECT_EQ(paper.cursor_column, 3u);
    paper.write("\ne");  // no empty line in between
    EXPECT_EQ(paper.drawn, (Lines{"abcd", "e   ", "    "}));
    paper.write("\rabcdX");
    EXPECT_EQ(paper.drawn, (Lines{"abcd", "abcd", "X   "}));
}

TEST_F(CellScreenTest, ScrollsAtTheEnd)
{
    paper.write("1\n2\n3\n4\n5");
    EXPECT_EQ(paper.drawn, (Lines{"3   ", "4   ", "5   "}));
    EXPECT_LE(paper.cells_drawn, 12u);  // drawn once, not at each line
    paper.write("\n\n\n\n\n");
    EXPECT_EQ(paper.drawn, (Lines{"    ", "    ", "    "}));
}

TEST_F(CellScreenTest, RubsOutAlsoInTheLastColumn)
{
    paper.write("abcd\b \b");
    EXPECT_EQ(paper.drawn[0], "abc ");
    paper.write("\b\b\b\b\b\bX");
    EXPECT_EQ(paper.drawn[0], "Xbc ");
}

TEST_F(CellScreenTest, TabsAndIgnoresOtherControls)
{
    Paper wide(20, 2);
    wide.write("a\tb\a\x1b\x7f\tc\td");
    EXPECT_EQ(wide.drawn[0], "a       b       c  d");
}

TEST_F(CellScreenTest, PutsCellsAndKeepsTheCursor)
{
    paper.write("ab");
    paper.cells_drawn = 0;
    paper.put_cell(3, 2, 'Z', 0x1e);
    EXPECT_EQ(paper.cells_drawn, 1u);
    paper.put_cell(4, 0, 'Z', 7);
    paper.put_cell(0, 3, 'Z', 7);
    paper.write("c");
    EXPECT_EQ(paper.drawn, (Lines{"abc ", "    ", "   Z"}));
    paper.move_cursor(1, 1);
    paper.write("m");
    EXPECT_EQ(paper.drawn[1], " m  ");
}

TEST_F(CellScreenTest, ScrollsUpAndDownByAnyNumber)
{
    paper.write("1\n2\n3");
    paper.scroll(1);
    EXPECT_EQ(paper.drawn, (Lines{"2   ", "3   ", "    "}));
    paper.scroll(-2);
    EXPECT_EQ(paper.drawn, (Lines{"    ", "    ", "2   "}));
    EXPECT_EQ(paper.cursor_row, 2u);
    paper.scroll(INT32_MIN);
    paper.scroll(INT32_MAX);
    paper.scroll(0);
    EXPECT_EQ(paper.drawn, (Lines{"    ", "    ", "    "}));
}

TEST_F(CellScreenTest, ClearsWithTheAttribute)
{
    paper.write("1\n2\n3\n4");
    paper.set_attribute(0x1f);
    paper.clear();
    EXPECT_EQ(paper.drawn, (Lines{"    ", "    ", "    "}));
    EXPECT_EQ(paper.attribute_at_0, 0x1f);
    EXPECT_EQ(paper.cursor_column + paper.cursor_row, 0u);
}

}  // namespace
