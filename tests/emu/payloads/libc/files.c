/* SPDX-License-Identifier: BSD-2-Clause
 * Checks files and directories: those of the root, read; and in ram:, made, written and removed. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

static char text[65536];

static void reading(void)
{
    struct stat stat_of;
    char line[100];
    FILE* file = fopen("/folder/numbers", "r");
    int sum = 0, number;
    CHECK(file != NULL);
    while (fscanf(file, "%d", &number) == 1) sum += number;
    CHECK(sum == 500500 && feof(file) && !ferror(file));
    CHECK(!fseek(file, 2, SEEK_SET) && fgets(line, 100, file) && !strcmp(line, "2\n"));
    CHECK(ftell(file) == 4 && !fseek(file, -5, SEEK_END) && fgets(line, 100, file));
    CHECK(!strcmp(line, "1000\n") && fgetc(file) == EOF);
    CHECK(!fclose(file));
    CHECK(!stat("/folder/numbers", &stat_of) && S_ISREG(stat_of.st_mode) &&
          stat_of.st_size == 3893);
    CHECK(!stat("folder", &stat_of) && S_ISDIR(stat_of.st_mode));
    CHECK(stat("/none", &stat_of) == -1 && errno == ENOENT);
    CHECK(!fopen("/none", "r") && errno == ENOENT);
    CHECK(!fopen("/folder/numbers/x", "r") && errno == ENOTDIR);
    CHECK(open("/folder", O_RDONLY) >= 0 && read(3, line, 10) == -1 && errno == EISDIR &&
          !close(3));
    CHECK(read(3, line, 10) == -1 && errno == EBADF);
}

static void writing(void)
{
    char back[100];
    struct stat stat_of;
    FILE* file = fopen("ram:/one", "w+");
    CHECK(file != NULL);
    for (int i = 0; i < 10000; ++i) CHECK(fprintf(file, "line %d\n", i) > 6);
    rewind(file);
    for (int i = 0, n; i < 10000; ++i) CHECK(fscanf(file, "line %d\n", &n) == 1 && n == i);
    CHECK(!fseek(file, 5, SEEK_SET) && fputc('X', file) == 'X' && !fclose(file));
    file = fopen("ram:/one", "a");
    CHECK(fputs("the end", file) >= 0 && !fclose(file));
    file = fopen("ram:/one", "r");
    CHECK(fgets(back, 100, file) && !strcmp(back, "line X\n"));
    CHECK(!fseek(file, -7, SEEK_END) && fgets(back, 100, file) && !strcmp(back, "the end"));
    CHECK(fputc('x', file) == EOF);
    CHECK(!fclose(file));
    CHECK(!truncate("ram:/one", 6) && !stat("ram:/one", &stat_of) && stat_of.st_size == 6);
    CHECK(open("ram:/one", O_WRONLY | O_CREAT | O_EXCL, 0666) == -1 && errno == EEXIST);
    CHECK(!rename("ram:/one", "ram:/two") && stat("ram:/one", &stat_of) == -1);
    CHECK(!remove("ram:/two") && remove("ram:/two") == -1 && errno == ENOENT);
}

static void directories(void)
{
    char here[100];
    DIR* directory;
    struct dirent* entry;
    int count = 0;
    CHECK(!strcmp(getcwd(here, 100), "/"));
    CHECK(!mkdir("ram:/d", 0777) && mkdir("ram:/d", 0777) == -1 && errno == EEXIST);
    CHECK(!chdir("ram:/d/../d/.") && !strcmp(getcwd(here, 100), "ram:/d"));
    CHECK(!fclose(fopen("a", "w")) && !fclose(fopen("./b", "w")) && !access("ram:/d/b", 0));
    CHECK((directory = opendir(".")) != NULL);
    while ((entry = readdir(directory))) count += *entry->d_name - 'a' + 10;
    CHECK(count == 21 && !closedir(directory));
    CHECK(rmdir("ram:/d") == -1 && errno == ENOTEMPTY);
    CHECK(!unlink("a") && !unlink("b") && !chdir("..") && !strcmp(getcwd(here, 100), "ram:/"));
    CHECK(!rmdir("d") && chdir("d") == -1 && errno == ENOENT && chdir("/folder/numbers") == -1);
    CHECK(errno == ENOTDIR && !chdir("/folder") && !access("numbers", R_OK));
    CHECK(!opendir("none") && errno == ENOENT);
}

static void temporary(void)
{
    char name[] = "/tmp/checkXXXXXX";
    FILE* file = tmpfile();
    CHECK(file && fwrite(text, 1, sizeof text, file) == sizeof text && !fseek(file, 0, SEEK_END));
    CHECK(ftell(file) == sizeof text && !fclose(file));
    int made = mkstemp(name);
    CHECK(made >= 0 && write(made, "x", 1) == 1 && !lseek(made, 0, SEEK_SET));
    CHECK(read(made, text, 10) == 1 && !close(made) && !unlink(name));
    CHECK(freopen("ram:/out", "w", stdout) != NULL);
    printf("elsewhere");
    CHECK(freopen("ram:/none/out", "w", stderr) == NULL);
    fclose(stdout);
}

int main(void)
{
    char back[20] = "";
    reading();
    writing();
    directories();
    printf("%d failed\n", failures);
    fflush(stdout);
    failures = 0;
    temporary();
    FILE* out = fopen("ram:/out", "r");
    if (!out || !fgets(back, 20, out) || strcmp(back, "elsewhere")) return 1;
    return failures ? 1 : 77;
}
