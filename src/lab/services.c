/*
 * services.c - the command lines of a lab's servers
 *
 * Options are those of the packages' own units and of what `bpboot config` writes for them, but in
 * the foreground, as the user that the lab is, and with their files in the lab's folder. Kea knows
 * folders of its own from the environment only.
 */
#include <stdarg.h>
#include <stdio.h>

#include "lab/hub.h"
#include "lab/services.h"

/* The next argument: static text, or text with @path in it. */
static void add(struct service *v, const char *arg)
{
	size_t n = 0;

	while (v->argv[n])
		n++;
	if (n < SERVICES_ARGS_MAX - 1)
		v->argv[n] = arg;
}

static void add_path(struct service *v, const char *before, const struct place *p,
		     const char *behind)
{
	char *at = v->text + v->n_text;
	int n = snprintf(at, sizeof(v->text) - v->n_text, "%s%s%s", before, p->path, behind);

	if (n < 0 || (size_t)n >= sizeof(v->text) - v->n_text)
		return; /* SERVICES_TEXT_MAX holds the longest of them */
	v->n_text += (size_t)n + 1;
	add(v, at);
}

static struct service begin(const char *name, const char *log, const char *program)
{
	return (struct service){ .name = name, .log = log, .argv = { program } };
}

static void add_all(struct service *v, const char *const *args)
{
	for (; *args; args++)
		add(v, *args);
}

static void list_dhcp(const struct site *s, const struct place *p, struct service *v)
{
	static const char *const isc[] = { "-f", "-4", "--no-pid", NULL };

	if (s->dhcp == SITE_DHCP_ISC) {
		*v = begin("dhcpd", "dhcpd.log", "dhcpd");
		add_all(v, isc);
		add(v, "-cf");
		add_path(v, "", p, "/dhcpd.conf");
		add(v, "-lf");
		add_path(v, "", p, "/state/dhcpd.leases");
		add(v, HUB_INTERFACE);
		return;
	}
	*v = begin("kea-dhcp4", "kea-dhcp4.log", "env");
	add_path(v, "KEA_PIDFILE_DIR=", p, "/state");
	add_path(v, "KEA_LOCKFILE_DIR=", p, "/state");
	add(v, "kea-dhcp4");
	add(v, "-c");
	add_path(v, "", p, "/kea.conf");
}

static void list_tftp(const struct site *s, const struct place *p, struct service *v)
{
	static const char *const hpa[] = { "--foreground", "--user",   "root", "--address",
					   "10.77.0.1:69", "--secure", NULL };
	static const char *const atftpd[] = {
		"--daemon", "--no-fork", "--user",	   "root",
		"--group",  "root",	 "--bind-address", "10.77.0.1",
		"--port",   "69",	 "--logfile",	   "-",
		NULL
	};

	if (s->tftp == SITE_TFTP_HPA) {
		*v = begin("in.tftpd", "in.tftpd.log", "in.tftpd");
		add_all(v, hpa);
	} else {
		*v = begin("atftpd", "atftpd.log", "atftpd");
		add_all(v, atftpd);
	}
	add_path(v, "", p, "/boot");
}

size_t services_list(const struct site *s, const struct place *p,
		     struct service ret[static SERVICES_MAX])
{
	size_t n = 0;

	if (!s->light) {
		ret[n] = begin("dnsmasq", "dnsmasq.log", "dnsmasq");
		add(&ret[n], "--no-daemon");
		add_path(&ret[n++], "--conf-file=", p, "/dnsmasq.conf");
	}
	if (s->dhcp != SITE_DHCP_DNSMASQ)
		list_dhcp(s, p, &ret[n++]);
	if (s->tftp != SITE_TFTP_DNSMASQ)
		list_tftp(s, p, &ret[n++]);
	if (s->bpmaster) {
		ret[n] = begin("bpmaster", "master.log", s->bpmaster);
		add(&ret[n], "--foreground");
		add(&ret[n], "--config");
		add_path(&ret[n++], "", p, "/cluster.conf");
	}
	return n;
}
