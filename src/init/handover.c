/*
 * handover.c - what init leaves for the root in /run/bpboot (docs/handover.md)
 *
 * Text files of KEY=value lines, written before the root is entered. /run moves into the root as it
 * is.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/parse.h"
#include "init/boot.h"

#define FILE_MAX 8192

/* Append KEY=value unless the value is empty. */
static int put(struct buffer *to, const char *key, const char *value)
{
	return *value ? buffer_printf(to, "%s=%s\n", key, value) : 0;
}

static int put_ip(struct buffer *to, const char *key, const struct ipaddr *a)
{
	char text[IP_STR_MAX];

	return put(to, key, ip_format(a, text));
}

static int put_address(struct buffer *to, const char *key, struct in_addr a)
{
	char text[INET_ADDRSTRLEN];

	return a.s_addr ? put(to, key, ipv4_format(a, text)) : 0;
}

static int put_addresses(struct buffer *to, const char *key, const struct in_addr *a, size_t n)
{
	char text[INET_ADDRSTRLEN];
	int r = n ? buffer_printf(to, "%s=", key) : 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = buffer_printf(to, "%s%s", i ? " " : "", ipv4_format(a[i], text));
	return r == 0 && n ? buffer_printf(to, "\n") : r;
}

static int put_routes(struct buffer *to, const struct dhcp_lease *l)
{
	char dst[INET_ADDRSTRLEN], gateway[INET_ADDRSTRLEN];
	int r = l->n_routes ? buffer_printf(to, "ROUTES=") : 0;

	for (size_t i = 0; i < l->n_routes && r == 0; i++)
		r = buffer_printf(to, "%s%s/%u,%s", i ? " " : "",
				  ipv4_format(l->routes[i].dst, dst), l->routes[i].prefix,
				  ipv4_format(l->routes[i].gateway, gateway));
	return r == 0 && l->n_routes ? buffer_printf(to, "\n") : r;
}

static int put_number(struct buffer *to, const char *key, uint64_t v)
{
	return buffer_printf(to, "%s=%" PRIu64 "\n", key, v);
}

static int boot_text(const struct boot *b, struct buffer *to)
{
	char mac[MAC_STR_MAX], url[FETCH_URL_MAX], master[IP_STR_MAX];
	const struct cmdline *c = &b->cmdline;
	int r = buffer_printf(to, "BOOT=%08" PRIx32 "\nMAC=%s\nINTERFACE=%s\nIMAGE=%s\n",
			      b->reporter.boot, mac_format(&b->link.mac, mac), b->link.name,
			      b->index.name);

	r = r ? r : put_number(to, "COUNTER", b->index.counter);
	r = r ? r : put(to, "INIT", b->init);
	r = r ? r : put(to, "URL", fetch_url_format(&b->url, url));
	ip_format(c->have_master ? &c->master : &b->url.host, master);
	if (r == 0 && c->have_master && c->master_port)
		r = buffer_printf(
			to, c->master.family == AF_INET6 ? "MASTER=[%s]:%u\n" : "MASTER=%s:%u\n",
			master, c->master_port);
	else if (r == 0)
		r = put(to, "MASTER", master);
	return r ? r : put_ip(to, "SERVER", &b->url.host);
}

static int lease_text(const struct boot *b, struct buffer *to)
{
	const struct dhcp_lease *l = &b->lease;
	char mac[MAC_STR_MAX], address[INET_ADDRSTRLEN], id[2 * DHCP_CLIENT_ID_BYTES + 1];
	uint8_t raw_id[DHCP_CLIENT_ID_BYTES];
	int r = buffer_printf(to, "INTERFACE=%s\nMAC=%s\nADDRESS=%s/%u\n", b->link.name,
			      mac_format(&b->link.mac, mac), ipv4_format(l->address, address),
			      l->prefix);

	r = r || !l->n_routers ? r : put_address(to, "GATEWAY", l->routers[0]);
	if (b->have_lease) {
		dhcp_client_id(&b->link.mac, raw_id);
		format_hex(raw_id, sizeof(raw_id), id);
		r = r ? r : put_address(to, "SERVER", l->server_id);
		r = r ? r : put_number(to, "LEASE_SECONDS", l->lease_s);
		r = r ? r : put_number(to, "RENEW_SECONDS", l->renew_s);
		r = r ? r : put_number(to, "REBIND_SECONDS", l->rebind_s);
		r = r ? r : put_number(to, "OBTAINED_MS", b->obtained_ms);
		if (r == 0 && !b->adopted) /* another client's: we do not know it */
			r = put(to, "CLIENT_ID", id);
	}
	r = r ? r : put(to, "HOSTNAME", l->hostname);
	r = r ? r : put_addresses(to, "DNS", l->dns, l->n_dns);
	r = r ? r : put_addresses(to, "NTP", l->ntp, l->n_ntp);
	r = r || !l->mtu ? r : put_number(to, "MTU", l->mtu);
	return r ? r : put_routes(to, l);
}

static int write_text(struct boot *b, const char *name,
		      int (*text)(const struct boot *b, struct buffer *to))
{
	_cleanup_buffer_ struct buffer to = BUFFER(FILE_MAX);
	int r = text(b, &to);

	if (r == 0)
		r = file_write(AT_FDCWD, name, to.data, to.len, 0644);
	if (r < 0)
		return stage_fail(b, REPORT_ROOT, r, "cannot write %s: %s", name, strerror(-r));
	return 0;
}

int handover_stage(struct boot *b)
{
	int r = write_text(b, BOOT_RUN_DIR "/boot", boot_text);

	return r ? r : write_text(b, BOOT_RUN_DIR "/lease", lease_text);
}
