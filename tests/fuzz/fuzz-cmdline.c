/*
 * fuzz-cmdline.c - a kernel command line of any bytes leaves settings that are within their limits
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "init/cmdline.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_name(const char *s)
{
	if (s && (!*s || strlen(s) >= IFNAMSIZ || strchr(s, '/')))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cmdline *c = malloc(sizeof(*c));
	char *text = malloc(size + 1);

	if (!c || !text)
		abort();
	memcpy(text, data, size);
	text[size] = 0;
	cmdline_parse(text, c);
	if (c->n_warnings > CMDLINE_WARNINGS_MAX || c->n_blacklist > CMDLINE_BLACKLIST_MAX ||
	    c->n_nameservers > CMDLINE_NAMESERVERS_MAX ||
	    c->bond.n_slaves > CMDLINE_SLAVES_MAX || c->retry_min_s > c->retry_max_s ||
	    c->addr.prefix > 128 || (c->vlan.name && (c->vlan.id < 1 || c->vlan.id > 4094)) ||
	    (c->ip == CMDLINE_IP_STATIC && !ip_is_set(&c->addr.address)))
		abort();
	check_name(c->vlan.name);
	check_name(c->vlan.under);
	check_name(c->bond.name);
	check_name(c->device);
	for (size_t i = 0; i < c->bond.n_slaves; i++)
		check_name(c->bond.slaves[i]);
	for (size_t i = 0; i < c->n_warnings; i++) {
		if (!memchr(c->warnings[i], 0, sizeof(c->warnings[i])))
			abort();
	}
	free(text);
	free(c);
	return 0;
}
