/*
 * format.c - a tree becomes an image in any of the formats of docs/index.md
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "image/ext2.h"
#include "image/format.h"

uint16_t format_mode(const struct inode *i)
{
	static const uint16_t kinds[INODE_KIND_MAX_] = {
		[INODE_DIR] = S_IFDIR,	   [INODE_FILE] = S_IFREG,  [INODE_LINK] = S_IFLNK,
		[INODE_CHAR] = S_IFCHR,	   [INODE_BLOCK] = S_IFBLK, [INODE_FIFO] = S_IFIFO,
		[INODE_SOCKET] = S_IFSOCK,
	};

	return kinds[i->kind] | i->mode;
}

uint32_t format_device(const struct inode *i)
{
	return (i->minor & 0xff) | i->major << 8 | (i->minor & ~0xffu) << 12;
}

int format_parse(const char *name, enum index_format *ret)
{
	for (enum index_format f = 0; f < INDEX_FORMAT_MAX_; f++) {
		if (!strcmp(name, index_format_name(f))) {
			*ret = f;
			return 0;
		}
	}
	return -EINVAL;
}

uint64_t format_source_bytes(const struct format_job *job, enum index_format format)
{
	uint64_t sum = 0;

	if (format == INDEX_EXT2)
		return plan_bytes(job->plan);
	for (const struct node *n = tree_root(job->tree); n; n = tree_next(n))
		sum += n->inode->kind == INODE_FILE ? n->inode->size : 0;
	return sum;
}

static int write_ext2(const struct format_job *job, int fd, struct format_result *ret)
{
	int r = ext2_write(job->plan, fd, job->progress, job->user);

	if (r == 0)
		*ret = (struct format_result){ .image_bytes = plan_bytes(job->plan) };
	return r;
}

int format_write(const struct format_job *job, enum index_format format, int fd,
		 struct format_result *ret)
{
	static int (*const writers[INDEX_FORMAT_MAX_])(const struct format_job *job, int fd,
						       struct format_result *ret) = {
		[INDEX_EXT2] = write_ext2,
		[INDEX_SQUASHFS] = squashfs_write,
		[INDEX_EROFS] = erofs_write,
		[INDEX_CPIO] = cpio_write,
	};

	return writers[format](job, fd, ret);
}
