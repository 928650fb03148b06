/*
 * network_wait.c - wait for an address
 *
 * Begins while modules are still being loaded: every NIC is set up and asked the moment it appears.
 * With a static ip= the first link with carrier gets the address (the one named, or that of
 * BOOTIF). Whatever ends the wait says why.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "init/network_internal.h"
#include "net/dhcp_client.h"

#define NO_CARD_S 10 /* how long a network card may take to appear */

_Static_assert(DHCP_CLIENT_WHY_MAX >= IP6_CLIENT_WHY_MAX, "one buffer serves both");

struct wait {
	struct boot *b;
	struct dhcp_client *client;
	struct ip6_client *client6;
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

static void on_bound6(void *ctx, const struct link *l, const struct ip6_lease *lease)
{
	struct wait *w = ctx;

	w->b->link = *l;
	w->b->lease6 = *lease;
	w->b->have_lease6 = true;
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

static void static_lease(const struct cmdline_static *s, struct boot *b)
{
	struct dhcp_lease *l = &b->lease;

	*l = (struct dhcp_lease){ .next_server = s->server, .lease_s = UINT32_MAX };
	if (s->address.family == AF_INET6) {
		b->have_lease6 = true;
		b->lease6 = (struct ip6_lease){ .address = s->address.v6,
						.prefix = s->prefix,
						.have_gateway = ip_is_set(&s->gateway),
						.gateway = s->gateway.v6 };
	} else {
		l->address = s->address.v4;
		l->prefix = s->prefix;
	}
}

static bool wanted(const struct boot *b, const struct link *l)
{
	const char *device = compose_device(&b->cmdline);

	if (device)
		return !strcmp(device, l->name);
	return l->wired && (!b->cmdline.have_bootif || mac_equal(&b->cmdline.bootif, &l->mac));
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
	static_lease(&w->b->cmdline.addr, w->b);
	finish(w, 0, "");
}

static void on_patience(struct ev_loop *loop, struct ev_timer *t, int events)
{
	struct wait *w = t->data;
	char why[DHCP_CLIENT_WHY_MAX] = "no link on";
	const char *device = compose_device(&w->b->cmdline);
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
			 device ? device : "with the MAC of BOOTIF");
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

/* --- an address that is asked for --- */

static int begin_dhcp(struct wait *w)
{
	static const struct dhcp_client_ops ops = { .bound = on_bound,
						    .failed = on_failed,
						    .link = on_link };
	const struct cmdline *c = &w->b->cmdline;
	struct dhcp_client_config config = {
		.timeout_ms = (c->link_s + c->dhcp_s) * 1000,
		.carrier_ms = c->link_s * 1000,
		.interface = compose_device(c),
		.want_server =
			(!c->root || !strncmp(c->root, "tftp:///", 8)) && !c->addr.server.s_addr,
		.hostname = c->addr.hostname,
		.probe_ms = c->arp_said && c->arp_ms == 0 ? DHCP_CLIENT_NO_PROBE : c->arp_ms,
	};

	if (c->have_bootif)
		config.prefer = c->bootif;
	return dhcp_client_new(w->b->loop, w->b->links, &config, &ops, w, &w->client);
}

static int begin_ip6(struct wait *w, enum ip6_mode mode)
{
	static const struct ip6_client_ops ops = { .bound = on_bound6,
						   .failed = on_failed,
						   .link = on_link };
	const struct cmdline *c = &w->b->cmdline;
	struct ip6_client_config config = {
		.mode = mode,
		.timeout_ms = (c->link_s + c->dhcp_s) * 1000,
		.carrier_ms = c->link_s * 1000,
		.interface = compose_device(c),
	};

	if (c->have_bootif)
		config.prefer = c->bootif;
	return ip6_client_new(w->b->loop, w->b->links, &config, &ops, w, &w->client6);
}

static int begin(struct wait *w)
{
	const struct cmdline *c = &w->b->cmdline;

	switch (c->ip) {
	case CMDLINE_IP_STATIC:
		return begin_static(w);
	case CMDLINE_IP_DHCP6:
		return begin_ip6(w, IP6_DHCP);
	case CMDLINE_IP_AUTO6:
		return begin_ip6(w, IP6_AUTO);
	case CMDLINE_IP_EITHER6:
		return begin_ip6(w, IP6_EITHER);
	case CMDLINE_IP_UNSAID:
		if (c->root && strstr(c->root, "://["))
			return begin_ip6(w, IP6_EITHER);
		return begin_dhcp(w);
	default:
		return begin_dhcp(w);
	}
}

static int run(struct wait *w)
{
	struct boot *b = w->b;
	char words[REPORT_WORDS_MAX];

	ev_timer_init(&w->no_card, on_no_card, MIN(NO_CARD_S, (int)b->cmdline.link_s), 0);
	w->no_card.data = w;
	ev_timer_start(b->loop, &w->no_card);
	while (!w->done)
		ev_run(b->loop, 0);
	if (w->err == -ENODEV && any_card(b)) /* the one that is named is not there */
		return stage_fail(b, REPORT_LINK, w->err, "%s", w->why);
	if ((w->err == -ENODEV || w->err == -ENOLINK) && !any_card(b)) {
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

int network_wait(struct boot *b)
{
	struct wait w = { .b = b };
	int r;

	ev_timer_init(&w.patience, on_patience, 0, 0);
	w.patience.data = &w;
	r = begin(&w);
	if (r < 0)
		r = stage_fail(b, REPORT_DHCP, r, "cannot ask for an address: %s", strerror(-r));
	else
		r = run(&w);
	dhcp_client_free(w.client);
	ip6_client_free(w.client6);
	links_unwatch(b->links, static_link, &w);
	ev_timer_stop(b->loop, &w.no_card);
	ev_timer_stop(b->loop, &w.patience);
	return r;
}
