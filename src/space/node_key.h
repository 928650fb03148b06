/*
 * node_key.h - the key by which bpmaster knows this node again (docs/keys.md)
 */
#pragma once

#include <stdbool.h>

#include "base/lang.h"
#include "space/cipher.h"

#define NODE_KEY_SUFFIX ".key" /* of the boot file: a key of this boot alone */

struct node_key {
	struct keypair pair;
	bool lasting; /* it outlives a boot */
};

/*
 * The key in the file @lasting, which is made when it is missing, or with "efi" in the firmware;
 * without one (NULL), or where the firmware keeps none, a key of this boot, beside @boot_file, or,
 * where that cannot be written, of this process alone.
 * Return: 0 or negative errno (logged); only for @lasting.
 */
_must_check_ int node_key_open(const char *lasting, const char *boot_file, struct node_key *ret);
