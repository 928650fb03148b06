/*
 * dnsmasq.c - the cluster as configuration of dnsmasq: DHCP and TFTP, no DNS
 *
 * Three kinds of client ask. A firmware gets a network boot program for its architecture. iPXE, be
 * it that program or the card's own ROM, gets the script boot.ipxe. Our init calls itself "bpboot"
 * (option 60) and gets the URL of its image's index as root-path (option 17). Every condition
 * excludes the others, because for one that does not dnsmasq takes the last that matches.
 *
 * As a proxy it stands beside another DHCP server: firmware and iPXE hear from us what to load
 * (PXE's proxy DHCP), addresses are not ours, and what init is to fetch stands in boot.ipxe
 * (serve/ipxe.h), since nobody proxies for it.
 *
 * Addresses are reserved by MAC, and no-ping spares each node the three seconds in which dnsmasq
 * asks whether an address is in use. What is not here: DNS (port=0), and any other subnet: a site
 * that has more includes this file in its own.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "base/log.h"
#include "serve/dnsmasq.h"
#include "serve/firmware.h"
#include "serve/images.h"

/* "KEY=PATH", in quotes, in which nothing but a backslash and a quote means anything. */
static int put_path(struct buffer *to, const char *key, const char *path, const char *behind)
{
	int r = buffer_printf(to, "%s=\"", key);

	for (const char *p = path; r == 0 && *p; p++) {
		if (*p == '"' || *p == '\\')
			r = buffer_append(to, "\\", 1);
		if (r == 0)
			r = buffer_append(to, p, 1);
	}
	return r < 0 ? r : buffer_printf(to, "%s\"\n", behind);
}

static int put_server(const struct cluster *c, enum dnsmasq_role role, struct buffer *to)
{
	static const char *const kinds[] = { "", "-proxy", "-dhcp", "-tftp", "-proxy" };
	int r = buffer_printf(to,
			      "# dnsmasq for cluster '%s', written by bpboot config dnsmasq%s\n\n"
			      "# the nodes' network only, no DNS\n"
			      "port=0\ninterface=%s\nexcept-interface=lo\nbind-interfaces\n"
			      "no-ping\nlog-dhcp\n",
			      c->name, kinds[role], c->interface);

	if (r == 0 && role != DNSMASQ_TFTP)
		r = put_path(to, "dhcp-leasefile", c->master_state, "/dnsmasq.leases");
	if (r == 0 && (role == DNSMASQ_DHCP || role == DNSMASQ_PROXY_DHCP))
		return buffer_append(to, "\n", 1);
	if (r == 0)
		r = buffer_printf(to, "\n# the boot directory\nenable-tftp\ntftp-max=%d\n",
				  DNSMASQ_TFTP_MAX);
	if (r == 0)
		r = put_path(to, "tftp-root", c->boot, "");
	if (r == 0)
		r = buffer_printf(
			to,
			"\n# iPXE looks for an IPv6 router beside DHCP, and each boot waits 16 s "
			"for it "
			"where none\n# answers. Give %s an IPv6 address (any, as fd77::1/64) and "
			"these "
			"lines answer:\n#enable-ra\n#dhcp-range=::,constructor:%s,ra-only\n"
			"#ra-param=%s,0,0\n\n",
			c->interface, c->interface, c->interface);
	return r;
}

static int put_ranges(const struct cluster *c, struct buffer *to)
{
	char a[INET_ADDRSTRLEN], b[INET_ADDRSTRLEN], mask[INET_ADDRSTRLEN];
	int r;

	ipv4_format(ipv4_mask(c->prefix), mask);
	r = buffer_printf(to, "# addresses: %s\ndhcp-authoritative\ndhcp-range=%s,static,%s,%u\n",
			  c->unknown == CLUSTER_ACCEPT
				  ? "machines without a line below get one of the range"
				  : "machines without a line below get no answer",
			  ipv4_format(c->network, a), mask, c->lease_s);
	for (size_t i = 0; r == 0 && i < c->n_ranges; i++)
		r = buffer_printf(to, "dhcp-range=%s,%s,%s,%u\n",
				  ipv4_format(c->ranges[i].first, a),
				  ipv4_format(c->ranges[i].last, b), mask, c->lease_s);
	if (r == 0 && c->unknown == CLUSTER_REFUSE)
		r = buffer_printf(to, "dhcp-ignore=tag:!known\n");
	return r < 0 ? r : buffer_append(to, "\n", 1);
}

/* Whether the row before is of the same kind. */
static bool is_seen(size_t row)
{
	return row > 0 && !strcmp(firmware_table[row].tag, firmware_table[row - 1].tag);
}

/* "FILE", or "FILE,,SERVER" when another server has it. */
static int put_file(const struct cluster *c, const char *file, struct buffer *to)
{
	struct in_addr server = cluster_boot_server(c);
	char a[INET_ADDRSTRLEN];

	if (server.s_addr == c->address.s_addr)
		return buffer_printf(to, "%s\n", file);
	return buffer_printf(to, "%s,,%s\n", file, ipv4_format(server, a));
}

/* What firmware of this kind loads: iPXE, which then asks for the script, or the cluster's loader,
 * also where the card's firmware is an iPXE. */
static int put_boot_file(const struct cluster *c, const struct firmware *f, struct buffer *to)
{
	char base[CLUSTER_SERVER_MAX];
	int r;

	if (f->http)
		return buffer_printf(
			to,
			"dhcp-boot=tag:%s,tag:!ipxe,tag:!bpboot,%s/%s\n"
			"dhcp-option-force=tag:%s,tag:!ipxe,tag:!bpboot,60,HTTPClient\n",
			f->tag, cluster_http_base(c, base), firmware_file(f, c), f->tag);
	if (!firmware_chains(f, c)) {
		r = buffer_printf(to, "dhcp-boot=tag:%s,tag:!bpboot,", f->tag);
		return r < 0 ? r : put_file(c, firmware_file(f, c), to);
	}
	r = buffer_printf(to, "dhcp-boot=tag:%s,tag:!ipxe,tag:!bpboot,", f->tag);
	return r < 0 ? r : put_file(c, firmware_file(f, c), to);
}

/* iPXE that is not itself what the loader is loaded by. */
static int put_script(const struct cluster *c, struct buffer *to)
{
	int r = buffer_printf(to, "dhcp-boot=tag:ipxe,tag:!bpboot");

	for (size_t i = 0; r == 0 && i < FIRMWARE_ROWS; i++) {
		if (!is_seen(i) && !firmware_chains(&firmware_table[i], c) &&
		    !firmware_table[i].http)
			r = buffer_printf(to, ",tag:!%s", firmware_table[i].tag);
	}
	r = r < 0 ? r : buffer_append(to, ",", 1);
	return r < 0 ? r : put_file(c, DNSMASQ_SCRIPT, to);
}

/* Who asks, and what it is to load. */
static int put_boot_files(const struct cluster *c, struct buffer *to)
{
	int r = buffer_printf(to, "# who asks: firmware by architecture, iPXE, bpboot's init\n");

	for (size_t i = 0; r == 0 && i < FIRMWARE_ROWS; i++)
		r = buffer_printf(to, "dhcp-match=set:%s,option:client-arch,%d\n",
				  firmware_table[i].tag, firmware_table[i].arch);
	if (r == 0)
		r = buffer_printf(to, "dhcp-match=set:ipxe,175\ndhcp-userclass=set:ipxe,iPXE\n"
				      "dhcp-vendorclass=set:bpboot," DNSMASQ_VENDOR_CLASS "\n\n"
				      "# what it loads\n");
	for (size_t i = 0; r == 0 && i < FIRMWARE_ROWS; i++) {
		if (!is_seen(i))
			r = put_boot_file(c, &firmware_table[i], to);
	}
	r = r < 0 ? r : put_script(c, to);
	return r < 0 ? r
		     : buffer_printf(to, "# iPXE: do not wait for ProxyDHCP servers\n"
					 "dhcp-option=tag:ipxe,encap:175,176,1b\n\n");
}

static int put_root_path(const struct cluster *c, const char *tag, const char *image,
			 struct buffer *to)
{
	char root[CLUSTER_ROOT_MAX];
	int r = cluster_root(c, image, root);

	return r < 0 ? r
		     : buffer_printf(to, "dhcp-option=tag:bpboot,tag:%s%s,option:root-path,%s\n",
				     tag, *tag == '!' ? "" : image, root);
}

/* One line an image in use, and one for nodes without a tag of their own. */
static int put_root_paths(const struct cluster *c, const struct nodes *t, struct buffer *to)
{
	_cleanup_images_ struct images images = { 0 };
	int r = images_list(c, t, &images);

	r = r < 0 ? r : buffer_printf(to, "# which image bpboot's init fetches\n");
	if (r == 0)
		r = t->n > 0 ? put_root_path(c, "!known", c->image, to)
			     : put_root_path(c, "!ipxe", c->image, to);
	for (size_t i = 0; r == 0 && i < images.n; i++)
		r = put_root_path(c, "image-", images.list[i].name, to);
	return r < 0 ? r : buffer_append(to, "\n", 1);
}

int dnsmasq_check_address(const struct cluster *c, const struct node *n)
{
	char address[INET_ADDRSTRLEN];

	if (!n->address.s_addr && c->n_ranges == 0)
		return log_err(-EINVAL,
			       "node %u has no address, and the cluster file has no [dhcp] range= "
			       "to give it one",
			       n->number);
	if (n->address.s_addr &&
	    (!cluster_holds(c, n->address) || n->address.s_addr == c->address.s_addr))
		return log_err(-EINVAL,
			       "node %u: address %s is not one for a node in the cluster's network",
			       n->number, ipv4_format(n->address, address));
	return 0;
}

/* The address that a node is to have: "10.1.1.0,", or "" when it comes from the range. */
static int take_address(const struct cluster *c, const struct node *n,
			char ret[static INET_ADDRSTRLEN + 1])
{
	char address[INET_ADDRSTRLEN];
	int r = dnsmasq_check_address(c, n);

	*ret = 0;
	if (r == 0 && n->address.s_addr)
		snprintf(ret, INET_ADDRSTRLEN + 1, "%s,", ipv4_format(n->address, address));
	return r;
}

static int put_nodes(const struct cluster *c, const struct nodes *t, bool proxy, struct buffer *to)
{
	char mac[MAC_STR_MAX], address[INET_ADDRSTRLEN + 1] = "", name[NODES_NAME_MAX];
	int r = 0;

	for (size_t i = 0; r == 0 && i < t->n; i++) {
		const struct node *n = &t->list[i];

		if (!proxy)
			r = take_address(c, n, address);
		if (r == 0)
			r = buffer_printf(to, "dhcp-host=%s,set:image-%s%s%s%s\n",
					  mac_format(&n->mac, mac), images_of(c, n),
					  proxy ? "" : ",", proxy ? "" : address,
					  proxy ? "" : node_name(n, name));
	}
	return r;
}

/* Beside a DHCP server that hands out the addresses: firmware and iPXE are told what to load, and
 * no more. */
static int put_proxy(const struct cluster *c, struct buffer *to)
{
	char a[INET_ADDRSTRLEN];
	int r = buffer_printf(to,
			      "# addresses come from another server\ndhcp-range=%s,proxy,%s\n%s\n"
			      "# who asks: firmware by architecture, iPXE\n"
			      "dhcp-match=set:ipxe,175\ndhcp-userclass=set:ipxe,iPXE\n\n"
			      "# what it loads\n",
			      ipv4_format(c->network, a),
			      ipv4_format(ipv4_mask(c->prefix), (char[INET_ADDRSTRLEN]){ 0 }),
			      c->unknown == CLUSTER_REFUSE ? "dhcp-ignore=tag:!known\n" : "");

	for (size_t i = 0; r == 0 && i < FIRMWARE_ROWS; i++) {
		const struct firmware *f = &firmware_table[i];

		if (f->http)
			continue;
		if (!firmware_chains(f, c))
			r = buffer_printf(to, "pxe-service=%d,\"bpboot\",%s\n", f->arch,
					  firmware_file(f, c));
		else
			r = buffer_printf(to,
					  "pxe-service=tag:!ipxe,%d,\"bpboot\",%s\n"
					  "pxe-service=tag:ipxe,%d,\"bpboot\"," DNSMASQ_SCRIPT "\n",
					  f->arch, firmware_file(f, c), f->arch);
	}
	return r < 0 ? r : buffer_append(to, "\n", 1);
}

static bool is_proxy(enum dnsmasq_role role)
{
	return role == DNSMASQ_PROXY || role == DNSMASQ_PROXY_DHCP;
}

/* All but the nodes. */
static int put_fixed(const struct cluster *c, enum dnsmasq_role role, struct buffer *to)
{
	int r = put_server(c, role, to);

	if (r < 0 || role == DNSMASQ_TFTP)
		return r;
	if (is_proxy(role))
		return put_proxy(c, to);
	if (r == 0)
		r = put_ranges(c, to);
	return r < 0 ? r : put_boot_files(c, to);
}

int dnsmasq_format(const struct cluster *c, const struct nodes *t, enum dnsmasq_role role,
		   struct buffer *to)
{
	int r = put_fixed(c, role, to);

	if (role == DNSMASQ_TFTP)
		return r;
	if (r == 0 && !is_proxy(role))
		r = put_root_paths(c, t, to);
	if (r == 0)
		r = buffer_printf(to, "# the nodes\n");
	return r < 0 ? r : put_nodes(c, t, is_proxy(role), to);
}
