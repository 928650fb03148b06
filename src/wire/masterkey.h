/*
 * masterkey.h - X25519 keys of bpmaster and of nodes as text (docs/keys.md)
 *
 * One line a file: "bpboot-master-key 1 HEX" (secret) and "bpboot-master-public 1 HEX". `bpboot
 * keygen` writes them; bpmaster reads the first, the node's image carries the second.
 * "bpboot-node-key 1 HEX" is the secret of a node, which bpslave makes. Pure: file_read() brings
 * the text.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/lang.h"

#define MASTERKEY_BYTES	   32
#define MASTERKEY_TEXT_MAX 128 /* of a file, with NUL */

enum masterkey_kind { MASTERKEY_SECRET, MASTERKEY_PUBLIC, MASTERKEY_NODE, MASTERKEY_KIND_MAX_ };

/*
 * Parse the whole text of a file. Return: 0; -EPROTO when it is a key of another kind (public
 * given for secret, for example); -EBADMSG.
 */
_must_check_ int masterkey_parse(enum masterkey_kind kind, const void *text, size_t n,
				 uint8_t ret[static MASTERKEY_BYTES]);

/* The line with its newline and a NUL. Return: @ret. */
const char *masterkey_format(enum masterkey_kind kind, const uint8_t key[static MASTERKEY_BYTES],
			     char ret[static MASTERKEY_TEXT_MAX]);
