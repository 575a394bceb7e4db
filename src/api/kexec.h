// SPDX-License-Identifier: BSD-2-Clause
// Loading and calling the payload.
#pragma once
#include "boot/boot_info.h"
#include "fs/fs.h"

namespace kexec {

// Mounts the root: root= if it is given, else the first volume that has the payload. Where none has
// it, the first file system becomes the root, and the error is not_found.
// Errors: not_found (why has been logged), and the file system's.
Result<void> mount_root(const BootInfo& info);

// Reads the payload to KEXECADDR. Errors: not_found, is_directory, invalid (empty), too_large, and
// the disk's; why has been logged.
Result<void> load(std::string_view path);

// Calls what load() has loaded, with the API. Comes back when it returns or faults; either has been
// reported. The payload gets the pointer `args`.
void run(const char* args);

}  // namespace kexec
