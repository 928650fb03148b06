/*
 * dhcp_client_probe.c - does another machine have the address that DHCP offers?
 *
 * The ARP probe (RFC 5227) begins with the REQUEST, so that most of its time passes while the
 * server answers. Two probes in 40 milliseconds in place of RFC 5227's three in several: a
 * machine that has the address answers within a millisecond, and a thousand nodes wait for it at
 * each boot.
 */
#include <errno.h>
#include <ev.h>

#include "base/fd.h"
#include "base/log.h"
#include "net/dhcp_client_internal.h"
#include "net/packet.h"

#define PROBE_MS 40

void dhcp_probe_send(struct nic *n)
{
	struct arp p = arp_probe(&n->link.mac, n->offer.lease.address);

	n->probes++;
	(void)!packet_send_arp(n->c->arp, n->link.ifindex, &p); /* one is as good as two */
}

/* Ask who has the address. When that cannot be asked, nobody has it. */
void dhcp_probe_begin(struct nic *n)
{
	struct dhcp_client *c = n->c;
	uint32_t ms = c->config.probe_ms;

	n->probes = 0;
	n->conflict = false;
	n->probed_until = ev_now(n->c->loop);
	if (ms == DHCP_CLIENT_NO_PROBE)
		return;
	if (c->arp < 0) {
		c->arp = packet_open_arp();
		if (c->arp < 0) {
			c->arp = FD_NONE;
			return;
		}
		ev_io_set(&c->arp_io, c->arp, EV_READ);
		ev_io_start(c->loop, &c->arp_io);
	}
	n->probed_until += (ms ? ms : PROBE_MS) / 1e3;
	dhcp_probe_send(n);
}

/* Hear what has come, of whoever is asking for an address now, before its ACK, too. */
static void hear(struct dhcp_client *c)
{
	struct nic *n = c->requesting;
	struct arp p;

	for (int i = 0; i < ARP_PER_LOOK; i++) {
		int ifindex = 0, r = packet_receive_arp(c->arp, &ifindex, &p);

		if (r == -EBADMSG || r == -ENETDOWN)
			continue;
		if (r < 0)
			return;
		if (n && n->link.ifindex == ifindex &&
		    arp_conflicts(&p, &n->link.mac, n->offer.lease.address)) {
			n->conflict = true;
			n->holder = p.sender_mac;
		}
	}
}

bool dhcp_probe_failed(struct nic *n)
{
	char address[INET_ADDRSTRLEN], mac[MAC_STR_MAX];

	if (n->c->arp >= 0) /* a busy machine may have been told, and not have looked yet */
		hear(n->c);
	if (!n->conflict)
		return false;
	n->conflict = false;
	n->declines++;
	log_warn(0, "%s: the address %s that DHCP offers is in use by %s, declining it",
		 n->link.name, ipv4_format(n->offer.lease.address, address),
		 mac_format(&n->holder, mac));
	dhcp_nic_send(n, DHCP_DECLINE);
	if (n->c->requesting == n)
		n->c->requesting = NULL;
	n->requested = false;
	n->have_offer = false;
	n->state = NIC_HEAD_START;
	dhcp_nic_timer(n, backoff_next(&n->declined) / 1e3);
	return true;
}

void dhcp_on_arp(struct ev_loop *loop, struct ev_io *io, int revents)
{
	struct dhcp_client *c = io->data;

	hear(c);
	if (c->requesting && c->requesting->state == NIC_PROBING)
		(void)dhcp_probe_failed(c->requesting); /* its timer goes on else */
}
