// SPDX-License-Identifier: BSD-2-Clause
// Typed device registers: the only way that a driver touches hardware.
//
//   struct Cmd : Register<Cmd, 0x18> {              // AHCI 1.3.1, 3.3.7
//       struct Start : Field<0> {};
//       struct ListRunning : Field<15> {};
//   };
//   regs.modify(Cmd::Start::of(1));                 // read, change, write
//   TRY(regs.poll<Cmd::ListRunning>(0, 500_ms));    // never without a deadline
//
// A register is an offset and a width; a field is bits of one register and cannot be used with
// another. Write-1-to-clear bits are written as 0 by modify() and can only be cleared by
// acknowledge(). Every access is exactly one load or store of the declared width, and can be
// traced by name. A 64-bit register is two registers of 32 bits, accessed in the data sheet's
// order.
#pragma once
#include <concepts>
#include <cstdint>
#include <span>
#include <string_view>
#include "hal/result.h"
#include "hal/time.h"
#include "hal/window.h"

namespace hal {

// Called for each access to a traced window: verb is "read" or "write".
void trace(const Window& window, std::string_view verb, std::string_view register_name,
           std::uint64_t value);

// "Cmd" from a type called ...::Cmd, at compile time: traces speak the data sheet's language.
template <class R> consteval std::string_view type_name()
{
    std::string_view name = __PRETTY_FUNCTION__;
    name = name.substr(name.find("R = ") + 4);
    name = name.substr(0, name.find_first_of(";]"));
    return name.substr(name.rfind(':') + 1);
}

template <class R> struct Bits {  // some bits of register R, with a value for each
    typename R::Raw mask, value;
    friend constexpr Bits operator|(Bits a, Bits b)
    {
        return {R::raw(a.mask | b.mask), R::raw(a.value | b.value)};
    }
};

template <class Self, unsigned Offset, std::unsigned_integral T = std::uint32_t> struct Register {
    using Raw = T;
    static constexpr unsigned offset = Offset;
    static constexpr T write_one_to_clear = 0;  // a register that has such bits declares its own
    static constexpr T raw(auto v) { return static_cast<T>(v); }

    template <unsigned Low, unsigned Width = 1> struct Field {
        static_assert(Low + Width <= sizeof(T) * 8);
        using Reg = Self;
        static constexpr T mask = raw((~0ull >> (64 - Width)) << Low);
        static constexpr Bits<Self> of(T value)
        {
            return {mask, raw((static_cast<std::uint64_t>(value) << Low) & mask)};
        }
        static constexpr T in(T register_value) { return raw((register_value & mask) >> Low); }
    };
};

class Registers {
public:
    constexpr Registers() = default;
    constexpr explicit Registers(Window window) : window_(window) {}

    template <class R> typename R::Raw read() const
    {
        auto value = window_.load<typename R::Raw>(R::offset);
        if (window_.traced) [[unlikely]]
            trace_as<R>("read", value);
        return value;
    }
    template <class R> void write(typename R::Raw value) const
    {
        if (window_.traced) [[unlikely]]
            trace_as<R>("write", value);
        window_.store<typename R::Raw>(R::offset, value);
    }
    // The named bits get their values; all other bits of the register are written as 0.
    template <class R> void write(Bits<R> bits) const { write<R>(bits.value); }
    // The named bits get their values; the others keep theirs.
    template <class R> void modify(Bits<R> bits) const
    {
        auto kept = R::raw(read<R>() & ~bits.mask & ~R::write_one_to_clear);
        write<R>(R::raw(kept | bits.value));
    }
    template <class F> auto get() const { return F::in(read<typename F::Reg>()); }
    template <class F> void acknowledge() const
    {
        using R = typename F::Reg;
        static_assert((F::mask & R::write_one_to_clear) == F::mask, "not a write-1-to-clear field");
        write<R>(R::raw((read<R>() & ~R::write_one_to_clear) | F::mask));
    }
    // Many accesses to one register: a data port. Traced as one line with the number of accesses.
    template <class R> void read_many(std::span<typename R::Raw> into) const
    {
        window_.load_many(R::offset, into.data(), into.size());
        if (window_.traced) [[unlikely]]
            trace_as<R>("read many", into.size());
    }
    template <class R> void write_many(std::span<const typename R::Raw> from) const
    {
        if (window_.traced) [[unlikely]]
            trace_as<R>("write many", from.size());
        window_.store_many(R::offset, from.data(), from.size());
    }
    // Polls until the field has the value.
    template <class F> Result<void> poll(typename F::Reg::Raw value, Duration limit) const
    {
        return poll_until([&] { return get<F>() == value; }, limit);
    }

    void traced(bool on) { window_.traced = on; }

private:
    // Apart from the code that accesses registers, which is many times repeated.
    template <class R>
    [[gnu::noinline, gnu::cold]] void trace_as(const char* verb, std::size_t value) const
    {
        trace(window_, verb, type_name<R>(), value);
    }

    Window window_;
};

}  // namespace hal
