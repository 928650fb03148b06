/*
 * tar.h - the entries of a tar archive, one after the other
 *
 * Puts together what headers, long names, pax records and sparse maps say of each file, and tells
 * where its data lie in the archive, which are not read. What the archive says is hostile: paths
 * are given as they are, so that who takes an entry has to look at them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/lang.h"
#include "image/tree.h"
#include "wire/tar.h"

#define TAR_PATH_MAX	4096u		    /* bytes of a path or link, with NUL */
#define TAR_PAX_MAX	(1u << 20)	    /* bytes of records for one entry */
#define TAR_GLOBAL_MAX	4096u		    /* of those for all, which are read again for each */
#define TAR_PIECES_MAX	(1u << 20)	    /* of one file with holes */
#define TAR_XATTRS_MAX	64u		    /* attributes of one entry */
#define TAR_ACL_ACCESS	"SCHILY.acl.access" /* an attribute that is an ACL as text */
#define TAR_ACL_DEFAULT "SCHILY.acl.default"

/* Plain bytes inside a file: a whole archive, or one in another. */
struct span {
	const struct bundle *in;
	uint64_t at, bytes;
};

struct tar_xattr {
	const char *name; /* "security.capability", or TAR_ACL_* */
	const uint8_t *value;
	size_t bytes;
};

struct tar_entry {
	enum inode_kind kind;
	bool hard_link;	  /* another name of @link; else @kind counts */
	const char *path; /* borrowed, like all */
	const char *link; /* target of a symlink or hard link */
	uint16_t mode;
	uint32_t uid, gid, major, minor;
	uint64_t size;	  /* of the file */
	struct span data; /* what of it is in the archive */
	bool sparse;	  /* then it is these pieces one behind the other; else all of the file */
	const struct tar_piece *pieces;
	size_t n_pieces;
	const struct tar_xattr *xattrs;
	size_t n_xattrs;
};

/* Called for each entry. Nonzero stops. */
typedef int (*tar_entry_fn)(void *arg, const struct tar_entry *e);

/*
 * Read the archive that is @s. Logs what is wrong with it, with the name of its bundle and the
 * place. Return: 0; what @fn returned; -EBADMSG, -E2BIG, -EOPNOTSUPP; another errno.
 */
_must_check_ int tar_read(const struct span *s, tar_entry_fn fn, void *arg);

/* Read exactly @n bytes at @at of @s. Logs. Return: 0; -EBADMSG when it ends before; an errno. */
_must_check_ int tar_read_bytes(const struct span *s, uint64_t at, void *buf, size_t n);

/* Do these first bytes of a file begin a tar archive? @n is at least TAR_BLOCK_BYTES, else no. */
bool tar_begins(const uint8_t *p, size_t n);
