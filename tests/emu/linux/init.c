/* SPDX-License-Identifier: BSD-2-Clause
 * Linux's /init in tests: mounts the volumes that the kernel's command line names, read-only, and
 * says what is on them: `volumes=DEVICE/TYPE/OPTIONS,...`. A line for each name: device, what it is
 * (f, d, l), mode, links, size, seconds of its time, the CRC-32 of its content (beyond 4 GiB: of
 * its last 4 KiB), its path, and where a link leads; and one for what is free on a device. The
 * modules to load are in /modules, in order. */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

static const char* device;

static uint32_t crc_table[256];

static void make_crc_table(void)
{
    for (uint32_t i = 0; i < 256; ++i) {
        crc_table[i] = i;
        for (int bit = 0; bit < 8; ++bit)
            crc_table[i] = crc_table[i] >> 1 ^ (crc_table[i] & 1 ? 0xedb88320 : 0);
    }
}

static uint32_t crc_of(const char* path, off_t size)
{
    static uint8_t data[65536];
    uint32_t crc = ~0u;
    int file = open(path, O_RDONLY);
    ssize_t bytes;
    if (size >> 32) lseek(file, -4096, SEEK_END);
    while ((bytes = read(file, data, sizeof data)) > 0) {
        for (ssize_t i = 0; i < bytes; ++i) crc = crc >> 8 ^ crc_table[(crc ^ data[i]) & 255];
    }
    if (bytes < 0) printf("FAIL %s: %m\n", path);
    close(file);
    return ~crc;
}

static void show(const char* path)
{
    struct stat status;
    char target[PATH_MAX] = "";
    if (lstat(path, &status)) {
        printf("FAIL %s: %m\n", path);
        return;
    }
    int is_file = S_ISREG(status.st_mode), is_folder = S_ISDIR(status.st_mode);
    if (S_ISLNK(status.st_mode) && readlink(path, target, sizeof target - 1) < 0)
        printf("FAIL %s: %m\n", path);
    printf("%s %c %o %u %lld %lld %08x %s>%s\n", device, "lfd"[is_file + 2 * is_folder],
           status.st_mode & 07777, (unsigned)status.st_nlink, (long long)status.st_size,
           (long long)status.st_mtime, is_file ? crc_of(path, status.st_size) : 0,
           path + strlen("/mnt"), target);
    if (!is_folder) return;
    DIR* folder = opendir(path);
    for (struct dirent* entry; folder && (entry = readdir(folder));) {
        char below[PATH_MAX];
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
        show(below);
    }
    if (!folder || closedir(folder)) printf("FAIL %s: %m\n", path);
}

static void load_modules(void)
{
    char name[256];
    FILE* list = fopen("/modules", "r");
    while (list && fgets(name, sizeof name, list)) {
        name[strcspn(name, "\n")] = 0;
        int module = open(name, O_RDONLY);
        if (syscall(SYS_finit_module, module, "", 0)) printf("FAIL %s: %m\n", name);
        close(module);
    }
}

static void show_volume(char* words)
{
    char node[64];
    device = strsep(&words, "/");
    const char* type = strsep(&words, "/");
    snprintf(node, sizeof node, "/dev/%s", device);
    for (int tries = 0; access(node, F_OK) && tries < 1000; ++tries) usleep(20000);
    if (mount(node, "/mnt", type, MS_RDONLY, words)) {
        printf("FAIL mounting %s as %s: %m\n", device, type);
        return;
    }
    show("/mnt");
    struct statvfs space;
    if (statvfs("/mnt", &space)) printf("FAIL %s: %m\n", device);
    printf("%s free %llu\n", device, (unsigned long long)space.f_bfree * space.f_frsize);
    umount("/mnt");
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    mount("dev", "/dev", "devtmpfs", 0, "");
    load_modules();
    make_crc_table();
    char* list = getenv("volumes");
    while (list && *list) show_volume(strsep(&list, ","));
    puts("ALL SHOWN");
    tcdrain(STDOUT_FILENO); /* before the kernel says on the same line that it ends */
    reboot(RB_POWER_OFF);
    return 0;
}
