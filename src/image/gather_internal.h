/*
 * gather_internal.h - shared by gather*.c alone
 */
#pragma once

#include "image/closure.h"
#include "image/gather.h"
#include "image/spool.h"
#include "image/tar.h"

#define GATHER_ENTRIES_MAX (2u << 20)	       /* of all archives of an image */
#define GATHER_TEXT_MAX	   ((size_t)512 << 20) /* bytes of their names and attributes */

struct gather {
	const struct gather_spec *spec;
	struct tree *tree;
	bool in_layer; /* what is laid over the image does not ask this machine's root */
	bool has_from; /* lines "from" brought something */
	struct seen *seen;

	/* Where programs come from now: below, or the image itself (gather_look()). */
	const struct root *root;
	struct closure *closure;
	struct root inside_root, outside_root;
	struct closure *inside, *outside;
	bool has_arch;
	enum index_arch arch;
};

/* Log with the place of @e (NULL: the whole manifest). Return: @err. */
int gather_error(const struct gather *g, int err, const struct manifest_entry *e, const char *fmt,
		 ...) _printf_(4, 5);

/*
 * Be sure that there is a folder at @path, and those above it; symlinks of the image are followed.
 * Logs.
 */
_must_check_ int gather_dir(struct gather *g, const struct manifest_entry *e, const char *path,
			    struct node **ret);

/* Did a "from" line bring it, and no other line ask for it since? */
bool gather_gives_way(const struct node *n);

/*
 * Make way for a name that a line brings: what a "from" line brought is taken away, but no folder
 * that holds something. Logs. Return: 0, -EEXIST.
 */
_must_check_ int gather_replace(struct gather *g, const struct manifest_entry *e, const char *path,
				struct node *old);

/*
 * Make a new name at @path, and the folders above it. Logs, also when there is one already.
 * *ret_base, which may be NULL, is not set when the name is new.
 */
_must_check_ int gather_new(struct gather *g, const struct manifest_entry *e, const char *path,
			    enum inode_kind kind, uint16_t mode, struct node **ret);

#define GATHER_ACL_ACCESS  "system.posix_acl_access"
#define GATHER_ACL_DEFAULT "system.posix_acl_default"

/*
 * Look for what programs need in the image alone, as the lines "from" and others made it; or in the
 * image and, where it has nothing, in the root that things are taken from.
 */
void gather_look(struct gather *g, bool inside);

/* Take what @path below @dirfd has of extended attributes. Logs. */
_must_check_ int gather_xattrs(struct inode *i, int dirfd, const char *path);

/* Add one, unless it is of no use on a node. */
_must_check_ int gather_add_xattr(struct inode *i, const char *name, const void *value, size_t n);

/* Forget one of them, or all. */
void gather_drop_xattr(struct inode *i, const char *name);
void gather_drop_xattrs(struct inode *i);

/* Let inode @i read its data from @path below @dirfd, which was found to be @st. */
_must_check_ int gather_source(struct inode *i, int dirfd, const char *path, const struct stat *st);

/* Let it have the data and attributes of another. Logs. */
_must_check_ int gather_copy_source(struct inode *i, const struct inode *from);

/* The same without its extended attributes. */
_must_check_ int gather_source_data(struct inode *i, int dirfd, const char *path,
				    const struct stat *st);

/* The lines "tree", "program", "bpslave", "module"; all names given an owner. Each logs. */
_must_check_ int gather_tree(struct gather *g, const struct manifest_entry *e);
_must_check_ int gather_program(struct gather *g, const struct manifest_entry *e);
_must_check_ int gather_slave(struct gather *g, const struct manifest_entry *e);
_must_check_ int gather_needs(struct gather *g, const struct manifest_entry *e);
_must_check_ int gather_gconv(struct gather *g, const struct manifest_entry *e);
_must_check_ int gather_nss(struct gather *g);

/*
 * The file at @path of the root at the same place; needed by @by (NULL: asked for). What is there
 * stays.
 */
_must_check_ int gather_bring(struct gather *g, const struct manifest_entry *e, const char *path,
			      const char *by);

/* The same with all that the ELF file needs. */
_must_check_ int gather_closure(struct gather *g, const struct manifest_entry *e, const char *path);

/*
 * What the closure has from item @from on; who is called @path there has the name @name in the
 * image.
 */
_must_check_ int gather_items(struct gather *g, const struct manifest_entry *e, size_t from,
			      const char *path, const char *name);

/* The image's own users and groups. */
struct gather_accounts;
_must_check_ int gather_accounts_new(struct gather *g, struct gather_accounts **ret);
void gather_accounts_free(struct gather_accounts *a);

/* The number of a user or group. Return: 0, -ENOENT. */
_must_check_ int gather_account(const struct gather_accounts *a, bool group, const char *name,
				uint32_t *ret);

/* The text of a file of the image; nothing when it is not there. */
_must_check_ int gather_read(struct gather *g, const char *path, struct buffer *to);

/* What machine the image is for, when no program said so. */
void gather_note_init(struct gather *g, const char *path);

_must_check_ int gather_modules(struct gather *g);
_must_check_ int gather_cache(struct gather *g);
_must_check_ int gather_owners(struct gather *g);

/* What all archives of an image took so far. */
struct layer_use {
	uint32_t entries;
	size_t text;
	uint64_t bytes; /* of files */
};

/* An archive or folder that is laid over the image. */
struct layer {
	struct gather *g;
	const struct manifest_entry *e;
	const char *what; /* the source, for messages */
	uint16_t origin;
	bool whiteouts; /* names of container images that take names away */
	struct spool *spool;
	const struct bundle *holes; /* files with holes, unpacked; or NULL */
	struct layer_use *use;
};

/* An entry of an archive (tar_entry_fn of a struct layer). Logs. */
_must_check_ int layer_take(void *arg, const struct tar_entry *e);

/* A name in a folder, in place of what has it. */
_must_check_ int layer_add(struct layer *l, struct node *dir, const char *name,
			   enum inode_kind kind, uint16_t mode, struct inode *same,
			   struct node **ret);

/* All that lies in the folder @path. Logs. */
_must_check_ int gather_folder(struct layer *l, const char *path);

/* ACLs that came as text, for all of the image. Logs. */
_must_check_ int gather_acls(struct gather *g);

/* Note what all of the image is read from, when there is a line "from". */
void gather_note_sources(struct gather *g);

/* The lines "from", in their order, before all others. Logs. */
_must_check_ int gather_sources(struct gather *g);
