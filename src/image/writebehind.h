/*
 * writebehind.h - writes to a file in a thread of its own, while the next bytes are made
 *
 * Filling a page of a new file costs the kernel about as much as reading one, so the two share the
 * work of two processors. The bytes and their places are the caller's; only when they are written
 * is not.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/lang.h"

#define WRITEBEHIND_BUFFERS 8 /* one is filled, one is written, the others wait */

struct writebehind;

/* Buffers of @bytes for @fd, which is borrowed. Return: 0 or -ENOMEM. */
_must_check_ int writebehind_new(int fd, size_t bytes, struct writebehind **ret);

/* Wait for what is on its way, whatever becomes of it. NULL is fine. */
void writebehind_free(struct writebehind *w);

/*
 * A buffer to fill: valid until it is put. Return: 0, or what an earlier write failed with, from
 * then on.
 */
_must_check_ int writebehind_take(struct writebehind *w, uint8_t **ret);

/* Write the first @n bytes of the buffer taken last at @at of the file, soon. */
void writebehind_put(struct writebehind *w, size_t n, uint64_t at);

/* Wait until all that was put is written. Return: 0 or what a write failed with. */
_must_check_ int writebehind_wait(struct writebehind *w);
