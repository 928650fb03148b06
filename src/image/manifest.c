/*
 * manifest.c - the list of what a node needs
 *
 * One table says which words each line takes; adding a row is adding a line.
 */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/lines.h"
#include "base/parse.h"
#include "base/path.h"
#include "image/format.h"
#include "image/manifest.h"
#include "image/tree.h"
#include "wire/index.h"

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

struct parser {
	struct lines lines;
	struct manifest m;
	char *error; /* MANIFEST_ERROR_MAX bytes */
	bool seen[MANIFEST_KIND_MAX_];
};

static int fail(struct parser *p, const char *fmt, ...) _printf_(2, 3);
static int fail(struct parser *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->error, MANIFEST_ERROR_MAX, fmt, ap);
	va_end(ap);
	return -EBADMSG;
}

static int copy(const char *s, char **ret)
{
	*ret = strdup(s);
	return *ret ? 0 : -ENOMEM;
}

/* A path in the image: absolute, without "." and "..", names that ext2 can hold. */
static int take_target(struct parser *p, const char *s, char **ret)
{
	if (s[0] != '/')
		return fail(p, "target '%s' has to be an absolute path in the image", s);
	for (const char *at = s; *(at += strspn(at, "/"));) {
		size_t n = strcspn(at, "/");

		if ((n == 1 && at[0] == '.') || (n == 2 && at[0] == '.' && at[1] == '.'))
			return fail(p, "target '%s' must not contain '%.*s'", s, (int)n, at);
		if (n > TREE_NAME_MAX)
			return fail(p, "target '%.64s...' has a name of %zu bytes; 255 is the most",
				    s, n);
		at += n;
	}
	if (strlen(s) >= PATH_MAX)
		return fail(p, "target '%.64s...' is too long", s);
	return path_normalize(s, ret);
}

static int take_source(struct parser *p, const char *s, char **ret)
{
	if (!*s)
		return fail(p, "the source is empty");
	if (strlen(s) >= PATH_MAX)
		return fail(p, "source '%.64s...' is too long", s);
	return copy(s, ret);
}

static int take_from(struct parser *p, struct manifest_entry *e, char **words, size_t n)
{
	if (!strcmp(words[0], MANIFEST_STDIN)) {
		for (size_t i = 0; i < p->m.n; i++) {
			const struct manifest_entry *old = &p->m.entries[i];

			if (old->kind == MANIFEST_FROM && !strcmp(old->source, MANIFEST_STDIN))
				return fail(p, "standard input is read already, by line %u",
					    old->line);
		}
	}
	return take_source(p, words[0], &e->source);
}

/* Names of a suite and of packages, as Debian allows them, with what apt takes behind them. */
static int take_packages(struct parser *p, struct manifest_entry *e, char **words, size_t n)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.+-_~:=/,";
	char names[MANIFEST_NAMES_MAX] = "";
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		size_t k = strlen(words[i]);

		if (k == 0 || strspn(words[i], allowed) != k || words[i][0] == '-')
			return fail(p, "'%.64s' is not the name of a %s", words[i],
				    i ? "package" : "suite");
		if (!strncmp(words[i], "variant=", 8) || !strncmp(words[i], "mirror=", 7))
			return fail(p, "'%.64s' stands behind the packages' names", words[i]);
		if (i == 0)
			continue;
		if (len + k + 2 > sizeof(names))
			return fail(p, "names of packages have more than %d bytes",
				    MANIFEST_NAMES_MAX - 2);
		len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s", len ? "," : "",
					words[i]);
	}
	for (size_t i = 0; i < p->m.n; i++) {
		if (p->m.entries[i].kind == MANIFEST_PACKAGES)
			return fail(p, "a second 'packages'; name all in line %u",
				    p->m.entries[i].line);
	}
	if (len > 0 && copy(names, &e->packages) < 0)
		return -ENOMEM;
	return copy(words[0], &e->source);
}

static int take_file(struct parser *p, struct manifest_entry *e, char **words, size_t n)
{
	int r = take_source(p, words[0], &e->source);

	return r < 0 ? r : take_target(p, words[1], &e->target);
}

static int take_dir(struct parser *p, struct manifest_entry *e, char **words, size_t n)
{
	return take_target(p, words[0], &e->target);
}

static int take_link(struct parser *p, struct manifest_entry *e, char **words, size_t n)
{
	int r = take_target(p, words[0], &e->target);

	if (r < 0)
		return r;
	if (!*words[1] || strlen(words[1]) > 1023)
		return fail(p, "the destination of a link has 1 to 1023 bytes");
	return copy(words[1], &e->link);
}

static int take_node(struct parser *p, struct manifest_entry *e, char **words, size_t n)
{
	int r = take_target(p, words[0], &e->target);

	if (r < 0)
		return r;
	if (strcmp(words[1], "c") && strcmp(words[1], "b"))
		return fail(p, "device '%s' is of kind '%s'; expected c or b", words[0], words[1]);
	e->block = words[1][0] == 'b';
	if (parse_u32(words[2], 0, MANIFEST_MAJOR_MAX, &e->major) < 0)
		return fail(p, "major number '%s': expected 0 to %u", words[2], MANIFEST_MAJOR_MAX);
	if (parse_u32(words[3], 0, MANIFEST_MINOR_MAX, &e->minor) < 0)
		return fail(p, "minor number '%s': expected 0 to %u", words[3], MANIFEST_MINOR_MAX);
	return 0;
}

static int take_program(struct parser *p, struct manifest_entry *e, char **words, size_t n)
{
	int r = take_source(p, words[0], &e->source);

	return r < 0 || n < 2 ? r : take_target(p, words[1], &e->target);
}

static int take_module(struct parser *p, struct manifest_entry *e, char **words, size_t n)
{
	size_t len = strlen(words[0]);

	if (len == 0 || strchr(words[0], '/') || (len > 3 && !strcmp(words[0] + len - 3, ".ko")))
		return fail(p, "'%s' is not the name of a module (no path, no .ko)", words[0]);
	return take_source(p, words[0], &e->source);
}

/* A library's name, or an absolute path. */
static int take_needs(struct parser *p, struct manifest_entry *e, char **words, size_t n)
{
	if (words[0][0] != '/' && (!*words[0] || strchr(words[0], '/')))
		return fail(p, "needs '%s': expected the name of a library or an absolute path",
			    words[0]);
	return take_source(p, words[0], &e->source);
}

static int take_gconv(struct parser *p, struct manifest_entry *e, char **words, size_t n)
{
	if (!*words[0] || strchr(words[0], '/'))
		return fail(p, "'%s' is not the name of a character set ('*' for all)", words[0]);
	return take_source(p, words[0], &e->source);
}

static int take_bpslave(struct parser *p, struct manifest_entry *e, char **words, size_t n)
{
	return 0;
}

static int take_init(struct parser *p, struct manifest_entry *e, char **words, size_t n)
{
	if (strlen(words[0]) >= INDEX_INIT_MAX || strpbrk(words[0], " \t"))
		return fail(p, "init has at most %d bytes and no blanks", INDEX_INIT_MAX - 1);
	return take_target(p, words[0], &e->target);
}

static int take_name(struct parser *p, struct manifest_entry *e, char **words, size_t n)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	size_t len = strlen(words[0]);

	if (len == 0 || len >= INDEX_NAME_MAX || words[0][0] == '.' ||
	    strspn(words[0], allowed) != len)
		return fail(p,
			    "name '%.64s': expected up to %d letters, digits, '.', '_' and '-', "
			    "not first a '.'",
			    words[0], INDEX_NAME_MAX - 1);
	return copy(words[0], &e->source);
}

static int take_free(struct parser *p, struct manifest_entry *e, char **words, size_t n)
{
	if (parse_size(words[0], INDEX_IMAGE_MAX, &e->number) < 0)
		return fail(p, "free '%s': expected a size up to 1T, like 8M", words[0]);
	return 0;
}

static int take_time(struct parser *p, struct manifest_entry *e, char **words, size_t n)
{
	if (parse_u64(words[0], 0, INT32_MAX, &e->number) < 0)
		return fail(p, "time '%s': expected seconds since 1970, 0 to %d", words[0],
			    INT32_MAX);
	return 0;
}

static int take_format(struct parser *p, struct manifest_entry *e, char **words, size_t n)
{
	enum index_format f;

	if (format_parse(words[0], &f) < 0)
		return fail(p, "format '%s': expected ext2, squashfs, erofs or cpio", words[0]);
	e->number = f;
	return copy(words[0], &e->source);
}

/* Words that may follow a line's own. */
enum attribute {
	MODE = 1 << 0,
	OWNER = 1 << 1,
	INODES = 1 << 2,
	CHOICE = 1 << 3, /* image=, platform= */
	SYSTEM = 1 << 4, /* variant=, mirror= */
};

/* Which words a line takes, and which attributes. */
static const struct {
	const char *name;
	const char *args; /* for the message */
	size_t min, max;
	unsigned attributes;
	int (*take)(struct parser *p, struct manifest_entry *e, char **words, size_t n);
} kinds[MANIFEST_KIND_MAX_] = {
	[MANIFEST_FROM] = { "from", "SOURCE", 1, 1, OWNER | CHOICE, take_from },
	[MANIFEST_FILE] = { "file", "SOURCE TARGET", 2, 2, MODE | OWNER, take_file },
	[MANIFEST_TREE] = { "tree", "SOURCE TARGET", 2, 2, MODE | OWNER, take_file },
	[MANIFEST_DIR] = { "dir", "TARGET", 1, 1, MODE | OWNER, take_dir },
	[MANIFEST_LINK] = { "link", "TARGET DESTINATION", 2, 2, OWNER, take_link },
	[MANIFEST_NODE] = { "node", "TARGET c|b MAJOR MINOR", 4, 4, MODE | OWNER, take_node },
	[MANIFEST_PROGRAM] = { "program", "PATH [TARGET]", 1, 2, MODE | OWNER, take_program },
	[MANIFEST_MODULE] = { "module", "NAME", 1, 1, 0, take_module },
	[MANIFEST_BPSLAVE] = { "bpslave", "nothing", 0, 0, 0, take_bpslave },
	[MANIFEST_NEEDS] = { "needs", "LIBRARY", 1, 1, 0, take_needs },
	[MANIFEST_GCONV] = { "gconv", "CHARSET|*", 1, 1, 0, take_gconv },
	[MANIFEST_PACKAGES] = { "packages", "SUITE [PACKAGE...]", 1, MANIFEST_PACKAGES_MAX, SYSTEM,
				take_packages },
	[MANIFEST_INIT] = { "init", "PATH", 1, 1, 0, take_init },
	[MANIFEST_NAME] = { "name", "NAME", 1, 1, 0, take_name },
	[MANIFEST_FREE] = { "free", "SIZE", 1, 1, INODES, take_free },
	[MANIFEST_TIME] = { "time", "SECONDS", 1, 1, 0, take_time },
	[MANIFEST_FORMAT] = { "format", "FORMAT", 1, 1, 0, take_format },
};

const char *manifest_kind_name(enum manifest_kind k)
{
	return kinds[k].name;
}

/* Is @word "@name=..."? Return: what follows the sign, or NULL. */
static const char *value_of(const char *word, const char *name)
{
	size_t n = strlen(name);

	return !strncmp(word, name, n) && word[n] == '=' ? word + n + 1 : NULL;
}

/* Characters that a user or group may have, and one colon between. */
static bool owner_ok(const char *s)
{
	const char *colon = strchr(s, ':');
	size_t n = strlen(s);

	return n > 0 && n < 128 && s[0] != ':' && !strpbrk(s, " \t/") &&
	       (!colon || (colon[1] && !strchr(colon + 1, ':')));
}

/* Take an attribute that is a text. Return: 1, 0 (it is another word), or a negative errno. */
static int take_text(struct parser *p, struct manifest_entry *e, const char *word)
{
	struct {
		const char *name;
		unsigned attribute;
		char **to;
	} texts[] = {
		{ "image", CHOICE, &e->image },
		{ "platform", CHOICE, &e->platform },
		{ "variant", SYSTEM, &e->variant },
		{ "mirror", SYSTEM, &e->mirror },
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		const char *v = value_of(word, texts[i].name);

		if (!v || !(kinds[e->kind].attributes & texts[i].attribute))
			continue;
		if (*texts[i].to || !*v || strlen(v) >= MANIFEST_CHOICE_MAX)
			return fail(p, "'%.64s': expected %s= once, with a value", word,
				    texts[i].name);
		return copy(v, texts[i].to) < 0 ? -ENOMEM : 1;
	}
	return 0;
}

/* Take an attribute. Return: 1, 0 (it is another word), or -EBADMSG. */
static int take_attribute(struct parser *p, struct manifest_entry *e, const char *word)
{
	const char *v;
	uint32_t mode;

	if ((v = value_of(word, "mode")) && (kinds[e->kind].attributes & MODE)) {
		if (e->has_mode || parse_mode(v, &mode) < 0)
			return fail(p, "'%s': expected one mode= with an octal mode up to 7777",
				    word);
		e->has_mode = true;
		e->mode = (uint16_t)mode;
		return 1;
	}
	if ((v = value_of(word, "owner")) && (kinds[e->kind].attributes & OWNER)) {
		if (e->owner || !owner_ok(v))
			return fail(p,
				    "'%s': expected one owner=USER, owner=USER:GROUP or owner=keep",
				    word);
		return copy(v, &e->owner) < 0 ? -ENOMEM : 1;
	}
	if ((v = value_of(word, "inodes")) && (kinds[e->kind].attributes & INODES)) {
		if (e->has_inodes || parse_u64(v, 0, INT32_MAX, &e->inodes) < 0)
			return fail(p, "'%s': expected one inodes= with a number", word);
		e->has_inodes = true;
		return 1;
	}
	return take_text(p, e, word);
}

static int find_kind(struct parser *p, const char *word, enum manifest_kind *ret)
{
	char known[MANIFEST_ERROR_MAX / 2] = "";
	size_t len = 0;

	for (unsigned k = 0; k < MANIFEST_KIND_MAX_; k++) {
		if (!strcmp(kinds[k].name, word)) {
			*ret = (enum manifest_kind)k;
			return 0;
		}
	}
	for (unsigned k = 0; k < MANIFEST_KIND_MAX_ && len < sizeof(known); k++)
		len += (size_t)snprintf(known + len, sizeof(known) - len, "%s%s",
					k == 0			     ? ""
					: k + 1 < MANIFEST_KIND_MAX_ ? ", "
								     : " or ",
					kinds[k].name);
	return fail(p, "unknown line '%.64s'; expected %s", word, known);
}

/* Say what a line takes, and which word is too many. */
static int fail_words(struct parser *p, enum manifest_kind kind, char **words, size_t n)
{
	__typeof__(&kinds[0]) k = &kinds[kind];
	char what[128] = "; that is too little";

	if (n > k->max)
		snprintf(what, sizeof(what),
			 "; '%.40s' is too much (what holds blanks stands in double quotes)",
			 words[k->max]);
	return fail(p, "'%s' takes %s%s%s%s%s%s%s", k->name, k->args,
		    k->attributes & MODE ? " [mode=MODE]" : "",
		    k->attributes & OWNER ? " [owner=USER[:GROUP]]" : "",
		    k->attributes & INODES ? " [inodes=N]" : "",
		    k->attributes & CHOICE ? " [image=NAME] [platform=OS/ARCH]" : "",
		    k->attributes & SYSTEM ? " [variant=NAME] [mirror=URL]" : "", what);
}

static int take_line(struct parser *p, struct manifest_entry *e)
{
	char **words = p->lines.words + 1;
	size_t n = p->lines.n_words - 1;
	int r = find_kind(p, p->lines.words[0], &e->kind);

	if (r < 0)
		return r;
	e->line = p->lines.line;
	while (n > kinds[e->kind].min) { /* attributes stand last */
		r = take_attribute(p, e, words[n - 1]);
		if (r < 0)
			return r;
		if (r == 0)
			break;
		n--;
	}
	if (n < kinds[e->kind].min || n > kinds[e->kind].max)
		return fail_words(p, e->kind, words, n);
	if (e->kind >= MANIFEST_INIT && p->seen[e->kind])
		return fail(p, "a second '%s'; there is one for an image", kinds[e->kind].name);
	p->seen[e->kind] = true;
	return kinds[e->kind].take(p, e, words, n);
}

static void clear_entry(struct manifest_entry *e)
{
	free(e->source);
	free(e->target);
	free(e->link);
	free(e->owner);
	free(e->image);
	free(e->platform);
	free(e->packages);
	free(e->variant);
	free(e->mirror);
}

static int add_line(struct parser *p)
{
	struct manifest *m = &p->m;
	struct manifest_entry e = { 0 }, *more;
	int r;

	if (m->n == MANIFEST_ENTRIES_MAX)
		return fail(p, "more than %u lines", MANIFEST_ENTRIES_MAX);
	if ((m->n & (m->n - 1)) == 0) {
		more = realloc(m->entries, MAX(2 * m->n, (size_t)1) * sizeof(*more));
		if (!more)
			return -ENOMEM;
		m->entries = more;
	}
	r = take_line(p, &e);
	if (r < 0)
		clear_entry(&e);
	else
		m->entries[m->n++] = e;
	return r;
}

void manifest_clear(struct manifest *m)
{
	for (size_t i = 0; i < m->n; i++)
		clear_entry(&m->entries[i]);
	free(m->entries);
	*m = (struct manifest){ 0 };
}

int manifest_parse(const void *text, size_t n, struct manifest *ret, unsigned *ret_line,
		   char ret_error[static MANIFEST_ERROR_MAX])
{
	_cleanup_free_ struct parser *p = calloc(1, sizeof(*p));
	size_t skip = 0;
	int r;

	*ret_line = 0;
	ret_error[0] = 0;
	if (!p)
		return -ENOMEM;
	p->error = ret_error;
	if (n > MANIFEST_BYTES_MAX)
		return -E2BIG;
	if (n >= strlen(BYTE_ORDER_MARK) && !memcmp(text, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)))
		skip = strlen(BYTE_ORDER_MARK); /* as editors of another system put there */
	lines_init(&p->lines, NULL, (const char *)text + skip, n - skip);
	while ((r = lines_next(&p->lines)) == 1) {
		r = add_line(p);
		if (r < 0)
			break;
	}
	if (r == -EBADMSG && !ret_error[0])
		snprintf(ret_error, MANIFEST_ERROR_MAX, "%s", p->lines.error);
	if (r < 0) {
		*ret_line = p->lines.line;
		manifest_clear(&p->m);
		return r;
	}
	*ret = p->m;
	return 0;
}

/* A word, quoted so that it is one whatever it holds. */
static int put_word(struct buffer *to, const char *s)
{
	int r = buffer_append(to, " \"", 2);

	for (; r == 0 && *s; s++) {
		if (*s == '"' || *s == '\\')
			r = buffer_append(to, "\\", 1);
		if (r == 0)
			r = buffer_append(to, s, 1);
	}
	return r < 0 ? r : buffer_append(to, "\"", 1);
}

static int put_attribute(struct buffer *to, const char *name, const char *value)
{
	_cleanup_free_ char *word = NULL;

	if (!value)
		return 0;
	if (asprintf(&word, "%s=%s", name, value) < 0) {
		word = NULL;
		return -ENOMEM;
	}
	return put_word(to, word);
}

static int put_entry(const struct manifest_entry *e, struct buffer *to)
{
	int r = buffer_append(to, kinds[e->kind].name, strlen(kinds[e->kind].name));

	if (r == 0 && e->source)
		r = put_word(to, e->source);
	if (r == 0 && e->packages)
		r = put_word(to, e->packages);
	if (r == 0 && e->target)
		r = put_word(to, e->target);
	if (r == 0 && e->link)
		r = put_word(to, e->link);
	if (r == 0 && e->kind == MANIFEST_NODE)
		r = buffer_printf(to, " %c %u %u", e->block ? 'b' : 'c', e->major, e->minor);
	if (r == 0 && (e->kind == MANIFEST_FREE || e->kind == MANIFEST_TIME))
		r = buffer_printf(to, " %llu", (unsigned long long)e->number);
	if (r == 0 && e->has_inodes)
		r = buffer_printf(to, " inodes=%llu", (unsigned long long)e->inodes);
	if (r == 0 && e->has_mode)
		r = buffer_printf(to, " mode=%04o", e->mode);
	if (r == 0)
		r = put_attribute(to, "owner", e->owner);
	if (r == 0)
		r = put_attribute(to, "image", e->image);
	if (r == 0)
		r = put_attribute(to, "platform", e->platform);
	if (r == 0)
		r = put_attribute(to, "variant", e->variant);
	if (r == 0)
		r = put_attribute(to, "mirror", e->mirror);
	return r < 0 ? r : buffer_append(to, "\n", 1);
}

int manifest_format(const struct manifest *m, struct buffer *to)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->n; i++)
		r = put_entry(&m->entries[i], to);
	return r;
}

const struct manifest_entry *manifest_find(const struct manifest *m, enum manifest_kind k)
{
	for (size_t i = 0; i < m->n; i++) {
		if (m->entries[i].kind == k)
			return &m->entries[i];
	}
	return NULL;
}
