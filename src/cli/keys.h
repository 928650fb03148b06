/*
 * keys.h - the option --key of commands that check or hand on signatures
 */
#pragma once

#include <stddef.h>

#include "base/lang.h"
#include "wire/minisign.h"

#define KEYS_MAX 16

/*
 * Given once or more. Stands first in the options of a command, so that keys_take() is its row's
 * call.
 */
struct keys_option {
	const char *paths[KEYS_MAX]; /* borrowed from argv */
	size_t n;
};

_must_check_ int keys_take(void *options, const char *value);

/* Read the keys that were named, or the site's own when none was. Logs. */
_must_check_ int keys_load(const struct keys_option *o, struct minisign_key ret[static KEYS_MAX],
			   size_t *ret_n);
