// SPDX-License-Identifier: BSD-2-Clause
// The boot images of a CD: Phoenix and IBM, "El Torito" Bootable CD-ROM Format Specification 1.0.
#pragma once
#include "hal/classes.h"

extern const bool config_has_el_torito;  // of the configuration

struct BootImage {
    uint64_t first = 0, bytes = 0;  // where on the disk, in bytes
    const char* type = nullptr;
};
// Those that may hold a file system: floppies, the partition of a hard disk's image, and EFI's
// images. How many there are. What is damaged is logged.
size_t find_boot_images(BlockDevice& disk, std::span<BootImage> images);
