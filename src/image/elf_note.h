/*
 * elf_note.h - what a program says that it opens later (.note.dlopen)
 */
#pragma once

#include "image/elf.h"

/*
 * Add the libraries that the notes in @p name to @e. Notes of others and those that are not
 * well-formed are passed over: they are advice. Return: 0, -E2BIG, -ENOMEM.
 */
_must_check_ int elf_note_dlopen(const void *p, size_t n, bool big, struct elf *e);
