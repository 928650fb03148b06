/*
 * driverset.c - what "net" and "virtual" mean: the drivers that an initramfs gets (docs/initrd.md)
 *
 * Drivers are chosen by where the kernel's source keeps them, so that a new kernel's new driver is
 * in without a list that someone has to keep. The exceptions are rows of a table.
 */
#include <errno.h>
#include <fnmatch.h>
#include <string.h>

#include "base/log.h"
#include "image/driverset.h"

enum { SET_NET = 1, SET_VIRTUAL = 2, SET_BASE = 4, SET_NOT = 8, SET_PHY = 16, SET_WATCHDOGS = 32 };

/* The first row that matches a module's path decides (fnmatch; '*' matches slashes too). */
static const struct {
	const char *path; /* below lib/modules/VERSION/, without ".ko" and what follows */
	unsigned sets;
} rules[] = {
	/*
	 * What init itself needs, and the buses through which the cards of virtual machines are
	 * found.
	 */
	{ "kernel/drivers/block/brd", SET_BASE },
	{ "kernel/fs/ext4/ext4", SET_BASE },
	{ "kernel/net/packet/af_packet", SET_BASE },
	{ "kernel/drivers/virtio/virtio_pci", SET_BASE },
	{ "kernel/drivers/virtio/virtio_mmio", SET_BASE },
	{ "kernel/drivers/xen/xen-platform-pci", SET_BASE },
	/* Cards of virtual machines and of clouds. */
	{ "kernel/drivers/net/virtio_net", SET_NET | SET_VIRTUAL },
	{ "kernel/drivers/net/xen-netfront", SET_NET | SET_VIRTUAL },
	{ "kernel/drivers/net/vmxnet3/*", SET_NET | SET_VIRTUAL },
	{ "kernel/drivers/net/hyperv/*", SET_NET | SET_VIRTUAL },
	{ "kernel/drivers/net/ethernet/amazon/*", SET_NET | SET_VIRTUAL },
	{ "kernel/drivers/net/ethernet/google/*", SET_NET | SET_VIRTUAL },
	{ "kernel/drivers/net/ethernet/intel/e1000/*", SET_NET | SET_VIRTUAL },
	{ "kernel/drivers/net/ethernet/intel/e1000e/*", SET_NET | SET_VIRTUAL },
	{ "kernel/drivers/net/ethernet/intel/igb/*", SET_NET | SET_VIRTUAL },
	{ "kernel/drivers/net/ethernet/intel/igbvf/*", SET_NET | SET_VIRTUAL },
	{ "kernel/drivers/net/ethernet/intel/ixgbevf/*", SET_NET | SET_VIRTUAL },
	{ "kernel/drivers/net/ethernet/intel/iavf/*", SET_NET | SET_VIRTUAL },
	{ "kernel/drivers/net/ethernet/realtek/8139*", SET_NET | SET_VIRTUAL },
	{ "kernel/drivers/net/ethernet/amd/pcnet32", SET_NET | SET_VIRTUAL },
	{ "kernel/drivers/net/ethernet/dec/tulip/tulip", SET_NET | SET_VIRTUAL },
	/*
	 * Every other wired card. Cards that Hyper-V passes through (pci-hyperv brings them) only
	 * speed up the synthetic one, which is there before them and boots as well.
	 */
	{ "kernel/drivers/pci/controller/pci-hyperv", SET_NET },
	{ "kernel/drivers/net/ethernet/*", SET_NET },
	{ "kernel/drivers/net/fjes/*", SET_NET },
	{ "kernel/drivers/net/thunderbolt-net", SET_NET },
	/* USB cards, but not the modems and telephones among them; and what USB itself needs. */
	{ "kernel/drivers/net/usb/*mbim", SET_NOT },
	{ "kernel/drivers/net/usb/*wwan", SET_NOT },
	{ "kernel/drivers/net/usb/cdc-phonet", SET_NOT },
	{ "kernel/drivers/net/usb/cx82310_eth", SET_NOT },
	{ "kernel/drivers/net/usb/hso", SET_NOT },
	{ "kernel/drivers/net/usb/huawei_*", SET_NOT },
	{ "kernel/drivers/net/usb/ipheth", SET_NOT },
	{ "kernel/drivers/net/usb/kalmia", SET_NOT },
	{ "kernel/drivers/net/usb/lg-vl600", SET_NOT },
	{ "kernel/drivers/net/usb/sierra_net", SET_NOT },
	{ "kernel/drivers/net/usb/zaurus", SET_NOT },
	{ "kernel/drivers/net/usb/*", SET_NET },
	{ "kernel/drivers/usb/host/xhci-pci*", SET_NET },
	{ "kernel/drivers/usb/host/[eo]hci-pci", SET_NET },
	{ "kernel/drivers/usb/host/uhci-hcd", SET_NET },
	/* Hardware watchdogs, and the devices behind which some of them are found. */
	{ "kernel/drivers/watchdog/softdog", SET_NOT },
	{ "kernel/drivers/watchdog/pretimeout_*", SET_NOT },
	{ "kernel/drivers/watchdog/*", SET_WATCHDOGS },
	{ "kernel/drivers/mfd/lpc_ich", SET_WATCHDOGS },
	{ "kernel/drivers/i2c/busses/i2c-i801", SET_WATCHDOGS },
	/* Chips between card and cable; they come with the cards that need libphy. */
	{ "kernel/drivers/net/phy/*", SET_PHY },
};

#define DRIVERSET_PATH_MAX 4096
#define DRIVERSET_WORDS_MAX \
	60 /* modules of one line in the initramfs's index, less some for a card's own */

struct chooser {
	struct modules *m;
	struct driverset *set;
	unsigned wanted;	 /* SET_* */
	struct module_list phys; /* drivers of PHY chips with what they need, in load order */
};

void driverset_clear(struct driverset *s)
{
	for (size_t i = 0; i < s->n; i++)
		module_list_clear(&s->drivers[i].needs);
	free(s->drivers);
	module_list_clear(&s->all);
	*s = (struct driverset){ 0 };
}

static unsigned sets_of(const struct module *mod)
{
	const char *ko = strstr(mod->kin, ".ko");
	size_t n = ko ? (size_t)(ko - mod->kin) : strlen(mod->kin);
	char path[DRIVERSET_PATH_MAX];

	if (n >= sizeof(path))
		return 0;
	memcpy(path, mod->kin, n);
	path[n] = 0;
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		if (fnmatch(rules[i].path, path, 0) == 0)
			return rules[i].sets;
	}
	return 0;
}

/* Does the module drive hardware that is found by an alias of @bus ("mdio:"), or of any ("")? */
static int drives(struct modules *m, const struct module *mod, const char *bus)
{
	const struct module_info *info;

	if (modules_info(m, mod, &info) < 0)
		return 0;
	for (const char **a = info->aliases; a && *a; a++) {
		if (strchr(*a, ':') && !strncmp(*a, bus, strlen(bus)))
			return 1;
	}
	return 0;
}

static int collect_phy(void *user, const struct module *mod)
{
	struct chooser *c = user;

	if (!(sets_of(mod) & SET_PHY) || !drives(c->m, mod, "mdio:"))
		return 0;
	return modules_closure(c->m, mod->name, &c->phys);
}

/* @needs, with the PHY drivers before @mod where it drives a PHY. */
static int with_phys(struct chooser *c, const struct module *mod, struct module_list *needs)
{
	const struct module *libphy = modules_find(c->m, "libphy");
	struct module_list all = { 0 };
	int r = 0;

	if (!libphy || !module_list_has(needs, libphy) || c->phys.n == 0 ||
	    c->phys.n + needs->n > DRIVERSET_WORDS_MAX)
		return 0;
	for (size_t i = 0; r == 0 && i < c->phys.n; i++)
		r = module_list_add(&all, c->phys.items[i]);
	for (size_t i = 0; r == 0 && i < needs->n; i++)
		r = module_list_add(&all, needs->items[i]);
	module_list_clear(needs);
	*needs = all;
	return r;
}

static int add_driver(struct chooser *c, const struct module *mod)
{
	struct driverset *s = c->set;
	struct driver *d;
	int r;

	for (size_t i = 0; i < s->n; i++) {
		if (s->drivers[i].mod == mod)
			return 0;
	}
	if (s->n == s->cap) {
		size_t cap = s->cap ? 2 * s->cap : 64;
		struct driver *grown = reallocarray(s->drivers, cap, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		s->drivers = grown;
		s->cap = cap;
	}
	d = &s->drivers[s->n++];
	*d = (struct driver){ .mod = mod };
	r = modules_closure(c->m, mod->name, &d->needs);
	if (r == 0 && (sets_of(mod) & SET_NET))
		r = with_phys(c, mod, &d->needs);
	for (size_t i = 0; r == 0 && i < d->needs.n; i++)
		r = module_list_add(&s->all, d->needs.items[i]);
	return r;
}

static int choose(void *user, const struct module *mod)
{
	struct chooser *c = user;

	unsigned sets = sets_of(mod) & c->wanted;

	if (sets & SET_WATCHDOGS && !drives(c->m, mod, ""))
		return 0; /* it looks for its hardware by itself, which nobody would tell it to */
	return sets ? add_driver(c, mod) : 0;
}

static int choose_named(struct chooser *c, char *names)
{
	char *name;
	int r = 0;

	while (r == 0 && (name = strsep(&names, ","))) {
		const struct module *mod = modules_find(c->m, name);

		if (!strcmp(name, "net"))
			c->wanted |= SET_NET;
		else if (!strcmp(name, "virtual"))
			c->wanted |= SET_VIRTUAL;
		else if (!strcmp(name, "watchdogs"))
			c->wanted |= SET_WATCHDOGS;
		else if (mod)
			r = add_driver(c, mod);
		else if (*name && !modules_builtin(c->m, name))
			r = log_err(-ENOENT,
				    "no module '%s' in '%s' (expected 'net', 'virtual', "
				    "'watchdogs' or names of modules between commas)",
				    name, modules_dir(c->m));
	}
	return r;
}

/*
 * What a driver needs may be found by an alias of its own, and may have to be: the bus of a
 * hypervisor whose cards show only once it is there. Such modules are drivers like those that were
 * asked for.
 */
static int add_found_needs(struct chooser *c)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->set->all.n; i++) {
		const struct module *mod = c->set->all.items[i];

		if (!(sets_of(mod) & SET_PHY) && drives(c->m, mod, ""))
			r = add_driver(c, mod);
	}
	return r;
}

static int driver_compare(const void *a, const void *b)
{
	return strcmp(((const struct driver *)a)->mod->name, ((const struct driver *)b)->mod->name);
}

int driverset_make(struct modules *m, const char *what, struct driverset *ret)
{
	_cleanup_driverset_ struct driverset set = { 0 };
	_cleanup_free_ char *names = strdup(what);
	struct chooser c = { .m = m, .set = &set, .wanted = SET_BASE };
	int r;

	if (!names)
		return -ENOMEM;
	r = modules_each(m, collect_phy, &c);
	if (r == 0)
		r = choose_named(&c, names);
	if (r == 0)
		r = modules_each(m, choose, &c);
	if (r == 0)
		r = add_found_needs(&c);
	module_list_clear(&c.phys);
	if (r < 0)
		return r;
	qsort(set.drivers, set.n, sizeof(*set.drivers), driver_compare);
	*ret = set;
	set = (struct driverset){ 0 };
	return 0;
}
