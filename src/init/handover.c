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
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/parse.h"
#include "init/boot.h"
#include "init/drivers.h"
#include "wire/dhcp6.h"
#include "wire/leasefile.h"

#define FILE_MAX     8192
#define EFI	     "/sys/firmware/efi"
#define NETWORKD_UP  "/run/systemd"
#define NETWORKD_DIR NETWORKD_UP "/network"

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

static int put_number(struct buffer *to, const char *key, uint64_t v)
{
	return buffer_printf(to, "%s=%" PRIu64 "\n", key, v);
}

/* What the root is. */
static int root_text(const struct boot *b, struct buffer *to)
{
	char url[FETCH_URL_MAX];
	int r = b->disk[0] ? put(to, b->is_nfs ? "NFS" : "DISK", b->disk)
			   : buffer_printf(to, "IMAGE=%s\n", b->index.name);

	if (r == 0 && !b->disk[0])
		r = put_number(to, "COUNTER", b->index.counter);
	r = r ? r : put(to, "INIT", b->init);
	if (r == 0 && b->cmdline.node_key)
		r = put(to, "NODE_KEY", b->cmdline.node_key);
	if (r == 0 && b->watchdog.seconds)
		r = put_number(to, "WATCHDOG_SECONDS", b->watchdog.seconds);
	return r || b->disk[0] ? r : put(to, "URL", fetch_url_format(&b->url, url));
}

static int boot_text(const struct boot *b, struct buffer *to)
{
	char mac[MAC_STR_MAX], master[IP_STR_MAX];
	const struct cmdline *c = &b->cmdline;
	int r = buffer_printf(to, "BOOT=%08" PRIx32 "\n", b->reporter.boot);

	if (r == 0 && b->link.ifindex)
		r = buffer_printf(to, "MAC=%s\nINTERFACE=%s\n", mac_format(&b->link.mac, mac),
				  b->link.name);
	r = r ? r : root_text(b, to);
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
	struct leasefile f = { .mac = b->link.mac,
			       .leased = b->have_lease,
			       .lease = b->lease,
			       .obtained_ms = b->obtained_ms,
			       .have6 = b->have_lease6,
			       .address6 = b->lease6.address,
			       .gateway6 = b->lease6.gateway,
			       .prefix6 = b->lease6.prefix,
			       .valid6_s = b->lease6.valid_s,
			       .renew6_s = MIN(b->lease6.renew_s, b->lease6.valid_s),
			       .n_dns = b->n_dns };

	memcpy(f.interface, b->link.name, sizeof(f.interface));
	memcpy(f.dns, b->dns, sizeof(b->dns));
	if (!f.lease.search[0])
		memcpy(f.lease.search, b->lease6.search, sizeof(b->lease6.search));
	return leasefile_format(&f, to);
}

/*
 * What asks for the same IPv6 address again: by default networkd has a DUID and number of its own,
 * and asks by DHCPv6 only when a router says so, which init may have been told not to wait for.
 */
static int networkd_lease6(const struct boot *b, struct buffer *to)
{
	bool leased = b->lease6.by_dhcp;

	return buffer_printf(
		to, "%sIPv6AcceptRA=yes\n\n%s[DHCPv6]\nDUIDType=link-layer\nIAID=%" PRIu32 "\n%s",
		leased ? "DHCP=ipv6\n" : "",
		leased ? "[IPv6AcceptRA]\nDHCPv6Client=always\n\n" : "", dhcp6_iaid(&b->link.mac),
		leased ? "WithoutRA=solicit\n" : "");
}

/*
 * For a root with systemd-networkd: renew the lease, with the client id that leased it, and never
 * let go of the address that the root itself may have come over. The root's own file for this
 * interface comes before it, by its name.
 */
static int networkd_text(const struct boot *b, struct buffer *to)
{
	const struct dhcp_lease *l = &b->lease;
	char mac[MAC_STR_MAX], address[IP_STR_MAX], gateway[IP_STR_MAX];
	struct ipaddr own = b->have_lease6
				    ? (struct ipaddr){ AF_INET6, 0, { .v6 = b->lease6.address } }
				    : ip_from_v4(l->address);
	struct ipaddr via = b->have_lease6
				    ? (struct ipaddr){ AF_INET6, 0, { .v6 = b->lease6.gateway } }
				    : ip_from_v4(l->routers[0]);
	bool stays = b->cmdline.ip == CMDLINE_IP_STATIC;
	int r = buffer_printf(to, "[Match]\nMACAddress=%s\n\n[Network]\nKeepConfiguration=yes\n",
			      mac_format(&b->link.mac, mac));

	if (r == 0 && stays)
		r = buffer_printf(to, "Address=%s/%u\n", ip_format(&own, address),
				  b->have_lease6 ? b->lease6.prefix : l->prefix);
	if (r == 0 && stays && (b->have_lease6 ? b->lease6.have_gateway : l->n_routers > 0))
		r = buffer_printf(to, "Gateway=%s\n", ip_format(&via, gateway));
	for (size_t i = 0; i < b->n_dns && r == 0 && stays; i++)
		r = buffer_printf(to, "DNS=%s\n", ip_format(&b->dns[i], address));
	if (r == 0 && !stays)
		r = b->have_lease6 ? networkd_lease6(b, to)
				   : buffer_printf(to, "DHCP=ipv4\n\n[DHCPv4]\n"
						       "ClientIdentifier=mac\n");
	return r;
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

/* Have the kernel show the firmware's variables. Where it cannot, bpslave says so. */
static void show_efi(struct boot *b)
{
	const char *key = b->cmdline.node_key;

	if (key && !strcmp(key, CMDLINE_NODE_KEY_EFI) && access(EFI, F_OK) == 0)
		(void)!drivers_load(b->drivers, "efivarfs", ""); /* it may be in the kernel */
}

int handover_stage(struct boot *b)
{
	int r = write_text(b, BOOT_RUN_DIR "/boot", boot_text);

	show_efi(b);
	if (!b->link.ifindex) /* a root that needs no network */
		return r;
	resolve_servers(b);
	r = r ? r : write_text(b, BOOT_RUN_DIR "/lease", lease_text);
	if (r < 0 || b->adopted) /* another's initrd has its own ways to hand a network over */
		return r;
	(void)mkdir(NETWORKD_UP, 0755); /* writing says what is wrong */
	(void)mkdir(NETWORKD_DIR, 0755);
	return write_text(b, NETWORKD_DIR "/90-bpboot.network", networkd_text);
}
