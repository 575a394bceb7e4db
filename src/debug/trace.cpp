// SPDX-License-Identifier: BSD-2-Clause
// trace - tells what drivers do with their devices: `trace=wd0` on the command line, and a command.
// What is recorded, and how, is in hal/trace.h.
#include "debug/tool.h"
#include "hal/driver.h"

namespace {

using monitor::Call, monitor::print;

void start(const BootInfo&)
{
    for (unsigned i = 0; !hal::traced_name(i).empty(); ++i) {
        // Only names of devices that are there can be switched on like that.
        if (!hal::set_trace(hal::traced_name(i), true))
            hal::log("trace: there is no device {}", hal::traced_name(i));
    }
}

Result<void> list()
{
    for (unsigned i = 0; !hal::traced_name(i).empty(); ++i) print("{}\n", hal::traced_name(i));
    if (hal::traced_name(0).empty()) print("nothing is traced\n");
    return {};
}

Result<void> show(Call& call)
{
    hal::show_kept_records(
        [](std::string_view line, void* of) {
            print("{}\n", line);
            return !static_cast<Call*>(of)->stopped();
        },
        &call);
    return {};
}

Result<void> trace(Call& call)
{
    std::string_view name = call.word(), what = call.word();
    TRY(call.end());
    if (name.empty()) return list();
    if (name == "show" && what.empty()) return show(call);
    if (what != "on" && what != "off") return call.fail(Error::invalid, "say {} on, or off", name);
    auto done = hal::set_trace(name, what == "on");
    if (done) return done;
    if (done.error() == Error::not_found)
        return call.fail(done.error(), "{}: {}", name,
                         what == "on" ? "there is no such device" : "it was not traced");
    return call.fail(done.error(), "{}: {}", name, error_text(done.error()));
}

constexpr monitor::Command commands[] = {
    {"trace", "[NAME on|off|show]", "what a driver does with its device", trace,
     "NAME is a device (wd0, com0), or all. Without arguments: what is traced. trace show: the\n"
     "last records again, also those of the console that you are looking at."},
};

}  // namespace

extern const debug::Tool trace_tool = {"trace", start, commands};
