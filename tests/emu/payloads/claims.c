/* SPDX-License-Identifier: BSD-2-Clause
 * Claims devices and gives them back: "PASS what" or "FAIL what" for each check. Arguments: the
 * controller of the root, and one that is free, with a disk wd1 that has a file system on wd1p1.
 * Without arguments: all devices but the console's. The last claim is not given back. */
#include "vesper.h"
#include "vesper_text.h"

static struct vesper* v;
static uint8_t before[512], after[512];

static void check(const char* what, int is_so)
{
    vesper_print(v, "%s %s\n", is_so ? "PASS" : "FAIL", what);
}

static int disks_work(int disk, int part)
{
    __builtin_memset(after, 0, sizeof after);
    return v->block->find("wd1") == disk && v->block->find("wd1p1") == part &&
           !(v->block->flags(disk) & VESPER_BLOCK_GONE) &&
           !(v->block->flags(part) & VESPER_BLOCK_GONE) && v->block->read(part, 2, 1, after) == 0 &&
           !__builtin_memcmp(before, after, 512);
}

static void claim_controller(int controller, int disk, int part)
{
    struct vesper_device_info info;
    struct vesper_resource ports;
    uint32_t status = 0;
    check("claim", v->device->claim(controller) == 0);
    check("it is claimed, and nobody else's",
          v->device->info(controller, &info) == 0 && info.claimed && !info.driver[0]);
    check("no second claim", v->device->claim(controller) == VESPER_BUSY);
    check("its disks are gone",
          v->block->flags(disk) & VESPER_BLOCK_GONE && v->block->flags(part) & VESPER_BLOCK_GONE &&
              v->block->read(part, 2, 1, after) == VESPER_GONE && v->file->mount(part) < 0);
    check("its ports answer",
          v->device->resource(controller, 0, &ports) == 0 && ports.kind == VESPER_PORTS &&
              ports.bytes == 8 &&
              v->device->read_port((uint32_t)ports.start + 7, 1, &status) == 0 &&
              (status & 0xc0) == 0x40);
}

static void try_controllers(const char* root, const char* free)
{
    int controller = v->device->find(free), disk = v->block->find("wd1");
    int part = v->block->find("wd1p1");
    struct vesper_device_info info;
    check("the disk can be read", v->block->read(part, 2, 1, before) == 0);
    check("the root's controller is busy", v->device->claim(v->device->find(root)) == VESPER_BUSY);
    check("a mounted disk's controller is busy",
          v->file->mount(part) == 0 && v->device->claim(controller) == VESPER_BUSY);
    check("unmount", v->file->unmount("wd1p1") == 0);
    claim_controller(controller, disk, part);
    check("release", v->device->release(controller) == 0);
    check("the driver has it again", v->device->info(controller, &info) == 0 && !info.claimed &&
                                         info.driver[0] && v->device->find(free) == controller);
    check("no second release", v->device->release(controller) == VESPER_INVALID);
    check("its disks are the same again", disks_work(disk, part));
    check("mount again", v->file->mount(part) == 0 && v->file->unmount("wd1p1") == 0);
    check("claim again", v->device->claim(controller) == 0);
}

/* Each once; then it is all there as before. */
static void try_all(void)
{
    struct vesper_device_info info, again;
    int claimed = 0, same = 1, result;
    for (int device = 0; v->device->info(device, &info) >= 0; ++device) {
        result = v->device->claim(device);
        if (result >= 0) {
            ++claimed;
            result = v->device->release(device);
        }
        same &=
            v->device->info(device, &again) == 0 && !__builtin_memcmp(&info, &again, sizeof info);
        vesper_print(v, "%s: %s\n", info.name, v->debug->error_text(result));
    }
    check("all are as before", same);
    check("most can be claimed", claimed >= 5);
    struct vesper_date date;
    check("the clock goes", v->time->date(&date) == 0);
    vesper_print(v, "type on the line\n");
    check("the line's key", v->key() == 'l');
    vesper_print(v, "type on the keyboard\n");
    check("the keyboard's key", v->key() == 'k');
}

int main(struct vesper* vesper)
{
    char root[16];
    uint32_t length = 0;
    v = vesper;
    while (v->args[length] && v->args[length] != ' ') ++length;
    if (length) {
        vesper_format(root, length + 1 < sizeof root ? length + 1 : sizeof root, "%s", v->args);
        try_controllers(root, v->args + length + 1);
    } else {
        try_all();
    }
    vesper_print(v, "DONE\n");
    return 0;
}
