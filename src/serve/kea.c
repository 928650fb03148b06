/*
 * kea.c - the cluster as configuration of Kea's DHCPv4 server
 *
 * The same kinds of client as with dnsmasq (serve/dnsmasq.c), as client classes that exclude each
 * other: init, iPXE, firmware by architecture. A node is a host reservation. Its image is a class
 * of the reservation, and what init is told a class that waits for that one: Kea evaluates classes
 * that ask for KNOWN after it has looked the host up. (Options of the reservation itself would be
 * sent to iPXE too, which takes a root-path for a disk.) Machines that are not known are dropped
 * the same way.
 *
 * Kea 3.0 has new names for some keywords and wants subnets numbered; all else is the same.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "base/log.h"
#include "serve/dnsmasq.h"
#include "serve/firmware.h"
#include "serve/images.h"
#include "serve/kea.h"

static int put_string(struct buffer *to, const char *text)
{
	int r = buffer_append(to, "\"", 1);

	for (const char *p = text; r == 0 && *p; p++) {
		if (*p == '"' || *p == '\\')
			r = buffer_append(to, "\\", 1);
		if (r == 0)
			r = buffer_append(to, p, 1);
	}
	return r < 0 ? r : buffer_append(to, "\"", 1);
}

static int put_server(const struct cluster *c, enum kea_version version, const char *leases,
		      struct buffer *to)
{
	int r = buffer_printf(
		to,
		"// Kea's DHCPv4 server for cluster '%s', written by bpboot config kea%s\n"
		"{ \"Dhcp4\": {\n"
		"  \"interfaces-config\": { \"interfaces\": [ \"%s\" ] },\n"
		"  \"loggers\": [ { \"name\": \"kea-dhcp4\", \"severity\": \"INFO\",\n"
		"    \"output%coptions\": [ { \"output\": \"stdout\" } ] } ],\n"
		"  \"lease-database\": { \"type\": \"memfile\"",
		c->name, version == KEA_3_0 ? " --kea-version 3.0" : "", c->interface,
		version == KEA_3_0 ? '-' : '_');

	if (r == 0 && leases) {
		r = buffer_printf(to, ", \"name\": ");
		r = r < 0 ? r : put_string(to, leases);
	}
	return r < 0 ? r
		     : buffer_printf(to,
				     " },\n"
				     "  \"authoritative\": true,\n"
				     "  \"valid-lifetime\": %u,\n"
				     "  // firmware, loader and init of a machine have names of "
				     "their own "
				     "for it: it is one machine\n"
				     "  \"match-client-id\": false,\n"
				     "  \"host-reservation-identifiers\": [ \"hw-address\" ],\n"
				     "  \"option-def\": [\n"
				     "    { \"name\": \"ipxe-encap\", \"code\": 175, \"type\": "
				     "\"empty\", "
				     "\"encapsulate\": \"ipxe\" },\n"
				     "    { \"name\": \"no-pxedhcp\", \"code\": 176, \"space\": "
				     "\"ipxe\", "
				     "\"type\": \"uint8\" } ],\n\n",
				     c->lease_s);
}

/* One class a kind of firmware. @row is the first of its tag. */
static int put_firmware(const struct cluster *c, size_t row, struct buffer *to)
{
	const struct firmware *f = &firmware_table[row];
	char base[CLUSTER_SERVER_MAX];
	int r = buffer_printf(to,
			      "    { \"name\": \"%s\",\n"
			      "      \"test\": \"(option[93].hex == 0x%04x",
			      f->tag, (unsigned)f->arch);

	for (size_t i = row + 1;
	     r == 0 && i < FIRMWARE_ROWS && !strcmp(firmware_table[i].tag, f->tag); i++)
		r = buffer_printf(to, " or option[93].hex == 0x%04x",
				  (unsigned)firmware_table[i].arch);
	r = r < 0 ? r
		  : buffer_printf(to, ")%s and not member('bpboot')\",\n      \"boot-file-name\": ",
				  firmware_chains(f, c) || f->http ? " and not member('ipxe')"
								   : "");
	if (r == 0 && f->http)
		return buffer_printf(to,
				     "\"%s/%s\",\n      \"option-data\": [ { \"name\": "
				     "\"vendor-class-identifier\", \"data\": \"HTTPClient\", "
				     "\"always-send\": true } ] },\n",
				     cluster_http_base(c, base), firmware_file(f, c));
	return r < 0 ? r : buffer_printf(to, "\"%s\" },\n", firmware_file(f, c));
}

static int put_script(const struct cluster *c, struct buffer *to)
{
	int r = buffer_printf(to, "    { \"name\": \"script\", \"test\": \"member('ipxe') and not "
				  "member('bpboot')");

	for (size_t i = 0; r == 0 && i < FIRMWARE_ROWS; i++) {
		if (!firmware_chains(&firmware_table[i], c) && !firmware_table[i].http)
			r = buffer_printf(to, " and not option[93].hex == 0x%04x",
					  (unsigned)firmware_table[i].arch);
	}
	return r < 0 ? r
		     : buffer_printf(to, "\",\n      \"boot-file-name\": \"" DNSMASQ_SCRIPT "\",\n"
					 "      // iPXE: do not wait for ProxyDHCP servers\n"
					 "      \"option-data\": [ { \"name\": \"ipxe-encap\" },\n"
					 "        { \"name\": \"no-pxedhcp\", \"space\": \"ipxe\", "
					 "\"data\": \"1\" "
					 "} ] },\n");
}

/* What init is told when @test holds; the first class of it that does wins. */
static int put_root_path(const struct cluster *c, const char *name, const char *image,
			 const char *test, struct buffer *to)
{
	char root[CLUSTER_ROOT_MAX];
	int r = cluster_root(c, image, root);

	if (r == 0)
		r = buffer_printf(to,
				  "    { \"name\": \"init-%s\",\n      \"test\": \"%s and "
				  "member('bpboot')\",\n      \"option-data\": [ { \"name\": "
				  "\"root-path\", \"data\": \"",
				  name, test);
	for (const char *p = root; r == 0 && *p; p++) {
		if (*p == ',') /* would end the data */
			r = buffer_append(to, "\\\\", 2);
		if (r == 0)
			r = buffer_append(to, p, 1);
	}
	return r < 0 ? r : buffer_printf(to, "\" } ] }");
}

/* A class for each image that some node has of its own. */
static int put_images(const struct cluster *c, const struct nodes *t, struct buffer *to)
{
	_cleanup_images_ struct images images = { 0 };
	int r = images_list(c, t, &images);

	for (size_t i = 0; r == 0 && i < images.n; i++) {
		const char *image = images.list[i].name;
		char test[CLUSTER_NAME_MAX + 64], name[CLUSTER_NAME_MAX + 8];

		if (!strcmp(image, c->image))
			continue; /* what all are told that have none */
		snprintf(test, sizeof(test), "member('KNOWN') and member('image-%s')", image);
		snprintf(name, sizeof(name), "of-%s", image);
		r = buffer_printf(to, "    { \"name\": \"image-%s\" },\n", image);
		r = r < 0 ? r : put_root_path(c, name, image, test, to);
		r = r < 0 ? r : buffer_printf(to, ",\n");
	}
	return r;
}

static int put_classes(const struct cluster *c, const struct nodes *t, struct buffer *to)
{
	int r = buffer_printf(
		to,
		"  // who asks, and what it loads: bpboot's init, iPXE, firmware by architecture\n"
		"  \"client-classes\": [\n"
		"    { \"name\": \"bpboot\", \"test\": \"substring(option[60].hex,0,%zu) == "
		"'" DNSMASQ_VENDOR_CLASS "'\" },\n"
		"    { \"name\": \"ipxe\", \"test\": \"option[175].exists or option[77].hex == "
		"'iPXE'\" },\n",
		strlen(DNSMASQ_VENDOR_CLASS));

	for (size_t i = 0; r == 0 && i < FIRMWARE_ROWS; i++) {
		if (i == 0 || strcmp(firmware_table[i].tag, firmware_table[i - 1].tag))
			r = put_firmware(c, i, to);
	}
	r = r < 0 ? r : put_script(c, to);
	r = r < 0 ? r
		  : buffer_printf(to, "    // what init fetches: tests of KNOWN are made when the "
				      "host is looked up\n");
	r = r < 0 ? r : put_images(c, t, to);
	r = r < 0 ? r
		  : put_root_path(c, "any", c->image, "(member('KNOWN') or member('UNKNOWN'))", to);
	if (r == 0 && c->unknown == CLUSTER_REFUSE)
		r = buffer_printf(to,
				  ",\n    // machines without a reservation get no answer\n"
				  "    { \"name\": \"DROP\", \"test\": \"member('UNKNOWN')\" }");
	return r < 0 ? r : buffer_printf(to, " ],\n\n");
}

static int put_node(const struct cluster *c, const struct node *n, bool first, struct buffer *to)
{
	char mac[MAC_STR_MAX], address[INET_ADDRSTRLEN], name[NODES_NAME_MAX];
	int r = dnsmasq_check_address(c, n);

	r = r < 0 ? r
		  : buffer_printf(to, "%s      { \"hw-address\": \"%s\"", first ? "" : ",\n",
				  mac_format(&n->mac, mac));
	if (r == 0 && n->address.s_addr)
		r = buffer_printf(to, ", \"ip-address\": \"%s\"", ipv4_format(n->address, address));
	r = r < 0 ? r : buffer_printf(to, ", \"hostname\": \"%s\"", node_name(n, name));
	if (r == 0 && strcmp(images_of(c, n), c->image))
		r = buffer_printf(to, ", \"client-classes\": [ \"image-%s\" ]", n->image);
	return r < 0 ? r : buffer_append(to, " }", 2);
}

static int put_subnet(const struct cluster *c, enum kea_version version, struct buffer *to)
{
	char a[INET_ADDRSTRLEN], b[INET_ADDRSTRLEN];
	int r = buffer_printf(to,
			      "  \"subnet4\": [ {\n    \"id\": 1,\n    \"subnet\": \"%s/%u\",\n"
			      "    \"interface\": \"%s\",\n    \"next-server\": \"%s\",\n",
			      ipv4_format(c->network, a), c->prefix, c->interface,
			      ipv4_format(cluster_boot_server(c), b));

	for (size_t i = 0; r == 0 && i < c->n_ranges; i++)
		r = buffer_printf(
			to, "%s{ \"pool\": \"%s - %s\"%s }", i ? ",\n      " : "    \"pools\": [ ",
			ipv4_format(c->ranges[i].first, a), ipv4_format(c->ranges[i].last, b),
			c->unknown == CLUSTER_ACCEPT ? ""
			: version == KEA_3_0	     ? ", \"client-classes\": [ \"KNOWN\" ]"
						     : ", \"client-class\": \"KNOWN\"");
	if (r == 0 && c->n_ranges > 0)
		r = buffer_printf(to, " ],\n");
	return r < 0 ? r : buffer_printf(to, "    \"reservations\": [\n");
}

int kea_format(const struct cluster *c, const struct nodes *t, enum kea_version version,
	       const char *leases, struct buffer *to)
{
	int r = put_server(c, version, leases, to);

	r = r < 0 ? r : put_classes(c, t, to);
	r = r < 0 ? r : put_subnet(c, version, to);
	for (size_t i = 0; r == 0 && i < t->n; i++)
		r = put_node(c, &t->list[i], i == 0, to);
	return r < 0 ? r : buffer_printf(to, " ]\n  } ]\n} }\n");
}
