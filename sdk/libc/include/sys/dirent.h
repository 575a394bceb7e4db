/* SPDX-License-Identifier: BSD-2-Clause
 * Directories, for <dirent.h>. */
#ifndef VESPER_SYS_DIRENT_H
#define VESPER_SYS_DIRENT_H

#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MAXNAMLEN 767
#define DT_UNKNOWN 0
#define DT_DIR 4
#define DT_REG 8
#define DT_LNK 10

struct dirent {
    ino_t d_ino;
    unsigned char d_type;
    char d_name[MAXNAMLEN + 1];
};

typedef struct libc_directory DIR;

DIR* opendir(const char* path);
struct dirent* readdir(DIR* directory);
void rewinddir(DIR* directory);
int closedir(DIR* directory);

#ifdef __cplusplus
}
#endif

#endif
