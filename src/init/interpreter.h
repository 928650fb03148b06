/*
 * interpreter.h - which interpreter an executable names, by "#!" or ELF's PT_INTERP
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define INTERPRETER_HEAD \
	4096 /* bytes of a file that are looked at; the kernel reads 256 of a script */
#define INTERPRETER_MAX 256 /* with NUL */

/* Look into the first @n bytes of a file. @ret is "" when it names none, or is nothing that we
 * know. */
void interpreter_find(const uint8_t *head, size_t n, char ret[static INTERPRETER_MAX]);
