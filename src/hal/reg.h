// SPDX-License-Identifier: BSD-2-Clause
// Typed device registers: the only way that a driver touches hardware.
//
//   struct Cmd : Register<Cmd, 0x18> {              // AHCI 1.3.1, 3.3.7
//       struct Start : Field<Start, 0> {};
//       struct ListRunning : Field<ListRunning, 15> {};
//   };
//   regs.modify(Cmd::Start::of(1));                 // read, change, write
//   TRY(regs.poll<Cmd::ListRunning>(0, 500_ms));    // never without a deadline
//
// A register is an offset and a width; a field is bits of one register and cannot be used with
// another. `enum Value : uint8_t { ... }` in either names its values. Write-1-to-clear bits are
// written as 0 by modify() and can only be cleared by acknowledge(). Every access is exactly one
// load or store of the declared width, and is traced by these names. A 64-bit register is two of 32
// bits, accessed in the data sheet's order.
#pragma once
#include <concepts>
#include <cstdint>
#include <span>
#include <type_traits>
#include "hal/describe.h"
#include "hal/result.h"
#include "hal/time.h"
#include "hal/trace.h"
#include "hal/window.h"

namespace hal {

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
    using FieldsOf = Self;  // a register with the fields of another one declares its own
    static constexpr T raw(auto v) { return static_cast<T>(v); }

    template <class Name, unsigned Low, unsigned Width = 1>
    struct Field : private FieldBegins<Self, Low>, private FieldEnds<Self, Low + Width - 1> {
        static_assert(Low + Width <= sizeof(T) * 8);
        using Reg = Self;
        friend constexpr auto field_at(FieldPlace<Self, Low, Low + Width - 1>)
        {
            return std::type_identity<Name>{};
        }
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
    // Those that begin so many bytes further on.
    Registers from(unsigned bytes) const
    {
        Window window = window_;
        window.base += bytes;
        return Registers(window);
    }

    template <class R>
    [[gnu::always_inline]] typename R::Raw read(Caller caller = __builtin_FUNCTION()) const
    {
        auto value = window_.load<typename R::Raw>(R::offset);
        trace<R>(Access::read, value, caller);
        return value;
    }
    template <class R>
    [[gnu::always_inline]] void write(typename R::Raw value,
                                      Caller caller = __builtin_FUNCTION()) const
    {
        trace<R>(Access::write, value, caller);
        window_.store<typename R::Raw>(R::offset, value);
    }
    // The named bits get their values; all other bits of the register are written as 0.
    template <class R>
    [[gnu::always_inline]] void write(Bits<R> bits, Caller caller = __builtin_FUNCTION()) const
    {
        write<R>(bits.value, caller);
    }
    // The named bits get their values; the others keep theirs.
    template <class R>
    [[gnu::always_inline]] void modify(Bits<R> bits, Caller caller = __builtin_FUNCTION()) const
    {
        auto kept = R::raw(read<R>(caller) & ~bits.mask & ~R::write_one_to_clear);
        write<R>(R::raw(kept | bits.value), caller);
    }
    template <class F> [[gnu::always_inline]] auto get(Caller caller = __builtin_FUNCTION()) const
    {
        return F::in(read<typename F::Reg>(caller));
    }
    template <class F>
    [[gnu::always_inline]] void acknowledge(Caller caller = __builtin_FUNCTION()) const
    {
        using R = typename F::Reg;
        static_assert((F::mask & R::write_one_to_clear) == F::mask, "not a write-1-to-clear field");
        write<R>(R::raw((read<R>(caller) & ~R::write_one_to_clear) | F::mask), caller);
    }
    // Many accesses to one register: a data port. Traced as one record with their number.
    template <class R>
    void read_many(std::span<typename R::Raw> into, Caller caller = __builtin_FUNCTION()) const
    {
        window_.load_many(R::offset, into.data(), into.size());
        trace<R>(Access::read_many, into.size(), caller);
    }
    template <class R>
    void write_many(std::span<const typename R::Raw> from,
                    Caller caller = __builtin_FUNCTION()) const
    {
        trace<R>(Access::write_many, from.size(), caller);
        window_.store_many(R::offset, from.data(), from.size());
    }
    // Polls until the field has the value.
    template <class F>
    Result<void> poll(typename F::Reg::Raw value, Duration limit,
                      Caller caller = __builtin_FUNCTION()) const
    {
        return poll_until([&] { return get<F>(caller) == value; }, limit);
    }

private:
    template <class R>
    [[gnu::always_inline]] void trace(Access access, std::size_t value, Caller caller) const
    {
        if (config_has_trace && tracing) [[unlikely]]
            record_access(window_.owner, register_info<R>, access,
                          static_cast<std::uint32_t>(value), caller);
    }

    Window window_;
};

}  // namespace hal
