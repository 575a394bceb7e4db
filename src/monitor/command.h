// SPDX-License-Identifier: BSD-2-Clause
// What a command of the monitor is: a function that gets a Call, and an entry in monitor.cpp's
// table.
#pragma once
#include <cstdint>
#include <string_view>
#include "boot/boot_info.h"
#include "console/console.h"
#include "hal/result.h"
#include "hal/window.h"

namespace monitor {

// Commands show what they have to say; nothing of it goes into the log.
void print_arguments(std::string_view format, std::span<const FormatArgument> arguments);

template <class... Args> void print(Format format, const Args&... args)
{
    std::initializer_list<FormatArgument> list = {args...};
    print_arguments(format, {list.begin(), list.size()});
}

// One line that the operator has typed: "peek.l 0x100 4".
class Call {
public:
    Call(const BootInfo& info, std::string_view line);

    const BootInfo& info() const { return info_; }
    std::string_view line() const { return line_; }      // all of it
    std::string_view name() const { return name_; }      // "peek"
    std::string_view suffix() const { return suffix_; }  // "l"
    unsigned width() const { return suffix_ == "l" ? 4 : suffix_ == "w" ? 2 : 1; }

    // The next argument, "" if there is none. In quotation marks it may contain spaces.
    std::string_view word();
    std::string_view rest();  // all that has not been taken
    // The next argument, in decimal or 0x hexadecimal. Errors: invalid, reported.
    Result<uint32_t> number(const char* what, uint32_t largest = ~0u);
    Result<uint32_t> number_or(uint32_t otherwise, const char* what);
    // Errors: invalid (there is another argument), reported.
    Result<void> end();

    // Shows "peek: why", and passes the error on.
    template <class... Args> Error fail(Error error, Format format, const Args&... args) const
    {
        std::initializer_list<FormatArgument> list = {args...};
        return fail_with(error, format, {list.begin(), list.size()});
    }

    // Asked after each row of what may be long: whether the operator has pressed a key meanwhile.
    // What was typed ahead does not count until a screen is full.
    bool stopped();

private:
    Error fail_with(Error error, std::string_view format,
                    std::span<const FormatArgument> arguments) const;

    const BootInfo& info_;
    std::string_view line_, name_, suffix_, rest_;
    unsigned rows_ = 0;
};

// Decimal, or hexadecimal after 0x. Errors: invalid, too_large.
Result<uint32_t> parse_number(std::string_view text, uint32_t largest);

// One access of 1, 2 or 4 bytes.
uint32_t load(const hal::Window& window, unsigned width);
void store(const hal::Window& window, unsigned width, uint32_t value);

// A row of a dump: up to 16 bytes, as numbers of a width and as text.
void print_row(uint32_t address, std::span<const uint8_t> bytes, unsigned width);

// Text from outside: what could control a terminal is shown as '.'.
void print_text(std::string_view text);

struct Command {
    std::string_view name, arguments, summary;
    Result<void> (*function)(Call& call);
    std::string_view more;
    bool has_width = false;
    bool ends_payload = false;  // one that stands still is given up first
};

// The commands. Their errors have been shown.
Result<void> devices(Call& call);  // hardware.cpp
Result<void> in(Call& call);
Result<void> out(Call& call);
Result<void> pci(Call& call);
Result<void> mem(Call& call);  // memory.cpp
Result<void> peek(Call& call);
Result<void> poke(Call& call);
Result<void> ls(Call& call);  // files.cpp
Result<void> cat(Call& call);
Result<void> load(Call& call);
Result<void> run(Call& call);
Result<void> go(Call& call);

// For those that load a payload. No other is loaded any more; the next one gets these arguments,
// or, where there are none, those of the boot.
void begin_load(const Call& call, std::string_view args);
void call_loaded();

}  // namespace monitor
