/*
 * cluster_format.c - a cluster as the text of a cluster file
 *
 * libinih takes lines of up to 197 bytes, so long text goes on in further lines, which begin with a
 * blank.
 */
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "serve/cluster_internal.h"

/* libinih takes short lines only: break long text at blanks. */
static int format_words(struct buffer *to, const char *name, const char *text)
{
	int r = buffer_printf(to, "%s=", name);
	size_t column = strlen(name) + 1;
	bool first = true;

	while (r == 0 && *text) {
		size_t n;

		text += strspn(text, " \t");
		n = strcspn(text, " \t");
		if (n == 0)
			break;
		if (column + n > 90) {
			r = buffer_append(to, "\n\t", 2);
			column = 8;
		} else if (!first) {
			r = buffer_append(to, " ", 1);
		}
		first = false;
		if (r == 0)
			r = buffer_append(to, text, n);
		column += n + 1;
		text += n;
	}
	return r < 0 ? r : buffer_append(to, "\n", 1);
}

static int format_servers(struct buffer *to, const char *name, const struct cluster *c)
{
	char text[CLUSTER_SERVERS_MAX * CLUSTER_SERVER_MAX] = "";
	size_t n = 0;

	if (c->n_servers == 0)
		return 0;
	for (size_t i = 0; i < c->n_servers; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", i ? " " : "",
				      c->servers[i].url);
	return format_words(to, name, text);
}

static int format_ranges(struct buffer *to, const char *name, const struct cluster *c)
{
	char text[CLUSTER_RANGES_MAX * 2 * INET_ADDRSTRLEN] = "", a[INET_ADDRSTRLEN],
					   b[INET_ADDRSTRLEN];
	size_t n = 0;

	for (size_t i = 0; i < c->n_ranges; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s-%s", i ? " " : "",
				      ipv4_format(c->ranges[i].first, a),
				      ipv4_format(c->ranges[i].last, b));
	return n > 0 ? format_words(to, name, text) : 0;
}

static int format_key(const struct cluster *c, struct buffer *to, const struct cluster_key *k)
{
	const void *at = (const char *)c + k->offset;
	const char *text;
	char a[INET_ADDRSTRLEN];
	const struct in_addr *addr = at;

	switch (k->type) {
	case KEY_NETWORK:
		return buffer_printf(to, "%s=%s/%u\n", k->name, ipv4_format(c->network, a),
				     c->prefix);
	case KEY_ADDRESS:
		return buffer_printf(to, "%s=%s\n", k->name, ipv4_format(*addr, a));
	case KEY_RANGES:
		return format_ranges(to, k->name, c);
	case KEY_UNKNOWN:
		return buffer_printf(to, "%s=%s\n", k->name,
				     c->unknown == CLUSTER_ACCEPT ? "accept" : "refuse");
	case KEY_ENROL:
		return c->enrol == CLUSTER_ENROL_UNSAID
			       ? 0
			       : buffer_printf(to, "%s=%s\n", k->name,
					       cluster_enrol_name(c->enrol));
	case KEY_LOADER:
		return buffer_printf(to, "%s=%s\n", k->name, cluster_loader_name(c->loader));
	case KEY_SERVERS:
		return format_servers(to, k->name, c);
	case KEY_LEASE:
	case KEY_PORT:
		return buffer_printf(to, "%s=%u\n", k->name, *(const uint32_t *)at);
	case KEY_WORDS:
		return format_words(to, k->name, *(const char *const *)at);
	default:
		text = *(const char *const *)at;
		return text ? buffer_printf(to, "%s=%s\n", k->name, text) : 0;
	}
}

int cluster_format(const struct cluster *c, struct buffer *to)
{
	const char *section = "";
	int r = 0;

	for (size_t i = 0; r == 0 && i < cluster_n_keys; i++) {
		if (strcmp(section, cluster_keys[i].section)) {
			r = buffer_printf(to, "%s[%s]\n", *section ? "\n" : "",
					  cluster_keys[i].section);
			section = cluster_keys[i].section;
		}
		if (r == 0)
			r = format_key(c, to, &cluster_keys[i]);
	}
	if (r == 0 && c->n_groups > 0)
		r = buffer_printf(to, "\n[groups]\n");
	for (size_t i = 0; r == 0 && i < c->n_groups; i++)
		r = format_words(to, c->groups[i].name, c->groups[i].text);
	return r;
}
