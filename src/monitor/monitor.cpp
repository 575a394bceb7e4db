// SPDX-License-Identifier: BSD-2-Clause
#include "monitor/monitor.h"
#include "arch/power.h"
#include "arch/trap.h"
#include "config.h"
#include "debug/stop.h"
#include "monitor/command.h"
#include "monitor/line_editor.h"

namespace monitor {

namespace {

Result<void> help(Call& call);

Result<void> dmesg(Call& call)
{
    TRY(call.end());
    auto [older, newer] = console::log_text();
    console::write(older);
    console::write(newer);
    return {};
}

Result<void> reboot(Call& call)
{
    TRY(call.end());
    power::reset();
}

Result<void> off(Call& call)
{
    TRY(call.end());
    Error error = power::off().error();
    return call.fail(error, "the machine cannot switch itself off: {}", error_text(error));
}

constexpr Command commands[] = {
    {"help", "[COMMAND]", "all commands, or more about one", help,
     "Numbers are decimal, or hexadecimal after 0x. An argument with spaces goes in \"\".\n"
     "A key ends what is longer than the screen."},
    {"dmesg", "", "what the kernel has said since it was started", dmesg,
     "The last 16 KiB of it are kept."},
    {"ls", "[PATH]", "the files of a folder", ls,
     "Without PATH: of the root's. ram:/, wd0p1:/ and so on are other volumes."},
    {"cat", "PATH", "what is in a file", cat, "What is not text is shown as a dot."},
    {"run", "[PATH [ARGS...]]", "load the payload anew, and call it", run,
     "Without PATH: the one of the boot (kexec=, else /kexec). Without ARGS: its args= too.", false,
     true},
    {"load", "PATH [ARGS...]", "load a payload, and do not call it", load, "go calls it.", false,
     true},
    {"go", "", "let what stands still go on", go, "Or call what load has loaded."},
    {"reboot", "", "start the machine anew", reboot,
     "What was written to files is on the disks first."},
    {"off", "", "switch the machine off", off, "ACPI does it, where there is such a thing."},
};

const Command* find(std::string_view name, std::span<const Command> among)
{
    for (const Command& command : among) {
        if (command.name == name) return &command;
    }
    return nullptr;
}

const Command* find(std::string_view name)
{
    const Command* found = find(name, commands);
    for (const debug::Tool* tool : config_tools) {
        if (!found) found = find(name, tool->commands);
    }
    return found;
}

Text<48> usage(const Command& command)
{
    Text<48> text(command.name);
    if (command.has_width) text.append("[.w|.l]");
    if (!command.arguments.empty()) text.append(' ').append(command.arguments);
    return text;
}

void list(std::span<const Command> some)
{
    for (const Command& command : some)
        print("  {-28} {}\n", usage(command).view(), command.summary);
}

Result<void> help(Call& call)
{
    std::string_view name = call.word();
    TRY(call.end());
    if (name.empty()) {
        list(commands);
        for (const debug::Tool* tool : config_tools) list(tool->commands);
        return {};
    }
    const Command* command = find(name);
    if (!command) return call.fail(Error::not_found, "{}: there is no such command", name);
    print("{}: {}.\n{}\n", usage(*command).view(), command->summary, command->more);
    return {};
}

bool has_suffix(const Command& command, std::string_view suffix)
{
    return suffix.empty() ||
           (command.has_width && (suffix == "b" || suffix == "w" || suffix == "l"));
}

constinit LineEditor editor;
constinit const BootInfo* boot_info = nullptr;
constinit std::string_view put_off;  // a line for the outermost prompt

// All that was called is given up, and the command is the outermost prompt's.
void begin_again(Call& call)
{
    if (!debug::can_abandon()) {
        print("{}: not while the kernel itself stands still\n", call.name());
        return;
    }
    put_off = call.line();
    debug::abandon();
}

uint32_t execute(void* argument)
{
    auto& call = *static_cast<Call*>(argument);
    const Command* command = find(call.name());
    if (!command)
        print("{}: there is no such command; help lists them\n", call.name());
    else if (!has_suffix(*command, call.suffix()))
        print("{}.{}: it is {}\n", call.name(), call.suffix(), usage(*command).view());
    else if (command->ends_payload && debug::stopped_frame())
        begin_again(call);
    else
        (void)command->function(call);  // it has said what went wrong
    return 0;
}

void take_command()
{
    console::begin_anew();
    std::string_view line = std::exchange(put_off, {});
    Call call(*boot_info, line.empty() ? editor.read("vesper> ") : line);
    uint32_t result;
    if (!call.name().empty()) call_protected(execute, &call, result);
}

}  // namespace

void set_boot_info(const BootInfo& info) { boot_info = &info; }

void run()
{
    if (put_off.empty()) {
        console::begin_anew();
        console::write("This is the monitor. Type help for its commands.\n");
    }
    for (;;) take_command();
}

void stand_still()
{
    while (!debug::going()) take_command();
    editor.begin();
}

}  // namespace monitor
