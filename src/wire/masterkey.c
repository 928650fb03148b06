/*
 * masterkey.c - X25519 keys of bpmaster and of nodes as text (docs/keys.md)
 *
 * Exactly one line: a word that says what it is, the format's version, the key in lower-case
 * hexadecimal.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "base/reader.h"
#include "wire/masterkey.h"

static const char *const heads[MASTERKEY_KIND_MAX_] = {
	[MASTERKEY_SECRET] = "bpboot-master-key 1 ",
	[MASTERKEY_PUBLIC] = "bpboot-master-public 1 ",
	[MASTERKEY_NODE] = "bpboot-node-key 1 ",
};

static int has_head(const void *text, size_t n, enum masterkey_kind kind)
{
	size_t len = strlen(heads[kind]);

	return n >= len && !memcmp(text, heads[kind], len);
}

int masterkey_parse(enum masterkey_kind kind, const void *text, size_t n,
		    uint8_t ret[static MASTERKEY_BYTES])
{
	struct reader r = READER(text, n);
	char hex[2 * MASTERKEY_BYTES + 1] = { 0 };
	int err;

	if (!has_head(text, n, kind)) {
		for (int other = 0; other < MASTERKEY_KIND_MAX_; other++) {
			if (has_head(text, n, (enum masterkey_kind)other))
				return -EPROTO;
		}
		return -EBADMSG;
	}
	reader_skip(&r, strlen(heads[kind]));
	reader_copy(&r, hex, 2 * MASTERKEY_BYTES);
	if (reader_u8(&r) != '\n' || reader_end(&r) < 0 || strpbrk(hex, "ABCDEF"))
		err = -EBADMSG;
	else
		err = parse_hex(hex, ret, MASTERKEY_BYTES) < 0 ? -EBADMSG : 0;
	explicit_bzero(hex, sizeof(hex));
	return err;
}

const char *masterkey_format(enum masterkey_kind kind, const uint8_t key[static MASTERKEY_BYTES],
			     char ret[static MASTERKEY_TEXT_MAX])
{
	char hex[2 * MASTERKEY_BYTES + 1];

	format_hex(key, MASTERKEY_BYTES, hex);
	snprintf(ret, MASTERKEY_TEXT_MAX, "%s%s\n", heads[kind], hex);
	explicit_bzero(hex, sizeof(hex));
	return ret;
}
