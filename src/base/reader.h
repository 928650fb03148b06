/*
 * reader.h - bounds-checked reader over a borrowed buffer
 *
 * Errors are sticky: after the first short read every later reader_*() yields zero or NULL, so a
 * decoder reads a whole record and asks reader_end() once. Never allocates, blocks or logs; safe on
 * hostile bytes.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/lang.h"

struct reader {
	const uint8_t *p; /* next byte; borrowed */
	size_t left;	  /* bytes that remain */
	int err;	  /* 0, or -EBADMSG since the first short read */
};

#define READER(buf, n) ((struct reader){ .p = (const uint8_t *)(buf), .left = (n) })

/* Borrow the next @n bytes. Return: valid as long as the buffer is, or NULL if fewer are left. */
const uint8_t *reader_bytes(struct reader *r, size_t n);

/* Copy the next @n bytes to @to, which stays untouched if fewer are left. */
void reader_copy(struct reader *r, void *to, size_t n);

void reader_skip(struct reader *r, size_t n);

uint8_t reader_u8(struct reader *r);
uint16_t reader_be16(struct reader *r);
uint32_t reader_be32(struct reader *r);
uint64_t reader_be64(struct reader *r);
uint16_t reader_le16(struct reader *r);
uint32_t reader_le32(struct reader *r);
uint64_t reader_le64(struct reader *r);

/* Borrow a NUL-terminated string. Return: NULL if no NUL is left. */
const char *reader_cstr(struct reader *r);

/* A reader over the next @n bytes alone, which are consumed; in error if fewer are left. */
struct reader reader_sub(struct reader *r, size_t n);

/* Return: 0 if all was read and nothing was short, else -EBADMSG. */
_must_check_ int reader_end(const struct reader *r);
