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

/* Somebody has the address: say so to the server, and begin anew after a while. */
static void on_conflict(struct nic *n, const struct mac *holder)
{
	char address[INET_ADDRSTRLEN], mac[MAC_STR_MAX];

	n->declines++;
	n->holder = *holder;
	log_warn(0, "%s: the address %s that DHCP offers is in use by %s, declining it",
		 n->link.name, ipv4_format(n->offer.lease.address, address),
		 mac_format(holder, mac));
	if (n->state == NIC_PROBING) /* before its ACK it is not ours to decline */
		dhcp_nic_send(n, DHCP_DECLINE);
	if (n->c->requesting == n)
		n->c->requesting = NULL;
	n->requested = false;
	n->have_offer = false;
	n->state = NIC_HEAD_START;
	dhcp_nic_timer(n, backoff_next(&n->declined) / 1e3);
}

void dhcp_on_arp(struct ev_loop *loop, struct ev_io *io, int revents)
{
	struct dhcp_client *c = io->data;
	struct arp p;

	for (int i = 0; i < PACKETS_PER_WAKE; i++) {
		struct nic *n = c->requesting;
		int ifindex = 0, r = packet_receive_arp(c->arp, &ifindex, &p);

		if (r == -EBADMSG || r == -ENETDOWN)
			continue;
		if (r < 0)
			return;
		if (n && n->state == NIC_PROBING && n->link.ifindex == ifindex &&
		    arp_conflicts(&p, &n->link.mac, n->offer.lease.address)) {
			on_conflict(n, &p.sender_mac);
			return;
		}
		/* the ACK is still to come: what answered the first probe answers the second, too
		 */
	}
}
