// SPDX-License-Identifier: BSD-2-Clause
// How a register knows its fields though each is declared only once: every possible place of a
// field (its lowest and its highest bit) declares a function, which the field that is there
// defines. A place whose function has no definition is empty. All of it happens in the compiler,
// which is spared most places: it looks only where some field begins and some field ends.
#pragma once
#pragma GCC system_header  // else g++ asks for each place whether a friend was meant as a template

namespace hal {

template <class R, unsigned Low> struct BeginPlace {
    friend constexpr auto begins_at(BeginPlace);
};
template <class R, unsigned High> struct EndPlace {
    friend constexpr auto ends_at(EndPlace);
};
template <class R, unsigned Low, unsigned High> struct FieldPlace {
    friend constexpr auto field_at(FieldPlace);
};

template <class R, unsigned Low> struct FieldBegins {  // of all fields with this lowest bit
    friend constexpr auto begins_at(BeginPlace<R, Low>) { return true; }
};
template <class R, unsigned High> struct FieldEnds {  // of all fields with this highest bit
    friend constexpr auto ends_at(EndPlace<R, High>) { return true; }
};

template <class R, unsigned Low>
concept has_begin = requires
{
    begins_at(BeginPlace<R, Low>{});
};
template <class R, unsigned High>
concept has_end = requires
{
    ends_at(EndPlace<R, High>{});
};
template <class R, unsigned Low, unsigned High>
concept has_field = requires
{
    field_at(FieldPlace<R, Low, High>{});
};

}  // namespace hal
