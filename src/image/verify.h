/*
 * verify.h - check a published image on disk as a node would check it, and further
 *
 * A node checks signature and parts. Here the digest of the whole unpacked image is checked too,
 * and every part that is wrong is named, not only the first.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/lang.h"
#include "wire/index.h"
#include "wire/minisign.h"

struct verify_result {
	uint64_t counter, image_bytes, stored_bytes;
	size_t parts, holes;
	char key_id[MINISIGN_ID_STR_MAX];   /* of the key that signed */
	char comment[MINISIGN_COMMENT_MAX]; /* trusted */
};

/*
 * Check "@name.index" in @boot_dirfd: signature by one of @n_keys @keys (0: the signature is not
 * looked at, and key_id and comment are empty), then parts and digest. Each fault is logged in a
 * line of its own. Return: 0, -EBADMSG when anything is wrong, -ENOENT when there is no such index.
 */
_must_check_ int verify_image(int boot_dirfd, const char *name, const struct minisign_key *keys,
			      size_t n_keys, struct verify_result *ret);
