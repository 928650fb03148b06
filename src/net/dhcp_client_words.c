/*
 * dhcp_client_words.c - what happened on every NIC, in words for a person
 */
#include <stdio.h>
#include <string.h>

#include "net/dhcp_client_internal.h"

static void nic_summary(const struct nic *n, double now, char *buf, size_t size)
{
	char server[INET_ADDRSTRLEN], address[INET_ADDRSTRLEN], mac[MAC_STR_MAX];
	const char *name = n->link.name;

	ipv4_format(n->offer.lease.server_id, server);
	ipv4_format(n->offer.lease.address, address);
	if (n->up_err && *n->up_err < 0)
		snprintf(buf, size, "%s cannot be set up: %s", name, strerror(-*n->up_err));
	else if (!n->link.carrier)
		snprintf(buf, size, "%s has no carrier", name);
	else if (n->err < 0)
		snprintf(buf, size, "%s: cannot send: %s", name, strerror(-n->err));
	else if (n->naks > 0)
		snprintf(buf, size, "%s: DHCP server %s refused %s, %u times%s%s", name, server,
			 address, n->naks, *n->nak ? ": " : "", n->nak);
	else if (n->declines > 0)
		snprintf(buf, size, "%s: %s, offered by DHCP server %s, is in use by %s: declined",
			 name, address, server, mac_format(&n->holder, mac));
	else if (n->offers > 0)
		snprintf(buf, size, "%s: DHCP server %s offered %s but never acknowledged it", name,
			 server, address);
	else if (n->discovers == 0)
		snprintf(buf, size, "%s has just got carrier", name);
	else if (n->malformed > 0)
		snprintf(buf, size, "no DHCP answer on %s that can be used (%u malformed)", name,
			 n->malformed);
	else
		snprintf(buf, size, "no DHCP answer on %s (link up, %u tries in %.0f s)", name,
			 n->discovers, now - n->since);
}

void dhcp_client_summary(const struct dhcp_client *c, char *buf, size_t n)
{
	size_t at = 0;

	if (c->n_nics == 0 && c->config.interface)
		snprintf(buf, n, "there is no network interface '%s'", c->config.interface);
	else if (c->n_nics == 0)
		snprintf(buf, n, "no network card found; is its driver in the initrd?");
	/* first those that could have worked */
	for (int carrier = 1; carrier >= 0; carrier--) {
		for (size_t i = 0; i < c->n_nics; i++) {
			char one[160];

			if (c->nics[i]->link.carrier != carrier || at >= n)
				continue;
			nic_summary(c->nics[i], ev_now(c->loop), one, sizeof(one));
			at += (size_t)snprintf(buf + at, n - at, "%s%s", at ? "; " : "", one);
		}
	}
}
