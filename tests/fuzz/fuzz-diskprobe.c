/*
 * fuzz-diskprobe.c - what a disk says of itself stays within its fields, whatever it holds, and it
 * is found by what it says, and by no less
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "init/diskprobe.h"

#define SUPER_AT 1024u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* @what with @value in front of nothing and, when that is not empty, without its last byte. */
static void check_name(const struct diskprobe *p, const char *what, const char *value)
{
	char root[64];
	size_t n;

	snprintf(root, sizeof(root), "%s%s", what, value);
	if (diskprobe_matches(p, root) != (*value != 0))
		abort();
	n = strlen(root);
	root[n - 1] = 0;
	if (*value && diskprobe_matches(p, root))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *start = calloc(1, DISKPROBE_BYTES); /* the input is a superblock */
	struct diskprobe p, again;

	if (!start)
		abort();
	memcpy(start + SUPER_AT, data, MIN(size, (size_t)DISKPROBE_BYTES - SUPER_AT));
	if (diskprobe(start, &p) == 0) {
		if (strcmp(p.type, "ext2") && strcmp(p.type, "ext3") && strcmp(p.type, "ext4"))
			abort();
		if (!memchr(p.label, 0, sizeof(p.label)) || strlen(p.uuid) != sizeof(p.uuid) - 1 ||
		    strspn(p.uuid, "0123456789abcdef-") != sizeof(p.uuid) - 1)
			abort();
		check_name(&p, "LABEL=", p.label);
		check_name(&p, "UUID=", p.uuid);
		if (diskprobe(start, &again) < 0 || strcmp(again.type, p.type) ||
		    strcmp(again.label, p.label) || strcmp(again.uuid, p.uuid))
			abort();
	}
	free(start);
	return 0;
}
