/*
 * cmdline.c - the kernel command line as init understands it
 *
 * Words stand between blanks; double quotes keep blanks together, as for the kernel. What is not in
 * the table belongs to the kernel, a module or the root's init, and is passed over.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "init/cmdline.h"
#include "init/cmdline_internal.h"

#define SECONDS_MAX 86400

static int take_string(struct cmdline *c, size_t offset, char *value)
{
	if (!*value)
		return -EINVAL;
	*(const char **)((char *)c + offset) = value;
	return 0;
}

static int take_flag(struct cmdline *c, size_t offset, char *value)
{
	*(bool *)((char *)c + offset) = strcmp(value, "0") != 0 && strcmp(value, "no") != 0;
	return 0;
}

static int take_node_key(struct cmdline *c, size_t offset, char *value)
{
	if (*value != '/' && strcmp(value, CMDLINE_NODE_KEY_EFI) != 0)
		return -EINVAL;
	c->node_key = value;
	return 0;
}

static int take_rw(struct cmdline *c, size_t offset, char *value)
{
	c->ro = false;
	return 0;
}

static int take_seconds(struct cmdline *c, size_t offset, char *value)
{
	return parse_u32(value, 1, SECONDS_MAX, (uint32_t *)((char *)c + offset));
}

static int take_u16(struct cmdline *c, size_t offset, char *value)
{
	return parse_u32(value, 1, UINT16_MAX, (uint32_t *)((char *)c + offset));
}

static int take_panic(struct cmdline *c, size_t offset, char *value)
{
	uint32_t v;
	bool negative = *value == '-';

	if (parse_u32(value + negative, 0, SECONDS_MAX, &v) < 0)
		return -EINVAL;
	c->panic_s = negative ? -1 : (int32_t)v;
	c->have_panic = true;
	return 0;
}

/* MIN or MIN-MAX seconds. */
static int take_retry(struct cmdline *c, size_t offset, char *value)
{
	char *dash = strchr(value, '-');
	uint32_t min, max;

	if (dash)
		*dash++ = 0;
	if (parse_u32(value, 0, SECONDS_MAX, &min) < 0)
		return -EINVAL;
	max = min;
	if (dash && parse_u32(dash, min, SECONDS_MAX, &max) < 0)
		return -EINVAL;
	c->retry_min_s = min;
	c->retry_max_s = max;
	return 0;
}

static int take_master(struct cmdline *c, size_t offset, char *value)
{
	int r = ip_parse_port(value, 0, &c->master, &c->master_port);

	c->have_master = c->have_master || r == 0;
	return r;
}

static int take_log(struct cmdline *c, size_t offset, char *value)
{
	int r = ip_parse_port(value, 0, &c->log, &c->log_port);

	c->have_log = c->have_log || r == 0;
	return r;
}

static int take_blacklist(struct cmdline *c, size_t offset, char *value)
{
	for (char *name; (name = strsep(&value, ",")) && c->n_blacklist < CMDLINE_BLACKLIST_MAX;) {
		if (*name)
			c->blacklist[c->n_blacklist++] = name;
	}
	return 0;
}

static int take_ramdisk(struct cmdline *c, size_t offset, char *value)
{
	static const char *const packers[] = { "lz4", "zstd" };
	const char *name = strchr(value, ':');
	size_t n = name ? (size_t)(name - value) : strlen(value);
	bool zram = n == 4 && !strncmp(value, "zram", n);

	if (name && zram) {
		for (size_t i = 0; i < ARRAY_SIZE(packers); i++) {
			if (!strcmp(packers[i], name + 1)) {
				c->zram = packers[i];
				return 0;
			}
		}
	}
	if (name || (!zram && strcmp(value, "brd") != 0))
		return -EINVAL;
	c->zram = zram ? packers[0] : NULL;
	return 0;
}

/* What tmpfs understands. */
static int take_overlay_size(struct cmdline *c, size_t offset, char *value)
{
	size_t n = strspn(value, "0123456789");

	if (n == 0 || n > 15 || (value[n] && (!strchr("kKmMgG%", value[n]) || value[n + 1])))
		return -EINVAL;
	c->overlay_size = value;
	return 0;
}

/* Every parameter that init itself reads; the manual (man/bpboot-init.7) has the same list. */
static const struct {
	const char *name;
	take_fn take;
	size_t offset;
	const char *expected;
} parameters[] = {
	{ "BOOTIF", cmdline_take_bootif, 0, "a MAC address such as 01-52-54-00-12-34-56" },
	{ "bond", cmdline_take_bond, 0, "NAME[:NIC,...[:OPTION=VALUE,...[:MTU]]]" },
	{ "bpboot.arp", cmdline_take_arp, 0, "milliseconds, 0 to 10000" },
	{ "bpboot.blksize", take_u16, offsetof(struct cmdline, blksize), "bytes" },
	{ "bpboot.dhcp", take_seconds, offsetof(struct cmdline, dhcp_s), "seconds" },
	{ "bpboot.dns", take_seconds, offsetof(struct cmdline, dns_s), "seconds" },
	{ "bpboot.fetch", take_seconds, offsetof(struct cmdline, fetch_s), "seconds" },
	{ "bpboot.link", take_seconds, offsetof(struct cmdline, link_s), "seconds" },
	{ "bpboot.log", take_log, 0, "an address, A.B.C.D[:PORT] or [IPV6][:PORT]" },
	{ "bpboot.master", take_master, 0, "an address, A.B.C.D[:PORT] or [IPV6][:PORT]" },
	{ "bpboot.node-key", take_node_key, 0, "efi, or the path of a file" },
	{ "bpboot.overlay-size", take_overlay_size, 0, "a size such as 512M, or a percentage" },
	{ "bpboot.ramdisk", take_ramdisk, 0, "brd, zram, zram:lz4 or zram:zstd" },
	{ "bpboot.retry", take_retry, 0, "seconds, MIN or MIN-MAX" },
	{ "bpboot.sessions", take_u16, offsetof(struct cmdline, sessions), "a number" },
	{ "bpboot.watchdog", take_seconds, offsetof(struct cmdline, watchdog_s), "seconds" },
	{ "bpboot.windowsize", take_u16, offsetof(struct cmdline, windowsize), "blocks" },
	{ "debug", take_flag, offsetof(struct cmdline, debug), "" },
	{ "init", take_string, offsetof(struct cmdline, init), "a path" },
	{ "ip", cmdline_take_ip, 0,
	  "dhcp, dhcp6, auto6, off, DEVICE:METHOD or "
	  "CLIENT:SERVER:GATEWAY:NETMASK:HOSTNAME:DEVICE" },
	{ "modprobe.blacklist", take_blacklist, 0, "MODULE,..." },
	{ "module_blacklist", take_blacklist, 0, "MODULE,..." },
	{ "nameserver", cmdline_take_nameserver, 0, "an address, at most 4 of them" },
	{ "netconsole", take_string, offsetof(struct cmdline, netconsole),
	  "[PORT]@[ADDRESS]/[DEVICE],[PORT]@ADDRESS/[MAC]" },
	{ "nfsroot", take_string, offsetof(struct cmdline, nfsroot), "[SERVER:]/PATH[,OPTIONS]" },
	{ "panic", take_panic, 0, "seconds" },
	{ "quiet", take_flag, offsetof(struct cmdline, quiet), "" },
	{ "rd.break", take_string, offsetof(struct cmdline, rd_break), "a stage" },
	{ "rd.driver.blacklist", take_blacklist, 0, "MODULE,..." },
	{ "rd.shell", take_flag, offsetof(struct cmdline, shell), "" },
	{ "ro", take_flag, offsetof(struct cmdline, ro), "" },
	{ "root", take_string, offsetof(struct cmdline, root),
	  "tftp://SERVER/PATH, http://SERVER/PATH, nfs:SERVER:/PATH, /dev/NAME, LABEL=NAME or "
	  "UUID=NUMBER" },
	{ "rootdelay", take_seconds, offsetof(struct cmdline, disk_s), "seconds" },
	{ "rootflags", take_string, offsetof(struct cmdline, rootflags), "mount options" },
	{ "rootfstype", take_string, offsetof(struct cmdline, rootfstype), "a file system" },
	{ "rootwait", take_flag, offsetof(struct cmdline, rootwait), "" },
	{ "rw", take_rw, 0, "" },
	{ "vlan", cmdline_take_vlan, 0,
	  "NAME:NIC where NAME ends in 1 to 4094, as vlan5 or eth0.5" },
};

static _printf_(2, 3) void warn(struct cmdline *c, const char *fmt, ...)
{
	va_list ap;

	if (c->n_warnings == CMDLINE_WARNINGS_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(c->warnings[c->n_warnings++], CMDLINE_WARNING_MAX, fmt, ap);
	va_end(ap);
}

static void take_word(struct cmdline *c, char *word)
{
	char *value = strchr(word, '='), shown[CMDLINE_WARNING_MAX / 2];
	size_t n = value ? (size_t)(value - word) : strlen(word);

	value = value ? value + 1 : word + n;
	for (size_t i = 0; i < ARRAY_SIZE(parameters); i++) {
		if (strlen(parameters[i].name) != n || memcmp(parameters[i].name, word, n))
			continue;
		snprintf(shown, sizeof(shown), "%s", word);
		if (parameters[i].take(c, parameters[i].offset, value) < 0)
			warn(c, "ignoring '%s': expected %s", shown, parameters[i].expected);
		return;
	}
	if (!strncmp(word, "bpboot.", 7))
		warn(c, "ignoring '%.64s': there is no such parameter", word);
	else if (memchr(word, '.', n) && word[n] && c->n_module_words < CMDLINE_MODULE_WORDS_MAX)
		c->module_words[c->n_module_words++] = word;
}

/* Take the next word at *p, unquoted in place. Return: NULL at the end. */
static char *next_word(char **p)
{
	char *word, *to, *from = *p;
	bool quoted = false;

	while (*from == ' ' || *from == '\t' || *from == '\n')
		from++;
	if (!*from)
		return NULL;
	word = to = from;
	for (; *from && (quoted || (*from != ' ' && *from != '\t' && *from != '\n')); from++) {
		if (*from == '"')
			quoted = !quoted;
		else
			*to++ = *from;
	}
	*p = *from ? from + 1 : from;
	*to = 0;
	return word;
}

void cmdline_parse(const char *text, struct cmdline *c)
{
	char *p = c->text, *word;

	*c = (struct cmdline){ .retry_min_s = 2,
			       .retry_max_s = 60,
			       .link_s = 40,
			       .dhcp_s = 60,
			       .dns_s = 20,
			       .fetch_s = 60, .disk_s = 30 };
	if (strlen(text) >= sizeof(c->text))
		warn(c, "the kernel command line is longer than %d bytes: the rest is ignored",
		     CMDLINE_BYTES_MAX - 1);
	snprintf(c->text, sizeof(c->text), "%s", text);
	while ((word = next_word(&p)) &&
	       strcmp(word, "--")) /* what follows is for the root's init */
		take_word(c, word);
}

bool cmdline_blacklisted(const struct cmdline *c, const char *module)
{
	for (size_t i = 0; i < c->n_blacklist; i++) {
		const char *a = c->blacklist[i], *b = module;

		while (*a && (*a == *b || (*a == '-' && *b == '_') || (*a == '_' && *b == '-')))
			a++, b++;
		if (!*a && !*b)
			return true;
	}
	return false;
}
