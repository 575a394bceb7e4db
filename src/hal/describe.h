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

// "Cmd" from a type or enumerator called ...::Cmd; with a ')' in it if no enumerator has the value.
consteval std::string_view qualified_name(std::string_view function)
{
    std::string_view name = function.substr(function.find(" = ") + 3);
    return name.substr(0, name.find_first_of(";]"));
}
consteval std::string_view last_name(std::string_view qualified)
{
    return qualified.substr(qualified.rfind(':') + 1);
}
template <class T> consteval std::string_view type_name()
{
    return last_name(qualified_name(__PRETTY_FUNCTION__));
}
template <auto V> consteval std::string_view enumerator_name()
{
    return last_name(qualified_name(__PRETTY_FUNCTION__));
}
// Registers have their namespace with them, if that has a name: "bus_master::Status".
template <class T> consteval std::string_view register_name()
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

// One for each possible value or place; then those that are there.
template <class Info> struct Perhaps {
    bool there = false;
    Info info = {};
};
template <class E, std::size_t V> consteval Perhaps<ValueInfo> value_at()
{
    constexpr E value = static_cast<E>(V);
    if constexpr (enumerator_name<value>().find(')') == std::string_view::npos)
        return {true, {V, value_characters<E, value>.data()}};
    else
        return {};
}
template <class E, unsigned Width> consteval std::span<const ValueInfo> values_of_enum();

template <class T, unsigned Width> consteval std::span<const ValueInfo> values_of()
{
    if constexpr (requires { typename T::Value; })
        return values_of_enum<typename T::Value, Width>();
    else
        return {};
}

template <class R, unsigned Low, unsigned Width> consteval Perhaps<FieldInfo> field_info_at()
{
    if constexpr (has_field<R, Low, Width>) {
        using F = typename decltype(field_at(FieldPlace<R, Low, Width>{}))::type;
        return {true, {type_characters<F>.data(), Low, Width, values_of<F, Width>()}};
    } else {
        return {};
    }
}

template <class All> consteval std::size_t count_of(const All& all)
{
    std::size_t count = 0;
    for (const auto& each : all) count += each.there;
    return count;
}
template <std::size_t Count, class Info, std::size_t N>
consteval std::array<Info, Count> those_there(const std::array<Perhaps<Info>, N>& all)
{
    std::array<Info, Count> those = {};
    std::size_t count = 0;
    for (const auto& each : all) {
        if (each.there) those[count++] = each.info;
    }
    return those;
}

template <class E, std::size_t... V>
consteval std::array<Perhaps<ValueInfo>, sizeof...(V)> all_values(std::index_sequence<V...>)
{
    return {value_at<E, V>()...};
}
template <class R, unsigned Low, std::size_t... Width>
consteval auto fields_at(std::index_sequence<Width...>)
{
    std::array<Perhaps<FieldInfo>, sizeof...(Width)> fields = {};
    if constexpr (has_begin<R, Low>) fields = {field_info_at<R, Low, Width + 1>()...};
    return fields;
}
// From the highest bit down.
template <class R, std::size_t... Low> consteval auto all_fields(std::index_sequence<Low...> bits)
{
    constexpr unsigned highest = sizeof...(Low) - 1;
    std::array<Perhaps<FieldInfo>, sizeof...(Low) * sizeof...(Low)> all = {};
    auto* end = all.data();
    auto append = [&](const auto& fields) {
        for (const auto& field : fields) *end++ = field;
    };
    (append(fields_at<R, highest - Low>(bits)), ...);
    return all;
}
template <class E, unsigned Width>
inline constexpr auto values_among =
    all_values<E>(std::make_index_sequence<std::size_t{1} << (Width < 8 ? Width : 8)>{});
template <class E, unsigned Width>
inline constexpr auto named_values =
    those_there<count_of(values_among<E, Width>)>(values_among<E, Width>);
template <class E, unsigned Width> consteval std::span<const ValueInfo> values_of_enum()
{
    return named_values<E, Width>;
}
template <class R>
inline constexpr auto fields_among =
    all_fields<R>(std::make_index_sequence<sizeof(typename R::Raw) * 8>{});
template <class R>
inline constexpr auto fields_of = those_there<count_of(fields_among<R>)>(fields_among<R>);

template <class R>
inline constexpr RegisterInfo register_info = {
    register_characters<R>.data(), sizeof(typename R::Raw),
    values_of<R, sizeof(typename R::Raw) * 8>(), fields_of<typename R::FieldsOf>};

}  // namespace hal
