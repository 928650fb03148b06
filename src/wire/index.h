/*
 * index.h - the index of a published image: what it is, and its parts in order (docs/index.md)
 *
 * A pure codec of the signed text. The signature is checked before the text is parsed; the parser
 * still trusts nothing. All sizes of an image that init allocates or writes come from here and from
 * nowhere else.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/lang.h"

#define INDEX_BYTES_MAX	   (4u << 20) /* the text */
#define INDEX_PARTS_MAX	   65536u     /* parts and holes together */
#define INDEX_PART_RAW_MAX (4u << 20) /* bytes of a part when unpacked */
#define INDEX_PART_ALIGN   4096u      /* raw bytes of every part but the last are a multiple */
#define INDEX_IMAGE_ALIGN  1024u      /* the image's size is a multiple */
#define INDEX_IMAGE_MAX	   (UINT64_C(1) << 40)
#define INDEX_HASH_BYTES   32  /* BLAKE2b-256 */
#define INDEX_NAME_MAX	   64  /* with NUL; letters, digits, '.', '_', '-', not first a '.' */
#define INDEX_INIT_MAX	   256 /* with NUL; absolute path */

/* What init needs beside the root: for transfers, unpacking and the root's first steps. */
#define INDEX_BOOT_BYTES (8u << 20)

enum index_format { INDEX_EXT2, INDEX_SQUASHFS, INDEX_EROFS, INDEX_CPIO, INDEX_FORMAT_MAX_ };
enum index_arch { INDEX_X86_64, INDEX_AARCH64, INDEX_ARCH_MAX_ };

struct index_part {
	uint8_t hash[INDEX_HASH_BYTES]; /* of the stored (compressed) bytes; names the file
					   parts/HEX */
	uint64_t offset;		/* of its first byte in the image */
	uint32_t raw_bytes;		/* in the image; for a hole up to 2^32-1 */
	uint32_t
		stored_bytes; /* of the file; 0 for a hole, which is zeros that are never fetched */
};

struct index {
	char name[INDEX_NAME_MAX];
	uint64_t
		counter; /* grows with every publication of this name: an older index can be told */
	enum index_arch arch;
	enum index_format format;
	uint64_t image_bytes;
	uint8_t digest[INDEX_HASH_BYTES]; /* BLAKE2b-256 of the whole image, for checks on a host */
	char init[INDEX_INIT_MAX];	  /* what the node executes after switch_root */
	uint64_t memory_bytes; /* of cpio: what it takes in memory once it is unpacked; else 0 */
	struct index_part *parts; /* owned; in order, without gaps, covering the image exactly */
	size_t n_parts;
};

#define _cleanup_index_ _cleanup_(index_clear)
void index_clear(struct index *x);

/*
 * Parse the text. Return: 0; -EBADMSG with *ret_line and *ret_why set to the place and what was
 * expected; -ENOMEM. index_clear() frees what *ret holds.
 */
_must_check_ int index_parse(const void *text, size_t n, struct index *ret, unsigned *ret_line,
			     const char **ret_why);

/* Append the text of @x; parsing it gives @x again. Return: 0, -E2BIG, -ENOMEM. */
_must_check_ int index_format(const struct index *x, struct buffer *to);

/*
 * Memory that the root takes on the node when all of the image is in use: of the RAM disk with the
 * tree of its pages, or of the files that are unpacked from cpio.
 */
uint64_t index_memory_bytes(enum index_format format, uint64_t image_bytes, uint64_t memory_bytes);

/* Bytes that have to be fetched for the whole image. */
uint64_t index_stored_bytes(const struct index *x);

const char *index_format_name(enum index_format f); /* "ext2" */
const char *index_arch_name(enum index_arch a);	    /* "x86_64" */
