/*
 * copy_internal.h - what the files of bpcp's receiving end share with each other, and with nobody
 * else
 */
#pragma once

#include <limits.h>
#include <sodium.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "base/file.h"
#include "space/copy.h"
#include "wire/copy.h"

/* A folder that names are made in. */
struct copy_folder {
	int fd;
	bool made;     /* by us */
	bool inherits; /* what is made in it gets its access lists */
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
	bool said; /* that attributes are not kept */
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

	/* extended attributes of the file that comes, or of the folder that ends */
	struct buffer attributes;
	bool has_acl; /* is among them */
};

/* copy_receive.c */
/* Names come from another machine, and go to a terminal. */
void copy_printable(char *text);
void copy_path(const struct receiver *rc, const char *name, char ret[static PATH_MAX]);

/* copy_place.c: where it goes, by the rules of rcp. Return: 0 or negative errno (logged). */
_must_check_ int copy_destination(struct receiver *rc, const char *to, size_t n);

/*
 * copy_attributes.c. Those of @fd that are to be kept, to @take; what cannot be kept is said once.
 * Return: 0, what @take returned, or another negative errno.
 */
#define COPY_ATTRIBUTES_MAX (1u << 20) /* bytes of all of a file */
typedef int (*copy_attribute_fn)(void *owner, const char *name, const void *value, size_t n);
_must_check_ int copy_attributes_each(int fd, const char *path, bool *said, copy_attribute_fn take,
				      void *owner);
/* One that came. Return: 0, -E2BIG, -ENOMEM. */
_must_check_ int copy_attributes_keep(struct receiver *rc, const struct copy_record *c);
/* Whether what is made in a folder gets access lists from it. */
bool copy_attributes_inherited(int folder);
/* Set what has come for @fd, called @name, before its owner and mode are set, in place of access
 * lists that it may have. */
void copy_attributes_before(struct receiver *rc, int fd, const char *name, bool has_lists);
/* The mode to set: an access list that follows gives the group its bits. */
uint32_t copy_attributes_mode(const struct receiver *rc, uint32_t mode);
/* Set the rest. Return: 0, or a negative errno when an access list could not be set. */
_must_check_ int copy_attributes_behind(struct receiver *rc, int fd, const char *name);
void copy_attributes_forget(struct receiver *rc);

/* copy_place.c: keep where a file with a number is, and give it another name. Return: 0 or negative
 * errno. */
_must_check_ int copy_link_keep(struct receiver *rc, uint32_t number, const char *name);
_must_check_ int copy_link_make(const struct receiver *rc, uint32_t number, int dirfd,
				const char *name);
void copy_links_clear(struct receiver *rc);
