/*
 * initrd.h - the initramfs as an archive (docs/initrd.md)
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/lang.h"
#include "image/driverset.h"
#include "wire/minisign.h"

#define INITRD_BYTES_MAX (1u << 30) /* of an archive, before compression */

struct initrd_spec {
	const char *init_path;	/* the static init */
	const char *shell_path; /* a static busybox for /bin/sh; NULL: none */
	const char
		*firmware_dir; /* firmware that drivers ask for is taken from here; NULL: none is */
	const struct minisign_key *keys;
	size_t n_keys;
	uint64_t min_counter; /* 0: no file */
	uint32_t mtime;	      /* of every entry */
};

struct initrd_sizes {
	uint64_t init, shell, modules, index, keys, firmware; /* bytes of data */
	size_t n_firmware;
	char **missing; /* firmware that drivers may ask for and that is not in; owned, sorted */
	size_t n_missing;
};

#define _cleanup_initrd_sizes_ _cleanup_(initrd_sizes_clear)
void initrd_sizes_clear(struct initrd_sizes *s);

/* Append the archive, not compressed, to @to. Logs. */
_must_check_ int initrd_make(const struct initrd_spec *spec, struct modules *m,
			     const struct driverset *set, struct buffer *to,
			     struct initrd_sizes *ret);
