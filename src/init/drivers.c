/*
 * drivers.c - kernel modules for the hardware that is there
 *
 * The index is ours and small for virtual machines, some thousand lines for all network cards.
 * Patterns are kept as text and tried one after the other: a machine has some hundred devices, and
 * most patterns differ from a modalias in their first characters.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/lines.h"
#include "init/cmdline.h"
#include "init/drivers.h"
#include "init/drivers_internal.h"

void drivers_free(struct drivers *d)
{
	if (!d)
		return;
	drivers_stop(d);
	for (size_t i = 0; i < d->n_files; i++)
		free(d->files[i].name);
	for (size_t i = 0; i < d->n_modules; i++) {
		free(d->modules[i].name);
		free(d->modules[i].params);
		free(d->modules[i].needs);
	}
	for (size_t i = 0; i < d->n_aliases; i++)
		free(d->aliases[i].pattern);
	free(d->aliases);
	free(d);
}

static void drivers_freep(struct drivers **p)
{
	drivers_free(*p);
}

const char *drivers_kernel(const struct drivers *d)
{
	return d->kernel;
}

/* Match [...] at *p (behind the bracket) against @c, and step behind it. */
static bool glob_class(const char **p, char c)
{
	const char *s = *p;
	bool invert = *s == '!' || *s == '^', hit = false;

	s += invert;
	for (bool first = true; *s && (*s != ']' || first); first = false) {
		char from = *s++, to = from;

		if (*s == '-' && s[1] && s[1] != ']') {
			to = s[1];
			s += 2;
		}
		hit = hit || (c >= from && c <= to);
	}
	*p = *s ? s + 1 : s;
	return hit != invert;
}

bool drivers_glob(const char *pattern, const char *text)
{
	const char *p = pattern, *t = text, *star = NULL, *star_text = NULL;

	while (*t) {
		const char *next = p + 1;
		bool hit;

		if (*p == '*') {
			star = ++p;
			star_text = t;
			continue;
		}
		hit = *p == '?' || (*p && *p == *t && *p != '[');
		if (*p == '[')
			hit = glob_class(&next, *t);
		if (hit) {
			p = next;
			t++;
		} else if (star) { /* let the last star take one more */
			p = star;
			t = ++star_text;
		} else {
			return false;
		}
	}
	while (*p == '*')
		p++;
	return !*p;
}

struct drivers_module *drivers_find(const struct drivers *d, const char *name)
{
	for (size_t i = 0; i < d->n_modules; i++) {
		if (!strcmp(d->modules[i].name, name))
			return (struct drivers_module *)&d->modules[i];
	}
	return NULL;
}

/* The file called @name, new when it was not known. Return: its place, or negative errno. */
static int find_file(struct drivers *d, const char *name)
{
	for (size_t i = 0; i < d->n_files; i++) {
		if (!strcmp(d->files[i].name, name))
			return (int)i;
	}
	if (d->n_files == DRIVERS_MODULES_MAX)
		return -E2BIG;
	d->files[d->n_files] = (struct drivers_file){ .name = strdup(name) };
	if (!d->files[d->n_files].name)
		return -ENOMEM;
	return (int)d->n_files++;
}

static int take_module(struct drivers *d, const struct lines *l, const char **ret_why)
{
	struct drivers_module *m = &d->modules[d->n_modules];

	*ret_why = "expected 'module NAME FILE...', each NAME once";
	if (l->n_words < 3 || drivers_find(d, l->words[1]))
		return -EBADMSG;
	if (d->n_modules == DRIVERS_MODULES_MAX)
		return -E2BIG;
	*m = (struct drivers_module){ .name = strdup(l->words[1]),
				      .needs = calloc(l->n_words - 2, sizeof(*m->needs)) };
	d->n_modules++;
	if (!m->name || !m->needs)
		return -ENOMEM;
	for (size_t i = 2; i < l->n_words; i++) {
		int f = find_file(d, l->words[i]);

		if (f < 0)
			return f;
		m->needs[m->n_needs++] = (uint16_t)f;
	}
	return 0;
}

static int take_alias(struct drivers *d, const struct lines *l, const char **ret_why)
{
	struct drivers_module *m = l->n_words == 3 ? drivers_find(d, l->words[2]) : NULL;

	*ret_why = "expected 'alias PATTERN NAME' with a module from above";
	if (!m)
		return -EBADMSG;
	if (d->n_aliases == DRIVERS_ALIASES_MAX)
		return -E2BIG;
	if (d->n_aliases == d->cap_aliases) {
		size_t cap = d->cap_aliases ? 2 * d->cap_aliases : 64;
		struct drivers_alias *p = reallocarray(d->aliases, cap, sizeof(*p));

		if (!p)
			return -ENOMEM;
		d->aliases = p;
		d->cap_aliases = cap;
	}
	d->aliases[d->n_aliases] = (struct drivers_alias){ .pattern = strdup(l->words[1]),
							   .module = (uint16_t)(m - d->modules) };
	return d->aliases[d->n_aliases++].pattern ? 0 : -ENOMEM;
}

static int take_always(struct drivers *d, const struct lines *l, const char **ret_why)
{
	struct drivers_module *m = l->n_words >= 2 ? drivers_find(d, l->words[1]) : NULL;
	char params[DRIVERS_PARAMS_MAX] = "";

	*ret_why = "expected 'always NAME [PARAMETER=VALUE...]' with a module from above";
	if (!m || m->always)
		return -EBADMSG;
	for (size_t i = 2; i < l->n_words; i++) {
		size_t n = strlen(params);

		if (n + strlen(l->words[i]) + 2 > sizeof(params))
			return -E2BIG;
		snprintf(params + n, sizeof(params) - n, "%s%s", n ? " " : "", l->words[i]);
	}
	m->always = true;
	m->params = strdup(params);
	return m->params ? 0 : -ENOMEM;
}

static int take_line(struct drivers *d, const struct lines *l, const char **ret_why)
{
	if (!strcmp(l->words[0], "module"))
		return take_module(d, l, ret_why);
	if (!strcmp(l->words[0], "alias"))
		return take_alias(d, l, ret_why);
	if (!strcmp(l->words[0], "always"))
		return take_always(d, l, ret_why);
	if (!strcmp(l->words[0], "kernel") && l->n_words == 2) {
		snprintf(d->kernel, sizeof(d->kernel), "%s", l->words[1]);
		return 0;
	}
	*ret_why = "expected module, alias, always or kernel";
	return -EBADMSG;
}

int drivers_parse(const char *text, size_t n, const struct cmdline *c, struct drivers **ret,
		  unsigned *ret_line, const char **ret_why)
{
	_cleanup_(drivers_freep) struct drivers *d = calloc(1, sizeof(*d));
	_cleanup_free_ struct lines *l = malloc(sizeof(*l));
	int r;

	if (!d || !l)
		return -ENOMEM;
	d->cmdline = c;
	d->uevents = FD_NONE;
	lines_init(l, DRIVERS_INDEX, text, n);
	*ret_line = 1;
	*ret_why = "expected 'bpboot-modules 1'";
	r = lines_next(l);
	if (r <= 0 || l->n_words != 2 || strcmp(l->words[0], "bpboot-modules") ||
	    strcmp(l->words[1], "1"))
		return -EBADMSG;
	while ((r = lines_next(l)) > 0) {
		*ret_line = l->line;
		r = take_line(d, l, ret_why);
		if (r < 0)
			return r;
	}
	if (r < 0) {
		*ret_line = l->line;
		*ret_why = l->error;
		return r;
	}
	*ret = TAKE_PTR(d);
	return 0;
}

static void want(struct drivers *d, const struct drivers_module *m)
{
	for (size_t i = 0; i < m->n_needs; i++) {
		struct drivers_file *f = &d->files[m->needs[i]];

		if (f->state != DRIVERS_NEW)
			continue;
		f->state = DRIVERS_QUEUED;
		d->queue[d->n_queue++] = m->needs[i]; /* a file is queued once: there is room */
	}
}

unsigned drivers_match(struct drivers *d, const char *modalias)
{
	unsigned hits = 0;

	for (size_t i = 0; i < d->n_aliases; i++) {
		const struct drivers_module *m = &d->modules[d->aliases[i].module];

		if (!drivers_glob(d->aliases[i].pattern, modalias))
			continue;
		hits++;
		if (!cmdline_blacklisted(d->cmdline, m->name))
			want(d, m);
	}
	return hits;
}

void drivers_want_always(struct drivers *d)
{
	for (size_t i = 0; i < d->n_modules; i++) {
		const struct drivers_module *m = &d->modules[i];

		if (m->always && strcmp(m->name, "brd") &&
		    !cmdline_blacklisted(d->cmdline, m->name))
			want(d, m);
	}
}

/* The module's parameters: of `always`, then those on the kernel command line (MODULE.NAME=VALUE).
 */
static void collect_params(const struct drivers *d, const char *name, char *buf, size_t size)
{
	const struct drivers_module *m = drivers_find(d, name);
	size_t len = strlen(name), n;

	snprintf(buf, size, "%s", m && m->params ? m->params : "");
	for (size_t i = 0; i < d->cmdline->n_module_words; i++) {
		const char *w = d->cmdline->module_words[i];

		if (strncmp(w, name, len) || w[len] != '.')
			continue;
		n = strlen(buf);
		if (n + strlen(w + len) + 1 < size)
			snprintf(buf + n, size - n, "%s%s", n ? " " : "", w + len + 1);
	}
}

const char *drivers_next(struct drivers *d, char params[static DRIVERS_PARAMS_MAX])
{
	struct drivers_file *f;

	if (d->queue_at == d->n_queue)
		return NULL;
	f = &d->files[d->queue[d->queue_at++]];
	f->state = DRIVERS_LOADED;
	collect_params(d, f->name, params, DRIVERS_PARAMS_MAX);
	return f->name;
}

unsigned drivers_loaded(const struct drivers *d, char *buf, size_t n)
{
	unsigned count = 0;
	size_t len = 0;

	if (n)
		buf[0] = 0;
	for (size_t i = 0; i < d->n_files; i++) {
		const struct drivers_file *f = &d->files[i];

		if (f->state != DRIVERS_LOADED)
			continue;
		if (len + strlen(f->name) + 3 < n)
			len += (size_t)snprintf(buf + len, n - len, "%s%s", len ? ", " : "",
						f->name);
		count++;
	}
	return count;
}

unsigned drivers_tell(struct drivers *d, char *buf, size_t n)
{
	unsigned count = 0;
	size_t len = 0;

	for (size_t i = 0; i < d->n_files; i++) {
		struct drivers_file *f = &d->files[i];

		if (f->state != DRIVERS_LOADED || f->told)
			continue;
		if (len + strlen(f->name) + 3 >= n && len > 0)
			break; /* the next call tells it */
		len += (size_t)snprintf(buf + len, n - len, "%s%s", len ? ", " : "", f->name);
		f->told = true;
		count++;
	}
	return count;
}
