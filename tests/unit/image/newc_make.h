/*
 * newc_make.h - cpio archives for tests
 */
#pragma once

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "wire/newc.h"

/* Append an entry; @e says all but the size, which @data has, and the name. */
static inline void newc_make(struct buffer *to, struct newc e, const char *name, const char *data)
{
	e.size = (uint32_t)strlen(data);
	snprintf(e.name, sizeof(e.name), "%s", name);
	if (newc_format(&e, to) < 0 || buffer_append(to, data, e.size) < 0 || newc_pad(to) < 0)
		abort();
}

static inline void newc_make_end(struct buffer *to)
{
	newc_make(to, (struct newc){ .nlink = 1 }, NEWC_TRAILER, "");
}

/* A file in memory that holds it. */
static inline int newc_make_file(const struct buffer *b)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	if (fd < 0 || fd_write_all(fd, b->data, b->len) < 0)
		abort();
	return fd;
}
