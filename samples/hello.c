/* SPDX-License-Identifier: BSD-2-Clause
 * hello - a C program like any other: standard input and output, arguments, files, memory.
 *
 *   ./vesper run samples/hello.c --append 'args=NAME=you one "two words"' --root docs
 *
 * It asks for lines until the end of the file, Control-D, and returns how many they were. */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void show_root(void)
{
    DIR* root = opendir("/");
    struct dirent* entry;
    if (!root) {
        perror("/");
        return;
    }
    printf("In the root:");
    while ((entry = readdir(root))) printf(" %s", entry->d_name);
    printf("\n");
    closedir(root);
}

int main(int argc, char** argv)
{
    const char* name = getenv("NAME");
    time_t now = time(NULL);
    char line[80];
    int lines = 0;

    printf("Hello, %s. It is %s", name ? name : "world", ctime(&now));
    for (int i = 1; i < argc; ++i) printf("Argument %d: %s\n", i, argv[i]);
    printf("The square root of 2 is %.15f.\n", sqrt(2));
    show_root();
    for (;;) {
        printf("> ");
        if (!fgets(line, sizeof line, stdin)) break;
        printf("%d: %s", ++lines, line);
    }
    return lines;
}
