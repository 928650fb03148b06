/*
 * copy.h - the stream in which bpcp moves files from one machine to another (docs/protocol.md)
 *
 * One direction only: records of a type, a length and a body. Names are single components, and it
 * is the receiver who decides where they go; so nothing that a sender says leads out of there.
 *
 * A pure codec: parsed strings and data are borrowed from the record.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/lang.h"
#include "base/reader.h"

#define COPY_VERSION	2
#define COPY_HEAD_BYTES 5      /* type 1, length 4 */
#define COPY_DATA_MAX	65536u /* bytes of a file, or of an attribute's value, in one record */
#define COPY_NAME_MAX	256u   /* with NUL */
#define COPY_BODY_MAX	(COPY_DATA_MAX + COPY_NAME_MAX)
#define COPY_TARGET_MAX 4096u  /* of a symbolic link, with NUL */
#define COPY_DEPTH_MAX	200    /* folders within folders */
#define COPY_LINKS_MAX	65536u /* files that have several names */
#define COPY_HASH_BYTES 32

enum copy_type {
	COPY_HELLO = 1, /* first: version, bytes in all */
	COPY_FOLDER,	/* what follows is in it */
	COPY_UP,	/* up to here */
	COPY_FILE,	/* data and its end follow */
	COPY_DATA,
	COPY_FILE_END, /* complete or not, hash */
	COPY_SYMLINK,
	COPY_LINK,    /* another name of a file that was sent */
	COPY_SPECIAL, /* FIFO or device */
	COPY_END,     /* last: how much could not be read */
	COPY_ATTRIBUTE, /* extended, of the file that is sent or of the folder that ends */
	COPY_TYPE_MAX_,
};

struct copy_time {
	int64_t s;
	uint32_t ns;
};

/* What belongs to a name. */
struct copy_meta {
	uint32_t mode; /* permissions; of COPY_SPECIAL with its kind */
	uint32_t uid, gid;
	struct copy_time accessed, modified;
};

struct copy_record {
	enum copy_type type;
	const char *name;      /* FOLDER, FILE, SYMLINK, LINK, SPECIAL; ATTRIBUTE: its own */
	const char *target;    /* SYMLINK */
	struct copy_meta meta; /* FOLDER, FILE, SYMLINK, SPECIAL */
	uint64_t bytes;	       /* HELLO: in all, 0 not known; FILE: its size; DATA: offset */
	uint32_t link;	       /* FILE: its number for LINKs, 0 none; LINK: of which file */
	uint32_t major, minor; /* SPECIAL */
	uint32_t errors;       /* END */
	bool complete;	       /* FILE_END */
	uint8_t hash[COPY_HASH_BYTES]; /* FILE_END: BLAKE2b of the bodies of DATA and ATTRIBUTE */
	const uint8_t *data;	       /* DATA; ATTRIBUTE: its value */
	size_t data_n;
};

/* A name that may be made in a folder: not empty, ".", "..", and without slash. */
bool copy_name_valid(const char *s);

/* The access list of a file, and that of a folder for what is made in it. */
#define COPY_ACL	 "system.posix_acl_access"
#define COPY_ACL_DEFAULT "system.posix_acl_default"

/* An extended attribute that a copy keeps: user., trusted., security., and the access lists. */
bool copy_attribute_valid(const char *name);

/* The head of a record. Return: 0, or -EBADMSG for a type or length that there is not. */
_must_check_ int copy_head_read(const uint8_t p[static COPY_HEAD_BYTES], enum copy_type *ret_type,
				size_t *ret_n);

/* The body of a record. Return: 0 or -EBADMSG. */
_must_check_ int copy_body_read(enum copy_type type, const void *p, size_t n,
				struct copy_record *ret);

/* Append head and body. Return: 0, -EINVAL for what could not be read back, -E2BIG, -ENOMEM. */
_must_check_ int copy_write(struct buffer *to, const struct copy_record *c);
