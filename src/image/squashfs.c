/*
 * squashfs.c - a squashfs image of a tree, through libsquashfs
 *
 * Why the library and not mksquashfs: nothing has to be unpacked or packed into a tar on the way,
 * sockets and names of any bytes come through, and an error is an error of the call that failed.
 * The data of files is compressed by the library's threads in the order of the tree, so that the
 * same tree gives the same bytes whatever their number; then come inodes and folders, children
 * before their folder.
 */
#include <errno.h>
#include <sqfs/block_processor.h>
#include <sqfs/block_writer.h>
#include <sqfs/compressor.h>
#include <sqfs/dir_writer.h>
#include <sqfs/error.h>
#include <sqfs/frag_table.h>
#include <sqfs/id_table.h>
#include <sqfs/inode.h>
#include <sqfs/io.h>
#include <sqfs/meta_writer.h>
#include <sqfs/super.h>
#include <sqfs/xattr_writer.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/reader.h"
#include "image/format.h"
#include "image/source.h"

#define LEVEL	       15
#define IN_BYTES       (256u << 10)
#define BACKLOG	       16 /* blocks a thread, being compressed or waiting for their turn */
#define THREADS_MAX    16
#define ACL_ACCESS     "system.posix_acl_access"
#define ACL_DEFAULT    "system.posix_acl_default"
#define ACL_HEAD_BYTES 4 /* version */
#define ACL_ID_BYTES   4
#define ACL_GROUP      4 /* tag of the file's own group */
#define NO_XATTR       0xffffffffu
#define ALIGN_BYTES    4096u

struct item {
	const struct node *node;
	sqfs_inode_generic_t *data; /* of a file: blocks and fragment; owned */
	sqfs_u64 where;		    /* of its inode */
};

struct pass {
	const struct format_job *job;
	int err; /* the errno with which reading or writing the image failed */
	sqfs_file_t file;
	int fd;
	sqfs_u64 size;
	struct item *items; /* by number, from 1 */
	uint32_t n_items;
	uint64_t done_bytes;
	uint8_t *in;
	size_t n_acls; /* inodes whose access control list is left out */
	const struct node *first_acl;

	sqfs_super_t super;
	sqfs_compressor_t *packer, *unpacker;
	sqfs_block_writer_t *blocks;
	sqfs_frag_table_t *fragments;
	sqfs_block_processor_t *processor;
	sqfs_id_table_t *ids;
	sqfs_xattr_writer_t *xattrs;
	sqfs_meta_writer_t *inodes, *folders;
	sqfs_dir_writer_t *entries;
};

/* --- the library's file is ours: errors keep their errno --- */

static struct pass *pass_of(const sqfs_file_t *file)
{
	return (struct pass *)((char *)(uintptr_t)file - offsetof(struct pass, file));
}

static int file_write_at(sqfs_file_t *file, sqfs_u64 at, const void *buf, size_t n)
{
	struct pass *s = pass_of(file);
	size_t done = 0;

	while (done < n) {
		ssize_t k = pwrite(s->fd, (const char *)buf + done, n - done, (off_t)(at + done));

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0) {
			s->err = k < 0 ? -errno : -EIO;
			return SQFS_ERROR_IO;
		}
		done += (size_t)k;
	}
	s->size = MAX(s->size, at + n);
	return 0;
}

static int file_read_at(sqfs_file_t *file, sqfs_u64 at, void *buf, size_t n)
{
	struct pass *s = pass_of(file);
	size_t done = 0;

	while (done < n) {
		ssize_t k = pread(s->fd, (char *)buf + done, n - done, (off_t)(at + done));

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0) {
			s->err = k < 0 ? -errno : -EIO;
			return SQFS_ERROR_IO;
		}
		done += (size_t)k;
	}
	return 0;
}

static sqfs_u64 file_size(const sqfs_file_t *file)
{
	return pass_of(file)->size;
}

static int file_truncate(sqfs_file_t *file, sqfs_u64 size)
{
	struct pass *s = pass_of(file);

	if (ftruncate(s->fd, (off_t)size) < 0) {
		s->err = -errno;
		return SQFS_ERROR_IO;
	}
	s->size = size;
	return 0;
}

/* Say what the library said no to. Return: negative errno. */
static int fail(const struct pass *s, int sqfs)
{
	static const struct {
		int sqfs, err;
	} known[] = {
		{ SQFS_ERROR_ALLOC, -ENOMEM },	     { SQFS_ERROR_OVERFLOW, -EOVERFLOW },
		{ SQFS_ERROR_COMPRESSOR, -EPROTO },  { SQFS_ERROR_UNSUPPORTED, -EOPNOTSUPP },
		{ SQFS_ERROR_ARG_INVALID, -EINVAL },
	};
	int err = s->err ? s->err : -EIO;

	for (size_t k = 0; !s->err && k < ARRAY_SIZE(known); k++) {
		if (known[k].sqfs == sqfs)
			err = known[k].err;
	}
	return log_err(err, "cannot write the image");
}

static void tell_acls(const struct pass *s)
{
	_cleanup_free_ char *path = s->n_acls ? tree_path(s->first_acl) : NULL;

	if (s->n_acls)
		log_warn(0,
			 "squashfs has no access control lists: leaving out those of %zu files, "
			 "the first is '%s'; ext2 and erofs keep them",
			 s->n_acls, path ? path : s->first_acl->name);
}

/* --- data --- */

static int put_data(struct pass *s, struct item *x, int source)
{
	const struct inode *i = x->node->inode;
	int r = sqfs_block_processor_begin_file(s->processor, &x->data, NULL, 0);

	if (r != 0)
		return fail(s, r);
	for (uint64_t at = 0; at < i->size;) {
		size_t n = (size_t)MIN((uint64_t)IN_BYTES, i->size - at);

		r = source_read(i, source, at, s->in, n);
		if (r < 0)
			return r;
		r = sqfs_block_processor_append(s->processor, s->in, n);
		if (r != 0)
			return fail(s, r);
		at += n;
		s->done_bytes += n;
		if (s->job->progress)
			s->job->progress(s->job->user, s->done_bytes);
	}
	r = sqfs_block_processor_end_file(s->processor);
	return r != 0 ? fail(s, r) : 0;
}

static int put_file(struct pass *s, struct item *x)
{
	const struct inode *i = x->node->inode;
	_cleanup_close_ int source = FD_NONE;
	int r = 0;

	if (i->source && i->size > 0)
		r = source_open(i, &source);
	if (r == 0)
		r = put_data(s, x, source);
	return r == 0 && source >= 0 ? source_check(i, source) : r;
}

/* --- inodes and folders --- */

/* Has the inode an access control list? */
static bool has_acl(const struct inode *i)
{
	for (size_t k = 0; k < i->n_xattrs; k++) {
		if (!strcmp(i->xattrs[k].name, ACL_ACCESS) ||
		    !strcmp(i->xattrs[k].name, ACL_DEFAULT))
			return true;
	}
	return false;
}

/*
 * squashfs has no access control lists. With one, the group's bits of the mode are the mask of all
 * whom it names; without it, they would be the group's own, and might let more in than before. So
 * they become what the list gives to the group itself.
 */
static uint16_t mode_without_acl(const struct inode *i)
{
	uint16_t mode = format_mode(i);

	for (size_t k = 0; k < i->n_xattrs; k++) {
		struct reader r = READER(i->xattrs[k].value, i->xattrs[k].bytes);

		if (strcmp(i->xattrs[k].name, ACL_ACCESS) != 0)
			continue;
		reader_skip(&r, ACL_HEAD_BYTES);
		while (r.left > 0 && !r.err) {
			uint16_t tag = reader_le16(&r), may = reader_le16(&r);

			reader_skip(&r, ACL_ID_BYTES);
			if (tag == ACL_GROUP)
				mode &= (uint16_t)(~0070u | (may & 7u) << 3);
		}
	}
	return mode;
}

static int put_xattrs(struct pass *s, const struct node *n, sqfs_u32 *ret)
{
	const struct inode *i = n->inode;
	int r = 0;

	*ret = NO_XATTR;
	if (has_acl(i) && s->n_acls++ == 0)
		s->first_acl = n;
	if (i->n_xattrs == 0)
		return 0;
	r = sqfs_xattr_writer_begin(s->xattrs, 0);
	for (size_t k = 0; r == 0 && k < i->n_xattrs; k++) {
		const struct inode_xattr *x = &i->xattrs[k];

		if (!strcmp(x->name, ACL_ACCESS) || !strcmp(x->name, ACL_DEFAULT))
			continue;
		r = sqfs_xattr_writer_add(s->xattrs, x->name, x->value, x->bytes);
	}
	if (r == 0)
		r = sqfs_xattr_writer_end(s->xattrs, ret);
	return r != 0 ? fail(s, r) : 0;
}

/* An inode without data blocks: of a device, a fifo, a socket or a symlink. */
static sqfs_inode_generic_t *new_inode(const struct inode *i)
{
	size_t n = i->kind == INODE_LINK ? (size_t)i->size : 0;
	sqfs_inode_generic_t *g = calloc(1, sizeof(*g) + n + 1);

	if (!g)
		return NULL;
	g->payload_bytes_available = g->payload_bytes_used = (sqfs_u32)n;
	switch (i->kind) {
	case INODE_LINK:
		g->base.type = SQFS_INODE_SLINK;
		g->data.slink.nlink = i->links;
		g->data.slink.target_size = (sqfs_u32)n;
		memcpy(g->extra, i->target, n);
		break;
	case INODE_CHAR:
	case INODE_BLOCK:
		g->base.type = i->kind == INODE_CHAR ? SQFS_INODE_CDEV : SQFS_INODE_BDEV;
		g->data.dev.nlink = i->links;
		g->data.dev.devno = format_device(i);
		break;
	default:
		g->base.type = i->kind == INODE_FIFO ? SQFS_INODE_FIFO : SQFS_INODE_SOCKET;
		g->data.ipc.nlink = i->links;
		break;
	}
	return g;
}

/* The entries of a folder, whose children have their places. */
static int put_entries(struct pass *s, const struct node *n, sqfs_u32 xattr,
		       sqfs_inode_generic_t **ret)
{
	uint32_t up = n->parent ? n->parent->inode->number : s->n_items + 1;
	int r = sqfs_dir_writer_begin(s->entries, 0);
	sqfs_inode_generic_t *g;

	for (size_t k = 0; r == 0 && k < n->n_children; k++) {
		const struct inode *i = n->children[k]->inode;

		r = sqfs_dir_writer_add_entry(s->entries, n->children[k]->name, i->number,
					      s->items[i->number].where, mode_without_acl(i));
	}
	if (r == 0)
		r = sqfs_dir_writer_end(s->entries);
	if (r != 0)
		return r;
	g = sqfs_dir_writer_create_inode(s->entries, 0, xattr, up);
	if (!g)
		return SQFS_ERROR_ALLOC;
	/* The library counts entries, the kernel and everybody else the names of the folder. */
	if (g->base.type == SQFS_INODE_EXT_DIR)
		g->data.dir_ext.nlink = n->inode->links;
	else
		g->data.dir.nlink = n->inode->links;
	*ret = g;
	return 0;
}

static int make_inode(struct pass *s, struct item *x, sqfs_u32 xattr, sqfs_inode_generic_t **ret)
{
	const struct inode *i = x->node->inode;

	if (i->kind == INODE_DIR)
		return put_entries(s, x->node, xattr, ret);
	*ret = i->kind == INODE_FILE ? TAKE_PTR(x->data) : new_inode(i);
	if (!*ret)
		return SQFS_ERROR_ALLOC;
	if (i->kind == INODE_FILE && (i->links > 1 || xattr != NO_XATTR)) {
		int r = sqfs_inode_make_extended(*ret);

		if (r != 0)
			return r;
		(*ret)->data.file_ext.nlink = i->links;
	}
	return sqfs_inode_set_xattr_index(*ret, xattr);
}

static int put_inode(struct pass *s, struct item *x)
{
	const struct inode *i = x->node->inode;
	_cleanup_free_ sqfs_inode_generic_t *g = NULL;
	sqfs_u32 xattr, offset;
	sqfs_u64 block;
	int r = put_xattrs(s, x->node, &xattr);

	if (r < 0)
		return r;
	r = make_inode(s, x, xattr, &g);
	if (r == 0)
		r = sqfs_id_table_id_to_index(s->ids, i->uid, &g->base.uid_idx);
	if (r == 0)
		r = sqfs_id_table_id_to_index(s->ids, i->gid, &g->base.gid_idx);
	if (r != 0)
		return fail(s, r);
	g->base.mode = mode_without_acl(i);
	g->base.mod_time = (sqfs_u32)s->job->time_s;
	g->base.inode_number = i->number;
	sqfs_meta_writer_get_position(s->inodes, &block, &offset);
	x->where = block << 16 | offset;
	r = sqfs_meta_writer_write_inode(s->inodes, g);
	return r != 0 ? fail(s, r) : 0;
}

/* --- the whole --- */

/* The deepest first node below @n: where going through children before their folder begins. */
static const struct node *first_leaf(const struct node *n)
{
	while (n->n_children > 0)
		n = n->children[0];
	return n;
}

/* Number all inodes, those of a folder before its own. */
static int number_all(struct pass *s)
{
	const struct node *root = tree_root(s->job->tree), *n;

	for (n = root; n; n = tree_next(n))
		n->inode->number = 0;
	s->items = calloc(tree_nodes(s->job->tree) + 2, sizeof(*s->items));
	if (!s->items)
		return log_err(-ENOMEM, "cannot write the image");
	for (n = first_leaf(root);; n = n->sibling + 1 < n->parent->n_children
						? first_leaf(n->parent->children[n->sibling + 1])
						: n->parent) {
		if (n->inode->number == 0) {
			n->inode->number = ++s->n_items;
			s->items[s->n_items].node = n;
		}
		if (n == root)
			return 0;
	}
}

static int make_parts(struct pass *s, unsigned threads)
{
	sqfs_compressor_config_t c;
	sqfs_block_processor_desc_t d = {
		.size = sizeof(d),
		.max_block_size = SQFS_DEFAULT_BLOCK_SIZE,
		.num_workers = threads,
		.max_backlog = BACKLOG * threads,
		.file = &s->file,
	};
	int r = sqfs_compressor_config_init(&c, SQFS_COMP_ZSTD, SQFS_DEFAULT_BLOCK_SIZE, 0);

	c.level = LEVEL;
	if (r == 0)
		r = sqfs_compressor_create(&c, &s->packer);
	c.flags |= SQFS_COMP_FLAG_UNCOMPRESS;
	if (r == 0)
		r = sqfs_compressor_create(&c, &s->unpacker);
	if (r == 0)
		r = sqfs_super_init(&s->super, SQFS_DEFAULT_BLOCK_SIZE, (sqfs_u32)s->job->time_s,
				    SQFS_COMP_ZSTD);
	if (r != 0)
		return r;
	s->blocks = sqfs_block_writer_create(&s->file, SQFS_DEVBLK_SIZE, 0);
	s->fragments = sqfs_frag_table_create(0);
	s->ids = sqfs_id_table_create(0);
	s->xattrs = sqfs_xattr_writer_create(0);
	s->inodes = sqfs_meta_writer_create(&s->file, s->packer, 0);
	s->folders = sqfs_meta_writer_create(&s->file, s->packer, SQFS_META_WRITER_KEEP_IN_MEMORY);
	s->entries = s->folders ? sqfs_dir_writer_create(s->folders, 0) : NULL;
	if (!s->blocks || !s->fragments || !s->ids || !s->xattrs || !s->inodes || !s->entries)
		return SQFS_ERROR_ALLOC;
	d.cmp = s->packer;
	d.uncmp = s->unpacker;
	d.wr = s->blocks;
	d.tbl = s->fragments;
	return sqfs_block_processor_create_ex(&d, &s->processor);
}

static void drop_parts(struct pass *s)
{
	sqfs_destroy(s->processor);
	sqfs_destroy(s->entries);
	sqfs_destroy(s->folders);
	sqfs_destroy(s->inodes);
	sqfs_destroy(s->xattrs);
	sqfs_destroy(s->ids);
	sqfs_destroy(s->fragments);
	sqfs_destroy(s->blocks);
	sqfs_destroy(s->unpacker);
	sqfs_destroy(s->packer);
	for (uint32_t k = 1; s->items && k <= s->n_items; k++)
		free(s->items[k].data);
	free(s->items);
	free(s->in);
}

/* Everything behind the data and the inodes. */
static int put_tables(struct pass *s)
{
	int r = sqfs_meta_writer_flush(s->inodes);

	if (r == 0)
		r = sqfs_meta_writer_flush(s->folders);
	s->super.root_inode_ref = s->items[s->n_items].where;
	s->super.directory_table_start = s->size;
	if (r == 0)
		r = sqfs_meta_write_write_to_file(s->folders);
	if (r == 0)
		r = sqfs_frag_table_write(s->fragments, &s->file, &s->super, s->packer);
	if (r == 0)
		r = sqfs_id_table_write(s->ids, &s->file, &s->super, s->packer);
	if (r == 0)
		r = sqfs_xattr_writer_flush(s->xattrs, &s->file, &s->super, s->packer);
	s->super.bytes_used = s->size;
	if (r == 0)
		r = sqfs_super_write(&s->super, &s->file);
	if (r == 0)
		r = file_truncate(&s->file,
				  (s->size + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES);
	return r;
}

static int put_all(struct pass *s, unsigned threads)
{
	int r = make_parts(s, threads);

	if (r == 0)
		r = sqfs_super_write(&s->super, &s->file);
	if (r != 0)
		return fail(s, r);
	r = number_all(s);
	for (const struct node *n = tree_root(s->job->tree); r == 0 && n; n = tree_next(n)) {
		struct item *x = &s->items[n->inode->number];

		if (n->inode->kind == INODE_FILE && x->node == n)
			r = put_file(s, x);
	}
	if (r < 0)
		return r;
	r = sqfs_block_processor_finish(s->processor);
	if (r != 0)
		return fail(s, r);
	s->super.inode_table_start = s->size;
	s->super.inode_count = s->n_items;
	for (uint32_t k = 1; r == 0 && k <= s->n_items; k++)
		r = put_inode(s, &s->items[k]);
	if (r < 0)
		return r;
	r = put_tables(s);
	return r != 0 ? fail(s, r) : 0;
}

int squashfs_write(const struct format_job *job, int fd, struct format_result *ret)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	struct pass *s = calloc(1, sizeof(*s));
	int r = -ENOMEM;

	if (s)
		s->in = malloc(IN_BYTES);
	if (!s || !s->in) {
		free(s);
		return log_err(r, "cannot write the image");
	}
	s->job = job;
	s->fd = fd;
	s->file.read_at = file_read_at;
	s->file.write_at = file_write_at;
	s->file.get_size = file_size;
	s->file.truncate = file_truncate;
	tree_sort(job->tree);
	r = put_all(s, (unsigned)MIN(MAX(processors, 1L), (long)THREADS_MAX));
	if (r == 0)
		*ret = (struct format_result){ .image_bytes = s->size };
	tell_acls(s);
	drop_parts(s);
	free(s);
	return r;
}
