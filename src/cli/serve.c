/*
 * serve.c - bpboot serve: DHCP and TFTP for the cluster, until stopped
 *
 * The work is serve/embedded.c's. Here: is the interface free? A second DHCP server on a network
 * is a fault that is hard to find, so one that answers is named before dnsmasq is started.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "cli/commands.h"
#include "net/packet.h"
#include "serve/cluster.h"
#include "serve/embedded.h"
#include "wire/dhcp.h"

#define CLUSTER_FILE "/etc/bpboot/cluster.conf"
#define RUN_DIR	     "/run/bpboot"

enum {
	PROBE_MS =
		3000, /* for another server to offer; some ask first whether an address is in use */
	PROBE_EVERY_MS = 1000,
};

struct options {
	const char *cluster, *interface;
	bool proxy, force;
};

static int ask(int fd, int ifindex, uint32_t xid, const struct mac *mac)
{
	uint8_t message[DHCP_MESSAGE_MAX];
	struct dhcp_request q = { .type = DHCP_DISCOVER,
				  .xid = xid,
				  .mac = *mac,
				  .broadcast = true,
				  .vendor_class = "bpboot:probe" };
	struct udp_datagram d = { .dst.s_addr = INADDR_BROADCAST,
				  .src_port = DHCP_CLIENT_PORT,
				  .dst_port = DHCP_SERVER_PORT,
				  .data = message };
	int r = dhcp_request_format(&q, message, sizeof(message), &d.bytes);

	return r < 0 ? r : packet_broadcast(fd, ifindex, &d);
}

/* Return: 1 when it is an offer to us. */
static int take(int fd, uint32_t xid, struct in_addr *ret_server)
{
	uint8_t buf[PACKET_BYTES_MAX];
	struct udp_datagram d;
	struct dhcp_reply p;

	if (packet_receive(fd, buf, NULL, &d) < 0 || dhcp_reply_parse(d.data, d.bytes, &p) < 0 ||
	    p.xid != xid || p.type != DHCP_OFFER)
		return 0;
	*ret_server = p.lease.server_id.s_addr ? p.lease.server_id : d.src;
	return 1;
}

/* Whether a DHCP server answers there. Return: 1 with its address; 0; negative errno (logged). */
static int find_server(const char *interface, struct in_addr *ret)
{
	unsigned index = if_nametoindex(interface);
	const uint32_t xid = backoff_random(UINT32_MAX);
	struct mac mac = { .b = { 0x02, 0, 0, (uint8_t)(xid >> 16), (uint8_t)(xid >> 8),
				  (uint8_t)xid } };
	_cleanup_close_ int fd = index ? packet_open((int)index, DHCP_CLIENT_PORT) : -errno;
	uint64_t end = clock_ms() + PROBE_MS, again = 0;

	if (!index)
		return log_err(-ENODEV, "no interface '%s' on this machine", interface);
	if (fd < 0)
		return log_err(fd, "cannot look for another DHCP server on %s%s", interface,
			       fd == -EPERM ? " without root" : "");
	while (clock_ms() < end) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		if (clock_ms() >= again) {
			int r = ask(fd, (int)index, xid, &mac);

			if (r < 0)
				return log_err(r, "cannot look for another DHCP server on %s",
					       interface);
			again = clock_ms() + PROBE_EVERY_MS;
		}
		if (poll(&p, 1, 100) > 0 && take(fd, xid, ret))
			return 1;
	}
	return 0;
}

/* A server of this machine's own does not hear us ask; it holds the port. */
static int check_port(const char *interface)
{
	const struct sockaddr_in any = { .sin_family = AF_INET,
					 .sin_port = htons(DHCP_SERVER_PORT) };
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface,
				 (socklen_t)strlen(interface)) < 0)
		return log_err(-errno, "cannot look for another DHCP server on %s", interface);
	if (bind(fd, (const struct sockaddr *)&any, sizeof(any)) == 0)
		return 0;
	if (errno == EADDRINUSE)
		return log_err(0,
			       "another program of this machine holds the DHCP server's port (UDP "
			       "67) on "
			       "%s; 'ss -ulnp' shows it, --force passes over it",
			       interface),
		       -EADDRINUSE;
	return log_err(-errno, "cannot use the DHCP server's port (UDP 67) on %s", interface);
}

static int check_network(const struct options *o, const struct cluster *c)
{
	struct in_addr other;
	char address[INET_ADDRSTRLEN];
	int r;

	if (o->force)
		return 0;
	r = find_server(c->interface, &other);
	if (r == 0 || (r > 0 && o->proxy)) {
		int port = check_port(c->interface);

		r = port < 0 ? port : r;
	}
	if (r < 0)
		return r;
	if (r > 0 && !o->proxy)
		return log_err(0,
			       "another DHCP server, %s, answers on %s: --proxy serves beside it, "
			       "--force against it",
			       ipv4_format(other, address), c->interface),
		       -EADDRINUSE;
	if (r == 0 && o->proxy)
		log_warn(0, "no DHCP server answers on %s: without one no node gets an address",
			 c->interface);
	else if (r > 0)
		log_info("%s hands out the addresses on %s", ipv4_format(other, address),
			 c->interface);
	return 0;
}

/* Below /run for root, else below TMPDIR. */
static int make_dir_name(char ret[static 128])
{
	const char *tmp = getenv("TMPDIR");
	int r = geteuid() == 0 ? path_mkdirs(AT_FDCWD, RUN_DIR, 0755) : 0;

	if (r < 0)
		return log_err(r, "cannot make '" RUN_DIR "'");
	if ((size_t)snprintf(ret, 128, "%s/serve.%d",
			     geteuid() == 0 ? RUN_DIR
			     : tmp	    ? tmp
					    : "/tmp",
			     (int)getpid()) >= 128)
		return log_err(-ENAMETOOLONG, "TMPDIR is too long");
	return 0;
}

static int run(void *opts, int argc, char **argv)
{
	const struct options *o = opts;
	_cleanup_cluster_ struct cluster c = { 0 };
	char dir[128];
	struct embedded_spec spec = { .cluster = &c, .proxy = o->proxy, .dir = dir };
	int r = cluster_load(o->cluster, &c);

	if (r == 0 && o->interface) {
		free(c.interface);
		c.interface = strdup(o->interface);
		r = c.interface ? 0 : log_err(-ENOMEM, "cannot serve");
	}
	if (r == 0 && o->proxy && c.loader != CLUSTER_IPXE && !strstr(c.cmdline, "root="))
		log_warn(0,
			 "loader=%s beside another DHCP server: nobody tells a node its image, "
			 "unless cmdline= holds root=; boot.ipxe of loader=ipxe does",
			 cluster_loader_name(c.loader));
	if (r == 0)
		r = check_network(o, &c);
	if (r == 0)
		r = make_dir_name(dir);
	if (r == 0 && !o->proxy) {
		r = path_mkdirs(AT_FDCWD, c.master_state, 0755);
		if (r < 0)
			log_err(r, "cannot make the state directory '%s'", c.master_state);
	}
	return r < 0 ? r : embedded_serve(&spec);
}

static void defaults(void *opts)
{
	struct options *o = opts;

	o->cluster = CLUSTER_FILE;
}

static const struct option_row rows[] = {
#define AT(field) offsetof(struct options, field)
	{ "cluster", 'c', OPTION_STRING, "FILE", "cluster file (" CLUSTER_FILE ")", AT(cluster) },
	{ "interface", 'i', OPTION_STRING, "IF", "serve there (the cluster file's interface=)",
	  AT(interface) },
	{ "proxy", 'p', OPTION_FLAG, NULL, "beside a DHCP server that hands out the addresses",
	  AT(proxy) },
	{ "force", 'f', OPTION_FLAG, NULL, "do not look for another DHCP server", AT(force) },
	{ 0 },
#undef AT
};

const struct command cmd_serve = {
	.name = "serve",
	.args = "",
	.summary = "DHCP and TFTP for the cluster's nodes, until stopped",
	.options = rows,
	.options_size = sizeof(struct options),
	.defaults = defaults,
	.args_max = 0,
	.run = run,
};
