/*
 * diskprobe.c - what file system a disk holds
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/parse.h"
#include "base/reader.h"
#include "init/diskprobe.h"

#define SUPER_AT       1024u
#define MAGIC_AT       56u /* in the superblock, like the next */
#define FEATURES_AT    92u
#define UUID_AT	       104u
#define UUID_BYTES     16u
#define LABEL_BYTES    16u
#define MAGIC	       0xef53u
#define HAS_JOURNAL    0x4u
#define IS_JOURNAL     0x8u  /* a disk of its own for another's journal */
#define EXT3_INCOMPAT  0x16u /* filetype, recover, meta_bg: all that ext3 knows */
#define EXT3_RO_COMPAT 0x7u  /* sparse_super, large_file, btree_dir */

/* The superblock from byte @at on. */
static struct reader super_at(const uint8_t *start, uint32_t at)
{
	struct reader r = READER(start, DISKPROBE_BYTES);

	reader_skip(&r, SUPER_AT + at);
	return r;
}

int diskprobe(const uint8_t start[static DISKPROBE_BYTES], struct diskprobe *ret)
{
	struct reader magic = super_at(start, MAGIC_AT), features = super_at(start, FEATURES_AT),
		      names = super_at(start, UUID_AT);
	struct diskprobe p = { .type = "ext4" };
	uint32_t compat, incompat, ro_compat;
	uint8_t uuid[UUID_BYTES];
	char hex[2 * UUID_BYTES + 1];

	if (reader_le16(&magic) != MAGIC)
		return -ENOENT;
	compat = reader_le32(&features);
	incompat = reader_le32(&features);
	ro_compat = reader_le32(&features);
	if (incompat & IS_JOURNAL)
		return -ENOENT;
	if (!(incompat & ~EXT3_INCOMPAT) && !(ro_compat & ~EXT3_RO_COMPAT))
		p.type = compat & HAS_JOURNAL ? "ext3" : "ext2";
	reader_copy(&names, uuid, sizeof(uuid));
	reader_copy(&names, p.label, LABEL_BYTES);
	format_hex(uuid, sizeof(uuid), hex);
	snprintf(p.uuid, sizeof(p.uuid), "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12,
		 hex + 16, hex + 20);
	*ret = p;
	return 0;
}

int diskprobe_matches(const struct diskprobe *p, const char *root)
{
	if (!strncmp(root, "LABEL=", 6))
		return root[6] && !strcmp(p->label, root + 6);
	return !strncmp(root, "UUID=", 5) && !strcasecmp(p->uuid, root + 5);
}
