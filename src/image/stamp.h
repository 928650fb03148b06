/*
 * stamp.h - whether a published image is made of just what is there now
 *
 * NAME.stamp in the boot directory holds a hash of all that the image was made of (names and
 * attributes of every file, size, times and inode number of every source, the manifest, the
 * options, this program) and one of the index that came of it. When both still hold and every part
 * is there, building again would give the same.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/lang.h"
#include "image/build.h"

#define STAMP_HASH_BYTES 32
#define STAMP_TEXT_BYTES (SEEN_BYTES_MAX + 4096) /* most of the file */

/* A source that changed so shortly before it was looked at may change again and look the same. */
#define STAMP_RACY_NS 50000000

struct stamp_spec {
	const struct build *build; /* gathered; it need not be planned */
	int level;
	uint32_t part_bytes;
	const uint8_t *key_id; /* MINISIGN_ID_BYTES; NULL: not signed */
};

struct stamp {
	uint8_t inputs[STAMP_HASH_BYTES];
	bool racy; /* a source is too fresh to tell */
};

_must_check_ int stamp_make(const struct stamp_spec *spec, struct stamp *ret);

/* Is what is published as @name made of @s? In doubt: no. */
bool stamp_matches(int boot_dirfd, const char *name, bool is_signed, const struct stamp *s);

/*
 * Before anything is gathered (@spec's build need only be open): is all that was looked at for what
 * is published as it was then? That is known for images of archives (seen.h). In doubt: no.
 */
bool stamp_seen(int boot_dirfd, bool is_signed, const struct stamp_spec *spec);

/*
 * Note that what is published is made of @s; a racy one is not noted. With @spec, which may be
 * NULL, what was looked at is noted too. Logs.
 */
_must_check_ int stamp_write(int boot_dirfd, const char *name, bool is_signed,
			     const struct stamp *s, const struct stamp_spec *spec);
