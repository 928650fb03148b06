/*
 * cluster.c - the cluster file: what a site says about its cluster, once (docs/cluster.md)
 *
 * libinih splits the text into lines and key=value pairs; one table of keys says what each means,
 * where it goes, and in which order cluster_format() writes it. libinih takes lines of up to 197
 * bytes, so a longer one is refused here with its number, and a value may go on in further lines
 * that begin with a blank (which only `cmdline` is).
 */
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "base/parse.h"
#include "base/path.h"
#include "serve/cluster_internal.h"

#define LETTERS_DIGITS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

const struct cluster_key cluster_keys[] = {
#define AT(field) offsetof(struct cluster, field)
	{ "cluster", "name", KEY_NAME, AT(name), "cluster" },
	{ "cluster", "interface", KEY_INTERFACE, AT(interface), NULL, true },
	{ "cluster", "network", KEY_NETWORK, AT(network), NULL, true },
	{ "cluster", "address", KEY_ADDRESS, AT(address), NULL, true },
	{ "cluster", "boot", KEY_PATH, AT(boot), "/srv/bpboot" },
	{ "cluster", "image", KEY_NAME, AT(image), "compute" },
	{ "cluster", "nodes", KEY_PATH, AT(nodes), NULL },
	{ "cluster", "unknown", KEY_UNKNOWN, AT(unknown), "refuse" },
	{ "cluster", "loader", KEY_LOADER, AT(loader), "ipxe" },
	{ "cluster", "servers", KEY_SERVERS, AT(servers), NULL },
	{ "cluster", "kernel", KEY_INSIDE, AT(kernel), "vmlinuz" },
	{ "cluster", "initrd", KEY_INSIDE, AT(initrd), "initrd.img" },
	{ "cluster", "cmdline", KEY_WORDS, AT(cmdline), "" },
	{ "dhcp", "range", KEY_RANGES, AT(ranges), NULL },
	{ "dhcp", "lease", KEY_LEASE, AT(lease_s), "12h" },
	{ "master", "address", KEY_ADDRESS, AT(master_address), NULL },
	{ "master", "port", KEY_PORT, AT(master_port), "2223" },
	{ "master", "log_port", KEY_PORT, AT(master_log_port), "514" },
	{ "master", "state", KEY_PATH, AT(master_state), "/var/lib/bpboot" },
	{ "master", "socket", KEY_PATH, AT(master_socket), "/run/bpboot/master.sock" },
	{ "master", "key", KEY_PATH, AT(master_key), "/etc/bpboot/master.key" },
	{ "master", "enrol", KEY_ENROL, AT(enrol), NULL },
	{ "master", "consoles", KEY_PATH, AT(master_consoles), NULL },
#undef AT
};
const size_t cluster_n_keys = ARRAY_SIZE(cluster_keys);

#define CLUSTER_LINE_MAX 200 /* libinih's */

enum { KEYS_N = ARRAY_SIZE(cluster_keys) };
_Static_assert(KEYS_N == CLUSTER_KEYS, "struct cluster has a line for each key");

/* A file while it is parsed. */
struct parse {
	struct cluster c;
	const char *p; /* rest of the text */
	size_t left;
	unsigned line; /* that was handed out last */
	int err;       /* of the first error */
	unsigned err_line;
	char why[256];
};

void cluster_clear(struct cluster *c)
{
	free(c->file);
	free(c->name);
	free(c->interface);
	free(c->boot);
	free(c->image);
	free(c->nodes);
	free(c->kernel);
	free(c->initrd);
	free(c->cmdline);
	free(c->master_state);
	free(c->master_socket);
	free(c->master_key);
	free(c->master_consoles);
	for (size_t i = 0; i < c->n_groups; i++) {
		free(c->groups[i].name);
		free(c->groups[i].text);
	}
	free(c->groups);
	*c = (struct cluster){ 0 };
}

/* Keep the first error. */
static int fail(struct parse *ps, int err, unsigned line, const char *fmt, ...) _printf_(4, 5);

static int fail(struct parse *ps, int err, unsigned line, const char *fmt, ...)
{
	va_list ap;

	if (ps->err < 0)
		return ps->err;
	va_start(ap, fmt);
	vsnprintf(ps->why, sizeof(ps->why), fmt, ap);
	va_end(ap);
	ps->err = err;
	ps->err_line = line;
	return err;
}

static int bad(struct parse *ps, const struct cluster_key *k, const char *value,
	       const char *expected)
{
	return fail(ps, -EBADMSG, ps->line, "%s '%.80s': expected %s", k->name, value, expected);
}

static int set_text(struct parse *ps, char **at, const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return fail(ps, -ENOMEM, 0, "out of memory");
	free(*at);
	*at = copy;
	return 0;
}

static int set_name(struct parse *ps, const struct cluster_key *k, char **at, const char *value)
{
	size_t n = strlen(value);

	if (n == 0 || n >= CLUSTER_NAME_MAX || value[0] == '.' ||
	    strspn(value, LETTERS_DIGITS "._-") != n)
		return bad(ps, k, value,
			   "up to 63 letters, digits, '.', '_', '-', not first a '.'");
	return set_text(ps, at, value);
}

static int set_interface(struct parse *ps, const struct cluster_key *k, char **at,
			 const char *value)
{
	size_t n = strlen(value);

	if (n == 0 || n >= IFNAMSIZ || strpbrk(value, "/ \t:,\"'#*\\") || !strcmp(value, ".") ||
	    !strcmp(value, ".."))
		return bad(ps, k, value, "the name of a network interface, up to 15 characters");
	return set_text(ps, at, value);
}

static int set_network(struct parse *ps, const struct cluster_key *k, struct cluster *c,
		       const char *value)
{
	static const char expected[] =
		"a.b.c.d/LENGTH, length 8 to 30, host bits zero: 10.1.0.0/16";
	char text[32];
	char *slash;
	struct in_addr a;
	uint32_t prefix;

	if (strlen(value) >= sizeof(text))
		return bad(ps, k, value, expected);
	snprintf(text, sizeof(text), "%s", value);
	slash = strchr(text, '/');
	if (!slash)
		return bad(ps, k, value, expected);
	*slash = 0;
	if (ipv4_parse(text, &a) < 0 || parse_u32(slash + 1, 8, 30, &prefix) < 0 ||
	    (a.s_addr & ~ipv4_mask(prefix).s_addr))
		return bad(ps, k, value, expected);
	c->network = a;
	c->prefix = prefix;
	return 0;
}

/* Further lines of the same key are appended. */
static int set_ranges(struct parse *ps, const struct cluster_key *k, struct cluster *c,
		      const char *value)
{
	static const char expected[] = "FIRST-LAST, two addresses: 10.1.200.1-10.1.200.99";
	char text[CLUSTER_LINE_MAX], *save = text, *first;

	snprintf(text, sizeof(text), "%s", value); /* a value is shorter than a line */
	while ((first = strsep(&save, " \t,"))) {
		struct cluster_range *x = &c->ranges[c->n_ranges];
		char *last = strchr(first, '-');

		if (!*first)
			continue;
		if (c->n_ranges == CLUSTER_RANGES_MAX)
			return fail(ps, -EBADMSG, ps->line, "more than %d ranges",
				    CLUSTER_RANGES_MAX);
		if (last)
			*last++ = 0;
		if (!last || ipv4_parse(first, &x->first) < 0 || ipv4_parse(last, &x->last) < 0 ||
		    ntohl(x->first.s_addr) > ntohl(x->last.s_addr))
			return bad(ps, k, value, expected);
		c->n_ranges++;
	}
	return 0;
}

static int set_lease(struct parse *ps, const struct cluster_key *k, uint32_t *at, const char *value)
{
	static const struct {
		char suffix;
		uint32_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	char text[16];
	size_t n = strlen(value);
	uint32_t unit = 1, v;

	if (n > 0 && n < sizeof(text)) {
		snprintf(text, sizeof(text), "%s", value);
		for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
			if (text[n - 1] == units[i].suffix) {
				unit = units[i].seconds;
				text[n - 1] = 0;
				break;
			}
		}
		if (parse_u32(text, 1, CLUSTER_LEASE_MAX_S / unit, &v) == 0 &&
		    v * unit >= CLUSTER_LEASE_MIN_S) {
			*at = v * unit;
			return 0;
		}
	}
	return bad(ps, k, value, "a time of 2m to 365d: seconds, or with s, m, h, d");
}

/* Relative to where the cluster file lies. */
static int set_path(struct parse *ps, const struct cluster_key *k, char **at, const char *value)
{
	_cleanup_free_ char *joined = NULL;
	char *path;
	int r;

	if (!*value)
		return bad(ps, k, value, "a path");
	if (asprintf(&joined, "%.*s/%s", (int)(strrchr(ps->c.file, '/') - ps->c.file), ps->c.file,
		     value) < 0) {
		joined = NULL;
		return fail(ps, -ENOMEM, 0, "out of memory");
	}
	r = path_normalize(value[0] == '/' ? value : joined, &path);
	if (r == 0 &&
	    (strlen(path) > CLUSTER_PATH_MAX || isblank((unsigned char)path[strlen(path) - 1]))) {
		free(path);
		r = -E2BIG;
	}
	if (r < 0)
		return bad(ps, k, value,
			   "a path of at most 180 bytes in all, which does not end in a blank");
	free(*at);
	*at = path;
	return 0;
}

/* A path within the boot directory, which a TFTP client will ask for and a script of iPXE name. */
static int set_inside(struct parse *ps, const struct cluster_key *k, char **at, const char *value)
{
	size_t n = strlen(value);

	if (n == 0 || n > 127 || strchr("/-", value[0]) || strstr(value, "..") ||
	    strspn(value, LETTERS_DIGITS "._+/-") != n)
		return bad(ps, k, value,
			   "a file within the boot directory: up to 127 letters, digits, '.', '_', "
			   "'+', '-', '/', not first a '-' or '/', no '..'");
	return set_text(ps, at, value);
}

/* One blank between words, none around them. */
static void squeeze(char *text)
{
	char *to = text;

	for (const char *p = text; *p; p++) {
		if (*p != ' ' && *p != '\t')
			*to++ = *p;
		else if (to > text && to[-1] != ' ')
			*to++ = ' ';
	}
	if (to > text && to[-1] == ' ')
		to--;
	*to = 0;
}

/* Whether iPXE's script language would take the word for something else than a word. */
static bool is_of_script(const char *word, size_t n)
{
	return n == 2 && (!memcmp(word, "||", 2) || !memcmp(word, "&&", 2));
}

/* Further lines of the same key are appended. */
static int set_words(struct parse *ps, const struct cluster_key *k, char **at, const char *value)
{
	char *joined;

	if (strstr(value, "${"))
		return bad(ps, k, value, "no '${': it would be replaced by iPXE");
	for (const char *p = value + strspn(value, " \t"); *p; p += strspn(p, " \t")) {
		size_t n = strcspn(p, " \t");

		if (*p == '#' || *p == ';')
			return bad(ps, k, value,
				   "no word that begins with '#' or ';': a comment has a line of "
				   "its own");
		if (is_of_script(p, n))
			return bad(ps, k, value,
				   "no word '||' or '&&': iPXE would end the command there");
		p += n;
	}
	if (asprintf(&joined, "%s %s", *at ? *at : "", value) < 0)
		return fail(ps, -ENOMEM, 0, "out of memory");
	squeeze(joined);
	free(*at);
	*at = joined;
	if (strlen(joined) >= CLUSTER_CMDLINE_MAX)
		return fail(ps, -EBADMSG, ps->line, "%s is longer than %d bytes in all", k->name,
			    CLUSTER_CMDLINE_MAX - 1);
	return 0;
}

static int set_loader(struct parse *ps, const struct cluster_key *k, const char *value)
{
	for (int i = 0; i < CLUSTER_LOADER_MAX_; i++) {
		if (!strcmp(value, cluster_loader_name((enum cluster_loader)i))) {
			ps->c.loader = (enum cluster_loader)i;
			return 0;
		}
	}
	return bad(ps, k, value, "ipxe, pxelinux, grub or uki");
}

/* Further lines of the same key are appended. */
static int set_servers(struct parse *ps, const struct cluster_key *k, struct cluster *c,
		       const char *value)
{
	char text[CLUSTER_LINE_MAX], *save = text, *word;

	if (strlen(value) >= sizeof(text))
		return bad(ps, k, value, "a shorter line");
	snprintf(text, sizeof(text), "%s", value);
	while ((word = strsep(&save, " \t,"))) {
		if (!*word)
			continue;
		if (c->n_servers == CLUSTER_SERVERS_MAX)
			return fail(ps, -EBADMSG, ps->line, "more than %d servers",
				    CLUSTER_SERVERS_MAX);
		if (cluster_server_parse(word, &c->servers[c->n_servers]) < 0)
			return bad(ps, k, word,
				   "servers of the boot directory, in the order in which they are "
				   "asked: 10.1.0.1, tftp://10.1.0.2, http://10.1.0.3:8080/boot");
		c->n_servers++;
	}
	return 0;
}

static int set_value(struct parse *ps, const struct cluster_key *k, const char *value)
{
	void *at = (char *)&ps->c + k->offset;

	for (const char *p = value; *p; p++) {
		if (iscntrl((unsigned char)*p) && *p != '\t')
			return bad(ps, k, value, "text without control characters");
	}
	switch (k->type) {
	case KEY_NAME:
		return set_name(ps, k, at, value);
	case KEY_INTERFACE:
		return set_interface(ps, k, at, value);
	case KEY_NETWORK:
		return set_network(ps, k, &ps->c, value);
	case KEY_ADDRESS:
		return ipv4_parse(value, at) < 0 ? bad(ps, k, value, "an IPv4 address: 10.1.0.1")
						 : 0;
	case KEY_PATH:
		return set_path(ps, k, at, value);
	case KEY_INSIDE:
		return set_inside(ps, k, at, value);
	case KEY_UNKNOWN:
		if (strcmp(value, "refuse") && strcmp(value, "accept"))
			return bad(ps, k, value, "refuse or accept");
		*(enum cluster_unknown *)at = value[0] == 'a' ? CLUSTER_ACCEPT : CLUSTER_REFUSE;
		return 0;
	case KEY_ENROL:
		*(enum cluster_enrol *)at = cluster_enrol_find(value);
		return *(enum cluster_enrol *)at == CLUSTER_ENROL_UNSAID
			       ? bad(ps, k, value, "known, first or accept")
			       : 0;
	case KEY_LOADER:
		return set_loader(ps, k, value);
	case KEY_SERVERS:
		return set_servers(ps, k, &ps->c, value);
	case KEY_WORDS:
		return set_words(ps, k, at, value);
	case KEY_RANGES:
		return set_ranges(ps, k, &ps->c, value);
	case KEY_LEASE:
		return set_lease(ps, k, at, value);
	case KEY_PORT:
		return parse_u32(value, 1, 65535, at) < 0 ? bad(ps, k, value, "a port, 1 to 65535")
							  : 0;
	}
	return -EINVAL;
}

/* A line of [groups]: further lines of the same group are appended. */
static int take_group(struct parse *ps, const char *name, const char *value)
{
	struct cluster *c = &ps->c;
	struct cluster_group *g = c->n_groups > 0 ? &c->groups[c->n_groups - 1] : NULL;
	char *joined;

	if (strspn(value, LETTERS_DIGITS "._-@[]!&, \t") != strlen(value))
		return fail(ps, -EBADMSG, ps->line, "group %.40s: '%.80s' is no set of nodes", name,
			    value);
	if (!g || strcmp(g->name, name)) {
		if (!cluster_is_group_name(name))
			return fail(ps, -EBADMSG, ps->line,
				    "group '%.80s': expected up to 63 letters, digits, '.', '_'",
				    name);
		for (size_t i = 0; i < c->n_groups; i++) {
			if (!strcmp(c->groups[i].name, name))
				return fail(ps, -EBADMSG, ps->line,
					    "group %s is given twice; first in line %u", name,
					    c->groups[i].line);
		}
		if (c->n_groups == CLUSTER_GROUPS_MAX)
			return fail(ps, -EBADMSG, ps->line, "more than %d groups",
				    CLUSTER_GROUPS_MAX);
		g = reallocarray(c->groups, c->n_groups + 1, sizeof(*g));
		if (!g)
			return fail(ps, -ENOMEM, 0, "out of memory");
		c->groups = g;
		g += c->n_groups++;
		*g = (struct cluster_group){ .name = strdup(name),
					     .text = strdup(""),
					     .line = ps->line };
	}
	if (!g->name || !g->text ||
	    asprintf(&joined, "%s%s%s", g->text, *g->text ? " " : "", value) < 0)
		return fail(ps, -ENOMEM, 0, "out of memory");
	squeeze(joined);
	free(g->text);
	g->text = joined;
	return 0;
}

/* libinih's handler: 1 to go on, 0 for an error. */
static int take_pair(void *user, const char *section, const char *name, const char *value)
{
	struct parse *ps = user;
	bool known_section = false;

	if (!strcmp(section, "groups"))
		return take_group(ps, name, value) == 0;
	for (size_t i = 0; i < KEYS_N; i++) {
		if (strcmp(cluster_keys[i].section, section))
			continue;
		known_section = true;
		if (strcmp(cluster_keys[i].name, name))
			continue;
		if (!ps->c.lines[i])
			ps->c.lines[i] = ps->line;
		else if (cluster_keys[i].type != KEY_WORDS && cluster_keys[i].type != KEY_SERVERS &&
			 cluster_keys[i].type != KEY_RANGES)
			return fail(ps, -EBADMSG, ps->line, "%s is given twice; first in line %u",
				    name, ps->c.lines[i]) == 0;
		return set_value(ps, &cluster_keys[i], value) == 0;
	}
	if (known_section)
		return fail(ps, -EBADMSG, ps->line,
			    "unknown key '%.80s' in [%.40s]; see bpboot-cluster.conf(5)", name,
			    section) == 0;
	return fail(ps, -EBADMSG, ps->line,
		    "unknown section [%.40s]; expected [cluster], [dhcp], [master] or [groups]",
		    section) == 0;
}

/* libinih's fgets(): hands out one whole line at a time, so that lines can be counted. */
static char *take_line(char *to, int size, void *user)
{
	struct parse *ps = user;
	const char *nl;
	size_t n;

	if (ps->left == 0 || ps->err < 0)
		return NULL;
	nl = memchr(ps->p, '\n', ps->left);
	n = nl ? (size_t)(nl - ps->p) + 1 : ps->left;
	ps->line++;
	if (n + (nl ? 0 : 1) > (size_t)size - 2) {
		(void)fail(ps, -EBADMSG, ps->line,
			   "line is longer than %d bytes; go on in a next line that begins with a "
			   "blank",
			   size - 3);
		return NULL;
	}
	if (memchr(ps->p, 0, n)) {
		(void)fail(ps, -EBADMSG, ps->line, "line holds a NUL byte");
		return NULL;
	}
	memcpy(to, ps->p, n);
	to[n] = 0;
	ps->p += n;
	ps->left -= n;
	return to;
}

static int take_defaults(struct parse *ps)
{
	for (size_t i = 0; i < KEYS_N; i++) {
		if (ps->c.lines[i])
			continue;
		if (cluster_keys[i].required)
			return fail(ps, -EBADMSG, 0, "[%s] %s= is missing", cluster_keys[i].section,
				    cluster_keys[i].name);
		if (cluster_keys[i].otherwise &&
		    set_value(ps, &cluster_keys[i], cluster_keys[i].otherwise) < 0)
			return ps->err;
	}
	return 0;
}

/* What no key alone can say. */
static int check_ranges(struct parse *ps)
{
	const struct cluster *c = &ps->c;
	unsigned line = cluster_line(c, "dhcp", "range");

	for (size_t i = 0; i < c->n_ranges; i++) {
		const struct cluster_range *x = &c->ranges[i];

		if (!cluster_holds(c, x->first) || !cluster_holds(c, x->last))
			return fail(ps, -EBADMSG, line,
				    "[dhcp] range= is not within [cluster] network=");
		for (size_t k = 0; k < i; k++) {
			if (ntohl(c->ranges[k].first.s_addr) <= ntohl(x->last.s_addr) &&
			    ntohl(x->first.s_addr) <= ntohl(c->ranges[k].last.s_addr))
				return fail(ps, -EBADMSG, line,
					    "[dhcp] range= has addresses twice");
		}
	}
	if (cluster_range_of(c, c->address))
		return fail(ps, -EBADMSG, line, "[dhcp] range= holds the front end's own address=");
	return 0;
}

static int check_whole(struct parse *ps)
{
	struct cluster *c = &ps->c;

	if (!cluster_holds(c, c->address))
		return fail(ps, -EBADMSG, cluster_line(c, "cluster", "address"),
			    "[cluster] address= is not a host address within network=");
	if (!c->master_address.s_addr)
		c->master_address = c->address;
	return check_ranges(ps);
}

int cluster_parse(const char *file, const void *text, size_t n, struct cluster *ret,
		  unsigned *ret_line, char ret_why[static 256])
{
	struct parse ps = { .p = text, .left = n };
	int r;

	assert(file[0] == '/');
	ps.c.file = strdup(file);
	if (!ps.c.file)
		return -ENOMEM;
	r = n > CLUSTER_BYTES_MAX
		    ? fail(&ps, -EBADMSG, 0, "file is larger than %u bytes", CLUSTER_BYTES_MAX)
		    : ini_parse_stream(take_line, &ps, take_pair, &ps);
	if (r > 0 && ps.err == -EBADMSG && (unsigned)r < ps.err_line)
		ps.err = 0; /* a line that is nothing came first */
	if (r != 0 && ps.err == 0)
		(void)fail(&ps, r == -2 ? -ENOMEM : -EBADMSG, r > 0 ? (unsigned)r : 0,
			   "expected KEY=VALUE, [SECTION], or a comment after '#' or ';'");
	if (ps.err == 0 && take_defaults(&ps) == 0)
		(void)check_whole(&ps);
	if (ps.err < 0) {
		*ret_line = ps.err_line;
		snprintf(ret_why, 256, "%s", ps.why);
		cluster_clear(&ps.c);
		return ps.err;
	}
	*ret = ps.c;
	return 0;
}
