/*
 * fuzz-newc.c - every entry that is accepted can be written and read back the same, and every
 * record of extended attributes
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/newc.h"

#define ENTRIES_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int same(const struct newc *a, const struct newc *b)
{
	return a->ino == b->ino && a->mode == b->mode && a->uid == b->uid && a->gid == b->gid &&
	       a->nlink == b->nlink && a->mtime == b->mtime && a->size == b->size &&
	       a->dev_major == b->dev_major && a->dev_minor == b->dev_minor &&
	       a->rdev_major == b->rdev_major && a->rdev_minor == b->rdev_minor &&
	       !strcmp(a->name, b->name);
}

static void check_xattrs(const uint8_t *data, size_t size)
{
	struct reader r = READER(data, size);
	struct newc_xattr x, again;

	while (newc_xattr_parse(&r, &x) == 0) {
		_cleanup_buffer_ struct buffer b = BUFFER(size + 1);
		struct reader back;

		if (newc_xattr_format(x.name, x.value, x.bytes, &b) < 0)
			abort();
		back = READER(b.data, b.len);
		if (newc_xattr_parse(&back, &again) < 0 || reader_end(&back) < 0 ||
		    strcmp(x.name, again.name) || x.bytes != again.bytes ||
		    (x.bytes && memcmp(x.value, again.value, x.bytes)))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader r = READER(data, size);
	struct newc e, again;

	for (int i = 0; i < ENTRIES_MAX && newc_parse(&r, &e) == 0; i++) {
		_cleanup_buffer_ struct buffer b = BUFFER(2 * NEWC_NAME_MAX);
		struct reader back;

		if (newc_format(&e, &b) < 0)
			abort();
		back = READER(b.data, b.len);
		if (newc_parse(&back, &again) < 0 || reader_end(&back) < 0 || !same(&e, &again))
			abort();
		if (!newc_data(&r, &e))
			break;
	}
	check_xattrs(data, size);
	return 0;
}
