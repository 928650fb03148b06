/*
 * config.c - bpboot config: the configuration of stock parts, printed or put where they look for it
 *
 * `install` writes whole files and replaces only those that are named in its output. It starts and
 * restarts nothing. What is missing in the boot directory by then is said, with what makes it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/path.h"
#include "cli/commands.h"
#include "serve/cluster.h"
#include "serve/dnsmasq.h"
#include "serve/file_servers.h"
#include "serve/ipxe.h"
#include "serve/isc_dhcpd.h"
#include "serve/kea.h"
#include "serve/loaders.h"
#include "serve/nodes.h"

#define CLUSTER_FILE "/etc/bpboot/cluster.conf"
#define DNSMASQ_FILE "/etc/dnsmasq.d/bpboot.conf"
#define PROGRAMS_DIR "/usr/lib/ipxe"

struct config_options {
	const char *cluster, *dnsmasq, *programs, *kea_version;
};

struct site_text {
	enum kea_version kea_version;
	struct cluster cluster;
	struct nodes nodes;
};

static void site_text_clear(struct site_text *s)
{
	cluster_clear(&s->cluster);
	nodes_clear(&s->nodes);
}

static int format_dnsmasq(const struct site_text *s, struct buffer *to)
{
	return dnsmasq_format(&s->cluster, &s->nodes, DNSMASQ_WHOLE, to);
}

static int format_dnsmasq_proxy(const struct site_text *s, struct buffer *to)
{
	return dnsmasq_format(&s->cluster, &s->nodes, DNSMASQ_PROXY, to);
}

static int format_ipxe(const struct site_text *s, struct buffer *to)
{
	return ipxe_format(&s->cluster, &s->nodes, false, to);
}

static int format_ipxe_proxy(const struct site_text *s, struct buffer *to)
{
	return ipxe_format(&s->cluster, &s->nodes, true, to);
}

static int format_isc_dhcpd(const struct site_text *s, struct buffer *to)
{
	return isc_dhcpd_format(&s->cluster, &s->nodes, to);
}

static int format_dnsmasq_dhcp(const struct site_text *s, struct buffer *to)
{
	return dnsmasq_format(&s->cluster, &s->nodes, DNSMASQ_DHCP, to);
}

static int format_dnsmasq_tftp(const struct site_text *s, struct buffer *to)
{
	return dnsmasq_format(&s->cluster, &s->nodes, DNSMASQ_TFTP, to);
}

static int format_kea(const struct site_text *s, struct buffer *to)
{
	return kea_format(&s->cluster, &s->nodes, s->kea_version, NULL, to);
}

static int format_pxelinux(const struct site_text *s, struct buffer *to)
{
	return pxelinux_format(&s->cluster, to);
}

static int format_grub(const struct site_text *s, struct buffer *to)
{
	return grub_format(&s->cluster, to);
}

static int format_tftpd_hpa(const struct site_text *s, struct buffer *to)
{
	return tftpd_hpa_format(&s->cluster, to);
}

static int format_atftpd(const struct site_text *s, struct buffer *to)
{
	return atftpd_format(&s->cluster, to);
}

static int format_nginx(const struct site_text *s, struct buffer *to)
{
	return nginx_format(&s->cluster, to);
}

/* Every part that we write configuration for. */
enum {
	KIND_DNSMASQ,
	KIND_DNSMASQ_PROXY,
	KIND_DNSMASQ_DHCP,
	KIND_DNSMASQ_TFTP,
	KIND_IPXE,
	KIND_IPXE_PROXY,
	KIND_PXELINUX,
	KIND_GRUB,
	KIND_ISC_DHCPD,
	KIND_KEA,
	KIND_TFTPD_HPA,
	KIND_ATFTPD,
	KIND_NGINX,
	KIND_MAX_
};
static const struct {
	const char *name;
	int (*format)(const struct site_text *s, struct buffer *to);
} kinds[] = {
	[KIND_DNSMASQ] = { "dnsmasq", format_dnsmasq },
	[KIND_DNSMASQ_PROXY] = { "dnsmasq-proxy", format_dnsmasq_proxy },
	[KIND_DNSMASQ_DHCP] = { "dnsmasq-dhcp", format_dnsmasq_dhcp },
	[KIND_DNSMASQ_TFTP] = { "dnsmasq-tftp", format_dnsmasq_tftp },
	[KIND_IPXE] = { "ipxe", format_ipxe },
	[KIND_IPXE_PROXY] = { "ipxe-proxy", format_ipxe_proxy },
	[KIND_PXELINUX] = { "pxelinux", format_pxelinux },
	[KIND_GRUB] = { "grub", format_grub },
	[KIND_ISC_DHCPD] = { "isc-dhcpd", format_isc_dhcpd },
	[KIND_KEA] = { "kea", format_kea },
	[KIND_TFTPD_HPA] = { "tftpd-hpa", format_tftpd_hpa },
	[KIND_ATFTPD] = { "atftpd", format_atftpd },
	[KIND_NGINX] = { "nginx", format_nginx },
};

static int format(const struct site_text *s, size_t kind, struct buffer *to)
{
	int r = kinds[kind].format(s, to);

	if (r == -E2BIG || r == -ENOMEM)
		return log_err(r, "cannot write the configuration of %s", kinds[kind].name);
	return r;
}

static int print(const struct site_text *s, size_t kind)
{
	_cleanup_buffer_ struct buffer text = BUFFER(DNSMASQ_BYTES_MAX);
	int r = format(s, kind, &text);

	if (r < 0)
		return r;
	r = fd_write_all(STDOUT_FILENO, buffer_str(&text), text.len);
	return r < 0 ? log_err(r, "cannot write to standard output") : 0;
}

static int install_text(const struct site_text *s, size_t kind, const char *path)
{
	_cleanup_buffer_ struct buffer text = BUFFER(DNSMASQ_BYTES_MAX);
	int r = format(s, kind, &text);

	if (r < 0)
		return r;
	r = file_write(AT_FDCWD, path, buffer_str(&text), text.len, 0644);
	return r < 0 ? log_err(r, "cannot write '%s'", path) : 0;
}

static void say(const char *path, const char *words)
{
	printf("%s: %s\n", path, words);
}

/* What a person would find out from a node's screen else. */
static void warn_of_boot(const struct cluster *c)
{
	const char *const names[] = { c->kernel, c->initrd, c->image };
	static const char *const suffix[] = { "", "", ".index" };
	static const char *const maker[] = { "bpboot initrd", "bpboot initrd", "bpboot image" };
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *path = NULL;

		if (asprintf(&path, "%s/%s%s", c->boot, names[i], suffix[i]) < 0)
			path = NULL;
		else if (access(path, F_OK) < 0)
			log_warn(0, "no '%s' yet: '%s' makes it", path, maker[i]);
	}
	if (stat(c->boot, &st) == 0 && (st.st_mode & 05) != 05)
		log_warn(0, "'%s' cannot be read by everybody, and so not by dnsmasq: chmod 755 it",
			 c->boot);
}

static int install(const struct config_options *o, const struct site_text *s)
{
	const struct cluster *c = &s->cluster;
	struct loader_dirs dirs = LOADER_DIRS;
	_cleanup_free_ char *script = NULL;
	int r = path_mkdirs(AT_FDCWD, c->boot, 0755);

	if (r < 0)
		return log_err(r, "cannot make the boot directory '%s'", c->boot);
	r = path_mkdirs(AT_FDCWD, c->master_state, 0755); /* dnsmasq keeps its leases there */
	if (r < 0)
		return log_err(r, "cannot make the state directory '%s'", c->master_state);
	r = path_join(c->boot, DNSMASQ_SCRIPT, &script);
	if (r == 0)
		r = install_text(s, KIND_DNSMASQ, o->dnsmasq);
	if (r == -ENOENT)
		log_err(0,
			"is Debian's package dnsmasq installed? Else name a file: --dnsmasq FILE");
	if (r == 0)
		r = install_text(s, KIND_IPXE, script);
	if (r < 0)
		return r;
	printf("%s: DHCP and TFTP for %zu nodes on %s; restart dnsmasq to use it\n", o->dnsmasq,
	       s->nodes.n, c->interface);
	printf("%s: loads %s and %s\n", script, c->kernel, c->initrd);
	dirs.ipxe = o->programs;
	r = loaders_install(c, &dirs, c->boot, say);
	if (r < 0)
		return r;
	warn_of_boot(c);
	if (s->nodes.n == 0 && c->unknown == CLUSTER_REFUSE)
		log_warn(0, "no node is listed%s, so none gets an answer",
			 c->nodes ? "" : " (nodes= in the cluster file names the table)");
	return 0;
}

static int config_run(void *options, int argc, char **argv)
{
	const struct config_options *o = options;
	_cleanup_(site_text_clear) struct site_text s = { 0 };
	bool is_install = !strcmp(argv[0], "install");
	size_t kind = 0;
	int r;

	while (kind < KIND_MAX_ && strcmp(argv[0], kinds[kind].name))
		kind++;
	if (kind == KIND_MAX_ && !is_install) {
		log_err(0,
			"unknown kind of configuration '%s'; 'bpboot config --help' names them all",
			argv[0]);
		return COMMAND_USAGE;
	}
	if (strcmp(o->kea_version, "2.2") && strcmp(o->kea_version, "3.0")) {
		log_err(0, "--kea-version '%s': expected 2.2 or 3.0", o->kea_version);
		return COMMAND_USAGE;
	}
	s.kea_version = o->kea_version[0] == '3' ? KEA_3_0 : KEA_2_2;
	r = cluster_load(o->cluster, &s.cluster);
	if (r == 0)
		r = nodes_load(s.cluster.nodes, &s.nodes);
	if (r < 0)
		return r;
	return is_install ? install(o, &s) : print(&s, kind);
}

static void config_defaults(void *options)
{
	struct config_options *o = options;

	o->cluster = CLUSTER_FILE;
	o->dnsmasq = DNSMASQ_FILE;
	o->programs = PROGRAMS_DIR;
	o->kea_version = "2.2";
}

static const struct option_row config_options[] = {
#define AT(field) offsetof(struct config_options, field)
	{ "cluster", 'c', OPTION_STRING, "FILE", "cluster file (" CLUSTER_FILE ")", AT(cluster) },
	{ "dnsmasq", 0, OPTION_STRING, "FILE", "what install writes for dnsmasq (" DNSMASQ_FILE ")",
	  AT(dnsmasq) },
	{ "programs", 0, OPTION_STRING, "DIR",
	  "where install finds iPXE's boot programs (" PROGRAMS_DIR ")", AT(programs) },
	{ "kea-version", 0, OPTION_STRING, "VERSION",
	  "2.2 (also 2.4), or 3.0, which has new words for some things (2.2)", AT(kea_version) },
	{ 0 },
#undef AT
};

const struct command cmd_config = {
	.name = "config",
	.args = "KIND",
	.summary = "the configuration of stock parts: servers of DHCP and of files, loaders",
	.details =
		"Kinds:\n"
		"  dnsmasq   print that of the DHCP and TFTP server for the cluster's nodes\n"
		"  dnsmasq-dhcp, dnsmasq-tftp  that of one of both alone\n"
		"  isc-dhcpd, kea              that of ISC's DHCP servers, where TFTP is "
		"another's\n"
		"  tftpd-hpa, atftpd, nginx    that of a server of the boot directory's files\n"
		"  ipxe      print boot.ipxe, the script that loads kernel and initrd\n"
		"  pxelinux, grub              what these loaders read for the same\n"
		"  dnsmasq-proxy, ipxe-proxy   the same beside a DHCP server that is not touched\n"
		"  install   put dnsmasq's and iPXE's where they belong, and the loader's files "
		"beside\n",
	.options = config_options,
	.options_size = sizeof(struct config_options),
	.defaults = config_defaults,
	.args_min = 1,
	.args_max = 1,
	.run = config_run,
};
