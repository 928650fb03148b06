/*
 * verify.h - is this index signed by a key that this initramfs trusts?
 */
#pragma once

#include <stddef.h>

#include "base/lang.h"
#include "wire/index.h"
#include "wire/minisign.h"

#define VERIFY_KEYS_MAX 16
#define VERIFY_WHY_MAX	320 /* with NUL */

struct verify_keys {
	struct minisign_key keys[VERIFY_KEYS_MAX];
	size_t n;
};

/* Read all *.pub of the directory. Return: 0; -ENOKEY when there is none, -EBADMSG, ... with @why
 * for a person. */
_must_check_ int verify_keys_read(int dirfd, const char *path, struct verify_keys *ret,
				  char why[static VERIFY_WHY_MAX]);

/*
 * Check @sig (the text of a .minisig) over @text. Return: 0; -EBADMSG (not a signature file),
 * -ENOKEY (signed by a key that is not among @keys), -EKEYREJECTED (the signature is wrong), with
 * @why for a person.
 */
_must_check_ int verify_signature(const struct verify_keys *keys, const void *text, size_t n,
				  const void *sig, size_t sig_n, char why[static VERIFY_WHY_MAX]);

/*
 * May this machine use it: architecture, format, counter. Return: 0; -ESTALE (counter below
 * @min_counter), -ENOEXEC (another architecture), -EPROTONOSUPPORT (format), with @why for a
 * person.
 */
_must_check_ int verify_index(const struct index *x, uint64_t min_counter,
			      char why[static VERIFY_WHY_MAX]);
