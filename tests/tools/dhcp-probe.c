/*
 * dhcp-probe.c - run the DHCP client on this namespace's links and print what it found
 *
 * usage: dhcp-probe [--apply] [--timeout MS] [--retry MS] [--carrier MS] [--prefer MAC]
 * [--interface NAME]
 *                   [--want-server] [--link-up NAME MS]
 *
 * Prints one KEY=value line for each thing of the lease and exits 0, or "failed CODE: why" and
 * exits 1.
 */
#include <errno.h>
#include <ev.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/parse.h"
#include "net/dhcp_client.h"
#include "net/lease.h"
#include "net/link.h"

struct probe {
	struct ev_loop *loop;
	struct dhcp_client *client;
	bool apply;
	int status;
};

static void print_lease(const struct link *l, const struct dhcp_lease *lease)
{
	char a[INET_ADDRSTRLEN], b[INET_ADDRSTRLEN];

	printf("INTERFACE=%s\nADDRESS=%s/%u\n", l->name, ipv4_format(lease->address, a),
	       lease->prefix);
	printf("SERVER_ID=%s\nNEXT_SERVER=%s\n", ipv4_format(lease->server_id, a),
	       ipv4_format(lease->next_server, b));
	printf("BROADCAST=%s\n", ipv4_format(lease->broadcast, a));
	for (size_t i = 0; i < lease->n_routers; i++)
		printf("GATEWAY=%s\n", ipv4_format(lease->routers[i], a));
	for (size_t i = 0; i < lease->n_routes; i++)
		printf("ROUTE=%s/%u via %s\n", ipv4_format(lease->routes[i].dst, a),
		       lease->routes[i].prefix, ipv4_format(lease->routes[i].gateway, b));
	for (size_t i = 0; i < lease->n_dns; i++)
		printf("DNS=%s\n", ipv4_format(lease->dns[i], a));
	for (size_t i = 0; i < lease->n_ntp; i++)
		printf("NTP=%s\n", ipv4_format(lease->ntp[i], a));
	printf("LEASE=%u RENEW=%u REBIND=%u\nMTU=%u\n", lease->lease_s, lease->renew_s,
	       lease->rebind_s, lease->mtu);
	printf("HOSTNAME=%s\nDOMAIN=%s\nSEARCH=%s\n", lease->hostname, lease->domain,
	       lease->search);
	printf("ROOT_PATH=%s\nSERVER_NAME=%s\nBOOT_FILE=%s\n", lease->root_path, lease->server_name,
	       lease->boot_file);
}

static void on_bound(void *ctx, const struct link *l, const struct dhcp_lease *lease)
{
	struct probe *p = ctx;
	int r = 0;

	print_lease(l, lease);
	if (p->apply)
		r = lease_apply(l->ifindex, lease);
	if (r < 0)
		log_err(r, "cannot apply the lease");
	p->status = r < 0;
	dhcp_client_free(p->client); /* as init may */
	p->client = NULL;
	ev_break(p->loop, EVBREAK_ALL);
}

static void on_failed(void *ctx, int err, const char *why)
{
	struct probe *p = ctx;

	printf("failed %s: %s\n", strerrorname_np(-err), why);
	p->status = 1;
	ev_break(p->loop, EVBREAK_ALL);
}

static void on_link(void *ctx, const struct link *l)
{
	fprintf(stderr, "carrier on %s\n", l->name);
}

static int parse_args(int argc, char **argv, struct dhcp_client_config *c, bool *apply)
{
	for (int i = 1; i < argc; i++) {
		const char *a = argv[i], *v = i + 1 < argc ? argv[i + 1] : "";

		if (!strcmp(a, "--apply"))
			*apply = true;
		else if (!strcmp(a, "--want-server"))
			c->want_server = true;
		else if (!strcmp(a, "--interface"))
			c->interface = argv[++i];
		else if (!strcmp(a, "--timeout") &&
			 parse_u32(v, 1, UINT32_MAX, &c->timeout_ms) == 0)
			i++;
		else if (!strcmp(a, "--carrier") &&
			 parse_u32(v, 1, UINT32_MAX, &c->carrier_ms) == 0)
			i++;
		else if (!strcmp(a, "--retry") && parse_u32(v, 1, UINT32_MAX, &c->retry_ms) == 0)
			i++;
		else if (!strcmp(a, "--prefer") && mac_parse(v, &c->prefer) == 0)
			i++;
		else
			return log_err(-EINVAL, "bad argument '%s'", a);
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct dhcp_client_ops ops = { .bound = on_bound,
						    .failed = on_failed,
						    .link = on_link };
	struct dhcp_client_config config = { 0 };
	struct probe p = { .loop = ev_loop_new(EVFLAG_AUTO), .status = 1 };
	_cleanup_links_ struct links *links = NULL;
	uint64_t start = clock_us();
	struct rusage used;
	int r = parse_args(argc, argv, &config, &p.apply);

	if (r < 0 || !p.loop)
		return 2;
	r = links_new(p.loop, &links);
	if (r == 0)
		r = dhcp_client_new(p.loop, links, &config, &ops, &p, &p.client);
	if (r < 0) {
		log_err(r, "cannot begin");
		return 1;
	}
	ev_run(p.loop, 0);
	getrusage(RUSAGE_SELF, &used);
	printf("TOOK_MS=%llu\nPEAK_KB=%ld\n", (unsigned long long)(clock_us() - start) / 1000,
	       used.ru_maxrss);
	dhcp_client_free(p.client);
	links_free(links);
	links = NULL;
	ev_loop_destroy(p.loop);
	return p.status;
}
