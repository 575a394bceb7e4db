/* SPDX-License-Identifier: BSD-2-Clause
 * volumes - the disks, and what is on them: file systems, labels, free space. A disk that is named
 * is given back: unmounted and, if it has a tray, ejected.
 *
 *   ./vesper run samples/volumes.c
 *   ./vesper run samples/volumes.c --append args=cd0 -- -cdrom disc.iso
 *
 * Only what is mounted is read. It shows block->count, info, flags and eject, file->mount, volume,
 * set_cache and unmount. */
#include "vesper.h"
#include "vesper_text.h"

/* One line for each disk and partition. What has a file system is mounted: that writes nothing. */
static void show_disks(const struct vesper* vesper)
{
    static const char* const flags[] = {"read-only", "removable", "gone", "mounted", "the root"};
    struct vesper_block_info info;
    for (int device = 0; vesper->block->info(device, &info) >= 0; ++device) {
        int mounted = vesper->file->mount(device), set = vesper->block->flags(device);
        vesper_print(vesper, "%-8s %12llu bytes", info.name, info.blocks * info.block_bytes);
        for (uint32_t i = 0; i < 5; ++i) {
            if (set >> i & 1) vesper_print(vesper, ", %s", flags[i]);
        }
        if (mounted < 0 && mounted != VESPER_EXISTS)
            vesper_print(vesper, ", %s", vesper->debug->error_text(mounted));
        vesper_print(vesper, "\n");
    }
}

static void show_volumes(const struct vesper* vesper)
{
    struct vesper_volume volume;
    for (uint32_t i = 0; vesper->file->volume(i, &volume) >= 0; ++i)
        vesper_print(vesper, "%s: %s \"%s\", %llu of %llu bytes free\n", volume.name, volume.type,
                     volume.label, volume.free_bytes, volume.bytes);
}

/* All that was written to it is on it then, and the kernel has forgotten it. */
static int give_back(const struct vesper* vesper, const char* name)
{
    int device = vesper->block->find(name);
    if (device < 0) return device;
    int result = vesper->file->set_cache(name, 0); /* no more than it needs */
    if (result >= 0) result = vesper->file->unmount(name);
    if (result >= 0 && vesper->block->flags(device) & VESPER_BLOCK_REMOVABLE)
        result = vesper->block->eject(device);
    return result == VESPER_UNSUPPORTED ? 0 : result; /* that one is taken out by hand */
}

int main(struct vesper* vesper)
{
    show_disks(vesper);
    show_volumes(vesper);
    if (!vesper->args[0]) return 0;
    int result = give_back(vesper, vesper->args);
    vesper_print(vesper, "%s is given back: %s\n", vesper->args, vesper->debug->error_text(result));
    return result;
}
