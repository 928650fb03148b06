/*
 * manifest.h - the list of what a node needs (docs/manifest.md)
 *
 * A pure parser: text to entries, each with its line. What the entries lead to is gather.h's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/lang.h"

#define MANIFEST_BYTES_MAX    (4u << 20)
#define MANIFEST_ENTRIES_MAX  65536u
#define MANIFEST_ERROR_MAX    512   /* bytes of a message */
#define MANIFEST_MAJOR_MAX    4095u /* of a device */
#define MANIFEST_MINOR_MAX    1048575u
#define MANIFEST_PACKAGES_MAX 63     /* words, each of which may be several names with commas */
#define MANIFEST_NAMES_MAX    8192   /* bytes of them all */
#define MANIFEST_CHOICE_MAX   512    /* bytes of image= or platform= */
#define MANIFEST_STDIN	      "-"    /* the source of "from" that is standard input */
#define MANIFEST_OWNER_KEEP   "keep" /* owner=keep: as the source has it */

enum manifest_kind {
	MANIFEST_FROM, /* these two bring whole trees */
	MANIFEST_PACKAGES,
	MANIFEST_FILE,
	MANIFEST_TREE,
	MANIFEST_DIR,
	MANIFEST_LINK,
	MANIFEST_NODE,
	MANIFEST_PROGRAM,
	MANIFEST_MODULE,
	MANIFEST_BPSLAVE,
	MANIFEST_NEEDS,
	MANIFEST_GCONV,
	MANIFEST_INIT, /* from here on at most one of each */
	MANIFEST_NAME,
	MANIFEST_FREE,
	MANIFEST_TIME,
	MANIFEST_FORMAT,
	MANIFEST_KIND_MAX_,
};

struct manifest_entry {
	enum manifest_kind kind;
	unsigned line;
	char *source; /* from, file, tree, program; the name of a module, library, character set or
			 of the image; owned like all */
	char *target; /* plain and absolute; NULL where there is none */
	char *link;   /* destination of a link */
	char *owner;  /* USER[:GROUP], or NULL */
	char *image;  /* of "from", which of several: a tag, name or digest; or NULL */
	char *platform; /* of "from": "linux/arm64", or NULL */
	char *packages; /* of "packages", whose source is the suite: names with commas; or NULL */
	char *variant;	/* and these of mmdebstrap; or NULL */
	char *mirror;
	bool has_mode;
	uint16_t mode;
	bool block; /* of a node: b, not c */
	uint32_t major, minor;
	uint64_t number; /* free: bytes; time: seconds; format: enum index_format */
	bool has_inodes;
	uint64_t inodes; /* free: inodes */
};

struct manifest {
	struct manifest_entry *entries; /* owned */
	size_t n;
};

#define _cleanup_manifest_ _cleanup_(manifest_clear)
void manifest_clear(struct manifest *m);

/* The line that begins with a word: "file". */
const char *manifest_kind_name(enum manifest_kind k);

/*
 * Parse a manifest. Return: 0; -EBADMSG with *ret_line and a message in @ret_error; -E2BIG;
 * -ENOMEM.
 */
_must_check_ int manifest_parse(const void *text, size_t n, struct manifest *ret,
				unsigned *ret_line, char ret_error[static MANIFEST_ERROR_MAX]);

/*
 * Append the manifest as text, one line an entry; parsing that gives the same. Return: 0, -E2BIG,
 * -ENOMEM.
 */
_must_check_ int manifest_format(const struct manifest *m, struct buffer *to);

/* The only entry of a kind from MANIFEST_INIT on. Return: NULL if there is none. */
const struct manifest_entry *manifest_find(const struct manifest *m, enum manifest_kind k);
