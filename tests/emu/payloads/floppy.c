/* SPDX-License-Identifier: BSD-2-Clause
 * Writes a file on fd0, waits for a key while the disk is changed, and syncs; then looks for the
 * file, and makes another one on what is there now. */
#include "vesper.h"
#include "vesper_text.h"

static void say(struct vesper* v, const char* what, int result)
{
    vesper_print(v, "%s: %s\n", what, v->debug->error_text(result < 0 ? result : 0));
}

static int make(struct vesper* v, const char* path)
{
    int file = v->file->open_as(path, VESPER_OPEN_WRITE | VESPER_OPEN_CREATE);
    if (file < 0) return file;
    int result = v->file->write(file, "text", 4);
    v->file->close(file);
    return result;
}

int main(struct vesper* v)
{
    struct vesper_stat stat;
    say(v, "before", make(v, "fd0:/before"));
    vesper_print(v, "written\n");
    v->key();
    say(v, "sync", v->file->sync());
    say(v, "look", v->file->stat("fd0:/before", &stat));
    say(v, "made", make(v, "fd0:/after"));
    say(v, "synced", v->file->sync());
    vesper_print(v, "done\n");
    return 0;
}
