/*
 * cluster_ask.c - what is asked of a cluster file that has been read
 */
#include <string.h>

#include "base/addr.h"
#include "serve/cluster_internal.h"

#define LETTERS_DIGITS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

bool cluster_is_group_name(const char *name)
{
	size_t n = strlen(name);

	return n > 0 && n < CLUSTER_NAME_MAX && strspn(name, LETTERS_DIGITS "._") == n;
}

bool cluster_holds(const struct cluster *c, struct in_addr a)
{
	in_addr_t host = ~ipv4_mask(c->prefix).s_addr;

	return (a.s_addr & ~host) == c->network.s_addr && (a.s_addr & host) != 0 &&
	       (a.s_addr & host) != host;
}

const struct cluster_range *cluster_range_of(const struct cluster *c, struct in_addr a)
{
	for (size_t i = 0; i < c->n_ranges; i++) {
		if (ntohl(a.s_addr) >= ntohl(c->ranges[i].first.s_addr) &&
		    ntohl(a.s_addr) <= ntohl(c->ranges[i].last.s_addr))
			return &c->ranges[i];
	}
	return NULL;
}

unsigned cluster_line(const struct cluster *c, const char *section, const char *name)
{
	for (size_t i = 0; i < cluster_n_keys; i++) {
		if (!strcmp(cluster_keys[i].section, section) &&
		    !strcmp(cluster_keys[i].name, name))
			return c->lines[i];
	}
	return 0;
}
