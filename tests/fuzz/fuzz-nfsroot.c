/*
 * fuzz-nfsroot.c - an NFS root that is accepted, written and read again is the same
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "init/nfsroot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), once[NFSROOT_TEXT_MAX];
	struct nfsroot *n = calloc(2, sizeof(*n));
	const char *why = NULL;

	if (!text || !n)
		abort();
	memcpy(text, data, size);
	text[size] = 0;
	if (nfsroot_parse(text, n, &why) == 0) {
		if (n->path[0] != '/' || strpbrk(n->path, ",:") || strpbrk(n->server, "/,[]"))
			abort();
		if (nfsroot_parse(nfsroot_format(n, once), n + 1, &why) < 0 ||
		    memcmp(n, n + 1, sizeof(*n)) != 0)
			abort();
		(void)!nfsroot_expand(n, "node"); /* it may not fit */
		if (!memchr(n->path, 0, sizeof(n->path)))
			abort();
	} else if (!why) {
		abort();
	}
	free(n);
	free(text);
	return 0;
}
