/*
 * isc_dhcpd.c - the cluster as configuration of ISC's DHCP server, for the nodes' subnet
 *
 * The same three kinds of client as with dnsmasq (serve/dnsmasq.c): firmware gets a network boot
 * program for its architecture, iPXE the script boot.ipxe, our init the URL of its image's index
 * as root-path. Statements of a host come behind those of its subnet, so that a node's own image
 * stands with the node. Files come from a TFTP server of the site (bpboot config tftpd-hpa).
 *
 * A file of one subnet: a site that has more includes it in its own dhcpd.conf.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "serve/dnsmasq.h"
#include "serve/firmware.h"
#include "serve/isc_dhcpd.h"

static int put_global(const struct cluster *c, struct buffer *to)
{
	return buffer_printf(
		to,
		"# ISC dhcpd for cluster '%s', written by bpboot config isc-dhcpd\n\n"
		"authoritative;\nddns-update-style none;\n"
		"# a node's address is its own: no second spent on asking whether it is in use\n"
		"ping-check false;\n"
		"default-lease-time %u;\nmin-lease-time %u;\nmax-lease-time %u;\n\n"
		"option client-arch code 93 = unsigned integer 16;\n"
		"option space ipxe;\noption ipxe-encap code 175 = encapsulate ipxe;\n"
		"option ipxe.no-pxedhcp code 176 = unsigned integer 8;\n\n",
		c->name, c->lease_s, c->lease_s, c->lease_s);
}

static int put_root_path(const struct cluster *c, const char *image, struct buffer *to)
{
	char root[CLUSTER_ROOT_MAX];
	int r = cluster_root(c, image, root);

	return r ? r
		 : buffer_printf(to,
				 "if substring(option vendor-class-identifier, 0, %zu) = "
				 "\"" DNSMASQ_VENDOR_CLASS "\" { option root-path \"%s\"; }",
				 strlen(DNSMASQ_VENDOR_CLASS), root);
}

static int put_boot_file(const struct cluster *c, const struct firmware *f, struct buffer *to)
{
	char base[CLUSTER_SERVER_MAX];

	if (f->http)
		return buffer_printf(
			to,
			"\telsif option client-arch = 00:%02x {\n\t\tfilename \"%s/%s\";\n"
			"\t\toption vendor-class-identifier \"HTTPClient\";\n\t}\n",
			(unsigned)f->arch, cluster_http_base(c, base), firmware_file(f, c));
	return buffer_printf(to, "\telsif option client-arch = 00:%02x { filename \"%s\"; }\n",
			     (unsigned)f->arch, firmware_file(f, c));
}

/* Who asks, and what it is to load: firmware whose loader is not iPXE gets it though its own
 * firmware be an iPXE. */
static int put_boot_files(const struct cluster *c, struct buffer *to)
{
	int r = buffer_printf(to,
			      "\t# who asks: bpboot's init, iPXE, firmware by architecture\n\t");

	r = r ? r : put_root_path(c, c->image, to);
	r = r ? r : buffer_append(to, "\n", 1);
	for (size_t i = 0; r == 0 && i < FIRMWARE_ROWS; i++) {
		if (!firmware_chains(&firmware_table[i], c) && !firmware_table[i].http)
			r = put_boot_file(c, &firmware_table[i], to);
	}
	r = r ? r
	      : buffer_printf(to, "\telsif option user-class = \"iPXE\" {\n"
				  "\t\tfilename \"" DNSMASQ_SCRIPT "\";\n"
				  "\t\t# iPXE: do not wait for ProxyDHCP servers\n"
				  "\t\toption ipxe.no-pxedhcp 1;\n\t}\n");
	for (size_t i = 0; r == 0 && i < FIRMWARE_ROWS; i++) {
		if (firmware_chains(&firmware_table[i], c) || firmware_table[i].http)
			r = put_boot_file(c, &firmware_table[i], to);
	}
	return r;
}

static int put_subnet(const struct cluster *c, struct buffer *to)
{
	char network[INET_ADDRSTRLEN], mask[INET_ADDRSTRLEN], server[INET_ADDRSTRLEN],
		first[INET_ADDRSTRLEN], last[INET_ADDRSTRLEN];
	const char *known = c->unknown == CLUSTER_ACCEPT ? "" : " deny unknown-clients;";
	int r = buffer_printf(to, "subnet %s netmask %s {\n\tnext-server %s;\n",
			      ipv4_format(c->network, network),
			      ipv4_format(ipv4_mask(c->prefix), mask),
			      ipv4_format(cluster_boot_server(c), server));

	for (size_t i = 0; r == 0 && i < c->n_ranges; i++)
		r = buffer_printf(to, "\tpool { range %s %s;%s }\n",
				  ipv4_format(c->ranges[i].first, first),
				  ipv4_format(c->ranges[i].last, last), known);
	r = r ? r : put_boot_files(c, to);
	return r ? r : buffer_printf(to, "}\n\n# the nodes\n");
}

static int put_node(const struct cluster *c, const struct node *n, struct buffer *to)
{
	char mac[MAC_STR_MAX], address[INET_ADDRSTRLEN], name[NODES_NAME_MAX];
	int r = dnsmasq_check_address(c, n);

	r = r ? r
	      : buffer_printf(to, "host %s {\n\thardware ethernet %s;\n", node_name(n, name),
			      mac_format(&n->mac, mac));
	if (r == 0 && n->address.s_addr)
		r = buffer_printf(to, "\tfixed-address %s;\n", ipv4_format(n->address, address));
	r = r ? r : buffer_printf(to, "\toption host-name \"%s\";\n", name);
	if (r == 0 && n->image[0]) {
		r = buffer_append(to, "\t", 1);
		r = r ? r : put_root_path(c, n->image, to);
		r = r ? r : buffer_append(to, "\n", 1);
	}
	return r ? r : buffer_append(to, "}\n", 2);
}

int isc_dhcpd_format(const struct cluster *c, const struct nodes *t, struct buffer *to)
{
	int r = put_global(c, to);

	r = r ? r : put_subnet(c, to);
	for (size_t i = 0; r == 0 && i < t->n; i++)
		r = put_node(c, &t->list[i], to);
	return r;
}
