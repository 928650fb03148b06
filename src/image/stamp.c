/*
 * stamp.c - whether a published image is made of just what is there now
 */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "image/stamp.h"
#include "wire/minisign.h"

#define MAGIC "bpboot stamp 1\n"

static void add(crypto_generichash_state *h, const void *p, size_t n)
{
	if (n > 0)
		crypto_generichash_update(h, p, n);
}

static void add_u64(crypto_generichash_state *h, uint64_t v)
{
	add(h, &v, sizeof(v)); /* never read on another machine */
}

static void add_string(crypto_generichash_state *h, const char *s)
{
	add_u64(h, s ? strlen(s) : UINT64_MAX);
	if (s)
		add(h, s, strlen(s));
}

static void add_node(crypto_generichash_state *h, const struct node *n, uint64_t *newest_ns)
{
	const struct inode *i = n->inode;

	add_u64(h, n->n_children); /* with the order of the tree this tells where a name lies */
	add_string(h, n->name);
	add_u64(h, (uint64_t)i->kind << 32 | i->mode);
	add_u64(h, (uint64_t)i->uid << 32 | i->gid);
	add_u64(h, i->links);
	add_u64(h, (uint64_t)i->major << 32 | i->minor);
	add_string(h, i->target);
	for (size_t k = 0; k < i->n_xattrs; k++) {
		add_string(h, i->xattrs[k].name);
		add_u64(h, i->xattrs[k].bytes);
		add(h, i->xattrs[k].value, i->xattrs[k].bytes);
	}
	if (i->kind != INODE_FILE)
		return; /* the size of a folder is the plan's */
	add_u64(h, i->size);
	if (i->data)
		add(h, i->data, (size_t)i->size);
	if (!i->source)
		return;
	add_u64(h, i->source_ino);
	add_u64(h, (uint64_t)i->mtime_s);
	add_u64(h, i->mtime_ns);
	add_u64(h, i->changed_ns);
	add_u64(h, i->source_offset);
	*newest_ns = MAX(*newest_ns, i->changed_ns);
}

/* This program: another one might make something else. */
static void add_self(crypto_generichash_state *h)
{
	struct stat st = { 0 };

	add_string(h, BPBOOT_VERSION);
	if (stat("/proc/self/exe", &st) < 0)
		return;
	add_u64(h, st.st_ino);
	add_u64(h, (uint64_t)st.st_size);
	add_u64(h, (uint64_t)st.st_mtim.tv_sec);
	add_u64(h, (uint64_t)st.st_mtim.tv_nsec);
}

/* What is known before anything is gathered. */
static int begin(const struct stamp_spec *spec, crypto_generichash_state *h)
{
	_cleanup_buffer_ struct buffer text = BUFFER(2 * MANIFEST_BYTES_MAX);
	const struct build *b = spec->build;
	int r = manifest_format(&b->manifest, &text);

	if (r < 0)
		return r;
	crypto_generichash_init(h, NULL, 0, STAMP_HASH_BYTES);
	add_self(h);
	add_string(h, b->name);
	add(h, text.data, text.len);
	add_u64(h, (uint64_t)b->time_s);
	add_u64(h, b->format);
	add_u64(h, (uint64_t)spec->level);
	add_u64(h, spec->part_bytes);
	if (spec->key_id)
		add(h, spec->key_id, MINISIGN_ID_BYTES);
	return 0;
}

static void add_look(void *arg, const void *p, size_t n)
{
	add(arg, p, n);
}

/* The hash of all names of a list and of what they are now. Return: 0; -EBADMSG, -EAGAIN (fresh).
 */
static int look_again(const struct stamp_spec *spec, const uint8_t *list, size_t n,
		      char ret[static 2 * STAMP_HASH_BYTES + 1])
{
	const struct build *b = spec->build;
	uint8_t hash[STAMP_HASH_BYTES];
	crypto_generichash_state h;
	uint64_t newest = 0;
	struct stat root;
	int r = begin(spec, &h);

	if (r == 0 && fstat(b->root.fd, &root) < 0)
		r = -errno;
	if (r < 0)
		return r;
	add_u64(&h, root.st_dev);
	add_u64(&h, root.st_ino);
	add(&h, list, n);
	r = seen_again(list, n, b->dirfd, b->root.fd, add_look, &h, &newest);
	if (r < 0)
		return r;
	crypto_generichash_final(&h, hash, sizeof(hash));
	sodium_bin2hex(ret, 2 * STAMP_HASH_BYTES + 1, hash, sizeof(hash));
	return newest + STAMP_RACY_NS > b->started_ns ? -EAGAIN : 0;
}

int stamp_make(const struct stamp_spec *spec, struct stamp *ret)
{
	const struct build *b = spec->build;
	crypto_generichash_state h;
	uint64_t newest = 0;
	int r = begin(spec, &h);

	if (r < 0)
		return r;
	tree_sort(b->gathered.tree);
	for (const struct node *n = tree_root(b->gathered.tree); n; n = tree_next(n))
		add_node(&h, n, &newest);
	crypto_generichash_final(&h, ret->inputs, sizeof(ret->inputs));
	ret->racy = newest + STAMP_RACY_NS > b->started_ns;
	return 0;
}

/* Append a file of the boot directory: NAME and @suffix. */
static int read_published(int dirfd, const char *name, const char *suffix, struct buffer *to)
{
	_cleanup_free_ char *path = NULL;

	if (asprintf(&path, "%s%s", name, suffix) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	return file_read(dirfd, path, to);
}

/* The text that the stamp's file has when @s is what index @x was made of. Caller frees. */
static char *text_of(const struct stamp *s, const struct buffer *index)
{
	uint8_t hash[STAMP_HASH_BYTES];
	char one[2 * STAMP_HASH_BYTES + 1], two[2 * STAMP_HASH_BYTES + 1], *text;

	crypto_generichash(hash, sizeof(hash), index->data, index->len, NULL, 0);
	sodium_bin2hex(one, sizeof(one), s->inputs, sizeof(s->inputs));
	sodium_bin2hex(two, sizeof(two), hash, sizeof(hash));
	return asprintf(&text, MAGIC "%s\n%s\n", one, two) < 0 ? NULL : text;
}

/* Are all parts there, as long as the index says? */
static bool has_parts(int dirfd, const struct buffer *index)
{
	_cleanup_index_ struct index x = { 0 };
	const char *why;
	unsigned line;

	if (index_parse(index->data, index->len, &x, &line, &why) < 0)
		return false;
	for (size_t i = 0; i < x.n_parts; i++) {
		char path[sizeof("parts/") + 2 * INDEX_HASH_BYTES] = "parts/";
		struct stat st;

		if (x.parts[i].stored_bytes == 0)
			continue;
		sodium_bin2hex(path + 6, sizeof(path) - 6, x.parts[i].hash, INDEX_HASH_BYTES);
		if (fstatat(dirfd, path, &st, 0) < 0 ||
		    (uint64_t)st.st_size != x.parts[i].stored_bytes)
			return false;
	}
	return true;
}

bool stamp_matches(int boot_dirfd, const char *name, bool is_signed, const struct stamp *s)
{
	_cleanup_buffer_ struct buffer noted = BUFFER(STAMP_TEXT_BYTES),
				       both = BUFFER(2 * INDEX_BYTES_MAX);
	_cleanup_free_ char *want = NULL;
	size_t n;

	if (s->racy || read_published(boot_dirfd, name, ".stamp", &noted) < 0 ||
	    read_published(boot_dirfd, name, ".index", &both) < 0)
		return false;
	n = both.len;
	if (is_signed && read_published(boot_dirfd, name, ".index.minisig", &both) < 0)
		return false;
	want = text_of(s, &both);
	if (!want || strncmp(want, buffer_str(&noted), strlen(want)) != 0)
		return false;
	both.len = n;
	return has_parts(boot_dirfd, &both);
}

bool stamp_seen(int boot_dirfd, bool is_signed, const struct stamp_spec *spec)
{
	_cleanup_buffer_ struct buffer noted = BUFFER(STAMP_TEXT_BYTES),
				       both = BUFFER(2 * INDEX_BYTES_MAX);
	const size_t line = 2 * STAMP_HASH_BYTES + 1, head = strlen(MAGIC) + 3 * line;
	const char *name = spec->build->name;
	char now[2 * STAMP_HASH_BYTES + 1], index_is[2 * STAMP_HASH_BYTES + 1];
	uint8_t hash[STAMP_HASH_BYTES];
	size_t n;

	if (read_published(boot_dirfd, name, ".stamp", &noted) < 0 || noted.len <= head ||
	    read_published(boot_dirfd, name, ".index", &both) < 0)
		return false;
	n = both.len;
	if (is_signed && read_published(boot_dirfd, name, ".index.minisig", &both) < 0)
		return false;
	crypto_generichash(hash, sizeof(hash), both.data, both.len, NULL, 0);
	sodium_bin2hex(index_is, sizeof(index_is), hash, sizeof(hash));
	if (memcmp(noted.data, MAGIC, strlen(MAGIC)) ||
	    memcmp(noted.data + strlen(MAGIC) + line, index_is, line - 1) ||
	    look_again(spec, noted.data + head, noted.len - head, now) < 0 ||
	    memcmp(noted.data + strlen(MAGIC) + 2 * line, now, line - 1))
		return false;
	both.len = n;
	return has_parts(boot_dirfd, &both);
}

/* The stamp's text, and what was looked at, when that is known and old enough. */
static int whole_text(const char *text, const struct stamp_spec *spec, struct buffer *to)
{
	char now[2 * STAMP_HASH_BYTES + 1];
	const uint8_t *list;
	size_t n;
	int r = buffer_append(to, text, strlen(text));

	if (r < 0 || !spec || !seen_list(spec->build->gathered.seen, &list, &n) ||
	    look_again(spec, list, n, now) < 0)
		return r;
	r = buffer_printf(to, "%s\n", now);
	return r < 0 ? r : buffer_append(to, list, n);
}

int stamp_write(int boot_dirfd, const char *name, bool is_signed, const struct stamp *s,
		const struct stamp_spec *spec)
{
	_cleanup_buffer_ struct buffer both = BUFFER(2 * INDEX_BYTES_MAX),
				       whole = BUFFER(STAMP_TEXT_BYTES);
	_cleanup_free_ char *text = NULL, *path = NULL;
	int r = read_published(boot_dirfd, name, ".index", &both);

	if (r == 0 && is_signed)
		r = read_published(boot_dirfd, name, ".index.minisig", &both);
	if (r < 0)
		return log_err(r, "cannot read what was published of '%s'", name);
	text = text_of(s, &both);
	if (!text || asprintf(&path, "%s.stamp", name) < 0) {
		path = NULL;
		return log_err(-ENOMEM, "cannot note what '%s' is made of", name);
	}
	if (s->racy) {
		(void)unlinkat(boot_dirfd, path, 0); /* an old one matches nothing any more */
		return 0;
	}
	r = whole_text(text, spec, &whole);
	if (r == 0)
		r = file_write(boot_dirfd, path, whole.data, whole.len, 0644);
	return r < 0 ? log_err(r, "cannot write '%s' in the boot directory", path) : 0;
}
