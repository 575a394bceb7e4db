// SPDX-License-Identifier: BSD-2-Clause
// register_info<R>: what a trace says about register R, read off its declaration by the compiler:
// its name, its fields, and the enumerators of `enum Value : uint8_t` in it and in its fields.
#pragma once
#include <array>
#include <cstdint>
#include <string_view>
#include <utility>
#include "hal/fields.h"
#include "hal/trace.h"

namespace hal {
namespace describe {

// "a::b::Cmd" from "... = a::b::Cmd]". The compiler is slow at this: it looks from the end. For the
// same reason these functions return auto: g++ would add what std::string_view is.
consteval std::string_view qualified_name(std::string_view function)
{
    return function.substr(0, function.size() - 1).substr(function.rfind(' ') + 1);
}
consteval std::string_view last_name(std::string_view qualified)
{
    return qualified.substr(qualified.rfind(':') + 1);
}
template <class T> consteval auto type_name()
{
    return last_name(qualified_name(__PRETTY_FUNCTION__));
}
template <auto V> consteval auto enumerator_name()
{
    return last_name(qualified_name(__PRETTY_FUNCTION__));
}
// Registers have their namespace with them, if that has a name: "bus_master::Status".
template <class T> consteval auto register_name()
{
    std::string_view name = qualified_name(__PRETTY_FUNCTION__);
    std::size_t last = name.rfind("::");
    if (last == name.npos) return name;
    std::size_t outer = name.rfind(':', last - 1) + 1;  // npos + 1 is 0
    bool has_name = name.substr(outer, last - outer).find_first_of(")>}") == name.npos;
    return name.substr(has_name ? outer : last + 2);
}

// The name alone, ended by NUL: not the whole function's.
template <std::size_t N> consteval auto characters(std::string_view name)
{
    std::array<char, N + 1> text = {};
    for (std::size_t i = 0; i < N; ++i) text[i] = name[i];
    return text;
}
template <class T>
inline constexpr auto type_characters = characters<type_name<T>().size()>(type_name<T>());
template <class T>
inline constexpr auto register_characters =
    characters<register_name<T>().size()>(register_name<T>());
// E is an argument of its own: of V alone gcc 12 does not see that it is in an unnamed namespace,
// and two files' names for a value would become one.
template <class E, E V>
inline constexpr auto value_characters =
    characters<enumerator_name<V>().size()>(enumerator_name<V>());

// The numbers of those flags that are set.
template <const auto& flags> consteval auto those_set()
{
    constexpr auto count = [] {
        std::size_t set = 0;
        for (bool flag : flags) set += flag;
        return set;
    };
    std::array<std::size_t, count()> numbers = {};
    std::size_t found = 0;
    for (std::size_t i = 0; i < flags.size(); ++i) {
        if (flags[i]) numbers[found++] = i;
    }
    return numbers;
}

// A value without a name is "(Value)5" to the compiler. Only that end is looked at: most have none.
template <auto V> consteval bool is_named()
{
    std::string_view function = __PRETTY_FUNCTION__;
    std::size_t last = function.size() - 2;  // before the ']'
    while (function[last] >= '0' && function[last] <= '9') --last;
    return function[last] != ')';
}
template <class E, std::size_t... V>
consteval std::array<bool, sizeof...(V)> which_are_named(std::index_sequence<V...>)
{
    return {is_named<static_cast<E>(V)>()...};
}
template <class E, const auto& numbers, std::size_t... I>
consteval std::array<ValueInfo, sizeof...(I)> value_infos(std::index_sequence<I...>)
{
    return {ValueInfo{numbers[I], value_characters<E, static_cast<E>(numbers[I])>.data()}...};
}
template <class E, unsigned Width>
inline constexpr auto named =
    which_are_named<E>(std::make_index_sequence<std::size_t{1} << (Width < 8 ? Width : 8)>{});
template <class E, unsigned Width> inline constexpr auto values = those_set<named<E, Width>>();
template <class E, unsigned Width>
inline constexpr auto infos_of_values =
    value_infos<E, values<E, Width>>(std::make_index_sequence<values<E, Width>.size()>{});
template <class T, unsigned Width> consteval std::span<const ValueInfo> values_of()
{
    if constexpr (requires { typename T::Value; })
        return infos_of_values<typename T::Value, Width>;
    else
        return {};
}

// Where fields begin and where they end; then which of the pairs of those are fields. From the
// highest bit down.
template <class R, std::size_t... Bit>
consteval std::array<bool, sizeof...(Bit)> which_begin(std::index_sequence<Bit...>)
{
    return {has_begin<R, sizeof...(Bit) - 1 - Bit>...};
}
template <class R, std::size_t... Bit>
consteval std::array<bool, sizeof...(Bit)> which_end(std::index_sequence<Bit...>)
{
    return {has_end<R, Bit>...};
}
template <class R> using EachBit = std::make_index_sequence<sizeof(typename R::Raw) * 8>;
template <class R> inline constexpr auto are_begins = which_begin<R>(EachBit<R>{});
template <class R> inline constexpr auto are_ends = which_end<R>(EachBit<R>{});
template <class R> inline constexpr auto begins = those_set<are_begins<R>>();
template <class R> inline constexpr auto ends = those_set<are_ends<R>>();

template <class R> consteval unsigned low(std::size_t pair)
{
    return are_begins<R>.size() - 1 - begins<R>[pair / ends<R>.size()];
}
template <class R> consteval unsigned high(std::size_t pair)
{
    return ends<R>[pair % ends<R>.size()];
}
template <class R, std::size_t... Pair>
consteval std::array<bool, sizeof...(Pair)> which_are_fields(std::index_sequence<Pair...>)
{
    return {has_field<R, low<R>(Pair), high<R>(Pair)>...};
}
template <class R, unsigned Low, unsigned High> consteval FieldInfo field_info()
{
    constexpr unsigned width = High - Low + 1;
    using F = typename decltype(field_at(FieldPlace<R, Low, High>{}))::type;
    return {type_characters<F>.data(), Low, width, values_of<F, width>()};
}
template <class R, const auto& pairs, std::size_t... I>
consteval std::array<FieldInfo, sizeof...(I)> field_infos(std::index_sequence<I...>)
{
    return {field_info<R, low<R>(pairs[I]), high<R>(pairs[I])>()...};
}
template <class R>
inline constexpr auto are_fields =
    which_are_fields<R>(std::make_index_sequence<begins<R>.size() * ends<R>.size()>{});
template <class R> inline constexpr auto fields = those_set<are_fields<R>>();
template <class R>
inline constexpr auto fields_of =
    field_infos<R, fields<R>>(std::make_index_sequence<fields<R>.size()>{});

}  // namespace describe

template <class R>
inline constexpr RegisterInfo register_info = {
    describe::register_characters<R>.data(), sizeof(typename R::Raw),
    describe::values_of<R, sizeof(typename R::Raw) * 8>(),
    describe::fields_of<typename R::FieldsOf>};

}  // namespace hal
