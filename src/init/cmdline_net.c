/*
 * cmdline_net.c - what the kernel command line says of the network: ip=, BOOTIF=, nameserver=,
 * vlan=, bond=
 *
 * ip= has the kernel's syntax (its nfsroot documentation) and dracut's: a method alone, a device
 * and a method with MTU, and the ten fields, where IPv6 addresses stand in brackets. The values of
 * vlan= and bond= are dracut's.
 */
#include <errno.h>
#include <string.h>

#include "base/parse.h"
#include "init/cmdline_internal.h"

#define IP_FIELDS_MAX 10
#define ARP_MS_MAX    10000
#define MTU_MIN	      68
#define MTU_MAX	      65535

/* pxelinux writes the hardware type before the address: 01-52-54-00-12-34-56. */
int cmdline_take_bootif(struct cmdline *c, size_t offset, char *value)
{
	struct mac m;

	if (strlen(value) == MAC_STR_MAX + 2 && (value[2] == '-' || value[2] == ':'))
		value += 3;
	if (mac_parse(value, &m) < 0)
		return -EINVAL;
	c->bootif = m;
	c->have_bootif = true;
	return 0;
}

int cmdline_take_arp(struct cmdline *c, size_t offset, char *value)
{
	uint32_t ms;

	if (parse_u32(value, 0, ARP_MS_MAX, &ms) < 0)
		return -EINVAL;
	c->arp_ms = ms;
	c->arp_said = true;
	return 0;
}

/* An IPv6 address may stand in brackets. */
static int take_ipaddr(char *s, struct ipaddr *ret)
{
	size_t n = strlen(s);

	if (*s == '[' && s[n - 1] == ']') {
		s[n - 1] = 0;
		s++;
	}
	return ip_parse(s, ret);
}

int cmdline_take_nameserver(struct cmdline *c, size_t offset, char *value)
{
	struct ipaddr a;

	if (c->n_nameservers == CMDLINE_NAMESERVERS_MAX || take_ipaddr(value, &a) < 0)
		return -EINVAL;
	c->nameservers[c->n_nameservers++] = a;
	return 0;
}

static bool is_ifname(const char *s)
{
	return *s && strlen(s) < IFNAMSIZ && !strpbrk(s, "/ :") && strcmp(s, ".") &&
	       strcmp(s, "..");
}

/* vlan0005, vlan5, eth0.0005, eth0.5: the digits at the end are the number. */
int cmdline_take_vlan(struct cmdline *c, size_t offset, char *value)
{
	char *under = strchr(value, ':');
	const char *digits;
	uint32_t id;

	if (!under)
		return -EINVAL;
	*under++ = 0;
	digits = value + strlen(value);
	while (digits > value && digits[-1] >= '0' && digits[-1] <= '9')
		digits--;
	while (*digits == '0' && digits[1])
		digits++;
	if (!is_ifname(value) || !is_ifname(under) ||
	    parse_u32(digits, 1, CMDLINE_VLAN_MAX, &id) < 0)
		return -EINVAL;
	c->vlan = (struct cmdline_vlan){ .name = value, .under = under, .id = (uint16_t)id };
	return 0;
}

/* Cut @list at commas. Return: how many words, or -EINVAL when there are more than @max. */
static int split(char *list, const char **to, size_t max)
{
	size_t n = 0;

	for (char *word; (word = strsep(&list, ",")) != NULL;) {
		if (!*word)
			continue;
		if (n == max)
			return -EINVAL;
		to[n++] = word;
	}
	return (int)n;
}

static bool is_bond_option(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz_");

	return n > 0 && s[n] == '=' && s[n + 1];
}

/* Without more than a name: eth0 and eth1, as dracut has it. */
int cmdline_take_bond(struct cmdline *c, size_t offset, char *value)
{
	static const char *const slaves[] = { "eth0", "eth1" };
	struct cmdline_bond b = { 0 };
	char *rest = value, *list, *options, *mtu;
	int n;

	b.name = strsep(&rest, ":");
	list = strsep(&rest, ":");
	options = strsep(&rest, ":");
	mtu = strsep(&rest, ":");
	if (!*b.name)
		b.name = "bond0";
	n = split(list, b.slaves, CMDLINE_SLAVES_MAX);
	if (n < 0 || !is_ifname(b.name) || rest)
		return -EINVAL;
	b.n_slaves = (size_t)n;
	if (n == 0) {
		memcpy(b.slaves, slaves, sizeof(slaves));
		b.n_slaves = ARRAY_SIZE(slaves);
	}
	n = split(options, b.options, CMDLINE_BOND_OPTIONS_MAX);
	if (n < 0 || (mtu && *mtu && parse_u32(mtu, MTU_MIN, MTU_MAX, &b.mtu) < 0))
		return -EINVAL;
	b.n_options = (size_t)n;
	for (size_t i = 0; i < b.n_options; i++) {
		if (!is_bond_option(b.options[i]))
			return -EINVAL;
	}
	for (size_t i = 0; i < b.n_slaves; i++) {
		if (!is_ifname(b.slaves[i]))
			return -EINVAL;
	}
	c->bond = b;
	return 0;
}

static int ip_method(const char *s, enum cmdline_ip *ret)
{
	static const struct {
		const char *word;
		enum cmdline_ip ip;
	} methods[] = {
		{ "", CMDLINE_IP_DHCP },       { "dhcp", CMDLINE_IP_DHCP },
		{ "on", CMDLINE_IP_DHCP },     { "any", CMDLINE_IP_DHCP },
		{ "both", CMDLINE_IP_DHCP },   { "auto", CMDLINE_IP_DHCP },
		{ "bootp", CMDLINE_IP_DHCP },  { "rarp", CMDLINE_IP_DHCP },
		{ "off", CMDLINE_IP_OFF },     { "none", CMDLINE_IP_OFF },
		{ "static", CMDLINE_IP_OFF },  { "single-dhcp", CMDLINE_IP_DHCP },
		{ "dhcp4", CMDLINE_IP_DHCP },  { "dhcp6", CMDLINE_IP_DHCP6 },
		{ "auto6", CMDLINE_IP_AUTO6 }, { "either6", CMDLINE_IP_EITHER6 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
		if (!strcmp(s, methods[i].word)) {
			*ret = methods[i].ip;
			return 0;
		}
	}
	return -EINVAL;
}

static int ip_optional(char *s, struct ipaddr *ret)
{
	return !*s ? 0 : take_ipaddr(s, ret);
}

static int ip4_optional(const char *s, struct in_addr *ret)
{
	return !*s ? 0 : ipv4_parse(s, ret);
}

/* Netmask or prefix length; none: that of the address's class, or 64. */
static int ip_prefix(const char *s, const struct ipaddr *address, uint8_t *ret)
{
	uint32_t a = ntohl(address->v4.s_addr), prefix;
	bool v6 = address->family == AF_INET6;
	struct in_addr mask;
	unsigned n;

	if (!*s) {
		*ret = v6 ? 64 : a < 0x80000000 ? 8 : a < 0xc0000000 ? 16 : 24;
		return 0;
	}
	if (parse_u32(s, 0, v6 ? 128 : 32, &prefix) == 0) {
		*ret = (uint8_t)prefix;
		return 0;
	}
	if (v6 || ipv4_parse(s, &mask) < 0 || ipv4_prefix(mask, &n) < 0)
		return -EINVAL;
	*ret = (uint8_t)n;
	return 0;
}

/* Cut at the colons that stand outside of brackets. */
static size_t fields_split(char *s, char *field[static IP_FIELDS_MAX])
{
	char *const end = s + strlen(s);
	bool inside = false;
	size_t n = 1;

	field[0] = s;
	for (; *s; s++) {
		inside = *s == '[' || (inside && *s != ']');
		if (*s != ':' || inside || n == IP_FIELDS_MAX)
			continue;
		*s = 0;
		field[n++] = s + 1;
	}
	for (size_t i = n; i < IP_FIELDS_MAX; i++)
		field[i] = end;
	return n;
}

/* Ten fields: CLIENT:SERVER:GATEWAY:NETMASK:HOSTNAME:DEVICE:METHOD:DNS:DNS:NTP, or :METHOD:MTU. */
static int take_fields(struct cmdline *c, char *field[static IP_FIELDS_MAX])
{
	struct cmdline_static a = { 0 };
	enum cmdline_ip method = CMDLINE_IP_DHCP;
	uint32_t mtu = 0;
	bool is_mtu = *field[7] && !strpbrk(field[7], ".:");

	if (ip_optional(field[0], &a.address) < 0 || ip4_optional(field[1], &a.server) < 0 ||
	    ip_optional(field[2], &a.gateway) < 0 ||
	    ip_prefix(field[3], &a.address, &a.prefix) < 0 || ip_method(field[6], &method) < 0 ||
	    (is_mtu && parse_u32(field[7], MTU_MIN, MTU_MAX, &mtu) < 0) ||
	    (!is_mtu && ip_optional(field[7], &a.dns[0]) < 0) ||
	    ip_optional(field[8], &a.dns[1]) < 0 || ip_optional(field[9], &a.ntp) < 0 ||
	    (ip_is_set(&a.address) && ip_is_set(&a.gateway) &&
	     a.address.family != a.gateway.family) ||
	    (*field[5] && !is_ifname(field[5])))
		return -EINVAL;
	a.hostname = *field[4] ? field[4] : NULL;
	c->device = *field[5] ? field[5] : NULL;
	c->ip = ip_is_set(&a.address) ? CMDLINE_IP_STATIC : method;
	c->addr = a;
	c->mtu = mtu;
	return 0;
}

int cmdline_take_ip(struct cmdline *c, size_t offset, char *value)
{
	char *field[IP_FIELDS_MAX];
	enum cmdline_ip method;
	size_t n = fields_split(value, field);
	uint32_t mtu = 0;

	c->ip_given = true;
	if (n == 1 && ip_method(field[0], &method) == 0) {
		c->ip = method;
		return 0;
	}
	/* DEVICE:METHOD[:MTU] */
	if (n >= 2 && is_ifname(field[0]) && *field[1] && ip_method(field[1], &method) == 0) {
		if (n > 3 || (*field[2] && parse_u32(field[2], MTU_MIN, MTU_MAX, &mtu) < 0))
			return -EINVAL;
		c->ip = method;
		c->device = field[0];
		c->mtu = mtu;
		return 0;
	}
	return take_fields(c, field);
}
