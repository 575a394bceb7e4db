/* SPDX-License-Identifier: BSD-2-Clause
 *
 * vesper_text.h - numbers as text, for payloads in C and C++: header only, no library behind it.
 *
 *     vesper_print(vesper, "%-8s %5u KiB at 0x%08x\n", name, kib, address);
 *
 * Formats are a part of printf's: %s %c %d %u %x %%, each with a width, '-' (left-aligned), '0'
 * (zero-padded) and, for numbers of 64 bits, "ll"; %.5s takes at most 5 characters. The compiler
 * checks that the arguments fit.
 */
#ifndef VESPER_TEXT_H
#define VESPER_TEXT_H

#include <stdarg.h>

#include "vesper.h"

struct vesper_text_ {
    char* to;
    uint32_t size, length;
};

static inline void vesper_append_(struct vesper_text_* text, char c)
{
    if (text->length + 1 < text->size) text->to[text->length++] = c;
}

/* `word` and what fills it up to `width` columns: to the right of it if `left`. */
static inline void vesper_field_(struct vesper_text_* text, const char* word, uint32_t length,
                                 uint32_t width, int left, char fill)
{
    uint32_t rest = width > length ? width - length : 0;
    while (!left && rest) --rest, vesper_append_(text, fill);
    while (length--) vesper_append_(text, *word++);
    while (rest--) vesper_append_(text, ' ');
}

/* The digits of a number, which end at `end`; returns where they begin. */
static inline char* vesper_digits_(char* end, uint64_t number, uint32_t base)
{
    do {
        *--end = "0123456789abcdef"[number % base];
        number /= base;
    } while (number);
    return end;
}

/* The decimal number at *format, 0 if there is none; *format moves behind it. */
static inline uint32_t vesper_number_(const char** format)
{
    uint32_t number = 0;
    for (; **format >= '0' && **format <= '9'; ++*format)
        number = number * 10 + (uint32_t)(**format - '0');
    return number;
}

static inline uint32_t vesper_format_list_(char* to, uint32_t size, const char* format,
                                           va_list values)
{
    struct vesper_text_ text = {to, size, 0};
    for (; *format; ++format) {
        char digits[24], *end = digits + sizeof digits, fill = ' ';
        uint32_t width, longs = 0, most = ~0u;
        int left = 0;
        if (*format != '%') {
            vesper_append_(&text, *format);
            continue;
        }
        for (++format; *format == '-' || *format == '0'; ++format) {
            if (*format == '-') left = 1;
            if (*format == '0') fill = '0';
        }
        width = vesper_number_(&format);
        if (*format == '.') {
            ++format;
            most = vesper_number_(&format);
        }
        for (; *format == 'l'; ++format) ++longs;
        if (*format == 's') {
            const char* word = va_arg(values, const char*);
            uint32_t length = 0;
            while (length < most && word[length]) ++length;
            vesper_field_(&text, word, length, width, left, ' ');
        } else if (*format == 'c' || *format == '%') {
            char c = *format == '%' ? '%' : (char)va_arg(values, int);
            vesper_field_(&text, &c, 1, width, left, ' ');
        } else if (*format == 'd' || *format == 'u' || *format == 'x') {
            uint64_t number = longs > 1        ? va_arg(values, uint64_t)
                              : *format == 'd' ? (uint64_t)va_arg(values, int32_t)
                                               : va_arg(values, uint32_t);
            int negative = *format == 'd' && (int64_t)number < 0;
            char* word =
                vesper_digits_(end, negative ? 0 - number : number, *format == 'x' ? 16 : 10);
            if (negative && fill == '0') {
                vesper_append_(&text, '-');
                width -= width != 0;
            } else if (negative) {
                *--word = '-';
            }
            vesper_field_(&text, word, (uint32_t)(end - word), width, left, fill);
        } else { /* no such format */
            vesper_append_(&text, '%');
            --format;
        }
    }
    if (size) to[text.length] = 0;
    return text.length;
}

/* Writes text to `to`, and a NUL behind it. What does not fit is cut off. Returns its length. */
__attribute__((format(printf, 3, 4))) static inline uint32_t vesper_format(char* to, uint32_t size,
                                                                           const char* format, ...)
{
    va_list values;
    va_start(values, format);
    uint32_t length = vesper_format_list_(to, size, format, values);
    va_end(values);
    return length;
}

/* Writes text to the console, at most 255 characters at once. */
__attribute__((format(printf, 2, 3))) static inline void vesper_print(const struct vesper* vesper,
                                                                      const char* format, ...)
{
    char text[256];
    va_list values;
    va_start(values, format);
    vesper->console->write(text, vesper_format_list_(text, sizeof text, format, values));
    va_end(values);
}

/* The date of a number of seconds since 1970-01-01 UTC, as files have it. */
static inline struct vesper_date vesper_date_of(int64_t unix_seconds)
{
    int64_t days = unix_seconds / 86400;
    int32_t seconds = (int32_t)(unix_seconds % 86400);
    if (seconds < 0) seconds += 86400, --days;
    /* Years that begin in March, in eras of 400: a leap day is then the last of its year. */
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    uint32_t day = (uint32_t)(days - era * 146097);
    uint32_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    day -= 365 * year + year / 4 - year / 100;
    uint32_t month = (5 * day + 2) / 153; /* 0 is March */
    struct vesper_date date;
    date.day = day - (153 * month + 2) / 5 + 1;
    date.month = month < 10 ? month + 3 : month - 9;
    date.year = (uint32_t)(era * 400) + year + (date.month <= 2);
    date.hour = (uint32_t)seconds / 3600;
    date.minute = (uint32_t)seconds / 60 % 60;
    date.second = (uint32_t)seconds % 60;
    date.unix_seconds = unix_seconds;
    return date;
}

#endif
