/* SPDX-License-Identifier: BSD-2-Clause
 *
 * argv and the environment from the payload's command line, vesper->args.
 *
 * Words are separated by blanks; quotes of both kinds keep blanks in a word, and a backslash takes
 * the next character as it is, but not within '...'. Words NAME=value before all others are the
 * environment, as in a shell: "TZ=CET-1 script.lua a b". PWD=ram:/x makes that the current
 * directory from the start. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libc.h"

#define MAX_WORDS 64

extern const char* const vesper_program __attribute__((weak)); /* argv[0], if there is one */

/* Takes the next word off *rest and writes it to *to, both of which move on. */
static char* take_word(const char** rest, char** to)
{
    const char* from = *rest;
    char *word = *to, quote = 0;
    while (*from == ' ' || *from == '\t') ++from;
    if (!*from) return NULL;
    for (; *from && (quote || (*from != ' ' && *from != '\t')); ++from) {
        if (*from == quote) {
            quote = 0;
        } else if (!quote && (*from == '"' || *from == '\'')) {
            quote = *from;
        } else {
            if (*from == '\\' && quote != '\'' && from[1]) ++from;
            *(*to)++ = *from;
        }
    }
    *(*to)++ = 0;
    *rest = from;
    return word;
}

static int is_assignment(const char* word)
{
    const char* c = word;
    if (!isalpha((unsigned char)*c) && *c != '_') return 0;
    while (isalnum((unsigned char)*c) || *c == '_') ++c;
    return *c == '=';
}

int libc_arguments(char*** argv)
{
    static char* words[MAX_WORDS + 1];
    const char* rest = vesper->args;
    char *text = malloc(strlen(rest) + 2), *word;
    int count = 1;
    setenv("HOME", "/", 1);
    words[0] = &vesper_program ? (char*)vesper_program : "kexec";
    while (text && count < MAX_WORDS && (word = take_word(&rest, &text))) {
        if (count == 1 && is_assignment(word)) {
            char* value = strchr(word, '=');
            *value++ = 0;
            setenv(word, value, 1);
        } else {
            words[count++] = word;
        }
    }
    if (getenv("PWD") && chdir(getenv("PWD"))) perror(getenv("PWD"));
    *argv = words;
    return count;
}
