/*
 * copy.c - the stream in which bpcp moves files
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/writer.h"
#include "wire/copy.h"

#define META_BYTES 36
#define NS_PER_S   1000000000u

/* Bytes of each type's body. */
static const struct {
	uint32_t min, max;
} bodies[COPY_TYPE_MAX_] = {
	[COPY_HELLO] = { 10, 10 },
	[COPY_FOLDER] = { META_BYTES + 2, META_BYTES + COPY_NAME_MAX },
	[COPY_UP] = { 0, 0 },
	[COPY_FILE] = { META_BYTES + 12 + 2, META_BYTES + 12 + COPY_NAME_MAX },
	[COPY_DATA] = { 9, 8 + COPY_DATA_MAX },
	[COPY_FILE_END] = { 1 + COPY_HASH_BYTES, 1 + COPY_HASH_BYTES },
	[COPY_SYMLINK] = { META_BYTES + 4, META_BYTES + COPY_NAME_MAX + COPY_TARGET_MAX },
	[COPY_LINK] = { 4 + 2, 4 + COPY_NAME_MAX },
	[COPY_SPECIAL] = { META_BYTES + 8 + 2, META_BYTES + 8 + COPY_NAME_MAX },
	[COPY_END] = { 4, 4 },
	[COPY_ATTRIBUTE] = { sizeof("user.x"), COPY_BODY_MAX },
};

bool copy_name_valid(const char *s)
{
	size_t n = strnlen(s, COPY_NAME_MAX);

	return n > 0 && n < COPY_NAME_MAX && !memchr(s, '/', n) && strcmp(s, ".") != 0 &&
	       strcmp(s, "..") != 0;
}

bool copy_attribute_valid(const char *name)
{
	static const char *const spaces[] = { "user.", "trusted.", "security." };

	if (strnlen(name, COPY_NAME_MAX) == COPY_NAME_MAX)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(spaces); i++) {
		size_t n = strlen(spaces[i]);

		if (!strncmp(name, spaces[i], n))
			return name[n] != 0;
	}
	return !strcmp(name, COPY_ACL) || !strcmp(name, COPY_ACL_DEFAULT);
}

int copy_head_read(const uint8_t p[static COPY_HEAD_BYTES], enum copy_type *ret_type, size_t *ret_n)
{
	struct reader r = READER(p, COPY_HEAD_BYTES);
	uint8_t type = reader_u8(&r);
	uint32_t n = reader_be32(&r);

	if (type < 1 || type >= COPY_TYPE_MAX_ || n < bodies[type].min || n > bodies[type].max)
		return -EBADMSG;
	*ret_type = type;
	*ret_n = n;
	return 0;
}

static struct copy_time read_time(struct reader *r)
{
	struct copy_time t = { .s = (int64_t)reader_be64(r) };

	t.ns = reader_be32(r);
	if (t.ns >= NS_PER_S)
		r->err = -EBADMSG;
	return t;
}

static struct copy_meta read_meta(struct reader *r, uint32_t kinds)
{
	struct copy_meta m = { .mode = reader_be32(r) };

	m.uid = reader_be32(r);
	m.gid = reader_be32(r);
	m.accessed = read_time(r);
	m.modified = read_time(r);
	if (m.mode & ~(07777 | kinds))
		r->err = -EBADMSG;
	return m;
}

static void write_time(struct writer *w, const struct copy_time *t)
{
	writer_be64(w, (uint64_t)t->s);
	writer_be32(w, t->ns);
}

static void write_meta(struct writer *w, const struct copy_meta *m)
{
	writer_be32(w, m->mode);
	writer_be32(w, m->uid);
	writer_be32(w, m->gid);
	write_time(w, &m->accessed);
	write_time(w, &m->modified);
}

static bool kind_valid(uint32_t mode)
{
	mode &= S_IFMT;
	return mode == S_IFIFO || mode == S_IFCHR || mode == S_IFBLK;
}

static bool has_name(enum copy_type type)
{
	return type == COPY_FOLDER || type == COPY_FILE || type == COPY_SYMLINK ||
	       type == COPY_LINK || type == COPY_SPECIAL;
}

static bool has_meta(enum copy_type type)
{
	return has_name(type) && type != COPY_LINK;
}

int copy_body_read(enum copy_type type, const void *p, size_t n, struct copy_record *ret)
{
	struct copy_record c = { .type = type };
	struct reader r = READER(p, n);
	uint8_t whole;

	if (has_meta(type))
		c.meta = read_meta(&r, type == COPY_SPECIAL ? S_IFMT : 0);
	switch (type) {
	case COPY_HELLO:
		if (reader_be16(&r) != COPY_VERSION)
			return -EBADMSG;
		c.bytes = reader_be64(&r);
		break;
	case COPY_FILE:
		c.bytes = reader_be64(&r);
		c.link = reader_be32(&r);
		if (c.link > COPY_LINKS_MAX || c.bytes > INT64_MAX)
			return -EBADMSG;
		break;
	case COPY_DATA:
		c.bytes = reader_be64(&r);
		c.data_n = r.left;
		c.data = reader_bytes(&r, c.data_n);
		if (c.bytes > INT64_MAX - COPY_DATA_MAX)
			return -EBADMSG;
		break;
	case COPY_FILE_END:
		whole = reader_u8(&r);
		c.complete = whole;
		reader_copy(&r, c.hash, sizeof(c.hash));
		if (whole > 1)
			return -EBADMSG;
		break;
	case COPY_SYMLINK:
		c.target = reader_cstr(&r);
		if (!c.target || !*c.target ||
		    strnlen(c.target, COPY_TARGET_MAX) == COPY_TARGET_MAX)
			return -EBADMSG;
		break;
	case COPY_LINK:
		c.link = reader_be32(&r);
		if (c.link < 1 || c.link > COPY_LINKS_MAX)
			return -EBADMSG;
		break;
	case COPY_SPECIAL:
		c.major = reader_be32(&r);
		c.minor = reader_be32(&r);
		if (!kind_valid(c.meta.mode))
			return -EBADMSG;
		break;
	case COPY_END:
		c.errors = reader_be32(&r);
		break;
	case COPY_ATTRIBUTE:
		c.name = reader_cstr(&r);
		c.data_n = r.left;
		c.data = reader_bytes(&r, c.data_n);
		if (!c.name || !copy_attribute_valid(c.name) || c.data_n > COPY_DATA_MAX)
			return -EBADMSG;
		break;
	default:
		break;
	}
	if (has_name(type)) {
		c.name = reader_cstr(&r);
		if (!c.name || !copy_name_valid(c.name))
			return -EBADMSG;
	}
	if (reader_end(&r) < 0)
		return -EBADMSG;
	*ret = c;
	return 0;
}

/* The body without the bytes of a file. */
static void write_body(struct writer *w, const struct copy_record *c)
{
	if (has_meta(c->type))
		write_meta(w, &c->meta);
	switch (c->type) {
	case COPY_HELLO:
		writer_be16(w, COPY_VERSION);
		writer_be64(w, c->bytes);
		break;
	case COPY_FILE:
		writer_be64(w, c->bytes);
		writer_be32(w, c->link);
		break;
	case COPY_DATA:
		writer_be64(w, c->bytes);
		break;
	case COPY_FILE_END:
		writer_u8(w, c->complete);
		writer_bytes(w, c->hash, sizeof(c->hash));
		break;
	case COPY_SYMLINK:
		writer_cstr(w, c->target);
		break;
	case COPY_LINK:
		writer_be32(w, c->link);
		break;
	case COPY_SPECIAL:
		writer_be32(w, c->major);
		writer_be32(w, c->minor);
		break;
	case COPY_END:
		writer_be32(w, c->errors);
		break;
	case COPY_ATTRIBUTE:
		writer_cstr(w, c->name);
		break;
	default:
		break;
	}
	if (has_name(c->type))
		writer_cstr(w, c->name);
}

int copy_write(struct buffer *to, const struct copy_record *c)
{
	uint8_t body[META_BYTES + COPY_NAME_MAX + COPY_TARGET_MAX], head[COPY_HEAD_BYTES];
	struct writer w = WRITER(body, sizeof(body)), h = WRITER(head, sizeof(head));
	struct copy_record back;
	size_t n;
	int r;

	if (c->data_n > COPY_DATA_MAX || (c->type == COPY_DATA && c->data_n == 0) ||
	    (c->type != COPY_DATA && c->type != COPY_ATTRIBUTE && c->data_n > 0))
		return -EINVAL;
	write_body(&w, c);
	r = writer_end(&w, &n);
	if (r < 0 || (c->type != COPY_DATA && copy_body_read(c->type, body, n, &back) < 0))
		return -EINVAL;
	writer_u8(&h, (uint8_t)c->type);
	writer_be32(&h, (uint32_t)(n + c->data_n));
	r = buffer_append(to, head, sizeof(head));
	if (r == 0)
		r = buffer_append(to, body, n);
	if (r == 0 && c->data_n > 0)
		r = buffer_append(to, c->data, c->data_n);
	return r;
}
