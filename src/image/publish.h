/*
 * publish.h - an image becomes parts, an index and a signature in the boot directory
 * (docs/boot-directory.md)
 *
 * Parts are compressed one by one and named by the hash of what is stored, so that images share
 * parts and a second publication writes only what changed. Nodes that boot meanwhile get the old
 * image or the new one, never a mixture.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/lang.h"
#include "image/sign.h"
#include "wire/index.h"

#define PUBLISH_LEVEL_DEFAULT 15
#define PUBLISH_LEVEL_MAX     19
#define PUBLISH_PART_DEFAULT  (256u << 10)
#define PUBLISH_PARTS_DIR     "parts"

struct publish_spec {
	int boot_dirfd;	  /* the boot directory; borrowed */
	const char *name; /* of the image, as docs/index.md allows */
	enum index_format format;
	enum index_arch arch;
	const char *init;	    /* what the node executes */
	uint64_t memory_bytes;	    /* of cpio, as struct index has it */
	const struct sign_key *key; /* NULL: publish unsigned */
	int level;		    /* of zstd; 0: PUBLISH_LEVEL_DEFAULT */
	uint32_t part_bytes; /* raw, a multiple of 4096 up to 4 MiB; 0: PUBLISH_PART_DEFAULT */
	unsigned threads;    /* that compress; 0: one a processor */
	/* Called from time to time with raw bytes that are stored, without holes; or NULL. */
	void (*progress)(void *user, uint64_t done_bytes, uint64_t total_bytes);
	void *progress_user;
};

struct publish_result {
	bool changed;	  /* false: this very image was published already, nothing was written */
	uint64_t counter; /* of the index that now stands */
	size_t parts, holes;
	size_t new_parts;	 /* written now; the others were there */
	size_t compressed_parts; /* the others were taken over from what was published before */
	uint64_t hole_bytes;
	uint64_t stored_bytes; /* what a node fetches */
	uint64_t index_bytes;
};

/* May @name be the name of an image? */
bool publish_name_ok(const char *name);

/*
 * Publish @image_bytes bytes of @image_fd (pread; position does not matter). Logs.
 * Return: 0; on an error what was published before is intact.
 */
_must_check_ int publish_image(const struct publish_spec *spec, int image_fd, uint64_t image_bytes,
			       struct publish_result *ret);

/*
 * Remove the parts that no *.index in the boot directory names. An index that cannot be read stops
 * it. Logs.
 */
_must_check_ int publish_prune(int boot_dirfd, size_t *ret_parts, uint64_t *ret_bytes);
