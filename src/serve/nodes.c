/*
 * nodes.c - the node table: which machine is which node (docs/cluster.md)
 *
 * The list is kept sorted by number; a search by MAC walks it, which for the largest table is a few
 * microseconds and happens once a boot. Duplicates are found by sorting an array of pointers by
 * each property in turn, so that a table of 16,384 nodes is checked as fast as it is read.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/lines.h"
#include "base/log.h"
#include "base/parse.h"
#include "serve/nodes.h"

void nodes_clear(struct nodes *t)
{
	free(t->list);
	*t = (struct nodes){ 0 };
}

static int fail(char why[static 256], const char *what, const char *word, const char *expected)
{
	snprintf(why, 256, "%s '%.60s': expected %s", what, word, expected);
	return -EBADMSG;
}

static bool is_given(const char *word)
{
	return strcmp(word, "-") != 0;
}

static const char alnum[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

int node_set_mac(struct node *n, const char *word, char why[static 256])
{
	struct mac mac;

	if (mac_parse(word, &mac) < 0 || mac.b[0] & 1)
		return fail(why, "MAC", word, "a station's address: 52:54:00:12:34:56");
	n->mac = mac;
	return 0;
}

int node_set_address(struct node *n, const char *word, char why[static 256])
{
	struct in_addr a = { 0 };

	if (is_given(word) && (ipv4_parse(word, &a) < 0 || !a.s_addr))
		return fail(why, "address", word, "an IPv4 address or -");
	n->address = a;
	return 0;
}

int node_set_image(struct node *n, const char *word, char why[static 256])
{
	size_t len = strlen(word);

	if (!is_given(word))
		return n->image[0] = 0;
	if (len == 0 || len >= NODES_NAME_MAX || word[0] == '.' || strspn(word, alnum) != len)
		return fail(why, "image", word,
			    "up to 63 letters, digits, '.', '_', '-', not first a '.'");
	snprintf(n->image, sizeof(n->image), "%s", word);
	return 0;
}

/* A host name as DNS has it, which dnsmasq and every tool takes; not one that reads as a number or
 * MAC. */
int node_set_name(struct node *n, const char *word, char why[static 256])
{
	size_t len = strlen(word);
	struct mac mac;

	if (!is_given(word))
		return n->name[0] = 0;
	if (len == 0 || len >= NODES_NAME_MAX || strspn(word, alnum) != len ||
	    strpbrk(word, "._") || word[0] == '-' || word[len - 1] == '-' ||
	    strspn(word, "0123456789") == len || mac_parse(word, &mac) == 0 ||
	    !strcmp(word, "all") || !strcmp(word, "allup"))
		return fail(
			why, "name", word,
			"a host name: letters, digits, '-' inside, not digits alone, nor 'all'");
	snprintf(n->name, sizeof(n->name), "%s", word);
	return 0;
}

static int take_line(struct lines *l, struct node *ret, char why[static 256])
{
	struct node n = { .line = l->line };
	char *const *w = l->words;

	if (l->n_words < 2 || l->n_words > 5)
		return fail(why, "line of", l->n_words < 2 ? "one word" : "more than five words",
			    "NUMBER MAC [ADDRESS|-] [IMAGE|-] [NAME|-]");
	if (parse_u32(w[0], 0, NODES_NUMBER_MAX, &n.number) < 0)
		return fail(why, "node number", w[0], "0 to 99999");
	if (node_set_mac(&n, w[1], why) < 0 ||
	    (l->n_words > 2 && node_set_address(&n, w[2], why) < 0) ||
	    (l->n_words > 3 && node_set_image(&n, w[3], why) < 0) ||
	    (l->n_words > 4 && node_set_name(&n, w[4], why) < 0))
		return -EBADMSG;
	*ret = n;
	return 0;
}

const char *node_name(const struct node *n, char ret[static NODES_NAME_MAX])
{
	if (n->name[0])
		snprintf(ret, NODES_NAME_MAX, "%s", n->name);
	else
		snprintf(ret, NODES_NAME_MAX, "n%u", n->number);
	return ret;
}

static int by_number(const void *a, const void *b)
{
	const struct node *x = *(const struct node *const *)a, *y = *(const struct node *const *)b;

	return x->number < y->number ? -1 : x->number > y->number;
}

static int by_mac(const void *a, const void *b)
{
	const struct node *x = *(const struct node *const *)a, *y = *(const struct node *const *)b;

	return memcmp(x->mac.b, y->mac.b, MAC_BYTES);
}

/* Nodes without an address differ from each other. */
static int by_address(const void *a, const void *b)
{
	const struct node *x = *(const struct node *const *)a, *y = *(const struct node *const *)b;
	uint32_t p = ntohl(x->address.s_addr), q = ntohl(y->address.s_addr);

	return p < q ? -1 : p > q ? 1 : p == 0 ? by_number(a, b) : 0;
}

static int by_name(const void *a, const void *b)
{
	char x[NODES_NAME_MAX], y[NODES_NAME_MAX];

	return strcasecmp(node_name(*(const struct node *const *)a, x),
			  node_name(*(const struct node *const *)b, y));
}

/* Where faults go: the first one is kept, and whoever wants them all is told of each. */
struct faults {
	unsigned line;
	char *why;
	nodes_fault_fn *each; /* or NULL */
	void *ctx;
	size_t n;
};

static void found(struct faults *f, unsigned line, const char *why)
{
	if (f->n++ == 0) {
		f->line = line;
		snprintf(f->why, 256, "%s", why);
	}
	if (f->each)
		f->each(f->ctx, line, why);
}

/* No two nodes share a number, MAC, address or name. */
static int check_unique(const struct nodes *t, struct faults *f)
{
	static const struct {
		const char *what;
		int (*compare)(const void *a, const void *b);
	} rules[] = { { "number", by_number },
		      { "MAC", by_mac },
		      { "address", by_address },
		      { "name", by_name } };
	_cleanup_free_ const struct node **p = calloc(t->n + 1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	for (size_t k = 0; k < ARRAY_SIZE(rules); k++) {
		for (size_t i = 0; i < t->n; i++)
			p[i] = &t->list[i];
		qsort(p, t->n, sizeof(*p), rules[k].compare);
		for (size_t i = 1; i < t->n; i++) {
			char why[256];

			if (rules[k].compare(&p[i - 1], &p[i]))
				continue;
			snprintf(why, sizeof(why), "%s is the same as in line %u", rules[k].what,
				 MIN(p[i - 1]->line, p[i]->line));
			found(f, MAX(p[i - 1]->line, p[i]->line), why);
			if (!f->each)
				return 0;
		}
	}
	return 0;
}

static int sort_by_number(const void *a, const void *b)
{
	const struct node *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

static int append(struct nodes *t, size_t *cap, const struct node *n)
{
	if (t->n == *cap) {
		size_t want = *cap ? *cap * 2 : 64;
		struct node *more = reallocarray(t->list, want, sizeof(*more));

		if (!more)
			return -ENOMEM;
		t->list = more;
		*cap = want;
	}
	t->list[t->n++] = *n;
	return 0;
}

static int scan(const void *text, size_t n, struct nodes *t, struct faults *f)
{
	_cleanup_free_ struct lines *l = calloc(1, sizeof(*l));
	size_t cap = 0;
	int r;

	if (!l)
		return -ENOMEM;
	lines_init(l, "", text, n);
	while ((r = lines_next(l)) > 0) {
		struct node node;
		char why[256];

		if (take_line(l, &node, why) < 0) {
			found(f, l->line, why);
			if (!f->each)
				return 0;
			continue;
		}
		if (t->n == NODES_MAX) {
			snprintf(why, sizeof(why), "more than %d nodes", NODES_MAX);
			found(f, l->line, why);
			return 0;
		}
		r = append(t, &cap, &node);
		if (r < 0)
			return r;
	}
	if (r == -EBADMSG) {
		found(f, l->line, l->error);
		return 0;
	}
	return r < 0 ? r : check_unique(t, f);
}

int nodes_scan(const void *text, size_t n, nodes_fault_fn *each, void *ctx, struct nodes *ret)
{
	_cleanup_nodes_ struct nodes t = { 0 };
	char why[256];
	struct faults f = { .why = why, .each = each, .ctx = ctx };
	int r = scan(text, n, &t, &f);

	if (r < 0)
		return r;
	if (t.n > 0)
		qsort(t.list, t.n, sizeof(*t.list), sort_by_number);
	*ret = t;
	t = (struct nodes){ 0 };
	return 0;
}

int nodes_parse(const void *text, size_t n, struct nodes *ret, unsigned *ret_line,
		char ret_why[static 256])
{
	_cleanup_nodes_ struct nodes t = { 0 };
	struct faults f = { .why = ret_why };
	int r = scan(text, n, &t, &f);

	if (r == 0 && f.n > 0) {
		*ret_line = f.line;
		r = -EBADMSG;
	}
	if (r < 0)
		return r;
	if (t.n > 0)
		qsort(t.list, t.n, sizeof(*t.list), sort_by_number);
	*ret = t;
	t = (struct nodes){ 0 };
	return 0;
}

int nodes_load(const char *file, struct nodes *ret)
{
	_cleanup_buffer_ struct buffer text = BUFFER(NODES_BYTES_MAX);
	unsigned line = 0;
	char why[256];
	int r;

	if (!file) {
		*ret = (struct nodes){ 0 };
		return 0;
	}
	r = file_read(AT_FDCWD, file, &text);
	if (r < 0)
		return log_err(r, "cannot read node table '%s'", file);
	r = nodes_parse(text.data, text.len, ret, &line, why);
	if (r == -EBADMSG)
		return log_err(0, "%s:%u: %s", file, line, why), r;
	return r < 0 ? log_err(r, "cannot read node table '%s'", file) : 0;
}

int nodes_format(const struct nodes *t, struct buffer *to)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < t->n; i++) {
		const struct node *n = &t->list[i];
		char mac[MAC_STR_MAX], address[INET_ADDRSTRLEN];

		r = buffer_printf(to, "%u %s %s %s %s\n", n->number, mac_format(&n->mac, mac),
				  n->address.s_addr ? ipv4_format(n->address, address) : "-",
				  n->image[0] ? n->image : "-", n->name[0] ? n->name : "-");
	}
	return r;
}

const struct node *nodes_by_number(const struct nodes *t, uint32_t number)
{
	size_t low = 0, high = t->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (t->list[mid].number == number)
			return &t->list[mid];
		if (t->list[mid].number < number)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

const struct node *nodes_by_mac(const struct nodes *t, const struct mac *mac)
{
	for (size_t i = 0; i < t->n; i++) {
		if (mac_equal(&t->list[i].mac, mac))
			return &t->list[i];
	}
	return NULL;
}

const struct node *nodes_find(const struct nodes *t, const char *which)
{
	struct mac mac;
	uint32_t number;

	if (parse_u32(which, 0, NODES_NUMBER_MAX, &number) == 0)
		return nodes_by_number(t, number);
	if (mac_parse(which, &mac) == 0)
		return nodes_by_mac(t, &mac);
	for (size_t i = 0; i < t->n; i++) {
		char name[NODES_NAME_MAX];

		if (!strcasecmp(node_name(&t->list[i], name), which))
			return &t->list[i];
	}
	return NULL;
}
