/*
 * gather_program.c - the lines "program" and "bpslave": programs with all that they need
 *
 * A file comes to lie where it really is on the machine that builds, and every symlink that leads
 * to it comes with it: /bin/sh brings /bin -> usr/bin and /usr/bin/sh -> dash. What a line of the
 * manifest put there already stays.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/path.h"
#include "image/gather_internal.h"

/* A file on its way into the image. */
struct bringing {
	struct gather *g;
	const struct manifest_entry *e; /* the line that asked, directly or not */
	const char *path;		/* as it is called */
	const char *needed_by;		/* NULL: asked for */
};

/* Note why a name is in; the strongest reason counts. */
static int give_reason(const struct bringing *b, struct node *n)
{
	if (!b->needed_by) {
		n->reason = REASON_ASKED;
		n->entry = b->e;
		return 0;
	}
	if (n->reason != REASON_IMPLIED)
		return 0;
	n->reason = REASON_NEEDED;
	n->needed_by = strdup(b->needed_by);
	return n->needed_by ? 0 : -ENOMEM;
}

/* The node at @path whose folder exists, symlinks above it followed but not itself. */
static int find_at(const struct bringing *b, const char *path, struct node **ret_dir,
		   struct node **ret)
{
	_cleanup_free_ char *above = strndup(path, (size_t)(path_base(path) - path));
	int r = above ? gather_dir(b->g, b->e, above, ret_dir) : -ENOMEM;

	if (r == 0)
		*ret = tree_child(b->g->tree, *ret_dir, path_base(path), strlen(path_base(path)));
	return r;
}

/* A symlink of the machine on the way to what is wanted. */
static int bring_link(void *arg, const char *path, const char *target)
{
	struct bringing *b = arg;
	struct node *dir, *n;
	int r = find_at(b, path, &dir, &n);

	if (r < 0)
		return r;
	if (n) {
		if (n->inode->kind == INODE_LINK && !strcmp(n->inode->target, target))
			return 0;
		return gather_error(b->g, -EEXIST, b->e,
				    "'%s' is a symlink to '%s' where '%s' comes from, and "
				    "something else in the image",
				    path, target, b->path);
	}
	r = tree_add(b->g->tree, dir, path_base(path), strlen(path_base(path)), INODE_LINK, 0777,
		     NULL, &n);
	if (r < 0)
		return gather_error(b->g, r, b->e, "cannot make '%s' in the image: %s", path,
				    strerror(-r));
	n->inode->target = strdup(target);
	if (!n->inode->target)
		return log_err(-ENOMEM, "cannot take '%s'", path);
	n->inode->size = strlen(target);
	return 0;
}

/* Let node @n read its data from the canonical path @real of the root. */
static int take_source(const struct bringing *b, struct node *n, const char *real,
		       const struct stat *st)
{
	int r = gather_source(n->inode, b->g->root->fd, real + 1, st);

	return r < 0 ? r : give_reason(b, n);
}

/* The file at @b->path of the root, at the same place in the image. */
static int bring(struct bringing *b, struct node **ret)
{
	_cleanup_free_ char *real = NULL;
	struct root_data data;
	struct node *dir, *n;
	struct stat st;
	int r = root_resolve(b->g->root, b->path, bring_link, b, &real, &st);

	if (r == -EEXIST)
		return r;
	if (r < 0)
		return gather_error(b->g, r, b->e, "cannot find '%s': %s", b->path, strerror(-r));
	if (!S_ISREG(st.st_mode))
		return gather_error(b->g, -EINVAL, b->e, "'%s' is not a regular file", b->path);
	r = root_open_file(b->g->root, real, &data);
	if (r < 0)
		return gather_error(b->g, r, b->e, "cannot read '%s': %s", b->path, strerror(-r));
	data.fd = fd_close(data.fd);
	r = find_at(b, real, &dir, &n);
	if (r < 0)
		return r;
	*ret = n;
	if (n && (b->needed_by || n->reason == REASON_NEEDED || gather_gives_way(n)))
		return give_reason(b, n);
	if (n)
		return gather_error(b->g, -EEXIST, b->e, "'%s' is in the image already, by line %u",
				    real, n->entry ? n->entry->line : 0);
	r = tree_add(b->g->tree, dir, path_base(real), strlen(path_base(real)), INODE_FILE,
		     st.st_mode & 07777, NULL, ret);
	if (r < 0)
		return gather_error(b->g, r, b->e, "cannot make '%s' in the image: %s", real,
				    strerror(-r));
	return take_source(b, *ret, real, &st);
}

static void note_machine(struct gather *g, uint16_t machine)
{
	if (g->has_arch || (machine != ELF_MACHINE_X86_64 && machine != ELF_MACHINE_AARCH64))
		return;
	g->arch = machine == ELF_MACHINE_AARCH64 ? INDEX_AARCH64 : INDEX_X86_64;
	g->has_arch = true;
}

int gather_bring(struct gather *g, const struct manifest_entry *e, const char *path, const char *by)
{
	struct bringing b = { .g = g, .e = e, .path = path, .needed_by = by };
	struct node *unused;

	return bring(&b, &unused);
}

int gather_items(struct gather *g, const struct manifest_entry *e, size_t from, const char *path,
		 const char *name)
{
	const struct closure_item *items;
	size_t n;

	items = closure_items(g->closure, &n);
	for (size_t i = from; i < n; i++) {
		const char *by = !strcmp(items[i].wanted_by, path) ? name : items[i].wanted_by;
		int r;

		note_machine(g, items[i].machine);
		r = gather_bring(g, e, items[i].path, by);
		if (r < 0)
			return r;
	}
	return 0;
}

/* All that the program at @path of the root needs; it is called @name in the image. */
static int bring_needs(struct gather *g, const struct manifest_entry *e, const char *path,
		       const char *name)
{
	_cleanup_free_ char *real = NULL;
	const struct elf *elf;
	size_t from;
	int r;

	(void)closure_items(g->closure, &from);
	r = closure_add(g->closure, path);
	if (r < 0)
		return gather_error(g, r, e, "%s", closure_error(g->closure));
	r = gather_items(g, e, from, path, name);
	if (r == 0 && root_resolve(g->root, path, NULL, NULL, &real, NULL) == 0) {
		elf = closure_elf(g->closure, real);
		if (elf)
			note_machine(g, elf->machine);
	}
	return r;
}

int gather_closure(struct gather *g, const struct manifest_entry *e, const char *path)
{
	int r = gather_bring(g, e, path, e->kind == MANIFEST_PROGRAM ? NULL : e->source);

	return r < 0 ? r : bring_needs(g, e, path, path);
}

/* The file at @path of the root, at @target in the image. */
static int bring_to(struct gather *g, const struct manifest_entry *e, const char *path,
		    const char *target, struct node **ret)
{
	_cleanup_free_ char *real = NULL;
	const struct inode *from;
	const struct node *n;
	struct stat st;
	int r = root_resolve(g->root, path, NULL, NULL, &real, &st);

	if (r < 0)
		return gather_error(g, r, e, "cannot find '%s': %s", path, strerror(-r));
	if (!S_ISREG(st.st_mode))
		return gather_error(g, -EINVAL, e, "'%s' is not a regular file", path);
	n = root_node(g->root, real);
	from = n ? n->inode : NULL; /* stays, whatever becomes of its name */
	r = gather_new(g, e, target, INODE_FILE, st.st_mode & 07777, ret);
	if (r < 0)
		return r;
	return from ? gather_copy_source((*ret)->inode, from)
		    : gather_source((*ret)->inode, g->root->fd, real + 1, &st);
}

/* What "from" brought comes first; only what it does not have is this machine's. */
static void look_where(struct gather *g, const char *program)
{
	_cleanup_free_ char *found = NULL;
	struct stat st;
	bool inside = false;

	if (g->has_from && program[0] == '/')
		inside = root_resolve(&g->inside_root, program, NULL, NULL, &found, &st) == 0 &&
			 S_ISREG(st.st_mode);
	else if (g->has_from)
		inside = closure_find_program(g->inside, program, &found) == 0;
	gather_look(g, inside);
}

int gather_program(struct gather *g, const struct manifest_entry *e)
{
	_cleanup_free_ char *found = NULL;
	const char *path = e->source;
	struct node *n;
	int r = 0;

	look_where(g, path);

	if (!strchr(path, '/')) {
		r = closure_find_program(g->closure, path, &found);
		if (r < 0)
			return gather_error(g, r, e,
					    "program '%s' is in none of the usual folders "
					    "(/usr/bin, /usr/sbin, ...)",
					    path);
		path = found;
	} else if (path[0] != '/') {
		return gather_error(
			g, -EINVAL, e,
			"program '%s': expected an absolute path, or a name without a slash", path);
	}
	if (e->target) {
		r = bring_to(g, e, path, e->target, &n);
	} else {
		struct bringing b = { .g = g, .e = e, .path = path };

		r = bring(&b, &n);
	}
	if (r < 0)
		return r;
	if (e->has_mode)
		n->inode->mode = e->mode;
	return bring_needs(g, e, path, e->target ? e->target : path);
}

int gather_slave(struct gather *g, const struct manifest_entry *e)
{
	_cleanup_free_ char *program = NULL, *key = NULL;
	struct node *n;
	struct stat st;
	int r = 0;

	gather_look(g, false);
	if (g->spec->foreign)
		program = strdup(GATHER_SLAVE_TARGET);
	else
		r = g->spec->find_program("bpslave", &program);
	if (r == 0 && !program)
		r = -ENOMEM;
	if (r == 0)
		r = path_join(g->spec->key_dir, GATHER_KEY_NAME, &key);
	if (r < 0)
		return gather_error(g, r, e, "cannot take bpslave into the image");
	r = bring_to(g, e, program, GATHER_SLAVE_TARGET, &n);
	if (r < 0)
		return r;
	n->inode->mode = 0755;
	r = bring_needs(g, e, program, GATHER_SLAVE_TARGET);
	if (r < 0)
		return r;
	if (tree_lookup(g->tree, GATHER_KEY_TARGET, &n) == 0)
		return 0;	/* the manifest brings a key of its own */
	if (stat(key, &st) < 0) /* the builder's, whatever the root */
		return gather_error(
			g, -errno, e,
			"cannot find '%s': %s; bpslave trusts the master by its public key; "
			"'bpboot keygen' makes it",
			key, strerror(errno));
	r = gather_new(g, e, GATHER_KEY_TARGET, INODE_FILE, 0644, &n);
	return r < 0 ? r : gather_source(n->inode, AT_FDCWD, key, &st);
}

void gather_note_init(struct gather *g, const char *path)
{
	_cleanup_free_ char *real = NULL;
	struct root_data data;
	struct elf elf;

	if (g->has_arch || !g->has_from ||
	    root_resolve(&g->inside_root, path, NULL, NULL, &real, NULL) < 0 ||
	    root_open_file(&g->inside_root, real, &data) < 0)
		return;
	if (elf_read_at(data.fd, data.at, data.bytes, &elf) == 0) {
		note_machine(g, elf.machine);
		elf_clear(&elf);
	}
	data.fd = fd_close(data.fd);
}
