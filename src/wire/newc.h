/*
 * newc.h - the "newc" cpio format, which the kernel unpacks as initramfs
 *
 * Layout: Linux, Documentation/driver-api/early-userspace/buffer-format.rst. An archive is headers,
 * each followed by its name and data, both padded to 4 bytes; it ends with an entry named
 * "TRAILER!!!". A pure codec: data is not looked at.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/lang.h"
#include "base/reader.h"

#define NEWC_HEADER_BYTES 110
#define NEWC_NAME_MAX	  4096 /* with NUL, as in the kernel */
#define NEWC_ALIGN	  4
#define NEWC_TRAILER	  "TRAILER!!!"

/*
 * An entry of this name holds extended attributes of the file before it, one record each: eight
 * hexadecimal digits that count the record's bytes with themselves, '1' (the version), '1' (an
 * attribute), the name with its NUL, the value. It is the form that was proposed for the kernel
 * (docs/cpio.md).
 */
#define NEWC_METADATA	    "METADATA!!!"
#define NEWC_XATTR_NAME_MAX 256 /* with NUL */

struct newc {
	uint32_t ino, mode, uid, gid, nlink, mtime;
	uint32_t size; /* bytes of data behind the name */
	uint32_t dev_major, dev_minor;
	uint32_t rdev_major, rdev_minor; /* of a device node */
	bool has_check;			 /* read from the variant with checksums; never written */
	uint32_t check;			 /* then the sum of the data's bytes */
	char name[NEWC_NAME_MAX];
};

/* Append header and name with padding; the data comes next. Return: 0, -E2BIG, -ENOMEM. */
_must_check_ int newc_format(const struct newc *e, struct buffer *to);

/* Append zeros up to the next multiple of 4 behind data that starts at a multiple of 4. */
_must_check_ int newc_pad(struct buffer *to);

/*
 * How many bytes follow a header, when it is read by itself: the name with its padding.
 * Return: 0, or -EBADMSG.
 */
_must_check_ int newc_name_bytes(const uint8_t head[static NEWC_HEADER_BYTES], uint32_t *ret);

/*
 * Take header, name and their padding from @r; the data, which newc_data() takes, comes next.
 * Return: 0, or -EBADMSG with @ret untouched.
 */
_must_check_ int newc_parse(struct reader *r, struct newc *ret);

/*
 * Borrow the data of @e with its padding taken too. Return: NULL (and @r in error) when it is cut
 * off.
 */
const uint8_t *newc_data(struct reader *r, const struct newc *e);

struct newc_xattr {
	const char *name;     /* borrowed, like the value */
	const uint8_t *value;
	size_t bytes;
};

/* Append a record of NEWC_METADATA. Return: 0, -E2BIG, -ENOMEM. */
_must_check_ int newc_xattr_format(const char *name, const void *value, size_t n,
				   struct buffer *to);

/* Take the next record. Return: 0, or -EBADMSG. */
_must_check_ int newc_xattr_parse(struct reader *r, struct newc_xattr *ret);
