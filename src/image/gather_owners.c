/*
 * gather_owners.c - owner=: names become the numbers that the image's own /etc/passwd and
 * /etc/group give them
 *
 * The machine that builds has other users than the node; its numbers are asked only for owner=keep,
 * which takes what the source has, as "from" does. All else belongs to root.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"
#include "image/gather_internal.h"
#include "image/source.h"

#define ACCOUNTS_BYTES_MAX (1u << 20)

struct gather_accounts {
	struct gather *g;
	struct buffer passwd, group;
};

int gather_read(struct gather *g, const char *path, struct buffer *to)
{
	_cleanup_close_ int fd = FD_NONE;
	struct node *n;
	size_t done = 0;
	int r;

	if (tree_lookup(g->tree, path, &n) < 0 || n->inode->kind != INODE_FILE)
		return 0;
	if (n->inode->size > to->max)
		return gather_error(g, -E2BIG, n->entry, "'%s' is larger than %zu bytes", path,
				    to->max);
	r = buffer_reserve(to, (size_t)n->inode->size);
	if (r == 0 && n->inode->source)
		r = source_open(n->inode, &fd);
	if (r == 0 && fd >= 0)
		r = fd_read_full(fd, to->data, (size_t)n->inode->size, &done);
	to->len = done;
	if (r == 0 && to->data)
		to->data[done] = 0;
	return r;
}

/* Field number @i of a line of colon-separated fields. Return: its length with *ret, or 0. */
static size_t field(const char *line, size_t n, unsigned i, const char **ret)
{
	const char *end = line + n;

	for (; i > 0; i--) {
		line = memchr(line, ':', (size_t)(end - line));
		if (!line)
			return 0;
		line++;
	}
	*ret = line;
	return strcspn(line, ":\n");
}

static int field_number(const char *line, size_t n, unsigned i, uint32_t *ret)
{
	char digits[16] = { 0 };
	const char *at = NULL;
	size_t len = field(line, n, i, &at);

	if (len == 0 || len >= sizeof(digits))
		return -EINVAL;
	memcpy(digits, at, len);
	return parse_u32(digits, 0, UINT32_MAX, ret);
}

/*
 * Find @name in the first field of @text. Return: 0 with the numbers in fields 2 and 3, or -ENOENT.
 */
static int find_account(const struct buffer *text, const char *name, size_t name_len,
			uint32_t *ret_2, uint32_t *ret_3)
{
	const char *line = buffer_str(text);

	while (*line) {
		size_t n = strcspn(line, "\n");

		if (n > name_len && line[name_len] == ':' && !memcmp(line, name, name_len)) {
			uint32_t two, three = 0;

			if (field_number(line, n, 2, &two) < 0 ||
			    (ret_3 && field_number(line, n, 3, &three) < 0))
				return -EINVAL;
			*ret_2 = two;
			if (ret_3)
				*ret_3 = three;
			return 0;
		}
		line += n + (line[n] ? 1 : 0);
	}
	return -ENOENT;
}

static int resolve(const struct gather_accounts *a, const struct manifest_entry *e,
		   uint32_t *ret_uid, uint32_t *ret_gid)
{
	const char *colon = strchr(e->owner, ':');
	size_t n = colon ? (size_t)(colon - e->owner) : strlen(e->owner);
	_cleanup_free_ char *user = strndup(e->owner, n);
	uint32_t uid = 0, gid = 0;

	if (!user)
		return -ENOMEM;
	if (parse_u32(user, 0, UINT32_MAX - 1, &uid) < 0 &&
	    find_account(&a->passwd, user, n, &uid, &gid) < 0 && strcmp(user, "root") != 0)
		return gather_error(a->g, -ENOENT, e,
				    "user '%s' is not in the image's /etc/passwd; give a number, "
				    "or bring that file",
				    user);
	if (colon && parse_u32(colon + 1, 0, UINT32_MAX - 1, &gid) < 0 &&
	    find_account(&a->group, colon + 1, strlen(colon + 1), &gid, NULL) < 0) {
		if (strcmp(colon + 1, "root") != 0)
			return gather_error(a->g, -ENOENT, e,
					    "group '%s' is not in the image's /etc/group; give a "
					    "number, or bring that file",
					    colon + 1);
		gid = 0;
	}
	*ret_uid = uid;
	*ret_gid = gid;
	return 0;
}

static int give_owners(struct gather_accounts *a)
{
	const struct manifest_entry *last = NULL;
	uint32_t uid = 0, gid = 0;

	tree_sort(a->g->tree);
	for (struct node *n = tree_root(a->g->tree); n; n = tree_next(n)) {
		const struct manifest_entry *e = n->entry;

		if (e && e->has_mode) /* says it all; an ACL would say otherwise */
			gather_drop_xattr(n->inode, GATHER_ACL_ACCESS);
		if (e && e->owner && !strcmp(e->owner, MANIFEST_OWNER_KEEP))
			continue;
		if (n->origin && !(e && e->owner))
			continue; /* as the archive has it */
		if (e && e->owner && e != last) {
			int r = resolve(a, e, &uid, &gid);

			if (r < 0)
				return r;
			last = e;
		}
		n->inode->uid = e && e->owner ? uid : 0;
		n->inode->gid = e && e->owner ? gid : 0;
	}
	return 0;
}

int gather_accounts_new(struct gather *g, struct gather_accounts **ret)
{
	struct gather_accounts *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return log_err(-ENOMEM, "cannot read /etc/passwd");
	*a = (struct gather_accounts){ .g = g,
				       .passwd = BUFFER(ACCOUNTS_BYTES_MAX),
				       .group = BUFFER(ACCOUNTS_BYTES_MAX) };
	r = gather_read(g, "/etc/passwd", &a->passwd);
	if (r == 0)
		r = gather_read(g, "/etc/group", &a->group);
	if (r < 0) {
		gather_accounts_free(a);
		return r;
	}
	*ret = a;
	return 0;
}

void gather_accounts_free(struct gather_accounts *a)
{
	if (!a)
		return;
	buffer_clear(&a->passwd);
	buffer_clear(&a->group);
	free(a);
}

int gather_account(const struct gather_accounts *a, bool group, const char *name, uint32_t *ret)
{
	uint32_t id;

	if (find_account(group ? &a->group : &a->passwd, name, strlen(name), &id, NULL) < 0) {
		if (strcmp(name, "root") != 0)
			return -ENOENT;
		id = 0;
	}
	*ret = id;
	return 0;
}

int gather_owners(struct gather *g)
{
	struct gather_accounts *a = NULL;
	int r = gather_accounts_new(g, &a);

	if (r == 0)
		r = give_owners(a);
	gather_accounts_free(a);
	return r;
}
