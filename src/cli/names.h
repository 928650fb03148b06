/*
 * names.h - files as a terminal or a program may be told of them
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "base/lang.h"

#define NAMES_MODE_TEXT 11 /* "-rw-r--r--" and NUL */

/* As `ls -l` shows kind and mode. */
void names_mode(uint32_t mode, char ret[static NAMES_MODE_TEXT]);

/*
 * Print a name to standard output so that it cannot speak to the terminal: control characters, the
 * backslash and what is not UTF-8 become octal numbers, as `ls -b` has it.
 */
void names_print(const char *s);

/* A string of JSON; in a name that is not UTF-8 the bytes from 128 on are written as \xHH. */
json_t *names_json(const char *s);
