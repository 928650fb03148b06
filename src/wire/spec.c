/*
 * spec.c - the part of a message that says what is to run: arguments, environment, limits; and
 * lists of nodes and groups of them
 *
 * These are the only messages whose size a user decides. They are written into a growing buffer;
 * what is read is bounded by the message itself, since each string costs at least its NUL.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "wire/message.h"

void message_spec_clear(struct message_spec *s)
{
	free(s->argv);
	free(s->env);
	free(s->files);
	*s = (struct message_spec){ 0 };
}

static int append_strings(struct buffer *to, char *const *strings, size_t n)
{
	uint8_t count[2] = { (uint8_t)(n >> 8), (uint8_t)n };
	int r = buffer_append(to, count, sizeof(count));

	if (n > MESSAGE_STRINGS_MAX)
		return -E2BIG;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = buffer_append(to, strings[i], strlen(strings[i]) + 1);
	return r;
}

static int append_files(struct buffer *to, const struct message_file *files, size_t n)
{
	uint8_t head[10 + MESSAGE_HASH_BYTES];
	struct writer w = WRITER(head, sizeof(head));
	int r;

	writer_be16(&w, (uint16_t)n);
	r = n > MESSAGE_FILES_MAX ? -E2BIG : buffer_append(to, head, w.len);
	for (size_t i = 0; r == 0 && i < n; i++) {
		w.len = 0;
		writer_u8(&w, files[i].kind);
		writer_u8(&w, files[i].is_private);
		writer_be64(&w, files[i].bytes);
		writer_bytes(&w, files[i].hash, MESSAGE_HASH_BYTES);
		r = buffer_append(to, head, w.len);
		if (r == 0)
			r = buffer_append(to, files[i].path, strlen(files[i].path) + 1);
	}
	return r;
}

static int append_apart(struct buffer *to, const struct message_apart *a)
{
	uint8_t text[4 + MESSAGE_HASH_BYTES];
	struct writer w = WRITER(text, sizeof(text));

	writer_be32(&w, a->bytes);
	writer_bytes(&w, a->hash, sizeof(a->hash));
	return buffer_append(to, text, w.len);
}

static int append_lists(struct buffer *to, const struct message_spec *s)
{
	int r = append_strings(to, s->argv, s->n_argv);

	return r < 0 ? r : append_strings(to, s->env, s->n_env);
}

int message_spec_write(struct buffer *to, const struct message_spec *s)
{
	uint8_t head[13 + 16 * MESSAGE_LIMITS_MAX];
	struct writer w = WRITER(head, sizeof(head));
	size_t start = to->len, n;
	int r;

	writer_be16(&w, s->flags);
	writer_be16(&w, s->umask);
	writer_be32(&w, s->window);
	writer_be16(&w, s->rows);
	writer_be16(&w, s->columns);
	writer_u8(&w, (uint8_t)s->n_limits);
	for (uint32_t i = 0; i < s->n_limits; i++) {
		writer_be64(&w, s->limits[i].current);
		writer_be64(&w, s->limits[i].maximum);
	}
	r = writer_end(&w, &n);
	if (r == 0)
		r = buffer_append(to, head, n);
	if (r == 0)
		r = buffer_append(to, s->cwd, strlen(s->cwd) + 1);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(s->io); i++)
		r = buffer_append(to, s->io[i], strlen(s->io[i]) + 1);
	if (r == 0)
		r = s->flags & MESSAGE_APART ? append_apart(to, &s->apart) : append_lists(to, s);
	if (r == 0)
		r = append_files(to, s->files, s->n_files);
	if (r == 0 && to->len - start > MESSAGE_SPEC_MAX)
		r = -E2BIG;
	return r;
}

static int read_strings(struct reader *r, size_t min, char ***ret, size_t *ret_n)
{
	_cleanup_free_ char **strings = NULL;
	size_t n = reader_be16(r);

	if (r->err || n < min || n > r->left)
		return -EBADMSG;
	strings = calloc(n + 1, sizeof(*strings));
	if (!strings)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		strings[i] =
			(char *)reader_cstr(r); /* execve() wants them so, and changes nothing */
	if (r->err)
		return r->err;
	*ret = TAKE_PTR(strings);
	*ret_n = n;
	return 0;
}

static const char *read_path(struct reader *r)
{
	const char *s = reader_cstr(r);

	if (s && strnlen(s, PATH_MAX) == PATH_MAX)
		r->err = -EBADMSG;
	return s;
}

/* Absolute, and without a name that leads elsewhere: it becomes a path below a folder of the node.
 */
static bool path_is_plain(const char *path)
{
	size_t n;

	for (const char *p = path; *p; p += n) {
		if (*p++ != '/')
			return false;
		n = strcspn(p, "/");
		if (n == 0 || (p[0] == '.' && (n == 1 || (n == 2 && p[1] == '.'))))
			return false;
	}
	return *path != 0;
}

static int read_files(struct reader *r, struct message_file **ret, size_t *ret_n)
{
	_cleanup_free_ struct message_file *files = NULL;
	size_t n = reader_be16(r);

	if (r->err || n > MESSAGE_FILES_MAX || n > r->left)
		return -EBADMSG;
	files = n > 0 ? calloc(n, sizeof(*files)) : NULL;
	if (n > 0 && !files)
		return -ENOMEM;
	for (size_t i = 0; i < n && !r->err; i++) {
		struct message_file *f = &files[i];
		uint8_t is_private;

		f->kind = reader_u8(r);
		is_private = reader_u8(r);
		f->is_private = is_private;
		f->bytes = reader_be64(r);
		reader_copy(r, f->hash, sizeof(f->hash));
		f->path = read_path(r);
		if (r->err || f->kind >= MESSAGE_KIND_MAX_ || is_private > 1 ||
		    (f->kind == MESSAGE_PROGRAM) != (i == 0) || f->bytes > MESSAGE_FILE_MAX ||
		    !path_is_plain(f->path))
			return -EBADMSG;
	}
	*ret = TAKE_PTR(files);
	*ret_n = n;
	return 0;
}

static int read_lists(struct reader *r, struct message_spec *s)
{
	int e = read_strings(r, s->flags & MESSAGE_FILE_FIRST ? 2 : 1, &s->argv, &s->n_argv);

	return e < 0 ? e : read_strings(r, 0, &s->env, &s->n_env);
}

static int read_apart(struct reader *r, struct message_apart *a)
{
	a->bytes = reader_be32(r);
	reader_copy(r, a->hash, sizeof(a->hash));
	return r->err || a->bytes < MESSAGE_SALT_BYTES || a->bytes > MESSAGE_APART_MAX ? -EBADMSG
										      : 0;
}

int message_spec_join(struct reader *r, struct message_spec *s)
{
	int e;

	(void)reader_bytes(r, MESSAGE_SALT_BYTES);
	e = r->err ? -EBADMSG : read_lists(r, s);
	return e < 0 ? e : reader_end(r);
}

int message_spec_read(struct reader *r, struct message_spec *ret)
{
	struct message_spec s = { 0 };
	int e = 0;

	if (r->left > MESSAGE_SPEC_MAX)
		return -EBADMSG;
	s.flags = reader_be16(r);
	s.umask = reader_be16(r);
	s.window = reader_be32(r);
	s.rows = reader_be16(r);
	s.columns = reader_be16(r);
	s.n_limits = reader_u8(r);
	if (r->err || s.flags & ~MESSAGE_FLAGS_ALL_ || s.umask > 0777 ||
	    s.n_limits > MESSAGE_LIMITS_MAX || s.window < 1 || s.window > MESSAGE_WINDOW)
		return -EBADMSG;
	for (uint32_t i = 0; i < s.n_limits; i++) {
		s.limits[i].current = reader_be64(r);
		s.limits[i].maximum = reader_be64(r);
	}
	s.cwd = read_path(r);
	for (size_t i = 0; i < ARRAY_SIZE(s.io); i++)
		s.io[i] = read_path(r);
	if (r->err)
		return r->err;
	s.strings = r->p;
	e = s.flags & MESSAGE_APART ? read_apart(r, &s.apart) : read_lists(r, &s);
	s.strings_n = (size_t)(r->p - s.strings);
	if (e == 0)
		e = read_files(r, &s.files, &s.n_files);
	if (e == 0)
		e = reader_end(r);
	if (e < 0) {
		message_spec_clear(&s);
		return e;
	}
	*ret = s;
	return 0;
}

int message_nodes_write(struct buffer *to, const uint32_t *nodes, size_t n)
{
	uint8_t word[4];
	int r;

	if (n == 0 || n > MESSAGE_NODES_MAX)
		return -E2BIG;
	word[0] = (uint8_t)(n >> 8);
	word[1] = (uint8_t)n;
	r = buffer_append(to, word, 2);
	for (size_t i = 0; r == 0 && i < n; i++) {
		struct writer w = WRITER(word, sizeof(word));

		writer_be32(&w, nodes[i]);
		r = buffer_append(to, word, sizeof(word));
	}
	return r;
}

int message_nodes_read(struct reader *r, uint32_t **ret, size_t *ret_n)
{
	_cleanup_free_ uint32_t *nodes = NULL;
	size_t n = reader_be16(r);

	if (r->err || n == 0 || n > r->left / sizeof(*nodes))
		return -EBADMSG;
	nodes = calloc(n, sizeof(*nodes));
	if (!nodes)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		nodes[i] = reader_be32(r);
	*ret = TAKE_PTR(nodes);
	*ret_n = n;
	return 0;
}

/* What may stand behind '@' (base/nodeset.h). */
static bool group_name_valid(const char *s)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._";
	size_t n = strspn(s, letters);

	return n > 0 && n < MESSAGE_NAME_MAX && !s[n];
}

int message_group_write(struct buffer *to, const char *name, const uint32_t *nodes, size_t n)
{
	const uint8_t type = MESSAGE_GROUP;
	uint8_t word[4];
	int r;

	if (n > MESSAGE_NODES_MAX || !group_name_valid(name))
		return -E2BIG;
	r = buffer_append(to, &type, 1);
	if (r == 0)
		r = buffer_append(to, name, strlen(name) + 1);
	for (size_t i = 0; r == 0 && i < n; i++) {
		struct writer w = WRITER(word, sizeof(word));

		writer_be32(&w, nodes[i]);
		r = buffer_append(to, word, sizeof(word));
	}
	return r;
}

int message_group_read(struct reader *r, const char **ret_name, uint32_t **ret_nodes, size_t *ret_n)
{
	const char *name = reader_cstr(r);
	_cleanup_free_ uint32_t *nodes = NULL;
	size_t n = r->left / sizeof(*nodes);

	if (!name || !group_name_valid(name) || n > MESSAGE_NODES_MAX)
		return -EBADMSG;
	nodes = n > 0 ? calloc(n, sizeof(*nodes)) : NULL;
	if (n > 0 && !nodes)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		nodes[i] = reader_be32(r);
	if (reader_end(r) < 0)
		return -EBADMSG;
	*ret_name = name;
	*ret_nodes = TAKE_PTR(nodes);
	*ret_n = n;
	return 0;
}
