/*
 * network.c - a link and an address
 *
 * What is waited for is in network_wait.c; here it is put into force and told. What the command
 * line says of gateway, servers or MTU wins over what DHCP says.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "init/network_internal.h"
#include "net/lease.h"
#include "net/link6.h"

#define SETTLE_S     5.0 /* the kernel's check of an IPv6 address for conflicts: about two */
#define SETTLE_TICKS 50

static void say_hostname(const char *name)
{
	if (*name)
		(void)!sethostname(name, strlen(name)); /* the root may still set it */
}

/* ip= with DHCP may still say some of it. */
static void overlay(struct boot *b)
{
	const struct cmdline_static *s = &b->cmdline.addr;
	struct dhcp_lease *l = &b->lease;

	if (s->server.s_addr)
		l->next_server = s->server;
	if (s->gateway.family == AF_INET) {
		l->n_routes = 0;
		l->n_routers = 1;
		l->routers[0] = s->gateway.v4;
	}
	if (s->ntp.family == AF_INET) {
		l->n_ntp = 1;
		l->ntp[0] = s->ntp.v4;
	}
	if (s->hostname && !l->hostname[0])
		snprintf(l->hostname, sizeof(l->hostname), "%s", s->hostname);
	if (b->cmdline.mtu)
		l->mtu = (uint16_t)b->cmdline.mtu;
}

static int apply4(struct boot *b)
{
	char address[INET_ADDRSTRLEN], server[INET_ADDRSTRLEN], next[INET_ADDRSTRLEN];
	const struct dhcp_lease *l = &b->lease;
	int r = lease_apply(b->link.ifindex, l);

	if (r < 0)
		return stage_fail(b, REPORT_DHCP, r, "%s: cannot set address %s/%u: %s",
				  b->link.name, ipv4_format(l->address, address), l->prefix,
				  strerror(-r));
	if (!b->have_lease)
		stage_ok(b, REPORT_DHCP, "%s: static address %s/%u", b->link.name,
			 ipv4_format(l->address, address), l->prefix);
	else
		stage_ok(b, REPORT_DHCP, "%s: %s/%u from %s, boot server %s", b->link.name,
			 ipv4_format(l->address, address), l->prefix,
			 ipv4_format(l->server_id, server),
			 l->next_server.s_addr ? ipv4_format(l->next_server, next) : "none");
	return 0;
}

static void on_tick(struct ev_loop *loop, struct ev_timer *t, int events)
{
	ev_break(loop, EVBREAK_ONE);
}

/* A static IPv6 address is of use when the kernel has found nobody else who has it. */
static int settle(struct boot *b)
{
	struct link6 look = { 0 };
	struct ev_timer t;
	int r = 0;

	ev_timer_init(&t, on_tick, 0., SETTLE_S / SETTLE_TICKS);
	ev_timer_start(b->loop, &t);
	for (int i = 0; i <= SETTLE_TICKS && r == 0 && !look.have_asked && !look.asked_conflict;
	     i++) {
		ev_run(b->loop, 0);
		r = link6_look(b->link.ifindex, &b->lease6.address, &look);
	}
	ev_timer_stop(b->loop, &t);
	if (r == 0 && look.asked_conflict)
		r = -EADDRINUSE;
	return r || look.have_asked ? r : -ETIMEDOUT;
}

static int apply6(struct boot *b)
{
	const struct ip6_lease *l = &b->lease6;
	char address[INET6_ADDRSTRLEN], gateway[INET6_ADDRSTRLEN] = "none";
	int r = 0;

	(void)inet_ntop(AF_INET6, &l->address, address, sizeof(address)); /* always fits */
	if (l->have_gateway)
		(void)inet_ntop(AF_INET6, &l->gateway, gateway, sizeof(gateway));
	if (b->cmdline.mtu && link_set_mtu(b->link.ifindex, b->cmdline.mtu) < 0)
		stage_warn(b, REPORT_DHCP, "ignoring MTU %u of ip=", b->cmdline.mtu);
	if (b->cmdline.ip == CMDLINE_IP_STATIC) {
		r = link6_add_address(b->link.ifindex, &l->address, l->prefix);
		r = r ? r : settle(b);
		if (r == 0 && l->have_gateway)
			r = link6_add_gateway(b->link.ifindex, &l->gateway);
	}
	if (r < 0)
		return stage_fail(b, REPORT_DHCP, r, "%s: cannot set address %s/%u: %s",
				  b->link.name, address, l->prefix, strerror(-r));
	stage_ok(b, REPORT_DHCP, "%s: %s/%u %s, gateway %s", b->link.name, address, l->prefix,
		 b->cmdline.ip == CMDLINE_IP_STATIC ? "static"
		 : l->by_dhcp			    ? "by DHCPv6"
						    : "by router advertisement",
		 gateway);
	return 0;
}

int network_stage(struct boot *b)
{
	int r;

	if (b->cmdline.ip == CMDLINE_IP_OFF)
		return stage_fail(
			b, REPORT_LINK, -ENETDOWN,
			"ip=off on the kernel command line, and the root comes over the network");
	if (b->cmdline.have_bootif)
		reporter_set_mac(&b->reporter, &b->cmdline.bootif);
	r = links_new(b->loop, &b->links);
	if (r < 0)
		return stage_fail(b, REPORT_LINK, r, "cannot ask the kernel for its links: %s",
				  strerror(-r));
	r = compose_begin(b);
	r = r ? r : network_wait(b);
	if (r < 0)
		return r;
	overlay(b);
	r = b->have_lease6 ? apply6(b) : apply4(b);
	if (r < 0)
		return r;
	say_hostname(b->lease.hostname);
	reporter_set_mac(&b->reporter, &b->link.mac);
	return 0;
}

void network_undo(struct boot *b)
{
	reporter_disconnect(&b->reporter);
	if (b->link.ifindex > 0)
		(void)!link_flush(b->link.ifindex); /* the next attempt sets it anew */
	if (b->links)
		compose_undo(b);
	links_free(b->links);
	b->links = NULL;
	b->link = (struct link){ 0 };
	b->lease = (struct dhcp_lease){ 0 };
	b->lease6 = (struct ip6_lease){ 0 };
	b->have_lease = b->have_lease6 = false;
	b->n_dns = 0;
}
