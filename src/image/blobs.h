/*
 * blobs.h - files by name inside a container image's archive or folder
 *
 * The same for an OCI image layout in a folder, one in a tar archive, and what `docker save`
 * writes. Names are looked up and nothing is unpacked; links inside are followed inside.
 */
#pragma once

#include <stdbool.h>

#include "base/buffer.h"
#include "base/lang.h"
#include "base/log.h"
#include "image/tar.h"

/* Log a message that says it all. Return: @err. */
#define blobs_error(err, ...) ((void)log_err(0, __VA_ARGS__), (err))

#define BLOBS_FILES_MAX 8192u /* of an archive: blobs of an image and its index */
#define BLOBS_LINKS_MAX 8u

struct blobs_file {
	char *name; /* plain, without a slash at its start; owned */
	char *link; /* a name it stands for, or NULL; owned */
	struct span data;
};

struct blobs {
	struct tree *tree; /* keeps what is opened; borrowed */
	const char *what;  /* for messages; borrowed */
	int dirfd;	   /* of a folder; owned; else FD_NONE */
	struct blobs_file *files;
	size_t n;
};

#define _cleanup_blobs_ _cleanup_(blobs_clear)
void blobs_clear(struct blobs *s);

/* Is the folder below @dirfd an OCI image layout? */
bool blobs_is_folder(int dirfd, const char *path);

/* Open a folder. Logs. */
_must_check_ int blobs_open_folder(struct blobs *s, int dirfd, const char *path);

/*
 * Is the tar archive @from a container image? It holds nothing but what belongs to one. Return: 1
 * with its files in @s; 0 when it is something else; negative errno, logged.
 */
_must_check_ int blobs_open_tar(struct blobs *s, const struct span *from);

/* Where a file is. Logs unless it is @optional. Return: 0, -ENOENT, another errno. */
_must_check_ int blobs_find(struct blobs *s, const char *name, bool optional, struct span *ret);

/* The bytes of a small file. Logs. */
_must_check_ int blobs_read(struct blobs *s, const char *name, struct buffer *to);

/*
 * Are the bytes of @data those that @digest ("sha256:HEX") names? Logs.
 * Return: 0; -EBADMSG when not, or when it is no digest; -EOPNOTSUPP; another errno.
 */
_must_check_ int blobs_verify(const struct span *data, const char *what, const char *digest);

/* An open file as a bundle that @t keeps; takes @fd. Logs. */
_must_check_ int blobs_bundle(struct tree *t, int fd, const char *name, const struct bundle **ret);
