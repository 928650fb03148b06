/*
 * bpps_columns.h - the columns of bpps: what they are called, hold, and are sorted by
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/lang.h"
#include "wire/message.h"

#define COLUMNS_MAX 32 /* in a table, and keys of a sort */
#define COLUMN_TEXT (MESSAGE_ARGS_MAX + 1)
#define COLUMN_NAME 33 /* bytes of a user's name that are shown, with NUL */

/* A process and where it runs. */
struct bpps_row {
	uint32_t node;
	uint64_t memory_kib;	  /* of the node */
	struct message_process p; /* its strings are owned */
	/* What stands for it here, or for the one that leads its session, and its process group and
	 * session; 0: nothing is known of such a one. */
	uint32_t ghost, ghost_group, ghost_session;
};

struct columns {
	struct {
		const struct column *column;
		char head[64];
		bool down; /* as a key: the largest first */
	} list[COLUMNS_MAX];
	size_t n;
};

/* Add what -o names: COLUMN or COLUMN=HEAD, between commas or blanks. Return: 0, -EINVAL (logged).
 */
_must_check_ int columns_add(struct columns *c, const char *text);

/* Add what --sort names: +COLUMN or -COLUMN. Return: 0, -EINVAL (logged). */
_must_check_ int columns_add_keys(struct columns *c, const char *text);

/* Whether one of them is about ghosts. */
bool columns_want_ghosts(const struct columns *c);

/* Sort @rows by the keys, then by node and number. */
void columns_sort(const struct columns *keys, struct bpps_row *rows, size_t n);

/* Print a table; the line of heads is left out when all are empty. */
void columns_print(const struct columns *c, const struct bpps_row *rows, size_t n, bool heads);

/* The user's name, or his number. */
void columns_user(uint32_t uid, char ret[static COLUMN_NAME]);

/* The name of a terminal on its node, without /dev/; "?" of none. */
void columns_tty(uint32_t tty, char ret[static COLUMN_NAME]);

/* Its resident memory in tenths of a percent of its node's. */
uint64_t columns_memory(const struct bpps_row *r);
