/*
 * microcode.h - updates of the processors, as the archive that stands before an initramfs
 *
 * Linux, Documentation/x86/microcode.rst: a cpio archive that is not compressed, with all updates
 * of a vendor in one file below kernel/x86/microcode/. The kernel reads it before anything else.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/lang.h"

#define MICROCODE_DIR	    "/lib/firmware" /* what "auto" means */
#define MICROCODE_BYTES_MAX (64u << 20)	    /* of one vendor's updates */
#define MICROCODE_FILES_MAX 4096

enum microcode_vendor { MICROCODE_INTEL, MICROCODE_AMD, MICROCODE_VENDOR_MAX_ };

struct microcode {
	struct buffer updates[MICROCODE_VENDOR_MAX_];
	size_t files;
};

#define MICROCODE()                                               \
	((struct microcode){ .updates = {                         \
				     BUFFER(MICROCODE_BYTES_MAX), \
				     BUFFER(MICROCODE_BYTES_MAX), \
			     } })
#define _cleanup_microcode_ _cleanup_(microcode_clear)
void microcode_clear(struct microcode *m);

/* Which vendor's updates these bytes are. Return: 0, or -EBADMSG: neither, damaged, or cut off. */
_must_check_ int microcode_vendor(const void *p, size_t n, enum microcode_vendor *ret);

/*
 * Take the updates of @source: "auto", a directory that has intel-ucode/ or amd-ucode/ in it as
 * Debian's packages make it, or a file of updates. Logs. Return: 0, -ENOENT (there are none).
 */
_must_check_ int microcode_load(const char *source, struct microcode *to);

/* Append the archive. @to is to be at a multiple of 16, as the start of a file is. */
_must_check_ int microcode_archive(const struct microcode *m, uint32_t mtime, struct buffer *to);
