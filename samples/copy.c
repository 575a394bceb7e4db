/* SPDX-License-Identifier: BSD-2-Clause
 * copy - copies a file so that it is there whole or not at all, and shows the volumes.
 *
 *   ./vesper run samples/copy.c
 *   ./vesper run samples/copy.c --append 'args=kexec ram:/kept/kernel'
 *
 * The copy gets another name at first and takes the place of an older one when it is complete. It
 * shows file->volume, make_directory, open_as, write, stat_file, set_modified, rename, remove and
 * sync. */
#include "vesper.h"
#include "vesper_text.h"

static char from[256] = "/kexec", to[256] = "ram:/copies/kexec", unfinished[260];

static void list_volumes(const struct vesper* vesper)
{
    struct vesper_volume volume;
    for (uint32_t i = 0; vesper->file->volume(i, &volume) >= 0; ++i)
        vesper_print(vesper, "%s:%s %s, %llu of %llu bytes free%s\n", volume.name,
                     volume.is_root ? " the root," : "", volume.type, volume.free_bytes,
                     volume.bytes, volume.read_only ? ", read only" : "");
}

/* Takes two paths from args, if they are there. */
static void take_arguments(const char* args)
{
    uint32_t length = 0;
    while (args[length] && args[length] != ' ') ++length;
    if (!args[length]) return;
    vesper_format(from, length + 1 < sizeof from ? length + 1 : sizeof from, "%s", args);
    while (args[length] == ' ') ++length;
    vesper_format(to, sizeof to, "%s", args + length);
}

/* Makes the directory that `path` is to be in. One that is there already is as good. */
static int make_directory_of(const struct vesper* vesper, const char* path)
{
    char directory[256];
    uint32_t length = vesper_format(directory, sizeof directory, "%s", path);
    while (length && directory[length - 1] != '/') --length;
    if (length < 2 || directory[length - 2] == ':') return 0; /* the volume's root */
    directory[length - 1] = 0;
    int error = vesper->file->make_directory(directory);
    return error == VESPER_EXISTS ? 0 : error;
}

/* Reads one open file to its end and writes that to another. Returns 0 or an error. */
static int copy_open(const struct vesper* vesper, int source, int copy)
{
    static char piece[65536];
    int bytes;
    while ((bytes = vesper->file->read(source, piece, sizeof piece)) > 0) {
        int written = vesper->file->write(copy, piece, (uint32_t)bytes);
        if (written != bytes) return written < 0 ? written : VESPER_NO_SPACE;
    }
    return bytes;
}

static int copy_file(const struct vesper* vesper)
{
    struct vesper_stat stat;
    int source = vesper->file->open(from), copy, error;
    if (source < 0) return source;
    vesper->file->stat_file(source, &stat);
    error = make_directory_of(vesper, to);
    copy = error < 0 ? error
                     : vesper->file->open_as(unfinished, VESPER_OPEN_WRITE | VESPER_OPEN_CREATE |
                                                             VESPER_OPEN_TRUNCATE);
    error = copy < 0 ? copy : copy_open(vesper, source, copy);
    vesper->file->close(source);
    if (copy < 0) return error;
    vesper->file->close(copy);
    if (error >= 0) error = vesper->file->set_modified(unfinished, stat.modified);
    if (error >= 0) error = vesper->file->rename(unfinished, to);
    if (error < 0) vesper->file->remove(unfinished);
    return error;
}

int main(struct vesper* vesper)
{
    struct vesper_stat stat;
    int error;

    take_arguments(vesper->args);
    vesper_format(unfinished, sizeof unfinished, "%s.new", to);
    error = copy_file(vesper);
    if (error >= 0) error = vesper->file->sync(); /* now it is on the medium */
    if (error >= 0) error = vesper->file->stat(to, &stat);
    if (error < 0)
        vesper_print(vesper, "%s to %s: %s\n", from, to, vesper->debug->error_text(error));
    else
        vesper_print(vesper, "%s to %s: %llu bytes\n", from, to, stat.bytes);
    list_volumes(vesper);
    return error;
}
