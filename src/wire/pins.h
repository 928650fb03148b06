/*
 * pins.h - the keys of nodes, as bpmaster keeps them over a restart: STATE/keys
 *
 *   52:54:00:00:00:01 lasting 8f40c5ad...
 *   52:54:00:00:00:02 boot=1a2b3c4d 00112233...
 *
 * One line a machine, known by its MAC: its public key, and whether that outlives a boot; else the
 * boot in which it was shown. The file is bpmaster's own, but read as any other.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/buffer.h"
#include "base/lang.h"

#define PINS_KEY_BYTES 32
#define PINS_BYTES_MAX (4u << 20) /* of the file */

struct pin {
	struct mac mac;
	uint8_t key[PINS_KEY_BYTES]; /* public */
	bool lasting;
	uint32_t boot; /* in which it was shown */
};

/* Append the line of a machine. Return: 0, -E2BIG, -ENOMEM. */
_must_check_ int pins_write(struct buffer *to, const struct pin *p);

/* Read the words of one line. Return: 0 or -EBADMSG. */
_must_check_ int pins_read(char *const *words, size_t n, struct pin *ret);
