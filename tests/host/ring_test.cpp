// SPDX-License-Identifier: BSD-2-Clause
#include "lib/ring.h"
#include <gtest/gtest.h>
#include <sys/time.h>
#include <csignal>

namespace {

TEST(Ring, GivesBackInOrder)
{
    Ring<int, 4> ring;
    int item = -1;
    EXPECT_FALSE(ring.pop(item));
    EXPECT_EQ(item, -1);
    for (int round = 0; round < 10; ++round) {  // around the array several times
        for (int i = 0; i < 3; ++i) ring.push(round * 3 + i);
        EXPECT_EQ(ring.size(), 3u);
        for (int i = 0; i < 3; ++i) {
            ASSERT_TRUE(ring.pop(item));
            EXPECT_EQ(item, round * 3 + i);
        }
        EXPECT_EQ(ring.size(), 0u);
    }
    EXPECT_EQ(ring.dropped, 0u);
}

TEST(Ring, OverwritesNothingAndCountsWhatDoesNotFit)
{
    Ring<char, 4> ring;
    for (char c : {'a', 'b', 'c', 'd', 'e', 'f'}) ring.push(c);
    EXPECT_EQ(ring.size(), 4u);
    EXPECT_EQ(ring.dropped, 2u);
    char c;
    ASSERT_TRUE(ring.pop(c));
    EXPECT_EQ(c, 'a');
    ring.push('g');
    for (char expected : {'b', 'c', 'd', 'g'}) {
        ASSERT_TRUE(ring.pop(c));
        EXPECT_EQ(c, expected);
    }
    EXPECT_FALSE(ring.pop(c));
}

TEST(Ring, CanBeLookedIntoAndCleared)
{
    Ring<int, 4> ring;
    int item;
    for (int i = 0; i < 3; ++i) ring.push(i), ring.pop(item);
    for (int i = 10; i < 14; ++i) ring.push(i);  // over the end of the array
    for (unsigned i = 0; i < 4; ++i) EXPECT_EQ(ring.peek(i), 10 + int(i));
    EXPECT_EQ(ring.size(), 4u);
    ring.clear();
    EXPECT_EQ(ring.size(), 0u);
    EXPECT_FALSE(ring.pop(item));
    ring.push(99);
    EXPECT_EQ(ring.peek(0), 99);
}

// A signal handler stands in for the interrupt handler: it comes between any two instructions.
Ring<unsigned, 16> interrupted;
unsigned next_pushed = 0;

TEST(Ring, LosesNothingToAnInterrupt)
{
    struct sigaction action = {}, before = {};
    action.sa_handler = [](int) {
        for (int i = 0; i < 5 && interrupted.size() < 16; ++i) interrupted.push(next_pushed++);
    };
    sigaction(SIGALRM, &action, &before);
    itimerval timer = {{0, 20}, {0, 20}}, off = {};
    setitimer(ITIMER_REAL, &timer, nullptr);
    for (unsigned expected = 0; expected < 3000;) {
        unsigned item;
        if (!interrupted.pop(item)) continue;
        EXPECT_EQ(item, expected);
        if (item != expected++) break;
    }
    setitimer(ITIMER_REAL, &off, nullptr);
    sigaction(SIGALRM, &before, nullptr);
    EXPECT_EQ(interrupted.dropped, 0u);
}

}  // namespace
