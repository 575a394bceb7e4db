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
constexpr uint64_t measures[] = {10'000, 100'000,
                                 2'000'000};  // us: each makes the next estimate better

struct State {
    uint64_t pit_ticks = 0;  // since boot
    uint32_t reload = reload_10_ms, last_count = 0;
    uint64_t first_tsc = 0, first_us = 0;  // where the measurement began
    uint64_t base_tsc = 0, base_us = 0;    // where the present estimate begins
    uint32_t us_per_tick_32 = 0;  // microseconds per TSC tick, times 2^32; 0: not yet known
    unsigned next_measure = 0;
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

uint64_t tsc_us(uint64_t tsc)
{
    uint64_t ticks = tsc - state.base_tsc;
    uint64_t low = (ticks & 0xffffffff) * state.us_per_tick_32 >> 32;
    return state.base_us + low + (ticks >> 32) * state.us_per_tick_32;
}

void measure(uint64_t tsc, uint64_t us)
{
    if (state.next_measure == std::size(measures)) return;
    uint64_t passed = us - state.first_us, ticks = tsc - state.first_tsc;
    if (passed < measures[state.next_measure]) return;
    // A TSC slower than 2 MHz, or faster than 40 GHz, is not one.
    if (ticks < passed * 2 || ticks > passed * 40'000) {
        state.us_per_tick_32 = 0;
        cpu::features.tsc = false;
        return;
    }
    uint64_t now = state.us_per_tick_32 ? tsc_us(tsc) : us;
    state.base_us = now > us ? now : us;
    state.base_tsc = tsc;
    state.us_per_tick_32 = static_cast<uint32_t>((passed << 32) / ticks);
    ++state.next_measure;
}

void on_tick(void*)
{
    ticks = ticks + 1;
    uint64_t us = pit_us();
    if (cpu::features.tsc) measure(cpu::read_tsc(), us);
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
    if (cpu::features.tsc) state.first_tsc = cpu::read_tsc();
    state.first_us = pit_us();
    (void)connect_interrupt(0, on_tick, nullptr, "pit");  // line 0 exists, and the table is empty
}

void restart()
{
    uint64_t us = pit_us();
    start_counter();
    state.first_us = us;  // what somebody else did to the timer is not measured
    if (cpu::features.tsc) state.first_tsc = cpu::read_tsc();
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
    if (state.us_per_tick_32) return tsc_us(cpu::read_tsc());
    InterruptsOff interrupts;
    if (state.us_per_tick_32) return tsc_us(cpu::read_tsc());  // it came just now
    uint64_t us = pit_us();
    if (cpu::features.tsc) measure(cpu::read_tsc(), us);
    return us;
}

ClockSource clock_source()
{
    if (!state.us_per_tick_32) return {"pit", hertz};
    return {"tsc", (1'000'000ull << 32) / state.us_per_tick_32};
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
