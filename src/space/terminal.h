/*
 * terminal.h - the terminal that bpsh runs at, lent to a process on a node
 *
 * Raw while it is lent, so that each key goes there; as it was before at any other time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <termios.h>

#include "base/fd.h"
#include "base/lang.h"

struct terminal {
	int fd; /* owned; FD_NONE: there is none */
	struct termios saved;
	bool raw;
	bool line_begins; /* nothing of the line was typed yet */
	bool tilde;	  /* it begins with '~', which is held back */
};

#define TERMINAL() ((struct terminal){ .fd = FD_NONE })

/* Take standard input. Return: 0, -ENOTTY, another errno. */
_must_check_ int terminal_open(struct terminal *t);

/* Restore and forget it. */
void terminal_close(struct terminal *t);

/* Pass on keys as they are; from the background that stops us, as it stops others. */
void terminal_raw(struct terminal *t);

/* As it was. Also in a process that has a copy of @t. */
void terminal_restore(struct terminal *t);

void terminal_size(const struct terminal *t, uint16_t *ret_rows, uint16_t *ret_columns);

/*
 * What of @n typed bytes at @p goes to the process: @to has room for n + 1. "~." where a line
 * begins ends the connection, "~~" stands for "~". Return: bytes, or -ECANCELED.
 */
_must_check_ ssize_t terminal_typed(struct terminal *t, const uint8_t *p, size_t n, uint8_t *to);
