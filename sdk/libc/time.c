/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Time of day: the battery-backed clock's at the start of the program, and from there on the
 * kernel's microseconds. Without a clock, the time since boot: a day in 1970. The clock is taken to
 * run on UTC; the variable TZ says what localtime() makes of it. */
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>
#include <unistd.h>

#include "libc.h"

static uint64_t started_us; /* ticks() when main() was called */
static uint64_t epoch_us;   /* the time of day when ticks() was 0 */

void libc_start_time(void)
{
    struct vesper_date date;
    started_us = vesper->time->ticks();
    if (vesper->time->date(&date) >= 0)
        epoch_us = (uint64_t)date.unix_seconds * 1000000 - started_us;
}

int _gettimeofday(struct timeval* now, void* zone)
{
    uint64_t us = epoch_us + vesper->time->ticks();
    (void)zone;
    if (now) {
        now->tv_sec = (time_t)(us / 1000000);
        now->tv_usec = (suseconds_t)(us % 1000000);
    }
    return 0;
}

LIBC_ALIAS(gettimeofday, _gettimeofday)

int clock_gettime(clockid_t clock, struct timespec* now)
{
    uint64_t us = vesper->time->ticks();
    if (clock == CLOCK_REALTIME) us += epoch_us;
    now->tv_sec = (time_t)(us / 1000000);
    now->tv_nsec = (long)(us % 1000000) * 1000;
    return 0;
}

int clock_getres(clockid_t clock, struct timespec* resolution)
{
    (void)clock;
    *resolution = (struct timespec){0, 1000};
    return 0;
}

/* All time is the program's: there is nobody else. */
clock_t _times(struct tms* times)
{
    uint64_t us = vesper->time->ticks() - started_us;
    clock_t ticks = (clock_t)(us / (1000000 / CLOCKS_PER_SEC));
    if (times) *times = (struct tms){.tms_utime = ticks};
    return ticks;
}
LIBC_ALIAS(times, _times)

int nanosleep(const struct timespec* wanted, struct timespec* left)
{
    if (wanted->tv_sec < 0 || wanted->tv_nsec < 0 || wanted->tv_nsec > 999999999) {
        errno = EINVAL;
        return -1;
    }
    uint64_t us = (uint64_t)wanted->tv_sec * 1000000 + (uint64_t)(wanted->tv_nsec + 999) / 1000;
    int result = vesper->time->sleep(us);
    if (left) *left = (struct timespec){0, 0};
    return result < 0 ? libc_fail(result) : 0;
}
