/*
 * network.c - a link and an address
 *
 * Begins while modules are still being loaded: every NIC is set up and asked by DHCP the moment it
 * appears. With a static ip= the first link with carrier gets the address (the one named, or that
 * of BOOTIF). Whatever ends the wait says why.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "init/boot.h"
#include "net/dhcp_client.h"
#include "net/lease.h"

#define NO_CARD_S 10 /* how long a network card may take to appear */

struct wait {
	struct boot *b;
	struct dhcp_client *client;
	struct ev_timer no_card, patience;
	int err; /* how it ended */
	bool done;
	char why[DHCP_CLIENT_WHY_MAX];
};

static void finish(struct wait *w, int err, const char *why)
{
	if (w->done)
		return;
	w->done = true;
	w->err = err;
	snprintf(w->why, sizeof(w->why), "%s", why);
	ev_break(w->b->loop, EVBREAK_ONE);
}

static void link_up(struct boot *b, const struct link *l)
{
	char mac[MAC_STR_MAX];

	stage_ok(b, REPORT_LINK, "%s: link up (%s)", l->name, mac_format(&l->mac, mac));
}

static void on_bound(void *ctx, const struct link *l, const struct dhcp_lease *lease)
{
	struct wait *w = ctx;

	w->b->link = *l;
	w->b->lease = *lease;
	w->b->have_lease = true;
	w->b->obtained_ms = clock_boot_ms();
	finish(w, 0, "");
}

static void on_failed(void *ctx, int err, const char *why)
{
	finish(ctx, err, why);
}

static void on_link(void *ctx, const struct link *l)
{
	struct wait *w = ctx;

	link_up(w->b, l);
}

static bool any_card(const struct boot *b)
{
	size_t n;
	const struct link *l = links_table(b->links, &n);

	for (size_t i = 0; i < n; i++) {
		if (l[i].wired)
			return true;
	}
	return false;
}

static void on_no_card(struct ev_loop *loop, struct ev_timer *t, int events)
{
	struct wait *w = t->data;

	if (!any_card(w->b))
		finish(w, -ENODEV, "");
}

/* --- a static address --- */

static void static_lease(const struct cmdline_static *s, struct dhcp_lease *ret)
{
	*ret = (struct dhcp_lease){ .address = s->address,
				    .prefix = s->prefix,
				    .next_server = s->server,
				    .lease_s = UINT32_MAX };
	if (s->gateway.s_addr)
		ret->routers[ret->n_routers++] = s->gateway;
	for (size_t i = 0; i < ARRAY_SIZE(s->dns); i++) {
		if (s->dns[i].s_addr)
			ret->dns[ret->n_dns++] = s->dns[i];
	}
	if (s->ntp.s_addr)
		ret->ntp[ret->n_ntp++] = s->ntp;
	if (s->hostname)
		snprintf(ret->hostname, sizeof(ret->hostname), "%s", s->hostname);
}

static bool wanted(const struct boot *b, const struct link *l)
{
	if (!l->wired)
		return false;
	if (b->cmdline.device)
		return !strcmp(b->cmdline.device, l->name);
	return !b->cmdline.have_bootif || mac_equal(&b->cmdline.bootif, &l->mac);
}

static void static_link(void *ctx, enum link_event event, const struct link *l)
{
	struct wait *w = ctx;

	if (w->done || event == LINK_REMOVED || !wanted(w->b, l))
		return;
	if (!l->up)
		(void)!link_set_up(l->ifindex, true); /* no carrier then, which is told */
	if (!l->carrier)
		return;
	w->b->link = *l;
	link_up(w->b, l);
	static_lease(&w->b->cmdline.addr, &w->b->lease);
	finish(w, 0, "");
}

static void on_patience(struct ev_loop *loop, struct ev_timer *t, int events)
{
	struct wait *w = t->data;
	char why[DHCP_CLIENT_WHY_MAX] = "no link on";
	size_t n, len = strlen(why), count = 0;
	const struct link *l = links_table(w->b->links, &n);

	for (size_t i = 0; i < n; i++) {
		if (wanted(w->b, &l[i]) && len + IFNAMSIZ + 2 < sizeof(why)) {
			len += (size_t)snprintf(why + len, sizeof(why) - len, " %s", l[i].name);
			count++;
		}
	}
	if (count == 0)
		snprintf(why, sizeof(why), "there is no interface %s",
			 w->b->cmdline.device ? w->b->cmdline.device : "with the MAC of BOOTIF");
	else
		snprintf(why + len, sizeof(why) - len, " in %u s", w->b->cmdline.link_s);
	finish(w, -ENOLINK, why);
}

static int begin_static(struct wait *w)
{
	int r = links_watch(w->b->links, static_link, w);
	size_t n;
	const struct link *l;

	if (r < 0)
		return r;
	l = links_table(w->b->links, &n);
	for (size_t i = 0; i < n; i++)
		static_link(w, LINK_ADDED, &l[i]);
	ev_timer_set(&w->patience, w->b->cmdline.link_s, 0);
	ev_timer_start(w->b->loop, &w->patience);
	return 0;
}

static int begin_dhcp(struct wait *w)
{
	static const struct dhcp_client_ops ops = { .bound = on_bound,
						    .failed = on_failed,
						    .link = on_link };
	const struct cmdline *c = &w->b->cmdline;
	struct dhcp_client_config config = {
		.timeout_ms = (c->link_s + c->dhcp_s) * 1000,
		.carrier_ms = c->link_s * 1000,
		.interface = c->device,
		.want_server = !c->root || !strncmp(c->root, "tftp:///", 8),
	};

	if (c->have_bootif)
		config.prefer = c->bootif;
	return dhcp_client_new(w->b->loop, w->b->links, &config, &ops, w, &w->client);
}

/* Wait for the end. Return: 0 with link and lease set, or negative errno, said. */
static int run(struct wait *w)
{
	struct boot *b = w->b;
	char words[REPORT_WORDS_MAX];

	ev_timer_init(&w->no_card, on_no_card, MIN(NO_CARD_S, (int)b->cmdline.link_s), 0);
	w->no_card.data = w;
	ev_timer_start(b->loop, &w->no_card);
	while (!w->done)
		ev_run(b->loop, 0);
	if (w->err == -ENODEV || (w->err == -ENOLINK && !any_card(b))) {
		drivers_explain(b->drivers, words, sizeof(words));
		return stage_fail(b, REPORT_DRIVERS, w->err, "no network interface: %s", words);
	}
	if (w->err == -ENOLINK)
		return stage_fail(b, REPORT_LINK, w->err, "%s; look at cable and switch port",
				  w->why);
	if (w->err < 0)
		return stage_fail(b, REPORT_DHCP, w->err, "%s", w->why);
	return 0;
}

/* Put the lease into force and tell it. */
static int apply(struct boot *b)
{
	char address[INET_ADDRSTRLEN], server[INET_ADDRSTRLEN], next[INET_ADDRSTRLEN];
	const struct dhcp_lease *l = &b->lease;
	int r = lease_apply(b->link.ifindex, l);

	if (r < 0)
		return stage_fail(b, REPORT_DHCP, r, "%s: cannot set address %s/%u: %s",
				  b->link.name, ipv4_format(l->address, address), l->prefix,
				  strerror(-r));
	if (l->hostname[0])
		(void)!sethostname(l->hostname,
				   strlen(l->hostname)); /* the root may still set it */
	reporter_set_mac(&b->reporter, &b->link.mac);
	if (!b->have_lease) {
		stage_ok(b, REPORT_DHCP, "%s: static address %s/%u", b->link.name,
			 ipv4_format(l->address, address), l->prefix);
		return 0;
	}
	stage_ok(b, REPORT_DHCP, "%s: %s/%u from %s, boot server %s", b->link.name,
		 ipv4_format(l->address, address), l->prefix, ipv4_format(l->server_id, server),
		 l->next_server.s_addr ? ipv4_format(l->next_server, next) : "none");
	return 0;
}

int network_stage(struct boot *b)
{
	struct wait w = { .b = b };
	int r;

	if (b->cmdline.ip == CMDLINE_IP_OFF)
		return stage_fail(
			b, REPORT_LINK, -ENETDOWN,
			"ip=off on the kernel command line, and the image comes over the network");
	if (b->cmdline.have_bootif)
		reporter_set_mac(&b->reporter, &b->cmdline.bootif);
	r = links_new(b->loop, &b->links);
	if (r < 0)
		return stage_fail(b, REPORT_LINK, r, "cannot ask the kernel for its links: %s",
				  strerror(-r));
	ev_timer_init(&w.patience, on_patience, 0, 0);
	w.patience.data = &w;
	r = b->cmdline.ip == CMDLINE_IP_STATIC ? begin_static(&w) : begin_dhcp(&w);
	if (r < 0)
		r = stage_fail(b, REPORT_DHCP, r, "cannot ask for an address: %s", strerror(-r));
	else
		r = run(&w);
	dhcp_client_free(w.client);
	links_unwatch(b->links, static_link, &w);
	ev_timer_stop(b->loop, &w.no_card);
	ev_timer_stop(b->loop, &w.patience);
	return r < 0 ? r : apply(b);
}

void network_undo(struct boot *b)
{
	reporter_disconnect(&b->reporter);
	if (b->link.ifindex > 0 && !b->adopted)
		(void)!link_flush(b->link.ifindex); /* the next attempt sets it anew */
	links_free(b->links);
	b->links = NULL;
	b->link = (struct link){ 0 };
	b->lease = (struct dhcp_lease){ 0 };
	b->have_lease = false;
}
