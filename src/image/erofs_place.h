/*
 * erofs_place.h - where inodes stand in the metadata of erofs
 *
 * An inode with what follows it directly must not cross the end of a block unless it is longer
 * than one. Each goes into the block that it fills best, so that small ones use what larger ones
 * left over; the same sequence gives the same places.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/lang.h"
#include "image/erofs_format.h"

#define EROFS_PLACE_SLOTS (EROFS_BLOCK / EROFS_SLOT)

/* Blocks with room for so many slots: a stack. */
struct erofs_room {
	uint32_t *blocks; /* owned */
	size_t n, size;
};

struct erofs_place {
	uint32_t blocks; /* in use */
	struct erofs_room rooms[EROFS_PLACE_SLOTS];
};

/* The first slot of a place for @bytes. Return: 0; -ENOMEM; -EFBIG. */
_must_check_ int erofs_place_take(struct erofs_place *p, uint64_t bytes, uint64_t *ret);
void erofs_place_clear(struct erofs_place *p);
