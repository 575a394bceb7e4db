// SPDX-License-Identifier: BSD-2-Clause
// What a configuration file of conf/ puts into the kernel; the build writes the tables from it.
#pragma once
#include <span>
#include "debug/tool.h"
#include "format/format.h"
#include "fs/fs.h"
#include "hal/driver.h"

struct BusDriver {
    const char* name;
    // Finds the bus's devices and offers each to these drivers, if it has none yet.
    void (*scan)(Device& root, std::span<const Driver* const> drivers);
    bool early = false;  // also scanned for the consoles, before there is memory or a clock
};

extern const char* const config_name;
extern const bool config_can_write;  // false leaves out all that only writing to file systems needs
extern std::span<const BusDriver* const> config_buses;
extern std::span<const Driver* const> config_drivers;
extern std::span<const fs::FileSystemDriver* const> config_file_systems;
extern std::span<const debug::Tool* const> config_tools;
extern std::span<const kexec::Format* const> config_formats;
