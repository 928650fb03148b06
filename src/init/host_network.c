/*
 * host_network.c - the network as another program brought it up
 *
 * For bpboot-root: the initramfs of a distribution has asked for an address, and its scripts say
 * what they know of it (host_main.c). What the kernel knows is asked of the kernel: which interface
 * has an address, and which one. Nothing is changed, so there is nothing to undo.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "init/boot.h"

#define HINT                                                                               \
	"the distribution's initrd brings the network up, not bpboot: set ip=dhcp on the " \
	"kernel command line"

static int ask(int fd, const char *name, unsigned long request, struct in_addr *ret)
{
	struct ifreq q = { 0 };
	struct sockaddr_in a;

	snprintf(q.ifr_name, sizeof(q.ifr_name), "%s", name);
	if (ioctl(fd, request, &q) < 0)
		return -errno;
	memcpy(&a, &q.ifr_addr, sizeof(a));
	*ret = a.sin_addr;
	return 0;
}

/* Address and prefix of the link. Return: 0, or negative errno when it has none. */
static int read_address(int fd, const struct link *l, struct dhcp_lease *lease)
{
	struct in_addr address, mask;
	unsigned prefix;
	int r = ask(fd, l->name, SIOCGIFADDR, &address);

	if (r == 0)
		r = ask(fd, l->name, SIOCGIFNETMASK, &mask);
	if (r == 0)
		r = ipv4_prefix(mask, &prefix);
	if (r < 0)
		return r;
	lease->address = address;
	lease->prefix = (uint8_t)prefix;
	return 0;
}

/* The interface that was named, or else the first that has an address. */
static int choose(struct boot *b, int fd)
{
	size_t n;
	const struct link *l = links_table(b->links, &n);

	for (size_t i = 0; i < n; i++) {
		if (b->cmdline.device && strcmp(b->cmdline.device, l[i].name))
			continue;
		if (!strcmp(l[i].name, "lo") || read_address(fd, &l[i], &b->lease) < 0)
			continue;
		b->link = l[i];
		return 0;
	}
	return -EADDRNOTAVAIL;
}

int adopt_stage(struct boot *b)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char mac[MAC_STR_MAX], address[INET_ADDRSTRLEN], next[INET_ADDRSTRLEN];
	int r = fd < 0 ? -errno : links_new(b->loop, &b->links);

	b->adopted = true;
	if (r < 0)
		return stage_fail(b, REPORT_LINK, r, "cannot ask the kernel for its links: %s",
				  strerror(-r));
	r = choose(b, fd);
	if (r < 0 && b->cmdline.device)
		return stage_fail(b, REPORT_DHCP, r, "interface %s has no IPv4 address; " HINT,
				  b->cmdline.device);
	if (r < 0)
		return stage_fail(b, REPORT_DHCP, r, "no interface has an IPv4 address; " HINT);
	reporter_set_mac(&b->reporter, &b->link.mac);
	if (b->lease.hostname[0])
		(void)!sethostname(b->lease.hostname,
				   strlen(b->lease.hostname)); /* the root may still set it */
	stage_ok(b, REPORT_LINK, "%s: link up (%s)", b->link.name, mac_format(&b->link.mac, mac));
	stage_ok(b, REPORT_DHCP, "%s: %s/%u as this initrd set it, boot server %s", b->link.name,
		 ipv4_format(b->lease.address, address), b->lease.prefix,
		 b->lease.next_server.s_addr ? ipv4_format(b->lease.next_server, next) : "none");
	return 0;
}
