/*
 * erofs_place.c - where inodes stand in the metadata of erofs
 */
#include <errno.h>

#include "image/erofs_place.h"

static int put_room(struct erofs_place *p, uint32_t block, size_t free_slots)
{
	struct erofs_room *r = &p->rooms[free_slots];

	if (free_slots == 0)
		return 0;
	if (r->n == r->size) {
		size_t size = r->size ? 2 * r->size : 16;
		uint32_t *more = reallocarray(r->blocks, size, sizeof(*more));

		if (!more)
			return -ENOMEM;
		r->blocks = more;
		r->size = size;
	}
	r->blocks[r->n++] = block;
	return 0;
}

int erofs_place_take(struct erofs_place *p, uint64_t bytes, uint64_t *ret)
{
	uint64_t slots = (bytes + EROFS_SLOT - 1) / EROFS_SLOT;
	uint64_t blocks = (slots + EROFS_PLACE_SLOTS - 1) / EROFS_PLACE_SLOTS;

	for (uint64_t k = slots; k < EROFS_PLACE_SLOTS; k++) {
		struct erofs_room *r = &p->rooms[k];

		if (r->n == 0)
			continue;
		r->n--;
		*ret = (uint64_t)(r->blocks[r->n] + 1) * EROFS_PLACE_SLOTS - k;
		return put_room(p, r->blocks[r->n], (size_t)(k - slots));
	}
	if (p->blocks + blocks > UINT32_MAX)
		return -EFBIG;
	*ret = (uint64_t)p->blocks * EROFS_PLACE_SLOTS;
	p->blocks += (uint32_t)blocks;
	return put_room(p, p->blocks - 1, (size_t)(blocks * EROFS_PLACE_SLOTS - slots));
}

void erofs_place_clear(struct erofs_place *p)
{
	for (size_t k = 0; k < EROFS_PLACE_SLOTS; k++)
		free(p->rooms[k].blocks);
	*p = (struct erofs_place){ 0 };
}
