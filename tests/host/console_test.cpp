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

TEST_F(Console, LeavesALineAloneThatIsSomebodyElses)
{
    console::leave_alone("com1");
    publish(screen, "vga");
    publish(line, "com");
    publish(keyboard, "com");
    publish(terminal, "com");
    console::write("1");
    EXPECT_EQ(line.text, "1");
    terminal.waiting = {'t'};
    keyboard.waiting = {'k'};
    EXPECT_EQ(console::poll_key(), 'k');
    EXPECT_EQ(console::poll_key(), -1);
    console::choose("com1");  // as if it were not there: all others are used
    console::write("2");
    EXPECT_EQ(screen.text, "12");
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

TEST_F(Console, CountsTheChangesOfSize)
{
    unsigned before = console::size_changes();
    EXPECT_EQ(console::size_changes(), before);
    line.columns = 80, line.rows = 24;
    publish(line, "com");
    EXPECT_EQ(console::size_changes(), before);
    screen.columns = 160, screen.rows = 50;
    publish(screen, "genfb");
    EXPECT_EQ(console::size_changes(), before + 1);
    EXPECT_EQ(console::size_changes(), before + 1);
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
        EXPECT_LE(row, rows);  // hidden
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

TEST_F(CellScreenTest, PutsManyCellsAtOnce)
{
    const uint16_t cells[] = {0x1e00 | 'a', 0x0700 | 'b', 0x0700 | 'c'};
    paper.write("123");
    paper.cells_drawn = 0;
    paper.put_cells(0, 0, {cells, 2});
    EXPECT_EQ(paper.cells_drawn, 2u);
    EXPECT_EQ(paper.attribute_at_0, 0x1e);
    paper.put_cells(2, 1, cells);  // what is beyond the row's end is left out
    paper.put_cells(4, 1, cells);
    paper.put_cells(0, 3, cells);
    EXPECT_EQ(paper.drawn, (Lines{"ab3 ", "  ab", "    "}));
    EXPECT_EQ(paper.cursor().column, 3u);
    EXPECT_EQ(paper.cursor().row, 0u);
}

TEST_F(CellScreenTest, HidesTheCursor)
{
    paper.write("ab");
    paper.show_cursor(false);
    EXPECT_EQ(paper.cursor_row, 3u);
    paper.write("c");
    EXPECT_EQ(paper.cursor_row, 3u);
    EXPECT_EQ(paper.cursor().column, 3u);
    paper.show_cursor(true);
    EXPECT_EQ(paper.cursor_row, 0u);
    EXPECT_EQ(paper.cursor_column, 3u);
}

TEST_F(CellScreenTest, ScrollsOnlyItsRegion)
{
    Paper high(4, 6);
    high.write("0\n1\n2\n3\n4\n5");
    high.set_scroll_region(1, 5);  // rows 1 ... 4
    high.move_cursor(0, 4);
    high.cells_drawn = 0;
    high.write("A\nB");
    EXPECT_EQ(high.drawn, (Lines{"0   ", "2   ", "3   ", "A   ", "B   ", "5   "}));
    EXPECT_LE(high.cells_drawn, 16u);
    high.scroll(-2);
    EXPECT_EQ(high.drawn, (Lines{"0   ", "    ", "    ", "2   ", "3   ", "5   "}));
    high.scroll(1);
    EXPECT_EQ(high.drawn, (Lines{"0   ", "    ", "2   ", "3   ", "    ", "5   "}));
    high.move_cursor(0, 5);  // below the region nothing scrolls
    high.write("x\ny");
    EXPECT_EQ(high.drawn[5], "y   ");
    EXPECT_EQ(high.drawn[2], "2   ");
    high.scroll(INT32_MAX);
    high.scroll(INT32_MIN);
    EXPECT_EQ(high.drawn, (Lines{"0   ", "    ", "    ", "    ", "    ", "y   "}));
    for (auto [top, bottom] : {std::pair{2u, 7u}, {3u, 3u}, {4u, 5u}, {~0u, 3u}})
        high.set_scroll_region(top, bottom);  // none: it stays as it is
    high.scroll(1);
    EXPECT_EQ(high.drawn[0], "0   ");
    high.set_scroll_region(0, 6);
    high.scroll(1);
    EXPECT_EQ(high.drawn[4], "y   ");
}

TEST_F(CellScreenTest, ScrollsItsRegionAlsoAfterAllHasScrolled)
{
    Paper high(4, 4);
    high.write("0\n1\n2\n3\n4\n5\n6");
    EXPECT_EQ(high.drawn, (Lines{"3   ", "4   ", "5   ", "6   "}));
    high.set_scroll_region(0, 2);
    high.scroll(1);
    EXPECT_EQ(high.drawn, (Lines{"4   ", "    ", "5   ", "6   "}));
    high.set_scroll_region(2, 4);
    high.scroll(-1);
    EXPECT_EQ(high.drawn, (Lines{"4   ", "    ", "    ", "5   "}));
}

struct TwoScreens : Console {
    Paper large{8, 6}, small{4, 3};
    TwoScreens()
    {
        publish(large, "genfb");
        publish(small, "vga");
    }
};

TEST_F(TwoScreens, FillARectangleAndShowWhatFits)
{
    EXPECT_TRUE(console::fill(1, 1, 6, 3, '#', 0x07));
    EXPECT_EQ(large.drawn,
              (Lines{"        ", " ###### ", " ###### ", " ###### ", "        ", "        "}));
    EXPECT_EQ(small.drawn, (Lines{"    ", " ###", " ###"}));
    const uint16_t cells[] = {0x0700 | 'a', 0x0700 | 'b', 0x0700 | 'c'};
    EXPECT_TRUE(console::put_cells(5, 5, cells));
    EXPECT_EQ(large.drawn[5], "     abc");
    EXPECT_TRUE(console::put_cells(3, 0, cells));
    EXPECT_EQ(small.drawn[0], "   a");
    EXPECT_EQ(console::put_cells(6, 5, cells).error(), Error::invalid);
    EXPECT_EQ(console::put_cells(0, 6, cells).error(), Error::invalid);
    EXPECT_EQ(console::fill(1, 1, 8, 1, '#', 7).error(), Error::invalid);
    EXPECT_EQ(console::fill(1, 1, 1, 6, '#', 7).error(), Error::invalid);
    EXPECT_EQ(console::fill(1, 1, ~0u, 1, '#', 7).error(), Error::invalid);
    EXPECT_EQ(console::fill(1, 1, 1, ~0u, '#', 7).error(), Error::invalid);
    EXPECT_TRUE(console::fill(0, 0, 0, 0, '#', 7));
}

TEST_F(TwoScreens, ScrollARegion)
{
    console::write("0\n1\n2\n3\n4\n5");
    EXPECT_TRUE(console::set_scroll_region(1, 6));
    console::scroll(1);
    EXPECT_EQ(large.drawn[0], "0       ");
    EXPECT_EQ(large.drawn[1], "2       ");
    EXPECT_EQ(small.drawn, (Lines{"3   ", "5   ", "    "}));
    EXPECT_EQ(console::set_scroll_region(1, 7).error(), Error::invalid);
    EXPECT_EQ(console::set_scroll_region(5, 6).error(), Error::invalid);
    EXPECT_EQ(console::set_scroll_region(0, 1).error(), Error::invalid);
    EXPECT_EQ(console::set_scroll_region(7, 0).error(), Error::invalid);
    EXPECT_TRUE(console::set_scroll_region(0, 0));
    console::scroll(1);
    EXPECT_EQ(large.drawn[0], "2       ");
}

TEST_F(TwoScreens, AreAsUsualForTheNextOne)
{
    console::write("x");
    auto [column, row] = console::cursor();
    EXPECT_EQ(column, 1u);
    EXPECT_EQ(row, 0u);
    console::show_cursor(false);
    EXPECT_TRUE(console::set_scroll_region(2, 4));
    EXPECT_EQ(large.cursor_row, 6u);
    console::begin_anew();
    EXPECT_EQ(large.cursor_row, 1u);
    EXPECT_TRUE(console::move_cursor(0, 5));
    console::write("a\nb");
    EXPECT_EQ(large.drawn[4], "a       ");
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
