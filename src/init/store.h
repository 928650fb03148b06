/*
 * store.h - where the parts of an image go: a RAM disk, or files in a tmpfs
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/lang.h"
#include "init/boot.h"
#include "init/ramdisk.h"
#include "init/unpack.h"

#define STORE_AHEAD 2u /* parts of cpio that wait for their turn, for each session */

struct store {
	struct boot *b;
	bool said;	     /* why it failed */
	struct ramdisk disk; /* unpacks parts; and writes those of a file system */

	/* Of cpio, whose parts are needed in their order. */
	struct unpack *unpack;
	size_t next;	/* part that is needed next */
	uint8_t **held; /* owned: parts that came before their turn, as stored; by place */
};

/*
 * Make the device or the tmpfs, with what mounting it needs: nothing that is missing is found out
 * only when all has been fetched. Says. Return: 0 or negative errno.
 */
_must_check_ int store_open(struct store *s, struct boot *b);

/* Part @i is here, verified. Return: 0 or negative errno, said when it is not the part's fault. */
_must_check_ int store_part(struct store *s, size_t i, const void *data, size_t n);

/* All parts are here: what is needed now to mount it. Says. */
_must_check_ int store_end(struct store *s);

void store_close(struct store *s);
