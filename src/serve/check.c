/*
 * check.c - what is wrong with a cluster's files before a node finds out
 *
 * One function a thing that is looked at.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "image/sign.h"
#include "serve/check.h"
#include "serve/dnsmasq.h"
#include "serve/loaders.h"
#include "serve/nodes.h"
#include "serve/sets.h"
#include "wire/index.h"

#define IMAGES_MAX 1024 /* different images of one table that are looked at */

enum { ERROR = true, WARNING = false };

struct check {
	const struct check_spec *spec;
	struct check_result result;
	struct cluster cluster;
	struct nodes nodes;
	const char *images[IMAGES_MAX]; /* in use; borrowed from nodes and cluster */
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

_printf_(5, 6) static void tell(struct check *c, bool fatal, const char *file, unsigned line,
				const char *fmt, ...)
{
	char words[CHECK_WORDS_MAX];
	struct check_finding f = { .fatal = fatal, .file = file, .line = line, .words = words };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	*(fatal ? &c->result.errors : &c->result.warnings) += 1;
	c->spec->tell(c->spec->ctx, &f);
}

static void node_fault(void *ctx, unsigned line, const char *why)
{
	struct check *c = ctx;

	tell(c, ERROR, c->cluster.nodes, line, "%s", why);
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
		return tell(c, ERROR, file, 0, "cannot be read: %s", strerror(-r)), 1;
	path = realpath(file, NULL);
	if (!path)
		return -ENOMEM;
	r = cluster_parse(path, text.data, text.len, &c->cluster, &line, why);
	if (r == -EBADMSG)
		return tell(c, ERROR, file, line, "%s", why), 1;
	return r;
}

static int read_nodes(struct check *c)
{
	_cleanup_buffer_ struct buffer text = BUFFER(NODES_BYTES_MAX);
	const char *file = c->cluster.nodes;
	int r;

	if (!file) {
		if (c->cluster.unknown == CLUSTER_REFUSE)
			tell(c, ERROR, c->spec->cluster_file, 0,
			     "no node gets an answer: no nodes=, and unknown=refuse");
		return 0;
	}
	r = file_read(AT_FDCWD, file, &text);
	if (r < 0)
		return tell(c, ERROR, file, 0, "cannot be read: %s", strerror(-r)), 0;
	r = nodes_scan(buffer_str(&text), text.len, node_fault, c, &c->nodes);
	c->result.nodes = c->nodes.n;
	if (r == 0 && c->nodes.n == 0 && c->cluster.unknown == CLUSTER_REFUSE)
		tell(c, ERROR, file, 0,
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
		if (a == 0 && !k->range_first.s_addr)
			tell(c, ERROR, k->nodes, n->line,
			     "node %u has no address, and there is no [dhcp] range= to give it one",
			     n->number);
		else if (a != 0 && a == ntohl(k->address.s_addr))
			tell(c, ERROR, k->nodes, n->line, "node %u: address %s is the front end's",
			     n->number, text);
		else if (a != 0 && !cluster_holds(k, n->address))
			tell(c, ERROR, k->nodes, n->line,
			     "node %u: address %s is outside the cluster's network", n->number,
			     text);
		else if (k->range_first.s_addr && a >= ntohl(k->range_first.s_addr) &&
			 a <= ntohl(k->range_last.s_addr))
			tell(c, ERROR, k->nodes, n->line,
			     "node %u: address %s is inside the [dhcp] range=, from which others "
			     "get "
			     "theirs",
			     n->number, text);
	}
}

static void check_groups(struct check *c)
{
	char why[NODESET_WHY_MAX];

	if (sets_check_groups(&c->cluster, &c->nodes, why) == -EINVAL)
		tell(c, ERROR, c->spec->cluster_file, 0, "[groups] %s", why);
}

/* A file of the boot directory that every node, or some, will ask for. */
static bool check_file(struct check *c, int boot, const char *name, bool fatal, const char *maker)
{
	struct stat st;

	if (fstatat(boot, name, &st, 0) < 0)
		tell(c, fatal, c->cluster.boot, 0, "no '%s': %s", name, maker);
	else if (!S_ISREG(st.st_mode) || st.st_size == 0)
		tell(c, fatal, c->cluster.boot, 0, "'%s' is empty or no file: %s", name, maker);
	else if (!(st.st_mode & 04))
		tell(c, fatal, c->cluster.boot, 0,
		     "'%s' cannot be read by everybody, and so not by a TFTP server: chmod 644 it",
		     name);
	else
		return true;
	return false;
}

static void check_signature(struct check *c, int boot, const char *index, const char *sig_name)
{
	_cleanup_buffer_ struct buffer text = BUFFER(INDEX_BYTES_MAX),
				       sig = BUFFER(MINISIGN_FILE_MAX);
	struct minisign_sig s;
	char id[MINISIGN_ID_STR_MAX];
	int r = -ENOKEY;

	if (file_read(boot, index, &text) < 0 || file_read(boot, sig_name, &sig) < 0) {
		tell(c, ERROR, c->cluster.boot, 0, "'%s' or '%s' cannot be read", index, sig_name);
		return;
	}
	for (size_t i = 0; i < c->spec->n_keys && r == -ENOKEY; i++) {
		r = sign_check(&c->spec->keys[i].key, &sig, text.data, text.len, &s);
		c->key_used[i] |= r == 0;
	}
	if (r == -ENOKEY && c->spec->n_keys > 0)
		tell(c, ERROR, c->cluster.boot, 0,
		     "'%s' was signed by key %s, which is none of those that nodes are given",
		     index, minisign_id_str(s.id, id));
	else if (r < 0 && r != -ENOKEY)
		tell(c, ERROR, c->cluster.boot, 0, "'%s' does not sign '%s': build the image again",
		     sig_name, index);
}

static void check_image(struct check *c, int boot, const char *image)
{
	char index[NODES_NAME_MAX + 16], sig[NODES_NAME_MAX + 32];

	for (size_t i = 0; i < c->result.images; i++) {
		if (!strcmp(c->images[i], image))
			return;
	}
	if (c->result.images == IMAGES_MAX)
		return;
	c->images[c->result.images++] = image;
	snprintf(index, sizeof(index), "%s.index", image);
	snprintf(sig, sizeof(sig), "%s.minisig", index);
	if (check_file(c, boot, index, ERROR, "'bpboot image' makes it") &&
	    check_file(c, boot, sig, ERROR, "'bpboot image' makes it, with a key"))
		check_signature(c, boot, index, sig);
}

static void check_boot_directory(struct check *c)
{
	const struct cluster *k = &c->cluster;
	_cleanup_close_ int boot = open(k->boot, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	const char *program, *package;

	if (boot < 0) {
		tell(c, ERROR, k->boot, 0, "the boot directory cannot be opened: %s",
		     strerror(errno));
		return;
	}
	if (fstat(boot, &st) == 0 && (st.st_mode & 05) != 05)
		tell(c, ERROR, k->boot, 0,
		     "cannot be read by everybody, and so not by a TFTP server: chmod 755 it");
	(void)check_file(c, boot, k->kernel, ERROR, "'bpboot initrd' puts it there");
	(void)check_file(c, boot, k->initrd, ERROR, "'bpboot initrd' makes it");
	(void)check_file(c, boot, DNSMASQ_SCRIPT, WARNING, "'bpboot config install' makes it");
	for (size_t i = 0; (program = loaders_file(k, i, &package)); i++) {
		char advice[96];

		if (package)
			snprintf(advice, sizeof(advice),
				 "'bpboot config install' %s from Debian's package %s",
				 strchr(program, '/') ? "makes it" : "copies it", package);
		else
			snprintf(advice, sizeof(advice), "'bpboot uki' makes it");
		(void)check_file(c, boot, program, WARNING, advice);
	}
	if (c->nodes.n == 0 || k->unknown == CLUSTER_ACCEPT)
		check_image(c, boot, k->image);
	for (size_t i = 0; i < c->nodes.n; i++)
		check_image(c, boot, *c->nodes.list[i].image ? c->nodes.list[i].image : k->image);
	for (size_t i = 0; i < c->spec->n_keys; i++) {
		if (!c->key_used[i] && c->result.images > 0)
			tell(c, WARNING, c->spec->keys[i].path, 0,
			     "this key signed no image that is in use");
	}
}

/* Whether the interface is there, as its flags and addresses say; a list of all is asked of the
 * kernel. */
static void check_interface(struct check *c)
{
	const struct cluster *k = &c->cluster;
	const char *file = c->spec->cluster_file;
	bool there = false, has_address = false;
	unsigned flags = 0;
	char path[128], text[INET_ADDRSTRLEN];
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
	snprintf(path, sizeof(path), "/sys/class/net/%s/bridge", k->interface);
	if (!there)
		tell(c, ERROR, file, 0, "no interface '%s' on this machine", k->interface);
	else if (!(flags & IFF_UP) || !(flags & IFF_RUNNING))
		tell(c, ERROR, file, 0, "%s '%s' %s",
		     access(path, F_OK) == 0 ? "bridge" : "interface", k->interface,
		     flags & IFF_UP ? "has no link" : "is down: ip link set it up");
	if (there && !has_address)
		tell(c, ERROR, file, 0, "interface '%s' does not have the address %s", k->interface,
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
		check_groups(c);
		check_boot_directory(c);
		check_interface(c);
	}
	*ret = c->result;
	return MIN(r, 0);
}
