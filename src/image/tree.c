/*
 * tree.c - the files of an image, in memory
 *
 * One hash table of (folder, name) finds any name in one look, so that 100,000 files in a folder
 * cost no more than 100,000 folders of one.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "image/tree.h"

struct tree {
	struct node *root;
	struct node **slots; /* open addressing, a power of two, at most half full */
	size_t n_slots;
	uint32_t n_nodes, next_id;
	struct inode **inodes; /* all, to free them */
	size_t n_inodes;
	char **origins; /* from 1 on in [0] */
	size_t n_origins;
	struct bundle **bundles;
	size_t n_bundles;
};

static uint64_t hash_name(const struct node *dir, const char *name, size_t n)
{
	uint64_t h = 0xcbf29ce484222325 ^ dir->id; /* FNV-1a */

	for (size_t i = 0; i < n; i++)
		h = (h ^ (uint8_t)name[i]) * 0x100000001b3;
	return h ^ h >> 29;
}

static bool is_named(const struct node *x, const struct node *dir, const char *name, size_t n)
{
	return x->parent == dir && !strncmp(x->name, name, n) && !x->name[n];
}

struct node *tree_child(const struct tree *t, const struct node *dir, const char *name, size_t n)
{
	size_t at = hash_name(dir, name, n) & (t->n_slots - 1);

	for (; t->slots[at]; at = (at + 1) & (t->n_slots - 1)) {
		if (is_named(t->slots[at], dir, name, n))
			return t->slots[at];
	}
	return NULL;
}

static void put_slot(struct tree *t, struct node *x)
{
	size_t at = hash_name(x->parent, x->name, strlen(x->name)) & (t->n_slots - 1);

	while (t->slots[at])
		at = (at + 1) & (t->n_slots - 1);
	t->slots[at] = x;
}

static int grow_slots(struct tree *t)
{
	struct node **old = t->slots;
	size_t n_old = t->n_slots;

	if (2 * ((size_t)t->n_nodes + 1) <= n_old)
		return 0;
	t->slots = calloc(2 * n_old, sizeof(*t->slots));
	if (!t->slots) {
		t->slots = old;
		return -ENOMEM;
	}
	t->n_slots = 2 * n_old;
	for (size_t i = 0; i < n_old; i++) {
		if (old[i])
			put_slot(t, old[i]);
	}
	free(old);
	return 0;
}

/* Make room for one more in an array of pointers that grows at powers of two. */
static int grow_pointers(void *array, size_t n)
{
	void **old, **more;

	if (n & (n - 1))
		return 0;
	memcpy(&old, array, sizeof(old));
	more = realloc(old, MAX(2 * n, (size_t)1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	memcpy(array, &more, sizeof(more));
	return 0;
}

static int new_inode(struct tree *t, enum inode_kind kind, uint16_t mode, struct inode **ret)
{
	struct inode *i;

	if (grow_pointers(&t->inodes, t->n_inodes) < 0)
		return -ENOMEM;
	i = calloc(1, sizeof(*i));
	if (!i)
		return -ENOMEM;
	i->kind = kind;
	i->mode = mode;
	i->source_dirfd = -EBADF;
	t->inodes[t->n_inodes++] = i;
	*ret = i;
	return 0;
}

static int new_node(struct tree *t, const char *name, size_t n, struct inode *inode,
		    struct node **ret)
{
	struct node *x = calloc(1, sizeof(*x));

	if (!x)
		return -ENOMEM;
	x->name = strndup(name, n);
	if (!x->name) {
		free(x);
		return -ENOMEM;
	}
	x->inode = inode;
	x->id = t->next_id++;
	*ret = x;
	return 0;
}

static size_t depth_of(const struct node *x)
{
	size_t n = 0;

	for (; x->parent; x = x->parent)
		n++;
	return n;
}

int tree_add(struct tree *t, struct node *dir, const char *name, size_t n, enum inode_kind kind,
	     uint16_t mode, struct inode *same, struct node **ret)
{
	struct inode *inode = same;
	struct node *x = NULL;
	int r;

	if (n == 0 || n > TREE_NAME_MAX)
		return -ENAMETOOLONG;
	if (tree_child(t, dir, name, n))
		return -EEXIST;
	if (t->n_nodes == TREE_NODES_MAX || (kind == INODE_DIR && depth_of(dir) >= TREE_DEPTH_MAX))
		return -EMLINK;
	r = grow_slots(t);
	if (r == 0)
		r = grow_pointers(&dir->children, dir->n_children);
	if (r == 0 && !same)
		r = new_inode(t, kind, mode, &inode);
	if (r == 0)
		r = new_node(t, name, n, inode, &x);
	if (r < 0)
		return r;
	inode->links += inode->kind == INODE_DIR ? 2 : 1;
	dir->inode->links += inode->kind == INODE_DIR ? 1 : 0;
	x->parent = dir;
	x->sibling = (uint32_t)dir->n_children;
	dir->children[dir->n_children++] = x;
	t->n_nodes++;
	put_slot(t, x);
	*ret = x;
	return 0;
}

static void free_node(struct node *x)
{
	free(x->children);
	free(x->name);
	free(x->needed_by);
	free(x);
}

/* Close the gap that a name leaves in the table: what was put behind it moves up. */
static void drop_slot(struct tree *t, const struct node *x)
{
	size_t mask = t->n_slots - 1;
	size_t gap = hash_name(x->parent, x->name, strlen(x->name)) & mask;

	while (t->slots[gap] != x)
		gap = (gap + 1) & mask;
	for (size_t at = (gap + 1) & mask; t->slots[at]; at = (at + 1) & mask) {
		const struct node *y = t->slots[at];
		size_t home = hash_name(y->parent, y->name, strlen(y->name)) & mask;

		if (((at - home) & mask) < ((at - gap) & mask))
			continue;
		t->slots[gap] = t->slots[at];
		gap = at;
	}
	t->slots[gap] = NULL;
}

/* Take away a name that has nothing below it. Its inode stays until the tree goes. */
static void remove_one(struct tree *t, struct node *x)
{
	struct node *dir = x->parent, *last = dir->children[dir->n_children - 1];

	drop_slot(t, x);
	dir->children[x->sibling] = last;
	last->sibling = x->sibling;
	dir->n_children--;
	if (dir->n_children == 0)
		free(TAKE_PTR(dir->children));
	x->inode->links -= x->inode->kind == INODE_DIR ? 2 : 1;
	dir->inode->links -= x->inode->kind == INODE_DIR ? 1 : 0;
	t->n_nodes--;
	free_node(x);
}

void tree_remove(struct tree *t, struct node *n)
{
	for (struct node *x = n;;) {
		struct node *above = x->parent;

		if (x->n_children > 0) {
			x = x->children[x->n_children - 1];
			continue;
		}
		remove_one(t, x);
		if (x == n)
			return;
		x = above;
	}
}

int tree_add_origin(struct tree *t, const char *what, uint16_t *ret)
{
	char *copy;

	if (t->n_origins == TREE_ORIGINS_MAX)
		return -E2BIG;
	if (grow_pointers(&t->origins, t->n_origins) < 0)
		return -ENOMEM;
	copy = strdup(what);
	if (!copy)
		return -ENOMEM;
	t->origins[t->n_origins++] = copy;
	*ret = (uint16_t)t->n_origins;
	return 0;
}

const char *tree_origin(const struct tree *t, uint16_t origin)
{
	return origin ? t->origins[origin - 1] : NULL;
}

void bundle_free(struct bundle *b)
{
	if (!b)
		return;
	b->fd = fd_close(b->fd);
	free(b->name);
	free(b);
}

int tree_hold(struct tree *t, struct bundle *b)
{
	if (grow_pointers(&t->bundles, t->n_bundles) < 0) {
		bundle_free(b);
		return -ENOMEM;
	}
	t->bundles[t->n_bundles++] = b;
	return 0;
}

const struct bundle *tree_bundle(const struct tree *t, size_t i)
{
	return i < t->n_bundles ? t->bundles[i] : NULL;
}

static int compare_nodes(const void *a, const void *b)
{
	const struct node *x = *(struct node *const *)a, *y = *(struct node *const *)b;

	return strcmp(x->name, y->name); /* of bytes, in any locale */
}

static void sort_children(struct node *x)
{
	if (x->n_children > 1)
		qsort(x->children, x->n_children, sizeof(*x->children), compare_nodes);
	for (size_t k = 0; k < x->n_children; k++)
		x->children[k]->sibling = (uint32_t)k;
}

void tree_sort(struct tree *t)
{
	sort_children(t->root);
	for (size_t i = 0; i < t->n_slots; i++) {
		if (t->slots[i])
			sort_children(t->slots[i]);
	}
}

struct node *tree_next(const struct node *n)
{
	if (n->n_children > 0)
		return n->children[0];
	for (; n->parent; n = n->parent) {
		if (n->sibling + 1 < n->parent->n_children)
			return n->parent->children[n->sibling + 1];
	}
	return NULL;
}

char *tree_path(const struct node *n)
{
	size_t len = n->parent ? 0 : 1;
	char *path, *p;

	for (const struct node *x = n; x->parent; x = x->parent)
		len += strlen(x->name) + 1;
	path = malloc(len + 1);
	if (!path)
		return NULL;
	path[0] = '/';
	p = path + len;
	*p = 0;
	for (; n->parent; n = n->parent) {
		size_t k = strlen(n->name);

		p -= k;
		memcpy(p, n->name, k);
		*--p = '/';
	}
	return path;
}

static int lookup_from(const struct tree *t, struct node *at, const char *path, unsigned links,
		       struct node **ret)
{
	while (*(path += strspn(path, "/"))) {
		size_t n = strcspn(path, "/");
		struct node *x;
		int r;

		if (at->inode->kind != INODE_DIR)
			return -ENOTDIR;
		if (n == 2 && path[0] == '.' && path[1] == '.') {
			at = at->parent ? at->parent : at;
		} else if (n != 1 || path[0] != '.') {
			x = tree_child(t, at, path, n);
			if (!x)
				return -ENOENT;
			if (x->inode->kind == INODE_LINK) {
				if (links >= TREE_LINKS_MAX)
					return -ELOOP;
				r = lookup_from(t, x->inode->target[0] == '/' ? t->root : at,
						x->inode->target, ++links, &x);
				if (r < 0)
					return r;
			}
			at = x;
		}
		path += n;
	}
	*ret = at;
	return 0;
}

int tree_lookup(const struct tree *t, const char *path, struct node **ret)
{
	return lookup_from(t, t->root, path, 0, ret);
}

struct node *tree_root(const struct tree *t)
{
	return t->root;
}

size_t tree_nodes(const struct tree *t)
{
	return t->n_nodes;
}

int tree_new(struct tree **ret)
{
	struct tree *t = calloc(1, sizeof(*t));
	struct inode *root = NULL;

	if (!t)
		return -ENOMEM;
	t->n_slots = 256;
	t->slots = calloc(t->n_slots, sizeof(*t->slots));
	if (!t->slots || new_inode(t, INODE_DIR, 0755, &root) < 0 ||
	    new_node(t, "", 0, root, &t->root) < 0) {
		tree_free(t);
		return -ENOMEM;
	}
	root->links = 2;
	t->n_nodes = 1;
	*ret = t;
	return 0;
}

void tree_free(struct tree *t)
{
	if (!t)
		return;
	for (size_t i = 0; t->slots && i < t->n_slots; i++) {
		if (t->slots[i])
			free_node(t->slots[i]);
	}
	if (t->root)
		free_node(t->root);
	for (size_t i = 0; i < t->n_inodes; i++) {
		free(t->inodes[i]->target);
		free(t->inodes[i]->source);
		free(t->inodes[i]->data);
		free(t->inodes[i]->runs);
		for (size_t k = 0; k < t->inodes[i]->n_xattrs; k++) {
			free(t->inodes[i]->xattrs[k].name);
			free(t->inodes[i]->xattrs[k].value);
		}
		free(t->inodes[i]->xattrs);
		free(t->inodes[i]);
	}
	for (size_t i = 0; i < t->n_origins; i++)
		free(t->origins[i]);
	for (size_t i = 0; i < t->n_bundles; i++)
		bundle_free(t->bundles[i]);
	free(t->origins);
	free(t->bundles);
	free(t->inodes);
	free(t->slots);
	free(t);
}

void tree_freep(struct tree **t)
{
	tree_free(*t);
}
