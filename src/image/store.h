/*
 * store.h - the parts of an image, compressed side by side and written under the names of their
 * hashes
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/lang.h"
#include "image/publish.h"
#include "wire/index.h"

#define STORE_THREADS_MAX 16

struct store {
	const struct publish_spec *spec; /* with all its values filled in */
	int image_fd;
	int parts_fd;
	struct index *x;	      /* laid out; gets hashes, stored sizes and the digest */
	const uint8_t *holes;	      /* 1 for each of x->parts that is a hole */
	const struct index *previous; /* made with the same level and parts of that size, or NULL */

	uint8_t *created;    /* borrowed, zeroed: 1 for each of x->parts that was written now */
	size_t n_compressed; /* the others were taken over from the previous image */

	pthread_mutex_t lock; /* over all below, while threads run, and over newfile_open() */
	bool digesting;	      /* a thread has taken that upon itself */
	size_t next;	      /* the part that is taken next */
	uint64_t done_bytes, total_bytes; /* raw, without holes */
	int err;			  /* of the first thread that failed */
};

/*
 * Store all parts, sync them, and compute the image's digest. Logs. Return: 0; after an error
 * store_undo().
 */
_must_check_ int store_parts(struct store *s);

/* Take back what store_parts() wrote. */
void store_undo(struct store *s);
