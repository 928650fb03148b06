/*
 * ldcache.h - ld.so.cache, the loader's list of libraries (glibc-ld.so.cache1.1)
 *
 * A pure codec. Read, it answers where the machine's libraries are. Written, it tells the loader of
 * an image about libraries outside its built-in folders. Little-endian caches only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/lang.h"

#define LDCACHE_BYTES_MAX   (16u << 20)
#define LDCACHE_ENTRIES_MAX 100000u

enum {
	LDCACHE_386 = 0x0003, /* flags of an entry: libc6, and which machine */
	LDCACHE_X86_64 = 0x0303,
	LDCACHE_X32 = 0x0803,
	LDCACHE_AARCH64 = 0x0a03,
	LDCACHE_ARMHF = 0x0903,
};

struct ldcache_entry {
	const char *name; /* "libc.so.6" */
	const char *path; /* "/lib/x86_64-linux-gnu/libc.so.6" */
	uint32_t flags;
	uint64_t hwcap; /* 0: for every machine */
};

struct ldcache {
	uint8_t *text; /* a copy that the names point into; owned, NULL in a cache that is put
			  together */
	struct ldcache_entry *entries; /* owned */
	size_t n;
};

#define _cleanup_ldcache_ _cleanup_(ldcache_clear)
void ldcache_clear(struct ldcache *c);

/* Return: 0, -EBADMSG (not a cache, or a broken one), -E2BIG, -ENOMEM. */
_must_check_ int ldcache_parse(const void *p, size_t n, struct ldcache *ret);

/* Add an entry; names are borrowed until ldcache_format(). Return: 0, -E2BIG, -ENOMEM. */
_must_check_ int ldcache_add(struct ldcache *c, const char *name, const char *path, uint32_t flags);

/* Sort as the loader's search expects and append the cache to @to. Return: 0, -E2BIG, -ENOMEM. */
_must_check_ int ldcache_format(struct ldcache *c, struct buffer *to);

/*
 * The path of library @name for every machine of kind @flags. Return: NULL if there is none;
 * borrowed.
 */
const char *ldcache_find(const struct ldcache *c, const char *name, uint32_t flags);
