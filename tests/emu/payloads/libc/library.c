/* SPDX-License-Identifier: BSD-2-Clause
 * Checks what needs no disk: arguments, memory, jumps, numbers as text, time, the end. */
#include <assert.h>
#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "vesper.h"

extern struct vesper* vesper;

static void arguments(int argc, char** argv)
{
    static const char* const expected[] = {"one",  "two words",  "it's",
                                           "a\"b", "back slash", "X=not the environment"};
    CHECK(argc == 7 && !argv[7]);
    for (int i = 0; i < 6; ++i) CHECK(!strcmp(argv[i + 1], expected[i]));
    CHECK(!strcmp(getenv("NAME"), "a value"));
    CHECK(!strcmp(getenv("EMPTY"), ""));
    CHECK(!getenv("X") && !getenv("NAM"));
    CHECK(!setenv("NAME", "another", 1) && !strcmp(getenv("NAME"), "another"));
}

/* Takes all memory in pieces of one size, each written to, and gives it back. Returns the sum. */
static size_t exhaust(size_t piece)
{
    void *last = NULL, *next;
    size_t sum = 0;
    errno = 0;
    while ((next = malloc(piece))) {
        memset(next, 0xa5, piece);
        *(void**)next = last;
        last = next;
        sum += piece;
    }
    CHECK(errno == ENOMEM);
    for (; last; last = next) {
        next = *(void**)last;
        free(last);
    }
    return sum;
}

static void memory(void)
{
    size_t arena = (size_t)((char*)vesper->arena_end - (char*)vesper->arena_start);
    size_t first = exhaust(1 << 20), small = exhaust(5000), again = exhaust(1 << 20);
    CHECK(first > arena / 2 && first < arena);
    CHECK(small > arena / 2 && again + (2 << 20) > first); /* what lies between may move */
    void* volatile none = malloc(0xf0000000u + first % 2);
    CHECK(!none);
    none = calloc(0x10001, 0x10000); /* 4 GiB and a little */
    CHECK(!none);
    char* grown = malloc(10);
    strcpy(grown, "kept");
    grown = realloc(grown, 1 << 20);
    CHECK(!strcmp(grown, "kept"));
    free(grown);
    void* aligned = memalign(4096, 100);
    CHECK(aligned && (uintptr_t)aligned % 4096 == 0);
    free(aligned);
}

static jmp_buf place;
static void leap(int depth)
{
    if (depth == 0) longjmp(place, 0); /* which arrives as 1 */
    leap(depth - 1);
}

static void jumps(void)
{
    volatile int before = 5;
    int come_back = setjmp(place);
    if (!come_back) {
        before = 6;
        leap(100);
    }
    CHECK(come_back == 1 && before == 6);
}

static void text(void)
{
    char line[200];
    int i;
    double d;
    long long l;
    snprintf(line, sizeof line, "%lld %-5d| %05.1f %e %s %#x %zu", -1234567890123LL, 42, 3.14159,
             1e100, "x", 255, sizeof line);
    CHECK(!strcmp(line, "-1234567890123 42   | 003.1 1.000000e+100 x 0xff 200"));
    snprintf(line, sizeof line, "%2$s %1$d", 7, "second");
    CHECK(!strcmp(line, "second 7"));
    CHECK(sscanf("17 -2.5e3 123456789012 word", "%d %lf %lld %s", &i, &d, &l, line) == 4);
    CHECK(i == 17 && d == -2500 && l == 123456789012 && !strcmp(line, "word"));
    /* Exact conversions, both ways. */
    snprintf(line, sizeof line, "%.17g", 0.1);
    CHECK(!strcmp(line, "0.10000000000000001"));
    CHECK(strtod("2.2250738585072012e-308", NULL) == 2.2250738585072014e-308);
    CHECK(strtod("9007199254740993", NULL) == 9007199254740992.0);
    CHECK(strtod("0x1.8p1", NULL) == 3);
    CHECK(strtoull("18446744073709551615", NULL, 10) == UINT64_MAX);
    volatile double tenth = 0.1, three = 3;
    CHECK(tenth * three != 0.3 && tenth * three == 0.30000000000000004); /* 53 bits, not 64 */
    volatile int64_t large = 1LL << 62;
    CHECK(large / 1000003 == 4611672183410);
}

static int compare(const void* a, const void* b) { return *(const int*)a - *(const int*)b; }

static void algorithms(void)
{
    int numbers[1000];
    srand(7);
    for (int i = 0; i < 1000; ++i) numbers[i] = rand() % 5000;
    qsort(numbers, 1000, sizeof(int), compare);
    for (int i = 1; i < 1000; ++i) CHECK(numbers[i - 1] <= numbers[i]);
    CHECK(bsearch(&numbers[500], numbers, 1000, sizeof(int), compare));
}

static void clocks(void)
{
    struct timeval start, end;
    struct timespec nap = {0, 30000000}, mono;
    clock_t ran = clock();
    gettimeofday(&start, NULL);
    CHECK(!nanosleep(&nap, NULL));
    gettimeofday(&end, NULL);
    long us = (end.tv_sec - start.tv_sec) * 1000000 + end.tv_usec - start.tv_usec;
    CHECK(us >= 30000 && us < 5000000);
    CHECK(clock() - ran >= CLOCKS_PER_SEC / 40);
    CHECK(!clock_gettime(CLOCK_MONOTONIC, &mono) && mono.tv_sec < 100);
    time_t now = time(NULL);
    struct tm* parts = gmtime(&now);
    CHECK(parts->tm_year == 131 && parts->tm_mon == 4 && parts->tm_mday == 17); /* the test's PC */
    CHECK(mktime(parts) == now);
    setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
    tzset();
    now = 1908561600; /* 2030-06-24 20:00 UTC */
    CHECK(localtime(&now)->tm_hour == (gmtime(&now)->tm_hour + 2) % 24);
    nap.tv_nsec = -1;
    CHECK(nanosleep(&nap, NULL) == -1 && errno == EINVAL);
}

__attribute__((constructor)) static void early(void) { printf("a constructor, "); }
__attribute__((destructor)) static void late(void) { printf("a destructor\n"); }
static void first(void) { printf("then "); }
static void second(void) { printf("at exit, "); }

int main(int argc, char** argv)
{
    printf("then main\n");
    arguments(argc, argv);
    memory();
    jumps();
    text();
    algorithms();
    clocks();
    CHECK(system(NULL) == 0 && system("ls") == -1 && errno == ENOSYS);
    atexit(first);
    atexit(second);
    printf("%d failed: ", failures);
    return failures ? 1 : 77;
}
