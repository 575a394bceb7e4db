/* SPDX-License-Identifier: BSD-2-Clause
 * list - all that is below a directory of the root, with type, size and date.
 *
 *   ./vesper run samples/list.c --root docs
 *   ./vesper run samples/list.c --root src --append args=drivers/serial
 *
 * It shows file->stat, open, list and close, and how an error gets its text. */
#include "vesper.h"
#include "vesper_text.h"

static char path[1024];
static uint32_t counts[4]; /* by enum vesper_file_type */
static uint64_t all_bytes;

static int complain(const struct vesper* vesper, int error)
{
    vesper_print(vesper, "%s: %s\n", path, vesper->debug->error_text(error));
    return error;
}

static void show(const struct vesper* vesper, const struct vesper_stat* stat)
{
    struct vesper_date date = vesper_date_of(stat->modified);
    vesper_print(vesper, "%c %12llu %04u-%02u-%02u %02u:%02u  %s\n", "-dl?"[stat->type & 3],
                 (unsigned long long)stat -> bytes, date.year, date.month, date.day, date.hour,
                 date.minute, path);
    ++counts[stat->type & 3];
    all_bytes += stat->type == VESPER_FILE ? stat->bytes : 0;
}

/* Lists the directory whose path is the first `length` characters of `path`. */
static int list(const struct vesper* vesper, uint32_t length)
{
    static struct vesper_entry entry; /* large, and of no use once its name is in the path */
    struct vesper_stat stat;
    int directory = vesper->file->open(path);
    int result = directory;

    if (directory < 0) return complain(vesper, directory);
    while ((result = vesper->file->list(directory, &entry)) > 0) {
        uint32_t end = length + vesper_format(path + length, sizeof path - length, "%s%s",
                                              length ? "/" : "", entry.name);
        if (entry.type == VESPER_LINK) { /* stat() would tell of what it leads to */
            vesper_print(vesper, "l %12s %16s  %s\n", "", "", path);
            ++counts[VESPER_LINK];
        } else if ((result = vesper->file->stat(path, &stat)) < 0) {
            complain(vesper, result);
        } else {
            show(vesper, &stat);
            if (stat.type == VESPER_DIRECTORY) list(vesper, end);
        }
        path[length] = 0;
    }
    vesper->file->close(directory);
    return result < 0 ? complain(vesper, result) : 0;
}

int main(struct vesper* vesper)
{
    uint32_t length = vesper_format(path, sizeof path, "%s", vesper->args);
    while (length && path[length - 1] == '/') path[--length] = 0;
    int result = list(vesper, length);
    vesper_print(vesper, "%u files, %llu bytes; %u directories, %u links, %u others\n",
                 counts[VESPER_FILE], (unsigned long long)all_bytes, counts[VESPER_DIRECTORY],
                 counts[VESPER_LINK], counts[VESPER_OTHER]);
    return result;
}
