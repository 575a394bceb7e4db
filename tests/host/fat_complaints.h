// SPDX-License-Identifier: BSD-2-Clause
#pragma once
#include <regex>
#include <string>
#include "power_cut.h"

// What may be said of a volume after the power was cut.
inline constexpr const char* harmless[] = {
    "Warning: Filesystem is FAT32 .*\n  but has only .*\n  This may lead.*\n",
    "fsck.fat .*\n",
    "exfatprogs version .*\n",
    "/proc/self/fd/.*: clean. directories.*\n",
    "Dirty bit is set.*\n",
    " Automatically removing dirty bit.\n",
    "There are differences between boot sector and its backup.\n",
    "This is mostly harmless.*\n",
    "  (37|65):01/00\n",
    "  Not automatically fixing this.\n",
    "FATs differ but appear to be intact.\n",
    "  Using first FAT.\n",
    "Reclaimed \\d+ unused clusters? .*\n",
    "Free cluster summary wrong.*\n",
    "  Auto-correcting.\n",
    "Leaving filesystem unchanged.\n",
    "\n?/proc/self/fd/.*: \\d+ files.*\n",
    "/proc/self/fd/.*: corrupted. directories.*\n",
    "/proc/self/fd/.*: files corrupted.*\n",
    // a long name needs several sectors,
    "Orphaned long file name part .*\n  Auto-deleting.\n",
    // an entry of FAT12 two: in between it says that the chain ends
    "Cluster \\d+ out of range \\((38[4-9]|39\\d|40\\d)\\d > .*Setting to EOF.\n",
    // a file's chain that ends behind its size
    "ERROR: .*: more clusters are allocated. truncate to .*\n",
    ("/.*\n  File size is \\d+ bytes, cluster chain length is > \\d+ bytes.\n"
     "  Truncating file to \\d+ bytes.\n"),
};
// Of a rename, moreover: both names are there.
inline constexpr const char* doubled[] = {
    "ERROR: .*: cluster is already allocated for the other file. truncated to 0 bytes.*\n",
    "/.*  and\n/.*\n  share clusters.\n  Truncating second to \\d+ bytes.*\n"
    "(/.*\n  File size is \\d+ bytes, cluster chain length is \\d+ bytes.\n"
    "  Truncating file to \\d+ bytes.\n)?",
};

// What fsck.fat or fsck.exfat says, but for lost space, and that the volume was in use.
inline std::string fat_complaints(const Checked& checked, bool renames)
{
    std::string left = checked.output;
    for (const char* allowed : harmless) left = std::regex_replace(left, std::regex(allowed), "");
    for (const char* allowed : doubled)
        if (renames) left = std::regex_replace(left, std::regex(allowed), "");
    return left.empty() ? "" : checked.output;
}
