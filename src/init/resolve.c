/*
 * resolve.c - the address of the boot server, when root= names it
 *
 * The name servers are those of nameserver=, of ip=, or of DHCP or the router. Of a
 * name's addresses the first one of a family that this node has an address of is taken.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "init/boot.h"
#include "net/resolve.h"

struct wait {
	struct boot *b;
	struct resolve *resolve;
	struct ipaddr found;
	bool done;
	int err;
	char why[RESOLVE_WHY_MAX];
};

static void on_done(void *ctx, int err, const char *why, const struct dns_answer *a)
{
	struct wait *w = ctx;

	w->done = true;
	w->err = err;
	snprintf(w->why, sizeof(w->why), "%s", why);
	if (err == 0)
		w->found = a->addresses[0];
	ev_break(w->b->loop, EVBREAK_ONE);
}

static void add_dns(struct boot *b, const struct ipaddr *a)
{
	if (ip_is_set(a) && b->n_dns < BOOT_DNS_MAX)
		b->dns[b->n_dns++] = *a;
}

/* nameserver=, else those of ip=, else those that we were told. */
void resolve_servers(struct boot *b)
{
	const struct cmdline *c = &b->cmdline;

	b->n_dns = 0;
	for (size_t i = 0; i < c->n_nameservers; i++)
		add_dns(b, &c->nameservers[i]);
	for (size_t i = 0; i < ARRAY_SIZE(c->addr.dns) && c->n_nameservers == 0; i++)
		add_dns(b, &c->addr.dns[i]);
	if (b->n_dns > 0)
		return;
	for (size_t i = 0; i < b->lease.n_dns; i++)
		add_dns(b, &(struct ipaddr){ .family = AF_INET, .v4 = b->lease.dns[i] });
	for (size_t i = 0; i < b->lease6.n_dns; i++)
		add_dns(b, &(struct ipaddr){ .family = AF_INET6,
					     .scope = (uint32_t)b->link.ifindex,
					     .v6 = b->lease6.dns[i] });
}

int resolve_url(struct boot *b, struct fetch_url *u)
{
	static const struct resolve_ops ops = { .done = on_done };
	struct resolve_config config = {
		.servers = b->dns,
		.search = b->lease.search[0]	? b->lease.search
			  : b->lease.domain[0]	? b->lease.domain
			  : b->lease6.search[0] ? b->lease6.search
						: NULL,
		.v4 = !b->have_lease6,
		.v6 = b->have_lease6,
		.timeout_ms = b->cmdline.dns_s * 1000,
	};
	struct wait w = { .b = b };
	char text[IP_STR_MAX];
	int r;

	if (ip_is_set(&u->host))
		return 0;
	resolve_servers(b);
	config.n_servers = b->n_dns;
	if (b->n_dns == 0)
		return stage_fail(b, REPORT_DHCP, -EDESTADDRREQ,
				  "root= names the host %s, and nobody says which name server to "
				  "ask: set nameserver=ADDRESS, or give its address in root=",
				  u->name);
	r = resolve_new(b->loop, u->name, &config, &ops, &w, &w.resolve);
	while (r == 0 && !w.done)
		ev_run(b->loop, 0);
	resolve_free(w.resolve);
	r = r ? r : w.err;
	if (r < 0)
		return stage_fail(b, REPORT_DHCP, r, "cannot find the host of root=: %s",
				  w.why[0] ? w.why : strerror(-r));
	u->host = w.found;
	stage_ok(b, REPORT_DHCP, "%s is %s", u->name, ip_format(&u->host, text));
	return 0;
}
