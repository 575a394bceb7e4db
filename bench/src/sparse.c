/* SPDX-License-Identifier: BSD-2-Clause
 * For LD_PRELOAD: what a program writes of zeros becomes holes. makefs would fill a disk with
 * them. */
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

ssize_t write(int file, const void* bytes, size_t length)
{
    static const char zeros[64];
    if (length >= 4096 && !memcmp(bytes, zeros, sizeof zeros) &&
        !memcmp(bytes, (const char*)bytes + sizeof zeros, length - sizeof zeros) &&
        lseek(file, (off_t)length, SEEK_CUR) >= 0)
        return (ssize_t)length;
    return syscall(SYS_write, file, bytes, length);
}
