/*
 * tree.h - the files of an image, in memory
 *
 * What there is to be, before any file system says how: names, kinds, modes, owners, where the data
 * comes from and why each is in. Names are bytes without '/' and NUL. A node is a name; an inode is
 * what it names, so that hard links are two nodes of one inode.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/lang.h"

#define TREE_NAME_MAX  255u	 /* bytes of a name, as ext2 has it */
#define TREE_NODES_MAX 16000000u /* names of one image */
#define TREE_DEPTH_MAX 1000u	 /* folders in folders */
#define TREE_LINKS_MAX 32u	 /* symlinks followed for one path */
#define TREE_ORIGINS_MAX 4096u	 /* layers and other sources of whole trees */

enum inode_kind {
	INODE_DIR,
	INODE_FILE,
	INODE_LINK, /* symbolic */
	INODE_CHAR,
	INODE_BLOCK,
	INODE_FIFO,
	INODE_SOCKET,
	INODE_KIND_MAX_,
};

struct manifest_entry;

/* Why a name is in the image. */
enum node_reason {
	REASON_IMPLIED, /* a folder above something, a mount point, a symlink on the way */
	REASON_NEEDED,	/* by a program that is in */
	REASON_ASKED,	/* by a line of the manifest */
};

/* An extended attribute, as getxattr(2) gives it. */
struct inode_xattr {
	char *name; /* "security.capability"; owned, like the value */
	uint8_t *value;
	size_t bytes;
};

/* Blocks of a file that hold data; what lies between is a hole. */
struct inode_run {
	uint32_t first, count;
};

/*
 * An open file that holds the data of many: an archive, or what was unpacked of one. Its identity
 * is that of the file that was named, to see whether that changed.
 */
struct bundle {
	int fd;	       /* owned */
	char *name;    /* of the source, for messages; owned */
	bool spooled;  /* an unlinked copy of ours, which nobody changes */
	bool known;    /* the rest is: it came from a file, not from a pipe */
	uint64_t size; /* of the file that was named */
	int64_t mtime_s;
	uint32_t mtime_ns;
	uint64_t source_ino, changed_ns; /* as of an inode */
};

struct inode {
	enum inode_kind kind;
	uint16_t mode; /* permission bits, 07777 */
	uint32_t uid, gid;
	uint32_t links;	       /* names, and for a folder its subfolders' ".." */
	uint64_t size;	       /* bytes of a file's data or a symlink's target */
	char *target;	       /* of a symlink; owned */
	uint32_t major, minor; /* of a device */

	int source_dirfd; /* where a file's data is read; borrowed */
	char *source;	  /* owned; NULL when it is in data */
	const struct bundle *bundle; /* what holds the data, and source its name there; or NULL */
	uint64_t source_offset;	     /* where the data begins; 0 without a bundle */
	uint8_t *data;	  /* owned; data made here */
	int64_t mtime_s;  /* of the source when it was looked at, to see it change */
	uint32_t mtime_ns;
	uint64_t source_ino; /* which file it was, and when anything about it changed: since 1970 */
	uint64_t changed_ns;

	struct inode_xattr *xattrs; /* owned; by their names */
	size_t n_xattrs;

	bool scanned;		/* runs tells where the data is; else it is everywhere */
	struct inode_run *runs; /* owned */
	size_t n_runs;
	uint32_t number;      /* given by the plan, like the next */
	uint32_t xattr_block; /* which of the plan's blocks of attributes, from 1; 0 for none */
};

struct node {
	struct node *parent; /* NULL for the root */
	char *name;	     /* owned; "" for the root */
	uint32_t id;	     /* order of making */
	uint32_t sibling;    /* place among the folder's children */
	struct inode *inode;
	struct node **children; /* owned array; in order of bytes after tree_sort() */
	size_t n_children;
	enum node_reason reason;
	uint16_t origin; /* which source of whole trees brought it (tree_origin()); 0: none */
	char *needed_by;		    /* path of what needs it; owned, or NULL */
	const struct manifest_entry *entry; /* the line that asked; borrowed, or NULL */
};

struct tree;

_must_check_ int tree_new(struct tree **ret);
void tree_free(struct tree *t);
void tree_freep(struct tree **t);
#define _cleanup_tree_ _cleanup_(tree_freep)

struct node *tree_root(const struct tree *t);
size_t tree_nodes(const struct tree *t);

/* The child of @dir called by the @n bytes at @name. Return: NULL if there is none. */
struct node *tree_child(const struct tree *t, const struct node *dir, const char *name, size_t n);

/*
 * Add a name to a folder. The inode is new (kind and mode as given, one link) or, for a hard link,
 * @same. Return: 0; -EEXIST; -ENAMETOOLONG; -EMLINK (too many names or folders in folders);
 * -ENOMEM.
 */
_must_check_ int tree_add(struct tree *t, struct node *dir, const char *name, size_t n,
			  enum inode_kind kind, uint16_t mode, struct inode *same,
			  struct node **ret);

/* Take a name away with all that lies below it. Not the root. */
void tree_remove(struct tree *t, struct node *n);

/* A source of names: *ret for struct node. Return: 0, -E2BIG, -ENOMEM. */
_must_check_ int tree_add_origin(struct tree *t, const char *what, uint16_t *ret);

/* What was said of it; NULL for 0. Borrowed. */
const char *tree_origin(const struct tree *t, uint16_t origin);

/* Keep @b (from malloc) until the tree goes; frees it on an error, too. Return: 0, -ENOMEM. */
_must_check_ int tree_hold(struct tree *t, struct bundle *b);
void bundle_free(struct bundle *b);

/* Number @i of those that it keeps. Return: NULL behind the last. */
const struct bundle *tree_bundle(const struct tree *t, size_t i);

/* Sort all children by the bytes of their names. */
void tree_sort(struct tree *t);

/*
 * The next node depth-first, parents before children; begin with tree_root(). Return: NULL at the
 * end.
 */
struct node *tree_next(const struct node *n);

/* The path of a node, "/usr/bin/ls". Caller frees. Return: NULL when memory is short. */
char *tree_path(const struct node *n);

/*
 * Follow @path, symlinks included, in the image alone.
 * Return: 0; -ENOENT, -ENOTDIR, -ELOOP, -ENAMETOOLONG.
 */
_must_check_ int tree_lookup(const struct tree *t, const char *path, struct node **ret);
