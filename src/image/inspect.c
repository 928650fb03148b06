/*
 * inspect.c - what is in an image that anyone made
 *
 * An initrd is segments, each an archive that is packed or not: firmware of the processor in front,
 * which the kernel reads before it can unpack, then the rest. What a segment is, its first bytes
 * say.
 */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "image/inspect_internal.h"

#define SEGMENTS_MAX 4096
#define MAGIC_BYTES  4

/* What we know by sight, but do not read; others' tools do. */
static const struct {
	uint64_t at;
	uint8_t magic[MAGIC_BYTES];
	const char *is;
} strangers[] = {
	{ 0, { 'h', 's', 'q', 's' }, "a squashfs image ('unsquashfs -ll' lists one)" },
	{ 1024, { 0xe2, 0xe1, 0xf5, 0xe0 }, "an erofs image ('dump.erofs --ls' lists one)" },
	{ 0, { 'X', 'F', 'S', 'B' }, "an XFS image" },
	{ 0x10040, { '_', 'B', 'H', 'R' }, "a btrfs image" },
	{ 0, { 0x7f, 'E', 'L', 'F' }, "an ELF file ('bpboot needs' says what it needs)" },
};

int inspect_tell(struct inspect_pass *p, const struct inspect_entry *e, struct inspect_data *d)
{
	if (++p->entries > INSPECT_ENTRIES_MAX || e->size > INSPECT_BYTES_MAX - p->bytes)
		return log_err(-E2BIG, "'%s' holds more than %u files or %llu bytes", p->name,
			       INSPECT_ENTRIES_MAX, (unsigned long long)INSPECT_BYTES_MAX);
	p->bytes += e->size;
	return p->visitor->entry ? p->visitor->entry(p->visitor->user, e, d) : 0;
}

int inspect_read(const struct inspect_pass *p, uint64_t at, void *buf, size_t n, size_t *ret)
{
	int r = p->medium->read(p->medium, at, buf, n, ret);

	return r < 0 && !p->medium->told ? log_err(r, "cannot read '%s'", p->name) : r;
}

/* Pass over zeros. Return: 0, -ENODATA at the end of the file. */
static int skip_zeros(const struct inspect_pass *p, uint64_t *at)
{
	uint8_t buf[4096];
	size_t n = 0;

	for (;;) {
		int r = inspect_read(p, *at, buf, sizeof(buf), &n);

		if (r < 0)
			return r;
		if (n == 0)
			return -ENODATA;
		for (size_t i = 0; i < n; i++) {
			if (buf[i]) {
				*at += i;
				return 0;
			}
		}
		*at += n;
	}
}

/* Say what the file is, when it is nothing that we read. Return: -EBADMSG. */
static int refuse(const struct inspect_pass *p)
{
	const char *is = "nothing that bpboot can look into";
	uint8_t magic[MAGIC_BYTES];
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(strangers); i++) {
		if (p->medium->read(p->medium, strangers[i].at, magic, sizeof(magic), &n) == 0 &&
		    n == sizeof(magic) && !memcmp(magic, strangers[i].magic, sizeof(magic)))
			is = strangers[i].is;
	}
	log_err(0, "'%s' is %s; expected an initrd, a cpio archive or an ext2 image", p->name, is);
	return -EBADMSG;
}

static int one_segment(struct inspect_pass *p, uint64_t *at)
{
	struct inspect_segment s = { .number = ++p->segments, .offset = *at, .format = "cpio" };
	_cleanup_unpack_ struct unpack *u = NULL;
	enum unpack_kind kind;
	uint8_t magic[UNPACK_MAGIC_MAX];
	size_t n = 0;
	int r = inspect_read(p, *at, magic, sizeof(magic), &n);

	if (r < 0)
		return r;
	if (p->segments > SEGMENTS_MAX)
		return log_err(-E2BIG, "'%s' has more than %d segments", p->name, SEGMENTS_MAX);
	kind = unpack_detect(magic, n);
	if (kind == UNPACK_PLAIN && (n == 0 || magic[0] != '0')) {
		if (p->segments == 1)
			return refuse(p);
		log_err(0, "'%s': what stands at offset %llu, behind segment %u, is no archive",
			p->name, (unsigned long long)*at, p->segments - 1);
		return -EBADMSG;
	}
	s.packing = unpack_name(kind);
	if (p->visitor->segment)
		r = p->visitor->segment(p->visitor->user, &s);
	if (r == 0)
		r = unpack_open_medium(p->medium, *at, kind, &u);
	return r == 0 ? inspect_cpio(p, u, kind == UNPACK_PLAIN, *at, at) : r;
}

int inspect_medium(struct medium *m, const char *name, const struct inspect_visitor *v)
{
	struct inspect_pass p = { .medium = m, .name = name, .visitor = v };
	uint64_t at = 0;
	int r;

	if (inspect_is_ext2(&p))
		return inspect_ext2(&p);
	do {
		r = skip_zeros(&p, &at);
		if (r == 0)
			r = one_segment(&p, &at);
	} while (r == 0);
	if (r == -ENODATA && p.segments > 0)
		return 0;
	return r == -ENODATA ? log_err(-EBADMSG, "'%s' is empty or holds nothing but zeros", name)
			     : r;
}

int inspect_file(int fd, const char *name, const struct inspect_visitor *v)
{
	struct medium m;
	int r = medium_of_file(fd, &m);

	return r < 0 ? log_err(r, "cannot read '%s'", name) : inspect_medium(&m, name, v);
}
