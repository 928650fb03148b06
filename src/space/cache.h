/*
 * cache.h - what a node keeps of the programs that the front end sent it
 *
 * Blobs are files known by the hash of their bytes (net/file_hash.h). One is written without a name
 * and gets its own when it is complete and its hash is right, so that nothing can be run before. A
 * blob that not everybody may read on the front end belongs to one user, and is none for others.
 *
 * A view is a folder in which blobs have the paths that they have on the front end, by hard links:
 * programs are run there. Its name is not to be guessed, which keeps others from what is private.
 *
 * What is kept has a bound; the blob that was used longest ago goes first, and none that is in use.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/lang.h"
#include "net/file_hash.h"
#include "wire/message.h"

#define CACHE_DIR	"/run/bpboot/cache"
#define CACHE_SHARE	4     /* by default, of the node's memory: one in so many */
#define CACHE_ROOM	(UINT64_C(128) << 20) /* of the usual place, unless less may be kept */
#define CACHE_BLOBS_MAX 4096u /* kept at once */
#define CACHE_NAME_MAX	33u   /* of a view, with NUL */

struct cache_blob {
	struct cache_blob *next;
	struct message_blob id;
	uint64_t bytes, filled; /* of the file; of it that came */
	bool here;		/* complete and verified */
	bool unnamed;		/* no program's file: used by its descriptor, which stays open */
	uint64_t idle_ms;	/* unnamed: when it was last in use */
	unsigned users;		/* views in use and transfers */
	uint64_t used;		/* when, in turns */
	int fd;			/* while it comes; owned, as the next */
	uint8_t *group;		/* bytes that are not hashed and written yet */
	struct file_hash hash;
};

/* A file of a view. */
struct cache_item {
	const struct message_file *file;
	struct cache_blob *blob; /* NULL: the node's own file of that path */
};

struct cache_view {
	struct cache_view *next;
	char name[CACHE_NAME_MAX];
	char *path; /* of the folder; owned */
	bool made;  /* the folder is there */
	unsigned users;
	size_t n;
	struct cache_blob **blobs; /* owned array; NULL: the node's own file */
	char **paths;		   /* owned, each and all */
};

struct cache {
	char *dir; /* owned */
	int fd, blobs, run;
	uint64_t limit, bytes; /* that may be kept, that are */
	size_t n;
	uint64_t turn;
	struct cache_blob *list;
	struct cache_view *views;
};

/*
 * Make a folder of our own below @dir, or NULL for the first usual place that will do, of those
 * with room if there is one; folders that others of us left behind are removed. @limit: bytes, or 0
 * for a share of the node's memory. Return: 0, or negative errno with *ret_words saying which place
 * would not do.
 */
_must_check_ int cache_open(const char *dir, uint64_t limit, struct cache **ret,
			    char ret_words[static MESSAGE_WORDS_MAX]);
void cache_close(struct cache *c); /* removes it all; NULL is none */

/* Who a file is kept for. */
struct message_blob cache_id(const struct message_file *f, uint32_t uid);

/* Return: NULL when it is neither here nor coming. */
struct cache_blob *cache_find(const struct cache *c, const struct message_blob *id);

/*
 * Make room for a blob that comes. Return: 0; -EFBIG when it is larger than the bound; -ENOBUFS
 * when what is in use leaves no room; -ENOSPC or another errno of the file system.
 */
_must_check_ int cache_expect(struct cache *c, const struct message_blob *id, uint64_t bytes,
			      struct cache_blob **ret);

/* Where the next bytes go, and how many at most. */
uint8_t *cache_room(const struct cache_blob *b, size_t *ret_left);

/*
 * @n more bytes are there, at most as many as there was room for. Return: 0; 1 when it is complete
 * and here; negative errno when it is complete and not right (-EBADMSG), or cannot be written. It
 * is to be dropped then.
 */
_must_check_ int cache_filled(struct cache *c, struct cache_blob *b, size_t n);

/* Begin anew: another sender goes on. */
_must_check_ int cache_rewind(struct cache_blob *b);

/* Forget a blob that comes, or that nobody uses. */
void cache_drop(struct cache *c, struct cache_blob *b);

/* Open a blob that is here. Return: a descriptor or negative errno. */
_must_check_ int cache_blob_open(const struct cache *c, const struct cache_blob *b);

/* cache_view.c */

/* The view of these files: the one there is, or a new one, which is not made. One more uses it.
 * Return: 0 or -ENOMEM. */
_must_check_ int cache_view_get(struct cache *c, const struct cache_item *items, size_t n,
				struct cache_view **ret);
void cache_view_put(struct cache *c, struct cache_view *v);

/* Make it, if all of its blobs are here. Return: 0; -EAGAIN when one is not; another errno. */
_must_check_ int cache_view_make(struct cache *c, struct cache_view *v);
bool cache_view_has(const struct cache_view *v, const struct cache_blob *b);

/* Views that nobody uses and that have @b go with it. */
void cache_views_drop(struct cache *c, const struct cache_blob *b);

/* Remove what is at @name, and all below. */
void cache_remove(int dirfd, const char *name, unsigned depth);
