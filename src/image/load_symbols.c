/*
 * load_symbols.c - whether libraries of two systems fit together
 *
 * A program of this machine may find a library in the image that "from" brought, which is another
 * build of it. Then every symbol that anything of the program wants has to be there, with its
 * version, as the loader would ask for it on the node. glibc's parts speak to each other by symbols
 * of the version GLIBC_PRIVATE, which fit only those of the same build.
 */
#include <errno.h>
#include <string.h>

#include "image/elf_symbols.h"
#include "image/load_internal.h"

#define PRIVATE "GLIBC_PRIVATE"

/* A symbol that some object of the program defines. */
struct definition {
	const struct elf_symbol *symbol;
	const struct elf_symbols *of;
	bool from_image;
};

struct check {
	const struct load *l;
	struct elf_symbols *symbols; /* of each object; owned */
	bool *from_image;	     /* each object is of the image; owned */
	struct definition *defined;  /* by name; owned */
	size_t n_defined;
};

static bool is_from_image(const struct load *l, const struct loaded *x)
{
	const struct node *n = root_node(l->c->root, x->object->real);

	return n && n->origin;
}

static int compare(const void *a, const void *b)
{
	const struct definition *x = a, *y = b;

	return strcmp(x->symbol->name, y->symbol->name);
}

static int read_all(struct check *k)
{
	const struct load *l = k->l;
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < l->n; i++) {
		struct root_data data;

		if (!strcmp(l->list[i]->object->real, "/"))
			continue; /* nobody: a library is looked for by its name alone */
		r = root_open_file(l->c->root, l->list[i]->object->real, &data);
		if (r < 0)
			break;
		r = elf_symbols_read(data.fd, data.at, data.bytes, &k->symbols[i]);
		data.fd = fd_close(data.fd);
		n += k->symbols[i].n;
	}
	if (r < 0)
		return r;
	k->defined = calloc(MAX(n, (size_t)1), sizeof(*k->defined));
	if (!k->defined)
		return -ENOMEM;
	for (size_t i = 0; i < l->n; i++) {
		for (size_t j = 0; j < k->symbols[i].n; j++) {
			if (k->symbols[i].list[j].defined)
				k->defined[k->n_defined++] =
					(struct definition){ &k->symbols[i].list[j], &k->symbols[i],
							     k->from_image[i] };
		}
	}
	qsort(k->defined, k->n_defined, sizeof(*k->defined), compare);
	return 0;
}

/* Would the loader take @d for @want? */
static bool answers(const struct definition *d, const struct elf_symbol *want)
{
	if (!want->version || !d->of->versioned)
		return true;
	return d->symbol->version && !strcmp(d->symbol->version, want->version);
}

static bool is_there(const struct check *k, const struct elf_symbol *want, bool from_image)
{
	const struct definition key = { .symbol = want };
	const struct definition *d = bsearch(&key, k->defined, k->n_defined, sizeof(*d), compare);
	bool private = want->version && !strcmp(want->version, PRIVATE);

	if (!d)
		return false;
	while (d > k->defined && !compare(d - 1, &key))
		d--;
	for (; d < k->defined + k->n_defined && !compare(d, &key); d++) {
		if (answers(d, want) && (!private || d->from_image == from_image))
			return true;
	}
	return false;
}

static int check_object(const struct check *k, size_t i)
{
	const struct load *l = k->l;

	for (size_t j = 0; j < k->symbols[i].n; j++) {
		const struct elf_symbol *want = &k->symbols[i].list[j];

		if (want->defined || want->weak || is_there(k, want, k->from_image[i]))
			continue;
		return closure_fail(
			l->c, -ELIBBAD,
			"'%s' wants the symbol '%s'%s%s, which no library of the image has: it is "
			"built for another system than the one that 'from' brings; take the "
			"program from there, or a static one",
			l->list[i]->path, want->name, want->version ? " of version " : "",
			want->version ? want->version : "");
	}
	return 0;
}

int load_check_symbols(const struct load *l)
{
	struct check k = { .l = l };
	size_t inside = 0;
	int r = 0;

	if (!l->c->root->tree || l->c->root->fd < 0)
		return 0;
	k.from_image = calloc(l->n, sizeof(*k.from_image));
	k.symbols = calloc(l->n, sizeof(*k.symbols));
	for (size_t i = 0; k.from_image && i < l->n; i++) {
		k.from_image[i] = is_from_image(l, l->list[i]);
		inside += k.from_image[i];
	}
	if (!k.from_image || !k.symbols)
		r = -ENOMEM;
	else if (inside > 0 && inside < l->n)
		r = read_all(&k);
	for (size_t i = 0; r == 0 && k.defined && i < l->n; i++)
		r = check_object(&k, i);
	for (size_t i = 0; k.symbols && i < l->n; i++)
		elf_symbols_clear(&k.symbols[i]);
	free(k.symbols);
	free(k.from_image);
	free(k.defined);
	return r;
}
