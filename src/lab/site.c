/*
 * site.c - what a lab is made of, and the files that say it to its servers and the firmware
 *
 * The lab is a site like any other: a cluster file and a node table are written, read back by the
 * parsers that real sites use, and turned into the configuration of servers and loaders by the code
 * that `bpboot config` runs. dnsmasq's log is the lab's view of the firmware.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/file.h"
#include "base/log.h"
#include "base/path.h"
#include "base/process.h"
#include "lab/boot_files.h"
#include "lab/hub.h"
#include "lab/site.h"
#include "serve/dnsmasq.h"
#include "serve/firmware.h"
#include "serve/ipxe.h"
#include "serve/isc_dhcpd.h"
#include "serve/kea.h"
#include "serve/loaders.h"
#include "serve/nodes.h"

/* iPXE waits 16 s for an IPv6 router before it goes on with IPv4; one that answers, and routes
 * nothing, spares that. */
static const char router_lines[] =
	"\n# the lab's own: an answer for those who look for an IPv6 router\n"
	"enable-ra\ndhcp-range=fd77::,ra-only\nra-param=" HUB_INTERFACE ",0,0\n";

/* Linux counts timer interrupts against a busy loop and panics when they are too few, which happens
 * under emulation on a machine that has other things to do. */
#define NO_TIMER_CHECK " no_timer_check"

enum { UKI_WORDS_MAX = 16 << 10 }; /* of bpboot uki, when it fails */

static int write_text(const struct place *p, const char *name, const struct buffer *text)
{
	int r = file_write(p->dir, name, buffer_str(text), text->len, 0644);

	return r < 0 ? log_err(r, "cannot write '%s/%s'", p->path, name) : 0;
}

static int write_nodes(const struct site *s, const struct place *p)
{
	_cleanup_buffer_ struct buffer text = BUFFER(NODES_BYTES_MAX);
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->n_nodes; i++) {
		struct mac m = hub_mac(i);
		char mac[MAC_STR_MAX];

		r = buffer_printf(&text, "%zu %s 10.77.0.%zu\n", i, mac_format(&m, mac), i + 10);
	}
	return r < 0 ? log_err(r, "cannot write the node table") : write_text(p, "nodes", &text);
}

static int write_cluster(const struct site *s, const struct place *p)
{
	_cleanup_buffer_ struct buffer text = BUFFER(CLUSTER_BYTES_MAX);
	int r = buffer_printf(&text,
			      "[cluster]\nname=%s\ninterface=" HUB_INTERFACE
			      "\nnetwork=10.77.0.0/24\n"
			      "address=10.77.0.1\nboot=%s/boot\nimage=%s\nnodes=nodes\n"
			      "loader=%s\ncmdline=console=ttyS0,115200 loglevel=3%s\n",
			      p->name, p->path, s->image, cluster_loader_name(s->loader),
			      s->kvm ? "" : NO_TIMER_CHECK);

	if (r == 0 && s->append[0])
		r = buffer_printf(&text, "\t%s\n", s->append);
	if (r == 0)
		r = buffer_printf(&text,
				  "[dhcp]\nlease=1h\n[master]\nstate=state\nsocket=master.sock\n"
				  "key=%s/master.key\nconsoles=consoles\n",
				  s->keys);
	return r < 0 ? log_err(r, "cannot write the cluster file")
		     : write_text(p, "cluster.conf", &text);
}

static int make_dirs(const struct place *p)
{
	static const char *const dirs[] = { "boot", "state", "state/boots", "consoles" };

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		if (mkdirat(p->dir, dirs[i], 0755) < 0)
			return log_err(-errno, "cannot make '%s/%s'", p->path, dirs[i]);
	}
	return 0;
}

/* What a person would find out from a console else, node by node. */
static int check_boot(const struct site *s, const struct cluster *c)
{
	const char *const names[] = { c->kernel, c->initrd };
	static const char *const advice[] = { "bpboot initrd", "bpboot initrd" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *path = NULL;
		int r = path_join(s->boot, names[i], &path);

		if (r == 0 && access(path, R_OK) < 0)
			r = -errno;
		if (r < 0)
			return log_err(r, "no '%s' in the boot directory '%s'; '%s' makes it",
				       names[i], s->boot, advice[i]);
	}
	return 0;
}

/* dnsmasq runs in every lab: as what is asked of it, and as the router. */
static int write_dnsmasq(const struct site *s, const struct place *p, const struct cluster *c,
			 const struct nodes *t)
{
	_cleanup_buffer_ struct buffer text = BUFFER(DNSMASQ_BYTES_MAX);
	bool dhcp = s->dhcp == SITE_DHCP_DNSMASQ, tftp = s->tftp == SITE_TFTP_DNSMASQ;
	int r;

	if (dhcp || tftp)
		r = dnsmasq_format(c, t,
				   !dhcp  ? DNSMASQ_TFTP
				   : tftp ? DNSMASQ_WHOLE
					  : DNSMASQ_DHCP,
				   &text);
	else
		r = buffer_printf(&text,
				  "# nothing but the lab's router\nport=0\ninterface=%s\n"
				  "except-interface=lo\nbind-interfaces\n",
				  c->interface);
	if (r == 0 && hub_has_ipv6())
		r = buffer_printf(&text, "%s", router_lines);
	return r < 0 ? r : write_text(p, "dnsmasq.conf", &text);
}

static int write_dhcp(const struct site *s, const struct place *p, const struct cluster *c,
		      const struct nodes *t)
{
	_cleanup_buffer_ struct buffer text = BUFFER(DNSMASQ_BYTES_MAX);
	char leases[PLACE_PATH_MAX + 32];
	int r;

	if (s->dhcp == SITE_DHCP_ISC) {
		static const struct buffer none;

		r = isc_dhcpd_format(c, t, &text);
		r = r < 0 ? r : write_text(p, "dhcpd.conf", &text);
		return r < 0 ? r : write_text(p, "state/dhcpd.leases", &none);
	}
	if (s->dhcp != SITE_DHCP_KEA)
		return 0;
	snprintf(leases, sizeof(leases), "%s/state/kea.leases", p->path);
	r = kea_format(c, t, KEA_2_2, leases, &text);
	return r < 0 ? r : write_text(p, "kea.conf", &text);
}

static void tell_nothing(const char *path, const char *words)
{
}

/* Kernel, initrd and command line in one file: bpboot uki makes it, since image/ is not for us to
 * use. Not signed, as the lab's firmware asks for no signature. */
static int make_uki(const struct site *s, const struct place *p)
{
	char file[PLACE_PATH_MAX + 16], output[PLACE_PATH_MAX + 32];
	const char *const argv[] = { s->bpboot, "uki",	    "--cluster", file, "--no-sign",
				     "--quiet", "--output", output,	 NULL };
	_cleanup_buffer_ struct buffer said = BUFFER(UKI_WORDS_MAX);
	int status, r;

	snprintf(file, sizeof(file), "%s/cluster.conf", p->path);
	snprintf(output, sizeof(output), "%s/boot/" FIRMWARE_UKI, p->path);
	r = process_capture(argv, NULL, &said, &status);
	if (r < 0)
		return log_err(r, "cannot run '%s uki'", s->bpboot);
	return status ? log_err(-EIO, "cannot make the unified kernel image: %s", buffer_str(&said))
		      : 0;
}

/* boot.ipxe, and what the loader needs beside. */
static int write_loader(const struct site *s, const struct place *p, const struct cluster *c,
			const struct nodes *t)
{
	static const struct loader_dirs dirs = LOADER_DIRS;
	_cleanup_buffer_ struct buffer script = BUFFER(IPXE_BYTES_MAX);
	int r = ipxe_format(c, t, false, &script);

	r = r < 0 ? r : write_text(p, "boot/" DNSMASQ_SCRIPT, &script);
	r = r < 0 ? r : loaders_install(c, &dirs, c->boot, tell_nothing);
	return r == 0 && s->loader == CLUSTER_UKI ? make_uki(s, p) : r;
}

int site_write(const struct site *s, const struct place *p, struct cluster *ret)
{
	_cleanup_cluster_ struct cluster c = { 0 };
	_cleanup_nodes_ struct nodes t = { 0 };
	char file[PLACE_PATH_MAX + 16];
	int r = make_dirs(p);

	if (r == 0)
		r = write_nodes(s, p);
	if (r == 0)
		r = write_cluster(s, p);
	snprintf(file, sizeof(file), "%s/cluster.conf", p->path);
	if (r == 0)
		r = cluster_load(file, &c);
	if (r == 0)
		r = nodes_load(c.nodes, &t);
	if (r == 0)
		r = check_boot(s, &c);
	if (r == 0)
		r = boot_files(s, p, &c);
	if (r == 0)
		r = write_dnsmasq(s, p, &c, &t);
	if (r == 0)
		r = write_dhcp(s, p, &c, &t);
	if (r == 0 && s->firmware != SITE_DIRECT)
		r = write_loader(s, p, &c, &t);
	if (r < 0)
		return r;
	*ret = c;
	c = (struct cluster){ 0 };
	return 0;
}
