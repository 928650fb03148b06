/*
 * copy_internal.h - what the files of bpcp's receiving end share with each other, and with nobody
 * else
 */
#pragma once

#include <limits.h>
#include <sodium.h>
#include <sys/types.h>

#include "base/file.h"
#include "space/copy.h"
#include "wire/copy.h"

/* A folder that names are made in. */
struct copy_folder {
	int fd;
	bool made; /* by us */
	struct copy_meta meta;
	char name[COPY_NAME_MAX];
};

struct receiver {
	const struct copy_options *options;
	char *const *paths; /* what was asked for */
	size_t n_paths, next;
	char top_path[PATH_MAX];    /* the folder of depth 0, for words */
	char rename[COPY_NAME_MAX]; /* what the one at the top is called; "": as it was */
	struct copy_folder folders[COPY_DEPTH_MAX + 1];
	int depth;
	unsigned passing; /* folders deep in something that could not be made */
	uint32_t errors;
	mode_t umask;
	bool begun, ended;
	char **links; /* owned: paths from depth 0 of files by their number less 1 */
	size_t n_links;

	/* the file that comes */
	bool in_file;
	struct newfile file; /* no descriptor: it is passed over */
	char name[COPY_NAME_MAX];
	struct copy_meta meta;
	uint64_t bytes, written;
	uint32_t link;
	crypto_generichash_state hash;
};

/* copy_receive.c */
void copy_path(const struct receiver *rc, const char *name, char ret[static PATH_MAX]);

/* copy_place.c: where it goes, by the rules of rcp. Return: 0 or negative errno (logged). */
_must_check_ int copy_destination(struct receiver *rc, const char *to, size_t n);

/* Keep where a file with a number is, and give it another name. Return: 0 or negative errno. */
_must_check_ int copy_link_keep(struct receiver *rc, uint32_t number, const char *name);
_must_check_ int copy_link_make(const struct receiver *rc, uint32_t number, int dirfd,
				const char *name);
void copy_links_clear(struct receiver *rc);
