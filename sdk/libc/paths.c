/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The current directory, and directories.
 *
 * The kernel knows absolute paths only: "/x" in the root, "ram:/x" in another volume. All others
 * begin at the current directory, which is kept here. /tmp is the volume ram:, if there is one. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libc.h"

struct libc_directory {
    int handle;
    struct dirent entry;
};

static char current[LIBC_MAX_PATH] = "/";

static int is_absolute(const char* path)
{
    return path[strcspn(path, "/:")] == ':' || *path == '/';
}

/* 0, or -1 with ENAMETOOLONG. */
static int join(char to[LIBC_MAX_PATH], const char* one, const char* between, const char* other)
{
    if (strlen(one) + strlen(between) + strlen(other) >= LIBC_MAX_PATH) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(to, one);
    strcat(to, between);
    strcat(to, other);
    return 0;
}

int libc_path(char to[LIBC_MAX_PATH], const char* path)
{
    struct vesper_stat stat;
    if (!*path) return libc_fail(VESPER_NOT_FOUND);
    if (join(to, is_absolute(path) ? "" : current, is_absolute(path) ? "" : "/", path)) return -1;
    const char* name = to + strspn(to, "/");
    if (*to == '/' && !strncmp(name, "tmp", 3) && (name[3] == '/' || !name[3]) &&
        vesper->file->stat("ram:/", &stat) >= 0) {
        char rest[LIBC_MAX_PATH];
        strcpy(rest, name + 3);
        return join(to, "ram:", *rest ? "" : "/", rest);
    }
    return 0;
}

/* Takes ".", ".." and double slashes out of an absolute path. */
static void tidy(char* path)
{
    char* root = path + strcspn(path, "/:");
    if (*root == ':') ++root; /* the first character behind the volume's name */
    char *end = root, *next = root;
    while (*next) {
        char* name = next + strspn(next, "/");
        size_t length = strcspn(name, "/");
        next = name + length;
        if (length == 2 && !memcmp(name, "..", 2)) {
            while (end > root && *--end != '/') {}
        } else if (length && !(length == 1 && *name == '.')) {
            *end++ = '/'; /* at most where a slash was, or the name of "ram:name" begins */
            memmove(end, name, length);
            end += length;
        }
    }
    if (end == root) *end++ = '/';
    *end = 0;
}

int chdir(const char* path)
{
    char to[LIBC_MAX_PATH + 1];
    struct vesper_stat stat;
    if (libc_path(to, path)) return -1;
    char* root = to + strcspn(to, "/:");
    if (*root == ':' && root[1] != '/') { /* "ram:x" is "ram:/x" */
        if (strlen(to) + 1 >= LIBC_MAX_PATH) return libc_fail(VESPER_INVALID);
        memmove(root + 2, root + 1, strlen(root + 1) + 1);
        root[1] = '/';
    }
    int result = vesper->file->stat(to, &stat);
    if (result < 0) return libc_fail(result);
    if (stat.type != VESPER_DIRECTORY) return libc_fail(VESPER_NOT_DIRECTORY);
    tidy(to);
    strcpy(current, to);
    return 0;
}

char* getcwd(char* to, size_t bytes)
{
    if (!to) to = malloc(bytes = bytes ? bytes : LIBC_MAX_PATH);
    if (to && strlen(current) < bytes) return strcpy(to, current);
    errno = to ? ERANGE : ENOMEM;
    return NULL;
}

DIR* opendir(const char* path)
{
    char absolute[LIBC_MAX_PATH];
    struct vesper_stat stat;
    DIR* directory;
    if (libc_path(absolute, path)) return NULL;
    int result = vesper->file->stat(absolute, &stat);
    if (result >= 0 && stat.type != VESPER_DIRECTORY) result = VESPER_NOT_DIRECTORY;
    directory = result >= 0 ? malloc(sizeof *directory) : NULL;
    if (directory) {
        result = directory->handle = vesper->file->open(absolute);
        if (result >= 0) return directory;
        free(directory);
    } else if (result >= 0) {
        result = VESPER_NO_MEMORY;
    }
    libc_fail(result);
    return NULL;
}

struct dirent* readdir(DIR* directory)
{
    static const unsigned char types[] = {DT_REG, DT_DIR, DT_LNK, DT_UNKNOWN};
    struct vesper_entry entry;
    int result = vesper->file->list(directory->handle, &entry);
    if (result < 0) libc_fail(result);
    if (result <= 0) return NULL;
    directory->entry.d_ino = (ino_t)entry.id;
    directory->entry.d_type = types[entry.type & 3];
    memcpy(directory->entry.d_name, entry.name, sizeof entry.name);
    return &directory->entry;
}

void rewinddir(DIR* directory) { vesper->file->seek(directory->handle, 0); }

int closedir(DIR* directory)
{
    int result = vesper->file->close(directory->handle);
    free(directory);
    return result < 0 ? libc_fail(result) : 0;
}
