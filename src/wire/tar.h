/*
 * tar.h - headers of tar archives: v7, ustar (POSIX), GNU tar and pax
 *
 * An archive is blocks of 512 bytes: a header, then its data padded to whole blocks, and so on; a
 * block of zeros ends it. Long names, extended attributes and holes are told by headers of their
 * own, whose data say more about the next one. A pure codec: what headers mean together is
 * image/tar.h's.
 *
 * POSIX.1-2017 pax(1), "ustar Interchange Format" and "pax Extended Header"; GNU tar manual,
 * "Basic Tar Format" and "Storing Sparse Files".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/lang.h"
#include "base/reader.h"

#define TAR_BLOCK_BYTES	   512
#define TAR_NAME_MAX	   257 /* bytes of a header's name with NUL: prefix, slash, name */
#define TAR_LINK_MAX	   101
#define TAR_OLD_SPARSE	   4  /* pieces in a header of GNU's old sparse format */
#define TAR_OLD_SPARSE_EXT 21 /* and in each block behind it */

enum tar_type {
	TAR_FILE,
	TAR_HARD_LINK,
	TAR_SYMLINK,
	TAR_CHAR,
	TAR_BLOCK,
	TAR_DIR,
	TAR_FIFO,
	TAR_SPARSE,	/* GNU's old format of a file with holes */
	TAR_LONG_NAME,	/* GNU: the data is the next entry's name */
	TAR_LONG_LINK,	/* GNU: and its link */
	TAR_PAX,	/* records on the next entry */
	TAR_PAX_GLOBAL, /* records on all further entries */
	TAR_LABEL,	/* GNU: the volume's name */
	TAR_TYPE_MAX_,
};

/* Bytes of a file with holes that are in the archive. */
struct tar_piece {
	uint64_t offset, bytes; /* in the file */
};

struct tar_header {
	enum tar_type type;
	char name[TAR_NAME_MAX];
	char link[TAR_LINK_MAX];
	uint32_t mode, uid, gid, major, minor;
	uint64_t bytes; /* of data behind the header */
	/* Of TAR_SPARSE: */
	struct tar_piece pieces[TAR_OLD_SPARSE];
	uint8_t n_pieces;
	bool more;	    /* a block with further pieces follows */
	uint64_t real_size; /* of the file */
};

/*
 * Return: 0; 1 for a block of zeros, which ends the archive; -EBADMSG (no header: the sum is wrong,
 * a number is none); -EOPNOTSUPP (a type of entry that is not in the list).
 */
_must_check_ int tar_header_parse(const uint8_t block[static TAR_BLOCK_BYTES],
				  struct tar_header *ret);

/* The same as a block. Return: 0; -ENAMETOOLONG. */
_must_check_ int tar_header_format(const struct tar_header *h, uint8_t ret[static TAR_BLOCK_BYTES]);

/* A block with further pieces. Return: 0, -EBADMSG. */
_must_check_ int tar_pieces_parse(const uint8_t block[static TAR_BLOCK_BYTES],
				  struct tar_piece ret[static TAR_OLD_SPARSE_EXT], size_t *ret_n,
				  bool *ret_more);

/* "LENGTH KEY=VALUE\n" of a pax header. */
struct tar_record {
	const char *key; /* borrowed; not ended by a NUL, and holds none */
	size_t key_len;
	const uint8_t *value;
	size_t value_len;
};

/* Return: 1 with the next one; 0 at the end; -EBADMSG. */
_must_check_ int tar_record_next(struct reader *r, struct tar_record *ret);

/* The decimal number that is all of the @n bytes at @p. Return: 0, -EBADMSG. */
_must_check_ int tar_decimal(const void *p, size_t n, uint64_t *ret);
