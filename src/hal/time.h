// SPDX-License-Identifier: BSD-2-Clause
// Durations, deadlines and the only ways to wait.
// Whoever carries a driver away supplies now_us(), pause() and halt().
#pragma once
#include <cstdint>
#include "hal/result.h"

namespace hal {

struct Duration {
    std::uint64_t us;
};
constexpr Duration operator""_us(unsigned long long n) { return {n}; }
constexpr Duration operator""_ms(unsigned long long n) { return {n * 1000}; }
constexpr Duration operator""_s(unsigned long long n) { return {n * 1'000'000}; }

std::uint64_t now_us();  // since boot; never goes backwards
void pause();            // one step of a busy wait
struct ClockSource {
    const char* name;  // "tsc", "pit"
    std::uint64_t hertz;
};
ClockSource clock_source();  // what now_us() reads at present

// For work that interrupts do, and that is only made up for now and then. True if they are on and
// it has been called since the last clock tick (10 ms) with this `turn`, though not often.
struct Turn {
    unsigned tick = 0, calls = 0;
};
bool had_turn(Turn& turn);

// Holds interrupts off while it lives; restores what was.
class InterruptsOff {
public:
    InterruptsOff();
    ~InterruptsOff();
    InterruptsOff(const InterruptsOff&) = delete;
    InterruptsOff& operator=(const InterruptsOff&) = delete;
    // Sleeps until the next interrupt (at most one clock tick, 10 ms), without losing one that came
    // since the caller looked. Where interrupts may not be taken it only pauses.
    void halt();
    bool were_on() const { return were_on_; }

private:
    bool were_on_;
};

class Deadline {
public:
    explicit Deadline(Duration limit) : end_us_(now_us() + limit.us) {}
    bool passed() const { return now_us() >= end_us_; }

private:
    std::uint64_t end_us_;
};

void sleep(Duration duration);  // at least that long

// Rests until the next interrupt, at most one clock tick (10 ms); for a loop that looks whether
// something has happened. Where interrupts are off it only pauses.
inline void idle() { InterruptsOff().halt(); }

// Waits until condition() holds; polls without rest, for what takes microseconds. Looks once more
// after the deadline: the time may have passed elsewhere.
template <class Condition> Result<void> poll_until(Condition condition, Duration limit)
{
    for (Deadline deadline{limit};;) {
        bool late = deadline.passed();
        if (condition()) return {};
        if (late) return Error::timed_out;
        pause();
    }
}

// Waits until condition() holds; rests between looks, for what ends with an interrupt. When the
// interrupt is lost it costs a clock tick, not the wait.
template <class Condition> Result<void> wait_until(Condition condition, Duration limit)
{
    for (Deadline deadline{limit};;) {
        InterruptsOff interrupts;
        bool late = deadline.passed();
        if (condition()) return {};
        if (late) return Error::timed_out;
        interrupts.halt();
    }
}

}  // namespace hal
