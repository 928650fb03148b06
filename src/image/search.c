/*
 * search.c - where a loader looks for a library
 */
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "base/path.h"
#include "image/search.h"

/* The marked place for what differs between machines. */
static const struct search_machine machines[] = {
	{ ELF_MACHINE_X86_64,
	  ELF_CLASS_64,
	  "x86_64",
	  "x86_64-linux-gnu",
	  "lib64",
	  "/lib64/ld-linux-x86-64.so.2",
	  LDCACHE_X86_64,
	  "x86_64",
	  { "x86-64-v2", "x86-64-v3", "x86-64-v4" } },
	{ ELF_MACHINE_X86_64,
	  ELF_CLASS_32,
	  "x86_64",
	  "x86_64-linux-gnux32",
	  "libx32",
	  "/libx32/ld-linux-x32.so.2",
	  LDCACHE_X32,
	  "x32",
	  { 0 } },
	{ ELF_MACHINE_AARCH64,
	  ELF_CLASS_64,
	  "aarch64",
	  "aarch64-linux-gnu",
	  "lib64",
	  "/lib/ld-linux-aarch64.so.1",
	  LDCACHE_AARCH64,
	  "aarch64",
	  { 0 } },
	{ ELF_MACHINE_386,
	  ELF_CLASS_32,
	  "i686",
	  "i386-linux-gnu",
	  "lib",
	  "/lib/ld-linux.so.2",
	  LDCACHE_386,
	  "i386",
	  { 0 } },
	{ ELF_MACHINE_ARM,
	  ELF_CLASS_32,
	  "v7l",
	  "arm-linux-gnueabihf",
	  "lib",
	  "/lib/ld-linux-armhf.so.3",
	  LDCACHE_ARMHF,
	  "armhf",
	  { 0 } },
};

const struct search_machine *search_machine(uint16_t machine, uint8_t class)
{
	for (size_t i = 0; i < ARRAY_SIZE(machines); i++) {
		if (machines[i].machine == machine && machines[i].class == class)
			return &machines[i];
	}
	return NULL;
}

/*
 * Debian's multiarch folders come first where they exist; a folder that is not there costs a look.
 */
int search_builtin_dir(const struct search_machine *m, unsigned i, char **ret)
{
	char *dir = NULL;
	int n = 0;

	switch (i) {
	case 0:
		n = asprintf(&dir, "/lib/%s", m->triplet);
		break;
	case 1:
		n = asprintf(&dir, "/usr/lib/%s", m->triplet);
		break;
	case 2:
		n = asprintf(&dir, "/%s", m->lib);
		break;
	case 3:
		n = asprintf(&dir, "/usr/%s", m->lib);
		break;
	case 4:
		dir = strdup("/lib");
		break;
	case 5:
		dir = strdup("/usr/lib");
		break;
	default:
		*ret = NULL;
		return 0;
	}
	if (n < 0 || !dir)
		return -ENOMEM;
	*ret = dir;
	return 0;
}

int search_read(const struct root *root, const char *path, struct buffer *to)
{
	_cleanup_free_ char *real = NULL;
	struct root_data data;
	struct stat st;
	size_t n = 0;
	int r = root_resolve(root, path, NULL, NULL, &real, &st);

	if (r < 0)
		return r;
	if (!S_ISREG(st.st_mode))
		return -ENOENT;
	if ((uint64_t)st.st_size > to->max - to->len)
		return -E2BIG;
	r = root_open_file(root, real, &data);
	if (r < 0)
		return r;
	r = buffer_reserve(to, (size_t)st.st_size);
	if (r == 0)
		r = fd_read_full(data.fd, to->data + to->len, (size_t)st.st_size, &n);
	data.fd = fd_close(data.fd);
	if (r < 0)
		return r;
	to->len += n;
	to->data[to->len] = 0;
	return 0;
}

static int add_conf_dir(struct search *s, const char *dir)
{
	if (!s->conf_dirs)
		s->conf_dirs = calloc(SEARCH_DIRS_MAX, sizeof(*s->conf_dirs));
	if (!s->conf_dirs)
		return -ENOMEM;
	if (s->n_conf_dirs == SEARCH_DIRS_MAX)
		return -E2BIG;
	s->conf_dirs[s->n_conf_dirs] = strdup(dir);
	if (!s->conf_dirs[s->n_conf_dirs])
		return -ENOMEM;
	s->n_conf_dirs++;
	return 0;
}

static int read_conf(struct search *s, const char *path, unsigned depth);

static int compare_strings(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void search_names_clear(struct search_names *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->names[i]);
	free(s->names);
	*s = (struct search_names){ 0 };
}

static int add_name(struct search_names *s, const char *name)
{
	char **more;

	if (s->n == SEARCH_NAMES_MAX)
		return -E2BIG;
	more = realloc(s->names, (s->n + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	s->names = more;
	s->names[s->n] = strdup(name);
	if (!s->names[s->n])
		return -ENOMEM;
	s->n++;
	return 0;
}

struct matching {
	const char *pattern;
	struct search_names *to;
};

static int add_matching(void *arg, const char *name)
{
	struct matching *m = arg;

	return fnmatch(m->pattern, name, FNM_PERIOD) == 0 ? add_name(m->to, name) : 0;
}

int search_names(const struct root *root, const char *dir, const char *pattern,
		 struct search_names *ret)
{
	_cleanup_free_ char *real = NULL;
	struct search_names out = { 0 };
	struct matching m = { .pattern = pattern, .to = &out };
	int r = root_resolve(root, dir, NULL, NULL, &real, NULL);

	if (r < 0)
		return r;
	r = root_list(root, real, add_matching, &m);
	if (r < 0) {
		search_names_clear(&out);
		return r;
	}
	if (out.n > 0)
		qsort(out.names, out.n, sizeof(*out.names), compare_strings);
	*ret = out;
	return 0;
}

/* "include PATTERN": a pattern in the last name, as every distribution uses it. */
static int read_include(struct search *s, const char *pattern, unsigned depth)
{
	_cleanup_free_ char *full = NULL, *dir = NULL;
	struct search_names names = { 0 };
	int r = path_join(pattern[0] == '/' ? "" : "/etc", pattern, &full);

	if (r < 0)
		return r;
	dir = strndup(full, (size_t)(path_base(full) - full));
	if (!dir)
		return -ENOMEM;
	r = search_names(s->root, dir, path_base(full), &names);
	if (r < 0)
		return r == -ENOMEM ? r : 0; /* nothing to include */
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		_cleanup_free_ char *path = NULL;

		r = path_join(dir, names.names[i], &path);
		if (r == 0)
			r = read_conf(s, path, depth + 1);
	}
	search_names_clear(&names);
	return r;
}

static int read_conf_line(struct search *s, char *line, unsigned depth)
{
	size_t n = strcspn(line, "#");

	while (n > 0 && (line[n - 1] == ' ' || line[n - 1] == '\t' || line[n - 1] == '\r'))
		n--;
	line[n] = 0;
	line += strspn(line, " \t");
	if (!strncmp(line, "include", 7) && (line[7] == ' ' || line[7] == '\t'))
		return read_include(s, line + 8 + strspn(line + 8, " \t"), depth);
	return line[0] == '/' ? add_conf_dir(s, line) : 0;
}

static int read_conf(struct search *s, const char *path, unsigned depth)
{
	_cleanup_buffer_ struct buffer text = BUFFER(SEARCH_CONF_BYTES_MAX);
	char *line, *next;
	int r;

	if (depth > SEARCH_CONF_DEPTH || search_read(s->root, path, &text) < 0 || text.len == 0)
		return 0; /* ldconfig goes on without it, too */
	text.data[text.len] = 0;
	for (line = (char *)text.data; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = 0;
		r = read_conf_line(s, line, depth);
		if (r < 0)
			return r;
	}
	return 0;
}

int search_init(struct search *s, const struct root *root)
{
	_cleanup_buffer_ struct buffer text = BUFFER(LDCACHE_BYTES_MAX);
	int r = 0;

	*s = (struct search){ .root = root };
	if (search_read(root, "/etc/ld.so.cache", &text) == 0) {
		r = ldcache_parse(text.data, text.len, &s->cache);
		if (r == -EBADMSG || r == -E2BIG)
			r = 0; /* the loader ignores what it cannot read */
	}
	if (r == 0)
		r = read_conf(s, "/etc/ld.so.conf", 0);
	if (r < 0)
		search_clear(s);
	return r;
}

void search_clear(struct search *s)
{
	ldcache_clear(&s->cache);
	for (size_t i = 0; i < s->n_conf_dirs; i++)
		free(s->conf_dirs[i]);
	free(s->conf_dirs);
	*s = (struct search){ 0 };
}
