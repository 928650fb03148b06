/*
 * nodes.c - libbproc: which nodes there are, and what is known of each
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/ip.h"
#include "base/parse.h"
#include "lib/lib.h"
#include "wire/attributes.h"

#define STATE_ATTRIBUTE "bproc.state"

static void fill(const struct message_node *n, struct bproc_node_info_t *ret)
{
	struct sockaddr_in at = { .sin_family = AF_INET };

	*ret = (struct bproc_node_info_t){ .node = (int)n->number,
					   .mode = n->mode,
					   .user = n->uid,
					   .group = n->gid,
					   .atime = (time_t)(n->since_ms / 1000),
					   .mtime = (time_t)(n->since_ms / 1000) };
	snprintf(ret->status, sizeof(ret->status), "%s", n->state);
	at.sin_addr = n->address.v4;
	if (n->address.family == AF_INET)
		memcpy(&ret->addr, &at, sizeof(ret->addr));
}

int bproc_numnodes(void)
{
	_cleanup_caller_nodes_ struct caller_nodes known = { 0 };
	int r = lib_nodes(&known);

	return r < 0 ? lib_result(r) : (int)known.n;
}

int bproc_currnode(void)
{
	const char *s = getenv(LIB_NODE);
	uint32_t n;

	return s && parse_u32(s, 0, NODE_NUMBER_MAX, &n) == 0 ? (int)n : BPROC_NODE_MASTER;
}

int bproc_nodeinfo(int node, struct bproc_node_info_t *info)
{
	_cleanup_caller_nodes_ struct caller_nodes known = { 0 };
	const struct message_node *n;
	int r = lib_node(node, &known, &n);

	if (r == 0)
		fill(n, info);
	return lib_result(r);
}

int bproc_nodestatus(int node, char *status, int len)
{
	struct bproc_node_info_t info = { .status = "up" };
	int n;

	if (!status || len < 1)
		return lib_result(-EINVAL);
	if (node != BPROC_NODE_MASTER && bproc_nodeinfo(node, &info) < 0)
		return -1;
	n = (int)strlen(info.status);
	if (n > len)
		return lib_result(-ERANGE);
	memcpy(status, info.status, (size_t)MIN(n + 1, len)); /* with its NUL where that fits */
	return n;
}

int bproc_nodeaddr(int node, struct sockaddr *addr, int *size)
{
	_cleanup_caller_nodes_ struct caller_nodes known = { 0 };
	struct ipaddr master = { .family = AF_INET, .v4 = { htonl(INADDR_LOOPBACK) } };
	const struct ipaddr *a = &master;
	const struct message_node *n;
	union ip_sock sock;
	int r = 0;

	if (node == BPROC_NODE_SELF)
		node = bproc_currnode();
	if (node != BPROC_NODE_MASTER) {
		r = lib_node(node, &known, &n);
		if (r < 0)
			return lib_result(r);
		a = &n->address;
	}
	if (!ip_is_set(a))
		return lib_result(-ENODATA);
	sock = ip_sock(a, 0);
	if (*size < (int)ip_sock_bytes(&sock))
		return lib_result(-ERANGE);
	*size = (int)ip_sock_bytes(&sock);
	memcpy(addr, &sock, (size_t)*size);
	return 0;
}

int bproc_nodelist(struct bproc_node_set_t *set)
{
	_cleanup_caller_nodes_ struct caller_nodes known = { 0 };
	int r = lib_nodes(&known);

	if (r < 0)
		return lib_result(r);
	if (bproc_nodeset_init(set, (int)known.n) < 0)
		return -1;
	for (size_t i = 0; i < known.n; i++)
		fill(&known.list[i], &set->node[i]);
	return set->size;
}

static int watch_nodes(struct caller *c)
{
	const uint8_t watch = MESSAGE_WATCH;
	int r = lib_open(c);

	if (r == 0)
		r = caller_send(c, &watch, 1);
	return r < 0 ? r : caller_done(c);
}

/* The notifier's bpmaster has gone: it becomes one of the next. */
static int renew_notifier(int notifier)
{
	_cleanup_caller_ struct caller c = CALLER();
	int r = watch_nodes(&c);

	if (r < 0)
		return r == -ECONNREFUSED ? -ECONNRESET : r;
	return dup3(c.fd, notifier, O_CLOEXEC) < 0 ? -errno : 0;
}

int bproc_nodelist_(struct bproc_node_set_t *set, int notifier)
{
	uint8_t news[256];
	ssize_t n;

	do /* what changes from here on makes it readable again */
		n = recv(notifier, news, sizeof(news), MSG_DONTWAIT);
	while (n > 0 || (n < 0 && errno == EINTR));
	if (n == 0 || errno == ECONNRESET) {
		int r = renew_notifier(notifier);

		return r < 0 ? lib_result(r) : bproc_nodelist(set);
	}
	return errno == EAGAIN ? bproc_nodelist(set) : -1;
}

int bproc_nodespec(struct bproc_node_set_t *set, const char *text)
{
	struct bproc_node_set_t all;
	int r;

	if (bproc_nodelist(&all) < 0)
		return -1;
	r = bproc_nodefilter(set, &all, text);
	bproc_nodeset_free(&all);
	return r;
}

int bproc_notifier(void)
{
	_cleanup_caller_ struct caller c = CALLER();
	int r = watch_nodes(&c);

	return r < 0 ? lib_result(r) : TAKE_FD(c.fd);
}

struct wanted {
	uint32_t number;
	const char *name;
	void *value;
	int size, r;
};

static int take_attribute(void *owner, struct reader *body)
{
	struct wanted *w = owner;
	struct message_attribute a;
	const char *value;
	size_t n;
	int r = message_attribute_read(body, &a);

	if (r < 0 || a.number != w->number || attributes_get(a.text, w->name, &value, &n) < 0)
		return r;
	w->r = (int)n > w->size ? -ERANGE : (int)n;
	if (w->r >= 0)
		memcpy(w->value, value, n);
	if (w->r >= 0 && (int)n < w->size)
		((char *)w->value)[n] = 0;
	return 0;
}

int bproc_getnodeattr(int node, char *name, void *value, int size)
{
	struct wanted w = { .name = name, .value = value, .size = size, .r = -ENODATA };
	_cleanup_caller_nodes_ struct caller_nodes known = { 0 };
	_cleanup_caller_ struct caller c = CALLER();
	const struct message_node *n;
	int r;

	if (!name || !value || size < 0)
		return lib_result(-EINVAL);
	if (!strcmp(name, STATE_ATTRIBUTE))
		return bproc_nodestatus(node, value, size);
	r = lib_node(node, &known, &n);
	if (r == 0) {
		w.number = n->number;
		r = lib_open(&c);
	}
	if (r == 0)
		r = caller_each(&c, MESSAGE_ATTRIBUTES, MESSAGE_ATTRIBUTE, take_attribute, &w);
	return lib_result(r < 0 ? r : w.r);
}

int bproc_setnodeattr(int node, char *name, void *value, int size)
{
	char word[MESSAGE_ATTRIBUTE_MAX];
	int n;

	if (!name || strchr(name, '=') || size < 0 || (size > 0 && !value))
		return lib_result(-EINVAL);
	if (!strcmp(name, STATE_ATTRIBUTE))
		return lib_result(-EPERM); /* bproc_nodesetstatus() */
	n = snprintf(word, sizeof(word), "%s=%.*s", name, size, value ? (const char *)value : "");
	if (n < 0 || n >= (int)sizeof(word))
		return lib_result(-E2BIG);
	return lib_result(lib_set(node, MESSAGE_SET_ATTRIBUTE, 0, word));
}
