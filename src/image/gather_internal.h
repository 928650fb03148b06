/*
 * gather_internal.h - shared by gather*.c alone
 */
#pragma once

#include "image/closure.h"
#include "image/gather.h"

struct gather {
	const struct gather_spec *spec;
	struct tree *tree;
	struct closure *closure;
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

/*
 * Make a new name at @path, and the folders above it. Logs, also when there is one already.
 * *ret_base, which may be NULL, is not set when the name is new.
 */
_must_check_ int gather_new(struct gather *g, const struct manifest_entry *e, const char *path,
			    enum inode_kind kind, uint16_t mode, struct node **ret);

#define GATHER_ACL_ACCESS  "system.posix_acl_access"
#define GATHER_ACL_DEFAULT "system.posix_acl_default"

/* Take what @path below @dirfd has of extended attributes. Logs. */
_must_check_ int gather_xattrs(struct inode *i, int dirfd, const char *path);

/* Forget one of them. */
void gather_drop_xattr(struct inode *i, const char *name);

/* Let inode @i read its data from @path below @dirfd, which was found to be @st. */
_must_check_ int gather_source(struct inode *i, int dirfd, const char *path, const struct stat *st);

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

/* The text of a file of the image; nothing when it is not there. */
_must_check_ int gather_read(struct gather *g, const char *path, struct buffer *to);

_must_check_ int gather_modules(struct gather *g);
_must_check_ int gather_cache(struct gather *g);
_must_check_ int gather_owners(struct gather *g);
