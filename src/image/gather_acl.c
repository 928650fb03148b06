/*
 * gather_acl.c - POSIX ACLs that a tar archive has as text
 *
 * Archives write them as acl(5) does, with commas: "user::rwx,user:1000:r-x,mask::r-x,...", star
 * with the number as a fourth word. Names are those of the image's own /etc/passwd and /etc/group,
 * so that this is done when all archives are there. What comes of it is the attribute that Linux
 * has for it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/writer.h"
#include "image/gather_internal.h"

#define ACL_VERSION	 2
#define ACL_ENTRY_BYTES	 8
#define ACL_ENTRIES_MAX	 1024u
#define ACL_WORDS_MAX	 4
#define ACL_NOBODY	 UINT32_MAX
#define ACL_ENTRIES_MODE 3 /* user::, group::, other::, which say no more than the mode */

/* In the order in which the kernel wants them. */
enum acl_tag {
	ACL_USER_OBJ = 0x01,
	ACL_USER = 0x02,
	ACL_GROUP_OBJ = 0x04,
	ACL_GROUP = 0x08,
	ACL_MASK = 0x10,
	ACL_OTHER = 0x20,
};

struct acl_entry {
	uint16_t tag, perm;
	uint32_t id;
};

struct acl {
	struct gather_accounts *accounts;
	struct acl_entry entries[ACL_ENTRIES_MAX];
	size_t n;
};

static int parse_perm(const char *s, uint16_t *ret)
{
	static const char letters[] = "rwx";
	uint16_t perm = 0;

	if (strlen(s) < 3)
		return -EBADMSG;
	for (unsigned i = 0; i < 3; i++) {
		if (s[i] != letters[i] && s[i] != '-')
			return -EBADMSG;
		perm = (uint16_t)(perm << 1 | (s[i] != '-'));
	}
	*ret = perm;
	return 0;
}

/* Who is meant: a number behind the permissions, a number, or a name of the image. */
static int parse_who(struct acl *a, bool group, const char *name, const char *number, uint32_t *ret)
{
	if (number && parse_u32(number, 0, UINT32_MAX - 1, ret) == 0)
		return 0;
	if (parse_u32(name, 0, UINT32_MAX - 1, ret) == 0)
		return 0;
	return gather_account(a->accounts, group, name, ret);
}

static int parse_entry(struct acl *a, char *text)
{
	char *words[ACL_WORDS_MAX] = { 0 };
	struct acl_entry e = { .id = ACL_NOBODY };
	bool group;
	size_t n = 0;
	int r;

	for (char *at = text; at && n < ACL_WORDS_MAX;) {
		words[n++] = at;
		at = strchr(at, ':');
		if (at)
			*at++ = 0;
	}
	if (n < 3 || a->n == ACL_ENTRIES_MAX)
		return n < 3 ? -EBADMSG : -E2BIG;
	group = !strcmp(words[0], "group") || !strcmp(words[0], "g");
	if (!strcmp(words[0], "user") || !strcmp(words[0], "u"))
		e.tag = *words[1] ? ACL_USER : ACL_USER_OBJ;
	else if (group)
		e.tag = *words[1] ? ACL_GROUP : ACL_GROUP_OBJ;
	else if (!strcmp(words[0], "mask") || !strcmp(words[0], "m"))
		e.tag = ACL_MASK;
	else if (!strcmp(words[0], "other") || !strcmp(words[0], "o"))
		e.tag = ACL_OTHER;
	else
		return -EBADMSG;
	r = parse_perm(words[2], &e.perm);
	if (r == 0 && *words[1] && (e.tag == ACL_USER || e.tag == ACL_GROUP))
		r = parse_who(a, group, words[1], words[3], &e.id);
	if (r == 0)
		a->entries[a->n++] = e;
	return r;
}

static int compare(const void *va, const void *vb)
{
	const struct acl_entry *a = va, *b = vb;

	if (a->tag != b->tag)
		return a->tag < b->tag ? -1 : 1;
	return a->id < b->id ? -1 : a->id > b->id;
}

/* Read the whole text, which ends with a NUL. */
static int parse(struct acl *a, char *text)
{
	a->n = 0;
	while (*text) {
		size_t n = strcspn(text, ",\n");
		char *next = text + n + (text[n] ? 1 : 0);
		int r;

		text[n] = 0;
		text[strcspn(text, "#")] = 0;
		r = *text ? parse_entry(a, text) : 0;
		if (r < 0)
			return r;
		text = next;
	}
	qsort(a->entries, a->n, sizeof(a->entries[0]), compare);
	return 0;
}

/* The attribute @name in place of the text. */
static int put(struct acl *a, struct inode *i, const char *name)
{
	size_t bytes = 4 + ACL_ENTRY_BYTES * a->n;
	_cleanup_free_ uint8_t *value = malloc(bytes);
	struct writer w = WRITER(value, bytes);

	if (!value)
		return -ENOMEM;
	writer_le32(&w, ACL_VERSION);
	for (size_t k = 0; k < a->n; k++) {
		writer_le16(&w, a->entries[k].tag);
		writer_le16(&w, a->entries[k].perm);
		writer_le32(&w, a->entries[k].id);
	}
	return gather_add_xattr(i, name, value, bytes);
}

static int take(struct acl *a, struct inode *i, const char *from, const char *to)
{
	_cleanup_free_ char *text = NULL;
	int r;

	for (size_t k = 0; k < i->n_xattrs && !text; k++) {
		if (strcmp(i->xattrs[k].name, from))
			continue;
		text = strndup((const char *)i->xattrs[k].value, i->xattrs[k].bytes);
		if (!text)
			return -ENOMEM;
	}
	if (!text)
		return 0;
	gather_drop_xattr(i, from);
	if (i->kind == INODE_LINK)
		return 0;
	r = parse(a, text);
	if (r < 0 || a->n == 0 || (a->n == ACL_ENTRIES_MODE && !strcmp(to, GATHER_ACL_ACCESS)))
		return r;
	gather_drop_xattr(i, to); /* said twice: as text and as Linux has it */
	return put(a, i, to);
}

int gather_acls(struct gather *g)
{
	_cleanup_free_ struct acl *a = calloc(1, sizeof(*a));
	struct gather_accounts *accounts = NULL;
	int r = a ? gather_accounts_new(g, &accounts) : log_err(-ENOMEM, "cannot take ACLs");

	if (r < 0)
		return r;
	a->accounts = accounts;
	tree_sort(g->tree);
	for (struct node *n = tree_root(g->tree); r == 0 && n; n = tree_next(n)) {
		if (n->inode->n_xattrs == 0)
			continue;
		r = take(a, n->inode, TAR_ACL_ACCESS, GATHER_ACL_ACCESS);
		if (r == 0)
			r = take(a, n->inode, TAR_ACL_DEFAULT, GATHER_ACL_DEFAULT);
		if (r < 0) {
			_cleanup_free_ char *path = tree_path(n);

			r = gather_error(g, r, n->entry, "'%s' of '%s' has an ACL that %s",
					 path ? path : "?", tree_origin(g->tree, n->origin),
					 r == -ENOENT ? "names somebody who is not in its "
							"/etc/passwd or /etc/group"
						      : "cannot be read");
		}
	}
	gather_accounts_free(accounts);
	return r;
}
