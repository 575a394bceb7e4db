// SPDX-License-Identifier: BSD-2-Clause
// How a register knows its fields though each is declared only once: every possible place of a
// field (its lowest bit and its width) declares a function, and the field that is there defines it.
// A place whose function has no definition is empty. All of it happens in the compiler, which is
// spared most places: widths are looked through only where some field begins.
#pragma once
#pragma GCC system_header  // else g++ asks for each place whether a friend was meant as a template

namespace hal {

template <class R, unsigned Low, unsigned Width> struct FieldPlace {
    friend constexpr auto field_at(FieldPlace);
};
template <class R, unsigned Low, unsigned Width>
concept has_field = requires
{
    field_at(FieldPlace<R, Low, Width>{});
};

template <class R, unsigned Low> struct BeginPlace {
    friend constexpr auto begins_at(BeginPlace);
};
template <class R, unsigned Low> struct FieldBegins {  // of all fields with this lowest bit
    friend constexpr auto begins_at(BeginPlace<R, Low>) { return true; }
};
template <class R, unsigned Low>
concept has_begin = requires
{
    begins_at(BeginPlace<R, Low>{});
};

}  // namespace hal
