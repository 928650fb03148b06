/*
 * check.c - what is wrong with a cluster's files before a node finds out
 *
 * One function a thing that is looked at. A fault is said with the line that asks for what is not
 * there, where one does: who reads it wants to know what to change.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/if_bridge.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "image/sign.h"
#include "serve/check.h"
#include "serve/dnsmasq.h"
#include "serve/images.h"
#include "serve/loaders.h"
#include "serve/nodes.h"
#include "serve/sets.h"
#include "wire/index.h"

enum { ERROR = true, WARNING = false };

struct check {
	const struct check_spec *spec;
	struct check_result result;
	struct cluster cluster;
	struct nodes nodes;
	bool key_used[CHECK_KEYS_MAX];
};

static void check_freep(struct check **c)
{
	if (!*c)
		return;
	cluster_clear(&(*c)->cluster);
	nodes_clear(&(*c)->nodes);
	free(*c);
}

/* Where a fault lies. */
struct origin {
	const char *file;
	unsigned line; /* 0: the whole */
};

_printf_(4, 5) static void tell(struct check *c, bool fatal, struct origin at, const char *fmt, ...)
{
	char words[CHECK_WORDS_MAX];
	struct check_finding f = {
		.fatal = fatal, .file = at.file, .line = at.line, .words = words
	};
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	*(fatal ? &c->result.errors : &c->result.warnings) += 1;
	c->spec->tell(c->spec->ctx, &f);
}

/* A key of the cluster file; the file as a whole where the key does not stand in it. */
static struct origin of_key(const struct check *c, const char *section, const char *name)
{
	return (struct origin){ c->spec->cluster_file, cluster_line(&c->cluster, section, name) };
}

/* The line that asks for a file of the boot directory; the directory where it is only usual. */
static struct origin of_boot(const struct check *c, const char *name)
{
	struct origin at = of_key(c, "cluster", name);

	return at.line ? at : (struct origin){ c->cluster.boot, 0 };
}

static struct origin of_node(const struct check *c, unsigned line)
{
	return (struct origin){ c->cluster.nodes, line };
}

static void node_fault(void *ctx, unsigned line, const char *why)
{
	struct check *c = ctx;

	tell(c, ERROR, of_node(c, line), "%s", why);
}

/* Return: 0; 1 when there is no use in going on; -ENOMEM. */
static int read_cluster(struct check *c)
{
	_cleanup_buffer_ struct buffer text = BUFFER(CLUSTER_BYTES_MAX);
	_cleanup_free_ char *path = NULL;
	const char *file = c->spec->cluster_file;
	unsigned line = 0;
	char why[256];
	int r = file_read(AT_FDCWD, file, &text);

	if (r < 0)
		return tell(c, ERROR, (struct origin){ file, 0 }, "cannot be read: %s",
			    strerror(-r)),
		       1;
	path = realpath(file, NULL);
	if (!path)
		return -ENOMEM;
	r = cluster_parse(path, text.data, text.len, &c->cluster, &line, why);
	if (r == -EBADMSG)
		return tell(c, ERROR, (struct origin){ file, line }, "%s", why), 1;
	return r;
}

static int read_nodes(struct check *c)
{
	_cleanup_buffer_ struct buffer text = BUFFER(NODES_BYTES_MAX);
	const char *file = c->cluster.nodes;
	int r;

	if (!file) {
		if (c->cluster.unknown == CLUSTER_REFUSE)
			tell(c, ERROR, of_key(c, "cluster", "unknown"),
			     "no node gets an answer: no nodes=, and unknown=refuse");
		return 0;
	}
	r = file_read(AT_FDCWD, file, &text);
	if (r < 0)
		return tell(c, ERROR, of_key(c, "cluster", "nodes"),
			    "node table '%s' cannot be read: %s", file, strerror(-r)),
		       0;
	r = nodes_scan(buffer_str(&text), text.len, node_fault, c, &c->nodes);
	c->result.nodes = c->nodes.n;
	if (r == 0 && c->nodes.n == 0 && c->cluster.unknown == CLUSTER_REFUSE)
		tell(c, ERROR, of_node(c, 0),
		     "no node gets an answer: none is listed, and unknown=refuse");
	return r;
}

static void check_addresses(struct check *c)
{
	const struct cluster *k = &c->cluster;

	for (size_t i = 0; i < c->nodes.n; i++) {
		const struct node *n = &c->nodes.list[i];
		uint32_t a = ntohl(n->address.s_addr);
		char text[INET_ADDRSTRLEN];

		ipv4_format(n->address, text);
		if (a == 0 && k->n_ranges == 0)
			tell(c, ERROR, of_node(c, n->line),
			     "node %u has no address, and there is no [dhcp] range= to give it one",
			     n->number);
		else if (a != 0 && a == ntohl(k->address.s_addr))
			tell(c, ERROR, of_node(c, n->line),
			     "node %u: address %s is the front end's", n->number, text);
		else if (a != 0 && !cluster_holds(k, n->address))
			tell(c, ERROR, of_node(c, n->line),
			     "node %u: address %s is outside the cluster's network", n->number,
			     text);
		else if (a != 0 && cluster_range_of(k, n->address))
			tell(c, ERROR, of_node(c, n->line),
			     "node %u: address %s is inside the [dhcp] range=, from which others "
			     "get "
			     "theirs",
			     n->number, text);
	}
}

static int tell_group(void *ctx, const struct cluster_group *g, const struct nodeset *nodes,
		      const char *why)
{
	struct check *c = ctx;

	if (!nodes)
		tell(c, ERROR, (struct origin){ c->spec->cluster_file, g->line },
		     "[groups] %.64s: %.160s", g->name, why);
	return 0;
}

/* A file of the boot directory that every node, or some, will ask for because of @at. */
static bool check_file(struct check *c, int boot, const char *name, struct origin at, bool fatal,
		       const char *maker)
{
	struct stat st;

	if (fstatat(boot, name, &st, 0) < 0)
		tell(c, fatal, at, "no '%s' in '%s': %s", name, c->cluster.boot, maker);
	else if (!S_ISREG(st.st_mode) || st.st_size == 0)
		tell(c, fatal, at, "'%s' in '%s' is empty or no file: %s", name, c->cluster.boot,
		     maker);
	else if (!(st.st_mode & 04))
		tell(c, fatal, at,
		     "'%s' in '%s' cannot be read by everybody, and so not by a TFTP server: "
		     "chmod 644 it",
		     name, c->cluster.boot);
	else
		return true;
	return false;
}

static void check_signature(struct check *c, int boot, const char *index, const char *sig_name,
			    struct origin at)
{
	_cleanup_buffer_ struct buffer text = BUFFER(INDEX_BYTES_MAX),
				       sig = BUFFER(MINISIGN_FILE_MAX);
	struct minisign_sig s;
	char id[MINISIGN_ID_STR_MAX];
	int r = -ENOKEY;

	if (file_read(boot, index, &text) < 0 || file_read(boot, sig_name, &sig) < 0) {
		tell(c, ERROR, at, "'%s' or '%s' cannot be read", index, sig_name);
		return;
	}
	for (size_t i = 0; i < c->spec->n_keys && r == -ENOKEY; i++) {
		r = sign_check(&c->spec->keys[i].key, &sig, text.data, text.len, &s);
		c->key_used[i] |= r == 0;
	}
	if (r == -ENOKEY && c->spec->n_keys > 0)
		tell(c, ERROR, at,
		     "'%s' was signed by key %s, which is none of those that nodes are given",
		     index, minisign_id_str(s.id, id));
	else if (r < 0 && r != -ENOKEY)
		tell(c, ERROR, at, "'%s' does not sign '%s': build the image again", sig_name,
		     index);
}

static void check_image(struct check *c, int boot, const char *image, struct origin at)
{
	char index[NODES_NAME_MAX + 16], sig[NODES_NAME_MAX + 32];

	c->result.images++;
	snprintf(index, sizeof(index), "%s.index", image);
	snprintf(sig, sizeof(sig), "%s.minisig", index);
	if (check_file(c, boot, index, at, ERROR, "'bpboot image' makes it") &&
	    check_file(c, boot, sig, at, ERROR, "'bpboot image' makes it, with a key"))
		check_signature(c, boot, index, sig, at);
}

/* What nodes boot, and the machines that have no line. */
static int check_images(struct check *c, int boot)
{
	const struct cluster *k = &c->cluster;
	_cleanup_images_ struct images images = { 0 };
	bool seen = false;
	int r = images_list(k, &c->nodes, &images);

	for (size_t i = 0; r == 0 && i < images.n; i++) {
		const struct image_use *use = &images.list[i];

		seen |= !strcmp(use->name, k->image);
		check_image(c, boot, use->name,
			    *use->node->image ? of_node(c, use->node->line) : of_boot(c, "image"));
	}
	if (r == 0 && !seen && (c->nodes.n == 0 || k->unknown == CLUSTER_ACCEPT))
		check_image(c, boot, k->image, of_boot(c, "image"));
	return r;
}

static void check_programs(struct check *c, int boot)
{
	const char *program, *package;

	for (size_t i = 0; (program = loaders_file(&c->cluster, i, &package)); i++) {
		char advice[96];

		if (package)
			snprintf(advice, sizeof(advice),
				 "'bpboot config install' %s from Debian's package %s",
				 strchr(program, '/') ? "makes it" : "copies it", package);
		else
			snprintf(advice, sizeof(advice), "'bpboot uki' makes it");
		(void)check_file(c, boot, program, of_boot(c, "loader"), WARNING, advice);
	}
}

static int check_boot_directory(struct check *c)
{
	const struct cluster *k = &c->cluster;
	_cleanup_close_ int boot = open(k->boot, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	int r;

	if (boot < 0) {
		tell(c, ERROR, of_boot(c, "boot"), "the boot directory '%s' cannot be opened: %s",
		     k->boot, strerror(errno));
		return 0;
	}
	if (fstat(boot, &st) == 0 && (st.st_mode & 05) != 05)
		tell(c, ERROR, of_boot(c, "boot"),
		     "'%s' cannot be read by everybody, and so not by a TFTP server: chmod 755 it",
		     k->boot);
	(void)check_file(c, boot, k->kernel, of_boot(c, "kernel"), ERROR,
			 "'bpboot initrd' puts it there");
	(void)check_file(c, boot, k->initrd, of_boot(c, "initrd"), ERROR,
			 "'bpboot initrd' makes it");
	(void)check_file(c, boot, DNSMASQ_SCRIPT, of_boot(c, "boot"), WARNING,
			 "'bpboot config install' makes it");
	check_programs(c, boot);
	r = check_images(c, boot);
	for (size_t i = 0; r == 0 && i < c->spec->n_keys; i++) {
		if (!c->key_used[i] && c->result.images > 0)
			tell(c, WARNING, (struct origin){ c->spec->keys[i].path, 0 },
			     "this key signed no image that is in use");
	}
	return r;
}

#define BRIDGE_PORTS_MAX 1024 /* the kernel's */

enum bridge { NO_BRIDGE, BRIDGE, BRIDGE_EMPTY };

/* A bridge without interfaces in it has a carrier, as the kernel says. Asked by ioctl(2), since
 * /sys shows another network namespace where that was entered later. */
static enum bridge look_at_bridge(const char *interface)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	int ports[BRIDGE_PORTS_MAX] = { 0 };
	unsigned long args[4] = { BRCTL_GET_PORT_LIST, (unsigned long)ports, BRIDGE_PORTS_MAX };
	struct ifreq q = { .ifr_data = (void *)&info };

	snprintf(q.ifr_name, sizeof(q.ifr_name), "%s", interface);
	if (fd < 0 || ioctl(fd, SIOCETHTOOL, &q) < 0 || strcmp(info.driver, "bridge"))
		return NO_BRIDGE;
	q.ifr_data = (void *)args;
	if (ioctl(fd, SIOCDEVPRIVATE, &q) < 0)
		return BRIDGE; /* which is all that is known */
	for (size_t i = 0; i < BRIDGE_PORTS_MAX; i++) {
		if (ports[i])
			return BRIDGE;
	}
	return BRIDGE_EMPTY;
}

/* Whether the interface is there, as its flags and addresses say; a list of all is asked of the
 * kernel. */
static void check_interface(struct check *c)
{
	const struct cluster *k = &c->cluster;
	const struct origin at = of_key(c, "cluster", "interface");
	const enum bridge bridge = look_at_bridge(k->interface);
	const char *kind = bridge == NO_BRIDGE ? "interface" : "bridge";
	bool there = false, has_address = false;
	unsigned flags = 0;
	char text[INET_ADDRSTRLEN];
	struct ifaddrs *list;

	if (getifaddrs(&list) < 0)
		return; /* nothing is known, so nothing is said */
	for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
		const struct sockaddr_in *in = (const void *)i->ifa_addr;

		if (strcmp(i->ifa_name, k->interface))
			continue;
		there = true;
		flags |= i->ifa_flags;
		has_address |=
			in && in->sin_family == AF_INET && in->sin_addr.s_addr == k->address.s_addr;
	}
	freeifaddrs(list);
	if (!there)
		tell(c, ERROR, at, "no interface '%s' on this machine", k->interface);
	else if (!(flags & IFF_UP))
		tell(c, ERROR, at, "%s '%s' is down: ip link set it up", kind, k->interface);
	else if (bridge == BRIDGE_EMPTY)
		tell(c, ERROR, at, "bridge '%s' has no link: no interface is in it", k->interface);
	else if (!(flags & IFF_RUNNING))
		tell(c, ERROR, at, "%s '%s' has no link", kind, k->interface);
	if (there && !has_address)
		tell(c, ERROR, of_key(c, "cluster", "address"),
		     "interface '%s' does not have the address %s", k->interface,
		     ipv4_format(k->address, text));
}

int check_site(const struct check_spec *spec, struct check_result *ret)
{
	_cleanup_(check_freep) struct check *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->spec = spec;
	r = read_cluster(c);
	if (r == 0)
		r = read_nodes(c);
	if (r == 0) {
		check_addresses(c);
		r = sets_groups(&c->cluster, &c->nodes, tell_group, c);
	}
	if (r == 0)
		r = check_boot_directory(c);
	if (r == 0)
		check_interface(c);
	*ret = c->result;
	return MIN(r, 0);
}
