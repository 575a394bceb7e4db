/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Files by number, as POSIX has them, on the kernel's file table. 0, 1 and 2 are the console. */
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libc.h"

#define FILES 35 /* the kernel's 32, and the console's three */

enum kind { CLOSED, CONSOLE, ORDINARY };
static struct descriptor {
    enum kind kind;
    int handle; /* the kernel's */
    int flags;  /* of open() */
} files[FILES] = {{CONSOLE, 0, O_RDONLY}, {CONSOLE, 0, O_WRONLY}, {CONSOLE, 0, O_WRONLY}};

/* Null with EBADF if it is not open. */
static struct descriptor* descriptor_of(int file)
{
    if (file >= 0 && file < FILES && files[file].kind) return &files[file];
    errno = EBADF;
    return NULL;
}

static struct descriptor* ordinary_file(int file)
{
    struct descriptor* found = descriptor_of(file);
    if (!found || found->kind == ORDINARY) return found;
    errno = EINVAL;
    return NULL;
}

static int result_of(int result) { return result < 0 ? libc_fail(result) : result; }

/* Calls `call` with the absolute path. */
static int with_path(int (*call)(const char*), const char* path)
{
    char absolute[LIBC_MAX_PATH];
    return libc_path(absolute, path) ? -1 : result_of(call(absolute));
}

static int with_paths(int (*call)(const char*, const char*), const char* one, const char* other)
{
    char from[LIBC_MAX_PATH], to[LIBC_MAX_PATH];
    return libc_path(from, one) || libc_path(to, other) ? -1 : result_of(call(from, to));
}

/* ---- open files */

int _open(const char* path, int flags, ...)
{
    char absolute[LIBC_MAX_PATH];
    static const uint32_t modes[] = {VESPER_OPEN_READ, VESPER_OPEN_WRITE,
                                     VESPER_OPEN_READ | VESPER_OPEN_WRITE};
    int file = 0, handle;
    while (file < FILES && files[file].kind) ++file;
    if (file == FILES) {
        errno = EMFILE;
        return -1;
    }
    if (libc_path(absolute, path)) return -1;
    if ((flags & O_ACCMODE) == O_ACCMODE) return libc_fail(VESPER_INVALID);
    uint32_t how = modes[flags & O_ACCMODE];
    if (flags & O_CREAT) how |= VESPER_OPEN_CREATE;
    if (flags & O_EXCL) how |= VESPER_OPEN_EXCLUSIVE;
    if (flags & O_TRUNC) how |= VESPER_OPEN_TRUNCATE;
    if (flags & O_APPEND) how |= VESPER_OPEN_APPEND;
    handle = how == VESPER_OPEN_READ ? vesper->file->open(absolute)
                                     : vesper->file->open_as(absolute, how);
    if (handle < 0) return libc_fail(handle);
    files[file] = (struct descriptor){ORDINARY, handle, flags};
    return file;
}
LIBC_ALIAS(open, _open)

int _close(int file)
{
    struct descriptor* closing = descriptor_of(file);
    if (!closing) return -1;
    int result = closing->kind == ORDINARY ? vesper->file->close(closing->handle) : 0;
    closing->kind = CLOSED;
    return result_of(result);
}
LIBC_ALIAS(close, _close)

ssize_t _read(int file, void* to, size_t bytes)
{
    struct descriptor* from = descriptor_of(file);
    if (!from) return -1;
    if ((from->flags & O_ACCMODE) == O_WRONLY) {
        errno = EBADF;
        return -1;
    }
    if (from->kind == CONSOLE) return libc_read_console(to, bytes);
    return result_of(vesper->file->read(from->handle, to, bytes));
}
LIBC_ALIAS(read, _read)

ssize_t _write(int file, const void* from, size_t bytes)
{
    struct descriptor* to = descriptor_of(file);
    if (!to) return -1;
    if ((to->flags & O_ACCMODE) == O_RDONLY) {
        errno = EBADF;
        return -1;
    }
    if (to->kind == CONSOLE) return libc_write_console(from, bytes);
    int written = vesper->file->write(to->handle, from, bytes);
    if (written == 0 && bytes) written = VESPER_NO_SPACE;
    return result_of(written);
}
LIBC_ALIAS(write, _write)

off_t _lseek(int file, off_t offset, int from)
{
    struct descriptor* moved = descriptor_of(file);
    uint64_t base = 0;
    int result = 0;
    if (!moved) return -1;
    if (moved->kind == CONSOLE) {
        errno = ESPIPE;
        return -1;
    }
    if (from == SEEK_CUR) result = vesper->file->position(moved->handle, &base);
    if (from == SEEK_END) result = vesper->file->length(moved->handle, &base);
    if (result < 0) return libc_fail(result);
    int64_t position = (int64_t)base + offset;
    if (position < 0 || position > LONG_MAX || from < 0 || from > SEEK_END) {
        errno = position > LONG_MAX ? EOVERFLOW : EINVAL;
        return -1;
    }
    result = vesper->file->seek(moved->handle, (uint64_t)position);
    return result < 0 ? libc_fail(result) : (off_t)position;
}
LIBC_ALIAS(lseek, _lseek)

int ftruncate(int file, off_t length)
{
    struct descriptor* cut = ordinary_file(file);
    if (!cut) return -1;
    if (length < 0) return libc_fail(VESPER_INVALID);
    return result_of(vesper->file->truncate(cut->handle, (uint64_t)length));
}

int truncate(const char* path, off_t length)
{
    int file = _open(path, O_WRONLY);
    if (file < 0) return -1;
    int result = ftruncate(file, length), why = errno;
    _close(file);
    errno = why;
    return result;
}

int fsync(int file) { return ordinary_file(file) ? result_of(vesper->file->sync()) : -1; }

void sync(void) { vesper->file->sync(); }

int _isatty(int file)
{
    struct descriptor* asked = descriptor_of(file);
    if (asked && asked->kind == CONSOLE) return 1;
    if (asked) errno = ENOTTY;
    return 0;
}
LIBC_ALIAS(isatty, _isatty)

int _fcntl(int file, int command, int argument)
{
    struct descriptor* asked = descriptor_of(file);
    (void)argument;
    if (!asked) return -1;
    if (command == F_GETFL) return asked->flags;
    if (command == F_SETFL || command == F_GETFD || command == F_SETFD) return 0;
    errno = EINVAL;
    return -1;
}
extern int fcntl(int file, int command, ...) __attribute__((weak, alias("_fcntl")));

/* ---- what is known of files */

static int fill_in(struct stat* to, int result, const struct vesper_stat* from)
{
    static const mode_t types[] = {S_IFREG, S_IFDIR, S_IFLNK, S_IFCHR};
    if (result < 0) return libc_fail(result);
    memset(to, 0, sizeof *to);
    to->st_mode = types[from->type & 3] | (from->mode & 07777);
    to->st_ino = (ino_t)from->id;
    to->st_nlink = 1;
    to->st_size = from->bytes > LONG_MAX ? LONG_MAX : (off_t)from->bytes;
    to->st_blksize = 4096;
    to->st_blocks = (blkcnt_t)((from->bytes + 511) / 512);
    to->st_mtime = to->st_atime = to->st_ctime = (time_t)from->modified;
    return 0;
}

int _fstat(int file, struct stat* to)
{
    struct vesper_stat stat = {.type = VESPER_OTHER, .mode = 0620};
    struct descriptor* asked = descriptor_of(file);
    if (!asked) return -1;
    if (asked->kind == CONSOLE) return fill_in(to, 0, &stat);
    return fill_in(to, vesper->file->stat_file(asked->handle, &stat), &stat);
}
LIBC_ALIAS(fstat, _fstat)

int _stat(const char* path, struct stat* to)
{
    struct vesper_stat stat;
    char absolute[LIBC_MAX_PATH];
    if (libc_path(absolute, path)) return -1;
    return fill_in(to, vesper->file->stat(absolute, &stat), &stat);
}
LIBC_ALIAS(stat, _stat)

int lstat(const char* path, struct stat* to)
{
    struct vesper_stat stat;
    char absolute[LIBC_MAX_PATH];
    if (libc_path(absolute, path)) return -1;
    return fill_in(to, vesper->file->stat_link(absolute, &stat), &stat);
}

int access(const char* path, int mode)
{
    struct stat stat;
    (void)mode; /* nothing is forbidden */
    return _stat(path, &stat);
}

/* ---- names of files */

int _unlink(const char* path) { return with_path(vesper->file->remove, path); }
LIBC_ALIAS(unlink, _unlink)

int rmdir(const char* path)
{
    struct stat stat;
    if (lstat(path, &stat)) return -1;
    return S_ISDIR(stat.st_mode) ? _unlink(path) : libc_fail(VESPER_NOT_DIRECTORY);
}

int _mkdir(const char* path, mode_t mode)
{
    (void)mode;
    return with_path(vesper->file->make_directory, path);
}
LIBC_ALIAS(mkdir, _mkdir)

int _rename(const char* from, const char* to) { return with_paths(vesper->file->rename, from, to); }

int _link(const char* path, const char* name) { return with_paths(vesper->file->link, path, name); }
LIBC_ALIAS(link, _link)

int symlink(const char* target, const char* path)
{
    char absolute[LIBC_MAX_PATH];
    return libc_path(absolute, path) ? -1 : result_of(vesper->file->make_link(absolute, target));
}

ssize_t readlink(const char* path, char* to, size_t bytes)
{
    char absolute[LIBC_MAX_PATH], target[LIBC_MAX_PATH];
    if (libc_path(absolute, path)) return -1;
    int length = vesper->file->read_link(absolute, target, sizeof target);
    if (length < 0) return libc_fail(length);
    if ((size_t)length > bytes) length = (int)bytes;
    memcpy(to, target, (size_t)length);
    return length;
}

int chmod(const char* path, mode_t mode)
{
    char absolute[LIBC_MAX_PATH];
    return libc_path(absolute, path) ? -1 : result_of(vesper->file->set_mode(absolute, mode));
}
