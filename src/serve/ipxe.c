/*
 * ipxe.c - the script that iPXE runs: kernel, initrd, command line
 *
 * File names in it are relative to where the script came from, so that it holds for TFTP and HTTP
 * alike. BOOTIF tells init which of its cards the firmware booted from (the convention of
 * pxelinux). A failure is said on the screen and tried again for ever: a front end that comes back
 * finds its nodes waiting.
 */
#include <string.h>

#include "base/addr.h"
#include "serve/ipxe.h"

int ipxe_cmdline(const struct cluster *c, struct buffer *to)
{
	char master[INET_ADDRSTRLEN];
	int r = 0;

	if (c->master_port != CLUSTER_MASTER_PORT)
		r = buffer_printf(to, " bpboot.master=%s:%u",
				  ipv4_format(c->master_address, master), c->master_port);
	else if (c->master_address.s_addr != c->address.s_addr)
		r = buffer_printf(to, " bpboot.master=%s", ipv4_format(c->master_address, master));
	if (r == 0 && c->cmdline[0])
		r = buffer_printf(to, " %s", c->cmdline);
	return r;
}

/* "set root ...", for a network where nobody tells init what to fetch. */
static int put_roots(const struct cluster *c, const struct nodes *t, struct buffer *to)
{
	int r = buffer_printf(to, "set image %s\n", c->image);

	for (size_t i = 0; r == 0 && i < t->n; i++) {
		const struct node *n = &t->list[i];
		char mac[MAC_STR_MAX];

		if (*n->image && strcmp(n->image, c->image))
			r = buffer_printf(to, "iseq ${netX/mac} %s && set image %s ||\n",
					  mac_format(&n->mac, mac), n->image);
	}
	return r;
}

int ipxe_format(const struct cluster *c, const struct nodes *t, bool with_root, struct buffer *to)
{
	char root[CLUSTER_ROOT_MAX] = "";
	int r = buffer_printf(to, "#!ipxe\n# written by bpboot config\n");

	if (r == 0 && with_root)
		r = put_roots(c, t, to);
	if (r == 0)
		r = buffer_printf(to,
				  ":again\n"
				  "imgfree\n"
				  "kernel %s initrd=%s BOOTIF=01-${netX/mac:hexhyp}",
				  c->kernel, c->initrd);
	if (r == 0 && with_root)
		r = cluster_root(c, "${image}", root);
	if (r == 0 && with_root)
		r = buffer_printf(to, " root=%s", root);
	if (r == 0)
		r = ipxe_cmdline(c, to);
	if (r == 0)
		r = buffer_printf(to,
				  " || goto failed\n"
				  "initrd %s || goto failed\n"
				  "boot || goto failed\n"
				  ":failed\n"
				  "echo bpboot: cannot load %s and %s from ${next-server}; "
				  "trying again in 10 s\n"
				  "sleep 10\n"
				  "goto again\n",
				  c->initrd, c->kernel, c->initrd);
	return r;
}
