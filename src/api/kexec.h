// SPDX-License-Identifier: BSD-2-Clause
// Loading and calling the payload.
#pragma once
#include "boot/boot_info.h"
#include "format/format.h"
#include "fs/fs.h"

namespace kexec {

// Mounts the root: root= if it is given, else the first volume that has the payload. Where none has
// it, the first file system becomes the root, and the error is not_found.
// Errors: not_found (why has been logged), and the file system's.
Result<void> mount_root(const BootInfo& info);

// Reads the payload to KEXECADDR, or to where its format wants it. Errors: not_found, is_directory,
// invalid (empty), too_large, the format's and the disk's; why has been logged.
Result<void> load(std::string_view path);
// The same from an image that lies anywhere in the payload's memory; one with a format has to fit
// below itself. Errors: too_large, the format's.
Result<void> load(std::span<const std::byte> image);
void forget();  // no payload is loaded any more
// From KEXECADDR to arena_end; it may be used while no payload runs.
std::span<std::byte> payload_memory();

// Calls what load() has loaded, with the API. Comes back when it returns or faults; either has been
// reported. The payload gets the pointer `args`.
void run(const char* args);

}  // namespace kexec
