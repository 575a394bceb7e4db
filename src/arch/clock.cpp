// SPDX-License-Identifier: BSD-2-Clause
// Time since boot. The 8254's counter 0 runs at 100 interrupts a second and is read between them;
// once it has measured the CPU's time stamp counter, that is the clock: no delay is spent on
// calibration. Data sheet: Intel 8254 (order 231164).
#include "arch/cpu.h"
#include "arch/machine.h"
#include "hal/irq.h"
#include "hal/reg.h"

namespace {

using namespace hal;

struct Counter0 : Register<Counter0, 0, uint8_t> {};
struct Control : Register<Control, 3, uint8_t> {
    enum Value : uint8_t {
        rate_generator = 0x34,  // counter 0, low then high byte, mode 2
        latch = 0x00,
    };
};

constexpr uint32_t hertz = 1193182;
constexpr uint32_t reload_10_ms = 11932, reload_1_ms = 1193;
constexpr uint32_t span_us = 5'000;  // what the TSC is measured by at least
constexpr uint32_t long_measures_us[] = {100'000, 2'000'000};
constexpr uint32_t tolerance_us = 100;

struct Moment {
    uint64_t tsc, us;
};
struct Estimate {
    Moment from;
    uint32_t us_per_tick_32;  // microseconds per TSC tick, times 2^32
};
struct State {
    uint64_t pit_ticks = 0;  // since boot
    uint32_t reload = reload_10_ms, last_count = 0;
    Moment span = {}, measure = {};  // where they began
    uint32_t span_found = 0;         // what the last span found
    unsigned measured = 0;           // long measures
    // The one before stays, for whom an interrupt finds reading it.
    Estimate estimates[2] = {};
    const Estimate* volatile estimate = nullptr;  // the present one; null: not yet known
};
constinit State state;
constinit volatile unsigned ticks = 0;

Registers timer() { return Registers(port_window(0x40, 4, "pit")); }

uint32_t read_count()
{
    timer().write<Control>(Control::latch);
    uint32_t low = timer().read<Counter0>();
    return low | static_cast<uint32_t>(timer().read<Counter0>()) << 8;
}

// Called at least once every 10 ms (by the interrupt), else what lies between is lost.
uint64_t pit_us()
{
    uint32_t count = read_count();
    uint32_t passed = state.last_count - count;
    if (state.last_count < count) passed += state.reload;
    state.pit_ticks += passed < state.reload ? passed : 0;
    state.last_count = count;
    return state.pit_ticks * 1'000'000 / hertz;
}

[[gnu::always_inline]] inline uint64_t to_us(uint64_t ticks, uint32_t us_per_tick_32)
{
    auto low = static_cast<uint32_t>((ticks & 0xffffffff) * us_per_tick_32 >> 32);
    asm("" : "+r"(low));  // first: the other product would have to wait on the stack
    return (ticks >> 32) * us_per_tick_32 + low;
}

[[gnu::always_inline]] inline uint64_t tsc_us(const Estimate& estimate, uint64_t tsc)
{
    return to_us(tsc - estimate.from.tsc, estimate.us_per_tick_32) + estimate.from.us;
}

[[gnu::noinline]] uint32_t rate_of(uint32_t us, uint64_t ticks)
{
    return static_cast<uint32_t>((uint64_t{us} << 32) / ticks);
}

void begin_measures(const Moment& now)
{
    state.span = state.measure = now;
    state.measured = 0;
}

void set_estimate(uint32_t us_per_tick_32, Moment now)
{
    const Estimate* known = state.estimate;
    if (known) now.us = tsc_us(*known, now.tsc);  // the clock neither jumps nor goes back
    Estimate& next = state.estimates[known == &state.estimates[0]];
    next = {now, us_per_tick_32};
    state.estimate = &next;
}

// Whatever goes wrong (ticks of the 8254 that nobody saw, a hypervisor's pause) makes the TSC seem
// to have more ticks in a microsecond than it has. So from the ticks of the clock the span with the
// fewest is taken; the long measures, which are finer, count if nothing was lost in them.
void measure(uint64_t before, uint64_t us, uint64_t after)
{
    auto passed = static_cast<uint32_t>(us - state.span.us);
    uint64_t ticks = after - state.span.tsc;
    if (passed < span_us) return;
    state.span = {before, us};
    if (ticks / 2 < passed) {  // slower than 2 MHz: not a TSC
        state.estimate = nullptr;
        cpu::features.tsc = false;
        return;
    }
    const Estimate* known = state.estimate;
    uint32_t known_rate = known ? known->us_per_tick_32 : 0;
    uint32_t found = rate_of(passed, ticks);
    uint32_t sure = known && state.span_found < found ? state.span_found : found;  // twice
    state.span_found = found;
    if (sure > known_rate + known_rate / 256) {
        set_estimate(sure, {after, us});
        return begin_measures(state.span);
    }
    passed = static_cast<uint32_t>(us - state.measure.us);
    ticks = after - state.measure.tsc;
    if (passed < long_measures_us[state.measured]) return;
    state.measure = state.span;
    if (to_us(ticks, known_rate) > passed + tolerance_us) return;
    set_estimate(rate_of(passed, ticks), {after, us});
    ++state.measured;
}

// Reads the 8254, and measures the TSC by it until that is known well.
uint64_t read_and_measure()
{
    if (!cpu::features.tsc || state.measured == std::size(long_measures_us)) return pit_us();
    uint64_t before = cpu::read_tsc(), us = pit_us(), after = cpu::read_tsc();
    measure(before, us, after);
    return us;
}

[[gnu::noinline]] uint64_t pit_now()
{
    InterruptsOff interrupts;
    uint64_t us = read_and_measure();
    return state.estimate ? now_us() : us;  // it may have come just before
}

void on_tick(void*)
{
    ticks = ticks + 1;
    (void)read_and_measure();
}

void start_counter()
{
    timer().write<Control>(Control::rate_generator);
    timer().write<Counter0>(static_cast<uint8_t>(state.reload & 0xff));
    timer().write<Counter0>(static_cast<uint8_t>(state.reload >> 8));
    state.last_count = state.reload;
}

}  // namespace

namespace clock {

void init()
{
    start_counter();
    uint64_t tsc = cpu::features.tsc ? cpu::read_tsc() : 0;
    begin_measures({tsc, pit_us()});
    (void)connect_interrupt(0, on_tick, nullptr, "pit");  // line 0 exists, and the table is empty
}

void restart()
{
    uint64_t us = pit_us();
    uint64_t tsc = cpu::features.tsc ? cpu::read_tsc() : 0;
    start_counter();
    begin_measures({tsc, us});  // what somebody else did to the timer is not measured
}

void tick_every_ms(bool on)
{
    hal::InterruptsOff interrupts;
    uint32_t reload = on ? reload_1_ms : reload_10_ms;
    if (reload == state.reload) return;
    (void)pit_us();
    state.reload = reload;
    start_counter();
}

}  // namespace clock

namespace hal {

uint64_t now_us()
{
    const Estimate* estimate = state.estimate;
    return estimate ? tsc_us(*estimate, cpu::read_tsc()) : pit_now();
}

ClockSource clock_source()
{
    const Estimate* estimate = state.estimate;
    if (!estimate) return {"pit", hertz};
    return {"tsc", (1'000'000ull << 32) / estimate->us_per_tick_32};
}

bool had_turn(Turn& turn)
{
    constexpr unsigned many = 10'000;  // somebody may have masked the clock's interrupt
    if (!cpu::interrupts_on()) return false;
    unsigned tick = ticks;
    if (tick == turn.tick && ++turn.calls < many) return true;
    turn = {tick, 0};
    return false;
}

void pause() { asm volatile("pause" ::: "memory"); }

InterruptsOff::InterruptsOff() : were_on_(cpu::interrupts_on()) { cpu::disable_interrupts(); }
InterruptsOff::~InterruptsOff()
{
    if (were_on_) cpu::enable_interrupts();
}
void InterruptsOff::halt()
{
    // `sti` lets the next instruction begin before an interrupt is taken: none is slept through.
    if (were_on_)
        asm volatile("sti; hlt; cli" ::: "memory");
    else
        pause();
}

void sleep(Duration duration)
{
    constexpr uint64_t tick_us = 10'100;
    uint64_t end = now_us() + duration.us;
    for (uint64_t now = now_us(); now < end; now = now_us()) {
        if (end - now <= tick_us) {
            pause();
            continue;
        }
        InterruptsOff interrupts;
        interrupts.halt();
    }
}

Window port_window(uint16_t base, uint16_t, const char* owner)
{
    Window window;
    window.kind = Window::Kind::ports;
    window.base = base;
    window.owner = owner;
    return window;
}

}  // namespace hal
