/*
 * unpack.h - a cpio archive becomes files, as its bytes arrive (docs/formats.md)
 *
 * Never outside its folder: names are looked at, no symlink is followed, nothing that is there is
 * opened. Memory does not depend on the archive but for the names of hard links.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/lang.h"
#include "wire/newc.h"

#define UNPACK_WHY_MAX	  320 /* with NUL */
#define UNPACK_XATTRS_MAX (1u << 20)
#define UNPACK_LINKS_MAX  (1u << 20) /* files with several names */
#define UNPACK_TARGET_MAX 4095u

enum unpack_state { UNPACK_HEAD, UNPACK_NAME, UNPACK_DATA, UNPACK_PAD, UNPACK_DONE };

/* The first name of a file that has several. */
struct unpack_link {
	uint32_t ino;
	char *name; /* owned */
};

struct unpack {
	int root; /* folder; borrowed */
	enum unpack_state state;
	struct buffer held; /* header and name, target or attributes, while they are not complete */
	uint32_t want;	    /* bytes of it */
	struct newc e;	    /* the entry that is being read */
	const char *name;   /* of it, in e.name */
	uint64_t at;	    /* in the archive */
	uint32_t done;	    /* bytes of its data */
	int file;	    /* that is being written, or FD_NONE */
	int parent;	    /* folder of the last entry; FD_NONE: the root itself */
	char folder[NEWC_NAME_MAX]; /* its path, "" for the root */
	char last[NEWC_NAME_MAX];   /* name of the last entry in it, for its attributes */
	struct unpack_link *links;  /* owned; by ino */
	size_t n_links;
	uint64_t files;	    /* entries so far */
	uint32_t mtime;	    /* of all */
	bool no_attributes; /* of some kind were left out, as the file system has none */
	char why[UNPACK_WHY_MAX];
};

void unpack_init(struct unpack *u, int root);
void unpack_deinit(struct unpack *u);

/*
 * The next @n bytes. Return: 0; -EBADMSG (no such archive); the errno of what could not be made;
 * u->why tells a person.
 */
_must_check_ int unpack_feed(struct unpack *u, const void *p, size_t n);

/* There is no more. Return: 0, or -EBADMSG when the archive has not ended. */
_must_check_ int unpack_end(struct unpack *u);
