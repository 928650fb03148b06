/*
 * compose.c - links that the command line wants made of others: bond= and vlan=
 *
 * A bond is made at once and takes each of its NICs in when that appears; a VLAN is made when what
 * it lies on appears, which may be the bond. The address is then asked for on the topmost of them,
 * unless ip= names another.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "init/boot.h"

#define PATH_BYTES_MAX 128

const char *compose_device(const struct cmdline *c)
{
	if (c->device)
		return c->device;
	return c->vlan.name ? c->vlan.name : c->bond.name;
}

static int make_failed(struct boot *b, const char *name, const char *module, int err)
{
	if (err == -EOPNOTSUPP)
		return stage_fail(b, REPORT_LINK, err,
				  "cannot make %s: the kernel needs the module %s, which this "
				  "initrd does not hold; build it with 'bpboot initrd --modules "
				  "net,%s'",
				  name, module, module);
	return stage_fail(b, REPORT_LINK, err, "cannot make %s: %s", name, strerror(-err));
}

/* One of bond='s options, as the kernel's sysfs has them. */
static void set_option(struct boot *b, const char *option)
{
	const char *value = strchr(option, '=') + 1;
	char path[PATH_BYTES_MAX];
	int r;
	_cleanup_close_ int fd = FD_NONE;

	snprintf(path, sizeof(path), "/sys/class/net/%s/bonding/%.*s", b->cmdline.bond.name,
		 (int)(value - 1 - option), option);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	r = fd < 0 ? -errno : fd_write_all(fd, value, strlen(value));
	if (r < 0)
		stage_warn(b, REPORT_LINK, "ignoring '%s' of bond=: %s", option, strerror(-r));
}

static bool is_slave(const struct cmdline_bond *bond, const char *name)
{
	for (size_t i = 0; i < bond->n_slaves; i++) {
		if (!strcmp(bond->slaves[i], name))
			return true;
	}
	return false;
}

static void take_in(struct boot *b, const struct link *l)
{
	const struct link *bond = links_by_name(b->links, b->cmdline.bond.name);
	int r;

	if (!bond)
		return;
	r = l->up ? link_set_up(l->ifindex, false) : 0;
	r = r ? r : link_enslave(l->ifindex, bond->ifindex);
	if (r < 0)
		stage_warn(b, REPORT_LINK, "%s cannot be part of %s: %s, going on without it",
			   l->name, bond->name, strerror(-r));
}

static void on_link(void *ctx, enum link_event event, const struct link *l)
{
	struct boot *b = ctx;
	const struct cmdline *c = &b->cmdline;
	int r;

	if (event != LINK_ADDED)
		return;
	if (c->bond.name && l->wired && is_slave(&c->bond, l->name))
		take_in(b, l);
	if (!c->vlan.name || strcmp(c->vlan.under, l->name))
		return;
	r = link_set_up(l->ifindex, true);
	r = r ? r : link_add_vlan(c->vlan.name, l->ifindex, c->vlan.id);
	if (r < 0)
		(void)!make_failed(b, c->vlan.name, "8021q", r); /* the wait for it says the rest */
}

/* -ENOENT may mean that it is built into the kernel; making the link then tells. */
static void load(struct boot *b, const char *module, const char *params)
{
	int r = drivers_load(b->drivers, module, params);

	if (r < 0 && r != -ENOENT)
		stage_warn(b, REPORT_LINK, "cannot load module %s: %s", module, strerror(-r));
}

int compose_begin(struct boot *b)
{
	const struct cmdline *c = &b->cmdline;
	const struct link *l;
	size_t n;
	int r = 0;

	if (!c->bond.name && !c->vlan.name)
		return 0;
	if (c->vlan.name)
		load(b, "8021q", "");
	if (c->bond.name) {
		load(b, "bonding", "max_bonds=0");
		r = link_add_bond(c->bond.name);
		if (r < 0)
			return make_failed(b, c->bond.name, "bonding", r);
		for (size_t i = 0; i < c->bond.n_options; i++)
			set_option(b, c->bond.options[i]);
	}
	r = links_refresh(b->links);
	if (r == 0)
		r = links_watch(b->links, on_link, b);
	if (r < 0)
		return stage_fail(b, REPORT_LINK, r, "cannot follow the kernel's links: %s",
				  strerror(-r));
	l = c->bond.mtu ? links_by_name(b->links, c->bond.name) : NULL;
	if (l && link_set_mtu(l->ifindex, c->bond.mtu) < 0)
		stage_warn(b, REPORT_LINK, "ignoring MTU %u of bond=", c->bond.mtu);
	l = links_table(b->links, &n);
	for (size_t i = 0; i < n; i++)
		on_link(b, LINK_ADDED, &l[i]);
	return 0;
}

static void remove_named(struct boot *b, const char *name)
{
	const struct link *l = name ? links_by_name(b->links, name) : NULL;

	if (l)
		(void)!link_remove(l->ifindex); /* the next attempt finds it, and takes it */
}

void compose_undo(struct boot *b)
{
	links_unwatch(b->links, on_link, b);
	remove_named(b, b->cmdline.vlan.name);
	remove_named(b, b->cmdline.bond.name);
}
